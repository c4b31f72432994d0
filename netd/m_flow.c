// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flow.*: what guests speak of through nat networks, and an end to it. The workers
 * are asked one after the other, each for a part at a time, so that neither a long
 * list nor a long slaughter holds up a loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/m_int.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/wmsg.h"

#define LIMIT_DEF  1000
#define LIMIT_MAX  7000 /* what a client's queue of answers takes */
#define ROUNDS_MAX 10000 /* with one worker */

/* One worker to ask, perhaps about one NIC only. */
struct place {
	int64_t net, nic;
};

struct flow_call {
	struct ctl *ctl;
	struct call *call;
	bool kill;
	json_t *pick; /* what the workers are asked for */
	struct place *place;
	size_t n, at;
	int64_t after;
	unsigned int rounds;
	/* list */
	json_t *flows;
	size_t limit;
	bool more;
	/* kill */
	int64_t killed;
};

static void go_on(struct flow_call *f);

static void finish(struct flow_call *f)
{
	if (f->kill) {
		json_decref(f->flows);
		call_result(f->call,
			    json_pack("{s:I}", "killed", (json_int_t)f->killed));
	} else {
		call_result(f->call, json_pack("{s:o,s:b}", "flows", f->flows,
					       "more", (int)f->more));
	}
	json_decref(f->pick);
	free(f->place);
	free(f);
}

/* The worker's row, for people: NIC numbers become VMs. */
static void add_row(struct flow_call *f, struct network *n, json_t *row)
{
	int64_t id = json_integer_value(json_object_get(row, "nic"));
	struct nic *nic = model_nic_by_id(&f->ctl->model, id);

	if (nic && nic->net != n)
		nic = NULL;
	json_object_set_new(row, "network", json_string(n->conf.name));
	json_object_set_new(row, "vm",
			    nic ? json_string(nic->conf.vm) : json_null());
	json_object_set_new(row, "nic", nic ? json_integer(nic->conf.index)
					    : json_null());
	json_array_append_new(f->flows, row);
}

/* False: this worker has told all that is wanted of it. */
static bool take_rows(struct flow_call *f, struct network *n, json_t *result)
{
	json_t *v, *a = json_object_get(result, "flows");
	int64_t before = f->after;
	size_t i;

	json_array_foreach(a, i, v) {
		json_t *row = wmsg_flow(v, &f->after);

		if (!row)
			continue;
		if (json_array_size(f->flows) == f->limit) {
			json_decref(row);
			f->more = true;
			return false;
		}
		add_row(f, n, row);
	}
	return f->after != before && json_is_true(json_object_get(result, "more"));
}

static bool take_killed(struct flow_call *f, json_t *result)
{
	int64_t n = 0;

	if (jx_int(result, "killed", 0, 1 << 20, &n, NULL))
		return false;
	f->killed += n;
	return n && json_is_true(json_object_get(result, "more"));
}

static void answered(void *arg, int err, json_t *result, const char *why)
{
	struct flow_call *f = arg;
	struct network *n = model_net_by_id(&f->ctl->model, f->place[f->at].net);
	bool again = false;

	(void)why;
	if (!err && n)
		again = f->kill ? take_killed(f, result)
				: take_rows(f, n, result);
	if (!again || ++f->rounds > ROUNDS_MAX) {
		f->at++;
		f->after = 0;
		f->rounds = 0;
	}
	go_on(f);
}

static void go_on(struct flow_call *f)
{
	for (; f->at < f->n && !f->more; f->at++) {
		const struct place *p = &f->place[f->at];
		struct network *n = model_net_by_id(&f->ctl->model, p->net);
		json_t *body;

		if (!n || !n->synced)
			continue;
		body = json_deep_copy(f->pick);
		json_object_set_new(body, "nic", json_integer(p->nic));
		json_object_set_new(body, "after", json_integer(f->after));
		super_request(n->sup, f->kill ? W_FLOW_KILL : W_FLOWS, body,
			      NULL, 0, answered, f);
		return;
	}
	finish(f);
}

