// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nat/tcp_seg.h"

/* A SYN as Linux 6 sends it: MSS 1460, SACK permitted, timestamps, NOP, scale 7. */
static const uint8_t linux_syn[40] = {
	0x9c, 0x40, 0x00, 0x50, 0x3a, 0x1f, 0x52, 0x11, 0x00, 0x00,
	0x00, 0x00, 0xa0, 0x02, 0xfa, 0xf0, 0x12, 0x34, 0x00, 0x00,
	0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x11,
	0x22, 0x33, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
};

static void tcp_seg_parse__linux_syn__decoded(void **state)
{
	struct tcp_seg s;

	(void)state;
	assert_int_equal(tcp_seg_parse(&s, linux_syn, 40, 43), 0);
	assert_int_equal(s.sport, 40000);
	assert_int_equal(s.dport, 80);
	assert_int_equal(s.seq, 0x3a1f5211);
	assert_int_equal(s.flags, TCP_SYN);
	assert_int_equal(s.wnd, 64240);
	assert_int_equal(s.hlen, 40);
	assert_int_equal(s.mss, 1460);
	assert_int_equal(s.wscale, 7);
	assert_true(s.ts);
	assert_int_equal(s.tsval, 0x00112233);
	assert_int_equal(s.tsecr, 0);
	assert_true(s.sack_ok);
	assert_int_equal(s.nsack, 0);
	assert_int_equal(s.len, 3);
	assert_int_equal(tcp_seg_space(&s), 4);
}

static void tcp_seg_parse__cut_anywhere__refused(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(linux_syn); n++) {
		uint8_t *p = malloc(n ? n : 1);
		struct tcp_seg s;

		memcpy(p, linux_syn, n);
		assert_int_equal(tcp_seg_parse(&s, p, n, n), -EBADMSG);
		/* The packet is longer than what may be looked at. */
		assert_int_equal(tcp_seg_parse(&s, p, n, 100), -EBADMSG);
		free(p);
	}
}

static void tcp_seg_parse__offset_below_five__refused(void **state)
{
	uint8_t p[20] = {0, 1, 0, 2};
	struct tcp_seg s;

	(void)state;
	for (int off = 0; off < 5; off++) {
		p[12] = (uint8_t)(off << 4);
		assert_int_equal(tcp_seg_parse(&s, p, 20, 20), -EBADMSG);
	}
	p[12] = 0x50;
	assert_int_equal(tcp_seg_parse(&s, p, 20, 20), 0);
	p[12] = 0x60;
	assert_int_equal(tcp_seg_parse(&s, p, 20, 20), -EBADMSG);
}

static void parse_opts(struct tcp_seg *s, const uint8_t *o, size_t n)
{
	static uint8_t p[60]; /* @s points into it */

	memcpy(p, (uint8_t[60]){0, 1, 0, 2}, sizeof(p));
	memcpy(p + 20, o, n);
	p[12] = (uint8_t)((20 + n) << 2);
	assert_int_equal(tcp_seg_parse(s, p, 20 + n, 20 + n), 0);
}

static void tcp_seg_parse__bad_options__rest_ignored(void **state)
{
	static const uint8_t opts[][8] = {
		{1, 1, 2, 0, 5, 180, 3, 3},	 /* length 0 */
		{1, 1, 2, 1, 5, 180, 3, 3},	 /* length 1 */
		{1, 1, 1, 1, 2, 200, 5, 180},	 /* beyond the header */
		{1, 1, 1, 1, 1, 1, 1, 2},	 /* no length at all */
		{0, 2, 4, 5, 180, 1, 1, 1},	 /* behind the end */
		{2, 3, 5, 3, 2, 5, 1, 1},	 /* wrong lengths */
		{99, 8, 2, 4, 5, 180, 3, 3},	 /* unknown, around others */
	};
	struct tcp_seg s;

	(void)state;
	for (size_t i = 0; i < sizeof(opts) / sizeof(opts[0]); i++) {
		parse_opts(&s, opts[i], 8);
		assert_int_equal(s.mss, 0);
		assert_int_equal(s.wscale, TCP_WSCALE_NONE);
	}
}

