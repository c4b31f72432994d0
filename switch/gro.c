// SPDX-License-Identifier: GPL-2.0-or-later
/* Datagrams put together. See gro.h; what takes them apart is offload.c or the kernel. */
#include "switch/gro.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/csum.h"
#include "lib/inet.h"
#include "switch/hdrs.h"

#define IP4_HDR 20
#define IP6_HDR 40
#define UDP_HDR 8

/* UDP_MAX_SEGMENTS of Linux before 6.9; also what a frame has segments for. */
#define PIECES_MAX (FRAME_SEGS - 1)

/* Where the headers of a frame end, and what they say. */
struct gro {
	size_t l4, data; /* offsets of the UDP header and of its payload */
	size_t len;	 /* bytes of payload */
	bool v4;
};

static bool parse4(const struct frame *f, struct gro *g)
{
	const uint8_t *ip = frame_hdr(f) + ETH_HDR_LEN;

	g->v4 = true;
	g->l4 = ETH_HDR_LEN + IP4_HDR;
	return ip[0] == 0x45 && ip[9] == IPPROTO_UDP &&
	       get_be16(ip + 2) == f->len - ETH_HDR_LEN &&
	       !(get_be16(ip + 6) & 0x3fff) && /* fragments */
	       !csum_finish(csum_add(0, ip, IP4_HDR));
}

static bool parse6(const struct frame *f, struct gro *g)
{
	const uint8_t *ip = frame_hdr(f) + ETH_HDR_LEN;

	g->v4 = false;
	g->l4 = ETH_HDR_LEN + IP6_HDR;
	return ip[0] >> 4 == 6 && ip[6] == IPPROTO_UDP &&
	       get_be16(ip + 4) == f->len - ETH_HDR_LEN - IP6_HDR;
}

/* Is @f a datagram that may be put together with others? */
static bool parse(const struct frame *f, struct gro *g)
{
	const uint8_t *p = frame_hdr(f);
	uint16_t type;
	bool ok;

	if (f->off.gso_type || !f->off.needs_csum ||
	    frame_hdr_len(f) < ETH_HDR_LEN + IP4_HDR + UDP_HDR)
		return false;
	type = get_be16(p + 12);
	ok = type == ETH_P_IP4   ? parse4(f, g)
	     : type == ETH_P_IP6 ? parse6(f, g)
				     : false;
	if (!ok || frame_hdr_len(f) < g->l4 + UDP_HDR ||
	    f->off.csum_start != g->l4 || f->off.csum_offset != 6)
		return false;
	g->data = g->l4 + UDP_HDR;
	if (f->len <= g->data ||
	    get_be16(p + g->l4 + 4) != f->len - g->l4)
		return false;
	g->len = f->len - g->data;
	return true;
}

/* All but lengths, the IPv4 identification and checksums. */
static bool same_way(const struct gro *g, const uint8_t *a, const uint8_t *b)
{
	const size_t ip = ETH_HDR_LEN;

	if (memcmp(a, b, ip + 2) || memcmp(a + g->l4, b + g->l4, 4))
		return false;
	if (g->v4)
		return !memcmp(a + ip + 6, b + ip + 6, 4) &&
		       !memcmp(a + ip + 12, b + ip + 12, 8);
	return !memcmp(a + ip + 2, b + ip + 2, 2) &&
	       !memcmp(a + ip + 6, b + ip + 6, 34);
}

/* The pieces of what lies behind @skip bytes; returns how many. */
static unsigned int pieces(const struct iovec *v, unsigned int n, size_t skip,
			   struct iovec *out)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		size_t off = min_sz(skip, v[i].iov_len);

		skip -= off;
		if (off == v[i].iov_len)
			continue;
		out[k].iov_base = (uint8_t *)v[i].iov_base + off;
		out[k++].iov_len = v[i].iov_len - off;
	}
	return k;
}

/* Copy the first bytes, at most @cap; returns how many. */
static size_t beginning(const struct iovec *v, unsigned int n, uint8_t *dst,
			size_t cap)
{
	size_t done = 0;

	for (unsigned int i = 0; i < n && done < cap; i++) {
		size_t take = min_sz(v[i].iov_len, cap - done);

		memcpy(dst + done, v[i].iov_base, take);
		done += take;
	}
	return done;
}

/* The headers of all, and the beginning of the payload behind them. */
static void finish(struct frame *out, uint8_t hdr[FRAME_HDR],
		   const struct gro *g, const uint8_t *first,
		   const struct iovec *v, unsigned int n, size_t total)
{
	size_t len = UDP_HDR + total, head;
	uint8_t *ip = hdr + ETH_HDR_LEN;
	struct ipaddr src, dst;

	memcpy(hdr, first, g->data);
	if (g->v4) {
		put_be16(ip + 2, (uint16_t)(IP4_HDR + len));
		put_be16(ip + 10, 0);
		put_be16(ip + 10, csum_finish(csum_add(0, ip, IP4_HDR)));
		src = ipaddr_from4(get_be32(ip + 12));
		dst = ipaddr_from4(get_be32(ip + 16));
	} else {
		put_be16(ip + 4, (uint16_t)len);
		memcpy(src.b, ip + 8, 16);
		memcpy(dst.b, ip + 24, 16);
	}
	put_be16(hdr + g->l4 + 4, (uint16_t)len);
	put_be16(hdr + g->l4 + 6,
		 csum_fold(g->v4 ? csum_pseudo4(ipaddr_get4(&src),
						ipaddr_get4(&dst), IPPROTO_UDP,
						(uint32_t)len)
				 : csum_pseudo6(&src, &dst, IPPROTO_UDP,
						(uint32_t)len)));
	head = beginning(v, n, hdr + g->data, FRAME_HDR - g->data);
	frame_init(out, hdr, g->data + head);
	out->nseg = (uint16_t)(1 + pieces(v, n, head, out->seg + 1));
	out->len = (uint32_t)(g->data + total);
	out->off = (struct offload){
		.needs_csum = true, .gso_type = GSO_UDP_L4,
		.gso_size = (uint16_t)g->len, .hdr_len = (uint16_t)g->data,
		.csum_start = (uint16_t)g->l4, .csum_offset = 6,
	};
}

unsigned int gro_udp(const struct frame *const *f, unsigned int n,
		     struct frame *out, uint8_t hdr[FRAME_HDR])
{
	struct iovec v[PIECES_MAX];
	struct gro g, next;
	unsigned int k = 1, nv;
	size_t total;

	if (n < 2 || !parse(f[0], &g) || f[0]->nseg > PIECES_MAX)
		return 1;
	nv = pieces(f[0]->seg, f[0]->nseg, g.data, v);
	total = g.len;
	for (; k < n && nv + f[k]->nseg <= PIECES_MAX; k++) {
		if (!parse(f[k], &next) || next.v4 != g.v4 ||
		    next.len > g.len ||
		    total + next.len > 65535 - IP4_HDR - UDP_HDR ||
		    g.data + total + next.len > FRAME_MAX ||
		    !same_way(&g, frame_hdr(f[0]), frame_hdr(f[k])))
			break;
		nv += pieces(f[k]->seg, f[k]->nseg, next.data, v + nv);
		total += next.len;
		if (next.len < g.len) { /* the last one */
			k++;
			break;
		}
	}
	if (k > 1)
		finish(out, hdr, &g, frame_hdr(f[0]), v, nv, total);
	return k;
}
