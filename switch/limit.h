/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * So much a second, and a little more at once: a bucket of tokens. What takes them may
 * be larger than what is in it: then the bucket owes, so that the rate holds for frames
 * of 64 KiB, too.
 */
#ifndef VNET_SWITCH_LIMIT_H
#define VNET_SWITCH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
	uint64_t rate;	/* a second; 0 = no limit */
	uint64_t burst; /* at once, after a while of nothing; > 0 */
	int64_t left;	/* thousandths of a token; below 0: owed */
	int64_t at_ms;	/* when that was */
};

/* Full again at any time after the first second. */
static inline void limit_set(struct limit *l, uint64_t rate, uint64_t burst)
{
	if (l->rate == rate && l->burst == burst)
		return;
	*l = (struct limit){.rate = rate, .burst = burst};
	l->left = (int64_t)burst * 1000;
}

/* false: not now. */
static inline bool limit_take(struct limit *l, uint64_t n, int64_t now_ms)
{
	int64_t full = (int64_t)l->burst * 1000, ms = now_ms - l->at_ms;

	if (ms > 0) {
		/* Longer gaps fill any bucket; nothing overflows. */
		if (ms > 1000000)
			ms = 1000000;
		l->left += ms * (int64_t)l->rate;
		if (l->left > full)
			l->left = full;
		l->at_ms = now_ms;
	}
	if (l->left <= 0)
		return false;
	l->left -= (int64_t)n * 1000;
	return true;
}

#endif
