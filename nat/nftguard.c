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
#define ROUTER_SOLICIT 133
#define ND_SOLICIT    135
#define ND_ADVERT     136
#define ND_REDIRECT   137
#define MLD_REPORT    131 /* RFC 2710 3.1 */
#define MLD2_REPORT   143 /* RFC 3810 5.2 */
#define RESERVED      255 /* no protocol (IANA): anything that can be found is another */
#define DHCP_SERVER   67
#define FRAGMENTED    0x3fff /* more to come, or an offset (RFC 791 3.1) */
#define RARP_REQUEST  3	     /* RFC 903 */
#define ND_LEN	      24     /* without options; one more of 8 bytes: RFC 4861 4.6.1 */
#define NONCE	      0x0e01 /* RFC 7527 4.1 */
#define SOURCE_LL     0x0101
#define TARGET_LL     0x0201
#define LINK_LOCAL    0xfe80 /* /10 */
#define LINK_GROUP    0xff02
#define BYTES_BURST   262144 /* a few of the largest frames */
#define KBIT	      125    /* bytes */

static const char *const kinds[] = {
	[NFTGUARD_GATEWAY] = "guard_gateway",
	[NFTGUARD_PROTOCOL] = "guard_protocol",
	[NFTGUARD_DHCP] = "rogue_dhcp",
	[NFTGUARD_RA] = "rogue_ra",
	[NFTGUARD_DHCP6] = "rogue_dhcp6",
	[NFTGUARD_MAC] = "guard_mac",
	[NFTGUARD_CLAIM] = "guard_claim",
	[NFTGUARD_ADDRESS] = "guard_address",
	[NFTGUARD_CHADDR] = "guard_dhcp",
	[NFTGUARD_STORM] = "storm_storm",
	[NFTGUARD_RATE] = "rate",
	[NFTGUARD_ISOLATED] = "isolated",
};

const char *nftguard_name(enum nftguard_kind k)
{
	return kinds[k];
}

/* Chains behind those of the kinds. */
enum {
	BAD = NFTGUARD_KINDS, /* cannot be judged, of one that is held, VLAN or not */
	RATE_IN,
	GUEST, GUEST_IP, GUEST_IP6, GUEST_ND,
	HELD, PINNED, PINNED_ND,
	STRICT, STRICT_IP, STRICT_IP6, STRICT_NONE, STRICT_KNOWN, STRICT_NEW, STRICT_ND,
	ROUTED,
	PREROUTING, FORWARD, POSTROUTING
};

/* Sets likewise. */
enum {
	NICS = NFTGUARD_KINDS, /* that are not held */
	HELDS, PINS, PIN_IPS, ALONE, FAR,
	STORMS, OUTS, INS,
	MACS, ADDR4, ADDR6, NETS4, NETS6, GIVEN6, BOUND6, TAKEN6, BINDS,
	SETS
};

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

static struct nft_match to(const struct ipaddr *ip, uint8_t plen)
{
	return (struct nft_match){.kind = NFT_DADDR, .ip = *ip, .plen = plen};
}

static struct nft_match in_set(unsigned int set)
{
	return (struct nft_match){.kind = NFT_IN_SET, .set = set};
}

static struct nft_match to_set(unsigned int set)
{
	return (struct nft_match){.kind = NFT_IN_SET, .set = set, .out = true};
}

/* The port with what is in @f. */
static struct nft_match both_in(unsigned int set, enum nft_field f)
{
	return (struct nft_match){.kind = NFT_IN_SET, .set = set,
				  .keyed = NFT_BY_BOTH, .field = f};
}

static struct nft_match not_in(unsigned int set, enum nft_field f)
{
	struct nft_match m = both_in(set, f);

	m.neg = true;
	return m;
}

static struct nft_match field_in(unsigned int set, enum nft_field f)
{
	return (struct nft_match){.kind = NFT_IN_SET, .set = set,
				  .keyed = NFT_BY_FIELD, .field = f};
}

static struct nft_match note(unsigned int set, enum nft_keyed keyed,
			     enum nft_field f, bool update)
{
	return (struct nft_match){.kind = NFT_NOTE, .set = set, .keyed = keyed,
				  .field = f, .update = update};
}

