/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one judge of names, subnets and pools, and the defaults for what the user
 * left open. Pure: what else exists (other networks, the host's routes) is handed
 * in. The same checks serve the API and what is loaded from the store.
 * All return 0 or -EINVAL (-EEXIST for overlaps) with @why.
 */
#ifndef VNET_NETD_VALIDATE_H
#define VNET_NETD_VALIDATE_H

#include <stddef.h>

#include "lib/errtext.h"
#include "netd/conf.h"
#include "netd/natconf.h"
#include "netd/uplinkconf.h"

#define MTU_MIN	    576 /* RFC 791: every host takes that much */
#define MTU_MAX	    65521
#define POOL_MAX    DHCP_POOL_MAX /* addresses in a DHCP pool */
#define LEASE_S_MIN 60
#define LEASE_S_MAX 31536000
#define LEASE_S_DEF 86400

#define MTU_IP6_MIN 1280 /* RFC 8200 5 */
#define SUBNET6_PLEN 64 /* RFC 4862: what guests make addresses of */

/* A subnet that is taken, and the words for by whom. One of both has a length. */
struct net_used {
	struct ip4_net net;
	char what[80]; /* "network red", "a route of the host via eth0" */
	struct ip6_net net6;
};

/* What a definition request says; NULL and 0 mean: choose. */
struct net_spec {
	const char *name;
	enum net_mode mode;
	enum net_datapath datapath;
	const struct ip4_net *subnet;
	const char *subnet6; /* "auto", "off", "fd00:1:2:3::/64" */
	const struct ip6_net *ula; /* a /48 to take a prefix from */
	const char *ipv6, *prefix_pool; /* ip6conf.h */
	const char *dhcp; /* "on", "off", "FIRST-LAST" */
	uint16_t mtu;
	struct uplinkconf_spec uplink;
	struct natconf_spec nat;
	const char *domain;
	uint32_t lease_s;
	const char *tftp; /* a folder */
	bool autostart;
};

/* Letters, digits, '.', '_', '-'; begins with a letter or digit. @what: "network
 * name", "VM name" for the sentence. */
int validate_name(const char *what, const char *s, struct errtext *why);
int validate_ifname(const char *s, struct errtext *why);
int validate_hostname(const char *s, struct errtext *why);
int validate_domain(const char *s, struct errtext *why);
/* A NIC's address: unicast, not zero. */
int validate_mac(const struct mac *m, struct errtext *why);

/**
 * net_conf_make() - A definition from a request
 * @used: subnets that must not overlap
 *
 * Chooses the first free default subnet when none is given. mac and id stay zero
 * where the store or the caller decides.
 */
int net_conf_make(const struct net_spec *spec, const struct net_used *used,
		  size_t nused, struct net_conf *out, struct errtext *why);

/**
 * net_subnet6_make() - The IPv6 prefix of a definition (validate_ip6.c)
 * @c: everything else is in it
 *
 * Left open, a network has one of the installation's own /48 (RFC 4193) when its mode
 * serves addresses at all; when all is taken or the MTU too small, it has none.
 */
int net_subnet6_make(const struct net_spec *spec, const struct net_used *used,
		     size_t nused, struct net_conf *c, struct errtext *why);
int net_subnet6_check(const struct net_conf *c, struct errtext *why);

/* May a guest of the network have @ip? In its /64 and not one of ours. */
int net_guest_ip6(const struct net_conf *c, const struct ipaddr *ip,
		  struct errtext *why);

/* Is it an address, or a prefix, that DHCPv6 gives out here? */
bool net_lease6_ok(const struct net_conf *c, const struct lease6_conf *l);

/* Is the record consistent in itself? */
int net_conf_check(const struct net_conf *c, struct errtext *why);

/* May a guest of the network have @ip? Not net, broadcast or one of ours. */
int net_guest_ip(const struct net_conf *c, uint32_t ip, struct errtext *why);

int nic_conf_check(const struct nic_conf *c, struct errtext *why);
int fwd_conf_check(const struct fwd_conf *c, const struct net_conf *net,
		   struct errtext *why);
int resv_conf_check(const struct resv_conf *c, const struct net_conf *net,
		    struct errtext *why);

/* Do two forwards want a port of the host in common? */
bool fwd_overlap(const struct fwd_conf *a, const struct fwd_conf *b);

/**
 * dev_name() - Name for a device of ours: prefix + name, cut with a hash to 15
 * @index: appended as "-N" when >= 0
 */
void dev_name(const char *prefix, const char *name, int index,
	      char out[IFNAMSIZ]);

#endif
