// SPDX-License-Identifier: GPL-2.0-or-later
/* Forwards: their life and their state. See fwdctl.h; sockets are in fwdctl_sock.c,
 * what the worker is told in fwdctl_msg.c. */
#include "netd/fwdctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "netd/addrs.h"
#include "netd/fwdctl_int.h"
#include "netd/hostaddr.h"
#include "netd/knetctl.h"
#include "netd/obj.h"
#include "netd/store.h"
#include "netd/validate.h"

#define REASON 256

/* ---- state --------------------------------------------------------------- */

static bool runs(const struct network *n)
{
	return n->wanted && n->state != NET_STOPPED;
}

static enum fwd_state judge_target(const struct forward *f, char *reason)
{
	const struct nic *nic = fwd_target(f);

	if (!f->conf.to_vm[0])
		return FWD_ACTIVE;
	if (!nic)
		snprintf(reason, REASON, "VM %s has no %sNIC on network %s",
			 f->conf.to_vm, f->conf.to_nic >= 0 ? "such " : "",
			 f->net->conf.name);
	else if (!addrs_live(nic, clock_wall_s()) && !nic->seen6.n)
		snprintf(reason, REASON, "VM %s has no address yet",
			 f->conf.to_vm);
	return reason[0] ? FWD_INACTIVE : FWD_ACTIVE;
}

static enum fwd_state judge(const struct forward *f, char *reason)
{
	char ip[IP_TEXT];

	reason[0] = '\0';
	if (!runs(f->net)) {
		snprintf(reason, REASON, "network %s is not running",
			 f->net->conf.name);
		return FWD_INACTIVE;
	}
	if (f->refused || f->bind_err) {
		snprintf(reason, REASON, "%s", f->fault);
		return f->bind_err == -EADDRNOTAVAIL ? FWD_WAITING : FWD_FAILED;
	}
	if (f->absent) {
		snprintf(reason, REASON,
			 "address %s is not on this host any more",
			 ipaddr_format(&f->sock[0].ip, ip));
		return FWD_WAITING;
	}
	if (!fwd_is_open(f)) {
		snprintf(reason, REASON, "network %s is starting",
			 f->net->conf.name);
		return FWD_INACTIVE;
	}
	return judge_target(f, reason);
}

/* Where the kernel leads, it is told a moment later; then all are judged again
 * (fwd_knet_applied()). */
static bool is_too_soon(const struct forward *f, enum fwd_state st)
{
	return st == FWD_ACTIVE && f->state != FWD_ACTIVE && f->net->bridge_due &&
	       net_kernel_routes(&f->net->conf);
}

void fwd_refresh(struct ctl *ctl, struct forward *f)
{
	char reason[REASON];
	enum fwd_state st = judge(f, reason);
	bool was = f->state == st && !strcmp(f->reason, reason);

	if (is_too_soon(f, st))
		return;
	f->state = st;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	if (was || !f->announced)
		return;
	if (st == FWD_FAILED || st == FWD_WAITING)
		log_warn("forward %lld on %s: %s", (long long)f->conf.id,
			 f->net->conf.name, reason);
	events_emit(&ctl->events, EVENT_FWD_STATE, obj_forward(f));
}

/* ---- up and down --------------------------------------------------------- */

static void bound(struct forward *f, int err, const struct errtext *why)
{
	f->bind_err = err;
	f->absent = fwd_is_open(f) && !hostaddr_is_here(&f->sock[0].ip);
	if (err)
		snprintf(f->fault, sizeof(f->fault), "%s", why->s);
}

static void bring_up(struct ctl *ctl, struct forward *f)
{
	struct errtext why = {"no memory"};
	int r = 0;

	if (!f->sock)
		f->sock = fwd_layout(&f->conf, &f->nsock);
	if (!f->sock)
		f->nsock = 0;
	if (!fwd_is_open(f)) {
		r = f->sock ? fwd_open(ctl, NULL, &f->conf, f->sock, f->nsock,
				       &why)
			    : -ENOMEM;
		bound(f, r, &why);
		for (unsigned int i = 0; !r && i < f->nsock; i++)
			f->sock[i].told = false;
	}
	fwd_sync(ctl, f);
	fwd_refresh(ctl, f);
}

