// SPDX-License-Identifier: GPL-2.0-or-later
/* network.*: definitions and their life. What they do is netctl.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/guardconf.h"
#include "netd/hostaddr.h"
#include "netd/kguardctl.h"
#include "netd/knet.h"
#include "netd/knetctl.h"
#include "netd/kstats.h"
#include "netd/m_int.h"
#include "netd/netctl.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/tftpctl.h"
#include "netd/wmsg.h"

/* ---- waiting for a network ----------------------------------------------- */

struct net_wait {
	struct ctl *ctl;
	struct call *call;
	int64_t id;
	bool tolerant; /* a failed start is shown in the object, not an error */
};

static struct net_wait *wait_new(struct ctl *ctl, struct call *c,
				 struct network *n, bool tolerant)
{
	struct net_wait *w = calloc(1, sizeof(*w));

	if (!w) {
		call_fail(c, RPC_INTERNAL, "no memory");
		return NULL;
	}
	*w = (struct net_wait){ctl, c, n->conf.id, tolerant};
	return w;
}

static void wait_done(void *arg, bool ok, const char *reason)
{
	struct net_wait *w = arg;
	struct network *n = model_net_by_id(&w->ctl->model, w->id);

	if (!n)
		call_fail(w->call, RPC_NOT_FOUND, "the network was undefined");
	else if (ok || w->tolerant)
		call_result(w->call, obj_network(n));
	else
		call_fail(w->call, RPC_REFUSED, "network %s: %s", n->conf.name,
			  reason);
	free(w);
}

static void undefined(void *arg, bool ok, const char *reason)
{
	(void)ok;
	(void)reason;
	call_result(arg, NULL);
}

static void start(struct ctl *ctl, struct call *c, struct network *n,
		  bool tolerant)
{
	struct net_wait *w = wait_new(ctl, c, n, tolerant);
	struct errtext why = {""};
	int r;

	if (!w)
		return;
	r = netctl_start(ctl, n, wait_done, w, &why);
	if (r) {
		call_fail_why(c, r, &why);
		free(w);
	}
}

/* ---- define -------------------------------------------------------------- */

static bool refuse_mode(struct ctl *ctl, struct call *c,
			const struct net_spec *spec)
{
	if (priv_is_root(ctl->priv))
		return false;
	if (spec->datapath == DATAPATH_KERNEL) {
		call_fail(c, RPC_REFUSED,
			  "datapath kernel needs vnetd to run as root: bridges "
			  "and packet filters are the host's; datapath user "
			  "works here");
		return true;
	}
	if (spec->mode == NET_BRIDGED || spec->mode == NET_HOSTONLY) {
		call_fail(c, RPC_REFUSED,
			  "%s networks need vnetd to run as root: an ordinary "
			  "user may not %s; nat and internal work here",
			  net_mode_name(spec->mode),
			  spec->mode == NET_BRIDGED
				  ? "bridge an interface"
				  : "give the host an adapter");
		return true;
	}
	return false;
}

/* The default route's interface; behind a bridge of ours, its uplink. */
static const char *default_uplink(struct ctl *ctl)
{
	const char *dev = hostaddr_default_dev(ctl->host);
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];

	list_for_each(n, &ctl->model.nets, struct network, node) {
		knet_uplink_names(n->conf.name, bridge, tap);
		if (n->bridge_in && !strcmp(bridge, dev))
			return n->conf.uplink;
	}
	return dev;
}

