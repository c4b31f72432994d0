// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joins the DHCPv6 server (dhcp/dhcp6_server.h) with the gateway's UDP port 547, with
 * its routes (a delegated prefix is behind the guest that got it), and with control's
 * store: a Reply leaves when control says that its leases are kept.
 *
 * Every network with IPv6 has the server, so that leases and reservations survive a
 * change of the mode; it listens when the mode says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/clock.h"
#include "lib/hex.h"
#include "lib/jx.h"
#include "netd/worker_int.h"

static const struct ipaddr all_servers = {{0xff, 2, [13] = 1, [15] = 2}};

/* ---- leases as JSON -------------------------------------------------------------- */

static json_t *lease_json(const struct dhcp6_lease *l)
{
	int64_t expires = l->expiry_s == DHCP6_NEVER ? INT64_MAX : l->expiry_s;
	char duid[2 * DHCP6_DUID_MAX + 1];
	json_t *o;

	hex_encode(l->duid, l->duid_len, duid);
	o = json_pack("{s:i,s:s,s:I,s:s,s:I,s:I}", "plen", (int)l->plen, "duid",
		      duid, "iaid", (json_int_t)l->iaid, "hostname",
		      l->hostname, "nic", (json_int_t)l->nic_id, "expires",
		      (json_int_t)expires);
	jx_set_ip(o, "ip", &l->ip);
	jx_set_ip(o, "via", &l->via);
	jx_set_mac(o, "mac", &l->mac);
	return o;
}

static int lease_read(json_t *o, struct dhcp6_lease *l, struct errtext *why)
{
	const char *duid = "", *name = "";
	int64_t plen = 128, iaid = 0, nic = 0;
	size_t len = 0;
	int r;

	if ((r = jx_ip(o, "ip", &l->ip, why)) ||
	    (r = jx_ip(o, "via", &l->via, why)) ||
	    (r = jx_mac(o, "mac", &l->mac, why)) ||
	    (r = jx_int(o, "plen", 1, 128, &plen, why)) ||
	    (r = jx_int(o, "iaid", 0, UINT32_MAX, &iaid, why)) ||
	    (r = jx_int(o, "nic", 0, INT64_MAX, &nic, why)) ||
	    (r = jx_int(o, "expires", 0, INT64_MAX, &l->expiry_s, why)) ||
	    (r = jx_str(o, "duid", &duid, why)) ||
	    (r = jx_str(o, "hostname", &name, why)))
		return r;
	if (hex_decode(duid, l->duid, sizeof(l->duid), &len))
		return errtext_set(why, -EINVAL, "bad DUID");
	l->plen = (uint8_t)plen;
	l->iaid = (uint32_t)iaid;
	l->nic_id = (uint64_t)nic;
	l->duid_len = (uint8_t)len;
	l->state = DHCP6_BOUND;
	snprintf(l->hostname, sizeof(l->hostname), "%s", name);
	return 0;
}

/* ---- what a lease means to the gateway --------------------------------------------- */

static struct ip6_net net_of(const struct dhcp6_lease *l)
{
	return (struct ip6_net){l->ip, l->plen};
}

/* The guest on @nic has it: its name leads there, or packets to the prefix do. */
static void in_force(struct worker *w, const struct dhcp6_lease *l, uint64_t nic)
{
	struct nat_route6 r = {net_of(l), l->via, nic};
	char s[IP6_NET_TEXT];

	w->guard_stale = true;
	if (!dhcp6_is_prefix(l))
		worker_nic_leased6(w, nic, &l->ip, true);
	else if (nat_route6_set(w->nat, &r))
		log_warn("network %s: prefix %s has no route: too many",
			 w->name, ip6_net_format(&r.net, s));
}

static void ended(struct worker *w, const struct dhcp6_lease *l)
{
	struct ip6_net n = net_of(l);

	w->guard_stale = true;
	if (dhcp6_is_prefix(l))
		(void)nat_route6_del(w->nat, &n);
	else
		worker_nic_leased6(w, l->nic_id, &l->ip, false);
}

/* ---- events of the server ------------------------------------------------------------ */

static void exhausted(struct worker *w, const struct dhcp6_lease *l)
{
	char mac[MAC_TEXT];

	mac_format(&l->mac, mac);
	log_warn("network %s: no %s left for %s: pool exhausted", w->name,
		 dhcp6_is_prefix(l) ? "prefix" : "IPv6 address", mac);
	worker_tell(w, W_EVENT, 0,
		    json_pack("{s:s,s:s,s:I}", "event", "dhcp.pool_exhausted",
			      "mac", mac, "nic", (json_int_t)l->nic_id),
		    -1);
}

