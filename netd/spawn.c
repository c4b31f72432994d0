// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starting and reaping workers. See spawn.h. What a worker gives up once it runs
 * is sandbox.c's matter.
 */
#include "netd/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/chan.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "netd/proto.h"
#include "netd/worker.h"

#define WHAT_TEXT 80
#define ENV_MAX	  16

struct child {
	struct list node;
	pid_t pid;
	char what[WHAT_TEXT]; /* for the log */
};

/* Nothing of the environment is needed, but these are useful. */
static const char *const keep_env[] = {
	"JOURNAL_STREAM=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
	"LSAN_OPTIONS=",   "GCOV_PREFIX=",  "GCOV_PREFIX_STRIP=",
	"VNET_", /* our own */
};

void spawn_init(struct spawn *s)
{
	list_init(&s->children);
	s->spare.pid = 0;
	s->spare.pidfd = s->spare.chan = -1;
}

/* ---- the child, between fork and exec ---------------------------------------- */

static void reset_signals(void)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGTERM, SIGTTOU};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* refused for SIGKILL, SIGSTOP */
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void filter_env(char *env[ENV_MAX])
{
	size_t n = 0;

	for (char **e = environ; e && *e; e++) {
		for (size_t k = 0; k < ARRAY_LEN(keep_env); k++) {
			if (!strncmp(*e, keep_env[k], strlen(keep_env[k])) &&
			    n < ENV_MAX - 1)
				env[n++] = *e;
		}
	}
	env[n] = NULL;
}

/* Place the descriptors: stdin empty, stdout with the log, the channel, no more. */
static int place_fds(int chan)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	if (chan == WORKER_CHAN_FD) {
		if (fcntl(chan, F_SETFD, 0) < 0)
			return -errno;
	} else if (dup2(chan, WORKER_CHAN_FD) < 0) {
		return -errno;
	}
	/* open() may have got the number that is the channel's now only if that
	 * was free, and then dup2() has replaced it: take a fresh one. */
	if (null == WORKER_CHAN_FD)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return -errno;
	if (syscall(SYS_close_range, WORKER_CHAN_FD + 1, ~0U, 0) < 0) {
		for (int fd = WORKER_CHAN_FD + 1; fd < 65536; fd++)
			close(fd); /* before Linux 5.9 */
	}
	return 0;
}

/* Flows are descriptors: have as many as the administrator allows. */
static void raise_nofile(void)
{
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NOFILE, &lim)) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static _Noreturn void exec_worker(const char *network, bool isolated,
				  bool die_with_us, pid_t parent, int chan)
{
	char *argv[] = {"vnetd", "worker", (char *)network,
			isolated ? "--isolated" : NULL, NULL};
	char *env[ENV_MAX];

	reset_signals();
	if (die_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_FAILURE); /* died before prctl() */
	}
	/* No ^C of the daemon's terminal is for it. A session of its own would be
	 * more than that: the kernel schedules each as a group of its own
	 * (sched_autogroup), and frames would wait milliseconds for a busy CPU
	 * that the VM next door gets at once. */
	(void)setpgid(0, 0);
	raise_nofile();
	filter_env(env);
	if (!place_fds(chan)) {
		execve("/proc/self/exe", argv, env);
		log_err("worker %s: cannot be started: %s", network,
			strerror(errno));
	}
	_exit(127);
}

/* ---- the parent --------------------------------------------------------------- */

int spawn_note(struct spawn *s, pid_t pid, const char *what, const char *of)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->pid = pid;
	snprintf(c->what, sizeof(c->what), "%s %s", what, of);
	list_add_tail(&s->children, &c->node);
	return 0;
}

bool spawn_has(const struct spawn *s, pid_t pid)
{
	list_for_each(c, &s->children, struct child, node)
		if (c->pid == pid)
			return true;
	return false;
}

static void drop_spare(struct spawn *s)
{
	s->spare.pid = 0;
	fd_close(&s->spare.pidfd);
	fd_close(&s->spare.chan);
}

static void forget(struct spawn *s, struct child *c)
{
	if (c->pid == s->spare.pid)
		drop_spare(s);
	list_del(&c->node); /* also when it is not ours to wait for */
	free(c);
}

/* Somebody may wait for a worker through its pidfd instead of here. */
static void forget_reaped(struct spawn *s)
{
	list_for_each_safe(c, &s->children, struct child, node) {
		siginfo_t si;

		if (waitid(P_PID, (id_t)c->pid, &si,
			   WEXITED | WNOHANG | WNOWAIT) &&
		    errno == ECHILD)
			forget(s, c);
	}
}

