/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A worker: the process of one network. Joins switch, drivers, gateway and DHCP
 * server, and does what control says on the channel (proto.h). All bytes that a
 * guest chose are parsed here and in no other process.
 */
#ifndef VNET_NETD_WORKER_H
#define VNET_NETD_WORKER_H

#include <stdbool.h>

#define WORKER_SPARE '-' /* no network's name begins with it */

/**
 * worker_main() - Run until control says so or goes away
 * @network: for the log. One that begins with WORKER_SPARE is none: the first
 *	W_NET brings the name, and the place of this one in the command line, which
 *	has to be long enough, gets it
 * @isolated: put ourselves into an empty network namespace
 *
 * The channel is WORKER_CHAN_FD. Builds the sandbox (sandbox.h) before the first
 * byte from outside is read. Return: exit status.
 */
int worker_main(char *network, bool isolated);

#endif
