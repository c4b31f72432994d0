// SPDX-License-Identifier: GPL-2.0-or-later
/* links: cli */
#include "cli/forward_spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct forward_spec good(const char *s)
{
	struct forward_spec f;
	struct errtext why = {{0}};

	if (forward_spec_parse(s, &f, &why))
		fail_msg("%s: %s", s, why.s);
	return f;
}

static void bad(const char *s, const char *says)
{
	struct forward_spec f;
	struct errtext why = {{0}};

	if (!forward_spec_parse(s, &f, &why))
		fail_msg("%s was taken", s);
	if (!strstr(why.s, says))
		fail_msg("%s: \"%s\" does not say \"%s\"", s, why.s, says);
}

static void forward_spec_parse__all_parts__are_read(void **state)
{
	struct forward_spec f = good("tcp:127.0.0.1:2222:MyVM:22");

	(void)state;
	assert_string_equal(f.proto, "tcp");
	assert_string_equal(f.address, "127.0.0.1");
	assert_int_equal(f.port, 2222);
	assert_int_equal(f.port_end, 2222);
	assert_string_equal(f.to_vm, "MyVM");
	assert_int_equal(f.to_nic, -1);
	assert_string_equal(f.to_address, "");
	assert_int_equal(f.to_port, 22);
}

static void forward_spec_parse__no_address__means_all(void **state)
{
	(void)state;
	assert_string_equal(good("udp:53:dns:5353").address, "");
	assert_string_equal(good("udp:53:dns:5353").proto, "udp");
}

static void forward_spec_parse__no_target_port__is_the_hosts(void **state)
{
	(void)state;
	assert_int_equal(good("tcp:8080:web").to_port, 8080);
	assert_int_equal(good("tcp:8000-8010:web").to_port, 8000);
}

static void forward_spec_parse__range__maps_in_parallel(void **state)
{
	struct forward_spec f = good("tcp:8000-8010:web:9000-9010");

	(void)state;
	assert_int_equal(f.port, 8000);
	assert_int_equal(f.port_end, 8010);
	assert_int_equal(f.to_port, 9000);
	assert_int_equal(f.to_port_end, 9010);
}

static void forward_spec_parse__range_to_one_port__is_ambiguous(void **state)
{
	(void)state;
	bad("tcp:8000-8010:web:80", "did you mean 80-90?");
	bad("tcp:8000-8010:web:8000", "11 ports of the host cannot lead to");
	bad("tcp:1-10:MyVM:65530", "as a range, too");
	bad("tcp:80:MyVM:80-90", "port 80 of the host cannot lead to");
}

static void forward_spec_target__parts__are_read(void **state)
{
	struct forward_spec f = {.proto = "tcp", .port = 5, .port_end = 6};
	struct errtext why;

	(void)state;
	assert_int_equal(forward_spec_target("MyVM:22", &f, &why), 0);
	assert_string_equal(f.to_vm, "MyVM");
	assert_int_equal(f.to_port, 22);
	assert_int_equal(forward_spec_target("[fd00::1]:7-8", &f, &why), 0);
	assert_string_equal(f.to_address, "fd00::1");
	assert_string_equal(f.to_vm, "");
	assert_int_equal(f.to_port_end, 8);
	assert_int_equal(forward_spec_finish(&f, &why), 0);
	assert_int_equal(forward_spec_target("web/2", &f, &why), 0);
	assert_int_equal(f.to_nic, 2);
	assert_int_equal(f.to_port, 0);
	assert_int_equal(forward_spec_finish(&f, &why), 0);
	assert_int_equal(f.to_port, 5);
	assert_int_equal(f.to_port_end, 6);
	assert_true(forward_spec_target("", &f, &why) < 0);
	assert_true(forward_spec_target("MyVM:", &f, &why) < 0);
	assert_true(forward_spec_target("MyVM:1:2", &f, &why) < 0);
	assert_int_equal(f.port, 5);
}

static void forward_spec_ports__range__is_read(void **state)
{
	struct forward_spec f = {.port = 1};
	struct errtext why;

	(void)state;
	assert_true(forward_spec_ports("9-8", &f, &why) < 0);
	assert_int_equal(f.port, 1);
	assert_int_equal(forward_spec_ports("8000-8010", &f, &why), 0);
	assert_int_equal(f.port_end, 8010);
}

static void forward_spec_parse__guest_address__is_no_vm(void **state)
{
	struct forward_spec f = good("tcp:2222:10.0.2.15:22");

	(void)state;
	assert_string_equal(f.to_address, "10.0.2.15");
	assert_string_equal(f.to_vm, "");
}

static void forward_spec_parse__second_nic__is_behind_a_slash(void **state)
{
	struct forward_spec f = good("tcp:2222:MyVM/1:22");

	(void)state;
	assert_string_equal(f.to_vm, "MyVM");
	assert_int_equal(f.to_nic, 1);
}

