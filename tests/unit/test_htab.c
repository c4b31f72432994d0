// SPDX-License-Identifier: GPL-2.0-or-later
/* The hash table against a plain array, and the hash against its definition. */
#include "lib/htab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 5000

struct item {
	struct hnode node;
	uint32_t key;
	bool in;
};

static struct item *find(const struct htab *t, uint32_t key, uint32_t hash)
{
	struct hnode *n = htab_find(t, hash);

	for (; n; n = htab_find_next(n))
		if (container_of(n, struct item, node)->key == key)
			return container_of(n, struct item, node);
	return NULL;
}

static uint32_t hash_of(const struct htab *t, uint32_t key)
{
	return hash_bytes(t->seed, &key, sizeof(key));
}

static void add_del__random__as_a_plain_array(void **state)
{
	struct item *item = calloc(ITEMS, sizeof(*item));
	uint32_t rng = 1, in = 0;
	struct htab t;

	(void)state;
	assert_int_equal(htab_init(&t, 1, NULL), 0);
	for (int i = 0; i < 100000; i++) {
		uint32_t k;

		rng = rng * 1664525 + 1013904223;
		k = rng >> 8;
		k %= ITEMS;
		item[k].key = k;
		if (item[k].in)
			htab_del(&t, &item[k].node);
		else
			htab_add(&t, &item[k].node, hash_of(&t, k));
		item[k].in = !item[k].in;
		in += item[k].in ? 1 : -1u;
		assert_int_equal(t.count, in);
	}
	for (uint32_t k = 0; k < ITEMS; k++)
		assert_ptr_equal(find(&t, k, hash_of(&t, k)),
				 item[k].in ? &item[k] : NULL);
	assert_true(t.mask + 1 >= in);
	htab_fini(&t);
	free(item);
}

/* All keys with one hash: found all the same, before and after growing. */
static void find__colliding_hashes__all_found(void **state)
{
	static struct item item[100];
	struct htab t;

	(void)state;
	assert_int_equal(htab_init(&t, 0, NULL), 0);
	for (uint32_t i = 0; i < 100; i++) {
		item[i].key = i;
		htab_add(&t, &item[i].node, i % 3 ? 0x10 : 0x110);
	}
	for (uint32_t i = 0; i < 100; i++) {
		assert_ptr_equal(find(&t, i, i % 3 ? 0x10 : 0x110), &item[i]);
		assert_null(find(&t, i, i % 3 ? 0x110 : 0x10));
	}
	for (uint32_t i = 0; i < 100; i += 2)
		htab_del(&t, &item[i].node);
	for (uint32_t i = 0; i < 100; i++)
		assert_ptr_equal(find(&t, i, i % 3 ? 0x10 : 0x110),
				 i % 2 ? &item[i] : NULL);
	assert_int_equal(t.count, 50);
	htab_fini(&t);
}

struct visit {
	struct htab *t;
	uint32_t seen, stop;
};

static bool delete_odd(struct hnode *n, void *arg)
{
	struct item *it = container_of(n, struct item, node);
	struct visit *v = arg;

	v->seen++;
	if (it->key & 1) {
		htab_del(v->t, n);
		memset(it, 0xee, sizeof(*it)); /* as free() would */
	}
	return v->seen != v->stop;
}

static void walk__deleting_the_visited__sees_each_once(void **state)
{
	struct item *item = calloc(1000, sizeof(*item));
	struct visit v = {0};
	struct htab t;

	(void)state;
	assert_int_equal(htab_init(&t, 4, NULL), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		item[i].key = i;
		htab_add(&t, &item[i].node, hash_of(&t, i));
	}
	v.t = &t;
	htab_walk(&t, delete_odd, &v);
	assert_int_equal(v.seen, 1000);
	assert_int_equal(t.count, 500);
	v.seen = 0;
	v.stop = 10;
	htab_walk(&t, delete_odd, &v);
	assert_int_equal(v.seen, 10);
	htab_fini(&t);
	free(item);
}

/* SipHash-1-3 with a zero key over 0, 1, 2, …: CPython 3.11's hash(bytes) under
 * PYTHONHASHSEED=0, both halves folded. */
static void hash_bytes__zero_seed__as_siphash13(void **state)
{
	static const struct {
		size_t len;
		uint32_t hash;
	} v[] = {
		{1, 0xe6a8f061},
		{4, 0xfdfa7225},
		{6, 0x818d435c},
		{7, 0xe858b8ea},
		{8, 0x946a3f0c},
		{9, 0xe0803cff},
		{15, 0x489f7ecf},
		{16, 0xbad7dd33},
		{31, 0x2786eddf},
		{64, 0xce282f13},
		{255, 0xfcf4127d},
	};
	static const uint64_t seed[2];
	uint8_t b[255];

	(void)state;
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		assert_int_equal(hash_bytes(seed, b, v[i].len), v[i].hash);
}

static void hash_bytes__other_seed_length_or_bit__differs(void **state)
{
	static const uint64_t a[2] = {1, 2}, b[2] = {1, 3}, c[2] = {2, 2};
	uint8_t p[16] = {0};
	uint32_t h = hash_bytes(a, p, 16);

	(void)state;
	assert_int_not_equal(h, hash_bytes(b, p, 16));
	assert_int_not_equal(h, hash_bytes(c, p, 16));
	assert_int_not_equal(h, hash_bytes(a, p, 15));
	for (int i = 0; i < 128; i++) {
		p[i / 8] ^= (uint8_t)(1u << (i % 8));
		assert_int_not_equal(h, hash_bytes(a, p, 16));
		p[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	assert_int_equal(h, hash_bytes(a, p, 16));
}

/* A guest chooses MACs in a row: chains must stay short. */
static void hash_bytes__keys_in_a_row__spread(void **state)
{
	static const uint64_t seed[2] = {0x1234, 0x5678};
	static uint8_t bucket[4096];
	uint8_t most = 0;

	(void)state;
	for (uint32_t i = 0; i < 4096; i++) {
		uint8_t *n = &bucket[hash_bytes(seed, &i, 4) & 4095];

		if (++*n > most)
			most = *n;
	}
	assert_true(most <= 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_del__random__as_a_plain_array),
		cmocka_unit_test(find__colliding_hashes__all_found),
		cmocka_unit_test(walk__deleting_the_visited__sees_each_once),
		cmocka_unit_test(hash_bytes__zero_seed__as_siphash13),
		cmocka_unit_test(hash_bytes__other_seed_length_or_bit__differs),
		cmocka_unit_test(hash_bytes__keys_in_a_row__spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
