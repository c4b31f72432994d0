// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Life of a network: define, start, stop, undefine, and its worker's coming and
 * going. What the worker is told is netctl_msg.c.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fdutil.h"
#include "netd/dhcpset.h"
#include "netd/fwdctl.h"
#include "netd/hostaddr.h"
#include "netd/knetctl.h"
#include "netd/leases.h"
#include "netd/netctl_int.h"
#include "netd/netset.h"
#include "netd/nicctl.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/tapinctl.h"
#include "netd/tftpctl.h"
#include "netd/uplinkctl.h"

#define RETRY_MAX_S 30
#define TELL_MS	    50

struct netctl_wait {
	struct list node; /* network.waiters */
	bool stop;	  /* waits for the end, not for the start */
	netctl_done_fn done;
	void *arg;
};

static void net_up(struct network *n);

size_t netctl_used(struct ctl *ctl, const struct network *but,
		   struct net_used **out)
{
	const struct host_route *route = NULL;
	size_t nr = ctl->host ? hostaddr_routes(ctl->host, &route) : 0, k = 0;
	struct net_used *u = calloc(nr + 3 * ctl->model.nnets + 1, sizeof(*u));

	*out = u;
	if (!u)
		return 0;
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (n == but || !n->conf.subnet.plen)
			continue;
		u[k].net = n->conf.subnet;
		snprintf(u[k++].what, sizeof(u->what), "network %s",
			 n->conf.name);
		if (!n->conf.subnet6.plen)
			continue;
		u[k].net6 = n->conf.subnet6;
		snprintf(u[k++].what, sizeof(u->what), "network %s",
			 n->conf.name);
		if (!n->conf.pool6.plen)
			continue;
		u[k].net6 = n->conf.pool6;
		snprintf(u[k++].what, sizeof(u->what),
			 "the prefix pool of network %s", n->conf.name);
	}
	for (size_t i = 0; i < nr; i++) {
		/* Our own host-only adapters; a bridge's are the LAN's. */
		if (!strncmp(route[i].dev, "vn-", 3) &&
		    strncmp(route[i].dev, "vn-br-", 6) != 0)
			continue;
		u[k].net = route[i].net;
		u[k].net6 = route[i].net6;
		snprintf(u[k++].what, sizeof(u->what),
			 "a route of the host%s%s",
			 route[i].dev[0] ? " via " : "", route[i].dev);
	}
	return k;
}

static void tell_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *ctl = arg;

	(void)fd;
	(void)what;
	if (ctl->nets_changed && !ctl->stopping)
		netctl_tell_nets(ctl);
}

/* Who defines a thousand networks need not tell each worker a thousand times. */
void netctl_tell_nets_soon(struct ctl *ctl)
{
	const struct timeval tv = {.tv_usec = TELL_MS * 1000};

	ctl->nets_changed = true;
	if (!ctl->tell)
		ctl->tell = evtimer_new(ctl->base, tell_on_timer, ctl);
	if (!ctl->tell || (!evtimer_pending(ctl->tell, NULL) &&
			   evtimer_add(ctl->tell, &tv)))
		netctl_tell_nets(ctl);
}

void netctl_fini(struct ctl *ctl)
{
	if (ctl->tell)
		event_free(ctl->tell);
	ctl->tell = NULL;
	json_decref(ctl->upstreams);
	ctl->upstreams = NULL;
}

/* ---- waiting calls ------------------------------------------------------- */

static int wait_add(struct network *n, bool stop, netctl_done_fn done,
		    void *arg)
{
	struct netctl_wait *w = done ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return done ? -ENOMEM : 0;
	*w = (struct netctl_wait){.stop = stop, .done = done, .arg = arg};
	list_add_tail(&n->waiters, &w->node);
	return 0;
}

