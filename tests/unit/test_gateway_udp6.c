// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host fake_ip6 */
/* The UDP service over IPv6, and prefixes that lie behind guests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/port.h"
#include "tests/fake/fake_ip6.h"

#define BEHIND	"fd00:5::9" /* a host in the prefix of NIC 8's guest */
#define ROUTER  "fe80::8"

static int setup(void **state)
{
	struct fake_nat *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_nat_init(f);
	fake_nat_init6(f);
	fake_nat_start(f);
	fake6_hello(f, GUEST6);
	fake6_hello(f, ROUTER);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

static struct fake6_pkt udp(const char *src, const char *dst, uint16_t port)
{
	return (struct fake6_pkt){.src = src, .dst = dst, .proto = IP4_UDP,
				  .sport = 546, .dport = port, .data = "ping",
				  .len = 4};
}

/* ---- the service ------------------------------------------------------------ */

struct heard {
	struct fake_nat *f;
	unsigned int n;
	struct nat_datagram6 last;
};

static void on_datagram(void *arg, const struct nat_datagram6 *d)
{
	struct heard *h = arg;
	struct nat_udp6_out out = {
		.src_port = 547, .dst = d->src, .dst_port = d->src_port,
		.dst_mac = d->src_mac, .data = "pong!", .len = 5,
	};

	h->n++;
	h->last = *d;
	assert_memory_equal(d->data, "ping", 4);
	assert_int_equal(gateway_udp6_send(h->f->gw, &out, h->f->now_ms), 0);
}

static void service6__group_and_ours__heard_and_answered(void **state)
{
	struct fake_nat *f = *state;
	struct heard h = {.f = f};
	struct ipaddr group = ip6_of("ff02::1:2"), ll = fake6_gw_ll();
	struct fake6_pkt k = udp(GUEST_LL, "ff02::1:2", 547);
	struct fake6_got g;

	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY); /* nobody serves */
	assert_int_equal(gateway_service6_set(f->gw, 547, &group, on_datagram,
					      &h),
			 0);
	assert_int_equal(gateway_service6_set(f->gw, 547, &group, on_datagram,
					      &h),
			 -EEXIST);
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.last.nic_id, 7);
	g = fake6_got(f, f->n - 1);
	assert_true(ipaddr_eq(&g.h.src, &ll));
	assert_true(is_ip6(&g.h.dst, GUEST_LL));
	assert_int_equal(g.sport, 547);
	assert_int_equal(g.dport, 546);
	assert_memory_equal(g.data, "pong!", 5);
	k.dst = GW6;
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(h.n, 2);
	k.dst = "ff02::1:3"; /* another group */
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	k.dst = "ff02::1:2";
	k.dport = 548;
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	gateway_service6_set(f->gw, 547, &group, NULL, NULL);
	k.dport = 547;
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	assert_int_equal(h.n, 2);
}

/* ---- prefixes behind guests -------------------------------------------------- */

static void route(struct fake_nat *f, uint64_t nic)
{
	struct nat_route6 r = {.net = {ip6_of("fd00:5::"), 64},
			       .via = ip6_of(ROUTER), .nic_id = nic};

	assert_int_equal(routes6_set(&f->gw->routes, &r), 0);
}

static void behind__without_and_with_route__dropped_then_carried(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(BEHIND, FAR6, 7000);

	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	route(f, 8);
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(f->nsent, 1);
	assert_true(is_ip6(&f->sent[0].to.ip, FAR6));
}

static void behind__prefix_of_another_nic__guarded(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(BEHIND, FAR6, 7000);

	route(f, 7);
	assert_int_equal(fake6_pkt(f, &k), DROP_GUARD);
	assert_int_equal(f->nsent, 0);
}

static void behind__echo_to_us__answer_goes_to_the_router(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = {.src = BEHIND, .dst = GW6, .proto = IP6_ICMP,
			      .sport = 7, .dport = 1, .data = "hello",
			      .len = 5};
	struct fake6_pkt known = {.src = ROUTER, .dst = GW6, .proto = IP6_ICMP,
				  .sport = 7, .dport = 1, .data = "x", .len = 1};
	struct fake6_got g;
	struct mac router;

	route(f, 8);
	fake6_pkt(f, &known);
	router = fake6_got(f, f->n - 1).dst_mac;
	assert_int_equal(fake6_pkt(f, &k), -1);
	g = fake6_got(f, f->n - 1);
	assert_int_equal(g.l4[0], ICMP6_ECHO_REPLY);
	assert_true(is_ip6(&g.h.dst, BEHIND));
	assert_true(mac_eq(&g.dst_mac, &router));
}

static void behind__from_another_guest__one_hop_on(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(GUEST6, BEHIND, 7000);
	struct fake6_got g;

	assert_int_equal(fake6_pkt(f, &k), -1); /* some address outside */
	assert_int_equal(f->nsent, 1);
	route(f, 8);
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(f->nsent, 1);
	g = fake6_got(f, f->n - 1);
	assert_true(is_ip6(&g.h.src, GUEST6));
	assert_true(is_ip6(&g.h.dst, BEHIND));
	assert_int_equal(g.h.ttl, 63);
	assert_int_equal(g.dport, 7000);
	assert_memory_equal(g.data, "ping", 4);
}

static void behind__hops_used_up_or_round_trip__not_sent(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(GUEST6, BEHIND, 7000);
	unsigned int n;
	struct fake6_got g;

	route(f, 8);
	k.hop = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	g = fake6_got(f, f->n - 1);
	assert_int_equal(g.l4[0], ICMP6_TIME);
	n = f->n;
	k = udp("fd00:5::10", BEHIND, 7000);
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	assert_int_equal(f->n, n);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(service6__group_and_ours__heard_and_answered),
		T(behind__without_and_with_route__dropped_then_carried),
		T(behind__prefix_of_another_nic__guarded),
		T(behind__echo_to_us__answer_goes_to_the_router),
		T(behind__from_another_guest__one_hop_on),
		T(behind__hops_used_up_or_round_trip__not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
