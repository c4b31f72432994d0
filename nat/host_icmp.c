// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Echo over the host's sockets, for icmp.h: one ping socket (SOCK_DGRAM,
 * IPPROTO_ICMP or IPPROTO_ICMPV6) per mapping, bound to the identifier; or, where
 * net.ipv4.ping_group_range (of both families) does not let us, one raw socket of the
 * family that we were given for all of them. On the raw socket everybody's replies are
 * seen, so identifiers are chosen by us and at random.
 *
 * #syscalls socket close
 */
#include <errno.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "lib/fdutil.h"
#include "nat/host.h"
#include "nat/iov.h"

#define ID_TRIES 64

struct icmp_sock {
	struct event ev;   /* ping socket only */
	struct hnode node; /* raw only: in host_raw.ids by identifier */
	struct host *host;
	struct icmp_map *map;
	int fd; /* -1 = the raw one */
	int8_t df;
};

/* ---- ping sockets --------------------------------------------------------------- */

/* An ICMP message from the way of @m; a reply goes to the guest. */
static void echo_reply(struct host *h, struct icmp_map *m,
		       const struct host_msg *msg, const uint8_t *p, size_t len,
		       int64_t now_ms)
{
	struct icmp_recv r = {.ttl = msg->ttl, .tos = msg->tos};

	if (len < ICMP_HDR ||
	    p[0] != (ipaddr_is4(&msg->from.ip) ? ICMP_T_ECHO_REPLY
					       : ICMP6_ECHO_REPLY))
		return;
	r.from = msg->from.ip;
	r.seq = get_be16(p + 6);
	r.data = p + ICMP_HDR;
	r.len = len - ICMP_HDR;
	icmp_host_input(&h->gw->icmp, m, &r, now_ms);
}

/* Is it the host's own word that a packet is too big? It quotes nothing. */
static bool is_too_big(const struct host_err *e)
{
	if (!ipaddr_is_zero(&e->from))
		return false;
	return ipaddr_is4(&e->to.ip) ? e->type == ICMP_T_UNREACH &&
					       e->code == ICMP_C_FRAG
				     : e->type == ICMP6_TOO_BIG;
}

/* @hdr: the header of the echo request just refused as too big; nullable. */
static void read_errors(struct icmp_sock *s, const uint8_t *hdr, int64_t now_ms)
{
	uint8_t buf[128];
	struct host_err e;

	for (int i = 0; i < HOST_ERRORS; i++) {
		int r = host_recv_err(s->fd, &e, buf, sizeof(buf));

		if (r < 0)
			return;
		if (hdr && is_too_big(&e)) {
			e.data = hdr;
			e.len = ICMP_HDR;
		}
		if (r)
			icmp_host_error(&s->host->gw->icmp, s->map, &e, now_ms);
	}
}

static void ping_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct icmp_sock *s = arg;
	struct host *h = s->host;
	int64_t now_ms = h->turn(h->arg);
	int n = host_recv(h, fd, NULL);

	(void)what;
	for (int i = 0; i < n; i++)
		echo_reply(h, s->map, &h->msg[i], h->msg[i].data, h->msg[i].len,
			   now_ms);
	if (n <= 0)
		read_errors(s, NULL, now_ms);
	h->turn_end(h->arg, now_ms);
}

