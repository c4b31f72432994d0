// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* An ACK and the store: what waits, what fails, what overtakes. */
#include "dhcp/dhcp_server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fake/dhcp_rig.h"

#define SERVER IP4(10, 0, 2, 2)
#define IP(n)  IP4(10, 0, 2, n)

static void committed__asks_again_meanwhile__latest_answered(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	a.xid = 0x777;
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(r->nwaiting, 1);
	assert_int_equal(rig_drops(r, DHCP_DROP_PENDING), 1);
	assert_int_equal(rig_store(r), DHCP_ACK);
	assert_int_equal(r->answer.h.xid, 0x777);
}

static void failed__new_lease__withdrawn_and_silent(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_REQUEST;
	a.requested = IP(15);
	a.server_id = SERVER;
	rig_send(r, &a);
	rig_refuse(r);
	assert_null(dhcp_server_find_ip(r->s, IP(15)));
	assert_int_equal(rig_stats(r).commit_failed, 1);
	assert_int_equal(rig_stats(r).pending, 0);
	dhcp_server_failed(r->s, 99, r->now); /* unknown: nothing */
	assert_int_equal(rig_stats(r).commit_failed, 1);
	rig_send(r, &a); /* next attempt */
	assert_int_equal(rig_store(r), DHCP_ACK);
}

static void failed__renewal__old_lease_stays_until_its_end(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));
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
	assert_int_equal(rig_stats(r).bound, 1);
	rig_refuse(r);
	rig_pass(r, 1);
	assert_int_equal(rig_stats(r).bound, 0);
	assert_int_equal(r->events[DHCP_EV_EXPIRED], 1);
}

static void committed__released_meanwhile__nothing_to_send(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_renewal(1, 1, IP(15));

	rig_dora(r, 1, 1);
	rig_pass(r, 43200);
	r->hold = true;
	rig_send(r, &a);
	a.type = DHCP_RELEASE;
	rig_send(r, &a);
	assert_int_equal(r->events[DHCP_EV_RELEASED], 1);
	assert_int_equal(r->nwaiting, 2); /* commit, then release */
	assert_int_equal(rig_store(r), 0);
	assert_int_equal(rig_stats(r).bound, 0);
	assert_int_equal(rig_row(r, IP(15))->state, DHCP_RELEASED);
}

/* A client on its way to another address is not told that it keeps the old one.
 */
static void commits__client_moves__old_address_not_confirmed(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, 1, 1);

	rig_dora(r, 1, 1);
	r->hold = true;
	a.requested = IP(40);
	a.server_id = SERVER;
	assert_int_equal(rig_send(r, &a), 0);
	a = rig_renewal(1, 1, IP(15));
	assert_int_equal(rig_send(r, &a), 0);
	assert_int_equal(rig_drops(r, DHCP_DROP_PENDING), 1);
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
	struct dhcp_ask a = rig_ask(DHCP_REQUEST, 1, 1);

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

	rig_reconfigure(r, &cfg);
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
	assert_int_equal(rig_drops(r, DHCP_DROP_BUSY), 10);
	assert_int_equal(rig_stats(r).pending, DHCP_PENDING_MAX);
	for (uint64_t token = 1; token <= DHCP_PENDING_MAX; token++)
		dhcp_server_failed(r->s, token, r->now);
	assert_int_equal(rig_stats(r).pending, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(committed__asks_again_meanwhile__latest_answered),
		T(failed__new_lease__withdrawn_and_silent),
		T(failed__renewal__old_lease_stays_until_its_end),
		T(committed__released_meanwhile__nothing_to_send),
		T(commits__client_moves__old_address_not_confirmed),
		T(commits__nic_replaced__successor_stored_as_itself),
		T(commits__many_wait__bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
