// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* ARP of the gateway: what it answers, learns and asks (RFC 826, RFC 1122 2.3.2). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/port.h"
#include "tests/fake/fake_nat_host.h"

static int setup(void **state)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	fake_nat_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

static void arp__request_for_gateway__answered(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[42];

	assert_int_equal(fake_nat_in(f, b, fake_arp_build(b, 1, GUEST, GW), 7),
			 -1);
	assert_int_equal(f->n, 1);
	assert_int_equal(get_be16(f->out[0].p + 20), 2);
	assert_memory_equal(f->out[0].p, fake_guest_mac.b, 6);
	assert_memory_equal(f->out[0].p + 22, fake_gw_mac.b, 6);
	assert_int_equal(get_be32(f->out[0].p + 28), GW);
	assert_int_equal(get_be32(f->out[0].p + 38), GUEST);
}

static void arp__request_for_resolver__answered(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[42];

	fake_nat_in(f, b, fake_arp_build(b, 1, GUEST, DNS), 7);
	assert_int_equal(f->n, 1);
	assert_int_equal(get_be32(f->out[0].p + 28), DNS);
}

static void arp__request_for_a_guest__not_answered(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[42];

	fake_nat_in(f, b, fake_arp_build(b, 1, GUEST, OTHER), 7);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->gw->neigh.tab.count, 1);
}

static void arp__probe_for_gateway__answered_and_not_learned(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[42];

	/* RFC 5227 2.1.1: the prober learns that the address is taken. */
	fake_nat_in(f, b, fake_arp_build(b, 1, 0, GW), 7);
	assert_int_equal(f->n, 1);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

struct heard {
	unsigned int n;
	uint32_t ip;
	uint64_t nic_id;
};

static void on_heard(void *arg, uint32_t ip, const struct mac *mac,
		     uint64_t nic_id)
{
	struct heard *h = arg;

	assert_memory_equal(mac->b, fake_guest_mac.b, 6);
	h->n++;
	h->ip = ip;
	h->nic_id = nic_id;
}

/* DHCP wants to know who has an address (RFC 2131 3.1). */
static void arp__asked_for_the_owner__answer_is_told(void **state)
{
	struct fake_nat *f = *state;
	struct heard h = {0};
	uint8_t b[42];

	f->gw->arp.heard = on_heard;
	f->gw->arp.heard_arg = &h;
	arp_ask(&f->gw->arp, OTHER, NULL);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, 1);
	assert_memory_equal(f->out[0].p, mac_broadcast.b, 6);
	assert_int_equal(get_be32(f->out[0].p + 38), OTHER);
	fake_nat_in(f, b, fake_arp_build(b, 2, OTHER, GW), 7);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.ip, OTHER);
	assert_int_equal(h.nic_id, 7);
	fake_nat_in(f, b, fake_arp_build(b, 1, 0, OTHER), 7); /* a probe */
	assert_int_equal(h.n, 1);
}

static void arp__claims_our_address__not_learned(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[42];

	fake_nat_in(f, b, fake_arp_build(b, 2, GW, GUEST), 7);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

static void arp__truncated_at_every_length__dropped(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[42];
	size_t n = fake_arp_build(b, 1, GUEST, GW);

	for (size_t i = 0; i < n; i++) {
		uint8_t *cut = malloc(i ? i : 1);

		memcpy(cut, b, i);
		assert_true(fake_nat_in(f, cut, i, 7) >= 0);
		free(cut);
	}
	assert_int_equal(f->n, 0);
}

static void arp__many_addresses_of_one_nic__bounded(void **state)
{
	const struct ipaddr other = ipaddr_from4(OTHER);
	struct fake_nat *f = *state;
	uint8_t b[42];

	fake_nat_hello(f, OTHER);
	for (uint32_t i = 20; i < 250; i++)
		fake_nat_in(f, b, fake_arp_build(b, 1, 0x0a000200 + i, OTHER),
			    7);
	/* 64 of NIC 7; NIC 8 keeps its own. */
	assert_int_equal(f->gw->neigh.tab.count, 65);
	assert_int_equal(neigh_nic(&f->gw->neigh, &other), 8);
}

static void send_to_guest(struct fake_nat *f, const char *text)
{
	struct nat_udp_out o = {.src_port = 1, .dst_ip = GUEST, .dst_port = 2,
				.data = text, .len = strlen(text)};

	assert_int_equal(gateway_udp_send(f->gw, &o, f->now_ms), 0);
	gateway_flush(f->gw, f->now_ms);
}

static void arp__unknown_guest__asked_and_last_packet_delivered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;
	uint8_t b[42];

	send_to_guest(f, "one");
	send_to_guest(f, "two");
	assert_int_equal(f->n, 1);
	assert_int_equal(get_be16(f->out[0].p + 20), 1);
	assert_int_equal(get_be32(f->out[0].p + 38), GUEST);
	fake_nat_in(f, b, fake_arp_build(b, 2, GUEST, GW), 7);
	assert_int_equal(f->n, 2);
	g = fake_nat_got(f, 1);
	assert_memory_equal(g.data, "two", 3);
	assert_true(mac_eq(&g.dst_mac, &fake_guest_mac));
}

static void arp__nobody_answers__three_requests_then_forgotten(void **state)
{
	struct fake_nat *f = *state;

	send_to_guest(f, "one");
	fake_nat_wait(f, 10000);
	assert_int_equal(f->n, 3);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

static void arp__silent_for_a_minute__used_and_probed(void **state)
{
	struct fake_nat *f = *state;

	fake_nat_hello(f, GUEST);
	fake_nat_wait(f, NEIGH_FRESH_MS + 1000);
	send_to_guest(f, "one");
	assert_int_equal(f->n, 2); /* the packet and a probe to its address */
	assert_int_equal(fake_nat_got(f, 0).ethertype, ETHERTYPE_IP4);
	assert_memory_equal(f->out[1].p, fake_guest_mac.b, 6);
	fake_nat_wait(f, 10000);
	assert_int_equal(f->gw->neigh.tab.count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(arp__request_for_gateway__answered),
		T(arp__request_for_resolver__answered),
		T(arp__request_for_a_guest__not_answered),
		T(arp__probe_for_gateway__answered_and_not_learned),
		T(arp__asked_for_the_owner__answer_is_told),
		T(arp__claims_our_address__not_learned),
		T(arp__truncated_at_every_length__dropped),
		T(arp__many_addresses_of_one_nic__bounded),
		T(arp__unknown_guest__asked_and_last_packet_delivered),
		T(arp__nobody_answers__three_requests_then_forgotten),
		T(arp__silent_for_a_minute__used_and_probed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
