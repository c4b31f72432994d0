/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes text from guests and peers safe to print: control characters, bytes
 * above 0x7e and the backslash become \xNN.
 */
#ifndef VNET_LIB_ESC_H
#define VNET_LIB_ESC_H

#include <stddef.h>

/* Escape @len bytes into @out (always terminated; cut to fit). Returns @out. */
char *esc(const void *p, size_t len, char *out, size_t cap);

/* Make @s valid UTF-8 (RFC 3629) in place: each byte that is no part of a
 * character becomes '?'. Returns @s. */
char *esc_utf8(char *s);

#endif
