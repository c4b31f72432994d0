// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core */
/* The table of prefixes behind guests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "nat/routes6.h"

static struct nat_route6 route(const char *net, uint64_t nic)
{
	struct nat_route6 r = {.nic_id = nic, .via = {{0xfe, 0x80, [15] = 9}}};

	assert_int_equal(ip6_net_parse(net, &r.net, NULL), 0);
	return r;
}

static uint64_t nic_of(const struct routes6 *t, const char *ip)
{
	const struct nat_route6 *r;
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(ip, &a), 0);
	r = routes6_find(t, &a);
	return r ? r->nic_id : 0;
}

static void find__among_many__the_one_that_covers(void **state)
{
	struct routes6 t = {0};
	char s[64];

	(void)state;
	assert_int_equal(nic_of(&t, "fd00::1"), 0);
	for (unsigned int i = 100; i > 0; i--) {
		struct nat_route6 r;

		snprintf(s, sizeof(s), "fd00:0:%x::/48", 2 * i);
		r = route(s, i);
		assert_int_equal(routes6_set(&t, &r), 0);
	}
	for (unsigned int i = 1; i <= 100; i++) {
		snprintf(s, sizeof(s), "fd00:0:%x:ffff::1", 2 * i);
		assert_int_equal(nic_of(&t, s), i);
		snprintf(s, sizeof(s), "fd00:0:%x::1", 2 * i + 1);
		assert_int_equal(nic_of(&t, s), 0);
	}
	assert_int_equal(nic_of(&t, "10.0.0.1"), 0);
	assert_int_equal(nic_of(&t, "::"), 0);
	assert_int_equal(nic_of(&t, "ffff::"), 0);
	routes6_fini(&t);
}

static void set__same_or_overlapping__replaced_or_refused(void **state)
{
	struct nat_route6 a = route("fd00:0:0:10::/60", 1),
			  b = route("fd00:0:0:18::/64", 2),
			  c = route("fd00::/48", 3);
	struct routes6 t = {0};

	(void)state;
	assert_int_equal(routes6_set(&t, &a), 0);
	assert_int_equal(routes6_set(&t, &b), -EEXIST);
	assert_int_equal(routes6_set(&t, &c), -EEXIST);
	a.nic_id = 7;
	assert_int_equal(routes6_set(&t, &a), 0);
	assert_int_equal(nic_of(&t, "fd00:0:0:1f::1"), 7);
	assert_int_equal(t.n, 1);
	assert_int_equal(routes6_del(&t, &b.net), -ENOENT);
	assert_int_equal(routes6_del(&t, &a.net), 0);
	assert_int_equal(routes6_del(&t, &a.net), -ENOENT);
	assert_int_equal(routes6_set(&t, &b), 0);
	c.via = ipaddr_any;
	assert_int_equal(routes6_set(&t, &c), -EINVAL);
	routes6_fini(&t);
}

static void set__full__refused(void **state)
{
	struct routes6 t = {0};
	struct nat_route6 r = route("fd00::/64", 1);

	(void)state;
	for (unsigned int i = 0; i < NAT_ROUTES_MAX; i++) {
		r.net.addr.b[6] = (uint8_t)(i >> 8);
		r.net.addr.b[7] = (uint8_t)i;
		assert_int_equal(routes6_set(&t, &r), 0);
	}
	r.net.addr.b[2] = 1;
	assert_int_equal(routes6_set(&t, &r), -ENOSPC);
	routes6_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(find__among_many__the_one_that_covers),
		cmocka_unit_test(set__same_or_overlapping__replaced_or_refused),
		cmocka_unit_test(set__full__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
