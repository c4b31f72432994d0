// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of RFC 2131 4.3: what each message does and what is answered.
 * Bindings are kept by dhcp_pool.c, addresses chosen by dhcp_choose.c, replies
 * written by dhcp_reply.c.
 */
#include "dhcp/dhcp_server_int.h"

#include <errno.h>
#include <stdlib.h>

#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_msg.h"
#include "dhcp/dhcp_names.h"
#include "dhcp/dhcp_reply.h"

#define LEASE_MIN_S  60 /* shorter wishes (option 51) are raised to this */
#define TELL_AGAIN_S 60 /* between two EXHAUSTED events */
#define SLACK_S	     60 /* a lease granted so recently needs no new commit */

/* ---- answers ------------------------------------------------------------- */

const char *dhcp_fixed_name(const struct dhcp_server *s, const struct mac *mac)
{
	const struct dhcp_reservation *r =
		dhcp_reserve_find_mac(&s->pool.reserve, mac);

	return r ? r->name : "";
}

/* Who we are to the client: a relay may want its requests itself (RFC 5107). */
static uint32_t server_id(const struct dhcp_request *r)
{
	uint32_t ip = r->m->h.giaddr
			      ? dhcp_msg_relay_ip4(r->m, DHCP_SUB_SERVER_ID)
			      : 0;

	return ip ? ip : r->s->pool.cfg.server_ip;
}

static bool build(struct dhcp_request *r, const struct dhcp_terms *t,
		  struct dhcp_reply *reply)
{
	struct dhcp_terms all = *t;

	all.range = &r->s->pool.range[r->client.range];
	all.server_id = server_id(r);
	return dhcp_reply_build(&r->s->pool.cfg, &r->view, r->m, r->in, &all,
				reply);
}

static enum dhcp_action reply_now(struct dhcp_request *r,
				  const struct dhcp_terms *t)
{
	if (!build(r, t, &r->out->reply))
		return dhcp_drop(r->s, DHCP_DROP_ROOM);
	r->s->stats.tx[t->type]++;
	return DHCP_REPLY_NOW;
}

static enum dhcp_action nak(struct dhcp_request *r, const char *message)
{
	struct dhcp_terms t = {.type = DHCP_NAK, .message = message};

	return reply_now(r, &t);
}

/* No record of the client. Silence leaves room for other servers (RFC
 * 2131 4.3.2); where there are none, NAK gets the client going. */
static enum dhcp_action unknown(struct dhcp_request *r, bool asked_us)
{
	if (asked_us || r->s->pool.cfg.authoritative)
		return nak(r, "no such lease");
	return dhcp_drop(r->s, DHCP_DROP_UNKNOWN);
}

/* The client's wish within our limit. RFC 2131 4.3.1 would have the rest of a
 * running lease offered to a client that names no time; we always offer the
 * full one, as the lease is extended by the ACK anyway. */
static uint32_t lease_time(const struct dhcp_request *r)
{
	uint32_t most = dhcp_view_be32(&r->view, DHCP_OPT_LEASE);
	uint32_t wish = dhcp_msg_be32(r->m, DHCP_OPT_LEASE);

	if (!most)
		most = dhcp_config_lease_s(&r->s->pool.cfg);
	if (!wish || wish > most)
		return most;
	if (wish < LEASE_MIN_S)
		return LEASE_MIN_S < most ? LEASE_MIN_S : most;
	return wish;
}

static struct dhcp_terms terms(const struct dhcp_request *r,
			       enum dhcp_type type, uint32_t ip,
			       uint32_t lease_s)
{
	return (struct dhcp_terms){
		.type = type,
		.yiaddr = ip,
		.lease_s = lease_s,
		.name = dhcp_fixed_name(r->s, &r->client.mac),
	};
}

/* ---- DISCOVER (RFC 2131 4.3.1) ------------------------------------------- */

/* @told_s: when it was told last; 0 = never. */
static void tell(const struct dhcp_request *r, enum dhcp_event_type type,
		 uint32_t ip, int64_t *told_s)
{
	const struct dhcp_lease l = {.mac = r->client.mac,
				     .nic_id = r->client.nic_id,
				     .ip = ip};

	if (*told_s && r->now_s >= *told_s && r->now_s - *told_s < TELL_AGAIN_S)
		return;
	*told_s = r->now_s;
	r->s->pool.ops->event(r->s->pool.arg, type, &l);
}

static enum dhcp_action exhausted(struct dhcp_request *r)
{
	tell(r, DHCP_EV_EXHAUSTED, 0, &r->s->exhausted_s);
	return dhcp_drop(r->s, DHCP_DROP_EXHAUSTED);
}

