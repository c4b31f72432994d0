/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is an address free? Asked before it is given to somebody (RFC 2131 2.2, 3.1; by ARP,
 * since all clients are on the link) and mostly before anybody wants it: whoever
 * owns this asks about the next addresses in advance, so that an offer need not wait.
 *
 * An address that was asked about and heard of from nobody for DHCP_PROBE_MS is free,
 * for DHCP_PROBE_KEEP_MS at most. When it is wanted later, it is asked about again
 * without waiting: who answers then is heard before the client's REQUEST is granted, as
 * a rule. Many clients at once must not flood the network with questions: beyond
 * DHCP_PROBE_RATE a second an address is given out without. Nor do they wait, each for
 * the address that the one before got after all: beyond DHCP_PROBE_WAITS in a second, and
 * in the second that follows such a one, addresses are asked about beside the OFFER.
 *
 * A core, of fixed size: the owner sends, and tells whom it hears.
 */
#ifndef VNET_DHCP_DHCP_PROBE_H
#define VNET_DHCP_DHCP_PROBE_H

#include "dhcp/dhcp_server.h"

#define DHCP_PROBE_MS	    150
#define DHCP_PROBE_AGAIN_MS 300	    /* between two questions about one that is wanted */
#define DHCP_PROBE_HEARD_MS 10000   /* an answer counts so long */
#define DHCP_PROBE_KEEP_MS  3600000 /* … and silence */
#define DHCP_PROBE_RATE	    128 /* questions in a second */
#define DHCP_PROBE_WAITS    16 /* messages that wait, in a second */
#define DHCP_PROBE_SLOTS    64 /* addresses known of; by their last six bits */

struct dhcp_probe_slot {
	uint32_t ip;	  /* 0: empty */
	int64_t asked_ms; /* the last time */
	bool silent;	  /* nobody had answered when it was asked again */
	bool heard;	  /* somebody uses it: */
	struct mac mac;
	uint64_t nic_id;
};

struct dhcp_probe {
	void (*ask)(void *arg, uint32_t ip); /* send; must not call back */
	void *arg;
	struct dhcp_probe_slot slot[DHCP_PROBE_SLOTS];
	int64_t window_ms; /* start of the second that counts */
	unsigned int asked; /* in it */
	unsigned int waits; /* in it: that were, or would have been */
	bool busy;	    /* there were too many in the one before */
	uint64_t sent;
	uint64_t skipped; /* given out without asking */
};

void dhcp_probe_init(struct dhcp_probe *p, void (*ask)(void *arg, uint32_t ip),
		     void *arg);

/* @ip will be wanted soon: ask, if nothing is known of it, or (@again) in any case. */
void dhcp_probe_ahead(struct dhcp_probe *p, uint32_t ip, bool again,
		      int64_t now_ms);

/**
 * dhcp_probe_use() - Who uses @ip, besides @mac?
 * @ask: find out; else what is known, never DHCP_USE_ASKED
 *
 * DHCP_USE_ASKED: come again in DHCP_PROBE_MS. One that comes again may have to wait
 * once more, or gets DHCP_USE_NONE since too many do.
 */
enum dhcp_use dhcp_probe_use(struct dhcp_probe *p, uint32_t ip,
			     const struct mac *mac, bool ask, int64_t now_ms);

/* @mac on NIC @nic_id said that it has @ip. True: it had been silent. Somebody came after
 * all were asked, then, and may have others, too: those are unknown again. */
bool dhcp_probe_heard(struct dhcp_probe *p, uint32_t ip, const struct mac *mac,
		      uint64_t nic_id);

/* What is known of @ip, NULL = nothing; borrowed until the next call. */
const struct dhcp_probe_slot *dhcp_probe_find(const struct dhcp_probe *p,
					      uint32_t ip);

/* @ip was given out or put aside: what was heard until now says nothing later. */
void dhcp_probe_forget(struct dhcp_probe *p, uint32_t ip);

#endif
