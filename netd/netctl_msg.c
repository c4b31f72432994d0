// SPDX-License-Identifier: GPL-2.0-or-later
/* What a network's worker is told, and what becomes of what it says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/jx.h"
#include "netd/dhcpset.h"
#include "netd/hostaddr.h"
#include "netd/ip6conf.h"
#include "netd/hostnames.h"
#include "netd/hosts.h"
#include "netd/kguardctl.h"
#include "netd/knetctl.h"
#include "netd/leases.h"
#include "netd/natconf.h"
#include "netd/netctl_int.h"
#include "netd/netdeny.h"
#include "netd/nicctl_int.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/promise.h"
#include "netd/proto.h"
#include "netd/resolv.h"
#include "netd/tftpctl.h"
#include "netd/stopped.h"
#include "netd/wmsg.h"

#define RECORDS_PER_MSG 16 /* of ZONE_TEXT_MAX, escaped, in CHAN_BODY_MAX */

/* ---- W_NET --------------------------------------------------------------- */

/* A resolver inside one of our networks would be ourselves. */
static bool is_ours(struct ctl *ctl, const struct ipaddr *a)
{
	bool v4 = ipaddr_is4(a);

	list_for_each(n, &ctl->model.nets, struct network, node) {
		const struct net_conf *c = &n->conf;

		if (v4 && c->subnet.plen &&
		    ip4_in_net(ipaddr_get4(a), &c->subnet))
			return true;
		if (!v4 && c->subnet6.plen && ipaddr_in_net6(a, &c->subnet6))
			return true;
	}
	return false;
}

static json_t *upstream_list(struct ctl *ctl)
{
	const struct resolv_server *a = NULL;
	size_t n = ctl->resolv ? resolv_servers(ctl->resolv, &a) : 0;
	json_t *list = json_array();
	char s[IP_TEXT];

	for (size_t i = 0; i < n; i++)
		if (!is_ours(ctl, &a[i].ip))
			json_array_append_new(
				list, json_sprintf(a[i].scope ? "%s%%%u" : "%s",
						   ipaddr_format(&a[i].ip, s),
						   a[i].scope));
	return list;
}

static json_t *dhcp_conf(const struct network *n)
{
	const struct net_conf *c = &n->conf;
	json_t *o, *dns = json_array();

	if (!c->dhcp_first) {
		json_decref(dns);
		return json_null();
	}
	if (c->dns_ip)
		json_array_append_new(dns, obj_ip(c->dns_ip));
	/* A host-only or internal guest may have a second NIC that leads out:
	 * it gets neither router nor resolver here. */
	o = json_pack("{s:o,s:o,s:I,s:o,s:o,s:o,s:o}", "first",
			 obj_ip(c->dhcp_first), "last", obj_ip(c->dhcp_last),
			 "lease_s", (json_int_t)c->lease_s, "router",
			 c->mode == NET_NAT ? obj_ip(c->service_ip)
					    : json_null(),
			 "dns", dns, "domain", obj_str(c->domain), "server",
			 obj_ip(net_worker_ip(c)));
	dhcpset_config(n, o);
	return o;
}

/* What of W_NET is about IPv6. @deny is stolen. */
static json_t *ip6_body(struct network *n, json_t *deny)
{
	const struct net_conf *c = &n->conf;
	bool routes = net_kernel_routes(c);
	struct ipaddr host = ipaddr_any, service = net_worker_ip6(c),
		      dns = routes ? ipaddr_any : net_dns_ip6(c);
	char s[IP6_NET_TEXT], p[IP6_NET_TEXT];

	if (!c->subnet6.plen) {
		json_decref(deny);
		return json_null();
	}
	if (c->mode == NET_NAT && n->ctl->host)
		host = hostaddr_ip6(n->ctl->host);
	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:s,s:s,s:I,s:o,s:i}", "subnet",
			 ip6_net_format(&c->subnet6, s), "gateway",
			 obj_ipaddr(&service), "dns", obj_ipaddr(&dns),
			 "host_ip", obj_ipaddr(&host), "deny",
			 deny, "mode",
			 ip6conf_mode_name(c->ipv6), "duid", n->ctl->duid,
			 "lease_s", (json_int_t)c->lease_s, "pool",
			 c->pool6.plen ? json_string(ip6_net_format(&c->pool6, p))
				       : json_null(),
			 "pool_len", (int)c->pool6_len);
}

