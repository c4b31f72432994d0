/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control process from its first step to its last. */
#ifndef VNET_NETD_DAEMON_H
#define VNET_NETD_DAEMON_H

#include "netd/options.h"

/* Run until a signal says otherwise. Return: exit status. */
int daemon_run(const struct options *o);

#endif
