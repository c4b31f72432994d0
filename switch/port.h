/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port: the attachment point of a switch. The switch knows ports only through
 * this header; how a port moves its frames is its driver's matter.
 *
 * A driver embeds struct port in its own struct, fills in @ops and @caps, and is
 * added with vswitch_port_add(). Frames that come in from outside go to
 * vswitch_input(); frames that go out arrive at ops->tx.
 */
#ifndef VNET_SWITCH_PORT_H
#define VNET_SWITCH_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/inet.h"
#include "lib/list.h"
#include "switch/frame.h"

struct pin;
struct port;
struct vswitch;

#define PORT_NAME 48

/* Offload needs that a port can take over from the switch; without them the
 * switch does the work in software before tx. */
enum port_caps {
	PORT_CAP_CSUM = 1 << 0, /* frames with needs_csum */
	PORT_CAP_TSO4 = 1 << 1,
	PORT_CAP_TSO6 = 1 << 2,
	PORT_CAP_USO = 1 << 3,
};

/* Why a frame was not delivered. */
enum drop_reason {
	DROP_SHORT,	/* no whole Ethernet header */
	DROP_LONG,	/* longer than the MTU allows (and not a GSO frame) */
	DROP_LINK,	/* the link of one of both ports is down */
	DROP_BAD_SRC,	/* group or zero source address */
	DROP_GUARD,	/* not from here: an address or MAC that is not the NIC's (pin.h),
			 * or somebody's static entry */
	DROP_RESERVED,	/* 01:80:c2:00:00:0X, not forwarded by a bridge (802.1Q 8.6.3) */
	DROP_SAME_PORT, /* destination is on the port it came from */
	DROP_OFFLOAD,	/* offload facts that contradict the frame */
	DROP_FULL,	/* the receiver's queue is full */
	DROP_ERROR,	/* the receiver's descriptor refused it */
	DROP_NO_PEER,	/* nobody is connected to the port */
	DROP_PROTO,	/* the gateway: not for us, or malformed above Ethernet */
	DROP_POLICY,	/* the gateway: not allowed from here */
	DROP_LIMIT,	/* the gateway: a quota or table is full */
	DROP_ROGUE,	/* a guest that plays the network's DHCP server or router */
	DROP_ISOLATED,	/* between guests one of which is isolated */
	DROP_STORM,	/* beyond the NIC's limit of broadcasts */
	DROP_RATE,	/* beyond the NIC's rate, of either direction */
	DROP_REASONS
};

/* Short lower-case name for counters and CLI ("short", "no_peer"). */
const char *drop_reason_name(enum drop_reason r);

/* Written by the switch (rx side) and by the driver through port_drop(). From the
 * port's owner's view: rx = frames that came in from the guest, tx = to it. */
struct port_stats {
	uint64_t rx_frames, rx_bytes;
	uint64_t tx_frames, tx_bytes;
	uint64_t drops[DROP_REASONS];
};

struct port_ops {
	const char *driver; /* "stream", "dgram", "tap", … for show */

	/**
	 * tx() - Send a batch; all frames are delivered or dropped on return
	 * @n: 1 … FRAME_BATCH
	 *
	 * Frames and bytes are borrowed until return. The driver counts what it
	 * did through port_sent() and port_drop(). Must not call
	 * vswitch_input(): a port that answers queues the answer and sends it
	 * from its own event or flush callback.
	 */
	void (*tx)(struct port *p, const struct frame *const *batch,
		   unsigned int n);

	/**
	 * flush() - A turn of input is over (nullable)
	 *
	 * Called once at the end of vswitch_input() for every port whose tx was
	 * called in it, after all tx calls; the place where a port that answers
	 * (gateway) sends its queued answers with vswitch_input(). Nested
	 * rounds are bounded by the switch.
	 */
	void (*flush)(struct port *p);

	/* Bytes of frames of @flow (steer.h; 0 = of none) that the port takes now without
	 * loss; SIZE_MAX = any, or it is no use to wait: nobody is there. When it said
	 * less and has room again it calls vswitch_room_again(); that nobody is there any
	 * more it does not tell, nor that a guest which takes nothing has room for what
	 * may wait. Nullable = SIZE_MAX. For senders that can wait (the gateway's TCP). */
	size_t (*room)(const struct port *p, uint32_t flow);

