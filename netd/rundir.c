// SPDX-License-Identifier: GPL-2.0-or-later
/* See rundir.h. */
#include "netd/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRIES 20 /* of 100 ms: a killed instance's helper may be ending */

static int make_one(const char *path, mode_t mode, struct errtext *why)
{
	struct stat st;

	if (!mkdir(path, mode))
		/* Whatever the umask is; the sockets' own modes decide. */
		return chmod(path, mode) ? -errno : 0;
	if (errno == EEXIST && !stat(path, &st) && S_ISDIR(st.st_mode))
		return 0;
	return errtext_set(why, -errno, "folder %.200s: %s", path,
			   strerror(errno == EEXIST ? ENOTDIR : errno));
}

static int make_path(const char *path, mode_t mode, struct errtext *why)
{
	char part[PATH_MAX];
	struct stat st;

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (stat(part, &st)) {
			int r = make_one(part, 0755, why);

			if (r)
				return r;
		}
		*p = '/';
	}
	return make_one(path, mode, why);
}

int rundir_make(const char *run_dir, const char *state_dir, bool system,
		struct errtext *why)
{
	mode_t mode = system ? 0755 : 0700;
	char nic[PATH_MAX];
	int r = make_path(run_dir, mode, why);

	if (snprintf(nic, sizeof(nic), "%s/nic", run_dir) >= (int)sizeof(nic))
		return errtext_set(why, -ENAMETOOLONG, "%.200s: too long",
				   run_dir);
	if (!r)
		r = make_path(nic, mode, why);
	if (!r)
		r = make_path(state_dir, 0700, why);
	return r;
}

static int held(int fd, const char *dir, struct errtext *why)
{
	char pid[32] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	close(fd);
	if (n > 0)
		pid[strcspn(pid, "\n")] = '\0';
	return errtext_set(why, -EBUSY,
			   "another vnetd uses %.160s already%s%s%s", dir,
			   pid[0] ? " (pid " : "", pid, pid[0] ? ")" : "");
}

int rundir_lock(const char *dir, struct errtext *why)
{
	char path[PATH_MAX], pid[32];
	int fd, n;

	if (snprintf(path, sizeof(path), "%s/vnetd.lock", dir) >=
	    (int)sizeof(path))
		return errtext_set(why, -ENAMETOOLONG, "%.200s: too long",
				   dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return errtext_set(why, -errno, "%.200s: %s", path,
				   strerror(errno));
	for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
		if (i == LOCK_TRIES || (errno != EWOULDBLOCK && errno != EINTR))
			return held(fd, dir, why);
		usleep(100 * 1000);
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)n, 0) != n) {
		n = -errno;
		close(fd);
		return errtext_set(why, n, "%.200s: %s", path, strerror(-n));
	}
	return fd;
}

void rundir_sweep(const char *run_dir)
{
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d;

	if (snprintf(path, sizeof(path), "%s/nic", run_dir) >=
	    (int)sizeof(path))
		return;
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (!fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISSOCK(st.st_mode))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}
