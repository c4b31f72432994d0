/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bindings of addresses to clients: the table, who is who, which address is
 * next, and what ends when. Knows nothing of messages.
 *
 * Invariants, checked by tests/fake/dhcp_check.c:
 *  - one binding per address; DECLINED ones belong to nobody;
 *  - the free list holds exactly the RELEASED and EXPIRED bindings whose
 * address anybody may get; freed bindings of a reserved address are kept off
 * it, others are forgotten;
 *  - the map has a bit set for each pool address that is not
 * never-used-and-free;
 *  - a binding with a commit waiting is OFFERED or BOUND.
 */
#ifndef VNET_DHCP_DHCP_POOL_H
#define VNET_DHCP_DHCP_POOL_H

#include "dhcp/dhcp_reserve.h"
#include "dhcp/dhcp_server.h"
#include "lib/htab.h"
#include "lib/list.h"
#include "lib/wheel.h"

#define DHCP_RANGES (1 + DHCP_RELAY_MAX)

struct dhcp_pending;
struct dhcp_nic;
struct dhcp_pool;

/** struct dhcp_binding - Owned by the pool. Others read; writers are named. */
struct dhcp_binding {
	struct dhcp_lease lease;
	bool stored; /* the store may have a row for the address */
	/* The commit under way, set and cleared by dhcp_server.c; NULL = none.
	 */
	struct dhcp_pending *pending;

	/* Private to dhcp_pool.c. */
	struct dhcp_pool *pool;
	struct dhcp_nic *nic; /* charged for it unless it is freed */
	enum dhcp_state
		before;	  /* an offer's: OFFERED = nothing, or freed state */
	int64_t before_s; /* … and when it was freed */
	struct hnode by_ip, by_mac, by_cid;
	struct list free_node;
	struct wtimer timer;
};

struct dhcp_pool {
	struct dhcp_config cfg;
	/* The network's own link, then those behind relays, and where each one's
	 * addresses begin in the map. */
	struct dhcp_range range[DHCP_RANGES];
	uint32_t at[DHCP_RANGES];
	unsigned int nranges;
	const struct dhcp_ops *ops;
	void *arg;
	struct dhcp_reserve reserve;
	struct htab by_ip, by_mac, by_cid, nics;
	struct list free_list[DHCP_RANGES]; /* least recently freed first */
	struct wheel wheel;    /* of wall milliseconds */
	uint32_t count[DHCP_DECLINED + 1]; /* bindings by enum dhcp_state */
	uint64_t conflicts;
	uint64_t map[DHCP_POOL_MAX / 64];
};

/** struct dhcp_client - Who is asking; borrows the identifier. */
struct dhcp_client {
	struct mac mac;
	uint64_t nic_id;
	const uint8_t *cid;
	size_t cid_len; /* <= DHCP_CLIENT_ID_MAX */
	unsigned int range; /* of the link that it is on */
	uint32_t relay;	    /* giaddr: nobody else's address */
};

static inline uint32_t dhcp_hash(const struct htab *t, const void *p,
				 size_t len)
{
	return hash_bytes(t->seed, p, len);
}

static inline struct dhcp_client dhcp_client_of(const struct dhcp_lease *l)
{
	return (struct dhcp_client){
		.mac = l->mac,
		.nic_id = l->nic_id,
		.cid = l->client_id,
		.cid_len = l->client_id_len,
	};
}

/* @cfg has passed dhcp_config_check() (dhcp_config.h). 0 or -ENOMEM; _fini() is
 * fine either way. */
int dhcp_pool_init(struct dhcp_pool *p, const struct dhcp_config *cfg,
		   const struct dhcp_ops *ops, void *arg,
		   const uint64_t seed[2]);
void dhcp_pool_fini(struct dhcp_pool *p);

/* Take a checked configuration; forgets freed bindings outside it. */
void dhcp_pool_configure(struct dhcp_pool *p, const struct dhcp_config *cfg);

/* The reservation of @ip was made or removed. */
void dhcp_pool_reserved(struct dhcp_pool *p, uint32_t ip);

/* End what is due; copes with a clock that was set back. */
void dhcp_pool_advance(struct dhcp_pool *p, int64_t now_s);

/* The range whose net has @ip; -1: none. */
int dhcp_pool_range(const struct dhcp_pool *p, uint32_t ip);

