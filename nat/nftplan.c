// SPDX-License-Identifier: GPL-2.0-or-later
/* From a network to its packet filter. Pure; see nftplan.h. As text: nftplan_text.c;
 * into the kernel: nft.c. */
#include "nat/nftplan.h"

#include <assert.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Priorities by the names that nft(8) has for them. */
#define PRIO_RAW    (-300)
#define PRIO_DSTNAT (-100)
#define PRIO_BEHIND (-99) /* after every table's forwards */
#define PRIO_FILTER 0
#define PRIO_SRCNAT 100

#define PORTS "ports" /* the chain of list_ports() */

#define RESERVED_GROUP 0x0180c2000000 /* … to 0f: 802.1Q-2018 8.6.3 */

#define DEV_OURS   "vn-*"
#define DEV_UPLINK "vn-br-*"

void nft_table_name(const char *network, char out[NFT_NETWORK + 8])
{
	snprintf(out, NFT_NETWORK + 8, "vnet-%.*s", NFT_NETWORK - 1, network);
}

const struct nft_field_info *nft_field_info(enum nft_field f)
{
	static const struct nft_field_info t[NFT_FIELDS] = {
		[NFT_ARP_SENDER] = {"arp saddr ip", NFT_PAYLOAD_NETWORK_HEADER,
				    14, 4, NFT_IP},
		[NFT_RARP_SENDER] = {"@nh,112,32", NFT_PAYLOAD_NETWORK_HEADER,
				     14, 4, NFT_HEX},
		[NFT_SNAP] = {"@nh,0,48", NFT_PAYLOAD_NETWORK_HEADER, 0, 6,
			      NFT_HEX},
		[NFT_UDP_DPORT] = {"udp dport", NFT_PAYLOAD_TRANSPORT_HEADER, 2,
				   2, NFT_DEC},
		[NFT_TCP_FLAGS] = {"tcp flags", NFT_PAYLOAD_TRANSPORT_HEADER, 13,
				   1, NFT_HEX},
		[NFT_ICMP6_TYPE] = {"icmpv6 type", NFT_PAYLOAD_TRANSPORT_HEADER,
				    0, 1, NFT_DEC},
		[NFT_ND_TARGET] = {"@th,64,128", NFT_PAYLOAD_TRANSPORT_HEADER,
				   8, 16, NFT_HEX},
		[NFT_ETHER_TO] = {"ether daddr", NFT_PAYLOAD_LL_HEADER, 0, 6,
				  NFT_MAC},
		[NFT_LL_TO] = {"@ll,0,48", NFT_PAYLOAD_LL_HEADER, 0, 6, NFT_HEX},
		[NFT_ETHER_FROM] = {"ether saddr", NFT_PAYLOAD_LL_HEADER, 6, 6,
				    NFT_MAC},
		[NFT_ARP_OP] = {"arp operation", NFT_PAYLOAD_NETWORK_HEADER, 6,
				2, NFT_DEC},
		[NFT_RARP_OP] = {"@nh,48,16", NFT_PAYLOAD_NETWORK_HEADER, 6, 2,
				 NFT_HEX},
		[NFT_ARP_MAC] = {"arp saddr ether", NFT_PAYLOAD_NETWORK_HEADER,
				 8, 6, NFT_MAC},
		[NFT_IP_FROM] = {"ip saddr", NFT_PAYLOAD_NETWORK_HEADER, 12, 4,
				 NFT_IP},
		[NFT_IP_FRAG] = {"ip frag-off", NFT_PAYLOAD_NETWORK_HEADER, 6,
				 2, NFT_HEX},
		[NFT_DHCP_OP] = {"@th,64,8", NFT_PAYLOAD_TRANSPORT_HEADER, 8, 1,
				 NFT_HEX},
		[NFT_DHCP_MAC] = {"@th,288,48", NFT_PAYLOAD_TRANSPORT_HEADER,
				  36, 6, NFT_HEX},
		[NFT_IP6_FROM] = {"ip6 saddr", NFT_PAYLOAD_NETWORK_HEADER, 8,
				  16, NFT_IP},
		[NFT_IP6_TO] = {"@nh,192,16", NFT_PAYLOAD_NETWORK_HEADER, 24, 2,
				NFT_HEX},
		[NFT_IP6_LEN] = {"ip6 length", NFT_PAYLOAD_NETWORK_HEADER, 4, 2,
				 NFT_DEC},
		[NFT_IP6_NEXT] = {"ip6 nexthdr", NFT_PAYLOAD_NETWORK_HEADER, 6,
				  1, NFT_DEC},
		[NFT_RS_OPTION] = {"@th,64,16", NFT_PAYLOAD_TRANSPORT_HEADER, 8,
				   2, NFT_HEX},
		[NFT_RS_MAC] = {"@th,80,48", NFT_PAYLOAD_TRANSPORT_HEADER, 10, 6,
				NFT_HEX},
		[NFT_ND_OPTION] = {"@th,192,16", NFT_PAYLOAD_TRANSPORT_HEADER,
				   24, 2, NFT_HEX},
		[NFT_ND_MAC] = {"@th,208,48", NFT_PAYLOAD_TRANSPORT_HEADER, 26,
				6, NFT_HEX},
		[NFT_ND_TARGET_LL] = {"@th,64,16", NFT_PAYLOAD_TRANSPORT_HEADER,
				      8, 2, NFT_HEX},
		[NFT_ND_TARGET_NET] = {"@th,64,64", NFT_PAYLOAD_TRANSPORT_HEADER,
				       8, 8, NFT_HEX},
	};

	return &t[f];
}

