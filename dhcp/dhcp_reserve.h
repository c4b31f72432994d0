/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the owner fixed for a MAC: its address, its name, or both. */
#ifndef VNET_DHCP_DHCP_RESERVE_H
#define VNET_DHCP_DHCP_RESERVE_H

#include "dhcp/dhcp_server.h"
#include "lib/htab.h"

struct dhcp_reservation {
	struct hnode by_mac, by_ip; /* by_ip only when ip is not 0 */
	struct mac mac;
	uint32_t ip; /* 0 = name only */
	char name[DHCP_HOSTNAME_MAX + 1];
};

struct dhcp_reserve {
	struct htab by_mac, by_ip;
};

/* 0 or -ENOMEM; dhcp_reserve_fini() is fine either way. */
int dhcp_reserve_init(struct dhcp_reserve *r, const uint64_t seed[2]);
void dhcp_reserve_fini(struct dhcp_reserve *r);

/* NULL when there is none. Valid until the entry is changed. */
struct dhcp_reservation *dhcp_reserve_find_mac(const struct dhcp_reserve *r,
					       const struct mac *mac);
struct dhcp_reservation *dhcp_reserve_find_ip(const struct dhcp_reserve *r,
					      uint32_t ip);

/* Add or replace; @name as dhcp_server_reserve() takes it. 0, -EEXIST (the
 * address is another MAC's), -EINVAL, -ENOSPC, -ENOMEM. */
int dhcp_reserve_set(struct dhcp_reserve *r, const struct mac *mac, uint32_t ip,
		     const char *name, struct errtext *why);

/* Removes; the address it had in *@ip. -ENOENT. */
int dhcp_reserve_del(struct dhcp_reserve *r, const struct mac *mac,
		     uint32_t *ip);

#endif
