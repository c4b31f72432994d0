// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the worker is told about forwards, and its numbers about them. Each socket of
 * a forward is one forward there, under an id of its own (struct fwd_sock.wire), so
 * that parts of one can change while the rest goes on. See fwdctl_int.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/fwdctl_int.h"
#include "netd/knetctl.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/wmsg.h"

/* No NIC ever has this id: what leads there is refused. */
#define FWD_NOBODY INT64_MAX

struct nic *fwd_target(const struct forward *f)
{
	struct model *m = f->net->model;
	const char *vm = f->conf.to_vm;
	struct nic *best = NULL, *nic;

	if (!vm[0])
		return NULL;
	for (nic = model_nic_of_vm(m, vm, NULL); nic;
	     nic = model_nic_of_vm(m, vm, nic)) {
		if (nic->net != f->net ||
		    (f->conf.to_nic >= 0 && nic->conf.index != f->conf.to_nic))
			continue;
		if (!best || nic->conf.index < best->conf.index)
			best = nic;
	}
	return best;
}

/* What the worker is to lead to: a NIC, 0 for the address, or FWD_NOBODY. */
static int64_t destination(const struct forward *f)
{
	struct nic *nic = fwd_target(f);

	if (nic)
		return nic->conf.id;
	return f->conf.to_vm[0] ? FWD_NOBODY : 0;
}

/* ---- telling ------------------------------------------------------------- */

struct fwd_req {
	struct ctl *ctl;
	int64_t id;
	uint32_t wire;
};

static void added(void *arg, int err, json_t *result, const char *why)
{
	struct fwd_req *q = arg;
	struct forward *f = model_fwd_by_id(&q->ctl->model, q->id);

	(void)result;
	for (unsigned int i = 0; f && err == -EREMOTE && i < f->nsock; i++) {
		if (f->sock[i].wire != q->wire)
			continue;
		f->refused = true;
		snprintf(f->fault, sizeof(f->fault), "%s", why);
		fwd_refresh(q->ctl, f);
	}
	free(q);
}

void fwd_unsend_sock(struct forward *f, struct fwd_sock *s)
{
	if (!s->wire)
		return;
	super_request(f->net->sup, W_FORWARD_DEL,
		      json_pack("{s:I}", "forward", (json_int_t)s->wire), NULL,
		      0, NULL, NULL);
	s->wire = 0;
}

void fwd_unsend(struct forward *f)
{
	f->sent_nic = -1;
	f->refused = false;
	for (unsigned int i = 0; i < f->nsock; i++)
		fwd_unsend_sock(f, &f->sock[i]);
}

static uint32_t next_wire(struct ctl *ctl)
{
	if (!ctl->next_wire)
		ctl->next_wire = 1; /* 0 is none */
	return ctl->next_wire++;
}

static void add_sock(struct ctl *ctl, struct forward *f, struct fwd_sock *s)
{
	struct fwd_req *q = malloc(sizeof(*q));
	json_t *body;

	s->wire = next_wire(ctl);
	s->told = true;
	body = json_pack("{s:I,s:I,s:s,s:o,s:o,s:i}", "forward",
			 (json_int_t)s->wire, "group", (json_int_t)f->conf.id,
			 "proto", fwd_proto_name(f->conf.proto), "nic",
			 f->sent_nic ? json_integer(f->sent_nic) : json_null(),
			 "ip", obj_ipaddr(&f->sent_ip), "port", (int)s->to_port);
	if (q)
		*q = (struct fwd_req){ctl, f->conf.id, s->wire};
	super_request(f->net->sup, W_FORWARD_ADD, body, &s->fd, 1,
		      q ? added : NULL, q);
}

/* The same forward over another socket, or over none for now. */
static void swap_sock(struct ctl *ctl, struct forward *f, struct fwd_sock *s)
{
	struct fwd_req *q = malloc(sizeof(*q));

	s->told = true;
	if (q)
		*q = (struct fwd_req){ctl, f->conf.id, s->wire};
	super_request(f->net->sup, W_FORWARD_SOCKET,
		      json_pack("{s:I}", "forward", (json_int_t)s->wire),
		      &s->fd, s->fd >= 0 ? 1 : 0, q ? added : NULL, q);
}

/* Without a VM the worker gets the sockets all the same: they listen, and somebody
 * has to refuse who comes instead of leaving him in the kernel's queue. */
void fwd_sync(struct ctl *ctl, struct forward *f)
{
	int64_t want = destination(f);

	if (!f->net->synced)
		return;
	if (net_kernel_routes(&f->net->conf)) {
		fwd_knet_reserve(f);
		knetctl_changed(f->net);
		return;
	}
	if (f->sent_nic != want ||
	    !ipaddr_eq(&f->sent_ip, &f->conf.to_address)) {
		fwd_unsend(f);
		f->sent_nic = want;
		f->sent_ip = f->conf.to_address;
	}
	for (unsigned int i = 0; i < f->nsock; i++) {
		struct fwd_sock *s = &f->sock[i];

		if (!s->wire && s->fd >= 0)
			add_sock(ctl, f, s);
		else if (s->wire && !s->told)
			swap_sock(ctl, f, s);
	}
}

/* ---- numbers ------------------------------------------------------------- */

struct fwd_ask {
	struct ctl *ctl;
	int64_t net;
	int64_t after; /* the last one it told of */
	unsigned int pages;
	fwdctl_stats_fn done;
	void *arg;
};

static void ask(struct fwd_ask *a, struct network *n);

/* Both are in the order of their ids: the next row is behind the last one. */
struct taking {
	struct network *net;
	struct list *at;
};

static void take_row(void *arg, int64_t id, const struct fwd_stats *stats)
{
	struct taking *t = arg;

	for (; t->at != &t->net->fwds; t->at = t->at->next) {
		struct forward *f = container_of(t->at, struct forward, node);

		if (f->conf.id == id)
			f->stats = *stats;
		if (f->conf.id >= id)
			return;
	}
}

static void told(void *arg, int err, json_t *result, const char *why)
{
	struct fwd_ask *a = arg;
	struct network *n = model_net_by_id(&a->ctl->model, a->net);
	struct errtext bad = {""};
	int r = 0;

	(void)why;
	if (!err && n) {
		struct taking t = {n, n->fwds.next};

		r = wmsg_forwards(result, take_row, &t, &a->after, &bad);
	}
	/* A page has a row at least, and there are not more forwards. */
	if (r > 0 && ++a->pages > MODEL_FWDS_MAX)
		r = errtext_set(&bad, -EPROTO, "numbers without end");
	if (r < 0)
		super_kill(n->sup, bad.s);
	if (r > 0) {
		ask(a, n);
		return;
	}
	a->done(a->arg);
	free(a);
}

static void ask(struct fwd_ask *a, struct network *n)
{
	super_request(n->sup, W_FORWARD_STATS,
		      json_pack("{s:I}", "after", (json_int_t)a->after), NULL, 0,
		      told, a);
}

void fwdctl_stats(struct ctl *ctl, struct network *n, fwdctl_stats_fn done,
		  void *arg)
{
	struct fwd_ask *a = n->synced ? malloc(sizeof(*a)) : NULL;

	if (!a) {
		done(arg);
		return;
	}
	*a = (struct fwd_ask){
		.ctl = ctl, .net = n->conf.id, .done = done, .arg = arg};
	ask(a, n);
}
