// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* DHCP's settings: API in, store and workers out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/proto.h"
#include "tests/fake/ctl_rig.h"

/* Wait for the supervisor's short delay. */
static void spin_until_started(struct rig *r, unsigned int workers)
{
	for (int i = 0; i < 50 && r->priv->nworkers < workers; i++) {
		event_base_loop(r->ctl.base, EVLOOP_ONCE);
		rig_spin(r);
	}
	assert_int_equal(r->priv->nworkers, workers);
	rig_spin(r);
}

static void option_set__scopes__worker_told_and_listed(void **state)
{
	struct rig *r = *state;
	json_t *o;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','options':['mtu=1400',"
				 "'224:string=hi']}",
				 -1));
	rig_spin(r);
	o = json_loads(fake_worker_last(rig_lab(r), W_DHCP_SCOPE), 0, NULL);
	assert_string_equal(rig_str(o, "scope"), "network");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(o, "options"), 1)),
			    "26:hex=0x0578");
	json_decref(o);
	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','vm':'A','nic':0,"
				 "'options':['mtu=']}",
				 -1));
	rig_spin(r);
	o = json_loads(fake_worker_last(rig_lab(r), W_DHCP_SCOPE), 0, NULL);
	assert_string_equal(rig_str(o, "scope"), "nic");
	assert_int_equal(json_integer_value(json_object_get(o, "nic")), 100);
	json_decref(o);
	o = json_object_get(rig_call(r, "option.list", "{}", -1), "options");
	assert_int_equal(json_array_size(o), 3);
	assert_string_equal(rig_str(json_array_get(o, 1), "name"), "mtu");
	assert_string_equal(rig_str(json_array_get(o, 1), "value"), "1400");
	assert_string_equal(rig_str(json_array_get(o, 2), "scope"), "vm:A/0");
	/* A new worker hears of them again. */
	fake_worker_die(rig_lab(r));
	spin_until_started(r, 2);
	assert_true(fake_worker_count(rig_lab(r), W_DHCP_SCOPE) >= 2);
	assert_non_null(rig_call(r, "option.del",
				 "{'network':'lab','options':['mtu']}", -1));
	assert_non_null(rig_call(r, "option.del", "{'network':'lab'}", -1));
	assert_null(rig_call(r, "option.del", "{'network':'lab'}", -1));
	assert_int_equal(rig_code(r), RPC_NOT_FOUND);
}

static void option_set__of_the_server__in_its_configuration(void **state)
{
	struct rig *r = *state;
	json_t *o, *dhcp;

	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','options':["
				 "'identity=rfc2131','leases-per-nic=100',"
				 "'boot:bios=pxelinux.0',"
				 "'pool:10.9.0.0/24=auto@10.9.0.9',"
				 "'boot-server=10.0.2.9']}",
				 -1));
	rig_spin(r);
	o = json_loads(fake_worker_last(rig_lab(r), W_NET), 0, NULL);
	dhcp = json_object_get(o, "dhcp");
	assert_string_equal(rig_str(dhcp, "identity"), "rfc2131");
	assert_int_equal(json_integer_value(json_object_get(dhcp, "per_nic")),
			 100);
	assert_string_equal(rig_str(dhcp, "boot_server"), "10.0.2.9");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(dhcp, "boot"), 0)),
			    "bios=pxelinux.0");
	assert_string_equal(json_string_value(json_array_get(
				    json_object_get(dhcp, "pools"), 0)),
			    "10.9.0.0/24=auto@10.9.0.9");
	json_decref(o);
	/* They overlap neither the network's nor each other. */
	assert_null(rig_call(r, "option.set",
			     "{'network':'lab','options':["
			     "'pool:10.9.0.128/25=auto']}",
			     -1));
	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','options':["
				 "'pool:10.9.0.0/24=10.9.0.5-10.9.0.9']}",
				 -1));
	assert_non_null(rig_call(
		r, "option.del",
		"{'network':'lab','options':['pool:10.9.0.0/24']}", -1));
}

