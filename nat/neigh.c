// SPDX-License-Identifier: GPL-2.0-or-later
/* The neighbour table. See neigh.h. */
#include "nat/neigh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nat/iov.h"

struct neigh {
	struct flow fl; /* first */
	struct hnode node;
	struct neigh_tab *tab;
	struct ipaddr ip;
	struct mac mac;
	bool known;
	int tries; /* requests sent since it was last heard */
	/* The waiting packet (INCOMPLETE only). */
	uint8_t *pend;
	size_t pend_len;
	struct offload pend_off;
};

int neigh_init(struct neigh_tab *t, const uint64_t seed[2])
{
	return htab_init(&t->tab, 64, seed);
}

static uint32_t ip_hash(const struct neigh_tab *t, const struct ipaddr *ip)
{
	return hash_bytes(t->tab.seed, ip, sizeof(*ip));
}

static struct neigh *neigh_find(const struct neigh_tab *t,
				const struct ipaddr *ip)
{
	struct hnode *n = htab_find(&t->tab, ip_hash(t, ip));

	while (n && !ipaddr_eq(&container_of(n, struct neigh, node)->ip, ip))
		n = htab_find_next(n);
	return n ? container_of(n, struct neigh, node) : NULL;
}

/* For every packet: as neigh_find(), but looks at the last one first. */
static struct neigh *neigh_find_fast(struct neigh_tab *t,
				     const struct ipaddr *ip)
{
	if (!t->last || !ipaddr_eq(&t->last->ip, ip))
		t->last = neigh_find(t, ip);
	return t->last;
}

static void neigh_free(struct neigh *e)
{
	if (e->tab->last == e)
		e->tab->last = NULL;
	flow_del(e->tab->flows, &e->fl);
	wtimer_cancel(e->tab->wheel, &e->fl.timer);
	htab_del(&e->tab->tab, &e->node);
	free(e->pend);
	free(e);
}

static void neigh_end(struct flow *f)
{
	neigh_free(container_of(f, struct neigh, fl));
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	neigh_free(container_of(n, struct neigh, node));
	return true;
}

void neigh_fini(struct neigh_tab *t)
{
	if (!t->tab.bucket)
		return;
	htab_walk(&t->tab, fini_one, NULL);
	htab_fini(&t->tab);
}

static struct neigh *neigh_new(struct neigh_tab *t, const struct ipaddr *ip,
			       uint64_t nic_id, int64_t now_ms)
{
	struct neigh *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->tab = t;
	e->ip = *ip;
	e->fl.end = neigh_end;
	if (flow_add(t->flows, &e->fl, FLOW_NEIGH, nic_id, now_ms)) {
		free(e);
		return NULL;
	}
	htab_add(&t->tab, &e->node, ip_hash(t, ip));
	return e;
}

/* Ask for a neighbour until it answers or the tries are used up. */
static void neigh_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct neigh *e = container_of(f, struct neigh, fl);

	if (e->tries >= NEIGH_TRIES) {
		neigh_free(e);
		return;
	}
	/* RFC 1122 2.3.2.1, RFC 4861 7.3.3: a known one is probed at its own
	 * address first. */
	e->tab->ask(e->tab->arg, &e->ip, e->known && !e->tries ? &e->mac : NULL);
	e->tries++;
	wtimer_arm(e->tab->wheel, &e->fl.timer, now_ms + NEIGH_RETRY_MS,
		   neigh_on_timer);
}

static void neigh_heard(struct neigh *e, const struct mac *mac,
			int64_t now_ms)
{
	e->mac = *mac;
	e->tries = 0;
	e->known = true;
	flow_touch(&e->fl, now_ms);
	wtimer_cancel(e->tab->wheel, &e->fl.timer);
	if (e->pend) {
		struct iovec v = {e->pend, e->pend_len};
		uint8_t eth[ETH_HDR_LEN];

		memcpy(eth, e->pend, ETH_HDR_LEN);
		memcpy(eth, mac->b, 6);
		v.iov_base = e->pend + ETH_HDR_LEN;
		v.iov_len -= ETH_HDR_LEN;
		outq_put(e->tab->out, eth, ETH_HDR_LEN, &v, 1, &e->pend_off,
			 false);
		free(e->pend);
		e->pend = NULL;
	}
}

void neigh_learn(struct neigh_tab *t, const struct ipaddr *ip,
		 const struct mac *mac, uint64_t nic_id, int64_t now_ms)
{
	struct neigh *e = neigh_find_fast(t, ip);

	if (!e)
		e = neigh_new(t, ip, nic_id, now_ms);
	if (!e)
		return;
	if (flow_move(t->flows, &e->fl, nic_id, now_ms)) {
		neigh_free(e);
		return;
	}
	neigh_heard(e, mac, now_ms);
}

const struct mac *neigh_mac(const struct neigh_tab *t,
			    const struct ipaddr *ip)
{
	const struct neigh *e = neigh_find(t, ip);

	return e && e->known ? &e->mac : NULL;
}

bool neigh_is_there(const struct neigh_tab *t, const struct ipaddr *ip)
{
	return neigh_find(t, ip);
}

static int neigh_wait(struct neigh *e, const uint8_t *hdr, size_t hdr_len,
		      const struct iovec *v, int n, const struct offload *off)
{
	size_t len = hdr_len + iov_len(v, n);
	uint8_t *copy;

	if (len > NEIGH_PENDING_MAX)
		return -EMSGSIZE;
	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, hdr, hdr_len);
	iov_copy(v, n, 0, copy + hdr_len, len - hdr_len);
	free(e->pend);
	e->pend = copy;
	e->pend_len = len;
	e->pend_off = *off;
	return 0;
}

int neigh_send(struct neigh_tab *t, const struct ipaddr *ip, uint8_t *hdr,
	       size_t hdr_len, const struct iovec *v, int n,
	       const struct offload *off, bool lent, int64_t now_ms)
{
	struct neigh *e = neigh_find_fast(t, ip);
	bool ask = !e;
	int err;

	if (!e)
		e = neigh_new(t, ip, 0, now_ms);
	if (!e)
		return -ENOMEM;
	if (e->known) {
		ask = now_ms - e->fl.used_ms > NEIGH_FRESH_MS &&
		      !wtimer_armed(&e->fl.timer);
		memcpy(hdr, e->mac.b, 6);
		err = outq_put(t->out, hdr, hdr_len, v, n, off, lent);
	} else {
		err = neigh_wait(e, hdr, hdr_len, v, n, off);
	}
	if (ask)
		neigh_on_timer(&e->fl.timer, now_ms);
	return err;
}

uint64_t neigh_nic(const struct neigh_tab *t, const struct ipaddr *ip)
{
	const struct neigh *e = neigh_find(t, ip);

	return e && e->fl.nic ? e->fl.nic->id : 0;
}
