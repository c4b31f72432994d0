// SPDX-License-Identifier: GPL-2.0-or-later
/* links: dhcp_core dhcp_rig */
/* Options as people write them, scopes, and what of them clients are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "dhcp/dhcp_opt.h"
#include "tests/fake/dhcp_rig.h"

/* ---- text ---------------------------------------------------------------- */

static void opt_parse__each_type__bytes_and_back(void **state)
{
	static const struct {
		const char *in, *out; /* out: the value as it is shown */
		const char *bytes;
		size_t len;
	} t[] = {
		{"mtu=1400", "1400", "\x05\x78", 2},
		{"26=1400", "1400", "\x05\x78", 2},
		{"26:u16=1400", "1400", "\x05\x78", 2},
		{"ttl=64", "64", "\x40", 1},
		{"time-offset=-3600", "-3600", "\xff\xff\xf1\xf0", 4},
		{"ipv6-only=1800", "1800", "\0\0\x07\x08", 4},
		{"ip-forwarding=yes", "yes", "\x01", 1},
		{"dns=10.0.2.3,10.0.2.4", "10.0.2.3,10.0.2.4",
		 "\x0a\0\x02\x03\x0a\0\x02\x04", 8},
		{"broadcast=10.0.2.255", "10.0.2.255", "\x0a\0\x02\xff", 4},
		{"captive-portal=https://a/", "https://a/", "https://a/", 10},
		{"domain=0x", "0x", "0x", 2}, /* a string is what it is */
		{"vendor-info=0x0104", "0x0104", "\x01\x04", 2},
		{"224:string=foo", "0x666f6f", "foo", 3},
		{"224=0xAB", "0xab", "\xab", 1},
		{"43:hex=01ff", "0x01ff", "\x01\xff", 2},
		/* RFC 3442, the examples of destination descriptors */
		{"routes=10.17.0.0/16 via 10.0.2.5, default via 10.0.2.2",
		 "10.17.0.0/16 via 10.0.2.5, 0.0.0.0/0 via 10.0.2.2",
		 "\x10\x0a\x11\x0a\0\x02\x05\0\x0a\0\x02\x02", 12},
		{"routes=10.229.0.128/25:10.0.2.5",
		 "10.229.0.128/25 via 10.0.2.5",
		 "\x19\x0a\xe5\0\x80\x0a\0\x02\x05", 9},
		/* RFC 3397 2, the example */
		{"search=eng.apple.com,marketing.apple.com",
		 "eng.apple.com,marketing.apple.com",
		 "\x03"
		 "eng\x05"
		 "apple\x03"
		 "com\0\x09"
		 "marketing\xc0\x04",
		 27},
		{"router=", "", "", 0},
	};
	struct dhcp_option o;
	struct errtext why = {""};
	char text[DHCP_OPT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		int r = dhcp_opt_parse(t[i].in, &o, &why);

		if (r)
			print_error("%s: %s\n", t[i].in, why.s);
		assert_int_equal(r, 0);
		assert_int_equal(o.len, t[i].len);
		assert_memory_equal(o.value, t[i].bytes, t[i].len);
		assert_string_equal(dhcp_opt_format(&o, text), t[i].out);
	}
}

static void opt_parse__nonsense__refused_with_a_reason(void **state)
{
	static const char *const bad[] = {
		"",
		"mtu",
		"=1",
		"nonsense=1",
		"300=1",
		"0=1",
		"255=0x00",
		"53=0x01",
		"61=0x01",
		"82=0x01",
		"1=255.255.255.0",
		"mtu=67",
		"mtu=65536",
		"mtu=x",
		"ttl=-1",
		"ipv6-only=299",
		"lease-time=59",
		"lease-time=",
		"dns=10.0.2",
		"dns=10.0.2.3,",
		"224=foo",
		"224:nothing=1",
		"224=0x0",
		"224=0xzz",
		"routes=10.0.0.1/8 via 10.0.2.5",
		"routes=10.0.0.0/8",
		"routes=10.0.0.0/33 via 10.0.2.5",
		"search=a..b",
		"search=.",
		"search=a b",
		"ip-forwarding=maybe",
	};
	static char big[2 * DHCP_OPT_VALUE_MAX + 20] = "224=0x";
	struct dhcp_option o;
	struct errtext why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		why.s[0] = '\0';
		if (!dhcp_opt_parse(bad[i], &o, &why))
			fail_msg("taken: %s", bad[i]);
		assert_true(why.s[0]);
	}
	memset(big + 6, 'a', 2 * DHCP_OPT_VALUE_MAX + 2);
	assert_int_equal(dhcp_opt_parse(big, &o, &why), -E2BIG);
}

