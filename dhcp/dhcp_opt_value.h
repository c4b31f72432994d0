/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types of option values: text to bytes and back. Private to dhcp_opt*.c. */
#ifndef VNET_DHCP_DHCP_OPT_VALUE_H
#define VNET_DHCP_DHCP_OPT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"

enum dhcp_opt_type {
	DHCP_T_HEX,
	DHCP_T_STRING,
	DHCP_T_IP,
	DHCP_T_IPS, /* one or more, commas between */
	DHCP_T_U8,
	DHCP_T_U16,
	DHCP_T_U32,
	DHCP_T_I32,
	DHCP_T_BOOL,
	DHCP_T_DOMAINS, /* RFC 1035 4.1.4, compressed as RFC 3397 allows */
	DHCP_T_ROUTES,	/* RFC 3442: "10.1.0.0/16 via 10.0.2.5, …" */
	DHCP_T_COUNT
};

extern const char dhcp_opt_types[]; /* their names, for people */
const char *dhcp_opt_type_name(enum dhcp_opt_type t);
int dhcp_opt_type_parse(const char *s, size_t n, enum dhcp_opt_type *out);

/* Of any type a value may be bytes: "0x…". 0; -EINVAL, -E2BIG with @why. */
int dhcp_opt_value_parse(enum dhcp_opt_type t, const char *s, uint8_t *out,
			 size_t cap, size_t *len, struct errtext *why);

/* False when the bytes are none of that type, or @out is too small. */
bool dhcp_opt_value_format(enum dhcp_opt_type t, const uint8_t *p, size_t len,
			   char *out, size_t cap);

#endif
