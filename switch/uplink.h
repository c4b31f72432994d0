/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a host's network interface into a bridge of ours, so that guests stand on
 * its LAN, and giving it back. The host goes on to use the LAN meanwhile: through the
 * bridge, which gets the interface's MAC, addresses (with lifetimes) and routes.
 *
 * Theory of operation. What must be done is planned first (uplink_plan.c, pure) from
 * what the kernel says (uplink_state.c), then applied step by step. Before the first
 * step a journal is written and synced: the state as it was. Undoing looks at the
 * journal and at what is there now, plans the difference, and so may be run at any
 * time and any number of times: after a failed step, after use, after a crash of
 * everything in the middle of either. The journal goes when all is back.
 *
 * That is not all that may go wrong: the LAN may not like what it sees now, a packet
 * filter of the host's may name the interface. So who answered on the LAN before must
 * answer afterwards (reach.h), or all is put back. Until that is known, and on the way
 * back, a process of its own watches over us (uplink_watch.h): if we are killed in the
 * middle, nobody has to start anything for the host to be back.
 *
 * An address is added in its new place before it is deleted in its old one, and a
 * route is replaced in one request where the kernel can: connections survive, and the
 * host is reachable all the time but for about a millisecond.
 *
 * A policy rule that names the interface gets a copy that names the bridge.
 *
 * Not moved: neighbour entries (they are learned again), packet filters that name the
 * interface. Rules that somebody makes for the bridge go with it. An address that the kernel made for privacy (RFC 8981) comes back
 * as an ordinary one with its lifetime. Not possible: an interface that is a port of
 * something already, one of a Wi-Fi client (an access point takes frames only from the
 * address that joined), routes by nexthop objects.
 */
#ifndef VNET_SWITCH_UPLINK_H
#define VNET_SWITCH_UPLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "switch/link.h"

/** struct uplink_spec - What is to be made of what */
struct uplink_spec {
	char bridge[IFNAMSIZ]; /* to be made */
	char uplink[IFNAMSIZ]; /* the host's */
	char tap[IFNAMSIZ];    /* to be made: our port of the bridge */
	uint16_t mtu;	       /* of the TAP; 0 = the uplink's */
	/* The bridge's mark (link_mark()): it outlives us once all is well, because
	 * others have their ports on it. "" = it goes when we do. */
	char mark[LINK_ALIAS];
};

#define UPLINK_CHECK_MS 4000 /* an own cable answers in one, a slow one in hundreds */

/** struct uplink_care - With how much care; zero: with none beyond the journal */
struct uplink_care {
	/* A process that puts everything back if we die or hang (uplink_watch.h). */
	bool watch;
	int keep; /* @watch: a descriptor that it holds, too; -1 = none */
	/* How long the host may take to reach again whom it reached before (reach.h);
	 * 0 = nobody asks. */
	unsigned int check_ms;
	/* For tests, NULL elsewhere: called before each step with its text; 0 to go on,
	 * negative errno to have the step fail. */
	int (*before)(void *arg, const char *step);
	void *arg;
};

/**
 * uplink_in() - Take the interface
 * @journal: absolute path of the journal to write; must not exist
 * @care: NULL = none
 * @fd_out: the TAP, as of tapdev_open()
 *
 * On failure everything is put back. Return: 0; -ENODEV; -EBUSY it is a port
 * already; -EOPNOTSUPP it cannot be bridged; -EEXIST a name is taken; -EHOSTUNREACH
 * the host was cut off; … with @why.
 */
int uplink_in(const struct uplink_spec *spec, const char *journal,
	      const struct uplink_care *care, int *fd_out,
	      struct errtext *why);

/**
 * uplink_keep() - Bring in line what was taken in with a mark
 * @changed: was anything to be done?
 *
 * The interface is put into the bridge again, the bridge is switched on, and kept
 * from the host's packet filters. What lies on it is the host's matter by now.
 *
 * Return: 0; -ENOENT nothing is taken in; -ESTALE bridge or interface is gone, or
 * another: give back what is left, and take in anew; -EBUSY somebody else has the
 * interface; … with @why.
 */
int uplink_keep(const struct uplink_spec *spec, const char *journal,
		bool *changed, struct errtext *why);

/* Does @journal tell of what outlives us, and is it there? */
bool uplink_is_kept(const char *journal);

/**
 * uplink_steps() - What uplink_in() or uplink_keep() would do now
 * @all: as if nothing had been done
 * @say: is told the text of each step; negative errno ends it
 *
 * Nothing is changed, and nobody is asked whether he is reached. Return: 0; as those
 * two when the interface cannot be had; what @say returned.
 */
int uplink_steps(const struct uplink_spec *spec, bool all,
		 int (*say)(void *arg, const char *step), void *arg,
		 struct errtext *why);

/**
 * uplink_out() - Give back what @journal tells about, and remove it
 *
 * Steps that fail are passed over, so that the rest is given back. Return: 0, also
 * without a journal; else the first failure with @why.
 */
int uplink_out(const char *journal, const struct uplink_care *care,
	       struct errtext *why);

#endif
