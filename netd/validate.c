// SPDX-License-Identifier: GPL-2.0-or-later
/* Checks and defaults. See validate.h; the records are in conf.h. */
#include "netd/validate.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/htab.h"
#include "lib/netmerge.h"
#include "netd/guardconf.h"
#include "netd/ip6conf.h"
#include "switch/kbridge.h"

#define PLEN_MIN 8
#define PLEN_MAX 29

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

int validate_name(const char *what, const char *s, struct errtext *why)
{
	size_t n = strlen(s);

	if (n > CONF_NAME_MAX)
		return errtext_set(why, -EINVAL,
				   "%s \"%.20s…\" is longer than %d characters",
				   what, s, CONF_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (!name_char(s[i]))
			n = 0;
	if (!n || !isalnum((unsigned char)s[0]))
		return errtext_set(why, -EINVAL,
				   "%s must be letters, digits, '.', '_', '-' "
				   "and begin with a letter or digit",
				   what);
	return 0;
}

int validate_ifname(const char *s, struct errtext *why)
{
	size_t n = strlen(s);
	bool ok = n > 0 && n < IFNAMSIZ && strcmp(s, ".") && strcmp(s, "..");

	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)s[i]) || strchr("/:%", s[i]))
			ok = false;
	if (!ok)
		return errtext_set(why, -EINVAL,
				   "\"%.20s\" cannot be an interface's name "
				   "(1 to 15 characters)",
				   s);
	return 0;
}

