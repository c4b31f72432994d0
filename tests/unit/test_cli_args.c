// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct opt opts[] = {
	{"mode", "nat|bridged", "", OPT_CHOICE, true},
	{"mtu", "N", "", OPT_INT, false, 68, 65521},
	{"mac", "MAC", "", OPT_MAC},
	{"subnet", "CIDR", "", OPT_NET},
	{"address", "ADDR", "", OPT_IP},
	{"name", "TEXT", ""},
	{"force", NULL, ""},
	{NULL},
};

static const struct opt globals[] = {
	{"json", NULL, ""},
	{"socket", "PATH", ""},
	{"help", NULL, ""},
	{NULL},
};

static const struct arg_spec plain = {"NAME [ADDR]", NULL, opts};
static const struct arg_spec choice = {"VM up|down", NULL, NULL};
static const struct arg_spec tail = {NULL, "COMMAND", opts};

static char *words[16];
static struct errtext why;

/* Split @line at blanks and parse it. */
static int parse(struct args *a, const struct arg_spec *spec, const char *line)
{
	static char buf[256];
	int argc = 0;

	strncpy(buf, line, sizeof(buf) - 1);
	for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
		words[argc++] = p;
	words[argc] = NULL;
	why.s[0] = '\0';
	return args_parse(a, spec, globals, argc, words, &why);
}

static void refused(const struct arg_spec *spec, const char *line,
		    const char *says)
{
	struct args a;
	int r = parse(&a, spec, line);

	if (!r)
		r = args_check(&a, &why);
	if (!r)
		fail_msg("\"%s\" was taken", line);
	if (!strstr(why.s, says))
		fail_msg("\"%s\": \"%s\" does not say \"%s\"", line, why.s,
			 says);
}

static void args_parse__options_and_words__in_any_order(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, &plain, "--mode nat lab --mtu=1400 --json "
					   "1.2.3.4 --force"), 0);
	assert_int_equal(args_check(&a, &why), 0);
	assert_string_equal(args_get(&a, "mode"), "nat");
	assert_int_equal(args_int(&a, "mtu", 0), 1400);
	assert_true(args_flag(&a, "json"));
	assert_true(args_flag(&a, "force"));
	assert_string_equal(args_pos(&a, 0), "lab");
	assert_string_equal(args_pos(&a, 1), "1.2.3.4");
	assert_null(args_pos(&a, 2));
	assert_null(args_get(&a, "mac"));
	assert_int_equal(args_int(&a, "nothing", 7), 7);
}

static void args_parse__short_help__is_help(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, &plain, "-h"), 0);
	assert_true(args_flag(&a, "help"));
}

static void args_parse__double_dash__ends_options(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, &plain, "--mode nat -- --json"), 0);
	assert_string_equal(args_pos(&a, 0), "--json");
	assert_false(args_flag(&a, "json"));
}

static void args_parse__tail__is_left_alone(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(parse(&a, &tail, "--mode nat -- qemu --json -h"), 0);
	assert_int_equal(args_check(&a, &why), 0);
	assert_int_equal(a.ntail, 3);
	assert_string_equal(a.tail[0], "qemu");
	assert_string_equal(a.tail[2], "-h");
	assert_null(a.tail[3]);
	assert_false(args_flag(&a, "json"));
	/* The dashes may be left out: our options end at the first word. */
	assert_int_equal(parse(&a, &tail, "--mode nat qemu --mode x"), 0);
	assert_int_equal(a.ntail, 3);
	assert_string_equal(args_get(&a, "mode"), "nat");
}

