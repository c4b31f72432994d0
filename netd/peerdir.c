// SPDX-License-Identifier: GPL-2.0-or-later
/* See peerdir.h. The folder lies in one that only vnetd writes to, so its own name
 * is no link; what is in it is the owner's. */
#include "netd/peerdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ENTRIES_MAX 256 /* removed at most: the owner may put anything there */

int peerdir_make(const char *path, uid_t owner, struct errtext *why)
{
	struct stat st;
	int r = 0;

	if (mkdir(path, 0700) && errno != EEXIST)
		r = -errno;
	else if (lstat(path, &st))
		r = -errno;
	else if (!S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	else if (st.st_uid != owner && lchown(path, owner, (gid_t)-1))
		r = -errno;
	return r ? errtext_set(why, r, "%s: %s", path, strerror(-r)) : 0;
}

/* Has nobody this socket open? */
static bool is_stale(const char *dir, const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool stale = false;
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", dir,
			 name);

	if (fd >= 0 && n > 0 && (size_t)n < sizeof(sun.sun_path))
		stale = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
			errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return stale;
}

void peerdir_remove(const char *path, bool live)
{
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (!live && !lstat(path, &st) && st.st_uid != geteuid()) {
		/* Whoever owns a folder may remove what is in it. */
		if (lchown(path, geteuid(), (gid_t)-1) || chmod(path, 0700))
			return;
	}
	d = opendir(path);
	for (int i = 0; d && i < ENTRIES_MAX && (e = readdir(d)); i++)
		if (!fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISSOCK(st.st_mode) &&
		    (!live || is_stale(path, e->d_name)))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	(void)rmdir(path);
}
