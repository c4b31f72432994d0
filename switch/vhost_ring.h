/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7). The driver's side is a
 * guest's, and runs at the same time: everything in shared memory is read once,
 * into a local, and judged there. What the guest cannot have meant is -EPROTO, with a
 * sentence in ring->why; the ring must not be used any more then.
 *
 * Buffers are used strictly in the order in which they were made available, and all
 * that a turn took is given back in the same turn. So the used index alone says
 * where to go on after a crash, and nothing need be kept about buffers in flight.
 */
#ifndef VNET_SWITCH_VHOST_RING_H
#define VNET_SWITCH_VHOST_RING_H

#include <sys/uio.h>

#include "switch/vhost_mem.h"

#define VRING_NUM_MAX	   32768 /* virtio 1.2, 2.7 */
#define VRING_INDIRECT_MAX 1024	 /* descriptors in one indirect table … */
#define VRING_CHAIN_MAX	   1024	 /* … and in one chain, with those of no length */
#define VRING_IOV_MAX	   512	 /* pieces of the buffers looked at together */

/* Where a ring lies, in the VMM's addresses, as SET_VRING_ADDR tells. */
struct vring_addr {
	uint64_t desc, avail, used;
	uint64_t log_gpa; /* guest physical address of used */
	bool log;	  /* writes to used are to be logged */
};

struct vring {
	struct vhost_mem *mem;
	const uint8_t *desc;
	uint8_t *avail, *used; /* desc NULL: not set up */
	uint16_t num;
	uint16_t last_avail; /* next entry to take */
	uint16_t avail_seen; /* the driver's index when last looked at */
	uint16_t used_idx;   /* next entry to fill; the driver sees it later */
	uint16_t signalled;  /* used_idx at the last vring_signal_due() */
	bool signalled_valid;
	bool event_idx, indirect; /* negotiated features */
	bool log;
	uint64_t log_gpa;
	const char *why;
};

/* Pieces of guest memory, in order. */
struct vring_iov {
	size_t len; /* sum */
	unsigned int n;
	struct iovec v[VRING_IOV_MAX];
	uint64_t gpa[VRING_IOV_MAX];
};

/* A buffer of one descriptor that lies in one piece of memory: nearly all are. */
struct vring_buf {
	uint8_t *p;
	uint32_t len; /* bytes there; for vring_push_all() those written */
	uint16_t head;
};

/**
 * vring_attach() - Find the ring in memory, and go on where the used index says
 * @num: power of two up to VRING_NUM_MAX
 *
 * Return: 0, -EINVAL with @why: it does not lie in the guest's memory, or not
 * where such a thing may lie. What was negotiated stays as it is.
 */
int vring_attach(struct vring *r, struct vhost_mem *m,
		 const struct vring_addr *a, uint32_t num,
		 struct errtext *why);

static inline void vring_detach(struct vring *r)
{
	r->desc = NULL;
}

static inline bool vring_attached(const struct vring *r)
{
	return r->desc != NULL;
}

/**
 * vring_pop() - Take the next available buffer
 * @v: its pieces are added to those that are there
 * @write: it has to be one for us to write (else: to read)
 * @head: what vring_push() wants to know it by
 *
 * Return: 1; 0: there is none; -EPROTO; -ENOBUFS: @v, which had pieces, is full
 * (nothing was taken).
 */
int vring_pop(struct vring *r, struct vring_iov *v, bool write, uint16_t *head);

/**
 * vring_pop_all() - Take available buffers as long as they are of one piece
 * @b: room for @max
 *
 * Return: how many; may be fewer than there are. 0: there are none, or, if vring_seen(), the
 * next one is for vring_pop(). -EPROTO.
 */
int vring_pop_all(struct vring *r, struct vring_buf *b, unsigned int max,
		  bool write);

/* Are there more, as far as was looked? */
static inline bool vring_seen(const struct vring *r)
{
	return r->last_avail != r->avail_seen;
}

/* Put the last @n buffers back. */
static inline void vring_unpop(struct vring *r, unsigned int n)
{
	r->last_avail = (uint16_t)(r->last_avail - n);
}

/* We are done with a buffer, of which @len bytes are written … */
void vring_push(struct vring *r, uint16_t head, uint32_t len);

/* … or with many, in the order in which they were taken … */
void vring_push_all(struct vring *r, const struct vring_buf *b, unsigned int n);

/* … and the driver may see all of those. */
void vring_publish(struct vring *r);

/* Does the driver want a signal for what was published since the last time? */
bool vring_signal_due(struct vring *r);

/* Ask the driver not to kick, as far as it listens … */
void vring_notify_off(struct vring *r);

/* … or to kick when there is more than vring_pop() has seen. true: there is
 * already. */
bool vring_notify_on(struct vring *r);

#endif
