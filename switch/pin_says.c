// SPDX-License-Identifier: GPL-2.0-or-later
/* What a frame says about its sender. See pin.h. */
#include "switch/pin.h"

#include <netinet/in.h>

#define ETH_P_RARP 0x8035

#define ARP_REQUEST  1
#define RARP_REQUEST 3

#define DHCP_SERVER 67
#define DHCP_CHADDR 28 /* RFC 2131 2 */

#define IP6_HDR	    40
#define ND_ROUTERS  133 /* solicitation (RFC 4861 4.1) */
#define ROUTER_ADVERT 134 /* rogue.c's */
#define ND_SOLICIT  135
#define ND_ADVERT   136
#define ND_REDIRECT 137
#define ND_SOURCE_LL 1
#define ND_TARGET_LL 2

static bool is_cut(const struct frame *f)
{
	return frame_hdr_len(f) < f->len;
}

static void say_mac(struct pin_says *s, const uint8_t *p)
{
	if (s->nmac == PIN_SAYS_MACS) {
		s->hidden = true;
		return;
	}
	memcpy(s->mac[s->nmac++].b, p, 6);
}

/* At most two are said: a source, and a target. */
static void say_ip(struct pin_says *s, const struct ipaddr *ip)
{
	if (s->nip < PIN_SAYS_IPS)
		s->ip[s->nip++] = *ip;
}

/* RFC 826, RFC 903. */
static void arp(struct cur *c, bool rarp, struct pin_says *s)
{
	uint16_t hw = cur_be16(c), proto = cur_be16(c), lens = cur_be16(c);
	bool known = hw == 1 && proto == ETH_P_IP4 && lens == 0x0604;
	uint16_t op = cur_be16(c);
	const uint8_t *sha = cur_bytes(c, 6);
	uint32_t spa = cur_be32(c);
	struct ipaddr ip = ipaddr_from4(spa);

	cur_skip(c, 10);
	s->claim = true;
	s->other |= !known || !cur_ok(c) || (rarp && op != RARP_REQUEST) ||
		    (!spa && !rarp && op != ARP_REQUEST);
	if (!cur_ok(c))
		return;
	say_mac(s, sha);
	if (spa)
		say_ip(s, &ip);
}

/* A request in a datagram to a server. @at: behind UDP's header. */
static void dhcp(const struct frame *f, size_t at, struct pin_says *s)
{
	const uint8_t *p = frame_hdr(f) + at;
	size_t len = frame_hdr_len(f);

	if (len < at + DHCP_CHADDR + 6) {
		s->hidden = is_cut(f);
		return;
	}
	if (p[0] != 1) /* of a server, to a relay */
		return;
	s->dhcp = true;
	s->hidden = p[1] != 1 || p[2] != 6;
	say_mac(s, p + DHCP_CHADDR);
}

static void udp4(const struct frame *f, const struct hdrs *h,
		 struct pin_says *s)
{
	const uint8_t *p = frame_hdr(f);

	if (h->later)
		return;
	if (frame_hdr_len(f) < h->l4 + 4u) {
		s->hidden = h->frag || is_cut(f);
		return;
	}
	if (get_be16(p + h->l4 + 2) != DHCP_SERVER)
		return;
	if (h->frag)
		s->hidden = true;
	else
		dhcp(f, h->l4 + 8u, s);
}

static bool to_dhcp(const struct frame *f, const struct hdrs *h)
{
	return h->proto == IPPROTO_UDP && !h->frag &&
	       frame_hdr_len(f) >= h->l4 + 4u &&
	       get_be16(frame_hdr(f) + h->l4 + 2) == DHCP_SERVER;
}

static void ip4(const struct frame *f, struct hdrs *h, struct pin_says *s)
{
	const uint8_t *p = frame_hdr(f);
	struct ipaddr ip;
	uint32_t src;

	if (frame_hdr_len(f) < h->l3 + 20u) {
		s->other = true;
		s->hidden = is_cut(f);
		return;
	}
	src = get_be32(p + h->l3 + 12);
	ip = ipaddr_from4(src);
	if (src)
		say_ip(s, &ip);
	if (!hdrs_l3(p, frame_hdr_len(f), h)) {
		s->other = true;
		s->hidden = is_cut(f);
		return;
	}
	if (h->proto == IPPROTO_UDP)
		udp4(f, h, s);
	if (!src && h->proto != IPPROTO_IGMP && !to_dhcp(f, h))
		s->other = true;
}

