/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a network's DHCP is set to beyond its definition: options of scopes, and
 * settings of the server itself. One validator for the API, the store and
 * restarts; changes hold from the next message of a guest on.
 */
#ifndef VNET_NETD_DHCPSET_H
#define VNET_NETD_DHCPSET_H

#include <jansson.h>

#include "netd/ctl.h"

#define DHCPSET_MAX 4096 /* settings of a network */

/**
 * dhcpset_check() - Does the record make sense?
 *
 * Its scope is "" (the network), "group:NAME", "vm:NAME", "vm:NAME/NIC" or
 * "mac:52:54:00:…". Its name is an option's number, its value "0x…" or "" (not
 * to be sent); or, of the network, "identity" (nic, rfc2131), "leases-per-nic",
 * "boot-server" (an address), "boot:ARCH" (a file) and "pool:SUBNET" (of a link
 * behind relays: "auto", "FIRST-LAST", then "@ROUTER"); or, of a group, "match".
 */
int dhcpset_check(const struct dhcpset_conf *c, struct errtext *why);

/**
 * dhcpset_fit() - May @k more records of one scope join those that there are?
 *
 * Return: 0; -E2BIG with @why: too many settings or boot files, or more bytes of
 * options than a scope may have (DHCP_OPTS_MAX; a VM's count with its NICs').
 */
int dhcpset_fit(const struct network *n, const char *scope,
		const struct dhcpset_conf *list, size_t k, struct errtext *why);

/* "mtu=1400", "identity=rfc2131", "boot:bios=pxelinux.0": name and value as
 * above. */
int dhcpset_parse(const char *text, struct dhcpset_conf *out,
		  struct errtext *why);
/* The name alone, as it is kept. */
int dhcpset_name(const char *text, char *out, size_t cap, struct errtext *why);

/* {code,name,type,value,…} of one. */
json_t *dhcpset_obj(const struct network *n, const struct dhcpset *s);

/* Add what is of the server itself to W_NET's "dhcp". */
void dhcpset_config(const struct network *n, json_t *dhcp);

/* Is @ip outside the network's subnet one that a relay's client may have? Of a pool for
 * relays, or its lease is known: the pool may be gone. */
bool dhcpset_relayed(struct network *n, uint32_t ip);

/* May @ip, outside the network's subnet, be reserved: is it a host's in a pool for
 * relays? */
int dhcpset_resv_check(const struct network *n, uint32_t ip,
		       struct errtext *why);
/* May the setting go, or is an address of its pool reserved? */
int dhcpset_del_check(const struct network *n, const struct dhcpset *s,
		      struct errtext *why);

/* Tell the worker of all scopes, of one, of those that hold for a NIC. */
void dhcpset_tell(struct network *n);
void dhcpset_tell_scope(struct network *n, const char *scope);
void dhcpset_tell_nic(struct network *n, const struct nic *nic);

/* The longest term that any scope has, or @lease_s. */
uint32_t dhcpset_lease_max(const struct network *n, uint32_t lease_s);

#endif
