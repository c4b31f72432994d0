// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of the user's own. See dns_zone.h. */
#include "nat/dns_zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/compat.h"
#include "nat/names.h"

/* ---- text ------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum dns_type type;
	unsigned int nnum; /* numbers before the target */
} types[] = {
	{"A", DNS_A, 0},     {"AAAA", DNS_AAAA, 0}, {"CNAME", DNS_CNAME, 0},
	{"TXT", DNS_TXT, 0}, {"MX", DNS_MX, 1},	    {"SRV", DNS_SRV, 3},
};

const char *zone_type_name(enum dns_type t)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == t)
			return types[i].name;
	return "?";
}

static bool label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Labels joined by dots, a final one lets pass; underscores as in _sip._tcp. */
static bool name_ok(const char *s, bool star)
{
	size_t label = 0, n = strlen(s);

	if (!n || n > DNS_NAME_MAX - 2)
		return false;
	if (star && s[0] == '*' && (!s[1] || s[1] == '.'))
		s += s[1] ? 2 : 1;
	if (!*s)
		return true;
	for (; *s; s++) {
		if (*s == '.' ? !label : !label_char(*s) || ++label > 63)
			return false;
		if (*s == '.')
			label = 0;
	}
	return true;
}

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

/* A number of 16 bits and the blanks behind it. */
static bool number(const char **s, uint16_t *out)
{
	unsigned int v = 0;
	const char *p = *s;

	while (*p >= '0' && *p <= '9' && v <= 65535)
		v = v * 10 + (unsigned int)(*p++ - '0');
	if (p == *s || v > 65535 || *p != ' ')
		return false;
	p += strspn(p, " ");
	*out = (uint16_t)v;
	*s = p;
	return true;
}

static int parse_ip(const char *value, struct zone_rec *r, struct errtext *why)
{
	bool want4 = r->type == DNS_A;

	if (ipaddr_parse(value, &r->ip) || ipaddr_is4(&r->ip) != want4 ||
	    ipaddr_is_zero(&r->ip) || (want4 && !ipaddr_get4(&r->ip)))
		return errtext_set(why, -EINVAL, "\"%.60s\" is no %s address",
				   value, want4 ? "IPv4" : "IPv6");
	return 0;
}

static int parse_target(const char *value, unsigned int nnum,
			struct zone_rec *r, struct errtext *why)
{
	for (unsigned int i = 0; i < nnum; i++)
		if (!number(&value, &r->num[i]))
			return errtext_set(
				why, -EINVAL, "the value must be %s",
				nnum == 1 ? "PREFERENCE TARGET"
					  : "PRIORITY WEIGHT PORT TARGET");
	if (strcmp(value, "@") && !name_ok(value, false))
		return errtext_set(why, -EINVAL,
				   "the target must be a name, not \"%.60s\"",
				   value);
	r->text = value;
	return 0;
}

int zone_parse(const char *name, const char *type, const char *value,
	       struct zone_rec *out, struct errtext *why)
{
	size_t i = 0;

	*out = (struct zone_rec){.text = ""};
	if (strcmp(name, "@") && !name_ok(name, true))
		return errtext_set(why, -EINVAL,
				   "\"%.80s\" cannot be a name: labels of "
				   "letters, digits, '-' and '_', joined by "
				   "dots; the first may be *",
				   name);
	if (names_is_service(name))
		return errtext_set(why, -EINVAL,
				   "\"%s\" is the network's own name", name);
	while (i < ARRAY_LEN(types) && strcasecmp(types[i].name, type))
		i++;
	if (i == ARRAY_LEN(types))
		return errtext_set(why, -EINVAL,
				   "the type must be A, AAAA, CNAME, TXT, MX "
				   "or SRV");
	if (strlen(value) > ZONE_TEXT_MAX || !printable(value))
		return errtext_set(why, -EINVAL,
				   "a value is at most %d printable "
				   "characters",
				   ZONE_TEXT_MAX);
	out->type = types[i].type;
	if (out->type == DNS_A || out->type == DNS_AAAA)
		return parse_ip(value, out, why);
	if (out->type != DNS_TXT)
		return parse_target(value, types[i].nnum, out, why);
	out->text = value;
	return 0;
}

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s + 32);
}

