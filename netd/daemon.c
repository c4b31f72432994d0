// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Assembly: brings the parts of the control process up in order, runs the loop,
 * takes them down in reverse. The order of privileges:
 *   1. folders and lock (as root or user)   2. the privileged helper is forked
 *   3. capabilities are given up            4. everything that parses or listens
 */
#include "netd/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "netd/addrs.h"
#include "netd/caps.h"
#include "netd/doctor.h"
#include "netd/fwdctl.h"
#include "netd/hostaddr.h"
#include "netd/hosts.h"
#include "netd/knetctl.h"
#include "netd/leases.h"
#include "netd/load.h"
#include "netd/method.h"
#include "netd/netctl.h"
#include "netd/nicctl.h"
#include "netd/notify.h"
#include "netd/priv.h"
#include "netd/resolv.h"
#include "netd/rundir.h"
#include "netd/store.h"
#include "netd/super.h"

#define GROUP_NAME  "vnet"
#define STARTING_MAX 16 /* networks at a time, when vnetd starts */
#define STOP_POLL_MS 20
#define STOP_MAX_MS 6000 /* workers are killed long before */

struct daemon {
	struct ctl ctl;
	int lock, state_lock;
	int status;
	struct event *term, *intr, *hup, *helper, *retry, *stop, *start;
	int64_t stop_by_ms;
};

/* ---- shutdown ------------------------------------------------------------ */

static bool all_down(struct ctl *ctl)
{
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (n->sup && super_state(n->sup) != SUPER_DOWN)
			return false;
	return true;
}

static void stop_on_timer(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = {.tv_usec = STOP_POLL_MS * 1000};
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (all_down(&d->ctl) || clock_mono_ms() >= d->stop_by_ms)
		event_base_loopbreak(d->ctl.base);
	else
		evtimer_add(d->stop, &tv);
}

static void begin_stop(struct daemon *d)
{
	struct ctl *ctl = &d->ctl;

	if (ctl->stopping)
		return;
	log_info("stopping");
	notify_send("STOPPING=1");
	leases_flush(ctl->leases);
	ctl->stopping = true;
	addrs_fini(ctl);
	doctor_end(ctl);
	list_for_each_safe(n, &ctl->model.nets, struct network, node)
		netctl_halt(ctl, n);
	d->stop_by_ms = clock_mono_ms() + STOP_MAX_MS;
	stop_on_timer(-1, 0, d);
}

static void term_on_signal(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	begin_stop(arg);
}

static void helper_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	log_err("the privileged helper has ended; without it nothing can be "
		"started or repaired, so vnetd ends, too");
	event_del(d->helper);
	d->status = 1;
	begin_stop(d);
}

/* ---- news from the host -------------------------------------------------- */

static void host_changed(void *arg, bool own)
{
	struct daemon *d = arg;

	if (d->ctl.stopping)
		return;
	if (own)
		netctl_push_all(&d->ctl);
	netctl_links_changed(&d->ctl);
	if (own)
		fwdctl_host_changed(&d->ctl);
}

static void host_link(void *arg, int index, const char *name)
{
	struct daemon *d = arg;

	if (!d->ctl.stopping)
		knetctl_link(&d->ctl, index, name);
}

static void host_address_gone(void *arg, const struct ipaddr *ip, size_t n)
{
	struct daemon *d = arg;

	if (!d->ctl.stopping)
		netctl_address_gone(&d->ctl, ip, n);
}

static const struct hostaddr_news host_news = {
	.changed = host_changed,
	.link = host_link,
	.gone = host_address_gone,
};

static void resolv_changed(void *arg)
{
	struct daemon *d = arg;

	if (!d->ctl.stopping)
		netctl_push_all(&d->ctl);
}

static void retry_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	(void)fd;
	(void)what;
	if (!d->ctl.stopping)
		fwdctl_retry(&d->ctl);
}

/* ---- start --------------------------------------------------------------- */

static void raise_limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur == rl.rlim_max)
		return;
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &rl);
}

static int become(struct daemon *d, const struct options *o,
		  struct errtext *why)
{
	struct ctl *ctl = &d->ctl;
	int r = rundir_make(o->run_dir, o->state_dir, ctl->system, why);

