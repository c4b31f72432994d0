// SPDX-License-Identifier: GPL-2.0-or-later
/* From a network's NICs to what they may not say. Pure; see nftguard.h. */
#include "nat/nftguard.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter_bridge.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIO_FIRST (-300) /* nft(8): "dstnat" of a bridge */
#define TYPE_RARP  0x8035
#define SNAP_IP	   0xaaaa03000000 /* RFC 1042: what follows is an EtherType */

#define DHCP_CLIENT  68	 /* RFC 2131 4.1 */
#define DHCP6_CLIENT 546 /* RFC 8415 7.2 */
#define ROUTER_ADVERT 134 /* RFC 4861 4 */
#define ND_ADVERT     136
#define RESERVED      255 /* no protocol (IANA): anything that can be found is another */

static const char *const kinds[] = {
	[NFTGUARD_GATEWAY] = "guard_gateway",
	[NFTGUARD_PROTOCOL] = "guard_protocol",
	[NFTGUARD_DHCP] = "rogue_dhcp",
	[NFTGUARD_RA] = "rogue_ra",
	[NFTGUARD_DHCP6] = "rogue_dhcp6",
};

const char *nftguard_name(enum nftguard_kind k)
{
	return kinds[k];
}

/* Chains behind those of the kinds. */
enum { GUEST = NFTGUARD_KINDS, GUEST_IP, GUEST_IP6, GUEST_ND, PREROUTING };

/* Sets likewise. */
enum { NICS = NFTGUARD_KINDS };

/* ---- matches and rules --------------------------------------------------------------- */

static struct nft_match type(int t)
{
	return (struct nft_match){.kind = NFT_TYPE, .proto = t};
}

static struct nft_match vlan(int tag)
{
	return (struct nft_match){.kind = NFT_VLAN, .proto = tag};
}

static struct nft_match l4(int proto, bool neg)
{
	return (struct nft_match){
		.kind = NFT_L4PROTO, .proto = proto, .neg = neg};
}

static struct nft_match field(enum nft_field f, uint64_t value)
{
	return (struct nft_match){
		.kind = NFT_FIELD, .field = f, .value = value};
}

static struct nft_match field_ip(enum nft_field f, const struct ipaddr *ip)
{
	return (struct nft_match){.kind = NFT_FIELD, .field = f, .ip = *ip};
}

static struct nft_match from(const struct ipaddr *ip)
{
	return (struct nft_match){.kind = NFT_SADDR, .ip = *ip,
				  .plen = ipaddr_is4(ip) ? 32 : 128};
}

static struct nft_match in_set(unsigned int set)
{
	return (struct nft_match){.kind = NFT_IN_SET, .set = set};
}

static struct nft_match fragment(void)
{
	return (struct nft_match){.kind = NFT_FRAGMENT};
}

#define MATCHES(...) (const struct nft_match[]){__VA_ARGS__}, \
	sizeof((const struct nft_match[]){__VA_ARGS__}) / sizeof(struct nft_match)

static struct nft_rule *rule(struct nft_plan *p, unsigned int chain,
			     enum nft_verdict v, const struct nft_match *m,
			     size_t n)
{
	struct nft_rule *r = &p->rule[p->nrule++];

	assert(p->nrule <= NFT_RULES && n <= NFT_MATCHES);
	r->chain = chain;
	r->verdict = v;
	if (n)
		memcpy(r->m, m, n * sizeof(*m));
	r->n = (unsigned int)n;
	return r;
}

static void go(struct nft_plan *p, unsigned int chain, unsigned int to,
	       const struct nft_match *m, size_t n)
{
	rule(p, chain, NFT_V_GOTO, m, n)->to = to;
}

/* ---- what is not to pass ----------------------------------------------------------------- */

static void kind_rules(struct nft_plan *p, unsigned int k)
{
	rule(p, k, NFT_V_RETURN, MATCHES(vlan(ETH_P_8021Q)));
	rule(p, k, NFT_V_RETURN, MATCHES(vlan(ETH_P_8021AD)));
	rule(p, k, NFT_V_LOG, MATCHES(in_set(k)));
	rule(p, k, NFT_V_DROP, NULL, 0);
}

static void ip4_rules(const struct nftguard *g, struct nft_plan *p)
{
	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++)
		if (!ipaddr_is_any(&g->own[i]) && ipaddr_is4(&g->own[i]))
			go(p, GUEST_IP, NFTGUARD_GATEWAY,
			   MATCHES(type(ETH_P_IP), from(&g->own[i])));
	if (g->dhcp)
		go(p, GUEST_IP, NFTGUARD_DHCP,
		   MATCHES(type(ETH_P_IP), l4(IPPROTO_UDP, false),
			   field(NFT_UDP_DPORT, DHCP_CLIENT)));
}

static void ip6_rules(const struct nftguard *g, struct nft_plan *p)
{
	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++)
		if (!ipaddr_is_any(&g->own[i]) && !ipaddr_is4(&g->own[i]))
			go(p, GUEST_IP6, NFTGUARD_GATEWAY,
			   MATCHES(type(ETH_P_IPV6), from(&g->own[i])));
	rule(p, GUEST_IP6, NFT_V_RETURN, MATCHES(l4(IPPROTO_TCP, false)));
	go(p, GUEST_IP6, GUEST_ND, MATCHES(l4(IPPROTO_ICMPV6, false)));
	if (g->ra)
		go(p, GUEST_IP6, NFTGUARD_DHCP6,
		   MATCHES(type(ETH_P_IPV6), l4(IPPROTO_UDP, false),
			   field(NFT_UDP_DPORT, DHCP6_CLIENT)));
	rule(p, GUEST_IP6, NFT_V_RETURN, MATCHES(l4(RESERVED, true)));
	go(p, GUEST_IP6, NFTGUARD_PROTOCOL, NULL, 0);
}

