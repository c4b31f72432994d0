// SPDX-License-Identifier: GPL-2.0-or-later
/* nic.*: VMs' NICs. What they do is nicctl.c, nicctl_link.c, addrs.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/jx.h"
#include "netd/addrs.h"
#include "netd/guardconf.h"
#include "netd/m_int.h"
#include "netd/nicctl.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/validate.h"

/* ---- attach -------------------------------------------------------------- */

/* TAPs are for those who may change the host's network anyway. */
static bool refuse_type(struct ctl *ctl, struct call *c,
			const struct network *n, enum nic_type type)
{
	if (type != NIC_TAP && type != NIC_NETNS)
		return false;
	/* It is on the network's own bridge, and nowhere else. */
	if (type == NIC_TAP && n->conf.datapath == DATAPATH_KERNEL)
		return false;
	if (c->who.right != RIGHT_ADMIN) {
		call_fail(c, RPC_DENIED, "type %s is for root; types stream, "
					 "dgram, seqpacket, vhost-user and fd "
					 "are for all members of group vnet",
			  nic_type_name(type));
		return true;
	}
	if (type == NIC_TAP && !priv_is_root(ctl->priv)) {
		call_fail(c, RPC_REFUSED,
			  "type tap needs vnetd to run as root; types stream, "
			  "dgram, seqpacket, vhost-user and fd work here");
		return true;
	}
	return false;
}

/* Whoever asks for such a NIC does not know what others the VM has. */
static int free_index(struct ctl *ctl, const char *vm)
{
	int i = 0;

	while (i < CONF_NIC_INDEX && model_nic_find(&ctl->model, vm, i))
		i++;
	return i;
}

static bool refuse_transient(struct call *c, const struct network *n)
{
	if (n->conf.datapath != DATAPATH_KERNEL)
		call_fail(c, RPC_REFUSED,
			  "network %s has datapath user, and no bridge that a "
			  "TAP could be on; `vnet run`, or --for of `vnet "
			  "attach`, connects a VM to it, and networks defined "
			  "with --datapath kernel have bridges",
			  n->conf.name);
	else if (!n->bridged)
		call_fail(c, RPC_REFUSED,
			  "network %s is stopped; `vnet start %s` starts it",
			  n->conf.name, n->conf.name);
	else
		return false;
	return true;
}

/* Only root lets a guest do what the network's owner did not mean it to. */
static bool read_guard(struct call *c, json_t *params, const struct network *n,
		       struct guard_conf *guard)
{
	struct errtext why = {""};
	int r = guardconf_read(params, true, guard, &why);

	if (!r && c->who.right != RIGHT_ADMIN)
		r = guardconf_weaker(guard, &n->conf, &why);
	if (r == -EPERM)
		call_fail(c, RPC_DENIED, "%s", why.s);
	else if (r)
		call_fail_why(c, r, &why);
	return !r;
}

static bool read_conf(struct ctl *ctl, struct call *c, json_t *params,
		      struct network *n, struct nic_conf *conf)
{
	const char *type = m_str(params, "type");
	const char *ifname = m_str(params, "ifname");
	const char *netns = m_str(params, "netns");
	const char *to = m_str(params, "connect_to");
	int64_t owner = m_int(params, "owner", c->who.uid);
	struct errtext why = {""};

