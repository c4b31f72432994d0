// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/* Modes of IPv6 and pools of prefixes; what workers say about leases of DHCPv6. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "netd/ip6conf.h"
#include "netd/wmsg.h"

static struct net_conf net(void)
{
	return (struct net_conf){
		.name = "lab", .mode = NET_NAT, .lease_s = 3600,
		.subnet6 = {{{0xfd, 1, [7] = 1}}, 64},
	};
}

static int apply(struct net_conf *c, const char *mode, const char *pool,
		 struct errtext *why)
{
	static const struct ip6_net ula = {{{0xfd, 1}}, 48};
	const struct ip6conf_spec spec = {mode, pool, &ula};
	const struct net_used used[] = {
		{.net6 = {{{0xfd, 1, [6] = 0xff}}, 56}, .what = "network red"},
	};

	return ip6conf_apply(c, &spec, used, 1, why);
}

static void apply__modes__taken_or_refused(void **state)
{
	static const char *const names[] = {"slaac", "stateless", "stateful",
					    "off"};
	struct net_conf c = net(), none = net();
	struct errtext why;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(apply(&c, names[i], NULL, &why), 0);
		assert_int_equal(c.ipv6, i);
		assert_string_equal(ip6conf_mode_name(c.ipv6), names[i]);
		assert_int_equal(ip6conf_serves(&c), i == 1 || i == 2);
	}
	assert_int_equal(apply(&c, "dhcp", NULL, &why), -EINVAL);
	none.subnet6.plen = 0;
	assert_int_equal(apply(&none, "off", NULL, &why), 0);
	assert_int_equal(apply(&none, "slaac", NULL, &why), -EINVAL);
	assert_non_null(strstr(why.s, "subnet6"));
}

static void apply__pool__picked_given_and_given_up(void **state)
{
	struct net_conf c = net();
	struct errtext why;
	char s[IP6CONF_POOL_TEXT];

	(void)state;
	assert_int_equal(apply(&c, "stateful", "auto", &why), 0);
	/* ff00 is another network's. */
	assert_string_equal(ip6conf_pool_format(&c, s), "fd01:0:0:fe00::/56-64");
	assert_int_equal(apply(&c, NULL, "auto", &why), 0); /* stays */
	assert_string_equal(ip6conf_pool_format(&c, s), "fd01:0:0:fe00::/56-64");
	assert_int_equal(apply(&c, NULL, "fd01:0:0:8000::/52-60", &why), 0);
	assert_string_equal(ip6conf_pool_format(&c, s), "fd01:0:0:8000::/52-60");
	assert_int_equal(apply(&c, "slaac", NULL, &why), -EINVAL);
	assert_int_equal(apply(&c, "slaac", "off", &why), 0);
	assert_string_equal(ip6conf_pool_format(&c, s), "");
}

static void apply__pool__refused_with_the_reason(void **state)
{
	static const struct {
		const char *pool, *say;
	} bad[] = {
		{"fd01:0:0:ff80::/60-64", "overlaps network red"},
		{"fd01::/56-64", "own subnet"},
		{"fd01:0:0:8000::/52-70", "prefix_pool must be"},
		{"fd01:0:0:8000::/52-50", "prefixes of up to"},
		{"fd00::/32-64", "prefixes of up to"},
		{"fe80::/56-64", "not for hosts"},
		{"fd01:0:0:8000::/52", "prefix_pool must be"},
		{"10.0.0.0/8-16", "prefix_pool must be"},
		{"fd01:0:0:8000::/52-+4", "prefix_pool must be"},
	};
	struct net_conf c = net(), before;
	struct errtext why;

	(void)state;
	assert_int_equal(apply(&c, "stateless", NULL, &why), 0);
	before = c;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(apply(&c, NULL, bad[i].pool, &why) < 0);
		assert_non_null(strstr(why.s, bad[i].say));
		assert_memory_equal(&c, &before, sizeof(c));
	}
	c.mode = NET_INTERNAL;
	assert_int_equal(apply(&c, NULL, "auto", &why), -EINVAL);
	assert_non_null(strstr(why.s, "nat networks"));
}

/* ---- what a worker says ------------------------------------------------------ */

static int commit(const char *text, struct lease6_conf *out, unsigned int *n)
{
	json_t *o = json_loads(text, 0, NULL);
	struct net_conf c = net();
	int64_t token;
	int r;

	assert_non_null(o);
	r = wmsg_leases6(o, &c, 1000, &token, out, 2, n, NULL);
	json_decref(o);
	return r;
}

#define LEASE                                                                \
	"{\"ip\":\"fd01:0:0:1::1:5\",\"mac\":\"52:54:00:00:00:01\","          \
	"\"duid\":\"00ff01\",\"iaid\":7,\"expires\":99999999,"                \
	"\"hostname\":\"a\"}"

static void leases6__commit__read_and_its_term_cut(void **state)
{
	struct lease6_conf l[2];
	unsigned int n = 0;

	(void)state;
	assert_int_equal(commit("{\"token\":3,\"leases\":[" LEASE "," LEASE
				"]}", l, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(l[0].plen, 128);
	assert_int_equal(l[0].iaid, 7);
	assert_string_equal(l[0].duid, "00ff01");
	assert_int_equal(l[0].expires, 1000 + 3600 + 3600);
}

static void leases6__nonsense__is_the_workers_end(void **state)
{
	static const char *const bad[] = {
		"{}", "{\"token\":3}", "{\"token\":3,\"leases\":[]}",
		"{\"leases\":[" LEASE "]}", "{\"token\":3,\"leases\":[7]}",
		"{\"token\":3,\"leases\":[" LEASE "," LEASE "," LEASE "]}",
		"{\"token\":3,\"leases\":[{\"ip\":\"10.0.0.1\",\"mac\":"
		"\"52:54:00:00:00:01\"}]}",
		"{\"token\":3,\"leases\":[{\"ip\":\"fd01::1\"}]}",
		"{\"token\":3,\"leases\":[{\"ip\":\"fd01::1\",\"mac\":"
		"\"52:54:00:00:00:01\",\"duid\":\"0\"}]}",
	};
	struct lease6_conf l[2];
	unsigned int n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(commit(bad[i], l, &n), -EPROTO);
}

static void lease6_ok__only_what_the_network_gives(void **state)
{
	struct net_conf c = net();
	struct lease6_conf l = {.plen = 128};

	(void)state;
	l.address = c.subnet6.addr;
	l.address.b[15] = 9;
	assert_true(net_lease6_ok(&c, &l));
	l.address.b[15] = 2; /* the gateway's */
	assert_false(net_lease6_ok(&c, &l));
	l.address = (struct ipaddr){{0xfd, 1, [6] = 0xff, [7] = 8}};
	l.plen = 64;
	assert_false(net_lease6_ok(&c, &l));
	c.pool6 = (struct ip6_net){{{0xfd, 1, [6] = 0xff}}, 56};
	c.pool6_len = 64;
	assert_true(net_lease6_ok(&c, &l));
	l.address.b[15] = 1; /* bits behind the prefix */
	assert_false(net_lease6_ok(&c, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apply__modes__taken_or_refused),
		cmocka_unit_test(apply__pool__picked_given_and_given_up),
		cmocka_unit_test(apply__pool__refused_with_the_reason),
		cmocka_unit_test(leases6__commit__read_and_its_term_cut),
		cmocka_unit_test(leases6__nonsense__is_the_workers_end),
		cmocka_unit_test(lease6_ok__only_what_the_network_gives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