static int start_worker(struct spawn *s, const char *network, bool isolated,
			bool die_with_us, pid_t *pid_out, int *pidfd_out,
			int *chan_out, struct errtext *why)
{
	pid_t parent = getpid(), pid;
	int ch[2], pidfd = -1, r;

	r = chan_pair(ch);
	if (r)
		return errtext_set(why, r, "no channel for the worker: %s",
				   strerror(-r));
	pid = fork();
	if (pid == 0)
		exec_worker(network, isolated, die_with_us, parent, ch[1]);
	r = pid < 0 ? -errno : 0;
	close(ch[1]);
	if (!r) {
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		r = pidfd < 0 ? -errno : spawn_note(s, pid, "worker", network);
	}
	if (r) {
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		fd_close(&pidfd);
		close(ch[0]);
		return errtext_set(why, r, "cannot start a process: %s",
				   strerror(-r));
	}
	fcntl(pidfd, F_SETFD, FD_CLOEXEC);
	*pid_out = pid;
	*pidfd_out = pidfd;
	*chan_out = ch[0];
	return 0;
}

/* The spare one becomes @network's; false: there is none, or it has just ended. */
static bool take_spare(struct spawn *s, const char *network, pid_t *pid_out,
		       int *pidfd_out, int *chan_out)
{
	struct pollfd ended = {.fd = s->spare.pidfd, .events = POLLIN};

	if (!s->spare.pid)
		return false;
	if (poll(&ended, 1, 0)) {
		drop_spare(s); /* reaped as the others are */
		return false;
	}
	list_for_each(c, &s->children, struct child, node)
		if (c->pid == s->spare.pid)
			snprintf(c->what, sizeof(c->what), "worker %s",
				 network);
	*pid_out = s->spare.pid;
	*pidfd_out = s->spare.pidfd;
	*chan_out = s->spare.chan;
	s->spare.pid = 0;
	s->spare.pidfd = s->spare.chan = -1;
	return true;
}

int spawn_worker(struct spawn *s, const char *network, bool isolated,
		 bool die_with_us, pid_t *pid_out, int *pidfd_out,
		 int *chan_out, struct errtext *why)
{
	forget_reaped(s);
	if (!isolated && take_spare(s, network, pid_out, pidfd_out, chan_out))
		return 0;
	return start_worker(s, network, isolated, die_with_us, pid_out,
			    pidfd_out, chan_out, why);
}

int spawn_prepare(struct spawn *s, bool die_with_us, struct errtext *why)
{
	char title[SPAWN_NETWORK];

	forget_reaped(s);
	if (s->spare.pid)
		return 0;
	/* As long as a name can be: it is overwritten with one. */
	memset(title, ' ', sizeof(title) - 1);
	title[0] = WORKER_SPARE;
	title[sizeof(title) - 1] = '\0';
	return start_worker(s, title, false, die_with_us, &s->spare.pid,
			    &s->spare.pidfd, &s->spare.chan, why);
}

static void log_end(const struct child *c, int status)
{
	if (WIFSIGNALED(status))
		log_warn("%s: ended by signal %d (%s) pid=%d",
			 c->what, WTERMSIG(status),
			 strsignal(WTERMSIG(status)), (int)c->pid);
	else if (WEXITSTATUS(status))
		log_warn("%s: ended with status %d pid=%d", c->what,
			 WEXITSTATUS(status), (int)c->pid);
	else
		log_debug("%s: ended pid=%d", c->what, (int)c->pid);
}

static void reap(struct spawn *s, int flags)
{
	list_for_each_safe(c, &s->children, struct child, node) {
		int status = 0;
		pid_t r = waitpid(c->pid, &status, flags);

		if (r == 0 || (r < 0 && errno == EINTR))
			continue;
		if (r == c->pid)
			log_end(c, status);
		forget(s, c);
	}
}

void spawn_reap(struct spawn *s)
{
	reap(s, WNOHANG);
}

void spawn_finish(struct spawn *s, int grace_ms)
{
	drop_spare(s); /* the end of its channel ends it */
	for (int ms = 0; !list_empty(&s->children) && ms < grace_ms; ms += 10) {
		reap(s, WNOHANG);
		if (!list_empty(&s->children))
			poll(NULL, 0, 10);
	}
	list_for_each(c, &s->children, struct child, node)
		kill(c->pid, SIGKILL);
	while (!list_empty(&s->children))
		reap(s, 0);
}
