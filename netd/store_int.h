/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to store*.c. */
#ifndef VNET_NETD_STORE_INT_H
#define VNET_NETD_STORE_INT_H

#include <sqlite3.h>

#include "netd/store.h"

enum store_stmt { STMT_BEGIN, STMT_COMMIT, STMT_LEASE_PUT, STMT_LEASE_DEL, STMTS };

struct store {
	sqlite3 *db;
	char path[300];
	sqlite3_stmt *stmt[STMTS]; /* prepared once, for leases */
	bool reserve; /* the reserve file is there, see store.c */
};

/* SQLite's answer as negative errno, with the sentence a person needs. */
int store_error(struct store *s, int rc, struct errtext *why);

/* Prepare and bind: 't' const char * (NULL or "" = NULL), 'i' int64_t. */
int store_prepare(struct store *s, sqlite3_stmt **st, struct errtext *why,
		  const char *sql, const char *fmt, ...);

#endif
