// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's messages about rulesets as lists for ruleset_eval.c. libnftnl takes the
 * messages apart; here is which expression means what. Matches of iptables that are no
 * expressions of nftables (`xt`) are read where that is easy, and else not known.
 */
#include "nat/ruleset.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "lib/compat.h"
#include "nat/nlmsg.h"

static const char *str(const char *s)
{
	return s ? s : "";
}

/* ---- chains ----------------------------------------------------------------------------- */

static int read_chain(struct ruleset *rs, const struct nlmsghdr *h)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct rs_chain *out;
	int r = c ? 0 : -ENOMEM;

	if (!r && !nftnl_chain_nlmsg_parse(h, c)) {
		out = ruleset_chain_add(
			rs, (uint8_t)nftnl_chain_get_u32(c, NFTNL_CHAIN_FAMILY),
			str(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE)),
			str(nftnl_chain_get_str(c, NFTNL_CHAIN_NAME)));
		r = out ? 0 : -ENOMEM;
		if (out && nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM)) {
			out->base = strcmp(str(nftnl_chain_get_str(
						   c, NFTNL_CHAIN_TYPE)),
					   "nat") != 0;
			out->hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM);
			out->priority = nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO);
			out->drops = nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) ==
				     NF_DROP;
		}
	} else {
		rs->partial = true;
	}
	nftnl_chain_free(c);
	return r;
}

/* ---- sets --------------------------------------------------------------------------------- */

/* The lengths of a concatenation's parts, each a whole number of registers. */
static void read_parts(struct rs_set *out, const struct nftnl_set *s)
{
	uint32_t len = 0;
	const uint8_t *parts = nftnl_set_get_data(s, NFTNL_SET_DESC_CONCAT, &len);

	for (uint32_t i = 0; parts && i < len && i < sizeof(out->part) && parts[i];
	     i++)
		out->part[out->nparts++] = (uint8_t)((parts[i] + 3) & ~3);
}

static int read_set(struct ruleset *rs, const struct nlmsghdr *h)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct rs_set *out = ruleset_alloc(rs, sizeof(*out));
	int r = s && out ? 0 : -ENOMEM;

	if (!r && !nftnl_set_nlmsg_parse(h, s)) {
		out->table.family =
			(uint8_t)nftnl_set_get_u32(s, NFTNL_SET_FAMILY);
		snprintf(out->table.name, RS_NAME, "%s",
			 str(nftnl_set_get_str(s, NFTNL_SET_TABLE)));
		snprintf(out->name, RS_NAME, "%s",
			 str(nftnl_set_get_str(s, NFTNL_SET_NAME)));
		out->flags = nftnl_set_get_u32(s, NFTNL_SET_FLAGS);
		out->key_len = nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN);
		out->data_len = nftnl_set_get_u32(s, NFTNL_SET_DATA_LEN);
		out->verdicts = (out->flags & NFT_SET_MAP) &&
				nftnl_set_get_u32(s, NFTNL_SET_DATA_TYPE) ==
					NFT_DATA_VERDICT;
		if (out->key_len > RS_REGS || out->data_len > RS_REGS)
			out->flags |= NFT_SET_EVAL; /* not to be looked into */
		if (out->flags & NFT_SET_CONCAT)
			read_parts(out, s);
		ruleset_set_add(rs, out);
	} else {
		rs->partial = true;
	}
	nftnl_set_free(s);
	return r;
}

struct elems {
	struct ruleset *rs;
	struct rs_set *set;
	int err;
};

static const uint8_t *bytes_of(struct ruleset *rs,
			       const struct nftnl_set_elem *e, uint16_t attr,
			       uint32_t want)
{
	uint32_t len = 0;
	const void *p = nftnl_set_elem_get((struct nftnl_set_elem *)e, attr,
					   &len);

	return p && len >= want && want ? ruleset_copy(rs, p, want) : NULL;
}

static struct rs_elem *new_elem(struct ruleset *rs, struct rs_set *s)
{
	if (rs->nelems >= RS_ELEMS_MAX) {
		rs->partial = true;
		return NULL;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		void *p = realloc(s->elem, cap * sizeof(*s->elem));

		if (!p)
			return NULL;
		s->elem = p;
		s->cap = cap;
	}
	rs->nelems++;
	memset(&s->elem[s->n], 0, sizeof(*s->elem));
	return &s->elem[s->n++];
}

