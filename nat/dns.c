// SPDX-License-Identifier: GPL-2.0-or-later
/* The resolver. See dns.h; what it knows itself is in dns_local.c, messages are in
 * dns_msg.c, names in names.c. */
#include "nat/dns_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/iov.h"
#include "nat/udp.h"
#include "switch/port.h"

static void next_try(struct dns *d, struct dns_query *q, int64_t now_ms);

int dns_set_domain(struct dns *d, const char *domain)
{
	size_t len = strlen(domain);

	if (!len || len > sizeof(d->domain) - 66 || domain[0] == '.' ||
	    domain[len - 1] == '.')
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		d->domain[i] = domain[i] >= 'A' && domain[i] <= 'Z'
				       ? (char)(domain[i] + 32)
				       : domain[i];
	return 0;
}

int dns_init(struct dns *d, const uint64_t seed[2], const char *domain)
{
	int err = dns_set_domain(d, domain);

	if (err)
		return err;
	list_init(&d->tcp_due);
	err = names_init(&d->names, seed);
	if (!err)
		err = zone_init(&d->zone, seed);
	return err ? err : htab_init(&d->pending, 16, seed);
}

void dns_query_end(struct dns_query *q)
{
	struct dns *d = q->dns;

	d->host->close(d->host_arg, q);
	if (q->client.conn)
		dns_tcp_query_gone(q);
	flow_del(d->flows, &q->fl);
	wtimer_cancel(d->wheel, &q->fl.timer);
	htab_del(&d->pending, &q->node);
	free(q);
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	dns_query_end(container_of(n, struct dns_query, node));
	return true;
}

void dns_fini(struct dns *d)
{
	if (d->pending.bucket) {
		htab_walk(&d->pending, fini_one, NULL);
		htab_fini(&d->pending);
	}
	names_fini(&d->names);
	zone_fini(&d->zone);
}

/* First upstream not in @tried: healthy ones first; -1 when none is left. */
static int pick(const struct dns *d, uint32_t tried, int64_t now_ms)
{
	int bad = -1;

	for (int i = 0; i < d->nup; i++) {
		if (tried & 1u << i)
			continue;
		if (d->up[i].bad_until_ms <= now_ms)
			return i;
		if (bad < 0)
			bad = i;
	}
	return bad;
}

/* ---- to the client -------------------------------------------------------- */

static void to_udp_client(struct dns *d, const struct dns_client *c,
			  const uint8_t *data, size_t len, int64_t now_ms)
{
	struct iovec v = {(void *)data, len};
	uint8_t hdr[UDP_HDR];
	struct ipout_pkt p = {
		.src = c->asked, .dst = c->ep.ip,
		.proto = IP4_UDP, .hdr = hdr, .hdr_len = UDP_HDR,
		.v = &v, .n = 1, .csum_at = 6,
	};

	udp_header(hdr, DNS_PORT, c->ep.port, len);
	ipout_send(d->out, &p, now_ms);
}

static void answer(struct dns *d, const struct dns_client *c,
		   const uint8_t *query, const struct dns_msg *q,
		   struct dns_answer *a, int64_t now_ms)
{
	uint8_t out[DNS_LOCAL_MAX];
	size_t len, cap = c->conn ? sizeof(out) : DNS_EDNS_MAX;

	a->recursion = d->forward;
	a->stream = c->conn;
	a->ttl_s = DNS_LOCAL_TTL_S;
	len = dns_answer(out, cap, query, q, a);
	if (len && c->conn)
		(void)dns_tcp_answer(c->conn, out, len, true);
	else if (len)
		to_udp_client(d, c, out, len, now_ms);
}

static void fail(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	uint8_t rcode = q->bad_rcode ? q->bad_rcode : DNS_SERVFAIL;
	struct dns_answer a = {.rcode = rcode};
	struct dns_msg m;

	d->stats.failed++;
	if (dns_parse(&m, q->msg, q->len))
		return;
	m.id = q->client_id;
	answer(d, &q->client, q->msg, &m, &a, now_ms);
}

/* The client's query failed for good. */
static void give_up(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	fail(d, q, now_ms);
	dns_query_end(q);
}

/* A newer query of the NIC needs its place. Over UDP the client asks again. */
static void query_evict(struct flow *f)
{
	struct dns_query *q = container_of(f, struct dns_query, fl);

	if (q->client.conn)
		fail(q->dns, q, f->used_ms);
	dns_query_end(q);
}

/* ---- what is ours to answer ------------------------------------------------ */

