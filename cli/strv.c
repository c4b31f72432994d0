// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of strings. See strv.h. */
#include "cli/strv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *p)
{
	if (!p) {
		fputs("vnet: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static char *vfmt(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return need(s);
}

char *strv_fmt(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = vfmt(fmt, ap);
	va_end(ap);
	return s;
}

void strv_add(struct strv *s, const char *fmt, ...)
{
	va_list ap;

	s->v = need(realloc(s->v, (s->n + 2) * sizeof(*s->v)));
	va_start(ap, fmt);
	s->v[s->n++] = vfmt(fmt, ap);
	va_end(ap);
	s->v[s->n] = NULL;
}

void strv_free(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strv){NULL, 0};
}

static size_t put(char *out, size_t at, const char *text)
{
	size_t len = strlen(text);

	memcpy(out + at, text, len);
	return at + len;
}

static size_t put_word(char *out, size_t at, const char *w)
{
	static const char bare[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-+=.,:/@%";

	if (*w && w[strspn(w, bare)] == '\0')
		return put(out, at, w);
	at = put(out, at, "'");
	for (; *w; w++) {
		if (*w == '\'')
			at = put(out, at, "'\\''");
		else
			out[at++] = *w;
	}
	return put(out, at, "'");
}

char *strv_shell(const struct strv *s)
{
	size_t cap = 1, at = 0;
	char *out;

	for (size_t i = 0; i < s->n; i++)
		cap += 4 * strlen(s->v[i]) + 3;
	out = need(malloc(cap));
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			out[at++] = ' ';
		at = put_word(out, at, s->v[i]);
	}
	out[at] = '\0';
	return out;
}
