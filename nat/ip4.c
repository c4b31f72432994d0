// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv4 headers. See ip4.h. */
#include "nat/ip4.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"

#define IP4_DF	 0x4000
#define IP4_MF	 0x2000
#define IP4_FRAG 0x1fff

int ip4_decode(struct ip4 *h, const uint8_t *p, size_t avail, size_t room)
{
	struct cur c = cur_make(p, avail);
	uint8_t vhl = cur_u8(&c);
	size_t hlen = (size_t)(vhl & 15) * 4;
	struct ip4 r = {0};
	uint16_t fl;

	if (vhl >> 4 != 4 || hlen < IP4_HDR || hlen > avail)
		return -EBADMSG;
	r.hlen = (uint8_t)hlen;
	r.tos = cur_u8(&c);
	r.len = cur_be16(&c);
	r.id = cur_be16(&c);
	fl = cur_be16(&c);
	r.ttl = cur_u8(&c);
	r.proto = cur_u8(&c);
	cur_skip(&c, 2);
	r.src = cur_be32(&c);
	r.dst = cur_be32(&c);
	if (!cur_ok(&c) || r.len < hlen || r.len > room)
		return -EBADMSG;
	if (csum_finish(csum_add(0, p, hlen)))
		return -EBADMSG;
	r.df = fl & IP4_DF;
	r.mf = fl & IP4_MF;
	r.frag = (uint16_t)((fl & IP4_FRAG) * 8);
	if (r.frag + (uint32_t)r.len > 65535)
		return -EBADMSG;
	*h = r;
	return 0;
}

void ip4_build(uint8_t p[IP4_HDR], const struct ip4 *h)
{
	struct wbuf w = wbuf_make(p, IP4_HDR);

	wbuf_u8(&w, 0x45);
	wbuf_u8(&w, h->tos);
	wbuf_be16(&w, h->len);
	wbuf_be16(&w, h->id);
	wbuf_be16(&w, (uint16_t)((h->df ? IP4_DF : 0) | (h->mf ? IP4_MF : 0) |
				 h->frag / 8));
	wbuf_u8(&w, h->ttl);
	wbuf_u8(&w, h->proto);
	wbuf_be16(&w, 0);
	wbuf_be32(&w, h->src);
	wbuf_be32(&w, h->dst);
	put_be16(p + 10, csum_finish(csum_add(0, p, IP4_HDR)));
}

bool ip4_is_martian(uint32_t ip)
{
	return ip >> 24 == 0 || ip >> 24 == 127 || ip >> 28 == 15;
}

uint32_t ip4_net_broadcast(const struct ip4_net *n)
{
	return n->plen > 30 ? 0 : n->addr | ~ip4_mask(n->plen);
}
