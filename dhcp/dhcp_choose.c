// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who a client is, which address it may have, and which it is offered (RFC 2131
 * 4.3.1). Part of dhcp_pool.h; reads the table that dhcp_pool.c keeps.
 */
#include "dhcp/dhcp_pool.h"

#include "dhcp/dhcp_config.h"

#define PROBES_MAX 8 /* addresses found taken in one request */

/* ---- who is who ---------------------------------------------------------- */

bool dhcp_pool_owns(const struct dhcp_pool *p, const struct dhcp_client *c,
		    const struct dhcp_binding *b)
{
	const struct dhcp_lease *l = &b->lease;

	if (l->state == DHCP_DECLINED)
		return false;
	if (p->cfg.identity == DHCP_IDENTITY_RFC2131) {
		if (c->cid_len != l->client_id_len)
			return false;
		return c->cid_len ? !memcmp(c->cid, l->client_id, c->cid_len)
				  : mac_eq(&c->mac, &l->mac);
	}
	return mac_eq(&c->mac, &l->mac) &&
	       (c->nic_id == l->nic_id || !c->nic_id || !l->nic_id);
}

/* The client's next binding behind @prev (NULL: the first), or NULL. */
static struct dhcp_binding *next_owned(const struct dhcp_pool *p,
				       const struct dhcp_client *c,
				       const struct dhcp_binding *prev)
{
	bool cid = p->cfg.identity == DHCP_IDENTITY_RFC2131 && c->cid_len;
	struct dhcp_binding *b;
	struct hnode *n;

	if (prev)
		n = htab_find_next(cid ? &prev->by_cid : &prev->by_mac);
	else if (cid)
		n = htab_find(&p->by_cid,
			      dhcp_hash(&p->by_cid, c->cid, c->cid_len));
	else
		n = htab_find(&p->by_mac, dhcp_hash(&p->by_mac, c->mac.b, 6));
	for (; n; n = htab_find_next(n)) {
		b = cid ? container_of(n, struct dhcp_binding, by_cid)
			: container_of(n, struct dhcp_binding, by_mac);
		if (dhcp_pool_owns(p, c, b))
			return b;
	}
	return NULL;
}

/* Which of a client's bindings counts: one it may keep before others, the NIC's
 * own before one whose NIC is not known, bound before offered before freed. */
static int rank(const struct dhcp_pool *p, const struct dhcp_client *c,
		const struct dhcp_binding *b)
{
	static const int by_state[] = {
		[DHCP_OFFERED] = 1,
		[DHCP_BOUND] = 2,
		[DHCP_DECLINED] = 0,
	};

	return (dhcp_pool_acceptable(p, c, b->lease.ip) ? 8 : 0) +
	       (b->lease.nic_id == c->nic_id ? 4 : 0) +
	       (dhcp_state_freed(b->lease.state) ? 0
						 : by_state[b->lease.state]);
}

struct dhcp_binding *dhcp_pool_find_client(const struct dhcp_pool *p,
					   const struct dhcp_client *c)
{
	struct dhcp_binding *best = next_owned(p, c, NULL), *b = best;

	while (b && (b = next_owned(p, c, b))) {
		int d = rank(p, c, b) - rank(p, c, best);

		if (d > 0 || (!d && b->lease.expiry_s > best->lease.expiry_s))
			best = b;
	}
	return best;
}

bool dhcp_pool_moving(const struct dhcp_pool *p, const struct dhcp_client *c,
		      uint32_t ip)
{
	const struct dhcp_binding *b = next_owned(p, c, NULL);

	for (; b; b = next_owned(p, c, b))
		if (b->pending && b->lease.ip != ip)
			return true;
	return false;
}

const struct dhcp_lease *dhcp_pool_find_bound(const struct dhcp_pool *p,
					      uint64_t nic_id,
					      const struct mac *mac)
{
	struct hnode *n =
		htab_find(&p->by_mac, dhcp_hash(&p->by_mac, mac->b, 6));
	const struct dhcp_lease *best = NULL;

	for (; n; n = htab_find_next(n)) {
		const struct dhcp_lease *l =
			&container_of(n, struct dhcp_binding, by_mac)->lease;

		if (l->state == DHCP_BOUND && mac_eq(&l->mac, mac) &&
		    (!nic_id || l->nic_id == nic_id) &&
		    (!best || l->expiry_s > best->expiry_s))
			best = l;
	}
	return best;
}

/* What a lease makes superfluous. One whose NIC is not known any more does not
 * end those of NICs that are. */
struct dhcp_binding *dhcp_pool_sibling(const struct dhcp_pool *p,
				       const struct dhcp_binding *b)
{
	struct dhcp_client c = dhcp_client_of(&b->lease);
	struct dhcp_binding *x = next_owned(p, &c, NULL);

	for (; x; x = next_owned(p, &c, x))
		if (x != b && (c.nic_id || !x->lease.nic_id ||
			       p->cfg.identity == DHCP_IDENTITY_RFC2131))
			return x;
	return NULL;
}

/* ---- choice -------------------------------------------------------------- */

int dhcp_pool_range(const struct dhcp_pool *p, uint32_t ip)
{
	for (unsigned int i = 0; i < p->nranges; i++)
		if (ip4_in_net(ip, &p->range[i].net))
			return (int)i;
	return -1;
}

