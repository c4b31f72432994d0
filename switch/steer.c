// SPDX-License-Identifier: GPL-2.0-or-later
/* What flow a frame belongs to. See steer.h. */
#include "switch/steer.h"

#include "switch/hdrs.h"

uint32_t steer_frame(const uint8_t *p, size_t len)
{
	uint16_t src = 0, dst = 0;
	unsigned int words;
	const uint8_t *a;
	struct hdrs h;

	if (!hdrs_l2(p, len, &h) || !hdrs_l3(p, len, &h) || h.frag)
		return 0;
	if (h.proto == 6 || h.proto == 17) {
		if (h.l4 + 4u > len)
			return 0;
		src = get_be16(p + h.l4);
		dst = get_be16(p + h.l4 + 2);
	}
	words = h.ip == 4 ? 1 : 4;
	a = p + h.l3 + (h.ip == 4 ? 12 : 8);
	return steer_ends(steer_end(a, words, src),
			  steer_end(a + 4 * (size_t)words, words, dst));
}
