// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Forwards of networks whose NAT is the kernel's: what priv is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "netd/knet.h"
#include "netd/knetctl.h"
#include "netd/proto.h"
#include "tests/fake/ctl_rig.h"

static int up_lab(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r, true, RIGHT_ADMIN);
	r->ctl.knet = knetctl_new(&r->ctl);
	assert_non_null(r->ctl.knet);
	assert_non_null(rig_call(
		r, "network.define",
		"{'name':'lab','mode':'nat','datapath':'kernel'}", -1));
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

static void add(struct rig *r, const char *what)
{
	if (!rig_call(r, "forward.add", what, -1))
		fail_msg("%s: %s", what, rig_text(r));
}

static const char *state_of(struct rig *r, const char **reason)
{
	json_t *o = rig_call(r, "forward.list", "{}", -1);

	o = json_array_get(json_object_get(o, "forwards"), 0);
	*reason = rig_str(o, "reason");
	return rig_str(o, "state");
}

static void seen(struct rig *r, const char *ip)
{
	json_t *o = json_pack("{s:i,s:s,s:s}", "nic", 100, "mac",
			      "52:54:00:00:00:01", "ip", ip);
	char *text = json_dumps(o, 0);

	fake_worker_say(fake_worker_of(r->priv, "lab"), W_SEEN, text, -1);
	free(text);
	json_decref(o);
	rig_spin(r);
}

/* Until the kernel was told of @n ports. */
static void spin_until(struct rig *r, unsigned int n)
{
	for (int i = 0; i < 100 && r->priv->last_knet.nfwd != n; i++)
		event_base_loop(r->ctl.base, EVLOOP_ONCE);
	assert_int_equal(r->priv->last_knet.nfwd, n);
}

static void forward__to_an_address__in_the_kernel_before_the_answer(void **state)
{
	struct rig *r = *state;
	const struct knet *k = &r->priv->last_knet;

	add(r, "{'network':'lab','proto':'tcp','port':80,'port_end':81,"
	       "'to_address':'10.0.2.20','to_port':8080}");
	assert_int_equal(k->nfwd, 2);
	assert_int_equal(k->fwd[1].port, 81);
	assert_int_equal(k->fwd[1].to_port, 8081);
	assert_int_equal(ipaddr_get4(&k->fwd[1].to), 0x0a000214);
	/* Sockets hold the ports, and the worker has nothing to do with them. */
	assert_int_equal(r->priv->binds, 4);
	assert_int_equal(fake_worker_count(fake_worker_of(r->priv, "lab"),
					   W_FORWARD_ADD), 0);
	assert_non_null(rig_call(r, "forward.del", "{'id':1}", -1));
	assert_int_equal(k->nfwd, 0);
}

static void forward__by_name__follows_both_families(void **state)
{
	struct rig *r = *state;
	const struct knet *k = &r->priv->last_knet;
	char ip6[IP_TEXT];
	struct ipaddr ip;
	const char *why;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	add(r, "{'network':'lab','proto':'udp','port':53,'to_vm':'A'}");
	assert_int_equal(k->nfwd, 0);
	assert_string_equal(state_of(r, &why), "inactive");
	seen(r, "10.0.2.33");
	spin_until(r, 1);
	assert_string_equal(state_of(r, &why), "active");
	assert_int_equal(ipaddr_get4(&k->fwd[0].to), 0x0a000221);
	ip = k->net6.addr;
	if (k->net6.plen) {
		ip.b[15] = 0x33;
		seen(r, ipaddr_format(&ip, ip6));
		spin_until(r, 2);
		assert_true(ipaddr_eq(&k->fwd[1].to, &ip));
	}
	rig_call(r, "nic.link", "{'vm':'A','up':false}", -1);
	rig_call(r, "nic.detach", "{'vm':'A'}", -1);
	spin_until(r, 0);
	assert_string_equal(state_of(r, &why), "inactive");
}

