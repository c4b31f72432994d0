// SPDX-License-Identifier: GPL-2.0-or-later
/* The reader and the writer of wire bytes: bounds, stickiness, byte order. */
#include "lib/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void cur__reads_in_order__big_endian(void **state)
{
	static const uint8_t b[] = {1, 2, 3, 4, 5, 6, 7, 0xff, 0xfe};
	struct cur c = cur_make(b, sizeof(b));
	uint8_t two[2];

	(void)state;
	assert_int_equal(cur_u8(&c), 1);
	assert_int_equal(cur_be16(&c), 0x0203);
	assert_int_equal(cur_be32(&c), 0x04050607);
	cur_copy(&c, two, 2);
	assert_memory_equal(two, "\xff\xfe", 2);
	assert_int_equal(c.left, 0);
	assert_true(cur_ok(&c));
}

/* An exact heap copy of every length lets ASan see one byte too many. */
static void cur__overrun_at_every_length__zeroes_and_sticks(void **state)
{
	static const uint8_t b[] = {9, 9, 9, 9, 9, 9, 9};

	(void)state;
	for (size_t n = 0; n < sizeof(b); n++) {
		uint8_t *p = malloc(n ? n : 1);
		struct cur c = cur_make(p, n);
		uint8_t seven[7];

		memcpy(p, b, n);
		cur_copy(&c, seven, 7);
		assert_false(cur_ok(&c));
		assert_memory_equal(seven, "\0\0\0\0\0\0\0", 7);
		assert_int_equal(c.left, 0);
		assert_int_equal(cur_u8(&c), 0); /* also what was there */
		assert_int_equal(cur_be16(&c), 0);
		assert_int_equal(cur_be32(&c), 0);
		assert_null(cur_bytes(&c, 0));
		assert_false(cur_ok(&c));
		free(p);
	}
}

static void cur__partial_wide_read__nothing_taken_from_it(void **state)
{
	static const uint8_t b[] = {1, 2, 3};
	struct cur c = cur_make(b, 3);

	(void)state;
	assert_int_equal(cur_be32(&c), 0);
	assert_false(cur_ok(&c));
	c = cur_make(b, 3);
	cur_skip(&c, SIZE_MAX);
	assert_false(cur_ok(&c));
}

static void cur_sub__part__bounded_and_behind(void **state)
{
	static const uint8_t b[] = {1, 2, 3, 4};
	struct cur c = cur_make(b, 4), s = cur_sub(&c, 2);

	(void)state;
	assert_int_equal(cur_be16(&s), 0x0102);
	assert_int_equal(cur_u8(&s), 0);
	assert_false(cur_ok(&s));
	assert_true(cur_ok(&c));
	assert_int_equal(cur_u8(&c), 3);
	s = cur_sub(&c, 2);
	assert_false(cur_ok(&s));
	assert_false(cur_ok(&c));
	assert_int_equal(s.left, 0);
}

/* An option without a value, an empty datagram: nothing wrong with them. */
static void cur__empty__is_ok(void **state)
{
	struct cur c = cur_make("", 0), s = cur_sub(&c, 0);

	(void)state;
	assert_true(cur_ok(&s));
	assert_true(cur_ok(&c));
	assert_non_null(cur_bytes(&c, 0));
	assert_true(cur_ok(&c));
}

/* Empty input comes as a NULL pointer, too (an empty vector, a NULL body). */
static void cur__null_and_empty__is_ok(void **state)
{
	struct cur c = cur_make(NULL, 0), s;
	uint8_t one = 7;

	(void)state;
	cur_skip(&c, 0);
	cur_copy(&c, &one, 0);
	s = cur_sub(&c, 0);
	assert_true(cur_ok(&c));
	assert_true(cur_ok(&s));
	assert_int_equal(one, 7);
	assert_int_equal(cur_u8(&c), 0);
	assert_false(cur_ok(&c));
}

static void wbuf__writes_in_order__big_endian(void **state)
{
	uint8_t b[12];
	struct wbuf w = wbuf_make(b, sizeof(b));

	(void)state;
	wbuf_u8(&w, 1);
	wbuf_be16(&w, 0x0203);
	wbuf_be32(&w, 0x04050607);
	wbuf_copy(&w, "\x08\x09", 2);
	wbuf_fill(&w, 0xaa, 3);
	assert_true(wbuf_ok(&w));
	assert_int_equal(w.len, 12);
	assert_memory_equal(b, "\1\2\3\4\5\6\7\10\11\xaa\xaa\xaa", 12);
}

static void wbuf__overflow_at_every_room__sticks_and_writes_nothing(void **state)
{
	(void)state;
	for (size_t n = 0; n < 8; n++) {
		uint8_t *p = malloc(n ? n : 1);
		struct wbuf w = wbuf_make(p, n);

		for (size_t i = 0; i < n; i++)
			wbuf_u8(&w, (uint8_t)i);
		assert_true(wbuf_ok(&w));
		wbuf_be32(&w, 0xffffffff);
		assert_false(wbuf_ok(&w));
		wbuf_u8(&w, 1);
		wbuf_copy(&w, "x", 1);
		wbuf_fill(&w, 1, 1);
		assert_null(wbuf_take(&w, 0));
		assert_int_equal(w.len, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], i);
		free(p);
	}
}

static void wbuf__too_big_but_smaller_fits__stays_bad(void **state)
{
	uint8_t b[3] = {7, 7, 7};
	struct wbuf w = wbuf_make(b, 3);

	(void)state;
	wbuf_be32(&w, 1);
	wbuf_be16(&w, 1);
	assert_false(wbuf_ok(&w));
	assert_int_equal(w.len, 0);
	assert_memory_equal(b, "\7\7\7", 3);
	w = wbuf_make(b, 3);
	assert_null(wbuf_take(&w, SIZE_MAX));
	assert_false(wbuf_ok(&w));
}

static void wbuf__nothing_copied__is_ok(void **state)
{
	struct wbuf w = wbuf_make(NULL, 0);

	(void)state;
	wbuf_copy(&w, NULL, 0);
	wbuf_fill(&w, 0, 0);
	assert_true(wbuf_ok(&w));
	wbuf_u8(&w, 0);
	assert_false(wbuf_ok(&w));
}

static void get_put__round_trip__unaligned(void **state)
{
	uint8_t b[9];

	(void)state;
	for (size_t at = 0; at < 4; at++) {
		put_be16(b + at, 0x8001);
		assert_int_equal(get_be16(b + at), 0x8001);
		put_be32(b + at, 0xfedcba98);
		assert_int_equal(get_be32(b + at), 0xfedcba98);
		assert_int_equal(b[at], 0xfe);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cur__reads_in_order__big_endian),
		cmocka_unit_test(cur__overrun_at_every_length__zeroes_and_sticks),
		cmocka_unit_test(cur__partial_wide_read__nothing_taken_from_it),
		cmocka_unit_test(cur_sub__part__bounded_and_behind),
		cmocka_unit_test(cur__empty__is_ok),
		cmocka_unit_test(cur__null_and_empty__is_ok),
		cmocka_unit_test(wbuf__writes_in_order__big_endian),
		cmocka_unit_test(
			wbuf__overflow_at_every_room__sticks_and_writes_nothing),
		cmocka_unit_test(wbuf__too_big_but_smaller_fits__stays_bad),
		cmocka_unit_test(wbuf__nothing_copied__is_ok),
		cmocka_unit_test(get_put__round_trip__unaligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
