/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages with descriptors between our own processes (control, worker, priv), on
 * a SOCK_SEQPACKET socketpair: one send, one message. A small header carries type
 * and id; what the body means is the matter of the two ends. Non-blocking: what the
 * socket does not take waits in a bounded queue.
 */
#ifndef VNET_LIB_CHAN_H
#define VNET_LIB_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAN_BODY_MAX	 65536	     /* bytes in a body */
#define CHAN_FDS_MAX	 8	     /* descriptors in a message */
#define CHAN_QUEUE_MAX	 16384	     /* messages waiting; more is -ENOBUFS */
#define CHAN_QUEUE_BYTES (64u << 20) /* bytes waiting; likewise */

struct chan;

/**
 * struct chan_msg - A received message
 * @fd: owned by the receiver of the message: chan_msg_close() or take them
 *	(set the place to -1)
 */
struct chan_msg {
	uint16_t type;
	uint32_t id;	     /* pairs a reply with its request; 0 = none */
	const uint8_t *body; /* NUL behind it; valid until the next chan_recv() */
	size_t len;
	int fd[CHAN_FDS_MAX];
	unsigned int nfd;
};

/* Two connected ends, non-blocking and close-on-exec; negative errno. */
int chan_pair(int fd[2]);

/* Takes @fd (also on failure). NULL without memory. */
struct chan *chan_new(int fd);
void chan_free(struct chan *c);
int chan_fd(const struct chan *c);

/**
 * chan_send() - Send now or queue
 * @fds: borrowed; duplicated if the message has to wait
 *
 * Return: 0; -EMSGSIZE; -ENOBUFS when the queue is full; -EPIPE when the other
 * end is gone; -EMFILE when a waiting message's descriptors cannot be kept.
 */
int chan_send(struct chan *c, uint16_t type, uint32_t id, const void *body,
	      size_t len, const int *fds, unsigned int nfd);

/* Is something waiting (ask for writability, then chan_flush())? */
bool chan_pending(const struct chan *c);

/* Send what waits. 0 (perhaps some still waits) or -EPIPE. */
int chan_flush(struct chan *c);

/**
 * chan_recv() - Next message
 *
 * Return: 1 with @m filled; 0 at the end (other side gone); -EAGAIN when there is
 * none now; -EPROTO for a malformed one; -EMFILE when our table has no room for its
 * descriptors. Of both the message is gone and what descriptors came are closed.
 */
int chan_recv(struct chan *c, struct chan_msg *m);

/* Close the descriptors that were not taken. */
void chan_msg_close(struct chan_msg *m);

#endif
