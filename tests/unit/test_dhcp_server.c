// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* The rules of the DHCP server, one exchange after the other. */
#include "dhcp/dhcp_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp_rig.h"

#define SERVER IP4(10, 0, 2, 2)
#define IP(n)  IP4(10, 0, 2, n)

static struct dhcp_stats stats(struct dhcp_rig *r)
{
	struct dhcp_stats st;

	dhcp_server_stats(r->s, &st);
	return st;
}

static uint64_t drops(struct dhcp_rig *r, enum dhcp_drop d)
{
	return stats(r).drops[d];
}

static int setup(void **state)
{
	static struct dhcp_rig rig;
	struct dhcp_config cfg = rig_config();

	rig_start(&rig, &cfg);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	struct dhcp_rig *r = *state;

	rig_check(r);
	rig_stop(r);
	return 0;
}

static void reconfigure(struct dhcp_rig *r, const struct dhcp_config *cfg)
{
	r->cfg = *cfg;
	assert_int_equal(dhcp_server_configure(r->s, cfg, r->now, NULL), 0);
}

static struct dhcp_ask ask(uint8_t type, uint64_t nic, uint8_t n)
{
	return (struct dhcp_ask){
		.type = type, .nic = nic, .mac = rig_mac(n), .xid = 0x100u + n};
}

/* A renewal: unicast from the address to the server. */
static struct dhcp_ask renewal(uint64_t nic, uint8_t n, uint32_t ip)
{
	struct dhcp_ask a = ask(DHCP_REQUEST, nic, n);

	a.ciaddr = a.src_ip = ip;
	a.dst_ip = SERVER;
	return a;
}

/* ---- first contact ------------------------------------------------------- */

/* RFC 2131 3.1 and 4.3.1, table 3 */
static void discover__new_client__offer_with_everything(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);
	size_t len;

	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.op, 2);
	assert_int_equal(r->answer.h.htype, 1);
	assert_int_equal(r->answer.h.hlen, 6);
	assert_int_equal(r->answer.h.hops, 0);
	assert_int_equal(r->answer.h.xid, a.xid);
	assert_int_equal(r->answer.h.secs, 0);
	assert_int_equal(r->answer.h.ciaddr, 0);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	assert_int_equal(r->answer.h.siaddr, 0);
	assert_memory_equal(r->answer.h.chaddr, a.mac.b, 6);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400);
	assert_int_equal(rig_opt32(r, DHCP_OPT_T1), 43200);
	assert_int_equal(rig_opt32(r, DHCP_OPT_T2), 75600);
	assert_int_equal(rig_opt32(r, DHCP_OPT_MASK), 0xffffff00);
	assert_int_equal(rig_opt32(r, DHCP_OPT_ROUTER), SERVER);
	assert_int_equal(rig_opt32(r, DHCP_OPT_DNS), IP(3));
	assert_int_equal(rig_opt32(r, DHCP_OPT_BROADCAST), IP(255));
	assert_memory_equal(dhcp_msg_opt(&r->answer, DHCP_OPT_DOMAIN, &len),
			    "lab.vnet", 8);
	assert_int_equal(len, 8);
	assert_false(rig_has(r, DHCP_OPT_MTU));
	assert_false(rig_has(r, DHCP_OPT_HOSTNAME));
	assert_true(r->reply.len >= DHCP_MIN_LEN);
	assert_int_equal(stats(r).offered, 1);
}

/* RFC 2131 3.1: an offer binds nobody, the ACK does, after it was stored. */
static void request__selecting__ack_after_commit(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 7, 1);
	const struct dhcp_lease *l;
	struct dhcp_reply reply;

	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	a.hostname = "Alpine.lan";
	a.cid = "\xff\x01\x02";
	a.cid_len = 3;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(stats(r).bound, 0);
	assert_null(dhcp_server_find_mac(r->s, 0, &a.mac));

	l = &r->waiting[0].lease;
	assert_int_equal(l->ip, IP(15));
	assert_int_equal(l->nic_id, 7);
	assert_int_equal(l->expiry_s, r->now + 86400);
	assert_int_equal(l->state, DHCP_BOUND);
	assert_string_equal(l->hostname, "alpine");
	assert_int_equal(l->client_id_len, 3);
	assert_memory_equal(l->client_id, "\xff\x01\x02", 3);

	assert_int_equal(rig_store(r), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	l = dhcp_server_find_mac(r->s, 7, &a.mac);
	assert_non_null(l);
	assert_int_equal(l->ip, IP(15));
	assert_null(dhcp_server_find_mac(r->s, 8, &a.mac));
	assert_ptr_equal(dhcp_server_find_ip(r->s, IP(15)), l);
	assert_int_equal(dhcp_server_committed(r->s, 1, r->now, &reply),
			 -ENOENT);
	assert_int_equal(stats(r).tx[DHCP_ACK], 1);
	assert_int_equal(stats(r).pending, 0);
}

