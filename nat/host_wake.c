// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Suspend, noticed. See host_wake.h.
 *
 * #syscalls timerfd_create timerfd_settime read close
 */
#include "nat/host_wake.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"

#define FAR_S 4000000000 /* the timer itself never fires (2096) */

struct host_wake {
	int fd;
	struct event *ev;
	int64_t gap_ms;
	void (*woke)(void *arg, int64_t slept_ms);
	void *arg;
};

int64_t host_slept(int64_t *gap_ms, int64_t boot_ms, int64_t mono_ms)
{
	int64_t gap = boot_ms - mono_ms, before = *gap_ms;

	*gap_ms = gap;
	return gap - before >= HOST_WAKE_MIN_MS ? gap - before : 0;
}

static int arm(struct host_wake *w)
{
	const struct itimerspec far = {.it_value.tv_sec = FAR_S};
	const int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;

	return timerfd_settime(w->fd, flags, &far, NULL) ? -errno : 0;
}

static void wake_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct host_wake *w = arg;
	uint64_t fired;
	ssize_t n = read(fd, &fired, sizeof(fired)); /* ECANCELED */
	int64_t slept_ms;

	(void)what;
	(void)n;
	(void)arm(w);
	slept_ms = host_slept(&w->gap_ms, clock_boot_ms(), clock_mono_ms());
	if (slept_ms)
		w->woke(w->arg, slept_ms);
}

int host_wake_new(struct event_base *base,
		  void (*woke)(void *arg, int64_t slept_ms), void *arg,
		  struct host_wake **out)
{
	struct host_wake *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->woke = woke;
	w->arg = arg;
	(void)host_slept(&w->gap_ms, clock_boot_ms(), clock_mono_ms());
	w->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	err = w->fd < 0 ? -errno : arm(w);
	if (!err) {
		w->ev = event_new(base, w->fd, EV_READ | EV_PERSIST,
				  wake_on_readable, w);
		if (!w->ev || event_add(w->ev, NULL))
			err = -ENOMEM;
	}
	if (err) {
		host_wake_free(w);
		return err;
	}
	*out = w;
	return 0;
}

void host_wake_free(struct host_wake *w)
{
	if (!w)
		return;
	if (w->ev)
		event_free(w->ev);
	fd_close(&w->fd);
	free(w);
}
