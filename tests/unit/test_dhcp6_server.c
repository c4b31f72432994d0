// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp6_rig */
/* Messages of clients and what is said to them, by the sections of RFC 8415. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp6_rig.h"

#define A_OF(r, i) ((r)->got.ia[i].item[0].it.ip)

static void assert_ip(struct ipaddr a, struct ipaddr b)
{
	assert_memory_equal(a.b, b.b, 16);
}

static void assert_not_ip(struct ipaddr a, struct ipaddr b)
{
	assert_memory_not_equal(a.b, b.b, 16);
}

static bool in_pool(const struct ipaddr *a)
{
	struct ip6_net pool = {ip6("fd00:1::1:0"), 112};

	return ipaddr_in_net6(a, &pool);
}

static struct dhcp6_ask ask_pd(uint8_t type, uint64_t nic, uint8_t n)
{
	struct dhcp6_ask a = rig6_ask(type, nic, n);

	a.ia[0].opt = DHCP6_OPT_IA_PD;
	return a;
}

/* ---- solicit, request (18.3.1, 18.3.2, 18.3.9, 18.3.10) -------------------- */

static void solicit__new_client__advertised_with_preference(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);

	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_int_equal(r->got.xid, a.xid);
	assert_int_equal(r->got.nias, 1);
	assert_int_equal(r->got.ia[0].iaid, 1);
	assert_true(in_pool(&A_OF(r, 0)));
	assert_int_equal(r->got.ia[0].item[0].valid, 8000);
	assert_int_equal(r->got.ia[0].item[0].preferred, 5000);
	assert_int_equal(r->got.ia[0].t1, 2500);
	assert_int_equal(r->got.ia[0].t2, 4000);
	assert_int_equal(r->got.opt[DHCP6_OPT_PREFERENCE][0], 255);
	assert_memory_equal(r->got.opt[DHCP6_OPT_SERVER_ID], r->cfg.duid,
			    r->cfg.duid_len);
	assert_int_equal(r->got.len[DHCP6_OPT_CLIENT_ID], 10);
	assert_int_equal(r->rows, 0); /* nothing is stored for an offer */
	assert_int_equal(r->reply.dst_port, DHCP6_CLIENT_PORT);
	assert_true(ipaddr_is_linklocal(&r->reply.dst));
}

static void request__offered__granted_after_the_store_has_it(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);
	struct ipaddr ip;

	rig6_send(r, &a);
	ip = A_OF(r, 0);
	a = rig6_ask(DHCP6_REQUEST, 1, 1);
	rig6_wish(&a, &ip, 128);
	r->hold = true;
	assert_int_equal(rig6_send(r, &a), 0);
	assert_int_equal(rig6_send(r, &a), 0); /* again: dropped */
	assert_int_equal(rig6_drops(r, DHCP6_DROP_PENDING), 1);
	assert_int_equal(rig6_store(r), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), ip);
	assert_int_equal(rig6_row(r, &ip)->nic_id, 1);
	assert_int_equal(rig6_row(r, &ip)->expiry_s, r->now + 8000);
	/* Once more at once: no write. */
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->nwaiting, 0);
}

static void request__store_refuses__no_reply_and_offer_gone(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 1, 1);
	struct dhcp6_stats st;

	r->hold = true;
	assert_int_equal(rig6_send(r, &a), 0);
	rig6_refuse(r);
	dhcp6_server_stats(r->s, &st);
	assert_int_equal(st.commit_failed, 1);
	assert_int_equal(st.offered + st.bound, 0);
	assert_int_equal(r->rows, 0);
}

static void request__address_off_link__not_on_link(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 1, 1);
	struct ipaddr ip = ip6("2001:db8::5");

	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NOT_ON_LINK);
	assert_int_equal(r->got.ia[0].n, 0);
}

static void solicit__rapid_commit__reply_at_once(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);

	a.rapid = true;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_non_null(r->got.opt[DHCP6_OPT_RAPID]);
	assert_non_null(rig6_row(r, &A_OF(r, 0)));
}