/* @stop: those that wait for which of both. */
static void wait_end(struct network *n, bool stop, bool ok, const char *reason)
{
	struct list mine;

	list_init(&mine);
	list_for_each_safe(w, &n->waiters, struct netctl_wait, node) {
		if (w->stop != stop)
			continue;
		list_del(&w->node);
		list_add_tail(&mine, &w->node);
	}
	list_for_each_safe(v, &mine, struct netctl_wait, node) {
		list_del(&v->node);
		v->done(v->arg, ok, reason);
		free(v);
	}
}

/* ---- state --------------------------------------------------------------- */

static void set_state(struct ctl *ctl, struct network *n, enum net_state st,
		      const char *reason)
{
	bool same = n->state == st && !strcmp(n->reason, reason);

	n->state = st;
	snprintf(n->reason, sizeof(n->reason), "%s", reason);
	if (same)
		return;
	if (st == NET_FAILED)
		log_warn("network %s: failed: %s", n->conf.name, reason);
	else
		log_info("network %s: %s", n->conf.name, net_state_name(st));
	events_emit(&ctl->events, EVENT_NET_STATE,
		    json_pack("{s:s,s:s,s:o}", "network", n->conf.name,
			      "state", net_state_name(st), "reason",
			      obj_str(reason)));
}

static void retry_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	net_up(arg);
}

static void fail(struct network *n, int err, const char *reason)
{
	struct ctl *ctl = n->ctl;
	struct timeval tv = {0};

	set_state(ctl, n, NET_FAILED, reason);
	/* Each attempt at an uplink that cuts the host off does so for seconds. */
	n->harmful = err == -EHOSTUNREACH;
	if (err != -EPERM && !n->harmful && n->wanted && !ctl->stopping) {
		n->retry_s = n->retry_s ? n->retry_s * 2 : 1;
		if (n->retry_s > RETRY_MAX_S)
			n->retry_s = RETRY_MAX_S;
		tv.tv_sec = n->retry_s;
		if (!n->retry)
			n->retry = evtimer_new(ctl->base, retry_on_timer, n);
		if (n->retry)
			evtimer_add(n->retry, &tv);
	}
	wait_end(n, false, false, reason);
}

/* ---- host adapter and uplink --------------------------------------------- */

static int open_host(struct network *n, struct errtext *why)
{
	struct priv_tap t = {.mtu = n->conf.mtu, .ip4 = n->conf.host_ip,
			     .plen = n->conf.subnet.plen,
			     .ip6 = net_host_ip6(&n->conf),
			     .plen6 = n->conf.subnet6.plen};
	uint32_t h = hash_bytes(n->ctl->mac_seed, n->conf.name,
				strlen(n->conf.name));

	dev_name("vn-", n->conf.name, -1, t.name);
	/* The same at every start, so that guests' ARP tables stay right. */
	t.mac = (struct mac){{0x0a, 0x00, 0x27, (uint8_t)(h >> 16),
			      (uint8_t)(h >> 8), (uint8_t)h}};
	return priv_tap(n->ctl->priv, &t, &n->port_fd, why);
}

static int open_port(struct network *n, struct errtext *why)
{
	if (n->conf.datapath == DATAPATH_KERNEL)
		return knetctl_up(n, why);
	if (n->port_fd >= 0)
		return 0;
	if (n->conf.mode == NET_HOSTONLY)
		return open_host(n, why);
	if (n->conf.mode == NET_BRIDGED)
		return n->conf.uplink_mode == UPLINK_TAP_IN
			       ? tapinctl_open(n, why)
			       : uplinkctl_open(n, why);
	return 0;
}

static void close_port(struct network *n)
{
	fd_close(&n->port_fd);
	tapinctl_close(n);
	if (n->conf.datapath == DATAPATH_KERNEL)
		knetctl_down(n);
	else
		uplinkctl_close(n);
}

/* ---- up ------------------------------------------------------------------ */

