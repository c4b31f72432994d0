/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv6 for fake_nat_host.h: what guests send, and taking apart what they got. The
 * network is the one of fake_nat_init6().
 */
#ifndef VNET_TESTS_FAKE_IP6_H
#define VNET_TESTS_FAKE_IP6_H

#include "tests/fake/fake_nat_host.h"

#define GW6    "fd00:1::2"
#define DNS6   "fd00:1::3"
#define GUEST6 "fd00:1::15" /* NIC 7 */
#define OTHER6 "fd00:1::16" /* NIC 8 */
#define HOST6  "2001:db8::5"
#define FAR6   "2001:db8:1::1"
#define GUEST_LL "fe80::5054:ff:fe12:3456" /* NIC 7 */

/* An address that is well-formed, or abort(). */
struct ipaddr ip6_of(const char *text);
/* The gateway's link-local address. */
struct ipaddr fake6_gw_ll(void);

/** struct fake6_pkt - What a guest sends; the rest has sensible defaults. */
struct fake6_pkt {
	const char *src, *dst; /* defaults: GUEST6, FAR6 */
	uint8_t proto;
	uint16_t sport, dport; /* echo: identifier, sequence number */
	uint8_t hop, tclass; /* hop 0 = 64 */
	const void *data;
	size_t len;
	bool raw; /* data is what follows all headers */
	/* Extension headers behind the fixed one; @first is the first's type, and
	 * the last says what follows. */
	const void *exts;
	size_t exts_len;
	uint8_t first;
	int csum_off; /* added to the right checksum */
};

/* Write the frame with all checksums into @b (of FRAME_MAX bytes); its length. */
size_t fake6_build(const struct fake6_pkt *k, uint8_t *b);

/* Build and send in from NIC 7 (GUEST6, GUEST_LL, ::) or 8 (all others). */
int fake6_pkt(struct fake_nat *f, const struct fake6_pkt *k);

/** struct fake6_nd - Solicitation or advertisement of a guest. */
struct fake6_nd {
	uint8_t type, flags;
	const char *target, *src, *dst; /* src default GUEST6 */
	bool lla; /* with the option that belongs to the type, … */
	struct mac mac; /* … saying this; zero: the guest's */
	uint8_t hop; /* 0 = 255 */
};

int fake6_nd(struct fake_nat *f, const struct fake6_nd *n);

/* Makes @ip known to the gateway, quietly. */
void fake6_hello(struct fake_nat *f, const char *ip);

struct fake6_got {
	struct mac dst_mac;
	struct ip_hdr h; /* after the extension headers */
	uint16_t sport, dport;
	const uint8_t *l4;
	size_t l4_len;
	const uint8_t *data; /* behind UDP's or ICMPv6's 8 bytes */
	size_t len;
};

/* Take apart frame number @i, which must be IPv6. */
struct fake6_got fake6_got(const struct fake_nat *f, unsigned int i);

/* Is @a this address? */
bool is_ip6(const struct ipaddr *a, const char *text);

#endif
