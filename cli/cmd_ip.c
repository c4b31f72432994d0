// SPDX-License-Identifier: GPL-2.0-or-later
/* The addresses of a VM. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/tables.h"

static const struct opt ip_opts[] = {
	{"wait", "SECONDS", "wait so long for an address", OPT_INT, false, 0,
	 3600},
	{"plain", NULL, "only the addresses, one a line; fail without"},
	{NULL},
};

static void hint(const char *vm)
{
	fprintf(stderr,
		"Is the guest booted, does it run a DHCP client, is the link "
		"up? See: vnet show %s\n", vm);
}

static void print_plain(const json_t *list)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		printf("%s\n", cli_str(o, "address"));
}

static int ip_run(struct cli *c)
{
	const char *vm = args_pos(&c->args, 0);
	json_t *params = json_pack("{s:s}", "vm", vm);
	struct errtext why = {{0}};
	json_t *res, *list;
	int r, code = 0;

	if (args_int(&c->args, "wait", 0))
		json_object_set_new(params, "wait_s",
				    json_integer(args_int(&c->args, "wait",
							  0)));
	r = cli_try(c, "nic.addresses", params, &res, &code, &why);
	if (r == CLI_REFUSED) {
		cli_refuse("%s", why.s);
		if (code == RPC_TIMEOUT)
			hint(vm);
	}
	if (r)
		return r;
	list = json_object_get(res, "addresses");
	if (!cli_json(c, res)) {
		if (args_flag(&c->args, "plain"))
			print_plain(list);
		else
			table_addresses(list);
	}
	if (!json_array_size(list)) {
		r = cli_refuse("%s has no address yet; --wait 60 waits for one",
			       vm);
		hint(vm);
		/* An empty table is an answer; no bare address is none. */
		if (!args_flag(&c->args, "plain"))
			r = CLI_OK;
	}
	json_decref(res);
	return r;
}

const struct cli_cmd cmd_ip[] = {
	{"ip", "the addresses of a VM", {"VM", NULL, ip_opts},
	 "What addresses the VM's NICs have, and how that is known: from a "
	 "DHCP lease, from\nwhat the guest was seen to use, or because it is "
	 "reserved: by `vnet reserve`, or as what\nDHCP will give. When there "
	 "is none (yet), the table is empty; with --wait or --plain\nthat is a "
	 "failure. --wait waits until the guest uses one.\n\n"
	 "Examples:\n"
	 "  vnet ip MyVM\n"
	 "  vnet ip MyVM --wait 60\n"
	 "      for scripts: continue as soon as the guest is on the network\n"
	 "  ssh root@$(vnet ip MyVM --plain | head -n 1)\n"
	 "      (host-only and bridged; a nat VM is reached by `vnet forward`)\n"
	 "  vnet ip MyVM --json | jq -r '.addresses[0].address'\n",
	 ip_run},
	{NULL},
};
