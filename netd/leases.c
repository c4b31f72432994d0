// SPDX-License-Identifier: GPL-2.0-or-later
/* Grouped changes of leases. See leases.h; what a worker may say is judged in wmsg.c. */
#include "netd/leases.h"

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
#include "netd/lease_wire.h"
#include "netd/obj.h"
#include "netd/proto.h"
#include "netd/store.h"
#include "netd/super.h"
#include "netd/wmsg.h"

/* One change, in the order of things. */
struct change {
	struct network *net; /* NULL: gone meanwhile */
	uint64_t token;	     /* 0: nobody waits for it */
	bool forgotten;
	struct lease_conf conf;
};

struct leases {
	struct ctl *ctl;
	struct event *flush;
	struct change batch[LEASES_BATCH];
	unsigned int n;
	struct log_budget budget;
	uint8_t done[LEASES_BATCH * LEASE_WIRE_DONE]; /* an answer in the making */
};

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

static int write_one(struct store *s, const struct change *c,
		     struct errtext *why)
{
	if (!is_kept(c))
		return 0;
	if (c->forgotten)
		return store_lease_del(s, c->conf.network, c->conf.address, why);
	return store_lease_put(s, &c->conf, why);
}

static int write_all(struct leases *l, struct errtext *why)
{
	struct store *s = l->ctl->store;
	int r = store_begin(s, why);

	if (r)
		return r;
	for (unsigned int i = 0; i < l->n && !r; i++)
		r = write_one(s, &l->batch[i], why);
	if (!r)
		return store_commit(s, why);
	store_rollback(s);
	return r;
}

/* The store takes nothing more. What ended can still be removed, and needs no record:
 * it is only not remembered whose it was. */
static void write_ends(struct leases *l)
{
	for (unsigned int i = 0; i < l->n; i++) {
		const struct change *c = &l->batch[i];

		if (!c->token && is_kept(c))
			(void)store_lease_del(l->ctl->store, c->conf.network,
					      c->conf.address, NULL);
	}
}

/* ---- to the model, and who wants to know --------------------------------- */

static void announce(struct ctl *ctl, const struct change *c)
{
	enum event_type type = EVENT_LEASE_RELEASED;
	const char *state = c->forgotten ? "forgotten"
					 : dhcp_state_name(c->conf.state);

	if (!events_wanted(&ctl->events))
		return;
	if (!c->forgotten && c->conf.state == DHCP_BOUND)
		type = EVENT_LEASE_BOUND;
	else if (!c->forgotten && c->conf.state == DHCP_EXPIRED)
		type = EVENT_LEASE_EXPIRED;
	else if (!c->forgotten && c->conf.state == DHCP_DECLINED)
		type = EVENT_LEASE_DECLINED;
	events_emit(&ctl->events, type,
		    obj_lease(ctl, c->net, &c->conf, state));
}

/* The store has it. */
static void remember(struct ctl *ctl, const struct change *c)
{
	struct lease *have = model_lease_find(c->net, c->conf.address);
	bool news = !have || have->conf.state != c->conf.state ||
		    !mac_eq(&have->conf.mac, &c->conf.mac);
	struct nic *nic;

	announce(ctl, c);
	if (c->forgotten && have)
		model_lease_del(c->net, have);
	else if (!c->forgotten && model_lease_put(c->net, &c->conf))
		return;
	if (!c->forgotten && c->conf.state == DHCP_BOUND)
		hostnames_leased(ctl, c->net, &c->conf);
	else
		hostnames_ended(ctl, c->net, c->conf.address);
	if (!news && !c->forgotten)
		return;
	nic = lease_nic(ctl, c->net, &c->conf);
	if (!nic || !mac_eq(&nic->conf.mac, &c->conf.mac))
		return;
	if (c->token)
		addrs_changed(ctl, nic->conf.vm);
	fwdctl_vm_changed(ctl, c->net, nic->conf.vm);
}

/* Answers of one network that follow each other go together. */
static void answer_all(struct leases *l, unsigned int n, bool ok)
{
	struct wbuf w = wbuf_make(l->done, sizeof(l->done));

	for (unsigned int i = 0; i < n; i++) {
		const struct change *c = &l->batch[i];
		const struct network *next =
			i + 1 < n ? l->batch[i + 1].net : NULL;

		if (c->token && c->net)
			lease_wire_put_done(&w, c->token, ok && is_kept(c));
		if (next == c->net || !w.len)
			continue;
		if (c->net->sup)
			super_send_bytes(c->net->sup, W_LEASES_DONE, w.p, w.len);
		w.len = 0;
	}
}

void leases_flush(struct leases *l)
{
	struct errtext why = {""};
	unsigned int n = l->n;
	int r;

	if (!n)
		return;
	r = write_all(l, &why);
	if (r) {
		log_limited(&l->budget, clock_mono_ms(), LOG_LVL_ERR,
			    "leases: not granted: %s", why.s);
		write_ends(l);
	}
	/* First those who wait. Sending may end a worker, and its network forgets
	 * what is in the batch: so that is counted down last. */
	answer_all(l, n, !r);
	for (unsigned int i = 0; i < n; i++) {
		struct change *c = &l->batch[i];

		if (is_kept(c) && (!r || !c->token))
			remember(l->ctl, c);
	}
	l->n = 0;
}

/* ---- from the worker ----------------------------------------------------- */

static void add(struct leases *l, const struct change *c)
{
	const struct timeval now = {0};

	if (l->n == LEASES_BATCH)
		leases_flush(l);
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
	struct change c = {n, rec->token, rec->forgotten, {0}};
	int r = wmsg_lease(rec, &n->conf, dhcpset_relayed(n, rec->lease.ip),
			   dhcpset_lease_max(n, n->conf.lease_s), wall_s,
			   &c.conf, why);

	if (r)
		return r;
	if (n->leases.count + l->n < MODEL_LEASES_MAX ||
	    model_lease_find(n, c.conf.address)) {
		add(l, &c);
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

static void put_conf(struct wbuf *w, const struct lease_conf *c)
{
	struct lease_rec r = {.lease = {
				      .ip = c->address,
				      .mac = c->mac,
				      .nic_id = (uint64_t)c->nic,
				      .expiry_s = c->expires,
				      .state = c->state,
				      .client_id_len = c->client_id_len,
			      }};

	memcpy(r.lease.client_id, c->client_id, c->client_id_len);
	memcpy(r.lease.hostname, c->hostname, sizeof(r.lease.hostname));
	lease_wire_put(w, &r);
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
		put_conf(&w, g.list[i]);
		if (i + 1 < g.n && w.cap - w.len >= LEASE_WIRE_MAX)
			continue;
		super_send_bytes(n->sup, W_LEASES, w.p, w.len);
		w.len = 0;
	}
out:
	free(g.list);
	free(buf);
}
