// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * UDP mappings. See udp.h; forwards' clients are in forward.c, the sockets in
 * host_udp.c.
 */
#include "nat/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/iov.h"
#include "switch/port.h"

#define OPEN_TRIES 4

/* Datagrams in one frame: no more than guests before Linux 6.9 take (UDP_MAX_SEGMENTS),
 * nor than what a frame has room for behind IPv6 headers. */
#define JOIN_MAX   64
#define JOIN_BYTES (FRAME_MAX - ETH_HDR_LEN - IP6_HDR - UDP_HDR)

int udp_init(struct udp *u, const uint64_t seed[2])
{
	pool_init(&u->map_pool, sizeof(struct udp_map));
	pool_init(&u->peers_pool, UDP_PEERS * sizeof(struct endpoint));
	return htab_init(&u->maps, 64, seed);
}

void udp_map_end(struct udp_map *m)
{
	struct udp *u = m->udp;

	u->host->close(u->host_arg, m);
	flow_del(u->flows, &m->fl);
	wtimer_cancel(u->wheel, &m->fl.timer);
	htab_del(&u->maps, &m->node);
	pool_put(&u->peers_pool, m->peers);
	pool_put(&u->map_pool, m);
}

static void map_end(struct flow *f)
{
	udp_map_end(container_of(f, struct udp_map, fl));
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	udp_map_end(container_of(n, struct udp_map, node));
	return true;
}

void udp_fini(struct udp *u)
{
	if (!u->maps.bucket)
		return;
	htab_walk(&u->maps, fini_one, NULL);
	htab_fini(&u->maps);
	pool_fini(&u->map_pool);
	pool_fini(&u->peers_pool);
}

static int64_t idle_ms(const struct udp_map *m)
{
	return m->only_dns && m->answered ? UDP_IDLE_DNS_MS : UDP_IDLE_MS;
}

static void map_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct udp_map *m = container_of(f, struct udp_map, fl);
	int64_t end = f->used_ms + idle_ms(m);

	if (now_ms >= end)
		udp_map_end(m);
	else
		wtimer_arm(m->udp->wheel, t, end, map_on_timer);
}

static struct udp_map *map_find(const struct udp *u, const struct endpoint *g,
				uint32_t hash)
{
	struct hnode *n = htab_find(&u->maps, hash);

	for (; n; n = htab_find_next(n)) {
		struct udp_map *m = container_of(n, struct udp_map, node);

		if (endpoint_eq(&m->guest, g))
			return m;
	}
	return NULL;
}

/* A socket. That there is none although we counted: other processes' doing. */
static int map_open(struct udp *u, struct udp_map *m, uint16_t want,
		    int64_t now_ms)
{
	int err = u->host->open(u->host_arg, m, want);

	for (int i = 0; i < OPEN_TRIES && (err == -EMFILE || err == -ENFILE);
	     i++) {
		if (!flow_make_room(u->flows, now_ms))
			break;
		err = u->host->open(u->host_arg, m, want);
	}
	return err;
}

/* A new mapping; NULL when there is no memory, quota or descriptor: *@err. */
static struct udp_map *map_new(struct udp *u, const struct endpoint *g,
			       uint32_t hash, uint64_t nic_id, int64_t now_ms,
			       int *err)
{
	struct udp_map *m = pool_get(&u->map_pool);

	*err = -ENOMEM;
	if (!m)
		return NULL;
	m->udp = u;
	m->guest = *g;
	m->only_dns = true;
	m->fl.end = map_end;
	*err = flow_room(u->flows, FLOW_UDP, nic_id, now_ms);
	if (*err)
		goto fail;
	*err = map_open(u, m, g->port, now_ms);
	if (*err) {
		if (*err != -EAFNOSUPPORT)
			flow_refused(u->flows, nic_id);
		goto fail;
	}
	*err = flow_add(u->flows, &m->fl, FLOW_UDP, nic_id, now_ms);
	if (*err) {
		u->host->close(u->host_arg, m);
		goto fail;
	}
	htab_add(&u->maps, &m->node, hash);
	wtimer_arm(u->wheel, &m->fl.timer, now_ms + UDP_IDLE_MS, map_on_timer);
	u->stats.created++;
	return m;
fail:
	pool_put(&u->map_pool, m);
	u->stats.refused++;
	return NULL;
}