static struct nft_match masked(enum nft_field f, uint64_t mask, enum nft_op op,
			       uint64_t value)
{
	return (struct nft_match){.kind = NFT_FIELD, .field = f, .bits = mask,
				  .op = op, .value = value};
}

static struct nft_match compared(enum nft_field f, enum nft_op op, uint64_t v)
{
	return masked(f, 0, op, v);
}

static struct nft_match group(void)
{
	return (struct nft_match){.kind = NFT_GROUP};
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

static void jump(struct nft_plan *p, unsigned int chain, unsigned int to,
		 const struct nft_match *m, size_t n)
{
	rule(p, chain, NFT_V_JUMP, m, n)->to = to;
}

static void go(struct nft_plan *p, unsigned int chain, unsigned int to,
	       const struct nft_match *m, size_t n)
{
	rule(p, chain, NFT_V_GOTO, m, n)->to = to;
}

/* ---- what is not to pass ----------------------------------------------------------------- */

/* Nobody of ours is in a VLAN of the guests'; who is held is held there, too. */
static bool not_in_vlans(unsigned int k)
{
	return k <= NFTGUARD_DHCP6;
}

static void kind_rules(struct nft_plan *p, unsigned int k)
{
	if (not_in_vlans(k)) {
		rule(p, k, NFT_V_RETURN, MATCHES(vlan(ETH_P_8021Q)));
		rule(p, k, NFT_V_RETURN, MATCHES(vlan(ETH_P_8021AD)));
	}
	rule(p, k, k >= NFTGUARD_RATE ? NFT_V_NONE : NFT_V_LOG, MATCHES(in_set(k)));
	rule(p, k, NFT_V_DROP, NULL, 0);
}

static void more_kinds(struct nft_plan *p)
{
	rule(p, BAD, NFT_V_LOG, MATCHES(in_set(NFTGUARD_PROTOCOL)));
	rule(p, BAD, NFT_V_DROP, NULL, 0);
	rule(p, RATE_IN, NFT_V_NONE, MATCHES(to_set(NFTGUARD_RATE)));
	rule(p, RATE_IN, NFT_V_DROP, NULL, 0);
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

/* ---- who is held --------------------------------------------------------------------- */

#define V6   type(ETH_P_IPV6)
#define ICMP V6, l4(IPPROTO_ICMPV6, false)
#define UDP4 type(ETH_P_IP), l4(IPPROTO_UDP, false)

static void held_rules(struct nft_plan *p)
{
	go(p, HELD, NFTGUARD_RATE, MATCHES(in_set(OUTS)));
	go(p, HELD, NFTGUARD_STORM, MATCHES(group(), in_set(STORMS)));
	go(p, HELD, NFTGUARD_MAC,
	   MATCHES(in_set(PINS), not_in(MACS, NFT_ETHER_FROM)));
	jump(p, HELD, GUEST, NULL, 0);
	go(p, HELD, PINNED, MATCHES(in_set(PINS)));
}

static void pinned_rules(struct nft_plan *p)
{
	go(p, PINNED, NFTGUARD_CLAIM,
	   MATCHES(type(ETH_P_ARP), not_in(MACS, NFT_ARP_MAC)));
	go(p, PINNED, BAD,
	   MATCHES(UDP4, field(NFT_UDP_DPORT, DHCP_SERVER),
		   masked(NFT_IP_FRAG, FRAGMENTED, NFT_NE, 0)));
	go(p, PINNED, NFTGUARD_CHADDR,
	   MATCHES(UDP4, field(NFT_UDP_DPORT, DHCP_SERVER),
		   field(NFT_DHCP_OP, 1), not_in(MACS, NFT_DHCP_MAC)));
	jump(p, PINNED, PINNED_ND, MATCHES(ICMP));
	go(p, PINNED, BAD, MATCHES(type(ETH_P_8021Q)));
	go(p, PINNED, BAD, MATCHES(type(ETH_P_8021AD)));
	go(p, PINNED, STRICT, MATCHES(in_set(PIN_IPS)));
}

/* Of the forms that are in use, nothing that would have to be searched: no headers before,
 * at most one option. */
static void pinned_nd_rules(struct nft_plan *p)
{
	const unsigned int c = PINNED_ND;

	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, compared(NFT_ICMP6_TYPE, NFT_LT, ROUTER_SOLICIT)));
	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, compared(NFT_ICMP6_TYPE, NFT_GT, ND_REDIRECT)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, field(NFT_ICMP6_TYPE, ROUTER_ADVERT)));
	go(p, c, BAD, MATCHES(V6, compared(NFT_IP6_NEXT, NFT_NE, IPPROTO_ICMPV6)));
	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, field(NFT_ICMP6_TYPE, ROUTER_SOLICIT),
		     field(NFT_IP6_LEN, 8)));
	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, field(NFT_ICMP6_TYPE, ROUTER_SOLICIT),
		     field(NFT_IP6_LEN, 16), field(NFT_RS_OPTION, SOURCE_LL),
		     both_in(MACS, NFT_RS_MAC)));
	go(p, c, NFTGUARD_CLAIM, MATCHES(ICMP, field(NFT_ICMP6_TYPE, ROUTER_SOLICIT)));
	go(p, c, BAD, MATCHES(ICMP, field(NFT_ICMP6_TYPE, ND_REDIRECT)));
	rule(p, c, NFT_V_RETURN, MATCHES(V6, field(NFT_IP6_LEN, ND_LEN)));
	go(p, c, BAD, MATCHES(V6, compared(NFT_IP6_LEN, NFT_NE, ND_LEN + 8)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, field(NFT_ND_OPTION, NONCE)));
	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, field(NFT_ND_OPTION, SOURCE_LL), both_in(MACS, NFT_ND_MAC)));
	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, field(NFT_ND_OPTION, TARGET_LL), both_in(MACS, NFT_ND_MAC)));
	go(p, c, NFTGUARD_CLAIM, NULL, 0);
}

