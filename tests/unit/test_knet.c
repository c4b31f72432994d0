// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd switch_io switch_core nat_io nat_core dhcp_core */
/* A network of the kernel datapath: names of its devices, what priv accepts, and the
 * steps from what is there to what is to be, against golden text. */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/compat.h"
#include "netd/knet.h"
#include "netd/priv_int.h"

static void fill(struct knet *k, int mode)
{
	memset(k, 0, sizeof(*k));
	strcpy(k->network, "lab");
	knet_names("lab", k->bridge, k->tap);
	k->mode = mode;
	k->mac = (struct mac){{0x0a, 0, 0x28, 1, 2, 3}};
	k->mtu = 1500;
	k->host = true;
	k->net = (struct ip4_net){0x0a000200, 24};
	k->net6 = (struct ip6_net){{{0xfd, 0, 0, 1}}, 64};
	if (mode == NFT_INTERNAL)
		return;
	k->ip4 = 0x0a000202;
	k->ip6 = k->net6.addr;
	k->ip6.b[15] = 2;
}

/* ---- names ------------------------------------------------------------------------ */

static void names__ordinary__bridge_and_port(void **state)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];

	(void)state;
	knet_names("lab", bridge, tap);
	assert_string_equal(bridge, "vn-lab");
	assert_string_equal(tap, "vn-sv-lab");
}

/* A network "br-x" must not have the name of what network "x" bridges. */
static void names__like_anothers_device__are_others(void **state)
{
	static const char *const odd[] = {"br-x", "up-x", "sv-x", "n-x"};
	char bridge[IFNAMSIZ], tap[IFNAMSIZ];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		knet_names(odd[i], bridge, tap);
		assert_memory_equal(bridge, "vn-n-", 5);
	}
}

/* ---- judging ---------------------------------------------------------------------- */

static void judge__three_modes__accepted(void **state)
{
	struct knet *k = malloc(sizeof(*k));
	struct errtext why = {""};

	(void)state;
	for (int m = NFT_NAT; m <= NFT_INTERNAL; m++) {
		fill(k, m);
		assert_int_equal(knet_judge(k, &why), 0);
	}
	free(k);
}

static void judge__not_as_compiled__refused(void **state)
{
	struct knet *k = malloc(sizeof(*k));
	struct errtext why = {""};

	(void)state;
	fill(k, NFT_NAT);
	strcpy(k->bridge, "eth0");
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	fill(k, NFT_NAT);
	strcpy(k->bridge, "vn-other");
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	fill(k, NFT_NAT);
	memset(k->network, 'a', sizeof(k->network));
	assert_true(knet_judge(k, &why) < 0);
	fill(k, 3);
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	fill(k, NFT_NAT);
	k->ip4 = 0x0a000302; /* outside */
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	fill(k, NFT_INTERNAL);
	k->ip4 = 0x0a000202;
	assert_int_equal(knet_judge(k, &why), -EPERM);
	fill(k, NFT_NAT);
	k->nfwd = KNET_FWDS_MAX + 1;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	free(k);
}

/* Whoever has control may not lead the host's ports to where he likes. */
static void judge__forward_out_of_the_network__refused(void **state)
{
	struct nft_forward f = {IPPROTO_TCP, ipaddr_from4(0),
				ipaddr_from4(0x0a00020f), 2222, 22};
	struct knet *k = malloc(sizeof(*k));
	struct errtext why = {""};

	(void)state;
	fill(k, NFT_NAT);
	k->nfwd = 1;
	k->fwd[0] = f;
	assert_int_equal(knet_judge(k, &why), 0);
	assert_true(knet_has_forward(k, &f));
	k->fwd[0].to = ipaddr_from4(0xc0a84d01);
	assert_int_equal(knet_judge(k, &why), -EPERM);
	k->fwd[0] = f;
	k->fwd[0].proto = IPPROTO_ICMP;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->fwd[0] = f;
	k->fwd[0].at = ipaddr_any; /* of the other family */
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->fwd[0].at = ipaddr_from4(0xa9fe0707); /* link-local: the host's as any other */
	assert_int_equal(knet_judge(k, &why), 0);
	k->fwd[0].at = ipaddr_from4(0xe00000fb);
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	free(k);
}

