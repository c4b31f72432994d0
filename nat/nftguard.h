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
 */
#ifndef VNET_NAT_NFTGUARD_H
#define VNET_NAT_NFTGUARD_H

#include "nat/nftplan.h"

#define NFTGUARD_OWN_MAX 8

/* What a frame can be dropped for. */
enum nftguard_kind {
	NFTGUARD_GATEWAY,  /* it claims an address of the network's own */
	NFTGUARD_PROTOCOL, /* it cannot be judged */
	NFTGUARD_DHCP,	   /* it plays the network's server */
	NFTGUARD_RA,
	NFTGUARD_DHCP6,
	NFTGUARD_KINDS
};

/* "guard_gateway", "rogue_dhcp", …: of chain and set, and what is told. */
const char *nftguard_name(enum nftguard_kind k);

struct nftguard_nic {
	char port[IFNAMSIZ];
};

struct nftguard {
	char network[NFT_NETWORK];
	struct ipaddr own[NFTGUARD_OWN_MAX]; /* the network's; zero = none */
	bool dhcp; /* the network serves DHCP: guests may not */
	bool ra;   /* likewise, router advertisements and DHCPv6 */
	const struct nftguard_nic *nic; /* borrowed until nftguard_make() returns */
	size_t n;
};

/* Compile. Return: 0 (then nftplan_fini()) or -ENOMEM. */
int nftguard_make(const struct nftguard *g, struct nft_plan *out);

#endif
