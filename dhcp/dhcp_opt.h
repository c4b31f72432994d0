/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options as people write them: by name, number and type, or as plain bytes;
 * and sets of them as scopes keep them. The one validator of what may be
 * configured.
 */
#ifndef VNET_DHCP_DHCP_OPT_H
#define VNET_DHCP_DHCP_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"

#define DHCP_OPT_VALUE_MAX 1024 /* bytes of one option (RFC 3396) */
#define DHCP_OPT_TEXT_MAX  (2 * DHCP_OPT_VALUE_MAX + 3) /* and the terminator  \
							 */
#define DHCP_OPTS_MAX 4096				/* bytes of a set */

/** struct dhcp_option - One, as it goes on the wire. */
struct dhcp_option {
	uint8_t code;
	uint16_t len; /* 0 = not to be sent, whatever wider scopes say */
	uint8_t value[DHCP_OPT_VALUE_MAX];
};

/**
 * dhcp_opt_parse() - "ntp=10.0.2.5", "42=…", "224:string=…", "43:hex=0104…"
 *
 * Without a type a known number has its own, another one wants hexadecimal
 * digits behind "0x". Nothing behind "=" means: do not send it.
 *
 * Return: 0; -EINVAL, -E2BIG with @why.
 */
int dhcp_opt_parse(const char *text, struct dhcp_option *out,
		   struct errtext *why);

/* The code of a name or number; -EINVAL with @why. Only what may be configured.
 */
int dhcp_opt_code(const char *name, struct errtext *why);

/* "ntp", NULL for one without a name; its type ("hex" for an unknown one). */
const char *dhcp_opt_name(uint8_t code);
const char *dhcp_opt_type(uint8_t code);

/* The value as it would be written; what its type cannot say, as 0x… */
const char *dhcp_opt_format(const struct dhcp_option *o,
			    char out[DHCP_OPT_TEXT_MAX]);

/** struct dhcp_opts - A set; zeroed = empty. Records of code, length 2, value.
 */
struct dhcp_opts {
	size_t len;
	uint8_t b[DHCP_OPTS_MAX];
};

/* Add or replace. 0 or -ENOSPC. */
int dhcp_opts_set(struct dhcp_opts *s, const struct dhcp_option *o);

/* Its bytes (borrowed; *len 0 = not to be sent), or NULL. */
const uint8_t *dhcp_opts_find(const struct dhcp_opts *s, uint8_t code,
			      size_t *len);

/* The code behind @prev (0: the first), ascending; 0 = no more. */
uint8_t dhcp_opts_next(const struct dhcp_opts *s, uint8_t prev);

#endif
