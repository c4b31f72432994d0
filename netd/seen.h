/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses of one family that a NIC was seen to use, the latest last. The worker
 * has such lists and control has, of what the worker says. */
#ifndef VNET_NETD_SEEN_H
#define VNET_NETD_SEEN_H

#include "lib/inet.h"

#define SEEN_MAX 8

struct seen {
	struct ipaddr ip;
	struct mac mac;
};

struct seen_list {
	struct seen e[SEEN_MAX];
	unsigned int n;
};

/* NULL when there is none. */
static inline const struct seen *seen_last(const struct seen_list *l)
{
	return l->n ? &l->e[l->n - 1] : NULL;
}

/**
 * seen_put() - @ip was seen, from @mac: it is the latest now
 * @lost: the oldest, when it had to make room; else zero. May be NULL.
 *
 * Return: false when it was the latest already.
 */
bool seen_put(struct seen_list *l, const struct ipaddr *ip,
	      const struct mac *mac, struct ipaddr *lost);

/* It is no longer used, as far as we know; harmless when it is not there. */
void seen_drop(struct seen_list *l, const struct ipaddr *ip);

#endif
