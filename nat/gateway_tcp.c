// SPDX-License-Identifier: GPL-2.0-or-later
/* What the TCP core needs of the gateway: routes, the way out, forwards. */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/gateway.h"
#include "nat/iov.h"
#include "switch/port.h"

static enum tcp_verdict env_route(void *arg, const struct tcp_pkt *p,
				  struct endpoint *to)
{
	struct gateway *g = arg;
	struct ipaddr real = ipaddr_any;

	if (policy_is_us(&g->pol, &p->dst) && to->port == DNS_PORT)
		return TCP_SERVE;
	switch (policy_flow(&g->pol, NAT_TCP, &p->dst, to->port, &real)) {
	case POLICY_OUT:
		to->ip = real;
		return TCP_CONNECT;
	case POLICY_SILENT:
		return TCP_DROP;
	case POLICY_NOWHERE:
		return TCP_RESET;
	default:
		g->denied++;
		/* To ourselves a reset says it all. */
		return policy_is_us(&g->pol, &p->dst) ? TCP_RESET
						      : TCP_PROHIBITED;
	}
}

static int env_emit(void *arg, const struct tcp_out *o, int64_t now_ms)
{
	struct gateway *g = arg;
	struct ipout_pkt p = {
		.src = o->src, .dst = o->dst, .proto = IP4_TCP, .df = true, .hdr = o->hdr,
		.hdr_len = o->hdr_len, .v = o->v, .n = o->n,
		.lent = o->len > 0, .csum_at = 16,
		.gso_type = !o->gso_size	  ? GSO_NONE
			    : ipaddr_is4(&o->src) ? GSO_TCP4
						  : GSO_TCP6,
		.gso_size = o->gso_size,
	};

	return ipout_send(&g->ipout, &p, now_ms);
}

static void env_emit_flush(void *arg)
{
	struct gateway *g = arg;

	outq_flush(g->out);
}

/* What is queued here may be for the same guest: it counts, and goes first when it
 * matters. */
static size_t env_room(void *arg, uint64_t nic_id, uint32_t flow)
{
	struct gateway *g = arg;
	size_t room = g->env.room(g->env.room_arg, nic_id, flow);

	size_t queued = outq_bytes(g->out);

	if (room == SIZE_MAX)
		return room;
	if (queued && room < queued + FRAME_MAX) {
		outq_flush(g->out);
		queued = outq_bytes(g->out);
		room = g->env.room(g->env.room_arg, nic_id, flow);
	}
	return room > queued ? room - queued : 0;
}

/* What is queued goes first: the next frame to the guest is to be this one. */
static int lend(struct gateway *g, uint64_t nic_id, uint32_t flow,
		uint32_t caps, size_t *len, struct iovec *v)
{
	const struct gateway_env *e = &g->env;
	size_t want = *len;
	int n = e->lend(e->room_arg, nic_id, flow, caps, len, v, &g->lender);

	if (n <= 0 || !outq_bytes(g->out))
		return n;
	e->unlend(e->room_arg, g->lender);
	outq_flush(g->out);
	*len = want;
	return e->lend(e->room_arg, nic_id, flow, caps, len, v, &g->lender);
}

/* Room for @len bytes behind the headers that ipout_send() will make. */
static int env_lend(void *arg, uint64_t nic_id, uint32_t flow, bool v4,
		    size_t hdr_len, size_t *len, struct iovec *v)
{
	struct gateway *g = arg;
	size_t before = ETH_HDR_LEN + (v4 ? IP4_HDR : IP6_HDR + 0u) + hdr_len;
	size_t all = before + *len;
	uint32_t caps = PORT_CAP_CSUM | (v4 ? PORT_CAP_TSO4 : PORT_CAP_TSO6);
	struct iovec whole[FRAME_SEGS];
	int n = lend(g, nic_id, flow, caps, &all, whole);

	if (n <= 0)
		return n;
	outq_in_place(g->out, g->lender);
	*len = all > before ? all - before : 0;
	return iov_slice(whole, n, before, *len, v);
}

static void env_lend_end(void *arg)
{
	struct gateway *g = arg;

	outq_flush(g->out);
	outq_in_place(g->out, NULL);
	g->env.unlend(g->env.room_arg, g->lender);
	g->lender = NULL;
}

