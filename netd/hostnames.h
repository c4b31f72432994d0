/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who in a network is called what. Names that the user gave come first: a record of
 * the network's DNS, a reservation's host name, a VM's name. What a guest calls
 * itself (DHCP options 12 and 81, DHCPv6's 39) is a claim: the first who asks for a
 * free name has it as long as its lease runs, and nobody else; one MAC may have it
 * with addresses of both families. Claims are in the store, so that a restart changes
 * no owner; a name the user gives away is taken back from a claimer.
 */
#ifndef VNET_NETD_HOSTNAMES_H
#define VNET_NETD_HOSTNAMES_H

#include "netd/ctl.h"

/* Never a guest's: the resolver's own, and names that software finds servers by (proxy
 * discovery, RFC 5214 tunnels). */
bool hostnames_is_barred(const char *name);

/* A lease was stored: judge the name (nullable) its client claims, tell the worker. */
void hostnames_leased(struct ctl *ctl, struct network *n,
		      const struct ipaddr *ip, const struct mac *mac,
		      const char *name);

/* A lease ended: so does what was claimed with it. */
void hostnames_ended(struct ctl *ctl, struct network *n,
		     const struct ipaddr *ip);

/* The user gave @name to somebody; a claim of another MAC than @mac (NULL = any) on
 * it ends. */
void hostnames_taken(struct ctl *ctl, struct network *n, const char *name,
		     const struct mac *mac);

/* The claimed name of @mac's lease of @ip, if it was granted; else NULL. */
const char *hostnames_claim(const struct network *n, const struct ipaddr *ip,
			    const struct mac *mac);

/* A claim from the store. */
int hostnames_load(struct ctl *ctl, struct network *n, const struct claim_conf *c);

/* All claims, for a worker that starts. */
void hostnames_send(struct network *n);

#endif
