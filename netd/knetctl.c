// SPDX-License-Identifier: GPL-2.0-or-later
/* Networks of the kernel datapath in action. See knetctl.h; the request and what it
 * compiles to is knet.c. */
#include "netd/knetctl.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "nat/nft.h"
#include "netd/endpoint.h"
#include "netd/fwdctl.h"
#include "netd/kguardctl.h"
#include "netd/kneigh.h"
#include "netd/knet.h"
#include "netd/natconf.h"
#include "netd/netctl.h"
#include "netd/nicctl_int.h"
#include "netd/priv.h"
#include "netd/super.h"
#include "netd/tapinctl.h"
#include "netd/uplinkctl.h"
#include "netd/validate.h"

#define SETTLE_MS 100  /* changes come in bursts */
#define CHANGE_MS 20   /* our own, likewise */
#define RETRY_MS  5000 /* after a repair that failed */
/* So many repairs in so long a time are made at once, more every RETRY_MS. */
#define REPAIRS_MAX 32
#define WINDOW_MS   60000

struct knetctl {
	struct ctl *ctl;
	int fd;	       /* priv_nft_watch(), … */
	uint32_t port; /* … of which news with that are of our own changes */
	struct event *news, *repair, *change;
	bool look_all; /* the next repair: at all networks, not only those due */
	struct kneigh *neigh; /* NULL: no network was there yet */
	struct kguardctl *guard; /* likewise, or it cannot be heard: */
	bool guard_tried;
	unsigned int repairs; /* since … */
	int64_t since_ms;
};

/* ---- what it is to be ------------------------------------------------------------ */

static bool is_kernel(const struct network *n)
{
	return n->conf.datapath == DATAPATH_KERNEL;
}

static bool is_bridged(const struct network *n)
{
	return n->conf.mode == NET_BRIDGED;
}

static void dev_names(const struct network *n, char bridge[IFNAMSIZ],
		      char tap[IFNAMSIZ])
{
	if (is_bridged(n))
		knet_uplink_names(n->conf.name, bridge, tap);
	else
		knet_names(n->conf.name, bridge, tap);
}

struct mac knetctl_mac(const struct network *n)
{
	uint32_t h = hash_bytes(n->ctl->mac_seed, n->conf.name,
				strlen(n->conf.name));

	return (struct mac){{0x0a, 0x00, 0x28, (uint8_t)(h >> 16),
			     (uint8_t)(h >> 8), (uint8_t)h}};
}

uint32_t knetctl_host_ip(const struct network *n)
{
	return n->conf.mode == NET_NAT ? n->conf.service_ip : n->conf.host_ip;
}

struct behind {
	struct knet *k;
	int64_t now_s;
};

static bool add_route(struct hnode *h, void *arg)
{
	const struct lease6_conf *l =
		&container_of(h, struct lease6, by_ip)->conf;
	struct behind *b = arg;
	struct kroute r;

	memset(&r, 0, sizeof(r)); /* it goes over the channel, bytes between, too */
	r.net = (struct ip6_net){l->address, l->plen};
	r.via = l->via;
	if (l->plen == 128 || l->expires <= b->now_s ||
	    !knet_route_ok(b->k, &r))
		return true;
	memcpy(&b->k->route[b->k->nroute++], &r, sizeof(r));
	return b->k->nroute < KBRIDGE_ROUTES;
}

/* What a nat network has beyond addresses. */
static void describe_nat(struct network *n, struct knet *k, bool apply)
{
	const struct net_conf *c = &n->conf;
	struct behind b = {k, clock_wall_s()};
	int r = natconf_allow_parse(c->host_allow, k->allow, NULL);

	fwd_knet_fill(n, k, apply);
	if (r >= 0)
		k->nallow = (uint8_t)r;
	else /* it was checked */
		k->host = false;
	k->loopback = k->host && c->access == ACCESS_LOOPBACK;
	k->pool6 = c->pool6;
	htab_walk(&n->leases6, add_route, &b);
}

