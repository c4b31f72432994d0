// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of ports' names: made, compared element by element, what they counted read. See
 * nft_int.h and nftguard.h. */
#include "nat/nft_int.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "nat/nft.h"
#include "nat/nftguard.h"

/* nft(8)'s numbers, as in nft_build.c. */
#define TYPE_IFNAME 41u
#define HOST_ENDIAN 1u

#define TRIES 5

/* ---- made ----------------------------------------------------------------------------- */

/* It counts all, and lets one pass in a minute. */
static bool make_tell(struct nftnl_set *s)
{
	struct nftnl_expr *count = nftnl_expr_alloc("counter");
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");

	if (count)
		nftnl_set_add_expr(s, count);
	if (limit) {
		nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, 1);
		nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 60);
		nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, 1);
		nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_TYPE,
				   NFT_LIMIT_PKTS);
		nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, 0);
		nftnl_set_add_expr(s, limit);
	}
	return count && limit;
}

/* So that nft(8) can show the names: they are no numbers of the network's byte order. */
static bool put_order(struct nftnl_set *s)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(64);
	bool ok = u && nftnl_udata_put_u32(u, NFTNL_UDATA_SET_KEYBYTEORDER,
					   HOST_ENDIAN);

	if (ok)
		nftnl_set_set_data(s, NFTNL_SET_USERDATA,
				   nftnl_udata_buf_data(u),
				   nftnl_udata_buf_len(u));
	nftnl_udata_buf_free(u);
	return ok;
}

static struct nftnl_set *declare(const struct nft_plan *p, unsigned int i)
{
	const struct nft_set *t = &p->set[i];
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return NULL;
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, (uint32_t)p->family);
	nftnl_set_set_str(s, NFTNL_SET_TABLE, p->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, t->name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, NFT_MAPS + i + 1);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, t->tells ? NFT_SET_EXPR : 0);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, TYPE_IFNAME);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, IFNAMSIZ);
	if (put_order(s) && (!t->tells || make_tell(s)))
		return s;
	nftnl_set_free(s);
	return NULL;
}

static bool add_name(struct nftnl_set *s, const uint8_t *key)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e)
		return false;
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, IFNAMSIZ);
	nftnl_set_elem_add(s, e);
	return true;
}

struct nftnl_set *nft_build_set(const struct nft_plan *p, unsigned int i)
{
	const struct nft_set *t = &p->set[i];
	struct nftnl_set *s = declare(p, i);

	for (size_t k = 0; s && k < t->n; k++)
		if (!add_name(s, p->elem[t->first + k].key)) {
			nftnl_set_free(s);
			s = NULL;
		}
	return s;
}

static int not_empty(struct nftnl_set_elem *e, void *arg)
{
	(void)e;
	*(bool *)arg = false;
	return 0;
}

bool nft_is_empty(const struct nftnl_set *s)
{
	bool empty = true;

	(void)nftnl_set_elem_foreach((struct nftnl_set *)s, not_empty, &empty);
	return empty;
}

/* ---- compared --------------------------------------------------------------------------- */

struct keys {
	uint8_t (*key)[IFNAMSIZ];
	size_t n, cap;
	bool nomem;
};

static void take(struct keys *l, const uint8_t *key)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *p = realloc(l->key, cap * sizeof(*l->key));

		if (!p) {
			l->nomem = true;
			return;
		}
		l->key = p;
		l->cap = cap;
	}
	memcpy(l->key[l->n++], key, IFNAMSIZ);
}

static int take_elem(struct nftnl_set_elem *e, void *arg)
{
	uint32_t len = 0;
	const uint8_t *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);

	if (key && len == IFNAMSIZ)
		take(arg, key);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, IFNAMSIZ);
}

static void sort(struct keys *l)
{
	if (l->n)
		qsort(l->key, l->n, sizeof(*l->key), by_name);
}

/* What is only in @a goes to @out. */
static bool only_in(const struct keys *a, const struct keys *b,
		    struct nftnl_set *out)
{
	for (size_t i = 0, k = 0; i < a->n; i++) {
		while (k < b->n && by_name(b->key[k], a->key[i]) < 0)
			k++;
		if (k < b->n && !by_name(b->key[k], a->key[i]))
			continue;
		if (!add_name(out, a->key[i]))
			return false;
	}
	return true;
}

