// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/* The control process as a whole: API in, store and workers out. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netd/leases.h"
#include "netd/netctl.h"
#include "netd/proto.h"
#include "netd/store_int.h"
#include "netd/super.h"
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

/* ---- networks ------------------------------------------------------------ */

static void define__nat_defaults__running_and_told(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define",
			     "{'name':'lab','mode':'nat'}", -1);
	const char *net = fake_worker_last(rig_lab(r), W_NET);

	assert_string_equal(rig_str(o, "state"), "running");
	assert_string_equal(rig_str(o, "subnet"), "10.0.2.0/24");
	assert_string_equal(rig_str(o, "gateway"), "10.0.2.2");
	assert_non_null(strstr(net, "\"first\":\"10.0.2.15\""));
	assert_int_equal(rig_lab(r)->got[0].type, W_NET);
	assert_int_equal(rig_lab(r)->got[0].nfd, 1); /* raw ICMP */
	assert_false(rig_lab(r)->isolated);
}

static void define__second_nat__next_subnet_and_deny(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define",
			     "{'name':'two','mode':'nat'}", -1);

	assert_string_equal(rig_str(o, "subnet"), "10.0.3.0/24");
	/* The first one is told to keep away from the second. */
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_DENY),
			       "\"deny\":[\"10.0.3.0/24\"]"));
}

/* By counting: who runs hears of networks that were defined together in one message, and
 * of one that starts before it does. */
static void define__many_at_once__a_worker_hears_it_once(void **state)
{
	struct rig *r = *state;
	struct fake_worker *lab = rig_lab(r);
	unsigned int nets, denies;
	char params[96];

	rig_call(r, "network.define", "{'name':'a','mode':'nat'}", -1);
	nets = fake_worker_count(lab, W_NET);
	denies = fake_worker_count(lab, W_DENY);
	for (int i = 0; i < 20; i++) {
		snprintf(params, sizeof(params),
			 "{'name':'n%d','mode':'nat','start':false}", i);
		assert_non_null(rig_call(r, "network.define", params, -1));
	}
	rig_call(r, "network.define", "{'name':'b','mode':'nat'}", -1);
	assert_int_equal(fake_worker_count(lab, W_NET), nets);
	assert_in_range(fake_worker_count(lab, W_DENY), denies + 1, denies + 10);
	assert_non_null(strstr(fake_worker_last(lab, W_DENY), "\"deny\":["));
}

static void address_gone__running_nat_networks__told(void **state)
{
	struct rig *r = *state;
	struct ipaddr ip[2] = {ipaddr_from4(0xc0a80105),
			       {{0x20, 1, 0xd, 0xb8, [15] = 7}}};
	const char *told;

	netctl_address_gone(&r->ctl, ip, 2);
	rig_call(r, "network.list", "{}", -1); /* the worker has it now */
	told = fake_worker_last(rig_lab(r), W_ADDRESS_GONE);
	assert_non_null(told);
	assert_string_equal(told, "{\"ips\":[\"192.168.1.5\","
				  "\"2001:db8::7\"]}");
}

static void set__live_settings__worker_told_and_shown(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.set",
			     "{'name':'lab','udp_filter':'address-dependent',"
			     "'host_allow':'udp:53,tcp:22','lease_s':600}",
			     -1);
	const char *told = fake_worker_last(rig_lab(r), W_NET);

	assert_string_equal(rig_str(o, "udp_filter"), "address-dependent");
	assert_string_equal(rig_str(o, "host_allow"), "tcp:22,udp:53");
	assert_non_null(strstr(told, "\"udp_filter\":\"address-dependent\""));
	assert_non_null(strstr(told, "\"host_allow\":\"tcp:22,udp:53\""));
	assert_non_null(strstr(told, "\"lease_s\":600"));
	assert_null(rig_call(r, "network.set",
			     "{'name':'lab','host_access':'off',"
			     "'host_allow':'tcp:22'}", -1));
}

static void set__subnet6__worker_starts_anew_with_it(void **state)
{
	struct rig *r = *state;
	const char *other = "{'name':'lab','subnet6':'fd01:2:3:4::/64'}";
	const char *off = "{'name':'lab','subnet6':'off'}";
	struct fake_worker *before;

	assert_string_equal(rig_str(rig_call(r, "network.set", other, -1),
				    "state"),
			    "running");
	assert_non_null(rig_call(r, "network.set", off, -1));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NET), "\"ip6\":null"));
	before = rig_lab(r);
	/* The same again changes nothing. */
	rig_call(r, "network.set", off, -1);
	assert_ptr_equal(rig_lab(r), before);
	assert_string_equal(rig_str(rig_call(r, "network.set", other, -1),
				    "gateway6"),
			    "fd01:2:3:4::2");
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NET),
			       "\"subnet\":\"fd01:2:3:4::/64\""));
	/* A forward into it keeps it. */
	assert_non_null(rig_call(r, "forward.add",
				 "{'network':'lab','proto':'tcp','port':61234,"
				 "'to_address':'fd01:2:3:4::15','to_port':80}",
				 -1));
	assert_null(rig_call(r, "network.set", off, -1));
	assert_non_null(strstr(rig_text(r), "forward of port 61234"));
}

