// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * W_NET: builds the network's switch and gateway the first time, takes over what
 * may change live the next times.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/jx.h"
#include "lib/log.h"
#include "netd/natconf.h"
#include "netd/vanish.h"
#include "netd/worker_int.h"

/* The gateway's part of W_NET. */
struct gw_plan {
	struct nat_config cfg;
	struct ip4_net deny[NAT_DENY_MAX];
	struct ip6_net deny6[NAT_DENY_MAX];
	struct nat_upstream up[NAT_UPSTREAM_MAX];
	size_t nup;
	struct nat_allow allow[NAT_ALLOW_MAX];
	struct ipaddr self[NAT_SELF_MAX];
	struct nat_access access;
};

static int read_deny(json_t *body, struct gw_plan *g, struct errtext *why)
{
	json_t *v, *a = json_object_get(body, "deny");
	size_t i;

	json_array_foreach(a, i, v) {
		const char *s = json_string_value(v);

		if (g->cfg.ndeny == NAT_DENY_MAX)
			return errtext_set(why, -E2BIG, "too many denied nets");
		if (!s || ip4_net_parse(s, &g->deny[g->cfg.ndeny], NULL))
			return errtext_set(why, -EINVAL, "bad denied net");
		g->cfg.ndeny++;
	}
	g->cfg.deny = g->deny;
	return 0;
}

/* "192.0.2.53", "fe80::1%3". */
static bool read_upstream(const char *s, struct nat_upstream *up)
{
	const char *zone = s ? strchr(s, '%') : NULL;
	char ip[IP_TEXT];

	if (!s || snprintf(ip, sizeof(ip), "%.*s",
			   zone ? (int)(zone - s) : (int)sizeof(ip), s) >=
			  (int)sizeof(ip))
		return false;
	up->scope = zone ? (uint32_t)strtoul(zone + 1, NULL, 10) : 0;
	return !ipaddr_parse(ip, &up->ip);
}

static int read_deny6(json_t *o, const char *key, struct gw_plan *g,
		      struct errtext *why)
{
	json_t *v, *a = json_object_get(o, key);
	size_t i;

	json_array_foreach(a, i, v) {
		const char *s = json_string_value(v);

		if (g->cfg.ndeny6 == NAT_DENY_MAX)
			return errtext_set(why, -E2BIG, "too many denied nets");
		if (!s || ip6_net_parse(s, &g->deny6[g->cfg.ndeny6], NULL))
			return errtext_set(why, -EINVAL, "bad denied net");
		g->cfg.ndeny6++;
	}
	g->cfg.deny6 = g->deny6;
	return 0;
}

/* null: a network without IPv6. */
static int read_ip6(json_t *body, struct gw_plan *g, struct errtext *why)
{
	json_t *o = json_object_get(body, "ip6");
	struct nat_config *c = &g->cfg;
	int r;

	if (!json_is_object(o))
		return 0;
	if ((r = jx_net6(o, "subnet", &c->net6, why)) ||
	    (r = jx_ip(o, "gateway", &c->ip6, why)) ||
	    (r = jx_ip(o, "dns", &c->dns_ip6, why)) ||
	    (r = jx_ip(o, "host_ip", &c->host_ip6, why)))
		return r;
	return read_deny6(o, "deny", g, why);
}

static void read_upstreams(json_t *body, struct gw_plan *g)
{
	json_t *v, *a = json_object_get(body, "upstreams");
	size_t i;

	json_array_foreach(a, i, v) {
		if (g->nup < NAT_UPSTREAM_MAX &&
		    read_upstream(json_string_value(v), &g->up[g->nup]))
			g->nup++;
	}
}

static int read_access(json_t *body, enum nat_host_access *out,
		       struct errtext *why)
{
	const char *s = "address";
	int r = jx_str(body, "host_access", &s, why);

	if (r)
		return r;
	if (!strcmp(s, "off"))
		*out = NAT_HOST_OFF;
	else if (!strcmp(s, "loopback"))
		*out = NAT_HOST_LOOPBACK;
	else
		*out = NAT_HOST_ADDRESS;
	return 0;
}

static int read_policy(json_t *body, struct gw_plan *g, struct errtext *why)
{
	const char *allow = "", *filter = "address-and-port-dependent";
	json_t *v, *self = json_object_get(body, "self");
	struct nat_access *a = &g->access;
	size_t i;
	int r;

	if ((r = jx_str(body, "host_allow", &allow, why)) ||
	    (r = jx_str(body, "udp_filter", &filter, why)) ||
	    (r = natconf_filter_parse(filter, &g->cfg.udp_filter)) ||
	    (r = natconf_allow_parse(allow, g->allow, why)) < 0)
		return r;
	json_array_foreach(self, i, v) {
		const char *s = json_string_value(v);

		if (a->nself < NAT_SELF_MAX && s &&
		    !ipaddr_parse(s, &g->self[a->nself]))
			a->nself++;
	}
	a->mode = g->cfg.host_access;
	a->allow = g->allow;
	a->nallow = (size_t)r;
	a->self = g->self;
	return 0;
}

