// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * Pieces are judged by a plain reference written for this test: it checks every
 * length and checksum from scratch and puts the payload together again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/offload.h"

#define FIN 0x01
#define PSH 0x08
#define ACK 0x10
#define CWR 0x80

/* ---- making frames ------------------------------------------------------- */

struct shape {
	int tags;	 /* VLAN tags */
	int ip;		 /* 4 or 6 */
	int ip_opts;	 /* bytes of IPv4 options */
	int exts;	 /* IPv6 extension headers: bit 0 hop-by-hop, 1 options */
	int udp;	 /* else TCP */
	int tcp_opts;	 /* bytes of TCP options */
	size_t payload;
	uint16_t mss;
	uint8_t flags;
};

struct made {
	uint8_t *p;
	size_t len, l3, l4, hdr;
	struct frame f;
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13 + 1);
}

/* One's-complement sum, bytewise; the reference knows no shortcuts. */
static uint32_t sum16(uint32_t s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static uint32_t ref_pseudo(const uint8_t *ip, int version, uint8_t proto,
			   size_t l4_len)
{
	uint8_t ph[40] = {0};

	if (version == 4) {
		memcpy(ph, ip + 12, 8);
		ph[9] = proto;
		put_be16(ph + 10, (uint16_t)l4_len);
		return sum16(0, ph, 12);
	}
	memcpy(ph, ip + 8, 32);
	put_be32(ph + 32, (uint32_t)l4_len);
	ph[39] = proto;
	return sum16(0, ph, 40);
}

static void make_ip(const struct shape *s, struct made *m)
{
	uint8_t *ip = m->p + m->l3;
	uint8_t proto = s->udp ? 17 : 6;

	if (s->ip == 4) {
		ip[0] = (uint8_t)(0x40 | (20 + s->ip_opts) / 4);
		put_be16(ip + 2, (uint16_t)(m->len - m->l3));
		put_be16(ip + 4, 0xfffe); /* the id wraps */
		put_be16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = proto;
		put_be32(ip + 12, 0x0a000001);
		put_be32(ip + 16, 0xc0a80102);
		memset(ip + 20, 1, (size_t)s->ip_opts);
		put_be16(ip + 10, (uint16_t)~sum16(0, ip, (size_t)(20 + s->ip_opts)));
		return;
	}
	put_be32(ip, 0x60012345);
	put_be16(ip + 4, (uint16_t)(m->len - m->l3 - 40));
	ip[7] = 64;
	for (int i = 0; i < 32; i++)
		ip[8 + i] = (uint8_t)(0x20 + i);
	ip[6] = proto;
	ip += 40;
	if (s->exts & 1) {
		m->p[m->l3 + 6] = 0;
		ip[0] = s->exts & 2 ? 60 : proto;
		ip += 8;
	}
	if (s->exts & 2) {
		if (!(s->exts & 1))
			m->p[m->l3 + 6] = 60;
		ip[0] = proto;
		ip[1] = 2; /* 24 bytes */
	}
}

static struct made make(const struct shape *s)
{
	struct made m = {0};
	size_t l4 = s->udp ? 8 : 20 + (size_t)s->tcp_opts;
	uint8_t *h;

	m.l3 = 14 + 4 * (size_t)s->tags;
	m.l4 = m.l3 + (s->ip == 4 ? 20 + (size_t)s->ip_opts
				  : 40 + (s->exts & 1 ? 8u : 0) +
					    (s->exts & 2 ? 24u : 0));
	m.hdr = m.l4 + l4;
	m.len = m.hdr + s->payload;
	m.p = calloc(1, m.len);
	memcpy(m.p, "\2\0\0\0\0\2\2\0\0\0\0\1", 12);
	for (int i = 0; i < s->tags; i++) {
		put_be16(m.p + 12 + 4 * i, i + 1 < s->tags ? ETH_P_TAG_AD
							   : ETH_P_TAG);
		put_be16(m.p + 14 + 4 * i, (uint16_t)(100 + i));
	}
	put_be16(m.p + m.l3 - 2, s->ip == 4 ? ETH_P_IP4 : ETH_P_IP6);
	make_ip(s, &m);
	h = m.p + m.l4;
	put_be16(h, 1000);
	put_be16(h + 2, 2000);
	if (s->udp) {
		put_be16(h + 4, (uint16_t)(m.len - m.l4));
	} else {
		put_be32(h + 4, 0xfffff000); /* wraps */
		put_be32(h + 8, 77);
		h[12] = (uint8_t)((20 + s->tcp_opts) / 4 << 4);
		h[13] = s->flags;
		put_be16(h + 14, 512);
		memset(h + 20, 1, (size_t)s->tcp_opts);
	}
	for (size_t i = 0; i < s->payload; i++)
		m.p[m.hdr + i] = pattern(i);
	put_be16(h + (s->udp ? 6 : 16),
		 (uint16_t)ref_pseudo(m.p + m.l3, s->ip, s->udp ? 17 : 6,
				      m.len - m.l4));
	frame_init(&m.f, m.p, m.len);
	m.f.off.needs_csum = true;
	m.f.off.csum_start = (uint16_t)m.l4;
	m.f.off.csum_offset = s->udp ? 6 : 16;
	m.f.off.gso_size = s->mss;
	m.f.off.gso_type = !s->mss	? GSO_NONE
			   : s->udp	? GSO_UDP_L4
			   : s->ip == 4 ? GSO_TCP4
					: GSO_TCP6;
	return m;
}

/* Let the frame's bytes lie in pieces: the first of @first bytes, then @each. */
static void scatter(struct made *m, size_t first, size_t each)
{
	size_t at = min_sz(first, m->len);

	m->f.seg[0].iov_len = at;
	m->f.nseg = 1;
	while (at < m->len) {
		size_t n = m->f.nseg == FRAME_SEGS - 2 ? m->len - at
						       : min_sz(each, m->len - at);

		m->f.seg[m->f.nseg].iov_base = m->p + at;
		m->f.seg[m->f.nseg++].iov_len = n;
		at += n;
	}
}

/* ---- judging ------------------------------------------------------------- */

static void judge_piece(const struct shape *s, const struct made *m,
			const uint8_t *q, size_t len, unsigned int i, size_t at,
			bool last)
{
	const uint8_t *ip = q + m->l3, *h = q + m->l4;
	size_t n = len - m->hdr;
	uint8_t proto = s->udp ? 17 : 6;

	assert_memory_equal(q, m->p, m->l3);
	if (s->ip == 4) {
		assert_int_equal(get_be16(ip + 2), len - m->l3);
		assert_int_equal(get_be16(ip + 4), (0xfffe + i) & 0xffff);
		assert_int_equal(sum16(0, ip, m->l4 - m->l3), 0xffff);
		assert_memory_equal(ip + 12, m->p + m->l3 + 12,
				    m->l4 - m->l3 - 12);
	} else {
		assert_int_equal(get_be16(ip + 4), len - m->l3 - 40);
		assert_memory_equal(ip + 6, m->p + m->l3 + 6,
				    m->l4 - m->l3 - 6);
	}
	assert_int_equal(sum16(ref_pseudo(ip, s->ip, proto, len - m->l4), h,
			       len - m->l4),
			 0xffff);
	if (s->udp) {
		assert_int_equal(get_be16(h + 4), len - m->l4);
		assert_int_not_equal(get_be16(h + 6), 0);
	} else {
		uint8_t flags = s->flags;

		if (!last)
			flags &= (uint8_t)~(FIN | PSH);
		if (i)
			flags &= (uint8_t)~CWR;
		assert_int_equal(get_be32(h + 4), (uint32_t)(0xfffff000 + at));
		assert_int_equal(h[13], flags);
		assert_memory_equal(h + 18, m->p + m->l4 + 18,
				    m->hdr - m->l4 - 18);
	}
	for (size_t k = 0; k < n; k++)
		assert_int_equal(q[m->hdr + k], pattern(at + k));
}

/* What a port with PORT_CAP_CSUM does to a piece, which lies in @q. */
static void finish_csum(const struct made *m, const struct frame *out,
			uint8_t *q)
{
	uint8_t *field = q + m->l4 + out->off.csum_offset;
	uint16_t sum;

	assert_true(out->off.needs_csum);
	assert_int_equal(out->off.csum_start, m->l4);
	sum = (uint16_t)~sum16(0, q + m->l4, out->len - m->l4);
	put_be16(field, sum ? sum : 0xffff);
}

/* Run the frame through a segmenter for a port with @caps and judge all pieces. */
static unsigned int judge_for(const struct shape *s, struct made *m,
			      uint32_t caps)
{
	static uint8_t q[70000];
	uint8_t buf[OFFLOAD_HDR_MAX];
	struct segmenter seg;
	struct frame out;
	unsigned int i = 0;
	size_t at = 0;

	assert_true(segmenter_init(&seg, &m->f, caps));
	while (segmenter_next(&seg, &out, buf)) {
		size_t n = out.len - m->hdr;

		assert_true(out.len >= m->hdr);
		assert_int_equal(frame_copy(&out, 0, q, sizeof(q)), out.len);
		assert_true(out.seg[0].iov_len >= min_sz(out.len, FRAME_HDR));
		assert_int_equal(out.off.gso_type, GSO_NONE);
		if (s->mss && caps)
			finish_csum(m, &out, q);
		else
			assert_false(out.off.needs_csum);
		if (s->mss)
			assert_true(n <= s->mss);
		judge_piece(s, m, q, out.len, i, at, at + n == s->payload);
		at += n;
		i++;
	}
	assert_int_equal(at, s->payload);
	return i;
}

static unsigned int judge(const struct shape *s, struct made *m)
{
	unsigned int n = judge_for(s, m, 0);

	assert_int_equal(judge_for(s, m, PORT_CAP_CSUM), n);
	return n;
}

static bool check(const struct frame *f, size_t mtu, enum drop_reason *why)
{
	struct hdrs h;

	*why = DROP_SHORT;
	return hdrs_l2(frame_hdr(f), frame_hdr_len(f), &h) &&
	       offload_check(f, &h, mtu, why);
}

/* ---- tests --------------------------------------------------------------- */

static const struct shape shapes[] = {
	{.ip = 4, .payload = 60000, .mss = 1448, .tcp_opts = 12,
	 .flags = ACK | PSH | FIN | CWR},
	{.ip = 4, .payload = 1448, .mss = 1448, .flags = ACK | PSH | CWR},
	{.ip = 4, .payload = 1449, .mss = 1448, .flags = ACK | FIN},
	{.ip = 4, .payload = 1, .mss = 536, .flags = ACK},
	{.ip = 4, .payload = 0, .mss = 536, .flags = ACK},
	{.ip = 4, .tags = 1, .payload = 9001, .mss = 1401, .flags = ACK | PSH},
	{.ip = 4, .tags = 2, .ip_opts = 40, .tcp_opts = 40, .payload = 5000,
	 .mss = 333, .flags = ACK | CWR},
	{.ip = 6, .payload = 64000, .mss = 1428, .tcp_opts = 12,
	 .flags = ACK | PSH},
	{.ip = 6, .tags = 1, .exts = 1, .payload = 4001, .mss = 1001,
	 .flags = ACK | FIN},
	{.ip = 6, .tags = 2, .exts = 3, .tcp_opts = 20, .payload = 7777,
	 .mss = 1111, .flags = ACK},
	{.ip = 4, .udp = 1, .payload = 60001, .mss = 1472},
	{.ip = 4, .udp = 1, .payload = 1300, .mss = 100},
	{.ip = 6, .udp = 1, .tags = 1, .exts = 2, .payload = 3333, .mss = 777},
	{.ip = 4, .payload = 65535 - 40, .mss = 48, .flags = ACK},
};

static void segmenter__every_shape_and_memory_layout__pieces_are_right(
	void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		const struct shape *s = &shapes[i];
		struct made m = make(s);
		size_t want = s->payload ? (s->payload + s->mss - 1) / s->mss
					 : 1;
		enum drop_reason why;

		assert_true(check(&m.f, 1500, &why));
		assert_int_equal(judge(s, &m), want);
		scatter(&m, m.hdr < FRAME_HDR ? FRAME_HDR : m.hdr, 4096);
		assert_true(check(&m.f, 1500, &why));
		assert_int_equal(judge(s, &m), want);
		scatter(&m, FRAME_HDR, 4001);
		assert_int_equal(judge(s, &m), want);
		scatter(&m, 131, 3999);
		assert_int_equal(judge(s, &m), want);
		free(m.p);
	}
}

