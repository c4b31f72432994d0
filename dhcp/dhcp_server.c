// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server as its owner sees it: messages in, commits, configuration,
 * queries. What a message does is in dhcp_rules.c.
 */
#include "dhcp/dhcp_server_int.h"

#include <errno.h>
#include <stdlib.h>

#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_msg.h"

/* ---- commits that wait --------------------------------------------------- */

static struct dhcp_pending *find_pending(const struct dhcp_server *s,
					 uint64_t token)
{
	struct hnode *n = htab_find(&s->pending, (uint32_t)token);

	for (; n; n = htab_find_next(n)) {
		struct dhcp_pending *p =
			container_of(n, struct dhcp_pending, by_token);

		if (p->token == token)
			return p;
	}
	return NULL;
}

static void end_pending(struct dhcp_server *s, struct dhcp_pending *p)
{
	htab_del(&s->pending, &p->by_token);
	p->b->pending = NULL;
	free(p);
}

void dhcp_abandon(struct dhcp_server *s, struct dhcp_binding *b)
{
	if (!b->pending)
		return;
	b->stored = true;
	end_pending(s, b->pending);
}

static void remove_binding(struct dhcp_server *s, struct dhcp_binding *b)
{
	dhcp_abandon(s, b);
	dhcp_pool_remove(&s->pool, b);
}

/* ---- input --------------------------------------------------------------- */

/* What must hold of every message; DHCP_DROPS = it does. */
static enum dhcp_drop vet(const struct dhcp_msg *m, struct mac *mac)
{
	const struct dhcp_hdr *h = &m->h;

	if (h->op != DHCP_BOOTREQUEST)
		return DHCP_DROP_NOT_REQUEST;
	if (h->htype != DHCP_HTYPE_ETHERNET || h->hlen != sizeof(mac->b))
		return DHCP_DROP_HWADDR;
	memcpy(mac->b, h->chaddr, sizeof(mac->b));
	if (mac_is_group(mac) || mac_is_zero(mac))
		return DHCP_DROP_HWADDR;
	return DHCP_DROPS;
}

/* On which link is the client? That of the relay's address, or which the relay names
 * (RFC 2131 4.3.1, RFC 3527); without one ours, or that of the address with which it
 * comes through a router. */
static bool find_link(const struct dhcp_server *s, const struct dhcp_msg *m,
		      struct dhcp_client *c)
{
	uint32_t giaddr = m->h.giaddr,
		 link = dhcp_msg_relay_ip4(m, DHCP_SUB_LINK);
	int range;

	c->relay = giaddr;
	if (!giaddr) {
		range = dhcp_pool_range(&s->pool, m->h.ciaddr);
		c->range = range > 0 ? (unsigned int)range : 0;
		return true;
	}
	range = dhcp_pool_range(&s->pool, link ? link : giaddr);
	if (range < 0 || (!range && !link && !dhcp_pool_usable(&s->pool, giaddr)))
		return false;
	c->range = (unsigned int)range;
	return giaddr != s->pool.cfg.server_ip;
}

static enum dhcp_drop why_not_parsed(int err)
{
	return err == -EMSGSIZE ? DHCP_DROP_LENGTH : DHCP_DROP_MALFORMED;
}

enum dhcp_action dhcp_server_input(struct dhcp_server *s,
				   const struct dhcp_input *in, int64_t now_s,
				   struct dhcp_output *out)
{
	struct dhcp_msg m;
	struct dhcp_request r = {
		.s = s, .in = in, .m = &m, .now_s = now_s, .out = out};
	int err = dhcp_msg_parse(in->data, in->len, &m);
	enum dhcp_action did;
	enum dhcp_drop bad;
	uint8_t type;

	dhcp_pool_advance(&s->pool, now_s);
	if (err && err != -ENOMSG)
		return dhcp_drop(s, why_not_parsed(err));
	bad = vet(&m, &r.client.mac);
	if (bad == DHCP_DROPS && !find_link(s, &m, &r.client))
		bad = DHCP_DROP_RELAY;
	if (bad != DHCP_DROPS)
		return dhcp_drop(s, bad);
	r.client.nic_id = in->nic_id;
	dhcp_scopes_view(&s->scopes, &m, &r.client.mac,
			 m.h.giaddr ? 0 : in->nic_id,
			 dhcp_fixed_name(s, &r.client.mac), 
			 r.client.range ? &s->pool.range[r.client.range].net
					: NULL,
			 &r.view);
	if (err)
		return dhcp_bootp(&r);
	r.client.cid = dhcp_msg_opt(&m, DHCP_OPT_CLIENT_ID, &r.client.cid_len);
	r.client.cid_len = min_sz(r.client.cid_len, DHCP_CLIENT_ID_MAX);
	type = dhcp_msg_u8(&m, DHCP_OPT_TYPE);
	did = dhcp_rules(&r);
	if (type < DHCP_TYPES && did != DHCP_WAIT)
		s->stats.rx[type]++;
	return did;
}

