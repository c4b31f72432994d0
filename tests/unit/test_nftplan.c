// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core */
/* A network's packet filters, against golden text that nft(8) can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "nat/nftplan.h"

static struct nft_net network(enum nft_mode mode)
{
	return (struct nft_net){
		.network = "lab",
		.bridge = "vn-lab",
		.mode = mode,
		.net = {0x0a000200, 24},
		.net6 = {{{0xfd, 0, 0, 1}}, 64},
		.host = true,
	};
}

static void is(const struct nft_net *n, const char *golden)
{
	struct nft_plan p;
	char *text;

	nftplan_make(n, &p);
	text = nftplan_text(&p);
	assert_non_null(text);
	assert_string_equal(text, golden);
	free(text);
}

#define HEAD "table inet vnet-lab {\n\tcomment \"vnet\"\n"
#define COPIES                                                                \
	"\t\tiifname \"vn-lab\" oifname \"vn-lab\" ct state invalid meta "       \
	"l4proto tcp tcp flags & 0x12 == 0x2 drop\n"                           \
	"\t\tiifname \"vn-lab\" oifname \"vn-lab\" ct state invalid meta "       \
	"l4proto udp drop\n"
#define REFUSED_TCP "meta l4proto tcp reject with tcp reset\n"
#define REFUSED	    "reject with icmpx admin-prohibited\n"
#define FORWARD_HEAD                                                          \
	"\tchain forward {\n"                                                 \
	"\t\ttype filter hook forward priority 0; policy accept;\n"
#define FORWARD FORWARD_HEAD ACCEPT_OWN
#define ACCEPT_OWN                                                            \
	"\t\tiifname \"vn-lab\" oifname \"vn-lab\" accept\n"
#define GUARD_HEAD                                                            \
	"\tchain guard {\n"                                                   \
	"\t\ttype filter hook prerouting priority -300; policy accept;\n"     \
	"\t\tiifname \"vn-*\" @ll,0,48 & 0xfffffffffff0 == 0x180c2000000 drop\n"
#define GUARD                                                                 \
	GUARD_HEAD                                                            \
	"\t\tiifname \"vn-lab\" ip daddr 127.0.0.0/8 drop\n"                  \
	"\t\tiifname \"vn-lab\" ip saddr 127.0.0.0/8 drop\n"                  \
	"\t}\n"
#define FORWARD_NAT FORWARD FORWARD_NAT_IN
#define FORWARD_NAT_IN                                                        \
	"\t\toifname \"vn-lab\" ct state established,related accept\n"        \
	"\t\toifname \"vn-lab\" ct status dnat accept\n"                      \
	"\t\toifname \"vn-lab\" drop\n"                                       \
	"\t\tiifname \"vn-lab\" ip saddr != 10.0.2.0/24 drop\n"
#define FORWARD_NAT_END                                                       \
	"\t\tiifname \"vn-lab\" ct state invalid drop\n" FORWARD_NAT_ON
#define FORWARD_NAT_ON                                                        \
	"\t\tiifname \"vn-lab\" oifname \"vn-br-*\" accept\n"                 \
	"\t\tiifname \"vn-lab\" ct status dnat accept\n"                      \
	"\t\tiifname \"vn-lab\" oifname \"vn-*\" " REFUSED_TCP                \
	"\t\tiifname \"vn-lab\" oifname \"vn-*\" " REFUSED                    \
	"\t}\n"
#define MASQUERADE                                                            \
	"\tchain postrouting {\n"                                             \
	"\t\ttype nat hook postrouting priority 100; policy accept;\n"        \
	"\t\toifname != \"vn-lab\" ip saddr 10.0.2.0/24 masquerade\n"         \
	"\t\toifname \"vn-lab\" ip saddr 10.0.2.0/24 ct status dnat "         \
	"masquerade\n"                                                        \
	"\t\toifname \"vn-lab\" ip saddr 127.0.0.0/8 masquerade\n"
#define MASQUERADE6                                                           \
	"\t\toifname != \"vn-lab\" ip6 saddr fd00:1::/64 masquerade\n"        \
	"\t\toifname \"vn-lab\" ip6 saddr fd00:1::/64 ct status dnat "        \
	"masquerade\n"                                                        \
	"\t\toifname \"vn-lab\" ip6 saddr ::1 masquerade\n"

#define INPUT                                                                 \
	"\tchain input {\n"                                                   \
	"\t\ttype filter hook input priority 0; policy accept;\n"             \
	"\t\tiifname \"vn-lab\" ct state established,related accept\n"        \
	"\t\tiifname \"vn-lab\" meta l4proto icmp accept\n"                   \
	"\t\tiifname \"vn-lab\" meta l4proto ipv6-icmp accept\n"

static void make__internal__host_is_out_of_reach(void **state)
{
	struct nft_net n = network(NFT_INTERNAL);

	(void)state;
	is(&n, HEAD GUARD_HEAD "\t}\n"
	   "\tchain input {\n"
	   "\t\ttype filter hook input priority 0; policy accept;\n"
	   "\t\tiifname \"vn-lab\" drop\n"
	   "\t}\n"
	   "\tchain output {\n"
	   "\t\ttype filter hook output priority 0; policy accept;\n"
	   "\t\toifname \"vn-lab\" drop\n"
	   "\t}\n" FORWARD
	   "\t\tiifname \"vn-lab\" drop\n"
	   "\t\toifname \"vn-lab\" drop\n"
	   "\t}\n"
	   "}\n");
}

static void make__hostonly__nothing_is_forwarded(void **state)
{
	struct nft_net n = network(NFT_HOSTONLY);

	(void)state;
	is(&n, HEAD GUARD_HEAD "\t}\n" FORWARD
	   "\t\tiifname \"vn-lab\" drop\n"
	   "\t\toifname \"vn-lab\" drop\n"
	   "\t}\n"
	   "}\n");
}

static void make__nat__out_as_the_host_and_answers_in(void **state)
{
	struct nft_net n = network(NFT_NAT);

	(void)state;
	is(&n, HEAD GUARD FORWARD_NAT
	   "\t\tiifname \"vn-lab\" ip6 saddr != fd00:1::/64 drop\n"
	   FORWARD_NAT_END MASQUERADE MASQUERADE6
	   "\t}\n"
	   "}\n");
}

static void make__nat_without_ip6__none_of_it_leaves(void **state)
{
	struct nft_net n = network(NFT_NAT);

	(void)state;
	n.net6.plen = 0;
	is(&n, HEAD GUARD FORWARD_NAT
	   "\t\tiifname \"vn-lab\" meta nfproto ipv6 drop\n"
	   FORWARD_NAT_END MASQUERADE
	   "\t}\n"
	   "}\n");
}

static void make__nat_without_host_access__only_echo_and_answers(void **state)
{
	struct nft_net n = network(NFT_NAT);

	(void)state;
	n.host = false;
	is(&n, HEAD GUARD
	   INPUT
	   "\t\tiifname \"vn-lab\" " REFUSED_TCP
	   "\t\tiifname \"vn-lab\" " REFUSED
	   "\t}\n" FORWARD_HEAD
	   "\t\tiifname \"vn-lab\" ct state new ct status dnat " REFUSED_TCP
	   "\t\tiifname \"vn-lab\" ct state new ct status dnat " REFUSED
	   COPIES
	   ACCEPT_OWN FORWARD_NAT_IN
	   "\t\tiifname \"vn-lab\" ip6 saddr != fd00:1::/64 drop\n"
	   FORWARD_NAT_END MASQUERADE MASQUERADE6
	   "\t}\n"
	   "}\n");
}

/* Prefixes behind guests leave like the network's own; those of nobody do not. */
static void make__nat_with_a_pool__speaks_like_the_network(void **state)
{
	struct nft_net n = network(NFT_NAT);

	(void)state;
	n.pool6 = (struct ip6_net){{{0xfd, 7}}, 56};
	is(&n, HEAD GUARD FORWARD_NAT
	   "\t\tiifname \"vn-lab\" ip6 saddr != fd00:1::/64 ip6 saddr != "
	   "fd07::/56 drop\n"
	   "\t\tiifname \"vn-lab\" ct state invalid drop\n"
	   "\t\tiifname \"vn-lab\" ip6 daddr fd07::/56 " REFUSED_TCP
	   "\t\tiifname \"vn-lab\" ip6 daddr fd07::/56 " REFUSED
	   FORWARD_NAT_ON MASQUERADE MASQUERADE6
	   "\t\toifname != \"vn-lab\" ip6 saddr fd07::/56 masquerade\n"
	   "\t\toifname \"vn-lab\" ip6 saddr fd07::/56 ct status dnat "
	   "masquerade\n"
	   "\t}\n"
	   "}\n");
}

