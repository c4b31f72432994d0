// SPDX-License-Identifier: GPL-2.0-or-later
/* Accounts of flows by NIC, and who makes room. See flow.h. */
#include "nat/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ICMP errors per NIC: enough for a traceroute with many probes at once. */
#define ERR_WINDOW_MS 1000
#define ERR_MAX	      100

static const uint32_t pool_kinds[FLOW_POOLS] = {
	[FLOW_SOCKETS] = 1u << FLOW_UDP | 1u << FLOW_ICMP | 1u << FLOW_TCP,
	[FLOW_PORTS] = 1u << FLOW_UDP | 1u << FLOW_ICMP,
	[FLOW_QUERIES] = 1u << FLOW_DNS,
};

int flow_tab_init(struct flow_tab *t, const uint64_t seed[2])
{
	*t = (struct flow_tab){.sharers = 1};
	for (int p = 0; p < FLOW_POOLS; p++)
		t->pool[p] = UINT32_MAX;
	list_init(&t->shown);
	return htab_init(&t->nics, 64, seed);
}

static bool free_nic(struct hnode *n, void *arg)
{
	struct flow_tab *t = arg;
	struct flow_nic *nic = container_of(n, struct flow_nic, node);

	htab_del(&t->nics, n);
	free(nic);
	return true;
}

void flow_tab_fini(struct flow_tab *t)
{
	if (!t->nics.bucket)
		return;
	htab_walk(&t->nics, free_nic, t);
	htab_fini(&t->nics);
}

/* ---- accounts ------------------------------------------------------------ */

struct flow_nic *flow_nic_find(const struct flow_tab *t, uint64_t id)
{
	uint32_t hash = hash_bytes(t->nics.seed, &id, sizeof(id));
	struct hnode *n = htab_find(&t->nics, hash);

	while (n && container_of(n, struct flow_nic, node)->id != id)
		n = htab_find_next(n);
	return n ? container_of(n, struct flow_nic, node) : NULL;
}

struct flow_nic *flow_nic_get(struct flow_tab *t, uint64_t id)
{
	struct flow_nic *nic = flow_nic_find(t, id);

	if (nic)
		return nic;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return NULL;
	nic->id = id;
	for (int k = 0; k < FLOW_KINDS; k++) {
		list_init(&nic->lru[k][0]);
		list_init(&nic->lru[k][1]);
	}
	list_init(&nic->tcp);
	list_init(&nic->tcp_opening);
	list_init(&nic->tcp_used);
	list_init(&nic->tcp_wait);
	htab_add(&t->nics, &nic->node,
		 hash_bytes(t->nics.seed, &id, sizeof(id)));
	return nic;
}

static void count_one(struct flow_tab *t, struct flow_nic *nic, int kind)
{
	nic->count[kind]++;
	t->total[kind]++;
}

static void uncount_one(struct flow_tab *t, struct flow_nic *nic, int kind)
{
	nic->count[kind]--;
	t->total[kind]--;
}

static uint32_t in_pool(const uint32_t count[FLOW_KINDS], enum flow_pool p)
{
	uint32_t n = 0;

	for (int k = 0; k < FLOW_KINDS; k++)
		if (pool_kinds[p] & 1u << k)
			n += count[k];
	return n;
}

/* ---- who makes room ------------------------------------------------------ */

static struct flow *oldest(const struct flow_nic *nic, uint32_t kinds,
			   bool lasting)
{
	struct flow *found = NULL;

	for (int k = 0; k < FLOW_KINDS; k++) {
		struct flow *f = kinds & 1u << k
					 ? list_first(&nic->lru[k][lasting],
						      struct flow, lru)
					 : NULL;

		if (f && (!found || f->used_ms < found->used_ms))
			found = f;
	}
	return found;
}

