// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host dns_rig dns_guest fake_ip6 */
/* DNS over TCP (RFC 7766): from a guest's segments to its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "tests/fake/dns_rig.h"
#include "tests/fake/fake_ip6.h"

enum { F_FIN = 1, F_SYN = 2, F_RST = 4, F_ACK = 16 };

static int setup(void **state)
{
	*state = dns_rig_new(true, 2);
	return 0;
}

static int setup_services(void **state)
{
	*state = dns_rig_new(false, 2);
	return 0;
}

static int setup6(void **state)
{
	*state = dns_rig_new6();
	fake6_hello(*state, GUEST6);
	fake_nat_clear(*state);
	return 0;
}

static int teardown(void **state)
{
	dns_rig_free(*state);
	return 0;
}

static void ask_tcp(struct rig_tcp *t, const char *name, uint16_t type,
		    uint16_t id)
{
	uint8_t b[302];

	rig_tcp_send(t, F_ACK, b, rig_tcp_query(b, name, type, id));
}

/* The next answer has this id and rcode. */
static void expect(struct rig_tcp *t, uint16_t id, int rcode)
{
	uint8_t msg[65535];

	assert_true(rig_tcp_next(t, msg, sizeof(msg)) >= DNS_HDR);
	assert_int_equal(get_be16(msg), id);
	assert_int_equal(msg[3] & 15, rcode);
}

static uint32_t conns(const struct fake_nat *f)
{
	return f->gw->flows.total[FLOW_DNSTCP];
}

static void local_query__one_and_another__answered(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "web", DNS_A, 7);
	expect(&t, 7, DNS_NOERROR);
	ask_tcp(&t, "nobody.lab.vnet", DNS_A, 8);
	expect(&t, 8, DNS_NXDOMAIN);
	assert_int_equal(f->nsent, 0);
	assert_int_equal(f->gw->dns.stats.over_tcp, 2);
	rig_tcp_send(&t, F_ACK | F_FIN, NULL, 0);
	assert_true(t.fin && !t.rst);
	assert_int_equal(conns(f), 0);
	rig_tcp_free(&t);
}

static void local_query__without_nat__answered(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "web", DNS_A, 7);
	expect(&t, 7, DNS_NOERROR);
	ask_tcp(&t, "example.org", DNS_A, 8);
	expect(&t, 8, DNS_REFUSED);
	rig_tcp_free(&t);
}

static void answer__longer_than_a_datagram__whole(void **state)
{
	struct fake_nat *f = *state;
	char ip[32];
	uint8_t msg[2000];
	struct rig_tcp t;
	size_t n;

	for (int i = 1; i < 16; i++) {
		snprintf(ip, sizeof(ip), "10.0.2.%d", 100 + i);
		rig_name(f, "web", ip);
		snprintf(ip, sizeof(ip), "fd00::%d", i);
		rig_name(f, "web", ip);
	}
	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "web", DNS_ANY, 7);
	n = rig_tcp_next(&t, msg, sizeof(msg));
	assert_true(n > 600);
	assert_int_equal(get_be16(msg + 6), 31);
	assert_false(msg[2] & 2);
	rig_tcp_free(&t);
}

static void ip6_guest__over_tcp__answered(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open6(&t, f, 5000);
	ask_tcp(&t, "web", DNS_A, 7);
	expect(&t, 7, DNS_NOERROR);
	ask_tcp(&t, "example.org", DNS_A, 8);
	rig_reply(f, 0, DNS_NOERROR, 3000);
	rig_tcp_pump(&t);
	expect(&t, 8, DNS_NOERROR);
	rig_tcp_send(&t, F_ACK | F_FIN, NULL, 0);
	assert_true(t.fin && !t.rst);
	rig_tcp_free(&t);
}

