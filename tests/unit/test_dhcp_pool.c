// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* Addresses: limits, conflicts, reservations, live changes, loading, time. */
#include "dhcp/dhcp_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp_rig.h"

#define SERVER IP4(10, 0, 2, 2)
#define IP(n)  IP4(10, 0, 2, n)

/* ---- limits -------------------------------------------------------------- */

static void pool__exhausted__silence_and_one_event_a_minute(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.last = cfg.first + 1;
	rig_reconfigure(r, &cfg);
	rig_dora(r, 1, 1);
	rig_dora(r, 2, 2);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_dora(r, 3, 3), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_EXHAUSTED), 100);
	assert_int_equal(r->events[DHCP_EV_EXHAUSTED], 1);
	assert_int_equal(r->last.nic_id, 3);
	rig_pass(r, 61);
	assert_int_equal(rig_dora(r, 3, 3), 0);
	assert_int_equal(r->events[DHCP_EV_EXHAUSTED], 2);
}

/* One guest that makes up MACs cannot eat the pool. */
static void pool__one_nic_many_macs__quota(void **state)
{
	struct dhcp_rig *r = *state;
	uint32_t got = 0;

	for (uint8_t i = 0; i < 100; i++)
		got += rig_dora(r, 1, i) != 0;
	assert_int_equal(got, DHCP_NIC_BINDINGS);
	assert_int_equal(rig_drops(r, DHCP_DROP_QUOTA),
			 100 - DHCP_NIC_BINDINGS);
	assert_int_not_equal(rig_dora(r, 2, 200), 0);
	/* Declining does not help it either. */
	for (uint8_t i = 0; i < 100; i++) {
		struct dhcp_ask a = rig_ask(DHCP_DECLINE, 1, i);
		const struct dhcp_lease *l =
			dhcp_server_find_mac(r->s, 1, &a.mac);

		a.requested = l ? l->ip : 0;
		rig_send(r, &a);
		(void)rig_dora(r, 1, i);
	}
	assert_int_equal(rig_stats(r).declined, DHCP_NIC_BINDINGS);
	assert_int_equal(rig_stats(r).bound, 1);
	rig_pass(r, DHCP_QUARANTINE_S);
	assert_int_not_equal(rig_dora(r, 1, 1), 0);
}

/* RFC 2131 2.2: never used before used; then the one unused longest. */
static void pool__all_used_once__least_recently_freed_first(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.last = cfg.first + 2;
	cfg.lease_s = 1000;
	rig_reconfigure(r, &cfg);
	for (uint8_t i = 1; i <= 3; i++) {
		assert_int_equal(rig_dora(r, i, i), IP(14 + i));
		rig_pass(r, 10);
	}
	rig_pass(r, 400);
	/* Client 1 renews, so that 16 and 17 end first, then 15. */
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	rig_pass(r, 2000);
	assert_int_equal(rig_stats(r).freed, 3);
	rig_restart(r, 0); /* the order survives */
	assert_int_equal(rig_dora(r, 4, 4), IP(16));
	assert_int_equal(rig_dora(r, 5, 5), IP(17));
	assert_int_equal(rig_dora(r, 1, 1), IP(15)); /* its own again */
	assert_int_equal(rig_dora(r, 6, 6), 0);
}

/* ---- somebody else is there ---------------------------------------------- */

/* RFC 2131 2.2 and 4.3.1: probe before the address is used anew. */
static void in_use__address_taken__quarantined_and_next_offered(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, 2, 2);

	r->squatted[0] = IP(15);
	r->squatted[1] = IP(16);
	r->squatted[2] = IP(30);
	assert_int_equal(rig_dora(r, 1, 1), IP(17));
	assert_int_equal(r->events[DHCP_EV_CONFLICT], 2);
	assert_int_equal(rig_stats(r).conflicts, 2);
	assert_int_equal(rig_stats(r).declined, 2);
	assert_true(mac_is_zero(&dhcp_server_find_ip(r->s, IP(15))->mac));
	rig_restart(r, 0);
	a.requested = IP(30); /* a client that comes without an offer */
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->events[DHCP_EV_CONFLICT], 3);
	/* Whoever holds it answers for it: no probe. */
	r->squatted[3] = IP(17);
	rig_pass(r, 1000);
	assert_int_equal(rig_dora(r, 1, 1), IP(17));
}