/* ---- matches --------------------------------------------------------------------- */

static struct nft_match dev(enum nft_match_kind kind, const char *name, bool neg)
{
	struct nft_match m = {.kind = kind, .neg = neg};

	snprintf(m.dev, sizeof(m.dev), "%s", name);
	return m;
}

static struct nft_match iif(const struct nft_net *n)
{
	return dev(NFT_IIF, n->bridge, false);
}

static struct nft_match oif(const struct nft_net *n)
{
	return dev(NFT_OIF, n->bridge, false);
}

static struct nft_match other_oif(const struct nft_net *n)
{
	return dev(NFT_OIF, n->bridge, true);
}

static struct nft_match addr(enum nft_match_kind kind, const struct ipaddr *ip,
			     uint8_t plen, bool neg)
{
	return (struct nft_match){
		.kind = kind, .neg = neg, .ip = *ip, .plen = plen};
}

static struct nft_match from4(const struct nft_net *n, bool neg)
{
	struct ipaddr ip = ipaddr_from4(n->net.addr);

	return addr(NFT_SADDR, &ip, n->net.plen, neg);
}

static struct nft_match from6(const struct nft_net *n, bool neg)
{
	return addr(NFT_SADDR, &n->net6.addr, n->net6.plen, neg);
}

static struct nft_match from_pool(const struct nft_net *n, bool neg)
{
	return addr(NFT_SADDR, &n->pool6.addr, n->pool6.plen, neg);
}

static struct nft_match state(uint32_t mask)
{
	return (struct nft_match){.kind = NFT_STATE, .mask = mask};
}

static struct nft_match translated(void)
{
	return (struct nft_match){.kind = NFT_TRANSLATED};
}

static struct nft_match proto(enum nft_match_kind kind, int p)
{
	return (struct nft_match){.kind = kind, .proto = p};
}

/* A call: SYN without ACK. */
static struct nft_match syn(void)
{
	return (struct nft_match){.kind = NFT_FIELD, .field = NFT_TCP_FLAGS,
				  .bits = 0x12, .value = 0x02};
}

static struct nft_match loopback(enum nft_match_kind kind, bool ip6)
{
	struct ipaddr ip = ip6 ? ipaddr_any : ipaddr_from4(0x7f000000);

	if (ip6)
		ip.b[15] = 1;
	return addr(kind, &ip, ip6 ? 128 : 8, false);
}

/* ---- rules ------------------------------------------------------------------------- */

static void chain(struct nft_plan *p, const char *name, const char *type,
		  unsigned int hook, int priority)
{
	assert(p->nchain < NFT_CHAINS);
	p->chain[p->nchain++] = (struct nft_chain){name, type, hook, priority};
}

