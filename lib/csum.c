// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Internet checksum. See csum.h. One's-complement addition does not care about
 * byte order (RFC 1071 2(B)), so whole native words are summed and swapped once.
 */
#include "lib/csum.h"

#include <endian.h>
#include <string.h>

#include "lib/inet.h"

uint64_t csum_add(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t lo = 0, hi = 0;
	uint16_t folded;

	/* Four 32-bit lanes in two accumulators: the compiler vectorises this. */
	for (; len >= 16; len -= 16, b += 16) {
		uint32_t w[4];

		memcpy(w, b, 16);
		lo += (uint64_t)w[0] + w[1];
		hi += (uint64_t)w[2] + w[3];
	}
	for (; len >= 4; len -= 4, b += 4) {
		uint32_t w;

		memcpy(&w, b, 4);
		lo += w;
	}
	if (len) {
		uint8_t tail[4] = {0};
		uint32_t w;

		memcpy(tail, b, len);
		memcpy(&w, tail, 4);
		lo += w;
	}
	/* Fold each before adding: 64-bit carries must not be lost. */
	folded = csum_fold((uint64_t)csum_fold(lo) + csum_fold(hi));
	return sum + be16toh(folded);
}

uint64_t csum_pseudo6(const struct ipaddr *src, const struct ipaddr *dst,
		      uint8_t proto, uint32_t len)
{
	uint64_t sum = csum_add32(proto, len);

	return csum_add(csum_add(sum, src->b, 16), dst->b, 16);
}

uint64_t csum_add_odd(uint64_t sum, const void *p, size_t len)
{
	uint16_t s = csum_fold(csum_add(0, p, len));

	return sum + (uint16_t)(s << 8 | s >> 8);
}
