// SPDX-License-Identifier: GPL-2.0-or-later
/* Forwards and their UDP clients. See forward.h; sockets are in host_forward.c. */
#include "nat/forward.h"

#include <errno.h>
#include <stdlib.h>

#include "nat/iov.h"

#define PORT_TRIES 64

/* Keys of the two flow tables; no padding. */
struct client_key {
	uint64_t id;
	struct endpoint client;
	struct ipaddr local;
	uint16_t zero[3];
};

struct guest_key {
	struct endpoint guest, seen;
};

int forwards_init(struct forwards *t, const uint64_t seed[2])
{
	int err = htab_init(&t->by_id, 16, seed);

	if (!err)
		err = htab_init(&t->by_client, 16, seed);
	return err ? err : htab_init(&t->by_guest, 16, seed);
}

static uint32_t client_hash(const struct forwards *t, uint64_t id,
			    const struct endpoint *client, uint32_t local)
{
	struct client_key key = {.id = id, .client = *client,
				 .local = ipaddr_from4(local)};

	return hash_bytes(t->by_client.seed, &key, sizeof(key));
}

static uint32_t guest_hash(const struct forwards *t, const struct endpoint *g,
			   const struct endpoint *seen)
{
	struct guest_key key = {*g, *seen};

	return hash_bytes(t->by_guest.seed, &key, sizeof(key));
}

static uint32_t id_hash(const struct forwards *t, uint64_t id)
{
	return hash_bytes(t->by_id.seed, &id, sizeof(id));
}

static struct forward_flow *by_client(const struct forwards *t,
				      const struct forward *fwd,
				      const struct endpoint *client,
				      uint32_t local)
{
	struct hnode *n = htab_find(&t->by_client,
				    client_hash(t, fwd->id, client, local));

	for (; n; n = htab_find_next(n)) {
		struct forward_flow *f =
			container_of(n, struct forward_flow, by_client);

		if (f->fwd == fwd && f->local == local &&
		    endpoint_eq(&f->client, client))
			return f;
	}
	return NULL;
}

static struct forward_flow *by_guest(const struct forwards *t,
				     const struct endpoint *guest,
				     const struct endpoint *seen)
{
	struct hnode *n = htab_find(&t->by_guest, guest_hash(t, guest, seen));

	for (; n; n = htab_find_next(n)) {
		struct forward_flow *f =
			container_of(n, struct forward_flow, by_guest);

		if (endpoint_eq(&f->guest, guest) &&
		    endpoint_eq(&f->seen, seen))
			return f;
	}
	return NULL;
}

static void flow_end(struct forward_flow *f)
{
	struct forwards *t = f->fwd->all;

	flow_del(t->flows, &f->fl);
	wtimer_cancel(t->wheel, &f->fl.timer);
	htab_del(&t->by_client, &f->by_client);
	htab_del(&t->by_guest, &f->by_guest);
	list_del(&f->on_forward);
	f->fwd->active--;
	free(f);
}

static void flow_evict(struct flow *f)
{
	flow_end(container_of(f, struct forward_flow, fl));
}

struct forward *forward_find(const struct forwards *t, uint64_t id)
{
	struct hnode *n = htab_find(&t->by_id, id_hash(t, id));

	while (n && container_of(n, struct forward, node)->id != id)
		n = htab_find_next(n);
	return n ? container_of(n, struct forward, node) : NULL;
}

int forward_add(struct forwards *t, struct forward *f)
{
	if (forward_find(t, f->id))
		return -EEXIST;
	if (t->by_id.count >= FORWARD_MAX)
		return -ENOSPC;
	f->all = t;
	list_init(&f->flows);
	htab_add(&t->by_id, &f->node, id_hash(t, f->id));
	return 0;
}

void forward_del(struct forwards *t, struct forward *f)
{
	list_for_each_safe(fl, &f->flows, struct forward_flow, on_forward)
		flow_end(fl);
	htab_del(&t->by_id, &f->node);
	t->host->close(t->host_arg, f);
	free(f);
}

static bool is_any(const struct ipaddr *ip)
{
	static const struct ipaddr any6;
	struct ipaddr any4 = ipaddr_from4(0);

	return ipaddr_eq(ip, &any4) || ipaddr_eq(ip, &any6);
}

void forward_rebound(struct forward *f, const struct endpoint *was,
		     const struct endpoint *now)
{
	bool same_port = now && now->port == was->port;

	list_for_each_safe(fl, &f->flows, struct forward_flow, on_forward) {
		struct ipaddr local = ipaddr_from4(fl->local);

		if (!same_port || (!is_any(&now->ip) &&
				   !ipaddr_eq(&now->ip, &local)))
			flow_end(fl);
	}
}