static void ip6_guest__over_udp__answered(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[300];
	struct fake6_pkt k = {.proto = IP4_UDP, .sport = 3333, .dport = 53,
			      .data = b};
	static const char *const to[] = {DNS6, GW6};
	struct fake6_got g;

	for (int i = 0; i < 2; i++) {
		k.dst = to[i];
		k.len = rig_query(b, "host.vnet", DNS_AAAA);
		assert_int_equal(fake6_pkt(f, &k), -1);
		g = fake6_got(f, f->n - 1);
		assert_true(is_ip6(&g.h.src, to[i]));
		assert_int_equal(g.dport, 3333);
		assert_int_equal(get_be16(g.data + 6), 1);
		assert_memory_equal(g.data + g.len - 16, f->gw->pol.ip6.b, 16);
	}
	k.len = rig_query(b, "example.org", DNS_A);
	fake6_pkt(f, &k);
	rig_reply(f, 0, DNS_NXDOMAIN, 0);
	g = fake6_got(f, f->n - 1);
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_int_equal(g.data[3] & 15, DNS_NXDOMAIN);
}

static void query__byte_by_byte__answered_once_whole(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;
	uint8_t b[302];
	size_t n = rig_tcp_query(b, "web", DNS_A, 7);

	rig_tcp_open(&t, f, 5000);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(t.rx_len, 0);
		rig_tcp_send(&t, F_ACK, b + i, 1);
	}
	expect(&t, 7, DNS_NOERROR);
	rig_tcp_free(&t);
}

static void queries__pipelined__answered_as_they_come(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;
	uint8_t b[1000];
	size_t n = 0;

	rig_tcp_open(&t, f, 5000);
	n += rig_tcp_query(b + n, "slow.example.org", DNS_A, 1);
	n += rig_tcp_query(b + n, "fast.example.org", DNS_A, 2);
	n += rig_tcp_query(b + n, "web", DNS_A, 3);
	rig_tcp_send(&t, F_ACK, b, n);
	expect(&t, 3, DNS_NOERROR);
	assert_int_equal(f->nsent, 2);
	rig_reply(f, 1, DNS_NOERROR, 0);
	rig_tcp_pump(&t);
	expect(&t, 2, DNS_NOERROR);
	rig_reply(f, 0, DNS_NXDOMAIN, 0);
	rig_tcp_pump(&t);
	expect(&t, 1, DNS_NXDOMAIN);
	rig_tcp_free(&t);
}

static void client__sends_its_fin_first__still_gets_answers(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;
	uint8_t b[302];
	size_t n = rig_tcp_query(b, "example.org", DNS_A, 1);

	rig_tcp_open(&t, f, 5000);
	rig_tcp_send(&t, F_ACK | F_FIN, b, n);
	assert_false(t.fin);
	rig_reply(f, 0, DNS_NOERROR, 0);
	rig_tcp_pump(&t);
	expect(&t, 1, DNS_NOERROR);
	assert_true(t.fin && !t.rst);
	assert_int_equal(conns(f), 0);
	rig_tcp_free(&t);
}

static void upstream__truncated_answer__asked_again_over_tcp(void **state)
{
	struct fake_nat *f = *state;
	struct dns_query *q;
	struct rig_tcp t;
	uint8_t msg[65535];

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "example.org", DNS_A, 1);
	q = f->sent[0].flow;
	assert_false(q->stream);
	f->sent[0].p[2] |= 2; /* TC */
	rig_reply(f, 0, DNS_NOERROR, 0);
	assert_int_equal(f->nsent, 2);
	assert_true(q->stream);
	assert_true(endpoint_eq(&f->sent[0].to, &f->sent[1].to));
	rig_reply(f, 1, DNS_NOERROR, 60000);
	rig_tcp_pump(&t);
	assert_int_equal(rig_tcp_next(&t, msg, sizeof(msg)), 60000);
	assert_int_equal(get_be16(msg), 1);
	rig_tcp_free(&t);
}

static void upstream__no_tcp_there__next_one(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "example.org", DNS_A, 1);
	f->sent[0].p[2] |= 2;
	rig_reply(f, 0, DNS_NOERROR, 0);
	dns_host_failed(&f->gw->dns, f->sent[1].flow, f->now_ms);
	assert_int_equal(f->nsent, 3);
	assert_int_equal(ipaddr_get4(&f->sent[2].to.ip), 0x02020202);
	/* Its UDP works: it stays the first. */
	assert_int_equal(f->gw->dns.up[0].bad_until_ms, 0);
	rig_reply(f, 2, DNS_NOERROR, 0);
	rig_tcp_pump(&t);
	expect(&t, 1, DNS_NOERROR);
	rig_tcp_free(&t);
}

