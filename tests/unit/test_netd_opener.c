// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/* Files opened by a process of its own: answers, the bound, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netd/opener.h"

struct fix {
	struct event_base *base;
	struct opener *o;
	char dir[64];
	unsigned int answers;
	uint64_t token, size;
	int err;
	char text[16];
};

static void done(void *arg, uint64_t token, int fd, uint64_t size)
{
	struct fix *f = arg;
	ssize_t n;

	f->answers++;
	f->token = token;
	f->size = size;
	f->err = fd < 0 ? fd : 0;
	memset(f->text, 0, sizeof(f->text));
	if (fd < 0)
		return;
	n = read(fd, f->text, sizeof(f->text) - 1);
	assert_true(n >= 0);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	char path[96];
	FILE *file;

	snprintf(f->dir, sizeof(f->dir), "/tmp/vnet-unit-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(path, sizeof(path), "%s/kernel", f->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("kernel!", file);
	fclose(file);
	f->base = event_base_new();
	assert_int_equal(opener_new(f->base, done, f, &f->o, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	char path[96];

	opener_free(f->o);
	event_base_free(f->base);
	snprintf(path, sizeof(path), "%s/kernel", f->dir);
	unlink(path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void wait_for(struct fix *f, unsigned int answers)
{
	while (f->answers < answers)
		event_base_loop(f->base, EVLOOP_ONCE);
}

static void ask__file_and_none__both_answered(void **state)
{
	struct fix *f = *state;

	assert_int_equal(opener_ask(f->o, 7, f->dir, "kernel"), 0);
	wait_for(f, 1);
	assert_int_equal(f->token, 7);
	assert_int_equal(f->size, 7);
	assert_string_equal(f->text, "kernel!");
	assert_int_equal(opener_ask(f->o, 8, f->dir, "none"), 0);
	wait_for(f, 2);
	assert_int_equal(f->token, 8);
	assert_int_equal(f->err, -ENOENT);
	assert_int_equal(opener_ask(f->o, 9, f->dir, "../x"), 0);
	wait_for(f, 3);
	assert_int_equal(f->err, -EXDEV);
}

static void ask__more_than_may_wait__busy_until_answered(void **state)
{
	struct fix *f = *state;

	for (unsigned int i = 0; i < OPENER_WAIT_MAX; i++)
		assert_int_equal(opener_ask(f->o, i, f->dir, "kernel"), 0);
	assert_int_equal(opener_ask(f->o, 99, f->dir, "kernel"), -EBUSY);
	wait_for(f, OPENER_WAIT_MAX);
	assert_int_equal(opener_ask(f->o, 99, f->dir, "kernel"), 0);
	wait_for(f, OPENER_WAIT_MAX + 1);
	assert_int_equal(f->token, 99);
}

static void ask__name_too_long__refused(void **state)
{
	struct fix *f = *state;
	char name[400];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(opener_ask(f->o, 1, f->dir, name), -ENAMETOOLONG);
}

/* Freed with answers outstanding: nobody is called. */
static void free__while_asked__no_answer(void **state)
{
	struct fix *f = *state;

	assert_int_equal(opener_ask(f->o, 1, f->dir, "kernel"), 0);
	opener_free(f->o);
	f->o = NULL;
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->answers, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(ask__file_and_none__both_answered),
		T(ask__more_than_may_wait__busy_until_answered),
		T(ask__name_too_long__refused),
		T(free__while_asked__no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
