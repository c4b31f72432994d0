// SPDX-License-Identifier: GPL-2.0-or-later
/* Model to JSON. See obj.h; keys never change their meaning. */
#include "netd/obj.h"

#include <string.h>

#include "netd/guardconf.h"
#include "netd/ip6conf.h"
#include "netd/natconf.h"

#include "lib/clock.h"
#include "lib/hex.h"
#include "lib/jx.h"
#include "netd/addrs.h"
#include "netd/endpoint.h"
#include "netd/hostnames.h"
#include "netd/knet.h"
#include "netd/qmp.h"
#include "netd/super.h"
#include "netd/tapinctl.h"
#include "netd/validate.h"
#include "netd/uplinkconf.h"

const char *net_state_name(enum net_state s)
{
	static const char *const names[] = {"stopped", "starting", "running",
					    "failed"};

	return names[s];
}

const char *nic_state_name(enum nic_state s)
{
	static const char *const names[] = {"ok", "network-stopped", "failed"};

	return names[s];
}

const char *fwd_state_name(enum fwd_state s)
{
	static const char *const names[] = {"inactive", "active", "waiting",
					    "failed"};

	return names[s];
}

json_t *obj_str(const char *s)
{
	return s && s[0] ? json_string(s) : json_null();
}

json_t *obj_ip(uint32_t ip)
{
	char s[IP4_TEXT];

	return ip ? json_string(ip4_format(ip, s)) : json_null();
}

json_t *obj_ipaddr(const struct ipaddr *a)
{
	char s[IP_TEXT];

	return ipaddr_is_zero(a) ? json_null()
				 : json_string(ipaddr_format(a, s));
}

json_t *obj_mac(const struct mac *m)
{
	char s[MAC_TEXT];

	return mac_is_zero(m) ? json_null() : json_string(mac_format(m, s));
}

