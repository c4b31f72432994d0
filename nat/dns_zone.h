/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records that the user added to a network's names: hosts, aliases, texts, services,
 * mail. A table; what an answer is made of them is dns_local.c's matter.
 *
 * A name is relative to the network's domain ("www", "*.apps", "@" for the domain
 * itself), or absolute with a final dot ("db.example.com."): then it is answered
 * here instead of by the host's resolvers. Its first label may be "*" (RFC 4592).
 * Targets (CNAME, MX, SRV) are names in the same way.
 */
#ifndef VNET_NAT_DNS_ZONE_H
#define VNET_NAT_DNS_ZONE_H

#include "lib/errtext.h"
#include "lib/htab.h"
#include "lib/list.h"
#include "nat/dns_msg.h"

#define ZONE_MAX      512  /* records of a network; then they are refused */
#define ZONE_NAME_MAX 16   /* records of one name */
#define ZONE_TEXT_MAX 1024 /* characters of a value */

struct zone {
	struct htab nodes, by_ip;
	unsigned int n;	       /* records */
	unsigned int absolute; /* those with absolute names */
};

/** struct zone_rec - A record's value. */
struct zone_rec {
	enum dns_type type; /* A, AAAA, CNAME, TXT, MX, SRV */
	struct ipaddr ip;   /* A, AAAA */
	uint16_t num[3];    /* MX: preference; SRV: priority, weight, port */
	const char *text;   /* TXT: the text; CNAME, MX, SRV: the target */
};

/** struct zone_entry - A record in the table; all of a name are in a list. */
struct zone_entry {
	struct list node;
	struct hnode by_ip; /* relative A and AAAA, no wildcards */
	bool indexed;	    /* is in zone.by_ip */
	struct zone_node *of;
	struct zone_rec rec; /* its text is behind the struct */
};

/** struct zone_node - A name. Without records it is there because of names beneath. */
struct zone_node {
	struct hnode by_name;
	unsigned int kids;
	struct list recs; /* struct zone_entry */
	char name[];	  /* lower case; "" for the domain */
};

int zone_init(struct zone *z, const uint64_t seed[2]);
void zone_fini(struct zone *z);

/**
 * zone_parse() - Take a record as text
 * @name: as above; @type: "A", "AAAA", "CNAME", "TXT", "MX", "SRV", any case
 * @value: an address; a target; a text; "10 mail"; "0 5 5060 sip"
 * @out: its text points into @value
 *
 * Return: 0, -EINVAL with @why.
 */
int zone_parse(const char *name, const char *type, const char *value,
	       struct zone_rec *out, struct errtext *why);

/* The same record spelled in one way: lower-case name, value without needless blanks.
 * @name and @value may be the outputs. -EINVAL when they do not fit. */
int zone_canon(const char *name, const struct zone_rec *r,
	       char name_out[DNS_NAME_MAX + 2],
	       char value_out[ZONE_TEXT_MAX + 1]);
const char *zone_type_name(enum dns_type t);

/**
 * zone_add() - Put a parsed record in; copied
 *
 * Return: 0 (also when it is there already), -EEXIST (an alias beside something
 * else, RFC 1034 3.6.2), -ENOSPC, -ENOMEM, with @why.
 */
int zone_add(struct zone *z, const char *name, const struct zone_rec *r,
	     struct errtext *why);
void zone_del(struct zone *z, const char *name, const struct zone_rec *r);

/* The node called exactly @name (lower case), or NULL. */
const struct zone_node *zone_find(const struct zone *z, const char *name);

/* Is a name there that is no record's? */
typedef bool (*zone_exists_fn)(const void *arg, const char *name);

/* What a name that is not there gets: the records of "*" beneath the nearest name
 * above it that is, by a record or by what @exists says (RFC 4592 3.3.1); NULL when
 * there are none. */
const struct zone_node *zone_wildcard(const struct zone *z, const char *name,
				      zone_exists_fn exists, const void *arg);

/* Is there a record of this type? */
const struct zone_entry *zone_first(const struct zone_node *n,
				    enum dns_type type);

/* The first relative name with this address, or NULL. */
const char *zone_of_ip(const struct zone *z, const struct ipaddr *ip);

#endif