/* In a net, and not the server's, a router's, a resolver's, the net's or its
 * broadcast address? */
bool dhcp_pool_usable(const struct dhcp_pool *p, uint32_t ip);

/* May this client have @ip as far as configuration and reservations say? */
bool dhcp_pool_acceptable(const struct dhcp_pool *p,
			  const struct dhcp_client *c, uint32_t ip);

struct dhcp_binding *dhcp_pool_find_ip(const struct dhcp_pool *p, uint32_t ip);

bool dhcp_pool_owns(const struct dhcp_pool *p, const struct dhcp_client *c,
		    const struct dhcp_binding *b);

/* Any binding that is the client's; bound before offered before freed. NULL. */
struct dhcp_binding *dhcp_pool_find_client(const struct dhcp_pool *p,
					   const struct dhcp_client *c);

/* Does the commit of another address than @ip wait for this client? */
bool dhcp_pool_moving(const struct dhcp_pool *p, const struct dhcp_client *c,
		      uint32_t ip);

/* See dhcp_server_find_mac(). */
const struct dhcp_lease *dhcp_pool_find_bound(const struct dhcp_pool *p,
					      uint64_t nic_id,
					      const struct mac *mac);

/* May @ip be given to this client now: its own binding, a freed one, or none?
 */
bool dhcp_pool_available(const struct dhcp_pool *p, const struct dhcp_client *c,
			 uint32_t ip);

/**
 * dhcp_pool_choose() - The address to offer (RFC 2131 4.3.1)
 * @wish: requested address; 0 = none
 *
 * In this order: the reservation; the current binding; an offer made before;
 * the previous address; the requested one; the lowest never used; the least
 * recently freed. Addresses that the in_use hook finds taken are put into
 * quarantine.
 *
 * Return: 0 = none left, or (@wait) the hook has to find out first.
 */
uint32_t dhcp_pool_choose(struct dhcp_pool *p, const struct dhcp_client *c,
			  uint32_t wish, int64_t now_s, bool *wait);

/* See dhcp_server_next(). */
unsigned int dhcp_pool_next(const struct dhcp_pool *p,
			    const struct dhcp_client *c, uint32_t *ip,
			    unsigned int cap);

/* Ask the hook about an available address that has no commit waiting; puts it into
 * quarantine when taken. @ask: as for the hook. */
enum dhcp_use dhcp_pool_in_use(struct dhcp_pool *p,
			       const struct dhcp_client *c, uint32_t ip,
			       bool ask, int64_t now_s);

/**
 * dhcp_pool_hold() - Make an available address the client's, as an offer
 *
 * A binding that is bound to it stays so.
 *
 * Return: 0; -EDQUOT (max_per_nic); -ENOSPC; -ENOMEM.
 */
int dhcp_pool_hold(struct dhcp_pool *p, const struct dhcp_client *c,
		   uint32_t ip, int64_t now_s, struct dhcp_binding **out);

/* An offer ends; what was before it comes back. No-op for other states. */
void dhcp_pool_withdraw(struct dhcp_pool *p, struct dhcp_binding *b);

/* The lease is in the store: @l replaces what is there. */
void dhcp_pool_bind(struct dhcp_pool *p, struct dhcp_binding *b,
		    const struct dhcp_lease *l);

/* Bound to released; emits the event. */
void dhcp_pool_release(struct dhcp_pool *p, struct dhcp_binding *b,
		       int64_t now_s);

/* Into quarantine; emits @type. */
void dhcp_pool_quarantine(struct dhcp_pool *p, struct dhcp_binding *b,
			  enum dhcp_event_type type, int64_t now_s);

/* Remove; emits FORGOTTEN if stored. No commit may be waiting. */
void dhcp_pool_remove(struct dhcp_pool *p, struct dhcp_binding *b);

/* Arm the timer again after a commit that failed. */
void dhcp_pool_rearm(struct dhcp_pool *p, struct dhcp_binding *b);

/* See dhcp_server_load(). */
int dhcp_pool_load(struct dhcp_pool *p, const struct dhcp_lease *l,
		   int64_t now_s);

void dhcp_pool_nic_del(struct dhcp_pool *p, uint64_t nic_id);

/* The next other binding that is the same client's as @b; NULL when none. */
struct dhcp_binding *dhcp_pool_sibling(const struct dhcp_pool *p,
				       const struct dhcp_binding *b);

#endif
