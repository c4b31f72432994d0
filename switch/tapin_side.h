/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a port beside a host's interface (tapin.h) does with frames that a port on a wire
 * of its own need not: which of them are for the host, and which of the host's are for a
 * guest. A core; port_packet.c has the descriptors.
 */
#ifndef VNET_SWITCH_TAPIN_SIDE_H
#define VNET_SWITCH_TAPIN_SIDE_H

#include "switch/port.h"
#include "switch/tap_out.h"

struct macnat;

/** struct tapin_side - Set by tapin_side_init(); all members private */
struct tapin_side {
	struct mac host;   /* the interface's address, the host's own */
	struct port *port; /* the switch's port, borrowed */
	struct tap_out out; /* into the host's stack */
	struct port count; /* what @out counts, before it is @port's */
	struct macnat *nat; /* guests share @host's address; NULL: they have their own */
};

/* How a frame came past the socket. */
enum tapin_from {
	TAPIN_WIRE, /* or another network put it into the interface's ingress */
	TAPIN_HOST, /* this host sends it, or another network on the interface */
};

/**
 * tapin_side_init() - @port is on its switch afterwards
 * @nat: borrowed; NULL: without translation
 * @write: as struct tap_out.write, for frames behind a virtio_net_hdr_v1
 */
void tapin_side_init(struct tapin_side *s, struct port *port,
		     const struct mac *host, struct macnat *nat,
		     int (*write)(void *arg, const struct iovec *v, int n),
		     void *arg);

/**
 * tapin_side_rx() - Is the frame anything for the switch?
 * @f: with translation its headers may be rewritten in place
 *
 * Not what the host sends to somebody whom no guest's port is known to have: it is none
 * of the guests' business, and would be flooded to all. A guest that has been silent for
 * so long is found again by ARP, which is broadcast.
 */
bool tapin_side_rx(struct tapin_side *s, struct frame *f, enum tapin_from from,
		   int64_t now_ms);

/**
 * tapin_side_tx() - Send what is for the host there
 * @n: 1 … FRAME_BATCH
 * @lan: FRAME_BATCH places; those that go on the wire
 *
 * Broadcasts and multicasts go both ways, and are counted by who sends @lan. With
 * translation @lan may be frames of macnat's, valid until the next call.
 * Return: how many are in @lan.
 */
unsigned int tapin_side_tx(struct tapin_side *s,
			   const struct frame *const *batch, unsigned int n,
			   const struct frame **lan);

#endif
