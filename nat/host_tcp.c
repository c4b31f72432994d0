// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TCP sockets of the host, as tcp.h wants them.
 *
 * Events are edge triggered and registered once, for both directions: nothing is
 * switched on or off while a guest's window opens and closes, and bytes that wait
 * in the socket for the guest's acknowledgement wake nobody up. The kernel
 * reports "writable" only after it had to refuse bytes or was asked by poll().
 */
#include "nat/host_tcp.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "lib/inet.h"
#include "lib/list.h"
#include "lib/pool.h"
#include "nat/host.h"
#include "nat/host_ports.h"
#include "nat/host_rest.h"
#include "nat/tcp.h"

/* Bytes that may wait for an acknowledgement where the kernel cannot peek at an
 * offset: all of them are copied again for each peek. */
#define SKIP_BYTES (128 * 1024)
#define PEEK_IOV   TCP_LEND_PIECES
#define KEEP_IDLE_MIN_S	10 /* how soon guests can make the host ask an outside */
#define KEEP_INTVL_S	75 /* the kernel's own */
#define SPACE_GUESS 65536 /* should SO_MEMINFO (Linux 4.12) be missing */
#define CLOSING_MAX 8	  /* descriptors that wait to be closed */
#define FRESH_USES 256	  /* sockets that one look at a new one's buffer serves */

struct host_tcp {
	struct event_base *base;
	host_tcp_now_fn now;
	void *now_arg;
	struct host_sock *current; /* its event is being handled */
	bool peek_off;
	uint8_t *skip; /* where skipped bytes go; nobody reads it */
	struct host_ports ports;
	struct list closing; /* sockets that are of no use to anybody any more … */
	unsigned int nclosing;
	struct host_rest rest; /* … closed by this */
	struct pool pool; /* of struct host_sock */
	size_t fresh_space; /* of a socket that has sent nothing yet … */
	unsigned int fresh_uses; /* … may still be believed so often */
	struct host_tcp_stats stats;
};

struct host_sock {
	struct list closing; /* host_tcp.closing */
	struct host_tcp *h;
	struct tcp_flow *flow; /* borrowed from the core until close() */
	struct host_port *port; /* what it is bound to; nullable */
	struct event ev;
	int fd;
	bool connecting;
	bool ip6;
	bool short_way; /* its first packets have a TTL of the guest's */
	bool over;	 /* close() was called */
	bool want_write; /* the core waits for tcp_host_writable() */
	bool ended;	 /* peek() saw the end of the stream */
	bool closed;	 /* an event said that it has one */
	bool at_mark;	 /* a peek from the first byte on ends at urgent data */
	uint8_t sends;	 /* send() was called; stops at 2 */
	bool peek_off;	 /* the kernel can peek at an offset for this socket … */
	bool peek_on;	 /* … and does: each peek moves it on … */
	size_t peek_at;	 /* … from here */
};

static void close_all(void *arg);

static bool can_peek_off(int fd)
{
	int zero = 0;

	return !setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero));
}

int host_tcp_new(struct event_base *base, enum host_tcp_peek peek,
		 host_tcp_now_fn now, void *now_arg, struct host_tcp **out)
{
	struct host_tcp *h;
	int fd;

	if (!(event_base_get_features(base) & EV_FEATURE_ET))
		return -ENOTSUP;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->base = base;
	h->now = now;
	h->now_arg = now_arg;
	pool_init(&h->pool, sizeof(struct host_sock));
	list_init(&h->closing);
	h->skip = malloc(SKIP_BYTES);
	if (!h->skip || host_ports_init(&h->ports) ||
	    host_rest_init(&h->rest, base, close_all, h)) {
		host_tcp_free(h);
		return -ENOMEM;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	h->peek_off = peek == HOST_TCP_PEEK_AUTO && fd >= 0 && can_peek_off(fd);
	fd_close(&fd);
	*out = h;
	return 0;
}

void host_tcp_free(struct host_tcp *h)
{
	if (!h)
		return;
	close_all(h);
	host_rest_fini(&h->rest);
	host_ports_fini(&h->ports);
	pool_fini(&h->pool);
	free(h->skip);
	free(h);
}

void host_tcp_stats(const struct host_tcp *h, struct host_tcp_stats *out)
{
	*out = h->stats;
	out->peek_off = h->peek_off;
}

/* ---- events -------------------------------------------------------------- */

static int pending_error(const struct host_sock *s)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -errno;
	return -err;
}

/* A TTL below this is meant to end on the way: traceroute. Others are the host's
 * own; the guest may count from another number. */
#define TTL_TRACED 32

static void set_int(const struct host_sock *s, int level, int opt, int v)
{
	(void)setsockopt(s->fd, level, opt, &v, sizeof(v));
}