/* RFC 2131 3.1: the server SHOULD probe before it offers; an answer takes time. */
static void in_use__to_be_found_out__message_comes_again(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	r->asks = true;
	r->squatted[0] = IP(15);
	assert_int_equal(rig_send(r, &a), 0);
	assert_true(r->waits);
	assert_int_equal(r->asked, IP(15));
	assert_int_equal(rig_stats(r).rx[DHCP_DISCOVER], 0);
	assert_int_equal(rig_stats(r).offered, 0);
	assert_int_equal(rig_send(r, &a), 0); /* taken: the next one */
	assert_true(r->waits);
	assert_int_equal(r->asked, IP(16));
	assert_int_equal(r->events[DHCP_EV_CONFLICT], 1);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
	assert_int_equal(rig_stats(r).rx[DHCP_DISCOVER], 1);
	r->asked = 0; /* what it holds is not asked about */
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
	assert_int_equal(r->asked, 0);
}

/* Its user speaks up between the OFFER and the REQUEST. */
static void in_use__heard_after_the_offer__nak(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	r->squatted[0] = IP(15);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->events[DHCP_EV_CONFLICT], 1);
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
	r->squatted[1] = IP(16); /* but a lease is not taken away */
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
}

/* So that whoever asks about them can do so before they are wanted. */
static void next__what_comes__in_order(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct mac mac = rig_mac(1);
	uint32_t ip[4] = {0};

	cfg.last = IP(18);
	rig_reconfigure(r, &cfg);
	assert_int_equal(dhcp_server_next(r->s, NULL, 0, ip, 2), 2);
	assert_int_equal(ip[0], IP(15));
	assert_int_equal(ip[1], IP(16));
	rig_dora(r, 1, 1);
	rig_dora(r, 2, 2);
	rig_pass(r, 86400);
	assert_int_equal(dhcp_server_next(r->s, &mac, 1, ip, 4), 4);
	assert_int_equal(ip[0], IP(15)); /* its own before */
	assert_int_equal(ip[1], IP(17));
	assert_int_equal(ip[2], IP(18));
	assert_int_equal(ip[3], IP(16));
	rig_dora(r, 1, 1);
	assert_int_equal(dhcp_server_next(r->s, &mac, 1, ip, 4), 3);
	assert_int_equal(ip[0], IP(17));
}

static void in_use__many_taken__bounded_work(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	for (uint32_t i = 0; i < ARRAY_LEN(r->squatted); i++)
		r->squatted[i] = IP(15 + i);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_stats(r).conflicts, 8);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.yiaddr, IP(31));
}

/* ---- reservations -------------------------------------------------------- */

static int reserve(struct dhcp_rig *r, uint8_t n, uint32_t ip, const char *name)
{
	struct mac mac = rig_mac(n);

	return dhcp_server_reserve(r->s, &mac, ip, name, r->now, NULL);
}

static void reserve__before_first_contact__address_and_name(void **state)
{
	struct dhcp_rig *r = *state;
	size_t len;

	assert_int_equal(reserve(r, 1, IP(10), "web"), 0); /* not in the pool */
	assert_int_equal(reserve(r, 2, IP(15), NULL), 0);
	assert_int_equal(reserve(r, 3, 0, "db"), 0);
	assert_int_equal(rig_dora(r, 9, 9), IP(16)); /* .15 is kept */
	assert_int_equal(rig_dora(r, 1, 1), IP(10));
	assert_memory_equal(dhcp_msg_opt(&r->answer, DHCP_OPT_HOSTNAME, &len),
			    "web", 3);
	assert_string_equal(dhcp_server_find_ip(r->s, IP(10))->hostname, "web");
	assert_int_equal(rig_dora(r, 2, 2), IP(15));
	assert_int_equal(rig_dora(r, 3, 3), IP(17));
	assert_string_equal(dhcp_server_find_ip(r->s, IP(17))->hostname, "db");
}

static void reserve__what_cannot_be__refused(void **state)
{
	struct dhcp_rig *r = *state;
	struct mac group = {{1, 0, 0, 0, 0, 1}};
	struct errtext why = {""};

	assert_int_equal(reserve(r, 1, IP(10), NULL), 0);
	assert_int_equal(reserve(r, 2, IP(10), NULL), -EEXIST);
	assert_int_equal(reserve(r, 2, IP(2), NULL), -ERANGE);
	assert_int_equal(reserve(r, 2, IP(3), NULL), -ERANGE);
	assert_int_equal(reserve(r, 2, IP(255), NULL), -ERANGE);
	assert_int_equal(reserve(r, 2, IP4(10, 0, 3, 1), NULL), -ERANGE);
	assert_int_equal(reserve(r, 2, 0, "a_b"), -EINVAL);
	assert_int_equal(
		dhcp_server_reserve(r->s, &group, 0, NULL, r->now, &why),
		-EINVAL);
	assert_true(why.s[0]);
	assert_int_equal(rig_stats(r).reserved, 1);
	assert_int_equal(reserve(r, 1, IP(11), "x"), 0); /* replaced */
	assert_int_equal(reserve(r, 2, IP(10), NULL), 0);
	assert_int_equal(rig_stats(r).reserved, 2);
}

