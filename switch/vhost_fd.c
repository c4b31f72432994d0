// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors of others. See vhost_fd.h. */
#include "switch/vhost_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What is known here of it. */
static bool look(int fd, struct statx *st)
{
	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		      STATX_TYPE | STATX_SIZE, st);
}

/* What has no file type is no pipe, socket, file or device, but may be an epoll descriptor,
 * say. Nothing else takes a 0 as an eventfd does, which never waits for that. */
bool vhost_fd_is_event(int fd)
{
	const uint64_t none = 0;
	struct statx st;

	return look(fd, &st) && !(st.stx_mode & S_IFMT) &&
	       write(fd, &none, sizeof(none)) == sizeof(none);
}

/* Of file systems without a device of their own only those in memory have seals, and of
 * the rest one is common on disks. */
static bool is_at_hand(int fd, const struct statx *st)
{
	struct statfs fs;

	if (fcntl(fd, F_GET_SEALS) >= 0 || st->stx_dev_major)
		return true;
	return !fstatfs(fd, &fs) &&
	       (unsigned long)fs.f_type == BTRFS_SUPER_MAGIC;
}

/* A mapping of a huge page file begins and ends at huge pages; the block size tells
 * their size, and is a power of two elsewhere, too. */
static uint64_t grain_of(const struct statx *st)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), blk = st->stx_blksize;

	return blk > page && !(blk & (blk - 1)) ? blk : page;
}

int vhost_fd_memory(int fd, uint64_t *size, uint64_t *grain, struct errtext *why)
{
	struct statx st;

	if (!look(fd, &st) || !S_ISREG(st.stx_mode))
		return errtext_set(why, -EINVAL, "memory that is no file");
	if (!is_at_hand(fd, &st))
		return errtext_set(why, -EINVAL,
				   "memory that is neither a memfd nor on tmpfs, "
				   "hugetlbfs or a disk");
	*size = st.stx_size;
	*grain = grain_of(&st);
	return 0;
}
