// SPDX-License-Identifier: GPL-2.0-or-later
/* DHCPv6 messages, apart and together. See dhcp6_msg.h; what is answered is in
 * dhcp6_rules.c. */
#include "dhcp/dhcp6_msg.h"

#include <errno.h>

#define HDR_LEN	      4	 /* type, transaction (RFC 8415 8) */
#define RELAY_HDR_LEN 34 /* RFC 8415 9 */
#define IA_HDR_LEN    12
#define IAADDR_LEN    24
#define IAPREFIX_LEN  25
#define HTYPE_ETHER   1

/* ---- options ------------------------------------------------------------- */

/* The next option of @c: false at the end, or when it runs over (then !cur_ok). */
static bool next_opt(struct cur *c, uint16_t *code, struct cur *body)
{
	if (!c->left)
		return false;
	*code = cur_be16(c);
	*body = cur_sub(c, cur_be16(c));
	return cur_ok(c);
}

static bool read_addr(struct cur *c, struct dhcp6_item *it)
{
	cur_copy(c, it->ip.b, 16);
	it->plen = 128;
	cur_skip(c, 8); /* lifetimes: hints that we do not follow */
	return cur_ok(c);
}

static bool read_prefix(struct cur *c, struct dhcp6_item *it)
{
	cur_skip(c, 8);
	it->plen = cur_u8(c);
	cur_copy(c, it->ip.b, 16);
	return cur_ok(c) && it->plen < 128;
}

static bool read_ia(struct dhcp6_msg *m, uint16_t opt, struct cur c)
{
	struct dhcp6_ia ia = {.opt = opt, .iaid = cur_be32(&c)};
	uint16_t want = opt == DHCP6_OPT_IA_PD ? DHCP6_OPT_IAPREFIX
					       : DHCP6_OPT_IAADDR;
	struct cur body;
	uint16_t code;

	if (opt != DHCP6_OPT_IA_TA)
		cur_skip(&c, 8); /* T1, T2: ours to say */
	if (!cur_ok(&c))
		return false;
	for (int i = 0; i < DHCP6_OPTS_MAX && next_opt(&c, &code, &body); i++) {
		struct dhcp6_item it = {.plen = 0};

		if (code != want)
			continue;
		if (!(want == DHCP6_OPT_IAADDR ? read_addr(&body, &it)
					       : read_prefix(&body, &it)))
			return false;
		if (ia.nitems < DHCP6_ITEMS_MAX)
			ia.item[ia.nitems++] = it;
	}
	if (!cur_ok(&c))
		return false;
	/* The same IA twice would be two answers about one thing. */
	for (unsigned int i = 0; i < m->nias; i++)
		if (m->ia[i].opt == opt && m->ia[i].iaid == ia.iaid)
			return true;
	if (m->nias < DHCP6_IAS_MAX)
		m->ia[m->nias++] = ia;
	return true;
}

static void read_oro(struct dhcp6_msg *m, struct cur c)
{
	m->has_oro = true;
	while (c.left >= 2) {
		switch (cur_be16(&c)) {
		case DHCP6_OPT_DNS:
			m->wants_dns = true;
			break;
		case DHCP6_OPT_DOMAIN:
			m->wants_domain = true;
			break;
		case DHCP6_OPT_SOL_MAX_RT:
			m->wants_sol = true;
			break;
		case DHCP6_OPT_INF_MAX_RT:
			m->wants_inf = true;
			break;
		case DHCP6_OPT_REFRESH:
			m->wants_refresh = true;
			break;
		case DHCP6_OPT_FQDN:
			m->wants_fqdn = true;
			break;
		}
	}
}

static bool read_duid(struct cur c, const uint8_t **p, uint8_t *len)
{
	/* RFC 8415 11.1: a type of two bytes, and at least one more. */
	if (*p || c.left < 3 || c.left > DHCP6_DUID_MAX)
		return false;
	*len = (uint8_t)c.left;
	*p = cur_bytes(&c, c.left);
	return true;
}

/* A partial name has no root at its end (RFC 4704 4.2): both forms do. */
static bool read_fqdn(struct dhcp6_msg *m, struct cur c)
{
	uint8_t n;

	m->fqdn_flags = cur_u8(&c);
	if (!cur_ok(&c))
		return false;
	m->has_fqdn = true;
	n = c.left ? cur_u8(&c) : 0;
	if (n > 63 || n > c.left)
		return true; /* no name: as if it were empty */
	m->fqdn_len = n;
	m->fqdn = cur_bytes(&c, n);
	return true;
}

static bool read_opt(struct dhcp6_msg *m, uint16_t code, struct cur body)
{
	switch (code) {
	case DHCP6_OPT_CLIENT_ID:
		return read_duid(body, &m->client, &m->client_len);
	case DHCP6_OPT_SERVER_ID:
		return read_duid(body, &m->server, &m->server_len);
	case DHCP6_OPT_IA_NA:
	case DHCP6_OPT_IA_TA:
	case DHCP6_OPT_IA_PD:
		return read_ia(m, code, body);
	case DHCP6_OPT_ORO:
		read_oro(m, body);
		return true;
	case DHCP6_OPT_RAPID:
		m->rapid = true;
		return !body.left;
	case DHCP6_OPT_FQDN:
		return read_fqdn(m, body);
	default:
		return true;
	}
}

/* ---- messages ------------------------------------------------------------ */

