/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a network's guests get addresses of IPv6, and prefixes to delegate: the words of
 * API and store, and what they mean. Pure.
 */
#ifndef VNET_NETD_IP6CONF_H
#define VNET_NETD_IP6CONF_H

#include "lib/errtext.h"
#include "netd/conf.h"
#include "netd/validate.h"

#define IP6CONF_POOL_TEXT (IP6_NET_TEXT + 4)

/* What a request says; NULL: leave it as it is. */
struct ip6conf_spec {
	const char *mode; /* "slaac", "stateless", "stateful", "off" */
	const char *pool; /* "fd00:1:0:ff00::/56-64", "auto", "off" */
	const struct ip6_net *ula; /* a /48 to take a pool from */
};

/* Spelled as in API and store; -EINVAL for anything else. */
const char *ip6conf_mode_name(enum net_ipv6 m);
int ip6conf_mode_parse(const char *s, enum net_ipv6 *out);

#define IP6CONF_POOL_MIN 16 /* shortest pool */

/* "PREFIX/LENGTH-LENGTH" to and from pool6, pool6_len; "" = none. */
int ip6conf_pool_parse(const char *s, struct net_conf *c);
char *ip6conf_pool_format(const struct net_conf *c,
			  char buf[IP6CONF_POOL_TEXT]);

/* Take over what @spec says, the subnets being settled; @c is changed on success only.
 * -EINVAL, -EEXIST. */
int ip6conf_apply(struct net_conf *c, const struct ip6conf_spec *spec,
		  const struct net_used *used, size_t nused,
		  struct errtext *why);

/* Is what a record says consistent? */
int ip6conf_check(const struct net_conf *c, struct errtext *why);

/* Is DHCPv6 served? */
bool ip6conf_serves(const struct net_conf *c);

#endif
