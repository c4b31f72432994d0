// SPDX-License-Identifier: GPL-2.0-or-later
/* The one validator of a DHCP configuration. See dhcp_config.h. */
#include "dhcp/dhcp_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A host's address inside the net? 0 is not. */
static int check_host(const struct dhcp_config *cfg, const char *what,
		      uint32_t ip, struct errtext *why)
{
	char a[IP4_TEXT], n[IP4_TEXT + 3];

	if (ip4_in_net(ip, &cfg->net) && ip != cfg->net.addr &&
	    ip != dhcp_net_broadcast(&cfg->net))
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

/* ---- links behind relays --------------------------------------------------- */

static uint32_t size_of(const struct dhcp_range *r)
{
	return r->first ? r->last - r->first + 1 : 0;
}

static bool is_host(const struct ip4_net *net, uint32_t ip)
{
	return ip4_in_net(ip, net) && ip != net->addr &&
	       ip != dhcp_net_broadcast(net);
}

static int check_range(const struct dhcp_range *r, struct errtext *why)
{
	char n[IP4_TEXT + 3];

	if (r->net.plen < 8 || r->net.plen > 30 ||
	    (r->net.addr & ~ip4_mask(r->net.plen)))
		return errtext_set(why, -EINVAL,
				   "a relay's subnet is from /8 to /30");
	if (!is_host(&r->net, r->first) || !is_host(&r->net, r->last) ||
	    r->first > r->last || (r->router && !is_host(&r->net, r->router)))
		return errtext_set(why, -EINVAL,
				   "pool and router must be hosts of %s",
				   ip4_net_format(&r->net, n));
	return 0;
}

/* "FIRST-LAST", "auto": the pool; behind "@": the router. */
static int parse_pool(char *s, struct dhcp_range *r, struct errtext *why)
{
	char *at = strchr(s, '@'), *to;

	r->router = r->net.addr + 1;
	if (at)
		*at++ = '\0';
	if (at && ip4_parse(at, &r->router))
		return errtext_set(why, -EINVAL, "\"%s\" is no router", at);
	if (!*s || !strcmp(s, "auto")) {
		r->first = r->net.addr + 1;
		r->last = dhcp_net_broadcast(&r->net) - 1;
		if (r->router == r->first)
			r->first++;
		if (r->last - r->first >= DHCP_POOL_MAX)
			r->last = r->first + DHCP_POOL_MAX - 1;
		return 0;
	}
	to = strchr(s, '-');
	if (to)
		*to++ = '\0';
	if (!to || ip4_parse(s, &r->first) || ip4_parse(to, &r->last))
		return errtext_set(why, -EINVAL,
				   "write a relay's pool like "
				   "10.9.0.0/24=10.9.0.50-10.9.0.99@10.9.0.1");
	return 0;
}

int dhcp_range_parse(const char *s, struct dhcp_range *out, struct errtext *why)
{
	char text[DHCP_RANGE_TEXT], *pool;
	struct dhcp_range r = {0};
	int err;

	if (snprintf(text, sizeof(text), "%s", s) >= (int)sizeof(text))
		return errtext_set(why, -EINVAL, "too long for a relay's pool");
	pool = strchr(text, '=');
	if (pool)
		*pool++ = '\0';
	if (ip4_net_parse(text, &r.net, NULL) || r.net.plen < 8 ||
	    r.net.plen > 30)
		return errtext_set(why, -EINVAL,
				   "\"%s\" is no subnet from /8 to /30", text);
	err = parse_pool(pool ? pool : text + strlen(text), &r, why);
	if (!err)
		err = check_range(&r, why);
	if (!err)
		*out = r;
	return err;
}

int dhcp_ranges_check(const struct ip4_net *net, const struct dhcp_range *r,
		      unsigned int n, struct errtext *why)
{
	char a[IP4_TEXT + 3], b[IP4_TEXT + 3];
	uint32_t sum = 0;

	if (n > DHCP_RELAY_MAX)
		return errtext_set(why, -ERANGE,
				   "a network has at most %d pools for relays",
				   DHCP_RELAY_MAX);
	for (unsigned int i = 0; i < n; i++) {
		const struct ip4_net *other = net;
		int err = check_range(&r[i], why);

		if (err)
			return err;
		for (unsigned int k = 0; k <= i; k++) {
			if (ip4_net_overlap(&r[i].net, other))
				return errtext_set(
					why, -EINVAL, "%s overlaps %s",
					ip4_net_format(&r[i].net, a),
					ip4_net_format(other, b));
			other = &r[k].net;
		}
		sum += size_of(&r[i]) < DHCP_POOL_MAX ? size_of(&r[i])
						      : DHCP_POOL_MAX + 1;
	}
	return sum <= DHCP_POOL_MAX
		       ? 0
		       : errtext_set(why, -ERANGE,
				     "all pools have at most %d addresses",
				     DHCP_POOL_MAX);
}

static int check_sum(const struct dhcp_config *cfg, struct errtext *why)
{
	uint32_t sum = cfg->first ? cfg->last - cfg->first + 1 : 0;

	for (unsigned int i = 0; i < cfg->nrelay; i++)
		sum += size_of(&cfg->relay[i]);
	return sum <= DHCP_POOL_MAX
		       ? 0
		       : errtext_set(why, -ERANGE,
				     "all pools have at most %d addresses",
				     DHCP_POOL_MAX);
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
	if (!err)
		err = dhcp_ranges_check(&cfg->net, cfg->relay, cfg->nrelay,
					why);
	if (!err && cfg->nrelay)
		err = check_sum(cfg, why);
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