/* Somebody holds the address: it stays until it renews, then both move. */
static void reserve__address_held_by_another__moves_at_renewal(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(reserve(r, 2, IP(15), NULL), 0);
	assert_int_equal(rig_dora(r, 2, 2), IP(16)); /* meanwhile */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 1, 1), IP(17));
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1); /* of .15 */
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
	a = rig_renewal(2, 2, IP(16));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 2, 2), IP(15));
	assert_null(dhcp_server_find_ip(r->s, IP(16)));
	assert_int_equal(rig_stats(r).bound, 2);
}

static void unreserve__lease_goes_on__until_freed(void **state)
{
	struct dhcp_rig *r = *state;
	struct mac one = rig_mac(1), two = rig_mac(2);
	struct dhcp_ask a = rig_renewal(1, 1, IP(20));

	reserve(r, 1, IP(20), "web");
	reserve(r, 2, IP(10), NULL);
	assert_int_equal(rig_dora(r, 1, 1), IP(20));
	assert_int_equal(rig_dora(r, 2, 2), IP(10));
	assert_int_equal(dhcp_server_unreserve(r->s, &one, r->now), 0);
	assert_int_equal(dhcp_server_unreserve(r->s, &one, r->now), -ENOENT);
	assert_int_equal(rig_send(r, &a), DHCP_ACK); /* in the pool: goes on */
	assert_int_equal(dhcp_server_unreserve(r->s, &two, r->now), 0);
	a = rig_renewal(2, 2, IP(10));
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* outside */
	rig_pass(r, 90000);
	assert_null(dhcp_server_find_ip(r->s, IP(10)));
	assert_int_equal(dhcp_server_find_ip(r->s, IP(20))->state,
			 DHCP_EXPIRED);
}

/* The reserved address' quarantine must not leave the client without one. */
static void reserve__address_declined__one_from_the_pool(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DECLINE, 1, 1);

	reserve(r, 1, IP(10), NULL);
	assert_int_equal(rig_dora(r, 1, 1), IP(10));
	a.requested = IP(10);
	rig_send(r, &a);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	rig_pass(r, DHCP_QUARANTINE_S);
	a = rig_renewal(1, 1, IP(15));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 1, 1), IP(10));
}

/* ---- configuration, loading, time ---------------------------------------- */

static void configure__nonsense__refused_with_reason(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config good = rig_config(), c;
	const struct dhcp_config *now;

#define REFUSED(err, change)                                                   \
	do {                                                                   \
		struct errtext why = {""};                                     \
		c = good;                                                      \
		change;                                                        \
		assert_int_equal(                                              \
			dhcp_server_configure(r->s, &c, r->now, &why), (err)); \
		assert_true(why.s[0]);                                         \
	} while (0)
	REFUSED(-EINVAL, c.net.plen = 31);
	REFUSED(-EINVAL, c.net.plen = 0);
	REFUSED(-EINVAL, c.net.addr |= 1);
	REFUSED(-EINVAL, c.server_ip = IP4(10, 0, 3, 1));
	REFUSED(-EINVAL, c.server_ip = IP(0));
	REFUSED(-EINVAL, c.server_ip = IP(255));
	REFUSED(-EINVAL, c.router = IP4(10, 0, 3, 1));
	REFUSED(-EINVAL, c.first = IP4(10, 0, 1, 1));
	REFUSED(-EINVAL, c.last = IP(255));
	REFUSED(-EINVAL, c.last = IP(14));
	REFUSED(-EINVAL, c.ndns = 4);
	REFUSED(-EINVAL, c.mtu = 67);
	REFUSED(-EINVAL, memset(c.domain, 'a', sizeof(c.domain)));
	REFUSED(-ERANGE, c.net.plen = 8; c.net.addr = IP4(10, 0, 0, 0);
		c.last = IP4(10, 200, 0, 0));
	now = dhcp_server_config(r->s);
	assert_int_equal(now->net.addr, good.net.addr);
	assert_int_equal(now->net.plen, good.net.plen);
	assert_int_equal(now->server_ip, good.server_ip);
	assert_int_equal(now->router, good.router);
	assert_int_equal(now->first, good.first);
	assert_int_equal(now->last, good.last);
	assert_int_equal(now->ndns, good.ndns);
	assert_int_equal(now->mtu, good.mtu);
	assert_string_equal(now->domain, good.domain);
}

