/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames over message sockets, one a message: what port_dgram.c and port_msg.c
 * share. Receives and sends many with one system call; what a socket does not take
 * waits in a bounded queue.
 */
#ifndef VNET_SWITCH_MSGIO_H
#define VNET_SWITCH_MSGIO_H

#include <sys/socket.h>

#include "switch/port.h"

/* Bytes that wait for a slow peer, their bookkeeping included. */
#define MSGQ_CAP (512 * 1024)

/* Address of a peer on an unconnected socket; len 0 on a connected one. */
struct msg_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* ---- receiving ----------------------------------------------------------- */

struct msg_rx {
	struct mmsghdr m[FRAME_BATCH];
	struct iovec v[FRAME_BATCH];
	struct sockaddr_storage from[FRAME_BATCH];
};

/* Let @rx receive into @area (VSWITCH_RX_AREA bytes). */
void msg_rx_init(struct msg_rx *rx, void *area);

/* Up to FRAME_BATCH messages: their number, 0 = none now, or negative errno. */
int msg_recv(struct msg_rx *rx, int fd);

/* Message @i as a frame without offload needs; false when it was cut off. */
bool msg_frame(const struct msg_rx *rx, int i, struct frame *f);

/* ---- sending ------------------------------------------------------------- */

enum msg_state {
	MSG_IDLE,    /* all is sent */
	MSG_BLOCKED, /* something waits: call msgq_drain() when it may go on */
	MSG_GONE,    /* there is nobody at the other end */
};

/** struct msgq - Frames that wait for one peer, in order; all members private. */
struct msgq {
	struct port *port; /* whose counters count */
	uint8_t *buf;
	size_t head, tail; /* next record to send, next free byte */
	size_t wrap;	   /* where records end while tail <= head */
	unsigned int count;
};

int msgq_init(struct msgq *q, struct port *port); /* -ENOMEM */
void msgq_fini(struct msgq *q);
void msgq_clear(struct msgq *q);

/**
 * msgq_tx() - Send a batch behind what waits already
 *
 * All frames are sent, queued or dropped (and counted) on return: DROP_FULL when
 * the queue is, DROP_NO_PEER with MSG_GONE, DROP_ERROR when the kernel refuses
 * one.
 */
enum msg_state msgq_tx(struct msgq *q, int fd, const struct msg_addr *to,
		       const struct frame *const *batch, unsigned int n);

/* Let a batch wait: the way to the peer is not known yet. */
void msgq_keep(struct msgq *q, const struct frame *const *batch,
	       unsigned int n);

/* Send what waits; *progress is set when something went out (nullable). */
enum msg_state msgq_drain(struct msgq *q, int fd, const struct msg_addr *to,
			  bool *progress);

/* Does this errno of a send or receive say that the other end is gone? */
bool msg_gone(int err);

#endif
