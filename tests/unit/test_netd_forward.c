// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* Forwards in the control process: API in, sockets, store and worker out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/fwdctl.h"
#include "netd/proto.h"
#include "netd/wmsg.h"
#include "tests/fake/ctl_rig.h"

static void forward__busy_port__named(void **state)
{
	struct rig *r = *state;

	r->priv->busy_port = 80;
	assert_null(rig_call(r, "forward.add",
			     "{'network':'lab','proto':'tcp','port':80,"
			     "'to_address':'10.0.2.20'}",
			     -1));
	assert_int_equal(rig_code(r), RPC_EXISTS);
	assert_string_equal(rig_text(r),
			    "tcp port 80 is in use by nginx (pid 812)");
	assert_non_null(rig_call(r, "forward.add",
				 "{'network':'lab','proto':'tcp','port':81,"
				 "'to_address':'10.0.2.20'}",
				 -1));
	rig_call(r, "network.define", "{'name':'red','mode':'nat'}", -1);
	assert_null(rig_call(r, "forward.add",
			     "{'network':'red','proto':'tcp','port':81,"
			     "'to_address':'10.0.3.20'}",
			     -1));
	assert_string_equal(rig_text(r),
			    "tcp port 81 is in use by network lab (forward 1)");
}

static void forward__by_name__follows_the_vm(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(
		r, "forward.add",
		"{'network':'lab','proto':'udp','port':5000,'port_end':5002,"
		"'to_vm':'A'}",
		-1);

	assert_string_equal(rig_str(o, "state"), "inactive");
	assert_int_equal(r->priv->binds, 6);
	/* Three ports, two families. The sockets are open: the worker has them to refuse who comes. */
	assert_int_equal(fake_worker_count(rig_lab(r), W_FORWARD_ADD), 6);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	assert_int_equal(fake_worker_count(rig_lab(r), W_FORWARD_DEL), 6);
	assert_int_equal(fake_worker_count(rig_lab(r), W_FORWARD_ADD), 12);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_FORWARD_ADD),
			       "\"port\":5002"));
	rig_call(r, "nic.detach", "{'vm':'A'}", -1);
	assert_int_equal(fake_worker_count(rig_lab(r), W_FORWARD_DEL), 12);
	assert_int_equal(fake_worker_count(rig_lab(r), W_FORWARD_ADD), 18);
	assert_non_null(rig_call(r, "forward.del", "{'id':1}", -1));
	assert_int_equal(r->ctl.model.nfwds, 0);
}

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

/* How often the worker got @type since the last call. */
static unsigned int since(struct rig *r, uint16_t type)
{
	unsigned int n = fake_worker_count(rig_lab(r), type);

	for (unsigned int i = 0; i < rig_lab(r)->ngot; i++)
		if (rig_lab(r)->got[i].type == type)
			rig_lab(r)->got[i].type = 0;
	return n;
}

static json_t *fwd(struct rig *r, const char *method, const char *params)
{
	json_t *o = rig_call(r, method, params, -1);

	if (!o)
		fail_msg("%s %s: %s", method, params, rig_text(r));
	return o;
}

static void ignore_row(void *arg, int64_t id, const struct fwd_stats *s)
{
	(void)arg;
	(void)id;
	(void)s;
}

