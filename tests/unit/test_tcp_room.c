// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* Guests that have no room for what the host's sockets hold: struct tcp_env.room. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			host_data__guest_without_room__waits_for_it, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			host_data__one_guest_without_room__others_go_on, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
