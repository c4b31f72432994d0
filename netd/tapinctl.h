/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridged networks that leave the host's interface as it is: opening and closing their
 * port (switch/tapin.h), and noticing that the interface has become another. */
#ifndef VNET_NETD_TAPINCTL_H
#define VNET_NETD_TAPINCTL_H

#include <jansson.h>

#include "lib/errtext.h"
#include "netd/model.h"

#define TAPINCTL_TEXT 600

/* What tapinctl_has_copies() means. */
#define TAPINCTL_COPIES                                                      \
	"the host forwards packets: of what comes for guests it has a copy, and " \
	"sends that on as well (guests do not get it), tells the sender of a "  \
	"better way, or refuses it"

/* Return: 0, also when it is open; -ENODEV no interface; -EBUSY another network has taken
 * it in; … with @why. */
int tapinctl_open(struct network *n, struct errtext *why);

/* After its port_fd: what else there is. */
void tapinctl_close(struct network *n);

/* Has the interface gone, come back as another, or got another MAC address? */
bool tapinctl_is_stale(const struct network *n);

/* Is it a Wi-Fi card, which sends with one MAC only? @root: "" but in tests: what stands
 * before /sys. */
bool tapinctl_is_wireless(const char *root, const char *ifname);

/* Do guests share the uplink's MAC while the host forwards packets? And the commands
 * that help; returns @out. */
bool tapinctl_has_copies(const struct network *n);
char *tapinctl_fix(const struct network *n, char out[TAPINCTL_TEXT]);

/* Both in a sentence; "" when it does not. Returns @out. */
char *tapinctl_note(const struct network *n, char out[TAPINCTL_TEXT]);

/* Append the steps that would be taken now; @all: as if it were not open. */
int tapinctl_plan(const struct network *n, bool all, json_t *steps);

/* A network that stands beside @n's uplink; NULL: none. */
const struct network *tapinctl_other(const struct network *n);

#endif
