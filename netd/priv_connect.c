// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connection to a VMM that listens itself. See priv.h.
 *
 * The path is the user's word, and we may be root: it is looked up as the NIC's owner,
 * once, and what was found then has to be the owner's own. So nobody gets us to talk to
 * a socket that he could not talk to himself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/priv_int.h"

/* The socket behind the path, and whose it is; links on the way are followed. */
static int pin(const struct priv_connect *c, int *out, uid_t *whose)
{
	struct stat st;
	int fd = open(c->path, O_PATH | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		r = -errno;
		close(fd);
		return r;
	}
	if (!S_ISSOCK(st.st_mode))
		r = -ENOTSOCK;
	else if (c->owner && st.st_uid != c->owner)
		r = -EPERM;
	*whose = st.st_uid;
	if (r)
		fd_close(&fd);
	*out = fd;
	return r;
}

static int connect_pinned(int at, int *out)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d", at);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun))) {
		int r = -errno;

		close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

int priv_do_connect(const struct priv_connect *c, int *fd_out,
		    struct errtext *why)
{
	uid_t whose = c->owner;
	struct priv_act act;
	int at = -1, r;

	r = priv_act_as(&act, c->owner);
	if (!r)
		r = pin(c, &at, &whose);
	/* Root's NIC: the helper has no right to write to all files. */
	if (!r && whose != c->owner)
		r = priv_act_as(&act, whose);
	if (!r)
		r = connect_pinned(at, fd_out);
	priv_act_end(&act);
	fd_close(&at);
	if (!r)
		return 0;
	return errtext_set(why, r, "%s: %s", c->path,
			   r == -EPERM	    ? "the socket is not of the NIC's owner"
			   : r == -ENOTSOCK ? "it is no socket"
					    : strerror(-r));
}