/* ---- … to addresses ---------------------------------------------------------------------- */

#define NOBODY ((struct ipaddr){.b = {[10] = 0xff, [11] = 0xff}}) /* 0.0.0.0 */

static void strict_rules(struct nft_plan *p)
{
	const struct ipaddr none = NOBODY;

	go(p, STRICT, STRICT_IP, MATCHES(type(ETH_P_IP)));
	go(p, STRICT, STRICT_IP6, MATCHES(V6));
	rule(p, STRICT, NFT_V_RETURN,
	     MATCHES(type(ETH_P_ARP), both_in(ADDR4, NFT_ARP_SENDER)));
	rule(p, STRICT, NFT_V_RETURN,
	     MATCHES(type(ETH_P_ARP), both_in(NETS4, NFT_ARP_SENDER)));
	rule(p, STRICT, NFT_V_RETURN,
	     MATCHES(type(ETH_P_ARP), field(NFT_ARP_OP, 1),
		     field_ip(NFT_ARP_SENDER, &none)));
	go(p, STRICT, NFTGUARD_CLAIM, MATCHES(type(ETH_P_ARP)));
	rule(p, STRICT, NFT_V_RETURN,
	     MATCHES(type(TYPE_RARP), field(NFT_RARP_OP, RARP_REQUEST),
		     field(NFT_RARP_SENDER, 0)));
	go(p, STRICT, BAD, NULL, 0);
	go(p, STRICT_IP, NFTGUARD_DHCP,
	   MATCHES(UDP4, field(NFT_UDP_DPORT, DHCP_CLIENT)));
	rule(p, STRICT_IP, NFT_V_RETURN,
	     MATCHES(type(ETH_P_IP), both_in(ADDR4, NFT_IP_FROM)));
	rule(p, STRICT_IP, NFT_V_RETURN,
	     MATCHES(type(ETH_P_IP), both_in(NETS4, NFT_IP_FROM)));
	go(p, STRICT_IP, NFTGUARD_ADDRESS,
	   MATCHES(type(ETH_P_IP), compared(NFT_IP_FROM, NFT_NE, 0)));
	p->rule[p->nrule - 1].m[1].ip = none;
	rule(p, STRICT_IP, NFT_V_RETURN, MATCHES(UDP4, field(NFT_UDP_DPORT, DHCP_SERVER)));
	rule(p, STRICT_IP, NFT_V_RETURN,
	     MATCHES(type(ETH_P_IP), l4(IPPROTO_IGMP, false)));
	go(p, STRICT_IP, BAD, NULL, 0);
}