static int differences(const struct nft_plan *p, unsigned int i,
		       const struct keys *have, const struct keys *want,
		       struct nft_batch *b)
{
	struct nftnl_set *add = declare(p, i), *del = declare(p, i);
	int r = -ENOMEM;

	if (add && del && only_in(want, have, add) && only_in(have, want, del))
		r = !nft_is_empty(add) || !nft_is_empty(del);
	if (r > 0 && b && !nft_is_empty(del))
		nft_del_elements(b, del);
	if (r > 0 && b && !nft_is_empty(add))
		nft_put_elements(b, add);
	nftnl_set_free(add);
	nftnl_set_free(del);
	return r;
}

static int read_keys(struct nft *n, const struct nft_plan *p, const char *set,
		     struct keys *l)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES; i++) {
		struct nftnl_set *s = nftnl_set_alloc();

		r = s ? nft_ask_elements(n, p->family, p->table, set, s)
		      : -ENOMEM;
		if (!r)
			(void)nftnl_set_elem_foreach(s, take_elem, l);
		nftnl_set_free(s);
	}
	return r ? r : l->nomem ? -ENOMEM : 0;
}

static int one_differs(struct nft *n, const struct nft_plan *p, unsigned int i,
		       struct nft_batch *b)
{
	const struct nft_set *t = &p->set[i];
	struct keys have = {NULL}, want = {NULL};
	int r = read_keys(n, p, t->name, &have);

	for (size_t k = 0; !r && k < t->n; k++)
		take(&want, p->elem[t->first + k].key);
	if (!r && want.nomem)
		r = -ENOMEM;
	sort(&have);
	sort(&want);
	if (!r)
		r = differences(p, i, &have, &want, b);
	free(have.key);
	free(want.key);
	return r;
}

int nft_sets_differ(struct nft *n, const struct nft_plan *p,
		    struct nft_batch *b)
{
	int differ = 0;

	for (unsigned int i = 0; i < p->nset; i++) {
		int r = one_differs(n, p, i, b);

		if (r < 0)
			return r;
		differ |= r;
	}
	return differ;
}

/* ---- counted --------------------------------------------------------------------------------- */

struct counts {
	enum nftguard_kind kind;
	nft_count_fn fn;
	void *arg;
};

static int take_count(struct nftnl_expr *e, void *arg)
{
	if (!strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "counter"))
		*(uint64_t *)arg = nftnl_expr_get_u64(e, NFTNL_EXPR_CTR_PACKETS);
	return 0;
}

static int count_elem(struct nftnl_set_elem *e, void *arg)
{
	struct counts *c = arg;
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);
	char port[IFNAMSIZ] = "";
	uint64_t n = 0;

	if (!key || len != IFNAMSIZ)
		return 0;
	memcpy(port, key, IFNAMSIZ - 1);
	(void)nftnl_set_elem_expr_foreach(e, take_count, &n);
	if (n)
		c->fn(c->arg, port, c->kind, n);
	return 0;
}

int nft_counts(struct nft *n, const char *network, nft_count_fn fn, void *arg)
{
	struct counts c = {.fn = fn, .arg = arg};
	char table[NFT_NETWORK + 8];
	int r = 0;

	nft_table_name(network, table);
	for (unsigned int k = 0; !r && k < NFTGUARD_KINDS; k++) {
		struct nftnl_set *s = nftnl_set_alloc();

		c.kind = (enum nftguard_kind)k;
		r = s ? nft_ask_elements(n, NFPROTO_BRIDGE, table,
					 nftguard_name(c.kind), s)
		      : -ENOMEM;
		if (!r || r == -EINTR) /* a set that is being changed */
			(void)nftnl_set_elem_foreach(s, count_elem, &c);
		nftnl_set_free(s);
		if (r == -ENOENT || r == -EINTR)
			r = 0;
	}
	return r;
}
