/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a NIC's guest may say and how much: the words of API and store, what a network
 * gives as default, and what holds in the end. What it means for frames is switch/pin.h.
 * Pure.
 */
#ifndef VNET_NETD_GUARDCONF_H
#define VNET_NETD_GUARDCONF_H

#include <jansson.h>

#include "lib/errtext.h"
#include "netd/conf.h"
#include "switch/pin.h"

#define GUARDCONF_IPS	    8	     /* addresses and prefixes given for a NIC */
#define GUARDCONF_STORM_MAX 1000000  /* frames a second */
#define GUARDCONF_RATE_MAX  400000000 /* kbit a second */

/* "off", "mac", "ip"; of a NIC also "network". -EINVAL for anything else. */
const char *guardconf_level_name(int level);
int guardconf_level_parse(const char *s, bool nic, int *out);

/* A NIC of which nothing was said. */
void guardconf_inherit(struct guard_conf *c);

/**
 * guardconf_read() - Take over what a request says; what it leaves out stays
 * @nic: its settings, else a network's
 * @c: changed on success only
 *
 * Return: 0 or -EINVAL with @why.
 */
int guardconf_read(json_t *params, bool nic, struct guard_conf *c,
		   struct errtext *why);

bool guardconf_eq(const struct guard_conf *a, const struct guard_conf *b);

/* What holds for a NIC with @c on a network with @def. */
struct guard_conf guardconf_of(const struct guard_conf *c,
			       const struct guard_conf *def);

/* The addresses of @ips (a list with commas), GUARDCONF_IPS at most; how many, or -EINVAL
 * with @why. */
int guardconf_ips(const char *ips, struct pin_net out[GUARDCONF_IPS],
		  struct errtext *why);

/* Can this be on this network, whatever its NICs? -EINVAL with @why. */
int guardconf_check_net(const struct net_conf *net, struct errtext *why);

/* And a NIC with @c there? */
int guardconf_check(const struct guard_conf *c, const struct net_conf *net,
		    struct errtext *why);

/* Is @c weaker than what the network asks for? That is for root to say. -EPERM with
 * @why. */
int guardconf_weaker(const struct guard_conf *c, const struct net_conf *net,
		     struct errtext *why);

/* What holds for the NIC, as the worker is told it and as it is shown; new references. */
json_t *guardconf_wire(const struct guard_conf *c, const struct net_conf *net);
json_t *guardconf_show(const struct guard_conf *c, const struct net_conf *net);

#endif
