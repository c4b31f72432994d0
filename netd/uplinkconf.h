/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is configured of a bridged network's uplink: names, what is asked for, what goes
 * together. */
#ifndef VNET_NETD_UPLINKCONF_H
#define VNET_NETD_UPLINKCONF_H

#include "lib/errtext.h"
#include "netd/conf.h"

/* As asked for; NULL: as it is, or the usual. */
struct uplinkconf_spec {
	const char *uplink;
	const char *mode; /* "tap-in", "take-in" */
	const char *mac_nat; /* "auto", "on", "off" */
};

const char *uplinkconf_mode_name(enum uplink_mode m);
int uplinkconf_mode_parse(const char *s, enum uplink_mode *out);
const char *uplinkconf_mac_nat_name(enum mac_nat m);
int uplinkconf_mac_nat_parse(const char *s, enum mac_nat *out);

/**
 * uplinkconf_make() - Of a new network, whose mode and datapath are in @c
 *
 * Left open, the host's interface is left as it is, which cannot cut the host off and
 * works on Wi-Fi; in datapath kernel a bridge needs it.
 */
int uplinkconf_make(struct net_conf *c, const struct uplinkconf_spec *s,
		    struct errtext *why);

/* Change what @s names. */
int uplinkconf_apply(struct net_conf *c, const struct uplinkconf_spec *s,
		     struct errtext *why);

/* Is it consistent in itself? */
int uplinkconf_check(const struct net_conf *c, struct errtext *why);

#endif
