/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long to look at a ring that has run empty before the guest is asked to kick.
 *
 * To be woken by a kick costs tens of microseconds, and the kick itself costs the guest
 * some; to look again costs less than one. So a ring whose guest kicks soon after we
 * asked for it is looked at for a while next time, VHOST_POLL_MAX_US at most. As soon as
 * a wait was in vain, and the kick then took long to come, too, that ends: a guest that
 * sends now and then costs no polling, one that is silent never did.
 *
 * Where there is one processor only the guest cannot send while we look: @max_us is 0.
 */
#ifndef VNET_SWITCH_VHOST_POLL_H
#define VNET_SWITCH_VHOST_POLL_H

#include <stdbool.h>
#include <stdint.h>

#define VHOST_POLL_MIN_US 8
#define VHOST_POLL_MAX_US 64

struct vhost_poll {
	uint32_t max_us; /* 0 = never */
	uint32_t us;	 /* how long next time */
	int64_t empty_us; /* since when it has been empty; -1 = it was not */
};

static inline void vhost_poll_init(struct vhost_poll *p, uint32_t max_us)
{
	*p = (struct vhost_poll){.max_us = max_us, .empty_us = -1};
}

/* There was something in the ring. */
static inline void vhost_poll_worked(struct vhost_poll *p)
{
	p->empty_us = -1;
}

/* The ring is empty: look again at once (true), or ask for a kick? */
bool vhost_poll_stay(struct vhost_poll *p, int64_t now_us);

/* The kick that was asked for has come. */
void vhost_poll_kicked(struct vhost_poll *p, int64_t now_us);

#endif