/* A whole request may hold anything: no field is believed. */
static void judge__ports_of_the_host__only_real_ones_where_it_is_open(void **state)
{
	struct knet *k = malloc(sizeof(*k));
	struct errtext why = {""};

	(void)state;
	fill(k, NFT_NAT);
	k->loopback = true;
	k->nallow = 2;
	k->allow[0] = (struct nat_allow){NAT_TCP, 22, 22};
	k->allow[1] = (struct nat_allow){NAT_UDP, 1, 65535};
	assert_int_equal(knet_judge(k, &why), 0);
	k->allow[1] = (struct nat_allow){NAT_UDP, 2, 1};
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->allow[1] = (struct nat_allow){NAT_ICMP, 1, 1};
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->allow[1] = (struct nat_allow){NAT_UDP, 0, 1};
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->nallow = 1;
	k->host = false;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->nallow = 0;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	k->loopback = false;
	assert_int_equal(knet_judge(k, &why), 0);
	k->host = true;
	k->nallow = NAT_ALLOW_MAX + 1;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	free(k);
}

static void pool(struct knet *k)
{
	k->pool6 = (struct ip6_net){{{0xfd, 7}}, 56};
	k->nroute = 1;
	k->route[0].net = (struct ip6_net){{{0xfd, 7, [7] = 1}}, 64};
	k->route[0].via = (struct ipaddr){{0xfe, 0x80, [15] = 9}};
}

/* Out of the pool, onto the host itself, around the guest. */
static void judge__route_that_is_no_guests__refused(void **state)
{
	struct knet *k = malloc(sizeof(*k));
	struct errtext why = {""};

	(void)state;
	fill(k, NFT_NAT);
	pool(k);
	assert_int_equal(knet_judge(k, &why), 0);
	k->route[0].net.addr.b[0] = 0x20;
	assert_int_equal(knet_judge(k, &why), -EPERM);
	pool(k);
	k->route[0].net.plen = 48;
	assert_int_equal(knet_judge(k, &why), -EPERM);
	pool(k);
	k->route[0].net.addr.b[15] = 1;
	assert_int_equal(knet_judge(k, &why), -EPERM);
	pool(k);
	k->route[0].via = (struct ipaddr){{0xfd, [15] = 9}};
	assert_int_equal(knet_judge(k, &why), -EPERM);
	k->route[0].via = ipaddr_linklocal(&k->mac);
	assert_int_equal(knet_judge(k, &why), -EPERM);
	pool(k);
	k->nroute = KBRIDGE_ROUTES + 1;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	pool(k);
	k->pool6.plen = 0;
	assert_int_not_equal(knet_judge(k, &why), 0);
	k->pool6.plen = 8;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	pool(k);
	k->pool6.addr = k->net6.addr;
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	fill(k, NFT_HOSTONLY);
	pool(k);
	assert_int_equal(knet_judge(k, &why), -EINVAL);
	free(k);
}

static void judge__random_bytes__never_accepted_nor_followed(void **state)
{
	struct priv_req_knet *r = malloc(sizeof(*r));
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
		assert_true(priv_judge_knet(r, &why) < 0);
	}
	free(r);
}

/* ---- the bridge's steps ------------------------------------------------------------ */

struct steps {
	struct kbridge want;
	struct kbridge_seen seen;
	struct kbridge_plan plan;
};

static struct steps *begin(int mode)
{
	struct steps *s = calloc(1, sizeof(*s));
	struct knet *k = malloc(sizeof(*k));