static void idle__ten_seconds__closed_then_reset(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	fake_nat_wait(f, DNS_TCP_IDLE_MS - 500);
	ask_tcp(&t, "web", DNS_A, 1);
	fake_nat_wait(f, DNS_TCP_IDLE_MS - 500);
	rig_tcp_pump(&t);
	assert_false(t.fin);
	fake_nat_wait(f, 1000);
	rig_tcp_pump(&t);
	assert_true(t.fin && !t.rst);
	assert_int_equal(conns(f), 1); /* it may still be reading */
	fake_nat_wait(f, DNS_TCP_IDLE_MS + 1000);
	rig_tcp_pump(&t);
	assert_true(t.rst);
	assert_int_equal(conns(f), 0);
	rig_tcp_free(&t);
}

static void idle__query_under_way__kept(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	fake_nat_wait(f, 9000);
	ask_tcp(&t, "example.org", DNS_A, 1);
	fake_nat_wait(f, 9000);
	rig_tcp_pump(&t);
	assert_false(t.fin);
	rig_reply(f, f->nsent - 1, DNS_NOERROR, 0);
	rig_tcp_pump(&t);
	expect(&t, 1, DNS_NOERROR);
	rig_tcp_free(&t);
}

static void quota__more_connections__oldest_makes_room(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t[18];

	for (int i = 0; i < 18; i++) {
		fake_nat_wait(f, 10);
		rig_tcp_open(&t[i], f, (uint16_t)(5000 + i));
		if (!i) /* busy ones are cut off, idle ones closed */
			ask_tcp(&t[i], "example.org", DNS_A, 1);
	}
	assert_int_equal(conns(f), 16);
	rig_tcp_pump(&t[0]);
	rig_tcp_pump(&t[1]);
	assert_true(t[0].rst && !t[0].fin);
	assert_true(t[1].fin && !t[1].rst);
	assert_int_equal(f->live[FAKE_DNS], 0);
	for (int i = 0; i < 18; i++)
		rig_tcp_free(&t[i]);
}

static void quota__more_queries_than_one_nic_may__told(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "example.org", DNS_A, 1);
	for (uint16_t i = 0; i < 64; i++)
		rig_ask(f, "example.org", (uint16_t)(1000 + i));
	rig_tcp_pump(&t);
	expect(&t, 1, DNS_SERVFAIL);
	rig_tcp_free(&t);
}

static void pipeline__too_deep__waits_in_the_guest(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;
	uint8_t b[4000];
	size_t n = 0;

	rig_tcp_open(&t, f, 5000);
	for (uint16_t i = 0; i < 60; i++)
		n += rig_tcp_query(b + n, "example.org", DNS_A, i);
	for (size_t at = 0; at < n; at += 1000)
		rig_tcp_send(&t, F_ACK, b + at, n - at < 1000 ? n - at : 1000);
	assert_int_equal(f->nsent, DNS_TCP_QUERIES);
	for (unsigned int i = 0; i < 60; i++) {
		assert_true(i < f->nsent);
		rig_reply(f, i, DNS_NOERROR, 0);
		rig_tcp_pump(&t);
		expect(&t, (uint16_t)i, DNS_NOERROR);
	}
	rig_tcp_free(&t);
}

static void reader__none__bounded_and_nothing_lost(void **state)
{
	struct fake_nat *f = *state;
	unsigned int asked = 0, got = 0;
	struct rig_tcp t;
	uint8_t b[302], msg[512];
	size_t n = rig_tcp_query(b, "web", DNS_A, 9);

	rig_tcp_open(&t, f, 5000);
	t.wnd = 0;
	do {
		rig_tcp_send(&t, F_ACK, b, n);
		asked++;
	} while (f->gw->dns.stats.local == asked);
	/* The last one waits: about 32 KiB of answers are enough. */
	assert_in_range(asked, 500, 1500);
	t.wnd = 500;
	rig_tcp_send(&t, F_ACK, NULL, 0);
	fake_nat_wait(f, 1000);
	rig_tcp_pump(&t);
	while (rig_tcp_next(&t, msg, sizeof(msg)))
		got++;
	assert_int_equal(got, asked);
	rig_tcp_free(&t);
}

