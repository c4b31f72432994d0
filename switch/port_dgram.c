// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bound datagram socket that many may send to, each sender a port of its own:
 * QEMU's dgram netdev, vfkit, libkrun's unixgram. See drivers.h. The sending and
 * receiving is msgio.c.
 *
 * A sandboxed process has no file system to find a sender's path in. Its owner then
 * sets driver_events.sender: a new peer is told to it, what is for the peer waits
 * in its queue, and driver_dgram_way() brings the way back: a socket connected to
 * the peer, or the word that ours is connected to it. Without sender() the
 * peer's address is used as it is. A way that leads nowhere any more is asked for
 * again: the runner may have come back at the same place. One that was refused is
 * asked for again when the peer speaks, once a second.
 *
 * The kernel lets few datagrams wait at a receiver (net.unix.max_dgram_qlen) and
 * an unconnected socket cannot be told when one is taken; so what did not go out
 * is tried again by a timer, soon at first, and less often while nothing moves.
 *
 * A peer that is found gone while sending is only marked: ports come and go in
 * this file's own events, never in tx.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/htab.h"
#include "switch/driver_int.h"
#include "switch/msgio.h"
#include "switch/offload.h"

#define PEERS_MAX    64
#define PEER_IDLE_MS 10000 /* silent for so long: may make room */

#define ASK_AGAIN_MS 1000
#define ASKS_MAX     PEERS_MAX /* in ASK_AGAIN_MS */

#define RETRY_MIN_NS 50000
#define RETRY_MAX_NS 5000000

/* Datagrams on their way count as ours until the peer has taken them. A peer that
 * is connected to us has no other limit: when it stops reading it can fill this
 * for its neighbours on the same socket, which wait in their queues meanwhile. */
#define SNDBUF (1024 * 1024)

enum peer_way {
	WAY_ADDRESS, /* by the peer's address, from the hub's socket */
	WAY_ASKED,   /* not known yet: frames wait */
	WAY_SOCKET,  /* peer->fd is connected to it */
	WAY_SHARED,  /* the hub's socket is connected to it */
	WAY_NONE,    /* refused: what is for it is dropped */
};

struct hub {
	struct driver drv;
	int fd;
	int timer_fd;
	struct event *rd, *timer;
	struct htab by_addr;
	struct list peers; /* heard from longest ago first */
	unsigned int npeers, serial;
	bool link_up;
	bool stale; /* some peer is gone */
	long retry_ns; /* 0 = timer not running */
	int64_t asks_ms; /* since when asks are counted */
	unsigned int asks;
	struct port_stats past; /* of peers that are no more */
	struct msg_rx rx;
};

struct peer {
	struct port port;
	struct hub *hub;
	struct hnode hash;
	struct list node;
	struct msg_addr addr;
	struct msgq q;
	enum peer_way way;
	int fd; /* WAY_SOCKET; else -1 */
	int64_t asked_ms, heard_ms;
	bool gone;
};

static const struct msg_addr nowhere; /* on a connected socket */

/* ---- timer --------------------------------------------------------------- */

static void timer_set(struct hub *h, long ns)
{
	struct itimerspec t = {.it_value.tv_nsec = ns};

	h->retry_ns = ns;
	timerfd_settime(h->timer_fd, 0, &t, NULL);
}

static void settle(struct peer *p, enum msg_state st)
{
	struct hub *h = p->hub;

	if (st == MSG_GONE)
		p->gone = h->stale = true;
	if (st != MSG_IDLE && (!h->retry_ns || st == MSG_GONE))
		timer_set(h, RETRY_MIN_NS);
}

/* ---- peers --------------------------------------------------------------- */

static void peer_del(struct peer *p)
{
	struct hub *h = p->hub;

	list_del(&p->node);
	htab_del(&h->by_addr, &p->hash);
	h->npeers--;
	port_stats_add(&h->past, &p->port.stats);
	vswitch_port_del(&p->port);
}

static void peer_close(struct port *port)
{
	struct peer *p = container_of(port, struct peer, port);

	fd_close(&p->fd);
	msgq_fini(&p->q);
	free(p);
}

static int peer_fd(const struct peer *p)
{
	return p->way == WAY_SOCKET ? p->fd : p->hub->fd;
}

static const struct msg_addr *peer_to(const struct peer *p)
{
	return p->way == WAY_ADDRESS ? &p->addr : &nowhere;
}

