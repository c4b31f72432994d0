// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Joins the DHCP server (dhcp/) with the gateway's UDP port 67 and with control's
 * store: an ACK leaves when control says that the lease is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dhcp/dhcp_boot.h"
#include "dhcp/dhcp_config.h"
#include "dhcp/dhcp_opt.h"
#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/jx.h"
#include "lib/log.h"
#include "netd/worker_int.h"

/* A reservation as control told it; names of NICs are merged in. */
struct wresv {
	struct list node; /* on worker.resv */
	struct mac mac;
	uint32_t ip;
	struct ipaddr ip6;
	char name[DHCP_HOSTNAME_MAX + 1];
};

/* ---- events of the server ------------------------------------------------------ */

static void pool_exhausted(struct worker *w, const struct dhcp_lease *l)
{
	char mac[MAC_TEXT];

	mac_format(&l->mac, mac);
	log_warn("network %s: no address left for %s: pool exhausted", w->name,
		 mac);
	worker_tell(w, W_EVENT, 0,
		    json_pack("{s:s,s:s,s:I}", "event", "dhcp.pool_exhausted",
			      "mac", mac, "nic", (json_int_t)l->nic_id),
		    -1);
}

static void other_server(struct worker *w, const struct dhcp_lease *l)
{
	char mac[MAC_TEXT], ip[IP4_TEXT];

	mac_format(&l->mac, mac);
	ip4_format(l->ip, ip);
	log_warn("network %s: %s took an address of another DHCP server, %s",
		 w->name, mac, ip);
	worker_tell(w, W_EVENT, 0,
		    json_pack("{s:s,s:s,s:s}", "event", "dhcp.other_server",
			      "mac", mac, "server", ip),
		    -1);
}

static void on_event(void *arg, enum dhcp_event_type type,
		     const struct dhcp_lease *l)
{
	struct worker *w = arg;

	if (type == DHCP_EV_OTHER_SERVER) {
		other_server(w, l);
		return;
	}
	if (type == DHCP_EV_EXHAUSTED) {
		pool_exhausted(w, l);
		return;
	}
	worker_nic_unleased(w, l->nic_id, l->ip);
	if (type == DHCP_EV_CONFLICT)
		worker_probe_conflict(w, l->ip);
	worker_probe_forget(w, l->ip);
	worker_lease_say(w, 0, type == DHCP_EV_FORGOTTEN, l);
}

static enum dhcp_use in_use(void *arg, uint32_t ip, const struct mac *mac,
			    bool ask)
{
	return worker_probe_use(arg, ip, mac, ask);
}

static const struct dhcp_ops ops = {.event = on_event, .in_use = in_use};

/* ---- messages -------------------------------------------------------------------- */

static void send_reply(struct worker *w, const struct dhcp_reply *r)
{
	struct nat_udp_out out = {
		.src_ip = w->dhcp_cfg.server_ip,
		.src_port = DHCP_SERVER_PORT,
		.dst_ip = r->dst_ip,
		.dst_port = r->dst_port,
		.dst_mac = r->dst_mac,
		.data = r->data,
		.len = r->len,
	};

	(void)nat_udp_send(w->nat, &out); /* counted there */
}

enum dhcp_action worker_dhcp_input(struct worker *w,
				   const struct dhcp_input *in)
{
	struct dhcp_output out;
	enum dhcp_action did =
		dhcp_server_input(w->dhcp, in, clock_wall_s(), &out);

	switch (did) {
	case DHCP_DROP:
	case DHCP_WAIT:
		break;
	case DHCP_REPLY_NOW:
		send_reply(w, &out.reply);
		break;
	case DHCP_REPLY_AFTER_COMMIT:
		worker_lease_say(w, out.token, false, &out.lease);
		break;
	}
	if (did != DHCP_WAIT)
		worker_probe_soon(w);
	return did;
}

static void on_datagram(void *arg, const struct nat_datagram *d)
{
	struct worker *w = arg;
	struct dhcp_input in = {
		.data = d->data,
		.len = d->len,
		.src_ip = d->src_ip,
		.dst_ip = d->dst_ip,
		.src_mac = d->src_mac,
		.nic_id = worker_nic_behind(w, d->nic_id, &d->src_mac),
	};

	if (worker_dhcp_input(w, &in) == DHCP_WAIT)
		worker_probe_hold(w, &in);
}

/* The lease's NIC has its address, unless it is of somebody behind that: of a relay's
 * client, or of another MAC while the NIC's own has a lease. */
