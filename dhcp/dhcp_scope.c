// SPDX-License-Identifier: GPL-2.0-or-later
/* Scopes of options. See dhcp_scope.h. */
#include "dhcp/dhcp_scope.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/compat.h"

struct dhcp_scoped {
	struct list node;
	struct dhcp_scope scope;
	struct dhcp_opts opts;
};

void dhcp_scopes_init(struct dhcp_scopes *s)
{
	list_init(&s->list);
	s->n = 0;
}

static void drop(struct dhcp_scopes *s, struct dhcp_scoped *x)
{
	list_del(&x->node);
	s->n--;
	free(x);
}

void dhcp_scopes_fini(struct dhcp_scopes *s)
{
	list_for_each_safe(x, &s->list, struct dhcp_scoped, node) drop(s, x);
}

/* Narrowest first. */
static int order(const struct dhcp_scope *a, const struct dhcp_scope *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	switch (a->kind) {
	case DHCP_SCOPE_MAC:
		return memcmp(a->mac.b, b->mac.b, sizeof(a->mac.b));
	case DHCP_SCOPE_NIC:
		return (a->nic_id > b->nic_id) - (a->nic_id < b->nic_id);
	case DHCP_SCOPE_GROUP:
		return strcmp(a->group, b->group);
	case DHCP_SCOPE_NETWORK:
		break;
	}
	return 0;
}

int dhcp_scopes_set(struct dhcp_scopes *s, const struct dhcp_scope *scope,
		    const struct dhcp_opts *opts, struct errtext *why)
{
	struct list *before = &s->list;
	struct dhcp_scoped *new;
	int r = scope->kind == DHCP_SCOPE_GROUP
			? dhcp_match_check(scope->match, why)
			: 0;

	if (r)
		return r;
	list_for_each_safe(x, &s->list, struct dhcp_scoped, node)
	{
		int d = order(&x->scope, scope);

		if (!d) {
			before = x->node.next;
			drop(s, x);
		}
		if (d >= 0) {
			if (d)
				before = &x->node;
			break;
		}
	}
	if (!opts || !opts->len)
		return 0;
	if (s->n >= DHCP_SCOPES_MAX)
		return errtext_set(why, -ENOSPC,
				   "at most %u scopes have options",
				   (unsigned int)DHCP_SCOPES_MAX);
	new = malloc(sizeof(*new));
	if (!new)
		return errtext_set(why, -ENOMEM, "no memory");
	new->scope = *scope;
	new->opts = *opts;
	list_add_tail(before, &new->node); /* in front of it */
	s->n++;
	return 0;
}

/* ---- conditions of groups ------------------------------------------------ */

enum match_key {
	MATCH_MAC,
	MATCH_VENDOR,
	MATCH_USER,
	MATCH_ARCH,
	MATCH_NAME,
	MATCH_RELAY
};

static const char *const keys[] = {"mac",  "vendor", "user",
				   "arch", "name",   "relay"};

/* The next condition's key, its pattern copied; -EINVAL: none. */
static int next_condition(const char **at, char *pattern, size_t cap)
{
	size_t n = strcspn(*at, ",");

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		size_t k = strlen(keys[i]);

		if (n < k + 2 || n - k - 1 >= cap || memcmp(*at, keys[i], k) ||
		    (*at)[k] != '=')
			continue;
		snprintf(pattern, cap, "%.*s", (int)(n - k - 1), *at + k + 1);
		*at += n + ((*at)[n] == ',');
		return (int)i;
	}
	return -EINVAL;
}

int dhcp_match_check(const char *match, struct errtext *why)
{
	char pattern[DHCP_MATCH_MAX + 1];
	const char *at = match;

	do {
		if (next_condition(&at, pattern, sizeof(pattern)) < 0)
			return errtext_set(
				why, -EINVAL,
				"\"%.60s\" is no condition: write mac=, name=, "
				"vendor=, user=, arch= or relay= with a "
				"pattern like 52:54:00:*",
				at);
	} while (*at);
	return 0;
}

/* Text that a guest sent, as far as it is text. */
static void text_of(const uint8_t *p, size_t len, char *out, size_t cap)
{
	size_t n = 0;

	while (n < len && n + 1 < cap && p[n] >= 0x20 && p[n] < 0x7f) {
		out[n] = (char)p[n];
		n++;
	}
	out[n] = '\0';
}