/* Whose is the source? */
static void strict6_rules(const struct nftguard *g, struct nft_plan *p)
{
	const struct ipaddr none = ipaddr_any,
			    ll = {{0xfe, 0x80}};

	go(p, STRICT_IP6, STRICT_NONE, MATCHES(V6, from(&none)));
	go(p, STRICT_IP6, STRICT_ND, MATCHES(V6, both_in(ADDR6, NFT_IP6_FROM)));
	go(p, STRICT_IP6, STRICT_ND, MATCHES(V6, both_in(NETS6, NFT_IP6_FROM)));
	go(p, STRICT_IP6, STRICT_KNOWN, MATCHES(V6, both_in(BOUND6, NFT_IP6_FROM)));
	go(p, STRICT_IP6, NFTGUARD_ADDRESS, MATCHES(V6, field_in(GIVEN6, NFT_IP6_FROM)));
	go(p, STRICT_IP6, NFTGUARD_ADDRESS, MATCHES(V6, field_in(TAKEN6, NFT_IP6_FROM)));
	go(p, STRICT_IP6, STRICT_NEW,
	   MATCHES(V6, {.kind = NFT_SADDR, .ip = ll, .plen = 10}));
	if (g->slaac.plen)
		go(p, STRICT_IP6, STRICT_NEW,
		   MATCHES(V6, {.kind = NFT_SADDR, .ip = g->slaac.addr,
				.plen = g->slaac.plen}));
	go(p, STRICT_IP6, NFTGUARD_ADDRESS, NULL, 0);
}

static uint64_t first8(const struct ipaddr *ip)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < 8; i++)
		v = v << 8 | ip->b[i];
	return v;
}

#define BIND(f)                                                               \
	in_set(BINDS), note(TAKEN6, NFT_BY_FIELD, f, false),                  \
		note(BOUND6, NFT_BY_BOTH, f, false)

/* Duplicate address detection claims its target (RFC 4862 5.4.2). */
static void strict_none_rules(const struct nftguard *g, struct nft_plan *p)
{
	const unsigned int c = STRICT_NONE;

	go(p, c, BAD, MATCHES(V6, compared(NFT_IP6_TO, NFT_NE, LINK_GROUP)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, field(NFT_ICMP6_TYPE, MLD2_REPORT)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, field(NFT_ICMP6_TYPE, MLD_REPORT)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, field(NFT_ICMP6_TYPE, ROUTER_SOLICIT)));
	go(p, c, BAD, MATCHES(ICMP, compared(NFT_ICMP6_TYPE, NFT_NE, ND_SOLICIT)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, both_in(ADDR6, NFT_ND_TARGET)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, both_in(NETS6, NFT_ND_TARGET)));
	rule(p, c, NFT_V_RETURN, MATCHES(ICMP, both_in(BOUND6, NFT_ND_TARGET)));
	go(p, c, NFTGUARD_CLAIM, MATCHES(ICMP, field_in(GIVEN6, NFT_ND_TARGET)));
	go(p, c, NFTGUARD_CLAIM, MATCHES(ICMP, field_in(TAKEN6, NFT_ND_TARGET)));
	rule(p, c, NFT_V_RETURN,
	     MATCHES(ICMP, masked(NFT_ND_TARGET_LL, 0xffc0, NFT_EQ, LINK_LOCAL),
		     BIND(NFT_ND_TARGET)));
	if (g->slaac.plen == 64)
		rule(p, c, NFT_V_RETURN,
		     MATCHES(ICMP, field(NFT_ND_TARGET_NET, first8(&g->slaac.addr)),
			     BIND(NFT_ND_TARGET)));
	go(p, c, NFTGUARD_CLAIM, MATCHES(ICMP));
	go(p, c, BAD, NULL, 0);
}

