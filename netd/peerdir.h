/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RUNTIME/nic/<vm>-<index>.peer: where a runner whose datagram socket is not
 * connected to ours (QEMU's dgram netdev) puts it. Only the NIC's owner can write
 * there, which is what makes an address in it trustworthy (priv.h, priv_way()).
 */
#ifndef VNET_NETD_PEERDIR_H
#define VNET_NETD_PEERDIR_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/errtext.h"

/* Make it, or take over what an earlier vnetd left (a runner may have its socket
 * in there); mode 0700, @owner's. 0 or negative errno. */
int peerdir_make(const char *path, uid_t owner, struct errtext *why);

/* @live: runners may go on: only sockets that nobody has open are removed, and the
 * folder when it is empty. Else all sockets in it go. */
void peerdir_remove(const char *path, bool live);

#endif
