// SPDX-License-Identifier: GPL-2.0-or-later
/* File descriptor helpers. See fdutil.h. */
#include "lib/fdutil.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int fd_setup(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* The host's limit; INT_MAX when it cannot be read. */
static int limit(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	long v;

	fd_close(&fd);
	if (n <= 0)
		return INT_MAX;
	text[n] = '\0';
	v = strtol(text, NULL, 10);
	return v > 0 && v < INT_MAX ? (int)v : INT_MAX;
}

/* The kernel doubles what it is told, and says the double. What a socket has from the
 * start may be more than the limit. */
static void set_buffer(int fd, int force, int plain, int size, const char *max)
{
	socklen_t len = sizeof(int);
	int has = 0;

	if (!getsockopt(fd, SOL_SOCKET, plain, &has, &len) && has / 2 >= size)
		return;
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) &&
	    limit(max) > has / 2)
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

void fd_rcvbuf(int fd, int size)
{
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, size,
		   "/proc/sys/net/core/rmem_max");
}

void fd_sndbuf(int fd, int size)
{
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, size,
		   "/proc/sys/net/core/wmem_max");
}

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

void fd_keep_only(int *keep, size_t n)
{
	unsigned int from = 3;

	if (n)
		qsort(keep, n, sizeof(*keep), by_number);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if ((unsigned int)keep[i] > from)
			syscall(SYS_close_range, from, keep[i] - 1, 0);
		from = (unsigned int)keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0U, 0);
}

int fd_fill_std(void)
{
	for (;;) {
		int fd = open("/dev/null", O_RDWR);

		if (fd < 0)
			return -errno;
		if (fd > 2) {
			close(fd);
			return 0;
		}
	}
}
