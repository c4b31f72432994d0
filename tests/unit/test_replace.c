// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void get(const char *path, char out[64])
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	out[fread(out, 1, 63, f)] = '\0';
	fclose(f);
}

static void edited__same_file__replaced_with_its_mode(void **state)
{
	struct fix *f = *state;
	struct stat was, st;
	char got[64];

	put(f->path, "old\n");
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(stat(f->path, &was), 0);
	assert_int_equal(replace_edited(f->path, &was, "new\n", 4, NULL), 0);
	get(f->path, got);
	assert_string_equal(got, "new\n");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(st.st_ino != was.st_ino);
}

static void edited__changed_meanwhile__left_alone(void **state)
{
	struct errtext why = {""};
	struct fix *f = *state;
	struct stat was;
	char got[64];

	put(f->path, "old\n");
	assert_int_equal(stat(f->path, &was), 0);
	put(f->path, "his own\n");
	assert_int_equal(replace_edited(f->path, &was, "new\n", 4, &why),
			 -ESTALE);
	assert_non_null(strstr(why.s, "somebody else changed it"));
	get(f->path, got);
	assert_string_equal(got, "his own\n");
}

/* 0 when written, 77 where we may mount nothing. */
static int over_a_mount(const char *path)
{
	struct stat was;

	if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(path, path, NULL, MS_BIND, NULL))
		return 77;
	return stat(path, &was) ||
	       replace_edited(path, &was, "new\n", 4, NULL);
}

static void edited__mount_point__overwritten(void **state)
{
	struct fix *f = *state;
	char got[64];
	int status;
	pid_t pid;

	put(f->path, "old and longer\n");
	pid = fork();
	if (!pid)
		_exit(over_a_mount(f->path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
	get(f->path, got);
	assert_string_equal(got, "new\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(replace__ours_or_nothing__written),
		T(replace__somebody_elses__left_alone),
		T(replace__no_such_folder__refused),
		T(edited__same_file__replaced_with_its_mode),
		T(edited__changed_meanwhile__left_alone),
		T(edited__mount_point__overwritten),
	};

	return cmocka_run_group_tests_name("replace", tests, NULL, NULL);
}
