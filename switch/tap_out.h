/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames on their way into a TAP: which of them go as one, and what becomes of a frame
 * that its kernel refuses. A core; port_tap.c has the descriptor.
 */
#ifndef VNET_SWITCH_TAP_OUT_H
#define VNET_SWITCH_TAP_OUT_H

#include "switch/port.h"

/** struct tap_out - The way out; set by the owner but for @uso_works. */
struct tap_out {
	struct port *port; /* its counters, and its caps: USO may go */
	bool vnet_hdr;	   /* a struct virtio_net_hdr_v1 comes first */
	bool uso_works;	   /* a frame of many datagrams was taken */
	/* As writev(2); 0 or the negative errno. */
	int (*write)(void *arg, const struct iovec *v, int n);
	void *arg;
};

/**
 * tap_out() - struct port_ops.tx
 *
 * Datagrams that belong together go as one frame where the port has PORT_CAP_USO
 * (gro.h). A kernel that takes the offload's name and not its frames says EINVAL:
 * then the datagrams go one by one, and if none ever went together the port loses
 * the cap, so that nobody tries again. (Once one went, a refusal is the frame's.)
 */
void tap_out(struct tap_out *o, const struct frame *const *batch,
	     unsigned int n);

#endif