static void solicit__temporary_addresses__none(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);

	a.ia[0].opt = DHCP6_OPT_IA_TA;
	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_ADDRS);
}

static void solicit__stateless__no_addresses(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);

	r->cfg.addresses = false;
	assert_int_equal(dhcp6_server_configure(r->s, &r->cfg, r->now, NULL), 0);
	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_ADDRS);
}

/* ---- who is a client -------------------------------------------------------- */

static void identity__firmware_then_system__one_address(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 1, 1);

	a.duid = 77; /* another DUID, another IAID, the same NIC and MAC */
	a.ia[0].iaid = 4711;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), ip);
	assert_int_equal(rig6_row(r, &ip)->iaid, 4711);
	assert_int_equal(r->rows, 1);
	/* The first has lost it, and is told so. */
	a = rig6_ask(DHCP6_RENEW, 1, 1);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_BINDING);
}

static void identity__cloned_duid__an_address_each(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 1, 1);
	struct dhcp6_ask b = rig6_ask(DHCP6_REQUEST, 2, 2);
	struct ipaddr ip;

	a.duid = b.duid = 9;
	b.ia[0].iaid = a.ia[0].iaid;
	rig6_send(r, &a);
	ip = A_OF(r, 0);
	rig6_send(r, &b);
	assert_not_ip(A_OF(r, 0), ip);
}

static void identity__copied_mac__cannot_release_the_other(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_RELEASE, 2, 1);

	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_BINDING);
	assert_non_null(rig6_row(r, &ip));
}

static void identity__two_ias__two_addresses(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 1, 1);

	a.ia[a.nias++] = (struct dhcp6_ia){.opt = DHCP6_OPT_IA_NA, .iaid = 2};
	a.ia[a.nias++] = (struct dhcp6_ia){.opt = DHCP6_OPT_IA_PD, .iaid = 1};
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.nias, 3);
	assert_not_ip(A_OF(r, 0), A_OF(r, 1));
	assert_int_equal(r->got.ia[2].item[0].it.plen, 64);
	assert_int_equal(r->rows, 3);
	/* Another system takes both over, each once. */
	a.duid = 50;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_not_ip(A_OF(r, 0), A_OF(r, 1));
	assert_int_equal(r->rows, 3);
}

static void identity__lease_over__same_address_again(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);

	rig6_pass(r, 8001);
	assert_int_equal(r->events[DHCP6_EV_EXPIRED], 1);
	assert_int_equal(r->rows, 0);
	assert_ip(rig6_sarr(r, 7, 1), ip); /* the MAC points at it */
}

static void nic_del__lease__waits_for_the_mac(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);

	dhcp6_server_nic_del(r->s, 1);
	assert_ip(rig6_sarr(r, 5, 1), ip);
	assert_int_equal(r->rows, 1);
}

static void quota__one_nic_many_macs__stopped(void **state)
{
	struct dhcp6_rig *r = *state;
	unsigned int got = 0;

	for (uint8_t n = 1; n < 100; n++) {
		struct ipaddr ip = rig6_sarr(r, 1, n);

		got += !ipaddr_is_zero(&ip);
	}
	assert_int_equal(got, DHCP6_PER_NIC);
	assert_int_equal(r->events[DHCP6_EV_EXHAUSTED], 1);
	assert_not_ip(rig6_sarr(r, 2, 200), ipaddr_any);
}

/* ---- confirm (18.3.3) -------------------------------------------------------- */

static void confirm__on_and_off_link__success_or_not(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1), far = ip6("2001:db8::1");
	struct dhcp6_ask a = rig6_ask(DHCP6_CONFIRM, 1, 1);

	assert_int_equal(rig6_send(r, &a), 0);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_NO_ADDR), 1);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.status, DHCP6_S_SUCCESS);
	assert_int_equal(r->got.nias, 0);
	rig6_wish(&a, &far, 128);
	rig6_send(r, &a);
	assert_int_equal(r->got.status, DHCP6_S_NOT_ON_LINK);
}