/* Reservations only: nothing is handed out to others. */
static void configure__no_pool__reserved_clients_only(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.first = cfg.last = 0;
	rig_reconfigure(r, &cfg);
	reserve(r, 1, IP(40), NULL);
	assert_int_equal(rig_dora(r, 1, 1), IP(40));
	assert_int_equal(rig_dora(r, 2, 2), 0);
	assert_int_equal(rig_stats(r).pool, 0);
}

/* Leases outside the new pool run out; their clients are told at renewal. */
static void configure__pool_moves__old_leases_until_renewal(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_dora(r, 2, 2);
	a.type = DHCP_RELEASE;
	rig_send(r, &a);
	cfg.first = IP(100);
	rig_reconfigure(r, &cfg);
	assert_null(dhcp_server_find_ip(r->s, IP(15))); /* freed: forgotten */
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1);
	assert_non_null(dhcp_server_find_ip(r->s, IP(16)));
	rig_restart(r, 0);
	assert_non_null(dhcp_server_find_ip(r->s, IP(16)));
	a = rig_renewal(2, 2, IP(16));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 2, 2), IP(100));
	assert_null(dhcp_server_find_ip(r->s, IP(16)));
	rig_dora(r, 3, 3);
	cfg = rig_config();
	cfg.net.addr = IP4(172, 20, 0, 0);
	cfg.server_ip = cfg.router = IP4(172, 20, 0, 1);
	cfg.ndns = 0;
	cfg.first = IP4(172, 20, 0, 10);
	cfg.last = IP4(172, 20, 0, 20);
	rig_reconfigure(r, &cfg);
	a = rig_ask(DHCP_REQUEST, 3, 3); /* INIT-REBOOT on the renumbered net */
	a.requested = IP(101);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 3, 3), IP4(172, 20, 0, 10));
}

static int promise(struct dhcp_rig *r, uint32_t ip, uint8_t n)
{
	const struct dhcp_lease l = {.ip = ip,
				     .mac = rig_mac(n),
				     .nic_id = n,
				     .expiry_s = r->now,
				     .state = DHCP_PROMISED};

	return dhcp_server_load(r->s, &l, r->now);
}

/* A NIC's address is known before its first boot, whoever boots first. */
static void load__promised__its_owner_gets_it_others_while_there_are_none(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.last = cfg.first + 2;
	rig_reconfigure(r, &cfg);
	assert_int_equal(promise(r, IP(15), 1), 0);
	assert_int_equal(promise(r, IP(16), 2), 0);
	assert_int_equal(rig_stats(r).freed, 2);
	assert_int_equal(rig_dora(r, 3, 3), IP(17));
	assert_int_equal(rig_dora(r, 2, 2), IP(16));
	assert_int_equal(rig_dora(r, 4, 4), IP(15)); /* the last that there is */
	assert_int_equal(rig_dora(r, 1, 1), 0);
	r->rows = 0; /* for rig_check(): it saw no promise stored */
	for (uint32_t ip = IP(15); ip <= IP(17); ip++)
		(void)dhcp_server_forget(r->s, ip, r->now);
}

/* Where another one had it before; not where somebody has it now. */
static void load__promised_again__freed_only(void **state)
{
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(promise(r, IP(15), 2), -EEXIST);
	rig_pass(r, 2 * DHCP_LEASE_S);
	assert_int_equal(promise(r, IP(15), 2), 0);
	assert_int_equal(rig_stats(r).freed, 1);
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
	assert_int_equal(rig_dora(r, 2, 2), IP(15));
	r->rows = 0;
	for (uint32_t ip = IP(15); ip <= IP(16); ip++)
		(void)dhcp_server_forget(r->s, ip, r->now);
}

