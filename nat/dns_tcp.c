// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * DNS over TCP (RFC 7766), answered by ourselves: a "host socket" of tcp.h that is
 * memory only, so it needs neither descriptors nor the kernel. Queries go the same
 * way as datagrams do (dns.c), as many at once as a connection has; their answers
 * come in whatever order. See dns.h.
 *
 * The TCP core calls the operations; they only move bytes and put the connection on
 * a list. dns_tcp_run(), once a turn, reads the queries and reports events, each
 * of which may end the connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "nat/dns_int.h"
#include "nat/iov.h"
#include "nat/tcp.h"

/* Room for queries; far more than one, so that a window stays open while a part of
 * one waits for its rest. */
#define IN_MAX	16384
/* An announced window is rounded up to its scale (256): so much more may come. */
#define IN_SLACK 256
#define OUT_MAX	 163840
/* Kept free for the short answer that says "that did not fit". */
#define OUT_RESERVE 16384
/* With so much unread, or so many queries under way, we read no further. */
#define OUT_STALL 32768
#define RUN_MAX	  256 /* connections looked at in one turn */

struct dns_conn {
	struct flow fl; /* first; FLOW_DNSTCP. The timer is for silence. */
	struct dns *dns;
	struct tcp_flow *tcp;
	struct list due;     /* in dns->tcp_due */
	struct list queries; /* under way, by dns_query.conn_node */
	unsigned int nqueries;
	bool open;	/* counted; the guest was told that it is connected */
	bool shut;	/* the guest sends no more */
	bool closing;	/* we end the stream when all is read */
	bool failed;	/* it is to be reset */
	bool stalled;	/* bytes wait in in[] for better times … */
	bool refused;	/* … or were not even taken */
	bool readable;	/* out[] has news */
	uint8_t *out;
	size_t out_len, out_cap;
	size_t in_len;
	uint8_t in[IN_MAX + IN_SLACK];
};

static void set_due(struct dns_conn *c)
{
	if (!list_linked(&c->due))
		list_add_tail(&c->dns->tcp_due, &c->due);
}

bool dns_tcp_due(const struct dns *d)
{
	return !list_empty(&d->tcp_due);
}

/* ---- operations ------------------------------------------------------------- */

static int op_connect(void *host, struct tcp_flow *f,
		      const struct tcp_call *call, void **sock)
{
	struct dns_conn *c = calloc(1, sizeof(*c));

	(void)call;
	if (!c)
		return -ENOMEM;
	c->dns = host;
	c->tcp = f;
	list_init(&c->queries);
	list_init(&c->due);
	list_init(&c->fl.lru);
	set_due(c);
	*sock = c;
	return 0;
}

static ssize_t op_send(void *sock, const struct iovec *v, int n)
{
	struct dns_conn *c = sock;
	size_t len = iov_len(v, n), took;

	if (c->closing || c->failed)
		return (ssize_t)len; /* nobody reads it */
	took = iov_copy(v, n, 0, c->in + c->in_len, sizeof(c->in) - c->in_len);
	c->in_len += took;
	c->refused = took < len;
	set_due(c);
	return took ? (ssize_t)took : -EAGAIN;
}

static ssize_t op_peek(void *sock, size_t off, const struct iovec *v, int n)
{
	struct dns_conn *c = sock;
	size_t done = 0;

	if (off >= c->out_len)
		return c->closing ? 0 : -EAGAIN;
	for (int i = 0; i < n && off < c->out_len; i++) {
		size_t len = min_sz(v[i].iov_len, c->out_len - off);

		memcpy(v[i].iov_base, c->out + off, len);
		off += len;
		done += len;
	}
	return (ssize_t)done;
}

static int op_discard(void *sock, size_t len)
{
	struct dns_conn *c = sock;

	if (len > c->out_len)
		return -EINVAL;
	c->out_len -= len;
	if (c->out_len) {
		memmove(c->out, c->out + len, c->out_len);
	} else {
		free(c->out);
		c->out = NULL;
		c->out_cap = 0;
	}
	set_due(c);
	return 0;
}

