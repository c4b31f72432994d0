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

/* Built with AddressSanitizer? Its runtime needs a little more of the system. */
#if defined(__SANITIZE_ADDRESS__)
#define COMPAT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COMPAT_SANITIZED 1
#endif
#endif
#ifndef COMPAT_SANITIZED
#define COMPAT_SANITIZED 0
#endif

/* Memory that nobody may touch until it is unpoisoned; for AddressSanitizer only. */
#if COMPAT_SANITIZED
#include <sanitizer/asan_interface.h>
static inline void compat_poison(const void *p, size_t n)
{
	ASAN_POISON_MEMORY_REGION(p, n);
}

static inline void compat_unpoison(const void *p, size_t n)
{
	ASAN_UNPOISON_MEMORY_REGION(p, n);
}
#else
static inline void compat_poison(const void *p, size_t n)
{
	(void)p;
	(void)n;
}

static inline void compat_unpoison(const void *p, size_t n)
{
	(void)p;
	(void)n;
}
#endif

/* A pointer of which clang's analyzer may assume nothing. It does not understand
 * that taking a node off a list changes the list's head, and would see each walk
 * after a free() meet the freed node again. */
#ifdef __clang_analyzer__
void *compat_unknown(const void *p);
#else
#define compat_unknown(p) (p)
#endif

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* What is rarely needed, kept out of the function that is needed all the time. */
#define NOINLINE __attribute__((noinline))

/* Where the compiler, asked politely, decides otherwise to the hot path's harm. */
#define ALWAYS_INLINE __attribute__((always_inline)) inline

static inline size_t min_sz(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t max_sz(size_t a, size_t b)
{
	return a > b ? a : b;
}

#endif
