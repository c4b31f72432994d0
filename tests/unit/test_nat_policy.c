// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* What may change while a gateway runs: who may send to mappings (RFC 4787 5), and
 * what guests may reach of the host. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "switch/port.h"
#include "tests/fake/fake_nat_host.h"

#define HOST2 0xc0a80a05u /* another address of the host */

static int setup(void **state)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_clear(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

static struct fake_pkt udp(uint32_t dst, uint16_t dport)
{
	return (struct fake_pkt){.src = GUEST, .dst = dst, .proto = IP4_UDP,
				 .sport = 5000, .dport = dport, .data = "ping",
				 .len = 4};
}

static int syn(struct fake_nat *f, uint32_t dst, uint16_t dport)
{
	struct fake_pkt k = {.src = GUEST, .dst = dst, .proto = IP4_TCP,
			     .sport = (uint16_t)(4000 + dport % 1000),
			     .dport = dport};

	return fake_nat_pkt(f, &k);
}

static void from_host(struct fake_nat *f, uint32_t ip, uint16_t port)
{
	struct udp_recv r = {.from = endpoint4(ip, port), .ttl = 60,
			     .data = "hi", .len = 2};

	udp_host_input(&f->gw->udp, f->sent[0].flow, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void filter__by_address__any_port_of_it(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	f->gw->udp.filter = NAT_FILTER_ADDR;
	fake_nat_pkt(f, &k);
	from_host(f, FAR, 8);
	assert_int_equal(f->n, 1);
	from_host(f, 0x01020304, 7);
	assert_int_equal(f->n, 1);
	assert_int_equal(f->gw->udp.stats.filtered, 1);
	/* Many ports of one address take one place. */
	for (uint16_t i = 0; i < 2 * UDP_PEERS; i++) {
		k.dport = (uint16_t)(1000 + i);
		fake_nat_pkt(f, &k);
	}
	assert_int_equal(((struct udp_map *)f->sent[0].flow)->npeers, 1);
}

static void filter__made_stricter__the_next_datagram_out_counts(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	fake_nat_pkt(f, &k);
	from_host(f, 0x01020304, 9);
	assert_int_equal(f->n, 1);
	f->gw->udp.filter = NAT_FILTER_ADDR_PORT;
	from_host(f, 0x01020304, 9);
	from_host(f, FAR, 7);
	assert_int_equal(f->n, 1);
	fake_nat_pkt(f, &k);
	from_host(f, FAR, 7);
	from_host(f, FAR, 8);
	assert_int_equal(f->n, 2);
	f->gw->udp.filter = NAT_FILTER_EI;
	from_host(f, 0x01020304, 9);
	assert_int_equal(f->n, 3);
	assert_int_equal(f->live[FAKE_UDP], 1);
}

static const struct nat_allow some[] = {{NAT_UDP, 7, 7},
					{NAT_TCP, 8000, 8010}};

static void allow__list__only_these_ports_of_the_host(void **state)
{
	const struct ipaddr self[] = {ipaddr_from4(HOST2)};
	const struct nat_access a = {NAT_HOST_ADDRESS, some, 2, self, 1};
	struct fake_nat *f = *state;
	static const uint32_t host[] = {GW, HOST, HOST2};

	assert_int_equal(gateway_set_access(f->gw, &a, f->now_ms), 0);
	for (size_t i = 0; i < ARRAY_LEN(host); i++) {
		struct fake_pkt k = udp(host[i], 8);

		assert_int_equal(fake_nat_pkt(f, &k), DROP_POLICY);
		assert_int_equal(fake_nat_got(f, f->n - 1).l4[1], ICMP_C_ADMIN);
		syn(f, host[i], 22);
		syn(f, host[i], 7);
		syn(f, host[i], 8011);
		assert_int_equal(f->nsent, 0);
		k.dport = 7;
		assert_int_equal(fake_nat_pkt(f, &k), -1);
		assert_int_equal(f->nsent, 1);
		syn(f, host[i], 8000);
		syn(f, host[i], 8010);
		assert_int_equal(f->nsent, 3);
		fake_nat_clear(f);
	}
	/* Elsewhere everything goes. */
	syn(f, FAR, 22);
	assert_int_equal(f->nsent, 1);
}

static void allow__loopback__holds_there_too(void **state)
{
	const struct nat_access a = {NAT_HOST_LOOPBACK, some, 2, NULL, 0};
	struct fake_nat *f = *state;

	assert_int_equal(gateway_set_access(f->gw, &a, f->now_ms), 0);
	syn(f, GW, 22);
	assert_int_equal(f->nsent, 0);
	syn(f, GW, 8005);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x7f000001);
}

static uint32_t tcp_flows(struct fake_nat *f)
{
	struct nat_stats s;

	gateway_stats(f->gw, &s);
	return s.tcp_flows;
}

static void access__narrowed__flows_that_may_not_be_end(void **state)
{
	struct nat_access a = {NAT_HOST_ADDRESS, some, 2, NULL, 0};
	struct fake_nat *f = *state;

	f->connect_err = 0;
	syn(f, GW, 22);
	syn(f, GW, 8001);
	syn(f, FAR, 23);
	syn(f, GW, 53); /* the resolver's, not the host's */
	assert_int_equal(tcp_flows(f), 4);
	assert_int_equal(gateway_set_access(f->gw, &a, f->now_ms), 0);
	assert_int_equal(tcp_flows(f), 3);
	a = (struct nat_access){.mode = NAT_HOST_OFF};
	assert_int_equal(gateway_set_access(f->gw, &a, f->now_ms), 0);
	assert_int_equal(tcp_flows(f), 2);
	a.nallow = NAT_ALLOW_MAX + 1;
	assert_int_equal(gateway_set_access(f->gw, &a, f->now_ms), -E2BIG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Whom a guest would look for on its own link is not shown to it. */
static void client__link_local__seen_as_the_gateway(void **state)
{
	struct fake_nat *f = *state;
	struct ipaddr guest = ipaddr_from4(GUEST), gw = ipaddr_from4(GW);
	struct ipaddr c = ipaddr_from4(0xa9fe0101), seen;

	seen = policy_client(&f->gw->pol, &c, &guest);
	assert_true(ipaddr_eq(&seen, &gw));
	c = ipaddr_from4(0xcb007105);
	seen = policy_client(&f->gw->pol, &c, &guest);
	assert_true(ipaddr_eq(&seen, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(filter__by_address__any_port_of_it),
		T(filter__made_stricter__the_next_datagram_out_counts),
		T(allow__list__only_these_ports_of_the_host),
		T(allow__loopback__holds_there_too),
		T(access__narrowed__flows_that_may_not_be_end),
		T(client__link_local__seen_as_the_gateway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
