/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's packet filters as somebody else made them (Docker, firewalld, ufw, nft, or
 * iptables over nftables), and the question what they would do with a packet. Used to say
 * which rule keeps a network's traffic away; our own tables are nft.h's matter.
 *
 * Theory of operation. ruleset_eval.c is pure: rules are lists of expressions as the
 * kernel has them, over a file of registers whose bytes are known or not. What cannot
 * be known (a match of an iptables extension, a set filled by packets, the time of day)
 * is not guessed: from there on both ways are followed, and the answer is "maybe" if
 * they end differently. Only chains of type filter are followed: the others translate,
 * they do not judge.
 *
 * ruleset_read.c makes the lists from the kernel's netlink messages.
 */
#ifndef VNET_NAT_RULESET_H
#define VNET_NAT_RULESET_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/errtext.h"
#include "lib/inet.h"
#include "lib/list.h"

#define RS_NAME	     64
#define RS_REGS	     64 /* bytes of registers: 16 of 32 bits, or 4 of 128 */
#define RS_RULES_MAX 200000
#define RS_ELEMS_MAX 1000000
#define RS_STEPS_MAX 2000000 /* expressions and elements looked at for one packet */
#define RS_BUCKETS   1024
#define RS_DEPTH_MAX 16	     /* of jumps: NFT_JUMP_STACK_SIZE of the kernel */
#define RS_TEXT	     200

enum rs_op {
	RS_META,    /* key NFT_META_… into @reg */
	RS_PAYLOAD, /* key NFT_PAYLOAD_…, from @arg, @len into @reg */
	RS_CT,	    /* key NFT_CT_… into @reg */
	RS_FIB,	    /* key NFT_FIB_RESULT_…, arg NFTA_FIB_F_… into @reg */
	RS_IMM,	    /* @a into @reg */
	RS_LOAD_ANY, /* something that is not known into @reg */
	RS_SET_MARK, /* the packet's mark := @reg */
	RS_BITWISE, /* reg2 := (reg & a) ^ b */
	RS_CMP,	    /* arg NFT_CMP_…; over when reg and a do not compare */
	RS_RANGE,   /* arg NFT_RANGE_…; a to b */
	RS_LOOKUP,  /* in @set; arg 1: when it is not in; a map's value into reg2 */
	RS_STATE,   /* iptables: connection's state one of mask key; arg 1: not */
	RS_LOCAL,   /* iptables: destination is the host's; arg 1: is not */
	RS_PORTS,   /* iptables: source a[0..1], destination b[0..1], TCP flags
		     * key (mask << 8 | value); big endian as there */
	RS_NEVER,   /* it does not match (over a limit, for a single packet) */
	RS_UNKNOWN, /* a match nobody here can judge: @what */
	RS_VERDICT, /* key NF_ACCEPT, NF_DROP, NFT_JUMP …, @chain */
	RS_VERDICT_ANY, /* @what may do anything */
};

struct rs_chain;
struct rs_chunk;
struct rs_set;

struct rs_expr {
	enum rs_op op;
	uint32_t reg, reg2; /* offset in bytes */
	uint32_t key, arg, len;
	const uint8_t *a, *b; /* of @len bytes; in the ruleset's memory */
	const char *what;
	const struct rs_set *set; /* NULL: one that was not read */
	const struct rs_chain *chain; /* likewise */
};

struct rs_rule {
	struct list node;
	uint64_t handle;
	const struct rs_chain *in;
	struct rs_expr *expr;
	unsigned int n;
};

struct rs_table {
	uint8_t family; /* NFPROTO_… */
	char name[RS_NAME];
};

struct rs_chain {
	struct list node;
	struct rs_chain *same;
	struct rs_table table;
	char name[RS_NAME];
	bool base; /* of type filter; the rest only then */
	uint32_t hook;
	int32_t priority;
	bool drops; /* its policy */
	struct list rules;
};

struct rs_elem {
	const uint8_t *key, *end; /* of the set's key_len; end NULL: one value */
	bool interval_end;	  /* a range ends before it */
	const uint8_t *data;	  /* of a map; NULL: @verdict */
	uint32_t verdict;
	const struct rs_chain *chain;
};