/* Defaults that people recognise: ascending from the first of the pool. */
static void discover__several_clients__ascending(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = {
		.net = {.addr = IP4(192, 168, 56, 0), .plen = 24},
		.server_ip = IP4(192, 168, 56, 1),
		.first = IP4(192, 168, 56, 101),
		.last = IP4(192, 168, 56, 254),
	};

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(rig_dora(r, 2, 2), IP(16));
	assert_int_equal(rig_dora(r, 3, 3), IP(17));
	reconfigure(r, &cfg);
	assert_int_equal(rig_dora(r, 4, 4), IP4(192, 168, 56, 101));
	assert_int_equal(rig_dora(r, 5, 5), IP4(192, 168, 56, 102));
	assert_false(rig_has(r, DHCP_OPT_ROUTER));
	assert_false(rig_has(r, DHCP_OPT_DNS));
}

/* The pool may cover everything: what is somebody's is never given out. */
static void discover__whole_net_as_pool__special_addresses_skipped(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = {
		.net = {.addr = IP(16), .plen = 29}, /* .16 to .23 */
		.server_ip = IP(17),
		.router = IP(18),
		.dns = {IP(19), IP4(1, 1, 1, 1)},
		.ndns = 2,
		.first = IP(17),
		.last = IP(22),
	};

	reconfigure(r, &cfg);
	assert_int_equal(rig_dora(r, 1, 1), IP(20));
	assert_int_equal(rig_dora(r, 2, 2), IP(21));
	assert_int_equal(rig_dora(r, 3, 3), IP(22));
	assert_int_equal(rig_dora(r, 4, 4), 0);
	assert_int_equal(drops(r, DHCP_DROP_EXHAUSTED), 1);
}

/* RFC 2131 4.3.1: requested address if valid and free. */
static void discover__with_requested_address__given_if_free(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	a.requested = IP(99);
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(99));
	a = ask(DHCP_DISCOVER, 2, 2);
	a.requested = IP(99); /* taken */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a = ask(DHCP_DISCOVER, 3, 3);
	a.requested = IP(3); /* the resolver's */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
	a = ask(DHCP_DISCOVER, 4, 4);
	a.requested = IP4(192, 168, 1, 5); /* another network's */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(17));
}

/* RFC 2131 4.3.1: the same client gets the same offer again. */
static void discover__again__same_offer(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	for (int i = 0; i < 5; i++) {
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(r->answer.h.yiaddr, IP(15));
		rig_pass(r, 50);
	}
	assert_int_equal(stats(r).offered, 1);
	rig_pass(r, 11); /* nobody wanted it */
	assert_int_equal(stats(r).offered, 0);
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
}

/* ---- identity ------------------------------------------------------------ */

/* RFC 2131 4.2, departed from: firmware, initrd and system send different
 * identifiers and get one address. */
static void identity__one_nic_many_client_ids__one_address(void **state)
{
	static const char *const ids[] = {"\x01RTGxyz", "\377duid-one", "x"};
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	for (int i = 0; i < 3; i++) {
		struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);
		size_t len;

		a.cid = ids[i];
		a.cid_len = strlen(ids[i]);
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(r->answer.h.yiaddr, IP(15));
		/* RFC 6842 3: every reply carries the identifier. */
		assert_memory_equal(
			dhcp_msg_opt(&r->answer, DHCP_OPT_CLIENT_ID, &len),
			ids[i], a.cid_len);
		assert_int_equal(len, a.cid_len);
		a.type = DHCP_REQUEST;
		a.requested = IP(15);
		a.server_id = SERVER;
		assert_int_equal(rig_send(r, &a), DHCP_ACK);
	}
	assert_int_equal(stats(r).bound, 1);
}

/* RFC 2131 4.2, departed from: clones with one identifier get two addresses. */
static void identity__two_nics_one_client_id__two_addresses(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	a.cid = "machine-id";
	a.cid_len = 10;
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a.nic = 2;
	a.mac = rig_mac(2);
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
}

/* RFC 2131 4.2, followed when asked to. */
static void identity__rfc2131_mode__client_id_decides(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	cfg.identity = DHCP_IDENTITY_RFC2131;
	reconfigure(r, &cfg);
	a.cid = "machine-id";
	a.cid_len = 10;
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a.nic = 2;
	a.mac = rig_mac(2);
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	a.cid_len = 0; /* the same MAC without one is another client */
	rig_send(r, &a);
	assert_int_equal(r->answer.h.yiaddr, IP(16));
	a.nic = 1;
	rig_send(r, &a); /* the MAC decides, not the NIC */
	assert_int_equal(r->answer.h.yiaddr, IP(16));
}

/* A guest that writes another's MAC is somebody else. */
static void identity__same_mac_on_other_nic__cannot_touch_lease(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	a = ask(DHCP_RELEASE, 2, 1);
	a.ciaddr = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	a = ask(DHCP_DECLINE, 2, 1);
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_NOT_OWNER), 2);
	a = renewal(2, 1, IP(15));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->state, DHCP_BOUND);
	assert_int_equal(rig_dora(r, 2, 1), IP(16));
}

/* The NIC is made anew (detach, attach with the same MAC): same address. */
static void nic_del__same_mac_comes_back__same_address(void **state)
{
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	dhcp_server_nic_del(r->s, 1);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->nic_id, 0);
	assert_int_equal(rig_dora(r, 9, 1), IP(15));
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->nic_id, 9);
	assert_int_equal(stats(r).bound, 1);
}

