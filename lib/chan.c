// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages with descriptors over a seqpacket socketpair. See chan.h. */
#include "lib/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/list.h"

struct wire_hdr { /* host order: both ends are one program on one machine */
	uint16_t type;
	uint16_t zero;
	uint32_t id;
};

struct waiting {
	struct list node;
	size_t len; /* header and body */
	int fd[CHAN_FDS_MAX];
	unsigned int nfd;
	uint8_t bytes[];
};

struct chan {
	int fd;
	struct list queue;
	unsigned int queued; /* messages */
	size_t queued_bytes;
	uint8_t buf[sizeof(struct wire_hdr) + CHAN_BODY_MAX + 1];
};

int chan_pair(int fd[2])
{
	int size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0, fd))
		return -errno;
	for (int i = 0; i < 2; i++) { /* best effort: capped by wmem_max */
		(void)setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size,
				 sizeof(size));
	}
	return 0;
}

struct chan *chan_new(int fd)
{
	struct chan *c = malloc(sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->queued = 0;
	c->queued_bytes = 0;
	list_init(&c->queue);
	return c;
}

static void waiting_free(struct waiting *w)
{
	for (unsigned int i = 0; i < w->nfd; i++)
		close(w->fd[i]);
	list_del(&w->node);
	free(w);
}

void chan_free(struct chan *c)
{
	if (!c)
		return;
	list_for_each_safe(w, &c->queue, struct waiting, node)
		waiting_free(w);
	close(c->fd);
	free(c);
}

int chan_fd(const struct chan *c)
{
	return c->fd;
}

static int send_now(int sock, struct iovec *iov, size_t niov, const int *fds,
		    unsigned int nfd)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
	} ctl;
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = niov};

	if (nfd) {
		struct cmsghdr *cm;

		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.b;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfd);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * nfd);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * nfd);
	}
	if (sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	if (would_block(errno) || errno == ENOBUFS || errno == ENOMEM ||
	    errno == ETOOMANYREFS)
		return -EAGAIN;
	return -EPIPE;
}

static int enqueue(struct chan *c, const struct wire_hdr *h, const void *body,
		   size_t len, const int *fds, unsigned int nfd)
{
	struct waiting *w;

	if (c->queued >= CHAN_QUEUE_MAX ||
	    c->queued_bytes + sizeof(*h) + len > CHAN_QUEUE_BYTES)
		return -ENOBUFS;
	w = calloc(1, sizeof(*w) + sizeof(*h) + len);
	if (!w)
		return -ENOBUFS;
	list_init(&w->node);
	for (; w->nfd < nfd; w->nfd++) {
		w->fd[w->nfd] = fcntl(fds[w->nfd], F_DUPFD_CLOEXEC, 3);
		if (w->fd[w->nfd] < 0) {
			waiting_free(w);
			return -EMFILE;
		}
	}
	memcpy(w->bytes, h, sizeof(*h));
	if (len)
		memcpy(w->bytes + sizeof(*h), body, len);
	w->len = sizeof(*h) + len;
	list_add_tail(&c->queue, &w->node);
	c->queued++;
	c->queued_bytes += w->len;
	return 0;
}

int chan_send(struct chan *c, uint16_t type, uint32_t id, const void *body,
	      size_t len, const int *fds, unsigned int nfd)
{
	struct wire_hdr h = {.type = type, .id = id};
	struct iovec iov[2] = {
		{.iov_base = &h, .iov_len = sizeof(h)},
		{.iov_base = (void *)body, .iov_len = len},
	};
	int r;

	if (len > CHAN_BODY_MAX || nfd > CHAN_FDS_MAX)
		return -EMSGSIZE;
	if (list_empty(&c->queue)) {
		r = send_now(c->fd, iov, len ? 2 : 1, fds, nfd);
		if (r != -EAGAIN)
			return r;
	}
	return enqueue(c, &h, body, len, fds, nfd);
}

bool chan_pending(const struct chan *c)
{
	return !list_empty(&c->queue);
}

int chan_flush(struct chan *c)
{
	list_for_each_safe(w, &c->queue, struct waiting, node) {
		struct iovec iov = {.iov_base = w->bytes, .iov_len = w->len};
		int r = send_now(c->fd, &iov, 1, w->fd, w->nfd);

		if (r == -EAGAIN)
			return 0;
		if (r)
			return r;
		c->queued--;
		c->queued_bytes -= w->len;
		waiting_free(w);
	}
	return 0;
}

static void take_fds(struct msghdr *mh, struct chan_msg *m)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm;
	     cm = CMSG_NXTHDR(mh, cm)) {
		size_t n;

		if (cm->cmsg_level != SOL_SOCKET ||
		    cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			       sizeof(fd));
			if (m->nfd < CHAN_FDS_MAX)
				m->fd[m->nfd++] = fd;
			else
				close(fd);
		}
	}
}

int chan_recv(struct chan *c, struct chan_msg *m)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int) * CHAN_FDS_MAX)];
	} ctl;
	struct iovec iov = {.iov_base = c->buf, .iov_len = sizeof(c->buf) - 1};
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl.b,
		.msg_controllen = sizeof(ctl.b),
	};
	struct wire_hdr h;
	ssize_t n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	memset(m, 0, sizeof(*m));
	if (n < 0)
		return would_block(errno) ? -EAGAIN : 0;
	take_fds(&mh, m);
	if (n == 0 && !m->nfd) /* the end, or an empty message: as bad */
		return 0;
	if ((size_t)n < sizeof(h) || (mh.msg_flags & MSG_TRUNC)) {
		chan_msg_close(m);
		return -EPROTO;
	}
	if (mh.msg_flags & MSG_CTRUNC) { /* too many, or our table is full */
		bool many = m->nfd == CHAN_FDS_MAX;

		chan_msg_close(m);
		return many ? -EPROTO : -EMFILE;
	}
	memcpy(&h, c->buf, sizeof(h));
	c->buf[n] = '\0';
	m->type = h.type;
	m->id = h.id;
	m->body = c->buf + sizeof(h);
	m->len = (size_t)n - sizeof(h);
	return 1;
}

void chan_msg_close(struct chan_msg *m)
{
	for (unsigned int i = 0; i < m->nfd; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	m->nfd = 0;
}
