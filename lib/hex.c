// SPDX-License-Identifier: GPL-2.0-or-later
/* See hex.h. */
#include "lib/hex.h"

#include <errno.h>
#include <string.h>

void hex_encode(const void *p, size_t len, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *b = p;

	for (size_t i = 0; i < len; i++) {
		*out++ = digit[b[i] >> 4];
		*out++ = digit[b[i] & 15];
	}
	*out = '\0';
}

static int value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *s, void *out, size_t cap, size_t *len)
{
	size_t n = strlen(s);
	uint8_t *b = out;

	if (n % 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (value(s[i]) < 0)
			return -EINVAL;
	if (n / 2 > cap)
		return -E2BIG;
	for (size_t i = 0; i < n; i += 2)
		*b++ = (uint8_t)(value(s[i]) << 4 | value(s[i + 1]));
	*len = n / 2;
	return 0;
}
