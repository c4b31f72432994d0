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

static void is(const struct nftguard *g, const char *golden)
{
	struct nft_plan *p = calloc(1, sizeof(*p));
	char *text;

	assert_int_equal(nftguard_make(g, p), 0);
	text = nftplan_text(p);
	assert_non_null(text);
	assert_string_equal(text, golden);
	free(text);
	nftplan_fini(p);
	free(p);
}

#define NAMES "\t\telements = { \"vn-a-0\",\n\t\t\t     \"vn-b-1\" }\n"
#define TELLS(names)                                                          \
	TELL("guard_gateway", names)                                          \
	TELL("guard_protocol", names)                                         \
	TELL("rogue_dhcp", names)                                             \
	TELL("rogue_ra", names)                                               \
	TELL("rogue_dhcp6", names)                                            \
	"\tset nics {\n\t\ttype ifname\n" names "\t}\n"
#define TELL(name, names)                                                     \
	"\tset " name " {\n\t\ttype ifname\n"                                 \
	"\t\tcounter limit rate 1/minute burst 1 packets\n" names "\t}\n"
#define HEAD "table bridge vnet-lab {\n\tcomment \"vnet\"\n"
#define KIND(name)                                                            \
	"\tchain " name " {\n"                                                \
	"\t\tether type 8021q vlan id != 0 return\n"                          \
	"\t\tether type 8021ad vlan id != 0 return\n"                         \
	"\t\tiifname @" name " log prefix \"vnet-lab " name                   \
	"\" group 30318\n"                                                    \
	"\t\tdrop\n"                                                          \
	"\t}\n"
#define KINDS                                                                 \
	KIND("guard_gateway") KIND("guard_protocol") KIND("rogue_dhcp")       \
	KIND("rogue_ra") KIND("rogue_dhcp6")
#define HOOK                                                                  \
	"\tchain prerouting {\n"                                              \
	"\t\ttype filter hook prerouting priority -300; policy accept;\n"
#define TAGS                                                                  \
	"\t\tmeta protocol 8021q goto guard_protocol\n"                       \
	"\t\tmeta protocol 8021ad goto guard_protocol\n"                      \
	"\t\tmeta protocol 0x0004 @nh,0,48 0xaaaa03000000 goto guard_protocol\n"
#define IP6 "\t\tmeta protocol ip6 "
#define ND IP6 "meta l4proto ipv6-icmp icmpv6 type "

static const struct nftguard_nic nics[] = {{"vn-a-0"}, {"vn-b-1"}};

static struct nftguard guard(void)
{
	return (struct nftguard){.network = "lab", .nic = nics, .n = 2};
}

static void make__all_is_served__own_addresses_and_servers(void **state)
{
	struct nftguard g = guard();

	(void)state;
	g.own[0] = ipaddr_from4(0x0a000202);
	g.own[2] = (struct ipaddr){{0xfd, 0, 0, 1, [15] = 2}};
	g.dhcp = g.ra = true;
	is(&g, HEAD TELLS(NAMES) KINDS
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
	   "\t}\n" HOOK
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
	is(&g, HEAD TELLS("") KINDS
	   "\tchain guest {\n\t}\n"
	   "\tchain guest_ip {\n\t}\n"
	   "\tchain guest_ip6 {\n\t}\n"
	   "\tchain guest_nd {\n\t}\n" HOOK
	   "\t}\n"
	   "}\n");
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
	memset(k->nic[0].port, 'v', IFNAMSIZ);
	assert_true(kguard_judge(k, &why) < 0);
	strcpy(k->nic[0].port, "vn-a-0");
	k->nnic = KGUARD_NICS_MAX + 1;
	assert_int_equal(kguard_judge(k, &why), -EINVAL);
	free(k);
}

static void judge__random_bytes__never_accepted(void **state)
{
	struct priv_req_kguard *r = malloc(sizeof(*r));
	uint64_t x = 88172645463325252;
	struct errtext why = {""};

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint8_t *b = (uint8_t *)r;

		for (size_t j = 0; j < sizeof(*r); j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			b[j] = (uint8_t)x;
		}
		assert_true(priv_judge_kguard(r, &why) < 0);
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
		cmocka_unit_test(judge__not_a_nics_port__refused),
		cmocka_unit_test(judge__random_bytes__never_accepted),
		cmocka_unit_test(nflog__a_drop__network_kind_port_and_mac),
		cmocka_unit_test(nflog__others_and_cut_short__ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
