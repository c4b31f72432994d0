// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The DHCPv6 server as its owner sees it: messages in, commits, configuration,
 * queries. What a message does is in dhcp6_rules.c.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dhcp/dhcp6_server_int.h"
#include "dhcp/dhcp_names.h"

/* ---- commits that wait --------------------------------------------------- */

static struct dhcp6_pending *find_pending(const struct dhcp6_server *s,
					  uint64_t token)
{
	struct hnode *n = htab_find(&s->pending, (uint32_t)token);

	for (; n; n = htab_find_next(n)) {
		struct dhcp6_pending *p =
			container_of(n, struct dhcp6_pending, by_token);

		if (p->token == token)
			return p;
	}
	return NULL;
}

static void end_pending(struct dhcp6_server *s, struct dhcp6_pending *p)
{
	htab_del(&s->pending, &p->by_token);
	for (unsigned int i = 0; i < p->n; i++)
		p->b[i]->pending = NULL;
}

void dhcp6_abandon(struct dhcp6_server *s, struct dhcp6_binding *b)
{
	struct dhcp6_pending *p = b->pending;

	if (!p)
		return;
	end_pending(s, p);
	/* It may reach the store all the same. */
	for (unsigned int i = 0; i < p->n; i++)
		p->b[i]->stored = true;
	free(p);
}

int dhcp6_server_committed(struct dhcp6_server *s, uint64_t token,
			   int64_t now_s,
			   void (*bound)(void *arg, const struct dhcp6_lease *l),
			   void *arg, struct dhcp6_reply *out)
{
	struct dhcp6_pending *p = find_pending(s, token);

	if (!p)
		return -ENOENT;
	end_pending(s, p);
	for (unsigned int i = 0; i < p->n; i++) {
		dhcp6_bind(&s->table, p->b[i], &p->lease[i]);
		if (bound)
			bound(arg, &p->b[i]->lease);
	}
	*out = p->reply;
	free(p);
	s->stats.tx[DHCP6_REPLY]++;
	dhcp6_table_advance(&s->table, now_s);
	return 0;
}

void dhcp6_server_failed(struct dhcp6_server *s, uint64_t token, int64_t now_s)
{
	struct dhcp6_pending *p = find_pending(s, token);

	if (!p)
		return;
	end_pending(s, p);
	s->stats.commit_failed++;
	for (unsigned int i = 0; i < p->n; i++) {
		if (p->b[i]->lease.state == DHCP6_OFFERED)
			dhcp6_remove(&s->table, p->b[i], DHCP6_EV_FORGOTTEN);
		else
			dhcp6_rearm(&s->table, p->b[i]);
	}
	free(p);
	dhcp6_table_advance(&s->table, now_s);
}

/* ---- input --------------------------------------------------------------- */

enum dhcp6_action dhcp6_drop(struct dhcp6_server *s, enum dhcp6_drop d)
{
	s->stats.drops[d]++;
	return DHCP6_DROP;
}

/* RFC 8415 16: what must and must not be in a message; DHCP6_DROPS = it is right. */
static enum dhcp6_drop vet(const struct dhcp6_server *s,
			   const struct dhcp6_input *in,
			   const struct dhcp6_msg *m)
{
	const struct dhcp6_config *c = &s->table.cfg;
	bool ours = m->server && m->server_len == c->duid_len &&
		    !memcmp(m->server, c->duid, c->duid_len);
	bool uni = in->unicast && !m->nrelays;

	switch (m->type) {
	case DHCP6_SOLICIT:
	case DHCP6_CONFIRM:
	case DHCP6_REBIND:
		if (uni)
			return DHCP6_DROP_UNICAST;
		if (!m->client)
			return DHCP6_DROP_CLIENT_ID;
		return m->server ? DHCP6_DROP_SERVER_ID : DHCP6_DROPS;
	case DHCP6_REQUEST:
	case DHCP6_RENEW:
	case DHCP6_RELEASE:
	case DHCP6_DECLINE:
		if (!m->client)
			return DHCP6_DROP_CLIENT_ID;
		return ours ? DHCP6_DROPS : DHCP6_DROP_SERVER_ID;
	case DHCP6_INFORMATION:
		if (uni)
			return DHCP6_DROP_UNICAST;
		if (m->nias)
			return DHCP6_DROP_IA;
		return m->server && !ours ? DHCP6_DROP_SERVER_ID : DHCP6_DROPS;
	default:
		return DHCP6_DROP_TYPE;
	}
}

