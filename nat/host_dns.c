// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connected socket, and so a random port (RFC 5452 9.2), per query to an upstream:
 * UDP, or TCP with a length before each message (RFC 7766 8). See dns.h.
 *
 * #syscalls socket connect send sendmsg recv getsockopt close
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/bytes.h"
#include "lib/fdutil.h"
#include "nat/host.h"

struct dns_sock {
	struct event ev;
	struct host *host;
	struct dns_query *query;
	int fd;
	/* TCP: */
	size_t sent;	/* of length and query */
	uint8_t *reply; /* the answer's length, then as long as that says */
	size_t have, need;
};

static void sock_free(struct dns_sock *s)
{
	if (s->fd >= 0)
		event_del(&s->ev);
	fd_close(&s->fd);
	free(s->reply);
	free(s);
}

static void dns_close(void *arg, struct dns_query *q)
{
	(void)arg;
	if (q->host)
		sock_free(q->host);
	q->host = NULL;
}

/* ---- UDP ------------------------------------------------------------------- */

static void udp_on_readable(evutil_socket_t fd, short what, void *arg)
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

/* ---- TCP ------------------------------------------------------------------- */

static int sock_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return -errno;
	return -err;
}

/* 1: all is sent; 0: wait; or negative errno. */
static int send_query(struct dns_sock *s)
{
	struct dns_query *q = s->query;
	uint8_t len[2];
	struct iovec v[2] = {{len, 2}, {q->msg, q->len}};
	struct msghdr mh = {.msg_iov = v, .msg_iovlen = 2};
	size_t skip = s->sent < 2 ? s->sent : 2;
	ssize_t n;

	put_be16(len, q->len);
	v[0] = (struct iovec){len + skip, 2 - skip};
	v[1] = (struct iovec){q->msg + (s->sent - skip),
			      q->len - (s->sent - skip)};
	n = sendmsg(s->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return would_block(errno) ? 0 : -errno;
	s->sent += (size_t)n;
	return s->sent == q->len + 2u;
}

/* 1: a message is whole; 0: wait; or negative errno. */
static int recv_reply(struct dns_sock *s)
{
	for (;;) {
		size_t want = s->need ? s->need : 2;
		ssize_t n;

		if (s->have == want && s->need)
			return 1;
		if (s->have == want) {
			uint8_t *p;

			s->need = 2u + get_be16(s->reply);
			p = realloc(s->reply, s->need);
			if (!p)
				return -ENOMEM;
			s->reply = p;
			continue;
		}
		n = recv(s->fd, s->reply + s->have, want - s->have,
			 MSG_DONTWAIT);
		if (n <= 0)
			return n && would_block(errno) ? 0
			       : n		       ? -errno
						       : -ECONNRESET;
		s->have += (size_t)n;
	}
}

static void tcp_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dns_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	uint8_t *reply = NULL;
	int r = recv_reply(s);

	(void)fd;
	(void)what;
	if (r > 0) {
		/* Another message may follow, should this be none of ours; the
		 * query may end, and @s with it: the bytes are kept apart. */
		size_t len = s->need - 2;

		reply = s->reply;
		s->reply = malloc(2);
		s->have = s->need = 0;
		if (s->reply)
			dns_host_reply(&h->gw->dns, s->query, reply + 2, len,
				       now_ms);
		else
			r = -ENOMEM;
	}
	if (r < 0)
		dns_host_failed(&h->gw->dns, s->query, now_ms);
	h->turn_end(h->arg, now_ms); /* the answer is borrowed until here */
	free(reply);
}

static void tcp_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct dns_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	int r = sock_error(fd);

	(void)what;
	if (!r)
		r = send_query(s);
	if (r > 0) {
		event_del(&s->ev);
		event_assign(&s->ev, h->base, s->fd, EV_READ | EV_PERSIST,
			     tcp_on_readable, s);
		r = event_add(&s->ev, NULL) ? -ENOMEM : 0;
	}
	if (r < 0)
		dns_host_failed(&h->gw->dns, s->query, now_ms);
	h->turn_end(h->arg, now_ms);
}

/* ---- both ------------------------------------------------------------------ */

/* Connect, and over UDP send. */
static int begin(struct dns_sock *s, const struct dns_upstream *up)
{
	struct dns_query *q = s->query;
	struct sockaddr_storage to;
	socklen_t len = ipaddr_to_sockaddr(&up->ep.ip, up->ep.port, &to);
	int type = q->stream ? SOCK_STREAM : SOCK_DGRAM;

	if (to.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&to)->sin6_scope_id = up->scope;
	s->fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -errno;
	event_assign(&s->ev, s->host->base, s->fd,
		     (q->stream ? EV_WRITE : EV_READ) | EV_PERSIST,
		     q->stream ? tcp_on_writable : udp_on_readable, s);
	if (connect(s->fd, (struct sockaddr *)&to, len) &&
	    errno != EINPROGRESS)
		return -errno;
	if (!q->stream &&
	    send(s->fd, q->msg, q->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	if (q->stream && !(s->reply = malloc(2)))
		return -ENOMEM;
	return event_add(&s->ev, NULL) ? -ENOMEM : 0;
}

static int dns_ask(void *arg, struct dns_query *q,
		   const struct dns_upstream *up)
{
	struct dns_sock *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->host = arg;
	s->query = q;
	err = begin(s, up);
	if (err) {
		sock_free(s);
		return err;
	}
	dns_close(arg, q);
	q->host = s;
	return 0;
}

const struct dns_host host_dns_ops = {
	.ask = dns_ask,
	.close = dns_close,
};