/* Heap: it is large. NULL without memory. @apply: it is not only looked at. */
static struct knet *describe(struct network *n, bool apply)
{
	static const int modes[] = {
		[NET_NAT] = NFT_NAT,
		[NET_BRIDGED] = NFT_INTERNAL, /* never: apply() */
		[NET_HOSTONLY] = NFT_HOSTONLY,
		[NET_INTERNAL] = NFT_INTERNAL,
	};
	const struct net_conf *c = &n->conf;
	struct knet *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	snprintf(k->network, sizeof(k->network), "%s", c->name);
	knet_names(c->name, k->bridge, k->tap);
	k->mode = modes[c->mode];
	k->mac = knetctl_mac(n);
	k->mtu = c->mtu;
	k->host = c->access != ACCESS_OFF;
	k->net = c->subnet;
	k->net6 = c->subnet6;
	k->ip4 = knetctl_host_ip(n);
	if (c->mode == NET_NAT)
		k->ip6 = net_service_ip6(c);
	else if (c->mode == NET_HOSTONLY)
		k->ip6 = net_host_ip6(c);
	if (c->mode == NET_NAT)
		describe_nat(n, k, apply);
	return k;
}

/* ---- ports ------------------------------------------------------------------------- */

bool knetctl_has_port(const struct nic *nic)
{
	return nic->conf.type == NIC_TAP && is_kernel(nic->net);
}

int knetctl_may_move(const struct nic *nic, const struct network *to,
		     struct errtext *why)
{
	if (nic->conf.type != NIC_TAP || is_kernel(nic->net) == is_kernel(to))
		return 0;
	return errtext_set(why, -EBUSY,
			   "a TAP cannot be moved from one datapath to the "
			   "other; detach it and attach it there");
}

static const struct nic *named_alike(const struct nic *nic)
{
	list_for_each(o, &nic->net->ctl->model.nics, struct nic, all)
		if (o->conf.id != nic->conf.id &&
		    (o->conf.type == NIC_TAP) &&
		    !strcmp(o->conf.ifname, nic->conf.ifname))
			return o;
	return NULL;
}

/* Before its first frame. */
static int guard(struct nic *nic, struct errtext *why)
{
	bool changed;

	return nic->kguarded ? 0
			     : kguardctl_apply(nic->net, nic, &changed, why);
}

static int plug(struct nic *nic, struct errtext *why)
{
	struct network *n = nic->net;
	struct priv_kport t = {
		.mtu = n->conf.mtu,
		.uplink = is_bridged(n),
		.nic = true,
		.owner = nic->conf.owner,
		.queues = (uint8_t)nic->conf.queues,
		.up = nic_link_up(nic),
	};
	int fd = -1, r;

	snprintf(t.network, sizeof(t.network), "%s", n->conf.name);
	memcpy(t.name, nic->conf.ifname, sizeof(t.name));
	r = guard(nic, why);
	if (!r)
		r = priv_kport(n->ctl->priv, &t, &fd, why);
	if (!r)
		memcpy(nic->ep->tap, nic->conf.ifname, sizeof(nic->ep->tap));
	return r;
}

int knetctl_port(struct nic *nic, struct errtext *why)
{
	const struct nic *o;

	if (!nic->ep)
		nic->ep = endpoint_new(NIC_TAP);
	if (!nic->ep)
		return errtext_set(why, -ENOMEM, "no memory");
	if (!nic->conf.ifname[0])
		dev_name("vn-", nic->conf.vm, nic->conf.index,
			 nic->conf.ifname);
	if (nic->lent && !if_nametoindex(nic->conf.ifname))
		return errtext_set(why, -ENODEV, "its VMM has closed its TAP");
	o = named_alike(nic);
	if (o)
		return errtext_set(why, -EEXIST,
				   "interface %s is that of nic %s-%d",
				   nic->conf.ifname, o->conf.vm,
				   o->conf.index);
	return nic->net->bridged ? plug(nic, why) : 0;
}