static json_t *shown_stats(struct rig *r, const char *status, json_t **net)
{
	rig_lab(r)->status = status;
	*net = rig_call(r, "network.show", "{'name':'lab'}", -1);
	return json_object_get(
		json_array_get(json_object_get(*net, "nics"), 0), "stats");
}

static void show__numbers_of_the_worker__beside_their_nic(void **state)
{
	struct rig *r = *state;
	json_t *net, *s, *f;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	s = shown_stats(r,
			"{\"nics\":[{\"nic\":100,\"rx_frames\":7,"
			"\"drops\":{\"full\":3,\"odd\":\"x\"},"
			"\"flows\":[1,2,3,4,5,6,7,8]}]}",
			&net);
	f = json_object_get(s, "flows");
	assert_int_equal(json_integer_value(json_object_get(s, "rx_frames")),
			 7);
	assert_int_equal(json_integer_value(json_object_get(f, "tcp")), 1);
	assert_int_equal(json_integer_value(json_object_get(f, "opening")), 2);
	assert_int_equal(json_integer_value(json_object_get(f, "evicted")), 7);
	assert_int_equal(json_integer_value(json_object_get(f, "refused")), 8);
	assert_int_equal(json_object_size(json_object_get(s, "drops")), 1);
	/* What a worker invents does no harm. */
	s = shown_stats(r, "{\"nics\":[{\"nic\":100,\"flows\":{\"a\":\"b\"}}]}",
			&net);
	f = json_object_get(s, "flows");
	assert_int_equal(json_integer_value(json_object_get(f, "tcp")), 0);
}

/* Flow 4 is a mapping, flow 3 TCP's; both are the NIC's with id 100. */
static const char flows[] =
	"{\"flows\":["
	"{\"id\":4,\"proto\":\"tcp\",\"nic\":100,\"guest\":\"10.0.2.1"
	"5\",\"guest_port\":1,\"outside\":\"192.0.2.7\",\"outside_por"
	"t\":443,\"host_port\":0,\"forwarded\":false,\"state\":\"esta"
	"blished\",\"bytes_out\":1,\"bytes_in\":2,\"packets_out\":5"
	",\"packets_in\":6,\"age_s\":3,\"idle_"
	"s\":4}"
	","
	"{\"id\":3,\"proto\":\"tcp\",\"nic\":100,\"guest\":\"10.0.2.1"
	"5\",\"guest_port\":1,\"outside\":\"192.0.2.7\",\"outside_por"
	"t\":443,\"host_port\":0,\"forwarded\":false,\"state\":\"esta"
	"blished\",\"bytes_out\":1,\"bytes_in\":2,\"packets_out\":5"
	",\"packets_in\":6,\"age_s\":3,\"idle_"
	"s\":4}"
	"],\"more\":false}";

static void flow_list__rows_of_workers__with_names(void **state)
{
	struct rig *r = *state;
	json_t *o, *row;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	rig_lab(r)->flows = flows;
	o = rig_call(r, "flow.list", "{'of':'A','proto':'tcp'}", -1);
	row = json_array_get(json_object_get(o, "flows"), 1);
	assert_string_equal(rig_str(row, "network"), "lab");
	assert_string_equal(rig_str(row, "vm"), "A");
	assert_string_equal(rig_str(row, "outside"), "192.0.2.7");
	assert_int_equal(json_integer_value(json_object_get(row, "packets_out")),
			 5);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_FLOWS),
			       "\"proto\":\"tcp\""));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_FLOWS),
			       "\"nic\":100"));
	o = rig_call(r, "flow.list", "{'limit':1}", -1);
	assert_int_equal(json_array_size(json_object_get(o, "flows")), 1);
	assert_true(json_is_true(json_object_get(o, "more")));
	rig_lab(r)->flows = "{\"flows\":[{\"id\":4},7],\"more\":true}";
	o = rig_call(r, "flow.list", "{}", -1);
	assert_int_equal(json_array_size(json_object_get(o, "flows")), 0);
	assert_null(rig_call(r, "flow.list", "{'of':'nobody'}", -1));
	assert_int_equal(rig_code(r), RPC_NOT_FOUND);
}

