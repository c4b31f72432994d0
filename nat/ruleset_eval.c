// SPDX-License-Identifier: GPL-2.0-or-later
/* What a ruleset does with a packet. Pure; see ruleset.h. */
#include "nat/ruleset.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define IP4_HEADER 20
#define IP6_HEADER 40
#define L4_HEADER  20

/* Ways a chain may end. */
#define OUT_ACCEPT 1u
#define OUT_DROP   2u
#define OUT_FALL   4u /* its end, or a return */

enum tri { NO, YES, PERHAPS };

struct regs {
	uint8_t byte[RS_REGS];
	bool known[RS_REGS];
};

struct eval {
	const struct rs_packet *p;
	struct regs regs;
	uint8_t net[IP6_HEADER], l4[L4_HEADER];
	size_t net_len, l4_len;
	uint32_t mark;
	bool mark_known;
	unsigned int steps, depth;
	const char *unknown; /* the first that could not be judged */
	struct rs_finding *out; /* chain and rule of the first drop */
	bool found;
};

/* ---- the packet's bytes ------------------------------------------------------------- */

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void make_headers(struct eval *e)
{
	const struct rs_packet *p = e->p;
	uint32_t s = ipaddr_get4(&p->src), d = ipaddr_get4(&p->dst);

	if (p->family == NFPROTO_IPV4) {
		e->net_len = IP4_HEADER;
		e->net[0] = 0x45;
		put16(e->net + 2, IP4_HEADER + L4_HEADER);
		e->net[8] = 64;
		e->net[9] = p->proto;
		for (int i = 0; i < 4; i++) {
			e->net[12 + i] = (uint8_t)(s >> (24 - 8 * i));
			e->net[16 + i] = (uint8_t)(d >> (24 - 8 * i));
		}
	} else {
		e->net_len = IP6_HEADER;
		e->net[0] = 0x60;
		put16(e->net + 4, L4_HEADER);
		e->net[6] = p->proto;
		e->net[7] = 64;
		memcpy(e->net + 8, p->src.b, 16);
		memcpy(e->net + 24, p->dst.b, 16);
	}
	if (p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP) {
		put16(e->l4, p->sport);
		put16(e->l4 + 2, p->dport);
		e->l4_len = p->proto == IPPROTO_TCP ? L4_HEADER : 8;
		if (p->proto == IPPROTO_TCP) {
			e->l4[12] = 0x50;
			e->l4[13] = p->state == RS_NEW ? 0x02 : 0x10;
		}
	} else {
		/* Echo request or its reply. */
		bool ip4 = p->proto == IPPROTO_ICMP;

		e->l4[0] = p->state == RS_NEW ? (ip4 ? 8 : 128) : (ip4 ? 0 : 129);
		e->l4_len = 8;
	}
}

/* ---- registers -------------------------------------------------------------------------- */

static void store(struct eval *e, uint32_t reg, const void *value, uint32_t len,
		  bool known)
{
	for (uint32_t i = 0; i < len && reg + i < RS_REGS; i++) {
		e->regs.byte[reg + i] = ((const uint8_t *)value)[i];
		e->regs.known[reg + i] = known;
	}
}

static void forget(struct eval *e, uint32_t reg, uint32_t len)
{
	for (uint32_t i = 0; i < len && reg + i < RS_REGS; i++)
		e->regs.known[reg + i] = false;
}

static bool all_known(const struct eval *e, uint32_t reg, uint32_t len)
{
	if (reg > RS_REGS || len > RS_REGS - reg)
		return false;
	for (uint32_t i = 0; i < len; i++)
		if (!e->regs.known[reg + i])
			return false;
	return true;
}

static void load_name(struct eval *e, const struct rs_expr *x, const char *name)
{
	char padded[IFNAMSIZ] = "";

	memcpy(padded, name, strnlen(name, IFNAMSIZ - 1));
	/* Outside its hooks a packet has no such device: nothing matches. */
	store(e, x->reg, padded, IFNAMSIZ, true);
}

