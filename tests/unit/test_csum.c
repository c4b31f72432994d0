// SPDX-License-Identifier: GPL-2.0-or-later
/* The Internet checksum against its definition, at every length and alignment.
 */
#include "lib/csum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/compat.h"
#include "lib/inet.h"

/* RFC 1071 1, word by word. */
static uint16_t plain(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

/* RFC 1071 3, the numerical example. */
static void csum__rfc1071_example__ddf2(void **state)
{
	static const uint8_t b[] = {0x00, 0x01, 0xf2, 0x03,
				    0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(csum_fold(csum_add(0, b, 8)), 0xddf2);
	assert_int_equal(csum_finish(csum_add(0, b, 8)), 0x220d);
}

/* An IPv4 header whose checksum is right sums to all ones. */
static void csum__ipv4_header__verifies(void **state)
{
	static const uint8_t h[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
				    0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
				    0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
	uint8_t zero[20];

	(void)state;
	assert_int_equal(csum_fold(csum_add(0, h, 20)), 0xffff);
	memcpy(zero, h, 20);
	zero[10] = zero[11] = 0;
	assert_int_equal(csum_finish(csum_add(0, zero, 20)), 0xb861);
}

static void csum_add__every_length_and_alignment__as_plain(void **state)
{
	uint8_t *b = malloc(300);
	uint32_t s = 7;

	(void)state;
	for (size_t i = 0; i < 300; i++)
		b[i] = (uint8_t)rnd(&s);
	for (size_t at = 0; at < 17; at++)
		for (size_t len = 0; len + at <= 300; len++)
			assert_int_equal(csum_fold(csum_add(0, b + at, len)),
					 plain(b + at, len));
	free(b);
}

/* Carries: a frame full of ones is the worst case. */
static void csum_add__all_ones_64k__no_carry_lost(void **state)
{
	size_t len = 65535 + 65536;
	uint8_t *b = malloc(len);
	uint64_t sum = 0;

	(void)state;
	memset(b, 0xff, len);
	assert_int_equal(csum_fold(csum_add(0, b, len)), plain(b, len));
	for (int i = 0; i < 1000; i++)
		sum = csum_add(sum, b, 65536);
	assert_int_equal(csum_fold(sum), 0xffff);
	free(b);
	assert_int_equal(csum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(csum_fold(0xffffffff00000001ULL), 1);
	assert_int_equal(csum_fold(0xfffeffffULL), 0xfffe);
}

/* Scattered over pieces, cut at odd places too, the sum is the whole's. */
static void csum_add__in_pieces__as_whole(void **state)
{
	uint8_t b[257];
	uint32_t s = 3;

	(void)state;
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)rnd(&s);
	for (int round = 0; round < 2000; round++) {
		uint64_t sum = rnd(&s);
		uint16_t want = csum_fold(sum + plain(b, sizeof(b)));

		for (size_t at = 0; at < sizeof(b);) {
			size_t n = min_sz(rnd(&s) % 40, sizeof(b) - at);

			sum = at % 2 ? csum_add_odd(sum, b + at, n)
				     : csum_add(sum, b + at, n);
			at += n;
		}
		assert_int_equal(csum_fold(sum), want);
	}
}

/* RFC 9293 3.1: UDP datagram "hi" from 10.0.2.15:68 to 10.0.2.2:67. */
static void csum_pseudo4__as_written_out__same(void **state)
{
	static const uint8_t ph[] = {10, 0, 2, 15, 10, 0, 2, 2, 0, 17, 0, 10};
	uint64_t sum = csum_pseudo4(0x0a00020f, 0x0a000202, 17, 10);

	(void)state;
	assert_int_equal(csum_fold(sum), plain(ph, sizeof(ph)));
	/* Longer than 16 bits: the length of a segment to be cut later. */
	assert_int_equal(csum_fold(csum_pseudo4(0, 0, 6, 0x12345)),
			 6 + 1 + 0x2345);
}

/* RFC 1624 3: any change of a word, checked against summing again. */
static void csum_update16__any_change__as_summed_again(void **state)
{
	uint8_t b[20];
	uint32_t s = 99;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint16_t sum, old, new;

		for (size_t i = 0; i < sizeof(b); i++)
			b[i] = rnd(&s) % 3 ? (uint8_t)rnd(&s) : 0xff;
		sum = csum_finish(csum_add(0, b, 20));
		old = (uint16_t)(b[4] << 8 | b[5]);
		new = rnd(&s) % 4 ? (uint16_t)rnd(&s) : 0;
		b[4] = (uint8_t)(new >> 8);
		b[5] = (uint8_t) new;
		assert_int_equal(csum_update16(sum, old, new),
				 csum_finish(csum_add(0, b, 20)));
	}
	/* RFC 1624 4, the example that RFC 1141 got wrong. */
	assert_int_equal(csum_update16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

static void csum_pseudo6__rfc_8200_layout__as_summed_in_one_piece(void **state)
{
	struct ipaddr src = {{0xfd, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}};
	struct ipaddr dst = {{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x52, 0, 0, 0, 0, 0, 0, 1}};
	uint8_t p[40] = {0};

	(void)state;
	memcpy(p, src.b, 16);
	memcpy(p + 16, dst.b, 16);
	p[33] = 1; /* 0x12345: longer than 16 bits */
	p[34] = 0x23;
	p[35] = 0x45;
	p[39] = 58;
	assert_int_equal(csum_fold(csum_pseudo6(&src, &dst, 58, 0x12345)),
			 csum_fold(csum_add(0, p, sizeof(p))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csum__rfc1071_example__ddf2),
		cmocka_unit_test(csum__ipv4_header__verifies),
		cmocka_unit_test(
			csum_add__every_length_and_alignment__as_plain),
		cmocka_unit_test(csum_add__all_ones_64k__no_carry_lost),
		cmocka_unit_test(csum_add__in_pieces__as_whole),
		cmocka_unit_test(csum_pseudo4__as_written_out__same),
		cmocka_unit_test(
			csum_pseudo6__rfc_8200_layout__as_summed_in_one_piece),
		cmocka_unit_test(csum_update16__any_change__as_summed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
