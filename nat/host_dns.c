// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connected UDP socket, and so a random port (RFC 5452 9.2), per query to an
 * upstream. See dns.h.
 *
 * #syscalls socket connect send recv close
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/fdutil.h"
#include "nat/host.h"

struct dns_sock {
	struct event ev;
	struct host *host;
	struct dns_query *query;
	int fd;
};

static void sock_free(struct dns_sock *s)
{
	if (s->fd >= 0)
		event_del(&s->ev);
	fd_close(&s->fd);
	free(s);
}

static void dns_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dns_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	ssize_t n = recv(fd, h->buf, HOST_DGRAM, MSG_DONTWAIT);

	(void)what;
	/* Either may end the query and with it @s: nothing of it is used after. */
	if (n >= 0)
		dns_host_reply(&h->gw->dns, s->query, h->buf, (size_t)n,
			       now_ms);
	else if (!would_block(errno))
		dns_host_failed(&h->gw->dns, s->query, now_ms);
	h->turn_end(h->arg, now_ms);
}

static void dns_close(void *arg, struct dns_query *q)
{
	(void)arg;
	if (q->host)
		sock_free(q->host);
	q->host = NULL;
}

static int dns_ask(void *arg, struct dns_query *q, const struct endpoint *up)
{
	struct dns_sock *s = calloc(1, sizeof(*s));
	struct sockaddr_storage to;
	socklen_t len = ipaddr_to_sockaddr(&up->ip, up->port, &to);
	int err;

	if (!s)
		return -ENOMEM;
	s->host = arg;
	s->query = q;
	s->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0);
	if (s->fd < 0) {
		err = -errno;
		free(s);
		return err;
	}
	event_assign(&s->ev, s->host->base, s->fd, EV_READ | EV_PERSIST,
		     dns_on_readable, s);
	if (connect(s->fd, (struct sockaddr *)&to, len) ||
	    send(s->fd, q->msg, q->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		err = -errno;
		sock_free(s);
		return err;
	}
	if (event_add(&s->ev, NULL)) {
		sock_free(s);
		return -ENOMEM;
	}
	dns_close(arg, q);
	q->host = s;
	return 0;
}

const struct dns_host host_dns_ops = {
	.ask = dns_ask,
	.close = dns_close,
};
