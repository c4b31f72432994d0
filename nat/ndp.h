/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Neighbour discovery (RFC 4861) for the gateway: answers solicitations for its own
 * addresses, defends them against duplicates (RFC 4862), asks for and learns the
 * guests', which are kept in neigh.h. Router discovery is somebody else's
 * (nat_icmp6_service()).
 */
#ifndef VNET_NAT_NDP_H
#define VNET_NAT_NDP_H

#include "nat/neigh.h"
#include "nat/pkt.h"

#define NDP_DEFEND_MS 1000 /* between two defences of our addresses */

/* Set by the owner. */
struct ndp {
	struct mac mac;
	struct ipaddr ip6, dns_ip6, ll6; /* ours; zero = none */
	struct ip6_net net;
	struct neigh_tab *neigh;
	struct outq *out;
	int64_t defended_ms; /* when it was done last */
};

/* A solicitation or an advertisement from a guest, its checksum verified: false when
 * it was malformed (RFC 4861 7.1) or not for us. */
bool ndp_input(struct ndp *n, const struct pkt *k, int64_t now_ms);

/* A packet from @ip came from @mac. Addresses outside the network are ignored. */
void ndp_learn(struct ndp *n, const struct ipaddr *ip, const struct mac *mac,
	       uint64_t nic_id, int64_t now_ms);

/* Ask who has @ip: @to (one that had it), or its group when that is NULL. */
void ndp_ask(struct ndp *n, const struct ipaddr *ip, const struct mac *to);

/* Is the gateway in this group: all nodes, all routers, solicited-node ones? */
bool ndp_is_our_group(const struct ndp *n, const struct ipaddr *group);

#endif
