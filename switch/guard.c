// SPDX-License-Identifier: GPL-2.0-or-later
/* Source pinning. See guard.h. */
#include "switch/guard.h"

#include "lib/bytes.h"

/* RFC 826 */
static bool arp_ok(struct cur *c, uint32_t ip4)
{
	uint16_t op;
	uint32_t sender;

	if (cur_be16(c) != 1 || cur_be16(c) != ETH_P_IP4 || cur_u8(c) != 6 ||
	    cur_u8(c) != 4)
		return false;
	op = cur_be16(c);
	cur_skip(c, 6);
	sender = cur_be32(c);
	return cur_ok(c) && (sender == ip4 || (sender == 0 && op == 1));
}

static bool ip4_ok(struct cur *c, uint32_t ip4)
{
	uint8_t version = cur_u8(c) >> 4;
	uint32_t src;

	cur_skip(c, 11);
	src = cur_be32(c);
	return cur_ok(c) && version == 4 && src == ip4;
}

/* RFC 4862 5.4.2: what has no address yet speaks to groups of the link. */
static bool ip6_ok(struct cur *c, const struct ipaddr *own)
{
	uint8_t version = cur_u8(c) >> 4;
	struct ipaddr src = ipaddr_any, dst = ipaddr_any;

	cur_skip(c, 7);
	cur_copy(c, src.b, 16);
	cur_copy(c, dst.b, 16);
	if (!cur_ok(c) || version != 6)
		return false;
	if (ipaddr_is_zero(&src))
		return dst.b[0] == 0xff && dst.b[1] == 0x02;
	return (ipaddr_is_linklocal(&src) && !ipaddr_is4(&src)) ||
	       ipaddr_eq(&src, own);
}

bool guard_src(const struct frame *f, const struct hdrs *h, uint32_t ip4,
	       const struct ipaddr *ip6)
{
	struct cur c = cur_make(frame_hdr(f), frame_hdr_len(f));

	cur_skip(&c, h->l3);
	switch (h->type) {
	case ETH_P_ARP4:
		return arp_ok(&c, ip4);
	case ETH_P_IP4:
		return ip4_ok(&c, ip4);
	case ETH_P_IP6:
		return ip6_ok(&c, ip6);
	default:
		return false;
	}
}

bool guard_dst(const struct frame *f, const struct ipaddr *ip6)
{
	struct cur c = cur_make(frame_hdr(f), frame_hdr_len(f));
	struct ipaddr dst = ipaddr_any;
	struct hdrs h;

	if (!hdrs_l2(frame_hdr(f), frame_hdr_len(f), &h))
		return false;
	if (h.type != ETH_P_IP6)
		return true;
	cur_skip(&c, h.l3 + 24u);
	cur_copy(&c, dst.b, 16);
	return cur_ok(&c) &&
	       (ipaddr_is_multicast(&dst) || ipaddr_eq(&dst, ip6) ||
		(ipaddr_is_linklocal(&dst) && !ipaddr_is4(&dst)));
}