static void load_meta(struct eval *e, const struct rs_expr *x)
{
	const struct rs_packet *p = e->p;
	uint16_t type = p->family == NFPROTO_IPV4 ? 0x0800 : 0x86dd;
	uint8_t be[2], pkttype = 0;

	switch (x->key) {
	case NFT_META_IIFNAME:
		load_name(e, x, p->iif);
		break;
	case NFT_META_OIFNAME:
		load_name(e, x, p->oif);
		break;
	case NFT_META_IIF:
		store(e, x->reg, &p->iifindex, 4, true);
		break;
	case NFT_META_OIF:
		store(e, x->reg, &p->oifindex, 4, true);
		break;
	case NFT_META_L4PROTO:
		store(e, x->reg, &p->proto, 1, true);
		break;
	case NFT_META_NFPROTO:
		store(e, x->reg, &p->family, 1, true);
		break;
	case NFT_META_PROTOCOL:
		put16(be, type);
		store(e, x->reg, be, 2, true);
		break;
	case NFT_META_PKTTYPE:
		store(e, x->reg, &pkttype, 1, true);
		break;
	case NFT_META_MARK:
		store(e, x->reg, &e->mark, 4, e->mark_known);
		break;
	default:
		forget(e, x->reg, 16);
	}
}

static void load_payload(struct eval *e, const struct rs_expr *x)
{
	const uint8_t *from = NULL;
	size_t have = 0;

	if (x->key == NFT_PAYLOAD_NETWORK_HEADER) {
		from = e->net;
		have = e->net_len;
	} else if (x->key == NFT_PAYLOAD_TRANSPORT_HEADER) {
		from = e->l4;
		have = e->l4_len;
	}
	if (from && x->arg <= have && x->len <= have - x->arg)
		store(e, x->reg, from + x->arg, x->len, true);
	else
		forget(e, x->reg, x->len);
}

static void load_ct(struct eval *e, const struct rs_expr *x)
{
	uint32_t state = e->p->state, zero = 0;
	/* IPS_CONFIRMED is not set yet for a first packet; IPS_DST_NAT is 1 << 5. */
	uint32_t status = e->p->translated ? 1u << 5 : 0;
	uint8_t dir = e->p->state == RS_ESTABLISHED;

	switch (x->key) {
	case NFT_CT_STATE:
		store(e, x->reg, &state, 4, true);
		break;
	case NFT_CT_DIRECTION:
		store(e, x->reg, &dir, 1, true);
		break;
	case NFT_CT_STATUS:
		store(e, x->reg, &status, 4, e->p->state == RS_NEW);
		break;
	case NFT_CT_MARK:
		store(e, x->reg, &zero, 4, e->p->state == RS_NEW);
		break;
	default:
		forget(e, x->reg, 16);
	}
}

/* A packet comes from where its sender is routed to; what its destination is to the host
 * we know. */
