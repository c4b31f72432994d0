// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses of VMs and waiting for them. See addrs.h. */
#include "netd/addrs.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "netd/kguardctl.h"
#include "netd/hostaddr.h"
#include "netd/obj.h"
#include "netd/promise.h"

struct waiter {
	struct list node; /* ctl.addr_waiters */
	struct ctl *ctl;
	struct call *call;
	struct event *timer;
	char vm[CONF_NAME_MAX + 1];
};

static const struct resv *reserved(const struct nic *nic)
{
	return model_resv_by_mac(nic->net, &nic->conf.mac);
}

uint32_t addrs_live(const struct nic *nic, int64_t wall_s)
{
	struct lease *l = model_lease_by_mac(nic->net, &nic->conf.mac, wall_s);
	const struct seen *seen;

	if (l)
		return l->conf.address;
	seen = seen_last(&nic->seen4);
	return seen ? ipaddr_get4(&seen->ip) : 0;
}

const struct lease6 *addrs_lease6(const struct nic *nic, const struct lease6 *l,
				  int64_t wall_s)
{
	while ((l = model_lease6_by_mac(nic->net, &nic->conf.mac, l)))
		if (l->conf.expires > wall_s &&
		    (!l->conf.nic || l->conf.nic == nic->conf.id))
			return l;
	return NULL;
}

struct ipaddr addrs_live6(const struct nic *nic, int64_t wall_s)
{
	const struct lease6 *l = addrs_lease6(nic, NULL, wall_s);
	const struct seen *seen = seen_last(&nic->seen6);

	while (l && l->conf.plen != 128)
		l = addrs_lease6(nic, l, wall_s);
	return l ? l->conf.address : seen ? seen->ip : ipaddr_any;
}

uint32_t addrs_of_nic(const struct nic *nic, int64_t wall_s)
{
	uint32_t ip = addrs_live(nic, wall_s);
	const struct resv *r = ip ? NULL : reserved(nic);

	if (ip)
		return ip;
	return r ? r->conf.address : promise_of(nic, wall_s);
}

/* A bridged guest's address lies in some subnet of the host's interfaces. */
static int prefix_of(struct ctl *ctl, const struct network *n, uint32_t ip)
{
	const struct host_route *r;
	size_t nr = ctl->host ? hostaddr_routes(ctl->host, &r) : 0;
	int best = 32;

	if (n->conf.subnet.plen && ip4_in_net(ip, &n->conf.subnet))
		return n->conf.subnet.plen;
	for (size_t i = 0; i < nr; i++)
		if (r[i].onlink && r[i].net.plen && r[i].net.plen < 32 &&
		    ip4_in_net(ip, &r[i].net) &&
		    (best == 32 || r[i].net.plen > best))
			best = r[i].net.plen;
	return best;
}

static int prefix_of6(struct ctl *ctl, const struct network *n,
		      const struct ipaddr *ip)
{
	const struct host_route *r;
	size_t nr = ctl->host ? hostaddr_routes(ctl->host, &r) : 0;
	int best = 0;

	if (n->conf.subnet6.plen && ipaddr_in_net6(ip, &n->conf.subnet6))
		return n->conf.subnet6.plen;
	for (size_t i = 0; i < nr; i++)
		if (r[i].onlink && r[i].net6.plen < 128 &&
		    r[i].net6.plen > best && ipaddr_in_net6(ip, &r[i].net6))
			best = r[i].net6.plen;
	return best ? best : 128;
}

static void add(struct ctl *ctl, json_t *list, const struct nic *nic,
		const struct ipaddr *ip, const struct mac *mac,
		const char *source)
{
	bool v4 = ipaddr_is4(ip);
	int prefix = v4 ? prefix_of(ctl, nic->net, ipaddr_get4(ip))
			: prefix_of6(ctl, nic->net, ip);
	char ifname[CONF_NAME_MAX + 16];

	snprintf(ifname, sizeof(ifname), "%s-%d", nic->conf.vm,
		 nic->conf.index);
	json_array_append_new(
		list,
		json_pack("{s:i,s:s,s:o,s:s,s:o,s:i,s:s,s:s}", "nic",
			  nic->conf.index, "ifname", ifname, "mac",
			  obj_mac(mac), "protocol", v4 ? "ipv4" : "ipv6",
			  "address", obj_ipaddr(ip), "prefix", prefix, "source",
			  source, "network", nic->net->conf.name));
}

static void add4(struct ctl *ctl, json_t *list, const struct nic *nic,
		 uint32_t ip4, const char *source)
{
	struct ipaddr ip = ipaddr_from4(ip4);

	add(ctl, list, nic, &ip, &nic->conf.mac, source);
}

/* Returns how many of IPv4 are really there (lease or seen). */
static unsigned int add_nic(struct ctl *ctl, json_t *list,
			    const struct nic *nic, int64_t now)
{
	struct lease *l = model_lease_by_mac(nic->net, &nic->conf.mac, now);
	const struct resv *r = reserved(nic);
	uint32_t kept = r ? r->conf.address : promise_of(nic, now);
	unsigned int n = 0;

	if (l) {
		add4(ctl, list, nic, l->conf.address, "lease");
		n++;
	}
	for (unsigned int i = 0; i < nic->seen4.n; i++) {
		const struct seen *s = &nic->seen4.e[i];

		if (l && ipaddr_get4(&s->ip) == l->conf.address)
			continue;
		add(ctl, list, nic, &s->ip, &s->mac, "seen");
		n++;
	}
	if (!n && kept)
		add4(ctl, list, nic, kept, "reserved");
	return n;
}

