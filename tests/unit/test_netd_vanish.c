// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
/* Addresses that come and go: which of them are gone for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netd/vanish.h"

#define A "192.0.2.1"
#define B "2001:db8::7"

static struct vanish v;
static struct ipaddr gone[VANISH_MAX];

/* A look that sees these; how many are gone. */
static size_t look(int64_t now_ms, const char *one, const char *two)
{
	const char *text[2] = {one, two};
	struct ipaddr ip;

	vanish_begin(&v);
	for (int i = 0; i < 2; i++) {
		if (!text[i])
			continue;
		assert_int_equal(ipaddr_parse(text[i], &ip), 0);
		vanish_saw(&v, &ip);
	}
	return vanish_end(&v, now_ms, gone);
}

static bool told(const char *text)
{
	struct ipaddr ip;

	assert_int_equal(ipaddr_parse(text, &ip), 0);
	return ipaddr_eq(&gone[0], &ip);
}

static int setup(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	assert_int_equal(look(5000, A, B), 0);
	assert_true(vanish_deadline(&v) == VANISH_NEVER);
	return 0;
}

static void end__one_stays_away__told_once_after_the_grace(void **state)
{
	(void)state;
	assert_int_equal(look(6000, B, NULL), 0);
	assert_int_equal(vanish_deadline(&v), 6000 + VANISH_GRACE_MS);
	assert_int_equal(look(6500, B, NULL), 0);
	assert_int_equal(look(6000 + VANISH_GRACE_MS, B, NULL), 1);
	assert_true(told(A));
	assert_true(vanish_deadline(&v) == VANISH_NEVER);
	assert_int_equal(look(9000, B, NULL), 0);
}

static void end__back_in_time__never_told(void **state)
{
	(void)state;
	assert_int_equal(look(6000, A, NULL), 0);
	assert_int_equal(look(6900, A, B), 0);
	assert_true(vanish_deadline(&v) == VANISH_NEVER);
	/* The next time it has all the grace again. */
	assert_int_equal(look(7500, A, NULL), 0);
	assert_int_equal(look(8400, A, NULL), 0);
	assert_int_equal(look(8500, A, NULL), 1);
	assert_true(told(B));
}

static void end__all_vanish__earliest_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(look(6000, A, NULL), 0);
	assert_int_equal(look(6400, NULL, NULL), 0);
	assert_int_equal(vanish_deadline(&v), 7000);
	assert_int_equal(look(7000, NULL, NULL), 1);
	assert_true(told(B));
	assert_int_equal(vanish_deadline(&v), 7400);
	assert_int_equal(look(7400, NULL, NULL), 1);
	assert_true(told(A));
}

static void end__look_broken_off__counts_for_nothing(void **state)
{
	(void)state;
	vanish_begin(&v);
	assert_int_equal(look(6000, A, B), 0);
	assert_true(vanish_deadline(&v) == VANISH_NEVER);
}

static void saw__loopback_or_too_many__not_watched(void **state)
{
	struct ipaddr ip;

	(void)state;
	memset(&v, 0, sizeof(v));
	assert_int_equal(look(0, "127.0.0.1", "::1"), 0);
	assert_int_equal(v.n, 0);
	vanish_begin(&v);
	for (uint32_t i = 0; i < VANISH_MAX + 10; i++) {
		ip = ipaddr_from4(0x0a000000 + i);
		vanish_saw(&v, &ip);
	}
	assert_int_equal(vanish_end(&v, 0, gone), 0);
	assert_int_equal(v.n, VANISH_MAX);
	assert_int_equal(look(1, NULL, NULL), 0);
	assert_int_equal(look(1 + VANISH_GRACE_MS, NULL, NULL), VANISH_MAX);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(end__one_stays_away__told_once_after_the_grace),
		T(end__back_in_time__never_told),
		T(end__all_vanish__earliest_is_waited_for),
		T(end__look_broken_off__counts_for_nothing),
		T(saw__loopback_or_too_many__not_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