static void strict_nd_rules(struct nft_plan *p)
{
	rule(p, STRICT_KNOWN, NFT_V_GOTO,
	     MATCHES(V6, l4(IPPROTO_ICMPV6, true)))->to = STRICT_ND;
	go(p, STRICT_KNOWN, STRICT_ND,
	   MATCHES(V6, note(TAKEN6, NFT_BY_FIELD, NFT_IP6_FROM, true),
		   note(BOUND6, NFT_BY_BOTH, NFT_IP6_FROM, true)));
	go(p, STRICT_NEW, STRICT_ND, MATCHES(V6, BIND(NFT_IP6_FROM)));
	go(p, STRICT_NEW, NFTGUARD_ADDRESS, NULL, 0);
	go(p, STRICT_ND, NFTGUARD_DHCP6,
	   MATCHES(V6, l4(IPPROTO_UDP, false), field(NFT_UDP_DPORT, DHCP6_CLIENT)));
	rule(p, STRICT_ND, NFT_V_RETURN, MATCHES(V6, l4(IPPROTO_ICMPV6, true)));
	go(p, STRICT_ND, NFTGUARD_RA, MATCHES(ICMP, field(NFT_ICMP6_TYPE, ROUTER_ADVERT)));
	rule(p, STRICT_ND, NFT_V_RETURN,
	     MATCHES(ICMP, compared(NFT_ICMP6_TYPE, NFT_NE, ND_ADVERT)));
	rule(p, STRICT_ND, NFT_V_RETURN, MATCHES(ICMP, both_in(ADDR6, NFT_ND_TARGET)));
	rule(p, STRICT_ND, NFT_V_RETURN, MATCHES(ICMP, both_in(NETS6, NFT_ND_TARGET)));
	rule(p, STRICT_ND, NFT_V_RETURN, MATCHES(ICMP, both_in(BOUND6, NFT_ND_TARGET)));
	go(p, STRICT_ND, NFTGUARD_CLAIM, NULL, 0);
}

/* ---- between ports ------------------------------------------------------------------------ */

static struct nft_match dev(enum nft_match_kind kind, const char *name)
{
	struct nft_match m = {.kind = kind};

	snprintf(m.dev, sizeof(m.dev), "%s", name);
	return m;
}

static uint64_t number(const struct mac *m)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < 6; i++)
		v = v << 8 | m->b[i];
	return v;
}

static void forward_rules(const struct nftguard *g, struct nft_plan *p)
{
	const uint64_t mac = number(&g->service);
	const unsigned int c = FORWARD, no = NFTGUARD_ISOLATED;

	go(p, c, no, MATCHES(in_set(ALONE), to_set(NICS)));
	go(p, c, no, MATCHES(in_set(ALONE), to_set(HELDS)));
	go(p, c, no, MATCHES(to_set(ALONE), in_set(NICS)));
	go(p, c, no, MATCHES(to_set(ALONE), in_set(HELDS)));
	go(p, c, no,
	   MATCHES(in_set(ALONE), dev(NFT_OIF, g->services),
		   masked(NFT_ETHER_TO, 1ull << 40, NFT_EQ, 0),
		   compared(NFT_ETHER_TO, NFT_NE, mac)));
	go(p, c, no,
	   MATCHES(to_set(ALONE), dev(NFT_IIF, g->services),
		   compared(NFT_ETHER_FROM, NFT_NE, mac)));
	/* Of those behind the worker's port, which keeps them apart there. */
	for (unsigned int set = NICS; set <= HELDS; set++) {
		go(p, c, no,
		   MATCHES(dev(NFT_IIF, g->services),
			   field_in(FAR, NFT_ETHER_FROM), to_set(set)));
		go(p, c, no,
		   MATCHES(dev(NFT_OIF, g->services),
			   field_in(FAR, NFT_ETHER_TO), in_set(set)));
	}
}