static void lease_to_nic(struct worker *w, const struct dhcp_lease *l)
{
	const struct wnic *n = l->nic_id ? worker_nic_find(w, l->nic_id) : NULL;

	if (!n || !ip4_in_net(l->ip, &w->net))
		return;
	if (mac_eq(&l->mac, &n->mac) ||
	    !dhcp_server_find_mac(w->dhcp, n->id, &n->mac))
		worker_nic_leased(w, n->id, l->ip);
}

/* The NIC that this ACK is for has the address in it (yiaddr, RFC 2131 2). */
static void name_reply(struct worker *w, const struct dhcp_reply *r)
{
	struct cur c = cur_make(r->data, r->len);
	const struct dhcp_lease *l;

	cur_skip(&c, 16);
	l = dhcp_server_find_ip(w->dhcp, cur_be32(&c));
	if (!cur_ok(&c) || !l || l->state != DHCP_BOUND)
		return;
	worker_probe_forget(w, l->ip);
	lease_to_nic(w, l);
}

void worker_dhcp_done(struct worker *w, uint64_t token, bool ok)
{
	struct dhcp_reply reply;

	if (!w->dhcp)
		return;
	if (!ok) {
		dhcp_server_failed(w->dhcp, token, clock_wall_s());
		return;
	}
	if (dhcp_server_committed(w->dhcp, token, clock_wall_s(), &reply))
		return;
	send_reply(w, &reply);
	name_reply(w, &reply);
}

/* ---- names ----------------------------------------------------------------------- */

static bool name_lease(void *arg, const struct dhcp_lease *l)
{
	struct worker *w = arg;

	if (l->state == DHCP_BOUND)
		lease_to_nic(w, l);
	return true;
}

void worker_dhcp_names(struct worker *w)
{
	if (w->dhcp)
		dhcp_server_walk(w->dhcp, name_lease, w);
}

static struct wresv *resv_find(struct worker *w, const struct mac *mac)
{
	list_for_each(v, &w->resv, struct wresv, node)
		if (mac_eq(&v->mac, mac))
			return v;
	return NULL;
}

static const char *vm_of(struct worker *w, const struct mac *mac)
{
	list_for_each(n, &w->nics, struct wnic, node)
		if (n->vm[0] && mac_eq(&n->mac, mac))
			return n->vm;
	return NULL;
}

uint32_t worker_dhcp_reserved(struct worker *w, const struct mac *mac,
			      const char **name)
{
	const struct wresv *v = resv_find(w, mac);

	if (v)
		*name = v->name;
	return v ? v->ip : 0;
}

void worker_dhcp_reserved_ips(struct worker *w, const struct mac *mac,
			      struct ipaddr *ip4, struct ipaddr *ip6)
{
	const struct wresv *v = resv_find(w, mac);

	*ip4 = v && v->ip ? ipaddr_from4(v->ip) : ipaddr_any;
	*ip6 = v ? v->ip6 : ipaddr_any;
}

/* Tell the server what holds for @mac now: the reservation's address and name, the
 * VM's name where the reservation has none (and it is a host name). */
static int apply(struct worker *w, const struct mac *mac, struct errtext *why)
{
	const struct wresv *v = resv_find(w, mac);
	const char *name = v && v->name[0] ? v->name : vm_of(w, mac);
	int64_t now = clock_wall_s();
	uint32_t ip = v ? v->ip : 0;
	int r;

	if (!w->dhcp)
		return 0;
	if (ip || name) {
		r = dhcp_server_reserve(w->dhcp, mac, ip, name, now, why);
		if (r != -EINVAL)
			return r;
		if (ip) /* the VM's name is no host name */
			return dhcp_server_reserve(w->dhcp, mac, ip, NULL, now,
						   why);
	}
	(void)dhcp_server_unreserve(w->dhcp, mac, now);
	return 0;
}

void worker_dhcp_nic(struct worker *w, struct wnic *n)
{
	const struct dhcp_lease *l;

	if (!w->dhcp)
		return;
	(void)apply(w, &n->mac, NULL);
	l = dhcp_server_find_mac(w->dhcp, n->id, &n->mac);
	if (l)
		worker_nic_leased(w, n->id, l->ip);
}

void worker_dhcp_nic_gone(struct worker *w, const struct wnic *n)
{
	if (!w->dhcp)
		return;
	dhcp_server_nic_del(w->dhcp, n->id);
	(void)apply(w, &n->mac, NULL);
}