static void segmenter__checksum_only__completed_in_one_piece(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		for (size_t n = 0; n < 300; n += 1 + n / 8) {
			struct shape s = shapes[i];
			struct made m;

			s.mss = 0;
			s.payload = n;
			m = make(&s);
			put_be16(m.p + m.l3 + 4, s.ip == 4 ? 0xfffe
							   : get_be16(m.p + m.l3 + 4));
			assert_int_equal(judge(&s, &m), 1);
			scatter(&m, FRAME_HDR, 33);
			assert_int_equal(judge(&s, &m), 1);
			free(m.p);
		}
	}
}

static void segmenter__udp_sum_would_be_zero__all_ones(void **state)
{
	struct shape s = {.ip = 4, .udp = 1, .payload = 2};
	struct made m = make(&s);
	uint8_t buf[OFFLOAD_HDR_MAX];
	struct segmenter seg;
	struct frame out;
	uint32_t sum;

	(void)state;
	m.p[m.hdr] = m.p[m.hdr + 1] = 0;
	sum = sum16(0, m.p + m.l4, m.len - m.l4); /* field: pseudo header */
	put_be16(m.p + m.hdr, (uint16_t)~sum);
	assert_true(segmenter_init(&seg, &m.f, 0));
	assert_true(segmenter_next(&seg, &out, buf));
	assert_int_equal(get_be16(buf + m.l4 + 6), 0xffff);
	free(m.p);
}