void knetctl_moved(struct nic *nic, struct network *from)
{
	struct errtext why = {""};

	if (!knetctl_has_port(nic))
		return;
	nic->kguarded = false; /* by the other network's table */
	knetctl_changed(from);
	if (knetctl_port(nic, &why))
		nic_set_state(nic, NIC_FAILED, why.s);
}

static void tell_neighbours(struct network *n)
{
	struct knetctl *k = n->ctl->knet;
	struct errtext why = {""};

	if (!k)
		return;
	if (!k->neigh)
		k->neigh = kneigh_new(n->ctl, &why);
	if (!k->neigh)
		log_warn("network %s: IPv6 addresses of guests on TAPs are not "
			 "known: %s", n->conf.name, why.s);
	kneigh_tell(k->neigh, n);
}

static void plug_all(struct network *n)
{
	struct errtext why = {""};

	list_for_each(nic, &n->nics, struct nic, node)
		if (knetctl_has_port(nic) && knetctl_port(nic, &why))
			nic_set_state(nic, NIC_FAILED, why.s);
}

void knetctl_ready(struct network *n)
{
	if (is_kernel(n))
		tell_neighbours(n);
}

/* The port of the network's services. */
static int open_own(struct network *n, struct errtext *why)
{
	struct priv_kport t = {.mtu = n->conf.mtu, .up = true,
			       .uplink = is_bridged(n)};
	char bridge[IFNAMSIZ];
	int fd = -1, r;

	snprintf(t.network, sizeof(t.network), "%s", n->conf.name);
	dev_names(n, bridge, t.name);
	r = priv_kport(n->ctl->priv, &t, &fd, why);
	if (r || fd < 0)
		return r;
	/* It was deleted while the worker held it: what that has is dead. */
	if (n->port_fd >= 0 && n->sup)
		super_kill(n->sup, "its port on the bridge was deleted");
	fd_close(&n->port_fd);
	n->port_fd = fd;
	return 0;
}

/* ---- up, down ------------------------------------------------------------------------ */

static void hear_guards(struct ctl *ctl)
{
	struct knetctl *k = ctl->knet;

	if (!k || k->guard_tried)
		return;
	k->guard_tried = true;
	k->guard = kguardctl_new(ctl);
}

static int apply_own(struct network *n, bool *changed, struct errtext *why)
{
	struct knet *k = describe(n, true);
	int r = k ? priv_knet(n->ctl->priv, k, false, changed, why)
		  : errtext_set(why, -ENOMEM, "no memory");

	fwd_knet_applied(n, r, why);
	free(k);
	return r;
}

/* Is there a bridge of the network's, with VMs on it perhaps? */
static bool has_bridge(const struct network *n, const char *bridge)
{
	struct link_nl *nl = NULL;
	struct link_info l;
	char mark[LINK_ALIAS];
	int r = link_nl_new(&nl, NULL);

	link_mark(n->conf.name, mark);
	if (!r)
		r = link_get(nl, bridge, &l);
	link_nl_free(nl);
	return r ? r != -ENODEV : !strcmp(l.alias, mark);
}

/* The one path of start, change and repair. @changed nullable. Guards come first: they need
 * no bridge, and there is none without them: one that outlived vnetd keeps them whatever
 * fails. */
static int apply(struct network *n, bool *changed, struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];
	bool other = false, guards = false;
	int r = kguardctl_apply(n, NULL, &guards, why);

	dev_names(n, bridge, tap);
	if (!r) {
		r = !is_bridged(n) ? apply_own(n, &other, why)
		    : n->bridged   ? uplinkctl_keep(n, &other, why)
				   : uplinkctl_open(n, why);
		if (r && !n->bridged && !has_bridge(n, bridge))
			(void)priv_kguard_down(n->ctl->priv, n->conf.name, NULL);
	}
	if (!r) {
		hear_guards(n->ctl);
		n->bridged = true;
		n->bridge_index = (int)if_nametoindex(bridge);
	}
	if (changed)
		*changed = other || guards;
	return r;
}

