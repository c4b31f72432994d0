// SPDX-License-Identifier: GPL-2.0-or-later
/* DHCP options: for a network, a group of clients, a VM, a NIC or a MAC. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "cli/tables.h"

static json_t *scope_params(const struct cli *c)
{
	static const char *const given[] = {"vm", "nic", "mac", "group"};
	json_t *p = json_object(), *list = json_array();

	json_object_set_new(p, "network", json_string(args_pos(&c->args, 0)));
	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		cli_param(c, p, given[i]);
	for (size_t i = 0; i < c->args.ntail; i++)
		json_array_append_new(list, json_string(c->args.tail[i]));
	json_object_set_new(p, "options", list);
	return p;
}

static int change(struct cli *c, const char *method, json_t *params,
		  const char *done)
{
	json_t *res;
	int r = cli_call(c, method, params, &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		printf("network %s: options %s; guests hear of it when they "
		       "ask again\n",
		       args_pos(&c->args, 0), done);
	json_decref(res);
	return CLI_OK;
}

static int set_run(struct cli *c)
{
	json_t *p = scope_params(c);

	cli_param(c, p, "match");
	return change(c, "option.set", p, "set");
}

static int del_run(struct cli *c)
{
	return change(c, "option.del", scope_params(c), "removed");
}

static int list_run(struct cli *c)
{
	return cli_list(c, "option.list", "options", table_options);
}

#define SCOPE_OPTS                                                             \
	{"vm", "VM", "for this VM only"},                                      \
		{"nic", "N", "for this NIC of the VM only", OPT_INT, false,    \
		 0,	31},                                                   \
		{"mac", "MAC", "for this MAC address only", OPT_MAC},          \
	{                                                                      \
		"group", "NAME", "for a group of clients"                      \
	}

static const struct opt set_opts[] = {
	SCOPE_OPTS,
	{"match", "COND,…",
	 "who belongs to the group: mac=, name=, vendor=, user=, arch="},
	{NULL},
};
static const struct opt del_opts[] = {SCOPE_OPTS, {NULL}};

const struct cli_cmd cmd_option[] = {
	{"option set",
	 "say what DHCP tells guests",
	 {"NET", "NAME=VALUE…", set_opts, true},
	 "Options have names (mtu, dns, router, ntp, domain, search, routes, "
	 "lease-time,\nboot-file, tftp-server, captive-portal, wpad, "
	 "ipv6-only, …) or numbers; a number may\nhave a type (string, ip, "
	 "ips, "
	 "u8, u16, u32, i32, bool, domains, routes, hex) or a\nvalue in bytes "
	 "(0x…). What is set for a MAC goes before a NIC's, that before a "
	 "VM's,\na "
	 "group's and the network's. No value keeps an option back.\n\n"
	 "Examples:\n"
	 "  vnet option set lab ntp=10.0.2.2 search=lab.vnet,corp.example\n"
	 "  vnet option set lab --vm db mtu=1400 lease-time=600\n"
	 "  vnet option set lab --mac 52:54:00:12:34:56 224:string=hello "
	 "43=0x0104\n"
	 "  vnet option set lab --group pxe --match 'vendor=PXEClient*' "
	 "lease-time=300\n"
	 "  vnet option set lab routes=10.9.0.0/16:10.0.2.9 router=\n",
	 set_run},
	{"option del",
	 "set options no more",
	 {"NET", "[NAME…]", del_opts, true},
	 "Without names all of the scope go.\n\n"
	 "Examples:\n"
	 "  vnet option del lab ntp\n"
	 "  vnet option del lab --group pxe\n",
	 del_run},
	{"option list",
	 "the options that are set",
	 {"[NET]"},
	 "Examples:\n"
	 "  vnet option list lab\n",
	 list_run},
	{NULL},
};
