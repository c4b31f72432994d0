// SPDX-License-Identifier: GPL-2.0-or-later
/* Port forwards: add, del, list. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/forward_spec.h"
#include "cli/tables.h"

/* What names a forward, as parameters. */
static json_t *key_params(const char *net, const struct forward_spec *f)
{
	json_t *p = json_pack("{s:s,s:s,s:i}", "network", net, "proto",
			      f->proto, "port", f->port);

	if (*f->address)
		json_object_set_new(p, "address", json_string(f->address));
	return p;
}

/* One forward as the table shows it. */
static void print_one(const struct cli *c, json_t *forward)
{
	json_t *list = json_pack("[O]", forward);

	table_forwards(list, 0, c->color);
	json_decref(list);
}

static int add_run(struct cli *c)
{
	const char *net = args_pos(&c->args, 0);
	const char *spec = args_pos(&c->args, 1);
	struct forward_spec f;
	struct errtext why;
	json_t *p, *res;
	int r;

	if (forward_spec_parse(spec, &f, &why))
		return cli_usage(c, "%s: %s", spec, why.s);
	p = key_params(net, &f);
	if (f.port_end != f.port)
		json_object_set_new(p, "port_end", json_integer(f.port_end));
	if (*f.to_vm)
		json_object_set_new(p, "to_vm", json_string(f.to_vm));
	if (f.to_nic >= 0)
		json_object_set_new(p, "to_nic", json_integer(f.to_nic));
	if (*f.to_address)
		json_object_set_new(p, "to_address",
				    json_string(f.to_address));
	json_object_set_new(p, "to_port", json_integer(f.to_port));
	r = cli_call(c, "forward.add", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		print_one(c, res);
	json_decref(res);
	return CLI_OK;
}

/* `forward del lab tcp:2222`, `forward del lab 3` or `forward del 3`. */
static int del_params(const struct cli *c, json_t **out)
{
	const char *net = args_pos(&c->args, 0);
	const char *which = args_pos(&c->args, 1);
	struct forward_spec f;
	struct errtext why;
	long id;

	if (!which)
		which = net;
	if (!args_number(which, 1, 2147483647, &id)) {
		*out = json_pack("{s:I}", "id", (json_int_t)id);
		return CLI_OK;
	}
	if (which == net)
		return cli_usage(c, "which forward? Say vnet forward del %s "
				 "tcp:PORT, or its number from vnet forward "
				 "list", net);
	if (forward_spec_parse_key(which, &f, &why))
		return cli_usage(c, "%s: %s", which, why.s);
	*out = key_params(net, &f);
	return CLI_OK;
}

static int del_run(struct cli *c)
{
	json_t *p = NULL, *res;
	int r = del_params(c, &p);

	if (!r)
		r = cli_call(c, "forward.del", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		printf("forward %s: removed\n",
		       args_pos(&c->args, c->args.npos - 1));
	json_decref(res);
	return CLI_OK;
}

static int list_run(struct cli *c)
{
	const char *net = args_pos(&c->args, 0);
	json_t *p = json_object(), *res;
	int r;

	if (net)
		json_object_set_new(p, "network", json_string(net));
	r = cli_call(c, "forward.list", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		table_forwards(json_object_get(res, "forwards"), 0, c->color);
	json_decref(res);
	return CLI_OK;
}

const struct cli_cmd cmd_forward[] = {
	{"forward add", "let the outside reach a port of a VM",
	 {"NET tcp|udp:[ADDR:]PORT[-PORT]:VM|ADDR[:PORT]"},
	 "A port of the host leads to a port of a VM on a nat network, at "
	 "once and until it\nis removed. A VM is followed to whatever address "
	 "it gets.\n\n"
	 "  tcp:2222:MyVM:22            host port 2222 to port 22 of MyVM\n"
	 "  udp:5353:MyVM               the same port on both sides\n"
	 "  tcp:127.0.0.1:8080:MyVM:80  only for programs on the host\n"
	 "  tcp:8000-8010:MyVM:9000     a range: 8000 to 9000, 8001 to 9001…\n"
	 "  tcp:2222:MyVM/1:22          the VM's second NIC\n"
	 "  tcp:2222:10.0.2.15:22       an address instead of a VM\n\n"
	 "Examples:\n"
	 "  vnet forward add lab tcp:2222:MyVM:22 && ssh -p 2222 "
	 "root@localhost\n"
	 "  vnet forward add lab udp:51820:vpn\n",
	 add_run},
	{"forward del", "remove a forward",
	 {"NET|ID [tcp|udp:[ADDR:]PORT]"},
	 "Named by its network and host port, or by its number in `vnet "
	 "forward list`.\n\n"
	 "Examples:\n"
	 "  vnet forward del lab tcp:2222\n"
	 "  vnet forward del lab tcp:127.0.0.1:8080\n"
	 "  vnet forward del 3\n",
	 del_run},
	{"forward list", "the forwards", {"[NET]"},
	 "All forwards, or those of one network, with their state: active, "
	 "inactive (the\nnetwork is stopped, or the VM has no address yet) or "
	 "failed, with the reason.\n\n"
	 "Examples:\n"
	 "  vnet forward list\n"
	 "  vnet forward list lab --json\n",
	 list_run},
	{NULL},
};
