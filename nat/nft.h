/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A planned table (nftplan.h) in the kernel, over netlink (libmnl, libnftnl): look,
 * compare, replace in one transaction, delete. A table with the name of one of ours but
 * without our mark is somebody else's and is not touched. Needs CAP_NET_ADMIN;
 * synchronous: not for the datapath's process.
 */
#ifndef VNET_NAT_NFT_H
#define VNET_NAT_NFT_H

#include "lib/errtext.h"
#include "nat/nftplan.h"

/*
 * A socket in the network namespace that it was made in. One that is kept remembers the
 * tables that it brought in line, and of which generation of the kernel's rulesets that
 * is: the kernel counts every change, by anybody, to any table. While it counted none but
 * ours, the next difference is found without asking, and costs what changes; the kernel
 * takes it only for that generation. Otherwise all is read, as the first time.
 */
struct nft;

int nft_open(struct nft **out, struct errtext *why);
void nft_close(struct nft *n);

/* After a failure: nothing is known, and late answers are nobody's. -errno: @n can only be
 * renewed or closed. */
int nft_renew(struct nft *n, struct errtext *why);

/* What news of its changes bear (nft_watch()). */
uint32_t nft_port(const struct nft *n);

/**
 * nft_sync() - Make the table what @p says
 * @changed: was it another?
 *
 * What is there is read first, unless it is known; only when it is not the same the
 * whole table is replaced, in one transaction: no packet meets half of it, and what is
 * refused leaves what was there. Sets are brought in line element by element, so that what they count
 * goes on. Connections under way go on: the kernel keeps their translation.
 *
 * Return: 0; -EEXIST a table of this name is not ours; -EOPNOTSUPP the kernel has no
 * nftables, or no NAT; … with @why.
 */
int nft_sync(struct nft *n, const struct nft_plan *p, bool *changed,
	     struct errtext *why);

/* What would nft_sync() do? 1: replace or make it, 0: nothing; or an error. */
int nft_check(struct nft *n, const struct nft_plan *p, struct errtext *why);

/**
 * nft_forwards() - The forwards that the table has now
 * @out: at most @cap of them
 *
 * Return: how many; 0 also when it is not there; or an error.
 */
int nft_forwards(struct nft *n, const struct nft_plan *p,
		 struct nft_forward *out, size_t cap);

/* What a port was kept from since its table was made (nftguard.h); not what was 0. */
typedef void (*nft_count_fn)(void *arg, const char *port, unsigned int kind,
			     uint64_t frames);

int nft_counts(struct nft *n, const char *network, nft_count_fn fn, void *arg);

/* Delete the network's table of one family; 0 also when there is none, or none of ours. */
int nft_drop_one(struct nft *n, int family, const char *network,
		 struct errtext *why);

/* Delete the network's tables; 0 also when there is none, or none of ours. */
int nft_drop(struct nft *n, const char *network, struct errtext *why);

#define NFT_DUMP_MAX (32u << 20) /* bytes */

/**
 * nft_dump() - Write the kernel's messages on all rulesets to @fd, for ruleset_read()
 *
 * Chains, sets, their elements, rules. Return: 0; -EFBIG more than NFT_DUMP_MAX; -EINTR
 * somebody changes them all the time; … with @why.
 */
int nft_dump(struct nft *n, int fd, struct errtext *why);

/**
 * nft_watch() - A socket that becomes readable when anybody changes a ruleset
 *
 * What it says is not worth reading but for nft_is_own(): drain it and look. The kernel
 * may drop news (ENOBUFS), which is news, too.
 */
int nft_watch(int *fd_out, struct errtext *why);

/* Are they news of changes by the socket with that port alone? */
bool nft_is_own(const void *news, size_t len, uint32_t port);

#endif
