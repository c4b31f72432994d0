/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DHCPv6 server of one network (RFC 8415): bytes in, bytes out, lease events.
 * Pure: no socket, no clock, no store; `now_s` is wall-clock seconds, so that stored
 * expiry times mean the same after a restart (a step backwards is coped with).
 *
 * Theory of operation. A binding joins an address, or a delegated prefix, with a
 * client's identity association (IA):
 *
 *	(none) -> OFFERED -> BOUND -> (none)
 *	OFFERED | BOUND -> DECLINED -> (none)
 *
 * OFFERED is held DHCP6_OFFER_S and never stored. A lease becomes BOUND, or longer,
 * only when the caller has stored it: dhcp6_server_input() then says
 * DHCP6_REPLY_AFTER_COMMIT, the caller stores all leases of the output in one go and
 * calls dhcp6_server_committed(), which hands over the Reply (or
 * dhcp6_server_failed(): no Reply, all is as before). What needs no answer (release,
 * decline, expiry) is an event. Commits and events must reach the store in the order
 * in which they were handed out.
 *
 * Who is a client? As with DHCPv4 the NIC (switch port) and the MAC address together;
 * DUID and IAID tell apart what one such client asks for. A DUID that is new on a NIC
 * and MAC takes over what an earlier one had there: firmware, initrd and system, each
 * with a DUID of its own, have one address. So do clones with one DUID not: each NIC
 * has its own. Where the NIC is not known (0) the MAC alone decides. A relayed
 * client's MAC is what its relay says (RFC 6939), or in its DUID or its address.
 *
 * Addresses are stable without memory: the MAC says where in the pool to look first.
 *
 * Read dhcp6_rules.c for what each message does, dhcp6_msg.h for the wire format,
 * dhcp6_table.h for bindings and the choice among addresses.
 */
#ifndef VNET_DHCP_DHCP6_SERVER_H
#define VNET_DHCP_DHCP6_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

#define DHCP6_SERVER_PORT 547 /* RFC 8415 7.2 */
#define DHCP6_CLIENT_PORT 546

#define DHCP6_DUID_MAX	   130 /* bytes, type included (RFC 8415 11.1) */
#define DHCP6_NAME_MAX	   63  /* characters of a label */
#define DHCP6_DOMAIN_MAX   127
#define DHCP6_DNS_MAX	   3
#define DHCP6_OWN_MAX	   4
#define DHCP6_IAS_MAX	   8	 /* IAs of a message that are looked at */
#define DHCP6_POOL	   65536 /* addresses, and prefixes at most */
#define DHCP6_BINDINGS_MAX 16384
#define DHCP6_RESERVE_MAX  16384
#define DHCP6_PENDING_MAX  512	/* commits that wait; more: request dropped */
#define DHCP6_PER_NIC	   32	/* addresses and prefixes of one NIC */
#define DHCP6_PER_CLIENT   16	/* and of one MAC on it */
#define DHCP6_MSG_MAX	   2048 /* bytes of a message; longer: dropped */
#define DHCP6_REPLY_MAX	   2560 /* bytes of a reply, relays' wrapping included */

#define DHCP6_INFINITE	   0xffffffffu
#define DHCP6_NEVER	   INT64_MAX
#define DHCP6_OFFER_S	   60
#define DHCP6_QUARANTINE_S 600 /* a declined address is left alone */

/* ---- leases -------------------------------------------------------------- */

enum dhcp6_state {
	DHCP6_OFFERED,
	DHCP6_BOUND,
	DHCP6_DECLINED, /* somebody else uses the address; until expiry_s */
};

/** struct dhcp6_lease - A binding as it is stored, listed and loaded. */
struct dhcp6_lease {
	struct ipaddr ip; /* an address, or a prefix's */
	uint8_t plen;	  /* 128: an address; else the delegated prefix's */
	struct mac mac;
	uint64_t nic_id; /* NIC it came in on; 0 = not known */
	uint32_t iaid;
	uint8_t duid_len;
	uint8_t duid[DHCP6_DUID_MAX];
	struct ipaddr via; /* who asked: a prefix is behind it */
	int64_t expiry_s;  /* wall clock; DHCP6_NEVER = none */
	enum dhcp6_state state;
	char hostname[DHCP6_NAME_MAX + 1]; /* what the client calls itself */
};

static inline bool dhcp6_is_prefix(const struct dhcp6_lease *l)
{
	return l->plen != 128;
}

/* ---- configuration ------------------------------------------------------- */

