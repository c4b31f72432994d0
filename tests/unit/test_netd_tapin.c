// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Bridged networks beside an uplink, as control sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "netd/proto.h"
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

#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tapin__start_stop__two_may_share_the_uplink),
		T(set__other_uplink_mode__worker_anew_with_another_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
