// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of bindings and their lives. Which address somebody gets is decided
 * in dhcp_choose.c; when to ask for it in dhcp_rules.c.
 */
#include "dhcp/dhcp_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_names.h"

/* What one NIC holds; exists while that is not nothing. */
struct dhcp_nic {
	struct hnode node;
	uint64_t id;
	uint32_t held;
};

static void emit(struct dhcp_pool *p, enum dhcp_event_type type,
		 const struct dhcp_binding *b)
{
	p->ops->event(p->arg, type, &b->lease);
}

/* ---- quota --------------------------------------------------------------- */

static struct dhcp_nic *find_nic(const struct dhcp_pool *p, uint64_t id)
{
	struct hnode *n = htab_find(&p->nics, dhcp_hash(&p->nics, &id, 8));

	for (; n; n = htab_find_next(n))
		if (container_of(n, struct dhcp_nic, node)->id == id)
			return container_of(n, struct dhcp_nic, node);
	return NULL;
}

static bool nic_full(const struct dhcp_pool *p, uint64_t id)
{
	const struct dhcp_nic *nic = id ? find_nic(p, id) : NULL;

	return nic && nic->held >= dhcp_config_max_per_nic(&p->cfg);
}

/* Without memory the binding goes uncounted. */
static void charge(struct dhcp_pool *p, struct dhcp_binding *b)
{
	uint64_t id = b->lease.nic_id;
	struct dhcp_nic *nic = id ? find_nic(p, id) : NULL;

	if (id && !nic) {
		nic = calloc(1, sizeof(*nic));
		if (!nic)
			return;
		nic->id = id;
		htab_add(&p->nics, &nic->node, dhcp_hash(&p->nics, &id, 8));
	}
	b->nic = nic;
	if (nic)
		nic->held++;
}

static void uncharge(struct dhcp_pool *p, struct dhcp_binding *b)
{
	struct dhcp_nic *nic = b->nic;

	b->nic = NULL;
	if (!nic || --nic->held)
		return;
	htab_del(&p->nics, &nic->node);
	free(nic);
}

/* ---- the map of addresses never used ------------------------------------- */

static bool in_pool(const struct dhcp_range *r, uint32_t ip)
{
	return r->first && ip >= r->first && ip <= r->last;
}

/* May anybody have it? */
static bool is_dynamic(const struct dhcp_pool *p, uint32_t ip)
{
	int r = dhcp_pool_range(p, ip);

	return r >= 0 && in_pool(&p->range[r], ip) &&
	       dhcp_pool_usable(p, ip) &&
	       !dhcp_reserve_find_ip(&p->reserve, ip);
}

static void map_set(struct dhcp_pool *p, uint32_t ip, bool used)
{
	int r = dhcp_pool_range(p, ip);
	uint32_t i;

	if (r < 0 || !in_pool(&p->range[r], ip))
		return;
	i = p->at[r] + ip - p->range[r].first;
	if (used)
		p->map[i / 64] |= 1ULL << (i % 64);
	else
		p->map[i / 64] &= ~(1ULL << (i % 64));
}

static void map_refresh(struct dhcp_pool *p, uint32_t ip)
{
	map_set(p, ip, dhcp_pool_find_ip(p, ip) || !is_dynamic(p, ip));
}

static bool map_binding(struct hnode *n, void *arg)
{
	map_set(arg, container_of(n, struct dhcp_binding, by_ip)->lease.ip,
		true);
	return true;
}

static bool map_reservation(struct hnode *n, void *arg)
{
	map_set(arg, container_of(n, struct dhcp_reservation, by_ip)->ip, true);
	return true;
}

static void map_rebuild(struct dhcp_pool *p)
{
	memset(p->map, 0, sizeof(p->map));
	for (unsigned int i = 0; i < p->nranges; i++) {
		map_set(p, p->range[i].net.addr, true);
		map_set(p, dhcp_net_broadcast(&p->range[i].net), true);
		map_set(p, p->range[i].router, true);
	}
	map_set(p, p->cfg.server_ip, true);
	for (unsigned int i = 0; i < p->cfg.ndns; i++)
		map_set(p, p->cfg.dns[i], true);
	htab_walk(&p->by_ip, map_binding, p);
	htab_walk(&p->reserve.by_ip, map_reservation, p);
}

