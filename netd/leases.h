/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases into the store: what arrives in one loop turn, of all networks and of both
 * families, shares one transaction, and only then the workers may send their ACKs and
 * Replies. When the store refuses it, each network has a transaction of its own, so that
 * what is wrong with one is not the others' loss. The leases of one DHCPv6 Reply are
 * never parted. Leases of DHCPv4 that ended are kept, too: whose an address was, and
 * which ones are put aside.
 */
#ifndef VNET_NETD_LEASES_H
#define VNET_NETD_LEASES_H

#include <jansson.h>

#include "lib/errtext.h"
#include "netd/ctl.h"

#define LEASES_BATCH 512 /* changes before a flush is forced */
#define LEASES6_MSG  8	 /* of DHCPv6, in one message of a worker */

struct leases;

struct leases *leases_new(struct ctl *ctl);
void leases_free(struct leases *l); /* flushes */

/* W_LEASES of @n's worker. -EPROTO kills it. */
int leases_take(struct leases *l, struct network *n, const uint8_t *p, size_t len,
		struct errtext *why);

/* W_LEASE6_COMMIT and W_LEASE6_EVENT of it (leases6.c); the same. */
int leases_take6(struct leases *l, struct network *n, json_t *body,
		 struct errtext *why);
int leases_take6_event(struct leases *l, struct network *n, json_t *body,
		       struct errtext *why);

/* Its new worker is told what is known. */
void leases_tell(struct network *n);
void leases_tell_one(struct network *n, const struct lease_conf *c);

/* Another IPv6 prefix: leases that @conf has no place for leave the store, in the
 * transaction of the caller; when it is @n's, they are over (leases6.c). */
int leases6_unstore_outside(struct ctl *ctl, struct network *n,
			    const struct net_conf *conf, struct errtext *why);
void leases6_end_outside(struct ctl *ctl, struct network *n);

/* The network is going. */
void leases_forget(struct leases *l, struct network *n);

void leases_flush(struct leases *l);

#endif