/** struct dhcp6_config - Copied. */
struct dhcp6_config {
	struct ip6_net net; /* a /64; addresses are net::1:0 to net::1:ffff */
	struct ipaddr own[DHCP6_OWN_MAX]; /* never given out; zero = none */
	bool addresses; /* IA_NA is served; false: stateless */
	/* Prefixes of delegate_len (at most 64, and at most DHCP6_POOL of them)
	 * out of this one; plen 0: none are delegated. */
	struct ip6_net delegate;
	uint8_t delegate_len;
	uint32_t lease_s; /* valid lifetime; DHCP6_INFINITE */
	struct ipaddr dns[DHCP6_DNS_MAX];
	unsigned int ndns;
	char domain[DHCP6_DOMAIN_MAX + 1]; /* searched, and of FQDNs; "" = none */
	uint8_t duid[DHCP6_DUID_MAX];	   /* the server's, for ever */
	uint8_t duid_len;
};

/* ---- events -------------------------------------------------------------- */

enum dhcp6_event {
	DHCP6_EV_RELEASED,  /* the stored lease is to be deleted, like these: */
	DHCP6_EV_EXPIRED,
	DHCP6_EV_DECLINED,  /* the client found somebody else using it */
	DHCP6_EV_FORGOTTEN, /* somebody took it away */
	DHCP6_EV_EXHAUSTED, /* nothing left for @lease->mac, once a minute */
};

/* Where an address for @mac is looked for first, of the DHCP6_POOL places that there are:
 * the same at any time, with nothing remembered. For a MAC that has a name fixed and no
 * address (as our NICs have) it is kept: others pass it by. Of two with one place the
 * lower MAC has it. */
uint32_t dhcp6_place_of(const struct mac *mac);
/* The address at a place (modulo DHCP6_POOL) of a network. */
struct ipaddr dhcp6_address_at(const struct ip6_net *net, uint32_t place);

struct dhcp6_ops {
	/* @lease is borrowed; must not call the server back. Required. */
	void (*event)(void *arg, enum dhcp6_event type,
		      const struct dhcp6_lease *lease);
	/* Is @ip, which no client of ours holds, used by another than @mac?
	 * Asked before it is given anew. NULL: never. */
	bool (*in_use)(void *arg, const struct ipaddr *ip,
		       const struct mac *mac);
};

/* ---- life cycle ---------------------------------------------------------- */

struct dhcp6_server;

/**
 * dhcp6_server_new() - A server without leases
 * @ops: borrowed, must outlive the server
 * @seed: 16 secret bytes for the tables, or NULL (tests)
 *
 * Return: 0; -EINVAL with @why; -ENOMEM.
 */
int dhcp6_server_new(const struct dhcp6_config *cfg,
		     const struct dhcp6_ops *ops, void *arg,
		     const uint64_t seed[2], struct dhcp6_server **out,
		     struct errtext *why);

/* No events; Replies that wait are lost. NULL is fine. */
void dhcp6_server_free(struct dhcp6_server *s);

/* Change it live. Leases that it does not cover any more run to their end, but are
 * not renewed: their clients are told lifetimes of zero. -EINVAL: nothing changed. */
int dhcp6_server_configure(struct dhcp6_server *s,
			   const struct dhcp6_config *cfg, int64_t now_s,
			   struct errtext *why);

/* Take back a stored BOUND lease, before the first input. One that is over, or not
 * of this network's pools, is FORGOTTEN or EXPIRED (with its event). 0; -EEXIST;
 * -EINVAL; -ENOSPC; -ENOMEM. */
int dhcp6_server_load(struct dhcp6_server *s, const struct dhcp6_lease *l,
		      int64_t now_s);

/**
 * dhcp6_server_reserve() - Fix the address and/or name of a MAC
 * @ip: in the net; NULL or zero = no fixed address
 * @name: as one label; NULL or "" = none
 *
 * Replaces an earlier one. Somebody who holds @ip keeps it until the next renewal.
 *
 * Return: 0; -EEXIST (@ip is another MAC's); -ERANGE; -EINVAL; -ENOSPC; -ENOMEM.
 */
int dhcp6_server_reserve(struct dhcp6_server *s, const struct mac *mac,
			 const struct ipaddr *ip, const char *name,
			 struct errtext *why);
void dhcp6_server_unreserve(struct dhcp6_server *s, const struct mac *mac);
/* The address fixed for a MAC; zero = none. */
struct ipaddr dhcp6_server_reserved(const struct dhcp6_server *s,
				    const struct mac *mac);

/* The NIC is gone for good: its leases wait for the next one with their MAC. */
void dhcp6_server_nic_del(struct dhcp6_server *s, uint64_t nic_id);

/* Drop the binding, whatever its state (FORGOTTEN if ever stored). -ENOENT. */
int dhcp6_server_forget(struct dhcp6_server *s, const struct ipaddr *ip,
			int64_t now_s);

/* ---- messages ------------------------------------------------------------ */

