/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port for tests: keeps copies of what the switch sends it, and answers from
 * flush when told to.
 */
#ifndef VNET_TESTS_FAKE_PORT_H
#define VNET_TESTS_FAKE_PORT_H

#include "switch/vswitch.h"

#define FAKE_PORT_KEEP 4096

struct fake_frame {
	uint8_t *p;
	uint32_t len;
	uint16_t nseg;
	size_t hdr_len; /* of the first segment */
	struct offload off;
};

struct fake_port {
	struct port port;
	struct fake_frame got[FAKE_PORT_KEEP];
	unsigned int n;	      /* frames in got */
	unsigned int batches; /* tx calls */
	unsigned int flushes;
	unsigned int links;
	bool link;
	bool closed;
	/* If set, flush sends this frame @answers times, one per call. */
	const void *answer;
	size_t answer_len;
	unsigned int answers;
	struct port *ingress; /* vswitch_ingress() during the last tx */
};

/* Put on @sw with these caps; asserts success. */
void fake_port_add(struct fake_port *p, struct vswitch *sw, const char *name,
		   enum port_role role, uint32_t caps);

/* Forget (and free) the frames it got. */
void fake_port_clear(struct fake_port *p);

/* One contiguous frame without offload needs comes in on @p. */
void fake_port_in(struct fake_port *p, const void *bytes, size_t len,
		  int64_t now_ms);

#endif