static int read_spec(struct ctl *ctl, json_t *params, struct net_spec *spec,
		     struct ip4_net *subnet, struct errtext *why)
{
	spec->name = m_str(params, "name");
	spec->subnet6 = m_str(params, "subnet6");
	spec->ipv6 = m_str(params, "ipv6");
	spec->prefix_pool = m_str(params, "prefix_pool");
	spec->ula = &ctl->ula;
	spec->dhcp = m_str(params, "dhcp");
	spec->uplink.uplink = m_str(params, "uplink");
	spec->uplink.mode = m_str(params, "uplink_mode");
	spec->uplink.mac_nat = m_str(params, "mac_nat");
	spec->nat = m_nat_spec(params);
	spec->domain = m_str(params, "domain");
	spec->mtu = (uint16_t)m_int(params, "mtu", 0);
	spec->lease_s = (uint32_t)m_int(params, "lease_s", 0);
	spec->tftp = m_str(params, "tftp");
	if (spec->tftp && !strcmp(spec->tftp, "off"))
		spec->tftp = NULL;
	if (spec->tftp && tftpctl_check(spec->tftp, why))
		return -EINVAL;
	spec->autostart = m_bool(params, "autostart", true);
	if (m_str(params, "subnet") && !jx_net4(params, "subnet", subnet, NULL))
		spec->subnet = subnet;
	if (spec->mode == NET_BRIDGED && !spec->uplink.uplink && ctl->host) {
		spec->uplink.uplink = default_uplink(ctl);
		if (!spec->uplink.uplink[0])
			return errtext_set(why, -EINVAL,
					   "this host has no default route to "
					   "take the uplink from; name one");
	}
	return 0;
}

/* Locally administered; the host part of the address makes it recognisable. */
static struct mac service_mac(uint32_t ip)
{
	return (struct mac){{0x52, 0x55, (uint8_t)(ip >> 24),
			     (uint8_t)(ip >> 16), (uint8_t)(ip >> 8),
			     (uint8_t)ip}};
}

static void define(struct ctl *ctl, struct call *c, json_t *params)
{
	struct net_spec spec = {0};
	struct optset set = {.n = 0};
	struct errtext why = {""};
	struct net_used *used;
	struct net_conf conf;
	struct ip4_net subnet;
	struct network *n = NULL;
	size_t nused;
	int r;

	(void)net_mode_parse(m_str(params, "mode"), &spec.mode);
	if (m_str(params, "datapath"))
		(void)net_datapath_parse(m_str(params, "datapath"),
					 &spec.datapath);
	if (refuse_mode(ctl, c, &spec))
		return;
	if (model_net_find(&ctl->model, m_str(params, "name"))) {
		call_fail(c, RPC_EXISTS, "network %s exists already",
			  m_str(params, "name"));
		return;
	}
	nused = netctl_used(ctl, NULL, &used);
	r = read_spec(ctl, params, &spec, &subnet, &why);
	if (!r)
		r = optset_read(&set, json_object_get(params, "options"), NULL,
				&why);
	if (!r)
		r = net_conf_make(&spec, used, nused, &conf, &why);
	free(used);
	if (!r) {
		if (conf.service_ip)
			conf.mac = service_mac(conf.service_ip);
		r = m_guard_read(NULL, params, &conf, &why);
	}
	if (!r)
		n = netctl_define(ctl, &conf, &set, &r, &why);
	optset_free(&set);
	if (!n) {
		errtext_prefix(&why, r, "network %s", spec.name);
		call_fail_why(c, r, &why);
		return;
	}
	if (m_bool(params, "start", true))
		start(ctl, c, n, true);
	else
		call_result(c, obj_network(n));
}

/* ---- the rest ------------------------------------------------------------ */

static void undefine(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");
	struct errtext why = {""};
	int r;

	if (!n)
		return;
	if (!list_empty(&n->nics) && !m_bool(params, "force", false)) {
		struct nic *nic = list_first(&n->nics, struct nic, node);

		call_fail(c, RPC_REFUSED,
			  "network %s has NICs attached (VM %s); detach them "
			  "or use force",
			  n->conf.name, nic->conf.vm);
		return;
	}
	r = netctl_undefine(ctl, n, undefined, c, &why);
	if (r)
		call_fail_why(c, r, &why);
}

static void start_method(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");

	if (n)
		start(ctl, c, n, false);
}

static void stop_method(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");
	struct net_wait *w = n ? wait_new(ctl, c, n, true) : NULL;
	struct errtext why = {""};
	int r;

	if (!w)
		return;
	r = netctl_stop(ctl, n, wait_done, w, &why);
	if (r) {
		call_fail_why(c, r, &why);
		free(w);
	}
}

static void autostart(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");
	struct errtext why = {""};
	int r;

	if (!n)
		return;
	r = netctl_autostart(ctl, n, m_bool(params, "on", true), &why);
	if (r)
		call_fail_why(c, r, &why);
	else
		call_result(c, obj_network(n));
}