/* The list is one chain that asks for the port that was called: forwards are led on by
 * then. */
static void make__nat_with_a_list__host_and_forwards_narrowed(void **state)
{
	const struct nat_allow allow[] = {{NAT_TCP, 22, 22},
					  {NAT_UDP, 8000, 8010}};
	struct nft_net n = network(NFT_NAT);

	(void)state;
	n.allow = allow;
	n.nallow = 2;
	is(&n, HEAD GUARD
	   "\tchain ports {\n"
	   "\t\tmeta l4proto tcp ct original proto-dst 22 return\n"
	   "\t\tmeta l4proto udp ct original proto-dst 8000-8010 return\n"
	   "\t\t" REFUSED_TCP
	   "\t\t" REFUSED
	   "\t}\n" INPUT
	   "\t\tiifname \"vn-lab\" jump ports\n"
	   "\t}\n" FORWARD_HEAD
	   "\t\tiifname \"vn-lab\" ct state new ct status dnat jump ports\n"
	   COPIES
	   ACCEPT_OWN FORWARD_NAT_IN
	   "\t\tiifname \"vn-lab\" ip6 saddr != fd00:1::/64 drop\n"
	   FORWARD_NAT_END MASQUERADE MASQUERADE6
	   "\t}\n"
	   "}\n");
}

