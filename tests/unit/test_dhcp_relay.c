// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* Clients behind relays: which link they are on, who answers how. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_opt.h"
#include "tests/fake/dhcp_rig.h"

#define SERVER IP4(10, 0, 2, 2)
#define RELAY  IP4(10, 0, 2, 50) /* of the relay on the network */
#define R(n)   IP4(10, 9, 0, n)	 /* behind it; it is .1 there */
#define S(n)   IP4(10, 8, 0, n)	 /* another one */
#define NIC    7		 /* the relay's */
#define VIA    200		 /* last byte of its MAC */

static struct dhcp_range range(const char *text)
{
	struct dhcp_range r;

	assert_int_equal(dhcp_range_parse(text, &r, NULL), 0);
	return r;
}

static int setup(void **state)
{
	static struct dhcp_rig rig;
	struct dhcp_config cfg = rig_config();

	cfg.relay[0] = range("10.9.0.0/24");
	cfg.relay[1] = range("10.8.0.0/24=10.8.0.50-10.8.0.52@10.8.0.9");
	cfg.nrelay = 2;
	rig_start(&rig, &cfg);
	*state = &rig;
	return 0;
}

/* As a relay passes it on. */
static struct dhcp_ask relayed(uint8_t type, uint8_t n, uint32_t giaddr)
{
	struct dhcp_ask a = rig_ask(type, NIC, n);

	a.giaddr = giaddr;
	a.src_ip = RELAY;
	a.src_mac = rig_mac(VIA);
	a.dst_ip = SERVER;
	return a;
}

static uint32_t dora(struct dhcp_rig *r, uint8_t n, uint32_t giaddr)
{
	struct dhcp_ask a = relayed(DHCP_DISCOVER, n, giaddr);

	if (rig_send(r, &a) != DHCP_OFFER)
		return 0;
	a.type = DHCP_REQUEST;
	a.requested = r->answer.h.yiaddr;
	a.server_id = rig_opt32(r, DHCP_OPT_SERVER_ID);
	return rig_send(r, &a) == DHCP_ACK ? r->answer.h.yiaddr : 0;
}

/* RFC 2131 4.3.1: from the subnet that giaddr is in; 4.1: back to giaddr, port 67. */
static void relayed__link_with_a_pool__address_and_options_of_it(void **state)
{
	struct dhcp_rig *r = *state;
	struct mac via = rig_mac(VIA);

	assert_int_equal(dora(r, 1, R(1)), R(2));
	assert_int_equal(r->reply.dst_ip, R(1));
	assert_int_equal(r->reply.dst_port, 67);
	assert_memory_equal(r->reply.dst_mac.b, via.b, 6);
	assert_int_equal(r->answer.h.giaddr, R(1));
	assert_int_equal(rig_opt32(r, DHCP_OPT_MASK), 0xffffff00);
	assert_int_equal(rig_opt32(r, DHCP_OPT_BROADCAST), R(255));
	assert_int_equal(rig_opt32(r, DHCP_OPT_ROUTER), R(1));
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
	assert_int_equal(dora(r, 2, S(1)), S(50));
	assert_int_equal(rig_opt32(r, DHCP_OPT_ROUTER), S(9));
	assert_int_equal(rig_dora(r, 1, 3), IP4(10, 0, 2, 15));
	rig_restart(r, 0);
	assert_int_equal(dora(r, 1, R(1)), R(2));
}

/* What is fixed for a MAC holds on the link that it is of, and there only. */
static void relayed__reserved_for_the_mac__given_on_its_link(void **state)
{
	struct dhcp_rig *r = *state;
	struct mac mac = rig_mac(1);

	assert_int_equal(dhcp_server_reserve(r->s, &mac, R(77), "far", r->now,
					     NULL),
			 0);
	assert_int_equal(dora(r, 2, R(1)), R(2));
	assert_int_equal(dora(r, 1, R(1)), R(77));
	assert_int_equal(dora(r, 1, S(1)), S(50));
	assert_int_equal(dora(r, 1, R(1)), R(77));
}

static void relayed__link_without_a_pool__dropped(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = relayed(DHCP_DISCOVER, 1, IP4(10, 7, 0, 1));

	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_RELAY), 1);
}

/* A client on the network itself is never given one of these. */
static void relayed__wished_for_without_a_relay__not_given(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	a.requested = R(40);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.yiaddr, IP4(10, 0, 2, 15));
	a.type = DHCP_REQUEST;
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	a.server_id = 0; /* INIT-REBOOT after it was moved */
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
}

/* RFC 3527: the relay's address for us is not on the client's link. */
static void relayed__link_selection__link_it_names(void **state)
{
	static const uint8_t info[] = {1, 1, 'x', 5, 4, 10, 9, 0, 0};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = relayed(DHCP_DISCOVER, 1, RELAY);
	size_t len;

	a.relay = info;
	a.relay_len = sizeof(info);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.yiaddr, R(2));
	assert_int_equal(r->reply.dst_ip, RELAY);
	assert_memory_equal(dhcp_msg_opt(&r->answer, DHCP_OPT_RELAY, &len),
			    info, sizeof(info));
	a.giaddr = IP4(192, 168, 9, 9); /* … and we need not know it */
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.yiaddr, R(2));
}