/* Ask the owner for a way to @p, unless that was done too often. */
static void peer_ask(struct peer *p, int64_t now_ms)
{
	struct hub *h = p->hub;
	const struct driver_events *ev = h->drv.ctx.ev;

	fd_close(&p->fd);
	p->gone = false;
	p->asked_ms = now_ms;
	p->way = WAY_NONE;
	if (now_ms - h->asks_ms >= ASK_AGAIN_MS) {
		h->asks_ms = now_ms;
		h->asks = 0;
	}
	if (h->asks == ASKS_MAX)
		return;
	h->asks++;
	p->way = WAY_ASKED;
	ev->sender(ev->arg, h->drv.nic_id, &p->addr.ss, p->addr.len);
}

static bool hub_asks(const struct hub *h)
{
	return h->drv.ctx.ev && h->drv.ctx.ev->sender;
}

static void peer_tx(struct port *port, const struct frame *const *batch,
		    unsigned int n)
{
	struct peer *p = container_of(port, struct peer, port);

	if (p->gone || p->way == WAY_NONE)
		port_drop(port, DROP_NO_PEER, n);
	else if (p->way == WAY_ASKED)
		msgq_keep(&p->q, batch, n);
	else
		settle(p, msgq_tx(&p->q, peer_fd(p), peer_to(p), batch, n));
}

static const struct port_ops peer_ops = {
	.driver = "dgram",
	.tx = peer_tx,
	.close = peer_close,
};

static uint32_t addr_hash(const struct hub *h, const struct msg_addr *a)
{
	return hash_bytes(h->by_addr.seed, &a->ss, a->len);
}

static bool same_addr(const struct msg_addr *a, const struct msg_addr *b)
{
	return a->len == b->len && memcmp(&a->ss, &b->ss, a->len) == 0;
}

static struct peer *peer_find(const struct hub *h, const struct msg_addr *a,
			      uint32_t hash)
{
	for (struct hnode *n = htab_find(&h->by_addr, hash); n;
	     n = htab_find_next(n)) {
		struct peer *p = container_of(n, struct peer, hash);

		if (same_addr(&p->addr, a))
			return p;
	}
	return NULL;
}

static bool make_room(struct hub *h, int64_t now_ms)
{
	struct peer *p = list_first(&h->peers, struct peer, node);

	if (h->npeers < PEERS_MAX)
		return true;
	if (!p || now_ms - p->heard_ms < PEER_IDLE_MS)
		return false;
	peer_del(p);
	return true;
}

static struct peer *peer_new(struct hub *h, const struct msg_addr *a,
			     uint32_t hash, int64_t now_ms)
{
	struct peer *p;

	if (!make_room(h, now_ms))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p || msgq_init(&p->q, &p->port)) {
		free(p);
		return NULL;
	}
	p->fd = -1;
	p->hub = h;
	p->addr = *a;
	p->heard_ms = now_ms;
	if (driver_port_add(&h->drv, &p->port, &peer_ops, 0)) {
		peer_close(&p->port);
		return NULL;
	}
	if (h->serial)
		snprintf(p->port.name, sizeof(p->port.name), "%.40s#%u",
			 h->drv.name, h->serial + 1);
	h->serial = (h->serial + 1) % 1000000;
	vswitch_port_link(&p->port, h->link_up);
	htab_add(&h->by_addr, &p->hash, hash);
	list_add_tail(&h->peers, &p->node);
	h->npeers++;
	driver_peer(&h->drv, true);
	if (hub_asks(h))
		peer_ask(p, now_ms);
	return p;
}

static void peer_lost(struct peer *p)
{
	struct hub *h = p->hub;

	peer_del(p);
	if (!h->npeers)
		driver_peer(&h->drv, false);
}