static enum dhcp_action not_held(struct dhcp_request *r, int err)
{
	switch (err) {
	case -EDQUOT:
		return dhcp_drop(r->s, DHCP_DROP_QUOTA);
	case -ENOSPC:
		return exhausted(r);
	default:
		return dhcp_drop(r->s, DHCP_DROP_BUSY);
	}
}

/* RFC 4039 3.1: the client takes an ACK at once. */
static bool rapid(const struct dhcp_request *r)
{
	return r->s->pool.cfg.rapid_commit &&
	       dhcp_msg_has(r->m, DHCP_OPT_RAPID);
}

static enum dhcp_action grant(struct dhcp_request *r, uint32_t ip);

static enum dhcp_action on_discover(struct dhcp_request *r)
{
	struct dhcp_pool *p = &r->s->pool;
	uint32_t wish = dhcp_msg_be32(r->m, DHCP_OPT_REQUESTED);
	bool wait;
	uint32_t ip = dhcp_pool_choose(p, &r->client, wish, r->now_s, &wait);
	struct dhcp_binding *b;
	struct dhcp_terms t;
	int err;

	if (wait)
		return DHCP_WAIT;
	if (!ip)
		return exhausted(r);
	if (rapid(r))
		return grant(r, ip);
	err = dhcp_pool_hold(p, &r->client, ip, r->now_s, &b);
	if (err)
		return not_held(r, err);
	t = terms(r, DHCP_OFFER, ip, lease_time(r));
	return reply_now(r, &t);
}

/* ---- REQUEST (RFC 2131 4.3.2) -------------------------------------------- */

/* What the binding is to become. */
static void new_lease(const struct dhcp_request *r,
		      const struct dhcp_binding *b, uint32_t lease_s,
		      struct dhcp_lease *l)
{
	const struct dhcp_client *c = &r->client;
	const char *name = dhcp_fixed_name(r->s, &c->mac);

	memset(l, 0, sizeof(*l));
	l->ip = b->lease.ip;
	l->mac = c->mac;
	l->nic_id = c->nic_id ? c->nic_id : b->lease.nic_id;
	l->state = DHCP_BOUND;
	l->expiry_s = lease_s == DHCP_LEASE_INFINITE ? DHCP_NEVER
						     : r->now_s + lease_s;
	l->client_id_len = (uint8_t)c->cid_len;
	memcpy(l->client_id, c->cid, c->cid_len);
	/* What it calls itself is kept beside what its owner calls it. */
	dhcp_name_claimed(r->m, l->hostname);
	if (!l->hostname[0])
		memcpy(l->hostname, name, strlen(name));
}

static uint32_t left_s(const struct dhcp_lease *l, int64_t now_s)
{
	if (l->expiry_s == DHCP_NEVER)
		return DHCP_LEASE_INFINITE;
	return l->expiry_s > now_s ? (uint32_t)(l->expiry_s - now_s) : 1;
}

/* Is what the store has nearly what the client is to get? Then it gets that:
 * repeated requests cost no commits. */
static bool as_stored(const struct dhcp_request *r,
		      const struct dhcp_binding *b,
		      const struct dhcp_lease *want)
{
	const struct dhcp_lease *have = &b->lease;
	int64_t more = want->expiry_s - have->expiry_s;
	uint32_t eighth = left_s(want, r->now_s) / 8;

	return have->state == DHCP_BOUND && mac_eq(&have->mac, &want->mac) &&
	       have->nic_id == want->nic_id &&
	       have->client_id_len == want->client_id_len &&
	       !memcmp(have->client_id, want->client_id, have->client_id_len) &&
	       !strcmp(have->hostname, want->hostname) && more >= 0 &&
	       more <= (eighth < SLACK_S ? eighth : SLACK_S);
}

static enum dhcp_action commit(struct dhcp_request *r, struct dhcp_binding *b,
			       const struct dhcp_lease *l, uint32_t lease_s)
{
	struct dhcp_server *s = r->s;
	struct dhcp_terms t = terms(r, DHCP_ACK, l->ip, lease_s);
	struct dhcp_pending *p;

	if (s->pending.count >= DHCP_PENDING_MAX)
		return dhcp_drop(s, DHCP_DROP_BUSY);
	p = calloc(1, sizeof(*p));
	if (!p)
		return dhcp_drop(s, DHCP_DROP_BUSY);
	if (!build(r, &t, &p->reply)) {
		free(p);
		return dhcp_drop(s, DHCP_DROP_ROOM);
	}
	p->token = ++s->last_token;
	p->lease = *l;
	p->b = b;
	b->pending = p;
	htab_add(&s->pending, &p->by_token, (uint32_t)p->token);
	r->out->token = p->token;
	r->out->lease = *l;
	return DHCP_REPLY_AFTER_COMMIT;
}

