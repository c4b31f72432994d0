// SPDX-License-Identifier: GPL-2.0-or-later
/* See opener.h. Both ends trust each other: one is the other's copy. */
#include "netd/opener.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dhcp/tftp.h"
#include "lib/chan.h"
#include "lib/fdutil.h"
#include "netd/conf.h"
#include "netd/tftpctl.h"

struct question {
	uint64_t token;
	char dir[CONF_PATH_MAX + 1];
	char name[TFTP_NAME_MAX + 1];
};

struct answer {
	uint64_t token, size;
	int err;
};

struct opener {
	opener_done fn;
	void *arg;
	struct chan *chan;
	struct event *in, *out;
	unsigned int waiting;
	bool gone;
};

/* ---- the process ------------------------------------------------------------------------ */

static bool serve(struct chan *c, const struct chan_msg *m)
{
	struct answer a = {.err = 0};
	struct question q;
	int fd;

	if (m->len != sizeof(q))
		return false;
	memcpy(&q, m->body, sizeof(q));
	fd = tftpctl_open(q.dir, q.name, &a.size);
	a.token = q.token;
	a.err = fd < 0 ? fd : 0;
	if (chan_send(c, 0, 0, &a, sizeof(a), &fd, fd >= 0))
		return false;
	fd_close(&fd);
	return true;
}

static void loop(struct chan *c)
{
	struct pollfd pfd = {.fd = chan_fd(c)};
	struct chan_msg m;

	for (;;) {
		bool full = chan_pending(c);
		int r;

		pfd.events = full ? POLLOUT : POLLIN;
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return;
		if (full && chan_flush(c))
			return;
		r = full ? -EAGAIN : chan_recv(c, &m);
		if ((r != 1 && r != -EAGAIN) || (r == 1 && !serve(c, &m)))
			return;
	}
}

static _Noreturn void open_and_exit(int fd)
{
	struct chan *c;
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* refused for SIGKILL, SIGSTOP */
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fd_keep_only((int[]){fd}, 1);
	(void)prctl(PR_SET_NAME, "vnetd-opener");
	/* No ^C of the daemon's terminal: our end is the channel's. */
	(void)setpgid(0, 0);
	c = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? NULL : chan_new(fd);
	if (c)
		loop(c);
	_exit(EXIT_SUCCESS);
}

/* Nobody waits for one that may hang: it is init's child. */
static int start(int theirs)
{
	sigset_t all, was;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &was);
	pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			open_and_exit(theirs);
		_exit(EXIT_SUCCESS);
	}
	sigprocmask(SIG_SETMASK, &was, NULL);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

/* ---- control's end ----------------------------------------------------------------------- */

static void take_answer(struct opener *o, const struct chan_msg *m)
{
	struct answer a;

	if (m->len != sizeof(a) || !o->waiting)
		return;
	memcpy(&a, m->body, sizeof(a));
	o->waiting--;
	o->fn(o->arg, a.token, m->nfd ? m->fd[0] : a.err ? a.err : -EIO,
	      a.size);
}

static void in_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct opener *o = arg;
	struct chan_msg m;
	int r = chan_recv(o->chan, &m);

	(void)fd;
	(void)what;
	if (r == 1) {
		take_answer(o, &m);
		chan_msg_close(&m);
	} else if (r == -EMFILE) { /* the client asks again */
		o->waiting -= o->waiting > 0;
	} else if (r != -EAGAIN) {
		o->gone = true;
		event_del(o->in);
	}
}

static void out_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct opener *o = arg;

	(void)fd;
	(void)what;
	if (!chan_flush(o->chan) && chan_pending(o->chan))
		event_add(o->out, NULL);
}

int opener_new(struct event_base *base, opener_done fn, void *arg,
	       struct opener **out, struct errtext *why)
{
	struct opener *o = calloc(1, sizeof(*o));
	int ch[2], r;

	r = o ? chan_pair(ch) : -ENOMEM;
	if (r) {
		free(o);
		return errtext_set(why, r, "no channel: %s", strerror(-r));
	}
	o->fn = fn;
	o->arg = arg;
	r = start(ch[1]);
	close(ch[1]);
	o->chan = chan_new(ch[0]);
	if (!r && o->chan) {
		o->in = event_new(base, chan_fd(o->chan), EV_READ | EV_PERSIST,
				  in_on_readable, o);
		o->out = event_new(base, chan_fd(o->chan), EV_WRITE,
				   out_on_writable, o);
	}
	if (!r && (!o->in || !o->out || event_add(o->in, NULL)))
		r = -ENOMEM;
	if (r) {
		opener_free(o);
		return errtext_set(why, r, "no process to open files: %s",
				   strerror(-r));
	}
	*out = o;
	return 0;
}

void opener_free(struct opener *o)
{
	if (!o)
		return;
	if (o->in)
		event_free(o->in);
	if (o->out)
		event_free(o->out);
	chan_free(o->chan);
	free(o);
}

int opener_ask(struct opener *o, uint64_t token, const char *dir,
	       const char *name)
{
	struct question q = {.token = token};
	int r;

	if (strlen(dir) >= sizeof(q.dir) || strlen(name) >= sizeof(q.name))
		return -ENAMETOOLONG;
	if (o->gone)
		return -EPIPE;
	if (o->waiting >= OPENER_WAIT_MAX)
		return -EBUSY;
	strcpy(q.dir, dir);
	strcpy(q.name, name);
	r = chan_send(o->chan, 0, 0, &q, sizeof(q), NULL, 0);
	if (r)
		return r;
	o->waiting++;
	if (chan_pending(o->chan))
		event_add(o->out, NULL);
	return 0;
}
