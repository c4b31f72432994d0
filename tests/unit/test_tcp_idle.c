// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* Connections on which nothing happens, or whose host went to sleep or to another
 * network. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fake/fake_tcp.h"

static int setup(void **state)
{
	struct fake_tcp *r = malloc(sizeof(*r));

	fake_tcp_init(r);
	fake_tcp_start(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	fake_tcp_stop(*state);
	free(*state);
	return 0;
}

static struct tcp_stats stats(struct fake_tcp *r)
{
	struct tcp_stats s;

	tcp_stats(r->t, &s);
	return s;
}

/* ---- the host's address -------------------------------------------------- */

#define OTHER_UPLINK 0x0a090807u

static void gone(struct fake_tcp *r, uint32_t ip)
{
	struct ipaddr a[2] = {ipaddr_from4(0x01020304), ipaddr_from4(ip)};

	tcp_address_gone(r->t, a, 2, r->now_ms);
	fake_tcp_settle(r);
}

static void address_gone__flows_of_it__reset_others_go_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_open(r, 2);
	struct fake_conn c = fake_conn_open(r, 3);

	b.s->local = OTHER_UPLINK;
	c.s->local = INADDR_LOOPBACK;
	gone(r, FAKE_LOCAL);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].flags, F_RST | F_ACK);
	assert_int_equal(r->out[0].dst.port, 1);
	assert_int_equal(r->out[0].seq, a.ack);
	assert_true(a.s->was_reset);
	fake_conn_data(&b, "on", 2);
	fake_conn_data(&c, "on", 2);
	assert_int_equal(b.s->out_len + c.s->out_len, 4);
	assert_int_equal(stats(r).flows, 2);
}

static void address_gone__any_state__host_socket_closed(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn eof = fake_conn_open(r, 1), fin, tw;
	struct tcp_accept in = {.guest = endpoint4(0x0a00020f, 22),
				.shown = endpoint4(0x08080808, 4000),
				.nic_id = 7};
	struct fake_sock *client = fake_sock_accepted(r);

	fake_sock_eof(eof.s);
	fin = fake_conn_open(r, 2);
	fake_conn_send(&fin, F_FIN | F_ACK, NULL, 0);
	tw = fake_conn_open(r, 3);
	fake_sock_eof(tw.s);
	fake_conn_ack_all(&tw);
	fake_conn_send(&tw, F_FIN | F_ACK, NULL, 0);
	in.sock = client;
	assert_int_equal(tcp_accept(r->t, &in, r->now_ms), 0);
	fake_tcp_settle(r);
	fake_tcp_clear(r);
	gone(r, FAKE_LOCAL);
	assert_true(eof.s->was_reset && fin.s->was_reset);
	assert_true(client->was_reset);
	assert_int_equal(fake_tcp_count(r, F_RST), 3);
	assert_int_equal(stats(r).flows, 1); /* TIME_WAIT has no socket */
	assert_int_equal(r->live, 0);
}

static void address_gone__guest_still_calls__its_next_syn_counts(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_make(r, 1);

	fake_conn_syn(&c);
	gone(r, FAKE_LOCAL);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->live, 0);
	fake_conn_syn(&c);
	assert_int_equal(r->nsock, 2);
	fake_sock_connected(r->sock[1], 0);
	assert_int_equal(fake_tcp_last(r)->flags, F_SYN | F_ACK);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(address_gone__flows_of_it__reset_others_go_on),
		T(address_gone__any_state__host_socket_closed),
		T(address_gone__guest_still_calls__its_next_syn_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
