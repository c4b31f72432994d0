// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What each message does (RFC 8415 18.3). Two servers never share a network of ours, so
 * this one is authoritative: its Advertise says preference 255, a Rebind that it has
 * no record of is granted if the address is free, a Confirm of an address that is
 * another client's is refused.
 */
#include <errno.h>

#include "dhcp/dhcp6_server_int.h"

#define FRESH_S 60 /* a lease stored that recently is not written again */

/* How an IA is asked for. */
enum how { HOW_ADVERTISE, HOW_REQUEST, HOW_RENEW, HOW_REBIND };

/* ---- lifetimes ----------------------------------------------------------- */

static int64_t expiry(const struct dhcp6_request *r)
{
	uint32_t s = r->s->table.cfg.lease_s;

	return s == DHCP6_INFINITE ? DHCP6_NEVER : r->now_s + s;
}

static uint32_t valid_s(const struct dhcp6_request *r, int64_t expiry_s)
{
	int64_t left = expiry_s - r->now_s;

	if (expiry_s == DHCP6_NEVER || left >= DHCP6_INFINITE)
		return DHCP6_INFINITE;
	return left > 0 ? (uint32_t)left : 0;
}

/* Five eighths: T2 leaves a rebinding client the rest while it is still valid. */
static uint32_t preferred_of(uint32_t valid)
{
	return valid == DHCP6_INFINITE ? valid : valid / 8 * 5 + valid % 8 * 5 / 8;
}

/* ---- IAs ----------------------------------------------------------------- */

static void exhausted(struct dhcp6_request *r, const struct dhcp6_ia *ia)
{
	struct dhcp6_server *s = r->s;
	const struct dhcp6_lease l = {
		.mac = r->client.mac, .nic_id = r->client.nic_id,
		.iaid = ia->iaid,
		.plen = ia->opt == DHCP6_OPT_IA_PD ? s->table.cfg.delegate_len
						   : 128,
	};

	s->stats.exhausted++;
	if (r->now_s - s->exhausted_s < 60 && r->now_s >= s->exhausted_s)
		return;
	s->exhausted_s = r->now_s;
	s->table.ops->event(s->table.arg, DHCP6_EV_EXHAUSTED, &l);
}

/* Is such a thing given out here at all? */
static bool served(const struct dhcp6_request *r, const struct dhcp6_ia *ia)
{
	const struct dhcp6_config *c = &r->s->table.cfg;

	return ia->opt == DHCP6_OPT_IA_NA   ? c->addresses
	       : ia->opt == DHCP6_OPT_IA_PD ? c->delegate.plen != 0
					    : false;
}

static size_t begin_ia(struct dhcp6_request *r, const struct dhcp6_ia *ia,
		       uint32_t preferred)
{
	size_t at = dhcp6_begin(&r->w, ia->opt);
	uint32_t t2 = preferred == DHCP6_INFINITE
			      ? preferred
			      : preferred / 5 * 4 + preferred % 5 * 4 / 5;

	wbuf_be32(&r->w, ia->iaid);
	if (ia->opt == DHCP6_OPT_IA_TA)
		return at;
	/* RFC 8415 14.2: half, and four fifths of the preferred lifetime. */
	wbuf_be32(&r->w, preferred == DHCP6_INFINITE ? preferred : preferred / 2);
	wbuf_be32(&r->w, t2);
	return at;
}

/* What the client has and shall not go on with. */
static void put_ended(struct dhcp6_request *r, const struct dhcp6_ia *ia,
		      const struct ipaddr *but)
{
	for (unsigned int i = 0; i < ia->nitems; i++) {
		const struct dhcp6_item *it = &ia->item[i];

		if (!ipaddr_is_zero(&it->ip) && !ipaddr_eq(&it->ip, but))
			dhcp6_put_item(&r->w, it, 0, 0);
	}
}

static void refuse_ia(struct dhcp6_request *r, const struct dhcp6_ia *ia,
		      enum dhcp6_status why, bool end_all)
{
	size_t at = begin_ia(r, ia, 0);

	if (end_all && ia->opt != DHCP6_OPT_IA_TA)
		put_ended(r, ia, &ipaddr_any);
	dhcp6_put_status(&r->w, why);
	dhcp6_end(&r->w, at);
}

/* The lease as it is to be stored. */
static struct dhcp6_lease lease_of(const struct dhcp6_request *r,
				   const struct dhcp6_ia *ia,
				   const struct dhcp6_binding *b)
{
	const struct dhcp6_client *c = &r->client;
	struct dhcp6_lease l = {
		.ip = b->lease.ip, .plen = b->lease.plen, .mac = c->mac,
		.nic_id = c->nic_id, .iaid = ia->iaid, .via = c->via,
		.duid_len = c->duid_len, .state = DHCP6_BOUND,
		.expiry_s = expiry(r),
	};

	memcpy(l.duid, c->duid, c->duid_len);
	memcpy(l.hostname, c->said, sizeof(l.hostname));
	return l;
}

