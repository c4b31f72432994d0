/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a configuration make sense, and what follows from it. */
#ifndef VNET_DHCP_DHCP_CONFIG_H
#define VNET_DHCP_DHCP_CONFIG_H

#include "dhcp/dhcp_server.h"

#define DHCP_RANGE_TEXT 80 /* "10.9.0.0/24=10.9.0.9-10.9.0.99@10.9.0.1" */

/* 0; -EINVAL; -ERANGE (pool larger than DHCP_POOL_MAX). */
int dhcp_config_check(const struct dhcp_config *cfg, struct errtext *why);

/**
 * dhcp_range_parse() - "10.9.0.0/24=10.9.0.50-10.9.0.99@10.9.0.1"
 *
 * Without a router it is the subnet's first host, without a pool ("=auto", "=auto@…", or
 * nothing behind the subnet) it is all the others. Return: 0; -EINVAL with @why.
 */
int dhcp_range_parse(const char *s, struct dhcp_range *out, struct errtext *why);

/* Do links behind relays go beside @net? 0; -EINVAL, -ERANGE with @why. */
int dhcp_ranges_check(const struct ip4_net *net, const struct dhcp_range *r,
		      unsigned int n, struct errtext *why);

/* Lease time and quota with their defaults applied. */
uint32_t dhcp_config_lease_s(const struct dhcp_config *cfg);
uint32_t dhcp_config_max_per_nic(const struct dhcp_config *cfg);

static inline uint32_t dhcp_net_broadcast(const struct ip4_net *net)
{
	return net->addr | ~ip4_mask(net->plen);
}

#endif
