/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: one SQLite file with everything that was acknowledged. Control writes
 * here first and changes its memory after; a refused write changes nothing.
 *
 * WAL with synchronous=NORMAL: what was committed survives the death of any of our
 * processes; after a power cut the last moments may be missing, never torn. With
 * STORE_FULL every commit waits for the disk, and survives that, too.
 * The schema has a version (PRAGMA user_version); older ones are brought up at
 * opening, a newer one is refused.
 *
 * A full file system refuses what is new; removing goes on working with the help of
 * a small reserve file beside the store, which gives its blocks up for it.
 *
 * Functions return 0 or negative errno with @why: -ENOSPC (disk or file system
 * full), -EROFS, -EIO, -EEXIST (a unique key is taken).
 */
#ifndef VNET_NETD_STORE_H
#define VNET_NETD_STORE_H

#include <stddef.h>

#include "lib/errtext.h"
#include "netd/conf.h"

#define STORE_VERSION 15

struct store;

enum store_durability { STORE_PROCESS, STORE_FULL };

/* @path: a file, or ":memory:". Makes it, mode 0600. */
int store_open(const char *path, struct store **out, struct errtext *why);
void store_close(struct store *s);

/* STORE_PROCESS after store_open(). */
int store_durability(struct store *s, enum store_durability d,
		     struct errtext *why);

/* Group what follows; one commit. */
int store_begin(struct store *s, struct errtext *why);
int store_commit(struct store *s, struct errtext *why);
void store_rollback(struct store *s);

/* Small facts; meta_get copies or gives "" when there is none. */
int store_meta_set(struct store *s, const char *key, const char *value,
		   struct errtext *why);
void store_meta_get(struct store *s, const char *key, char *out, size_t cap);

/* _add fills in the id. Deleting a network takes everything in it along. */
int store_net_add(struct store *s, struct net_conf *c, struct errtext *why);
/* What may change live of a network. */
int store_net_set(struct store *s, const struct net_conf *c,
		  struct errtext *why);
int store_net_flags(struct store *s, int64_t id, bool autostart, bool active,
		    struct errtext *why);
int store_net_del(struct store *s, int64_t id, struct errtext *why);

int store_nic_add(struct store *s, struct nic_conf *c, struct errtext *why);
/* Network, link, interface name; the rest of a NIC never changes. */
int store_nic_update(struct store *s, const struct nic_conf *c,
		     struct errtext *why);
int store_nic_del(struct store *s, int64_t id, struct errtext *why);
/* All or none. */
int store_nics_del(struct store *s, const int64_t *id, size_t n,
		   struct errtext *why);

int store_fwd_add(struct store *s, struct fwd_conf *c, struct errtext *why);
int store_fwd_update(struct store *s, const struct fwd_conf *c,
		     struct errtext *why);
int store_fwd_del(struct store *s, int64_t id, struct errtext *why);

int store_resv_put(struct store *s, const struct resv_conf *c,
		   struct errtext *why);
int store_resv_del(struct store *s, int64_t network, uint32_t address,
		   struct errtext *why);

int store_dhcpset_put(struct store *s, const struct dhcpset_conf *c,
		      struct errtext *why);
int store_dhcpset_del(struct store *s, const struct dhcpset_conf *c,
		      struct errtext *why);
int store_record_add(struct store *s, const struct record_conf *c,
		     struct errtext *why);
int store_record_del(struct store *s, const struct record_conf *c,
		     struct errtext *why);

int store_claim_put(struct store *s, const struct claim_conf *c,
		    struct errtext *why);
int store_claim_del(struct store *s, const struct claim_conf *c,
		    struct errtext *why);

int store_lease_put(struct store *s, const struct lease_conf *c,
		    struct errtext *why);
int store_lease_del(struct store *s, int64_t network, uint32_t address,
		    struct errtext *why);

/* The same of IPv6 (store6.c). */
int store_resv6_put(struct store *s, const struct resv6_conf *c,
		    struct errtext *why);
int store_resv6_del(struct store *s, int64_t network, const struct ipaddr *ip,
		    struct errtext *why);
int store_lease6_put(struct store *s, const struct lease6_conf *c,
		     struct errtext *why);
int store_lease6_del(struct store *s, int64_t network, const struct ipaddr *ip,
		     struct errtext *why);

/* Takers of what is loaded; the record is borrowed. Non-zero stops. */
struct store_sink {
	void *arg;
	int (*net)(void *arg, const struct net_conf *c, struct errtext *why);
	int (*nic)(void *arg, const struct nic_conf *c, struct errtext *why);
	int (*fwd)(void *arg, const struct fwd_conf *c, struct errtext *why);
	int (*resv)(void *arg, const struct resv_conf *c, struct errtext *why);
	int (*dhcpset)(void *arg, const struct dhcpset_conf *c,
		       struct errtext *why);
	int (*record)(void *arg, const struct record_conf *c,
		      struct errtext *why);
	int (*lease)(void *arg, const struct lease_conf *c,
		     struct errtext *why);
	/* NULL: not wanted. */
	int (*resv6)(void *arg, const struct resv6_conf *c,
		     struct errtext *why);
	int (*lease6)(void *arg, const struct lease6_conf *c,
		      struct errtext *why);
	int (*claim)(void *arg, const struct claim_conf *c,
		     struct errtext *why); /* after the leases */
};

/* Networks first, then what hangs on them. */
int store_load(struct store *s, const struct store_sink *sink,
	       struct errtext *why);

#endif