/* Stored as it would be now, and not long ago? Then a repeated request costs nothing. */
static bool is_fresh(const struct dhcp6_request *r,
		     const struct dhcp6_binding *b, const struct dhcp6_lease *l)
{
	const struct dhcp6_lease *o = &b->lease;
	int64_t slack = r->s->table.cfg.lease_s / 8;

	if (slack > FRESH_S)
		slack = FRESH_S;
	return o->state == DHCP6_BOUND && o->iaid == l->iaid &&
	       dhcp6_duid_is(o, &r->client) && o->nic_id == l->nic_id &&
	       ipaddr_eq(&o->via, &l->via) && !strcmp(o->hostname, l->hostname) &&
	       o->expiry_s <= l->expiry_s && l->expiry_s - o->expiry_s < slack;
}

/* Room in the answer for it, and in the store. */
static void grant(struct dhcp6_request *r, const struct dhcp6_ia *ia,
		  struct dhcp6_binding *b, enum how how)
{
	struct dhcp6_lease l = lease_of(r, ia, b);
	struct dhcp6_item it = {b->lease.ip, b->lease.plen};
	uint32_t valid;
	size_t at;

	if (b->pending) {
		r->waits = true;
		return;
	}
	if (how != HOW_ADVERTISE)
		dhcp6_drop_others(&r->s->table, &r->client, ia, b,
				  how != HOW_REQUEST);
	if (how != HOW_ADVERTISE && is_fresh(r, b, &l)) {
		l.expiry_s = b->lease.expiry_s;
	} else if (how != HOW_ADVERTISE) {
		r->b[r->n] = b;
		r->out->lease[r->n++] = l;
	}
	valid = valid_s(r, l.expiry_s);
	at = begin_ia(r, ia, preferred_of(valid));
	dhcp6_put_item(&r->w, &it, preferred_of(valid), valid);
	if (how == HOW_RENEW || how == HOW_REBIND)
		put_ended(r, ia, &it.ip);
	dhcp6_end(&r->w, at);
}

static bool off_link(const struct dhcp6_request *r, const struct dhcp6_ia *ia)
{
	for (unsigned int i = 0; i < ia->nitems; i++)
		if (ia->opt != DHCP6_OPT_IA_PD &&
		    !ipaddr_is_zero(&ia->item[i].ip) &&
		    !ipaddr_in_net6(&ia->item[i].ip, &r->s->table.cfg.net))
			return true;
	return false;
}

static void answer_ia(struct dhcp6_request *r, const struct dhcp6_ia *ia,
		      enum how how)
{
	bool pd = ia->opt == DHCP6_OPT_IA_PD;
	enum dhcp6_status none = pd ? DHCP6_S_NO_PREFIX : DHCP6_S_NO_ADDRS;
	bool later = how == HOW_RENEW || how == HOW_REBIND;
	struct dhcp6_binding *b;

	if (!served(r, ia)) {
		refuse_ia(r, ia, later ? DHCP6_S_NO_BINDING : none, later);
		return;
	}
	if (how == HOW_REQUEST && off_link(r, ia)) {
		refuse_ia(r, ia, DHCP6_S_NOT_ON_LINK, false);
		return;
	}
	if (how == HOW_RENEW && !dhcp6_find_ia(&r->s->table, &r->client, ia)) {
		refuse_ia(r, ia, DHCP6_S_NO_BINDING, false);
		return;
	}
	if (dhcp6_choose(&r->s->table, &r->client, ia, r->now_s, &b)) {
		exhausted(r, ia);
		refuse_ia(r, ia, none, later);
		return;
	}
	grant(r, ia, b, how);
}

static void answer_ias(struct dhcp6_request *r, enum how how)
{
	dhcp6_claim(&r->s->table);
	for (unsigned int i = 0; i < r->m->nias && !r->waits; i++)
		answer_ia(r, &r->m->ia[i], how);
}

/* ---- messages ------------------------------------------------------------ */

/* 18.3.1, 18.3.9 */
static enum dhcp6_action solicit(struct dhcp6_request *r)
{
	static const uint8_t highest = 255;

	if (r->m->rapid) {
		dhcp6_reply_begin(r, DHCP6_REPLY);
		dhcp6_put(&r->w, DHCP6_OPT_RAPID, NULL, 0);
		answer_ias(r, HOW_REQUEST);
	} else {
		dhcp6_reply_begin(r, DHCP6_ADVERTISE);
		dhcp6_put(&r->w, DHCP6_OPT_PREFERENCE, &highest, 1);
		answer_ias(r, HOW_ADVERTISE);
	}
	dhcp6_reply_options(r);
	return dhcp6_reply_end(r);
}