/* To the host's MAC, but not to the host. */
static void routed_rules(const struct nftguard *g, struct nft_plan *p)
{
	const struct ipaddr net = ipaddr_from4(g->net.addr);
	const unsigned int c = ROUTED, no = NFTGUARD_ISOLATED;

	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++) {
		const struct ipaddr *own = &g->own[i];

		if (ipaddr_is_any(own))
			continue;
		if (ipaddr_is4(own))
			rule(p, c, NFT_V_RETURN,
			     MATCHES(type(ETH_P_IP), to(own, 32)));
		else
			rule(p, c, NFT_V_RETURN, MATCHES(V6, to(own, 128)));
	}
	if (g->net.plen)
		go(p, c, no, MATCHES(type(ETH_P_IP), to(&net, g->net.plen)));
	if (g->net6.plen)
		go(p, c, no, MATCHES(V6, to(&g->net6.addr, g->net6.plen)));
	if (g->pool6.plen)
		go(p, c, no, MATCHES(V6, to(&g->pool6.addr, g->pool6.plen)));
}

/* ---- sets ----------------------------------------------------------------------------------- */

static struct nft_set *set(struct nft_plan *p, const char *name, enum nft_key key,
			   enum nft_set_kind kind, size_t first)
{
	struct nft_set *s = &p->set[p->nset++];

	assert(p->nset <= NFT_SETS);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->key = key;
	s->kind = kind;
	s->first = first;
	return s;
}

static bool is_held(const struct nftguard_nic *n)
{
	return n->level || n->storm || n->out;
}

static bool in_names(unsigned int set, const struct nftguard_nic *n)
{
	if (!n->port[0])
		return set == FAR && n->isolated;
	switch (set) {
	case NICS:
		return !is_held(n);
	case HELDS:
		return is_held(n);
	case PINS:
		return n->level >= NFTGUARD_PIN_MAC;
	case PIN_IPS:
	case BINDS:
		return n->level == NFTGUARD_PIN_IP;
	case ALONE:
		return n->isolated;
	case STORMS:
		return n->storm;
	case OUTS:
		return n->out && n->out <= NFTGUARD_RATE_MAX;
	case INS:
		return n->in && n->in <= NFTGUARD_RATE_MAX;
	case MACS:
		return n->level;
	case FAR:
		return false;
	default:
		return true;
	}
}

static void name_of(const struct nftguard_nic *n, struct nft_elem *e)
{
	memcpy(e->key, n->port, strnlen(n->port, IFNAMSIZ - 1));
}

static size_t end(const struct nft_plan *p)
{
	return p->nset ? p->set[p->nset - 1].first + p->set[p->nset - 1].n : 0;
}

/* One of names, by NIC. */
static void names(const struct nftguard *g, struct nft_plan *p, unsigned int which,
		  const char *name, enum nft_key key, enum nft_set_kind kind)
{
	struct nft_set *s = set(p, name, key, kind, end(p));

	for (size_t i = 0; i < g->n; i++) {
		const struct nftguard_nic *n = &g->nic[i];
		struct nft_elem *e = &p->elem[s->first + s->n];

		if (!in_names(which, n))
			continue;
		name_of(n, e);
		if (which == FAR)
			memcpy(e->key, n->mac.b, 6);
		if (which == MACS)
			memcpy(e->key + IFNAMSIZ, n->mac.b, 6);
		if (which == STORMS)
			e->rate = e->burst = n->storm;
		if (which == OUTS || which == INS) {
			e->rate = (uint64_t)(which == OUTS ? n->out : n->in) * KBIT;
			e->burst = BYTES_BURST;
		}
		s->n++;
	}
}

/* One of addresses of a family; @port: with their ports. */
static void addresses(const struct nftguard *g, struct nft_plan *p, bool v4,
		      bool port, const char *name, enum nft_key key)
{
	struct nft_set *s = set(p, name, key, NFT_SET_PLAIN, end(p));

	for (size_t i = 0; i < g->naddr; i++) {
		const struct nftguard_addr *a = &g->addr[i];
		struct nft_elem *e = &p->elem[s->first + s->n];
		uint8_t *b = e->key + (port ? IFNAMSIZ : 0);

		if (ipaddr_is4(&a->ip) != v4 || a->nic >= g->n || a->plen != 128 ||
		    (port && !g->nic[a->nic].port[0]))
			continue;
		if (port)
			name_of(&g->nic[a->nic], e);
		memcpy(b, a->ip.b + (v4 ? 12 : 0), v4 ? 4 : 16);
		s->n++;
	}
	for (unsigned int i = 0; !port && i < NFTGUARD_OWN_MAX; i++) {
		if (ipaddr_is_any(&g->own[i]) || ipaddr_is4(&g->own[i]))
			continue;
		memcpy(p->elem[s->first + s->n++].key, g->own[i].b, 16);
	}
}