/* ---- bindings ------------------------------------------------------------ */

struct dhcp_binding *dhcp_pool_find_ip(const struct dhcp_pool *p, uint32_t ip)
{
	struct hnode *n = htab_find(&p->by_ip, dhcp_hash(&p->by_ip, &ip, 4));

	for (; n; n = htab_find_next(n)) {
		struct dhcp_binding *b =
			container_of(n, struct dhcp_binding, by_ip);

		if (b->lease.ip == ip)
			return b;
	}
	return NULL;
}

static void link_owner(struct dhcp_pool *p, struct dhcp_binding *b)
{
	const struct dhcp_lease *l = &b->lease;

	htab_add(&p->by_mac, &b->by_mac, dhcp_hash(&p->by_mac, l->mac.b, 6));
	if (l->client_id_len)
		htab_add(&p->by_cid, &b->by_cid,
			 dhcp_hash(&p->by_cid, l->client_id, l->client_id_len));
}

static void unlink_owner(struct dhcp_pool *p, struct dhcp_binding *b)
{
	htab_del(&p->by_mac, &b->by_mac);
	if (b->lease.client_id_len)
		htab_del(&p->by_cid, &b->by_cid);
}

/* The client becomes @c's; only between leave() and enter(). */
static void set_owner(struct dhcp_pool *p, struct dhcp_binding *b,
		      const struct dhcp_client *c)
{
	unlink_owner(p, b);
	b->lease.mac = c->mac;
	b->lease.nic_id = c->nic_id;
	b->lease.client_id_len = (uint8_t)c->cid_len;
	if (c->cid_len)
		memcpy(b->lease.client_id, c->cid, c->cid_len);
	link_owner(p, b);
}

/* A binding in no state yet: enter() comes next. */
static struct dhcp_binding *create(struct dhcp_pool *p, uint32_t ip)
{
	struct dhcp_binding *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->pool = p;
	b->lease.ip = ip;
	b->before = DHCP_OFFERED;
	htab_add(&p->by_ip, &b->by_ip, dhcp_hash(&p->by_ip, &ip, 4));
	link_owner(p, b);
	map_refresh(p, ip);
	return b;
}

static void destroy(struct dhcp_pool *p, struct dhcp_binding *b)
{
	uint32_t ip = b->lease.ip;

	assert(!b->pending);
	htab_del(&p->by_ip, &b->by_ip);
	unlink_owner(p, b);
	map_refresh(p, ip);
	if (b->stored)
		emit(p, DHCP_EV_FORGOTTEN, b);
	free(b);
}

static void on_due(struct wtimer *t, int64_t now_ms);

void dhcp_pool_rearm(struct dhcp_pool *p, struct dhcp_binding *b)
{
	int64_t at_s = b->lease.expiry_s > 0 ? b->lease.expiry_s : 0;

	if (dhcp_state_freed(b->lease.state) || at_s > INT64_MAX / 1000)
		wtimer_cancel(&p->wheel, &b->timer);
	else
		wtimer_arm(&p->wheel, &b->timer, at_s * 1000, on_due);
}

static void leave(struct dhcp_pool *p, struct dhcp_binding *b)
{
	p->count[b->lease.state]--;
	list_del(&b->free_node);
	wtimer_cancel(&p->wheel, &b->timer);
	uncharge(p, b);
}

/* A freed binding: onto the free list, aside (reserved), or away. */
static void place(struct dhcp_pool *p, struct dhcp_binding *b)
{
	const struct dhcp_reservation *r;

	if (is_dynamic(p, b->lease.ip)) {
		if (!list_linked(&b->free_node))
			list_add_tail(&p->free_list[dhcp_pool_range(
					      p, b->lease.ip)],
				      &b->free_node);
		return;
	}
	list_del(&b->free_node);
	r = dhcp_reserve_find_ip(&p->reserve, b->lease.ip);
	if (r && mac_eq(&r->mac, &b->lease.mac) &&
	    dhcp_pool_usable(p, b->lease.ip))
		return;
	dhcp_pool_remove(p, b);
}

