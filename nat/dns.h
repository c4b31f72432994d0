/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network's resolver, over UDP and TCP: answers for the names of its VMs, hands
 * everything else to the host's resolvers and their answers back unchanged. A core;
 * host_dns.c has the sockets, dns_tcp.c the guests' connections.
 *
 * A foreign query becomes a transaction with an id and (on the host side) a port of
 * our own (RFC 5452). Upstreams are tried in the given order, those that failed
 * lately last: 2 s each, at once after a refusal or SERVFAIL, until 10 s are over;
 * then the client hears SERVFAIL. A client's repetition meanwhile is absorbed.
 * Upstreams are asked over UDP; when their answer is truncated and the client came
 * over TCP, once more over TCP.
 *
 * When the host roamed (another list of upstreams) or woke up, what failed before
 * says nothing any more: all queries under way start anew, at once.
 */
#ifndef VNET_NAT_DNS_H
#define VNET_NAT_DNS_H

#include "nat/dns_msg.h"
#include "nat/dns_zone.h"
#include "nat/ipout.h"
#include "nat/names.h"
#include "nat/policy.h"

#define DNS_PORT	 53
#define DNS_UPSTREAMS	 8
#define DNS_TRY_MS	 2000
#define DNS_GIVE_UP_MS	 10000
#define DNS_BAD_MS	 30000 /* how long a failing upstream comes last */
#define DNS_LOCAL_TTL_S	 30
#define DNS_QUERY_MAX	 4096 /* longer queries are not taken */

/* A guest's connection (RFC 7766). */
#define DNS_TCP_QUERIES 32    /* under way; then it is not read */
#define DNS_TCP_IDLE_MS 10000 /* silence; then we close it */

struct dns;
struct dns_conn;
struct tcp_host_ops;

/** struct dns_client - Who asks. */
struct dns_client {
	struct endpoint ep;
	struct ipaddr asked; /* address of ours that it asked: it hears from it */
	uint64_t nic_id;
	struct dns_conn *conn; /* over TCP; NULL: UDP */
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
	int64_t since_ms; /* of its first try with this list */
	int current;	/* upstream asked now; -1 = none */
	bool stream;	/* it is asked over TCP */
	bool last_refused; /* the upstreams so far all failed at once */
	uint8_t bad_rcode; /* the last of them that answered said this; 0 = none */
	struct list conn_node; /* of client.conn */
	void *host;
	uint16_t len;
	uint8_t msg[]; /* the query, with our id */
};

struct dns_upstream {
	struct endpoint ep;
	uint32_t scope; /* the host's interface of a link-local one; or 0 */
	int64_t bad_until_ms; /* the resolver's own */
};

struct dns_host {
	/* Send @q->msg to @up over a new socket (@q->stream: TCP), closing an
	 * earlier one. Must not call back. */
	int (*ask)(void *arg, struct dns_query *q,
		   const struct dns_upstream *up);
	void (*close)(void *arg, struct dns_query *q);
};

struct dns_stats {
	uint64_t queries, local, failed, refused, spoofed;
	uint64_t over_tcp; /* of queries */
};

struct dns {
	struct names names;
	struct zone zone; /* records of the user's own */
	char domain[DNS_NAME_MAX + 1]; /* lower case, no dots at the ends */
	struct ipaddr host_at[2]; /* of "host": IPv4, IPv6; zero = none */
	bool host_routes; /* "gateway" is the host, and not ourselves */
	bool forward; /* false: foreign names are REFUSED */
	struct dns_upstream up[DNS_UPSTREAMS];
	int nup;
	uint32_t gen;
	struct htab pending;
	struct list tcp_due; /* connections with work for dns_tcp_run() */
	struct dns_conn *tcp_current; /* of which one is at work; NULL: it ended */
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

/* The network's domain is another one; -EINVAL: what cannot be one. */
int dns_set_domain(struct dns *d, const char *domain);

/* Replace the list. If it is another one, queries under way start anew with it.
 * -E2BIG. */
int dns_set_upstreams(struct dns *d, const struct dns_upstream *up, int n,
		      int64_t now_ms);

/* The host woke up: all upstreams are good again, queries under way start anew. */
void dns_woke(struct dns *d, int64_t now_ms);

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

/* The upstream cannot be reached (ICMP port unreachable, no route; over TCP: the
 * connection ended without an answer). */
void dns_host_failed(struct dns *d, struct dns_query *q, int64_t now_ms);

/* ---- over TCP --------------------------------------------------------------- */

/* For struct tcp_env's service, with the struct dns as service_arg. All connections
 * must have been closed (tcp_free()) before dns_fini(). */
extern const struct tcp_host_ops dns_tcp_ops;

/* Does dns_tcp_run() have something to do? */
bool dns_tcp_due(const struct dns *d);

/* Once a turn, before tcp_flush(): take queries, tell the TCP core. Bounded. */
void dns_tcp_run(struct dns *d, int64_t now_ms);

#endif
