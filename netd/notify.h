/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service manager's readiness protocol (sd_notify(3)): datagrams to the socket
 * that NOTIFY_SOCKET names. Nothing happens when it is not set. */
#ifndef VNET_NETD_NOTIFY_H
#define VNET_NETD_NOTIFY_H

/* @state: "READY=1", "STOPPING=1". Errors are nobody's business. */
void notify_send(const char *state);

#endif
