// SPDX-License-Identifier: GPL-2.0-or-later
/* lease.* and reserve.*: addresses of guests. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/jx.h"
#include "netd/addrs.h"
#include "netd/dhcpset.h"
#include "netd/hostnames.h"
#include "netd/leases.h"
#include "netd/m_int.h"
#include "netd/netctl.h"
#include "netd/nicctl.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/validate.h"

/* ---- leases -------------------------------------------------------------- */

static bool is_ip6(json_t *params, struct ipaddr *ip)
{
	*ip = ipaddr_any;
	(void)jx_ip(params, "address", ip, NULL);
	return !ipaddr_is_zero(ip) && !ipaddr_is4(ip);
}

struct lister {
	struct ctl *ctl;
	struct network *net;
	json_t *list;
	int64_t now;
	bool all; /* those that ended, too */
};

static bool list_one(struct hnode *h, void *arg)
{
	struct lease *l = container_of(h, struct lease, by_ip);
	struct lister *s = arg;

	const char *state = dhcp_state_name(l->conf.state);
	bool runs = lease_runs(&l->conf, s->now);

	if (l->conf.state == DHCP_BOUND && !runs)
		state = dhcp_state_name(DHCP_EXPIRED);
	if (runs || s->all || l->conf.state == DHCP_DECLINED)
		json_array_append_new(s->list, obj_lease(s->ctl, s->net,
							 &l->conf, state));
	return true;
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network");
	struct lister s = {ctl, NULL, NULL, clock_wall_s(),
			   m_bool(params, "all", false)};

	if (!m_only_net(ctl, c, params, "network"))
		return;
	s.list = json_array();
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (n->dying || (net && strcmp(net, n->conf.name)))
			continue;
		s.net = n;
		htab_walk(&n->leases, list_one, &s);
		m_lease6_list(ctl, n, s.list);
	}
	call_result(c, json_pack("{s:o}", "leases", s.list));
}

static void release(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct errtext why = {""};
	struct lease *l;
	struct ipaddr any, ip4;
	uint32_t ip = 0;
	int r;

	if (!n)
		return;
	if (is_ip6(params, &any)) {
		m_lease6_release(ctl, c, n, &any);
		return;
	}
	(void)jx_ip4(params, "address", &ip, NULL);
	leases_flush(ctl->leases);
	l = model_lease_find(n, ip);
	if (!l) {
		call_fail(c, RPC_NOT_FOUND, "network %s has no lease of %s",
			  n->conf.name, m_str(params, "address"));
		return;
	}
	r = store_lease_del(ctl->store, n->conf.id, ip, &why);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	events_emit(&ctl->events, EVENT_LEASE_RELEASED,
		    obj_lease(ctl, n, &l->conf, "released"));
	model_lease_del(n, l);
	ip4 = ipaddr_from4(ip);
	hostnames_ended(ctl, n, &ip4);
	if (n->synced)
		super_request(n->sup, W_LEASE_RELEASE,
			      json_pack("{s:o}", "ip", obj_ip(ip)), NULL, 0,
			      NULL, NULL);
	call_result(c, NULL);
}

/* ---- reservations -------------------------------------------------------- */

static int read_resv(struct ctl *ctl, struct network *n, json_t *params,
		     struct resv_conf *conf, struct errtext *why)
{
	const char *vm = m_str(params, "vm"), *host = m_str(params, "hostname");
	struct nic *nic;

	memset(conf, 0, sizeof(*conf));
	conf->network = n->conf.id;
	conf->nic = (int)m_int(params, "nic", 0);
	(void)jx_ip4(params, "address", &conf->address, NULL);
	if (!vm == !m_str(params, "mac"))
		return errtext_set(why, -EINVAL, "give either vm or mac");
	if ((vm && validate_name("VM name", vm, why)) ||
	    (host && validate_hostname(host, why)))
		return -EINVAL;
	snprintf(conf->hostname, sizeof(conf->hostname), "%s",
		 host ? host : "");
	if (!vm)
		return jx_mac(params, "mac", &conf->mac, why);
	snprintf(conf->vm, sizeof(conf->vm), "%s", vm);
	/* Not attached yet: the MAC it will get unless one is given then; the
	 * reservation follows it anyway (nicctl.c). */
	nic = model_nic_find(&ctl->model, vm, conf->nic);
	conf->mac = nic && nic->net == n
			    ? nic->conf.mac
			    : nicctl_mac(ctl, vm, conf->nic);
	return 0;
}

static int check_free(struct network *n, const struct resv_conf *c,
		      struct errtext *why)
{
	struct lease *l = model_lease_find(n, c->address);
	struct resv *r = model_resv_find(n, c->address);
	char mac[MAC_TEXT], ip[IP4_TEXT];
	unsigned int count = 0;

	ip4_format(c->address, ip);
	if (r && !mac_eq(&r->conf.mac, &c->mac))
		return errtext_set(why, -EEXIST, "%s is reserved for %s", ip,
				   r->conf.vm[0] ? r->conf.vm
						 : mac_format(&r->conf.mac,
							      mac));
	r = model_resv_by_mac(n, &c->mac);
	if (r && r->conf.address != c->address)
		return errtext_set(why, -EEXIST,
				   "%s has %s reserved already",
				   c->vm[0] ? c->vm : mac_format(&c->mac, mac),
				   ip4_format(r->conf.address, ip));
	if (l && lease_runs(&l->conf, clock_wall_s()) &&
	    !mac_eq(&l->conf.mac, &c->mac))
		return errtext_set(why, -EEXIST,
				   "%s is leased to %s; release the lease "
				   "first",
				   ip, mac_format(&l->conf.mac, mac));
	list_for_each(o, &n->resvs, struct resv, node)
		count++;
	return count >= MODEL_RESVS_MAX
		       ? errtext_set(why, -E2BIG,
				     "network %s has %d reservations already",
				     n->conf.name, MODEL_RESVS_MAX)
		       : 0;
}