/* While it connects, whatever the way says is told to the guest as it was. IPv4's
 * sockets hear that unasked. IPv6's have to ask, and no longer than that: such errors
 * must not end a connection (RFC 1122 4.2.3.9, RFC 5382 REQ-10). */
static void listen_to_way(struct host_sock *s, bool on, uint8_t ttl)
{
	if (s->ip6)
		set_int(s, IPPROTO_IPV6, IPV6_RECVERR, on);
	if (on && ttl && ttl < TTL_TRACED)
		s->short_way = true;
	if (s->short_way && s->ip6)
		set_int(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, on ? ttl : -1);
	else if (s->short_way)
		set_int(s, IPPROTO_IP, IP_TTL, on ? ttl : -1);
}

/* Each call of the core may close the socket: then nothing is current. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct host_sock *s = arg;
	struct host_tcp *h = s->h;
	int64_t now;
	int err;

	(void)fd;
	if (s->over)
		return;
	now = h->now(h->now_arg);
	h->current = s;
	s->closed |= (what & EV_CLOSED) != 0;
	if (s->connecting) {
		if (!(what & EV_WRITE))
			return;
		/* An error is readable, too. */
		err = what & EV_READ ? pending_error(s) : 0;
		s->connecting = false;
		if (!err)
			listen_to_way(s, false, 0);
		tcp_host_connected(s->flow, err, now);
	}
	if (h->current && s->ended && (err = pending_error(s)))
		tcp_host_error(s->flow, err, now);
	if (h->current && what & (EV_READ | EV_CLOSED))
		tcp_host_readable(s->flow, now);
	if (h->current && what & EV_WRITE && s->want_write) {
		s->want_write = false;
		tcp_host_writable(s->flow, now);
	}
	h->current = NULL;
}

static int watch(struct host_sock *s)
{
	event_assign(&s->ev, s->h->base, s->fd,
		     EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
		     on_event, s);
	return event_add(&s->ev, NULL) ? -ENOMEM : 0;
}

/* ---- life ---------------------------------------------------------------- */

/* Accepted sockets have it from their listener. */
void host_tcp_options(int fd)
{
	int one = 1;

	/* An outside that is no more is noticed in the host's own time (two hours
	 * unless its administrator says otherwise, RFC 1122 4.2.3.6). */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	/* Urgent bytes are part of the stream (RFC 6093 4). */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
}

/* Takes @fd over on success only. */
static struct host_sock *sock_new(struct host_tcp *h, int fd)
{
	struct host_sock *s = pool_get(&h->pool);

	if (!s)
		return NULL;
	s->h = h;
	s->fd = fd;
	s->peek_off = h->peek_off;
	h->stats.sockets++;
	return s;
}

static void sock_free(struct host_sock *s)
{
	if (event_initialized(&s->ev))
		event_del(&s->ev);
	fd_close(&s->fd);
	host_ports_put(s->port);
	pool_put(&s->h->pool, s);
}

static void close_all(void *arg)
{
	struct host_tcp *h = arg;
	struct host_sock *s;

	while ((s = list_first(&h->closing, struct host_sock, closing))) {
		list_del(&s->closing);
		sock_free(s);
	}
	h->nclosing = 0;
}

/* NULL: see *@err. */
static struct host_sock *sock_open(struct host_tcp *h, int family, int *err)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct host_sock *s;

	if (fd < 0) {
		*err = -errno;
		h->stats.no_descriptor++;
		return NULL;
	}
	s = sock_new(h, fd);
	if (!s) {
		*err = -ENOMEM;
		close(fd);
		return NULL;
	}
	host_tcp_options(fd);
	return s;
}

/* @own_port: by the port of the guest's endpoint, else by any. */
static int try_connect(struct host_tcp *h, struct tcp_flow *f,
		       const struct tcp_call *c, bool own_port,
		       struct host_sock **out)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&c->to.ip, c->to.port, &ss);
	int err = 0;
	struct host_sock *s = sock_open(h, ss.ss_family, &err);

	if (!s)
		return err;
	s->flow = f;
	s->connecting = true;
	s->ip6 = ss.ss_family == AF_INET6;
	listen_to_way(s, true, c->ttl);
	if (own_port)
		s->port = host_ports_bind(&h->ports, s->fd, ss.ss_family,
					  &c->guest, c->to.port);
	if (connect(s->fd, (struct sockaddr *)&ss, len) < 0 &&
	    errno != EINPROGRESS && errno != EINTR)
		err = -errno;
	if (!err)
		err = watch(s);
	if (err) {
		h->stats.sockets--;
		sock_free(s);
	} else {
		*out = s;
	}
	return err;
}