static int count(const struct list *head)
{
	int n = 0;

	for (const struct list *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

static json_t *dhcp_of(const struct net_conf *c)
{
	if (!c->dhcp_first)
		return json_null();
	return json_pack("{s:o,s:o,s:I,s:o}", "first", obj_ip(c->dhcp_first),
			 "last", obj_ip(c->dhcp_last), "lease_s",
			 (json_int_t)c->lease_s, "server",
			 obj_ip(net_worker_ip(c)));
}

static json_t *worker_of(const struct network *n)
{
	if (!n->sup || !super_pid(n->sup))
		return json_null();
	return json_pack("{s:i,s:i}", "pid", (int)super_pid(n->sup),
			 "restarts", (int)super_restarts(n->sup));
}

json_t *obj_network(const struct network *n)
{
	const struct net_conf *c = &n->conf;
	char s[IP4_TEXT + 3], s6[IP6_NET_TEXT], pool[IP6CONF_POOL_TEXT];
	json_t *subnet = c->subnet.plen
				 ? json_string(ip4_net_format(&c->subnet, s))
				 : json_null();
	/* The address people mean: nat's router, a host-only network's host. */
	uint32_t gateway = c->mode == NET_NAT	     ? c->service_ip
			   : c->mode == NET_HOSTONLY ? c->host_ip
						     : 0;
	struct ipaddr gateway6 = c->mode == NET_NAT ? net_service_ip6(c)
						    : net_host_ip6(c);
	struct ipaddr dns6 = net_dns_ip6(c);
	bool beside = c->mode == NET_BRIDGED && c->uplink_mode == UPLINK_TAP_IN;
	char bridge[IFNAMSIZ] = "", tap[IFNAMSIZ], note[TAPINCTL_TEXT];

	if (c->mode == NET_BRIDGED && c->uplink_mode == UPLINK_TAKE_IN)
		knet_uplink_names(c->name, bridge, tap);
	else if (c->datapath == DATAPATH_KERNEL)
		knet_names(c->name, bridge, tap);

	return json_pack(
		"{s:s,s:s,s:s,s:s,s:o,s:b,s:o,s:o,s:o,s:o,s:i,s:o,s:s,s:o,s:o,"
		"s:i,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:b,s:I,s:o,s:b}",
		"name", c->name, "mode", net_mode_name(c->mode), "datapath",
		net_datapath_name(c->datapath), "state", net_state_name(n->state), "reason",
		obj_str(n->reason), "autostart", (int)c->autostart, "subnet",
		subnet, "gateway", obj_ip(gateway), "dns", obj_ip(c->dns_ip),
		"dhcp", dhcp_of(c), "mtu", (int)c->mtu, "uplink",
		obj_str(c->uplink), "domain", c->domain, "host_access",
		c->mode == NET_NAT ? json_string(net_access_name(c->access))
				   : json_null(),
		"mac", obj_mac(&c->mac), "nics", count(&n->nics), "forwards",
		count(&n->fwds), "worker", worker_of(n), "host_allow",
		obj_str(c->host_allow), "udp_filter",
		c->mode == NET_NAT
			? json_string(natconf_filter_name(c->udp_filter))
			: json_null(),
		"subnet6",
		c->subnet6.plen ? json_string(ip6_net_format(&c->subnet6, s6))
				: json_null(),
		"gateway6", obj_ipaddr(&gateway6), "dns6", obj_ipaddr(&dns6), "tftp",
		obj_str(c->tftp), "ipv6",
		c->subnet6.plen ? json_string(ip6conf_mode_name(c->ipv6))
				: json_null(),
		"prefix_pool", obj_str(ip6conf_pool_format(c, pool)),
		"bridge", obj_str(bridge), "uplink_mode",
		c->mode == NET_BRIDGED
			? json_string(uplinkconf_mode_name(c->uplink_mode))
			: json_null(),
		"uplink_note",
		obj_str(n->bridge_in ? ifmanager_advice(n->uplink_manager,
							c->uplink, note)
				     : tapinctl_note(n, note)),
		"guard", guardconf_level_name(c->guard.level), "isolated",
		c->guard.isolated, "storm", (json_int_t)c->guard.storm, "mac_nat",
		beside ? json_string(uplinkconf_mac_nat_name(c->mac_nat))
		       : json_null(),
		"mac_nat_active", (int)(n->tapin.open && n->tapin.mac_nat));
}

/* The socket between us and the runner, whoever listens on it. */
static const char *path_of(const struct nic *nic)
{
	if (nic->conf.connect_to[0])
		return nic->conf.connect_to;
	return nic->ep ? nic->ep->path : "";
}

json_t *obj_nic(struct ctl *ctl, const struct nic *nic)
{
	const struct nic_conf *c = &nic->conf;
	bool up = c->link && !nic->moving;

	(void)ctl;
	return json_pack(
		"{s:s,s:i,s:s,s:o,s:s,s:s,s:b,s:s,s:o,s:o,s:o,s:o,s:o,s:I,s:b,s:o}",
		"vm", c->vm, "nic", c->index, "network", nic->net->conf.name,
		"mac", obj_mac(&c->mac), "type", nic_type_name(c->type),
		"link", up ? "up" : "down", "connected", (int)nic->connected,
		"state", nic_state_name(nic->state), "reason",
		obj_str(nic->reason), "path", obj_str(path_of(nic)), "ifname",
		obj_str(c->ifname), "netns", obj_str(c->netns), "address",
		obj_ip(addrs_of_nic(nic, clock_wall_s())), "owner",
		(json_int_t)c->owner, "transient", (int)c->transient,
		"guard", guardconf_show(&c->guard, &nic->net->conf));
}

json_t *obj_connect(const struct nic *nic)
{
	const struct nic_conf *c = &nic->conf;

	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:i,s:b}", "type",
			 nic_type_name(c->type), "path", obj_str(path_of(nic)),
			 "peer_dir",
			 obj_str(nic->ep ? nic->ep->peers : ""), "ifname",
			 obj_str(c->ifname), "netns", obj_str(c->netns), "qmp",
			 obj_str(nic->qmp ? qmp_path(nic->qmp) : ""), "queues",
			 c->queues ? c->queues : 1, "vmm_listens",
			 (int)(c->connect_to[0] != '\0'));
}

json_t *obj_forward(const struct forward *f)
{
	const struct fwd_conf *c = &f->conf;
	char s[IP_TEXT] = "0.0.0.0";

	if (!ipaddr_is_zero(&c->address))
		ipaddr_format(&c->address, s);
	return json_pack(
		"{s:I,s:s,s:s,s:s,s:i,s:i,s:o,s:o,s:o,s:i,s:s,s:o}", "id",
		(json_int_t)c->id, "network", f->net->conf.name, "proto",
		fwd_proto_name(c->proto), "address", s,
		"port", (int)c->port, "port_end",
		(int)c->port_end, "to_vm", obj_str(c->to_vm), "to_nic",
		c->to_nic < 0 ? json_null() : json_integer(c->to_nic),
		"to_address", obj_ipaddr(&c->to_address), "to_port",
		(int)c->to_port, "state", fwd_state_name(f->state), "reason",
		obj_str(f->reason));
}

json_t *obj_fwd_stats(const struct forward *f)
{
	const struct fwd_stats *s = &f->stats;

	if (!f->net->synced)
		return json_null();
	return json_pack("{s:I,s:I,s:I,s:I,s:I}", "clients",
			 (json_int_t)s->clients, "accepted",
			 (json_int_t)s->accepted, "refused",
			 (json_int_t)s->refused, "bytes_in",
			 (json_int_t)s->bytes_in, "bytes_out",
			 (json_int_t)s->bytes_out);
}