static int bring_in_line(struct network *n, bool *changed, struct errtext *why)
{
	int r = apply(n, changed, why);

	return r ? r : open_own(n, why);
}

int knetctl_up(struct network *n, struct errtext *why)
{
	int r = bring_in_line(n, NULL, why);

	if (r == -ESTALE) { /* of what was there when it failed before */
		knetctl_down(n);
		r = bring_in_line(n, NULL, why);
	}
	if (r && n->port_fd < 0)
		knetctl_down(n);
	return r;
}

static bool in_use(const struct network *n)
{
	list_for_each(nic, &n->nics, struct nic, node)
		if (knetctl_has_port(nic) && endpoint_tap_in_use(nic->ep))
			return true;
	return false;
}

void knetctl_down(struct network *n)
{
	struct errtext why = {""};

	/* What a start that failed had found goes when nobody wants it any more. */
	if (!n->bridged && (n->wanted || n->ctl->stopping))
		return;
	n->bridged = false;
	list_for_each(nic, &n->nics, struct nic, node)
		nic->kguarded = false;
	if (n->ctl->stopping && in_use(n))
		return; /* VMs go on, and the next vnetd finds it */
	if (is_bridged(n)) {
		uplinkctl_close(n);
		(void)priv_kguard_down(n->ctl->priv, n->conf.name, NULL);
	} else if (priv_knet_down(n->ctl->priv, n->conf.name, &why))
		log_err("network %s: not taken out of the kernel: %s",
			n->conf.name, why.s);
}

/* ---- changes, repair --------------------------------------------------------------------- */

/* Only these of its NICs are to be looked at. */
static void plug_due(struct network *n)
{
	struct errtext why = {""};

	list_for_each(nic, &n->nics, struct nic, node)
		if (nic->plug_due && knetctl_has_port(nic) &&
		    knetctl_port(nic, &why))
			nic_set_state(nic, NIC_FAILED, why.s);
}

static void nothing_due(struct network *n)
{
	n->look_due = false;
	list_for_each(nic, &n->nics, struct nic, node)
		nic->plug_due = false;
}

/* @repairs: counts those that were needed. False: it failed. */
static bool repair_one(struct network *n, unsigned int *repairs)
{
	struct errtext why = {""};
	bool changed = false;
	int r;

	if (!n->look_due && !n->ctl->knet->look_all) {
		plug_due(n);
		nothing_due(n);
		return true;
	}
	nothing_due(n);
	r = bring_in_line(n, &changed, &why);
	if (r)
		log_warn("network %s: cannot be repaired: %s", n->conf.name,
			 why.s);
	if (r == -ESTALE && n->sup) {
		/* An uplink is given back as a whole, then taken in anew. */
		super_stop(n->sup);
		return true;
	}
	n->look_due = r;
	if (r)
		return false;
	if (changed) {
		log_info("network %s: brought in line with its definition",
			 n->conf.name);
		(*repairs)++;
	}
	plug_all(n);
	return true;
}

static void look_again(struct knetctl *k, unsigned int ms)
{
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (!evtimer_pending(k->repair, NULL))
		evtimer_add(k->repair, &tv);
}

static void repair_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct knetctl *k = arg;
	bool failed = false;

	(void)fd;
	(void)what;
	if (k->ctl->stopping)
		return;
	nicctl_expire(k->ctl, false);
	list_for_each(n, &k->ctl->model.nets, struct network, node)
		if (is_kernel(n) && n->bridged)
			failed |= !repair_one(n, &k->repairs);
	k->look_all = false;
	if (failed)
		look_again(k, RETRY_MS);
}

