/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other side of vhost-user in a test: a front end that speaks over a socket, and a
 * guest's driver with its memory and split rings. It can do everything wrong, too.
 */
#ifndef VNET_TESTS_VHOST_GUEST_H
#define VNET_TESTS_VHOST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VG_GPA	0x100000ull
#define VG_UVA	0x7f0000000000ull
#define VG_MEM	(8u << 20)
#define VG_NUM	64	 /* entries of each ring */
#define VG_BUF	2048	 /* bytes behind each descriptor */
#define VG_RX	0
#define VG_TX	1
#define VG_RINGS 4

/* All at fixed places in the memory. */
struct vg_ring {
	uint16_t num;
	size_t desc, avail, used, bufs; /* offsets */
	uint16_t avail_idx, last_used;
	int kick, call;
};

struct vhost_guest {
	int sock;  /* ours; the back end's end is given away */
	int memfd;
	uint8_t *mem;
	uint64_t features;
	struct vg_ring q[VG_RINGS]; /* 0: receive, 1: transmit, 2: receive, … */
};

/* Makes memory, rings and a socket pair; *@backend is the other end. */
void vg_init(struct vhost_guest *g, int *backend);
void vg_fini(struct vhost_guest *g);

/* ---- the front end ---- */

/* Send a message with descriptors; flags without the version. */
void vg_send(struct vhost_guest *g, uint32_t request, uint32_t flags,
	     const void *body, size_t len, const int *fd, unsigned int nfd);

/* Read an answer; asserts its header. Returns its length. @turn is called until it
 * is there. */
size_t vg_answer(struct vhost_guest *g, uint32_t request, void *body, size_t cap,
		 void (*turn)(void *arg), void *arg);

void vg_u64(struct vhost_guest *g, uint32_t request, uint64_t v);
void vg_state(struct vhost_guest *g, uint32_t request, uint32_t i, uint32_t num);
void vg_mem_table(struct vhost_guest *g);
void vg_addr(struct vhost_guest *g, unsigned int i);
void vg_fd(struct vhost_guest *g, uint32_t request, unsigned int i, int fd);

/* Everything that QEMU says until frames flow, with @features; with VHOST_F_MQ for two
 * pairs of rings. */
void vg_start(struct vhost_guest *g, uint64_t features);

/* ---- the guest's driver ---- */

void vg_desc(struct vhost_guest *g, unsigned int q, unsigned int i,
	     uint64_t addr, uint32_t len, uint16_t flags, uint16_t next);

/* Make descriptor @head available; vg_kick() tells. */
void vg_avail(struct vhost_guest *g, unsigned int q, uint16_t head);
void vg_kick(struct vhost_guest *g, unsigned int q);

/* Where the buffer of descriptor @i lies, in the guest and here. */
uint64_t vg_buf_gpa(const struct vhost_guest *g, unsigned int q, unsigned int i);
uint8_t *vg_buf(const struct vhost_guest *g, unsigned int q, unsigned int i);

/* A buffer came back? */
bool vg_used(struct vhost_guest *g, unsigned int q, uint32_t *head,
	     uint32_t *len);

/* Give the device @n buffers of VG_BUF, descriptors 0 to @n - 1 (ring VG_RX). */
void vg_fill_rx(struct vhost_guest *g, unsigned int n);

/* Send a frame behind an empty header in descriptor @i, … */
void vg_send_frame_on(struct vhost_guest *g, unsigned int q, unsigned int i,
		      const void *frame, size_t len);

/* … of ring VG_TX. */
void vg_send_frame(struct vhost_guest *g, unsigned int i, const void *frame,
		   size_t len);

/* Was the ring signalled since the last call? */
bool vg_signalled(struct vhost_guest *g, unsigned int q);

#endif
