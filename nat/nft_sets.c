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
#define TYPE_IP4    7u
#define TYPE_IP6    8u
#define TYPE_ETHER  9u
#define TYPE_IFNAME 41u
#define TYPE_BITS   6
#define HOST_ENDIAN 1u
#define BIG_ENDIAN_ 2u

#define DAY_MS	    86400000
#define DYNAMIC_MAX 65536 /* elements */
#define TRIES	    5

/* ---- made ----------------------------------------------------------------------------- */

static const struct {
	uint32_t type, len;
} keys[] = {
	[NFT_K_NAME] = {TYPE_IFNAME, IFNAMSIZ},
	[NFT_K_NAME_MAC] = {TYPE_IFNAME << TYPE_BITS | TYPE_ETHER, IFNAMSIZ + 8},
	[NFT_K_NAME_IP4] = {TYPE_IFNAME << TYPE_BITS | TYPE_IP4, IFNAMSIZ + 4},
	[NFT_K_NAME_IP6] = {TYPE_IFNAME << TYPE_BITS | TYPE_IP6, IFNAMSIZ + 16},
	[NFT_K_IP6] = {TYPE_IP6, 16},
	[NFT_K_MAC] = {TYPE_ETHER, 6},
};

/* A rate by unit seconds; @flags: NFT_LIMIT_F_INV for what is beyond it. */
static struct nftnl_expr *make_limit(uint32_t type, uint64_t rate, uint64_t unit,
				     uint64_t burst, uint32_t flags)
{
	struct nftnl_expr *e = nftnl_expr_alloc("limit");

	if (!e)
		return NULL;
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, rate);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, unit);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, (uint32_t)burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, type);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, flags);
	return e;
}

/* What its elements do when they are found; those with a rate of their own say so again. */
static struct nftnl_expr *limit_of(enum nft_set_kind kind)
{
	switch (kind) {
	case NFT_SET_TELLS:
		return make_limit(NFT_LIMIT_PKTS, 1, 60, 1, 0);
	case NFT_SET_SPARES:
		return make_limit(NFT_LIMIT_PKTS, 2, 60, 16, 0);
	case NFT_SET_PACKETS:
		return make_limit(NFT_LIMIT_PKTS, 1, 1, 5, NFT_LIMIT_F_INV);
	case NFT_SET_BYTES:
		return make_limit(NFT_LIMIT_PKT_BYTES, 1, 1, 0, NFT_LIMIT_F_INV);
	default:
		return NULL;
	}
}

static bool add_exprs(struct nftnl_set *s, enum nft_set_kind kind)
{
	bool counts = kind == NFT_SET_COUNTS || kind == NFT_SET_TELLS;
	bool limits = kind != NFT_SET_PLAIN && kind != NFT_SET_COUNTS &&
		      kind != NFT_SET_DYNAMIC && kind != NFT_SET_RANGES;
	struct nftnl_expr *count = counts ? nftnl_expr_alloc("counter") : NULL;
	struct nftnl_expr *limit = limit_of(kind);

	if (count)
		nftnl_set_add_expr(s, count);
	if (limit)
		nftnl_set_add_expr(s, limit);
	return (!counts || count) && (!limits || limit);
}

/* So that nft(8) can show names: they are no numbers of the network's byte order. */
static bool put_order(struct nftnl_set *s, enum nft_key key)
{
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(64);
	bool ok = u && nftnl_udata_put_u32(u, NFTNL_UDATA_SET_KEYBYTEORDER,
					   key == NFT_K_NAME ? HOST_ENDIAN
							     : BIG_ENDIAN_);

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
	uint32_t flags = t->kind == NFT_SET_TELLS ? NFT_SET_EXPR : 0;
	const uint8_t fields[] = {IFNAMSIZ,
				  (uint8_t)(keys[t->key].len - IFNAMSIZ)};

	if (!s)
		return NULL;
	if (t->kind == NFT_SET_RANGES) {
		flags = NFT_SET_INTERVAL | NFT_SET_CONCAT;
		nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, fields,
				   sizeof(fields));
	}
	if (t->kind == NFT_SET_DYNAMIC) {
		flags = NFT_SET_EVAL | NFT_SET_TIMEOUT;
		nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, DAY_MS);
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, DYNAMIC_MAX);
	}
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, (uint32_t)p->family);
	nftnl_set_set_str(s, NFTNL_SET_TABLE, p->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, t->name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, NFT_MAPS + i + 1);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, keys[t->key].type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, keys[t->key].len);
	if (put_order(s, t->key) && add_exprs(s, t->kind))
		return s;
	nftnl_set_free(s);
	return NULL;
}

static bool add_elem(struct nftnl_set *s, const struct nft_set *t,
		     const struct nft_elem *w)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	struct nftnl_expr *limit = NULL;

	if (!e)
		return false;
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, w->key, keys[t->key].len);
	if (t->kind == NFT_SET_RANGES)
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY_END, w->end,
				   keys[t->key].len);
	nftnl_set_elem_add(s, e);
	if (!w->rate)
		return true;
	limit = make_limit(t->kind == NFT_SET_BYTES ? NFT_LIMIT_PKT_BYTES
						    : NFT_LIMIT_PKTS,
			   w->rate, 1, w->burst, NFT_LIMIT_F_INV);
	if (limit)
		nftnl_set_elem_add_expr(e, limit);
	return limit;
}

