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

#include "netd/knetctl.h"
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

/* ---- datapath kernel ---------------------------------------------------------------- */

#define KERNEL \
	"{'name':'b','mode':'bridged','uplink':'lo','datapath':'kernel'}"

static void kernel__nothing_taken_in__taken_in_for_guests(void **state)
{
	struct rig *r = *state;
	const struct priv_uplink *u = &r->priv->last_uplink;
	json_t *o;

	r->priv->fail_keep = -ENOENT;
	o = rig_call(r, "network.define", KERNEL, -1);
	assert_string_equal(rig_str(o, "state"), "running");
	assert_string_equal(rig_str(o, "bridge"), "vn-br-b");
	assert_string_equal(rig_str(o, "uplink_mode"), "take-in");
	assert_int_equal(r->priv->uplinks_in, 1);
	assert_string_equal(u->network, "b");
	assert_string_equal(u->bridge, "vn-br-b");
	assert_string_equal(u->tap, "vn-up-b");
	assert_true(r->priv->last_kport.uplink);
	assert_int_equal(r->priv->knets, 0);
	r->priv->fail_keep = 0;
	assert_non_null(rig_call(r, "nic.attach", "{'vm':'A','network':'b'}", -1));
	assert_true(r->priv->last_kport.nic && r->priv->last_kport.uplink);
	assert_non_null(rig_call(r, "network.stop", "{'name':'b'}", -1));
	assert_int_equal(r->priv->uplinks_out, 1);
	assert_int_equal(r->priv->knets_down, 0);
}

static void kernel__left_by_the_last_vnetd__taken_over(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define", KERNEL, -1);

	assert_string_equal(rig_str(o, "state"), "running");
	assert_int_equal(r->priv->uplinks_in, 0);
	assert_int_equal(r->priv->kports, 1);
}

static void kernel__left_in_pieces__given_back_first(void **state)
{
	struct rig *r = *state;

	r->priv->fail_keep = -ESTALE;
	assert_string_equal(rig_str(rig_call(r, "network.define", KERNEL, -1),
				    "state"), "running");
	assert_int_equal(r->priv->uplinks_out, 1);
	assert_int_equal(r->priv->uplinks_in, 1);
}

static void kernel__tap_in__refused(void **state)
{
	struct rig *r = *state;

	assert_null(rig_call(r, "network.define",
			     "{'name':'b','mode':'bridged','uplink':'lo',"
			     "'datapath':'kernel','uplink_mode':'tap-in'}", -1));
	assert_non_null(strstr(rig_text(r), "takes the uplink in"));
}

/* A bridge that somebody deleted is no reason to cut the host off again and again. */
static void kernel__gone_while_it_runs__once_anew(void **state)
{
	struct rig *r = *state;
	struct network *n;

	rig_call(r, "network.define", KERNEL, -1);
	n = model_net_find(&r->ctl.model, "b");
	rig_quiet(true);
	r->priv->fail_keep = -ESTALE;
	r->priv->fail_uplink = -EHOSTUNREACH;
	knetctl_link(&r->ctl, 0, NULL); /* looked at, soon */
	for (int i = 0; i < 100 && n->state != NET_FAILED; i++) {
		event_base_loop(r->ctl.base, EVLOOP_ONCE);
		rig_spin(r);
	}
	rig_quiet(false);
	assert_int_equal(n->state, NET_FAILED);
	assert_true(n->harmful);
	assert_false(n->bridged || n->bridge_in);
	assert_false(n->retry && evtimer_pending(n->retry, NULL));
}

static int up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, true, RIGHT_ADMIN);
	r->ctl.knet = knetctl_new(&r->ctl);
	assert_non_null(r->ctl.knet);
	*state = r;
	return 0;
}

static int down(void **state)
{
	struct rig *r = *state;

	knetctl_free(r->ctl.knet);
	r->ctl.knet = NULL;
	rig_fini(r);
	free(r);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
		T(define__uplink_missing__failed_with_reason),
		T(bridged__start_stop__uplink_in_and_out),
		T(bridged__host_cut_off__only_the_user_tries_again),
		T(bridged__left_half_taken__given_back_first),
#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
		T(kernel__nothing_taken_in__taken_in_for_guests),
		T(kernel__left_by_the_last_vnetd__taken_over),
		T(kernel__left_in_pieces__given_back_first),
		T(kernel__tap_in__refused),
		T(kernel__gone_while_it_runs__once_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