static void env_unreach(void *arg, const struct tcp_unreach *u, int64_t now_ms)
{
	static const enum ipout_why why[] = {
		[TCP_UNREACH_NET] = WHY_NET,
		[TCP_UNREACH_HOST] = WHY_HOST,
		[TCP_UNREACH_ADMIN] = WHY_ADMIN,
	};
	struct gateway *g = arg;
	struct icmp_err e = {
		.nic_id = u->nic_id, .l4 = u->l4, .l4_len = sizeof(u->l4),
		.orig = {
			.src = u->src, .dst = u->dst, .proto = IP4_TCP,
			.ttl = 1, .df = true, .len = TCP_HDR,
		},
	};

	if (u->icmp) {
		/* A router's link-local address is one of another link. */
		if (!policy_is_martian(&u->icmp->from))
			e.from = u->icmp->from;
		e.type = u->icmp->type;
		e.code = u->icmp->code;
	} else {
		ipout_err_why(&e, why[u->why]);
	}
	ipout_icmp_err(&g->ipout, &e, now_ms);
}

static void env_kick(void *arg)
{
	struct gateway *g = arg;

	g->tcp_due = true;
	if (!outq_held(g->out))
		g->env.kick(g->env.kick_arg);
}

static void env_rest(void *arg)
{
	struct gateway *g = arg;

	g->env.rest(g->env.kick_arg);
}

static void env_forward_end(void *arg, uint64_t forward_id, bool answered,
			    uint64_t bytes_out, uint64_t bytes_in)
{
	struct gateway *g = arg;
	struct forward *f = forward_find(&g->forwards, forward_id);

	if (!f)
		return;
	f->active--;
	f->bytes_out += bytes_out;
	f->bytes_in += bytes_in;
	if (!answered)
		f->refused++;
}

static bool end_tcp(void *arg, struct flow_nic *nic, int64_t now_ms)
{
	struct gateway *g = arg;

	return tcp_give_up(g->tcp, nic, now_ms);
}

int gateway_tcp_new(struct gateway *g)
{
	struct tcp_env env = {
		.arg = g, .wheel = &g->wheel, .host = g->env.tcp,
		.host_arg = g->env.tcp_arg, .service = &dns_tcp_ops,
		.service_arg = &g->dns, .route = env_route,
		.emit = env_emit, .emit_flush = env_emit_flush,
		.unreach = env_unreach, .kick = env_kick,
		.forward_end = env_forward_end, .flows = &g->flows,
		.room = g->env.room ? env_room : NULL,
		.lend = g->env.lend ? env_lend : NULL,
		.lend_end = env_lend_end,
		.rest = g->env.rest ? env_rest : NULL,
	};
	struct tcp_config cfg = {
		.mtu = g->cfg.mtu, .nic_flows_max = g->cfg.limits.tcp,
		.nic_opening_max = g->cfg.limits.opening,
		.seed = {g->env.seed[0], g->env.seed[1]},
	};

	g->tcp = tcp_new(&env, &cfg);
	g->flows.end_tcp = end_tcp;
	g->flows.end_tcp_arg = g;
	return g->tcp ? 0 : -ENOMEM;
}

int gateway_tcp_input(struct gateway *g, const struct pkt *k,
		      int64_t now_ms)
{
	struct tcp_pkt p = {
		.src = k->ip.src, .dst = k->ip.dst,
		.nic_id = k->nic_id,
		.ttl = k->to_us ? 0 : (uint8_t)(k->ip.ttl - 1),
		.head = k->head, .head_len = k->head_len,
		.l4 = k->l4, .nl4 = k->nl4, .l4_len = k->l4_len,
	};

	if (k->group || k->head_len < TCP_HDR)
		return k->group ? DROP_POLICY : DROP_PROTO;
	/* Without NAT there is nothing but the resolver. */
	if (!g->cfg.nat && (!k->to_us || get_be16(k->head + 2) != DNS_PORT))
		return DROP_POLICY;
	if (!pkt_csum_ok(k, 16))
		return DROP_PROTO;
	tcp_input(g->tcp, &p, now_ms);
	return -1;
}

int gateway_tcp_accept(struct gateway *g, struct forward *f,
		       const struct endpoint *client, void *sock,
		       int64_t now_ms)
{
	/* One client port may come to two forwards of one guest port. */
	struct tcp_accept a = {.sock = sock, .forward_id = f->id,
			       .any_port = true};
	int err;

	if (!forward_target(&g->forwards, f, &client->ip, &a.guest, &a.nic_id))
		return -EHOSTUNREACH;
	a.shown = (struct endpoint){policy_client(&g->pol, &client->ip,
						  &a.guest.ip),
				    client->port};
	f->active++;
	err = tcp_accept(g->tcp, &a, now_ms);
	if (err) {
		f->active--;
		f->refused++;
		g->forwards.refused++;
	}
	return err;
}