static void tcp_seg_parse__timestamps__aligned_or_not(void **state)
{
	static const uint8_t opts[][16] = {
		{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8}, /* RFC 7323, appendix A */
		{8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1},
		{3, 3, 7, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
	};
	struct tcp_seg s;

	(void)state;
	for (size_t i = 0; i < sizeof(opts) / sizeof(opts[0]); i++) {
		parse_opts(&s, opts[i], i == 2 ? 16 : 12);
		assert_true(s.ts);
		assert_int_equal(s.tsval, 0x01020304);
		assert_int_equal(s.tsecr, 0x05060708);
	}
	/* Of a wrong length: none. */
	parse_opts(&s, (const uint8_t[12]){1, 1, 8, 9, 1, 2, 3, 4, 5, 6, 7}, 12);
	assert_false(s.ts);
}

static void tcp_seg_parse__sack__blocks_that_are_whole(void **state)
{
	uint8_t o[40] = {1, 1, 5, 34};
	struct tcp_seg s;

	(void)state;
	for (uint8_t i = 4; i < 36; i++)
		o[i] = i;
	parse_opts(&s, o, 36);
	assert_int_equal(s.nsack, 4);
	assert_memory_equal(s.sack, o + 4, 32);
	for (uint8_t len = 2; len < 34; len++) {
		o[3] = len;
		parse_opts(&s, o, 36);
		assert_int_equal(s.nsack, len % 8 == 2 ? len / 8 : 0);
	}
}

static void tcp_seg_parse__wscale_above_14__counts_as_14(void **state)
{
	static const uint8_t o[4] = {1, 3, 3, 15};
	struct tcp_seg s;

	(void)state;
	parse_opts(&s, o, 4);
	assert_int_equal(s.wscale, 14);
}

static void tcp_seg_build__all_fields__parse_back(void **state)
{
	struct tcp_seg a = {
		.sport = 1, .dport = 65535, .seq = 0xfffffffe, .ack = 7,
		.flags = TCP_SYN | TCP_ACK, .wnd = 513, .mss = 8960,
		.wscale = 8,
	}, b;
	uint8_t p[TCP_HDR_MAX];
	size_t n = tcp_seg_build(p, &a);

	(void)state;
	assert_int_equal(n, 28);
	assert_int_equal(tcp_seg_parse(&b, p, n, n), 0);
	assert_int_equal(b.sport, a.sport);
	assert_int_equal(b.dport, a.dport);
	assert_int_equal(b.seq, a.seq);
	assert_int_equal(b.ack, a.ack);
	assert_int_equal(b.flags, a.flags);
	assert_int_equal(b.wnd, a.wnd);
	assert_int_equal(b.mss, a.mss);
	assert_int_equal(b.wscale, a.wscale);
	assert_false(b.ts || b.sack_ok || b.nsack);
}

static void tcp_seg_build__timestamps_and_sack__parse_back(void **state)
{
	uint8_t p[TCP_HDR_MAX], blocks[24];
	struct tcp_seg a = {
		.flags = TCP_SYN, .mss = 1460, .wscale = 8, .sack_ok = true,
		.ts = true, .tsval = 0xfffffffe, .tsecr = 7,
	}, b;
	size_t n = tcp_seg_build(p, &a);

	(void)state;
	assert_int_equal(n, 44);
	assert_int_equal(tcp_seg_parse(&b, p, n, n), 0);
	assert_true(b.ts && b.sack_ok);
	assert_int_equal(b.tsval, a.tsval);
	assert_int_equal(b.tsecr, a.tsecr);
	assert_int_equal(b.mss, 1460);
	assert_int_equal(b.wscale, 8);
	/* All that fits beside timestamps. */
	for (uint8_t i = 0; i < sizeof(blocks); i++)
		blocks[i] = i;
	a.flags = TCP_ACK;
	a.sack = blocks;
	a.nsack = 3;
	n = tcp_seg_build(p, &a);
	assert_int_equal(n, TCP_HDR_MAX);
	assert_int_equal(tcp_seg_parse(&b, p, n, n), 0);
	assert_true(b.ts);
	assert_int_equal(b.nsack, 3);
	assert_memory_equal(b.sack, blocks, sizeof(blocks));
	assert_false(b.sack_ok || b.mss);
}

static void tcp_seg_build__without_ack_flag__no_number_leaks(void **state)
{
	struct tcp_seg a = {.ack = 7, .flags = TCP_RST,
			    .wscale = TCP_WSCALE_NONE}, b;
	uint8_t p[TCP_HDR_MAX];

	(void)state;
	assert_int_equal(tcp_seg_build(p, &a), 20);
	assert_int_equal(tcp_seg_parse(&b, p, 20, 20), 0);
	assert_int_equal(b.ack, 0);
}

static void seq_lt__around_the_wrap__ordered(void **state)
{
	(void)state;
	assert_true(seq_lt(0xffffffff, 0));
	assert_true(seq_lt(0xfffffff0, 0x10));
	assert_false(seq_lt(0x10, 0xfffffff0));
	assert_false(seq_lt(5, 5));
	assert_true(seq_le(5, 5));
	assert_true(seq_le(0x80000001, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_seg_parse__linux_syn__decoded),
		cmocka_unit_test(tcp_seg_parse__cut_anywhere__refused),
		cmocka_unit_test(tcp_seg_parse__offset_below_five__refused),
		cmocka_unit_test(tcp_seg_parse__bad_options__rest_ignored),
		cmocka_unit_test(tcp_seg_parse__timestamps__aligned_or_not),
		cmocka_unit_test(tcp_seg_parse__sack__blocks_that_are_whole),
		cmocka_unit_test(
			tcp_seg_build__timestamps_and_sack__parse_back),
		cmocka_unit_test(tcp_seg_parse__wscale_above_14__counts_as_14),
		cmocka_unit_test(tcp_seg_build__all_fields__parse_back),
		cmocka_unit_test(
			tcp_seg_build__without_ack_flag__no_number_leaks),
		cmocka_unit_test(seq_lt__around_the_wrap__ordered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
