/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv6 headers (RFC 8200) and what is special about some addresses: the way ip4.h has
 * those of IPv4. Packets are in pkt.h.
 */
#ifndef VNET_NAT_IP6_H
#define VNET_NAT_IP6_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"

#define ETHERTYPE_IP6 0x86dd

#define IP6_HDR	     40
#define IP6_FRAG_HDR 8
#define IP6_MTU_MIN  1280 /* RFC 8200 5 */
#define IP6_EXTS     8	  /* extension headers that we look through */
#define IP6_HDRS_MAX 512  /* bytes of all headers that we look at */

/* Next headers (RFC 8200 4, RFC 4302, 4303, 4443). */
enum {
	IP6_HOPS = 0,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_ESP = 50,
	IP6_AH = 51,
	IP6_ICMP = 58,
	IP6_NONE = 59,
	IP6_DEST = 60,
};

/* ICMPv6 types and codes (RFC 4443, RFC 4861). */
enum {
	ICMP6_UNREACH = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME = 3,
	ICMP6_PARAM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_NS = 135,
	ICMP6_NA = 136,
	ICMP6_REDIRECT = 137,
};
enum { /* of unreachable */
	ICMP6_C_NOROUTE = 0,
	ICMP6_C_ADMIN = 1,
	ICMP6_C_ADDRESS = 3,
	ICMP6_C_PORT = 4,
};
enum { /* of parameter problem */
	ICMP6_C_FIELD = 0,
	ICMP6_C_NEXT = 1,
	ICMP6_C_OPTION = 2,
};

/** struct ip6 - A fixed header; host order. */
struct ip6 {
	struct ipaddr src, dst;
	uint32_t flow; /* label; 20 bits */
	uint16_t len;  /* bytes behind the header */
	uint8_t tclass;
	uint8_t next;
	uint8_t hop_limit;
};

/**
 * ip6_decode() - Decode and check a fixed header
 * @p, @avail: bytes that may be looked at
 * @room: bytes there are behind @p in all
 *
 * Refused: other versions, lengths beyond @room, a source that is a group, and
 * addresses that must not be on a wire (::1, v4-mapped ones, a destination ::).
 *
 * Return: 0 or -EBADMSG.
 */
int ip6_decode(struct ip6 *h, const uint8_t *p, size_t avail, size_t room);

/* Write the 40 bytes of @h. */
void ip6_build(uint8_t p[IP6_HDR], const struct ip6 *h);

/* Write a fragment header (RFC 8200 4.5); @frag in bytes. */
void ip6_build_frag(uint8_t p[IP6_FRAG_HDR], uint8_t next, uint16_t frag,
		    bool mf, uint32_t id);

/** struct ip6_chain - A walk along extension headers. */
struct ip6_chain {
	/* In: protocol of what is at @at, and where that was said. Out: the
	 * same of what follows all headers that can be looked through. */
	uint8_t next;
	uint16_t next_at;
	uint16_t at;
	bool group; /* in: the packet's destination is a group */
	/* Out: a fragment header that the walk ended behind (@mf or @frag; what
	 * follows is a piece), or an atomic one passed on the way (RFC 6946). */
	bool fragment, mf;
	uint16_t frag;
	uint32_t id;
	/* Out, with -EPROTO: for a parameter problem. */
	uint8_t code;
	uint16_t ptr;
};

/**
 * ip6_walk() - Look through hop-by-hop and destination options, routing and fragments
 * @p, @len: the packet from the fixed header on, as far as it may be looked at
 *
 * Options are only judged by what their type says about those who do not know
 * them (RFC 8200 4.2); routing headers that still lead on are refused (4.4,
 * RFC 5095). More than IP6_EXTS headers are too many.
 *
 * Return: 0; -EBADMSG: drop it; -EPROTO: drop it and tell its sender.
 */
int ip6_walk(struct ip6_chain *c, const uint8_t *p, size_t len);

/* Addresses that no packet may be sent to from here: ::/96 (unspecified, loopback,
 * v4-compatible), v4-mapped, link- and site-local, groups (RFC 4291, RFC 6890). */
bool ip6_is_martian(const struct ipaddr *ip);

#endif
