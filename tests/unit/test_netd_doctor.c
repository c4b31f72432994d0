// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* daemon.doctor beside the loop: what its process finds, and what becomes of whoever waits. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/rpc.h"
#include "netd/doctor.h"
#include "tests/fake/ctl_rig.h"

static int up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, true, RIGHT_USE);
	r->priv->rulesets = open("tests/unit/rulesets/docker.nl", O_RDONLY);
	assert_true(r->priv->rulesets >= 0); /* run from the project's folder */
	*state = r;
	return 0;
}

static int down(void **state)
{
	struct rig *r = *state;

	close(r->priv->rulesets);
	rig_fini(r);
	free(r);
	return 0;
}

/* The findings, once they are there. */
static json_t *wait_for(struct rig *r)
{
	rig_spin(r);
	while (!r->last) {
		event_base_loop(r->ctl.base, EVLOOP_ONCE);
		rig_spin(r);
	}
	return json_object_get(json_object_get(r->last, "result"), "findings");
}

/* Of packet filters; NULL: there is none. */
static const char *about_filters(json_t *findings)
{
	json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
		if (!strcmp(rig_str(f, "what"), "filter"))
			return rig_str(f, "text");
	return NULL;
}

static void run__rulesets_there__child_answers(void **state)
{
	struct rig *r = *state;
	json_t *found;

	assert_null(rig_call(r, "daemon.doctor", "{}", -1));
	found = wait_for(r);
	assert_true(json_array_size(found) > 0);
	assert_null(about_filters(found)); /* there is no network to be dropped */
	assert_null(r->ctl.doctor);
}

static void run__while_another_is_at_it__told_to_ask_again(void **state)
{
	struct rig *r = *state;
	json_t *first;

	assert_null(rig_call(r, "daemon.doctor", "{}", -1));
	if (!r->last) {
		assert_null(rig_call(r, "daemon.doctor", "{}", -1));
		assert_int_equal(rig_code(r), RPC_REFUSED);
		assert_non_null(strstr(rig_text(r), "ask again"));
		json_decref(r->last);
		r->last = NULL;
	}
	first = wait_for(r);
	assert_true(json_array_size(first) > 0);
}

static void run__rulesets_cannot_be_read__says_why(void **state)
{
	struct rig *r = *state;

	r->priv->fail_rulesets = -EINTR;
	assert_null(rig_call(r, "daemon.doctor", "{}", -1));
	assert_string_equal(about_filters(wait_for(r)),
			    "packet filters cannot be looked at: fake: not read");
}

static void run__no_helper__says_what_needs_root(void **state)
{
	struct rig *r = *state;
	json_t *found;

	r->priv->root = false;
	found = json_object_get(rig_call(r, "daemon.doctor", "{}", -1),
				"findings");
	assert_non_null(strstr(about_filters(found), "runs as root"));
}

static void end__somebody_waits__answered(void **state)
{
	struct rig *r = *state;

	assert_null(rig_call(r, "daemon.doctor", "{}", -1));
	doctor_end(&r->ctl);
	assert_non_null(about_filters(wait_for(r)));
	assert_null(r->ctl.doctor);
	doctor_end(&r->ctl); /* nobody is there */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up, down)
	const struct CMUnitTest tests[] = {
		T(run__rulesets_there__child_answers),
		T(run__while_another_is_at_it__told_to_ask_again),
		T(run__rulesets_cannot_be_read__says_why),
		T(run__no_helper__says_what_needs_root),
		T(end__somebody_waits__answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