static int read_elem(struct nftnl_set_elem *e, void *arg)
{
	struct elems *l = arg;
	struct rs_set *s = l->set;
	uint32_t flags = nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_FLAGS)
				 ? nftnl_set_elem_get_u32(e, NFTNL_SET_ELEM_FLAGS)
				 : 0;
	const uint8_t *key = bytes_of(l->rs, e, NFTNL_SET_ELEM_KEY, s->key_len);
	struct rs_elem *out = key ? new_elem(l->rs, s) : NULL;

	if (!out) {
		s->flags |= NFT_SET_EVAL; /* "everything else", or too many */
		return 0;
	}
	out->key = key;
	out->end = bytes_of(l->rs, e, NFTNL_SET_ELEM_KEY_END, s->key_len);
	out->interval_end = flags & NFT_SET_ELEM_INTERVAL_END;
	if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_VERDICT)) {
		out->verdict = nftnl_set_elem_get_u32(e, NFTNL_SET_ELEM_VERDICT);
		out->chain = ruleset_chain_find(
			l->rs, s->table.family, s->table.name,
			str(nftnl_set_elem_get_str(e, NFTNL_SET_ELEM_CHAIN)));
	} else if ((s->flags & NFT_SET_MAP) && !out->interval_end) {
		out->data = bytes_of(l->rs, e, NFTNL_SET_ELEM_DATA, s->data_len);
	}
	return 0;
}

static int read_elems(struct ruleset *rs, const struct nlmsghdr *h)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct elems l = {.rs = rs};

	if (!s)
		return -ENOMEM;
	if (!nftnl_set_elems_nlmsg_parse(h, s)) {
		l.set = ruleset_set_find(
			rs, (uint8_t)nftnl_set_get_u32(s, NFTNL_SET_FAMILY),
				 str(nftnl_set_get_str(s, NFTNL_SET_TABLE)),
				 str(nftnl_set_get_str(s, NFTNL_SET_NAME)));
		if (l.set)
			(void)nftnl_set_elem_foreach(s, read_elem, &l);
	}
	rs->partial |= !l.set;
	nftnl_set_free(s);
	return l.err;
}

/* ---- expressions of nftables --------------------------------------------------------------- */

struct rule {
	struct ruleset *rs;
	const struct rs_chain *chain;
	struct rs_expr *out;
	unsigned int n, max;
	bool nomem;
};

/* Registers are counted in two ways (NFT_REG_1, NFT_REG32_00). */
static uint32_t reg_of(uint32_t r)
{
	if (r >= NFT_REG32_00 && r <= NFT_REG32_15)
		return 4 * (r - NFT_REG32_00);
	return r >= NFT_REG_1 && r <= NFT_REG_4 ? 16 * (r - NFT_REG_1) : RS_REGS;
}

static uint32_t u32(const struct nftnl_expr *e, uint16_t attr)
{
	return nftnl_expr_is_set(e, attr) ? nftnl_expr_get_u32(e, attr) : 0;
}

static const uint8_t *data(struct rule *c, const struct nftnl_expr *e,
			   uint16_t attr, uint32_t *len)
{
	const void *p = nftnl_expr_get(e, attr, len);

	p = p && *len <= RS_REGS ? ruleset_copy(c->rs, p, *len) : NULL;
	if (!p)
		*len = 0;
	return p;
}

static void read_meta(struct rule *c, const struct nftnl_expr *e,
		      struct rs_expr *x)
{
	(void)c;
	x->key = u32(e, NFTNL_EXPR_META_KEY);
	if (nftnl_expr_is_set(e, NFTNL_EXPR_META_SREG)) {
		x->reg = reg_of(u32(e, NFTNL_EXPR_META_SREG));
		x->op = x->key == NFT_META_MARK ? RS_SET_MARK : RS_LOAD_ANY;
		if (x->op == RS_LOAD_ANY)
			x->reg = RS_REGS; /* changes nothing we look at */
		return;
	}
	x->op = RS_META;
	x->reg = reg_of(u32(e, NFTNL_EXPR_META_DREG));
}

static void read_payload(struct rule *c, const struct nftnl_expr *e,
			 struct rs_expr *x)
{
	(void)c;
	x->op = RS_PAYLOAD;
	x->key = u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	x->arg = u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
	x->len = u32(e, NFTNL_EXPR_PAYLOAD_LEN);
	x->reg = nftnl_expr_is_set(e, NFTNL_EXPR_PAYLOAD_SREG)
			 ? RS_REGS /* it writes to the packet */
			 : reg_of(u32(e, NFTNL_EXPR_PAYLOAD_DREG));
}

