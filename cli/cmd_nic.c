// SPDX-License-Identifier: GPL-2.0-or-later
/* VM NICs: attach, detach, move, link. */
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/guard_opts.h"
#include "cli/nic_facts.h"
#include "cli/out.h"
#include "cli/runner.h"
#include "cli/strv.h"

#define RUNNERS	                                                               \
	"qemu|libkrun|cloud-hypervisor|firecracker|crosvm|vfkit|libvirt|uml"

#define NIC_OPT                                                                \
	{                                                                      \
		"nic", "N", "which NIC of the VM; default 0", OPT_INT, false,  \
			0, 31                                                  \
	}

/* ---- attach: the question ------------------------------------------------- */

static const struct opt attach_opts[] = {
	{"network", "NET", "the network to plug it into", OPT_TEXT, true},
	NIC_OPT,
	{"mac", "MAC", "hardware address; default: one that stays the same",
	 OPT_MAC},
	{"type", "stream|dgram|seqpacket|vhost-user|tap|netns|fd",
	 "how it is reached; default by --for and network"},
	{"for", RUNNERS, "print what this runner is to be told", OPT_CHOICE},
	{"netns", "PATH|NAME|PID", "network namespace that gets the interface"},
	{"ifname", "IF", "name of the interface (tap, netns)"},
	{"owner", "USER", "who may connect to it; default: you"},
	{"queues", "N", "pairs of rings (type vhost-user, tap); default 1", OPT_INT,
	 false, 1, 8},
	{"connect", "PATH", "the VM's runner listens there (type vhost-user)"},
	{"memory", "SIZE|none", "of the VM (type vhost-user for qemu); "
	 "default 1G"},
	{"fd", "N", "inherited descriptor to use (type fd)", OPT_INT, false, 0,
	 1048576},
	GUARD_NIC_OPTS,
	{NULL},
};

static const char attach_help[] =
	"Makes a NIC of a VM and plugs it into a network; prints how the "
	"VM's runner\n"
	"connects to it. With --for the runner's arguments stand alone on "
	"standard output,\n"
	"explanations go to standard error. Doing it again changes nothing "
	"and prints the\n"
	"same.\n"
	"\n"
	"  stream     unix socket for QEMU's stream netdev and libkrun\n"
	"  dgram      unix datagram socket for libkrun, vfkit and QEMU\n"
	"  seqpacket  unix socket that keeps frames apart (UML's \"bess\")\n"
	"  vhost-user the VM's memory, for QEMU, cloud-hypervisor and crosvm: "
	"fastest\n"
	"  tap        a TAP interface for a runner that takes only that\n"
	"  netns      an interface inside a network namespace: a container, "
	"a lab host\n"
	"  fd         a socket or TAP that you have open and hand in\n"
	"\n"
	"Examples:\n"
	"  vnet attach MyVM --network lab --for qemu\n"
	"  qemu-system-x86_64 -m 1G disk.qcow2 \\\n"
	"      $(vnet attach MyVM --network lab --for qemu)\n"
	"      (or let `vnet run` do both)\n"
	"  vnet attach MyVM --network back --nic 1\n"
	"      a second NIC\n"
	"  vnet attach web --network lab --netns web --ifname eth0\n"
	"      /run/netns/web gets an eth0; run a DHCP client there\n"
	"  qemu-system-x86_64 disk.qcow2 $(vnet attach MyVM --network lab \\\n"
	"      --type vhost-user --memory 1G --for qemu)\n"
	"      leave out -m; for a second NIC of the kind say --memory none\n"
	"  vnet attach MyVM --network lab --connect /run/vm/net.sock \\\n"
	"      --for cloud-hypervisor\n"
	"      the runner listens, vnetd connects to it, as the NIC's owner\n"
	"  vnet attach fc --network lab --for firecracker\n"
	"  vnet attach MyVM --network lab --fd 5 5<>/dev/tap7\n"
	"      hand in a descriptor of your own\n"
	"  vnet attach guest --network lab --guard ip --isolated on\n"
	"      for a VM that nobody trusts; see `vnet nic set --help`\n";

