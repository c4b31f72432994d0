// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's neighbours on bridges of ours. See kneigh.h. */
#include "netd/kneigh.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "switch/link.h"

#define SOON_MS	 200
#define BURST_MAX 64 /* messages in a turn of the loop */

struct kneigh {
	struct ctl *ctl;
	struct nl_sock *watch;
	struct event *in, *look;
	unsigned int told; /* since … */
	int64_t since_ms;
};

static struct network *on_bridge(struct ctl *ctl, int index)
{
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (n->bridged && n->bridge_index == index)
			return n;
	return NULL;
}

static struct nic *with_mac(struct network *n, const struct mac *mac)
{
	list_for_each(nic, &n->nics, struct nic, node)
		if (mac_eq(&nic->conf.mac, mac))
			return nic;
	return NULL;
}

static bool is_known(const struct nic *nic, const struct link_neigh *e)
{
	const struct seen_list *l = ipaddr_is4(&e->ip) ? &nic->seen4
						       : &nic->seen6;

	for (unsigned int i = 0; i < l->n; i++)
		if (ipaddr_eq(&l->e[i].ip, &e->ip))
			return true;
	return false;
}

/* Of IPv4 the worker has heard the requests, and given the addresses; but not those of
 * a LAN. */
static bool concerns(const struct network *n, const struct ipaddr *ip)
{
	if (n->conf.mode == NET_BRIDGED)
		return !ipaddr_is_linklocal(ip);
	return !ipaddr_is4(ip) && ipaddr_in_net6(ip, &n->conf.subnet6);
}

/* Looking is what is done when there is too much to be told at once. */
static void look_in(struct kneigh *k, unsigned int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (!evtimer_pending(k->look, NULL))
		evtimer_add(k->look, &tv);
}

static bool may_tell(struct kneigh *k)
{
	int64_t now = clock_mono_ms();

	if (now - k->since_ms >= 1000) {
		k->since_ms = now;
		k->told = 0;
	}
	if (k->told < KNEIGH_RATE) {
		k->told++;
		return true;
	}
	look_in(k, 1000);
	return false;
}

/* Only what nobody knows yet, or what this worker does not. */
static void take(struct kneigh *k, const struct link_neigh *e)
{
	struct network *n = on_bridge(k->ctl, e->index);
	struct nic *nic = n && n->synced ? with_mac(n, &e->mac) : NULL;

	if (!nic || !e->usable || !concerns(n, &e->ip) ||
	    (!n->neighbours_due && (is_known(nic, e) || !may_tell(k))))
		return;
	super_send(n->sup, W_NEIGHBOUR,
		   json_pack("{s:o,s:o}", "mac", obj_mac(&e->mac), "ip",
			     obj_ipaddr(&e->ip)),
		   NULL, 0);
}

static int see(const struct nlmsghdr *h, void *arg)
{
	struct link_neigh e;

	if (!link_neigh_parse(h, &e))
		take(arg, &e);
	return 0;
}

static void look_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct kneigh *k = arg;
	struct link_nl *nl;

	(void)fd;
	(void)what;
	if (link_nl_new(&nl, NULL))
		return;
	(void)link_dump(nl, RTM_GETNEIGH, AF_INET6, see, k);
	(void)link_dump(nl, RTM_GETNEIGH, AF_INET, see, k);
	link_nl_free(nl);
	list_for_each(n, &k->ctl->model.nets, struct network, node)
		n->neighbours_due = false;
}

void kneigh_tell(struct kneigh *k, struct network *n)
{
	if (!k)
		return;
	n->neighbours_due = true;
	look_in(k, SOON_MS);
}

static int watch_on_message(struct nl_msg *msg, void *arg)
{
	(void)see(nlmsg_hdr(msg), arg);
	return NL_OK;
}

static void watch_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct kneigh *k = arg;
	int r = 0;

	(void)fd;
	(void)what;
	for (int i = 0; r >= 0 && i < BURST_MAX; i++)
		r = nl_recvmsgs_default(k->watch);
	if (r < 0 && r != -NLE_AGAIN) /* some were lost */
		look_in(k, SOON_MS);
}

static int listen_to_kernel(struct kneigh *k)
{
	k->watch = nl_socket_alloc();
	k->look = evtimer_new(k->ctl->base, look_on_timer, k);
	if (!k->watch || !k->look)
		return -ENOMEM;
	nl_socket_disable_seq_check(k->watch);
	nl_socket_modify_cb(k->watch, NL_CB_VALID, NL_CB_CUSTOM,
			    watch_on_message, k);
	nl_join_groups(k->watch, RTMGRP_NEIGH);
	if (nl_connect(k->watch, NETLINK_ROUTE) ||
	    nl_socket_set_nonblocking(k->watch))
		return -EIO;
	k->in = event_new(k->ctl->base, nl_socket_get_fd(k->watch),
			  EV_READ | EV_PERSIST, watch_on_readable, k);
	return k->in && !event_add(k->in, NULL) ? 0 : -ENOMEM;
}

struct kneigh *kneigh_new(struct ctl *ctl, struct errtext *why)
{
	struct kneigh *k = calloc(1, sizeof(*k));

	if (k)
		k->ctl = ctl;
	if (k && !listen_to_kernel(k))
		return k;
	kneigh_free(k);
	errtext_set(why, -EIO, "the kernel's neighbours cannot be read");
	return NULL;
}

void kneigh_free(struct kneigh *k)
{
	if (!k)
		return;
	if (k->in)
		event_free(k->in);
	if (k->look)
		event_free(k->look);
	nl_socket_free(k->watch);
	free(k);
}
