// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* When acknowledgements and window updates leave, and when they wait. */
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

/* The host answers; the guest takes it and says so only with what it sends next. */
static void answer(struct fake_conn *c)
{
	struct fake_tcp *r = c->r;

	fake_tcp_clear(r);
	fake_sock_push(c->s, "answer", 6);
	fake_tcp_settle(r);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].len, 6);
	assert_int_equal(r->out[0].ack, c->seq);
	c->ack += 6;
	fake_tcp_clear(r);
}

/* A connection whose ends took turns so often that ACKs may wait. */
static struct fake_conn turns_taken(struct fake_tcp *r)
{
	struct fake_conn c = fake_conn_open(r, 1);

	for (int i = 0; i < 3; i++) {
		fake_conn_data(&c, "ask", 3);
		assert_int_equal(r->n, 1); /* at once */
		assert_int_equal(r->out[0].ack, c.seq);
		answer(&c);
	}
	return c;
}

static void ack__guest_and_host_take_turns__rides_on_the_answer(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = turns_taken(r);

	for (int i = 0; i < 10; i++) {
		fake_conn_data(&c, "ask", 3);
		assert_int_equal(r->n, 0);
		answer(&c);
	}
	fake_tcp_wait(r, 100);
	assert_int_equal(r->n, 0); /* it was said already */
	assert_int_equal(c.s->out_len, 13 * 3);
}

static void ack__no_answer_comes__leaves_after_a_moment(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = turns_taken(r);

	fake_conn_data(&c, "ask", 3);
	assert_int_equal(r->n, 0);
	fake_tcp_wait(r, 10);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].flags, F_ACK);
	assert_int_equal(r->out[0].ack, c.seq);
	answer(&c);
	fake_conn_data(&c, "ask", 3);
	assert_int_equal(r->n, 1); /* not again so soon */
}

static void ack__guest_writes_in_pieces__at_once(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = turns_taken(r);

	fake_conn_data(&c, "as", 2);
	assert_int_equal(r->n, 0);
	fake_conn_data(&c, "k", 1);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].ack, c.seq);
	answer(&c);
	fake_conn_data(&c, "as", 2);
	assert_int_equal(r->n, 1);
}

static void ack__large_or_last_or_repeated__at_once(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = turns_taken(r);
	uint8_t *p = calloc(1, 4000);

	fake_conn_data(&c, p, 4000); /* more than a segment */
	assert_int_equal(r->n, 1);
	answer(&c);
	for (int i = 0; i < 3; i++) {
		fake_conn_data(&c, "ask", 3);
		answer(&c);
	}
	fake_conn_data(&c, "ask", 3);
	assert_int_equal(r->n, 0);
	c.seq -= 3;
	fake_conn_data(&c, "ask", 3); /* it has missed our ACK */
	assert_int_equal(r->n, 1);
	answer(&c);
	fake_conn_send(&c, F_ACK | F_FIN, "ask", 3);
	assert_int_equal(r->out[0].ack, c.seq + 4);
	free(p);
}

static void ack__flow_ends_while_one_waits__nothing_left(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = turns_taken(r);

	fake_conn_data(&c, "ask", 3);
	tcp_nic_gone(r->t, 7);
	fake_tcp_wait(r, 100);
	assert_int_equal(r->n, 0);
}

static void window__ack_waits_and_promise_stands__host_not_asked(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = turns_taken(r);
	unsigned int asked = r->asked;
	uint8_t *p = calloc(1, 60000);

	for (int i = 0; i < 10; i++) {
		fake_conn_data(&c, "ask", 3);
		answer(&c);
	}
	assert_int_equal(r->asked, asked);
	for (int i = 0; i < 8; i++)
		fake_conn_data(&c, p, 60000);
	assert_true(r->asked >= asked + 8); /* a window as it is */
	free(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ack__guest_and_host_take_turns__rides_on_the_answer),
		T(ack__no_answer_comes__leaves_after_a_moment),
		T(ack__guest_writes_in_pieces__at_once),
		T(ack__large_or_last_or_repeated__at_once),
		T(ack__flow_ends_while_one_waits__nothing_left),
		T(window__ack_waits_and_promise_stands__host_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
