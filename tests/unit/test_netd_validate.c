// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/compat.h"
#include "netd/validate.h"

static struct net_conf make(enum net_mode mode, const char *subnet,
			    const char *dhcp, int expect)
{
	struct net_spec spec = {.name = "lab", .mode = mode, .dhcp = dhcp};
	struct net_conf c = {0};
	struct errtext why = {""};
	struct ip4_net n;

	if (subnet) {
		assert_int_equal(ip4_net_parse(subnet, &n, NULL), 0);
		spec.subnet = &n;
	}
	if (mode == NET_BRIDGED)
		spec.uplink.uplink = "eth0";
	assert_int_equal(net_conf_make(&spec, NULL, 0, &c, &why), expect);
	if (expect)
		assert_true(why.s[0] != '\0');
	return c;
}

static void make__nat__defaults(void **state)
{
	struct net_conf c = make(NET_NAT, NULL, NULL, 0);

	(void)state;
	assert_int_equal(c.subnet.addr, 0x0a000200);
	assert_int_equal(c.service_ip, 0x0a000202);
	assert_int_equal(c.dns_ip, 0x0a000203);
	assert_int_equal(c.dhcp_first, 0x0a00020f);
	assert_int_equal(c.dhcp_last, 0x0a0002fe);
	assert_int_equal(c.mtu, 1500);
	assert_string_equal(c.domain, "lab.vnet");
}

static void make__hostonly__defaults(void **state)
{
	struct net_conf c = make(NET_HOSTONLY, NULL, NULL, 0);

	(void)state;
	assert_int_equal(c.host_ip, 0xc0a83801);
	assert_int_equal(c.service_ip, 0xc0a83864);
	assert_int_equal(c.dhcp_first, 0xc0a83865);
	assert_int_equal(c.dns_ip, 0);
}

static void make__internal__dhcp_only_with_subnet(void **state)
{
	struct net_conf c = make(NET_INTERNAL, NULL, NULL, 0);

	(void)state;
	assert_int_equal(c.subnet.plen, 0);
	assert_int_equal(c.dhcp_first, 0);
	make(NET_INTERNAL, NULL, "on", -EINVAL);
	c = make(NET_INTERNAL, "10.9.0.0/24", NULL, 0);
	assert_int_equal(c.service_ip, 0x0a090001);
	assert_int_equal(c.dhcp_first, 0x0a090002);
	c = make(NET_INTERNAL, "10.9.0.0/24", "off", 0);
	assert_int_equal(c.dhcp_first, 0);
}

static void make__bridged__nothing_of_ours(void **state)
{
	struct net_conf c = make(NET_BRIDGED, NULL, NULL, 0);

	(void)state;
	assert_string_equal(c.uplink, "eth0");
	make(NET_BRIDGED, "10.0.0.0/24", NULL, -EINVAL);
	make(NET_BRIDGED, NULL, "on", -EINVAL);
}

static void make__every_size__consistent(void **state)
{
	char s[32];

	(void)state;
	for (int plen = 8; plen <= 29; plen++)
		for (int mode = 0; mode <= NET_INTERNAL; mode++) {
			struct net_conf c;

			if (mode == NET_BRIDGED)
				continue;
			snprintf(s, sizeof(s), "10.0.0.0/%d", plen);
			c = make((enum net_mode)mode, s, NULL, 0);
			assert_true(c.dhcp_first <= c.dhcp_last);
		}
	make(NET_NAT, "10.0.0.0/30", NULL, -EINVAL);
	make(NET_NAT, "10.0.0.0/7", NULL, -EINVAL);
	make(NET_NAT, "127.0.0.0/24", NULL, -EINVAL);
	make(NET_NAT, "224.0.0.0/24", NULL, -EINVAL);
	make(NET_NAT, "0.0.0.0/8", NULL, -EINVAL);
}

static void make__pool__judged(void **state)
{
	struct net_conf c = make(NET_NAT, NULL, "10.0.2.50-10.0.2.60", 0);

	(void)state;
	assert_int_equal(c.dhcp_first, 0x0a000232);
	make(NET_NAT, NULL, "10.0.2.60-10.0.2.50", -EINVAL);
	make(NET_NAT, NULL, "10.0.2.1-10.0.2.50", -EINVAL); /* has .2 */
	make(NET_NAT, NULL, "10.0.3.1-10.0.3.50", -EINVAL);
	make(NET_NAT, NULL, "10.0.2.50-10.0.2.255", -EINVAL);
	make(NET_NAT, NULL, "10.0.2.50", -EINVAL);
	make(NET_NAT, "10.0.0.0/8", "10.0.1.0-10.1.1.0", -EINVAL);
	c = make(NET_NAT, "10.0.0.0/8", NULL, 0);
	assert_int_equal(c.dhcp_last - c.dhcp_first, POOL_MAX - 1);
	make(NET_NAT, NULL, "maybe", -EINVAL);
	make(NET_NAT, NULL, "-", -EINVAL);
	make(NET_NAT, NULL, "", -EINVAL);
}

