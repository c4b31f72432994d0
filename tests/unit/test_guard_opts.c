// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
#include "cli/guard_opts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void rate_parse__number_and_unit__kbit(void **state)
{
	static const struct {
		const char *s;
		long kbit;
	} t[] = {{"off", 0},	   {"1k", 1},	       {"500k", 500},
		 {"10M", 10000},   {"1G", 1000000},    {"400G", 400000000}};
	long n = -1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(guard_rate_parse(t[i].s, &n), 0);
		assert_int_equal(n, t[i].kbit);
	}
}

static void rate_parse__nonsense__refused(void **state)
{
	static const char *const bad[] = {"",	  "10",	  "M",	   "0M",
					  "10m",  "10MB", "-1k",   "1.5M",
					  "401G", " 1M",  "99999999999999999M",
					  "400000001k", "400000G"};
	long n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (!guard_rate_parse(bad[i], &n))
			fail_msg("%s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_parse__number_and_unit__kbit),
		cmocka_unit_test(rate_parse__nonsense__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