static void set_method(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");
	struct net_wait *w = n ? wait_new(ctl, c, n, true) : NULL;
	struct optset set = {.n = 0};
	struct errtext why = {""};
	struct net_conf conf;
	int r;

	if (!w)
		return;
	conf = n->conf;
	r = m_netset_read(ctl, n, params, &conf, &why);
	if (!r)
		r = optset_read(&set, json_object_get(params, "options"), NULL,
				&why);
	if (!r)
		r = netctl_set(ctl, n, &conf, &set, wait_done, w, &why);
	optset_free(&set);
	if (r) {
		free(w);
		errtext_prefix(&why, r, "network %s", n->conf.name);
		call_fail_why(c, r, &why);
	}
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	json_t *a = json_array();

	(void)params;
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (!n->dying)
			json_array_append_new(a, obj_network(n));
	call_result(c, json_pack("{s:o}", "networks", a));
}

/* The worker's numbers beside a NIC or of the gateway, but for those that say who it
 * is. The worker is not trusted: only integers. */
static json_t *numbers(json_t *from)
{
	json_t *o = json_object(), *drops = json_object(), *v;
	const char *k;

	json_object_foreach(from, k, v)
		if (json_is_integer(v) && strlen(k) < 32 && strcmp(k, "nic"))
			json_object_set(o, k, v);
	json_object_foreach(json_object_get(from, "drops"), k, v)
		if (json_is_integer(v) && strlen(k) < 32)
			json_object_set(drops, k, v);
	json_object_set_new(o, "drops", drops);
	return o;
}

/* The gateway's numbers, and below their names those of the network's servers; NULL when
 * there is no gateway. */
static json_t *counters_of(json_t *status)
{
	static const char *const servers[] = {"dhcp", "dhcp6", "tftp"};
	json_t *gw = json_object_get(status, "gateway");
	json_t *o = gw ? numbers(gw) : NULL;

	for (size_t i = 0; o && i < ARRAY_LEN(servers); i++) {
		json_t *v = json_object_get(status, servers[i]);

		if (json_is_object(v))
			json_object_set_new(o, servers[i], numbers(v));
	}
	return o;
}

/* All flows of the gateway's now; null when there is none. */
static json_t *flows_of(json_t *counters)
{
	static const char *const kinds[] = {"tcp_flows", "udp_flows",
					    "icmp_flows"};
	json_int_t n = 0;

	if (!counters)
		return json_null();
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		n += json_integer_value(json_object_get(counters, kinds[i]));
	return json_integer(n);
}

/* What a NIC has of the gateway. */
static json_t *nic_flows(json_t *a)
{
	static const char *const keys[] = {"tcp",     "opening", "udp",
					   "clients", "icmp",	 "dns",
					   "evicted", "refused"};
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		json_t *v = json_array_get(a, i);

		json_object_set_new(o, keys[i],
				    json_integer(json_integer_value(v)));
	}
	return o;
}

static json_t *stats_of(json_t *status, int64_t id)
{
	json_t *v, *s, *a = json_object_get(status, "nics");
	size_t i;

	json_array_foreach(a, i, v) {
		if (json_integer_value(json_object_get(v, "nic")) != id)
			continue;
		s = numbers(v);
		json_object_set_new(s, "flows",
				    nic_flows(json_object_get(v, "flows")));
		return s;
	}
	return NULL;
}

/* What the kernel kept the guest of a TAP from, beside what the worker did; @s may be
 * NULL. */
static json_t *with_drops(json_t *s, json_t *ports, const struct nic *nic)
{
	json_t *v, *drops, *more = json_object_get(ports, nic->conf.ifname);
	const char *k;

	if (!more || !knetctl_has_port(nic))
		return s;
	if (!s)
		s = json_pack("{s:{}}", "drops");
	drops = json_object_get(s, "drops");
	json_object_foreach(more, k, v)
		json_object_set_new(
			drops, k,
			json_integer(json_integer_value(v) +
				     json_integer_value(
					     json_object_get(drops, k))));
	return s;
}

