// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway's flows as people see them: listed, and ended by hand. The order is
 * mappings and echo first, then TCP, each by age, so that a list can be taken in
 * parts while flows come and go. See gateway.h.
 */
#include "nat/gateway.h"

static uint32_t seconds(int64_t from_ms, int64_t now_ms)
{
	return now_ms > from_ms ? (uint32_t)((now_ms - from_ms) / 1000) : 0;
}

static void fill_udp(struct nat_flow *o, const struct udp_map *m)
{
	o->guest = m->guest.ip;
	o->guest_port = m->guest.port;
	o->outside = m->peer.ip;
	o->outside_port = m->peer.port;
	o->host_port = m->host_port;
	o->state = m->answered ? "mapped" : "unanswered";
}

static void fill_forward(struct nat_flow *o, const struct forward_flow *w)
{
	o->guest = w->guest.ip;
	o->guest_port = w->guest.port;
	o->outside = w->client.ip;
	o->outside_port = w->client.port;
	o->forward_id = w->fwd->id;
	o->state = w->fl.bytes_out ? "forwarded" : "unanswered";
}

static void fill_icmp(struct nat_flow *o, const struct icmp_map *m)
{
	o->guest = m->guest.ip;
	o->guest_port = m->guest.port;
	o->outside = m->peer.ip;
	o->host_port = m->host_id;
	o->state = m->fl.bytes_in ? "mapped" : "unanswered";
}

static struct nat_flow of_flow(const struct flow *f, int64_t now_ms)
{
	struct nat_flow o = {
		.id = f->id,
		.proto = f->kind == FLOW_ICMP ? NAT_ICMP : NAT_UDP,
		.nic_id = f->nic ? f->nic->id : 0,
		.bytes_out = f->bytes_out,
		.bytes_in = f->bytes_in,
		.packets_out = f->packets_out,
		.packets_in = f->packets_in,
		.age_s = seconds(f->born_ms, now_ms),
		.idle_s = seconds(f->used_ms, now_ms),
	};

	if (f->kind == FLOW_ICMP)
		fill_icmp(&o, container_of(f, struct icmp_map, fl));
	else if (f->kind == FLOW_CLIENT)
		fill_forward(&o, container_of(f, struct forward_flow, fl));
	else
		fill_udp(&o, container_of(f, struct udp_map, fl));
	return o;
}

static struct nat_flow of_tcp(const struct tcp_flow_info *i, int64_t now_ms)
{
	return (struct nat_flow){
		.id = i->id, .proto = NAT_TCP, .nic_id = i->nic_id,
		.guest = i->guest.ip, .guest_port = i->guest.port,
		.outside = i->outside.ip, .outside_port = i->outside.port,
		.host_port = i->host_port, .forward_id = i->forward_id,
		.state = i->state, .bytes_out = i->bytes_out,
		.bytes_in = i->bytes_in, .packets_out = i->packets_out,
		.packets_in = i->packets_in,
		.age_s = seconds(i->born_ms, now_ms),
		.idle_s = seconds(i->used_ms, now_ms),
	};
}

struct walk {
	bool (*fn)(void *arg, const struct nat_flow *f);
	void *arg;
	int64_t now_ms;
	unsigned int left; /* to end */
};

static bool show_tcp(void *arg, const struct tcp_flow_info *i)
{
	struct walk *w = arg;
	struct nat_flow o = of_tcp(i, w->now_ms);

	return w->fn(w->arg, &o);
}

void gateway_flow_walk(struct gateway *g, uint64_t after,
		       bool (*fn)(void *arg, const struct nat_flow *f),
		       void *arg, int64_t now_ms)
{
	struct walk w = {fn, arg, now_ms, 0};
	bool in_tcp = after & 1;

	if (!in_tcp)
		list_for_each(f, &g->flows.shown, struct flow, shown) {
			struct nat_flow o;

			if (f->id <= after)
				continue;
			o = of_flow(f, now_ms);
			if (!fn(arg, &o))
				return;
		}
	tcp_walk(g->tcp, in_tcp ? after : 0, show_tcp, &w);
}

static bool match_tcp(void *arg, const struct tcp_flow_info *i)
{
	struct walk *w = arg;
	struct nat_flow o = of_tcp(i, w->now_ms);

	if (!w->left || !w->fn(w->arg, &o))
		return false;
	w->left--;
	return true;
}

unsigned int gateway_flow_end(struct gateway *g, unsigned int max,
			      bool (*match)(void *arg, const struct nat_flow *f),
			      void *arg, int64_t now_ms)
{
	struct walk w = {match, arg, now_ms, max};

	list_for_each_safe(f, &g->flows.shown, struct flow, shown) {
		struct nat_flow o = of_flow(f, now_ms);

		if (!w.left)
			break;
		if (!match(arg, &o))
			continue;
		w.left--;
		f->end(f);
	}
	if (w.left)
		tcp_end_matching(g->tcp, match_tcp, &w, now_ms);
	return max - w.left;
}