static void reader__none_at_all__does_not_outlive_its_quota(void **state)
{
	struct fake_nat *f = *state;
	struct nat_stats st;

	for (uint16_t i = 0; i < 40; i++) {
		struct rig_tcp t;

		rig_tcp_open(&t, f, (uint16_t)(5000 + i));
		t.wnd = 0;
		ask_tcp(&t, "web", DNS_A, 1);
		rig_tcp_free(&t);
	}
	gateway_stats(f->gw, &st);
	assert_in_range(st.tcp_flows, 16, 17);
	fake_nat_wait(f, 2 * DNS_TCP_IDLE_MS + 1000);
	gateway_stats(f->gw, &st);
	assert_int_equal(st.tcp_flows, 0);
}

static void garbage__of_any_kind__reset(void **state)
{
	struct fake_nat *f = *state;
	static const uint8_t huge[] = {0xff, 0xff, 1, 2}, empty[] = {0, 0},
			     shorter[] = {0, 3, 1, 2, 3};
	uint8_t reply[302];
	const struct {
		const uint8_t *p;
		size_t len;
	} bad[] = {
		{huge, sizeof(huge)}, {empty, sizeof(empty)},
		{shorter, sizeof(shorter)},
		{reply, rig_tcp_query(reply, "web", DNS_A, 1)},
	};

	reply[4] |= 0x80; /* a response */
	for (size_t i = 0; i < 4; i++) {
		struct rig_tcp t;

		rig_tcp_open(&t, f, (uint16_t)(5000 + i));
		rig_tcp_send(&t, F_ACK, bad[i].p, bad[i].len);
		assert_true(t.rst);
		rig_tcp_free(&t);
	}
	assert_int_equal(conns(f), 0);
}

static void guest__resets__queries_end(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "example.org", DNS_A, 1);
	assert_int_equal(f->live[FAKE_DNS], 1);
	rig_tcp_send(&t, F_RST, NULL, 0);
	assert_int_equal(f->live[FAKE_DNS], 0);
	assert_int_equal(conns(f), 0);
	rig_tcp_free(&t);
}

static void nic__gone__connections_end(void **state)
{
	struct fake_nat *f = *state;
	struct rig_tcp t;

	rig_tcp_open(&t, f, 5000);
	ask_tcp(&t, "example.org", DNS_A, 1);
	gateway_nic_gone(f->gw, 7);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(conns(f), 0);
	assert_int_equal(f->live[FAKE_DNS], 0);
	rig_tcp_free(&t);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(local_query__one_and_another__answered),
		cmocka_unit_test_setup_teardown(
			local_query__without_nat__answered, setup_services,
			teardown),
		T(answer__longer_than_a_datagram__whole),
		cmocka_unit_test_setup_teardown(ip6_guest__over_tcp__answered,
						setup6, teardown),
		cmocka_unit_test_setup_teardown(ip6_guest__over_udp__answered,
						setup6, teardown),
		T(query__byte_by_byte__answered_once_whole),
		T(queries__pipelined__answered_as_they_come),
		T(client__sends_its_fin_first__still_gets_answers),
		T(upstream__truncated_answer__asked_again_over_tcp),
		T(upstream__no_tcp_there__next_one),
		T(idle__ten_seconds__closed_then_reset),
		T(idle__query_under_way__kept),
		T(quota__more_connections__oldest_makes_room),
		T(quota__more_queries_than_one_nic_may__told),
		T(pipeline__too_deep__waits_in_the_guest),
		T(reader__none__bounded_and_nothing_lost),
		T(reader__none_at_all__does_not_outlive_its_quota),
		T(garbage__of_any_kind__reset),
		T(guest__resets__queries_end),
		T(nic__gone__connections_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
