// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host fake_ip6 */
/* Neighbour discovery of the gateway: answers, defence, neighbours, services. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "switch/port.h"
#include "tests/fake/fake_ip6.h"

static int setup(void **state)
{
	struct fake_nat *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_nat_init(f);
	fake_nat_init6(f);
	fake_nat_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake_nat *f = *state;

	fake_nat_stop(f);
	free(f);
	return 0;
}

/* Frame @i is an advertisement (with the gateway's MAC) of @target. */
static void is_advert(struct fake_nat *f, unsigned int i,
		      const struct ipaddr *target, uint8_t flags,
		      const char *dst)
{
	struct fake6_got g = fake6_got(f, i);

	assert_int_equal(g.h.proto, IP6_ICMP);
	assert_int_equal(g.h.ttl, 255);
	assert_int_equal(g.l4_len, 32);
	assert_int_equal(g.l4[0], ICMP6_NA);
	assert_int_equal(g.l4[4], flags);
	assert_memory_equal(g.l4 + 8, target->b, 16);
	assert_true(ipaddr_eq(&g.h.src, target));
	assert_true(is_ip6(&g.h.dst, dst));
	assert_int_equal(g.l4[24], 2);
	assert_int_equal(g.l4[25], 1);
	assert_memory_equal(g.l4 + 26, fake_gw_mac.b, 6);
}

/* ---- our addresses -------------------------------------------------------------- */

static void solicit__for_each_of_ours__answered_to_who_asked(void **state)
{
	struct ipaddr ours[3] = {ip6_of(GW6), ip6_of(DNS6), fake6_gw_ll()};
	struct fake_nat *f = *state;
	char text[IP_TEXT], group[IP_TEXT];

	for (unsigned int i = 0; i < 3; i++) {
		struct ipaddr g = ipaddr_solicited_node(&ours[i]);

		assert_int_equal(
			fake6_nd(f, &(struct fake6_nd){
					    .type = ICMP6_NS, .lla = true,
					    .target = ipaddr_format(&ours[i],
								    text),
					    .dst = ipaddr_format(&g, group)}),
			-1);
		is_advert(f, i, &ours[i], 0xe0, GUEST6);
		assert_memory_equal(f->out[i].p, fake_guest_mac.b, 6);
	}
	/* A probe of who knows us already (RFC 4861 7.3.3), without the option. */
	assert_int_equal(fake6_nd(f, &(struct fake6_nd){.type = ICMP6_NS,
							.target = GW6,
							.dst = GW6}),
			 -1);
	is_advert(f, 3, &ours[0], 0xe0, GUEST6);
	assert_int_equal(f->n, 4);
}

static void solicit__for_a_guest__not_answered_but_its_sender_learned(
	void **state)
{
	struct fake_nat *f = *state;
	struct ipaddr guest = ip6_of(GUEST6);

	fake6_nd(f, &(struct fake6_nd){.type = ICMP6_NS, .target = OTHER6,
				       .dst = "ff02::1:ff00:16", .lla = true});
	assert_int_equal(f->n, 0);
	/* Not our group, so not ours to read. */
	assert_int_equal(f->gw->neigh.tab.count, 0);
	fake6_nd(f, &(struct fake6_nd){.type = ICMP6_NS, .target = OTHER6,
				       .dst = "ff02::1", .lla = true});
	assert_int_equal(f->n, 0);
	assert_int_equal(f->gw->neigh.tab.count, 1);
	assert_int_equal(neigh_nic(&f->gw->neigh, &guest), 7);
}

