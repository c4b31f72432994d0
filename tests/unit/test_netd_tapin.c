// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Bridged networks beside an uplink, as control sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/proto.h"
#include "netd/tapinctl.h"
#include "tests/fake/ctl_rig.h"

static void tapin__start_stop__two_may_share_the_uplink(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define",
			     "{'name':'b','mode':'bridged','uplink':'lo'}",
			     -1);

	assert_string_equal(rig_str(o, "state"), "running");
	assert_string_equal(rig_str(o, "uplink_mode"), "tap-in");
	o = rig_call(r, "network.define",
		     "{'name':'c','mode':'bridged','uplink':'lo'}", -1);
	assert_string_equal(rig_str(o, "state"), "running");
	assert_int_equal(r->priv->tapins, 2);
	assert_int_equal(r->priv->uplinks_in, 0);
	assert_non_null(strstr(fake_worker_last(fake_worker_of(r->priv, "c"),
						W_NIC_ADD),
			       "02:00:00:00:00:01"));
	/* It cannot be in a bridge as well. */
	o = rig_call(r, "network.define",
		     "{'name':'d','mode':'bridged','uplink':'lo',"
		     "'uplink_mode':'take-in'}", -1);
	assert_string_equal(rig_str(o, "state"), "failed");
	assert_non_null(strstr(rig_str(o, "reason"), "used by network b"));
}

static void set__other_uplink_mode__worker_anew_with_another_port(void **state)
{
	struct rig *r = *state;
	json_t *o;

	rig_call(r, "network.define",
		 "{'name':'b','mode':'bridged','uplink':'lo'}", -1);
	o = rig_call(r, "network.set", "{'name':'b','uplink_mode':'take-in'}",
		     -1);
	assert_string_equal(rig_str(o, "uplink_mode"), "take-in");
	assert_string_equal(rig_str(o, "state"), "running");
	assert_int_equal(r->priv->uplinks_in, 1);
	rig_call(r, "network.define", "{'name':'n','mode':'nat'}", -1);
	assert_null(rig_call(r, "network.set",
			     "{'name':'n','uplink_mode':'take-in'}", -1));
	assert_non_null(strstr(rig_text(r), "only bridged networks"));
}

static void mac_nat__asked_for__priv_and_worker_know(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define",
			     "{'name':'b','mode':'bridged','uplink':'lo'}",
			     -1);

	/* The usual: only beside a Wi-Fi card. */
	assert_string_equal(rig_str(o, "mac_nat"), "auto");
	assert_false(r->priv->mac_nat);
	o = rig_call(r, "network.set", "{'name':'b','mac_nat':'on'}", -1);
	assert_string_equal(rig_str(o, "mac_nat"), "on");
	assert_true(json_is_true(json_object_get(o, "mac_nat_active")));
	assert_true(r->priv->mac_nat);
	assert_int_equal(r->priv->tapins, 2); /* opened anew */
	assert_non_null(strstr(fake_worker_last(fake_worker_of(r->priv, "b"),
						W_NIC_ADD),
			       "\"mac_nat\":true"));
	assert_null(rig_call(r, "network.set",
			     "{'name':'b','uplink_mode':'take-in'}", -1));
	assert_non_null(strstr(rig_text(r), "goes with uplink mode tap-in"));
	o = rig_call(r, "network.set",
		     "{'name':'b','uplink_mode':'take-in','mac_nat':'off'}", -1);
	assert_true(json_is_null(json_object_get(o, "mac_nat")));
}

static void mac_nat__not_bridged__refused(void **state)
{
	struct rig *r = *state;

	assert_null(rig_call(r, "network.define",
			     "{'name':'n','mode':'nat','mac_nat':'on'}", -1));
	assert_non_null(strstr(rig_text(r), "only guests of bridged networks"));
}

static void plan__tap_in__says_what_is_done(void **state)
{
	struct rig *r = *state;
	json_t *o;

	rig_call(r, "network.define",
		 "{'name':'b','mode':'bridged','uplink':'lo','mac_nat':'on'}", -1);
	o = rig_call(r, "network.plan", "{'name':'b'}", -1);
	assert_int_equal(json_array_size(json_object_get(o, "steps")), 0);
	o = rig_call(r, "network.plan", "{'name':'b','all':true}", -1);
	o = json_object_get(o, "steps");
	assert_int_equal(json_array_size(o), 3);
	assert_non_null(strstr(json_string_value(json_array_get(o, 2)),
			       "packet socket on lo, which stays as it is: all "
			       "groups; guests share its MAC"));
}

static void is_wireless__by_what_sys_has_of_it(void **state)
{
	char root[] = "/tmp/vnt-tapin-XXXXXX", cmd[200];

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(cmd, sizeof(cmd),
		 "cd %s && mkdir -p sys/class/net/eth0 "
		 "sys/class/net/wlan0/wireless sys/class/net/wlan1 && "
		 "ln -s ../eth0 sys/class/net/wlan1/phy80211", root);
	assert_int_equal(system(cmd), 0);
	assert_false(tapinctl_is_wireless(root, "eth0"));
	assert_true(tapinctl_is_wireless(root, "wlan0"));
	assert_true(tapinctl_is_wireless(root, "wlan1"));
	assert_false(tapinctl_is_wireless(root, "wlan2"));
	snprintf(cmd, sizeof(cmd), "rm -r %s", root);
	assert_int_equal(system(cmd), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tapin__start_stop__two_may_share_the_uplink),
		T(set__other_uplink_mode__worker_anew_with_another_port),
		T(mac_nat__asked_for__priv_and_worker_know),
		T(mac_nat__not_bridged__refused),
		T(plan__tap_in__says_what_is_done),
		cmocka_unit_test(is_wireless__by_what_sys_has_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