/* What no resolver is asked for: kinds of messages, classes and types. */
static enum dns_rcode judge(const struct dns_msg *m)
{
	if (m->opcode)
		return DNS_NOTIMP;
	if (m->qdcount != 1 || !m->has_question || m->malformed ||
	    m->type == DNS_OPT)
		return DNS_FORMERR;
	if ((m->class != DNS_IN && m->class != DNS_CLASS_ANY) ||
	    m->type == DNS_AXFR || m->type == DNS_IXFR)
		return DNS_REFUSED;
	return DNS_NOERROR;
}

/* Answer out of our own knowledge, if it is ours to answer. */
static bool answer_local(struct dns *d, const struct dns_client *c,
			 const uint8_t *query, const struct dns_msg *m,
			 int64_t now_ms)
{
	struct dns_answer simple = {.rcode = judge(m)}, *a = &simple;
	struct dns_local l;

	if (!a->rcode && dns_local(d, m, &l)) {
		a = &l.a;
		d->stats.local++;
	} else if (!a->rcode && !d->forward) {
		a->rcode = DNS_REFUSED;
	} else if (!a->rcode && !d->nup) {
		a->rcode = DNS_SERVFAIL;
	} else if (!a->rcode) {
		return false;
	}
	if (m->edns_version && a->rcode != DNS_FORMERR)
		simple = (struct dns_answer){.rcode = DNS_BADVERS}, a = &simple;
	d->stats.refused += a->rcode == DNS_REFUSED;
	d->stats.failed += a->rcode == DNS_SERVFAIL;
	answer(d, c, query, m, a, now_ms);
	return true;
}

/* ---- everything else: ask an upstream -------------------------------------- */

static struct dns_query *query_find(const struct dns *d,
				    const struct dns_client *c, uint16_t id,
				    uint32_t hash, const uint8_t *p, size_t len)
{
	struct hnode *n = htab_find(&d->pending, hash);

	for (; n; n = htab_find_next(n)) {
		struct dns_query *q = container_of(n, struct dns_query, node);

		if (q->client_id == id && endpoint_eq(&q->client.ep, &c->ep) &&
		    !q->client.conn && q->len == len &&
		    !memcmp(q->msg + 2, p + 2, len - 2))
			return q;
	}
	return NULL;
}

/* The upstream asked now is no good. Its TCP may fail where UDP works. */
static void current_failed(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	if (q->current >= 0 && !q->stream)
		d->up[q->current].bad_until_ms = now_ms + DNS_BAD_MS;
}

static void query_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct dns_query *q = container_of(f, struct dns_query, fl);

	current_failed(q->dns, q, now_ms);
	q->last_refused = false;
	next_try(q->dns, q, now_ms);
}

/* Ask upstream @i; false when that failed at once. */
static bool ask(struct dns *d, struct dns_query *q, int i, bool stream,
		int64_t now_ms)
{
	int64_t wait_ms = stream ? 2 * DNS_TRY_MS : DNS_TRY_MS;

	q->tried |= 1u << i;
	q->current = i;
	q->stream = stream;
	if (d->host->ask(d->host_arg, q, &d->up[i]))
		return false;
	wtimer_arm(d->wheel, &q->fl.timer, now_ms + wait_ms, query_on_timer);
	return true;
}

/* Ask the next upstream, or give up. Ends @q when it gives up. */
static void next_try(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	for (int rounds = 0; rounds < 2 * DNS_UPSTREAMS; rounds++) {
		int i = pick(d, q->tried, now_ms);

		if (now_ms - q->since_ms >= DNS_GIVE_UP_MS)
			break;
		if (i < 0) {
			/* All were asked. Another round only when one of them
			 * was silent: it may have lost the packet. Not when
			 * another has spoken meanwhile. */
			if (q->last_refused || q->bad_rcode)
				break;
			q->tried = 0;
			q->last_refused = true;
			continue;
		}
		if (ask(d, q, i, false, now_ms))
			return;
		current_failed(d, q, now_ms);
	}
	give_up(d, q, now_ms);
}

/* With what the list of upstreams is now, from its start. */
static void start(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	q->since_ms = now_ms;
	q->tried = 0;
	q->last_refused = true;
	q->bad_rcode = 0;
	if (d->nup) {
		next_try(d, q, now_ms);
		return;
	}
	/* The host is between two networks, perhaps. */
	q->current = -1;
	d->host->close(d->host_arg, q);
	wtimer_arm(d->wheel, &q->fl.timer, now_ms + DNS_GIVE_UP_MS,
		   query_on_timer);
}

static bool restart_one(struct hnode *n, void *arg)
{
	struct dns_query *q = container_of(n, struct dns_query, node);

	start(q->dns, q, *(int64_t *)arg);
	return true;
}