	memset(conf, 0, sizeof(*conf));
	conf->network = n->conf.id;
	conf->link = true;
	conf->index = (int)m_int(params, "nic", 0);
	conf->transient = m_bool(params, "transient", false);
	conf->plain = !m_bool(params, "vnet_hdr", true);
	conf->owner = (uid_t)owner;
	conf->queues = (int)m_int(params, "queues", 0);
	if (validate_name("VM name", m_str(params, "vm"), &why) ||
	    (ifname && validate_ifname(ifname, &why))) {
		call_fail_why(c, -EINVAL, &why);
		return false;
	}
	snprintf(conf->vm, sizeof(conf->vm), "%s", m_str(params, "vm"));
	if (conf->transient && !json_object_get(params, "nic"))
		conf->index = free_index(ctl, conf->vm);
	if (ifname)
		snprintf(conf->ifname, sizeof(conf->ifname), "%s", ifname);
	if (to && strlen(to) > CONF_SOCKET_MAX) {
		call_fail(c, RPC_BAD_PARAMS,
			  "connect_to: a socket's path has at most %d "
			  "characters", CONF_SOCKET_MAX);
		return false;
	}
	snprintf(conf->connect_to, sizeof(conf->connect_to), "%s",
		 to ? to : "");
	if (netns && strlen(netns) > CONF_PATH_MAX) {
		call_fail(c, RPC_BAD_PARAMS, "netns: the path is too long");
		return false;
	}
	snprintf(conf->netns, sizeof(conf->netns), "%s", netns ? netns : "");
	conf->type = n->conf.datapath == DATAPATH_KERNEL ? NIC_TAP : NIC_STREAM;
	if (type)
		(void)nic_type_parse(type, &conf->type);
	if ((conf->transient && refuse_transient(c, n)) ||
	    refuse_type(ctl, c, n, conf->type))
		return false;
	if (owner != c->who.uid && c->who.right != RIGHT_ADMIN) {
		call_fail(c, RPC_DENIED, "only root gives a NIC to another "
					 "user");
		return false;
	}
	if (jx_mac(params, "mac", &conf->mac, NULL) || !m_str(params, "mac"))
		conf->mac = nicctl_mac(ctl, conf->vm, conf->index);
	guardconf_inherit(&conf->guard);
	return read_guard(c, params, n, &conf->guard);
}

/* The NIC is there: the same again is fine, anything else is not. @fd: taken. */
static void attach_again(struct ctl *ctl, struct call *c, struct nic *nic,
			 const struct nic_conf *conf, json_t *params, int fd)
{
	struct guard_conf guard = nic->conf.guard;
	json_t *o;

	if (!m_owns(c, nic)) {
		fd_close(&fd);
		return;
	}
	if (conf->transient || nic->conf.transient)
		call_fail(c, RPC_EXISTS, "nic %s-%d exists, and is %s",
			  conf->vm, conf->index,
			  nic->conf.transient ? "transient: its VMM runs"
					      : "not transient");
	else if (nic->conf.network != conf->network)
		call_fail(c, RPC_EXISTS,
			  "nic %s-%d is on network %s; use move to change it",
			  conf->vm, conf->index, nic->net->conf.name);
	else if (nic->conf.type != conf->type)
		call_fail(c, RPC_EXISTS,
			  "nic %s-%d exists with type %s; detach it first",
			  conf->vm, conf->index,
			  nic_type_name(nic->conf.type));
	else if (conf->queues && conf->queues != nic->conf.queues)
		call_fail(c, RPC_EXISTS,
			  "nic %s-%d exists with another number of queues; "
			  "detach it first",
			  conf->vm, conf->index);
	else if (m_str(params, "connect_to") &&
		 strcmp(conf->connect_to, nic->conf.connect_to))
		call_fail(c, RPC_EXISTS,
			  "nic %s-%d exists, and %s%s; detach it first",
			  conf->vm, conf->index,
			  nic->conf.connect_to[0] ? "vnetd connects to "
						  : "vnetd listens for its VMM",
			  nic->conf.connect_to);
	else if (m_str(params, "mac") &&
		 !mac_eq(&nic->conf.mac, &conf->mac))
		call_fail(c, RPC_EXISTS,
			  "nic %s-%d exists with another MAC; detach it first",
			  conf->vm, conf->index);
	else if (guardconf_read(params, true, &guard, NULL) ||
		 !guardconf_eq(&guard, &nic->conf.guard))
		call_fail(c, RPC_EXISTS,
			  "nic %s-%d exists with another guard or limit; nic "
			  "set changes it",
			  conf->vm, conf->index);
	else if (fd >= 0) {
		nicctl_connect(ctl, c, nic, fd, true);
		return;
	} else {
		o = obj_nic(ctl, nic);
		json_object_set_new(o, "connect", obj_connect(nic));
		call_result(c, o);
	}
	fd_close(&fd);
}