#define MATCHES(...) (const struct nft_match[]){__VA_ARGS__}, \
	sizeof((const struct nft_match[]){__VA_ARGS__}) / sizeof(struct nft_match)

/* In the chain that was begun last. */
static struct nft_rule *rule(struct nft_plan *p, enum nft_verdict v,
			     const struct nft_match *m, size_t n)
{
	struct nft_rule *r = &p->rule[p->nrule++];

	assert(p->nrule <= NFT_RULES && n <= NFT_MATCHES && p->nchain);
	r->chain = p->nchain - 1;
	r->verdict = v;
	if (n)
		memcpy(r->m, m, n * sizeof(*m));
	r->n = (unsigned int)n;
	return r;
}

/* Who is refused hears of it, and need not wait. */
static void refuse(struct nft_plan *p, const struct nft_match *m, size_t n)
{
	struct nft_match tcp[NFT_MATCHES];

	assert(n < NFT_MATCHES);
	if (n)
		memcpy(tcp, m, n * sizeof(*m));
	tcp[n] = proto(NFT_L4PROTO, IPPROTO_TCP);
	rule(p, NFT_V_RESET, tcp, n + 1);
	rule(p, NFT_V_PROHIBIT, m, n);
}

/* To one of the host's addresses and a port that is forwarded. */
static void forwards(struct nft_plan *p)
{
	for (unsigned int m = 0; m < NFT_MAPS; m++)
		if (p->in_map[m])
			rule(p, NFT_V_DNAT,
			     MATCHES({.kind = NFT_TO_HOST}))->map = m;
}

/* Clients elsewhere, guests (hairpin); and the host itself. */
static void dnat(struct nft_plan *p)
{
	if (!p->nfwd)
		return;
	chain(p, "prerouting", "nat", NF_INET_PRE_ROUTING, PRIO_DSTNAT);
	forwards(p);
	chain(p, "output", "nat", NF_INET_LOCAL_OUT, PRIO_DSTNAT);
	forwards(p);
}

/*
 * The gateway's address is the host's loopback, unless a forward (of any network) has
 * the port. Services there see 127.0.0.1, as is their habit. Guests' own packets to
 * such addresses are dropped before (guard()), and ::1 is reached by nobody:
 * the kernel routes it from the loopback device only.
 */
static void loopback_open(const struct nft_net *n, struct nft_plan *p)
{
	struct ipaddr gw = ipaddr_from4(n->loopback),
		      lo = ipaddr_from4(INADDR_LOOPBACK);

	chain(p, "loopback", "nat", NF_INET_PRE_ROUTING, PRIO_BEHIND);
	rule(p, NFT_V_DNAT_LOOPBACK,
	     MATCHES(iif(n), addr(NFT_DADDR, &gw, 32, false)));
	chain(p, "local", "nat", NF_INET_LOCAL_IN, PRIO_SRCNAT);
	rule(p, NFT_V_SNAT_LOOPBACK,
	     MATCHES(iif(n), addr(NFT_DADDR, &lo, 32, false)));
}

/*
 * What is sent to certain groups a bridge takes for itself, past its own filters, and hands it
 * on as the port's: IP in there would come to the host by an interface that no rule knows.
 *
 * So that a client on the host's loopback gets its answers, the bridge may carry such
 * addresses inward; guests have no business with them.
 */
static void guard(const struct nft_net *n, struct nft_plan *p)
{
	chain(p, "guard", "filter", NF_INET_PRE_ROUTING, PRIO_RAW);
	rule(p, NFT_V_DROP,
	     MATCHES(dev(NFT_IIF, DEV_OURS, false),
		     {.kind = NFT_FIELD, .field = NFT_LL_TO,
		      .bits = 0xfffffffffff0, .value = RESERVED_GROUP}));
	if (n->mode != NFT_NAT)
		return;
	rule(p, NFT_V_DROP, MATCHES(iif(n), loopback(NFT_DADDR, false)));
	rule(p, NFT_V_DROP, MATCHES(iif(n), loopback(NFT_SADDR, false)));
}

