/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest was kept from, in words: the same line in the log and the same event
 * whoever stopped it, the worker's switch or the kernel.
 */
#ifndef VNET_NETD_STOPPED_H
#define VNET_NETD_STOPPED_H

#include "lib/inet.h"
#include "netd/events.h"
#include "netd/model.h"

/**
 * stopped_log() - A line in the log
 * @who: the NIC, "VM-N"
 * @rogue: it played a server; @kind: "dhcp", "ra", "dhcp6", else pin_fault_name()
 */
void stopped_log(const char *network, const char *who, bool rogue,
		 const char *kind, const struct mac *mac);

/* The event, of control. */
void stopped_emit(struct nic *nic, bool rogue, const char *kind,
		  const struct mac *mac);

#endif
