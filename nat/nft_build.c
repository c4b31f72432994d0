// SPDX-License-Identifier: GPL-2.0-or-later
/* A plan as objects of libnftnl. See nft_int.h. Registers are those that the kernel
 * names when it is asked, so that what it tells can be compared. */
#include "nat/nft_int.h"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Numbers that nft(8) has for types, so that it can show a map (its datatype.h). */
#define TYPE_IP4     7u
#define TYPE_IP6     8u
#define TYPE_PROTO   12u
#define TYPE_SERVICE 13u
#define TYPE_BITS    6

/* ---- expressions ------------------------------------------------------------------- */

/* Without memory @e is NULL and the rule is marked: see nft_build_rule(). */
struct make {
	struct nftnl_rule *r;
	bool nomem;
	int family; /* that the rule is known to be about; 0 = either */
	const struct nft_plan *p;
};

static struct nftnl_expr *expr(struct make *k, const char *name)
{
	struct nftnl_expr *e = nftnl_expr_alloc(name);

	if (e)
		nftnl_rule_add_expr(k->r, e);
	else
		k->nomem = true;
	return e;
}

static void set32(struct nftnl_expr *e, uint16_t attr, uint32_t v)
{
	if (e)
		nftnl_expr_set_u32(e, attr, v);
}

static void set_bytes(struct make *k, struct nftnl_expr *e, uint16_t attr,
		      const void *p, size_t len)
{
	if (e && nftnl_expr_set(e, attr, p, (uint32_t)len))
		k->nomem = true;
}

static void cmp(struct make *k, uint32_t op, const void *p, size_t len)
{
	struct nftnl_expr *e = expr(k, "cmp");

	set32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_CMP_OP, op);
	set_bytes(k, e, NFTNL_EXPR_CMP_DATA, p, len);
}

static void and_mask(struct make *k, const void *mask, size_t len)
{
	static const uint8_t zero[16];
	struct nftnl_expr *e = expr(k, "bitwise");

	set32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	set32(e, NFTNL_EXPR_BITWISE_LEN, (uint32_t)len);
	set_bytes(k, e, NFTNL_EXPR_BITWISE_MASK, mask, len);
	set_bytes(k, e, NFTNL_EXPR_BITWISE_XOR, zero, len);
}

static void meta(struct make *k, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *e = expr(k, "meta");

	set32(e, NFTNL_EXPR_META_KEY, key);
	set32(e, NFTNL_EXPR_META_DREG, reg);
}

