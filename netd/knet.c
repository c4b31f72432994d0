// SPDX-License-Identifier: GPL-2.0-or-later
/* A network of the kernel datapath: names, judging, compiling. See knet.h. */
#include "netd/knet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netd/ip6conf.h"
#include "netd/priv_int.h"
#include "netd/validate.h"

void knet_names(const char *network, char bridge[IFNAMSIZ], char tap[IFNAMSIZ])
{
	/* What begins like these would have the name of another kind's device. */
	static const char *const kinds[] = {"br-", "up-", "sv-", "n-"};
	const char *prefix = "vn-";

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strncmp(network, kinds[i], 3))
			prefix = "vn-n-";
	dev_name(prefix, network, -1, bridge);
	dev_name("vn-sv-", network, -1, tap);
}

void knet_uplink_names(const char *network, char bridge[IFNAMSIZ],
		       char tap[IFNAMSIZ])
{
	dev_name("vn-br-", network, -1, bridge);
	dev_name("vn-up-", network, -1, tap);
}

static void add_addr(struct kbridge *b, const struct ipaddr *ip, uint8_t plen)
{
	b->addr[b->naddr++] = (struct kaddr){*ip, plen};
}

void knet_bridge(const struct knet *k, struct kbridge *b)
{
	struct ipaddr ip4 = ipaddr_from4(k->ip4),
		      ll = ipaddr_linklocal(&k->mac);

	memset(b, 0, sizeof(*b));
	memcpy(b->name, k->bridge, sizeof(b->name));
	link_mark(k->network, b->mark);
	b->mac = k->mac;
	b->mtu = k->mtu;
	b->routes = k->mode == NFT_NAT;
	b->ip6 = !ipaddr_is_zero(&k->ip6);
	if (k->ip4)
		add_addr(b, &ip4, k->net.plen);
	if (!b->ip6)
		return;
	add_addr(b, &k->ip6, k->net6.plen);
	add_addr(b, &ll, 64);
	b->route = k->route;
	b->nroute = k->nroute;
}

void knet_filters(const struct knet *k, struct nft_plan *p)
{
	struct nft_net n = {
		.mode = (enum nft_mode)k->mode,
		.net = k->net,
		.net6 = k->net6,
		.pool6 = k->pool6,
		.host = k->host,
		.loopback = k->loopback ? k->ip4 : 0,
		.allow = k->allow,
		.nallow = k->nallow,
		.fwd = k->fwd,
		.nfwd = k->nfwd,
	};

	memcpy(n.network, k->network, sizeof(n.network));
	memcpy(n.bridge, k->bridge, sizeof(n.bridge));
	nftplan_make(&n, p);
}

static bool same_key(const struct nft_forward *a, const struct nft_forward *b)
{
	return a->proto == b->proto && a->port == b->port &&
	       ipaddr_is4(&a->to) == ipaddr_is4(&b->to) &&
	       ipaddr_eq(&a->at, &b->at);
}

bool knet_has_forward(const struct knet *k, const struct nft_forward *f)
{
	for (unsigned int i = 0; i < k->nfwd; i++)
		if (same_key(&k->fwd[i], f))
			return true;
	return false;
}

/* ---- judging ------------------------------------------------------------------------- */

bool knet_at_ok(const struct ipaddr *at)
{
	return !ipaddr_is_multicast(at) &&
	       (ipaddr_is4(at) || !ipaddr_is_linklocal(at));
}

/* Only into the network itself, and from a port that is one. */
static int judge_forward(const struct knet *k, const struct nft_forward *f,
			 struct errtext *why)
{
	bool v4 = ipaddr_is4(&f->to);
	bool in = v4 ? k->net.plen && ip4_in_net(ipaddr_get4(&f->to), &k->net)
		     : k->net6.plen && ipaddr_in_net6(&f->to, &k->net6);

	if ((f->proto != IPPROTO_TCP && f->proto != IPPROTO_UDP) || !f->port ||
	    !f->to_port || ipaddr_is4(&f->at) != v4 || !knet_at_ok(&f->at))
		return errtext_set(why, -EINVAL, "not a forward");
	if (!in)
		return errtext_set(why, -EPERM,
				   "a forward leads out of its network");
	return 0;
}

