/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An Ethernet frame on its way through the switch: where its bytes lie, and
 * which offload work (checksum, segmentation) its sender left undone.
 *
 * A frame owns nothing. Its bytes belong to the port that received it and are
 * valid until vswitch_input() returns; a port whose tx cannot pass them on at once
 * copies them into a bounded queue of its own or drops. So there is no reference
 * counting and no allocation on the way, and flooding hands the same frame to many.
 * Everybody but the receiving driver treats frames and bytes as read-only.
 */
#ifndef VNET_SWITCH_FRAME_H
#define VNET_SWITCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define FRAME_SEGS  19	     /* 64 KiB in pages, the headers, and one to spare */
#define FRAME_HDR   128	     /* headers that lie together in seg[0] */
#define FRAME_MAX   65549    /* ETH_HDR_LEN + 65535: the largest frame at all */
#define FRAME_MIN   14	     /* shorter than an Ethernet header: DROP_SHORT */
#define FRAME_BATCH 64	     /* most frames that travel in one batch */

struct port;

/* Segmentation still to be done; values as in virtio_net_hdr gso_type
 * (virtio 1.2, 5.1.6). */
enum gso_type {
	GSO_NONE = 0,
	GSO_TCP4 = 1,
	GSO_TCP6 = 4,
	GSO_UDP_L4 = 5, /* USO */
};

/**
 * struct offload - What is left undone, in the terms of virtio_net_hdr
 *
 * With @needs_csum the checksum field at csum_start + csum_offset holds the
 * folded pseudo header sum and the bytes from csum_start to the end have to be
 * added. gso_type != GSO_NONE implies needs_csum.
 */
struct offload {
	bool needs_csum;
	bool csum_valid; /* somebody trustworthy checked it: need not be verified */
	uint8_t gso_type; /* enum gso_type */
	bool gso_ecn;	  /* the first segment carries CWR (RFC 3168) */
	uint16_t gso_size;    /* payload bytes per segment */
	uint16_t hdr_len;     /* bytes before the payload; a hint, recomputed */
	uint16_t csum_start;  /* from the start of the frame */
	uint16_t csum_offset; /* from csum_start */
};

/**
 * struct frame - A frame in a batch
 *
 * seg[0] is private memory of the receiving port (never shared with a guest) and
 * holds at least min(len, FRAME_HDR) bytes: decisions are made on it alone.
 */
struct frame {
	/* What follows seg[0] lies where this port lent room for it (port_ops.lend);
	 * NULL: it did not. For that port alone; to others it is a frame like any. */
	const struct port *in_place;
	uint32_t len;  /* sum of the segments */
	uint16_t nseg; /* >= 1 */
	struct offload off;
	/* Last: with two of them a frame is a cache line. */
	struct iovec seg[FRAME_SEGS];
};

/* Nothing is left undone: nearly all small frames. */
static inline bool offload_none(const struct offload *off)
{
	return !off->needs_csum && off->gso_type == GSO_NONE;
}

/* A frame of one contiguous piece without offload needs. */
static inline void frame_init(struct frame *f, const void *p, size_t len)
{
	f->seg[0].iov_base = (void *)p;
	f->seg[0].iov_len = len;
	f->nseg = 1;
	f->len = (uint32_t)len;
	f->off = (struct offload){0};
	f->in_place = NULL;
}

static inline const uint8_t *frame_hdr(const struct frame *f)
{
	return f->seg[0].iov_base;
}

/* How many bytes at frame_hdr() may be looked at. */
static inline size_t frame_hdr_len(const struct frame *f)
{
	return f->seg[0].iov_len;
}

/* Copy up to @cap bytes from @offset on into @dst; returns how many. */
size_t frame_copy(const struct frame *f, size_t offset, void *dst, size_t cap);

#endif
