// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host dns_rig dns_guest fake_ip6 */
/* The forwarder: queries to the host's resolvers and back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/port.h"
#include "tests/fake/dns_rig.h"

static int setup(void **state)
{
	*state = dns_rig_new(true, 3);
	return 0;
}

static int setup_none(void **state)
{
	*state = dns_rig_new(true, 0);
	return 0;
}

static int teardown(void **state)
{
	dns_rig_free(*state);
	return 0;
}

static int setup_resolver(void **state)
{
	*state = dns_rig_new_resolver(3);
	return 0;
}

/* Nothing else of a NAT is there. */
static void resolver__kernel_routes__names_and_queries_and_no_more(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt out = {.src = GUEST, .dst = 0x08080808, .proto = IP4_UDP,
			       .sport = 5000, .dport = 5000};

	rig_ask(f, "web", DNS_A);
	rig_answer(f, DNS_NOERROR, 1);
	rig_ask(f, "gateway.vnet", DNS_A);
	rig_answer(f, DNS_NXDOMAIN, 0);
	f->gw->dns.host_at[0] = ipaddr_from4(GW + 7);
	rig_ask(f, "gateway.vnet", DNS_A);
	rig_answer(f, DNS_NOERROR, 1);
	assert_int_equal(rig_ask(f, "example.org", DNS_A), -1);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x01010101);
	assert_int_equal(fake_nat_pkt(f, &out), DROP_POLICY);
	assert_int_equal(f->nsent, 1);
}

static void foreign__query__forwarded_with_own_id_and_answered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_got g;
	uint8_t r[600] = {0};
	size_t n;

	assert_int_equal(rig_ask(f, "example.org", DNS_A), -1);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x01010101);
	n = f->sent[0].len;
	memcpy(r, f->sent[0].p, n);
	assert_int_not_equal(get_be16(r), 0x4242);
	r[2] |= 0x80;
	r[3] |= 0x80;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, 600, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = rig_answer(f, DNS_NOERROR, 0);
	assert_int_equal(g.len, 600);
	assert_int_equal(f->live[FAKE_DNS], 0);
}

static void foreign__ids__differ_between_queries(void **state)
{
	struct fake_nat *f = *state;
	int same = 0;

	for (uint16_t i = 0; i < 20; i++) {
		rig_ask(f, "example.org", (uint16_t)(100 + i));
		if (i)
			same += get_be16(f->sent[i].p) ==
				get_be16(f->sent[i - 1].p);
	}
	assert_int_equal(f->nsent, 20);
	assert_true(same < 2);
}

static void foreign__large_answer__passes_whole(void **state)
{
	struct fake_nat *f = *state;
	uint8_t *r = calloc(1, 65000);
	size_t n;

	rig_ask(f, "example.org", DNS_A);
	n = f->sent[0].len;
	memcpy(r, f->sent[0].p, n);
	r[2] |= 0x80;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, 65000, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, (65008 + 1479) / 1480);
	free(r);
}

static void foreign__spoofed_reply__ignored_and_waited_on(void **state)
{
	struct fake_nat *f = *state;
	uint8_t r[300];
	size_t n;

	rig_ask(f, "example.org", DNS_A);
	n = f->sent[0].len;
	memcpy(r, f->sent[0].p, n);
	r[2] |= 0x80;
	r[0] ^= 1;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, n, f->now_ms);
	assert_int_equal(f->gw->dns.stats.spoofed, 1);
	assert_int_equal(f->live[FAKE_DNS], 1);
	r[0] ^= 1;
	dns_host_reply(&f->gw->dns, f->sent[0].flow, r, n, f->now_ms);
	assert_int_equal(f->live[FAKE_DNS], 0);
}

static void foreign__client_repeats__asked_once(void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	rig_ask(f, "example.org", DNS_A);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(f->gw->flows.total[FLOW_DNS], 1);
}

static void foreign__silent_upstream__next_after_2_s(void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	fake_nat_wait(f, 1900);
	assert_int_equal(f->nsent, 1);
	fake_nat_wait(f, 200);
	assert_int_equal(f->nsent, 2);
	assert_int_equal(ipaddr_get4(&f->sent[1].to.ip), 0x02020202);
	/* The silent one comes last for a while. */
	rig_ask(f, "example.com", DNS_A);
	assert_int_equal(ipaddr_get4(&f->sent[2].to.ip), 0x02020202);
	fake_nat_wait(f, 40000);
	f->nsent = 0;
	rig_ask(f, "example.net", DNS_A);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x01010101);
}

static void foreign__all_silent__servfail_after_10_s(void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	fake_nat_wait(f, 9900);
	assert_int_equal(f->n, 0);
	fake_nat_wait(f, 2200);
	rig_answer(f, DNS_SERVFAIL, 0);
	assert_int_equal(f->live[FAKE_DNS], 0);
	assert_int_equal(f->nsent, 5);
}

static void foreign__refused_at_once__next_at_once(void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	dns_host_failed(&f->gw->dns, f->sent[0].flow, f->now_ms);
	assert_int_equal(f->nsent, 2);
	dns_host_failed(&f->gw->dns, f->sent[0].flow, f->now_ms);
	dns_host_failed(&f->gw->dns, f->sent[0].flow, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->nsent, 3);
	rig_answer(f, DNS_SERVFAIL, 0);
}

static void foreign__no_descriptor__servfail(void **state)
{
	struct fake_nat *f = *state;

	f->ask_err = -EMFILE;
	rig_ask(f, "example.org", DNS_A);
	rig_answer(f, DNS_SERVFAIL, 0);
}

