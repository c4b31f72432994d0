/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts, put together from the command tables. */
#ifndef VNET_CLI_HELP_H
#define VNET_CLI_HELP_H

#include <stdio.h>

#include "cli/cli.h"

/* A heading and the table under it; an empty one goes on with the heading before,
 * a zero one ends the list. */
struct help_section {
	const char *title;
	const struct cli_cmd *cmds;
};

/* All commands, a line each, and first steps. */
void help_overview(FILE *f, const struct help_section *sections,
		   const struct opt *globals);

/* One command in full. */
void help_command(FILE *f, const struct cli_cmd *cmd,
		  const struct opt *globals);

/* "usage: vnet define NAME …". */
void help_usage(FILE *f, const struct cli_cmd *cmd);

#endif