/* Remember under which address the guest knows a port of the host. */
static void host_peer_note(struct udp_map *m, uint16_t port, bool via_gw)
{
	for (int i = 0; i < m->host_peers; i++)
		if (m->host_peer[i].port == port) {
			m->host_peer[i].via_gw = via_gw;
			return;
		}
	m->host_peer[m->host_next].port = port;
	m->host_peer[m->host_next].via_gw = via_gw;
	m->host_next = (uint8_t)((m->host_next + 1) % UDP_HOST_PEERS);
	if (m->host_peers < UDP_HOST_PEERS)
		m->host_peers++;
}

/* The address under which the guest knows @ip:@port. */
static struct ipaddr seen_as(const struct udp *u, const struct udp_map *m,
			     const struct ipaddr *ip, uint16_t port)
{
	if (ipaddr_is_loopback(ip))
		return policy_gateway(u->pol, ip);
	if (!policy_is_host(u->pol, ip))
		return *ip;
	for (int i = 0; i < m->host_peers; i++)
		if (m->host_peer[i].port == port && m->host_peer[i].via_gw)
			return policy_gateway(u->pol, ip);
	return *ip;
}

static bool peer_known(const struct udp_map *m, const struct endpoint *e)
{
	for (int i = 0; i < m->npeers; i++)
		if (endpoint_eq(&m->peers[i], e))
			return true;
	return false;
}

static bool addr_known(const struct udp_map *m, const struct ipaddr *ip)
{
	for (int i = 0; i < m->npeers; i++)
		if (ipaddr_eq(&m->peers[i].ip, ip))
			return true;
	return false;
}

/* May @e, from outside, send to the mapping (RFC 4787 5)? */
static bool may_send(const struct udp *u, const struct udp_map *m,
		     const struct endpoint *e)
{
	switch (u->filter) {
	case NAT_FILTER_EI:
		return true;
	case NAT_FILTER_ADDR:
		return addr_known(m, &e->ip);
	case NAT_FILTER_ADDR_PORT:
		break;
	}
	return peer_known(m, e);
}

/* An address needs one place only while ports do not matter. */
static void peer_note(struct udp *u, struct udp_map *m,
		      const struct endpoint *e)
{
	if (!m->peers)
		m->peers = pool_get(&u->peers_pool);
	if (!m->peers || may_send(u, m, e))
		return;
	m->peers[m->next_peer] = *e;
	m->next_peer = (uint8_t)((m->next_peer + 1) % UDP_PEERS);
	if (m->npeers < UDP_PEERS)
		m->npeers++;
}

static int verdict_drop(struct udp *u, const struct pkt *k,
			enum policy_verdict v, int64_t now_ms)
{
	if (v == POLICY_DENY) {
		u->stats.denied++;
		ipout_reject(u->out, k, WHY_ADMIN, now_ms);
	} else if (v == POLICY_NOWHERE) {
		ipout_reject(u->out, k, k->to_us ? WHY_PORT : WHY_HOST, now_ms);
	}
	return DROP_POLICY;
}

void udp_send_failed(struct ipout *out, const struct pkt *k, int err,
		     int64_t now_ms)
{
	switch (err) {
	case -EAFNOSUPPORT:  /* the host has no IPv6 at all … */
	case -EADDRNOTAVAIL: /* … or no address of its own */
	case -ENETUNREACH:
		ipout_reject(out, k, WHY_NET, now_ms);
		break;
	case -EHOSTUNREACH:
		ipout_reject(out, k, WHY_HOST, now_ms);
		break;
	case -EACCES:
	case -EPERM:
		ipout_reject(out, k, WHY_ADMIN, now_ms);
		break;
	default:
		break;
	}
}

uint16_t udp_gso(const struct pkt *k, size_t len, uint64_t *packets)
{
	size_t size = k->off.gso_type == GSO_UDP_L4 ? k->off.gso_size : 0;

	if (!size || size >= len) {
		(*packets)++;
		return 0;
	}
	*packets += (len + size - 1) / size;
	return (uint16_t)size;
}

static int map_send(struct udp *u, struct udp_map *m, const struct pkt *k,
		    struct udp_send *s, const struct iovec *payload, int n)
{
	size_t len = iov_len(payload, n);