static void foreign__servfail_from_one__another_is_asked(void **state)
{
	struct fake_nat *f = *state;
	uint8_t r[300];
	size_t n;

	rig_ask(f, "example.org", DNS_A);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(f->nsent, i + 1);
		n = f->sent[i].len;
		memcpy(r, f->sent[i].p, n);
		r[2] |= 0x80;
		r[3] |= DNS_SERVFAIL;
		dns_host_reply(&f->gw->dns, f->sent[0].flow, r, n, f->now_ms);
		gateway_flush(f->gw, f->now_ms);
	}
	assert_int_equal(f->n, 1);
	rig_answer(f, DNS_SERVFAIL, 0);
}

static void foreign__upstreams_change_meanwhile__new_ones_at_once(void **state)
{
	struct fake_nat *f = *state;
	struct dns_upstream up = {.ep = endpoint4(0x09090909, 53)};

	rig_ask(f, "example.org", DNS_A);
	fake_nat_wait(f, 9000);
	f->nsent = 0;
	dns_set_upstreams(&f->gw->dns, &up, 1, f->now_ms);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x09090909);
	/* The same list again changes nothing. */
	dns_set_upstreams(&f->gw->dns, &up, 1, f->now_ms);
	assert_int_equal(f->nsent, 1);
	fake_nat_wait(f, 1900); /* it has all its time again */
	rig_reply(f, 0, DNS_NOERROR, 0);
	rig_answer(f, DNS_NOERROR, 0);
}

static void foreign__no_upstream_for_a_while__waits_for_one(void **state)
{
	struct fake_nat *f = *state;
	struct dns_upstream up = {.ep = endpoint4(0x09090909, 53)};

	rig_ask(f, "example.org", DNS_A);
	dns_set_upstreams(&f->gw->dns, NULL, 0, f->now_ms);
	assert_int_equal(f->live[FAKE_DNS], 0);
	fake_nat_wait(f, 5000);
	assert_int_equal(f->n, 0);
	dns_set_upstreams(&f->gw->dns, &up, 1, f->now_ms);
	assert_int_equal(f->nsent, 2);
	dns_set_upstreams(&f->gw->dns, NULL, 0, f->now_ms);
	fake_nat_wait(f, DNS_GIVE_UP_MS + 100);
	rig_answer(f, DNS_SERVFAIL, 0);
}

static void foreign__host_woke__all_good_and_asked_again(void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	fake_nat_wait(f, 5000); /* two upstreams were silent */
	assert_int_equal(f->nsent, 3);
	dns_woke(&f->gw->dns, f->now_ms);
	assert_int_equal(f->nsent, 4);
	assert_int_equal(ipaddr_get4(&f->sent[3].to.ip), 0x01010101);
	for (int i = 0; i < 3; i++)
		assert_int_equal(f->gw->dns.up[i].bad_until_ms, 0);
	fake_nat_wait(f, 9000);
	assert_int_equal(f->n, 0);
	fake_nat_wait(f, 1100);
	rig_answer(f, DNS_SERVFAIL, 0);
}

static void foreign__one_refuses_rest_silent__told_when_all_had_a_try(
	void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	rig_reply(f, 0, DNS_REFUSED, 0);
	assert_int_equal(f->nsent, 2);
	fake_nat_wait(f, 2 * DNS_TRY_MS + 100);
	assert_int_equal(f->nsent, 3);
	rig_answer(f, DNS_REFUSED, 0);
}

static void foreign__upstream_of_either_family__asked(void **state)
{
	struct fake_nat *f = *state;
	struct dns_upstream up = {.ep = {rig_ip("2001:db8::53"), 53}};

	dns_set_upstreams(&f->gw->dns, &up, 1, f->now_ms);
	rig_ask(f, "example.org", DNS_A);
	assert_true(endpoint_eq(&f->sent[0].to, &up.ep));
}

static void foreign__quota__oldest_makes_room(void **state)
{
	struct fake_nat *f = *state;

	for (uint16_t i = 0; i < 100; i++)
		rig_ask(f, "example.org", (uint16_t)(100 + i));
	assert_int_equal(f->live[FAKE_DNS], 64);
}

static void foreign__no_upstream__servfail(void **state)
{
	struct fake_nat *f = *state;

	rig_ask(f, "example.org", DNS_A);
	rig_answer(f, DNS_SERVFAIL, 0);
	rig_ask(f, "web", DNS_A);
	rig_answer(f, DNS_NOERROR, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(foreign__query__forwarded_with_own_id_and_answered),
		T(foreign__ids__differ_between_queries),
		T(foreign__large_answer__passes_whole),
		T(foreign__spoofed_reply__ignored_and_waited_on),
		T(foreign__client_repeats__asked_once),
		T(foreign__silent_upstream__next_after_2_s),
		T(foreign__all_silent__servfail_after_10_s),
		T(foreign__refused_at_once__next_at_once),
		T(foreign__no_descriptor__servfail),
		T(foreign__servfail_from_one__another_is_asked),
		T(foreign__upstreams_change_meanwhile__new_ones_at_once),
		T(foreign__no_upstream_for_a_while__waits_for_one),
		T(foreign__host_woke__all_good_and_asked_again),
		T(foreign__one_refuses_rest_silent__told_when_all_had_a_try),
		T(foreign__upstream_of_either_family__asked),
		T(foreign__quota__oldest_makes_room),
		cmocka_unit_test_setup_teardown(
			resolver__kernel_routes__names_and_queries_and_no_more,
			setup_resolver, teardown),
		cmocka_unit_test_setup_teardown(foreign__no_upstream__servfail,
						setup_none, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
