// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Life of a NIC: attach, connect, detach, and what its worker is told and tells.
 * Link and move are nicctl_link.c. See nicctl.h.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/addrs.h"
#include "netd/endpoint.h"
#include "netd/fwdctl.h"
#include "netd/guardconf.h"
#include "netd/knetctl.h"
#include "netd/netctl.h"
#include "netd/nicctl_int.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/proto.h"
#include "netd/qmp.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/wmsg.h"

#define RETRY_S 5 /* an endpoint that could not be made is tried again */

struct mac nicctl_mac(struct ctl *ctl, const char *vm, int index)
{
	for (int salt = 0;; salt++) {
		char text[CONF_NAME_MAX + 32];
		struct mac m = {{0x52, 0x54, 0x00}};
		uint32_t h;

		snprintf(text, sizeof(text), "%s/%d/%d", vm, index, salt);
		h = hash_bytes(ctl->mac_seed, text, strlen(text));
		m.b[3] = (uint8_t)(h >> 16);
		m.b[4] = (uint8_t)(h >> 8);
		m.b[5] = (uint8_t)h;
		if (!model_mac_taken(&ctl->model, &m) || salt == 64)
			return m;
	}
}

/* ---- state --------------------------------------------------------------- */

void nic_set_state(struct nic *nic, enum nic_state st, const char *reason)
{
	if (st == NIC_FAILED &&
	    (nic->state != st || strcmp(nic->reason, reason)))
		log_warn("nic %s-%d: %s", nic->conf.vm, nic->conf.index,
			 reason);
	nic->state = st;
	snprintf(nic->reason, sizeof(nic->reason), "%s", reason);
}

static void set_connected(struct ctl *ctl, struct nic *nic, bool connected)
{
	if (nic->connected == connected)
		return;
	nic->connected = connected;
	log_info("nic %s-%d: %s", nic->conf.vm, nic->conf.index,
		 connected ? "connected" : "disconnected");
	events_emit(&ctl->events,
		    connected ? EVENT_NIC_CONNECTED : EVENT_NIC_DISCONNECTED,
		    obj_nic(ctl, nic));
}

/* ---- telling the worker -------------------------------------------------- */

static const char *wire_type(enum nic_type t)
{
	return t == NIC_TAP ? "packet" : t == NIC_NETNS ? "tap"
							: nic_type_name(t);
}

static void added(void *arg, int err, json_t *result, const char *why);

static void send_add(struct nic_req *q, struct nic *nic, json_t *names,
		     const int *fds, unsigned int nfd)
{
	const struct nic_conf *c = &nic->conf;
	json_t *body = json_pack(
		"{s:I,s:s,s:i,s:o,s:s,s:s,s:b,s:n,s:i,s:o,s:o}", "nic",
		(json_int_t)c->id, "vm", c->vm, "index", c->index, "mac",
		obj_mac(&c->mac), "type",
		knetctl_has_port(nic) ? "bridge" : wire_type(c->type), "role",
		"guest",
		"link", (int)nic_link_up(nic), "src_ip4", "queues",
		c->queues, "fds", names, "guard",
		guardconf_wire(&c->guard, &nic->net->conf));

	nic->on_worker = true;
	nic->acked = false;
	super_request(nic->net->sup, W_NIC_ADD, body, fds, nfd, added, q);
}

static void undo_attach(struct ctl *ctl, struct nic *nic);

/* Answer a waiting call with the NIC as it is now. */
static void answer(struct nic_req *q, struct nic *nic)
{
	json_t *o;

	if (!q->call)
		return;
	if (nic && q->fresh && nic->conf.transient) {
		if (nic_lend(q->ctl, q->call, nic))
			undo_attach(q->ctl, nic);
	} else if (!nic) {
		call_fail(q->call, RPC_NOT_FOUND, "the NIC was detached");
	} else {
		o = obj_nic(q->ctl, nic);
		if (q->connect)
			json_object_set_new(o, "connect", obj_connect(nic));
		call_result(q->call, o);
	}
	q->call = NULL;
}

