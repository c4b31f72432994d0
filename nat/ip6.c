// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv6 headers. See ip6.h. */
#include "nat/ip6.h"

#include <errno.h>

#include "lib/bytes.h"

#define OPT_PAD1 0

int ip6_decode(struct ip6 *h, const uint8_t *p, size_t avail, size_t room)
{
	struct cur c = cur_make(p, avail);
	uint32_t first = cur_be32(&c);
	struct ip6 r = {0};

	r.len = cur_be16(&c);
	r.next = cur_u8(&c);
	r.hop_limit = cur_u8(&c);
	cur_copy(&c, r.src.b, 16);
	cur_copy(&c, r.dst.b, 16);
	if (!cur_ok(&c) || first >> 28 != 6 || r.len > room - IP6_HDR)
		return -EBADMSG;
	r.tclass = (uint8_t)(first >> 20);
	r.flow = first & 0xfffff;
	if (ipaddr_is4(&r.src) || ipaddr_is4(&r.dst) ||
	    ipaddr_is_multicast(&r.src) || ipaddr_is_loopback(&r.src) ||
	    ipaddr_is_loopback(&r.dst) || ipaddr_is_zero(&r.dst))
		return -EBADMSG;
	*h = r;
	return 0;
}

void ip6_build(uint8_t p[IP6_HDR], const struct ip6 *h)
{
	struct wbuf w = wbuf_make(p, IP6_HDR);

	wbuf_be32(&w, 6u << 28 | (uint32_t)h->tclass << 20 |
			      (h->flow & 0xfffff));
	wbuf_be16(&w, h->len);
	wbuf_u8(&w, h->next);
	wbuf_u8(&w, h->hop_limit);
	wbuf_copy(&w, h->src.b, 16);
	wbuf_copy(&w, h->dst.b, 16);
}

void ip6_build_frag(uint8_t p[IP6_FRAG_HDR], uint8_t next, uint16_t frag,
		    bool mf, uint32_t id)
{
	struct wbuf w = wbuf_make(p, IP6_FRAG_HDR);

	wbuf_u8(&w, next);
	wbuf_u8(&w, 0);
	wbuf_be16(&w, (uint16_t)((frag & 0xfff8) | mf));
	wbuf_be32(&w, id);
}

/* ---- extension headers --------------------------------------------------------- */

static int problem(struct ip6_chain *c, uint8_t code, size_t ptr)
{
	c->code = code;
	c->ptr = (uint16_t)ptr;
	return -EPROTO;
}

/* An option that we do not know: its two highest bits say what to do. */
static int unknown_option(struct ip6_chain *c, uint8_t type, size_t at)
{
	switch (type >> 6) {
	case 0:
		return 0;
	case 2:
		return problem(c, ICMP6_C_OPTION, at);
	case 3:
		return c->group ? -EBADMSG : problem(c, ICMP6_C_OPTION, at);
	default:
		return -EBADMSG;
	}
}

static int walk_options(struct ip6_chain *c, const uint8_t *p, size_t at,
			size_t end)
{
	while (at < end) {
		int err;

		if (p[at] == OPT_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || p[at + 1] > end - at - 2)
			return -EBADMSG;
		err = unknown_option(c, p[at], at);
		if (err)
			return err;
		at += 2u + p[at + 1];
	}
	return 0;
}

/* One header at c->at with at least 8 bytes of @len. */
static int walk_one(struct ip6_chain *c, const uint8_t *p, size_t len)
{
	size_t at = c->at, n = c->next == IP6_FRAGMENT
				       ? IP6_FRAG_HDR
				       : (p[at + 1] + (size_t)1) * 8;
	int err = 0;

	if (n > len - at)
		return -EBADMSG;
	if (c->next == IP6_FRAGMENT) {
		if (c->fragment)
			return -EBADMSG;
		c->fragment = true;
		c->frag = get_be16(p + at + 2) & 0xfff8;
		c->mf = p[at + 3] & 1;
		c->id = get_be32(p + at + 4);
	} else if (c->next == IP6_ROUTING) {
		if (p[at + 3])
			err = problem(c, ICMP6_C_FIELD, at + 2);
	} else {
		err = walk_options(c, p, at + 2, at + n);
	}
	c->next = p[at];
	c->next_at = (uint16_t)at;
	c->at = (uint16_t)(at + n);
	return err;
}

int ip6_walk(struct ip6_chain *c, const uint8_t *p, size_t len)
{
	for (int i = 0;; i++) {
		int err;

		if (c->next != IP6_HOPS && c->next != IP6_DEST &&
		    c->next != IP6_ROUTING && c->next != IP6_FRAGMENT)
			return 0;
		/* Hop-by-hop options come first (RFC 8200 4.1). */
		if (c->next == IP6_HOPS && c->at != IP6_HDR)
			return problem(c, ICMP6_C_NEXT, c->next_at);
		if (i == IP6_EXTS || len < c->at || len - c->at < 8)
			return -EBADMSG;
		err = walk_one(c, p, len);
		if (err)
			return err;
		/* Behind it is a piece of something, not a header. */
		if (c->mf || c->frag)
			return 0;
	}
}

bool ip6_is_martian(const struct ipaddr *ip)
{
	static const struct ip6_net low = {.plen = 96};
	static const struct ip6_net site = {{{0xfe, 0xc0}}, 10};

	return ipaddr_is4(ip) || ipaddr_in_net6(ip, &low) ||
	       ipaddr_is_multicast(ip) || ipaddr_is_linklocal(ip) ||
	       ipaddr_in_net6(ip, &site);
}
