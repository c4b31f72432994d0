/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a descriptor is that a front end lent us. Who is behind it may be as hostile as the
 * front end: a file of a file system that is a process (FUSE) answers when that likes to,
 * and who reads or writes it, or its mapping, waits for as long. So what can be told is told
 * without asking there, and what cannot wait is all that is taken.
 */
#ifndef VNET_SWITCH_VHOST_FD_H
#define VNET_SWITCH_VHOST_FD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/errtext.h"

/* Is it an eventfd? Into a pipe we might write for ever; and a loop that waits for an epoll
 * descriptor waits for whoever is in the midst of reading it. Whoever reads @fd may be
 * woken to find nothing. */
bool vhost_fd_is_event(int fd);

/**
 * vhost_fd_memory() - A file that may be mapped
 * @size: out: its length now
 * @grain: out: its pages' size, a power of two
 *
 * Return: 0; -EINVAL with @why: it is no file, or of a file system that is not known to
 * keep its pages at hand: tmpfs, hugetlbfs and memfds do, and those on disks.
 */
int vhost_fd_memory(int fd, uint64_t *size, uint64_t *grain, struct errtext *why);

#endif
