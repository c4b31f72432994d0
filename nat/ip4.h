/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv4 headers (RFC 791) and what is special about some addresses. Packets are in
 * pkt.h.
 */
#ifndef VNET_NAT_IP4_H
#define VNET_NAT_IP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"

#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_ARP4 0x0806

#define IP4_HDR	    20 /* without options */
#define IP4_HDR_MAX 60

enum { IP4_ICMP = 1, IP4_TCP = 6, IP4_UDP = 17 };

/** struct ip4 - A decoded header; host order. */
struct ip4 {
	uint32_t src, dst;
	uint16_t len;	/* total, header included */
	uint16_t id;
	uint16_t frag;	/* offset of this fragment, bytes */
	uint8_t hlen;	/* header length, bytes */
	uint8_t tos;	/* DSCP and ECN */
	uint8_t ttl;
	uint8_t proto;
	bool df, mf;
};

/**
 * ip4_decode() - Decode and check a header
 * @p, @avail: bytes that may be looked at
 * @room: bytes there are behind @p in all (what the total length must fit in)
 *
 * Version, header length, checksum, total length, and that no fragment reaches
 * beyond 65535 (RFC 791) are checked. Options are skipped, not interpreted.
 *
 * Return: 0 or -EBADMSG.
 */
int ip4_decode(struct ip4 *h, const uint8_t *p, size_t avail, size_t room);

/* Write the 20 bytes of @h (hlen is taken as 20) with their checksum. */
void ip4_build(uint8_t p[IP4_HDR], const struct ip4 *h);

/* Addresses that no packet may be sent to from here: 0/8, 127/8, 240/4 and the
 * limited broadcast (RFC 1122 3.2.1.3, RFC 6890). */
bool ip4_is_martian(uint32_t ip);

/* The network's broadcast address; 0 for /31 and /32, which have none. */
uint32_t ip4_net_broadcast(const struct ip4_net *n);

#endif
