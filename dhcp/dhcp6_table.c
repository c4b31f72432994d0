// SPDX-License-Identifier: GPL-2.0-or-later
/* Bindings and their lives. See dhcp6_table.h; the choice is in dhcp6_choose.c,
 * reservations in dhcp6_resv.c. */
#include "dhcp/dhcp6_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "dhcp/dhcp6_table_int.h"
#include "dhcp/dhcp_names.h"

/* ---- who is who ---------------------------------------------------------- */

bool dhcp6_owns(const struct dhcp6_client *c, const struct dhcp6_lease *l)
{
	return mac_eq(&c->mac, &l->mac) &&
	       (c->nic_id == l->nic_id || !c->nic_id || !l->nic_id);
}

bool dhcp6_duid_is(const struct dhcp6_lease *l, const struct dhcp6_client *c)
{
	return l->duid_len == c->duid_len &&
	       !memcmp(l->duid, c->duid, c->duid_len);
}

struct dhcp6_binding *dhcp6_find(const struct dhcp6_table *t,
				 const struct ipaddr *ip)
{
	struct hnode *n = htab_find(&t->by_ip, dhcp6_hash(&t->by_ip, ip, 16));

	for (; n; n = htab_find_next(n)) {
		struct dhcp6_binding *b =
			container_of(n, struct dhcp6_binding, by_ip);

		if (ipaddr_eq(&b->lease.ip, ip))
			return b;
	}
	return NULL;
}

struct dhcp6_binding *dhcp6_find_ia(const struct dhcp6_table *t,
				    const struct dhcp6_client *c,
				    const struct dhcp6_ia *ia)
{
	bool pd = ia->opt == DHCP6_OPT_IA_PD;
	struct hnode *n =
		htab_find(&t->by_mac, dhcp6_hash(&t->by_mac, c->mac.b, 6));

	for (; n; n = htab_find_next(n)) {
		struct dhcp6_binding *b =
			container_of(n, struct dhcp6_binding, by_mac);

		if (b->lease.state != DHCP6_DECLINED &&
		    dhcp6_is_prefix(&b->lease) == pd &&
		    b->lease.iaid == ia->iaid && dhcp6_owns(c, &b->lease) &&
		    dhcp6_duid_is(&b->lease, c))
			return b;
	}
	return NULL;
}

/* ---- bindings ------------------------------------------------------------ */

static void link_owner(struct dhcp6_table *t, struct dhcp6_binding *b)
{
	const struct dhcp6_lease *l = &b->lease;

	htab_add(&t->by_mac, &b->by_mac, dhcp6_hash(&t->by_mac, l->mac.b, 6));
	htab_add(&t->by_nic, &b->by_nic,
		 dhcp6_hash(&t->by_nic, &l->nic_id, sizeof(l->nic_id)));
}

static void unlink_owner(struct dhcp6_table *t, struct dhcp6_binding *b)
{
	htab_del(&t->by_mac, &b->by_mac);
	htab_del(&t->by_nic, &b->by_nic);
}

static void on_due(struct wtimer *timer, int64_t now_ms)
{
	struct dhcp6_binding *b =
		container_of(timer, struct dhcp6_binding, timer);
	struct dhcp6_table *t = b->table;

	/* The store decides first; look again when it should have answered. */
	if (b->pending)
		wtimer_arm(&t->wheel, timer, now_ms + DHCP6_OFFER_S * 1000,
			   on_due);
	else
		dhcp6_remove(t, b, DHCP6_EV_EXPIRED);
}

void dhcp6_rearm(struct dhcp6_table *t, struct dhcp6_binding *b)
{
	int64_t at_s = b->lease.expiry_s > 0 ? b->lease.expiry_s : 0;

	if (at_s > INT64_MAX / 1000)
		wtimer_cancel(&t->wheel, &b->timer);
	else
		wtimer_arm(&t->wheel, &b->timer, at_s * 1000, on_due);
}

struct dhcp6_binding *dhcp6_create(struct dhcp6_table *t,
				   const struct dhcp6_lease *l)
{
	struct dhcp6_binding *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->table = t;
	b->lease = *l;
	htab_add(&t->by_ip, &b->by_ip, dhcp6_hash(&t->by_ip, l->ip.b, 16));
	link_owner(t, b);
	t->count[l->state]++;
	dhcp6_rearm(t, b);
	return b;
}

