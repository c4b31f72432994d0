// SPDX-License-Identifier: GPL-2.0-or-later
/* Where packets may go. See policy.h. */
#include "nat/policy.h"

#include "nat/ip4.h"
#include "nat/ip6.h"
#include "nat/routes6.h"

static bool is_set_and(const struct ipaddr *ours, const struct ipaddr *ip)
{
	return !ipaddr_is_zero(ours) && ipaddr_eq(ours, ip);
}

bool policy_is_us(const struct policy *p, const struct ipaddr *ip)
{
	uint32_t v4;

	if (!ipaddr_is4(ip))
		return is_set_and(&p->ip6, ip) || is_set_and(&p->dns_ip6, ip) ||
		       is_set_and(&p->ll6, ip);
	v4 = ipaddr_get4(ip);
	return v4 == p->ip || (p->dns_ip && v4 == p->dns_ip);
}

struct ipaddr policy_gateway(const struct policy *p, const struct ipaddr *as)
{
	return ipaddr_is4(as) ? ipaddr_from4(p->ip) : p->ip6;
}

bool policy_is_inside(const struct policy *p, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return ip4_in_net(ipaddr_get4(ip), &p->net);
	return p->net6.plen &&
	       (ipaddr_in_net6(ip, &p->net6) || ipaddr_is_linklocal(ip) ||
		(p->routes && routes6_find(p->routes, ip)));
}

bool policy_is_host(const struct policy *p, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return p->host_ip && ipaddr_get4(ip) == p->host_ip;
	return is_set_and(&p->host_ip6, ip);
}

bool policy_denied(const struct policy *p, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip)) {
		uint32_t v4 = ipaddr_get4(ip);

		for (size_t i = 0; i < p->ndeny; i++)
			if (ip4_in_net(v4, &p->deny[i]))
				return true;
		return false;
	}
	for (size_t i = 0; i < p->ndeny6; i++)
		if (ipaddr_in_net6(ip, &p->deny6[i]))
			return true;
	return false;
}

bool policy_is_martian(const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return ip4_is_martian(ipaddr_get4(ip)) ||
		       ip4_is_multicast(ipaddr_get4(ip));
	return ip6_is_martian(ip);
}

static enum policy_verdict to_host(const struct policy *p, bool v4,
				   struct ipaddr *real)
{
	static const struct ipaddr loop6 = {
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

	switch (p->host_access) {
	case NAT_HOST_LOOPBACK:
		*real = v4 ? ipaddr_from4(INADDR_LOOPBACK) : loop6;
		return POLICY_OUT;
	case NAT_HOST_ADDRESS:
		if (v4 ? !p->host_ip : ipaddr_is_zero(&p->host_ip6))
			return POLICY_NOWHERE;
		*real = v4 ? ipaddr_from4(p->host_ip) : p->host_ip6;
		return POLICY_OUT;
	default:
		return POLICY_DENY;
	}
}

enum policy_verdict policy_dst(const struct policy *p, const struct ipaddr *dst,
			       struct ipaddr *real)
{
	bool v4 = ipaddr_is4(dst);

	if (v4 ? ipaddr_get4(dst) == p->ip : is_set_and(&p->ip6, dst))
		return to_host(p, v4, real);
	if (policy_is_us(p, dst))
		return POLICY_NOWHERE;
	/* Link-local ones are of the guest's link, never of the host's (RFC 3927
	 * 2.7, 7): a cloud's metadata, say, is the host's alone. */
	if (policy_is_martian(dst) || ipaddr_is_linklocal(dst) ||
	    policy_is_inside(p, dst))
		return POLICY_SILENT;
	if (policy_denied(p, dst))
		return POLICY_DENY;
	if (policy_is_host(p, dst) && p->host_access == NAT_HOST_OFF)
		return POLICY_DENY;
	*real = *dst;
	return POLICY_OUT;
}

/* Is the packet's real destination the host, under whatever address? */
static bool is_self(const struct policy *p, const struct ipaddr *real)
{
	if (ipaddr_is_loopback(real) || policy_is_host(p, real))
		return true;
	for (size_t i = 0; i < p->nself; i++)
		if (ipaddr_eq(&p->self[i], real))
			return true;
	return false;
}

static bool is_allowed(const struct policy *p, enum nat_proto proto,
		       uint16_t port)
{
	for (size_t i = 0; i < p->nallow; i++)
		if (p->allow[i].proto == proto && port >= p->allow[i].first &&
		    port <= p->allow[i].last)
			return true;
	return false;
}

enum policy_verdict policy_flow(const struct policy *p, enum nat_proto proto,
				const struct ipaddr *dst, uint16_t port,
				struct ipaddr *real)
{
	enum policy_verdict v = policy_dst(p, dst, real);

	if (v == POLICY_OUT && p->nallow && is_self(p, real) &&
	    !is_allowed(p, proto, port))
		return POLICY_DENY;
	return v;
}

struct ipaddr policy_client(const struct policy *p, const struct ipaddr *client,
			    const struct ipaddr *guest)
{
	if (ipaddr_is4(client) != ipaddr_is4(guest) ||
	    policy_is_martian(client) || ipaddr_is_linklocal(client) ||
	    policy_is_inside(p, client))
		return policy_gateway(p, guest);
	return *client;
}