static void args_parse__wrong__says_what_is_right(void **state)
{
	(void)state;
	refused(&plain, "lab --mode nta", "must be nat or bridged (did you "
					  "mean nat?)");
	refused(&plain, "lab --mode zzzzzz", "must be nat or bridged");
	refused(&plain, "lab --mdoe nat", "did you mean --mode?");
	refused(&plain, "lab --jsom", "did you mean --json?");
	refused(&plain, "lab --xyzzyx", "unknown option --xyzzyx");
	refused(&plain, "lab -x", "unknown option -x");
	refused(&plain, "lab --mode", "--mode needs a value: --mode nat|");
	refused(&plain, "lab --mode --force", "--mode needs a value");
	refused(&plain, "lab --mode nat --mode nat", "given twice");
	refused(&plain, "lab --force=1", "takes no value");
	refused(&plain, "lab --mtu 67", "number from 68 to 65521");
	refused(&plain, "lab --mtu 1e3", "number from 68");
	refused(&plain, "lab --mtu 99999999999999999999", "number from 68");
	refused(&plain, "lab --mac 52:54", "like 52:54:00:12:34:56");
	refused(&plain, "lab --subnet 10.0.0.1/24", "like 10.0.5.0/24");
	refused(&plain, "lab --address 10.0.0", "like 10.0.2.50");
	refused(&plain, "lab --name=", "--name is empty");
	refused(&plain, "lab a b --mode nat", "unexpected word \"b\"");
	refused(&choice, "vm upp", "must be up or down (did you mean up?)");
}

static void args_check__missing__says_which(void **state)
{
	(void)state;
	refused(&plain, "--mode nat", "NAME is missing");
	refused(&plain, "lab", "--mode is missing: say --mode nat|bridged");
	refused(&choice, "vm", "say up or down");
	refused(&tail, "--mode nat", "COMMAND is missing");
	refused(&tail, "--mode nat --", "COMMAND is missing");
}

static void args_usage__spec__shows_what_is_needed(void **state)
{
	char text[128];

	(void)state;
	assert_string_equal(args_usage(&plain, text, sizeof(text)),
			    " NAME [ADDR] --mode nat|bridged [options]");
	assert_string_equal(args_usage(&choice, text, sizeof(text)),
			    " VM up|down");
	assert_string_equal(args_usage(&tail, text, sizeof(text)),
			    " --mode nat|bridged [options] -- COMMAND");
}

static const char *next_word(void *arg)
{
	const char ***p = arg;

	return **p ? *(*p)++ : NULL;
}

static const char *nearest(const char *word)
{
	static const char *const list[] = {"define", "undefine", "ip", "list",
					   "link", NULL};
	const char *const *p = list;

	return args_nearest(word, next_word, &p);
}

static void args_nearest__typing_errors__are_seen_through(void **state)
{
	(void)state;
	assert_string_equal(nearest("defien"), "define");
	assert_string_equal(nearest("undefin"), "undefine");
	assert_string_equal(nearest("lsit"), "list");
	assert_string_equal(nearest("limk"), "link");
}

static void args_nearest__something_else__is_not_guessed(void **state)
{
	(void)state;
	assert_null(nearest("attach"));
	assert_null(nearest("x"));
	assert_null(nearest(""));
	assert_null(nearest("a-word-that-is-longer-than-any-command-of-ours"));
}

static void args_number__limits__hold(void **state)
{
	long n = 5;

	(void)state;
	assert_int_equal(args_number("0", 0, 255, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(args_number("255", 0, 255, &n), 0);
	assert_true(args_number("256", 0, 255, &n) < 0);
	assert_true(args_number("", 0, 255, &n) < 0);
	assert_true(args_number("+1", 0, 255, &n) < 0);
	assert_true(args_number(" 1", 0, 255, &n) < 0);
	assert_true(args_number("1x", 0, 255, &n) < 0);
	assert_int_equal(n, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(args_parse__options_and_words__in_any_order),
		cmocka_unit_test(args_parse__short_help__is_help),
		cmocka_unit_test(args_parse__double_dash__ends_options),
		cmocka_unit_test(args_parse__tail__is_left_alone),
		cmocka_unit_test(args_parse__wrong__says_what_is_right),
		cmocka_unit_test(args_check__missing__says_which),
		cmocka_unit_test(args_usage__spec__shows_what_is_needed),
		cmocka_unit_test(args_nearest__typing_errors__are_seen_through),
		cmocka_unit_test(args_nearest__something_else__is_not_guessed),
		cmocka_unit_test(args_number__limits__hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
