// SPDX-License-Identifier: GPL-2.0-or-later
/* Networks: define, undefine, start, stop, autostart. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/guard_opts.h"
#include "cli/out.h"

/* ---- define --------------------------------------------------------------- */

#define UDP_FILTERS                                                          \
	"endpoint-independent|address-dependent|address-and-port-dependent"

#define DHCP_OPTS                                                             \
	{"identity", "nic|rfc2131",                                           \
	 "whom DHCP knows a guest by",                                        \
	 OPT_CHOICE},                                                         \
		{"leases-per-nic", "N",                                       \
		 "addresses behind one NIC; default 32", OPT_INT, false, 1,   \
		 65536},                                                      \
		{"boot-file", "ARCH=FILE,…",                                  \
		 "what firmware boots, by architecture"},                     \
		{"relay-pool", "SUBNET[=FIRST-LAST][@ROUTER],…",              \
		 "serve subnets behind DHCP relays too"},                     \
	{                                                                     \
		"boot-server", "ADDR", "where those files are; default: here", \
			OPT_IP                                                \
	}

static const struct opt define_opts[] = {
	{"mode", "nat|bridged|hostonly|internal", "what its VMs may reach",
	 OPT_CHOICE, true},
	{"subnet", "CIDR", "IPv4 network; default: the next free usual one",
	 OPT_NET},
	{"subnet6", "PREFIX|auto|off",
	 "IPv6 /64; default auto: an own one"},
	{"ipv6", "slaac|stateless|stateful|off",
	 "how VMs get addresses of it; default slaac",
	 OPT_CHOICE},
	{"prefix-pool", "PREFIX/N-M|auto|off",
	 "IPv6 prefixes for VMs that are routers (nat)"},
	{"dhcp", "on|off|FIRST-LAST", "serve addresses, and from which range"},
	{"mtu", "N", "largest packet in bytes; default 1500", OPT_INT, false,
	 576, 65521},
	{"uplink", "IF", "the host's interface (bridged)"},
	{"uplink-mode", "tap-in|take-in",
	 "leave it alone, or bridge it; default tap-in",
	 OPT_CHOICE},
	{"mac-nat", "auto|on|off",
	 "VMs share the uplink's MAC; auto: on Wi-Fi", OPT_CHOICE},
	{"host-access", "off|address|loopback",
	 "what VMs reach of the host itself (nat)", OPT_CHOICE},
	{"host-allow", "tcp:22,udp:53,…",
	 "only these ports of the host, and no others (nat)"},
	{"udp-filter", UDP_FILTERS, "who may send to a VM's UDP port (nat)",
	 OPT_CHOICE},
	{"domain", "NAME", "DNS domain of the VMs' names (nat)"},
	{"tftp", "DIR", "serve the files below DIR to VMs that boot (TFTP)"},
	{"lease-seconds", "N", "how long an address is lent; default 86400",
	 OPT_INT, false, 60, 31536000},
	{"datapath", "user|kernel", "what moves the frames; default user",
	 OPT_CHOICE},
	DHCP_OPTS,
	GUARD_NET_OPTS,
	{"no-start", NULL, "do not start it now"},
	{"no-autostart", NULL, "do not start it with vnetd"},
	{NULL},
};

static const char define_help[] =
	"Make a network and start it. It stays defined until `vnet undefine`, "
	"over\n"
	"restarts of vnetd and of the machine.\n"
	"\n"
	"  nat       VMs reach what the host reaches, as the host; nobody "
	"outside reaches\n"
	"            them, except through `vnet forward`\n"
	"  bridged   VMs are on the host's physical network, like machines "
	"of their own\n"
	"  hostonly  VMs and the host reach each other, nothing else\n"
	"  internal  VMs reach each other, nothing else\n"
	"\n"
	"Examples:\n"
	"  vnet define lab --mode nat\n"
	"      10.0.2.0/24 (or the next free one), gateway .2, DNS .3, first "
	"VM .15\n"
	"  vnet define office --mode nat --subnet 10.8.0.0/24 \\\n"
	"      --dhcp 10.8.0.100-10.8.0.199\n"
	"      your own addresses\n"
	"  vnet define lan --mode bridged --uplink eth0\n"
	"      VMs get their addresses from the router on eth0's network\n"
	"  vnet define admin --mode hostonly\n"
	"      192.168.56.0/24, the host is .1, first VM .101\n"
	"  vnet define back --mode internal --subnet 172.20.0.0/24\n"
	"      closed network with DHCP; without --subnet it has none\n";