static int op_connect(void *host, struct tcp_flow *f,
		      const struct tcp_call *call, void **sock)
{
	struct host_tcp *h = host;
	struct host_sock *s = NULL;
	int err = try_connect(h, f, call, true, &s);

	/* It may be one of ours that has ended, or they have the descriptors. */
	if (err && h->nclosing) {
		close_all(h);
		err = try_connect(h, f, call, true, &s);
	}
	/* From this port the host has, or just had, a connection to there. */
	if (err == -EADDRNOTAVAIL)
		err = try_connect(h, f, call, false, &s);
	if (!err)
		*sock = s;
	return err;
}

static bool op_why(void *sock, struct tcp_icmp *out)
{
	const struct host_sock *s = sock;
	struct host_err e;
	uint8_t buf[64];
	int r;

	do
		r = host_recv_err(s->fd, &e, buf, sizeof(buf));
	while (!r);
	if (r < 0 || ipaddr_is_zero(&e.from))
		return false;
	*out = (struct tcp_icmp){e.from, e.type, e.code};
	return true;
}

int host_tcp_adopt(struct host_tcp *h, int fd, void **sock)
{
	struct host_sock *s = sock_new(h, fd);

	if (!s)
		return -ENOMEM;
	*sock = s;
	return 0;
}

static void op_attach(void *sock, struct tcp_flow *f)
{
	struct host_sock *s = sock;

	s->flow = f;
	/* Without memory for the event the flow hears nothing and times out. */
	(void)watch(s);
}

/* That takes a while, and who asks for it has something to do for others. */
static void op_close(void *sock, bool reset)
{
	struct host_sock *s = sock;
	struct host_tcp *h = s->h;
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	if (reset)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard,
				 sizeof(hard));
	s->over = true;
	h->stats.sockets--;
	if (h->current == s)
		h->current = NULL;
	list_add_tail(&h->closing, &s->closing);
	if (++h->nclosing >= CLOSING_MAX)
		close_all(h);
	else
		host_rest_ask(&h->rest);
}

static void op_shutdown_wr(void *sock)
{
	struct host_sock *s = sock;

	(void)shutdown(s->fd, SHUT_WR);
}

/* ---- bytes --------------------------------------------------------------- */

/* What is sent first waits for nothing, with or without TCP_NODELAY; many connections
 * end with it. */
static void note_send(struct host_sock *s)
{
	int one = 1;

	if (s->sends < 2 && ++s->sends == 2)
		(void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
}

static ssize_t op_send(void *sock, const struct iovec *v, int n)
{
	struct host_sock *s = sock;
	struct msghdr m = {.msg_iov = (struct iovec *)v,
			   .msg_iovlen = (size_t)n};
	size_t len = 0;
	ssize_t r;

	note_send(s);
	r = sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (r < 0 && !would_block(errno))
		return -errno;
	for (int i = 0; i < n; i++)
		len += v[i].iov_len;
	if (r < 0 || (size_t)r < len)
		s->want_write = true; /* the kernel has noted that, too */
	return r < 0 ? -EAGAIN : r;
}

static ssize_t peek(struct host_sock *s, struct iovec *v, int n)
{
	struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
	ssize_t r = recvmsg(s->fd, &m, MSG_PEEK | MSG_DONTWAIT);

	if (r < 0)
		return would_block(errno) ? -EAGAIN : -errno;
	return r;
}

/* The kernel begins at its own offset and moves it on by itself, once it was told one:
 * short answers never need that. */
static ssize_t peek_at(struct host_sock *s, size_t off, const struct iovec *v,
		       int n)
{
	ssize_t r;

	if (off != s->peek_at) {
		int at = (int)off;

		if (setsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &at,
			       sizeof(at)) < 0)
			return -errno;
		s->peek_on = true;
		s->peek_at = off;
	}
	r = peek(s, (struct iovec *)v, n);
	if (r > 0 && s->peek_on)
		s->peek_at += (size_t)r;
	return r;
}

/* Nothing lies behind the bytes that were skipped; why? 1 = the stream ended. */
static int why_nothing(struct host_sock *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};

	if (poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	if (p.revents & POLLERR)
		return pending_error(s);
	return p.revents & POLLRDHUP ? 1 : -EAGAIN;
}

