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

/* ---- idle ---------------------------------------------------------------- */

#define HOUR_MS (60 * 60 * 1000)

/* The last segment asks whether the guest lives. */
static bool is_probe(const struct fake_tcp *r, const struct fake_conn *c)
{
	const struct fake_seg *s = fake_tcp_last(r);

	return s->flags == F_ACK && !s->len && s->seq == c->ack - 1 &&
	       s->ack == c->seq;
}

/* Hours in which a guest says nothing but that it lives; how often it was asked. */
static unsigned int lives_on(struct fake_conn *c, int hours)
{
	struct fake_tcp *r = c->r;
	unsigned int asked = 0;

	for (int i = 0; i < hours * 60; i++) {
		fake_tcp_clear(r);
		fake_tcp_wait(r, HOUR_MS / 60);
		if (!r->n)
			continue;
		assert_int_equal(r->n, 1);
		assert_true(is_probe(r, c));
		asked++;
		fake_conn_send(c, F_ACK, NULL, 0);
	}
	fake_tcp_clear(r);
	return asked;
}

/* A shell that waits over night. passt and others end such a connection after two
 * hours. */
static void idle__ssh_session_over_the_peers_timeouts__lives_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	unsigned int asked;

	fake_conn_data(&c, "$ ", 2);
	asked = lives_on(&c, 10);
	assert_true(asked >= 100 && asked <= 10 * 60 / 5);
	assert_int_equal(stats(r).keep_alives, asked);
	assert_false(c.s->closed);
	fake_conn_data(&c, "ls\n", 3);
	assert_int_equal(c.s->out_len, 5);
	fake_tcp_clear(r);
	fake_sock_push(c.s, "README", 6);
	assert_memory_equal(fake_tcp_last(r)->data, "README", 6);
	fake_conn_ack_all(&c);
	assert_int_equal(stats(r).rexmits, 0);
}

static bool take_used(void *arg, const struct tcp_flow_info *i)
{
	*(int64_t *)arg = i->used_ms;
	return true;
}

static int64_t idle_s(struct fake_tcp *r)
{
	int64_t used_ms = 0;

	tcp_walk(r->t, 0, take_used, &used_ms);
	return (r->now_ms - used_ms) / 1000;
}

static void idle__answers_to_probes__are_no_use_of_it(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	lives_on(&c, 3);
	assert_int_equal(idle_s(r), 3 * 60 * 60);
	fake_conn_data(&c, "x", 1);
	assert_int_equal(idle_s(r), 0);
}

static void idle__guest_asks_itself__the_outside_is_asked_too(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1), o = fake_conn_open(r, 2);

	fake_conn_data(&c, "x", 1);
	fake_tcp_wait(r, 60000);
	assert_int_equal(c.s->asked_s, 0);
	fake_tcp_clear(r);
	c.seq--;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->n, 1); /* by us, as far as we know */
	assert_int_equal(c.s->asked_s, 60 + 1);
	fake_conn_send(&c, F_ACK, "x", 1); /* an old one, of a byte */
	o.seq -= 100; /* old, and nothing else */
	fake_conn_send(&o, F_ACK, NULL, 0);
	assert_int_equal(o.s->asked_s, 0);
	fake_sock_fail(c.s, -ETIMEDOUT);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).flows, 1);
}

/* What it just sent once more, by a timer of its own, is no question. */
static void idle__guest_repeats_itself_at_once__nobody_is_asked(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_data(&c, "x", 1);
	fake_tcp_wait(r, 400);
	c.seq--;
	fake_conn_send(&c, F_ACK, "x", 1);
	assert_int_equal(c.s->asked_s, 0);
}

/* Its reset was lost, or it was started anew and has other connections now. */
static void idle__guest_has_forgotten__ended_when_asked(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_tcp_wait(r, TCP_KEEP_MS + 1000);
	assert_int_equal(r->n, 1);
	assert_true(is_probe(r, &c));
	c.seq = fake_tcp_last(r)->ack;
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_true(c.s->was_reset);
	assert_int_equal(stats(r).flows, 0);
	assert_int_equal(stats(r).resets_in, 1);
}

/* REQ-5. A VM may be paused; its silence alone is no end before that. */
static void idle__guest_is_silent__two_hours_four_minutes(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_tcp_wait(r, TCP_IDLE_MS - 1000);
	assert_false(c.s->closed);
	assert_int_equal(r->n, TCP_IDLE_MS / TCP_KEEP_MS);
	fake_tcp_wait(r, 2000);
	assert_true(c.s->was_reset);
	assert_int_equal(fake_tcp_last(r)->flags, F_RST | F_ACK);
	assert_int_equal(stats(r).timed_out, 1);
}

static void idle__half_closed_either_way__asked_too(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_open(r, 2);

	fake_conn_send(&a, F_FIN | F_ACK, NULL, 0);
	a.seq++;
	fake_tcp_clear(r);
	lives_on(&a, 0);
	fake_conn_send(&b, F_RST, NULL, 0);
	assert_true(lives_on(&a, 3) > 30);
	b = fake_conn_open(r, 3);
	fake_conn_send(&a, F_RST, NULL, 0);
	fake_sock_eof(b.s);
	fake_conn_ack_all(&b);
	assert_true(lives_on(&b, 3) > 30);
	assert_int_equal(stats(r).flows, 1);
}