static void forward_set__target__told_anew(void **state)
{
	struct rig *r = *state;

	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'port_end':81,'to_address':'10.0.2.20'}");
	since(r, W_FORWARD_ADD);
	fwd(r, "forward.set", "{'id':1,'to_address':'10.0.2.21'}");
	assert_int_equal(r->priv->binds, 4);
	assert_int_equal(since(r, W_FORWARD_DEL), 4);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_FORWARD_ADD),
			       "10.0.2.21"));
	assert_int_equal(since(r, W_FORWARD_ADD), 4);
	/* From a VM's port to another of the same. */
	fwd(r, "forward.set", "{'id':1,'to_port':90}");
	assert_int_equal(since(r, W_FORWARD_DEL), 4);
	assert_int_equal(since(r, W_FORWARD_ADD), 4);
	/* Nothing new: nobody is disturbed. */
	fwd(r, "forward.set", "{'id':1,'to_port':90,'to_port_end':91}");
	assert_int_equal(since(r, W_FORWARD_DEL), 0);
	assert_int_equal(since(r, W_FORWARD_ADD), 0);
	assert_int_equal(since(r, W_FORWARD_SOCKET), 0);
	assert_int_equal(r->priv->binds, 4);
	assert_null(rig_call(r, "forward.set", "{'id':1,'to_port_end':99}",
			     -1));
	assert_null(rig_call(r, "forward.set", "{'id':9}", -1));
	assert_int_equal(rig_code(r), RPC_NOT_FOUND);
}

static void forward_set__host_port__flows_stay(void **state)
{
	struct rig *r = *state;
	json_t *o;

	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':8000,"
			      "'port_end':8003,'to_address':'10.0.2.20',"
			      "'to_port':9000}");
	o = fwd(r, "forward.set", "{'id':1,'port':7000,'port_end':7003}");
	assert_int_equal(json_integer_value(json_object_get(o, "to_port")),
			 9000);
	assert_int_equal(since(r, W_FORWARD_SOCKET), 8);
	assert_int_equal(since(r, W_FORWARD_DEL), 0);
	assert_int_equal(since(r, W_FORWARD_ADD), 8); /* of add */
	/* One more in front, one less behind; the middle is left alone. */
	fwd(r, "forward.set",
	    "{'id':1,'port':6999,'port_end':7002,'to_port':8999}");
	assert_int_equal(since(r, W_FORWARD_SOCKET), 0);
	assert_int_equal(since(r, W_FORWARD_DEL), 2);
	assert_int_equal(since(r, W_FORWARD_ADD), 2);
	assert_int_equal(r->priv->binds, 18);
	assert_int_equal(r->ctl.model.nfwds, 4);
}

static void forward_set__port_is_busy__as_before(void **state)
{
	struct rig *r = *state;
	json_t *o;

	r->priv->busy_port = 82;
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'to_address':'10.0.2.20'}");
	assert_null(rig_call(r, "forward.set", "{'id':1,'port':82}", -1));
	assert_string_equal(rig_text(r),
			    "tcp port 82 is in use by nginx (pid 812)");
	assert_null(rig_call(r, "forward.set", "{'id':1,'port_end':82}", -1));
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':90,"
			      "'port_end':99,'to_address':'10.0.2.20'}");
	assert_null(rig_call(r, "forward.set",
			     "{'id':1,'port':85,'port_end':95}", -1));
	assert_string_equal(rig_text(r),
			    "tcp ports 85-95: forward 2 of network lab is in "
			    "the way, it has ports 90-99");
	o = json_array_get(json_object_get(fwd(r, "forward.list", "{}"),
					   "forwards"), 0);
	assert_int_equal(json_integer_value(json_object_get(o, "port")), 80);
	assert_string_equal(rig_str(o, "state"), "active");
	assert_int_equal(since(r, W_FORWARD_DEL), 0);
	assert_int_equal(since(r, W_FORWARD_SOCKET), 0);
}

static void forward_set__to_one_address__old_socket_steps_aside(void **state)
{
	struct rig *r = *state;

	fwd(r, "forward.add", "{'network':'lab','proto':'udp','port':53,"
			      "'to_address':'10.0.2.20'}");
	assert_int_equal(r->priv->shared_binds, 0);
	fwd(r, "forward.set", "{'id':1,'address':'127.0.0.1'}");
	assert_int_equal(r->priv->shared_binds, 1);
	assert_int_equal(since(r, W_FORWARD_SOCKET), 1);
	assert_int_equal(since(r, W_FORWARD_DEL), 1); /* IPv6's */
	fwd(r, "forward.set", "{'id':1,'proto':'tcp','address':'0.0.0.0'}");
	assert_int_equal(r->priv->shared_binds, 1);
	assert_int_equal(since(r, W_FORWARD_DEL), 1);
}

