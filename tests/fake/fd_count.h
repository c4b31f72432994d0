/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many descriptors the process has open: a test's way to see a leak. */
#ifndef VNET_FAKE_FD_COUNT_H
#define VNET_FAKE_FD_COUNT_H

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#define FD_COUNT_MAX 1024 /* highest number looked at */

static inline int fd_count(void)
{
	int n = 0;

	for (int fd = 0; fd < FD_COUNT_MAX; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Do both descriptors lead to the same open object? */
static inline bool fd_same(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

#endif