static void net_up(struct network *n)
{
	struct ctl *ctl = n->ctl;
	struct errtext why = {""};
	bool isolated = n->conf.mode == NET_INTERNAL ||
			n->conf.mode == NET_HOSTONLY ||
			n->conf.mode == NET_BRIDGED;
	int r;

	if (!n->wanted || ctl->stopping)
		return;
	if (ctl->nets_changed)
		netctl_tell_nets(ctl);
	r = open_port(n, &why);
	if (r) {
		fail(n, r, why.s);
		return;
	}
	if (!n->sup)
		n->sup = super_new(ctl->base, ctl->priv, n->conf.name, isolated,
				   &netctl_super_ops, n);
	if (!n->sup) {
		fail(n, -ENOMEM, "no memory");
		return;
	}
	set_state(ctl, n, NET_STARTING, "");
	/* One that is still ending is started again when it has ended. */
	super_start(n->sup);
}

static int set_wish(struct ctl *ctl, struct network *n, bool active,
		    struct errtext *why)
{
	int r = 0;

	if (n->conf.active != active)
		r = store_net_flags(ctl->store, n->conf.id, n->conf.autostart,
				    active, why);
	if (!r)
		n->conf.active = active;
	return r;
}

int netctl_start(struct ctl *ctl, struct network *n, netctl_done_fn done,
		 void *arg, struct errtext *why)
{
	int r;

	if (n->dying)
		return errtext_set(why, -EBUSY,
				   "network %s is being undefined",
				   n->conf.name);
	r = set_wish(ctl, n, true, why);
	if (r)
		return r;
	if (n->wanted && n->state == NET_RUNNING) {
		if (done)
			done(arg, true, "");
		return 0;
	}
	if (wait_add(n, false, done, arg))
		return errtext_set(why, -ENOMEM, "no memory");
	n->wanted = true;
	n->retry_s = n->failures = 0;
	if (n->retry)
		evtimer_del(n->retry);
	net_up(n);
	return 0;
}

/* Not in the way of what is being started, nor of the next start right after it. */
const struct timeval netctl_spare_after = {0, 50 * 1000};

void netctl_on_ready(struct network *n)
{
	struct ctl *ctl = n->ctl;

	n->synced = true;
	n->retry_s = n->failures = 0;
	set_state(ctl, n, NET_RUNNING, "");
	events_emit(&ctl->events, EVENT_WORKER_STARTED,
		    json_pack("{s:s,s:i}", "network", n->conf.name, "pid",
			      (int)super_pid(n->sup)));
	netctl_send_port(n);
	knetctl_ready(n);
	nicctl_net_ready(ctl, n);
	fwdctl_net_ready(ctl, n);
	wait_end(n, false, true, "");
	if (ctl->spare)
		event_add(ctl->spare, &netctl_spare_after);
}

/* The internal port was refused: without it the network is none. */
void netctl_port_refused(struct network *n, const char *reason)
{
	char text[256];

	snprintf(text, sizeof(text), "%s port: %.200s",
		 n->conf.datapath == DATAPATH_KERNEL ? "bridge"
		 : n->conf.mode == NET_BRIDGED	     ? "uplink"
						     : "host",
		 reason);
	set_state(n->ctl, n, NET_FAILED, text);
}

/* ---- down ---------------------------------------------------------------- */

static void bury(struct network *n)
{
	struct ctl *ctl = n->ctl;
	struct list waiters;

	/* The waiters outlive the network by a moment. */
	list_init(&waiters);
	list_for_each_safe(w, &n->waiters, struct netctl_wait, node) {
		list_del(&w->node);
		list_add_tail(&waiters, &w->node);
	}
	log_info("network %s: undefined", n->conf.name);
	events_emit(&ctl->events, EVENT_NET_UNDEFINED,
		    json_pack("{s:s}", "network", n->conf.name));
	netctl_release(ctl, n);
	model_net_del(&ctl->model, n);
	netctl_tell_nets_soon(ctl);
	list_for_each_safe(v, &waiters, struct netctl_wait, node) {
		list_del(&v->node);
		v->done(v->arg, v->stop, "the network was undefined");
		free(v);
	}
}

static void stopped(struct network *n)
{
	close_port(n);
	if (n->retry)
		evtimer_del(n->retry);
	set_state(n->ctl, n, NET_STOPPED, "");
	fwdctl_net_gone(n->ctl, n, true);
	if (n->dying) {
		bury(n);
		return;
	}
	wait_end(n, true, true, "");
	wait_end(n, false, n->wanted, "the network was stopped");
}