static void on_event(void *arg, enum dhcp6_event type,
		     const struct dhcp6_lease *l)
{
	static const char *const names[] = {
		[DHCP6_EV_RELEASED] = "released",
		[DHCP6_EV_EXPIRED] = "expired",
		[DHCP6_EV_DECLINED] = "declined",
		[DHCP6_EV_FORGOTTEN] = "forgotten",
	};
	struct worker *w = arg;
	json_t *o;

	if (type == DHCP6_EV_EXHAUSTED) {
		exhausted(w, l);
		return;
	}
	ended(w, l);
	o = lease_json(l);
	json_object_set_new(o, "state", json_string(names[type]));
	worker_tell(w, W_LEASE6_EVENT, 0, o, -1);
}

/* Somebody else was seen to speak from it. */
static bool in_use(void *arg, const struct ipaddr *ip, const struct mac *mac)
{
	struct worker *w = arg;

	list_for_each(n, &w->nics, struct wnic, node)
		for (unsigned int i = 0; i < n->seen6.n; i++)
			if (ipaddr_eq(&n->seen6.e[i].ip, ip) &&
			    !mac_eq(&n->seen6.e[i].mac, mac))
				return true;
	return false;
}

static const struct dhcp6_ops ops = {.event = on_event, .in_use = in_use};

/* ---- messages -------------------------------------------------------------------------- */

static void send_reply(struct worker *w, const struct dhcp6_reply *r)
{
	struct nat_udp6_out out = {
		.src_port = DHCP6_SERVER_PORT, .dst = r->dst,
		.dst_port = r->dst_port, .dst_mac = r->dst_mac,
		.data = r->data, .len = r->len,
	};

	(void)nat_udp6_send(w->nat, &out); /* counted there */
}

static void commit(struct worker *w, const struct dhcp6_output *out)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < out->nleases; i++)
		json_array_append_new(a, lease_json(&out->lease[i]));
	worker_tell(w, W_LEASE6_COMMIT, 0,
		    json_pack("{s:I,s:o}", "token", (json_int_t)out->token,
			      "leases", a),
		    -1);
}

static void on_datagram(void *arg, const struct nat_datagram6 *d)
{
	struct worker *w = arg;
	struct dhcp6_input in = {
		.data = d->data, .len = d->len, .src = d->src,
		.unicast = !ipaddr_is_multicast(&d->dst),
		.src_mac = d->src_mac,
		.nic_id = worker_nic_behind(w, d->nic_id, &d->src_mac),
	};
	struct dhcp6_output out;

	switch (dhcp6_server_input(w->dhcp6, &in, clock_wall_s(), &out)) {
	case DHCP6_DROP:
		break;
	case DHCP6_REPLY_NOW:
		send_reply(w, &out.reply);
		break;
	case DHCP6_REPLY_AFTER_COMMIT:
		commit(w, &out);
		break;
	}
	worker_guard_settle(w);
}

static void on_bound(void *arg, const struct dhcp6_lease *l)
{
	in_force(arg, l, l->nic_id);
}

int worker_dhcp6_done(struct worker *w, json_t *body, struct errtext *why)
{
	struct dhcp6_reply reply;
	int64_t token = 0;
	bool ok = false;
	int r;

	if ((r = jx_int(body, "token", 1, INT64_MAX, &token, why)) ||
	    (r = jx_bool(body, "ok", &ok, why)))
		return r;
	if (!w->dhcp6)
		return 0;
	if (!ok)
		dhcp6_server_failed(w->dhcp6, (uint64_t)token, clock_wall_s());
	else if (!dhcp6_server_committed(w->dhcp6, (uint64_t)token,
					 clock_wall_s(), on_bound, w, &reply)) {
		worker_guard_settle(w);
		send_reply(w, &reply);
	}
	return 0;
}

/* ---- NICs ------------------------------------------------------------------------------- */

struct of_nic {
	struct worker *w;
	const struct wnic *n;
};

static bool nic_lease(void *arg, const struct dhcp6_lease *l)
{
	struct of_nic *o = arg;

	if (l->state == DHCP6_BOUND && mac_eq(&l->mac, &o->n->mac) &&
	    (!l->nic_id || l->nic_id == o->n->id))
		in_force(o->w, l, o->n->id);
	return true;
}

/* It may be one that comes back, or this process that does. */
void worker_dhcp6_nic(struct worker *w, const struct wnic *n)
{
	struct of_nic o = {w, n};

	if (w->dhcp6)
		dhcp6_server_walk(w->dhcp6, nic_lease, &o);
}

static bool nic_lease_gone(void *arg, const struct dhcp6_lease *l)
{
	struct of_nic *o = arg;

	if (l->state == DHCP6_BOUND && l->nic_id == o->n->id &&
	    dhcp6_is_prefix(l))
		ended(o->w, l);
	return true;
}

void worker_dhcp6_nic_gone(struct worker *w, const struct wnic *n)
{
	struct of_nic o = {w, n};

	if (!w->dhcp6)
		return;
	dhcp6_server_walk(w->dhcp6, nic_lease_gone, &o);
	dhcp6_server_nic_del(w->dhcp6, n->id);
}

/* ---- requests of control ------------------------------------------------------------------ */