	m->fl.bytes_out += len;
	s->gso = udp_gso(k, len, &m->fl.packets_out);
	s->v = payload;
	s->n = n;
	return u->host->send(u->host_arg, m, s);
}

int udp_guest_input(struct udp *u, const struct pkt *k, uint16_t sport,
		    uint16_t dport, const struct iovec *payload, int n,
		    int64_t now_ms)
{
	struct endpoint guest = {k->ip.src, sport};
	struct ipaddr real = ipaddr_any;
	enum policy_verdict v =
		policy_flow(u->pol, NAT_UDP, &k->ip.dst, dport, &real);
	struct udp_send s;
	struct udp_map *m;
	uint32_t hash;
	int err;

	if (v != POLICY_OUT)
		return verdict_drop(u, k, v, now_ms);
	hash = hash_bytes(u->maps.seed, &guest, sizeof(guest));
	m = map_find(u, &guest, hash);
	if (m && flow_move(u->flows, &m->fl, k->nic_id, now_ms)) {
		udp_map_end(m);
		return DROP_LIMIT;
	}
	if (!m)
		m = map_new(u, &guest, hash, k->nic_id, now_ms, &err);
	if (!m) { /* RFC 5508 REQ-8: short of something, not permitted */
		udp_send_failed(u->out, k,
				err == -EAFNOSUPPORT ? err : -EPERM, now_ms);
		return DROP_LIMIT;
	}
	m->peer = (struct endpoint){k->ip.dst, dport};
	m->only_dns = m->only_dns && dport == 53;
	if (m->answered && !m->only_dns)
		flow_keep(&m->fl);
	flow_touch(&m->fl, now_ms);
	s = (struct udp_send){
		.to = {real, dport},
		.ttl = udp_ttl_out(k),
		.tos = k->ip.tos, .df = k->ip.df,
	};
	if (policy_is_host(u->pol, &real))
		host_peer_note(m, dport, k->to_us);
	if (u->filter != NAT_FILTER_EI)
		peer_note(u, m, &s.to);
	udp_send_failed(u->out, k, map_send(u, m, k, &s, payload, n), now_ms);
	return -1;
}

void udp_header(uint8_t hdr[UDP_HDR], uint16_t sport, uint16_t dport,
		size_t len)
{
	put_be16(hdr, sport);
	put_be16(hdr + 2, dport);
	put_be16(hdr + 4, (uint16_t)(UDP_HDR + len));
	put_be16(hdr + 6, 0);
}

/* Bytes of payload for one frame, of datagrams of @size. */
static size_t join_len(const struct ipout *out, bool v4, size_t size)
{
	size_t hdrs = (v4 ? IP4_HDR : IP6_HDR + 0u) + UDP_HDR;

	if (hdrs + size > out->mtu)
		return size;
	return size * min_sz(JOIN_MAX, max_sz(JOIN_BYTES / size, 1));
}

/* Datagrams of one size that came as one; @like: all but the payload. */
static void deliver_many(struct ipout *out, const struct ipout_pkt *like,
			 const struct udp_recv *r, int64_t now_ms)
{
	size_t most = join_len(out, ipaddr_is4(&like->dst), r->gso);
	struct ipout_pkt p = *like;
	uint8_t hdr[UDP_HDR];
	struct iovec v;

	memcpy(hdr, like->hdr, UDP_HDR);
	p.hdr = hdr;
	p.v = &v;
	for (size_t at = 0; at < r->len; at += v.iov_len) {
		bool many;

		v.iov_base = (uint8_t *)r->data + at;
		v.iov_len = min_sz(most, r->len - at);
		many = v.iov_len > r->gso;
		p.gso_type = many ? GSO_UDP_L4 : GSO_NONE;
		p.gso_size = many ? r->gso : 0;
		put_be16(hdr + 4, (uint16_t)(UDP_HDR + v.iov_len));
		ipout_send(out, &p, now_ms);
	}
}

