// SPDX-License-Identifier: GPL-2.0-or-later
/* vnetd: what to be. Everything else is in the archive. */
#include <stdio.h>
#include <unistd.h>

#include "netd/daemon.h"
#include "netd/method.h"
#include "netd/worker.h"

int main(int argc, char **argv)
{
	struct errtext why = {""};
	struct options o;

	if (options_parse(argc, argv, geteuid() == 0, &o, &why)) {
		fprintf(stderr, "vnetd: %s\n", why.s);
		return 1;
	}
	switch (o.action) {
	case OPT_WORKER:
		return worker_main(o.network, o.isolated);
	case OPT_PRINT_API:
		method_print(stdout);
		return 0;
	case OPT_VERSION:
		printf("vnetd %s\n", VNET_VERSION);
		return 0;
	case OPT_HELP:
		fputs(options_help, stdout);
		return 0;
	case OPT_RUN:
		break;
	}
	return daemon_run(&o);
}
