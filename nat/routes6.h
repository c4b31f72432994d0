/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prefixes that lie behind guests (delegated by DHCPv6): where packets to them go next.
 * They never overlap; the table is sorted, looking up is a binary search.
 */
#ifndef VNET_NAT_ROUTES6_H
#define VNET_NAT_ROUTES6_H

#include "lib/inet.h"
#include "nat/nat.h"

struct routes6 {
	struct nat_route6 *e; /* NAT_ROUTES_MAX of them, or NULL with n = 0 */
	unsigned int n;
};

void routes6_fini(struct routes6 *t);

/* As their namesakes in nat.h. */
int routes6_set(struct routes6 *t, const struct nat_route6 *r);
int routes6_del(struct routes6 *t, const struct ip6_net *net);

/* The route of an address, or NULL; IPv4 addresses have none. */
const struct nat_route6 *routes6_find(const struct routes6 *t,
				      const struct ipaddr *ip);

#endif
