// SPDX-License-Identifier: GPL-2.0-or-later
/* See promise.h. */
#include "netd/promise.h"

#include <stdlib.h>
#include <string.h>

#include "dhcp/dhcp6_server.h"
#include "lib/clock.h"
#include "lib/jx.h"
#include "netd/leases.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"

#define AGAIN_MS   1000 /* between two promises for others that were lost */
#define PLACES_MAX 64	/* looked at for one NIC; most have the first */

static bool makes_promises(const struct network *n)
{
	const struct dhcpset *s = model_dhcpset_find(n, "", "identity");

	return n->conf.dhcp_first && !(s && !strcmp(s->conf.value, "rfc2131"));
}

/* May somebody with @mac have it, as far as the definition says? */
static bool is_usable(struct network *n, const struct mac *mac, uint32_t ip)
{
	const struct net_conf *c = &n->conf;
	uint32_t last = c->subnet.addr |
			(c->subnet.plen ? ~ip4_mask(c->subnet.plen) : ~0u);
	const struct resv *r = model_resv_find(n, ip);

	return ip >= c->dhcp_first && ip <= c->dhcp_last &&
	       ip != c->subnet.addr && ip != last && ip != c->host_ip &&
	       ip != c->service_ip && ip != c->dns_ip &&
	       (!r || mac_eq(&r->conf.mac, mac));
}

uint32_t promise_of(const struct nic *nic, int64_t wall_s)
{
	struct network *n = nic->net;
	const struct lease *l;

	if (!makes_promises(n))
		return 0;
	l = model_lease_kept(&n->ctl->model, n, &nic->conf.mac, nic->conf.id,
			     wall_s);
	return l && is_usable(n, &nic->conf.mac, l->conf.address)
		       ? l->conf.address
		       : 0;
}

/* A guest that configured itself has it. */
static bool is_seen(const struct network *n, uint32_t ip4)
{
	struct ipaddr ip = ipaddr_from4(ip4);

	list_for_each(nic, &n->nics, struct nic, node)
		for (unsigned int i = 0; i < nic->seen4.n; i++)
			if (ipaddr_eq(&nic->seen4.e[i].ip, &ip))
				return true;
	return false;
}

/* The lowest address that nobody has or had; 0 = none. The pool fills from below, so
 * what is known to be full is not looked at each time. */
static uint32_t lowest(struct network *n, const struct mac *mac)
{
	uint32_t ip = n->conf.dhcp_first;

	if (n->leased_to > ip)
		ip = n->leased_to;
	while (ip <= n->conf.dhcp_last && model_lease_find(n, ip))
		ip++;
	n->leased_to = ip;
	for (; ip <= n->conf.dhcp_last; ip++)
		if (!model_lease_find(n, ip) && !model_resv_find(n, ip) &&
		    is_usable(n, mac, ip) && !is_seen(n, ip))
			return ip;
	return 0;
}

/* Of those without a NIC the one that was freed first; 0 = none. */
static uint32_t oldest(struct network *n, const struct mac *mac)
{
	const struct lease *best = NULL;

	for (uint32_t ip = n->conf.dhcp_first; ip <= n->conf.dhcp_last; ip++) {
		const struct lease *l = model_lease_find(n, ip);

		if (!l || !dhcp_state_freed(l->conf.state) ||
		    (best && l->conf.expires >= best->conf.expires) ||
		    model_nic_by_mac(n, &l->conf.mac) ||
		    model_resv_find(n, ip) || !is_usable(n, mac, ip))
			continue;
		best = l;
	}
	return best ? best->conf.address : 0;
}

static uint32_t choose(struct network *n, const struct mac *mac)
{
	uint32_t ip = lowest(n, mac);

	return ip ? ip : oldest(n, mac);
}

/* ---- IPv6 ------------------------------------------------------------------ */

/* What is asked for each NIC of a network, sorted: NICs by their places, addresses that
 * NICs were seen with. */
struct promise6 {
	const struct nic **nic;
	struct ipaddr *ip; /* without those that two have: they are twice there */
	size_t nnic, nip;
};

static int by_place(const void *a, const void *b)
{
	const struct nic *x = *(const struct nic *const *)a,
			 *y = *(const struct nic *const *)b;

	return (x->place6 > y->place6) - (x->place6 < y->place6);
}

static int by_ip(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ipaddr));
}

static void gather(struct promise6 *p, const struct network *n)
{
	list_for_each(nic, &n->nics, struct nic, node) {
		p->nic[p->nnic++] = nic;
		for (unsigned int i = 0; i < nic->seen6.n; i++)
			p->ip[p->nip++] = nic->seen6.e[i].ip;
	}
	if (p->nnic)
		qsort(p->nic, p->nnic, sizeof(struct nic *), by_place);
	if (p->nip)
		qsort(p->ip, p->nip, sizeof(*p->ip), by_ip);
}

struct promise6 *promise6_new(const struct network *n)
{
	struct promise6 *p = calloc(1, sizeof(*p));
	size_t nics = 1, ips = 1;

	list_for_each(nic, &n->nics, struct nic, node) {
		nics++;
		ips += nic->seen6.n;
	}
	if (p) {
		p->nic = calloc(nics, sizeof(struct nic *));
		p->ip = calloc(ips, sizeof(*p->ip));
	}
	if (!p || !p->nic || !p->ip) {
		promise6_free(p);
		return NULL;
	}
	gather(p, n);
	return p;
}

void promise6_free(struct promise6 *p)
{
	if (!p)
		return;
	free(p->nic);
	free(p->ip);
	free(p);
}

