// SPDX-License-Identifier: GPL-2.0-or-later
/* Host names, and the names of our enums. See dhcp_names.h, dhcp_server.h. */
#include "dhcp/dhcp_names.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "dhcp/dhcp_msg.h"
#include "lib/compat.h"

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Letter or digit, whatever the locale. */
static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || is_upper(c) || (c >= '0' && c <= '9');
}

bool dhcp_name_valid(const char *s)
{
	size_t len = strlen(s);

	if (!len || len > DHCP_HOSTNAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(s[i]) && s[i] != '-')
			return false;
	return s[0] != '-' && s[len - 1] != '-';
}

void dhcp_name_clean(const void *p, size_t len, char out[DHCP_HOSTNAME_MAX + 1])
{
	const uint8_t *b = p;
	size_t n = 0;

	for (size_t i = 0; i < len && n < DHCP_HOSTNAME_MAX; i++) {
		char c = (char)b[i];

		if (c == '.' || c == '\0')
			break;
		if (is_upper(c))
			c = (char)(c - 'A' + 'a');
		if (!is_alnum(c))
			c = '-';
		if (c != '-' || n) /* none at the start */
			out[n++] = c;
	}
	while (n && out[n - 1] == '-')
		n--;
	out[n] = '\0';
}

void dhcp_name_claimed(const struct dhcp_msg *m,
		       char out[DHCP_HOSTNAME_MAX + 1])
{
	size_t len;
	const uint8_t *p = dhcp_msg_opt(m, DHCP_OPT_FQDN, &len);

	out[0] = '\0';
	/* Flags, two result codes, then text or (flag E) DNS wire format. */
	if (len > 3 && !(p[0] & 0x04))
		dhcp_name_clean(p + 3, len - 3, out);
	else if (len > 3 && p[3] <= len - 4)
		dhcp_name_clean(p + 4, p[3], out);
	if (out[0])
		return;
	p = dhcp_msg_opt(m, DHCP_OPT_HOSTNAME, &len);
	dhcp_name_clean(p, len, out);
}

/* ---- names of our own ---------------------------------------------------- */

static const char *const states[] = {
	[DHCP_OFFERED] = "offered",   [DHCP_BOUND] = "bound",
	[DHCP_RELEASED] = "released", [DHCP_EXPIRED] = "expired",
	[DHCP_PROMISED] = "reserved", [DHCP_DECLINED] = "declined",
};

const char *dhcp_state_name(enum dhcp_state s)
{
	return states[s];
}

int dhcp_state_parse(const char *s)
{
	for (int i = 0; i < (int)ARRAY_LEN(states); i++)
		if (!strcmp(s, states[i]))
			return i;
	return -EINVAL;
}

const char *dhcp_event_name(enum dhcp_event_type t)
{
	static const char *const names[] = {
		[DHCP_EV_RELEASED] = "released",
		[DHCP_EV_EXPIRED] = "expired",
		[DHCP_EV_DECLINED] = "declined",
		[DHCP_EV_CONFLICT] = "conflict",
		[DHCP_EV_FORGOTTEN] = "forgotten",
		[DHCP_EV_EXHAUSTED] = "exhausted",
		[DHCP_EV_OTHER_SERVER] = "other_server",
	};

	return names[t];
}

const char *dhcp_drop_name(enum dhcp_drop d)
{
	static const char *const names[] = {
		[DHCP_DROP_LENGTH] = "length",
		[DHCP_DROP_MALFORMED] = "malformed",
		[DHCP_DROP_NOT_REQUEST] = "not_request",
		[DHCP_DROP_BOOTP] = "bootp",
		[DHCP_DROP_TYPE] = "type",
		[DHCP_DROP_HWADDR] = "hwaddr",
		[DHCP_DROP_RELAY] = "relay",
		[DHCP_DROP_OTHER_SERVER] = "other_server",
		[DHCP_DROP_UNKNOWN] = "unknown",
		[DHCP_DROP_NOT_OWNER] = "not_owner",
		[DHCP_DROP_FIELDS] = "fields",
		[DHCP_DROP_EXHAUSTED] = "exhausted",
		[DHCP_DROP_QUOTA] = "quota",
		[DHCP_DROP_PENDING] = "pending",
		[DHCP_DROP_BUSY] = "busy",
		[DHCP_DROP_ROOM] = "room",
	};

	static_assert(ARRAY_LEN(names) == DHCP_DROPS, "a drop has no name");
	return names[d];
}
