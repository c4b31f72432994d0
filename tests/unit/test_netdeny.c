// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/* What other networks a network's guests are kept from: against all of them but its own,
 * merged for it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/netmerge.h"
#include "netd/netdeny.h"

#define NETS 300

static int up(void **state)
{
	struct model *m = calloc(1, sizeof(*m));

	*state = m;
	return model_init(m);
}

static int down(void **state)
{
	model_fini(*state);
	free(*state);
	return 0;
}

static struct network *add(struct model *m, unsigned int i, enum net_mode mode,
			   const char *subnet, const char *subnet6, const char *pool)
{
	struct net_conf c = {.id = i, .mode = mode,
			     .access = ACCESS_LOOPBACK};
	struct network *n;

	snprintf(c.name, sizeof(c.name), "n%u", i);
	if (subnet)
		assert_int_equal(ip4_net_parse(subnet, &c.subnet, NULL), 0);
	if (subnet6)
		assert_int_equal(ip6_net_parse(subnet6, &c.subnet6, NULL), 0);
	if (pool)
		assert_int_equal(ip6_net_parse(pool, &c.pool6, NULL), 0);
	n = model_net_add(m, &c);
	assert_non_null(n);
	return n;
}

static void is(struct model *m, const struct network *n, const char *v4,
	       const char *v6)
{
	struct netdeny d;
	json_t *a, *b;
	char *s;

	netdeny_make(&d, m);
	netdeny_of(&d, n, &a, &b);
	s = json_dumps(a, JSON_COMPACT);
	assert_string_equal(s, v4);
	free(s);
	s = json_dumps(b, JSON_COMPACT);
	assert_string_equal(s, v6);
	free(s);
	json_decref(a);
	json_decref(b);
	netdeny_fini(&d);
}

static void of__neighbours__its_own_is_left_out(void **state)
{
	struct model *m = *state;
	struct network *n[5];

	n[0] = add(m, 0, NET_NAT, "10.0.0.0/24", "fd00::/64", NULL);
	n[1] = add(m, 1, NET_NAT, "10.0.1.0/24", "fd00:0:0:1::/64",
		   "fd00:0:0:100::/56");
	n[2] = add(m, 2, NET_NAT, "10.0.2.0/24", "fd00:0:0:2::/64", NULL);
	n[3] = add(m, 3, NET_HOSTONLY, "10.0.3.0/24", "fd00:0:0:3::/64", NULL);
	n[4] = add(m, 4, NET_BRIDGED, NULL, NULL, NULL);
	is(m, n[0], "[\"10.0.3.0/24\",\"10.0.1.0/24\",\"10.0.2.0/24\"]",
	   "[\"fd00:0:0:3::/64\",\"fd00:0:0:1::/64\",\"fd00:0:0:2::/64\","
	   "\"fd00:0:0:100::/56\"]");
	is(m, n[1], "[\"10.0.3.0/24\",\"10.0.0.0/24\",\"10.0.2.0/24\"]",
	   "[\"fd00:0:0:3::/64\",\"fd00::/64\",\"fd00:0:0:2::/64\"]");
	is(m, n[3], "[\"10.0.0.0/23\",\"10.0.2.0/24\"]",
	   "[\"fd00::/63\",\"fd00:0:0:2::/64\",\"fd00:0:0:100::/56\"]");
	is(m, n[4], "[\"10.0.3.0/24\",\"10.0.0.0/23\",\"10.0.2.0/24\"]",
	   "[\"fd00:0:0:3::/64\",\"fd00::/63\",\"fd00:0:0:2::/64\","
	   "\"fd00:0:0:100::/56\"]");
}

/* The fewest that there are, as if the others alone had been merged. */
static void of__hundreds_side_by_side__as_merged_without_it(void **state)
{
	struct ip4_net others[NETS];
	struct network *n[NETS];
	struct model *m = *state;
	char s[64], s6[64];

	for (unsigned int i = 0; i < NETS; i++) {
		snprintf(s, sizeof(s), "10.%u.%u.0/24", 3 + i / 256, i % 256);
		snprintf(s6, sizeof(s6), "fd00:0:0:%x::/64", i);
		n[i] = add(m, i, NET_NAT, s, s6, NULL);
	}
	for (unsigned int own = 0; own < NETS; own += 23) {
		size_t k = 0, size;
		struct netdeny d;
		json_t *v4, *v6;

		for (unsigned int i = 0; i < NETS; i++)
			if (i != own)
				others[k++] = n[i]->conf.subnet;
		k = ip4_nets_merge(others, k);
		netdeny_make(&d, m);
		netdeny_of(&d, n[own], &v4, &v6);
		size = json_array_size(v4);
		assert_int_equal(size, k);
		assert_int_equal(json_array_size(v6), size);
		for (size_t i = 0; i < k; i++)
			assert_string_equal(
				json_string_value(json_array_get(v4, i)),
				ip4_net_format(&others[i], s));
		json_decref(v4);
		json_decref(v6);
		netdeny_fini(&d);
	}
}

static void of__the_only_one__nothing(void **state)
{
	struct model *m = *state;

	is(m, add(m, 1, NET_NAT, "10.0.2.0/24", "fd00::/64", "fd00:0:0:8::/62"),
	   "[]", "[]");
}

#define T(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(of__neighbours__its_own_is_left_out),
		T(of__hundreds_side_by_side__as_merged_without_it),
		T(of__the_only_one__nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
