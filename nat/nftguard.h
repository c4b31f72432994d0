/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests on ports of a network's bridge may say, as a plan for the kernel's
 * nftables: a table "vnet-NAME" of family bridge beside the one of family inet
 * (nftplan.h), brought into the kernel by the same nft.h. Pure.
 *
 * Theory of operation. Frames are looked at as they come in, before the bridge learns from
 * them or takes them to the host. One set of ports' names says whose are a guest's, so a
 * frame costs the same with a thousand NICs as with one. What is not to pass goes to the
 * chain of its kind. There the port's name is looked up in a set of that kind: its element
 * counts, and lets one frame a minute be told over NFLOG (nflog.h), which carries the
 * port, the kind and the sender's MAC, and nothing else of the frame.
 *
 * A frame in a VLAN of the guests' own may say what it likes: none of ours is there.
 * Fields are compared where receivers look for them: behind one tag and IPv6 extension
 * headers, which the kernel walks. What it cannot walk to its end is dropped, and so is IP
 * behind more than one priority tag or an LLC/SNAP header: nobody needs those, and some
 * systems look through them.
 *
 * NICs that are held to more (a MAC, addresses, limits) are in a set of their own, whose
 * frames take a longer way; their MACs and addresses are elements "port . MAC", "port .
 * address". What switch/pin.h says of whose an address is holds here, with two sets that
 * frames fill: an IPv6 address that a guest may make itself, and nobody was given, is
 * noted with the port that first used it ("bound6"), and as taken ("taken6"), for a day
 * after it was last seen in ICMPv6; 16 at once and two a minute.
 *
 * Isolated NICs' frames are dropped between ports of NICs, and between them and the worker's
 * port but for those of its services. Where there is one, no guest's frame goes by the host to
 * a guest either: the host would route it back into the bridge, and there it is the host's.
 */
#ifndef VNET_NAT_NFTGUARD_H
#define VNET_NAT_NFTGUARD_H

#include "nat/nftplan.h"

#define NFTGUARD_OWN_MAX  8
#define NFTGUARD_RATE_MAX 80000000 /* kbit a second; more is no limit to the kernel */

/* What a frame can be dropped for. */
enum nftguard_kind {
	NFTGUARD_GATEWAY,  /* it claims an address of the network's own */
	NFTGUARD_PROTOCOL, /* it cannot be judged */
	NFTGUARD_DHCP,	   /* it plays the network's server */
	NFTGUARD_RA,
	NFTGUARD_DHCP6,
	NFTGUARD_MAC,	  /* it is from another MAC than the NIC's */
	NFTGUARD_CLAIM,	  /* it says so of a MAC or address in ARP, neighbour discovery */
	NFTGUARD_ADDRESS, /* it is from another address */
	NFTGUARD_CHADDR,  /* DHCP for another MAC */
	NFTGUARD_STORM,
	NFTGUARD_RATE,	   /* not told */
	NFTGUARD_ISOLATED, /* likewise */
	NFTGUARD_KINDS
};

/* "guard_gateway", "rogue_dhcp", …: of chain and set, and what is told. What is before "_" is
 * what it counts as. */
const char *nftguard_name(enum nftguard_kind k);

enum nftguard_level { NFTGUARD_OFF, NFTGUARD_PIN_MAC, NFTGUARD_PIN_IP };

struct nftguard_nic {
	char port[IFNAMSIZ]; /* "": it is behind the worker's, which sees to the rest */
	struct mac mac;
	uint8_t level;	  /* enum nftguard_level */
	uint8_t isolated; /* 0, 1 */
	uint32_t storm;	  /* groups' frames a second; 0 = any */
	uint32_t out, in; /* kbit a second, from and to it; likewise */
};

/* An address of a NIC's, or a prefix; of IPv4 it is 96 longer. */
struct nftguard_addr {
	struct ipaddr ip;
	uint16_t nic; /* index */
	uint8_t plen;
};

struct nftguard {
	char network[NFT_NETWORK];
	struct ipaddr own[NFTGUARD_OWN_MAX]; /* the network's; zero = none */
	bool dhcp; /* the network serves DHCP: guests may not */
	bool ra;   /* likewise, router advertisements and DHCPv6 */
	struct ip6_net slaac; /* guests make addresses of it; plen 0 = of none */
	char services[IFNAMSIZ]; /* the worker's port … */
	struct mac service;	 /* … and the MAC of its services */
	/* Where the host routes: its bridge's MAC, and whom the network's guests are; plen
	 * 0 = none. */
	struct mac bridge;
	struct ip4_net net;
	struct ip6_net net6, pool6;
	const struct nftguard_addr *addr; /* borrowed likewise */
	size_t naddr;
	const struct nftguard_nic *nic; /* borrowed until nftguard_make() returns */
	size_t n;
};

/* Compile. Return: 0 (then nftplan_fini()) or -ENOMEM. */
int nftguard_make(const struct nftguard *g, struct nft_plan *out);

#endif