static void idle__probe_finds_no_room__sent_a_little_later(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	r->full_after = r->emitted;
	r->full_after += !r->full_after;
	fake_tcp_wait(r, TCP_KEEP_MS + 10);
	assert_int_equal(r->n, 0);
	r->full_after = 0;
	fake_tcp_wait(r, 1000);
	assert_int_equal(r->n, 1);
	assert_true(is_probe(r, &c));
}

static void idle__bytes_unacknowledged__retransmission_decides(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	c.wnd = 0;
	fake_conn_send(&c, F_ACK, NULL, 0);
	fake_sock_push(c.s, "abc", 3);
	for (int i = 0; i < 180; i++) { /* three hours without a window */
		fake_tcp_wait(r, 60000);
		fake_conn_send(&c, F_ACK, NULL, 0);
	}
	assert_int_equal(stats(r).keep_alives, 0);
	assert_int_equal(stats(r).flows, 1);
}

/* ---- a host that slept ----------------------------------------------------- */

static void sleep_h(struct fake_tcp *r, int hours)
{
	tcp_slept(r->t, (int64_t)hours * HOUR_MS, r->now_ms);
	fake_tcp_settle(r);
}

static void slept__open_flows__asked_and_live_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c[20];

	for (uint16_t i = 0; i < 20; i++)
		c[i] = fake_conn_open(r, i + 1);
	fake_tcp_clear(r);
	sleep_h(r, 9);
	assert_true(r->n <= 1); /* not all at once */
	for (int i = 0; i < 11; i++) {
		fake_tcp_wait(r, 1000);
		for (unsigned int k = 0, n = r->n; k < n; k++) {
			struct fake_conn *of = &c[r->out[k].dst.port - 1];

			assert_int_equal(r->out[k].seq, of->ack - 1);
			fake_conn_send(of, F_ACK, NULL, 0);
		}
		fake_tcp_clear(r);
	}
	assert_int_equal(stats(r).keep_alives, 20);
	assert_int_equal(idle_s(r), 9 * 60 * 60 + 11);
	fake_tcp_wait(r, 240000);
	assert_int_equal(r->n, 0);
	assert_int_equal(stats(r).flows, 20);
}

static void slept__guest_does_not_answer__given_up_after_five_probes(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	sleep_h(r, 9);
	fake_tcp_wait(r, 60000);
	assert_false(c.s->closed);
	fake_tcp_wait(r, 30000);
	assert_true(c.s->was_reset);
	assert_int_equal(r->n, 6);
	assert_int_equal(stats(r).keep_alives, 5);
}

static void slept__not_long_enough__nothing_but_age(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	tcp_slept(r->t, 60000, r->now_ms);
	fake_tcp_wait(r, TCP_KEEP_MS - 60000 - 1000);
	assert_int_equal(r->n, 0);
	fake_tcp_wait(r, 2000);
	assert_int_equal(r->n, 1);
	assert_true(is_probe(r, &c));
}

static void slept__bytes_in_flight__no_retransmission_for_that(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_sock_push(c.s, "hello", 5);
	assert_int_equal(r->n, 1);
	sleep_h(r, 9);
	fake_tcp_wait(r, 100); /* of the 200 ms that it has */
	assert_int_equal(r->n, 1);
	fake_conn_ack_all(&c);
	fake_tcp_wait(r, 1000);
	assert_int_equal(stats(r).timeouts, 0);
	assert_int_equal(stats(r).flows, 1);
}

static void slept__closing_and_connecting__their_time_is_over(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_make(r, 2);
	struct fake_conn tw = fake_conn_open(r, 3);

	fake_sock_eof(tw.s);
	fake_conn_ack_all(&tw);
	fake_conn_send(&tw, F_FIN | F_ACK, NULL, 0);
	fake_sock_eof(a.s);
	fake_conn_send(&a, F_FIN | F_ACK, NULL, 0); /* ours is not acknowledged */
	fake_conn_syn(&b);
	assert_int_equal(stats(r).flows, 3);
	sleep_h(r, 1);
	fake_tcp_wait(r, 1);
	assert_int_equal(stats(r).flows, 0);
	assert_int_equal(r->live, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(address_gone__flows_of_it__reset_others_go_on),
		T(address_gone__any_state__host_socket_closed),
		T(address_gone__guest_still_calls__its_next_syn_counts),
		T(idle__ssh_session_over_the_peers_timeouts__lives_on),
		T(idle__answers_to_probes__are_no_use_of_it),
		T(idle__guest_asks_itself__the_outside_is_asked_too),
		T(idle__guest_repeats_itself_at_once__nobody_is_asked),
		T(idle__guest_has_forgotten__ended_when_asked),
		T(idle__guest_is_silent__two_hours_four_minutes),
		T(idle__half_closed_either_way__asked_too),
		T(idle__probe_finds_no_room__sent_a_little_later),
		T(idle__bytes_unacknowledged__retransmission_decides),
		T(slept__open_flows__asked_and_live_on),
		T(slept__guest_does_not_answer__given_up_after_five_probes),
		T(slept__not_long_enough__nothing_but_age),
		T(slept__bytes_in_flight__no_retransmission_for_that),
		T(slept__closing_and_connecting__their_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