struct nftnl_set *nft_build_set(const struct nft_plan *p, unsigned int i)
{
	const struct nft_set *t = &p->set[i];
	struct nftnl_set *s = declare(p, i);

	for (size_t k = 0; s && k < t->n; k++)
		if (!add_elem(s, t, &p->elem[t->first + k])) {
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

struct elems {
	const struct nft_set *t;
	struct nft_elem *e;
	size_t n, cap;
	bool nomem;
};

static void take(struct elems *l, const struct nft_elem *e)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *p = realloc(l->e, cap * sizeof(*l->e));

		if (!p) {
			l->nomem = true;
			return;
		}
		l->e = p;
		l->cap = cap;
	}
	l->e[l->n++] = *e;
}

static int take_rate(struct nftnl_expr *x, void *arg)
{
	struct nft_elem *e = arg;

	if (strcmp(nftnl_expr_get_str(x, NFTNL_EXPR_NAME), "limit"))
		return 0;
	e->rate = nftnl_expr_get_u64(x, NFTNL_EXPR_LIMIT_RATE);
	e->burst = nftnl_expr_get_u32(x, NFTNL_EXPR_LIMIT_BURST);
	return 0;
}

static int take_elem(struct nftnl_set_elem *x, void *arg)
{
	struct elems *l = arg;
	struct nft_elem e;
	uint32_t len = 0;
	const uint8_t *key = nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY, &len);

	memset(&e, 0, sizeof(e));
	if (!key || len != keys[l->t->key].len)
		return 0;
	memcpy(e.key, key, len);
	key = l->t->kind == NFT_SET_RANGES
		      ? nftnl_set_elem_get(x, NFTNL_SET_ELEM_KEY_END, &len)
		      : NULL;
	if (key && len == keys[l->t->key].len)
		memcpy(e.end, key, len);
	if (l->t->kind == NFT_SET_PACKETS || l->t->kind == NFT_SET_BYTES)
		(void)nftnl_set_elem_expr_foreach(x, take_rate, &e);
	take(l, &e);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nft_elem));
}

static void sort(struct elems *l)
{
	if (l->n)
		qsort(l->e, l->n, sizeof(*l->e), by_bytes);
}

/* What is only in @a goes to @out, once. */
static bool only_in(const struct elems *a, const struct elems *b,
		    struct nftnl_set *out, const struct nft_set *t)
{
	for (size_t i = 0, k = 0; i < a->n; i++) {
		while (k < b->n && by_bytes(&b->e[k], &a->e[i]) < 0)
			k++;
		if ((k < b->n && !by_bytes(&b->e[k], &a->e[i])) ||
		    (i && !by_bytes(&a->e[i - 1], &a->e[i])))
			continue;
		if (!add_elem(out, t, &a->e[i]))
			return false;
	}
	return true;
}

static int differences(const struct nft_plan *p, unsigned int i,
		       const struct elems *have, const struct elems *want,
		       struct nft_batch *b)
{
	struct nftnl_set *add = declare(p, i), *del = declare(p, i);
	const struct nft_set *t = &p->set[i];
	int r = -ENOMEM;

	if (add && del && only_in(want, have, add, t) &&
	    only_in(have, want, del, t))
		r = !nft_is_empty(add) || !nft_is_empty(del);
	if (r > 0 && b && !nft_is_empty(del))
		nft_del_elements(b, del);
	if (r > 0 && b && !nft_is_empty(add))
		nft_put_elements(b, add);
	nftnl_set_free(add);
	nftnl_set_free(del);
	return r;
}

int nft_set_differs(const struct nft_plan *p, unsigned int i,
		    const struct nft_elem *have, size_t nhave,
		    const struct nft_elem *want, size_t nwant,
		    struct nft_batch *b)
{
	struct elems h = {.t = &p->set[i]}, w = {.t = &p->set[i]};
	int r = -ENOMEM;

	for (size_t k = 0; k < nhave; k++)
		take(&h, &have[k]);
	for (size_t k = 0; k < nwant; k++)
		take(&w, &want[k]);
	sort(&h);
	sort(&w);
	if (!h.nomem && !w.nomem)
		r = differences(p, i, &h, &w, b);
	free(h.e);
	free(w.e);
	return r;
}

static int read_elems(struct nft *n, const struct nft_plan *p, struct elems *l)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES; i++) {
		struct nftnl_set *s = nftnl_set_alloc();

		r = s ? nft_ask_elements(n, p->family, p->table, l->t->name, s)
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
	struct elems have = {.t = t};
	int r = read_elems(n, p, &have);

	if (!r)
		r = nft_set_differs(p, i, have.e, have.n, &p->elem[t->first],
				    t->n, b);
	free(have.e);
	return r;
}

int nft_sets_differ(struct nft *n, const struct nft_plan *p,
		    struct nft_batch *b)
{
	int differ = 0;

	for (unsigned int i = 0; i < p->nset; i++) {
		int r = p->set[i].kind != NFT_SET_DYNAMIC
				? one_differs(n, p, i, b)
				: 0;

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