static void forward_set__target__one_event_with_the_new_state(void **state)
{
	struct rig *r = *state;
	json_t *e;

	fwd(r, "forward.add", "{'network':'lab','proto':'udp','port':53,"
			      "'to_address':'10.0.2.20'}");
	rig_call(r, "events.subscribe", "{'types':['forward']}", -1);
	fwd(r, "forward.set", "{'id':1,'to_vm':'A','to_nic':1}");
	e = json_object_get(r->event, "params");
	assert_string_equal(rig_str(e, "type"), "forward.changed");
	assert_string_equal(rig_str(e, "state"), "inactive");
	assert_string_equal(rig_str(e, "reason"),
			    "VM A has no such NIC on network lab");
	fwd(r, "forward.set", "{'id':1,'to_address':'10.0.2.20'}");
	e = json_object_get(r->event, "params");
	assert_string_equal(rig_str(e, "state"), "active");
	assert_true(json_is_null(json_object_get(e, "to_nic")));
}

static void forward_set__network_stopped__stored(void **state)
{
	struct rig *r = *state;
	json_t *o;

	fwd(r, "forward.add", "{'network':'lab','proto':'udp','port':53,"
			      "'to_address':'10.0.2.20'}");
	rig_call(r, "network.stop", "{'name':'lab'}", -1);
	o = fwd(r, "forward.set", "{'id':1,'port':54,'to_vm':'A'}");
	assert_string_equal(rig_str(o, "reason"), "network lab is not running");
	assert_string_equal(rig_str(o, "to_vm"), "A");
	assert_true(json_is_null(json_object_get(o, "to_address")));
	rig_call(r, "network.start", "{'name':'lab'}", -1);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_FORWARD_ADD),
			       "\"port\":53"));
}

static void forward__ipv6_address__one_socket_and_the_guests_own(void **state)
{
	struct rig *r = *state;
	json_t *o;

	ip6_net_parse("fd00:1:2::/48", &r->ctl.ula, NULL);
	rig_call(r, "network.define", "{'name':'six','mode':'nat'}", -1);
	o = fwd(r, "forward.add", "{'network':'six','proto':'tcp','port':80,"
				  "'address':'::1',"
				  "'to_address':'fd00:1:2:1::15'}");
	assert_string_equal(rig_str(o, "address"), "::1");
	assert_string_equal(rig_str(o, "to_address"), "fd00:1:2:1::15");
	assert_int_equal(r->priv->binds, 1);
	assert_null(rig_call(r, "forward.add",
			     "{'network':'six','proto':'tcp','port':81,"
			     "'to_address':'fd00:1:2:1::3'}",
			     -1));
	assert_string_equal(rig_text(r), "fd00:1:2:1::3 is an address of "
					 "network six itself");
	assert_null(rig_call(r, "forward.add",
			     "{'network':'lab','proto':'tcp','port':81,"
			     "'to_address':'fd00:1:2:1::15'}",
			     -1));
	assert_string_equal(rig_text(r), "network lab has no IPv6 subnet");
	assert_null(rig_call(r, "forward.add",
			     "{'network':'six','proto':'tcp','port':81,"
			     "'address':'fe80::1','to_vm':'A'}",
			     -1));
	/* The same port of another address is another thing. */
	fwd(r, "forward.add", "{'network':'six','proto':'tcp','port':80,"
			      "'address':'127.0.0.1','to_vm':'A'}");
	assert_null(rig_call(r, "forward.add",
			     "{'network':'six','proto':'tcp','port':80,"
			     "'to_vm':'A'}",
			     -1));
}

#define ABSENT	0xc0000207u /* 192.0.2.7: documentation's, never the host's */
#define PRESENT 0x7f000005u /* 127.0.0.5: always the host's */