static void confirm__address_of_another__not_on_link(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_CONFIRM, 2, 2);

	rig6_wish(&a, &ip, 128);
	rig6_send(r, &a);
	assert_int_equal(r->got.status, DHCP6_S_NOT_ON_LINK);
}

/* ---- renew, rebind (18.3.4, 18.3.5) ------------------------------------------ */

static void renew__own_lease__extended(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	rig6_pass(r, 2500);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), ip);
	assert_int_equal(r->got.ia[0].item[0].valid, 8000);
	assert_int_equal(rig6_row(r, &ip)->expiry_s, r->now + 8000);
}

static void renew__with_strange_address__told_to_drop_it(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1), odd = ip6("fd00:1::77");
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	rig6_wish(&a, &odd, 128);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.ia[0].n, 2);
	assert_ip(A_OF(r, 0), ip);
	assert_ip(r->got.ia[0].item[1].it.ip, odd);
	assert_int_equal(r->got.ia[0].item[1].valid, 0);
}

static void rebind__no_record__granted_when_free(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = ip6("fd00:1::1:1234"), held = rig6_sarr(r, 3, 3);
	struct dhcp6_ask a = rig6_ask(DHCP6_REBIND, 1, 1);

	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), ip);
	a = rig6_ask(DHCP6_REBIND, 2, 2);
	rig6_wish(&a, &held, 128); /* somebody else's */
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_not_ip(A_OF(r, 0), held);
	assert_int_equal(r->got.ia[0].item[1].valid, 0);
}

static void renew__mode_became_stateless__lifetimes_zero(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	r->cfg.addresses = false;
	dhcp6_server_configure(r->s, &r->cfg, r->now, NULL);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.ia[0].item[0].valid, 0);
}

/* ---- release, decline (18.3.7, 18.3.8) ---------------------------------------- */

static void release__own_lease__gone_from_the_store(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_RELEASE, 1, 1);

	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.status, DHCP6_S_SUCCESS);
	assert_int_equal(r->got.nias, 0);
	assert_int_equal(r->rows, 0);
	rig6_send(r, &a);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_BINDING);
}

static void release__commit_waits__no_reply_to_that(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	rig6_pass(r, 3000);
	r->hold = true;
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), 0);
	a.type = DHCP6_RELEASE;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(rig6_store(r), 0);
	assert_int_equal(r->rows, 0);
}

static void decline__own_address__quarantined(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_DECLINE, 1, 1);

	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->events[DHCP6_EV_DECLINED], 1);
	assert_not_ip(rig6_sarr(r, 1, 1), ip);
	rig6_pass(r, DHCP6_QUARANTINE_S + 1);
	assert_null(dhcp6_server_find(r->s, &ip));
}

static void in_use__seen_elsewhere__next_one_offered(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);

	rig6_pass(r, 8001);
	r->squatted[0] = ip;
	assert_not_ip(rig6_sarr(r, 1, 1), ip);
	assert_int_equal(r->s->table.conflicts, 1);
}

/* Another MAC, with @second as its second byte, whose place is that of @mac. */
static struct mac rival(const struct mac *mac, uint8_t second)
{
	struct mac m = {{0x52, second}};

	for (uint32_t i = 0; dhcp6_place_of(&m) != dhcp6_place_of(mac); i++)
		for (int b = 0; b < 4; b++)
			m.b[2 + b] = (uint8_t)(i >> 8 * b);
	return m;
}

/* What a NIC that has not asked yet is going to get is nobody else's. */
static void place__of_a_known_mac__kept_for_it(void **state)
{
	struct dhcp6_rig *r = *state;
	struct mac one = rig6_mac(1), low = rival(&one, 0x53),
		   high = rival(&one, 0x55);
	struct ipaddr ip = dhcp6_address_at(&r->cfg.net, dhcp6_place_of(&one));
	struct ipaddr next =
		dhcp6_address_at(&r->cfg.net, dhcp6_place_of(&one) + 1);
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 2, 2);

	assert_int_equal(dhcp6_server_reserve(r->s, &one, NULL, "vm", NULL), 0);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_not_ip(A_OF(r, 0), ip);
	/* Of two with one place the lower MAC has it. */
	dhcp6_server_reserve(r->s, &low, NULL, "low", NULL);
	a = rig6_ask(DHCP6_SOLICIT, 1, 1);
	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_ip(A_OF(r, 0), next);
	dhcp6_server_unreserve(r->s, &low);
	dhcp6_server_reserve(r->s, &high, NULL, "high", NULL);
	rig6_pass(r, DHCP6_OFFER_S + 1);
	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_ip(A_OF(r, 0), ip);
}

