/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwards: host ports that lead to guests. For UDP the clients' flows live here,
 * because their answers must leave through the forward's own socket; for TCP this
 * only says where a connection goes and whom the guest sees. Client and guest may
 * be of different families: the gateway's address stands for the client then.
 *
 * A UDP flow is one client endpoint at one of the host's addresses, to which answers
 * must return from there. The guest sees the client itself, or the gateway where it
 * could not answer it (policy_client()); if the client's port is taken towards that
 * guest endpoint another stands for it. Clients of a forward are at most half of the
 * UDP flows that a NIC may have; then the one not heard of for longest makes room.
 */
#ifndef VNET_NAT_FORWARD_H
#define VNET_NAT_FORWARD_H

#include "nat/udp.h"

#define FORWARD_MAX	  8192
#define FORWARD_RECHECK_MS 1000 /* how often a flow's target is looked up again */

/* The address that a NIC has now; false when it has none or its link is down. */
typedef bool (*forward_resolve_fn)(void *arg, uint64_t nic_id, bool ip6,
				   struct ipaddr *out);

struct forwards;

struct forward {
	struct hnode node;
	struct list flows; /* UDP clients, the one last used at the end */
	struct forwards *all;
	uint64_t id;
	uint64_t group; /* the owner's, for counting */
	uint8_t proto; /* IP4_TCP, IP4_UDP */
	uint64_t nic_id; /* target, or 0: … */
	struct ipaddr target_ip; /* … this one */
	uint16_t target_port;
	uint64_t accepted, refused;
	uint32_t active; /* flows; TCP ones are counted by the gateway */
	uint64_t bytes_in, bytes_out; /* payload; of TCP only flows that ended */
	uint64_t live_in, live_out; /* gateway_show.c's, of those that did not */
	void *host;
};

struct forward_flow {
	struct flow fl; /* first; FLOW_CLIENT */
	struct hnode by_client, by_guest;
	struct list on_forward;
	struct forward *fwd;
	struct endpoint client; /* real */
	struct ipaddr local; /* the host's address it came to; zero = unknown */
	struct endpoint seen;	/* what the guest sees */
	struct endpoint guest;
	int64_t checked_ms;
};

struct forward_host {
	/* Answer a client through the forward's socket, from address @local (zero =
	 * unknown). */
	int (*send)(void *arg, struct forward *f, const struct ipaddr *local,
		    const struct udp_send *s);
	/* The forward is removed: close its descriptor. */
	void (*close)(void *arg, struct forward *f);
};

struct forwards {
	struct htab by_id, by_client, by_guest;
	struct flow_tab *flows;
	struct wheel *wheel;
	struct ipout *out;
	const struct policy *pol;
	const struct neigh_tab *neigh; /* whose NIC a fixed target is */
	const struct forward_host *host;
	void *host_arg;
	forward_resolve_fn resolve; /* nullable */
	void *resolve_arg;
	uint64_t refused;
};

/* 0 or -ENOMEM; the pointers are set by the caller. */
int forwards_init(struct forwards *t, const uint64_t seed[2]);
void forwards_fini(struct forwards *t);

/**
 * forward_add() - Add a forward; the caller sets id, proto, target
 * @f: heap object, taken over on success (freed by forward_del())
 *
 * Return: 0, -EEXIST, -ENOSPC.
 */
int forward_add(struct forwards *t, struct forward *f);

/* End its flows, ops->close(), free. */
void forward_del(struct forwards *t, struct forward *f);

struct forward *forward_find(const struct forwards *t, uint64_t id);

/**
 * forward_target() - Where a new client of @f goes
 * @client: its address; the target's of the same family is preferred
 *
 * Counts accepted or refused. Return: false when the target has no address.
 */
bool forward_target(struct forwards *t, struct forward *f,
		    const struct ipaddr *client, struct endpoint *guest,
		    uint64_t *nic_id);

/**
 * forward_rebound() - The forward's socket is another one
 * @was, @now: what it was bound to and is; @now NULL = it has none
 *
 * UDP flows that could not be answered from where their clients had sent to end.
 */
void forward_rebound(struct forward *f, const struct endpoint *was,
		     const struct endpoint *now);

/* The host has these addresses no more: UDP flows of clients that had sent to one of
 * them end, since they could not be answered from there. */
void forwards_address_gone(struct forwards *t, const struct ipaddr *ip,
			   size_t n);

/* From the forward's UDP socket: a client's datagram. */
void forward_udp_input(struct forwards *t, struct forward *f,
		       const struct udp_recv *r, int64_t now_ms);

/* An ICMP error about what we had sent to a client. */
void forward_udp_error(struct forwards *t, struct forward *f,
		       const struct host_err *e, int64_t now_ms);

/**
 * forward_udp_reply() - A guest's datagram, if it answers a forward's client
 *
 * Return: false when it does not belong to one.
 */
bool forward_udp_reply(struct forwards *t, const struct pkt *k,
		       uint16_t sport, uint16_t dport,
		       const struct iovec *payload, int n, int64_t now_ms);

#endif
