/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one logger, to standard error: `area object: what happened: reason`, then
 * key=value. With JOURNAL_STREAM set the lines carry syslog priorities.
 *   err    the operator must act        warn   degraded, goes on
 *   info   configured objects change    debug  decisions
 * Whatever a guest can cause goes through log_limited() with a budget of its own.
 * Untrusted text is passed through esc() (lib/esc.h) first.
 */
#ifndef VNET_LIB_LOG_H
#define VNET_LIB_LOG_H

#include <stdint.h>

#include "lib/compat.h"

enum log_level { LOG_LVL_ERR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* @who stands before each line ("vnetd", "vnetd[lab]"); copied. */
void log_setup(const char *who, enum log_level level);
enum log_level log_level_get(void);

/* "error|warn|info|debug" to a level; -EINVAL otherwise. */
int log_level_parse(const char *s);
const char *log_level_name(enum log_level level);

/* Send lines here instead of to standard error (NULL: back). Used by tests and
 * by workers, whose lines travel to the control process. */
typedef void (*log_sink_fn)(enum log_level level, const char *line, void *arg);
void log_set_sink(log_sink_fn fn, void *arg);

void log_msg(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_err(...)   log_msg(LOG_LVL_ERR, __VA_ARGS__)
#define log_warn(...)  log_msg(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...)  log_msg(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LVL_DEBUG, __VA_ARGS__)

/** struct log_budget - A token bucket for one object's lines; zeroed = full. */
struct log_budget {
	int64_t since_ms;    /* start of the current window */
	uint32_t used;	     /* lines in it */
	uint32_t suppressed; /* lines swallowed since one was printed */
};

/* At most 5 lines per 10 s and object; says how many were left out. */
void log_limited(struct log_budget *b, int64_t now_ms, enum log_level level,
		 const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
