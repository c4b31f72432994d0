/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAPs that are ports of a bridge of ours (kbridge.h). One is the network's own, through
 * which its services stand on the bridge: it lives as long as its descriptor does. The
 * others are NICs: a VMM opens the device by name as their owner, without privilege, and
 * they stay until they are deleted (tapdev_del()).
 */
#ifndef VNET_SWITCH_TAPPORT_H
#define VNET_SWITCH_TAPPORT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/errtext.h"
#include "switch/link.h"

/** struct tapport - What it is to be */
struct tapport {
	char name[IFNAMSIZ];
	char bridge[IFNAMSIZ]; /* there, with the mark */
	char mark[LINK_ALIAS]; /* link_mark() */
	uint16_t mtu;
	bool nic;    /* else the network's own */
	uid_t owner; /* of a NIC's */
	uint8_t queues; /* of a NIC's; more than 1: the VMM opens it that often */
	bool up;     /* false: its cable is out */
};

/**
 * tapport_open() - Make it, or bring the one that is there in line
 * @fd_out: the network's own: IFF_VNET_HDR, non-blocking, when it was made, else -1;
 *	a NIC's: -1
 *
 * A TAP of ours that a VMM has open is changed under its feet: it stays.
 * Return: 0; -EEXIST the name is somebody else's; -ENODEV no such bridge; -EPERM the
 * bridge is not this network's; … with @why.
 */
int tapport_open(const struct tapport *t, int *fd_out, struct errtext *why);

/* A bridge goes, and its ports would be interfaces of the host: down with them.
 * @ours: only those of our making. Best effort. */
void tapport_all_down(int bridge, bool ours);

/* Has it any port? */
bool tapport_any(int bridge);

enum tapport_how {
	TAPPORT_MULTI = 1 << 0, /* it was made with queues: this is one more */
	TAPPORT_PLAIN = 1 << 1, /* without IFF_VNET_HDR */
	TAPPORT_ONCE = 1 << 2,	/* it is persistent no longer: it goes with the last
				 * copy of the descriptor */
};

/**
 * tapport_fd() - Open a persistent TAP of ours, on a bridge or not
 * @how: TAPPORT_*
 * @fd_out: blocking
 *
 * Return: 0; -EBUSY it is open elsewhere; -ENODEV; -EPERM not ours; … with @why.
 */
int tapport_fd(const char *name, unsigned int how, int *fd_out,
	       struct errtext *why);

#endif
