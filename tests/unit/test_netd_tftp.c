// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/* What guests may have of the folder that is served: files below it, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netd/tftpctl.h"
#include "netd/wmsg.h"

struct fix {
	char top[64], dir[96];
};

static void put(const struct fix *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->top, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void link_to(const struct fix *f, const char *to, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	assert_int_equal(symlink(to, path), 0);
}

static void folder(const struct fix *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->top, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	snprintf(f->top, sizeof(f->top), "/tmp/vnet-unit-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->dir, sizeof(f->dir), "%s/served", f->top);
	folder(f, "served");
	folder(f, "served/boot");
	put(f, "secret", "no");
	put(f, "served/boot/kernel", "kernel!");
	put(f, "served/odd\\name", "odd");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", f->top);
	assert_int_equal(system(cmd), 0); /* NOLINT(cert-env33-c) */
	free(f);
	return 0;
}

/* Bytes in it, or negative errno. */
static int64_t fetch(const struct fix *f, const char *name)
{
	uint64_t size = 0;
	int fd = tftpctl_open(f->dir, name, &size);

	if (fd < 0)
		return fd;
	close(fd);
	return (int64_t)size;
}

static void open__file_below__however_it_is_spelled(void **state)
{
	struct fix *f = *state;

	assert_int_equal(fetch(f, "boot/kernel"), 7);
	assert_int_equal(fetch(f, "/boot/kernel"), 7);
	assert_int_equal(fetch(f, "//boot//./kernel"), 7);
	assert_int_equal(fetch(f, "boot/../boot/kernel"), 7);
	assert_int_equal(fetch(f, "\\boot\\kernel"), 7);
	assert_int_equal(fetch(f, "odd\\name"), 3);
}

static void open__way_out__refused(void **state)
{
	struct fix *f = *state;

	link_to(f, "../secret", "up");
	link_to(f, "/etc/passwd", "abs");
	link_to(f, "/proc/self/root/etc/passwd", "magic");
	link_to(f, "..", "parent");
	assert_int_equal(fetch(f, "../secret"), -EXDEV);
	assert_int_equal(fetch(f, "..\\secret"), -EXDEV);
	assert_int_equal(fetch(f, "boot/../../secret"), -EXDEV);
	assert_int_equal(fetch(f, "up"), -EXDEV);
	assert_int_equal(fetch(f, "abs"), -EXDEV);
	assert_int_equal(fetch(f, "magic"), -EXDEV);
	assert_int_equal(fetch(f, "parent/secret"), -EXDEV);
}

static void open__link_that_stays__followed(void **state)
{
	struct fix *f = *state;

	link_to(f, "boot/kernel", "default");
	assert_int_equal(fetch(f, "default"), 7);
}

static void open__no_file__refused(void **state)
{
	struct fix *f = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/pipe", f->dir);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(fetch(f, "pipe"), -EACCES);
	assert_int_equal(fetch(f, "boot"), -EACCES);
	assert_int_equal(fetch(f, "boot/none"), -ENOENT);
	assert_int_equal(fetch(f, ""), -ENOENT);
	assert_int_equal(fetch(f, "/"), -ENOENT);
	assert_int_equal(fetch(f, "boot/kernel/x"), -ENOTDIR);
	f->dir[strlen(f->dir) - 1] = 'x';
	assert_int_equal(fetch(f, "boot/kernel"), -ENOENT);
	f->dir[strlen(f->dir) - 1] = 'd';
}

static void check__folder__there_and_absolute(void **state)
{
	struct fix *f = *state;
	struct errtext why = {""};
	char path[256];

	assert_int_equal(tftpctl_check(f->dir, &why), 0);
	assert_int_equal(tftpctl_check("served", &why), -EINVAL);
	snprintf(path, sizeof(path), "%s/boot/kernel", f->dir);
	assert_int_equal(tftpctl_check(path, &why), -EINVAL);
	assert_non_null(strstr(why.s, "Not a directory"));
	assert_int_equal(tftpctl_check("/nowhere/at/all", &why), -EINVAL);
}

/* What a worker that a guest took over may say. */
static int said(const char *text, int64_t *token, char name[TFTP_NAME_MAX + 1])
{
	json_t *o = json_loads(text, 0, NULL);
	struct errtext why = {""};
	int r = wmsg_tftp(o, token, name, &why);

	json_decref(o);
	return r;
}

static void wmsg_tftp__name_of_bytes__taken_or_refused(void **state)
{
	char name[TFTP_NAME_MAX + 1];
	int64_t token;

	(void)state;
	assert_int_equal(said("{\"token\":5,\"name\":\"612fff\"}", &token, name),
			 0);
	assert_int_equal(token, 5);
	assert_string_equal(name, "a/\xff");
	assert_int_equal(said("{\"token\":5}", &token, name), -EPROTO);
	assert_int_equal(said("{\"name\":\"\"}", &token, name), -EPROTO);
	assert_int_equal(said("{\"name\":\"6100\"}", &token, name), -EPROTO);
	assert_int_equal(said("{\"name\":\"6\"}", &token, name), -EPROTO);
	assert_int_equal(said("{\"token\":-1,\"name\":\"61\"}", &token, name),
			 -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
		T(open__file_below__however_it_is_spelled),
		T(open__way_out__refused),
		T(open__link_that_stays__followed),
		T(open__no_file__refused),
		T(check__folder__there_and_absolute),
		T(wmsg_tftp__name_of_bytes__taken_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
