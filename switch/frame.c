// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a frame's bytes without caring where its segments end. See frame.h. */
#include "switch/frame.h"

#include <string.h>

#include "lib/compat.h"

size_t frame_copy(const struct frame *f, size_t offset, void *dst, size_t cap)
{
	uint8_t *out = dst;
	size_t done = 0;

	for (unsigned int i = 0; i < f->nseg && done < cap; i++) {
		const struct iovec *v = &f->seg[i];
		size_t n;

		if (offset >= v->iov_len) {
			offset -= v->iov_len;
			continue;
		}
		n = min_sz(v->iov_len - offset, cap - done);
		memcpy(out + done, (const uint8_t *)v->iov_base + offset, n);
		done += n;
		offset = 0;
	}
	return done;
}
