// SPDX-License-Identifier: GPL-2.0-or-later
/* See optset.h; what makes sense is judged in dhcpset.c. */
#include "netd/optset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netd/dhcpset.h"
#include "netd/store.h"

static struct dhcpset_conf *next(struct optset *s)
{
	struct dhcpset_conf *c = &s->list[s->n++];

	snprintf(c->scope, sizeof(c->scope), "%s", s->scope);
	return c;
}

static int read_words(struct optset *s, json_t *words, struct errtext *why)
{
	json_t *v;
	size_t i;
	int r;

	json_array_foreach(words, i, v) {
		r = dhcpset_parse(json_string_value(v), next(s), why);
		if (r)
			return r;
	}
	return 0;
}

static int read_match(struct optset *s, const char *match, struct errtext *why)
{
	struct dhcpset_conf *c = next(s);

	snprintf(c->name, sizeof(c->name), "match");
	snprintf(c->value, sizeof(c->value), "%s", match);
	return dhcpset_check(c, why);
}

int optset_read(struct optset *s, json_t *words, const char *match,
		struct errtext *why)
{
	size_t k = json_array_size(words);
	int r;

	s->n = 0;
	s->list = NULL;
	if (k > OPTSET_MAX)
		return errtext_set(why, -E2BIG, "at most %d options at a time",
				   OPTSET_MAX);
	s->list = calloc(k + 1, sizeof(*s->list));
	if (!s->list)
		return errtext_set(why, -ENOMEM, "no memory");
	r = read_words(s, words, why);
	if (!r && match)
		r = read_match(s, match, why);
	if (r)
		optset_free(s);
	return r;
}

void optset_free(struct optset *s)
{
	free(s->list);
	s->list = NULL;
	s->n = 0;
}

int optset_store(struct optset *s, struct store *store, struct network *n,
		 struct errtext *why)
{
	int r = 0;

	if (!s->n)
		return 0;
	if (!n->conf.dhcp_first)
		return errtext_set(why, -EINVAL, "network %s has no DHCP",
				   n->conf.name);
	r = dhcpset_fit(n, s->scope, s->list, s->n, why);
	for (size_t i = 0; i < s->n && !r; i++) {
		s->list[i].network = n->conf.id;
		r = store_dhcpset_put(store, &s->list[i], why);
	}
	return r;
}

int optset_remember(const struct optset *s, struct network *n)
{
	int r = 0;

	for (size_t i = 0; i < s->n && !r; i++)
		r = model_dhcpset_put(n, &s->list[i]);
	return r;
}
