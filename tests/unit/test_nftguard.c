// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/* What guests on a bridge may not say: against golden text that nft(8) can read; what priv
 * accepts of it; and what the kernel tells. */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "nat/nflog.h"
#include "nat/nftguard.h"
#include "netd/kguard.h"
#include "netd/priv_int.h"

/* Only some of the sets and chains: what is in @golden must be there, in that order. */
static void has(const struct nftguard *g, const char *const *golden, size_t n)
{
	struct nft_plan *p = calloc(1, sizeof(*p));
	const char *at;
	char *text;

	assert_int_equal(nftguard_make(g, p), 0);
	text = nftplan_text(p);
	assert_non_null(text);
	at = text;
	for (size_t i = 0; i < n; i++) {
		const char *found = strstr(at, golden[i]);

		if (!found)
			print_error("not there: %s\nin: %s\n", golden[i], at);
		assert_non_null(found);
		at = found + strlen(golden[i]);
	}
	free(text);
	nftplan_fini(p);
	free(p);
}

#define HAS(g, ...)                                                           \
	has(g, (const char *const[]){__VA_ARGS__},                            \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#define NAMES "\t\telements = { \"vn-a-0\",\n\t\t\t     \"vn-b-1\" }\n"
#define KIND(name)                                                            \
	"\tchain " name " {\n"                                                \
	"\t\tether type 8021q vlan id != 0 return\n"                          \
	"\t\tether type 8021ad vlan id != 0 return\n"                         \
	"\t\tiifname @" name " log prefix \"vnet-lab " name                   \
	"\" group 30318\n"                                                    \
	"\t\tdrop\n"                                                          \
	"\t}\n"
#define TAGS                                                                  \
	"\t\tmeta protocol 8021q goto guard_protocol\n"                       \
	"\t\tmeta protocol 8021ad goto guard_protocol\n"                      \
	"\t\tmeta protocol 0x0004 @nh,0,48 0xaaaa03000000 goto guard_protocol\n"
#define IP6 "\t\tmeta protocol ip6 "
#define ND IP6 "meta l4proto ipv6-icmp icmpv6 type "

static struct nftguard_nic nics[2];

static struct nftguard guard(void)
{
	memset(nics, 0, sizeof(nics));
	strcpy(nics[0].port, "vn-a-0");
	strcpy(nics[1].port, "vn-b-1");
	nics[0].mac = (struct mac){{0x52, 0x54, 0, 0, 0, 1}};
	nics[1].mac = (struct mac){{0x52, 0x54, 0, 0, 0, 2}};
	return (struct nftguard){.network = "lab", .services = "vn-sv-lab",
				 .service = {{2, 0, 0, 0, 0, 9}},
				 .nic = nics, .n = 2};
}

static void make__all_is_served__own_addresses_and_servers(void **state)
{
	struct nftguard g = guard();

	(void)state;
	g.own[0] = ipaddr_from4(0x0a000202);
	g.own[2] = (struct ipaddr){{0xfd, 0, 0, 1, [15] = 2}};
	g.dhcp = g.ra = true;
	HAS(&g, "table bridge vnet-lab {\n\tcomment \"vnet\"\n"
	   "\tset guard_gateway {\n\t\ttype ifname\n"
	   "\t\tcounter limit rate 1/minute burst 1 packets\n" NAMES "\t}\n",
	   "\tset nics {\n\t\ttype ifname\n" NAMES "\t}\n",
	   KIND("guard_gateway") KIND("guard_protocol") KIND("rogue_dhcp")
	   KIND("rogue_ra") KIND("rogue_dhcp6"),
	   "\tchain guest {\n"
	   "\t\tmeta protocol ip goto guest_ip\n"
	   "\t\tmeta protocol ip6 goto guest_ip6\n"
	   "\t\tmeta protocol arp arp saddr ip 10.0.2.2 goto guard_gateway\n"
	   "\t\tmeta protocol 0x8035 @nh,112,32 0xa000202 goto guard_gateway\n"
	   TAGS "\t}\n"
	   "\tchain guest_ip {\n"
	   "\t\tmeta protocol ip ip saddr 10.0.2.2 goto guard_gateway\n"
	   "\t\tmeta protocol ip meta l4proto udp udp dport 68 goto "
	   "rogue_dhcp\n"
	   "\t}\n"
	   "\tchain guest_ip6 {\n"
	   IP6 "ip6 saddr fd00:1::2 goto guard_gateway\n"
	   "\t\tmeta l4proto tcp return\n"
	   "\t\tmeta l4proto ipv6-icmp goto guest_nd\n"
	   IP6 "meta l4proto udp udp dport 546 goto rogue_dhcp6\n"
	   "\t\tmeta l4proto != 255 return\n"
	   "\t\tgoto guard_protocol\n"
	   "\t}\n"
	   "\tchain guest_nd {\n"
	   ND "134 goto rogue_ra\n"
	   ND "136 @th,64,128 0xfd000001000000000000000000000002 goto "
	   "guard_gateway\n"
	   IP6 "exthdr frag exists meta l4proto ipv6-icmp icmpv6 type 136 goto "
	   "guard_protocol\n"
	   "\t}\n",
	   "\tchain prerouting {\n"
	   "\t\ttype filter hook prerouting priority -300; policy accept;\n"
	   "\t\tiifname @nics goto guest\n"
	   "\t}\n"
	   "}\n");
}

/* Where we do not serve, and have no address, guests may do as they like. */
static void make__nothing_of_ours__no_frame_is_looked_at(void **state)
{
	struct nftguard g = guard();

	(void)state;
	g.n = 0;
	HAS(&g, "\tchain guest {\n\t}\n"
	   "\tchain guest_ip {\n\t}\n"
	   "\tchain guest_ip6 {\n\t}\n"
	   "\tchain guest_nd {\n\t}\n",
	   "\tchain prerouting {\n"
	   "\t\ttype filter hook prerouting priority -300; policy accept;\n"
	   "\t}\n}\n");
}

static void make__held_to_its_mac__wherever_it_says_one(void **state)
{
	struct nftguard g = guard();

	(void)state;
	nics[1].level = NFTGUARD_PIN_MAC;
	HAS(&g, "\tset nics {\n\t\ttype ifname\n"
	   "\t\telements = { \"vn-a-0\" }\n\t}\n"
	   "\tset held {\n\t\ttype ifname\n"
	   "\t\telements = { \"vn-b-1\" }\n\t}\n"
	   "\tset pinned {\n\t\ttype ifname\n"
	   "\t\telements = { \"vn-b-1\" }\n\t}\n"
	   "\tset strict {\n\t\ttype ifname\n\t}\n",
	   "\tset macs {\n\t\ttype ifname . ether_addr\n"
	   "\t\telements = { \"vn-b-1\" . 52:54:00:00:00:02 }\n\t}\n",
	   "\tchain guard_mac {\n"
	   "\t\tiifname @guard_mac log prefix \"vnet-lab guard_mac\" group "
	   "30318\n"
	   "\t\tdrop\n\t}\n",
	   "\tchain held {\n"
	   "\t\tiifname @outs goto rate\n"
	   "\t\tether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 iifname "
	   "@storms goto storm_storm\n"
	   "\t\tiifname @pinned iifname . ether saddr != @macs goto guard_mac\n"
	   "\t\tjump guest\n"
	   "\t\tiifname @pinned goto pinned\n"
	   "\t}\n"
	   "\tchain pinned {\n"
	   "\t\tmeta protocol arp iifname . arp saddr ether != @macs goto "
	   "guard_claim\n"
	   "\t\tmeta protocol ip meta l4proto udp udp dport 67 ip frag-off & "
	   "0x3fff != 0x0 goto held_protocol\n"
	   "\t\tmeta protocol ip meta l4proto udp udp dport 67 @th,64,8 0x1 "
	   "iifname . @th,288,48 != @macs goto guard_dhcp\n"
	   IP6 "meta l4proto ipv6-icmp jump pinned_nd\n"
	   "\t\tmeta protocol 8021q goto held_protocol\n"
	   "\t\tmeta protocol 8021ad goto held_protocol\n"
	   "\t\tiifname @strict goto strict\n"
	   "\t}\n"
	   "\tchain pinned_nd {\n"
	   ND "< 133 return\n"
	   ND "> 137 return\n"
	   ND "134 return\n"
	   IP6 "ip6 nexthdr != 58 goto held_protocol\n"
	   ND "133 ip6 length 8 return\n"
	   ND "133 ip6 length 16 @th,64,16 0x101 iifname . @th,80,48 @macs "
	   "return\n"
	   ND "133 goto guard_claim\n"
	   ND "137 goto held_protocol\n"
	   IP6 "ip6 length 24 return\n"
	   IP6 "ip6 length != 32 goto held_protocol\n"
	   IP6 "meta l4proto ipv6-icmp @th,192,16 0xe01 return\n"
	   IP6 "meta l4proto ipv6-icmp @th,192,16 0x101 iifname . @th,208,48 "
	   "@macs return\n"
	   IP6 "meta l4proto ipv6-icmp @th,192,16 0x201 iifname . @th,208,48 "
	   "@macs return\n"
	   "\t\tgoto guard_claim\n"
	   "\t}\n");
}

static void make__held_to_addresses__given_or_first_to_claim(void **state)
{
	const struct nftguard_addr addr[] = {
		{ipaddr_from4(0x0a00020f), 0, 128},
		{{{0xfd, 0, 0, 1, [15] = 0x15}}, 1, 128},
		{ipaddr_from4(0x0a050100), 0, 120}, /* in the next one */
		{ipaddr_from4(0x0a050000), 0, 112},
		{ipaddr_from4(0x0a050100), 1, 120}, /* another's */
		{ipaddr_any, 0, 0},
		{{{0x20, 1, 0xd, 0xb8, [7] = 0x40}}, 1, 58},
		{{{0x20, 1, 0xd, 0xb8, [7] = 0x40}}, 1, 58},
	};
	struct nftguard g = guard();

	(void)state;
	nics[0].level = nics[1].level = NFTGUARD_PIN_IP;
	g.addr = addr;
	g.naddr = sizeof(addr) / sizeof(addr[0]);
	g.slaac = (struct ip6_net){{{0xfd, 0, 0, 1}}, 64};
	g.own[3] = (struct ipaddr){{0xfd, 0, 0, 1, [15] = 2}};
	HAS(&g, "\tset addr4 {\n\t\ttype ifname . ipv4_addr\n"
	   "\t\telements = { \"vn-a-0\" . 10.0.2.15 }\n\t}\n"
	   "\tset addr6 {\n\t\ttype ifname . ipv6_addr\n"
	   "\t\telements = { \"vn-b-1\" . fd00:1::15 }\n\t}\n"
	   "\tset nets4 {\n\t\ttype ifname . ipv4_addr\n\t\tflags interval\n"
	   "\t\telements = { \"vn-a-0\" . 10.5.0.0/16,\n"
	   "\t\t\t     \"vn-b-1\" . 10.5.1.0/24 }\n\t}\n"
	   "\tset nets6 {\n\t\ttype ifname . ipv6_addr\n\t\tflags interval\n"
	   "\t\telements = { \"vn-a-0\" . ::/0,\n"
	   "\t\t\t     \"vn-b-1\" . 2001:db8:0:40::/58 }\n\t}\n"
	   "\tset given6 {\n\t\ttype ipv6_addr\n"
	   "\t\telements = { fd00:1::15,\n\t\t\t     fd00:1::2 }\n\t}\n"
	   "\tset bound6 {\n\t\ttype ifname . ipv6_addr\n"
	   "\t\tsize 65536\n\t\tflags dynamic,timeout\n\t\ttimeout 1d\n\t}\n",
	   "\tset binds {\n\t\ttype ifname\n"
	   "\t\tlimit rate 2/minute burst 16 packets\n" NAMES "\t}\n",
	   "\tchain strict {\n"
	   "\t\tmeta protocol ip goto strict_ip\n"
	   "\t\tmeta protocol ip6 goto strict_ip6\n"
	   "\t\tmeta protocol arp iifname . arp saddr ip @addr4 return\n"
	   "\t\tmeta protocol arp iifname . arp saddr ip @nets4 return\n"
	   "\t\tmeta protocol arp arp operation 1 arp saddr ip 0.0.0.0 return\n"
	   "\t\tmeta protocol arp goto guard_claim\n"
	   "\t\tmeta protocol 0x8035 @nh,48,16 0x3 @nh,112,32 0x0 return\n"
	   "\t\tgoto held_protocol\n"
	   "\t}\n"
	   "\tchain strict_ip {\n"
	   "\t\tmeta protocol ip meta l4proto udp udp dport 68 goto "
	   "rogue_dhcp\n"
	   "\t\tmeta protocol ip iifname . ip saddr @addr4 return\n"
	   "\t\tmeta protocol ip iifname . ip saddr @nets4 return\n"
	   "\t\tmeta protocol ip ip saddr != 0.0.0.0 goto guard_address\n"
	   "\t\tmeta protocol ip meta l4proto udp udp dport 67 return\n"
	   "\t\tmeta protocol ip meta l4proto 2 return\n"
	   "\t\tgoto held_protocol\n"
	   "\t}\n"
	   "\tchain strict_ip6 {\n"
	   IP6 "ip6 saddr :: goto strict_none\n"
	   IP6 "iifname . ip6 saddr @addr6 goto strict_nd\n"
	   IP6 "iifname . ip6 saddr @nets6 goto strict_nd\n"
	   IP6 "iifname . ip6 saddr @bound6 goto strict_known\n"
	   IP6 "ip6 saddr @given6 goto guard_address\n"
	   IP6 "ip6 saddr @taken6 goto guard_address\n"
	   IP6 "ip6 saddr fe80::/10 goto strict_new\n"
	   IP6 "ip6 saddr fd00:1::/64 goto strict_new\n"
	   "\t\tgoto guard_address\n"
	   "\t}\n",
	   IP6 "meta l4proto ipv6-icmp @th,64,16 & 0xffc0 == 0xfe80 iifname "
	   "@binds add @taken6 { @th,64,128 } add @bound6 { iifname . "
	   "@th,64,128 } return\n",
	   "\tchain strict_new {\n"
	   IP6 "iifname @binds add @taken6 { ip6 saddr } add @bound6 { iifname . "
	   "ip6 saddr } goto strict_nd\n"
	   "\t\tgoto guard_address\n"
	   "\t}\n");
}

static void make__limits_and_isolation__between_ports(void **state)
{
	struct nftguard g = guard();

	(void)state;
	nics[0].storm = 20;
	nics[0].out = 8000;
	nics[1].in = 100000;
	nics[1].isolated = 1;
	g.bridge = (struct mac){{0x0a, 0, 0x28, 1, 2, 3}};
	g.own[0] = ipaddr_from4(0x0a000202);
	g.own[2] = (struct ipaddr){{0xfd, 0, 0, 1, [15] = 2}};
	g.net = (struct ip4_net){0x0a000200, 24};
	g.net6 = (struct ip6_net){{{0xfd, 0, 0, 1}}, 64};
	g.pool6 = (struct ip6_net){{{0xfd, 0, 0, 8}}, 61};
	HAS(&g, "\tset alone {\n\t\ttype ifname\n"
	   "\t\telements = { \"vn-b-1\" }\n\t}\n",
	   "\t\telements = { \"vn-a-0\" limit rate over 20/second burst 20 "
	   "packets }\n",
	   "\t\telements = { \"vn-a-0\" limit rate over 1000000 bytes/second "
	   "burst 262144 bytes }\n",
	   "\t\telements = { \"vn-b-1\" limit rate over 12500000 bytes/second "
	   "burst 262144 bytes }\n",
	   "\tchain routed {\n"
	   "\t\tmeta protocol ip ip daddr 10.0.2.2 return\n"
	   IP6 "ip6 daddr fd00:1::2 return\n"
	   "\t\tmeta protocol ip ip daddr 10.0.2.0/24 goto isolated\n"
	   IP6 "ip6 daddr fd00:1::/64 goto isolated\n"
	   IP6 "ip6 daddr fd00:8::/61 goto isolated\n"
	   "\t}\n"
	   "\tchain prerouting {\n"
	   "\t\ttype filter hook prerouting priority -300; policy accept;\n"
	   "\t\tether daddr 0a:00:28:01:02:03 jump routed\n",
	   "\tchain forward {\n"
	   "\t\ttype filter hook forward priority -300; policy accept;\n"
	   "\t\tiifname @alone oifname @nics goto isolated\n"
	   "\t\tiifname @alone oifname @held goto isolated\n"
	   "\t\toifname @alone iifname @nics goto isolated\n"
	   "\t\toifname @alone iifname @held goto isolated\n"
	   "\t\tiifname @alone oifname \"vn-sv-lab\" ether daddr & "
	   "01:00:00:00:00:00 == 00:00:00:00:00:00 ether daddr != "
	   "02:00:00:00:00:09 goto isolated\n"
	   "\t\toifname @alone iifname \"vn-sv-lab\" ether saddr != "
	   "02:00:00:00:00:09 goto isolated\n",
	   "\tchain postrouting {\n"
	   "\t\ttype filter hook postrouting priority -300; policy accept;\n"
	   "\t\toifname @ins goto rate_in\n"
	   "\t}\n}\n");
}

/* ---- judging ---------------------------------------------------------------------- */

static void judge__not_a_nics_port__refused(void **state)
{
	struct kguard *k = calloc(1, sizeof(*k));
	struct errtext why = {""};

	(void)state;
	strcpy(k->network, "lab");
	k->nnic = 1;
	strcpy(k->nic[0].port, "vn-a-0");
	assert_int_equal(kguard_judge(k, &why), 0);
	strcpy(k->nic[0].port, "vn-sv-lab"); /* its services would be silent */
	assert_int_equal(kguard_judge(k, &why), -EPERM);
	strcpy(k->nic[0].port, "eth0");
	assert_true(kguard_judge(k, &why) < 0);
	strcpy(k->nic[0].port, "vn-a-0");
	k->nic[0].level = 3;
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	k->nic[0].level = 2;
	memset(k->nic[0].port, 'v', IFNAMSIZ);
	assert_true(kguard_judge(k, &why) < 0);
	strcpy(k->nic[0].port, "vn-a-0");
	k->nnic = KGUARD_NICS_MAX + 1;
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	free(k);
}

/* Else whoever has control could let a guest be the gateway. */
static void judge__the_networks_own_address__no_nics(void **state)
{
	struct kguard *k = calloc(1, sizeof(*k));
	struct errtext why = {""};

	(void)state;
	strcpy(k->network, "lab");
	strcpy(k->nic[0].port, "vn-a-0");
	k->nnic = k->naddr = 1;
	k->own[0] = ipaddr_from4(0x0a000202);
	k->addr[0].ip = ipaddr_from4(0x0a00020f);
	k->addr[0].plen = 128;
	assert_int_equal(kguard_judge(k, &why), 0);
	k->addr[0].plen = 120; /* with host bits */
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	k->addr[0].ip = ipaddr_from4(0x0a000200);
	assert_int_equal(kguard_judge(k, &why), 0);
	k->addr[0].plen = 80; /* more than IPv4 */
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	k->addr[0].plen = 128;
	k->addr[0].ip = k->own[0];
	assert_int_equal(kguard_judge(k, &why), -EPERM);
	k->addr[0].ip = ipaddr_from4(0xe0000001);
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	k->addr[0].ip = ipaddr_from4(0x0a00020f);
	k->addr[0].nic = 1;
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	free(k);
}

static void judge__random_bytes__never_accepted(void **state)
{
	struct kguard *r = malloc(sizeof(*r));
	uint64_t x = 88172645463325252;
	struct errtext why = {""};

	(void)state;
	for (int i = 0; i < 50; i++) {
		uint8_t *b = (uint8_t *)r;

		for (size_t j = 0; j < sizeof(*r); j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			b[j] = (uint8_t)x;
		}
		assert_true(kguard_judge(r, &why) < 0);
	}
	free(r);
}

/* ---- what the kernel tells ------------------------------------------------------------- */

struct told {
	unsigned int n;
	struct nflog_entry last;
};

static void take(void *arg, const struct nflog_entry *e)
{
	struct told *t = arg;

	t->n++;
	t->last = *e;
}

static size_t put(uint8_t *b, size_t at, uint16_t type, const void *p, size_t len)
{
	const struct nlattr a = {.nla_len = (uint16_t)(4 + len), .nla_type = type};

	memcpy(b + at, &a, 4);
	memcpy(b + at + 4, p, len);
	return at + ((4 + len + 3) & ~(size_t)3);
}

/* As linux/netfilter/nfnetlink_log.h has it. */
static size_t message(uint8_t *b, const char *prefix)
{
	static const uint8_t bridge[4] = {0, 0, 0, 3}, port[4] = {0, 0, 0, 9};
	static const uint8_t hw[12] = {0, 6, 0, 0, 2, 0, 0, 0, 0, 0xee};
	struct nlmsghdr h = {.nlmsg_type =
				     NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET};
	size_t at = sizeof(h) + sizeof(struct nfgenmsg);

	memset(b, 0, at);
	at = put(b, at, NFULA_PREFIX, prefix, strlen(prefix) + 1);
	at = put(b, at, NFULA_IFINDEX_PHYSINDEV, port, 4);
	at = put(b, at, NFULA_IFINDEX_INDEV, bridge, 4);
	at = put(b, at, NFULA_HWADDR, hw, 12);
	h.nlmsg_len = (uint32_t)at;
	memcpy(b, &h, sizeof(h));
	return at;
}

static void nflog__a_drop__network_kind_port_and_mac(void **state)
{
	_Alignas(8) uint8_t b[512];
	struct told t = {0};

	(void)state;
	nflog_read(b, message(b, "vnet-my-lab rogue_ra"), take, &t);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.last.network, "my-lab");
	assert_int_equal(t.last.kind, NFTGUARD_RA);
	assert_int_equal(t.last.port, 9);
	assert_int_equal(t.last.mac.b[5], 0xee);
}

