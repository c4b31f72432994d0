// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/jx.h"

struct fix {
	json_t *o;
	struct errtext why;
};

static struct fix fix;

static int setup(void **state)
{
	memset(&fix, 0, sizeof(fix));
	fix.o = json_loads(
		"{\"s\":\"text\",\"e\":\"\",\"n\":null,\"i\":5,\"neg\":-5,"
		"\"max\":9223372036854775807,\"r\":5.0,\"t\":true,\"f\":false,"
		"\"mac\":\"52:54:00:12:34:56\",\"ip\":\"10.0.2.15\","
		"\"net\":\"10.0.2.0/24\",\"host\":\"10.0.2.7/24\","
		"\"a\":[],\"o\":{},\"nul\":\"a\\u0000b\"}",
		JSON_ALLOW_NUL, NULL);
	*state = &fix;
	return fix.o ? 0 : -1;
}

static int teardown(void **state)
{
	json_decref(((struct fix *)*state)->o);
	return 0;
}

static void str__there__is_given(void **state)
{
	struct fix *f = *state;
	const char *s = "preset";

	assert_int_equal(jx_str(f->o, "s", &s, &f->why), 0);
	assert_string_equal(s, "text");
	assert_int_equal(jx_str(f->o, "e", &s, &f->why), 0);
	assert_string_equal(s, "");
	assert_string_equal(f->why.s, "");
}

static void all__absent_or_null__keep_the_preset(void **state)
{
	static const char *const keys[] = {"n", "absent"};
	struct fix *f = *state;

	for (int k = 0; k < 2; k++) {
		const char *s = "preset", *key = keys[k];
		struct ip4_net net = {.addr = 7, .plen = 32};
		struct mac mac = {{1}};
		uint32_t ip = 7;
		int64_t i = 7;
		bool b = true;

		assert_int_equal(jx_str(f->o, key, &s, &f->why), 0);
		assert_int_equal(jx_int(f->o, key, 0, 1, &i, &f->why), 0);
		assert_int_equal(jx_bool(f->o, key, &b, &f->why), 0);
		assert_int_equal(jx_mac(f->o, key, &mac, &f->why), 0);
		assert_int_equal(jx_ip4(f->o, key, &ip, &f->why), 0);
		assert_int_equal(jx_net4(f->o, key, &net, &f->why), 0);
		assert_string_equal(s, "preset");
		assert_int_equal(i, 7);
		assert_true(b);
		assert_int_equal(mac.b[0], 1);
		assert_int_equal(ip, 7);
		assert_int_equal(net.addr, 7);
	}
	assert_string_equal(f->why.s, "");
}

static void str__other_type_or_nul_inside__is_refused(void **state)
{
	static const char *const bad[] = {"i", "r", "t", "a", "o", "nul"};
	struct fix *f = *state;
	const char *s = "preset";

	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		assert_int_equal(jx_str(f->o, bad[k], &s, &f->why), -EINVAL);
	assert_string_equal(s, "preset");
	assert_string_equal(f->why.s, "parameter \"nul\" must be a string");
	assert_int_equal(jx_str(f->o, "i", &s, NULL), -EINVAL);
}

static void need_str__absent_or_null__is_refused(void **state)
{
	struct fix *f = *state;
	const char *s = NULL;

	assert_int_equal(jx_need_str(f->o, "absent", &s, &f->why), -EINVAL);
	assert_string_equal(f->why.s, "parameter \"absent\" is missing");
	assert_int_equal(jx_need_str(f->o, "n", &s, &f->why), -EINVAL);
	assert_int_equal(jx_need_str(f->o, "i", &s, &f->why), -EINVAL);
	assert_int_equal(jx_need_str(f->o, "s", &s, &f->why), 0);
	assert_string_equal(s, "text");
}

static void int__limits__are_inclusive(void **state)
{
	struct fix *f = *state;
	int64_t i = 0;

	assert_int_equal(jx_int(f->o, "i", 5, 5, &i, &f->why), 0);
	assert_int_equal(i, 5);
	assert_int_equal(jx_int(f->o, "i", 6, 10, &i, &f->why), -EINVAL);
	assert_string_equal(f->why.s, "parameter \"i\" must be an integer from "
				      "6 to 10");
	assert_int_equal(jx_int(f->o, "i", 0, 4, &i, &f->why), -EINVAL);
	assert_int_equal(jx_int(f->o, "neg", 0, 10, &i, &f->why), -EINVAL);
	assert_int_equal(i, 5);
	assert_int_equal(jx_int(f->o, "max", INT64_MIN, INT64_MAX, &i,
				&f->why),
			 0);
	assert_true(i == INT64_MAX);
}

static void int__other_type__is_refused(void **state)
{
	static const char *const bad[] = {"r", "s", "t", "a"};
	struct fix *f = *state;
	int64_t i = 7;

	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		assert_int_equal(jx_int(f->o, bad[k], 0, 10, &i, &f->why),
				 -EINVAL);
	assert_int_equal(i, 7);
}

static void bool__true_false_else__two_taken(void **state)
{
	struct fix *f = *state;
	bool b = false;

	assert_int_equal(jx_bool(f->o, "t", &b, &f->why), 0);
	assert_true(b);
	assert_int_equal(jx_bool(f->o, "f", &b, &f->why), 0);
	assert_false(b);
	assert_int_equal(jx_bool(f->o, "i", &b, &f->why), -EINVAL);
	assert_string_equal(f->why.s, "parameter \"i\" must be true or false");
}