/* An IPv6 routing header: the pseudo header has the final destination. */
static void segmenter__routing_header__senders_pseudo_sum_is_kept(void **state)
{
	struct shape s = {.ip = 6, .exts = 2, .payload = 3000, .mss = 1000,
			  .flags = ACK};
	struct made m = make(&s);
	uint8_t final[40], buf[OFFLOAD_HDR_MAX], q[2000];
	struct segmenter seg;
	struct frame out;
	int n = 0;

	(void)state;
	m.p[m.l3 + 6] = 43;
	memcpy(final, m.p + m.l3, 40);
	memset(final + 24, 0x99, 16);
	put_be16(m.p + m.l4 + 16,
		 (uint16_t)ref_pseudo(final, 6, 6, m.len - m.l4));
	assert_true(segmenter_init(&seg, &m.f, 0));
	for (; segmenter_next(&seg, &out, buf); n++) {
		frame_copy(&out, 0, q, sizeof(q));
		assert_int_equal(sum16(ref_pseudo(final, 6, 6,
						  out.len - m.l4),
				       q + m.l4, out.len - m.l4),
				 0xffff);
	}
	assert_int_equal(n, 3);
	free(m.p);
}

static void segmenter__bytes_behind_the_packet__left_out(void **state)
{
	struct shape s = {.ip = 4, .payload = 3000, .mss = 1000, .flags = ACK};
	struct made m = make(&s);

	(void)state;
	/* The IP packet ends 500 bytes before the frame does. */
	s.payload = 2500;
	put_be16(m.p + m.l3 + 2, (uint16_t)(m.len - 500 - m.l3));
	put_be16(m.p + m.l4 + 16,
		 (uint16_t)ref_pseudo(m.p + m.l3, 4, 6, m.len - 500 - m.l4));
	assert_int_equal(judge(&s, &m), 3);
	free(m.p);
}