/* ---- prefixes ------------------------------------------------------------------ */

static void solicit__prefix__from_the_pool_and_stays(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = ask_pd(DHCP6_SOLICIT, 1, 1);
	struct ipaddr p, ll = rig6_input(&a).src;

	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	p = A_OF(r, 0);
	assert_int_equal(r->got.ia[0].item[0].it.plen, 64);
	assert_true(ipaddr_in_net6(&p, &r->cfg.delegate));
	a = ask_pd(DHCP6_REQUEST, 1, 1);
	rig6_wish(&a, &p, 64);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), p);
	assert_ip(rig6_row(r, &p)->via, ll); /* the next hop */
	rig6_restart(r, 0);
	a = ask_pd(DHCP6_RENEW, 1, 1);
	rig6_wish(&a, &p, 64);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), p);
}

static void solicit__prefix_pool_used_up__no_prefix(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = ask_pd(DHCP6_SOLICIT, 9, 9);

	r->cfg.delegate_len = 57;
	dhcp6_server_configure(r->s, &r->cfg, r->now, NULL);
	for (uint8_t n = 1; n <= 2; n++) {
		struct dhcp6_ask b = ask_pd(DHCP6_REQUEST, n, n);

		assert_int_equal(rig6_send(r, &b), DHCP6_REPLY);
		assert_int_equal(r->got.ia[0].n, 1);
	}
	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_PREFIX);
	assert_int_equal(r->events[DHCP6_EV_EXHAUSTED], 1);
}

static void solicit__no_prefix_pool__no_prefix(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = ask_pd(DHCP6_SOLICIT, 1, 1);

	r->cfg.delegate.plen = 0;
	dhcp6_server_configure(r->s, &r->cfg, r->now, NULL);
	assert_int_equal(rig6_send(r, &a), DHCP6_ADVERTISE);
	assert_int_equal(r->got.ia[0].status, DHCP6_S_NO_PREFIX);
}

static void configure__pool_inside_the_net__refused(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_config c = r->cfg;
	struct errtext why;

	c.delegate = (struct ip6_net){ip6("fd00:1::"), 60};
	assert_int_equal(dhcp6_server_configure(r->s, &c, r->now, &why),
			 -EINVAL);
	c = r->cfg;
	c.delegate_len = 65;
	assert_int_equal(dhcp6_server_configure(r->s, &c, r->now, &why),
			 -EINVAL);
}

/* ---- reservations ---------------------------------------------------------------- */

static void reserve__holder__moves_at_renewal(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1), want = ip6("fd00:1::50");
	struct mac mac = rig6_mac(1);
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	assert_int_equal(dhcp6_server_reserve(r->s, &mac, &want, "db", NULL), 0);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), want);
	assert_ip(r->got.ia[0].item[1].it.ip, ip);
	assert_int_equal(r->got.ia[0].item[1].valid, 0);
	assert_string_equal(rig6_row(r, &want)->hostname, "");
	/* The old one is nobody else's until the client shows that it knows. */
	assert_int_equal(r->rows, 2);
	a = rig6_ask(DHCP6_RENEW, 1, 1);
	rig6_wish(&a, &want, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), want);
	assert_int_equal(r->rows, 1);
}

