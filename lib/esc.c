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

/* Length of the UTF-8 character at @p (RFC 3629 section 4), 0 when there is none.
 * The terminating NUL is no continuation byte, so nothing behind it is read. */
static size_t utf8_len(const uint8_t *p)
{
	uint8_t lo = 0x80, hi = 0xbf; /* limits of the second byte */
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		lo = 0xa0; /* shorter forms exist */
	else if (p[0] == 0xed)
		hi = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f; /* above U+10FFFF */
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

char *esc_utf8(char *s)
{
	for (size_t i = 0; s[i];) {
		size_t n = utf8_len((const uint8_t *)s + i);

		if (!n)
			s[i] = '?';
		i += n ? n : 1;
	}
	return s;
}