static void payload(struct make *k, uint32_t base, uint32_t offset,
		    uint32_t len, uint32_t reg)
{
	struct nftnl_expr *e = expr(k, "payload");

	set32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	set32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	set32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	set32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

/* ---- matches ----------------------------------------------------------------------- */

static uint32_t op(const struct nft_match *m)
{
	return m->neg ? NFT_CMP_NEQ : NFT_CMP_EQ;
}

static void match_dev(struct make *k, const struct nft_match *m)
{
	size_t len = strlen(m->dev);
	char name[IFNAMSIZ] = "";

	memcpy(name, m->dev, len);
	meta(k, m->kind == NFT_IIF ? NFT_META_IIFNAME : NFT_META_OIFNAME,
	     NFT_REG_1);
	if (len && name[len - 1] == '*')
		cmp(k, op(m), name, len - 1);
	else
		cmp(k, op(m), name, sizeof(name));
}

/* Headers of one family may be looked into only where it is known to be that. */
static void family(struct make *k, int af)
{
	uint8_t v = af == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

	if (k->family == af)
		return;
	meta(k, NFT_META_NFPROTO, NFT_REG_1);
	cmp(k, NFT_CMP_EQ, &v, 1);
	k->family = af;
}

/* Offsets: RFC 791 3.1, RFC 8200 3. */
static void load_addr(struct make *k, bool v4, bool src)
{
	uint32_t at = v4 ? (src ? 12 : 16) : (src ? 8 : 24);

	payload(k, NFT_PAYLOAD_NETWORK_HEADER, at, v4 ? 4 : 16, NFT_REG_1);
}

static void match_addr(struct make *k, const struct nft_match *m)
{
	bool v4 = ipaddr_is4(&m->ip);
	size_t len = v4 ? 4 : 16;
	uint8_t mask[16];

	family(k, v4 ? AF_INET : AF_INET6);
	load_addr(k, v4, m->kind == NFT_SADDR);
	if (m->plen < len * 8) {
		for (size_t i = 0; i < len; i++) {
			int left = (int)m->plen - (int)(8 * i);

			mask[i] = (uint8_t)(left >= 8  ? 0xff
					    : left > 0 ? 0xff << (8 - left)
						       : 0);
		}
		and_mask(k, mask, len);
	}
	cmp(k, op(m), m->ip.b + (v4 ? 12 : 0), len);
}

static void match_ct(struct make *k, uint32_t key, uint32_t mask)
{
	static const uint32_t zero;
	struct nftnl_expr *e = expr(k, "ct");

	set32(e, NFTNL_EXPR_CT_KEY, key);
	set32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	and_mask(k, &mask, sizeof(mask));
	cmp(k, NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void match_local(struct make *k)
{
	static const uint32_t local = RTN_LOCAL;
	struct nftnl_expr *e = expr(k, "fib");

	set32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	set32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	set32(e, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	cmp(k, NFT_CMP_EQ, &local, sizeof(local));
}

static void match_type(struct make *k, const struct nft_match *m)
{
	uint8_t type[2] = {(uint8_t)(m->proto >> 8), (uint8_t)m->proto};

	meta(k, NFT_META_PROTOCOL, NFT_REG_1);
	cmp(k, op(m), type, 2);
	if (m->proto == ETH_P_IP)
		k->family = AF_INET;
	else if (m->proto == ETH_P_IPV6)
		k->family = AF_INET6;
}

/* The tag as it was in the frame: 802.1Q 9.6. */
static void match_vlan(struct make *k, const struct nft_match *m)
{
	static const uint8_t mask[2] = {0x0f, 0xff}, zero[2];
	uint8_t type[2] = {(uint8_t)(m->proto >> 8), (uint8_t)m->proto};

	payload(k, NFT_PAYLOAD_LL_HEADER, 12, 2, NFT_REG_1);
	cmp(k, NFT_CMP_EQ, type, 2);
	payload(k, NFT_PAYLOAD_LL_HEADER, 14, 2, NFT_REG_1);
	and_mask(k, mask, 2);
	cmp(k, NFT_CMP_NEQ, zero, 2);
}

static void match_fragment(struct make *k)
{
	static const uint8_t yes = 1;
	struct nftnl_expr *e = expr(k, "exthdr");

	set32(e, NFTNL_EXPR_EXTHDR_DREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_EXTHDR_LEN, 1);
	set32(e, NFTNL_EXPR_EXTHDR_OFFSET, 0);
	set32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	set32(e, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
	if (e)
		nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, IPPROTO_FRAGMENT);
	cmp(k, NFT_CMP_EQ, &yes, 1);
}

/* The last @len bytes of it, as they are on the wire. */
static void wire(uint64_t v, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
}

static void match_field(struct make *k, const struct nft_match *m)
{
	static const uint32_t ops[] = {[NFT_EQ] = NFT_CMP_EQ,
				       [NFT_NE] = NFT_CMP_NEQ,
				       [NFT_LT] = NFT_CMP_LT,
				       [NFT_GT] = NFT_CMP_GT};
	const struct nft_field_info *i = nft_field_info(m->field);
	uint8_t v[16], mask[8];

	payload(k, i->base, i->at, i->len, NFT_REG_1);
	if (m->bits) {
		wire(m->bits, mask, i->len);
		and_mask(k, mask, i->len);
	}
	if (i->form == NFT_IP || i->len > 8)
		memcpy(v, m->ip.b + 16 - i->len, i->len);
	else
		wire(m->value, v, i->len);
	cmp(k, ops[m->op], v, i->len);
}

/* IEEE 802 9.2: the first bit on the wire. */
static void match_group(struct make *k)
{
	static const uint8_t bit[6] = {1};

	payload(k, NFT_PAYLOAD_LL_HEADER, 0, 6, NFT_REG_1);
	and_mask(k, bit, 6);
	cmp(k, NFT_CMP_EQ, bit, 6);
}

/* A name fills four registers of 4 bytes. */
static void load_key(struct make *k, const struct nft_match *m)
{
	const struct nft_field_info *i = nft_field_info(m->field);

	if (m->keyed != NFT_BY_FIELD)
		meta(k, m->out ? NFT_META_OIFNAME : NFT_META_IIFNAME, NFT_REG_1);
	if (m->keyed != NFT_BY_NAME)
		payload(k, i->base, i->at, i->len,
			m->keyed == NFT_BY_BOTH ? NFT_REG_2 : NFT_REG_1);
}

static void match_set(struct make *k, const struct nft_match *m)
{
	struct nftnl_expr *e;

	load_key(k, m);
	e = expr(k, "lookup");
	set32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_LOOKUP_FLAGS, m->neg ? NFT_LOOKUP_F_INV : 0);
	if (e)
		nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET,
				   k->p->set[m->set].name);
}

static void cmp_port(struct make *k, uint32_t how, uint16_t port)
{
	uint8_t be[2] = {(uint8_t)(port >> 8), (uint8_t)port};

	cmp(k, how, be, sizeof(be));
}

static void match_ports(struct make *k, const struct nat_allow *a)
{
	uint8_t proto = (uint8_t)a->proto, original = 0;
	struct nftnl_expr *e;

	meta(k, NFT_META_L4PROTO, NFT_REG_1);
	cmp(k, NFT_CMP_EQ, &proto, 1);
	e = expr(k, "ct");
	set32(e, NFTNL_EXPR_CT_KEY, NFT_CT_PROTO_DST);
	set32(e, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	if (e)
		nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, original);
	cmp_port(k, a->first == a->last ? NFT_CMP_EQ : NFT_CMP_GTE, a->first);
	if (a->first != a->last)
		cmp_port(k, NFT_CMP_LTE, a->last);
}

static void note(struct make *k, const struct nft_match *m)
{
	struct nftnl_expr *e;

	load_key(k, m);
	e = expr(k, "dynset");
	set32(e, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG_1);
	set32(e, NFTNL_EXPR_DYNSET_OP,
	      m->update ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
	if (!e)
		return;
	nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, 0); /* the set's */
	nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME,
			   k->p->set[m->set].name);
}

static void match(struct make *k, const struct nft_match *m)
{
	uint8_t proto = (uint8_t)m->proto;

	switch (m->kind) {
	case NFT_IIF:
	case NFT_OIF:
		match_dev(k, m);
		break;
	case NFT_FAMILY:
		family(k, m->proto);
		break;
	case NFT_SADDR:
	case NFT_DADDR:
		match_addr(k, m);
		break;
	case NFT_L4PROTO:
		meta(k, NFT_META_L4PROTO, NFT_REG_1);
		cmp(k, op(m), &proto, 1);
		break;
	case NFT_STATE:
		match_ct(k, NFT_CT_STATE, m->mask);
		break;
	case NFT_TRANSLATED:
		match_ct(k, NFT_CT_STATUS, IPS_DST_NAT);
		break;
	case NFT_TO_HOST:
		match_local(k);
		break;
	case NFT_TYPE:
		match_type(k, m);
		break;
	case NFT_VLAN:
		match_vlan(k, m);
		break;
	case NFT_FRAGMENT:
		match_fragment(k);
		break;
	case NFT_FIELD:
		match_field(k, m);
		break;
	case NFT_IN_SET:
		match_set(k, m);
		break;
	case NFT_PORTS:
		match_ports(k, &m->allow);
		break;
	case NFT_GROUP:
		match_group(k);
		break;
	case NFT_NOTE:
		note(k, m);
		break;
	}
}

/* ---- verdicts ---------------------------------------------------------------------- */

static void verdict(struct make *k, int v, const char *chain)
{
	struct nftnl_expr *e = expr(k, "immediate");

	set32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	set32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)v);
	if (e && chain && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain))
		k->nomem = true;
}

