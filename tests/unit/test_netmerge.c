// SPDX-License-Identifier: GPL-2.0-or-later
/* links: lib */
#include "lib/netmerge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/compat.h"

static struct ip4_net net4(const char *s)
{
	struct ip4_net n;

	assert_int_equal(ip4_net_parse(s, &n, NULL), 0);
	return n;
}

static struct ip6_net net6(const char *s)
{
	struct ip6_net n;

	assert_int_equal(ip6_net_parse(s, &n, NULL), 0);
	return n;
}

static void expect4(const struct ip4_net *n, const char *want)
{
	char s[IP4_TEXT + 3];

	assert_string_equal(ip4_net_format(n, s), want);
}

static void expect6(const struct ip6_net *n, const char *want)
{
	char s[IP6_NET_TEXT];

	assert_string_equal(ip6_net_format(n, s), want);
}

static void merge4__halves_and_parts__fewest_prefixes(void **state)
{
	struct ip4_net v[] = {
		net4("10.0.3.0/24"), net4("192.168.56.0/24"),
		net4("10.0.2.0/24"), {0}, net4("10.0.2.128/25"),
		net4("10.0.0.0/23"), net4("10.0.4.0/24"),
		net4("10.0.2.0/24"),
	};

	(void)state;
	assert_int_equal(ip4_nets_merge(v, ARRAY_LEN(v)), 3);
	expect4(&v[0], "10.0.0.0/22");
	expect4(&v[1], "10.0.4.0/24");
	expect4(&v[2], "192.168.56.0/24");
}

static void merge4__neighbours_that_are_no_halves__stay(void **state)
{
	struct ip4_net v[] = {net4("10.0.1.0/24"), net4("10.0.2.0/24")};

	(void)state;
	assert_int_equal(ip4_nets_merge(v, 2), 2);
	assert_int_equal(ip4_nets_merge(v, 0), 0);
}

static void merge4__random__same_addresses(void **state)
{
	struct ip4_net v[24], m[24];
	unsigned int seed = 7;

	(void)state;
	for (int turn = 0; turn < 2000; turn++) {
		size_t k;

		for (size_t i = 0; i < 24; i++) {
			seed = seed * 1103515245 + 12345;
			v[i].plen = (uint8_t)(26 + (seed >> 16) % 7);
			v[i].addr = (0x0a000000 | (seed >> 20 & 0xff)) &
				    ip4_mask(v[i].plen);
		}
		memcpy(m, v, sizeof(v));
		k = ip4_nets_merge(m, 24);
		for (uint32_t ip = 0x0a000000; ip < 0x0a000100; ip++) {
			unsigned int a = 0, b = 0;

			for (size_t i = 0; i < 24; i++)
				a += ip4_in_net(ip, &v[i]);
			for (size_t i = 0; i < k; i++)
				b += ip4_in_net(ip, &m[i]);
			assert_int_equal(a > 0, b);
		}
	}
}

static void merge6__halves_and_parts__fewest_prefixes(void **state)
{
	struct ip6_net v[] = {
		net6("fd00:0:0:3::/64"), net6("fd00:0:0:2::/64"),
		net6("fd00:0:0:2:8000::/65"), net6("2001:db8::/32"),
		net6("fd00::/63"), {{{0}}, 0},
	};

	(void)state;
	assert_int_equal(ip6_nets_merge(v, ARRAY_LEN(v)), 2);
	expect6(&v[0], "2001:db8::/32");
	expect6(&v[1], "fd00::/62");
}

static void gap__first_free_24(void **state)
{
	struct ip4_net v[] = {
		net4("10.0.2.0/23"), net4("10.0.4.64/26"), net4("10.0.6.0/24"),
	};
	size_t n;

	(void)state;
	n = ip4_nets_merge(v, ARRAY_LEN(v));
	assert_int_equal(ip4_nets_gap(v, n, 0x0a000100, 0x0a00ff00), 0x0a000100);
	assert_int_equal(ip4_nets_gap(v, n, 0x0a000200, 0x0a00ff00), 0x0a000500);
	assert_int_equal(ip4_nets_gap(v, n, 0x0a000600, 0x0a00ff00), 0x0a000700);
	assert_int_equal(ip4_nets_gap(v, n, 0x0a000200, 0x0a000400), 0);
	assert_int_equal(ip4_nets_gap(v, 0, 0x0a000200, 0x0a000400), 0x0a000200);
	v[0] = net4("0.0.0.0/1");
	v[1] = net4("128.0.0.0/1");
	assert_int_equal(ip4_nets_gap(v, 2, 0x0a000200, 0xffffff00), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge4__halves_and_parts__fewest_prefixes),
		cmocka_unit_test(merge4__neighbours_that_are_no_halves__stay),
		cmocka_unit_test(merge4__random__same_addresses),
		cmocka_unit_test(merge6__halves_and_parts__fewest_prefixes),
		cmocka_unit_test(gap__first_free_24),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