static int ping_open(struct icmp_sock *s, uint16_t want, uint16_t *id)
{
	bool ip6 = !ipaddr_is4(&s->map->guest.ip);
	int err;

	s->fd = socket(ip6 ? AF_INET6 : AF_INET,
		       SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (s->fd < 0)
		return -errno;
	err = host_recv_options(s->fd, ip6, false);
	if (!err && host_bind(s->fd, ip6, want, id))
		err = host_bind(s->fd, ip6, 0, id); /* taken: any */
	if (!err && (event_assign(&s->ev, s->host->base, s->fd,
				  EV_READ | EV_PERSIST, ping_on_readable, s) ||
		     event_add(&s->ev, NULL)))
		err = -ENOMEM;
	if (err)
		fd_close(&s->fd);
	return err;
}

/* ---- the raw socket -------------------------------------------------------------- */

static struct host_raw *raw_of(struct host *h, bool ip6)
{
	return &h->raw[ip6];
}

static uint32_t id_hash(const struct host_raw *r, uint16_t id)
{
	return hash_bytes(r->ids.seed, &id, sizeof(id));
}

static struct icmp_sock *raw_find(const struct host_raw *r, uint16_t id)
{
	struct hnode *n = htab_find(&r->ids, id_hash(r, id));

	for (; n; n = htab_find_next(n)) {
		struct icmp_sock *s = container_of(n, struct icmp_sock, node);

		if (s->map->host_id == id)
			return s;
	}
	return NULL;
}

static int raw_open(struct host_raw *r, struct icmp_sock *s, uint16_t want,
		    uint16_t *id)
{
	for (uint32_t i = 0; i < ID_TRIES; i++) {
		struct {
			uint32_t want, i;
			const void *s;
		} key = {want, i, s};
		uint16_t pick = (uint16_t)hash_bytes(r->host->gw->env.seed,
						     &key, sizeof(key));

		if (raw_find(r, pick))
			continue;
		*id = pick;
		htab_add(&r->ids, &s->node, id_hash(r, pick));
		return 0;
	}
	return -EADDRINUSE;
}

/* Where the echo request begins in a packet that an error quotes, and its
 * destination; 0 when it is none. The header may have been changed on its way: no
 * checksum. Extension headers we never send. */
static size_t quoted_echo(const uint8_t *p, size_t len, bool ip6,
			  struct ipaddr *dst)
{
	size_t hlen = ip6 ? IP6_HDR : (size_t)(p[0] & 15) * 4;

	if (hlen < IP4_HDR || len < hlen + ICMP_HDR ||
	    p[0] >> 4 != (ip6 ? 6 : 4))
		return 0;
	if (ip6 ? p[6] != IP6_ICMP || p[hlen] != ICMP6_ECHO
		: p[9] != IP4_ICMP || p[hlen] != ICMP_T_ECHO)
		return 0;
	if (ip6)
		memcpy(dst->b, p + 24, 16);
	else
		*dst = ipaddr_from4(get_be32(p + 16));
	return hlen;
}

/* An error: find whose echo request is quoted (RFC 792, RFC 4443). */
static void raw_error(struct host_raw *r, const uint8_t *p, size_t len,
		      const struct ipaddr *from, int64_t now_ms)
{
	bool ip6 = !ipaddr_is4(from);
	struct host_err e = {.from = *from, .type = p[0], .code = p[1]};
	struct icmp_sock *s;
	size_t hlen;

	if (len <= ICMP_HDR)
		return;
	if (!ip6 && e.type == ICMP_T_UNREACH && e.code == ICMP_C_FRAG)
		e.info = get_be32(p + 4) & 0xffff;
	else if (ip6 && e.type == ICMP6_TOO_BIG)
		e.info = get_be32(p + 4);
	p += ICMP_HDR;
	len -= ICMP_HDR;
	hlen = quoted_echo(p, len, ip6, &e.to.ip);
	if (!hlen)
		return;
	e.data = p + hlen;
	e.len = len - hlen;
	s = raw_find(r, get_be16(p + hlen + 4));
	if (s && ipaddr_eq(&s->map->peer.ip, &e.to.ip))
		icmp_host_error(&r->host->gw->icmp, s->map, &e, now_ms);
}

static bool raw_is_error(uint8_t type, bool ip6)
{
	return ip6 ? type >= ICMP6_UNREACH && type <= ICMP6_PARAM
		   : type == ICMP_T_UNREACH || type == ICMP_T_TIME ||
			     type == ICMP_T_PARAM;
}

/* In IPv6 the header is not among the bytes, and the kernel has verified. */
static void raw_message(struct host_raw *r, const struct host_msg *m,
			int64_t now_ms)
{
	bool ip6 = !ipaddr_is4(&m->from.ip);
	size_t hlen = ip6 || !m->len ? 0 : (size_t)(m->data[0] & 15) * 4;
	const uint8_t *p = m->data + hlen;
	size_t len = m->len - hlen;
	struct icmp_sock *s;

	if ((!ip6 && hlen < IP4_HDR) || m->len < hlen + ICMP_HDR)
		return;
	if (p[0] == (ip6 ? ICMP6_ECHO_REPLY : ICMP_T_ECHO_REPLY)) {
		s = raw_find(r, get_be16(p + 4));
		if (s && (ip6 || !csum_finish(csum_add(0, p, len))))
			echo_reply(r->host, s->map, m, p, len, now_ms);
	} else if (raw_is_error(p[0], ip6)) {
		raw_error(r, p, len, &m->from.ip, now_ms);
	}
}

/* Empty the raw socket's error queue. What the path says comes as messages too, so
 * only the host's own word about a packet of @s that is too big counts. */
static void raw_errors(struct host_raw *r, struct icmp_sock *s,
		       const uint8_t *hdr, int64_t now_ms)
{
	uint8_t buf[64];
	struct host_err e;

	for (int i = 0; i < HOST_ERRORS; i++) {
		int ret = host_recv_err(r->fd, &e, buf, sizeof(buf));

		if (ret < 0)
			return;
		if (!ret || !s || !is_too_big(&e))
			continue;
		e.data = hdr;
		e.len = ICMP_HDR;
		icmp_host_error(&r->host->gw->icmp, s->map, &e, now_ms);
	}
}

static void raw_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct host_raw *r = arg;
	struct host *h = r->host;
	int64_t now_ms = h->turn(h->arg);
	int n = host_recv(h, fd, NULL);

	(void)what;
	for (int i = 0; i < n; i++)
		raw_message(r, &h->msg[i], now_ms);
	if (n <= 0)
		raw_errors(r, NULL, NULL, now_ms);
	h->turn_end(h->arg, now_ms);
}

/* Replies and errors only. Who made the socket may have filtered it already, and a
 * sealed process may not touch the filter: EPERM is fine. */
