// SPDX-License-Identifier: GPL-2.0-or-later
/* Everybody's rulesets as the kernel tells them, for somebody else to read. See nft.h. */
#include "nat/nft.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nat/nft_int.h"

#define TRIES 5 /* while somebody changes what is listed */

struct set_name {
	uint16_t family;
	char *table, *name;
};

struct dump {
	int fd;
	size_t bytes;
	int err;
	struct set_name *set;
	size_t nset;
};

static int write_all(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	const char *p = (const char *)nlh;
	size_t left = (nlh->nlmsg_len + 3) & ~(size_t)3;

	d->bytes += left;
	if (d->bytes > NFT_DUMP_MAX)
		d->err = -EFBIG;
	while (!d->err && left) {
		ssize_t n = write(d->fd, p, left);

		if (n < 0 && errno != EINTR)
			d->err = -errno;
		if (n > 0) {
			p += n;
			left -= (size_t)n;
		}
	}
	return d->err ? MNL_CB_ERROR : MNL_CB_OK;
}

static int note_set(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct dump *d = arg;
	struct set_name *grown, *x;

	if (s && !nftnl_set_nlmsg_parse(nlh, s)) {
		grown = realloc(d->set, (d->nset + 1) * sizeof(*grown));
		if (grown) {
			d->set = grown;
			x = &d->set[d->nset++];
			x->family = (uint16_t)nftnl_set_get_u32(
				s, NFTNL_SET_FAMILY);
			x->table = strdup(nftnl_set_get_str(s, NFTNL_SET_TABLE));
			x->name = strdup(nftnl_set_get_str(s, NFTNL_SET_NAME));
		}
	}
	nftnl_set_free(s);
	return write_all(nlh, arg);
}

static int list(struct nft *n, struct dump *d, uint16_t type, nft_cb cb)
{
	char buf[256];
	struct nlmsghdr *q = nft_question(n, buf, type, NFPROTO_UNSPEC,
					  NLM_F_DUMP);
	int r = nft_ask(n, q, cb, d);

	return d->err ? d->err : r;
}

static int list_elems(struct nft *n, struct dump *d, const struct set_name *s)
{
	char buf[1024];
	struct nlmsghdr *q;
	int r;

	if (!s->table || !s->name)
		return -ENOMEM;
	q = nft_question(n, buf, NFT_MSG_GETSETELEM, s->family, NLM_F_DUMP);
	mnl_attr_put_strz(q, NFTA_SET_ELEM_LIST_TABLE, s->table);
	mnl_attr_put_strz(q, NFTA_SET_ELEM_LIST_SET, s->name);
	r = nft_ask(n, q, write_all, d);
	if (r == -ENOENT)
		r = -EINTR; /* it was deleted meanwhile */
	return d->err ? d->err : r;
}

static int once(struct nft *n, int fd)
{
	struct dump d = {.fd = fd};
	int r = ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) ? -errno : 0;

	if (!r)
		r = list(n, &d, NFT_MSG_GETCHAIN, write_all);
	if (!r)
		r = list(n, &d, NFT_MSG_GETSET, note_set);
	for (size_t i = 0; !r && i < d.nset; i++)
		r = list_elems(n, &d, &d.set[i]);
	if (!r)
		r = list(n, &d, NFT_MSG_GETRULE, write_all);
	for (size_t i = 0; i < d.nset; i++) {
		free(d.set[i].table);
		free(d.set[i].name);
	}
	free(d.set);
	return r;
}

int nft_dump(struct nft *n, int fd, struct errtext *why)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES; i++)
		r = once(n, fd);
	return r ? errtext_set(why, r, "rulesets cannot be read: %s",
			       strerror(-r))
		 : 0;
}