int worker_dhcp6_load(struct worker *w, json_t *body, struct errtext *why)
{
	json_t *v, *a = json_object_get(body, "leases");
	int64_t now = clock_wall_s();
	size_t i;

	json_array_foreach(a, i, v) {
		struct dhcp6_lease l = {.plen = 128};
		int r = lease_read(v, &l, why);

		if (r)
			return r;
		/* One that cannot be taken back is not worth the network. */
		if (w->dhcp6)
			(void)dhcp6_server_load(w->dhcp6, &l, now);
	}
	return 0;
}

int worker_dhcp6_reserve(struct worker *w, json_t *body, struct errtext *why)
{
	struct ipaddr ip = ipaddr_any;
	struct mac mac = {{0}};
	const char *name = "";
	int r;

	if ((r = jx_mac(body, "mac", &mac, why)) ||
	    (r = jx_ip(body, "ip6", &ip, why)) ||
	    (r = jx_str(body, "name", &name, why)))
		return r;
	if (!w->dhcp6)
		return 0;
	r = dhcp6_server_reserve(w->dhcp6, &mac, &ip, name, why);
	if (r == -EINVAL) /* the VM's name is no host name */
		r = dhcp6_server_reserve(w->dhcp6, &mac, &ip, NULL, why);
	worker_names_reserved(w, &mac);
	return r;
}

int worker_dhcp6_unreserve(struct worker *w, json_t *body, struct errtext *why)
{
	struct mac mac = {{0}};
	int r = jx_mac(body, "mac", &mac, why);

	if (!r && w->dhcp6) {
		dhcp6_server_unreserve(w->dhcp6, &mac);
		worker_names_reserved(w, &mac);
	}
	return r;
}

int worker_dhcp6_release(struct worker *w, json_t *body, struct errtext *why)
{
	struct ipaddr ip = ipaddr_any;
	int r = jx_ip(body, "ip", &ip, why);

	if (r)
		return r;
	return w->dhcp6 ? dhcp6_server_forget(w->dhcp6, &ip, clock_wall_s())
			: -ENOENT;
}

/* ---- configuration --------------------------------------------------------------------------- */

static int read_config(struct worker *w, const struct nat_config *gw,
		       json_t *ip6, struct dhcp6_config *c, struct errtext *why)
{
	const char *duid = "";
	int64_t lease_s = 86400, len = 0;
	struct ipaddr dns = worker_dns_ip6(gw);
	size_t n = 0;
	int r;

	(void)w;
	c->net = gw->net6;
	c->own[0] = gw->ip6;
	c->own[1] = gw->dns_ip6;
	c->own[2] = c->own[3] = gw->net6.addr;
	c->own[3].b[15] = 1; /* the host's, on host-only networks */
	if (gw->resolver) { /* the kernel's, which routes */
		c->own[1] = gw->net6.addr;
		c->own[1].b[15] = 2;
	}
	if (!ipaddr_is_zero(&dns)) {
		c->dns[c->ndns++] = dns;
		snprintf(c->domain, sizeof(c->domain), "%s",
			 gw->domain ? gw->domain : "");
	}
	if ((r = jx_str(ip6, "duid", &duid, why)) ||
	    (r = jx_int(ip6, "lease_s", 60, DHCP6_INFINITE, &lease_s, why)) ||
	    (r = jx_net6(ip6, "pool", &c->delegate, why)) ||
	    (r = jx_int(ip6, "pool_len", 0, 64, &len, why)))
		return r;
	if (hex_decode(duid, c->duid, sizeof(c->duid), &n))
		return errtext_set(why, -EINVAL, "bad DUID");
	c->duid_len = (uint8_t)n;
	c->lease_s = (uint32_t)lease_s;
	c->delegate_len = (uint8_t)len;
	return 0;
}

static int start(struct worker *w, const struct dhcp6_config *c,
		 struct errtext *why)
{
	uint64_t seed[2];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return errtext_set(why, -EIO, "no random numbers");
	return dhcp6_server_new(c, &ops, w, seed, &w->dhcp6, why);
}

int worker_dhcp6_config(struct worker *w, const struct nat_config *gw,
			json_t *ip6, enum ra_mode mode, struct errtext *why)
{
	struct dhcp6_config c = {.addresses = mode == RA_STATEFUL};
	bool serve = mode == RA_STATELESS || mode == RA_STATEFUL;
	int r;

	if (!json_is_object(ip6) || !gw->net6.plen)
		return 0;
	r = read_config(w, gw, ip6, &c, why);
	if (r || !c.duid_len)
		return r;
	r = w->dhcp6 ? dhcp6_server_configure(w->dhcp6, &c, clock_wall_s(), why)
		     : start(w, &c, why);
	if (r || serve == w->dhcp6_on)
		return r;
	w->dhcp6_on = serve;
	return nat_service6(w->nat, DHCP6_SERVER_PORT, &all_servers,
			    serve ? on_datagram : NULL, w);
}

void worker_dhcp6_fini(struct worker *w)
{
	dhcp6_server_free(w->dhcp6);
	w->dhcp6 = NULL;
}