/* Where NICs are not known (a bridge), the MAC alone decides. */
static void identity__nic_unknown__mac_decides(void **state)
{
	struct dhcp_rig *r = *state;

	assert_int_equal(rig_dora(r, 0, 1), IP(15));
	assert_int_equal(rig_dora(r, 0, 2), IP(16));
	assert_int_equal(rig_dora(r, 0, 1), IP(15));
	assert_int_equal(rig_dora(r, 5, 2), IP(16));
}

/* ---- REQUEST ------------------------------------------------------------- */

/* RFC 2131 4.3.2, SELECTING: another server was chosen. */
static void request__selecting_other_server__offer_withdrawn(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = IP(200);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_OTHER_SERVER), 1);
	assert_int_equal(stats(r).offered, 0);
}

/* RFC 2131 4.3.2: what was not offered is not acknowledged. */
static void request__selecting_wrong_address__nak(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_REQUEST, 2, 2);
	size_t len;

	rig_dora(r, 1, 1);
	a.requested = IP(15); /* the other's */
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->answer.h.yiaddr, 0);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
	(void)dhcp_msg_opt(&r->answer, DHCP_OPT_MESSAGE, &len);
	assert_true(len > 0);
	assert_false(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_MASK));
	/* 4.1: always broadcast when there is no relay. */
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, mac_broadcast.b, 6);
	a.requested = IP(2);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.requested = IP4(10, 9, 9, 9);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.requested = 0;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_FIELDS), 1);
}

/* RFC 2131 4.3.2: a restart forgets offers; the client does not suffer. */
static void request__selecting_after_restart__ack(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	rig_send(r, &a);
	rig_restart(r, 0);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
}

/* RFC 2131 4.3.2, INIT-REBOOT */
static void request__init_reboot__ack_nak_or_silence(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = ask(DHCP_REQUEST, 1, 1);

	rig_dora(r, 1, 1);
	a.requested = IP(15);
	rig_pass(r, 100);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400);
	a.requested = IP(16); /* not its own */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.requested = IP4(192, 168, 56, 101); /* from another network */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a = ask(DHCP_REQUEST, 2, 2); /* no record */
	a.requested = IP(40);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* we are authoritative */
	cfg.authoritative = false;
	reconfigure(r, &cfg);
	assert_int_equal(rig_send(r, &a), 0); /* "MUST remain silent" */
	assert_int_equal(drops(r, DHCP_DROP_UNKNOWN), 1);
	a.requested = IP4(192, 168, 56, 101);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* wrong network anyway */
}

/* RFC 2131 4.3.2, RENEWING: unicast to us, answered to ciaddr. */
static void request__renewing__extended(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_pass(r, 43200);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->answer.h.ciaddr, IP(15));
	assert_int_equal(r->answer.h.yiaddr, IP(15));
	assert_int_equal(r->reply.dst_ip, IP(15));
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, a.mac.b, 6);
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->expiry_s,
			 r->now + 86400);
	rig_pass(r, 86399);
	assert_int_equal(stats(r).bound, 1);
	rig_pass(r, 1);
	assert_int_equal(stats(r).bound, 0);
}

/* RFC 2131 4.3.2: RENEWING or REBINDING what is not ours to extend. */
static void request__renewing_not_known__nak_or_silence(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = renewal(1, 1, IP(15));

	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* no record */
	cfg.authoritative = false;
	reconfigure(r, &cfg);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* it asked us */
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	a.dst_ip = 0;
	assert_int_equal(rig_send(r, &a), 0); /* it asked everybody */
	assert_int_equal(drops(r, DHCP_DROP_UNKNOWN), 1);
	rig_dora(r, 1, 1);
	a.ciaddr = IP(44);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* has another */
	a.ciaddr = IP4(172, 16, 0, 1);
	assert_int_equal(rig_send(r, &a), DHCP_NAK); /* not of this net */
	a.ciaddr = 0;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_FIELDS), 1);
}

/* RFC 2131 4.3.2: an expired lease that nobody took can be had again. */
static void request__renewing_after_expiry__ack_if_still_free(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_pass(r, 90000);
	assert_int_equal(r->events[DHCP_EV_EXPIRED], 1);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(stats(r).bound, 1);
}

/* Repeated requests cost no commits: the rest of the lease is confirmed. */
static void request__repeated_soon__rest_of_lease_without_commit(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	r->hold = true;
	rig_pass(r, 30);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 86400 - 30);
	assert_int_equal(r->nwaiting, 0);
	a.hostname = "renamed"; /* that is a change */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
	rig_pass(r, 61);
	a.hostname = "renamed";
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
}

