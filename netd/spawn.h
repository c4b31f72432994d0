/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts workers: a new process of our own binary with one end of a channel as
 * descriptor WORKER_CHAN_FD, 0–2 filled, and nothing else inherited. Used by the
 * privileged helper, and by control itself when there is none.
 */
#ifndef VNET_NETD_SPAWN_H
#define VNET_NETD_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/errtext.h"
#include "lib/list.h"

#define SPAWN_NETWORK 64 /* bytes of a network's name */

/** struct spawn - Children started here and not yet reaped */
struct spawn {
	struct list children;
	/* Without a network so far, in its sandbox and ready: nine tenths of a
	 * worker's start are behind it. pid 0 = none. */
	struct {
		pid_t pid;
		int pidfd, chan;
	} spare;
};

void spawn_init(struct spawn *s);

/**
 * spawn_worker() - Fork, and exec /proc/self/exe as `vnetd worker NETWORK`
 * @die_with_us: the kernel kills it when we die; the channel's end, which is what
 *	a worker ends by, comes first
 * @pid_out, @pidfd_out, @chan_out: of the caller; descriptors are close-on-exec,
 *	the channel is non-blocking
 *
 * The worker is out of our terminal's process group and ignores SIGINT, SIGHUP
 * and SIGTERM: control decides about its end. Of the environment it gets only
 * what a journal, a sanitizer or a coverage build needs. If there is a spare one and
 * it is to be in the host's network namespace (not @isolated), it is that one.
 *
 * Return: 0; negative errno with @why.
 */
int spawn_worker(struct spawn *s, const char *network, bool isolated,
		 bool die_with_us, pid_t *pid_out, int *pidfd_out,
		 int *chan_out, struct errtext *why);

/* A child of another kind, to be reaped with them; "@what @of" is its name in the log.
 * -ENOMEM: it stays the caller's. */
int spawn_note(struct spawn *s, pid_t pid, const char *what, const char *of);

/* Is it one that has not been reaped? */
bool spawn_has(const struct spawn *s, pid_t pid);

/**
 * spawn_prepare() - Have a spare worker, so that the next network starts at once
 * @die_with_us: as spawn_worker()'s
 *
 * One is kept, for a network that is not isolated: the ones with NAT are most. It
 * hears of its network by W_NET, as others do. Return: as spawn_worker()'s; 0 also
 * if there is one.
 */
int spawn_prepare(struct spawn *s, bool die_with_us, struct errtext *why);

/* Reap those that have ended, and log the ends that were no clean exit. Only
 * children started here are waited for. */
void spawn_reap(struct spawn *s);

/* Wait up to @grace_ms for all, kill the rest. Their channels must be closed;
 * the spare one's is closed here. */
void spawn_finish(struct spawn *s, int grace_ms);

#endif
