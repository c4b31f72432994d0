// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Bridged networks in control: the uplink is asked of priv, and given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "netd/netctl.h"
#include "tests/fake/ctl_rig.h"

static void define__uplink_missing__failed_with_reason(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(
		r, "network.define",
		"{'name':'b','mode':'bridged','uplink':'nope0'}", -1);

	assert_string_equal(rig_str(o, "state"), "failed");
	assert_non_null(strstr(rig_str(o, "reason"), "nope0"));
	assert_null(rig_call(r, "network.start", "{'name':'b'}", -1));
	assert_int_equal(rig_code(r), RPC_REFUSED);
}

#define TAKE_IN(name)                                    \
	"{'name':'" name "','mode':'bridged','uplink':'lo'," \
	"'uplink_mode':'take-in'}"

static void bridged__start_stop__uplink_in_and_out(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define", TAKE_IN("b"), -1);

	assert_string_equal(rig_str(o, "state"), "running");
	assert_int_equal(r->priv->uplinks_in, 1);
	assert_null(json_object_get(
		rig_call(r, "network.define", TAKE_IN("c"), -1),
		"x"));
	assert_non_null(strstr(rig_str(json_object_get(r->last, "result"),
				       "reason"),
			       "taken by network b"));
	assert_non_null(rig_call(r, "network.stop", "{'name':'b'}", -1));
	assert_int_equal(r->priv->uplinks_out, 1);
}

static void bridged__host_cut_off__only_the_user_tries_again(void **state)
{
	struct rig *r = *state;
	struct network *n;

	r->priv->fail_uplink = -EHOSTUNREACH;
	assert_string_equal(
		rig_str(rig_call(r, "network.define", TAKE_IN("b"), -1), "state"),
		"failed");
	r->priv->fail_uplink = 0;
	n = model_net_find(&r->ctl.model, "b");
	assert_false(n->retry && evtimer_pending(n->retry, NULL));
	netctl_links_changed(&r->ctl);
	assert_int_equal(r->priv->uplinks_in, 0);
	assert_non_null(rig_call(r, "network.start", "{'name':'b'}", -1));
	assert_int_equal(r->priv->uplinks_in, 1);
}

static void bridged__left_half_taken__given_back_first(void **state)
{
	struct rig *r = *state;
	json_t *o;

	r->priv->journal = true;
	o = rig_call(r, "network.define", TAKE_IN("b"), -1);
	assert_string_equal(rig_str(o, "state"), "running");
	assert_int_equal(r->priv->uplinks_out, 1);
	assert_int_equal(r->priv->uplinks_in, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
		T(define__uplink_missing__failed_with_reason),
		T(bridged__start_stop__uplink_in_and_out),
		T(bridged__host_cut_off__only_the_user_tries_again),
		T(bridged__left_half_taken__given_back_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
