// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Forwarding database. See fdb.h.
 *
 * Entries come from one array, whose memory nothing touches before it is needed, so
 * that a large table costs a small network nothing. Each is on the hash table and on
 * one list: the free list (once used), its port's list (ordered by last sight, oldest first), or the list of
 * static entries. Ports are sorted by how many entries they learned with one list
 * a count: a count changes by one at a time, so moving a port to its neighbour
 * list keeps them sorted, and @top finds the greediest port at once.
 */
#include "switch/fdb.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/htab.h"
#include "lib/list.h"

struct entry {
	struct hnode hash;
	struct list node;
	struct mac mac;
	uint16_t vid;
	uint16_t port;
	bool fixed; /* static */
	int64_t seen_s;
	struct fdb_note note;
};

struct fport {
	struct list entries; /* learned, oldest first */
	struct list node;    /* on by_count[count] */
	uint32_t count;
};

struct fdb {
	struct htab tab;
	struct entry *pool;
	struct fport *port;
	struct list *by_count; /* max + 1 heads; zeroes until used */
	struct list unused;
	uint32_t fresh; /* of the pool: from here on never used */
	struct list fixed;
	uint32_t top; /* highest count with a port on it */
	uint32_t max;
	uint32_t age_s;
	uint16_t ports;
};

struct fdb *fdb_new(uint32_t max, uint16_t ports, uint32_t age_s,
		    const uint64_t seed[2])
{
	struct fdb *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max;
	t->ports = ports;
	t->age_s = age_s;
	t->pool = calloc(max, sizeof(*t->pool));
	t->port = calloc(ports, sizeof(*t->port));
	t->by_count = calloc((size_t)max + 1, sizeof(*t->by_count));
	/* One more than will ever be in it: the table never has to grow. */
	if (!t->pool || !t->port || !t->by_count ||
	    htab_init(&t->tab, max + 1, seed)) {
		fdb_free(t);
		return NULL;
	}
	list_init(&t->unused);
	list_init(&t->fixed);
	list_init(&t->by_count[0]);
	for (uint16_t i = 0; i < ports; i++) {
		list_init(&t->port[i].entries);
		list_add_tail(&t->by_count[0], &t->port[i].node);
	}
	return t;
}

void fdb_free(struct fdb *t)
{
	if (!t)
		return;
	htab_fini(&t->tab);
	free(t->by_count);
	free(t->port);
	free(t->pool);
	free(t);
}

static uint32_t hash_of(const struct fdb *t, const struct mac *mac,
			uint16_t vid)
{
	uint8_t key[8];

	memcpy(key, mac->b, 6);
	memcpy(key + 6, &vid, 2);
	return hash_bytes(t->tab.seed, key, sizeof(key));
}

static struct entry *find(const struct fdb *t, const struct mac *mac,
			  uint16_t vid, uint32_t hash)
{
	for (struct hnode *n = htab_find(&t->tab, hash); n;
	     n = htab_find_next(n)) {
		struct entry *e = container_of(n, struct entry, hash);

		if (mac_eq(&e->mac, mac) && e->vid == vid)
			return e;
	}
	return NULL;
}

static void port_more(struct fdb *t, uint16_t port)
{
	struct fport *p = &t->port[port];
	struct list *head = &t->by_count[++p->count];

	/* Counts grow by one, so what lies below was in use before. */
	if (!head->next)
		list_init(head);
	list_del(&p->node);
	list_add_tail(head, &p->node);
	if (p->count > t->top)
		t->top = p->count;
}

static void port_less(struct fdb *t, uint16_t port)
{
	struct fport *p = &t->port[port];

	list_del(&p->node);
	list_add_tail(&t->by_count[--p->count], &p->node);
	if (list_empty(&t->by_count[t->top]))
		t->top--;
}

/* Take @e off its owner's list; it stays on the hash table. */
static void disown(struct fdb *t, struct entry *e)
{
	list_del(&e->node);
	if (!e->fixed)
		port_less(t, e->port);
	e->fixed = false;
	e->note = (struct fdb_note){0};
}

static void forget(struct fdb *t, struct entry *e)
{
	disown(t, e);
	htab_del(&t->tab, &e->hash);
	list_add_head(&t->unused, &e->node);
}

static struct entry *unused(struct fdb *t)
{
	struct entry *e = list_first(&t->unused, struct entry, node);

	if (e)
		list_del(&e->node);
	else if (t->fresh < t->max)
		e = &t->pool[t->fresh++];
	return e;
}