static void flow_kill__picked__counted(void **state)
{
	struct rig *r = *state;
	json_t *o;

	rig_lab(r)->flows = "{\"killed\":7,\"more\":false}";
	o = rig_call(r, "flow.kill", "{'of':'lab','id':3}", -1);
	assert_int_equal(json_integer_value(json_object_get(o, "killed")), 7);
	assert_null(rig_call(r, "flow.kill", "{}", -1));
	assert_int_equal(rig_code(r), RPC_BAD_PARAMS);
	assert_null(rig_call(r, "flow.kill", "{'id':3}", -1));
	assert_null(rig_call(r, "flow.kill", "{'of':'lab','remote':'x'}", -1));
	assert_non_null(rig_call(r, "flow.kill", "{'all':true}", -1));
}

static void define__same_name__exists(void **state)
{
	struct rig *r = *state;

	assert_null(rig_call(r, "network.define",
			     "{'name':'lab','mode':'nat'}", -1));
	assert_int_equal(rig_code(r), RPC_EXISTS);
}

static void define__hostonly__host_port_with_address(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.define",
			     "{'name':'ho','mode':'hostonly'}", -1);
	struct fake_worker *w = fake_worker_of(r->priv, "ho");

	assert_string_equal(rig_str(o, "gateway"), "192.168.56.1");
	assert_string_equal(r->priv->last_tap.name, "vn-ho");
	assert_int_equal(r->priv->last_tap.ip4, 0xc0a83801);
	assert_true(w->isolated);
	assert_non_null(strstr(fake_worker_last(w, W_NIC_ADD),
			       "\"role\":\"host\""));
	assert_non_null(strstr(fake_worker_last(w, W_NIC_ADD),
			       "\"src_ip4\":\"192.168.56.1\""));
	/* No resolver: the guest may have a second NIC that leads out. */
	assert_non_null(strstr(fake_worker_last(w, W_NET), "\"router\":null"));
}

static void define__bridged_rootless__refused(void **state)
{
	struct rig *r = *state;

	r->priv->root = false;
	assert_null(rig_call(r, "network.define",
			     "{'name':'b','mode':'bridged','uplink':'lo'}",
			     -1));
	assert_int_equal(rig_code(r), RPC_REFUSED);
	assert_non_null(strstr(rig_text(r), "root"));
}

static void stop_start__worker_ends_and_comes(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "network.stop", "{'name':'lab'}", -1);

	assert_string_equal(rig_str(o, "state"), "stopped");
	assert_null(rig_lab(r)->chan);
	o = rig_call(r, "network.start", "{'name':'lab'}", -1);
	assert_string_equal(rig_str(o, "state"), "running");
	assert_int_equal(r->priv->nworkers, 2);
}

static void undefine__with_nics__only_with_force(void **state)
{
	struct rig *r = *state;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	assert_null(rig_call(r, "network.undefine", "{'name':'lab'}", -1));
	assert_int_equal(rig_code(r), RPC_REFUSED);
	assert_non_null(rig_call(r, "network.undefine",
				 "{'name':'lab','force':true}", -1));
	assert_int_equal(r->ctl.model.nnets, 0);
	assert_int_equal(r->ctl.model.nnics, 0);
	/* And can be defined anew. */
	assert_non_null(rig_call(r, "network.define",
				 "{'name':'lab','mode':'nat'}", -1));
}

/* ---- NICs ---------------------------------------------------------------- */

static void attach__stream__socket_and_worker(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	const char *path = rig_str(json_object_get(o, "connect"), "path");
	struct stat st;

	assert_string_equal(rig_str(o, "state"), "ok");
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_ADD),
			       "\"fds\":[\"listen\",\"mem\"]"));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_RESERVE),
			       "\"name\":\"A\""));
	rig_call(r, "nic.detach", "{'vm':'A'}", -1);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(fake_worker_count(rig_lab(r), W_NIC_DEL), 1);
}

static void attach__again__same_nic(void **state)
{
	struct rig *r = *state;
	char mac[20];

	snprintf(mac, sizeof(mac), "%s",
		 rig_str(rig_call(r, "nic.attach",
				  "{'vm':'A','network':'lab'}", -1),
			 "mac"));
	assert_string_equal(rig_str(rig_call(r, "nic.attach",
					     "{'vm':'A','network':'lab'}", -1),
				    "mac"),
			    mac);
	assert_int_equal(r->ctl.model.nnics, 1);
	/* Detached and attached again: the MAC is of the name. */
	rig_call(r, "nic.detach", "{'vm':'A'}", -1);
	assert_string_equal(rig_str(rig_call(r, "nic.attach",
					     "{'vm':'A','network':'lab'}", -1),
				    "mac"),
			    mac);
	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'A','network':'lab','type':'dgram'}", -1));
	assert_int_equal(rig_code(r), RPC_EXISTS);
}

