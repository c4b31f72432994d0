// SPDX-License-Identifier: GPL-2.0-or-later
/* Forwards and their UDP clients. See forward.h; sockets are in host_forward.c. */
#include "nat/forward.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/compat.h"
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
			    const struct endpoint *client,
			    const struct ipaddr *local)
{
	struct client_key key = {.id = id, .client = *client, .local = *local};

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
				      const struct ipaddr *local)
{
	struct hnode *n = htab_find(&t->by_client,
				    client_hash(t, fwd->id, client, local));

	for (; n; n = htab_find_next(n)) {
		struct forward_flow *f =
			container_of(n, struct forward_flow, by_client);

		if (f->fwd == fwd && ipaddr_eq(&f->local, local) &&
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

void forward_rebound(struct forward *f, const struct endpoint *was,
		     const struct endpoint *now)
{
	bool same_port = now && now->port == was->port;

	list_for_each_safe(fl, &f->flows, struct forward_flow, on_forward)
		if (!same_port || (!ipaddr_is_any(&now->ip) &&
				   !ipaddr_eq(&now->ip, &fl->local)))
			flow_end(fl);
}

struct gone_arg {
	const struct ipaddr *ip;
	size_t n;
};

static bool end_if_gone(struct hnode *n, void *arg)
{
	struct forward_flow *f = container_of(n, struct forward_flow,
					      by_client);
	const struct gone_arg *g = arg;

	for (size_t i = 0; i < g->n; i++)
		if (ipaddr_eq(&g->ip[i], &f->local)) {
			flow_end(f);
			break;
		}
	return true;
}

void forwards_address_gone(struct forwards *t, const struct ipaddr *ip,
			   size_t n)
{
	struct gone_arg g = {ip, n};

	htab_walk(&t->by_client, end_if_gone, &g);
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

static bool resolve(const struct forwards *t, const struct forward *f,
		    bool ip6, struct ipaddr *ip)
{
	return (!ip6 || t->pol->net6.plen) &&
	       t->resolve(t->resolve_arg, f->nic_id, ip6, ip) &&
	       ipaddr_is4(ip) != ip6;
}

/* Where does @f lead now for @client? */
static bool target_now(const struct forwards *t, const struct forward *f,
		       const struct ipaddr *client, struct ipaddr *ip)
{
	bool ip6 = !ipaddr_is4(client);

	*ip = f->target_ip;
	if (f->nic_id && (!t->resolve || (!resolve(t, f, ip6, ip) &&
					  !resolve(t, f, !ip6, ip))))
		return false;
	return !ipaddr_is_any(ip) && !ipaddr_is_linklocal(ip) &&
	       !policy_is_us(t->pol, ip) && policy_is_inside(t->pol, ip);
}

bool forward_target(struct forwards *t, struct forward *f,
		    const struct ipaddr *client, struct endpoint *guest,
		    uint64_t *nic_id)
{
	struct ipaddr ip;

	if (!target_now(t, f, client, &ip)) {
		f->refused++;
		t->refused++;
		return false;
	}
	f->accepted++;
	*guest = (struct endpoint){ip, f->target_port};
	*nic_id = f->nic_id ? f->nic_id : neigh_nic(t->neigh, &ip);
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
	struct ipaddr seen = policy_client(t->pol, &f->client.ip,
					   &f->guest.ip);
	uint32_t port = f->client.port, step = guest_hash(t, &f->client,
							  &f->guest);

	for (int i = 0; i < PORT_TRIES; i++) {
		f->seen = (struct endpoint){seen, (uint16_t)port};
		/* Ports of ours inside must not look like a client. */
		if (port && !(port == 53 && policy_is_us(t->pol, &seen)) &&
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
	uint32_t max = (t->flows->limit[FLOW_CLIENT] + 1) / 2;
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
	if (!forward_target(t, fwd, &f->client.ip, &f->guest, &nic_id)) {
		free(f);
		return NULL;
	}
	make_room(t, fwd);
	if (!choose_seen(t, f) ||
	    flow_add(t->flows, &f->fl, FLOW_CLIENT, nic_id, now_ms)) {
		fwd->refused++;
		t->refused++;
		free(f);
		return NULL;
	}
	htab_add(&t->by_client, &f->by_client,
		 client_hash(t, fwd->id, &f->client, &f->local));
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
	struct ipaddr ip;

	if (now_ms - f->checked_ms < FORWARD_RECHECK_MS)
		return f;
	f->checked_ms = now_ms;
	if (target_now(t, f->fwd, &f->client.ip, &ip) &&
	    ipaddr_eq(&ip, &f->guest.ip))
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

	if (udp_too_long(r))
		return;
	f = by_client(t, fwd, &r->from, &r->local);
	if (f)
		f = flow_recheck(t, f, now_ms);
	if (!f)
		f = flow_new(t, fwd, r, now_ms);
	if (!f)
		return;
	flow_used(f, now_ms);
	f->fl.bytes_in += r->len;
	f->fl.packets_in += udp_count(r);
	fwd->bytes_in += r->len;
	udp_deliver(t->out, &f->seen, &f->guest, r, now_ms);
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

/* The other family's words for an error (RFC 7915 4.2, 5.2), from the gateway. */
static bool translate_error(struct host_err *e, bool to4)
{
	static const struct {
		uint8_t type4, code4, type6, code6;
	} t[] = {
		{ICMP_T_UNREACH, ICMP_C_PORT, ICMP6_UNREACH, ICMP6_C_PORT},
		{ICMP_T_UNREACH, ICMP_C_HOST, ICMP6_UNREACH, ICMP6_C_ADDRESS},
		{ICMP_T_UNREACH, ICMP_C_NET, ICMP6_UNREACH, ICMP6_C_NOROUTE},
		{ICMP_T_UNREACH, ICMP_C_ADMIN, ICMP6_UNREACH, ICMP6_C_ADMIN},
		{ICMP_T_UNREACH, ICMP_C_FRAG, ICMP6_TOO_BIG, 0},
		{ICMP_T_TIME, 0, ICMP6_TIME, 0},
	};

	e->from = ipaddr_any;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		if (to4 ? e->type != t[i].type6 || e->code != t[i].code6
			: e->type != t[i].type4 || e->code != t[i].code4)
			continue;
		e->type = to4 ? t[i].type4 : t[i].type6;
		e->code = to4 ? t[i].code4 : t[i].code6;
		/* A header of IPv6 is 20 bytes longer. */
		if (t[i].code4 == ICMP_C_FRAG && e->info)
			e->info = to4 ? e->info - 20 : e->info + 20;
		return true;
	}
	return false;
}

void forward_udp_error(struct forwards *t, struct forward *fwd,
		       const struct host_err *e, int64_t now_ms)
{
	struct forward_flow *f = any_of_client(fwd, &e->to);
	struct host_err he = *e;

	if (!f)
		return;
	udp_error_from(&he, &e->to.ip, &f->seen.ip);
	if (ipaddr_is4(&e->to.ip) != ipaddr_is4(&f->guest.ip) &&
	    !translate_error(&he, ipaddr_is4(&f->guest.ip)))
		return;
	udp_error(t->out, &f->guest, &f->seen, f->fl.nic->id, &he, now_ms);
}

bool forward_udp_reply(struct forwards *t, const struct pkt *k,
		       uint16_t sport, uint16_t dport,
		       const struct iovec *payload, int n, int64_t now_ms)
{
	struct endpoint guest = {k->ip.src, sport};
	struct endpoint to = {k->ip.dst, dport};
	struct forward_flow *f;
	struct udp_send s;
	size_t len;

	if (!t->by_guest.count)
		return false;
	f = by_guest(t, &guest, &to);
	if (!f)
		return false;
	len = iov_len(payload, n);
	flow_used(f, now_ms);
	f->fl.bytes_out += len;
	f->fwd->bytes_out += len;
	s = (struct udp_send){
		.to = f->client, .tos = k->ip.tos, .df = k->ip.df,
		.ttl = udp_ttl_out(k), .v = payload, .n = n,
		.gso = udp_gso(k, len, &f->fl.packets_out),
	};
	t->host->send(t->host_arg, f->fwd, &f->local, &s);
	return true;
}