/* What is on the list comes back from here. */
static void list_ports(const struct nft_net *n, struct nft_plan *p)
{
	chain(p, PORTS, NULL, 0, 0);
	for (size_t i = 0; i < n->nallow; i++)
		rule(p, NFT_V_RETURN,
		     MATCHES({.kind = NFT_PORTS, .allow = n->allow[i]}));
	refuse(p, NULL, 0);
}

static unsigned int ports_chain(const struct nft_plan *p)
{
	unsigned int i = 0;

	while (strcmp(p->chain[i].name, PORTS))
		i++;
	return i;
}

static void host_input(const struct nft_net *n, struct nft_plan *p)
{
	chain(p, "input", "filter", NF_INET_LOCAL_IN, PRIO_FILTER);
	rule(p, NFT_V_ACCEPT,
	     MATCHES(iif(n), state(NFT_CT_ESTABLISHED | NFT_CT_RELATED)));
	rule(p, NFT_V_ACCEPT, MATCHES(iif(n), proto(NFT_L4PROTO, IPPROTO_ICMP)));
	rule(p, NFT_V_ACCEPT,
	     MATCHES(iif(n), proto(NFT_L4PROTO, IPPROTO_ICMPV6)));
	if (n->host)
		rule(p, NFT_V_JUMP, MATCHES(iif(n)))->to = ports_chain(p);
	else
		refuse(p, MATCHES(iif(n)));
}

/* Spoofed senders would be answered elsewhere, and leave untranslated. */
static void no_spoofing(const struct nft_net *n, struct nft_plan *p)
{
	rule(p, NFT_V_DROP, MATCHES(iif(n), from4(n, true)));
	if (n->pool6.plen)
		rule(p, NFT_V_DROP,
		     MATCHES(iif(n), from6(n, true), from_pool(n, true)));
	else if (n->net6.plen)
		rule(p, NFT_V_DROP, MATCHES(iif(n), from6(n, true)));
	else
		rule(p, NFT_V_DROP,
		     MATCHES(iif(n), proto(NFT_FAMILY, AF_INET6)));
	rule(p, NFT_V_DROP, MATCHES(iif(n), state(NFT_CT_INVALID)));
}

static void forward_nat(const struct nft_net *n, struct nft_plan *p)
{
	rule(p, NFT_V_ACCEPT,
	     MATCHES(oif(n), state(NFT_CT_ESTABLISHED | NFT_CT_RELATED)));
	rule(p, NFT_V_ACCEPT, MATCHES(oif(n), translated()));
	rule(p, NFT_V_DROP, MATCHES(oif(n)));
	no_spoofing(n, p);
	/* Nobody has been given it: not the outside's matter. */
	if (n->pool6.plen)
		refuse(p, MATCHES(iif(n), addr(NFT_DADDR, &n->pool6.addr,
					       n->pool6.plen, false)));
	rule(p, NFT_V_ACCEPT, MATCHES(iif(n), dev(NFT_OIF, DEV_UPLINK, false)));
	/* A forward of another network's, which anybody may use. */
	rule(p, NFT_V_ACCEPT, MATCHES(iif(n), translated()));
	refuse(p, MATCHES(iif(n), dev(NFT_OIF, DEV_OURS, false)));
}

static void masquerade(const struct nft_net *n, struct nft_plan *p)
{
	chain(p, "postrouting", "nat", NF_INET_POST_ROUTING, PRIO_SRCNAT);
	rule(p, NFT_V_MASQUERADE, MATCHES(other_oif(n), from4(n, false)));
	rule(p, NFT_V_MASQUERADE, MATCHES(oif(n), from4(n, false), translated()));
	rule(p, NFT_V_MASQUERADE, MATCHES(oif(n), loopback(NFT_SADDR, false)));
	if (!n->net6.plen)
		return;
	rule(p, NFT_V_MASQUERADE, MATCHES(other_oif(n), from6(n, false)));
	rule(p, NFT_V_MASQUERADE, MATCHES(oif(n), from6(n, false), translated()));
	rule(p, NFT_V_MASQUERADE, MATCHES(oif(n), loopback(NFT_SADDR, true)));
	if (!n->pool6.plen)
		return;
	rule(p, NFT_V_MASQUERADE, MATCHES(other_oif(n), from_pool(n, false)));
	rule(p, NFT_V_MASQUERADE,
	     MATCHES(oif(n), from_pool(n, false), translated()));
}