/* RFC 2132 9.2: shorter wishes are granted, longer ones cut. */
static void request__lease_time_wish__within_limits(void **state)
{
	static const struct {
		uint32_t wish, got, max;
	} v[] = {
		{0, 86400, 0},
		{3600, 3600, 0},
		{5, 60, 0},
		{0xffffffff, 86400, 0},
		{5, 30, 30},
		{0xffffffff, 0xffffffff, DHCP_LEASE_INFINITE},
		{7200, 7200, DHCP_LEASE_INFINITE},
	};
	struct dhcp_rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct dhcp_config cfg = rig_config();
		struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

		cfg.lease_s = v[i].max;
		reconfigure(r, &cfg);
		a.lease_s = v[i].wish;
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), v[i].got);
		assert_int_equal(rig_has(r, DHCP_OPT_T1),
				 v[i].got != DHCP_LEASE_INFINITE);
	}
}

/* RFC 2131 3.3: 0xffffffff is for ever. */
static void request__infinite_lease__never_expires(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.lease_s = DHCP_LEASE_INFINITE;
	reconfigure(r, &cfg);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->expiry_s,
			 DHCP_NEVER);
	rig_pass(r, 1000000000);
	assert_int_equal(dhcp_server_deadline(r->s), DHCP_NEVER);
	assert_int_equal(stats(r).bound, 1);
	rig_restart(r, 0);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
}

/* ---- commits ------------------------------------------------------------- */

static void
committed__client_asks_again_meanwhile__latest_answered(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	a.xid = 0x777;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(drops(r, DHCP_DROP_PENDING), 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
	assert_int_equal(r->answer.h.xid, 0x777);
}

static void failed__new_lease__withdrawn_and_silent(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	rig_send(r, &a);
	rig_refuse(r);
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
	assert_int_equal(stats(r).commit_failed, 1);
	assert_int_equal(stats(r).pending, 0);
	dhcp_server_failed(r->s, 99, r->now); /* unknown: nothing */
	assert_int_equal(stats(r).commit_failed, 1);
	rig_send(r, &a); /* next attempt */
	assert_int_equal(rig_store(r), DHCP_ACK);
}

static void failed__renewal__old_lease_stays_until_its_end(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = renewal(1, 1, IP(15));
	int64_t end;

	rig_dora(r, 1, 1);
	end = dhcp_server_find_ip(r->s, IP(15))->expiry_s;
	r->hold = true;
	rig_pass(r, 50000);
	rig_send(r, &a);
	rig_refuse(r);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->expiry_s, end);
	rig_send(r, &a); /* and once more, answered only after the old end */
	rig_pass(r, 40000);
	assert_int_equal(stats(r).bound, 1);
	rig_refuse(r);
	rig_pass(r, 1);
	assert_int_equal(stats(r).bound, 0);
	assert_int_equal(r->events[DHCP_EV_EXPIRED], 1);
}

static void committed__released_meanwhile__nothing_to_send(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_pass(r, 43200);
	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_RELEASE;
	rig_send(r, &a);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	assert_int_equal(r->nwaiting, 2); /* commit, then release */
	assert_int_equal(rig_store(r), 0);
	assert_int_equal(stats(r).bound, 0);
	assert_int_equal(rig_row(r, IP(15))->state, DHCP_RELEASED);
}

/* A client on its way to another address is not told that it keeps the old one.
 */
static void commits__client_moves__old_address_not_confirmed(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_REQUEST, 1, 1);

	rig_dora(r, 1, 1);
	r->hold = true;
	a.requested = IP(40);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	a = renewal(1, 1, IP(15));
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_PENDING), 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, IP(40));
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
	assert_null(rig_row(r, IP(15)));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
}

/* A NIC goes while its commit waits; its successor gets an ACK of its own. */
static void commits__nic_replaced__successor_stored_as_itself(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_REQUEST, 1, 1);

	assert_int_equal(rig_dora(r, 3, 1), IP(15)); /* a copied MAC */
	r->hold = true;
	a.requested = IP(16);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	dhcp_server_nic_del(r->s, 1);
	a.nic = 2;
	assert_int_equal(rig_send(r, &a), 0);
	(void)rig_store(r); /* to a NIC that is no more */
	assert_int_equal(dhcp_server_find_ip(r->s, IP(16))->nic_id, 0);
	/* The other NIC's lease is not touched by one without a NIC. */
	assert_int_equal(dhcp_server_find_ip(r->s, IP(15))->nic_id, 3);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_store(r), DHCP_ACK);
	assert_int_equal(dhcp_server_find_ip(r->s, IP(16))->nic_id, 2);
	assert_int_equal(rig_row(r, IP(16))->nic_id, 2);
}

