// SPDX-License-Identifier: GPL-2.0-or-later
/* See seen.h. */
#include "netd/seen.h"

bool seen_put(struct seen_list *l, const struct ipaddr *ip,
	      const struct mac *mac, struct ipaddr *lost)
{
	const struct seen new = {*ip, *mac};
	unsigned int i = 0;

	if (lost)
		*lost = ipaddr_any;
	while (i < l->n && !ipaddr_eq(&l->e[i].ip, ip))
		i++;
	if (i < l->n && i + 1 == l->n && mac_eq(&l->e[i].mac, mac))
		return false;
	if (i == SEEN_MAX) {
		i = 0;
		if (lost)
			*lost = l->e[0].ip;
	}
	if (i == l->n)
		l->n++;
	memmove(&l->e[i], &l->e[i + 1], (l->n - 1 - i) * sizeof(l->e[0]));
	l->e[l->n - 1] = new;
	return true;
}

void seen_drop(struct seen_list *l, const struct ipaddr *ip)
{
	unsigned int i = 0;

	while (i < l->n && !ipaddr_eq(&l->e[i].ip, ip))
		i++;
	if (i == l->n)
		return;
	l->n--;
	memmove(&l->e[i], &l->e[i + 1], (l->n - i) * sizeof(l->e[0]));
}