static void reject(struct make *k, uint32_t type, uint8_t code)
{
	struct nftnl_expr *e = expr(k, "reject");

	set32(e, NFTNL_EXPR_REJECT_TYPE, type);
	if (e)
		nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, code);
}

static void nat_loopback(struct make *k, uint32_t type)
{
	static const uint8_t ip[4] = {127, 0, 0, 1};
	struct nftnl_expr *e = expr(k, "immediate");

	set32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
	if (e)
		nftnl_expr_set(e, NFTNL_EXPR_IMM_DATA, ip, sizeof(ip));
	e = expr(k, "nat");
	set32(e, NFTNL_EXPR_NAT_TYPE, type);
	set32(e, NFTNL_EXPR_NAT_FAMILY, NFPROTO_IPV4);
	set32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	set32(e, NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1);
	set32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_MAP_IPS);
}

/*
 * The key is loaded part by part into registers of 4 bytes that follow each other; what
 * is found overwrites it: an address and a port. A register whose number within all is
 * divisible by four has the name of the wide one that begins there.
 */
static void dnat(struct make *k, enum nft_map map)
{
	bool v4 = !nft_map_is6(map), at = nft_map_is_at(map);
	uint32_t proto = NFT_REG_1, port = NFT_REG32_01;
	struct nftnl_expr *e;

	family(k, v4 ? AF_INET : AF_INET6);
	if (at) {
		load_addr(k, v4, false);
		proto = v4 ? NFT_REG32_01 : NFT_REG_2;
		port = v4 ? NFT_REG32_02 : NFT_REG32_05;
	}
	meta(k, NFT_META_L4PROTO, proto);
	payload(k, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, port);
	e = expr(k, "lookup");
	set32(e, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_1);
	set32(e, NFTNL_EXPR_LOOKUP_FLAGS, 0);
	if (e)
		nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, nft_map_name(map));
	port = v4 ? NFT_REG32_01 : NFT_REG_2;
	e = expr(k, "nat");
	set32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	set32(e, NFTNL_EXPR_NAT_FAMILY, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	set32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
	set32(e, NFTNL_EXPR_NAT_REG_ADDR_MAX, NFT_REG_1);
	set32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, port);
	set32(e, NFTNL_EXPR_NAT_REG_PROTO_MAX, port);
	set32(e, NFTNL_EXPR_NAT_FLAGS,
	      NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED);
}

