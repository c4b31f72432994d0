/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forwards in action: their host sockets, made here (also below 1024, through
 * priv) and kept over worker restarts. Owns the run-time fields of struct forward.
 */
#ifndef VNET_NETD_FWDCTL_H
#define VNET_NETD_FWDCTL_H

#include "netd/api.h"
#include "netd/ctl.h"

#define FWDCTL_RETRY_S 5 /* a port that was busy is tried again */

/* Bind, store, remember, tell the worker; answers @c. */
void fwdctl_add(struct ctl *ctl, struct call *c, struct network *n,
		struct fwd_conf *conf);
int fwdctl_del(struct ctl *ctl, struct forward *f, struct errtext *why);

struct forward *fwdctl_load(struct ctl *ctl, struct network *n,
			    const struct fwd_conf *conf);

void fwdctl_net_ready(struct ctl *ctl, struct network *n);
/* @stopped: give the ports back, not only a restart. */
void fwdctl_net_gone(struct ctl *ctl, struct network *n, bool stopped);

/* NICs came or went: forwards by VM name follow. */
void fwdctl_nics_changed(struct ctl *ctl, struct network *n);

/* Failed ones try again; called every FWDCTL_RETRY_S. */
void fwdctl_retry(struct ctl *ctl);

/* Close sockets, at the very end. */
void fwdctl_release(struct forward *f);

#endif
