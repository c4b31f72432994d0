/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The offload work of frames in software: completing checksums and cutting large
 * TCP and UDP frames into wire-sized ones, for ports that cannot take them whole;
 * and the 12 bytes (struct virtio_net_hdr_v1) in which kernels and guests say
 * what is left undone. Functions of bytes, without allocation.
 */
#ifndef VNET_SWITCH_OFFLOAD_H
#define VNET_SWITCH_OFFLOAD_H

#include "switch/hdrs.h"
#include "switch/port.h"

#define VNET_HDR_LEN 12 /* struct virtio_net_hdr_v1; virtio 1.2, 5.1.6 */

/* Longest headers (Ethernet … TCP) of a frame with offload needs, and farthest
 * end of its checksum field; more is DROP_OFFLOAD. */
#define OFFLOAD_HDR_MAX 256

/* Most pieces that one frame is cut into: 64 KiB at TCP's smallest segment, 48
 * bytes. A guest that asks for smaller ones only wants to keep us busy. */
#define OFFLOAD_SEGS_MAX 1366
/* The same for UDP; Linux allows no more (UDP_MAX_SEGMENTS). */
#define OFFLOAD_UDP_SEGS_MAX 128

/* Which PORT_CAP_ a port needs to take @off as it is; 0 = any port can. */
uint32_t offload_caps(const struct offload *off);

/**
 * offload_check() - Do the offload facts fit the frame, and its pieces the MTU?
 * @h: filled in by hdrs_l2()
 * @mtu: bytes behind the Ethernet header and tags
 *
 * Return: true, or false and DROP_OFFLOAD or DROP_LONG in @why. A frame that
 * passes can be taken through a struct segmenter.
 */
bool offload_check(const struct frame *f, const struct hdrs *h, size_t mtu,
		   enum drop_reason *why);

/**
 * offload_infer() - Find the needs of a frame that came without metadata
 * @f: in/out; off is set
 *
 * Some peers (libkrun) let their guest leave checksums and segmentation undone
 * and strip the header that says so. A TCP or UDP checksum field that holds just
 * the pseudo header sum is unfinished; to finish it is right even if that value
 * came by chance. A TCP frame longer than @mtu is cut into segments that fit it.
 */
void offload_infer(struct frame *f, size_t mtu);

/* Place of a byte in a frame. */
struct frame_pos {
	unsigned int seg;
	size_t off;
};

/** struct segmenter - Work in progress on one frame; all members private. */
struct segmenter {
	const struct frame *f;
	struct frame_pos pos; /* next payload byte */
	size_t left;	      /* payload bytes not yet given out */
	size_t size;	      /* payload bytes per piece */
	size_t hdr_len;	      /* bytes of hdr that go in front of each piece */
	uint16_t l3, l4;
	uint16_t csum_at; /* offset of the checksum field */
	uint16_t csum_start;
	uint64_t pseudo;    /* sum that stands for the pseudo header, */
	uint32_t pseudo_len; /* which contains this length */
	uint32_t index;	     /* piece number */
	uint8_t ip, gso;
	bool leave_csum;
	bool done;
	uint8_t hdr[OFFLOAD_HDR_MAX];
};

/**
 * segmenter_init() - Start on @f, which must outlive the segmenter
 * @caps: of the port that gets the pieces: with PORT_CAP_CSUM those of a frame that
 *	is to be cut leave their checksum to it
 *
 * Return: false when the facts contradict the frame; see offload_check().
 */
bool segmenter_init(struct segmenter *s, const struct frame *f, uint32_t caps);

/**
 * segmenter_next() - The next piece
 * @out: its first segment is @buf, further ones lie in the original frame; it
 *	has no offload needs but perhaps its checksum
 *
 * IPv4 ids count up, FIN and PSH stay on the last piece, CWR on the first (RFC
 * 3168 6.1.2). Return: false when there are no more.
 */
bool segmenter_next(struct segmenter *s, struct frame *out,
		    uint8_t buf[OFFLOAD_HDR_MAX]);

/**
 * vnet_hdr_decode() - virtio_net_hdr (little endian) to facts
 * @h: at least 10 bytes; num_buffers is not looked at
 *
 * Return: false for types unknown here (UFO among them) and segmentation without
 * a checksum need. The facts still have to stand offload_check().
 */
bool vnet_hdr_decode(const uint8_t *h, struct offload *off);

/**
 * vnet_hdr_encode() - The reverse, with num_buffers 1
 * @f: the frame; its headers say how long they are, whatever @off says
 *
 * hdr_len is the whole of a frame's headers (virtio 1.2, 5.1.6.4.1): a kernel lays as
 * much of it into the first piece of its buffer, and payload into pages. Less would
 * make it pull the rest out of those, and payload begin somewhere in a page.
 */
void vnet_hdr_encode(const struct frame *f, const struct offload *off,
		     uint8_t h[VNET_HDR_LEN]);

#endif
