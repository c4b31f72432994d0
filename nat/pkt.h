/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets as they come out of guests' frames: decoded once, from IPv4 (ip4.h) or IPv6
 * (ip6.h), into one plain struct that everything above works on.
 *
 * IPv4 addresses are v4-mapped here. So that nothing is mistaken for one, IPv6 headers
 * with v4-mapped addresses are refused when they are decoded.
 */
#ifndef VNET_NAT_PKT_H
#define VNET_NAT_PKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nat/ip4.h"
#include "nat/ip6.h"
#include "switch/frame.h"

#define UDP_HDR	 8
#define ICMP_HDR 8	/* of both families' echo and errors */
#define L4_HEAD	 64	/* most bytes of an L4 header we look at (TCP: 60) */

/** struct ip_hdr - What is left of a header; host order. */
struct ip_hdr {
	struct ipaddr src, dst; /* of one family */
	uint32_t id;	/* of the datagram that this is a fragment of */
	uint16_t frag;	/* offset of this fragment, bytes */
	uint16_t hlen;	/* bytes of options, extension headers and the header */
	uint16_t len;	/* bytes behind them */
	uint8_t tos;	/* DSCP and ECN */
	uint8_t ttl;	/* or hop limit */
	uint8_t proto;	/* of what is behind */
	uint16_t next_at; /* IPv6: offset of the field that says so */
	/* Not to be fragmented on the way. In IPv6 nobody there does it; here it
	 * is set unless the guest itself sent fragments. */
	bool df;
	bool mf; /* more fragments follow */
};

static inline bool ip_hdr_is4(const struct ip_hdr *h)
{
	return ipaddr_is4(&h->src);
}

/** struct pkt - A packet from a guest on its way up. Borrows the bytes. */
struct pkt {
	struct ip_hdr ip;
	struct iovec l4[FRAME_SEGS]; /* behind the IP headers */
	int nl4;
	size_t l4_len;
	uint8_t head[L4_HEAD]; /* copy of the first bytes of l4 */
	size_t head_len;
	struct offload off; /* starts are of no use any more; flags are */
	const struct frame *frame; /* that it came in; NULL = in several */
	struct mac src_mac;
	uint64_t nic_id;
	bool to_us; /* destination is an address of the gateway or the resolver */
	bool group; /* destination is a broadcast or multicast address */
};

/**
 * pkt_decode4() - The headers of an IPv4 packet, as ip4_decode()
 *
 * Return: 0 or -EBADMSG.
 */
int pkt_decode4(struct ip_hdr *h, const uint8_t *p, size_t avail, size_t room);

/**
 * pkt_decode6() - The headers of an IPv6 packet: ip6_decode(), ip6_walk()
 * @c: filled in for -EPROTO
 *
 * Return: 0, -EBADMSG, or -EPROTO: *@h is filled in too, so that its sender can be
 * told what is wrong.
 */
int pkt_decode6(struct ip_hdr *h, struct ip6_chain *c, const uint8_t *p,
		size_t avail, size_t room);

/* Fill l4, l4_len and head from the frame: the packet starts at @l3. */
void pkt_l4(struct pkt *k, const struct frame *f, size_t l3);

/**
 * pkt_exts() - Look through extension headers that were in fragments
 * @k: a reassembled IPv6 packet in one piece
 *
 * Return: as ip6_walk(); offsets in @c are as if they followed the fixed header.
 */
int pkt_exts(struct pkt *k, struct ip6_chain *c);

/* As pkt_l4(), from one contiguous piece. */
void pkt_flat(struct pkt *k, const uint8_t *l4, size_t len);

/* Sum of the pseudo header. */
uint64_t pkt_pseudo(const struct ipaddr *src, const struct ipaddr *dst,
		    uint8_t proto, size_t len);

/**
 * pkt_csum_ok() - Is the checksum over pseudo header and payload right?
 * @at: offset of the checksum field in the L4 header
 *
 * Also true for a checksum that its sender left to be finished, whether the frame
 * says so or not: libkrun guests' frames arrive with the bare pseudo-header sum and
 * nothing that tells.
 */
bool pkt_csum_ok(const struct pkt *k, size_t at);

#endif
