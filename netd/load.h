/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the store into the model, judged by the same validator as requests. */
#ifndef VNET_NETD_LOAD_H
#define VNET_NETD_LOAD_H

#include "lib/errtext.h"
#include "netd/ctl.h"

/**
 * load_all() - Fill the model; decide which networks are to run
 *
 * After a crash in the same boot exactly those that ran run again; after an orderly
 * end those that ran and all with autostart; after a boot those with autostart.
 * network.conf.active says so afterwards. Marks the store as in use.
 */
int load_all(struct ctl *ctl, struct errtext *why);

/* An orderly end. */
void load_mark_clean(struct ctl *ctl);

#endif