static void reserve_add(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct errtext why = {""};
	struct resv_conf conf;
	struct ipaddr ip;
	int r;

	if (!n)
		return;
	if (is_ip6(params, &ip)) {
		m_reserve6_add(ctl, c, n, params, &ip);
		return;
	}
	r = read_resv(ctl, n, params, &conf, &why);
	if (!r)
		r = resv_conf_check(&conf, &n->conf, &why);
	if (!r && !ip4_in_net(conf.address, &n->conf.subnet))
		r = dhcpset_resv_check(n, conf.address, &why);
	if (!r)
		r = check_free(n, &conf, &why);
	if (!r)
		r = store_resv_put(ctl->store, &conf, &why);
	if (!r)
		r = model_resv_put(n, &conf);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	netctl_push_mac(n, &conf.mac);
	call_result(c, obj_resv(n, model_resv_find(n, conf.address)));
}

static struct resv *find_resv(struct call *c, struct network *n, json_t *params)
{
	struct mac mac = {{0}};
	struct resv *r = NULL;
	uint32_t ip = 0;

	(void)jx_ip4(params, "address", &ip, NULL);
	(void)jx_mac(params, "mac", &mac, NULL);
	if (!ip && mac_is_zero(&mac)) {
		call_fail(c, RPC_BAD_PARAMS, "give \"address\" or \"mac\"");
		return NULL;
	}
	r = ip ? model_resv_find(n, ip) : model_resv_by_mac(n, &mac);
	if (!r)
		call_fail(c, RPC_NOT_FOUND,
			  "network %s has no such reservation", n->conf.name);
	return r;
}

static void reserve_del(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct errtext why = {""};
	struct ipaddr ip;
	struct resv *v;
	struct mac mac;
	int r;

	if (n && is_ip6(params, &ip)) {
		m_reserve6_del(ctl, c, n, &ip);
		return;
	}
	v = n ? find_resv(c, n, params) : NULL;
	if (!v)
		return;
	r = store_resv_del(ctl->store, n->conf.id, v->conf.address, &why);
	if (r) {
		call_fail_why(c, r, &why);
		return;
	}
	mac = v->conf.mac;
	model_resv_del(n, v);
	netctl_push_mac(n, &mac);
	call_result(c, NULL);
}

static void reserve_list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network");
	json_t *a;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	a = json_array();
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (n->dying || (net && strcmp(net, n->conf.name)))
			continue;
		list_for_each(r, &n->resvs, struct resv, node)
			json_array_append_new(a, obj_resv(n, r));
		list_for_each(v, &n->resvs6, struct resv6, node)
			json_array_append_new(a, obj_resv6(n, v));
	}
	call_result(c, json_pack("{s:o}", "reservations", a));
}

#define P_NETWORK {"network", P_STR, true, 0, 0, NULL, "its name"}
#define P_ONLY	  {"network", P_STR, false, 0, 0, NULL, "only those of it"}

static const struct param p_list[] = {P_ONLY, {NULL}};
static const struct param p_leases[] = {
	P_ONLY,
	{"all", P_BOOL, false, 0, 0, NULL, "those that ended, too"},
	{NULL},
};
static const struct param p_release[] = {
	P_NETWORK,
	{"address", P_IP, true, 0, 0, NULL,
	 "that is leased, or a delegated prefix's"},
	{NULL},
};
static const struct param p_add[] = {
	P_NETWORK,
	{"address", P_IP, true, 0, 0, NULL,
	 "in the network's subnet of either family, or in a pool for relays"},
	{"mac", P_MAC, false, 0, 0, NULL, "for this MAC; or:"},
	{"vm", P_STR, false, 0, 0, NULL, "for this VM, attached or not yet"},
	{"nic", P_INT, false, 0, CONF_NIC_INDEX, NULL, "which NIC of the VM"},
	{"hostname", P_STR, false, 0, 0, NULL, "told by DHCP and DNS"},
	{NULL},
};
static const struct param p_del[] = {
	P_NETWORK,
	{"address", P_IP, false, 0, 0, NULL, "reserved address; or:"},
	{"mac", P_MAC, false, 0, 0, NULL, "whose IPv4 address it is"},
	{NULL},
};

const struct method m_lease[] = {
	{"lease.list", RIGHT_READ,
	 "DHCP leases that run, and addresses that are put aside because somebody "
	 "else was found to use them (declined).",
	 p_leases,
	 "{leases:[{network,address,mac,client_id,hostname,vm,nic,expires,"
	 "state:bound|declined|released|expired|reserved,name,iaid,prefix,via}]} "
	 "(hostname: what the guest calls itself; name: what the network's DNS "
	 "calls it; iaid, prefix, via: DHCPv6 only)",
	 list},
	{"lease.release", RIGHT_ADMIN,
	 "Forget a lease; the guest keeps the address until it asks again.",
	 p_release, "{}", release},
	{"reserve.add", RIGHT_ADMIN, "Keep an address for one NIC.", p_add,
	 "{network,mac,address,hostname,vm,nic}", reserve_add},
	{"reserve.del", RIGHT_ADMIN, "Give a reserved address back.", p_del,
	 "{}", reserve_del},
	{"reserve.list", RIGHT_READ, "Reservations.", p_list,
	 "{reservations:[{network,mac,address,hostname,vm,nic}]}",
	 reserve_list},
	{NULL},
};
