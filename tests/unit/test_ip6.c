// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* The gateway's IPv6: configuration, ICMPv6 services and what they send. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/ip6.h"
#include "tests/fake/fake_nat_host.h"

static int setup(void **state)
{
	struct fake_nat *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_nat_init(f);
	fake_nat_init6(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fake_nat *f = *state;

	if (f->gw)
		fake_nat_stop(f);
	free(f);
	return 0;
}

static struct ipaddr ip(const char *s)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(s, &a), 0);
	return a;
}

/* ---- configuration ----------------------------------------------------------- */

static int start_err(struct fake_nat *f)
{
	struct gateway_env env = {.seed = {1, 2}};
	struct gateway *g = NULL;
	int err = gateway_new(&f->cfg, &env, 0, &g, NULL);

	gateway_free(g);
	return err;
}

static void gateway_new__ipv6_that_contradicts_itself__refused(void **state)
{
	struct fake_nat *f = *state;

	assert_int_equal(start_err(f), 0);
	f->cfg.net6.plen = 48;
	assert_int_equal(start_err(f), -EINVAL);
	fake_nat_init6(f);
	f->cfg.ip6 = ip("fd00:2::2");
	assert_int_equal(start_err(f), -EINVAL);
	fake_nat_init6(f);
	f->cfg.dns_ip6 = ip("fd00:2::3");
	assert_int_equal(start_err(f), -EINVAL);
	f->cfg.dns_ip6 = f->cfg.ip6;
	assert_int_equal(start_err(f), -EINVAL);
	f->cfg.dns_ip6 = ipaddr_any;
	assert_int_equal(start_err(f), 0);
	f->cfg.mtu = 1279;
	assert_int_equal(start_err(f), -EINVAL);
}

/* ---- services ----------------------------------------------------------------- */

static void on_icmp6(void *arg, const struct nat_icmp6 *m)
{
	(void)arg;
	(void)m;
}

static void icmp6_service__types__taken_once_and_never_ours(void **state)
{
	struct fake_nat *f = *state;
	struct gateway *g;

	fake_nat_start(f);
	g = f->gw;
	assert_int_equal(gateway_icmp6_service_set(g, 133, on_icmp6, f), 0);
	assert_int_equal(gateway_icmp6_service_set(g, 133, on_icmp6, f),
			 -EEXIST);
	assert_int_equal(gateway_icmp6_service_set(g, 133, NULL, NULL), 0);
	assert_int_equal(gateway_icmp6_service_set(g, 133, NULL, NULL), 0);
	assert_int_equal(gateway_icmp6_service_set(g, 1, on_icmp6, f), -EINVAL);
	assert_int_equal(gateway_icmp6_service_set(g, ICMP6_ECHO, on_icmp6, f),
			 -EINVAL);
	assert_int_equal(gateway_icmp6_service_set(g, ICMP6_NS, on_icmp6, f),
			 -EINVAL);
	for (uint8_t t = 0; t < NAT_ICMP6_MAX; t++)
		assert_int_equal(gateway_icmp6_service_set(
					 g, (uint8_t)(200 + t), on_icmp6, f), 0);
	assert_int_equal(gateway_icmp6_service_set(g, 133, on_icmp6, f),
			 -ENOSPC);
}

static void icmp6_send__to_a_group__from_link_local_with_checksum(void **state)
{
	struct fake_nat *f = *state;
	uint8_t ra[24] = {134, 0, 0xab, 0xcd, 64, 0, 7, 8};
	struct nat_icmp6_out o = {
		.dst = ip("ff02::1"), .data = ra, .len = sizeof(ra),
	};
	struct ipaddr ll = ipaddr_linklocal(&fake_gw_mac);
	const uint8_t *p;

	fake_nat_start(f);
	assert_int_equal(gateway_icmp6_send(f->gw, &o, f->now_ms), 0);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, 1);
	p = f->out[0].p;
	assert_int_equal(f->out[0].len, 14 + 40 + sizeof(ra));
	assert_memory_equal(p, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(p[14 + 7], 255);
	assert_memory_equal(p + 14 + 8, ll.b, 16);
	assert_memory_equal(p + 14 + 24, o.dst.b, 16);
	assert_int_equal(p[54], 134);
	assert_memory_equal(p + 58, ra + 4, sizeof(ra) - 4);
}

static void icmp6_send__to_a_mac_or_wrong__sent_or_refused(void **state)
{
	struct fake_nat *f = *state;
	uint8_t m[1500] = {134};
	struct nat_icmp6_out o = {
		.dst = ip("fe80::1234"), .dst_mac = fake_guest_mac, .data = m,
		.len = 1460,
	};

	fake_nat_start(f);
	assert_int_equal(gateway_icmp6_send(f->gw, &o, f->now_ms), 0);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, 1);
	assert_memory_equal(f->out[0].p, fake_guest_mac.b, 6);
	o.len = 1461;
	assert_int_equal(gateway_icmp6_send(f->gw, &o, f->now_ms), -EMSGSIZE);
	o.len = 7;
	assert_int_equal(gateway_icmp6_send(f->gw, &o, f->now_ms), -EINVAL);
	f->gw->cfg.net6.plen = 0;
	o.len = 8;
	assert_int_equal(gateway_icmp6_send(f->gw, &o, f->now_ms),
			 -EAFNOSUPPORT);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(gateway_new__ipv6_that_contradicts_itself__refused),
		T(icmp6_service__types__taken_once_and_never_ours),
		T(icmp6_send__to_a_group__from_link_local_with_checksum),
		T(icmp6_send__to_a_mac_or_wrong__sent_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
