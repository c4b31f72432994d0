/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnet-bridge-helper: what QEMU starts for `-netdev bridge,helper=…` and libvirt for
 * session VMs, to get a TAP on a bridge. It needs no privilege and no list of who may
 * what: it asks vnetd for a transient NIC, with the rights of whoever runs it.
 *
 * Protocol, as of QEMU's net/tap.c and docs: started with --br=NAME --fd=N [--use-vnet]
 * in any order; one byte and the TAP's descriptor (SCM_RIGHTS) go to the unix socket
 * N, which is inherited; exit status 0, or a sentence on standard error and 1.
 */
#ifndef VNET_CLI_BRIDGE_HELPER_H
#define VNET_CLI_BRIDGE_HELPER_H

#include <stdbool.h>

#include "cli/run_plan.h"

/** struct bridge_args - Its command line; texts are borrowed from there */
struct bridge_args {
	const char *br;	    /* a network, or its bridge */
	const char *vm;	    /* NULL: as QEMU calls it */
	const char *mac;    /* likewise */
	const char *socket; /* vnetd's; NULL: the usual places */
	int fd;
	bool vnet_hdr;
	bool help, version;
};

/* -EINVAL with @why. */
int bridge_args_parse(int argc, char **argv, struct bridge_args *out,
		      struct errtext *why);

int bridge_helper_main(int argc, char **argv);

#endif