/* May free @b when the state is a freed one. */
static void enter(struct dhcp_pool *p, struct dhcp_binding *b,
		  enum dhcp_state s, int64_t expiry_s)
{
	b->lease.state = s;
	b->lease.expiry_s = expiry_s;
	p->count[s]++;
	if (dhcp_state_freed(s)) {
		place(p, b);
		return;
	}
	/* Clients of a relay are not its own; they have a pool for themselves. */
	if (dhcp_pool_range(p, b->lease.ip) <= 0)
		charge(p, b);
	dhcp_pool_rearm(p, b);
}

void dhcp_pool_remove(struct dhcp_pool *p, struct dhcp_binding *b)
{
	leave(p, b);
	destroy(p, b);
}

void dhcp_pool_withdraw(struct dhcp_pool *p, struct dhcp_binding *b)
{
	if (b->lease.state != DHCP_OFFERED)
		return;
	if (b->before == DHCP_OFFERED) {
		dhcp_pool_remove(p, b);
		return;
	}
	leave(p, b);
	enter(p, b, b->before, b->before_s);
}

/* From bound to a freed state, with its event. */
static void end_lease(struct dhcp_pool *p, struct dhcp_binding *b,
		      enum dhcp_state s, enum dhcp_event_type type,
		      int64_t when_s)
{
	leave(p, b);
	b->lease.state = s;
	b->lease.expiry_s = when_s;
	b->stored = true;
	emit(p, type, b);
	enter(p, b, s, when_s);
}

void dhcp_pool_release(struct dhcp_pool *p, struct dhcp_binding *b,
		       int64_t now_s)
{
	end_lease(p, b, DHCP_RELEASED, DHCP_EV_RELEASED, now_s);
}

static void on_due(struct wtimer *t, int64_t now_ms)
{
	struct dhcp_binding *b = container_of(t, struct dhcp_binding, timer);
	struct dhcp_pool *p = b->pool;

	/* The store decides first; look again when it should have answered. */
	if (b->pending) {
		wtimer_arm(&p->wheel, t, now_ms + DHCP_OFFER_S * 1000, on_due);
		return;
	}
	switch (b->lease.state) {
	case DHCP_OFFERED:
		dhcp_pool_withdraw(p, b);
		break;
	case DHCP_BOUND:
		end_lease(p, b, DHCP_EXPIRED, DHCP_EV_EXPIRED,
			  b->lease.expiry_s);
		break;
	case DHCP_DECLINED:
		dhcp_pool_remove(p, b);
		break;
	case DHCP_RELEASED:
	case DHCP_EXPIRED:
	case DHCP_PROMISED:
		break; /* have no timer */
	}
}

/* The address is somebody's whom we do not know: nobody's here. */
static void disown(struct dhcp_pool *p, struct dhcp_binding *b)
{
	static const struct dhcp_client nobody;

	set_owner(p, b, &nobody);
	b->lease.hostname[0] = '\0';
}

void dhcp_pool_quarantine(struct dhcp_pool *p, struct dhcp_binding *b,
			  enum dhcp_event_type type, int64_t now_s)
{
	leave(p, b);
	if (type == DHCP_EV_CONFLICT)
		disown(p, b);
	b->lease.state = DHCP_DECLINED;
	b->lease.expiry_s = now_s + DHCP_QUARANTINE_S;
	b->stored = true;
	emit(p, type, b);
	enter(p, b, DHCP_DECLINED, b->lease.expiry_s);
}

enum dhcp_use dhcp_pool_in_use(struct dhcp_pool *p,
			       const struct dhcp_client *c, uint32_t ip,
			       bool ask, int64_t now_s)
{
	struct dhcp_binding *b = dhcp_pool_find_ip(p, ip);
	enum dhcp_use use = p->ops->in_use ? p->ops->in_use(p->arg, ip, &c->mac,
							    ask)
					   : DHCP_USE_NONE;

	if (use != DHCP_USE_TAKEN)
		return use;
	p->conflicts++;
	if (!b) {
		b = create(p, ip);
		if (!b)
			return use;
		p->count[b->lease.state]++; /* as if offered, for leave() */
	}
	dhcp_pool_quarantine(p, b, DHCP_EV_CONFLICT, now_s);
	return use;
}