static void commits__many_wait__bounded(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = {
		.net = {.addr = IP4(10, 8, 0, 0), .plen = 16},
		.server_ip = IP4(10, 8, 0, 1),
		.first = IP4(10, 8, 1, 0),
		.last = IP4(10, 8, 250, 0),
	};
	uint64_t waiting = 0;

	reconfigure(r, &cfg);
	for (uint32_t i = 0; i < DHCP_PENDING_MAX + 10; i++) {
		struct dhcp_ask a = {
			.type = DHCP_REQUEST,
			.mac = {{2, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i}},
			.nic = i + 1,
			.server_id = cfg.server_ip,
			.requested = cfg.first + i};
		uint8_t buf[600];
		struct dhcp_input in = {
			.data = buf,
			.len = dhcp_ask_build(&a, buf, sizeof(buf)),
			.dst_ip = 0xffffffff,
			.nic_id = a.nic};

		waiting += dhcp_server_input(r->s, &in, r->now, &r->out) ==
			   DHCP_REPLY_AFTER_COMMIT;
	}
	assert_int_equal(waiting, DHCP_PENDING_MAX);
	assert_int_equal(drops(r, DHCP_DROP_BUSY), 10);
	assert_int_equal(stats(r).pending, DHCP_PENDING_MAX);
	for (uint64_t token = 1; token <= DHCP_PENDING_MAX; token++)
		dhcp_server_failed(r->s, token, r->now);
	assert_int_equal(stats(r).pending, 0);
}

/* ---- RELEASE, DECLINE, INFORM -------------------------------------------- */

/* RFC 2131 4.3.4: the binding is remembered. */
static void release__own_lease__remembered(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_RELEASE, 1, 1);

	rig_dora(r, 1, 1);
	a.ciaddr = a.src_ip = IP(15);
	a.dst_ip = SERVER;
	a.server_id = IP(9); /* means another server */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 0);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	assert_int_equal(r->last.state, DHCP_RELEASED);
	assert_int_equal(r->last.expiry_s, r->now);
	assert_null(dhcp_server_find_mac(r->s, 0, &a.mac));
	assert_int_equal(rig_send(r, &a), 0); /* twice is once */
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	assert_int_equal(rig_dora(r, 2, 2), IP(16)); /* never used goes first */
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
}

/* RFC 2131 4.3.3: marked as not available, told, given free later. */
static void decline__own_address__quarantined(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DECLINE, 1, 1);

	rig_dora(r, 1, 1);
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_DECLINED], 1);
	assert_int_equal(r->last.state, DHCP_DECLINED);
	assert_int_equal(r->last.expiry_s, r->now + DHCP_QUARANTINE_S);
	assert_int_equal(rig_dora(r, 1, 1), IP(16));
	assert_int_equal(stats(r).declined, 1);
	rig_restart(r, 0); /* it is remembered across a restart */
	assert_int_equal(rig_dora(r, 2, 2), IP(17));
	rig_pass(r, DHCP_QUARANTINE_S);
	assert_int_equal(stats(r).declined, 0);
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1);
	assert_null(rig_row(r, IP(15)));
	assert_int_equal(rig_dora(r, 3, 3), IP(15));
	a.requested = 0;
	rig_send(r, &a);
	assert_int_equal(drops(r, DHCP_DROP_FIELDS), 1);
}

/* RFC 2131 4.3.5: parameters, but no address and no times. */
static void inform__with_address__parameters_only(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_INFORM, 1, 1);

	a.ciaddr = a.src_ip = IP(10);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->answer.h.yiaddr, 0);
	assert_int_equal(r->answer.h.ciaddr, IP(10));
	assert_false(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_T1));
	assert_false(rig_has(r, DHCP_OPT_T2));
	assert_true(rig_has(r, DHCP_OPT_DNS));
	assert_int_equal(r->reply.dst_ip, IP(10));
	assert_int_equal(r->reply.dst_port, 68);
	assert_int_equal(stats(r).bound, 0);
	a.ciaddr = 0;
	assert_int_equal(rig_send(r, &a), 0);
	a.ciaddr = IP4(8, 8, 8, 8); /* we send nothing out of the net */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_FIELDS), 2);
}

/* ---- where replies go, and what is in them ------------------------------- */

/* RFC 2131 4.1 */
static void reply__no_relay__by_broadcast_bit_and_ciaddr(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	rig_send(r, &a); /* can take unicast before it has the address */
	assert_int_equal(r->reply.dst_ip, IP(15));
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, a.mac.b, 6);
	a.flags = DHCP_F_BROADCAST;
	rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	assert_memory_equal(r->reply.dst_mac.b, mac_broadcast.b, 6);
	assert_int_equal(r->answer.h.flags, DHCP_F_BROADCAST);
	a.ciaddr = IP(99); /* not from there: ARP finds it */
	rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, IP(99));
	assert_true(mac_is_zero(&r->reply.dst_mac));
	a.flags = 0;
	a.ciaddr = IP4(8, 8, 8, 8); /* never out of the net */
	rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, IP(15));
}

