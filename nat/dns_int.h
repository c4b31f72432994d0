/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the resolver's files share. Not for others; see dns.h. */
#ifndef VNET_NAT_DNS_INT_H
#define VNET_NAT_DNS_INT_H

#include "nat/dns.h"

#define DNS_CHAIN_MAX 8 /* aliases followed; a longer row is taken for a loop */

/* Longer is no answer of ours: all records of a name, and what aliases led to. Fits
 * what dns_tcp.c keeps free when it reads on. */
#define DNS_LOCAL_MAX 24576

/** struct dns_local - An answer out of our own knowledge, with its storage. */
struct dns_local {
	struct dns_answer a;
	struct ipaddr addr[2 * NAMES_PER_NAME];
	struct dns_rr rr[ZONE_NAME_MAX + DNS_CHAIN_MAX];
	char text[DNS_NAME_MAX + 1];
	char chain[DNS_CHAIN_MAX][DNS_NAME_MAX + 1]; /* where aliases led */
	const char *owner; /* the last of these; NULL = the question's name */
};

/**
 * dns_local() - Is the question ours to answer, and how?
 * @m: has a question
 *
 * Return: false for everything that only the host's resolvers can know.
 */
bool dns_local(const struct dns *d, const struct dns_msg *m,
	       struct dns_local *l);

/**
 * dns_query_input() - A query came, in whatever way
 * @msg: borrowed
 *
 * Return: a drop_reason, or -1 when it was taken.
 */
int dns_query_input(struct dns *d, const struct dns_client *from,
		    const uint8_t *msg, size_t len, int64_t now_ms);

/* Forget it, without a word to the client. */
void dns_query_end(struct dns_query *q);

/* Put an answer into the stream. False when there is no room for it; with @must that
 * ends the connection. */
bool dns_tcp_answer(struct dns_conn *c, const uint8_t *data, size_t len,
		    bool must);

/* A query of client.conn waits for an upstream; no longer. */
void dns_tcp_query_new(struct dns_query *q);
void dns_tcp_query_gone(struct dns_query *q);

#endif