static void check__frame_cut_off_anywhere__dropped_not_read_beyond(void **state)
{
	static uint8_t q[70000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct made m = make(&shapes[i]);
		size_t step = 1;

		for (size_t n = 0; n < m.len; n += step) {
			uint8_t *cut = malloc(n ? n : 1);
			uint8_t buf[OFFLOAD_HDR_MAX];
			enum drop_reason why;
			struct segmenter seg;
			struct frame f = m.f, out;

			memcpy(cut, m.p, n);
			f.seg[0].iov_base = cut;
			f.seg[0].iov_len = n;
			f.len = (uint32_t)n;
			assert_false(check(&f, 1500, &why));
			assert_true(why == DROP_OFFLOAD || why == DROP_SHORT);
			assert_false(segmenter_init(&seg, &f, 0));
			/* the checksum alone may still be possible */
			f.off.gso_type = GSO_NONE;
			if (segmenter_init(&seg, &f, 0)) {
				while (segmenter_next(&seg, &out, buf))
					frame_copy(&out, 0, q, sizeof(q));
			}
			free(cut);
			step = n < 300 ? 1 : 997;
		}
		free(m.p);
	}
}

static void check__facts_contradict_headers__dropped(void **state)
{
	struct shape s = {.ip = 4, .payload = 3000, .mss = 1000, .flags = ACK};
	enum drop_reason why;
	struct made m;

	(void)state;
	for (int i = 0; i < 12; i++) {
		m = make(&s);
		switch (i) {
		case 0:
			m.f.off.gso_type = GSO_TCP6;
			break;
		case 1:
			m.f.off.gso_type = GSO_UDP_L4;
			break;
		case 2:
			m.f.off.gso_type = 3; /* UFO */
			break;
		case 3:
			m.f.off.csum_start++;
			break;
		case 4:
			m.f.off.csum_offset = 6;
			break;
		case 5:
			m.f.off.gso_size = 0;
			break;
		case 6:
			m.f.off.needs_csum = false;
			break;
		case 7:
			put_be16(m.p + m.l3 + 6, 0x2000); /* a fragment */
			break;
		case 8:
			put_be16(m.p + m.l3 + 6, 1);
			break;
		case 9:
			m.p[m.l3] = 0x44; /* header of 16 bytes */
			break;
		case 10:
			m.p[m.l4 + 12] = 0x40;
			break;
		default:
			put_be16(m.p + m.l3 + 2, (uint16_t)(m.len - m.l3 + 1));
		}
		assert_false(check(&m.f, 1500, &why));
		assert_int_equal(why, DROP_OFFLOAD);
		free(m.p);
	}
	m = make(&s);
	assert_true(check(&m.f, 1040, &why));
	assert_false(check(&m.f, 1039, &why));
	assert_int_equal(why, DROP_LONG);
	free(m.p);
}