int dhcp_server_committed(struct dhcp_server *s, uint64_t token, int64_t now_s,
			  struct dhcp_reply *out)
{
	struct dhcp_pending *p = find_pending(s, token);
	struct dhcp_binding *b, *other;
	struct dhcp_lease l;

	if (!p)
		return -ENOENT;
	b = p->b;
	l = p->lease;
	*out = p->reply;
	end_pending(s, p);
	dhcp_pool_bind(&s->pool, b, &l);
	while ((other = dhcp_pool_sibling(&s->pool, b)))
		remove_binding(s, other);
	s->stats.tx[DHCP_ACK]++;
	dhcp_pool_advance(&s->pool, now_s);
	return 0;
}

void dhcp_server_failed(struct dhcp_server *s, uint64_t token, int64_t now_s)
{
	struct dhcp_pending *p = find_pending(s, token);
	struct dhcp_binding *b;

	if (!p)
		return;
	b = p->b;
	end_pending(s, p);
	s->stats.commit_failed++;
	if (b->lease.state == DHCP_OFFERED)
		dhcp_pool_withdraw(&s->pool, b);
	else
		dhcp_pool_rearm(&s->pool, b);
	dhcp_pool_advance(&s->pool, now_s);
}

int64_t dhcp_server_deadline(const struct dhcp_server *s)
{
	int64_t at_ms = wheel_deadline(&s->pool.wheel);

	return at_ms == WHEEL_NEVER ? DHCP_NEVER : (at_ms + 999) / 1000;
}

void dhcp_server_tick(struct dhcp_server *s, int64_t now_s)
{
	dhcp_pool_advance(&s->pool, now_s);
}

/* ---- life cycle ---------------------------------------------------------- */

int dhcp_server_new(const struct dhcp_config *cfg, const struct dhcp_ops *ops,
		    void *arg, const uint64_t seed[2], struct dhcp_server **out,
		    struct errtext *why)
{
	struct dhcp_server *s;
	int err = dhcp_config_check(cfg, why);

	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (s)
		dhcp_scopes_init(&s->scopes);
	if (!s || dhcp_pool_init(&s->pool, cfg, ops, arg, seed) ||
	    htab_init(&s->pending, 64, NULL)) {
		dhcp_server_free(s);
		return errtext_set(why, -ENOMEM, "no memory");
	}
	*out = s;
	return 0;
}

static bool free_pending(struct hnode *n, void *arg)
{
	(void)arg;
	free(container_of(n, struct dhcp_pending, by_token));
	return true;
}

void dhcp_server_free(struct dhcp_server *s)
{
	if (!s)
		return;
	if (s->pending.bucket)
		htab_walk(&s->pending, free_pending, NULL);
	htab_fini(&s->pending);
	dhcp_scopes_fini(&s->scopes);
	dhcp_pool_fini(&s->pool);
	free(s);
}

int dhcp_server_configure(struct dhcp_server *s, const struct dhcp_config *cfg,
			  int64_t now_s, struct errtext *why)
{
	int err = dhcp_config_check(cfg, why);

	if (err)
		return err;
	dhcp_pool_advance(&s->pool, now_s);
	dhcp_pool_configure(&s->pool, cfg);
	return 0;
}

const struct dhcp_config *dhcp_server_config(const struct dhcp_server *s)
{
	return &s->pool.cfg;
}

int dhcp_server_load(struct dhcp_server *s, const struct dhcp_lease *l,
		     int64_t now_s)
{
	dhcp_pool_advance(&s->pool, now_s);
	return dhcp_pool_load(&s->pool, l, now_s);
}

int dhcp_server_reserve(struct dhcp_server *s, const struct mac *mac,
			uint32_t ip, const char *name, int64_t now_s,
			struct errtext *why)
{
	struct dhcp_pool *p = &s->pool;
	const struct dhcp_reservation *old;
	char text[IP4_TEXT];
	uint32_t old_ip;
	int err;