static void read_ct(struct rule *c, const struct nftnl_expr *e,
		    struct rs_expr *x)
{
	(void)c;
	x->op = RS_CT;
	x->key = u32(e, NFTNL_EXPR_CT_KEY);
	x->reg = nftnl_expr_is_set(e, NFTNL_EXPR_CT_SREG)
			 ? RS_REGS
			 : reg_of(u32(e, NFTNL_EXPR_CT_DREG));
}

static void read_fib(struct rule *c, const struct nftnl_expr *e,
		     struct rs_expr *x)
{
	(void)c;
	x->op = RS_FIB;
	x->key = u32(e, NFTNL_EXPR_FIB_RESULT);
	x->arg = u32(e, NFTNL_EXPR_FIB_FLAGS);
	x->reg = reg_of(u32(e, NFTNL_EXPR_FIB_DREG));
}

static void read_verdict(struct rule *c, struct rs_expr *x, uint32_t code,
			 const char *chain)
{
	x->op = RS_VERDICT;
	x->key = code;
	if (chain)
		x->chain = ruleset_chain_find(c->rs, c->chain->table.family,
					      c->chain->table.name, chain);
}

static void read_immediate(struct rule *c, const struct nftnl_expr *e,
			   struct rs_expr *x)
{
	if (nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT)) {
		read_verdict(c, x, u32(e, NFTNL_EXPR_IMM_VERDICT),
			     nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN));
		return;
	}
	x->op = RS_IMM;
	x->reg = reg_of(u32(e, NFTNL_EXPR_IMM_DREG));
	x->a = data(c, e, NFTNL_EXPR_IMM_DATA, &x->len);
}

static void read_cmp(struct rule *c, const struct nftnl_expr *e,
		     struct rs_expr *x)
{
	x->op = RS_CMP;
	x->reg = reg_of(u32(e, NFTNL_EXPR_CMP_SREG));
	x->arg = u32(e, NFTNL_EXPR_CMP_OP);
	x->a = data(c, e, NFTNL_EXPR_CMP_DATA, &x->len);
}

static void read_range(struct rule *c, const struct nftnl_expr *e,
		       struct rs_expr *x)
{
	uint32_t len = 0;

	x->op = RS_RANGE;
	x->reg = reg_of(u32(e, NFTNL_EXPR_RANGE_SREG));
	x->arg = u32(e, NFTNL_EXPR_RANGE_OP);
	x->a = data(c, e, NFTNL_EXPR_RANGE_FROM_DATA, &x->len);
	x->b = data(c, e, NFTNL_EXPR_RANGE_TO_DATA, &len);
	if (len < x->len)
		x->len = len;
}

static void read_bitwise(struct rule *c, const struct nftnl_expr *e,
			 struct rs_expr *x)
{
	uint32_t len = 0;

	x->reg2 = reg_of(u32(e, NFTNL_EXPR_BITWISE_DREG));
	if (u32(e, NFTNL_EXPR_BITWISE_OP) != NFT_BITWISE_BOOL) {
		x->op = RS_LOAD_ANY;
		x->reg = x->reg2;
		x->len = u32(e, NFTNL_EXPR_BITWISE_LEN);
		return;
	}
	x->op = RS_BITWISE;
	x->reg = reg_of(u32(e, NFTNL_EXPR_BITWISE_SREG));
	x->a = data(c, e, NFTNL_EXPR_BITWISE_MASK, &x->len);
	x->b = data(c, e, NFTNL_EXPR_BITWISE_XOR, &len);
	if (len < x->len)
		x->len = len;
}

static void read_lookup(struct rule *c, const struct nftnl_expr *e,
			struct rs_expr *x)
{
	x->op = RS_LOOKUP;
	x->reg = reg_of(u32(e, NFTNL_EXPR_LOOKUP_SREG));
	x->reg2 = nftnl_expr_is_set(e, NFTNL_EXPR_LOOKUP_DREG)
			  ? reg_of(u32(e, NFTNL_EXPR_LOOKUP_DREG))
			  : RS_REGS;
	x->arg = u32(e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	x->set = ruleset_set_find(c->rs, c->chain->table.family, c->chain->table.name,
			  str(nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET)));
}

static void read_reject(struct rule *c, const struct nftnl_expr *e,
			struct rs_expr *x)
{
	(void)e;
	read_verdict(c, x, NF_DROP, NULL);
	x->what = "reject";
}

