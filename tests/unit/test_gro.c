// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core switch_core */
/* Datagrams put together come apart as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/gro.h"
#include "nat/pkt.h"
#include "switch/offload.h"

#define MAX 64

/* Frames as guests send them, each in @pieces segments behind its headers. */
struct set {
	bool v4;
	struct frame f[MAX];
	const struct frame *p[MAX];
	uint8_t b[MAX][1600];
	unsigned int n;
};

static uint64_t pseudo(const struct set *s, const uint8_t *ip, size_t len)
{
	struct ipaddr src, dst;

	if (s->v4)
		return csum_pseudo4(get_be32(ip + 12), get_be32(ip + 16), 17,
				    (uint32_t)len);
	memcpy(src.b, ip + 8, 16);
	memcpy(dst.b, ip + 24, 16);
	return csum_pseudo6(&src, &dst, 17, (uint32_t)len);
}

static uint8_t *add(struct set *s, size_t len, unsigned int pieces)
{
	uint8_t *b = s->b[s->n], *ip = b + 14;
	size_t l4 = s->v4 ? 34 : 54, at = l4 + 8;
	struct frame *f = &s->f[s->n];

	memcpy(b, "\x52\x55\x0a\0\2\2\x52\x54\0\x12\x34\x56", 12);
	if (s->v4) {
		struct ip4 h = {.src = 0x0a00020f, .dst = 0x08080808,
				.proto = 17, .ttl = 64, .df = true,
				.tos = 0xb8, .id = (uint16_t)(100 + s->n),
				.len = (uint16_t)(28 + len)};

		put_be16(b + 12, 0x0800);
		ip4_build(ip, &h);
	} else {
		struct ip6 h = {.tclass = 0xb8, .next = 17, .hop_limit = 64,
				.len = (uint16_t)(8 + len)};

		memset(h.src.b, 0xfd, 16);
		memset(h.dst.b, 0x20, 16);
		put_be16(b + 12, 0x86dd);
		ip6_build(ip, &h);
	}
	put_be16(b + l4, 4000);
	put_be16(b + l4 + 2, 443);
	put_be16(b + l4 + 4, (uint16_t)(8 + len));
	put_be16(b + l4 + 6, csum_fold(pseudo(s, ip, 8 + len)));
	for (size_t i = 0; i < len; i++)
		b[at + i] = (uint8_t)(i * 3 + s->n);
	frame_init(f, b, at + len);
	f->off = (struct offload){.needs_csum = true, .csum_offset = 6,
				  .csum_start = (uint16_t)l4};
	if (pieces > 1) {
		f->seg[0].iov_len = at + len / 2;
		f->seg[1].iov_base = b + at + len / 2;
		f->seg[1].iov_len = len - len / 2;
		f->nseg = 2;
	}
	s->p[s->n++] = f;
	return b;
}

/* Both in one piece with their checksums finished; ids are not compared. */
static void same(const struct set *s, const struct frame *a,
		 const struct frame *b)
{
	uint8_t x[1600], y[1600];
	size_t l4 = s->v4 ? 34 : 54;

	assert_int_equal(a->len, b->len);
	frame_copy(a, 0, x, sizeof(x));
	frame_copy(b, 0, y, sizeof(y));
	put_be16(x + l4 + 6, csum_finish(csum_add(0, x + l4, a->len - l4)));
	if (s->v4) {
		put_be16(x + 24, 0);
		put_be16(y + 18, get_be16(x + 18));
		put_be16(y + 24, 0);
	}
	assert_memory_equal(x, y, a->len);
}

/* The first @n are put together, and come apart as they were. */
static void joined(const struct set *s, unsigned int n)
{
	uint8_t hdr[FRAME_HDR], buf[OFFLOAD_HDR_MAX];
	struct frame big, one;
	struct segmenter seg;
	struct hdrs h;
	enum drop_reason why;

	assert_int_equal(gro_udp(s->p, s->n, &big, hdr), n);
	if (n == 1)
		return;
	assert_true(big.seg[0].iov_len >= min_sz(big.len, FRAME_HDR));
	assert_true(hdrs_l2(frame_hdr(&big), frame_hdr_len(&big), &h));
	assert_true(offload_check(&big, &h, 1500, &why));
	assert_true(segmenter_init(&seg, &big, 0));
	for (unsigned int i = 0; i < n; i++) {
		assert_true(segmenter_next(&seg, &one, buf));
		same(s, s->p[i], &one);
	}
	assert_false(segmenter_next(&seg, &one, buf));
}

static struct set *make(bool v4, unsigned int n, size_t len)
{
	struct set *s = calloc(1, sizeof(*s));

	s->v4 = v4;
	for (unsigned int i = 0; i < n; i++)
		add(s, len, 1);
	return s;
}