/* The type asked for; NULL when nothing says so. */
static const char *wanted_type(const struct cli *c)
{
	if (args_get(&c->args, "type"))
		return args_get(&c->args, "type");
	if (args_get(&c->args, "netns"))
		return "netns";
	if (args_get(&c->args, "connect"))
		return "vhost-user";
	return args_get(&c->args, "fd") ? "fd" : NULL;
}

static bool kernel_datapath(struct cli *c)
{
	json_t *net;
	bool kernel;

	if (cli_call(c, "network.show",
		     json_pack("{s:s}", "name", args_get(&c->args, "network")),
		     &net))
		return false; /* attaching says what is wrong */
	kernel = !strcmp(cli_str(net, "datapath"), "kernel");
	json_decref(net);
	return kernel;
}

/* What a new NIC gets when nothing was asked for. */
static const char *usual_type(struct cli *c)
{
	const char *runner = args_get(&c->args, "for");
	const struct runner *r = runner ? runner_find(runner) : NULL;

	if ((!r || runner_takes(r, "tap")) && kernel_datapath(c))
		return "tap";
	return r ? runner_default_type(r) : "stream";
}

/* A NIC that is there already keeps its type, so that the same command may be
 * given again with another --for. "fd" does not count: what was handed in then
 * cannot be had again. CLI_OK with *@type NULL when there is no such NIC. */
static int present_type(struct cli *c, const char **type)
{
	const json_t *nic;
	json_t *res;
	int r = cli_call(c, "nic.list", json_object(), &res);

	if (r)
		return r;
	nic = nic_facts_find(json_object_get(res, "nics"),
			     args_pos(&c->args, 0),
			     args_int(&c->args, "nic", 0));
	*type = nic ? nic_facts_type(nic) : NULL;
	if (*type && (!strcmp(*type, "fd") || !strcmp(*type, "netns")))
		*type = NULL;
	json_decref(res);
	return CLI_OK;
}

/* Options that only make sense with one type. CLI_OK or CLI_USAGE. */
static int check_type(const struct cli *c, const char *type)
{
	const char *runner = args_get(&c->args, "for");
	const struct runner *r = runner ? runner_find(runner) : NULL;
	char types[64];

	if (args_get(&c->args, "netns") && strcmp(type, "netns"))
		return cli_usage(c, "--netns goes with --type netns");
	if (!args_get(&c->args, "netns") && !strcmp(type, "netns"))
		return cli_usage(c, "--type netns needs --netns PATH, NAME or "
				 "PID");
	if (args_get(&c->args, "fd") && strcmp(type, "fd"))
		return cli_usage(c, "--fd goes with --type fd");
	if (!args_get(&c->args, "fd") && !strcmp(type, "fd"))
		return cli_usage(c, "--type fd needs --fd N, a descriptor that "
				 "vnet inherits; `vnet run` makes one itself");
	if (args_get(&c->args, "ifname") && strcmp(type, "netns") &&
	    strcmp(type, "tap"))
		return cli_usage(c, "--ifname goes with --type tap or netns");
	if (args_get(&c->args, "queues") && strcmp(type, "vhost-user") &&
	    strcmp(type, "tap"))
		return cli_usage(c, "--queues goes with --type vhost-user or "
				 "tap");
	if (strcmp(type, "vhost-user") && (args_get(&c->args, "connect") ||
					   args_get(&c->args, "memory")))
		return cli_usage(c, "--connect and --memory go with --type "
				 "vhost-user");
	if (r && !strcmp(type, "fd"))
		return cli_usage(c, "--for does not go with --type fd: the "
				 "other end is yours");
	if (r && !runner_takes(r, type))
		return cli_usage(c, "%s cannot use a NIC of type %s; it takes "
				 "%s", runner, type,
				 runner_types(r, types, sizeof(types)));
	return CLI_OK;
}

/* A namespace's path from a path, a name (as of ip-netns) or a process id. */
static json_t *netns_path(const char *s)
{
	char buf[PATH_MAX], *full;
	json_t *path;

	if (strchr(s, '/')) {
		full = realpath(s, NULL);
		path = json_string(full ? full : s);
		free(full);
		return path;
	}
	if (s[strspn(s, "0123456789")] == '\0')
		snprintf(buf, sizeof(buf), "/proc/%s/ns/net", s);
	else
		snprintf(buf, sizeof(buf), "/run/netns/%s", s);
	return json_string(buf);
}