/* The descriptor that the request names, or -1. Taken before anything else is looked
 * at: those of refused requests must not stay pending with the connection. */
static int named_fd(struct call *c, json_t *params)
{
	if (!json_is_integer(json_object_get(params, "fd")))
		return -1;
	return call_take_fd(c, m_int(params, "fd", -1));
}

static bool have_fd(struct call *c, json_t *params, bool needed, int fd)
{
	bool named = json_is_integer(json_object_get(params, "fd"));

	if (fd >= 0 || (!needed && !named))
		return true;
	call_fail(c, RPC_BAD_PARAMS,
		  "no descriptor came with the request at index \"fd\"");
	return false;
}

static void attach(struct ctl *ctl, struct call *c, json_t *params)
{
	int fd = named_fd(c, params);
	struct network *n = m_find_net(ctl, c, params, "network");
	struct nic_conf conf;
	struct nic *nic;

	if (!n || !read_conf(ctl, c, params, n, &conf) ||
	    !have_fd(c, params, conf.type == NIC_FD, fd)) {
		fd_close(&fd);
		return;
	}
	if (fd >= 0 && conf.type != NIC_FD) {
		fd_close(&fd);
		call_fail(c, RPC_BAD_PARAMS, "a descriptor goes with type fd");
		return;
	}
	nic = model_nic_find(&ctl->model, conf.vm, conf.index);
	if (nic)
		attach_again(ctl, c, nic, &conf, params, fd);
	else
		nicctl_attach(ctl, c, n, &conf, fd);
}

static void connect_method(struct ctl *ctl, struct call *c, json_t *params)
{
	int fd = named_fd(c, params);
	struct nic *nic = m_find_nic(ctl, c, params);

	if (!nic || !m_owns(c, nic)) {
		fd_close(&fd);
		return;
	}
	if (nic->conf.type != NIC_FD) {
		fd_close(&fd);
		call_fail(c, RPC_REFUSED,
			  "nic %s-%d is of type %s, which makes its own "
			  "connections",
			  nic->conf.vm, nic->conf.index,
			  nic_type_name(nic->conf.type));
		return;
	}
	if (have_fd(c, params, true, fd))
		nicctl_connect(ctl, c, nic, fd, false);
}

static void tap_fd(struct ctl *ctl, struct call *c, json_t *params)
{
	struct nic *nic = m_find_nic(ctl, c, params);

	if (nic && m_owns(c, nic))
		nicctl_tap_fd(ctl, c, nic, !m_bool(params, "vnet_hdr", true));
}

/* ---- the rest ------------------------------------------------------------ */

static void detach(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *vm = m_str(params, "vm");
	int index = (int)m_int(params, "nic", -1);
	const struct nic *nic = NULL;
	bool any = false;

	while ((nic = model_nic_of_vm(&ctl->model, vm, nic))) {
		if (index >= 0 && nic->conf.index != index)
			continue;
		any = true;
		if (!m_owns(c, nic))
			return;
	}
	if (any)
		nicctl_detach(ctl, c, vm, index);
	else if (index < 0)
		call_fail(c, RPC_NOT_FOUND, "VM \"%.50s\" has no NIC here", vm);
	else
		call_fail(c, RPC_NOT_FOUND, "VM \"%.50s\" has no NIC %d here",
			  vm, index);
}

static void move(struct ctl *ctl, struct call *c, json_t *params)
{
	struct network *n = m_find_net(ctl, c, params, "network");
	struct nic *nic = n ? m_find_nic(ctl, c, params) : NULL;

	if (!nic || !m_owns(c, nic))
		return;
	if (nic->net == n)
		call_result(c, obj_nic(ctl, nic));
	else
		nicctl_move(ctl, c, nic, n);
}

static void link_method(struct ctl *ctl, struct call *c, json_t *params)
{
	struct nic *nic = m_find_nic(ctl, c, params);

	if (nic && m_owns(c, nic))
		nicctl_link(ctl, c, nic, m_bool(params, "up", true));
}