static void make__the_fullest__has_room(void **state)
{
	const struct ipaddr at[] = {ipaddr_from4(0), ipaddr_from4(0xc0a84d0a),
				    ipaddr_any, {{0xfd, [15] = 1}}};
	struct nat_allow allow[NAT_ALLOW_MAX];
	struct nft_net n = network(NFT_NAT);
	struct nft_forward f[4];
	struct nft_plan p;

	(void)state;
	for (int i = 0; i < NAT_ALLOW_MAX; i++)
		allow[i] = (struct nat_allow){NAT_TCP, 22, 22};
	for (int i = 0; i < 4; i++)
		f[i] = (struct nft_forward){IPPROTO_TCP, at[i], at[i | 1], 1, 1};
	n.allow = allow;
	n.nallow = NAT_ALLOW_MAX;
	n.loopback = 0x0a000202;
	n.fwd = f;
	n.nfwd = 4;
	nftplan_make(&n, &p);
	assert_in_range(p.nrule, NAT_ALLOW_MAX, NFT_RULES);
}

/* After all forwards; services see their own kind. */
static void make__nat_with_loopback__the_gateways_address_is_it(void **state)
{
	struct nft_net n = network(NFT_NAT);

	(void)state;
	n.loopback = 0x0a000202;
	is(&n, HEAD GUARD
	   "\tchain loopback {\n"
	   "\t\ttype nat hook prerouting priority -99; policy accept;\n"
	   "\t\tiifname \"vn-lab\" ip daddr 10.0.2.2 dnat ip to 127.0.0.1\n"
	   "\t}\n"
	   "\tchain local {\n"
	   "\t\ttype nat hook input priority 100; policy accept;\n"
	   "\t\tiifname \"vn-lab\" ip daddr 127.0.0.1 snat ip to 127.0.0.1\n"
	   "\t}\n" FORWARD_NAT
	   "\t\tiifname \"vn-lab\" ip6 saddr != fd00:1::/64 drop\n"
	   FORWARD_NAT_END MASQUERADE MASQUERADE6
	   "\t}\n"
	   "}\n");
}

