// SPDX-License-Identifier: GPL-2.0-or-later
/* The logger: levels, the sink, rate limits, and what ends up on stderr. */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct sink {
	int lines;
	enum log_level level;
	char last[2048];
};

static void on_line(enum log_level level, const char *line, void *arg)
{
	struct sink *s = arg;

	s->lines++;
	s->level = level;
	snprintf(s->last, sizeof(s->last), "%s", line);
}

static int setup(void **state)
{
	static struct sink s;

	memset(&s, 0, sizeof(s));
	unsetenv("JOURNAL_STREAM");
	log_setup("test", LOG_LVL_INFO);
	log_set_sink(on_line, &s);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

static void log_msg__levels__those_up_to_the_set_one(void **state)
{
	struct sink *s = *state;

	log_debug("net lab: not told");
	assert_int_equal(s->lines, 0);
	log_info("net %s: started", "lab");
	assert_int_equal(s->lines, 1);
	assert_int_equal(s->level, LOG_LVL_INFO);
	assert_string_equal(s->last, "net lab: started");
	log_setup("test", LOG_LVL_ERR);
	log_warn("no");
	log_err("yes");
	assert_int_equal(s->lines, 2);
	assert_int_equal(log_level_get(), LOG_LVL_ERR);
	log_setup("test", LOG_LVL_DEBUG);
	log_debug("now");
	assert_int_equal(s->lines, 3);
}

static void log_level_parse__names__round_trip(void **state)
{
	(void)state;
	for (int i = LOG_LVL_ERR; i <= LOG_LVL_DEBUG; i++)
		assert_int_equal(
			log_level_parse(log_level_name((enum log_level)i)), i);
	assert_int_equal(log_level_parse("loud"), -EINVAL);
	assert_int_equal(log_level_parse(""), -EINVAL);
	assert_int_equal(log_level_parse("INFO"), -EINVAL);
}

static void log_msg__very_long__cut_and_terminated(void **state)
{
	struct sink *s = *state;
	char big[4000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	assert_int_equal(s->lines, 1);
	assert_true(strlen(s->last) < 1100);
}

/* What is written to stderr by @fn. */
static size_t written(void (*fn)(void), char *out, size_t cap)
{
	int keep = dup(STDERR_FILENO), p[2];
	ssize_t n;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_true(dup2(p[1], STDERR_FILENO) >= 0);
	log_set_sink(NULL, NULL);
	fn();
	assert_true(dup2(keep, STDERR_FILENO) >= 0);
	close(keep);
	close(p[1]);
	n = read(p[0], out, cap - 1);
	close(p[0]);
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void say_two(void)
{
	log_info("net lab: up");
	log_err("net lab: down");
}

static void emit__stderr__name_level_line(void **state)
{
	char out[256];

	(void)state;
	written(say_two, out, sizeof(out));
	assert_string_equal(out,
			    "test: net lab: up\ntest: error: net lab: down\n");
}

static void emit__journal__priorities(void **state)
{
	char out[256];

	(void)state;
	setenv("JOURNAL_STREAM", "8:1", 1);
	log_setup("vnetd", LOG_LVL_INFO);
	written(say_two, out, sizeof(out));
	assert_string_equal(out,
			    "<6>vnetd: net lab: up\n<3>vnetd: net lab: down\n");
	unsetenv("JOURNAL_STREAM");
}

static void say_big(void)
{
	char big[4000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_err("%s", big);
}

static void emit__long_line__one_line(void **state)
{
	char who[64], out[4096];
	size_t n;

	(void)state;
	memset(who, 'w', sizeof(who));
	who[sizeof(who) - 1] = '\0';
	log_setup(who, LOG_LVL_INFO);
	n = written(say_big, out, sizeof(out));
	assert_int_equal(out[n - 1], '\n');
	assert_ptr_equal(strchr(out, '\n'), out + n - 1);
}

/* ---- rate limits --------------------------------------------------------- */

static void log_limited__flood__five_then_a_count(void **state)
{
	struct sink *s = *state;
	struct log_budget b = {0};

	for (int i = 0; i < 100; i++)
		log_limited(&b, 1000 + i, LOG_LVL_WARN, "port 3: spoofed");
	assert_int_equal(s->lines, 5);
	log_limited(&b, 10999, LOG_LVL_WARN, "port 3: spoofed");
	assert_int_equal(s->lines, 5);
	log_limited(&b, 11000, LOG_LVL_WARN, "port 3: spoofed");
	assert_int_equal(s->lines, 6);
	assert_string_equal(s->last, "port 3: spoofed suppressed=96");
	log_limited(&b, 11001, LOG_LVL_WARN, "port 3: spoofed");
	assert_string_equal(s->last, "port 3: spoofed");
}

/* Monotonic time starts near 0 at boot, and may be 0 in a container's life. */
static void log_limited__at_time_zero__limited_too(void **state)
{
	struct sink *s = *state;
	struct log_budget b = {0};

	for (int i = 0; i < 100; i++)
		log_limited(&b, 0, LOG_LVL_WARN, "x");
	assert_int_equal(s->lines, 5);
}

static void log_limited__budgets__separate(void **state)
{
	struct sink *s = *state;
	struct log_budget a = {0}, b = {0};

	for (int i = 0; i < 10; i++)
		log_limited(&a, 50, LOG_LVL_INFO, "a");
	log_limited(&b, 50, LOG_LVL_INFO, "b");
	assert_int_equal(s->lines, 6);
	assert_string_equal(s->last, "b");
}

/* A line below the level costs no budget. */
static void log_limited__level_off__no_budget_used(void **state)
{
	struct sink *s = *state;
	struct log_budget b = {0};

	for (int i = 0; i < 50; i++)
		log_limited(&b, 50, LOG_LVL_DEBUG, "quiet");
	log_limited(&b, 50, LOG_LVL_INFO, "loud");
	assert_int_equal(s->lines, 1);
	assert_string_equal(s->last, "loud");
}

static void log_limited__long_line__count_still_told(void **state)
{
	struct sink *s = *state;
	struct log_budget b = {0};
	char big[2000];

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	for (int i = 0; i < 20; i++)
		log_limited(&b, 1, LOG_LVL_INFO, "%s", big);
	log_limited(&b, 20000, LOG_LVL_INFO, "%s", big);
	assert_int_equal(s->lines, 6);
	assert_non_null(strstr(s->last, " suppressed=15"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(log_msg__levels__those_up_to_the_set_one),
		T(log_level_parse__names__round_trip),
		T(log_msg__very_long__cut_and_terminated),
		T(emit__stderr__name_level_line),
		T(emit__journal__priorities),
		T(emit__long_line__one_line),
		T(log_limited__flood__five_then_a_count),
		T(log_limited__at_time_zero__limited_too),
		T(log_limited__budgets__separate),
		T(log_limited__level_off__no_budget_used),
		T(log_limited__long_line__count_still_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