bool dhcp_pool_usable(const struct dhcp_pool *p, uint32_t ip)
{
	const struct dhcp_config *cfg = &p->cfg;
	int at = dhcp_pool_range(p, ip);
	const struct dhcp_range *r = &p->range[at < 0 ? 0 : at];

	if (at < 0 || ip == r->net.addr || ip == dhcp_net_broadcast(&r->net) ||
	    ip == r->router || ip == cfg->server_ip)
		return false;
	for (unsigned int i = 0; i < cfg->ndns; i++)
		if (ip == cfg->dns[i])
			return false;
	return true;
}

bool dhcp_pool_available(const struct dhcp_pool *p, const struct dhcp_client *c,
			 uint32_t ip)
{
	const struct dhcp_binding *b = dhcp_pool_find_ip(p, ip);

	return !b || dhcp_state_freed(b->lease.state) ||
	       dhcp_pool_owns(p, c, b);
}

/* The client's reserved address, when it can have it now; 0 otherwise. */
static uint32_t reserved_for(const struct dhcp_pool *p,
			     const struct dhcp_client *c)
{
	const struct dhcp_reservation *r =
		dhcp_reserve_find_mac(&p->reserve, &c->mac);

	if (!r || !r->ip || !dhcp_pool_usable(p, r->ip) ||
	    dhcp_pool_range(p, r->ip) != (int)c->range ||
	    !dhcp_pool_available(p, c, r->ip))
		return 0;
	return r->ip;
}

bool dhcp_pool_acceptable(const struct dhcp_pool *p,
			  const struct dhcp_client *c, uint32_t ip)
{
	const struct dhcp_reservation *r =
		dhcp_reserve_find_ip(&p->reserve, ip);
	uint32_t fixed;

	const struct dhcp_range *range = &p->range[c->range];

	if (!dhcp_pool_usable(p, ip) || !ip4_in_net(ip, &range->net) ||
	    ip == c->relay)
		return false;
	if (r)
		return mac_eq(&r->mac, &c->mac);
	fixed = reserved_for(p, c);
	if (fixed && fixed != ip) /* it is to move there */
		return false;
	return range->first && ip >= range->first && ip <= range->last;
}

/* The lowest address of a range that was never given out, behind @after (0: of all);
 * 0 = none. */
static uint32_t never_used(const struct dhcp_pool *p, unsigned int range,
			   uint32_t after)
{
	const struct dhcp_range *r = &p->range[range];
	uint32_t from = p->at[range],
		 end = from + (r->first ? r->last - r->first + 1 : 0);

	if (after >= r->first)
		from += after - r->first + 1;
	for (uint32_t i = from & ~63u; i < end; i += 64) {
		uint64_t unused = ~p->map[i / 64];
		uint32_t at;

		if (i < from)
			unused &= ~0ULL << (from - i);
		if (!unused)
			continue;
		at = i + (uint32_t)__builtin_ctzll(unused);
		return at < end ? r->first + at - p->at[range] : 0;
	}
	return 0;
}

/* What to offer, not yet asked whether somebody uses it. */
static uint32_t candidate(const struct dhcp_pool *p,
			  const struct dhcp_client *c, uint32_t wish)
{
	const struct dhcp_binding *b;
	uint32_t ip = reserved_for(p, c);

	if (ip)
		return ip;
	b = dhcp_pool_find_client(p, c);
	if (b && dhcp_pool_acceptable(p, c, b->lease.ip))
		return b->lease.ip;
	/* Another one's previous address is kept for it while there are others, even
	 * from those who ask for it: it may be a NIC's that has not booted yet. */
	if (wish && (!dhcp_pool_acceptable(p, c, wish) ||
		     !dhcp_pool_available(p, c, wish)))
		wish = 0;
	if (wish && !dhcp_pool_find_ip(p, wish))
		return wish;
	ip = never_used(p, c->range, 0);
	if (ip && ip == c->relay)
		ip = never_used(p, c->range, ip);
	if (ip || wish)
		return ip ? ip : wish;
	b = list_first(&p->free_list[c->range], struct dhcp_binding, free_node);
	return b ? b->lease.ip : 0;
}

/* Does the client have it already, so that it answers for it itself? */
static bool holds(const struct dhcp_pool *p, const struct dhcp_client *c,
		  uint32_t ip)
{
	const struct dhcp_binding *b = dhcp_pool_find_ip(p, ip);

	return b && dhcp_pool_owns(p, c, b) &&
	       !dhcp_state_freed(b->lease.state);
}

uint32_t dhcp_pool_choose(struct dhcp_pool *p, const struct dhcp_client *c,
			  uint32_t wish, int64_t now_s, bool *wait)
{
	*wait = false;
	for (int i = 0; i < PROBES_MAX; i++) {
		uint32_t ip = candidate(p, c, wish);

		if (!ip || holds(p, c, ip))
			return ip;
		switch (dhcp_pool_in_use(p, c, ip, true, now_s)) {
		case DHCP_USE_NONE:
			return ip;
		case DHCP_USE_ASKED:
			*wait = true;
			return 0;
		case DHCP_USE_TAKEN:
			break;
		}
	}
	return 0;
}

unsigned int dhcp_pool_next(const struct dhcp_pool *p,
			    const struct dhcp_client *c, uint32_t *ip,
			    unsigned int cap)
{
	uint32_t own = c ? candidate(p, c, 0) : 0, next = 0;
	unsigned int n = 0;

	if (own && cap && !holds(p, c, own))
		ip[n++] = own;
	while (n < cap && (next = never_used(p, 0, next)))
		if (next != own)
			ip[n++] = next;
	list_for_each(b, &p->free_list[0], struct dhcp_binding, free_node)
	{
		if (n == cap)
			break;
		if (b->lease.ip != own)
			ip[n++] = b->lease.ip;
	}
	return n;
}
