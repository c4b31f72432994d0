/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growing list of strings: argument vectors for other programs. Without memory
 * the command ends (it has nothing to lose), so no call here fails.
 */
#ifndef VNET_CLI_STRV_H
#define VNET_CLI_STRV_H

#include <stddef.h>

#include "lib/compat.h"

struct strv {
	char **v; /* @n strings, then NULL; NULL itself while empty */
	size_t n;
};

void strv_add(struct strv *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strv_free(struct strv *s);

/* A heap string; ends the command without memory. The caller frees it. */
char *strv_fmt(const char *fmt, ...) PRINTF_LIKE(1, 2);

/**
 * strv_shell() - The arguments as one line that a POSIX shell reads back
 *
 * Words of harmless characters stay bare, so that the line also survives an
 * unquoted $(…); others are put in single quotes. The caller frees the result.
 */
char *strv_shell(const struct strv *s);

#endif
