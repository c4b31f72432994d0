// SPDX-License-Identifier: GPL-2.0-or-later
/* See uplink_watch.h; what it does when it must is uplink_out()'s matter. */
#include "switch/uplink_watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/log.h"
#include "switch/uplink.h"

#define DEATH_MS 5000 /* for a killed process to be gone */

/* ---- the watchdog ---------------------------------------------------------------------- */

static bool readable(int fd, int wait_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int r;

	do
		r = poll(&pfd, 1, wait_ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

static _Noreturn void watch(const char *journal, int fd, pid_t whom)
{
	struct errtext why = {{0}};
	char word;

	if (!readable(fd, WATCH_MS)) {
		log_err("uplink: process %d hangs, it is killed", (int)whom);
		(void)kill(whom, SIGKILL);
		(void)readable(fd, DEATH_MS);
	}
	if (recv(fd, &word, 1, MSG_DONTWAIT) == 1)
		_exit(EXIT_SUCCESS);
	log_warn("uplink: vnetd died in the middle of a change");
	if (uplink_out(journal, NULL, &why)) {
		log_err("uplink: not all could be given back: %s", why.s);
		_exit(EXIT_FAILURE);
	}
	log_info("uplink: given back, as of %s", journal);
	_exit(EXIT_SUCCESS);
}

/* Not a child of ours, so that its end is nobody's business; not in our session, whose
 * end it may have to see. */
static _Noreturn void detach(const char *journal, int keep, int fd, pid_t whom)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE,
				      SIGQUIT, SIGTSTP, SIGTTOU};
	pid_t pid;

	(void)setsid();
	pid = fork();
	if (pid)
		_exit(pid < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)prctl(PR_SET_NAME, "vnetd-watch");
	fd_keep_only((int[]){fd, keep}, 2);
	watch(journal, fd, whom);
}

/* ---- those who are watched ---------------------------------------------------------------- */

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -ECHILD;
}

int uplink_watch_start(const char *journal, int keep, struct errtext *why)
{
	pid_t whom = getpid(), pid;
	int sv[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return errtext_set(why, -errno, "no watchdog: %s",
				   strerror(errno));
	pid = fork();
	if (!pid)
		detach(journal, keep, sv[1], whom);
	r = pid < 0 ? -errno : reap(pid);
	close(sv[1]);
	if (!r)
		return sv[0];
	close(sv[0]);
	return errtext_set(why, r, "no watchdog: %s", strerror(-r));
}

void uplink_watch_end(int fd)
{
	if (fd < 0)
		return;
	/* Its end closes the pair: nobody is left who would hold on to the lock. */
	if (send(fd, "k", 1, MSG_NOSIGNAL) == 1)
		(void)readable(fd, DEATH_MS);
	close(fd);
}
