// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd */
/* Who configures the uplink, by files as the programs keep them, in a folder of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "netd/ifmanager.h"

struct rig {
	char root[64];
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->root, "/tmp/vnt-ifmanager-XXXXXX");
	assert_non_null(mkdtemp(r->root));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -r %s", r->root);
	assert_int_equal(system(cmd), 0);
	free(r);
	return 0;
}

static void put(struct rig *r, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->root, name);
	for (char *s = path + strlen(r->root) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		(void)mkdir(path, 0700);
		*s = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static enum ifmanager who(struct rig *r)
{
	return ifmanager_find(r->root, "eth0", 3);
}

static void find__nothing_runs__nobody(void **state)
{
	assert_int_equal(who(*state), IFMANAGER_NONE);
}

static void find__networkmanager__when_it_manages(void **state)
{
	put(*state, "run/NetworkManager/devices/4", "[device]\nmanaged=true\n");
	assert_int_equal(who(*state), IFMANAGER_NONE); /* another interface */
	put(*state, "run/NetworkManager/devices/3",
	    "[device]\nmanaged=false\nroute-metric-default-aspired=0\n");
	assert_int_equal(who(*state), IFMANAGER_NONE);
	put(*state, "run/NetworkManager/devices/3",
	    "[device]\nnm-owned=false\nmanaged=true\nconnection-uuid=1-2\n");
	assert_int_equal(who(*state), IFMANAGER_NM);
}

static void find__networkd__when_it_manages(void **state)
{
	put(*state, "run/systemd/netif/links/3",
	    "# private\nADMIN_STATE=unmanaged\nOPER_STATE=routable\n");
	assert_int_equal(who(*state), IFMANAGER_NONE);
	put(*state, "run/systemd/netif/links/3",
	    "# private\nADMIN_STATE=configured\nOPER_STATE=routable\n");
	assert_int_equal(who(*state), IFMANAGER_NETWORKD);
}

static void find__clients__while_they_run(void **state)
{
	put(*state, "run/dhclient.eth0.pid", "77\n");
	assert_int_equal(who(*state), IFMANAGER_NONE); /* it ended */
	put(*state, "proc/77/comm", "cat\n");
	assert_int_equal(who(*state), IFMANAGER_NONE); /* another has its number */
	put(*state, "proc/77/comm", "dhclient\n");
	assert_int_equal(who(*state), IFMANAGER_DHCLIENT);
	put(*state, "run/dhclient.eth0.pid", "-1\n");
	put(*state, "run/udhcpc-eth0.pid", "78\n");
	put(*state, "proc/78/comm", "udhcpc\n");
	assert_int_equal(who(*state), IFMANAGER_UDHCPC);
	put(*state, "run/dhcpcd/pid", "79\n");
	put(*state, "proc/79/comm", "dhcpcd\n");
	assert_int_equal(who(*state), IFMANAGER_DHCPCD); /* serves all */
	put(*state, "run/dhcpcd/pid", "");
	put(*state, "run/dhcpcd/eth0-4.pid", "79\n");
	assert_int_equal(who(*state), IFMANAGER_DHCPCD);
}

static void advice__each__names_program_and_interface(void **state)
{
	static const char *const names[] = {
		[IFMANAGER_NM] = "NetworkManager",
		[IFMANAGER_NETWORKD] = "systemd-networkd",
		[IFMANAGER_DHCPCD] = "dhcpcd",
		[IFMANAGER_DHCLIENT] = "dhclient",
		[IFMANAGER_UDHCPC] = "udhcpc",
	};
	char text[IFMANAGER_TEXT];

	(void)state;
	assert_string_equal(ifmanager_advice(IFMANAGER_NONE, "eth0", text), "");
	for (int i = IFMANAGER_NM; i <= IFMANAGER_UDHCPC; i++) {
		ifmanager_advice((enum ifmanager)i, "enp0s31f6abcdef", text);
		assert_ptr_equal(strstr(text, names[i]), text);
		assert_non_null(strstr(text, "enp0s31f6abcdef"));
		assert_true(strlen(text) < IFMANAGER_TEXT - 10); /* not cut */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(find__nothing_runs__nobody),
		T(find__networkmanager__when_it_manages),
		T(find__networkd__when_it_manages),
		T(find__clients__while_they_run),
		T(advice__each__names_program_and_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