static void sender__answered_by_priv__worker_is_told(void **state)
{
	static const struct {
		int result;
		const char *way;
		unsigned int nfd;
	} c[] = {
		{0, "\"way\":\"socket\"", 1}, {1, "\"way\":\"shared\"", 0},
		{-ECONNREFUSED, "\"way\":\"gone\"", 0},
		{-EPERM, "\"way\":\"refused\"", 0},
	};
	struct rig *r = *state;
	char said[100], folder[120];
	struct nic *nic;

	rig_call(r, "nic.attach", "{'vm':'G','network':'lab','type':'dgram'}",
		 -1);
	nic = model_nic_find(&r->ctl.model, "G", 0);
	snprintf(said, sizeof(said), "{\"nic\":%lld,\"addr\":\"2f6100\"}",
		 (long long)nic->conf.id);
	rig_quiet(true);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		struct fake_worker *w = rig_lab(r);

		r->priv->way_result = c[i].result;
		fake_worker_say(w, W_SENDER, said, -1);
		rig_spin(r);
		assert_non_null(strstr(fake_worker_last(w, W_NIC_WAY),
				       c[i].way));
		assert_non_null(strstr(fake_worker_last(w, W_NIC_WAY),
				       "\"addr\":\"2f6100\""));
		assert_int_equal(w->got[w->ngot - 1].nfd, c[i].nfd);
	}
	rig_quiet(false);
	snprintf(folder, sizeof(folder), "%s/nic/G-0.peer", r->dir);
	assert_string_equal(r->priv->last_way.folder, folder);
	assert_string_equal(r->priv->last_way.path, "/a");
	assert_int_equal(access(folder, F_OK), 0);
	rig_call(r, "nic.detach", "{'vm':'G'}", -1);
	assert_int_equal(access(folder, F_OK), -1);
}

static void connect_to__tried_until_somebody_listens(void **state)
{
	struct rig *r = *state;
	char peer[64];
	json_t *o;
	struct nic *nic;

	r->priv->connect_result = -ECONNREFUSED;
	o = rig_call(r, "nic.attach",
		     "{'vm':'A','network':'lab','type':'vhost-user',"
		     "'connect_to':'/run/vm/a.sock'}", -1);
	assert_string_equal(rig_str(o, "path"), "/run/vm/a.sock");
	o = json_object_get(o, "connect");
	assert_true(json_is_true(json_object_get(o, "vmm_listens")));
	nic = model_nic_find(&r->ctl.model, "A", 0);
	while (r->priv->connects < 2)
		rig_spin(r);
	assert_string_equal(r->priv->last_connect.path, "/run/vm/a.sock");
	assert_int_equal(r->priv->last_connect.owner, nic->conf.owner);
	assert_int_equal(nic->state, NIC_OK);
	assert_non_null(strstr(nic->reason, "does not listen"));
	assert_int_equal(fake_worker_count(rig_lab(r), W_NIC_CONN), 0);

	rig_quiet(true);
	r->priv->connect_result = -EPERM;
	while (nic->state != NIC_FAILED)
		rig_spin(r);
	r->priv->connect_result = 0;
	while (!fake_worker_count(rig_lab(r), W_NIC_CONN))
		rig_spin(r);
	rig_quiet(false);
	assert_int_equal(nic->state, NIC_OK);
	assert_string_equal(nic->reason, "");

	/* The worker says that it is over: another one is made. */
	snprintf(peer, sizeof(peer), "{\"nic\":%lld,\"connected\":false}",
		 (long long)nic->conf.id);
	fake_worker_say(rig_lab(r), W_PEER, peer, -1);
	while (fake_worker_count(rig_lab(r), W_NIC_CONN) < 2)
		rig_spin(r);
	/* The next worker gets one, too. */
	fake_worker_die(rig_lab(r));
	rig_quiet(true);
	while (rig_lab(r)->chan == NULL || !fake_worker_count(rig_lab(r), W_NIC_CONN))
		rig_spin(r);
	rig_quiet(false);
}

static void connect_to__with_another_type__refused(void **state)
{
	struct rig *r = *state;

	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'A','network':'lab',"
			     "'connect_to':'/run/vm/a.sock'}", -1));
	assert_non_null(strstr(rig_text(r), "vhost-user"));
	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'A','network':'lab','type':'vhost-user',"
			     "'connect_to':'a.sock'}", -1));
	assert_non_null(strstr(rig_text(r), "absolute"));
	assert_non_null(rig_call(r, "nic.attach",
				 "{'vm':'A','network':'lab',"
				 "'type':'vhost-user'}", -1));
	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'A','network':'lab','type':'vhost-user',"
			     "'connect_to':'/run/vm/a.sock'}", -1));
	assert_int_equal(rig_code(r), RPC_EXISTS);
}

