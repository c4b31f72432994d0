// SPDX-License-Identifier: GPL-2.0-or-later
/* See netmerge.h. */
#include "lib/netmerge.h"

#include <stdlib.h>
#include <string.h>

/* ---- IPv4 ------------------------------------------------------------------ */

static uint32_t last_of(const struct ip4_net *n)
{
	return n->addr | ~ip4_mask(n->plen);
}

static int by_addr4(const void *a, const void *b)
{
	const struct ip4_net *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->plen - y->plen; /* the larger one first */
}

/* The two halves of one prefix, in order? */
static bool halves4(const struct ip4_net *a, const struct ip4_net *b)
{
	return a->plen == b->plen && a->plen &&
	       (a->addr ^ b->addr) == 1u << (32 - a->plen);
}

size_t ip4_nets_merge(struct ip4_net *v, size_t n)
{
	size_t k = 0;

	qsort(v, n, sizeof(*v), by_addr4);
	for (size_t i = 0; i < n; i++) {
		if (!v[i].plen || (k && ip4_in_net(v[i].addr, &v[k - 1])))
			continue;
		v[k++] = v[i];
		while (k > 1 && halves4(&v[k - 2], &v[k - 1])) {
			k--;
			v[k - 1].plen--;
		}
	}
	return k;
}

uint32_t ip4_nets_gap(const struct ip4_net *v, size_t n, uint32_t from,
		      uint32_t last)
{
	size_t i = 0;

	for (uint64_t a = from; a <= last;) {
		while (i < n && last_of(&v[i]) < a)
			i++;
		if (i == n || v[i].addr > a + 255)
			return (uint32_t)a;
		a = (uint64_t)(last_of(&v[i]) | 255u) + 1;
	}
	return 0;
}

/* ---- IPv6 ------------------------------------------------------------------ */

static int by_addr6(const void *a, const void *b)
{
	const struct ip6_net *x = a, *y = b;
	int r = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return r ? r : x->plen - y->plen;
}

static bool halves6(const struct ip6_net *a, const struct ip6_net *b)
{
	struct ipaddr other = a->addr;
	unsigned int bit = a->plen - 1u;

	if (a->plen != b->plen || !a->plen)
		return false;
	other.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	return ipaddr_eq(&other, &b->addr);
}

size_t ip6_nets_merge(struct ip6_net *v, size_t n)
{
	size_t k = 0;

	qsort(v, n, sizeof(*v), by_addr6);
	for (size_t i = 0; i < n; i++) {
		if (!v[i].plen || (k && ipaddr_in_net6(&v[i].addr, &v[k - 1])))
			continue;
		v[k++] = v[i];
		while (k > 1 && halves6(&v[k - 2], &v[k - 1])) {
			k--;
			v[k - 1].plen--;
		}
	}
	return k;
}