static void check__checksum_field_out_of_reach__dropped(void **state)
{
	struct shape s = {.ip = 4, .udp = 1, .payload = 400};
	struct made m = make(&s);
	enum drop_reason why;

	(void)state;
	m.f.off.csum_start = 13;
	assert_false(check(&m.f, 1500, &why));
	m.f.off.csum_start = OFFLOAD_HDR_MAX - 2;
	m.f.off.csum_offset = 0;
	assert_true(check(&m.f, 1500, &why));
	m.f.off.csum_offset = 1;
	assert_false(check(&m.f, 1500, &why));
	m.f.off.csum_start = m.f.off.csum_offset = 0xffff;
	assert_false(check(&m.f, 1500, &why));
	assert_int_equal(why, DROP_OFFLOAD);
	free(m.p);
}

static void hdrs__more_extension_headers_than_sense__refused(void **state)
{
	uint8_t p[14 + 40 + 10 * 8 + 20] = {0};
	struct hdrs h;

	(void)state;
	put_be16(p + 12, ETH_P_IP6);
	p[14] = 0x60;
	put_be16(p + 18, sizeof(p) - 54);
	p[20] = 60;
	for (int i = 0; i < HDRS_EXTS; i++)
		p[54 + 8 * i] = 60;
	assert_true(hdrs_l2(p, sizeof(p), &h));
	assert_false(hdrs_l3(p, sizeof(p), &h));
	p[54 + 8 * (HDRS_EXTS - 2)] = 6;
	assert_true(hdrs_l3(p, sizeof(p), &h));
	assert_int_equal(h.l4, 54 + 8 * (HDRS_EXTS - 1));
	/* a fragment that is not the first has no transport header */
	p[20] = 44;
	p[54] = 6;
	put_be16(p + 56, 8);
	assert_true(hdrs_l2(p, sizeof(p), &h) && hdrs_l3(p, sizeof(p), &h));
	assert_true(h.frag);
	assert_int_equal(h.proto, 6);
}

static void infer__unfinished_sum__found_and_finished_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct shape s = shapes[i];
		struct offload want;
		struct made m;

		s.payload = 500;
		s.mss = 0;
		m = make(&s);
		want = m.f.off;
		m.f.off = (struct offload){0};
		offload_infer(&m.f, 1500);
		assert_memory_equal(&m.f.off, &want, sizeof(want));
		m.p[m.l4 + want.csum_offset] ^= 1;
		offload_infer(&m.f, 1500);
		assert_false(m.f.off.needs_csum);
		free(m.p);
	}
}

