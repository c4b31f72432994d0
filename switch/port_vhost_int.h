/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to port_vhost*.c: port_vhost.c has the connection and the loop,
 * port_vhost_rx.c brings frames to the guest, port_vhost_tx.c takes them from it.
 * (The names are the guest's: it receives from its even rings, transmits to the odd
 * ones.)
 *
 * A turn never ends the connection while frames are under way: a failure is noted in
 * @fail, and the next turn hangs up.
 */
#ifndef VNET_SWITCH_PORT_VHOST_INT_H
#define VNET_SWITCH_PORT_VHOST_INT_H

#include "lib/log.h"
#include "switch/driver_int.h"
#include "switch/steer.h"
#include "switch/vhost_backlog.h"
#include "switch/vhost_msg.h"
#include "switch/vhost_poll.h"

struct vhost_port;

/* One for each ring: its kick descriptor in the loop. */
struct vhost_kick {
	struct vhost_port *vp;
	unsigned int i;
	int fd; /* as of ev; borrowed */
	struct event *ev;
	/* rings from the guest: */
	struct vhost_poll poll;
	bool plain; /* the last buffer was of one piece: the next may be, too */
	unsigned int pauses; /* in turn, for a slow guest's sake … */
	int64_t until_us;    /* … and this one ends then */
};

#define VHOST_LEND_MAX (FRAME_SEGS - 3)

/* Frames that wait for buffers in one of the rings towards the guest: each ring has a
 * line of its own, so that one which the guest does not empty holds up no other. */
struct vhost_line {
	struct vhost_backlog back; /* memory only where a ring was usable once */
	int64_t took_ms; /* when the guest last took a frame that had waited, or
			  * when the first one of those that wait came; … */
	int64_t pace_ms; /* … and the same for some number of bytes, … */
	size_t pace;	 /* … of which it has taken these */
	bool asked; /* for buffers to lend: tell when there are some */
};

/* Buffers of the guest's that wait for a frame which is being made in them. */
struct vhost_lent {
	unsigned int n; /* 0: none */
	unsigned int ring;
	uint16_t head[VHOST_LEND_MAX];
	uint32_t len[VHOST_LEND_MAX];
	struct vring_iov iov;
};

struct vhost_port {
	struct driver drv;
	struct port port;
	struct listener listener;
	struct vhost_config cfg;
	int fd; /* -1: no front end */
	struct event *rd;
	struct event *later; /* for what is left to the next turn */
	/* the message that is coming in */
	uint8_t in[VHOST_HDR_LEN + VHOST_BODY_MAX];
	size_t have, need;
	int fds[VHOST_FDS_MAX];
	unsigned int nfd;
	struct vhost_dev dev; /* while fd >= 0 */
	struct vhost_kick kick[VHOST_VQS];
	uint32_t todo;	  /* rings to look at in the next turn, as bits */
	uint32_t polled;  /* rings without a kick descriptor */
	uint32_t paused;  /* rings to leave alone until their until_us */
	uint32_t touched; /* rings with buffers given back, not yet published */
	size_t hdr_len;	  /* of struct virtio_net_hdr */
	bool mrg, mq, ecn;
	uint8_t rxq[VHOST_VQS]; /* usable rings towards the guest */
	unsigned int nrxq;
	uint32_t rx_mask; /* the same, as bits */
	struct steer steer;
	struct vhost_line line[VHOST_VQS / 2]; /* ring i: i / 2 */
	struct vring_iov iov; /* of the buffer in hand; large, so not on the stack */
	struct vhost_lent lent;
	const char *fail; /* why the connection is to end */
	int64_t barred_ms; /* takes no connection until then */
	struct log_budget budget;
};

/* ---- port_vhost.c ---- */

/* End the connection in the next turn. */
void vhost_port_fail(struct vhost_port *vp, const char *why);

/* Look at ring @i in the next turn. */
void vhost_port_again(struct vhost_port *vp, unsigned int i);

/* Look at it in @ms, and not before, whoever asks. */
void vhost_port_pause(struct vhost_port *vp, unsigned int i, unsigned int ms);

/* Publish what was given back of a ring and signal it if the guest wants that. */
void vhost_port_done(struct vhost_port *vp, unsigned int i);

/* ---- port_vhost_rx.c ---- */

/* struct port_ops.tx */
void vhost_rx(struct port *p, const struct frame *const *batch, unsigned int n);

/* struct port_ops.room, lend, unlend */
size_t vhost_room(const struct port *p, uint32_t flow);
int vhost_lend(struct port *p, uint32_t flow, size_t *len, struct iovec *v);
void vhost_unlend(struct port *p);

/* The guest has put buffers into its ring @i. */
void vhost_rx_kicked(struct vhost_port *vp, unsigned int i);

/* A frame came on ring @i: frames of its flow are to go to the ring beside that one. */
void vhost_rx_follow(struct vhost_port *vp, unsigned int i,
		     const struct frame *f);

/* Rings changed. What waits for those that were usable, and are, goes on waiting; the rest
 * was meant for a guest that is no more. Nothing may be lent. */
void vhost_rx_reset(struct vhost_port *vp);

/* Nothing may wait or be lent any more: drop it. */
void vhost_rx_clear(struct vhost_port *vp);

/* ---- port_vhost_tx.c ---- */

/* The guest has put frames into its ring @i. */
void vhost_tx_kicked(struct vhost_port *vp, unsigned int i);

#endif
