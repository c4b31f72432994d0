// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Control and names: claims of guests, records of the user's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "netd/hostnames.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "tests/fake/ctl_rig.h"

static struct network *net(struct rig *r)
{
	return model_net_find(&r->ctl.model, "lab");
}

static void told(struct rig *r, struct ipaddr ip, const struct mac *mac,
		 const char *host)
{
	hostnames_leased(&r->ctl, net(r), &ip, mac, host);
	rig_spin(r);
}

/* The client with this last byte of address and MAC leases, and calls itself so. */
static void lease(struct rig *r, int n, const char *host)
{
	struct lease_conf l = {.network = net(r)->conf.id,
			       .address = 0x0a000200u + (uint32_t)n,
			       .mac = {{0x52, 0x54, 0, 0, 0, (uint8_t)n}},
			       .state = DHCP_BOUND,
			       .expires = clock_wall_s() + 1000};

	snprintf(l.hostname, sizeof(l.hostname), "%s", host);
	assert_int_equal(model_lease_put(net(r), &l), 0);
	told(r, ipaddr_from4(l.address), &l.mac, host);
}

/* The same of DHCPv6. */
static struct ipaddr lease6(struct rig *r, int n, const char *host)
{
	struct lease6_conf l = {.network = net(r)->conf.id,
				.address = {{0xfd, 1, [15] = (uint8_t)n}},
				.plen = 128,
				.mac = {{0x52, 0x54, 0, 0, 0, (uint8_t)n}},
				.expires = clock_wall_s() + 1000};

	assert_int_equal(model_lease6_put(net(r), &l), 0);
	told(r, l.address, &l.mac, host);
	return l.address;
}

static void release(struct rig *r, int n)
{
	uint32_t ip = 0x0a000200u + (uint32_t)n;
	struct ipaddr any = ipaddr_from4(ip);

	model_lease_del(net(r), model_lease_find(net(r), ip));
	hostnames_ended(&r->ctl, net(r), &any);
	rig_spin(r);
}

static const char *name_of(struct rig *r, int n)
{
	struct lease *l = model_lease_find(net(r), 0x0a000200u + (uint32_t)n);
	struct ipaddr ip = ipaddr_from4(0x0a000200u + (uint32_t)n);
	const char *s = l ? hostnames_claim(net(r), &ip, &l->conf.mac) : NULL;

	return s ? s : "";
}

static void claim__taken_name__first_keeps_it(void **state)
{
	struct rig *r = *state;

	lease(r, 20, "web");
	assert_string_equal(name_of(r, 20), "web");
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_CLAIM),
			       "\"ip\":\"10.0.2.20\",\"name\":\"web\""));
	lease(r, 15, "web");
	assert_string_equal(name_of(r, 15), "");
	assert_int_equal(fake_worker_count(rig_lab(r), W_CLAIM), 1);
	lease(r, 20, "web"); /* renewed: no news */
	assert_int_equal(fake_worker_count(rig_lab(r), W_CLAIM), 1);
	release(r, 20);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_CLAIM),
			       "\"ip\":\"10.0.2.20\",\"name\":\"\""));
	lease(r, 15, "web"); /* free now */
	assert_string_equal(name_of(r, 15), "web");
	lease(r, 15, "db"); /* another one */
	assert_string_equal(name_of(r, 15), "db");
	lease(r, 20, "web");
	assert_string_equal(name_of(r, 20), "web");
}

static void claim__owner_expired__goes_to_the_next(void **state)
{
	struct rig *r = *state;

	lease(r, 20, "web");
	model_lease_find(net(r), 0x0a000214)->conf.expires = 1;
	lease(r, 15, "web");
	assert_string_equal(name_of(r, 15), "web");
	assert_string_equal(name_of(r, 20), "");
}

static void claim__names_nobody_may_have__none(void **state)
{
	static const char *const no[] = {"gateway", "host", "localhost", "wpad",
					 "isatap", "vm", "db", "www"};
	struct rig *r = *state;

	rig_call(r, "nic.attach", "{'vm':'VM','network':'lab'}", -1);
	rig_call(r, "reserve.add",
		 "{'network':'lab','address':'10.0.2.99','hostname':'db',"
		 "'mac':'52:54:00:00:00:63'}", -1);
	rig_call(r, "dns.add",
		 "{'network':'lab','name':'WWW','type':'A','value':'10.0.2.9'}",
		 -1);
	for (int i = 0; i < 8; i++) {
		lease(r, 20 + i, no[i]);
		assert_string_equal(name_of(r, 20 + i), "");
	}
}

