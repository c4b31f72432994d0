// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checksums and segmentation in software. See offload.h.
 *
 * Headers are copied out of the frame once and judged and changed in that copy;
 * payload is referred to where it lies and only read for its checksum. The
 * pseudo header's sum is taken from the checksum field, where the sender has put
 * it, and only its length is exchanged: so an IPv6 routing header, which makes the
 * pseudo header's destination another one, needs no care.
 */
#include "switch/offload.h"

#include <netinet/in.h>

#include "lib/bytes.h"
#include "lib/csum.h"

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

#define TCP_CSUM 16 /* offset of the checksum in the header */
#define UDP_CSUM 6

/* What a GSO frame's headers say. */
struct gso {
	struct hdrs h;
	size_t hdr_len; /* Ethernet to the end of TCP or UDP */
	size_t payload;
	size_t pieces;
};

uint32_t offload_caps(const struct offload *off)
{
	switch (off->gso_type) {
	case GSO_NONE:
		return off->needs_csum ? PORT_CAP_CSUM : 0;
	case GSO_TCP4:
		return PORT_CAP_CSUM | PORT_CAP_TSO4;
	case GSO_TCP6:
		return PORT_CAP_CSUM | PORT_CAP_TSO6;
	default:
		return PORT_CAP_CSUM | PORT_CAP_USO;
	}
}

/* The frame's headers in one piece: in place, or copied to @tmp. */
static const uint8_t *headers(const struct frame *f,
			      uint8_t tmp[OFFLOAD_HDR_MAX], size_t *len)
{
	if (frame_hdr_len(f) >= OFFLOAD_HDR_MAX || f->nseg == 1) {
		*len = min_sz(frame_hdr_len(f), OFFLOAD_HDR_MAX);
		return frame_hdr(f);
	}
	*len = frame_copy(f, 0, tmp, OFFLOAD_HDR_MAX);
	return tmp;
}

static bool csum_fits(const struct offload *off, size_t len)
{
	return off->csum_start >= ETH_HDR_LEN &&
	       (size_t)off->csum_start + off->csum_offset + 2 <= len;
}

static bool gso_proto(const struct offload *off, const struct hdrs *h)
{
	switch (off->gso_type) {
	case GSO_TCP4:
		return h->ip == 4 && h->proto == IPPROTO_TCP &&
		       off->csum_offset == TCP_CSUM;
	case GSO_TCP6:
		return h->ip == 6 && h->proto == IPPROTO_TCP &&
		       off->csum_offset == TCP_CSUM;
	case GSO_UDP_L4:
		return h->proto == IPPROTO_UDP && off->csum_offset == UDP_CSUM;
	default:
		return false;
	}
}

/* Length of the transport header at @p, 0 when it is cut off or malformed. */
static size_t l4_len(const uint8_t *p, size_t len, const struct hdrs *h)
{
	size_t n = 8;

	if (h->l4 > len)
		return 0;
	if (h->proto == IPPROTO_TCP) {
		if (len - h->l4 < 20)
			return 0;
		n = (size_t)(p[h->l4 + 12] >> 4) * 4;
		if (n < 20)
			return 0;
	}
	return n <= len - h->l4 ? n : 0;
}

static bool gso_parse(const uint8_t *p, size_t len, const struct frame *f,
		      struct gso *g)
{
	const struct offload *off = &f->off;
	size_t l4, max;

	if (!off->needs_csum || !off->gso_size || !hdrs_l2(p, len, &g->h) ||
	    !hdrs_l3(p, len, &g->h))
		return false;
	if (g->h.frag || g->h.end > f->len || !gso_proto(off, &g->h) ||
	    off->csum_start != g->h.l4)
		return false;
	l4 = l4_len(p, len, &g->h);
	g->hdr_len = g->h.l4 + l4;
	if (!l4 || g->hdr_len > g->h.end)
		return false;
	g->payload = g->h.end - g->hdr_len;
	g->pieces = (g->payload + off->gso_size - 1) / off->gso_size;
	max = off->gso_type == GSO_UDP_L4 ? OFFLOAD_UDP_SEGS_MAX
					  : OFFLOAD_SEGS_MAX;
	return g->pieces <= max;
}