	if (r)
		return r;
	d->lock = rundir_lock(o->run_dir, why);
	if (d->lock < 0)
		return d->lock;
	/* Not the same folder twice: we would wait for ourselves. */
	if (strcmp(o->run_dir, o->state_dir)) {
		d->state_lock = rundir_lock(o->state_dir, why);
		if (d->state_lock < 0)
			return d->state_lock;
	}
	rundir_sweep(o->run_dir);
	if (ctl->system)
		r = priv_start(o->run_dir, &ctl->priv, why);
	else if (!(ctl->priv = priv_none()))
		r = errtext_set(why, -ENOMEM, "no memory");
	return r ? r : caps_drop(ctl->system, why);
}

static int add_event(struct event *ev, const struct timeval *tv)
{
	return !ev || event_add(ev, tv) ? -ENOMEM : 0;
}

static int watch_signals(struct daemon *d, struct errtext *why)
{
	const struct timeval every = {.tv_sec = FWDCTL_RETRY_S};
	struct event_base *base = d->ctl.base;
	int fd = priv_fd(d->ctl.priv), r;

	d->term = evsignal_new(base, SIGTERM, term_on_signal, d);
	d->intr = evsignal_new(base, SIGINT, term_on_signal, d);
	d->hup = evsignal_new(base, SIGHUP, term_on_signal, d);
	d->stop = evtimer_new(base, stop_on_timer, d);
	d->retry = event_new(base, -1, EV_PERSIST, retry_on_timer, d);
	r = add_event(d->term, NULL) | add_event(d->intr, NULL) |
	    add_event(d->hup, NULL) | add_event(d->retry, &every);
	if (fd >= 0) {
		d->helper = event_new(base, fd, EV_READ | EV_PERSIST,
				      helper_on_readable, d);
		r |= add_event(d->helper, NULL);
	}
	return r || !d->stop ? errtext_set(why, -ENOMEM, "no memory") : 0;
}

static int open_store(struct ctl *ctl, bool full, struct errtext *why)
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%.*s/vnet.db", PATH_MAX - 16,
		 ctl->state_dir);
	r = store_open(path, &ctl->store, why);
	if (!r && full)
		r = store_durability(ctl->store, STORE_FULL, why);
	return r ? r : load_all(ctl, why);
}

static int open_parts(struct daemon *d, const struct options *o,
		      struct errtext *why)
{
	struct ctl *ctl = &d->ctl;
	int r = watch_signals(d, why);

	if (!r)
		r = hostaddr_new(ctl->base, &host_news, d, &ctl->host, why);
	if (!r)
		r = resolv_new(ctl->base, "/etc/resolv.conf", resolv_changed,
			       d, &ctl->resolv, why);
	if (r)
		return r;
	ctl->leases = leases_new(ctl);
	if (ctl->system)
		ctl->knet = knetctl_new(ctl);
	ctl->api = api_new(ctl->base, &ctl->events, method_dispatch, ctl);
	if (!ctl->leases || !ctl->api)
		return errtext_set(why, -ENOMEM, "no memory");
	return open_store(ctl, o->full, why);
}

static int open_api(struct ctl *ctl, struct errtext *why)
{
	struct group *g = ctl->system ? getgrnam(GROUP_NAME) : NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s/vnetd.sock", PATH_MAX - 16,
		 ctl->run_dir);
	/* Everybody may connect to the system instance and read; what else is
	 * decided for each caller by its credentials. */
	return api_listen(ctl->api, path, ctl->system ? 0666 : 0600, geteuid(),
			  g ? g->gr_gid : (gid_t)-1, why);
}

/* What the store says may be older; it is brought in line, if its disk has room. */
static void note_running(struct ctl *ctl)
{
	struct errtext why = {""};
	int r = store_begin(ctl->store, &why);

	list_for_each(n, &ctl->model.nets, struct network, node)
		if (!r && n->conf.active)
			r = store_net_flags(ctl->store, n->conf.id,
					    n->conf.autostart, true, &why);
	if (!r)
		r = store_commit(ctl->store, &why);
	if (!r)
		return;
	store_rollback(ctl->store);
	log_warn("store: which networks run cannot be noted: %s", why.s);
}

/* Some at a time: each start keeps us busy for a while, and workers that wait too
 * long for an answer would be taken for dead. */
static void start_some(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = {0, 20 * 1000};
	struct daemon *d = arg;
	struct errtext why = {""};
	int starting = 0;

	(void)fd;
	(void)what;
	if (d->ctl.stopping)
		return;
	list_for_each(n, &d->ctl.model.nets, struct network, node)
		starting += n->state == NET_STARTING;
	list_for_each(n, &d->ctl.model.nets, struct network, node) {
		if (!n->conf.active || n->wanted || n->dying)
			continue;
		if (starting >= STARTING_MAX) {
			event_add(d->start, &soon);
			return;
		}
		if (netctl_start(&d->ctl, n, NULL, NULL, &why))
			log_err("network %s: not started: %s", n->conf.name,
				why.s);
		else
			starting++;
	}
}