static void set_method(struct ctl *ctl, struct call *c, json_t *params)
{
	struct nic *nic = m_find_nic(ctl, c, params);
	struct guard_conf guard;

	if (!nic || !m_owns(c, nic))
		return;
	guard = nic->conf.guard;
	if (read_guard(c, params, nic->net, &guard))
		nicctl_guard(ctl, c, nic, &guard);
}

static void list(struct ctl *ctl, struct call *c, json_t *params)
{
	const char *net = m_str(params, "network"), *vm = m_str(params, "vm");
	json_t *a;

	if (!m_only_net(ctl, c, params, "network"))
		return;
	a = json_array();
	list_for_each(nic, &ctl->model.nics, struct nic, all)
		if ((!net || !strcmp(net, nic->net->conf.name)) &&
		    (!vm || !strcmp(vm, nic->conf.vm))) {
			json_t *o = obj_nic(ctl, nic);

			json_object_set_new(o, "connect", obj_connect(nic));
			json_array_append_new(a, o);
		}
	call_result(c, json_pack("{s:o}", "nics", a));
}

static void addresses(struct ctl *ctl, struct call *c, json_t *params)
{
	addrs_call(ctl, c, m_str(params, "vm"), m_int(params, "wait_s", 0));
}

#define P_VM  {"vm", P_STR, true, 0, 0, NULL, "name of the VM"}
#define P_NIC {"nic", P_INT, false, 0, CONF_NIC_INDEX, NULL, \
	       "number of the NIC, 0 when left out"}

#define P_VNET_HDR {"vnet_hdr", P_BOOL, false, 0, 0, NULL, \
	"for a descriptor of a TAP: frames have virtio headers, yes when left out"}

#define P_GUARD                                                             \
	{"guard", P_STR, false, 0, 0, "off|mac|ip|network",                 \
	 "what its guest may say: as of network.define; network: as that has it " \
	 "(the default). Weaker than the network's is for root"},           \
		{"guard_ips", P_STR, false, 0, 0, NULL,                     \
		 "addresses and prefixes that are its own, too, with commas " \
		 "between (guard ip); \"none\""},                            \
		{"isolated", P_STR, false, 0, 0, "on|off|network",          \
		 "reaches no other guest"},                                 \
		{"storm", P_INT, false, -1, GUARDCONF_STORM_MAX, NULL,      \
		 "broadcasts a second that it may send; 0 = any, -1 = as "  \
		 "the network has it"},                                     \
		{"rate_in", P_INT, false, 0, GUARDCONF_RATE_MAX, NULL,      \
		 "kbit a second to the guest, beyond which frames are dropped; " \
		 "0 = any"},                                                \
	{                                                                   \
		"rate_out", P_INT, false, 0, GUARDCONF_RATE_MAX, NULL,      \
			"kbit a second from it"                             \
	}

