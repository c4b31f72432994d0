/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control process gives up. As root it keeps two capabilities:
 *   CAP_CHOWN  NIC sockets belong to the user whose VM connects to them
 *   CAP_KILL   workers that do not end may run under another uid
 * Everything else that needs privilege goes through priv.h.
 */
#ifndef VNET_NETD_CAPS_H
#define VNET_NETD_CAPS_H

#include <stdbool.h>

#include "lib/errtext.h"

/* Call after priv_start(). 0 or negative errno with @why. */
int caps_drop(bool root, struct errtext *why);

#endif
