// SPDX-License-Identifier: GPL-2.0-or-later
/* See replace.h. */
#include "lib/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fdutil.h"

int replace_check(const char *path, const char *mark, struct errtext *why)
{
	size_t n = strlen(mark);
	char head[256];
	ssize_t got;
	int fd;

	/* Not to hang on a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : errtext_set(why, -errno, "%.200s: %s", path,
					     strerror(errno));
	got = read(fd, head, n < sizeof(head) ? n : sizeof(head));
	fd_close(&fd);
	if (got == (ssize_t)n && !memcmp(head, mark, n))
		return 0;
	return errtext_set(why, -EEXIST,
			   "%.200s: there is a file that vnet did not write; it "
			   "is left alone. Name another one",
			   path);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return fchmod(fd, 0644) ? -errno : 0;
}

int replace_file(const char *path, const char *text, size_t len,
		 const char *mark, struct errtext *why)
{
	char tmp[PATH_MAX];
	int fd, r = mark ? replace_check(path, mark, why) : 0;

	if (r)
		return r;
	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return errtext_set(why, -ENAMETOOLONG, "the path is too long");
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return errtext_set(why, -errno, "%.200s: %s", path,
				   strerror(errno));
	r = write_all(fd, text, len);
	fd_close(&fd);
	if (!r && rename(tmp, path))
		r = -errno;
	if (!r)
		return 0;
	(void)unlink(tmp);
	return errtext_set(why, r, "%.200s: %s", path, strerror(-r));
}