/* Where the runner listens, or will: its folder is there already. The daemon runs
 * elsewhere, so it gets the whole path. */
static int put_connect(const struct cli *c, json_t *params)
{
	const char *s = args_get(&c->args, "connect"), *name;
	char *dir, *full, *path;

	if (!s)
		return CLI_OK;
	name = strrchr(s, '/');
	dir = name ? strv_fmt("%.*s/", (int)(name - s), s) : strv_fmt(".");
	name = name ? name + 1 : s;
	full = realpath(dir, NULL);
	free(dir);
	if (!full || !*name) {
		free(full);
		return cli_usage(c, "--connect \"%s\": there is no such folder",
				 s);
	}
	path = strv_fmt("%s/%s", strcmp(full, "/") ? full : "", name);
	json_object_set_new(params, "connect_to", json_string(path));
	free(path);
	free(full);
	return CLI_OK;
}

static int put_owner(const struct cli *c, json_t *params)
{
	const char *s = args_get(&c->args, "owner");
	struct passwd *pw;
	long uid;

	if (!s)
		return CLI_OK;
	if (args_number(s, 0, 4294967294, &uid)) {
		pw = getpwnam(s);
		if (!pw)
			return cli_usage(c, "--owner \"%s\": there is no such "
					 "user", s);
		uid = (long)pw->pw_uid;
	}
	json_object_set_new(params, "owner", json_integer(uid));
	return CLI_OK;
}

/* ---- attach: the answer --------------------------------------------------- */

/* How to reach the NIC, for people. */
static void print_plug(const json_t *nic)
{
	struct runner_nic n = nic_facts(nic);
	const char *netns = cli_str(nic, "netns");

	printf("%s nic %u: attached to network %s, MAC %s, type %s\n", n.vm,
	       n.nic, cli_str(nic, "network"), n.mac, n.type);
	if (n.path)
		printf("socket: %s%s\n", n.path,
		       n.vmm_listens ? " (the runner listens)" : "");
	if (n.ifname)
		printf("interface: %s%s%s\n", n.ifname,
		       *netns ? " in " : "", netns);
	if (n.path || (n.ifname && !*netns))
		fputs("--for qemu (or another runner) prints its arguments\n",
		      stderr);
}

static unsigned int installed_qemu(void)
{
	char name[96];
	struct utsname u;

	if (uname(&u))
		return 0;
	snprintf(name, sizeof(name), "qemu-system-%s", u.machine);
	return nic_facts_qemu_version(name);
}

static json_t *args_to_json(const struct runner_out *out)
{
	json_t *list = json_array();

	for (size_t i = 0; i < out->args.n; i++)
		json_array_append_new(list, json_string(out->args.v[i]));
	return list;
}

static void print_runner(const struct cli *c, json_t *nic,
			 const struct runner_out *out)
{
	char *line;

	if (c->json) {
		json_object_set_new(nic, "args", args_to_json(out));
		json_object_set_new(nic, "text",
				    out->text ? json_string(out->text)
					      : json_null());
		cli_json(c, nic);
		return;
	}
	fprintf(stderr, "%s nic %lld: attached to network %s\n",
		cli_str(nic, "vm"),
		(long long)json_integer_value(json_object_get(nic, "nic")),
		cli_str(nic, "network"));
	if (out->note)
		fprintf(stderr, "%s\n", out->note);
	line = strv_shell(&out->args);
	printf("%s%s", out->text ? out->text : line, out->text ? "" : "\n");
	free(line);
}

