// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/* When acknowledgements and window updates leave, and when they wait; when the host is
 * asked. */
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

static int setup_rest(void **state)
{
	struct fake_tcp *r = malloc(sizeof(*r));

	fake_tcp_init(r);
	r->can_rest = true;
	r->room = 60000; /* a SYN can tell of it */
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

static void rest(struct fake_tcp *r)
{
	tcp_rest(r->t);
	fake_tcp_settle(r);
}

static void ack__first_request_of_all__rides_if_the_answer_is_soon(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_data(&c, "ask", 3);
	assert_int_equal(c.s->out_len, 3);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->rests, 1);
	answer(&c);
	rest(r);
	assert_int_equal(r->n, 0); /* it was said already */
}

static void ack__nobody_else_is_served__leaves(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c[2] = {fake_conn_open(r, 1), fake_conn_open(r, 2)};

	for (int i = 0; i < 2; i++) {
		fake_conn_data(&c[i], "ask", 3);
		assert_int_equal(r->n, 0);
	}
	assert_int_equal(r->rests, 1); /* once for both */
	rest(r);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[0].flags, F_ACK);
	assert_int_equal(r->out[0].ack, c[0].seq);
	assert_int_equal(r->out[1].ack, c[1].seq);
	fake_tcp_clear(r);
	fake_conn_data(&c[0], "more", 4); /* it has more to say */
	assert_int_equal(r->n, 1);
}

/* It has waited for the timer of those that take turns; that is over. */
static void ack__guest_takes_no_turns_any_more__not_by_the_timer(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	for (int i = 0; i < 4; i++) {
		fake_conn_data(&c, "ask", 3);
		answer(&c);
		rest(r);
	}
	fake_conn_data(&c, "as", 2); /* the timer runs */
	fake_conn_data(&c, "k", 1);
	answer(&c);
	r->rests = 0;
	fake_conn_data(&c, "ask", 3);
	assert_int_equal(r->n, 0);
	assert_int_equal(r->rests, 1);
	rest(r);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->out[0].ack, c.seq);
}

static void ack__flow_ends_before_the_rest__nothing_left(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	fake_conn_data(&c, "ask", 3);
	tcp_nic_gone(r->t, 7);
	rest(r);
	assert_int_equal(r->n, 0);
}

static void window__small_request__host_not_asked(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	unsigned int asked = r->asked;

	fake_conn_data(&c, "ask", 3);
	rest(r);
	assert_int_equal(r->n, 1);
	assert_int_equal(r->asked, asked);
	for (int i = 0; i < 4; i++)
		fake_conn_data(&c, (uint8_t[1460]){0}, 1460);
	assert_true(r->asked > asked);
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

static void look__all_there_was__again_when_the_guest_has_it(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);
	unsigned int peeks = r->peeks;

	r->quiet = true;
	fake_sock_push(c.s, "answer", 6);
	assert_int_equal(r->peeks, peeks + 1);
	c.s->in_err = -ECONNRESET; /* behind it, and nobody says so */
	assert_int_equal(r->live, 1);
	c.ack += 6;
	fake_conn_send(&c, F_ACK, NULL, 0);
	assert_int_equal(r->live, 0);
	assert_true(r->out[r->n - 1].flags & F_RST);
}

static void look__more_or_the_end_told__at_once(void **state)
{
	struct fake_tcp *r = *state;
	struct fake_conn c = fake_conn_open(r, 1);

	r->quiet = true;
	fake_tcp_clear(r);
	fake_sock_push(c.s, "answer", 6);
	fake_sock_push(c.s, "more", 4);
	assert_int_equal(r->n, 2);
	assert_int_equal(r->out[1].len, 4);
	fake_sock_eof(c.s);
	assert_true(r->out[r->n - 1].flags & F_FIN);
	fake_tcp_clear(r);
	c.ack += 11;
	fake_conn_send(&c, F_ACK | F_FIN, NULL, 0);
	assert_true(c.s->closed);
}

#define R(name) cmocka_unit_test_setup_teardown(name, setup_rest, teardown)
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ack__guest_and_host_take_turns__rides_on_the_answer),
		T(ack__no_answer_comes__leaves_after_a_moment),
		T(ack__guest_writes_in_pieces__at_once),
		T(ack__large_or_last_or_repeated__at_once),
		T(ack__flow_ends_while_one_waits__nothing_left),
		R(ack__first_request_of_all__rides_if_the_answer_is_soon),
		R(ack__nobody_else_is_served__leaves),
		R(ack__guest_takes_no_turns_any_more__not_by_the_timer),
		R(ack__flow_ends_before_the_rest__nothing_left),
		R(window__small_request__host_not_asked),
		T(look__all_there_was__again_when_the_guest_has_it),
		T(look__more_or_the_end_told__at_once),
		T(window__ack_waits_and_promise_stands__host_not_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