static void reserve__address_held__holder_leaves_at_renewal(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1), got;
	struct mac mac = rig6_mac(2);
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	assert_int_equal(dhcp6_server_reserve(r->s, &mac, &ip, NULL, NULL), 0);
	got = rig6_sarr(r, 2, 2);
	assert_not_ip(got, ip); /* not taken away */
	rig6_pass(r, 100);
	rig6_wish(&a, &ip, 128);
	rig6_send(r, &a);
	assert_not_ip(A_OF(r, 0), ip);
	a.ia[0].item[0].ip = A_OF(r, 0); /* it has heard */
	rig6_send(r, &a);
	a = rig6_ask(DHCP6_RENEW, 2, 2);
	rig6_pass(r, 100);
	rig6_wish(&a, &got, 128);
	rig6_send(r, &a);
	assert_ip(A_OF(r, 0), ip);
}

static void reserve__bad__refused(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr own = ip6("fd00:1::2"), far = ip6("fd00:2::2"),
		      good = ip6("fd00:1::9");
	struct mac one = rig6_mac(1), two = rig6_mac(2);

	assert_int_equal(dhcp6_server_reserve(r->s, &one, &own, NULL, NULL),
			 -ERANGE);
	assert_int_equal(dhcp6_server_reserve(r->s, &one, &far, NULL, NULL),
			 -ERANGE);
	assert_int_equal(dhcp6_server_reserve(r->s, &one, &good, "a b", NULL),
			 -EINVAL);
	assert_int_equal(dhcp6_server_reserve(r->s, &one, &good, "a", NULL), 0);
	assert_int_equal(dhcp6_server_reserve(r->s, &two, &good, "b", NULL),
			 -EEXIST);
	dhcp6_server_unreserve(r->s, &one);
	assert_int_equal(dhcp6_server_reserve(r->s, &two, &good, "b", NULL), 0);
}

/* ---- options ------------------------------------------------------------------------ */

static void information__wishes__only_these(void **state)
{
	static const uint16_t oro[] = {DHCP6_OPT_DNS, DHCP6_OPT_INF_MAX_RT,
				       DHCP6_OPT_REFRESH};
	static const uint16_t oro2[] = {DHCP6_OPT_DOMAIN, DHCP6_OPT_SOL_MAX_RT};
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_INFORMATION, 1, 1);

	a.nias = 0;
	a.oro = oro;
	a.noro = 3;
	a.no_client = true;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_memory_equal(r->got.opt[DHCP6_OPT_DNS], r->cfg.dns[0].b, 16);
	assert_null(r->got.opt[DHCP6_OPT_DOMAIN]);
	assert_non_null(r->got.opt[DHCP6_OPT_REFRESH]);
	assert_int_equal(get_be32(r->got.opt[DHCP6_OPT_INF_MAX_RT]), 3600);
	a.oro = oro2;
	a.noro = 2;
	rig6_send(r, &a);
	assert_int_equal(r->got.len[DHCP6_OPT_DOMAIN], 10);
	assert_memory_equal(r->got.opt[DHCP6_OPT_DOMAIN], "\3lab\4vnet", 10);
	assert_int_equal(get_be32(r->got.opt[DHCP6_OPT_SOL_MAX_RT]), 3600);
}

static void fqdn__claimed_or_ours__told_and_kept(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_REQUEST, 1, 1);
	struct mac mac = rig6_mac(1);

	a.fqdn = "My_Box.example";
	a.fqdn_flags = 0;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	/* S and O: we keep the record, though it was not asked for. */
	assert_memory_equal(r->got.opt[DHCP6_OPT_FQDN],
			    "\3\6my-box\3lab\4vnet", 18);
	assert_string_equal(rig6_row(r, &A_OF(r, 0))->hostname, "my-box");
	dhcp6_server_reserve(r->s, &mac, NULL, "vm1", NULL);
	a.fqdn_flags = 4;
	rig6_pass(r, 100);
	rig6_send(r, &a);
	assert_memory_equal(r->got.opt[DHCP6_OPT_FQDN], "\4\3vm1\3lab\4vnet",
			    15);
	/* What it calls itself is another matter. */
	assert_string_equal(rig6_row(r, &A_OF(r, 0))->hostname, "my-box");
}

/* ---- what is not answered (16) ------------------------------------------------------- */