void nic_sync(struct ctl *ctl, struct nic *nic, struct nic_req *q)
{
	int fds[ENDPOINT_FDS];
	json_t *names = json_array();
	unsigned int n = 0;

	if (!q)
		q = calloc(1, sizeof(*q));
	if (!q || nic->leaving)
		goto out;
	q->ctl = ctl;
	q->id = nic->conf.id;
	if (!nic->net->synced)
		nic_set_state(nic, NIC_NET_STOPPED, "");
	else if (nic->ep && !nic->on_worker)
		n = endpoint_fds(nic->ep, fds, names);
	/* A VMM that listens is connected to when the worker has the NIC. The worker
	 * of a bridge knows of its ports by name only. */
	if (n || (nic->net->synced && nic->ep && !nic->on_worker &&
		  (nic->conf.connect_to[0] || knetctl_has_port(nic)))) {
		send_add(q, nic, names, fds, n);
		return;
	}
	if (nic->net->synced && nic->ep && !nic->on_worker)
		nic_set_state(nic, NIC_OK, "");
out:
	json_decref(names);
	if (q)
		answer(q, nic);
	free(q);
}

/* A new NIC that could not be used after all: it never was. */
static void undo_attach(struct ctl *ctl, struct nic *nic)
{
	struct network *n = nic->net;
	struct mac mac = nic->conf.mac;
	char vm[CONF_NAME_MAX + 1];

	memcpy(vm, nic->conf.vm, sizeof(vm));
	if (store_nic_del(ctl->store, nic->conf.id, NULL))
		return; /* stays, failed, and can be detached */
	events_emit(&ctl->events, EVENT_NIC_DETACHED, obj_nic(ctl, nic));
	nicctl_release(ctl, nic);
	model_nic_del(&ctl->model, nic);
	netctl_push_mac(n, &mac);
	fwdctl_nics_changed(ctl, n, vm);
	knetctl_guards_changed(n);
}

static void added(void *arg, int err, json_t *result, const char *why)
{
	struct nic_req *q = arg;
	struct nic *nic = model_nic_by_id(&q->ctl->model, q->id);

	(void)result;
	if (nic && nic->leaving) {
		; /* it has been moved since; its old worker's word is void */
	} else if (nic && !err) {
		nic->acked = true;
		nic_set_state(nic, NIC_OK, "");
		if (nic->conf.type == NIC_TAP || nic->conf.type == NIC_NETNS)
			set_connected(q->ctl, nic, true);
		nic_vmm_seek(q->ctl, nic);
	} else if (nic && err == -EREMOTE) {
		nic->on_worker = false;
		nic_set_state(nic, NIC_FAILED, why);
		if (q->call) {
			call_fail(q->call, RPC_REFUSED, "nic %s-%d: %s",
				  nic->conf.vm, nic->conf.index, why);
			q->call = NULL;
		}
		if (q->fresh)
			undo_attach(q->ctl, nic);
	}
	/* -EPIPE: the worker ended; its successor gets the NIC again. */
	answer(q, nic);
	free(q);
}

/* ---- endpoints ----------------------------------------------------------- */

static void nic_dir(struct ctl *ctl, char *out, size_t cap)
{
	snprintf(out, cap, "%.*s/nic", (int)cap - 8, ctl->run_dir);
}

static int open_qmp(struct ctl *ctl, struct nic *nic, struct errtext *why)
{
	char dir[PATH_MAX], path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const struct nic_conf *c = &nic->conf;
	int r;

	/* Whoever took a descriptor asked for no arguments, and has no monitor. */
	if (nic->qmp || c->type == NIC_NETNS || c->transient)
		return 0;
	nic_dir(ctl, dir, sizeof(dir));
	r = endpoint_path(dir, c->vm, c->index, "qmp", path, sizeof(path), why);
	if (!r)
		r = qmp_new(ctl->base, path, c->owner, c->index,
			    nic_link_up(nic), &nic->qmp, why);
	return r;
}

static int open_all(struct ctl *ctl, struct nic *nic, struct errtext *why)
{
	char dir[PATH_MAX];
	int r = 0;

	nic_dir(ctl, dir, sizeof(dir));
	if (knetctl_has_port(nic))
		r = knetctl_port(nic, why);
	else if (!nic->ep)
		r = endpoint_open(dir, ctl->priv, &nic->conf,
				  nic->net->conf.mtu, &nic->ep, why);
	return r ? r : open_qmp(ctl, nic, why);
}

static void retry_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct nic_timer *t = arg;
	struct nic *nic = model_nic_by_id(&t->ctl->model, t->id);

	(void)fd;
	(void)what;
	if (nic)
		nicctl_open(t->ctl, nic);
}