static void attach__worker_refuses__never_was(void **state)
{
	struct rig *r = *state;

	rig_lab(r)->refuse = W_NIC_ADD;
	assert_null(rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}",
			     -1));
	assert_int_equal(rig_code(r), RPC_REFUSED);
	assert_non_null(strstr(rig_text(r), "no such luck"));
	assert_int_equal(r->ctl.model.nnics, 0);
}

static void attach__fd__handed_on_and_replaced(void **state)
{
	struct rig *r = *state;
	int fd[2];

	socketpair(AF_UNIX, SOCK_DGRAM, 0, fd);
	assert_non_null(rig_call(
		r, "nic.attach",
		"{'vm':'C','network':'lab','type':'fd','fd':0}", fd[0]));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_ADD),
			       "\"fds\":[\"conn\",\"mem\"]"));
	assert_non_null(rig_call(
		r, "nic.attach",
		"{'vm':'C','network':'lab','type':'fd','fd':1}", fd[0]));
	assert_int_equal(fake_worker_count(rig_lab(r), W_NIC_ADD), 2);
	assert_int_equal(fake_worker_count(rig_lab(r), W_NIC_DEL), 1);
	assert_int_equal(r->ctl.model.nnics, 1);
	close(fd[0]);
	close(fd[1]);
}

static void attach__fd_that_is_no_socket__refused(void **state)
{
	struct rig *r = *state;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'C','network':'lab','type':'fd','fd':0}",
			     fd[0]));
	assert_int_equal(rig_code(r), RPC_REFUSED);
	assert_null(rig_call(r, "nic.attach",
			     "{'vm':'C','network':'lab','type':'fd','fd':7}",
			     -1));
	assert_int_equal(rig_code(r), RPC_BAD_PARAMS);
	assert_int_equal(r->ctl.model.nnics, 0);
	close(fd[0]);
	close(fd[1]);
}

static void worker_crash__all_is_sent_again(void **state)
{
	struct rig *r = *state;
	struct fake_worker *w;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	rig_call(r, "forward.add",
		 "{'network':'lab','proto':'tcp','port':2222,'to_vm':'A'}", -1);
	rig_call(r, "reserve.add",
		 "{'network':'lab','vm':'A','address':'10.0.2.50'}", -1);
	fake_worker_lease(rig_lab(r), 1, 0x0a000232, DHCP_BOUND);
	rig_spin(r);
	fake_worker_die(rig_lab(r));
	spin_until_started(r, 2);
	w = rig_lab(r);
	assert_int_equal(fake_worker_count(w, W_NET), 1);
	assert_int_equal(fake_worker_count(w, W_LEASES), 1);
	assert_string_equal(fake_worker_last(w, W_LEASES), "10.0.2.50=bound");
	assert_int_equal(fake_worker_count(w, W_NIC_ADD), 1);
	assert_int_equal(fake_worker_count(w, W_FORWARD_ADD), 2);
	assert_true(fake_worker_count(w, W_RESERVE) >= 1);
	assert_string_equal(
		rig_str(json_array_get(json_object_get(rig_call(r, "nic.list",
								NULL, -1),
						       "nics"),
				       0),
			"state"),
		"ok");
}

static void accepted__kept_for_the_next_worker(void **state)
{
	struct rig *r = *state;
	char body[64];
	int fd[2];

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
	snprintf(body, sizeof(body), "{\"nic\":100}");
	fake_worker_say(rig_lab(r), W_ACCEPTED, body, fd[0]);
	fake_worker_say(rig_lab(r), W_PEER, "{\"nic\":100,\"connected\":true}", -1);
	rig_spin(r);
	fake_worker_die(rig_lab(r));
	spin_until_started(r, 2);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_NIC_ADD),
			       "\"fds\":[\"listen\",\"conn\",\"mem\"]"));
	close(fd[0]);
	close(fd[1]);
}

