/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP from guests to the outside (RFC 4787). One mapping, which is one host socket,
 * per guest endpoint, whatever it sends to (REQ-1); the guest's port is kept
 * when the host has it free. The core never sees a socket: it asks through
 * struct udp_host and is told what came back.
 *
 * A mapping lives from the first datagram out until it was idle for 300 s (REQ-5;
 * 17 s when all it did was to ask port 53 and an answer came), until its NIC's
 * quota needs room (least recently used first) or the NIC goes. ICMP errors never
 * end it (REQ-12). Traffic either way refreshes it (REQ-6).
 */
#ifndef VNET_NAT_UDP_H
#define VNET_NAT_UDP_H

#include "lib/pool.h"
#include "nat/ipout.h"
#include "nat/policy.h"

#define UDP_IDLE_MS	300000
#define UDP_IDLE_DNS_MS 17000
#define UDP_HOST_PEERS	8  /* host services remembered per mapping */
#define UDP_PEERS	64 /* endpoints, or their addresses, that may answer */

struct udp;

struct udp_map {
	struct flow fl; /* first */
	struct hnode node;
	struct udp *udp;
	struct endpoint guest;
	struct endpoint peer; /* last one, as the guest sees it */
	uint16_t host_port;   /* set by open(); 0 = unknown */
	void *host;	      /* the host side's */
	bool only_dns;	      /* sent to port 53 only */
	bool answered;
	/* Ports of the host that the guest sent to, and under which address. */
	struct {
		uint16_t port;
		bool via_gw;
	} host_peer[UDP_HOST_PEERS];
	uint8_t host_peers, host_next;
	struct endpoint *peers; /* real ones; only with the filter */
	uint8_t npeers, next_peer;
};

/* A datagram for the outside. */
struct udp_send {
	struct endpoint to;
	uint8_t ttl, tos;
	bool df;
	const struct iovec *v; /* borrowed; at most FRAME_SEGS */
	int n;
	/* 0, or these are several datagrams of this size, one behind the other;
	 * the last may be shorter. */
	uint16_t gso;
};

/* What the host does; implemented by host_udp.c and by tests. */
struct udp_host {
	/* A socket for @m, of its guest's family, at @want if that is free; sets
	 * m->host and host_port. 0 or negative errno; -EAFNOSUPPORT: the host
	 * has no IPv6, which the guest hears as -ENETUNREACH. */
	int (*open)(void *arg, struct udp_map *m, uint16_t want);
	/* 0 or negative errno; the datagram (or what is left of several) is lost
	 * then and the guest is told
	 * about -ENETUNREACH, -EADDRNOTAVAIL, -EHOSTUNREACH, -EACCES and -EPERM.
	 * What only the error queue knows (-EMSGSIZE: the MTU) comes by
	 * udp_host_error(). */
	int (*send)(void *arg, struct udp_map *m, const struct udp_send *s);
	void (*close)(void *arg, struct udp_map *m);
};

/* A datagram from outside. */
struct udp_recv {
	struct endpoint from;
	struct ipaddr local; /* the host's address it came to; zero = unknown */
	uint8_t ttl, tos; /* ttl 0 = unknown */
	const void *data; /* stays until outq_flush() */
	size_t len;
	/* 0, or these are several datagrams of this size, one behind the other;
	 * the last may be shorter. */
	uint16_t gso;
};

/* An ICMP error, or in IPv6 an ICMPv6 error, about something that we sent. */
struct host_err {
	struct endpoint to; /* where we had sent it */
	struct ipaddr from; /* who says so; zero = the host itself */
	uint8_t type, code;
	uint32_t info;
	const uint8_t *data; /* what came back of the payload */
	size_t len;
};

struct udp_stats {
	uint64_t created, refused, denied, filtered;
};

struct udp {
	struct htab maps; /* by guest endpoint */
	struct pool map_pool, peers_pool;
	struct flow_tab *flows;
	struct wheel *wheel;
	struct ipout *out;
	const struct policy *pol;
	const struct udp_host *host;
	void *host_arg;
	enum nat_filter filter;
	struct udp_stats stats;
};

/* 0 or -ENOMEM; the other fields are set by the caller. */
int udp_init(struct udp *u, const uint64_t seed[2]);
void udp_fini(struct udp *u);

void udp_map_end(struct udp_map *m);

/**
 * udp_guest_input() - A datagram from a guest that is for the outside or the host
 * @payload: behind the UDP header; with USO, of all segments
 *
 * Return: a drop_reason (switch/port.h), or -1 when it was taken.
 */
int udp_guest_input(struct udp *u, const struct pkt *k, uint16_t sport,
		    uint16_t dport, const struct iovec *payload, int n,
		    int64_t now_ms);

/* For udp_send.gso: the size of the datagrams in a payload of @len; counts them. */
uint16_t udp_gso(const struct pkt *k, size_t len, uint64_t *packets);

/* How many datagrams @r is. */
static inline uint32_t udp_count(const struct udp_recv *r)
{
	return r->gso ? (uint32_t)((r->len + r->gso - 1) / r->gso) : 1;
}

/* Longer than any can be? */
static inline bool udp_too_long(const struct udp_recv *r)
{
	return (r->gso ? r->gso : r->len) > 65535 - UDP_HDR;
}

/**
 * udp_deliver() - What came from outside goes to a guest
 * @from, @to: as the guest knows them
 *
 * Datagrams that came as one leave as one frame (or few) with GSO_UDP_L4, unless they
 * are too long for the network's MTU: then each goes in its own fragments.
 */
void udp_deliver(struct ipout *out, const struct endpoint *from,
		 const struct endpoint *to, const struct udp_recv *r,
		 int64_t now_ms);

/* From the host's socket of @m. */
void udp_host_input(struct udp *u, struct udp_map *m, const struct udp_recv *r,
		    int64_t now_ms);
void udp_host_error(struct udp *u, struct udp_map *m, const struct host_err *e,
		    int64_t now_ms);

/* Visit all mappings; @fn may end the one it is given. */
void udp_walk(struct udp *u, bool (*fn)(void *arg, struct udp_map *m),
	      void *arg);

/* TTL outside: one less, but addressed to the host itself nothing is forwarded. */
static inline uint8_t udp_ttl_out(const struct pkt *k)
{
	uint8_t ttl = k->to_us ? k->ip.ttl : (uint8_t)(k->ip.ttl - 1);

	return ttl ? ttl : 1;
}

/* Write a UDP header (checksum 0) for @len bytes of payload. */
void udp_header(uint8_t hdr[UDP_HDR], uint16_t sport, uint16_t dport,
		size_t len);

/* Put @seen for @real as the sender of an error; the host itself is the gateway. */
void udp_error_from(struct host_err *e, const struct ipaddr *real,
		    const struct ipaddr *seen);

/* Tell a guest why the host would not send its packet @k. */
void udp_send_failed(struct ipout *out, const struct pkt *k, int err,
		     int64_t now_ms);

/* Tell a guest about an error for a datagram it sent from @guest to @to. */
void udp_error(struct ipout *out, const struct endpoint *guest,
	       const struct endpoint *to, uint64_t nic_id,
	       const struct host_err *e, int64_t now_ms);

#endif