static void claim__user_gives_the_name_away__taken_back(void **state)
{
	struct rig *r = *state;

	lease(r, 20, "vm");
	lease(r, 21, "db");
	lease(r, 22, "www");
	rig_call(r, "nic.attach", "{'vm':'VM','network':'lab'}", -1);
	assert_string_equal(name_of(r, 20), "");
	rig_call(r, "reserve.add",
		 "{'network':'lab','address':'10.0.2.99','hostname':'db',"
		 "'mac':'52:54:00:00:00:63'}", -1);
	assert_string_equal(name_of(r, 21), "");
	rig_call(r, "dns.add",
		 "{'network':'lab','name':'WWW','type':'A','value':'10.0.2.9'}",
		 -1);
	assert_string_equal(name_of(r, 22), "");
	assert_int_equal(net(r)->claims.count, 0);
	assert_int_equal(net(r)->claimed.count, 0);
}

static void claim__from_the_store__of_running_leases_only(void **state)
{
	struct rig *r = *state;
	struct claim_conf c = {.network = net(r)->conf.id,
			       .address = ipaddr_from4(0x0a000214),
			       .mac = {{0x52, 0x54, 0, 0, 0, 20}}, .name = "web"};

	lease(r, 20, "");
	assert_int_equal(hostnames_load(&r->ctl, net(r), &c), 0);
	assert_string_equal(name_of(r, 20), "web");
	c.address = ipaddr_from4(0x0a000215);
	assert_int_equal(hostnames_load(&r->ctl, net(r), &c), 0);
	assert_int_equal(net(r)->claims.count, 1);
	lease(r, 15, "web"); /* not his, though he comes first */
	assert_string_equal(name_of(r, 15), "");
}

/* One client has its name with both families; nobody else has it with either. */
static void claim__both_families__one_owner(void **state)
{
	struct rig *r = *state;
	struct ipaddr ip = lease6(r, 20, "web");
	struct mac mac = {{0x52, 0x54, 0, 0, 0, 20}};

	assert_string_equal(hostnames_claim(net(r), &ip, &mac), "web");
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_CLAIM),
			       "\"ip\":\"fd01::14\",\"name\":\"web\""));
	lease(r, 15, "web");
	assert_string_equal(name_of(r, 15), "");
	lease(r, 20, "web");
	assert_string_equal(name_of(r, 20), "web");
	assert_int_equal(net(r)->claimed.count, 2);
	release(r, 20);
	lease(r, 15, "web"); /* it has it with the other one, still */
	assert_string_equal(name_of(r, 15), "");
	hostnames_ended(&r->ctl, net(r), &ip);
	lease(r, 15, "web");
	assert_string_equal(name_of(r, 15), "web");
	lease6(r, 15, "web");
	rig_call(r, "nic.attach", "{'vm':'Web','network':'lab'}", -1);
	assert_int_equal(net(r)->claims.count, 0);
	assert_int_equal(net(r)->claimed.count, 0);
}

/* ---- records ----------------------------------------------------------------- */

static json_t *records(struct rig *r)
{
	return json_object_get(rig_call(r, "dns.list", "{'network':'lab'}", -1),
			       "records");
}

