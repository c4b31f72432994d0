/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of API methods. One row gives dispatch, parameter checking, rights,
 * rpc.discover and the reference page. Rows live in m_<topic>.c.
 */
#ifndef VNET_NETD_METHOD_H
#define VNET_NETD_METHOD_H

#include <stdio.h>

#include "netd/api.h"
#include "netd/ctl.h"

enum ptype { P_STR, P_INT, P_BOOL, P_MAC, P_IP4, P_IP, P_NET4, P_STRS };

struct param {
	const char *name; /* NULL ends the list */
	enum ptype type;
	bool required;
	int64_t min, max;   /* P_INT */
	const char *values; /* P_STR: "a|b|c" when nothing else is allowed */
	const char *summary;
};

struct method {
	const char *name; /* NULL ends the table */
	enum right right;
	const char *summary;
	const struct param *params; /* NULL = none */
	const char *result;	    /* shape, for people */
	/* @params is checked against the list; borrowed. Answers @c. */
	void (*fn)(struct ctl *ctl, struct call *c, json_t *params);
};

extern const struct method m_daemon[], m_network[], m_nic[], m_forward[],
	m_lease[], m_option[], m_dns[], m_flow[],
	m_events[], m_doctor[];

/* api_handler with the struct ctl as @arg. */
void method_dispatch(void *arg, struct call *c, const char *method,
		     json_t *params);

/* The whole table as JSON (rpc.discover) and as a markdown page. */
json_t *method_describe(void);
void method_print(FILE *f);

#endif
