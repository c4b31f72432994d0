/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DNS messages (RFC 1035), as little of them as a forwarder needs: the header, the
 * one question, whether EDNS is spoken (RFC 6891), and answers of our own. What we
 * forward is never rebuilt, so that nothing we do not know gets lost.
 */
#ifndef VNET_NAT_DNS_MSG_H
#define VNET_NAT_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"

#define DNS_HDR	      12
#define DNS_NAME_MAX  255 /* wire form, and so text and its NUL (RFC 1035 2.3.4) */
#define DNS_MSG_MAX   65535
#define DNS_PLAIN_MAX 512 /* without EDNS (RFC 1035 2.3.4) */
#define DNS_EDNS_MAX  1232 /* most that we send or ask for (DNS flag day 2020) */
#define DNS_NEGATIVE_TTL_S 5 /* a VM may start the next moment */

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_OPT = 41,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

enum dns_class { DNS_IN = 1, DNS_CLASS_ANY = 255 };

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16, /* needs an OPT (RFC 6891 9) */
};

struct dns_msg {
	uint16_t id;
	uint16_t flags;
	bool response, truncated;
	uint8_t opcode, rcode;
	uint16_t qdcount;
	/* The question; valid when has_question. */
	bool has_question;
	/* Lower case, labels joined by dots, no final dot; a dot within a label
	 * becomes \1, so that it equals no host name. The label that begins at
	 * name[i] lies at DNS_HDR + i in the message. */
	char name[DNS_NAME_MAX + 1];
	uint16_t type, class;
	size_t end; /* bytes of header and question */
	/* Of queries with one question only: an OPT record (RFC 6891) … */
	bool edns, dnssec_ok;
	uint8_t edns_version;
	uint16_t edns_size; /* what the client takes, as it says */
	/* … and records that cannot be read, are too many, or two OPTs. */
	bool malformed;
};

/**
 * dns_parse() - Decode header and first question
 *
 * Return: 0; -EBADMSG when there is no whole header. A question that is cut off,
 * compressed or too long leaves has_question false.
 */
int dns_parse(struct dns_msg *m, const uint8_t *p, size_t len);

/**
 * dns_reply_matches() - Does a reply answer the query?
 *
 * Same id, a response, the same question octet by octet but for the case of letters
 * (RFC 5452 9.1). A server that understood nothing may leave the question out.
 */
bool dns_reply_matches(const uint8_t *query, size_t qlen, const uint8_t *reply,
		       size_t rlen);

/** struct dns_rr - A record of an answer, beside addresses and PTR. */
struct dns_rr {
	const char *owner; /* full name; NULL = the question's */
	enum dns_type type; /* CNAME, MX, TXT, SRV */
	uint16_t num[3];   /* MX: preference; SRV: priority, weight, port */
	const char *text;  /* TXT: the text; else the target */
	const char *suffix; /* what the target is relative to; NULL = nothing */
};

/** struct dns_answer - What an answer of our own says. */
struct dns_answer {
	enum dns_rcode rcode;
	bool authoritative;
	bool recursion; /* recursion is available: we have upstreams */
	bool stream;	/* over TCP: no limit but the buffer's */
	const struct dns_rr *rr; /* these come first, */
	size_t nrr;
	const struct ipaddr *addr; /* then A and AAAA records … */
	size_t naddr;
	const char *addr_owner; /* … of this name; NULL = the question's */
	const char *ptr; /* PTR record; NULL = none */
	/* The name's zone, as an index into dns_msg.name: its SOA goes with an
	 * answer that has no records (RFC 2308 3), itself its only server. */
	bool has_zone;
	size_t zone;
	bool denied; /* the SOA goes with records, too: aliases that lead to nothing */
	bool soa, ns; /* these records of the zone are the answer */
	uint32_t ttl_s;
};

/**
 * dns_answer() - Write the answer to a query
 * @q: the parsed @query; without a question only the header is answered
 *
 * Sets TC when not all records fit into @cap, nor (unless streamed) into what the
 * client takes: 512 bytes, with EDNS what it says up to DNS_EDNS_MAX.
 *
 * Return: bytes written, 0 when not even the header fits.
 */
size_t dns_answer(uint8_t *out, size_t cap, const uint8_t *query,
		  const struct dns_msg *q, const struct dns_answer *a);

/* Is @name the zone's or beneath it? Where the zone's name begins in it: *@at. */
bool dns_in_zone(const char *name, const char *zone, size_t *at);

/** struct dns_reverse - A name under in-addr.arpa or ip6.arpa. */
struct dns_reverse {
	struct ipaddr ip; /* what the labels say; IPv4 is mapped, the rest zero */
	uint8_t plen;	  /* how many bits they say, 96 and more for IPv4 */
	bool beneath;	  /* further labels, that are no part of an address */
};

/* RFC 1035 3.5, RFC 3596 2.5. False for any other name. */
bool dns_reverse(const char *name, struct dns_reverse *r);

/* Where the last @labels labels of @name begin; it has at least so many. */
size_t dns_suffix(const char *name, unsigned int labels);

#endif