/* The workers that are meant: all, a network's, or those of a VM's NICs. */
static bool find_places(struct flow_call *f, const char *of)
{
	struct model *m = &f->ctl->model;
	struct network *only = of ? model_net_find(m, of) : NULL;

	f->place = calloc((size_t)m->nnets + m->nnics + 1, sizeof(*f->place));
	if (!f->place)
		return false;
	list_for_each(n, &m->nets, struct network, node)
		if (n->conf.mode == NET_NAT && (!of || n == only))
			f->place[f->n++] = (struct place){n->conf.id, 0};
	if (!of || only)
		return true;
	list_for_each(nic, &m->nics, struct nic, all)
		if (!strcmp(nic->conf.vm, of) && nic->net->conf.mode == NET_NAT)
			f->place[f->n++] = (struct place){nic->net->conf.id,
							  nic->conf.id};
	return true;
}

static bool is_known(struct ctl *ctl, const char *of)
{
	if (!of || model_net_find(&ctl->model, of))
		return true;
	list_for_each(nic, &ctl->model.nics, struct nic, all)
		if (!strcmp(nic->conf.vm, of))
			return true;
	return false;
}

static void start(struct ctl *ctl, struct call *c, json_t *params, bool kill)
{
	static const char *const keys[] = {"id", "proto", "remote", "port"};
	const char *of = m_str(params, "of");
	struct ipaddr remote;
	struct flow_call *f;
	struct errtext why;

	if (jx_ip(params, "remote", &remote, &why)) {
		call_fail(c, RPC_BAD_PARAMS, "%s", why.s);
		return;
	}
	if (!is_known(ctl, of)) {
		call_fail(c, RPC_NOT_FOUND, "no network or VM is called %s", of);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (f)
		*f = (struct flow_call){
			.ctl = ctl, .call = c, .kill = kill,
			.limit = (size_t)m_int(params, "limit", LIMIT_DEF),
		};
	if (!f || !find_places(f, of)) {
		free(f);
		call_fail(c, RPC_INTERNAL, "no memory");
		return;
	}
	f->flows = json_array();
	f->pick = json_object();
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		json_object_set(f->pick, keys[i],
				json_object_get(params, keys[i]));
	go_on(f);
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	start(ctl, c, params, false);
}

static void kill_method(struct ctl *ctl, struct call *c, json_t *params)
{
	bool any = false;

	if (m_str(params, "of") || m_str(params, "proto") ||
	    m_str(params, "remote") || m_int(params, "port", 0) ||
	    m_int(params, "id", 0))
		any = true;
	if (!any && !m_bool(params, "all", false)) {
		call_fail(c, RPC_BAD_PARAMS,
			  "say which flows: \"of\", \"proto\", \"remote\", "
			  "\"port\", \"id\", or \"all\"");
		return;
	}
	if (m_int(params, "id", 0) && !m_str(params, "of")) {
		call_fail(c, RPC_BAD_PARAMS,
			  "a flow's id is its network's: give \"of\", too");
		return;
	}
	start(ctl, c, params, true);
}

#define PICK                                                                 \
	{"of", P_STR, false, 0, 0, NULL, "a network or a VM; all when left out"}, \
	{"proto", P_STR, false, 0, 0, "tcp|udp|icmp", "of this protocol"},   \
	{"remote", P_STR, false, 0, 0, NULL, "with this address outside"},    \
	{"port", P_INT, false, 1, 65535, NULL, "with this port outside"},    \
	{"id", P_INT, false, 1, INT64_MAX, NULL, "this one of a network's"}

static const struct param p_list[] = {
	PICK,
	{"limit", P_INT, false, 1, LIMIT_MAX, NULL,
	 "how many at most; 1000 when left out"},
	{NULL},
};
static const struct param p_kill[] = {
	PICK,
	{"all", P_BOOL, false, 0, 0, NULL, "every flow there is"},
	{NULL},
};

const struct method m_flow[] = {
	{"flow.list", RIGHT_READ,
	 "Flows through nat networks: mappings, then TCP, the oldest first.",
	 p_list,
	 "{flows:[{id,network,vm,nic,proto,state,guest,guest_port,outside,"
	 "outside_port,host_port,forwarded,bytes_out,bytes_in,packets_out,packets_in,"
	 "age_s,idle_s}],"
	 "more}",
	 list},
	{"flow.kill", RIGHT_ADMIN,
	 "End flows; TCP connections are reset on both sides.", p_kill,
	 "{killed}", kill_method},
	{NULL},
};
