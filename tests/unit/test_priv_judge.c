// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_core nat_core switch_io dhcp_core */
/* What the privileged helper accepts from a hostile asker; socket table lines. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/compat.h"
#include "netd/priv_int.h"

static struct priv_tap good_tap(void)
{
	return (struct priv_tap){.name = "vn-lab", .mtu = 1500};
}

static void judge_tap__ordinary__accepted(void **state)
{
	struct priv_tap t = good_tap();
	struct errtext why = {{0}};

	(void)state;
	assert_int_equal(priv_judge_tap(&t, &why), 0);
	t.ip4 = 0xc0a83801;
	t.plen = 24;
	assert_int_equal(priv_judge_tap(&t, &why), 0);
	assert_string_equal(why.s, "");
}

static void judge_tap__foreign_name__refused(void **state)
{
	static const char *const bad[] = {
		"", "eth0", "vn", "vn-", "vn-a/b", "vn-a b", "vn-\n", "xvn-a",
	};
	struct priv_tap t = good_tap();
	struct errtext why = {{0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(t.name, 0, sizeof(t.name));
		memcpy(t.name, bad[i], strlen(bad[i]));
		assert_int_equal(priv_judge_tap(&t, &why), -EPERM);
		assert_true(why.s[0]);
	}
	memset(t.name, 'v', sizeof(t.name)); /* not terminated */
	memcpy(t.name, "vn-", 3);
	assert_int_equal(priv_judge_tap(&t, &why), -EPERM);
}

static void judge_tap__netns_paths__only_known_places(void **state)
{
	static const char *const ok[] = {
		"/run/netns/a", "/var/run/netns/vm.1", "/proc/1/ns/net",
		"/proc/12345/ns/net",
	};
	static const char *const bad[] = {
		"/etc/passwd", "/run/netns/", "/run/netns/../x",
		"/run/netns/..", "/run/netns/a/b", "/proc/self/ns/net",
		"/proc/1/ns/mnt", "/proc/0/ns/net", "/proc/1/../2/ns/net",
		"/proc//ns/net", "run/netns/a", "/proc/1/ns/net/",
	};
	struct priv_tap t = {.name = "eth0", .mtu = 1500};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ok); i++) {
		memset(t.netns, 0, sizeof(t.netns));
		memcpy(t.netns, ok[i], strlen(ok[i]));
		assert_int_equal(priv_judge_tap(&t, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(t.netns, 0, sizeof(t.netns));
		memcpy(t.netns, bad[i], strlen(bad[i]));
		assert_int_equal(priv_judge_tap(&t, NULL), -EPERM);
	}
	memset(t.netns, 'a', sizeof(t.netns));
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
}

static void judge_tap__wild_numbers__refused(void **state)
{
	struct priv_tap t = good_tap();
	unsigned char wild = 7;

	(void)state;
	t.mtu = 67;
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
	t = good_tap();
	t.mac.b[0] = 1;
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
	t = good_tap();
	t.ip4 = 0xc0a83801;
	t.plen = 33;
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
	t.plen = 24;
	t.ip4 = 0x7f000001;
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
	t.ip4 = 0xe0000001;
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
	t = good_tap();
	memcpy(&t.runner, &wild, 1);
	assert_int_equal(priv_judge_tap(&t, NULL), -EINVAL);
}

static void judge_worker__names(void **state)
{
	struct priv_req_worker r = {.network = "lab-1.x_Y"};

	(void)state;
	assert_int_equal(priv_judge_worker(&r, NULL), 0);
	strcpy(r.network, "--isolated");
	assert_int_equal(priv_judge_worker(&r, NULL), -EINVAL);
	strcpy(r.network, "a b");
	assert_int_equal(priv_judge_worker(&r, NULL), -EINVAL);
	strcpy(r.network, "");
	assert_int_equal(priv_judge_worker(&r, NULL), -EINVAL);
	memset(r.network, 'a', sizeof(r.network));
	assert_int_equal(priv_judge_worker(&r, NULL), -EINVAL);
}

static void judge_tapin__names(void **state)
{
	struct priv_req_tapin r = {.uplink = "eth0", .tap = "vn-up-lan"};

	(void)state;
	assert_int_equal(priv_judge_tapin(&r, NULL), 0);
	strcpy(r.uplink, "lo");
	assert_int_equal(priv_judge_tapin(&r, NULL), -EPERM);
	strcpy(r.uplink, "vn-br-lan");
	assert_int_equal(priv_judge_tapin(&r, NULL), -EPERM);
	strcpy(r.uplink, "..");
	assert_int_equal(priv_judge_tapin(&r, NULL), -EINVAL);
	memset(r.uplink, 'x', sizeof(r.uplink));
	assert_int_equal(priv_judge_tapin(&r, NULL), -EINVAL);
	strcpy(r.uplink, "eth0");
	strcpy(r.tap, "eth1");
	assert_int_equal(priv_judge_tapin(&r, NULL), -EPERM);
}

static void judge_uplink__names(void **state)
{
	struct priv_uplink r = {
		.bridge = "vn-br-lan", .uplink = "eth0", .tap = "vn-up-lan",
		.mtu = 1500,
	};

	(void)state;
	assert_int_equal(priv_judge_uplink(&r, NULL), 0);
	strcpy(r.uplink, "lo");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EPERM);
	strcpy(r.uplink, "vn-lab");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EPERM);
	strcpy(r.uplink, "../x");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EINVAL);
	strcpy(r.uplink, "eth0");
	strcpy(r.tap, "vn-br-lan");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EINVAL);
	strcpy(r.tap, "vn-up-lan");
	strcpy(r.bridge, "br0");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EPERM);
}