void netctl_on_ended(struct network *n, bool was_stopped, const char *reason)
{
	struct ctl *ctl = n->ctl;
	char text[300];

	n->synced = false;
	leases_flush(ctl->leases); /* its last words are among them */
	nicctl_net_gone(ctl, n);
	fwdctl_net_gone(ctl, n, false);
	events_emit(&ctl->events, EVENT_WORKER_EXITED,
		    json_pack("{s:s,s:s,s:b}", "network", n->conf.name,
			      "reason", reason, "expected", (int)was_stopped));
	if (was_stopped && n->wanted && !n->dying && !ctl->stopping) {
		wait_end(n, true, true, ""); /* stopped, and wanted again */
		/* Its uplink may have gone, or its adapter's addresses. */
		close_port(n);
		net_up(n);
		return;
	}
	if (was_stopped) {
		stopped(n);
		return;
	}
	log_warn("network %s: its worker ended: %s", n->conf.name, reason);
	snprintf(text, sizeof(text), "worker ended: %s; it is started again",
		 reason);
	n->failures++;
	if (n->state == NET_STARTING && n->failures > 1) {
		set_state(ctl, n, NET_FAILED, text);
		wait_end(n, false, false, text);
	} else if (n->state != NET_FAILED) {
		set_state(ctl, n, NET_STARTING, text);
	}
}

static void take_down(struct network *n)
{
	n->wanted = false;
	if (n->retry)
		evtimer_del(n->retry);
	wait_end(n, false, false, "the network was stopped");
	if (n->sup && super_state(n->sup) != SUPER_DOWN)
		super_stop(n->sup); /* goes on in netctl_on_ended() */
	else
		stopped(n);
}

int netctl_stop(struct ctl *ctl, struct network *n, netctl_done_fn done,
		void *arg, struct errtext *why)
{
	int r = set_wish(ctl, n, false, why);

	if (!r && wait_add(n, true, done, arg))
		r = errtext_set(why, -ENOMEM, "no memory");
	if (!r)
		take_down(n);
	return r;
}

int netctl_autostart(struct ctl *ctl, struct network *n, bool on,
		     struct errtext *why)
{
	int r = store_net_flags(ctl->store, n->conf.id, on, n->conf.active,
				why);

	if (!r)
		n->conf.autostart = on;
	return r;
}

/* What a worker is built of is another: it ends, and the next one comes up. */
static void renew(struct network *n)
{
	n->retry_s = n->failures = 0;
	set_state(n->ctl, n, NET_STARTING, "its settings change");
	super_stop(n->sup); /* goes on in netctl_on_ended() */
}

int netctl_set(struct ctl *ctl, struct network *n, const struct net_conf *c,
	       struct optset *set, netctl_done_fn done, void *arg,
	       struct errtext *why)
{
	bool other6 = !netset_same6(&n->conf.subnet6, &c->subnet6);
	bool pool = !netset_same6(&n->conf.pool6, &c->pool6);
	bool other_uplink = n->conf.uplink_mode != c->uplink_mode ||
			    n->conf.mac_nat != c->mac_nat;
	bool anew = (other6 || other_uplink) && n->wanted && n->sup &&
		    super_state(n->sup) != SUPER_DOWN;
	int r = netset_apply(ctl, n, c, set, why);

	if (r)
		return r;
	nicctl_guard_all(n);
	if (other6 || pool) /* others keep away from it, and look for it no more */
		netctl_push_all(ctl);
	else
		netctl_push(n);
	if (set->n)
		dhcpset_tell_scope(n, set->scope);
	r = knetctl_take(n, why);
	if (anew && (r || !wait_add(n, false, done, arg))) {
		renew(n);
		return r;
	}
	if (!r)
		done(arg, true, "");
	return r;
}

/* ---- define and undefine ------------------------------------------------- */

