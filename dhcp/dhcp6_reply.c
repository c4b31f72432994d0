// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers: what is in each of them beside the IAs, and where they go. */
#include <stdlib.h>

#include "dhcp/dhcp6_server_int.h"

#define MAX_RT_S  3600	/* RFC 8415 7.6: SOL_MAX_RT, INF_MAX_RT */
#define REFRESH_S 14400 /* stateless clients look again for another resolver */

enum { FQDN_S = 1, FQDN_O = 2, FQDN_N = 4 }; /* RFC 4704 4.1 */

void dhcp6_reply_begin(struct dhcp6_request *r, uint8_t type)
{
	const struct dhcp6_config *c = &r->s->table.cfg;

	r->type = type;
	r->w = wbuf_make(r->out->reply.data, sizeof(r->out->reply.data));
	dhcp6_wrap(&r->w, r->m, &r->wrap);
	wbuf_be32(&r->w, (uint32_t)type << 24 | r->m->xid);
	dhcp6_put(&r->w, DHCP6_OPT_SERVER_ID, c->duid, c->duid_len);
	if (r->m->client)
		dhcp6_put(&r->w, DHCP6_OPT_CLIENT_ID, r->m->client,
			  r->m->client_len);
}

/* Our word on the client's name (RFC 4704 5): we keep the AAAA record, unless it wants
 * none. */
static void put_fqdn(struct dhcp6_request *r)
{
	const char *domain = r->s->table.cfg.domain;
	uint8_t flags = r->m->fqdn_flags, ours = FQDN_S;
	size_t at;

	if (!(r->m->has_fqdn || r->m->wants_fqdn) || !r->client.name[0])
		return;
	if (flags & FQDN_N)
		ours = FQDN_N;
	else if (!(flags & FQDN_S) && r->m->has_fqdn)
		ours |= FQDN_O;
	at = dhcp6_begin(&r->w, DHCP6_OPT_FQDN);
	wbuf_u8(&r->w, ours);
	dhcp6_put_name(&r->w, r->client.name, !domain[0]);
	if (domain[0])
		dhcp6_put_name(&r->w, domain, true);
	dhcp6_end(&r->w, at);
}

static void put_u32(struct wbuf *w, uint16_t opt, uint32_t v)
{
	uint8_t b[4];

	put_be32(b, v);
	dhcp6_put(w, opt, b, sizeof(b));
}

void dhcp6_reply_options(struct dhcp6_request *r)
{
	const struct dhcp6_config *c = &r->s->table.cfg;
	const struct dhcp6_msg *m = r->m;
	size_t at;

	if (c->ndns && (m->wants_dns || !m->has_oro)) {
		at = dhcp6_begin(&r->w, DHCP6_OPT_DNS);
		for (unsigned int i = 0; i < c->ndns; i++)
			wbuf_copy(&r->w, c->dns[i].b, 16);
		dhcp6_end(&r->w, at);
	}
	if (c->domain[0] && (m->wants_domain || !m->has_oro)) {
		at = dhcp6_begin(&r->w, DHCP6_OPT_DOMAIN);
		dhcp6_put_name(&r->w, c->domain, true);
		dhcp6_end(&r->w, at);
	}
	put_fqdn(r);
	if (m->wants_sol)
		put_u32(&r->w, DHCP6_OPT_SOL_MAX_RT, MAX_RT_S);
	if (m->wants_inf)
		put_u32(&r->w, DHCP6_OPT_INF_MAX_RT, MAX_RT_S);
	if (m->wants_refresh && m->type == DHCP6_INFORMATION)
		put_u32(&r->w, DHCP6_OPT_REFRESH, REFRESH_S);
}

/* RFC 8415 18.3.10, 19.3: back where it came from. */
static void address(struct dhcp6_request *r, struct dhcp6_reply *out)
{
	out->dst = r->in->src;
	out->dst_mac = r->in->src_mac;
	out->dst_port = r->m->nrelays ? DHCP6_SERVER_PORT : DHCP6_CLIENT_PORT;
	out->len = r->w.len;
}

static enum dhcp6_action wait_for_store(struct dhcp6_request *r)
{
	struct dhcp6_server *s = r->s;
	struct dhcp6_pending *p;

	if (s->pending.count >= DHCP6_PENDING_MAX)
		return dhcp6_drop(s, DHCP6_DROP_BUSY);
	p = malloc(sizeof(*p));
	if (!p)
		return dhcp6_drop(s, DHCP6_DROP_BUSY);
	p->token = ++s->next_token;
	p->n = r->n;
	p->reply = r->out->reply;
	for (unsigned int i = 0; i < r->n; i++) {
		p->b[i] = r->b[i];
		p->lease[i] = r->out->lease[i];
		r->b[i]->pending = p;
	}
	htab_add(&s->pending, &p->by_token, (uint32_t)p->token);
	r->out->token = p->token;
	r->out->nleases = r->n;
	return DHCP6_REPLY_AFTER_COMMIT;
}

enum dhcp6_action dhcp6_reply_end(struct dhcp6_request *r)
{
	if (r->waits)
		return dhcp6_drop(r->s, DHCP6_DROP_PENDING);
	dhcp6_unwrap(&r->w, &r->wrap);
	if (!wbuf_ok(&r->w))
		return dhcp6_drop(r->s, DHCP6_DROP_ROOM);
	address(r, &r->out->reply);
	if (r->n)
		return wait_for_store(r);
	r->s->stats.tx[r->type]++;
	return DHCP6_REPLY_NOW;
}
