/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's nftables are to do for a network of the kernel datapath, as plain
 * values: a pure compile step from the network to a table with its chains, maps and
 * rules. nft.h brings it into the kernel; nftplan_text() shows it as nft(8) reads it.
 *
 * Theory of operation. Each network has a table of its own, "vnet-NAME" of family inet,
 * which protects that network alone and knows of no other: whoever applies it needs to
 * know one network only, and one that is stopped, changed or broken leaves the rest as
 * it is. A packet passes every table's chains; each begins with the name of its own
 * bridge, so it costs a packet of another network one comparison a rule.
 *
 *   from \ to     guest                    host                  elsewhere
 *   guest         (bridged, not routed)    nat, host-only: yes*  nat: as the host's
 *   host          yes; internal: no
 *   elsewhere     answers, and forwards
 *
 * (*) or only ports of a list, or nothing but echo. "Elsewhere" includes our other
 * networks, which are told by their devices' names (vn-…): guests of one network are
 * nobody's that guests of another know. Uplinks in a bridge of ours (vn-br-…) are the
 * LAN. An accept here is not the last word: other tables of the host may still drop the
 * packet.
 */
#ifndef VNET_NAT_NFTPLAN_H
#define VNET_NAT_NFTPLAN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/inet.h"
#include "nat/nat.h"

#define NFT_NETWORK 64 /* bytes of a network's name */
#define NFT_RULES   (160 + NAT_ALLOW_MAX)
#define NFT_CHAINS  40
#define NFT_SETS    32
#define NFT_MATCHES 8  /* in a rule */
#define NFT_KEY	    32 /* bytes of an element's key */
#define NFT_NAME    16 /* of a chain of guards, of a set */
#define NFT_MARK    "vnet" /* comment of our tables; those without it are not ours */

enum nft_mode { NFT_NAT, NFT_HOSTONLY, NFT_INTERNAL };

/* One port of the host that leads to one port of a guest. */
struct nft_forward {
	uint8_t proto;	  /* IPPROTO_TCP, IPPROTO_UDP */
	struct ipaddr at; /* address of the host; 0.0.0.0, :: = all of its family */
	struct ipaddr to; /* of the same family */
	uint16_t port, to_port;
};

/** struct nft_net - A network as far as packet filters are concerned */
struct nft_net {
	char network[NFT_NETWORK];
	char bridge[IFNAMSIZ];
	enum nft_mode mode;
	struct ip4_net net;  /* plen 0 = none */
	struct ip6_net net6; /* likewise */
	struct ip6_net pool6; /* nat: prefixes of it are behind guests; likewise */
	bool host;	     /* nat: guests may reach the host itself */
	/* nat: 0, or the address under which they reach 127.0.0.1. */
	uint32_t loopback;
	const struct nat_allow *allow; /* nat: only these ports of it; borrowed */
	size_t nallow;		       /* 0 = all; at most NAT_ALLOW_MAX */
	const struct nft_forward *fwd; /* nat; borrowed */
	size_t nfwd;
};

/* ---- the plan ------------------------------------------------------------------- */

enum nft_match_kind {
	NFT_IIF,      /* dev; a name that ends in '*' is a prefix */
	NFT_OIF,
	NFT_FAMILY,   /* proto: AF_INET or AF_INET6 */
	NFT_SADDR,    /* net */
	NFT_DADDR,
	NFT_L4PROTO,  /* proto: IPPROTO_… */
	NFT_STATE, /* mask: NFT_CT_… below */
	NFT_TRANSLATED,  /* the connection's destination was translated */
	NFT_TO_HOST,  /* the destination is an address of the host's */
	NFT_PORTS,    /* allow: the port that was called, before translation */
	/* Of frames: */
	NFT_TYPE,     /* proto: EtherType behind a tag, if there is one */
	NFT_VLAN,     /* proto: the tag's type; in a VLAN that is not 0 */
	NFT_FRAGMENT, /* of IPv6 */
	NFT_FIELD,    /* field, and bits, is (op) this value; an address is in ip */
	NFT_GROUP,    /* to more than one */
	NFT_IN_SET,   /* set: the port's name, or what keyed says, is in it */
	NFT_NOTE,     /* not a question: put that into the set, which is dynamic */
};