static void opt_format__bytes_of_no_type__in_hex(void **state)
{
	static const struct {
		uint8_t code;
		const char *bytes;
		size_t len;
	} t[] = {
		{6, "\x0a\0\x02", 3},
		{15, "a\nb", 3},
		{119, "\xc0\0", 2},
		{119,
		 "\x03"
		 "ab",
		 3},
		{119,
		 "\x01"
		 "a\xc0\x01",
		 4},
		{121, "\x21\x0a", 2},
		{121, "\x08\x0a\x0a", 3},
		{26, "\x05", 1},
	};
	char text[DHCP_OPT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct dhcp_option o = {.code = t[i].code,
					.len = (uint16_t)t[i].len};

		memcpy(o.value, t[i].bytes, t[i].len);
		assert_memory_equal(dhcp_opt_format(&o, text), "0x", 2);
	}
}

static void opts_set__any_order__sorted_and_replaced(void **state)
{
	static struct dhcp_opts s;
	struct dhcp_option o = {.len = 1};
	size_t len;

	(void)state;
	memset(&s, 0, sizeof(s));
	for (int i = 0; i < 3; i++) {
		static const uint8_t codes[] = {42, 3, 200};

		o.code = codes[i];
		o.value[0] = codes[i];
		assert_int_equal(dhcp_opts_set(&s, &o), 0);
	}
	o.code = 42;
	o.len = 5;
	assert_int_equal(dhcp_opts_set(&s, &o), 0);
	assert_int_equal(dhcp_opts_next(&s, 0), 3);
	assert_int_equal(dhcp_opts_next(&s, 3), 42);
	assert_int_equal(dhcp_opts_next(&s, 42), 200);
	assert_int_equal(dhcp_opts_next(&s, 200), 0);
	assert_non_null(dhcp_opts_find(&s, 42, &len));
	assert_int_equal(len, 5);
	assert_int_equal(*dhcp_opts_find(&s, 200, &len), 200);
	assert_null(dhcp_opts_find(&s, 4, &len));
	o.len = DHCP_OPT_VALUE_MAX;
	for (o.code = 50; o.code < 53; o.code++)
		assert_int_equal(dhcp_opts_set(&s, &o), 0);
	o.code = 60;
	assert_int_equal(dhcp_opts_set(&s, &o), -ENOSPC);
}

/* ---- scopes -------------------------------------------------------------- */

static void give(struct dhcp_rig *r, const struct dhcp_scope *scope, ...)
{
	static struct dhcp_opts s;
	struct dhcp_option o;
	const char *text;
	va_list ap;

	memset(&s, 0, sizeof(s));
	va_start(ap, scope);
	while ((text = va_arg(ap, const char *))) {
		assert_int_equal(dhcp_opt_parse(text, &o, NULL), 0);
		assert_int_equal(dhcp_opts_set(&s, &o), 0);
	}
	va_end(ap);
	assert_int_equal(dhcp_server_scope(r->s, scope, &s, NULL), 0);
}

static const struct dhcp_scope network = {.kind = DHCP_SCOPE_NETWORK};

static uint16_t mtu_of(struct dhcp_rig *r, uint64_t nic, uint8_t n)
{
	const uint8_t wish[] = {DHCP_OPT_MTU};
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, nic, n);

	a.wish = wish;
	a.wishes = sizeof(wish);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	return dhcp_msg_be16(&r->answer, DHCP_OPT_MTU);
}

static void scope__narrower__wins_live(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_scope mac = {.kind = DHCP_SCOPE_MAC, .mac = rig_mac(1)};
	struct dhcp_scope nic = {.kind = DHCP_SCOPE_NIC, .nic_id = 1};
	struct dhcp_scope group = {.kind = DHCP_SCOPE_GROUP,
				   .group = "g",
				   .match = "vendor=x,mac=52:54:00:00:00:*"};

	assert_int_equal(mtu_of(r, 1, 1), 0);
	give(r, &network, "mtu=1401", NULL);
	assert_int_equal(mtu_of(r, 1, 1), 1401);
	give(r, &group, "mtu=1402", NULL);
	assert_int_equal(mtu_of(r, 1, 1), 1402);
	give(r, &nic, "mtu=1403", NULL);
	assert_int_equal(mtu_of(r, 1, 1), 1403);
	assert_int_equal(mtu_of(r, 2, 2), 1402);
	give(r, &mac, "mtu=1404", NULL);
	assert_int_equal(mtu_of(r, 1, 1), 1404);
	give(r, &mac, "mtu=", NULL); /* not to be sent */
	assert_int_equal(mtu_of(r, 1, 1), 0);
	give(r, &mac, NULL);
	assert_int_equal(mtu_of(r, 1, 1), 1403);
	dhcp_server_nic_del(r->s, 1);
	assert_int_equal(mtu_of(r, 1, 1), 1402);
}

