/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The in-process L2 switch: takes batches of frames from ports, learns, decides,
 * and hands each destination port its frames in one call. A core: no sockets, no
 * clock, no libevent.
 */
#ifndef VNET_SWITCH_VSWITCH_H
#define VNET_SWITCH_VSWITCH_H

#include "switch/pin.h"
#include "switch/port.h"
#include "switch/rogue.h"

#define VSWITCH_PORTS_MAX 1024
#define VSWITCH_FDB_MAX	  100000 /* addresses; more are flooded */
#define VSWITCH_MTU_MIN	  68	/* RFC 791 */
#define VSWITCH_MTU_MAX	  65521 /* FRAME_MAX less Ethernet and one VLAN tag, even */

/* Rounds of flush callbacks in one turn; what is still due then waits for the
 * next vswitch_input() or vswitch_tick(). */
#define VSWITCH_FLUSH_MAX 64

/* Addresses told to vswitch_seen_fn per port and second. */
#define VSWITCH_SEEN_MAX 8

/* How long vswitch_rogue_fn is quiet about a port and kind. */
#define VSWITCH_ROGUE_MS 60000

/* Memory lent to drivers; see vswitch_rx_area(). The stride is not a power of
 * two, so that the headers of successive frames do not share a cache set. */
#define VSWITCH_RX_STRIDE (65536 + 256)
#define VSWITCH_RX_AREA	  ((size_t)FRAME_BATCH * VSWITCH_RX_STRIDE)

struct vswitch_config {
	uint16_t mtu;	    /* bytes behind the Ethernet header; default 1500 */
	uint32_t fdb_max;   /* entries; 0 = VSWITCH_FDB_MAX */
	uint32_t age_s;	    /* 0 = 300 (802.1Q-2018 8.8.3) */
	uint64_t seed[2];   /* hash secret */
};

/* Which IP address a MAC address has: as ARP sender or in neighbour discovery (any
 * port but the gateway's), or as source of a guest that was not seen in those yet.
 * Lets `vnet ip` show guests that have no lease. Called when an address is new or
 * moved, or has an IP address that it had not lately (the last one of IPv4, some of
 * IPv6; no link-local ones); at most VSWITCH_SEEN_MAX times per port and second, so
 * that a guest cannot make it costly. Must not add or delete ports. */
typedef void (*vswitch_seen_fn)(void *arg, struct port *p,
				const struct mac *mac, const struct ipaddr *ip);

/* A guest sent what only the network's own server may (dropped as DROP_ROGUE). Called
 * for the first of each kind per port and VSWITCH_ROGUE_MS; the rest only counts. Must
 * not add or delete ports. */
typedef void (*vswitch_rogue_fn)(void *arg, struct port *p, enum rogue_kind kind,
				 const struct mac *src);

/* A guest's frame was not let through, for this reason (dropped as DROP_GUARD or
 * DROP_STORM). Called as pin_tell() says. Must not add or delete ports. */
typedef void (*vswitch_guard_fn)(void *arg, struct port *p, enum pin_fault fault,
				 const struct mac *src);

/* Defaults for what is zero in @cfg. NULL when out of memory or when the MTU is
 * out of range. */
struct vswitch *vswitch_new(const struct vswitch_config *cfg);

/* Deletes (and so closes) the ports that are left; see driver_free() for those of
 * drivers. */
void vswitch_free(struct vswitch *sw);

/**
 * vswitch_port_add() - Attach a port; its link is up afterwards
 *
 * Return: 0, -ENOSPC at VSWITCH_PORTS_MAX.
 */
int vswitch_port_add(struct vswitch *sw, struct port *p);

/**
 * vswitch_port_del() - Detach, forget its addresses, ops->close()
 *
 * Not from inside tx. From inside the driver's own event callback it must be the
 * last statement.
 */
void vswitch_port_del(struct port *p);

/* Plug or unplug the cable: while down, frames both ways are dropped, learned
 * addresses are forgotten and ops->link tells the driver. */
void vswitch_port_link(struct port *p, bool up);

/* A static FDB entry (untagged): never aged nor moved (the gateway's MAC). Other
 * ports' frames with this source are dropped (DROP_GUARD). -ENOSPC, -EEXIST. */
int vswitch_fdb_static(struct vswitch *sw, const struct mac *mac,
		       struct port *p);

