/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pulls a QEMU guest's cable: frames that stop are not enough, the guest must see
 * the carrier go. QEMU connects its monitor to our listener (-chardev socket,…
 * -mon mode=control); we only ever write qmp_capabilities and set_link, and throw
 * away unread what it says.
 */
#ifndef VNET_NETD_QMP_H
#define VNET_NETD_QMP_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/errtext.h"

struct event_base;
struct qmp;

/**
 * qmp_new() - Listen at @path
 * @index: NIC number; the netdev's id in QEMU is "vnet<index>"
 * @up: link state to begin with
 */
int qmp_new(struct event_base *base, const char *path, uid_t owner, int index,
	    bool up, struct qmp **out, struct errtext *why);
void qmp_free(struct qmp *q);

/* Set the guest's link now, and again for whoever connects later. */
void qmp_link(struct qmp *q, bool up);

const char *qmp_path(const struct qmp *q);

#endif
