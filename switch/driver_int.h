/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the driver files share; for driver*.c, port_*.c and their tests only.
 */
#ifndef VNET_SWITCH_DRIVER_INT_H
#define VNET_SWITCH_DRIVER_INT_H

#include "switch/drivers.h"

/* Work of one wake-up; what is left waits for the loop's next turn. */
#define DRIVER_FRAMES 256
#define DRIVER_BYTES  (1024 * 1024)

/**
 * struct driver_ops - How the kinds of drivers differ
 *
 * A driver of one port sets driver->only instead of free, link and stats.
 */
struct driver_ops {
	const char *name;
	void (*free)(struct driver *d);
	void (*link)(struct driver *d, bool up);
	void (*stats)(const struct driver *d, struct port_stats *out);
};

/* Embedded first in a driver's struct. */
struct driver {
	const struct driver_ops *ops;
	struct driver_ctx ctx;
	struct port *only; /* the driver's one port; its close frees the driver */
	char name[PORT_NAME];
	enum port_role role;
	uint64_t nic_id;
	uint32_t src_ip4;
	struct ipaddr src_ip6;
	struct pin *pin;
	bool connected;
};

void driver_init(struct driver *d, const struct driver_ops *ops,
		 const struct driver_ctx *ctx, const struct port_spec *spec);

/* Fill in @p from the driver and put it on the switch; -ENOSPC. */
int driver_port_add(struct driver *d, struct port *p,
		    const struct port_ops *ops, uint32_t caps);

/* Note whether a peer is there and tell the owner of changes. */
void driver_peer(struct driver *d, bool connected);

void port_stats_add(struct port_stats *to, const struct port_stats *from);

/* ---- listener: accepts connections, waits when descriptors run out ----------- */

#define LISTENER_RATE 20 /* a second: each is told to control, and may be made to cost */

struct event;

struct listener {
	int fd; /* -1 = none */
	struct event *ev;
	struct event *resume;
	void (*fn)(void *arg, int fd); /* takes over @fd */
	void *arg;
	int64_t since_ms; /* budget: its second began then, … */
	unsigned int used; /* and had so many */
};

/* Takes @fd over (also on failure); does nothing for -1. */
int listener_init(struct listener *l, struct event_base *base, int fd,
		  void (*fn)(void *arg, int fd), void *arg);
void listener_fini(struct listener *l);

#endif
