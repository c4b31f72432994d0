// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of VMs. See names.h. */
#include "nat/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nat/dns_msg.h"

struct entry {
	struct hnode by_name, by_ip;
	uint64_t serial; /* order of setting */
	uint64_t owner;
	struct ipaddr ip;
	char name[]; /* lower case */
};

int names_init(struct names *t, const uint64_t seed[2])
{
	int err = htab_init(&t->by_name, 16, seed);

	t->serial = 0;
	return err ? err : htab_init(&t->by_ip, 16, seed);
}

static void entry_free(struct names *t, struct entry *e)
{
	htab_del(&t->by_name, &e->by_name);
	htab_del(&t->by_ip, &e->by_ip);
	free(e);
}

static bool fini_one(struct hnode *n, void *arg)
{
	entry_free(arg, container_of(n, struct entry, by_name));
	return true;
}

void names_fini(struct names *t)
{
	if (t->by_name.bucket) {
		htab_walk(&t->by_name, fini_one, t);
		htab_fini(&t->by_name);
	}
	if (t->by_ip.bucket)
		htab_fini(&t->by_ip);
}

static uint32_t name_hash(const struct names *t, const char *name)
{
	return hash_bytes(t->by_name.seed, name, strlen(name));
}

static uint32_t ip_hash(const struct names *t, const struct ipaddr *ip)
{
	return hash_bytes(t->by_ip.seed, ip, sizeof(*ip));
}

/* Check and lower @name; the length is bounded by what fits a DNS name. */
static int name_canon(const char *name, char out[DNS_NAME_MAX + 1])
{
	size_t n = 0, label = 0;

	for (; *name; name++) {
		char c = *name;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if (c == '.') {
			if (!label)
				return -EINVAL;
			label = 0;
		} else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			   c == '-' || c == '_') {
			if (++label > 63)
				return -EINVAL;
		} else {
			return -EINVAL;
		}
		if (n >= DNS_NAME_MAX - 2)
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return label ? 0 : -EINVAL;
}

static struct entry *next_named(struct hnode *n, const char *name)
{
	for (; n; n = htab_find_next(n)) {
		struct entry *e = container_of(n, struct entry, by_name);

		if (!strcmp(e->name, name))
			return e;
	}
	return NULL;
}

/* :: and 0.0.0.0 are no addresses to be found at. */
static bool is_none(const struct ipaddr *ip)
{
	static const struct ipaddr zero;

	return ipaddr_eq(ip, &zero) || (ipaddr_is4(ip) && !ipaddr_get4(ip));
}

bool names_is_service(const char *name)
{
	return !strcasecmp(name, "host") || !strcasecmp(name, "gateway");
}

int names_set(struct names *t, uint64_t owner, const char *name,
	      const struct ipaddr *ip)
{
	char canon[DNS_NAME_MAX + 1];
	struct entry *e;
	size_t len;

	if (is_none(ip) || name_canon(name, canon) || names_is_service(canon))
		return -EINVAL;
	e = next_named(htab_find(&t->by_name, name_hash(t, canon)), canon);
	for (; e; e = next_named(htab_find_next(&e->by_name), canon))
		if (e->owner == owner && ipaddr_eq(&e->ip, ip))
			return 0;
	if (t->by_name.count >= NAMES_MAX)
		return -ENOSPC;
	len = strlen(canon);
	e = malloc(sizeof(*e) + len + 1);
	if (!e)
		return -ENOMEM;
	memcpy(e->name, canon, len + 1);
	e->ip = *ip;
	e->owner = owner;
	e->serial = t->serial++;
	htab_add(&t->by_name, &e->by_name, name_hash(t, canon));
	htab_add(&t->by_ip, &e->by_ip, ip_hash(t, ip));
	return 0;
}

struct owned {
	struct names *t;
	uint64_t owner;
};

static bool del_owned(struct hnode *n, void *arg)
{
	struct entry *e = container_of(n, struct entry, by_name);
	struct owned *o = arg;

	if (e->owner == o->owner)
		entry_free(o->t, e);
	return true;
}

static void del_ip(struct names *t, uint64_t owner, const struct ipaddr *ip)
{
	struct hnode *next, *n = htab_find(&t->by_ip, ip_hash(t, ip));

	for (; n; n = next) {
		struct entry *e = container_of(n, struct entry, by_ip);

		next = htab_find_next(n);
		if (e->owner == owner && ipaddr_eq(&e->ip, ip))
			entry_free(t, e);
	}
}

void names_del(struct names *t, uint64_t owner, const char *name,
	       const struct ipaddr *ip)
{
	char canon[DNS_NAME_MAX + 1];
	struct entry *e, *next;

	if (!name && ip)
		del_ip(t, owner, ip);
	else if (!name)
		htab_walk(&t->by_name, del_owned, &(struct owned){t, owner});
	if (!name || name_canon(name, canon))
		return;
	e = next_named(htab_find(&t->by_name, name_hash(t, canon)), canon);
	for (; e; e = next) {
		next = next_named(htab_find_next(&e->by_name), canon);
		if (e->owner == owner && (!ip || ipaddr_eq(&e->ip, ip)))
			entry_free(t, e);
	}
}

bool names_has(const struct names *t, const char *name)
{
	return next_named(htab_find(&t->by_name, name_hash(t, name)), name);
}

static bool has_ip(const struct ipaddr *list, size_t n, const struct ipaddr *ip)
{
	while (n)
		if (ipaddr_eq(&list[--n], ip))
			return true;
	return false;
}

size_t names_find(const struct names *t, const char *name, bool ip6,
		  struct ipaddr *ip, size_t cap)
{
	uint64_t serial[NAMES_PER_NAME];
	struct entry *e;
	size_t n = 0;

	if (cap > NAMES_PER_NAME)
		cap = NAMES_PER_NAME;
	e = next_named(htab_find(&t->by_name, name_hash(t, name)), name);
	for (; e; e = next_named(htab_find_next(&e->by_name), name)) {
		size_t i = n;

		if (ipaddr_is4(&e->ip) == ip6 || has_ip(ip, n, &e->ip))
			continue;
		if (n == cap)
			break;
		/* Insert by order of setting. */
		for (; i && serial[i - 1] > e->serial; i--) {
			serial[i] = serial[i - 1];
			ip[i] = ip[i - 1];
		}
		serial[i] = e->serial;
		ip[i] = e->ip;
		n++;
	}
	return n;
}

/* As an address's name: claims last. */
static bool before(const struct entry *a, const struct entry *b)
{
	bool ca = a->owner & NAMES_CLAIM, cb = b->owner & NAMES_CLAIM;

	return ca == cb ? a->serial < b->serial : cb;
}

const char *names_of(const struct names *t, const struct ipaddr *ip)
{
	struct hnode *n = htab_find(&t->by_ip, ip_hash(t, ip));
	struct entry *first = NULL;

	for (; n; n = htab_find_next(n)) {
		struct entry *e = container_of(n, struct entry, by_ip);

		if (ipaddr_eq(&e->ip, ip) && (!first || before(e, first)))
			first = e;
	}
	return first ? first->name : NULL;
}