static json_t *show_object(struct ctl *ctl, struct network *n, json_t *status)
{
	json_t *o = obj_network(n), *nics = json_array(), *fwds = json_array();
	json_t *counters = counters_of(status), *fdb;
	json_t *ports = kguardctl_drops(n);

	list_for_each(nic, &n->nics, struct nic, node) {
		json_t *e = obj_nic(ctl, nic);
		json_t *s = with_drops(stats_of(status, nic->conf.id), ports,
				       nic);

		if (s)
			json_object_set_new(e, "stats", s);
		json_array_append_new(nics, e);
	}
	json_decref(ports);
	list_for_each(f, &n->fwds, struct forward, node)
		json_array_append_new(fwds, obj_forward(f));
	kstats_put(n, nics);
	json_object_set_new(o, "nics", nics);
	json_object_set_new(o, "forwards", fwds);
	json_object_set_new(o, "leases", json_integer(n->leases.count));
	fdb = json_object_get(status, "fdb");
	json_object_set_new(o, "fdb", fdb ? wmsg_fdb(fdb) : json_null());
	json_object_set_new(o, "flows", flows_of(counters));
	json_object_set_new(o, "counters", counters ? counters : json_null());
	return o;
}

static void shown(void *arg, int err, json_t *result, const char *why)
{
	struct net_wait *w = arg;
	struct network *n = model_net_by_id(&w->ctl->model, w->id);

	(void)why;
	if (!n)
		call_fail(w->call, RPC_NOT_FOUND, "the network was undefined");
	else
		call_result(w->call, show_object(w->ctl, n, err ? NULL : result));
	free(w);
}

static void show(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");
	struct net_wait *w = n ? wait_new(ctl, c, n, true) : NULL;

	if (!w)
		return;
	if (n->synced)
		super_request(n->sup, W_STATUS, NULL, NULL, 0, shown, w);
	else
		shown(w, -EPIPE, NULL, "");
}

/* What would be done now, and what is to be. */
static void plan(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "name");
	struct errtext why = {""};
	json_t *o = NULL;
	int r;

	if (!n)
		return;
	r = knetctl_plan(n, m_bool(params, "all", false), &o, &why);
	if (r) {
		errtext_prefix(&why, r, "network %s", n->conf.name);
		call_fail_why(c, r, &why);
	} else {
		call_result(c, o);
	}
}

#define UDP_FILTERS                                                          \
	"endpoint-independent|address-dependent|address-and-port-dependent"
#define UDP_FILTER                                                           \
	"nat: who from outside may send to a guest's UDP port: anybody, an "  \
	"address or an address and port that it sent to (the default)"
#define HOST_ALLOW                                                           \
	"nat: the host's ports that guests may reach, like "                  \
	"tcp:22,udp:53,tcp:8000-8010; \"all\" lifts it"

#define TFTP                                                                 \
	"folder whose files guests may fetch by TFTP to boot; \"off\" for none"

#define IPV6_MODES "slaac|stateless|stateful|off"
#define IPV6                                                                 \
	"how guests get addresses of subnet6: slaac (they make them; the "    \
	"default), stateless (and DHCPv6 has the rest), stateful (DHCPv6 "    \
	"gives them), off (nothing is announced)"
#define UPLINK_MODE                                                          \
	"bridged: tap-in leaves the uplink as it is and stands beside it (the " \
	"default); take-in makes it a port of a bridge, which gets its "        \
	"addresses and routes (datapath kernel's only way)"
#define MAC_NAT                                                              \
	"bridged, tap-in: do guests share the uplink's MAC on the wire, as a "  \
	"Wi-Fi card or a switch port that allows one MAC needs it? auto (the "  \
	"default): beside a Wi-Fi card"
#define PREFIX_POOL                                                          \
	"nat: prefixes for guests that are routers, by DHCPv6: auto (/64s of " \
	"a /56 of this installation's own), off, or like "                    \
	"fd12:3456:789a:ff00::/56-64"

#define OPTIONS                                                              \
	"of DHCP for the whole network, as of option.set"

#define GUARD                                                                \
	"what guests may say: off (the default: anything but the network's own " \
	"addresses), mac (no MAC but the NIC's), ip (and no address but "    \
	"those leased to it, reserved for it or given to it)"
