/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks in action: what a definition turns into (worker, host adapter, bridge)
 * and what the worker is told. Owns the run-time fields of struct network.
 */
#ifndef VNET_NETD_NETCTL_H
#define VNET_NETD_NETCTL_H

#include "netd/ctl.h"
#include "netd/optset.h"
#include "netd/validate.h"

/* Ids of a network's own ports on the channel (below CONF_NIC_ID_FIRST). */
#define NETCTL_PORT_HOST   1
#define NETCTL_PORT_UPLINK 2

/* ok: what was asked for (running, or stopped) is so; else the reason. */
typedef void (*netctl_done_fn)(void *arg, bool ok, const char *reason);

/* Subnets a network must stay clear of: the host's and those of all networks but
 * @but (nullable). Returns how many, @out is malloc'ed. */
size_t netctl_used(struct ctl *ctl, const struct network *but,
		   struct net_used **out);

/* How long after a start the next worker is prepared (ctl.spare). */
extern const struct timeval netctl_spare_after;

/* Store and remember, with the settings of its DHCP. NULL with *@err and @why. */
struct network *netctl_define(struct ctl *ctl, struct net_conf *c,
			      struct optset *set, int *err,
			      struct errtext *why);

/* Remember only: from the store at start. */
struct network *netctl_load(struct ctl *ctl, const struct net_conf *c);

/**
 * netctl_start() - Bring it up; the wish is stored
 * @done: nullable; called once, perhaps at once
 *
 * A network that cannot come up is "failed" with a reason and tried again.
 * Return: 0, or negative errno with @why when the store refuses (@done is not
 * called then).
 */
int netctl_start(struct ctl *ctl, struct network *n, netctl_done_fn done,
		 void *arg, struct errtext *why);
int netctl_stop(struct ctl *ctl, struct network *n, netctl_done_fn done,
		void *arg, struct errtext *why);
int netctl_autostart(struct ctl *ctl, struct network *n, bool on,
		     struct errtext *why);

/**
 * netctl_set() - Take over what may change of a running network: store, then worker
 * @c: access, UDP filter and lease term change live; for another IPv6 prefix the
 *	worker is started anew, so that TCP connections through NAT end; NICs stay
 * @set: settings of its DHCP beside it; all is stored, or nothing
 * @done: as netctl_start()'s
 */
int netctl_set(struct ctl *ctl, struct network *n, const struct net_conf *c,
	       struct optset *set, netctl_done_fn done, void *arg,
	       struct errtext *why);

/* Store's part of undefining first; then stops it and frees everything once the
 * worker is gone. @n is invalid afterwards, @done is called with its end. */
int netctl_undefine(struct ctl *ctl, struct network *n, netctl_done_fn done,
		    void *arg, struct errtext *why);

/* Shutdown: stop without touching the store's wish. */
void netctl_halt(struct ctl *ctl, struct network *n);
/* Free what runs, at the very end. */
void netctl_release(struct ctl *ctl, struct network *n);

/* Tell its worker, if there is one, what it is configured to be. */
void netctl_push(struct network *n);
/* All of them: host address or resolvers changed. */
void netctl_push_all(struct ctl *ctl);
/* There are other networks than there were: workers hear of it at once, or when many
 * changes may have come, but before another network starts. */
void netctl_tell_nets(struct ctl *ctl);
void netctl_tell_nets_soon(struct ctl *ctl);
/* What that keeps. */
void netctl_fini(struct ctl *ctl);
/* Addresses have left the host: their flows end. */
void netctl_address_gone(struct ctl *ctl, const struct ipaddr *ip, size_t n);
/* Interfaces changed: networks that failed for want of one try again. */
void netctl_links_changed(struct ctl *ctl);

/* Tell the worker about a MAC: host name and reserved address, or nothing. */
void netctl_push_mac(struct network *n, const struct mac *mac);

/* … and about a record of its DNS: there now, or gone. */
void netctl_push_record(struct network *n, const struct record_conf *c,
			bool there);

#endif