/* One Relay-forward; @c goes on in what it carries. */
static int read_relay(struct dhcp6_msg *m, struct cur *c)
{
	struct dhcp6_relay *r = &m->relay[m->nrelays++];
	struct cur body, inner = {0};
	bool found = false;
	uint16_t code;
	int i;

	*r = (struct dhcp6_relay){0};
	cur_skip(c, 1);
	r->hops = cur_u8(c);
	cur_copy(c, r->link.b, 16);
	cur_copy(c, r->peer.b, 16);
	for (i = 0; i < DHCP6_OPTS_MAX && next_opt(c, &code, &body); i++) {
		if (code == DHCP6_OPT_RELAY_MSG) {
			inner = body;
			found = true;
		} else if (code == DHCP6_OPT_INTERFACE) {
			r->interface_len = (uint16_t)body.left;
			r->interface = cur_bytes(&body, body.left);
		} else if (code == DHCP6_OPT_CLIENT_LLA && body.left == 8 &&
			   cur_be16(&body) == HTYPE_ETHER) {
			cur_copy(&body, r->mac.b, 6);
		}
	}
	if (!cur_ok(c) || !found)
		return -EPROTO;
	*c = inner;
	return 0;
}

int dhcp6_msg_parse(const void *p, size_t len, struct dhcp6_msg *m)
{
	struct cur c = cur_make(p, len), body;
	uint16_t code;

	memset(m, 0, sizeof(*m));
	if (len < HDR_LEN || len > DHCP6_MSG_MAX)
		return -EMSGSIZE;
	while (c.left && c.p[0] == DHCP6_RELAY_FORW) {
		int r = m->nrelays == DHCP6_RELAYS_MAX ? -ELOOP
						       : read_relay(m, &c);

		if (r)
			return r;
	}
	m->xid = cur_be32(&c);
	m->type = (uint8_t)(m->xid >> 24);
	m->xid &= 0xffffff;
	for (int i = 0; i < DHCP6_OPTS_MAX && next_opt(&c, &code, &body); i++)
		if (!read_opt(m, code, body))
			return -EPROTO;
	return cur_ok(&c) ? 0 : -EPROTO;
}

/* ---- building ------------------------------------------------------------ */

void dhcp6_put(struct wbuf *w, uint16_t opt, const void *p, size_t len)
{
	wbuf_be16(w, opt);
	wbuf_be16(w, (uint16_t)len);
	wbuf_copy(w, p, len);
}

size_t dhcp6_begin(struct wbuf *w, uint16_t opt)
{
	wbuf_be16(w, opt);
	wbuf_be16(w, 0);
	return w->len;
}

void dhcp6_end(struct wbuf *w, size_t at)
{
	if (wbuf_ok(w))
		put_be16(w->p + at - 2, (uint16_t)(w->len - at));
}

void dhcp6_put_status(struct wbuf *w, enum dhcp6_status code)
{
	static const char *const text[] = {
		[DHCP6_S_SUCCESS] = "",
		[DHCP6_S_UNSPEC] = "",
		[DHCP6_S_NO_ADDRS] = "no address for you here",
		[DHCP6_S_NO_BINDING] = "not known here; ask anew",
		[DHCP6_S_NOT_ON_LINK] = "not of this network",
		[DHCP6_S_USE_MULTICAST] = "ask by multicast",
		[DHCP6_S_NO_PREFIX] = "no prefix for you here",
	};
	size_t at = dhcp6_begin(w, DHCP6_OPT_STATUS);

	wbuf_be16(w, (uint16_t)code);
	wbuf_copy(w, text[code], strlen(text[code]));
	dhcp6_end(w, at);
}

void dhcp6_put_name(struct wbuf *w, const char *name, bool root)
{
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, ".");

		if (n && n < 64) {
			wbuf_u8(w, (uint8_t)n);
			wbuf_copy(w, p, n);
		}
		p += n;
		p += *p == '.';
	}
	if (root)
		wbuf_u8(w, 0);
}

void dhcp6_put_item(struct wbuf *w, const struct dhcp6_item *it,
		    uint32_t preferred_s, uint32_t valid_s)
{
	bool addr = it->plen == 128;

	wbuf_be16(w, addr ? DHCP6_OPT_IAADDR : DHCP6_OPT_IAPREFIX);
	wbuf_be16(w, addr ? IAADDR_LEN : IAPREFIX_LEN);
	if (addr)
		wbuf_copy(w, it->ip.b, 16);
	wbuf_be32(w, preferred_s);
	wbuf_be32(w, valid_s);
	if (addr)
		return;
	wbuf_u8(w, it->plen);
	wbuf_copy(w, it->ip.b, 16);
}

void dhcp6_wrap(struct wbuf *w, const struct dhcp6_msg *m, struct dhcp6_wrap *x)
{
	x->n = m->nrelays;
	for (unsigned int i = 0; i < m->nrelays; i++) {
		const struct dhcp6_relay *r = &m->relay[i];

		wbuf_u8(w, DHCP6_RELAY_REPL);
		wbuf_u8(w, r->hops);
		wbuf_copy(w, r->link.b, 16);
		wbuf_copy(w, r->peer.b, 16);
		if (r->interface)
			dhcp6_put(w, DHCP6_OPT_INTERFACE, r->interface,
				  r->interface_len);
		x->at[i] = dhcp6_begin(w, DHCP6_OPT_RELAY_MSG);
	}
}

void dhcp6_unwrap(struct wbuf *w, const struct dhcp6_wrap *x)
{
	for (unsigned int i = x->n; i--;)
		dhcp6_end(w, x->at[i]);
}
