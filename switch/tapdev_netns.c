// SPDX-License-Identifier: GPL-2.0-or-later
/* TAPs in another network namespace. See tapdev.h. */
#include "switch/tapdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/chan.h"
#include "lib/fdutil.h"

int tapdev_netns(const char *path, struct errtext *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int r;

	if (fd < 0) {
		r = -errno;
		return errtext_set(why, r, "network namespace %s: %s", path,
				   strerror(-r));
	}
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	close(fd);
	return errtext_set(why, -EINVAL, "%s is not a network namespace",
			   path);
}

bool tapdev_netns_is_own(int netns_fd)
{
	struct stat own, other;

	return !stat("/proc/self/ns/net", &own) && !fstat(netns_fd, &other) &&
	       own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

/* What the child has to say, besides the descriptor. */
struct verdict {
	int err;
	struct errtext why;
};

static int go_there(int netns_fd, struct errtext *why)
{
	int user, r;

	if (!setns(netns_fd, CLONE_NEWNET))
		return 0;
	r = -errno;
	if (r != -EPERM)
		goto fail;
	user = ioctl(netns_fd, NS_GET_USERNS);
	if (user < 0)
		goto fail;
	if (!setns(user, CLONE_NEWUSER) && !setns(netns_fd, CLONE_NEWNET))
		r = 0;
	close(user);
	if (!r)
		return 0;
fail:
	return errtext_set(why, r, "cannot enter the network namespace: %s",
			   strerror(-r));
}

static _Noreturn void in_child(const struct tapdev *t, int netns_fd, int chan)
{
	struct chan *c = chan_new(chan);
	struct verdict v = {0};
	int fd = -1;

	v.err = go_there(netns_fd, &v.why);
	if (!v.err)
		v.err = tapdev_open(t, &fd, &v.why);
	if (c)
		chan_send(c, 1, 0, &v, sizeof(v), &fd, fd >= 0 ? 1 : 0);
	_exit(0);
}

static int read_verdict(int chan, int *fd_out, struct errtext *why)
{
	struct pollfd pfd = {.fd = chan, .events = POLLIN};
	struct chan *c = chan_new(chan);
	struct chan_msg m;
	struct verdict v;
	int r;

	if (!c)
		return -ENOMEM;
	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
	r = chan_recv(c, &m);
	if (r != 1 || m.len != sizeof(v)) {
		r = errtext_set(why, -EIO, "the namespace's child died");
	} else {
		memcpy(&v, m.body, sizeof(v));
		r = v.err;
		if (!r && m.nfd == 1) {
			*fd_out = m.fd[0];
			m.fd[0] = -1;
		} else if (!r) {
			r = -EMFILE;
		}
		if (r && why)
			*why = v.why;
		chan_msg_close(&m);
	}
	chan_free(c);
	return r;
}

/* Where the namespace belongs to another user namespace: the way into that one has no
 * way back. */
static int open_by_child(const struct tapdev *t, int netns_fd, int *fd_out,
			 struct errtext *why)
{
	int ch[2], r = chan_pair(ch);
	pid_t pid;

	if (r)
		return r;
	pid = fork();
	if (pid == 0) {
		close(ch[0]);
		in_child(t, netns_fd, ch[1]);
	}
	r = pid < 0 ? -errno : 0;
	close(ch[1]);
	if (r) {
		close(ch[0]);
		return errtext_set(why, r, "cannot start a process: %s",
				   strerror(-r));
	}
	r = read_verdict(ch[0], fd_out, why);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int tapdev_open_in(const struct tapdev *t, int netns_fd, int *fd_out,
		   struct errtext *why)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	/* Whoever has the rights goes there and comes back: a child costs more than
	 * all that is to be done. */
	if (own < 0 || setns(netns_fd, CLONE_NEWNET)) {
		fd_close(&own);
		return open_by_child(t, netns_fd, fd_out, why);
	}
	r = tapdev_open(t, fd_out, why);
	if (setns(own, CLONE_NEWNET))
		abort(); /* nothing may be done from here in another's network */
	close(own);
	return r;
}
