// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The forwards' descriptors: listening TCP and bound UDP sockets that somebody else
 * made. See forward.h.
 *
 * #syscalls accept4 setsockopt getsockname close
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/fdutil.h"
#include "nat/host.h"
#include "nat/host_tcp.h"

#define ACCEPTS 16 /* per wake-up */

struct forward_sock {
	struct event ev;
	struct event pause; /* the listener rests until it fires */
	struct host *host;
	struct forward *fwd;
	int fd;
	struct endpoint bound;
	int8_t df;
	bool plain; /* of host_send() */
	bool handed; /* clients have the listener's options; older ones are through */
	struct host_burst burst;
};

/* ---- TCP ---------------------------------------------------------------------- */

static void refuse(int fd)
{
	static const struct linger hard = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	fd_close(&fd);
}

static void accepted(struct forward_sock *s, int fd,
		     const struct sockaddr_storage *from, int64_t now_ms)
{
	struct host *h = s->host;
	struct endpoint client;
	void *sock;

	if (!s->handed)
		host_tcp_options(fd);
	if (ipaddr_from_sockaddr(from, &client.ip, &client.port) ||
	    host_tcp_adopt(h->tcp, fd, &sock)) {
		s->fwd->refused++;
		refuse(fd);
		return;
	}
	if (gateway_tcp_accept(h->gw, s->fwd, &client, sock, now_ms))
		host_tcp_ops.close(sock, true);
}

static void listener_on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct forward_sock *s = arg;

	(void)fd;
	(void)what;
	event_add(&s->ev, NULL);
}

/* Take one; false: there is none now, or none can be taken. */
static bool accept_one(struct forward_sock *s, int64_t now_ms)
{
	static const struct timeval second = {.tv_sec = 1};
	struct sockaddr_storage from = {0};
	socklen_t len = sizeof(from);
	int fd = accept4(s->fd, (struct sockaddr *)&from, &len,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		accepted(s, fd, &from, now_ms);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
	    errno == ENOMEM) {
		/* It stays readable: do not spin on it. */
		event_del(&s->ev);
		event_add(&s->pause, &second);
	}
	s->handed |= would_block(errno);
	return errno == ECONNABORTED || errno == EINTR;
}

static void tcp_on_readable(evutil_socket_t lfd, short what, void *arg)
{
	struct forward_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	unsigned int most = host_burst_ask(&s->burst, ACCEPTS), n = 0;

	(void)lfd;
	(void)what;
	while (n < most && accept_one(s, now_ms))
		n++;
	host_burst_got(&s->burst, n);
	h->turn_end(h->arg, now_ms);
}

/* ---- UDP ---------------------------------------------------------------------- */

static void read_errors(struct forward_sock *s, int64_t now_ms)
{
	uint8_t buf[128];
	struct host_err e;

	for (int i = 0; i < HOST_ERRORS; i++) {
		int r = host_recv_err(s->fd, &e, buf, sizeof(buf));

		if (r < 0)
			return;
		if (r)
			forward_udp_error(&s->host->gw->forwards, s->fwd, &e,
					  now_ms);
	}
}

static void udp_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct forward_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	int n = host_recv(h, fd, &s->burst);

	(void)what;
	for (int i = 0; i < n; i++) {
		const struct host_msg *m = &h->msg[i];
		struct udp_recv r = {
			.from = m->from, .local = m->local, .ttl = m->ttl,
			.tos = m->tos, .data = m->data, .len = m->len,
			.gso = m->gso,
		};

		forward_udp_input(&h->gw->forwards, s->fwd, &r, now_ms);
	}
	if (n <= 0)
		read_errors(s, now_ms);
	h->turn_end(h->arg, now_ms);
}

static int forward_send(void *arg, struct forward *f,
			const struct ipaddr *local, const struct udp_send *u)
{
	struct forward_sock *s = f->host;

	(void)arg;
	if (!s)
		return -ENOTCONN;
	host_set_df(s->fd, !ipaddr_is4(&u->to.ip), u->df, &s->df);
	return host_send(s->fd, u, local, &s->plain);
}

/* ---- both --------------------------------------------------------------------- */

static int watch(struct forward_sock *s)
{
	bool tcp = s->fwd->proto == IP4_TCP;

	if (event_assign(&s->ev, s->host->base, s->fd, EV_READ | EV_PERSIST,
			 tcp ? tcp_on_readable : udp_on_readable, s) ||
	    evtimer_assign(&s->pause, s->host->base, listener_on_rested, s) ||
	    event_add(&s->ev, NULL))
		return -ENOMEM;
	return 0;
}

static int bound_to(int fd, struct endpoint *out)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	return ipaddr_from_sockaddr(&ss, &out->ip, &out->port);
}

int host_forward_open(struct host *h, struct forward *f, int fd)
{
	struct forward_sock *s = calloc(1, sizeof(*s));
	int err = fd_setup(fd);

	if (!s)
		return -ENOMEM;
	s->host = h;
	s->fwd = f;
	s->fd = fd;
	s->df = -1;
	if (!err)
		err = bound_to(fd, &s->bound);
	if (f->proto == IP4_TCP)
		host_tcp_options(fd);
	else if (!err)
		err = host_recv_options(fd, !ipaddr_is4(&s->bound.ip), true);
	if (!err)
		err = watch(s);
	if (err) {
		free(s);
		return err;
	}
	f->host = s;
	return 0;
}

static void forward_close(void *arg, struct forward *f)
{
	struct forward_sock *s = f->host;

	(void)arg;
	if (!s)
		return;
	event_del(&s->ev);
	event_del(&s->pause);
	fd_close(&s->fd);
	free(s);
	f->host = NULL;
}

int host_forward_swap(struct host *h, struct forward *f, int fd)
{
	struct forward_sock *s = f->host;
	struct endpoint was = s ? s->bound : (struct endpoint){0};
	int err = 0;

	/* Who is through already does not have to come again. */
	if (s && f->proto == IP4_TCP) {
		s->burst.lonely = 0;
		tcp_on_readable(s->fd, EV_READ, s);
	}
	forward_close(h, f);
	if (fd >= 0)
		err = host_forward_open(h, f, fd);
	s = f->host;
	forward_rebound(f, &was, s ? &s->bound : NULL);
	return err;
}

const struct forward_host host_forward_ops = {
	.send = forward_send,
	.close = forward_close,
};
