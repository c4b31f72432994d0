/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guests on TAPs of the kernel datapath may say: what control asks priv for, what the
 * kernel tells of frames that it dropped, and how many there were. Beside knetctl.h, which
 * says when.
 */
#ifndef VNET_NETD_KGUARDCTL_H
#define VNET_NETD_KGUARDCTL_H

#include <jansson.h>

#include "netd/ctl.h"

struct kguardctl;

/* Hears the kernel; NULL when it cannot be heard (the log says why): then guests are kept
 * from what they may not all the same. */
struct kguardctl *kguardctl_new(struct ctl *ctl);
void kguardctl_free(struct kguardctl *k);

/* Bring the network's table in line. @more: a NIC that is not the network's yet;
 * nullable. @changed: was it another? */
int kguardctl_apply(struct network *n, const struct nic *more, bool *changed,
		    struct errtext *why);

/* Addresses of the network's NICs may be others. Of any network. */
void kguardctl_addresses(struct network *n);

/* Text of the table; heap, NULL without memory. @changed: would it be made another?
 * @all: as if nothing were there. */
char *kguardctl_plan(struct network *n, bool all, bool *changed,
		     struct errtext *why);

/* What each port's guest was kept from, {PORT: {"guard": N, "rogue": N}}; a new
 * reference. */
json_t *kguardctl_drops(struct network *n);

#endif