/* Where a frame to @mac would go; NULL: not known, it would be flooded. */
struct port *vswitch_fdb_find(const struct vswitch *sw, const struct mac *mac,
			      uint16_t vid);

/**
 * vswitch_input() - Frames came in on @in
 * @f: borrowed; up to FRAME_BATCH per call
 * @now_ms: monotonic; must not go backwards
 *
 * Drops what 802.1Q does not forward, what is too long for the MTU, and frames
 * whose offload facts contradict their headers. Learns sources, forwards (known
 * unicast to one port; unknown, broadcast and multicast to all eligible), does
 * checksums and segmentation for ports that lack the caps, calls tx once per
 * destination and batch (more often when segmentation fills batches), then flush.
 * May be called from flush (the gateway's answers); such nested input is processed
 * in the same turn.
 */
void vswitch_input(struct port *in, const struct frame *f, unsigned int n,
		   int64_t now_ms);

/* How often frames came from another port than those before: grows while machines
 * speak to and fro, and not while one of them sends. */
uint32_t vswitch_turns(const struct vswitch *sw);

/* For use inside ops->tx and ops->flush: the time given to the vswitch_input()
 * under way (outside of one: to the last one), … */
int64_t vswitch_now(const struct vswitch *sw);

/* … and the port whose frames are being delivered, in ops->tx; NULL otherwise.
 * Nested input (from flush) shows the nested call's port while it lasts. */
struct port *vswitch_ingress(const struct vswitch *sw);

/* struct port_ops.room of the NIC's port, the first that has it; SIZE_MAX when none does,
 * or for NIC 0. */
size_t vswitch_room(struct vswitch *sw, uint64_t nic_id, uint32_t flow);

/**
 * vswitch_lend() - Room for the next frame to a NIC, of its guest's own memory
 * @caps: what the frame will leave to be done
 * @to: out: the port, for frame.in_place and vswitch_unlend()
 *
 * The rest as struct port_ops.lend. It is a guess where the frame will go: the switch
 * decides as ever, and a frame that goes elsewhere is no worse off.
 */
int vswitch_lend(struct vswitch *sw, uint64_t nic_id, uint32_t flow,
		 uint32_t caps, size_t *len, struct iovec *v, struct port **to);
void vswitch_unlend(struct port *to);

/* A port that had less room than any has more: tells who has asked to be told, the one
 * of vswitch_on_room(). In a driver's event callback. */
typedef void (*vswitch_room_fn)(void *arg);
void vswitch_on_room(struct vswitch *sw, vswitch_room_fn fn, void *arg);
void vswitch_room_again(struct vswitch *sw);

/* Forget aged entries; returns when to call again (monotonic ms). */
int64_t vswitch_tick(struct vswitch *sw, int64_t now_ms);

void vswitch_on_seen(struct vswitch *sw, vswitch_seen_fn fn, void *arg);

void vswitch_on_rogue(struct vswitch *sw, vswitch_rogue_fn fn, void *arg);

void vswitch_on_guard(struct vswitch *sw, vswitch_guard_fn fn, void *arg);

/* Who may say what; the owner adds and changes pins, and says so when a pin's level or
 * limits changed. */
struct pin_set *vswitch_pins(struct vswitch *sw);
void vswitch_pin_changed(struct vswitch *sw, const struct pin *pin);

/* What guests must not send, a set of enum rogue_kind: what this network serves. None
 * at first. */
void vswitch_forbid(struct vswitch *sw, unsigned int kinds);

uint16_t vswitch_mtu(const struct vswitch *sw);

/* Learned addresses that point to @p. */
uint32_t vswitch_fdb_count(const struct port *p);

/* VSWITCH_RX_AREA bytes for a driver to receive into, during its own event
 * callback only (never in tx or flush): one for all, so that it stays in cache
 * and a thousand idle ports need no buffers. */
void *vswitch_rx_area(struct vswitch *sw);

/* Walk ports in order of adding; NULL @after starts. */
struct port *vswitch_port_next(struct vswitch *sw, struct port *after);

/* Walk the FDB: fn gets each entry; age_s since last seen, -1 for static. */
void vswitch_fdb_walk(struct vswitch *sw, int64_t now_ms,
		      void (*fn)(void *arg, const struct mac *mac,
				 struct port *p, int64_t age_s),
		      void *arg);

#endif
