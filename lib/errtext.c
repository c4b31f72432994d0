// SPDX-License-Identifier: GPL-2.0-or-later
/* Error sentences. See errtext.h. */
#include "lib/errtext.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int errtext_set(struct errtext *why, int err, const char *fmt, ...)
{
	va_list ap;

	if (!why)
		return err;
	va_start(ap, fmt);
	vsnprintf(why->s, sizeof(why->s), fmt, ap);
	va_end(ap);
	return err;
}

int errtext_prefix(struct errtext *why, int err, const char *fmt, ...)
{
	char old[sizeof(((struct errtext *)0)->s)];
	va_list ap;
	size_t n;

	if (!why)
		return err;
	memcpy(old, why->s, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(why->s, sizeof(why->s), fmt, ap);
	va_end(ap);
	n = strlen(why->s);
	snprintf(why->s + n, sizeof(why->s) - n, ": %s",
		 old[0] ? old : strerror(-err));
	return err;
}