static void infer__longer_than_mtu__tcp_gets_a_segment_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct shape s = shapes[i];
		struct made m;
		enum drop_reason why;

		s.payload = 20000;
		m = make(&s);
		offload_infer(&m.f, 1500);
		assert_true(m.f.off.needs_csum);
		if (s.udp) {
			assert_int_equal(m.f.off.gso_type, GSO_NONE);
			assert_false(check(&m.f, 1500, &why));
			assert_int_equal(why, DROP_LONG);
		} else {
			s.mss = (uint16_t)(1500 - (m.hdr - m.l3));
			assert_int_equal(m.f.off.gso_size, s.mss);
			assert_true(check(&m.f, 1500, &why));
			judge(&s, &m);
		}
		free(m.p);
	}
}

/* ---- packets in packets ------------------------------------------------------------- */

#define VXLAN_IN (14 + 20 + 8 + 8) /* where the inner frame begins */
#define VXLAN_L4 (VXLAN_IN + 14 + 20)

/* TCP in IPv4 in Ethernet in VXLAN, whose sum the guest left to be finished. */
static struct frame encapsulate(uint8_t *p, size_t len)
{
	struct shape inner = {.ip = 4, .flags = ACK};
	struct made m;
	struct frame f;

	inner.payload = len - VXLAN_L4 - 20;
	m = make(&inner);
	memset(p, 0, VXLAN_IN);
	memcpy(p, "\2\0\0\0\0\2\2\0\0\0\0\1\x8\0\x45", 15);
	put_be16(p + 16, (uint16_t)(len - 14));
	p[22] = 64;
	p[23] = 17;
	put_be32(p + 26, 0x0a000001);
	put_be32(p + 30, 0x0a000002);
	put_be16(p + 24, (uint16_t)~sum16(0, p + 14, 20));
	put_be16(p + 36, 4789);
	put_be16(p + 38, (uint16_t)(len - 34)); /* and no sum of its own */
	p[42] = 8;
	memcpy(p + VXLAN_IN, m.p, m.len);
	free(m.p);
	frame_init(&f, p, len);
	return f;
}

static void encapsulated__inner_sum__finished_and_nothing_else(void **state)
{
	uint8_t p[400], q[400], want[400], buf[OFFLOAD_HDR_MAX];
	struct frame f = encapsulate(p, sizeof(p)), out;
	struct segmenter seg;
	enum drop_reason why;

	(void)state;
	f.off = (struct offload){.needs_csum = true, .csum_start = VXLAN_L4,
				 .csum_offset = 16};
	memcpy(want, p, sizeof(p));
	put_be16(want + VXLAN_L4 + 16,
		 (uint16_t)~sum16(0, p + VXLAN_L4, sizeof(p) - VXLAN_L4));
	assert_true(check(&f, 1500, &why));
	assert_true(segmenter_init(&seg, &f, 0));
	assert_true(segmenter_next(&seg, &out, buf));
	assert_int_equal(frame_copy(&out, 0, q, sizeof(q)), sizeof(q));
	assert_memory_equal(q, want, sizeof(q));
	assert_false(segmenter_next(&seg, &out, buf));
}

static void encapsulated__to_be_cut_inside__refused(void **state)
{
	static uint8_t p[9000];
	struct frame f = encapsulate(p, sizeof(p));
	enum drop_reason why;

	(void)state;
	f.off = (struct offload){.needs_csum = true, .csum_start = VXLAN_L4,
				 .csum_offset = 16, .gso_type = GSO_TCP4,
				 .gso_size = 1000};
	assert_false(check(&f, 9000, &why));
	assert_int_equal(why, DROP_OFFLOAD);
}

/* Without metadata nobody looks into it, whatever the protocol around it is. */
static void encapsulated__no_facts__left_alone(void **state)
{
	static const uint8_t around[] = {4, 41, 47, 50, 17};
	uint8_t p[400];

	(void)state;
	for (size_t i = 0; i < sizeof(around); i++) {
		struct frame f = encapsulate(p, sizeof(p));

		p[23] = around[i];
		offload_infer(&f, 300);
		assert_true(offload_none(&f.off));
	}
}

/* ---- virtio_net_hdr ----------------------------------------------------------------- */

