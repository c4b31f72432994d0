/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of macnat.h: the table of addresses, and the rewriting of messages that bear
 * hardware addresses. */
#ifndef VNET_SWITCH_MACNAT_INT_H
#define VNET_SWITCH_MACNAT_INT_H

#include "lib/htab.h"
#include "lib/list.h"
#include "switch/hdrs.h"
#include "switch/macnat.h"

/* ---- macnat_tab.c: who has which address ------------------------------------------- */

struct mn_addr {
	struct hnode hash;
	struct list node; /* unused, or its port's, longest silent first */
	struct ipaddr ip;
	uint16_t vid, port;
	struct mac mac;
	int64_t seen_s;
};

struct mn_tab {
	struct htab tab;
	struct mn_addr *pool; /* MACNAT_MAX */
	struct list unused;
	struct list of_port[MACNAT_PORTS];
	uint16_t count[MACNAT_PORTS];
	struct ipaddr host[MACNAT_HOST_MAX]; /* sorted */
	size_t nhost;
};

int mn_tab_init(struct mn_tab *t, const uint64_t seed[2]);
void mn_tab_fini(struct mn_tab *t);
void mn_tab_host(struct mn_tab *t, const struct ipaddr *ip, size_t n);
bool mn_tab_is_host(const struct mn_tab *t, const struct ipaddr *ip);

/* @who: its ip, vid, mac and port. @claim: it moves the address at once. False when it is
 * the host's. */
bool mn_tab_put(struct mn_tab *t, const struct mn_addr *who, bool claim,
		int64_t now_s);

/* NULL: no guest's, or aged. */
struct mn_addr *mn_tab_find(const struct mn_tab *t, const struct ipaddr *ip,
			    uint16_t vid, int64_t now_s);

/* ---- macnat_msg.c: messages with hardware addresses in them -------------------------- */

#define MN_ARP_REQUEST 1
#define MN_ARP_REPLY   2
#define MN_DHCP_SERVER 67 /* its port */

/** struct mn_arp - Of Ethernet and IPv4 (RFC 826) */
struct mn_arp {
	uint16_t op;
	uint32_t spa, tpa;
	uint8_t *sha, *tha; /* where they lie */
};

/* False: not such a message, or cut off. */
bool mn_arp(uint8_t *p, size_t len, const struct hdrs *h, struct mn_arp *a);

/** struct mn_dhcp - RFC 2131 2 */
struct mn_dhcp {
	bool request;	/* op */
	uint32_t xid;
	uint32_t ciaddr, yiaddr;
	struct mac chaddr;
	bool ack; /* message type (RFC 2132 9.6), when it lies in what was given */
	uint8_t *flags, *sum; /* where these and UDP's checksum lie */
};

/* @to_server: which direction is looked for. @h from hdrs_l2(). */
bool mn_dhcp(uint8_t *p, size_t len, const struct hdrs *h, bool to_server,
	     struct mn_dhcp *d);

/* Set the broadcast flag; @sum_done: UDP's checksum is final, and is kept right. */
void mn_dhcp_broadcast(const struct mn_dhcp *d, bool sum_done);

/* The link-layer options of neighbour discovery that tell of the sender (RFC 4861 4.6.1)
 * become @mac. False: cut off. True also when it is none. */
bool mn_nd(uint8_t *p, size_t len, const struct hdrs *h, const struct mac *mac,
	   bool sum_done);

#endif
