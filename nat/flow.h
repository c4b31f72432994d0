/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all flows share: which NIC they count against, how old and how busy they are,
 * and who makes room when a NIC is at its limit (its own least recently used
 * flow of that kind: one guest cannot push out another's).
 *
 * A flow is embedded first in its owner's struct. Memory for a NIC's account comes
 * and goes with its flows.
 */
#ifndef VNET_NAT_FLOW_H
#define VNET_NAT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/htab.h"
#include "lib/inet.h"
#include "lib/list.h"
#include "lib/wheel.h"

enum flow_kind {
	FLOW_UDP,   /* mappings and the clients of UDP forwards */
	FLOW_ICMP,
	FLOW_DNSTCP, /* connections to the resolver; before its queries */
	FLOW_DNS,
	FLOW_REASM, /* datagrams in reassembly */
	FLOW_NEIGH,
	FLOW_KINDS
};

struct flow;
typedef void (*flow_end_fn)(struct flow *f);

/* One NIC's account. */
struct flow_nic {
	struct hnode node;
	uint64_t id;
	struct list lru[FLOW_KINDS]; /* oldest first */
	uint32_t count[FLOW_KINDS];
	int64_t err_since_ms; /* ICMP errors sent to it: window … */
	uint32_t err_used;    /* … and how many in it */
};

struct flow_tab {
	struct htab nics;
	struct list shown; /* FLOW_UDP and FLOW_ICMP, by id */
	uint64_t last_id;
	uint32_t limit[FLOW_KINDS]; /* per NIC */
	uint32_t total[FLOW_KINDS];
	uint64_t evicted;
};

struct flow {
	struct list lru;
	struct list shown; /* flow_tab.shown; empty for the other kinds */
	uint64_t id;	   /* of those: even, ascending; TCP has the odd ones */
	bool forwarded;	   /* set by the owner: a forward's client, no mapping */
	struct flow_nic *nic; /* NULL while not added */
	struct wtimer timer;  /* the owner's */
	/* Set by the owner before flow_add(): ends (removes and frees) the flow;
	 * called for evictions and by flow_nic_end(). */
	flow_end_fn end;
	uint8_t kind;
	int64_t born_ms, used_ms;
	uint64_t bytes_out, bytes_in; /* out: from the guest */
};

/* An address and a port; a table key (no padding inside). */
struct endpoint {
	struct ipaddr ip;
	uint16_t port;
};

static inline struct endpoint endpoint4(uint32_t ip, uint16_t port)
{
	return (struct endpoint){ipaddr_from4(ip), port};
}

static inline bool endpoint_eq(const struct endpoint *a,
			       const struct endpoint *b)
{
	return a->port == b->port && ipaddr_eq(&a->ip, &b->ip);
}

/* 0 or -ENOMEM; sets all limits to 0. */
int flow_tab_init(struct flow_tab *t, const uint64_t seed[2]);
void flow_tab_fini(struct flow_tab *t);

/**
 * flow_add() - Count @f against NIC @nic_id, making room if it must
 *
 * Return: 0; -ENOMEM; -ENOSPC when the limit is 0.
 */
int flow_add(struct flow_tab *t, struct flow *f, enum flow_kind kind,
	     uint64_t nic_id, int64_t now_ms);

/* It was used: moves to the young end. */
void flow_touch(struct flow *f, int64_t now_ms);

/* Take it off its account; harmless when it is on none. The timer is the owner's. */
void flow_del(struct flow_tab *t, struct flow *f);

/* Count it against another NIC from now on (the guest moved). May evict there. */
int flow_move(struct flow_tab *t, struct flow *f, uint64_t nic_id);

/* End all flows of the NIC. */
void flow_nic_end(struct flow_tab *t, uint64_t nic_id);

/**
 * flow_make_room() - Descriptors ran out: end a flow that holds one
 *
 * The least recently used UDP mapping or echo of the NIC that has most of them, so
 * that a greedy guest pays and not the one that asks.
 *
 * Return: false when nobody has more than one.
 */
bool flow_make_room(struct flow_tab *t);

/* May one more ICMP error go to this NIC now? Counts it (RFC 1812 4.3.2.8). */
bool flow_err_budget(struct flow_tab *t, uint64_t nic_id, int64_t now_ms);

#endif