int dhcp_pool_hold(struct dhcp_pool *p, const struct dhcp_client *c,
		   uint32_t ip, int64_t now_s, struct dhcp_binding **out)
{
	struct dhcp_binding *b = dhcp_pool_find_ip(p, ip);
	bool own = b && dhcp_pool_owns(p, c, b);

	if (own && (b->lease.state == DHCP_BOUND || b->pending)) {
		*out = b;
		return 0;
	}
	if (!(own && b->nic) && !c->range && nic_full(p, c->nic_id))
		return -EDQUOT;
	if (b) {
		if (b->lease.state != DHCP_OFFERED) {
			b->before = own ? b->lease.state : DHCP_OFFERED;
			b->before_s = b->lease.expiry_s;
		}
		leave(p, b);
		if (!own)
			b->lease.hostname[0] = '\0';
	} else {
		if (p->by_ip.count >= DHCP_BINDINGS_MAX)
			return -ENOSPC;
		b = create(p, ip);
		if (!b)
			return -ENOMEM;
	}
	set_owner(p, b, c);
	enter(p, b, DHCP_OFFERED, now_s + DHCP_OFFER_S);
	*out = b;
	return 0;
}

void dhcp_pool_bind(struct dhcp_pool *p, struct dhcp_binding *b,
		    const struct dhcp_lease *l)
{
	struct dhcp_client c = dhcp_client_of(l);

	leave(p, b);
	set_owner(p, b, &c);
	memcpy(b->lease.hostname, l->hostname, sizeof(l->hostname));
	b->stored = true;
	b->before = DHCP_OFFERED;
	enter(p, b, DHCP_BOUND, l->expiry_s);
}

/* ---- life cycle ---------------------------------------------------------- */

int dhcp_pool_init(struct dhcp_pool *p, const struct dhcp_config *cfg,
		   const struct dhcp_ops *ops, void *arg,
		   const uint64_t seed[2])
{
	memset(p, 0, sizeof(*p));
	for (unsigned int i = 0; i < DHCP_RANGES; i++)
		list_init(&p->free_list[i]);
	wheel_init(&p->wheel, 0);
	p->ops = ops;
	p->arg = arg;
	if (dhcp_reserve_init(&p->reserve, seed) ||
	    htab_init(&p->by_ip, 256, seed) ||
	    htab_init(&p->by_mac, 256, seed) ||
	    htab_init(&p->by_cid, 256, seed) || htab_init(&p->nics, 16, seed))
		return -ENOMEM;
	dhcp_pool_configure(p, cfg);
	return 0;
}

static bool free_binding(struct hnode *n, void *arg)
{
	struct dhcp_binding *b = container_of(n, struct dhcp_binding, by_ip);

	uncharge(arg, b);
	free(b);
	return true;
}

void dhcp_pool_fini(struct dhcp_pool *p)
{
	if (p->nics.bucket) /* the last one that init makes */
		htab_walk(&p->by_ip, free_binding, p);
	htab_fini(&p->by_ip);
	htab_fini(&p->by_mac);
	htab_fini(&p->by_cid);
	htab_fini(&p->nics);
	dhcp_reserve_fini(&p->reserve);
}

/* The network's own keep their order; where others are may have changed. */
static bool replace(struct hnode *n, void *arg)
{
	struct dhcp_binding *b = container_of(n, struct dhcp_binding, by_ip);

	if (!dhcp_state_freed(b->lease.state))
		return true;
	if (dhcp_pool_range(arg, b->lease.ip))
		list_del(&b->free_node);
	place(arg, b);
	return true;
}

static void set_ranges(struct dhcp_pool *p, const struct dhcp_config *cfg)
{
	uint32_t at = 0;

	p->nranges = 1 + cfg->nrelay;
	p->range[0] = (struct dhcp_range){cfg->net, cfg->first, cfg->last,
					  cfg->router};
	memcpy(p->range + 1, cfg->relay, cfg->nrelay * sizeof(cfg->relay[0]));
	for (unsigned int i = 0; i < p->nranges; i++) {
		p->at[i] = at;
		at += p->range[i].first
			      ? p->range[i].last - p->range[i].first + 1
			      : 0;
	}
}