static void make__taken_subnets__skipped_or_refused(void **state)
{
	struct net_used used[] = {
		{{0x0a000200, 24}, "network red"},
		{{0x0a000300, 25}, "a route of the host via eth0"},
	};
	struct net_spec spec = {.name = "x", .mode = NET_NAT};
	struct ip4_net wide = {0x0a000000, 8};
	struct errtext why = {""};
	struct net_conf c;

	(void)state;
	assert_int_equal(net_conf_make(&spec, used, 2, &c, &why), 0);
	assert_int_equal(c.subnet.addr, 0x0a000400);
	spec.subnet = &wide;
	assert_int_equal(net_conf_make(&spec, used, 2, &c, &why), -EEXIST);
	assert_string_equal(why.s, "subnet 10.0.0.0/8 overlaps network red "
				   "(10.0.2.0/24)");
}

static void make__all_taken__sentence(void **state)
{
	struct net_used used[] = {{{0x0a000000, 8}, "all"},
				  {{0xc0a80000, 16}, "all"}};
	struct net_spec spec = {.name = "x", .mode = NET_HOSTONLY};
	struct errtext why = {""};
	struct net_conf c;

	(void)state;
	assert_int_equal(net_conf_make(&spec, used, 2, &c, &why), -EEXIST);
	assert_non_null(strstr(why.s, "no free subnet"));
}

static void name__odd_ones__refused(void **state)
{
	static const char *const bad[] = {
		"", ".", "-a", "a b", "a/b", "../x", "a\n", "ä",
		"12345678901234567890123456789012345678901234567890"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(validate_name("name", bad[i], NULL), -EINVAL);
	assert_int_equal(validate_name("name", "My-VM_1.x", NULL), 0);
	assert_int_equal(validate_domain("a..b", NULL), -EINVAL);
	assert_int_equal(validate_domain("a.b.", NULL), -EINVAL);
	assert_int_equal(validate_domain("lab.vnet", NULL), 0);
	assert_int_equal(validate_hostname("-x", NULL), -EINVAL);
	assert_int_equal(validate_ifname("sixteen-letters-", NULL), -EINVAL);
	assert_int_equal(validate_ifname("eth0/1", NULL), -EINVAL);
}

static void dev_name__long__cut_and_distinct(void **state)
{
	char a[IFNAMSIZ], b[IFNAMSIZ];

	(void)state;
	dev_name("vn-", "MyVM", 0, a);
	assert_string_equal(a, "vn-MyVM-0");
	dev_name("vn-br-", "production-network-one", -1, a);
	dev_name("vn-br-", "production-network-two", -1, b);
	assert_true(strlen(a) < IFNAMSIZ);
	assert_string_not_equal(a, b);
	assert_memory_equal(a, "vn-br-", 6);
	dev_name("vn-", "a-virtual-machine", 31, a);
	assert_true(strlen(a) == 15);
}

static void forward__overlap(void **state)
{
	struct fwd_conf a = {.proto = 6, .port = 10, .port_end = 20};
	struct fwd_conf b = a;

	(void)state;
	assert_true(fwd_overlap(&a, &b));
	b.port = b.port_end = 21;
	assert_false(fwd_overlap(&a, &b));
	b.port = 20;
	assert_true(fwd_overlap(&a, &b));
	a.address = ipaddr_from4(0x7f000001);
	assert_true(fwd_overlap(&a, &b)); /* all addresses contain it */
	b.address = ipaddr_from4(0x7f000002);
	assert_false(fwd_overlap(&a, &b));
	b.address = a.address;
	b.proto = 17;
	assert_false(fwd_overlap(&a, &b));
}

/* ---- IPv6 ---------------------------------------------------------------- */

static const struct ip6_net ula = {{{0xfd, 1, 2, 3, 4, 5}}, 48};

/* Mode, IPv4 subnet, subnet6 as asked for, with the first prefix of ours taken. */
static int make6(enum net_mode mode, const char *subnet6, uint16_t mtu,
		 struct net_conf *c, struct errtext *why)
{
	const struct net_used used[] = {
		{.net = {0x0a000200, 24}, .what = "network red"},
		{.net6 = {{{0xfd, 1, 2, 3, 4, 5, 0, 1}}, 64},
		 .what = "network red"},
	};
	const struct ip4_net n = {0x0a090000, 24};
	struct net_spec spec = {.name = "lab", .mode = mode, .mtu = mtu,
				.subnet6 = subnet6, .ula = &ula};

	if (mode == NET_BRIDGED)
		spec.uplink.uplink = "eth0";
	else if (mode != NET_INTERNAL)
		spec.subnet = &n;
	memset(c, 0, sizeof(*c));
	why->s[0] = '\0';
	return net_conf_make(&spec, used, ARRAY_LEN(used), c, why);
}

static void subnet6__left_open__next_of_the_installation(void **state)
{
	struct errtext why;
	struct ipaddr ip;
	struct net_conf c;
	char s[IP6_NET_TEXT];

	(void)state;
	assert_int_equal(make6(NET_NAT, NULL, 0, &c, &why), 0);
	assert_string_equal(ip6_net_format(&c.subnet6, s), "fd01:203:405:2::/64");
	ip = net_service_ip6(&c);
	assert_int_equal(ip.b[15], 2);
	ip = net_dns_ip6(&c);
	assert_int_equal(ip.b[15], 3);
	ip = net_host_ip6(&c);
	assert_true(ipaddr_is_zero(&ip));
	assert_int_equal(make6(NET_HOSTONLY, "auto", 0, &c, &why), 0);
	ip = net_host_ip6(&c);
	assert_string_equal(ipaddr_format(&ip, s), "fd01:203:405:2::1");
	ip = net_dns_ip6(&c);
	assert_true(ipaddr_is_zero(&ip));
}

static void subnet6__off_or_impossible__none(void **state)
{
	struct errtext why;
	struct net_conf c;

	(void)state;
	assert_int_equal(make6(NET_NAT, "off", 0, &c, &why), 0);
	assert_int_equal(c.subnet6.plen, 0);
	assert_int_equal(make6(NET_NAT, NULL, 1000, &c, &why), 0);
	assert_int_equal(c.subnet6.plen, 0);
	assert_int_equal(make6(NET_BRIDGED, NULL, 0, &c, &why), 0);
	assert_int_equal(c.subnet6.plen, 0);
	/* Without a subnet nothing of ours is there, and nothing comes unasked. */
	assert_int_equal(make6(NET_INTERNAL, NULL, 0, &c, &why), 0);
	assert_int_equal(c.subnet6.plen, 0);
	assert_false(net_has_services(&c));
}

static void subnet6__given__judged(void **state)
{
	static const struct {
		enum net_mode mode;
		const char *subnet6;
		int expect;
		uint16_t mtu;
	} cases[] = {
		{NET_NAT, "fd00:1::/64", 0, 0},
		{NET_NAT, "2001:db8:1:2::/64", 0, 0},
		{NET_NAT, "fd00:1::/48", -EINVAL, 0},
		{NET_NAT, "fd00:1::1/64", -EINVAL, 0},
		{NET_NAT, "fe80::/64", -EINVAL, 0},
		{NET_NAT, "ff02::/64", -EINVAL, 0},
		{NET_NAT, "::/64", -EINVAL, 0},
		{NET_NAT, "10.0.0.0/24", -EINVAL, 0},
		{NET_NAT, "on", -EINVAL, 0},
		{NET_NAT, "", -EINVAL, 0},
		{NET_NAT, "auto", -EINVAL, 1279},
		{NET_NAT, "fd01:203:405:1::/64", -EEXIST, 0},
		{NET_BRIDGED, "auto", -EINVAL, 0},
		{NET_INTERNAL, "auto", -EINVAL, 0},
	};
	struct errtext why;
	struct net_conf c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(make6(cases[i].mode, cases[i].subnet6,
				       cases[i].mtu, &c, &why),
				 cases[i].expect);
		assert_true(!cases[i].expect == !why.s[0]);
	}
	assert_int_equal(make6(NET_NAT, "fd01:203:405:1::/64", 0, &c, &why),
			 -EEXIST);
	assert_string_equal(why.s, "IPv6 subnet fd01:203:405:1::/64 overlaps "
				   "network red (fd01:203:405:1::/64)");
}

