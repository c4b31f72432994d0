// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd */
/* When a worker's loop waits awake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "netd/worker_poll.h"

struct fix {
	struct worker_poll p;
	int64_t now_us;
	int64_t awake_us; /* how long it was, in all */
	int sleeps;
	bool same; /* only one machine speaks */
	int64_t wake_us; /* longer after a sleep: the others slept, too */
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct fix));
	assert_non_null(*state);
	((struct fix *)*state)->now_us = 1000000;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

/* Something comes @us after the last one was done: a look takes 1 us, a turn 5. */
static void comes_after(struct fix *x, int64_t us)
{
	int64_t at = x->now_us + us;

	while (worker_poll_stay(&x->p)) {
		bool there = x->now_us >= at;

		x->now_us += there ? 5 : 1;
		x->awake_us += !there;
		worker_poll_looked(&x->p, there, !x->same, x->now_us);
		if (there)
			return;
	}
	x->sleeps++;
	at += x->wake_us;
	if (x->now_us < at)
		x->now_us = at;
	x->now_us += 5;
	worker_poll_looked(&x->p, true, !x->same, x->now_us);
}

static void stay__answers_come_soon__sleeps_once(void **state)
{
	struct fix *x = *state;

	comes_after(x, 1000000);
	comes_after(x, 20);
	assert_int_equal(x->sleeps, 2);
	for (int i = 0; i < 1000; i++)
		comes_after(x, i % 50);
	assert_int_equal(x->sleeps, 2);
}

static void stay__nothing_comes_soon__never_awake(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 1000; i++)
		comes_after(x, WORKER_POLL_SHORT_US + i);
	assert_int_equal(x->sleeps, 1000);
	assert_int_equal(x->awake_us, 0);
}

static void stay__one_is_late_now_and_then__one_sleep_each(void **state)
{
	struct fix *x = *state;

	x->wake_us = 80;
	for (int i = 0; i < 1000; i++)
		comes_after(x, i % 100 == 99 ? WORKER_POLL_US + 10 : 20);
	assert_int_equal(x->sleeps, 2 + 10);
	assert_int_equal(x->p.penalty, 0);
}

static void stay__all_are_late__hardly_ever_awake(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 10000; i++)
		comes_after(x, WORKER_POLL_US + 10);
	assert_true(x->awake_us < 30 * (WORKER_POLL_US + 20));
}

static void stay__guest_falls_silent__awake_for_a_moment_only(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 100; i++)
		comes_after(x, 20);
	x->awake_us = 0;
	comes_after(x, 10000000);
	assert_true(x->awake_us >= WORKER_POLL_US &&
		    x->awake_us < WORKER_POLL_US + 5);
}

/* Pairs: one comes soon, the next one does not. */
static void stay__in_vain_again_and_again__tried_less_and_less(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 10000; i++) {
		comes_after(x, 20);
		comes_after(x, 500);
	}
	assert_true(x->awake_us < 30 * (WORKER_POLL_US + 20));
}

static void stay__somebody_had_the_processor__given_up_for_a_while(void **state)
{
	struct fix *x = *state;
	int before;

	for (int i = 0; i < 10; i++)
		comes_after(x, 20);
	before = x->sleeps;
	assert_true(worker_poll_stay(&x->p));
	x->now_us += 3000;
	worker_poll_looked(&x->p, true, !x->same, x->now_us);
	for (int i = 0; i < WORKER_POLL_SKIP_AWAY; i++)
		comes_after(x, 20);
	assert_int_equal(x->sleeps, before + WORKER_POLL_SKIP_AWAY);
	comes_after(x, 20); /* tried again: a short sleep … */
	assert_true(worker_poll_stay(&x->p));
}

static void stay__long_turns__given_up(void **state)
{
	struct fix *x = *state;

	comes_after(x, 20);
	for (int i = 0; i < 100 && worker_poll_stay(&x->p); i++) {
		x->now_us += 1000;
		worker_poll_looked(&x->p, true, !x->same, x->now_us);
	}
	assert_false(worker_poll_stay(&x->p));
}

static void stay__one_only_sends__sleeps(void **state)
{
	struct fix *x = *state;

	x->same = true;
	for (int i = 0; i < 1000; i++)
		comes_after(x, 10);
	assert_true(x->sleeps >= 1000 - WORKER_POLL_SAME);
	x->same = false; /* it gets answers */
	comes_after(x, 10);
	x->sleeps = 0;
	for (int i = 0; i < 1000; i++)
		comes_after(x, 10);
	assert_int_equal(x->sleeps, 0);
}

static void stay__good_for_long__forgiven(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 10000; i++) {
		comes_after(x, 20);
		comes_after(x, 500);
	}
	assert_int_equal(x->p.penalty, WORKER_POLL_SKIP_MAX);
	for (int i = 0; i < WORKER_POLL_SKIP_MAX + 15 * WORKER_POLL_GOOD; i++)
		comes_after(x, 20);
	assert_int_equal(x->p.penalty, 0);
	assert_true(worker_poll_stay(&x->p));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stay__answers_come_soon__sleeps_once),
		T(stay__nothing_comes_soon__never_awake),
		T(stay__one_is_late_now_and_then__one_sleep_each),
		T(stay__all_are_late__hardly_ever_awake),
		T(stay__guest_falls_silent__awake_for_a_moment_only),
		T(stay__in_vain_again_and_again__tried_less_and_less),
		T(stay__somebody_had_the_processor__given_up_for_a_while),
		T(stay__long_turns__given_up),
		T(stay__one_only_sends__sleeps),
		T(stay__good_for_long__forgiven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