/* Relays stand in this network, not behind it. */
static bool relay_ok(const struct dhcp6_server *s, const struct dhcp6_msg *m)
{
	for (unsigned int i = 0; i < m->nrelays; i++) {
		const struct ipaddr *l = &m->relay[i].link;

		if (!ipaddr_is_zero(l) && !ipaddr_in_net6(l, &s->table.cfg.net))
			return false;
	}
	return true;
}

/* The MAC in a DUID-LLT or DUID-LL (RFC 8415 11.2, 11.4) of Ethernet. */
static bool duid_mac(const uint8_t *d, uint8_t len, struct mac *mac)
{
	size_t at;

	if (len < 4 || get_be16(d + 2) != 1)
		return false;
	at = get_be16(d) == 1 ? 8 : get_be16(d) == 3 ? 4 : 0;
	if (!at || len != at + 6)
		return false;
	memcpy(mac->b, d + at, 6);
	return true;
}

/* The MAC that a link-local address is made of (RFC 4291 appendix A). */
static bool eui_mac(const struct ipaddr *a, struct mac *mac)
{
	if (a->b[11] != 0xff || a->b[12] != 0xfe)
		return false;
	*mac = (struct mac){{a->b[8] ^ 2, a->b[9], a->b[10], a->b[13], a->b[14],
			     a->b[15]}};
	return true;
}

static bool client_mac(const struct dhcp6_input *in, const struct dhcp6_msg *m,
		       struct mac *mac)
{
	const struct dhcp6_relay *r;

	if (!m->nrelays) {
		*mac = in->src_mac;
	} else {
		r = &m->relay[m->nrelays - 1]; /* the one next to the client */
		*mac = r->mac;
		if (mac_is_zero(mac) && !eui_mac(&r->peer, mac) && m->client)
			(void)duid_mac(m->client, m->client_len, mac);
	}
	return !mac_is_zero(mac) && !mac_is_group(mac);
}

static enum dhcp6_drop identify(struct dhcp6_request *r)
{
	const struct dhcp6_msg *m = r->m;
	struct dhcp6_client *c = &r->client;
	const struct dhcp6_resv *v;

	if (m->nrelays ? !relay_ok(r->s, m)
		       : !ipaddr_is_linklocal(&r->in->src))
		return m->nrelays ? DHCP6_DROP_RELAY : DHCP6_DROP_SOURCE;
	if (!client_mac(r->in, m, &c->mac))
		return DHCP6_DROP_HWADDR;
	c->nic_id = r->in->nic_id;
	c->duid = m->client;
	c->duid_len = m->client_len;
	c->via = r->in->src;
	if (m->fqdn)
		dhcp_name_clean(m->fqdn, m->fqdn_len, c->said);
	v = dhcp6_resv_mac(&r->s->table, &c->mac);
	memcpy(c->name, v && v->name[0] ? v->name : c->said, sizeof(c->name));
	return DHCP6_DROPS;
}

enum dhcp6_action dhcp6_server_input(struct dhcp6_server *s,
				     const struct dhcp6_input *in,
				     int64_t now_s, struct dhcp6_output *out)
{
	struct dhcp6_msg m;
	struct dhcp6_request r = {
		.s = s, .in = in, .m = &m, .now_s = now_s, .out = out};
	int err = dhcp6_msg_parse(in->data, in->len, &m);
	enum dhcp6_drop bad;

	dhcp6_table_advance(&s->table, now_s);
	if (err)
		return dhcp6_drop(s, err == -EMSGSIZE ? DHCP6_DROP_LENGTH
				     : err == -ELOOP  ? DHCP6_DROP_RELAY
						      : DHCP6_DROP_MALFORMED);
	if (m.type && m.type < DHCP6_TYPES)
		s->stats.rx[m.type]++;
	bad = vet(s, in, &m);
	if (bad == DHCP6_DROPS)
		bad = identify(&r);
	return bad == DHCP6_DROPS ? dhcp6_rules(&r) : dhcp6_drop(s, bad);
}