static void input__wrong_identifiers__dropped_and_counted(void **state)
{
	static const uint8_t with[] = {DHCP6_REQUEST, DHCP6_RENEW,
				       DHCP6_RELEASE, DHCP6_DECLINE};
	static const uint8_t without[] = {DHCP6_SOLICIT, DHCP6_CONFIRM,
					  DHCP6_REBIND};
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a;

	for (size_t i = 0; i < sizeof(with); i++) {
		a = rig6_ask(with[i], 1, 1);
		a.server = false;
		assert_int_equal(rig6_send(r, &a), 0);
		a.other_server = true;
		assert_int_equal(rig6_send(r, &a), 0);
		a = rig6_ask(with[i], 1, 1);
		a.no_client = true;
		assert_int_equal(rig6_send(r, &a), 0);
	}
	for (size_t i = 0; i < sizeof(without); i++) {
		a = rig6_ask(without[i], 1, 1);
		a.server = true;
		assert_int_equal(rig6_send(r, &a), 0);
		a.server = false;
		a.no_client = true;
		assert_int_equal(rig6_send(r, &a), 0);
	}
	assert_int_equal(rig6_drops(r, DHCP6_DROP_SERVER_ID), 11);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_CLIENT_ID), 7);
	a = rig6_ask(DHCP6_INFORMATION, 1, 1);
	assert_int_equal(rig6_send(r, &a), 0);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_IA), 1);
	a = rig6_ask(DHCP6_REPLY, 1, 1);
	assert_int_equal(rig6_send(r, &a), 0);
	a = rig6_ask(DHCP6_SOLICIT, 1, 1);
	a.src = ip6("fd00:1::77");
	assert_int_equal(rig6_send(r, &a), 0);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_SOURCE), 1);
}

static void input__unicast__dropped_or_use_multicast(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);

	a.unicast = true;
	assert_int_equal(rig6_send(r, &a), 0);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_UNICAST), 1);
	a = rig6_ask(DHCP6_REQUEST, 1, 1);
	a.unicast = true;
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_int_equal(r->got.status, DHCP6_S_USE_MULTICAST);
	assert_int_equal(r->got.nias, 0);
	assert_int_equal(r->rows, 0);
}

static void input__cut_anywhere__no_harm(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 1, 1);
	struct dhcp6_input in = rig6_input(&a);
	struct ipaddr ip = ip6("fd00:1::1:9");
	uint8_t buf[DHCP6_MSG_MAX];
	size_t len;

	a.fqdn = "host.example";
	rig6_wish(&a, &ip, 128);
	len = rig6_build(r, &a, buf, sizeof(buf));
	in.data = buf;
	for (in.len = 0; in.len <= len; in.len++)
		(void)rig6_send_bytes(r, &in);
	assert_int_equal(r->got.type, DHCP6_ADVERTISE);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_LENGTH), 4);
	assert_true(rig6_drops(r, DHCP6_DROP_MALFORMED) > 50);
}

/* ---- relays (19) ------------------------------------------------------------------------ */

static size_t wrap(uint8_t *buf, const uint8_t *msg, size_t len, uint8_t hops,
		   const char *peer, const struct mac *mac)
{
	struct wbuf w = wbuf_make(buf, DHCP6_MSG_MAX);
	struct ipaddr link = ip6("fd00:1::"), p = ip6(peer);

	wbuf_u8(&w, DHCP6_RELAY_FORW);
	wbuf_u8(&w, hops);
	wbuf_copy(&w, link.b, 16);
	wbuf_copy(&w, p.b, 16);
	dhcp6_put(&w, DHCP6_OPT_INTERFACE, "port7", 5);
	if (mac) {
		size_t at = dhcp6_begin(&w, DHCP6_OPT_CLIENT_LLA);

		wbuf_be16(&w, 1);
		wbuf_copy(&w, mac->b, 6);
		dhcp6_end(&w, at);
	}
	dhcp6_put(&w, DHCP6_OPT_RELAY_MSG, msg, len);
	return wbuf_ok(&w) ? w.len : 0;
}

