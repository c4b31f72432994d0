// SPDX-License-Identifier: GPL-2.0-or-later
/* Prefixes behind guests. See routes6.h. */
#include "nat/routes6.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void routes6_fini(struct routes6 *t)
{
	free(t->e);
	*t = (struct routes6){0};
}

/* How many begin at @ip or before. */
static unsigned int upto(const struct routes6 *t, const struct ipaddr *ip)
{
	unsigned int lo = 0, hi = t->n;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (memcmp(t->e[mid].net.addr.b, ip->b, 16) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int routes6_set(struct routes6 *t, const struct nat_route6 *r)
{
	unsigned int i = upto(t, &r->net.addr);

	if (!r->net.plen || ipaddr_is_zero(&r->via) ||
	    ipaddr_is_multicast(&r->via))
		return -EINVAL;
	if (i && !memcmp(&t->e[i - 1].net, &r->net, sizeof(r->net))) {
		t->e[i - 1] = *r;
		return 0;
	}
	if ((i && ip6_net_overlap(&t->e[i - 1].net, &r->net)) ||
	    (i < t->n && ip6_net_overlap(&t->e[i].net, &r->net)))
		return -EEXIST;
	if (t->n == NAT_ROUTES_MAX)
		return -ENOSPC;
	if (!t->e) /* most networks have none */
		t->e = calloc(NAT_ROUTES_MAX, sizeof(*t->e));
	if (!t->e)
		return -ENOMEM;
	memmove(&t->e[i + 1], &t->e[i], (t->n - i) * sizeof(*t->e));
	t->e[i] = *r;
	t->n++;
	return 0;
}

int routes6_del(struct routes6 *t, const struct ip6_net *net)
{
	unsigned int i = upto(t, &net->addr);

	if (!i || memcmp(&t->e[i - 1].net, net, sizeof(*net)))
		return -ENOENT;
	t->n--;
	memmove(&t->e[i - 1], &t->e[i], (t->n - (i - 1)) * sizeof(*t->e));
	return 0;
}

const struct nat_route6 *routes6_find(const struct routes6 *t,
				      const struct ipaddr *ip)
{
	unsigned int i = t->n ? upto(t, ip) : 0;

	return i && ipaddr_in_net6(ip, &t->e[i - 1].net) ? &t->e[i - 1] : NULL;
}
