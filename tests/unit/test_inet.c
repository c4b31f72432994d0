// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses, prefixes and their text forms. */
#include "lib/inet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/compat.h"

static void mac_parse__good__bytes(void **state)
{
	struct mac m;
	char buf[MAC_TEXT];

	(void)state;
	assert_int_equal(mac_parse("52:54:00:aB:Cd:ff", &m), 0);
	assert_memory_equal(m.b, "\x52\x54\x00\xab\xcd\xff", 6);
	assert_string_equal(mac_format(&m, buf), "52:54:00:ab:cd:ff");
	assert_int_equal(mac_parse("00-11-22-33-44-55", &m), 0);
	assert_memory_equal(m.b, "\x00\x11\x22\x33\x44\x55", 6);
}

static void mac_parse__bad__refused_and_untouched(void **state)
{
	static const char *const bad[] = {
		"",
		"5",
		"52:54:00:12:34",
		"52:54:00:12:34:",
		"52:54:00:12:34:5",
		"52:54:00:12:34:567",
		"52:54:00:12:34:56:",
		"52:54:00:12:34:56 ",
		" 52:54:00:12:34:56",
		"52:54:00:12:34:5g",
		"525400123456",
		"5:54:00:12:34:56",
		"52.54.00.12.34.56",
		"0x:54:00:12:34:56",
	};
	struct mac m = {{1, 2, 3, 4, 5, 6}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *exact = strdup(bad[i]); /* ASan sees reads behind NUL */

		assert_int_equal(mac_parse(exact, &m), -EINVAL);
		free(exact);
	}
	assert_memory_equal(m.b, "\1\2\3\4\5\6", 6);
}

static void mac__kinds__told_apart(void **state)
{
	struct mac zero = {{0}}, one = {{0x52, 0x54, 0, 0, 0, 1}};

	(void)state;
	assert_true(mac_is_zero(&zero));
	assert_false(mac_is_zero(&one));
	assert_true(mac_is_group(&mac_broadcast));
	assert_false(mac_is_group(&one));
	assert_true(mac_eq(&one, &one));
	assert_false(mac_eq(&one, &zero));
}

static void ip4_parse__four_parts_only(void **state)
{
	static const char *const bad[] = {
		"",	      "1",	    "10.0.2",	 "10.0.2.",
		"10.0.2.256", "10.0.2.3.4", "10.0.2.3 ", " 10.0.2.3",
		"10.0.2.0x1", "a.b.c.d",    "10.0.2.-1", "010.0.2.1",
		"::1",
	};
	uint32_t ip = 42;
	char buf[IP4_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(ip4_parse(bad[i], &ip), -EINVAL);
	assert_int_equal(ip, 42);
	assert_int_equal(ip4_parse("10.0.2.15", &ip), 0);
	assert_int_equal(ip, 0x0a00020f);
	assert_string_equal(ip4_format(ip, buf), "10.0.2.15");
	assert_string_equal(ip4_format(0xffffffff, buf), "255.255.255.255");
	assert_string_equal(ip4_format(0, buf), "0.0.0.0");
}

static void ip4_net_parse__good__prefix_and_host(void **state)
{
	char buf[IP4_TEXT + 3];
	struct ip4_net n;
	uint32_t host;

	(void)state;
	assert_int_equal(ip4_net_parse("10.0.2.0/24", &n, NULL), 0);
	assert_int_equal(n.addr, 0x0a000200);
	assert_int_equal(n.plen, 24);
	assert_string_equal(ip4_net_format(&n, buf), "10.0.2.0/24");
	assert_int_equal(ip4_net_parse("10.0.2.7/24", &n, &host), 0);
	assert_int_equal(n.addr, 0x0a000200);
	assert_int_equal(host, 0x0a000207);
	assert_int_equal(ip4_net_parse("0.0.0.0/0", &n, NULL), 0);
	assert_int_equal(n.plen, 0);
	assert_int_equal(ip4_net_parse("255.255.255.255/32", &n, NULL), 0);
	assert_string_equal(ip4_net_format(&n, buf), "255.255.255.255/32");
}

static void ip4_net_parse__bad__refused_and_untouched(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"10.0.2.0",
		"10.0.2.0/",
		"10.0.2.0/33",
		"10.0.2.0/-1",
		"10.0.2.0/+1",
		"10.0.2.0/ 8",
		"10.0.2.0/24x",
		"10.0.2.0/24/24",
		"10.0.2.7/24", /* host bits, and nobody to take them */
		"10.0.2/24",
		"/24",
		"10.0.2.0/4294967320",
		"10.0.2.0/18446744073709551640",
		"10.0.2.0/024",
		"255.255.255.2555/32",
		"fd00::/8",
	};
	struct ip4_net n = {.addr = 1, .plen = 2};
	uint32_t host = 3;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(ip4_net_parse(bad[i], &n, NULL), -EINVAL);
		if (i != 10)
			assert_int_equal(ip4_net_parse(bad[i], &n, &host),
					 -EINVAL);
	}
	assert_int_equal(n.addr, 1);
	assert_int_equal(n.plen, 2);
	assert_int_equal(host, 3);
}

