// SPDX-License-Identifier: GPL-2.0-or-later
/* What network.set changes of a definition; doing it is netctl.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/guardconf.h"
#include "netd/ip6conf.h"
#include "netd/m_int.h"
#include "netd/netctl.h"
#include "netd/tftpctl.h"
#include "netd/uplinkconf.h"

struct natconf_spec m_nat_spec(json_t *params)
{
	return (struct natconf_spec){
		.access = m_str(params, "host_access"),
		.host_allow = m_str(params, "host_allow"),
		.udp_filter = m_str(params, "udp_filter"),
	};
}

/* Forwards would lead to addresses that no guest can have any more. */
static int forwards_allow(const struct network *n, const struct net_conf *conf,
			  struct errtext *why)
{
	char ip[IP_TEXT];

	list_for_each(f, &n->fwds, struct forward, node) {
		const struct ipaddr *to = &f->conf.to_address;

		if (!ipaddr_is_zero(to) && !ipaddr_is4(to) &&
		    net_guest_ip6(conf, to, NULL))
			return errtext_set(why, -EBUSY,
					   "its forward of port %u leads to %s, "
					   "which such a guest cannot have",
					   (unsigned int)f->conf.port,
					   ipaddr_format(to, ip));
	}
	return 0;
}

/* Nor would reservations be anybody's. */
static int reservations_allow(const struct network *n,
			      const struct net_conf *conf, struct errtext *why)
{
	char ip[IP_TEXT], mac[MAC_TEXT];

	list_for_each(r, &n->resvs6, struct resv6, node) {
		if (!net_guest_ip6(conf, &r->conf.address, NULL))
			continue;
		ipaddr_format(&r->conf.address, ip);
		return errtext_set(why, -EBUSY,
				   "%s is reserved for %s and lies outside; "
				   "vnet reserve del %s %s comes first",
				   ip,
				   r->conf.vm[0]
					   ? r->conf.vm
					   : mac_format(&r->conf.mac, mac),
				   n->conf.name, ip);
	}
	return 0;
}

static int set_subnet6(struct ctl *ctl, const struct network *n, json_t *params,
		       struct net_conf *conf, struct errtext *why)
{
	struct net_spec spec = {.subnet6 = m_str(params, "subnet6"),
				.ula = &ctl->ula};
	struct net_used *used;
	size_t nused;
	int r;

	if (!spec.subnet6)
		return 0;
	/* One of the installation's own is kept. */
	if (!strcmp(spec.subnet6, "auto") && conf->subnet6.plen &&
	    ctl->ula.plen && ip6_net_overlap(&conf->subnet6, &ctl->ula))
		return 0;
	nused = netctl_used(ctl, n, &used);
	r = net_subnet6_make(&spec, used, nused, conf, why);
	free(used);
	if (!r)
		r = forwards_allow(n, conf, why);
	return r ? r : reservations_allow(n, conf, why);
}

static int set_ipv6(struct ctl *ctl, const struct network *n, json_t *params,
		    struct net_conf *conf, struct errtext *why)
{
	const struct ip6conf_spec spec = {m_str(params, "ipv6"),
					  m_str(params, "prefix_pool"),
					  &ctl->ula};
	struct net_used *used;
	size_t nused = netctl_used(ctl, n, &used);
	int r = ip6conf_apply(conf, &spec, used, nused, why);

	free(used);
	return r;
}

static int set_tftp(json_t *params, struct net_conf *conf, struct errtext *why)
{
	const char *dir = m_str(params, "tftp");
	int r = 0;

	if (!dir)
		return 0;
	if (!strcmp(dir, "off"))
		dir = "";
	else
		r = tftpctl_check(dir, why);
	if (!r)
		snprintf(conf->tftp, sizeof(conf->tftp), "%s", dir);
	return r ? r : net_conf_check(conf, why);
}

static int set_domain(json_t *params, struct net_conf *conf, struct errtext *why)
{
	const char *s = m_str(params, "domain");
	int r = s ? validate_domain(s, why) : 0;

	if (s && !r)
		snprintf(conf->domain, sizeof(conf->domain), "%s", s);
	return r;
}

int m_guard_read(const struct network *n, json_t *params,
		 struct net_conf *conf, struct errtext *why)
{
	int r = guardconf_read(params, false, &conf->guard, why);

	if (!r)
		r = guardconf_check_net(conf, why);
	if (r || !n)
		return r;
	list_for_each(nic, &n->nics, struct nic, node) {
		r = guardconf_check(&nic->conf.guard, conf, why);
		if (r)
			return errtext_prefix(why, r, "nic %s-%d",
					      nic->conf.vm, nic->conf.index);
	}
	return 0;
}

int m_netset_read(struct ctl *ctl, const struct network *n, json_t *params,
		  struct net_conf *conf, struct errtext *why)
{
	struct natconf_spec spec = m_nat_spec(params);
	struct uplinkconf_spec up = {.mode = m_str(params, "uplink_mode"),
				     .mac_nat = m_str(params, "mac_nat")};
	int r;

	conf->lease_s = (uint32_t)m_int(params, "lease_s", conf->lease_s);
	r = natconf_apply(conf, &spec, why);
	if (!r)
		r = set_subnet6(ctl, n, params, conf, why);
	if (!r)
		r = set_ipv6(ctl, n, params, conf, why);
	if (!r)
		r = set_tftp(params, conf, why);
	if (!r)
		r = set_domain(params, conf, why);
	if (!r)
		r = uplinkconf_apply(conf, &up, why);
	return r ? r : m_guard_read(n, params, conf, why);
}
