// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * VMMs that listen for their NIC's vhost-user back end (nic_conf.connect_to). A worker
 * has no file system, so control connects, with the rights of the NIC's owner
 * (priv_connect()), and hands the connection over without keeping a duplicate: it ends
 * with the worker, and the VMM listens again. While nobody listens it is tried once
 * more and more seldom, down to once a second.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "netd/nicctl_int.h"
#include "netd/priv.h"
#include "netd/proto.h"
#include "netd/super.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 1000
#define LASTED_MS    2000 /* a connection that did is followed by another at once */

struct nic_vmm {
	struct ctl *ctl;
	int64_t nic;
	struct event *ev;
	unsigned int wait_ms; /* before the next try */
	int64_t since_ms;     /* the last connection; 0 = none yet */
};

static void again(struct nic_vmm *v)
{
	const struct timeval tv = {v->wait_ms / 1000,
				   v->wait_ms % 1000 * 1000};

	evtimer_add(v->ev, &tv);
	v->wait_ms = v->wait_ms ? 2 * v->wait_ms : RETRY_MIN_MS;
	if (v->wait_ms > RETRY_MAX_MS)
		v->wait_ms = RETRY_MAX_MS;
}

static void handed_over(void *arg, int err, json_t *result, const char *why)
{
	struct nic_req *q = arg;
	struct nic *nic = model_nic_by_id(&q->ctl->model, q->id);

	(void)result;
	if (nic && nic->vmm && err == -EREMOTE) {
		nic_set_state(nic, NIC_FAILED, why);
		again(nic->vmm);
	}
	free(q);
}

static void hand_over(struct nic_vmm *v, struct nic *nic, int fd)
{
	struct nic_req *q = calloc(1, sizeof(*q));

	if (q) {
		*q = (struct nic_req){.ctl = v->ctl, .id = v->nic};
		v->since_ms = clock_mono_ms();
		super_request(nic->net->sup, W_NIC_CONN,
			      json_pack("{s:I}", "nic", (json_int_t)v->nic),
			      &fd, 1, handed_over, q);
	} else {
		again(v);
	}
	fd_close(&fd);
}

static void on_timer(evutil_socket_t sock, short what, void *arg)
{
	struct nic_vmm *v = arg;
	struct nic *nic = model_nic_by_id(&v->ctl->model, v->nic);
	struct priv_connect c = {.owner = 0};
	struct errtext why = {""};
	int fd = -1, r;

	(void)sock;
	(void)what;
	/* Without its worker it waits for the next one's answer to W_NIC_ADD. */
	if (!nic || !nic->on_worker || !nic->acked)
		return;
	c.owner = nic->conf.owner;
	memcpy(c.path, nic->conf.connect_to, sizeof(c.path));
	r = priv_connect(v->ctl->priv, &c, &fd, &why);
	if (!r) {
		nic_set_state(nic, NIC_OK, "");
		hand_over(v, nic, fd);
		return;
	}
	if (r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN)
		nic_set_state(nic, NIC_OK, "its VMM does not listen yet");
	else
		nic_set_state(nic, NIC_FAILED, why.s);
	again(v);
}

void nic_vmm_seek(struct ctl *ctl, struct nic *nic)
{
	struct nic_vmm *v = nic->vmm;

	if (!nic->conf.connect_to[0])
		return;
	if (!v) {
		v = calloc(1, sizeof(*v));
		if (v)
			v->ev = evtimer_new(ctl->base, on_timer, v);
		if (!v || !v->ev) {
			free(v);
			nic_set_state(nic, NIC_FAILED, "no memory");
			return;
		}
		v->ctl = ctl;
		v->nic = nic->conf.id;
		nic->vmm = v;
	}
	if (!v->since_ms || clock_mono_ms() - v->since_ms >= LASTED_MS)
		v->wait_ms = 0;
	again(v);
}

void nic_vmm_forget(struct nic *nic)
{
	if (!nic->vmm)
		return;
	event_free(nic->vmm->ev);
	free(nic->vmm);
	nic->vmm = NULL;
}
