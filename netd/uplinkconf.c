// SPDX-License-Identifier: GPL-2.0-or-later
/* See uplinkconf.h. */
#include "netd/uplinkconf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netd/validate.h"

static const char *const modes[] = {"take-in", "tap-in"};

const char *uplinkconf_mode_name(enum uplink_mode m)
{
	return modes[m];
}

int uplinkconf_mode_parse(const char *s, enum uplink_mode *out)
{
	for (int i = UPLINK_TAKE_IN; i <= UPLINK_TAP_IN; i++) {
		if (strcmp(modes[i], s))
			continue;
		*out = (enum uplink_mode)i;
		return 0;
	}
	return -EINVAL;
}

static const char *const mac_nats[] = {"auto", "on", "off"};

const char *uplinkconf_mac_nat_name(enum mac_nat m)
{
	return mac_nats[m];
}

int uplinkconf_mac_nat_parse(const char *s, enum mac_nat *out)
{
	for (int i = MAC_NAT_AUTO; i <= MAC_NAT_OFF; i++) {
		if (strcmp(mac_nats[i], s))
			continue;
		*out = (enum mac_nat)i;
		return 0;
	}
	return -EINVAL;
}

static int set_uplink(struct net_conf *c, const char *name, struct errtext *why)
{
	if (c->mode != NET_BRIDGED)
		return errtext_set(why, -EINVAL,
				   "only bridged networks have an uplink");
	if (validate_ifname(name, why))
		return -EINVAL;
	snprintf(c->uplink, sizeof(c->uplink), "%.15s", name);
	return 0;
}

int uplinkconf_apply(struct net_conf *c, const struct uplinkconf_spec *s,
		     struct errtext *why)
{
	int r = s->uplink ? set_uplink(c, s->uplink, why) : 0;

	if (r)
		return r;
	if (s->mode && c->mode != NET_BRIDGED)
		return errtext_set(why, -EINVAL,
				   "only bridged networks have an uplink mode");
	if (s->mode && uplinkconf_mode_parse(s->mode, &c->uplink_mode))
		return errtext_set(why, -EINVAL,
				   "uplink mode: one of tap-in, take-in");
	if (s->mac_nat && c->mode != NET_BRIDGED)
		return errtext_set(why, -EINVAL,
				   "only guests of bridged networks have MACs "
				   "to be translated");
	if (s->mac_nat && uplinkconf_mac_nat_parse(s->mac_nat, &c->mac_nat))
		return errtext_set(why, -EINVAL,
				   "MAC translation: one of auto, on, off");
	return uplinkconf_check(c, why);
}

int uplinkconf_make(struct net_conf *c, const struct uplinkconf_spec *s,
		    struct errtext *why)
{
	bool user = c->datapath == DATAPATH_USER;

	c->uplink_mode = c->mode == NET_BRIDGED && user ? UPLINK_TAP_IN
							: UPLINK_TAKE_IN;
	return uplinkconf_apply(c, s, why);
}

int uplinkconf_check(const struct net_conf *c, struct errtext *why)
{
	if (c->mode != NET_BRIDGED)
		return 0;
	if (!c->uplink[0])
		return errtext_set(why, -EINVAL,
				   "a bridged network needs an uplink");
	if (c->uplink_mode == UPLINK_TAP_IN && c->datapath != DATAPATH_USER)
		return errtext_set(why, -EINVAL,
				   "uplink mode tap-in is datapath user's: a "
				   "bridge of the kernel's takes the uplink in");
	if (c->mac_nat == MAC_NAT_ON && c->uplink_mode != UPLINK_TAP_IN)
		return errtext_set(why, -EINVAL,
				   "MAC translation goes with uplink mode tap-in: "
				   "a bridge sends each guest's frames with its "
				   "own MAC");
	return validate_ifname(c->uplink, why);
}