static void scope__lease_time__its_own(void **state)
{
	struct dhcp_rig *r = *state;
	struct dhcp_scope mac = {.kind = DHCP_SCOPE_MAC, .mac = rig_mac(1)};

	give(r, &mac, "lease-time=120", "t1=20", NULL);
	assert_true(rig_dora(r, 1, 1));
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), 120);
	assert_int_equal(rig_opt32(r, DHCP_OPT_T1), 20);
	assert_int_equal(rig_opt32(r, DHCP_OPT_T2), 105);
	assert_true(rig_dora(r, 2, 2));
	assert_int_equal(rig_opt32(r, DHCP_OPT_LEASE), DHCP_LEASE_S);
}

static void scope__no_condition__refused(void **state)
{
	struct dhcp_rig *r = *state;
	static const char *const bad[] = {
		"", "x", "mac", "mac=", "colour=red", "mac=1,,user=2"};
	struct dhcp_scope g = {.kind = DHCP_SCOPE_GROUP, .group = "g"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct errtext why = {""};

		snprintf(g.match, sizeof(g.match), "%s", bad[i]);
		assert_int_equal(dhcp_server_scope(r->s, &g, NULL, &why),
				 -EINVAL);
		assert_true(why.s[0]);
	}
}

/* RFC 3442: routes instead of option 3, and the default one among them. */
static void reply__classless_routes__with_default_without_router(void **state)
{
	struct dhcp_rig *r = *state;
	const uint8_t wish[] = {3, 33, 121};
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	size_t len;
	const uint8_t *p;

	a.wish = wish;
	a.wishes = sizeof(wish);
	give(r, &network, "routes=10.9.0.0/16 via 10.0.2.9", NULL);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_false(rig_has(r, DHCP_OPT_ROUTER));
	p = dhcp_msg_opt(&r->answer, 121, &len);
	assert_int_equal(len, 12);
	assert_memory_equal(p, "\x10\x0a\x09\x0a\0\x02\x09\0\x0a\0\x02\x02",
			    12);
	a.wishes = 2; /* knows no option 121 */
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(rig_has(r, DHCP_OPT_ROUTER));
	assert_false(rig_has(r, 121));
	give(r, &network, "routes=10.9.0.0/16 via 10.0.2.9", "router=", NULL);
	a.wishes = 3;
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	(void)dhcp_msg_opt(&r->answer, 121, &len);
	assert_int_equal(len, 7); /* no router: no default route */
}

/* RFC 8925 3.3: only to those who list it. */
static void reply__ipv6_only__when_asked_for(void **state)
{
	struct dhcp_rig *r = *state;
	const uint8_t wish[] = {1, 108};
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);

	give(r, &network, "ipv6-only=1800", NULL);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_false(rig_has(r, 108));
	a.wish = wish;
	a.wishes = sizeof(wish);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_int_equal(rig_opt32(r, 108), 1800);
}

/* RFC 2132 9.3, RFC 3396: 300 bytes in two pieces, the rest in file and sname.
 */
static void reply__no_room__overload_holds_the_rest(void **state)
{
	struct dhcp_rig *r = *state;
	const uint8_t wish[] = {224, 225, 226, 227};
	struct dhcp_ask a = rig_ask(DHCP_DISCOVER, 1, 1);
	char text[700] = "224=0x", file[300] = "225=0x", sname[150] = "226=0x";
	size_t len;

	memset(text + 6, 'a', 500);
	memset(file + 6, 'b', 240);
	memset(sname + 6, 'c', 120);
	give(r, &network, text, file, sname, "227=0x01", NULL);
	a.wish = wish;
	a.wishes = sizeof(wish);
	a.relay = "\x01\x02hi";
	a.relay_len = 4;
	a.giaddr = IP4(10, 0, 2, 100);
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_true(r->reply.len <= 548);
	assert_int_equal(dhcp_msg_u8(&r->answer, DHCP_OPT_OVERLOAD), 3);
	(void)dhcp_msg_opt(&r->answer, 224, &len);
	assert_int_equal(len, 250);
	(void)dhcp_msg_opt(&r->answer, 225, &len);
	assert_int_equal(len, 120);
	(void)dhcp_msg_opt(&r->answer, 226, &len);
	assert_int_equal(len, 60);
	assert_true(rig_has(r, 227));
	assert_true(rig_has(r, DHCP_OPT_RELAY));
	assert_int_equal(r->reply.data[r->reply.len - 1], DHCP_OPT_END);
	a.max_size = 1500;
	assert_int_equal(rig_send(r, &a), DHCP_OFFER);
	assert_false(rig_has(r, DHCP_OPT_OVERLOAD));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		cmocka_unit_test(opt_parse__each_type__bytes_and_back),
		cmocka_unit_test(opt_parse__nonsense__refused_with_a_reason),
		cmocka_unit_test(opt_format__bytes_of_no_type__in_hex),
		cmocka_unit_test(opts_set__any_order__sorted_and_replaced),
		T(scope__narrower__wins_live),
		T(scope__lease_time__its_own),
		T(scope__no_condition__refused),
		T(reply__classless_routes__with_default_without_router),
		T(reply__ipv6_only__when_asked_for),
		T(reply__no_room__overload_holds_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