static int read_gateway(json_t *body, struct gw_plan *g, struct mac *router,
			struct errtext *why)
{
	struct nat_config *c = &g->cfg;
	int r;

	if ((r = jx_mac(body, "mac", &c->mac, why)) ||
	    (r = jx_ip4(body, "gateway", &c->ip, why)) ||
	    (r = jx_ip4(body, "dns", &c->dns_ip, why)) ||
	    (r = jx_net4(body, "subnet", &c->net, why)) ||
	    (r = jx_bool(body, "nat", &c->nat, why)) ||
	    (r = jx_mac(body, "router_mac", router, why)) ||
	    (r = jx_ip4(body, "host_ip", &c->host_ip, why)) ||
	    (r = jx_str(body, "domain", &c->domain, why)) ||
	    (r = read_access(body, &c->host_access, why)) ||
	    (r = read_policy(body, g, why)) ||
	    (r = read_ip6(body, g, why)))
		return r;
	c->resolver = !mac_is_zero(router);
	read_upstreams(body, g);
	return read_deny(body, g, why);
}

static int make_switch(struct worker *w, uint16_t mtu)
{
	struct vswitch_config cfg = {.mtu = mtu};

	if (getrandom(cfg.seed, sizeof(cfg.seed), 0) != sizeof(cfg.seed))
		return -errno;
	w->sw = vswitch_new(&cfg);
	if (!w->sw)
		return -ENOMEM;
	vswitch_on_seen(w->sw, worker_nic_seen, w);
	vswitch_on_rogue(w->sw, worker_nic_rogue, w);
	vswitch_on_guard(w->sw, worker_guard_told, w);
	return 0;
}

/* The raw sockets of W_NET by their names; taken from the message. */
static int take_raw(json_t *body, struct chan_msg *m, const char *name)
{
	json_t *v, *names = json_object_get(body, "fds");
	size_t i;
	int fd;

	json_array_foreach(names, i, v) {
		const char *s = json_string_value(v);

		if (i >= m->nfd || !s || strcmp(s, name))
			continue;
		fd = m->fd[i];
		m->fd[i] = -1;
		return fd;
	}
	return -1;
}

/* Advertisements and DHCPv6 agree on the mode. */
static int config6(struct worker *w, struct gw_plan *g, json_t *body,
		   struct errtext *why)
{
	static const char *const modes[] = {
		[RA_SLAAC] = "slaac",
		[RA_STATELESS] = "stateless",
		[RA_STATEFUL] = "stateful",
		[RA_OFF] = "off",
	};
	json_t *ip6 = json_object_get(body, "ip6");
	const char *s = modes[RA_SLAAC];
	unsigned int m = RA_SLAAC;
	int r = json_is_object(ip6) ? jx_str(ip6, "mode", &s, why) : 0;

	while (m < RA_OFF && strcmp(modes[m], s))
		m++;
	if (!r)
		r = worker_ra_config(w, &g->cfg, (enum ra_mode)m, why);
	return r ? r
		 : worker_dhcp6_config(w, &g->cfg, ip6, (enum ra_mode)m, why);
}

/* First W_NET: everything is made. */
static int build(struct worker *w, json_t *body, struct gw_plan *g,
		 struct chan_msg *m, struct errtext *why)
{
	bool services = false;
	int64_t mtu = 1500;
	int r;

	if ((r = jx_int(body, "mtu", VSWITCH_MTU_MIN, VSWITCH_MTU_MAX, &mtu,
			why)) ||
	    (r = jx_bool(body, "services", &services, why)) ||
	    (r = make_switch(w, (uint16_t)mtu)) || !services)
		return r;
	w->net = g->cfg.net;
	w->net6 = g->cfg.net6;
	g->cfg.mtu = (uint16_t)mtu;
	g->cfg.icmp_raw_fd = take_raw(body, m, "icmp");
	g->cfg.resolve = worker_nic_resolve;
	g->cfg.resolve_arg = w;
	r = nat_new(w->base, w->sw, &g->cfg, &w->nat, why);
	if (r) {
		vswitch_free(w->sw);
		w->sw = NULL;
		return r;
	}
	worker_limits(w);
	nat_dns_upstreams(w->nat, g->up, g->nup);
	r = nat_set_icmp6_raw(w->nat, take_raw(body, m, "icmp6"));
	if (!r)
		r = nat_set_access(w->nat, &g->access);
	if (!r)
		r = config6(w, g, body, why);
	if (!r)
		r = worker_tftp_config(
			w, &g->cfg, json_is_true(json_object_get(body, "tftp")));
	return r ? r
		 : worker_dhcp_config(w, json_object_get(body, "dhcp"), why);
}

