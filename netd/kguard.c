// SPDX-License-Identifier: GPL-2.0-or-later
/* See kguard.h. */
#include "netd/kguard.h"

#include <errno.h>
#include <string.h>

#include "netd/knet.h"
#include "netd/priv_int.h"

int kguard_filters(const struct kguard *k, struct nft_plan *out)
{
	struct nftguard g = {
		.dhcp = k->dhcp,
		.ra = k->ra,
		.slaac = k->slaac,
		.service = k->service,
		.bridge = k->bridge,
		.net = k->net,
		.net6 = k->net6,
		.pool6 = k->pool6,
		.nic = k->nic,
		.n = k->nnic,
		.addr = k->addr,
		.naddr = k->naddr,
	};
	char bridge[IFNAMSIZ];

	memcpy(g.network, k->network, sizeof(g.network));
	memcpy(g.own, k->own, sizeof(g.own));
	if (k->uplink)
		knet_uplink_names(k->network, bridge, g.services);
	else
		knet_names(k->network, bridge, g.services);
	return nftguard_make(&g, out);
}

static bool is_bool(const bool *b)
{
	unsigned char c;

	memcpy(&c, b, 1);
	return c <= 1;
}

/* Not the network's own port: what comes from there is its services'. */
static int judge_port(const struct kguard *k, const struct nftguard_nic *n,
		      struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];
	int r = priv_judge_name(n->port, sizeof(n->port), why);

	if (r)
		return r;
	knet_names(k->network, bridge, tap);
	if (strcmp(n->port, bridge) && strcmp(n->port, tap))
		knet_uplink_names(k->network, bridge, tap);
	if (!strcmp(n->port, bridge) || !strcmp(n->port, tap))
		return errtext_set(why, -EPERM, "%s is no NIC's", n->port);
	return 0;
}

static int judge_nic(const struct kguard *k, const struct nftguard_nic *n,
		     struct errtext *why)
{
	if (n->level > NFTGUARD_PIN_IP || n->isolated > 1 || mac_is_group(&n->mac))
		return errtext_set(why, -EINVAL, "no NIC");
	return n->port[0] ? judge_port(k, n, why) : 0;
}

static bool has_host_bits(const struct nftguard_addr *a)
{
	for (unsigned int bit = a->plen; bit < 128; bit++)
		if (a->ip.b[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

/* A NIC has no address of the network's own, nor one that nobody can have. What lies in a
 * prefix of its own is looked at after those. */
static int judge_addr(const struct kguard *k, const struct nftguard_addr *a,
		      struct errtext *why)
{
	if (a->nic >= k->nnic || a->plen > 128 ||
	    (ipaddr_is4(&a->ip) && a->plen < 96) || has_host_bits(a) ||
	    (a->plen == 128 && ipaddr_is_any(&a->ip)) ||
	    ipaddr_is_multicast(&a->ip) || ipaddr_is_loopback(&a->ip))
		return errtext_set(why, -EINVAL, "no NIC's address");
	if (a->plen < 128)
		return 0;
	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++)
		if (ipaddr_eq(&a->ip, &k->own[i]))
			return errtext_set(why, -EPERM,
					   "an address of the network's own is "
					   "no NIC's");
	return 0;
}

int kguard_judge(const struct kguard *k, struct errtext *why)
{
	struct priv_req_worker name = {.isolated = false};
	int r;

	memcpy(name.network, k->network, sizeof(name.network));
	r = priv_judge_worker(&name, why);
	if (!r && (!is_bool(&k->dhcp) || !is_bool(&k->ra) || !is_bool(&k->uplink) ||
		   (k->slaac.plen && k->slaac.plen != 64) ||
		   k->net.plen > 32 || k->net6.plen > 128 || k->pool6.plen > 128 ||
		   k->nnic > KGUARD_NICS_MAX || k->naddr > KGUARD_ADDRS_MAX))
		r = errtext_set(why, -EINVAL, "malformed request");
	for (unsigned int i = 0; !r && i < k->nnic; i++)
		r = judge_nic(k, &k->nic[i], why);
	for (unsigned int i = 0; !r && i < k->naddr; i++)
		r = judge_addr(k, &k->addr[i], why);
	return r;
}
