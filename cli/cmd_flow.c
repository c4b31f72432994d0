// SPDX-License-Identifier: GPL-2.0-or-later
/* Flows through nat networks: list, kill. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"

static json_t *params_of(const struct cli *c)
{
	static const char *const given[] = {"proto", "remote", "port", "id",
					    "limit"};
	json_t *p = json_object();

	if (args_pos(&c->args, 0))
		json_object_set_new(p, "of",
				    json_string(args_pos(&c->args, 0)));
	for (size_t i = 0; i < ARRAY_LEN(given); i++)
		if (strcmp(given[i], "limit") || !strcmp(c->cmd->name, "flow list"))
			cli_param(c, p, given[i]);
	return p;
}

/* "10.0.2.15:4711", "[fd00::2]:53"; an identifier is no port. */
static void endpoint_cell(struct out_table *t, const json_t *f,
			  const char *addr, const char *port)
{
	const char *a = cli_str(f, addr);
	json_int_t n = json_integer_value(json_object_get(f, port));
	bool v6 = strchr(a, ':');

	if (!*a)
		out_cell(t, "-");
	else if (!n)
		out_cell(t, "%s", a);
	else
		out_cell(t, v6 ? "[%s]:%lld" : "%s:%lld", a, (long long)n);
}

static int list_run(struct cli *c)
{
	static const char *const heads[] = {"NETWORK", "ID", "VM", "PROTO",
					    "GUEST", "OUTSIDE", "STATE", ">OUT",
					    ">IN", ">PKTS-OUT", ">PKTS-IN",
					    ">IDLE", NULL};
	struct out_table *t;
	json_t *res, *f;
	size_t i;
	int r = cli_call(c, "flow.list", params_of(c), &res);

	if (r)
		return r;
	if (!cli_json(c, res)) {
		t = out_table_new(heads);
		json_array_foreach(json_object_get(res, "flows"), i, f) {
			out_fields(t, f, "network", "id", "vm", "proto",
				   (char *)NULL);
			endpoint_cell(t, f, "guest", "guest_port");
			endpoint_cell(t, f, "outside", "outside_port");
			out_fields(t, f, "state", "bytes_out", "bytes_in",
				   "packets_out", "packets_in", "idle_s",
				   (char *)NULL);
		}
		out_print(t, stdout, 0, c->color);
		out_table_free(t);
		if (json_is_true(json_object_get(res, "more")))
			fprintf(stderr, "There are more flows; see --limit.\n");
	}
	json_decref(res);
	return CLI_OK;
}

static int kill_run(struct cli *c)
{
	json_t *res, *p = params_of(c);
	int r;

	if (args_flag(&c->args, "all"))
		json_object_set_new(p, "all", json_true());
	if (!json_object_size(p)) {
		json_decref(p);
		return cli_usage(c, "which flows? Name a network or VM, an "
				 "option, or --all");
	}
	if (json_object_get(p, "id") && !json_object_get(p, "of")) {
		json_decref(p);
		return cli_usage(c, "a flow's id is its network's: name it, "
				 "too");
	}
	r = cli_call(c, "flow.kill", p, &res);
	if (r)
		return r;
	if (!cli_json(c, res))
		printf("%lld flows ended\n",
		       (long long)json_integer_value(
			       json_object_get(res, "killed")));
	json_decref(res);
	return CLI_OK;
}

#define PICK_OPTS                                                            \
	{"proto", "tcp|udp|icmp", "of this protocol", OPT_CHOICE},           \
	{"remote", "ADDR", "with this address outside", OPT_IP},             \
	{"port", "N", "with this port outside", OPT_INT, false, 1, 65535},   \
	{"id", "N", "this one of the network's", OPT_INT, false, 1,          \
	 2147483647}

static const struct opt list_opts[] = {
	PICK_OPTS,
	{"limit", "N", "how many at most; default 1000", OPT_INT, false, 1,
	 8000},
	{NULL},
};

static const struct opt kill_opts[] = {
	PICK_OPTS,
	{"all", NULL, "every flow there is"},
	{NULL},
};

const struct cli_cmd cmd_flow[] = {
	{"flow list", "what VMs speak of through nat networks",
	 {"[NETWORK|VM]", NULL, list_opts},
	 "One line for each UDP mapping, echo identifier and TCP connection. "
	 "OUT and IN\nare bytes of payload from and to the VM.\n\n"
	 "Examples:\n"
	 "  vnet flow list lab --proto tcp\n"
	 "  vnet flow list MyVM --remote 192.0.2.7\n",
	 list_run},
	{"flow kill", "end flows through nat networks",
	 {"[NETWORK|VM]", NULL, kill_opts},
	 "TCP connections are reset on both sides. UDP and echo make a new "
	 "mapping with the\nVM's next packet.\n\n"
	 "Examples:\n"
	 "  vnet flow kill MyVM\n"
	 "  vnet flow kill lab --proto tcp --remote 192.0.2.7 --port 443\n",
	 kill_run},
	{NULL},
};
