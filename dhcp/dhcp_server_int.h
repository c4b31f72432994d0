/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a server, shared by dhcp_server.c, dhcp_rules.c and tests. */
#ifndef VNET_DHCP_DHCP_SERVER_INT_H
#define VNET_DHCP_DHCP_SERVER_INT_H

#include "dhcp/dhcp_pool.h"
#include "dhcp/dhcp_scope.h"
#include "dhcp/dhcp_server.h"

struct dhcp_msg;

/** struct dhcp_pending - A commit under way, and the ACK that waits for it. */
struct dhcp_pending {
	struct hnode by_token;
	uint64_t token;
	struct dhcp_binding *b; /* its pending points back here */
	struct dhcp_lease lease;
	struct dhcp_reply reply;
};

struct dhcp_server {
	struct dhcp_pool pool;
	struct dhcp_scopes scopes;
	struct htab pending; /* by token */
	uint64_t last_token;
	int64_t exhausted_s; /* last time that EXHAUSTED was told; 0 = never */
	int64_t other_s;     /* likewise OTHER_SERVER */
	struct dhcp_stats
		stats; /* the counters; the rest is filled in on demand */
};

/** struct dhcp_request - One message on its way through the rules. */
struct dhcp_request {
	struct dhcp_server *s;
	const struct dhcp_input *in;
	const struct dhcp_msg *m;
	int64_t now_s;
	struct dhcp_client client;
	struct dhcp_view view;
	struct dhcp_output *out;
};

/* Count; always DHCP_DROP. */
static inline enum dhcp_action dhcp_drop(struct dhcp_server *s,
					 enum dhcp_drop why)
{
	s->stats.drops[why]++;
	return DHCP_DROP;
}

/* What the owner calls the client; "" = nothing. */
const char *dhcp_fixed_name(const struct dhcp_server *s, const struct mac *mac);

/* Answer a vetted message of a BOOTP client (RFC 951): it has no type. */
enum dhcp_action dhcp_bootp(struct dhcp_request *r);

/* Do what a vetted message asks for. */
enum dhcp_action dhcp_rules(struct dhcp_request *r);

/* The ACK that waits, if any, is not wanted any more; what the store made of
 * its lease is not known. */
void dhcp_abandon(struct dhcp_server *s, struct dhcp_binding *b);

#endif
