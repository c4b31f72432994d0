// SPDX-License-Identifier: GPL-2.0-or-later
/* The timer wheel against a list that is searched. */
#include "lib/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIMERS 200

struct item {
	struct wtimer t;
	int64_t at;    /* when it is to fire; -1 = not armed */
	int64_t fired; /* now_ms at the last firing */
	unsigned int times;
};

static void on_fire(struct wtimer *t, int64_t now_ms)
{
	struct item *i = container_of(t, struct item, t);

	i->fired = now_ms;
	i->times++;
	i->at = -1;
}

static void arm(struct wheel *w, struct item *i, int64_t at)
{
	i->at = at;
	wtimer_arm(w, &i->t, at, on_fire);
}

static uint64_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s >> 11;
}

/* Nothing due is left, nothing fired early, and the deadline never comes late. */
static void check(const struct wheel *w, const struct item *it, int64_t now)
{
	int64_t first = WHEEL_NEVER;

	for (int i = 0; i < TIMERS; i++) {
		assert_int_equal(wtimer_armed(&it[i].t), it[i].at >= 0);
		if (it[i].at < 0)
			continue;
		assert_true(it[i].at > now);
		if (it[i].at < first)
			first = it[i].at;
	}
	assert_true(wheel_deadline(w) <= first);
	assert_true(wheel_deadline(w) > now);
}

/* Delays from a millisecond to years, steps likewise. */
static void run__random_arming_and_time__as_a_list(void **state)
{
	static struct item it[TIMERS];
	uint64_t s = 88172645463325252ULL;
	int64_t now = 1234567;
	struct wheel w;

	(void)state;
	for (int i = 0; i < TIMERS; i++)
		it[i].at = -1;
	wheel_init(&w, now);
	for (int step = 0; step < 20000; step++) {
		for (int k = 0; k < 3; k++) {
			struct item *i = &it[rnd(&s) % TIMERS];
			int64_t in = (int64_t)(rnd(&s) >> (16 + rnd(&s) % 37));

			if (rnd(&s) % 8) {
				arm(&w, i, now + 1 + in);
			} else {
				wtimer_cancel(&w, &i->t);
				i->at = -1;
			}
		}
		now += (int64_t)(rnd(&s) >> (20 + rnd(&s) % 33));
		for (int i = 0; i < TIMERS; i++)
			it[i].fired = -1;
		wheel_run(&w, now);
		check(&w, it, now);
		for (int i = 0; i < TIMERS; i++)
			assert_true(it[i].fired == -1 || it[i].fired == now);
	}
}

/* Going from deadline to deadline fires at the exact millisecond. */
static void deadline__followed__exact(void **state)
{
	static const int64_t at[] = {1,	   63,	  64,	 65,   127,   128,
				     4095, 4096,  4097,	 8191, 8192,  262143,
				     262144, 262145, 16777216, 1LL << 30,
				     (1LL << 30) + 1, 1LL << 35, 1LL << 37};
	static const int64_t start[] = {0, 1, 63, 64, 4095, 4096, 262143,
					(1LL << 30) - 1, 1LL << 36};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(start); k++) {
		for (size_t j = 0; j < ARRAY_LEN(at); j++) {
			struct item i = {.at = -1};
			int wakes = 0;
			struct wheel w;

			wheel_init(&w, start[k]);
			arm(&w, &i, start[k] + at[j]);
			while (i.at >= 0) {
				int64_t next = wheel_deadline(&w);

				assert_true(next <= start[k] + at[j]);
				assert_true(++wakes < 20);
				wheel_run(&w, next);
			}
			assert_int_equal(i.fired, start[k] + at[j]);
			assert_int_equal(i.times, 1);
			assert_int_equal(wheel_deadline(&w), WHEEL_NEVER);
		}
	}
}

static void run__before_the_time__not_early(void **state)
{
	struct item i = {.at = -1};
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	arm(&w, &i, 5000);
	for (int64_t t = 0; t < 5000; t++)
		wheel_run(&w, t);
	assert_int_equal(i.times, 0);
	wheel_run(&w, 5000);
	assert_int_equal(i.times, 1);
}

