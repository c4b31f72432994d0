/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv6 headers (RFC 8200), the way ip4.h has those of IPv4.
 */
#ifndef VNET_NAT_IP6_H
#define VNET_NAT_IP6_H

#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"

#define ETHERTYPE_IP6 0x86dd

#define IP6_HDR	    40
#define IP6_MTU_MIN 1280 /* RFC 8200 5 */
#define ICMP6_HDR   8	 /* type, code, checksum, four bytes of the type's */

enum { IP6_ICMP = 58 };

/* ICMPv6 types (RFC 4443, RFC 4861). */
enum {
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_NS = 135,
	ICMP6_NA = 136,
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

/* Write the 40 bytes of @h. */
void ip6_build(uint8_t p[IP6_HDR], const struct ip6 *h);

#endif
