// SPDX-License-Identifier: GPL-2.0-or-later
/* rpc.discover, daemon.info; and what all method files share (m_int.h). */
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "netd/m_int.h"
#include "netd/priv.h"

const char *m_str(json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

int64_t m_int(json_t *params, const char *key, int64_t def)
{
	json_t *v = json_object_get(params, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool m_bool(json_t *params, const char *key, bool def)
{
	json_t *v = json_object_get(params, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

struct network *m_find_net(struct ctl *ctl, struct call *c, json_t *params,
			   const char *key)
{
	const char *name = m_str(params, key);
	struct network *n = name ? model_net_find(&ctl->model, name) : NULL;

	if (n && n->dying) {
		call_fail(c, RPC_NOT_FOUND, "network %s is being undefined",
			  name);
		return NULL;
	}
	if (!n)
		call_fail(c, RPC_NOT_FOUND,
			  "no network \"%.50s\"; vnet list shows them",
			  name ? name : "");
	return n;
}

bool m_only_net(struct ctl *ctl, struct call *c, json_t *params,
		const char *key)
{
	return !m_str(params, key) || m_find_net(ctl, c, params, key);
}

struct nic *m_find_nic(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *vm = m_str(params, "vm");
	int index = (int)m_int(params, "nic", 0);
	struct nic *nic = vm ? model_nic_find(&ctl->model, vm, index) : NULL;

	if (!nic)
		call_fail(c, RPC_NOT_FOUND, "VM \"%.50s\" has no NIC %d here",
			  vm ? vm : "", index);
	return nic;
}

bool m_owns(struct call *c, const struct nic *nic)
{
	if (c->who.right == RIGHT_ADMIN || nic->conf.owner == c->who.uid)
		return true;
	call_fail(c, RPC_DENIED, "nic %s-%d belongs to another user",
		  nic->conf.vm, nic->conf.index);
	return false;
}

static void discover(struct ctl *ctl, struct call *c, json_t *params)
{
	(void)ctl;
	(void)params;
	call_result(c, method_describe());
}

static json_t *features(struct ctl *ctl)
{
	bool root = priv_is_root(ctl->priv);

	return json_pack("{s:b,s:b,s:b,s:b,s:b,s:b}", "nat", 1, "internal", 1,
			 "hostonly", (int)root, "bridged", (int)root, "tap",
			 (int)root, "kernel_datapath", (int)root);
}

static void info(struct ctl *ctl, struct call *c, json_t *params)
{
	(void)params;
	call_result(
		c,
		json_pack("{s:s,s:i,s:s,s:i,s:s,s:s,s:I,s:o,s:i,s:i}",
			  "version", VNET_VERSION, "pid", (int)getpid(),
			  "instance", ctl->system ? "system" : "user", "uid",
			  (int)getuid(), "runtime_dir", ctl->run_dir,
			  "state_dir", ctl->state_dir, "uptime_s",
			  (json_int_t)((clock_mono_ms() - ctl->started_ms) /
				       1000),
			  "features", features(ctl), "networks",
			  (int)ctl->model.nnets, "nics",
			  (int)ctl->model.nnics));
}

const struct method m_daemon[] = {
	{"rpc.discover", RIGHT_READ, "The table of methods.", NULL,
	 "{methods:[{name,right,summary,params,result}]}", discover},
	{"daemon.info", RIGHT_READ, "Version, folders, what this instance can.",
	 NULL,
	 "{version,pid,instance,uid,runtime_dir,state_dir,uptime_s,features,"
	 "networks,nics}",
	 info},
	{NULL},
};
