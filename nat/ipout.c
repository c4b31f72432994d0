// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packets to the guests. See ipout.h.
 *
 * FULL_CSUM: some readers of raw frames (older dhclient, FreeBSD) drop a DHCP reply
 * whose UDP checksum was left to the receiving NIC. Such datagrams go complete.
 */
#include "nat/ipout.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/iov.h"

#define TTL_DEFAULT 64
/* RFC 1812 4.3.2.3: as much as fits in 576 bytes. */
#define ERR_QUOTE4 (576 - IP4_HDR - ICMP_HDR)
/* RFC 4443 2.4 (c): as much as fits in the least MTU. */
#define ERR_QUOTE6 (IP6_MTU_MIN - IP6_HDR - ICMP_HDR)
#define IP_HDRS_MAX (IP6_HDR + IP6_FRAG_HDR)

static bool is_v4(const struct ipout_pkt *p)
{
	return ipaddr_is4(&p->src);
}

static size_t ip_len(const struct ipout_pkt *p)
{
	return is_v4(p) ? IP4_HDR : IP6_HDR;
}

static bool is_group(const struct ipaddr *ip)
{
	return ipaddr_is4(ip) ? ipaddr_get4(ip) == 0xffffffff
			      : ipaddr_is_multicast(ip);
}

static void eth_hdr(const struct ipout *o, const struct ipout_pkt *p,
		    uint8_t *b)
{
	struct mac to = p->dst_mac;

	if (mac_is_zero(&to) && is_group(&p->dst))
		to = is_v4(p) ? mac_broadcast : ipaddr_multicast_mac(&p->dst);
	memcpy(b, to.b, 6);
	memcpy(b + 6, o->mac.b, 6);
	put_be16(b + 12, is_v4(p) ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
}

/* The header of a whole packet or of a fragment with @len bytes from @frag on behind
 * it; returns its length. */
static size_t ip_hdr(const struct ipout_pkt *p, uint32_t id, size_t len,
		     size_t frag, bool mf, uint8_t *b)
{
	uint8_t ttl = p->ttl ? p->ttl : TTL_DEFAULT;
	bool pieces = frag || mf;

	if (is_v4(p)) {
		struct ip4 h = {
			.src = ipaddr_get4(&p->src),
			.dst = ipaddr_get4(&p->dst), .proto = p->proto,
			.tos = p->tos, .ttl = ttl, .df = p->df,
			.id = (uint16_t)id, .frag = (uint16_t)frag, .mf = mf,
			.len = (uint16_t)(IP4_HDR + len),
		};

		ip4_build(b, &h);
		return IP4_HDR;
	}
	struct ip6 h = {
		.src = p->src, .dst = p->dst, .tclass = p->tos,
		.hop_limit = ttl, .next = pieces ? IP6_FRAGMENT : p->proto,
		.len = (uint16_t)(len + (pieces ? IP6_FRAG_HDR : 0)),
	};

	ip6_build(b, &h);
	if (pieces)
		ip6_build_frag(b + IP6_HDR, p->proto, (uint16_t)frag, mf, id);
	return IP6_HDR + (pieces ? IP6_FRAG_HDR : 0u);
}

/* One frame: @h is Ethernet and IP (and L4) headers, @v what follows. */
static int emit(struct ipout *o, const struct ipout_pkt *p, uint8_t *h,
		size_t hlen, const struct iovec *v, int n,
		const struct offload *off, bool lent, int64_t now_ms)
{
	if (mac_is_zero(&p->dst_mac) && !is_group(&p->dst)) {
		const struct nat_route6 *r =
			is_v4(p) || !o->routes
				? NULL
				: routes6_find(o->routes, &p->dst);

		return neigh_send(o->neigh, r ? &r->via : &p->dst, h, hlen, v,
				  n, off, lent, now_ms);
	}
	return outq_put(o->out, h, hlen, v, n, off, lent);
}

/* The packet's L4 bytes in pieces of what one MTU takes, offsets times 8. */
static int send_frags(struct ipout *o, const struct ipout_pkt *p, uint32_t id,
		      const struct iovec *l4, int nl4, size_t len,
		      int64_t now_ms)
{
	static const struct offload none;
	size_t hlen = is_v4(p) ? IP4_HDR : IP6_HDR + IP6_FRAG_HDR;
	size_t step = (o->mtu - hlen) & ~(size_t)7;
	uint8_t h[ETH_HDR_LEN + IP_HDRS_MAX];

	for (size_t at = 0; at < len; at += step) {
		size_t take = min_sz(step, len - at);
		struct iovec piece[FRAME_SEGS];
		int n = iov_slice(l4, nl4, at, take, piece), err;

		eth_hdr(o, p, h);
		hlen = ip_hdr(p, id, take, at, at + take < len,
			      h + ETH_HDR_LEN);
		/* Copied: the L4 header is on our stack. */
		err = emit(o, p, h, ETH_HDR_LEN + hlen, piece, n, &none, false,
			   now_ms);
		if (err)
			return err;
	}
	return 0;
}

/* Put the L4 checksum, or its beginning, into @l4. */
static void l4_csum(const struct ipout_pkt *p, uint8_t *l4, size_t len,
		    bool full)
{
	uint64_t sum;
	uint16_t c;

	if (p->csum_at == IPOUT_NO_CSUM)
		return;
	sum = pkt_pseudo(&p->src, &p->dst, p->proto, len);
	put_be16(l4 + p->csum_at, 0);
	if (!full) {
		put_be16(l4 + p->csum_at, csum_fold(sum));
		return;
	}
	/* L4 headers have even lengths. */
	sum += csum_fold(csum_add(0, l4, p->hdr_len));
	c = csum_finish(sum + csum_fold(iov_csum(0, p->v, p->n)));
	/* RFC 768, RFC 8200 8.1: a computed zero is sent as ones. */
	put_be16(l4 + p->csum_at, c || p->proto != IP4_UDP ? c : 0xffff);
}

static int send_whole(struct ipout *o, const struct ipout_pkt *p, uint32_t id,
		      size_t l4_len, int64_t now_ms)
{
	struct offload off = {0};
	uint8_t h[FRAME_HDR];
	size_t l4_at;

	eth_hdr(o, p, h);
	l4_at = ETH_HDR_LEN + ip_hdr(p, id, l4_len, 0, false, h + ETH_HDR_LEN);
	memcpy(h + l4_at, p->hdr, p->hdr_len);
	l4_csum(p, h + l4_at, l4_len, p->full);
	if (p->csum_at != IPOUT_NO_CSUM && !p->full) {
		off.needs_csum = true;
		off.csum_start = (uint16_t)l4_at;
		off.csum_offset = p->csum_at;
		off.gso_type = p->gso_type;
		off.gso_size = p->gso_size;
		off.hdr_len = (uint16_t)(l4_at + p->hdr_len);
	}
	return emit(o, p, h, l4_at + p->hdr_len, p->v, p->n, &off,
		    p->lent && !outq_held(o->out), now_ms);
}

int ipout_send(struct ipout *o, const struct ipout_pkt *p, int64_t now_ms)
{
	size_t l4_len = p->hdr_len + iov_len(p->v, p->n);
	uint32_t id = o->next_id;
	struct iovec all[FRAME_SEGS];
	uint8_t l4[L4_HEAD];

	assert(p->hdr_len <= L4_HEAD);
	if (l4_len > 65535u - (is_v4(p) ? IP4_HDR : 0) ||
	    p->n > FRAME_SEGS - 3)
		return -EMSGSIZE;
	/* What it is cut into has ids that count up; TCP's need none (DF). */
	o->next_id += p->gso_type == GSO_UDP_L4
			      ? (uint32_t)(l4_len / p->gso_size) + 1
			      : 1;
	if (p->gso_type || l4_len + ip_len(p) <= o->mtu)
		return send_whole(o, p, id, l4_len, now_ms);
	if (p->df)
		return -EMSGSIZE;
	memcpy(l4, p->hdr, p->hdr_len);
	l4_csum(p, l4, l4_len, true);
	all[0].iov_base = l4;
	all[0].iov_len = p->hdr_len;
	for (int i = 0; i < p->n; i++)
		all[i + 1] = p->v[i];
	return send_frags(o, p, id, all, p->n + 1, l4_len, now_ms);
}

/* ---- errors ------------------------------------------------------------------ */

void ipout_err_why(struct icmp_err *e, enum ipout_why why)
{
	static const struct {
		uint8_t type4, code4, type6, code6;
	} t[] = {
		[WHY_NET] = {ICMP_T_UNREACH, ICMP_C_NET, ICMP6_UNREACH,
			     ICMP6_C_NOROUTE},
		[WHY_HOST] = {ICMP_T_UNREACH, ICMP_C_HOST, ICMP6_UNREACH,
			      ICMP6_C_ADDRESS},
		[WHY_PROTO] = {ICMP_T_UNREACH, ICMP_C_PROTO, ICMP6_PARAM,
			       ICMP6_C_NEXT},
		[WHY_PORT] = {ICMP_T_UNREACH, ICMP_C_PORT, ICMP6_UNREACH,
			      ICMP6_C_PORT},
		[WHY_ADMIN] = {ICMP_T_UNREACH, ICMP_C_ADMIN, ICMP6_UNREACH,
			       ICMP6_C_ADMIN},
		[WHY_TTL] = {ICMP_T_TIME, 0, ICMP6_TIME, 0},
		[WHY_REASM] = {ICMP_T_TIME, 1, ICMP6_TIME, 1},
	};
	bool v4 = ip_hdr_is4(&e->orig);

	e->type = v4 ? t[why].type4 : t[why].type6;
	e->code = v4 ? t[why].code4 : t[why].code6;
	e->info = !v4 && why == WHY_PROTO ? e->orig.next_at : 0;
}

/* Echo and other queries only, never an error about an error. */
static bool err_about_icmp(const struct icmp_err *e)
{
	if (!e->l4_len)
		return false;
	if (!ip_hdr_is4(&e->orig)) /* RFC 4443 2.4 (e) */
		return e->l4[0] >= ICMP6_ECHO && e->l4[0] != ICMP6_REDIRECT;
	return e->l4[0] != ICMP_T_UNREACH && e->l4[0] != 4 && e->l4[0] != 5 &&
	       e->l4[0] != ICMP_T_TIME && e->l4[0] != ICMP_T_PARAM;
}

/* May this packet be answered with an error at all (RFC 1122 3.2.2)? */
static bool err_allowed(const struct icmp_err *e)
{
	const struct ipaddr *src = &e->orig.src;
	bool v4 = ip_hdr_is4(&e->orig);

	if (e->orig.frag || ipaddr_is_any(src) || ipaddr_is_multicast(src) ||
	    ipaddr_is_multicast(&e->orig.dst) || is_group(&e->orig.dst) ||
	    ipaddr_is_loopback(src))
		return false;
	if (v4 && ip4_is_martian(ipaddr_get4(src)))
		return false;
	return e->orig.proto != (v4 ? IP4_ICMP : IP6_ICMP) || err_about_icmp(e);
}

/* The packet that an IPv4 error is about, without its options. */
static size_t quote4(const struct icmp_err *e, uint8_t *b)
{
	const struct ip_hdr *h = &e->orig;
	size_t take = min_sz(e->l4_len, ERR_QUOTE4 - IP4_HDR);
	struct ip4 ip = {
		.src = ipaddr_get4(&h->src), .dst = ipaddr_get4(&h->dst),
		.len = (uint16_t)(IP4_HDR + h->len), .id = (uint16_t)h->id,
		.frag = h->frag, .tos = h->tos, .ttl = h->ttl,
		.proto = h->proto, .df = h->df, .mf = h->mf,
	};

	ip4_build(b, &ip);
	memcpy(b + IP4_HDR, e->l4, take);
	return IP4_HDR + take;
}

static size_t quote6(const struct icmp_err *e, uint8_t *b)
{
	const struct ip_hdr *h = &e->orig;
	struct ip6 ip = {
		.src = h->src, .dst = h->dst, .len = h->len, .tclass = h->tos,
		.next = h->proto, .hop_limit = h->ttl,
	};
	bool first = e->pkt && e->pkt->off.gso_type; /* about_first() */
	size_t n = IP6_HDR, take;

	/* With its extension headers, when it is still there as it came. */
	if (e->pkt && e->pkt->frame) {
		n = iov_copy(e->pkt->frame->seg, e->pkt->frame->nseg,
			     ETH_HDR_LEN, b,
			     min_sz(ERR_QUOTE6, h->hlen + (first ? 0u : h->len)));
		if (!first)
			return n;
		put_be16(b + 4, (uint16_t)(h->hlen - IP6_HDR + h->len));
	} else {
		ip6_build(b, &ip);
	}
	if (e->pkt && !first)
		return n + iov_copy(e->pkt->l4, e->pkt->nl4, 0, b + n,
				    ERR_QUOTE6 - n);
	take = min_sz(e->l4_len, ERR_QUOTE6 - n);
	memcpy(b + n, e->l4, take);
	return n + take;
}

static const struct ipaddr *err_source(const struct ipout *o,
				       const struct icmp_err *e)
{
	if (!ipaddr_is_zero(&e->from))
		return &e->from;
	if (ip_hdr_is4(&e->orig))
		return &o->ip;
	return ipaddr_is_linklocal(&e->orig.src) ? &o->ll6 : &o->ip6;
}

void ipout_icmp_err(struct ipout *o, const struct icmp_err *e, int64_t now_ms)
{
	bool v4 = ip_hdr_is4(&e->orig);
	uint8_t hdr[ICMP_HDR], quote[ERR_QUOTE6];
	struct iovec v = {quote, 0};
	struct ipout_pkt p = {
		.src = *err_source(o, e), .dst = e->orig.src,
		.proto = v4 ? IP4_ICMP : IP6_ICMP, .hdr = hdr,
		.hdr_len = sizeof(hdr), .v = &v, .n = 1,
		.csum_at = v4 ? IPOUT_NO_CSUM : 2, .full = true,
	};

	if (!err_allowed(e) ||
	    !flow_err_budget(o->flows, e->nic_id, now_ms))
		return;
	v.iov_len = v4 ? quote4(e, quote) : quote6(e, quote);
	hdr[0] = e->type;
	hdr[1] = e->code;
	put_be16(hdr + 2, 0);
	put_be32(hdr + 4, e->info);
	if (v4)
		put_be16(hdr + 2,
			 csum_finish(csum_add(csum_add(0, hdr, ICMP_HDR), quote,
					      v.iov_len)));
	if (!ipout_send(o, &p, now_ms))
		o->errors_sent++;
}

/*
 * Of packets that came as one frame, to be cut, an error is about the first: that is how
 * their sender knows it. Its beginning, from head, says enough.
 */
static void about_first(const struct pkt *k, struct icmp_err *e,
			uint8_t head[L4_HEAD])
{
	bool udp = k->off.gso_type == GSO_UDP_L4;
	size_t hlen = udp || k->head_len < 13
			      ? UDP_HDR
			      : (size_t)(k->head[12] >> 4) * 4;
	size_t len = min_sz(hlen + k->off.gso_size, k->l4_len);

	memcpy(head, k->head, k->head_len);
	if (udp)
		put_be16(head + 4, (uint16_t)len);
	e->orig.len = (uint16_t)len;
	e->l4 = head;
	e->l4_len = min_sz(e->l4_len, len);
}

static void reject(struct ipout *o, const struct pkt *k,
		   const struct icmp_err *what, int64_t now_ms)
{
	uint8_t head[L4_HEAD];
	struct icmp_err e = *what;

	e.nic_id = k->nic_id;
	e.l4 = k->head;
	e.l4_len = k->head_len;
	e.pkt = k;
	if (k->off.gso_type && k->head_len >= UDP_HDR)
		about_first(k, &e, head);
	if (!k->group)
		ipout_icmp_err(o, &e, now_ms);
}

void ipout_reject(struct ipout *o, const struct pkt *k, enum ipout_why why,
		  int64_t now_ms)
{
	struct icmp_err e = {.orig = k->ip};

	ipout_err_why(&e, why);
	reject(o, k, &e, now_ms);
}

void ipout_param_problem(struct ipout *o, const struct pkt *k, uint8_t code,
			 uint32_t ptr, int64_t now_ms)
{
	struct icmp_err e = {
		.orig = k->ip, .type = ICMP6_PARAM, .code = code, .info = ptr,
	};

	reject(o, k, &e, now_ms);
}
