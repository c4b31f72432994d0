/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ARP (RFC 826) for the gateway: answers for its own addresses, asks for and learns
 * the guests', which are kept in neigh.h.
 */
#ifndef VNET_NAT_ARP_H
#define VNET_NAT_ARP_H

#include "nat/nat.h"
#include "nat/neigh.h"

#define ARP_LEN 28

/* Set by the owner. */
struct arp {
	struct mac mac;
	uint32_t ip, ip2; /* ours; 0 = none */
	struct ip4_net net;
	struct neigh_tab *neigh;
	struct outq *out;
	nat_arp_fn heard; /* NULL: nobody wants to know */
	void *heard_arg;
};

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

/* Ask who has @ip: @to (one that had it), or everybody when that is NULL. */
void arp_ask(struct arp *a, uint32_t ip, const struct mac *to);

#endif
