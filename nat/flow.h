/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all flows share: which NIC they count against, how old and how busy they are,
 * and who makes room when there is no more.
 *
 * Theory of operation. Each kind has a limit per NIC; at it the NIC's own least
 * recently used flow of the kind goes. Kinds that use up something of the host's also
 * share a pool with all other NICs: descriptors, ports, resolver sockets. In a pool
 *   - a NIC's share is the pool divided by the NICs that there are, and not nothing;
 *   - below its share a NIC always gets one: when the pool is used up, the NIC that
 *     has most of it gives one back;
 *   - beyond, it gets what is free, up to seven eighths of the pool (a NIC that comes
 *     finds an eighth unused), then only what it gives back itself.
 * So nobody loses anything to a NIC that has its share, however much it asks for.
 *
 * What a NIC gives back: its least recently used flow among those that are cheap to
 * lose (an echo identifier, a mapping that only asked a resolver or was never
 * answered), then among the other UDP mappings. To NICs below their share, TCP
 * connections follow: calls under way, the oldest first, then the one idle longest.
 * RFC 5382 REQ-5 lets none end so early; but the alternative is that a guest keeps
 * all the others from what is theirs for two hours with connections it does not use.
 * A NIC's own new connection ends no other of its: it is refused. An eighth of what it
 * has stays for UDP and echo, so that connections cannot crowd them out.
 *
 * A flow is embedded first in its owner's struct; TCP's flows are in tcp_int.h, their
 * lists and numbers here. A NIC's account lives until flow_nic_end().
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
	FLOW_UDP,    /* mappings: a socket and a port each */
	FLOW_ICMP,   /* echo identifiers: likewise */
	FLOW_CLIENT, /* clients of UDP forwards: without sockets of their own */
	FLOW_TCP,    /* only counted here: sockets of TCP flows */
	FLOW_SHOWN,  /* those above are flows to people, too */
	FLOW_DNSTCP = FLOW_SHOWN, /* connections to the resolver; before its queries */
	FLOW_DNS,
	FLOW_REASM, /* datagrams in reassembly */
	FLOW_NEIGH,
	FLOW_KINDS
};

enum flow_pool {
	FLOW_SOCKETS, /* FLOW_UDP, FLOW_ICMP, FLOW_TCP */
	FLOW_PORTS,   /* FLOW_UDP, FLOW_ICMP: nobody else can have those */
	FLOW_QUERIES, /* FLOW_DNS */
	FLOW_POOLS
};

struct flow;
typedef void (*flow_end_fn)(struct flow *f);

/* One NIC's account. */
struct flow_nic {
	struct hnode node;
	uint64_t id;
	/* By kind, oldest first: those cheap to lose, those with flow.lasting. */
	struct list lru[FLOW_KINDS][2];
	uint32_t count[FLOW_KINDS];
	uint64_t evicted; /* its flows that had to make room */
	uint64_t refused; /* flows it could not have */
	/* tcp.c's: all flows; and each on one of the others by its state. */
	struct list tcp;
	struct list tcp_opening; /* oldest first */
	struct list tcp_used;	 /* least recently used first, by the second */
	struct list tcp_wait;	 /* TIME_WAIT, in order of expiry */
	uint32_t tcp_flows, tcp_openings, tcp_waits;
	uint32_t tcp_held; /* blocks of bytes beyond gaps */
	int64_t err_since_ms; /* ICMP errors sent to it: window … */
	uint32_t err_used;    /* … and how many in it */
};

struct flow_tab {
	struct htab nics;
	struct list shown; /* FLOW_UDP, FLOW_ICMP and FLOW_CLIENT, by id */
	uint64_t last_id;
	uint32_t limit[FLOW_KINDS]; /* per NIC; not of FLOW_TCP */
	uint32_t pool[FLOW_POOLS];  /* most of each in all */
	uint32_t sharers;	    /* NICs that the pools are divided by */
	uint32_t total[FLOW_KINDS];
	uint64_t evicted;
	/* Ends one of the NIC's TCP connections that has a socket; false: there is
	 * none. May be NULL. */
	bool (*end_tcp)(void *arg, struct flow_nic *nic, int64_t now_ms);
	void *end_tcp_arg;
};

