/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPv4 packets to the guests: header, checksums or the request to finish them,
 * fragments, neighbour, queue. Also the ICMP errors that the gateway sends.
 */
#ifndef VNET_NAT_IPOUT_H
#define VNET_NAT_IPOUT_H

#include "nat/arp.h"
#include "nat/ip4.h"

#define IPOUT_NO_CSUM 0xffff

/** struct ipout - The way out; pointers are borrowed. */
struct ipout {
	struct arp *arp;
	struct outq *out;
	struct flow_tab *flows; /* for the budget of errors */
	struct mac mac;
	uint32_t ip; /* the gateway's: sender of errors */
	uint16_t mtu;
	uint16_t next_id;
	uint64_t errors_sent;
};

/** struct ipout_pkt - One packet; zeroed fields are the defaults. */
struct ipout_pkt {
	uint32_t src, dst;
	uint8_t proto;
	uint8_t tos;
	uint8_t ttl; /* 0 = 64 */
	bool df;     /* do not fragment: -EMSGSIZE instead */
	struct mac dst_mac; /* zero: ask the neighbour table (or broadcast) */
	const uint8_t *hdr; /* L4 header; copied, at most L4_HEAD */
	size_t hdr_len;
	const struct iovec *v; /* payload */
	int n;
	bool lent; /* the payload stays until outq_flush(); copied while held */
	/* Offset of the L4 checksum (UDP 6, TCP 16): its pseudo header sum is put
	 * there and the rest left as an offload, or all of it done (@full).
	 * IPOUT_NO_CSUM: the header holds what is needed. */
	uint16_t csum_at;
	bool full; /* finish the checksum here (DHCP: see FULL_CSUM in ipout.c) */
	uint8_t gso_type; /* enum gso_type; with gso_size */
	uint16_t gso_size;
};

/**
 * ipout_send() - Send a packet to a guest
 *
 * Longer than the MTU and not GSO: goes in fragments.
 *
 * Return: 0, -EMSGSIZE, -ENOBUFS, -ENOMEM.
 */
int ipout_send(struct ipout *o, const struct ipout_pkt *p, int64_t now_ms);

/** struct icmp_err - An error to tell a guest about. */
struct icmp_err {
	uint32_t from; /* who says so; 0 = the gateway */
	uint8_t type, code;
	uint32_t info;	/* bytes 4..7: next hop's MTU for frag needed */
	uint64_t nic_id; /* whose budget it takes */
	/* The packet that it is about, as the guest sent it: header and the
	 * first bytes behind it. */
	struct ip4 orig;
	const uint8_t *l4;
	size_t l4_len;
};

/**
 * ipout_icmp_err() - Send an ICMP error (RFC 792, RFC 1812 4.3)
 *
 * Silently not, over the NIC's budget, or about a packet that errors must not
 * answer: fragments but the first, other errors, sources that are no hosts.
 */
void ipout_icmp_err(struct ipout *o, const struct icmp_err *e, int64_t now_ms);

/* As ipout_icmp_err(), from the gateway about @k. */
void ipout_reject(struct ipout *o, const struct ip4_pkt *k, uint8_t type,
		  uint8_t code, uint32_t info, int64_t now_ms);

/* ICMP types and codes used here (RFC 792, RFC 1812 5.2.7.1). */
enum {
	ICMP_T_ECHO_REPLY = 0,
	ICMP_T_UNREACH = 3,
	ICMP_T_ECHO = 8,
	ICMP_T_TIME = 11,
	ICMP_T_PARAM = 12,
};
enum {
	ICMP_C_NET = 0,
	ICMP_C_HOST = 1,
	ICMP_C_PROTO = 2,
	ICMP_C_PORT = 3,
	ICMP_C_FRAG = 4,
	ICMP_C_ADMIN = 13,
};

#endif
