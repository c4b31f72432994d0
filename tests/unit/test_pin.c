// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core fake_port */
/* What a guest may say about itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "tests/fake/fake_port.h"

enum { UDP = 17, ICMP6 = 58, TCP = 6, IGMP = 2, HOP = 0, FRAG = 44, DST = 60 };

#define GW4 0x0a000202u /* 10.0.2.2 */
#define ME4 0x0a00020fu
#define OTHER4 0x0a000210u

static const struct mac ME = {{2, 0, 0, 0, 0, 0xa}},
			OTHER = {{2, 0, 0, 0, 0, 0xb}},
			GW = {{0x52, 0x55, 10, 0, 2, 2}};

struct fix {
	struct vswitch *sw;
	struct fake_port a, b, gw;
	struct pin pa, pb;
	struct ipaddr gw_ll;
	int64_t now;
	int told;
	enum pin_fault fault;
	struct mac src;
};

struct pkt {
	uint8_t b[400];
	size_t len;
};

static void on_guard(void *arg, struct port *p, enum pin_fault fault,
		     const struct mac *src)
{
	struct fix *x = arg;

	assert_ptr_equal(p, &x->a.port);
	x->told++;
	x->fault = fault;
	x->src = *src;
}

static struct ipaddr ip(const char *s)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(s, &a), 0);
	return a;
}

static void changed(struct fix *x)
{
	vswitch_pin_changed(x->sw, &x->pa);
	vswitch_pin_changed(x->sw, &x->pb);
}

