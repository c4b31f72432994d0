// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is known of tables in the kernel without asking for them: the plans that they were
 * made or found to be, as of one generation of the kernel's rulesets. See nft.h.
 */
#include "nat/nft_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/htab.h"
#include "lib/list.h"

#define FEW 32 /* elements that differ: each is looked for among the others */

struct nft_table {
	struct list node; /* nft_known.tables */
	int family;
	char name[NFT_NETWORK + 8];
	uint64_t shape; /* of all but the sets' elements */
	unsigned int nset;
	struct {
		size_t first, n;
	} set[NFT_SETS];
	struct nft_elem *elem;
};

void nft_known_init(struct nft_known *k)
{
	list_init(&k->tables);
	k->gen = 0;
}

static void drop(struct nft_table *t)
{
	list_del(&t->node);
	free(t->elem);
	free(t);
}

void nft_known_forget(struct nft_known *k)
{
	list_for_each_safe(t, &k->tables, struct nft_table, node)
		drop(t);
	k->gen = 0;
}

struct nft_table *nft_known_find(struct nft_known *k, int family,
				 const char *name)
{
	list_for_each(t, &k->tables, struct nft_table, node)
		if (t->family == family && !strcmp(t->name, name))
			return t;
	return NULL;
}

void nft_known_drop(struct nft_known *k, int family, const char *name)
{
	struct nft_table *t = nft_known_find(k, family, name);

	if (t)
		drop(t);
}

/* ---- shape ------------------------------------------------------------------------ */

/* A sum over fields, not over structs: what lies between those is anything. */
struct sum {
	uint64_t v;
};

static void feed(struct sum *s, const void *p, size_t len)
{
	const uint64_t seed[2] = {s->v, len};
	const uint64_t other[2] = {~s->v, len};

	s->v = (uint64_t)hash_bytes(seed, p, len) << 32 |
	       hash_bytes(other, p, len);
}

static void feed_text(struct sum *s, const char *text)
{
	feed(s, text ? text : "", text ? strlen(text) : 0);
}

static void feed_match(struct sum *s, const struct nft_match *m)
{
	const uint64_t n[] = {
		m->value, m->bits, m->kind, (uint64_t)m->proto, m->mask,
		m->field, m->op, m->set, m->keyed, m->neg, m->plen, m->out,
		m->update, (uint64_t)m->allow.proto, m->allow.first,
		m->allow.last,
	};

	feed(s, n, sizeof(n));
	feed(s, m->dev, sizeof(m->dev));
	feed(s, &m->ip, sizeof(m->ip));
}

static void feed_forward(struct sum *s, const struct nft_forward *f)
{
	const uint64_t n[] = {f->proto, f->port, f->to_port};

	feed(s, n, sizeof(n));
	feed(s, &f->at, sizeof(f->at));
	feed(s, &f->to, sizeof(f->to));
}

static void feed_rule(struct sum *s, const struct nft_rule *r)
{
	const uint64_t n[] = {r->chain, r->n, r->verdict, r->map, r->to};

	feed(s, n, sizeof(n));
	for (unsigned int i = 0; i < r->n; i++)
		feed_match(s, &r->m[i]);
}

uint64_t nft_known_shape(const struct nft_plan *p)
{
	const uint64_t n[] = {p->nset, p->nchain, p->nrule, p->nfwd};
	struct sum s = {0};

	feed(&s, n, sizeof(n));
	feed(&s, p->in_map, sizeof(p->in_map));
	for (unsigned int i = 0; i < p->nset; i++) {
		const uint64_t kind[] = {p->set[i].key, p->set[i].kind};

		feed_text(&s, p->set[i].name);
		feed(&s, kind, sizeof(kind));
	}
	for (unsigned int i = 0; i < p->nchain; i++) {
		const struct nft_chain *c = &p->chain[i];
		const uint64_t at[] = {c->hook, (uint64_t)c->priority};

		feed_text(&s, c->name);
		feed_text(&s, c->type);
		feed(&s, at, sizeof(at));
	}
	for (unsigned int i = 0; i < p->nrule; i++)
		feed_rule(&s, &p->rule[i]);
	for (size_t i = 0; i < p->nfwd; i++)
		feed_forward(&s, &p->fwd[i]);
	return s.v;
}

