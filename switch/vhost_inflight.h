/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory that a front end keeps for a back end's successor (vhost-user,
 * "Inflight I/O tracking"). We make it as asked for, and leave it empty: no buffer
 * of ours is ever in flight when a turn is over (vhost_ring.h).
 */
#ifndef VNET_SWITCH_VHOST_INFLIGHT_H
#define VNET_SWITCH_VHOST_INFLIGHT_H

#include <stdint.h>

#include "lib/errtext.h"

/* Body of the answer: u64 size, u64 offset, u16 queues, u16 queue size, padded. */
#define VHOST_INFLIGHT_BODY 24

/**
 * vhost_inflight_new() - A memfd for @queues rings of @num descriptors
 *
 * Return: descriptor, *@size bytes long, or negative errno with @why.
 */
int vhost_inflight_new(uint16_t queues, uint16_t num, uint64_t *size,
		       struct errtext *why);

#endif
