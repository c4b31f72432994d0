/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases into the store: commits that arrive in one loop turn share one
 * transaction, and only then the workers may send their ACKs.
 */
#ifndef VNET_NETD_LEASES_H
#define VNET_NETD_LEASES_H

#include "lib/errtext.h"
#include "netd/ctl.h"

#define LEASES_BATCH 512 /* commits before a flush is forced */

struct leases;

struct leases *leases_new(struct ctl *ctl);
void leases_free(struct leases *l); /* flushes */

/* W_LEASE_COMMIT and W_LEASE_EVENT of @n's worker. -EPROTO kills it. */
int leases_commit(struct leases *l, struct network *n, json_t *body,
		  struct errtext *why);
int leases_event(struct leases *l, struct network *n, json_t *body,
		 struct errtext *why);

/* The network or its worker is going: its commits are dropped. */
void leases_forget(struct leases *l, struct network *n);

void leases_flush(struct leases *l);

#endif
