// SPDX-License-Identifier: GPL-2.0-or-later
/* The one validator of a DHCP configuration. See dhcp_config.h. */
#include "dhcp/dhcp_config.h"

#include <errno.h>

/* A host's address inside the net? 0 is not. */
static int check_host(const struct dhcp_config *cfg, const char *what,
		      uint32_t ip, struct errtext *why)
{
	char a[IP4_TEXT], n[IP4_TEXT + 3];

	if (ip4_in_net(ip, &cfg->net) && ip != cfg->net.addr &&
	    ip != dhcp_config_broadcast(cfg))
		return 0;
	return errtext_set(why, -EINVAL, "%s %s is not a host of %s", what,
			   ip4_format(ip, a), ip4_net_format(&cfg->net, n));
}

static int check_pool(const struct dhcp_config *cfg, struct errtext *why)
{
	int err;

	if (!cfg->first && !cfg->last)
		return 0;
	err = check_host(cfg, "first address", cfg->first, why);
	if (!err)
		err = check_host(cfg, "last address", cfg->last, why);
	if (err)
		return err;
	if (cfg->first > cfg->last)
		return errtext_set(why, -EINVAL,
				   "the pool ends before it starts");
	if (cfg->last - cfg->first >= DHCP_POOL_MAX)
		return errtext_set(why, -ERANGE,
				   "a pool has at most %u addresses",
				   (unsigned int)DHCP_POOL_MAX);
	return 0;
}

static int check_options(const struct dhcp_config *cfg, struct errtext *why)
{
	if (cfg->ndns > DHCP_DNS_MAX)
		return errtext_set(why, -EINVAL, "at most %u DNS servers",
				   (unsigned int)DHCP_DNS_MAX);
	if (cfg->mtu && cfg->mtu < 68) /* RFC 2132 5.1 */
		return errtext_set(why, -EINVAL, "mtu is below 68");
	if (!memchr(cfg->domain, '\0', sizeof(cfg->domain)))
		return errtext_set(why, -EINVAL, "domain is too long");
	return 0;
}

int dhcp_config_check(const struct dhcp_config *cfg, struct errtext *why)
{
	int err;

	if (cfg->net.plen < 1 || cfg->net.plen > 30 ||
	    (cfg->net.addr & ~ip4_mask(cfg->net.plen)))
		return errtext_set(why, -EINVAL,
				   "DHCP needs a subnet from /1 to /30");
	err = check_host(cfg, "server address", cfg->server_ip, why);
	if (!err && cfg->router)
		err = check_host(cfg, "router", cfg->router, why);
	if (!err)
		err = check_pool(cfg, why);
	return err ? err : check_options(cfg, why);
}

uint32_t dhcp_config_lease_s(const struct dhcp_config *cfg)
{
	return cfg->lease_s ? cfg->lease_s : DHCP_LEASE_S;
}

uint32_t dhcp_config_max_per_nic(const struct dhcp_config *cfg)
{
	return cfg->max_per_nic ? cfg->max_per_nic : DHCP_NIC_BINDINGS;
}
