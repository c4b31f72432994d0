// SPDX-License-Identifier: GPL-2.0-or-later
/* See rogue.h. */
#include "switch/rogue.h"

#include <netinet/in.h>

#include "lib/inet.h"

#define IP6_HDR 40u

const char *rogue_name(enum rogue_kind k)
{
	return k == ROGUE_DHCP4 ? "dhcp" : k == ROGUE_RA ? "ra" : "dhcp6";
}

/* Is there more of the frame than we see, so that receivers find what we do not? */
static bool is_cut(const struct frame *f)
{
	return frame_hdr_len(f) < f->len;
}

static unsigned int rogue4(const struct frame *f, size_t at)
{
	const uint8_t *p = frame_hdr(f) + at;
	size_t len = frame_hdr_len(f) - at, ihl = (size_t)(p[0] & 15) * 4;

	/* An offset: no first fragment. */
	if (p[9] != IPPROTO_UDP || get_be16(p + 6) & 0x1fff || ihl < 20)
		return 0;
	if (len < ihl + 4)
		return is_cut(f) ? ROGUE_DHCP4 : 0;
	return get_be16(p + ihl + 2) == ROGUE_DHCP4_PORT ? ROGUE_DHCP4 : 0;
}

/* Advertisements count from link-local addresses only (RFC 4861 6.1.2). */
static unsigned int may_be6(const uint8_t *p, size_t len)
{
	bool local = len >= 10 && p[8] == 0xfe && (p[9] & 0xc0) == 0x80;

	return local ? ROGUE_RA | ROGUE_DHCP6 : ROGUE_DHCP6;
}

static unsigned int rogue6(const struct frame *f, struct hdrs *h)
{
	const uint8_t *p = frame_hdr(f);
	size_t len = frame_hdr_len(f);

	if (p[h->l3] >> 4 != 6)
		return 0;
	/* All there is, and no whole header: nobody takes it for a message. */
	if (len < h->l3 + IP6_HDR && !is_cut(f))
		return 0;
	if (!hdrs_l3(p, len, h))
		return may_be6(p + h->l3, len - h->l3);
	if (h->later || (h->proto != IPPROTO_ICMPV6 && h->proto != IPPROTO_UDP))
		return 0;
	if (len < h->l4 + 4u)
		/* Its fragments would tell. */
		return h->frag || is_cut(f)
			       ? may_be6(p + h->l3, len - h->l3)
			       : 0;
	if (h->proto == IPPROTO_ICMPV6)
		return p[h->l4] == ROGUE_ADVERT ? ROGUE_RA : 0;
	return get_be16(p + h->l4 + 2) == ROGUE_DHCP6_PORT ? ROGUE_DHCP6 : 0;
}

unsigned int rogue_kind(const struct frame *f, const struct hdrs *l2)
{
	struct hdrs h = *l2;
	bool found;

	if (h.vid)
		return 0;
	found = hdrs_deep(frame_hdr(f), frame_hdr_len(f), &h);
	if (found && h.type != ETH_P_IP4 && h.type != ETH_P_IP6)
		return 0;
	if (!found || frame_hdr_len(f) < h.l3 + 24u)
		return is_cut(f) ? ROGUE_ALL : 0;
	return h.type == ETH_P_IP4 ? rogue4(f, h.l3) : rogue6(f, &h);
}
