/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small things that every file descriptor needs. */
#ifndef VNET_LIB_FDUTIL_H
#define VNET_LIB_FDUTIL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* The one test for "not now": EAGAIN, EWOULDBLOCK or EINTR (positive errno). */
static inline bool would_block(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* Set O_NONBLOCK and FD_CLOEXEC; negative errno on failure. */
int fd_setup(int fd);

/* Close *@fd when it is >= 0 and set it to -1; keeps errno. */
void fd_close(int *fd);

/* Receive and send buffers of a socket, bytes: beyond the host's limit if we may, else up
 * to it; never less than it has. Never fails: a smaller buffer works, too. */
void fd_rcvbuf(int fd, int size);
void fd_sndbuf(int fd, int size);

/* In a child: close all descriptors from 3 on but those in @keep (@n of them, in any
 * order; it is sorted; negative ones do not count). Before Linux 5.9 all stay. */
void fd_keep_only(int *keep, size_t n);

/* Open /dev/null on descriptors 0, 1, 2 that are closed, so that no socket ever
 * becomes one of them. Negative errno on failure. */
int fd_fill_std(void);

#endif
