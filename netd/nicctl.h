/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NICs in action: endpoints, what the worker is told, link, move. Owns the
 * run-time fields of struct nic.
 */
#ifndef VNET_NETD_NICCTL_H
#define VNET_NETD_NICCTL_H

#include "lib/chan.h"
#include "netd/api.h"
#include "netd/ctl.h"

#define NICCTL_MOVE_MS 1000 /* the cable stays pulled after a move */

/* A MAC for a VM's NIC: always the same for the same name and number. */
struct mac nicctl_mac(struct ctl *ctl, const char *vm, int index);

/**
 * nicctl_attach() - New NIC; answers @c when the worker has it
 * @fd: for type fd, taken; -1 = none yet
 */
void nicctl_attach(struct ctl *ctl, struct call *c, struct network *n,
		   struct nic_conf *conf, int fd);

/* From the store at start: model only; nicctl_open() follows. */
struct nic *nicctl_load(struct ctl *ctl, struct network *n,
			const struct nic_conf *conf);
void nicctl_open(struct ctl *ctl, struct nic *nic);

/* New descriptor for a NIC of type fd, taken. Answers @c with the NIC object
 * (@connect: with what attach adds). */
void nicctl_connect(struct ctl *ctl, struct call *c, struct nic *nic, int fd,
		    bool attach);

/* Answers {detached:n} when the workers have let go. The store comes first: on
 * failure nothing is detached. */
void nicctl_detach(struct ctl *ctl, struct call *c, const char *vm, int index);

/* nicctl_tap.c: the result is the NIC object with the descriptor of its TAP ("fd").
 * @plain: without virtio headers */
void nicctl_tap_fd(struct ctl *ctl, struct call *c, struct nic *nic, bool plain);

/* Transient NICs whose VMM has closed the TAP go. @start: nothing runs yet. */
void nicctl_expire(struct ctl *ctl, bool start);

/* All NICs of a network go (undefine --force); store is the caller's. */
void nicctl_drop_all(struct ctl *ctl, struct network *n);

/* The NIC's settings are these now; answers @c. */
void nicctl_guard(struct ctl *ctl, struct call *c, struct nic *nic,
		  const struct guard_conf *guard);
/* The network's are others: its NICs' workers are told. */
void nicctl_guard_all(struct network *n);

void nicctl_link(struct ctl *ctl, struct call *c, struct nic *nic, bool up);
void nicctl_move(struct ctl *ctl, struct call *c, struct nic *nic,
		 struct network *to);

/* The network's worker is ready / is gone. */
void nicctl_net_ready(struct ctl *ctl, struct network *n);
void nicctl_net_gone(struct ctl *ctl, struct network *n);

/* W_PEER, W_ACCEPTED, W_SEEN, W_SENDER from @n's worker; -EPROTO with @why. */
int nicctl_message(struct ctl *ctl, struct network *n, uint16_t type,
		   json_t *body, struct chan_msg *m, struct errtext *why);

/* Free run-time parts, at the very end. */
void nicctl_release(struct ctl *ctl, struct nic *nic);

#endif
