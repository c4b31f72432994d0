// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clients and their lines. See api.h; the wire format is lib/rpc.h, dispatch
 * method.c.
 */
#include "netd/api.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/log.h"

#define GROUPS_MAX 256 /* of a peer that are looked at */

struct client {
	struct list node;
	struct api *api;
	struct rpc_conn *conn;
	struct event *in, *out;
	struct caller who;
	struct list calls;
	unsigned int ncalls;
	struct subscriber sub;
	bool paused, doomed, handling;
	bool ended; /* it says no more, but reads on */
	struct timeval slow;
};

struct api {
	struct event_base *base;
	struct events *events;
	api_handler fn;
	void *arg;
	struct list clients;
	unsigned int nclients;
	int listen_fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct event *accept, *resume;
	struct log_budget budget;
	uid_t admin;
	gid_t group;
};

static void client_free(struct client *cl)
{
	list_for_each_safe(c, &cl->calls, struct call, node) {
		list_del(&c->node);
		c->client = NULL;
	}
	events_unsubscribe(&cl->sub);
	list_del(&cl->node);
	cl->api->nclients--;
	if (cl->in)
		event_free(cl->in);
	if (cl->out)
		event_free(cl->out);
	rpc_conn_free(cl->conn);
	free(cl);
}

/* Close from inside a send: the reader's callback or the loop frees it. */
static void client_doom(struct client *cl)
{
	cl->doomed = true;
	events_unsubscribe(&cl->sub);
	if (!cl->handling)
		event_active(cl->in, EV_READ, 1);
}

/* Has it everything that it will get? */
static bool client_done(const struct client *cl)
{
	return !cl->ncalls && !rpc_conn_pending(cl->conn);
}

static void client_watch(struct client *cl)
{
	bool pause = cl->ncalls >= API_CALLS ||
		     rpc_conn_queued(cl->conn) > API_PAUSE_OUT;

	if (rpc_conn_pending(cl->conn))
		event_add(cl->out, &cl->slow);
	if (cl->ended) {
		if (client_done(cl))
			client_doom(cl);
		return;
	}
	if (pause && !cl->paused)
		event_del(cl->in);
	if (!pause && cl->paused) {
		event_add(cl->in, NULL);
		event_active(cl->in, EV_READ, 1); /* lines already here */
	}
	cl->paused = pause;
}

static void client_send_fd(struct client *cl, json_t *msg, int fd)
{
	int r;

	if (cl->doomed)
		return;
	r = rpc_conn_send(cl->conn, msg, &fd, fd >= 0);
	if (r) {
		if (r == -ENOBUFS)
			log_info("api: client closed: it does not read "
				 "uid=%u pid=%d",
				 cl->who.uid, cl->who.pid);
		client_doom(cl);
		return;
	}
	client_watch(cl);
}

static void client_send(struct client *cl, json_t *msg)
{
	client_send_fd(cl, msg, -1);
}

/* ---- calls --------------------------------------------------------------- */

static void call_end(struct call *c, json_t *msg, int fd)
{
	struct client *cl = c->client;

	list_del(&c->node);
	c->client = NULL;
	if (cl) {
		cl->ncalls--;
		if (c->id)
			client_send_fd(cl, msg, fd);
		if (!cl->doomed)
			client_watch(cl);
	}
	json_decref(msg);
	json_decref(c->id);
	free(c);
}

void call_result(struct call *c, json_t *result)
{
	call_end(c, rpc_result(json_incref(c->id),
			       result ? result : json_object()), -1);
}

void call_result_fd(struct call *c, json_t *result, int fd)
{
	if (c->client)
		json_object_set_new(result, "fd",
				    json_integer(rpc_conn_next_index(
					    c->client->conn)));
	call_end(c, rpc_result(json_incref(c->id), result), fd);
	close(fd);
}

void call_fail(struct call *c, int code, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	call_end(c, rpc_failure(json_incref(c->id), code, text, NULL), -1);
}

void call_fail_why(struct call *c, int err, const struct errtext *why)
{
	int code = RPC_REFUSED;

	if (err == -EEXIST || err == -EADDRINUSE)
		code = RPC_EXISTS;
	else if (err == -ENOENT)
		code = RPC_NOT_FOUND;
	else if (err == -EACCES || err == -EPERM)
		code = RPC_DENIED;
	else if (err == -EINVAL)
		code = RPC_BAD_PARAMS;
	else if (err == -ETIMEDOUT)
		code = RPC_TIMEOUT;
	else if (err == -EMFILE || err == -ENFILE || err == -E2BIG)
		code = RPC_LIMIT;
	else if (err == -ENOMEM)
		code = RPC_INTERNAL;
	call_fail(c, code, "%s", why->s[0] ? why->s : strerror(-err));
}

int call_take_fd(struct call *c, int64_t index)
{
	return c->client ? rpc_conn_take_fd(c->client->conn, index) : -1;
}

struct subscriber *call_subscriber(struct call *c)
{
	return c->client && !c->client->doomed ? &c->client->sub : NULL;
}