/** struct dhcp6_input - A message to UDP port 547; borrowed. */
struct dhcp6_input {
	const uint8_t *data;
	size_t len;
	struct ipaddr src;  /* a client's link-local address, or a relay's */
	bool unicast;	    /* to an address of ours instead of ff02::1:2 */
	struct mac src_mac; /* of the Ethernet header */
	uint64_t nic_id;    /* NIC of the switch port; 0 = not known */
};

/** struct dhcp6_reply - A datagram from port 547. */
struct dhcp6_reply {
	struct ipaddr dst;
	uint16_t dst_port;
	struct mac dst_mac; /* who sent the request */
	size_t len;
	uint8_t data[DHCP6_REPLY_MAX];
};

enum dhcp6_action {
	DHCP6_DROP,		  /* nothing to send (counted) */
	DHCP6_REPLY_NOW,	  /* send the reply */
	DHCP6_REPLY_AFTER_COMMIT, /* store @lease[]; _committed() has the reply */
};

/** struct dhcp6_output - What dhcp6_server_input() wants done. */
struct dhcp6_output {
	uint64_t token; /* REPLY_AFTER_COMMIT only; never 0 */
	unsigned int nleases;
	struct dhcp6_lease lease[DHCP6_IAS_MAX];
	struct dhcp6_reply reply; /* REPLY_NOW only */
};

/* One message. Total: any bytes give a result. May call the ops. */
enum dhcp6_action dhcp6_server_input(struct dhcp6_server *s,
				     const struct dhcp6_input *in,
				     int64_t now_s, struct dhcp6_output *out);

/**
 * dhcp6_server_committed() - The leases of @token are in the store
 * @bound: called for each of them, which hold from now on; nullable
 * @out: to be sent now
 *
 * Return: 0; -ENOENT: nothing to send (meanwhile released, or taken away).
 */
int dhcp6_server_committed(struct dhcp6_server *s, uint64_t token,
			   int64_t now_s,
			   void (*bound)(void *arg, const struct dhcp6_lease *l),
			   void *arg, struct dhcp6_reply *out);

/* The store refused: no Reply; offers are withdrawn, leases stay as they were. */
void dhcp6_server_failed(struct dhcp6_server *s, uint64_t token, int64_t now_s);

/* When dhcp6_server_tick() is next worth calling (wall seconds); DHCP6_NEVER. */
int64_t dhcp6_server_deadline(const struct dhcp6_server *s);
void dhcp6_server_tick(struct dhcp6_server *s, int64_t now_s);

/* ---- queries ------------------------------------------------------------- */

/* The binding of an address or a prefix's first address, or NULL. Borrowed until
 * something changes. */
const struct dhcp6_lease *dhcp6_server_find(const struct dhcp6_server *s,
					    const struct ipaddr *ip);

/* Visit every binding, in no order; @fn returns false to stop and must not change
 * the server. */
void dhcp6_server_walk(const struct dhcp6_server *s,
		       bool (*fn)(void *arg, const struct dhcp6_lease *l),
		       void *arg);

enum dhcp6_drop {
	DHCP6_DROP_LENGTH,    /* too short, or longer than we take */
	DHCP6_DROP_MALFORMED, /* options run over, or of impossible length */
	DHCP6_DROP_TYPE,      /* what no client sends to a server */
	DHCP6_DROP_CLIENT_ID, /* it lacks one (RFC 8415 16) */
	DHCP6_DROP_SERVER_ID, /* lacks ours, or has one where none belongs */
	DHCP6_DROP_UNICAST,   /* must not be unicast (RFC 8415 16) */
	DHCP6_DROP_SOURCE,    /* not from a link-local address, nor a relay */
	DHCP6_DROP_HWADDR,    /* whose MAC is not to be known */
	DHCP6_DROP_RELAY,     /* relayed too often, or from another link */
	DHCP6_DROP_IA,	      /* an Information-request with IAs, … */
	DHCP6_DROP_NO_ADDR,   /* a Confirm without addresses: no answer */
	DHCP6_DROP_PENDING,   /* the commit of the same client's lease waits */
	DHCP6_DROP_BUSY,      /* DHCP6_PENDING_MAX reached, or no memory */
	DHCP6_DROP_ROOM,      /* the reply does not fit */
	DHCP6_DROPS
};

const char *dhcp6_drop_name(enum dhcp6_drop d);

#define DHCP6_TYPES 14 /* message types 1..13 */

struct dhcp6_stats {
	uint64_t rx[DHCP6_TYPES];
	uint64_t tx[DHCP6_TYPES];
	uint64_t drops[DHCP6_DROPS];
	uint64_t commit_failed;
	uint64_t conflicts; /* found by the in_use hook */
	uint64_t exhausted; /* IAs that got nothing: pool or quota used up */
	/* Now: */
	uint32_t offered, bound, declined, pending, reserved;
};

void dhcp6_server_stats(const struct dhcp6_server *s, struct dhcp6_stats *out);

#endif
