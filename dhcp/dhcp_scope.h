/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options for some of a network's clients. The narrower scope wins, option by
 * option: the MAC, the NIC, groups in the order of their names, the network;
 * behind them all what the configuration implies (dhcp_reply.c).
 */
#ifndef VNET_DHCP_DHCP_SCOPE_H
#define VNET_DHCP_DHCP_SCOPE_H

#include "dhcp/dhcp_msg.h"
#include "dhcp/dhcp_opt.h"
#include "dhcp/dhcp_server.h"
#include "lib/list.h"

struct dhcp_scopes {
	struct list list; /* struct dhcp_scoped, widest last, groups by name */
	unsigned int n;
};

/** struct dhcp_view - The sets that hold for one message, narrowest first. */
struct dhcp_view {
	const struct dhcp_opts *set[DHCP_VIEW_MAX];
	unsigned int n;
};

void dhcp_scopes_init(struct dhcp_scopes *s);
void dhcp_scopes_fini(struct dhcp_scopes *s);

/* See dhcp_server_scope(). */
int dhcp_scopes_set(struct dhcp_scopes *s, const struct dhcp_scope *scope,
		    const struct dhcp_opts *opts, struct errtext *why);

/**
 * dhcp_scopes_view() - Which hold for a message
 * @nic_id: 0 = none: not known, or a relay's
 * @name: what the owner calls the client; "" = nothing
 * @behind: the link that it is on, behind a relay; NULL = none
 */
void dhcp_scopes_view(const struct dhcp_scopes *s, const struct dhcp_msg *m,
		      const struct mac *mac, uint64_t nic_id, const char *name,
		      const struct ip4_net *behind, struct dhcp_view *out);

/* The value that wins (*len 0 = not to be sent); NULL = nobody says anything.
 */
const uint8_t *dhcp_view_find(const struct dhcp_view *v, uint8_t code,
			      size_t *len);

/* A number of 4 bytes, or 0. */
uint32_t dhcp_view_be32(const struct dhcp_view *v, uint8_t code);

/* The code behind @prev (0: the first), ascending; 0 = no more. */
uint8_t dhcp_view_next(const struct dhcp_view *v, uint8_t prev);

/* Are these conditions of a group? 0; -EINVAL with @why. */
int dhcp_match_check(const char *match, struct errtext *why);

#endif