json_t *obj_resv(const struct network *n, const struct resv *r)
{
	const struct resv_conf *c = &r->conf;

	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o}", "network", n->conf.name,
			 "mac", obj_mac(&c->mac), "address",
			 obj_ip(c->address), "hostname", obj_str(c->hostname),
			 "vm", obj_str(c->vm), "nic",
			 c->vm[0] ? json_integer(c->nic) : json_null());
}

json_t *obj_record(const struct network *n, const struct record_conf *c)
{
	size_t len = strlen(c->name);
	bool absolute = len && c->name[len - 1] == '.';
	bool apex = !strcmp(c->name, "@");
	json_t *fqdn = absolute ? json_stringn(c->name, len - 1)
		       : apex	? json_string(n->conf.domain)
				: json_sprintf("%s.%s", c->name, n->conf.domain);

	return json_pack("{s:s,s:s,s:s,s:s,s:o}", "network", n->conf.name,
			 "name", c->name, "type", c->type, "value", c->value,
			 "fqdn", fqdn);
}

struct nic *lease_nic(struct ctl *ctl, const struct network *n,
		      const struct lease_conf *l)
{
	struct nic *nic = l->nic ? model_nic_by_id(&ctl->model, l->nic) : NULL;

	struct nic *by_mac;

	if (nic && nic->net != n)
		nic = NULL;
	if (nic && mac_eq(&nic->conf.mac, &l->mac))
		return nic;
	by_mac = model_nic_by_mac((struct network *)n, &l->mac);
	return by_mac ? by_mac : nic;
}

/* What the network's DNS calls it; NULL when nothing. */
static const char *lease_name(const struct network *n, const struct ipaddr *ip,
			      const struct mac *mac, const struct nic *nic)
{
	struct resv *r = model_resv_by_mac((struct network *)n, mac);

	if (r && r->conf.hostname[0])
		return r->conf.hostname;
	return nic ? nic->conf.vm : hostnames_claim(n, ip, mac);
}

json_t *obj_lease(struct ctl *ctl, const struct network *n,
		  const struct lease_conf *l, const char *state)
{
	const struct nic *nic = lease_nic(ctl, n, l);
	const struct ipaddr ip = ipaddr_from4(l->address);
	char id[2 * DHCP_CLIENT_ID_MAX + 1];

	hex_encode(l->client_id, l->client_id_len, id);
	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:s,s:o}", "network",
			 n->conf.name, "address", obj_ip(l->address), "mac",
			 obj_mac(&l->mac), "client_id", obj_str(id),
			 "hostname", obj_str(l->hostname), "vm",
			 obj_str(nic ? nic->conf.vm : ""), "nic",
			 nic ? json_integer(nic->conf.index) : json_null(),
			 "expires", (json_int_t)l->expires, "state", state, "name",
			 obj_str(lease_name(n, &ip, &l->mac, nic)));
}

json_t *obj_resv6(const struct network *n, const struct resv6 *r)
{
	const struct resv6_conf *c = &r->conf;
	struct mac mac = model_resv6_mac(n, c);

	return json_pack("{s:s,s:o,s:o,s:n,s:o,s:o}", "network", n->conf.name,
			 "mac", obj_mac(&mac), "address",
			 obj_ipaddr(&c->address), "hostname", "vm",
			 obj_str(c->vm), "nic",
			 c->vm[0] ? json_integer(c->nic) : json_null());
}

json_t *obj_lease6(struct ctl *ctl, const struct network *n,
		   const struct lease6_conf *l, const char *state)
{
	struct nic *nic = model_nic_by_mac((struct network *)n, &l->mac);
	const char *name;

	if (!nic && l->nic)
		nic = model_nic_by_id(&ctl->model, l->nic);
	if (nic && nic->net != n)
		nic = NULL;
	name = l->plen == 128 ? lease_name(n, &l->address, &l->mac, nic) : NULL;
	return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:s,s:o,s:I,s:o,s:o}",
			 "network", n->conf.name, "address",
			 obj_ipaddr(&l->address), "mac", obj_mac(&l->mac),
			 "client_id", obj_str(l->duid), "hostname",
			 obj_str(l->hostname), "vm",
			 obj_str(nic ? nic->conf.vm : ""), "nic",
			 nic ? json_integer(nic->conf.index) : json_null(),
			 "expires", (json_int_t)l->expires, "state", state,
			 "name", obj_str(name), "iaid", (json_int_t)l->iaid, "prefix",
			 l->plen == 128 ? json_null() : json_integer(l->plen),
			 "via", l->plen == 128 ? json_null()
					       : obj_ipaddr(&l->via));
}