/* One packet is never over a limit. */
static void read_limit(struct rule *c, const struct nftnl_expr *e,
		       struct rs_expr *x)
{
	(void)c;
	x->op = u32(e, NFTNL_EXPR_LIMIT_FLAGS) & NFT_LIMIT_F_INV ? RS_NEVER
								 : RS_LOAD_ANY;
	x->reg = RS_REGS;
}

/* ---- matches and targets of iptables -------------------------------------------------------- */

static bool read_conntrack(struct rule *c, const void *p, uint32_t len,
			   struct rs_expr *x)
{
	const struct xt_conntrack_mtinfo3 *m = p;

	(void)c;
	if (len < sizeof(*m) || m->match_flags != XT_CONNTRACK_STATE)
		return false;
	x->op = RS_STATE;
	x->key = m->state_mask;
	x->arg = m->invert_flags & XT_CONNTRACK_STATE;
	return true;
}

static bool read_state(struct rule *c, const void *p, uint32_t len,
		       struct rs_expr *x)
{
	(void)c;
	if (len < 4)
		return false;
	x->op = RS_STATE;
	memcpy(&x->key, p, 4); /* struct xt_state_info */
	return true;
}

static bool read_addrtype(struct rule *c, const void *p, uint32_t len,
			  struct rs_expr *x)
{
	const struct xt_addrtype_info_v1 *m = p;

	(void)c;
	if (len < sizeof(*m) || m->source || m->dest != 1 << RTN_LOCAL ||
	    (m->flags & ~(uint32_t)XT_ADDRTYPE_INVERT_DEST))
		return false;
	x->op = RS_LOCAL;
	x->arg = m->flags & XT_ADDRTYPE_INVERT_DEST;
	return true;
}

static void put_port(uint8_t *at, uint16_t port)
{
	at[0] = (uint8_t)(port >> 8);
	at[1] = (uint8_t)port;
}

static bool put_ports(struct rule *c, struct rs_expr *x, const uint16_t s[2],
		      const uint16_t d[2])
{
	uint8_t from[4], to[4];

	for (int i = 0; i < 2; i++) {
		put_port(from + 2 * i, s[i]);
		put_port(to + 2 * i, d[i]);
	}
	x->op = RS_PORTS;
	x->len = 4;
	x->a = ruleset_copy(c->rs, from, 4);
	x->b = ruleset_copy(c->rs, to, 4);
	return x->a && x->b;
}

static bool read_tcp(struct rule *c, const void *p, uint32_t len,
		     struct rs_expr *x)
{
	const struct xt_tcp *m = p;

	if (len < sizeof(*m) || m->invflags || m->option)
		return false;
	x->key = (uint32_t)m->flg_mask << 8 | m->flg_cmp;
	return put_ports(c, x, m->spts, m->dpts);
}

static bool read_udp(struct rule *c, const void *p, uint32_t len,
		     struct rs_expr *x)
{
	const struct xt_udp *m = p;

	return len >= sizeof(*m) && !m->invflags &&
	       put_ports(c, x, m->spts, m->dpts);
}

static bool matches(struct rule *c, const void *p, uint32_t len,
		    struct rs_expr *x)
{
	(void)c;
	(void)p;
	(void)len;
	x->op = RS_LOAD_ANY; /* always true */
	x->reg = RS_REGS;
	return true;
}

static void read_match(struct rule *c, const struct nftnl_expr *e,
		       struct rs_expr *x)
{
	static const struct {
		const char *name;
		bool (*fn)(struct rule *c, const void *p, uint32_t len,
			   struct rs_expr *x);
	} known[] = {
		{"comment", matches},	{"limit", matches},
		{"conntrack", read_conntrack}, {"state", read_state},
		{"addrtype", read_addrtype},   {"tcp", read_tcp},
		{"udp", read_udp},
	};
	const char *name = str(nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME));
	uint32_t len = 0;
	const void *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);

	for (size_t i = 0; info && i < ARRAY_LEN(known); i++)
		if (!strcmp(known[i].name, name) &&
		    known[i].fn(c, info, len, x))
			return;
	*x = (struct rs_expr){.op = RS_UNKNOWN};
	x->what = ruleset_copy(c->rs, name, strlen(name) + 1);
}

