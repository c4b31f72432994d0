// SPDX-License-Identifier: GPL-2.0-or-later
/* Blocking JSON-RPC client. See rpc_client.h. */
#include "lib/rpc_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"

struct rpc_client {
	struct rpc_conn *conn;
	json_int_t last_id;
	int patience_ms; /* for a call; -1 = for ever */
	json_t *events; /* array of notifications not yet asked for */
};

int rpc_client_open(const char *path, struct rpc_client **out,
		    struct errtext *why)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct rpc_client *c;
	int fd, err;

	if (strlen(path) >= sizeof(sa.sun_path))
		return errtext_set(why, -ENAMETOOLONG,
				   "%s: socket path too long", path);
	memcpy(sa.sun_path, path, strlen(path)); /* the rest is zero */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errtext_set(why, -errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		err = errno;
		close(fd);
		return errtext_set(why, -err, "%s: %s", path, strerror(err));
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return errtext_set(why, -ENOMEM, "out of memory");
	}
	c->patience_ms = -1;
	/* What the daemon sends is trusted to be of sane size. */
	c->conn = rpc_conn_new(fd, 64u << 20, 64u << 20);
	c->events = json_array();
	if (!c->conn || !c->events) {
		rpc_client_free(c);
		return errtext_set(why, -ENOMEM, "out of memory");
	}
	*out = c;
	return 0;
}

void rpc_client_free(struct rpc_client *c)
{
	if (!c)
		return;
	rpc_conn_free(c->conn);
	json_decref(c->events);
	free(c);
}

void rpc_client_patience(struct rpc_client *c, int ms)
{
	c->patience_ms = ms;
}

int64_t rpc_client_next_index(const struct rpc_client *c)
{
	return rpc_conn_next_index(c->conn);
}

int rpc_client_take_fd(struct rpc_client *c, int64_t index)
{
	return rpc_conn_take_fd(c->conn, index);
}

int rpc_client_fd(const struct rpc_client *c)
{
	return rpc_conn_fd(c->conn);
}

/* Wait for one more message; 0 with *@out, -ETIMEDOUT, -EINTR, -EPIPE. */
static int next_msg(struct rpc_client *c, int timeout_ms, json_t **out)
{
	int64_t end = clock_mono_ms() + timeout_ms;

	for (;;) {
		struct pollfd p = {.fd = rpc_conn_fd(c->conn), .events = POLLIN};
		int64_t left = timeout_ms < 0 ? -1 : end - clock_mono_ms();
		bool broken;
		int r;

		while (rpc_conn_next(c->conn, out))
			if (*out)
				return 0;
		if (rpc_conn_pending(c->conn))
			p.events |= POLLOUT;
		if (timeout_ms >= 0 && left < 0)
			left = 0;
		r = poll(&p, 1, (int)left);
		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0)
			return -errno;
		/* Who closes the connection may have said why before. */
		broken = rpc_conn_pending(c->conn) && rpc_conn_flush(c->conn);
		r = rpc_conn_fill(c->conn);
		if (r <= 0 && (broken || r != -EAGAIN))
			return -EPIPE;
	}
}

static int read_error(json_t *msg, int *code, struct errtext *why)
{
	json_t *e = json_object_get(msg, "error");
	const char *text = json_string_value(json_object_get(e, "message"));

	if (code)
		*code = (int)json_integer_value(json_object_get(e, "code"));
	return errtext_set(why, -EREMOTE, "%s", text ? text : "refused");
}

/* How long the call that ends at @end may still wait, for next_msg(). */
static int call_wait_ms(const struct rpc_client *c, int64_t end)
{
	int64_t left = end - clock_mono_ms();

	if (c->patience_ms < 0)
		return -1;
	return left > 0 ? (int)left : 0;
}

int rpc_client_call(struct rpc_client *c, const char *method, json_t *params,
		    const int *fds, unsigned int nfd, json_t **result,
		    int *code, struct errtext *why)
{
	int64_t end = clock_mono_ms() + c->patience_ms;
	json_int_t id = ++c->last_id;
	json_t *msg = rpc_request(method, params, json_integer(id));
	int r = rpc_conn_send(c->conn, msg, fds, nfd);

	json_decref(msg);
	if (r == -EPIPE)
		r = 0; /* next_msg() finds out, after reading what came */
	while (!r) {
		r = next_msg(c, call_wait_ms(c, end), &msg);
		if (r == -EINTR) {
			r = 0;
			continue;
		}
		if (r)
			break;
		if (json_object_get(msg, "method")) {
			json_array_append_new(c->events, msg);
			continue;
		}
		if (json_integer_value(json_object_get(msg, "id")) == id ||
		    json_is_null(json_object_get(msg, "id"))) {
			*result = json_incref(json_object_get(msg, "result"));
			if (!*result)
				r = read_error(msg, code, why);
			json_decref(msg);
			return r;
		}
		json_decref(msg);
	}
	if (r == -EPIPE)
		return errtext_set(why, r, "connection to vnetd lost");
	return errtext_set(why, r, "%s: %s", method, strerror(-r));
}

int rpc_client_event(struct rpc_client *c, int timeout_ms, json_t **out)
{
	if (json_array_size(c->events)) {
		*out = json_incref(json_array_get(c->events, 0));
		json_array_remove(c->events, 0);
		return 0;
	}
	for (;;) {
		int r = next_msg(c, timeout_ms, out);

		if (r || json_object_get(*out, "method"))
			return r;
		json_decref(*out);
	}
}