/* RFC 5107: the client is to speak to the relay alone. */
static void relayed__server_id_override__said_and_accepted(void **state)
{
	static const uint8_t info[] = {11, 4, 10, 9, 0, 1};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = relayed(DHCP_DISCOVER, 1, R(1));

	a.relay = info;
	a.relay_len = sizeof(info);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), R(1));
	a.type = DHCP_REQUEST;
	a.requested = R(2);
	a.server_id = R(1);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), R(1));
	a.type = DHCP_RELEASE;
	a.ciaddr = R(2);
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	a = rig_ask(DHCP_DISCOVER, 1, 9); /* only a relay may say so */
	a.relay = info;
	a.relay_len = sizeof(info);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
}

/* RFC 2131 4.3.2: RENEWING is unicast to us, through a router: no giaddr. */
static void relayed__renewal_through_a_router__ack_back_through_it(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(NIC, 1, R(2));
	struct mac via = rig_mac(VIA);

	dora(r, 1, R(1));
	rig_pass(r, 40000);
	a.src_mac = via;
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(r->reply.dst_ip, R(2));
	assert_int_equal(r->reply.dst_port, 68);
	assert_memory_equal(r->reply.dst_mac.b, via.b, 6);
	assert_int_equal(rig_opt32(r, DHCP_OPT_ROUTER), R(1));
	a.type = DHCP_INFORM;
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(rig_opt32(r, DHCP_OPT_ROUTER), R(1));
}

/* RFC 2131 4.3.2: moved to another link: NAK, through the relay. */
static void relayed__init_reboot_elsewhere__nak(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = relayed(DHCP_REQUEST, 1, S(1));

	dora(r, 1, R(1));
	a.requested = R(2);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(r->reply.dst_ip, S(1));
	assert_int_equal(r->answer.h.flags, DHCP_F_BROADCAST);
	assert_int_equal(dora(r, 1, S(1)), S(50)); /* one address a client */
	assert_int_equal(rig_stats(r).bound, 1);
}

/* Nor is the relay's own address anybody's. */
static void relayed__pool_used_up__others_have_theirs(void **state)
{
	struct dhcp_rig *r = *state;

	assert_int_equal(dora(r, 1, S(50)), S(51));
	assert_int_equal(dora(r, 2, S(50)), S(52));
	assert_int_equal(dora(r, 3, S(50)), 0);
	assert_int_equal(r->events[DHCP_EV_EXHAUSTED], 1);
	assert_int_equal(dora(r, 3, R(1)), R(2));
	rig_pass(r, 86400);
	assert_int_equal(dora(r, 4, S(1)), S(50));
	assert_int_equal(dora(r, 5, S(1)), S(51)); /* freed first of its link */
}

/* What one NIC may hold is not what is behind it. */
static void relayed__many_clients__not_the_relays_own(void **state)
{
	struct dhcp_rig *r = *state;

	for (uint8_t n = 0; n < 100; n++)
		assert_int_equal(dora(r, n, R(1)), R(2 + n));
	assert_int_equal(rig_dora(r, NIC, VIA), IP4(10, 0, 2, 15));
}

static void relayed__pool_taken_away__leases_end(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = r->cfg;
	struct dhcp_ask a = rig_renewal(NIC, 1, R(2));

	dora(r, 1, R(1));
	dora(r, 2, R(1));
	dora(r, 3, S(1));
	rig_pass(r, 50000);
	dora(r, 1, R(1));
	rig_pass(r, 40000); /* 2 and 3 are over */
	cfg.relay[0] = cfg.relay[1];
	cfg.nrelay = 1;
	rig_reconfigure(r, &cfg);
	rig_check(r);
	assert_null(dhcp_server_find_ip(r->s, R(3)));
	assert_non_null(dhcp_server_find_ip(r->s, S(50)));
	a.src_mac = rig_mac(VIA);
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_int_equal(dora(r, 3, S(1)), S(50));
	rig_restart(r, 0);
	rig_check(r);
}

/* Options of one link, with a relay and without. */
static void relayed__group_of_the_link__its_options(void **state)
{
	static const struct dhcp_scope g = {.kind = DHCP_SCOPE_GROUP,
					    .group = "far",
					    .match = "relay=10.9.*"};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(NIC, 1, R(2));
	static struct dhcp_opts set;
	struct dhcp_option o;

	memset(&set, 0, sizeof(set));
	assert_int_equal(dhcp_opt_parse("dns=10.9.0.53", &o, NULL), 0);
	assert_int_equal(dhcp_opts_set(&set, &o), 0);
	assert_int_equal(dhcp_server_scope(r->s, &g, &set, NULL), 0);
	dora(r, 1, R(1));
	assert_int_equal(rig_opt32(r, DHCP_OPT_DNS), R(53));
	rig_pass(r, 40000);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_int_equal(rig_opt32(r, DHCP_OPT_DNS), R(53));
	dora(r, 2, S(1));
	assert_int_equal(rig_opt32(r, DHCP_OPT_DNS), IP4(10, 0, 2, 3));
	rig_dora(r, 1, 3);
	assert_int_equal(rig_opt32(r, DHCP_OPT_DNS), IP4(10, 0, 2, 3));
}

