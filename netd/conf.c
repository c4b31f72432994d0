// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of the enumerations in conf.h. */
#include "netd/conf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/compat.h"

static const char *const modes[] = {"nat", "bridged", "hostonly", "internal"};
static const char *const datapaths[] = {"user", "kernel"};
static const char *const accesses[] = {"off", "address", "loopback"};
static const char *const types[] = {"stream", "dgram", "seqpacket",
				    "tap",    "netns", "fd",
				    "vhost-user"};

static_assert(ARRAY_LEN(modes) == NET_INTERNAL + 1, "modes");
static_assert(ARRAY_LEN(accesses) == ACCESS_LOOPBACK + 1, "accesses");
static_assert(ARRAY_LEN(types) == NIC_VHOST + 1, "types");

static int find(const char *const *names, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], s))
			return (int)i;
	return -EINVAL;
}

static struct ipaddr own_ip6(const struct net_conf *c, bool has, uint8_t n)
{
	struct ipaddr ip = ipaddr_any;

	if (has && c->subnet6.plen) {
		ip = c->subnet6.addr;
		ip.b[15] = n;
	}
	return ip;
}

struct ipaddr net_host_ip6(const struct net_conf *c)
{
	return own_ip6(c, c->mode == NET_HOSTONLY, 1);
}

struct ipaddr net_service_ip6(const struct net_conf *c)
{
	return own_ip6(c, true, 2);
}

struct ipaddr net_dns_ip6(const struct net_conf *c)
{
	return own_ip6(c, c->mode == NET_NAT, 3);
}

bool net_kernel_routes(const struct net_conf *c)
{
	return c->mode == NET_NAT && c->datapath == DATAPATH_KERNEL;
}

uint32_t net_worker_ip(const struct net_conf *c)
{
	return net_kernel_routes(c) ? c->dns_ip : c->service_ip;
}

struct ipaddr net_worker_ip6(const struct net_conf *c)
{
	return net_kernel_routes(c) ? net_dns_ip6(c) : net_service_ip6(c);
}

bool net_has_services(const struct net_conf *c)
{
	return c->mode == NET_NAT || c->dhcp_first || c->subnet6.plen;
}

const char *net_mode_name(enum net_mode m)
{
	return modes[m];
}

const char *net_datapath_name(enum net_datapath d)
{
	return datapaths[d];
}

const char *net_access_name(enum net_access a)
{
	return accesses[a];
}

const char *nic_type_name(enum nic_type t)
{
	return types[t];
}

const char *fwd_proto_name(int proto)
{
	return proto == IPPROTO_UDP ? "udp" : "tcp";
}

int net_mode_parse(const char *s, enum net_mode *out)
{
	int i = find(modes, ARRAY_LEN(modes), s);

	if (i < 0)
		return i;
	*out = (enum net_mode)i;
	return 0;
}

int net_datapath_parse(const char *s, enum net_datapath *out)
{
	int i = find(datapaths, ARRAY_LEN(datapaths), s);

	if (i < 0)
		return i;
	*out = (enum net_datapath)i;
	return 0;
}

int net_access_parse(const char *s, enum net_access *out)
{
	int i = find(accesses, ARRAY_LEN(accesses), s);

	if (i < 0)
		return i;
	*out = (enum net_access)i;
	return 0;
}

int nic_type_parse(const char *s, enum nic_type *out)
{
	int i = find(types, ARRAY_LEN(types), s);

	if (i < 0)
		return i;
	*out = (enum nic_type)i;
	return 0;
}

int fwd_proto_parse(const char *s, int *out)
{
	if (strcmp(s, "tcp") && strcmp(s, "udp"))
		return -EINVAL;
	*out = s[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
	return 0;
}
