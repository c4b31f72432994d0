// SPDX-License-Identifier: GPL-2.0-or-later
/* IPv6 of guests. See fake_ip6.h. */
#include "tests/fake/fake_ip6.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"

struct ipaddr ip6_of(const char *text)
{
	struct ipaddr a;

	if (ipaddr_parse(text, &a)) {
		fprintf(stderr, "not an address: %s\n", text);
		abort();
	}
	return a;
}

bool is_ip6(const struct ipaddr *a, const char *text)
{
	struct ipaddr b = ip6_of(text);

	return ipaddr_eq(a, &b);
}

struct ipaddr fake6_gw_ll(void)
{
	return ipaddr_linklocal(&fake_gw_mac);
}

/* ---- frames of guests ------------------------------------------------------------ */

static size_t build_l4(const struct fake6_pkt *k, const struct ip6 *h,
		       uint8_t *l4)
{
	uint8_t *c = l4 + 2;
	size_t hlen = 8, len;

	memset(l4, 0, 20);
	if (k->raw) {
		hlen = 0;
	} else if (k->proto == IP6_ICMP) {
		l4[0] = ICMP6_ECHO;
		put_be16(l4 + 4, k->sport);
		put_be16(l4 + 6, k->dport);
	} else if (k->proto == IP4_UDP) {
		udp_header(l4, k->sport, k->dport, k->len);
		c = l4 + 6;
	} else {
		put_be16(l4, k->sport);
		put_be16(l4 + 2, k->dport);
		l4[12] = 0x50;
		l4[13] = 2; /* SYN */
		put_be16(l4 + 14, 64240);
		c = l4 + 16;
		hlen = 20;
	}
	if (k->len)
		memcpy(l4 + hlen, k->data, k->len);
	len = hlen + k->len;
	if (k->raw && k->proto != IP6_ICMP)
		return len;
	put_be16(c, 0);
	put_be16(c, (uint16_t)(csum_finish(csum_add(
				       csum_pseudo6(&h->src, &h->dst, k->proto,
						    (uint32_t)len),
				       l4, len)) +
			       k->csum_off));
	return len;
}

size_t fake6_build(const struct fake6_pkt *k, uint8_t *b)
{
	struct ip6 h = {
		.src = ip6_of(k->src ? k->src : GUEST6),
		.dst = ip6_of(k->dst ? k->dst : FAR6),
		.hop_limit = k->hop ? k->hop : 64, .tclass = k->tclass,
		.next = k->exts_len ? k->first : k->proto,
	};
	struct mac to = ipaddr_is_multicast(&h.dst)
				? ipaddr_multicast_mac(&h.dst)
				: fake_gw_mac;
	uint8_t *p = b + ETH_HDR_LEN + IP6_HDR;
	size_t n;

	if (k->exts_len)
		memcpy(p, k->exts, k->exts_len);
	n = k->exts_len + build_l4(k, &h, p + k->exts_len);
	h.len = (uint16_t)n;
	memcpy(b, to.b, 6);
	memcpy(b + 6, fake_guest_mac.b, 6);
	put_be16(b + 12, ETHERTYPE_IP6);
	ip6_build(b + ETH_HDR_LEN, &h);
	return ETH_HDR_LEN + IP6_HDR + n;
}

static uint64_t nic_of(const char *src)
{
	return !src || !strcmp(src, GUEST6) || !strcmp(src, GUEST_LL) ||
			       !strcmp(src, "::")
		       ? 7
		       : 8;
}

int fake6_pkt(struct fake_nat *f, const struct fake6_pkt *k)
{
	uint8_t *b = malloc(FRAME_MAX + 64);
	size_t n = fake6_build(k, b);
	int ret = fake_nat_in(f, b, n, nic_of(k->src));

	free(b);
	return ret;
}

int fake6_nd(struct fake_nat *f, const struct fake6_nd *n)
{
	struct ipaddr target = ip6_of(n->target);
	struct fake6_pkt k = {
		.src = n->src, .dst = n->dst, .proto = IP6_ICMP, .raw = true,
		.hop = n->hop ? n->hop : 255,
	};
	uint8_t m[32] = {n->type, 0, 0, 0, n->flags};

	memcpy(m + 8, target.b, 16);
	m[24] = n->type == ICMP6_NS ? 1 : 2;
	m[25] = 1;
	memcpy(m + 26, mac_is_zero(&n->mac) ? fake_guest_mac.b : n->mac.b, 6);
	k.data = m;
	k.len = n->lla ? 32 : 24;
	return fake6_pkt(f, &k);
}

void fake6_hello(struct fake_nat *f, const char *ip)
{
	fake6_nd(f, &(struct fake6_nd){.type = ICMP6_NS, .target = ip,
				       .src = ip, .dst = "ff02::1",
				       .lla = true});
}

/* ---- what guests got --------------------------------------------------------------- */

struct fake6_got fake6_got(const struct fake_nat *f, unsigned int i)
{
	const struct fake_nat_out *o = &f->out[i % FAKE_KEEP];
	struct fake6_got g = {0};
	struct ip6_chain c;

	if (i >= f->n || get_be16(o->p + 12) != ETHERTYPE_IP6 ||
	    pkt_decode6(&g.h, &c, o->p + 14, o->len - 14, o->len - 14)) {
		fprintf(stderr, "frame %u is not IPv6\n", i);
		abort();
	}
	memcpy(g.dst_mac.b, o->p, 6);
	g.l4 = o->p + ETH_HDR_LEN + g.h.hlen;
	g.l4_len = g.h.len;
	if (g.l4_len >= 4) {
		g.sport = get_be16(g.l4);
		g.dport = get_be16(g.l4 + 2);
	}
	if (g.l4_len >= 8) {
		g.data = g.l4 + 8;
		g.len = g.l4_len - 8;
	}
	return g;
}
