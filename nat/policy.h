/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a guest's packet may go, and as whom the outside is shown to it.
 * One set of rules for ICMP, UDP and TCP.
 */
#ifndef VNET_NAT_POLICY_H
#define VNET_NAT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"
#include "nat/nat.h"

struct policy {
	uint32_t ip, dns_ip; /* ours; dns_ip 0 = none */
	struct ip4_net net;
	enum nat_host_access host_access;
	uint32_t host_ip; /* 0 = none */
	struct ip4_net deny[NAT_DENY_MAX];
	size_t ndeny;
	struct ip6_net net6; /* plen 0 = no IPv6 */
	struct ipaddr ip6, dns_ip6; /* ours; zero = none */
	struct ipaddr host_ip6; /* zero = none */
	struct ip6_net deny6[NAT_DENY_MAX];
	size_t ndeny6;
};

enum policy_verdict {
	POLICY_OUT,	/* to the address in *real */
	POLICY_SILENT,	/* never goes out; say nothing */
	POLICY_DENY,	/* not allowed: ICMP code 13, RST */
	POLICY_NOWHERE, /* nothing is there: ICMP code 1, RST */
};

/* May a guest reach @dst, and what address is that on the host? */
enum policy_verdict policy_dst(const struct policy *p, uint32_t dst,
			       uint32_t *real);

/* Is it one of ours (gateway, resolver)? */
static inline bool policy_is_us(const struct policy *p, uint32_t ip)
{
	return ip == p->ip || (p->dns_ip && ip == p->dns_ip);
}

/* Is @ip in a denied prefix? */
bool policy_denied(const struct policy *p, uint32_t ip);

/**
 * policy_client() - The source that a guest sees for a forward's client
 * @client: its real address
 *
 * Return: @client, or the gateway's address for those that the guest could not
 * answer: loopback and its own subnet. A hairpin comes from the host's address, and
 * is seen so (RFC 4787 REQ-9a, RFC 5382 REQ-8: external source).
 */
uint32_t policy_client(const struct policy *p, uint32_t client);

#endif
