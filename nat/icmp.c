// SPDX-License-Identifier: GPL-2.0-or-later
/* ICMP echo. See icmp.h; errors that we send are in ipout.c. */
#include "nat/icmp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/iov.h"
#include "switch/port.h"

int icmp_init(struct icmp *c, const uint64_t seed[2])
{
	return htab_init(&c->maps, 16, seed);
}

void icmp_map_end(struct icmp_map *m)
{
	struct icmp *c = m->icmp;

	c->host->close(c->host_arg, m);
	flow_del(c->flows, &m->fl);
	wtimer_cancel(c->wheel, &m->fl.timer);
	htab_del(&c->maps, &m->node);
	free(m);
}

static void map_end(struct flow *f)
{
	icmp_map_end(container_of(f, struct icmp_map, fl));
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	icmp_map_end(container_of(n, struct icmp_map, node));
	return true;
}

void icmp_fini(struct icmp *c)
{
	if (!c->maps.bucket)
		return;
	htab_walk(&c->maps, fini_one, NULL);
	htab_fini(&c->maps);
}

static void map_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct icmp_map *m = container_of(f, struct icmp_map, fl);
	int64_t end = f->used_ms + ICMP_IDLE_MS;

	if (now_ms >= end)
		icmp_map_end(m);
	else
		wtimer_arm(m->icmp->wheel, t, end, map_on_timer);
}

static struct icmp_map *map_find(const struct icmp *c, const struct endpoint *g,
				 uint32_t hash)
{
	struct hnode *n = htab_find(&c->maps, hash);

	for (; n; n = htab_find_next(n)) {
		struct icmp_map *m = container_of(n, struct icmp_map, node);

		if (endpoint_eq(&m->guest, g))
			return m;
	}
	return NULL;
}

static int map_open(struct icmp *c, struct icmp_map *m, uint16_t want,
		    int64_t now_ms)
{
	int err = c->host->open(c->host_arg, m, want);

	if ((err == -EMFILE || err == -ENFILE) &&
	    flow_make_room(c->flows, now_ms))
		err = c->host->open(c->host_arg, m, want);
	return err;
}

static struct icmp_map *map_new(struct icmp *c, const struct endpoint *g,
				uint32_t hash, uint64_t nic_id, int64_t now_ms,
				int *err)
{
	struct icmp_map *m = calloc(1, sizeof(*m));

	*err = -ENOMEM;
	if (!m)
		return NULL;
	m->icmp = c;
	m->guest = *g;
	m->fl.end = map_end;
	*err = flow_room(c->flows, FLOW_ICMP, nic_id, now_ms);
	if (*err)
		goto fail;
	*err = map_open(c, m, g->port, now_ms);
	if (*err) {
		if (*err != -EAFNOSUPPORT)
			flow_refused(c->flows, nic_id);
		goto fail;
	}
	*err = flow_add(c->flows, &m->fl, FLOW_ICMP, nic_id, now_ms);
	if (*err) {
		c->host->close(c->host_arg, m);
		goto fail;
	}
	htab_add(&c->maps, &m->node, hash);
	wtimer_arm(c->wheel, &m->fl.timer, now_ms + ICMP_IDLE_MS, map_on_timer);
	c->stats.created++;
	return m;
fail:
	free(m);
	c->stats.refused++;
	return NULL;
}

/* Send an echo reply to a guest. */
static void echo_out(struct icmp *c, struct ipout_pkt *p, uint16_t id,
		     uint16_t seq, int64_t now_ms)
{
	bool v4 = ipaddr_is4(&p->src);
	uint8_t hdr[ICMP_HDR];

	hdr[0] = v4 ? ICMP_T_ECHO_REPLY : ICMP6_ECHO_REPLY;
	hdr[1] = 0;
	put_be16(hdr + 2, 0);
	put_be16(hdr + 4, id);
	put_be16(hdr + 6, seq);
	if (v4)
		put_be16(hdr + 2, csum_finish(iov_csum(csum_add(0, hdr,
								ICMP_HDR),
						       p->v, p->n)));
	p->proto = v4 ? IP4_ICMP : IP6_ICMP;
	p->csum_at = v4 ? IPOUT_NO_CSUM : 2;
	p->full = true;
	p->hdr = hdr;
	p->hdr_len = ICMP_HDR;
	ipout_send(c->out, p, now_ms);
	p->hdr = NULL; /* it goes with this frame */
}

/* Echo to our own address or an IPv6 group of ours: we are the host that answers
 * (RFC 1122 3.2.2.6, RFC 4443 4.2). */
static int echo_us(struct icmp *c, const struct pkt *k, int64_t now_ms)
{
	struct iovec v[FRAME_SEGS];
	struct ipout_pkt p = {
		.src = k->group ? c->pol->ll6 : k->ip.dst, .dst = k->ip.src,
		.tos = k->ip.tos, .v = v,
		.n = iov_slice(k->l4, k->nl4, ICMP_HDR, k->l4_len - ICMP_HDR,
			       v),
	};

	echo_out(c, &p, get_be16(k->head + 4), get_be16(k->head + 6), now_ms);
	return -1;
}