static void dad__for_ours__told_to_all_and_not_learned(void **state)
{
	struct fake_nat *f = *state;
	struct ipaddr gw = ip6_of(GW6);

	assert_int_equal(fake6_nd(f, &(struct fake6_nd){
					     .type = ICMP6_NS, .target = GW6,
					     .src = "::",
					     .dst = "ff02::1:ff00:2"}),
			 -1);
	is_advert(f, 0, &gw, 0xa0, "ff02::1");
	assert_memory_equal(f->out[0].p, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

static void advert__of_ours_by_a_guest__defended_once_a_second(void **state)
{
	const struct fake6_nd claim = {
		.type = ICMP6_NA, .flags = 0x20, .target = GW6, .src = GUEST6,
		.dst = "ff02::1", .lla = true,
	};
	struct fake_nat *f = *state;
	struct ipaddr gw = ip6_of(GW6);

	fake6_nd(f, &claim);
	is_advert(f, 0, &gw, 0xa0, "ff02::1");
	fake6_nd(f, &claim);
	assert_int_equal(f->n, 1);
	fake_nat_wait(f, NDP_DEFEND_MS);
	fake6_nd(f, &claim);
	assert_int_equal(f->n, 2);
	/* From our very address it is stopped at the door. */
	assert_int_equal(fake6_nd(f, &(struct fake6_nd){
					     .type = ICMP6_NA, .target = GW6,
					     .src = GW6, .dst = "ff02::1",
					     .lla = true}),
			 DROP_GUARD);
	assert_false(neigh_is_there(&f->gw->neigh, &gw));
}

/* ---- what is refused -------------------------------------------------------------- */

static void nd__invalid_by_rfc_4861__dropped(void **state)
{
	static const struct fake6_nd bad[] = {
		{.type = ICMP6_NS, .target = GW6, .dst = GW6, .hop = 254},
		{.type = ICMP6_NS, .target = "ff02::1", .dst = GW6},
		/* From :: with an option, or not to the group. */
		{.type = ICMP6_NS, .target = GW6, .src = "::",
		 .dst = "ff02::1:ff00:2", .lla = true},
		{.type = ICMP6_NS, .target = GW6, .src = "::",
		 .dst = "ff02::1"},
		/* Solicited, yet to all. */
		{.type = ICMP6_NA, .flags = 0x60, .target = GUEST6,
		 .dst = "ff02::1", .lla = true},
		{.type = ICMP6_NS, .target = GW6, .dst = GW6, .lla = true,
		 .mac = {{1, 0, 0, 0, 0, 1}}},
	};
	struct fake_nat *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(fake6_nd(f, &bad[i]), DROP_PROTO);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

static void nd__bad_code_checksum_or_options__dropped(void **state)
{
	struct fake_nat *f = *state;
	struct ipaddr gw = ip6_of(GW6);
	uint8_t m[64] = {ICMP6_NS};
	struct fake6_pkt k = {.dst = GW6, .proto = IP6_ICMP, .raw = true,
			      .hop = 255, .data = m, .len = 32};

	memcpy(m + 8, gw.b, 16);
	m[24] = 14; /* unknown option, well-formed */
	m[25] = 1;
	assert_int_equal(fake6_pkt(f, &k), -1);
	k.csum_off = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	k.csum_off = 0;
	m[1] = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	m[1] = 0;
	m[25] = 0;
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	m[25] = 1;
	for (k.len = 8; k.len < 24; k.len++)
		assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	for (k.len = 0; k.len < 8; k.len++)
		assert_true(fake6_pkt(f, &k) >= 0);
	assert_int_equal(f->n, 1);
}

/* ---- neighbours ------------------------------------------------------------------ */

static struct nat_icmp6_out to_guest(const char *dst)
{
	static const uint8_t m[16] = {134};

	return (struct nat_icmp6_out){.dst = ip6_of(dst), .data = m,
				      .len = sizeof(m)};
}

static void tell(struct fake_nat *f, const char *dst)
{
	struct nat_icmp6_out o = to_guest(dst);

	assert_int_equal(gateway_icmp6_send(f->gw, &o, f->now_ms), 0);
	gateway_flush(f->gw, f->now_ms);
}

static void neigh__unknown_guest__asked_and_packet_delivered(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_got g;

	tell(f, GUEST6);
	assert_int_equal(f->n, 1);
	g = fake6_got(f, 0);
	assert_int_equal(g.l4[0], ICMP6_NS);
	assert_int_equal(g.h.ttl, 255);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_true(is_ip6(&g.h.dst, "ff02::1:ff00:15"));
	assert_memory_equal(g.dst_mac.b, "\x33\x33\xff\0\0\x15", 6);
	assert_int_equal(g.l4[24], 1);
	assert_memory_equal(g.l4 + 26, fake_gw_mac.b, 6);
	assert_int_equal(fake6_nd(f, &(struct fake6_nd){
					     .type = ICMP6_NA, .flags = 0x60,
					     .target = GUEST6, .dst = GW6,
					     .lla = true}),
			 -1);
	assert_int_equal(f->n, 2);
	g = fake6_got(f, 1);
	assert_int_equal(g.l4[0], 134);
	assert_memory_equal(g.dst_mac.b, fake_guest_mac.b, 6);
}

static void neigh__link_local_guest__asked_from_link_local(void **state)
{
	struct fake_nat *f = *state;
	struct ipaddr ll = fake6_gw_ll();
	struct fake6_got g;

	tell(f, GUEST_LL);
	g = fake6_got(f, 0);
	assert_int_equal(g.l4[0], ICMP6_NS);
	assert_true(ipaddr_eq(&g.h.src, &ll));
}

static void neigh__nobody_answers__three_requests_then_forgotten(void **state)
{
	struct fake_nat *f = *state;

	tell(f, GUEST6);
	fake_nat_wait(f, 10000);
	assert_int_equal(f->n, NEIGH_TRIES);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

static void neigh__silent_for_a_minute__probed_at_its_own_address(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_got g;

	fake6_hello(f, GUEST6);
	fake_nat_wait(f, NEIGH_FRESH_MS + 1);
	tell(f, GUEST6);
	assert_int_equal(f->n, 2);
	g = fake6_got(f, 1);
	assert_int_equal(g.l4[0], ICMP6_NS);
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_memory_equal(g.dst_mac.b, fake_guest_mac.b, 6);
	/* Confirmed without the option: known for another minute. */
	fake6_nd(f, &(struct fake6_nd){.type = ICMP6_NA, .flags = 0x40,
				       .target = GUEST6, .dst = GW6});
	fake_nat_wait(f, 10000);
	assert_int_equal(f->gw->neigh.tab.count, 1);
	assert_int_equal(f->n, 2);
}

static void advert__of_another_mac__taken_with_override_only(void **state)
{
	const struct mac other = {{0x52, 0x54, 0, 0, 0, 9}};
	struct fake_nat *f = *state;
	struct ipaddr guest = ip6_of(GUEST6);
	struct fake6_nd na = {
		.type = ICMP6_NA, .target = GUEST6, .dst = "ff02::1",
		.src = OTHER6, .lla = true, .mac = other,
	};

	fake6_nd(f, &na);
	/* Nobody asked (RFC 4861 7.2.5). */
	assert_false(neigh_is_there(&f->gw->neigh, &guest));
	fake6_hello(f, GUEST6);
	fake6_nd(f, &na);
	assert_true(mac_eq(neigh_mac(&f->gw->neigh, &guest), &fake_guest_mac));
	na.flags = 0x20;
	fake6_nd(f, &na);
	assert_true(mac_eq(neigh_mac(&f->gw->neigh, &guest), &other));
}

static void neigh__many_addresses_of_one_nic__bounded(void **state)
{
	struct fake_nat *f = *state;
	struct ipaddr other = ip6_of(OTHER6);
	char text[IP_TEXT];

	fake6_hello(f, OTHER6);
	for (unsigned int i = 0; i < 200; i++) {
		struct ipaddr a = ip6_of(GUEST6);
		uint8_t b[256];
		size_t n;

		a.b[8] = (uint8_t)i;
		n = fake6_build(&(struct fake6_pkt){
					.src = ipaddr_format(&a, text),
					.dst = GW6, .proto = IP6_ICMP},
				b);
		fake_nat_in(f, b, n, 7);
	}
	/* 64 of NIC 7; NIC 8 keeps its own. */
	assert_int_equal(f->gw->neigh.tab.count, 65);
	assert_int_equal(neigh_nic(&f->gw->neigh, &other), 8);
}

/* ---- services --------------------------------------------------------------------- */

struct heard {
	unsigned int n;
	struct nat_icmp6 last;
	uint8_t data[64];
};

static void on_icmp6(void *arg, const struct nat_icmp6 *m)
{
	struct heard *h = arg;

	h->n++;
	h->last = *m;
	memcpy(h->data, m->data, min_sz(m->len, sizeof(h->data)));
}

static void service__router_solicitation__delivered_with_its_sender(
	void **state)
{
	struct fake_nat *f = *state;
	struct heard h = {0};
	uint8_t rs[16] = {133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7};
	struct fake6_pkt k = {.src = "::", .dst = "ff02::2", .proto = IP6_ICMP,
			      .raw = true, .hop = 255, .data = rs, .len = 16};

	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	gateway_icmp6_service_set(f->gw, 133, on_icmp6, &h);
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(h.n, 1);
	assert_true(ipaddr_is_zero(&h.last.src));
	assert_true(is_ip6(&h.last.dst, "ff02::2"));
	assert_int_equal(h.last.len, 16);
	assert_int_equal(h.last.hop_limit, 255);
	assert_int_equal(h.last.nic_id, 7);
	assert_true(mac_eq(&h.last.src_mac, &fake_guest_mac));
	assert_memory_equal(h.data + 8, rs + 8, 8);
	k.src = GUEST_LL;
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_true(is_ip6(&h.last.src, GUEST_LL));
	k.csum_off = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	k.csum_off = 0;
	k.dst = "ff02::16"; /* a group that we are not in */
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	k.dst = "ff02::2";
	k.src = "2001:db8::77"; /* nobody of this network */
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	assert_int_equal(h.n, 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(solicit__for_each_of_ours__answered_to_who_asked),
		T(solicit__for_a_guest__not_answered_but_its_sender_learned),
		T(dad__for_ours__told_to_all_and_not_learned),
		T(advert__of_ours_by_a_guest__defended_once_a_second),
		T(nd__invalid_by_rfc_4861__dropped),
		T(nd__bad_code_checksum_or_options__dropped),
		T(neigh__unknown_guest__asked_and_packet_delivered),
		T(neigh__link_local_guest__asked_from_link_local),
		T(neigh__nobody_answers__three_requests_then_forgotten),
		T(neigh__silent_for_a_minute__probed_at_its_own_address),
		T(advert__of_another_mac__taken_with_override_only),
		T(neigh__many_addresses_of_one_nic__bounded),
		T(service__router_solicitation__delivered_with_its_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
