// SPDX-License-Identifier: GPL-2.0-or-later
/* Grouped lease commits. See leases.h; what a worker may say is judged in wmsg.c. */
#include "netd/leases.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "netd/addrs.h"
#include "netd/fwdctl.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/wmsg.h"

struct commit {
	struct network *net;
	int64_t token;
	struct lease_conf conf;
};

struct leases {
	struct ctl *ctl;
	struct event *flush;
	struct commit batch[LEASES_BATCH];
	unsigned int n;
	struct log_budget budget;
};

static void flush_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	leases_flush(arg);
}

struct leases *leases_new(struct ctl *ctl)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->ctl = ctl;
	l->flush = evtimer_new(ctl->base, flush_on_timer, l);
	if (!l->flush) {
		free(l);
		return NULL;
	}
	return l;
}

void leases_free(struct leases *l)
{
	if (!l)
		return;
	leases_flush(l);
	event_free(l->flush);
	free(l);
}

/* Still in the store? A worker goes on for a moment after its network was undefined. */
static bool is_kept(const struct commit *c)
{
	return c->net && !c->net->dying;
}

static int write_all(struct leases *l, struct errtext *why)
{
	struct store *s = l->ctl->store;
	int r = store_begin(s, why);

	if (r)
		return r;
	for (unsigned int i = 0; i < l->n && !r; i++)
		if (is_kept(&l->batch[i]))
			r = store_lease_put(s, &l->batch[i].conf, why);
	if (!r)
		return store_commit(s, why);
	store_rollback(s);
	return r;
}

/* What the other leases of this MAC say is history: one NIC, one address. */
static void remember(struct ctl *ctl, const struct commit *c)
{
	struct nic *nic = model_nic_by_mac(c->net, &c->conf.mac);

	if (model_lease_put(c->net, &c->conf))
		return;
	events_emit(&ctl->events, EVENT_LEASE_BOUND,
		    obj_lease(ctl, c->net, &c->conf, "bound"));
	if (!nic)
		return;
	addrs_changed(ctl, nic->conf.vm);
	fwdctl_vm_changed(ctl, c->net, nic->conf.vm);
}

static void done(struct network *n, int64_t token, bool ok)
{
	if (n->sup)
		super_send(n->sup, W_LEASE_DONE,
			   json_pack("{s:I,s:b}", "token", (json_int_t)token,
				     "ok", (int)ok),
			   NULL, 0);
}

void leases_flush(struct leases *l)
{
	struct errtext why = {""};
	unsigned int n = l->n;
	int r;

	if (!n)
		return;
	r = write_all(l, &why);
	l->n = 0;
	if (r)
		log_limited(&l->budget, clock_mono_ms(), LOG_LVL_ERR,
			    "leases: not granted: %s", why.s);
	for (unsigned int i = 0; i < n; i++) {
		struct commit *c = &l->batch[i];
		bool ok = !r && is_kept(c);

		if (ok)
			remember(l->ctl, c);
		if (c->net)
			done(c->net, c->token, ok);
	}
}

int leases_commit(struct leases *l, struct network *n, json_t *body,
		  struct errtext *why)
{
	const struct timeval now = {0};
	struct lease_conf conf;
	const char *state;
	int64_t token;
	int r = wmsg_lease(body, &n->conf, clock_wall_s(), &token, &conf,
			   &state, why);

	if (r)
		return r;
	if (n->leases.count + l->n >= MODEL_LEASES_MAX &&
	    !model_lease_find(n, conf.address)) {
		log_limited(&l->budget, clock_mono_ms(), LOG_LVL_WARN,
			    "network %s: %u leases, no more are granted",
			    n->conf.name, n->leases.count);
		done(n, token, false);
		return 0;
	}
	if (l->n == LEASES_BATCH)
		leases_flush(l);
	l->batch[l->n++] = (struct commit){n, token, conf};
	if (!evtimer_pending(l->flush, NULL))
		evtimer_add(l->flush, &now);
	return 0;
}

static int forget(struct ctl *ctl, struct network *n, uint32_t ip,
		  struct errtext *why)
{
	struct lease *l = model_lease_find(n, ip);
	int r;

	if (!l)
		return 0;
	r = store_lease_del(ctl->store, n->conf.id, ip, why);
	if (!r)
		model_lease_del(n, l);
	return r;
}

int leases_event(struct leases *l, struct network *n, json_t *body,
		 struct errtext *why)
{
	static const struct {
		const char *state;
		enum event_type event;
	} known[] = {
		{"released", EVENT_LEASE_RELEASED},
		{"expired", EVENT_LEASE_EXPIRED},
		{"forgotten", EVENT_LEASE_RELEASED},
		{"declined", EVENT_LEASE_DECLINED},
	};
	struct lease_conf conf;
	struct errtext full = {""};
	const char *state;
	struct nic *nic;
	int r = wmsg_lease(body, &n->conf, clock_wall_s(), NULL, &conf, &state,
			   why);

	if (r)
		return r;
	leases_flush(l); /* order: a commit of the same address comes first */
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i].state, state))
			continue;
		events_emit(&l->ctl->events, known[i].event,
			    obj_lease(l->ctl, n, &conf, state));
		/* A full disk keeps the record until the next start, where its
		 * term has ended: nothing is lost by it. */
		if (forget(l->ctl, n, conf.address, &full))
			log_limited(&l->budget, clock_mono_ms(), LOG_LVL_WARN,
				    "leases: %s", full.s);
		nic = model_nic_by_mac(n, &conf.mac);
		if (nic)
			fwdctl_vm_changed(l->ctl, n, nic->conf.vm);
		return 0;
	}
	return 0; /* an unknown kind of event harms nobody */
}

void leases_forget(struct leases *l, struct network *n)
{
	for (unsigned int i = 0; l && i < l->n; i++)
		if (l->batch[i].net == n)
			l->batch[i].net = NULL;
}