void nicctl_open(struct ctl *ctl, struct nic *nic)
{
	struct errtext why = {""};

	if (!open_all(ctl, nic, &why)) {
		nic_sync(ctl, nic, NULL);
		return;
	}
	nic_set_state(nic, NIC_FAILED, why.s);
	nic_arm(ctl, nic, RETRY_S * 1000, retry_on_timer);
}

void nicctl_release(struct ctl *ctl, struct nic *nic)
{
	nic_disarm(nic);
	nic_way_forget(nic);
	nic_vmm_forget(nic);
	qmp_free(nic->qmp);
	nic->qmp = NULL;
	if (ctl->stopping)
		endpoint_leave(nic->ep);
	endpoint_free(nic->ep, ctl->priv);
	nic->ep = NULL;
}

/* ---- timers: they carry the id, for the NIC may be gone by then ---------- */

int nic_arm(struct ctl *ctl, struct nic *nic, unsigned int ms,
	    void (*fn)(evutil_socket_t, short, void *))
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	struct nic_timer *t = calloc(1, sizeof(*t));

	nic_disarm(nic);
	if (t) {
		t->ctl = ctl;
		t->id = nic->conf.id;
		t->ev = evtimer_new(ctl->base, fn, t);
	}
	if (!t || !t->ev || evtimer_add(t->ev, &tv)) {
		if (t && t->ev)
			event_free(t->ev);
		free(t);
		return -ENOMEM;
	}
	nic->timer = t;
	return 0;
}

void nic_disarm(struct nic *nic)
{
	if (!nic->timer)
		return;
	event_free(nic->timer->ev);
	free(nic->timer);
	nic->timer = NULL;
}

/* ---- attach -------------------------------------------------------------- */

/* Everything that can fail, before anything is remembered. */
static struct nic *make_nic(struct ctl *ctl, struct network *n,
			    struct nic_conf *conf, int *fd, int *err,
			    struct errtext *why)
{
	struct nic tmp = {.conf = *conf, .net = n};
	struct nic *nic = NULL;

	*err = open_all(ctl, &tmp, why);
	if (!*err && *fd >= 0) {
		*err = endpoint_adopt(tmp.ep, *fd, false, why);
		*fd = -1;
	}
	if (!*err)
		*err = store_nic_add(ctl->store, &tmp.conf, why);
	if (!*err) {
		nic = model_nic_add(&ctl->model, n, &tmp.conf);
		if (!nic) {
			(void)store_nic_del(ctl->store, tmp.conf.id, NULL);
			*err = errtext_set(why, -E2BIG,
					   "there are %d NICs already",
					   MODEL_NICS_MAX);
		}
	}
	if (!nic) {
		nicctl_release(ctl, &tmp);
		return NULL;
	}
	nic->ep = tmp.ep;
	nic->qmp = tmp.qmp;
	nic->state = n->synced ? NIC_OK : NIC_NET_STOPPED;
	return nic;
}

/* A reservation made for the VM before it had a NIC learns the MAC. */
static void bind_reservations(struct ctl *ctl, struct nic *nic)
{
	list_for_each(r, &nic->net->resvs, struct resv, node) {
		struct resv_conf c = r->conf;

		if (strcmp(c.vm, nic->conf.vm) || c.nic != nic->conf.index ||
		    mac_eq(&c.mac, &nic->conf.mac))
			continue;
		c.mac = nic->conf.mac;
		if (!store_resv_put(ctl->store, &c, NULL)) {
			struct mac old = r->conf.mac;

			(void)model_resv_put(nic->net, &c); /* it is there */
			netctl_push_mac(nic->net, &old);
		}
	}
}

void nic_settle(struct ctl *ctl, struct nic *nic)
{
	bind_reservations(ctl, nic);
	netctl_push_mac(nic->net, &nic->conf.mac);
	fwdctl_nics_changed(ctl, nic->net, nic->conf.vm);
}

void nicctl_attach(struct ctl *ctl, struct call *c, struct network *n,
		   struct nic_conf *conf, int fd)
{
	struct nic_req *q = calloc(1, sizeof(*q));
	struct errtext why = {""};
	struct nic *nic = NULL;
	int r = q ? nic_conf_check(conf, &why) : -ENOMEM;

