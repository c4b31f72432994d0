/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that the kernel tracks (ctnetlink, over libmnl) and forwards that change.
 * The kernel decides once where a connection leads and remembers; so what came by a
 * forward that is gone, or leads elsewhere now, has to be forgotten for it to end, as has
 * what was not led anywhere when there was no forward yet: a UDP client that goes on
 * asking would get no other answer. Needs CAP_NET_ADMIN; synchronous.
 */
#ifndef VNET_NAT_CTRACK_H
#define VNET_NAT_CTRACK_H

#include "lib/errtext.h"
#include "nat/nftplan.h"

struct nlmsghdr;

#define CTRACK_ROUND  4096 /* connections forgotten after one look */
#define CTRACK_ROUNDS 64

/** struct ctrack_entry - A tracked connection, as far as it matters */
struct ctrack_entry {
	uint8_t proto;
	bool dnat, snat;	  /* destination, source translated */
	struct ipaddr dst;	  /* where its client sends to … */
	uint16_t dst_port;
	struct ipaddr from;	  /* … and who answers */
	uint16_t from_port;
};

#define CTRACK_TUPLE 128 /* bytes; the kernel's are 52 at most */

/** struct ctrack_name - How the kernel calls it; to be given back as it came */
struct ctrack_name {
	uint8_t family;
	uint16_t tuple_len, zone_len;
	uint8_t tuple[CTRACK_TUPLE], zone[2];
	uint32_t id;
};

/* The kernel's message about one. -EINVAL for any other, and for what has no ports. */
int ctrack_parse(const struct nlmsghdr *h, struct ctrack_entry *e,
		 struct ctrack_name *name);

/** struct ctrack_change - What differs between a network's forwards before and after */
struct ctrack_change {
	const struct nft_forward *gone, *came, *now; /* borrowed; @now: all */
	size_t ngone, ncame, nnow;
	const struct ipaddr *host; /* addresses of the host itself; borrowed */
	size_t nhost;
};

/*
 * Has the connection to end? Pure. One goes on that a forward of now would lead to the same
 * place, or whose forward came back under another port or address with the same target;
 * then it ends with the last forward that has this target.
 */
bool ctrack_ends(const struct ctrack_change *c, const struct ctrack_entry *e);

/* Are they the same forwards, in whatever order? */
bool ctrack_same(const struct nft_forward *a, size_t na,
		 const struct nft_forward *b, size_t nb);

/** struct ctrack_source - Who knows the forwards of this moment */
struct ctrack_source {
	/* Into @out, @max of them; how many, or negative errno. */
	int (*now)(void *arg, struct nft_forward *out, size_t max);
	void *arg;
	size_t max;
};

/**
 * ctrack_forget() - Forget what ctrack_ends() says, of forwards that were @was
 *
 * What is now is asked for before and after each look at the table, so that a change made
 * meanwhile is none that this one undoes. Takes as long as the kernel needs to go through its
 * table, and a few microseconds for each connection forgotten.
 *
 * Return: 0; -EOPNOTSUPP a kernel without ctnetlink; -EAGAIN there were more than
 * CTRACK_ROUNDS rounds of them; other negative errno; with @why.
 */
int ctrack_forget(const struct nft_forward *was, size_t nwas,
		  const struct ctrack_source *source, struct errtext *why);

#endif
