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

int dns_init(struct dns *d, const uint64_t seed[2], const char *domain)
{
	size_t len = strlen(domain);
	int err;

	if (!len || len > sizeof(d->domain) - 66 || domain[0] == '.' ||
	    domain[len - 1] == '.')
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		d->domain[i] = domain[i] >= 'A' && domain[i] <= 'Z'
				       ? (char)(domain[i] + 32)
				       : domain[i];
	err = names_init(&d->names, seed);
	return err ? err : htab_init(&d->pending, 16, seed);
}

static void query_end(struct flow *f)
{
	struct dns_query *q = container_of(f, struct dns_query, fl);
	struct dns *d = q->dns;

	d->host->close(d->host_arg, q);
	flow_del(d->flows, f);
	wtimer_cancel(d->wheel, &f->timer);
	htab_del(&d->pending, &q->node);
	free(q);
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	query_end(&container_of(n, struct dns_query, node)->fl);
	return true;
}

void dns_fini(struct dns *d)
{
	if (d->pending.bucket) {
		htab_walk(&d->pending, fini_one, NULL);
		htab_fini(&d->pending);
	}
	names_fini(&d->names);
}

int dns_set_upstreams(struct dns *d, const struct endpoint *up, int n)
{
	if (n < 0 || n > DNS_UPSTREAMS)
		return -E2BIG;
	for (int i = 0; i < n; i++)
		d->up[i] = (struct dns_upstream){.ep = up[i]};
	d->nup = n;
	d->gen++;
	return 0;
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

bool dns_best_upstream(const struct dns *d, int64_t now_ms,
		       struct endpoint *up)
{
	int i = pick(d, 0, now_ms);

	if (i < 0 || !d->forward)
		return false;
	*up = d->up[i].ep;
	return true;
}

/* ---- to the client -------------------------------------------------------- */

static void to_client(struct dns *d, const struct dns_client *c,
		      const uint8_t *data, size_t len, int64_t now_ms)
{
	struct iovec v = {(void *)data, len};
	uint8_t hdr[UDP_HDR];
	struct ipout_pkt p = {
		.src = ipaddr_get4(&c->asked), .dst = ipaddr_get4(&c->ep.ip),
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
	uint8_t out[DNS_EDNS_MAX];
	size_t len;

	a->recursion = d->forward;
	a->ttl_s = DNS_LOCAL_TTL_S;
	len = dns_answer(out, sizeof(out), query, q, a);
	if (len)
		to_client(d, c, out, len, now_ms);
}

/* The client's query failed for good. */
static void give_up(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	struct dns_answer a = {.rcode = DNS_SERVFAIL};
	struct dns_msg m;

	d->stats.failed++;
	if (!dns_parse(&m, q->msg, q->len)) {
		m.id = q->client_id;
		answer(d, &q->client, q->msg, &m, &a, now_ms);
	}
	query_end(&q->fl);
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
		    q->len == len && !memcmp(q->msg + 2, p + 2, len - 2))
			return q;
	}
	return NULL;
}

static void query_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct dns_query *q = container_of(f, struct dns_query, fl);
	struct dns *d = q->dns;

	if (q->gen == d->gen && q->current >= 0)
		d->up[q->current].bad_until_ms = now_ms + DNS_BAD_MS;
	q->last_refused = false;
	next_try(d, q, now_ms);
}

/* Ask the next upstream, or give up. Ends @q when it gives up. */
static void next_try(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	if (q->gen != d->gen) {
		q->gen = d->gen;
		q->tried = 0;
		q->last_refused = true;
	}
	for (int rounds = 0; rounds < 2 * DNS_UPSTREAMS; rounds++) {
		int i = pick(d, q->tried, now_ms);

		if (now_ms - q->fl.born_ms >= DNS_GIVE_UP_MS)
			break;
		if (i < 0) {
			/* All were asked. Another round only when one of them
			 * was silent: it may have lost the packet. */
			if (q->last_refused || !d->nup)
				break;
			q->tried = 0;
			q->last_refused = true;
			continue;
		}
		q->tried |= 1u << i;
		q->current = i;
		if (!d->host->ask(d->host_arg, q, &d->up[i].ep)) {
			wtimer_arm(d->wheel, &q->fl.timer, now_ms + DNS_TRY_MS,
				   query_on_timer);
			return;
		}
		d->up[i].bad_until_ms = now_ms + DNS_BAD_MS;
	}
	give_up(d, q, now_ms);
}

static struct dns_query *query_new(struct dns *d, const struct dns_client *c,
				   const uint8_t *p, size_t len, int64_t now_ms)
{
	struct dns_query *q = calloc(1, sizeof(*q) + len);
	uint64_t serial = d->serial++;

	if (!q)
		return NULL;
	q->dns = d;
	q->fl.end = query_end;
	q->client = *c;
	q->client_id = get_be16(p);
	q->gen = d->gen;
	q->last_refused = true;
	q->len = (uint16_t)len;
	memcpy(q->msg, p, len);
	put_be16(q->msg, (uint16_t)hash_bytes(d->pending.seed, &serial,
					      sizeof(serial)));
	if (flow_add(d->flows, &q->fl, FLOW_DNS, c->nic_id, now_ms)) {
		free(q);
		return NULL;
	}
	return q;
}

int dns_guest_input(struct dns *d, const struct dns_client *from,
		    const struct iovec *payload, int n, int64_t now_ms)
{
	uint8_t buf[DNS_QUERY_MAX];
	size_t len = iov_len(payload, n);
	struct dns_query *q;
	struct dns_msg m;
	uint32_t hash;

	if (len > sizeof(buf))
		return DROP_PROTO;
	iov_copy(payload, n, 0, buf, len);
	if (dns_parse(&m, buf, len) || m.response)
		return DROP_PROTO;
	d->stats.queries++;
	if (answer_local(d, from, buf, &m, now_ms))
		return -1;
	hash = hash_bytes(d->pending.seed, &from->ep, sizeof(from->ep)) ^ m.id;
	if (query_find(d, from, m.id, hash, buf, len))
		return -1;
	q = query_new(d, from, buf, len, now_ms);
	if (!q)
		return DROP_LIMIT;
	htab_add(&d->pending, &q->node, hash);
	next_try(d, q, now_ms);
	return -1;
}

void dns_host_reply(struct dns *d, struct dns_query *q, uint8_t *data,
		    size_t len, int64_t now_ms)
{
	uint8_t rcode;

	if (!dns_reply_matches(q->msg, q->len, data, len)) {
		d->stats.spoofed++;
		return;
	}
	rcode = data[3] & 15;
	if (q->gen == d->gen && q->current >= 0) {
		bool bad = rcode == DNS_SERVFAIL || rcode == DNS_REFUSED;

		d->up[q->current].bad_until_ms = 0;
		/* Another one may know better; the last word counts. */
		if (bad && pick(d, q->tried, now_ms) >= 0) {
			next_try(d, q, now_ms);
			return;
		}
	}
	put_be16(data, q->client_id);
	to_client(d, &q->client, data, len, now_ms);
	query_end(&q->fl);
}

void dns_host_failed(struct dns *d, struct dns_query *q, int64_t now_ms)
{
	if (q->gen == d->gen && q->current >= 0)
		d->up[q->current].bad_until_ms = now_ms + DNS_BAD_MS;
	next_try(d, q, now_ms);
}