/* ---- requests of control ----------------------------------------------------------- */

int worker_dhcp_reserve(struct worker *w, json_t *body, struct errtext *why)
{
	const char *name = "";
	struct wresv *v, new = {0};
	int r;

	if ((r = jx_mac(body, "mac", &new.mac, why)) ||
	    (r = jx_ip4(body, "ip", &new.ip, why)) ||
	    (r = jx_ip(body, "ip6", &new.ip6, why)) ||
	    (r = jx_str(body, "name", &name, why)))
		return r;
	v = resv_find(w, &new.mac);
	if (!v) {
		v = calloc(1, sizeof(*v));
		if (!v)
			return -ENOMEM;
		v->mac = new.mac;
		list_add_tail(&w->resv, &v->node);
	}
	v->ip = new.ip;
	v->ip6 = new.ip6;
	snprintf(v->name, sizeof(v->name), "%s", name);
	worker_guard_mac_changed(w, &v->mac);
	worker_names_settle(w, &v->mac);
	return apply(w, &v->mac, why);
}

int worker_dhcp_unreserve(struct worker *w, json_t *body, struct errtext *why)
{
	struct mac mac = {0};
	struct wresv *v;
	int r = jx_mac(body, "mac", &mac, why);

	if (r)
		return r;
	v = resv_find(w, &mac);
	if (v) {
		list_del(&v->node);
		free(v);
	}
	worker_guard_mac_changed(w, &mac);
	worker_names_settle(w, &mac);
	return apply(w, &mac, why);
}

int worker_dhcp_release(struct worker *w, json_t *body, struct errtext *why)
{
	uint32_t ip = 0;
	int r = jx_ip4(body, "ip", &ip, why);

	if (r)
		return r;
	return w->dhcp ? dhcp_server_forget(w->dhcp, ip, clock_wall_s())
		       : -ENOENT;
}

static int read_scope(json_t *body, struct dhcp_scope *out, struct errtext *why)
{
	const char *scope = "", *match = "";
	int64_t nic = 0;
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = jx_str(body, "scope", &scope, why)) ||
	    (r = jx_str(body, "match", &match, why)) ||
	    (r = jx_int(body, "nic", 0, INT64_MAX, &nic, why)))
		return r;
	out->nic_id = (uint64_t)nic;
	snprintf(out->match, sizeof(out->match), "%s", match);
	if (!strcmp(scope, "network"))
		out->kind = DHCP_SCOPE_NETWORK;
	else if (!strcmp(scope, "nic"))
		out->kind = DHCP_SCOPE_NIC;
	else if (!strncmp(scope, "group:", 6))
		out->kind = DHCP_SCOPE_GROUP;
	else if (!strncmp(scope, "mac:", 4) && !mac_parse(scope + 4, &out->mac))
		out->kind = DHCP_SCOPE_MAC;
	else
		return errtext_set(why, -EINVAL, "bad scope");
	if (out->kind == DHCP_SCOPE_GROUP)
		snprintf(out->group, sizeof(out->group), "%s", scope + 6);
	return 0;
}

int worker_dhcp_scope(struct worker *w, json_t *body, struct errtext *why)
{
	json_t *v, *options = json_object_get(body, "options");
	struct dhcp_scope scope;
	struct dhcp_opts *set;
	size_t i;
	int r = read_scope(body, &scope, why);

	/* A group that is no more has no conditions either. */
	if (!r && scope.kind == DHCP_SCOPE_GROUP && !scope.match[0])
		snprintf(scope.match, sizeof(scope.match), "mac=none");
	if (r || !w->dhcp)
		return r;
	set = calloc(1, sizeof(*set));
	if (!set)
		return -ENOMEM;
	json_array_foreach(options, i, v) {
		const char *text = json_string_value(v);
		struct dhcp_option o;

		r = text ? dhcp_opt_parse(text, &o, why) : -EINVAL;
		if (!r)
			r = dhcp_opts_set(set, &o);
		if (r)
			break;
	}
	if (!r)
		r = dhcp_server_scope(w->dhcp, &scope, set, why);
	free(set);
	return r;
}

/* ---- configuration ----------------------------------------------------------------- */