static void vnet_hdr__round_trip__facts_unchanged(void **state)
{
	struct offload in = {
		.needs_csum = true, .csum_start = 34, .csum_offset = 16,
		.gso_type = GSO_TCP6, .gso_ecn = true, .gso_size = 1448,
		.hdr_len = 54,
	}, out;
	uint8_t h[VNET_HDR_LEN], b[54] = {[46] = 5 << 4};
	struct frame f;
	static const uint8_t want[VNET_HDR_LEN] = {1,  0x84, 54, 0, 0xa8, 5,
						   34, 0,    16, 0, 1,	  0};

	(void)state;
	frame_init(&f, b, sizeof(b));
	vnet_hdr_encode(&f, &in, h);
	assert_memory_equal(h, want, sizeof(want));
	assert_true(vnet_hdr_decode(h, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	memset(&in, 0, sizeof(in));
	vnet_hdr_encode(&f, &in, h);
	assert_true(vnet_hdr_decode(h, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	in.csum_valid = true;
	vnet_hdr_encode(&f, &in, h);
	assert_int_equal(h[0], 2);
	assert_true(vnet_hdr_decode(h, &out));
	assert_true(out.csum_valid);
}

/* A kernel lays so much into the first piece of its buffer, and the rest into pages. */
static void vnet_hdr__hdr_len__is_that_of_all_headers(void **state)
{
	uint8_t h[VNET_HDR_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct made m = make(&shapes[i]);

		m.f.off.hdr_len = 9999; /* whatever a guest said */
		vnet_hdr_encode(&m.f, &m.f.off, h);
		assert_int_equal(h[2] | h[3] << 8, shapes[i].mss ? m.hdr : 0);
		free(m.p);
	}
}

/* Frames that no check has seen: the shortest header, never more than there is. */
static void vnet_hdr__hdr_len_of_a_bad_frame__stays_within(void **state)
{
	const struct shape s = {.ip = 4, .payload = 8, .mss = 4};
	struct made m = make(&s);
	uint8_t h[VNET_HDR_LEN];

	(void)state;
	for (unsigned int doff = 0; doff < 16; doff++) {
		m.p[m.l4 + 12] = (uint8_t)(doff << 4);
		vnet_hdr_encode(&m.f, &m.f.off, h);
		assert_int_equal(h[2] | h[3] << 8,
				 m.l4 + (doff == 6   ? 24
					 : doff == 7 ? 28
						     : 20));
	}
	m.f.seg[0].iov_len = m.l4 + 12;
	vnet_hdr_encode(&m.f, &m.f.off, h);
	assert_int_equal(h[2] | h[3] << 8, m.hdr);
	free(m.p);
}

static void vnet_hdr__unknown_types__refused(void **state)
{
	struct offload off;
	uint8_t h[VNET_HDR_LEN] = {1, 3};

	(void)state;
	assert_false(vnet_hdr_decode(h, &off)); /* UFO */
	h[1] = 2;
	assert_false(vnet_hdr_decode(h, &off));
	h[1] = 0x41;
	assert_false(vnet_hdr_decode(h, &off));
	h[0] = 0;
	h[1] = 1; /* segmentation without checksum */
	assert_false(vnet_hdr_decode(h, &off));
	h[0] = 1;
	assert_true(vnet_hdr_decode(h, &off));
}

#define T(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(segmenter__every_shape_and_memory_layout__pieces_are_right),
		T(segmenter__checksum_only__completed_in_one_piece),
		T(segmenter__udp_sum_would_be_zero__all_ones),
		T(segmenter__routing_header__senders_pseudo_sum_is_kept),
		T(segmenter__bytes_behind_the_packet__left_out),
		T(check__frame_cut_off_anywhere__dropped_not_read_beyond),
		T(check__facts_contradict_headers__dropped),
		T(check__checksum_field_out_of_reach__dropped),
		T(hdrs__more_extension_headers_than_sense__refused),
		T(infer__unfinished_sum__found_and_finished_alone),
		T(infer__longer_than_mtu__tcp_gets_a_segment_size),
		T(encapsulated__inner_sum__finished_and_nothing_else),
		T(encapsulated__to_be_cut_inside__refused),
		T(encapsulated__no_facts__left_alone),
		T(vnet_hdr__round_trip__facts_unchanged),
		T(vnet_hdr__hdr_len__is_that_of_all_headers),
		T(vnet_hdr__hdr_len_of_a_bad_frame__stays_within),
		T(vnet_hdr__unknown_types__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
