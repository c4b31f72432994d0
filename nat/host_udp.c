// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One UDP socket per mapping of udp.h.
 *
 * #syscalls socket setsockopt close
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/fdutil.h"
#include "nat/host.h"

#define PARITY_TRIES 4

struct udp_sock {
	struct event ev;
	struct host *host;
	struct udp_map *map;
	int fd;
	int8_t df; /* state of host_set_df() */
	bool plain; /* of host_send() */
	struct host_burst burst;
};

static void read_errors(struct udp_sock *s, int64_t now_ms)
{
	uint8_t buf[128];
	struct host_err e;

	for (int i = 0; i < HOST_ERRORS; i++) {
		int r = host_recv_err(s->fd, &e, buf, sizeof(buf));

		if (r < 0)
			return;
		if (r)
			udp_host_error(&s->host->gw->udp, s->map, &e, now_ms);
	}
}

static void udp_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct udp_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	int n = host_recv(h, fd, &s->burst);

	(void)what;
	for (int i = 0; i < n; i++) {
		const struct host_msg *m = &h->msg[i];
		struct udp_recv r = {
			.from = m->from, .ttl = m->ttl, .tos = m->tos,
			.data = m->data, .len = m->len,
			.gso = m->gso,
		};

		udp_host_input(&h->gw->udp, s->map, &r, now_ms);
	}
	/* With errors waiting the socket stays readable: they have their turn
	 * when no data is left. */
	if (n <= 0)
		read_errors(s, now_ms);
	h->turn_end(h->arg, now_ms);
}

static int new_socket(bool ip6)
{
	int fd = socket(ip6 ? AF_INET6 : AF_INET,
			SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, err = 0;

	if (fd < 0)
		return -errno;
	/* The same port of IPv4 is another mapping's. */
	if (ip6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		err = -errno;
	if (!err)
		err = host_recv_options(fd, ip6, false);
	if (err)
		fd_close(&fd);
	return err ? err : fd;
}

/* The guest's port if it is free and not privileged, else any of the same parity
 * (RFC 4787 REQ-3, REQ-4): one of the wrong parity has a neighbour of the right one.
 * A bound socket cannot be bound again, hence the new ones. */
static int bound_socket(bool ip6, uint16_t want, uint16_t *got)
{
	int fd = -1, err;
	uint16_t next = want >= 1024 ? want : 0;

	for (int i = 0; i <= PARITY_TRIES; i++) {
		fd_close(&fd);
		fd = new_socket(ip6);
		if (fd < 0)
			return fd;
		if (next && !host_bind(fd, ip6, next, got))
			return fd;
		err = host_bind(fd, ip6, 0, got);
		if (err) {
			fd_close(&fd);
			return err;
		}
		if (!((*got ^ want) & 1))
			return fd;
		next = *got ^ 1;
	}
	return fd;
}

static int udp_open(void *arg, struct udp_map *m, uint16_t want)
{
	struct host *h = arg;
	struct udp_sock *s;
	int err;

	/* The first one says how large they are. */
	if (!h->udp_pool.size)
		pool_init(&h->udp_pool, sizeof(*s));
	s = pool_get(&h->udp_pool);
	if (!s)
		return -ENOMEM;
	s->host = h;
	s->map = m;
	s->df = -1;
	s->fd = bound_socket(!ipaddr_is4(&m->guest.ip), want, &m->host_port);
	err = s->fd < 0 ? s->fd : 0;
	if (!err && (event_assign(&s->ev, s->host->base, s->fd,
				  EV_READ | EV_PERSIST, udp_on_readable, s) ||
		     event_add(&s->ev, NULL)))
		err = -ENOMEM;
	if (err) {
		fd_close(&s->fd);
		pool_put(&h->udp_pool, s);
		return err;
	}
	m->host = s;
	return 0;
}

static int udp_send_out(void *arg, struct udp_map *m, const struct udp_send *u)
{
	struct udp_sock *s = m->host;

	(void)arg;
	host_set_df(s->fd, !ipaddr_is4(&u->to.ip), u->df, &s->df);
	return host_send(s->fd, u, NULL, &s->plain);
}

static void udp_close(void *arg, struct udp_map *m)
{
	struct udp_sock *s = m->host;

	(void)arg;
	event_del(&s->ev);
	fd_close(&s->fd);
	pool_put(&s->host->udp_pool, s);
	m->host = NULL;
}

const struct udp_host host_udp_ops = {
	.open = udp_open,
	.send = udp_send_out,
	.close = udp_close,
};