static int read_dns(json_t *cfg, struct dhcp_config *c, struct errtext *why)
{
	json_t *v, *a = json_object_get(cfg, "dns");
	size_t i;

	json_array_foreach(a, i, v) {
		const char *s = json_string_value(v);

		if (c->ndns == DHCP_DNS_MAX)
			break;
		if (!s || ip4_parse(s, &c->dns[c->ndns]))
			return errtext_set(why, -EINVAL, "bad DNS address");
		c->ndns++;
	}
	return 0;
}

static int read_boot(json_t *cfg, struct dhcp_config *c, struct errtext *why)
{
	json_t *v, *a = json_object_get(cfg, "boot");
	const char *identity = "";
	int64_t per_nic = 0;
	size_t i;
	int r;

	json_array_foreach(a, i, v) {
		if (c->boot.nrules == DHCP_BOOT_MAX || !json_is_string(v))
			break;
		r = dhcp_boot_rule_parse(json_string_value(v),
					 &c->boot.rule[c->boot.nrules++], why);
		if (r)
			return r;
	}
	if ((r = jx_ip4(cfg, "boot_server", &c->boot.server, why)) ||
	    (r = jx_str(cfg, "identity", &identity, why)) ||
	    (r = jx_int(cfg, "per_nic", 0, UINT32_MAX, &per_nic, why)))
		return r;
	c->max_per_nic = (uint32_t)per_nic;
	if (!strcmp(identity, "rfc2131"))
		c->identity = DHCP_IDENTITY_RFC2131;
	return 0;
}

static int read_pools(json_t *cfg, struct dhcp_config *c, struct errtext *why)
{
	json_t *v, *a = json_object_get(cfg, "pools");
	size_t i;
	int r;

	json_array_foreach(a, i, v) {
		if (c->nrelay == DHCP_RELAY_MAX || !json_is_string(v))
			break;
		r = dhcp_range_parse(json_string_value(v),
				     &c->relay[c->nrelay++], why);
		if (r)
			return r;
	}
	return 0;
}

static int read_config(struct worker *w, json_t *cfg, struct dhcp_config *c,
		       struct errtext *why)
{
	const char *domain = "";
	int64_t lease_s = DHCP_LEASE_S;
	int r;

	c->net = w->net;
	c->authoritative = true;
	c->rapid_commit = true;
	if (vswitch_mtu(w->sw) != 1500)
		c->mtu = vswitch_mtu(w->sw);
	if ((r = jx_ip4(cfg, "first", &c->first, why)) ||
	    (r = jx_ip4(cfg, "last", &c->last, why)) ||
	    (r = jx_ip4(cfg, "server", &c->server_ip, why)) ||
	    (r = jx_ip4(cfg, "router", &c->router, why)) ||
	    (r = jx_str(cfg, "domain", &domain, why)) ||
	    (r = jx_int(cfg, "lease_s", 1, DHCP_LEASE_INFINITE, &lease_s,
			why)) ||
	    (r = read_dns(cfg, c, why)) || (r = read_boot(cfg, c, why)) ||
	    (r = read_pools(cfg, c, why)))
		return r;
	c->lease_s = (uint32_t)lease_s;
	snprintf(c->domain, sizeof(c->domain), "%s", domain);
	return 0;
}

int worker_dhcp_config(struct worker *w, json_t *cfg, struct errtext *why)
{
	struct dhcp_config c = {0};
	uint64_t seed[2];
	int r;

	if (!cfg || json_is_null(cfg)) {
		if (w->dhcp)
			nat_service(w->nat, DHCP_SERVER_PORT, NULL, NULL);
		dhcp_server_free(w->dhcp);
		w->dhcp = NULL;
		worker_probe_end(w);
		return 0;
	}
	r = read_config(w, cfg, &c, why);
	if (r)
		return r;
	w->dhcp_cfg = c;
	nat_service_far(w->nat, c.nrelay ? DHCP_SERVER_PORT : 0);
	if (w->dhcp)
		return dhcp_server_configure(w->dhcp, &c, clock_wall_s(), why);
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	r = worker_probe_start(w);
	if (r)
		return r;
	r = dhcp_server_new(&c, &ops, w, seed, &w->dhcp, why);
	if (r)
		worker_probe_end(w);
	else
		r = nat_service(w->nat, DHCP_SERVER_PORT, on_datagram, w);
	return r;
}

void worker_dhcp_fini(struct worker *w)
{
	list_for_each_safe(v, &w->resv, struct wresv, node) {
		list_del(&v->node);
		free(v);
	}
	dhcp_server_free(w->dhcp);
	w->dhcp = NULL;
	worker_probe_end(w);
}
