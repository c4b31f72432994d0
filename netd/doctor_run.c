// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A look at packet filters, beside the loop: others' rules may be very many, and libnftnl
 * reads them trusting the kernel. A child of control's, which has the model by being its
 * copy, has doctor_fw.c look and writes what was found to a pipe. It has no capability as
 * control has none, and gives up all system calls before it reads a rule. See doctor.h.
 */
#include "netd/doctor.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/rpc.h"
#include "netd/priv.h"

#define ANSWER_S   20
#define ANSWER_MAX (4u << 20) /* bytes of what was found */
#define CHILD_NICE 10

struct doctor_run {
	struct ctl *ctl;
	struct call *call;
	json_t *list; /* found before */
	pid_t pid;
	int fd; /* what the child says */
	struct event *in, *late;
	char *text;
	size_t len, cap;
};

/* ---- the child ---------------------------------------------------------------------------- */

/* Before: all signals are blocked. */
static void forget_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* refused for SIGKILL, SIGSTOP */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return false;
		p += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static _Noreturn void look_and_exit(struct ctl *ctl, const struct network *only,
				    const int fd[2], int out, pid_t parent)
{
	json_t *list = json_array();
	bool ok = false;
	char *text;

	forget_signals();
	fd_keep_only((int[]){fd[0], fd[1], out}, 3);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(EXIT_FAILURE);
	(void)setpriority(PRIO_PROCESS, 0, CHILD_NICE);
	doctor_filters(ctl, only, fd, true, list);
	text = json_dumps(list, JSON_COMPACT);
	if (text)
		ok = write_all(out, text, strlen(text));
	_exit(ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

static pid_t start_child(struct ctl *ctl, const struct network *only,
			 const int fd[2], int out)
{
	pid_t parent = getpid(), pid;
	sigset_t all, was;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &was);
	pid = fork();
	if (pid == 0)
		look_and_exit(ctl, only, fd, out, parent);
	sigprocmask(SIG_SETMASK, &was, NULL);
	return pid < 0 ? -errno : pid;
}

/* ---- its answer ------------------------------------------------------------------------------ */

static void free_run(struct doctor_run *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGKILL); /* it has said what it had to say */
		while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (d->in)
		event_free(d->in);
	if (d->late)
		event_free(d->late);
	fd_close(&d->fd);
	json_decref(d->list);
	if (d->ctl->doctor == d)
		d->ctl->doctor = NULL;
	free(d->text);
	free(d);
}

/* @why: NULL when the child has answered. */
static void answer(struct doctor_run *d, const char *why)
{
	json_t *found = why || !d->text ? NULL
					: json_loadb(d->text, d->len, 0, NULL);

	if (json_is_array(found))
		json_array_extend(d->list, found);
	else
		doctor_add(d->list, DOCTOR_UNKNOWN, "filter", NULL, NULL,
			   "packet filters cannot be looked at: %s",
			   why ? why : "the process that looked at them failed");
	json_decref(found);
	call_result(d->call, json_pack("{s:O}", "findings", d->list));
	free_run(d);
}

static void late_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer(arg, "it takes too long, there are too many rules");
}

static int make_room(struct doctor_run *d)
{
	size_t cap = d->cap ? 2 * d->cap : 65536;
	char *p;

	if (d->len < d->cap)
		return 0;
	p = cap <= ANSWER_MAX ? realloc(d->text, cap) : NULL;
	if (!p)
		return -ENOMEM;
	d->text = p;
	d->cap = cap;
	return 0;
}

static void in_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct doctor_run *d = arg;
	ssize_t n;

	(void)what;
	if (make_room(d)) {
		answer(d, "there is too much to tell");
		return;
	}
	n = read(fd, d->text + d->len, d->cap - d->len);
	if (n > 0)
		d->len += (size_t)n;
	else if (!n || !would_block(errno))
		answer(d, NULL);
}

/* ---- the question ----------------------------------------------------------------------------- */

static int arm(struct doctor_run *d)
{
	const struct timeval tv = {ANSWER_S, 0};

	d->in = event_new(d->ctl->base, d->fd, EV_READ | EV_PERSIST,
			  in_on_readable, d);
	d->late = evtimer_new(d->ctl->base, late_on_timer, d);
	return d->in && d->late && !event_add(d->in, NULL) &&
			       !evtimer_add(d->late, &tv)
		       ? 0
		       : -ENOMEM;
}

static int begin(struct doctor_run *d, const struct network *only,
		 const int rules[2], struct errtext *why)
{
	int out[2], r;

	if (pipe2(out, O_CLOEXEC))
		return errtext_set(why, -errno, "no pipe: %s", strerror(errno));
	d->fd = out[0];
	r = fd_setup(d->fd);
	if (!r)
		r = arm(d);
	if (!r)
		r = d->pid = start_child(d->ctl, only, rules, out[1]);
	close(out[1]);
	return r < 0 ? errtext_set(why, r, "no process for it: %s", strerror(-r))
		     : 0;
}

static void not_as_root(json_t *list)
{
	doctor_add(list, DOCTOR_UNKNOWN, "filter", NULL, "sudo nft list ruleset",
		   "packet filters can only be looked at where vnetd runs as root; "
		   "this one does not");
}

void doctor_run(struct ctl *ctl, struct call *c, const struct network *only,
		json_t *list)
{
	struct doctor_run *d = ctl->doctor ? NULL : calloc(1, sizeof(*d));
	struct errtext why = {"no memory"};
	int rules[2] = {-1, -1}, r;

	if (!d) {
		json_decref(list);
		call_fail(c, RPC_REFUSED, "%s",
			  ctl->doctor ? "packet filters are being looked at for "
					"somebody else: ask again in a second"
				      : why.s);
		return;
	}
	*d = (struct doctor_run){.ctl = ctl, .call = c, .list = list, .fd = -1};
	r = priv_rulesets(ctl->priv, rules, &why);
	if (r == -EPERM) {
		not_as_root(list);
		call_result(c, json_pack("{s:O}", "findings", list));
		free_run(d);
		return;
	}
	if (!r)
		r = begin(d, only, rules, &why);
	fd_close(&rules[0]);
	fd_close(&rules[1]);
	if (r)
		answer(d, why.s);
	else
		ctl->doctor = d;
}

void doctor_end(struct ctl *ctl)
{
	if (ctl->doctor)
		answer(ctl->doctor, "vnetd is stopping");
}