void fwdctl_release(struct forward *f)
{
	for (unsigned int i = 0; i < f->nsock; i++)
		fd_close(&f->sock[i].fd);
	free(f->sock);
	f->sock = NULL;
	f->nsock = 0;
	f->bind_err = 0;
	f->absent = f->refused = false;
	f->sent_nic = -1;
}

/* ---- checks -------------------------------------------------------------- */

static void port_text(const struct fwd_conf *c, char out[32])
{
	if (c->port_end > c->port)
		snprintf(out, 32, "ports %u-%u", c->port, c->port_end);
	else
		snprintf(out, 32, "port %u", c->port);
}

/* Within a network two forwards of one port make no sense, running or not. */
static int check_overlap(const struct network *n, const struct fwd_conf *c,
			 struct errtext *why)
{
	char mine[32], theirs[32];

	list_for_each(f, &n->fwds, struct forward, node) {
		if (f->conf.id == c->id || !fwd_overlap(c, &f->conf))
			continue;
		port_text(c, mine);
		port_text(&f->conf, theirs);
		if (!strcmp(mine, theirs))
			return errtext_set(why, -EADDRINUSE,
					   "%s %s %s in use by network %s "
					   "(forward %lld)",
					   fwd_proto_name(c->proto), mine,
					   c->port_end > c->port ? "are" : "is",
					   n->conf.name,
					   (long long)f->conf.id);
		return errtext_set(why, -EADDRINUSE,
				   "%s %s: forward %lld of network %s is in "
				   "the way, it has %s",
				   fwd_proto_name(c->proto), mine,
				   (long long)f->conf.id, n->conf.name, theirs);
	}
	return 0;
}

/* @was: ports that the forward has already. */
static int check(struct ctl *ctl, const struct network *n,
		 const struct fwd_conf *c, unsigned int was,
		 struct errtext *why)
{
	int r = fwd_conf_check(c, &n->conf, why);

	if (!r)
		r = check_overlap(n, c, why);
	if (!r && ctl->model.nfwds - was + fwd_ports(c) > MODEL_FWDS_MAX)
		r = errtext_set(why, -E2BIG,
				"all forwards together may have %d ports",
				MODEL_FWDS_MAX);
	return r;
}

/* Only the target is another: a port that cannot be had is no news. */
static bool same_host_side(const struct forward *f, const struct fwd_conf *c)
{
	return f && !fwd_is_open(f) && f->conf.proto == c->proto &&
	       ipaddr_eq(&f->conf.address, &c->address) && f->conf.port == c->port &&
	       f->conf.port_end == c->port_end;
}

/**
 * prepare() - Sockets for @c, beside those of @f
 * @s: NULL when the network does not run
 * @err: why they have to wait, with @why; -EADDRNOTAVAIL for their address
 */
static int prepare(struct ctl *ctl, const struct network *n,
		   const struct forward *f, const struct fwd_conf *c,
		   struct fwd_sock **s, unsigned int *ns, int *err,
		   struct errtext *why)
{
	int r;

	*s = NULL;
	*err = 0;
	*ns = 0;
	if (!runs(n))
		return 0;
	*s = fwd_layout(c, ns);
	r = *s ? fwd_open(ctl, f, c, *s, *ns, why)
	       : errtext_set(why, -ENOMEM, "no memory");
	if (r == -EADDRNOTAVAIL || (*s && r && same_host_side(f, c))) {
		*err = r;
		return 0;
	}
	if (r) {
		free(*s);
		*s = NULL;
	}
	return r;
}

/* ---- answers that wait for the worker ------------------------------------- */

struct fwd_call {
	struct ctl *ctl;
	struct call *call;
	int64_t id;
};

static void settled(void *arg)
{
	struct fwd_call *w = arg;
	struct forward *f = model_fwd_by_id(&w->ctl->model, w->id);

	call_result(w->call, f ? obj_forward(f) : NULL);
	free(w);
}

/* The worker does one thing after the other: when it has told its numbers it has
 * done what it was told before. */
static void answer_when_done(struct ctl *ctl, struct call *c,
			     struct network *n, int64_t id)
{
	struct fwd_call *w = malloc(sizeof(*w));
	struct forward *f = model_fwd_by_id(&ctl->model, id);