/* Somebody who undoes all we do shall not keep us busy. */
static void repair_soon(struct knetctl *k)
{
	int64_t now = clock_mono_ms();

	if (now - k->since_ms > WINDOW_MS) {
		k->since_ms = now;
		k->repairs = 0;
	}
	look_again(k, k->repairs < REPAIRS_MAX ? SETTLE_MS : RETRY_MS);
}

/* Who may say what, and nothing else. */
static void change_guard(struct network *n)
{
	struct errtext why = {""};
	bool changed;

	n->guard_due = false;
	if (!n->bridged || n->ctl->stopping ||
	    !kguardctl_apply(n, NULL, &changed, &why))
		return;
	log_warn("network %s: %s", n->conf.name, why.s);
	n->look_due = true;
	look_again(n->ctl->knet, RETRY_MS);
}

/* By name or index, of a bridge of ours or a network's own port on it. */
static bool is_of(const struct network *n, int index, const char *name)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];

	if (!name)
		return n->bridge_index == index;
	dev_names(n, bridge, tap);
	return !strcmp(name, bridge) || !strcmp(name, tap);
}

/* A port of a NIC's concerns that NIC. What is not ours may concern all: what the host
 * does with router advertisements, uplinks. What is ours, but no network's (any more),
 * nobody. */
void knetctl_link(struct ctl *ctl, int index, const char *name)
{
	struct knetctl *k = ctl->knet;
	bool found = false;

	if (!k)
		return;
	if (!index || (name && strncmp(name, "vn-", 3) != 0))
		found = k->look_all = true;
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (is_kernel(n) && n->bridged && is_of(n, index, name))
			found = n->look_due = true;
	if (!found && name)
		list_for_each(nic, &ctl->model.nics, struct nic, all)
			if (knetctl_has_port(nic) &&
			    !strcmp(nic->conf.ifname, name))
				found = nic->plug_due = true;
	/* One that was lent has gone with its last descriptor. */
	if (found || name)
		repair_soon(k);
}

static void change_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct knetctl *k = arg;

	(void)fd;
	(void)what;
	list_for_each(n, &k->ctl->model.nets, struct network, node)
		if (n->bridge_due)
			knetctl_change_now(n);
		else if (n->guard_due)
			change_guard(n);
}

/* Guests have a say in where forwards lead: so not as often as they like. */
static void change_soon(struct network *n, bool *due)
{
	const struct timeval tv = {0, CHANGE_MS * 1000};
	struct knetctl *k = n->ctl->knet;

	if (!k || !is_kernel(n) || !n->bridged)
		return;
	*due = true;
	if (!evtimer_pending(k->change, NULL))
		evtimer_add(k->change, &tv);
}

void knetctl_changed(struct network *n)
{
	change_soon(n, &n->bridge_due);
}

void knetctl_guards_changed(struct network *n)
{
	change_soon(n, &n->guard_due);
}

int knetctl_change(struct network *n, struct errtext *why)
{
	int r;

	n->bridge_due = n->guard_due = false;
	if (!is_kernel(n) || !n->bridged || n->ctl->stopping)
		return 0;
	r = apply(n, NULL, why);
	if (r && n->ctl->knet) {
		n->look_due = true;
		look_again(n->ctl->knet, RETRY_MS);
	}
	return r;
}

int knetctl_take(struct network *n, struct errtext *why)
{
	struct errtext kernel = {""};
	int r = knetctl_change(n, &kernel);

	return r ? errtext_set(why, r,
			       "stored, but not in force: the kernel does not take "
			       "it, which is tried again: %.150s", kernel.s)
		 : 0;
}

void knetctl_change_now(struct network *n)
{
	struct errtext why = {""};

	if (knetctl_change(n, &why))
		log_warn("network %s: %s", n->conf.name, why.s);
}

/* What is said does not matter but for whose change it was, and that some of it was
 * lost. */