static void dns__added_and_removed__worker_is_told(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "dns.add",
			     "{'network':'lab','name':'Www','type':'srv',"
			     "'value':'1  2 3 Sip'}", -1);

	assert_string_equal(rig_str(o, "fqdn"), "www.lab.vnet");
	assert_string_equal(rig_str(o, "value"), "1 2 3 sip");
	assert_string_equal(fake_worker_last(rig_lab(r), W_RECORDS),
			    "{\"add\":[[\"www\",\"SRV\",\"1 2 3 sip\"]]}");
	assert_null(rig_call(r, "dns.add",
			     "{'network':'lab','name':'www','type':'SRV',"
			     "'value':'1 2 3 sip'}", -1));
	assert_string_equal(rig_text(r), "it is there already");
	assert_null(rig_call(r, "dns.add",
			     "{'network':'lab','name':'www','type':'CNAME',"
			     "'value':'web'}", -1));
	assert_non_null(strstr(rig_text(r), "has a SRV record already"));
	assert_non_null(rig_call(r, "dns.add",
				 "{'network':'lab','name':'www','type':'TXT',"
				 "'value':''}", -1));
	assert_int_equal(json_array_size(records(r)), 2);
	assert_non_null(rig_call(r, "dns.del",
				 "{'network':'lab','name':'WWW','type':'SRV',"
				 "'value':'1 2 3 SIP'}", -1));
	assert_string_equal(fake_worker_last(rig_lab(r), W_RECORDS),
			    "{\"del\":[[\"www\",\"SRV\",\"1 2 3 sip\"]]}");
	assert_int_equal(json_array_size(records(r)), 1);
	assert_non_null(rig_call(r, "dns.del",
				 "{'network':'lab','name':'www'}", -1));
	assert_int_equal(json_array_size(records(r)), 0);
	assert_null(rig_call(r, "dns.del", "{'network':'lab','name':'www'}",
			     -1));
	assert_int_equal(rig_code(r), RPC_NOT_FOUND);
}

static void dns__alias_that_leads_abroad__refused(void **state)
{
	struct rig *r = *state;

	assert_null(rig_call(r, "dns.add",
			     "{'network':'lab','name':'a','type':'CNAME',"
			     "'value':'example.com.'}", -1));
	rig_call(r, "dns.add",
		 "{'network':'lab','name':'example.com.','type':'A',"
		 "'value':'10.0.2.9'}", -1);
	assert_non_null(rig_call(r, "dns.add",
				 "{'network':'lab','name':'a','type':'CNAME',"
				 "'value':'example.com.'}", -1));
	assert_non_null(rig_call(r, "dns.add",
				 "{'network':'lab','name':'b','type':'CNAME',"
				 "'value':'x.Lab.Vnet.'}", -1));
}

static void dns__domain_changed__stored_and_told(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.set",
			     "{'name':'lab','domain':'shop.test'}", -1);

	assert_string_equal(rig_str(o, "domain"), "shop.test");
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NET),
			       "\"domain\":\"shop.test\""));
	assert_null(rig_call(r, "network.set",
			     "{'name':'lab','domain':'a b'}", -1));
}

/* Whoever may attach a VM says what it is called, and the list goes to /etc/hosts. */
static void hosts__vm_called_like_a_server__no_such_name(void **state)
{
	static const char *const vm[] = {"localhost", "wpad", "bank.example.",
					 "web"};
	struct rig *r = *state;
	char params[64], *text;

	for (size_t i = 0; i < ARRAY_LEN(vm); i++) {
		snprintf(params, sizeof(params), "{'vm':'%s','network':'lab'}",
			 vm[i]);
		assert_non_null(rig_call(r, "nic.attach", params, -1));
	}
	assert_non_null(rig_call(r, "dns.add",
				 "{'network':'lab','name':'shop.example.',"
				 "'type':'A','value':'10.0.2.9'}",
				 -1));
	text = json_dumps(rig_call(r, "dns.hosts", "{}", -1), 0);
	assert_non_null(strstr(text, "\"web.lab.vnet\", \"web\""));
	assert_non_null(strstr(text, "\"localhost.lab.vnet\"]"));
	assert_non_null(strstr(text, "\"wpad.lab.vnet\"]"));
	assert_non_null(strstr(text, "\"shop.example\""));
	assert_null(strstr(text, "bank"));
	free(text);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_up_lab, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(claim__taken_name__first_keeps_it),
		T(claim__owner_expired__goes_to_the_next),
		T(claim__names_nobody_may_have__none),
		T(claim__user_gives_the_name_away__taken_back),
		T(claim__from_the_store__of_running_leases_only),
		T(claim__both_families__one_owner),
		T(hosts__vm_called_like_a_server__no_such_name),
		T(dns__added_and_removed__worker_is_told),
		T(dns__alias_that_leads_abroad__refused),
		T(dns__domain_changed__stored_and_told),
	};

	return cmocka_run_group_tests_name("netd_names", tests, NULL, NULL);
}