struct network *netctl_load(struct ctl *ctl, const struct net_conf *c)
{
	struct network *n = model_net_add(&ctl->model, c);

	if (n)
		n->ctl = ctl;
	return n;
}

/* A network that is not in the store is none: the model has it meanwhile, for its
 * settings to be judged by. */
static struct network *add(struct ctl *ctl, struct net_conf *c,
			   struct optset *set, int *err, struct errtext *why)
{
	struct network *n = NULL;

	*err = store_begin(ctl->store, why);
	if (*err)
		return NULL;
	*err = store_net_add(ctl->store, c, why);
	if (!*err && !(n = netctl_load(ctl, c)))
		*err = errtext_set(why, -ENOMEM, "no memory");
	if (!*err)
		*err = optset_store(set, ctl->store, n, why);
	if (!*err && optset_remember(set, n))
		*err = errtext_set(why, -ENOMEM, "no memory");
	if (!*err)
		*err = store_commit(ctl->store, why);
	else
		store_rollback(ctl->store);
	if (*err && n)
		model_net_del(&ctl->model, n);
	return *err ? NULL : n;
}

struct network *netctl_define(struct ctl *ctl, struct net_conf *c,
			      struct optset *set, int *err, struct errtext *why)
{
	struct network *n;

	if (ctl->model.nnets >= MODEL_NETS_MAX) {
		*err = errtext_set(why, -E2BIG, "there are %d networks already",
				   MODEL_NETS_MAX);
		return NULL;
	}
	n = add(ctl, c, set, err, why);
	if (!n)
		return NULL;
	log_info("network %s: defined mode=%s", c->name,
		 net_mode_name(c->mode));
	events_emit(&ctl->events, EVENT_NET_DEFINED,
		    json_pack("{s:s,s:s}", "network", c->name, "mode",
			      net_mode_name(c->mode)));
	netctl_tell_nets_soon(ctl);
	return n;
}

int netctl_undefine(struct ctl *ctl, struct network *n, netctl_done_fn done,
		    void *arg, struct errtext *why)
{
	int r = n->dying ? errtext_set(why, -EBUSY,
				       "network %s is being undefined",
				       n->conf.name)
			 : store_net_del(ctl->store, n->conf.id, why);

	if (r)
		return r;
	n->dying = true;
	(void)wait_add(n, true, done, arg);
	nicctl_drop_all(ctl, n);
	take_down(n);
	return 0;
}

/* ---- the daemon's end, and events from outside --------------------------- */

void netctl_halt(struct ctl *ctl, struct network *n)
{
	(void)ctl;
	take_down(n);
}

void netctl_release(struct ctl *ctl, struct network *n)
{
	wait_end(n, true, true, "");
	wait_end(n, false, false, "vnetd is shutting down");
	super_free(n->sup);
	n->sup = NULL;
	n->synced = false;
	tftpctl_end(n);
	leases_forget(ctl->leases, n);
	if (n->retry)
		event_free(n->retry);
	n->retry = NULL;
	list_for_each(nic, &n->nics, struct nic, node)
		nicctl_release(ctl, nic);
	list_for_each(f, &n->fwds, struct forward, node)
		fwdctl_release(f);
	close_port(n);
}

void netctl_links_changed(struct ctl *ctl)
{
	list_for_each_safe(n, &ctl->model.nets, struct network, node) {
		bool there;

		if (n->conf.mode != NET_BRIDGED || !n->wanted)
			continue;
		there = if_nametoindex(n->conf.uplink) != 0;
		if (((n->bridge_in && !there) || tapinctl_is_stale(n)) &&
		    n->sup) {
			/* Unplugged: what is left is taken apart, and the retry
			 * waits for it to come back. */
			log_warn("network %s: uplink %s is %s", n->conf.name,
				 n->conf.uplink, there ? "another" : "gone");
			super_stop(n->sup);
		} else if (!n->bridge_in && !n->tapin.open && there &&
			   !n->harmful && n->state == NET_FAILED) {
			n->retry_s = 0;
			net_up(n);
		}
	}
}