/* End the flow of these kinds that @nic misses least; with @tcp, of TCP's too. */
static bool give_up_one(struct flow_tab *t, struct flow_nic *nic,
			uint32_t kinds, bool tcp, int64_t now_ms)
{
	struct flow *f = oldest(nic, kinds, false);

	if (!f)
		f = oldest(nic, kinds, true);
	if (!f && (!tcp || !t->end_tcp ||
		   !t->end_tcp(t->end_tcp_arg, nic, now_ms)))
		return false;
	t->evicted++;
	nic->evicted += !f || f->kind < FLOW_SHOWN;
	if (f)
		f->end(f);
	return true;
}

struct greedy {
	enum flow_pool pool;
	struct flow_nic *nic;
	uint32_t count; /* who is found has more */
};

static bool greedier(struct hnode *n, void *arg)
{
	struct flow_nic *nic = container_of(n, struct flow_nic, node);
	struct greedy *g = arg;
	uint32_t count = in_pool(nic->count, g->pool);

	if (count > g->count) {
		g->nic = nic;
		g->count = count;
	}
	return true;
}

/* Below its share: whoever has most gives one back. */
static bool take_from_others(struct flow_tab *t, enum flow_pool p,
			     uint32_t share, int64_t now_ms)
{
	struct greedy g = {p, NULL, share};

	htab_walk(&t->nics, greedier, &g);
	return g.nic && give_up_one(t, g.nic, pool_kinds[p],
				    p == FLOW_SOCKETS, now_ms);
}

/* Whether flows of the NIC's own may go for a new one of it. */
enum own {
	OWN_NONE,
	OWN_BUT_AN_EIGHTH, /* not while they are less than an eighth of what it has */
	OWN_ANY,
};

static bool give_up_own(struct flow_tab *t, struct flow_nic *nic,
			enum flow_pool p, enum own own, int64_t now_ms)
{
	uint32_t mine = in_pool(nic->count, p);

	if (own == OWN_NONE || (own == OWN_BUT_AN_EIGHTH &&
				mine - nic->count[FLOW_TCP] <= mine / 8))
		return false;
	return give_up_one(t, nic, pool_kinds[p], false, now_ms);
}

static bool pool_room(struct flow_tab *t, struct flow_nic *nic,
		      enum flow_pool p, enum own own, int64_t now_ms)
{
	uint32_t max = t->pool[p], most = max - max / 8;
	uint32_t share = max > t->sharers ? max / t->sharers : 1;

	for (;;) {
		uint32_t mine = in_pool(nic->count, p);

		if (mine < most && in_pool(t->total, p) < max)
			return true;
		if (mine < most && mine < share &&
		    take_from_others(t, p, share, now_ms))
			continue;
		if (!give_up_own(t, nic, p, own, now_ms))
			return false;
	}
}

static bool kind_room(struct flow_tab *t, struct flow_nic *nic,
		      enum flow_kind kind, int64_t now_ms)
{
	while (nic->count[kind] >= t->limit[kind])
		if (!give_up_one(t, nic, 1u << kind, false, now_ms))
			return false;
	return true;
}

/* Room by all measures that hold for the kind. */
static bool nic_room(struct flow_tab *t, struct flow_nic *nic,
		     enum flow_kind kind, int64_t now_ms)
{
	bool room = kind_room(t, nic, kind, now_ms);

	/* Ports before sockets: giving back one is giving back the other. */
	for (int p = FLOW_POOLS - 1; p >= 0 && room; p--)
		if (pool_kinds[p] & 1u << kind)
			room = pool_room(t, nic, (enum flow_pool)p, OWN_ANY,
					 now_ms);
	if (!room && kind < FLOW_SHOWN)
		nic->refused++;
	return room;
}

int flow_room(struct flow_tab *t, enum flow_kind kind, uint64_t nic_id,
	      int64_t now_ms)
{
	struct flow_nic *nic = flow_nic_get(t, nic_id);

	if (!nic)
		return -ENOMEM;
	return nic_room(t, nic, kind, now_ms) ? 0 : -ENOSPC;
}

void flow_refused(struct flow_tab *t, uint64_t nic_id)
{
	struct flow_nic *nic = flow_nic_get(t, nic_id);

	if (nic)
		nic->refused++;
}

