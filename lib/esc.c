// SPDX-License-Identifier: GPL-2.0-or-later
/* Escaping of untrusted text. See esc.h. */
#include "lib/esc.h"

#include <stdint.h>

char *esc(const void *p, size_t len, char *out, size_t cap)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *b = p;
	size_t o = 0;

	for (size_t i = 0; i < len; i++) {
		if (b[i] >= 0x20 && b[i] < 0x7f && b[i] != '\\') {
			if (o + 1 >= cap)
				break;
			out[o++] = (char)b[i];
			continue;
		}
		if (o + 4 >= cap)
			break;
		out[o++] = '\\';
		out[o++] = 'x';
		out[o++] = hex[b[i] >> 4];
		out[o++] = hex[b[i] & 15];
	}
	if (cap)
		out[o] = '\0';
	return out;
}