static const struct param p_attach[] = {
	P_VM,
	{"network", P_STR, true, 0, 0, NULL, "it is to be on"},
	P_NIC,
	{"mac", P_MAC, false, 0, 0, NULL,
	 "else one made from the VM's name and the number, always the same"},
	{"type", P_STR, false, 0, 0, 
	 "stream|dgram|seqpacket|tap|netns|fd|vhost-user",
	 "how the runner connects; when left out: stream, or tap where the "
	 "datapath is the kernel"},
	{"fd", P_INT, false, 0, INT64_MAX, NULL,
	 "type fd: index of the descriptor sent along"},
	{"netns", P_STR, false, 0, 0, NULL,
	 "type netns: path of the network namespace"},
	{"ifname", P_STR, false, 0, 0, NULL,
	 "name of the TAP (vn-…), or of the interface in the namespace"},
	{"queues", P_INT, false, 1, CONF_QUEUES_MAX, NULL,
	 "type vhost-user: pairs of rings; type tap where the datapath is the "
	 "kernel: how often the VMM opens it; 1 when left out"},
	{"connect_to", P_STR, false, 0, 0, NULL,
	 "type vhost-user: path of the socket on which the VMM listens, the "
	 "owner's; vnetd connects, and again when it is gone. Else vnetd "
	 "listens"},
	{"transient", P_BOOL, false, 0, 0, NULL,
	 "type tap where the datapath is the kernel: the answer brings the TAP's "
	 "descriptor, and the NIC goes when the last copy of it is closed. "
	 "\"nic\" left out is the VM's next free number then"},
	P_VNET_HDR,
	{"owner", P_INT, false, 0, UINT32_MAX - 1, NULL,
	 "uid that may connect and change it; the caller when left out"},
	P_GUARD,
	{NULL},
};
static const struct param p_set[] = {
	P_VM,
	P_NIC,
	P_GUARD,
	{NULL},
};
static const struct param p_connect[] = {
	P_VM,
	P_NIC,
	{"fd", P_INT, true, 0, INT64_MAX, NULL, "index of the descriptor"},
	{NULL},
};
static const struct param p_tap_fd[] = {
	P_VM,
	P_NIC,
	P_VNET_HDR,
	{NULL},
};
static const struct param p_detach[] = {
	P_VM,
	{"nic", P_INT, false, 0, CONF_NIC_INDEX, NULL,
	 "number of the NIC; all of the VM's when left out"},
	{NULL},
};
static const struct param p_move[] = {
	P_VM,
	P_NIC,
	{"network", P_STR, true, 0, 0, NULL, "to move to"},
	{NULL},
};
static const struct param p_link[] = {
	P_VM,
	P_NIC,
	{"up", P_BOOL, true, 0, 0, NULL, "plug the cable in, or pull it"},
	{NULL},
};
static const struct param p_list[] = {
	{"network", P_STR, false, 0, 0, NULL, "only those on it"},
	{"vm", P_STR, false, 0, 0, NULL, "only those of it"},
	{NULL},
};
static const struct param p_addresses[] = {
	P_VM,
	{"wait_s", P_INT, false, 0, 3600, NULL,
	 "wait this long until there is one"},
	{NULL},
};

#define NIC_OBJECT                                                          \
	"{vm,nic,network,mac,type,link:up|down,connected,state:ok|failed|"   \
	"network-stopped,reason,path,ifname,netns,address,owner,transient,"            \
	"guard:{level:off|mac|ip,isolated,storm,rate_in,rate_out,ips:[text],"\
	"own:[what the network does not decide]}}"

const struct method m_nic[] = {
	{"nic.attach", RIGHT_USE,
	 "Give a VM a NIC, or find the one that is there. With type fd a new "
	 "descriptor replaces the old one.",
	 p_attach, NIC_OBJECT " + {connect:{type,path,peer_dir,ifname,netns,qmp,queues,"
	 "vmm_listens}}, transient: + {fd}",
	 attach},
	{"nic.connect", RIGHT_USE,
	 "Hand in a descriptor for a NIC of type fd, after a restart.",
	 p_connect, NIC_OBJECT, connect_method},
	{"nic.tap_fd", RIGHT_USE,
	 "A descriptor of a NIC's TAP, for a VMM that cannot open it by name; "
	 "with queues, another one each time.",
	 p_tap_fd, NIC_OBJECT " + {fd}", tap_fd},
	{"nic.detach", RIGHT_USE, "Take NICs of a VM away.", p_detach,
	 "{detached}", detach},
	{"nic.move", RIGHT_USE,
	 "Move a NIC to another network while the guest runs; its link goes "
	 "down and comes up after a second.",
	 p_move, NIC_OBJECT, move},
	{"nic.link", RIGHT_USE, "Plug the cable in or pull it.", p_link,
	 NIC_OBJECT, link_method},
	{"nic.set", RIGHT_USE,
	 "Change what its guest may say and how much, while it runs; what is left "
	 "out stays.",
	 p_set, NIC_OBJECT, set_method},
	{"nic.list", RIGHT_READ, "NICs.", p_list,
	 "{nics:[NIC + {connect}]}", list},
	{"nic.addresses", RIGHT_READ,
	 "A VM's addresses: leased, seen on the wire, or reserved (shown, but "
	 "not waited for).",
	 p_addresses,
	 "{addresses:[{nic,ifname,mac,protocol,address,prefix,"
	 "source:lease|seen|reserved,network}]}",
	 addresses},
	{NULL},
};
