// SPDX-License-Identifier: GPL-2.0-or-later
/* forward.*: ports of the host that lead to guests. What they do is fwdctl.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jx.h"
#include "netd/fwdctl.h"
#include "netd/m_int.h"
#include "netd/obj.h"
#include "netd/validate.h"

/* The target as @params say: a VM or an address takes the other's place. */
static int read_target(json_t *params, struct fwd_conf *conf)
{
	const char *vm = m_str(params, "to_vm");

	if (vm && strlen(vm) > CONF_NAME_MAX)
		return -EINVAL;
	if (vm) {
		snprintf(conf->to_vm, sizeof(conf->to_vm), "%s", vm);
		conf->to_nic = -1;
		conf->to_address = ipaddr_any;
	}
	if (m_str(params, "to_address")) {
		(void)jx_ip(params, "to_address", &conf->to_address, NULL);
		if (!vm)
			conf->to_vm[0] = '\0';
		conf->to_nic = -1;
	}
	if (conf->to_vm[0])
		conf->to_nic = (int)m_int(params, "to_nic", conf->to_nic);
	return 0;
}

/* "0.0.0.0" and "::" are all addresses of both families, as is none. */
static void read_address(json_t *params, struct ipaddr *out)
{
	(void)jx_ip(params, "address", out, NULL);
	if (ipaddr_is_any(out))
		*out = ipaddr_any;
}

/* "to_port_end" says nothing new; who gives it wants to be told when it is wrong. */
static bool same_length(struct call *c, json_t *params,
			const struct fwd_conf *conf)
{
	int more = conf->port_end - conf->port;
	int64_t end = m_int(params, "to_port_end", conf->to_port + more);

	if (end == conf->to_port + more)
		return true;
	call_fail(c, RPC_BAD_PARAMS,
		  "%d ports of the host lead to %d ports of the guest, not to "
		  "%u-%lld",
		  more + 1, more + 1, conf->to_port, (long long)end);
	return false;
}

static void add(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct fwd_conf conf = {.to_nic = -1};

	if (!n)
		return;
	if (read_target(params, &conf)) {
		call_fail(c, RPC_BAD_PARAMS, "to_vm is too long");
		return;
	}
	conf.network = n->conf.id;
	(void)fwd_proto_parse(m_str(params, "proto"), &conf.proto);
	read_address(params, &conf.address);
	conf.port = (uint16_t)m_int(params, "port", 0);
	conf.port_end = (uint16_t)m_int(params, "port_end", conf.port);
	conf.to_port = (uint16_t)m_int(params, "to_port", conf.port);
	if (!same_length(c, params, &conf))
		return;
	fwdctl_add(ctl, c, n, &conf);
}

static struct forward *by_id(struct ctl *ctl, struct call *c, int64_t id)
{
	struct forward *f = model_fwd_by_id(&ctl->model, id);

	if (!f)
		call_fail(c, RPC_NOT_FOUND, "no forward %lld", (long long)id);
	return f;
}

static void set(struct ctl *ctl, struct call *c, json_t *params)
{
	struct forward *f = by_id(ctl, c, m_int(params, "id", 0));
	struct fwd_conf conf;
	int64_t end;

	if (!f)
		return;
	conf = f->conf;
	if (read_target(params, &conf)) {
		call_fail(c, RPC_BAD_PARAMS, "to_vm is too long");
		return;
	}
	end = conf.port_end - conf.port;
	if (m_str(params, "proto"))
		(void)fwd_proto_parse(m_str(params, "proto"), &conf.proto);
	read_address(params, &conf.address);
	conf.port = (uint16_t)m_int(params, "port", conf.port);
	end = m_int(params, "port_end", conf.port + end);
	if (end > 65535) {
		call_fail(c, RPC_BAD_PARAMS,
			  "the range reaches beyond port 65535");
		return;
	}
	conf.port_end = (uint16_t)end;
	conf.to_port = (uint16_t)m_int(params, "to_port", conf.to_port);
	if (!same_length(c, params, &conf))
		return;
	fwdctl_set(ctl, c, f, &conf);
}

static struct forward *find(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n;
	struct ipaddr address = ipaddr_any;
	bool any = !m_str(params, "address");
	int64_t id = m_int(params, "id", 0), port = m_int(params, "port", 0);
	int proto = 0;

	if (id)
		return by_id(ctl, c, id);
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
	read_address(params, &address);
	list_for_each(f, &n->fwds, struct forward, node)
		if (f->conf.proto == proto && f->conf.port == port &&
		    (any || ipaddr_eq(&f->conf.address, &address)))
			return f;
	call_fail(c, RPC_NOT_FOUND, "network %s has no forward of %s port %lld",
		  n->conf.name, fwd_proto_name(proto), (long long)port);
	return NULL;
}

static void del(struct ctl *ctl, struct call *c, json_t *params)
{
	struct forward *f = find(ctl, c, params);

	if (f)
		fwdctl_del(ctl, c, f);
}

/* ---- list: waits for the workers' numbers ---------------------------------- */

struct listing {
	struct ctl *ctl;
	struct call *call;
	char network[CONF_NAME_MAX + 1]; /* "" = all */
	unsigned int waiting;
};

