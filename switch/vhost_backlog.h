/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames that wait because a guest has no buffers for them: a bounded queue of
 * copies, first in, first out.
 */
#ifndef VNET_SWITCH_VHOST_BACKLOG_H
#define VNET_SWITCH_VHOST_BACKLOG_H

#include "switch/frame.h"

/* What a stream port's queue and socket hold together. Untouched, it costs nothing. */
#define VHOST_BACKLOG_CAP (512 * 1024)

struct vhost_backlog {
	uint8_t *p;
	size_t head, used;
};

int vhost_backlog_init(struct vhost_backlog *b); /* -ENOMEM */
void vhost_backlog_fini(struct vhost_backlog *b);

static inline bool vhost_backlog_empty(const struct vhost_backlog *b)
{
	return b->used == 0;
}

/* Copy a frame to the end; @tag comes back with it. false: no room. */
bool vhost_backlog_push(struct vhost_backlog *b, const struct frame *f,
			unsigned int tag);

/* The first frame, to be read until the next call; false: empty. */
bool vhost_backlog_peek(const struct vhost_backlog *b, struct frame *f,
			unsigned int *tag);

/* Forget the first frame … */
void vhost_backlog_pop(struct vhost_backlog *b);

/* … or all; returns how many. */
unsigned int vhost_backlog_clear(struct vhost_backlog *b);

#endif
