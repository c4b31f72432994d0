/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens, for those who asked to be told. A subscriber whose queue is full
 * misses events and is told how many ("events.missed") once there is room again;
 * nobody waits for a slow reader.
 */
#ifndef VNET_NETD_EVENTS_H
#define VNET_NETD_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

#define EVENTS_QUEUE_MAX (256u << 10) /* bytes waiting at one subscriber */

enum event_type {
	EVENT_NET_DEFINED,
	EVENT_NET_UNDEFINED,
	EVENT_NET_STATE,
	EVENT_NIC_ATTACHED,
	EVENT_NIC_DETACHED,
	EVENT_NIC_CONNECTED,
	EVENT_NIC_DISCONNECTED,
	EVENT_NIC_LINK,
	EVENT_NIC_ADDRESS,
	EVENT_LEASE_BOUND,
	EVENT_LEASE_RELEASED,
	EVENT_LEASE_EXPIRED,
	EVENT_LEASE_DECLINED,
	EVENT_FWD_ADDED,
	EVENT_FWD_REMOVED,
	EVENT_FWD_CHANGED,
	EVENT_FWD_STATE,
	EVENT_WORKER_EXITED,
	EVENT_WORKER_STARTED,
	EVENT_POOL_EXHAUSTED,
	EVENT_DHCP_ROGUE,
	EVENT_DHCP_CONFLICT,
	EVENT_NIC_GUARD,
	EVENT_DHCP_OTHER,
	EVENT_TYPES
};

struct subscriber {
	struct list node; /* zeroed = not subscribed */
	uint32_t mask;	  /* 1 << enum event_type */
	uint64_t missed;
	size_t (*queued)(struct subscriber *s); /* bytes waiting */
	/* @msg is borrowed. Must not free the subscriber. */
	void (*send)(struct subscriber *s, json_t *msg);
};

struct events {
	struct list subscribers;
};

void events_init(struct events *e);

/* "network.state"; an exact name or the part before the dot selects types. */
const char *event_name(enum event_type t);
/* 0 when nothing is called so. */
uint32_t event_mask(const char *name);

/* Start, or change what is wanted. The subscriber stays the caller's. */
void events_subscribe(struct events *e, struct subscriber *s, uint32_t mask);
void events_unsubscribe(struct subscriber *s);

/* Does anybody listen? For those whose events cost something to make. */
bool events_wanted(const struct events *e);

/* @params is stolen (NULL is ignored); "type" and "time" are added. */
void events_emit(struct events *e, enum event_type t, json_t *params);

/* The subscriber's queue became shorter: say what it missed. */
void events_drained(struct subscriber *s);

#endif