/* Without one, the next network's worker is started when it is wanted. */
static void spare_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ctl *ctl = arg;
	struct errtext why = {""};

	(void)fd;
	(void)what;
	if (!ctl->stopping && priv_prepare(ctl->priv, &why))
		log_debug("no spare worker: %s", why.s);
}

static int start_networks(struct daemon *d)
{
	struct ctl *ctl = &d->ctl;

	knetctl_sweep(ctl->knet);
	list_for_each(nic, &ctl->model.nics, struct nic, all)
		nicctl_open(ctl, nic);
	note_running(ctl);
	d->start = evtimer_new(ctl->base, start_some, d);
	ctl->spare = evtimer_new(ctl->base, spare_on_timer, ctl);
	if (!d->start || !ctl->spare ||
	    event_add(ctl->spare, &netctl_spare_after))
		return -ENOMEM;
	start_some(-1, 0, d);
	return 0;
}

static int start(struct daemon *d, const struct options *o, struct errtext *why)
{
	struct ctl *ctl = &d->ctl;
	int r = become(d, o, why);

	if (r)
		return r;
	ctl->base = event_base_new();
	if (!ctl->base || model_init(&ctl->model))
		return errtext_set(why, -ENOMEM, "no memory");
	r = open_parts(d, o, why);
	if (!r)
		r = open_api(ctl, why);
	if (r)
		return r;
	if (o->hosts_file[0])
		r = hosts_new(ctl, o->hosts_file, &ctl->hosts, why);
	if (r)
		return r;
	return start_networks(d) ? errtext_set(why, -ENOMEM, "no memory") : 0;
}

/* ---- end ----------------------------------------------------------------- */

static void free_event(struct event *ev)
{
	if (ev)
		event_free(ev);
}

static void finish(struct daemon *d)
{
	struct ctl *ctl = &d->ctl;

	api_free(ctl->api);
	ctl->api = NULL;
	hosts_free(ctl->hosts);
	ctl->hosts = NULL;
	if (ctl->model.nets.next) {
		leases_flush(ctl->leases);
		list_for_each(n, &ctl->model.nets, struct network, node)
			netctl_release(ctl, n);
		addrs_fini(ctl);
		leases_free(ctl->leases);
		model_fini(&ctl->model);
	}
	if (ctl->store && ctl->stopping)
		load_mark_clean(ctl);
	store_close(ctl->store);
	knetctl_free(ctl->knet);
	resolv_free(ctl->resolv);
	hostaddr_free(ctl->host);
	free_event(d->term);
	free_event(d->intr);
	free_event(d->hup);
	free_event(d->helper);
	free_event(d->retry);
	free_event(d->start);
	free_event(ctl->spare);
	netctl_fini(ctl);
	free_event(d->stop);
	if (ctl->priv)
		priv_stop(ctl->priv);
	if (ctl->base)
		event_base_free(ctl->base);
	libevent_global_shutdown();
	fd_close(&d->state_lock);
	fd_close(&d->lock);
}

int daemon_run(const struct options *o)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct errtext why = {""};
	int status;

	if (!d || fd_fill_std()) {
		free(d);
		return 1;
	}
	log_setup("vnetd", o->log_level);
	signal(SIGPIPE, SIG_IGN);
	raise_limits();
	d->lock = d->state_lock = -1;
	d->ctl.system = geteuid() == 0;
	d->ctl.log_level = o->log_level;
	d->ctl.started_ms = clock_mono_ms();
	d->ctl.next_wire = 1;
	memcpy(d->ctl.run_dir, o->run_dir, sizeof(d->ctl.run_dir));
	memcpy(d->ctl.state_dir, o->state_dir, sizeof(d->ctl.state_dir));
	events_init(&d->ctl.events);
	list_init(&d->ctl.addr_waiters);
	if (start(d, o, &why)) {
		log_err("not started: %s", why.s);
		d->status = 1;
	} else {
		log_info("ready: %s instance, socket %s/vnetd.sock",
			 d->ctl.system ? "system" : "user", d->ctl.run_dir);
		notify_send("READY=1");
		event_base_dispatch(d->ctl.base);
		log_info("stopped");
	}
	status = d->status;
	finish(d);
	free(d);
	return status;
}
