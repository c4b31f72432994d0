// SPDX-License-Identifier: GPL-2.0-or-later
/* See ip6conf.h. */
#include "netd/ip6conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/compat.h"

#define POOL_BITS    16 /* dhcp/ takes that many prefixes */
#define POOL_PLEN    56 /* of one that is picked, for prefixes of … */
#define POOL_LEN     64

static const char *const modes[] = {
	[IPV6_SLAAC] = "slaac",
	[IPV6_STATELESS] = "stateless",
	[IPV6_STATEFUL] = "stateful",
	[IPV6_OFF] = "off",
};

const char *ip6conf_mode_name(enum net_ipv6 m)
{
	return modes[m];
}

int ip6conf_mode_parse(const char *s, enum net_ipv6 *out)
{
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!strcmp(modes[i], s)) {
			*out = (enum net_ipv6)i;
			return 0;
		}
	return -EINVAL;
}

bool ip6conf_serves(const struct net_conf *c)
{
	return c->subnet6.plen &&
	       (c->ipv6 == IPV6_STATELESS || c->ipv6 == IPV6_STATEFUL);
}

int ip6conf_pool_parse(const char *s, struct net_conf *c)
{
	const char *dash = strrchr(s, '-');
	char net[IP6_NET_TEXT], *end;
	struct ip6_net n;
	unsigned long len;

	if (!*s) {
		c->pool6 = (struct ip6_net){0};
		c->pool6_len = 0;
		return 0;
	}
	if (!dash || (size_t)(dash - s) >= sizeof(net) || dash[1] < '0' ||
	    dash[1] > '9')
		return -EINVAL;
	memcpy(net, s, (size_t)(dash - s));
	net[dash - s] = '\0';
	len = strtoul(dash + 1, &end, 10);
	if (*end || len > POOL_LEN || ip6_net_parse(net, &n, NULL))
		return -EINVAL;
	c->pool6 = n;
	c->pool6_len = (uint8_t)len;
	return 0;
}

char *ip6conf_pool_format(const struct net_conf *c, char buf[IP6CONF_POOL_TEXT])
{
	char net[IP6_NET_TEXT];

	buf[0] = '\0';
	if (c->pool6.plen)
		snprintf(buf, IP6CONF_POOL_TEXT, "%s-%u",
			 ip6_net_format(&c->pool6, net), c->pool6_len);
	return buf;
}

static int check_pool(const struct net_conf *c, struct errtext *why)
{
	const struct ip6_net *n = &c->pool6;
	char s[IP6CONF_POOL_TEXT];

	if (c->mode != NET_NAT)
		return errtext_set(why, -EINVAL,
				   "prefixes are delegated on nat networks: "
				   "elsewhere no router leads to them");
	if (!ip6conf_serves(c))
		return errtext_set(why, -EINVAL,
				   "DHCPv6 delegates prefixes: with a prefix "
				   "pool ipv6 must be stateless or stateful");
	if (n->plen < IP6CONF_POOL_MIN || c->pool6_len < n->plen ||
	    c->pool6_len - n->plen > POOL_BITS)
		return errtext_set(why, -EINVAL,
				   "prefix pool %s: from a /%d, prefixes of up "
				   "to %d bits more can be delegated, to /%d",
				   ip6conf_pool_format(c, s), IP6CONF_POOL_MIN,
				   POOL_BITS, POOL_LEN);
	if ((n->addr.b[0] & 0xfe) != 0xfc && (n->addr.b[0] & 0xe0) != 0x20)
		return errtext_set(why, -EINVAL,
				   "prefix pool %s is not for hosts; use one "
				   "of fd00::/8, or auto",
				   ip6conf_pool_format(c, s));
	if (ip6_net_overlap(n, &c->subnet6))
		return errtext_set(why, -EINVAL,
				   "the prefix pool contains the network's own "
				   "subnet");
	return 0;
}

int ip6conf_check(const struct net_conf *c, struct errtext *why)
{
	return c->pool6.plen ? check_pool(c, why) : 0;
}

static const struct net_used *overlap(const struct ip6_net *n,
				      const struct net_used *used, size_t nused)
{
	for (size_t i = 0; i < nused; i++)
		if (used[i].net6.plen && ip6_net_overlap(n, &used[i].net6))
			return &used[i];
	return NULL;
}

/* The last /56 of the installation's /48 that is free: subnets come from the front. */
static int pick_pool(struct net_conf *c, const struct ip6conf_spec *spec,
		     const struct net_used *used, size_t nused,
		     struct errtext *why)
{
	if (c->pool6.plen)
		return 0; /* it has one */
	for (int i = spec->ula && spec->ula->plen ? 255 : 0; i > 0; i--) {
		struct ip6_net n = {spec->ula->addr, POOL_PLEN};

		n.addr.b[6] = (uint8_t)i;
		if (overlap(&n, used, nused) || ip6_net_overlap(&n, &c->subnet6))
			continue;
		c->pool6 = n;
		c->pool6_len = POOL_LEN;
		return 0;
	}
	return errtext_set(why, -EEXIST,
			   "no prefix pool is free; give one as "
			   "PREFIX/LENGTH-LENGTH");
}

static int set_pool(struct net_conf *c, const struct ip6conf_spec *spec,
		    const struct net_used *used, size_t nused,
		    struct errtext *why)
{
	const struct net_used *u;
	char t[IP6_NET_TEXT];

	if (!strcmp(spec->pool, "auto"))
		return pick_pool(c, spec, used, nused, why);
	if (ip6conf_pool_parse(strcmp(spec->pool, "off") ? spec->pool : "", c))
		return errtext_set(why, -EINVAL,
				   "prefix_pool must be \"auto\", \"off\" or "
				   "like fd12:3456:789a:ff00::/56-64, not "
				   "\"%.60s\"",
				   spec->pool);
	u = c->pool6.plen ? overlap(&c->pool6, used, nused) : NULL;
	return u ? errtext_set(why, -EEXIST,
			       "prefix pool %.50s overlaps %s (%s)", spec->pool,
			       u->what, ip6_net_format(&u->net6, t))
		 : 0;
}

int ip6conf_apply(struct net_conf *c, const struct ip6conf_spec *spec,
		  const struct net_used *used, size_t nused,
		  struct errtext *why)
{
	struct net_conf new = *c;
	int r = 0;

	if (spec->mode && ip6conf_mode_parse(spec->mode, &new.ipv6))
		return errtext_set(why, -EINVAL, "ipv6 must be slaac, "
						 "stateless, stateful or off");
	if (spec->mode && !c->subnet6.plen && new.ipv6 != IPV6_OFF)
		return errtext_set(why, -EINVAL,
				   "the network has no IPv6 subnet to give "
				   "addresses of; give one with \"subnet6\"");
	if (spec->pool)
		r = set_pool(&new, spec, used, nused, why);
	if (!r)
		r = ip6conf_check(&new, why);
	if (!r)
		*c = new;
	return r;
}