static void gro__datagrams_of_one_size__come_apart_as_they_were(void **state)
{
	static const size_t sizes[] = {1, 2, 3, 63, 64, 85, 86, 87, 1200, 1450};

	(void)state;
	for (int v4 = 0; v4 < 2; v4++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			struct set *s = make(v4, 7, sizes[i]);

			joined(s, 7);
			free(s);
		}
}

static void gro__last_one_shorter__the_last(void **state)
{
	(void)state;
	for (size_t len = 1; len < 100; len += 7) {
		struct set *s = make(true, 3, 100);

		add(s, len, 1);
		add(s, 100, 1);
		joined(s, 4);
		free(s);
	}
}

static void gro__longer_one_follows__stays_out(void **state)
{
	struct set *s = make(true, 3, 100);

	(void)state;
	add(s, 101, 1);
	joined(s, 3);
	free(s);
}

static void gro__many_or_in_pieces__as_many_as_fit(void **state)
{
	struct set *s = make(true, 60, 100);

	(void)state;
	joined(s, FRAME_SEGS - 1);
	free(s);
	s = make(true, 0, 0);
	for (int i = 0; i < 60; i++)
		add(s, 1000, 2);
	joined(s, (FRAME_SEGS - 1) / 2);
	free(s);
}

static void set_sum(uint8_t *ip)
{
	put_be16(ip + 10, 0);
	put_be16(ip + 10, csum_finish(csum_add(0, ip, 20)));
}

/* What differs in the second of two, by number; false: no such. */
static bool spoil4(struct set *s, int what)
{
	uint8_t *b = s->b[1], *ip = b + 14;

	switch (what) {
	case 0: b[5]++; break;			/* to another MAC */
	case 1: b[11]++; break;			/* from another */
	case 2: ip[1]++; break;			/* TOS */
	case 3: ip[6] = 0; break;		/* DF */
	case 4: ip[6] |= 0x20; break;		/* a fragment */
	case 5: ip[7] = 1; break;		/* a later one */
	case 6: ip[8]--; break;			/* TTL */
	case 7: ip[9] = 6; break;		/* TCP */
	case 8: ip[15]++; break;		/* from another address */
	case 9: ip[19]++; break;		/* to another */
	case 10: ip[21]++; break;		/* from another port */
	case 11: ip[23]++; break;		/* to another */
	case 12: ip[25]++; break;		/* length of UDP */
	case 13: s->f[1].off.needs_csum = false; break;
	case 14: s->f[1].off.csum_offset = 4; break;
	case 15: s->f[1].off.csum_start = 30; break;
	case 16: s->f[1].off.gso_type = GSO_UDP_L4; break;
	case 17: ip[3]--; break;		/* bytes behind the packet */
	case 18: ip[0] = 0x46; break;		/* options */
	case 19: s->f[1].len = 42; s->f[1].seg[0].iov_len = 42; break;
	case 20: ip[10]++; return true;		/* a bad checksum */
	default: return false;
	}
	set_sum(ip);
	return true;
}

static void gro__second_differs__each_alone(void **state)
{
	(void)state;
	for (int what = 0;; what++) {
		struct set *s = make(true, 2, 100);
		bool there = spoil4(s, what);

		if (there)
			joined(s, 1);
		free(s);
		if (!there)
			return;
	}
}

static void gro__second_differs_in_ipv6__each_alone(void **state)
{
	static const uint8_t at[] = {5, 11, 14, 15, 16, 17, 19, 20, 21, 22, 37, 38,
				     53, 55, 57, 59};

	(void)state;
	for (size_t i = 0; i < sizeof(at); i++) {
		struct set *s = make(false, 2, 100);

		s->b[1][at[i]]++;
		joined(s, 1);
		free(s);
	}
}

static void gro__truncated_anywhere__alone(void **state)
{
	(void)state;
	for (int v4 = 0; v4 < 2; v4++)
		for (size_t len = 0; len < 110; len++) {
			struct set *s = make(v4, 2, 100);

			for (int i = 0; i < 2; i++) {
				s->f[i].len = (uint32_t)len;
				s->f[i].seg[0].iov_len = len;
			}
			joined(s, 1);
			free(s);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			gro__datagrams_of_one_size__come_apart_as_they_were),
		cmocka_unit_test(gro__last_one_shorter__the_last),
		cmocka_unit_test(gro__longer_one_follows__stays_out),
		cmocka_unit_test(gro__many_or_in_pieces__as_many_as_fit),
		cmocka_unit_test(gro__second_differs__each_alone),
		cmocka_unit_test(gro__second_differs_in_ipv6__each_alone),
		cmocka_unit_test(gro__truncated_anywhere__alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
