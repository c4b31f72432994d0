/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bridge of a network of the kernel datapath: what it is to be is compared with what
 * is there, and the difference is a list of steps, which are shown, or taken in order.
 * Steps that were taken can be taken back. A device that does not carry the network's mark
 * (its alias) is somebody else's and is not touched.
 *
 * The same list serves the start, a change, repair and what a crash left: who asks need
 * not know which of them it is. Ports are tapport.h's matter, filters nat/nft.h's.
 */
#ifndef VNET_SWITCH_KBRIDGE_H
#define VNET_SWITCH_KBRIDGE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"
#include "switch/link.h"

#define KBRIDGE_ADDRS	  3  /* of ours: IPv4, IPv6, link-local */
#define KBRIDGE_SEEN_MAX  32 /* addresses looked at; more are left alone */
#define KBRIDGE_ROUTES	  256
#define KBRIDGE_RA_MAX	  64 /* devices of the host that listen to routers; likewise */
#define KBRIDGE_VALUE	  12 /* bytes of a sysctl's value */
#define KBRIDGE_STEP_TEXT 128

struct kaddr {
	struct ipaddr ip;
	uint8_t plen;
};

/* A prefix behind a guest, whose link-local address is the next hop. */
struct kroute {
	struct ip6_net net;
	struct ipaddr via;
};

/** struct kbridge - What it is to be */
struct kbridge {
	char name[IFNAMSIZ];
	char mark[LINK_ALIAS]; /* link_mark() */
	struct mac mac;
	uint32_t mtu;
	struct kaddr addr[KBRIDGE_ADDRS];
	unsigned int naddr;
	const struct kroute *route; /* borrowed; at most KBRIDGE_ROUTES */
	unsigned int nroute;
	bool ip6;    /* IPv6 on it at all */
	bool routes; /* the host forwards from it and to it, and may answer there what
		      * its own loopback asked */
};

/* The network's own mark; what is longer than an alias is cut. */
void link_mark(const char *network, char out[LINK_ALIAS]);

/* ---- what is there --------------------------------------------------------------- */

/* Sysctls of the bridge that matter, in the order they are set. */
enum kbridge_key {
	KB_FORWARDING,
	KB_ROUTE_LOCALNET,
	KB_ARP_IGNORE,
	KB_RP_FILTER,
	KB_PROXY_ARP,
	KB_ACCEPT_REDIRECTS,
	KB_SEND_REDIRECTS,
	KB_SOURCE_ROUTE,
	KB_ACCEPT_RA,
	KB_AUTOCONF,
	KB_REDIRECTS6,
	KB_DISABLE6,
	KB_KEYS
};

/** struct kbridge_seen - What the kernel says; zeroed = nothing is there */
struct kbridge_seen {
	bool there;
	struct link_info link;
	struct kaddr addr[KBRIDGE_SEEN_MAX];
	unsigned int naddr;
	struct kroute route[KBRIDGE_ROUTES]; /* of ours (protocol dhcp), through it */
	unsigned int nroute;
	char value[KB_KEYS][KBRIDGE_VALUE]; /* "" = no such thing */
	char forward4[KBRIDGE_VALUE], forward6[KBRIDGE_VALUE]; /* of the host */
	char ra[KBRIDGE_RA_MAX][IFNAMSIZ]; /* accept_ra is 1 */
	unsigned int nra;
};

int kbridge_look(struct link_nl *nl, const char *name,
		 struct kbridge_seen *out, struct errtext *why);

/* ---- the plan ---------------------------------------------------------------------- */

enum kstep_kind {
	KSTEP_BRIDGE,	/* make it, down */
	KSTEP_MAC,
	KSTEP_MTU,
	KSTEP_NF_CALL,	/* its frames are no matter of the host's filters */
	KSTEP_SYSCTL,
	KSTEP_ADDR_DEL,
	KSTEP_ADDR_ADD,
	KSTEP_UP, /* and what comes after it: */
	KSTEP_ROUTE_DEL,
	KSTEP_ROUTE_ADD,
};

struct kstep {
	enum kstep_kind kind;
	char dev[IFNAMSIZ]; /* "all": the host */
	struct mac mac, was_mac;
	uint32_t mtu, was_mtu;
	uint8_t was_nf_call;
	struct kaddr addr;
	struct kroute route;
	const char *family, *key; /* of a sysctl */
	char value[KBRIDGE_VALUE], was[KBRIDGE_VALUE];
	bool done;
};

#define KBRIDGE_STEPS \
	(5 + KB_KEYS + KBRIDGE_ADDRS + KBRIDGE_SEEN_MAX + KBRIDGE_RA_MAX + 2 + \
	 2 * KBRIDGE_ROUTES)

struct kbridge_plan {
	const struct kbridge *want; /* borrowed */
	struct kstep step[KBRIDGE_STEPS];
	unsigned int n;
};

/**
 * kbridge_plan() - The difference; pure
 *
 * Return: 0; -EEXIST a device of the name is there and not this network's.
 */
int kbridge_plan(const struct kbridge *want, const struct kbridge_seen *have,
		 struct kbridge_plan *out, struct errtext *why);

/* "address vn-lab add 10.0.2.2/24" */
char *kstep_text(const struct kbridge_plan *p, unsigned int i,
		 char out[KBRIDGE_STEP_TEXT]);

/* ---- taking the steps --------------------------------------------------------------- */

/**
 * kbridge_apply() - All steps but the last ones, that bring it up, or those
 * @up: which of both
 *
 * Between them the filters are set. On failure the caller has kbridge_undo() to put back
 * what was done. Return: 0 or negative errno with @why.
 */
int kbridge_apply(struct link_nl *nl, struct kbridge_plan *p, bool up,
		  struct errtext *why);

/* Put back, in reverse; what fails is passed over. */
void kbridge_undo(struct link_nl *nl, struct kbridge_plan *p);

/* Delete it when it has the mark; its ports stay, without it and down. 0 also when it is
 * not there, or not this network's. */
int kbridge_remove(struct link_nl *nl, const char *name, const char *mark,
		   struct errtext *why);

#endif
