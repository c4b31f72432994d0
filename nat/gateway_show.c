// SPDX-License-Identifier: GPL-2.0-or-later
/* Changing and looking into a gateway that runs. See gateway.h. */
#include <errno.h>
#include <string.h>

#include "nat/gateway.h"

/* Guests' flows that could not be opened any more. */
static bool match_denied(void *arg, const struct tcp_flow_info *i)
{
	const struct gateway *g = arg;
	struct ipaddr real;

	if (i->forward_id || (policy_is_us(&g->pol, &i->outside.ip) &&
			      i->outside.port == DNS_PORT))
		return false;
	return policy_flow(&g->pol, NAT_TCP, &i->outside.ip, i->outside.port,
			   &real) == POLICY_DENY;
}

int gateway_set_access(struct gateway *g, const struct nat_access *a,
		       int64_t now_ms)
{
	struct policy *p = &g->pol;

	if (a->nallow > NAT_ALLOW_MAX || a->nself > NAT_SELF_MAX)
		return -E2BIG;
	p->host_access = a->mode;
	if (a->nallow)
		memcpy(p->allow, a->allow, a->nallow * sizeof(*a->allow));
	p->nallow = a->nallow;
	if (a->nself)
		memcpy(p->self, a->self, a->nself * sizeof(*a->self));
	p->nself = a->nself;
	tcp_end_matching(g->tcp, match_denied, g, now_ms);
	return 0;
}

static uint32_t or_default(uint32_t v, uint32_t d)
{
	return v ? v : d;
}

void gateway_set_limits(struct gateway *g, const struct nat_limits *l)
{
	struct flow_tab *t = &g->flows;

	g->cfg.limits = *l;
	g->cfg.limits.tcp = or_default(l->tcp, 1024);
	g->cfg.limits.opening = or_default(l->opening, 128);
	t->limit[FLOW_UDP] = t->limit[FLOW_CLIENT] = or_default(l->udp, 512);
	t->limit[FLOW_ICMP] = or_default(l->icmp, 64);
	t->limit[FLOW_DNS] = or_default(l->dns, 64);
	t->limit[FLOW_DNSTCP] = or_default(l->dns_tcp, 16);
	t->limit[FLOW_REASM] = or_default(l->frags, 16);
	t->limit[FLOW_NEIGH] = or_default(l->neigh, 64);
	t->pool[FLOW_SOCKETS] = or_default(l->sockets, UINT32_MAX);
	t->pool[FLOW_PORTS] = or_default(l->ports, UINT32_MAX);
	t->pool[FLOW_QUERIES] = or_default(l->queries, UINT32_MAX);
	t->sharers = or_default(l->nics, 1);
	if (g->tcp)
		tcp_set_limits(g->tcp, g->cfg.limits.tcp,
			       g->cfg.limits.opening);
}

int gateway_set_deny(struct gateway *g, const struct ip4_net *deny, size_t n,
		     int64_t now_ms)
{
	if (n > NAT_DENY_MAX)
		return -E2BIG;
	if (n)
		memcpy(g->pol.deny, deny, n * sizeof(*deny));
	g->pol.ndeny = n;
	/* UDP and echo mappings have no fixed peer: their next packets are
	 * judged by the new rules, both ways. */
	tcp_end_matching(g->tcp, match_denied, g, now_ms);
	return 0;
}

int gateway_set_deny6(struct gateway *g, const struct ip6_net *deny, size_t n,
		      int64_t now_ms)
{
	if (n > NAT_DENY_MAX)
		return -E2BIG;
	if (n)
		memcpy(g->pol.deny6, deny, n * sizeof(*deny));
	g->pol.ndeny6 = n;
	tcp_end_matching(g->tcp, match_denied, g, now_ms);
	return 0;
}

void gateway_slept(struct gateway *g, int64_t slept_ms, int64_t now_ms)
{
	list_for_each(f, &g->flows.shown, struct flow, shown) {
		f->born_ms -= slept_ms;
		f->used_ms -= slept_ms;
		/* It sees for itself whether its time is over. */
		wtimer_arm(&g->wheel, &f->timer, now_ms, f->timer.fn);
	}
	tcp_slept(g->tcp, slept_ms, now_ms);
	dns_woke(&g->dns, now_ms); /* what failed before may work now */
}

/* Guests' mappings and echo have sockets that are bound to no address: what leaves
 * next leaves from the address that the host has then, by the same port. */