/* An unused entry, on no list, put on the hash table for @mac. */
static struct entry *take(struct fdb *t, const struct mac *mac, uint16_t vid,
			  uint32_t hash)
{
	struct entry *e = unused(t);

	if (!e && t->top) {
		struct fport *greedy =
			list_first(&t->by_count[t->top], struct fport, node);
		struct entry *oldest =
			list_first(&greedy->entries, struct entry, node);

		assert(oldest); /* the port is counted with it */
		forget(t, oldest);
		e = unused(t);
	}
	if (!e)
		return NULL;
	e->mac = *mac;
	e->vid = vid;
	htab_add(&t->tab, &e->hash, hash);
	return e;
}

static void own(struct fdb *t, struct entry *e, uint16_t port, int64_t now_s)
{
	e->port = port;
	e->seen_s = now_s;
	list_add_tail(&t->port[port].entries, &e->node);
	port_more(t, port);
}

enum fdb_learned fdb_learn(struct fdb *t, const struct mac *mac, uint16_t vid,
			   uint16_t port, int64_t now_s, struct fdb_note **note)
{
	uint32_t hash = hash_of(t, mac, vid);
	struct entry *e = find(t, mac, vid, hash);
	enum fdb_learned r = FDB_SAME;

	*note = NULL;
	if (e && e->fixed && e->port != port)
		return FDB_STATIC;
	if (!e) {
		e = take(t, mac, vid, hash);
		if (!e)
			return FDB_FULL;
		own(t, e, port, now_s);
		r = FDB_NEW;
	} else if (e->port != port) {
		disown(t, e);
		own(t, e, port, now_s);
		r = FDB_MOVED;
	} else if (!e->fixed && e->seen_s != now_s) {
		e->seen_s = now_s;
		list_del(&e->node);
		list_add_tail(&t->port[port].entries, &e->node);
	}
	*note = &e->note;
	return r;
}

static bool aged(const struct fdb *t, const struct entry *e, int64_t now_s)
{
	return !e->fixed && now_s - e->seen_s >= t->age_s;
}

int fdb_lookup(const struct fdb *t, const struct mac *mac, uint16_t vid,
	       int64_t now_s)
{
	const struct entry *e = find(t, mac, vid, hash_of(t, mac, vid));

	return e && !aged(t, e, now_s) ? e->port : FDB_NONE;
}

int fdb_static(struct fdb *t, const struct mac *mac, uint16_t vid,
	       uint16_t port)
{
	uint32_t hash = hash_of(t, mac, vid);
	struct entry *e = find(t, mac, vid, hash);

	if (e && e->fixed)
		return -EEXIST;
	if (e)
		disown(t, e);
	else
		e = take(t, mac, vid, hash);
	if (!e)
		return -ENOSPC;
	e->fixed = true;
	e->port = port;
	list_add_tail(&t->fixed, &e->node);
	return 0;
}

void fdb_forget_port(struct fdb *t, uint16_t port, bool statics)
{
	list_for_each_safe(e, &t->port[port].entries, struct entry, node)
		forget(t, e);
	if (!statics)
		return;
	list_for_each_safe(e, &t->fixed, struct entry, node) {
		if (e->port == port)
			forget(t, e);
	}
}

int64_t fdb_tick(struct fdb *t, int64_t now_s)
{
	int64_t next = FDB_NEVER;
	unsigned int n = 0;

	for (uint16_t i = 0; i < t->ports; i++) {
		struct entry *e;

		while ((e = list_first(&t->port[i].entries, struct entry,
				       node)) && aged(t, e, now_s)) {
			if (n++ == FDB_TICK_MAX)
				return now_s;
			forget(t, e);
		}
		if (e && e->seen_s + t->age_s < next)
			next = e->seen_s + t->age_s;
	}
	return next;
}

uint32_t fdb_count(const struct fdb *t)
{
	return t->tab.count;
}

uint32_t fdb_port_count(const struct fdb *t, uint16_t port)
{
	return t->port[port].count;
}

static void tell(const struct entry *e, int64_t now_s,
		 void (*fn)(void *arg, const struct fdb_info *e), void *arg)
{
	struct fdb_info i = {
		.mac = e->mac,
		.vid = e->vid,
		.port = e->port,
		.age_s = e->fixed ? -1 : now_s - e->seen_s,
	};

	fn(arg, &i);
}

void fdb_walk(const struct fdb *t, int64_t now_s,
	      void (*fn)(void *arg, const struct fdb_info *e), void *arg)
{
	list_for_each(f, &t->fixed, struct entry, node)
		tell(f, now_s, fn, arg);
	for (uint16_t i = 0; i < t->ports; i++) {
		list_for_each(e, &t->port[i].entries, struct entry, node)
			tell(e, now_s, fn, arg);
	}
}
