// SPDX-License-Identifier: GPL-2.0-or-later
/* Grouped changes of leases. See leases.h; what a worker may say is judged in wmsg.c, what
 * is of DHCPv6 is in leases6.c. */
#include "netd/leases_int.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "lib/chan.h"
#include "lib/clock.h"
#include "netd/addrs.h"
#include "netd/dhcpset.h"
#include "netd/fwdctl.h"
#include "netd/hostnames.h"
#include "netd/obj.h"
#include "netd/promise.h"
#include "netd/proto.h"
#include "netd/super.h"
#include "netd/wmsg.h"

static void flush_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	leases_flush(arg);
}

struct leases *leases_new(struct ctl *ctl)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->ctl = ctl;
	l->flush = evtimer_new(ctl->base, flush_on_timer, l);
	if (!l->flush) {
		free(l);
		return NULL;
	}
	return l;
}

void leases_free(struct leases *l)
{
	if (!l)
		return;
	leases_flush(l);
	event_free(l->flush);
	free(l);
}

/* ---- to the store -------------------------------------------------------- */

/* Still in the store? A worker goes on for a moment after its network was undefined. */
static bool is_kept(const struct change *c)
{
	return c->net && !c->net->dying;
}

static int remove_one(struct store *s, const struct change *c,
		      struct errtext *why)
{
	return c->is6 ? store_lease6_del(s, c->v6.conf.network,
					 &c->v6.conf.address, why)
		      : store_lease_del(s, c->v4.network, c->v4.address, why);
}

static int write_one(struct store *s, const struct change *c,
		     struct errtext *why)
{
	if (c->gone)
		return remove_one(s, c, why);
	return c->is6 ? store_lease6_put(s, &c->v6.conf, why)
		      : store_lease_put(s, &c->v4, why);
}

/* Is it for the store, and of @only, where that is not NULL? */
static bool is_meant(const struct change *c, const struct network *only)
{
	return is_kept(c) && (!only || c->net == only);
}

/* In one transaction. */
static int write_all(struct leases *l, const struct network *only,
		     struct errtext *why)
{
	struct store *s = l->ctl->store;
	int r = store_begin(s, why);

	if (r)
		return r;
	for (unsigned int i = 0; i < l->n && !r; i++)
		if (is_meant(&l->batch[i], only))
			r = write_one(s, &l->batch[i], why);
	if (!r)
		r = store_commit(s, why);
	else
		store_rollback(s);
	for (unsigned int i = 0; i < l->n && !r; i++)
		if (is_meant(&l->batch[i], only))
			l->batch[i].stored = true;
	return r;
}

/* Each network by itself, after all of them together were refused. */
static int write_each(struct leases *l, struct errtext *why)
{
	const struct network *tried = NULL;
	int r, err = 0;

	for (unsigned int i = 0; i < l->n; i++) {
		const struct change *c = &l->batch[i];

		/* A network's changes may lie apart: then it is tried again. */
		if (c->stored || !is_kept(c) || c->net == tried)
			continue;
		tried = c->net;
		r = write_all(l, tried, why);
		err = r ? r : err;
	}
	return err;
}

/* The store takes nothing more. What ended can still be removed, and needs no record:
 * it is only not remembered whose it was. */
static void write_ends(struct leases *l)
{
	for (unsigned int i = 0; i < l->n; i++) {
		const struct change *c = &l->batch[i];

		if (c->ends && !c->stored && is_kept(c))
			(void)remove_one(l->ctl->store, c, NULL);
	}
}

static void write_batch(struct leases *l)
{
	struct errtext why = {""};
	int r = write_all(l, NULL, &why);

	/* A full disk is full for all. */
	if (r && r != -ENOSPC && r != -EROFS)
		r = write_each(l, &why);
	if (!r)
		return;
	log_limited(&l->budget, clock_mono_ms(), LOG_LVL_ERR,
		    "leases: not granted: %s", why.s);
	write_ends(l);
}

/* ---- to the model, and who wants to know --------------------------------- */

static void announce(struct ctl *ctl, const struct change *c)
{
	enum event_type type = EVENT_LEASE_RELEASED;
	const char *state = c->gone ? "forgotten" : dhcp_state_name(c->v4.state);

	if (!events_wanted(&ctl->events))
		return;
	if (!c->gone && c->v4.state == DHCP_BOUND)
		type = EVENT_LEASE_BOUND;
	else if (!c->gone && c->v4.state == DHCP_EXPIRED)
		type = EVENT_LEASE_EXPIRED;
	else if (!c->gone && c->v4.state == DHCP_DECLINED)
		type = EVENT_LEASE_DECLINED;
	events_emit(&ctl->events, type,
		    obj_lease(ctl, c->net, &c->v4, state));
}

