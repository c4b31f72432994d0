/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A changed definition: into the store and the model, and what goes with the old one. */
#ifndef VNET_NETD_NETSET_H
#define VNET_NETD_NETSET_H

#include "netd/ctl.h"
#include "netd/optset.h"

/* @c and @set are @n's from now on: all of it, or nothing with @why (-EBUSY, the
 * store's errors). The caller tells the worker. */
int netset_apply(struct ctl *ctl, struct network *n, const struct net_conf *c,
		 struct optset *set, struct errtext *why);

/* Is it the same prefix? */
bool netset_same6(const struct ip6_net *a, const struct ip6_net *b);

#endif
