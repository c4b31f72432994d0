// SPDX-License-Identifier: GPL-2.0-or-later
/* Leases of DHCPv6 and reservations of IPv6 addresses in memory. See model.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netd/model.h"

static uint32_t hash_ip(const struct network *n, const struct ipaddr *ip)
{
	return hash_bytes(n->leases6.seed, ip, sizeof(*ip));
}

static uint32_t hash_mac(const struct network *n, const struct mac *mac)
{
	return hash_bytes(n->leases6_mac.seed, mac->b, sizeof(mac->b));
}

int model_lease6_put(struct network *n, const struct lease6_conf *c)
{
	struct lease6 *l = model_lease6_find(n, &c->address);

	if (!l) {
		if (n->leases6.count >= MODEL_LEASES6_MAX)
			return -ENOSPC;
		l = calloc(1, sizeof(*l));
		if (!l)
			return -ENOMEM;
		htab_add(&n->leases6, &l->by_ip, hash_ip(n, &c->address));
	} else {
		htab_del(&n->leases6_mac, &l->by_mac);
	}
	l->conf = *c;
	htab_add(&n->leases6_mac, &l->by_mac, hash_mac(n, &c->mac));
	return 0;
}

void model_lease6_del(struct network *n, struct lease6 *l)
{
	htab_del(&n->leases6, &l->by_ip);
	htab_del(&n->leases6_mac, &l->by_mac);
	free(l);
}

struct lease6 *model_lease6_by_mac(struct network *n, const struct mac *mac,
				   const struct lease6 *l)
{
	struct hnode *h = l ? htab_find_next(&l->by_mac)
			    : htab_find(&n->leases6_mac, hash_mac(n, mac));

	for (; h; h = htab_find_next(h)) {
		struct lease6 *o = container_of(h, struct lease6, by_mac);

		if (mac_eq(&o->conf.mac, mac))
			return o;
	}
	return NULL;
}

struct lease6 *model_lease6_find(struct network *n, const struct ipaddr *ip)
{
	struct hnode *h = htab_find(&n->leases6, hash_ip(n, ip));

	for (; h; h = htab_find_next(h)) {
		struct lease6 *l = container_of(h, struct lease6, by_ip);

		if (ipaddr_eq(&l->conf.address, ip))
			return l;
	}
	return NULL;
}

static bool drop(struct hnode *h, void *arg)
{
	model_lease6_del(arg, container_of(h, struct lease6, by_ip));
	return true;
}

void model_leases6_clear(struct network *n)
{
	htab_walk(&n->leases6, drop, n);
}

int model_resv6_put(struct network *n, const struct resv6_conf *c)
{
	struct resv6 *r = model_resv6_find(n, &c->address);

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return -ENOMEM;
		list_add_tail(&n->resvs6, &r->node);
	}
	r->conf = *c;
	return 0;
}

void model_resv6_del(struct resv6 *r)
{
	list_del(&r->node);
	free(r);
}

struct resv6 *model_resv6_find(struct network *n, const struct ipaddr *ip)
{
	list_for_each(r, &n->resvs6, struct resv6, node)
		if (ipaddr_eq(&r->conf.address, ip))
			return r;
	return NULL;
}

struct mac model_resv6_mac(const struct network *n, const struct resv6_conf *c)
{
	const struct nic *nic;

	if (!c->vm[0])
		return c->mac;
	nic = model_nic_find(n->model, c->vm, c->nic);
	return nic && nic->net == n ? nic->conf.mac : (struct mac){{0}};
}

struct resv6 *model_resv6_by_mac(struct network *n, const struct mac *mac)
{
	list_for_each(r, &n->resvs6, struct resv6, node) {
		struct mac m = model_resv6_mac(n, &r->conf);

		if (mac_eq(&m, mac))
			return r;
	}
	return NULL;
}
