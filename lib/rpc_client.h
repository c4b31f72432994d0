/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A blocking JSON-RPC client for the command and for tests. Notifications that
 * arrive while a call waits are kept in order for rpc_client_event().
 */
#ifndef VNET_LIB_RPC_CLIENT_H
#define VNET_LIB_RPC_CLIENT_H

#include "lib/errtext.h"
#include "lib/rpc.h"

struct rpc_client;

/* Connect to the socket at @path. 0, or negative errno with @why. */
int rpc_client_open(const char *path, struct rpc_client **out,
		    struct errtext *why);
void rpc_client_free(struct rpc_client *c);

/**
 * rpc_client_call() - One request, its answer
 * @params: stolen; may be NULL
 * @fds: borrowed; the caller put their indices (rpc_client_next_index()) into params
 * @result: new reference
 * @code: RPC error code when the server refused (result -EREMOTE); nullable
 *
 * Return: 0; -EREMOTE refused by the server with its sentence in @why; -EPIPE when
 * the connection is lost; -ENOBUFS, -EMFILE as rpc_conn_send().
 */
int rpc_client_call(struct rpc_client *c, const char *method, json_t *params,
		    const int *fds, unsigned int nfd, json_t **result,
		    int *code, struct errtext *why);

/* Give up a call after @ms milliseconds with -ETIMEDOUT; -1 = never, as at first.
 * An answer that comes later is skipped. */
void rpc_client_patience(struct rpc_client *c, int ms);

int64_t rpc_client_next_index(const struct rpc_client *c);

/* A descriptor that came with a result, by its index; -1 if there is none. */
int rpc_client_take_fd(struct rpc_client *c, int64_t index);

/**
 * rpc_client_event() - Next notification
 * @timeout_ms: -1 = for ever
 *
 * Return: 0 with a new reference in @out; -ETIMEDOUT; -EINTR (a signal came);
 * -EPIPE connection lost.
 */
int rpc_client_event(struct rpc_client *c, int timeout_ms, json_t **out);

/* For callers with a poll loop of their own. */
int rpc_client_fd(const struct rpc_client *c);

#endif