static int attach_for(const struct cli *c, const char *runner, json_t *nic)
{
	struct runner_nic n = nic_facts(nic);
	struct runner_out out;
	struct errtext why;
	int r = CLI_OK;

	if (!strcmp(runner, "qemu") || !strcmp(runner, "libvirt"))
		n.qemu = installed_qemu();
	n.kvm = !access("/dev/kvm", R_OK | W_OK);
	n.memory = args_get(&c->args, "memory");
	if (!n.memory)
		n.memory = "1G";
	else if (!strcmp(n.memory, "none"))
		n.memory = NULL;
	if (runner_connect(runner_find(runner), &n, &out, &why))
		r = cli_refuse("%s", why.s);
	else
		print_runner(c, nic, &out);
	runner_out_free(&out);
	return r;
}

/* Everything for nic.attach but the descriptor. CLI_OK or CLI_USAGE. */
static int attach_params(const struct cli *c, const char *type, json_t **out)
{
	static const char *const given[] = {"network", "nic", "mac", "ifname",
					    "queues"};
	const char *netns = args_get(&c->args, "netns");
	json_t *p = json_pack("{s:s}", "vm", args_pos(&c->args, 0));
	int r;

	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		cli_param(c, p, given[i]);
	json_object_set_new(p, "type", json_string(type));
	if (netns)
		json_object_set_new(p, "netns", netns_path(netns));
	r = put_owner(c, p);
	if (!r)
		r = put_connect(c, p);
	if (!r)
		r = guard_nic_params(c, p);
	if (r)
		json_decref(p);
	else
		*out = p;
	return r;
}

static int attach_run(struct cli *c)
{
	const char *type = wanted_type(c);
	const char *runner = args_get(&c->args, "for");
	int fd = (int)args_int(&c->args, "fd", -1);
	json_t *params, *nic;
	int r;

	if (fd >= 0 && fcntl(fd, F_GETFD) < 0)
		return cli_usage(c, "--fd %d: no such descriptor is open", fd);
	r = check_type(c, type ? type : usual_type(c));
	if (!r && !type)
		r = present_type(c, &type);
	if (!r && !type)
		type = usual_type(c);
	if (!r && runner)
		r = check_type(c, type);
	if (!r)
		r = attach_params(c, type, &params);
	if (!r)
		r = cli_call_fd(c, "nic.attach", params, fd, &nic);
	if (r)
		return r;
	if (runner)
		r = attach_for(c, runner, nic);
	else if (!cli_json(c, nic))
		print_plug(nic);
	json_decref(nic);
	return r;
}

/* ---- the others ----------------------------------------------------------- */

static json_t *vm_param(const struct cli *c)
{
	json_t *params = json_pack("{s:s}", "vm", args_pos(&c->args, 0));

	cli_param(c, params, "nic");
	return params;
}

static int detach_run(struct cli *c)
{
	json_t *res;
	long long n;
	int r = cli_call(c, "nic.detach", vm_param(c), &res);

	if (r)
		return r;
	n = json_integer_value(json_object_get(res, "detached"));
	if (!cli_json(c, res))
		printf("%s: %lld NIC%s detached\n", args_pos(&c->args, 0), n,
		       n == 1 ? "" : "s");
	json_decref(res);
	return CLI_OK;
}

static int move_run(struct cli *c)
{
	json_t *params = vm_param(c), *nic;
	int r;

	cli_param(c, params, "network");
	r = cli_call(c, "nic.move", params, &nic);
	if (r)
		return r;
	if (!cli_json(c, nic))
		printf("%s nic %ld: moved to network %s; its link goes down "
		       "and up, so that the guest asks for a new address\n",
		       args_pos(&c->args, 0), args_int(&c->args, "nic", 0),
		       cli_str(nic, "network"));
	json_decref(nic);
	return CLI_OK;
}

static int link_run(struct cli *c)
{
	bool up = !strcmp(args_pos(&c->args, 1), "up");
	json_t *params = vm_param(c), *nic;
	int r;

	json_object_set_new(params, "up", json_boolean(up));
	r = cli_call(c, "nic.link", params, &nic);
	if (r)
		return r;
	if (!cli_json(c, nic))
		printf("%s nic %ld: link %s\n", args_pos(&c->args, 0),
		       args_int(&c->args, "nic", 0), up ? "up" : "down");
	json_decref(nic);
	return CLI_OK;
}

