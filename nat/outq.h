/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way to the guests, collected into batches in memory that was
 * reserved at the start. While it is held (the switch is delivering to us) frames wait,
 * and what does not fit is dropped and counted; else a full queue empties itself.
 */
#ifndef VNET_NAT_OUTQ_H
#define VNET_NAT_OUTQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "switch/frame.h"

#define OUTQ_FRAMES 256
#define OUTQ_ARENA  (384 * 1024) /* payload copies */

/* Takes a batch of 1 … FRAME_BATCH frames, borrowed until return. */
typedef void (*outq_send_fn)(void *arg, const struct frame *f, unsigned int n);

struct outq;

/* NULL when out of memory. */
struct outq *outq_new(outq_send_fn send, void *arg);
void outq_free(struct outq *q);

/**
 * outq_put() - Queue a frame
 * @hdr: its first bytes, copied; at most FRAME_HDR
 * @v, @n: what follows; copied unless @lent, then borrowed until outq_flush()
 *	returns. Lent payload is possible only while not held (asserted).
 * @off: offload needs, with csum_start from the start of the frame
 *
 * Return: 0, -ENOBUFS (counted), -EMSGSIZE (too many pieces or bytes).
 */
int outq_put(struct outq *q, const uint8_t *hdr, size_t hdr_len,
	     const struct iovec *v, int n, const struct offload *off,
	     bool lent);

/* From now on lent payload lies where @to lent room for it (struct frame.in_place); NULL:
 * it does not. */
void outq_in_place(struct outq *q, const struct port *to);

/* Send all there is, also while held. */
void outq_flush(struct outq *q);

/* Hold (true) or let go; letting go does not send. */
void outq_hold(struct outq *q, bool hold);
bool outq_held(const struct outq *q);

/* Bytes of the frames that are queued now. */
size_t outq_bytes(const struct outq *q);

/* Frames dropped for want of room. */
uint64_t outq_dropped(const struct outq *q);

#endif
