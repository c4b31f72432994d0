/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks of the kernel datapath: what control asks priv for, and when. The network's
 * worker is as any other's, but for its one port, a TAP on the bridge: through it DHCP, DNS
 * and router advertisements come to the bridge, and NICs that are no TAPs to the others.
 *
 * What the kernel has is compared with what it is to have at every start, change and
 * whenever somebody else changed a ruleset, or anybody an interface; there is no other way
 * of repair. Of an interface that is a NIC's only that NIC is looked after.
 */
#ifndef VNET_NETD_KNETCTL_H
#define VNET_NETD_KNETCTL_H

#include <jansson.h>

#include "netd/ctl.h"

struct knetctl;

/* Watches the kernel; NULL without memory, then nothing is repaired. */
struct knetctl *knetctl_new(struct ctl *ctl);
void knetctl_free(struct knetctl *k);

/* At the start, with the store read: bridges and TAPs that belong to nothing any more, or
 * to a network that is not to run, go. @k may be NULL. */
void knetctl_sweep(struct knetctl *k);

/* Bridge, filters, and the port on it (n->port_fd). 0 or negative errno with @why. */
int knetctl_up(struct network *n, struct errtext *why);

/* The worker runs: it is told whom the host knows. TAPs are plugged in by nicctl_open(). */
void knetctl_ready(struct network *n);

/* Bridge and filters go, unless vnetd ends and a VMM has one of the TAPs open. */
void knetctl_down(struct network *n);

/* Forwards, their targets, or what the definition says are others: soon, or now. Does
 * nothing for other networks. What the kernel does not take is tried again, and what was
 * before holds on; forwards are told (fwd_knet_applied()). */
void knetctl_changed(struct network *n);
void knetctl_change_now(struct network *n);

/* The same for whoever must know: 0, or negative errno with @why. */
int knetctl_change(struct network *n, struct errtext *why);

/* The same for what is stored already: @why says so, too. */
int knetctl_take(struct network *n, struct errtext *why);

/* Of all that only what guests may say: NICs, their addresses. */
void knetctl_guards_changed(struct network *n);

/* Somebody changed that interface (hostaddr.h): look soon at what it is part of. */
void knetctl_link(struct ctl *ctl, int index, const char *name);

/* Is the NIC a TAP on a bridge of the kernel datapath? */
bool knetctl_has_port(const struct nic *nic);

/* Make the TAP, or bring it in line with the NIC's link; while the bridge is not there
 * only its name is settled. */
int knetctl_port(struct nic *nic, struct errtext *why);

/* A TAP's bridge is another: it follows with its cable out, or when that is there. For
 * others, does nothing. */
void knetctl_moved(struct nic *nic, struct network *from);

/* TAPs that are a worker's are not made ports of a bridge, nor the other way round. */
int knetctl_may_move(const struct nic *nic, const struct network *to,
		     struct errtext *why);

/* The host's address inside; 0 = none. */
uint32_t knetctl_host_ip(const struct network *n);
/* Of the bridge; always the same for the network. */
struct mac knetctl_mac(const struct network *n);

/* {steps, filters, filters_change}; @all: as if nothing were there. -EINVAL for datapath
 * user. */
int knetctl_plan(struct network *n, bool all, json_t **out, struct errtext *why);

#endif
