// SPDX-License-Identifier: GPL-2.0-or-later
/* Events to subscribers. See events.h; the queues are the API's (api.c). */
#include "netd/events.h"

#include <assert.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/rpc.h"

static const char *const names[] = {
	"network.defined",  "network.undefined", "network.state",
	"nic.attached",	    "nic.detached",	 "nic.connected",
	"nic.disconnected", "nic.link",		 "nic.address",
	"lease.bound",	    "lease.released",	 "lease.expired",
	"lease.declined",   "forward.added",	 "forward.removed",
	"forward.changed",  "forward.state",	 "worker.exited",
	"worker.started",   "dhcp.pool_exhausted",
	"dhcp.rogue",	    "dhcp.conflict",	 "nic.guard",
	"dhcp.other_server",
};

static_assert(ARRAY_LEN(names) == EVENT_TYPES, "a name for every event");
static_assert(EVENT_TYPES <= 32, "the mask has 32 bits");

void events_init(struct events *e)
{
	list_init(&e->subscribers);
}

const char *event_name(enum event_type t)
{
	return names[t];
}

uint32_t event_mask(const char *name)
{
	size_t n = strlen(name);
	uint32_t mask = 0;

	for (unsigned int i = 0; i < EVENT_TYPES; i++)
		if (!strcmp(names[i], name) ||
		    (n && !strncmp(names[i], name, n) && names[i][n] == '.'))
			mask |= 1u << i;
	return mask;
}

void events_subscribe(struct events *e, struct subscriber *s, uint32_t mask)
{
	if (!list_linked(&s->node))
		list_add_tail(&e->subscribers, &s->node);
	s->mask = mask;
}

void events_unsubscribe(struct subscriber *s)
{
	list_del(&s->node);
}

static bool has_room(struct subscriber *s)
{
	return s->queued(s) < EVENTS_QUEUE_MAX;
}

void events_drained(struct subscriber *s)
{
	json_t *msg;

	/* Half empty: or every single event would be followed by a report. */
	if (!s->missed || s->queued(s) > EVENTS_QUEUE_MAX / 2)
		return;
	msg = rpc_request("event",
			  json_pack("{s:s,s:I,s:I}", "type", "events.missed",
				    "time", (json_int_t)clock_wall_s(),
				    "count", (json_int_t)s->missed),
			  NULL);
	s->missed = 0;
	s->send(s, msg);
	json_decref(msg);
}

bool events_wanted(const struct events *e)
{
	return !list_empty(&e->subscribers);
}

void events_emit(struct events *e, enum event_type t, json_t *params)
{
	json_t *msg;

	if (list_empty(&e->subscribers) || !params) {
		json_decref(params);
		return;
	}
	/* A NIC has a type, too: here it is called nic_type. */
	if (json_object_get(params, "type"))
		json_object_set(params, "nic_type",
				json_object_get(params, "type"));
	json_object_set_new(params, "type", json_string(names[t]));
	json_object_set_new(params, "time", json_integer(clock_wall_s()));
	msg = rpc_request("event", params, NULL);
	list_for_each_safe(s, &e->subscribers, struct subscriber, node) {
		if (!(s->mask & 1u << t))
			continue;
		if (s->missed || !has_room(s))
			s->missed++;
		else
			s->send(s, msg);
	}
	json_decref(msg);
}