static bool label_ok(const char *s, size_t n)
{
	if (!n || n > CONF_HOSTNAME_MAX || s[0] == '-' || s[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_')
			return false;
	return true;
}

int validate_hostname(const char *s, struct errtext *why)
{
	if (!label_ok(s, strlen(s)))
		return errtext_set(why, -EINVAL,
				   "host name must be one label of letters, "
				   "digits and '-', at most %d",
				   CONF_HOSTNAME_MAX);
	return 0;
}

int validate_domain(const char *s, struct errtext *why)
{
	size_t n = strlen(s);
	bool ok = n > 0 && n <= CONF_DOMAIN_MAX;

	for (const char *p = s; ok; p++) {
		size_t len = strcspn(p, ".");

		ok = label_ok(p, len);
		p += len;
		if (!*p)
			break;
	}
	if (!ok)
		return errtext_set(why, -EINVAL,
				   "domain must be labels of letters, digits "
				   "and '-' joined by dots, at most %d",
				   CONF_DOMAIN_MAX);
	return 0;
}

int validate_mac(const struct mac *m, struct errtext *why)
{
	if (mac_is_group(m) || mac_is_zero(m))
		return errtext_set(why, -EINVAL,
				   "a NIC's MAC must be a unicast address: the "
				   "first byte even, not all zero");
	return 0;
}

/* ---- subnets ------------------------------------------------------------- */

static uint32_t bcast(const struct ip4_net *n)
{
	return n->addr | ~ip4_mask(n->plen);
}

static const struct net_used *overlap(const struct ip4_net *n,
				      const struct net_used *used, size_t nused)
{
	for (size_t i = 0; i < nused; i++)
		if (used[i].net.plen && ip4_net_overlap(n, &used[i].net))
			return &used[i];
	return NULL;
}

static int check_subnet(const struct ip4_net *n, struct errtext *why)
{
	char s[IP4_TEXT + 3];
	uint32_t top = n->addr >> 24;

	if (n->plen > PLEN_MAX || n->plen < PLEN_MIN)
		return errtext_set(why, -EINVAL,
				   "subnet %s must be between /%d and /%d",
				   ip4_net_format(n, s), PLEN_MIN, PLEN_MAX);
	if (n->addr & ~ip4_mask(n->plen))
		return errtext_set(why, -EINVAL, "subnet %s has host bits set",
				   ip4_net_format(n, s));
	if (top == 0 || top == 127 || top >= 224)
		return errtext_set(why, -EINVAL,
				   "subnet %s is not for hosts; use one of "
				   "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16",
				   ip4_net_format(n, s));
	return 0;
}

/* The first /24 that is free, in the order a VirtualBox user would guess: of the usual
 * ones, then of 10.1.0.0/24 … 10.255.255.0/24. */
static int pick_subnet(enum net_mode mode, const struct net_used *used,
		       size_t nused, struct ip4_net *out, struct errtext *why)
{
	uint32_t base = mode == NET_NAT ? 0x0a000200 : 0xc0a83800;
	uint32_t last = mode == NET_NAT ? 0x0a00ff00 : 0xc0a8ff00;
	struct ip4_net *v = calloc(nused + 1, sizeof(*v));
	uint32_t a = 0;
	size_t n;

	if (!v)
		return errtext_set(why, -ENOMEM, "no memory");
	for (size_t i = 0; i < nused; i++)
		v[i] = used[i].net;
	n = ip4_nets_merge(v, nused);
	a = ip4_nets_gap(v, n, base, last);
	if (!a)
		a = ip4_nets_gap(v, n, 0x0a010000, 0x0affff00);
	free(v);
	*out = (struct ip4_net){a, 24};
	return a ? 0 : errtext_set(why, -EEXIST,
			   "no free subnet is left in 10.0.0.0/8; give one "
			   "with \"subnet\"");
}

/* Our own addresses and the default pool inside the subnet. */
static void place_addresses(struct net_conf *c)
{
	uint32_t net = c->subnet.addr, end = bcast(&c->subnet);
	bool small = c->subnet.plen > 27;

	switch (c->mode) {
	case NET_NAT:
		c->service_ip = net + 2;
		c->dns_ip = net + 3;
		c->dhcp_first = net + (small ? 4 : 15);
		break;
	case NET_HOSTONLY:
		c->host_ip = net + 1;
		c->service_ip = c->subnet.plen > 24 ? net + 2 : net + 100;
		c->dhcp_first = c->service_ip + 1;
		break;
	case NET_INTERNAL:
		c->service_ip = net + 1;
		c->dhcp_first = net + 2;
		break;
	case NET_BRIDGED:
		return;
	}
	c->dhcp_last = end - 1;
	if (c->dhcp_last - c->dhcp_first >= POOL_MAX)
		c->dhcp_last = c->dhcp_first + POOL_MAX - 1;
}

static int set_pool(struct net_conf *c, const char *dhcp, struct errtext *why)
{
	char first[IP4_TEXT];
	const char *dash = strchr(dhcp, '-');

	if (!strcmp(dhcp, "on"))
		return 0;
	if (!strcmp(dhcp, "off")) {
		c->dhcp_first = c->dhcp_last = 0;
		return 0;
	}
	if (!dash || (size_t)(dash - dhcp) >= sizeof(first))
		return errtext_set(why, -EINVAL,
				   "dhcp must be \"on\", \"off\" or a range "
				   "like 10.0.2.50-10.0.2.99");
	memcpy(first, dhcp, (size_t)(dash - dhcp));
	first[dash - dhcp] = '\0';
	if (ip4_parse(first, &c->dhcp_first) ||
	    ip4_parse(dash + 1, &c->dhcp_last))
		return errtext_set(why, -EINVAL,
				   "dhcp range \"%.40s\" must be two IPv4 "
				   "addresses: 10.0.2.50-10.0.2.99",
				   dhcp);
	return 0;
}

static int make_subnet(const struct net_spec *spec, const struct net_used *used,
		       size_t nused, struct net_conf *c, struct errtext *why)
{
	const struct net_used *u;
	char s[IP4_TEXT + 3], t[IP4_TEXT + 3];
	const char *dhcp = spec->dhcp ? spec->dhcp : "on";
	int r;

	if (spec->subnet) {
		r = check_subnet(spec->subnet, why);
		if (r)
			return r;
		u = overlap(spec->subnet, used, nused);
		if (u)
			return errtext_set(why, -EEXIST,
					   "subnet %s overlaps %s (%s)",
					   ip4_net_format(spec->subnet, s),
					   u->what, ip4_net_format(&u->net, t));
		c->subnet = *spec->subnet;
	} else if (c->mode == NET_INTERNAL) {
		if (spec->dhcp && strcmp(spec->dhcp, "off"))
			return errtext_set(why, -EINVAL,
					   "DHCP on an internal network needs a "
					   "subnet; give one with \"subnet\"");
		return 0;
	} else {
		r = pick_subnet(c->mode, used, nused, &c->subnet, why);
		if (r)
			return r;
	}
	place_addresses(c);
	return set_pool(c, dhcp, why);
}

static int refuse_subnet(const struct net_spec *spec, struct errtext *why)
{
	if (spec->subnet || (spec->dhcp && strcmp(spec->dhcp, "off")))
		return errtext_set(why, -EINVAL,
				   "a bridged network has no subnet and no DHCP "
				   "of its own: its guests are on the uplink's "
				   "LAN");
	return 0;
}

int net_conf_make(const struct net_spec *spec, const struct net_used *used,
		  size_t nused, struct net_conf *out, struct errtext *why)
{
	struct net_conf c = {.mode = spec->mode,
			     .datapath = spec->datapath,
			     .autostart = spec->autostart};
	int r = validate_name("network name", spec->name, why);

	if (r)
		return r;
	snprintf(c.name, sizeof(c.name), "%s", spec->name);
	c.mtu = spec->mtu ? spec->mtu : 1500;
	c.lease_s = spec->lease_s ? spec->lease_s : LEASE_S_DEF;
	c.access = ACCESS_ADDRESS;
	c.udp_filter = NAT_FILTER_ADDR_PORT;
	r = natconf_apply(&c, &spec->nat, why);
	if (r)
		return r;
	snprintf(c.domain, sizeof(c.domain), "%s%s",
		 spec->domain ? spec->domain : spec->name,
		 spec->domain ? "" : ".vnet");
	r = uplinkconf_make(&c, &spec->uplink, why);
	if (r)
		return r;
	snprintf(c.tftp, sizeof(c.tftp), "%s", spec->tftp ? spec->tftp : "");
	r = spec->mode == NET_BRIDGED
		    ? refuse_subnet(spec, why)
		    : make_subnet(spec, used, nused, &c, why);
	if (!r)
		r = net_subnet6_make(spec, used, nused, &c, why);
	if (!r)
		r = ip6conf_apply(&c, &(struct ip6conf_spec){
					      spec->ipv6, spec->prefix_pool,
					      spec->ula},
				  used, nused, why);
	if (!r)
		r = net_conf_check(&c, why);
	if (!r)
		*out = c;
	return r;
}

static bool own_ip(const struct net_conf *c, uint32_t ip)
{
	return ip == c->host_ip || ip == c->service_ip || ip == c->dns_ip;
}

static int check_pool(const struct net_conf *c, struct errtext *why)
{
	char a[IP4_TEXT], s[IP4_TEXT + 3];

	if (!c->dhcp_first && !c->dhcp_last)
		return 0;
	if (c->dhcp_first > c->dhcp_last)
		return errtext_set(why, -EINVAL,
				   "dhcp range ends before it begins");
	if (c->dhcp_last - c->dhcp_first >= POOL_MAX)
		return errtext_set(why, -EINVAL,
				   "dhcp range has more than %d addresses",
				   POOL_MAX);
	if (c->dhcp_first <= c->subnet.addr ||
	    c->dhcp_last >= bcast(&c->subnet))
		return errtext_set(why, -EINVAL,
				   "dhcp range is not inside subnet %s",
				   ip4_net_format(&c->subnet, s));
	for (int i = 0; i < 3; i++) {
		uint32_t ip = i == 0   ? c->host_ip
			      : i == 1 ? c->service_ip
				       : c->dns_ip;

		if (ip && ip >= c->dhcp_first && ip <= c->dhcp_last)
			return errtext_set(why, -EINVAL,
					   "dhcp range contains %s, which is "
					   "an address of the network itself",
					   ip4_format(ip, a));
	}
	return 0;
}

/* The mode's own addresses must be there, inside the subnet. */
static int check_addresses(const struct net_conf *c, struct errtext *why)
{
	const uint32_t ip[] = {c->host_ip, c->service_ip, c->dns_ip};
	bool need_service = c->mode != NET_BRIDGED && c->subnet.plen;

	for (size_t i = 0; i < ARRAY_LEN(ip); i++)
		if (ip[i] && (!c->subnet.plen || ip[i] <= c->subnet.addr ||
			      ip[i] >= bcast(&c->subnet)))
			return errtext_set(why, -EINVAL,
					   "an address of the network's own is "
					   "not inside its subnet");
	if ((need_service && !c->service_ip) ||
	    (c->mode == NET_NAT && !c->dns_ip) ||
	    (c->mode == NET_HOSTONLY && !c->host_ip))
		return errtext_set(why, -EINVAL,
				   "an address of the network's own is "
				   "missing");
	return 0;
}

/* What the kernel cannot do, or not yet; each with what would. */
static int check_kernel(const struct net_conf *c, struct errtext *why)
{
	if (c->mode == NET_NAT && c->udp_filter != NAT_FILTER_ADDR_PORT)
		return errtext_set(why, -EINVAL,
				   "udp_filter %s needs datapath user: the "
				   "kernel's NAT lets answers in only from the "
				   "address and port that a guest wrote to",
				   natconf_filter_name(c->udp_filter));
	if (c->pool6.plen && 1U << (c->pool6_len - c->pool6.plen) > KBRIDGE_ROUTES)
		return errtext_set(why, -EINVAL,
				   "datapath kernel routes at most %d prefixes to "
				   "guests: take a smaller prefix pool, or "
				   "datapath user", KBRIDGE_ROUTES);
	return 0;
}

int net_conf_check(const struct net_conf *c, struct errtext *why)
{
	int r = validate_name("network name", c->name, why);

	if (!r)
		r = validate_domain(c->domain, why);
	if (r)
		return r;
	if (c->mtu < MTU_MIN || c->mtu > MTU_MAX)
		return errtext_set(why, -EINVAL, "mtu must be %d to %d",
				   MTU_MIN, MTU_MAX);
	if (c->lease_s < LEASE_S_MIN || c->lease_s > LEASE_S_MAX)
		return errtext_set(why, -EINVAL, "lease_s must be %d to %d",
				   LEASE_S_MIN, LEASE_S_MAX);
	if (c->tftp[0] && !c->service_ip)
		return errtext_set(why, -EINVAL,
				   "TFTP needs an IPv4 subnet of the network's "
				   "own to be served in");
	r = natconf_check(c, why);
	if (!r)
		r = net_subnet6_check(c, why);
	if (!r)
		r = ip6conf_check(c, why);
	if (!r)
		r = guardconf_check_net(c, why);
	if (r)
		return r;
	if (c->datapath == DATAPATH_KERNEL) {
		r = check_kernel(c, why);
		if (r)
			return r;
	}
	if (c->mode == NET_BRIDGED)
		return uplinkconf_check(c, why);
	if (c->mode != NET_INTERNAL || c->subnet.plen) {
		r = check_subnet(&c->subnet, why);
		if (r)
			return r;
	}
	r = check_addresses(c, why);
	return r ? r : check_pool(c, why);
}

int net_guest_ip(const struct net_conf *c, uint32_t ip, struct errtext *why)
{
	char a[IP4_TEXT], s[IP4_TEXT + 3];

	if (!c->subnet.plen)
		return errtext_set(why, -EINVAL, "network %s has no subnet",
				   c->name);
	if (!ip4_in_net(ip, &c->subnet) || ip == c->subnet.addr ||
	    ip == bcast(&c->subnet))
		return errtext_set(why, -EINVAL,
				   "%s is no host address of network %s (%s)",
				   ip4_format(ip, a), c->name,
				   ip4_net_format(&c->subnet, s));
	if (own_ip(c, ip))
		return errtext_set(why, -EINVAL,
				   "%s is an address of network %s itself",
				   ip4_format(ip, a), c->name);
	return 0;
}

/* ---- NICs, forwards, reservations ---------------------------------------- */

int nic_conf_check(const struct nic_conf *c, struct errtext *why)
{
	struct pin_net ips[GUARDCONF_IPS];
	int r = validate_name("VM name", c->vm, why);

	if (!r)
		r = validate_mac(&c->mac, why);
	if (r)
		return r;
	if (c->index < 0 || c->index > CONF_NIC_INDEX)
		return errtext_set(why, -EINVAL, "nic must be 0 to %d",
				   CONF_NIC_INDEX);
	if (c->ifname[0] && c->type != NIC_TAP && c->type != NIC_NETNS)
		return errtext_set(why, -EINVAL,
				   "ifname goes with type tap or netns");
	if (c->ifname[0] && validate_ifname(c->ifname, why))
		return -EINVAL;
	if ((c->type == NIC_NETNS) != (c->netns[0] != '\0'))
		return errtext_set(why, -EINVAL,
				   "type netns and the path \"netns\" go "
				   "together");
	if (c->queues < 0 || c->queues > CONF_QUEUES_MAX)
		return errtext_set(why, -EINVAL, "queues must be 1 to %d",
				   CONF_QUEUES_MAX);
	if (c->queues > 1 && c->type != NIC_VHOST && c->type != NIC_TAP)
		return errtext_set(why, -EINVAL,
				   "queues go with types vhost-user and tap");
	if (c->connect_to[0] && c->type != NIC_VHOST)
		return errtext_set(why, -EINVAL,
				   "connect_to goes with type vhost-user");
	if (c->connect_to[0] && c->connect_to[0] != '/')
		return errtext_set(why, -EINVAL,
				   "connect_to is an absolute path");
	if (c->transient && c->type != NIC_TAP)
		return errtext_set(why, -EINVAL, "transient goes with type tap");
	if (c->transient && c->queues > 1)
		return errtext_set(why, -EINVAL,
				   "a transient NIC has one queue");
	if (c->type == NIC_TAP && c->ifname[0] && strncmp(c->ifname, "vn-", 3))
		return errtext_set(why, -EINVAL,
				   "the name of a TAP of ours begins with "
				   "\"vn-\"");
	r = guardconf_ips(c->guard.ips, ips, why);
	return r < 0 ? r : 0;
}

int fwd_conf_check(const struct fwd_conf *c, const struct net_conf *net,
		   struct errtext *why)
{
	const struct ipaddr bcast4 = ipaddr_from4(INADDR_BROADCAST);
	char ip[IP_TEXT];
	int r;

	if (net->mode != NET_NAT)
		return errtext_set(why, -EINVAL,
				   "forwards need a nat network; %s is %s",
				   net->name, net_mode_name(net->mode));
	if (!c->port || c->port_end < c->port)
		return errtext_set(why, -EINVAL,
				   "port range ends before it begins");
	if (c->port_end - c->port >= CONF_RANGE_MAX)
		return errtext_set(why, -EINVAL,
				   "a forward takes at most %d ports",
				   CONF_RANGE_MAX);
	if (!c->to_port || c->to_port + (c->port_end - c->port) > 65535)
		return errtext_set(why, -EINVAL,
				   "to_port leaves no room for %d ports",
				   c->port_end - c->port + 1);
	if (ipaddr_is_multicast(&c->address) ||
	    (!ipaddr_is4(&c->address) && ipaddr_is_linklocal(&c->address)) ||
	    ipaddr_eq(&c->address, &bcast4))
		return errtext_set(why, -EINVAL,
				   "%s cannot be an address of the host",
				   ipaddr_format(&c->address, ip));
	if ((c->to_vm[0] != '\0') == !ipaddr_is_zero(&c->to_address))
		return errtext_set(why, -EINVAL,
				   "give either to_vm or to_address");
	if (c->to_vm[0]) {
		r = validate_name("VM name", c->to_vm, why);
		return r;
	}
	if (!ipaddr_is4(&c->to_address))
		return net_guest_ip6(net, &c->to_address, why);
	return net_guest_ip(net, ipaddr_get4(&c->to_address), why);
}

int resv_conf_check(const struct resv_conf *c, const struct net_conf *net,
		    struct errtext *why)
{
	int r = 0;

	if (!net->dhcp_first)
		return errtext_set(why, -EINVAL,
				   "network %s has no DHCP, so nothing can be "
				   "reserved",
				   net->name);
	if (c->vm[0])
		r = validate_name("VM name", c->vm, why);
	else
		r = validate_mac(&c->mac, why);
	if (!r && c->hostname[0])
		r = validate_hostname(c->hostname, why);
	/* One outside is of a pool for relays: dhcpset_resv_check(). */
	return r || !ip4_in_net(c->address, &net->subnet)
		       ? r
		       : net_guest_ip(net, c->address, why);
}

bool fwd_overlap(const struct fwd_conf *a, const struct fwd_conf *b)
{
	return a->proto == b->proto && a->port <= b->port_end &&
	       b->port <= a->port_end &&
	       (ipaddr_is_zero(&a->address) || ipaddr_is_zero(&b->address) ||
		ipaddr_eq(&a->address, &b->address));
}

void dev_name(const char *prefix, const char *name, int index,
	      char out[IFNAMSIZ])
{
	static const uint64_t seed[2] = {1, 2};
	char full[CONF_NAME_MAX + 40], tail[8] = "";
	int keep;

	if (index >= 0)
		snprintf(tail, sizeof(tail), "-%d", index % 1000);
	snprintf(full, sizeof(full), "%s%s%s", prefix, name, tail);
	if (strlen(full) < IFNAMSIZ) {
		memcpy(out, full, strlen(full) + 1);
		return;
	}
	keep = IFNAMSIZ - 1 - (int)strlen(prefix) - 5 - (int)strlen(tail);
	snprintf(out, IFNAMSIZ, "%s%.*s.%04x%s", prefix, keep > 0 ? keep : 0,
		 name, hash_bytes(seed, full, strlen(full)) & 0xffff, tail);
}