static void load_fib(struct eval *e, const struct rs_expr *x)
{
	bool back = (x->arg & NFTA_FIB_F_SADDR) && (x->arg & NFTA_FIB_F_IIF);
	uint32_t type = e->p->to_host ? RTN_LOCAL : RTN_UNICAST;
	uint32_t present = (x->arg & NFTA_FIB_F_PRESENT) ? 1 : e->p->iifindex;

	if (x->key == NFT_FIB_RESULT_ADDRTYPE && (x->arg & NFTA_FIB_F_DADDR))
		store(e, x->reg, &type, 4, true);
	else if (x->key == NFT_FIB_RESULT_OIF && back)
		store(e, x->reg, &present, 4, true);
	else
		forget(e, x->reg, 16);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool compares(uint32_t op, int diff)
{
	switch (op) {
	case NFT_CMP_EQ:
		return diff == 0;
	case NFT_CMP_NEQ:
		return diff != 0;
	case NFT_CMP_LT:
		return diff < 0;
	case NFT_CMP_LTE:
		return diff <= 0;
	case NFT_CMP_GT:
		return diff > 0;
	default:
		return diff >= 0;
	}
}

static enum tri cmp(const struct eval *e, const struct rs_expr *x)
{
	if (!all_known(e, x->reg, x->len))
		return PERHAPS;
	return compares(x->arg, memcmp(e->regs.byte + x->reg, x->a, x->len))
		       ? YES
		       : NO;
}

static enum tri range(const struct eval *e, const struct rs_expr *x)
{
	const uint8_t *v = e->regs.byte + x->reg;
	bool in;

	if (!all_known(e, x->reg, x->len))
		return PERHAPS;
	in = memcmp(v, x->a, x->len) >= 0 && memcmp(v, x->b, x->len) <= 0;
	return in == (x->arg == NFT_RANGE_EQ) ? YES : NO;
}

static void bitwise(struct eval *e, const struct rs_expr *x)
{
	for (uint32_t i = 0; i < x->len && x->reg + i < RS_REGS &&
			     x->reg2 + i < RS_REGS; i++) {
		e->regs.known[x->reg2 + i] = e->regs.known[x->reg + i] ||
					     !x->a[i];
		e->regs.byte[x->reg2 + i] =
			(uint8_t)((e->regs.byte[x->reg + i] & x->a[i]) ^ x->b[i]);
	}
}

/* ---- sets ----------------------------------------------------------------------------------- */

/* Every part of the key within the parts of [key, end]. */
static bool in_parts(const struct rs_set *s, const struct rs_elem *el,
		     const uint8_t *key)
{
	uint32_t at = 0;

	for (unsigned int i = 0; i < s->nparts && at < s->key_len; i++) {
		uint32_t n = s->part[i];

		if (n > s->key_len - at)
			n = s->key_len - at;
		if (memcmp(key + at, el->key + at, n) < 0 ||
		    memcmp(key + at, el->end + at, n) > 0)
			return false;
		at += n;
	}
	return true;
}

static bool elem_is(const struct rs_set *s, const struct rs_elem *el,
		    const uint8_t *key)
{
	if (!el->end)
		return !memcmp(key, el->key, s->key_len);
	if (s->nparts)
		return in_parts(s, el, key);
	return memcmp(key, el->key, s->key_len) >= 0 &&
	       memcmp(key, el->end, s->key_len) <= 0;
}

/* In a set of ranges elements are borders: the greatest that is not above the key says
 * whether the key is in a range. */
static const struct rs_elem *find_range(struct eval *e, const struct rs_set *s,
					const uint8_t *key)
{
	const struct rs_elem *best = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct rs_elem *el = &s->elem[i];
		int above;

		e->steps++;
		if (memcmp(el->key, key, s->key_len) > 0)
			continue;
		above = best ? memcmp(el->key, best->key, s->key_len) : 1;
		/* A range that begins where another ends. */
		if (above > 0 || (!above && best->interval_end))
			best = el;
	}
	return best && !best->interval_end ? best : NULL;
}

static const struct rs_elem *find_elem(struct eval *e, const struct rs_set *s,
				       const uint8_t *key)
{
	if ((s->flags & NFT_SET_INTERVAL) && !s->nparts)
		return find_range(e, s, key);
	for (size_t i = 0; i < s->n; i++, e->steps++)
		if (elem_is(s, &s->elem[i], key))
			return &s->elem[i];
	return NULL;
}

/* ---- rules ------------------------------------------------------------------------------------ */

static unsigned int walk(struct eval *e, const struct rs_chain *c);

static void not_known(struct eval *e, const char *what)
{
	if (!e->unknown)
		e->unknown = what;
}

static void dropped_at(struct eval *e, const struct rs_rule *r)
{
	if (e->found)
		return;
	e->found = true;
	e->out->chain = r->in;
	e->out->rule = r;
}

/* How a rule may end the walk; @next: may the next rule be looked at? */
static unsigned int verdict(struct eval *e, const struct rs_rule *r,
			    uint32_t code, const struct rs_chain *to, bool *next)
{
	unsigned int out;

	*next = false;
	switch (code) {
	case NF_ACCEPT:
	case NF_STOP:
		return OUT_ACCEPT;
	case NF_DROP:
		dropped_at(e, r);
		return OUT_DROP;
	case (uint32_t)NFT_RETURN:
		return OUT_FALL;
	case (uint32_t)NFT_JUMP:
	case (uint32_t)NFT_GOTO:
		break;
	case (uint32_t)NFT_CONTINUE:
	case (uint32_t)NFT_BREAK:
		*next = true;
		return 0;
	default: /* NF_QUEUE: a program decides */
		not_known(e, "a queue to a program");
		dropped_at(e, r);
		return OUT_ACCEPT | OUT_DROP;
	}
	if (!to || e->depth >= RS_DEPTH_MAX) {
		not_known(e, "a chain that was not read");
		*next = true;
		dropped_at(e, r);
		return OUT_ACCEPT | OUT_DROP;
	}
	e->depth++;
	out = walk(e, to);
	e->depth--;
	if (code == (uint32_t)NFT_GOTO)
		return out;
	*next = out & OUT_FALL;
	return out & ~OUT_FALL;
}

