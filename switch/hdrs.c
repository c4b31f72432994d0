// SPDX-License-Identifier: GPL-2.0-or-later
/* Header positions. See hdrs.h. */
#include "switch/hdrs.h"

#include <netinet/in.h>

#include "lib/bytes.h"
#include "lib/inet.h"

#define LLC_SNAP_LEN 8

bool hdrs_l2_any(const uint8_t *p, size_t len, struct hdrs *h)
{
	struct cur c = cur_make(p, len);

	*h = (struct hdrs){0};
	cur_skip(&c, 12);
	h->type = cur_be16(&c);
	h->l3 = ETH_HDR_LEN;
	for (int i = 0; i < HDRS_TAGS && hdrs_is_tag(h->type); i++) {
		uint16_t vid = cur_be16(&c) & 0xfff;

		if (i == 0)
			h->vid = vid;
		h->type = cur_be16(&c);
		h->l3 = (uint16_t)(h->l3 + ETH_VLAN_LEN);
	}
	return cur_ok(&c);
}

bool hdrs_deep(const uint8_t *p, size_t len, struct hdrs *h)
{
	struct cur c = cur_make(p, len);

	cur_skip(&c, ETH_HDR_LEN - 2);
	h->type = cur_be16(&c);
	h->l3 = ETH_HDR_LEN;
	for (;;) {
		if (hdrs_is_tag(h->type)) {
			cur_skip(&c, 2);
			h->l3 = (uint16_t)(h->l3 + ETH_VLAN_LEN);
		} else if (h->type <= ETH_LEN_MAX) {
			bool snap = cur_be16(&c) == 0xaaaa && cur_u8(&c) == 3;

			if (!snap)
				return cur_ok(&c);
			cur_skip(&c, 3);
			h->l3 = (uint16_t)(h->l3 + LLC_SNAP_LEN);
		} else {
			return cur_ok(&c);
		}
		h->type = cur_be16(&c);
	}
}

/* RFC 791 3.1 */
static bool ip4(struct cur *c, struct hdrs *h)
{
	uint8_t vihl = cur_u8(c);
	size_t ihl = (size_t)(vihl & 15) * 4;
	uint16_t total, frag;

	cur_skip(c, 1);
	total = cur_be16(c);
	cur_skip(c, 2);
	frag = cur_be16(c);
	cur_skip(c, 1);
	h->proto = cur_u8(c);
	cur_skip(c, 10);
	if (!cur_ok(c) || vihl >> 4 != 4 || ihl < 20 || total < ihl)
		return false;
	cur_skip(c, ihl - 20);
	h->ip = 4;
	h->frag = (frag & 0x3fff) != 0; /* MF or an offset */
	h->later = (frag & 0x1fff) != 0;
	h->l4 = (uint16_t)(h->l3 + ihl);
	h->end = (uint32_t)h->l3 + total;
	return cur_ok(c);
}

/* RFC 8200 4: every header that may stand between IPv6 and the transport. */
static bool ip6_ext(struct cur *c, struct hdrs *h)
{
	for (int i = 0; i < HDRS_EXTS; i++) {
		uint8_t next;
		size_t len;

		switch (h->proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			next = cur_u8(c);
			len = ((size_t)cur_u8(c) + 1) * 8;
			cur_skip(c, len - 2);
			break;
		case IPPROTO_FRAGMENT:
			next = cur_u8(c);
			cur_skip(c, 1);
			/* An atomic fragment (RFC 6946) counts as one, too. */
			h->frag = true;
			if (cur_be16(c) & 0xfff8) {
				h->later = true;
				cur_skip(c, 4);
				h->l4 = (uint16_t)(h->l4 + 8);
				h->proto = next;
				return cur_ok(c);
			}
			cur_skip(c, 4);
			len = 8;
			break;
		default:
			return true;
		}
		if (!cur_ok(c))
			return false;
		h->l4 = (uint16_t)(h->l4 + len);
		h->proto = next;
	}
	return false;
}

/* RFC 8200 3 */
static bool ip6(struct cur *c, struct hdrs *h)
{
	uint8_t version = cur_u8(c) >> 4;
	uint16_t payload;

	cur_skip(c, 3);
	payload = cur_be16(c);
	h->proto = cur_u8(c);
	cur_skip(c, 33);
	if (!cur_ok(c) || version != 6)
		return false;
	h->ip = 6;
	h->l4 = (uint16_t)(h->l3 + 40);
	h->end = (uint32_t)h->l4 + payload;
	return ip6_ext(c, h) && h->l4 <= h->end;
}

bool hdrs_l3(const uint8_t *p, size_t len, struct hdrs *h)
{
	struct cur c = cur_make(p, len);

	cur_skip(&c, h->l3);
	if (h->type == ETH_P_IP4)
		return ip4(&c, h);
	if (h->type == ETH_P_IP6)
		return ip6(&c, h);
	return false;
}