/* The store has it. */
static void remember(struct ctl *ctl, const struct change *c)
{
	struct lease *have = model_lease_find(c->net, c->v4.address);
	bool news = !have || have->conf.state != c->v4.state ||
		    !mac_eq(&have->conf.mac, &c->v4.mac);
	struct mac owner = have ? have->conf.mac : c->v4.mac;
	bool promised = have && have->conf.state == DHCP_PROMISED;
	bool bound = !c->gone && c->v4.state == DHCP_BOUND;
	struct ipaddr ip = ipaddr_from4(c->v4.address);
	struct nic *nic;

	if (!c->gone || (have && !promised))
		announce(ctl, c);
	if (c->gone && have)
		model_lease_del(c->net, have);
	else if (!c->gone && model_lease_put(c->net, &c->v4))
		return;
	if (bound)
		hostnames_leased(ctl, c->net, &ip, &c->v4.mac, c->v4.hostname);
	else
		hostnames_ended(ctl, c->net, &ip);
	if (promised)
		promise_lost(ctl, c->net, &owner);
	if (!news && !c->gone)
		return;
	nic = lease_nic(ctl, c->net, &c->v4);
	if (!nic || !mac_eq(&nic->conf.mac, &c->v4.mac))
		return;
	if (c->token)
		addrs_changed(ctl, nic->conf.vm);
	if (!bound) /* it was seen because it was leased; as the worker forgets it */
		seen_drop(&nic->seen4, &ip);
	fwdctl_vm_changed(ctl, c->net, nic->conf.vm);
}

/* Answers of one network that follow each other go together. */
static void answer_all(struct leases *l, unsigned int n)
{
	struct wbuf w = wbuf_make(l->done, sizeof(l->done));

	for (unsigned int i = 0; i < n; i++) {
		const struct change *c = &l->batch[i];
		const struct network *next =
			i + 1 < n ? l->batch[i + 1].net : NULL;

		if (c->is6)
			leases6_answer(c, c->stored);
		else if (c->token && c->net)
			lease_wire_put_done(&w, c->token, c->stored);
		if (next == c->net || !w.len)
			continue;
		if (c->net->sup)
			super_send_bytes(c->net->sup, W_LEASES_DONE, w.p, w.len);
		w.len = 0;
	}
}

/* Claims on names (hostnames.c) and other promises for those whose one went (promise.c)
 * are kept, too: those of a batch in one transaction. */
static bool keeps_more(const struct leases *l)
{
	for (unsigned int i = 0; i < l->n; i++) {
		const struct change *c = &l->batch[i];
		const struct lease *had;

		if (!is_kept(c))
			continue;
		if (c->gone || (c->is6 ? c->v6.conf.hostname[0]
				       : c->v4.hostname[0]))
			return true;
		had = c->is6 ? NULL : model_lease_find(c->net, c->v4.address);
		if (had && (had->conf.state == DHCP_PROMISED ||
			    c->v4.state != DHCP_BOUND))
			return true;
	}
	return false;
}

static void remember_all(struct leases *l, unsigned int n)
{
	bool more = keeps_more(l) && !store_begin(l->ctl->store, NULL);

	for (unsigned int i = 0; i < n; i++) {
		struct change *c = &l->batch[i];

		if (!is_kept(c) || (!c->stored && !c->ends))
			continue;
		if (c->is6)
			leases6_remember(l->ctl, c);
		else
			remember(l->ctl, c);
	}
	if (more)
		(void)store_commit(l->ctl->store, NULL);
}

void leases_flush(struct leases *l)
{
	unsigned int n = l->n;

	if (!n)
		return;
	write_batch(l);
	answer_all(l, n); /* first those who wait */
	remember_all(l, n);
	l->n = 0;
}

/* ---- from the worker ----------------------------------------------------- */

void leases_room(struct leases *l, unsigned int k)
{
	if (l->n + k > LEASES_BATCH)
		leases_flush(l);
}

void leases_add(struct leases *l, const struct change *c)
{
	const struct timeval now = {0};

	leases_room(l, 1);
	l->batch[l->n++] = *c;
	if (!evtimer_pending(l->flush, NULL))
		evtimer_add(l->flush, &now);
}

