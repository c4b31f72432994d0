/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standing beside a host's network interface instead of taking it into a bridge: a
 * packet socket on the interface, which stays as it is, and a TAP of ours through which
 * frames get into the interface's ingress, as if they had come from its wire.
 *
 * Theory of operation. What is on the wire is seen by a packet socket, and what it sends
 * goes on the wire. Two things are missing: the host's own stack hears nothing that
 * the socket sends, and the socket hears what it sent itself, or its neighbour did.
 *   - Frames for the host go into the TAP. A program at the TAP's ingress hands each
 *     on to the interface's ingress (bpf_redirect()). The interface itself gets no
 *     filter, no address, nothing.
 *   - What the host sends passes the socket as PACKET_OUTGOING.
 *   - What we sent or injected carries a mark (SO_MARK; the program sets it), and the
 *     socket's filter drops what has its own. A segment that the kernel cut from a
 *     large frame has the mark, too, and has lost the socket it came from. Injected
 *     broadcasts have a mark that every such socket drops: the others on the interface
 *     saw them going out. So networks on the same interface reach each other.
 *   - The filter lets no frame in that is for the host itself (but with MAC translation,
 *     where everything is), and none of another interface. It is locked.
 *   - The interface is promiscuous while the socket is there; with MAC translation it only
 *     hears all groups, for it hears its own address anyway, and Wi-Fi cards no other.
 *
 * All of it ends with the last copy of both descriptors.
 *
 * What the holder of the socket could do beyond its task: send frames on other interfaces
 * of the namespace, naming one in each message. It cannot hear there, whatever it binds
 * to: the filter stays. There is no way to take sending away from a packet socket; a TAP
 * with filters on the interface, both ways, would be bound to it, but be the very
 * change of the host's interface that this way is to avoid, in the way of others'
 * filters and in others' way, and left behind by a kill.
 */
#ifndef VNET_SWITCH_TAPIN_H
#define VNET_SWITCH_TAPIN_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"

/** struct tapin - What is wanted */
struct tapin {
	char uplink[IFNAMSIZ];
	char tap[IFNAMSIZ]; /* to be made */
	uint16_t mtu; /* of guests' frames; the interface's may not be less */
	bool mac_nat; /* guests share its MAC on the wire (macnat.h) */
};

/** struct tapin_ends - What came of it; descriptors are the caller's */
struct tapin_ends {
	int sock; /* SOCK_RAW, PACKET_VNET_HDR, bound */
	int tap;  /* IFF_VNET_HDR; only to write to */
	struct mac mac; /* of the interface, now */
};

/**
 * tapin_open() - Stand beside the interface
 *
 * Return: 0; -ENODEV; -EBUSY it is a port of something; -EOPNOTSUPP no Ethernet, or the
 * kernel cannot; -ERANGE its MTU is too small; -EEXIST the TAP's name is taken; … with
 * @why.
 */
int tapin_open(const struct tapin *t, struct tapin_ends *out,
	       struct errtext *why);

#endif