static void relay__twice__wrapped_the_same_way(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 9, 9);
	struct dhcp6_input in = rig6_input(&a);
	struct mac mac = rig6_mac(1);
	uint8_t one[DHCP6_MSG_MAX], two[DHCP6_MSG_MAX];
	size_t len = rig6_build(r, &a, one, sizeof(one));

	len = wrap(two, one, len, 0, "fe80::1", &mac);
	in.len = wrap(one, two, len, 1, "fd00:1::9", NULL);
	in.data = one;
	in.src = ip6("fd00:1::99");
	in.unicast = true;
	assert_int_equal(rig6_send_bytes(r, &in), DHCP6_ADVERTISE);
	assert_int_equal(r->got.relays, 2);
	assert_int_equal(r->reply.dst_port, DHCP6_SERVER_PORT);
	assert_ip(r->reply.dst, in.src);
	assert_int_equal(r->reply.data[0], DHCP6_RELAY_REPL);
	assert_int_equal(r->reply.data[1], 1);
	assert_memory_equal(r->reply.data + 38, "port7", 5);
	/* RFC 6939: the MAC is the client's, not the relay's. */
	assert_memory_equal(
		dhcp6_server_find(r->s, &A_OF(r, 0))->mac.b, mac.b, 6);
}

static void relay__mac_in_address_or_duid__found(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 9, 9);
	struct dhcp6_input in = rig6_input(&a);
	uint8_t msg[DHCP6_MSG_MAX], buf[DHCP6_MSG_MAX];
	size_t len = rig6_build(r, &a, msg, sizeof(msg));

	in.data = buf;
	in.src = ip6("fd00:1::99");
	in.len = wrap(buf, msg, len, 0, "fe80::5054:ff:fe00:11", NULL);
	assert_int_equal(rig6_send_bytes(r, &in), DHCP6_ADVERTISE);
	assert_int_equal(dhcp6_server_find(r->s, &A_OF(r, 0))->mac.b[5], 0x11);
	in.len = wrap(buf, msg, len, 0, "fe80::1", NULL);
	assert_int_equal(rig6_send_bytes(r, &in), DHCP6_ADVERTISE);
	assert_int_equal(dhcp6_server_find(r->s, &A_OF(r, 0))->mac.b[0], 2);
}

static void relay__too_deep_or_elsewhere__dropped(void **state)
{
	struct dhcp6_rig *r = *state;
	struct dhcp6_ask a = rig6_ask(DHCP6_SOLICIT, 9, 9);
	struct dhcp6_input in = rig6_input(&a);
	uint8_t buf[2][DHCP6_MSG_MAX];
	size_t len = rig6_build(r, &a, buf[0], sizeof(buf[0]));
	int at = 0;

	for (int i = 0; i < 9; i++, at = !at)
		len = wrap(buf[!at], buf[at], len, (uint8_t)i,
			   "fe80::5054:ff:fe00:11", NULL);
	in.data = buf[at];
	in.len = len;
	assert_int_equal(rig6_send_bytes(r, &in), 0);
	len = rig6_build(r, &a, buf[0], sizeof(buf[0]));
	in.len = wrap(buf[1], buf[0], len, 0, "fe80::5054:ff:fe00:11", NULL);
	buf[1][2] = 0x20; /* the link address */
	in.data = buf[1];
	assert_int_equal(rig6_send_bytes(r, &in), 0);
	assert_int_equal(rig6_drops(r, DHCP6_DROP_RELAY), 2);
}

/* ---- time and restarts ------------------------------------------------------------------- */

static void load__after_a_crash__nobody_moves(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1), other;
	struct dhcp6_ask a = rig6_ask(DHCP6_RENEW, 1, 1);

	rig6_restart(r, 0);
	other = rig6_sarr(r, 2, 2);
	assert_not_ip(other, ip);
	rig6_wish(&a, &ip, 128);
	assert_int_equal(rig6_send(r, &a), DHCP6_REPLY);
	assert_ip(A_OF(r, 0), ip);
}

