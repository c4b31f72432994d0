// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* What NICs may say and how much: the words, what a network gives, what goes together. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netd/guardconf.h"
#include "netd/proto.h"
#include "tests/fake/ctl_rig.h"

static struct guard_conf read_nic(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	struct guard_conf c;

	guardconf_inherit(&c);
	assert_non_null(o);
	assert_int_equal(guardconf_read(o, true, &c, NULL), 0);
	json_decref(o);
	return c;
}

static int refused(const char *json, bool nic)
{
	struct guard_conf c = {0}, was = c;
	json_t *o = json_loads(json, 0, NULL);
	struct errtext why = {""};
	int r = guardconf_read(o, nic, &c, &why);

	json_decref(o);
	assert_true(guardconf_eq(&c, &was));
	assert_true(!r || why.s[0]);
	return r;
}

static struct net_conf a_net(void)
{
	return (struct net_conf){
		.name = "lab",
		.mode = NET_NAT,
		.subnet = {0x0a000200, 24},
		.subnet6 = {{{0xfd}}, 64},
		.service_ip = 0x0a000202,
		.dns_ip = 0x0a000203,
		.dhcp_first = 0x0a00020f,
		.dhcp_last = 0x0a0002fe,
	};
}

static void ips__list__in_its_one_form(void **state)
{
	struct guard_conf c = read_nic(
		"{\"guard_ips\":\"10.5.0.0/16,FD00:0:0:1::/64,10.0.2.50,0.0.0.0/0\"}");
	struct pin_net n[GUARDCONF_IPS];

	(void)state;
	assert_string_equal(c.ips,
			    "10.5.0.0/16,fd00:0:0:1::/64,10.0.2.50,0.0.0.0/0");
	assert_int_equal(guardconf_ips(c.ips, n, NULL), 4);
	assert_int_equal(n[0].plen, 96 + 16);
	assert_int_equal(n[1].plen, 64);
	assert_int_equal(n[2].plen, 128);
	assert_int_equal(n[3].plen, 96);
	assert_string_equal(read_nic("{\"guard_ips\":\"none\"}").ips, "");
	assert_string_equal(read_nic("{}").ips, "");
}

static void ips__longest_list__fits(void **state)
{
	char text[GUARDCONF_IPS * IP6_NET_TEXT + 32] = "";
	char json[sizeof(text) + 32];
	struct pin_net n[GUARDCONF_IPS];
	size_t at = 0;

	(void)state;
	for (int i = 0; i < GUARDCONF_IPS; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "%s2001:db8:aaaa:bbbb:cccc:dddd:eeee:%x00/120",
				       i ? "," : "", 0xf0 + i);
	snprintf(json, sizeof(json), "{\"guard_ips\":\"%s\"}", text);
	assert_string_equal(read_nic(json).ips, text);
	strcat(text, ",10.0.0.1");
	assert_int_equal(guardconf_ips(text, n, NULL), -EINVAL);
}

static void ips__nonsense__refused(void **state)
{
	static const char *const bad[] = {
		",",	   "10.0.2.5,",	   ",10.0.2.5",	 "10.0.2.5/24", "fd00::1/64",
		"10.0.2",  "10.0.2.5 ",	   "224.0.0.1",	 "ff02::1",	"127.0.0.1",
		"0.0.0.0", "::",	   "none,1.2.3.4", "10.0.2.5/",	"x",
		"10.0.2.5,,10.0.2.6",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	struct pin_net n[GUARDCONF_IPS];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct errtext why = {""};

		if (guardconf_ips(bad[i], n, &why) >= 0)
			fail_msg("%s", bad[i]);
		assert_true(why.s[0]);
	}
}

static void read__nonsense__refused_and_unchanged(void **state)
{
	(void)state;
	assert_int_equal(refused("{\"guard\":\"on\"}", true), -EINVAL);
	assert_int_equal(refused("{\"guard\":\"network\"}", false), -EINVAL);
	assert_int_equal(refused("{\"storm\":-1}", false), -EINVAL);
	assert_int_equal(refused("{\"storm\":1000001}", true), -EINVAL);
	assert_int_equal(refused("{\"rate_in\":-1}", true), -EINVAL);
	assert_int_equal(refused("{\"guard_ips\":\"x\",\"guard\":\"ip\"}", true),
			 -EINVAL);
}

static void of__what_the_nic_leaves_open__is_the_networks(void **state)
{
	struct guard_conf def = {.level = PIN_MAC, .isolated = 1, .storm = 9};
	struct guard_conf c = read_nic("{}"), e = guardconf_of(&c, &def);

	(void)state;
	assert_int_equal(e.level, PIN_MAC);
	assert_int_equal(e.isolated, 1);
	assert_int_equal(e.storm, 9);
	c = read_nic("{\"guard\":\"off\",\"isolated\":\"off\",\"storm\":0,"
		     "\"rate_in\":7}");
	e = guardconf_of(&c, &def);
	assert_int_equal(e.level, PIN_OFF);
	assert_int_equal(e.isolated, 0);
	assert_int_equal(e.storm, 0);
	assert_int_equal(e.rate_in, 7);
}

static void check__network_that_gives_no_addresses__wants_them_named(void **state)
{
	struct guard_conf c = read_nic("{\"guard\":\"ip\"}");
	struct net_conf n = a_net();

	(void)state;
	assert_int_equal(guardconf_check(&c, &n, NULL), 0);
	n.dhcp_first = n.dhcp_last = 0;
	assert_int_equal(guardconf_check(&c, &n, NULL), -EINVAL);
	c = read_nic("{\"guard\":\"ip\",\"guard_ips\":\"10.9.0.1\"}");
	assert_int_equal(guardconf_check(&c, &n, NULL), 0);
}