static int raw_filter(int fd, bool ip6)
{
	struct icmp_filter only4 = {
		.data = ~(1u << ICMP_T_ECHO_REPLY | 1u << ICMP_T_UNREACH |
			  1u << ICMP_T_TIME | 1u << ICMP_T_PARAM),
	};
	struct icmp6_filter only6;
	int r;

	/* A bit set: not that type. */
	memset(&only6, 0xff, sizeof(only6));
	only6.data[0] = ~(1u << ICMP6_UNREACH | 1u << ICMP6_TOO_BIG |
			  1u << ICMP6_TIME | 1u << ICMP6_PARAM);
	only6.data[ICMP6_ECHO_REPLY / 32] = ~(1u << ICMP6_ECHO_REPLY % 32);
	r = ip6 ? setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, &only6,
			     sizeof(only6))
		: setsockopt(fd, SOL_RAW, ICMP_FILTER, &only4, sizeof(only4));
	return r && errno != EPERM ? -errno : 0;
}

int host_icmp_raw(struct host *h, bool ip6, int raw_fd)
{
	struct host_raw *r = raw_of(h, ip6);
	int err;

	if (raw_fd < 0)
		return 0;
	err = r->fd >= 0 ? -EEXIST : fd_setup(raw_fd);
	if (!err)
		err = htab_init(&r->ids, 16, h->gw->env.seed);
	if (err) {
		fd_close(&raw_fd);
		return err;
	}
	r->host = h;
	r->fd = raw_fd;
	r->df = -1;
	err = raw_filter(raw_fd, ip6);
	if (!err)
		err = host_recv_options(raw_fd, ip6, false);
	if (err)
		return err;
	event_assign(&r->ev, h->base, raw_fd, EV_READ | EV_PERSIST,
		     raw_on_readable, r);
	return event_add(&r->ev, NULL) ? -ENOMEM : 0;
}

void host_icmp_raw_close(struct host *h)
{
	for (struct host_raw *r = h->raw; r < h->raw + 2; r++) {
		if (r->fd < 0)
			continue;
		if (event_initialized(&r->ev))
			event_del(&r->ev);
		fd_close(&r->fd);
		htab_fini(&r->ids);
	}
}

/* ---- struct icmp_host ------------------------------------------------------------- */

static int icmp_open(void *arg, struct icmp_map *m, uint16_t want)
{
	struct icmp_sock *s = calloc(1, sizeof(*s));
	struct host_raw *raw;
	int err;

	if (!s)
		return -ENOMEM;
	s->host = arg;
	s->map = m;
	s->df = -1;
	raw = raw_of(arg, !ipaddr_is4(&m->guest.ip));
	err = ping_open(s, want, &m->host_id);
	if (err && raw->fd >= 0)
		err = raw_open(raw, s, want, &m->host_id);
	if (err) {
		free(s);
		return err;
	}
	m->host = s;
	return 0;
}

static int icmp_send_out(void *arg, struct icmp_map *m,
			 const struct icmp_send *c)
{
	struct icmp_sock *s = m->host;
	bool ip6 = !ipaddr_is4(&c->to);
	uint8_t hdr[ICMP_HDR] = {ip6 ? ICMP6_ECHO : ICMP_T_ECHO};
	struct iovec v[FRAME_SEGS + 1] = {{hdr, sizeof(hdr)}};
	struct udp_send out = {
		.to = {c->to, 0}, .ttl = c->ttl, .tos = c->tos,
		.df = c->df, .v = v, .n = c->n + 1,
	};
	struct host *h = arg;
	struct host_raw *raw;
	int err;

	if (c->n > FRAME_SEGS)
		return -EMSGSIZE;
	for (int i = 0; i < c->n; i++)
		v[i + 1] = c->v[i];
	put_be16(hdr + 4, m->host_id);
	put_be16(hdr + 6, c->seq);
	if (s->fd >= 0) {
		host_set_df(s->fd, ip6, c->df, &s->df);
		err = host_send(s->fd, &out, NULL, NULL);
		if (err == -EMSGSIZE)
			read_errors(s, hdr, h->gw->now_ms);
		return err;
	}
	/* The kernel fills in checksums, but not on raw sockets of IPv4. */
	if (!ip6)
		put_be16(hdr + 2, csum_finish(iov_csum(0, v, c->n + 1)));
	raw = raw_of(h, ip6);
	host_set_df(raw->fd, ip6, c->df, &raw->df);
	err = host_send(raw->fd, &out, NULL, NULL);
	if (err == -EMSGSIZE)
		raw_errors(raw, s, hdr, h->gw->now_ms);
	return err;
}

static void icmp_close(void *arg, struct icmp_map *m)
{
	struct icmp_sock *s = m->host;
	struct host *h = arg;

	if (s->fd >= 0)
		event_del(&s->ev);
	else
		htab_del(&raw_of(h, !ipaddr_is4(&m->guest.ip))->ids, &s->node);
	fd_close(&s->fd);
	free(s);
	m->host = NULL;
}

const struct icmp_host host_icmp_ops = {
	.open = icmp_open,
	.send = icmp_send_out,
	.close = icmp_close,
};
