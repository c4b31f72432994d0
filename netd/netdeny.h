/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a network's guests may not go: subnets and prefix pools of other networks, and the
 * host's addresses where it is out of bounds. Of a thousand networks they are merged once,
 * and each network's own taken out of that.
 */
#ifndef VNET_NETD_NETDENY_H
#define VNET_NETD_NETDENY_H

#include <jansson.h>

#include "netd/ctl.h"

/* Merged, and the same as text. */
struct netdeny_part {
	struct ip4_net *net4;
	struct ip6_net *net6;
	json_t *text4, *text6;
};

/* Of all networks; valid while the model is the same. */
struct netdeny {
	struct netdeny_part hostonly, rest;
};

void netdeny_make(struct netdeny *d, struct model *m);
void netdeny_fini(struct netdeny *d);

/* For one network; new references. Host-only ones come first, for those the host could
 * really reach: the worker takes NAT_DENY_MAX. */
void netdeny_of(const struct netdeny *d, const struct network *n, json_t **v4,
		json_t **v6);

#endif