static void news_on_readable(evutil_socket_t fd, short what, void *arg)
{
	_Alignas(8) char buf[16384];
	struct knetctl *k = arg;
	ssize_t len;

	(void)what;
	for (int i = 0; i < 64; i++) {
		len = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
		if (len < 0 && errno != ENOBUFS && errno != EINTR)
			break;
		if (len < 0 || len > (ssize_t)sizeof(buf) ||
		    !nft_is_own(buf, (size_t)len, k->port))
			k->look_all = true;
	}
	if (k->look_all)
		repair_soon(k);
}

struct knetctl *knetctl_new(struct ctl *ctl)
{
	struct knetctl *k = calloc(1, sizeof(*k));
	struct errtext why = {""};

	if (!k)
		return NULL;
	k->ctl = ctl;
	k->fd = -1;
	k->repair = evtimer_new(ctl->base, repair_on_timer, k);
	k->change = evtimer_new(ctl->base, change_on_timer, k);
	if (priv_nft_watch(ctl->priv, &k->fd, &k->port, &why))
		log_info("kernel datapath: %s", why.s);
	else
		k->news = event_new(ctl->base, k->fd, EV_READ | EV_PERSIST,
				    news_on_readable, k);
	if (!k->repair || !k->change || (k->news && event_add(k->news, NULL))) {
		knetctl_free(k);
		return NULL;
	}
	return k;
}

void knetctl_free(struct knetctl *k)
{
	if (!k)
		return;
	if (k->news)
		event_free(k->news);
	if (k->repair)
		event_free(k->repair);
	if (k->change)
		event_free(k->change);
	kneigh_free(k->neigh);
	kguardctl_free(k->guard);
	fd_close(&k->fd);
	free(k);
}

/* ---- what belongs to nothing ----------------------------------------------------------------- */

#define SWEEP_MAX 256 /* at a start; more go at the next ones */

struct sweep {
	struct ctl *ctl;
	struct link_info found[SWEEP_MAX];
	size_t n;
};

static bool has_tap(struct ctl *ctl, const char *name)
{
	list_for_each(nic, &ctl->model.nics, struct nic, all)
		if (knetctl_has_port(nic) && !strcmp(nic->conf.ifname, name))
			return true;
	return false;
}

/* Only looked at: the socket is busy with the list. */
static int look(const struct nlmsghdr *h, void *arg)
{
	struct sweep *s = arg;
	struct link_info *l = &s->found[s->n];

	if (s->n == SWEEP_MAX || link_parse(h, l) ||
	    strncmp(l->alias, LINK_OWNER_OF, strlen(LINK_OWNER_OF)))
		return 0;
	s->n++;
	return 0;
}

static int sweep_uplink(struct ctl *ctl, const char *bridge,
			struct errtext *why)
{
	int r = priv_uplink_out(ctl->priv, bridge, why);

	return r || !if_nametoindex(bridge)
		       ? r
		       : errtext_set(why, -ENOENT,
				     "nothing below the runtime directory tells "
				     "any more of what it was made of");
}

static void sweep_one(struct ctl *ctl, const struct link_info *l)
{
	const char *name = l->alias + strlen(LINK_OWNER_OF);
	struct network *n = model_net_find(&ctl->model, name);
	char bridge[IFNAMSIZ] = "", tap[IFNAMSIZ];
	struct errtext why = {""};
	int r = 0;

	if (n)
		dev_names(n, bridge, tap);
	if (!strcmp(l->kind, "bridge")) {
		if (n && is_kernel(n) && n->conf.active &&
		    !strcmp(l->name, bridge))
			return;
		/* A name of either kind is never one of the other. */
		knet_uplink_names(name, bridge, tap);
		if (strcmp(l->name, bridge))
			r = priv_knet_down(ctl->priv, name, &why);
		else if (!(r = sweep_uplink(ctl, bridge, &why)))
			r = priv_kguard_down(ctl->priv, name, &why);
	} else if (!has_tap(ctl, l->name)) {
		r = priv_tap_del(ctl->priv, l->name, &why);
	} else {
		return;
	}
	if (r)
		log_warn("interface %s: left over, and stays: %s", l->name,
			 why.s);
	else
		log_info("interface %s: left over of network %s, removed",
			 l->name, name);
}

