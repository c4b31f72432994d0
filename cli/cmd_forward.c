// SPDX-License-Identifier: GPL-2.0-or-later
/* Port forwards: add, set, del, list. */
#include <errno.h>
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

/* The target, as parameters. */
static void target_params(json_t *p, const struct forward_spec *f)
{
	if (*f->to_vm)
		json_object_set_new(p, "to_vm", json_string(f->to_vm));
	if (f->to_nic >= 0)
		json_object_set_new(p, "to_nic", json_integer(f->to_nic));
	if (*f->to_address)
		json_object_set_new(p, "to_address",
				    json_string(f->to_address));
	if (f->to_port)
		json_object_set_new(p, "to_port", json_integer(f->to_port));
}

/* --bind: an address of the host, or all of them. */
static int read_bind(const char *s, struct forward_spec *f, struct errtext *why)
{
	struct ipaddr ip;

	if (!strcmp(s, "any"))
		s = "0.0.0.0";
	if (ipaddr_parse(s, &ip))
		return errtext_set(why, -EINVAL, "--bind %.64s: must be an "
				   "address of the host, like 127.0.0.1, or "
				   "any", s);
	ipaddr_format(&ip, f->address);
	return 0;
}

/* The options of add and set that say parts of a forward. */
static int read_options(const struct cli *c, struct forward_spec *f,
			struct errtext *why)
{
	const char *proto = args_get(&c->args, "proto");
	const char *port = args_get(&c->args, "host-port");
	const char *to = args_get(&c->args, "to");
	const char *bind = args_get(&c->args, "bind");
	int r = 0;

	if (proto)
		snprintf(f->proto, sizeof(f->proto), "%s", proto);
	if (bind)
		r = read_bind(bind, f, why);
	if (!r && port)
		r = forward_spec_ports(port, f, why);
	return !r && to ? forward_spec_target(to, f, why) : r;
}

static bool any_option(const struct cli *c)
{
	return args_get(&c->args, "proto") || args_get(&c->args, "host-port") ||
	       args_get(&c->args, "to") || args_get(&c->args, "bind");
}

/* What is to be added: in one word, or in options. */
static int read_new(const struct cli *c, struct forward_spec *f)
{
	const char *spec = args_pos(&c->args, 1);
	struct errtext why = {""};

	if (spec && any_option(c))
		return cli_usage(c, "say it in one word (%s) or in options, "
				 "not both", spec);
	if (spec)
		return forward_spec_parse(spec, f, &why)
			       ? cli_usage(c, "%s: %s", spec, why.s)
			       : CLI_OK;
	if (!args_get(&c->args, "host-port") || !args_get(&c->args, "to"))
		return cli_usage(c, "what leads where? Say tcp:2222:MyVM:22, or "
				 "--host-port 2222 --to MyVM:22");
	*f = (struct forward_spec){.proto = "tcp", .to_nic = -1};
	if (read_options(c, f, &why) || forward_spec_finish(f, &why))
		return cli_usage(c, "%s", why.s);
	return CLI_OK;
}

static int call_and_print(struct cli *c, const char *method, json_t *p)
{
	json_t *res;
	int r = cli_call(c, method, p, &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		print_one(c, res);
	json_decref(res);
	return CLI_OK;
}

static int add_run(struct cli *c)
{
	struct forward_spec f = {.to_nic = -1};
	json_t *p;
	int r = read_new(c, &f);

	if (r)
		return r;
	p = key_params(args_pos(&c->args, 0), &f);
	if (f.port_end != f.port)
		json_object_set_new(p, "port_end", json_integer(f.port_end));
	target_params(p, &f);
	return call_and_print(c, "forward.add", p);
}

/* ---- which one ------------------------------------------------------------ */

/* `forward del lab tcp:2222`, `forward del lab 3` or `forward del 3`: what names
 * it, as parameters. */
static int which_params(const struct cli *c, json_t **out)
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
		return cli_usage(c, "which forward? Say vnet %s %s tcp:PORT, or "
				 "its number from vnet forward list",
				 c->cmd->name, net);
	if (forward_spec_parse_key(which, &f, &why))
		return cli_usage(c, "%s: %s", which, why.s);
	*out = key_params(net, &f);
	return CLI_OK;
}