static bool fini_one(struct hnode *n, void *arg)
{
	forward_del(arg, container_of(n, struct forward, node));
	return true;
}

void forwards_fini(struct forwards *t)
{
	if (t->by_id.bucket) {
		htab_walk(&t->by_id, fini_one, t);
		htab_fini(&t->by_id);
	}
	if (t->by_client.bucket)
		htab_fini(&t->by_client);
	if (t->by_guest.bucket)
		htab_fini(&t->by_guest);
}

/* Where does @f lead now? */
static bool target_now(const struct forwards *t, const struct forward *f,
		       uint32_t *ip)
{
	struct ipaddr a = f->target_ip;

	if (f->nic_id && (!t->resolve ||
			  !t->resolve(t->resolve_arg, f->nic_id, false, &a)))
		return false;
	if (!ipaddr_is4(&a))
		return false;
	*ip = ipaddr_get4(&a);
	return *ip && !policy_is_us(t->pol, *ip) &&
	       ip4_in_net(*ip, &t->pol->net);
}

bool forward_target(struct forwards *t, struct forward *f,
		    struct endpoint *guest, uint64_t *nic_id)
{
	uint32_t ip;

	if (!target_now(t, f, &ip)) {
		f->refused++;
		t->refused++;
		return false;
	}
	f->accepted++;
	*guest = endpoint4(ip, f->target_port);
	*nic_id = f->nic_id ? f->nic_id : arp_nic(t->arp, ip);
	return true;
}

static void flow_on_timer(struct wtimer *w, int64_t now_ms)
{
	struct flow *fl = container_of(w, struct flow, timer);
	struct forward_flow *f = container_of(fl, struct forward_flow, fl);

	if (now_ms >= fl->used_ms + UDP_IDLE_MS)
		flow_end(f);
	else
		wtimer_arm(f->fwd->all->wheel, w, fl->used_ms + UDP_IDLE_MS,
			   flow_on_timer);
}

/* Choose what the guest sees; false when no port is free. */
static bool choose_seen(const struct forwards *t, struct forward_flow *f)
{
	uint32_t real = ipaddr_get4(&f->client.ip);
	uint32_t seen = policy_client(t->pol, real);
	uint32_t port = f->client.port, step = guest_hash(t, &f->client,
							  &f->guest);

	for (int i = 0; i < PORT_TRIES; i++) {
		f->seen = endpoint4(seen, (uint16_t)port);
		/* Ports of ours inside must not look like a client. */
		if (port && !(seen == t->pol->ip && port == 53) &&
		    !by_guest(t, &f->guest, &f->seen))
			return true;
		port = 1024 + (port + step % 9973 + 1) % 64511;
	}
	return false;
}

/* Strangers must not push out what the guest itself has: a forward's clients are at
 * most half of what its NIC may have, and evict each other. */
static void make_room(struct forwards *t, struct forward *fwd)
{
	uint32_t max = (t->flows->limit[FLOW_UDP] + 1) / 2;
	struct forward_flow *oldest =
		list_first(&fwd->flows, struct forward_flow, on_forward);

	if (fwd->active < max || !oldest)
		return;
	t->flows->evicted++;
	flow_end(oldest);
}

static struct forward_flow *flow_new(struct forwards *t, struct forward *fwd,
				     const struct udp_recv *r, int64_t now_ms)
{
	struct forward_flow *f = calloc(1, sizeof(*f));
	uint64_t nic_id = 0;

	if (!f)
		return NULL;
	f->fwd = fwd;
	f->client = r->from;
	f->local = r->local;
	f->checked_ms = now_ms;
	f->fl.end = flow_evict;
	if (!forward_target(t, fwd, &f->guest, &nic_id)) {
		free(f);
		return NULL;
	}
	make_room(t, fwd);
	if (!choose_seen(t, f) ||
	    flow_add(t->flows, &f->fl, FLOW_UDP, nic_id, now_ms)) {
		fwd->refused++;
		t->refused++;
		free(f);
		return NULL;
	}
	htab_add(&t->by_client, &f->by_client,
		 client_hash(t, fwd->id, &f->client, f->local));
	htab_add(&t->by_guest, &f->by_guest,
		 guest_hash(t, &f->guest, &f->seen));
	list_add_tail(&fwd->flows, &f->on_forward);
	fwd->active++;
	wtimer_arm(t->wheel, &f->fl.timer, now_ms + UDP_IDLE_MS, flow_on_timer);
	return f;
}

