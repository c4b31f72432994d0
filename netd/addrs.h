/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which address has a VM? Lease, else what it spoke from, else what is reserved.
 * And the calls that wait until there is one.
 */
#ifndef VNET_NETD_ADDRS_H
#define VNET_NETD_ADDRS_H

#include "netd/api.h"
#include "netd/ctl.h"

#define ADDRS_WAITERS_MAX 256

/* The best single address now; 0 = none. */
uint32_t addrs_of_nic(const struct nic *nic, int64_t wall_s);

/* The same without what is only reserved: where its VM can be met now. */
uint32_t addrs_live(const struct nic *nic, int64_t wall_s);

/* The same of IPv6: leased, else what it used last; zero = none. */
struct ipaddr addrs_live6(const struct nic *nic, int64_t wall_s);

/* The NIC's leases of DHCPv6 that run, prefixes too: the first (@l NULL) or the next one;
 * NULL after the last. */
const struct lease6 *addrs_lease6(const struct nic *nic, const struct lease6 *l,
				  int64_t wall_s);

/* nic.addresses: answers @c now or within @wait_s. */
void addrs_call(struct ctl *ctl, struct call *c, const char *vm,
		int64_t wait_s);

/* Something about the VM's addresses changed. */
void addrs_changed(struct ctl *ctl, const char *vm);

/* Refuse everything that waits (shutdown). */
void addrs_fini(struct ctl *ctl);

#endif
