/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases into the store: what arrives in one loop turn, of all networks, shares one
 * transaction, and only then the workers may send their ACKs. Leases that ended are
 * kept, too: whose an address was, and which ones are put aside.
 */
#ifndef VNET_NETD_LEASES_H
#define VNET_NETD_LEASES_H

#include "lib/errtext.h"
#include "netd/ctl.h"

#define LEASES_BATCH 512 /* changes before a flush is forced */

struct leases;

struct leases *leases_new(struct ctl *ctl);
void leases_free(struct leases *l); /* flushes */

/* W_LEASES of @n's worker. -EPROTO kills it. */
int leases_take(struct leases *l, struct network *n, const uint8_t *p, size_t len,
		struct errtext *why);

/* Its new worker is told what is known. */
void leases_tell(struct network *n);

/* The network or its worker is going: its ACKs are not wanted any more. */
void leases_forget(struct leases *l, struct network *n);

void leases_flush(struct leases *l);

#endif
