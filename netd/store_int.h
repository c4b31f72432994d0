/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to store*.c. */
#ifndef VNET_NETD_STORE_INT_H
#define VNET_NETD_STORE_INT_H

#include <sqlite3.h>

#include "netd/store.h"

struct store {
	sqlite3 *db;
	char path[300];
	bool reserve; /* the reserve file is there, see store.c */
};

/* SQLite's answer as negative errno, with the sentence a person needs. */
int store_error(struct store *s, int rc, struct errtext *why);

/* Prepare and bind: 't' const char * (NULL or "" = NULL), 'i' int64_t. */
int store_prepare(struct store *s, sqlite3_stmt **st, struct errtext *why,
		  const char *sql, const char *fmt, ...);

#endif