static void move__old_worker_lets_go_first(void **state)
{
	struct rig *r = *state;
	struct fake_worker *in;
	json_t *o;

	rig_call(r, "network.define", "{'name':'in','mode':'internal'}", -1);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	in = fake_worker_of(r->priv, "in");
	rig_lab(r)->mute = true;
	assert_null(rig_call(r, "nic.move", "{'vm':'A','network':'in'}", -1));
	assert_int_equal(fake_worker_count(rig_lab(r), W_NIC_DEL), 1);
	assert_int_equal(fake_worker_count(in, W_NIC_ADD), 0);
	rig_lab(r)->mute = false;
	for (unsigned int i = 0; i < rig_lab(r)->ngot; i++)
		if (rig_lab(r)->got[i].type == W_NIC_DEL)
			chan_send(rig_lab(r)->chan, W_DONE, rig_lab(r)->got[i].id, "{}",
				  2, NULL, 0);
	rig_spin(r);
	assert_int_equal(fake_worker_count(in, W_NIC_ADD), 1);
	assert_non_null(strstr(fake_worker_last(in, W_NIC_ADD),
			       "\"link\":false"));
	o = json_object_get(r->last, "result");
	assert_string_equal(rig_str(o, "network"), "in");
	assert_string_equal(rig_str(o, "link"), "down");
	/* After a second the cable is in again. */
	for (int i = 0; i < 200 && !fake_worker_count(in, W_NIC_LINK); i++) {
		event_base_loop(r->ctl.base, EVLOOP_ONCE);
		rig_spin(r);
	}
	assert_non_null(strstr(fake_worker_last(in, W_NIC_LINK),
			       "\"up\":true"));
}

static void detach__during_move__answers_both(void **state)
{
	struct rig *r = *state;

	rig_call(r, "network.define", "{'name':'in','mode':'internal'}", -1);
	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	rig_lab(r)->mute = true;
	assert_null(rig_call(r, "nic.move", "{'vm':'A','network':'in'}", -1));
	assert_non_null(rig_call(r, "nic.detach", "{'vm':'A'}", -1));
	fake_worker_die(rig_lab(r));
	rig_spin(r);
	assert_int_equal(rig_code(r), RPC_NOT_FOUND); /* the move's answer */
}

/* ---- leases -------------------------------------------------------------- */

static void lease__committed_before_done(void **state)
{
	struct rig *r = *state;

	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	fake_worker_lease(rig_lab(r), 2, 0x0a000210, DHCP_BOUND);
	rig_spin(r);
	assert_int_equal(fake_worker_count(rig_lab(r), W_LEASES_DONE), 1);
	assert_string_equal(fake_worker_last(rig_lab(r), W_LEASES_DONE),
			    "1:ok 2:ok");
	assert_int_equal(json_array_size(json_object_get(
				 rig_call(r, "lease.list", NULL, -1),
				 "leases")),
			 2);
}

/* What ended stays known: to the store, and to the next worker. */
static void lease__released_or_declined__kept(void **state)
{
	struct rig *r = *state;
	json_t *o;

	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	fake_worker_lease(rig_lab(r), 0, 0x0a00020f, DHCP_RELEASED);
	fake_worker_lease(rig_lab(r), 2, 0x0a000210, DHCP_BOUND);
	fake_worker_lease(rig_lab(r), 0, 0x0a000210, DHCP_DECLINED);
	rig_spin(r);
	o = json_object_get(rig_call(r, "lease.list", "{}", -1), "leases");
	assert_int_equal(json_array_size(o), 1);
	assert_string_equal(rig_str(json_array_get(o, 0), "state"), "declined");
	o = json_object_get(rig_call(r, "lease.list", "{'all':true}", -1),
			    "leases");
	assert_int_equal(json_array_size(o), 2);
	fake_worker_die(rig_lab(r));
	spin_until_started(r, 2);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_LEASES),
			       "10.0.2.15=released"));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_LEASES),
			       "10.0.2.16=declined"));
}

/* One that is forgotten is gone from everywhere. */
static void lease__release_by_admin__forgotten(void **state)
{
	struct rig *r = *state;

	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	rig_spin(r);
	assert_non_null(rig_call(
		r, "lease.release",
		"{'network':'lab','address':'10.0.2.15'}", -1));
	assert_int_equal(fake_worker_count(rig_lab(r), W_LEASE_RELEASE), 1);
	assert_int_equal(json_array_size(json_object_get(
				 rig_call(r, "lease.list", "{'all':true}", -1),
				 "leases")),
			 0);
}

static void lease__outside_subnet__worker_killed(void **state)
{
	struct rig *r = *state;

	rig_quiet(true);
	fake_worker_lease(rig_lab(r), 1, 0x0a00030f, DHCP_BOUND);
	rig_spin(r);
	rig_quiet(false);
	assert_null(rig_lab(r)->chan);
	assert_int_equal(json_array_size(json_object_get(
				 rig_call(r, "lease.list", NULL, -1),
				 "leases")),
			 0);
}

/* One commit for all: it must not fail for a network that is there no more. */
static void lease__another_network_undefined__granted(void **state)
{
	struct rig *r = *state;
	struct network *n = model_net_find(&r->ctl.model, "lab");
	struct fake_worker *two;

	assert_non_null(rig_call(r, "network.define",
				 "{'name':'two','mode':'nat'}", -1));
	two = fake_worker_of(r->priv, "two");
	/* As netctl_undefine() leaves it until its worker has ended. */
	assert_int_equal(store_net_del(r->ctl.store, n->conf.id, NULL), 0);
	n->dying = true;
	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	fake_worker_lease(two, 2, 0x0a00030f, DHCP_BOUND);
	rig_spin(r);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_LEASES_DONE),
			       ":no"));
	assert_non_null(strstr(fake_worker_last(two, W_LEASES_DONE),
			       ":ok"));
}