/* The verdict of a map. @sure: the key is known. */
static unsigned int map_verdict(struct eval *e, const struct rs_rule *r,
				const struct rs_set *s, const uint8_t *key,
				bool sure, bool *next)
{
	const struct rs_elem *el = sure ? find_elem(e, s, key) : NULL;
	unsigned int out = 0;
	bool more;

	*next = !sure || !el;
	if (sure)
		return el ? verdict(e, r, el->verdict, el->chain, next) : 0;
	for (size_t i = 0; i < s->n && e->steps < RS_STEPS_MAX; i++) {
		e->steps++;
		out |= verdict(e, r, s->elem[i].verdict, s->elem[i].chain,
			       &more);
	}
	return out;
}

/* A set that matches. NO, YES, PERHAPS; a map's value is stored. */
static enum tri lookup(struct eval *e, const struct rs_expr *x)
{
	const struct rs_set *s = x->set;
	const struct rs_elem *el;

	if (!s || (s->flags & NFT_SET_EVAL) ||
	    !all_known(e, x->reg, s->key_len)) {
		if (s && (s->flags & NFT_SET_MAP))
			forget(e, x->reg2, s->data_len);
		if (s && !s->n && !(s->flags & NFT_SET_EVAL))
			return x->arg ? YES : NO;
		return PERHAPS;
	}
	el = find_elem(e, s, e->regs.byte + x->reg);
	if (el && el->data)
		store(e, x->reg2, el->data, s->data_len, true);
	return (el != NULL) != (x->arg != 0) ? YES : NO;
}

static enum tri ports(const struct eval *e, const struct rs_expr *x)
{
	const struct rs_packet *p = e->p;
	uint8_t mask = (uint8_t)(x->key >> 8), flags = (uint8_t)x->key;
	uint16_t s0 = (uint16_t)(x->a[0] << 8 | x->a[1]);
	uint16_t s1 = (uint16_t)(x->a[2] << 8 | x->a[3]);
	uint16_t d0 = (uint16_t)(x->b[0] << 8 | x->b[1]);
	uint16_t d1 = (uint16_t)(x->b[2] << 8 | x->b[3]);
	bool ok = p->sport >= s0 && p->sport <= s1 && p->dport >= d0 &&
		  p->dport <= d1;

	if (mask && p->proto == IPPROTO_TCP)
		ok &= (e->l4[13] & mask) == flags;
	return ok ? YES : NO;
}

static enum tri match(struct eval *e, const struct rs_expr *x)
{
	switch (x->op) {
	case RS_CMP:
		return cmp(e, x);
	case RS_RANGE:
		return range(e, x);
	case RS_LOOKUP:
		return lookup(e, x);
	case RS_STATE:
		return !!(x->key & e->p->state) != !!x->arg ? YES : NO;
	case RS_LOCAL:
		return e->p->to_host != !!x->arg ? YES : NO;
	case RS_PORTS:
		return ports(e, x);
	case RS_NEVER:
		return NO;
	default:
		/* It may have loaded something. */
		memset(e->regs.known, 0, sizeof(e->regs.known));
		return PERHAPS;
	}
}

/* Expressions that only compute. @sure: those before them match. */
static bool computes(struct eval *e, const struct rs_expr *x, bool sure)
{
	switch (x->op) {
	case RS_META:
		load_meta(e, x);
		return true;
	case RS_PAYLOAD:
		load_payload(e, x);
		return true;
	case RS_CT:
		load_ct(e, x);
		return true;
	case RS_FIB:
		load_fib(e, x);
		return true;
	case RS_IMM:
		store(e, x->reg, x->a, x->len, true);
		return true;
	case RS_LOAD_ANY:
		forget(e, x->reg, x->len ? x->len : 16);
		return true;
	case RS_BITWISE:
		bitwise(e, x);
		return true;
	case RS_SET_MARK:
		e->mark_known = sure && all_known(e, x->reg, 4);
		memcpy(&e->mark, e->regs.byte + (x->reg & 60), 4);
		return true;
	default:
		return false;
	}
}

