// SPDX-License-Identifier: GPL-2.0-or-later
/* See dhcp_opt_value.h. */
#include "dhcp/dhcp_opt_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/hex.h"
#include "lib/inet.h"

#define NAMES_MAX 32  /* of a search list */
#define LABEL_MAX 63  /* RFC 1035 2.3.4 */
#define NAME_MAX_ 253 /* characters, likewise */
#define ITEM_MAX  300 /* characters between two commas */

static const char *const names[DHCP_T_COUNT] = {
	[DHCP_T_HEX] = "hex",	    [DHCP_T_STRING] = "string",
	[DHCP_T_IP] = "ip",	    [DHCP_T_IPS] = "ips",
	[DHCP_T_U8] = "u8",	    [DHCP_T_U16] = "u16",
	[DHCP_T_U32] = "u32",	    [DHCP_T_I32] = "i32",
	[DHCP_T_BOOL] = "bool",	    [DHCP_T_DOMAINS] = "domains",
	[DHCP_T_ROUTES] = "routes",
};

const char dhcp_opt_types[] = "hex, string, ip, ips, u8, u16, u32, i32, bool, "
			      "domains and routes";

const char *dhcp_opt_type_name(enum dhcp_opt_type t)
{
	return names[t];
}

int dhcp_opt_type_parse(const char *s, size_t n, enum dhcp_opt_type *out)
{
	for (size_t i = 0; i < DHCP_T_COUNT; i++) {
		if (strlen(names[i]) != n || memcmp(names[i], s, n))
			continue;
		*out = (enum dhcp_opt_type)i;
		return 0;
	}
	return -EINVAL;
}

/* ---- text to bytes ------------------------------------------------------- */

static int put_hex(const char *s, struct wbuf *w, struct errtext *why)
{
	size_t len = 0;
	int r = hex_decode(s, w->p, w->cap, &len);

	w->len = len;
	return r ? errtext_set(why, r,
			       r == -E2BIG ? "too many bytes"
					   : "\"%.40s\" are no bytes in hex",
			       s)
		 : 0;
}

static int put_int(enum dhcp_opt_type t, const char *s, struct wbuf *w,
		   struct errtext *why)
{
	long long min = t == DHCP_T_I32 ? INT32_MIN : 0;
	long long max = t == DHCP_T_U8	  ? UINT8_MAX
			: t == DHCP_T_U16 ? UINT16_MAX
			: t == DHCP_T_I32 ? INT32_MAX
					  : UINT32_MAX;
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s || *end || v < min || v > max)
		return errtext_set(why, -EINVAL,
				   "\"%.40s\" is no number from %lld to %lld",
				   s, min, max);
	if (t == DHCP_T_U8)
		wbuf_u8(w, (uint8_t)v);
	else if (t == DHCP_T_U16)
		wbuf_be16(w, (uint16_t)v);
	else
		wbuf_be32(w, (uint32_t)v);
	return 0;
}

static int put_bool(const char *s, struct wbuf *w, struct errtext *why)
{
	bool yes = !strcmp(s, "yes") || !strcmp(s, "1") || !strcmp(s, "true");

	if (!yes && strcmp(s, "no") && strcmp(s, "0") && strcmp(s, "false"))
		return errtext_set(why, -EINVAL, "\"%.40s\" is not yes or no",
				   s);
	wbuf_u8(w, yes);
	return 0;
}

static int put_ip(const char *s, struct wbuf *w, struct errtext *why)
{
	uint32_t ip;

	if (ip4_parse(s, &ip))
		return errtext_set(why, -EINVAL, "\"%.40s\" is no IPv4 address",
				   s);
	wbuf_be32(w, ip);
	return 0;
}

/* "10.1.0.0/16 via 10.0.2.5", or a colon instead; the destination's significant
 * bytes only. */
static int put_route(const char *s, struct wbuf *w, struct errtext *why)
{
	const char *via = strstr(s, " via "), *colon = strchr(s, ':');
	const char *end = via ? via : colon;
	char dst[IP4_TEXT + 4];
	struct ip4_net n = {0};
	uint32_t gw;
	uint8_t b[4];

	snprintf(dst, sizeof(dst), "%.*s", (int)(end ? end - s : 0), s);
	if (!strcmp(dst, "default"))
		snprintf(dst, sizeof(dst), "0.0.0.0/0");
	if (!end || ip4_net_parse(dst, &n, NULL) ||
	    ip4_parse(end + (via ? 5 : 1), &gw))
		return errtext_set(why, -EINVAL,
				   "\"%.60s\" is no route like 10.1.0.0/16 via "
				   "10.0.2.5",
				   s);
	put_be32(b, n.addr);
	wbuf_u8(w, (uint8_t)n.plen);
	wbuf_copy(w, b, (size_t)(n.plen + 7) / 8);
	wbuf_be32(w, gw);
	return 0;
}

