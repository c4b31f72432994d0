// SPDX-License-Identifier: GPL-2.0-or-later
/* Transactions of nftables: messages gathered, sent at once, their answers heard. See
 * nft_int.h. */
#include "nat/nft_int.h"
#include "nat/nlmsg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MSG_MAX	  (1 << 17) /* in one message of it */

void nft_begin(struct nft_batch *b, struct nft *n, int family, uint32_t gen)
{
	struct nlmsghdr *nlh;

	*b = (struct nft_batch){
		.n = n, .family = (uint16_t)family, .buf = malloc(NFT_BATCH_MAX)};
	if (!b->buf) {
		b->full = true;
		return;
	}
	b->first = nft_next_seq(n);
	nlh = nftnl_batch_begin(b->buf, b->first);
	if (gen)
		mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(gen));
	b->len = nlh->nlmsg_len;
}

/* Room for a message; NULL when there is none any more. */
static struct nlmsghdr *message(struct nft_batch *b, uint16_t type, uint16_t flags)
{
	if (b->full || b->len + MSG_MAX > NFT_BATCH_MAX) {
		b->full = true;
		return NULL;
	}
	b->last = nft_next_seq(b->n);
	return nftnl_nlmsg_build_hdr(b->buf + b->len, type, b->family,
				     flags | NLM_F_ACK, b->last);
}

static void done(struct nft_batch *b, const struct nlmsghdr *nlh)
{
	b->len += (nlh->nlmsg_len + 3) & ~(size_t)3;
}

/* The kernel answers each message, that with the number @last at the end. */
static int verdict(struct nft_batch *b)
{
	int err = 0;

	for (;;) {
		ssize_t len = nft_receive(b->n);
		const struct nlmsghdr *h = nft_received(b->n);
		int left = (int)len;

		if (len < 0)
			return (int)len;
		for (; nlmsg_whole(h, left); h = mnl_nlmsg_next(h, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR ||
			    h->nlmsg_seq < b->first || h->nlmsg_seq > b->last)
				continue;
			if (!err)
				err = e->error;
			/* What fails as a whole is told with its first number. */
			if (h->nlmsg_seq == b->last || h->nlmsg_seq == b->first)
				return err;
		}
	}
}

int nft_commit(struct nft_batch *b, struct errtext *why)
{
	int r = b->full ? -ENOBUFS : 0;

	if (!r) {
		b->len += nftnl_batch_end(b->buf + b->len, nft_next_seq(b->n))
				  ->nlmsg_len;
		r = nft_send(b->n, b->buf, b->len);
		if (!r)
			r = verdict(b);
	}
	free(b->buf);
	return r ? errtext_set(why, r, "nftables: %s", strerror(-r)) : 0;
}

void nft_abandon(struct nft_batch *b)
{
	free(b->buf);
}

void nft_put_table(struct nft_batch *b, const struct nft_plan *p)
{
	struct nftnl_table *t = nft_build_table(p);
	struct nlmsghdr *nlh = t ? message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE)
				 : NULL;

	if (nlh) {
		nftnl_table_nlmsg_build_payload(nlh, t);
		done(b, nlh);
	}
	b->full |= !t;
	nftnl_table_free(t);
}

void nft_del_table(struct nft_batch *b, const char *name)
{
	struct nlmsghdr *nlh = message(b, NFT_MSG_DELTABLE, 0);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, name);
	done(b, nlh);
}

/* Elements in as many messages as it takes: an attribute has at most 64 KiB. */
static void elements(struct nft_batch *b, struct nftnl_set *s, uint16_t type,
		     uint16_t flags)
{
	struct nftnl_set_elems_iter *it = nftnl_set_elems_iter_create(s);
	struct nlmsghdr *nlh;
	int more = 1;

	b->full |= !it;
	while (it && more > 0 &&
	       (nlh = message(b, type, flags))) {
		more = nftnl_set_elems_nlmsg_build_payload_iter(nlh, it);
		done(b, nlh);
	}
	if (it)
		nftnl_set_elems_iter_destroy(it);
}

void nft_put_elements(struct nft_batch *b, struct nftnl_set *s)
{
	elements(b, s, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
}

void nft_del_elements(struct nft_batch *b, struct nftnl_set *s)
{
	elements(b, s, NFT_MSG_DELSETELEM, 0);
}

static void put_set(struct nft_batch *b, struct nftnl_set *s)
{
	struct nlmsghdr *nlh = s ? message(b, NFT_MSG_NEWSET, NLM_F_CREATE)
				 : NULL;

	if (nlh) {
		nftnl_set_nlmsg_build_payload(nlh, s);
		done(b, nlh);
		/* An empty list of elements is none. */
		if (!nft_is_empty(s))
			nft_put_elements(b, s);
	}
	b->full |= !s;
	nftnl_set_free(s);
}

void nft_put_map(struct nft_batch *b, const struct nft_plan *p, enum nft_map m)
{
	put_set(b, nft_build_map(p, m));
}

void nft_put_set(struct nft_batch *b, const struct nft_plan *p, unsigned int i)
{
	put_set(b, nft_build_set(p, i));
}

void nft_put_chain(struct nft_batch *b, const struct nft_plan *p, unsigned int i)
{
	struct nftnl_chain *c = nft_build_chain(p, i);
	struct nlmsghdr *nlh = c ? message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE)
				 : NULL;

	if (nlh) {
		nftnl_chain_nlmsg_build_payload(nlh, c);
		done(b, nlh);
	}
	b->full |= !c;
	nftnl_chain_free(c);
}

void nft_put_rule(struct nft_batch *b, const struct nft_plan *p, unsigned int i)
{
	struct nftnl_rule *r = nft_build_rule(p, i);
	struct nlmsghdr *nlh =
		r ? message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND)
		  : NULL;

	if (nlh) {
		nftnl_rule_nlmsg_build_payload(nlh, r);
		done(b, nlh);
	}
	b->full |= !r;
	nftnl_rule_free(r);
}