bool offload_check(const struct frame *f, const struct hdrs *h, size_t mtu,
		   enum drop_reason *why)
{
	const struct offload *off = &f->off;
	uint8_t tmp[OFFLOAD_HDR_MAX];
	const uint8_t *p;
	struct gso g;
	size_t len, longest = f->len;

	*why = DROP_OFFLOAD;
	if (off->gso_type != GSO_NONE) {
		p = headers(f, tmp, &len);
		if (!gso_parse(p, len, f, &g))
			return false;
		longest = g.hdr_len + min_sz(off->gso_size, g.payload);
	} else if (off->needs_csum &&
		   !csum_fits(off, min_sz(f->len, OFFLOAD_HDR_MAX))) {
		return false;
	}
	*why = DROP_LONG;
	return longest <= mtu + h->l3;
}

/* Pseudo header sum of the packet in @p, of which @h->end is to be believed. */
static uint64_t pseudo(const uint8_t *p, const struct hdrs *h)
{
	const uint8_t *ip = p + h->l3;
	uint64_t sum = csum_add32(h->proto, h->end - h->l4);

	return h->ip == 4 ? csum_add(sum, ip + 12, 8)
			  : csum_add(sum, ip + 8, 32);
}

void offload_infer(struct frame *f, size_t mtu)
{
	uint8_t tmp[OFFLOAD_HDR_MAX];
	struct offload *off = &f->off;
	struct hdrs h;
	size_t len, l4, at;
	const uint8_t *p = headers(f, tmp, &len);

	*off = (struct offload){0};
	if (!hdrs_l2(p, len, &h) || !hdrs_l3(p, len, &h) || h.frag ||
	    h.end > f->len)
		return;
	if (h.proto != IPPROTO_TCP && h.proto != IPPROTO_UDP)
		return;
	l4 = l4_len(p, len, &h);
	at = h.proto == IPPROTO_TCP ? TCP_CSUM : UDP_CSUM;
	if (!l4 || h.l4 + l4 > h.end ||
	    get_be16(p + h.l4 + at) != csum_fold(pseudo(p, &h)))
		return;
	off->needs_csum = true;
	off->csum_start = h.l4;
	off->csum_offset = (uint16_t)at;
	if (f->len <= mtu + h.l3 || h.proto != IPPROTO_TCP ||
	    mtu <= h.l4 + l4 - h.l3)
		return;
	off->gso_type = h.ip == 4 ? GSO_TCP4 : GSO_TCP6;
	off->hdr_len = (uint16_t)(h.l4 + l4);
	off->gso_size = (uint16_t)(mtu - (off->hdr_len - (size_t)h.l3));
}

/* ---- segmenter ----------------------------------------------------------- */

static void pos_skip(const struct frame *f, struct frame_pos *pos, size_t n)
{
	while (pos->seg < f->nseg) {
		size_t here = f->seg[pos->seg].iov_len - pos->off;

		if (n < here) {
			pos->off += n;
			return;
		}
		n -= here;
		pos->seg++;
		pos->off = 0;
	}
}

/* Let @out go on with the next @n bytes of @f; false when its segments run out. */
static bool slice(const struct frame *f, struct frame_pos *pos, size_t n,
		  struct frame *out)
{
	while (n && pos->seg < f->nseg) {
		const struct iovec *v = &f->seg[pos->seg];
		size_t here = min_sz(v->iov_len - pos->off, n);

		if (here) {
			if (out->nseg == FRAME_SEGS)
				return false;
			out->seg[out->nseg].iov_base =
				(uint8_t *)v->iov_base + pos->off;
			out->seg[out->nseg++].iov_len = here;
		}
		pos_skip(f, pos, here);
		n -= here;
	}
	return n == 0;
}

/* Copy the next @n bytes of @f to @dst; they are there. */
static void copy_next(const struct frame *f, struct frame_pos *pos, uint8_t *dst,
		      size_t n)
{
	while (n && pos->seg < f->nseg) {
		const struct iovec *v = &f->seg[pos->seg];
		size_t here = min_sz(v->iov_len - pos->off, n);

		memcpy(dst, (const uint8_t *)v->iov_base + pos->off, here);
		pos_skip(f, pos, here);
		dst += here;
		n -= here;
	}
}

