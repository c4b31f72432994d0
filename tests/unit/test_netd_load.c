// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv netd switch_io switch_core nat_io nat_core dhcp_core */
/* Options, folders, lock, and what runs after which kind of end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "netd/load.h"
#include "netd/options.h"
#include "netd/rundir.h"
#include "netd/store.h"

/* ---- what runs ----------------------------------------------------------- */

static struct net_conf conf(const char *name, bool autostart, bool active)
{
	struct net_conf c = {.mode = NET_INTERNAL, .lease_s = 3600,
			     .mtu = 1500, .domain = "x.vnet",
			     .autostart = autostart, .active = active};

	snprintf(c.name, sizeof(c.name), "%s", name);
	return c;
}

/* Which of a(uto, ran) b(auto) c(ran) d(-) are to run, as letters. */
static void decide(const char *boot, const char *clean, const char *want)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	struct net_conf n[] = {conf("a", true, true), conf("b", true, false),
			       conf("c", false, true),
			       conf("d", false, false)};
	char got[8] = "", v[8];
	struct errtext why = {""};

	assert_int_equal(store_open(":memory:", &ctl->store, &why), 0);
	assert_int_equal(model_init(&ctl->model), 0);
	for (size_t i = 0; i < ARRAY_LEN(n); i++)
		assert_int_equal(store_net_add(ctl->store, &n[i], NULL), 0);
	/* A first load writes the boot it runs in. */
	assert_int_equal(load_all(ctl, &why), 0);
	model_fini(&ctl->model);
	assert_int_equal(model_init(&ctl->model), 0);
	if (boot)
		store_meta_set(ctl->store, "boot", boot, NULL);
	if (!strcmp(clean, "yes"))
		load_mark_clean(ctl);
	assert_int_equal(load_all(ctl, &why), 0);
	list_for_each(net, &ctl->model.nets, struct network, node)
		if (net->conf.active)
			strcat(got, net->conf.name);
	assert_string_equal(got, want);
	store_meta_get(ctl->store, "clean", v, sizeof(v));
	assert_string_equal(v, "no");
	model_fini(&ctl->model);
	store_close(ctl->store);
	free(ctl);
}

static void load__after_each_kind_of_end(void **state)
{
	(void)state;
	decide(NULL, "no", "ac");   /* killed: exactly what ran */
	decide(NULL, "yes", "abc"); /* ended in order */
	decide("another", "no", "ab");
	decide("another", "yes", "ab");
}

static void load__old_leases__kept(void **state)
{
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	struct net_conf n = conf("a", true, true);
	struct lease_conf l = {.state = DHCP_BOUND, .mac = {{0x52, 0x54, 0, 0, 0, 1}}};
	struct errtext why = {""};

	(void)state;
	n.subnet = (struct ip4_net){0x0a090000, 24};
	n.service_ip = 0x0a090001;
	n.dhcp_first = 0x0a090002;
	n.dhcp_last = 0x0a0900fe;
	assert_int_equal(store_open(":memory:", &ctl->store, &why), 0);
	assert_int_equal(model_init(&ctl->model), 0);
	assert_int_equal(store_net_add(ctl->store, &n, NULL), 0);
	l.network = n.id;
	for (uint32_t i = 0; i < 10; i++) {
		l.address = 0x0a090010 + i;
		l.expires = clock_wall_s() + (i % 2 ? 1000 : -1000);
		assert_int_equal(store_lease_put(ctl->store, &l, NULL), 0);
	}
	assert_int_equal(load_all(ctl, &why), 0);
	list_for_each(net, &ctl->model.nets, struct network, node) {
		net->ctl = ctl;
		assert_int_equal(net->leases.count, 10); /* the worker ends them */
	}
	model_fini(&ctl->model);
	store_close(ctl->store);
	free(ctl);
}

/* ---- options ------------------------------------------------------------- */

