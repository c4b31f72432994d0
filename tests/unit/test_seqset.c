// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core */
/* Against a map of bytes, around the wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nat/seqset.h"

#define BASE 0xffffff80u /* numbers wrap in the middle of the map */
#define SPAN 256u

static void assert_is(const struct seqset *s, const uint8_t *map)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t from = s->r[i].from - BASE, to = s->r[i].to - BASE;

		assert_true(from < to && to <= SPAN);
		assert_true(!i || from > at); /* a gap */
		for (; at < from; at++)
			assert_int_equal(map[at], 0);
		for (; at < to; at++)
			assert_int_equal(map[at], 1);
	}
	for (; at < SPAN; at++)
		assert_int_equal(map[at], 0);
}

static uint32_t count(const uint8_t *map, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (; from < to; from++)
		n += map[from];
	return n;
}

static void seqset_add__anything__as_a_map_of_bytes(void **state)
{
	struct seqset s = {0};
	uint8_t map[SPAN] = {0};

	(void)state;
	srand(7);
	for (int k = 0; k < 20000; k++) {
		uint32_t from = (uint32_t)rand() % SPAN;
		uint32_t to = from + 1 + (uint32_t)rand() % 6;
		bool fits, news;

		if (to > SPAN)
			to = SPAN;
		fits = seqset_fits(&s, BASE + from, BASE + to);
		news = fits && count(map, from, to) < to - from;
		assert_int_equal(seqset_count(&s, BASE + from, BASE + to),
				 count(map, from, to));
		assert_int_equal(seqset_add(&s, BASE + from, BASE + to), news);
		if (news)
			memset(map + from, 1, to - from);
		assert_is(&s, map);
		if (k % 40 == 0) {
			from = (uint32_t)rand() % (SPAN + 1);
			seqset_cut(&s, BASE + from);
			memset(map, 0, from);
			assert_is(&s, map);
		}
	}
}

static void seqset_add__full__only_what_joins(void **state)
{
	struct seqset s = {0};

	(void)state;
	for (uint32_t i = 0; i < SEQSET_MAX; i++)
		assert_true(seqset_add(&s, BASE + 4 * i, BASE + 4 * i + 2));
	assert_int_equal(s.n, SEQSET_MAX);
	assert_false(seqset_fits(&s, BASE + 4 * SEQSET_MAX,
				 BASE + 4 * SEQSET_MAX + 1));
	assert_false(seqset_add(&s, BASE + 4 * SEQSET_MAX,
				BASE + 4 * SEQSET_MAX + 1));
	assert_true(seqset_add(&s, BASE + 2, BASE + 3)); /* longer */
	assert_true(seqset_add(&s, BASE + 3, BASE + 4)); /* two are one */
	assert_int_equal(s.n, SEQSET_MAX - 1);
	assert_false(seqset_add(&s, BASE + 1, BASE + 1)); /* nothing */
}

static void seqset_find__in_before_behind__the_next_range(void **state)
{
	struct seqset s = {0};

	(void)state;
	assert_null(seqset_find(&s, BASE));
	seqset_add(&s, BASE + 10, BASE + 20);
	seqset_add(&s, BASE + 200, BASE + 210);
	assert_int_equal(seqset_find(&s, BASE)->from, BASE + 10);
	assert_int_equal(seqset_find(&s, BASE + 19)->from, BASE + 10);
	assert_int_equal(seqset_find(&s, BASE + 20)->from, BASE + 200);
	assert_null(seqset_find(&s, BASE + 210));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seqset_add__anything__as_a_map_of_bytes),
		cmocka_unit_test(seqset_add__full__only_what_joins),
		cmocka_unit_test(seqset_find__in_before_behind__the_next_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
