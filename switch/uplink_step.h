/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One step of a plan, done. Between uplink*.c only. */
#ifndef VNET_SWITCH_UPLINK_STEP_H
#define VNET_SWITCH_UPLINK_STEP_H

#include "switch/uplink_int.h"

/** struct uplink_run - A plan being carried out */
struct uplink_run {
	struct link_nl *nl;
	const struct up_saved *was;
	int uplink, bridge; /* indices as of now; 0 = not there */
	int tap_fd;	    /* of UP_TAP_ADD; -1 = none */
};

/* Do it. In giving back, what is gone already is no failure. */
int uplink_step(struct uplink_run *run, const struct up_step *st,
		struct errtext *why);

/* Are the names of bridge and TAP free? What a crash left of ours is cleared away. */
int uplink_step_names_free(struct uplink_run *run, struct errtext *why);

#endif