static bool init_csum(struct segmenter *s, size_t have)
{
	const struct offload *off = &s->f->off;

	if (!off->needs_csum || !csum_fits(off, have))
		return false;
	s->gso = GSO_NONE;
	s->csum_at = (uint16_t)(off->csum_start + off->csum_offset);
	s->hdr_len = have;
	s->left = s->f->len - have;
	s->size = s->left;
	s->pseudo_len = 0;
	return true;
}

static bool init_gso(struct segmenter *s, size_t have)
{
	struct gso g;

	if (!gso_parse(s->hdr, have, s->f, &g))
		return false;
	s->gso = s->f->off.gso_type;
	s->ip = g.h.ip;
	s->l3 = g.h.l3;
	s->l4 = g.h.l4;
	s->csum_at = (uint16_t)(g.h.l4 + s->f->off.csum_offset);
	s->hdr_len = g.hdr_len;
	s->left = g.payload;
	s->size = s->f->off.gso_size;
	s->pseudo_len = g.h.end - g.h.l4;
	return true;
}

bool segmenter_init(struct segmenter *s, const struct frame *f, uint32_t caps)
{
	size_t have = frame_copy(f, 0, s->hdr, OFFLOAD_HDR_MAX);

	s->f = f;
	s->index = 0;
	s->done = false;
	s->leave_csum = f->off.gso_type != GSO_NONE && caps & PORT_CAP_CSUM;
	s->csum_start = f->off.csum_start;
	if (f->off.gso_type == GSO_NONE ? !init_csum(s, have)
					: !init_gso(s, have))
		return false;
	s->pos = (struct frame_pos){0};
	pos_skip(f, &s->pos, s->hdr_len);
	s->pseudo = get_be16(s->hdr + s->csum_at);
	put_be16(s->hdr + s->csum_at, 0);
	return true;
}

static void fix_ip(const struct segmenter *s, uint8_t *b, size_t len)
{
	uint8_t *ip = b + s->l3;
	size_t ihl = (size_t)(s->l4 - s->l3);

	if (s->ip == 6) {
		put_be16(ip + 4, (uint16_t)(len - s->l3 - 40));
		return;
	}
	put_be16(ip + 2, (uint16_t)(len - s->l3));
	put_be16(ip + 4, (uint16_t)(get_be16(ip + 4) + s->index));
	put_be16(ip + 10, 0);
	put_be16(ip + 10, csum_finish(csum_add(0, ip, ihl)));
}

static void fix_l4(const struct segmenter *s, uint8_t *b, size_t len, bool last)
{
	uint8_t *l4 = b + s->l4;
	uint8_t clear = 0;

	if (s->gso == GSO_UDP_L4) {
		put_be16(l4 + 4, (uint16_t)(len - s->l4));
		return;
	}
	put_be32(l4 + 4, get_be32(l4 + 4) + s->index * (uint32_t)s->size);
	if (!last)
		clear |= TCP_FIN | TCP_PSH;
	if (s->index)
		clear |= TCP_CWR;
	l4[13] &= (uint8_t)~clear;
}

/* The pseudo header's part in the checksum of @out. */
static uint64_t pseudo_of(const struct segmenter *s, const struct frame *out)
{
	if (s->gso == GSO_NONE)
		return s->pseudo;
	/* exchange the length (RFC 1624 eqn. 3) */
	return s->pseudo + (uint16_t)~s->pseudo_len +
	       (uint64_t)(out->len - s->l4);
}

static void leave_checksum(const struct segmenter *s, struct frame *out,
			   uint8_t *field)
{
	put_be16(field, csum_fold(pseudo_of(s, out)));
	out->off.needs_csum = true;
	out->off.csum_start = s->l4;
	out->off.csum_offset = (uint16_t)(s->csum_at - s->l4);
}