/* The last address of a prefix. */
static struct ipaddr last_of(const struct nftguard_addr *a)
{
	struct ipaddr ip = a->ip;

	for (unsigned int bit = a->plen; bit < 128; bit++)
		ip.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return ip;
}

/* Is it, or does it lie in, another prefix of the NIC's? Of two alike the later one does. */
static bool is_in_another(const struct nftguard *g, size_t i)
{
	const struct nftguard_addr *a = &g->addr[i];

	for (size_t k = 0; k < g->naddr; k++) {
		const struct nftguard_addr *o = &g->addr[k];
		struct ipaddr last;

		if (o->plen >= 128 || o->nic != a->nic || k == i ||
		    ipaddr_is4(&o->ip) != ipaddr_is4(&a->ip) ||
		    o->plen > a->plen || (o->plen == a->plen && k > i))
			continue;
		last = last_of(o);
		if (memcmp(a->ip.b, o->ip.b, 16) >= 0 &&
		    memcmp(a->ip.b, last.b, 16) <= 0)
			return true;
	}
	return false;
}

/* Prefixes of a family with their ports. The kernel takes none that overlap. */
static void prefixes(const struct nftguard *g, struct nft_plan *p, bool v4,
		     const char *name, enum nft_key key)
{
	struct nft_set *s = set(p, name, key, NFT_SET_RANGES, end(p));

	for (size_t i = 0; i < g->naddr; i++) {
		const struct nftguard_addr *a = &g->addr[i];
		struct nft_elem *e = &p->elem[s->first + s->n];
		struct ipaddr last = last_of(a);

		if (ipaddr_is4(&a->ip) != v4 || a->nic >= g->n || a->plen >= 128 ||
		    !g->nic[a->nic].port[0] || is_in_another(g, i))
			continue;
		name_of(&g->nic[a->nic], e);
		memcpy(e->end, e->key, IFNAMSIZ);
		memcpy(e->key + IFNAMSIZ, a->ip.b + (v4 ? 12 : 0), v4 ? 4 : 16);
		memcpy(e->end + IFNAMSIZ, last.b + (v4 ? 12 : 0), v4 ? 4 : 16);
		s->n++;
	}
}

