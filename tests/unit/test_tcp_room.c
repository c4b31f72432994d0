// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* Guests that have no room for what the host's sockets hold, and those that lend theirs:
 * struct tcp_env.room and lend. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nat/tcp_int.h"
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

static size_t bytes_out(const struct fake_tcp *r)
{
	size_t n = 0;

	for (unsigned int i = 0; i < r->n; i++)
		n += r->out[i].len;
	return n;
}

/* A vhost-user guest without buffers: bytes stay in the host's socket, whose window
 * closes; none is sent to be lost. */
static void host_data__guest_without_room__waits_for_it(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = calloc(1, 60000);
	unsigned int kicks;

	c.wnd = 0x2000;
	fake_conn_send(&c, F_ACK, NULL, 0);
	r->guest_room = 20000;
	fake_sock_push(c.s, p, 60000);
	assert_int_equal(bytes_out(r), 20000 - 20000 % 1460);
	assert_int_equal(c.s->in_done, 0);
	assert_true(stats(r).held >= 1);
	/* It is looked at now and then, but not on and on. */
	kicks = r->kicks;
	fake_tcp_wait(r, 50);
	assert_true(r->kicks - kicks < 10);
	assert_int_equal(bytes_out(r), 20000 - 20000 % 1460);
	r->guest_room = SIZE_MAX;
	tcp_room(r->t);
	fake_tcp_settle(r);
	fake_conn_ack_all(&c);
	fake_conn_ack_all(&c);
	assert_int_equal(c.s->in_done, 60000);
	assert_int_equal(stats(r).rexmits, 0);
	free(p);
}

/* Nobody tells that there is room again: a timer looks. Others go on meanwhile. */
static void host_data__one_guest_without_room__others_go_on(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn a = fake_conn_open(r, 1), b = fake_conn_open(r, 2);
	uint8_t *p = calloc(1, 4000);

	r->guest_room = 0;
	fake_sock_push(a.s, p, 4000);
	assert_int_equal(bytes_out(r), 0);
	fake_conn_data(&b, p, 4000); /* is acknowledged all the same */
	assert_int_equal(b.s->out_len, 4000);
	r->guest_room = SIZE_MAX;
	fake_tcp_wait(r, 250);
	assert_true(bytes_out(r) >= 4000);
	fake_conn_ack_all(&a);
	assert_int_equal(a.s->in_done, 4000);
	free(p);
}

/* Whoever waits for room is not looked at again and again while others go on. */
static void host_data__many_flows_of_a_full_guest__others_do_not_pay(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn full[20], c = fake_conn_open(r, 1);
	uint8_t *p = calloc(1, 4000);
	uint64_t kept;

	for (uint16_t i = 0; i < 20; i++) {
		full[i] = fake_conn_make(r, (uint16_t)(100 + i));
		full[i].nic_id = 8;
		full[i].me.ip = ipaddr_from4(0x0a000210);
		fake_conn_begin(&full[i]);
	}
	r->full_nic = 8;
	for (int i = 0; i < 20; i++)
		fake_sock_push(full[i].s, p, 4000);
	kept = stats(r).held;
	assert_true(kept >= 20);
	for (int i = 0; i < 200; i++) {
		fake_sock_push(c.s, p, 4000);
		fake_conn_ack_all(&c);
	}
	assert_int_equal(c.s->in_done, 200 * 4000);
	assert_in_range(stats(r).held - kept, 0, 40);
	r->full_nic = 0;
	fake_tcp_clear(r);
	tcp_room(r->t);
	fake_tcp_settle(r);
	/* (What is less than a segment waits for an acknowledgement.) */
	assert_true(bytes_out(r) >= 20 * 2 * 1460);
	assert_int_equal(stats(r).rexmits, 0);
	free(p);
}

/* The guest says something on a connection that waits: it is heard, and ends. */
static void host_data__parked_flow_is_reset__is_gone(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t p[4000] = {0};

	r->guest_room = 0;
	fake_sock_push(c.s, p, sizeof(p));
	fake_conn_data(&c, p, 100);
	assert_int_equal(c.s->out_len, 100);
	fake_conn_send(&c, F_RST, NULL, 0);
	assert_int_equal(stats(r).flows, 0);
	tcp_room(r->t);
	fake_tcp_wait(r, 300);
}

