// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which guest has which address. See macnat.h. All entries are allocated at the start;
 * each is on the list of free ones or on its port's, longest silent first. Ageing is done
 * by looking: what is too old is not found, and is the first to be taken again.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "switch/macnat_int.h"

int mn_tab_init(struct mn_tab *t, const uint64_t seed[2])
{
	list_init(&t->unused);
	for (int i = 0; i < MACNAT_PORTS; i++)
		list_init(&t->of_port[i]);
	t->pool = calloc(MACNAT_MAX, sizeof(*t->pool));
	if (!t->pool || htab_init(&t->tab, MACNAT_MAX + 1, seed))
		return -ENOMEM;
	for (int i = 0; i < MACNAT_MAX; i++)
		list_add_tail(&t->unused, &t->pool[i].node);
	return 0;
}

void mn_tab_fini(struct mn_tab *t)
{
	htab_fini(&t->tab);
	free(t->pool);
}

static uint32_t hash_of(const struct mn_tab *t, const struct ipaddr *ip,
			uint16_t vid)
{
	uint8_t key[18];

	memcpy(key, ip->b, 16);
	memcpy(key + 16, &vid, 2);
	return hash_bytes(t->tab.seed, key, sizeof(key));
}

static struct mn_addr *find(const struct mn_tab *t, const struct ipaddr *ip,
			    uint16_t vid, uint32_t hash)
{
	for (struct hnode *n = htab_find(&t->tab, hash); n;
	     n = htab_find_next(n)) {
		struct mn_addr *a = container_of(n, struct mn_addr, hash);

		if (a->vid == vid && ipaddr_eq(&a->ip, ip))
			return a;
	}
	return NULL;
}

static void forget(struct mn_tab *t, struct mn_addr *a)
{
	htab_del(&t->tab, &a->hash);
	t->count[a->port]--;
	list_del(&a->node);
	list_add_head(&t->unused, &a->node);
}

/* ---- the host's own -------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ipaddr));
}

bool mn_tab_is_host(const struct mn_tab *t, const struct ipaddr *ip)
{
	return t->nhost && bsearch(ip, t->host, t->nhost, sizeof(*t->host),
				   by_bytes);
}

void mn_tab_host(struct mn_tab *t, const struct ipaddr *ip, size_t n)
{
	t->nhost = n < MACNAT_HOST_MAX ? n : MACNAT_HOST_MAX;
	if (t->nhost)
		memcpy(t->host, ip, t->nhost * sizeof(*ip));
	qsort(t->host, t->nhost, sizeof(*t->host), by_bytes);
	for (int i = 0; i < MACNAT_PORTS; i++)
		list_for_each_safe(a, &t->of_port[i], struct mn_addr, node)
			if (mn_tab_is_host(t, &a->ip))
				forget(t, a);
}

/* ---- guests' ----------------------------------------------------------------------------- */

static uint16_t greediest(const struct mn_tab *t)
{
	uint16_t top = 0;

	for (uint16_t i = 1; i < MACNAT_PORTS; i++)
		if (t->count[i] > t->count[top])
			top = i;
	return top;
}

/* One that is on no list. */
static struct mn_addr *take(struct mn_tab *t, uint16_t port)
{
	bool more = t->count[port] < MACNAT_PORT_MAX;
	struct mn_addr *a = NULL;

	if (more)
		a = list_first(&t->unused, struct mn_addr, node);
	if (!a) {
		port = more ? greediest(t) : port;
		a = list_first(&t->of_port[port], struct mn_addr, node);
		assert(a); /* it has the most of a full table, or its share */
		forget(t, a);
	}
	list_del(&a->node);
	return a;
}

static void touch(struct mn_tab *t, struct mn_addr *a, int64_t now_s)
{
	if (a->seen_s == now_s)
		return;
	a->seen_s = now_s;
	list_del(&a->node);
	list_add_tail(&t->of_port[a->port], &a->node);
}

bool mn_tab_put(struct mn_tab *t, const struct mn_addr *who, bool claim,
		int64_t now_s)
{
	uint32_t hash = hash_of(t, &who->ip, who->vid);
	struct mn_addr *a = find(t, &who->ip, who->vid, hash);

	if (a && a->port == who->port && mac_eq(&a->mac, &who->mac)) {
		touch(t, a, now_s);
		return true;
	}
	if (a && !claim && !mac_eq(&a->mac, &who->mac) &&
	    now_s - a->seen_s < MACNAT_HOLD_S)
		return true;
	if (a)
		forget(t, a);
	else if (mn_tab_is_host(t, &who->ip))
		return false;
	a = take(t, who->port);
	a->ip = who->ip;
	a->vid = who->vid;
	a->port = who->port;
	a->mac = who->mac;
	a->seen_s = now_s;
	t->count[a->port]++;
	list_add_tail(&t->of_port[a->port], &a->node);
	htab_add(&t->tab, &a->hash, hash);
	return true;
}

struct mn_addr *mn_tab_find(const struct mn_tab *t, const struct ipaddr *ip,
			    uint16_t vid, int64_t now_s)
{
	struct mn_addr *a = find(t, ip, vid, hash_of(t, ip, vid));

	return a && now_s - a->seen_s < MACNAT_AGE_S ? a : NULL;
}
