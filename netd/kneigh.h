/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests on TAPs that are ports of a bridge speak to the host itself, and the network's
 * worker sees of them only what is for everybody. Which IPv6 addresses they have made
 * themselves, and on an uplink's bridge all that the LAN gave them, is in the host's
 * neighbour table of the bridge: read at a worker's start, listened to from then on, and
 * told to the worker (W_NEIGHBOUR), to which it is as good as neighbour discovery that it
 * saw. (ARP requests are for everybody, but come to a new worker only when there is need
 * of one.)
 */
#ifndef VNET_NETD_KNEIGH_H
#define VNET_NETD_KNEIGH_H

#include "netd/ctl.h"

/* Neighbours told of in a second, of all networks: guests may claim as many as they
 * like. What is beyond is looked for in the table afterwards. */
#define KNEIGH_RATE 64

struct kneigh;

/* NULL with @why when the kernel cannot be listened to. */
struct kneigh *kneigh_new(struct ctl *ctl, struct errtext *why);
void kneigh_free(struct kneigh *k);

/* @n's worker is new: all there are, soon. */
void kneigh_tell(struct kneigh *k, struct network *n);

#endif