static size_t sub_queued(struct subscriber *s)
{
	struct client *cl = container_of(s, struct client, sub);

	return rpc_conn_queued(cl->conn);
}

static void sub_send(struct subscriber *s, json_t *msg)
{
	client_send(container_of(s, struct client, sub), msg);
}

/* ---- lines --------------------------------------------------------------- */

static void send_failure(struct client *cl, json_t *id, int code,
			 const char *text)
{
	json_t *msg = rpc_failure(json_incref(id), code, text, NULL);

	client_send(cl, msg);
	json_decref(msg);
}

static bool id_ok(json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) ||
	       json_is_null(id);
}

static void on_request(struct client *cl, json_t *req)
{
	json_t *id = json_object_get(req, "id");
	json_t *params = json_object_get(req, "params");
	json_t *empty = NULL;
	const char *method =
		json_string_value(json_object_get(req, "method"));
	const char *version =
		json_string_value(json_object_get(req, "jsonrpc"));
	struct call *c;

	if (!json_is_object(req) || !method || !id_ok(id) || !version ||
	    strcmp(version, "2.0")) {
		send_failure(cl, NULL, RPC_INVALID_REQUEST,
			     "not a JSON-RPC 2.0 request object");
		return;
	}
	if (params && !json_is_object(params)) {
		send_failure(cl, id, RPC_BAD_PARAMS,
			     "params must be an object with named members");
		return;
	}
	if (!params)
		params = empty = json_object();
	c = calloc(1, sizeof(*c));
	if (!c || !params) {
		free(c);
		json_decref(empty);
		send_failure(cl, id, RPC_INTERNAL, "no memory");
		return;
	}
	c->client = cl;
	c->id = json_incref(id);
	c->who = cl->who;
	list_add_tail(&cl->calls, &c->node);
	cl->ncalls++;
	cl->api->fn(cl->api->arg, c, method, params);
	json_decref(empty);
	if (!cl->doomed)
		client_watch(cl); /* too many unanswered: read no more */
}

/* Handle lines that are here. False when the turn's share is used up. */
static bool handle_lines(struct client *cl)
{
	for (int i = 0; i < API_TURN_LINES; i++) {
		json_t *req;

		if (cl->doomed || cl->paused)
			return true;
		if (!rpc_conn_next(cl->conn, &req))
			return true;
		if (!req)
			send_failure(cl, NULL, RPC_PARSE, "not JSON");
		else
			on_request(cl, req);
		json_decref(req);
	}
	return false;
}

static void say_why_closed(struct client *cl, int r)
{
	const char *text = r == -EMSGSIZE ? "line too long"
			   : r == -ETOOMANYREFS
				   ? "too many descriptors waiting"
				   : NULL;

	if (!text)
		return;
	log_limited(&cl->api->budget, clock_mono_ms(), LOG_LVL_INFO,
		    "api: client closed: %s uid=%u pid=%d", text, cl->who.uid,
		    cl->who.pid);
	send_failure(cl, NULL, RPC_LIMIT, text);
}

/* End of what it says: does it still wait for answers, or is it gone? Who is gone
 * later is noticed by the answer. */
static bool client_waits(const struct client *cl, evutil_socket_t fd)
{
	struct pollfd p = {.fd = fd};

	return !client_done(cl) &&
	       (poll(&p, 1, 0) < 1 || !(p.revents & (POLLHUP | POLLERR)));
}

static void client_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct client *cl = arg;
	bool all;
	int r = 1;

	(void)what;
	cl->handling = true;
	all = handle_lines(cl);
	if (all && !cl->doomed && !cl->paused) {
		r = rpc_conn_fill(cl->conn);
		if (r == 1)
			all = handle_lines(cl);
		else if (!r && client_waits(cl, fd))
			cl->ended = event_del(cl->in) == 0;
		else if (r != -EAGAIN)
			say_why_closed(cl, r);
	}
	cl->handling = false;
	if (cl->ended && !cl->doomed)
		return;
	if (cl->doomed || (r != 1 && r != -EAGAIN))
		client_free(cl);
	else if (!all && !cl->paused)
		event_active(cl->in, EV_READ, 1);
}

static void client_on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct client *cl = arg;

	(void)fd;
	if (what & EV_TIMEOUT) {
		log_info("api: client closed: it does not read uid=%u pid=%d",
			 cl->who.uid, cl->who.pid);
		client_free(cl);
		return;
	}
	if (rpc_conn_flush(cl->conn)) {
		client_free(cl);
		return;
	}
	events_drained(&cl->sub);
	if (cl->doomed)
		return; /* client_doom() has scheduled the end */
	client_watch(cl);
}

/* ---- clients ------------------------------------------------------------- */

int api_add(struct api *a, int fd, const struct caller *who)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (!cl) {
		close(fd);
		return -ENOMEM;
	}
	cl->api = a;
	cl->who = *who;
	cl->slow.tv_sec = API_SLOW_S;
	cl->sub.queued = sub_queued;
	cl->sub.send = sub_send;
	list_init(&cl->calls);
	list_add_tail(&a->clients, &cl->node);
	a->nclients++;
	cl->conn = rpc_conn_new(fd, RPC_LINE_MAX, RPC_OUT_MAX);
	if (cl->conn) {
		cl->in = event_new(a->base, fd, EV_READ | EV_PERSIST,
				   client_on_readable, cl);
		cl->out = event_new(a->base, fd, EV_WRITE, client_on_writable,
				    cl);
	}
	if (!cl->in || !cl->out || event_add(cl->in, NULL)) {
		client_free(cl);
		return -ENOMEM;
	}
	return 0;
}