static void ip4_mask__every_length(void **state)
{
	(void)state;
	assert_int_equal(ip4_mask(0), 0);
	assert_int_equal(ip4_mask(1), 0x80000000);
	assert_int_equal(ip4_mask(24), 0xffffff00);
	assert_int_equal(ip4_mask(32), 0xffffffff);
}

static void ip4_net_overlap__symmetric_and_right(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} v[] = {
		{"10.0.2.0/24", "10.0.2.0/24", true},
		{"10.0.2.0/24", "10.0.3.0/24", false},
		{"10.0.0.0/8", "10.255.255.0/24", true},
		{"10.0.2.0/23", "10.0.3.0/24", true},
		{"0.0.0.0/0", "192.168.1.1/32", true},
		{"192.168.1.0/31", "192.168.1.2/31", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct ip4_net a, b;

		assert_int_equal(ip4_net_parse(v[i].a, &a, NULL), 0);
		assert_int_equal(ip4_net_parse(v[i].b, &b, NULL), 0);
		assert_int_equal(ip4_net_overlap(&a, &b), v[i].overlap);
		assert_int_equal(ip4_net_overlap(&b, &a), v[i].overlap);
	}
}

static void ip4__kinds__told_apart(void **state)
{
	(void)state;
	assert_true(ip4_is_loopback(0x7f000001));
	assert_true(ip4_is_loopback(0x7fffffff));
	assert_false(ip4_is_loopback(0x80000000));
	assert_true(ip4_is_multicast(0xe0000001));
	assert_true(ip4_is_multicast(0xefffffff));
	assert_false(ip4_is_multicast(0xf0000000));
}

/* RFC 4291 2.5.5.2 */
static void ipaddr_parse__both_families(void **state)
{
	static const char *const bad[] = {"",	     "10.0.2", "fe80::1%eth0",
					  "1::2::3", "host",   "[::1]",
					  "::1/64"};
	struct ipaddr a, b;
	char buf[IP_TEXT];

	(void)state;
	assert_int_equal(ipaddr_parse("10.0.2.15", &a), 0);
	assert_true(ipaddr_is4(&a));
	assert_int_equal(ipaddr_get4(&a), 0x0a00020f);
	assert_string_equal(ipaddr_format(&a, buf), "10.0.2.15");
	assert_int_equal(ipaddr_parse("::ffff:10.0.2.15", &b), 0);
	assert_true(ipaddr_eq(&a, &b));
	assert_int_equal(ipaddr_parse("fd00::1", &a), 0);
	assert_false(ipaddr_is4(&a));
	assert_false(ipaddr_eq(&a, &b));
	assert_string_equal(ipaddr_format(&a, buf), "fd00::1");
	b = a;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(ipaddr_parse(bad[i], &a), -EINVAL);
	assert_true(ipaddr_eq(&a, &b));
	assert_int_equal(ipaddr_parse("ffff:ffff:ffff:ffff:ffff:ffff:"
				      "ffff:ffff",
				      &a),
			 0);
	assert_int_equal(strlen(ipaddr_format(&a, buf)), 39);
}