void gateway_address_gone(struct gateway *g, const struct ipaddr *ip, size_t n,
			  int64_t now_ms)
{
	tcp_address_gone(g->tcp, ip, n, now_ms);
	forwards_address_gone(&g->forwards, ip, n);
	/* Answers to queries from there do not come any more. */
	dns_woke(&g->dns, now_ms);
}

void gateway_nic_gone(struct gateway *g, uint64_t nic_id)
{
	tcp_nic_gone(g->tcp, nic_id);
	flow_nic_end(&g->flows, nic_id);
}

void gateway_forward_del(struct gateway *g, struct forward *f, int64_t now_ms)
{
	if (f->proto == IP4_TCP)
		tcp_forward_gone(g->tcp, f->id, now_ms);
	forward_del(&g->forwards, f);
}

/* ---- numbers of forwards ----------------------------------------------------- */

struct forward_show {
	bool (*fn)(void *arg, uint64_t group, const struct nat_forward_stats *s);
	void *arg;
};

static bool clear_live(struct hnode *n, void *arg)
{
	struct forward *f = container_of(n, struct forward, node);

	(void)arg;
	f->live_in = f->live_out = 0;
	return true;
}

static bool add_live(void *arg, const struct tcp_flow_info *i)
{
	struct gateway *g = arg;
	struct forward *f = i->forward_id
				    ? forward_find(&g->forwards, i->forward_id)
				    : NULL;

	if (f) {
		f->live_in += i->bytes_in;
		f->live_out += i->bytes_out;
	}
	return true;
}

static bool show_numbers(struct hnode *n, void *arg)
{
	struct forward *f = container_of(n, struct forward, node);
	struct forward_show *w = arg;
	struct nat_forward_stats s = {
		.accepted = f->accepted, .refused = f->refused,
		.active = f->active, .bytes_in = f->bytes_in + f->live_in,
		.bytes_out = f->bytes_out + f->live_out,
	};

	return w->fn(w->arg, f->group, &s);
}

void gateway_forward_walk(struct gateway *g,
			  bool (*fn)(void *arg, uint64_t group,
				     const struct nat_forward_stats *s),
			  void *arg)
{
	struct forward_show w = {fn, arg};

	if (!g->forwards.by_id.count)
		return;
	htab_walk(&g->forwards.by_id, clear_live, NULL);
	if (g->tcp)
		tcp_walk(g->tcp, 0, add_live, g);
	htab_walk(&g->forwards.by_id, show_numbers, &w);
}

void gateway_stats(const struct gateway *g, struct nat_stats *s)
{
	const struct flow_tab *t = &g->flows;
	struct tcp_stats tcp;

	tcp_stats(g->tcp, &tcp);
	*s = (struct nat_stats){
		.udp_flows = t->total[FLOW_UDP] + t->total[FLOW_CLIENT],
		.icmp_flows = t->total[FLOW_ICMP],
		.tcp_flows = tcp.flows,
		.dns_pending = t->total[FLOW_DNS],
		.frags = t->total[FLOW_REASM],
		.neigh = t->total[FLOW_NEIGH],
		.forwards = g->forwards.by_id.count,
		.names = g->dns.names.by_name.count,
		.udp_new = g->udp.stats.created,
		.icmp_new = g->icmp.stats.created,
		.tcp_new = tcp.opened + tcp.accepted,
		.evicted = t->evicted,
		.refused = g->udp.stats.refused + g->icmp.stats.refused +
			   tcp.limited + tcp.no_descriptor,
		.denied = g->udp.stats.denied + g->icmp.stats.denied +
			  g->denied,
		.filtered = g->udp.stats.filtered + g->icmp.stats.filtered,
		.reassembled = g->reasm.completed,
		.reasm_failed = g->reasm.failed,
		.dns_queries = g->dns.stats.queries,
		.dns_local = g->dns.stats.local,
		.dns_failed = g->dns.stats.failed,
		.forward_refused = g->forwards.refused,
		.queue_full = outq_dropped(g->out),
	};
}

void gateway_nic_stats(const struct gateway *g, uint64_t nic_id,
		       struct nat_nic_stats *s)
{
	const struct flow_nic *nic = flow_nic_find(&g->flows, nic_id);

	*s = (struct nat_nic_stats){0};
	if (!nic)
		return;
	*s = (struct nat_nic_stats){
		.udp = nic->count[FLOW_UDP],
		.clients = nic->count[FLOW_CLIENT],
		.icmp = nic->count[FLOW_ICMP],
		.tcp = nic->tcp_flows,
		.dns = nic->count[FLOW_DNS],
		.opening = nic->tcp_openings,
		.evicted = nic->evicted,
		.refused = nic->refused,
	};
}