static int judge_ports(const struct knet *k, struct errtext *why)
{
	bool open = k->mode == NFT_NAT && k->host;

	if (k->nallow > NAT_ALLOW_MAX || ((k->nallow || k->loopback) && !open))
		return errtext_set(why, -EINVAL, "malformed request");
	for (unsigned int i = 0; i < k->nallow; i++) {
		const struct nat_allow *a = &k->allow[i];

		if ((a->proto != NAT_TCP && a->proto != NAT_UDP) || !a->first ||
		    a->last < a->first)
			return errtext_set(why, -EINVAL, "not a list of ports");
	}
	return 0;
}

/* No bits set behind its length? */
static bool is_whole(const struct ip6_net *n)
{
	for (unsigned int bit = n->plen; bit < 128; bit++)
		if (n->addr.b[bit / 8] & 0x80 >> bit % 8)
			return false;
	return true;
}

bool knet_route_ok(const struct knet *k, const struct kroute *r)
{
	struct ipaddr ours = ipaddr_linklocal(&k->mac);

	return k->pool6.plen && r->net.plen >= k->pool6.plen &&
	       r->net.plen <= 64 && ipaddr_in_net6(&r->net.addr, &k->pool6) &&
	       is_whole(&r->net) && ipaddr_is_linklocal(&r->via) &&
	       !ipaddr_is4(&r->via) && !ipaddr_eq(&r->via, &ours);
}

static int judge_routes(const struct knet *k, struct errtext *why)
{
	const struct ip6_net *p = &k->pool6;
	bool none = !p->plen && ipaddr_is_zero(&p->addr);

	if (k->nroute > KBRIDGE_ROUTES ||
	    (!none &&
	     (k->mode != NFT_NAT || !k->net6.plen || p->plen < IP6CONF_POOL_MIN ||
	      p->plen > 64 || !is_whole(p) ||
	      ipaddr_is_linklocal(&p->addr) || ipaddr_is_multicast(&p->addr) ||
	      ip6_net_overlap(p, &k->net6))))
		return errtext_set(why, -EINVAL, "malformed request");
	for (unsigned int i = 0; i < k->nroute; i++)
		if (!knet_route_ok(k, &k->route[i]))
			return errtext_set(why, -EPERM,
					   "a route leads out of its network");
	return 0;
}

/* Bytes that came over the channel need not be a bool. */
static bool is_bool(const bool *b)
{
	unsigned char c;

	memcpy(&c, b, 1);
	return c <= 1;
}

static int judge_addresses(const struct knet *k, struct errtext *why)
{
	const struct priv_tap t = {
		.name = "vn-x",
		.mac = k->mac,
		.mtu = k->mtu,
		.ip4 = k->ip4,
		.plen = k->net.plen,
		.ip6 = k->ip6,
		.plen6 = k->net6.plen,
	};
	uint8_t plen = k->net.plen, plen6 = k->net6.plen;

	if (plen > 30 || (k->net.addr & ~ip4_mask(plen)) ||
	    (k->ip4 && !ip4_in_net(k->ip4, &k->net)) ||
	    (k->ip4 && plen < 8) || (plen6 && plen6 != 64) ||
	    (!ipaddr_is_zero(&k->ip6) && !ipaddr_in_net6(&k->ip6, &k->net6)))
		return errtext_set(why, -EINVAL,
				   "an address is not inside its subnet");
	if (k->mode == NFT_INTERNAL && (k->ip4 || !ipaddr_is_zero(&k->ip6)))
		return errtext_set(why, -EPERM,
				   "the host is in no internal network");
	return priv_judge_tap(&t, why);
}

int knet_judge(const struct knet *k, struct errtext *why)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];
	struct priv_req_worker name = {.isolated = false};
	int r;

	memcpy(name.network, k->network, sizeof(name.network));
	r = priv_judge_worker(&name, why);
	if (r)
		return r;
	knet_names(k->network, bridge, tap);
	if (strncmp(bridge, k->bridge, IFNAMSIZ) ||
	    strncmp(tap, k->tap, IFNAMSIZ) || k->mode < NFT_NAT ||
	    k->mode > NFT_INTERNAL || !is_bool(&k->host) ||
	    !is_bool(&k->loopback) || k->nfwd > KNET_FWDS_MAX ||
	    mac_is_zero(&k->mac))
		return errtext_set(why, -EINVAL, "malformed request");
	r = judge_addresses(k, why);
	if (!r)
		r = judge_ports(k, why);
	if (!r)
		r = judge_routes(k, why);
	for (unsigned int i = 0; !r && i < k->nfwd; i++)
		r = judge_forward(k, &k->fwd[i], why);
	return r;
}