static void say_next_step(const json_t *net)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "Next: vnet run --network %s -- "
				"qemu-system-x86_64 …\n", cli_str(net, "name"));
}

/* What of the command line is DHCP's own goes as options: option.set's words. "a=x,b=y" of
 * --boot-file and --relay-pool are several. */
static void dhcp_param(const struct cli *c, json_t *params)
{
	static const struct {
		const char *opt, *word;
	} t[] = {{"identity", "identity"},
		 {"leases-per-nic", "leases-per-nic"},
		 {"boot-server", "boot-server"}};
	const char *files = args_get(&c->args, "boot-file");
	const char *pools = args_get(&c->args, "relay-pool");
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (args_get(&c->args, t[i].opt))
			json_array_append_new(
				list, json_sprintf("%s=%s", t[i].word,
						   args_get(&c->args,
							    t[i].opt)));
	while (files && *files) {
		size_t n = strcspn(files, ",");

		json_array_append_new(list, json_sprintf("boot:%.*s", (int)n,
							 files));
		files += n + (files[n] == ',');
	}
	while (pools && *pools) {
		size_t n = strcspn(pools, ","), net = strcspn(pools, "=@,");

		json_array_append_new(
			list, json_sprintf("pool:%.*s=%s%.*s", (int)net, pools,
					   pools[net] == '=' ? "" : "auto",
					   (int)(n - net - (pools[net] == '=')),
					   pools + net + (pools[net] == '=')));
		pools += n + (pools[n] == ',');
	}
	if (json_array_size(list))
		json_object_set(params, "options", list);
	json_decref(list);
}

/* "lab: nat, 10.0.2.0/24, gateway 10.0.2.2, DHCP 10.0.2.15-10.0.2.254, running" */
static void print_network_line(const json_t *net)
{
	const json_t *dhcp = json_object_get(net, "dhcp");
	static const char *const parts[][2] = {
		{"subnet", ""},	       {"uplink", "uplink "},
		{"gateway", "gateway "}, {"dns", "DNS "},
		{"subnet6", ""},
	};

	printf("network %s: %s", cli_str(net, "name"), cli_str(net, "mode"));
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (*cli_str(net, parts[i][0]))
			printf(", %s%s", parts[i][1],
			       cli_str(net, parts[i][0]));
	if (json_is_object(dhcp))
		printf(", DHCP %s-%s", cli_str(dhcp, "first"),
		       cli_str(dhcp, "last"));
	printf(", %s%s%s\n", cli_str(net, "state"),
	       *cli_str(net, "reason") ? ": " : "", cli_str(net, "reason"));
}

/* --tftp: vnetd knows nothing of our working folder. */
static int tftp_param(const struct cli *c, json_t *params)
{
	const char *dir = args_get(&c->args, "tftp");
	char path[PATH_MAX];

	if (!dir)
		return CLI_OK;
	if (strcmp(dir, "off") && !realpath(dir, path)) {
		fprintf(stderr, "vnet: --tftp %s: %s\n", dir, strerror(errno));
		return CLI_REFUSED;
	}
	json_object_set_new(params, "tftp",
			    json_string(strcmp(dir, "off") ? path : dir));
	return CLI_OK;
}

static int define_run(struct cli *c)
{
	static const char *const given[] = {
		"mode",	  "subnet",	 "subnet6", "dhcp",	"mtu",
		"uplink", "host-access", "domain",  "datapath", "host-allow",
		"udp-filter", "ipv6", "prefix-pool", "uplink-mode", "mac-nat"};
	json_t *params = json_pack("{s:s}", "name", args_pos(&c->args, 0));
	json_t *net;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		cli_param(c, params, given[i]);
	if (args_get(&c->args, "lease-seconds"))
		json_object_set_new(params, "lease_s",
				    json_integer(args_int(&c->args,
							  "lease-seconds", 0)));
	if (args_flag(&c->args, "no-start"))
		json_object_set_new(params, "start", json_false());
	if (args_flag(&c->args, "no-autostart"))
		json_object_set_new(params, "autostart", json_false());
	r = tftp_param(c, params);
	if (!r)
		r = guard_net_params(c, params);
	if (r) {
		json_decref(params);
		return r;
	}
	dhcp_param(c, params);
	r = cli_call(c, "network.define", params, &net);
	if (r)
		return r;
	if (!cli_json(c, net)) {
		print_network_line(net);
		say_next_step(net);
	}
	/* Defined, but it could not be started: not what was asked for. */
	if (!strcmp(cli_str(net, "state"), "failed"))
		r = CLI_REFUSED;
	json_decref(net);
	return r;
}