/* Where each suffix written so far starts, to point there again. */
struct suffixes {
	struct {
		const char *text;
		size_t at;
	} e[4 * NAMES_MAX];
	size_t n;
	char text[NAMES_MAX][NAME_MAX_ + 1];
	size_t ntext;
};

static int put_label(const char *s, size_t n, struct wbuf *w,
		     struct errtext *why)
{
	if (!n || n > LABEL_MAX ||
	    strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		      "0123456789-_") < n)
		return errtext_set(why, -EINVAL, "\"%.60s\" is no domain", s);
	wbuf_u8(w, (uint8_t)n);
	wbuf_copy(w, s, n);
	return 0;
}

static int put_domain(const char *s, struct wbuf *w, struct suffixes *sfx,
		      struct errtext *why)
{
	size_t n = strlen(s);
	char *text;

	if (n && s[n - 1] == '.')
		n--;
	if (!n || n > NAME_MAX_ || sfx->ntext == NAMES_MAX)
		return errtext_set(why, -EINVAL, "\"%.60s\" is no domain", s);
	text = sfx->text[sfx->ntext++];
	memcpy(text, s, n);
	text[n] = '\0';
	while (*text) {
		size_t label = strcspn(text, ".");
		int r;

		for (size_t i = 0; i < sfx->n; i++) {
			if (strcmp(sfx->e[i].text, text))
				continue;
			wbuf_be16(w, (uint16_t)(0xc000 | sfx->e[i].at));
			return 0;
		}
		if (sfx->n < ARRAY_LEN(sfx->e)) {
			sfx->e[sfx->n].text = text;
			sfx->e[sfx->n++].at = w->len;
		}
		r = put_label(text, label, w, why);
		if (r)
			return r;
		text += label;
		if (*text && !*++text)
			return errtext_set(why, -EINVAL,
					   "\"%.60s\" is no domain", s);
	}
	wbuf_u8(w, 0);
	return 0;
}

static int put_list(enum dhcp_opt_type t, const char *s, struct wbuf *w,
		    struct errtext *why)
{
	struct suffixes *sfx = calloc(1, sizeof(*sfx));
	char item[ITEM_MAX];
	int r = 0;

	if (!sfx)
		return errtext_set(why, -ENOMEM, "no memory");
	for (;;) {
		size_t n = strcspn(s, ",");

		if (n >= sizeof(item)) {
			r = errtext_set(why, -EINVAL, "\"%.40s…\" is too long",
					s);
			break;
		}
		memcpy(item, s, n);
		item[n] = '\0';
		r = t == DHCP_T_IPS	 ? put_ip(item, w, why)
		    : t == DHCP_T_ROUTES ? put_route(item, w, why)
					 : put_domain(item, w, sfx, why);
		s += n;
		if (r || !*s)
			break;
		s += 1 + strspn(s + 1, " ");
	}
	free(sfx);
	return r;
}

int dhcp_opt_value_parse(enum dhcp_opt_type t, const char *s, uint8_t *out,
			 size_t cap, size_t *len, struct errtext *why)
{
	struct wbuf w = wbuf_make(out, cap);
	int r = 0;

	if (!strncmp(s, "0x", 2) && t != DHCP_T_STRING)
		r = put_hex(s + 2, &w, why);
	else if (t == DHCP_T_HEX)
		r = put_hex(s, &w, why);
	else if (t == DHCP_T_STRING)
		wbuf_copy(&w, s, strlen(s));
	else if (t == DHCP_T_BOOL)
		r = put_bool(s, &w, why);
	else if (t == DHCP_T_IP)
		r = put_ip(s, &w, why);
	else if (t >= DHCP_T_U8 && t <= DHCP_T_I32)
		r = put_int(t, s, &w, why);
	else
		r = put_list(t, s, &w, why);
	if (!r && !wbuf_ok(&w))
		r = errtext_set(why, -E2BIG, "more than %zu bytes", cap);
	*len = w.len;
	return r;
}

/* ---- bytes to text ------------------------------------------------------- */

