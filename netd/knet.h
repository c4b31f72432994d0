/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network of the kernel datapath as one value of fixed size: what control knows of it,
 * what priv is asked for, and what both compile to a bridge (switch/kbridge.h) and a
 * table of filters (nat/nftplan.h). Pure: the same value gives the same steps, whether they
 * are to be shown or taken.
 */
#ifndef VNET_NETD_KNET_H
#define VNET_NETD_KNET_H

#include "nat/nftplan.h"
#include "switch/kbridge.h"

#define KNET_FWDS_MAX 1024 /* ports of a network, by family */

/** struct knet - See above; zeroed where nothing else is said, also between fields */
struct knet {
	char network[NFT_NETWORK];
	char bridge[IFNAMSIZ]; /* knet_names() */
	char tap[IFNAMSIZ];    /* the port of its own services */
	int mode;	       /* enum nft_mode */
	struct mac mac;	       /* of the bridge */
	uint16_t mtu;
	bool host; /* nat: guests may reach the host */
	bool loopback; /* … under its own address in this network as 127.0.0.1 */
	uint8_t nallow; /* … and only these ports; 0 = all */
	struct ip4_net net;
	struct ip6_net net6;
	uint32_t ip4; /* the bridge's own: the host in this network; 0 = none */
	struct ipaddr ip6; /* likewise; zero */
	struct nat_allow allow[NAT_ALLOW_MAX];
	struct ip6_net pool6; /* nat: prefixes of it lie behind guests … */
	uint16_t nroute;
	struct kroute route[KBRIDGE_ROUTES]; /* … these */
	uint16_t nfwd;
	struct nft_forward fwd[KNET_FWDS_MAX];
};

/* Names of its devices. No two networks' are the same by accident, nor those of a
 * bridged network's (vn-br-…, vn-up-…). */
void knet_names(const char *network, char bridge[IFNAMSIZ], char tap[IFNAMSIZ]);

/* Of a bridged network's, whichever datapath: the uplink is its port. */
void knet_uplink_names(const char *network, char bridge[IFNAMSIZ],
		       char tap[IFNAMSIZ]);

void knet_bridge(const struct knet *k, struct kbridge *out);
/* @k outlives the plan. */
void knet_filters(const struct knet *k, struct nft_plan *out);

/* Is it consistent in itself? What control may ask priv for. -EINVAL or -EPERM. */
int knet_judge(const struct knet *k, struct errtext *why);

/* Is it a route that a guest may be given? Into the pool, and to its link-local address. */
bool knet_route_ok(const struct knet *k, const struct kroute *r);

/* May a forward be of this address of the host's? Not of one that is many machines', or one
 * on each link (of IPv6: a socket names the link, a rule does not). */
bool knet_at_ok(const struct ipaddr *at);

/* Forwards that may be looked up by the same key are one too many. */
bool knet_has_forward(const struct knet *k, const struct nft_forward *f);

#endif
