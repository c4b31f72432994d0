// SPDX-License-Identifier: GPL-2.0-or-later
/* Forwards: sockets and what the worker is told. See fwdctl.h. */
#include "netd/fwdctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fdutil.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/validate.h"

/* No NIC ever has this id: what leads there is refused. */
#define FWD_NOBODY INT64_MAX

static void set_state(struct ctl *ctl, struct forward *f, enum fwd_state st,
		      const char *reason)
{
	if (f->state == st && !strcmp(f->reason, reason))
		return;
	f->state = st;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	if (st == FWD_FAILED)
		log_warn("forward %lld on %s: %s", (long long)f->conf.id,
			 f->net->conf.name, reason);
	events_emit(&ctl->events, EVENT_FWD_STATE, obj_forward(f));
}

/* ---- sockets ------------------------------------------------------------- */

static void close_sockets(int *fd, unsigned int n)
{
	for (unsigned int i = 0; fd && i < n; i++)
		fd_close(&fd[i]);
	free(fd);
}

/* Who of ours has it? Only forwards that hold their sockets count. */
static const struct forward *holder(struct ctl *ctl, const struct fwd_conf *c,
				    uint16_t port)
{
	struct fwd_conf one = *c;

	one.port = one.port_end = port;
	list_for_each(n, &ctl->model.nets, struct network, node)
		list_for_each(f, &n->fwds, struct forward, node)
			if (f->fd && f->conf.id != c->id &&
			    fwd_overlap(&one, &f->conf))
				return f;
	return NULL;
}

static int busy(struct ctl *ctl, const struct fwd_conf *c, uint16_t port,
		struct errtext *why)
{
	const struct forward *f = holder(ctl, c, port);
	struct ipaddr ip = ipaddr_from4(c->address);
	char who[128];

	if (f)
		return errtext_set(why, -EADDRINUSE,
				   "%s port %u is in use by network %s "
				   "(forward %lld)",
				   fwd_proto_name(c->proto), port,
				   f->net->conf.name, (long long)f->conf.id);
	if (!priv_port_owner(ctl->priv, c->proto, &ip, port, who, sizeof(who)))
		return errtext_set(why, -EADDRINUSE,
				   "%s port %u is in use by %s",
				   fwd_proto_name(c->proto), port, who);
	return errtext_set(why, -EADDRINUSE,
			   "%s port %u is in use by another program",
			   fwd_proto_name(c->proto), port);
}

static int bind_all(struct ctl *ctl, const struct fwd_conf *c, int **out,
		    struct errtext *why)
{
	struct ipaddr ip = ipaddr_from4(c->address);
	unsigned int n = fwd_ports(c);
	int *fd = malloc(n * sizeof(*fd));
	int r = 0;

	if (!fd)
		return errtext_set(why, -ENOMEM, "no memory");
	for (unsigned int i = 0; i < n; i++)
		fd[i] = -1;
	for (unsigned int i = 0; i < n && !r; i++) {
		uint16_t port = (uint16_t)(c->port + i);

		/* UDP sockets with SO_REUSEADDR could share a port unnoticed:
		 * our own table is asked first. */
		r = holder(ctl, c, port)
			    ? -EADDRINUSE
			    : priv_bind(ctl->priv, c->proto, &ip, port, &fd[i],
					why);
		if (r == -EADDRINUSE)
			r = busy(ctl, c, port, why);
	}
	if (r) {
		close_sockets(fd, n);
		return r;
	}
	*out = fd;
	return 0;
}

void fwdctl_release(struct forward *f)
{
	close_sockets(f->fd, fwd_ports(&f->conf));
	f->fd = NULL;
}

/* ---- the worker ---------------------------------------------------------- */

static struct nic *target(struct forward *f)
{
	struct nic *best = NULL;

	list_for_each(nic, &f->net->nics, struct nic, node) {
		if (strcmp(nic->conf.vm, f->conf.to_vm))
			continue;
		if (f->conf.to_nic >= 0 && nic->conf.index != f->conf.to_nic)
			continue;
		if (!best || nic->conf.index < best->conf.index)
			best = nic;
	}
	return best;
}

struct fwd_req {
	struct ctl *ctl;
	int64_t id;
};

static void added(void *arg, int err, json_t *result, const char *why)
{
	struct fwd_req *q = arg;
	struct forward *f = model_fwd_by_id(&q->ctl->model, q->id);

	(void)result;
	if (f && err == -EREMOTE)
		set_state(q->ctl, f, FWD_FAILED, why);
	free(q);
}

static void unsend(struct forward *f)
{
	if (f->sent_nic < 0)
		return;
	f->sent_nic = -1;
	for (unsigned int i = 0; i < fwd_ports(&f->conf); i++)
		super_request(f->net->sup, W_FORWARD_DEL,
			      json_pack("{s:I}", "forward",
					(json_int_t)f->wire + i),
			      NULL, 0, NULL, NULL);
}

static void send_one(struct ctl *ctl, struct forward *f, unsigned int i,
		     int64_t nic)
{
	struct fwd_req *q = malloc(sizeof(*q));
	json_t *body = json_pack(
		"{s:I,s:s,s:o,s:o,s:i}", "forward", (json_int_t)f->wire + i,
		"proto", fwd_proto_name(f->conf.proto), "nic",
		nic ? json_integer(nic) : json_null(), "ip",
		obj_ip(f->conf.to_address), "port",
		(int)(f->conf.to_port + i));

	if (q)
		*q = (struct fwd_req){ctl, f->conf.id};
	super_request(f->net->sup, W_FORWARD_ADD, body, &f->fd[i], 1,
		      q ? added : NULL, q);
}

