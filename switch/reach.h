/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom the host reaches on a LAN: asked before an interface is taken into a bridge, and
 * again through the bridge. Asked is the host's own stack: it probes its neighbours
 * (ARP, RFC 4861 7.3), and routers get an echo request, too, whose answer has to come
 * through the host's packet filters. What did not answer before is not waited for
 * afterwards. Waits: not for a datapath's process.
 */
#ifndef VNET_SWITCH_REACH_H
#define VNET_SWITCH_REACH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/errtext.h"
#include "lib/inet.h"

struct link_nl;

#define REACH_MAX 24 /* machines asked; more are passed over, routers last */

/** struct reach_peer - A machine on the LAN; fields are reach.c's */
struct reach_peer {
	struct ipaddr ip;
	struct mac mac; /* zero: not known */
	bool router;	/* a gateway of the host's routes */
	bool fixed;	/* its MAC was set by hand: it is not probed */
	bool speaks;	/* answers for its address */
	bool echoes;	/* answers echo requests */
	bool done, heard; /* private: it did in the round under way */
	int sock;	  /* likewise: raw ICMP; -1 = none */
};

struct reach {
	struct reach_peer peer[REACH_MAX];
	size_t n;
};

/* A router, before reach_learn(). Another one of the same address is none. */
void reach_router(struct reach *r, const struct ipaddr *ip);

/**
 * reach_learn() - Who is there, on this interface?
 * @r: routers; gets those neighbours that the kernel has found reachable lately
 * @wait_ms: for their answers. Who has given none by then is forgotten.
 *
 * Return: 0, or negative errno: the kernel could not be asked.
 */
int reach_learn(struct reach *r, struct link_nl *nl, int index,
		unsigned int wait_ms);

/**
 * reach_check() - Are all of them there, on this interface?
 *
 * Return: 0; -EHOSTUNREACH with a sentence that names one; other negative errno.
 */
int reach_check(struct reach *r, struct link_nl *nl, int index,
		unsigned int wait_ms, struct errtext *why);

#endif