/* The same client asks again while its commit waits: answer this one then. (Not
 * when the NIC was replaced meanwhile: what is being stored is the old one's.)
 */
static enum dhcp_action answer_later(struct dhcp_request *r,
				     struct dhcp_pending *p)
{
	struct dhcp_terms t =
		terms(r, DHCP_ACK, p->lease.ip, left_s(&p->lease, r->now_s));
	struct dhcp_reply reply;

	if (p->lease.nic_id == r->client.nic_id && build(r, &t, &reply))
		p->reply = reply;
	return dhcp_drop(r->s, DHCP_DROP_PENDING);
}

/* Is an address that the client has no lease of used by somebody? One that was
 * offered, too: its owner may have spoken up since. */
static bool taken(const struct dhcp_request *r, uint32_t ip)
{
	struct dhcp_pool *p = &r->s->pool;
	const struct dhcp_binding *b = dhcp_pool_find_ip(p, ip);

	if (b && (b->lease.state == DHCP_BOUND || b->pending))
		return false;
	return dhcp_pool_in_use(p, &r->client, ip, false, r->now_s) ==
	       DHCP_USE_TAKEN;
}

/* ACK @ip, if the client may have it. */
static enum dhcp_action grant(struct dhcp_request *r, uint32_t ip)
{
	struct dhcp_pool *p = &r->s->pool;
	uint32_t lease_s = lease_time(r);
	struct dhcp_binding *b;
	struct dhcp_lease l;
	struct dhcp_terms t;
	int err;

	if (!dhcp_pool_acceptable(p, &r->client, ip) ||
	    !dhcp_pool_available(p, &r->client, ip) || taken(r, ip))
		return nak(r, "address not available");
	/* One at a time: the commit that waits will end the client's other
	 * leases, which must not be confirmed meanwhile. */
	if (dhcp_pool_moving(p, &r->client, ip))
		return dhcp_drop(r->s, DHCP_DROP_PENDING);
	err = dhcp_pool_hold(p, &r->client, ip, r->now_s, &b);
	if (err)
		return not_held(r, err);
	if (b->pending)
		return answer_later(r, b->pending);
	new_lease(r, b, lease_s, &l);
	if (!as_stored(r, b, &l))
		return commit(r, b, &l, lease_s);
	t = terms(r, DHCP_ACK, ip, left_s(&b->lease, r->now_s));
	return reply_now(r, &t);
}

static bool owns_ip(const struct dhcp_request *r, uint32_t ip)
{
	const struct dhcp_binding *b = dhcp_pool_find_ip(&r->s->pool, ip);

	return b && dhcp_pool_owns(&r->s->pool, &r->client, b);
}

/* A server identifier that is not ours; a missing one is forgiven, since who
 * may do what is decided by the client's identity. */
static bool for_another(const struct dhcp_request *r)
{
	uint32_t id = dhcp_msg_be32(r->m, DHCP_OPT_SERVER_ID);

	return dhcp_msg_has(r->m, DHCP_OPT_SERVER_ID) &&
	       id != r->s->pool.cfg.server_ip && id != server_id(r);
}

/* The client took another server's offer. */
static enum dhcp_action other_server(struct dhcp_request *r)
{
	struct dhcp_pool *p = &r->s->pool;
	struct dhcp_binding *b = dhcp_pool_find_client(p, &r->client);

	if (b && !b->pending)
		dhcp_pool_withdraw(p, b);
	tell(r, DHCP_EV_OTHER_SERVER, dhcp_msg_be32(r->m, DHCP_OPT_SERVER_ID),
	     &r->s->other_s);
	return dhcp_drop(r->s, DHCP_DROP_OTHER_SERVER);
}

/* A request in answer to an offer. One that we do not remember (a restart
 * forgets offers) is as good as made if the address is free. */
static enum dhcp_action selecting(struct dhcp_request *r, uint32_t ip)
{
	if (for_another(r))
		return other_server(r);
	if (!ip)
		return dhcp_drop(r->s, DHCP_DROP_FIELDS);
	return grant(r, ip);
}

/* A client that remembers an address and asks whether it still holds. */
static enum dhcp_action init_reboot(struct dhcp_request *r, uint32_t ip)
{
	if (!ip4_in_net(ip, &r->s->pool.range[r->client.range].net))
		return nak(r, "wrong network");
	if (!dhcp_pool_find_client(&r->s->pool, &r->client))
		return unknown(r, false);
	if (!owns_ip(r, ip))
		return nak(r, "not your address");
	return grant(r, ip);
}