/* RFC 2131 4.1 and RFC 3046 2.2 */
static void reply__relayed__to_giaddr_with_option_82_last(void **state)
{
	static const uint8_t info[] = {1, 4, 'p', 'o', 'r', 't'};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);
	const uint8_t *end;
	size_t len;

	a.giaddr = a.src_ip = IP(5);
	a.src_mac = rig_mac(200);
	a.dst_ip = SERVER;
	a.relay = info;
	a.relay_len = sizeof(info);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->reply.dst_ip, IP(5));
	assert_int_equal(r->reply.dst_port, 67);
	assert_memory_equal(r->reply.dst_mac.b, a.src_mac.b, 6);
	assert_int_equal(r->answer.h.giaddr, IP(5));
	assert_memory_equal(dhcp_msg_opt(&r->answer, DHCP_OPT_RELAY, &len),
			    info, sizeof(info));
	assert_int_equal(len, sizeof(info));
	end = memchr(r->reply.data + 240, 255, r->reply.len - 240);
	end = r->reply.data + r->reply.len; /* walk back over the padding */
	while (end[-1] == 0)
		end--;
	assert_int_equal(end[-1], 255);
	assert_memory_equal(end - 1 - sizeof(info), info, sizeof(info));

	a.type = DHCP_REQUEST;
	a.requested = IP4(10, 9, 9, 9);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->reply.dst_ip, IP(5));
	assert_int_equal(r->answer.h.flags, DHCP_F_BROADCAST); /* 4.3.2 */

	a.giaddr = IP4(10, 9, 9, 1); /* a relay of another network */
	assert_int_equal(rig_send(r, &a), 0);
	a.giaddr = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_RELAY), 2);
}

/* RFC 2132 9.8: in the order of the wish list; 3.3: mask before router. */
static void reply__wish_list__honoured_in_order(void **state)
{
	static const uint8_t wish[] = {6, 3, 1, 28, 28, 26, 99, 0, 255};
	static const uint8_t want[] = {53, 54, 51, 58, 59, 6,
				       1,  3,  28, 26, 255};
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);
	const uint8_t *p;

	cfg.mtu = 1400;
	reconfigure(r, &cfg);
	a.wish = wish;
	a.wishes = sizeof(wish);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	p = r->reply.data + 240;
	for (size_t i = 0; i < sizeof(want); i++) {
		assert_int_equal(p[0], want[i]);
		p += 2 + p[1];
	}
	assert_int_equal(dhcp_msg_be16(&r->answer, DHCP_OPT_MTU), 1400);
}

/* RFC 2131 2, RFC 2132 9.10: never more than the client takes; what must be in
 * is in, the rest as far as it fits. */
static void reply__max_size__respected(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);
	uint8_t cid[255], relay[255];

	memset(cfg.domain, 'd', 250);
	cfg.domain[250] = '\0';
	reconfigure(r, &cfg);
	memset(cid, 'c', sizeof(cid));
	memset(relay, 'r', sizeof(relay));
	a.cid = cid;
	a.cid_len = sizeof(cid);
	a.max_size = 100; /* nonsense is 576 */
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(r->reply.len <= 548);
	assert_true(rig_has(r, DHCP_OPT_MASK));
	assert_true(rig_has(r, DHCP_OPT_DNS));
	assert_false(rig_has(r, DHCP_OPT_DOMAIN));
	assert_false(rig_has(r, DHCP_OPT_BROADCAST));
	a.max_size = 1500;
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(rig_has(r, DHCP_OPT_DOMAIN));
	a.relay = relay;
	a.relay_len = sizeof(relay);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(r->reply.len <= DHCP_REPLY_MAX);
	a.max_size = 576;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_ROOM), 1);
}

/* ---- what is dropped ----------------------------------------------------- */

/* RFC 2131 4.3 */
static void input__not_for_us__dropped_and_counted(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);
	uint8_t buf[600];
	size_t len = dhcp_ask_build(&a, buf, sizeof(buf));

	assert_int_equal(rig_send_bytes(r, &a, buf, 100), 0);
	assert_int_equal(drops(r, DHCP_DROP_LENGTH), 1);
	buf[0] = 2;
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	assert_int_equal(drops(r, DHCP_DROP_NOT_REQUEST), 1);
	buf[0] = 1;
	buf[1] = 32; /* InfiniBand */
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	buf[1] = 1;
	buf[2] = 16;
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	buf[2] = 6;
	buf[28] |= 1; /* a group address */
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	memset(buf + 28, 0, 6);
	assert_int_equal(rig_send_bytes(r, &a, buf, len), 0);
	assert_int_equal(drops(r, DHCP_DROP_HWADDR), 4);
	a.type = DHCP_OFFER; /* another server's */
	assert_int_equal(rig_send(r, &a), 0);
	a.type = 10; /* LEASEQUERY */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_TYPE), 2);
	a.type = 0; /* BOOTP */
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(drops(r, DHCP_DROP_BOOTP), 1);
	assert_int_equal(stats(r).offered, 0);
}

/* A message cut anywhere never crashes and never binds. */
static void input__cut_at_every_length__safe(void **state)
{
	static const uint8_t wish[] = {1, 3, 6};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_REQUEST, 1, 1);
	uint8_t buf[600];
	size_t len;

	a.requested = IP(15);
	a.server_id = SERVER;
	a.cid = "abcdef";
	a.cid_len = 6;
	a.hostname = "vm";
	a.wish = wish;
	a.wishes = sizeof(wish);
	a.relay = "\x01\x01x";
	a.relay_len = 3;
	len = dhcp_ask_build(&a, buf, sizeof(buf));
	for (size_t n = 0; n <= len; n++) {
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, buf, n);
		(void)rig_send_bytes(r, &a, exact, n);
		free(exact);
		rig_check(r);
	}
	assert_int_equal(stats(r).bound, 1);
}

/* ---- limits -------------------------------------------------------------- */