static const char *name_of(const struct rs_expr *x)
{
	if (x->what)
		return x->what;
	return x->op == RS_LOOKUP ? "a set of unknown content"
				  : "something that the packet alone does not tell";
}

static unsigned int ends(struct eval *e, const struct rs_rule *r,
			 const struct rs_expr *x, bool *next)
{
	const struct rs_set *s = x->set;
	bool sure;

	if (x->op == RS_VERDICT)
		return verdict(e, r, x->key, x->chain, next);
	if (x->op == RS_VERDICT_ANY) {
		not_known(e, x->what);
		dropped_at(e, r);
		*next = true;
		return OUT_ACCEPT | OUT_DROP;
	}
	sure = all_known(e, x->reg, s->key_len) && !(s->flags & NFT_SET_EVAL);
	if (!sure)
		not_known(e, name_of(x));
	return map_verdict(e, r, s, e->regs.byte + (x->reg & 63), sure, next);
}

static bool is_end(const struct rs_expr *x)
{
	return x->op == RS_VERDICT || x->op == RS_VERDICT_ANY ||
	       (x->op == RS_LOOKUP && x->set && x->set->verdicts);
}

static unsigned int rule(struct eval *e, const struct rs_rule *r, bool *next)
{
	const char *unknown = NULL;
	unsigned int out;

	*next = true;
	for (unsigned int i = 0; i < r->n; i++) {
		const struct rs_expr *x = &r->expr[i];
		enum tri m;

		if (++e->steps > RS_STEPS_MAX) {
			not_known(e, "a ruleset too large to be followed");
			return OUT_ACCEPT | OUT_DROP;
		}
		if (is_end(x)) {
			if (unknown)
				not_known(e, unknown);
			out = ends(e, r, x, next);
			*next |= unknown != NULL;
			return out;
		}
		if (computes(e, x, !unknown))
			continue;
		m = match(e, x);
		if (m == NO)
			return 0;
		if (m == PERHAPS && !unknown)
			unknown = name_of(x);
	}
	return 0;
}

static unsigned int walk(struct eval *e, const struct rs_chain *c)
{
	unsigned int out = 0;
	bool next;

	list_for_each(r, &c->rules, struct rs_rule, node) {
		out |= rule(e, r, &next);
		if (!next)
			return out;
	}
	return out | OUT_FALL;
}

/* ---- a hook -------------------------------------------------------------------------------------- */

static bool is_for(const struct rs_chain *c, const struct rs_packet *p,
		   uint32_t hook, const char *skip)
{
	return c->base && c->hook == hook &&
	       (c->table.family == p->family ||
		c->table.family == NFPROTO_INET) &&
	       (!skip || strncmp(c->table.name, skip, strlen(skip)) != 0);
}

static void ask_chain(const struct rs_chain *c, const struct rs_packet *p,
		      struct rs_finding *out)
{
	struct eval e = {.p = p, .mark_known = true, .out = out};
	unsigned int ways;

	*out = (struct rs_finding){.base = c};
	make_headers(&e);
	ways = walk(&e, c);
	if (ways & OUT_FALL) {
		ways |= c->drops ? OUT_DROP : OUT_ACCEPT;
		if (c->drops && !e.found) {
			out->chain = c;
			out->rule = NULL;
		}
	}
	out->unknown = e.unknown;
	out->outcome = !(ways & OUT_DROP)   ? RS_PASSES
		       : !(ways & OUT_ACCEPT) ? RS_DROPPED
					      : RS_MAYBE;
}

void ruleset_ask(const struct ruleset *rs, const struct rs_packet *p,
		 uint32_t hook, const char *skip, struct rs_finding *out)
{
	struct rs_finding f;

	*out = (struct rs_finding){.outcome = RS_PASSES};
	list_for_each(c, &rs->chains, struct rs_chain, node) {
		if (!is_for(c, p, hook, skip))
			continue;
		ask_chain(c, p, &f);
		if (f.outcome == RS_DROPPED) {
			*out = f;
			return;
		}
		if (f.outcome == RS_MAYBE && out->outcome == RS_PASSES)
			*out = f;
	}
	if (out->outcome == RS_PASSES && rs->partial)
		*out = (struct rs_finding){.outcome = RS_MAYBE,
					   .unknown = "rules beyond those that "
						      "are read"};
}
