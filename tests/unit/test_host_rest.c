// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io */
/* What waits until there is nothing else to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "nat/host_rest.h"

struct fix {
	struct event_base *base;
	struct event *busy;
	struct host_rest r;
	unsigned int work, left; /* turns that had something to do, are to have */
	unsigned int rests, work_at_rest;
};

static void on_rest(void *arg)
{
	struct fix *x = arg;

	x->rests++;
	x->work_at_rest = x->work;
}

static void busy_on_event(evutil_socket_t fd, short what, void *arg)
{
	struct fix *x = arg;

	(void)fd;
	(void)what;
	x->work++;
	if (x->left && --x->left)
		event_active(x->busy, EV_READ, 0);
}

static int set_up(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));

	assert_non_null(x);
	x->base = event_base_new();
	assert_int_equal(event_base_priority_init(x->base, 3), 0);
	x->busy = event_new(x->base, -1, 0, busy_on_event, x);
	assert_int_equal(host_rest_init(&x->r, x->base, on_rest, x), 0);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *x = *state;

	host_rest_fini(&x->r);
	event_free(x->busy);
	event_base_free(x->base);
	free(x);
	return 0;
}

static void rest__others_have_something_to_do__behind_them(void **state)
{
	struct fix *x = *state;

	x->left = 5;
	host_rest_ask(&x->r);
	host_rest_ask(&x->r);
	event_active(x->busy, EV_READ, 0);
	event_base_loop(x->base, EVLOOP_ONCE);
	assert_int_equal(x->work, 5);
	assert_int_equal(x->rests, 1);
	assert_int_equal(x->work_at_rest, 5);
	event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->rests, 1);
}

static void rest__asked_anew__comes_anew(void **state)
{
	struct fix *x = *state;

	for (unsigned int i = 1; i <= 3; i++) {
		host_rest_ask(&x->r);
		event_base_loop(x->base, EVLOOP_ONCE);
		assert_int_equal(x->rests, i);
	}
}

/* A pipe with a byte in it: there is something to do whenever one looks. */
static void rest__always_something_to_do__after_a_moment(void **state)
{
	struct fix *x = *state;
	struct event *always;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	always = event_new(x->base, p[0], EV_READ | EV_PERSIST, busy_on_event,
			   x);
	event_add(always, NULL);
	host_rest_ask(&x->r);
	event_base_loop(x->base, EVLOOP_ONCE); /* this long it lasts */
	assert_int_equal(x->rests, 1);
	assert_true(x->work_at_rest > 1);
	event_free(always);
	close(p[0]);
	close(p[1]);
}

static void rest__ends_before__does_not_come(void **state)
{
	struct fix *x = *state;

	host_rest_ask(&x->r);
	host_rest_fini(&x->r);
	event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->rests, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rest__others_have_something_to_do__behind_them),
		T(rest__asked_anew__comes_anew),
		T(rest__always_something_to_do__after_a_moment),
		T(rest__ends_before__does_not_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
