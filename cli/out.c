// SPDX-License-Identifier: GPL-2.0-or-later
/* Tables and JSON. See out.h. */
#include "cli/out.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/strv.h"
#include "lib/esc.h"

struct out_table {
	const char *title[OUT_COLS_MAX]; /* behind the signs */
	bool right[OUT_COLS_MAX], optional[OUT_COLS_MAX], state[OUT_COLS_MAX];
	size_t cols;
	struct strv cells; /* row after row */
};

struct out_table *out_table_new(const char *const *heads)
{
	struct out_table *t = calloc(1, sizeof(*t));

	if (!t) {
		fputs("vnet: out of memory\n", stderr);
		exit(1);
	}
	for (; *heads && t->cols < OUT_COLS_MAX; heads++, t->cols++) {
		const char *h = *heads;

		for (; strchr(">?!", *h); h++) {
			t->right[t->cols] |= *h == '>';
			t->optional[t->cols] |= *h == '?';
			t->state[t->cols] |= *h == '!';
		}
		t->title[t->cols] = h;
	}
	return t;
}

void out_table_free(struct out_table *t)
{
	if (!t)
		return;
	strv_free(&t->cells);
	free(t);
}

char *out_escape(const char *s)
{
	size_t len = strlen(s), cap = 4 * len + 5;
	char *out = strv_fmt("%*s", (int)cap, "");

	return esc(s, len, out, cap);
}

static void add_cell(struct out_table *t, const char *text)
{
	char *safe = out_escape(*text ? text : "-");

	strv_add(&t->cells, "%s", safe);
	free(safe);
}

void out_cell(struct out_table *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add_cell(t, text ? text : "");
	free(text);
}

const char *out_text(const json_t *v, char *buf, size_t cap)
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		return json_string_value(v);
	case JSON_INTEGER:
		snprintf(buf, cap, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(v));
		return buf;
	case JSON_REAL:
		snprintf(buf, cap, "%g", json_real_value(v));
		return buf;
	case JSON_TRUE:
		return "yes";
	case JSON_FALSE:
		return "no";
	default:
		return "-";
	}
}

void out_field(struct out_table *t, const json_t *o, const char *key)
{
	char buf[64];

	add_cell(t, out_text(json_object_get(o, key), buf, sizeof(buf)));
}

void out_fields(struct out_table *t, const json_t *o, ...)
{
	const char *key;
	va_list ap;

	va_start(ap, o);
	while ((key = va_arg(ap, const char *)))
		out_field(t, o, key);
	va_end(ap);
}

size_t out_rows(const struct out_table *t)
{
	return t->cells.n / t->cols;
}

/* ---- sorting ------------------------------------------------------------ */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Compare the digit runs at both; moves behind them. */
static int compare_runs(const char **a, const char **b)
{
	size_t la, lb;
	int r;

	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	la = strspn(*a, "0123456789");
	lb = strspn(*b, "0123456789");
	if (la != lb)
		return la < lb ? -1 : 1;
	r = memcmp(*a, *b, la);
	*a += la;
	*b += lb;
	return r;
}

int out_natural(const char *a, const char *b)
{
	const char *wa = a, *wb = b;

	while (*a && *b) {
		int r = digit(*a) && digit(*b)
				? compare_runs(&a, &b)
				: (unsigned char)*a++ - (unsigned char)*b++;

		if (r)
			return r;
	}
	if (*a || *b)
		return *a ? 1 : -1;
	return strcmp(wa, wb);
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct out_table *t = arg;
	char *const *x = a, *const *y = b;

	for (size_t i = 0; i < t->cols; i++) {
		int r = out_natural(x[i], y[i]);

		if (r)
			return r;
	}
	return 0;
}

void out_sort(struct out_table *t)
{
	if (!t->cells.n)
		return;
	qsort_r(t->cells.v, out_rows(t), t->cols * sizeof(char *),
		compare_rows, t);
}

/* ---- printing ----------------------------------------------------------- */

static const char *state_color(const char *s)
{
	static const char *const good[] = {"running", "up", "active", "ok"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!strcmp(s, good[i]))
			return "\033[32m";
	return !strncmp(s, "failed", 6) ? "\033[31m" : NULL;
}

static void measure(const struct out_table *t, size_t width[OUT_COLS_MAX])
{
	for (size_t c = 0; c < t->cols; c++) {
		bool used = !t->optional[c];

		width[c] = strlen(t->title[c]);
		for (size_t i = c; i < t->cells.n; i += t->cols) {
			used |= strcmp(t->cells.v[i], "-") != 0;
			width[c] = max_sz(width[c], strlen(t->cells.v[i]));
		}
		if (!used)
			width[c] = 0; /* not shown */
	}
}

static void print_line(const struct out_table *t, FILE *f, unsigned int indent,
		       const char *const *cell, const size_t *width,
		       bool color)
{
	size_t pad = indent; /* blanks owed; none at the end of a line */

	for (size_t c = 0; c < t->cols; c++) {
		size_t len = strlen(cell[c]);
		const char *on = color && t->state[c] ? state_color(cell[c])
						      : NULL;

		if (!width[c])
			continue;
		if (t->right[c])
			pad += width[c] - len;
		fprintf(f, "%*s%s%s%s", (int)pad, "", on ? on : "", cell[c],
			on ? "\033[0m" : "");
		pad = 2 + (t->right[c] ? 0 : width[c] - len);
	}
	fputc('\n', f);
}

void out_print(const struct out_table *t, FILE *f, unsigned int indent,
	       bool color)
{
	size_t width[OUT_COLS_MAX];

	measure(t, width);
	print_line(t, f, indent, t->title, width, false);
	for (size_t i = 0; i + t->cols <= t->cells.n; i += t->cols)
		print_line(t, f, indent, (const char *const *)&t->cells.v[i],
			   width, color);
}

void out_json(FILE *f, const json_t *v, bool lines)
{
	json_dumpf(v, f, JSON_ENCODE_ANY |
			 (lines ? JSON_COMPACT : JSON_INDENT(2)));
	fputc('\n', f);
}

bool out_want_color(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no && *no) && term &&
	       strcmp(term, "dumb") != 0;
}

char *out_time(json_int_t wall_s, char buf[32])
{
	time_t t = (time_t)wall_s;
	struct tm tm;

	if (!wall_s || !localtime_r(&t, &tm) ||
	    !strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(buf, "-");
	return buf;
}
