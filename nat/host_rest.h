/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Work that can wait until the loop has nothing else to do: nobody waits for its result,
 * and while it is done somebody may wait for something else. It comes when a look for
 * events found none, after HOST_REST_MS at the latest, however busy the loop is.
 *
 * That takes a base with several priorities (event_base_priority_init(), an odd number,
 * so that ordinary events are in the middle); else it comes behind the events at hand.
 */
#ifndef VNET_NAT_HOST_REST_H
#define VNET_NAT_HOST_REST_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>

#define HOST_REST_MS 2

/** struct host_rest - The caller's, private to host_rest.c. */
struct host_rest {
	struct event idle, late;
	void (*fn)(void *arg);
	void *arg;
	bool asked;
};

/* 0 or -ENOMEM. @fn is called on the loop, once for any number of host_rest_ask(). */
int host_rest_init(struct host_rest *r, struct event_base *base,
		   void (*fn)(void *arg), void *arg);
/* Zeroes are fine; what was asked for is not done any more. */
void host_rest_fini(struct host_rest *r);

void host_rest_ask(struct host_rest *r);

#endif
