/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the resolver's files share. Not for others; see dns.h. */
#ifndef VNET_NAT_DNS_INT_H
#define VNET_NAT_DNS_INT_H

#include "nat/dns.h"

/** struct dns_local - An answer out of our own knowledge, with its storage. */
struct dns_local {
	struct dns_answer a;
	struct ipaddr addr[2 * NAMES_PER_NAME];
	char text[DNS_NAME_MAX + 1];
};

/**
 * dns_local() - Is the question ours to answer, and how?
 * @m: has a question
 *
 * Return: false for everything that only the host's resolvers can know.
 */
bool dns_local(const struct dns *d, const struct dns_msg *m,
	       struct dns_local *l);

#endif
