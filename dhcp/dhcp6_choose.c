// SPDX-License-Identifier: GPL-2.0-or-later
/* Which address or prefix somebody gets. See dhcp6_table.h. */
#include <errno.h>

#include "dhcp/dhcp6_table_int.h"

/* What is chosen for: an address or a prefix. */
struct pool {
	struct ip6_net net; /* what members lie in */
	uint8_t plen;	    /* of members */
	uint32_t size;
};

static struct pool addresses_of(const struct ip6_net *net)
{
	struct pool p = {*net, 128, DHCP6_POOL};

	p.net.addr.b[13] = 1; /* net::1:0/112 */
	p.net.plen = 112;
	return p;
}

static bool pool_of(const struct dhcp6_config *c, bool pd, struct pool *p)
{
	if (pd) {
		if (!c->delegate.plen)
			return false;
		*p = (struct pool){c->delegate, c->delegate_len,
				   1u << (c->delegate_len - c->delegate.plen)};
		return true;
	}
	*p = addresses_of(&c->net);
	return c->addresses;
}

/* Member @i: its bits are those that end at @plen. */
static struct ipaddr member(const struct pool *p, uint32_t i)
{
	struct ipaddr a = p->net.addr;

	for (int bit = p->plen - 1; i; bit--, i >>= 1)
		if (i & 1)
			a.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return a;
}

