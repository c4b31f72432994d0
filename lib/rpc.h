/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON-RPC 2.0 over a unix stream socket, one object a line, descriptors beside
 * the bytes as SCM_RIGHTS. This is the transport for both ends; dispatch is the
 * daemon's matter, blocking calls are rpc_client.h's.
 *
 * A descriptor is named by its index of arrival on the connection: the first one a
 * side sends is 0, the next 1, and so on. Those not claimed stay pending up to
 * RPC_FDS_PENDING; one more is a protocol error.
 */
#ifndef VNET_LIB_RPC_H
#define VNET_LIB_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_LINE_MAX	(1u << 20) /* bytes in a line a server accepts */
#define RPC_OUT_MAX	(4u << 20) /* bytes waiting for a slow reader */
#define RPC_FDS_PENDING 16
#define RPC_FDS_SEND	8 /* descriptors with one outgoing message */
#define RPC_DEPTH_MAX	32 /* nesting of arrays and objects */

/* Error codes: JSON-RPC 2.0 section 5.1 and ours from -32000 down. */
enum rpc_error {
	RPC_PARSE = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_REFUSED = -32000,	/* the request makes sense but cannot be done */
	RPC_NOT_FOUND = -32001, /* no such network, NIC, … */
	RPC_EXISTS = -32002,	/* already there, or in use */
	RPC_DENIED = -32003,	/* the caller may not */
	RPC_TIMEOUT = -32004,	/* what was waited for did not happen */
	RPC_LIMIT = -32005,	/* a limit is reached */
};

struct rpc_conn;

/* Takes @fd (made non-blocking), also on failure. NULL without memory. */
struct rpc_conn *rpc_conn_new(int fd, size_t line_max, size_t out_max);
void rpc_conn_free(struct rpc_conn *c);
int rpc_conn_fd(const struct rpc_conn *c);

/**
 * rpc_conn_fill() - Read what is there, once
 *
 * To be called when rpc_conn_next() has nothing more.
 *
 * Return: 1 something came; 0 end; -EAGAIN; -EMSGSIZE line too long; -ETOOMANYREFS
 * too many descriptors pending; other negative errno: connection lost. After an
 * error other than -EAGAIN nothing more can be read.
 */
int rpc_conn_fill(struct rpc_conn *c);

/**
 * rpc_conn_next() - Next complete line as JSON
 * @out: new reference; NULL when the line is not a JSON value, has a key twice in
 *	one object, or nests deeper than RPC_DEPTH_MAX
 *
 * A line over the limit is not handed out; rpc_conn_fill() tells of it. When all
 * is consumed, an input buffer that a long line made large is freed.
 *
 * Return: 1 a line was consumed (@out may be NULL: answer RPC_PARSE); 0 none.
 */
int rpc_conn_next(struct rpc_conn *c, json_t **out);

/* Bytes of memory kept for input. */
size_t rpc_conn_held(const struct rpc_conn *c);

/* Claim the descriptor with this index of arrival; -1 when it is not pending.
 * The caller owns it. */
int rpc_conn_take_fd(struct rpc_conn *c, int64_t index);

/**
 * rpc_conn_send() - Queue a message and try to send
 * @msg: borrowed
 * @fds: borrowed (duplicated); ride with the line's first byte; the first gets the
 *	index that rpc_conn_next_index() told before the call
 *
 * Return: 0; -ENOBUFS when the limit of waiting bytes would be exceeded or @nfd is
 * above RPC_FDS_SEND, -EMFILE (nothing was queued); -EPIPE.
 */
int rpc_conn_send(struct rpc_conn *c, const json_t *msg, const int *fds,
		  unsigned int nfd);

/* Index that the next descriptor we send will have at the other side. */
int64_t rpc_conn_next_index(const struct rpc_conn *c);

bool rpc_conn_pending(const struct rpc_conn *c); /* ask for writability */
size_t rpc_conn_queued(const struct rpc_conn *c); /* bytes waiting */
int rpc_conn_flush(struct rpc_conn *c);		  /* 0 or -EPIPE */

/* Message builders; new references, NULL without memory. They take (steal) the
 * json_t arguments, also then. @id may be NULL for notifications and null ids.
 * Bytes in @text that are not UTF-8 become '?'. */
json_t *rpc_request(const char *method, json_t *params, json_t *id);
json_t *rpc_result(json_t *id, json_t *result);
json_t *rpc_failure(json_t *id, int code, const char *text, json_t *data);

#endif
