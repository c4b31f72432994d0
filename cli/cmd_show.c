// SPDX-License-Identifier: GPL-2.0-or-later
/* Looking at things: list, show. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "cli/tables.h"

/* ---- list ----------------------------------------------------------------- */

static int list_networks(struct cli *c)
{
	json_t *res;
	int r = cli_call(c, "network.list", json_object(), &res);

	if (r)
		return r;
	if (!cli_json(c, res)) {
		table_networks(json_object_get(res, "networks"), c->color);
		if (!json_array_size(json_object_get(res, "networks")) &&
		    isatty(STDERR_FILENO))
			fputs("No network yet. Make one: vnet define lab "
			      "--mode nat\n", stderr);
	}
	json_decref(res);
	return CLI_OK;
}

static int list_nics(struct cli *c)
{
	json_t *res;
	int r = cli_call(c, "nic.list", json_object(), &res);

	if (r)
		return r;
	if (!cli_json(c, res))
		table_nics(json_object_get(res, "nics"), 0, c->color);
	json_decref(res);
	return CLI_OK;
}

static int list_run(struct cli *c)
{
	const char *what = args_pos(&c->args, 0);

	return what && !strcmp(what, "nics") ? list_nics(c) : list_networks(c);
}

/* ---- show a network ------------------------------------------------------- */

static void heading(const char *text)
{
	printf("\n%s\n", text);
}

/* "Name:          text" unless there is none. */
static void line(const char *name, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void line(const char *name, const char *fmt, ...)
{
	char *text, *safe, label[24];
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (text && *text && strcmp(text, "-")) {
		snprintf(label, sizeof(label), "%s:", name);
		safe = out_escape(text);
		printf("%-14s %s\n", label, safe);
		free(safe);
	}
	free(text);
}

static void member(const char *name, const json_t *o, const char *key)
{
	char buf[64];

	line(name, "%s", out_text(json_object_get(o, key), buf, sizeof(buf)));
}

/* Unless all is as usual. */
static void show_guard(const json_t *net)
{
	if (strcmp(cli_str(net, "guard"), "off"))
		member("Guard", net, "guard");
	if (json_is_true(json_object_get(net, "isolated")))
		member("Isolated", net, "isolated");
	if (json_integer_value(json_object_get(net, "storm")))
		member("Broadcasts/s", net, "storm");
}

static void show_config(const json_t *net)
{
	const json_t *dhcp = json_object_get(net, "dhcp");
	const json_t *worker = json_object_get(net, "worker");

	member("Network", net, "name");
	member("Mode", net, "mode");
	member("Datapath", net, "datapath");
	line("State", "%s%s%s", cli_str(net, "state"),
	     *cli_str(net, "reason") ? ": " : "", cli_str(net, "reason"));
	member("Autostart", net, "autostart");
	member("Uplink", net, "uplink");
	member("Uplink mode", net, "uplink_mode");
	if (*cli_str(net, "mac_nat"))
		line("MAC NAT", "%s%s", cli_str(net, "mac_nat"),
		     json_is_true(json_object_get(net, "mac_nat_active"))
			     ? ": VMs share the uplink's MAC"
			     : ": VMs have their own MACs");
	if (*cli_str(net, "uplink_note"))
		member("Uplink note", net, "uplink_note");
	member("Subnet", net, "subnet");
	member("Gateway", net, "gateway");
	member("DNS", net, "dns");
	if (*cli_str(net, "subnet6")) {
		member("IPv6 subnet", net, "subnet6");
		member("IPv6 gateway", net, "gateway6");
		member("IPv6 DNS", net, "dns6");
	}
	member("Domain", net, "domain");
	if (json_is_object(dhcp))
		line("DHCP", "%s-%s, leases of %lld s", cli_str(dhcp, "first"),
		     cli_str(dhcp, "last"),
		     (long long)json_integer_value(
			     json_object_get(dhcp, "lease_s")));
	else
		line("DHCP", "off");
	member("TFTP", net, "tftp");
	member("MTU", net, "mtu");
	member("Host access", net, "host_access");
	member("Host ports", net, "host_allow");
	member("UDP filter", net, "udp_filter");
	member("MAC", net, "mac");
	show_guard(net);
	if (json_is_object(worker))
		line("Worker", "pid %lld, restarted %lld times",
		     (long long)json_integer_value(
			     json_object_get(worker, "pid")),
		     (long long)json_integer_value(
			     json_object_get(worker, "restarts")));
}

static void show_network(const struct cli *c, const json_t *net)
{
	const json_t *nics = json_object_get(net, "nics");
	const json_t *forwards = json_object_get(net, "forwards");

	show_config(net);
	member("Leases", net, "leases");
	member("Flows", net, "flows");
	if (json_array_size(nics)) {
		heading("NICs");
		table_nics(nics, 2, c->color);
		table_guards(nics, 2);
		table_counters(nics, 2);
		table_flow_counts(nics, 2);
	}
	if (json_array_size(forwards)) {
		heading("Forwards");
		table_forwards(forwards, 2, c->color);
	}
	table_numbers(json_object_get(net, "counters"), "Counters");
}

/* ---- show a VM ------------------------------------------------------------ */

/* Those of @list's objects whose @key is @value; a new array. */
static json_t *only(const json_t *list, const char *key, const char *value)
{
	json_t *out = json_array(), *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!strcmp(cli_str(o, key), value))
			json_array_append(out, o);
	return out;
}

