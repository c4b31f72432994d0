// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_io switch_core */
/*
 * Messages of the kernel about interfaces, neighbours, tracked connections and frames that
 * it dropped. The first byte says which, the rest is the message behind its header. What is
 * read of it is what a later message to the kernel can name, or a list can be asked for:
 * terminated texts, tuples within their bounds, kinds that there are.
 */
#include <assert.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "nat/ctrack.h"
#include "nat/nflog.h"
#include "nat/nft.h"
#include "switch/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void see_link(const struct nlmsghdr *h)
{
	struct link_info l;

	if (link_parse(h, &l))
		return;
	assert(memchr(l.name, 0, sizeof(l.name)));
	assert(memchr(l.alias, 0, sizeof(l.alias)));
	assert(memchr(l.kind, 0, sizeof(l.kind)));
}

static void see_neighbour(const struct nlmsghdr *h)
{
	struct link_neigh e;

	if (!link_neigh_parse(h, &e))
		assert(!e.usable || e.state);
}

static void see_connection(const struct nlmsghdr *h)
{
	struct ctrack_change c = {.nnow = 0};
	struct ctrack_name name;
	struct ctrack_entry e;

	if (ctrack_parse(h, &e, &name))
		return;
	assert(name.tuple_len <= sizeof(name.tuple));
	assert(name.zone_len <= sizeof(name.zone));
	assert(!ctrack_ends(&c, &e)); /* nothing has changed */
}

static void told(void *arg, const struct nflog_entry *e)
{
	(void)arg;
	assert(memchr(e->network, 0, sizeof(e->network)) && e->network[0]);
	assert(nftguard_name(e->kind) && e->port > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? size - 1 : 0;
	struct nlmsghdr *h = malloc(NLMSG_HDRLEN + len);

	if (!h || !size) {
		free(h);
		return 0;
	}
	*h = (struct nlmsghdr){.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len)};
	memcpy(NLMSG_DATA(h), data + 1, len);
	switch (data[0] % 4) {
	case 0:
		h->nlmsg_type = RTM_NEWLINK;
		see_link(h);
		break;
	case 1:
		h->nlmsg_type = RTM_NEWNEIGH;
		see_neighbour(h);
		break;
	case 2:
		see_connection(h);
		break;
	default:
		h->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
		nflog_read(h, h->nlmsg_len, told, NULL);
	}
	/* Of somebody's who is never us. */
	assert(!nft_is_own(h, h->nlmsg_len, 7));
	if (len >= NLMSG_HDRLEN)
		(void)nft_is_own(NLMSG_DATA(h), len, 7);
	free(h);
	return 0;
}