#define ISOLATED                                                             \
	"NICs reach the network's own addresses and its uplink, but no other " \
	"guest"
#define STORM                                                                \
	"broadcasts, multicasts and frames to unknown addresses that a NIC " \
	"may send a second; 0 = any"
#define P_GUARD                                                              \
	{"guard", P_STR, false, 0, 0, "off|mac|ip", GUARD},                  \
		{"isolated", P_BOOL, false, 0, 0, NULL, ISOLATED},           \
	{                                                                    \
		"storm", P_INT, false, 0, GUARDCONF_STORM_MAX, NULL, STORM   \
	}

static const struct param p_define[] = {
	{"name", P_STR, true, 0, 0, NULL, "of the network, unique"},
	{"mode", P_STR, true, 0, 0, "nat|bridged|hostonly|internal",
	 "what its guests reach"},
	{"subnet", P_NET4, false, 0, 0, NULL,
	 "like 10.0.2.0/24; the first free one when left out (internal: none)"},
	{"subnet6", P_STR, false, 0, 0, NULL,
	 "IPv6: auto (a /64 of this installation's own), off, or a /64; auto when "
	 "left out, off where nothing of ours serves addresses"},
	{"ipv6", P_STR, false, 0, 0, IPV6_MODES, IPV6},
	{"prefix_pool", P_STR, false, 0, 0, NULL, PREFIX_POOL},
	{"dhcp", P_STR, false, 0, 0, NULL,
	 "on, off, or the pool as FIRST-LAST"},
	{"mtu", P_INT, false, MTU_MIN, MTU_MAX, NULL, "1500 when left out"},
	{"uplink", P_STR, false, 0, 0, NULL,
	 "bridged: the host's interface; the default route's when left out"},
	{"uplink_mode", P_STR, false, 0, 0, "tap-in|take-in", UPLINK_MODE},
	{"mac_nat", P_STR, false, 0, 0, "auto|on|off", MAC_NAT},
	{"host_access", P_STR, false, 0, 0, "off|address|loopback",
	 "nat: what the gateway's address leads to on the host"},
	{"host_allow", P_STR, false, 0, 0, NULL, HOST_ALLOW},
	{"udp_filter", P_STR, false, 0, 0, UDP_FILTERS, UDP_FILTER},
	{"lease_s", P_INT, false, LEASE_S_MIN, LEASE_S_MAX, NULL,
	 "term of DHCP leases; a day when left out"},
	{"domain", P_STR, false, 0, 0, NULL, "NAME.vnet when left out"},
	{"tftp", P_STR, false, 0, 0, NULL, TFTP},
	{"options", P_STRS, false, 0, 0, NULL, OPTIONS},
	{"datapath", P_STR, false, 0, 0, "user|kernel", "what moves frames"},
	P_GUARD,
	{"autostart", P_BOOL, false, 0, 0, NULL,
	 "start with vnetd (true when left out)"},
	{"start", P_BOOL, false, 0, 0, NULL,
	 "start now (true when left out)"},
	{NULL},
};
static const struct param p_name[] = {
	{"name", P_STR, true, 0, 0, NULL, "of the network"},
	{NULL},
};
static const struct param p_plan[] = {
	{"name", P_STR, true, 0, 0, NULL, "of the network"},
	{"all", P_BOOL, false, 0, 0, NULL,
	 "as if nothing of it were there; else the difference to what is"},
	{NULL},
};
static const struct param p_set[] = {
	{"name", P_STR, true, 0, 0, NULL, "of the network"},
	{"host_access", P_STR, false, 0, 0, "off|address|loopback",
	 "nat: what the gateway's address leads to on the host"},
	{"host_allow", P_STR, false, 0, 0, NULL, HOST_ALLOW},
	{"udp_filter", P_STR, false, 0, 0, UDP_FILTERS, UDP_FILTER},
	{"subnet6", P_STR, false, 0, 0, NULL,
	 "IPv6: auto (stays when it is one of this installation's own), off, or a "
	 "/64; another one starts the network's worker anew: NICs stay, TCP "
	 "connections through NAT end"},
	{"ipv6", P_STR, false, 0, 0, IPV6_MODES, IPV6},
	{"prefix_pool", P_STR, false, 0, 0, NULL, PREFIX_POOL},
	{"lease_s", P_INT, false, LEASE_S_MIN, LEASE_S_MAX, NULL,
	 "term of DHCP leases given from now on"},
	{"uplink_mode", P_STR, false, 0, 0, "tap-in|take-in",
	 "bridged: how guests get onto the uplink; its worker starts anew, NICs "
	 "stay"},
	{"mac_nat", P_STR, false, 0, 0, "auto|on|off",
	 "bridged, tap-in: do guests share the uplink's MAC on the wire? The "
	 "worker starts anew, NICs stay"},
	{"domain", P_STR, false, 0, 0, NULL,
	 "DNS domain of its names; guests hear of it when they renew"},
	{"tftp", P_STR, false, 0, 0, NULL, TFTP},
	{"options", P_STRS, false, 0, 0, NULL, OPTIONS},
	P_GUARD,
	{NULL},
};
static const struct param p_undefine[] = {
	{"name", P_STR, true, 0, 0, NULL, "of the network"},
	{"force", P_BOOL, false, 0, 0, NULL, "detach its NICs first"},
	{NULL},
};
static const struct param p_autostart[] = {
	{"name", P_STR, true, 0, 0, NULL, "of the network"},
	{"on", P_BOOL, true, 0, 0, NULL, "start with vnetd"},
	{NULL},
};