struct flow {
	struct list lru;
	struct list shown; /* flow_tab.shown; empty for the other kinds */
	uint64_t id;	   /* of those: even, ascending; TCP has the odd ones */
	bool lasting; /* see flow_keep() */
	struct flow_nic *nic; /* NULL while not added */
	struct wtimer timer;  /* the owner's */
	/* Set by the owner before flow_add(): ends (removes and frees) the flow;
	 * called for evictions and by flow_nic_end(). */
	flow_end_fn end;
	uint8_t kind;
	int64_t born_ms, used_ms;
	/* Of payload; datagrams. Out: from the guest. */
	uint64_t bytes_out, bytes_in, packets_out, packets_in;
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

/* 0 or -ENOMEM; sets all limits to 0, but pools are boundless. */
int flow_tab_init(struct flow_tab *t, const uint64_t seed[2]);
/* All flows have ended before. */
void flow_tab_fini(struct flow_tab *t);

/* The NIC's account: NULL when it has none; made if need be, NULL: no memory. */
struct flow_nic *flow_nic_find(const struct flow_tab *t, uint64_t nic_id);
struct flow_nic *flow_nic_get(struct flow_tab *t, uint64_t nic_id);

/**
 * flow_room() - Make room for one more flow of the NIC
 *
 * To be called before a descriptor is opened for it; flow_add() then finds room.
 * What there is no room for is counted as refused.
 *
 * Return: 0; -ENOSPC when there is none; -ENOMEM.
 */
int flow_room(struct flow_tab *t, enum flow_kind kind, uint64_t nic_id,
	      int64_t now_ms);

/**
 * flow_add() - Count @f against NIC @nic_id, making room if it must
 *
 * Return: as flow_room().
 */
int flow_add(struct flow_tab *t, struct flow *f, enum flow_kind kind,
	     uint64_t nic_id, int64_t now_ms);

/* It was used: moves to the young end. */
void flow_touch(struct flow *f, int64_t now_ms);

/* From the next flow_touch() on it is dearer to lose than one that was only asked a
 * question. */
static inline void flow_keep(struct flow *f)
{
	f->lasting = true;
}

/* Take it off its account; harmless when it is on none. The timer is the owner's. */
void flow_del(struct flow_tab *t, struct flow *f);

/* Count it against another NIC from now on (the guest moved). May evict there. */
int flow_move(struct flow_tab *t, struct flow *f, uint64_t nic_id,
	      int64_t now_ms);

/**
 * flow_tcp_take() - A socket for a TCP connection of the NIC
 * @client: for a forward's client: no flow of the NIC's own may go for it
 *
 * May end other NICs' connections. Return: false when there is none; counted.
 */
bool flow_tcp_take(struct flow_tab *t, struct flow_nic *nic, bool client,
		   int64_t now_ms);

/* It is closed. */
void flow_tcp_put(struct flow_tab *t, struct flow_nic *nic);

/* End all flows of the NIC, and its account; TCP's have ended before. */
void flow_nic_end(struct flow_tab *t, uint64_t nic_id);

/**
 * flow_make_room() - The process is out of descriptors all the same: end a flow
 *
 * Of the NIC that has most sockets, so that a greedy guest pays and not the one that
 * asks. The pools should keep it from coming to this.
 *
 * Return: false when nobody has more than one.
 */
bool flow_make_room(struct flow_tab *t, int64_t now_ms);

/* It could not have one, for want of something that is not counted here. */
void flow_refused(struct flow_tab *t, uint64_t nic_id);

/* May one more ICMP error go to this NIC now? Counts it (RFC 1812 4.3.2.8). */
bool flow_err_budget(struct flow_tab *t, uint64_t nic_id, int64_t now_ms);

#endif
