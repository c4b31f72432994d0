/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases of DHCPv6 into the store, as leases.h does for DHCPv4: what arrives in one loop
 * turn shares one transaction, and only then workers may send their Replies. The leases
 * of one Reply are never parted.
 */
#ifndef VNET_NETD_LEASES6_H
#define VNET_NETD_LEASES6_H

#include "lib/errtext.h"
#include "netd/ctl.h"

#define LEASES6_BATCH 256 /* leases before a flush is forced */
#define LEASES6_MSG   8	  /* leases in one message of a worker */

struct leases6;

struct leases6 *leases6_new(struct ctl *ctl);
void leases6_free(struct leases6 *l); /* flushes */

/* W_LEASE6_COMMIT and W_LEASE6_EVENT of @n's worker. -EPROTO kills it. */
int leases6_commit(struct leases6 *l, struct network *n, json_t *body,
		   struct errtext *why);
int leases6_event(struct leases6 *l, struct network *n, json_t *body,
		  struct errtext *why);

/* The network or its worker is going: its commits are dropped. */
void leases6_forget(struct leases6 *l, struct network *n);

void leases6_flush(struct leases6 *l);

#endif
