/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TCP headers on the wire (RFC 9293 3.1), decoded into plain structs and back. */
#ifndef VNET_NAT_TCP_SEG_H
#define VNET_NAT_TCP_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nat/tcp.h"

/* Control bits; ECE and CWR (RFC 3168) are not used. */
enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
};

#define TCP_WSCALE_MAX	14 /* RFC 7323 2.3 */
#define TCP_WSCALE_NONE 0xff
#define TCP_MSS_DEFAULT	 536  /* RFC 9293 3.7.1: without the option … */
#define TCP_MSS_DEFAULT6 1220 /* … in IPv6 */
#define TCP_TS_LEN	 12   /* timestamps with the padding before them */
#define TCP_SACK_BLOCKS	 4    /* RFC 2018 3: more do not fit; with timestamps 3 */

/** struct tcp_seg - A header; host order. */
struct tcp_seg {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t flags;
	uint8_t hlen;	/* with options; ignored by tcp_seg_build() */
	uint16_t wnd;	/* as on the wire, not scaled */
	uint16_t mss;	/* option, 0 = not there */
	uint8_t wscale; /* option, TCP_WSCALE_NONE = not there */
	bool sack_ok;	/* option: SACK permitted (RFC 2018 2) */
	bool ts;	/* option: timestamps (RFC 7323 3), which are … */
	uint32_t tsval, tsecr;
	/* Option: so many blocks (RFC 2018 3), two numbers each, as they are on the
	 * wire; borrowed from the header that was parsed. */
	const uint8_t *sack;
	uint8_t nsack;
	size_t len;	/* payload behind it; ignored by tcp_seg_build() */
};

/**
 * tcp_seg_parse() - Decode a header
 * @head: its first @head_len bytes (all, or TCP_HDR_MAX at least)
 * @l4_len: header and payload
 *
 * Options that are not fields of struct tcp_seg are skipped. Behind an option with a
 * length that cannot be, the rest is ignored (RFC 9293 3.1, MUST-7). A window scale
 * above 14 counts as 14 (RFC 7323 2.3).
 *
 * Return: 0 or -EBADMSG (header does not fit).
 */
int tcp_seg_parse(struct tcp_seg *s, const uint8_t *head, size_t head_len,
		  size_t l4_len);

/* Write the header with checksum 0; returns its length. MSS, window scale and "SACK
 * permitted" are for SYNs only. */
size_t tcp_seg_build(uint8_t buf[TCP_HDR_MAX], const struct tcp_seg *s);

/* Sequence numbers wrap (RFC 9293 3.4): a is before b. */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

/* Sequence numbers that the segment takes: payload, SYN and FIN. */
static inline uint32_t tcp_seg_space(const struct tcp_seg *s)
{
	return (uint32_t)s->len + !!(s->flags & TCP_SYN) +
	       !!(s->flags & TCP_FIN);
}

#endif
