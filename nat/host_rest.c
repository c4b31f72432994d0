// SPDX-License-Identifier: GPL-2.0-or-later
/* See host_rest.h. */
#include "nat/host_rest.h"

#include <errno.h>

static void rest_on_time(evutil_socket_t fd, short what, void *arg)
{
	struct host_rest *r = arg;

	(void)fd;
	(void)what;
	event_del(&r->idle);
	event_del(&r->late);
	r->asked = false;
	r->fn(r->arg);
}

int host_rest_init(struct host_rest *r, struct event_base *base,
		   void (*fn)(void *arg), void *arg)
{
	r->fn = fn;
	r->arg = arg;
	if (event_assign(&r->idle, base, -1, 0, rest_on_time, r) ||
	    evtimer_assign(&r->late, base, rest_on_time, r) ||
	    event_priority_set(&r->idle, event_base_get_npriorities(base) - 1))
		return -ENOMEM;
	return 0;
}

void host_rest_fini(struct host_rest *r)
{
	if (event_initialized(&r->idle))
		event_del(&r->idle);
	if (event_initialized(&r->late))
		event_del(&r->late);
	r->asked = false;
}

void host_rest_ask(struct host_rest *r)
{
	static const struct timeval late = {.tv_usec = HOST_REST_MS * 1000};

	if (r->asked)
		return;
	r->asked = true;
	event_active(&r->idle, EV_TIMEOUT, 0);
	(void)evtimer_add(&r->late, &late);
}
