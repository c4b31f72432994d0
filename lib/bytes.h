/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only way to touch wire bytes: a reader (struct cur) and a writer (struct
 * wbuf). Both check bounds and are sticky: after an overrun reads give 0, writes
 * do nothing, and cur_ok()/wbuf_ok() is false. Check once, act after.
 * All multi-byte fields are big endian (network order).
 */
#ifndef VNET_LIB_BYTES_H
#define VNET_LIB_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Unaligned big-endian access, for code that has checked its bounds itself. */
static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/** struct cur - Reader over borrowed bytes; valid as long as they are. */
struct cur {
	const uint8_t *p; /* next byte */
	size_t left;	  /* bytes still unread */
	bool bad;	  /* an overrun happened; stays true */
};

static inline struct cur cur_make(const void *p, size_t len)
{
	return (struct cur){.p = p, .left = len, .bad = false};
}

static inline bool cur_ok(const struct cur *c)
{
	return !c->bad;
}

/* Take @n bytes; NULL (and sticky failure) when fewer are left. */
static inline const uint8_t *cur_bytes(struct cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (c->bad || n > c->left) {
		c->bad = true;
		c->left = 0;
		return NULL;
	}
	if (!n) /* NULL + 0 is not C, and empty input may be NULL */
		return p;
	c->p += n;
	c->left -= n;
	return p;
}

static inline void cur_skip(struct cur *c, size_t n)
{
	(void)cur_bytes(c, n);
}

static inline uint8_t cur_u8(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 1);

	return p ? p[0] : 0;
}

static inline uint16_t cur_be16(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 2);

	return p ? get_be16(p) : 0;
}

static inline uint32_t cur_be32(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 4);

	return p ? get_be32(p) : 0;
}

/* Copy @n bytes to @dst; zeroes @dst when they are not there. */
static inline void cur_copy(struct cur *c, void *dst, size_t n)
{
	const uint8_t *p = cur_bytes(c, n);

	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

/* A reader over the next @n bytes, which this reader then has behind it. */
static inline struct cur cur_sub(struct cur *c, size_t n)
{
	const uint8_t *p = cur_bytes(c, n);
	struct cur sub = cur_make(p, c->bad ? 0 : n);

	sub.bad = c->bad; /* not !p: an empty reader may stand on NULL */
	return sub;
}

/** struct wbuf - Writer into the caller's storage. */
struct wbuf {
	uint8_t *p; /* start of the storage */
	size_t len; /* bytes written */
	size_t cap; /* bytes there */
	bool bad;   /* something did not fit; stays true */
};

static inline struct wbuf wbuf_make(void *p, size_t cap)
{
	return (struct wbuf){.p = p, .len = 0, .cap = cap, .bad = false};
}

static inline bool wbuf_ok(const struct wbuf *w)
{
	return !w->bad;
}

/* Room for @n bytes to be filled in by the caller; NULL when it is not there. */
static inline uint8_t *wbuf_take(struct wbuf *w, size_t n)
{
	uint8_t *p;

	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	p = w->len ? w->p + w->len : w->p;
	w->len += n;
	return p;
}

static inline void wbuf_u8(struct wbuf *w, uint8_t v)
{
	uint8_t *p = wbuf_take(w, 1);

	if (p)
		*p = v;
}

static inline void wbuf_be16(struct wbuf *w, uint16_t v)
{
	uint8_t *p = wbuf_take(w, 2);

	if (p)
		put_be16(p, v);
}

static inline void wbuf_be32(struct wbuf *w, uint32_t v)
{
	uint8_t *p = wbuf_take(w, 4);

	if (p)
		put_be32(p, v);
}

static inline void wbuf_copy(struct wbuf *w, const void *src, size_t n)
{
	uint8_t *p = wbuf_take(w, n);

	if (p && n)
		memcpy(p, src, n);
}

static inline void wbuf_fill(struct wbuf *w, uint8_t v, size_t n)
{
	uint8_t *p = wbuf_take(w, n);

	if (p && n)
		memset(p, v, n);
}

#endif
