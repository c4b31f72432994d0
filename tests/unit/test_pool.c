// SPDX-License-Identifier: GPL-2.0-or-later
/* The pool of objects: as calloc() and free(), and chunks go back. */
#include "lib/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 3000
#define SIZE  200

static int setup(void **state)
{
	static struct pool p;

	pool_init(&p, SIZE);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct pool *p = *state;

	pool_fini(p);
	assert_int_equal(p->chunks, 0);
	return 0;
}

static void check_bytes(const uint8_t *o, uint8_t want)
{
	for (size_t i = 0; i < SIZE; i++)
		assert_int_equal(o[i], want);
}

static void get__fresh_or_used_before__zeroed_and_aligned(void **state)
{
	struct pool *p = *state;
	uint8_t *a = pool_get(p), *b;

	assert_int_equal((uintptr_t)a % 16, 0);
	check_bytes(a, 0);
	memset(a, 0xff, SIZE);
	pool_put(p, a);
	b = pool_get(p);
	assert_ptr_equal(a, b);
	check_bytes(b, 0);
	pool_put(p, b);
	pool_put(p, NULL);
	assert_int_equal(p->used, 0);
}

static void get_put__random__nobody_shares_and_chunks_are_few(void **state)
{
	static uint8_t *o[ITEMS];
	struct pool *p = *state;
	uint32_t rng = 1, in = 0;

	for (int i = 0; i < 20 * ITEMS; i++) {
		uint32_t k = (rng = rng * 1664525 + 1013904223) >> 8;

		k %= i / ITEMS % 2 ? 100 : ITEMS; /* now a crowd, now few */
		if (o[k]) {
			check_bytes(o[k], (uint8_t)k);
			pool_put(p, o[k]);
			o[k] = NULL;
			in--;
		} else {
			o[k] = pool_get(p);
			check_bytes(o[k], 0);
			memset(o[k], (int)(uint8_t)k, SIZE);
			in++;
		}
		assert_int_equal(p->used, in);
		assert_true(p->empty <= 1);
		assert_true(p->chunks >= in / p->per_chunk);
	}
	for (int k = 0; k < ITEMS; k++) {
		pool_put(p, o[k]);
		o[k] = NULL;
	}
	assert_int_equal(p->chunks, 1);
}

static void put__crowd_leaves__one_chunk_stays(void **state)
{
	static void *o[ITEMS];
	struct pool *p = *state;

	for (int k = 0; k < ITEMS; k++)
		o[k] = pool_get(p);
	assert_int_equal(p->chunks, (ITEMS + p->per_chunk - 1) / p->per_chunk);
	for (int k = 1; k < ITEMS; k++)
		pool_put(p, o[k]);
	assert_true(p->chunks <= 2); /* one with the last, one for the next */
	pool_put(p, o[0]);
	assert_int_equal(p->chunks, 1);
	/* One that comes and goes costs no system call. */
	o[0] = pool_get(p);
	assert_int_equal(p->chunks, 1);
	pool_put(p, o[0]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(get__fresh_or_used_before__zeroed_and_aligned),
		T(get_put__random__nobody_shares_and_chunks_are_few),
		T(put__crowd_leaves__one_chunk_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
