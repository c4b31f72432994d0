// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/*
 * Whole frames into the gateway: ARP, ICMP, UDP, fragments, the odd TCP segment, and
 * between them time and the host's answers. The input is a list of steps:
 *
 *   byte 0, bits 0-3   0..7 frame, 8 time passes, 9 answer to a UDP or echo mapping,
 *                      10 ICMP error to one, 11 NIC goes, 12 forward's client,
 *                      13 deny a prefix, others: frame
 *           bits 4-5   NIC
 *           bit 6      put the IP header's checksum right
 *           bit 7      the frame claims a checksum to be finished
 *   bytes 1-2          length of what follows, cut to what is there
 *
 * After each step the gateway's counts must add up; frames to guests are checked by
 * the fake world.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "tests/fake/fake_nat_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STEPS 200

static void fix_ip(uint8_t *b, size_t len)
{
	size_t hlen;

	if (len < 34)
		return;
	memcpy(b, fake_gw_mac.b, 6);
	put_be16(b + 12, b[12] ? ETHERTYPE_IP4 : ETHERTYPE_ARP4);
	hlen = (size_t)(b[14] & 15) * 4;
	if (hlen < 20 || 14 + hlen > len)
		return;
	put_be16(b + 24, 0);
	put_be16(b + 24, csum_finish(csum_add(0, b + 14, hlen)));
}

static void frame_step(struct fake_nat *f, uint8_t op, const uint8_t *p,
		       size_t len, uint64_t nic)
{
	uint8_t *b = malloc(len ? len : 1);
	struct frame fr;

	memcpy(b, p, len);
	if (op & 0x40)
		fix_ip(b, len);
	frame_init(&fr, b, len);
	if (len > FRAME_HDR) {
		fr.seg[0].iov_len = FRAME_HDR;
		fr.seg[1].iov_base = b + FRAME_HDR;
		fr.seg[1].iov_len = len - FRAME_HDR;
		fr.nseg = 2;
	}
	if (op & 0x80) {
		fr.off.needs_csum = true;
		fr.off.gso_type = op & 1 ? GSO_UDP_L4 : GSO_NONE;
		fr.off.gso_size = len > 60 ? b[42] : 0;
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

/* Several datagrams in one, or not. */
static uint16_t size_of(const uint8_t *p, size_t len)
{
	return len > 5 && p[4] < len ? p[4] : 0;
}

static void answer_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct pick k = {.left = len ? p[0] % 8 : 0};
	uint32_t from = len > 4 ? get_be32(p) : FAR;

	udp_walk(&f->gw->udp, pick_udp, &k);
	k.left = len ? p[0] % 8 : 0;
	icmp_walk(&f->gw->icmp, pick_icmp, &k);
	if (k.udp) {
		struct udp_recv r = {.from = endpoint4(from, 7), .ttl = 3,
				     .data = p, .len = len,
				     .gso = size_of(p, len)};

		udp_host_input(&f->gw->udp, k.udp, &r, f->now_ms);
	}
	if (k.icmp) {
		struct icmp_recv r = {.from = ipaddr_from4(from),
				      .data = p, .len = len};

		icmp_host_input(&f->gw->icmp, k.icmp, &r, f->now_ms);
	}
	gateway_flush(f->gw, f->now_ms);
}

static void error_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct pick k = {.left = len ? p[0] % 8 : 0};
	struct host_err e = {
		.to = endpoint4(FAR, 7), .type = ICMP_T_UNREACH, .data = p,
		.len = len,
		.from = len > 4 ? ipaddr_from4(get_be32(p)) : ipaddr_any,
	};

	udp_walk(&f->gw->udp, pick_udp, &k);
	k.left = 0;
	icmp_walk(&f->gw->icmp, pick_icmp, &k);
	if (k.udp)
		udp_host_error(&f->gw->udp, k.udp, &e, f->now_ms);
	if (k.icmp)
		icmp_host_error(&f->gw->icmp, k.icmp, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void client_step(struct fake_nat *f, const uint8_t *p, size_t len)
{
	struct forward *w = forward_find(&f->gw->forwards, 1);
	struct udp_recv r = {.from = endpoint4(len > 4 ? get_be32(p) : FAR, 9),
			     .local = ipaddr_from4(HOST), .data = p, .len = len,
			     .gso = size_of(p, len)};

	f->resolves = len & 1 ? OTHER : GUEST;
	forward_udp_input(&f->gw->forwards, w, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void step(struct fake_nat *f, uint8_t op, const uint8_t *p, size_t len)
{
	struct ip4_net deny = {0x08000000, 8};
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
		gateway_set_deny(f->gw, &deny, len & 1, f->now_ms);
		break;
	default:
		frame_step(f, op, p, len, nic);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ipaddr guest = ipaddr_from4(GUEST);
	struct cur c = cur_make(data, size);
	struct fake_nat *f = malloc(sizeof(*f));
	struct forward *w = calloc(1, sizeof(*w));
	struct dns_upstream up = {.ep = endpoint4(0x01010101, 53)};

	fake_nat_init(f);
	f->cfg.limits = (struct nat_limits){.udp = 8, .icmp = 4, .dns = 4,
					    .frags = 2, .neigh = 4};
	f->cfg.udp_filter = size & 1 ? NAT_FILTER_EI : NAT_FILTER_ADDR_PORT;
	fake_nat_start(f);
	dns_set_upstreams(&f->gw->dns, &up, 1, f->now_ms);
	names_set(&f->gw->dns.names, 1, "vm", &guest);
	w->id = 1;
	w->proto = IP4_UDP;
	w->nic_id = 7;
	w->target_port = 69;
	forward_add(&f->gw->forwards, w);
	for (int i = 0; i < STEPS && c.left; i++) {
		uint8_t op = cur_u8(&c);
		size_t len = cur_be16(&c);

		if (!cur_ok(&c))
			break;
		len = len < c.left ? len : c.left;
		step(f, op, cur_bytes(&c, len), len);
		fake_nat_check(f);
	}
	fake_nat_stop(f);
	free(f);
	return 0;
}
