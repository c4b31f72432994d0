/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the network's VMs and their addresses, for the resolver. A name may have
 * several addresses and an address several names; lookups give them in the
 * order in which they were set. Case does not matter.
 */
#ifndef VNET_NAT_NAMES_H
#define VNET_NAT_NAMES_H

#include "lib/htab.h"
#include "lib/list.h"

#define NAMES_MAX      4096
#define NAMES_PER_NAME 16 /* addresses returned for one name */

struct names {
	struct htab by_name, by_ip;
	uint64_t serial;
};

int names_init(struct names *t, const uint64_t seed[2]);
void names_fini(struct names *t);

/* 0 (also when it is there already), -EINVAL (not a host name, RFC 1123 2.1;
 * underscores are let pass), -ENOSPC, -ENOMEM. */
int names_set(struct names *t, const char *name, uint32_t ip);

/* @ip 0 = all addresses of the name. */
void names_del(struct names *t, const char *name, uint32_t ip);

/* Addresses of @name (lower case), at most @cap; returns how many. */
size_t names_find(const struct names *t, const char *name, uint32_t *ip,
		  size_t cap);

/* First name of @ip, or NULL; valid until the table changes. */
const char *names_of(const struct names *t, uint32_t ip);

#endif