static json_t *net_body(struct network *n, const struct netdeny *others)
{
	const struct net_conf *c = &n->conf;
	struct ctl *ctl = n->ctl;
	bool routes = net_kernel_routes(c), nat = c->mode == NET_NAT && !routes;
	char s[IP6_NET_TEXT];
	json_t *deny, *deny6;

	netdeny_of(others, n, &deny, &deny6);
	return json_pack(
		"{s:s,s:s,s:i,s:b,s:b,s:o,s:o,s:o,s:o,s:s,s:s,s:o,s:o,s:o,s:o,"
		"s:s,s:o}",
		"name", c->name, "mode", net_mode_name(c->mode), "mtu",
		(int)c->mtu, "services", (int)net_has_services(c), "nat", (int)nat,
		"subnet",
		c->subnet.plen ? json_string(ip4_net_format(&c->subnet, s))
			       : json_null(), "mac", obj_mac(&c->mac), "gateway", obj_ip(net_worker_ip(c)),
		"dns", obj_ip(routes ? 0 : c->dns_ip), "domain", c->domain, "host_access",
		net_access_name(c->access), "host_ip",
		obj_ip(nat && ctl->host ? hostaddr_ip(ctl->host) : 0), "deny",
		deny, "upstreams", upstream_list(ctl), "dhcp",
		dhcp_conf(n), "log_level", log_level_name(ctl->log_level), "ip6",
		ip6_body(n, deny6));
}

/* Who may answer guests, and which ports of the host they may reach. */
static void add_nat(json_t *body, const struct network *n)
{
	const struct ipaddr *ip = NULL;
	size_t k = n->ctl->host && n->conf.host_allow[0]
			   ? hostaddr_locals(n->ctl->host, &ip)
			   : 0;
	json_t *self = json_array();

	for (size_t i = 0; i < k; i++)
		json_array_append_new(self, obj_ipaddr(&ip[i]));
	json_object_set_new(body, "self", self);
	if (net_kernel_routes(&n->conf)) {
		struct mac mac = knetctl_mac(n);

		json_object_set_new(body, "router_mac", obj_mac(&mac));
	}
	json_object_set_new(body, "tftp", json_boolean(n->conf.tftp[0]));
	json_object_set_new(body, "host_allow",
			    json_string(n->conf.host_allow));
	json_object_set_new(
		body, "udp_filter",
		json_string(natconf_filter_name(n->conf.udp_filter)));
}

/* What guests that share the uplink's MAC must not claim. */
static void add_host_ips(json_t *body, const struct network *n)
{
	const struct ipaddr *ip = NULL;
	json_t *list = json_array();
	size_t k;

	if (n->conf.uplink_mode == UPLINK_TAP_IN && n->ctl->host) {
		k = hostaddr_locals(n->ctl->host, &ip);
		for (size_t i = 0; i < k; i++)
			json_array_append_new(list, obj_ipaddr(&ip[i]));
		k = hostaddr_linklocals(n->ctl->host, &ip);
		for (size_t i = 0; i < k; i++)
			json_array_append_new(list, obj_ipaddr(&ip[i]));
	}
	json_object_set_new(body, "host_ips", list);
}

