// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core lib */
/*
 * Rulesets of any shape and a packet: an expression is six bytes (what, two registers, key,
 * argument, length) and its data. Whatever the rules say, the question ends, and an answer
 * that is not "passes" says where.
 */
#include "nat/ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"

#define CHAINS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void make_set(struct ruleset *rs, struct rs_set *s, struct cur *c,
		     struct rs_chain *const chain[CHAINS])
{
	static struct rs_elem elem[3];

	s->flags = cur_u8(c) & 0x1f;
	s->key_len = 1 + cur_u8(c) % RS_REGS;
	s->data_len = 1 + cur_u8(c) % RS_REGS;
	s->verdicts = s->flags & 8;
	s->nparts = cur_u8(c) % 3;
	for (unsigned int i = 0; i < s->nparts; i++)
		s->part[i] = 1 + cur_u8(c) % 32;
	s->elem = elem;
	s->n = cur_u8(c) % (ARRAY_LEN(elem) + 1);
	for (size_t i = 0; i < s->n; i++) {
		uint8_t how = cur_u8(c), *key = ruleset_alloc(rs, 2 * RS_REGS);

		for (size_t k = 0; k < 4; k++)
			key[k] = cur_u8(c);
		elem[i] = (struct rs_elem){
			.key = key,
			.end = how & 1 || s->nparts ? key + 1 : NULL,
			.interval_end = how & 2,
			.data = s->verdicts ? NULL : key,
			.verdict = (uint32_t)(int8_t)cur_u8(c),
			.chain = how & 4 ? chain[how % CHAINS] : NULL,
		};
	}
}

static void make_expr(struct ruleset *rs, struct rs_expr *x, struct cur *c,
		      const struct rs_set *s,
		      struct rs_chain *const chain[CHAINS])
{
	uint8_t *bytes = ruleset_alloc(rs, 2 * RS_REGS);

	x->op = cur_u8(c) % (RS_VERDICT_ANY + 1);
	x->reg = cur_u8(c) % (RS_REGS + 1);
	x->reg2 = cur_u8(c) % (RS_REGS + 1);
	x->key = (uint32_t)(int8_t)cur_u8(c);
	x->arg = cur_u8(c) % 80;
	x->len = cur_u8(c) % (RS_REGS + 1);
	/* Ports are four bytes, a mark's too. */
	for (uint32_t i = 0; i < 4; i++)
		bytes[i] = cur_u8(c);
	x->a = bytes;
	x->b = bytes + RS_REGS;
	x->what = "what";
	x->set = x->arg & 2 || x->op != RS_LOOKUP ? s : NULL;
	x->chain = x->arg & 4 ? NULL : chain[x->arg % CHAINS];
}

static void ask(const struct ruleset *rs, struct cur *c)
{
	struct rs_packet p = {.family = cur_u8(c) & 1 ? 2 : 10,
			      .iif = "eth0", .proto = cur_u8(c),
			      .dport = cur_u8(c), .state = RS_NEW};
	struct rs_finding f;
	char text[RS_TEXT];

	ruleset_ask(rs, &p, 2, NULL, &f);
	require(f.outcome <= RS_MAYBE);
	if (f.outcome == RS_DROPPED)
		require(f.base && f.chain && (!f.rule || f.rule->in == f.chain));
	if (f.outcome == RS_MAYBE)
		require(f.unknown != NULL);
	if (f.rule)
		require(strlen(ruleset_rule_text(f.rule, text)) < RS_TEXT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	struct rs_chain *chain[CHAINS];
	struct rs_set set = {.name = "s"};
	struct ruleset rs;

	ruleset_init(&rs);
	for (unsigned int i = 0; i < CHAINS; i++) {
		char name[2] = {(char)('a' + i), '\0'};

		chain[i] = ruleset_chain_add(&rs, i & 1 ? 2 : 1, "t", name);
		chain[i]->base = i < 2;
		chain[i]->hook = 2;
		chain[i]->drops = i == 1;
	}
	make_set(&rs, &set, &c, chain);
	while (c.left && rs.nrules < 64) {
		uint8_t n = cur_u8(&c) % 6;
		struct rs_rule *r = ruleset_rule_add(
			&rs, chain[cur_u8(&c) % CHAINS], rs.nrules, n);

		require(r != NULL);
		for (r->n = 0; r->n < n; r->n++)
			make_expr(&rs, &r->expr[r->n], &c, &set, chain);
	}
	c = cur_make(data, size);
	ask(&rs, &c);
	ruleset_fini(&rs);
	return 0;
}