/* The whole option, or one of its instances (RFC 3004 4). */
static bool user_matches(const struct dhcp_msg *m, const char *pattern)
{
	size_t len;
	const uint8_t *p = dhcp_msg_opt(m, DHCP_OPT_USER_CLASS, &len);
	struct cur c = cur_make(p, len);
	char text[256];

	text_of(p, len, text, sizeof(text));
	if (len && !fnmatch(pattern, text, 0))
		return true;
	while (c.left) {
		size_t n = cur_u8(&c);
		const uint8_t *one = cur_bytes(&c, n);

		if (!cur_ok(&c))
			break;
		text_of(one, n, text, sizeof(text));
		if (n && !fnmatch(pattern, text, 0))
			return true;
	}
	return false;
}

static bool matches(enum match_key key, const char *pattern,
		    const struct dhcp_msg *m, const struct mac *mac,
		    const char *name, const struct ip4_net *behind)
{
	size_t len;
	const uint8_t *p;
	char text[256] = "";

	switch (key) {
	case MATCH_MAC:
		mac_format(mac, text);
		break;
	case MATCH_NAME:
		snprintf(text, sizeof(text), "%s", name);
		break;
	case MATCH_ARCH:
		p = dhcp_msg_opt(m, DHCP_OPT_ARCH, &len);
		if (len >= 2)
			snprintf(text, sizeof(text), "%u", get_be16(p));
		break;
	case MATCH_VENDOR:
		p = dhcp_msg_opt(m, DHCP_OPT_VENDOR_CLASS, &len);
		text_of(p, len, text, sizeof(text));
		break;
	case MATCH_USER:
		return user_matches(m, pattern);
	case MATCH_RELAY:
		if (behind)
			ip4_net_format(behind, text);
		break;
	}
	return text[0] && !fnmatch(pattern, text, 0);
}

static bool in_group(const struct dhcp_scope *g, const struct dhcp_msg *m,
		     const struct mac *mac, const char *name,
		     const struct ip4_net *behind)
{
	char pattern[DHCP_MATCH_MAX + 1];
	const char *at = g->match;
	int key;

	do {
		key = next_condition(&at, pattern, sizeof(pattern));
		if (key >= 0 &&
		    matches((enum match_key)key, pattern, m, mac, name,
			    behind))
			return true;
	} while (key >= 0 && *at);
	return false;
}

/* ---- what holds ---------------------------------------------------------- */

void dhcp_scopes_view(const struct dhcp_scopes *s, const struct dhcp_msg *m,
		      const struct mac *mac, uint64_t nic_id, const char *name,
		      const struct ip4_net *behind, struct dhcp_view *out)
{
	out->n = 0;
	list_for_each(x, &s->list, struct dhcp_scoped, node)
	{
		const struct dhcp_scope *sc = &x->scope;
		bool holds = true;

		if (sc->kind == DHCP_SCOPE_MAC)
			holds = mac_eq(&sc->mac, mac);
		else if (sc->kind == DHCP_SCOPE_NIC)
			holds = nic_id && sc->nic_id == nic_id;
		else if (sc->kind == DHCP_SCOPE_GROUP)
			holds = out->n < DHCP_VIEW_MAX - 1 &&
				in_group(sc, m, mac, name, behind);
		if (holds)
			out->set[out->n++] = &x->opts;
	}
}

const uint8_t *dhcp_view_find(const struct dhcp_view *v, uint8_t code,
			      size_t *len)
{
	const uint8_t *p = NULL;

	for (unsigned int i = 0; i < v->n && !p; i++)
		p = dhcp_opts_find(v->set[i], code, len);
	if (!p)
		*len = 0;
	return p;
}

uint32_t dhcp_view_be32(const struct dhcp_view *v, uint8_t code)
{
	size_t len;
	const uint8_t *p = dhcp_view_find(v, code, &len);

	return len == 4 ? get_be32(p) : 0;
}

uint8_t dhcp_view_next(const struct dhcp_view *v, uint8_t prev)
{
	uint8_t best = 0;

	for (unsigned int i = 0; i < v->n; i++) {
		uint8_t c = dhcp_opts_next(v->set[i], prev);

		if (c && (!best || c < best))
			best = c;
	}
	return best;
}