static void option_set__nonsense__refused(void **state)
{
	static const char *const bad[] = {
		"{'network':'lab'}",
		"{'network':'lab','options':['mtu=1']}",
		"{'network':'lab','options':['mtu=1400','x=1']}",
		"{'network':'lab','vm':'A','mac':'52:54:00:00:00:01',"
		"'options':['mtu=1400']}",
		"{'network':'lab','nic':1,'options':['mtu=1400']}",
		"{'network':'lab','vm':'a b','options':['mtu=1400']}",
		"{'network':'lab','vm':'A','options':['identity=nic']}",
		"{'network':'lab','options':['identity=me']}",
		"{'network':'lab','options':['leases-per-nic=0']}",
		"{'network':'lab','options':['boot:vax=f']}",
		"{'network':'lab','options':['boot-server=x']}",
		"{'network':'lab','options':['pool:10.0.2.0/24=auto']}",
		"{'network':'lab','options':['pool:10.9.0.0/24=x']}",
		"{'network':'lab','vm':'A','options':['pool:10.9.0.0/24=auto']}",
		"{'network':'lab','group':'g','options':['mtu=1400']}",
		"{'network':'lab','group':'g','match':'x','options':[]}",
		"{'network':'lab','match':'mac=*','options':['mtu=1400']}",
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (rig_call(r, "option.set", bad[i], -1))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(rig_code(r), RPC_BAD_PARAMS);
	}
	assert_int_equal(
		json_array_size(json_object_get(
			rig_call(r, "option.list", "{}", -1), "options")),
		0);
	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','group':'g','match':"
				 "'user=iPXE,mac=52:*','options':['mtu=1400']}",
				 -1));
}

/* @digits of "ff" as option @code of @scope ("'vm':'A'," or ""). */
static bool put_long(struct rig *r, const char *scope, int code, size_t bytes)
{
	char *text = calloc(1, 2 * bytes + 200);
	size_t at = (size_t)sprintf(text,
				    "{'network':'lab',%s'options':['%d=0x",
				    scope, code);
	bool ok;

	memset(text + at, 'f', 2 * bytes);
	strcpy(text + at + 2 * bytes, "']}");
	ok = rig_call(r, "option.set", text, -1) != NULL;
	free(text);
	return ok;
}

static void option_set__more_than_a_scope_takes__refused(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 4; i++)
		assert_true(put_long(r, "", 224 + i, 1000));
	assert_false(put_long(r, "", 228, 1000));
	assert_true(put_long(r, "", 227, 1000)); /* instead of the same */
	assert_true(put_long(r, "'mac':'52:54:00:00:00:01',", 228, 1000));
	/* A VM's count with those of each of its NICs. */
	assert_true(put_long(r, "'vm':'A',", 224, 1000));
	for (int i = 0; i < 3; i++)
		assert_true(put_long(r, "'vm':'A','nic':1,", 225 + i, 1000));
	assert_false(put_long(r, "'vm':'A','nic':1,", 228, 1000));
	assert_false(put_long(r, "'vm':'A',", 229, 1000));
	assert_true(put_long(r, "'vm':'A','nic':2,", 228, 1000));
}

static void option_set__boot_files__as_many_as_are_used(void **state)
{
	struct rig *r = *state;
	char text[100];

	for (int i = 0; i < 16; i++) {
		snprintf(text, sizeof(text),
			 "{'network':'lab','options':['boot:%d=f']}", 100 + i);
		assert_non_null(rig_call(r, "option.set", text, -1));
	}
	assert_non_null(rig_call(r, "option.set", text, -1));
	assert_null(rig_call(r, "option.set",
			     "{'network':'lab','options':['boot:99=f']}", -1));
}

static void option_del__one_of_them_is_none__all_stay(void **state)
{
	struct rig *r = *state;
	json_t *o;

	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','options':['mtu=1400',"
				 "'ntp=10.0.2.9']}",
				 -1));
	assert_null(rig_call(r, "option.del",
			     "{'network':'lab','options':['mtu','bogus']}", -1));
	assert_null(rig_call(r, "option.del",
			     "{'network':'lab','options':['mtu','router']}",
			     -1));
	o = json_object_get(rig_call(r, "option.list", "{}", -1), "options");
	assert_int_equal(json_array_size(o), 2);
	assert_non_null(rig_call(r, "option.del",
				 "{'network':'lab','options':['mtu','26']}",
				 -1));
	o = json_object_get(rig_call(r, "option.list", "{}", -1), "options");
	assert_int_equal(json_array_size(o), 1);
}

