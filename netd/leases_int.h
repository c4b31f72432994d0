/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to leases*.c. */
#ifndef VNET_NETD_LEASES_INT_H
#define VNET_NETD_LEASES_INT_H

#include "lib/log.h"
#include "netd/conf.h"
#include "netd/lease_wire.h"
#include "netd/leases.h"
#include "netd/store.h"

/** struct change - One lease's, of either family; they are kept in order */
struct change {
	struct network *net; /* NULL: gone meanwhile */
	uint64_t token;	     /* 0: no answer is due, or a later one's is its */
	bool is6;
	bool gone;   /* there is no such lease any more */
	bool ends;   /* it comes about whether it can be stored or not */
	bool stored; /* by leases_flush() */
	union {
		struct lease_conf v4;
		struct {
			struct lease6_conf conf;
			const char *state; /* how it ended, where it is gone */
		} v6;
	};
};

struct leases {
	struct ctl *ctl;
	struct event *flush;
	struct change batch[LEASES_BATCH];
	unsigned int n;
	struct log_budget budget;
	uint8_t done[LEASES_BATCH * LEASE_WIRE_DONE]; /* an answer in the making */
};

/* Room for @k changes that are not to be parted. */
void leases_room(struct leases *l, unsigned int k);
void leases_add(struct leases *l, const struct change *c);

/* ---- leases6.c ------------------------------------------------------------ */

/* @c is in the store: so into the model, and to who wants to know. */
void leases6_remember(struct ctl *ctl, const struct change *c);
/* To the worker, if it waits. */
void leases6_answer(const struct change *c, bool ok);

#endif
