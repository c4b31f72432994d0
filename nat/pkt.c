// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets of either family. See pkt.h. */
#include "nat/pkt.h"

#include <errno.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/iov.h"

int pkt_decode4(struct ip_hdr *h, const uint8_t *p, size_t avail, size_t room)
{
	struct ip4 v4;
	int err = ip4_decode(&v4, p, avail, room);

	if (err)
		return err;
	*h = (struct ip_hdr){
		.src = ipaddr_from4(v4.src), .dst = ipaddr_from4(v4.dst),
		.id = v4.id, .frag = v4.frag, .hlen = v4.hlen,
		.len = (uint16_t)(v4.len - v4.hlen), .tos = v4.tos,
		.ttl = v4.ttl, .proto = v4.proto, .df = v4.df, .mf = v4.mf,
	};
	return 0;
}

int pkt_decode6(struct ip_hdr *h, struct ip6_chain *c, const uint8_t *p,
		size_t avail, size_t room)
{
	struct ip6 v6;
	size_t all;
	int err = ip6_decode(&v6, p, avail, room);

	if (err)
		return err;
	*c = (struct ip6_chain){
		.next = v6.next, .next_at = 6, .at = IP6_HDR,
		.group = ipaddr_is_multicast(&v6.dst),
	};
	all = IP6_HDR + (size_t)v6.len;
	err = ip6_walk(c, p, avail < all ? avail : all);
	*h = (struct ip_hdr){
		.src = v6.src, .dst = v6.dst, .id = c->id, .frag = c->frag,
		.hlen = c->at, .len = (uint16_t)(all - c->at),
		.tos = v6.tclass, .ttl = v6.hop_limit, .proto = c->next,
		.next_at = c->next_at, .df = !c->fragment, .mf = c->mf,
	};
	return err;
}

int pkt_exts(struct pkt *k, struct ip6_chain *c)
{
	uint8_t b[IP6_HDRS_MAX];
	size_t n = iov_copy(k->l4, k->nl4, 0, b, sizeof(b));
	struct ip_hdr *h = &k->ip;
	int err;

	/* A fragment header within fragments is none of ours. */
	*c = (struct ip6_chain){.next = h->proto, .fragment = true,
				.group = k->group};
	err = ip6_walk(c, b, n);
	if (!err && c->at) {
		const uint8_t *l4 = k->l4[0].iov_base;

		h->proto = c->next;
		h->len = (uint16_t)(h->len - c->at);
		pkt_flat(k, l4 + c->at, h->len);
	}
	c->ptr = (uint16_t)(c->ptr + IP6_HDR);
	return err;
}

static void pkt_head(struct pkt *k)
{
	k->head_len = iov_copy(k->l4, k->nl4, 0, k->head, sizeof(k->head));
}

void pkt_l4(struct pkt *k, const struct frame *f, size_t l3)
{
	k->frame = f;
	k->l4_len = k->ip.len;
	k->nl4 = iov_slice(f->seg, f->nseg, l3 + k->ip.hlen, k->l4_len, k->l4);
	pkt_head(k);
}

void pkt_flat(struct pkt *k, const uint8_t *l4, size_t len)
{
	k->frame = NULL;
	k->l4[0].iov_base = (void *)l4;
	k->l4[0].iov_len = len;
	k->nl4 = 1;
	k->l4_len = len;
	pkt_head(k);
}

uint64_t pkt_pseudo(const struct ipaddr *src, const struct ipaddr *dst,
		    uint8_t proto, size_t len)
{
	if (ipaddr_is4(src))
		return csum_pseudo4(ipaddr_get4(src), ipaddr_get4(dst), proto,
				    (uint32_t)len);
	return csum_pseudo6(src, dst, proto, (uint32_t)len);
}

bool pkt_csum_ok(const struct pkt *k, size_t at)
{
	uint64_t pseudo;

	if (k->off.needs_csum || k->off.csum_valid)
		return true;
	if (at + 2 > k->head_len)
		return false;
	pseudo = pkt_pseudo(&k->ip.src, &k->ip.dst, k->ip.proto, k->l4_len);
	return !csum_finish(iov_csum(pseudo, k->l4, k->nl4)) ||
	       get_be16(k->head + at) == csum_fold(pseudo);
}
