// SPDX-License-Identifier: GPL-2.0-or-later
/* Where packets may go. See policy.h. */
#include "nat/policy.h"

#include "nat/ip4.h"

bool policy_denied(const struct policy *p, uint32_t ip)
{
	for (size_t i = 0; i < p->ndeny; i++)
		if (ip4_in_net(ip, &p->deny[i]))
			return true;
	return false;
}

static enum policy_verdict to_host(const struct policy *p, uint32_t *real)
{
	switch (p->host_access) {
	case NAT_HOST_LOOPBACK:
		*real = INADDR_LOOPBACK;
		return POLICY_OUT;
	case NAT_HOST_ADDRESS:
		if (!p->host_ip)
			return POLICY_NOWHERE;
		*real = p->host_ip;
		return POLICY_OUT;
	default:
		return POLICY_DENY;
	}
}

enum policy_verdict policy_dst(const struct policy *p, uint32_t dst,
			       uint32_t *real)
{
	if (dst == p->ip)
		return to_host(p, real);
	if (p->dns_ip && dst == p->dns_ip)
		return POLICY_NOWHERE;
	if (ip4_is_martian(dst) || ip4_is_multicast(dst) ||
	    ip4_in_net(dst, &p->net))
		return POLICY_SILENT;
	if (policy_denied(p, dst))
		return POLICY_DENY;
	if (dst == p->host_ip && p->host_access == NAT_HOST_OFF)
		return POLICY_DENY;
	*real = dst;
	return POLICY_OUT;
}

uint32_t policy_client(const struct policy *p, uint32_t client)
{
	if (ip4_is_martian(client) || ip4_is_multicast(client) ||
	    ip4_in_net(client, &p->net))
		return p->ip;
	return client;
}
