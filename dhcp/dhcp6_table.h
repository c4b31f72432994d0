/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bindings of addresses and prefixes to clients: the table, who is who, which one is
 * next, and what ends when. Knows nothing of messages.
 *
 * Invariants (dhcp6_table_check()): one binding per address or prefix; each on the
 * chains of its owner; one with a commit waiting is OFFERED or BOUND.
 */
#ifndef VNET_DHCP_DHCP6_TABLE_H
#define VNET_DHCP_DHCP6_TABLE_H

#include "dhcp/dhcp6_msg.h"
#include "lib/htab.h"
#include "lib/wheel.h"

#define DHCP6_CONFLICTS 8 /* addresses found taken for one IA; then none */

struct dhcp6_pending;
struct dhcp6_table;

/** struct dhcp6_binding - Owned by the table. Others read; writers are named. */
struct dhcp6_binding {
	struct dhcp6_lease lease;
	bool stored; /* the store may have a row for it */
	/* The commit under way, set and cleared by dhcp6_server.c; NULL = none. */
	struct dhcp6_pending *pending;
	uint32_t claim; /* of the message that took it last: see dhcp6_claim() */

	/* Private to dhcp6_table.c. */
	struct dhcp6_table *table;
	struct hnode by_ip, by_mac, by_nic;
	struct wtimer timer;
};

/** struct dhcp6_resv - What is fixed for a MAC. */
struct dhcp6_resv {
	struct hnode by_mac, by_ip;
	struct mac mac;
	struct ipaddr ip; /* zero = none: then not in by_ip */
	uint32_t place;	  /* dhcp6_place_of() */
	char name[DHCP6_NAME_MAX + 1];
};

struct dhcp6_table {
	struct dhcp6_config cfg;
	const struct dhcp6_ops *ops;
	void *arg;
	struct htab by_ip, by_mac, by_nic, resv_mac, resv_ip;
	struct wheel wheel; /* of wall milliseconds */
	uint32_t count[3];  /* bindings by enum dhcp6_state */
	uint32_t claim;	    /* of the message that is looked at */
	bool mixed; /* prefixes of an earlier length may be out */
	uint64_t conflicts;
};

/** struct dhcp6_client - Who is asking; borrows the DUID. */
struct dhcp6_client {
	struct mac mac;
	uint64_t nic_id;
	const uint8_t *duid;
	uint8_t duid_len;
	struct ipaddr via;
	char said[DHCP6_NAME_MAX + 1]; /* what it calls itself */
	char name[DHCP6_NAME_MAX + 1]; /* the owner's word, else that */
};

/* 0 or -ENOMEM; _fini() is fine either way. */
int dhcp6_table_init(struct dhcp6_table *t, const struct dhcp6_ops *ops,
		     void *arg, const uint64_t seed[2]);
void dhcp6_table_fini(struct dhcp6_table *t);

/* Take a checked configuration. */
void dhcp6_table_configure(struct dhcp6_table *t,
			   const struct dhcp6_config *cfg);

/* End what is due; copes with a clock that was set back. */
void dhcp6_table_advance(struct dhcp6_table *t, int64_t now_s);

/* A message begins: nothing is claimed for any of its IAs yet. */
void dhcp6_claim(struct dhcp6_table *t);

struct dhcp6_binding *dhcp6_find(const struct dhcp6_table *t,
				 const struct ipaddr *ip);

/* Is it this NIC's and MAC's? DUID and IAID are another matter. */
bool dhcp6_owns(const struct dhcp6_client *c, const struct dhcp6_lease *l);

/* Has the lease this DUID? */
bool dhcp6_duid_is(const struct dhcp6_lease *l, const struct dhcp6_client *c);

/* A binding of the IA's, OFFERED or BOUND, or NULL. */
struct dhcp6_binding *dhcp6_find_ia(const struct dhcp6_table *t,
				    const struct dhcp6_client *c,
				    const struct dhcp6_ia *ia);

/* Remove what the client's IA has beside @keep: all offers, and if it lists what it has
 * (@lists: it renews) leases that are not in the list. What it knows of runs to its end,
 * though it was told lifetimes of zero: it may not have heard. */
void dhcp6_drop_others(struct dhcp6_table *t, const struct dhcp6_client *c,
		       const struct dhcp6_ia *ia,
		       const struct dhcp6_binding *keep, bool lists);

/**
 * dhcp6_choose() - The address or prefix for an IA
 *
 * In this order: the one reserved for the MAC; the IA's own; what another DUID had on
 * this NIC and MAC; the first wish that is free; the one that the MAC points at, and
 * those behind it, but those kept for others (dhcp6_place_of()). What the in_use hook finds taken is put into quarantine. A new
 * one is OFFERED; one that is BOUND stays so, as it is.
 *
 * Return: 0; -EDQUOT (too many on the NIC or MAC); -ENOSPC; -ENOMEM.
 */
int dhcp6_choose(struct dhcp6_table *t, const struct dhcp6_client *c,
		 const struct dhcp6_ia *ia, int64_t now_s,
		 struct dhcp6_binding **out);

/* The lease is in the store: @l replaces what is there. */
void dhcp6_bind(struct dhcp6_table *t, struct dhcp6_binding *b,
		const struct dhcp6_lease *l);

/* Into quarantine; emits DECLINED. */
void dhcp6_quarantine(struct dhcp6_table *t, struct dhcp6_binding *b,
		      int64_t now_s);

/* Remove; emits @type if stored. No commit may be waiting. */
void dhcp6_remove(struct dhcp6_table *t, struct dhcp6_binding *b,
		  enum dhcp6_event type);

/* Arm the timer again after a commit that failed. */
void dhcp6_rearm(struct dhcp6_table *t, struct dhcp6_binding *b);

/* See dhcp6_server.h. */
int dhcp6_table_load(struct dhcp6_table *t, const struct dhcp6_lease *l,
		     int64_t now_s);
void dhcp6_table_nic_del(struct dhcp6_table *t, uint64_t nic_id);

const struct dhcp6_resv *dhcp6_resv_mac(const struct dhcp6_table *t,
					const struct mac *mac);
int dhcp6_resv_set(struct dhcp6_table *t, const struct mac *mac,
		   const struct ipaddr *ip, const char *name,
		   struct errtext *why);
void dhcp6_resv_del(struct dhcp6_table *t, const struct mac *mac);

/* For tests: do the invariants hold? */
bool dhcp6_table_check(const struct dhcp6_table *t);

#endif