enum nft_op { NFT_EQ, NFT_NE, NFT_LT, NFT_GT };

/* What is looked up. */
enum nft_keyed {
	NFT_BY_NAME, /* of the port; that it goes out by: out */
	NFT_BY_BOTH, /* port's name . field */
	NFT_BY_FIELD,
};

/* Parts of frames and packets, whose header the matches before say is there. */
enum nft_field {
	NFT_ARP_SENDER,	 /* RFC 826; of RARP likewise (RFC 903) */
	NFT_RARP_SENDER,
	NFT_SNAP,	 /* the LLC/SNAP header of what else is an EtherType (RFC 1042) */
	NFT_UDP_DPORT,
	NFT_TCP_FLAGS,	 /* RFC 9293 3.1 */
	NFT_ICMP6_TYPE,
	NFT_ND_TARGET,	 /* RFC 4861 4.4 */
	NFT_ETHER_TO,
	NFT_LL_TO,	 /* the same, of packets: without a question whether it is Ethernet */
	NFT_ETHER_FROM,
	NFT_ARP_OP,
	NFT_RARP_OP,
	NFT_ARP_MAC,	 /* of the sender */
	NFT_IP_FROM,
	NFT_IP_FRAG,	 /* flags and offset (RFC 791 3.1) */
	NFT_DHCP_OP,	 /* RFC 2131 2 */
	NFT_DHCP_MAC,
	NFT_IP6_FROM,
	NFT_IP6_TO,
	NFT_IP6_LEN,
	NFT_IP6_NEXT,
	NFT_RS_OPTION,	 /* type and length of the first option (RFC 4861 4.6) */
	NFT_RS_MAC,
	NFT_ND_OPTION,	 /* likewise, behind a target */
	NFT_ND_MAC,
	NFT_ND_TARGET_LL,  /* the first two bytes of it */
	NFT_ND_TARGET_NET, /* the first eight */
	NFT_FIELDS
};

enum nft_form { NFT_DEC, NFT_HEX, NFT_IP, NFT_MAC };

struct nft_field_info {
	const char *name; /* as nft(8) calls it */
	uint32_t base;	  /* NFT_PAYLOAD_… */
	uint8_t at, len;
	enum nft_form form;
};

const struct nft_field_info *nft_field_info(enum nft_field f);

/* Bits of the kernel's (NF_CT_STATE_BIT). */
#define NFT_CT_INVALID	   1
#define NFT_CT_ESTABLISHED 2
#define NFT_CT_RELATED	   4
#define NFT_CT_NEW	   8

struct nft_match {
	uint64_t value, bits; /* NFT_FIELD: of it; 0 = all */
	enum nft_match_kind kind;
	int proto;
	uint32_t mask;
	enum nft_field field;
	enum nft_op op;
	unsigned int set; /* index */
	enum nft_keyed keyed;
	struct nat_allow allow;
	bool neg;
	uint8_t plen; /* of ip, in bits of its own family */
	bool out;
	bool update; /* NFT_NOTE: what is there begins its time anew */
	char dev[IFNAMSIZ];
	struct ipaddr ip;
};

enum nft_verdict {
	NFT_V_ACCEPT,
	NFT_V_DROP,
	NFT_V_RESET,	/* TCP alone */
	NFT_V_PROHIBIT, /* ICMP 3/13, ICMPv6 1/1 */
	NFT_V_MASQUERADE,
	NFT_V_DNAT,
	NFT_V_DNAT_LOOPBACK, /* to 127.0.0.1 */
	NFT_V_SNAT_LOOPBACK, /* as 127.0.0.1 */
	NFT_V_RETURN,
	NFT_V_JUMP, /* to, and back here */
	NFT_V_GOTO, /* to */
	NFT_V_NONE, /* on to the next */
	NFT_V_LOG,  /* by NFLOG, with the chain's name; and on to the next rule */
};