static size_t op_space(void *sock)
{
	const struct dns_conn *c = sock;

	if (c->closing || c->failed)
		return IN_MAX;
	return c->stalled || c->in_len > IN_MAX ? 0 : IN_MAX - c->in_len;
}

static size_t op_peek_limit(void *sock)
{
	(void)sock;
	return SIZE_MAX;
}

static void op_shutdown_wr(void *sock)
{
	struct dns_conn *c = sock;

	c->shut = true;
	set_due(c);
}

static void op_close(void *sock, bool reset)
{
	struct dns_conn *c = sock;
	struct dns *d = c->dns;

	(void)reset;
	while (!list_empty(&c->queries))
		dns_query_end(list_first(&c->queries, struct dns_query,
					 conn_node));
	if (d->tcp_current == c)
		d->tcp_current = NULL;
	list_del(&c->due);
	flow_del(d->flows, &c->fl);
	wtimer_cancel(d->wheel, &c->fl.timer);
	free(c->out);
	free(c);
}

static bool op_local(void *sock, struct endpoint *out)
{
	(void)sock;
	(void)out;
	return false;
}

const struct tcp_host_ops dns_tcp_ops = {
	.connect = op_connect,
	.send = op_send,
	.peek = op_peek,
	.discard = op_discard,
	.space = op_space,
	.peek_limit = op_peek_limit,
	.shutdown_wr = op_shutdown_wr,
	.close = op_close,
	.local = op_local,
};

/* ---- answers ---------------------------------------------------------------- */

static bool out_room(struct dns_conn *c, size_t len)
{
	size_t cap = c->out_cap ? c->out_cap : 1024;
	uint8_t *p;

	while (cap < c->out_len + len)
		cap *= 2;
	if (cap == c->out_cap)
		return true;
	p = realloc(c->out, cap);
	if (!p)
		return false;
	c->out = p;
	c->out_cap = cap;
	return true;
}

bool dns_tcp_answer(struct dns_conn *c, const uint8_t *data, size_t len,
		    bool must)
{
	size_t max = must ? OUT_MAX : OUT_MAX - OUT_RESERVE;

	if (len > DNS_MSG_MAX || c->out_len + 2 + len > max ||
	    !out_room(c, 2 + len)) {
		c->failed |= must;
		set_due(c);
		return false;
	}
	put_be16(c->out + c->out_len, (uint16_t)len);
	memcpy(c->out + c->out_len + 2, data, len);
	c->out_len += 2 + len;
	c->readable = true;
	set_due(c);
	return true;
}

void dns_tcp_query_new(struct dns_query *q)
{
	struct dns_conn *c = q->client.conn;

	list_add_tail(&c->queries, &q->conn_node);
	c->nqueries++;
}

void dns_tcp_query_gone(struct dns_query *q)
{
	struct dns_conn *c = q->client.conn;

	list_del(&q->conn_node);
	c->nqueries--;
	set_due(c);
}

/* ---- work ------------------------------------------------------------------- */

static void conn_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct dns_conn *c = container_of(container_of(t, struct flow, timer),
					  struct dns_conn, fl);
	int64_t quiet = c->fl.used_ms + DNS_TCP_IDLE_MS;

	if (c->closing) {
		c->failed = true; /* it was told to go, and did not */
		set_due(c);
		return;
	}
	if (!c->nqueries && now_ms >= quiet) {
		c->closing = true;
		c->readable = true;
		set_due(c);
		quiet = now_ms + DNS_TCP_IDLE_MS;
	} else if (quiet <= now_ms) {
		quiet = now_ms + DNS_TCP_IDLE_MS;
	}
	wtimer_arm(c->dns->wheel, t, quiet, conn_on_timer);
}

