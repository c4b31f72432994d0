// SPDX-License-Identifier: GPL-2.0-or-later
/* When it does not work. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/out.h"

/* What is wrong first, then what is not known. */
static const char *const order[] = {"problem", "unknown", "note", "ok"};

static void put_line(const char *head, const char *text)
{
	char *safe = out_escape(text);

	printf("%s%s\n", head, safe);
	free(safe);
}

static void put_rule(const json_t *rule)
{
	json_t *handle = json_object_get(rule, "handle");

	if (!json_is_object(rule))
		return;
	printf("         see: nft -a list chain %s %s %s", cli_str(rule, "family"),
	       cli_str(rule, "table"), cli_str(rule, "chain"));
	if (json_is_integer(handle))
		printf("   # handle %lld",
		       (long long)json_integer_value(handle));
	putchar('\n');
}

static void put_finding(const json_t *f, const char *level)
{
	const char *network = cli_str(f, "network");
	const char *command = cli_str(f, "command");
	char head[96];

	snprintf(head, sizeof(head), "%-8s %s%s", level, network,
		 *network ? ": " : "");
	put_line(head, cli_str(f, "text"));
	put_rule(json_object_get(f, "rule"));
	if (*command)
		put_line(!strcmp(level, "problem") ? "         do:  "
						   : "         try: ",
			 command);
}

static size_t put_level(const json_t *findings, const char *level)
{
	size_t i, n = 0;
	json_t *f;

	json_array_foreach(findings, i, f)
		if (!strcmp(cli_str(f, "level"), level)) {
			put_finding(f, level);
			n++;
		}
	return n;
}

static size_t count_problems(const json_t *findings)
{
	size_t i, n = 0;
	json_t *f;

	json_array_foreach(findings, i, f)
		n += !strcmp(cli_str(f, "level"), "problem");
	return n;
}

static int doctor_run(struct cli *c)
{
	const json_t *findings;
	size_t problems;
	json_t *res;
	int r = cli_call(c, "daemon.doctor", cli_net_param(c), &res);

	if (r)
		return r;
	findings = json_object_get(res, "findings");
	problems = count_problems(findings);
	if (!cli_json(c, res)) {
		for (size_t i = 0; i < ARRAY_LEN(order); i++)
			put_level(findings, order[i]);
		if (!problems)
			puts("Nothing is wrong that can be seen from here.");
	}
	json_decref(res);
	return problems ? CLI_REFUSED : CLI_OK;
}

const struct cli_cmd cmd_doctor[] = {
	{"doctor", "find out why a network does not work", {"[NET]", NULL, NULL},
	 "Looks at the host, and at one network or all: devices, limits, name "
	 "servers, failed\n"
	 "NICs and forwards, and what the packet filters of other programs "
	 "(Docker, firewalld,\n"
	 "ufw, …) do with packets the network lives on. For a rule that drops "
	 "them it prints\n"
	 "where it is and the command that lets them through; nothing is "
	 "changed. Exit status\n"
	 "1 if something is wrong.\n"
	 "\n"
	 "Examples:\n"
	 "  vnet doctor\n"
	 "  vnet doctor lab\n",
	 doctor_run},
	{NULL},
};
