// SPDX-License-Identifier: GPL-2.0-or-later
/* Options as text. See dhcp_opt.h; types of values are dhcp_opt_value.c. */
#include "dhcp/dhcp_opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dhcp/dhcp_msg.h"
#include "dhcp/dhcp_opt_value.h"
#include "lib/compat.h"
#include "lib/hex.h"

/* RFC 2132 unless another one is named. */
static const struct known {
	uint8_t code;
	enum dhcp_opt_type type;
	const char *name;
} known[] = {
	{2, DHCP_T_I32, "time-offset"},
	{3, DHCP_T_IPS, "router"},
	{4, DHCP_T_IPS, "time-servers"},
	{6, DHCP_T_IPS, "dns"},
	{7, DHCP_T_IPS, "log-servers"},
	{12, DHCP_T_STRING, "host-name"},
	{13, DHCP_T_U16, "boot-size"},
	{15, DHCP_T_STRING, "domain"},
	{16, DHCP_T_IP, "swap-server"},
	{17, DHCP_T_STRING, "root-path"},
	{19, DHCP_T_BOOL, "ip-forwarding"},
	{23, DHCP_T_U8, "ttl"},
	{26, DHCP_T_U16, "mtu"},
	{28, DHCP_T_IP, "broadcast"},
	{31, DHCP_T_BOOL, "router-discovery"},
	{33, DHCP_T_IPS, "static-routes"},
	{35, DHCP_T_U32, "arp-timeout"},
	{40, DHCP_T_STRING, "nis-domain"},
	{41, DHCP_T_IPS, "nis-servers"},
	{42, DHCP_T_IPS, "ntp"},
	{43, DHCP_T_HEX, "vendor-info"},
	{44, DHCP_T_IPS, "wins"},
	{46, DHCP_T_U8, "netbios-type"},
	{51, DHCP_T_U32, "lease-time"},
	{58, DHCP_T_U32, "t1"},
	{59, DHCP_T_U32, "t2"},
	{60, DHCP_T_STRING, "vendor-class"},
	{66, DHCP_T_STRING, "tftp-server"},
	{67, DHCP_T_STRING, "boot-file"},
	{69, DHCP_T_IPS, "smtp"},
	{100, DHCP_T_STRING, "timezone"},	 /* RFC 4833 */
	{101, DHCP_T_STRING, "timezone-name"},	 /* RFC 4833 */
	{108, DHCP_T_U32, "ipv6-only"},		 /* RFC 8925 */
	{114, DHCP_T_STRING, "captive-portal"},	 /* RFC 8910 */
	{119, DHCP_T_DOMAINS, "search"},	 /* RFC 3397 */
	{120, DHCP_T_HEX, "sip-servers"},	 /* RFC 3361 */
	{121, DHCP_T_ROUTES, "routes"},		 /* RFC 3442 */
	{125, DHCP_T_HEX, "vendor-identifying"}, /* RFC 3925 */
	{150, DHCP_T_IPS, "tftp-address"},	 /* RFC 5859 */
	{208, DHCP_T_HEX, "pxelinux-magic"},	 /* RFC 5071 */
	{209, DHCP_T_STRING, "pxelinux-config"}, /* RFC 5071 */
	{210, DHCP_T_STRING, "pxelinux-prefix"}, /* RFC 5071 */
	{211, DHCP_T_U32, "pxelinux-reboot"},	 /* RFC 5071 */
	{249, DHCP_T_ROUTES, "ms-routes"},	 /* as 121, for Windows */
	{252, DHCP_T_STRING, "wpad"},
};

/* What only the server itself can say, or only clients do. */
static bool is_ours(uint8_t code)
{
	static const uint8_t ours[] = {
		0,  1,	50, 52, 53, 54, 55,  56,  57,
		61, 80, 81, 82, 93, 97, 118, 255,
	};

	return memchr(ours, code, sizeof(ours)) != NULL;
}

static const struct known *find_code(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].code == code)
			return &known[i];
	return NULL;
}

static int parse_code(const char *s, size_t n, struct errtext *why)
{
	unsigned int v = 0;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strlen(known[i].name) == n && !memcmp(known[i].name, s, n))
			return known[i].code;
	if (!n || n > 3 || strspn(s, "0123456789") < n)
		return errtext_set(
			why, -EINVAL,
			"no DHCP option is called \"%.*s\"; give its "
			"number",
			(int)min_sz(n, 40), s);
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (unsigned int)(s[i] - '0');
	if (v > 255 || is_ours((uint8_t)v))
		return errtext_set(why, -EINVAL,
				   "DHCP option %u cannot be set: it is the "
				   "protocol's own",
				   v);
	return (int)v;
}

int dhcp_opt_code(const char *name, struct errtext *why)
{
	return parse_code(name, strlen(name), why);
}

