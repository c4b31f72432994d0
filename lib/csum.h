/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 * A running sum is an unfolded uint64_t over big-endian 16-bit words; sums of
 * even-length parts may be added in any order.
 */
#ifndef VNET_LIB_CSUM_H
#define VNET_LIB_CSUM_H

#include <stddef.h>
#include <stdint.h>

struct ipaddr;

/**
 * csum_add() - Add @len bytes to a running sum
 *
 * Only the last part of a message may have an odd length (use csum_add_odd() to
 * continue behind one).
 */
uint64_t csum_add(uint64_t sum, const void *p, size_t len);

/* As csum_add(), for bytes that stand at an odd offset of the message. */
uint64_t csum_add_odd(uint64_t sum, const void *p, size_t len);

static inline uint64_t csum_add32(uint64_t sum, uint32_t v)
{
	return sum + (v >> 16) + (v & 0xffff);
}

/* Fold to 16 bits, not inverted (what a partial checksum field holds). */
static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Fold and invert: the value of the checksum field. */
static inline uint16_t csum_finish(uint64_t sum)
{
	return (uint16_t)~csum_fold(sum);
}

/* Pseudo header of TCP and UDP over IPv4 (RFC 9293 3.1); host-order addresses. */
static inline uint64_t csum_pseudo4(uint32_t src, uint32_t dst, uint8_t proto,
				    uint32_t len)
{
	return csum_add32(csum_add32(csum_add32(proto, src), dst), len);
}

/* The same over IPv6 (RFC 8200 8.1), ICMPv6 included. */
uint64_t csum_pseudo6(const struct ipaddr *src, const struct ipaddr *dst,
		      uint8_t proto, uint32_t len);

/* RFC 1624 eqn. 3: field @sum after a 16-bit word changed from @old to @new. */
static inline uint16_t csum_update16(uint16_t sum, uint16_t old, uint16_t new)
{
	return csum_finish((uint64_t)(uint16_t)~sum + (uint16_t)~old + new);
}

#endif