	/**
	 * lend() - Where the bytes of the next frame to this port will lie in the end
	 * @flow: that it belongs to, as for room()
	 * @len: in: its length; out: as much of it as there is room for
	 * @v: out: at most FRAME_SEGS - 3 pieces for all of the frame, in order
	 *
	 * The lender may leave the frame's beginning out: seg[0] is copied. What lies
	 * behind seg[0] it fills, points the other segments at it, sets in_place and
	 * sends the frame as any other; it may be shorter than @len. That has to be
	 * the next frame to this port: with another one the room is lost, and frames
	 * that lie there are dropped. To be ended with unlend() in the same turn,
	 * whatever became of the frame. Nullable, as unlend.
	 *
	 * Return: pieces in @v; 0: not in this way; -EAGAIN: the guest has no buffers
	 * now, vswitch_room_again() follows.
	 */
	int (*lend)(struct port *p, uint32_t flow, size_t *len,
		    struct iovec *v);
	void (*unlend)(struct port *p);

	/* The link was set up or down: pass it to the other end if the driver
	 * can (carrier of a TAP); nullable. */
	void (*link)(struct port *p, bool up);

	/* Close descriptors and free the driver's struct (which contains @p).
	 * Called by vswitch_port_del() last. */
	void (*close)(struct port *p);
};

/* Who stands behind a port; decides isolation and guard. */
enum port_role {
	PORT_GUEST,   /* a VM's NIC */
	PORT_GATEWAY, /* our own gateway and services */
	PORT_HOST,    /* host-only: the host's adapter */
	PORT_UPLINK,  /* leads outside */
};

/**
 * struct port - Embedded first in a driver's struct
 *
 * Set by the driver before vswitch_port_add(): ops, caps, name, role, nic_id,
 * src_ip4, src_ip6, pin. Everything else belongs to the switch.
 */
struct port {
	const struct port_ops *ops;
	uint32_t caps; /* enum port_caps */
	enum port_role role;
	uint64_t nic_id; /* the NIC it serves; 0 = none */
	char name[PORT_NAME];
	/* Only frames from these addresses may come in (ARP sender, IPv4 and IPv6
	 * source; IPv6 also link-local), and IPv6 ones go out only to them, to
	 * link-local ones and to groups; src_ip4 0 = any. The host's adapter of a
	 * host-only network has them, so that the host's routing cannot leak
	 * somebody else's packets into the network, nor guests' out of it. */
	uint32_t src_ip4;
	struct ipaddr src_ip6; /* zero = link-local only */
	struct pin *pin; /* of its NIC, outlives the port; NULL = one that pins nothing */

	struct vswitch *sw;    /* NULL while not added */
	struct list node;      /* on the switch's list of ports */
	uint16_t id;	       /* index in the switch, for the FDB */
	bool link_up;
	uint8_t look; /* enum pin_flag: the pin's, and PIN_HOST */
	const struct frame *txq[FRAME_BATCH]; /* this round's frames */
	uint16_t ntx;
	bool touched;	       /* tx was called in this turn: flush is due */
	/* Its driver says that frames pile up for a guest that does take them, only
	 * slower than they come … */
	bool lags;
	/* … and the switch how many bytes this port sent to those (known unicast): if
	 * that is most of what it sends, its driver had better wait for a moment. The
	 * driver sets it back. */
	uint32_t slow_bytes;
	int64_t seen_since_ms; /* budget of vswitch_seen_fn calls: window */
	uint16_t seen_used;    /* and calls in it */
	uint8_t rogue_told;    /* enum rogue_kind told in this while, … */
	int64_t rogue_since_ms; /* … which began then */
	struct port_stats stats;
};

static inline void port_sent(struct port *p, uint64_t frames, uint64_t bytes)
{
	p->stats.tx_frames += frames;
	p->stats.tx_bytes += bytes;
}

static inline void port_drop(struct port *p, enum drop_reason r, uint64_t n)
{
	p->stats.drops[r] += n;
}

#endif