static int set_run(struct cli *c)
{
	json_t *params = vm_param(c), *nic;
	size_t named = json_object_size(params);
	int r = guard_nic_params(c, params);

	if (!r && json_object_size(params) == named)
		r = cli_usage(c, "nothing to change is named");
	if (r) {
		json_decref(params);
		return r;
	}
	r = cli_call(c, "nic.set", params, &nic);
	if (r)
		return r;
	if (!cli_json(c, nic))
		printf("%s nic %ld: changed\n", args_pos(&c->args, 0),
		       args_int(&c->args, "nic", 0));
	json_decref(nic);
	return CLI_OK;
}

static const char set_help[] =
	"What the VM's guest may say about itself and how much it may send; "
	"takes effect at\n"
	"once and stays. What is not named stays as it was; \"network\" is "
	"what `vnet define`\n"
	"or `vnet set` say for the whole network.\n"
	"\n"
	"  --guard off  anything, but never an address of the network's own: "
	"no VM can take\n"
	"               over the gateway\n"
	"  --guard mac  no MAC but the NIC's, neither in frames nor in ARP, "
	"neighbour discovery\n"
	"               and DHCP. Not for VMs that bridge others (nested "
	"virtualisation)\n"
	"  --guard ip   and no address but those leased to it or reserved for "
	"it, those named\n"
	"               by --ip, and of IPv6 those it makes itself, each as "
	"long as it is not\n"
	"               another VM's. No protocols but IPv4, IPv6 and ARP; no "
	"server of DHCP,\n"
	"               no router\n"
	"  --isolated   it reaches the gateway and the uplink, no other VM, "
	"and none reaches it\n"
	"\n"
	"Examples:\n"
	"  vnet nic set MyVM --guard ip\n"
	"  vnet nic set router --guard ip --ip 10.5.0.0/16,2001:db8:5::/64\n"
	"      a VM that routes for networks behind it\n"
	"  vnet nic set MyVM --storm 200 --rate-out 100M\n"
	"      at most 200 broadcasts a second, 100 Mbit/s in all\n"
	"  vnet nic set MyVM --guard network --rate-out off\n";

static const struct opt set_opts[] = {NIC_OPT, GUARD_NIC_OPTS, {NULL}};

static const struct opt detach_opts[] = {
	{"nic", "N", "only this NIC; default: all of the VM", OPT_INT, false, 0,
	 31},
	{NULL},
};

static const struct opt move_opts[] = {
	{"network", "NET", "where to", OPT_TEXT, true},
	NIC_OPT,
	{NULL},
};

static const struct opt link_opts[] = {NIC_OPT, {NULL}};

const struct cli_cmd cmd_nic[] = {
	{"attach", "plug a VM into a network", {"VM", NULL, attach_opts},
	 attach_help, attach_run},
	{"detach", "unplug a VM and forget its NICs",
	 {"VM", NULL, detach_opts},
	 "Removes the VM's NICs, their sockets and interfaces. To pull the "
	 "cable for a while\nonly, use `vnet link VM down`.\n\n"
	 "Examples:\n"
	 "  vnet detach MyVM\n"
	 "  vnet detach MyVM --nic 1\n",
	 detach_run},
	{"move", "plug a running VM into another network",
	 {"VM", NULL, move_opts},
	 "Changes network, and with it the mode, under a running guest. The "
	 "link goes down\nand up again, so a DHCP client asks for an address "
	 "of the new network.\n\n"
	 "Examples:\n"
	 "  vnet move MyVM --network lan\n"
	 "  vnet move MyVM --nic 1 --network back\n",
	 move_run},
	{"nic set", "limit what a VM may send, and as whom",
	 {"VM", NULL, set_opts}, set_help, set_run},
	{"link", "pull or plug a VM's cable", {"VM up|down", NULL, link_opts},
	 "Down: no frame passes, and the guest sees that its cable is "
	 "unplugged where the\nrunner can tell it (QEMU through its monitor, "
	 "TAP interfaces). The NIC stays.\n\n"
	 "Examples:\n"
	 "  vnet link MyVM down\n"
	 "  vnet link MyVM up\n",
	 link_run},
	{NULL},
};
