// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What guests may say about themselves: tells the switch which addresses are whose
 * (given, leased, reserved, the network's own), and control when somebody was stopped.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/stopped.h"
#include "netd/worker_int.h"

#define KBIT 125 /* bytes */

/* ---- whose is what ------------------------------------------------------------------ */

/* Addresses of a NIC, as they are gathered. */
struct gather {
	const struct wnic *n;
	struct pin_net net[PIN_ALLOW_MAX];
	size_t cnt;
};

static void put(struct gather *g, const struct ipaddr *ip, uint8_t plen)
{
	for (size_t i = 0; i < g->cnt; i++)
		if (g->net[i].plen == plen && ipaddr_eq(&g->net[i].addr, ip))
			return;
	if (g->cnt < PIN_ALLOW_MAX && !ipaddr_is_any(ip))
		g->net[g->cnt++] = (struct pin_net){*ip, plen};
}

static bool put_lease6(void *arg, const struct dhcp6_lease *l)
{
	struct gather *g = arg;

	if (l->state == DHCP6_BOUND && mac_eq(&l->mac, &g->n->mac) &&
	    (!l->nic_id || l->nic_id == g->n->id))
		put(g, &l->ip, l->plen);
	return true;
}

/* The lease first: it is what most frames come from. Of guests that nobody asks for
 * their addresses, leases need not be known. */
void worker_guard_nic_changed(struct worker *w, struct wnic *n)
{
	struct ipaddr lease = ipaddr_from4(n->lease_ip), resv4, resv6;
	struct gather g = {.n = n};

	if (!n->pin.node.next)
		return;
	put(&g, &lease, 128);
	worker_dhcp_reserved_ips(w, &n->mac, &resv4, &resv6);
	put(&g, &resv4, 128);
	put(&g, &resv6, 128);
	for (uint8_t i = 0; i < n->nips; i++)
		put(&g, &n->ips[i].addr, n->ips[i].plen);
	if (w->dhcp6 && n->pin.level == PIN_IP)
		dhcp6_server_walk(w->dhcp6, put_lease6, &g);
	pin_allow(&n->pin, g.net, g.cnt);
}

void worker_guard_mac_changed(struct worker *w, const struct mac *mac)
{
	list_for_each(n, &w->nics, struct wnic, node)
		if (mac_eq(&n->mac, mac))
			worker_guard_nic_changed(w, n);
}

void worker_guard_settle(struct worker *w)
{
	if (!w->guard_stale)
		return;
	w->guard_stale = false;
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->pin.level == PIN_IP)
			worker_guard_nic_changed(w, n);
}

/* ---- the network's own ----------------------------------------------------------------- */

static void set_own(struct worker *w)
{
	pin_set_own(vswitch_pins(w->sw), w->own, ARRAY_LEN(w->own));
}

void worker_guard_net(struct worker *w, const struct nat_config *gw)
{
	bool makes = w->ra_on && (w->ra.cfg.mode == RA_SLAAC ||
				  w->ra.cfg.mode == RA_STATELESS);
	const struct ipaddr own[WORKER_OWN_NET] = {
		ipaddr_from4(gw->ip),
		ipaddr_from4(gw->dns_ip),
		gw->ip6,
		gw->dns_ip6,
		gw->net6.plen ? ipaddr_linklocal(&gw->mac) : ipaddr_any,
	};

	memcpy(w->own, own, sizeof(own));
	vswitch_pins(w->sw)->slaac = makes ? gw->net6 : (struct ip6_net){0};
	set_own(w);
}

void worker_guard_host(struct worker *w, uint32_t ip4, const struct ipaddr *ip6)
{
	w->own[WORKER_OWN_NET] = ipaddr_from4(ip4);
	w->own[WORKER_OWN_NET + 1] = *ip6;
	set_own(w);
}

/* ---- NICs ---------------------------------------------------------------------------------- */

static int take(struct worker *w, struct wnic *n, json_t *body,
		struct errtext *why)
{
	json_t *o = json_object_get(body, "guard");
	int64_t storm = 0, in = 0, out = 0;
	const char *level = "off", *ips = "";
	bool isolated = false;
	int r, l = PIN_OFF;

	if (!json_is_object(o))
		return 0;
	if ((r = jx_str(o, "level", &level, why)) ||
	    (r = jx_bool(o, "isolated", &isolated, why)) ||
	    (r = jx_int(o, "storm", 0, GUARDCONF_STORM_MAX, &storm, why)) ||
	    (r = jx_int(o, "rate_in", 0, GUARDCONF_RATE_MAX, &in, why)) ||
	    (r = jx_int(o, "rate_out", 0, GUARDCONF_RATE_MAX, &out, why)) ||
	    (r = jx_str(o, "ips", &ips, why)) ||
	    (r = guardconf_level_parse(level, false, &l)))
		return r;
	r = guardconf_ips(ips, n->ips, why);
	if (r < 0)
		return r;
	n->nips = (uint8_t)r;
	pin_level(&n->pin, (enum pin_level)l);
	n->pin.flags = (uint8_t)(isolated ? n->pin.flags | PIN_ISOLATED
					  : n->pin.flags & ~PIN_ISOLATED);
	pin_limits(&n->pin, (uint64_t)storm, (uint64_t)out * KBIT,
		   (uint64_t)in * KBIT);
	vswitch_pin_changed(w->sw, &n->pin);
	worker_guard_nic_changed(w, n);
	return 0;
}

int worker_guard_nic(struct worker *w, struct wnic *n, json_t *body,
		     struct errtext *why)
{
	int r;

	pin_add(vswitch_pins(w->sw), &n->pin, &n->mac);
	r = take(w, n, body, why);
	if (r)
		pin_del(&n->pin);
	return r;
}

void worker_guard_nic_gone(struct wnic *n)
{
	pin_del(&n->pin);
}

int worker_nic_guard(struct worker *w, json_t *body, struct errtext *why)
{
	struct wnic *n;
	int64_t id = 0;
	int r = jx_int(body, "nic", 1, INT64_MAX, &id, why);

	if (r)
		return r;
	n = worker_nic_find(w, (uint64_t)id);
	if (!n || n->role != PORT_GUEST)
		return errtext_set(why, -ENOENT, "no such NIC");
	return take(w, n, body, why);
}

/* ---- what was stopped ------------------------------------------------------------------------ */

void worker_guard_told(void *arg, struct port *p, enum pin_fault fault,
		       const struct mac *src)
{
	struct worker *w = arg;
	const char *kind = pin_fault_name(fault);
	char mac[MAC_TEXT];

	stopped_log(w->name, p->name, false, kind, src);
	worker_tell(w, W_EVENT, 0,
		    json_pack("{s:s,s:I,s:s,s:s}", "event", "nic.guard", "nic",
			      (json_int_t)p->nic_id, "kind", kind, "mac",
			      mac_format(src, mac)),
		    -1);
}
