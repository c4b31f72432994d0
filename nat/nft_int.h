/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between nft*.c only: a plan as libnftnl's objects, and objects as text to compare. */
#ifndef VNET_NAT_NFT_INT_H
#define VNET_NAT_NFT_INT_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/errtext.h"
#include "lib/list.h"
#include "nat/nftplan.h"

struct nft;
struct nlmsghdr;
struct nftnl_chain;
struct nftnl_rule;
struct nftnl_set;
struct nftnl_set_elem;
struct nftnl_table;

/* ---- nft_build.c: all give heap objects for libnftnl's _free; NULL without memory --- */

struct nftnl_table *nft_build_table(const struct nft_plan *p);
struct nftnl_chain *nft_build_chain(const struct nft_plan *p, unsigned int i);
struct nftnl_rule *nft_build_rule(const struct nft_plan *p, unsigned int i);
/* With its elements. */
struct nftnl_set *nft_build_map(const struct nft_plan *p, enum nft_map m);
/* Likewise. */
struct nftnl_set *nft_build_set(const struct nft_plan *p, unsigned int i);
/* And back: false for what no plan has. */
bool nft_read_element(enum nft_map m, struct nftnl_set_elem *e,
		      struct nft_forward *out);

/* ---- nft.c: questions ------------------------------------------------------------- */

typedef int (*nft_cb)(const struct nlmsghdr *nlh, void *arg); /* libmnl's */

/* @buf: of the caller, for a question with its attributes. */
struct nlmsghdr *nft_question(struct nft *n, char *buf, uint16_t type,
			      uint16_t family, uint16_t flags);
/* The answers go to @cb, until the last one. 0 or negative errno; -EINTR: what was
 * listed changed meanwhile. */
int nft_ask(struct nft *n, struct nlmsghdr *nlh, nft_cb cb, void *arg);

/* One datagram of answers, waited for; where it is then. */
ssize_t nft_receive(struct nft *n);
const struct nlmsghdr *nft_received(const struct nft *n);
uint32_t nft_next_seq(struct nft *n);
int nft_send(struct nft *n, const void *p, size_t len);
int nft_ask_elements(struct nft *n, int family, const char *table,
		     const char *map, struct nftnl_set *s);

/* ---- nft_batch.c: a transaction ------------------------------------------------------ */

/* Bytes: a thousand NICs held to all there is, with eight thousand addresses. */
#define NFT_BATCH_MAX (4 << 20)

struct nft_batch {
	struct nft *n;
	uint16_t family;
	char *buf;
	size_t len;
	uint32_t first, last; /* sequence numbers of what is answered */
	bool full; /* or no memory */
};

/* @gen: only if the kernel's rulesets are still that generation's (else nft_commit() is
 * -ERESTART); 0 = whichever. */
void nft_begin(struct nft_batch *b, struct nft *n, int family, uint32_t gen);
void nft_put_table(struct nft_batch *b, const struct nft_plan *p);
void nft_del_table(struct nft_batch *b, const char *name);
void nft_put_map(struct nft_batch *b, const struct nft_plan *p, enum nft_map m);
void nft_put_set(struct nft_batch *b, const struct nft_plan *p, unsigned int i);
void nft_put_elements(struct nft_batch *b, struct nftnl_set *s);
void nft_del_elements(struct nft_batch *b, struct nftnl_set *s);
void nft_put_chain(struct nft_batch *b, const struct nft_plan *p, unsigned int i);
void nft_put_rule(struct nft_batch *b, const struct nft_plan *p, unsigned int i);
/* One of these ends it. */
int nft_commit(struct nft_batch *b, struct errtext *why);
void nft_abandon(struct nft_batch *b);

/* ---- nft_sets.c ------------------------------------------------------------------------ */

/* Have the plan's sets other elements than the table's? 1, 0 or an error; what makes them
 * the same goes into @b, unless that is NULL. */
int nft_sets_differ(struct nft *n, const struct nft_plan *p,
		    struct nft_batch *b);
/* The same of one set, and of elements that are there and that are to be. */
int nft_set_differs(const struct nft_plan *p, unsigned int i,
		    const struct nft_elem *have, size_t nhave,
		    const struct nft_elem *want, size_t nwant,
		    struct nft_batch *b);
bool nft_is_empty(const struct nftnl_set *s);

/* ---- nft_known.c: tables that are as a plan said -------------------------------------- */

struct nft_table;

struct nft_known {
	uint32_t gen; /* of all of it; 0 = nothing is known */
	struct list tables;
};

void nft_known_init(struct nft_known *k);
/* All of it; also when it is no longer wanted. */
void nft_known_forget(struct nft_known *k);
void nft_known_drop(struct nft_known *k, int family, const char *name);
/* The table is what @p says. */
void nft_known_put(struct nft_known *k, const struct nft_plan *p);
struct nft_table *nft_known_find(struct nft_known *k, int family,
				 const char *name);
/* Does nothing but elements of sets differ? */
bool nft_known_alike(const struct nft_table *t, const struct nft_plan *p);
/* As nft_sets_differ(), of what is alike. */
int nft_known_differs(const struct nft_table *t, const struct nft_plan *p,
		      struct nft_batch *b);
/* Sum over all but the sets' elements. */
uint64_t nft_known_shape(const struct nft_plan *p);

/* ---- nft_image.c: the same text for the same thing, whoever made the object --------- */

void nft_image_chain(FILE *f, const struct nftnl_chain *c);
void nft_image_rule(FILE *f, struct nftnl_rule *r);
void nft_image_set(FILE *f, const struct nftnl_set *s);
/* Elements come in any order; they are sorted. */
void nft_image_elems(FILE *f, struct nftnl_set *s);

/* All of a plan; heap, NULL without memory. */
char *nft_image_plan(const struct nft_plan *p);

#endif
