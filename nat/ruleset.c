// SPDX-License-Identifier: GPL-2.0-or-later
/* A ruleset's memory and lists, and rules as text. See ruleset.h; questions are
 * answered in ruleset_eval.c. */

#include "nat/ruleset.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536

struct rs_chunk {
	struct rs_chunk *next;
	size_t used, cap;
	_Alignas(16) uint8_t bytes[];
};

void ruleset_init(struct ruleset *rs)
{
	memset(rs, 0, sizeof(*rs));
	list_init(&rs->chains);
	list_init(&rs->sets);
}

void ruleset_fini(struct ruleset *rs)
{
	list_for_each_safe(s, &rs->sets, struct rs_set, node)
		free(s->elem);
	for (struct rs_chunk *c = rs->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	ruleset_init(rs);
}

void *ruleset_alloc(struct ruleset *rs, size_t n)
{
	struct rs_chunk *c = rs->chunks;
	size_t size = (n + 15) & ~(size_t)15;
	void *p;

	if (!c || c->cap - c->used < size) {
		size_t cap = size > CHUNK ? size : CHUNK;

		c = calloc(1, sizeof(*c) + cap);
		if (!c)
			return NULL;
		c->cap = cap;
		c->next = rs->chunks;
		rs->chunks = c;
	}
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

const void *ruleset_copy(struct ruleset *rs, const void *from, size_t n)
{
	void *p = ruleset_alloc(rs, n);

	if (p)
		memcpy(p, from, n);
	return p;
}

/* ---- lists ---------------------------------------------------------------------------- */

static unsigned int hash_more(unsigned int h, const char *s)
{
	for (size_t i = 0; i < RS_NAME - 1 && s[i]; i++)
		h = h * 31 + (unsigned char)s[i];
	return h;
}

/* Names are those of the host's administrator: nobody makes them collide. */
static unsigned int bucket(uint8_t family, const char *table, const char *name)
{
	return hash_more(hash_more(family, table), name) % RS_BUCKETS;
}

static bool is_named(const struct rs_table *t, const char *own, uint8_t family,
		     const char *table, const char *name)
{
	return t->family == family && !strncmp(t->name, table, RS_NAME - 1) &&
	       !strncmp(own, name, RS_NAME - 1);
}

struct rs_chain *ruleset_chain_add(struct ruleset *rs, uint8_t family,
				   const char *table, const char *name)
{
	struct rs_chain *c = ruleset_alloc(rs, sizeof(*c)), **at;

	if (!c)
		return NULL;
	c->table.family = family;
	snprintf(c->table.name, RS_NAME, "%s", table);
	snprintf(c->name, RS_NAME, "%s", name);
	list_init(&c->rules);
	at = &rs->chain_at[bucket(family, c->table.name, c->name)];
	c->same = *at;
	*at = c;
	list_add_tail(&rs->chains, &c->node);
	return c;
}

struct rs_chain *ruleset_chain_find(const struct ruleset *rs, uint8_t family,
				    const char *table, const char *name)
{
	struct rs_chain *c = rs->chain_at[bucket(family, table, name)];

	while (c && !is_named(&c->table, c->name, family, table, name))
		c = c->same;
	return c;
}

void ruleset_set_add(struct ruleset *rs, struct rs_set *s)
{
	struct rs_set **at =
		&rs->set_at[bucket(s->table.family, s->table.name, s->name)];

	s->same = *at;
	*at = s;
	list_add_tail(&rs->sets, &s->node);
}

struct rs_set *ruleset_set_find(const struct ruleset *rs, uint8_t family,
				const char *table, const char *name)
{
	struct rs_set *s = rs->set_at[bucket(family, table, name)];

	while (s && !is_named(&s->table, s->name, family, table, name))
		s = s->same;
	return s;
}

struct rs_rule *ruleset_rule_add(struct ruleset *rs, struct rs_chain *c,
				 uint64_t handle, unsigned int exprs)
{
	struct rs_rule *r;

	if (rs->nrules >= RS_RULES_MAX) {
		rs->partial = true;
		return NULL;
	}
	r = ruleset_alloc(rs, sizeof(*r));
	if (!r)
		return NULL;
	r->handle = handle;
	r->in = c;
	r->expr = ruleset_alloc(rs, (exprs ? exprs : 1) * sizeof(*r->expr));
	if (!r->expr)
		return NULL;
	list_add_tail(&c->rules, &r->node);
	rs->nrules++;
	return r;
}

/* ---- text ------------------------------------------------------------------------------- */

const char *ruleset_family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	}
	return "?";
}

