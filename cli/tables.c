// SPDX-License-Identifier: GPL-2.0-or-later
/* The API's objects as tables. See tables.h. */
#include "cli/tables.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "cli/strv.h"

static void finish(struct out_table *t, unsigned int indent, bool color)
{
	out_sort(t);
	out_print(t, stdout, indent, color);
	out_table_free(t);
}

void table_networks(const json_t *networks, bool color)
{
	static const char *const heads[] = {
		"NAME",	   "MODE",	"!STATE", "AUTOSTART", "SUBNET",
		"GATEWAY", "?SUBNET6",	"?UPLINK", ">NICS",    ">FORWARDS",
		"?REASON", NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(networks, i, o)
		out_fields(t, o, "name", "mode", "state", "autostart", "subnet",
			   "gateway", "subnet6", "uplink", "nics", "forwards",
			   "reason", NULL);
	finish(t, 0, color);
}

void table_nics(const json_t *nics, unsigned int indent, bool color)
{
	static const char *const heads[] = {
		"VM",	     "NIC",	 "NETWORK", "MAC",    "TYPE", "!LINK",
		"CONNECTED", "ADDRESS", "!STATE",  "?REASON", NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(nics, i, o)
		out_fields(t, o, "vm", "nic", "network", "mac", "type", "link",
			   "connected", "address", "state", "reason", NULL);
	finish(t, indent, color);
}

/* "0.0.0.0:8000-8010" */
static void forward_host_cell(struct out_table *t, const json_t *o)
{
	json_int_t port = json_integer_value(json_object_get(o, "port"));
	json_int_t end = json_integer_value(json_object_get(o, "port_end"));
	const char *address = cli_str(o, "address");
	bool v6 = strchr(address, ':');

	if (end > port)
		out_cell(t, "%s%s%s:%lld-%lld", v6 ? "[" : "", address,
			 v6 ? "]" : "", (long long)port, (long long)end);
	else
		out_cell(t, "%s%s%s:%lld", v6 ? "[" : "", address,
			 v6 ? "]" : "", (long long)port);
}

/* "MyVM:22", "MyVM/1:22", "10.0.2.15:22" or "MyVM:9000-9010" */
static void forward_target_cell(struct out_table *t, const json_t *o)
{
	json_int_t nic = json_integer_value(json_object_get(o, "to_nic"));
	json_int_t port = json_integer_value(json_object_get(o, "to_port"));
	json_int_t more =
		json_integer_value(json_object_get(o, "port_end")) -
		json_integer_value(json_object_get(o, "port"));
	const char *vm = cli_str(o, "to_vm"), *ip = cli_str(o, "to_address");
	char ports[48], which[16] = "";
	bool v6 = !*vm && strchr(ip, ':');

	if (*vm && nic)
		snprintf(which, sizeof(which), "/%lld", (long long)nic);
	if (more > 0)
		snprintf(ports, sizeof(ports), "%lld-%lld", (long long)port,
			 (long long)(port + more));
	else
		snprintf(ports, sizeof(ports), "%lld", (long long)port);
	out_cell(t, "%s%s%s%s:%s", v6 ? "[" : "", *vm ? vm : ip, which,
		 v6 ? "]" : "", ports);
}

void table_forwards(const json_t *forwards, unsigned int indent, bool color)
{
	static const char *const heads[] = {
		"ID",	  "NETWORK",   "PROTOCOL",    "HOST",	    "TARGET",
		"!STATE", ">?CLIENTS", ">?IN BYTES", ">?OUT BYTES", "?REASON",
		NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(forwards, i, o) {
		out_fields(t, o, "id", "network", "proto", NULL);
		forward_host_cell(t, o);
		forward_target_cell(t, o);
		out_field(t, o, "state");
		out_fields(t, json_object_get(o, "stats"), "clients",
			   "bytes_in", "bytes_out", NULL);
		out_field(t, o, "reason");
	}
	finish(t, indent, color);
}

/* "MyVM" or "MyVM/1" */
static void vm_nic_cell(struct out_table *t, const json_t *o)
{
	json_int_t nic = json_integer_value(json_object_get(o, "nic"));

	if (nic && *cli_str(o, "vm"))
		out_cell(t, "%s/%lld", cli_str(o, "vm"), (long long)nic);
	else
		out_cell(t, "%s", cli_str(o, "vm"));
}

void table_leases(const json_t *leases, unsigned int indent)
{
	static const char *const heads[] = {"NETWORK", "ADDRESS",  "MAC",
					    "VM",      "HOSTNAME", "STATE",
					    "EXPIRES", NULL};
	struct out_table *t = out_table_new(heads);
	char when[32];
	json_t *o;
	size_t i;

	json_array_foreach(leases, i, o) {
		const json_t *prefix = json_object_get(o, "prefix");

		out_fields(t, o, "network", NULL);
		if (json_is_integer(prefix))
			out_cell(t, "%s/%d", cli_str(o, "address"),
				 (int)json_integer_value(prefix));
		else
			out_fields(t, o, "address", NULL);
		out_fields(t, o, "mac", NULL);
		vm_nic_cell(t, o);
		out_fields(t, o, "hostname", "state", NULL);
		out_cell(t, "%s",
			 out_time(json_integer_value(
					  json_object_get(o, "expires")),
				  when));
	}
	finish(t, indent, false);
}

void table_options(const json_t *options)
{
	static const char *const heads[] = {"NETWORK", "SCOPE", "OPTION",
					    "CODE",    "VALUE", NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(options, i, o) {
		const json_t *code = json_object_get(o, "code");

		out_fields(t, o, "network", "scope", "name", NULL);
		if (json_is_integer(code))
			out_cell(t, "%lld",
				 (long long)json_integer_value(code));
		else
			out_cell(t, "-");
		out_field(t, o, "value");
	}
	finish(t, 0, false);
}

void table_records(const json_t *records)
{
	static const char *const heads[] = {"NETWORK", "NAME", "TYPE", "VALUE",
					    NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(records, i, o)
		out_fields(t, o, "network", "name", "type", "value", NULL);
	finish(t, 0, false);
}

void table_reservations(const json_t *reservations)
{
	static const char *const heads[] = {"NETWORK", "ADDRESS",  "MAC",
					    "VM",      "HOSTNAME", NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(reservations, i, o) {
		out_fields(t, o, "network", "address", "mac", NULL);
		vm_nic_cell(t, o);
		out_field(t, o, "hostname");
	}
	finish(t, 0, false);
}

/* The address with its prefix, "10.0.2.15/24". */
static void address_cell(struct out_table *t, const json_t *o)
{
	const json_t *prefix = json_object_get(o, "prefix");

	if (json_is_integer(prefix))
		out_cell(t, "%s/%lld", cli_str(o, "address"),
			 (long long)json_integer_value(prefix));
	else
		out_cell(t, "%s", cli_str(o, "address"));
}

void table_addresses(const json_t *addresses)
{
	static const char *const heads[] = {"NAME",    "MAC",	 "PROTOCOL",
					    "ADDRESS", "SOURCE", "NETWORK",
					    NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(addresses, i, o) {
		out_fields(t, o, "ifname", "mac", "protocol", NULL);
		address_cell(t, o);
		out_fields(t, o, "source", "network", NULL);
	}
	finish(t, 0, false);
}

void table_paths(const json_t *nics, unsigned int indent)
{
	static const char *const heads[] = {"NIC", "?SOCKET", "?INTERFACE",
					    "?NETNS", NULL};
	struct out_table *t = out_table_new(heads);
	bool any = false;
	json_t *o;
	size_t i;

	json_array_foreach(nics, i, o) {
		any |= *cli_str(o, "path") || *cli_str(o, "ifname");
		out_fields(t, o, "nic", "path", "ifname", "netns", NULL);
	}
	if (any) {
		printf("\nPlugged in at\n");
		out_sort(t);
		out_print(t, stdout, indent, false);
	}
	out_table_free(t);
}

char *table_drops(const json_t *drops)
{
	char *text = strv_fmt("%s", "");
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)drops, key, v) {
		char *old = text;

		if (!json_integer_value(v))
			continue;
		text = strv_fmt("%s%s%s %lld", old, *old ? ", " : "", key,
				(long long)json_integer_value(v));
		free(old);
	}
	return text;
}

void table_counters(const json_t *nics, unsigned int indent)
{
	static const char *const heads[] = {"VM",	  "NIC",
					    ">RX-FRAMES", ">RX-BYTES",
					    ">TX-FRAMES", ">TX-BYTES",
					    "DROPPED",	  NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(nics, i, o) {
		const json_t *s = json_object_get(o, "stats");
		char *drops;

		if (!json_is_object(s))
			continue;
		drops = table_drops(json_object_get(s, "drops"));
		out_fields(t, o, "vm", "nic", NULL);
		out_fields(t, s, "rx_frames", "rx_bytes", "tx_frames",
			   "tx_bytes", NULL);
		out_cell(t, "%s", drops);
		free(drops);
	}
	if (out_rows(t)) {
		printf("\nCounters (rx: from the VM, tx: to the VM)\n");
		out_sort(t);
		out_print(t, stdout, indent, false);
	}
	out_table_free(t);
}

/* 0: any. */
static void limit_cell(struct out_table *t, const json_t *guard, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(guard, key));

	if (n)
		out_cell(t, "%lld", (long long)n);
	else
		out_cell(t, "%s", "");
}

static void guard_row(struct out_table *t, const json_t *nic,
		      const json_t *guard)
{
	const json_t *ips = json_object_get(guard, "ips");
	char *text = strv_fmt("%s", "");
	json_t *v;
	size_t i;

	json_array_foreach(ips, i, v) {
		char *old = text;

		text = strv_fmt("%s%s%s", old, i ? "," : "",
				json_string_value(v));
		free(old);
	}
	out_fields(t, nic, "vm", "nic", NULL);
	out_fields(t, guard, "level", "isolated", NULL);
	limit_cell(t, guard, "storm");
	limit_cell(t, guard, "rate_in");
	limit_cell(t, guard, "rate_out");
	out_cell(t, "%s", text);
	free(text);
}

void table_guards(const json_t *nics, unsigned int indent)
{
	static const char *const heads[] = {
		"VM",		  "NIC",	"GUARD",	"ISOLATED",
		"?>BROADCASTS/S", "?>KBIT/S-IN", "?>KBIT/S-OUT", "?ADDRESSES",
		NULL};
	static const char *const limits[] = {"storm", "rate_in", "rate_out"};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(nics, i, o) {
		const json_t *g = json_object_get(o, "guard");
		bool any = strcmp(cli_str(g, "level"), "off") ||
			   json_is_true(json_object_get(g, "isolated"));

		for (size_t k = 0; k < ARRAY_LEN(limits); k++)
			any |= json_integer_value(
				       json_object_get(g, limits[k])) != 0;
		if (any && json_is_object(g))
			guard_row(t, o, g);
	}
	if (out_rows(t)) {
		printf("\nGuards\n");
		out_sort(t);
		out_print(t, stdout, indent, false);
	}
	out_table_free(t);
}

static bool flows_row(struct out_table *t, const json_t *nic)
{
	static const char *const keys[] = {"tcp",     "opening", "udp",
					   "clients", "icmp",	 "dns",
					   "evicted", "refused"};
	const json_t *f = json_object_get(json_object_get(nic, "stats"),
					  "flows");
	json_int_t any = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		any |= json_integer_value(json_object_get(f, keys[i]));
	if (!any)
		return false;
	out_fields(t, nic, "vm", "nic", NULL);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		out_field(t, f, keys[i]);
	return true;
}

void table_flow_counts(const json_t *nics, unsigned int indent)
{
	static const char *const heads[] = {
		"VM",	     "NIC",   ">TCP", ">OPENING", ">UDP",
		">CLIENTS",  ">ECHO", ">DNS", ">EVICTED", ">REFUSED",
		NULL};
	struct out_table *t = out_table_new(heads);
	json_t *o;
	size_t i;

	json_array_foreach(nics, i, o)
		(void)flows_row(t, o);
	if (out_rows(t)) {
		printf("\nFlows (opening: TCP calls not answered yet; clients: of "
		       "UDP forwards)\n");
		out_sort(t);
		out_print(t, stdout, indent, false);
	}
	out_table_free(t);
}

static void add_numbers(struct out_table *t, const char *prefix,
			const json_t *o)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v) {
		char *name = strv_fmt("%s%s%s", prefix, *prefix ? "." : "",
				      key);

		if (json_is_object(v)) {
			add_numbers(t, name, v);
		} else if (json_integer_value(v)) {
			out_cell(t, "%s", name);
			out_field(t, o, key);
		}
		free(name);
	}
}

void table_numbers(const json_t *o, const char *title)
{
	static const char *const heads[] = {"COUNTER", ">VALUE", NULL};
	struct out_table *t = out_table_new(heads);

	add_numbers(t, "", o);
	if (out_rows(t)) {
		printf("\n%s\n", title);
		out_sort(t);
		out_print(t, stdout, 2, false);
	}
	out_table_free(t);
}
