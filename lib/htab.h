/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one hash table: intrusive nodes, chained, growing by doubling. The caller
 * supplies the hash (use hash_bytes() with the table's seed, so that a guest
 * cannot choose colliding keys) and compares keys itself while walking a chain.
 */
#ifndef VNET_LIB_HTAB_H
#define VNET_LIB_HTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/compat.h"

struct hnode {
	struct hnode *next; /* chain; owned by the table */
	uint32_t hash;
};

struct htab {
	struct hnode **bucket;
	uint32_t mask;	 /* buckets - 1; a power of two */
	uint32_t count;	 /* nodes in the table */
	uint64_t seed[2]; /* secret of this table, for hash_bytes() */
};

/**
 * htab_init() - Make an empty table
 * @expect: entries expected; the table grows beyond by itself
 * @seed: 16 secret bytes, or NULL for a fixed seed (tests)
 *
 * Return: 0 or -ENOMEM.
 */
int htab_init(struct htab *t, uint32_t expect, const uint64_t seed[2]);

/* Free the table's own memory; the nodes belong to the caller. */
void htab_fini(struct htab *t);

/* Insert; never fails (without memory to grow, chains become longer). */
void htab_add(struct htab *t, struct hnode *n, uint32_t hash);

/* Remove; @n must be in @t. */
void htab_del(struct htab *t, struct hnode *n);

/* First node whose 32-bit hash equals @hash, or NULL. */
static inline struct hnode *htab_find(const struct htab *t, uint32_t hash)
{
	struct hnode *n = t->bucket[hash & t->mask];

	while (n && n->hash != hash)
		n = n->next;
	return n;
}

/* Next node with the same hash, or NULL. */
static inline struct hnode *htab_find_next(const struct hnode *n)
{
	uint32_t hash = n->hash;

	do
		n = n->next;
	while (n && n->hash != hash);
	return (struct hnode *)n;
}

/**
 * htab_walk() - Visit every node, in no order
 * @fn: returns false to stop; may delete the node it was given, no other
 */
void htab_walk(struct htab *t, bool (*fn)(struct hnode *n, void *arg),
	       void *arg);

/* SipHash-1-3 of @len bytes, folded to 32 bits. */
uint32_t hash_bytes(const uint64_t seed[2], const void *p, size_t len);

#endif
