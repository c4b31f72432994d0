/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that play the network's own servers: DHCP, DHCPv6 and router
 * advertisements. Functions of bytes; who may not is vswitch.c's matter.
 */
#ifndef VNET_SWITCH_ROGUE_H
#define VNET_SWITCH_ROGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bytes.h"
#include "switch/frame.h"
#include "switch/hdrs.h"

/* What a frame says to clients; bits, so that a set of them can be forbidden. */
enum rogue_kind {
	ROGUE_DHCP4 = 1 << 0, /* to UDP port 68 (RFC 2131 4.1) */
	ROGUE_RA = 1 << 1,    /* ICMPv6 134 (RFC 4861 4.2) */
	ROGUE_DHCP6 = 1 << 2, /* to UDP port 546 (RFC 8415 7.2) */
	ROGUE_ALL = 7,
};

/* "dhcp", "ra", "dhcp6". */
const char *rogue_name(enum rogue_kind k);

/**
 * rogue_kind() - Which server's message is it?
 * @h: from hdrs_l2()
 *
 * What counts is the clients' port, which nobody else speaks to: relays behind a
 * guest (67 to 67) are left alone. Frames of a VLAN are, too, there nobody of ours
 * serves. Headers in between do not help: as many priority tags and LLC/SNAP headers
 * as there are, IPv6 extension headers and the first fragment are looked through, and
 * what cannot be followed to its end is what it may be (RFC 7113 3, RFC 7610 4): more
 * than HDRS_EXTS extension headers, a first fragment without the whole chain, headers
 * that reach beyond frame_hdr(). Fragments but the first have no header to look at.
 *
 * Return: 0 or a set of enum rogue_kind; several: it can be any of them.
 */
unsigned int rogue_kind(const struct frame *f, const struct hdrs *h);

#define ROGUE_DHCP4_PORT 68
#define ROGUE_DHCP6_PORT 546
#define ROGUE_ADVERT	 134

/* Cheap, for every frame: false when rogue_kind() would say 0. */
static inline bool rogue_maybe(const struct frame *f, const struct hdrs *h)
{
	const uint8_t *p = frame_hdr(f) + h->l3;
	size_t len = frame_hdr_len(f), ihl;

	if (len < h->l3 + 24u)
		return false;
	len -= h->l3;
	if (h->type == ETH_P_IP4) {
		ihl = (p[0] & 15u) * 4;
		return p[9] == 17 && len >= ihl + 4 &&
		       get_be16(p + ihl + 2) == ROGUE_DHCP4_PORT;
	}
	if (h->type != ETH_P_IP6)
		return h->type < ETH_P_IP4 || hdrs_is_tag(h->type);
	if (p[6] == 6) /* TCP */
		return false;
	if (p[6] == 17 && len >= 44)
		return get_be16(p + 42) == ROGUE_DHCP6_PORT;
	return p[6] != 58 || (len >= 44 && p[40] == ROGUE_ADVERT);
}

#endif
