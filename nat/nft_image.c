// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects of libnftnl as text: the same for the same, whether a plan or the kernel made
 * them. See nft_int.h. */
#include "nat/nft_int.h"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <stdlib.h>
#include <string.h>

#define ELEM_TEXT 100 /* two hex digits a byte of key and value, and between */

static const char *str(const char *s)
{
	return s ? s : "";
}

void nft_image_chain(FILE *f, const struct nftnl_chain *c)
{
	fprintf(f, "chain %s %s %u %d %u\n",
		str(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME)),
		str(nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE)),
		nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM),
		nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO),
		nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY));
}

static int put_expr(struct nftnl_expr *e, void *arg)
{
	char text[512];

	if (nftnl_expr_snprintf(text, sizeof(text), e, 0, 0) < 0)
		text[0] = '\0';
	fprintf(arg, " [ %s %s]", str(nftnl_expr_get_str(e, NFTNL_EXPR_NAME)),
		text);
	return 0;
}

void nft_image_rule(FILE *f, struct nftnl_rule *r)
{
	fprintf(f, "rule %s", str(nftnl_rule_get_str(r, NFTNL_RULE_CHAIN)));
	(void)nftnl_expr_foreach(r, put_expr, f);
	fputc('\n', f);
}

/* Only what kinds they are: there is but one way to make them. */
static int put_name(struct nftnl_expr *e, void *arg)
{
	fprintf(arg, " %s", str(nftnl_expr_get_str(e, NFTNL_EXPR_NAME)));
	return 0;
}

void nft_image_set(FILE *f, const struct nftnl_set *s)
{
	fprintf(f, "map %s %u %u %u",
		str(nftnl_set_get_str(s, NFTNL_SET_NAME)),
		nftnl_set_get_u32(s, NFTNL_SET_FLAGS),
		nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN),
		nftnl_set_get_u32(s, NFTNL_SET_DATA_LEN));
	(void)nftnl_set_expr_foreach(s, put_name, f);
	fputc('\n', f);
}

/* ---- elements ------------------------------------------------------------------------- */

struct elems {
	char (*line)[ELEM_TEXT];
	size_t n, cap;
	bool nomem;
};

static size_t put_hex(char *out, size_t at, const struct nftnl_set_elem *e,
		      uint16_t attr)
{
	uint32_t len = 0;
	const uint8_t *b = nftnl_set_elem_get((struct nftnl_set_elem *)e, attr,
					      &len);

	for (uint32_t i = 0; b && i < len && at + 4 < ELEM_TEXT; i++)
		at += (size_t)snprintf(out + at, ELEM_TEXT - at, "%02x", b[i]);
	return at;
}

static int take_elem(struct nftnl_set_elem *e, void *arg)
{
	struct elems *l = arg;
	size_t at;

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *p = realloc(l->line, cap * sizeof(*l->line));

		if (!p) {
			l->nomem = true;
			return -1;
		}
		l->line = p;
		l->cap = cap;
	}
	at = put_hex(l->line[l->n], 0, e, NFTNL_SET_ELEM_KEY);
	l->line[l->n][at++] = ' ';
	l->line[l->n][at] = '\0';
	(void)put_hex(l->line[l->n], at, e, NFTNL_SET_ELEM_DATA);
	l->n++;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

void nft_image_elems(FILE *f, struct nftnl_set *s)
{
	struct elems l = {NULL};

	(void)nftnl_set_elem_foreach(s, take_elem, &l);
	if (l.n)
		qsort(l.line, l.n, sizeof(*l.line), by_text);
	for (size_t i = 0; i < l.n; i++)
		fprintf(f, "element %s\n", l.line[i]);
	if (l.nomem) /* like nothing that is there */
		fputs("element ?\n", f);
	free(l.line);
}

/* ---- a plan ----------------------------------------------------------------------------- */

static bool plan_maps(FILE *f, const struct nft_plan *p)
{
	for (unsigned int m = 0; m < NFT_MAPS; m++) {
		struct nftnl_set *s;

		if (!p->in_map[m])
			continue;
		s = nft_build_map(p, m);
		if (!s)
			return false;
		nft_image_set(f, s);
		nft_image_elems(f, s);
		nftnl_set_free(s);
	}
	for (unsigned int i = 0; i < p->nset; i++) {
		struct nftnl_set *s = nft_build_set(p, i);

		if (!s)
			return false;
		nft_image_set(f, s);
		nftnl_set_free(s);
	}
	return true;
}

static bool plan_chains(FILE *f, const struct nft_plan *p)
{
	for (unsigned int i = 0; i < p->nchain; i++) {
		struct nftnl_chain *c = nft_build_chain(p, i);

		if (!c)
			return false;
		nft_image_chain(f, c);
		nftnl_chain_free(c);
	}
	for (unsigned int i = 0; i < p->nrule; i++) {
		struct nftnl_rule *r = nft_build_rule(p, i);

		if (!r)
			return false;
		nft_image_rule(f, r);
		nftnl_rule_free(r);
	}
	return true;
}

char *nft_image_plan(const struct nft_plan *p)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool ok;

	if (!f)
		return NULL;
	ok = plan_maps(f, p) && plan_chains(f, p);
	if (fclose(f) || !ok) {
		free(text);
		return NULL;
	}
	return text;
}
