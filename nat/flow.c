// SPDX-License-Identifier: GPL-2.0-or-later
/* Accounts of flows by NIC. See flow.h. */
#include "nat/flow.h"

#include <errno.h>
#include <stdlib.h>

/* ICMP errors per NIC: enough for a traceroute with many probes at once. */
#define ERR_WINDOW_MS 1000
#define ERR_MAX	      100

int flow_tab_init(struct flow_tab *t, const uint64_t seed[2])
{
	*t = (struct flow_tab){0};
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

static struct flow_nic *nic_find(const struct flow_tab *t, uint64_t id)
{
	uint32_t hash = hash_bytes(t->nics.seed, &id, sizeof(id));
	struct hnode *n = htab_find(&t->nics, hash);

	while (n && container_of(n, struct flow_nic, node)->id != id)
		n = htab_find_next(n);
	return n ? container_of(n, struct flow_nic, node) : NULL;
}

static struct flow_nic *nic_get(struct flow_tab *t, uint64_t id)
{
	struct flow_nic *nic = nic_find(t, id);

	if (nic)
		return nic;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return NULL;
	nic->id = id;
	for (int k = 0; k < FLOW_KINDS; k++)
		list_init(&nic->lru[k]);
	htab_add(&t->nics, &nic->node,
		 hash_bytes(t->nics.seed, &id, sizeof(id)));
	return nic;
}

static int nic_attach(struct flow_tab *t, struct flow *f, uint64_t nic_id)
{
	struct flow_nic *nic;

	if (!t->limit[f->kind])
		return -ENOSPC;
	nic = nic_get(t, nic_id);
	if (!nic)
		return -ENOMEM;
	while (nic->count[f->kind] >= t->limit[f->kind]) {
		struct flow *old = list_first(&nic->lru[f->kind], struct flow,
					      lru);

		t->evicted++;
		old->end(old);
	}
	f->nic = nic;
	nic->count[f->kind]++;
	t->total[f->kind]++;
	list_add_tail(&nic->lru[f->kind], &f->lru);
	return 0;
}

int flow_add(struct flow_tab *t, struct flow *f, enum flow_kind kind,
	     uint64_t nic_id, int64_t now_ms)
{
	int err;

	f->kind = (uint8_t)kind;
	f->born_ms = f->used_ms = now_ms;
	err = nic_attach(t, f, nic_id);
	if (err || (kind != FLOW_UDP && kind != FLOW_ICMP))
		return err;
	f->id = t->last_id += 2;
	list_add_tail(&t->shown, &f->shown);
	return 0;
}

void flow_touch(struct flow *f, int64_t now_ms)
{
	f->used_ms = now_ms;
	list_del(&f->lru);
	list_add_tail(&f->nic->lru[f->kind], &f->lru);
}

static void nic_detach(struct flow_tab *t, struct flow *f)
{
	if (!f->nic)
		return;
	list_del(&f->lru);
	f->nic->count[f->kind]--;
	t->total[f->kind]--;
	f->nic = NULL;
}

void flow_del(struct flow_tab *t, struct flow *f)
{
	nic_detach(t, f);
	if (list_linked(&f->shown))
		list_del(&f->shown);
}

int flow_move(struct flow_tab *t, struct flow *f, uint64_t nic_id)
{
	if (f->nic && f->nic->id == nic_id)
		return 0;
	nic_detach(t, f);
	return nic_attach(t, f, nic_id);
}

void flow_nic_end(struct flow_tab *t, uint64_t nic_id)
{
	struct flow_nic *nic = nic_find(t, nic_id);

	if (!nic)
		return;
	for (int k = 0; k < FLOW_KINDS; k++)
		while (!list_empty(&nic->lru[k])) {
			struct flow *f = list_first(&nic->lru[k], struct flow,
						    lru);

			f->end(f);
		}
	htab_del(&t->nics, &nic->node);
	free(nic);
}

struct greedy {
	struct flow_nic *nic;
	uint32_t count;
};

static uint32_t sockets_of(const struct flow_nic *nic)
{
	return nic->count[FLOW_UDP] + nic->count[FLOW_ICMP];
}

static bool greedier(struct hnode *n, void *arg)
{
	struct flow_nic *nic = container_of(n, struct flow_nic, node);
	struct greedy *g = arg;

	if (sockets_of(nic) > g->count) {
		g->nic = nic;
		g->count = sockets_of(nic);
	}
	return true;
}

bool flow_make_room(struct flow_tab *t)
{
	struct greedy g = {NULL, 1};
	enum flow_kind kind;
	struct flow *f;

	htab_walk(&t->nics, greedier, &g);
	if (!g.nic)
		return false;
	kind = g.nic->count[FLOW_UDP] ? FLOW_UDP : FLOW_ICMP;
	f = list_first(&g.nic->lru[kind], struct flow, lru);
	t->evicted++;
	f->end(f);
	return true;
}

bool flow_err_budget(struct flow_tab *t, uint64_t nic_id, int64_t now_ms)
{
	struct flow_nic *nic = nic_get(t, nic_id);

	if (!nic)
		return false;
	if (now_ms - nic->err_since_ms >= ERR_WINDOW_MS) {
		nic->err_since_ms = now_ms;
		nic->err_used = 0;
	}
	return nic->err_used++ < ERR_MAX;
}
