/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to store*.c. */
#ifndef VNET_NETD_STORE_INT_H
#define VNET_NETD_STORE_INT_H

#include <sqlite3.h>

#include "netd/store.h"

enum store_stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_LEASE_PUT,
	STMT_LEASE_DEL,
	STMT_LEASE6_PUT,
	STMT_LEASE6_DEL,
	STMTS
};

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

/* Run what is kept prepared, @fmt as above. */
int store_run_kept(struct store *s, enum store_stmt which, struct errtext *why,
		   const char *fmt, ...);

/* The same of a removal of @network and @text, which a full disk must not prevent: the
 * reserve makes room, outside a transaction. */
int store_del_kept(struct store *s, enum store_stmt which, int64_t network,
		   const char *text, struct errtext *why);

/* A removal by @sql, likewise; @a, @b NULL: not in it. */
int store_del(struct store *s, struct errtext *why, const char *sql, int64_t id,
	      const char *a, const char *b);

#endif
