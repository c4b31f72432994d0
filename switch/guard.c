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

static bool ip6_ok(struct cur *c)
{
	static const uint8_t any[16];
	uint8_t version = cur_u8(c) >> 4;
	const uint8_t *src, *dst;

	cur_skip(c, 7);
	src = cur_bytes(c, 16);
	dst = cur_bytes(c, 16);
	if (!cur_ok(c) || version != 6)
		return false;
	if (src[0] == 0xfe && (src[1] & 0xc0) == 0x80)
		return true;
	return memcmp(src, any, 16) == 0 && dst[0] == 0xff && dst[1] == 0x02;
}

bool guard_src_ip4(const struct frame *f, const struct hdrs *h, uint32_t ip4)
{
	struct cur c = cur_make(frame_hdr(f), frame_hdr_len(f));

	cur_skip(&c, h->l3);
	switch (h->type) {
	case ETH_P_ARP4:
		return arp_ok(&c, ip4);
	case ETH_P_IP4:
		return ip4_ok(&c, ip4);
	case ETH_P_IP6:
		return ip6_ok(&c);
	default:
		return false;
	}
}