struct rs_set {
	struct list node;
	struct rs_set *same;
	struct rs_table table;
	char name[RS_NAME];
	uint32_t flags; /* NFT_SET_… */
	uint32_t key_len, data_len;
	uint8_t part[16]; /* bytes of the parts of a concatenation, rounded up */
	unsigned int nparts;
	struct rs_elem *elem;
	size_t n, cap;
	bool verdicts;
};

struct ruleset {
	struct list chains, sets;
	/* Both by name; chained by .same. */
	struct rs_chain *chain_at[RS_BUCKETS];
	struct rs_set *set_at[RS_BUCKETS];
	size_t nrules, nelems;
	struct rs_chunk *chunks; /* memory that all of the above points into */
	bool partial; /* there was more than the limits allow, or than was understood */
};

void ruleset_init(struct ruleset *rs);
void ruleset_fini(struct ruleset *rs);

/* Memory that lives as long as @rs; NULL without. */
void *ruleset_alloc(struct ruleset *rs, size_t n);
const void *ruleset_copy(struct ruleset *rs, const void *from, size_t n);

/* Add; NULL without memory, or beyond the limits. */
struct rs_chain *ruleset_chain_add(struct ruleset *rs, uint8_t family,
				   const char *table, const char *name);
struct rs_rule *ruleset_rule_add(struct ruleset *rs, struct rs_chain *c,
				 uint64_t handle, unsigned int exprs);
/* @s has its names; it is the ruleset's memory. */
void ruleset_set_add(struct ruleset *rs, struct rs_set *s);
struct rs_set *ruleset_set_find(const struct ruleset *rs, uint8_t family,
				const char *table, const char *name);
struct rs_chain *ruleset_chain_find(const struct ruleset *rs, uint8_t family,
				    const char *table, const char *name);

/* ---- the question ------------------------------------------------------------------- */

/** struct rs_packet - What is known of it */
struct rs_packet {
	uint8_t family; /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	char iif[IFNAMSIZ], oif[IFNAMSIZ]; /* "" where the hook has none */
	uint32_t iifindex, oifindex;
	uint8_t proto; /* IPPROTO_TCP, UDP, ICMP, ICMPV6 */
	struct ipaddr src, dst;
	uint16_t sport, dport; /* ICMP: neither */
	uint32_t state; /* one of RS_NEW, RS_ESTABLISHED */
	bool translated; /* the connection's destination was */
	bool to_host; /* the destination is the host's own address */
};

#define RS_ESTABLISHED 2 /* NF_CT_STATE_BIT of the kernel */
#define RS_NEW	       8

enum rs_outcome { RS_PASSES, RS_DROPPED, RS_MAYBE };

struct rs_finding {
	enum rs_outcome outcome;
	/* Not RS_PASSES: where it ends, or may. */
	const struct rs_chain *base; /* chain of the hook */
	const struct rs_chain *chain; /* with the rule; or = base */
	const struct rs_rule *rule; /* NULL: the base chain's policy */
	const char *unknown; /* RS_MAYBE: what could not be judged */
};

/**
 * ruleset_ask() - What becomes of @p at hook @hook (NF_INET_…)?
 * @skip: tables whose name begins so are ours and left out; nullable
 */
void ruleset_ask(const struct ruleset *rs, const struct rs_packet *p,
		 uint32_t hook, const char *skip, struct rs_finding *out);

/* "iifname "eth0" tcp dport 22 drop": the rule in words like nft's, as far as they go. */
char *ruleset_rule_text(const struct rs_rule *r, char out[RS_TEXT]);
const char *ruleset_family_name(uint8_t family); /* "ip", "inet", … */

/* ---- ruleset_read.c ------------------------------------------------------------------- */

/**
 * ruleset_read() - From the messages that nft_dump() wrote
 *
 * Chains and sets come before what refers to them. What is not understood becomes an
 * expression that is not known. Return: 0; -EPROTO no such messages; -ENOMEM.
 */
int ruleset_read(struct ruleset *rs, const void *buf, size_t len);

#endif
