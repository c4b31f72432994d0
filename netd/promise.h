/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which address will a NIC get? It is known before its guest has ever asked: a NIC on
 * a network with DHCP is promised one of the pool when it is attached, kept as a lease
 * in the state DHCP_PROMISED. For the server that is like an address that the
 * client had before: it is offered to its owner, and to others only when no address is
 * left that nobody has or had. IPv6 needs no such record: the MAC says it all. With "identity rfc2131" clients are not
 * known before they speak, and nothing is promised.
 */
#ifndef VNET_NETD_PROMISE_H
#define VNET_NETD_PROMISE_H

#include "netd/ctl.h"

/* The address kept for a NIC that has no lease: promised, or what it had before;
 * 0 = none. */
uint32_t promise_of(const struct nic *nic, int64_t wall_s);

/* The IPv6 address that DHCPv6 will give a NIC which has none: the one reserved for it,
 * or that its MAC points at (dhcp6_place_of()); zero = none, or guests make them. */
struct ipaddr promise6_of(const struct nic *nic, int64_t wall_s);

/* The same for many NICs of a network that makes such promises: what is looked up for each
 * is gathered once. Valid until the model changes; NULL without memory. */
struct promise6;

bool promise6_any(const struct network *n);
struct promise6 *promise6_new(const struct network *n);
struct ipaddr promise6_find(const struct promise6 *p, const struct nic *nic,
			    int64_t wall_s);
void promise6_free(struct promise6 *p);

/* @mac has a NIC, a reservation or a lease now, or has it no more: promise an address
 * where one is missing, take back what is no NIC's. A full store or pool: no promise. */
void promise_settle(struct ctl *ctl, struct network *n, const struct mac *mac);

/* A promise is gone against our will: another one, but not in a circle. */
void promise_lost(struct ctl *ctl, struct network *n, const struct mac *mac);

#endif
