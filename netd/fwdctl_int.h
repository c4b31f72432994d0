/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to fwdctl*.c. */
#ifndef VNET_NETD_FWDCTL_INT_H
#define VNET_NETD_FWDCTL_INT_H

#include <jansson.h>

#include "netd/fwdctl.h"

/* ---- fwdctl_sock.c: sockets ---------------------------------------------- */

/* The sockets that @c wants, none open; heap, NULL without memory. */
struct fwd_sock *fwd_layout(const struct fwd_conf *c, unsigned int *n);

/**
 * fwd_open() - Open all of @s, the way @c wants
 * @f: whose sockets may be taken over, where they are the same, or made to step
 *	aside, where they are in the way; NULL = nobody's
 *
 * Nothing of @f is changed: what was taken over is in both lists until
 * fwd_replace(), or fwd_close_new() gives it back.
 *
 * Return: 0, -EADDRNOTAVAIL (the host does not have the address), or another
 * negative errno with the sentence in @why.
 */
int fwd_open(struct ctl *ctl, const struct forward *f, const struct fwd_conf *c,
	     struct fwd_sock *s, unsigned int n, struct errtext *why);

/* Undo fwd_open(): close what is in @s and not in @f; free @s. */
void fwd_close_new(const struct forward *f, struct fwd_sock *s, unsigned int n);

bool fwd_is_open(const struct forward *f);

/* ---- fwdctl_msg.c: the worker -------------------------------------------- */

/* The NIC that it leads to now; NULL = none, or it leads to an address. */
struct nic *fwd_target(const struct forward *f);

/* Tell the worker what has changed since it was told last. */
void fwd_sync(struct ctl *ctl, struct forward *f);

/* Forget it there: its flows end. */
void fwd_unsend(struct forward *f);
/* One socket of it. */
void fwd_unsend_sock(struct forward *f, struct fwd_sock *s);

/* ---- fwdctl_knet.c: the kernel, where that routes ---------------------------- */

/* The sockets hold their ports and no more: nobody is to wait in their queues. */
void fwd_knet_reserve(struct forward *f);

/* ---- fwdctl.c ------------------------------------------------------------ */

/* The state follows from the facts; tells subscribers when it is another. */
void fwd_refresh(struct ctl *ctl, struct forward *f);

#endif
