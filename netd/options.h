/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vnetd's command line and the folders that follow from it. */
#ifndef VNET_NETD_OPTIONS_H
#define VNET_NETD_OPTIONS_H

#include <limits.h>
#include <stdbool.h>

#include "lib/errtext.h"
#include "lib/log.h"

enum options_action { OPT_RUN, OPT_WORKER, OPT_PRINT_API, OPT_VERSION, OPT_HELP };

struct options {
	enum options_action action;
	enum log_level log_level;
	bool full; /* the store waits for the disk */
	char run_dir[PATH_MAX];	  /* absolute */
	char state_dir[PATH_MAX]; /* absolute */
	char hosts_file[PATH_MAX]; /* absolute; "" = none */
	char *network;		  /* OPT_WORKER; points into argv */
	bool isolated;		  /* OPT_WORKER */
};

/**
 * options_parse() - From argv and the environment
 * @root: defaults of the system instance
 *
 * Return: 0; -EINVAL with @why for a usage error.
 */
int options_parse(int argc, char **argv, bool root, struct options *out,
		  struct errtext *why);

extern const char options_help[];

#endif