	if (!r)
		r = guardconf_check(&conf->guard, &n->conf, &why);
	if (!r && model_nic_by_mac(n, &conf->mac))
		r = errtext_set(&why, -EEXIST,
				"network %s has a NIC with this MAC already",
				n->conf.name);
	if (!r)
		nic = make_nic(ctl, n, conf, &fd, &r, &why);
	fd_close(&fd);
	if (!nic) {
		free(q);
		errtext_prefix(&why, r, "nic %s-%d", conf->vm, conf->index);
		call_fail_why(c, r, &why);
		return;
	}
	log_info("nic %s-%d: attached to %s type=%s", conf->vm, conf->index,
		 n->conf.name, nic_type_name(conf->type));
	nic_settle(ctl, nic);
	events_emit(&ctl->events, EVENT_NIC_ATTACHED, obj_nic(ctl, nic));
	q->call = c;
	q->connect = q->fresh = true;
	nic_sync(ctl, nic, q);
}

struct nic *nicctl_load(struct ctl *ctl, struct network *n,
			const struct nic_conf *conf)
{
	struct nic *nic = model_nic_add(&ctl->model, n, conf);

	if (nic)
		nic->lent = conf->transient;
	return nic;
}

static void worker_forget(struct nic *nic)
{
	if (nic->on_worker)
		super_request(nic->net->sup, W_NIC_DEL,
			      json_pack("{s:I}", "nic",
					(json_int_t)nic->conf.id),
			      NULL, 0, NULL, NULL);
	nic->on_worker = nic->acked = false;
}

void nicctl_connect(struct ctl *ctl, struct call *c, struct nic *nic, int fd,
		    bool attach)
{
	struct nic_req *q = calloc(1, sizeof(*q));
	struct errtext why = {""};
	int r = -ENOMEM;

	if (q && !nic->ep)
		r = errtext_set(&why, -EAGAIN, "nic %s-%d is not ready",
				nic->conf.vm, nic->conf.index);
	else if (q)
		r = 0;
	if (!r) {
		r = endpoint_adopt(nic->ep, fd, true, &why);
		fd = -1;
	}
	fd_close(&fd);
	if (r || !q) {
		free(q);
		call_fail_why(c, r, &why);
		return;
	}
	worker_forget(nic);
	q->call = c;
	q->connect = attach;
	nic_sync(ctl, nic, q);
}

/* ---- detach -------------------------------------------------------------- */

struct detach {
	struct call *call;
	unsigned int waiting;
	int count;
};

static void detach_unref(struct detach *d)
{
	if (--d->waiting)
		return;
	call_result(d->call, json_pack("{s:i}", "detached", d->count));
	free(d);
}

static void detach_done(void *arg, int err, json_t *result, const char *why)
{
	(void)err;
	(void)result;
	(void)why;
	detach_unref(arg);
}

/* Out of the model; the worker is told. @d nullable. */
static void drop(struct ctl *ctl, struct nic *nic, struct detach *d)
{
	struct network *n = nic->net;
	struct mac mac = nic->conf.mac;
	char vm[CONF_NAME_MAX + 1];

	memcpy(vm, nic->conf.vm, sizeof(vm));
	log_info("nic %s-%d: detached from %s", vm, nic->conf.index,
		 n->conf.name);
	events_emit(&ctl->events, EVENT_NIC_DETACHED, obj_nic(ctl, nic));
	if (d)
		d->count++;
	if (nic->on_worker) {
		if (d)
			d->waiting++;
		super_request(n->sup, W_NIC_DEL,
			      json_pack("{s:I}", "nic",
					(json_int_t)nic->conf.id),
			      NULL, 0, d ? detach_done : NULL, d);
	}
	nicctl_release(ctl, nic);
	model_nic_del(&ctl->model, nic);
	netctl_push_mac(n, &mac);
	fwdctl_nics_changed(ctl, n, vm);
	knetctl_guards_changed(n);
	addrs_changed(ctl, vm);
}

int nic_forget(struct ctl *ctl, struct nic *nic, struct errtext *why)
{
	int r = store_nic_del(ctl->store, nic->conf.id, why);

	if (!r)
		drop(ctl, nic, NULL);
	return r;
}

/* Those of the VM, or that one; how many. */
static size_t find_all(struct ctl *ctl, const char *vm, int index,
		       int64_t id[CONF_NIC_INDEX + 1])
{
	const struct nic *nic = NULL;
	size_t n = 0;

	while (n <= CONF_NIC_INDEX &&
	       (nic = model_nic_of_vm(&ctl->model, vm, nic)))
		if (index < 0 || nic->conf.index == index)
			id[n++] = nic->conf.id;
	return n;
}

