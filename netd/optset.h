/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DHCP settings of one scope on their way into store and model: those of option.set, or
 * beside a definition. All of them or none, with what else is in the transaction.
 */
#ifndef VNET_NETD_OPTSET_H
#define VNET_NETD_OPTSET_H

#include <jansson.h>

#include "netd/ctl.h"

#define OPTSET_MAX 64 /* options in one call */

struct optset {
	char scope[sizeof(((struct dhcpset_conf *)0)->scope)]; /* "" = network */
	struct dhcpset_conf *list; /* owned; their network is optset_store()'s */
	size_t n;
};

/* "NAME=VALUE" each, and with @match who belongs to the group (NULL: nothing of it),
 * for s->scope. Frees nothing of before. -EINVAL, -E2BIG, -ENOMEM with @why. */
int optset_read(struct optset *s, json_t *words, const char *match,
		struct errtext *why);
void optset_free(struct optset *s);

/* Is there room in @n, which must have DHCP? Then into the store, in the transaction that
 * the caller began. */
int optset_store(struct optset *s, struct store *store, struct network *n,
		 struct errtext *why);

/* It is stored: into the model. */
int optset_remember(const struct optset *s, struct network *n);

#endif
