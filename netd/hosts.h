/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of VMs for the host, in the form of hosts(5): as a list for whoever asks, and
 * on request as a file that follows what happens.
 *
 * Full names are all there are. A short name is told only when the user gave it and no
 * other network has it: a guest that calls itself like a machine of the LAN must
 * not get the host's connections.
 */
#ifndef VNET_NETD_HOSTS_H
#define VNET_NETD_HOSTS_H

#include <jansson.h>

#include "netd/ctl.h"

#define HOSTS_MARK "# vnet: names of VMs"
#define HOSTS_DELAY_MS 100 /* changes are gathered so long */

struct hosts;

/* [{network,address,names:[…]}], of one network or (NULL) of all; new reference.
 * @reachable: only where the host reaches VMs by their addresses. */
json_t *hosts_list(struct ctl *ctl, const char *network, bool reachable);

/**
 * hosts_new() - Keep @path up to date from now on
 *
 * Return: 0; -EEXIST when there is a file that is not ours, -ENOMEM, with @why. That it
 * cannot be written now is logged, and tried again at every change.
 */
int hosts_new(struct ctl *ctl, const char *path, struct hosts **out,
	      struct errtext *why);
/* The last word: nobody is there any more. NULL is fine. */
void hosts_free(struct hosts *h);

/* Something that is no event changed. NULL is fine. */
void hosts_touch(struct hosts *h);

#endif