void dns_woke(struct dns *d, int64_t now_ms)
{
	for (int i = 0; i < d->nup; i++)
		d->up[i].bad_until_ms = 0;
	htab_walk(&d->pending, restart_one, &now_ms);
}

static bool same_upstreams(const struct dns *d, const struct dns_upstream *up,
			   int n)
{
	if (n != d->nup)
		return false;
	for (int i = 0; i < n; i++)
		if (up[i].scope != d->up[i].scope ||
		    !endpoint_eq(&up[i].ep, &d->up[i].ep))
			return false;
	return true;
}

int dns_set_upstreams(struct dns *d, const struct dns_upstream *up, int n,
		      int64_t now_ms)
{
	if (n < 0 || n > DNS_UPSTREAMS)
		return -E2BIG;
	if (same_upstreams(d, up, n))
		return 0;
	for (int i = 0; i < n; i++)
		d->up[i] = up[i];
	d->nup = n;
	dns_woke(d, now_ms);
	return 0;
}

static struct dns_query *query_new(struct dns *d, const struct dns_client *c,
				   const uint8_t *p, size_t len, int64_t now_ms)
{
	struct dns_query *q = calloc(1, sizeof(*q) + len);
	uint64_t serial = d->serial++;

	if (!q)
		return NULL;
	q->dns = d;
	q->fl.end = query_evict;
	q->client = *c;
	q->client_id = get_be16(p);
	q->len = (uint16_t)len;
	memcpy(q->msg, p, len);
	put_be16(q->msg, (uint16_t)hash_bytes(d->pending.seed, &serial,
					      sizeof(serial)));
	if (flow_add(d->flows, &q->fl, FLOW_DNS, c->nic_id, now_ms)) {
		free(q);
		return NULL;
	}
	if (c->conn)
		dns_tcp_query_new(q);
	return q;
}

int dns_query_input(struct dns *d, const struct dns_client *from,
		    const uint8_t *msg, size_t len, int64_t now_ms)
{
	struct dns_query *q;
	struct dns_msg m;
	uint32_t hash;

	if (dns_parse(&m, msg, len) || m.response)
		return DROP_PROTO;
	d->stats.queries++;
	if (from->conn)
		d->stats.over_tcp++;
	if (answer_local(d, from, msg, &m, now_ms))
		return -1;
	hash = hash_bytes(d->pending.seed, &from->ep, sizeof(from->ep)) ^ m.id;
	if (!from->conn && query_find(d, from, m.id, hash, msg, len))
		return -1;
	q = query_new(d, from, msg, len, now_ms);
	if (!q)
		return DROP_LIMIT;
	htab_add(&d->pending, &q->node, hash);
	start(d, q, now_ms);
	return -1;
}

int dns_guest_input(struct dns *d, const struct dns_client *from,
		    const struct iovec *payload, int n, int64_t now_ms)
{
	uint8_t buf[DNS_QUERY_MAX];
	size_t len = iov_len(payload, n);

	if (len > sizeof(buf))
		return DROP_PROTO;
	iov_copy(payload, n, 0, buf, len);
	return dns_query_input(d, from, buf, len, now_ms);
}

/* ---- what upstreams say ------------------------------------------------------ */

/* Pass it on; what is too long for a stream that nobody reads fails. */
static void deliver(struct dns *d, struct dns_query *q, uint8_t *data,
		    size_t len, int64_t now_ms)
{
	put_be16(data, q->client_id);
	if (!q->client.conn)
		to_udp_client(d, &q->client, data, len, now_ms);
	else if (!dns_tcp_answer(q->client.conn, data, len, false))
		fail(d, q, now_ms);
	dns_query_end(q);
}

void dns_host_reply(struct dns *d, struct dns_query *q, uint8_t *data,
		    size_t len, int64_t now_ms)
{
	uint8_t rcode;

	if (q->current < 0 || !dns_reply_matches(q->msg, q->len, data, len)) {
		d->stats.spoofed++;
		return;
	}
	rcode = data[3] & 15;
	d->up[q->current].bad_until_ms = 0;
	/* Another one may know better; the last word counts. */
	if ((rcode == DNS_SERVFAIL || rcode == DNS_REFUSED) &&
	    pick(d, q->tried, now_ms) >= 0) {
		q->bad_rcode = rcode;
		next_try(d, q, now_ms);
		return;
	}
	if (data[2] & 2 && q->client.conn && !q->stream &&
	    ask(d, q, q->current, true, now_ms))
		return;
	deliver(d, q, data, len, now_ms);
}

void dns_host_failed(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	current_failed(d, q, now_ms);
	next_try(d, q, now_ms);
}
