// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/replace.h"

#define MARK "# ours"

struct fix {
	char dir[64], path[80];
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/vnet-replace-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/hosts", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0); /* nothing else was left */
	free(f);
	return 0;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int try(struct fix *f, const char *text, struct errtext *why)
{
	return replace_file(f->path, text, strlen(text), MARK, why);
}

static void replace__ours_or_nothing__written(void **state)
{
	struct fix *f = *state;
	struct stat st;
	char got[64] = "";
	FILE *r;

	assert_int_equal(try(f, MARK " one\n", NULL), 0);
	assert_int_equal(try(f, MARK " two\n", NULL), 0);
	r = fopen(f->path, "r");
	assert_non_null(fgets(got, sizeof(got), r));
	fclose(r);
	assert_string_equal(got, MARK " two\n");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void replace__somebody_elses__left_alone(void **state)
{
	struct errtext why = {""};
	struct fix *f = *state;

	put(f->path, "127.0.0.1 localhost\n");
	assert_int_equal(try(f, MARK "\n", &why), -EEXIST);
	assert_non_null(strstr(why.s, "vnet did not write"));
	put(f->path, ""); /* empty is not ours either */
	assert_int_equal(try(f, MARK "\n", NULL), -EEXIST);
	unlink(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0); /* must not hang */
	assert_int_equal(try(f, MARK "\n", NULL), -EEXIST);
}

static void replace__no_such_folder__refused(void **state)
{
	struct fix *f = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/none/hosts", f->dir);
	assert_int_equal(replace_file(path, MARK, 6, MARK, NULL), -ENOENT);
	assert_int_equal(replace_check(path, MARK, NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(replace__ours_or_nothing__written),
		T(replace__somebody_elses__left_alone),
		T(replace__no_such_folder__refused),
	};

	return cmocka_run_group_tests_name("replace", tests, NULL, NULL);
}
