/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What moves many small frames is bound by how cache lines travel between the guest's
 * processor and ours: a small frame is copied without a call, and lines that need not be
 * written are not. */
#ifndef VNET_SWITCH_VHOST_COPY_H
#define VNET_SWITCH_VHOST_COPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "switch/offload.h"

/*
 * Does the header at @p end with its cache line, so that nothing else we write lies there?
 * DPDK's guests keep it so. A line that is only ever read stays with both processors; one
 * that is written has to come over, and go back, for each frame.
 */
static inline bool vhost_hdr_apart(const uint8_t *p)
{
	return !(((uintptr_t)p + VNET_HDR_LEN) % 64);
}

/* As memcpy(). The last pieces overlap those before them. */
static inline void vhost_copy(uint8_t *dst, const uint8_t *src, size_t n)
{
	if (n - 32 > 96) { /* fewer than 32, or more than 128 */
		memcpy(dst, src, n);
		return;
	}
	if (n > 64) {
		memcpy(dst, src, 32);
		memcpy(dst + 32, src + 32, 32);
	}
	if (n > 96)
		memcpy(dst + 64, src + 64, 32);
	else if (n <= 64)
		memcpy(dst, src, 32);
	memcpy(dst + n - 32, src + n - 32, 32);
}

#endif
