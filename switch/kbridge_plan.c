// SPDX-License-Identifier: GPL-2.0-or-later
/* Which steps lead from what is there to what is to be. Pure; see kbridge.h. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/compat.h"
#include "switch/kbridge_int.h"

const struct kbridge_sysctl kbridge_sysctls[KB_KEYS] = {
	[KB_FORWARDING] = {"ipv4", "forwarding"},
	[KB_ROUTE_LOCALNET] = {"ipv4", "route_localnet"},
	/* ARP is answered for addresses of the device itself only. */
	[KB_ARP_IGNORE] = {"ipv4", "arp_ignore"},
	[KB_RP_FILTER] = {"ipv4", "rp_filter"},
	[KB_PROXY_ARP] = {"ipv4", "proxy_arp"},
	[KB_ACCEPT_REDIRECTS] = {"ipv4", "accept_redirects"},
	[KB_SEND_REDIRECTS] = {"ipv4", "send_redirects"},
	[KB_SOURCE_ROUTE] = {"ipv4", "accept_source_route"},
	[KB_ACCEPT_RA] = {"ipv6", "accept_ra"},
	[KB_AUTOCONF] = {"ipv6", "autoconf"},
	[KB_REDIRECTS6] = {"ipv6", "accept_redirects"},
	[KB_DISABLE6] = {"ipv6", "disable_ipv6"},
};

void link_mark(const char *network, char out[LINK_ALIAS])
{
	snprintf(out, LINK_ALIAS, "%s%.*s", LINK_OWNER_OF, LINK_ALIAS - 8,
		 network);
}

static struct kstep *add(struct kbridge_plan *p, enum kstep_kind kind)
{
	struct kstep *s = &p->step[p->n++];

	assert(p->n <= KBRIDGE_STEPS);
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	memcpy(s->dev, p->want->name, sizeof(s->dev));
	return s;
}

static void sysctl(struct kbridge_plan *p, const char *family, const char *dev,
		   const char *key, const char *value, const char *was)
{
	struct kstep *s = add(p, KSTEP_SYSCTL);

	snprintf(s->dev, sizeof(s->dev), "%s", dev);
	s->family = family;
	s->key = key;
	snprintf(s->value, sizeof(s->value), "%s", value);
	snprintf(s->was, sizeof(s->was), "%s", was);
}

/* ---- the host as a router ------------------------------------------------------------ */

/*
 * Forwarding for IPv6 makes the host a router, and routers do not listen to routers: it
 * would lose its own default route unless told to listen all the same (accept_ra 2).
 */
static void router(struct kbridge_plan *p, const struct kbridge_seen *h)
{
	if (!p->want->routes)
		return;
	if (strcmp(h->forward4, "1"))
		sysctl(p, "ipv4", "all", "forwarding", "1", h->forward4);
	if (!p->want->ip6 || !strcmp(h->forward6, "1") || !h->forward6[0])
		return;
	for (unsigned int i = 0; i < h->nra; i++)
		sysctl(p, "ipv6", h->ra[i], "accept_ra", "2", "1");
	sysctl(p, "ipv6", "all", "forwarding", "1", h->forward6);
}

/* ---- the bridge ------------------------------------------------------------------------ */

static const char *value_of(const struct kbridge *w, enum kbridge_key k)
{
	switch (k) {
	case KB_FORWARDING:
	case KB_ROUTE_LOCALNET:
		return w->routes ? "1" : "0";
	case KB_ARP_IGNORE:
	case KB_RP_FILTER:
		return "1";
	case KB_DISABLE6:
		return w->ip6 ? "0" : "1";
	default:
		return "0";
	}
}

static void sysctls(struct kbridge_plan *p, const struct kbridge_seen *h)
{
	bool was_set = false;

	/* What is written to "all" is written to every device by the kernel. */
	for (unsigned int i = 0; i < p->n; i++)
		was_set |= p->step[i].kind == KSTEP_SYSCTL &&
			   !strcmp(p->step[i].family, "ipv4");
	for (unsigned int k = 0; k < KB_KEYS; k++) {
		const struct kbridge_sysctl *s = &kbridge_sysctls[k];
		const char *v = value_of(p->want, k);

		/* A kernel without IPv6 has nothing to be set. */
		if (h->there && !h->value[k][0])
			continue;
		if (!h->there || strcmp(h->value[k], v) ||
		    (k == KB_FORWARDING && was_set))
			sysctl(p, s->family, p->want->name, s->key, v,
			       h->value[k]);
	}
}

static bool has(const struct kaddr *a, unsigned int n, const struct kaddr *x)
{
	for (unsigned int i = 0; i < n; i++)
		if (a[i].plen == x->plen && ipaddr_eq(&a[i].ip, &x->ip))
			return true;
	return false;
}