	fill(k, mode);
	knet_bridge(k, &s->want);
	free(k);
	strcpy(s->seen.forward4, "0");
	strcpy(s->seen.forward6, "0");
	return s;
}

static void is(struct steps *s, const char *golden)
{
	char text[4096] = "", line[KBRIDGE_STEP_TEXT];
	size_t n = 0;

	assert_int_equal(kbridge_plan(&s->want, &s->seen, &s->plan, NULL), 0);
	for (unsigned int i = 0; i < s->plan.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n",
				      kstep_text(&s->plan, i, line));
	assert_string_equal(text, golden);
}

/* As the kernel is when all steps of the plan have been taken. */
static void take(struct steps *s)
{
	struct kbridge_seen *h = &s->seen;

	h->there = true;
	strcpy(h->link.kind, "bridge");
	strcpy(h->link.alias, s->want.mark);
	h->link.mac = s->want.mac;
	h->link.mtu = s->want.mtu;
	h->link.flags = IFF_UP;
	memcpy(h->addr, s->want.addr, sizeof(s->want.addr));
	h->naddr = s->want.naddr;
	for (unsigned int k = 0; k < KB_KEYS; k++)
		strcpy(h->value[k], "0");
	strcpy(h->value[KB_ARP_IGNORE], "1");
	strcpy(h->value[KB_RP_FILTER], "1");
	strcpy(h->value[KB_DISABLE6], s->want.ip6 ? "0" : "1");
	if (!s->want.routes)
		return;
	strcpy(h->value[KB_FORWARDING], "1");
	strcpy(h->value[KB_ROUTE_LOCALNET], "1");
	strcpy(h->forward4, "1");
	strcpy(h->forward6, "1");
}

#define S4 "sysctl net.ipv4.conf.vn-lab."
#define S6 "sysctl net.ipv6.conf.vn-lab."
#define QUIET                                                                 \
	S4 "arp_ignore = 1\n" S4 "rp_filter = 1\n" S4 "proxy_arp = 0\n"       \
	S4 "accept_redirects = 0\n" S4 "send_redirects = 0\n"                 \
	S4 "accept_source_route = 0\n" S6 "accept_ra = 0\n"                   \
	S6 "autoconf = 0\n" S6 "accept_redirects = 0\n"
#define ADD                                                                   \
	"bridge vn-lab add mac 0a:00:28:01:02:03 mtu 1500 mark "              \
	"\"vnet:lab\"\n"

static void plan__internal_from_nothing__bridge_without_address(void **state)
{
	struct steps *s = begin(NFT_INTERNAL);

	(void)state;
	is(s, ADD S4 "forwarding = 0\n" S4 "route_localnet = 0\n" QUIET
	      S6 "disable_ipv6 = 1\n"
	      "link vn-lab up\n");
	free(s);
}

static void plan__hostonly_from_nothing__addresses_before_up(void **state)
{
	struct steps *s = begin(NFT_HOSTONLY);

	(void)state;
	is(s, ADD S4 "forwarding = 0\n" S4 "route_localnet = 0\n" QUIET
	      S6 "disable_ipv6 = 0\n"
	      "address vn-lab add 10.0.2.2/24\n"
	      "address vn-lab add fd00:1::2/64\n"
	      "address vn-lab add fe80::800:28ff:fe01:203/64\n"
	      "link vn-lab up\n");
	free(s);
}

/* A host that has its own IPv6 route from advertisements must go on to hear them. */
static void plan__nat_on_a_host__becomes_a_router_that_listens(void **state)
{
	struct steps *s = begin(NFT_NAT);

	(void)state;
	take(s);
	strcpy(s->seen.forward4, "0");
	strcpy(s->seen.forward6, "0");
	strcpy(s->seen.ra[s->seen.nra++], "eth0");
	is(s, "sysctl net.ipv4.conf.all.forwarding = 1\n"
	      "sysctl net.ipv6.conf.eth0.accept_ra = 2\n"
	      "sysctl net.ipv6.conf.all.forwarding = 1\n"
	      S4 "forwarding = 1\n");
	free(s);
}

