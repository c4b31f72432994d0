// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hierarchical timer wheel. See wheel.h.
 *
 * A timer sits at the lowest level where its slot index (at_ms shifted by 6 bits
 * a level) differs from now's only in that level's digit. When time enters a
 * slot of a higher level, its timers are spread over the lower ones.
 */
#include "lib/wheel.h"

#include <stddef.h>

void wheel_init(struct wheel *w, int64_t now_ms)
{
	w->now_ms = now_ms;
	for (int l = 0; l < WHEEL_LEVELS; l++) {
		w->used[l] = 0;
		for (int s = 0; s < WHEEL_SLOTS; s++)
			list_init(&w->slot[l][s]);
	}
}

static int level_of(int64_t now, int64_t at)
{
	uint64_t diff = (uint64_t)now ^ (uint64_t)at;

	for (int l = 0; l < WHEEL_LEVELS - 1; l++)
		if (diff < 1ULL << (6 * (l + 1)))
			return l;
	return WHEEL_LEVELS - 1;
}

static void insert(struct wheel *w, struct wtimer *t)
{
	/* The current slot has been served: what is due goes to the next ms. */
	int64_t at = t->at_ms > w->now_ms ? t->at_ms : w->now_ms + 1;
	int64_t horizon = w->now_ms + (1LL << (6 * WHEEL_LEVELS)) - 1 -
			  (1LL << (6 * (WHEEL_LEVELS - 1)));
	int l, s;

	if (at > horizon)
		at = horizon;
	l = level_of(w->now_ms, at);
	s = (int)((uint64_t)at >> (6 * l)) & (WHEEL_SLOTS - 1);
	list_add_tail(&w->slot[l][s], &t->node);
	w->used[l] |= 1ULL << s;
}

void wtimer_arm(struct wheel *w, struct wtimer *t, int64_t at_ms, wtimer_fn fn)
{
	list_del(&t->node);
	t->at_ms = at_ms;
	t->fn = fn;
	insert(w, t);
}

void wtimer_cancel(struct wheel *w, struct wtimer *t)
{
	(void)w; /* the slot's used bit is cleared when time passes it */
	list_del(&t->node);
}

/* Start of the next slot with timers after now; level in *@lp. */
static int64_t next_slot(const struct wheel *w, int *lp)
{
	int64_t best = WHEEL_NEVER;

	for (int l = 0; l < WHEEL_LEVELS; l++) {
		uint64_t cur = (uint64_t)w->now_ms >> (6 * l);
		unsigned int digit = (unsigned int)cur & (WHEEL_SLOTS - 1);
		uint64_t ahead = w->used[l];
		uint64_t steps, at;

		if (!ahead)
			continue;
		/* Rotate so that bit 0 is the slot after the current one. */
		digit = (digit + 1) & (WHEEL_SLOTS - 1);
		if (digit)
			ahead = ahead >> digit | ahead << (64 - digit);
		steps = (uint64_t)__builtin_ctzll(ahead) + 1;
		at = (cur + steps) << (6 * l);
		/* Slots of two levels never start at the same time: a timer of
		 * the start of a higher slot differs from an earlier now in the
		 * higher digit, so it sits in the higher slot. */
		if ((int64_t)at < best) {
			best = (int64_t)at;
			*lp = l;
		}
	}
	return best;
}

int64_t wheel_deadline(const struct wheel *w)
{
	int l = 0;

	return next_slot(w, &l);
}

void wheel_run(struct wheel *w, int64_t now_ms)
{
	int l = 0;
	int64_t at;

	while ((at = next_slot(w, &l)) <= now_ms) {
		int s = (int)((uint64_t)at >> (6 * l)) & (WHEEL_SLOTS - 1);
		struct list due;

		w->now_ms = at;
		w->used[l] &= ~(1ULL << s);
		list_init(&due);
		while (!list_empty(&w->slot[l][s])) {
			struct list *n = w->slot[l][s].next;

			list_del(n);
			list_add_tail(&due, n);
		}
		while (!list_empty(&due)) {
			struct wtimer *t =
				list_entry(due.next, struct wtimer, node);

			list_del(&t->node);
			if (t->at_ms <= w->now_ms)
				t->fn(t, now_ms);
			else
				insert(w, t);
		}
	}
	if (now_ms > w->now_ms)
		w->now_ms = now_ms;
}