void dhcp6_remove(struct dhcp6_table *t, struct dhcp6_binding *b,
		  enum dhcp6_event type)
{
	assert(!b->pending);
	t->count[b->lease.state]--;
	wtimer_cancel(&t->wheel, &b->timer);
	htab_del(&t->by_ip, &b->by_ip);
	unlink_owner(t, b);
	if (b->stored)
		t->ops->event(t->arg, type, &b->lease);
	free(b);
}

void dhcp6_replace(struct dhcp6_table *t, struct dhcp6_binding *b,
		   const struct dhcp6_lease *l)
{
	t->count[b->lease.state]--;
	unlink_owner(t, b);
	b->lease = *l;
	link_owner(t, b);
	t->count[l->state]++;
	dhcp6_rearm(t, b);
}

static bool is_listed(const struct dhcp6_ia *ia, const struct dhcp6_lease *l)
{
	for (unsigned int i = 0; i < ia->nitems; i++)
		if (ia->item[i].plen == l->plen &&
		    ipaddr_eq(&ia->item[i].ip, &l->ip))
			return true;
	return false;
}

void dhcp6_drop_others(struct dhcp6_table *t, const struct dhcp6_client *c,
		       const struct dhcp6_ia *ia,
		       const struct dhcp6_binding *keep, bool lists)
{
	bool pd = ia->opt == DHCP6_OPT_IA_PD;
	struct hnode *next, *n =
		htab_find(&t->by_mac, dhcp6_hash(&t->by_mac, c->mac.b, 6));

	for (; n; n = next) {
		struct dhcp6_binding *b =
			container_of(n, struct dhcp6_binding, by_mac);
		const struct dhcp6_lease *l = &b->lease;

		next = htab_find_next(n);
		if (b != keep && !b->pending && l->state != DHCP6_DECLINED &&
		    dhcp6_is_prefix(l) == pd && l->iaid == ia->iaid &&
		    dhcp6_owns(c, l) && dhcp6_duid_is(l, c) &&
		    (l->state == DHCP6_OFFERED ||
		     (lists && !is_listed(ia, l))))
			dhcp6_remove(t, b, DHCP6_EV_RELEASED);
	}
}

void dhcp6_bind(struct dhcp6_table *t, struct dhcp6_binding *b,
		const struct dhcp6_lease *l)
{
	dhcp6_replace(t, b, l);
	b->stored = true;
}

void dhcp6_quarantine(struct dhcp6_table *t, struct dhcp6_binding *b,
		      int64_t now_s)
{
	struct dhcp6_lease l = b->lease;

	l.state = DHCP6_DECLINED;
	l.expiry_s = now_s + DHCP6_QUARANTINE_S;
	dhcp6_replace(t, b, &l);
	t->ops->event(t->arg, DHCP6_EV_DECLINED, &b->lease);
	b->stored = false; /* its row goes with that */
}

/* ---- life cycle ---------------------------------------------------------- */

int dhcp6_table_init(struct dhcp6_table *t, const struct dhcp6_ops *ops,
		     void *arg, const uint64_t seed[2])
{
	memset(t, 0, sizeof(*t));
	wheel_init(&t->wheel, 0);
	t->ops = ops;
	t->arg = arg;
	return htab_init(&t->by_ip, 64, seed) ||
			       htab_init(&t->by_mac, 64, seed) ||
			       htab_init(&t->by_nic, 64, seed) ||
			       htab_init(&t->resv_mac, 16, seed) ||
			       htab_init(&t->resv_ip, 16, seed)
		       ? -ENOMEM
		       : 0;
}

static bool free_binding(struct hnode *n, void *arg)
{
	(void)arg;
	free(container_of(n, struct dhcp6_binding, by_ip));
	return true;
}

static bool free_resv(struct hnode *n, void *arg)
{
	(void)arg;
	free(container_of(n, struct dhcp6_resv, by_mac));
	return true;
}

void dhcp6_table_fini(struct dhcp6_table *t)
{
	if (t->resv_ip.bucket) { /* the last one that init makes */
		htab_walk(&t->by_ip, free_binding, NULL);
		htab_walk(&t->resv_mac, free_resv, NULL);
	}
	htab_fini(&t->by_ip);
	htab_fini(&t->by_mac);
	htab_fini(&t->by_nic);
	htab_fini(&t->resv_mac);
	htab_fini(&t->resv_ip);
}