static void sets(const struct nftguard *g, struct nft_plan *p)
{
	for (unsigned int k = 0; k < NFTGUARD_KINDS; k++)
		names(g, p, k, kinds[k], NFT_K_NAME,
		      k >= NFTGUARD_RATE ? NFT_SET_COUNTS : NFT_SET_TELLS);
	names(g, p, NICS, "nics", NFT_K_NAME, NFT_SET_PLAIN);
	names(g, p, HELDS, "held", NFT_K_NAME, NFT_SET_PLAIN);
	names(g, p, PINS, "pinned", NFT_K_NAME, NFT_SET_PLAIN);
	names(g, p, PIN_IPS, "strict", NFT_K_NAME, NFT_SET_PLAIN);
	names(g, p, ALONE, "alone", NFT_K_NAME, NFT_SET_PLAIN);
	names(g, p, FAR, "far_alone", NFT_K_MAC, NFT_SET_PLAIN);
	names(g, p, STORMS, "storms", NFT_K_NAME, NFT_SET_PACKETS);
	names(g, p, OUTS, "outs", NFT_K_NAME, NFT_SET_BYTES);
	names(g, p, INS, "ins", NFT_K_NAME, NFT_SET_BYTES);
	names(g, p, MACS, "macs", NFT_K_NAME_MAC, NFT_SET_PLAIN);
	addresses(g, p, true, true, "addr4", NFT_K_NAME_IP4);
	addresses(g, p, false, true, "addr6", NFT_K_NAME_IP6);
	prefixes(g, p, true, "nets4", NFT_K_NAME_IP4);
	prefixes(g, p, false, "nets6", NFT_K_NAME_IP6);
	addresses(g, p, false, false, "given6", NFT_K_IP6);
	set(p, "bound6", NFT_K_NAME_IP6, NFT_SET_DYNAMIC, end(p));
	set(p, "taken6", NFT_K_IP6, NFT_SET_DYNAMIC, end(p));
	names(g, p, BINDS, "binds", NFT_K_NAME, NFT_SET_SPARES);
	assert(p->nset == SETS);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void chain(struct nft_plan *p, unsigned int i, const char *name)
{
	assert(i == p->nchain && i < NFT_CHAINS);
	p->chain[p->nchain++].name = name;
}

static void hook(struct nft_plan *p, unsigned int i, const char *name,
		 unsigned int at)
{
	chain(p, i, name);
	p->chain[i].type = "filter";
	p->chain[i].hook = at;
	p->chain[i].priority = PRIO_FIRST;
}

static void chains(struct nft_plan *p)
{
	static const char *const names[] = {
		"held_protocol", "rate_in", "guest", "guest_ip", "guest_ip6",
		"guest_nd", "held", "pinned", "pinned_nd", "strict", "strict_ip",
		"strict_ip6", "strict_none", "strict_known", "strict_new",
		"strict_nd", "routed"};

	for (unsigned int k = 0; k < NFTGUARD_KINDS; k++)
		chain(p, k, kinds[k]);
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		chain(p, BAD + i, names[i]);
	hook(p, PREROUTING, "prerouting", NF_BR_PRE_ROUTING);
	hook(p, FORWARD, "forward", NF_BR_FORWARD);
	hook(p, POSTROUTING, "postrouting", NF_BR_POST_ROUTING);
}

/* Is there anything that nobody but the network may say? */
static bool is_any(const struct nftguard *g)
{
	bool own = false;

	for (unsigned int i = 0; i < NFTGUARD_OWN_MAX; i++)
		own |= !ipaddr_is_any(&g->own[i]);
	return own || g->dhcp || g->ra;
}

static bool is_anybody_alone(const struct nft_plan *p)
{
	return p->set[ALONE].n || p->set[FAR].n;
}

/* What there is none of costs no frame anything: hooks without chains. */
static void hooks(const struct nftguard *g, struct nft_plan *p)
{
	bool alone = is_anybody_alone(p), in = p->set[INS].n;

	if (alone && !mac_is_zero(&g->bridge))
		jump(p, PREROUTING, ROUTED,
		     MATCHES(field(NFT_ETHER_TO, number(&g->bridge))));
	if (p->set[HELDS].n)
		go(p, PREROUTING, HELD, MATCHES(in_set(HELDS)));
	if (is_any(g))
		go(p, PREROUTING, GUEST, MATCHES(in_set(NICS)));
	if (alone)
		forward_rules(g, p);
	if (in)
		go(p, POSTROUTING, RATE_IN, MATCHES(to_set(INS)));
	if (!in)
		p->nchain--;
	if (!in && !alone)
		p->nchain--;
}

int nftguard_make(const struct nftguard *g, struct nft_plan *p)
{
	memset(p, 0, sizeof(*p));
	p->elem = calloc(SETS * g->n + 3 * g->naddr + NFTGUARD_OWN_MAX + 1,
			 sizeof(*p->elem));
	if (!p->elem)
		return -ENOMEM;
	p->family = NFPROTO_BRIDGE;
	nft_table_name(g->network, p->table);
	sets(g, p);
	chains(p);
	for (unsigned int k = 0; k < NFTGUARD_KINDS; k++)
		kind_rules(p, k);
	more_kinds(p);
	if (is_any(g)) {
		guest_rules(g, p);
		ip4_rules(g, p);
		ip6_rules(g, p);
		nd_rules(g, p);
	}
	if (p->set[HELDS].n) {
		held_rules(p);
		pinned_rules(p);
		pinned_nd_rules(p);
		strict_rules(p);
		strict6_rules(g, p);
		strict_none_rules(g, p);
		strict_nd_rules(p);
	}
	if (is_anybody_alone(p) && !mac_is_zero(&g->bridge))
		routed_rules(g, p);
	hooks(g, p);
	return 0;
}