static void refuse(struct network *n, uint64_t token)
{
	uint8_t b[LEASE_WIRE_DONE];
	struct wbuf w = wbuf_make(b, sizeof(b));

	lease_wire_put_done(&w, token, false);
	if (n->sup)
		super_send_bytes(n->sup, W_LEASES_DONE, b, w.len);
}

static int take_one(struct leases *l, struct network *n,
		    const struct lease_rec *rec, int64_t wall_s,
		    struct errtext *why)
{
	struct change c = {.net = n, .token = rec->token,
			   .gone = rec->forgotten, .ends = !rec->token};
	int r = wmsg_lease(rec, &n->conf, dhcpset_relayed(n, rec->lease.ip),
			   dhcpset_lease_max(n, n->conf.lease_s), wall_s,
			   &c.v4, why);

	if (r)
		return r;
	if (n->leases.count + l->n < MODEL_LEASES_MAX ||
	    model_lease_find(n, c.v4.address)) {
		leases_add(l, &c);
		return 0;
	}
	log_limited(&l->budget, clock_mono_ms(), LOG_LVL_WARN,
		    "network %s: %u leases, no more are granted", n->conf.name,
		    n->leases.count);
	if (c.token)
		refuse(n, c.token);
	return 0;
}

int leases_take(struct leases *l, struct network *n, const uint8_t *p, size_t len,
		struct errtext *why)
{
	struct cur c = cur_make(p, len);
	int64_t wall_s = clock_wall_s();
	int r = 0;

	while (c.left && !r) {
		struct lease_rec rec;

		if (!lease_wire_get(&c, &rec))
			return errtext_set(why, -EPROTO, "bytes that are no lease");
		r = take_one(l, n, &rec, wall_s, why);
	}
	return r;
}

void leases_forget(struct leases *l, struct network *n)
{
	for (unsigned int i = 0; l && i < l->n; i++)
		if (l->batch[i].net == n)
			l->batch[i].net = NULL;
}

/* ---- to a new worker ----------------------------------------------------- */

struct gather {
	const struct lease_conf **list;
	size_t n;
};

static bool gather_one(struct hnode *h, void *arg)
{
	struct gather *g = arg;

	g->list[g->n++] = &container_of(h, struct lease, by_ip)->conf;
	return true;
}

static int by_end(const void *a, const void *b)
{
	const struct lease_conf *x = *(const struct lease_conf *const *)a;
	const struct lease_conf *y = *(const struct lease_conf *const *)b;

	return (x->expires > y->expires) - (x->expires < y->expires);
}

static void put_conf(struct wbuf *w, struct network *n,
		     const struct lease_conf *c)
{
	/* It may be a NIC's that is no more. */
	bool there = model_nic_by_id(&n->ctl->model, c->nic);

	struct lease_rec r = {.lease = {
				      .ip = c->address,
				      .mac = c->mac,
				      .nic_id = there ? (uint64_t)c->nic : 0,
				      .expiry_s = c->expires,
				      .state = c->state,
				      .client_id_len = c->client_id_len,
			      }};

	memcpy(r.lease.client_id, c->client_id, c->client_id_len);
	memcpy(r.lease.hostname, c->hostname, sizeof(r.lease.hostname));
	lease_wire_put(w, &r);
}

void leases_tell_one(struct network *n, const struct lease_conf *c)
{
	uint8_t b[LEASE_WIRE_MAX];
	struct wbuf w = wbuf_make(b, sizeof(b));

	put_conf(&w, n, c);
	super_send_bytes(n->sup, W_LEASES, w.p, w.len);
}

void leases_tell(struct network *n)
{
	struct gather g = {calloc(n->leases.count + 1, sizeof(*g.list)), 0};
	uint8_t *buf = malloc(CHAN_BODY_MAX);
	struct wbuf w = wbuf_make(buf, CHAN_BODY_MAX);

	if (!g.list || !buf) {
		super_kill(n->sup, "no memory for its leases");
		goto out;
	}
	htab_walk(&n->leases, gather_one, &g);
	qsort(g.list, g.n, sizeof(*g.list), by_end);
	for (size_t i = 0; i < g.n; i++) {
		put_conf(&w, n, g.list[i]);
		if (i + 1 < g.n && w.cap - w.len >= LEASE_WIRE_MAX)
			continue;
		super_send_bytes(n->sup, W_LEASES, w.p, w.len);
		w.len = 0;
	}
out:
	free(g.list);
	free(buf);
}