/* From the first byte on, the first @off of them into the skip area. */
static ssize_t peek_over(struct host_sock *s, size_t off,
			 const struct iovec *v, int n)
{
	struct iovec all[PEEK_IOV + 1] = {{s->h->skip, off}};
	int why, queued = 0;
	ssize_t r;

	if (off > SKIP_BYTES || n > PEEK_IOV)
		return -EINVAL;
	memcpy(&all[1], v, (size_t)n * sizeof(*v));
	if (!off)
		return peek(s, all + 1, n);
	r = peek(s, all, n + 1);
	if (r < 0 || (size_t)r > off)
		return r < 0 ? r : r - (ssize_t)off;
	if (!ioctl(s->fd, FIONREAD, &queued) && (size_t)queued > off) {
		/* There is more, but no single peek goes beyond the mark of
		 * urgent data: when what lies before it is discarded. */
		s->at_mark = true;
		return -EAGAIN;
	}
	why = why_nothing(s);
	if (why <= 0)
		return why ? why : -EAGAIN;
	/* Bytes may have come before the end and after the first look. */
	r = peek(s, all, n + 1);
	return r < 0 ? r : (size_t)r > off ? r - (ssize_t)off : 0;
}

static ssize_t op_peek(void *sock, size_t off, const struct iovec *v, int n)
{
	struct host_sock *s = sock;
	ssize_t r = s->peek_off ? peek_at(s, off, v, n)
				: peek_over(s, off, v, n);

	if (!r)
		s->ended = true;
	return r;
}

/* The end would have been told with the bytes or will be in an event of its own. */
static bool op_quiet(void *sock)
{
	const struct host_sock *s = sock;

	return s->peek_off && !s->closed;
}

static int op_discard(void *sock, size_t len)
{
	struct host_sock *s = sock;

	while (len) {
		/* TCP throws bytes away without copying them (tcp(7)). */
		ssize_t r = recv(s->fd, NULL, len, MSG_TRUNC | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EIO;
		len -= (size_t)r;
		/* The kernel's offset counts from the first unread byte. */
		s->peek_at -= min_sz(s->peek_at, (size_t)r);
	}
	if (s->at_mark)
		event_active(&s->ev, EV_READ, 0);
	s->at_mark = false;
	return 0;
}

static size_t op_peek_limit(void *sock)
{
	const struct host_sock *s = sock;

	return s->peek_off ? SIZE_MAX : SKIP_BYTES;
}

/* Free bytes of the send buffer; whether they are less than a third, which is what
 * poll() calls not writable, in *@low. */
static size_t free_bytes(const struct host_sock *s, bool *low)
{
	uint32_t mem[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(mem);
	size_t buf, used;

	*low = false;
	if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0)
		return SPACE_GUESS;
	buf = mem[SK_MEMINFO_SNDBUF];
	used = mem[SK_MEMINFO_WMEM_QUEUED];
	if (used > buf)
		used = buf;
	*low = buf - used < buf / 3;
	return buf - used;
}

static size_t op_space(void *sock)
{
	struct host_sock *s = sock;
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	struct host_tcp *h = s->h;
	bool low;
	size_t n;

	if (!s->sends && h->fresh_uses) {
		h->fresh_uses--;
		return h->fresh_space;
	}
	n = free_bytes(s, &low);
	if (!s->sends && !low) {
		h->fresh_space = n - n / 4;
		h->fresh_uses = FRESH_USES;
	}
	if (low) {
		/* Makes the kernel report when it is more again. */
		s->want_write = true;
		if (poll(&p, 1, 0) > 0 && p.revents & POLLOUT) {
			s->want_write = false; /* it is already */
			n = free_bytes(s, &low);
		}
	}
	return n - n / 4; /* the kernel also counts its own headers */
}

/* Never later than the kernel would by itself, whoever set that. */
static void op_keep_alive(void *sock, uint32_t idle_s)
{
	const struct host_sock *s = sock;
	int idle = 0, intvl = KEEP_INTVL_S;
	socklen_t len = sizeof(idle);

	if (idle_s < KEEP_IDLE_MIN_S)
		idle_s = KEEP_IDLE_MIN_S;
	if (getsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len) ||
	    idle <= (int)idle_s)
		return;
	idle = (int)idle_s;
	if (intvl > idle)
		intvl = idle;
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_KEEPINTVL, &intvl,
			 sizeof(intvl));
}

static bool op_local(void *sock, struct endpoint *out)
{
	struct host_sock *s = sock;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return !getsockname(s->fd, (struct sockaddr *)&ss, &len) &&
	       !ipaddr_from_sockaddr(&ss, &out->ip, &out->port);
}

const struct tcp_host_ops host_tcp_ops = {
	.connect = op_connect,
	.why = op_why,
	.attach = op_attach,
	.send = op_send,
	.peek = op_peek,
	.quiet = op_quiet,
	.discard = op_discard,
	.space = op_space,
	.peek_limit = op_peek_limit,
	.shutdown_wr = op_shutdown_wr,
	.close = op_close,
	.keep_alive = op_keep_alive,
	.local = op_local,
};