static int echo_outside(struct icmp *c, const struct pkt *k, int64_t now_ms)
{
	struct endpoint guest = {k->ip.src, get_be16(k->head + 4)};
	struct ipaddr real = ipaddr_any;
	enum policy_verdict verdict = policy_dst(c->pol, &k->ip.dst, &real);
	struct iovec v[FRAME_SEGS];
	struct icmp_map *m;
	struct icmp_send s;
	uint32_t hash;
	int err;

	if (verdict == POLICY_DENY) {
		c->stats.denied++;
		ipout_reject(c->out, k, WHY_ADMIN, now_ms);
	}
	if (verdict != POLICY_OUT)
		return DROP_POLICY;
	hash = hash_bytes(c->maps.seed, &guest, sizeof(guest));
	m = map_find(c, &guest, hash);
	if (m && flow_move(c->flows, &m->fl, k->nic_id, now_ms)) {
		icmp_map_end(m);
		return DROP_LIMIT;
	}
	if (!m)
		m = map_new(c, &guest, hash, k->nic_id, now_ms, &err);
	if (!m) { /* RFC 5508 REQ-8: short of something, not permitted */
		udp_send_failed(c->out, k,
				err == -EAFNOSUPPORT ? err : -EPERM, now_ms);
		return DROP_LIMIT;
	}
	flow_touch(&m->fl, now_ms);
	m->peer = (struct endpoint){k->ip.dst, 0};
	s = (struct icmp_send){
		.to = real, .ttl = (uint8_t)(k->ip.ttl - 1), .tos = k->ip.tos,
		.df = k->ip.df, .seq = get_be16(k->head + 6), .v = v,
		.n = iov_slice(k->l4, k->nl4, ICMP_HDR, k->l4_len - ICMP_HDR,
			       v),
	};
	m->fl.bytes_out += k->l4_len - ICMP_HDR;
	m->fl.packets_out++;
	udp_send_failed(c->out, k, c->host->send(c->host_arg, m, &s), now_ms);
	return -1;
}

int icmp_guest_input(struct icmp *c, const struct pkt *k, bool nat,
		     int64_t now_ms)
{
	bool v4 = ip_hdr_is4(&k->ip);

	if (k->l4_len < ICMP_HDR)
		return DROP_PROTO;
	if (v4 ? !k->off.csum_valid && csum_finish(iov_csum(0, k->l4, k->nl4))
	       : !pkt_csum_ok(k, 2))
		return DROP_PROTO;
	if (k->head[0] != (v4 ? ICMP_T_ECHO : ICMP6_ECHO) || k->head[1])
		return DROP_POLICY;
	if (k->to_us || (k->group && !v4))
		return echo_us(c, k, now_ms);
	if (!nat || k->group)
		return DROP_POLICY;
	return echo_outside(c, k, now_ms);
}

void icmp_host_input(struct icmp *c, struct icmp_map *m,
		     const struct icmp_recv *r, int64_t now_ms)
{
	struct iovec v = {(void *)r->data, r->len};
	struct ipout_pkt p = {
		.src = r->from, .dst = m->guest.ip,
		.tos = r->tos,
		.ttl = r->ttl > 1 ? (uint8_t)(r->ttl - 1) : r->ttl,
		.v = &v, .n = 1, .lent = true,
	};

	if (r->len > 65535 - ICMP_HDR ||
	    ipaddr_is4(&r->from) != ipaddr_is4(&m->guest.ip) ||
	    policy_is_martian(&r->from) ||
	    policy_is_inside(c->pol, &r->from)) {
		c->stats.filtered++;
		return;
	}
	m->fl.bytes_in += r->len;
	m->fl.packets_in++;
	flow_touch(&m->fl, now_ms);
	echo_out(c, &p, m->guest.port, r->seq, now_ms);
}

void icmp_host_error(struct icmp *c, struct icmp_map *m,
		     const struct host_err *e, int64_t now_ms)
{
	bool v4 = ipaddr_is4(&m->guest.ip);
	uint8_t l4[ICMP_HDR + 56] = {0};
	size_t take = min_sz(e->len, sizeof(l4));
	struct icmp_err err = {
		.from = e->from, .type = e->type, .code = e->code,
		.info = e->info, .nic_id = m->fl.nic->id, .l4 = l4,
		.l4_len = max_sz(take, ICMP_HDR),
		.orig = {
			.src = m->guest.ip, .dst = e->to.ip,
			.proto = v4 ? IP4_ICMP : IP6_ICMP, .ttl = 1,
			.len = (uint16_t)max_sz(take, ICMP_HDR),
		},
	};

	if (ipaddr_is4(&e->to.ip) != v4)
		return;
	if (ipaddr_is4(&err.from) != v4 || policy_is_martian(&err.from))
		err.from = ipaddr_any;
	if (take)
		memcpy(l4, e->data, take);
	l4[0] = v4 ? ICMP_T_ECHO : ICMP6_ECHO;
	l4[1] = 0;
	/* The checksum as it was with the guest's identifier (RFC 5508 REQ-4). */
	put_be16(l4 + 2, csum_update16(get_be16(l4 + 2), get_be16(l4 + 4),
				       m->guest.port));
	put_be16(l4 + 4, m->guest.port);
	/* The error does not refresh the mapping (RFC 5508 REQ-6). */
	ipout_icmp_err(c->out, &err, now_ms);
}

struct walk {
	bool (*fn)(void *arg, struct icmp_map *m);
	void *arg;
};

static bool walk_one(struct hnode *n, void *arg)
{
	struct walk *w = arg;

	return w->fn(w->arg, container_of(n, struct icmp_map, node));
}

void icmp_walk(struct icmp *c, bool (*fn)(void *arg, struct icmp_map *m),
	       void *arg)
{
	struct walk w = {fn, arg};

	htab_walk(&c->maps, walk_one, &w);
}
