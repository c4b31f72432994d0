/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every command of vnet shares: its table entry, the connection to vnetd,
 * and how answers and refusals are shown.
 */
#ifndef VNET_CLI_CLI_H
#define VNET_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/args.h"
#include "lib/rpc_client.h"

/* Exit statuses; part of the interface. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     /* vnetd (or the system) said no */
	CLI_USAGE = 2,	     /* the command line is wrong; nothing was asked */
	CLI_UNREACHABLE = 3, /* no vnetd to talk to, or it went away */
};

struct cli_cmd;

/** struct cli - One run of the command */
struct cli {
	const struct cli_cmd *cmd;
	struct args args;
	bool json;
	bool color;
	char socket[512]; /* path of vnetd's socket */
	struct rpc_client *rpc; /* NULL until the first call */
};

/** struct cli_cmd - One command; tables end with a zero name */
struct cli_cmd {
	const char *name;    /* "define", "forward add" */
	const char *summary; /* one line, no full stop */
	struct arg_spec spec;
	const char *help; /* paragraphs and examples, each line ended */
	/* Returns an exit status; errors have been printed. */
	int (*run)(struct cli *c);
};

/* One table a file. */
extern const struct cli_cmd cmd_network[], cmd_show[], cmd_nic[], cmd_ip[],
	cmd_run[], cmd_forward[], cmd_flow[], cmd_lease[], cmd_option[], cmd_dns[],
	cmd_events[], cmd_info[], cmd_doctor[];

/* Parse, dispatch, clean up. Returns the exit status. */
int cli_main(int argc, char **argv);

/* ---- for the commands ----------------------------------------------------- */

/* "vnet: define: …" to standard error, then the usage line and how to get help;
 * returns CLI_USAGE. */
int cli_usage(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "vnet: …" to standard error, control characters escaped; returns CLI_REFUSED. */
int cli_refuse(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Where vnetd's socket is looked for: --socket, $VNET_SOCKET, the system's for
 * root, else the user's if it exists, else the system's. */
void cli_find_socket(const char *option, char *out, size_t cap);

/* Connect if there is no connection yet. CLI_OK or CLI_UNREACHABLE (printed). */
int cli_connect(struct cli *c);

/**
 * cli_call() - Ask vnetd, connecting first if need be
 * @params: stolen; may be NULL
 * @result: new reference
 *
 * Return: CLI_OK; CLI_REFUSED or CLI_UNREACHABLE with the sentence printed.
 */
int cli_call(struct cli *c, const char *method, json_t *params,
	     json_t **result);

/* The same, but a refusal is not printed: its code is stored and the sentence
 * kept in @why. */
int cli_try(struct cli *c, const char *method, json_t *params, json_t **result,
	    int *code, struct errtext *why);

/* The same with a descriptor (borrowed; -1 = none), which @params then names as
 * "fd". */
int cli_call_fd(struct cli *c, const char *method, json_t *params, int fd,
		json_t **result);
int cli_try_fd(struct cli *c, const char *method, json_t *params, int fd,
	       json_t **result, int *code, struct errtext *why);

/* Copy an option that was given into @params; dashes in the name become
 * underscores; numbers become numbers. */
void cli_param(const struct cli *c, json_t *params, const char *option);

/* With --json print @result and return true. */
bool cli_json(const struct cli *c, const json_t *result);

/**
 * cli_list() - All of a kind, or those of the network that was named
 * @method: answers with an array in member @key
 * @table: prints it for people
 *
 * What `list` of most commands is. Return: as cli_call().
 */
int cli_list(struct cli *c, const char *method, const char *key,
	     void (*table)(const json_t *rows));

/* {"network": the command's first argument}, or {} without one; a new reference. */
json_t *cli_net_param(const struct cli *c);

/* A member's text; "" when it is absent or no string. */
const char *cli_str(const json_t *o, const char *key);

#endif
