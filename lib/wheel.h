/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one way to time out: a hierarchical timer wheel with O(1) arm, re-arm and
 * cancel, so that ten thousand flows cost nothing while they do nothing. It has
 * no clock: the owner passes @now_ms (monotonic milliseconds) and asks
 * wheel_deadline() when to come back. Resolution is 1 ms; never early.
 */
#ifndef VNET_LIB_WHEEL_H
#define VNET_LIB_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

#define WHEEL_LEVELS 6 /* 64 slots each: 2^36 ms, two years */
#define WHEEL_SLOTS  64
#define WHEEL_NEVER  INT64_MAX

struct wtimer;
typedef void (*wtimer_fn)(struct wtimer *t, int64_t now_ms);

/** struct wtimer - Embedded in its owner; zeroed = not armed. */
struct wtimer {
	struct list node; /* owned by the wheel while armed */
	int64_t at_ms;	  /* when to fire */
	wtimer_fn fn;	  /* set by wtimer_arm() */
};

struct wheel {
	int64_t now_ms; /* time up to which timers have fired */
	uint64_t used[WHEEL_LEVELS]; /* bit s: slot s of that level has timers */
	struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now_ms);

/**
 * wtimer_arm() - Call @fn at @at_ms, replacing an earlier arming
 *
 * A time in the past fires at the next wheel_run(). @fn may arm, cancel and
 * free any timer, its own included.
 */
void wtimer_arm(struct wheel *w, struct wtimer *t, int64_t at_ms, wtimer_fn fn);

void wtimer_cancel(struct wheel *w, struct wtimer *t);

static inline bool wtimer_armed(const struct wtimer *t)
{
	return list_linked(&t->node);
}

/* Fire everything due at @now_ms, which must not go backwards. */
void wheel_run(struct wheel *w, int64_t now_ms);

/* When wheel_run() is next worth calling; WHEEL_NEVER when nothing is armed.
 * May be earlier than the first timer (when a coarse slot must be spread). */
int64_t wheel_deadline(const struct wheel *w);

#endif
