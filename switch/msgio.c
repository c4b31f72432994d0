// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Message sockets. See msgio.h.
 *
 * The queue is a ring of records, each a length of four bytes and a frame, rounded
 * up to four. A record never wraps: when it does not fit behind the last one, the
 * rest up to the end stays unused.
 */
#include "switch/msgio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fdutil.h"
#include "switch/vswitch.h"

void msg_rx_init(struct msg_rx *rx, void *area)
{
	memset(rx, 0, sizeof(*rx));
	for (unsigned int i = 0; i < FRAME_BATCH; i++) {
		rx->v[i].iov_base = (uint8_t *)area + i * VSWITCH_RX_STRIDE;
		rx->v[i].iov_len = VSWITCH_RX_STRIDE;
		rx->m[i].msg_hdr.msg_iov = &rx->v[i];
		rx->m[i].msg_hdr.msg_iovlen = 1;
		rx->m[i].msg_hdr.msg_name = &rx->from[i];
	}
}

int msg_recv(struct msg_rx *rx, int fd)
{
	int n;

	for (unsigned int i = 0; i < FRAME_BATCH; i++)
		rx->m[i].msg_hdr.msg_namelen = sizeof(rx->from[i]);
	n = recvmmsg(fd, rx->m, FRAME_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return would_block(errno) ? 0 : -errno;
	return n;
}

bool msg_frame(const struct msg_rx *rx, int i, struct frame *f)
{
	frame_init(f, rx->v[i].iov_base, rx->m[i].msg_len);
	return !(rx->m[i].msg_hdr.msg_flags & MSG_TRUNC);
}

bool msg_gone(int err)
{
	switch (err) {
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOENT:
	case ENOTCONN:
	case ENOTDIR:
	case ENOTSOCK:
	case EPERM: /* the peer has connected to somebody else */
	case EACCES:
	case EPIPE:
	case EPROTOTYPE:
		return true;
	default:
		return false;
	}
}

/* ---- queue --------------------------------------------------------------- */

int msgq_init(struct msgq *q, struct port *port)
{
	*q = (struct msgq){.port = port};
	q->buf = malloc(MSGQ_CAP);
	return q->buf ? 0 : -ENOMEM;
}

void msgq_fini(struct msgq *q)
{
	free(q->buf);
	q->buf = NULL;
}

void msgq_clear(struct msgq *q)
{
	q->head = q->tail = q->wrap = 0;
	q->count = 0;
}

static size_t rounded(size_t len)
{
	return 4 + ((len + 3) & ~(size_t)3);
}

/* Place for a record of @need bytes, or NULL. */
static uint8_t *reserve(struct msgq *q, size_t need)
{
	uint8_t *p;

	if (!q->count)
		msgq_clear(q);
	if (q->count && q->tail <= q->head) {
		if (need > q->head - q->tail)
			return NULL;
	} else if (need > MSGQ_CAP - q->tail) {
		if (need > q->head)
			return NULL;
		q->wrap = q->tail;
		q->tail = 0;
	}
	p = q->buf + q->tail;
	q->tail += need;
	return p;
}

static void put(struct msgq *q, const struct frame *f)
{
	uint8_t *p = reserve(q, rounded(f->len));

	if (!p) {
		port_drop(q->port, DROP_FULL, 1);
		return;
	}
	memcpy(p, &f->len, 4);
	frame_copy(f, 0, p + 4, f->len);
	q->count++;
}

void msgq_keep(struct msgq *q, const struct frame *const *batch,
	       unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		put(q, batch[i]);
}

/* The record at @at, which is moved on to the next. */
static struct iovec record(const struct msgq *q, size_t *at)
{
	struct iovec v;
	uint32_t len;

	if (*at == q->wrap && q->wrap)
		*at = 0;
	memcpy(&len, q->buf + *at, 4);
	v.iov_base = q->buf + *at + 4;
	v.iov_len = len;
	*at += rounded(len);
	return v;
}

static void pop(struct msgq *q, unsigned int n)
{
	for (; n; n--, q->count--) {
		bool wraps = q->head == q->wrap && q->wrap;

		(void)record(q, &q->head);
		if (wraps)
			q->wrap = 0;
	}
}

/* ---- sending ------------------------------------------------------------- */

/*
 * Send @n messages. Returns how many are dealt with (sent, or refused one by one
 * and counted); when fewer, *st says whether to wait or to give up.
 */
static unsigned int send_all(struct msgq *q, int fd, struct mmsghdr *m,
			     unsigned int n, enum msg_state *st)
{
	unsigned int done = 0;

	*st = MSG_IDLE;
	while (done < n) {
		int r = sendmmsg(fd, m + done, n - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r > 0) {
			for (; r; r--, done++)
				port_sent(q->port, 1, m[done].msg_len);
			continue;
		}
		if (would_block(errno) || errno == ENOBUFS) {
			*st = MSG_BLOCKED;
			break;
		}
		if (msg_gone(errno)) {
			*st = MSG_GONE;
			break;
		}
		port_drop(q->port, DROP_ERROR, 1);
		done++;
	}
	return done;
}

static void aim(struct mmsghdr *m, const struct msg_addr *to, struct iovec *v,
		size_t nv)
{
	*m = (struct mmsghdr){
		.msg_hdr.msg_iov = v,
		.msg_hdr.msg_iovlen = nv,
	};
	if (to->len) {
		m->msg_hdr.msg_name = (void *)&to->ss;
		m->msg_hdr.msg_namelen = to->len;
	}
}

enum msg_state msgq_drain(struct msgq *q, int fd, const struct msg_addr *to,
			  bool *progress)
{
	struct mmsghdr m[FRAME_BATCH];
	struct iovec v[FRAME_BATCH];
	enum msg_state st = MSG_IDLE;

	while (q->count && st == MSG_IDLE) {
		unsigned int n = 0, done;
		size_t at = q->head;

		for (; n < q->count && n < FRAME_BATCH; n++) {
			v[n] = record(q, &at);
			aim(&m[n], to, &v[n], 1);
		}
		done = send_all(q, fd, m, n, &st);
		pop(q, done);
		if (done && progress)
			*progress = true;
	}
	if (st == MSG_GONE) {
		port_drop(q->port, DROP_NO_PEER, q->count);
		msgq_clear(q);
	}
	return st;
}

enum msg_state msgq_tx(struct msgq *q, int fd, const struct msg_addr *to,
		       const struct frame *const *batch, unsigned int n)
{
	enum msg_state st = msgq_drain(q, fd, to, NULL);
	struct mmsghdr m[FRAME_BATCH];
	unsigned int done = 0;

	if (st == MSG_IDLE) {
		for (unsigned int i = 0; i < n; i++)
			aim(&m[i], to, (struct iovec *)batch[i]->seg,
			    batch[i]->nseg);
		done = send_all(q, fd, m, n, &st);
	}
	if (st == MSG_GONE) {
		port_drop(q->port, DROP_NO_PEER, n - done);
		return st;
	}
	msgq_keep(q, batch + done, n - done);
	return st;
}