static const char *state_of(struct rig *r, const char **reason)
{
	json_t *o = json_array_get(json_object_get(fwd(r, "forward.list", "{}"),
						   "forwards"), 0);

	*reason = rig_str(o, "reason");
	return rig_str(o, "state");
}

static void forward__address_not_here__waits_and_binds(void **state)
{
	struct rig *r = *state;
	const char *why;
	json_t *o;

	r->priv->absent_ip = PRESENT;
	o = fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
				  "'address':'127.0.0.5',"
				  "'to_address':'10.0.2.20'}");
	assert_string_equal(rig_str(o, "state"), "waiting");
	assert_string_equal(rig_str(o, "reason"),
			    "address 127.0.0.5 is not on this host yet");
	assert_int_equal(since(r, W_FORWARD_ADD), 0);
	fwdctl_host_changed(&r->ctl);
	assert_string_equal(state_of(r, &why), "waiting");
	r->priv->absent_ip = 0;
	fwdctl_host_changed(&r->ctl);
	assert_string_equal(state_of(r, &why), "active");
	assert_int_equal(since(r, W_FORWARD_ADD), 1);
}

static void forward__address_goes_away__state_says_so(void **state)
{
	struct rig *r = *state;
	const char *why;

	/* The fake binds it; the kernel knows better. */
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'address':'192.0.2.7','to_address':'10.0.2.20'}");
	fwdctl_host_changed(&r->ctl);
	assert_string_equal(state_of(r, &why), "waiting");
	assert_string_equal(why, "address 192.0.2.7 is not on this host any more");
	fwd(r, "forward.set", "{'id':1,'to_port':81}");
	assert_string_equal(state_of(r, &why), "waiting");
	since(r, W_FORWARD_DEL);
	/* Its socket is kept for when it comes back. */
	assert_int_equal(since(r, W_FORWARD_DEL), 0);
	fwd(r, "forward.set", "{'id':1,'address':'127.0.0.5'}");
	assert_string_equal(state_of(r, &why), "active");
	/* To one that is not here: connections stay, nobody listens. */
	r->priv->absent_ip = ABSENT;
	since(r, W_FORWARD_SOCKET);
	fwd(r, "forward.set", "{'id':1,'address':'192.0.2.7'}");
	assert_string_equal(state_of(r, &why), "waiting");
	assert_int_equal(since(r, W_FORWARD_SOCKET), 1);
	assert_int_equal(since(r, W_FORWARD_DEL), 0);
	r->priv->absent_ip = 0;
	fwdctl_retry(&r->ctl);
	rig_spin(r);
	assert_int_equal(since(r, W_FORWARD_SOCKET), 1);
}

static void forward__busy_at_start__failed_then_bound(void **state)
{
	struct rig *r = *state;
	const char *why;

	rig_call(r, "network.stop", "{'name':'lab'}", -1);
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'to_address':'10.0.2.20'}");
	r->priv->busy_port = 80;
	rig_call(r, "network.start", "{'name':'lab'}", -1);
	assert_string_equal(state_of(r, &why), "failed");
	assert_string_equal(why, "tcp port 80 is in use by nginx (pid 812)");
	/* The target may change meanwhile. */
	fwd(r, "forward.set", "{'id':1,'to_address':'10.0.2.21'}");
	assert_string_equal(state_of(r, &why), "failed");
	r->priv->busy_port = 0;
	fwdctl_retry(&r->ctl);
	assert_string_equal(state_of(r, &why), "active");
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_FORWARD_ADD),
			       "10.0.2.21"));
}

