/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network's resolver: answers for the names of its VMs, hands everything else to
 * the host's resolvers and their answers back unchanged. A core; host_dns.c has
 * the sockets.
 *
 * A foreign query becomes a transaction with an id and (on the host side) a port of
 * our own (RFC 5452). Upstreams are tried in the given order, those that failed
 * lately last: 2 s each, at once after a refusal, until 10 s are over; then the
 * client hears SERVFAIL. A client's repetition meanwhile is absorbed.
 */
#ifndef VNET_NAT_DNS_H
#define VNET_NAT_DNS_H

#include "nat/dns_msg.h"
#include "nat/ipout.h"
#include "nat/names.h"
#include "nat/policy.h"

#define DNS_PORT	 53
#define DNS_UPSTREAMS	 8
#define DNS_TRY_MS	 2000
#define DNS_GIVE_UP_MS	 10000
#define DNS_BAD_MS	 30000 /* how long a failing upstream comes last */
#define DNS_LOCAL_TTL_S	 30
#define DNS_QUERY_MAX	 4096 /* longer queries are FORMERR */

struct dns;

/** struct dns_client - Who asks. */
struct dns_client {
	struct endpoint ep;
	struct ipaddr asked; /* address of ours that it asked: it hears from it */
	uint64_t nic_id;
};

/* A query that waits for an upstream. */
struct dns_query {
	struct flow fl; /* first; FLOW_DNS */
	struct hnode node;
	struct dns *dns;
	struct dns_client client;
	uint16_t client_id;
	uint32_t gen;	/* of the upstream list that @tried is about */
	uint32_t tried; /* bit per upstream */
	int current;	/* upstream asked now; -1 = none of today's list */
	bool last_refused; /* the upstreams so far all failed at once */
	void *host;
	uint16_t len;
	uint8_t msg[]; /* the query, with our id */
};

struct dns_host {
	/* Send @q->msg to @up over a new socket, closing an earlier one. */
	int (*ask)(void *arg, struct dns_query *q, const struct endpoint *up);
	void (*close)(void *arg, struct dns_query *q);
};

struct dns_upstream {
	struct endpoint ep;
	int64_t bad_until_ms;
};

struct dns_stats {
	uint64_t queries, local, failed, refused, spoofed;
};

struct dns {
	struct names names;
	char domain[DNS_NAME_MAX + 1]; /* lower case, no dots at the ends */
	struct ipaddr host_at[2]; /* of "host": IPv4, IPv6; zero = none */
	bool forward; /* false: foreign names are REFUSED */
	struct dns_upstream up[DNS_UPSTREAMS];
	int nup;
	uint32_t gen;
	struct htab pending;
	uint64_t serial; /* for ids */
	struct flow_tab *flows;
	struct wheel *wheel;
	struct ipout *out;
	const struct policy *pol;
	const struct dns_host *host;
	void *host_arg;
	struct dns_stats stats;
};

/* 0, -EINVAL (domain), -ENOMEM. The pointers and host_at are set by the caller. */
int dns_init(struct dns *d, const uint64_t seed[2], const char *domain);
void dns_fini(struct dns *d);

/* Replace the list; the queries under way go on with it. -E2BIG. */
int dns_set_upstreams(struct dns *d, const struct endpoint *up, int n);

/* The upstream that comes first now; false when there is none. */
bool dns_best_upstream(const struct dns *d, int64_t now_ms,
		       struct endpoint *up);

/**
 * dns_guest_input() - A datagram to port 53 of ours
 * @payload, @n: behind the UDP header
 *
 * Return: a drop_reason, or -1 when it was taken.
 */
int dns_guest_input(struct dns *d, const struct dns_client *from,
		    const struct iovec *payload, int n, int64_t now_ms);

/**
 * dns_host_reply() - The upstream said something
 * @data: changed in place (the id); stays until outq_flush()
 *
 * What does not answer the query is ignored, and waited on. @q may be gone after.
 */
void dns_host_reply(struct dns *d, struct dns_query *q, uint8_t *data,
		    size_t len, int64_t now_ms);

/* The upstream cannot be reached (ICMP port unreachable, no route). */
void dns_host_failed(struct dns *d, struct dns_query *q, int64_t now_ms);

#endif
