// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of commands, and what comes before and after one runs. The commands
 * themselves are in cmd_*.c, calls to vnetd in conn.c.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/out.h"
#include "lib/fdutil.h"
#include "lib/version.h"

static const struct opt globals[] = {
	{"json", NULL, "print JSON for programs (keys as in the API)"},
	{"socket", "PATH", "vnetd's socket (else $VNET_SOCKET, else the usual "
			   "places)"},
	{"help", NULL, "this text (-h)"},
	{"version", NULL, "the version (-V)"},
	{NULL},
};

/* An empty title goes on with the section before. */
static const struct help_section sections[] = {
	{"Networks", cmd_network},
	{"", cmd_show},
	{"VMs", cmd_run},
	{"", cmd_nic},
	{"", cmd_ip},
	{"Details of a network", cmd_forward},
	{"", cmd_flow},
	{"", cmd_lease},
	{"", cmd_option},
	{"", cmd_dns},
	{"The daemon", cmd_events},
	{"", cmd_info},
	{"", cmd_doctor},
	{NULL},
};

/* What people call our commands elsewhere. */
static const struct {
	const char *theirs, *ours;
} habits[] = {
	{"create", "define"},	  {"add", "define"},
	{"new", "define"},	  {"net-define", "define"},
	{"delete", "undefine"},	  {"del", "undefine"},
	{"remove", "undefine"},	  {"rm", "undefine"},
	{"destroy", "stop"},	  {"net-start", "start"},
	{"up", "start"},	  {"down", "stop"},
	{"ls", "list"},		  {"ps", "list"},
	{"net-list", "list"},	  {"status", "list"},
	{"inspect", "show"},	  {"info-network", "show"},
	{"net-info", "show"},	  {"domifaddr", "ip"},
	{"addr", "ip"},		  {"address", "ip"},
	{"attach-interface", "attach"},
	{"connect", "attach"},	  {"plug", "attach"},
	{"detach-interface", "detach"},
	{"disconnect", "detach"}, {"domif-setlink", "link"},
	{"exec", "run"},	  {"leases", "lease list"},
	{"dhcp-leases", "lease list"},
	{"net-dhcp-leases", "lease list"},
	{"forwards", "forward list"},
	{"port-forward", "forward add"},
	{"publish", "forward add"},
	{"check", "doctor"},	  {"diagnose", "doctor"},
	{"monitor", "events"},	  {"watch", "events"},
};

/* ---- finding a command ---------------------------------------------------- */

