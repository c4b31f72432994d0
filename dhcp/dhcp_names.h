/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host names as clients send them (options 12 and 81) and as we accept them. */
#ifndef VNET_DHCP_DHCP_NAMES_H
#define VNET_DHCP_DHCP_NAMES_H

#include <stdbool.h>

#include "dhcp/dhcp_server.h"

struct dhcp_msg;

/* A label of RFC 1123 2.1: 1 to 63 letters, digits and inner hyphens? */
bool dhcp_name_valid(const char *s);

/**
 * dhcp_name_clean() - Make a label of what a client sent
 *
 * The part before the first dot (a NUL ends it, too) in small letters; what RFC
 * 1123 does not allow becomes '-'; hyphens at either end go, and so does what
 * is behind 63 characters. May leave nothing.
 */
void dhcp_name_clean(const void *p, size_t len,
		     char out[DHCP_HOSTNAME_MAX + 1]);

/* The name in option 81 (RFC 4702 2.3), else, or when that is empty, in option 12,
 * cleaned: who sends both means the former (RFC 4702 4). */
void dhcp_name_claimed(const struct dhcp_msg *m,
		       char out[DHCP_HOSTNAME_MAX + 1]);

#endif
