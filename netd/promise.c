// SPDX-License-Identifier: GPL-2.0-or-later
/* See promise.h. */
#include "netd/promise.h"

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

/* The lowest address that nobody has or had; when there is none, the one that was
 * freed first, of those without a NIC. 0 = none. */
static uint32_t choose(struct network *n, const struct mac *mac)
{
	const struct lease *oldest = NULL;

	for (uint32_t ip = n->conf.dhcp_first; ip <= n->conf.dhcp_last; ip++) {
		const struct lease *l = model_lease_find(n, ip);

		if (l && (!dhcp_state_freed(l->conf.state) ||
			  (oldest && l->conf.expires >= oldest->conf.expires) ||
			  model_nic_by_mac(n, &l->conf.mac)))
			continue;
		if (model_resv_find(n, ip) || !is_usable(n, mac, ip))
			continue;
		if (l)
			oldest = l;
		else if (!is_seen(n, ip))
			return ip;
	}
	return oldest ? oldest->conf.address : 0;
}

/* ---- IPv6 ------------------------------------------------------------------ */

/* Is it the place of another NIC, or of a machine that is none of our VMs? */
static bool is_others_place(const struct nic *nic, uint32_t place)
{
	const struct mac *mine = &nic->conf.mac;

	list_for_each(o, &nic->net->nics, struct nic, node)
		if (o != nic && o->place6 == place &&
		    !model_resv6_by_mac(nic->net, &o->conf.mac) &&
		    !(nic->place6 == place &&
		      memcmp(mine->b, o->conf.mac.b, sizeof(mine->b)) < 0))
			return true;
	return false;
}

static bool is_seen6(const struct nic *nic, const struct ipaddr *ip)
{
	list_for_each(o, &nic->net->nics, struct nic, node)
		for (unsigned int i = 0; o != nic && i < o->seen6.n; i++)
			if (ipaddr_eq(&o->seen6.e[i].ip, ip))
				return true;
	return false;
}

static bool is_free6(const struct nic *nic, const struct ipaddr *ip,
		     int64_t wall_s)
{
	const struct lease6 *l = model_lease6_find(nic->net, ip);

	return !(l && l->conf.expires > wall_s &&
		 !mac_eq(&l->conf.mac, &nic->conf.mac)) &&
	       !model_resv6_find(nic->net, ip) && !is_seen6(nic, ip);
}

struct ipaddr promise6_of(const struct nic *nic, int64_t wall_s)
{
	const struct net_conf *c = &nic->net->conf;
	const struct resv6 *r = model_resv6_by_mac(nic->net, &nic->conf.mac);

	if (!c->subnet6.plen || c->ipv6 != IPV6_STATEFUL)
		return ipaddr_any;
	if (r)
		return r->conf.address;
	for (uint32_t i = 0; i < PLACES_MAX; i++) {
		uint32_t place = (nic->place6 + i) % DHCP6_POOL;
		struct ipaddr ip = dhcp6_address_at(&c->subnet6, place);

		if (!is_others_place(nic, place) && is_free6(nic, &ip, wall_s))
			return ip;
	}
	return ipaddr_any;
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