static void load__over_or_strange__forgotten(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);
	struct dhcp6_lease l = *dhcp6_server_find(r->s, &ip);

	assert_int_equal(dhcp6_server_load(r->s, &l, r->now), -EEXIST);
	l.ip = ip6("fd00:9::1");
	assert_int_equal(dhcp6_server_load(r->s, &l, r->now), 0);
	assert_int_equal(r->events[DHCP6_EV_FORGOTTEN], 1);
	l.mac = (struct mac){{0}};
	assert_int_equal(dhcp6_server_load(r->s, &l, r->now), -EINVAL);
	r->now += 9000;
	rig6_restart(r, 0);
	assert_int_equal(r->rows, 0);
}

static void clock__set_back__leases_go_on(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);

	r->now -= 100000;
	dhcp6_server_tick(r->s, r->now);
	assert_ip(rig6_sarr(r, 1, 1), ip);
	rig6_pass(r, 8001);
	assert_int_equal(r->rows, 0);
}

static void forget__lease__gone_and_told(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip = rig6_sarr(r, 1, 1);

	assert_int_equal(dhcp6_server_forget(r->s, &ip, r->now), 0);
	assert_int_equal(r->events[DHCP6_EV_FORGOTTEN], 1);
	assert_int_equal(dhcp6_server_forget(r->s, &ip, r->now), -ENOENT);
}

static void lease__infinite__never_expires(void **state)
{
	struct dhcp6_rig *r = *state;
	struct ipaddr ip;

	r->cfg.lease_s = DHCP6_INFINITE;
	dhcp6_server_configure(r->s, &r->cfg, r->now, NULL);
	ip = rig6_sarr(r, 1, 1);
	assert_int_equal(r->got.ia[0].t1, DHCP6_INFINITE);
	assert_int_equal(r->got.ia[0].item[0].valid, DHCP6_INFINITE);
	rig6_pass(r, 1000000000);
	assert_non_null(rig6_row(r, &ip));
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig6_setup, rig6_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(solicit__new_client__advertised_with_preference),
		T(request__offered__granted_after_the_store_has_it),
		T(request__store_refuses__no_reply_and_offer_gone),
		T(request__address_off_link__not_on_link),
		T(solicit__rapid_commit__reply_at_once),
		T(solicit__temporary_addresses__none),
		T(solicit__stateless__no_addresses),
		T(identity__firmware_then_system__one_address),
		T(identity__cloned_duid__an_address_each),
		T(identity__copied_mac__cannot_release_the_other),
		T(identity__two_ias__two_addresses),
		T(identity__lease_over__same_address_again),
		T(nic_del__lease__waits_for_the_mac),
		T(quota__one_nic_many_macs__stopped),
		T(confirm__on_and_off_link__success_or_not),
		T(confirm__address_of_another__not_on_link),
		T(renew__own_lease__extended),
		T(renew__with_strange_address__told_to_drop_it),
		T(rebind__no_record__granted_when_free),
		T(renew__mode_became_stateless__lifetimes_zero),
		T(release__own_lease__gone_from_the_store),
		T(release__commit_waits__no_reply_to_that),
		T(decline__own_address__quarantined),
		T(in_use__seen_elsewhere__next_one_offered),
		T(place__of_a_known_mac__kept_for_it),
		T(solicit__prefix__from_the_pool_and_stays),
		T(solicit__prefix_pool_used_up__no_prefix),
		T(solicit__no_prefix_pool__no_prefix),
		T(configure__pool_inside_the_net__refused),
		T(reserve__holder__moves_at_renewal),
		T(reserve__address_held__holder_leaves_at_renewal),
		T(reserve__bad__refused),
		T(information__wishes__only_these),
		T(fqdn__claimed_or_ours__told_and_kept),
		T(input__wrong_identifiers__dropped_and_counted),
		T(input__unicast__dropped_or_use_multicast),
		T(input__cut_anywhere__no_harm),
		T(relay__twice__wrapped_the_same_way),
		T(relay__mac_in_address_or_duid__found),
		T(relay__too_deep_or_elsewhere__dropped),
		T(load__after_a_crash__nobody_moves),
		T(load__over_or_strange__forgotten),
		T(clock__set_back__leases_go_on),
		T(forget__lease__gone_and_told),
		T(lease__infinite__never_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