static void pool__exhausted__silence_and_one_event_a_minute(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();

	cfg.last = cfg.first + 1;
	reconfigure(r, &cfg);
	rig_dora(r, 1, 1);
	rig_dora(r, 2, 2);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_dora(r, 3, 3), 0);
	assert_int_equal(drops(r, DHCP_DROP_EXHAUSTED), 100);
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
	assert_int_equal(drops(r, DHCP_DROP_QUOTA), 100 - DHCP_NIC_BINDINGS);
	assert_int_not_equal(rig_dora(r, 2, 200), 0);
	/* Declining does not help it either. */
	for (uint8_t i = 0; i < 100; i++) {
		struct dhcp_ask a = ask(DHCP_DECLINE, 1, i);
		const struct dhcp_lease *l =
			dhcp_server_find_mac(r->s, 1, &a.mac);

		a.requested = l ? l->ip : 0;
		rig_send(r, &a);
		(void)rig_dora(r, 1, i);
	}
	assert_int_equal(stats(r).declined, DHCP_NIC_BINDINGS);
	assert_int_equal(stats(r).bound, 1);
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
	reconfigure(r, &cfg);
	for (uint8_t i = 1; i <= 3; i++) {
		assert_int_equal(rig_dora(r, i, i), IP(14 + i));
		rig_pass(r, 10);
	}
	rig_pass(r, 400);
	/* Client 1 renews, so that 16 and 17 end first, then 15. */
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	rig_pass(r, 2000);
	assert_int_equal(stats(r).freed, 3);
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
	struct dhcp_ask a = ask(DHCP_REQUEST, 2, 2);

	r->squatted[0] = IP(15);
	r->squatted[1] = IP(16);
	r->squatted[2] = IP(30);
	assert_int_equal(rig_dora(r, 1, 1), IP(17));
	assert_int_equal(r->events[DHCP_EV_CONFLICT], 2);
	assert_int_equal(stats(r).conflicts, 2);
	assert_int_equal(stats(r).declined, 2);
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

static void in_use__many_taken__bounded_work(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 1, 1);

	for (uint32_t i = 0; i < ARRAY_LEN(r->squatted); i++)
		r->squatted[i] = IP(15 + i);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(stats(r).conflicts, 8);
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
	assert_int_equal(stats(r).reserved, 1);
	assert_int_equal(reserve(r, 1, IP(11), "x"), 0); /* replaced */
	assert_int_equal(reserve(r, 2, IP(10), NULL), 0);
	assert_int_equal(stats(r).reserved, 2);
}

/* Somebody holds the address: it stays until it renews, then both move. */
static void reserve__address_held_by_another__moves_at_renewal(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = renewal(1, 1, IP(15));

	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	assert_int_equal(reserve(r, 2, IP(15), NULL), 0);
	assert_int_equal(rig_dora(r, 2, 2), IP(16)); /* meanwhile */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 1, 1), IP(17));
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1); /* of .15 */
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
	a = renewal(2, 2, IP(16));
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 2, 2), IP(15));
	assert_null(dhcp_server_find_ip(r->s, IP(16)));
	assert_int_equal(stats(r).bound, 2);
}

static void
unreserve__lease_goes_on__and_freed_one_returns_to_pool(void **state)
{
	struct dhcp_rig *r = *state;
	struct mac one = rig_mac(1), two = rig_mac(2);
	struct dhcp_ask a = renewal(1, 1, IP(20));

	reserve(r, 1, IP(20), "web");
	reserve(r, 2, IP(10), NULL);
	assert_int_equal(rig_dora(r, 1, 1), IP(20));
	assert_int_equal(rig_dora(r, 2, 2), IP(10));
	assert_int_equal(dhcp_server_unreserve(r->s, &one, r->now), 0);
	assert_int_equal(dhcp_server_unreserve(r->s, &one, r->now), -ENOENT);
	assert_int_equal(rig_send(r, &a), DHCP_ACK); /* in the pool: goes on */
	assert_int_equal(dhcp_server_unreserve(r->s, &two, r->now), 0);
	a = renewal(2, 2, IP(10));
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
	struct dhcp_ask a = ask(DHCP_DECLINE, 1, 1);

	reserve(r, 1, IP(10), NULL);
	assert_int_equal(rig_dora(r, 1, 1), IP(10));
	a.requested = IP(10);
	rig_send(r, &a);
	assert_int_equal(rig_dora(r, 1, 1), IP(15));
	rig_pass(r, DHCP_QUARANTINE_S);
	a = renewal(1, 1, IP(15));
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
	reconfigure(r, &cfg);
	reserve(r, 1, IP(40), NULL);
	assert_int_equal(rig_dora(r, 1, 1), IP(40));
	assert_int_equal(rig_dora(r, 2, 2), 0);
	assert_int_equal(stats(r).pool, 0);
}