static void load__every_state__taken_back_or_refused(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_lease l = {.ip = IP(20),
			       .mac = rig_mac(1),
			       .nic_id = 1,
			       .expiry_s = r->now + 500,
			       .state = DHCP_BOUND,
			       .hostname = "Bad Name"};

	assert_int_equal(dhcp_server_load(r->s, &l, r->now), 0);
	assert_string_equal(dhcp_server_find_ip(r->s, IP(20))->hostname,
			    "bad-name");
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), -EEXIST);
	l.ip = IP(21);
	l.state = DHCP_OFFERED;
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), -EINVAL);
	l.state = (enum dhcp_state)17;
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), -EINVAL);
	l.state = DHCP_BOUND;
	l.mac.b[0] = 1;
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), -EINVAL);
	memset(&l.mac, 0, 6);
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), -EINVAL);
	l.mac = rig_mac(2);
	l.expiry_s = r->now - 5; /* ended while we were away */
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), 0);
	assert_int_equal(r->events[DHCP_EV_EXPIRED], 1);
	l.ip = IP4(10, 9, 9, 9); /* expired and not ours any more */
	l.state = DHCP_EXPIRED;
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1);
	l.ip = IP(22);
	l.state = DHCP_DECLINED; /* over */
	assert_int_equal(dhcp_server_load(r->s, &l, r->now), 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 2);
	assert_int_equal(rig_stats(r).bound, 1);
	assert_int_equal(rig_stats(r).freed, 1);
	assert_int_equal(rig_dora(r, 1, 1), IP(20));
	/* For rig_check(): loading put nothing into the rig's store. */
	r->rows = 0;
	assert_int_equal(dhcp_server_forget(r->s, IP(20), r->now), 0);
	assert_int_equal(dhcp_server_forget(r->s, IP(20), r->now), -ENOENT);
}

static void forget__any_state__gone(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 2, 2);

	rig_dora(r, 1, 1);
	rig_send(r, &a);
	assert_int_equal(dhcp_server_forget(r->s, IP(15), r->now), 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1);
	assert_int_equal(dhcp_server_forget(r->s, IP(16), r->now), 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1); /* never stored */
	assert_int_equal(dhcp_server_forget(r->s, IP(16), r->now), -ENOENT);
	assert_int_equal(rig_dora(r, 3, 3), IP(15));
	r->hold = true; /* with a commit waiting */
	a.type = DHCP_REQUEST;
	a.requested = IP(16);
	a.server_id = SERVER;
	rig_send(r, &a);
	assert_int_equal(dhcp_server_forget(r->s, IP(16), r->now), 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 2);
	assert_int_equal(rig_stats(r).pending, 0);
	assert_int_equal(rig_store(r), 0);
}

/* Suspend, a bad RTC, NTP: the wall clock jumps both ways. */
static void tick__clock_set_back_and_forth__leases_follow(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 2, 2);

	rig_dora(r, 1, 1);
	rig_send(r, &a);
	r->now -= 10 * 86400;
	dhcp_server_tick(r->s, r->now);
	assert_int_equal(rig_stats(r).bound, 1);
	assert_int_equal(rig_stats(r).offered, 1);
	rig_pass(r, 10 * 86400 + 59);
	assert_int_equal(rig_stats(r).offered, 1);
	rig_pass(r, 1);
	assert_int_equal(rig_stats(r).offered, 0);
	rig_pass(r, 86400 - 61);
	assert_int_equal(rig_stats(r).bound, 1);
	rig_pass(r, 1);
	assert_int_equal(rig_stats(r).bound, 0);
	/* Far ahead and back again: the client gets its address again. */
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	r->now += 86400LL * 365 * 30;
	dhcp_server_tick(r->s, r->now);
	r->now -= 86400LL * 365 * 30;
	dhcp_server_tick(r->s, r->now);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
}

static bool count_three(void *arg, const struct dhcp_lease *l)
{
	(void)l;
	return ++*(unsigned int *)arg < 3;
}

static void walk__stops_when_told(void **state)
{
	struct dhcp_rig *r = *state;
	unsigned int n = 0;

	for (uint8_t i = 0; i < 5; i++)
		rig_dora(r, i + 1u, i);
	dhcp_server_walk(r->s, count_three, &n);
	assert_int_equal(n, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pool__exhausted__silence_and_one_event_a_minute),
		T(pool__one_nic_many_macs__quota),
		T(pool__all_used_once__least_recently_freed_first),
		T(in_use__address_taken__quarantined_and_next_offered),
		T(in_use__to_be_found_out__message_comes_again),
		T(in_use__heard_after_the_offer__nak),
		T(next__what_comes__in_order),
		T(in_use__many_taken__bounded_work),
		T(reserve__before_first_contact__address_and_name),
		T(reserve__what_cannot_be__refused),
		T(reserve__address_held_by_another__moves_at_renewal),
		T(unreserve__lease_goes_on__until_freed),
		T(reserve__address_declined__one_from_the_pool),
		T(configure__nonsense__refused_with_reason),
		T(configure__no_pool__reserved_clients_only),
		T(configure__pool_moves__old_leases_until_renewal),
		T(load__promised__its_owner_gets_it_others_while_there_are_none),
		T(load__promised_again__freed_only),
		T(load__every_state__taken_back_or_refused),
		T(forget__any_state__gone),
		T(tick__clock_set_back_and_forth__leases_follow),
		T(walk__stops_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