static void tell(struct make *k, const struct nft_rule *r)
{
	struct nftnl_expr *e = expr(k, "log");
	char prefix[128];

	snprintf(prefix, sizeof(prefix), "%s %s", k->p->table,
		 k->p->set[r->m[0].set].name);
	if (e && nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, prefix))
		k->nomem = true;
	if (e)
		nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, NFT_LOG_GROUP);
}

static void conclude(struct make *k, const struct nft_rule *r)
{
	switch (r->verdict) {
	case NFT_V_ACCEPT:
		verdict(k, NF_ACCEPT, NULL);
		break;
	case NFT_V_DROP:
		verdict(k, NF_DROP, NULL);
		break;
	case NFT_V_RESET:
		reject(k, NFT_REJECT_TCP_RST, 0);
		break;
	case NFT_V_PROHIBIT:
		reject(k, NFT_REJECT_ICMPX_UNREACH,
		       NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
		break;
	case NFT_V_MASQUERADE:
		(void)expr(k, "masq");
		break;
	case NFT_V_DNAT:
		dnat(k, r->map);
		break;
	case NFT_V_DNAT_LOOPBACK:
		nat_loopback(k, NFT_NAT_DNAT);
		break;
	case NFT_V_SNAT_LOOPBACK:
		nat_loopback(k, NFT_NAT_SNAT);
		break;
	case NFT_V_RETURN:
		verdict(k, NFT_RETURN, NULL);
		break;
	case NFT_V_JUMP:
		verdict(k, NFT_JUMP, k->p->chain[r->to].name);
		break;
	case NFT_V_GOTO:
		verdict(k, NFT_GOTO, k->p->chain[r->to].name);
		break;
	case NFT_V_NONE:
		break;
	case NFT_V_LOG:
		tell(k, r);
		break;
	}
}

/* ---- objects ------------------------------------------------------------------------- */

struct nftnl_rule *nft_build_rule(const struct nft_plan *p, unsigned int i)
{
	const struct nft_rule *r = &p->rule[i];
	struct make k = {.r = nftnl_rule_alloc(), .p = p};

	if (!k.r)
		return NULL;
	nftnl_rule_set_u32(k.r, NFTNL_RULE_FAMILY, (uint32_t)p->family);
	nftnl_rule_set_str(k.r, NFTNL_RULE_TABLE, p->table);
	nftnl_rule_set_str(k.r, NFTNL_RULE_CHAIN, p->chain[r->chain].name);
	for (unsigned int m = 0; m < r->n; m++)
		match(&k, &r->m[m]);
	conclude(&k, r);
	if (!k.nomem)
		return k.r;
	nftnl_rule_free(k.r);
	return NULL;
}

struct nftnl_chain *nft_build_chain(const struct nft_plan *p, unsigned int i)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return NULL;
	nftnl_chain_set_u32(c, NFTNL_CHAIN_FAMILY, (uint32_t)p->family);
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, p->table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, p->chain[i].name);
	if (!p->chain[i].type)
		return c;
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, p->chain[i].type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, p->chain[i].hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, p->chain[i].priority);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	return c;
}

