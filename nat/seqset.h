/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges of TCP sequence numbers: which bytes beyond a gap somebody has. All numbers
 * of a set lie within half of their space, so that they have an order (RFC 9293 3.4).
 */
#ifndef VNET_NAT_SEQSET_H
#define VNET_NAT_SEQSET_H

#include <stdbool.h>
#include <stdint.h>

#define SEQSET_MAX 32 /* ranges; what would be one more is not added */

struct seqrange {
	uint32_t from, to; /* [from, to) */
};

/** struct seqset - Zeroed: empty. Read by its owner. */
struct seqset {
	uint32_t n;
	struct seqrange r[SEQSET_MAX]; /* ascending; between two is a gap */
};

/* May [@from, @to) be added? Not when it would be a range too many. */
bool seqset_fits(const struct seqset *s, uint32_t from, uint32_t to);

/* Add it, if it fits; false: nothing of it is new, or it does not fit. */
bool seqset_add(struct seqset *s, uint32_t from, uint32_t to);

/* Take out all that is before @seq. */
void seqset_cut(struct seqset *s, uint32_t seq);

/* How many numbers of [@from, @to) are in it; 0 if that ends before it begins. */
uint32_t seqset_count(const struct seqset *s, uint32_t from, uint32_t to);

/* The range that @seq is in or before; NULL: all are before it. */
const struct seqrange *seqset_find(const struct seqset *s, uint32_t seq);

#endif