static void addresses(struct kbridge_plan *p, const struct kbridge_seen *h)
{
	const struct kbridge *w = p->want;
	/* Where the kernel has no IPv6 they cannot be had, however often one asks. */
	bool no_ip6 = h->there && !h->value[KB_DISABLE6][0];

	for (unsigned int i = 0; i < h->naddr; i++)
		if (!has(w->addr, w->naddr, &h->addr[i]))
			add(p, KSTEP_ADDR_DEL)->addr = h->addr[i];
	for (unsigned int i = 0; i < w->naddr; i++)
		if (!has(h->addr, h->naddr, &w->addr[i]) &&
		    (!no_ip6 || ipaddr_is4(&w->addr[i].ip)))
			add(p, KSTEP_ADDR_ADD)->addr = w->addr[i];
}

static bool routed(const struct kroute *r, unsigned int n,
		   const struct kroute *x)
{
	for (unsigned int i = 0; i < n; i++)
		if (kroute_eq(&r[i], x))
			return true;
	return false;
}

/* Those that go come first: the same prefix may be another guest's now. */
static void routes(struct kbridge_plan *p, const struct kbridge_seen *h)
{
	const struct kbridge *w = p->want;

	for (unsigned int i = 0; i < h->nroute; i++)
		if (!routed(w->route, w->nroute, &h->route[i]))
			add(p, KSTEP_ROUTE_DEL)->route = h->route[i];
	if (h->there && !h->value[KB_DISABLE6][0])
		return;
	for (unsigned int i = 0; i < w->nroute; i++)
		if (!routed(h->route, h->nroute, &w->route[i]))
			add(p, KSTEP_ROUTE_ADD)->route = w->route[i];
}

static void facts(struct kbridge_plan *p, const struct kbridge_seen *h)
{
	const struct kbridge *w = p->want;
	struct kstep *s;

	if (!h->there) {
		s = add(p, KSTEP_BRIDGE);
		s->mac = w->mac;
		s->mtu = w->mtu;
		return;
	}
	if (!mac_eq(&w->mac, &h->link.mac)) {
		s = add(p, KSTEP_MAC);
		s->mac = w->mac;
		s->was_mac = h->link.mac;
	}
	if (w->mtu != h->link.mtu) {
		s = add(p, KSTEP_MTU);
		s->mtu = w->mtu;
		s->was_mtu = h->link.mtu;
	}
	/* Off when a bridge is made; the host's own switch is not ours to turn. */
	if (h->link.nf_call)
		add(p, KSTEP_NF_CALL)->was_nf_call = h->link.nf_call;
}

int kbridge_plan(const struct kbridge *want, const struct kbridge_seen *have,
		 struct kbridge_plan *p, struct errtext *why)
{
	p->want = want;
	p->n = 0;
	if (have->there && (strcmp(have->link.kind, "bridge") ||
			    strcmp(have->link.alias, want->mark)))
		return errtext_set(why, -EEXIST,
				   "interface %s is there and not this "
				   "network's", want->name);
	facts(p, have);
	router(p, have);
	sysctls(p, have);
	addresses(p, have);
	if (!have->there || !(have->link.flags & IFF_UP))
		add(p, KSTEP_UP);
	routes(p, have);
	return 0;
}

/* ---- text -------------------------------------------------------------------------------- */

char *kstep_text(const struct kbridge_plan *p, unsigned int i,
		 char out[KBRIDGE_STEP_TEXT])
{
	const struct kstep *s = &p->step[i];
	char ip[IP_TEXT], mac[MAC_TEXT], net[IP6_NET_TEXT];

	switch (s->kind) {
	case KSTEP_BRIDGE:
		snprintf(out, KBRIDGE_STEP_TEXT,
			 "bridge %s add mac %s mtu %u mark \"%s\"", s->dev,
			 mac_format(&s->mac, mac), s->mtu, p->want->mark);
		break;
	case KSTEP_MAC:
		snprintf(out, KBRIDGE_STEP_TEXT, "bridge %s set mac %s", s->dev,
			 mac_format(&s->mac, mac));
		break;
	case KSTEP_MTU:
		snprintf(out, KBRIDGE_STEP_TEXT, "bridge %s set mtu %u", s->dev,
			 s->mtu);
		break;
	case KSTEP_NF_CALL:
		snprintf(out, KBRIDGE_STEP_TEXT, "bridge %s set nf_call off",
			 s->dev);
		break;
	case KSTEP_SYSCTL:
		snprintf(out, KBRIDGE_STEP_TEXT, "sysctl net.%s.conf.%s.%s = %s",
			 s->family, s->dev, s->key, s->value);
		break;
	case KSTEP_ADDR_DEL:
	case KSTEP_ADDR_ADD:
		snprintf(out, KBRIDGE_STEP_TEXT, "address %s %s %s/%u", s->dev,
			 s->kind == KSTEP_ADDR_ADD ? "add" : "del",
			 ipaddr_format(&s->addr.ip, ip), s->addr.plen);
		break;
	case KSTEP_UP:
		snprintf(out, KBRIDGE_STEP_TEXT, "link %s up", s->dev);
		break;
	case KSTEP_ROUTE_DEL:
	case KSTEP_ROUTE_ADD:
		snprintf(out, KBRIDGE_STEP_TEXT, "route %s %s %s via %s", s->dev,
			 s->kind == KSTEP_ROUTE_ADD ? "add" : "del",
			 ip6_net_format(&s->route.net, net),
			 ipaddr_format(&s->route.via, ip));
		break;
	}
	return out;
}