static void judge_uplink__of_a_network__its_own_names_only(void **state)
{
	struct priv_uplink r = {
		.bridge = "vn-br-lan", .uplink = "eth0", .tap = "vn-up-lan",
		.mtu = 1500,
	};

	(void)state;
	assert_int_equal(priv_judge_kept(&r, NULL), -EINVAL);
	strcpy(r.network, "lan");
	assert_int_equal(priv_judge_uplink(&r, NULL), 0);
	assert_int_equal(priv_judge_kept(&r, NULL), 0);
	strcpy(r.network, "other");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EPERM);
	strcpy(r.network, "../lan");
	assert_int_equal(priv_judge_uplink(&r, NULL), -EINVAL);
	memset(r.network, 'x', sizeof(r.network));
	assert_int_equal(priv_judge_kept(&r, NULL), -EINVAL);
}

static void judge_port__protocol_and_number(void **state)
{
	struct priv_req_port r = {.proto = IPPROTO_TCP, .port = 80};

	(void)state;
	assert_int_equal(priv_judge_port(&r, NULL), 0);
	r.port = 0;
	assert_int_equal(priv_judge_port(&r, NULL), -EINVAL);
	r.port = 80;
	r.proto = IPPROTO_RAW;
	assert_int_equal(priv_judge_port(&r, NULL), -EINVAL);
}

/* Lines as a kernel on a little-endian machine prints them. */
static void port_line__tcp4_listener__read(void **state)
{
	struct priv_port_line l;
	char text[IP_TEXT];

	(void)state;
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
	assert_true(priv_port_line(
		"   1: 0100007F:0277 00000000:0000 0A 00000000:00000000 "
		"00:00000000 00000000     0        0 31337 1 0000000000000000 "
		"100 0 0 10 0\n", &l));
	assert_string_equal(ipaddr_format(&l.ip, text), "127.0.0.1");
	assert_int_equal(l.port, 631);
	assert_true(l.listening);
	assert_int_equal(l.inode, 31337);
}

static void port_line__udp6__read(void **state)
{
	struct priv_port_line l;
	char text[IP_TEXT];

	(void)state;
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		skip();
	assert_true(priv_port_line(
		" 1234: 000080FE00000000FF005450B4FEA5FE:0222 "
		"00000000000000000000000000000000:0000 07 00000000:00000000 "
		"00:00000000 00000000   101        0 999 2 0000000000000000 0\n",
		&l));
	assert_string_equal(ipaddr_format(&l.ip, text),
			    "fe80::5054:ff:fea5:feb4");
	assert_int_equal(l.port, 0x222);
	assert_false(l.listening);
	assert_int_equal(l.inode, 999);
}

static void port_line__other_text__refused(void **state)
{
	struct priv_port_line l;

	(void)state;
	assert_false(priv_port_line("  sl  local_address rem_address   st", &l));
	assert_false(priv_port_line("", &l));
	assert_false(priv_port_line("   1: 01:0277 00:0000 0A 0:0 00:0 0 0 0 1",
				    &l));
}

static struct priv_way way(const char *path, const char *folder)
{
	struct priv_way w = {.owner = 1000};

	w.len = (uint8_t)strlen(path);
	memcpy(w.path, path, w.len);
	memcpy(w.folder, folder, strlen(folder));
	return w;
}

