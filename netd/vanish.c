// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's addresses that went away. See vanish.h; hostaddr.c does the looking. */
#include "netd/vanish.h"

void vanish_begin(struct vanish *v)
{
	for (size_t i = 0; i < v->n; i++)
		v->a[i].seen = false;
}

void vanish_saw(struct vanish *v, const struct ipaddr *ip)
{
	if (ipaddr_is_loopback(ip))
		return;
	for (size_t i = 0; i < v->n; i++)
		if (ipaddr_eq(&v->a[i].ip, ip)) {
			v->a[i].seen = true;
			return;
		}
	if (v->n == VANISH_MAX)
		return;
	v->a[v->n].ip = *ip;
	v->a[v->n].since_ms = VANISH_NEVER;
	v->a[v->n].seen = true;
	v->n++;
}

size_t vanish_end(struct vanish *v, int64_t now_ms,
		  struct ipaddr gone[VANISH_MAX])
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (v->a[i].seen)
			v->a[i].since_ms = VANISH_NEVER;
		else if (v->a[i].since_ms == VANISH_NEVER)
			v->a[i].since_ms = now_ms;
		if (now_ms >= v->a[i].since_ms &&
		    now_ms - v->a[i].since_ms >= VANISH_GRACE_MS)
			gone[n++] = v->a[i].ip;
		else
			v->a[kept++] = v->a[i];
	}
	v->n = kept;
	return n;
}

int64_t vanish_deadline(const struct vanish *v)
{
	int64_t first = VANISH_NEVER;

	for (size_t i = 0; i < v->n; i++)
		if (v->a[i].since_ms < first)
			first = v->a[i].since_ms;
	return first == VANISH_NEVER ? first : first + VANISH_GRACE_MS;
}
