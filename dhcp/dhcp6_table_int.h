/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between dhcp6_table.c, dhcp6_choose.c and dhcp6_resv.c. */
#ifndef VNET_DHCP_DHCP6_TABLE_INT_H
#define VNET_DHCP_DHCP6_TABLE_INT_H

#include "dhcp/dhcp6_table.h"

static inline uint32_t dhcp6_hash(const struct htab *t, const void *p,
				  size_t len)
{
	return hash_bytes(t->seed, p, len);
}

/* A binding as @l says, its timer armed; NULL without memory. */
struct dhcp6_binding *dhcp6_create(struct dhcp6_table *t,
				   const struct dhcp6_lease *l);

/* What stands in it is another from now on; the address stays. */
void dhcp6_replace(struct dhcp6_table *t, struct dhcp6_binding *b,
		   const struct dhcp6_lease *l);

/* Whom @ip is reserved for; NULL = nobody. */
const struct dhcp6_resv *dhcp6_resv_ip(const struct dhcp6_table *t,
				       const struct ipaddr *ip);

#endif