static const char *load_name(const struct rs_expr *e)
{
	if (e->op == RS_META)
		return e->key == NFT_META_IIFNAME   ? "iifname"
		       : e->key == NFT_META_OIFNAME ? "oifname"
		       : e->key == NFT_META_IIF	    ? "iif"
		       : e->key == NFT_META_OIF	    ? "oif"
		       : e->key == NFT_META_L4PROTO ? "l4proto"
		       : e->key == NFT_META_NFPROTO ? "nfproto"
		       : e->key == NFT_META_MARK    ? "mark"
						    : "meta";
	if (e->op == RS_CT)
		return e->key == NFT_CT_STATE ? "ct state" : "ct";
	if (e->op == RS_FIB)
		return "fib";
	if (e->op != RS_PAYLOAD)
		return "(…)";
	if (e->key == NFT_PAYLOAD_TRANSPORT_HEADER)
		return e->arg == 0 ? "sport" : e->arg == 2 ? "dport" : "th";
	return e->arg == 12 && e->len <= 4   ? "ip saddr"
	       : e->arg == 16 && e->len <= 4 ? "ip daddr"
	       : e->arg == 8 && e->len > 4   ? "ip6 saddr"
	       : e->arg == 24 && e->len > 4  ? "ip6 daddr"
	       : e->arg == 9		     ? "ip protocol"
					     : "header";
}

static void put_value(FILE *f, const struct rs_expr *load,
		      const struct rs_expr *cmp)
{
	bool name = load && load->op == RS_META &&
		    (load->key == NFT_META_IIFNAME ||
		     load->key == NFT_META_OIFNAME);

	if (cmp->arg == NFT_CMP_NEQ)
		fputs("!= ", f);
	if (name) {
		bool prefix = cmp->len && cmp->a[cmp->len - 1];

		fputc('"', f);
		for (uint32_t i = 0; i < cmp->len && cmp->a[i]; i++)
			fputc(cmp->a[i] < 0x20 || cmp->a[i] > 0x7e ? '?'
								  : cmp->a[i],
			      f);
		fprintf(f, "%s\" ", prefix ? "*" : "");
	} else if (load && load->op == RS_PAYLOAD && cmp->len == 4) {
		fprintf(f, "%u.%u.%u.%u ", cmp->a[0], cmp->a[1], cmp->a[2],
			cmp->a[3]);
	} else if (load && load->op == RS_PAYLOAD && cmp->len == 2) {
		fprintf(f, "%d ", cmp->a[0] << 8 | cmp->a[1]);
	} else if (cmp->len == 1) {
		fprintf(f, "%s ", cmp->a[0] == IPPROTO_TCP    ? "tcp"
				  : cmp->a[0] == IPPROTO_UDP  ? "udp"
				  : cmp->a[0] == IPPROTO_ICMP ? "icmp"
				  : cmp->a[0] == NFPROTO_IPV4 ? "ipv4"
				  : cmp->a[0] == NFPROTO_IPV6 ? "ipv6"
							      : "…");
	} else {
		fputs("… ", f);
	}
}

static void put_verdict(FILE *f, const struct rs_expr *e)
{
	const char *to = e->chain ? e->chain->name : "?";

	if (e->key == NF_ACCEPT)
		fputs("accept", f);
	else if (e->key == NF_DROP)
		fputs(e->what ? e->what : "drop", f);
	else if (e->key == (uint32_t)NFT_JUMP)
		fprintf(f, "jump %s", to);
	else if (e->key == (uint32_t)NFT_GOTO)
		fprintf(f, "goto %s", to);
	else if (e->key == (uint32_t)NFT_RETURN)
		fputs("return", f);
}

static void put_expr(FILE *f, const struct rs_expr *e,
		     const struct rs_expr **load)
{
	switch (e->op) {
	case RS_META:
	case RS_PAYLOAD:
	case RS_CT:
	case RS_FIB:
	case RS_LOAD_ANY:
		*load = e;
		break;
	case RS_CMP:
		fprintf(f, "%s ", *load ? load_name(*load) : "…");
		put_value(f, *load, e);
		break;
	case RS_RANGE:
		fprintf(f, "%s … ", *load ? load_name(*load) : "…");
		break;
	case RS_LOOKUP:
		fprintf(f, "%s %s%s%s ", *load ? load_name(*load) : "…",
			e->arg ? "!= " : "", "@",
			e->set ? e->set->name : "?");
		break;
	case RS_STATE:
		fprintf(f, "ct state%s … ", e->arg ? " !=" : "");
		break;
	case RS_UNKNOWN:
	case RS_VERDICT_ANY:
		fprintf(f, "[%s] ", e->what);
		break;
	case RS_VERDICT:
		put_verdict(f, e);
		break;
	default:
		break;
	}
}

char *ruleset_rule_text(const struct rs_rule *r, char out[RS_TEXT])
{
	const struct rs_expr *load = NULL;
	FILE *f = fmemopen(out, RS_TEXT - 1, "w");

	memset(out, 0, RS_TEXT);
	if (!f)
		return out;
	setvbuf(f, NULL, _IONBF, 0);
	for (unsigned int i = 0; i < r->n; i++)
		put_expr(f, &r->expr[i], &load);
	fclose(f);
	out[RS_TEXT - 1] = '\0';
	while (out[0] && out[strlen(out) - 1] == ' ')
		out[strlen(out) - 1] = '\0';
	return out;
}
