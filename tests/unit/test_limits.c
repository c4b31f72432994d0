// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* Who gets the process's descriptors, and who gives one back: see nat/flow.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nat/tcp_int.h"
#include "switch/port.h"
#include "tests/fake/fake_nat_host.h"

#define A 7 /* NICs of GUEST and OTHER */
#define B 8

static int setup(void **state)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	f->connect_err = 0;
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_hello(f, OTHER);
	fake_nat_clear(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake_nat *f = *state;

	fake_nat_check(f);
	fake_nat_stop(f);
	free(f);
	return 0;
}

static void limits(struct fake_nat *f, uint32_t sockets, uint32_t nics)
{
	struct nat_limits l = {.sockets = sockets, .ports = sockets,
			       .nics = nics, .udp = 1000, .tcp = 1000,
			       .opening = 8};

	gateway_set_limits(f->gw, &l);
}

static struct nat_nic_stats nic(const struct fake_nat *f, uint64_t id)
{
	struct nat_nic_stats s;

	gateway_nic_stats(f->gw, id, &s);
	return s;
}

static int send_in(struct fake_nat *f, uint32_t src, uint8_t proto,
		   uint32_t dst, uint16_t sport, uint16_t dport)
{
	struct fake_pkt k = {.src = src, .dst = dst, .proto = proto,
			     .sport = sport, .dport = dport, .data = "1234",
			     .len = proto == IP4_TCP ? 0 : 4};
	uint8_t b[128];

	return fake_nat_in(f, b, fake_pkt_build(&k, b), src == GUEST ? A : B);
}

static void *last_flow(const struct fake_nat *f)
{
	return f->sent[(f->nsent - 1) % FAKE_KEEP].flow;
}

/* A mapping; the socket's flow, or NULL when it was refused. */
static struct udp_map *map(struct fake_nat *f, uint32_t src, uint16_t port)
{
	return send_in(f, src, IP4_UDP, FAR, port, 7) < 0 ? last_flow(f) : NULL;
}