static void send_net(struct network *n, const struct netdeny *others, bool first)
{
	json_t *body = net_body(n, others), *raw = json_array();
	unsigned int nfd = 0;
	int fds[2];

	add_nat(body, n);
	add_host_ips(body, n);
	if (first && n->conf.mode == NET_NAT && !net_kernel_routes(&n->conf) &&
	    priv_is_root(n->ctl->priv)) {
		if (!priv_raw_icmp(n->ctl->priv, false, &fds[nfd], NULL)) {
			json_array_append_new(raw, json_string("icmp"));
			nfd++;
		}
		if (n->conf.subnet6.plen &&
		    !priv_raw_icmp(n->ctl->priv, true, &fds[nfd], NULL)) {
			json_array_append_new(raw, json_string("icmp6"));
			nfd++;
		}
	}
	json_object_set_new(body, "fds", raw);
	super_send(n->sup, W_NET, body, fds, nfd);
	while (nfd)
		fd_close(&fds[--nfd]);
}

static bool hears(const struct network *n)
{
	return n->sup && (super_state(n->sup) == SUPER_READY ||
			  super_state(n->sup) == SUPER_STARTING);
}

void netctl_push(struct network *n)
{
	struct netdeny others;

	hosts_touch(n->ctl->hosts);
	if (!hears(n))
		return;
	netdeny_make(&others, &n->ctl->model);
	send_net(n, &others, false);
	netdeny_fini(&others);
}

static bool any_hears(struct ctl *ctl)
{
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (hears(n))
			return true;
	return false;
}

/* The lists of prefixes are the same for all. */
void netctl_push_all(struct ctl *ctl)
{
	struct netdeny others;

	hosts_touch(ctl->hosts);
	if (!any_hears(ctl))
		return;
	netdeny_make(&others, &ctl->model);
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (hears(n))
			send_net(n, &others, false);
	netdeny_fini(&others);
}

/* Of other networks a worker is told where its guests may not go. Which resolvers it asks
 * depends on them, too, but hardly ever. */
void netctl_tell_nets(struct ctl *ctl)
{
	json_t *up = upstream_list(ctl), *v4, *v6;
	struct netdeny others;

	ctl->nets_changed = false;
	if (!json_equal(up, ctl->upstreams)) {
		json_decref(ctl->upstreams);
		ctl->upstreams = up;
		netctl_push_all(ctl);
		return;
	}
	json_decref(up);
	hosts_touch(ctl->hosts);
	if (!any_hears(ctl))
		return;
	netdeny_make(&others, &ctl->model);
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (!hears(n) || !net_has_services(&n->conf))
			continue;
		netdeny_of(&others, n, &v4, &v6);
		super_send(n->sup, W_DENY,
			   json_pack("{s:o,s:o}", "deny", v4, "deny6", v6),
			   NULL, 0);
	}
	netdeny_fini(&others);
}

/* A network that starts has no flows yet. */
void netctl_address_gone(struct ctl *ctl, const struct ipaddr *ip, size_t n)
{
	json_t *ips = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(ips, obj_ipaddr(&ip[i]));
	list_for_each(net, &ctl->model.nets, struct network, node)
		if (net->conf.mode == NET_NAT && net->sup &&
		    super_state(net->sup) == SUPER_READY)
			super_send(net->sup, W_ADDRESS_GONE,
				   json_pack("{s:O}", "ips", ips), NULL, 0);
	json_decref(ips);
}

/* ---- names, reservations, leases ----------------------------------------- */

static void send_mac(struct network *n, const struct mac *mac)
{
	struct nic *nic = model_nic_by_mac(n, mac);
	struct resv *r = model_resv_by_mac(n, mac);
	struct resv6 *r6 = model_resv6_by_mac(n, mac);
	const char *name = "";

	if (r && r->conf.hostname[0])
		name = r->conf.hostname;
	else if (nic)
		name = nic->conf.vm;
	if (!nic && !r && !r6)
		super_send(n->sup, W_UNRESERVE,
			   json_pack("{s:o}", "mac", obj_mac(mac)), NULL, 0);
	else
		super_send(n->sup, W_RESERVE,
			   json_pack("{s:o,s:o,s:o,s:s}", "mac", obj_mac(mac),
				     "ip", obj_ip(r ? r->conf.address : 0),
				     "ip6",
				     r6 ? obj_ipaddr(&r6->conf.address)
					: json_null(),
				     "name", name),
			   NULL, 0);
	if (nic)
		dhcpset_tell_nic(n, nic);
}