/* What the worker is told to lead to: a NIC, 0 for the address, or FWD_NOBODY. */
static int64_t destination(struct ctl *ctl, struct forward *f)
{
	struct nic *nic = f->conf.to_vm[0] ? target(f) : NULL;
	char reason[160];

	if (nic || !f->conf.to_vm[0]) {
		set_state(ctl, f, FWD_ACTIVE, "");
		return nic ? nic->conf.id : 0;
	}
	snprintf(reason, sizeof(reason), "VM %s has no %sNIC on network %s",
		 f->conf.to_vm, f->conf.to_nic >= 0 ? "such " : "",
		 f->net->conf.name);
	set_state(ctl, f, FWD_INACTIVE, reason);
	return FWD_NOBODY;
}

/* Without a VM the worker gets the sockets all the same: they listen, and somebody
 * has to refuse who comes instead of leaving him in the kernel's queue. */
static void sync_worker(struct ctl *ctl, struct forward *f)
{
	int64_t want;

	if (!f->net->synced || !f->fd)
		return;
	want = destination(ctl, f);
	if (f->sent_nic == want)
		return;
	unsend(f);
	f->sent_nic = want;
	f->wire = ctl->next_wire;
	ctl->next_wire += fwd_ports(&f->conf);
	for (unsigned int i = 0; i < fwd_ports(&f->conf); i++)
		send_one(ctl, f, i, want);
}

static void bring_up(struct ctl *ctl, struct forward *f)
{
	struct errtext why = {""};

	if (!f->fd && bind_all(ctl, &f->conf, &f->fd, &why)) {
		set_state(ctl, f, FWD_FAILED, why.s);
		return;
	}
	sync_worker(ctl, f);
}

/* ---- operations ---------------------------------------------------------- */

/* Within a network two forwards of one port make no sense, running or not. */
static int check_overlap(struct network *n, const struct fwd_conf *c,
			 struct errtext *why)
{
	list_for_each(f, &n->fwds, struct forward, node)
		if (fwd_overlap(c, &f->conf))
			return errtext_set(
				why, -EADDRINUSE,
				"%s port %u is in use by network %s (forward "
				"%lld)",
				fwd_proto_name(c->proto),
				c->port > f->conf.port ? c->port : f->conf.port,
				n->conf.name, (long long)f->conf.id);
	return 0;
}

void fwdctl_add(struct ctl *ctl, struct call *c, struct network *n,
		struct fwd_conf *conf)
{
	bool running = n->wanted && n->state != NET_STOPPED;
	struct errtext why = {""};
	struct forward *f;
	int *fd = NULL;
	int r = fwd_conf_check(conf, &n->conf, &why);

	if (!r)
		r = check_overlap(n, conf, &why);
	if (!r && ctl->model.nfwds + fwd_ports(conf) > MODEL_FWDS_MAX)
		r = errtext_set(&why, -E2BIG,
				"all forwards together may have %d ports",
				MODEL_FWDS_MAX);
	if (!r && running)
		r = bind_all(ctl, conf, &fd, &why);
	if (!r)
		r = store_fwd_add(ctl->store, conf, &why);
	f = r ? NULL : model_fwd_add(&ctl->model, n, conf);
	if (!f) {
		close_sockets(fd, fwd_ports(conf));
		if (!r)
			(void)store_fwd_del(ctl->store, conf->id, NULL);
		call_fail_why(c, r ? r : -ENOMEM, &why);
		return;
	}
	f->fd = fd;
	if (!running)
		snprintf(f->reason, sizeof(f->reason),
			 "network %s is not running", n->conf.name);
	log_info("forward %lld on %s: added %s port %u",
		 (long long)f->conf.id, n->conf.name,
		 fwd_proto_name(conf->proto), conf->port);
	sync_worker(ctl, f);
	events_emit(&ctl->events, EVENT_FWD_ADDED, obj_forward(f));
	call_result(c, obj_forward(f));
}

int fwdctl_del(struct ctl *ctl, struct forward *f, struct errtext *why)
{
	int r = store_fwd_del(ctl->store, f->conf.id, why);

	if (r)
		return r;
	unsend(f);
	fwdctl_release(f);
	log_info("forward %lld on %s: removed", (long long)f->conf.id,
		 f->net->conf.name);
	events_emit(&ctl->events, EVENT_FWD_REMOVED, obj_forward(f));
	model_fwd_del(&ctl->model, f);
	return 0;
}

struct forward *fwdctl_load(struct ctl *ctl, struct network *n,
			    const struct fwd_conf *conf)
{
	struct forward *f = model_fwd_add(&ctl->model, n, conf);

	if (f)
		snprintf(f->reason, sizeof(f->reason),
			 "network %s is not running", n->conf.name);
	return f;
}

void fwdctl_net_ready(struct ctl *ctl, struct network *n)
{
	list_for_each(f, &n->fwds, struct forward, node)
		bring_up(ctl, f);
}

void fwdctl_net_gone(struct ctl *ctl, struct network *n, bool stopped)
{
	char reason[96];

	snprintf(reason, sizeof(reason), "network %s is not running",
		 n->conf.name);
	list_for_each(f, &n->fwds, struct forward, node) {
		f->sent_nic = -1;
		if (!stopped)
			continue;
		fwdctl_release(f);
		set_state(ctl, f, FWD_INACTIVE, reason);
	}
}

void fwdctl_nics_changed(struct ctl *ctl, struct network *n)
{
	list_for_each(f, &n->fwds, struct forward, node)
		sync_worker(ctl, f);
}

void fwdctl_retry(struct ctl *ctl)
{
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (!n->synced)
			continue;
		list_for_each(f, &n->fwds, struct forward, node)
			if (f->state == FWD_FAILED && !f->fd)
				bring_up(ctl, f);
	}
}