/* ---- the others ----------------------------------------------------------- */

/* Call @method and print "network NAME: @done" (or the JSON answer). */
static int simple(struct cli *c, const char *method, json_t *params,
		  const char *done)
{
	json_t *res;
	int r = cli_call(c, method, params, &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: %s\n", args_pos(&c->args, 0), done);
	json_decref(res);
	return CLI_OK;
}

/* What the kernel is to be told, a step a line. */
static int plan_run(struct cli *c)
{
	bool all = args_flag(&c->args, "all");
	json_t *res, *steps, *v;
	size_t i;
	int r = cli_call(c, "network.plan",
			 json_pack("{s:s,s:b}", "name", args_pos(&c->args, 0),
				   "all", (int)all),
			 &res);

	if (r)
		return r;
	if (!cli_json(c, res)) {
		steps = json_object_get(res, "steps");
		json_array_foreach(steps, i, v)
			printf("%s\n", json_string_value(v));
		if (json_is_true(json_object_get(res, "filters_change")))
			fputs(cli_str(res, "filters"), stdout);
		else if (!json_array_size(steps))
			printf("network %s: the kernel is as it should be\n",
			       args_pos(&c->args, 0));
	}
	json_decref(res);
	return CLI_OK;
}

static json_t *name_param(const struct cli *c)
{
	return json_pack("{s:s}", "name", args_pos(&c->args, 0));
}

static int undefine_run(struct cli *c)
{
	json_t *params = name_param(c);

	if (args_flag(&c->args, "force"))
		json_object_set_new(params, "force", json_true());
	return simple(c, "network.undefine", params, "undefined");
}


static int start_run(struct cli *c)
{
	return simple(c, "network.start", name_param(c), "started");
}

static int stop_run(struct cli *c)
{
	return simple(c, "network.stop", name_param(c), "stopped");
}

static int autostart_run(struct cli *c)
{
	bool on = !strcmp(args_pos(&c->args, 1), "on");
	json_t *params = name_param(c);

	json_object_set_new(params, "on", json_boolean(on));
	return simple(c, "network.autostart", params,
		      on ? "starts with vnetd" : "does not start with vnetd");
}

static int set_run(struct cli *c)
{
	static const char *const given[] = {"host-access", "host-allow",
					    "udp-filter", "subnet6",
					    "ipv6", "prefix-pool",
					    "domain", "uplink-mode",
					    "mac-nat"};
	json_t *params = name_param(c);
	int r;

	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		cli_param(c, params, given[i]);
	if (args_get(&c->args, "lease-seconds"))
		json_object_set_new(params, "lease_s",
				    json_integer(args_int(&c->args,
							  "lease-seconds", 0)));
	r = tftp_param(c, params);
	if (!r)
		r = guard_net_params(c, params);
	if (r) {
		json_decref(params);
		return r;
	}
	dhcp_param(c, params);
	if (json_object_size(params) == 1) {
		json_decref(params);
		return cli_usage(c, "nothing to change is named");
	}
	return simple(c, "network.set", params, "changed");
}

static const struct opt set_opts[] = {
	{"host-access", "off|address|loopback",
	 "what VMs reach of the host itself", OPT_CHOICE},
	{"host-allow", "tcp:22,udp:53,…|all",
	 "only these ports of the host, or all of them again"},
	{"udp-filter", UDP_FILTERS, "who may send to a VM's UDP port",
	 OPT_CHOICE},
	DHCP_OPTS,
	GUARD_NET_OPTS,
	{"subnet6", "PREFIX|auto|off",
	 "IPv6 /64; another one ends TCP through NAT"},
	{"ipv6", "slaac|stateless|stateful|off",
	 "how VMs get addresses of it; they are told at once", OPT_CHOICE},
	{"prefix-pool", "PREFIX/N-M|auto|off",
	 "IPv6 prefixes for VMs that are routers, by DHCPv6"},
	{"domain", "NAME", "DNS domain of the VMs' names"},
	{"lease-seconds", "N", "how long an address is lent from now on",
	 OPT_INT, false, 60, 31536000},
	{"tftp", "DIR|off", "serve the files below DIR to VMs that boot (TFTP)"},
	{"uplink-mode", "tap-in|take-in",
	 "leave the uplink alone, or bridge it (bridged)",
	 OPT_CHOICE},
	{"mac-nat", "auto|on|off",
	 "VMs share the uplink's MAC; auto: on Wi-Fi", OPT_CHOICE},
	{NULL},
};
static const struct opt plan_opts[] = {
	{"all", NULL, "as if nothing of it were there yet"},
	{NULL},
};
static const struct opt undefine_opts[] = {
	{"force", NULL, "also when VMs are attached: their NICs are removed"},
	{NULL},
};

const struct cli_cmd cmd_network[] = {
	{"define", "make a network and start it", {"NAME", NULL, define_opts},
	 define_help, define_run},
	{"set", "change a network while it runs", {"NAME", NULL, set_opts},
	 "Changes take effect at once and stay; what is not named stays as it "
	 "was. TCP\nconnections that the new rules forbid are reset; another IPv6 subnet "
	 "starts the\nnetwork's worker anew, so that all of them are.\n\n"
	 "Examples:\n"
	 "  vnet set lab --host-allow tcp:22,tcp:8000-8010\n"
	 "      of the host, VMs reach only these ports\n"
	 "  vnet set lab --udp-filter endpoint-independent\n"
	 "      anybody may answer a VM that sent a datagram out: games, "
	 "peer to peer\n"
	 "  vnet set lab --ipv6 stateful --prefix-pool auto\n"
	 "      DHCPv6 gives VMs their IPv6 addresses, and routers among them "
	 "a /64 each\n"
	 "  vnet set lab --guard ip --isolated on\n"
	 "      VMs speak as themselves, and not with each other\n"
	 "  vnet set lab --subnet6 auto\n"
	 "      IPv6 for a network that was defined without\n",
	 set_run},
	{"undefine", "stop a network and forget it",
	 {"NAME", NULL, undefine_opts},
	 "Stops the network and removes its definition, forwards, fixed "
	 "addresses and\nleases. Refused while VMs are attached, unless "
	 "--force is given.\n\n"
	 "Examples:\n"
	 "  vnet undefine lab\n"
	 "  vnet undefine lab --force\n"
	 "      unplug what is attached, too\n",
	 undefine_run},
	{"start", "start a stopped network", {"NAME"},
	 "Starts a network that was stopped, or defined with --no-start. NICs "
	 "that are\nattached come back, with the addresses they had.\n\n"
	 "Examples:\n"
	 "  vnet start lab\n",
	 start_run},
	{"stop", "stop a network, keep its definition", {"NAME"},
	 "The VMs on it lose their link; definition, NICs, forwards and "
	 "leases stay, and\n`vnet start` brings all back.\n\n"
	 "Examples:\n"
	 "  vnet stop lab\n",
	 stop_run},
	{"plan", "what the kernel would be told now", {"NAME", NULL, plan_opts},
	 "For bridged networks, and those with --datapath kernel: bridge, uplink, "
	 "addresses\nand sysctls step by step, and the packet filters as nft(8) reads "
	 "them, where they\ndiffer from what is there.\n\n"
	 "Examples:\n"
	 "  vnet define lab --mode hostonly --datapath kernel --no-start\n"
	 "  vnet plan lab\n"
	 "      what `vnet start lab` is going to do\n"
	 "  vnet plan lab --all\n"
	 "      all of it, also what is done already\n",
	 plan_run},
	{"autostart", "start a network with vnetd, or not", {"NAME on|off"},
	 "A network that autostarts runs as soon as vnetd does. That is the "
	 "default.\n\n"
	 "Examples:\n"
	 "  vnet autostart lab off\n"
	 "  vnet autostart lab on\n",
	 autostart_run},
	{NULL},
};