static void forward__port_of_another_network__named_at_start(void **state)
{
	struct rig *r = *state;
	const char *why;

	/* Both may be defined; one can have it. */
	rig_call(r, "network.stop", "{'name':'lab'}", -1);
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'port_end':89,'to_address':'10.0.2.20'}");
	rig_call(r, "network.define", "{'name':'red','mode':'nat'}", -1);
	fwd(r, "forward.add", "{'network':'red','proto':'tcp','port':85,"
			      "'address':'127.0.0.1',"
			      "'to_address':'10.0.3.20'}");
	rig_call(r, "network.start", "{'name':'lab'}", -1);
	assert_string_equal(state_of(r, &why), "failed");
	assert_string_equal(why,
			    "tcp port 85 is in use by network red (forward 2)");
	fwd(r, "forward.del", "{'id':2}");
	fwdctl_retry(&r->ctl);
	assert_string_equal(state_of(r, &why), "active");
}

static void forward__limits__refused(void **state)
{
	static const struct {
		const char *params, *says;
	} bad[] = {
		{"'port':1,'port_end':1025", "at most 1024 ports"},
		{"'port':9,'port_end':8", "ends before it begins"},
		{"'port':80,'port_end':89,'to_port':65530", "leaves no room"},
		{"'port':80,'to_port':80,'to_port_end':81",
		 "1 ports of the host lead to 1 ports of the guest"},
		{"'port':80,'address':'224.0.0.1'", "of the host"},
		{"'port':80,'to_vm':'A'", "either to_vm or to_address"},
	};
	struct rig *r = *state;
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text),
			 "{'network':'lab','proto':'udp',"
			 "'to_address':'10.0.2.20',%s}",
			 bad[i].params);
		assert_null(rig_call(r, "forward.add", text, -1));
		if (!strstr(rig_text(r), bad[i].says))
			fail_msg("%s: %s", bad[i].params, rig_text(r));
	}
	rig_call(r, "network.stop", "{'name':'lab'}", -1);
	for (unsigned int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text),
			 "{'network':'lab','proto':'udp','port':%u,"
			 "'port_end':%u,'to_address':'10.0.2.20'}",
			 1 + i * 1024, 1024 + i * 1024);
		fwd(r, "forward.add", text);
	}
	assert_null(rig_call(r, "forward.add",
			     "{'network':'lab','proto':'tcp','port':1,"
			     "'to_address':'10.0.2.20'}", -1));
	assert_int_equal(rig_code(r), RPC_LIMIT);
	/* To change one is no more. */
	fwd(r, "forward.set", "{'id':1,'proto':'tcp'}");
	assert_int_equal(r->ctl.model.nfwds, 4096);
}

static void forward__vm_without_address__inactive_until_seen(void **state)
{
	struct rig *r = *state;
	const char *why;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'to_vm':'A'}");
	assert_string_equal(state_of(r, &why), "inactive");
	assert_string_equal(why, "VM A has no address yet");
	fake_worker_say(rig_lab(r), W_SEEN,
			"{\"nic\":100,\"mac\":\"52:54:00:00:00:01\","
			"\"ip\":\"10.0.2.33\"}",
			-1);
	rig_spin(r);
	assert_string_equal(state_of(r, &why), "active");
	/* To another network: the forward stays behind. */
	rig_call(r, "network.define", "{'name':'red','mode':'nat'}", -1);
	rig_call(r, "nic.move", "{'vm':'A','network':'red'}", -1);
	assert_string_equal(state_of(r, &why), "inactive");
	assert_string_equal(why, "VM A has no NIC on network lab");
	rig_call(r, "nic.move", "{'vm':'A','network':'lab'}", -1);
	assert_string_equal(state_of(r, &why), "inactive");
	assert_non_null(strstr(why, "no address yet"));
}

static void forward__worker_refuses__failed(void **state)
{
	struct rig *r = *state;
	const char *why;

	rig_lab(r)->refuse = W_FORWARD_ADD;
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'to_address':'10.0.2.20'}");
	assert_string_equal(state_of(r, &why), "failed");
	assert_string_equal(why, "no such luck");
	fwdctl_nics_changed(&r->ctl, model_net_find(&r->ctl.model, "lab"), "");
	assert_string_equal(state_of(r, &why), "failed");
}