int64_t dhcp6_server_deadline(const struct dhcp6_server *s)
{
	int64_t at_ms = wheel_deadline(&s->table.wheel);

	return at_ms == WHEEL_NEVER ? DHCP6_NEVER : (at_ms + 999) / 1000;
}

void dhcp6_server_tick(struct dhcp6_server *s, int64_t now_s)
{
	dhcp6_table_advance(&s->table, now_s);
}

/* ---- life cycle ---------------------------------------------------------- */

static int check(const struct dhcp6_config *c, struct errtext *why)
{
	const struct ip6_net *d = &c->delegate;

	if (c->net.plen != 64)
		return errtext_set(why, -EINVAL, "the network is no /64");
	if (c->duid_len < 3 || c->duid_len > DHCP6_DUID_MAX)
		return errtext_set(why, -EINVAL, "the server has no DUID");
	if (c->lease_s < 60)
		return errtext_set(why, -EINVAL, "the lease time is too short");
	if (!d->plen)
		return 0;
	if (c->delegate_len < d->plen || c->delegate_len > 64 ||
	    c->delegate_len - d->plen > 16)
		return errtext_set(why, -EINVAL,
				   "no prefixes of /%u can be made of a /%u",
				   c->delegate_len, d->plen);
	if (ip6_net_overlap(d, &c->net))
		return errtext_set(why, -EINVAL,
				   "the prefixes to delegate are the network's "
				   "own");
	return 0;
}

int dhcp6_server_new(const struct dhcp6_config *cfg,
		     const struct dhcp6_ops *ops, void *arg,
		     const uint64_t seed[2], struct dhcp6_server **out,
		     struct errtext *why)
{
	struct dhcp6_server *s;
	int err = check(cfg, why);

	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s || dhcp6_table_init(&s->table, ops, arg, seed) ||
	    htab_init(&s->pending, 16, NULL)) {
		dhcp6_server_free(s);
		return errtext_set(why, -ENOMEM, "no memory");
	}
	s->table.cfg = *cfg;
	s->exhausted_s = INT64_MIN / 2;
	*out = s;
	return 0;
}

static bool free_pending(struct hnode *n, void *arg)
{
	(void)arg;
	free(container_of(n, struct dhcp6_pending, by_token));
	return true;
}

void dhcp6_server_free(struct dhcp6_server *s)
{
	if (!s)
		return;
	if (s->pending.bucket)
		htab_walk(&s->pending, free_pending, NULL);
	htab_fini(&s->pending);
	dhcp6_table_fini(&s->table);
	free(s);
}

int dhcp6_server_configure(struct dhcp6_server *s,
			   const struct dhcp6_config *cfg, int64_t now_s,
			   struct errtext *why)
{
	int err = check(cfg, why);

	if (err)
		return err;
	dhcp6_table_advance(&s->table, now_s);
	dhcp6_table_configure(&s->table, cfg);
	return 0;
}

int dhcp6_server_load(struct dhcp6_server *s, const struct dhcp6_lease *l,
		      int64_t now_s)
{
	dhcp6_table_advance(&s->table, now_s);
	return dhcp6_table_load(&s->table, l, now_s);
}

int dhcp6_server_reserve(struct dhcp6_server *s, const struct mac *mac,
			 const struct ipaddr *ip, const char *name,
			 struct errtext *why)
{
	return dhcp6_resv_set(&s->table, mac, ip, name, why);
}