static bool bits_behind(const struct ipaddr *a, uint8_t plen)
{
	for (unsigned int bit = plen; bit < 128; bit++)
		if (a->b[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

static bool in_pool(const struct pool *p, const struct ipaddr *a, uint8_t plen)
{
	return plen == p->plen && ipaddr_in_net6(a, &p->net) &&
	       !bits_behind(a, plen);
}

/* May the client have it as far as configuration and reservations say? */
static bool acceptable(const struct dhcp6_table *t, const struct pool *p,
		       const struct dhcp6_client *c, const struct ipaddr *a,
		       uint8_t plen)
{
	const struct dhcp6_resv *r =
		plen == 128 ? dhcp6_resv_ip(t, a) : NULL;

	if (r)
		return mac_eq(&r->mac, &c->mac);
	return in_pool(p, a, plen);
}

/* ---- what there is already ------------------------------------------------ */

/* May this message's IA go on with @b: its own (@own), or what another DUID had? */
static bool is_candidate(const struct dhcp6_table *t,
			 const struct dhcp6_client *c,
			 const struct dhcp6_ia *ia, bool own,
			 const struct dhcp6_binding *b)
{
	const struct dhcp6_lease *l = &b->lease;

	if (l->state == DHCP6_DECLINED ||
	    dhcp6_is_prefix(l) != (ia->opt == DHCP6_OPT_IA_PD) ||
	    !dhcp6_owns(c, l) || dhcp6_duid_is(l, c) != own)
		return false;
	return own ? l->iaid == ia->iaid
		   : !b->pending && b->claim != t->claim;
}

/* An IA that was moved has two for a while: what it may keep goes before what it may
 * not, a waiting commit before all, then what lasts longer. */
static bool is_better(const struct dhcp6_table *t, const struct pool *p,
		      const struct dhcp6_client *c, const struct dhcp6_ia *ia,
		      const struct dhcp6_binding *a,
		      const struct dhcp6_binding *b)
{
	bool fit_a = acceptable(t, p, c, &a->lease.ip, a->lease.plen);
	bool fit_b = acceptable(t, p, c, &b->lease.ip, b->lease.plen);

	if (!a->pending != !b->pending)
		return a->pending;
	if (fit_a != fit_b)
		return fit_a;
	if ((a->lease.iaid == ia->iaid) != (b->lease.iaid == ia->iaid))
		return a->lease.iaid == ia->iaid;
	return a->lease.expiry_s > b->lease.expiry_s;
}

/* The best of what is there; NULL = nothing. */
static struct dhcp6_binding *candidate(const struct dhcp6_table *t,
				       const struct pool *p,
				       const struct dhcp6_client *c,
				       const struct dhcp6_ia *ia, bool own)
{
	struct dhcp6_binding *best = NULL;
	struct hnode *n =
		htab_find(&t->by_mac, dhcp6_hash(&t->by_mac, c->mac.b, 6));

	for (; n; n = htab_find_next(n)) {
		struct dhcp6_binding *b =
			container_of(n, struct dhcp6_binding, by_mac);

		if (is_candidate(t, c, ia, own, b) &&
		    (!best || is_better(t, p, c, ia, b, best)))
			best = b;
	}
	return best;
}

/* Of the client's kind on this NIC and MAC, and on the NIC in all. */
static bool quota_used(const struct dhcp6_table *t,
		       const struct dhcp6_client *c)
{
	struct hnode *n =
		htab_find(&t->by_mac, dhcp6_hash(&t->by_mac, c->mac.b, 6));
	unsigned int mine = 0, nic = 0;

	for (; n; n = htab_find_next(n))
		mine += dhcp6_owns(c, &container_of(n, struct dhcp6_binding,
						    by_mac)->lease);
	if (mine >= DHCP6_PER_CLIENT)
		return true;
	if (!c->nic_id)
		return false;
	n = htab_find(&t->by_nic,
		      dhcp6_hash(&t->by_nic, &c->nic_id, sizeof(c->nic_id)));
	for (; n; n = htab_find_next(n))
		nic += container_of(n, struct dhcp6_binding, by_nic)
			       ->lease.nic_id == c->nic_id;
	return nic >= DHCP6_PER_NIC;
}

/* ---- new ones ------------------------------------------------------------ */

static struct dhcp6_lease lease_for(const struct dhcp6_client *c,
				    const struct dhcp6_ia *ia,
				    const struct ipaddr *a, uint8_t plen,
				    int64_t now_s)
{
	struct dhcp6_lease l = {
		.ip = *a, .plen = plen, .mac = c->mac, .nic_id = c->nic_id,
		.iaid = ia->iaid, .duid_len = c->duid_len, .via = c->via,
		.state = DHCP6_OFFERED, .expiry_s = now_s + DHCP6_OFFER_S,
	};

	memcpy(l.duid, c->duid, c->duid_len);
	return l;
}

/* Does somebody else use the address? Then it is set aside. */
static bool taken(struct dhcp6_table *t, const struct dhcp6_client *c,
		  const struct ipaddr *a, int64_t now_s)
{
	static const struct mac nobody;
	struct dhcp6_lease l = {
		.ip = *a, .plen = 128, .mac = nobody, .state = DHCP6_DECLINED,
		.expiry_s = now_s + DHCP6_QUARANTINE_S,
	};

	if (!t->ops->in_use || !t->ops->in_use(t->arg, a, &c->mac))
		return false;
	t->conflicts++;
	(void)dhcp6_create(t, &l); /* without memory: asked again next time */
	return true;
}

static int take(struct dhcp6_table *t, const struct dhcp6_client *c,
		const struct dhcp6_ia *ia, const struct ipaddr *a, uint8_t plen,
		int64_t now_s, struct dhcp6_binding **out)
{
	struct dhcp6_lease l = lease_for(c, ia, a, plen, now_s);

	*out = dhcp6_create(t, &l);
	return *out ? 0 : -ENOMEM;
}

/* Where to look first: the same for a MAC at any time, on any host. */
static uint32_t start_of(const struct mac *mac, bool pd, uint32_t size)
{
	static const uint64_t fixed[2] = {0x766e6574, 0x64686370};
	uint8_t key[7];

	memcpy(key, mac->b, 6);
	key[6] = pd;
	return hash_bytes(fixed, key, sizeof(key)) % size;
}

uint32_t dhcp6_place_of(const struct mac *mac)
{
	return start_of(mac, false, DHCP6_POOL);
}

struct ipaddr dhcp6_address_at(const struct ip6_net *net, uint32_t place)
{
	struct pool p = addresses_of(net);

	return member(&p, place % p.size);
}

/* A place that is looked at for one client: is it another's? */
struct keeper {
	const struct mac *mac;
	uint32_t own, place;
	bool found;
};

static bool keeps(struct hnode *n, void *arg)
{
	const struct dhcp6_resv *r = container_of(n, struct dhcp6_resv, by_mac);
	struct keeper *k = arg;

	if (r->place != k->place || !ipaddr_is_zero(&r->ip) ||
	    mac_eq(&r->mac, k->mac))
		return true;
	k->found = k->own != k->place || memcmp(k->mac->b, r->mac.b, 6) > 0;
	return !k->found;
}

/* The last two bytes of an address of the pool are its place. */
static bool is_kept(const struct dhcp6_table *t, const struct mac *mac,
		    const struct ipaddr *ip)
{
	const struct pool p = addresses_of(&t->cfg.net);
	struct keeper k = {mac, dhcp6_place_of(mac), get_be16(&ip->b[14]),
			   false};

	if (in_pool(&p, ip, 128))
		htab_walk((struct htab *)&t->resv_mac, keeps, &k);
	return k.found;
}

struct overlap {
	struct ip6_net net;
	bool found;
};

static bool overlaps(struct hnode *n, void *arg)
{
	const struct dhcp6_lease *l =
		&container_of(n, struct dhcp6_binding, by_ip)->lease;
	const struct ip6_net net = {l->ip, l->plen};
	struct overlap *o = arg;

	o->found = dhcp6_is_prefix(l) && ip6_net_overlap(&net, &o->net);
	return !o->found;
}

/* Nobody has it, nor a part of it. */
static bool is_free(struct dhcp6_table *t, const struct ipaddr *a, uint8_t plen)
{
	struct overlap o = {{*a, plen}, false};

	if (dhcp6_find(t, a))
		return false;
	if (plen != 128 && t->mixed)
		htab_walk(&t->by_ip, overlaps, &o);
	return !o.found;
}

static int take_new(struct dhcp6_table *t, const struct dhcp6_client *c,
		    const struct dhcp6_ia *ia, const struct pool *p,
		    int64_t now_s, struct dhcp6_binding **out)
{
	uint32_t at = start_of(&c->mac, p->plen != 128, p->size);
	unsigned int conflicts = 0;
	struct ipaddr a;

	for (unsigned int i = 0; i < ia->nitems; i++) {
		const struct dhcp6_item *it = &ia->item[i];

		if (acceptable(t, p, c, &it->ip, it->plen) &&
		    is_free(t, &it->ip, it->plen) &&
		    (it->plen != 128 || (!is_kept(t, &c->mac, &it->ip) &&
					 !taken(t, c, &it->ip, now_s))))
			return take(t, c, ia, &it->ip, it->plen, now_s, out);
	}
	for (uint32_t i = 0; i < p->size && conflicts < DHCP6_CONFLICTS; i++) {
		a = member(p, (at + i) % p->size);
		if (!is_free(t, &a, p->plen) ||
		    !acceptable(t, p, c, &a, p->plen) ||
		    (p->plen == 128 && is_kept(t, &c->mac, &a)))
			continue;
		if (p->plen == 128 && taken(t, c, &a, now_s)) {
			conflicts++;
			continue;
		}
		return take(t, c, ia, &a, p->plen, now_s, out);
	}
	return -ENOSPC;
}

/* Is the binding there for this IA to take: its own, or an earlier DUID's? */
static bool may_take(const struct dhcp6_table *t, const struct dhcp6_client *c,
		     const struct dhcp6_ia *ia, const struct dhcp6_binding *b)
{
	if (b->lease.state == DHCP6_DECLINED || !dhcp6_owns(c, &b->lease))
		return false;
	if (dhcp6_duid_is(&b->lease, c))
		return b->lease.iaid == ia->iaid;
	return b->claim != t->claim && !b->pending;
}

/* The address reserved for the MAC; 1 = it is @*out, 0 = not for this IA, or not now,
 * negative errno. */
static int take_reserved(struct dhcp6_table *t, const struct dhcp6_client *c,
			 const struct dhcp6_ia *ia, int64_t now_s,
			 struct dhcp6_binding **out)
{
	const struct dhcp6_resv *r = dhcp6_resv_mac(t, &c->mac);
	struct dhcp6_binding *b;
	struct ipaddr ip;

	if (!r || ipaddr_is_zero(&r->ip) || ia->opt == DHCP6_OPT_IA_PD)
		return 0;
	ip = r->ip;
	b = dhcp6_find(t, &ip);
	if (b) {
		*out = b;
		return may_take(t, c, ia, b);
	}
	if (t->by_ip.count >= DHCP6_BINDINGS_MAX || taken(t, c, &ip, now_s))
		return 0;
	return take(t, c, ia, &ip, 128, now_s, out) ? -ENOMEM : 1;
}

/* The offer is this IA's from now on, or longer. */
static void renew_offer(struct dhcp6_table *t, const struct dhcp6_client *c,
			const struct dhcp6_ia *ia, struct dhcp6_binding *b,
			int64_t now_s)
{
	struct dhcp6_lease l =
		lease_for(c, ia, &b->lease.ip, b->lease.plen, now_s);

	if (b->lease.state == DHCP6_OFFERED && !b->pending)
		dhcp6_replace(t, b, &l);
	b->claim = t->claim;
}

int dhcp6_choose(struct dhcp6_table *t, const struct dhcp6_client *c,
		 const struct dhcp6_ia *ia, int64_t now_s,
		 struct dhcp6_binding **out)
{
	struct dhcp6_binding *b;
	struct pool p;
	int r = 0;

	if (!pool_of(&t->cfg, ia->opt == DHCP6_OPT_IA_PD, &p))
		return -ENOSPC;
	b = candidate(t, &p, c, ia, true);
	if (b && b->pending) {
		*out = b;
		return 0;
	}
	if (!b)
		b = candidate(t, &p, c, ia, false);
	r = take_reserved(t, c, ia, now_s, out);
	if (r < 0)
		return r;
	if (r) {
		b = *out;
	} else if (!b || !acceptable(t, &p, c, &b->lease.ip, b->lease.plen)) {
		if (quota_used(t, c))
			return -EDQUOT;
		if (t->by_ip.count >= DHCP6_BINDINGS_MAX)
			return -ENOSPC;
		r = take_new(t, c, ia, &p, now_s, &b);
		if (r)
			return r;
	}
	renew_offer(t, c, ia, b, now_s);
	*out = b;
	return 0;
}

void dhcp6_claim(struct dhcp6_table *t)
{
	if (!++t->claim) /* 0: claimed by none */
		t->claim = 1;
}
