// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The cable: plugged, pulled, moved to another network. A move pulls it, waits
 * until the old worker has closed its descriptors, hands them to the new one, and
 * plugs it in after a second, so that the guest asks for an address anew.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "netd/addrs.h"
#include "netd/fwdctl.h"
#include "netd/guardconf.h"
#include "netd/knetctl.h"
#include "netd/netctl.h"
#include "netd/nicctl_int.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/qmp.h"
#include "netd/store.h"
#include "netd/super.h"

/* What the guest sees follows conf.link and moving. */
static void show_link(struct nic *nic, super_done_fn done, void *arg)
{
	bool up = nic_link_up(nic);
	struct errtext why = {""};

	if (nic->qmp)
		qmp_link(nic->qmp, up);
	if (knetctl_has_port(nic) && knetctl_port(nic, &why))
		log_warn("nic %s-%d: link: %s", nic->conf.vm, nic->conf.index,
			 why.s);
	if (nic->on_worker)
		super_request(nic->net->sup, W_NIC_LINK,
			      json_pack("{s:I,s:b}", "nic",
					(json_int_t)nic->conf.id, "up",
					(int)up),
			      NULL, 0, done, arg);
	else if (done)
		done(arg, 0, NULL, "");
}

void nic_done(void *arg, int err, json_t *result, const char *why)
{
	struct nic_req *q = arg;
	struct nic *nic = model_nic_by_id(&q->ctl->model, q->id);

	(void)result;
	if (!nic)
		call_fail(q->call, RPC_NOT_FOUND, "the NIC was detached");
	else if (err == -EREMOTE)
		call_fail(q->call, RPC_REFUSED, "nic %s-%d: %s", nic->conf.vm,
			  nic->conf.index, why);
	else
		call_result(q->call, obj_nic(q->ctl, nic));
	free(q);
}

void nicctl_link(struct ctl *ctl, struct call *c, struct nic *nic, bool up)
{
	struct nic_req *q = calloc(1, sizeof(*q));
	struct nic_conf conf = nic->conf;
	struct errtext why = {""};
	int r = -ENOMEM;

	conf.link = up;
	if (q)
		r = store_nic_update(ctl->store, &conf, &why);
	if (r) {
		free(q);
		call_fail_why(c, r, &why);
		return;
	}
	if (nic->conf.link != up)
		log_info("nic %s-%d: link %s", conf.vm, conf.index,
			 up ? "up" : "down");
	nic->conf.link = up;
	*q = (struct nic_req){.ctl = ctl, .id = conf.id, .call = c};
	events_emit(&ctl->events, EVENT_NIC_LINK, obj_nic(ctl, nic));
	show_link(nic, nic_done, q);
}

/* ---- move ---------------------------------------------------------------- */

static void plug_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct nic_timer *t = arg;
	struct ctl *ctl = t->ctl;
	struct nic *nic = model_nic_by_id(&ctl->model, t->id);

	(void)fd;
	(void)what;
	if (!nic)
		return;
	nic->moving = false;
	show_link(nic, NULL, NULL);
	events_emit(&ctl->events, EVENT_NIC_LINK, obj_nic(ctl, nic));
	if (!nic->ep)
		nicctl_open(ctl, nic); /* its retry gave way to our timer */
}

static void let_go(void *arg, int err, json_t *result, const char *why)
{
	struct nic_req *q = arg;
	struct nic *nic = model_nic_by_id(&q->ctl->model, q->id);

	(void)err;
	(void)result;
	(void)why;
	if (!nic) {
		call_fail(q->call, RPC_NOT_FOUND, "the NIC was detached");
		free(q);
		return;
	}
	nic->leaving = false;
	if (nic_arm(q->ctl, nic, NICCTL_MOVE_MS, plug_on_timer))
		nic->moving = false;
	nic_sync(q->ctl, nic, q);
}

void nicctl_move(struct ctl *ctl, struct call *c, struct nic *nic,
		 struct network *to)
{
	struct network *from = nic->net;
	struct nic_req *q = calloc(1, sizeof(*q));
	struct nic_conf conf = nic->conf;
	struct errtext why = {""};
	bool had = nic->on_worker;
	int r = q ? 0 : -ENOMEM;

	if (!r && nic->leaving)
		r = errtext_set(&why, -EBUSY, "nic %s-%d is being moved",
				conf.vm, conf.index);
	if (!r)
		r = knetctl_may_move(nic, to, &why);
	if (!r)
		r = guardconf_check(&conf.guard, &to->conf, &why);
	if (!r && c->who.right != RIGHT_ADMIN)
		r = guardconf_weaker(&conf.guard, &to->conf, &why);
	if (!r && model_nic_by_mac(to, &conf.mac))
		r = errtext_set(&why, -EEXIST,
				"network %s has a NIC with this MAC already",
				to->conf.name);
	conf.network = to->conf.id;
	if (!r)
		r = store_nic_update(ctl->store, &conf, &why);
	if (r) {
		free(q);
		call_fail_why(c, r, &why);
		return;
	}
	log_info("nic %s-%d: moves from %s to %s", conf.vm, conf.index,
		 from->conf.name, to->conf.name);
	*q = (struct nic_req){.ctl = ctl, .id = conf.id, .call = c};
	nic->moving = true;
	show_link(nic, NULL, NULL);
	model_nic_move(nic, to);
	knetctl_moved(nic, from);
	nic->on_worker = nic->acked = false;
	nic->leaving = true;
	netctl_push_mac(from, &conf.mac);
	fwdctl_nics_changed(ctl, from, conf.vm);
	nic_settle(ctl, nic);
	events_emit(&ctl->events, EVENT_NIC_LINK, obj_nic(ctl, nic));
	if (had)
		super_request(from->sup, W_NIC_DEL,
			      json_pack("{s:I}", "nic", (json_int_t)conf.id),
			      NULL, 0, let_go, q);
	else
		let_go(q, 0, NULL, "");
}