/* Forwards are ports of the host: who may not reach these may not reach those, be they
 * his own network's. */
static void host_forwards(const struct nft_net *n, struct nft_plan *p)
{
	if (n->host)
		rule(p, NFT_V_JUMP,
		     MATCHES(iif(n), state(NFT_CT_NEW), translated()))
			->to = ports_chain(p);
	else
		refuse(p, MATCHES(iif(n), state(NFT_CT_NEW), translated()));
}

/*
 * Where bridges pass their frames through here, those that were translated are refused above.
 * A promiscuous bridge hands up a copy as well, which has lost its connection, and so what
 * was done to it; the host would route that on. Frames between guests that open something
 * have a connection.
 */
static void no_copies(const struct nft_net *n, struct nft_plan *p)
{
	rule(p, NFT_V_DROP,
	     MATCHES(iif(n), oif(n), state(NFT_CT_INVALID),
		     proto(NFT_L4PROTO, IPPROTO_TCP), syn()));
	rule(p, NFT_V_DROP,
	     MATCHES(iif(n), oif(n), state(NFT_CT_INVALID),
		     proto(NFT_L4PROTO, IPPROTO_UDP)));
}

/* Where bridges pass their frames through here, those are none of ours to judge. */
static void forward(const struct nft_net *n, struct nft_plan *p)
{
	chain(p, "forward", "filter", NF_INET_FORWARD, PRIO_FILTER);
	if (n->mode == NFT_NAT && (!n->host || n->nallow)) {
		host_forwards(n, p);
		no_copies(n, p);
	}
	rule(p, NFT_V_ACCEPT, MATCHES(iif(n), oif(n)));
	if (n->mode == NFT_NAT) {
		forward_nat(n, p);
		return;
	}
	rule(p, NFT_V_DROP, MATCHES(iif(n)));
	rule(p, NFT_V_DROP, MATCHES(oif(n)));
}

void nftplan_make(const struct nft_net *n, struct nft_plan *p)
{
	memset(p, 0, sizeof(*p));
	p->family = NFPROTO_INET;
	nft_table_name(n->network, p->table);
	guard(n, p);
	if (n->mode == NFT_NAT) {
		p->fwd = n->fwd;
		p->nfwd = n->nfwd;
		for (size_t i = 0; i < n->nfwd; i++)
			p->in_map[nft_map_of(&n->fwd[i])]++;
		dnat(p);
		if (n->loopback)
			loopback_open(n, p);
		if (n->nallow)
			list_ports(n, p);
		if (!n->host || n->nallow)
			host_input(n, p);
	}
	if (n->mode == NFT_INTERNAL) {
		chain(p, "input", "filter", NF_INET_LOCAL_IN, PRIO_FILTER);
		rule(p, NFT_V_DROP, MATCHES(iif(n)));
		chain(p, "output", "filter", NF_INET_LOCAL_OUT, PRIO_FILTER);
		rule(p, NFT_V_DROP, MATCHES(oif(n)));
	}
	forward(n, p);
	if (n->mode == NFT_NAT)
		masquerade(n, p);
}

void nftplan_fini(struct nft_plan *p)
{
	free(p->elem);
	p->elem = NULL;
}

enum nft_map nft_map_of(const struct nft_forward *f)
{
	bool any = ipaddr_is_any(&f->at);

	if (ipaddr_is4(&f->to))
		return any ? NFT_MAP_ANY4 : NFT_MAP_AT4;
	return any ? NFT_MAP_ANY6 : NFT_MAP_AT6;
}

const char *nft_map_name(enum nft_map m)
{
	static const char *const names[] = {
		[NFT_MAP_AT4] = "at4",
		[NFT_MAP_AT6] = "at6",
		[NFT_MAP_ANY4] = "any4",
		[NFT_MAP_ANY6] = "any6",
	};

	return names[m];
}