void knetctl_sweep(struct knetctl *k)
{
	struct sweep *s = k ? calloc(1, sizeof(*s)) : NULL;
	struct link_nl *nl = NULL;

	if (k)
		nicctl_expire(k->ctl, true);
	if (s && !link_nl_new(&nl, NULL))
		(void)link_dump(nl, RTM_GETLINK, AF_UNSPEC, look, s);
	for (size_t i = 0; s && i < s->n; i++)
		sweep_one(k->ctl, &s->found[i]);
	if (k) /* a kill between guards and bridge leaves no bridge to find them by */
		list_for_each(n, &k->ctl->model.nets, struct network, node)
			if (is_kernel(n) && !n->conf.active)
				(void)priv_kguard_down(k->ctl->priv,
						       n->conf.name, NULL);
	link_nl_free(nl);
	free(s);
}

/* ---- shown ------------------------------------------------------------------------------------ */

static int plan_steps(const struct kbridge *want, bool all, json_t *steps,
		      struct errtext *why)
{
	struct kbridge_seen *seen = calloc(1, sizeof(*seen));
	struct kbridge_plan *p = calloc(1, sizeof(*p));
	char text[KBRIDGE_STEP_TEXT];
	struct link_nl *nl = NULL;
	int r = seen && p ? 0 : -ENOMEM;

	if (!r && !all)
		r = link_nl_new(&nl, why);
	if (!r && !all)
		r = kbridge_look(nl, want->name, seen, why);
	if (!r)
		r = kbridge_plan(want, seen, p, why);
	for (unsigned int i = 0; !r && i < p->n; i++)
		json_array_append_new(steps, json_string(kstep_text(p, i, text)));
	link_nl_free(nl);
	free(seen);
	free(p);
	return r;
}

int knetctl_plan(struct network *n, bool all, json_t **out, struct errtext *why)
{
	bool own = is_kernel(n) && !is_bridged(n);
	struct knet *k = own ? describe(n, false) : NULL;
	struct nft_plan *p = calloc(1, sizeof(*p));
	json_t *steps = json_array();
	bool changed, guards = is_kernel(n);
	char *text = NULL, *guard = NULL;
	struct kbridge want;
	int r;

	if (n->conf.mode == NET_BRIDGED && n->conf.uplink_mode == UPLINK_TAP_IN)
		r = tapinctl_plan(n, all, steps);
	else if (n->conf.mode == NET_BRIDGED)
		r = uplinkctl_plan(n, all, steps, why);
	else if (!is_kernel(n))
		r = errtext_set(why, -EINVAL,
				"datapath user asks nothing of the kernel's "
				"bridges and filters");
	else
		r = k && p ? 0 : -ENOMEM;
	if (!r && own) {
		knet_bridge(k, &want);
		knet_filters(k, p);
		text = nftplan_text(p);
		r = plan_steps(&want, all, steps, why);
	}
	changed = own;
	if (!r && own && !all)
		r = priv_knet(n->ctl->priv, k, true, &changed, why);
	if (!r && guards) {
		guard = kguardctl_plan(n, all, &guards, why);
		r = guard ? 0 : -EIO;
	}
	if (!r)
		*out = json_pack("{s:O,s:s+,s:b}", "steps", steps, "filters",
				 text ? text : "", guard ? guard : "",
				 "filters_change",
				 (int)(changed || guards));
	json_decref(steps);
	free(text);
	free(guard);
	free(p);
	free(k);
	return r;
}
