/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API's server: clients on a unix socket, JSON-RPC lines, descriptors,
 * and who the caller is. What the methods do is method.h's matter.
 *
 * A request becomes a struct call, which is answered exactly once, now or later,
 * with call_result() or call_fail(); that frees it. When the client goes away its
 * open calls live on and their answers are thrown away.
 * A client that sends too long a line, too many descriptors, or does not read, is
 * closed; one with too much unanswered is not read from for a while.
 */
#ifndef VNET_NETD_API_H
#define VNET_NETD_API_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/compat.h"
#include "lib/errtext.h"
#include "lib/list.h"
#include "lib/rpc.h"
#include "netd/events.h"

#define API_CLIENTS	  64
#define API_CLIENTS_UID	  32 /* of one user other than root */
#define API_CALLS	  64 /* unanswered requests of one client */
#define API_TURN_LINES	  32 /* requests handled in one wake-up */
#define API_PAUSE_OUT	  (1u << 20) /* not read from above this many bytes */
#define API_SLOW_S	  30 /* waiting bytes that nobody reads */

enum right { RIGHT_READ, RIGHT_USE, RIGHT_ADMIN };

struct caller {
	uid_t uid;
	pid_t pid;
	enum right right;
};

struct api;
struct client;
struct event_base;

struct call {
	struct list node;	/* client's; owned by api.c */
	struct client *client;	/* NULL once it is gone */
	json_t *id;		/* NULL for a notification */
	struct caller who;
};

/* @params is borrowed, an object. */
typedef void (*api_handler)(void *arg, struct call *c, const char *method,
			    json_t *params);

struct api *api_new(struct event_base *base, struct events *events,
		    api_handler fn, void *arg);
void api_free(struct api *a);

/**
 * api_listen() - Serve on a unix socket at @path
 * @mode: of the socket file
 * @admin: uid that may everything, besides 0
 * @group: members may "use"; (gid_t)-1 = none
 *
 * A stale socket file is replaced (the caller holds the instance's lock).
 */
int api_listen(struct api *a, const char *path, mode_t mode, uid_t admin,
	       gid_t group, struct errtext *why);

/* Serve a connected socket, taken. For tests and api_listen(). */
int api_add(struct api *a, int fd, const struct caller *who);

unsigned int api_clients(const struct api *a);

/* @result is stolen; NULL = {}. */
void call_result(struct call *c, json_t *result);
/* With a descriptor, taken: its index of arrival becomes the result's "fd". */
void call_result_fd(struct call *c, json_t *result, int fd);
void call_fail(struct call *c, int code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* The sentence of @why with a code that fits the negative errno. */
void call_fail_why(struct call *c, int err, const struct errtext *why);

/* Claim a descriptor that came with the request; -1 = not there. Owned. */
int call_take_fd(struct call *c, int64_t index);

/* The caller's own connection as event subscriber; NULL when it is gone. */
struct subscriber *call_subscriber(struct call *c);

#endif