static void arm__in_the_past__next_run(void **state)
{
	struct item i = {.at = -1};
	struct wheel w;

	(void)state;
	wheel_init(&w, 1000);
	arm(&w, &i, 10);
	wheel_run(&w, 1001);
	assert_int_equal(i.times, 1);
	arm(&w, &i, -5);
	wheel_run(&w, 5000);
	assert_int_equal(i.times, 2);
}

static void arm__again__moves(void **state)
{
	struct item i = {.at = -1};
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	arm(&w, &i, 100);
	arm(&w, &i, 100000);
	wheel_run(&w, 50000);
	assert_int_equal(i.times, 0);
	arm(&w, &i, 60000);
	wheel_run(&w, 100000);
	assert_int_equal(i.times, 1);
	wtimer_cancel(&w, &i.t); /* not armed: harmless */
	memset(&i, 0, sizeof(i));
	wtimer_cancel(&w, &i.t); /* zeroed: harmless */
	assert_false(wtimer_armed(&i.t));
}

/* ---- what a callback may do ---------------------------------------------- */

struct chain {
	struct wtimer a, b;
	struct wheel *w;
	int a_fired, b_fired;
	int64_t period;
};

static void on_b(struct wtimer *t, int64_t now_ms)
{
	struct chain *c = container_of(t, struct chain, b);

	(void)now_ms;
	c->b_fired++;
}

static void on_a_cancels_b(struct wtimer *t, int64_t now_ms)
{
	struct chain *c = container_of(t, struct chain, a);

	(void)now_ms;
	c->a_fired++;
	wtimer_cancel(c->w, &c->b);
}

static void on_a_periodic(struct wtimer *t, int64_t now_ms)
{
	struct chain *c = container_of(t, struct chain, a);

	c->a_fired++;
	wtimer_arm(c->w, t, now_ms + c->period, on_a_periodic);
}

static void fire__cancels_one_due_at_the_same_time__not_fired(void **state)
{
	struct chain c = {0};
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	c.w = &w;
	wtimer_arm(&w, &c.a, 500, on_a_cancels_b);
	wtimer_arm(&w, &c.b, 500, on_b);
	wheel_run(&w, 1000);
	assert_int_equal(c.a_fired, 1);
	assert_int_equal(c.b_fired, 0);
}

/* After a long sleep a periodic timer fires once, not once per period missed. */
static void fire__arms_itself__once_per_run(void **state)
{
	struct chain c = {.period = 10};
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	c.w = &w;
	wtimer_arm(&w, &c.a, 10, on_a_periodic);
	wheel_run(&w, 1000000);
	assert_int_equal(c.a_fired, 1);
	assert_int_equal(wheel_deadline(&w) <= 1000010, 1);
	wheel_run(&w, 1000010);
	assert_int_equal(c.a_fired, 2);
	c.period = 0; /* "again at once" must not spin */
	wheel_run(&w, 1000020);
	assert_int_equal(c.a_fired, 3);
	wheel_run(&w, 1000021);
	assert_int_equal(c.a_fired, 4);
}

static void on_free(struct wtimer *t, int64_t now_ms)
{
	(void)now_ms;
	free(container_of(t, struct item, t));
}

static void fire__frees_itself__safe(void **state)
{
	struct wheel w;

	(void)state;
	wheel_init(&w, 0);
	for (int i = 0; i < 1000; i++) {
		struct item *it = calloc(1, sizeof(*it));

		wtimer_arm(&w, &it->t, i * 37 % 5000 + 1, on_free);
	}
	wheel_run(&w, 10000);
	assert_int_equal(wheel_deadline(&w), WHEEL_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__random_arming_and_time__as_a_list),
		cmocka_unit_test(deadline__followed__exact),
		cmocka_unit_test(run__before_the_time__not_early),
		cmocka_unit_test(arm__in_the_past__next_run),
		cmocka_unit_test(arm__again__moves),
		cmocka_unit_test(
			fire__cancels_one_due_at_the_same_time__not_fired),
		cmocka_unit_test(fire__arms_itself__once_per_run),
		cmocka_unit_test(fire__frees_itself__safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
