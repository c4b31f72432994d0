// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netd/resolv.h"

static size_t parse(const char *text, struct resolv_line out[RESOLV_MAX])
{
	return resolv_parse(text, strlen(text), out);
}

static void parse__usual_file(void **state)
{
	struct resolv_line a[RESOLV_MAX];
	char s[IP_TEXT];

	(void)state;
	assert_int_equal(parse("# comment\nsearch lan\n"
			       "nameserver 192.0.2.53\n"
			       "nameserver\t2001:db8::53 # two\n"
			       "options edns0\nnameserver 127.0.0.53",
			       a),
			 3);
	assert_string_equal(ipaddr_format(&a[0].ip, s), "192.0.2.53");
	assert_string_equal(ipaddr_format(&a[1].ip, s), "2001:db8::53");
	assert_string_equal(ipaddr_format(&a[2].ip, s), "127.0.0.53");
}

static void parse__odd_lines__passed_over(void **state)
{
	struct resolv_line a[RESOLV_MAX];

	(void)state;
	assert_int_equal(parse("", a), 0);
	assert_int_equal(parse("nameserver", a), 0);
	assert_int_equal(parse("nameserver \n", a), 0);
	assert_int_equal(parse("nameservers 1.2.3.4\n", a), 0);
	assert_int_equal(parse(" nameserver 1.2.3.4\n", a), 0);
	assert_int_equal(parse("nameserver fe80::1%\n", a), 0);
	assert_int_equal(parse("nameserver 1.2.3.4%eth0\n", a), 0);
	assert_int_equal(parse("nameserver fe80::1%sixteencharacter\n", a), 0);
	assert_int_equal(parse("nameserver 1.2.3\n", a), 0);
	assert_int_equal(parse("nameserver 1.2.3.4\r\n", a), 1);
}

static void parse__zone__kept(void **state)
{
	struct resolv_line a[RESOLV_MAX];

	(void)state;
	assert_int_equal(parse("nameserver fe80::1%wlan0\nnameserver fe80::2\n"
			       "nameserver ffff:ffff:ffff:ffff:ffff:ffff:ffff:"
			       "ffff%fifteencharacte\n",
			       a),
			 3);
	assert_string_equal(a[0].zone, "wlan0");
	assert_string_equal(a[1].zone, "");
	assert_string_equal(a[2].zone, "fifteencharacte");
}

static void parse__too_many__first_ones(void **state)
{
	struct resolv_line a[RESOLV_MAX];
	char text[1024] = "";

	(void)state;
	for (int i = 0; i < 20; i++)
		strcat(text, "nameserver 1.2.3.4\n");
	assert_int_equal(parse(text, a), RESOLV_MAX);
}

static void parse__every_truncation__no_overrun(void **state)
{
	static const char text[] = "nameserver 192.0.2.53\nnameserver ::1\n";
	struct resolv_line a[RESOLV_MAX];

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, text, n);
		(void)resolv_parse(copy, n, a);
		free(copy);
	}
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static void wait_change(struct event_base *base, int *changes, int want)
{
	for (int i = 0; i < 20 && *changes < want; i++)
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(*changes, want);
}

static void watch__written_replaced_linked(void **state)
{
	char dir[] = "/tmp/vnet-resolv-XXXXXX", path[64], tmp[64];
	struct event_base *base = event_base_new();
	const struct resolv_server *a;
	struct resolv *r = NULL;
	int changes = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	snprintf(tmp, sizeof(tmp), "%s/new", dir);
	assert_int_equal(resolv_new(base, path, count, &changes, &r, NULL), 0);
	assert_int_equal(resolv_servers(r, &a), 0); /* missing = empty */
	write_file(path, "nameserver 192.0.2.1\n");
	wait_change(base, &changes, 1);
	assert_int_equal(resolv_servers(r, &a), 1);
	write_file(tmp, "nameserver 192.0.2.2\nnameserver 192.0.2.3\n");
	rename(tmp, path);
	wait_change(base, &changes, 2);
	assert_int_equal(resolv_servers(r, &a), 2);
	write_file(tmp, "nameserver 192.0.2.9\n");
	unlink(path);
	assert_int_equal(symlink("new", path), 0);
	wait_change(base, &changes, 3);
	assert_int_equal(resolv_servers(r, &a), 1);
	resolv_free(r);
	event_base_free(base);
	libevent_global_shutdown();
	unlink(path);
	unlink(tmp);
	rmdir(dir);
}

/* A folder of one test's own; end with tidy(). */
struct watched {
	char dir[64], path[96];
	struct event_base *base;
	struct resolv *r;
	int changes;
};

static const char *at(const struct watched *w, const char *name, char buf[128])
{
	snprintf(buf, 128, "%s/%s", w->dir, name);
	return buf;
}

static void start_watching(struct watched *w)
{
	assert_int_equal(resolv_new(w->base, w->path, count, &w->changes, &w->r,
				    NULL),
			 0);
}

