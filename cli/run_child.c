// SPDX-License-Identifier: GPL-2.0-or-later
/* Starting and watching the program of `vnet run`. See run_child.h. */
#include "cli/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the program gets back before it is executed. */
struct saved {
	sigset_t mask;
	struct sigaction intr, quit;
};

static void watched(sigset_t *set)
{
	static const int sigs[] = {SIGCHLD, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_LEN(sigs); i++)
		sigaddset(set, sigs[i]);
}

/* In the child; does not return. */
static void become(const struct strv *argv, int keep_fd,
		   const struct saved *saved, pid_t parent)
{
	int err;

	sigaction(SIGINT, &saved->intr, NULL);
	sigaction(SIGQUIT, &saved->quit, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(126); /* it died before we could ask to be told */
	sigprocmask(SIG_SETMASK, &saved->mask, NULL);
	if (keep_fd >= 0)
		fcntl(keep_fd, F_SETFD, 0);
	execvp(argv->v[0], argv->v);
	err = errno;
	fprintf(stderr, "vnet: cannot run %s: %s\n", argv->v[0],
		strerror(err));
	_exit(err == ENOENT ? 127 : 126);
}

int run_child_start(struct run_child *c, const struct strv *argv, int keep_fd,
		    struct errtext *why)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	pid_t parent = getpid();
	struct saved saved;
	sigset_t set;

	watched(&set);
	sigprocmask(SIG_BLOCK, &set, &saved.mask);
	sigaction(SIGINT, &ignore, &saved.intr);
	sigaction(SIGQUIT, &ignore, &saved.quit);
	c->has_term = isatty(0) && tcgetattr(0, &c->term) == 0;
	c->sig_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (c->sig_fd < 0)
		return errtext_set(why, -errno, "signalfd: %s",
				   strerror(errno));
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0)
		become(argv, keep_fd, &saved, parent);
	if (c->pid < 0)
		return errtext_set(why, -errno, "cannot start a process: %s",
				   strerror(errno));
	return 0;
}

/* A program that was killed may leave the terminal raw. Only ours to mend while
 * we are in the foreground. */
static void mend_terminal(const struct run_child *c)
{
	if (c->has_term && tcgetpgrp(0) == getpgrp())
		tcsetattr(0, TCSANOW, &c->term);
}

static int reap(struct run_child *c)
{
	int status;

	if (waitpid(c->pid, &status, WNOHANG) != c->pid)
		return -1;
	close(c->sig_fd);
	c->sig_fd = -1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	mend_terminal(c);
	return 128 + WTERMSIG(status);
}

int run_child_signal(struct run_child *c)
{
	struct signalfd_siginfo info;

	while (read(c->sig_fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			kill(c->pid, (int)info.ssi_signo);
	return reap(c);
}