/* Behind all of IPv4: the first one is what scripts take. Leases come before addresses
 * of the guest's own making. */
static void add_nic6(struct ctl *ctl, json_t *list, const struct nic *nic,
		     int64_t now)
{
	const struct seen_list *l = &nic->seen6;
	const struct lease6 *had = NULL;
	size_t before = json_array_size(list);
	struct ipaddr kept;

	while ((had = addrs_lease6(nic, had, now)))
		if (had->conf.plen == 128)
			add(ctl, list, nic, &had->conf.address, &had->conf.mac,
			    "lease");
	for (unsigned int i = 0; i < l->n; i++) {
		const struct lease6 *o =
			model_lease6_find(nic->net, &l->e[i].ip);

		if (!o || o->conf.expires <= now ||
		    !mac_eq(&o->conf.mac, &nic->conf.mac))
			add(ctl, list, nic, &l->e[i].ip, &l->e[i].mac, "seen");
	}
	kept = promise6_of(nic, now);
	if (json_array_size(list) == before && !ipaddr_is_zero(&kept))
		add(ctl, list, nic, &kept, &nic->conf.mac, "reserved");
}

static json_t *collect(struct ctl *ctl, const char *vm, unsigned int *real,
		       bool *known)
{
	json_t *list = json_array();
	int64_t now = clock_wall_s();

	*real = 0;
	*known = false;
	list_for_each(nic, &ctl->model.nics, struct nic, all) {
		if (strcmp(nic->conf.vm, vm))
			continue;
		*known = true;
		*real += add_nic(ctl, list, nic, now);
	}
	list_for_each(other, &ctl->model.nics, struct nic, all)
		if (!strcmp(other->conf.vm, vm))
			add_nic6(ctl, list, other, now);
	return json_pack("{s:o}", "addresses", list);
}

static void waiter_free(struct waiter *w)
{
	list_del(&w->node);
	if (w->timer)
		event_free(w->timer);
	free(w);
}

/* Is there any that is more than reserved? */
static bool shows_real(json_t *o)
{
	json_t *a = json_object_get(o, "addresses"), *v;
	size_t i;

	json_array_foreach(a, i, v)
		if (strcmp(json_string_value(json_object_get(v, "source")),
			   "reserved"))
			return true;
	return false;
}

static void waiter_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *w = arg;

	unsigned int real;
	bool known;
	json_t *o = collect(w->ctl, w->vm, &real, &known);

	(void)fd;
	(void)what;
	/* IPv6 comes before the lease, and alone where there will be none. */
	if (shows_real(o)) {
		call_result(w->call, o);
	} else {
		json_decref(o);
		call_fail(w->call, RPC_TIMEOUT, "VM %s: no address yet", w->vm);
	}
	waiter_free(w);
}

static void wait_for(struct ctl *ctl, struct call *c, const char *vm,
		     int64_t wait_s)
{
	const struct timeval tv = {.tv_sec = (time_t)wait_s};
	struct waiter *w;
	unsigned int n = 0;

	list_for_each_safe(o, &ctl->addr_waiters, struct waiter, node) {
		n++;
		if (o->call->client)
			continue;
		call_fail(o->call, RPC_TIMEOUT, "nobody waits any more");
		waiter_free(o);
		n--;
	}
	w = n < ADDRS_WAITERS_MAX ? calloc(1, sizeof(*w)) : NULL;
	if (!w) {
		call_fail(c, RPC_LIMIT, "too many calls wait for addresses");
		return;
	}
	w->ctl = ctl;
	w->call = c;
	snprintf(w->vm, sizeof(w->vm), "%s", vm);
	list_add_tail(&ctl->addr_waiters, &w->node);
	w->timer = evtimer_new(ctl->base, waiter_on_timer, w);
	if (w->timer && !evtimer_add(w->timer, &tv))
		return;
	call_fail(c, RPC_INTERNAL, "no memory");
	waiter_free(w);
}

void addrs_call(struct ctl *ctl, struct call *c, const char *vm, int64_t wait_s)
{
	unsigned int real;
	bool known;
	json_t *o = collect(ctl, vm, &real, &known);

	if (known && (real || !wait_s)) {
		call_result(c, o);
		return;
	}
	json_decref(o);
	if (!known)
		call_fail(c, RPC_NOT_FOUND,
			  "VM %s has no NIC here; vnet attach %s --network "
			  "NET gives it one",
			  vm, vm);
	else
		wait_for(ctl, c, vm, wait_s);
}

void addrs_changed(struct ctl *ctl, const char *vm)
{
	const struct nic *nic = NULL;

	while ((nic = model_nic_of_vm(&ctl->model, vm, nic)))
		kguardctl_addresses(nic->net);
	list_for_each_safe(w, &ctl->addr_waiters, struct waiter, node) {
		unsigned int real;
		bool known;
		json_t *o;

		if (strcmp(w->vm, vm))
			continue;
		o = collect(ctl, vm, &real, &known);
		if (!known) {
			json_decref(o);
			call_fail(w->call, RPC_NOT_FOUND, "VM %s was detached",
				  vm);
		} else if (!real) {
			json_decref(o);
			continue;
		} else {
			call_result(w->call, o);
		}
		waiter_free(w);
	}
}

void addrs_fini(struct ctl *ctl)
{
	list_for_each_safe(w, &ctl->addr_waiters, struct waiter, node) {
		call_fail(w->call, RPC_REFUSED, "vnetd is shutting down");
		waiter_free(w);
	}
}
