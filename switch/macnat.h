/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests behind an uplink that allows one MAC address: a Wi-Fi card, a switch port with
 * port security. What goes on the wire bears the uplink's own address, and what comes in
 * for that address is given to the guest whose IP address it is for. A core beside
 * tapin_side.c.
 *
 * Theory of operation. The uplink's MAC address is shared by the host and all guests, so
 * IP addresses tell them apart:
 *   - Out, to the wire: Ethernet source, ARP's sender hardware address and the link-layer
 *     options of neighbour discovery become the uplink's. DHCP answers to an address that
 *     nobody has yet cannot be told apart, so a client that has none asks for them as
 *     broadcast (RFC 2131 4.1, flags). Its hardware address stays in the message: the
 *     server tells clients by it.
 *   - A table of addresses, (VLAN, IP) → (guest's MAC), is filled from what guests send,
 *     and from DHCP acknowledgements to them. The host's own addresses are never in it,
 *     and a guest's frame that claims one goes nowhere.
 *   - In, for the uplink's address: what the table knows is that guest's; all else is the
 *     host's, which has had it anyway (the socket only sees copies). The answer to an ARP
 *     probe, which names no receiver (RFC 5227 2.1.1), and to a DHCP request that went as
 *     broadcast but was answered otherwise are known by what was asked.
 *   - Between guests, and between guests and the host, nothing is translated: the host
 *     knows guests by their own MACs, so that what it sends them is theirs at a look at
 *     the destination, and two guests are two neighbours to it.
 *   - A host that forwards packets (ip_forward) forwards those for guests, too, having
 *     had a copy. What it sends to a guest shortly after the same pair of addresses came
 *     from the wire is that copy.
 * Not translated, for no address tells guests apart: other protocols than ARP and IP; they
 * reach the wire with the shared source, and answers stay the host's.
 */
#ifndef VNET_SWITCH_MACNAT_H
#define VNET_SWITCH_MACNAT_H

#include "lib/inet.h"
#include "switch/frame.h"

#define MACNAT_MAX	4096 /* addresses; then the greediest port's oldest goes */
#define MACNAT_PORT_MAX 256  /* of them behind one port; then its oldest goes */
#define MACNAT_PORTS	1024 /* VSWITCH_PORTS_MAX */
#define MACNAT_HOST_MAX 512  /* addresses of the host */
#define MACNAT_AGE_S	900
#define MACNAT_HOLD_S	60   /* who sends from another's address gets it after this */
#define MACNAT_ASKED_S	8    /* an answer is awaited */
#define MACNAT_COPY_MS	3000 /* the host's copy of a frame is awaited */
#define MACNAT_HDR	512  /* bytes of a frame that are looked at and rewritten */

struct macnat;

/* @seed: hash secret; NULL: a fixed one (tests). NULL without memory. */
struct macnat *macnat_new(const struct mac *host, const uint64_t seed[2]);
void macnat_free(struct macnat *m);

/* All of the host's own addresses; of more than MACNAT_HOST_MAX the rest is not kept
 * from guests. What guests had of them they have no more. */
void macnat_host(struct macnat *m, const struct ipaddr *ip, size_t n);

/**
 * macnat_learn() - A guest sends @f, to whomever
 * @port: less than MACNAT_PORTS; whose share of the table it uses
 *
 * ARP and neighbour discovery move an address at once, other packets only one that was
 * not heard of for MACNAT_HOLD_S.
 *
 * Return: false when it claims an address of the host's: not to be sent.
 */
bool macnat_learn(struct macnat *m, const struct frame *f, uint16_t port,
		  int64_t now_ms);

/* It was known that @mac has @ip, before a restart: until it says otherwise. Takes of
 * @port's share until it speaks. */
void macnat_known(struct macnat *m, const struct mac *mac,
		  const struct ipaddr *ip, uint16_t port, int64_t now_ms);

/**
 * macnat_out() - As the wire may see it
 * @slot: less than FRAME_BATCH; the result is valid until it is used again
 *
 * Return: a frame whose headers are the core's and whose payload is @f's; NULL: it cannot
 * be rewritten (neighbour discovery of more than MACNAT_HDR bytes, or cut off).
 */
const struct frame *macnat_out(struct macnat *m, const struct frame *f,
			       uint16_t port, unsigned int slot, int64_t now_ms);

/**
 * macnat_in() - From the wire, for the uplink's own address or a group
 * @f: its bytes up to FRAME_HDR at least are rewritten in place
 *
 * Return: true when it is for a guest, with that guest's MAC as its destination now, or
 * for a group; false: the host's alone.
 */
bool macnat_in(struct macnat *m, struct frame *f, int64_t now_ms);

/* Is what the host sends to a guest its copy of what came from the wire? */
bool macnat_is_copy(const struct macnat *m, const struct frame *f, int64_t now_ms);

/* Who has the address; NULL: no guest. Borrowed until the next call. */
const struct mac *macnat_find(const struct macnat *m, const struct ipaddr *ip,
			      uint16_t vid, int64_t now_ms);

/* Addresses in the table, aged ones that nobody asked for among them. */
uint32_t macnat_count(const struct macnat *m);

#endif
