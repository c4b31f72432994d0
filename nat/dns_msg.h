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

#define DNS_HDR	     12
#define DNS_NAME_MAX 255 /* wire form, and so text and its NUL (RFC 1035 2.3.4) */
#define DNS_MSG_MAX  65535
#define DNS_PLAIN_MAX 512 /* without EDNS (RFC 1035 2.3.4) */

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41, DNS_ANY = 255 };

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

struct dns_msg {
	uint16_t id;
	uint16_t flags;
	bool response;
	uint8_t opcode, rcode;
	uint16_t qdcount;
	/* The question; valid when has_question. */
	bool has_question;
	/* Lower case, labels joined by dots, no final dot; a dot within a label
	 * becomes \1, so that it equals no host name. */
	char name[DNS_NAME_MAX + 1];
	uint16_t type, class;
	size_t end; /* bytes of header and question */
	bool edns;  /* an OPT record follows (queries only) */
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

/** struct dns_answer - What an answer of our own says. */
struct dns_answer {
	enum dns_rcode rcode;
	bool authoritative;
	bool recursion; /* recursion is available: we have upstreams */
	const uint32_t *a; /* A records */
	size_t na;
	const char *ptr; /* PTR record; NULL = none */
	uint32_t ttl_s;
};

/**
 * dns_answer() - Write the answer to a query
 * @q: the parsed @query; without a question only the header is answered
 *
 * Sets TC when not all records fit into @cap (or 512 bytes without EDNS).
 *
 * Return: bytes written, 0 when not even the header fits.
 */
size_t dns_answer(uint8_t *out, size_t cap, const uint8_t *query,
		  const struct dns_msg *q, const struct dns_answer *a);

/* "15.2.0.10.in-addr.arpa" to 10.0.2.15 (RFC 1035 3.5); false otherwise. */
bool dns_ptr_name(const char *name, uint32_t *ip);

#endif
