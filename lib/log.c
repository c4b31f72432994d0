// SPDX-License-Identifier: GPL-2.0-or-later
/* Logger. See log.h. One of the few files with state of its own. */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_MS    10000
#define WINDOW_LINES 5
#define COUNT_ROOM   32 /* bytes of a line kept for " suppressed=N" */

static struct {
	char who[64];
	enum log_level level;
	bool journal;
	log_sink_fn sink;
	void *sink_arg;
} g = {.who = "vnet", .level = LOG_LVL_INFO};

static const char *const names[] = {"error", "warn", "info", "debug"};

void log_setup(const char *who, enum log_level level)
{
	snprintf(g.who, sizeof(g.who), "%s", who);
	g.level = level;
	g.journal = getenv("JOURNAL_STREAM") != NULL;
}

enum log_level log_level_get(void)
{
	return g.level;
}

int log_level_parse(const char *s)
{
	for (int i = 0; i < (int)ARRAY_LEN(names); i++)
		if (!strcmp(s, names[i]))
			return i;
	return -EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return names[level];
}

void log_set_sink(log_sink_fn fn, void *arg)
{
	g.sink = fn;
	g.sink_arg = arg;
}

static void emit(enum log_level level, const char *line)
{
	static const int prio[] = {3, 4, 6, 7}; /* syslog(3) */
	char out[1200];
	int n;

	if (g.sink) {
		g.sink(level, line, g.sink_arg);
		return;
	}
	if (g.journal)
		n = snprintf(out, sizeof(out), "<%d>%s: %s\n", prio[level],
			     g.who, line);
	else
		n = snprintf(out, sizeof(out), "%s: %s%s%s\n", g.who,
			     level == LOG_LVL_INFO ? "" : names[level],
			     level == LOG_LVL_INFO ? "" : ": ", line);
	if (n >= (int)sizeof(out)) {
		n = sizeof(out) - 1;
		out[n - 1] = '\n';
	}
	/* One write per line, so that processes sharing stderr do not mix. */
	if (write(STDERR_FILENO, out, (size_t)n) < 0)
		return; /* nowhere left to complain */
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (level > g.level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	emit(level, line);
}

void log_limited(struct log_budget *b, int64_t now_ms, enum log_level level,
		 const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	size_t n;

	if (level > g.level)
		return;
	if (!b->used || now_ms - b->since_ms >= WINDOW_MS) {
		b->since_ms = now_ms;
		b->used = 0;
	}
	if (b->used >= WINDOW_LINES) {
		b->suppressed++;
		return;
	}
	b->used++;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - COUNT_ROOM, fmt, ap);
	va_end(ap);
	n = strlen(line);
	if (b->suppressed)
		snprintf(line + n, sizeof(line) - n, " suppressed=%u",
			 b->suppressed);
	b->suppressed = 0;
	emit(level, line);
}
