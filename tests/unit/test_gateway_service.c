// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* UDP services inside the gateway: who is heard. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
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

struct heard {
	struct nat_datagram d;
	uint8_t data[100];
	int n;
	struct fake_nat *f;
	bool answer;
};

static void on_datagram(void *arg, const struct nat_datagram *d)
{
	struct heard *h = arg;

	h->d = *d;
	memcpy(h->data, d->data, d->len < 100 ? d->len : 100);
	h->n++;
	if (h->answer) {
		struct nat_udp_out o = {
			.src_port = 67, .dst_ip = 0xffffffff, .dst_port = 68,
			.dst_mac = d->src_mac, .data = "offer", .len = 5};

		assert_int_equal(gateway_udp_send(h->f->gw, &o, h->f->now_ms),
				 0);
	}
}

static void service__client_without_address__heard_and_answered(void **state)
{
	struct fake_nat *f = *state;
	struct heard h = {.f = f, .answer = true};
	struct fake_pkt k = {.src = 0, .dst = 0xffffffff, .proto = IP4_UDP,
			     .sport = 68, .dport = 67, .data = "discover",
			     .len = 8, .bcast = true};
	struct fake_got g;

	assert_int_equal(gateway_service_set(f->gw, 67, on_datagram, &h), 0);
	assert_int_equal(gateway_service_set(f->gw, 67, on_datagram, &h),
			 -EEXIST);
	assert_int_equal(fake_nat_pkt(f, &k), -1);
	assert_int_equal(h.n, 1);
	assert_memory_equal(h.data, "discover", 8);
	assert_int_equal(h.d.nic_id, 8);
	assert_true(mac_eq(&h.d.src_mac, &fake_guest_mac));
	assert_int_equal(h.d.src_port, 68);
	/* The answer carries its checksum: DHCP clients read raw frames. */
	assert_int_equal(f->n, 1);
	assert_false(f->out[0].off.needs_csum);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, GW);
	assert_int_equal(g.ip.dst, 0xffffffff);
	assert_true(mac_eq(&g.dst_mac, &fake_guest_mac));
	assert_int_equal(g.dport, 68);
	assert_int_equal(f->gw->neigh.tab.count, 0);
	gateway_service_set(f->gw, 67, NULL, NULL);
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
}

/* A client that moved here and asks everybody for its old address. */
static void service__broadcast_from_a_foreign_address__heard(void **state)
{
	struct fake_nat *f = *state;
	struct heard h = {.f = f};
	struct fake_pkt k = {.src = 0xc0a83865, .dst = 0xffffffff,
			     .proto = IP4_UDP, .sport = 68, .dport = 67,
			     .bcast = true};

	gateway_service_set(f->gw, 67, on_datagram, &h);
	assert_int_equal(fake_nat_pkt(f, &k), -1);
	assert_int_equal(h.n, 1);
	k.dst = GW;
	k.bcast = false;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
}

/* Clients of DHCP relays renew from their own link's addresses. */
static void service__far__heard_from_any_address(void **state)
{
	struct fake_nat *f = *state;
	struct heard h = {.f = f};
	struct fake_pkt k = {.src = 0x0a630732, .dst = GW, .proto = IP4_UDP,
			     .sport = 68, .dport = 67};

	gateway_service_set(f->gw, 67, on_datagram, &h);
	gateway_service_set(f->gw, 69, on_datagram, &h);
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
	f->gw->far_port = 67;
	assert_int_equal(fake_nat_pkt(f, &k), -1);
	assert_int_equal(h.n, 1);
	assert_int_equal(f->gw->neigh.tab.count, 0);
	k.dport = 69;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
	k.dport = 53;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
	k.dport = 67;
	k.dst = 0x08080808;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
	assert_int_equal(h.n, 1);
}

static void service__without_address__stays_deaf_elsewhere(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = {.src = 0, .dst = 0xffffffff, .proto = IP4_UDP,
			     .sport = 68, .dport = 69, .bcast = true};

	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
	k.dst = GW;
	k.bcast = false;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_PROTO);
}

static void service__more_than_the_table__refused(void **state)
{
	struct fake_nat *f = *state;

	for (uint16_t i = 1; i <= NAT_SERVICE_MAX; i++)
		assert_int_equal(gateway_service_set(f->gw, i, on_datagram, f),
				 0);
	assert_int_equal(gateway_service_set(f->gw, 99, on_datagram, f),
			 -ENOSPC);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(service__client_without_address__heard_and_answered),
		T(service__broadcast_from_a_foreign_address__heard),
		T(service__far__heard_from_any_address),
		T(service__without_address__stays_deaf_elsewhere),
		T(service__more_than_the_table__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
