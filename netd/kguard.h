/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests on a network's bridge may say, as one value of fixed size: what control asks
 * priv for, and what both compile to a table of the bridge family (nat/nftguard.h). Beside
 * struct knet, and judged as that is. Pure.
 */
#ifndef VNET_NETD_KGUARD_H
#define VNET_NETD_KGUARD_H

#include "lib/errtext.h"
#include "nat/nftguard.h"

#define KGUARD_NICS_MAX	 1536 /* a bridge of Linux has fewer ports, … */
#define KGUARD_ADDRS_MAX 8192 /* … and some NICs are none; what is beyond has none */

/** struct kguard - See above; zeroed where nothing else is said, also between fields */
struct kguard {
	char network[NFT_NETWORK];
	struct ipaddr own[NFTGUARD_OWN_MAX];
	bool dhcp, ra; /* struct nftguard's */
	bool uplink;   /* bridged: its devices are called otherwise */
	struct ip6_net slaac;
	struct mac service, bridge;
	struct ip4_net net;
	struct ip6_net net6, pool6;
	uint16_t nnic, naddr;
	struct nftguard_nic nic[KGUARD_NICS_MAX];
	struct nftguard_addr addr[KGUARD_ADDRS_MAX];
};

/* Then nftplan_fini(). -ENOMEM. */
int kguard_filters(const struct kguard *k, struct nft_plan *out);

/* What control may ask priv for. -EINVAL or -EPERM. */
int kguard_judge(const struct kguard *k, struct errtext *why);

#endif