static void read_target(struct rule *c, const struct nftnl_expr *e,
			struct rs_expr *x)
{
	static const char *const harmless[] = {
		"LOG", "NFLOG", "CONNMARK", "TCPMSS", "CHECKSUM", "CT", "SET", "TRACE",
		"CLASSIFY", "DSCP", "AUDIT", "TOS", "TTL", "HL", "NOTRACK",
	};
	const char *name = str(nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME));

	if (!strcmp(name, "REJECT")) {
		read_reject(c, e, x);
		return;
	}
	x->reg = RS_REGS;
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
		if (!strcmp(harmless[i], name)) {
			x->op = RS_LOAD_ANY;
			return;
		}
	if (!strcmp(name, "MARK")) {
		x->op = RS_SET_MARK; /* to what is not known */
		return;
	}
	x->op = RS_VERDICT_ANY;
	x->what = ruleset_copy(c->rs, name, strlen(name) + 1);
}

/* ---- rules ------------------------------------------------------------------------------------ */

static void read_nothing(struct rule *c, const struct nftnl_expr *e,
			 struct rs_expr *x)
{
	(void)c;
	(void)e;
	x->op = RS_LOAD_ANY;
	x->reg = RS_REGS;
}

static int read_expr(struct nftnl_expr *e, void *arg)
{
	static const struct {
		const char *name;
		void (*fn)(struct rule *c, const struct nftnl_expr *e,
			   struct rs_expr *x);
	} known[] = {
		{"meta", read_meta},	   {"payload", read_payload},
		{"ct", read_ct},	   {"fib", read_fib},
		{"immediate", read_immediate}, {"cmp", read_cmp},
		{"range", read_range},	   {"bitwise", read_bitwise},
		{"lookup", read_lookup},   {"reject", read_reject},
		{"limit", read_limit},	   {"match", read_match},
		{"target", read_target},   {"counter", read_nothing},
		{"log", read_nothing},	   {"objref", read_nothing},
		{"notrack", read_nothing}, {"dynset", read_nothing},
		{"last", read_nothing},	   {"flow_offload", read_nothing},
	};
	struct rule *c = arg;
	const char *name = str(nftnl_expr_get_str(e, NFTNL_EXPR_NAME));
	struct rs_expr *x = &c->out[c->n];

	if (c->n == c->max)
		return -1;
	c->n++;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(known[i].name, name)) {
			known[i].fn(c, e, x);
			return 0;
		}
	/* It may load something, match or not, and judge. */
	x->op = RS_UNKNOWN;
	x->what = ruleset_copy(c->rs, name, strlen(name) + 1);
	return 0;
}

static int count_expr(struct nftnl_expr *e, void *arg)
{
	(void)e;
	++*(unsigned int *)arg;
	return 0;
}

static int read_rule(struct ruleset *rs, const struct nlmsghdr *h)
{
	struct nftnl_rule *r = nftnl_rule_alloc();
	struct rule c = {.rs = rs};
	struct rs_chain *chain = NULL;
	struct rs_rule *out;

	if (!r)
		return -ENOMEM;
	if (!nftnl_rule_nlmsg_parse(h, r))
		chain = ruleset_chain_find(
			rs, (uint8_t)nftnl_rule_get_u32(r, NFTNL_RULE_FAMILY),
			str(nftnl_rule_get_str(r, NFTNL_RULE_TABLE)),
			str(nftnl_rule_get_str(r, NFTNL_RULE_CHAIN)));
	if (chain) {
		(void)nftnl_expr_foreach(r, count_expr, &c.max);
		out = ruleset_rule_add(rs, chain,
				       nftnl_rule_get_u64(r, NFTNL_RULE_HANDLE),
				       c.max);
		c.chain = chain;
		c.out = out ? out->expr : NULL;
		if (out && !nftnl_expr_foreach(r, read_expr, &c))
			out->n = c.n;
	}
	rs->partial |= !chain;
	nftnl_rule_free(r);
	return 0;
}

int ruleset_read(struct ruleset *rs, const void *buf, size_t len)
{
	const struct nlmsghdr *h = buf;
	int left = len > INT32_MAX ? INT32_MAX : (int)len, r = 0;

	for (; !r && nlmsg_whole(h, left); h = mnl_nlmsg_next(h, &left)) {
		if (NFNL_SUBSYS_ID(h->nlmsg_type) != NFNL_SUBSYS_NFTABLES)
			return -EPROTO;
		switch (NFNL_MSG_TYPE(h->nlmsg_type)) {
		case NFT_MSG_NEWCHAIN:
			r = read_chain(rs, h);
			break;
		case NFT_MSG_NEWSET:
			r = read_set(rs, h);
			break;
		case NFT_MSG_NEWSETELEM:
			r = read_elems(rs, h);
			break;
		case NFT_MSG_NEWRULE:
			r = read_rule(rs, h);
			break;
		}
	}
	return r;
}