bool nft_known_alike(const struct nft_table *t, const struct nft_plan *p)
{
	return t->nset == p->nset && t->shape == nft_known_shape(p);
}

/* ---- elements ----------------------------------------------------------------------- */

static size_t elements(const struct nft_plan *p)
{
	size_t n = 0;

	for (unsigned int i = 0; i < p->nset; i++)
		if (p->set[i].first + p->set[i].n > n)
			n = p->set[i].first + p->set[i].n;
	return n;
}

/* Without memory it is not known: that costs time only. */
void nft_known_put(struct nft_known *k, const struct nft_plan *p)
{
	struct nft_table *t = nft_known_find(k, p->family, p->table);
	size_t n = elements(p);
	struct nft_elem *e = malloc((n ? n : 1) * sizeof(*e));

	if (!t && e && (t = calloc(1, sizeof(*t))))
		list_add_tail(&k->tables, &t->node);
	if (!t || !e) {
		free(e);
		if (t)
			drop(t);
		return;
	}
	free(t->elem);
	if (n)
		memcpy(e, p->elem, n * sizeof(*e));
	t->elem = e;
	t->family = p->family;
	memcpy(t->name, p->table, sizeof(t->name));
	t->shape = nft_known_shape(p);
	t->nset = p->nset;
	for (unsigned int i = 0; i < p->nset; i++) {
		t->set[i].first = p->set[i].first;
		t->set[i].n = p->set[i].n;
	}
}

/* Part of an array. */
struct span {
	const struct nft_elem *e;
	size_t n;
};

static bool same(const struct nft_elem *a, const struct nft_elem *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool is_in(const struct nft_elem *e, const struct span *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (same(e, &s->e[i]))
			return true;
	return false;
}

/* Who comes, goes or changes is a few at a time, and the others stand in the same order
 * as before: what both begin and end with is no difference. */
static void trim(struct span *a, struct span *b)
{
	while (a->n && b->n && same(a->e, b->e)) {
		a->e++;
		b->e++;
		a->n--;
		b->n--;
	}
	while (a->n && b->n && same(&a->e[a->n - 1], &b->e[b->n - 1])) {
		a->n--;
		b->n--;
	}
}

static int one_differs(const struct nft_table *t, const struct nft_plan *p,
		       unsigned int i, struct nft_batch *b)
{
	struct span was = {t->elem + t->set[i].first, t->set[i].n};
	struct span now = {p->elem + p->set[i].first, p->set[i].n};
	struct nft_elem gone[FEW], come[FEW];
	struct span old = was, new = now;
	size_t ngone = 0, ncome = 0;

	trim(&old, &new);
	if (!old.n && !new.n)
		return 0;
	if (old.n > FEW || new.n > FEW)
		return nft_set_differs(p, i, was.e, was.n, now.e, now.n, b);
	/* Two NICs may have the same: that is one element. */
	for (size_t k = 0; k < old.n; k++)
		if (!is_in(&old.e[k], &now))
			gone[ngone++] = old.e[k];
	for (size_t k = 0; k < new.n; k++)
		if (!is_in(&new.e[k], &was))
			come[ncome++] = new.e[k];
	return nft_set_differs(p, i, gone, ngone, come, ncome, b);
}

int nft_known_differs(const struct nft_table *t, const struct nft_plan *p,
		      struct nft_batch *b)
{
	int differ = 0;

	for (unsigned int i = 0; i < p->nset; i++) {
		int r = p->set[i].kind != NFT_SET_DYNAMIC
				? one_differs(t, p, i, b)
				: 0;

		if (r < 0)
			return r;
		differ |= r;
	}
	return differ;
}