static void plan__all_is_there__nothing_to_do(void **state)
{
	(void)state;
	for (int m = NFT_NAT; m <= NFT_INTERNAL; m++) {
		struct steps *s = begin(m);

		take(s);
		is(s, "");
		free(s);
	}
}

/* The old guest's goes before the new one's comes, and all when the bridge is up. */
static void plan__prefix_for_another_guest__route_moves(void **state)
{
	struct steps *s = begin(NFT_NAT);
	struct kroute r = {{{{0xfd, 7, [7] = 1}}, 64}, {{0xfe, 0x80, [15] = 9}}};

	(void)state;
	take(s);
	s->want.route = &r;
	s->want.nroute = 1;
	is(s, "route vn-lab add fd07:0:0:1::/64 via fe80::9\n");
	s->seen.route[0] = r;
	s->seen.nroute = 1;
	is(s, "");
	s->seen.route[0].via.b[15] = 8;
	s->seen.link.flags = 0;
	is(s, "link vn-lab up\n"
	      "route vn-lab del fd07:0:0:1::/64 via fe80::8\n"
	      "route vn-lab add fd07:0:0:1::/64 via fe80::9\n");
	s->want.nroute = 0;
	strcpy(s->seen.value[KB_DISABLE6], "");
	s->seen.link.flags = IFF_UP;
	is(s, "route vn-lab del fd07:0:0:1::/64 via fe80::8\n");
	free(s);
}

static void plan__kernel_without_ip6__not_asked_for_again(void **state)
{
	struct steps *s = begin(NFT_HOSTONLY);

	(void)state;
	take(s);
	s->seen.naddr = 1; /* the IPv4 one */
	s->seen.forward6[0] = '\0';
	s->seen.value[KB_ACCEPT_RA][0] = s->seen.value[KB_AUTOCONF][0] = '\0';
	s->seen.value[KB_REDIRECTS6][0] = s->seen.value[KB_DISABLE6][0] = '\0';
	is(s, "");
	free(s);
}

static void plan__changed_from_outside__only_that_is_put_right(void **state)
{
	struct steps *s = begin(NFT_HOSTONLY);

	(void)state;
	take(s);
	s->seen.link.flags = 0;
	s->seen.link.mtu = 9000;
	s->seen.link.nf_call = LINK_CALL_IP6;
	s->seen.addr[0].ip = ipaddr_from4(0x0a000263);
	strcpy(s->seen.value[KB_FORWARDING], "1");
	is(s, "bridge vn-lab set mtu 1500\n"
	      "bridge vn-lab set nf_call off\n"
	      S4 "forwarding = 0\n"
	      "address vn-lab del 10.0.2.99/24\n"
	      "address vn-lab add 10.0.2.2/24\n"
	      "link vn-lab up\n");
	free(s);
}

static void plan__foreign_device_of_the_name__refused(void **state)
{
	struct steps *s = begin(NFT_HOSTONLY);
	struct errtext why = {""};

	(void)state;
	take(s);
	s->seen.link.alias[0] = '\0';
	assert_int_equal(kbridge_plan(&s->want, &s->seen, &s->plan, &why),
			 -EEXIST);
	assert_string_equal(why.s, "interface vn-lab is there and not this "
				   "network's");
	take(s);
	strcpy(s->seen.link.alias, "vnet:other");
	assert_int_equal(kbridge_plan(&s->want, &s->seen, &s->plan, &why),
			 -EEXIST);
	take(s);
	strcpy(s->seen.link.kind, "tun");
	assert_int_equal(kbridge_plan(&s->want, &s->seen, &s->plan, &why),
			 -EEXIST);
	free(s);
}

/* ---- neighbours ---------------------------------------------------------------------- */

#define ATTR 4 /* NLA_HDRLEN */

