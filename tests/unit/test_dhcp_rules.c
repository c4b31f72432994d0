// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* What each type of message carries and where it goes, RFC by RFC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp_rig.h"

#define SERVER IP4(10, 0, 2, 2)
#define IP(n)  IP4(10, 0, 2, n)

/* What no reply has (RFC 2131 table 3), however the client asks for it. */
static void assert_no_clients_options(const struct dhcp_rig *r)
{
	assert_false(rig_has(r, DHCP_OPT_REQUESTED));
	assert_false(rig_has(r, DHCP_OPT_PARAMETERS));
	assert_false(rig_has(r, DHCP_OPT_MAX_SIZE));
}

static void assert_echo(const struct dhcp_rig *r, const struct dhcp_ask *a)
{
	const uint8_t *cid;
	size_t len;

	assert_int_equal(r->answer.h.op, DHCP_BOOTREPLY);
	assert_int_equal(r->answer.h.hops, 0);
	assert_int_equal(r->answer.h.secs, 0);
	assert_int_equal(r->answer.h.xid, a->xid);
	assert_memory_equal(r->answer.h.chaddr, a->mac.b, 6);
	cid = dhcp_msg_opt(&r->answer, DHCP_OPT_CLIENT_ID, &len);
	assert_int_equal(len, a->cid_len); /* RFC 6842 3 */
	assert_memory_equal(cid, a->cid, len);
	assert_int_equal(rig_opt32(r, DHCP_OPT_SERVER_ID), SERVER);
}

/* RFC 2131 table 3, column by column; RFC 6842. */
static void reply__each_type__what_table_3_has(void **state)
{
	static const uint8_t wish[] = {1, 3, 50, 51, 55, 56, 57, 61};
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	a.cid = "\1id";
	a.cid_len = 3;
	a.max_size = 1400;
	a.requested = IP(20);
	a.wish = wish;
	a.wishes = sizeof(wish);
	a.flags = DHCP_F_BROADCAST;
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_echo(r, &a);
	assert_no_clients_options(r);
	assert_int_equal(r->answer.h.ciaddr, 0);
	assert_int_equal(r->answer.h.yiaddr, IP(20));
	assert_int_equal(r->answer.h.flags, DHCP_F_BROADCAST);
	assert_true(rig_has(r, DHCP_OPT_LEASE));

	a.type = DHCP_REQUEST;
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_echo(r, &a);
	assert_no_clients_options(r);
	assert_true(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_MESSAGE));

	a.requested = IP4(192, 168, 1, 1);
	a.server_id = 0;
	assert_int_equal(rig_send(r, &a), DHCP_NAK);
	assert_echo(r, &a);
	assert_no_clients_options(r);
	assert_int_equal(r->answer.h.ciaddr, 0);
	assert_int_equal(r->answer.h.yiaddr, 0);
	assert_int_equal(r->answer.h.siaddr, 0);
	assert_true(rig_has(r, DHCP_OPT_MESSAGE)); /* SHOULD */
	assert_false(rig_has(r, DHCP_OPT_LEASE));
	assert_false(rig_has(r, DHCP_OPT_T1));
	assert_false(rig_has(r, DHCP_OPT_MASK));

	a.type = DHCP_INFORM;
	a.requested = 0;
	a.ciaddr = a.src_ip = IP(20);
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	assert_echo(r, &a);
	assert_no_clients_options(r);
	assert_int_equal(r->answer.h.ciaddr, IP(20));
	assert_int_equal(r->answer.h.yiaddr, 0);
	assert_false(rig_has(r, DHCP_OPT_LEASE)); /* RFC 2131 4.3.5 */
}

/* RFC 2131 4.4.5: half and seven eighths, whole seconds, in their order. */
static void reply__any_lease_time__t1_before_t2_before_the_end(void **state)
{
	static const uint32_t v[] = {1, 2, 7, 8, 60, 3600, 0xfffffffe};
	struct dhcp_rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct dhcp_config cfg = rig_config();
		struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

		cfg.lease_s = v[i];
		rig_reconfigure(r, &cfg);
		assert_int_equal(rig_send(r, &a), DHCP_OFFER);
		assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), v[i]);
		assert_int_equal(rig_opt32(r, DHCP_OPT_T1), v[i] / 2);
		assert_int_equal(rig_opt32(r, DHCP_OPT_T2), v[i] - v[i] / 8);
	}
}

/* RFC 4361 6.1: 255, IAID, DUID is an identifier like any other: the key where the
 * standard's rule is asked for, whatever hardware address comes with it. */
static void identity__rfc4361_identifier__decides_for_any_mac(void **state)
{
	static const uint8_t id[] = {255, 0, 0, 0, 1, 0, 2, 0, 0, 0xab, 0x11, 9};
	struct dhcp_rig *r = *state;
	struct dhcp_config cfg = rig_config();
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	cfg.identity = DHCP_IDENTITY_RFC2131;
	rig_reconfigure(r, &cfg);
	a.cid = id;
	a.cid_len = sizeof(id);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_echo(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), DHCP_ACK);
	a = rig_ask(DHCP_DISCOVER, 2, 9); /* another NIC of the same host */
	a.cid = id;
	a.cid_len = sizeof(id);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(r->answer.h.yiaddr, IP(15));
}

/* RFC 1542 3.1.1, 4.1.2: BOOTP's replies go where DHCP's do. */
static void bootp__broadcast_bit_and_relay__reply_goes_there(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(0, 1, 1);

	assert_int_equal(dhcp_server_reserve(r->s, &a.mac, IP(50), NULL, r->now,
					     NULL),
			 0);
	(void)rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, IP(50));
	assert_memory_equal(r->reply.dst_mac.b, a.mac.b, 6);
	a.flags = DHCP_F_BROADCAST;
	(void)rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, 0xffffffff);
	assert_int_equal(r->reply.dst_port, 68);
	a.giaddr = a.src_ip = IP(5);
	(void)rig_send(r, &a);
	assert_int_equal(r->reply.dst_ip, IP(5));
	assert_int_equal(r->reply.dst_port, 67);
	assert_int_equal(r->answer.h.giaddr, IP(5));
	assert_int_equal(rig_stats(r).bound, 0);
}

/* RFC 8925 3.3: who takes the option does not take the address, which is free again
 * when the offer ends; nothing is stored. */
static void offer__nobody_takes_it__free_after_a_minute(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(rig_stats(r).offered, 1);
	rig_pass(r, DHCP_OFFER_S);
	assert_int_equal(rig_stats(r).offered, 0);
	assert_int_equal(r->rows, 0);
	assert_int_equal(rig_dora(r, 2, 2), IP(15));
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reply__each_type__what_table_3_has),
		T(reply__any_lease_time__t1_before_t2_before_the_end),
		T(identity__rfc4361_identifier__decides_for_any_mac),
		T(bootp__broadcast_bit_and_relay__reply_goes_there),
		T(offer__nobody_takes_it__free_after_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