static void make_folder(struct watched *w)
{
	*w = (struct watched){.dir = "/tmp/vnet-resolv-XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/resolv.conf", w->dir);
	w->base = event_base_new();
}

static void tidy(struct watched *w, const char *const *files)
{
	char p[128];

	resolv_free(w->r);
	event_base_free(w->base);
	libevent_global_shutdown();
	for (; *files; files++)
		(void)remove(at(w, *files, p));
	assert_int_equal(rmdir(w->dir), 0);
}

/* Three links: /etc/resolv.conf -> run/link -> ../lib/file, none of it there yet. */
static void watch__chain_of_links__each_link_counts(void **state)
{
	static const char *const files[] = {"resolv.conf", "run/link", "lib/file",
					    "lib/other", "run", "lib", NULL};
	const struct resolv_server *a;
	struct watched w;
	char p[128], q[128];

	(void)state;
	make_folder(&w);
	assert_int_equal(symlink("run/link", w.path), 0);
	start_watching(&w);
	assert_int_equal(resolv_servers(w.r, &a), 0);
	/* What the link names comes into being, folder by folder. */
	mkdir(at(&w, "run", p), 0700);
	mkdir(at(&w, "lib", p), 0700);
	write_file(at(&w, "lib/file", p), "nameserver 192.0.2.1\n");
	write_file(at(&w, "lib/other", p), "nameserver 192.0.2.2\n");
	assert_int_equal(symlink("../lib/file", at(&w, "run/link", p)), 0);
	wait_change(w.base, &w.changes, 1);
	assert_int_equal(resolv_servers(w.r, &a), 1);
	/* The link in the middle moves on. */
	assert_int_equal(symlink("../lib/other", at(&w, "run/new", p)), 0);
	rename(p, at(&w, "run/link", q));
	wait_change(w.base, &w.changes, 2);
	assert_int_equal(ipaddr_get4(&a[0].ip) & 255, 2);
	/* The file at the end is written. */
	write_file(at(&w, "lib/other", p),
		   "nameserver 192.0.2.3\nnameserver ::1\n");
	wait_change(w.base, &w.changes, 3);
	assert_int_equal(resolv_servers(w.r, &a), 2);
	tidy(&w, files);
}

/* As where the file is a mount: its folder hears nothing of it. */
static void watch__written_by_another_name__noticed(void **state)
{
	static const char *const files[] = {"sub/resolv.conf", "alias", "sub",
					    NULL};
	struct watched w;
	char p[128], q[128];

	(void)state;
	make_folder(&w);
	mkdir(at(&w, "sub", p), 0700);
	snprintf(w.path, sizeof(w.path), "%s/sub/resolv.conf", w.dir);
	write_file(w.path, "nameserver 192.0.2.1\n");
	assert_int_equal(link(w.path, at(&w, "alias", q)), 0);
	start_watching(&w);
	write_file(q, "nameserver 192.0.2.2\n");
	wait_change(w.base, &w.changes, 1);
	tidy(&w, files);
}

static void servers__zone__number_of_an_interface_that_is_there(void **state)
{
	static const char *const files[] = {"resolv.conf", NULL};
	const struct resolv_server *a;
	struct watched w;

	(void)state;
	make_folder(&w);
	write_file(w.path, "nameserver fe80::1%no-such-link\n"
			   "nameserver fe80::2%lo\nnameserver ::1\n");
	start_watching(&w);
	assert_int_equal(resolv_servers(w.r, &a), 2);
	assert_int_equal(a[0].scope, if_nametoindex("lo"));
	assert_int_equal(a[1].scope, 0);
	tidy(&w, files);
}

static void watch__same_servers_again__no_change(void **state)
{
	static const char *const files[] = {"resolv.conf", NULL};
	struct watched w;

	(void)state;
	make_folder(&w);
	write_file(w.path, "nameserver 192.0.2.1\n");
	start_watching(&w);
	write_file(w.path, "search lan\nnameserver 192.0.2.1\noptions edns0\n");
	write_file(w.path, "nameserver 192.0.2.1\n");
	for (int i = 0; i < 2; i++) /* the event, and what it set off */
		event_base_loop(w.base, EVLOOP_ONCE);
	assert_int_equal(w.changes, 0);
	tidy(&w, files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__usual_file),
		cmocka_unit_test(parse__odd_lines__passed_over),
		cmocka_unit_test(parse__zone__kept),
		cmocka_unit_test(parse__too_many__first_ones),
		cmocka_unit_test(parse__every_truncation__no_overrun),
		cmocka_unit_test(watch__written_replaced_linked),
		cmocka_unit_test(watch__chain_of_links__each_link_counts),
		cmocka_unit_test(watch__written_by_another_name__noticed),
		cmocka_unit_test(
			servers__zone__number_of_an_interface_that_is_there),
		cmocka_unit_test(watch__same_servers_again__no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