int zone_canon(const char *name, const struct zone_rec *r,
	       char name_out[DNS_NAME_MAX + 2],
	       char value_out[ZONE_TEXT_MAX + 1])
{
	char text[ZONE_TEXT_MAX + 1], ip[IP_TEXT];
	int n;

	snprintf(text, sizeof(text), "%s", r->text);
	if (r->type != DNS_TXT)
		lower(text);
	memmove(name_out, name, strlen(name) + 1);
	lower(name_out);
	if (r->type == DNS_A || r->type == DNS_AAAA)
		n = snprintf(value_out, ZONE_TEXT_MAX + 1, "%s",
			     ipaddr_format(&r->ip, ip));
	else if (r->type == DNS_MX)
		n = snprintf(value_out, ZONE_TEXT_MAX + 1, "%u %s", r->num[0],
			     text);
	else if (r->type == DNS_SRV)
		n = snprintf(value_out, ZONE_TEXT_MAX + 1, "%u %u %u %s",
			     r->num[0], r->num[1], r->num[2], text);
	else
		n = snprintf(value_out, ZONE_TEXT_MAX + 1, "%s", text);
	return n > ZONE_TEXT_MAX ? -EINVAL : 0;
}

/* ---- the table -------------------------------------------------------------- */

int zone_init(struct zone *z, const uint64_t seed[2])
{
	int err = htab_init(&z->nodes, 16, seed);

	z->n = z->absolute = 0;
	return err ? err : htab_init(&z->by_ip, 16, seed);
}

static bool is_absolute(const char *name)
{
	size_t n = strlen(name);

	return n && name[n - 1] == '.';
}

static void entry_free(struct zone *z, struct zone_entry *e)
{
	list_del(&e->node);
	if (e->indexed)
		htab_del(&z->by_ip, &e->by_ip);
	z->n--;
	z->absolute -= is_absolute(e->of->name);
	free(e);
}

static bool fini_one(struct hnode *h, void *arg)
{
	struct zone_node *n = container_of(h, struct zone_node, by_name);
	struct zone *z = arg;

	list_for_each_safe(e, &n->recs, struct zone_entry, node)
		entry_free(z, e);
	htab_del(&z->nodes, &n->by_name);
	free(n);
	return true;
}

void zone_fini(struct zone *z)
{
	if (z->nodes.bucket) {
		htab_walk(&z->nodes, fini_one, z);
		htab_fini(&z->nodes);
	}
	if (z->by_ip.bucket)
		htab_fini(&z->by_ip);
}

static uint32_t name_hash(const struct zone *z, const char *name)
{
	return hash_bytes(z->nodes.seed, name, strlen(name));
}

static struct zone_node *find(const struct zone *z, const char *name)
{
	struct hnode *h = htab_find(&z->nodes, name_hash(z, name));

	for (; h; h = htab_find_next(h)) {
		struct zone_node *n = container_of(h, struct zone_node, by_name);

		if (!strcmp(n->name, name))
			return n;
	}
	return NULL;
}

const struct zone_node *zone_find(const struct zone *z, const char *name)
{
	return find(z, name);
}

/* The name above; NULL for the last label of an absolute one and the domain. */
static const char *above(const char *name)
{
	const char *dot = strchr(name, '.');

	if (!*name)
		return NULL;
	if (!dot)
		return "";
	return dot[1] ? dot + 1 : NULL;
}

const struct zone_node *zone_wildcard(const struct zone *z, const char *name,
				      zone_exists_fn exists, const void *arg)
{
	char star[DNS_NAME_MAX + 4];
	const char *up;

	for (up = above(name); up; up = above(up)) {
		struct zone_node *n;

		snprintf(star, sizeof(star), *up ? "*.%s" : "*", up);
		n = find(z, star);
		if (n)
			return n;
		if (find(z, up) || exists(arg, up))
			return NULL;
	}
	return NULL;
}

const struct zone_entry *zone_first(const struct zone_node *n,
				    enum dns_type type)
{
	list_for_each(e, &n->recs, struct zone_entry, node)
		if (e->rec.type == type)
			return e;
	return NULL;
}

static uint32_t ip_hash(const struct zone *z, const struct ipaddr *ip)
{
	return hash_bytes(z->by_ip.seed, ip, sizeof(*ip));
}

const char *zone_of_ip(const struct zone *z, const struct ipaddr *ip)
{
	struct hnode *h = htab_find(&z->by_ip, ip_hash(z, ip));

	for (; h; h = htab_find_next(h)) {
		struct zone_entry *e = container_of(h, struct zone_entry, by_ip);

		if (ipaddr_eq(&e->rec.ip, ip))
			return e->of->name;
	}
	return NULL;
}

/* ---- changes ---------------------------------------------------------------- */

/* Nodes that say nothing go, and so may those above. */
static void prune(struct zone *z, struct zone_node *n)
{
	while (n && list_empty(&n->recs) && !n->kids) {
		const char *up = is_absolute(n->name) ? NULL : above(n->name);
		struct zone_node *parent = up && *up ? find(z, up) : NULL;

		htab_del(&z->nodes, &n->by_name);
		free(n);
		if (parent)
			parent->kids--;
		n = parent;
	}
}

