// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranges of sequence numbers. See seqset.h. */
#include "nat/seqset.h"

#include <string.h>

#include "nat/tcp_seg.h"

/* The first range that ends at @seq or behind it. */
static uint32_t reaches(const struct seqset *s, uint32_t seq)
{
	uint32_t i = 0;

	while (i < s->n && seq_lt(s->r[i].to, seq))
		i++;
	return i;
}

/* Behind the last range that begins at @seq or before it. */
static uint32_t begun(const struct seqset *s, uint32_t seq)
{
	uint32_t i = s->n;

	while (i && seq_lt(seq, s->r[i - 1].from))
		i--;
	return i;
}

bool seqset_fits(const struct seqset *s, uint32_t from, uint32_t to)
{
	return s->n < SEQSET_MAX || reaches(s, from) < begun(s, to);
}

bool seqset_add(struct seqset *s, uint32_t from, uint32_t to)
{
	uint32_t i = reaches(s, from), end = begun(s, to);

	if (!seq_lt(from, to) || !seqset_fits(s, from, to))
		return false;
	if (i < end) { /* it touches i to end - 1: they become one */
		if (end == i + 1 && seq_le(s->r[i].from, from) &&
		    seq_le(to, s->r[i].to))
			return false;
		if (seq_lt(s->r[i].from, from))
			from = s->r[i].from;
		if (seq_lt(to, s->r[end - 1].to))
			to = s->r[end - 1].to;
	}
	memmove(&s->r[i + 1], &s->r[end], (s->n - end) * sizeof(s->r[0]));
	s->n = s->n - (end - i) + 1;
	s->r[i] = (struct seqrange){from, to};
	return true;
}

void seqset_cut(struct seqset *s, uint32_t seq)
{
	uint32_t i = 0;

	while (i < s->n && seq_le(s->r[i].to, seq))
		i++;
	s->n -= i;
	memmove(&s->r[0], &s->r[i], s->n * sizeof(s->r[0]));
	if (s->n && seq_lt(s->r[0].from, seq))
		s->r[0].from = seq;
}

uint32_t seqset_count(const struct seqset *s, uint32_t from, uint32_t to)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t a = s->r[i].from, b = s->r[i].to;

		if (seq_lt(a, from))
			a = from;
		if (seq_lt(to, b))
			b = to;
		if (seq_lt(a, b))
			n += b - a;
	}
	return n;
}

const struct seqrange *seqset_find(const struct seqset *s, uint32_t seq)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (seq_lt(seq, s->r[i].to))
			return &s->r[i];
	return NULL;
}
