/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process gives up, in order. A worker parses bytes that guests chose, so it
 * enters its sandbox first thing and seals it before the first of them is read:
 *
 *   sandbox_enter()  namespaces, empty root, nobody, no capabilities
 *   …                event loop, descriptors
 *   sandbox_seal()   system calls
 *
 * After that it has no filesystem, no other process, no capability, no new program
 * and, when isolated, no network: only the descriptors that control sends.
 */
#ifndef VNET_NETD_SANDBOX_H
#define VNET_NETD_SANDBOX_H

#include <stdbool.h>

#include "lib/errtext.h"

/**
 * sandbox_enter() - Leave the host: everything but system calls
 * @isolated: into an empty network namespace too
 *
 * Must be: single threaded; nothing read from outside yet; the descriptors that
 * are to stay open (the channel) are open. Must not be: sealed. After it nothing
 * can be opened by path, no user or group be looked up, no address resolved.
 *
 * As root all of it must work, or it fails. An ordinary user gets the same in a
 * user namespace; where that is refused, the filesystem goes by Landlock, the
 * network by the seal alone, and one warning says what is missing.
 *
 * Return: 0; negative errno with @why: do not go on.
 */
int sandbox_enter(bool isolated, struct errtext *why);

/**
 * sandbox_seal() - Allow only the system calls that a worker needs
 * @isolated: no socket of its own: what is received on the channel is all it has
 *
 * Must be: sandbox_enter() done (no_new_privs), the event loop made (it opens
 * its wake-up descriptors), log set up. Must not yet be: any byte from outside
 * read. What is not allowed fails with EPERM; what only an intruder would try
 * (a new program or process, tracing, mounts, modules, …) kills the process.
 *
 * Return: 0; negative errno with @why: do not go on.
 */
int sandbox_seal(bool isolated, struct errtext *why);

/**
 * sandbox_helper() - The privileged helper: what its requests need, no more
 *
 * The list with its reasons is beside the function. Workers that it starts can
 * have no more.
 */
int sandbox_helper(struct errtext *why);

#endif
