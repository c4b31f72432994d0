// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Control and the addresses of NICs that have not booted yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp/dhcp6_server.h"
#include "lib/clock.h"
#include "netd/promise.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "tests/fake/ctl_rig.h"

#define IP(n) (0x0a000200u + (n))

static int up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, true, RIGHT_ADMIN);
	assert_non_null(rig_call(r, "network.define",
				 "{'name':'lab','mode':'nat','dhcp':"
				 "'10.0.2.15-10.0.2.17'}", -1));
	*state = r;
	return 0;
}

static struct network *net(struct rig *r)
{
	return model_net_find(&r->ctl.model, "lab");
}

static struct nic *attach(struct rig *r, const char *params)
{
	struct nic *last = NULL;

	assert_non_null(rig_call(r, "nic.attach", params, -1));
	list_for_each(nic, &net(r)->nics, struct nic, node)
		last = nic;
	return last;
}

static uint32_t promised(const struct nic *nic)
{
	return promise_of(nic, clock_wall_s());
}

static void put(struct rig *r, uint32_t ip, uint8_t n, enum dhcp_state s,
		int64_t expires)
{
	struct lease_conf c = {.network = net(r)->conf.id, .address = ip,
			       .mac = {{0x52, 0x54, 0, 0, 9, n}}, .state = s,
			       .expires = expires};

	assert_int_equal(model_lease_put(net(r), &c), 0);
}

static void settle__attached__lowest_free_and_the_worker_is_told(void **state)
{
	struct rig *r = *state;
	struct fake_worker *w = fake_worker_of(r->priv, "lab");
	unsigned int told = fake_worker_count(w, W_LEASES);
	struct nic *nic;
	json_t *o;

	put(r, IP(15), 1, DHCP_BOUND, clock_wall_s() + 100);
	nic = attach(r, "{'vm':'VM','network':'lab'}");
	assert_int_equal(promised(nic), IP(16));
	assert_int_equal(fake_worker_count(w, W_LEASES), told + 1);
	o = rig_call(r, "nic.addresses", "{'vm':'VM'}", -1);
	o = json_array_get(json_object_get(o, "addresses"), 0);
	assert_string_equal(rig_str(o, "address"), "10.0.2.16");
	assert_string_equal(rig_str(o, "source"), "reserved");
}

static void settle__address_that_is_seen_or_reserved__another(void **state)
{
	struct rig *r = *state;
	struct nic *a = attach(r, "{'vm':'A','network':'lab'}"), *b;
	struct ipaddr ip = ipaddr_from4(IP(16));

	assert_int_equal(promised(a), IP(15));
	(void)seen_put(&a->seen4, &ip, &a->conf.mac, NULL);
	assert_non_null(rig_call(r, "reserve.add",
				 "{'network':'lab','vm':'other','address':"
				 "'10.0.2.17'}", -1));
	b = attach(r, "{'vm':'B','network':'lab'}");
	assert_int_equal(promised(b), 0);
	a->seen4.n = 0;
	promise_settle(&r->ctl, net(r), &b->conf.mac);
	assert_int_equal(promised(b), IP(16));
}

/* The one that was freed first, and not another NIC's. */
static void settle__all_were_used__oldest_of_no_nic(void **state)
{
	struct rig *r = *state;
	struct nic *a = attach(r, "{'vm':'A','network':'lab'}"), *b;

	put(r, IP(16), 2, DHCP_EXPIRED, 20);
	put(r, IP(17), 3, DHCP_RELEASED, 10);
	b = attach(r, "{'vm':'B','network':'lab'}");
	assert_int_equal(promised(a), IP(15));
	assert_int_equal(promised(b), IP(17));
	assert_int_equal(promised(attach(r, "{'vm':'C','network':'lab'}")),
			 IP(16));
	assert_int_equal(promised(attach(r, "{'vm':'D','network':'lab'}")), 0);
}

static void settle__reserved_or_detached__taken_back(void **state)
{
	struct rig *r = *state;
	struct fake_worker *w = fake_worker_of(r->priv, "lab");
	struct nic *a = attach(r, "{'vm':'A','network':'lab'}");

	assert_non_null(rig_call(r, "reserve.add",
				 "{'network':'lab','vm':'A','address':"
				 "'10.0.2.50'}", -1));
	assert_null(model_lease_find(net(r), IP(15)));
	assert_int_equal(fake_worker_count(w, W_LEASE_RELEASE), 1);
	assert_int_equal(promised(a), 0);
	assert_non_null(rig_call(r, "reserve.del",
				 "{'network':'lab','address':'10.0.2.50'}", -1));
	assert_int_equal(promised(a), IP(15));
	assert_non_null(rig_call(r, "nic.detach", "{'vm':'A'}", -1));
	assert_int_equal(net(r)->leases.count, 0);
}

