/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to nicctl*.c. */
#ifndef VNET_NETD_NICCTL_INT_H
#define VNET_NETD_NICCTL_INT_H

#include <event2/util.h>

#include "netd/nicctl.h"

/* What waits for a worker's answer; keeps ids, not pointers. */
struct nic_req {
	struct ctl *ctl;
	int64_t id;
	struct call *call; /* nullable */
	bool connect;	   /* the answer tells how to connect, too */
	bool fresh;	   /* refused = never attached */
};

/* nicctl_way.c: the peer that a NIC's datagram socket is connected to. */
struct nic_way;

struct nic_timer {
	struct ctl *ctl;
	int64_t id;
	struct event *ev;
};

static inline bool nic_link_up(const struct nic *nic)
{
	return nic->conf.link && !nic->moving;
}

/* NIC @id of @n; NULL when it just left: its worker may still speak of it. */
struct nic *nic_of(struct ctl *ctl, struct network *n, int64_t id);

/* W_SENDER: find a way back to a runner and tell the worker. -EPROTO with @why. */
int nic_message_sender(struct ctl *ctl, struct network *n, json_t *body,
		       struct errtext *why);
void nic_way_forget(struct nic *nic);

/* nicctl_vmm.c: a VMM that listens itself. The NIC is on its worker and nobody is
 * connected: go and connect, and try until it works … */
void nic_vmm_seek(struct ctl *ctl, struct nic *nic);
/* … or until this. */
void nic_vmm_forget(struct nic *nic);

/* nicctl_tap.c: hand out a transient NIC's TAP with the answer to @c. On failure the
 * call has been failed; the NIC is still there. */
int nic_lend(struct ctl *ctl, struct call *c, struct nic *nic);

/* Out of store, model and worker. -errno with @why: the store refuses. */
int nic_forget(struct ctl *ctl, struct nic *nic, struct errtext *why);

void nic_set_state(struct nic *nic, enum nic_state st, const char *reason);

/* Give the NIC to its network's worker if both are there. @q nullable, stolen;
 * its call is answered now or when the worker has answered. */
void nic_sync(struct ctl *ctl, struct nic *nic, struct nic_req *q);

/* The worker has done what was asked of a NIC (@arg: a struct nic_req, ended here): the
 * caller gets the NIC as it is now, or what went wrong (nicctl_link.c). */
void nic_done(void *arg, int err, json_t *result, const char *why);

/* Reservations, host name and forwards follow a NIC that came or moved. */
void nic_settle(struct ctl *ctl, struct nic *nic);

/* The NIC's one timer; @fn gets a struct nic_timer. */
int nic_arm(struct ctl *ctl, struct nic *nic, unsigned int ms,
	    void (*fn)(evutil_socket_t, short, void *));
void nic_disarm(struct nic *nic);

#endif