static void check__networks_own_address__is_nobodys(void **state)
{
	static const char *const own[] = {"10.0.2.2", "10.0.2.3", "fd00::2"};
	struct net_conf n = a_net();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct guard_conf c;

		guardconf_inherit(&c);
		snprintf(c.ips, sizeof(c.ips), "10.0.2.50,%s", own[i]);
		assert_int_equal(guardconf_check(&c, &n, NULL), -EINVAL);
	}
}

static void check__kernel_datapath__all_of_it(void **state)
{
	static const char *const some[] = {
		"{\"guard\":\"mac\"}", "{\"isolated\":\"on\"}", "{\"storm\":1}",
		"{\"rate_out\":1}",
		"{\"guard_ips\":\"10.0.2.50,10.5.0.0/16\"}"};
	struct net_conf n = a_net();
	struct guard_conf c;

	(void)state;
	n.datapath = DATAPATH_KERNEL;
	for (size_t i = 0; i < ARRAY_LEN(some); i++) {
		c = read_nic(some[i]);
		assert_int_equal(guardconf_check(&c, &n, NULL), 0);
	}
	n.guard.level = PIN_IP;
	assert_int_equal(guardconf_check_net(&n, NULL), 0);
}

static void weaker__than_the_network__is_for_root(void **state)
{
	static const char *const weak[] = {
		"{\"guard\":\"off\"}", "{\"guard\":\"mac\"}",
		"{\"isolated\":\"off\"}", "{\"storm\":0}", "{\"storm\":11}",
		"{\"guard_ips\":\"10.0.2.50\"}"};
	struct net_conf n = a_net();
	struct guard_conf c = read_nic("{\"guard\":\"ip\",\"isolated\":\"on\","
				       "\"storm\":3,\"rate_in\":5}");

	(void)state;
	assert_int_equal(guardconf_weaker(&c, &n, NULL), 0);
	n.guard = (struct guard_conf){.level = PIN_IP, .isolated = 1,
				      .storm = 10};
	assert_int_equal(guardconf_weaker(&c, &n, NULL), 0);
	c = read_nic("{}");
	assert_int_equal(guardconf_weaker(&c, &n, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
		c = read_nic(weak[i]);
		assert_int_equal(guardconf_weaker(&c, &n, NULL), -EPERM);
	}
}

static void show__says_what_holds_and_whose_word_it_is(void **state)
{
	struct net_conf n = a_net();
	struct guard_conf c = read_nic("{\"guard\":\"ip\","
				       "\"guard_ips\":\"10.0.2.50,fd00::/64\"}");
	json_t *o;
	char *s;

	(void)state;
	n.guard.storm = 4;
	o = guardconf_show(&c, &n);
	s = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(s, "{\"ips\":[\"10.0.2.50\",\"fd00::/64\"],"
			       "\"isolated\":false,\"level\":\"ip\","
			       "\"own\":[\"level\"],\"rate_in\":0,"
			       "\"rate_out\":0,\"storm\":4}");
	free(s);
	json_decref(o);
}

/* ---- all of control -------------------------------------------------------- */

static void nic_set__one_nic_and_the_network__the_worker_is_told(void **state)
{
	struct rig *r = *state;
	json_t *o;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab','guard':'mac'}", -1);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_ADD),
			       "\"guard\":{\"level\":\"mac\""));
	o = rig_call(r, "nic.set",
		     "{'vm':'A','isolated':'on','guard_ips':'10.0.2.77'}", -1);
	assert_non_null(o);
	o = json_object_get(o, "guard");
	assert_string_equal(rig_str(o, "level"), "mac");
	assert_true(json_is_true(json_object_get(o, "isolated")));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_GUARD),
			       "\"ips\":\"10.0.2.77\""));
	/* Nothing that was said is asked again by who attaches again. */
	assert_non_null(rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}",
				 -1));
	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'A','network':'lab','guard':'off'}", -1));
	assert_int_equal(rig_code(r), RPC_EXISTS);
	/* The network's word, where the NIC has none. */
	assert_non_null(rig_call(r, "network.set",
				 "{'name':'lab','guard':'ip','storm':9}", -1));
	assert_int_equal(fake_worker_count(rig_lab(r), W_NIC_GUARD), 2);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_GUARD),
			       "\"level\":\"mac\",\"isolated\":true,\"storm\":9"));
	assert_non_null(rig_call(r, "nic.set", "{'vm':'A','guard':'network'}",
				 -1));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_GUARD),
			       "\"level\":\"ip\""));
	assert_null(rig_call(r, "nic.set", "{'vm':'A','guard_ips':'10.0.2.2'}",
			     -1));
	assert_non_null(strstr(rig_text(r), "own address"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ips__list__in_its_one_form),
		cmocka_unit_test(ips__longest_list__fits),
		cmocka_unit_test(ips__nonsense__refused),
		cmocka_unit_test(read__nonsense__refused_and_unchanged),
		cmocka_unit_test(of__what_the_nic_leaves_open__is_the_networks),
		cmocka_unit_test(
			check__network_that_gives_no_addresses__wants_them_named),
		cmocka_unit_test(check__networks_own_address__is_nobodys),
		cmocka_unit_test(check__kernel_datapath__all_of_it),
		cmocka_unit_test(weaker__than_the_network__is_for_root),
		cmocka_unit_test(show__says_what_holds_and_whose_word_it_is),
		cmocka_unit_test_setup_teardown(
			nic_set__one_nic_and_the_network__the_worker_is_told, rig_up_lab,
			rig_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
