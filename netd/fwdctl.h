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

/* Bind, store, remember, tell the worker; answers @c. An address that the host does
 * not have is no obstacle: the forward waits for it. */
void fwdctl_add(struct ctl *ctl, struct call *c, struct network *n,
		struct fwd_conf *conf);

/**
 * fwdctl_set() - Make a forward what @conf says; its id and network stay
 *
 * All or nothing: when a new port cannot be had, the forward is as before. Ports that
 * both have in common stay open throughout. Connections end only where the target
 * is another; UDP clients also where their answers could not leave from where they
 * had sent to. Answers @c when the worker has done it.
 */
void fwdctl_set(struct ctl *ctl, struct call *c, struct forward *f,
		const struct fwd_conf *conf);

/* Forget it; its connections end. Answers @c when its ports are free again. */
void fwdctl_del(struct ctl *ctl, struct call *c, struct forward *f);

struct forward *fwdctl_load(struct ctl *ctl, struct network *n,
			    const struct fwd_conf *conf);

void fwdctl_net_ready(struct ctl *ctl, struct network *n);
/* @stopped: give the ports back, not only a restart. */
void fwdctl_net_gone(struct ctl *ctl, struct network *n, bool stopped);

/* NICs of the VM came or went: forwards by its name follow. */
void fwdctl_nics_changed(struct ctl *ctl, struct network *n, const char *vm);

/* The VM has another address, or none: those that lead to it may say so. */
void fwdctl_vm_changed(struct ctl *ctl, struct network *n, const char *vm);

/* Addresses of the host came or went. */
void fwdctl_host_changed(struct ctl *ctl);

/* Failed ones try again; called every FWDCTL_RETRY_S. */
void fwdctl_retry(struct ctl *ctl);

typedef void (*fwdctl_stats_fn)(void *arg);

/* Bring the stats of the network's forwards up to date, then call @done (at once
 * when the network does not run). */
void fwdctl_stats(struct ctl *ctl, struct network *n, fwdctl_stats_fn done,
		  void *arg);

struct knet;

/* The network's forwards that have a target now, as the kernel gets them (fwdctl_knet.c).
 * @note: what there is no room for is failed from now on, with a sentence. */
void fwd_knet_fill(struct network *n, struct knet *k, bool note);

/* The kernel took them, or did not: @err with @why. */
void fwd_knet_applied(struct network *n, int err, const struct errtext *why);

/* Close sockets, at the very end. */
void fwdctl_release(struct forward *f);

#endif