static int parse(bool root, struct options *o, struct errtext *why, ...)
{
	char *argv[10] = {(char *)"vnetd"};
	int argc = 1;
	va_list ap;

	va_start(ap, why);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	return options_parse(argc, argv, root, o, why);
}

static void options__defaults(void **state)
{
	struct options o;
	struct errtext why = {""};

	(void)state;
	assert_int_equal(parse(true, &o, &why, NULL), 0);
	assert_string_equal(o.run_dir, "/run/vnet");
	assert_string_equal(o.state_dir, "/var/lib/vnet");
	setenv("XDG_RUNTIME_DIR", "/run/user/1", 1);
	setenv("XDG_STATE_HOME", "/home/x/state", 1);
	assert_int_equal(parse(false, &o, &why, NULL), 0);
	assert_string_equal(o.run_dir, "/run/user/1/vnet");
	assert_string_equal(o.state_dir, "/home/x/state/vnet");
	unsetenv("XDG_STATE_HOME");
	setenv("HOME", "/home/x", 1);
	assert_int_equal(parse(false, &o, &why, NULL), 0);
	assert_string_equal(o.state_dir, "/home/x/.local/state/vnet");
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(parse(false, &o, &why, NULL), -EINVAL);
	assert_non_null(strstr(why.s, "--runtime-dir"));
}

static void options__given_and_wrong(void **state)
{
	struct options o;
	struct errtext why = {""};

	(void)state;
	assert_int_equal(parse(true, &o, &why, "--log-level", "debug",
			       "--runtime-dir=/tmp/r/", "--state-dir", "/tmp/s",
			       NULL),
			 0);
	assert_int_equal(o.log_level, LOG_LVL_DEBUG);
	assert_string_equal(o.run_dir, "/tmp/r");
	assert_int_equal(parse(true, &o, &why, "--log-level", "x", NULL),
			 -EINVAL);
	assert_int_equal(parse(true, &o, &why, "--nonsense", NULL), -EINVAL);
	assert_int_equal(parse(true, &o, &why, "--state-dir", NULL), -EINVAL);
	assert_int_equal(parse(true, &o, &why, "word", NULL), -EINVAL);
	assert_int_equal(parse(true, &o, &why, "--print-api", NULL), 0);
	assert_int_equal(o.action, OPT_PRINT_API);
	assert_int_equal(parse(true, &o, &why, "worker", "lab", "--isolated",
			       NULL),
			 0);
	assert_int_equal(o.action, OPT_WORKER);
	assert_true(o.isolated);
	assert_int_equal(parse(true, &o, &why, "worker", NULL), -EINVAL);
}

/* ---- folders ------------------------------------------------------------- */

static void rundir__made_locked_swept(void **state)
{
	char dir[] = "/tmp/vnet-run-XXXXXX", run[64], st_dir[64], path[96];
	struct errtext why = {""};
	struct stat st;
	int lock, status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(run, sizeof(run), "%s/a/run", dir);
	snprintf(st_dir, sizeof(st_dir), "%s/b/c/state", dir);
	assert_int_equal(rundir_make(run, st_dir, false, &why), 0);
	assert_int_equal(stat(st_dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	lock = rundir_lock(run, &why);
	assert_true(lock >= 0);
	pid = fork();
	if (!pid)
		_exit(rundir_lock(run, &why) == -EBUSY &&
				      strstr(why.s, "(pid ") ? 0 : 1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	close(lock);
	snprintf(path, sizeof(path), "%s/a/run/nic/plain", dir);
	fclose(fopen(path, "w"));
	rundir_sweep(run);
	assert_int_equal(stat(path, &st), 0); /* sockets only */
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	assert_int_equal(system(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load__after_each_kind_of_end),
		cmocka_unit_test(load__old_leases__kept),
		cmocka_unit_test(options__defaults),
		cmocka_unit_test(options__given_and_wrong),
		cmocka_unit_test(rundir__made_locked_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
