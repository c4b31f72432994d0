/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between dhcp6_server.c, dhcp6_rules.c and dhcp6_reply.c; for tests, too. */
#ifndef VNET_DHCP_DHCP6_SERVER_INT_H
#define VNET_DHCP_DHCP6_SERVER_INT_H

#include "dhcp/dhcp6_table.h"

/** struct dhcp6_pending - A Reply that waits for the store. */
struct dhcp6_pending {
	struct hnode by_token;
	uint64_t token;
	unsigned int n;
	struct dhcp6_binding *b[DHCP6_IAS_MAX];
	struct dhcp6_lease lease[DHCP6_IAS_MAX];
	struct dhcp6_reply reply;
};

struct dhcp6_server {
	struct dhcp6_table table;
	struct htab pending; /* by token */
	uint64_t next_token;
	int64_t exhausted_s; /* when that was last told */
	struct dhcp6_stats stats;
};

/** struct dhcp6_request - One message and its answer on the way. */
struct dhcp6_request {
	struct dhcp6_server *s;
	const struct dhcp6_input *in;
	const struct dhcp6_msg *m;
	int64_t now_s;
	struct dhcp6_client client;
	struct dhcp6_output *out;

	/* The answer. */
	uint8_t type;
	struct wbuf w;
	struct dhcp6_wrap wrap;
	unsigned int n; /* leases that must be stored before it goes */
	struct dhcp6_binding *b[DHCP6_IAS_MAX];
	bool waits; /* for another commit of the same client */
};

/* Count it; DHCP6_DROP. */
enum dhcp6_action dhcp6_drop(struct dhcp6_server *s, enum dhcp6_drop d);

/* The message is valid for its type: what becomes of it. */
enum dhcp6_action dhcp6_rules(struct dhcp6_request *r);

/* Begin an answer: relays' wrapping, header, identifiers. */
void dhcp6_reply_begin(struct dhcp6_request *r, uint8_t type);

/* Resolver, domain and the rest, as far as asked for. */
void dhcp6_reply_options(struct dhcp6_request *r);

/* The whole answer is there: send it, or wait for the store. */
enum dhcp6_action dhcp6_reply_end(struct dhcp6_request *r);

/* Nothing comes of the commit of @b's any more. */
void dhcp6_abandon(struct dhcp6_server *s, struct dhcp6_binding *b);

#endif
