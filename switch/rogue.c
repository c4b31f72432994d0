// SPDX-License-Identifier: GPL-2.0-or-later
/* See rogue.h. */
#include "switch/rogue.h"

#include <netinet/in.h>

#include "lib/inet.h"

const char *rogue_name(enum rogue_kind k)
{
	return k == ROGUE_DHCP4 ? "dhcp" : k == ROGUE_RA ? "ra" : "dhcp6";
}

static unsigned int rogue4(const uint8_t *p, size_t len)
{
	size_t ihl = (size_t)(p[0] & 15) * 4;

	/* An offset: no first fragment. */
	if (p[9] != IPPROTO_UDP || get_be16(p + 6) & 0x1fff || ihl < 20 ||
	    len < ihl + 4)
		return 0;
	return get_be16(p + ihl + 2) == ROGUE_DHCP4_PORT ? ROGUE_DHCP4 : 0;
}

static bool from_linklocal(const uint8_t *p, size_t len)
{
	return len >= 10 && p[8] == 0xfe && (p[9] & 0xc0) == 0x80;
}

static unsigned int rogue6(const struct frame *f, const struct hdrs *l2)
{
	const uint8_t *p = frame_hdr(f);
	size_t len = frame_hdr_len(f);
	struct hdrs h = *l2;

	if (p[h.l3] >> 4 != 6)
		return 0;
	if (!hdrs_l3(p, len, &h))
		return from_linklocal(p + h.l3, len - h.l3) ? ROGUE_RA : 0;
	if (h.later || len < h.l4 + 4u)
		return 0;
	if (h.proto == IPPROTO_ICMPV6)
		return p[h.l4] == ROGUE_ADVERT ? ROGUE_RA : 0;
	return h.proto == IPPROTO_UDP &&
			       get_be16(p + h.l4 + 2) == ROGUE_DHCP6_PORT
		       ? ROGUE_DHCP6
		       : 0;
}

unsigned int rogue_kind(const struct frame *f, const struct hdrs *h)
{
	if (h->vid || frame_hdr_len(f) < h->l3 + 24u)
		return 0;
	if (h->type == ETH_P_IP4)
		return rogue4(frame_hdr(f) + h->l3, frame_hdr_len(f) - h->l3);
	return h->type == ETH_P_IP6 ? rogue6(f, h) : 0;
}
