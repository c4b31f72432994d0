// SPDX-License-Identifier: GPL-2.0-or-later
/* See netset.h; parameters are read in m_netset.c. */
#include "netd/netset.h"

#include <errno.h>
#include <string.h>

#include "netd/leases.h"
#include "netd/store.h"

bool netset_same6(const struct ip6_net *a, const struct ip6_net *b)
{
	return a->plen == b->plen && ipaddr_eq(&a->addr, &b->addr);
}

static int to_store(struct ctl *ctl, struct network *n,
		    const struct net_conf *c, struct optset *set,
		    struct errtext *why)
{
	int r = n->dying ? errtext_set(why, -EBUSY, "it is being undefined")
			 : store_begin(ctl->store, why);

	if (r)
		return r;
	r = store_net_set(ctl->store, c, why);
	if (!r && !netset_same6(&n->conf.subnet6, &c->subnet6))
		r = leases6_unstore_outside(ctl, n, c, why);
	if (!r)
		r = optset_store(set, ctl->store, n, why);
	if (!r)
		return store_commit(ctl->store, why);
	store_rollback(ctl->store);
	return r;
}

static void take_over(struct network *n, const struct net_conf *c)
{
	n->conf.access = c->access;
	n->conf.udp_filter = c->udp_filter;
	n->conf.lease_s = c->lease_s;
	n->conf.subnet6 = c->subnet6;
	n->conf.ipv6 = c->ipv6;
	n->conf.uplink_mode = c->uplink_mode;
	n->conf.mac_nat = c->mac_nat;
	n->conf.pool6 = c->pool6;
	n->conf.pool6_len = c->pool6_len;
	n->conf.guard = c->guard;
	memcpy(n->conf.host_allow, c->host_allow, sizeof(c->host_allow));
	memcpy(n->conf.tftp, c->tftp, sizeof(c->tftp));
	memcpy(n->conf.domain, c->domain, sizeof(c->domain));
}

int netset_apply(struct ctl *ctl, struct network *n, const struct net_conf *c,
		 struct optset *set, struct errtext *why)
{
	bool other6 = !netset_same6(&n->conf.subnet6, &c->subnet6);
	int r;

	if (other6) /* none of the old prefix comes after this */
		leases_flush(ctl->leases);
	r = to_store(ctl, n, c, set, why);
	if (r)
		return r;
	take_over(n, c);
	if (other6)
		leases6_end_outside(ctl, n);
	(void)optset_remember(set, n); /* no memory: with the next start */
	return 0;
}