void dhcp_pool_configure(struct dhcp_pool *p, const struct dhcp_config *cfg)
{
	p->cfg = *cfg;
	set_ranges(p, cfg);
	htab_walk(&p->by_ip, replace, p);
	map_rebuild(p);
}

void dhcp_pool_reserved(struct dhcp_pool *p, uint32_t ip)
{
	struct dhcp_binding *b = dhcp_pool_find_ip(p, ip);

	if (b && dhcp_state_freed(b->lease.state))
		place(p, b);
	map_refresh(p, ip);
}

static bool disarm(struct hnode *n, void *arg)
{
	struct dhcp_pool *p = arg;

	wtimer_cancel(&p->wheel,
		      &container_of(n, struct dhcp_binding, by_ip)->timer);
	return true;
}

static bool rearm(struct hnode *n, void *arg)
{
	dhcp_pool_rearm(arg, container_of(n, struct dhcp_binding, by_ip));
	return true;
}

void dhcp_pool_advance(struct dhcp_pool *p, int64_t now_s)
{
	int64_t now_ms = now_s * 1000;

	if (now_ms < p->wheel.now_ms) { /* the clock was set back */
		htab_walk(&p->by_ip, disarm, p);
		wheel_init(&p->wheel, now_ms);
		htab_walk(&p->by_ip, rearm, p);
	}
	wheel_run(&p->wheel, now_ms);
}

static int check_loaded(const struct dhcp_pool *p, const struct dhcp_lease *l)
{
	bool nobody = mac_is_zero(&l->mac) && l->state == DHCP_DECLINED;
	const struct dhcp_binding *b;

	if (!l->ip || l->state < DHCP_BOUND || l->state > DHCP_DECLINED)
		return -EINVAL;
	if (mac_is_group(&l->mac) || (mac_is_zero(&l->mac) && !nobody))
		return -EINVAL;
	b = dhcp_pool_find_ip(p, l->ip);
	if (b && l->state == DHCP_PROMISED && dhcp_state_freed(b->lease.state))
		return 0; /* it was somebody's, now it is kept for this one */
	if (b)
		return -EEXIST;
	return p->by_ip.count < DHCP_BINDINGS_MAX ? 0 : -ENOSPC;
}

int dhcp_pool_load(struct dhcp_pool *p, const struct dhcp_lease *l,
		   int64_t now_s)
{
	struct dhcp_client c = dhcp_client_of(l);
	enum dhcp_state s = l->state;
	struct dhcp_binding *b;
	int err = check_loaded(p, l);

	if (err)
		return err;
	b = dhcp_pool_find_ip(p, l->ip);
	if (b)
		leave(p, b);
	else if (!(b = create(p, l->ip)))
		return -ENOMEM;
	b->stored = true;
	set_owner(p, b, &c);
	dhcp_name_clean(l->hostname, strnlen(l->hostname, DHCP_HOSTNAME_MAX),
			b->lease.hostname);
	b->lease.state = s;
	b->lease.expiry_s = l->expiry_s;
	if (s == DHCP_DECLINED && l->expiry_s <= now_s) {
		destroy(p, b);
		return 0;
	}
	if (s == DHCP_BOUND && l->expiry_s <= now_s) {
		b->lease.state = s = DHCP_EXPIRED;
		emit(p, DHCP_EV_EXPIRED, b);
	}
	enter(p, b, s, l->expiry_s);
	return 0;
}

struct nic_del {
	struct dhcp_pool *p;
	uint64_t id;
};

static bool orphan(struct hnode *n, void *arg)
{
	struct dhcp_binding *b = container_of(n, struct dhcp_binding, by_ip);
	const struct nic_del *d = arg;

	if (b->lease.nic_id == d->id) {
		uncharge(d->p, b);
		b->lease.nic_id = 0;
	}
	return true;
}

void dhcp_pool_nic_del(struct dhcp_pool *p, uint64_t nic_id)
{
	struct nic_del d = {.p = p, .id = nic_id};

	if (nic_id)
		htab_walk(&p->by_ip, orphan, &d);
}
