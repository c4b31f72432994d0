// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv netd switch_io switch_core nat_core dhcp_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "netd/qmp.h"

struct fix {
	struct event_base *base;
	char dir[32], path[48];
	struct qmp *q;
	char text[4096];
};

static int up(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->base = event_base_new();
	snprintf(f->dir, sizeof(f->dir), "/tmp/vnet-qmp-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/q", f->dir);
	*state = f;
	return 0;
}

static int down(void **state)
{
	struct fix *f = *state;
	struct stat st;

	qmp_free(f->q);
	assert_int_equal(stat(f->path, &st), -1);
	rmdir(f->dir);
	event_base_free(f->base);
	libevent_global_shutdown();
	free(f);
	return 0;
}

static int qemu(struct fix *f)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", f->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static const char *heard(struct fix *f, int fd)
{
	ssize_t n;

	for (int i = 0; i < 4; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	n = recv(fd, f->text, sizeof(f->text) - 1, MSG_DONTWAIT);
	f->text[n > 0 ? n : 0] = '\0';
	return f->text;
}

static void make(struct fix *f, bool link)
{
	struct errtext why = {""};

	assert_int_equal(qmp_new(f->base, f->path, geteuid(), 3, link, &f->q,
				 &why),
			 0);
}

static void connect__link_up__capabilities_only(void **state)
{
	struct fix *f = *state;
	int fd;

	make(f, true);
	fd = qemu(f);
	assert_string_equal(heard(f, fd),
			    "{\"execute\":\"qmp_capabilities\"}\n");
	qmp_link(f->q, false);
	assert_string_equal(heard(f, fd),
			    "{\"execute\":\"set_link\",\"arguments\":{"
			    "\"name\":\"vnet3\",\"up\":false}}\n");
	qmp_link(f->q, true);
	assert_non_null(strstr(heard(f, fd), "\"up\":true"));
	close(fd);
}

static void connect__link_down__told_at_once(void **state)
{
	struct fix *f = *state;
	int fd;

	make(f, false);
	fd = qemu(f);
	assert_non_null(strstr(heard(f, fd), "\"up\":false"));
	close(fd);
}

static void chatter__thrown_away(void **state)
{
	struct fix *f = *state;
	static char junk[200000];
	int fd;

	make(f, true);
	fd = qemu(f);
	for (int i = 0; i < 50; i++) {
		(void)!send(fd, junk, sizeof(junk), MSG_DONTWAIT);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	heard(f, fd);
	qmp_link(f->q, false);
	assert_non_null(strstr(heard(f, fd), "set_link"));
	close(fd);
}

static void second_connection__replaces_the_first(void **state)
{
	struct fix *f = *state;
	int a, b;

	make(f, true);
	a = qemu(f);
	heard(f, a);
	b = qemu(f);
	assert_non_null(strstr(heard(f, b), "qmp_capabilities"));
	assert_int_equal(recv(a, f->text, 10, MSG_DONTWAIT), 0);
	close(a);
	close(b);
	heard(f, b);
	qmp_link(f->q, false); /* nobody there: no harm */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
		T(connect__link_up__capabilities_only),
		T(connect__link_down__told_at_once),
		T(chatter__thrown_away),
		T(second_connection__replaces_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