static void forward_spec_parse__ipv6__in_brackets(void **state)
{
	struct forward_spec f = good("tcp:[::1]:2222:[fd00::15]:22");

	(void)state;
	assert_string_equal(f.address, "::1");
	assert_string_equal(f.to_address, "fd00::15");
	assert_int_equal(f.to_port, 22);
}

static void forward_spec_parse__vm_named_like_a_number__is_a_vm(void **state)
{
	(void)state;
	assert_string_equal(good("tcp:80:8080:80").to_vm, "8080");
}

static void forward_spec_parse__wrong__says_what_is_right(void **state)
{
	(void)state;
	bad("", "tcp: or udp:");
	bad("sctp:1:a:1", "tcp: or udp:");
	bad("tcp", "port is missing");
	bad("tcp:", "last colon");
	bad("tcp:2222", "target is missing");
	bad("tcp:2222:", "last colon");
	bad("tcp:2222:MyVM:", "last colon");
	bad("tcp::MyVM:22", "port is missing");
	bad("tcp:http:MyVM:22", "neither a port nor an address");
	bad("tcp:10.0.0.1:MyVM:22", "no port");
	bad("tcp:0:MyVM:22", "no port");
	bad("tcp:65536:MyVM:22", "no port");
	bad("tcp:-5:MyVM:22", "no port");
	bad("tcp:20-10:MyVM:22", "no port");
	bad("tcp:10-:MyVM:22", "no port");
	bad("tcp:1-2-3:MyVM:22", "no port");
	bad("tcp:2222:MyVM:ssh", "no port");
	bad("tcp:2222:MyVM:22:x", "too much");
	bad("tcp:2222:MyVM/x:22", "number of a NIC");
	bad("tcp:2222:/1:22", "neither a VM nor");
	bad("tcp:1-10:MyVM:1-5", "differ in length");
	bad("tcp:[::1:2222:MyVM:22", "port is missing");
	bad("tcp:[::1]x:2222:MyVM:22", "port is missing");
}

static void forward_spec_parse__any_cut__never_reads_beyond(void **state)
{
	static const char text[] = "tcp:[::1]:8000-8010:MyVM/1:9000-9010";
	struct forward_spec f;
	struct errtext why;

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *s = strndup(text, n);

		forward_spec_parse(s, &f, &why);
		forward_spec_parse_key(s, &f, &why);
		free(s);
	}
}

static void forward_spec_parse__long_part__is_refused(void **state)
{
	char s[256];

	(void)state;
	snprintf(s, sizeof(s), "tcp:80:%0100d:80", 0);
	bad(s, "target is missing");
	snprintf(s, sizeof(s), "tcp:80:%070d:80", 0);
	bad(s, "neither a VM nor");
}

static void forward_spec_parse_key__port__is_enough(void **state)
{
	struct forward_spec f;

	(void)state;
	assert_int_equal(forward_spec_parse_key("tcp:2222", &f, NULL), 0);
	assert_int_equal(f.port, 2222);
	assert_int_equal(forward_spec_parse_key("udp:127.0.0.1:53", &f, NULL),
			 0);
	assert_string_equal(f.address, "127.0.0.1");
}

static void forward_spec_parse_key__target__is_refused(void **state)
{
	struct forward_spec f;
	struct errtext why;

	(void)state;
	assert_true(forward_spec_parse_key("tcp:2222:MyVM:22", &f, &why) < 0);
	assert_non_null(strstr(why.s, "tcp:2222"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_spec_parse__all_parts__are_read),
		cmocka_unit_test(forward_spec_parse__no_address__means_all),
		cmocka_unit_test(
			forward_spec_parse__no_target_port__is_the_hosts),
		cmocka_unit_test(forward_spec_parse__range__maps_in_parallel),
		cmocka_unit_test(
			forward_spec_parse__range_to_one_port__is_ambiguous),
		cmocka_unit_test(forward_spec_target__parts__are_read),
		cmocka_unit_test(forward_spec_ports__range__is_read),
		cmocka_unit_test(forward_spec_parse__guest_address__is_no_vm),
		cmocka_unit_test(
			forward_spec_parse__second_nic__is_behind_a_slash),
		cmocka_unit_test(forward_spec_parse__ipv6__in_brackets),
		cmocka_unit_test(
			forward_spec_parse__vm_named_like_a_number__is_a_vm),
		cmocka_unit_test(forward_spec_parse__wrong__says_what_is_right),
		cmocka_unit_test(
			forward_spec_parse__any_cut__never_reads_beyond),
		cmocka_unit_test(forward_spec_parse__long_part__is_refused),
		cmocka_unit_test(forward_spec_parse_key__port__is_enough),
		cmocka_unit_test(forward_spec_parse_key__target__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