static int del_run(struct cli *c)
{
	json_t *p = NULL, *res;
	int r = which_params(c, &p);

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

/* ---- set ------------------------------------------------------------------- */

static bool is_key(const json_t *forward, const struct forward_spec *f)
{
	return !strcmp(cli_str(forward, "proto"), f->proto) &&
	       json_integer_value(json_object_get(forward, "port")) ==
		       f->port &&
	       (!*f->address || !strcmp(cli_str(forward, "address"), f->address));
}

/* Its number; 0 after it was said that there is none such. */
static json_int_t find_id(struct cli *c, const char *net,
			  const struct forward_spec *f, int *status)
{
	json_t *res, *o;
	json_int_t id = 0;
	size_t i;

	*status = cli_call(c, "forward.list", json_pack("{s:s}", "network", net),
			   &res);
	if (*status)
		return 0;
	json_array_foreach(json_object_get(res, "forwards"), i, o)
		if (!id && is_key(o, f))
			id = json_integer_value(json_object_get(o, "id"));
	json_decref(res);
	if (!id)
		*status = cli_refuse("network %s has no forward of %s port %u",
				     net, f->proto, f->port);
	return id;
}

/* "3", "lab tcp:2222" */
static int read_id(struct cli *c, json_int_t *id)
{
	struct forward_spec f = {.to_nic = -1};
	json_t *p = NULL;
	int r = which_params(c, &p);

	if (r)
		return r;
	*id = json_integer_value(json_object_get(p, "id"));
	json_decref(p);
	if (*id)
		return CLI_OK;
	(void)forward_spec_parse_key(args_pos(&c->args, 1), &f, NULL);
	*id = find_id(c, args_pos(&c->args, 0), &f, &r);
	return r;
}

static int set_run(struct cli *c)
{
	struct forward_spec f = {.to_nic = -1};
	struct errtext why = {""};
	json_int_t id = 0;
	json_t *p;
	int r;

	if (!any_option(c))
		return cli_usage(c, "what shall change? Say --to, --host-port, "
				 "--bind or --proto");
	if (read_options(c, &f, &why))
		return cli_usage(c, "%s", why.s);
	r = read_id(c, &id);
	if (r)
		return r;
	p = json_pack("{s:I}", "id", id);
	if (*f.proto)
		json_object_set_new(p, "proto", json_string(f.proto));
	if (*f.address)
		json_object_set_new(p, "address", json_string(f.address));
	if (f.port) {
		json_object_set_new(p, "port", json_integer(f.port));
		json_object_set_new(p, "port_end", json_integer(f.port_end));
	}
	target_params(p, &f);
	if (f.to_port)
		json_object_set_new(p, "to_port_end",
				    json_integer(f.to_port_end));
	return call_and_print(c, "forward.set", p);
}

static int list_run(struct cli *c)
{
	json_t *res;
	int r = cli_call(c, "forward.list", cli_net_param(c), &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		table_forwards(json_object_get(res, "forwards"), 0, c->color);
	json_decref(res);
	return CLI_OK;
}

/* proto, host-port, to, bind */
#define PARTS(to_help)                                                         \
	{"proto", "tcp|udp", "protocol; default tcp", OPT_CHOICE},             \
		{"host-port", "PORT[-PORT]", "of the host, or a range"},       \
		{"to", "VM|ADDR[:PORT[-PORT]]", to_help},                      \
		{"bind", "ADDR|any", "address of the host; default any"}

static const struct opt add_opts[] = {
	PARTS("the guest, and its port"),
	{NULL},
};
static const struct opt set_opts[] = {
	PARTS("another guest, or NIC, or port"),
	{NULL},
};

const struct cli_cmd cmd_forward[] = {
	{"forward add", "let the outside reach a port of a VM",
	 {"NET [SPEC]", NULL, add_opts},
	 "A port of the host leads to a port of a VM on a nat network, at "
	 "once and until it\nis removed. A VM is followed to whatever address "
	 "it gets. SPEC says it in one word:\n\n"
	 "  tcp:2222:MyVM:22            host port 2222 to port 22 of MyVM\n"
	 "  udp:5353:MyVM               the same port on both sides\n"
	 "  tcp:127.0.0.1:8080:MyVM:80  only for programs on the host\n"
	 "  tcp:[::1]:8080:MyVM:80      the same over IPv6\n"
	 "  tcp:8000-8010:MyVM:9000-9010  a range: 8000 to 9000, 8001 to "
	 "9001…\n"
	 "  tcp:2222:MyVM/1:22          the VM's second NIC\n"
	 "  tcp:2222:10.0.2.15:22       an address instead of a VM\n\n"
	 "An address that the host does not have (yet) is waited for: the "
	 "state says so.\n\n"
	 "Examples:\n"
	 "  vnet forward add lab tcp:2222:MyVM:22 && ssh -p 2222 "
	 "root@localhost\n"
	 "  vnet forward add lab udp:51820:vpn\n"
	 "  vnet forward add lab --host-port 2222 --to MyVM:22 --bind "
	 "127.0.0.1\n",
	 add_run},
	{"forward set", "change a forward while it works",
	 {"NET|ID [tcp|udp:[ADDR:]PORT]", NULL, set_opts},
	 "What is not said stays. Connections through other forwards go on; "
	 "those through this\none end only if they led to another target.\n\n"
	 "Examples:\n"
	 "  vnet forward set 3 --to Other:22\n"
	 "  vnet forward set lab tcp:2222 --host-port 2223\n"
	 "  vnet forward set 3 --bind 127.0.0.1\n",
	 set_run},
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
	 "All forwards, or those of one network, with clients and bytes (in: "
	 "to the guest) and\ntheir state, with the reason:\n\n"
	 "  active    it works\n"
	 "  inactive  the network is stopped, or the VM is not there or has no "
	 "address yet\n"
	 "  waiting   for its address to appear on the host\n"
	 "  failed    somebody else has the port; tried again until it is "
	 "free\n\n"
	 "Examples:\n"
	 "  vnet forward list\n"
	 "  vnet forward list lab --json\n",
	 list_run},
	{NULL},
};
