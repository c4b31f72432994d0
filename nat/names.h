/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the network's VMs and their addresses, for the resolver. A name may have
 * several addresses and an address several names; lookups give them in the
 * order in which they were set. Case does not matter.
 */
#ifndef VNET_NAT_NAMES_H
#define VNET_NAT_NAMES_H

#include "lib/htab.h"
#include "lib/inet.h"
#include "lib/list.h"

#define NAMES_MAX      4096
#define NAMES_PER_NAME 16 /* addresses of one family returned for one name */

struct names {
	struct htab by_name, by_ip;
	uint64_t serial;
};

int names_init(struct names *t, const uint64_t seed[2]);
void names_fini(struct names *t);

/* 0 (also when it is there already), -EINVAL (not a host name, RFC 1123 2.1;
 * underscores are let pass; or no address), -ENOSPC, -ENOMEM. */
int names_set(struct names *t, const char *name, const struct ipaddr *ip);

/* @ip NULL = all addresses of the name. */
void names_del(struct names *t, const char *name, const struct ipaddr *ip);

/* Is there an address of either family for @name (lower case)? */
bool names_has(const struct names *t, const char *name);

/* The IPv4 (or with @ip6 the IPv6) addresses of @name, at most @cap and
 * NAMES_PER_NAME; returns how many. */
size_t names_find(const struct names *t, const char *name, bool ip6,
		  struct ipaddr *ip, size_t cap);

/* First name of @ip, or NULL; valid until the table changes. */
const char *names_of(const struct names *t, const struct ipaddr *ip);

#endif