/* Remove peers that were found gone, or ask where they are now. */
static void reap(struct hub *h, int64_t now_ms)
{
	if (!h->stale)
		return;
	h->stale = false;
	list_for_each_safe(p, &h->peers, struct peer, node) {
		if (p->gone && p->way == WAY_ADDRESS)
			peer_lost(p);
		else if (p->gone)
			peer_ask(p, now_ms);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;
	bool moved = false, waiting = false;
	long ns = h->retry_ns * 2;
	uint64_t ticks;

	(void)what;
	if (read(fd, &ticks, sizeof(ticks)) < 0)
		return;
	h->retry_ns = 0;
	list_for_each(p, &h->peers, struct peer, node) {
		enum msg_state st;

		if (p->gone || !p->q.count || p->way == WAY_ASKED ||
		    p->way == WAY_NONE)
			continue;
		st = msgq_drain(&p->q, peer_fd(p), peer_to(p), &moved);
		if (st == MSG_GONE)
			p->gone = h->stale = true;
		waiting |= st == MSG_BLOCKED;
	}
	reap(h, clock_mono_ms());
	if (ns > RETRY_MAX_NS)
		ns = RETRY_MAX_NS;
	if (waiting)
		timer_set(h, moved ? RETRY_MIN_NS : ns);
}

/* ---- from the peers ------------------------------------------------------ */

/* The frames of one sender that are on their way to the switch. */
struct run {
	struct peer *from;
	unsigned int n;
	struct frame f[FRAME_BATCH];
};

static void run_end(struct run *r, int64_t now_ms)
{
	if (r->n)
		vswitch_input(&r->from->port, r->f, r->n, now_ms);
	r->n = 0;
}

/* vfkit and libkrun introduce themselves with it. */
static bool is_greeting(const struct frame *f)
{
	return f->len == 4 && !memcmp(frame_hdr(f), "VFKT", 4);
}

/* Sort one datagram to its sender's port. */
static void take(struct hub *h, int i, struct run *r, int64_t now_ms)
{
	struct msg_addr a = {.len = h->rx.m[i].msg_hdr.msg_namelen};
	struct frame *f = &r->f[r->n];
	bool whole = msg_frame(&h->rx, i, f), fresh = false;
	struct peer *p;
	uint32_t hash;

	if (a.len <= sizeof(sa_family_t) || a.len > sizeof(a.ss)) {
		h->past.drops[DROP_NO_PEER]++; /* nobody to answer to */
		return;
	}
	memcpy(&a.ss, &h->rx.from[i], a.len);
	p = r->from;
	if (!p || !same_addr(&p->addr, &a)) {
		struct frame keep = *f;

		run_end(r, now_ms);
		f = &r->f[0];
		*f = keep;
		hash = addr_hash(h, &a);
		p = peer_find(h, &a, hash);
		if (!p) {
			p = peer_new(h, &a, hash, now_ms);
			fresh = true;
		}
		if (!p) {
			h->past.drops[DROP_LIMIT]++;
			r->from = NULL;
			return;
		}
		r->from = p;
		p->heard_ms = now_ms;
		list_del(&p->node);
		list_add_tail(&h->peers, &p->node);
	}
	/* The address is somebody's again, after its last owner went. */
	if (p->way == WAY_ADDRESS)
		p->gone = false;
	else if (p->way == WAY_NONE && now_ms - p->asked_ms >= ASK_AGAIN_MS)
		peer_ask(p, now_ms);
	if (!whole)
		port_drop(&p->port, DROP_LONG, 1);
	else if (!fresh || !is_greeting(f)) {
		offload_infer(f, vswitch_mtu(h->drv.ctx.sw));
		r->n++;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct hub *h = arg;
	int64_t now_ms = clock_mono_ms();
	struct run r;

	(void)what;
	r.from = NULL;
	r.n = 0;
	for (int done = 0; done < DRIVER_FRAMES;) {
		int n = msg_recv(&h->rx, fd);

		for (int i = 0; i < n; i++)
			take(h, i, &r, now_ms);
		run_end(&r, now_ms);
		if (n < 0 && !msg_gone(-n) && n != -ENOBUFS && n != -ENOMEM) {
			event_del(h->rd); /* no error of this kind passes */
			break;
		}
		if (n < FRAME_BATCH)
			break;
		done += n;
	}
	reap(h, now_ms);
}

/* ---- life ---------------------------------------------------------------- */

static void hub_free(struct driver *d)
{
	struct hub *h = container_of(d, struct hub, drv);

	list_for_each_safe(p, &h->peers, struct peer, node)
		peer_del(p);
	if (h->rd)
		event_free(h->rd);
	if (h->timer)
		event_free(h->timer);
	fd_close(&h->fd);
	fd_close(&h->timer_fd);
	htab_fini(&h->by_addr);
	free(h);
}

static void hub_link(struct driver *d, bool up)
{
	struct hub *h = container_of(d, struct hub, drv);

	h->link_up = up;
	list_for_each(p, &h->peers, struct peer, node)
		vswitch_port_link(&p->port, up);
}

static void hub_stats(const struct driver *d, struct port_stats *out)
{
	const struct hub *h = container_of(d, struct hub, drv);

	*out = h->past;
	list_for_each(p, &h->peers, struct peer, node)
		port_stats_add(out, &p->port.stats);
}

static const struct driver_ops hub_ops = {
	.name = "dgram",
	.free = hub_free,
	.link = hub_link,
	.stats = hub_stats,
};

/* As much as we may have. */
static void set_sndbuf(int fd)
{
	int v = SNDBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &v, sizeof(v)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v));
}