/* Later W_NETs: what may change while frames flow. */
static int change(struct worker *w, json_t *body, struct gw_plan *g,
		  struct errtext *why)
{
	int r;

	if (!w->nat)
		return 0;
	nat_set_host_ip(w->nat, g->cfg.host_ip);
	nat_set_host_ip6(w->nat, &g->cfg.host_ip6);
	nat_dns_upstreams(w->nat, g->up, g->nup);
	nat_set_filter(w->nat, g->cfg.udp_filter);
	(void)nat_set_domain(w->nat, g->cfg.domain); /* control judged it */
	worker_ra_domain(w, g->cfg.domain);
	r = nat_set_deny(w->nat, g->deny, g->cfg.ndeny);
	if (!r)
		r = nat_set_deny6(w->nat, g->deny6, g->cfg.ndeny6);
	if (!r)
		r = nat_set_access(w->nat, &g->access);
	if (!r)
		r = worker_tftp_config(
			w, &g->cfg, json_is_true(json_object_get(body, "tftp")));
	if (r)
		return r;
	r = config6(w, g, body, why);
	return r ? r
		 : worker_dhcp_config(w, json_object_get(body, "dhcp"), why);
}

/* Guests play no server beside ours; where we do not serve, they may. */
static void forbid(struct worker *w)
{
	vswitch_forbid(w->sw, (w->dhcp ? ROGUE_DHCP4 : 0u) |
				      (w->ra_on && w->ra.cfg.mode != RA_OFF
					       ? ROGUE_RA | ROGUE_DHCP6
					       : 0u));
}

/* A spare worker gets its network, and its name where the system shows it. */
static int become(struct worker *w, json_t *body, struct errtext *why)
{
	const char *name = NULL;
	int r;

	if (!w->title)
		return 0;
	r = jx_str(body, "name", &name, why);
	if (r || !name)
		return r ? r : errtext_set(why, -EINVAL, "no name");
	snprintf(w->name, sizeof(w->name), "%s", name);
	memset(w->title, 0, w->title_cap);
	snprintf(w->title, w->title_cap, "%s", name);
	w->title = NULL;
	return 0;
}

int worker_net(struct worker *w, json_t *body, struct chan_msg *m,
	       struct errtext *why)
{
	struct gw_plan g = {.cfg.icmp_raw_fd = -1};
	const char *level = "info";
	int lvl, r;

	if ((r = become(w, body, why)) ||
	    (r = jx_str(body, "log_level", &level, why)) ||
	    (r = read_gateway(body, &g, &w->router, why)))
		return r;
	lvl = log_level_parse(level);
	if (lvl >= 0)
		log_setup(w->name, (enum log_level)lvl);
	r = w->sw ? change(w, body, &g, why) : build(w, body, &g, m, why);
	if (w->sw) {
		worker_nic_host_ips(w, body);
		forbid(w);
		worker_guard_net(w, &g.cfg);
	}
	return r;
}

int worker_deny(struct worker *w, json_t *body, struct errtext *why)
{
	struct gw_plan g = {.cfg.icmp_raw_fd = -1};
	int r = read_deny(body, &g, why);

	if (!r)
		r = read_deny6(body, "deny6", &g, why);
	if (!r && w->nat)
		r = nat_set_deny(w->nat, g.deny, g.cfg.ndeny);
	if (!r && w->nat)
		r = nat_set_deny6(w->nat, g.deny6, g.cfg.ndeny6);
	return r;
}

int worker_address_gone(struct worker *w, json_t *body, struct errtext *why)
{
	json_t *v, *a = json_object_get(body, "ips");
	struct ipaddr ip[VANISH_MAX];
	size_t i, n = 0;

	json_array_foreach(a, i, v) {
		const char *s = json_string_value(v);

		if (n == VANISH_MAX)
			return errtext_set(why, -E2BIG, "too many addresses");
		if (!s || ipaddr_parse(s, &ip[n++]))
			return errtext_set(why, -EINVAL, "bad address");
	}
	if (w->nat && n)
		nat_address_gone(w->nat, ip, n);
	return 0;
}

void worker_net_fini(struct worker *w)
{
	worker_dhcp_fini(w);
	worker_dhcp6_fini(w);
	worker_tftp_fini(w);
	nat_free(w->nat);
	w->nat = NULL;
	vswitch_free(w->sw);
	w->sw = NULL;
}
