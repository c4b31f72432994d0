// SPDX-License-Identifier: GPL-2.0-or-later
/* forward.*: ports of the host that lead to guests. What they do is fwdctl.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/fwdctl.h"
#include "netd/m_int.h"
#include "netd/obj.h"
#include "netd/validate.h"

static void add(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	const char *vm = m_str(params, "to_vm");
	struct fwd_conf conf = {.to_nic = (int)m_int(params, "to_nic", -1)};

	if (!n)
		return;
	if (vm && strlen(vm) > CONF_NAME_MAX) {
		call_fail(c, RPC_BAD_PARAMS, "to_vm is too long");
		return;
	}
	conf.network = n->conf.id;
	(void)fwd_proto_parse(m_str(params, "proto"), &conf.proto);
	(void)jx_ip4(params, "address", &conf.address, NULL);
	(void)jx_ip4(params, "to_address", &conf.to_address, NULL);
	conf.port = (uint16_t)m_int(params, "port", 0);
	conf.port_end = (uint16_t)m_int(params, "port_end", conf.port);
	conf.to_port = (uint16_t)m_int(params, "to_port", conf.port);
	snprintf(conf.to_vm, sizeof(conf.to_vm), "%s", vm ? vm : "");
	fwdctl_add(ctl, c, n, &conf);
}

static struct forward *find(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n;
	uint32_t address = 0;
	bool any = !m_str(params, "address");
	int64_t id = m_int(params, "id", 0), port = m_int(params, "port", 0);
	int proto = 0;

	if (id) {
		struct forward *f = model_fwd_by_id(&ctl->model, id);

		if (!f)
			call_fail(c, RPC_NOT_FOUND, "no forward %lld",
				  (long long)id);
		return f;
	}
	if (!m_str(params, "network") || !m_str(params, "proto") || !port) {
		call_fail(c, RPC_BAD_PARAMS,
			  "give \"id\", or \"network\", \"proto\" and "
			  "\"port\"");
		return NULL;
	}
	n = m_find_net(ctl, c, params, "network");
	if (!n)
		return NULL;
	(void)fwd_proto_parse(m_str(params, "proto"), &proto);
	(void)jx_ip4(params, "address", &address, NULL);
	list_for_each(f, &n->fwds, struct forward, node)
		if (f->conf.proto == proto && f->conf.port == port &&
		    (any || f->conf.address == address))
			return f;
	call_fail(c, RPC_NOT_FOUND, "network %s has no forward of %s port %lld",
		  n->conf.name, fwd_proto_name(proto), (long long)port);
	return NULL;
}

static void del(struct ctl *ctl, struct call *c, json_t *params)
{
	struct forward *f = find(ctl, c, params);
	struct errtext why = {""};
	int r;

	if (!f)
		return;
	r = fwdctl_del(ctl, f, &why);
	if (r)
		call_fail_why(c, r, &why);
	else
		call_result(c, NULL);
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network");
	json_t *a;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	a = json_array();
	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (n->dying || (net && strcmp(net, n->conf.name)))
			continue;
		list_for_each(f, &n->fwds, struct forward, node)
			json_array_append_new(a, obj_forward(f));
	}
	call_result(c, json_pack("{s:o}", "forwards", a));
}

static const struct param p_add[] = {
	{"network", P_STR, true, 0, 0, NULL, "a nat network"},
	{"proto", P_STR, true, 0, 0, "tcp|udp", "protocol"},
	{"port", P_INT, true, 1, 65535, NULL, "of the host"},
	{"port_end", P_INT, false, 1, 65535, NULL, "last of a range"},
	{"address", P_IP4, false, 0, 0, NULL, "of the host; all when left out"},
	{"to_vm", P_STR, false, 0, 0, NULL, "name of the VM; or to_address"},
	{"to_nic", P_INT, false, 0, CONF_NIC_INDEX, NULL,
	 "its NIC; the first on the network when left out"},
	{"to_address", P_IP4, false, 0, 0, NULL, "a guest's address"},
	{"to_port", P_INT, false, 1, 65535, NULL,
	 "of the guest, same as port when left out; a range runs parallel"},
	{NULL},
};
static const struct param p_del[] = {
	{"id", P_INT, false, 1, INT64_MAX, NULL, "of the forward; or:"},
	{"network", P_STR, false, 0, 0, NULL, "its network"},
	{"proto", P_STR, false, 0, 0, "tcp|udp", "its protocol"},
	{"port", P_INT, false, 1, 65535, NULL, "its (first) port"},
	{"address", P_IP4, false, 0, 0, NULL, "its address; any when left out"},
	{NULL},
};
static const struct param p_list[] = {
	{"network", P_STR, false, 0, 0, NULL, "only those of it"},
	{NULL},
};

const struct method m_forward[] = {
	{"forward.add", RIGHT_ADMIN,
	 "Lead a port of the host to a guest, from now on. A busy port is "
	 "refused with the name of who has it.",
	 p_add,
	 "{id,network,proto,address,port,port_end,to_vm,to_nic,to_address,"
	 "to_port,state:active|inactive|failed,reason}",
	 add},
	{"forward.del", RIGHT_ADMIN, "Remove a forward; its connections end.",
	 p_del, "{}", del},
	{"forward.list", RIGHT_READ, "Forwards.", p_list,
	 "{forwards:[forward]}", list},
	{NULL},
};
