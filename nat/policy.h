/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a guest's packet may go, and as whom the outside is shown to it.
 * One set of rules for ICMP, UDP and TCP of both families.
 */
#ifndef VNET_NAT_POLICY_H
#define VNET_NAT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"
#include "nat/nat.h"

struct routes6;

struct policy {
	uint32_t ip, dns_ip; /* ours; dns_ip 0 = none */
	struct ip4_net net;
	struct ipaddr ip6, dns_ip6, ll6; /* ours; zero = none */
	struct ip6_net net6; /* plen 0 = a network without IPv6 */
	const struct routes6 *routes; /* prefixes behind guests; may be NULL */
	enum nat_host_access host_access;
	uint32_t host_ip; /* 0 = none */
	struct ipaddr host_ip6; /* zero = none */
	struct ip4_net deny[NAT_DENY_MAX];
	size_t ndeny;
	struct ip6_net deny6[NAT_DENY_MAX];
	size_t ndeny6;
	struct nat_allow allow[NAT_ALLOW_MAX]; /* of the host; none = all */
	size_t nallow;
	struct ipaddr self[NAT_SELF_MAX]; /* the host's; for allow[] */
	size_t nself;
};

enum policy_verdict {
	POLICY_OUT,	/* to the address in *real */
	POLICY_SILENT,	/* never goes out; say nothing */
	POLICY_DENY,	/* not allowed: ICMP code 13, RST */
	POLICY_NOWHERE, /* nothing is there: ICMP code 1, RST */
};

/* May a guest reach @dst, and what address is that on the host? */
enum policy_verdict policy_dst(const struct policy *p, const struct ipaddr *dst,
			       struct ipaddr *real);

/* The same for a UDP datagram or TCP connection to @port: on the host only ports of
 * allow[] are reachable, if there are any. */
enum policy_verdict policy_flow(const struct policy *p, enum nat_proto proto,
				const struct ipaddr *dst, uint16_t port,
				struct ipaddr *real);

/* Is it one of ours (gateway, resolver)? */
bool policy_is_us(const struct policy *p, const struct ipaddr *ip);

/* The gateway's address for guests that speak @as's family. */
struct ipaddr policy_gateway(const struct policy *p, const struct ipaddr *as);

/* Is @ip inside the network (IPv6: its prefix, a link-local address, one that is
 * behind a guest)? */
bool policy_is_inside(const struct policy *p, const struct ipaddr *ip);

/* Is it the host's own address (not loopback)? */
bool policy_is_host(const struct policy *p, const struct ipaddr *ip);

/* Is @ip in a denied prefix? */
bool policy_denied(const struct policy *p, const struct ipaddr *ip);

/* Is it an address that nothing outside has, so that nothing comes from there? */
bool policy_is_martian(const struct ipaddr *ip);

/**
 * policy_client() - The source that a guest sees for a forward's client
 * @client: its real address
 * @guest: the address of the guest that it goes to
 *
 * Return: @client, or the gateway's address for those that the guest could not
 * answer: loopback, link-local ones, its own subnet and the other family. A hairpin comes from the
 * host's address, and is seen so (RFC 4787 REQ-9a, RFC 5382 REQ-8: external source).
 */
struct ipaddr policy_client(const struct policy *p, const struct ipaddr *client,
			    const struct ipaddr *guest);

#endif
