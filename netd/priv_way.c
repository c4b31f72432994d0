// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A way back to a runner's datagram socket. See priv.h.
 *
 * Two kinds of runners: QEMU's socket takes datagrams from anybody, so one of our own
 * is connected to it, if it lies where only the NIC's owner can have put it. Those of
 * libkrun and vfkit are connected to the NIC's socket and hear nobody else; that the
 * kernel lets the NIC's socket connect to it (unix_may_send()) is the proof.
 *
 * The path is opened once and both connects go to what it was then, so nobody can put
 * something else there in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/priv_int.h"

/* Where to connect to. */
struct target {
	struct sockaddr_un sun;
	socklen_t len;
	int pin; /* of a path; -1 = abstract */
};

static int pin_path(const struct priv_way *w, struct target *t)
{
	char path[sizeof(w->path) + 1] = "";
	struct stat st;
	bool owned = priv_way_in_folder(w);

	memcpy(path, w->path, w->len);
	t->pin = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (t->pin < 0)
		return -errno;
	if (fstat(t->pin, &st))
		return -errno;
	if (!S_ISSOCK(st.st_mode) || (owned && st.st_uid != w->owner))
		return -EPERM;
	snprintf(t->sun.sun_path, sizeof(t->sun.sun_path), "/proc/self/fd/%d",
		 t->pin);
	t->len = sizeof(t->sun);
	return 0;
}

static int aim(const struct priv_way *w, struct target *t)
{
	*t = (struct target){.sun.sun_family = AF_UNIX, .pin = -1};
	if (w->path[0])
		return pin_path(w, t);
	memcpy(t->sun.sun_path, w->path, w->len);
	t->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + w->len);
	return 0;
}

static int connect_to(int fd, const struct target *t)
{
	return connect(fd, (const struct sockaddr *)&t->sun, t->len) ? -errno
								      : 0;
}

/* -EPERM from the first connect: it is connected to somebody; to us? */
static int connect_both(const struct priv_way *w, const struct target *t,
			int ours, int *fd)
{
	int r;

	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	r = connect_to(*fd, t);
	if (r == -EPERM) {
		fd_close(fd);
		return connect_to(ours, t);
	}
	return !r && !priv_way_in_folder(w) ? -EPERM : r;
}

static bool is_dgram(int fd)
{
	int domain = 0, type = 0;
	socklen_t len = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) &&
	       !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) &&
	       domain == AF_UNIX && type == SOCK_DGRAM;
}

int priv_do_way(const struct priv_way *w, int ours, int *fd_out,
		struct errtext *why)
{
	struct target t = {.pin = -1};
	struct priv_act act;
	int fd = -1, r;

	if (!is_dgram(ours))
		return errtext_set(why, -EINVAL, "not a NIC's socket");
	r = priv_act_as(&act, w->owner);
	if (!r)
		r = aim(w, &t);
	if (!r)
		r = connect_both(w, &t, ours, &fd);
	priv_act_end(&act);
	fd_close(&t.pin);
	if (!r) {
		*fd_out = fd;
		return 0;
	}
	fd_close(&fd);
	if (r == -EPERM)
		return errtext_set(why, r,
				   "a runner's socket must be connected to the "
				   "NIC's or lie in %s",
				   w->folder[0] ? w->folder : "its folder");
	return errtext_set(why, r, "%s", strerror(-r));
}
