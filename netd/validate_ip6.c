// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv6 prefixes of networks. See validate.h. */
#include <errno.h>
#include <string.h>

#include "netd/validate.h"

static const struct net_used *overlap(const struct ip6_net *n,
				      const struct net_used *used, size_t nused)
{
	for (size_t i = 0; i < nused; i++)
		if (used[i].net6.plen && ip6_net_overlap(n, &used[i].net6))
			return &used[i];
	return NULL;
}

/* Unique local (RFC 4193) or global unicast (RFC 4291 2.4). */
static int check_prefix(const struct ip6_net *n, struct errtext *why)
{
	char s[IP6_NET_TEXT];

	if (n->plen != SUBNET6_PLEN)
		return errtext_set(why, -EINVAL,
				   "IPv6 subnet %s must be a /%d: guests make "
				   "their addresses of no other",
				   ip6_net_format(n, s), SUBNET6_PLEN);
	if ((n->addr.b[0] & 0xfe) != 0xfc && (n->addr.b[0] & 0xe0) != 0x20)
		return errtext_set(why, -EINVAL,
				   "IPv6 subnet %s is not for hosts; use one of "
				   "fd00::/8, or auto",
				   ip6_net_format(n, s));
	return 0;
}

/* The /64s of @ula, a /48, that @n has a part of. */
static void mark(uint8_t *taken, const struct ip6_net *ula,
		 const struct ip6_net *n)
{
	unsigned int first = 0, count = 65536;

	if (!n->plen || !ip6_net_overlap(n, ula))
		return;
	if (n->plen > ula->plen) {
		first = (unsigned int)n->addr.b[6] << 8 | n->addr.b[7];
		count = n->plen >= SUBNET6_PLEN
				? 1
				: 1u << (SUBNET6_PLEN - n->plen);
	}
	for (unsigned int id = first; id < first + count && id < 65536; id++)
		taken[id / 8] |= (uint8_t)(1u << id % 8);
}

/* The first /64 of the installation's /48 that is free. Number 0 is left alone: it
 * is what people take when they choose by hand. */
static bool pick(const struct ip6_net *ula, const struct net_used *used,
		 size_t nused, struct ip6_net *out)
{
	uint8_t taken[65536 / 8] = {1}; /* a bit for each /64 */
	unsigned int id = 0;

	for (size_t i = 0; i < nused; i++)
		mark(taken, ula, &used[i].net6);
	while (id < 65536 && taken[id / 8] & 1u << id % 8)
		id++;
	if (id == 65536)
		return false;
	*out = (struct ip6_net){ula->addr, SUBNET6_PLEN};
	out->addr.b[6] = (uint8_t)(id >> 8);
	out->addr.b[7] = (uint8_t)id;
	return true;
}

static int refuse(const struct net_conf *c, struct errtext *why)
{
	if (c->mode == NET_BRIDGED)
		return errtext_set(why, -EINVAL,
				   "a bridged network has no IPv6 subnet of its "
				   "own: its guests are on the uplink's LAN");
	if (!c->subnet.plen)
		return errtext_set(why, -EINVAL,
				   "IPv6 on an internal network needs an IPv4 "
				   "subnet beside it; give one with \"subnet\"");
	if (c->mtu < MTU_IP6_MIN)
		return errtext_set(why, -EINVAL,
				   "IPv6 needs an mtu of %d or more",
				   MTU_IP6_MIN);
	return 0;
}

static int take_given(const struct net_spec *spec, const struct net_used *used,
		      size_t nused, struct net_conf *c, struct errtext *why)
{
	char s[IP6_NET_TEXT], t[IP6_NET_TEXT];
	const struct net_used *u;
	struct ip6_net n;
	int r;

	if (ip6_net_parse(spec->subnet6, &n, NULL))
		return errtext_set(why, -EINVAL,
				   "subnet6 must be \"auto\", \"off\" or a "
				   "prefix like fd12:3456:789a:1::/64, not "
				   "\"%.60s\"",
				   spec->subnet6);
	r = check_prefix(&n, why);
	if (r)
		return r;
	u = overlap(&n, used, nused);
	if (u)
		return errtext_set(why, -EEXIST,
				   "IPv6 subnet %s overlaps %s (%s)",
				   ip6_net_format(&n, s), u->what,
				   ip6_net_format(&u->net6, t));
	c->subnet6 = n;
	return 0;
}

int net_subnet6_make(const struct net_spec *spec, const struct net_used *used,
		     size_t nused, struct net_conf *c, struct errtext *why)
{
	bool open = !spec->subnet6, automatic = open;
	int r;

	c->subnet6 = (struct ip6_net){0};
	if (!open && !strcmp(spec->subnet6, "off"))
		return 0;
	/* Where nothing of ours answers, nothing begins to unasked. */
	if (open && !net_has_services(c))
		return 0;
	r = refuse(c, open ? NULL : why);
	if (r)
		return open ? 0 : r;
	if (!open && !strcmp(spec->subnet6, "auto"))
		automatic = true;
	if (!automatic)
		return take_given(spec, used, nused, c, why);
	if (spec->ula && spec->ula->plen &&
	    pick(spec->ula, used, nused, &c->subnet6))
		return 0;
	return open ? 0
		    : errtext_set(why, -EEXIST,
				  "no IPv6 subnet is free; give one with "
				  "\"subnet6\"");
}

int net_subnet6_check(const struct net_conf *c, struct errtext *why)
{
	int r;

	if (!c->subnet6.plen)
		return 0;
	r = refuse(c, why);
	return r ? r : check_prefix(&c->subnet6, why);
}

int net_guest_ip6(const struct net_conf *c, const struct ipaddr *ip,
		  struct errtext *why)
{
	const struct ipaddr own[] = {c->subnet6.addr, net_host_ip6(c),
				     net_service_ip6(c), net_dns_ip6(c)};
	char a[IP_TEXT], s[IP6_NET_TEXT];

	if (!c->subnet6.plen)
		return errtext_set(why, -EINVAL,
				   "network %s has no IPv6 subnet", c->name);
	if (!ipaddr_in_net6(ip, &c->subnet6))
		return errtext_set(why, -EINVAL,
				   "%s is no address of network %s (%s)",
				   ipaddr_format(ip, a), c->name,
				   ip6_net_format(&c->subnet6, s));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (ipaddr_eq(ip, &own[i]))
			return errtext_set(why, -EINVAL,
					   "%s is an address of network %s "
					   "itself",
					   ipaddr_format(ip, a), c->name);
	return 0;
}

bool net_lease6_ok(const struct net_conf *c, const struct lease6_conf *l)
{
	struct ip6_net n = {l->address, l->plen};
	char text[IP6_NET_TEXT];

	if (l->plen == 128)
		return !net_guest_ip6(c, &l->address, NULL);
	return c->pool6.plen && l->plen == c->pool6_len &&
	       ipaddr_in_net6(&l->address, &c->pool6) &&
	       !ip6_net_parse(ip6_net_format(&n, text), &n, NULL);
}
