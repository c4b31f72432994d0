/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor of one worker process: its life, its channel, requests with
 * answers. What is said over the channel is the owner's matter (netctl.c).
 *
 * Theory of operation
 *   SUPER_DOWN -> start -> SUPER_STARTING -W_READY-> SUPER_READY
 *   any -> channel end, pidfd readable, protocol error, request timeout ->
 *	SUPER_ENDING (killed, channel closed) -pidfd-> SUPER_BACKOFF -> STARTING
 *   stop: SUPER_STOPPING (W_SHUTDOWN sent; killed after 2 s) -pidfd-> SUPER_DOWN
 * Requests pending when the channel closes are answered with -EPIPE. The owner is
 * told of every start (to send the worker its state), readiness and end. The delay
 * grows from 100 ms to 10 s and falls back after half a minute of health.
 */
#ifndef VNET_NETD_SUPER_H
#define VNET_NETD_SUPER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/chan.h"
#include "lib/errtext.h"

struct event_base;
struct priv;
struct super;

#define SUPER_PENDING_MAX 12288 /* requests without an answer */
#define SUPER_TIMEOUT_MS  10000 /* to answer one, and to become ready */
#define SUPER_STOP_MS	  2000
#define SUPER_BACKOFF_MIN 100
#define SUPER_BACKOFF_MAX 10000

enum super_state {
	SUPER_DOWN,
	SUPER_STARTING,
	SUPER_READY,
	SUPER_ENDING,
	SUPER_BACKOFF,
	SUPER_STOPPING
};

struct super_ops {
	/* The process runs, the channel is open: send W_NET … W_START. */
	void (*started)(void *arg);
	void (*ready)(void *arg);
	/**
	 * message() - Something that is no answer
	 * @body: borrowed
	 * @m: take descriptors by setting their places to -1
	 *
	 * Return: 0, or negative errno with @why: the worker is killed.
	 */
	int (*message)(void *arg, uint16_t type, json_t *body,
		       struct chan_msg *m, struct errtext *why);
	/* The same of a type from W_BYTES on; it has no descriptors. */
	int (*bytes)(void *arg, uint16_t type, const uint8_t *p, size_t len,
		     struct errtext *why);
	/* It ended, or could not be started, for @reason; a restart follows
	 * unless it was stopped. */
	void (*ended)(void *arg, bool stopped, const char *reason);
};

/**
 * super_done_fn - A request's end
 * @err: 0 with the @result (borrowed); -EREMOTE refused by the worker, its
 *	sentence in @why; -EPIPE it ended before
 */
typedef void (*super_done_fn)(void *arg, int err, json_t *result,
			      const char *why);

/* @ops, @arg outlive it. NULL without memory. */
struct super *super_new(struct event_base *base, struct priv *priv,
			const char *network, bool isolated,
			const struct super_ops *ops, void *arg);
/* Kills what still runs, does not wait. Pending requests end with -EPIPE. */
void super_free(struct super *s);

void super_start(struct super *s);
void super_stop(struct super *s);

/* Kill at once (SIGKILL); it is started again. */
void super_kill(struct super *s, const char *reason);

/* Message without answer. @body is stolen; NULL = {}. Errors kill the worker. */
void super_send(struct super *s, uint16_t type, json_t *body, const int *fds,
		unsigned int nfd);

/* The same of a type from W_BYTES on. */
void super_send_bytes(struct super *s, uint16_t type, const void *p, size_t len);

/* A message with an answer; @done nullable. Without a channel @done is called at
 * once with -EPIPE. */
void super_request(struct super *s, uint16_t type, json_t *body,
		   const int *fds, unsigned int nfd, super_done_fn done,
		   void *arg);

enum super_state super_state(const struct super *s);
pid_t super_pid(const struct super *s);		/* 0 = none */
unsigned int super_restarts(const struct super *s);

#endif
