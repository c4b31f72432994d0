// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * IPv4 packets to the guests. See ipout.h.
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
#define ERR_QUOTE_MAX (576 - IP4_HDR - 8)


static void eth_hdr(const struct ipout *o, const struct ipout_pkt *p,
		    uint8_t *b)
{
	const struct mac *to = p->dst == 0xffffffff ? &mac_broadcast
						    : &p->dst_mac;

	if (!mac_is_zero(&p->dst_mac))
		to = &p->dst_mac;
	memcpy(b, to->b, 6);
	memcpy(b + 6, o->mac.b, 6);
	put_be16(b + 12, ETHERTYPE_IP4);
}

/* One frame: @h is Ethernet and IP (and L4) headers, @v what follows. */
static int emit(struct ipout *o, const struct ipout_pkt *p, uint8_t *h,
		size_t hlen, const struct iovec *v, int n,
		const struct offload *off, bool lent, int64_t now_ms)
{
	if (mac_is_zero(&p->dst_mac) && p->dst != 0xffffffff)
		return arp_send(o->arp, p->dst, h, hlen, v, n, off, lent,
				now_ms);
	return outq_put(o->out, h, hlen, v, n, off, lent);
}

/* The packet's L4 bytes in pieces of what one MTU takes, offsets times 8. */
static int send_frags(struct ipout *o, const struct ipout_pkt *p,
		      struct ip4 *ip, const struct iovec *l4, int nl4,
		      size_t len, int64_t now_ms)
{
	static const struct offload none;
	size_t step = (size_t)(o->mtu - IP4_HDR) & ~(size_t)7;
	uint8_t h[ETH_HDR_LEN + IP4_HDR];

	for (size_t at = 0; at < len; at += step) {
		size_t take = min_sz(step, len - at);
		struct iovec piece[FRAME_SEGS];
		int n = iov_slice(l4, nl4, at, take, piece), err;

		eth_hdr(o, p, h);
		ip->frag = (uint16_t)at;
		ip->mf = at + take < len;
		ip->len = (uint16_t)(IP4_HDR + take);
		ip4_build(h + ETH_HDR_LEN, ip);
		/* Copied: the L4 header is on our stack. */
		err = emit(o, p, h, sizeof(h), piece, n, &none, false, now_ms);
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
	sum = csum_pseudo4(p->src, p->dst, p->proto, (uint32_t)len);
	put_be16(l4 + p->csum_at, 0);
	if (!full) {
		put_be16(l4 + p->csum_at, csum_fold(sum));
		return;
	}
	/* L4 headers have even lengths. */
	sum += csum_fold(csum_add(0, l4, p->hdr_len));
	c = csum_finish(sum + csum_fold(iov_csum(0, p->v, p->n)));
	/* RFC 768: a computed zero is sent as ones. */
	put_be16(l4 + p->csum_at, c || p->proto != IP4_UDP ? c : 0xffff);
}

static int send_whole(struct ipout *o, const struct ipout_pkt *p,
		      const struct ip4 *ip, size_t l4_len, int64_t now_ms)
{
	size_t l4_at = ETH_HDR_LEN + IP4_HDR;
	struct offload off = {0};
	uint8_t h[FRAME_HDR];

	eth_hdr(o, p, h);
	ip4_build(h + ETH_HDR_LEN, ip);
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
	struct ip4 ip = {
		.src = p->src, .dst = p->dst, .proto = p->proto, .tos = p->tos,
		.ttl = p->ttl ? p->ttl : TTL_DEFAULT, .df = p->df,
	};
	struct iovec all[FRAME_SEGS];
	uint8_t l4[L4_HEAD];

	assert(p->hdr_len <= L4_HEAD);
	if (l4_len > 65535 - IP4_HDR || p->n > FRAME_SEGS - 3)
		return -EMSGSIZE;
	ip.id = o->next_id++;
	ip.len = (uint16_t)(IP4_HDR + l4_len);
	if (p->gso_type || l4_len + IP4_HDR <= o->mtu)
		return send_whole(o, p, &ip, l4_len, now_ms);
	if (p->df)
		return -EMSGSIZE;
	memcpy(l4, p->hdr, p->hdr_len);
	l4_csum(p, l4, l4_len, true);
	all[0].iov_base = l4;
	all[0].iov_len = p->hdr_len;
	for (int i = 0; i < p->n; i++)
		all[i + 1] = p->v[i];
	return send_frags(o, p, &ip, all, p->n + 1, l4_len, now_ms);
}

/* May this packet be answered with an error at all (RFC 1122 3.2.2)? */
static bool err_allowed(const struct icmp_err *e)
{
	if (e->orig.frag || !e->orig.src || ip4_is_martian(e->orig.src) ||
	    ip4_is_multicast(e->orig.src) || ip4_is_multicast(e->orig.dst) ||
	    e->orig.dst == 0xffffffff)
		return false;
	if (e->orig.proto != IP4_ICMP)
		return true;
	/* Echo and other queries only, never an error about an error. */
	return e->l4_len && e->l4[0] != ICMP_T_UNREACH && e->l4[0] != 4 &&
	       e->l4[0] != 5 && e->l4[0] != ICMP_T_TIME &&
	       e->l4[0] != ICMP_T_PARAM;
}

void ipout_icmp_err(struct ipout *o, const struct icmp_err *e, int64_t now_ms)
{
	uint8_t hdr[8], quote[ERR_QUOTE_MAX];
	size_t take = min_sz(e->l4_len, sizeof(quote) - IP4_HDR);
	struct iovec v = {quote, IP4_HDR + take};
	struct ipout_pkt p = {
		.src = e->from ? e->from : o->ip, .dst = e->orig.src,
		.proto = IP4_ICMP, .hdr = hdr, .hdr_len = sizeof(hdr),
		.v = &v, .n = 1, .csum_at = IPOUT_NO_CSUM,
	};

	if (!err_allowed(e) ||
	    !flow_err_budget(o->flows, e->nic_id, now_ms))
		return;
	ip4_build(quote, &e->orig);
	memcpy(quote + IP4_HDR, e->l4, take);
	hdr[0] = e->type;
	hdr[1] = e->code;
	put_be16(hdr + 2, 0);
	put_be32(hdr + 4, e->info);
	put_be16(hdr + 2, csum_finish(csum_add(csum_add(0, hdr, 8), quote,
					       v.iov_len)));
	if (!ipout_send(o, &p, now_ms))
		o->errors_sent++;
}

void ipout_reject(struct ipout *o, const struct ip4_pkt *k, uint8_t type,
		  uint8_t code, uint32_t info, int64_t now_ms)
{
	struct icmp_err e = {
		.type = type, .code = code, .info = info, .nic_id = k->nic_id,
		.orig = k->ip, .l4 = k->head, .l4_len = k->head_len,
	};

	if (k->bcast)
		return;
	ipout_icmp_err(o, &e, now_ms);
}