static void forward__kernel_refuses__failed_until_it_does_not(void **state)
{
	struct rig *r = *state;
	const char *why;

	rig_quiet(true);
	r->priv->fail_knet = -EIO;
	add(r, "{'network':'lab','proto':'tcp','port':80,"
	       "'to_address':'10.0.2.20'}");
	assert_string_equal(state_of(r, &why), "failed");
	assert_string_equal(why, "fake: no bridge");
	r->priv->fail_knet = 0;
	knetctl_change_now(model_net_find(&r->ctl.model, "lab"));
	assert_string_equal(state_of(r, &why), "active");
	rig_quiet(false);
}

static void forward_del__kernel_refuses__stays_and_says_so(void **state)
{
	struct rig *r = *state;
	const char *why;

	add(r, "{'network':'lab','proto':'tcp','port':80,"
	       "'to_address':'10.0.2.20'}");
	rig_quiet(true);
	r->priv->fail_knet = -EIO;
	assert_null(rig_call(r, "forward.del", "{'id':1}", -1));
	assert_non_null(strstr(rig_text(r), "forward 1 stays"));
	assert_non_null(strstr(rig_text(r), "fake: no bridge"));
	assert_non_null(strstr(rig_text(r), "vnet stop lab"));
	assert_string_equal(state_of(r, &why), "failed");
	r->priv->fail_knet = 0;
	/* Whatever is tried again meanwhile brings it back. */
	knetctl_change_now(model_net_find(&r->ctl.model, "lab"));
	assert_int_equal(r->priv->last_knet.nfwd, 1);
	assert_string_equal(state_of(r, &why), "active");
	assert_non_null(rig_call(r, "forward.del", "{'id':1}", -1));
	assert_int_equal(r->priv->last_knet.nfwd, 0);
	rig_quiet(false);
}

/* What a guest says of its address is no way out of its network. */
static void forward__target_outside__not_led_to(void **state)
{
	struct rig *r = *state;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	add(r, "{'network':'lab','proto':'tcp','port':80,'to_vm':'A'}");
	seen(r, "10.99.2.33");
	knetctl_change_now(model_net_find(&r->ctl.model, "lab"));
	assert_int_equal(r->priv->last_knet.nfwd, 0);
}

static void forward__more_than_fit__those_fail(void **state)
{
	struct rig *r = *state;
	const char *why;

	add(r, "{'network':'lab','proto':'tcp','port':20000,'port_end':21023,"
	       "'to_address':'10.0.2.20','to_port':20000}");
	assert_string_equal(state_of(r, &why), "active");
	assert_int_equal(r->priv->last_knet.nfwd, KNET_FWDS_MAX);
	add(r, "{'network':'lab','proto':'tcp','port':80,"
	       "'to_address':'10.0.2.20'}");
	rig_call(r, "forward.del", "{'id':1}", -1);
	assert_string_equal(state_of(r, &why), "active");
	assert_int_equal(r->priv->last_knet.nfwd, 1);
}

static void move__to_another_bridge__tap_follows_unplugged(void **state)
{
	struct rig *r = *state;
	const struct priv_kport *t = &r->priv->last_kport;
	json_t *o;

	rig_call(r, "network.define",
		 "{'name':'two','mode':'hostonly','datapath':'kernel'}", -1);
	rig_call(r, "network.define", "{'name':'user','mode':'nat'}", -1);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	assert_string_equal(t->network, "lab");
	assert_true(t->up);
	o = rig_call(r, "nic.move", "{'vm':'A','network':'two'}", -1);
	assert_string_equal(rig_str(o, "network"), "two");
	assert_string_equal(t->network, "two");
	assert_string_equal(t->name, "vn-A-0");
	assert_false(t->up);
	assert_null(rig_call(r, "nic.move", "{'vm':'A','network':'user'}", -1));
	assert_non_null(strstr(rig_text(r), "from one datapath to the other"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, up_lab, down)
	const struct CMUnitTest tests[] = {
		T(forward__to_an_address__in_the_kernel_before_the_answer),
		T(forward__by_name__follows_both_families),
		T(forward__kernel_refuses__failed_until_it_does_not),
		T(forward_del__kernel_refuses__stays_and_says_so),
		T(forward__target_outside__not_led_to),
		T(forward__more_than_fit__those_fail),
		T(move__to_another_bridge__tap_follows_unplugged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