static void nd_rules(const struct nftguard *g, struct nft_plan *p)
{
	bool own = false;

	if (g->ra)
		go(p, GUEST_ND, NFTGUARD_RA,
		   MATCHES(type(ETH_P_IPV6), l4(IPPROTO_ICMPV6, false),
			   field(NFT_ICMP6_TYPE, ROUTER_ADVERT)));
	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++) {
		if (ipaddr_is_any(&g->own[i]) || ipaddr_is4(&g->own[i]))
			continue;
		own = true;
		go(p, GUEST_ND, NFTGUARD_GATEWAY,
		   MATCHES(type(ETH_P_IPV6), l4(IPPROTO_ICMPV6, false),
			   field(NFT_ICMP6_TYPE, ND_ADVERT),
			   field_ip(NFT_ND_TARGET, &g->own[i])));
	}
	/* The target may be in another piece (RFC 6980). */
	if (own)
		go(p, GUEST_ND, NFTGUARD_PROTOCOL,
		   MATCHES(type(ETH_P_IPV6), fragment(),
			   l4(IPPROTO_ICMPV6, false),
			   field(NFT_ICMP6_TYPE, ND_ADVERT)));
}

static void arp_rules(const struct nftguard *g, struct nft_plan *p)
{
	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++) {
		if (ipaddr_is_any(&g->own[i]) || !ipaddr_is4(&g->own[i]))
			continue;
		go(p, GUEST, NFTGUARD_GATEWAY,
		   MATCHES(type(ETH_P_ARP), field_ip(NFT_ARP_SENDER, &g->own[i])));
		go(p, GUEST, NFTGUARD_GATEWAY,
		   MATCHES(type(TYPE_RARP),
			   field(NFT_RARP_SENDER, ipaddr_get4(&g->own[i]))));
	}
}

static void guest_rules(const struct nftguard *g, struct nft_plan *p)
{
	go(p, GUEST, GUEST_IP, MATCHES(type(ETH_P_IP)));
	go(p, GUEST, GUEST_IP6, MATCHES(type(ETH_P_IPV6)));
	arp_rules(g, p);
	go(p, GUEST, NFTGUARD_PROTOCOL, MATCHES(type(ETH_P_8021Q)));
	go(p, GUEST, NFTGUARD_PROTOCOL, MATCHES(type(ETH_P_8021AD)));
	go(p, GUEST, NFTGUARD_PROTOCOL,
	   MATCHES(type(ETH_P_802_2), field(NFT_SNAP, SNAP_IP)));
}

/* ---- the table ------------------------------------------------------------------------------ */

static int put_names(const struct nftguard *g, struct nft_plan *p)
{
	p->elem = calloc(g->n ? g->n : 1, sizeof(*p->elem));
	if (!p->elem)
		return -ENOMEM;
	for (size_t i = 0; i < g->n; i++)
		memcpy(p->elem[i].key, g->nic[i].port,
		       strnlen(g->nic[i].port, IFNAMSIZ - 1));
	return 0;
}

static void set(struct nft_plan *p, const char *name, bool tells, size_t n)
{
	struct nft_set *s = &p->set[p->nset++];

	assert(p->nset <= NFT_SETS);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->tells = tells;
	s->n = n;
}

static void chain(struct nft_plan *p, unsigned int i, const char *name)
{
	assert(i == p->nchain && i < NFT_CHAINS);
	p->chain[p->nchain++].name = name;
}

/* Is there anything that nobody but the network may say? */
static bool is_any(const struct nftguard *g)
{
	bool own = false;

	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++)
		own |= !ipaddr_is_any(&g->own[i]);
	return own || g->dhcp || g->ra;
}

int nftguard_make(const struct nftguard *g, struct nft_plan *p)
{
	memset(p, 0, sizeof(*p));
	if (put_names(g, p))
		return -ENOMEM;
	p->family = NFPROTO_BRIDGE;
	nft_table_name(g->network, p->table);
	for (unsigned int k = 0; k < NFTGUARD_KINDS; k++) {
		set(p, kinds[k], true, g->n);
		chain(p, k, kinds[k]);
		kind_rules(p, k);
	}
	set(p, "nics", false, g->n);
	chain(p, GUEST, "guest");
	chain(p, GUEST_IP, "guest_ip");
	chain(p, GUEST_IP6, "guest_ip6");
	chain(p, GUEST_ND, "guest_nd");
	chain(p, PREROUTING, "prerouting");
	p->chain[PREROUTING].type = "filter";
	p->chain[PREROUTING].hook = NF_BR_PRE_ROUTING;
	p->chain[PREROUTING].priority = PRIO_FIRST;
	if (!is_any(g))
		return 0;
	guest_rules(g, p);
	ip4_rules(g, p);
	ip6_rules(g, p);
	nd_rules(g, p);
	go(p, PREROUTING, GUEST, MATCHES(in_set(NICS)));
	return 0;
}
