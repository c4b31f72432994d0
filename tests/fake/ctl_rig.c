// SPDX-License-Identifier: GPL-2.0-or-later
/* See ctl_rig.h. */
#include "tests/fake/ctl_rig.h"

#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netd/addrs.h"
#include "netd/leases.h"
#include "netd/method.h"
#include "netd/netctl.h"
#include "netd/rundir.h"
#include "netd/store.h"

void rig_init(struct rig *r, bool root, enum right right)
{
	struct caller who = {.uid = geteuid(), .pid = 1, .right = right};
	struct errtext why;
	int fd[2];

	memset(r, 0, sizeof(*r));
	log_setup("rig", LOG_LVL_ERR);
	r->ctl.log_level = LOG_LVL_ERR;
	snprintf(r->dir, sizeof(r->dir), "/tmp/vnet-rig-XXXXXX");
	if (!mkdtemp(r->dir) || rundir_make(r->dir, r->dir, false, &why))
		abort();
	snprintf(r->ctl.run_dir, sizeof(r->ctl.run_dir), "%s", r->dir);
	r->priv = r->ctl.priv = fake_priv_new(root);
	r->ctl.base = event_base_new();
	r->ctl.next_wire = 1;
	events_init(&r->ctl.events);
	list_init(&r->ctl.addr_waiters);
	if (model_init(&r->ctl.model) ||
	    store_open(":memory:", &r->ctl.store, &why))
		abort();
	r->ctl.leases = leases_new(&r->ctl);
	r->ctl.api = api_new(r->ctl.base, &r->ctl.events, method_dispatch,
			     &r->ctl);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) ||
	    api_add(r->ctl.api, fd[0], &who))
		abort();
	r->client = rpc_conn_new(fd[1], RPC_LINE_MAX, RPC_OUT_MAX);
}

void rig_fini(struct rig *r)
{
	struct ctl *ctl = &r->ctl;

	ctl->stopping = true;
	rpc_conn_free(r->client);
	api_free(ctl->api);
	leases_flush(ctl->leases);
	list_for_each(n, &ctl->model.nets, struct network, node)
		netctl_release(ctl, n);
	addrs_fini(ctl);
	leases_free(ctl->leases);
	netctl_fini(ctl);
	model_fini(&ctl->model);
	store_close(ctl->store);
	fake_priv_free(r->priv);
	event_base_free(ctl->base);
	libevent_global_shutdown();
	json_decref(r->last);
	json_decref(r->event);
	rundir_sweep(r->dir);
	snprintf(ctl->run_dir, sizeof(ctl->run_dir), "%s/nic", r->dir);
	(void)rmdir(ctl->run_dir);
	(void)rmdir(r->dir);
}

static void swallow(enum log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
}

int rig_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	rig_init(r, true, RIGHT_ADMIN);
	*state = r;
	return 0;
}

int rig_up_lab(void **state)
{
	if (rig_up(state))
		return -1;
	return rig_call(*state, "network.define", "{'name':'lab','mode':'nat'}",
			-1) ? 0 : -1;
}

int rig_down(void **state)
{
	rig_fini(*state);
	free(*state);
	return 0;
}

/* Tests that want to see that there is none ask fake_worker_of(). */
struct fake_worker *rig_lab(struct rig *r)
{
	struct fake_worker *w = fake_worker_of(r->priv, "lab");

	if (!w)
		abort();
	return w;
}

void rig_quiet(bool on)
{
	log_set_sink(on ? swallow : NULL, NULL);
}

/* True when something came from the API. */
static bool read_answers(struct rig *r)
{
	bool any = false;
	json_t *msg;

	while (rpc_conn_fill(r->client) == 1) {
		while (rpc_conn_next(r->client, &msg) == 1) {
			json_t **to = json_object_get(msg, "method")
					      ? &r->event
					      : &r->last;

			json_decref(*to);
			*to = msg;
			any = true;
		}
	}
	return any;
}

void rig_spin(struct rig *r)
{
	/* Enough rounds for request, worker's answer, store, reply. */
	for (int i = 0; i < 12; i++) {
		event_base_loop(r->ctl.base, EVLOOP_NONBLOCK);
		for (unsigned int k = 0; k < r->priv->nworkers; k++)
			fake_worker_pump(&r->priv->worker[k]);
		(void)read_answers(r);
	}
}

json_t *rig_call(struct rig *r, const char *method, const char *params, int fd)
{
	char *text = strdup(params ? params : "{}");
	json_t *msg;

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	msg = rpc_request(method, json_loads(text, 0, NULL),
			  json_integer(++r->next_id));
	free(text);
	json_decref(r->last);
	r->last = NULL;
	(void)rpc_conn_send(r->client, msg, &fd, fd >= 0 ? 1 : 0);
	json_decref(msg);
	rig_spin(r);
	return json_object_get(r->last, "result");
}

int rig_code(struct rig *r)
{
	json_t *e = json_object_get(r->last, "error");

	return (int)json_integer_value(json_object_get(e, "code"));
}

const char *rig_text(struct rig *r)
{
	return rig_str(json_object_get(r->last, "error"), "message");
}

const char *rig_str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}