static int setup(void **state)
{
	struct vswitch_config cfg = {.seed = {3, 4}};
	struct fix *x = calloc(1, sizeof(*x));
	struct ipaddr own[3];
	struct pin_net mine = {ipaddr_from4(ME4), 128},
		       theirs = {ipaddr_from4(OTHER4), 128};

	x->now = 100000;
	x->sw = vswitch_new(&cfg);
	pin_add(vswitch_pins(x->sw), &x->pa, &ME);
	pin_add(vswitch_pins(x->sw), &x->pb, &OTHER);
	fake_port_add(&x->a, x->sw, "a", PORT_GUEST, 0);
	fake_port_add(&x->b, x->sw, "b", PORT_GUEST, 0);
	x->a.port.pin = &x->pa;
	x->b.port.pin = &x->pb;
	changed(x);
	fake_port_add(&x->gw, x->sw, "gw", PORT_GATEWAY, 0);
	assert_int_equal(vswitch_fdb_static(x->sw, &GW, &x->gw.port), 0);
	x->gw_ll = ipaddr_linklocal(&GW);
	own[0] = ipaddr_from4(GW4);
	own[1] = x->gw_ll;
	own[2] = ip("fd00::2");
	pin_set_own(vswitch_pins(x->sw), own, 3);
	vswitch_pins(x->sw)->slaac = (struct ip6_net){ip("fd00::"), 64};
	pin_allow(&x->pa, &mine, 1);
	pin_allow(&x->pb, &theirs, 1);
	vswitch_on_guard(x->sw, on_guard, x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	pin_del(&x->pa);
	pin_del(&x->pb);
	vswitch_free(x->sw);
	free(x);
	return 0;
}

/* ---- frames --------------------------------------------------------------- */

static struct pkt eth(uint16_t type)
{
	struct pkt k = {.len = 14};

	memset(k.b, 0xff, 6);
	memcpy(k.b + 6, ME.b, 6);
	put_be16(k.b + 12, type);
	return k;
}

static struct pkt arp(uint16_t op, const struct mac *sha, uint32_t spa)
{
	struct pkt k = eth(ETH_P_ARP4);

	put_be16(k.b + 14, 1);
	put_be16(k.b + 16, ETH_P_IP4);
	put_be16(k.b + 18, 0x0604);
	put_be16(k.b + 20, op);
	memcpy(k.b + 22, sha->b, 6);
	put_be32(k.b + 28, spa);
	put_be32(k.b + 38, OTHER4);
	k.len = 60;
	return k;
}

static struct pkt ip4(uint8_t proto, uint32_t src, size_t payload)
{
	struct pkt k = eth(ETH_P_IP4);

	k.b[14] = 0x45;
	put_be16(k.b + 16, (uint16_t)(20 + payload));
	k.b[22] = 64;
	k.b[23] = proto;
	put_be32(k.b + 26, src);
	put_be32(k.b + 30, 0xffffffff);
	k.len = 34 + payload;
	return k;
}

static struct pkt dhcp(uint32_t src, const struct mac *chaddr)
{
	struct pkt k = ip4(UDP, src, 8 + 240);

	put_be16(k.b + 34, 68);
	put_be16(k.b + 36, 67);
	k.b[42] = 1;
	k.b[43] = 1;
	k.b[44] = 6;
	memcpy(k.b + 70, chaddr->b, 6);
	return k;
}

static struct pkt ip6(uint8_t next, const struct ipaddr *src, const char *dst)
{
	struct ipaddr to = ip(dst);
	struct pkt k = eth(ETH_P_IP6);

	k.b[14] = 0x60;
	k.b[20] = next;
	k.b[21] = 255;
	memcpy(k.b + 22, src->b, 16);
	memcpy(k.b + 38, to.b, 16);
	k.len += 40;
	return k;
}

static void more(struct pkt *k, const void *p, size_t n)
{
	memcpy(k->b + k->len, p, n);
	k->len += n;
	put_be16(k->b + 18, (uint16_t)(k->len - 54));
}

/* ND's message of @type about @target, with an option of a link-layer address. */
static void nd(struct pkt *k, uint8_t type, const struct ipaddr *target,
	       uint8_t option, const struct mac *ll)
{
	uint8_t m[24] = {type}, o[8] = {option, 1};

	memcpy(m + 8, target->b, 16);
	more(k, m, sizeof(m));
	if (!option)
		return;
	memcpy(o + 2, ll->b, 6);
	more(k, o, sizeof(o));
}

static struct pkt advert(const struct ipaddr *src, const struct ipaddr *target,
			 const struct mac *ll)
{
	struct pkt k = ip6(ICMP6, src, "ff02::1");

	nd(&k, 136, target, 2, ll);
	return k;
}

static struct pkt dad(const struct ipaddr *target)
{
	struct pkt k = ip6(ICMP6, &ipaddr_any, "ff02::1:ff00:1");

	nd(&k, 135, target, 0, NULL);
	return k;
}

/* VLAN tag or other bytes behind the MACs. */
static struct pkt wrap(struct pkt k, const uint8_t *p, size_t n)
{
	struct pkt out = k;

	memcpy(out.b + 12, p, n);
	memcpy(out.b + 12 + n, k.b + 12, k.len - 12);
	out.len += n;
	return out;
}

/* Comes in on a: does somebody get it? */
static bool passes(struct fix *x, struct pkt k)
{
	fake_port_clear(&x->b);
	fake_port_clear(&x->gw);
	fake_port_in(&x->a, k.b, k.len, x->now);
	return x->b.n + x->gw.n > 0;
}

static void level(struct fix *x, enum pin_level l)
{
	pin_level(&x->pa, l);
	vswitch_pin_changed(x->sw, &x->pa);
	x->told = 0;
	x->now += PIN_TOLD_MS;
}

#define assert_passes(k) assert_true(passes(x, k))
#define assert_drops(k, why)                                                   \
	do {                                                                   \
		uint64_t was = x->a.port.stats.drops[DROP_GUARD];              \
		x->now += PIN_TOLD_MS;                                         \
		assert_false(passes(x, k));                                    \
		assert_int_equal(x->a.port.stats.drops[DROP_GUARD], was + 1);  \
		assert_int_equal(x->fault, why);                               \
	} while (0)

/* ---- off -------------------------------------------------------------------- */

static void judge__off__anything_but_the_gateways(void **state)
{
	struct fix *x = *state;
	struct ipaddr ll = ipaddr_linklocal(&OTHER), net = ip("fd00::2");
	struct pkt k = ip4(UDP, OTHER4, 20);

	assert_passes(k);
	memcpy(k.b + 6, OTHER.b, 6);
	assert_passes(k);
	assert_passes(arp(2, &OTHER, OTHER4));
	assert_passes(advert(&ll, &ll, &OTHER));
	assert_passes(dhcp(0, &OTHER));
	assert_passes(eth(0x88b5));
	assert_drops(ip4(UDP, GW4, 20), PIN_F_GATEWAY);
	assert_drops(ip4(TCP, GW4, 20), PIN_F_GATEWAY);
	assert_drops(arp(1, &ME, GW4), PIN_F_GATEWAY);
	assert_drops(arp(2, &ME, GW4), PIN_F_GATEWAY);
	assert_drops(advert(&ll, &net, &ME), PIN_F_GATEWAY);
	assert_drops(advert(&x->gw_ll, &ll, &ME), PIN_F_GATEWAY);
	assert_drops(ip6(UDP, &net, "fd00::10"), PIN_F_GATEWAY);
}

static void judge__gateways_address_asked_for__passes(void **state)
{
	struct fix *x = *state;
	struct ipaddr net = ip("fd00::2");

	assert_passes(arp(1, &ME, 0));
	assert_passes(dad(&net));
	assert_passes(dad(&x->gw_ll));
	level(x, PIN_IP);
	assert_passes(arp(1, &ME, 0));
	assert_drops(dad(&net), PIN_F_CLAIM);
	assert_false(pin_has(&x->pa, &net));
}

static void judge__gateways_address_wrapped__is_found(void **state)
{
	struct fix *x = *state;
	static const uint8_t tag[] = {0x81, 0, 0xe0, 0}, vlan[] = {0x81, 0, 0, 7},
			     tags[] = {0x88, 0xa8, 0, 0, 0x81, 0,
				       0,    0,    0x81, 0, 0, 0},
			     snap[] = {0, 60, 0xaa, 0xaa, 3, 0, 0, 0};
	struct ipaddr ll = ipaddr_linklocal(&ME), net = ip("fd00::2");
	struct pkt k = arp(2, &ME, GW4), e;
	uint8_t hop[8] = {ICMP6}, frag[8] = {ICMP6};

	assert_drops(wrap(k, tag, 4), PIN_F_GATEWAY);
	assert_drops(wrap(k, tags, 12), PIN_F_GATEWAY);
	assert_drops(wrap(k, snap, 8), PIN_F_GATEWAY);
	assert_passes(wrap(k, vlan, 4)); /* not its network */
	e = ip6(HOP, &ll, "ff02::1");
	more(&e, hop, 8);
	nd(&e, 136, &net, 2, &ME);
	assert_drops(e, PIN_F_GATEWAY);
	e = ip6(FRAG, &ll, "ff02::1");
	more(&e, frag, 8);
	nd(&e, 136, &net, 2, &ME);
	assert_drops(e, PIN_F_OTHER);
	e = ip6(HOP, &ll, "ff02::1");
	hop[0] = HOP;
	for (int i = 0; i < 9; i++)
		more(&e, hop, 8);
	assert_drops(e, PIN_F_OTHER);
}

static void judge__network_without_addresses__nothing_is_looked_at(void **state)
{
	struct fix *x = *state;

	pin_set_own(vswitch_pins(x->sw), NULL, 0);
	assert_passes(arp(2, &ME, GW4));
	assert_passes(ip4(UDP, GW4, 20));
	assert_passes(advert(&x->gw_ll, &x->gw_ll, &ME));
	assert_int_equal(x->told, 0);
}

static void judge__other_ports_than_guests__may(void **state)
{
	struct fix *x = *state;
	struct pkt k = arp(2, &GW, GW4);

	memcpy(k.b + 6, GW.b, 6);
	fake_port_in(&x->gw, k.b, k.len, x->now);
	assert_int_equal(x->a.n, 1);
}

/* ---- mac -------------------------------------------------------------------- */

static void judge__mac_level__no_other_mac(void **state)
{
	struct fix *x = *state;
	struct ipaddr ll = ipaddr_linklocal(&OTHER);
	struct pkt k = ip4(TCP, OTHER4, 20);

	level(x, PIN_MAC);
	assert_passes(k);
	assert_passes(arp(2, &ME, OTHER4));
	assert_passes(advert(&ll, &ll, &ME));
	assert_passes(dhcp(0, &ME));
	assert_passes(eth(0x88b5));
	memcpy(k.b + 6, OTHER.b, 6);
	assert_drops(k, PIN_F_MAC);
	assert_true(mac_eq(&x->src, &OTHER));
	assert_drops(arp(2, &OTHER, OTHER4), PIN_F_CLAIM);
	assert_drops(advert(&ll, &ll, &OTHER), PIN_F_CLAIM);
	assert_drops(dhcp(0, &OTHER), PIN_F_DHCP);
	k = dhcp(0, &ME);
	k.b[44] = 16; /* no Ethernet: who is it for? */
	assert_drops(k, PIN_F_OTHER);
}

static void judge__dhcp_in_pieces__is_dropped(void **state)
{
	struct fix *x = *state;
	struct pkt k = dhcp(0, &ME);

	level(x, PIN_MAC);
	k.b[20] = 0x20; /* more fragments */
	assert_drops(k, PIN_F_OTHER);
	k = ip4(UDP, ME4, 0);
	k.b[20] = 0x20; /* too short for a port */
	assert_drops(k, PIN_F_OTHER);
	k = ip4(UDP, ME4, 20);
	k.b[21] = 3; /* a later one */
	assert_passes(k);
}

static void judge__options_of_nd__all_are_read(void **state)
{
	struct fix *x = *state;
	struct ipaddr ll = ipaddr_linklocal(&ME), other = ip("fd00::9");
	static const uint8_t nonce[8] = {14, 1}, bad[8] = {14, 0},
			     dst[8] = {ICMP6};
	uint8_t second[8] = {1, 1, 2, 0, 0, 0, 0, 0xb};
	uint8_t pad[120] = {14, 15};
	struct pkt k = ip6(ICMP6, &ll, "ff02::1:ff00:9");

	level(x, PIN_MAC);
	nd(&k, 135, &other, 1, &ME);
	more(&k, nonce, 8);
	assert_passes(k);
	more(&k, second, 8);
	assert_drops(k, PIN_F_CLAIM);
	k = ip6(ICMP6, &ll, "ff02::1:ff00:9");
	nd(&k, 135, &other, 1, &ME);
	more(&k, bad, 8);
	assert_drops(k, PIN_F_OTHER);
	k = ip6(DST, &ll, "ff02::1:ff00:9");
	more(&k, dst, 8);
	nd(&k, 135, &other, 1, &OTHER);
	assert_drops(k, PIN_F_CLAIM);
	k = ip6(ICMP6, &ll, "ff02::2"); /* router solicitation */
	more(&k, (uint8_t[8]){133}, 8);
	assert_passes(k);
	more(&k, second, 8);
	assert_drops(k, PIN_F_CLAIM);
	/* what is beyond sight */
	k = ip6(ICMP6, &ll, "ff02::1:ff00:9");
	nd(&k, 135, &other, 1, &ME);
	more(&k, pad, sizeof(pad));
	more(&k, second, 8);
	assert_false(passes(x, k));
}

/* ---- ip --------------------------------------------------------------------- */

static void judge__ip_level__own_addresses_of_ipv4(void **state)
{
	struct fix *x = *state;
	struct pin_net nets[2] = {{ipaddr_from4(ME4), 128},
				  {ipaddr_from4(0x0a050000), 96 + 16}};

	level(x, PIN_IP);
	assert_passes(ip4(TCP, ME4, 20));
	assert_passes(ip4(UDP, ME4, 20));
	assert_passes(arp(1, &ME, ME4));
	assert_passes(arp(1, &ME, 0));
	assert_passes(dhcp(0, &ME));
	assert_passes(dhcp(ME4, &ME));
	assert_passes(ip4(IGMP, 0, 8));
	assert_drops(ip4(TCP, OTHER4, 20), PIN_F_ADDRESS);
	assert_drops(ip4(UDP, OTHER4, 20), PIN_F_ADDRESS);
	assert_drops(ip4(TCP, GW4, 20), PIN_F_GATEWAY);
	assert_drops(ip4(UDP, 0, 20), PIN_F_OTHER);
	assert_drops(arp(2, &ME, OTHER4), PIN_F_CLAIM);
	assert_drops(arp(2, &ME, 0), PIN_F_OTHER);
	assert_drops(dhcp(0, &OTHER), PIN_F_DHCP);
	assert_drops(dhcp(OTHER4, &ME), PIN_F_ADDRESS);
	assert_drops(ip4(TCP, 0x0a050107, 20), PIN_F_ADDRESS);
	pin_allow(&x->pa, nets, 2);
	assert_passes(ip4(TCP, 0x0a050107, 20));
	assert_passes(ip4(TCP, ME4, 20));
	pin_allow(&x->pa, NULL, 0);
	assert_drops(ip4(TCP, ME4, 20), PIN_F_ADDRESS);
}

static void judge__ip_level__no_other_protocols(void **state)
{
	struct fix *x = *state;
	static const uint8_t tag[] = {0x81, 0, 0, 7},
			     snap[] = {0, 60, 0xaa, 0xaa, 3, 0, 0, 0};
	struct pkt k = arp(3, &ME, 0);

	level(x, PIN_IP);
	assert_drops(eth(0x88b5), PIN_F_OTHER);
	assert_passes(wrap(ip4(TCP, ME4, 20), tag, 4));
	assert_drops(wrap(ip4(TCP, OTHER4, 20), tag, 4), PIN_F_ADDRESS);
	assert_drops(wrap(ip4(TCP, ME4, 20), snap, 8), PIN_F_OTHER);
	put_be16(k.b + 12, 0x8035); /* as QEMU says after a migration */
	assert_passes(k);
	put_be16(k.b + 20, 4);
	assert_drops(k, PIN_F_OTHER);
}

static void judge__ip_level__addresses_of_slaac(void **state)
{
	struct fix *x = *state;
	struct ipaddr ll = ipaddr_linklocal(&ME), odd = ip("fe80::1234:5"),
		      tmp = ip("fd00::8:1"), out = ip("2001:db8::1"),
		      mapped = ipaddr_from4(ME4);

	level(x, PIN_IP);
	assert_passes(dad(&ll));
	assert_passes(advert(&ll, &ll, &ME));
	assert_passes(dad(&odd));
	assert_passes(dad(&tmp));
	assert_passes(ip6(TCP, &tmp, "fd00::2"));
	assert_true(pin_has(&x->pa, &tmp));
	assert_drops(ip6(TCP, &out, "fd00::2"), PIN_F_ADDRESS);
	assert_drops(dad(&out), PIN_F_CLAIM);
	assert_drops(ip6(TCP, &mapped, "fd00::2"), PIN_F_OTHER);
	assert_drops(ip6(UDP, &ipaddr_any, "fd00::2"), PIN_F_OTHER);
	/* not of a prefix of which guests make none */
	vswitch_pins(x->sw)->slaac.plen = 0;
	tmp = ip("fd00::8:2");
	x->now += 1000;
	assert_drops(dad(&tmp), PIN_F_CLAIM);
}

static void judge__address_of_another__cannot_be_claimed(void **state)
{
	struct fix *x = *state;
	struct pin_net given = {ip("fd00::20"), 128};
	struct ipaddr made = ip("fd00::"), seen = ip("fd00::30"),
		      theirs = ip("fd00::40"), ll = ipaddr_linklocal(&OTHER);

	memcpy(made.b + 8, ll.b + 8, 8); /* what SLAAC makes of its MAC */
	pin_allow(&x->pb, &given, 1);
	pin_note(vswitch_pins(x->sw), &x->pb, &seen, x->now);
	pin_level(&x->pb, PIN_IP);
	vswitch_pin_changed(x->sw, &x->pb);
	{
		struct pkt k = dad(&theirs);

		memcpy(k.b + 6, OTHER.b, 6);
		fake_port_in(&x->b, k.b, k.len, x->now);
	}
	level(x, PIN_IP);
	assert_drops(dad(&made), PIN_F_CLAIM);
	assert_drops(dad(&ll), PIN_F_CLAIM);
	assert_drops(dad(&given.addr), PIN_F_CLAIM);
	assert_drops(advert(&seen, &seen, &ME), PIN_F_CLAIM);
	assert_drops(ip6(UDP, &theirs, "fd00::2"), PIN_F_ADDRESS);
	pin_del(&x->pb);
	x->now += 1000;
	assert_passes(dad(&theirs));
}

static void judge__many_addresses__the_unused_one_goes(void **state)
{
	struct fix *x = *state;
	struct ipaddr a = ip("fd00::1:0"), first = a;

	level(x, PIN_IP);
	for (uint8_t i = 0; i < PIN_BOUND_MAX; i++) {
		a.b[15] = i;
		x->now += 1000;
		assert_passes(dad(&a));
	}
	x->now += 1000;
	assert_passes(ip6(TCP, &first, "fd00::2"));
	a.b[15] = PIN_BOUND_MAX;
	x->now += 1000;
	assert_passes(dad(&a));
	assert_true(pin_has(&x->pa, &first));
	first.b[15] = 1;
	assert_false(pin_has(&x->pa, &first));
}

static void judge__addresses_as_fast_as_it_can__few_are_looked_up(void **state)
{
	struct fix *x = *state;
	struct ipaddr a = ip("fd00::1:0");
	int n = 0;

	level(x, PIN_IP);
	for (uint8_t i = 0; i < 100; i++) {
		a.b[15] = i;
		n += passes(x, dad(&a));
	}
	assert_int_equal(n, PIN_BINDS_MAX);
}

static void judge__ip_level__plays_no_server(void **state)
{
	struct fix *x = *state;
	struct ipaddr ll = ipaddr_linklocal(&ME);
	struct pkt k = ip4(UDP, ME4, 300), ra = ip6(ICMP6, &ll, "ff02::1");

	put_be16(k.b + 36, 68);
	more(&ra, (uint8_t[16]){134}, 16);
	assert_passes(k); /* nothing is forbidden here … */
	assert_passes(ra);
	level(x, PIN_IP); /* … but to who is pinned */
	assert_false(passes(x, k));
	assert_false(passes(x, ra));
	assert_int_equal(x->a.port.stats.drops[DROP_ROGUE], 2);
	ra = ip6(ICMP6, &ll, "ff02::1");
	nd(&ra, 137, &ll, 0, NULL);
	assert_drops(ra, PIN_F_OTHER);
}

static void judge__joined_frames__are_judged_too(void **state)
{
	struct fix *x = *state;
	struct pkt k = ip4(TCP, OTHER4, 360);
	struct frame f;

	level(x, PIN_IP);
	k.b[46] = 0x50;
	frame_init(&f, k.b, k.len);
	f.off = (struct offload){.needs_csum = true,
				 .gso_type = GSO_TCP4,
				 .gso_size = 100,
				 .hdr_len = 54,
				 .csum_start = 34,
				 .csum_offset = 16};
	vswitch_input(&x->a.port, &f, 1, x->now);
	assert_int_equal(x->b.n, 0);
	assert_int_equal(x->a.port.stats.drops[DROP_GUARD], 1);
	put_be32(k.b + 26, ME4);
	vswitch_input(&x->a.port, &f, 1, x->now);
	assert_true(x->b.n > 0);
}

static void judge__a_frame_dropped__teaches_nothing(void **state)
{
	struct fix *x = *state;
	struct pkt k = ip4(TCP, ME4, 20), to = ip4(TCP, GW4, 20);

	level(x, PIN_MAC);
	memcpy(k.b + 6, OTHER.b, 6);
	assert_false(passes(x, k));
	memcpy(to.b, OTHER.b, 6);
	memcpy(to.b + 6, GW.b, 6);
	fake_port_clear(&x->a);
	fake_port_in(&x->gw, to.b, to.len, x->now);
	assert_int_equal(x->b.n, 1); /* flooded: not known to be at a */
	assert_int_equal(vswitch_fdb_count(&x->a.port), 0);
}

static void tell__again_and_again__once_a_minute_and_kind(void **state)
{
	struct fix *x = *state;
	struct pkt k = ip4(TCP, GW4, 20);

	for (int i = 0; i < 100; i++)
		passes(x, k);
	assert_int_equal(x->told, 1);
	level(x, PIN_IP);
	passes(x, k);
	passes(x, eth(0x88b5));
	assert_int_equal(x->told, 2);
	for (int f = 1; f < 1 << PIN_FAULTS; f <<= 1)
		assert_string_not_equal(pin_fault_name((enum pin_fault)f),
					"none");
}

/* ---- isolation, limits --------------------------------------------------------- */

static void isolated__and_another__reach_only_the_gateway(void **state)
{
	struct fix *x = *state;
	struct pkt k = ip4(TCP, ME4, 20);

	for (int both = 0; both < 2; both++) {
		x->pa.flags = (uint8_t)(both ? 0 : PIN_ISOLATED);
		x->pb.flags = (uint8_t)(both ? PIN_ISOLATED : 0);
		changed(x);
		memset(k.b, 0xff, 6);
		assert_passes(k);
		assert_int_equal(x->b.n, 0);
		assert_int_equal(x->gw.n, 1);
		/* b is known */
		memcpy(k.b + 6, OTHER.b, 6);
		fake_port_in(&x->b, k.b, k.len, x->now);
		memcpy(k.b, OTHER.b, 6);
		memcpy(k.b + 6, ME.b, 6);
		assert_false(passes(x, k));
		memcpy(k.b, GW.b, 6);
		assert_passes(k);
	}
	assert_int_equal(x->a.port.stats.drops[DROP_ISOLATED], 2);
	x->pb.flags = 0;
	changed(x);
	memcpy(k.b, OTHER.b, 6);
	assert_passes(k);
	assert_int_equal(x->b.n, 1);
}

static void storm__more_than_the_limit__is_dropped(void **state)
{
	struct fix *x = *state;
	struct pkt k = ip4(UDP, ME4, 20);
	int n = 0;

	pin_limits(&x->pa, 50, 0, 0);
	changed(x);
	for (int i = 0; i < 1000; i++)
		n += passes(x, k);
	assert_int_equal(n, 50);
	assert_int_equal(x->a.port.stats.drops[DROP_STORM], 950);
	assert_int_equal(x->fault, PIN_F_STORM);
	memcpy(k.b, GW.b, 6); /* known: no storm */
	for (int i = 0; i < 1000; i++)
		assert_passes(k);
	memset(k.b, 0xff, 6);
	x->now += 100;
	n = 0;
	for (int i = 0; i < 100; i++)
		n += passes(x, k);
	assert_int_equal(n, 5);
	pin_limits(&x->pa, 0, 0, 0);
	changed(x);
	assert_int_equal(x->pa.flags, 0);
	for (int i = 0; i < 100; i++)
		assert_passes(k);
}

static void rate__either_way__holds_over_time(void **state)
{
	struct fix *x = *state;
	struct pkt k = ip4(UDP, ME4, 300);
	uint64_t in = 0, out = 0;

	pin_limits(&x->pa, 0, 1000000, 0);
	pin_limits(&x->pb, 0, 0, 500000);
	changed(x);
	/* 10 s of four times as much */
	for (int i = 0; i < 10 * 1000 * 12; i++) {
		if (i % 12 == 0)
			x->now++;
		passes(x, k);
		out += x->gw.n * k.len;
		in += x->b.n * k.len;
	}
	assert_in_range(out, 10000000, 10000000 + 5 * FRAME_MAX);
	assert_in_range(in, 5000000, 5000000 + 5 * FRAME_MAX);
	assert_true(x->a.port.stats.drops[DROP_RATE] > 10000);
	assert_true(x->b.port.stats.drops[DROP_RATE] > 10000);
}

static void limit_take__any_clock__never_more_than_rate_and_burst(void **state)
{
	struct limit l = {0};
	uint64_t got = 0, seed = 7;
	int64_t now = 0, start;

	(void)state;
	limit_set(&l, 1000, 10);
	now = start = 5;
	(void)limit_take(&l, 0, now);
	for (int i = 0; i < 100000; i++) {
		uint64_t n;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		n = seed >> 60;
		now += (int64_t)(seed >> 40 & 3);
		if (limit_take(&l, n, now))
			got += n;
	}
	assert_true(got <= (uint64_t)(now - start) + 10 + 16);
	assert_true(got + 100 >= (uint64_t)(now - start));
	assert_true(limit_take(&l, 1, now + INT64_MAX / 2));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(judge__off__anything_but_the_gateways),
		T(judge__gateways_address_asked_for__passes),
		T(judge__gateways_address_wrapped__is_found),
		T(judge__network_without_addresses__nothing_is_looked_at),
		T(judge__other_ports_than_guests__may),
		T(judge__mac_level__no_other_mac),
		T(judge__dhcp_in_pieces__is_dropped),
		T(judge__options_of_nd__all_are_read),
		T(judge__ip_level__own_addresses_of_ipv4),
		T(judge__ip_level__no_other_protocols),
		T(judge__ip_level__addresses_of_slaac),
		T(judge__address_of_another__cannot_be_claimed),
		T(judge__many_addresses__the_unused_one_goes),
		T(judge__addresses_as_fast_as_it_can__few_are_looked_up),
		T(judge__ip_level__plays_no_server),
		T(judge__joined_frames__are_judged_too),
		T(judge__a_frame_dropped__teaches_nothing),
		T(tell__again_and_again__once_a_minute_and_kind),
		T(isolated__and_another__reach_only_the_gateway),
		T(storm__more_than_the_limit__is_dropped),
		T(rate__either_way__holds_over_time),
		T(limit_take__any_clock__never_more_than_rate_and_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