/* Leases outside the new pool run out; their clients are told at renewal. */
static void configure__pool_moves__old_leases_until_renewal(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_dora(r, 2, 2);
	a.type = DHCP_RELEASE;
	rig_send(r, &a);
	cfg.first = IP(100);
	reconfigure(r, &cfg);
	assert_null(dhcp_server_find_ip(r->s, IP(15))); /* freed: forgotten */
	assert_int_equal(r->events[DHCP_EV_FORGOTTEN], 1);
	assert_non_null(dhcp_server_find_ip(r->s, IP(16)));
	rig_restart(r, 0);
	assert_non_null(dhcp_server_find_ip(r->s, IP(16)));
	a = renewal(2, 2, IP(16));
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
	reconfigure(r, &cfg);
	a = ask(DHCP_REQUEST, 3, 3); /* INIT-REBOOT on the renumbered net */
	a.requested = IP(101);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(rig_dora(r, 3, 3), IP4(172, 20, 0, 10));
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
	assert_int_equal(stats(r).bound, 1);
	assert_int_equal(stats(r).freed, 1);
	assert_int_equal(rig_dora(r, 1, 1), IP(20));
	/* For rig_check(): loading put nothing into the rig's store. */
	r->rows = 0;
	assert_int_equal(dhcp_server_forget(r->s, IP(20), r->now), 0);
	assert_int_equal(dhcp_server_forget(r->s, IP(20), r->now), -ENOENT);
}

static void forget__any_state__gone(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 2, 2);

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
	assert_int_equal(stats(r).pending, 0);
	assert_int_equal(rig_store(r), 0);
}

/* Suspend, a bad RTC, NTP: the wall clock jumps both ways. */
static void tick__clock_set_back_and_forth__leases_follow(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = ask(DHCP_DISCOVER, 2, 2);

	rig_dora(r, 1, 1);
	rig_send(r, &a);
	r->now -= 10 * 86400;
	dhcp_server_tick(r->s, r->now);
	assert_int_equal(stats(r).bound, 1);
	assert_int_equal(stats(r).offered, 1);
	rig_pass(r, 10 * 86400 + 59);
	assert_int_equal(stats(r).offered, 1);
	rig_pass(r, 1);
	assert_int_equal(stats(r).offered, 0);
	rig_pass(r, 86400 - 61);
	assert_int_equal(stats(r).bound, 1);
	rig_pass(r, 1);
	assert_int_equal(stats(r).bound, 0);
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(discover__new_client__offer_with_everything),
		T(request__selecting__ack_after_commit),
		T(discover__several_clients__ascending),
		T(discover__whole_net_as_pool__special_addresses_skipped),
		T(discover__with_requested_address__given_if_free),
		T(discover__again__same_offer),
		T(identity__one_nic_many_client_ids__one_address),
		T(identity__two_nics_one_client_id__two_addresses),
		T(identity__rfc2131_mode__client_id_decides),
		T(identity__same_mac_on_other_nic__cannot_touch_lease),
		T(nic_del__same_mac_comes_back__same_address),
		T(identity__nic_unknown__mac_decides),
		T(request__selecting_other_server__offer_withdrawn),
		T(request__selecting_wrong_address__nak),
		T(request__selecting_after_restart__ack),
		T(request__init_reboot__ack_nak_or_silence),
		T(request__renewing__extended),
		T(request__renewing_not_known__nak_or_silence),
		T(request__renewing_after_expiry__ack_if_still_free),
		T(request__repeated_soon__rest_of_lease_without_commit),
		T(request__lease_time_wish__within_limits),
		T(request__infinite_lease__never_expires),
		T(committed__client_asks_again_meanwhile__latest_answered),
		T(failed__new_lease__withdrawn_and_silent),
		T(failed__renewal__old_lease_stays_until_its_end),
		T(committed__released_meanwhile__nothing_to_send),
		T(commits__client_moves__old_address_not_confirmed),
		T(commits__nic_replaced__successor_stored_as_itself),
		T(commits__many_wait__bounded),
		T(release__own_lease__remembered),
		T(decline__own_address__quarantined),
		T(inform__with_address__parameters_only),
		T(reply__no_relay__by_broadcast_bit_and_ciaddr),
		T(reply__relayed__to_giaddr_with_option_82_last),
		T(reply__wish_list__honoured_in_order),
		T(reply__max_size__respected),
		T(input__not_for_us__dropped_and_counted),
		T(input__cut_at_every_length__safe),
		T(pool__exhausted__silence_and_one_event_a_minute),
		T(pool__one_nic_many_macs__quota),
		T(pool__all_used_once__least_recently_freed_first),
		T(in_use__address_taken__quarantined_and_next_offered),
		T(in_use__many_taken__bounded_work),
		T(reserve__before_first_contact__address_and_name),
		T(reserve__what_cannot_be__refused),
		T(reserve__address_held_by_another__moves_at_renewal),
		T(unreserve__lease_goes_on__and_freed_one_returns_to_pool),
		T(reserve__address_declined__one_from_the_pool),
		T(configure__nonsense__refused_with_reason),
		T(configure__no_pool__reserved_clients_only),
		T(configure__pool_moves__old_leases_until_renewal),
		T(load__every_state__taken_back_or_refused),
		T(forget__any_state__gone),
		T(tick__clock_set_back_and_forth__leases_follow),
		T(walk__stops_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