/* Whom the answer is about: who asked, or whose shared way has ended. */
static struct peer *way_asker(struct driver *d,
			      const struct sockaddr_storage *ss, socklen_t len,
			      enum dgram_way way)
{
	struct hub *h = container_of(d, struct hub, drv);
	struct msg_addr a = {.len = len};
	struct peer *p;

	memcpy(&a.ss, ss, len);
	p = peer_find(h, &a, addr_hash(h, &a));
	if (p && p->way == WAY_SHARED && way == DGRAM_WAY_GONE)
		return p;
	return p && p->way == WAY_ASKED ? p : NULL;
}

static void way_open(struct peer *p, int fd)
{
	p->fd = fd;
	p->way = fd >= 0 ? WAY_SOCKET : WAY_SHARED;
	if (fd >= 0)
		set_sndbuf(fd);
	settle(p, msgq_drain(&p->q, peer_fd(p), peer_to(p), NULL));
}

int driver_dgram_way(struct driver *d, const struct sockaddr_storage *ss,
		     socklen_t len, enum dgram_way way, int fd)
{
	struct peer *p;
	int r = 0;

	if (d->ops != &hub_ops || len > sizeof(*ss) ||
	    (way == DGRAM_WAY_SOCKET) != (fd >= 0))
		r = -EINVAL;
	else if (!(p = way_asker(d, ss, len, way)))
		r = -ENOENT;
	else if (way == DGRAM_WAY_SOCKET)
		r = fd_setup(fd);
	if (r) {
		fd_close(&fd);
		return r;
	}
	if (way == DGRAM_WAY_SOCKET || way == DGRAM_WAY_SHARED) {
		way_open(p, fd);
	} else if (way == DGRAM_WAY_GONE) {
		peer_lost(p);
	} else {
		p->way = WAY_NONE;
		port_drop(&p->port, DROP_NO_PEER, p->q.count);
		msgq_clear(&p->q);
	}
	return 0;
}

static int hub_start(struct hub *h)
{
	struct event_base *base = h->drv.ctx.base;
	int r = fd_setup(h->fd);

	if (r)
		return r;
	set_sndbuf(h->fd);
	h->timer_fd = timerfd_create(CLOCK_MONOTONIC,
				     TFD_NONBLOCK | TFD_CLOEXEC);
	if (h->timer_fd < 0)
		return -errno;
	h->rd = event_new(base, h->fd, EV_READ | EV_PERSIST, on_readable, h);
	h->timer = event_new(base, h->timer_fd, EV_READ | EV_PERSIST, on_timer,
			     h);
	if (!h->rd || !h->timer || event_add(h->rd, NULL) ||
	    event_add(h->timer, NULL))
		return -ENOMEM;
	return 0;
}

int driver_dgram(const struct driver_ctx *ctx, const struct port_spec *spec,
		 int fd, struct driver **out, struct errtext *why)
{
	struct hub *h = calloc(1, sizeof(*h));
	int r;

	if (!h || htab_init(&h->by_addr, PEERS_MAX, NULL)) {
		free(h);
		fd_close(&fd);
		return -ENOMEM;
	}
	driver_init(&h->drv, &hub_ops, ctx, spec);
	list_init(&h->peers);
	h->fd = fd;
	h->timer_fd = -1;
	h->link_up = true;
	msg_rx_init(&h->rx, vswitch_rx_area(ctx->sw));
	r = hub_start(h);
	if (r) {
		hub_free(&h->drv);
		return errtext_set(why, r, "cannot use the datagram socket");
	}
	*out = &h->drv;
	return 0;
}