void dhcp6_table_configure(struct dhcp6_table *t,
			   const struct dhcp6_config *cfg)
{
	t->mixed |= t->by_ip.count && t->cfg.delegate.plen &&
		    (t->cfg.delegate_len != cfg->delegate_len);
	t->cfg = *cfg;
}

static bool disarm(struct hnode *n, void *arg)
{
	struct dhcp6_table *t = arg;

	wtimer_cancel(&t->wheel,
		      &container_of(n, struct dhcp6_binding, by_ip)->timer);
	return true;
}

static bool rearm(struct hnode *n, void *arg)
{
	dhcp6_rearm(arg, container_of(n, struct dhcp6_binding, by_ip));
	return true;
}

void dhcp6_table_advance(struct dhcp6_table *t, int64_t now_s)
{
	int64_t now_ms = now_s * 1000;

	if (now_ms < t->wheel.now_ms) { /* the clock was set back */
		htab_walk(&t->by_ip, disarm, t);
		wheel_init(&t->wheel, now_ms);
		htab_walk(&t->by_ip, rearm, t);
	}
	wheel_run(&t->wheel, now_ms);
}

/* Is it of one of our pools, or an address that might be reserved? */
static bool is_ours(const struct dhcp6_config *c, const struct dhcp6_lease *l)
{
	if (l->plen == 128)
		return ipaddr_in_net6(&l->ip, &c->net);
	return c->delegate.plen && l->plen == c->delegate_len &&
	       ipaddr_in_net6(&l->ip, &c->delegate);
}

int dhcp6_table_load(struct dhcp6_table *t, const struct dhcp6_lease *l,
		     int64_t now_s)
{
	struct dhcp6_lease copy = *l;

	if (l->state != DHCP6_BOUND || mac_is_group(&l->mac) ||
	    mac_is_zero(&l->mac) || l->duid_len > DHCP6_DUID_MAX)
		return -EINVAL;
	if (dhcp6_find(t, &l->ip))
		return -EEXIST;
	if (!is_ours(&t->cfg, l) || l->expiry_s <= now_s) {
		t->ops->event(t->arg,
			      l->expiry_s <= now_s ? DHCP6_EV_EXPIRED
						   : DHCP6_EV_FORGOTTEN,
			      l);
		return 0;
	}
	if (t->by_ip.count >= DHCP6_BINDINGS_MAX)
		return -ENOSPC;
	dhcp_name_clean(l->hostname, strnlen(l->hostname, DHCP6_NAME_MAX),
			copy.hostname);
	struct dhcp6_binding *b = dhcp6_create(t, &copy);

	if (!b)
		return -ENOMEM;
	b->stored = true;
	return 0;
}

struct nic_del {
	struct dhcp6_table *t;
	uint64_t id;
};

static bool orphan(struct hnode *n, void *arg)
{
	struct dhcp6_binding *b = container_of(n, struct dhcp6_binding, by_ip);
	struct nic_del *d = arg;

	if (b->lease.nic_id != d->id)
		return true;
	unlink_owner(d->t, b);
	b->lease.nic_id = 0;
	link_owner(d->t, b);
	return true;
}

void dhcp6_table_nic_del(struct dhcp6_table *t, uint64_t nic_id)
{
	struct nic_del d = {t, nic_id};

	if (nic_id)
		htab_walk(&t->by_ip, orphan, &d);
}

/* ---- for tests ----------------------------------------------------------- */

struct check {
	const struct dhcp6_table *t;
	uint32_t n[3];
	bool ok;
};

static bool check_one(struct hnode *n, void *arg)
{
	struct dhcp6_binding *b = container_of(n, struct dhcp6_binding, by_ip);
	struct check *c = arg;
	bool mac = false;

	c->n[b->lease.state]++;
	c->ok &= dhcp6_find(c->t, &b->lease.ip) == b;
	c->ok &= !b->pending || b->lease.state != DHCP6_DECLINED;
	n = htab_find(&c->t->by_mac,
		      dhcp6_hash(&c->t->by_mac, b->lease.mac.b, 6));
	for (; n; n = htab_find_next(n))
		mac |= n == &b->by_mac;
	c->ok &= mac;
	return true;
}

bool dhcp6_table_check(const struct dhcp6_table *t)
{
	struct check c = {.t = t, .ok = true};

	htab_walk((struct htab *)&t->by_ip, check_one, &c);
	return c.ok && !memcmp(c.n, t->count, sizeof(c.n)) &&
	       t->by_mac.count == t->by_ip.count &&
	       t->by_nic.count == t->by_ip.count;
}
