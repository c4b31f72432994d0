// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/steer.h"

#define A 0x0a00020fu
#define B 0xcb007102u

static struct ipaddr six(uint8_t last)
{
	struct ipaddr a = {{0x20, 1, 0xd, 0xb8}};

	a.b[15] = last;
	return a;
}

/* Returns the length: of headers up to and with the ports. */
static size_t make4(uint8_t p[64], uint8_t proto, uint32_t src, uint16_t sport,
		    uint32_t dst, uint16_t dport)
{
	memset(p, 0, 64);
	put_be16(p + 12, 0x0800);
	p[14] = 0x45;
	put_be16(p + 16, 28);
	p[23] = proto;
	put_be32(p + 26, src);
	put_be32(p + 30, dst);
	put_be16(p + 34, sport);
	put_be16(p + 36, dport);
	return 38;
}

static size_t make6(uint8_t p[96], uint16_t sport, uint16_t dport)
{
	struct ipaddr a = six(1), b = six(2);

	memset(p, 0, 96);
	put_be16(p + 12, 0x8100); /* tagged */
	put_be16(p + 16, 0x86dd);
	p[18] = 0x60;
	put_be16(p + 22, 16);
	p[24] = 60; /* destination options, then UDP */
	memcpy(p + 26, a.b, 16);
	memcpy(p + 42, b.b, 16);
	p[58] = 17;
	put_be16(p + 66, sport);
	put_be16(p + 68, dport);
	return 70;
}

static void frame__of_either_direction__is_its_endpoints_flow(void **state)
{
	struct ipaddr a = ipaddr_from4(A), b = ipaddr_from4(B);
	uint32_t flow = steer_flow(&a, 40000, &b, 80);
	uint8_t p[96];
	size_t n;

	(void)state;
	assert_int_equal(flow, steer_flow(&b, 80, &a, 40000));
	for (uint8_t proto = 6; proto <= 17; proto += 11) {
		n = make4(p, proto, A, 40000, B, 80);
		assert_int_equal(steer_frame(p, n), flow);
		n = make4(p, proto, B, 80, A, 40000);
		assert_int_equal(steer_frame(p, n), flow);
		n = make4(p, proto, A, 40001, B, 80);
		assert_int_not_equal(steer_frame(p, n), flow);
	}
	a = six(1);
	b = six(2);
	n = make6(p, 7, 8);
	assert_int_equal(steer_frame(p, n), steer_flow(&a, 7, &b, 8));
}

static void frame__without_ports__is_its_addresses_flow(void **state)
{
	struct ipaddr a = ipaddr_from4(A), b = ipaddr_from4(B);
	uint8_t p[64];
	size_t n = make4(p, 1, A, 0x800, B, 0x1234);

	(void)state;
	assert_int_equal(steer_frame(p, n), steer_flow(&a, 0, &b, 0));
}

static void frame__fragment_or_cut_off__is_of_none(void **state)
{
	uint8_t p[96];
	size_t n = make4(p, 17, A, 1, B, 2);

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(steer_frame(p, i), 0);
	assert_int_not_equal(steer_frame(p, n), 0);
	put_be16(p + 20, 0x2000); /* more follow: its second one has no ports */
	assert_int_equal(steer_frame(p, n), 0);
	put_be16(p + 12, 0x0806);
	assert_int_equal(steer_frame(p, n), 0);
	n = make6(p, 7, 8);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(steer_frame(p, i), 0);
}

static void get__what_was_set__until_another(void **state)
{
	struct steer s = {0};

	(void)state;
	assert_int_equal(steer_get(&s, 0xffffffff), -1);
	steer_set(&s, 0xffffffff, 7);
	assert_int_equal(steer_get(&s, 0xffffffff), 7);
	assert_int_equal(steer_get(&s, 0x12345678), -1);
	steer_set(&s, 0xffffffff, 0);
	assert_int_equal(steer_get(&s, 0xffffffff), 0);
}

static void any__many_flows__spread_evenly(void **state)
{
	struct ipaddr a = ipaddr_from4(A), b = ipaddr_from4(B);
	unsigned int n[4] = {0};

	(void)state;
	for (uint16_t port = 0; port < 4000; port++) {
		uint32_t flow = steer_flow(&a, (uint16_t)(port + 1024), &b, 80);

		assert_true(steer_any(flow, 4) < 4);
		n[steer_any(flow, 4)]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(n[i], 800, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame__of_either_direction__is_its_endpoints_flow),
		cmocka_unit_test(frame__without_ports__is_its_addresses_flow),
		cmocka_unit_test(frame__fragment_or_cut_off__is_of_none),
		cmocka_unit_test(get__what_was_set__until_another),
		cmocka_unit_test(any__many_flows__spread_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
