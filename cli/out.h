/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Output for people: tables with capital headers, two spaces between columns,
 * nothing cut off. Text that may come from a guest (host names) is escaped here,
 * in one place. Programs read --json instead: out_json() prints the daemon's
 * objects as they are.
 */
#ifndef VNET_CLI_OUT_H
#define VNET_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/compat.h"

#define OUT_COLS_MAX 14

struct out_table;

/**
 * out_table_new() - Start a table
 * @heads: column titles, NULL-terminated, borrowed. Signs before a title:
 *	'>' right-aligned; '?' left out when every cell is "-"; '!' a state (good
 *	and bad ones are coloured when colour is on)
 *
 * Without memory the command ends.
 */
struct out_table *out_table_new(const char *const *heads);
void out_table_free(struct out_table *t);

/* Next cell, left to right, row after row. An empty text becomes "-". */
void out_cell(struct out_table *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Next cell from @o's member @key: text, number, yes/no; "-" when absent. */
void out_field(struct out_table *t, const json_t *o, const char *key);

/* The same for several members; NULL ends the list. */
void out_fields(struct out_table *t, const json_t *o, ...)
	__attribute__((sentinel));

/* Order rows by their cells from the left; digits count as numbers. */
void out_sort(struct out_table *t);

size_t out_rows(const struct out_table *t);

/* Print with @indent blanks before each line. */
void out_print(const struct out_table *t, FILE *f, unsigned int indent,
	       bool color);

/**
 * out_text() - A JSON scalar as a table cell shows it
 * @buf: used when the text has to be made; at least 64 bytes
 *
 * Return: text valid as long as @v and @buf.
 */
const char *out_text(const json_t *v, char *buf, size_t cap);

/* Escape control and non-ASCII characters; the caller frees the result. */
char *out_escape(const char *s);

/* Compare as people sort: digit runs by value. Like strcmp. */
int out_natural(const char *a, const char *b);

/* @v as JSON and a newline; @lines: compact, one object a line. */
void out_json(FILE *f, const json_t *v, bool lines);

/* Should output to @f be coloured? A terminal, NO_COLOR unset, TERM not dumb. */
bool out_want_color(FILE *f);

/* "2026-01-31 13:05:59" local time, or "-" for 0. */
char *out_time(json_int_t wall_s, char buf[32]);

#endif