static inline void deliver(struct ipout *out, const struct endpoint *from,
			   const struct endpoint *to, const struct udp_recv *r,
			   int64_t now_ms)
{
	struct iovec v = {(void *)r->data, r->len};
	uint8_t hdr[UDP_HDR];
	struct ipout_pkt p = {
		.src = from->ip, .dst = to->ip, .proto = IP4_UDP,
		.tos = r->tos,
		.ttl = r->ttl > 1 ? (uint8_t)(r->ttl - 1) : r->ttl,
		.hdr = hdr, .hdr_len = UDP_HDR, .v = &v, .n = 1, .lent = true,
		.csum_at = 6,
	};

	udp_header(hdr, from->port, to->port, r->len);
	if (r->gso)
		deliver_many(out, &p, r, now_ms);
	else
		ipout_send(out, &p, now_ms);
}

void udp_deliver(struct ipout *out, const struct endpoint *from,
		 const struct endpoint *to, const struct udp_recv *r,
		 int64_t now_ms)
{
	deliver(out, from, to, r, now_ms);
}

void udp_host_input(struct udp *u, struct udp_map *m, const struct udp_recv *r,
		    int64_t now_ms)
{
	struct ipaddr seen = seen_as(u, m, &r->from.ip, r->from.port);

	if (policy_is_martian(&seen) || udp_too_long(r) ||
	    ipaddr_is4(&seen) != ipaddr_is4(&m->guest.ip))
		return;
	if ((!policy_is_us(u->pol, &seen) &&
	     policy_is_inside(u->pol, &r->from.ip)) ||
	    policy_denied(u->pol, &r->from.ip) ||
	    !may_send(u, m, &r->from)) {
		u->stats.filtered += udp_count(r);
		return;
	}
	m->fl.bytes_in += r->len;
	m->fl.packets_in += udp_count(r);
	m->peer = (struct endpoint){seen, r->from.port};
	flow_touch(&m->fl, now_ms);
	if (!m->answered) {
		m->answered = true;
		wtimer_arm(u->wheel, &m->fl.timer, now_ms + idle_ms(m),
			   map_on_timer);
	}
	deliver(u->out, &m->peer, &m->guest, r, now_ms);
}

void udp_error(struct ipout *out, const struct endpoint *guest,
	       const struct endpoint *to, uint64_t nic_id,
	       const struct host_err *e, int64_t now_ms)
{
	uint8_t l4[UDP_HDR + 56];
	size_t take = min_sz(e->len, sizeof(l4) - UDP_HDR);
	struct icmp_err err = {
		.from = e->from, .type = e->type, .code = e->code,
		.info = e->info, .nic_id = nic_id, .l4 = l4,
		.l4_len = UDP_HDR + take,
		.orig = {
			.src = guest->ip, .dst = to->ip, .proto = IP4_UDP,
			.ttl = 1, .len = (uint16_t)(UDP_HDR + take),
		},
	};

	udp_header(l4, guest->port, to->port, e->len < 65000 ? e->len : 0);
	if (take)
		memcpy(l4 + UDP_HDR, e->data, take);
	ipout_icmp_err(out, &err, now_ms);
}

void udp_error_from(struct host_err *e, const struct ipaddr *real,
		    const struct ipaddr *seen)
{
	/* The host speaks under the address by which the guest knows it. */
	if (ipaddr_eq(&e->from, real) || ipaddr_is_loopback(&e->from))
		e->from = *seen;
	else if (ipaddr_is4(&e->from) != ipaddr_is4(seen) ||
		 policy_is_martian(&e->from))
		e->from = ipaddr_any; /* of another link than the guest's */
}

void udp_host_error(struct udp *u, struct udp_map *m, const struct host_err *e,
		    int64_t now_ms)
{
	struct host_err he = *e;
	struct endpoint to = e->to;

	if (ipaddr_is4(&e->to.ip) != ipaddr_is4(&m->guest.ip))
		return;
	to.ip = seen_as(u, m, &e->to.ip, e->to.port);
	udp_error_from(&he, &e->to.ip, &to.ip);
	udp_error(u->out, &m->guest, &to, m->fl.nic->id, &he, now_ms);
}

struct walk {
	bool (*fn)(void *arg, struct udp_map *m);
	void *arg;
};

static bool walk_one(struct hnode *n, void *arg)
{
	struct walk *w = arg;

	return w->fn(w->arg, container_of(n, struct udp_map, node));
}

void udp_walk(struct udp *u, bool (*fn)(void *arg, struct udp_map *m),
	      void *arg)
{
	struct walk w = {fn, arg};

	htab_walk(&u->maps, walk_one, &w);
}