static void send_records(struct network *n, const char *what, json_t *list)
{
	super_send(n->sup, W_RECORDS, json_pack("{s:o}", what, list), NULL, 0);
}

static json_t *record_row(const struct record_conf *c)
{
	return json_pack("[s,s,s]", c->name, c->type, c->value);
}

static void send_all_records(struct network *n)
{
	json_t *list = json_array();

	list_for_each(r, &n->records, struct record, node) {
		json_array_append_new(list, record_row(&r->conf));
		if (json_array_size(list) < RECORDS_PER_MSG)
			continue;
		send_records(n, "add", list);
		list = json_array();
	}
	send_records(n, "add", list);
}

void netctl_push_record(struct network *n, const struct record_conf *c,
			bool there)
{
	hosts_touch(n->ctl->hosts);
	if (n->synced && net_has_services(&n->conf))
		send_records(n, there ? "add" : "del",
			     json_pack("[o]", record_row(c)));
}

/* A name that the user gave away is no guest's any more. */
static void take_back(struct network *n, const struct mac *mac)
{
	struct nic *nic = model_nic_by_mac(n, mac);
	struct resv *r = model_resv_by_mac(n, mac);

	if (nic)
		hostnames_taken(n->ctl, n, nic->conf.vm, NULL);
	if (r && r->conf.hostname[0])
		hostnames_taken(n->ctl, n, r->conf.hostname, NULL);
}

void netctl_push_mac(struct network *n, const struct mac *mac)
{
	take_back(n, mac);
	promise_settle(n->ctl, n, mac);
	kguardctl_addresses(n);
	hosts_touch(n->ctl->hosts);
	if (n->synced && net_has_services(&n->conf) && !mac_is_zero(mac))
		send_mac(n, mac);
}

/* Leases of DHCPv6 go many at a time. */
#define LEASES6_TOLD 64

struct teller {
	struct network *n;
	json_t *list;
};

static void tell(struct teller *t)
{
	super_send(t->n->sup, W_LEASE6, json_pack("{s:o}", "leases", t->list),
		   NULL, 0);
	t->list = json_array();
}

static bool send_lease6(struct hnode *h, void *arg)
{
	const struct lease6_conf *c =
		&container_of(h, struct lease6, by_ip)->conf;
	struct teller *t = arg;

	json_array_append_new(
		t->list,
		json_pack("{s:o,s:i,s:o,s:s,s:I,s:o,s:I,s:s,s:I}", "ip",
			  obj_ipaddr(&c->address), "plen", (int)c->plen, "mac",
			  obj_mac(&c->mac), "duid", c->duid, "iaid",
			  (json_int_t)c->iaid, "via", obj_ipaddr(&c->via),
			  "nic", (json_int_t)c->nic, "hostname", c->hostname,
			  "expires", (json_int_t)c->expires));
	if (json_array_size(t->list) == LEASES6_TOLD)
		tell(t);
	return true;
}

static void send_leases6(struct network *n)
{
	struct teller t = {n, json_array()};

	htab_walk(&n->leases6, send_lease6, &t);
	if (json_array_size(t.list))
		tell(&t);
	json_decref(t.list);
}

static void on_started(void *arg)
{
	struct network *n = arg;
	struct netdeny others;

	netdeny_make(&others, &n->ctl->model);
	send_net(n, &others, true);
	netdeny_fini(&others);
	if (net_has_services(&n->conf)) {
		leases_tell(n);
		dhcpset_tell(n);
		send_leases6(n);
		list_for_each(v, &n->resvs6, struct resv6, node)
			if (!mac_is_zero(&v->conf.mac))
				send_mac(n, &v->conf.mac);
		list_for_each(r, &n->resvs, struct resv, node)
			if (!mac_is_zero(&r->conf.mac))
				send_mac(n, &r->conf.mac);
		list_for_each(nic, &n->nics, struct nic, node)
			send_mac(n, &nic->conf.mac);
		send_all_records(n);
		hostnames_send(n);
	}
	super_send(n->sup, W_START, NULL, NULL, 0);
}

