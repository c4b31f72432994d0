// SPDX-License-Identifier: GPL-2.0-or-later
/* What the daemon says about itself. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/out.h"
#include "lib/version.h"

/* "3 d 4 h", "5 min", "12 s" */
static void uptime(json_int_t s, char out[32])
{
	long long t = (long long)s;

	if (t >= 86400)
		snprintf(out, 32, "%lld d %lld h", t / 86400, t % 86400 / 3600);
	else if (t >= 3600)
		snprintf(out, 32, "%lld h %lld min", t / 3600, t % 3600 / 60);
	else if (t >= 60)
		snprintf(out, 32, "%lld min", t / 60);
	else
		snprintf(out, 32, "%lld s", t);
}

static void print_features(const json_t *features)
{
	const char *key;
	char buf[64];
	json_t *v;

	json_object_foreach((json_t *)features, key, v)
		printf("  %-20s %s\n", key, out_text(v, buf, sizeof(buf)));
}

static int info_run(struct cli *c)
{
	static const char *const lines[][2] = {
		{"version", "Version"},	      {"instance", "Instance"},
		{"pid", "Process"},	      {"uid", "User id"},
		{"runtime_dir", "Sockets in"}, {"state_dir", "State in"},
		{"networks", "Networks"},     {"nics", "NICs"},
	};
	char buf[64];
	json_t *info;
	int r = cli_call(c, "daemon.info", json_object(), &info);

	if (r)
		return r;
	if (!cli_json(c, info)) {
		for (size_t i = 0; i < ARRAY_LEN(lines); i++)
			printf("%-12s %s\n", lines[i][1],
			       out_text(json_object_get(info, lines[i][0]), buf,
					sizeof(buf)));
		uptime(json_integer_value(json_object_get(info, "uptime_s")),
		       buf);
		printf("%-12s %s\n", "Running for", buf);
		if (json_object_size(json_object_get(info, "features"))) {
			printf("Features\n");
			print_features(json_object_get(info, "features"));
		}
	}
	json_decref(info);
	return CLI_OK;
}

const struct cli_cmd cmd_info[] = {
	{"info", "is vnetd there, and what can it do", {NULL},
	 "Which vnetd answers, for whom it runs, and what works here.\n\n"
	 "Examples:\n"
	 "  vnet info\n"
	 "  VNET_SOCKET=/run/vnet/vnetd.sock vnet info\n"
	 "      the system's, not your own\n",
	 info_run},
	{NULL},
};
