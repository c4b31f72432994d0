/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies: which options go in, and where the datagram goes. A new option of
 * the network is one row and one function in dhcp_reply.c.
 */
#ifndef VNET_DHCP_DHCP_REPLY_H
#define VNET_DHCP_DHCP_REPLY_H

#include "dhcp/dhcp_scope.h"

/** struct dhcp_terms - What is being answered. */
struct dhcp_terms {
	enum dhcp_type type; /* OFFER, ACK or NAK */
	uint32_t yiaddr;     /* 0 for NAK and INFORM */
	uint32_t lease_s;    /* 0: no lease times (INFORM, NAK) */
	const char *name;    /* option 12; NULL or "" = none */
	const char *message; /* option 56, of a NAK */
	const struct dhcp_range *range; /* of the link that the client is on */
	uint32_t server_id;		/* who we are to it */
};

/**
 * dhcp_reply_build() - Fill @out
 * @view: the options that scopes have for the client
 * @req: the request, which is answered as RFC 2131 4.1 and table 3 say
 *
 * Options that do not fit into what the client takes (option 57, at least 576) go
 * into the file and sname fields (RFC 2132 9.3), and what fits nowhere is left out.
 *
 * Return: false when not even what must be in it fits.
 */
bool dhcp_reply_build(const struct dhcp_config *cfg,
		      const struct dhcp_view *view, const struct dhcp_msg *req,
		      const struct dhcp_input *in, const struct dhcp_terms *t,
		      struct dhcp_reply *out);

#endif
