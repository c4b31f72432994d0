// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IPv6 on its way in, up to where both families are alike (gateway_packet()), and
 * ICMPv6: neighbour discovery, echo, services. See gateway.h.
 */
#include <errno.h>
#include <string.h>

#include "nat/gateway.h"
#include "nat/iov.h"
#include "switch/port.h"

/* ---- services ------------------------------------------------------------------ */

/* Types that are the gateway's own (RFC 4443, RFC 4861): errors, echo, neighbour
 * solicitation and advertisement. */
static bool type_is_ours(uint8_t type)
{
	return type < ICMP6_ECHO || type == ICMP6_ECHO ||
	       type == ICMP6_ECHO_REPLY || type == ICMP6_NS || type == ICMP6_NA;
}

int gateway_icmp6_service_set(struct gateway *g, uint8_t type, nat_icmp6_fn fn,
			      void *arg)
{
	struct gateway_icmp6 *s, *room = NULL;

	if (type_is_ours(type))
		return -EINVAL;
	for (s = g->icmp6; s < g->icmp6 + NAT_ICMP6_MAX; s++) {
		if (s->fn && s->type == type) {
			if (fn)
				return -EEXIST;
			s->fn = NULL;
			return 0;
		}
		if (!s->fn && !room)
			room = s;
	}
	if (!fn)
		return 0;
	if (!room)
		return -ENOSPC;
	*room = (struct gateway_icmp6){type, fn, arg};
	return 0;
}

int gateway_icmp6_send(struct gateway *g, const struct nat_icmp6_out *o,
		       int64_t now_ms)
{
	struct iovec v = {(uint8_t *)o->data + ICMP_HDR, o->len - ICMP_HDR};
	struct ipout_pkt p = {
		.src = ipaddr_is_zero(&o->src) ? g->pol.ll6 : o->src,
		.dst = o->dst, .dst_mac = o->dst_mac,
		.proto = IP6_ICMP, .ttl = 255, .df = true, .hdr = o->data,
		.hdr_len = ICMP_HDR, .v = &v, .n = 1, .csum_at = 2,
		.full = true,
	};

	if (!g->cfg.net6.plen)
		return -EAFNOSUPPORT;
	if (o->len < ICMP_HDR || ipaddr_is4(&o->dst) ||
	    ipaddr_is_zero(&o->dst))
		return -EINVAL;
	return ipout_send(&g->ipout, &p, now_ms);
}

static int to_service(struct gateway *g, const struct pkt *k)
{
	struct nat_icmp6 m = {
		.src = k->ip.src, .dst = k->ip.dst, .hop_limit = k->ip.ttl,
		.src_mac = k->src_mac, .nic_id = k->nic_id,
	};
	struct gateway_icmp6 *s = g->icmp6;

	while (s < g->icmp6 + NAT_ICMP6_MAX &&
	       (!s->fn || s->type != k->head[0]))
		s++;
	if (s == g->icmp6 + NAT_ICMP6_MAX)
		return DROP_POLICY;
	m.data = gateway_gather(g, k->l4, k->nl4, &m.len);
	s->fn(s->arg, &m);
	return -1;
}

/* ---- ICMPv6 from guests --------------------------------------------------------- */

int gateway_icmp6_input(struct gateway *g, const struct pkt *k, bool src_ok,
			int64_t now_ms)
{
	uint8_t type = k->head[0];
	bool ours = k->to_us ||
		    (k->group && ndp_is_our_group(&g->ndp, &k->ip.dst));

	if (k->l4_len < ICMP_HDR)
		return DROP_PROTO;
	if (type == ICMP6_ECHO) {
		if (!src_ok)
			return DROP_PROTO;
		if (k->group && !ours)
			return DROP_POLICY;
		return icmp_guest_input(&g->icmp, k, g->cfg.nat, now_ms);
	}
	if (!ours || type < ICMP6_ECHO)
		return DROP_POLICY;
	if (!pkt_csum_ok(k, 2))
		return DROP_PROTO;
	if (type == ICMP6_NS || type == ICMP6_NA)
		return ndp_input(&g->ndp, k, now_ms) ? -1 : DROP_PROTO;
	return to_service(g, k);
}

/* ---- packets --------------------------------------------------------------------- */

/* Whom packets may come from: guests by their own addresses; from :: only what comes
 * before there is one. A drop_reason, or -1. */
