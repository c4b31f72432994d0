// SPDX-License-Identifier: GPL-2.0-or-later
/* See tftp_msg.h. */
#include "dhcp/tftp_msg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The next string up to its NUL; NULL when there is none. */
static const char *text(struct cur *c)
{
	const void *end = c->left ? memchr(c->p, 0, c->left) : NULL;

	if (!end)
		return NULL;
	return (const char *)cur_bytes(
		c, (size_t)((const uint8_t *)end - c->p) + 1);
}

/* Decimal digits only, at most @max; 0 for anything else. */
static uint32_t number(const char *s, uint32_t max)
{
	uint32_t v = 0;

	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return 0;
		v = v * 10 + (uint32_t)(*s - '0');
		if (v > max)
			return 0;
	}
	return v;
}

/* An option counts once, the first time (RFC 2347: it may come only once). */
static void option(struct tftp_request *r, const char *name, const char *value)
{
	uint32_t v;

	if (!strcasecmp(name, "blksize") && !r->blksize) {
		v = number(value, 65464);
		r->blksize = v < TFTP_BLOCK_MIN ? 0 : (uint16_t)v;
	} else if (!strcasecmp(name, "timeout") && !r->timeout_s) {
		r->timeout_s = (uint8_t)number(value, 255);
	} else if (!strcasecmp(name, "windowsize") && !r->windowsize) {
		r->windowsize = (uint16_t)number(value, 65535);
	} else if (!strcasecmp(name, "tsize")) {
		r->tsize = true;
	}
}

static int mode(struct tftp_request *r, const char *s)
{
	r->netascii = !strcasecmp(s, "netascii");
	r->mail = !strcasecmp(s, "mail");
	return r->netascii || r->mail || !strcasecmp(s, "octet") ? 0 : -EINVAL;
}

int tftp_request_parse(struct cur *c, enum tftp_op op,
		       struct tftp_request *out)
{
	struct tftp_request r = {.op = op};
	const char *name = text(c), *m = name ? text(c) : NULL;

	if (!m || !name[0] || strlen(name) > TFTP_NAME_MAX || mode(&r, m))
		return -EINVAL;
	memcpy(r.name, name, strlen(name) + 1);
	for (int i = 0; i < TFTP_OPTIONS_MAX; i++) {
		const char *o = text(c), *v = o ? text(c) : NULL;

		if (!v)
			break;
		option(&r, o, v);
	}
	*out = r;
	return 0;
}

void tftp_error_write(struct wbuf *w, enum tftp_error code, const char *text)
{
	wbuf_be16(w, TFTP_ERROR);
	wbuf_be16(w, (uint16_t)code);
	wbuf_copy(w, text, strlen(text) + 1);
}

void tftp_oack_begin(struct wbuf *w)
{
	wbuf_be16(w, TFTP_OACK);
}

void tftp_oack_add(struct wbuf *w, const char *name, uint64_t value)
{
	char v[24];

	snprintf(v, sizeof(v), "%llu", (unsigned long long)value);
	wbuf_copy(w, name, strlen(name) + 1);
	wbuf_copy(w, v, strlen(v) + 1);
}