/* The flow's target may have another address by now; then it is over. */
static struct forward_flow *flow_recheck(struct forwards *t,
					 struct forward_flow *f, int64_t now_ms)
{
	uint32_t ip;

	if (now_ms - f->checked_ms < FORWARD_RECHECK_MS)
		return f;
	f->checked_ms = now_ms;
	if (target_now(t, f->fwd, &ip) && ip == ipaddr_get4(&f->guest.ip))
		return f;
	flow_end(f);
	return NULL;
}

static void flow_used(struct forward_flow *f, int64_t now_ms)
{
	flow_touch(&f->fl, now_ms);
	list_del(&f->on_forward);
	list_add_tail(&f->fwd->flows, &f->on_forward);
}

void forward_udp_input(struct forwards *t, struct forward *fwd,
		       const struct udp_recv *r, int64_t now_ms)
{
	struct forward_flow *f;
	struct iovec v = {(void *)r->data, r->len};
	uint8_t hdr[UDP_HDR];
	struct ipout_pkt p = {
		.proto = IP4_UDP, .tos = r->tos,
		.ttl = r->ttl > 1 ? (uint8_t)(r->ttl - 1) : r->ttl,
		.hdr = hdr, .hdr_len = UDP_HDR, .v = &v, .n = 1,
		.lent = true, .csum_at = 6,
	};

	if (!ipaddr_is4(&r->from.ip) || r->len > 65535 - IP4_HDR - UDP_HDR)
		return;
	f = by_client(t, fwd, &r->from, r->local);
	if (f)
		f = flow_recheck(t, f, now_ms);
	if (!f)
		f = flow_new(t, fwd, r, now_ms);
	if (!f)
		return;
	flow_used(f, now_ms);
	f->fl.bytes_in += r->len;
	fwd->bytes_in += r->len;
	udp_header(hdr, f->seen.port, f->guest.port, r->len);
	p.src = ipaddr_get4(&f->seen.ip);
	p.dst = ipaddr_get4(&f->guest.ip);
	ipout_send(t->out, &p, now_ms);
}

/* An error does not say from which of our addresses it was sent: most have one. */
static struct forward_flow *any_of_client(struct forward *fwd,
					  const struct endpoint *client)
{
	list_for_each(f, &fwd->flows, struct forward_flow, on_forward)
		if (endpoint_eq(&f->client, client))
			return f;
	return NULL;
}

void forward_udp_error(struct forwards *t, struct forward *fwd,
		       const struct host_err *e, int64_t now_ms)
{
	struct forward_flow *f = any_of_client(fwd, &e->to);
	struct host_err he = *e;

	if (!f)
		return;
	if (e->from == ipaddr_get4(&e->to.ip) || ip4_is_loopback(e->from))
		he.from = ipaddr_get4(&f->seen.ip);
	udp_error(t->out, &f->guest, &f->seen, f->fl.nic->id, &he, now_ms);
}

bool forward_udp_reply(struct forwards *t, const struct ip4_pkt *k,
		       uint16_t sport, uint16_t dport,
		       const struct iovec *payload, int n, int64_t now_ms)
{
	struct endpoint guest = endpoint4(k->ip.src, sport);
	struct endpoint to = endpoint4(k->ip.dst, dport);
	struct iovec piece[FRAME_SEGS];
	struct forward_flow *f;
	size_t len, step;
	struct udp_send s;

	if (!t->by_guest.count)
		return false;
	f = by_guest(t, &guest, &to);
	if (!f)
		return false;
	len = step = iov_len(payload, n);
	if (k->off.gso_type == GSO_UDP_L4 && k->off.gso_size)
		step = k->off.gso_size;
	flow_used(f, now_ms);
	f->fl.bytes_out += len;
	f->fwd->bytes_out += len;
	s = (struct udp_send){
		.to = f->client, .tos = k->ip.tos, .df = k->ip.df,
		.ttl = udp_ttl_out(k),
		.v = piece,
	};
	for (size_t at = 0; at < len || !at; at += step) {
		s.n = iov_slice(payload, n, at, step, piece);
		t->host->send(t->host_arg, f->fwd, f->local, &s);
		if (!step)
			break;
	}
	return true;
}

struct walk {
	bool (*fn)(void *arg, struct forward_flow *f);
	void *arg;
};

static bool walk_one(struct hnode *n, void *arg)
{
	struct walk *w = arg;

	return w->fn(w->arg, container_of(n, struct forward_flow, by_client));
}

void forward_walk(struct forwards *t,
		  bool (*fn)(void *arg, struct forward_flow *f), void *arg)
{
	struct walk w = {fn, arg};

	htab_walk(&t->by_client, walk_one, &w);
}