struct neigh_msg {
	struct nlmsghdr h;
	struct ndmsg nd;
	struct nlattr dst;
	uint8_t ip[16];
	struct nlattr ll;
	uint8_t mac[8];
};

static struct neigh_msg neighbour(uint16_t state)
{
	return (struct neigh_msg){
		.h = {.nlmsg_len = sizeof(struct neigh_msg),
		      .nlmsg_type = RTM_NEWNEIGH},
		.nd = {.ndm_family = AF_INET6, .ndm_ifindex = 7,
		       .ndm_state = state},
		.dst = {.nla_len = ATTR + 16, .nla_type = NDA_DST},
		.ip = {0xfd, [15] = 9},
		.ll = {.nla_len = ATTR + 6, .nla_type = NDA_LLADDR},
		.mac = {0x52, 0x54, 0, 0, 0, 1},
	};
}

static void neigh_parse__heard_of__usable(void **state)
{
	struct neigh_msg m = neighbour(NUD_STALE);
	struct link_neigh e;

	(void)state;
	assert_int_equal(link_neigh_parse(&m.h, &e), 0);
	assert_int_equal(e.index, 7);
	assert_memory_equal(e.ip.b, m.ip, 16);
	assert_memory_equal(e.mac.b, m.mac, 6);
	assert_true(e.usable);
	m = neighbour(NUD_FAILED);
	assert_int_equal(link_neigh_parse(&m.h, &e), 0);
	assert_false(e.usable);
}

static void neigh_parse__cut_or_other__refused(void **state)
{
	struct neigh_msg m = neighbour(NUD_REACHABLE);
	struct link_neigh e;

	(void)state;
	m.nd.ndm_family = AF_BRIDGE; /* an entry of a bridge's own table */
	assert_int_equal(link_neigh_parse(&m.h, &e), -EINVAL);
	m = neighbour(NUD_REACHABLE);
	m.dst.nla_len = ATTR + 4;
	assert_int_equal(link_neigh_parse(&m.h, &e), -EINVAL);
	m = neighbour(NUD_REACHABLE);
	m.h.nlmsg_type = RTM_DELNEIGH;
	assert_int_equal(link_neigh_parse(&m.h, &e), -EINVAL);
	/* Without its MAC it is of no use. */
	m = neighbour(NUD_REACHABLE);
	m.h.nlmsg_len = (uint32_t)offsetof(struct neigh_msg, ll);
	assert_int_equal(link_neigh_parse(&m.h, &e), 0);
	assert_false(e.usable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names__ordinary__bridge_and_port),
		cmocka_unit_test(names__like_anothers_device__are_others),
		cmocka_unit_test(judge__three_modes__accepted),
		cmocka_unit_test(judge__not_as_compiled__refused),
		cmocka_unit_test(judge__forward_out_of_the_network__refused),
		cmocka_unit_test(
			judge__ports_of_the_host__only_real_ones_where_it_is_open),
		cmocka_unit_test(judge__route_that_is_no_guests__refused),
		cmocka_unit_test(judge__random_bytes__never_accepted_nor_followed),
		cmocka_unit_test(
			plan__internal_from_nothing__bridge_without_address),
		cmocka_unit_test(
			plan__hostonly_from_nothing__addresses_before_up),
		cmocka_unit_test(
			plan__nat_on_a_host__becomes_a_router_that_listens),
		cmocka_unit_test(plan__all_is_there__nothing_to_do),
		cmocka_unit_test(plan__prefix_for_another_guest__route_moves),
		cmocka_unit_test(plan__kernel_without_ip6__not_asked_for_again),
		cmocka_unit_test(
			plan__changed_from_outside__only_that_is_put_right),
		cmocka_unit_test(plan__foreign_device_of_the_name__refused),
		cmocka_unit_test(neigh_parse__heard_of__usable),
		cmocka_unit_test(neigh_parse__cut_or_other__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
