// SPDX-License-Identifier: GPL-2.0-or-later
/* Hash table and hash function. See htab.h. */
#include "lib/htab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int htab_init(struct htab *t, uint32_t expect, const uint64_t seed[2])
{
	uint32_t n = 16;

	while (n < expect && n < 1u << 24)
		n *= 2;
	memset(t, 0, sizeof(*t));
	t->bucket = calloc(n, sizeof(*t->bucket));
	if (!t->bucket)
		return -ENOMEM;
	t->mask = n - 1;
	if (seed)
		memcpy(t->seed, seed, sizeof(t->seed));
	return 0;
}

void htab_fini(struct htab *t)
{
	free(t->bucket);
	memset(t, 0, sizeof(*t));
}

static void grow(struct htab *t)
{
	uint32_t n = (t->mask + 1) * 2;
	struct hnode **b = calloc(n, sizeof(*b));

	if (!b)
		return;
	for (uint32_t i = 0; i <= t->mask; i++) {
		struct hnode *x = t->bucket[i], *next;

		for (; x; x = next) {
			next = x->next;
			x->next = b[x->hash & (n - 1)];
			b[x->hash & (n - 1)] = x;
		}
	}
	free(t->bucket);
	t->bucket = b;
	t->mask = n - 1;
}

void htab_add(struct htab *t, struct hnode *n, uint32_t hash)
{
	if (t->count > t->mask && t->mask < (1u << 24) - 1)
		grow(t);
	n->hash = hash;
	n->next = t->bucket[hash & t->mask];
	t->bucket[hash & t->mask] = n;
	t->count++;
}

void htab_del(struct htab *t, struct hnode *n)
{
	struct hnode **p = &t->bucket[n->hash & t->mask];

	for (; *p; p = &(*p)->next) {
		if (*p == n) {
			*p = n->next;
			n->next = NULL;
			t->count--;
			return;
		}
	}
}

void htab_walk(struct htab *t, bool (*fn)(struct hnode *n, void *arg),
	       void *arg)
{
	for (uint32_t i = 0; i <= t->mask; i++) {
		struct hnode *n = t->bucket[i], *next;

		for (; n; n = next) {
			next = n->next;
			if (!fn(n, arg))
				return;
		}
	}
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sipround(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint32_t hash_bytes(const uint64_t seed[2], const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t v[4] = {
		seed[0] ^ 0x736f6d6570736575ULL,
		seed[1] ^ 0x646f72616e646f6dULL,
		seed[0] ^ 0x6c7967656e657261ULL,
		seed[1] ^ 0x7465646279746573ULL,
	};
	uint64_t m, out, tail = (uint64_t)len << 56;

	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&m, b, 8);
		v[3] ^= m;
		sipround(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < len; i++)
		tail |= (uint64_t)b[i] << (8 * i);
	v[3] ^= tail;
	sipround(v);
	v[0] ^= tail;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sipround(v);
	out = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(out ^ out >> 32);
}
