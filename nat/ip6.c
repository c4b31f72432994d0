// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv6 headers. See ip6.h. */
#include "nat/ip6.h"

#include "lib/bytes.h"

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