static void on_ready(void *arg)
{
	netctl_on_ready(arg);
}

static void on_ended(void *arg, bool was_stopped, const char *reason)
{
	tftpctl_end(arg);
	netctl_on_ended(arg, was_stopped, reason);
}

/* ---- the network's own port ---------------------------------------------- */

static void port_added(void *arg, int err, json_t *result, const char *why)
{
	(void)result;
	if (err == -EREMOTE)
		netctl_port_refused(arg, why);
}

/* What the last worker knew of them: LAN hosts that know a guest, which says nothing,
 * would speak to nobody. */
static void tell_seen(struct network *n, const struct seen_list *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		super_send(n->sup, W_NEIGHBOUR,
			   json_pack("{s:o,s:o}", "mac", obj_mac(&l->e[i].mac),
				     "ip", obj_ipaddr(&l->e[i].ip)),
			   NULL, 0);
}

/* Beside the uplink: two descriptors. */
static void send_tapin(struct network *n)
{
	int fd[2] = {n->port_fd, n->tapin.fd};

	super_request(n->sup, W_NIC_ADD,
		      json_pack("{s:i,s:s,s:i,s:n,s:s,s:s,s:b,s:o,s:b,s:[s,s]}",
				"nic", NETCTL_PORT_UPLINK, "vm", "", "index",
				0, "mac", "type", "tap-in", "role", "uplink",
				"link", 1, "uplink_mac", obj_mac(&n->tapin.mac),
				"mac_nat", (int)n->tapin.mac_nat, "fds", "conn", "tap"),
		      fd, 2, port_added, n);
	if (!n->tapin.mac_nat)
		return;
	list_for_each(nic, &n->nics, struct nic, node) {
		tell_seen(n, &nic->seen4);
		tell_seen(n, &nic->seen6);
	}
}

void netctl_send_port(struct network *n)
{
	bool kernel = n->conf.datapath == DATAPATH_KERNEL;
	bool host = n->conf.mode == NET_HOSTONLY && !kernel;
	struct ipaddr ip6 = net_host_ip6(&n->conf);

	if (n->port_fd < 0)
		return;
	if (n->tapin.open) {
		send_tapin(n);
		return;
	}
	super_request(
		n->sup, W_NIC_ADD,
		json_pack("{s:i,s:s,s:i,s:n,s:s,s:s,s:b,s:o,s:o,s:o,s:[s]}", "nic",
			  host ? NETCTL_PORT_HOST : NETCTL_PORT_UPLINK, "vm",
			  "", "index", 0, "mac", "type", "tap", "role",
			  host ? "host" : "uplink", "link", 1, "src_ip4",
			  obj_ip(kernel ? 0 : n->conf.host_ip), "src_ip6",
			  obj_ipaddr(kernel ? &ipaddr_any : &ip6), "host",
			  obj_ip(kernel ? knetctl_host_ip(n) : 0), "fds",
			  "conn"),
		&n->port_fd, 1, port_added, n);
}

/* ---- what it says -------------------------------------------------------- */

static int on_log(struct network *n, json_t *body, struct errtext *why)
{
	char line[WMSG_LINE_MAX];
	enum log_level level;
	int r = wmsg_log(body, &level, line, why);

	/* The line names the network itself; a flood of them is cut here. */
	if (!r && n->ctl->log_level == LOG_LVL_DEBUG)
		log_msg(level, "%s", line);
	else if (!r)
		log_limited(&n->log_budget, clock_mono_ms(), level, "%s", line);
	return r;
}

/* What a guest was kept from. */
static int on_stopped(struct network *n, enum event_type what, json_t *body,
		      struct errtext *why)
{
	const char *kind = "";
	struct nic *nic;
	struct mac mac;
	int64_t id;
	int r = what == EVENT_NIC_GUARD
			? wmsg_guard(body, &id, &kind, &mac, why)
			: wmsg_rogue(body, &id, &kind, &mac, why);