/* RENEWING is unicast to us, REBINDING broadcast. */
static enum dhcp_action renewing(struct dhcp_request *r, uint32_t ip)
{
	bool asked_us = r->in->dst_ip == r->s->pool.cfg.server_ip;

	if (!ip4_in_net(ip, &r->s->pool.range[r->client.range].net))
		return nak(r, "wrong network");
	if (!dhcp_pool_find_client(&r->s->pool, &r->client))
		return unknown(r, asked_us);
	if (!owns_ip(r, ip))
		return nak(r, "not your address");
	return grant(r, ip);
}

static enum dhcp_action on_request(struct dhcp_request *r)
{
	uint32_t wish = dhcp_msg_be32(r->m, DHCP_OPT_REQUESTED);
	uint32_t ciaddr = r->m->h.ciaddr;

	if (dhcp_msg_has(r->m, DHCP_OPT_SERVER_ID))
		return selecting(r, wish ? wish : ciaddr);
	if (wish && !ciaddr)
		return init_reboot(r, wish);
	if (ciaddr)
		return renewing(r, ciaddr);
	return dhcp_drop(r->s, DHCP_DROP_FIELDS);
}

/* ---- DECLINE, RELEASE, INFORM (RFC 2131 4.3.3 to 4.3.5) ------------------ */

static enum dhcp_action on_decline(struct dhcp_request *r)
{
	uint32_t ip = dhcp_msg_be32(r->m, DHCP_OPT_REQUESTED);
	struct dhcp_binding *b = dhcp_pool_find_ip(&r->s->pool, ip);

	if (for_another(r))
		return dhcp_drop(r->s, DHCP_DROP_OTHER_SERVER);
	if (!ip)
		return dhcp_drop(r->s, DHCP_DROP_FIELDS);
	if (!owns_ip(r, ip) ||
	    (b->lease.state != DHCP_OFFERED && b->lease.state != DHCP_BOUND))
		return dhcp_drop(r->s, DHCP_DROP_NOT_OWNER);
	dhcp_abandon(r->s, b);
	dhcp_pool_quarantine(&r->s->pool, b, DHCP_EV_DECLINED, r->now_s);
	return DHCP_DROP;
}

static enum dhcp_action on_release(struct dhcp_request *r)
{
	uint32_t ip = r->m->h.ciaddr;
	struct dhcp_binding *b = dhcp_pool_find_ip(&r->s->pool, ip);

	if (for_another(r))
		return dhcp_drop(r->s, DHCP_DROP_OTHER_SERVER);
	if (!ip)
		return dhcp_drop(r->s, DHCP_DROP_FIELDS);
	if (!owns_ip(r, ip) || b->lease.state != DHCP_BOUND)
		return dhcp_drop(r->s, DHCP_DROP_NOT_OWNER);
	dhcp_abandon(r->s, b);
	dhcp_pool_release(&r->s->pool, b, r->now_s);
	return DHCP_DROP;
}

/* Parameters for a host that has its address from elsewhere: no lease, no
 * yiaddr. */
static enum dhcp_action on_inform(struct dhcp_request *r)
{
	struct dhcp_terms t = terms(r, DHCP_ACK, 0, 0);
	uint32_t ip = r->m->h.ciaddr;

	if (!dhcp_pool_usable(&r->s->pool, ip))
		return dhcp_drop(r->s, DHCP_DROP_FIELDS);
	return reply_now(r, &t);
}

/* Only what is reserved, for ever and without a record (RFC 1534 2): a BOOTP
 * client never says that it is done. */
enum dhcp_action dhcp_bootp(struct dhcp_request *r)
{
	struct dhcp_pool *p = &r->s->pool;
	const struct dhcp_reservation *v =
		dhcp_reserve_find_mac(&p->reserve, &r->client.mac);
	struct dhcp_terms t;

	if (!v || !v->ip || !dhcp_pool_usable(p, v->ip) ||
	    !dhcp_pool_available(p, &r->client, v->ip))
		return dhcp_drop(r->s, DHCP_DROP_BOOTP);
	t = terms(r, DHCP_BOOTP, v->ip, 0);
	return reply_now(r, &t);
}

enum dhcp_action dhcp_rules(struct dhcp_request *r)
{
	switch (dhcp_msg_u8(r->m, DHCP_OPT_TYPE)) {
	case DHCP_DISCOVER:
		return on_discover(r);
	case DHCP_REQUEST:
		return on_request(r);
	case DHCP_DECLINE:
		return on_decline(r);
	case DHCP_RELEASE:
		return on_release(r);
	case DHCP_INFORM:
		return on_inform(r);
	default:
		return dhcp_drop(r->s, DHCP_DROP_TYPE);
	}
}
