/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guests' addresses and MACs, for both families: what ARP (arp.h) and neighbour
 * discovery (ndp.h) share.
 *
 * A neighbour is INCOMPLETE (asked for, one packet waits; three requests a second
 * apart, then forgotten) or KNOWN. KNOWN entries come from ARP or NDP and from any
 * packet a guest sends us; one that was not heard for a minute is still used, but
 * probed, and forgotten when it stays silent. Entries count against the NIC they were
 * heard on; those asked for count against NIC 0.
 */
#ifndef VNET_NAT_NEIGH_H
#define VNET_NAT_NEIGH_H

#include "nat/flow.h"
#include "nat/outq.h"

#define NEIGH_TRIES	  3	/* RFC 4861 10: MAX_*_SOLICIT */
#define NEIGH_RETRY_MS	  1000	/* RFC 4861 10: RETRANS_TIMER */
#define NEIGH_FRESH_MS	  60000
#define NEIGH_PENDING_MAX 65549 /* bytes of the one packet that waits */

struct neigh;

struct neigh_tab {
	struct htab tab;
	struct neigh *last; /* found last: most packets are of one neighbour */
	struct flow_tab *flows; /* shared; FLOW_NEIGH is ours */
	struct wheel *wheel;
	struct outq *out;
	/* Send a request for @ip: to @to, or to all when that is NULL. */
	void (*ask)(void *arg, const struct ipaddr *ip, const struct mac *to);
	void *arg;
};

/* 0 or -ENOMEM. The pointers are set by the caller. */
int neigh_init(struct neigh_tab *t, const uint64_t seed[2]);
void neigh_fini(struct neigh_tab *t);

/* @ip was heard from @mac. The caller has judged both. */
void neigh_learn(struct neigh_tab *t, const struct ipaddr *ip,
		 const struct mac *mac, uint64_t nic_id, int64_t now_ms);

/* The MAC of a KNOWN neighbour, else NULL; valid until the table changes. */
const struct mac *neigh_mac(const struct neigh_tab *t,
			    const struct ipaddr *ip);

/* Is it asked for (INCOMPLETE) or KNOWN? */
bool neigh_is_there(const struct neigh_tab *t, const struct ipaddr *ip);

/**
 * neigh_send() - Send an Ethernet frame to the neighbour @ip
 * @hdr: starts with an Ethernet header whose destination is filled in here
 *
 * The other arguments as for outq_put(). Unknown: the packet waits (replacing an
 * older one) for the answer.
 *
 * Return: as outq_put(); 0 also when it waits, -ENOMEM.
 */
int neigh_send(struct neigh_tab *t, const struct ipaddr *ip, uint8_t *hdr,
	       size_t hdr_len, const struct iovec *v, int n,
	       const struct offload *off, bool lent, int64_t now_ms);

/* The NIC on which @ip was last heard; 0 when unknown. */
uint64_t neigh_nic(const struct neigh_tab *t, const struct ipaddr *ip);

#endif
