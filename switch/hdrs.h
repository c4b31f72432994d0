/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the headers of a frame lie: what forwarding, guard and offloads need to
 * know of Ethernet, VLAN tags, IP and its extension headers, found in one place.
 * Total functions of bytes: any input gives a result, nothing is logged.
 */
#ifndef VNET_SWITCH_HDRS_H
#define VNET_SWITCH_HDRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bytes.h"
#include "lib/inet.h"

#define HDRS_TAGS 2 /* VLAN tags looked through; a third stays opaque */
#define HDRS_EXTS 8 /* IPv6 extension headers looked through */

#define ETH_LEN_MAX  1535 /* a length up to here, else a type (IEEE 802.3 3.2.6) */
#define ETH_P_IP4    0x0800
#define ETH_P_ARP4   0x0806
#define ETH_P_TAG    0x8100 /* 802.1Q C-tag */
#define ETH_P_IP6    0x86dd
#define ETH_P_TAG_AD 0x88a8 /* 802.1Q S-tag (802.1ad) */

struct hdrs {
	uint16_t type; /* EtherType behind the tags */
	uint16_t vid;  /* VLAN id of the outer tag; 0 = untagged or priority tag */
	uint16_t l3;   /* offset of the network header */
	/* From here on set by hdrs_l3() only. */
	uint8_t ip;    /* 4 or 6 */
	uint8_t proto; /* protocol behind options and extension headers */
	bool frag;     /* one of several fragments … */
	bool later;    /* … and not the first: no header at @l4 */
	uint16_t l4;   /* offset of the header of @proto */
	uint32_t end;  /* offset behind the packet by IP's own length field */
};

static inline bool hdrs_is_tag(uint16_t type)
{
	return type == ETH_P_TAG || type == ETH_P_TAG_AD;
}

/* Private to the next one: any frame. */
bool hdrs_l2_any(const uint8_t *p, size_t len, struct hdrs *h);

/**
 * hdrs_l2() - Find the network header
 * @len: bytes at @p, the first of the frame
 *
 * Return: false when the Ethernet header or a tag is cut off.
 */
static inline bool hdrs_l2(const uint8_t *p, size_t len, struct hdrs *h)
{
	if (len < ETH_HDR_LEN || hdrs_is_tag(get_be16(p + 12)))
		return hdrs_l2_any(p, len, h);
	*h = (struct hdrs){.type = get_be16(p + 12), .l3 = ETH_HDR_LEN};
	return true;
}

/*
 * The network header behind VLAN tags and LLC/SNAP headers (RFC 1042), as many as there
 * are and in any order: some systems look through all of them. Sets @h's type and l3 anew
 * after hdrs_l2(). false: it does not lie in @len bytes.
 */
bool hdrs_deep(const uint8_t *p, size_t len, struct hdrs *h);

/**
 * hdrs_l3() - Go on to the transport header, after hdrs_l2()
 * @len: bytes at @p, which may be fewer than the frame has
 *
 * @h->end is a claim of the packet: compare it with the frame's length. Behind a
 * fragment other than the first there is no header at @h->l4.
 *
 * Return: false for other protocols than IP, malformed headers, more than
 * HDRS_EXTS extension headers, or when headers go beyond @len.
 */
bool hdrs_l3(const uint8_t *p, size_t len, struct hdrs *h);

#endif