bool flow_make_room(struct flow_tab *t, int64_t now_ms)
{
	struct greedy g = {FLOW_SOCKETS, NULL, 1};

	htab_walk(&t->nics, greedier, &g);
	return g.nic && give_up_one(t, g.nic, pool_kinds[FLOW_SOCKETS], true,
				    now_ms);
}

/* ---- flows --------------------------------------------------------------- */

static int nic_attach(struct flow_tab *t, struct flow *f, uint64_t nic_id,
		      int64_t now_ms)
{
	struct flow_nic *nic = flow_nic_get(t, nic_id);

	if (!nic)
		return -ENOMEM;
	if (!nic_room(t, nic, (enum flow_kind)f->kind, now_ms))
		return -ENOSPC;
	f->nic = nic;
	count_one(t, nic, f->kind);
	list_add_tail(&nic->lru[f->kind][f->lasting], &f->lru);
	return 0;
}

int flow_add(struct flow_tab *t, struct flow *f, enum flow_kind kind,
	     uint64_t nic_id, int64_t now_ms)
{
	int err;

	f->kind = (uint8_t)kind;
	f->born_ms = f->used_ms = now_ms;
	err = nic_attach(t, f, nic_id, now_ms);
	if (err || (kind != FLOW_UDP && kind != FLOW_ICMP &&
		    kind != FLOW_CLIENT))
		return err;
	f->id = t->last_id += 2;
	list_add_tail(&t->shown, &f->shown);
	return 0;
}

void flow_touch(struct flow *f, int64_t now_ms)
{
	f->used_ms = now_ms;
	list_del(&f->lru);
	list_add_tail(&f->nic->lru[f->kind][f->lasting], &f->lru);
}

static void nic_detach(struct flow_tab *t, struct flow *f)
{
	if (!f->nic)
		return;
	list_del(&f->lru);
	uncount_one(t, f->nic, f->kind);
	f->nic = NULL;
}

void flow_del(struct flow_tab *t, struct flow *f)
{
	nic_detach(t, f);
	if (list_linked(&f->shown))
		list_del(&f->shown);
}

int flow_move(struct flow_tab *t, struct flow *f, uint64_t nic_id,
	      int64_t now_ms)
{
	if (f->nic && f->nic->id == nic_id)
		return 0;
	nic_detach(t, f);
	return nic_attach(t, f, nic_id, now_ms);
}

bool flow_tcp_take(struct flow_tab *t, struct flow_nic *nic, bool client,
		   int64_t now_ms)
{
	if (!pool_room(t, nic, FLOW_SOCKETS,
		       client ? OWN_NONE : OWN_BUT_AN_EIGHTH, now_ms)) {
		nic->refused++;
		return false;
	}
	count_one(t, nic, FLOW_TCP);
	return true;
}

void flow_tcp_put(struct flow_tab *t, struct flow_nic *nic)
{
	uncount_one(t, nic, FLOW_TCP);
}

void flow_nic_end(struct flow_tab *t, uint64_t nic_id)
{
	struct flow_nic *nic = flow_nic_find(t, nic_id);

	if (!nic)
		return;
	for (uint32_t i = 0; i < 2 * FLOW_KINDS; i++) {
		struct list *lru = &nic->lru[i / 2][i % 2];

		while (!list_empty(lru)) {
			struct flow *f = list_first(lru, struct flow, lru);

			f->end(f);
		}
	}
	assert(!nic->tcp_flows);
	htab_del(&t->nics, &nic->node);
	free(nic);
}

bool flow_err_budget(struct flow_tab *t, uint64_t nic_id, int64_t now_ms)
{
	struct flow_nic *nic = flow_nic_get(t, nic_id);

	if (!nic)
		return false;
	if (now_ms - nic->err_since_ms >= ERR_WINDOW_MS) {
		nic->err_since_ms = now_ms;
		nic->err_used = 0;
	}
	return nic->err_used++ < ERR_MAX;
}