unsigned int api_clients(const struct api *a)
{
	return a->nclients;
}

static bool in_group(int fd, gid_t main_gid, gid_t group)
{
	gid_t list[GROUPS_MAX];
	socklen_t len = sizeof(list);

	if (group == (gid_t)-1)
		return false;
	if (main_gid == group)
		return true;
	/* As the peer had them when it connected; no directory is asked. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(list[0]); i++)
		if (list[i] == group)
			return true;
	return false;
}

static int identify(struct api *a, int fd, struct caller *who)
{
	struct ucred cr;
	socklen_t len = sizeof(cr);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cr, &len))
		return -errno;
	who->uid = cr.uid;
	who->pid = cr.pid;
	if (cr.uid == 0 || cr.uid == a->admin)
		who->right = RIGHT_ADMIN;
	else
		who->right = in_group(fd, cr.gid, a->group) ? RIGHT_USE
							    : RIGHT_READ;
	return 0;
}

static const char *over_limit(struct api *a, const struct caller *who)
{
	unsigned int mine = 0;

	/* A few places stay free for root, who has to clean up. */
	if (a->nclients >= API_CLIENTS + (who->uid ? 0 : 8))
		return "too many clients are connected";
	list_for_each(cl, &a->clients, struct client, node)
		mine += cl->who.uid == who->uid;
	if (who->uid && who->uid != a->admin && mine >= API_CLIENTS_UID)
		return "too many clients of this user are connected";
	return NULL;
}

static void refuse(int fd, const char *text)
{
	json_t *msg = rpc_failure(NULL, RPC_LIMIT, text, NULL);
	struct rpc_conn *c = rpc_conn_new(fd, 1024, 4096);

	if (c)
		(void)rpc_conn_send(c, msg, NULL, 0);
	rpc_conn_free(c);
	json_decref(msg);
}

static void accept_pause(struct api *a)
{
	const struct timeval tv = {.tv_sec = 1};

	log_limited(&a->budget, clock_mono_ms(), LOG_LVL_WARN,
		    "api: no descriptors left, not accepting for a second");
	event_del(a->accept);
	evtimer_add(a->resume, &tv);
}

static void resume_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct api *a = arg;

	(void)fd;
	(void)what;
	event_add(a->accept, NULL);
}

static void accept_on_readable(evutil_socket_t lfd, short what, void *arg)
{
	struct api *a = arg;
	struct caller who = {0};
	const char *over;
	int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			accept_pause(a);
		return;
	}
	if (identify(a, fd, &who)) {
		close(fd);
		return;
	}
	over = over_limit(a, &who);
	if (over)
		refuse(fd, over);
	else
		(void)api_add(a, fd, &who);
}

static int bind_path(const char *path, mode_t mode, struct errtext *why)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	mode_t old;
	int fd, r;

	if (strlen(path) >= sizeof(sun.sun_path))
		return errtext_set(why, -ENAMETOOLONG,
				   "%s: too long for a socket's path (%zu "
				   "characters at most)",
				   path, sizeof(sun.sun_path) - 1);
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errtext_set(why, -errno, "%s: %s", path,
				   strerror(errno));
	(void)unlink(path);
	old = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	if (r || listen(fd, 64)) {
		r = errtext_set(why, -errno, "%s: %s", path, strerror(errno));
		close(fd);
		return r;
	}
	return fd;
}

int api_listen(struct api *a, const char *path, mode_t mode, uid_t admin,
	       gid_t group, struct errtext *why)
{
	int fd = bind_path(path, mode, why);

	if (fd < 0)
		return fd;
	a->listen_fd = fd;
	a->admin = admin;
	a->group = group;
	snprintf(a->path, sizeof(a->path), "%s", path);
	a->accept = event_new(a->base, fd, EV_READ | EV_PERSIST,
			      accept_on_readable, a);
	a->resume = evtimer_new(a->base, resume_on_timer, a);
	if (!a->accept || !a->resume || event_add(a->accept, NULL))
		return errtext_set(why, -ENOMEM, "%s: no memory", path);
	return 0;
}

struct api *api_new(struct event_base *base, struct events *events,
		    api_handler fn, void *arg)
{
	struct api *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->base = base;
	a->events = events;
	a->fn = fn;
	a->arg = arg;
	a->listen_fd = -1;
	list_init(&a->clients);
	return a;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	list_for_each_safe(cl, &a->clients, struct client, node)
		client_free(cl);
	if (a->accept)
		event_free(a->accept);
	if (a->resume)
		event_free(a->resume);
	if (a->listen_fd >= 0) {
		close(a->listen_fd);
		(void)unlink(a->path);
	}
	free(a);
}
