// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host fake_ip6 */
/*
 * IPv6 frames into the gateway: neighbour discovery, chains of headers, fragments,
 * echo, UDP, TCP, and between them time and the host's answers. The input is a list of
 * steps:
 *
 *   byte 0, bits 0-3   0..7 frame, 8 time passes, 9 answer to a UDP or echo mapping,
 *                      10 ICMPv6 error to one, 11 NIC goes, 12 forward's client,
 *                      13 deny a prefix, 14 message of a service, others: frame
 *           bits 4-5   NIC
 *           bit 6      put the frame's addresses, lengths and checksum right
 *           bit 7      the frame claims a checksum to be finished
 *   bytes 1-2          length of what follows, cut to what is there
 *
 * Addresses are put right by number: one that begins with a zero byte is exchanged
 * for that of the table which its second byte chooses. After each step the
 * gateway's counts must add up; frames to guests are checked by the fake world.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/csum.h"
#include "tests/fake/fake_ip6.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 200

static void require(bool ok)
{
	if (!ok)
		abort();
}

static const char *const table[] = {
	"::",	     GUEST6,	 OTHER6,   GUEST_LL,	 GW6,
	DNS6,	     FAR6,	 HOST6,	   "fe80::1",	 "ff02::1",
	"ff02::2",   "ff02::16", "ff02::1:ff00:2", "ff02::1:ff00:15",
	"2001:db8::", "fd00:7::1", "::1", "::ffff:10.0.2.15",
	"fe80::5055:aff:fe00:202",
};

static struct ipaddr by_number(uint8_t n)
{
	return ip6_of(table[n % ARRAY_LEN(table)]);
}

static void fix_address(uint8_t *p)
{
	struct ipaddr a;

	if (p[0])
		return;
	a = by_number(p[1]);
	memcpy(p, a.b, 16);
}

/* The checksum of what is behind the headers. */
static void fix_l4(uint8_t *b, size_t len)
{
	struct ip_hdr h;
	struct ip6_chain c;
	uint8_t *l4;
	size_t at;

	if (pkt_decode6(&h, &c, b + 14, len - 14, len - 14) || h.mf || h.frag)
		return;
	l4 = b + 14 + h.hlen;
	at = h.proto == IP6_ICMP ? 2u : h.proto == IP4_UDP ? 6u : 16u;
	if (h.len < at + 2)
		return;
	put_be16(l4 + at, 0);
	put_be16(l4 + at,
		 csum_finish(csum_add(pkt_pseudo(&h.src, &h.dst, h.proto, h.len),
				      l4, h.len)));
}

static void fix_ip6(uint8_t *b, size_t len)
{
	if (len < 54)
		return;
	if (!(b[0] & 1))
		memcpy(b, fake_gw_mac.b, 6);
	put_be16(b + 12, ETHERTYPE_IP6);
	b[14] = (uint8_t)(0x60 | (b[14] & 15));
	put_be16(b + 18, (uint16_t)min_sz(len - 54, 65535));
	fix_address(b + 22);
	fix_address(b + 38);
	/* The target of neighbour discovery. */
	if (b[20] == IP6_ICMP && len >= 78 &&
	    (b[54] == ICMP6_NS || b[54] == ICMP6_NA))
		fix_address(b + 62);
	fix_l4(b, len);
}

static void frame_step(struct fake_nat *f, uint8_t op, const uint8_t *p,
		       size_t len, uint64_t nic)
{
	uint8_t *b = malloc(len ? len : 1);
	struct frame fr;

	memcpy(b, p, len);
	if (op & 0x40)
		fix_ip6(b, len);
	frame_init(&fr, b, len);
	if (len > FRAME_HDR) {
		fr.seg[0].iov_len = FRAME_HDR;
		fr.seg[1].iov_base = b + FRAME_HDR;
		fr.seg[1].iov_len = len - FRAME_HDR;
		fr.nseg = 2;
	}
	if (op & 0x80) {
		fr.off.needs_csum = true;
		fr.off.gso_type = op & 1   ? GSO_UDP_L4
				  : op & 2 ? GSO_TCP6
					   : GSO_NONE;
		fr.off.gso_size = len > 60 ? b[58] : 0;
	}
	fake_nat_in_frame(f, &fr, nic);
	free(b);
}

struct pick {
	uint32_t left;
	struct udp_map *udp;
	struct icmp_map *icmp;
};

static bool pick_udp(void *arg, struct udp_map *m)
{
	struct pick *p = arg;

	p->udp = m;
	return p->left-- > 0;
}

static bool pick_icmp(void *arg, struct icmp_map *m)
{
	struct pick *p = arg;

	p->icmp = m;
	return p->left-- > 0;
}

static struct pick pick(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct pick k = {.left = len ? p[0] % 8 : 0};

	udp_walk(&f->gw->udp, pick_udp, &k);
	k.left = len ? p[0] % 8 : 0;
	icmp_walk(&f->gw->icmp, pick_icmp, &k);
	return k;
}

/* Several datagrams in one, or not. */
static uint16_t size_of(const uint8_t *p, size_t len)
{
	return len > 5 && p[4] < len ? p[4] : 0;
}