	if (!w) {
		call_result(c, f ? obj_forward(f) : NULL);
		return;
	}
	*w = (struct fwd_call){ctl, c, id};
	fwdctl_stats(ctl, n, settled, w);
}

/* ---- operations ---------------------------------------------------------- */

void fwdctl_add(struct ctl *ctl, struct call *c, struct network *n,
		struct fwd_conf *conf)
{
	struct errtext why = {""}, later = {""};
	struct fwd_sock *s = NULL;
	struct forward *f = NULL;
	unsigned int ns = 0;
	int err = 0, r = check(ctl, n, conf, 0, &why);

	if (!r)
		r = prepare(ctl, n, NULL, conf, &s, &ns, &err, &later);
	if (r && later.s[0])
		why = later;
	if (!r)
		r = store_fwd_add(ctl->store, conf, &why);
	if (!r)
		f = model_fwd_add(&ctl->model, n, conf);
	if (!f) {
		fwd_close_new(NULL, s, ns);
		if (!r)
			(void)store_fwd_del(ctl->store, conf->id, NULL);
		call_fail_why(c, r ? r : -ENOMEM, &why);
		return;
	}
	f->sock = s;
	f->nsock = ns;
	bound(f, err, &later);
	log_info("forward %lld on %s: added %s port %u",
		 (long long)f->conf.id, n->conf.name,
		 fwd_proto_name(conf->proto), conf->port);
	fwd_sync(ctl, f);
	knetctl_change_now(n);
	fwd_refresh(ctl, f);
	f->announced = true;
	events_emit(&ctl->events, EVENT_FWD_ADDED, obj_forward(f));
	call_result(c, obj_forward(f));
}

/* Flows belong to targets: a socket that leads to the same one goes on under the
 * same id. */
static void keep_wires(struct forward *f, const struct fwd_conf *conf,
		       struct fwd_sock *s, unsigned int n)
{
	if (f->conf.proto != conf->proto)
		return;
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < f->nsock; k++) {
			struct fwd_sock *o = &f->sock[k];

			if (!o->wire || o->to_port != s[i].to_port ||
			    ipaddr_is4(&o->ip) != ipaddr_is4(&s[i].ip))
				continue;
			s[i].wire = o->wire;
			s[i].told = o->told && o->fd == s[i].fd;
			o->wire = 0;
			break;
		}
	}
}

/* @s takes the place of the forward's sockets. */
static void replace(struct forward *f, const struct fwd_conf *conf,
		    struct fwd_sock *s, unsigned int n)
{
	keep_wires(f, conf, s, n);
	for (unsigned int k = 0; k < f->nsock; k++) {
		bool taken = false;

		for (unsigned int i = 0; i < n; i++)
			taken |= s[i].fd == f->sock[k].fd;
		fwd_unsend_sock(f, &f->sock[k]);
		if (!taken)
			fd_close(&f->sock[k].fd);
	}
	free(f->sock);
	f->sock = s;
	f->nsock = n;
	f->refused = false;
}

void fwdctl_set(struct ctl *ctl, struct call *c, struct forward *f,
		const struct fwd_conf *conf)
{
	struct errtext why = {""}, later = {""};
	struct fwd_sock *s = NULL;
	unsigned int ns = 0;
	int err = 0, r = check(ctl, f->net, conf, fwd_ports(&f->conf), &why);

	if (!r)
		r = prepare(ctl, f->net, f, conf, &s, &ns, &err, &later);
	if (r && later.s[0])
		why = later;
	if (!r)
		r = store_fwd_update(ctl->store, conf, &why);
	if (r) {
		fwd_close_new(f, s, ns);
		call_fail_why(c, r, &why);
		return;
	}
	if (runs(f->net)) {
		replace(f, conf, s, ns);
		bound(f, err, &later);
	} else {
		/* It may be about to stop, and wanted again before it has. */
		fwd_unsend(f);
		fwdctl_release(f);
	}
	model_fwd_set(&ctl->model, f, conf);
	log_info("forward %lld on %s: changed", (long long)conf->id,
		 f->net->conf.name);
	fwd_sync(ctl, f);
	f->announced = false; /* one event for all of it */
	knetctl_change_now(f->net);
	fwd_refresh(ctl, f);
	f->announced = true;
	events_emit(&ctl->events, EVENT_FWD_CHANGED, obj_forward(f));
	answer_when_done(ctl, c, f->net, conf->id);
}

