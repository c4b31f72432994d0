/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to netctl*.c. */
#ifndef VNET_NETD_NETCTL_INT_H
#define VNET_NETD_NETCTL_INT_H

#include "netd/netctl.h"
#include "netd/super.h"

/* netctl_msg.c: with the struct network as argument. */
extern const struct super_ops netctl_super_ops;

/* W_NIC_ADD for the host adapter or the uplink. */
void netctl_send_port(struct network *n);

/* netctl.c */
void netctl_on_ready(struct network *n);
void netctl_on_ended(struct network *n, bool was_stopped, const char *reason);
void netctl_port_refused(struct network *n, const char *reason);

#endif
