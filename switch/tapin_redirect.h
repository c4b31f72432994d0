/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ingress program on a device of ours that hands every frame on to another device's
 * ingress, with a mark. For tapin.c; it goes with the device.
 */
#ifndef VNET_SWITCH_TAPIN_REDIRECT_H
#define VNET_SWITCH_TAPIN_REDIRECT_H

#include <stdint.h>

#include "lib/errtext.h"

struct link_nl;

/** struct tapin_redirect - From where to where */
struct tapin_redirect {
	int from, to;	     /* indices of devices */
	uint32_t mark;	     /* of frames to one address */
	uint32_t group_mark; /* of broadcasts and multicasts */
};

/* -EOPNOTSUPP when the kernel lacks something that it takes. */
int tapin_redirect(struct link_nl *nl, const struct tapin_redirect *r,
		   struct errtext *why);

#endif
