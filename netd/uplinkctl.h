/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Uplinks that are taken into a bridge (switch/uplink.h), for both datapaths: asking priv
 * for it, and giving back. Of datapath user the bridge goes with us; of datapath kernel
 * guests' TAPs are on it, so that one stays whoever ends, and who starts finds it.
 */
#ifndef VNET_NETD_UPLINKCTL_H
#define VNET_NETD_UPLINKCTL_H

#include <jansson.h>

#include "netd/ctl.h"

/**
 * uplinkctl_open() - Take it in, or take over what the last vnetd left
 *
 * n->port_fd is our port of the bridge; -1 when it was taken over. Return: 0; -ENODEV
 * no such interface; -EBUSY another network has it; -EHOSTUNREACH the host was cut off,
 * and all put back; … with @why.
 */
int uplinkctl_open(struct network *n, struct errtext *why);

/* Give it back. */
void uplinkctl_close(struct network *n);

/* Of datapath kernel: is it as it was? Return: as uplink_keep(). */
int uplinkctl_keep(struct network *n, bool *changed, struct errtext *why);

/* Append the steps that would be taken now; @all: as if nothing were done. */
int uplinkctl_plan(const struct network *n, bool all, json_t *steps,
		   struct errtext *why);

#endif
