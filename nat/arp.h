/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARP (RFC 826) for the gateway: answers for its own addresses and knows the guests'.
 *
 * A neighbour is INCOMPLETE (asked for, one packet waits; three requests a second
 * apart, then forgotten) or KNOWN. KNOWN entries come from ARP and from any packet
 * a guest sends us; one that was not heard for a minute is still used, but probed,
 * and forgotten when it stays silent. Entries count against the NIC they were
 * heard on; those asked for count against NIC 0.
 */
#ifndef VNET_NAT_ARP_H
#define VNET_NAT_ARP_H

#include "nat/flow.h"
#include "nat/outq.h"

#define ARP_LEN	       28
#define ARP_TRIES      3
#define ARP_RETRY_MS   1000
#define ARP_FRESH_MS   60000
#define ARP_PENDING_MAX 65549 /* bytes of the one packet that waits */

struct arp {
	struct mac mac;
	uint32_t ip, ip2; /* ours; 0 = none */
	struct ip4_net net;
	struct htab neigh;
	struct flow_tab *flows; /* shared; FLOW_NEIGH is ours */
	struct wheel *wheel;
	struct outq *out;
};

/* 0 or -ENOMEM. All pointers are borrowed. */
int arp_init(struct arp *a, const uint64_t seed[2], struct flow_tab *flows,
	     struct wheel *wheel, struct outq *out);
void arp_fini(struct arp *a);

/**
 * arp_input() - An ARP packet from a guest
 * @p: behind the Ethernet header
 *
 * Return: false when it was malformed or not for us. A probe (sender 0.0.0.0) for
 * an address of ours is answered, so that clients detect the conflict (RFC 5227).
 */
bool arp_input(struct arp *a, const uint8_t *p, size_t len, uint64_t nic_id,
	       int64_t now_ms);

/* A packet from @ip came from @mac. Addresses outside the network are ignored. */
void arp_learn(struct arp *a, uint32_t ip, const struct mac *mac,
	       uint64_t nic_id, int64_t now_ms);

/**
 * arp_send() - Send an Ethernet frame to the neighbour @ip
 * @hdr: starts with an Ethernet header whose destination is filled in here
 *
 * The other arguments as for outq_put(). Unknown: the packet waits (replacing an
 * older one) for the answer.
 *
 * Return: as outq_put(); 0 also when it waits, -ENOMEM.
 */
int arp_send(struct arp *a, uint32_t ip, uint8_t *hdr, size_t hdr_len,
	     const struct iovec *v, int n, const struct offload *off, bool lent,
	     int64_t now_ms);

/* The NIC on which @ip was last heard; 0 when unknown. */
uint64_t arp_nic(const struct arp *a, uint32_t ip);

#endif