static void nflog__others_and_cut_short__ignored(void **state)
{
	_Alignas(8) uint8_t b[512], cut[512];
	struct told t = {0};
	size_t len;

	(void)state;
	nflog_read(b, message(b, "vnet-lab other"), take, &t);
	nflog_read(b, message(b, "vnet- rogue_ra"), take, &t);
	nflog_read(b, message(b, "ulogd rogue_ra"), take, &t);
	nflog_read(b, message(b, ""), take, &t);
	assert_int_equal(t.n, 0);
	len = message(b, "vnet-lab rogue_ra");
	for (size_t i = 0; i < len; i++) {
		memcpy(cut, b, i);
		nflog_read(cut, i, take, &t);
	}
	assert_int_equal(t.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make__all_is_served__own_addresses_and_servers),
		cmocka_unit_test(make__nothing_of_ours__no_frame_is_looked_at),
		cmocka_unit_test(make__held_to_its_mac__wherever_it_says_one),
		cmocka_unit_test(
			make__held_to_addresses__given_or_first_to_claim),
		cmocka_unit_test(make__limits_and_isolation__between_ports),
		cmocka_unit_test(judge__not_a_nics_port__refused),
		cmocka_unit_test(judge__the_networks_own_address__no_nics),
		cmocka_unit_test(judge__random_bytes__never_accepted),
		cmocka_unit_test(nflog__a_drop__network_kind_port_and_mac),
		cmocka_unit_test(nflog__others_and_cut_short__ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
