// SPDX-License-Identifier: GPL-2.0-or-later
/* DHCP leases and fixed addresses. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/tables.h"
#include "lib/inet.h"

/* ---- leases --------------------------------------------------------------- */

static int lease_list_run(struct cli *c)
{
	json_t *p = cli_net_param(c), *res;
	int r;

	if (args_flag(&c->args, "all"))
		json_object_set_new(p, "all", json_true());
	r = cli_call(c, "lease.list", p, &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		table_leases(json_object_get(res, "leases"), 0);
	json_decref(res);
	return CLI_OK;
}

static int bad_address(const struct cli *c, const char *s)
{
	return cli_usage(c, "\"%s\": must be an address like 10.0.2.50", s);
}

static int lease_release_run(struct cli *c)
{
	const char *address = args_pos(&c->args, 1);
	json_t *p, *res;
	struct ipaddr ip;
	int r;

	if (ipaddr_parse(address, &ip))
		return bad_address(c, address);
	p = cli_net_param(c);
	json_object_set_new(p, "address", json_string(address));
	r = cli_call(c, "lease.release", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: lease of %s released\n",
		       args_pos(&c->args, 0), address);
	json_decref(res);
	return CLI_OK;
}

/* ---- reservations --------------------------------------------------------- */

static int reserve_add_run(struct cli *c)
{
	const char *who = args_pos(&c->args, 1);
	const char *address = args_pos(&c->args, 2);
	json_t *p, *res;
	struct mac mac;
	struct ipaddr ip;
	bool is_mac = !mac_parse(who, &mac);
	int r;

	if (ipaddr_parse(address, &ip))
		return bad_address(c, address);
	if (is_mac && args_get(&c->args, "nic"))
		return cli_usage(c, "--nic goes with a VM's name, not with a "
				 "MAC address");
	p = cli_net_param(c);
	json_object_set_new(p, is_mac ? "mac" : "vm", json_string(who));
	json_object_set_new(p, "address", json_string(address));
	cli_param(c, p, "nic");
	cli_param(c, p, "hostname");
	r = cli_call(c, "reserve.add", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: %s is reserved for %s; a guest that has "
		       "another address gets it when it asks again\n",
		       args_pos(&c->args, 0), address, who);
	json_decref(res);
	return CLI_OK;
}

static int reserve_del_run(struct cli *c)
{
	const char *which = args_pos(&c->args, 1);
	json_t *p, *res;
	struct mac mac;
	struct ipaddr ip;
	bool is_mac = !mac_parse(which, &mac);
	int r;

	if (!is_mac && ipaddr_parse(which, &ip))
		return cli_usage(c, "\"%s\": must be the reserved address or "
				 "the MAC address, see vnet reserve list",
				 which);
	p = cli_net_param(c);
	json_object_set_new(p, is_mac ? "mac" : "address", json_string(which));
	r = cli_call(c, "reserve.del", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: %s is no longer reserved\n",
		       args_pos(&c->args, 0), which);
	json_decref(res);
	return CLI_OK;
}

static int reserve_list_run(struct cli *c)
{
	return cli_list(c, "reserve.list", "reservations",
			table_reservations);
}

static const struct opt reserve_opts[] = {
	{"nic", "N", "which NIC of the VM; default 0", OPT_INT, false, 0, 31},
	{"hostname", "NAME", "host name that DHCP gives to the guest"},
	{NULL},
};

static const struct opt lease_opts[] = {
	{"all", NULL, "also whose an address was before, or will be"},
	{NULL},
};

const struct cli_cmd cmd_lease[] = {
	{"lease list", "the addresses that DHCP gave out",
	 {"[NET]", NULL, lease_opts},
	 "One line for each lease, with the host name that the guest sent. An "
	 "address that a\nguest declined, because somebody else uses it, is "
	 "left alone for ten minutes.\n\n"
	 "Examples:\n"
	 "  vnet lease list\n"
	 "  vnet lease list lab --json\n",
	 lease_list_run},
	{"lease release", "take an address back", {"NET ADDR"},
	 "Forgets a lease, so that the address may go to another guest. A "
	 "guest that still\nuses it keeps doing so until it renews.\n\n"
	 "Examples:\n"
	 "  vnet lease release lab 10.0.2.17\n",
	 lease_release_run},
	{"reserve add", "fix the address of a VM",
	 {"NET VM|MAC ADDR", NULL, reserve_opts},
	 "DHCP gives this address to this VM only. It must lie in the "
	 "network's subnet, inside\nor outside of the DHCP range.\n\n"
	 "Examples:\n"
	 "  vnet reserve add lab MyVM 10.0.2.50\n"
	 "  vnet reserve add lab 52:54:00:12:34:56 10.0.2.51 --hostname db\n",
	 reserve_add_run},
	{"reserve del", "give a fixed address up", {"NET ADDR|MAC"},
	 "Examples:\n"
	 "  vnet reserve del lab 10.0.2.50\n",
	 reserve_del_run},
	{"reserve list", "the fixed addresses", {"[NET]"},
	 "Examples:\n"
	 "  vnet reserve list\n"
	 "  vnet reserve list lab\n",
	 reserve_list_run},
	{NULL},
};