const char *dhcp_opt_name(uint8_t code)
{
	const struct known *k = find_code(code);

	return k ? k->name : NULL;
}

const char *dhcp_opt_type(uint8_t code)
{
	const struct known *k = find_code(code);

	return dhcp_opt_type_name(k ? k->type : DHCP_T_HEX);
}

/* What a value must be beyond its type. */
static int check(const struct dhcp_option *o, struct errtext *why)
{
	uint32_t v = o->len == 4 ? get_be32(o->value) : 0;
	uint32_t v16 = o->len == 2 ? get_be16(o->value) : 0;

	if (o->code == DHCP_OPT_LEASE && (o->len != 4 || v < 60))
		return errtext_set(why, -EINVAL,
				   "a lease runs for a minute or more");
	if (o->code == DHCP_OPT_IPV6_ONLY && o->len && v < 300)
		return errtext_set(why, -EINVAL, /* RFC 8925 3.4 */
				   "ipv6-only is 300 seconds or more");
	if (o->code == DHCP_OPT_MTU && o->len && v16 < 68) /* RFC 2132 5.1 */
		return errtext_set(why, -EINVAL, "mtu is 68 or more");
	return 0;
}

int dhcp_opt_parse(const char *text, struct dhcp_option *out,
		   struct errtext *why)
{
	const char *eq = strchr(text, '='), *colon;
	enum dhcp_opt_type type = DHCP_T_HEX;
	size_t n = eq ? (size_t)(eq - text) : 0, len = 0;
	const struct known *k;
	int code, r;

	if (!eq)
		return errtext_set(
			why, -EINVAL,
			"\"%.60s\" is no option: write NAME=VALUE or "
			"NUMBER:TYPE=VALUE",
			text);
	colon = memchr(text, ':', n);
	code = parse_code(text, colon ? (size_t)(colon - text) : n, why);
	if (code < 0)
		return code;
	k = find_code((uint8_t)code);
	if (k)
		type = k->type;
	if (colon &&
	    dhcp_opt_type_parse(colon + 1, (size_t)(eq - colon - 1), &type))
		return errtext_set(why, -EINVAL,
				   "option %d: a type is one of %s", code,
				   dhcp_opt_types);
	if (!colon && !k && eq[1] && strncmp(eq + 1, "0x", 2))
		return errtext_set(why, -EINVAL,
				   "option %d is not known here: give its type "
				   "(%d:string=…) or bytes (0x…)",
				   code, code);
	memset(out, 0, sizeof(*out));
	out->code = (uint8_t)code;
	if (eq[1]) {
		r = dhcp_opt_value_parse(type, eq + 1, out->value,
					 sizeof(out->value), &len, why);
		if (r)
			return errtext_prefix(why, r, "option %.*s", (int)n,
					      text);
	}
	out->len = (uint16_t)len;
	return check(out, why);
}

const char *dhcp_opt_format(const struct dhcp_option *o,
			    char out[DHCP_OPT_TEXT_MAX])
{
	const struct known *k = find_code(o->code);

	out[0] = '\0';
	if (!o->len)
		return out;
	if (k && dhcp_opt_value_format(k->type, o->value, o->len, out,
				       DHCP_OPT_TEXT_MAX))
		return out;
	memcpy(out, "0x", 2);
	hex_encode(o->value, o->len, out + 2);
	return out;
}

/* ---- sets ---------------------------------------------------------------- */

/* Where the record of @code is, or would be; true when it is. */
static bool locate(const struct dhcp_opts *s, uint8_t code, size_t *at)
{
	for (*at = 0; *at < s->len; *at += 3u + get_be16(s->b + *at + 1))
		if (s->b[*at] >= code)
			return s->b[*at] == code;
	return false;
}

int dhcp_opts_set(struct dhcp_opts *s, const struct dhcp_option *o)
{
	size_t need = 3u + o->len, have = 0, at;

	if (locate(s, o->code, &at))
		have = 3u + get_be16(s->b + at + 1);
	if (s->len - have + need > sizeof(s->b))
		return -ENOSPC;
	memmove(s->b + at + need, s->b + at + have, s->len - at - have);
	s->len = s->len - have + need;
	s->b[at] = o->code;
	put_be16(s->b + at + 1, o->len);
	memcpy(s->b + at + 3, o->value, o->len);
	return 0;
}

const uint8_t *dhcp_opts_find(const struct dhcp_opts *s, uint8_t code,
			      size_t *len)
{
	size_t at;

	if (!locate(s, code, &at))
		return NULL;
	*len = get_be16(s->b + at + 1);
	return s->b + at + 3;
}

uint8_t dhcp_opts_next(const struct dhcp_opts *s, uint8_t prev)
{
	size_t at;

	(void)(prev < 255 && locate(s, (uint8_t)(prev + 1), &at));
	return prev < 255 && at < s->len ? s->b[at] : 0;
}
