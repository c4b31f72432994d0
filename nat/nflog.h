/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel tells of frames that a table of guards dropped (nftguard.h), over
 * NFLOG: port, kind, the sender's MAC. The frame itself stays in the kernel.
 */
#ifndef VNET_NAT_NFLOG_H
#define VNET_NAT_NFLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/errtext.h"
#include "lib/inet.h"
#include "nat/nftguard.h"

struct nflog_entry {
	char network[NFT_NETWORK];
	enum nftguard_kind kind;
	int port; /* index of the interface that it came in by */
	struct mac mac;
};

/* Needs CAP_NET_ADMIN; whoever has the socket then needs nothing. Non-blocking. -EBUSY:
 * somebody else hears the group. */
int nflog_open(int *fd_out, struct errtext *why);

/* One datagram: @fn for each entry that is ours. Total: any bytes. */
void nflog_read(const void *p, size_t len,
		void (*fn)(void *arg, const struct nflog_entry *e), void *arg);

#endif