static void guest_ip6__own_and_foreign__refused(void **state)
{
	static const struct {
		const char *ip;
		bool ok;
	} cases[] = {
		{"fd01:203:405:2::", false},   {"fd01:203:405:2::2", false},
		{"fd01:203:405:2::3", false},  {"fd01:203:405:2::1", true},
		{"fd01:203:405:2::15", true},  {"fd01:203:405:3::15", false},
		{"fe80::15", false},	       {"10.9.0.15", false},
	};
	struct errtext why;
	struct ipaddr ip;
	struct net_conf c;

	(void)state;
	assert_int_equal(make6(NET_NAT, NULL, 0, &c, &why), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(ipaddr_parse(cases[i].ip, &ip), 0);
		assert_int_equal(!net_guest_ip6(&c, &ip, NULL), cases[i].ok);
	}
	c.subnet6.plen = 0;
	assert_int_equal(net_guest_ip6(&c, &ip, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make__nat__defaults),
		cmocka_unit_test(make__hostonly__defaults),
		cmocka_unit_test(make__internal__dhcp_only_with_subnet),
		cmocka_unit_test(make__bridged__nothing_of_ours),
		cmocka_unit_test(make__every_size__consistent),
		cmocka_unit_test(make__pool__judged),
		cmocka_unit_test(make__taken_subnets__skipped_or_refused),
		cmocka_unit_test(make__all_taken__sentence),
		cmocka_unit_test(name__odd_ones__refused),
		cmocka_unit_test(dev_name__long__cut_and_distinct),
		cmocka_unit_test(forward__overlap),
		cmocka_unit_test(subnet6__left_open__next_of_the_installation),
		cmocka_unit_test(subnet6__off_or_impossible__none),
		cmocka_unit_test(subnet6__given__judged),
		cmocka_unit_test(guest_ip6__own_and_foreign__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