static void answer_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct pick k = pick(f, p, len);
	struct ipaddr from = by_number(len > 1 ? p[1] : 6);

	if (k.udp) {
		struct udp_recv r = {.from = {from, 7}, .ttl = 3, .data = p,
				     .len = len, .gso = size_of(p, len)};

		udp_host_input(&f->gw->udp, k.udp, &r, f->now_ms);
	}
	if (k.icmp) {
		struct icmp_recv r = {.from = from, .data = p, .len = len};

		icmp_host_input(&f->gw->icmp, k.icmp, &r, f->now_ms);
	}
	gateway_flush(f->gw, f->now_ms);
}

static void error_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct pick k = pick(f, p, len);
	struct host_err e = {
		.to = {by_number(len > 1 ? p[1] : 6), 7}, .data = p,
		.len = len, .from = by_number(len > 2 ? p[2] : 0),
		.type = len > 3 ? p[3] % 5 : 1, .info = len > 4 ? p[4] : 0,
	};
	struct forward *w = forward_find(&f->gw->forwards, 1);

	if (k.udp)
		udp_host_error(&f->gw->udp, k.udp, &e, f->now_ms);
	if (k.icmp)
		icmp_host_error(&f->gw->icmp, k.icmp, &e, f->now_ms);
	e.to.port = 9;
	forward_udp_error(&f->gw->forwards, w, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void client_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct forward *w = forward_find(&f->gw->forwards, 1);
	struct udp_recv r = {.from = {by_number(len ? p[0] : 6), 9},
			     .local = ip6_of(HOST6), .data = p, .len = len,
			     .gso = size_of(p, len)};

	f->resolves = len & 1 ? GUEST : 0;
	f->resolves6 = len & 2 ? by_number(len > 1 ? p[1] : 1) : ipaddr_any;
	if (ipaddr_is4(&f->resolves6))
		f->resolves6 = ipaddr_any;
	forward_udp_input(&f->gw->forwards, w, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void service_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct nat_icmp6_out o = {.dst = by_number(len ? p[0] : 9), .data = p,
				  .len = len};

	gateway_icmp6_send(f->gw, &o, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void on_icmp6(void *arg, const struct nat_icmp6 *m)
{
	struct fake_nat *f = arg;
	uint64_t sum = csum_pseudo6(&m->src, &m->dst, IP6_ICMP,
				    (uint32_t)m->len);

	require(f->gw && m->len >= 8 && m->nic_id);
	require(!ipaddr_is4(&m->src) && !ipaddr_is_multicast(&m->src));
	(void)csum_add(sum, m->data, m->len); /* every byte may be read */
}

/* Nobody is learned who does not belong here. */
static bool own_family(void *arg, const struct nat_flow *fl)
{
	struct fake_nat *f = arg;

	require(policy_is_inside(&f->gw->pol, &fl->guest));
	require(!policy_is_us(&f->gw->pol, &fl->guest));
	require(ipaddr_is_zero(&fl->outside) ||
		ipaddr_is4(&fl->outside) == ipaddr_is4(&fl->guest) ||
		fl->forward_id);
	return true;
}

static void step(struct fake_nat *f, uint8_t op, const uint8_t *p, size_t len)
{
	struct ip6_net deny = {by_number(14), 32};
	uint64_t nic = 6 + (op >> 4 & 3);

	switch (op & 15) {
	case 8:
		fake_nat_wait(f, len > 1 ? get_be16(p) * 10 : 100);
		break;
	case 9:
		answer_step(f, p, len);
		break;
	case 10:
		error_step(f, p, len);
		break;
	case 11:
		gateway_nic_gone(f->gw, nic);
		break;
	case 12:
		client_step(f, p, len);
		break;
	case 13:
		gateway_set_deny6(f->gw, &deny, len & 1, f->now_ms);
		break;
	case 14:
		service_step(f, p, len);
		break;
	default:
		frame_step(f, op, p, len, nic);
	}
}

static struct fake_nat *start(size_t size)
{
	struct fake_nat *f = malloc(sizeof(*f));
	struct forward *w = calloc(1, sizeof(*w));

	fake_nat_init(f);
	fake_nat_init6(f);
	f->cfg.limits = (struct nat_limits){.udp = 8, .icmp = 4, .dns = 4,
					    .frags = 2, .neigh = 4};
	f->cfg.udp_filter = size & 1 ? NAT_FILTER_EI : NAT_FILTER_ADDR_PORT;
	fake_nat_start(f);
	gateway_icmp6_service_set(f->gw, 133, on_icmp6, f);
	w->id = 1;
	w->proto = IP4_UDP;
	w->nic_id = 7;
	w->target_port = 69;
	forward_add(&f->gw->forwards, w);
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	struct fake_nat *f = start(size);

	for (int i = 0; i < STEPS && c.left; i++) {
		uint8_t op = cur_u8(&c);
		size_t len = cur_be16(&c);

		if (!cur_ok(&c))
			break;
		len = len < c.left ? len : c.left;
		step(f, op, cur_bytes(&c, len), len);
		fake_nat_check(f);
		gateway_flow_walk(f->gw, 0, own_family, f, f->now_ms);
	}
	fake_nat_stop(f);
	free(f);
	return 0;
}
