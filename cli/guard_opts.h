/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options on what a guest may say and how much: of networks, and of NICs. */
#ifndef VNET_CLI_GUARD_OPTS_H
#define VNET_CLI_GUARD_OPTS_H

#include "cli/cli.h"

#define GUARD_NET_OPTS                                                        \
	{"guard", "off|mac|ip",                                              \
	 "VMs keep to their MAC, or IPs too; default off",              \
	 OPT_CHOICE},                                                         \
		{"isolated", "on|off",                                       \
		 "VMs do not reach each other; default off", OPT_CHOICE},     \
	{                                                                     \
		"storm", "N",                                                 \
			"broadcasts a second that a VM may send; 0: any",     \
			OPT_INT, false, 0, 1000000                            \
	}

#define GUARD_NIC_OPTS                                                        \
	{"guard", "off|mac|ip|network",                                      \
	 "it sends from its own MAC, or MAC and addresses", OPT_CHOICE},      \
		{"ip", "ADDR,PREFIX,…|none",                                 \
		 "that are its own, too (guard ip)"},                         \
		{"isolated", "on|off|network", "it reaches no other VM",     \
		 OPT_CHOICE},                                                 \
		{"storm", "N|network",                                       \
		 "broadcasts a second that it may send; 0: any"},             \
		{"rate-in", "RATE|off",                                      \
		 "bits a second to the VM, like 100M"},                       \
	{                                                                     \
		"rate-out", "RATE|off", "bits a second from it"               \
	}

/* What was given of them, into @params. CLI_OK or CLI_USAGE. */
int guard_net_params(const struct cli *c, json_t *params);
int guard_nic_params(const struct cli *c, json_t *params);

/* "10M" as kbit/s; -EINVAL for anything but digits and k, M or G (or "off"). */
int guard_rate_parse(const char *s, long *kbit);

#endif