static void judge_way__folders__only_those_of_nics(void **state)
{
	static const char *const bad[] = {
		"/run", "/run/vnet/nic", "/run/vnet/nic/.peer",
		"/run/vnet/nic/a-0", "/run/vnet/nic/a/b.peer",
		"/run/vnet/nic/../x.peer", "/run/vnet2/nic/a-0.peer",
		"/run/vnet/nic/a-0.peer/", "/run/vnet/nic/a-0.peer/x.peer",
	};
	struct priv_way w = way("/tmp/x", "/run/vnet/nic/a-0.peer");
	struct errtext why = {{0}};

	(void)state;
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), 0);
	w = way("/tmp/x", "");
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		w = way("/tmp/x", bad[i]);
		assert_int_equal(priv_judge_way(&w, "/run/vnet", &why), -EPERM);
		assert_true(why.s[0]);
	}
	memset(w.folder, 'a', sizeof(w.folder)); /* not terminated */
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), -EPERM);
}

static void judge_way__address_and_length_disagree__refused(void **state)
{
	struct priv_way w = way("/tmp/x", "");

	(void)state;
	w.len = 0;
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), -EINVAL);
	w.len = 109;
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), -EINVAL);
	w.len = 7; /* a NUL within */
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), -EINVAL);
	w.path[0] = '\0'; /* abstract: any byte may be in it */
	assert_int_equal(priv_judge_way(&w, "/run/vnet", NULL), 0);
}

static void judge_connect__anything_but_an_absolute_path__refused(void **state)
{
	struct priv_connect c = {.path = "/run/vm/a.sock", .owner = 1000};

	(void)state;
	assert_int_equal(priv_judge_connect(&c, NULL), 0);
	memcpy(c.path, "run/vm", 7);
	assert_int_equal(priv_judge_connect(&c, NULL), -EINVAL);
	c.path[0] = '\0';
	assert_int_equal(priv_judge_connect(&c, NULL), -EINVAL);
	memset(c.path, '/', sizeof(c.path));
	assert_int_equal(priv_judge_connect(&c, NULL), -EINVAL);
}

static void way_in_folder__a_plain_name_in_it__and_nothing_else(void **state)
{
	static const char folder[] = "/run/vnet/nic/a-0.peer";
	static const char *const bad[] = {
		"/run/vnet/nic/a-0.peer", "/run/vnet/nic/a-0.peer/",
		"/run/vnet/nic/a-0.peer/..", "/run/vnet/nic/a-0.peer/x/y",
		"/run/vnet/nic/a-0.peerx/y", "/run/vnet/nic/a-0.dgram",
		"a-0.peer/x",
	};
	struct priv_way w = way("/run/vnet/nic/a-0.peer/qemu", folder);

	(void)state;
	assert_true(priv_way_in_folder(&w));
	memset(w.folder, 0, sizeof(w.folder));
	assert_false(priv_way_in_folder(&w));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		w = way(bad[i], folder);
		assert_false(priv_way_in_folder(&w));
	}
}

static void judge_tap_fd__device_of_ours__and_no_other(void **state)
{
	struct priv_tap_fd t = {.name = "vn-vm1-0", .once = true};

	(void)state;
	assert_int_equal(priv_judge_tap_fd(&t, NULL), 0);
	memset(&t.plain, 2, 1);
	assert_int_equal(priv_judge_tap_fd(&t, NULL), -EINVAL);
	t = (struct priv_tap_fd){.name = "tap0"};
	assert_int_equal(priv_judge_tap_fd(&t, NULL), -EPERM);
	memset(t.name, 'v', sizeof(t.name)); /* not terminated */
	memcpy(t.name, "vn-", 3);
	assert_int_equal(priv_judge_tap_fd(&t, NULL), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge_tap__ordinary__accepted),
		cmocka_unit_test(judge_tap__foreign_name__refused),
		cmocka_unit_test(judge_tap__netns_paths__only_known_places),
		cmocka_unit_test(judge_tap__wild_numbers__refused),
		cmocka_unit_test(judge_worker__names),
		cmocka_unit_test(judge_uplink__names),
		cmocka_unit_test(judge_uplink__of_a_network__its_own_names_only),
		cmocka_unit_test(judge_tapin__names),
		cmocka_unit_test(judge_port__protocol_and_number),
		cmocka_unit_test(judge_way__folders__only_those_of_nics),
		cmocka_unit_test(judge_way__address_and_length_disagree__refused),
		cmocka_unit_test(judge_connect__anything_but_an_absolute_path__refused),
		cmocka_unit_test(way_in_folder__a_plain_name_in_it__and_nothing_else),
		cmocka_unit_test(judge_tap_fd__device_of_ours__and_no_other),
		cmocka_unit_test(port_line__tcp4_listener__read),
		cmocka_unit_test(port_line__udp6__read),
		cmocka_unit_test(port_line__other_text__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