	if (ip && !dhcp_pool_usable(p, ip))
		return errtext_set(why, -ERANGE,
				   "%s is not free for a guest of this network",
				   ip4_format(ip, text));
	dhcp_pool_advance(p, now_s);
	old = dhcp_reserve_find_mac(&p->reserve, mac);
	old_ip = old ? old->ip : 0;
	err = dhcp_reserve_set(&p->reserve, mac, ip, name, why);
	if (err)
		return err;
	dhcp_pool_reserved(p, old_ip);
	dhcp_pool_reserved(p, ip);
	return 0;
}

int dhcp_server_unreserve(struct dhcp_server *s, const struct mac *mac,
			  int64_t now_s)
{
	uint32_t ip = 0;
	int err;

	dhcp_pool_advance(&s->pool, now_s);
	err = dhcp_reserve_del(&s->pool.reserve, mac, &ip);
	if (!err)
		dhcp_pool_reserved(&s->pool, ip);
	return err;
}

int dhcp_server_scope(struct dhcp_server *s, const struct dhcp_scope *scope,
		      const struct dhcp_opts *opts, struct errtext *why)
{
	return dhcp_scopes_set(&s->scopes, scope, opts, why);
}

static bool orphan(struct hnode *n, void *arg)
{
	struct dhcp_pending *p = container_of(n, struct dhcp_pending, by_token);
	const uint64_t *nic_id = arg;

	if (p->lease.nic_id == *nic_id)
		p->lease.nic_id = 0;
	return true;
}

void dhcp_server_nic_del(struct dhcp_server *s, uint64_t nic_id)
{
	const struct dhcp_scope scope = {.kind = DHCP_SCOPE_NIC,
					 .nic_id = nic_id};

	(void)dhcp_scopes_set(&s->scopes, &scope, NULL, NULL);
	htab_walk(&s->pending, orphan, &nic_id);
	dhcp_pool_nic_del(&s->pool, nic_id);
}

int dhcp_server_forget(struct dhcp_server *s, uint32_t ip, int64_t now_s)
{
	struct dhcp_binding *b;

	dhcp_pool_advance(&s->pool, now_s);
	b = dhcp_pool_find_ip(&s->pool, ip);
	if (!b)
		return -ENOENT;
	remove_binding(s, b);
	return 0;
}

/* ---- queries ------------------------------------------------------------- */

const struct dhcp_lease *dhcp_server_find_ip(const struct dhcp_server *s,
					     uint32_t ip)
{
	const struct dhcp_binding *b = dhcp_pool_find_ip(&s->pool, ip);

	return b ? &b->lease : NULL;
}

const struct dhcp_lease *dhcp_server_find_mac(const struct dhcp_server *s,
					      uint64_t nic_id,
					      const struct mac *mac)
{
	return dhcp_pool_find_bound(&s->pool, nic_id, mac);
}

unsigned int dhcp_server_next(const struct dhcp_server *s,
			      const struct mac *mac, uint64_t nic_id,
			      uint32_t *ip, unsigned int cap)
{
	struct dhcp_client c = {.nic_id = nic_id, .cid = (const uint8_t *)""};

	if (mac)
		c.mac = *mac;
	return dhcp_pool_next(&s->pool, mac ? &c : NULL, ip, cap);
}

struct visit {
	bool (*fn)(void *arg, const struct dhcp_lease *l);
	void *arg;
};

static bool visit_binding(struct hnode *n, void *arg)
{
	const struct visit *v = arg;

	return v->fn(v->arg,
		     &container_of(n, struct dhcp_binding, by_ip)->lease);
}

void dhcp_server_walk(const struct dhcp_server *s,
		      bool (*fn)(void *arg, const struct dhcp_lease *l),
		      void *arg)
{
	struct visit v = {.fn = fn, .arg = arg};

	/* htab_walk() lets nodes be deleted, so it is not const; we do not. */
	htab_walk((struct htab *)&s->pool.by_ip, visit_binding, &v);
}

void dhcp_server_stats(const struct dhcp_server *s, struct dhcp_stats *out)
{
	const struct dhcp_pool *p = &s->pool;

	*out = s->stats;
	out->conflicts = p->conflicts;
	out->offered = p->count[DHCP_OFFERED];
	out->bound = p->count[DHCP_BOUND];
	out->freed = p->count[DHCP_RELEASED] + p->count[DHCP_EXPIRED] +
		     p->count[DHCP_PROMISED];
	out->declined = p->count[DHCP_DECLINED];
	out->pending = s->pending.count;
	out->reserved = p->reserve.by_mac.count;
	out->pool = p->cfg.first ? p->cfg.last - p->cfg.first + 1 : 0;
}
