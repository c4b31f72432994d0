/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walking netlink messages, where libmnl is not careful enough. */
#ifndef VNET_NAT_NLMSG_H
#define VNET_NAT_NLMSG_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

/* Is there a whole message in the @left bytes? libmnl takes a claim of 2 GiB and more for
 * a negative one, and so for one that fits. */
static inline bool nlmsg_whole(const struct nlmsghdr *h, int left)
{
	return mnl_nlmsg_ok(h, left) && h->nlmsg_len <= (uint32_t)left;
}

#endif
