// SPDX-License-Identifier: GPL-2.0-or-later
/* See leases6.h; what a worker may say is judged in wmsg6.c. */
#include "netd/leases6.h"

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
#include "netd/validate.h"
#include "netd/wmsg.h"

struct commit {
	struct network *net;
	int64_t token; /* 0: another lease of the same Reply follows */
	struct lease6_conf conf;
};

struct leases6 {
	struct ctl *ctl;
	struct event *flush;
	struct commit batch[LEASES6_BATCH];
	unsigned int n;
	struct log_budget budget;
};

static void flush_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	leases6_flush(arg);
}

struct leases6 *leases6_new(struct ctl *ctl)
{
	struct leases6 *l = calloc(1, sizeof(*l));

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

void leases6_free(struct leases6 *l)
{
	if (!l)
		return;
	leases6_flush(l);
	event_free(l->flush);
	free(l);
}

static bool is_kept(const struct commit *c)
{
	return c->net && !c->net->dying;
}

static int write_all(struct leases6 *l, struct errtext *why)
{
	struct store *s = l->ctl->store;
	int r = store_begin(s, why);

	if (r)
		return r;
	for (unsigned int i = 0; i < l->n && !r; i++)
		if (is_kept(&l->batch[i]))
			r = store_lease6_put(s, &l->batch[i].conf, why);
	if (!r)
		return store_commit(s, why);
	store_rollback(s);
	return r;
}

static void changed(struct ctl *ctl, struct network *n, const struct mac *mac)
{
	struct nic *nic = model_nic_by_mac(n, mac);

	if (!nic)
		return;
	addrs_changed(ctl, nic->conf.vm);
	fwdctl_vm_changed(ctl, n, nic->conf.vm);
}

static void remember(struct ctl *ctl, const struct commit *c)
{
	if (model_lease6_put(c->net, &c->conf))
		return;
	events_emit(&ctl->events, EVENT_LEASE_BOUND,
		    obj_lease6(ctl, c->net, &c->conf, "bound"));
	changed(ctl, c->net, &c->conf.mac);
}

static void done(struct network *n, int64_t token, bool ok)
{
	if (n->sup && token)
		super_send(n->sup, W_LEASE6_DONE,
			   json_pack("{s:I,s:b}", "token", (json_int_t)token,
				     "ok", (int)ok),
			   NULL, 0);
}

void leases6_flush(struct leases6 *l)
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

/* May they be stored: is there room, and are they of what the network has now? */
static bool granted(struct leases6 *l, struct network *n,
		    const struct lease6_conf *conf, unsigned int k)
{
	for (unsigned int i = 0; i < k; i++)
		if (!net_lease6_ok(&n->conf, &conf[i]))
			return false; /* it changed meanwhile */
	if (n->leases6.count + l->n + k <= MODEL_LEASES6_MAX)
		return true;
	for (unsigned int i = 0; i < k; i++)
		if (!model_lease6_find(n, &conf[i].address)) {
			log_limited(&l->budget, clock_mono_ms(), LOG_LVL_WARN,
				    "network %s: %u leases of IPv6, no more are "
				    "granted",
				    n->conf.name, n->leases6.count);
			return false;
		}
	return true;
}

int leases6_commit(struct leases6 *l, struct network *n, json_t *body,
		   struct errtext *why)
{
	const struct timeval now = {0};
	struct lease6_conf conf[LEASES6_MSG];
	int64_t token = 0;
	unsigned int k = 0;
	int r = wmsg_leases6(body, &n->conf, clock_wall_s(), &token, conf,
			     LEASES6_MSG, &k, why);

	if (r)
		return r;
	if (l->n + k > LEASES6_BATCH)
		leases6_flush(l);
	if (!granted(l, n, conf, k)) {
		done(n, token, false);
		return 0;
	}
	for (unsigned int i = 0; i < k; i++)
		l->batch[l->n++] = (struct commit){
			n, i + 1 == k ? token : 0, conf[i]};
	if (!evtimer_pending(l->flush, NULL))
		evtimer_add(l->flush, &now);
	return 0;
}

int leases6_event(struct leases6 *l, struct network *n, json_t *body,
		  struct errtext *why)
{
	struct lease6_conf conf;
	struct errtext full = {""};
	enum event_type event = EVENT_LEASE_RELEASED;
	const char *state = "";
	struct lease6 *old;
	int r = wmsg_lease6_event(body, &n->conf, &conf, &state, why);

	if (r)
		return r;
	leases6_flush(l); /* order: a commit of the same address comes first */
	old = model_lease6_find(n, &conf.address);
	if (!old)
		return 0;
	if (!strcmp(state, "expired"))
		event = EVENT_LEASE_EXPIRED;
	else if (!strcmp(state, "declined"))
		event = EVENT_LEASE_DECLINED;
	conf = old->conf;
	events_emit(&l->ctl->events, event,
		    obj_lease6(l->ctl, n, &conf, state));
	/* A full disk keeps the record until the next start, where its term has
	 * ended: nothing is lost by it. */
	if (store_lease6_del(l->ctl->store, n->conf.id, &conf.address, &full))
		log_limited(&l->budget, clock_mono_ms(), LOG_LVL_WARN,
			    "leases: %s", full.s);
	else
		model_lease6_del(n, old);
	changed(l->ctl, n, &conf.mac);
	return 0;
}

void leases6_forget(struct leases6 *l, struct network *n)
{
	for (unsigned int i = 0; l && i < l->n; i++)
		if (l->batch[i].net == n)
			l->batch[i].net = NULL;
}