static void answer(struct fake_nat *f, struct udp_map *m)
{
	struct udp_recv r = {.from = endpoint4(FAR, 7), .data = "pong",
			     .len = 4};

	udp_host_input(&f->gw->udp, m, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

/* A mapping in use: asked, answered, asked again. */
static struct udp_map *talk(struct fake_nat *f, uint32_t src, uint16_t port)
{
	struct udp_map *m = map(f, src, port);

	answer(f, m);
	return map(f, src, port);
}

/* A call; its flow, or NULL when nobody was called. */
static struct tcp_flow *call(struct fake_nat *f, uint32_t src, uint32_t dst,
			     uint16_t port)
{
	unsigned int before = f->nsent;

	send_in(f, src, IP4_TCP, dst, port, 80);
	return f->nsent != before ? last_flow(f) : NULL;
}

/* The same, and the host is connected. */
static struct tcp_flow *connect_to(struct fake_nat *f, uint32_t src,
				   uint32_t dst, uint16_t port)
{
	struct tcp_flow *t = call(f, src, dst, port);

	if (t) {
		tcp_host_connected(t, 0, f->now_ms);
		gateway_flush(f->gw, f->now_ms);
	}
	return t;
}

static bool find_port(void *arg, const struct nat_flow *fl)
{
	uint32_t *port = arg;

	if (fl->guest_port == *port)
		*port = 0;
	return *port != 0;
}

static bool lives(struct fake_nat *f, uint16_t guest_port)
{
	uint32_t port = guest_port;

	gateway_flow_walk(f->gw, 0, find_port, &port, f->now_ms);
	return !port;
}

/* ---- what there is ---------------------------------------------------------- */

static void fit__any_process__its_parts_fit(void **state)
{
	static const struct {
		uint64_t nofile;
		uint32_t other, nics, sockets, share_min;
	} t[] = {
		{1048576, 100, 0, NAT_SOCKETS_MAX, NAT_SOCKETS_MAX},
		{524288, 100, 10, NAT_SOCKETS_MAX, 1600},
		{524288, 9000, 250, NAT_SOCKETS_MAX, 64},
		{20000, 100, 10, NAT_SOCKETS_MAX, 1600},
		{4096, 100, 4, 4096 - 100 - 32 - 256, 900},
		{1024, 100, 4, 1024 - 100 - 32 - 64, 200},
		{1024, 4200, 4, 512, 128},
		{64, 100, 4, 32, 8},
		{0, 0, 0, 32, 32},
	};
	struct nat_limits l;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint32_t n = t[i].nics ? t[i].nics : 1;

		nat_limits_fit(&l, t[i].nofile, t[i].other, t[i].nics);
		assert_int_equal(l.sockets, t[i].sockets);
		assert_int_equal(l.nics, n);
		assert_true(l.sockets / n >= t[i].share_min);
		assert_true(l.ports && l.ports <= l.sockets / 2 &&
			    l.ports <= NAT_PORTS_MAX);
		/* One NIC may have most of it, none all. */
		assert_true(l.tcp < l.sockets && l.tcp >= l.sockets / 4 * 3);
		assert_true(l.udp < l.ports && l.udp >= l.ports / 8 * 7);
		assert_true(l.icmp && l.icmp <= 64 && l.queries >= 16);
		/* Calls under way leave most of a share to connections. */
		assert_true(l.opening >= 4 && l.opening <= 128);
		assert_true(l.opening <= 4 || l.opening <= l.sockets / n / 4);
		if (t[i].nofile > 2 * (t[i].other + 1000u))
			assert_true(l.sockets + l.queries + t[i].other <
				    t[i].nofile);
	}
}

/* ---- who gets it -------------------------------------------------------------- */

static void pool__one_nic__may_have_seven_eighths(void **state)
{
	struct fake_nat *f = *state;

	limits(f, 80, 1);
	for (uint16_t i = 0; i < 100; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(1000 + i));
	assert_int_equal(f->live[FAKE_TCP], 70);
	assert_int_equal(nic(f, A).tcp, 70);
	assert_int_equal(nic(f, A).refused, 30);
	/* Refused is said, and ends nothing: RFC 5382 REQ-5. */
	assert_true(f->gw->tcp->stats.resets_out >= 30);
	assert_int_equal(nic(f, A).evicted, 0);
	assert_true(lives(f, 1000));
}

static void pool__own_connections__leave_an_eighth_to_mappings(void **state)
{
	struct fake_nat *f = *state;
	uint16_t i;

	limits(f, 80, 1);
	for (i = 0; i < 20; i++)
		map(f, GUEST, (uint16_t)(1000 + i));
	for (i = 0; i < 100; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(2000 + i));
	assert_int_equal(nic(f, A).udp, 8);
	assert_int_equal(nic(f, A).tcp, 62);
	for (i = 0; i < 100; i++)
		assert_non_null(map(f, GUEST, (uint16_t)(3000 + i)));
	assert_int_equal(nic(f, A).udp, 8);
	assert_int_equal(nic(f, A).tcp, 62);
}

static void pool__used_up__others_still_get_their_share(void **state)
{
	struct fake_nat *f = *state;
	uint16_t i;

	limits(f, 80, 2);
	for (i = 0; i < 100; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(1000 + i));
	for (i = 0; i < 40; i++)
		assert_non_null(connect_to(f, OTHER, FAR,
					   (uint16_t)(2000 + i)));
	assert_int_equal(nic(f, A).tcp, 40);
	assert_int_equal(nic(f, B).tcp, 40);
	assert_int_equal(f->live[FAKE_TCP], 80);
	/* Beyond it nobody pays: neither of the two has more. */
	assert_null(connect_to(f, OTHER, FAR, 3000));
	assert_null(connect_to(f, GUEST, FAR, 3000));
	assert_int_equal(nic(f, A).evicted, 30);
	assert_int_equal(nic(f, B).evicted, 0);
}

static void pool__share_had__more_costs_nobody_anything(void **state)
{
	struct fake_nat *f = *state;
	uint16_t i;

	limits(f, 80, 4); /* shares of 20 */
	for (i = 0; i < 50; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(1000 + i));
	for (i = 0; i < 60; i++)
		connect_to(f, OTHER, FAR, (uint16_t)(2000 + i));
	assert_int_equal(nic(f, A).tcp, 50);
	assert_int_equal(nic(f, B).tcp, 30);
}

static void pool__other_nic_asks__cheapest_of_the_greediest_goes(void **state)
{
	struct fake_nat *f = *state;
	struct tcp_flow *busy;

	limits(f, 16, 2);
	talk(f, GUEST, 100);
	map(f, GUEST, 101);
	fake_nat_wait(f, 2000);
	busy = connect_to(f, GUEST, FAR, 200);
	connect_to(f, GUEST, FAR, 201);
	connect_to(f, GUEST, FAR, 202);
	call(f, GUEST, FAR, 203);
	send_in(f, GUEST, IP4_ICMP, FAR, 300, 1);
	for (uint16_t i = 0; i < 7; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(210 + i));
	fake_nat_wait(f, 2000);
	tcp_touch(busy, f->now_ms); /* used again */
	assert_int_equal(nic(f, A).tcp, 11); /* 14 sockets: all it may */
	/* In this order, as the other NIC takes its share: */
	map(f, OTHER, 1);
	map(f, OTHER, 2);
	assert_true(lives(f, 101));
	map(f, OTHER, 3);
	assert_false(lives(f, 101)); /* not answered, unused longest */
	map(f, OTHER, 4);
	assert_false(lives(f, 300)); /* echo */
	assert_true(lives(f, 100));
	map(f, OTHER, 5);
	assert_false(lives(f, 100)); /* a mapping in use */
	assert_true(lives(f, 203));
	map(f, OTHER, 6);
	assert_false(lives(f, 203)); /* a call under way */
	map(f, OTHER, 7);
	assert_false(lives(f, 201)); /* idle longest */
	map(f, OTHER, 8);
	assert_false(lives(f, 202));
	assert_true(lives(f, 200));
	assert_int_equal(nic(f, A).evicted, 6);
	assert_int_equal(nic(f, B).udp, 8);
	map(f, OTHER, 9); /* beyond its share: its own goes */
	assert_false(lives(f, 1));
	assert_true(lives(f, 200));
}

static void pool__nics_come_and_go__shares_follow(void **state)
{
	struct fake_nat *f = *state;
	uint16_t i;

	limits(f, 64, 1);
	for (i = 0; i < 64; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(1000 + i));
	assert_int_equal(nic(f, A).tcp, 56);
	limits(f, 64, 8);
	for (i = 0; i < 20; i++)
		connect_to(f, OTHER, FAR, (uint16_t)(2000 + i));
	assert_int_equal(nic(f, B).tcp, 8);
	assert_int_equal(nic(f, A).tcp, 56);
	gateway_nic_gone(f->gw, A);
	limits(f, 64, 1);
	for (i = 0; i < 64; i++)
		connect_to(f, OTHER, FAR, (uint16_t)(3000 + i));
	assert_int_equal(nic(f, B).tcp, 56);
	assert_int_equal(nic(f, A).tcp, 0);
}

static void pool__smaller_now__settled_when_somebody_asks(void **state)
{
	struct fake_nat *f = *state;
	uint16_t i;

	limits(f, 64, 2);
	for (i = 0; i < 56; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(1000 + i));
	limits(f, 32, 2);
	assert_int_equal(f->live[FAKE_TCP], 56);
	assert_null(connect_to(f, GUEST, FAR, 2000));
	assert_non_null(connect_to(f, OTHER, FAR, 2000));
	assert_int_equal(f->live[FAKE_TCP], 32);
}

static void pool__shares_of_less_than_one__still_one(void **state)
{
	struct fake_nat *f = *state;

	limits(f, 8, 100);
	for (uint16_t i = 0; i < 8; i++)
		connect_to(f, GUEST, FAR, (uint16_t)(1000 + i));
	assert_non_null(connect_to(f, OTHER, FAR, 1));
	assert_null(map(f, OTHER, 2)); /* that was it */
	assert_true(lives(f, 1));
	assert_int_equal(nic(f, A).tcp, 7);
}

static void ports__used_up__tcp_goes_on(void **state)
{
	struct fake_nat *f = *state;
	struct nat_limits l = {.sockets = 100, .ports = 16, .nics = 2};

	gateway_set_limits(f->gw, &l);
	for (uint16_t i = 0; i < 100; i++)
		map(f, GUEST, (uint16_t)(1000 + i));
	assert_int_equal(nic(f, A).udp, 14);
	for (uint16_t i = 0; i < 8; i++)
		assert_non_null(map(f, OTHER, (uint16_t)(1000 + i)));
	assert_int_equal(nic(f, A).udp, 8);
	assert_non_null(connect_to(f, GUEST, FAR, 1));
	assert_int_equal(nic(f, A).udp, 8);
}

static void queries__of_one_nic__leave_others_theirs(void **state)
{
	struct fake_nat *f = *state;
	struct dns_upstream up = {.ep = endpoint4(FAR, 53)};
	struct nat_limits l = {.queries = 16, .nics = 2};
	static const uint8_t query[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
					3, 'f', 'a', 'r', 3, 'c', 'o', 'm', 0,
					0, 1, 0, 1};
	struct fake_pkt k = {.dst = DNS, .proto = IP4_UDP, .dport = 53,
			     .data = query, .len = sizeof(query)};

	gateway_set_limits(f->gw, &l);
	dns_set_upstreams(&f->gw->dns, &up, 1, f->now_ms);
	for (uint16_t i = 0; i < 24; i++) {
		k.src = i < 16 ? GUEST : OTHER;
		k.sport = (uint16_t)(1000 + i);
		assert_int_equal(fake_nat_pkt(f, &k), -1);
	}
	assert_int_equal(nic(f, A).dns, 8);
	assert_int_equal(nic(f, B).dns, 8);
	assert_int_equal(f->live[FAKE_DNS], 16);
}

/* ---- calls under way -------------------------------------------------------------- */

static void scan__nobody_answers__oldest_call_makes_room(void **state)
{
	struct fake_nat *f = *state;
	uint16_t i;

	limits(f, 800, 2);
	for (i = 0; i < 20; i++)
		call(f, GUEST, FAR + i, 1000);
	/* Silence: a SYN comes again. */
	assert_int_equal(nic(f, A).opening, 8);
	assert_int_equal(f->live[FAKE_TCP], 8);
	assert_int_equal(nic(f, A).refused, 12);
	assert_int_equal(f->n, 0);
	fake_nat_wait(f, TCP_CALL_MS);
	for (i = 0; i < 20; i++)
		call(f, GUEST, FAR + 100 + i, 1001);
	assert_int_equal(nic(f, A).opening, 8);
	assert_int_equal(nic(f, A).evicted, 8);
	assert_int_equal(f->live[FAKE_TCP], 8);
	assert_int_equal(f->n, 0);
	/* Another NIC's calls are its own. */
	assert_non_null(connect_to(f, OTHER, FAR, 1000));
	/* What is connected is no call any more. */
	fake_nat_wait(f, TCP_CALL_MS);
	for (i = 0; i < 30; i++)
		assert_non_null(connect_to(f, GUEST, FAR + 200 + i, 1002));
	assert_int_equal(nic(f, A).tcp, 37);
}

/* ---- a flood ------------------------------------------------------------------------ */

#define FLOOD 100000

static void flood(struct fake_nat *f)
{
	struct nat_limits l = f->gw->cfg.limits;

	for (uint32_t i = 0; i < FLOOD; i++) {
		uint16_t port = (uint16_t)(1024 + i % 60000);
		uint32_t to = FAR + i / 60000;

		map(f, GUEST, port);
		connect_to(f, GUEST, to, port);
		if (i % 1000)
			continue;
		f->now_ms++;
		assert_true(f->live[FAKE_UDP] + f->live[FAKE_TCP] <= l.sockets);
		assert_true(f->live[FAKE_UDP] <= l.ports);
	}
}

static void flood__of_100000_flows__hurts_only_itself(void **state)
{
	struct fake_nat *f = *state;
	struct nat_limits l;
	uint16_t i;

	nat_limits_fit(&l, 4096, 64, 2);
	gateway_set_limits(f->gw, &l);
	for (i = 0; i < 10; i++) {
		map(f, OTHER, (uint16_t)(100 + i));
		connect_to(f, OTHER, FAR, (uint16_t)(200 + i));
	}
	flood(f);
	assert_int_equal(nic(f, B).udp, 10);
	assert_int_equal(nic(f, B).tcp, 10);
	assert_int_equal(nic(f, B).evicted, 0);
	for (i = 0; i < 10; i++)
		assert_true(lives(f, (uint16_t)(100 + i)) &&
			    lives(f, (uint16_t)(200 + i)));
	/* New ones at once, as many as its share is. */
	for (i = 10; i < 600; i++) {
		assert_non_null(map(f, OTHER, (uint16_t)(1000 + i)));
		assert_non_null(connect_to(f, OTHER, FAR, (uint16_t)(3000 + i)));
	}
	assert_int_equal(nic(f, B).refused, 0);
	assert_int_equal(nic(f, B).evicted, 0);
	/* The flood leaves nothing behind when it has ended. */
	gateway_nic_gone(f->gw, A);
	assert_int_equal(f->live[FAKE_UDP], 600);
	assert_int_equal(f->live[FAKE_TCP], 600);
}

/* ---- what is counted of one -------------------------------------------------------- */

static bool take_whole(void *arg, const struct nat_flow *f)
{
	struct nat_flow **at = arg;

	*(*at)++ = *f;
	return true;
}

static void flow_walk__traffic_both_ways__counted(void **state)
{
	struct fake_nat *f = *state;
	struct icmp_recv er = {.from = ipaddr_from4(FAR), .data = "hello",
			       .len = 5};
	struct nat_flow flow[2], *end = flow;
	struct udp_map *m = talk(f, GUEST, 100);

	map(f, GUEST, 100);
	answer(f, m);
	send_in(f, GUEST, IP4_ICMP, FAR, 300, 1);
	for (int i = 0; i < 4; i++)
		icmp_host_input(&f->gw->icmp, last_flow(f), &er, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	gateway_flow_walk(f->gw, 0, take_whole, &end, f->now_ms);
	assert_int_equal(flow[0].packets_out, 3);
	assert_int_equal(flow[0].bytes_out, 12);
	assert_int_equal(flow[0].packets_in, 2);
	assert_int_equal(flow[0].bytes_in, 8);
	assert_int_equal(flow[1].packets_out, 1);
	assert_int_equal(flow[1].bytes_out, 4);
	assert_int_equal(flow[1].packets_in, 4);
	assert_int_equal(flow[1].bytes_in, 20);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit__any_process__its_parts_fit),
		T(pool__one_nic__may_have_seven_eighths),
		T(pool__own_connections__leave_an_eighth_to_mappings),
		T(pool__used_up__others_still_get_their_share),
		T(pool__share_had__more_costs_nobody_anything),
		T(pool__other_nic_asks__cheapest_of_the_greediest_goes),
		T(pool__nics_come_and_go__shares_follow),
		T(pool__smaller_now__settled_when_somebody_asks),
		T(pool__shares_of_less_than_one__still_one),
		T(ports__used_up__tcp_goes_on),
		T(queries__of_one_nic__leave_others_theirs),
		T(scan__nobody_answers__oldest_call_makes_room),
		T(flow_walk__traffic_both_ways__counted),
		T(flood__of_100000_flows__hurts_only_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