void dhcp6_server_unreserve(struct dhcp6_server *s, const struct mac *mac)
{
	dhcp6_resv_del(&s->table, mac);
}

struct ipaddr dhcp6_server_reserved(const struct dhcp6_server *s,
				    const struct mac *mac)
{
	const struct dhcp6_resv *r = dhcp6_resv_mac(&s->table, mac);

	return r ? r->ip : ipaddr_any;
}

static bool orphan(struct hnode *n, void *arg)
{
	struct dhcp6_pending *p =
		container_of(n, struct dhcp6_pending, by_token);
	const uint64_t *nic_id = arg;

	for (unsigned int i = 0; i < p->n; i++)
		if (p->lease[i].nic_id == *nic_id)
			p->lease[i].nic_id = 0;
	return true;
}

void dhcp6_server_nic_del(struct dhcp6_server *s, uint64_t nic_id)
{
	htab_walk(&s->pending, orphan, &nic_id);
	dhcp6_table_nic_del(&s->table, nic_id);
}

int dhcp6_server_forget(struct dhcp6_server *s, const struct ipaddr *ip,
			int64_t now_s)
{
	struct dhcp6_binding *b;

	dhcp6_table_advance(&s->table, now_s);
	b = dhcp6_find(&s->table, ip);
	if (!b)
		return -ENOENT;
	dhcp6_abandon(s, b);
	dhcp6_remove(&s->table, b, DHCP6_EV_FORGOTTEN);
	return 0;
}

/* ---- queries ------------------------------------------------------------- */

const struct dhcp6_lease *dhcp6_server_find(const struct dhcp6_server *s,
					    const struct ipaddr *ip)
{
	const struct dhcp6_binding *b = dhcp6_find(&s->table, ip);

	return b ? &b->lease : NULL;
}

struct visit {
	bool (*fn)(void *arg, const struct dhcp6_lease *l);
	void *arg;
};

static bool visit_binding(struct hnode *n, void *arg)
{
	const struct visit *v = arg;

	return v->fn(v->arg,
		     &container_of(n, struct dhcp6_binding, by_ip)->lease);
}

void dhcp6_server_walk(const struct dhcp6_server *s,
		       bool (*fn)(void *arg, const struct dhcp6_lease *l),
		       void *arg)
{
	struct visit v = {.fn = fn, .arg = arg};

	/* htab_walk() lets nodes be deleted, so it is not const; we do not. */
	htab_walk((struct htab *)&s->table.by_ip, visit_binding, &v);
}

void dhcp6_server_stats(const struct dhcp6_server *s, struct dhcp6_stats *out)
{
	*out = s->stats;
	out->conflicts = s->table.conflicts;
	out->offered = s->table.count[DHCP6_OFFERED];
	out->bound = s->table.count[DHCP6_BOUND];
	out->declined = s->table.count[DHCP6_DECLINED];
	out->pending = s->pending.count;
	out->reserved = s->table.resv_mac.count;
}

const char *dhcp6_drop_name(enum dhcp6_drop d)
{
	static const char *const names[] = {
		[DHCP6_DROP_LENGTH] = "length",
		[DHCP6_DROP_MALFORMED] = "malformed",
		[DHCP6_DROP_TYPE] = "type",
		[DHCP6_DROP_CLIENT_ID] = "client_id",
		[DHCP6_DROP_SERVER_ID] = "server_id",
		[DHCP6_DROP_UNICAST] = "unicast",
		[DHCP6_DROP_SOURCE] = "source",
		[DHCP6_DROP_HWADDR] = "hwaddr",
		[DHCP6_DROP_RELAY] = "relay",
		[DHCP6_DROP_IA] = "ia",
		[DHCP6_DROP_NO_ADDR] = "no_address",
		[DHCP6_DROP_PENDING] = "pending",
		[DHCP6_DROP_BUSY] = "busy",
		[DHCP6_DROP_ROOM] = "room",
	};

	static_assert(ARRAY_LEN(names) == DHCP6_DROPS, "a drop has no name");
	return names[d];
}