static int judge_source(const struct gateway *g, const struct pkt *k,
			bool *src_ok)
{
	const struct ipaddr *src = &k->ip.src;

	if (policy_is_us(&g->pol, src))
		return DROP_GUARD;
	*src_ok = ipaddr_in_net6(src, &g->cfg.net6) || ipaddr_is_linklocal(src);
	if (!*src_ok && g->routes.n) {
		int drop = gateway_route6_judge(g, k);

		if (drop == DROP_GUARD)
			return drop;
		*src_ok = drop < 0;
	}
	if (*src_ok) {
		/* RFC 4291 2.5.6: link-local addresses stay on their link. */
		if (ipaddr_is_linklocal(src) && !k->to_us && !k->group)
			return DROP_POLICY;
		return -1;
	}
	return ipaddr_is_zero(src) && k->group ? -1 : DROP_PROTO;
}

static void learn(struct gateway *g, const struct pkt *k, int64_t now_ms)
{
	/* Neighbour discovery says more than where a packet came from. */
	if (k->ip.proto == IP6_ICMP && k->head_len &&
	    (k->head[0] == ICMP6_NS || k->head[0] == ICMP6_NA))
		return;
	ndp_learn(&g->ndp, &k->ip.src, &k->src_mac, k->nic_id, now_ms);
}

/* A fragment: -1 with the whole in @k, or what becomes of the frame + 1. */
static int reassemble(struct gateway *g, struct pkt *k, struct ip6_chain *c,
		      bool *whole, int64_t now_ms)
{
	int ret;

	*whole = false;
	if (k->off.needs_csum || k->off.gso_type)
		return DROP_OFFLOAD;
	if (k->ip.mf && k->l4_len % 8) {
		/* RFC 8200 4.5; 4 is where the payload's length stands. */
		ipout_param_problem(&g->ipout, k, ICMP6_C_FIELD, 4, now_ms);
		return DROP_PROTO;
	}
	ret = reasm_input(&g->reasm, k, now_ms);
	if (ret <= 0)
		return !ret ? -1 : ret == -EBADMSG ? DROP_PROTO : DROP_LIMIT;
	ret = pkt_exts(k, c);
	if (ret == -EPROTO)
		ipout_param_problem(&g->ipout, k, c->code, c->ptr, now_ms);
	*whole = !ret;
	return ret ? DROP_PROTO : -1;
}

static int whole_or_not(struct gateway *g, struct pkt *k, struct ip6_chain *c,
			bool src_ok, int64_t now_ms)
{
	bool whole = true;
	int ret = -1;

	if (k->ip.mf || k->ip.frag)
		ret = reassemble(g, k, c, &whole, now_ms);
	if (!whole)
		return ret;
	if (src_ok)
		learn(g, k, now_ms);
	return gateway_packet(g, k, src_ok, now_ms);
}

static bool is_ext(uint8_t next)
{
	return next == IP6_HOPS || next == IP6_ROUTING ||
	       next == IP6_FRAGMENT || next == IP6_DEST;
}

int gateway_ip6_input(struct gateway *g, const struct frame *f, uint64_t nic_id,
		      int64_t now_ms)
{
	const uint8_t *eth = frame_hdr(f), *p = eth + ETH_HDR_LEN;
	size_t avail = frame_hdr_len(f) - ETH_HDR_LEN;
	size_t room = f->len - ETH_HDR_LEN;
	struct pkt k = {.nic_id = nic_id, .off = f->off};
	uint8_t hdrs[IP6_HDRS_MAX];
	struct ip6_chain c;
	bool src_ok;
	int err, drop;

	if (!g->cfg.net6.plen || avail < IP6_HDR)
		return DROP_PROTO;
	memcpy(k.src_mac.b, eth + 6, 6);
	/* Long chains of headers are rare: only they are put together. */
	if (is_ext(p[6]) && avail < room) {
		avail = iov_copy(f->seg, f->nseg, ETH_HDR_LEN, hdrs,
				 sizeof(hdrs));
		p = hdrs;
	}
	err = pkt_decode6(&k.ip, &c, p, avail, room);
	if (err == -EBADMSG)
		return DROP_PROTO;
	k.group = ipaddr_is_multicast(&k.ip.dst);
	k.to_us = policy_is_us(&g->pol, &k.ip.dst);
	/* A packet for one in a frame for many. */
	if (eth[0] & 1 && !k.group)
		return DROP_PROTO;
	drop = judge_source(g, &k, &src_ok);
	if (drop >= 0)
		return drop;
	pkt_l4(&k, f, ETH_HDR_LEN);
	if (err) {
		ipout_param_problem(&g->ipout, &k, c.code, c.ptr, now_ms);
		return DROP_PROTO;
	}
	if (src_ok && gateway_is_routed6(g, &k)) {
		learn(g, &k, now_ms);
		return gateway_route6(g, &k, now_ms);
	}
	return whole_or_not(g, &k, &c, src_ok, now_ms);
}