/* The node, made with all above it; NULL without memory. */
static struct zone_node *get(struct zone *z, const char *name)
{
	const char *up = is_absolute(name) ? NULL : above(name);
	struct zone_node *n = find(z, name), *parent = NULL;
	size_t len = strlen(name);

	if (n)
		return n;
	/* As deep as a name has labels: 127 at most. */
	if (up && *up && !(parent = get(z, up)))
		return NULL;
	n = calloc(1, sizeof(*n) + len + 1);
	if (!n) {
		prune(z, parent);
		return NULL;
	}
	memcpy(n->name, name, len + 1);
	list_init(&n->recs);
	htab_add(&z->nodes, &n->by_name, name_hash(z, name));
	if (parent)
		parent->kids++;
	return n;
}

/* "@" is the domain: "". */
static void key_of(const char *name, char out[DNS_NAME_MAX + 2])
{
	snprintf(out, DNS_NAME_MAX + 2, "%s", strcmp(name, "@") ? name : "");
	lower(out);
}

static bool same(const struct zone_rec *a, const struct zone_rec *b)
{
	return a->type == b->type && ipaddr_eq(&a->ip, &b->ip) &&
	       !memcmp(a->num, b->num, sizeof(a->num)) &&
	       !strcmp(a->text, b->text);
}

static struct zone_entry *find_entry(const struct zone_node *n,
				     const struct zone_rec *r)
{
	list_for_each(e, &n->recs, struct zone_entry, node)
		if (same(&e->rec, r))
			return e;
	return NULL;
}

static int check_room(const struct zone *z, const struct zone_node *n,
		      const struct zone_rec *r, struct errtext *why)
{
	unsigned int count = 0;

	list_for_each(e, &n->recs, struct zone_entry, node) {
		count++;
		if (e->rec.type != DNS_CNAME && r->type != DNS_CNAME)
			continue;
		return errtext_set(why, -EEXIST,
				   "%s has a %s record already, and an alias "
				   "(CNAME) has nothing beside it",
				   n->name[0] ? n->name : "@",
				   zone_type_name(e->rec.type));
	}
	if (!n->name[0] && r->type == DNS_CNAME)
		return errtext_set(why, -EEXIST,
				   "the domain itself cannot be an alias");
	if (count >= ZONE_NAME_MAX || z->n >= ZONE_MAX)
		return errtext_set(why, -ENOSPC,
				   "there are %u records already",
				   z->n >= ZONE_MAX ? z->n : count);
	return 0;
}

static struct zone_entry *entry_new(const struct zone_rec *r)
{
	size_t len = strlen(r->text);
	struct zone_entry *e = calloc(1, sizeof(*e) + len + 1);
	char *text;

	if (!e)
		return NULL;
	text = (char *)(e + 1);
	memcpy(text, r->text, len + 1);
	if (r->type != DNS_TXT)
		lower(text);
	e->rec = *r;
	e->rec.text = text;
	return e;
}

static bool has_ip(const struct zone_rec *r)
{
	return r->type == DNS_A || r->type == DNS_AAAA;
}

int zone_add(struct zone *z, const char *name, const struct zone_rec *r,
	     struct errtext *why)
{
	char key[DNS_NAME_MAX + 2];
	struct zone_entry *e = entry_new(r);
	struct zone_node *n;
	int err = 0;

	key_of(name, key);
	n = e ? get(z, key) : NULL;
	if (!n)
		err = errtext_set(why, -ENOMEM, "no memory");
	else if (!find_entry(n, &e->rec) && !(err = check_room(z, n, r, why))) {
		e->of = n;
		list_add_tail(&n->recs, &e->node);
		z->n++;
		z->absolute += is_absolute(key);
		e->indexed = has_ip(r) && !is_absolute(key) && key[0] != '*' &&
			     key[0];
		if (e->indexed)
			htab_add(&z->by_ip, &e->by_ip, ip_hash(z, &r->ip));
		return 0;
	}
	free(e);
	prune(z, n);
	return err;
}

void zone_del(struct zone *z, const char *name, const struct zone_rec *r)
{
	char key[DNS_NAME_MAX + 2];
	struct zone_entry *want = entry_new(r), *e = NULL;
	struct zone_node *n;

	key_of(name, key);
	n = find(z, key);
	if (n && want)
		e = find_entry(n, &want->rec);
	free(want);
	if (!e)
		return;
	entry_free(z, e);
	prune(z, n);
}