static void ipaddr_sockaddr__round_trip__both_families(void **state)
{
	static const char *const text[] = {"192.0.2.1", "2001:db8::1"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_storage ss;
		struct ipaddr a, b;
		uint16_t port = 0;
		socklen_t len;

		assert_int_equal(ipaddr_parse(text[i], &a), 0);
		len = ipaddr_to_sockaddr(&a, 0x1234, &ss);
		assert_int_equal(ss.ss_family, i ? AF_INET6 : AF_INET);
		assert_int_equal(len, i ? sizeof(struct sockaddr_in6)
					: sizeof(struct sockaddr_in));
		assert_int_equal(ipaddr_from_sockaddr(&ss, &b, &port), 0);
		assert_int_equal(port, 0x1234);
		assert_true(ipaddr_eq(&a, &b));
		ss.ss_family = AF_UNIX;
		assert_int_equal(ipaddr_from_sockaddr(&ss, &b, &port),
				 -EAFNOSUPPORT);
	}
}

static struct ipaddr ip(const char *s)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(s, &a), 0);
	return a;
}

static void ip6_net_parse__good__prefix_and_host(void **state)
{
	struct ipaddr host, want = ip("fd00:1:2:3::15");
	struct ip6_net n;
	char buf[IP6_NET_TEXT];

	(void)state;
	assert_int_equal(ip6_net_parse("fd00:1:2:3::/64", &n, NULL), 0);
	assert_int_equal(n.plen, 64);
	assert_string_equal(ip6_net_format(&n, buf), "fd00:1:2:3::/64");
	assert_int_equal(ip6_net_parse("fd00:1:2:3::15/64", &n, &host), 0);
	assert_true(ipaddr_eq(&host, &want));
	assert_string_equal(ip6_net_format(&n, buf), "fd00:1:2:3::/64");
	assert_int_equal(ip6_net_parse("::/0", &n, NULL), 0);
	assert_int_equal(ip6_net_parse("fe80::/10", &n, NULL), 0);
	assert_int_equal(
		ip6_net_parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
			      &n, NULL),
		0);
	assert_string_equal(ip6_net_format(&n, buf),
			    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void ip6_net_parse__bad__refused_and_untouched(void **state)
{
	static const char *const bad[] = {
		"",		"fd00::",	 "fd00::/",	"fd00::/129",
		"fd00::/064",	"fd00::1/64",	 "fd00::/ 64",	"fd00::/-1",
		"10.0.2.0/24",	"fd00::%lo/64",	 "fd00:/64",	"fd00::/1280",
		"::ffff:10.0.0.0/104", "fd00::/64/64", "/64",
	};
	struct ip6_net n = {{{7}}, 9};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *exact = strdup(bad[i]);

		assert_int_equal(ip6_net_parse(exact, &n, NULL), -EINVAL);
		free(exact);
	}
	assert_int_equal(n.addr.b[0], 7);
	assert_int_equal(n.plen, 9);
}

static void ipaddr_in_net6__every_length_and_ipv4(void **state)
{
	struct ipaddr all, v4 = ip("10.0.2.15");

	(void)state;
	memset(all.b, 0xff, 16);
	for (unsigned int plen = 0; plen <= 128; plen++) {
		struct ip6_net n = {all, (uint8_t)plen};
		struct ipaddr in = all, out = all;

		for (unsigned int i = plen; i < 128; i++)
			n.addr.b[i / 8] &= (uint8_t)~(0x80u >> i % 8);
		assert_true(ipaddr_in_net6(&in, &n));
		if (plen) {
			out.b[(plen - 1) / 8] ^= (uint8_t)(0x80u >>
							   (plen - 1) % 8);
			assert_false(ipaddr_in_net6(&out, &n));
		}
		assert_false(ipaddr_in_net6(&v4, &n));
	}
}