	nic = r ? NULL : nic_of(n->ctl, n, id);
	if (nic)
		stopped_emit(nic, what == EVENT_DHCP_ROGUE, kind, &mac);
	return r;
}

static int on_conflict(struct network *n, json_t *body, struct errtext *why)
{
	struct nic *nic;
	struct mac mac;
	uint32_t ip;
	int64_t id;
	int r = wmsg_conflict(body, &n->conf, &id, &ip, &mac, why);

	if (r)
		return r;
	nic = id ? nic_of(n->ctl, n, id) : NULL;
	events_emit(&n->ctl->events, EVENT_DHCP_CONFLICT,
		    json_pack("{s:s,s:o,s:o,s:o,s:o}", "network", n->conf.name,
			      "address", obj_ip(ip), "mac", obj_mac(&mac), "vm",
			      nic ? json_string(nic->conf.vm) : json_null(),
			      "nic",
			      nic ? json_integer(nic->conf.index)
				  : json_null()));
	return 0;
}

static int on_other_server(struct network *n, json_t *body, struct errtext *why)
{
	struct other_dhcp *o = &n->other_dhcp;
	uint32_t server;
	struct mac mac;
	int r = wmsg_other_server(body, &mac, &server, why);

	if (r)
		return r;
	*o = (struct other_dhcp){server, mac, clock_mono_ms()};
	events_emit(&n->ctl->events, EVENT_DHCP_OTHER,
		    json_pack("{s:s,s:o,s:o}", "network", n->conf.name, "mac",
			      obj_mac(&mac), "server", obj_ip(server)));
	return 0;
}

static int on_event(struct network *n, json_t *body, struct errtext *why)
{
	const char *name;
	int r = wmsg_event(body, &name, why);

	if (r)
		return r;
	if (!strcmp(name, event_name(EVENT_POOL_EXHAUSTED)))
		events_emit(&n->ctl->events, EVENT_POOL_EXHAUSTED,
			    json_pack("{s:s}", "network", n->conf.name));
	if (!strcmp(name, event_name(EVENT_DHCP_ROGUE)))
		return on_stopped(n, EVENT_DHCP_ROGUE, body, why);
	if (!strcmp(name, event_name(EVENT_NIC_GUARD)))
		return on_stopped(n, EVENT_NIC_GUARD, body, why);
	if (!strcmp(name, event_name(EVENT_DHCP_CONFLICT)))
		return on_conflict(n, body, why);
	if (!strcmp(name, event_name(EVENT_DHCP_OTHER)))
		return on_other_server(n, body, why);
	return 0;
}

static int on_message(void *arg, uint16_t type, json_t *body,
		      struct chan_msg *m, struct errtext *why)
{
	struct network *n = arg;

	if (m->nfd && type != W_ACCEPTED)
		return errtext_set(why, -EPROTO, "descriptors nobody wants");
	switch (type) {
	case W_LEASE6_COMMIT:
		return leases_take6(n->ctl->leases, n, body, why);
	case W_LEASE6_EVENT:
		return leases_take6_event(n->ctl->leases, n, body, why);
	case W_PEER:
	case W_ACCEPTED:
	case W_SENDER:
	case W_SEEN:
		return nicctl_message(n->ctl, n, type, body, m, why);
	case W_TFTP_OPEN:
		return tftpctl_message(n, body, why);
	case W_LOG:
		return on_log(n, body, why);
	case W_EVENT:
		return on_event(n, body, why);
	default:
		return errtext_set(why, -EPROTO, "a message of type %u", type);
	}
}

static int on_bytes(void *arg, uint16_t type, const uint8_t *p, size_t len,
		    struct errtext *why)
{
	struct network *n = arg;

	if (type != W_LEASES)
		return errtext_set(why, -EPROTO, "a message of type %u", type);
	return leases_take(n->ctl->leases, n, p, len, why);
}

const struct super_ops netctl_super_ops = {
	.started = on_started,
	.ready = on_ready,
	.message = on_message,
	.bytes = on_bytes,
	.ended = on_ended,
};
