// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core dhcp_core nat_io nat_core */
/* Leases of both families on their way into the store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/proto.h"
#include "netd/store_int.h"
#include "tests/fake/ctl_rig.h"

/* What the store refuses of one network is not the others' loss. */
static void lease__one_network_refused__others_granted(void **state)
{
	struct rig *r = *state;
	struct network *n = model_net_find(&r->ctl.model, "lab");
	struct fake_worker *two;

	assert_non_null(rig_call(r, "network.define",
				 "{'name':'two','mode':'nat'}", -1));
	two = fake_worker_of(r->priv, "two");
	assert_int_equal(store_net_del(r->ctl.store, n->conf.id, NULL), 0);
	rig_quiet(true);
	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	fake_worker_lease(two, 2, 0x0a00030f, DHCP_BOUND);
	fake_worker_lease(rig_lab(r), 3, 0x0a000210, DHCP_BOUND);
	rig_spin(r);
	rig_quiet(false);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_LEASES_DONE), ":no"));
	assert_non_null(strstr(fake_worker_last(two, W_LEASES_DONE), ":ok"));
}

static json_t *leases_of(struct rig *r, const char *params)
{
	return json_object_get(rig_call(r, "lease.list", params, -1), "leases");
}

/* A worker that is stopped says what it has to, and is gone. */
static void lease__last_words_of_a_worker__kept(void **state)
{
	struct rig *r = *state;

	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	rig_spin(r);
	assert_int_equal(json_array_size(leases_of(r, "{}")), 1);
	fake_worker_lease(rig_lab(r), 0, 0x0a00020f, DHCP_RELEASED);
	fake_worker_die(rig_lab(r));
	rig_spin(r);
	assert_int_equal(json_array_size(leases_of(r, "{}")), 0);
	assert_string_equal(rig_str(json_array_get(leases_of(r, "{'all':true}"),
						   0),
				    "state"),
			    "released");
}

static int count_rows(struct rig *r, const char *table)
{
	char sql[64];
	sqlite3_stmt *st;
	int n;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
	assert_int_equal(sqlite3_prepare_v2(r->ctl.store->db, sql, -1, &st,
					    NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return n;
}

#define LEASE6                                                               \
	"'ip':'fd01:2:3:4::%d','plen':128,'mac':'52:54:00:00:00:01',"         \
	"'duid':'00030001525400000001','iaid':1,'via':'fe80::1','nic':100,"   \
	"'expires':9999999999,'hostname':''"

static void say6(struct rig *r, uint16_t type, const char *fmt, int a, int b)
{
	char text[1024];

	snprintf(text, sizeof(text), fmt, a, b);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	fake_worker_say(rig_lab(r), type, text, -1);
}

/* One batch for both families: granted, ended and refused in the order of things. */
static void lease6__committed_and_ended_in_one_turn__both_kept(void **state)
{
	struct rig *r = *state;

	assert_non_null(rig_call(r, "network.set",
				 "{'name':'lab','subnet6':'fd01:2:3:4::/64',"
				 "'ipv6':'stateful'}",
				 -1));
	say6(r, W_LEASE6_COMMIT,
	     "{'token':7,'leases':[{" LEASE6 "},{" LEASE6 "}]}", 10, 11);
	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	say6(r, W_LEASE6_EVENT, "{" LEASE6 ",'state':'released'}", 10, 0);
	rig_spin(r);
	assert_string_equal(fake_worker_last(rig_lab(r), W_LEASE6_DONE),
			    "{\"token\":7,\"ok\":true}");
	assert_int_equal(fake_worker_count(rig_lab(r), W_LEASE6_DONE), 1);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_LEASES_DONE), ":ok"));
	assert_int_equal(json_array_size(leases_of(r, "{}")), 2);
	/* What ends does so also when nothing more can be stored. */
	sqlite3_exec(r->ctl.store->db, "PRAGMA query_only=1", NULL, NULL, NULL);
	rig_quiet(true);
	say6(r, W_LEASE6_COMMIT, "{'token':8,'leases':[{" LEASE6 "}]}", 12, 0);
	say6(r, W_LEASE6_EVENT, "{" LEASE6 ",'state':'expired'}", 11, 0);
	rig_spin(r);
	rig_quiet(false);
	assert_string_equal(fake_worker_last(rig_lab(r), W_LEASE6_DONE),
			    "{\"token\":8,\"ok\":false}");
	assert_int_equal(json_array_size(leases_of(r, "{}")), 1);
}

/* Another prefix: what lies in the old one ends, in the store, too; what somebody was
 * promised for good has to go first. */
static void subnet6__another__old_leases_end_reservations_refuse(void **state)
{
	static const char *const other =
		"{'name':'lab','subnet6':'fd01:2:3:5::/64'}";
	struct rig *r = *state;

	assert_non_null(rig_call(r, "network.set",
				 "{'name':'lab','subnet6':'fd01:2:3:4::/64',"
				 "'ipv6':'stateful'}",
				 -1));
	say6(r, W_LEASE6_COMMIT,
	     "{'token':7,'leases':[{" LEASE6 "},{" LEASE6 "}]}", 10, 11);
	rig_spin(r);
	assert_non_null(rig_call(r, "reserve.add",
				 "{'network':'lab','vm':'A',"
				 "'address':'fd01:2:3:4::50'}",
				 -1));
	assert_null(rig_call(r, "network.set", other, -1));
	assert_non_null(strstr(rig_text(r), "fd01:2:3:4::50 is reserved for A"));
	assert_int_equal(json_array_size(leases_of(r, "{}")), 2);
	assert_non_null(rig_call(r, "reserve.del",
				 "{'network':'lab','address':'fd01:2:3:4::50'}",
				 -1));
	/* One more is on its way. */
	say6(r, W_LEASE6_COMMIT, "{'token':8,'leases':[{" LEASE6 "}]}", 12, 0);
	assert_non_null(rig_call(r, "network.set", other, -1));
	assert_int_equal(json_array_size(leases_of(r, "{}")), 0);
	assert_int_equal(count_rows(r, "leases6"), 0);
}

#define T_LAB(name) cmocka_unit_test_setup_teardown(name, rig_up_lab, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_LAB(lease__one_network_refused__others_granted),
		T_LAB(lease__last_words_of_a_worker__kept),
		T_LAB(lease6__committed_and_ended_in_one_turn__both_kept),
		T_LAB(subnet6__another__old_leases_end_reservations_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
