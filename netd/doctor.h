/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `vnet doctor`: what keeps networks from working, found by looking at the host. Nothing is
 * changed. A finding says what is wrong, where, and, if there is one, the command that
 * cures it.
 *
 *   doctor.c     the host and the model: devices, limits, store, resolvers, failed objects
 *   doctor_run.c the process that does what doctor_fw.c is for, and its answer
 *   doctor_fw.c  packet filters of others: packets that networks live on are put to the
 *                host's rulesets (nat/ruleset.h)
 *   doctor_fix.c which command lets such a packet through: of the program that made the
 *                rule, for its own list would come back without it
 */
#ifndef VNET_NETD_DOCTOR_H
#define VNET_NETD_DOCTOR_H

#include <jansson.h>

#include "lib/compat.h"
#include "nat/ruleset.h"
#include "netd/api.h"
#include "netd/ctl.h"

enum doctor_level {
	DOCTOR_OK,	/* looked at, and fine */
	DOCTOR_NOTE,	/* may matter */
	DOCTOR_UNKNOWN, /* could not be looked at, or not be judged */
	DOCTOR_PROBLEM,
};

/**
 * doctor_add() - Append {level, what, network, text, rule, command} to @list
 * @what: kind of the check, one word, for programs
 * @network: nullable
 * @command: nullable
 */
void doctor_add(json_t *list, enum doctor_level level, const char *what,
		const char *network, const char *command, const char *fmt, ...)
	PRINTF_LIKE(6, 7);

/* All checks; @only: one network (and the host), or NULL. */
void doctor_look(struct ctl *ctl, const struct network *only, json_t *list);

/* ---- doctor_run.c ---------------------------------------------------------------------- */

/**
 * doctor_run() - doctor_filters() in a process of its own, then the answer to @c
 * @list: what was found before; taken
 *
 * One at a time: while one is at it @c is told to ask again.
 */
void doctor_run(struct ctl *ctl, struct call *c, const struct network *only,
		json_t *list);

/* vnetd ends: whoever waits is told so. */
void doctor_end(struct ctl *ctl);

/* ---- doctor_fw.c ---------------------------------------------------------------------- */

/**
 * doctor_filters() - Put the packets that networks live on to the host's rulesets
 * @fd: as of priv_rulesets(); borrowed
 * @seal: give up all system calls but a few before the first byte of @fd is looked at
 *
 * Waits for @fd, and takes a second where there are some ten thousand rules: not for the
 * loop's process.
 */
void doctor_filters(struct ctl *ctl, const struct network *only, const int fd[2],
		    bool seal, json_t *list);

/* Of the network in the host: bridge or adapter; "" for none. Returns @out. */
char *doctor_device(const struct network *n, char out[IFNAMSIZ]);

/* What a probed packet is, as far as the cure goes. */
enum doctor_way {
	DOCTOR_ROUTED, /* to or from a network's bridge, through the host */
	DOCTOR_BRIDGED, /* within it */
	DOCTOR_TO_HOST, /* from a network to the host */
	DOCTOR_FROM_HOST,
	DOCTOR_SERVICE, /* from outside to a port of the host */
	DOCTOR_OUTWARD, /* from a program of the host to the outside */
	DOCTOR_INWARD,	/* answers to it */
};

#define DOCTOR_COMMAND 400

/**
 * doctor_fix() - The command that lets the packet through; pure
 * @bridge: the network's device
 * @p: for its protocol and port
 */
char *doctor_fix(const struct ruleset *rs, const struct rs_finding *f,
		 enum doctor_way way, const char *bridge,
		 const struct rs_packet *p, char out[DOCTOR_COMMAND]);

#endif