static void forward_list__numbers__of_the_worker(void **state)
{
	struct rig *r = *state;
	json_t *o;

	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'to_address':'10.0.2.20'}");
	rig_lab(r)->numbers = "{\"forwards\":[[1,2,3,4,5,6],[7,1,1,1,1,1]],"
			  "\"more\":false}";
	o = json_array_get(json_object_get(fwd(r, "forward.list", "{}"),
					   "forwards"), 0);
	o = json_object_get(o, "stats");
	assert_int_equal(json_integer_value(json_object_get(o, "clients")), 2);
	assert_int_equal(json_integer_value(json_object_get(o, "bytes_out")),
			 6);
	rig_call(r, "network.stop", "{'name':'lab'}", -1);
	o = json_array_get(json_object_get(fwd(r, "forward.list", "{}"),
					   "forwards"), 0);
	assert_true(json_is_null(json_object_get(o, "stats")));
}

static void forward_list__numbers_are_nonsense__worker_killed(void **state)
{
	static const char *const bad[] = {
		"{\"forwards\":[],\"more\":true}",
		"{\"forwards\":[[1,2,3,4,5]],\"more\":false}",
		"{\"forwards\":[[1,2,3,4,5,-6]],\"more\":false}",
		"{\"forwards\":[[2,0,0,0,0,0],[1,0,0,0,0,0]]}",
		"{\"forwards\":[[\"x\",0,0,0,0,0]]}",
		"{}",
	};
	struct rig *r = *state;

	rig_quiet(true);
	fwd(r, "forward.add", "{'network':'lab','proto':'tcp','port':80,"
			      "'to_address':'10.0.2.20'}");
	rig_lab(r)->numbers = bad[5];
	fwd(r, "forward.list", "{}");
	assert_null(rig_lab(r)->chan);
	/* The same page again and again. */
	spin_until_started(r, 2);
	rig_lab(r)->numbers = "{\"forwards\":[[1,0,0,0,0,0]],\"more\":true}";
	fwd(r, "forward.list", "{}");
	assert_null(rig_lab(r)->chan);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *o = json_loads(bad[i], 0, NULL);
		struct errtext why;
		int64_t last = 0;

		assert_int_equal(wmsg_forwards(o, ignore_row, NULL, &last,
					       &why), -EPROTO);
		json_decref(o);
	}
	rig_quiet(false);
}

static void forward__not_nat__refused(void **state)
{
	struct rig *r = *state;

	rig_call(r, "network.define", "{'name':'in','mode':'internal'}", -1);
	assert_null(rig_call(r, "forward.add",
			     "{'network':'in','proto':'tcp','port':80,"
			     "'to_vm':'A'}",
			     -1));
	assert_non_null(strstr(rig_text(r), "nat"));
}

int main(void)
{
#define T_LAB(f) cmocka_unit_test_setup_teardown(f, rig_up_lab, rig_down)
	const struct CMUnitTest tests[] = {
		T_LAB(forward__busy_port__named),
		T_LAB(forward__by_name__follows_the_vm),
		T_LAB(forward_set__target__told_anew),
		T_LAB(forward_set__host_port__flows_stay),
		T_LAB(forward_set__port_is_busy__as_before),
		T_LAB(forward_set__to_one_address__old_socket_steps_aside),
		T_LAB(forward_set__target__one_event_with_the_new_state),
		T_LAB(forward_set__network_stopped__stored),
		T_LAB(forward__ipv6_address__one_socket_and_the_guests_own),
		T_LAB(forward__address_not_here__waits_and_binds),
		T_LAB(forward__address_goes_away__state_says_so),
		T_LAB(forward__busy_at_start__failed_then_bound),
		T_LAB(forward__port_of_another_network__named_at_start),
		T_LAB(forward__limits__refused),
		T_LAB(forward__vm_without_address__inactive_until_seen),
		T_LAB(forward__worker_refuses__failed),
		T_LAB(forward_list__numbers__of_the_worker),
		T_LAB(forward_list__numbers_are_nonsense__worker_killed),
		T_LAB(forward__not_nat__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
