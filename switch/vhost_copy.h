/* SPDX-License-Identifier: GPL-2.0-or-later */
/* To copy a small frame without a call: most that are many are small. */
#ifndef VNET_SWITCH_VHOST_COPY_H
#define VNET_SWITCH_VHOST_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
