/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the network's VMs and their addresses, for the resolver. A name may have
 * several addresses and an address several names; lookups give them in the
 * order in which they were set. Case does not matter.
 *
 * Who sets a name is its owner, and takes back only what it set itself: a VM and a
 * reservation may say the same, and either may go first.
 */
#ifndef VNET_NAT_NAMES_H
#define VNET_NAT_NAMES_H

#include "lib/htab.h"
#include "lib/inet.h"
#include "lib/list.h"

#define NAMES_MAX      16384
#define NAMES_PER_NAME 16 /* addresses of one family returned for one name */

/* In an owner's number: the name is a guest's own claim. Such a name is an address's
 * last choice. */
#define NAMES_CLAIM (UINT64_C(1) << 63)

struct names {
	struct htab by_name, by_ip;
	uint64_t serial;
};

int names_init(struct names *t, const uint64_t seed[2]);
void names_fini(struct names *t);

/* Is it one of the network's own, "host" or "gateway"? */
bool names_is_service(const char *name);

/* 0 (also when it is there already), -EINVAL (not a host name, RFC 1123 2.1;
 * underscores are let pass; the network's own; or no address), -ENOSPC, -ENOMEM. */
int names_set(struct names *t, uint64_t owner, const char *name,
	      const struct ipaddr *ip);

/* What @owner set: @ip NULL = all addresses of the name, @name NULL = all names of
 * the address; both: all of it (looks at the whole table). */
void names_del(struct names *t, uint64_t owner, const char *name,
	       const struct ipaddr *ip);

/* Is there an address of either family for @name (lower case)? */
bool names_has(const struct names *t, const char *name);

/* The IPv4 (or with @ip6 the IPv6) addresses of @name, at most @cap and
 * NAMES_PER_NAME; returns how many. */
size_t names_find(const struct names *t, const char *name, bool ip6,
		  struct ipaddr *ip, size_t cap);

/* First name of @ip, no claim if there is another, or NULL; valid until the table changes. */
const char *names_of(const struct names *t, const struct ipaddr *ip);

#endif
