// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ways back to runners on datagram NICs. The worker has no file system to find a
 * runner's socket in; it says whom it heard (W_SENDER), priv makes the way as far as
 * it may (priv.h, priv_way()), and W_NIC_WAY brings it.
 *
 * A runner whose socket is connected to ours (libkrun, vfkit) has ours connected to
 * it. Nothing tells when such a runner is gone, and until then the kernel lets no
 * other one in; so it is looked for twice a second.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/clock.h"
#include "lib/esc.h"
#include "lib/fdutil.h"
#include "lib/hex.h"
#include "netd/endpoint.h"
#include "netd/nicctl_int.h"
#include "netd/priv.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/wmsg.h"

struct nic_way {
	struct ctl *ctl;
	int64_t nic;
	struct priv_way w;
	char addr[2 * sizeof(((struct priv_way *)0)->path) + 3]; /* worker's */
	struct event *ev;
};

static void send_way(struct nic *nic, const char *addr, const char *way,
		     int fd)
{
	super_send(nic->net->sup, W_NIC_WAY,
		   json_pack("{s:I,s:s,s:s}", "nic",
			     (json_int_t)nic->conf.id, "addr", addr, "way",
			     way),
		   &fd, fd >= 0 ? 1 : 0);
}

/* ---- the peer that our socket is connected to ------------------------------------ */

void nic_way_forget(struct nic *nic)
{
	if (!nic->way)
		return;
	event_free(nic->way->ev);
	free(nic->way);
	nic->way = NULL;
}

static void let_others_in(int fd)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	(void)connect(fd, &none, sizeof(none));
}

static void look_on_timer(evutil_socket_t sock, short what, void *arg)
{
	struct nic_way *s = arg;
	struct nic *nic = model_nic_by_id(&s->ctl->model, s->nic);
	int fd = -1, r;

	(void)sock;
	(void)what;
	if (!nic || !nic->ep || nic->ep->conn_fd < 0)
		return;
	r = priv_way(s->ctl->priv, &s->w, nic->ep->conn_fd, &fd, NULL);
	fd_close(&fd);
	if (r != -ENOENT && r != -ECONNREFUSED)
		return;
	let_others_in(nic->ep->conn_fd);
	if (nic->on_worker)
		send_way(nic, s->addr, "gone", -1);
	nic_way_forget(nic);
}

static int watch(struct ctl *ctl, struct nic *nic, const struct priv_way *w,
		 const char *addr)
{
	static const struct timeval every = {0, 500 * 1000};
	struct nic_way *s = calloc(1, sizeof(*s));

	nic_way_forget(nic);
	if (!s)
		return -ENOMEM;
	s->ctl = ctl;
	s->nic = nic->conf.id;
	s->w = *w;
	memcpy(s->addr, addr, strlen(addr) + 1);
	s->ev = event_new(ctl->base, -1, EV_PERSIST, look_on_timer, s);
	if (!s->ev || event_add(s->ev, &every)) {
		if (s->ev)
			event_free(s->ev);
		free(s);
		return -ENOMEM;
	}
	nic->way = s;
	return 0;
}

/* ---- W_SENDER ---------------------------------------------------------------------- */

static void refused(struct nic *nic, const struct priv_way *w,
		    const struct errtext *why)
{
	char safe[4 * sizeof(w->path) + 1];

	log_limited(&nic->net->log_budget, clock_mono_ms(), LOG_LVL_WARN,
		    "nic %s-%d: cannot answer %s: %s", nic->conf.vm,
		    nic->conf.index,
		    esc(w->path, w->len, safe, sizeof(safe)), why->s);
}

static void answer(struct ctl *ctl, struct nic *nic, struct priv_way *w,
		   const char *addr)
{
	struct errtext why = {""};
	int fd = -1, r;

	memcpy(w->folder, nic->ep->peers, sizeof(w->folder));
	w->owner = nic->conf.owner;
	r = priv_way(ctl->priv, w, nic->ep->conn_fd, &fd, &why);
	if (!r && fd < 0)
		r = watch(ctl, nic, w, addr);
	if (!r) {
		send_way(nic, addr, fd >= 0 ? "socket" : "shared", fd);
		fd_close(&fd);
	} else if (r == -ENOENT || r == -ECONNREFUSED) {
		send_way(nic, addr, "gone", -1);
	} else {
		refused(nic, w, &why);
		send_way(nic, addr, "refused", -1);
	}
}

int nic_message_sender(struct ctl *ctl, struct network *n, json_t *body,
		       struct errtext *why)
{
	struct priv_way w = {.len = 0};
	char addr[sizeof(((struct nic_way *)0)->addr)];
	struct nic *nic;
	int64_t id = 0;
	int r = wmsg_sender(body, &id, &w, why);

	if (r)
		return r;
	nic = nic_of(ctl, n, id);
	if (!nic || !nic->ep || nic->ep->conn_fd < 0)
		return 0;
	/* As the worker wrote it: a path's terminator may be part of it. */
	snprintf(addr, sizeof(addr), "%s",
		 json_string_value(json_object_get(body, "addr")));
	answer(ctl, nic, &w, addr);
	return 0;
}