/* Ask @method for the array @key and keep what is @vm's under @field. */
static int gather(struct cli *c, json_t *vm, const char *method,
		  const char *key, const char *field)
{
	json_t *res;
	int r = cli_call(c, method, json_object(), &res);

	if (r)
		return r;
	json_object_set_new(vm, key, only(json_object_get(res, key), field,
					  cli_str(vm, "vm")));
	json_decref(res);
	return CLI_OK;
}

static void show_vm(const struct cli *c, const json_t *vm)
{
	const json_t *nics = json_object_get(vm, "nics");
	const json_t *forwards = json_object_get(vm, "forwards");
	const json_t *leases = json_object_get(vm, "leases");

	member("VM", vm, "vm");
	heading("NICs");
	table_nics(nics, 2, c->color);
	table_paths(nics, 2);
	table_guards(nics, 2);
	table_counters(nics, 2);
	table_flow_counts(nics, 2);
	if (json_array_size(forwards)) {
		heading("Forwards");
		table_forwards(forwards, 2, c->color);
	}
	if (json_array_size(leases)) {
		heading("Leases");
		table_leases(leases, 2);
	}
}

/* The NICs with their counters are in the networks' own objects. */
static int add_stats(struct cli *c, json_t *vm)
{
	json_t *nic, *net, *mine, *other;
	size_t i, j;

	json_array_foreach(json_object_get(vm, "nics"), i, nic) {
		struct errtext why;
		int code, r;

		r = cli_try(c, "network.show",
			    json_pack("{s:s}", "name", cli_str(nic, "network")),
			    &net, &code, &why);
		if (r == CLI_UNREACHABLE)
			return r;
		if (r)
			continue; /* gone in between: shown without counters */
		mine = json_object_get(nic, "nic");
		json_array_foreach(json_object_get(net, "nics"), j, other)
			if (!strcmp(cli_str(other, "vm"), cli_str(vm, "vm")) &&
			    json_equal(json_object_get(other, "nic"), mine))
				json_object_update_missing(nic, other);
		json_decref(net);
	}
	return CLI_OK;
}

static int vm_run(struct cli *c, const char *name, json_t *nics)
{
	json_t *vm = json_pack("{s:s,s:O}", "vm", name, "nics", nics);
	int r = add_stats(c, vm);

	if (!r)
		r = gather(c, vm, "forward.list", "forwards", "to_vm");
	if (!r)
		r = gather(c, vm, "lease.list", "leases", "vm");
	if (!r && !cli_json(c, vm))
		show_vm(c, vm);
	json_decref(vm);
	return r;
}

/* ---- show ----------------------------------------------------------------- */

/* CLI_OK with *@found telling whether there was one. */
static int try_network(struct cli *c, const char *name, bool *found)
{
	struct errtext why = {{0}};
	int code = 0;
	json_t *net;
	int r = cli_try(c, "network.show", json_pack("{s:s}", "name", name),
			&net, &code, &why);

	*found = !r;
	if (r == CLI_REFUSED && code != RPC_NOT_FOUND &&
	    code != RPC_BAD_PARAMS)
		return cli_refuse("%s", why.s);
	if (r)
		return r == CLI_REFUSED ? CLI_OK : r;
	if (!cli_json(c, net))
		show_network(c, net);
	json_decref(net);
	return CLI_OK;
}

static int try_vm(struct cli *c, const char *name, bool *found)
{
	json_t *res;
	int r = cli_call(c, "nic.list", json_object(), &res);
	json_t *nics;

	if (r)
		return r;
	nics = only(json_object_get(res, "nics"), "vm", name);
	json_decref(res);
	*found = json_array_size(nics) > 0;
	if (*found)
		r = vm_run(c, name, nics);
	json_decref(nics);
	return r;
}

static int show_run(struct cli *c)
{
	const char *name = args_pos(&c->args, 0);
	bool as_vm = args_flag(&c->args, "vm");
	bool as_network = args_flag(&c->args, "network");
	bool found = false;
	int r = CLI_OK;

	if (as_vm && as_network)
		return cli_usage(c, "--vm and --network exclude each other");
	if (!as_vm)
		r = try_network(c, name, &found);
	if (!r && !found && !as_network)
		r = try_vm(c, name, &found);
	if (r || found)
		return r;
	return cli_refuse("there is no %s \"%s\"; vnet list shows the "
			  "networks, vnet list nics the VMs",
			  as_vm	       ? "VM with a NIC named"
			  : as_network ? "network"
				       : "network and no VM",
			  name);
}

static const struct opt show_opts[] = {
	{"network", NULL, "NAME is a network, though a VM is called so too"},
	{"vm", NULL, "NAME is a VM, though a network is called so too"},
	{NULL},
};

const struct cli_cmd cmd_show[] = {
	{"list", "the networks, or all NICs", {"[networks|nics]"},
	 "One line for each network: its mode, state and addresses; or for "
	 "each VM's NIC.\n\n"
	 "Examples:\n"
	 "  vnet list\n"
	 "  vnet list nics\n"
	 "  vnet list --json | jq -r '.networks[].name'\n",
	 list_run},
	{"show", "everything about a network or a VM", {"NAME", NULL, show_opts},
	 "A network: its settings, NICs, forwards and counters, with the "
	 "reasons for which\nframes were dropped. A VM: its NICs and where "
	 "they are plugged in, forwards to it\nand its leases.\n\n"
	 "Examples:\n"
	 "  vnet show lab\n"
	 "  vnet show MyVM\n"
	 "  vnet show lab --json | jq .counters\n",
	 show_run},
	{NULL},
};