/* Another connection of the NIC needs its place. */
static void conn_evict(struct flow *f)
{
	struct dns_conn *c = container_of(f, struct dns_conn, fl);

	flow_del(c->dns->flows, f);
	if (c->nqueries || c->out_len)
		c->failed = true;
	else
		c->closing = c->readable = true;
	set_due(c);
}

static void accept_it(struct dns_conn *c, int64_t now_ms)
{
	struct dns *d = c->dns;
	struct tcp_flow_info info;
	int err;

	tcp_flow_info(c->tcp, &info);
	c->fl.end = conn_evict;
	err = flow_add(d->flows, &c->fl, FLOW_DNSTCP, info.nic_id, now_ms);
	if (!err) {
		wtimer_arm(d->wheel, &c->fl.timer, now_ms + DNS_TCP_IDLE_MS,
			   conn_on_timer);
		c->open = true;
	}
	tcp_host_connected(c->tcp, err ? -ENOBUFS : 0, now_ms);
}

static bool must_wait(const struct dns_conn *c)
{
	return c->nqueries >= DNS_TCP_QUERIES || c->out_len >= OUT_STALL;
}

/* A query is whole. What is none ends the connection: the framing is lost. */
static void take_query(struct dns_conn *c, const uint8_t *msg, size_t len,
		       int64_t now_ms)
{
	struct dns_client from = {.conn = c};
	struct tcp_flow_info info;

	tcp_flow_info(c->tcp, &info);
	from.ep = info.guest;
	from.asked = info.outside.ip;
	from.nic_id = info.nic_id;
	if (dns_query_input(c->dns, &from, msg, len, now_ms) >= 0)
		c->failed = true;
}

static void take_queries(struct dns_conn *c, int64_t now_ms)
{
	size_t at = 0;

	while (c->in_len - at >= 2 && !c->failed && !must_wait(c)) {
		size_t len = get_be16(c->in + at);

		if (len > DNS_QUERY_MAX)
			c->failed = true;
		if (c->failed || c->in_len - at - 2 < len)
			break;
		take_query(c, c->in + at + 2, len, now_ms);
		at += 2 + len;
	}
	c->in_len -= at;
	memmove(c->in, c->in + at, c->in_len);
}

/* Tell the core what became of it; each event may be the last. */
static void report(struct dns_conn *c, bool writable, int64_t now_ms)
{
	struct dns *d = c->dns;

	if (c->failed) { /* also when the guest never reads on */
		tcp_host_abort(c->tcp, now_ms);
		return;
	}
	if (c->readable) {
		c->readable = false;
		tcp_host_readable(c->tcp, now_ms);
	}
	if (d->tcp_current && writable)
		tcp_host_writable(c->tcp, now_ms);
}

static void conn_work(struct dns_conn *c, int64_t now_ms)
{
	struct dns *d = c->dns;
	bool waited = c->stalled || c->refused;

	if (!c->open) {
		accept_it(c, now_ms);
		if (!d->tcp_current || !c->open)
			return;
	}
	if (c->fl.nic)
		flow_touch(&c->fl, now_ms);
	if (!c->closing)
		take_queries(c, now_ms);
	c->stalled = must_wait(c);
	if (c->shut && !c->closing && !c->nqueries && !c->stalled) {
		c->closing = true; /* it has all its answers, or will read them */
		c->readable = true;
	}
	if (!c->stalled)
		c->refused = false;
	report(c, waited && !c->stalled, now_ms);
}

void dns_tcp_run(struct dns *d, int64_t now_ms)
{
	for (int i = 0; i < RUN_MAX && dns_tcp_due(d); i++) {
		struct dns_conn *c = list_first(&d->tcp_due, struct dns_conn,
						due);

		list_del(&c->due);
		d->tcp_current = c;
		conn_work(c, now_ms);
		d->tcp_current = NULL;
	}
}