/* Addresses behind relays can be fixed, too, as long as there is a pool for them. */
static void reserve_add__in_a_pool_for_relays__kept_with_the_pool(void **state)
{
	static const char *const no[] = {"10.9.0.0", "10.9.0.1", "10.9.0.255",
					 "10.8.0.5"};
	struct rig *r = *state;
	char params[128];

	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','options':["
				 "'pool:10.9.0.0/24=10.9.0.50-10.9.0.60']}",
				 -1));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		snprintf(params, sizeof(params),
			 "{'network':'lab','address':'%s',"
			 "'mac':'52:54:00:00:00:09'}",
			 no[i]);
		assert_null(rig_call(r, "reserve.add", params, -1));
	}
	assert_non_null(rig_call(r, "reserve.add",
				 "{'network':'lab','address':'10.9.0.7',"
				 "'mac':'52:54:00:00:00:09','hostname':'far'}",
				 -1));
	rig_spin(r);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_RESERVE),
			       "\"ip\":\"10.9.0.7\""));
	assert_null(rig_call(r, "option.del",
			     "{'network':'lab','options':['pool:10.9.0.0/24']}",
			     -1));
	assert_non_null(strstr(rig_text(r), "10.9.0.7 of it is reserved"));
	assert_null(rig_call(r, "option.set",
			     "{'network':'lab','options':["
			     "'pool:10.9.0.0/24=10.9.0.50-10.9.0.60@10.9.0.7']}",
			     -1));
	assert_non_null(strstr(rig_text(r), "router 10.9.0.7 is reserved"));
	assert_non_null(rig_call(r, "reserve.del",
				 "{'network':'lab','address':'10.9.0.7'}", -1));
	assert_non_null(rig_call(r, "option.del",
				 "{'network':'lab',"
				 "'options':['pool:10.9.0.0/24']}",
				 -1));
}

/* How many settings "lab" has. */
static size_t settings(struct rig *r, const char *net)
{
	json_t *v, *a = json_object_get(rig_call(r, "option.list", "{}", -1),
					"options");
	size_t i, n = 0;

	json_array_foreach(a, i, v)
		n += !strcmp(rig_str(v, "network"), net);
	return n;
}

static void define__with_options__worker_starts_with_them(void **state)
{
	struct rig *r = *state;
	struct fake_worker *w;

	assert_non_null(rig_call(r, "network.define",
				 "{'name':'two','mode':'nat','options':["
				 "'identity=rfc2131','mtu=1400']}",
				 -1));
	w = fake_worker_of(r->priv, "two");
	assert_non_null(strstr(fake_worker_last(w, W_NET), "\"rfc2131\""));
	assert_non_null(strstr(fake_worker_last(w, W_DHCP_SCOPE), "0x0578"));
	assert_int_equal(settings(r, "two"), 2);
}

static void define__option_refused__no_network(void **state)
{
	static const char *const no[] = {
		"{'name':'two','mode':'nat','options':['mtu=1400','mtu=x']}",
		"{'name':'two','mode':'nat','subnet':'10.8.0.0/24',"
		"'options':['mtu=1400','pool:10.8.0.0/25=auto']}",
		"{'name':'two','mode':'nat','dhcp':'off',"
		"'options':['mtu=1400']}",
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_null(rig_call(r, "network.define", no[i], -1));
		assert_int_equal(json_array_size(json_object_get(
					 rig_call(r, "network.list", "{}", -1),
					 "networks")),
				 1);
	}
	/* Nothing of it is in the store, either. */
	assert_non_null(rig_call(r, "network.define",
				 "{'name':'two','mode':'nat'}", -1));
	assert_int_equal(settings(r, "two"), 0);
}

static void set__with_options__all_or_nothing(void **state)
{
	struct rig *r = *state;
	const char *pool = "{'name':'lab','lease_s':600,"
			   "'options':['mtu=1400','pool:10.0.2.0/25=auto']}";
	json_t *o;

	assert_null(rig_call(r, "network.set", pool, -1));
	assert_null(rig_call(r, "network.set",
			     "{'name':'lab','host_access':'off',"
			     "'host_allow':'tcp:22','options':['mtu=1400']}",
			     -1));
	assert_int_equal(settings(r, "lab"), 0);
	o = json_object_get(rig_call(r, "network.list", "{}", -1), "networks");
	o = json_object_get(json_array_get(o, 0), "dhcp");
	assert_int_equal(json_integer_value(json_object_get(o, "lease_s")),
			 86400);
	assert_non_null(rig_call(r, "network.set",
				 "{'name':'lab','lease_s':600,'options':["
				 "'mtu=1400','leases-per-nic=7']}",
				 -1));
	assert_int_equal(settings(r, "lab"), 2);
	rig_spin(r);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NET),
			       "\"per_nic\":7"));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_DHCP_SCOPE),
			       "0x0578"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T_LAB(f) cmocka_unit_test_setup_teardown(f, rig_up_lab, rig_down)
		T_LAB(option_set__scopes__worker_told_and_listed),
		T_LAB(option_set__of_the_server__in_its_configuration),
		T_LAB(option_set__nonsense__refused),
		T_LAB(option_set__more_than_a_scope_takes__refused),
		T_LAB(option_set__boot_files__as_many_as_are_used),
		T_LAB(option_del__one_of_them_is_none__all_stay),
		T_LAB(reserve_add__in_a_pool_for_relays__kept_with_the_pool),
		T_LAB(define__with_options__worker_starts_with_them),
		T_LAB(define__option_refused__no_network),
		T_LAB(set__with_options__all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
