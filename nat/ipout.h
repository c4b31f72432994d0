/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets to the guests, in either family: header, checksums or the request to finish
 * them, fragments, neighbour, queue. Also the ICMP errors that the gateway sends.
 */
#ifndef VNET_NAT_IPOUT_H
#define VNET_NAT_IPOUT_H

#include "nat/neigh.h"
#include "nat/pkt.h"
#include "nat/routes6.h"

#define IPOUT_NO_CSUM 0xffff

/** struct ipout - The way out; pointers are borrowed. */
struct ipout {
	struct neigh_tab *neigh;
	struct outq *out;
	const struct routes6 *routes; /* prefixes behind guests */
	struct flow_tab *flows; /* for the budget of errors */
	struct mac mac;
	struct ipaddr ip;	/* the gateway's: senders of errors */
	struct ipaddr ip6, ll6; /* the latter to link-local addresses */
	uint16_t mtu;
	uint32_t next_id;
	uint64_t errors_sent;
};

/** struct ipout_pkt - One packet; zeroed fields are the defaults. */
struct ipout_pkt {
	struct ipaddr src, dst; /* of one family */
	uint8_t proto;
	uint8_t tos;
	uint8_t ttl; /* 0 = 64 */
	bool df;     /* do not fragment: -EMSGSIZE instead */
	/* Zero: ask the neighbour table, or of a group its own. */
	struct mac dst_mac;
	const uint8_t *hdr; /* L4 header; copied, at most L4_HEAD */
	size_t hdr_len;
	const struct iovec *v; /* payload */
	int n;
	bool lent; /* the payload stays until outq_flush(); copied while held */
	/* Offset of the L4 checksum (UDP 6, TCP 16, ICMPv6 2): its pseudo header
	 * sum is put there and the rest left as an offload, or all of it done
	 * (@full). IPOUT_NO_CSUM: the header holds what is needed. */
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

/* Why a packet of a guest went nowhere, in the terms of neither family. */
enum ipout_why {
	WHY_NET,   /* there is no way to the network */
	WHY_HOST,  /* nobody has the address */
	WHY_PROTO, /* nobody speaks the protocol */
	WHY_PORT,  /* nobody listens there */
	WHY_ADMIN, /* not allowed */
	WHY_TTL,   /* it was forwarded too often */
	WHY_REASM, /* its fragments did not all come */
};

/** struct icmp_err - An error to tell a guest about. */
struct icmp_err {
	struct ipaddr from; /* who says so; zero = the gateway */
	uint8_t type, code; /* of ICMP or ICMPv6, after the family of @orig */
	uint32_t info;	    /* bytes 4..7: next hop's MTU, pointer */
	uint64_t nic_id;    /* whose budget it takes */
	/* The packet that it is about, as the guest sent it: header and the
	 * first bytes behind it. */
	struct ip_hdr orig;
	const uint8_t *l4;
	size_t l4_len;
	/* The packet itself, if at hand: more of it can be quoted. Nullable. */
	const struct pkt *pkt;
};

/* Set type, code and info of @e; @e->orig must be set. */
void ipout_err_why(struct icmp_err *e, enum ipout_why why);

/**
 * ipout_icmp_err() - Send an ICMP error (RFC 792, RFC 1812 4.3, RFC 4443)
 *
 * Silently not, over the NIC's budget, or about a packet that errors must not
 * answer: fragments but the first, other errors, sources that are no hosts.
 */
void ipout_icmp_err(struct ipout *o, const struct icmp_err *e, int64_t now_ms);

/* As ipout_icmp_err(), from the gateway about @k. */
void ipout_reject(struct ipout *o, const struct pkt *k, enum ipout_why why,
		  int64_t now_ms);

/* The same for IPv6 with a parameter problem (RFC 4443 3.4): @ptr is the offset of
 * the field that is wrong. */
void ipout_param_problem(struct ipout *o, const struct pkt *k, uint8_t code,
			 uint32_t ptr, int64_t now_ms);

#endif
