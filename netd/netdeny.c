// SPDX-License-Identifier: GPL-2.0-or-later
/* See netdeny.h. */
#include "netd/netdeny.h"

#include <stdlib.h>

#include "lib/netmerge.h"
#include "nat/nat.h"
#include "netd/hostaddr.h"

/* ---- of all ------------------------------------------------------------------------ */

static void put(json_t *to, json_t *v)
{
	if (json_array_size(to) < NAT_DENY_MAX)
		json_array_append_new(to, v);
	else
		json_decref(v);
}

static void put4(json_t *to, const struct ip4_net *n)
{
	char s[IP4_TEXT + 3];

	put(to, json_string(ip4_net_format(n, s)));
}

static void put6(json_t *to, const struct ip6_net *n)
{
	char s[IP6_NET_TEXT];

	put(to, json_string(ip6_net_format(n, s)));
}

/* Of host-only networks, or of all the rest. Without memory of none: nobody is kept from
 * them for now. */
static void make_part(struct netdeny_part *p, struct model *m, bool hostonly)
{
	size_t n4 = 0, n6 = 0;

	p->text4 = json_array();
	p->text6 = json_array();
	p->net4 = calloc(m->nnets + 1, sizeof(*p->net4));
	p->net6 = calloc(2 * m->nnets + 1, sizeof(*p->net6));
	if (!p->net4 || !p->net6)
		return;
	list_for_each(n, &m->nets, struct network, node) {
		if ((n->conf.mode == NET_HOSTONLY) != hostonly)
			continue;
		p->net4[n4++] = n->conf.subnet;
		p->net6[n6++] = n->conf.subnet6;
		p->net6[n6++] = n->conf.pool6;
	}
	n4 = ip4_nets_merge(p->net4, n4);
	n6 = ip6_nets_merge(p->net6, n6);
	for (size_t i = 0; i < n4; i++)
		put4(p->text4, &p->net4[i]);
	for (size_t i = 0; i < n6; i++)
		put6(p->text6, &p->net6[i]);
}

static void free_part(struct netdeny_part *p)
{
	json_decref(p->text4);
	json_decref(p->text6);
	free(p->net4);
	free(p->net6);
}

void netdeny_make(struct netdeny *d, struct model *m)
{
	make_part(&d->hostonly, m, true);
	make_part(&d->rest, m, false);
}

void netdeny_fini(struct netdeny *d)
{
	free_part(&d->hostonly);
	free_part(&d->rest);
}

/* ---- for one ------------------------------------------------------------------------- */

static bool meets4(const struct ip4_net *a, const struct ip4_net *b)
{
	return a->plen && b->plen &&
	       (a->plen > b->plen ? ip4_in_net(a->addr, b)
				  : ip4_in_net(b->addr, a));
}

static bool meets6(const struct ip6_net *a, const struct ip6_net *b)
{
	return a->plen && b->plen &&
	       (a->plen > b->plen ? ipaddr_in_net6(&a->addr, b)
				  : ipaddr_in_net6(&b->addr, a));
}

/* What is left of @n without @own, halved until it is one or the other. */
static void put_rest4(json_t *to, struct ip4_net n, const struct ip4_net *own)
{
	if (!meets4(&n, own)) {
		put4(to, &n);
		return;
	}
	if (own->plen <= n.plen)
		return;
	n.plen++;
	put_rest4(to, n, own);
	n.addr |= 0x80000000u >> (n.plen - 1);
	put_rest4(to, n, own);
}

static void put_rest6(json_t *to, struct ip6_net n, const struct net_conf *own)
{
	bool a = meets6(&n, &own->subnet6), b = meets6(&n, &own->pool6);

	if (!a && !b) {
		put6(to, &n);
		return;
	}
	if ((a && own->subnet6.plen <= n.plen) || (b && own->pool6.plen <= n.plen))
		return;
	n.plen++;
	put_rest6(to, n, own);
	n.addr.b[(n.plen - 1) / 8] |= (uint8_t)(0x80 >> (n.plen - 1) % 8);
	put_rest6(to, n, own);
}

static void add_part(const struct netdeny_part *p, const struct net_conf *own,
		     json_t *v4, json_t *v6)
{
	json_t *text;
	size_t i;

	json_array_foreach(p->text4, i, text)
		if (meets4(&p->net4[i], &own->subnet))
			put_rest4(v4, p->net4[i], &own->subnet);
		else
			put(v4, json_incref(text));
	json_array_foreach(p->text6, i, text)
		if (meets6(&p->net6[i], &own->subnet6) ||
		    meets6(&p->net6[i], &own->pool6))
			put_rest6(v6, p->net6[i], own);
		else
			put(v6, json_incref(text));
}

/* The host has more addresses than the one that the gateway's leads to. */
static void add_host(struct ctl *ctl, json_t *v4, json_t *v6)
{
	const struct ipaddr *ip = NULL;
	size_t n = ctl->host ? hostaddr_locals(ctl->host, &ip) : 0;
	struct ip4_net net4[NAT_SELF_MAX];
	struct ip6_net net6[NAT_SELF_MAX];
	size_t n4 = 0, n6 = 0;

	for (size_t i = 0; i < n && i < NAT_SELF_MAX; i++)
		if (ipaddr_is4(&ip[i]))
			net4[n4++] = (struct ip4_net){ipaddr_get4(&ip[i]), 32};
		else
			net6[n6++] = (struct ip6_net){ip[i], 128};
	n4 = ip4_nets_merge(net4, n4);
	n6 = ip6_nets_merge(net6, n6);
	for (size_t i = 0; i < n4; i++)
		put4(v4, &net4[i]);
	for (size_t i = 0; i < n6; i++)
		put6(v6, &net6[i]);
}

void netdeny_of(const struct netdeny *d, const struct network *n, json_t **v4,
		json_t **v6)
{
	*v4 = json_array();
	*v6 = json_array();
	if (n->conf.mode == NET_NAT && n->conf.access == ACCESS_OFF)
		add_host(n->ctl, *v4, *v6);
	add_part(&d->hostonly, &n->conf, *v4, *v6);
	add_part(&d->rest, &n->conf, *v4, *v6);
}
