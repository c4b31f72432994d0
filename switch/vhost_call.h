/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals to a guest, through eventfds that its VMM lent us and still holds: it may make
 * them block and fill them, and our next write would wait until it likes to read. There is
 * no write to an eventfd that never waits, so while any are made an alarm goes off now and
 * then, which ends such a wait. Nothing else in a worker waits for as long.
 */
#ifndef VNET_SWITCH_VHOST_CALL_H
#define VNET_SWITCH_VHOST_CALL_H

#define VHOST_CALL_MS 20 /* longest wait */

/**
 * vhost_call() - Add one to an eventfd
 *
 * Takes the process's SIGALRM and ITIMER_REAL while it is in use.
 *
 * Return: 0, also when it holds as much as it can; -EBUSY: we had to wait.
 */
int vhost_call(int fd);

#endif