#define RULE_AT4                                                              \
	"\t\tfib daddr type local dnat ip to ip daddr . meta l4proto . th "   \
	"dport map @at4\n"
#define RULE_ANY4                                                             \
	"\t\tfib daddr type local dnat ip to meta l4proto . th dport map "    \
	"@any4\n"
#define RULE_ANY6                                                             \
	"\t\tfib daddr type local dnat ip6 to meta l4proto . th dport map "   \
	"@any6\n"

/* Those for one address come first; each family has its own. */
static void make__forwards__a_map_a_kind(void **state)
{
	const struct ipaddr guest = ipaddr_from4(0x0a00020f),
			    guest6 = {{0xfd, 0, 0, 1, [15] = 0x15}};
	const struct nft_forward f[] = {
		{IPPROTO_TCP, ipaddr_from4(0), guest, 2222, 22},
		{IPPROTO_UDP, ipaddr_from4(0xc0a84d0a), guest, 53, 5353},
		{IPPROTO_TCP, ipaddr_any, guest6, 2222, 22},
		{IPPROTO_TCP, ipaddr_from4(0), guest, 2223, 22},
	};
	struct nft_net n = network(NFT_NAT);

	(void)state;
	n.fwd = f;
	n.nfwd = 4;
	is(&n, HEAD
	   "\tmap at4 {\n"
	   "\t\ttype ipv4_addr . inet_proto . inet_service : ipv4_addr . "
	   "inet_service\n"
	   "\t\telements = { 192.168.77.10 . udp . 53 : 10.0.2.15 . 5353 }\n"
	   "\t}\n"
	   "\tmap any4 {\n"
	   "\t\ttype inet_proto . inet_service : ipv4_addr . inet_service\n"
	   "\t\telements = { tcp . 2222 : 10.0.2.15 . 22,\n"
	   "\t\t\t     tcp . 2223 : 10.0.2.15 . 22 }\n"
	   "\t}\n"
	   "\tmap any6 {\n"
	   "\t\ttype inet_proto . inet_service : ipv6_addr . inet_service\n"
	   "\t\telements = { tcp . 2222 : fd00:1::15 . 22 }\n"
	   "\t}\n" GUARD
	   "\tchain prerouting {\n"
	   "\t\ttype nat hook prerouting priority -100; policy accept;\n"
	   RULE_AT4 RULE_ANY4 RULE_ANY6
	   "\t}\n"
	   "\tchain output {\n"
	   "\t\ttype nat hook output priority -100; policy accept;\n"
	   RULE_AT4 RULE_ANY4 RULE_ANY6
	   "\t}\n" FORWARD_NAT
	   "\t\tiifname \"vn-lab\" ip6 saddr != fd00:1::/64 drop\n"
	   FORWARD_NAT_END MASQUERADE MASQUERADE6
	   "\t}\n"
	   "}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make__internal__host_is_out_of_reach),
		cmocka_unit_test(make__hostonly__nothing_is_forwarded),
		cmocka_unit_test(make__nat__out_as_the_host_and_answers_in),
		cmocka_unit_test(make__nat_without_ip6__none_of_it_leaves),
		cmocka_unit_test(
			make__nat_without_host_access__only_echo_and_answers),
		cmocka_unit_test(make__nat_with_a_pool__speaks_like_the_network),
		cmocka_unit_test(make__nat_with_a_list__host_and_forwards_narrowed),
		cmocka_unit_test(make__nat_with_loopback__the_gateways_address_is_it),
		cmocka_unit_test(make__the_fullest__has_room),
		cmocka_unit_test(make__forwards__a_map_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