#define NETWORK_OBJECT                                                       \
	"{name,mode,datapath,state:running|stopped|failed|starting,reason,"   \
	"autostart,subnet,gateway,dns,dhcp:{first,last,lease_s,server}|null," \
	"mtu,uplink,uplink_mode:tap-in|take-in|null,domain,host_access,"      \
	"host_allow,udp_filter,mac,nics,"                                     \
	"forwards,worker:{pid,restarts}|null,subnet6,gateway6,dns6,tftp,"  \
	"ipv6:slaac|stateless|stateful|off|null,prefix_pool,"     \
	"bridge,uplink_note,mac_nat:auto|on|off|null,mac_nat_active}"

const struct method m_network[] = {
	{"network.define", RIGHT_ADMIN,
	 "Define a network and start it. A start that fails shows in its state.",
	 p_define, NETWORK_OBJECT, define},
	{"network.undefine", RIGHT_ADMIN,
	 "Stop and forget a network with its forwards, reservations and leases.",
	 p_undefine, "{}", undefine},
	{"network.start", RIGHT_ADMIN, "Start a network; answers when it runs.",
	 p_name, NETWORK_OBJECT, start_method},
	{"network.stop", RIGHT_ADMIN,
	 "Stop a network; answers when its worker has ended. NICs stay defined.",
	 p_name, NETWORK_OBJECT, stop_method},
	{"network.autostart", RIGHT_ADMIN, "Start it with vnetd or not.",
	 p_autostart, NETWORK_OBJECT, autostart},
	{"network.set", RIGHT_ADMIN,
	 "Change a network while it runs; what is left out stays.", p_set,
	 NETWORK_OBJECT, set_method},
	{"network.plan", RIGHT_READ,
	 "Bridged, or datapath kernel: the steps that starting it, or repairing "
	 "it, would take now, and its packet filters as nft reads them.",
	 p_plan, "{steps:[text],filters:text,filters_change:bool}", plan},
	{"network.list", RIGHT_READ, "All networks.", NULL,
	 "{networks:[network]}", list},
	{"network.show", RIGHT_READ,
	 "One network with its NICs and their counters, forwards, MAC table.",
	 p_name,
	 "network + {nics:[NIC + {stats:{rx_frames,rx_bytes,tx_frames,tx_bytes,"
	 "drops:{REASON:n},flows:{tcp,opening,udp,clients,icmp,dns,evicted,"
	 "refused}}}],forwards,leases,fdb,flows|null,counters:{NAME:n,"
	 "drops:{REASON:n},dhcp:{NAME:n,drops},dhcp6:{NAME:n,drops},"
	 "tftp:{NAME:n,drops}}|null}",
	 show},
	{NULL},
};
