/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instance's folders and the lock that makes it the only one there. */
#ifndef VNET_NETD_RUNDIR_H
#define VNET_NETD_RUNDIR_H

#include <stdbool.h>

#include "lib/errtext.h"

/* RUNTIME, RUNTIME/nic and STATE, with parents. @system: others may look. */
int rundir_make(const char *run_dir, const char *state_dir, bool system,
		struct errtext *why);

/**
 * rundir_lock() - Become the only instance with this folder
 * @dir: of sockets, or of the store: two daemons may share neither
 *
 * Return: descriptor to be kept open; -EBUSY with the other's pid in @why.
 */
int rundir_lock(const char *dir, struct errtext *why);

/* Remove sockets that a killed instance left in RUNTIME/nic. With the lock. */
void rundir_sweep(const char *run_dir);

#endif
