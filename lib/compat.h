/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only place for #ifdef: names that older C libraries or kernel headers
 * lack. Whether the running kernel has a feature is found out at run time.
 */
#ifndef VNET_LIB_COMPAT_H
#define VNET_LIB_COMPAT_H

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object of type @type whose member @member is at @ptr. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

static inline size_t min_sz(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t max_sz(size_t a, size_t b)
{
	return a > b ? a : b;
}

#endif