static void lease__store_full__not_granted(void **state)
{
	struct rig *r = *state;

	sqlite3_exec(r->ctl.store->db, "PRAGMA query_only=1", NULL, NULL, NULL);
	rig_quiet(true);
	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	rig_spin(r);
	rig_quiet(false);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_LEASES_DONE),
			       ":no"));
	assert_int_equal(
		fake_worker_of(r->priv, "lab")->chan != NULL, 1);
}

static void addresses__wait__answered_by_lease(void **state)
{
	struct rig *r = *state;
	json_t *o = rig_call(r, "nic.attach",
			     "{'vm':'A','network':'lab',"
			     "'mac':'52:54:00:00:00:01'}",
			     -1);

	assert_non_null(o);
	assert_null(rig_call(r, "nic.addresses", "{'vm':'A','wait_s':60}", -1));
	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	rig_spin(r);
	o = json_array_get(json_object_get(json_object_get(r->last, "result"),
					   "addresses"),
			   0);
	assert_string_equal(rig_str(o, "address"), "10.0.2.15");
	assert_string_equal(rig_str(o, "source"), "lease");
	assert_int_equal(json_integer_value(json_object_get(o, "prefix")), 24);
}

static void addresses__seen__shown(void **state)
{
	struct rig *r = *state;
	json_t *o;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	fake_worker_say(rig_lab(r), W_SEEN,
			"{\"nic\":100,\"mac\":\"52:54:00:00:00:09\","
			"\"ip\":\"10.0.2.77\"}",
			-1);
	rig_spin(r);
	o = json_array_get(
		json_object_get(rig_call(r, "nic.addresses", "{'vm':'A'}", -1),
				"addresses"),
		0);
	assert_string_equal(rig_str(o, "address"), "10.0.2.77");
	assert_string_equal(rig_str(o, "source"), "seen");
}

static void reserve__taken_address__refused(void **state)
{
	struct rig *r = *state;

	fake_worker_lease(rig_lab(r), 1, 0x0a00020f, DHCP_BOUND);
	rig_spin(r);
	assert_null(rig_call(r, "reserve.add",
			     "{'network':'lab','mac':'52:54:00:00:00:02',"
			     "'address':'10.0.2.15'}",
			     -1));
	assert_int_equal(rig_code(r), RPC_EXISTS);
	assert_null(rig_call(r, "reserve.add",
			     "{'network':'lab','mac':'52:54:00:00:00:02',"
			     "'address':'10.0.2.2'}",
			     -1));
	assert_int_equal(rig_code(r), RPC_BAD_PARAMS);
}

static void reserve__before_attach__follows_the_mac(void **state)
{
	struct rig *r = *state;

	assert_non_null(rig_call(
		r, "reserve.add",
		"{'network':'lab','vm':'A','address':'10.0.2.50'}", -1));
	rig_call(r, "nic.attach",
		 "{'vm':'A','network':'lab','mac':'52:54:00:aa:bb:cc'}", -1);
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_RESERVE),
			       "52:54:00:aa:bb:cc"));
	assert_non_null(strstr(fake_worker_last(rig_lab(r), W_RESERVE),
			       "10.0.2.50"));
}

/* ---- the store says no ---------------------------------------------------- */

static void store_readonly__refused_and_memory_unchanged(void **state)
{
	static const char *const calls[][2] = {
		{"network.define", "{'name':'two','mode':'nat'}"},
		{"network.undefine", "{'name':'lab','force':true}"},
		{"network.autostart", "{'name':'lab','on':false}"},
		{"network.stop", "{'name':'lab'}"},
		{"nic.attach", "{'vm':'B','network':'lab'}"},
		{"nic.detach", "{'vm':'A'}"},
		{"nic.link", "{'vm':'A','up':false}"},
		{"forward.add", "{'network':'lab','proto':'tcp','port':90,"
				"'to_vm':'A'}"},
		{"forward.del", "{'id':1}"},
		{"reserve.add", "{'network':'lab','vm':'B',"
				"'address':'10.0.2.51'}"},
		{"reserve.del", "{'network':'lab','address':'10.0.2.50'}"},
	};
	struct rig *r = *state;
	char *before, *after;

	rig_call(r, "nic.attach", "{'vm':'A','network':'lab'}", -1);
	rig_call(r, "forward.add",
		 "{'network':'lab','proto':'tcp','port':2222,'to_vm':'A'}", -1);
	rig_call(r, "reserve.add",
		 "{'network':'lab','vm':'A','address':'10.0.2.50'}", -1);
	before = json_dumps(rig_call(r, "network.show", "{'name':'lab'}", -1),
			    JSON_SORT_KEYS);
	sqlite3_exec(r->ctl.store->db, "PRAGMA query_only=1", NULL, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		assert_null(rig_call(r, calls[i][0], calls[i][1], -1));
		assert_int_equal(rig_code(r), RPC_REFUSED);
		assert_non_null(strstr(rig_text(r), "not writable"));
	}
	after = json_dumps(rig_call(r, "network.show", "{'name':'lab'}", -1),
			   JSON_SORT_KEYS);
	assert_string_equal(before, after);
	assert_int_equal(r->ctl.model.nnets, 1);
	free(before);
	free(after);
}