/* RFC 3046 2.0: what is in option 82 is foreign: cut anywhere, it is an answer
 * without what cannot be read. */
static void relayed__option_82_cut__read_as_far_as_it_goes(void **state)
{
	static const uint8_t info[] = {1, 1, 'x', 5, 4, 10, 8, 0, 0};
	struct dhcp_rig *r = *state;

	for (size_t n = 0; n <= sizeof(info); n++) {
		struct dhcp_ask a = relayed(DHCP_DISCOVER, 1, R(1));

		a.relay = info;
		a.relay_len = n;
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(r->answer.h.yiaddr,
				 n < sizeof(info) ? R(2) : S(50));
	}
}

static void range_parse__each_form__understood_or_refused(void **state)
{
	static const struct {
		const char *text;
		uint32_t first, last, router; /* 0: refused */
	} v[] = {
		{"10.9.0.0/24", R(2), R(254), R(1)},
		{"10.9.0.0/24=auto", R(2), R(254), R(1)},
		{"10.9.0.0/24=auto@10.9.0.254", R(1), R(254), R(254)},
		{"10.9.0.0/24=10.9.0.5-10.9.0.9", R(5), R(9), R(1)},
		{"10.9.0.0/24=10.9.0.5-10.9.0.9@10.9.0.3", R(5), R(9), R(3)},
		{"10.9.0.0/30", R(2), R(2), R(1)},
		{"10.0.0.0/8", IP4(10, 0, 0, 2), IP4(10, 1, 0, 1), 0x0a000001},
		{"", 0, 0, 0},
		{"10.9.0.1/24", 0, 0, 0},
		{"10.9.0.0/31", 0, 0, 0},
		{"10.9.0.0/24=10.9.0.9-10.9.0.5", 0, 0, 0},
		{"10.9.0.0/24=10.9.0.9", 0, 0, 0},
		{"10.9.0.0/24=10.9.0.9-10.9.1.5", 0, 0, 0},
		{"10.9.0.0/24=auto@10.8.0.1", 0, 0, 0},
		{"10.9.0.0/24=auto@", 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct dhcp_range r = {.first = 1};
		struct errtext why = {""};
		int err = dhcp_range_parse(v[i].text, &r, &why);

		assert_int_equal(err, v[i].first ? 0 : -EINVAL);
		assert_true(!err || why.s[0]);
		if (err)
			continue;
		assert_int_equal(r.first, v[i].first);
		assert_int_equal(r.last, v[i].last);
		assert_int_equal(r.router, v[i].router);
	}
}

static void ranges__that_overlap_or_are_too_many__refused(void **state)
{
	const struct ip4_net net = {IP4(10, 0, 2, 0), 24};
	struct dhcp_range r[DHCP_RELAY_MAX + 1];

	(void)state;
	r[0] = range("10.9.0.0/24");
	r[1] = range("10.9.0.128/25");
	assert_int_equal(dhcp_ranges_check(&net, r, 1, NULL), 0);
	assert_int_equal(dhcp_ranges_check(&net, r, 2, NULL), -EINVAL);
	r[1] = range("10.0.0.0/16");
	assert_int_equal(dhcp_ranges_check(&net, r + 1, 1, NULL), -EINVAL);
	r[1] = range("10.64.0.0/10");
	assert_int_equal(dhcp_ranges_check(&net, r, 2, NULL), -ERANGE);
	assert_int_equal(dhcp_ranges_check(&net, r, DHCP_RELAY_MAX + 1, NULL),
			 -ERANGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(relayed__link_with_a_pool__address_and_options_of_it),
		T(relayed__reserved_for_the_mac__given_on_its_link),
		T(relayed__link_without_a_pool__dropped),
		T(relayed__wished_for_without_a_relay__not_given),
		T(relayed__link_selection__link_it_names),
		T(relayed__server_id_override__said_and_accepted),
		T(relayed__renewal_through_a_router__ack_back_through_it),
		T(relayed__init_reboot_elsewhere__nak),
		T(relayed__pool_used_up__others_have_theirs),
		T(relayed__many_clients__not_the_relays_own),
		T(relayed__pool_taken_away__leases_end),
		T(relayed__group_of_the_link__its_options),
		T(relayed__option_82_cut__read_as_far_as_it_goes),
		cmocka_unit_test(range_parse__each_form__understood_or_refused),
		cmocka_unit_test(ranges__that_overlap_or_are_too_many__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
