// SPDX-License-Identifier: GPL-2.0-or-later
/* See sender.h. */
#include "switch/sender.h"

#include "lib/bytes.h"

#define IP6_HDR	    40
#define IP6_ICMP    58 /* next header (RFC 4443 1) */
#define ND_SOLICIT  135
#define ND_ADVERT   136
#define ND_HOPS	    255 /* it has crossed no router (RFC 4861 7.1) */

static enum sender_kind arp(struct cur *c, struct ipaddr *ip)
{
	bool ok = cur_be16(c) == 1 && cur_be16(c) == ETH_P_IP4 &&
		  cur_be16(c) == 0x0604;

	cur_skip(c, 8);
	*ip = ipaddr_from4(cur_be32(c));
	return ok && cur_ok(c) ? SENDER_CLAIM : SENDER_NONE;
}

static enum sender_kind ip4(struct cur *c, struct ipaddr *ip)
{
	cur_skip(c, 12);
	*ip = ipaddr_from4(cur_be32(c));
	return cur_ok(c) ? SENDER_DATA : SENDER_NONE;
}

bool sender_is_nd(const struct frame *f, const struct hdrs *h)
{
	const uint8_t *p = frame_hdr(f) + h->l3;

	return h->type == ETH_P_IP6 &&
	       frame_hdr_len(f) >= h->l3 + IP6_HDR + 24u &&
	       p[0] >> 4 == 6 && p[6] == IP6_ICMP && p[7] == ND_HOPS &&
	       (p[IP6_HDR] == ND_SOLICIT || p[IP6_HDR] == ND_ADVERT) &&
	       !p[IP6_HDR + 1];
}

static enum sender_kind ip6(const struct frame *f, const struct hdrs *h,
			    struct cur *c, struct ipaddr *ip)
{
	bool nd = sender_is_nd(f, h);
	uint8_t type;

	cur_skip(c, 8);
	cur_copy(c, ip->b, 16);
	if (!cur_ok(c))
		return SENDER_NONE;
	if (!nd)
		return SENDER_DATA;
	cur_skip(c, 16);
	type = cur_u8(c);
	if (type == ND_ADVERT || ipaddr_is_zero(ip)) {
		cur_skip(c, 7);
		cur_copy(c, ip->b, 16);
	}
	return SENDER_CLAIM;
}

static bool can_be(const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return ipaddr_get4(ip) >> 24 && ipaddr_get4(ip) >> 28 < 0xe &&
		       !ipaddr_is_loopback(ip);
	return !ipaddr_is_zero(ip) && !ipaddr_is_multicast(ip) &&
	       !ipaddr_is_loopback(ip) && !ipaddr_is_linklocal(ip);
}

enum sender_kind sender_ip(const struct frame *f, const struct hdrs *h,
			   struct ipaddr *ip)
{
	struct cur c = cur_make(frame_hdr(f), frame_hdr_len(f));
	enum sender_kind k = SENDER_NONE;

	cur_skip(&c, h->l3);
	if (h->type == ETH_P_ARP4)
		k = arp(&c, ip);
	else if (h->type == ETH_P_IP4)
		k = ip4(&c, ip);
	else if (h->type == ETH_P_IP6) {
		k = ip6(f, h, &c, ip);
		if (ipaddr_is4(ip)) /* mapped: on no wire (RFC 4291 2.5.5.2) */
			k = SENDER_NONE;
	}
	return k && can_be(ip) ? k : SENDER_NONE;
}
