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
	return 0;
}

/* Owner and mode of the file that it replaces, and on the disk: a name that leads to an
 * empty file after a crash would be worse than the old text. */
static int become(int fd, const struct stat *was)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if ((st.st_uid != was->st_uid || st.st_gid != was->st_gid) &&
	    fchown(fd, was->st_uid, was->st_gid))
		return -errno;
	return fchmod(fd, was->st_mode & 07777) || fsync(fd) ? -errno : 0;
}

static int is_still(const char *path, const struct stat *was)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	return st.st_dev == was->st_dev && st.st_ino == was->st_ino &&
			       st.st_size == was->st_size &&
			       st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
			       st.st_mtim.tv_nsec == was->st_mtim.tv_nsec
		       ? 0
		       : -ESTALE;
}

/* @was: what it replaces, NULL = whatever there is. */
static int put(const char *path, const char *text, size_t len,
	       const struct stat *was)
{
	char tmp[PATH_MAX];
	int fd, r;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (!r && was)
		r = become(fd, was);
	else if (!r && fchmod(fd, 0644))
		r = -errno;
	fd_close(&fd);
	if (!r && was)
		r = is_still(path, was);
	if (!r && rename(tmp, path))
		r = -errno;
	if (r)
		(void)unlink(tmp);
	return r;
}

static int overwrite(const char *path, const char *text, size_t len,
		     const struct stat *was)
{
	int fd, r = is_still(path, was);

	if (r)
		return r;
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, len);
	if (!r && (ftruncate(fd, (off_t)len) || fsync(fd)))
		r = -errno;
	fd_close(&fd);
	return r;
}

int replace_file(const char *path, const char *text, size_t len,
		 const char *mark, struct errtext *why)
{
	int r = replace_check(path, mark, why);

	if (r)
		return r;
	r = put(path, text, len, NULL);
	return r ? errtext_set(why, r, "%.200s: %s", path, strerror(-r)) : 0;
}

int replace_edited(const char *path, const struct stat *was, const char *text,
		   size_t len, struct errtext *why)
{
	int r = put(path, text, len, was);

	if (r == -EBUSY || r == -EROFS)
		r = overwrite(path, text, len, was);
	if (r == -ESTALE)
		return errtext_set(why, r, "%.200s: somebody else changed it "
				   "meanwhile; it is left alone. Try again",
				   path);
	return r ? errtext_set(why, r, "%.200s: %s", path, strerror(-r)) : 0;
}
