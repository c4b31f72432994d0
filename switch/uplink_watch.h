/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that outlives ours while an uplink is on its way from one state to another.
 * Between uplink*.c only.
 *
 * It is forked before the first step, in a session of its own, holds nothing but one end
 * of a socket pair, and waits. Told that all is well it ends. When our end closes without a
 * word (we were killed), it gives back what the journal tells of. When we say nothing
 * for WATCH_MS we hang, and the host may be cut off: it kills us, then does the same.
 */
#ifndef VNET_SWITCH_UPLINK_WATCH_H
#define VNET_SWITCH_UPLINK_WATCH_H

#include "lib/errtext.h"

#define WATCH_MS 30000 /* several times what taking in needs at worst */

/**
 * uplink_watch_start() - Have an eye on us
 * @journal: absolute path; need not exist yet
 * @keep: a descriptor (a lock) that it holds until it ends; -1 = none
 *
 * Return: a descriptor for uplink_watch_end(); negative errno with @why.
 */
int uplink_watch_start(const char *journal, int keep, struct errtext *why);

/* It is done, one way or the other: the journal tells no more than it should. Returns
 * when the watchdog has ended. @fd: -1 = there is none. */
void uplink_watch_end(int fd);

#endif
