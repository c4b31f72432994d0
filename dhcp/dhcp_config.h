/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does a configuration make sense, and what follows from it. */
#ifndef VNET_DHCP_DHCP_CONFIG_H
#define VNET_DHCP_DHCP_CONFIG_H

#include "dhcp/dhcp_server.h"

/* 0; -EINVAL; -ERANGE (pool larger than DHCP_POOL_MAX). */
int dhcp_config_check(const struct dhcp_config *cfg, struct errtext *why);

/* Lease time and quota with their defaults applied. */
uint32_t dhcp_config_lease_s(const struct dhcp_config *cfg);
uint32_t dhcp_config_max_per_nic(const struct dhcp_config *cfg);

static inline uint32_t dhcp_config_broadcast(const struct dhcp_config *cfg)
{
	return cfg->net.addr | ~ip4_mask(cfg->net.plen);
}

#endif