/* Its term over, and no event of it yet: as good as expired. */
static void promise_of__had_one_before__the_same(void **state)
{
	struct rig *r = *state;
	struct nic *a = attach(r, "{'vm':'A','network':'lab'}");
	struct lease *l = model_lease_find(net(r), IP(15));

	l->conf.state = DHCP_BOUND;
	l->conf.expires = clock_wall_s() - 1;
	assert_int_equal(promised(a), IP(15));
	promise_settle(&r->ctl, net(r), &a->conf.mac);
	assert_int_equal(net(r)->leases.count, 1);
	assert_non_null(rig_call(r, "option.set",
				 "{'network':'lab','options':["
				 "'identity=rfc2131']}", -1));
	assert_int_equal(promised(a), 0);
}

static void lost__twice_at_once__not_in_a_circle(void **state)
{
	struct rig *r = *state;
	struct nic *a = attach(r, "{'vm':'A','network':'lab'}");

	put(r, IP(15), 7, DHCP_DECLINED, clock_wall_s() + 600);
	promise_lost(&r->ctl, net(r), &a->conf.mac);
	assert_int_equal(promised(a), IP(16));
	put(r, IP(16), 8, DHCP_DECLINED, clock_wall_s() + 600);
	promise_lost(&r->ctl, net(r), &a->conf.mac);
	assert_int_equal(promised(a), 0);
}

/* The source of @vm's first IPv6 address, which is @ip; "" = none. */
static const char *source6(struct rig *r, const char *vm, struct ipaddr *ip)
{
	char params[64];
	json_t *a, *v;
	size_t i;

	snprintf(params, sizeof(params), "{'vm':'%s'}", vm);
	a = json_object_get(rig_call(r, "nic.addresses", params, -1),
			    "addresses");
	json_array_foreach(a, i, v) {
		if (strcmp(rig_str(v, "protocol"), "ipv6"))
			continue;
		assert_int_equal(ipaddr_parse(rig_str(v, "address"), ip), 0);
		return rig_str(v, "source");
	}
	return "";
}

/* IPv6: what DHCPv6 will give is known, too. */
static void promise6_of__stateful__what_the_mac_points_at(void **state)
{
	struct rig *r = *state;
	struct lease6_conf l = {.network = net(r)->conf.id, .plen = 128,
				.mac = {{0x52, 0x54, 0, 0, 9, 1}},
				.expires = clock_wall_s() + 100};
	struct ipaddr ip, place;
	struct nic *nic;

	assert_non_null(rig_call(r, "network.set",
				 "{'name':'lab','subnet6':'fd01:2:3:4::/64'}",
				 -1));
	nic = attach(r, "{'vm':'VM','network':'lab'}");
	assert_string_equal(source6(r, "VM", &ip), "");
	assert_non_null(rig_call(r, "network.set",
				 "{'name':'lab','ipv6':'stateful'}", -1));
	assert_string_equal(source6(r, "VM", &ip), "reserved");
	place = dhcp6_address_at(&net(r)->conf.subnet6, nic->place6);
	assert_true(ipaddr_eq(&ip, &place));
	/* Somebody has it: then it will be the next one. */
	l.address = place;
	assert_int_equal(model_lease6_put(net(r), &l), 0);
	(void)source6(r, "VM", &ip);
	place = dhcp6_address_at(&net(r)->conf.subnet6, nic->place6 + 1);
	assert_true(ipaddr_eq(&ip, &place));
	assert_non_null(rig_call(r, "reserve.add",
				 "{'network':'lab','vm':'VM',"
				 "'address':'fd01:2:3:4::50'}",
				 -1));
	assert_string_equal(source6(r, "VM", &ip), "reserved");
	assert_int_equal(ip.b[15], 0x50);
	l.mac = nic->conf.mac;
	assert_int_equal(model_lease6_put(net(r), &l), 0);
	assert_string_equal(source6(r, "VM", &ip), "lease");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, up, rig_down)
		T(settle__attached__lowest_free_and_the_worker_is_told),
		T(settle__address_that_is_seen_or_reserved__another),
		T(settle__all_were_used__oldest_of_no_nic),
		T(settle__reserved_or_detached__taken_back),
		T(promise_of__had_one_before__the_same),
		T(lost__twice_at_once__not_in_a_circle),
		T(promise6_of__stateful__what_the_mac_points_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
