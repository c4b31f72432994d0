/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of NICs whose frames the network's worker does not see: TAPs that are ports of
 * a bridge. Read from the kernel when somebody asks. */
#ifndef VNET_NETD_KSTATS_H
#define VNET_NETD_KSTATS_H

#include <jansson.h>

#include "netd/model.h"

/**
 * kstats_put() - Put the numbers of @n's TAPs to their NICs
 * @nics: an object for each of @n's NICs, in their order; gets a member "stats", or more
 *	in the one it has
 *
 * As of port_stats (switch/port.h): rx is from the VM. They begin with the device, which
 * outlives the worker. A NIC whose device is not there gets none.
 */
void kstats_put(const struct network *n, json_t *nics);

#endif