/* The checksum of @out from csum_start on; its field is zero as yet. */
static uint16_t checksum(const struct segmenter *s, const struct frame *out)
{
	uint64_t sum = pseudo_of(s, out);
	size_t done = 0;

	for (unsigned int i = 0; i < out->nseg; i++) {
		const uint8_t *p = out->seg[i].iov_base;
		size_t n = out->seg[i].iov_len;

		if (i == 0) {
			p += s->csum_start;
			n -= s->csum_start;
		}
		sum = done & 1 ? csum_add_odd(sum, p, n) : csum_add(sum, p, n);
		done += n;
	}
	sum = csum_finish(sum);
	/* 0 says "no checksum" in UDP (RFC 768); elsewhere both are the same. */
	return sum ? (uint16_t)sum : 0xffff;
}

bool segmenter_next(struct segmenter *s, struct frame *out,
		    uint8_t buf[OFFLOAD_HDR_MAX])
{
	size_t n = min_sz(s->size, s->left), extra = 0;

	if (s->done)
		return false;
	/* Receivers decide on seg[0] alone: FRAME_HDR bytes must lie there. */
	if (s->hdr_len < FRAME_HDR)
		extra = min_sz(n, FRAME_HDR - s->hdr_len);
	memcpy(buf, s->hdr, s->hdr_len);
	copy_next(s->f, &s->pos, buf + s->hdr_len, extra);
	frame_init(out, buf, s->hdr_len + extra);
	s->left -= n;
	s->done = s->left == 0;
	if (!slice(s->f, &s->pos, n - extra, out)) {
		s->done = true;
		return false;
	}
	out->len = (uint32_t)(s->hdr_len + n);
	if (s->gso != GSO_NONE) {
		fix_ip(s, buf, out->len);
		fix_l4(s, buf, out->len, s->done);
	}
	if (s->leave_csum)
		leave_checksum(s, out, buf + s->csum_at);
	else
		put_be16(buf + s->csum_at, checksum(s, out));
	s->index++;
	return true;
}

/* ---- virtio_net_hdr ------------------------------------------------------ */

#define VNET_F_NEEDS_CSUM 1
#define VNET_F_DATA_VALID 2
#define VNET_GSO_ECN	  0x80

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

static void put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

bool vnet_hdr_decode(const uint8_t *h, struct offload *off)
{
	uint8_t type = h[1] & (uint8_t)~VNET_GSO_ECN;
	struct offload o = {0};

	o.needs_csum = h[0] & VNET_F_NEEDS_CSUM;
	o.csum_valid = !o.needs_csum && h[0] & VNET_F_DATA_VALID;
	if (o.needs_csum) {
		o.csum_start = get_le16(h + 6);
		o.csum_offset = get_le16(h + 8);
	}
	if (type != GSO_NONE) {
		if (!o.needs_csum || (type != GSO_TCP4 && type != GSO_TCP6 &&
				      type != GSO_UDP_L4))
			return false;
		o.gso_type = type;
		o.gso_ecn = h[1] & VNET_GSO_ECN;
		o.hdr_len = get_le16(h + 2);
		o.gso_size = get_le16(h + 4);
	}
	*off = o;
	return true;
}

/* Where the payload of @f begins, which offload_check() has seen. Never beyond its end: the
 * kernel would refuse that. */
static uint16_t hdr_len_of(const struct frame *f, const struct offload *off)
{
	size_t l4 = off->csum_start, n = off->gso_type == GSO_UDP_L4 ? 8 : 20;

	if (n == 20 && l4 + 12 < frame_hdr_len(f)) {
		n = (size_t)(frame_hdr(f)[l4 + 12] >> 4) * 4;
		if (n < 20 || l4 + n > f->len)
			n = 20;
	}
	return (uint16_t)(l4 + n);
}

void vnet_hdr_encode(const struct frame *f, const struct offload *off,
		     uint8_t h[VNET_HDR_LEN])
{
	memset(h, 0, VNET_HDR_LEN);
	put_le16(h + 10, 1);
	if (!off->needs_csum) {
		h[0] = off->csum_valid ? VNET_F_DATA_VALID : 0;
		return;
	}
	h[0] = VNET_F_NEEDS_CSUM;
	put_le16(h + 6, off->csum_start);
	put_le16(h + 8, off->csum_offset);
	if (off->gso_type == GSO_NONE)
		return;
	h[1] = (uint8_t)(off->gso_type | (off->gso_ecn ? VNET_GSO_ECN : 0));
	put_le16(h + 2, hdr_len_of(f, off));
	put_le16(h + 4, off->gso_size);
}
