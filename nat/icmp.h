/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Echo of ICMP and ICMPv6 from guests to the outside (RFC 5508). Each guest address and identifier
 * has a mapping (REQ-1a: endpoint independent) which is a ping socket of the host;
 * a reply reaches the guest when a real one came. 60 s after the last packet it
 * ends (REQ-2). Errors from the path are rewritten to what the guest had sent
 * (REQ-4, 5). Only echo: the host offers no sockets for other queries.
 */
#ifndef VNET_NAT_ICMP_H
#define VNET_NAT_ICMP_H

#include "nat/udp.h"

#define ICMP_IDLE_MS 60000

struct icmp;

struct icmp_map {
	struct flow fl; /* first */
	struct hnode node;
	struct icmp *icmp;
	struct endpoint guest; /* the port is the identifier */
	struct endpoint peer;  /* last one, as the guest sees it; port 0 */
	uint16_t host_id;      /* identifier outside; set by open() */
	void *host;
};

/* An echo request for the outside. */
struct icmp_send {
	struct ipaddr to;
	uint8_t ttl, tos;
	bool df;
	uint16_t seq;
	const struct iovec *v; /* payload behind the 8 bytes of header */
	int n;
};

struct icmp_host {
	/* A socket with identifier @want if that is free; sets m->host, host_id. */
	int (*open)(void *arg, struct icmp_map *m, uint16_t want);
	int (*send)(void *arg, struct icmp_map *m, const struct icmp_send *s);
	void (*close)(void *arg, struct icmp_map *m);
};

/* An echo reply from outside. */
struct icmp_recv {
	struct ipaddr from;
	uint8_t ttl, tos;
	uint16_t seq;
	const void *data; /* payload; stays until outq_flush() */
	size_t len;
};

struct icmp {
	struct htab maps;
	struct flow_tab *flows;
	struct wheel *wheel;
	struct ipout *out;
	const struct policy *pol;
	const struct icmp_host *host;
	void *host_arg;
	struct udp_stats stats;
};

int icmp_init(struct icmp *c, const uint64_t seed[2]);
void icmp_fini(struct icmp *c);
void icmp_map_end(struct icmp_map *m);

/**
 * icmp_guest_input() - An ICMP message from a guest
 * @nat: false answers echo to ourselves only
 *
 * Return: a drop_reason, or -1 when it was taken.
 */
int icmp_guest_input(struct icmp *c, const struct pkt *k, bool nat,
		     int64_t now_ms);

void icmp_host_input(struct icmp *c, struct icmp_map *m,
		     const struct icmp_recv *r, int64_t now_ms);

/* @e->data: the echo request as sent, from its ICMP header on. */
void icmp_host_error(struct icmp *c, struct icmp_map *m,
		     const struct host_err *e, int64_t now_ms);

void icmp_walk(struct icmp *c, bool (*fn)(void *arg, struct icmp_map *m),
	       void *arg);

#endif