/** struct say - Text in the making; @bad when it did not fit. */
struct say {
	char *p;
	size_t len, cap;
	bool bad;
};

__attribute__((format(printf, 2, 3))) static void add(struct say *t,
						      const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->cap - t->len)
		t->bad = true;
	else
		t->len += (size_t)n;
}

static void say_string(struct say *t, struct cur *c)
{
	while (c->left && !t->bad) {
		uint8_t b = cur_u8(c);

		if (b < 0x20 || b > 0x7e)
			t->bad = true;
		add(t, "%c", b);
	}
}

static void say_ips(struct say *t, struct cur *c)
{
	char ip[IP4_TEXT];

	while (c->left && !t->bad)
		add(t, "%s%s", t->len ? "," : "", ip4_format(cur_be32(c), ip));
}

static void say_routes(struct say *t, struct cur *c)
{
	char net[IP4_TEXT + 4], gw[IP4_TEXT];

	while (c->left && !t->bad) {
		struct ip4_net n = {0};
		uint8_t b[4] = {0};

		n.plen = cur_u8(c);
		if (n.plen > 32) {
			t->bad = true;
			return;
		}
		cur_copy(c, b, (size_t)(n.plen + 7) / 8);
		n.addr = get_be32(b);
		add(t, "%s%s via %s", t->len ? ", " : "",
		    ip4_net_format(&n, net), ip4_format(cur_be32(c), gw));
	}
}

/* One name; pointers lead back only, so this ends. */
static void say_name(struct say *t, const uint8_t *all, size_t len,
		     struct cur *c)
{
	struct cur at = *c;
	size_t limit = len;
	bool jumped = false, first = true;

	for (;;) {
		size_t start = (size_t)(at.p - all);
		uint8_t n = cur_u8(&at);
		const uint8_t *label;
		size_t to;

		if (!cur_ok(&at) || t->bad)
			break;
		if (n >= 0xc0) {
			to = (size_t)(n & 0x3f) << 8 | cur_u8(&at);
			if (!cur_ok(&at) || to >= start || to >= limit)
				break;
			if (!jumped)
				*c = at;
			jumped = true;
			limit = to;
			at = cur_make(all + to, len - to);
			continue;
		}
		if (!n) {
			if (!jumped)
				*c = at;
			return;
		}
		label = n <= LABEL_MAX ? cur_bytes(&at, n) : NULL;
		if (!label)
			break;
		for (size_t i = 0; i < n; i++)
			t->bad |= label[i] <= 0x20 || label[i] > 0x7e;
		add(t, "%s%.*s", first ? "" : ".", (int)n, (const char *)label);
		first = false;
	}
	t->bad = true;
}

static void say_domains(struct say *t, const uint8_t *p, size_t len)
{
	struct cur c = cur_make(p, len);

	while (c.left && !t->bad) {
		if (t->len)
			add(t, ",");
		say_name(t, p, len, &c);
	}
}

static void say_int(struct say *t, enum dhcp_opt_type type, struct cur *c)
{
	if (type == DHCP_T_U8)
		add(t, "%u", cur_u8(c));
	else if (type == DHCP_T_U16)
		add(t, "%u", cur_be16(c));
	else if (type == DHCP_T_I32)
		add(t, "%d", (int32_t)cur_be32(c));
	else
		add(t, "%u", cur_be32(c));
}

bool dhcp_opt_value_format(enum dhcp_opt_type type, const uint8_t *p,
			   size_t len, char *out, size_t cap)
{
	struct say t = {.p = out, .cap = cap};
	struct cur c = cur_make(p, len);
	uint8_t b;

	switch (type) {
	case DHCP_T_STRING:
		say_string(&t, &c);
		break;
	case DHCP_T_IP:
	case DHCP_T_IPS:
		say_ips(&t, &c);
		break;
	case DHCP_T_BOOL:
		b = cur_u8(&c);
		t.bad = b > 1;
		add(&t, "%s", b ? "yes" : "no");
		break;
	case DHCP_T_DOMAINS:
		say_domains(&t, p, len);
		c.left = 0;
		break;
	case DHCP_T_ROUTES:
		say_routes(&t, &c);
		break;
	case DHCP_T_U8:
	case DHCP_T_U16:
	case DHCP_T_U32:
	case DHCP_T_I32:
		say_int(&t, type, &c);
		break;
	case DHCP_T_HEX:
	case DHCP_T_COUNT:
		return false;
	}
	return !t.bad && cur_ok(&c) && !c.left;
}