static bool wanted(const struct listing *l, const struct network *n)
{
	return !n->dying &&
	       (!l->network[0] || !strcmp(l->network, n->conf.name));
}

static void counted(void *arg)
{
	struct listing *l = arg;
	json_t *a;

	if (--l->waiting)
		return;
	a = json_array();
	list_for_each(n, &l->ctl->model.nets, struct network, node) {
		if (!wanted(l, n))
			continue;
		list_for_each(f, &n->fwds, struct forward, node) {
			json_t *o = obj_forward(f);

			json_object_set_new(o, "stats", obj_fwd_stats(f));
			json_array_append_new(a, o);
		}
	}
	call_result(l->call, json_pack("{s:o}", "forwards", a));
	free(l);
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network");
	struct listing *l;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	l = calloc(1, sizeof(*l));
	if (!l) {
		call_fail(c, RPC_REFUSED, "no memory");
		return;
	}
	l->ctl = ctl;
	l->call = c;
	l->waiting = 1; /* ourselves, until all are asked */
	if (net)
		snprintf(l->network, sizeof(l->network), "%s", net);
	list_for_each_safe(n, &ctl->model.nets, struct network, node) {
		if (!wanted(l, n) || list_empty(&n->fwds))
			continue;
		l->waiting++;
		fwdctl_stats(ctl, n, counted, l);
	}
	counted(l);
}

static const struct param p_add[] = {
	{"network", P_STR, true, 0, 0, NULL, "a nat network"},
	{"proto", P_STR, true, 0, 0, "tcp|udp", "protocol"},
	{"port", P_INT, true, 1, 65535, NULL, "of the host"},
	{"port_end", P_INT, false, 1, 65535, NULL, "last of a range"},
	{"address", P_IP, false, 0, 0, NULL, "of the host, IPv4 or IPv6; all of both when left out"},
	{"to_vm", P_STR, false, 0, 0, NULL, "name of the VM; or to_address"},
	{"to_nic", P_INT, false, 0, CONF_NIC_INDEX, NULL,
	 "its NIC; the first on the network when left out"},
	{"to_address", P_IP, false, 0, 0, NULL, "a guest's address"},
	{"to_port", P_INT, false, 1, 65535, NULL,
	 "of the guest, same as port when left out; a range runs parallel"},
	{"to_port_end", P_INT, false, 1, 65535, NULL,
	 "last of the guest's range; refused when it is not as long"},
	{NULL},
};
static const struct param p_set[] = {
	{"id", P_INT, true, 1, INT64_MAX, NULL, "of the forward"},
	{"proto", P_STR, false, 0, 0, "tcp|udp", "another protocol"},
	{"port", P_INT, false, 1, 65535, NULL,
	 "another port of the host; a range keeps its length"},
	{"port_end", P_INT, false, 1, 65535, NULL, "last of a range"},
	{"address", P_IP, false, 0, 0, NULL,
	 "another address of the host; 0.0.0.0 = all"},
	{"to_vm", P_STR, false, 0, 0, NULL, "another VM"},
	{"to_nic", P_INT, false, 0, CONF_NIC_INDEX, NULL, "another NIC of it"},
	{"to_address", P_IP, false, 0, 0, NULL, "a guest's address instead"},
	{"to_port", P_INT, false, 1, 65535, NULL, "another port of the guest"},
	{"to_port_end", P_INT, false, 1, 65535, NULL,
	 "last of the guest's range; refused when it is not as long"},
	{NULL},
};
static const struct param p_del[] = {
	{"id", P_INT, false, 1, INT64_MAX, NULL, "of the forward; or:"},
	{"network", P_STR, false, 0, 0, NULL, "its network"},
	{"proto", P_STR, false, 0, 0, "tcp|udp", "its protocol"},
	{"port", P_INT, false, 1, 65535, NULL, "its (first) port"},
	{"address", P_IP, false, 0, 0, NULL, "its address; any when left out"},
	{NULL},
};
static const struct param p_list[] = {
	{"network", P_STR, false, 0, 0, NULL, "only those of it"},
	{NULL},
};

#define FORWARD                                                                \
	"{id,network,proto,address,port,port_end,to_vm,to_nic,to_address,"     \
	"to_port,state:active|inactive|waiting|failed,reason}"

const struct method m_forward[] = {
	{"forward.add", RIGHT_ADMIN,
	 "Lead a port of the host to a guest, from now on. A busy port is "
	 "refused with the name of who has it; an address that the host does "
	 "not have is waited for.",
	 p_add, FORWARD, add},
	{"forward.set", RIGHT_ADMIN,
	 "Change a forward while it works; what is left out stays. Connections "
	 "end only where the target becomes another.",
	 p_set, FORWARD, set},
	{"forward.del", RIGHT_ADMIN,
	 "Remove a forward; its connections end, and its ports are free when "
	 "the answer comes. Refused while the kernel leads it and does not let "
	 "go; it stays then.",
	 p_del, "{}", del},
	{"forward.list", RIGHT_READ, "Forwards with their numbers.", p_list,
	 "{forwards:[forward + {stats:{clients,accepted,refused,bytes_in,"
	 "bytes_out}|null}]}",
	 list},
	{NULL},
};