/* Bytes that are not all alike. */
static uint8_t *pattern(size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + (i >> 8));
	return p;
}

static void same_stream(const struct fake_tcp *r, const uint8_t *p, size_t n)
{
	size_t at = 0;

	for (unsigned int i = 0; i < r->n; i++) {
		assert_memory_equal(r->out[i].data, p + at, r->out[i].len);
		at += r->out[i].len;
	}
	assert_int_equal(at, n);
}

/* A flow that has had much to say lately. */
static struct fake_conn open_bulk(struct fake_tcp *r)
{
	struct fake_conn c = fake_conn_open(r, 1);
	uint8_t *p = calloc(1, TCP_LEND_MIN);

	c.wnd = 0x2000;
	fake_conn_send(&c, F_ACK, NULL, 0);
	r->lend_room = SIZE_MAX;
	fake_sock_push(c.s, p, TCP_LEND_MIN);
	fake_conn_ack_all(&c);
	fake_conn_ack_all(&c);
	fake_tcp_clear(r);
	free(p);
	return c;
}

static void lend__room_in_the_guest__peeked_into_it(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_bulk(r);
	uint8_t *p = pattern(100000);

	fake_sock_push(c.s, p, 100000);
	same_stream(r, p, 100000);
	assert_true(r->nlend >= 3);
	assert_true(r->out[0].len % 1460 == 0 && r->out[0].gso == 1460);
	/* what is little once tells nothing … */
	fake_conn_ack_all(&c);
	fake_conn_ack_all(&c);
	fake_sock_push(c.s, p, 5000);
	fake_conn_ack_all(&c);
	r->nlend = 0;
	fake_sock_push(c.s, p, 5000);
	assert_int_equal(r->nlend, 1);
	fake_conn_ack_all(&c);
	fake_sock_push(c.s, p, 50000);
	assert_true(r->nlend > 1);
	/* … but when it comes in a row: then it is copied */
	for (int i = 0; i < 3; i++) {
		fake_conn_ack_all(&c);
		fake_conn_ack_all(&c);
		r->nlend = 0;
		fake_sock_push(c.s, p, 5000);
	}
	assert_int_equal(r->nlend, 0);
	free(p);
}

static void lend__less_than_asked__in_whole_segments(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_bulk(r);
	uint8_t *p = pattern(100000);

	r->lend_room = 20000;
	fake_sock_push(c.s, p, 100000);
	assert_int_equal(r->out[0].len, 20000 - 20000 % 1460);
	same_stream(r, p, 100000);
	free(p);
}

static void lend__no_buffers__waits_for_them(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_bulk(r);
	uint8_t *p = pattern(60000);
	unsigned int kicks;

	r->lend_room = 0;
	r->lend_err = -EAGAIN;
	fake_sock_push(c.s, p, 60000);
	assert_int_equal(bytes_out(r), 0);
	kicks = r->kicks;
	fake_tcp_wait(r, 50);
	assert_true(r->kicks - kicks < 10);
	r->lend_room = SIZE_MAX;
	tcp_room(r->t);
	fake_tcp_settle(r);
	same_stream(r, p, 60000);
	assert_int_equal(stats(r).rexmits, 0);
	free(p);
}

/* Its VMM has cut the file behind it off: what is wrong is found out by who copies. */
static void lend__memory_that_is_none__copied(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = open_bulk(r);
	uint8_t *p = pattern(60000);

	r->lend_fault = true;
	fake_sock_push(c.s, p, 60000);
	same_stream(r, p, 60000);
	free(p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(host_data__guest_without_room__waits_for_it),
		T(host_data__one_guest_without_room__others_go_on),
		T(host_data__many_flows_of_a_full_guest__others_do_not_pay),
		T(host_data__parked_flow_is_reset__is_gone),
		T(lend__room_in_the_guest__peeked_into_it),
		T(lend__less_than_asked__in_whole_segments),
		T(lend__no_buffers__waits_for_them),
		T(lend__memory_that_is_none__copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