struct nftnl_table *nft_build_table(const struct nft_plan *p)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nftnl_udata_buf *u = nftnl_udata_buf_alloc(64);

	if (t && u &&
	    nftnl_udata_put_strz(u, NFTNL_UDATA_TABLE_COMMENT, NFT_MARK)) {
		nftnl_table_set_u32(t, NFTNL_TABLE_FAMILY, (uint32_t)p->family);
		nftnl_table_set_str(t, NFTNL_TABLE_NAME, p->table);
		nftnl_table_set_data(t, NFTNL_TABLE_USERDATA,
				     nftnl_udata_buf_data(u),
				     nftnl_udata_buf_len(u));
	} else {
		nftnl_table_free(t);
		t = NULL;
	}
	nftnl_udata_buf_free(u);
	return t;
}

/* ---- maps ------------------------------------------------------------------------------ */

/* Parts of a key or value are padded to 4 bytes. */
static size_t put_part(uint8_t *b, size_t at, const void *p, size_t len)
{
	memcpy(b + at, p, len);
	return at + ((len + 3) & ~(size_t)3);
}

static size_t put_addr(uint8_t *b, size_t at, const struct ipaddr *ip)
{
	bool v4 = ipaddr_is4(ip);

	return put_part(b, at, ip->b + (v4 ? 12 : 0), v4 ? 4 : 16);
}

static size_t put_port(uint8_t *b, size_t at, uint16_t port)
{
	uint8_t be[2] = {(uint8_t)(port >> 8), (uint8_t)port};

	return put_part(b, at, be, 2);
}

static bool add_element(struct nftnl_set *s, const struct nft_forward *f)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	uint8_t key[24] = {0}, data[20] = {0};
	size_t n = 0, d;

	if (!e)
		return false;
	if (!ipaddr_is_any(&f->at))
		n = put_addr(key, n, &f->at);
	n = put_part(key, n, &f->proto, 1);
	n = put_port(key, n, f->port);
	d = put_addr(data, 0, &f->to);
	d = put_port(data, d, f->to_port);
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, (uint32_t)n);
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_DATA, data, (uint32_t)d);
	nftnl_set_elem_add(s, e);
	return true;
}

struct nftnl_set *nft_build_map(const struct nft_plan *p, enum nft_map m)
{
	uint32_t ip = nft_map_is6(m) ? TYPE_IP6 : TYPE_IP4;
	uint32_t ip_len = nft_map_is6(m) ? 16 : 4;
	uint32_t key = TYPE_PROTO << TYPE_BITS | TYPE_SERVICE;
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return NULL;
	if (nft_map_is_at(m))
		key |= ip << (2 * TYPE_BITS);
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_str(s, NFTNL_SET_TABLE, p->table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, nft_map_name(m));
	nftnl_set_set_u32(s, NFTNL_SET_ID, (uint32_t)m + 1);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, NFT_SET_MAP);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, key);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN,
			  8 + (nft_map_is_at(m) ? ip_len : 0));
	nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, ip << TYPE_BITS | TYPE_SERVICE);
	nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, ip_len + 4);
	for (size_t i = 0; i < p->nfwd; i++)
		if (nft_map_of(&p->fwd[i]) == m && !add_element(s, &p->fwd[i])) {
			nftnl_set_free(s);
			return NULL;
		}
	return s;
}

static void get_addr(const uint8_t *b, bool v6, struct ipaddr *ip)
{
	if (v6)
		memcpy(ip->b, b, 16);
	else
		*ip = ipaddr_from4((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
				   (uint32_t)b[2] << 8 | b[3]);
}

bool nft_read_element(enum nft_map m, struct nftnl_set_elem *e,
		      struct nft_forward *f)
{
	uint32_t len = nft_map_is6(m) ? 16 : 4, nk = 0, nd = 0;
	const uint8_t *k = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &nk);
	const uint8_t *d = nftnl_set_elem_get(e, NFTNL_SET_ELEM_DATA, &nd);

	memset(f, 0, sizeof(*f));
	f->at = nft_map_is6(m) ? ipaddr_any : ipaddr_from4(0);
	if (!k || !d || nd != len + 4 ||
	    nk != 8 + (nft_map_is_at(m) ? len : 0))
		return false;
	if (nft_map_is_at(m)) {
		get_addr(k, nft_map_is6(m), &f->at);
		k += len;
	}
	f->proto = k[0];
	f->port = (uint16_t)(k[4] << 8 | k[5]);
	get_addr(d, nft_map_is6(m), &f->to);
	f->to_port = (uint16_t)(d[len] << 8 | d[len + 1]);
	return true;
}
