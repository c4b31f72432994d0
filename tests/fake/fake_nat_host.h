/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gateway between a fake switch and a fake host: frames to guests are checked
 * (addresses, lengths, checksums; abort() on a wrong one) and kept, what the host is
 * asked for is written down. Also makes the frames that guests send.
 */
#ifndef VNET_TESTS_FAKE_NAT_HOST_H
#define VNET_TESTS_FAKE_NAT_HOST_H

#include "nat/gateway.h"

#define FAKE_KEEP 1024

/* Addresses of the network in the tests. */
#define GW    0x0a000202u /* 10.0.2.2 */
#define DNS   0x0a000203u
#define GUEST 0x0a00020fu /* 10.0.2.15, NIC 7 */
#define OTHER 0x0a000210u /* 10.0.2.16, NIC 8 */
#define HOST  0xc0a80105u /* 192.168.1.5: the host */
#define FAR   0x08080808u /* somewhere outside */

struct fake_nat_out {
	uint8_t *p; /* in one piece, checksums finished */
	size_t len;
	struct offload off; /* as it came */
};

enum fake_kind { FAKE_UDP, FAKE_ICMP, FAKE_DNS, FAKE_FORWARD, FAKE_TCP };

/* Something that the host was asked to send (TCP: to connect). */
struct fake_nat_sent {
	enum fake_kind kind;
	void *flow; /* struct udp_map, icmp_map, dns_query, forward, tcp_flow */
	struct endpoint to;
	struct ipaddr local; /* zero = unknown */
	uint16_t seq;
	uint8_t ttl, tos;
	bool df;
	uint8_t *p;
	size_t len;
};

struct fake_nat {
	struct gateway *gw;
	struct nat_config cfg; /* change before fake_nat_start() */
	int64_t now_ms;
	struct fake_nat_out out[FAKE_KEEP];
	unsigned int n, batches;
	struct fake_nat_sent sent[FAKE_KEEP];
	unsigned int nsent;
	int open_err, send_err, ask_err, connect_err; /* what the host answers */
	uint16_t busy_port;		 /* is not free on the host */
	unsigned int max_sockets;	 /* then -EMFILE; 0 = no limit */
	unsigned int live[5];		 /* sockets by kind */
	unsigned int kicks;
	struct tcp_icmp tcp_why; /* of a failed connect; type 0 = nobody told */
	/* What a forward's NIC resolves to; 0 = nothing. */
	uint32_t resolves;
	struct ipaddr resolves6; /* the same for IPv6; zero = nothing */
};

/* Defaults; then fake_nat_start(). */
void fake_nat_init(struct fake_nat *f);
/* Behind it: a network with IPv6, fd00:1::/64, gateway ::2, resolver ::3. */
void fake_nat_init6(struct fake_nat *f);
void fake_nat_start(struct fake_nat *f);
/* Also checks that nothing is left open. */
void fake_nat_stop(struct fake_nat *f);

/* Forget what was kept. */
void fake_nat_clear(struct fake_nat *f);

/* What the gateway counts adds up, and no NIC is over its limits; or abort(). */
void fake_nat_check(const struct fake_nat *f);

/* Let time pass, firing timers on the way. */
void fake_nat_wait(struct fake_nat *f, int64_t ms);

/* One frame comes in, within a turn of its own; the drop reason or -1. */
int fake_nat_in(struct fake_nat *f, const void *p, size_t len, uint64_t nic_id);
int fake_nat_in_frame(struct fake_nat *f, const struct frame *fr,
		      uint64_t nic_id);

extern const struct mac fake_gw_mac, fake_guest_mac;

/* ---- frames of guests ------------------------------------------------------- */

/** struct fake_pkt - What a guest sends; the rest has sensible defaults. */
struct fake_pkt {
	uint32_t src, dst;
	uint8_t proto;
	uint16_t sport, dport; /* ICMP echo: identifier, sequence number */
	uint8_t ttl, tos; /* ttl 0 = 64 */
	bool df, mf;
	uint16_t id, frag;
	const void *data;
	size_t len;
	bool raw; /* data is what follows the IP header */
	bool bcast; /* to the broadcast MAC */
};

/* Write the frame with all checksums into @b (of 65549 bytes); its length. */
size_t fake_pkt_build(const struct fake_pkt *k, uint8_t *b);

/* Build and send in from NIC 7 (GUEST) or 8 (all others). */
int fake_nat_pkt(struct fake_nat *f, const struct fake_pkt *k);

/* ARP from a guest. */
size_t fake_arp_build(uint8_t *b, uint16_t op, uint32_t spa, uint32_t tpa);

/* Makes @ip known to the gateway, quietly. */
void fake_nat_hello(struct fake_nat *f, uint32_t ip);

/* ---- what guests got --------------------------------------------------------- */

struct fake_got {
	struct mac dst_mac;
	uint16_t ethertype;
	struct ip4 ip;
	uint16_t sport, dport; /* of UDP and TCP */
	const uint8_t *l4;
	size_t l4_len;
	const uint8_t *data; /* behind UDP's or ICMP's 8 bytes */
	size_t len;
};

/* Take apart frame number @i. */
struct fake_got fake_nat_got(const struct fake_nat *f, unsigned int i);

#endif