#define NFT_LOG_GROUP 30318 /* of all our networks */

/* Forwards are looked up by family, and by whether they are for one address only. */
enum nft_map { NFT_MAP_AT4, NFT_MAP_AT6, NFT_MAP_ANY4, NFT_MAP_ANY6, NFT_MAPS };

struct nft_rule {
	unsigned int chain; /* index */
	struct nft_match m[NFT_MATCHES];
	unsigned int n;
	enum nft_verdict verdict;
	enum nft_map map; /* NFT_V_DNAT */
	unsigned int to;  /* chain; NFT_V_GOTO */
};

struct nft_chain {
	const char *name, *type; /* "filter", "nat"; NULL: only others lead here */
	unsigned int hook;	 /* NF_INET_…, NF_BR_… */
	int priority;
};

struct nft_elem {
	uint8_t key[NFT_KEY];
	uint8_t end[NFT_KEY]; /* NFT_SET_RANGES: the last one */
	uint64_t rate, burst; /* NFT_SET_PACKETS, NFT_SET_BYTES: a second, at once */
};

enum nft_key { NFT_K_NAME, NFT_K_NAME_MAC, NFT_K_NAME_IP4, NFT_K_NAME_IP6, NFT_K_IP6, NFT_K_MAC };

enum nft_set_kind {
	NFT_SET_PLAIN,
	NFT_SET_COUNTS,  /* what is found */
	NFT_SET_TELLS,	 /* and goes on to the rest of the rule once in a minute */
	NFT_SET_PACKETS, /* is found only beyond its element's rate */
	NFT_SET_BYTES,
	NFT_SET_SPARES,	 /* is found a few times, then twice in a minute */
	NFT_SET_DYNAMIC, /* filled by frames; forgets after a day */
	NFT_SET_RANGES,	 /* of NFT_K_NAME_IP4, NFT_K_NAME_IP6: each a prefix; apart */
};

struct nft_set {
	char name[NFT_NAME];
	enum nft_key key;
	enum nft_set_kind kind;
	size_t first, n; /* of the plan's elem */
};

struct nft_plan {
	char table[NFT_NETWORK + 8];
	int family; /* NFPROTO_INET, NFPROTO_BRIDGE */
	struct nft_set set[NFT_SETS];
	unsigned int nset;
	struct nft_elem *elem; /* heap */
	struct nft_chain chain[NFT_CHAINS];
	unsigned int nchain;
	struct nft_rule rule[NFT_RULES]; /* by chain */
	unsigned int nrule;
	const struct nft_forward *fwd; /* borrowed */
	size_t nfwd;
	size_t in_map[NFT_MAPS]; /* how many of them */
};

/* Compile; never fails. @n's forwards must outlive the plan. */
void nftplan_make(const struct nft_net *n, struct nft_plan *out);

/* Of any plan. */
void nftplan_fini(struct nft_plan *p);

/* Which map it is in. */
enum nft_map nft_map_of(const struct nft_forward *f);
const char *nft_map_name(enum nft_map m);
static inline bool nft_map_is6(enum nft_map m)
{
	return m == NFT_MAP_AT6 || m == NFT_MAP_ANY6;
}
static inline bool nft_map_is_at(enum nft_map m)
{
	return m == NFT_MAP_AT4 || m == NFT_MAP_AT6;
}

/* The name of a network's table. */
void nft_table_name(const char *network, char out[NFT_NETWORK + 8]);

/* The table as nft(8) reads it; heap, NULL without memory. */
char *nftplan_text(const struct nft_plan *p);

#endif