/* The first one of a place, or where it would be. */
static size_t first_at(const struct promise6 *p, uint32_t place)
{
	size_t lo = 0, hi = p->nnic;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (p->nic[mid]->place6 < place)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Is it the place of another NIC, or of a machine that is none of our VMs? */
static bool is_others_place(const struct promise6 *p, const struct nic *nic,
			    uint32_t place)
{
	const struct mac *mine = &nic->conf.mac;

	for (size_t i = first_at(p, place);
	     i < p->nnic && p->nic[i]->place6 == place; i++) {
		const struct nic *o = p->nic[i];

		if (o != nic &&
		    !model_resv6_by_mac(nic->net, &o->conf.mac) &&
		    !(nic->place6 == place &&
		      memcmp(mine->b, o->conf.mac.b, sizeof(mine->b)) < 0))
			return true;
	}
	return false;
}

/* By another NIC than that. */
static bool is_seen6(const struct promise6 *p, const struct nic *nic,
		     const struct ipaddr *ip)
{
	const struct ipaddr *e =
		bsearch(ip, p->ip, p->nip, sizeof(*ip), by_ip);

	if (!e)
		return false;
	if ((e > p->ip && ipaddr_eq(e - 1, ip)) ||
	    (e + 1 < p->ip + p->nip && ipaddr_eq(e + 1, ip)))
		return true; /* by two of them */
	for (unsigned int i = 0; i < nic->seen6.n; i++)
		if (ipaddr_eq(&nic->seen6.e[i].ip, ip))
			return false;
	return true;
}

static bool is_free6(const struct promise6 *p, const struct nic *nic,
		     const struct ipaddr *ip, int64_t wall_s)
{
	const struct lease6 *l = model_lease6_find(nic->net, ip);

	return !(l && l->conf.expires > wall_s &&
		 !mac_eq(&l->conf.mac, &nic->conf.mac)) &&
	       !model_resv6_find(nic->net, ip) && !is_seen6(p, nic, ip);
}

struct ipaddr promise6_find(const struct promise6 *p, const struct nic *nic,
			    int64_t wall_s)
{
	const struct net_conf *c = &nic->net->conf;
	const struct resv6 *r = model_resv6_by_mac(nic->net, &nic->conf.mac);

	if (r)
		return r->conf.address;
	for (uint32_t i = 0; i < PLACES_MAX; i++) {
		uint32_t place = (nic->place6 + i) % DHCP6_POOL;
		struct ipaddr ip = dhcp6_address_at(&c->subnet6, place);

		if (!is_others_place(p, nic, place) &&
		    is_free6(p, nic, &ip, wall_s))
			return ip;
	}
	return ipaddr_any;
}

bool promise6_any(const struct network *n)
{
	return n->conf.subnet6.plen && n->conf.ipv6 == IPV6_STATEFUL;
}

struct ipaddr promise6_of(const struct nic *nic, int64_t wall_s)
{
	struct promise6 *p =
		promise6_any(nic->net) ? promise6_new(nic->net) : NULL;
	struct ipaddr ip = p ? promise6_find(p, nic, wall_s) : ipaddr_any;

	promise6_free(p);
	return ip;
}

/* ---- IPv4: records ---------------------------------------------------------- */

static void make(struct ctl *ctl, struct network *n, const struct nic *nic,
		 int64_t wall_s)
{
	struct lease_conf c = {
		.network = n->conf.id,
		.address = choose(n, &nic->conf.mac),
		.mac = nic->conf.mac,
		.nic = nic->conf.id,
		.expires = wall_s,
		.state = DHCP_PROMISED,
	};

	if (!c.address || store_lease_put(ctl->store, &c, NULL))
		return;
	if (model_lease_put(n, &c))
		(void)store_lease_del(ctl->store, c.network, c.address, NULL);
	else if (n->synced)
		leases_tell_one(n, &c);
}

static void take_back(struct ctl *ctl, struct network *n, struct lease *l)
{
	uint32_t ip = l->conf.address;

	if (store_lease_del(ctl->store, n->conf.id, ip, NULL))
		return; /* it stands until somebody needs the address */
	model_lease_del(n, l);
	if (n->synced)
		super_request(n->sup, W_LEASE_RELEASE,
			      json_pack("{s:o}", "ip", obj_ip(ip)), NULL, 0,
			      NULL, NULL);
}

void promise_settle(struct ctl *ctl, struct network *n, const struct mac *mac)
{
	const struct nic *nic = model_nic_by_mac(n, mac);
	int64_t now = clock_wall_s();
	struct lease *l;

	if (n->dying)
		return;
	l = model_lease_kept(&ctl->model, n, mac, nic ? nic->conf.id : 0, now);
	if (l && l->conf.state == DHCP_PROMISED &&
	    (!nic || !makes_promises(n) || model_resv_by_mac(n, mac)))
		take_back(ctl, n, l);
	if (nic && makes_promises(n) && !model_resv_by_mac(n, mac) &&
	    !model_lease_by_mac(n, mac, now) && !promise_of(nic, now))
		make(ctl, n, nic, now);
}

void promise_lost(struct ctl *ctl, struct network *n, const struct mac *mac)
{
	int64_t now = clock_mono_ms();

	/* Should worker and control ever disagree on what can be had, they do not
	 * chase each other. */
	if (n->promised_ms && now - n->promised_ms < AGAIN_MS)
		return;
	n->promised_ms = now;
	promise_settle(ctl, n, mac);
}