static void addresses__well_formed__are_read(void **state)
{
	struct fix *f = *state;
	struct ip4_net net;
	struct mac mac;
	uint32_t ip;

	assert_int_equal(jx_mac(f->o, "mac", &mac, &f->why), 0);
	assert_memory_equal(mac.b, "\x52\x54\x00\x12\x34\x56", 6);
	assert_int_equal(jx_ip4(f->o, "ip", &ip, &f->why), 0);
	assert_int_equal(ip, 0x0a00020f);
	assert_int_equal(jx_net4(f->o, "net", &net, &f->why), 0);
	assert_int_equal(net.addr, 0x0a000200);
	assert_int_equal(net.plen, 24);
}

static void addresses__malformed__say_what_was_given(void **state)
{
	struct fix *f = *state;
	struct ip4_net net;
	struct mac mac;
	struct ipaddr any;
	uint32_t ip;

	assert_int_equal(jx_mac(f->o, "ip", &mac, &f->why), -EINVAL);
	assert_string_equal(f->why.s, "parameter \"ip\": \"10.0.2.15\" is no "
				      "MAC address (52:54:00:12:34:56)");
	assert_int_equal(jx_ip4(f->o, "s", &ip, &f->why), -EINVAL);
	assert_string_equal(f->why.s,
			    "parameter \"s\": \"text\" is no IPv4 address");
	assert_int_equal(jx_ip(f->o, "s", &any, &f->why), -EINVAL);
	assert_string_equal(f->why.s, "parameter \"s\": \"text\" is no IPv4 or "
				      "IPv6 address");
	assert_int_equal(jx_net4(f->o, "host", &net, &f->why), -EINVAL);
	assert_int_equal(jx_net4(f->o, "e", &net, &f->why), -EINVAL);
	assert_int_equal(jx_net4(f->o, "i", &net, &f->why), -EINVAL);
}

static void only__unknown_key__is_named(void **state)
{
	static const char *const known[] = {"a", "b", NULL};
	static const char *const none[] = {NULL};
	struct fix *f = *state;
	json_t *o = json_pack("{s:i,s:i}", "a", 1, "b", 2);

	assert_int_equal(jx_only(o, known, &f->why), 0);
	json_object_set_new(o, "c", json_null());
	assert_int_equal(jx_only(o, known, &f->why), -EINVAL);
	assert_string_equal(f->why.s, "parameter \"c\" is not known");
	json_object_clear(o);
	assert_int_equal(jx_only(o, none, &f->why), 0);
	json_decref(o);
}

static void getters__no_object__see_nothing(void **state)
{
	static const char *const none[] = {NULL};
	struct fix *f = *state;
	json_t *array = json_array();
	const char *s = "preset";

	assert_int_equal(jx_str(NULL, "s", &s, &f->why), 0);
	assert_int_equal(jx_str(array, "s", &s, &f->why), 0);
	assert_string_equal(s, "preset");
	assert_int_equal(jx_need_str(NULL, "s", &s, &f->why), -EINVAL);
	assert_int_equal(jx_only(NULL, none, &f->why), 0);
	json_decref(array);
}

static void setters__then_getters__round_trip(void **state)
{
	struct fix *f = *state;
	struct mac mac = {{2, 0, 0xff, 0x80, 1, 9}}, mac2;
	struct ip4_net net = {.addr = 0xc0a83800, .plen = 24}, net2;
	struct ipaddr six = {{0xfd, [15] = 1}}, got;
	struct ip6_net net6;
	uint32_t ip;

	assert_int_equal(jx_set_mac(f->o, "m", &mac), 0);
	assert_int_equal(jx_set_ip4(f->o, "p", 0xffffffff), 0);
	assert_int_equal(jx_set_net4(f->o, "w", &net), 0);
	assert_int_equal(jx_mac(f->o, "m", &mac2, &f->why), 0);
	assert_int_equal(jx_ip4(f->o, "p", &ip, &f->why), 0);
	assert_int_equal(jx_set_ip(f->o, "6", &six), 0);
	assert_int_equal(jx_ip(f->o, "6", &got, &f->why), 0);
	assert_true(ipaddr_eq(&six, &got));
	assert_int_equal(jx_ip(f->o, "p", &got, &f->why), 0);
	assert_true(ipaddr_is4(&got));
	json_object_set_new(f->o, "n6", json_string("fd00:1::/64"));
	assert_int_equal(jx_net6(f->o, "n6", &net6, &f->why), 0);
	assert_int_equal(net6.plen, 64);
	json_object_set_new(f->o, "n6", json_string("fd00:1::1/64"));
	assert_int_equal(jx_net6(f->o, "n6", &net6, &f->why), -EINVAL);
	assert_int_equal(jx_net4(f->o, "w", &net2, &f->why), 0);
	assert_true(mac_eq(&mac, &mac2));
	assert_true(ip == 0xffffffff);
	assert_true(net.addr == net2.addr && net.plen == net2.plen);
	assert_int_equal(jx_set_ip4(NULL, "p", 1), -ENOMEM);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(str__there__is_given),
		T(all__absent_or_null__keep_the_preset),
		T(str__other_type_or_nul_inside__is_refused),
		T(need_str__absent_or_null__is_refused),
		T(int__limits__are_inclusive),
		T(int__other_type__is_refused),
		T(bool__true_false_else__two_taken),
		T(addresses__well_formed__are_read),
		T(addresses__malformed__say_what_was_given),
		T(only__unknown_key__is_named),
		T(getters__no_object__see_nothing),
		T(setters__then_getters__round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