static const struct cli_cmd *find(const char *name)
{
	for (const struct help_section *s = sections; s->title; s++)
		for (const struct cli_cmd *c = s->cmds; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}

/* Print "forward add", "forward del"… for a word that begins several commands;
 * with a NULL @f only tell whether there are such. */
static bool print_group(FILE *f, const char *word)
{
	size_t len = strlen(word);
	bool any = false;

	for (const struct help_section *s = sections; s->title; s++) {
		for (const struct cli_cmd *c = s->cmds; c->name; c++) {
			if (strncmp(c->name, word, len) || c->name[len] != ' ')
				continue;
			any = true;
			if (f)
				fprintf(f, "  vnet %-14s  %s\n", c->name,
					c->summary);
		}
	}
	return any;
}

struct walk {
	const struct help_section *section;
	const struct cli_cmd *cmd;
	size_t habit;
};

/* Our names, then theirs. */
static const char *next_name(void *arg)
{
	struct walk *w = arg;

	while (w->section->title) {
		if (w->cmd->name)
			return w->cmd++->name;
		w->section++;
		w->cmd = w->section->cmds;
	}
	return w->habit < ARRAY_LEN(habits) ? habits[w->habit++].theirs : NULL;
}

static const char *suggest(const char *word)
{
	struct walk w = {sections, sections[0].cmds, 0};
	const char *near = args_nearest(word, next_name, &w);

	for (size_t i = 0; near && i < ARRAY_LEN(habits); i++)
		if (!strcmp(habits[i].theirs, near))
			return habits[i].ours;
	return near;
}

static int unknown_command(const char *word, const char *second)
{
	const char *near = suggest(word), *pair;
	char both[64];

	if (print_group(NULL, word)) {
		fprintf(stderr, "vnet: %s%s%s: it is one of these\n", word,
			second ? " " : "", second ? second : "");
		print_group(stderr, word);
		return CLI_USAGE;
	}
	snprintf(both, sizeof(both), "%s %s", word, second ? second : "");
	pair = suggest(both);
	if (pair && strchr(pair, ' '))
		near = pair;
	cli_refuse("there is no command \"%s\"%s%s%s", word,
		   near ? "; did you mean vnet " : "", near ? near : "",
		   near ? "?" : "");
	fputs("`vnet help` lists the commands.\n", stderr);
	return CLI_USAGE;
}

/**
 * find_command() - The command that @argv begins with
 * @used: how many words its name has
 *
 * NULL with *@used = 0 when there is none.
 */
static const struct cli_cmd *find_command(int argc, char **argv, int *used)
{
	const struct cli_cmd *c = NULL;
	char both[64];

	*used = 0;
	if (argc >= 2) {
		snprintf(both, sizeof(both), "%s %s", argv[0], argv[1]);
		c = find(both);
		*used = 2;
	}
	if (!c && argc >= 1) {
		c = find(argv[0]);
		*used = 1;
	}
	return c;
}

/* ---- help and version ----------------------------------------------------- */

static int help_for(int argc, char **argv)
{
	const struct cli_cmd *c;
	int used;

	if (!argc) {
		help_overview(stdout, sections, globals);
		return CLI_OK;
	}
	c = find_command(argc, argv, &used);
	if (c) {
		help_command(stdout, c, globals);
		return CLI_OK;
	}
	if (argc == 1 && print_group(stdout, argv[0]))
		return CLI_OK;
	return unknown_command(argv[0], argc > 1 ? argv[1] : NULL);
}

static int version(bool json)
{
	if (json)
		printf("{\"version\": \"%s\"}\n", VNET_VERSION);
	else
		printf("vnet %s\n", VNET_VERSION);
	return CLI_OK;
}

/* ---- running -------------------------------------------------------------- */

static int run_command(struct cli *c)
{
	struct errtext why;
	int r;

	if (args_flag(&c->args, "help")) {
		help_command(stdout, c->cmd, globals);
		return CLI_OK;
	}
	if (args_flag(&c->args, "version"))
		return version(c->json);
	if (args_check(&c->args, &why))
		return cli_usage(c, "%s", why.s);
	r = c->cmd->run(c);
	rpc_client_free(c->rpc);
	c->rpc = NULL;
	return r;
}

/* Options before the command's name: the globals. Returns how many words they
 * are, or -1 when there is something wrong (printed). */
static int leading_options(int argc, char **argv, struct args *a)
{
	static const struct arg_spec none = {0};
	struct errtext why;
	int n = 0;

	while (n < argc && argv[n][0] == '-') {
		bool value = !strcmp(argv[n], "--socket");

		n += 1 + (value && n + 1 < argc);
	}
	if (!args_parse(a, &none, globals, n, argv, &why))
		return n;
	cli_refuse("%s", why.s);
	fputs("`vnet help` lists commands and options.\n", stderr);
	return -1;
}

/* Did all we wrote arrive? A full disk must not look like success. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("vnet: standard output");
	return status == CLI_OK ? CLI_REFUSED : status;
}

static int dispatch(int argc, char **argv, const struct args *lead)
{
	struct cli c = {.json = args_flag(lead, "json")};
	const char *path = args_get(lead, "socket");
	struct errtext why;
	int used;

	if (argc && !strcmp(argv[0], "help"))
		return help_for(argc - 1, argv + 1);
	c.cmd = find_command(argc, argv, &used);
	if (!c.cmd && argc > 1 && (!strcmp(argv[1], "--help") ||
				   !strcmp(argv[1], "-h")))
		return help_for(1, argv);
	if (!c.cmd)
		return unknown_command(argv[0], argc > 1 && argv[1][0] != '-'
							? argv[1] : NULL);
	if (args_parse(&c.args, &c.cmd->spec, globals, argc - used,
		       argv + used, &why))
		return cli_usage(&c, "%s", why.s);
	if (args_get(&c.args, "socket"))
		path = args_get(&c.args, "socket");
	c.json |= args_flag(&c.args, "json");
	c.color = !c.json && out_want_color(stdout);
	cli_find_socket(path, c.socket, sizeof(c.socket));
	return run_command(&c);
}

int cli_main(int argc, char **argv)
{
	struct args lead;
	int n;

	if (fd_fill_std())
		return CLI_REFUSED;
	n = leading_options(argc - 1, argv + 1, &lead);
	if (n < 0)
		return CLI_USAGE;
	argc -= n + 1;
	argv += n + 1;
	if (args_flag(&lead, "version"))
		return finish(version(args_flag(&lead, "json")));
	if (args_flag(&lead, "help"))
		return finish(help_for(argc, argv));
	if (!argc) {
		help_overview(stderr, sections, globals);
		return CLI_USAGE;
	}
	return finish(dispatch(argc, argv, &lead));
}
