// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
#include "cli/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/strv.h"
#include "cli/tables.h"

/* Print into a string that the caller frees. */
static char *printed(const struct out_table *t, unsigned int indent, bool color)
{
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	out_print(t, f, indent, color);
	fclose(f);
	return text;
}

static void check(struct out_table *t, unsigned int indent, bool color,
		  const char *expected)
{
	char *text = printed(t, indent, color);

	assert_string_equal(text, expected);
	free(text);
	out_table_free(t);
}

static void out_print__columns__line_up_without_trailing_blanks(void **state)
{
	static const char *const heads[] = {"NAME", ">NICS", "MODE", NULL};
	struct out_table *t = out_table_new(heads);

	(void)state;
	out_cell(t, "a-long-name");
	out_cell(t, "%d", 7);
	out_cell(t, "nat");
	out_cell(t, "b");
	out_cell(t, "%d", 12345);
	out_cell(t, "internal");
	check(t, 2, false, "  NAME          NICS  MODE\n"
			   "  a-long-name      7  nat\n"
			   "  b            12345  internal\n");
}

static void out_print__no_rows__prints_the_heads(void **state)
{
	static const char *const heads[] = {"NAME", "?REASON", NULL};

	struct out_table *t = out_table_new(heads);

	(void)state;
	out_sort(t);
	check(t, 0, false, "NAME\n");
}

static void out_print__optional_column__only_when_used(void **state)
{
	static const char *const heads[] = {"NAME", "?REASON", "X", NULL};
	struct out_table *t = out_table_new(heads);

	(void)state;
	out_cell(t, "a");
	out_cell(t, "%s", "");
	out_cell(t, "1");
	out_cell(t, "b");
	out_cell(t, "broken");
	out_cell(t, "2");
	check(t, 0, false, "NAME  REASON  X\n"
			   "a     -       1\n"
			   "b     broken  2\n");
}

static void out_print__state__is_coloured_only_when_asked(void **state)
{
	static const char *const heads[] = {"!STATE", NULL};
	struct out_table *t = out_table_new(heads);

	(void)state;
	out_cell(t, "running");
	out_cell(t, "stopped");
	out_cell(t, "failed");
	check(t, 0, true, "STATE\n\033[32mrunning\033[0m\nstopped\n"
			  "\033[31mfailed\033[0m\n");
}

static void out_cell__guests_text__is_escaped(void **state)
{
	static const char *const heads[] = {"HOSTNAME", NULL};
	struct out_table *t = out_table_new(heads);

	(void)state;
	out_cell(t, "%s", "evil\033[31m\n");
	check(t, 0, false, "HOSTNAME\nevil\\x1b[31m\\x0a\n");
}

static void out_sort__rows__as_people_count(void **state)
{
	static const char *const heads[] = {"ADDRESS", "N", NULL};
	struct out_table *t = out_table_new(heads);

	(void)state;
	out_cell(t, "10.0.2.100");
	out_cell(t, "1");
	out_cell(t, "10.0.2.15");
	out_cell(t, "10");
	out_cell(t, "10.0.2.15");
	out_cell(t, "9");
	out_sort(t);
	assert_int_equal(out_rows(t), 3);
	check(t, 0, false, "ADDRESS     N\n10.0.2.15   9\n10.0.2.15   10\n"
			   "10.0.2.100  1\n");
}

static void out_natural__texts__order(void **state)
{
	(void)state;
	assert_true(out_natural("vm2", "vm10") < 0);
	assert_true(out_natural("vm10", "vm2") > 0);
	assert_true(out_natural("vm", "vm1") < 0);
	assert_true(out_natural("a", "b") < 0);
	assert_int_equal(out_natural("x9", "x9"), 0);
	/* Equal numbers written differently still have an order. */
	assert_true(out_natural("x09", "x9") != 0);
	assert_true(out_natural("99999999999999999999999",
				"100000000000000000000000") < 0);
}

static void out_field__json_scalars__as_text(void **state)
{
	static const char *const heads[] = {"S", "I", "T", "F", "N", "A", NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o = json_pack("{s:s,s:i,s:b,s:b,s:n}", "s", "text", "i", 42,
			      "t", 1, "f", 0, "n");

	(void)state;
	out_fields(t, o, "s", "i", "t", "f", "n", "absent", NULL);
	json_decref(o);
	check(t, 0, false, "S     I   T    F   N  A\n"
			   "text  42  yes  no  -  -\n");
}

static void out_json__lines__is_one_line(void **state)
{
	json_t *o = json_pack("{s:i,s:[i]}", "a", 1, "b", 2);
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	out_json(f, o, true);
	fclose(f);
	assert_string_equal(text, "{\"a\":1,\"b\":[2]}\n");
	free(text);
	json_decref(o);
}

static void out_time__zero__is_a_dash(void **state)
{
	char buf[32];

	(void)state;
	setenv("TZ", "UTC", 1);
	assert_string_equal(out_time(0, buf), "-");
	assert_string_equal(out_time(1700000000, buf), "2023-11-14 22:13:20");
}

static void out_want_color__no_terminal__no_colour(void **state)
{
	FILE *f = fopen("/dev/null", "w");

	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_false(out_want_color(f));
	fclose(f);
}

static void table_drops__reasons__only_those_that_happened(void **state)
{
	json_t *o = json_pack("{s:i,s:i,s:i}", "full", 3, "link", 0, "short",
			      1);
	char *text = table_drops(o);

	(void)state;
	assert_string_equal(text, "full 3, short 1");
	free(text);
	text = table_drops(NULL);
	assert_string_equal(text, "");
	free(text);
	json_decref(o);
}

static void strv_shell__words__are_quoted_when_they_must(void **state)
{
	struct strv s = {0};
	char *line;

	(void)state;
	strv_add(&s, "-netdev");
	strv_add(&s, "stream,id=vnet0,addr.path=/run/a_b-c.%d", 5);
	strv_add(&s, "two words");
	strv_add(&s, "it's");
	strv_add(&s, "$HOME");
	strv_add(&s, "%s", "");
	line = strv_shell(&s);
	assert_string_equal(line, "-netdev stream,id=vnet0,"
				  "addr.path=/run/a_b-c.5 'two words' "
				  "'it'\\''s' '$HOME' ''");
	free(line);
	strv_free(&s);
	line = strv_shell(&s);
	assert_string_equal(line, "");
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			out_print__columns__line_up_without_trailing_blanks),
		cmocka_unit_test(out_print__no_rows__prints_the_heads),
		cmocka_unit_test(out_print__optional_column__only_when_used),
		cmocka_unit_test(out_print__state__is_coloured_only_when_asked),
		cmocka_unit_test(out_cell__guests_text__is_escaped),
		cmocka_unit_test(out_sort__rows__as_people_count),
		cmocka_unit_test(out_natural__texts__order),
		cmocka_unit_test(out_field__json_scalars__as_text),
		cmocka_unit_test(out_json__lines__is_one_line),
		cmocka_unit_test(out_time__zero__is_a_dash),
		cmocka_unit_test(out_want_color__no_terminal__no_colour),
		cmocka_unit_test(
			table_drops__reasons__only_those_that_happened),
		cmocka_unit_test(strv_shell__words__are_quoted_when_they_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
