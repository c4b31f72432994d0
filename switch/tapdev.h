/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP devices and packet sockets: making and opening them, here or in another
 * network namespace. What is read from the descriptors is port_tap.c's and
 * port_packet.c's matter. Blocks for milliseconds: not for the datapath's process.
 */
#ifndef VNET_SWITCH_TAPDEV_H
#define VNET_SWITCH_TAPDEV_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/errtext.h"
#include "lib/inet.h"

/* The bridge that keeps runners' TAPs away from the host's stack. */
#define TAPDEV_HOLD "vn-hold"

/** struct tapdev - What the device is to be */
struct tapdev {
	char name[IFNAMSIZ];
	struct mac mac; /* of the kernel's end; zero = its choice */
	uint16_t mtu;	/* 0 = 1500 */
	uint32_t ip4;	/* 0 = none */
	uint8_t plen;
	struct ipaddr ip6; /* zero = none */
	uint8_t plen6;
	bool ours;   /* in the namespace of the host we look after: our mark, no
		      * IPv6 but @ip6, no forwarding. Not set: the device belongs to who owns
		      * the namespace, and the kernel's defaults hold */
	bool runner; /* see tapdev_open() */
	uid_t owner; /* of a runner's */
};

/**
 * tapdev_open() - Make a TAP and bring it up
 * @fd_out: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, non-blocking, close-on-exec; the
 *	device goes when the last copy is closed
 *
 * With @t->runner a VMM opens the device by its name: it is made persistent and
 * owned by @t->owner, one of ours from before is taken over, and the descriptor is
 * tapdev_packet()'s. So that the guest reaches us and not the host's own stack,
 * which would answer ARP for any of its addresses, it is made a port of TAPDEV_HOLD, a
 * bridge that is never up and so drops what it gets.
 *
 * Return: 0; -EEXIST the name is taken; -EPERM; -ENODEV no TUN driver; … with @why.
 */
int tapdev_open(const struct tapdev *t, int *fd_out, struct errtext *why);

/**
 * tapdev_netns() - Open a network namespace by path
 *
 * Return: descriptor; -ENOENT; -EINVAL when the file is no network namespace.
 */
int tapdev_netns(const char *path, struct errtext *why);

/* Is it the one that we are in? */
bool tapdev_netns_is_own(int netns_fd);

/**
 * tapdev_open_in() - tapdev_open() in another network namespace
 * @netns_fd: borrowed
 *
 * Must: single threaded. With the rights for it we go there and come back. Otherwise a
 * child goes, opens the device and passes the descriptor back: as an ordinary user it
 * enters the user namespace that owns the network namespace first, where the user that
 * made it has all rights.
 */
int tapdev_open_in(const struct tapdev *t, int netns_fd, int *fd_out,
		   struct errtext *why);

/**
 * tapdev_packet() - Packet socket on a device, all protocols, promiscuous
 * @fd_out: SOCK_RAW with PACKET_VNET_HDR, bound; what this host itself sends on the
 *	device is not seen
 */
int tapdev_packet(const char *ifname, int *fd_out, struct errtext *why);

/* Delete a persistent TAP with our mark. 0 also when there is none of the name;
 * -EPERM when it is not ours. */
int tapdev_del(const char *name, struct errtext *why);

#endif
