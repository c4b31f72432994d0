// SPDX-License-Identifier: GPL-2.0-or-later
/* UDP services over IPv6 (DHCPv6), and prefixes that lie behind guests. See gateway.h. */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/gateway.h"
#include "nat/iov.h"
#include "switch/port.h"

/* ---- services ------------------------------------------------------------------ */

int gateway_service6_set(struct gateway *g, uint16_t port,
			 const struct ipaddr *group, nat_service6_fn fn,
			 void *arg)
{
	struct gateway_service6 *s = &g->service6;

	if (!fn) {
		s->fn = NULL;
		return 0;
	}
	if (s->fn)
		return s->port == port ? -EEXIST : -ENOSPC;
	*s = (struct gateway_service6){port, *group, fn, arg};
	return 0;
}

bool gateway_udp6_input(struct gateway *g, const struct pkt *k, uint16_t sport,
			uint16_t dport, const struct iovec *payload, int n)
{
	const struct gateway_service6 *s = &g->service6;
	struct nat_datagram6 d = {
		.src = k->ip.src, .src_port = sport, .dst = k->ip.dst,
		.src_mac = k->src_mac, .nic_id = k->nic_id,
	};

	if (!s->fn || dport != s->port ||
	    !(k->to_us || ipaddr_eq(&k->ip.dst, &s->group)))
		return false;
	d.data = gateway_gather(g, payload, n, &d.len);
	s->fn(s->arg, &d);
	return true;
}

int gateway_udp6_send(struct gateway *g, const struct nat_udp6_out *o,
		      int64_t now_ms)
{
	struct iovec v = {(void *)o->data, o->len};
	uint8_t hdr[UDP_HDR];
	struct ipout_pkt p = {
		.src = g->pol.ll6, .dst = o->dst, .proto = IP4_UDP,
		.dst_mac = o->dst_mac, .hdr = hdr, .hdr_len = UDP_HDR, .v = &v,
		.n = 1, .csum_at = 6, .full = true,
	};

	if (!g->cfg.net6.plen)
		return -EAFNOSUPPORT;
	if (ipaddr_is4(&o->dst) || ipaddr_is_zero(&o->dst))
		return -EINVAL;
	if (o->len > 65535 - UDP_HDR)
		return -EMSGSIZE;
	if (!ipaddr_is_linklocal(&o->dst) && !ipaddr_is_multicast(&o->dst))
		p.src = g->cfg.ip6;
	udp_header(hdr, o->src_port, o->dst_port, o->len);
	return ipout_send(&g->ipout, &p, now_ms);
}

/* ---- prefixes behind guests ---------------------------------------------------- */

int gateway_route6_judge(const struct gateway *g, const struct pkt *k)
{
	const struct nat_route6 *r = routes6_find(&g->routes, &k->ip.src);

	if (!r)
		return DROP_PROTO;
	return !r->nic_id || r->nic_id == k->nic_id ? -1 : DROP_GUARD;
}

bool gateway_is_routed6(const struct gateway *g, const struct pkt *k)
{
	return g->routes.n && !k->to_us && !k->group &&
	       routes6_find(&g->routes, &k->ip.dst);
}

/* The packet, or the fragment, as it came, one hop older. We send no redirects
 * (RFC 4861 8.2, a SHOULD): guests with pinned neighbours would not heed them. */
int gateway_route6(struct gateway *g, const struct pkt *k, int64_t now_ms)
{
	const struct nat_route6 *r = routes6_find(&g->routes, &k->ip.dst);
	const struct frame *f = k->frame;
	uint8_t hdr[FRAME_HDR];
	struct iovec v[FRAME_SEGS];
	size_t len;
	int n;

	if (k->ip.ttl <= 1) {
		ipout_reject(&g->ipout, k, WHY_TTL, now_ms);
		return DROP_POLICY;
	}
	/* Back to where it came from: the guest has no such host, or no route that
	 * throws it away (RFC 7084 WPD-5); it would go round until its end. */
	if (routes6_find(&g->routes, &k->ip.src) == r)
		return DROP_POLICY;
	len = iov_copy(f->seg, f->nseg, 0, hdr,
		       f->len < FRAME_HDR ? f->len : FRAME_HDR);
	n = iov_slice(f->seg, f->nseg, len, f->len - len, v);
	memcpy(hdr + 6, g->cfg.mac.b, 6);
	hdr[ETH_HDR_LEN + 7]--; /* hop limit (RFC 8200 3) */
	return neigh_send(&g->neigh, &r->via, hdr, len, v, n, &f->off, false,
			  now_ms)
		       ? DROP_FULL
		       : -1;
}
