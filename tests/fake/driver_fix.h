/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A switch with a driver under test on one side and a fake port on the other, and a
 * real event loop. Nothing sleeps: the loop runs until it has nothing to do.
 */
#ifndef VNET_TESTS_DRIVER_FIX_H
#define VNET_TESTS_DRIVER_FIX_H

#include <event2/event.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "switch/drivers.h"
#include "tests/fake/fake_port.h"

struct fix {
	struct event_base *base;
	struct vswitch *sw;
	struct fake_port f; /* the other side of the switch */
	struct driver_events ev;
	struct driver_ctx ctx;
	struct port_spec spec;
	struct driver *d;
	int peer;	 /* our end of the driver's socket */
	int memfd;
	int connected;	 /* last ev.peer */
	int peer_calls;
	int accepted_fd; /* dup of what ev.accepted showed */
	struct sockaddr_storage sender; /* last ev.sender */
	socklen_t sender_len;
	unsigned int senders;
};

/* cmocka's; *state is the struct fix. The driver in it is freed, too. */
int fix_setup(void **state);
int fix_teardown(void **state);

/* From now on the driver asks for ways to its senders (ev.sender). Before it is made. */
void fix_ask_ways(struct fix *x);

/* A few rounds of the loop. */
void fix_turn(struct fix *x);

/* Let the loop go round until exactly @n frames came through the switch. */
void fix_until(struct fix *x, unsigned int n);

uint64_t fix_drops(const struct fix *x, enum drop_reason r);

/* A broadcast frame of @len bytes that carries @tag; from host @src. */
void fix_frame(uint8_t *p, size_t len, uint8_t src, uint8_t tag);

/* The same behind its length, as on a stream; returns the bytes of both. */
size_t fix_stream_frame(uint8_t *p, size_t len, uint8_t tag);

/* The switch sends a frame to the driver. */
void fix_to_driver(struct fix *x, size_t len, uint8_t tag);

/* A socket bound to an abstract address of this process. */
int fix_listener(const char *name, int type, struct sockaddr_un *a,
		 socklen_t *len);

/* A non-blocking socket connected to it. */
int fix_dial(int type, const struct sockaddr_un *a, socklen_t len);

/* A fresh memory for a stream port. */
int fix_mem(void);

#endif
