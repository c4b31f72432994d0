/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes as hexadecimal digits, for bytes that must travel in text. */
#ifndef VNET_LIB_HEX_H
#define VNET_LIB_HEX_H

#include <stddef.h>
#include <stdint.h>

/* @out: 2 * @len digits (lower case) and the terminator. */
void hex_encode(const void *p, size_t len, char *out);

/**
 * hex_decode() - Digits of either case to bytes
 * @len: set to how many
 *
 * Return: 0; -EINVAL: an odd number of digits, or something else among them;
 * -E2BIG: more than @cap bytes.
 */
int hex_decode(const char *s, void *out, size_t cap, size_t *len);

#endif
