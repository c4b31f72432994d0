// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
/* Settings of nat networks: the words, lists of ports, what goes together. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/compat.h"
#include "netd/natconf.h"

static void allow_parse__list__sorted_and_formatted(void **state)
{
	struct nat_allow a[NAT_ALLOW_MAX];
	char s[CONF_ALLOW_MAX + 1];
	int n = natconf_allow_parse("udp:53,tcp:8000-8010,tcp:22", a, NULL);

	(void)state;
	assert_int_equal(n, 3);
	assert_int_equal(a[0].proto, NAT_TCP);
	assert_int_equal(a[0].first, 22);
	assert_int_equal(a[1].last, 8010);
	assert_int_equal(a[2].proto, NAT_UDP);
	natconf_allow_format(a, n, s);
	assert_string_equal(s, "tcp:22,tcp:8000-8010,udp:53");
	assert_int_equal(natconf_allow_parse("", a, NULL), 0);
}

static void allow_parse__nonsense__refused(void **state)
{
	static const char *const bad[] = {
		"tcp",	      "tcp:",	     "tcp:0",	  "tcp:65536", "22",
		"tcp:22,",    ",tcp:22",     "tcp:9-8",	  "tcp:1-",    "icmp:1",
		"tcp:22 ",    "tcp:-1",	     "tcp:1-2-3", "tcp:22;udp:53",
		"tcp:100000", "tcp:1000000", "TCP:22",	  "tcp:+22",
	};
	struct nat_allow a[NAT_ALLOW_MAX];
	struct errtext why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(natconf_allow_parse(bad[i], a, &why), -EINVAL);
}

static void allow_parse__too_many__refused(void **state)
{
	char s[2 * CONF_ALLOW_MAX] = "", back[CONF_ALLOW_MAX + 1];
	struct nat_allow a[NAT_ALLOW_MAX];
	size_t at = 0;

	(void)state;
	for (int i = 0; i < NAT_ALLOW_MAX; i++)
		at += (size_t)snprintf(s + at, sizeof(s) - at, "%stcp:%d-65535",
				       i ? "," : "", 10000 + i);
	assert_int_equal(natconf_allow_parse(s, a, NULL), NAT_ALLOW_MAX);
	natconf_allow_format(a, NAT_ALLOW_MAX, back);
	assert_string_equal(back, s);
	snprintf(s + at, sizeof(s) - at, ",udp:1");
	assert_int_equal(natconf_allow_parse(s, a, NULL), -E2BIG);
}

static void apply__what_is_named__changes(void **state)
{
	struct net_conf c = {.mode = NET_NAT, .access = ACCESS_ADDRESS};
	struct natconf_spec s = {.host_allow = "udp:53,tcp:22"};

	(void)state;
	assert_int_equal(natconf_apply(&c, &s, NULL), 0);
	assert_string_equal(c.host_allow, "tcp:22,udp:53");
	s = (struct natconf_spec){.udp_filter = "address-dependent"};
	assert_int_equal(natconf_apply(&c, &s, NULL), 0);
	assert_int_equal(c.udp_filter, NAT_FILTER_ADDR);
	assert_string_equal(c.host_allow, "tcp:22,udp:53");
	s = (struct natconf_spec){.access = "off"};
	assert_int_equal(natconf_apply(&c, &s, NULL), 0);
	assert_string_equal(c.host_allow, "");
	s = (struct natconf_spec){.access = "loopback", .host_allow = "all"};
	assert_int_equal(natconf_apply(&c, &s, NULL), 0);
	assert_int_equal(c.access, ACCESS_LOOPBACK);
}

static void apply__what_cannot_be__refused_and_unchanged(void **state)
{
	struct net_conf c = {.mode = NET_NAT, .access = ACCESS_OFF}, was = c;
	const struct natconf_spec bad[] = {
		{.host_allow = "tcp:22"},
		{.access = "on"},
		{.access = "address", .udp_filter = "symmetric"},
		{.access = "address", .host_allow = "ssh"},
	};
	struct errtext why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_true(natconf_apply(&c, &bad[i], &why) < 0);
		assert_true(why.s[0]);
		assert_memory_equal(&c, &was, sizeof(c));
	}
	c.mode = NET_INTERNAL;
	assert_int_equal(natconf_apply(&c, &bad[1], &why), -EINVAL);
	assert_int_equal(natconf_apply(&c, &(struct natconf_spec){0}, &why), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allow_parse__list__sorted_and_formatted),
		cmocka_unit_test(allow_parse__nonsense__refused),
		cmocka_unit_test(allow_parse__too_many__refused),
		cmocka_unit_test(apply__what_is_named__changes),
		cmocka_unit_test(apply__what_cannot_be__refused_and_unchanged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