/* ---- hostile worker -------------------------------------------------------- */

static void hostile__killed_each_time(void **state)
{
	static const struct {
		uint16_t type;
		const char *body;
	} bad[] = {
		{W_DONE, "{}"},		  /* nobody asked */
		{W_READY, "{}"},	  /* again */
		{W_PEER, "[]"},		  /* no object */
		{W_PEER, "{\"nic\":\"x\"}"},
		{W_SEEN, "{\"nic\":100,\"mac\":1}"},
		{W_ACCEPTED, "{\"nic\":100}"}, /* without descriptor */
		{W_LOG, "{\"level\":\"loud\",\"line\":\"x\"}"},
		{W_LEASES, "{\"token\":0}"}, /* no record */
		{W_LEASES_DONE, ""},
		{W_BYTES + 7, "?"},
		{W_NET, "{}"}, /* our own kind of message */
		{77, "{}"},
	};
	struct rig *r = *state;
	unsigned int workers = 1;

	rig_quiet(true);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fake_worker *w = rig_lab(r);

		fake_worker_say(w, bad[i].type, bad[i].body, -1);
		rig_spin(r);
		assert_null(w->chan);
		assert_non_null(rig_call(r, "network.stop", "{'name':'lab'}",
					 -1));
		assert_non_null(rig_call(r, "network.start", "{'name':'lab'}",
					 -1));
		if (workers < FAKE_WORKERS)
			workers++;
		assert_int_equal(r->priv->nworkers, workers);
	}
	rig_quiet(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f)	 cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
#define T_LAB(f) cmocka_unit_test_setup_teardown(f, rig_up_lab, rig_down)
		T(define__nat_defaults__running_and_told),
		T_LAB(address_gone__running_nat_networks__told),
		T_LAB(set__live_settings__worker_told_and_shown),
		T_LAB(set__subnet6__worker_starts_anew_with_it),
		T_LAB(show__numbers_of_the_worker__beside_their_nic),
		T_LAB(flow_list__rows_of_workers__with_names),
		T_LAB(flow_kill__picked__counted),
		T_LAB(define__second_nat__next_subnet_and_deny),
		T_LAB(define__many_at_once__a_worker_hears_it_once),
		T_LAB(define__same_name__exists),
		T(define__hostonly__host_port_with_address),
		T(define__bridged_rootless__refused),
		T_LAB(stop_start__worker_ends_and_comes),
		T_LAB(undefine__with_nics__only_with_force),
		T_LAB(attach__stream__socket_and_worker),
		T_LAB(attach__again__same_nic),
		T_LAB(sender__answered_by_priv__worker_is_told),
		T_LAB(connect_to__tried_until_somebody_listens),
		T_LAB(connect_to__with_another_type__refused),
		T_LAB(attach__worker_refuses__never_was),
		T_LAB(attach__fd__handed_on_and_replaced),
		T_LAB(attach__fd_that_is_no_socket__refused),
		T_LAB(worker_crash__all_is_sent_again),
		T_LAB(accepted__kept_for_the_next_worker),
		T_LAB(move__old_worker_lets_go_first),
		T_LAB(detach__during_move__answers_both),
		T_LAB(lease__committed_before_done),
		T_LAB(lease__released_or_declined__kept),
		T_LAB(lease__release_by_admin__forgotten),
		T_LAB(lease__outside_subnet__worker_killed),
		T_LAB(lease__another_network_undefined__granted),
		T_LAB(lease__store_full__not_granted),
		T_LAB(addresses__wait__answered_by_lease),
		T_LAB(addresses__seen__shown),
		T_LAB(reserve__taken_address__refused),
		T_LAB(reserve__before_attach__follows_the_mac),
		T_LAB(store_readonly__refused_and_memory_unchanged),
		T_LAB(hostile__killed_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
