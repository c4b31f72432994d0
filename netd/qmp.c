// SPDX-License-Identifier: GPL-2.0-or-later
/* QMP, writing only. See qmp.h. One connection at a time; a new one replaces it. */
#include "netd/qmp.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/endpoint.h"

#define DRAIN_READS 16

struct qmp {
	struct event_base *base;
	int listen_fd, fd;
	struct event *accept, *in;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int index;
	bool up;
};

static void hang_up(struct qmp *q)
{
	if (q->in)
		event_free(q->in);
	q->in = NULL;
	fd_close(&q->fd);
}

/* A monitor that does not take these few bytes is of no use: drop it. */
static void say(struct qmp *q, const char *text)
{
	size_t len = strlen(text);

	if (q->fd >= 0 &&
	    send(q->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len)
		hang_up(q);
}

static void say_link(struct qmp *q)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "{\"execute\":\"set_link\",\"arguments\":{\"name\":"
		 "\"vnet%d\",\"up\":%s}}\n",
		 q->index, q->up ? "true" : "false");
	say(q, text);
}

static void drain_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct qmp *q = arg;
	char junk[4096];

	(void)what;
	for (int i = 0; i < DRAIN_READS; i++) {
		ssize_t n = recv(fd, junk, sizeof(junk), MSG_DONTWAIT);

		if (n > 0)
			continue;
		if (n < 0 && would_block(errno))
			return;
		hang_up(q);
		return;
	}
}

static void accept_on_readable(evutil_socket_t lfd, short what, void *arg)
{
	struct qmp *q = arg;
	int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		return;
	hang_up(q);
	q->fd = fd;
	q->in = event_new(q->base, fd, EV_READ | EV_PERSIST, drain_on_readable,
			  q);
	if (!q->in || event_add(q->in, NULL)) {
		hang_up(q);
		return;
	}
	say(q, "{\"execute\":\"qmp_capabilities\"}\n");
	if (!q->up) /* up is what QEMU begins with */
		say_link(q);
}

int qmp_new(struct event_base *base, const char *path, uid_t owner, int index,
	    bool up, struct qmp **out, struct errtext *why)
{
	struct qmp *q = calloc(1, sizeof(*q));

	if (!q)
		return errtext_set(why, -ENOMEM, "no memory");
	q->base = base;
	q->fd = -1;
	q->index = index;
	q->up = up;
	q->listen_fd = endpoint_socket(path, SOCK_STREAM, owner, why);
	if (q->listen_fd < 0) {
		int r = q->listen_fd;

		free(q);
		return r;
	}
	snprintf(q->path, sizeof(q->path), "%s", path);
	q->accept = event_new(base, q->listen_fd, EV_READ | EV_PERSIST,
			      accept_on_readable, q);
	if (!q->accept || event_add(q->accept, NULL)) {
		qmp_free(q);
		return errtext_set(why, -ENOMEM, "no memory");
	}
	*out = q;
	return 0;
}

void qmp_free(struct qmp *q)
{
	if (!q)
		return;
	hang_up(q);
	if (q->accept)
		event_free(q->accept);
	fd_close(&q->listen_fd);
	if (q->path[0])
		(void)unlink(q->path);
	free(q);
}

void qmp_link(struct qmp *q, bool up)
{
	q->up = up;
	if (q->fd >= 0)
		say_link(q);
}

const char *qmp_path(const struct qmp *q)
{
	return q->path;
}
