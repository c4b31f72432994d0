// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A message socket with one peer: SOCK_SEQPACKET (user-mode Linux, gvproxy's bess)
 * or connected SOCK_DGRAM (vfkit's and QEMU's descriptors). See drivers.h; many
 * peers on one datagram socket are port_dgram.c.
 */
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "switch/driver_int.h"
#include "switch/msgio.h"
#include "switch/offload.h"

struct msg_port {
	struct driver drv;
	struct port port;
	struct listener listener;
	int fd; /* -1: nobody is connected */
	bool gone; /* sending found out that the peer is no more */
	struct event *rd, *wr;
	struct msgq q;
	struct msg_rx rx;
};

/* On a connected socket nothing is said about where to. */
static const struct msg_addr nowhere;

static void disconnect(struct msg_port *s)
{
	if (s->rd)
		event_free(s->rd);
	if (s->wr)
		event_free(s->wr);
	s->rd = s->wr = NULL;
	fd_close(&s->fd);
	msgq_clear(&s->q);
}

/* An empty message and the end look the same to recv(). */
static bool hung_up(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 &&
	       (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void input(struct msg_port *s, int n, int64_t now_ms)
{
	size_t mtu = vswitch_mtu(s->drv.ctx.sw);
	struct frame f[FRAME_BATCH];
	unsigned int k = 0;

	for (int i = 0; i < n; i++) {
		if (!msg_frame(&s->rx, i, &f[k]))
			port_drop(&s->port, DROP_LONG, 1);
		else
			offload_infer(&f[k++], mtu);
	}
	if (k)
		vswitch_input(&s->port, f, k, now_ms);
}

/* false: the peer is gone. */
static bool receive(struct msg_port *s, int64_t now_ms)
{
	for (int done = 0; done < DRIVER_FRAMES;) {
		int n = msg_recv(&s->rx, s->fd);
		bool end;

		if (n < 0)
			return false;
		if (!n)
			return true;
		end = s->rx.m[n - 1].msg_len == 0 && hung_up(s->fd);
		/* Ends are read again and again: */
		while (end && n && s->rx.m[n - 1].msg_len == 0)
			n--;
		input(s, n, now_ms);
		if (end)
			return false;
		if (n < FRAME_BATCH)
			return true;
		done += n;
	}
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct msg_port *s = arg;

	(void)fd;
	(void)what;
	if (receive(s, clock_mono_ms()) && !s->gone)
		return;
	disconnect(s);
	driver_peer(&s->drv, false);
}

/* A peer that is found gone in sending is left to on_readable, since tx must not
 * change the port. */
static void settle(struct msg_port *s, enum msg_state st)
{
	if (st == MSG_BLOCKED)
		event_add(s->wr, NULL);
	else
		event_del(s->wr);
	if (st == MSG_GONE) {
		s->gone = true;
		event_active(s->rd, EV_READ, 0);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct msg_port *s = arg;

	(void)what;
	settle(s, msgq_drain(&s->q, fd, &nowhere, NULL));
}

static void msg_tx(struct port *p, const struct frame *const *batch,
		   unsigned int n)
{
	struct msg_port *s = container_of(p, struct msg_port, port);

	if (s->fd < 0) {
		port_drop(p, DROP_NO_PEER, n);
		return;
	}
	settle(s, msgq_tx(&s->q, s->fd, &nowhere, batch, n));
}

/* Takes over @fd. */
static int connect_fd(struct msg_port *s, int fd)
{
	struct event_base *base = s->drv.ctx.base;

	disconnect(s);
	s->fd = fd;
	s->gone = false;
	s->rd = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->wr = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
	if (!s->rd || !s->wr || event_add(s->rd, NULL)) {
		disconnect(s);
		return -ENOMEM;
	}
	return 0;
}

static void on_conn(void *arg, int fd)
{
	struct msg_port *s = arg;
	const struct driver_events *ev = s->drv.ctx.ev;

	if (connect_fd(s, fd)) {
		driver_peer(&s->drv, false);
		return;
	}
	if (ev && ev->accepted)
		ev->accepted(ev->arg, s->drv.nic_id, fd);
	driver_peer(&s->drv, true);
}

static void msg_free(struct msg_port *s)
{
	listener_fini(&s->listener);
	disconnect(s);
	msgq_fini(&s->q);
	free(s);
}

static void msg_close(struct port *p)
{
	msg_free(container_of(p, struct msg_port, port));
}

static const struct port_ops msg_port_ops = {
	.driver = "msg",
	.tx = msg_tx,
	.close = msg_close,
};

static const struct driver_ops msg_ops = {.name = "msg"};

static int msg_start(struct msg_port *s, int listen_fd, int conn_fd)
{
	int r = listener_init(&s->listener, s->drv.ctx.base, listen_fd, on_conn,
			      s);

	if (!r)
		r = msgq_init(&s->q, &s->port);
	if (!r && conn_fd >= 0)
		r = fd_setup(conn_fd);
	if (r) {
		fd_close(&conn_fd);
		return r;
	}
	return conn_fd < 0 ? 0 : connect_fd(s, conn_fd);
}

int driver_msg(const struct driver_ctx *ctx, const struct port_spec *spec,
	       int listen_fd, int conn_fd, struct driver **out,
	       struct errtext *why)
{
	struct msg_port *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		fd_close(&listen_fd);
		fd_close(&conn_fd);
		return -ENOMEM;
	}
	driver_init(&s->drv, &msg_ops, ctx, spec);
	s->fd = -1;
	msg_rx_init(&s->rx, vswitch_rx_area(ctx->sw));
	r = msg_start(s, listen_fd, conn_fd);
	if (!r)
		r = driver_port_add(&s->drv, &s->port, &msg_port_ops, 0);
	if (r) {
		msg_free(s);
		return errtext_set(why, r, "cannot use the socket");
	}
	s->drv.only = &s->port;
	*out = &s->drv;
	if (s->fd >= 0)
		driver_peer(&s->drv, true);
	return 0;
}