/* Link-layer addresses in the options from @at on (RFC 4861 4.6). */
static void nd_options(const struct frame *f, const struct hdrs *h, size_t at,
		       struct pin_says *s)
{
	size_t end = h->end < f->len ? h->end : f->len;
	struct cur c;

	if (at > end || end > frame_hdr_len(f)) {
		/* Cut short by the packet itself nobody believes it; else it lies
		 * where we do not look. */
		s->hidden = end > frame_hdr_len(f);
		return;
	}
	c = cur_make(frame_hdr(f) + at, end - at);
	while (c.left >= 8) {
		uint8_t type = cur_u8(&c);
		size_t len = (size_t)cur_u8(&c) * 8;
		const uint8_t *body = len ? cur_bytes(&c, len - 2) : NULL;

		if (!body) {
			s->hidden = true;
			return;
		}
		if (type == ND_SOURCE_LL || type == ND_TARGET_LL)
			say_mac(s, body);
	}
}

/* @unspecified: the source says nothing (::), the target does. */
static void nd(const struct frame *f, const struct hdrs *h, bool unspecified,
	       struct pin_says *s)
{
	const uint8_t *p = frame_hdr(f) + h->l4;
	uint8_t type = p[0];
	struct ipaddr ip;

	if (h->frag) {
		s->hidden = true;
		return;
	}
	s->claim = true;
	if (type == ND_ROUTERS) {
		nd_options(f, h, h->l4 + 8u, s);
		return;
	}
	s->other |= type == ND_REDIRECT;
	if (frame_hdr_len(f) < h->l4 + 24u) {
		s->hidden = true;
		return;
	}
	memcpy(ip.b, p + 8, 16);
	s->dad = type == ND_SOLICIT && unspecified;
	if (type == ND_ADVERT || s->dad)
		say_ip(s, &ip);
	nd_options(f, h, h->l4 + (type == ND_REDIRECT ? 40u : 24u), s);
}

static void icmp6(const struct frame *f, const struct hdrs *h, bool unspecified,
		  struct pin_says *s)
{
	uint8_t type;

	if (h->later)
		return;
	if (frame_hdr_len(f) <= h->l4) {
		s->hidden = h->frag || is_cut(f);
		return;
	}
	type = frame_hdr(f)[h->l4];
	if (type >= ND_ROUTERS && type <= ND_REDIRECT && type != ROUTER_ADVERT)
		nd(f, h, unspecified, s);
}

static void ip6(const struct frame *f, struct hdrs *h, struct pin_says *s)
{
	const uint8_t *p = frame_hdr(f);
	struct ipaddr src;
	bool unspecified;

	if (frame_hdr_len(f) < h->l3 + (size_t)IP6_HDR || p[h->l3] >> 4 != 6) {
		s->other = true;
		return;
	}
	memcpy(src.b, p + h->l3 + 8, 16);
	unspecified = ipaddr_is_zero(&src);
	/* RFC 4862 5.4.2: who has no address yet speaks to groups of the link. */
	s->other |= ipaddr_is4(&src) || ipaddr_is_multicast(&src) ||
		    (unspecified &&
		     (p[h->l3 + 24] != 0xff || p[h->l3 + 25] != 0x02));
	if (!unspecified)
		say_ip(s, &src);
	if (!hdrs_l3(p, frame_hdr_len(f), h))
		s->hidden = p[h->l3 + 6] != IPPROTO_TCP &&
			    p[h->l3 + 6] != IPPROTO_UDP;
	else if (h->proto == IPPROTO_ICMPV6)
		icmp6(f, h, unspecified, s);
}

void pin_says(const struct frame *f, const struct hdrs *l2, struct pin_says *s)
{
	struct hdrs h = *l2;
	struct cur c;

	*s = (struct pin_says){0};
	if (h.type <= ETH_LEN_MAX || hdrs_is_tag(h.type)) {
		s->other = true;
		if (!hdrs_deep(frame_hdr(f), frame_hdr_len(f), &h)) {
			s->hidden = is_cut(f);
			return;
		}
	}
	c = cur_make(frame_hdr(f), frame_hdr_len(f));
	cur_skip(&c, h.l3);
	if (h.type == ETH_P_ARP4 || h.type == ETH_P_RARP)
		arp(&c, h.type == ETH_P_RARP, s);
	else if (h.type == ETH_P_IP4)
		ip4(f, &h, s);
	else if (h.type == ETH_P_IP6)
		ip6(f, &h, s);
	else
		s->other = true;
}
