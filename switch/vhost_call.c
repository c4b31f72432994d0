// SPDX-License-Identifier: GPL-2.0-or-later
/* See vhost_call.h. */
#include "switch/vhost_call.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* An alarm is the process's: there is but one of it. */
static volatile sig_atomic_t running; /* it goes off in VHOST_CALL_MS at most … */
static volatile sig_atomic_t used;    /* … and once more after that */

static void go_off_later(void)
{
	const struct itimerval t = {
		.it_value.tv_usec = VHOST_CALL_MS * 1000,
	};

	setitimer(ITIMER_REAL, &t, NULL);
}

static void on_alarm(int sig)
{
	int saved = errno;

	(void)sig;
	running = used;
	used = 0;
	if (running)
		go_off_later();
	errno = saved;
}

static void run(void)
{
	struct sigaction sa = {.sa_handler = on_alarm}; /* no SA_RESTART */

	sigemptyset(&sa.sa_mask);
	sigaction(SIGALRM, &sa, NULL);
	running = 1;
	go_off_later();
}

int vhost_call(int fd)
{
	const uint64_t one = 1;

	/* In this order: an alarm in between sees that it is wanted. */
	used = 1;
	if (!running)
		run();
	return write(fd, &one, sizeof(one)) < 0 && errno == EINTR ? -EBUSY : 0;
}