/* 18.3.2, 18.3.4, 18.3.5 */
static enum dhcp6_action request(struct dhcp6_request *r, enum how how)
{
	dhcp6_reply_begin(r, DHCP6_REPLY);
	answer_ias(r, how);
	dhcp6_reply_options(r);
	return dhcp6_reply_end(r);
}

/* 18.3.3: is it of this network? An address that somebody else has is as wrong. */
static enum dhcp6_action confirm(struct dhcp6_request *r)
{
	enum dhcp6_status st = DHCP6_S_SUCCESS;
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->m->nias; i++) {
		const struct dhcp6_ia *ia = &r->m->ia[i];

		if (ia->opt == DHCP6_OPT_IA_PD)
			continue;
		if (off_link(r, ia))
			st = DHCP6_S_NOT_ON_LINK;
		for (unsigned int k = 0; k < ia->nitems; k++, n++) {
			const struct dhcp6_binding *b =
				dhcp6_find(&r->s->table, &ia->item[k].ip);

			if (b && (b->lease.state == DHCP6_DECLINED ||
				  !dhcp6_owns(&r->client, &b->lease)))
				st = DHCP6_S_NOT_ON_LINK;
		}
	}
	if (!n)
		return dhcp6_drop(r->s, DHCP6_DROP_NO_ADDR);
	dhcp6_reply_begin(r, DHCP6_REPLY);
	dhcp6_put_status(&r->w, st);
	dhcp6_reply_options(r);
	return dhcp6_reply_end(r);
}

/* The client's binding that an item of this IA is about, or NULL. */
static struct dhcp6_binding *bound(const struct dhcp6_request *r,
				   const struct dhcp6_ia *ia,
				   const struct dhcp6_item *it)
{
	struct dhcp6_binding *b = dhcp6_find(&r->s->table, &it->ip);

	return b && b->lease.plen == it->plen && b->lease.iaid == ia->iaid &&
			       b->lease.state == DHCP6_BOUND &&
			       dhcp6_owns(&r->client, &b->lease) &&
			       dhcp6_duid_is(&b->lease, &r->client)
		       ? b
		       : NULL;
}

/* 18.3.7, 18.3.8: give back, or say that somebody else uses it. */
static enum dhcp6_action give_back(struct dhcp6_request *r, bool decline)
{
	dhcp6_reply_begin(r, DHCP6_REPLY);
	dhcp6_put_status(&r->w, DHCP6_S_SUCCESS);
	for (unsigned int i = 0; i < r->m->nias; i++) {
		const struct dhcp6_ia *ia = &r->m->ia[i];
		bool any = false;

		/* Prefixes are not declined (RFC 8415 18.2.8). */
		for (unsigned int k = 0; k < ia->nitems; k++) {
			struct dhcp6_binding *b = bound(r, ia, &ia->item[k]);

			if (!b || (decline && dhcp6_is_prefix(&b->lease)))
				continue;
			any = true;
			dhcp6_abandon(r->s, b);
			if (decline)
				dhcp6_quarantine(&r->s->table, b, r->now_s);
			else
				dhcp6_remove(&r->s->table, b,
					     DHCP6_EV_RELEASED);
		}
		if (!any)
			refuse_ia(r, ia, DHCP6_S_NO_BINDING, false);
	}
	return dhcp6_reply_end(r);
}

/* 18.3.6 */
static enum dhcp6_action information(struct dhcp6_request *r)
{
	dhcp6_reply_begin(r, DHCP6_REPLY);
	dhcp6_reply_options(r);
	return dhcp6_reply_end(r);
}

/* 18.4: we never told anybody that it may ask by unicast. */
static enum dhcp6_action use_multicast(struct dhcp6_request *r)
{
	dhcp6_reply_begin(r, DHCP6_REPLY);
	dhcp6_put_status(&r->w, DHCP6_S_USE_MULTICAST);
	return dhcp6_reply_end(r);
}

enum dhcp6_action dhcp6_rules(struct dhcp6_request *r)
{
	if (r->in->unicast && !r->m->nrelays)
		return use_multicast(r);
	switch (r->m->type) {
	case DHCP6_SOLICIT:
		return solicit(r);
	case DHCP6_REQUEST:
		return request(r, HOW_REQUEST);
	case DHCP6_RENEW:
		return request(r, HOW_RENEW);
	case DHCP6_REBIND:
		return request(r, HOW_REBIND);
	case DHCP6_CONFIRM:
		return confirm(r);
	case DHCP6_RELEASE:
		return give_back(r, false);
	case DHCP6_DECLINE:
		return give_back(r, true);
	default:
		return information(r);
	}
}