static void ip6_net_overlap__symmetric_and_right(void **state)
{
	static const struct {
		const char *a, *b;
		bool yes;
	} t[] = {
		{"fd00::/64", "fd00::/64", true},
		{"fd00::/64", "fd00::/8", true},
		{"fd00::/64", "fd00:0:0:1::/64", false},
		{"::/0", "2001:db8::/32", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ip6_net a, b;

		assert_int_equal(ip6_net_parse(t[i].a, &a, NULL), 0);
		assert_int_equal(ip6_net_parse(t[i].b, &b, NULL), 0);
		assert_int_equal(ip6_net_overlap(&a, &b), t[i].yes);
		assert_int_equal(ip6_net_overlap(&b, &a), t[i].yes);
	}
}

static void ipaddr__kinds__told_apart(void **state)
{
	static const struct {
		const char *text;
		bool any, loop, multi, link;
	} t[] = {
		{"::", true, false, false, false},
		{"0.0.0.0", true, false, false, false},
		{"::1", false, true, false, false},
		{"127.1.2.3", false, true, false, false},
		{"::2", false, false, false, false},
		{"ff02::1", false, false, true, false},
		{"224.0.0.1", false, false, true, false},
		{"fe80::1", false, false, false, true},
		{"febf::1", false, false, false, true},
		{"fec0::1", false, false, false, false},
		{"169.254.1.1", false, false, false, true},
		{"fd00::1", false, false, false, false},
		{"2001:db8::1", false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct ipaddr a = ip(t[i].text);

		assert_int_equal(ipaddr_is_any(&a), t[i].any);
		assert_int_equal(ipaddr_is_loopback(&a), t[i].loop);
		assert_int_equal(ipaddr_is_multicast(&a), t[i].multi);
		assert_int_equal(ipaddr_is_linklocal(&a), t[i].link);
	}
}

static void ipaddr__derived_from_mac_and_address__as_the_rfcs_show(void **state)
{
	struct mac m = {{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}}, g;
	struct ipaddr a = ipaddr_linklocal(&m), s;
	char buf[IP_TEXT];

	(void)state;
	assert_string_equal(ipaddr_format(&a, buf), "fe80::5054:ff:fe12:3456");
	/* The example of RFC 4291 2.7.1. */
	a = ip("4037::01:800:200e:8c6c");
	s = ipaddr_solicited_node(&a);
	assert_string_equal(ipaddr_format(&s, buf), "ff02::1:ff0e:8c6c");
	g = ipaddr_multicast_mac(&s);
	assert_memory_equal(g.b, "\x33\x33\xff\x0e\x8c\x6c", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mac_parse__good__bytes),
		cmocka_unit_test(mac_parse__bad__refused_and_untouched),
		cmocka_unit_test(mac__kinds__told_apart),
		cmocka_unit_test(ip4_parse__four_parts_only),
		cmocka_unit_test(ip4_net_parse__good__prefix_and_host),
		cmocka_unit_test(ip4_net_parse__bad__refused_and_untouched),
		cmocka_unit_test(ip4_mask__every_length),
		cmocka_unit_test(ip4_net_overlap__symmetric_and_right),
		cmocka_unit_test(ip4__kinds__told_apart),
		cmocka_unit_test(ipaddr_parse__both_families),
		cmocka_unit_test(ipaddr_sockaddr__round_trip__both_families),
		cmocka_unit_test(ip6_net_parse__good__prefix_and_host),
		cmocka_unit_test(ip6_net_parse__bad__refused_and_untouched),
		cmocka_unit_test(ipaddr_in_net6__every_length_and_ipv4),
		cmocka_unit_test(ip6_net_overlap__symmetric_and_right),
		cmocka_unit_test(ipaddr__kinds__told_apart),
		cmocka_unit_test(
			ipaddr__derived_from_mac_and_address__as_the_rfcs_show),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