/* What the kernel leads on is not gone: it goes first, or the forward stays. */
static int take_out(struct forward *f, struct errtext *why)
{
	struct network *n = f->net;
	struct errtext kernel = {""};
	int r;

	f->leaving = true;
	r = knetctl_change(n, &kernel);
	f->leaving = r == 0;
	if (!r)
		return 0;
	return errtext_set(why, r,
			   "forward %lld stays: the kernel, which leads its "
			   "connections, does not let go of it: %.90s; `vnet stop "
			   "%.40s` ends all that the network's forwards do",
			   (long long)f->conf.id, kernel.s, n->conf.name);
}

void fwdctl_del(struct ctl *ctl, struct call *c, struct forward *f)
{
	struct network *n = f->net;
	struct errtext why = {""};
	int64_t id = f->conf.id;
	int r = take_out(f, &why);

	if (!r)
		r = store_fwd_del(ctl->store, id, &why);
	if (r) {
		if (f->leaving) {
			f->leaving = false;
			knetctl_change_now(n);
		}
		call_fail_why(c, r, &why);
		return;
	}
	fwd_unsend(f);
	fwdctl_release(f);
	log_info("forward %lld on %s: removed", (long long)id, n->conf.name);
	events_emit(&ctl->events, EVENT_FWD_REMOVED, obj_forward(f));
	model_fwd_del(&ctl->model, f);
	answer_when_done(ctl, c, n, id);
}

struct forward *fwdctl_load(struct ctl *ctl, struct network *n,
			    const struct fwd_conf *conf)
{
	struct forward *f = model_fwd_add(&ctl->model, n, conf);

	if (f) {
		fwd_refresh(ctl, f);
		f->announced = true;
	}
	return f;
}

/* ---- news ---------------------------------------------------------------- */

void fwdctl_net_ready(struct ctl *ctl, struct network *n)
{
	list_for_each(f, &n->fwds, struct forward, node)
		bring_up(ctl, f);
}

void fwdctl_net_gone(struct ctl *ctl, struct network *n, bool stopped)
{
	list_for_each(f, &n->fwds, struct forward, node) {
		/* The next worker knows nothing. */
		for (unsigned int i = 0; i < f->nsock; i++)
			f->sock[i].wire = 0;
		f->sent_nic = -1;
		f->stats = (struct fwd_stats){0};
		if (stopped) {
			fwdctl_release(f);
			fwd_refresh(ctl, f);
		}
	}
}

void fwdctl_nics_changed(struct ctl *ctl, struct network *n, const char *vm)
{
	list_for_each(f, &n->fwds, struct forward, node) {
		if (strcmp(f->conf.to_vm, vm) != 0)
			continue;
		fwd_sync(ctl, f);
		fwd_refresh(ctl, f);
	}
}

void fwdctl_vm_changed(struct ctl *ctl, struct network *n, const char *vm)
{
	list_for_each(f, &n->fwds, struct forward, node)
		if (!strcmp(f->conf.to_vm, vm)) {
			if (net_kernel_routes(&n->conf))
				knetctl_changed(n);
			fwd_refresh(ctl, f);
		}
}

void fwdctl_host_changed(struct ctl *ctl)
{
	list_for_each(n, &ctl->model.nets, struct network, node) {
		list_for_each(f, &n->fwds, struct forward, node) {
			if (n->synced && f->bind_err == -EADDRNOTAVAIL)
				bring_up(ctl, f);
			/* Sockets stay open: when it comes back all is well. */
			if (!fwd_is_open(f))
				continue;
			f->absent = !hostaddr_is_here(&f->sock[0].ip);
			fwd_refresh(ctl, f);
		}
	}
}

void fwdctl_retry(struct ctl *ctl)
{
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (!n->synced)
			continue;
		list_for_each(f, &n->fwds, struct forward, node)
			if (f->bind_err)
				bring_up(ctl, f);
	}
}