void nicctl_detach(struct ctl *ctl, struct call *c, const char *vm, int index)
{
	struct detach *d = calloc(1, sizeof(*d));
	int64_t id[CONF_NIC_INDEX + 1];
	size_t n = find_all(ctl, vm, index, id);
	struct errtext why = {""};
	int r = d ? store_nics_del(ctl->store, id, n, &why) : -ENOMEM;

	if (r) {
		free(d);
		call_fail_why(c, r, &why);
		return;
	}
	d->call = c;
	d->waiting = 1;
	for (size_t i = 0; i < n; i++)
		drop(ctl, model_nic_by_id(&ctl->model, id[i]), d);
	detach_unref(d);
}

void nicctl_drop_all(struct ctl *ctl, struct network *n)
{
	list_for_each_safe(nic, &n->nics, struct nic, node)
		drop(ctl, nic, NULL);
}

/* ---- the network's worker ------------------------------------------------ */

void nicctl_net_ready(struct ctl *ctl, struct network *n)
{
	list_for_each(nic, &n->nics, struct nic, node)
		nicctl_open(ctl, nic);
}

void nicctl_net_gone(struct ctl *ctl, struct network *n)
{
	list_for_each(nic, &n->nics, struct nic, node) {
		nic->on_worker = nic->acked = false;
		/* Its connection was the worker's alone. */
		if (nic->conf.type == NIC_VHOST)
			set_connected(ctl, nic, false);
		if (nic->state == NIC_OK)
			nic_set_state(nic, NIC_NET_STOPPED, "");
	}
}

static int on_accepted(struct nic *nic, struct chan_msg *m, struct errtext *why)
{
	int fd = m->fd[0];

	if (!nic->ep || nic->ep->listen_fd < 0)
		return errtext_set(why, -EPROTO,
				   "it accepted for a NIC that does not "
				   "listen");
	m->fd[0] = -1;
	return endpoint_adopt(nic->ep, fd, false, why) ? -EPROTO : 0;
}

static void on_peer(struct ctl *ctl, struct nic *nic, bool connected)
{
	set_connected(ctl, nic, connected);
	/* Before W_NIC_ADD is answered this is the end of what was there before,
	 * not of the connection that was just handed over. */
	if (!connected && nic->acked && nic->ep) {
		endpoint_hangup(nic->ep);
		nic_vmm_seek(ctl, nic);
	}
}

static void on_seen(struct ctl *ctl, struct nic *nic, const struct mac *mac,
		    const struct ipaddr *ip)
{
	if (!seen_put(ipaddr_is4(ip) ? &nic->seen4 : &nic->seen6, ip, mac,
		      NULL))
		return;
	events_emit(&ctl->events, EVENT_NIC_ADDRESS, obj_nic(ctl, nic));
	addrs_changed(ctl, nic->conf.vm);
	fwdctl_vm_changed(ctl, nic->net, nic->conf.vm);
}

struct nic *nic_of(struct ctl *ctl, struct network *n, int64_t id)
{
	struct nic *nic = model_nic_by_id(&ctl->model, id);

	return nic && nic->net == n && !nic->leaving ? nic : NULL;
}

int nicctl_message(struct ctl *ctl, struct network *n, uint16_t type,
		   json_t *body, struct chan_msg *m, struct errtext *why)
{
	bool connected = false;
	struct nic *nic;
	struct mac mac;
	struct ipaddr ip = ipaddr_any;
	int64_t id;
	int r;

	if (type == W_SENDER)
		return nic_message_sender(ctl, n, body, why);
	if (type == W_PEER)
		r = wmsg_peer(body, &id, &connected, why);
	else if (type == W_SEEN)
		r = wmsg_seen(body, &n->conf, &id, &mac, &ip, why);
	else
		r = wmsg_nic(body, &id, why);
	if (r)
		return r;
	if (type == W_ACCEPTED && m->nfd != 1)
		return errtext_set(why, -EPROTO, "accepted, but no connection");
	nic = nic_of(ctl, n, id);
	if (!nic)
		return 0;
	if (type == W_ACCEPTED)
		return on_accepted(nic, m, why);
	if (type == W_PEER)
		on_peer(ctl, nic, connected);
	else if (!ipaddr_is_zero(&ip))
		on_seen(ctl, nic, &mac, &ip);
	return 0;
}
