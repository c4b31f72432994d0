// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway's way in: frame to packet to the part that knows it. See gateway.h;
 * looking in (statistics, flow lists) is in gateway_show.c, TCP's surroundings in
 * gateway_tcp.c.
 */
#include "nat/gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/iov.h"
#include "nat/ip6.h"
#include "switch/port.h"


/* ---- life ------------------------------------------------------------------- */

static int check_ip6(const struct nat_config *c, struct errtext *why)
{
	const struct ip6_net *n = &c->net6;

	if (!n->plen)
		return 0;
	if (n->plen != 64 || ipaddr_is4(&n->addr))
		return errtext_set(why, -EINVAL, "the IPv6 subnet is no /64");
	if (!ipaddr_in_net6(&c->ip6, n) ||
	    (!ipaddr_is_zero(&c->dns_ip6) && !ipaddr_in_net6(&c->dns_ip6, n)))
		return errtext_set(why, -EINVAL, "gateway's IPv6 address is "
						 "outside the subnet");
	if (ipaddr_eq(&c->ip6, &c->dns_ip6))
		return errtext_set(why, -EINVAL, "gateway and resolver share "
						 "an IPv6 address");
	if (c->mtu && c->mtu < IP6_MTU_MIN)
		return errtext_set(why, -EINVAL, "MTU %u is too small for "
						 "IPv6 (1280)", c->mtu);
	return 0;
}

static int check_config(const struct nat_config *c, struct errtext *why)
{
	if (mac_is_group(&c->mac) || mac_is_zero(&c->mac))
		return errtext_set(why, -EINVAL, "gateway MAC is not unicast");
	if (!ip4_in_net(c->ip, &c->net) ||
	    (c->dns_ip && !ip4_in_net(c->dns_ip, &c->net)))
		return errtext_set(why, -EINVAL,
				   "gateway address is outside the subnet");
	if (c->ip == c->dns_ip)
		return errtext_set(why, -EINVAL,
				   "gateway and resolver share an address");
	if (c->ndeny > NAT_DENY_MAX || c->ndeny6 > NAT_DENY_MAX)
		return errtext_set(why, -EINVAL, "too many denied prefixes");
	if (c->mtu && c->mtu < (c->nat ? 576 : 68))
		return errtext_set(why, -EINVAL, "MTU %u is too small for %s",
				   c->mtu, c->nat ? "NAT (576)" : "IPv4 (68)");
	return check_ip6(c, why);
}

static void set_policy(struct gateway *g)
{
	const struct nat_config *c = &g->cfg;

	g->pol = (struct policy){
		.ip = c->ip, .dns_ip = c->dns_ip, .net = c->net,
		.net6 = c->net6,
		.host_access = c->host_access, .host_ip = c->host_ip,
		.ndeny = c->ndeny, .host_ip6 = c->host_ip6,
		.ndeny6 = c->ndeny6,
	};
	if (c->net6.plen) {
		g->pol.ip6 = c->ip6;
		g->pol.dns_ip6 = c->dns_ip6;
		g->pol.ll6 = ipaddr_linklocal(&c->mac);
	}
	if (c->ndeny)
		memcpy(g->pol.deny, c->deny, c->ndeny * sizeof(*c->deny));
	if (c->ndeny6)
		memcpy(g->pol.deny6, c->deny6, c->ndeny6 * sizeof(*c->deny6));
	g->cfg.deny = NULL;
	g->cfg.deny6 = NULL;
}

static void ask_neigh(void *arg, const struct ipaddr *ip, const struct mac *to)
{
	struct gateway *g = arg;

	if (ipaddr_is4(ip))
		arp_ask(&g->arp, ipaddr_get4(ip), to);
	else
		ndp_ask(&g->ndp, ip, to);
}

/* What every part needs of the others. */
static void join_parts(struct gateway *g)
{
	const struct gateway_env *e = &g->env;
	const struct nat_config *c = &g->cfg;

	g->neigh.flows = &g->flows;
	g->neigh.wheel = &g->wheel;
	g->neigh.ask = ask_neigh;
	g->neigh.arg = g;
	g->arp.mac = g->ndp.mac = g->ipout.mac = c->mac;
	g->arp.ip = c->ip;
	g->arp.ip2 = c->dns_ip;
	g->arp.net = c->net;
	g->ndp.ip6 = g->pol.ip6;
	g->ndp.dns_ip6 = g->pol.dns_ip6;
	g->ndp.ll6 = g->pol.ll6;
	g->ndp.net = c->net6;
	g->ndp.defended_ms = -NDP_DEFEND_MS;
	g->ipout.ip = ipaddr_from4(c->ip);
	g->ipout.ip6 = g->pol.ip6;
	g->ipout.ll6 = g->pol.ll6;
	g->arp.neigh = g->ndp.neigh = g->ipout.neigh = &g->neigh;
	g->arp.out = g->ndp.out = g->neigh.out = g->ipout.out = g->out;
	g->ipout.flows = &g->flows;
	g->ipout.routes = g->pol.routes = &g->routes;
	g->ipout.mtu = c->mtu;
	g->ipout.next_id = (uint32_t)e->seed[0];
	g->udp.flows = g->icmp.flows = g->dns.flows = g->forwards.flows =
		&g->flows;
	g->udp.wheel = g->icmp.wheel = g->dns.wheel = g->forwards.wheel =
		&g->wheel;
	g->udp.out = g->icmp.out = g->dns.out = g->forwards.out = &g->ipout;
	g->udp.pol = g->icmp.pol = g->dns.pol = g->forwards.pol = &g->pol;
	g->udp.host = e->udp;
	g->icmp.host = e->icmp;
	g->dns.host = e->dns;
	g->forwards.host = e->forward;
	g->udp.host_arg = g->icmp.host_arg = g->dns.host_arg =
		g->forwards.host_arg = e->host_arg;
	g->udp.filter = c->udp_filter;
	g->dns.forward = c->nat || c->resolver;
	g->dns.host_routes = c->resolver;
	if (c->nat) { /* the gateway's address stands for the host */
		g->dns.host_at[0] = ipaddr_from4(c->ip);
		if (c->net6.plen)
			g->dns.host_at[1] = c->ip6;
	}
	g->forwards.neigh = &g->neigh;
	g->forwards.resolve = c->resolve;
	g->forwards.resolve_arg = c->resolve_arg;
}

static int init_parts(struct gateway *g, struct errtext *why)
{
	const uint64_t *seed = g->env.seed;
	const char *domain = g->cfg.domain ? g->cfg.domain : "vnet";
	int err;

	g->out = outq_new(g->env.send, g->env.send_arg);
	g->scratch = malloc(GATEWAY_SCRATCH);
	if (!g->out || !g->scratch)
		return -ENOMEM;
	join_parts(g);
	err = flow_tab_init(&g->flows, seed);
	if (!err)
		err = neigh_init(&g->neigh, seed);
	if (!err)
		err = reasm_init(&g->reasm, seed, &g->flows, &g->wheel,
				 &g->ipout);
	if (!err)
		err = udp_init(&g->udp, seed);
	if (!err)
		err = icmp_init(&g->icmp, seed);
	if (!err)
		err = forwards_init(&g->forwards, seed);
	if (err)
		return err;
	gateway_set_limits(g, &g->cfg.limits);
	err = dns_init(&g->dns, seed, domain);
	if (err == -EINVAL)
		errtext_set(why, err, "\"%s\" cannot be a domain", domain);
	g->cfg.domain = NULL;
	return err ? err : gateway_tcp_new(g);
}

int gateway_new(const struct nat_config *cfg, const struct gateway_env *env,
		int64_t now_ms, struct gateway **out, struct errtext *why)
{
	struct gateway *g;
	int err = check_config(cfg, why);

	if (err)
		return err;
	g = calloc(1, sizeof(*g));
	if (!g)
		return errtext_set(why, -ENOMEM, "out of memory");
	g->env = *env;
	g->cfg = *cfg;
	if (!g->cfg.mtu)
		g->cfg.mtu = 1500;
	wheel_init(&g->wheel, now_ms);
	set_policy(g);
	err = init_parts(g, why);
	if (err) {
		gateway_free(g);
		return err == -ENOMEM ? errtext_set(why, err, "out of memory")
				      : err;
	}
	*out = g;
	return 0;
}

void gateway_free(struct gateway *g)
{
	if (!g)
		return;
	tcp_free(g->tcp);
	forwards_fini(&g->forwards);
	dns_fini(&g->dns);
	icmp_fini(&g->icmp);
	udp_fini(&g->udp);
	reasm_fini(&g->reasm);
	neigh_fini(&g->neigh);
	flow_tab_fini(&g->flows);
	routes6_fini(&g->routes);
	outq_free(g->out);
	free(g->scratch);
	free(g);
}

/* ---- turns ------------------------------------------------------------------ */

void gateway_hold(struct gateway *g)
{
	outq_hold(g->out, true);
}

void gateway_flush(struct gateway *g, int64_t now_ms)
{
	if (dns_tcp_due(&g->dns)) {
		/* What it reports is done right below: nobody has to be woken. */
		outq_hold(g->out, true);
		dns_tcp_run(&g->dns, now_ms);
	}
	outq_hold(g->out, false);
	if (g->tcp_due) {
		g->tcp_due = false;
		tcp_flush(g->tcp, now_ms);
	}
	outq_flush(g->out);
	if (dns_tcp_due(&g->dns))
		g->env.kick(g->env.kick_arg);
}

void gateway_run(struct gateway *g, int64_t now_ms)
{
	wheel_run(&g->wheel, now_ms);
}

int64_t gateway_deadline(const struct gateway *g)
{
	return wheel_deadline(&g->wheel);
}

/* ---- UDP to ourselves -------------------------------------------------------- */

static struct gateway_service *service_find(struct gateway *g, uint16_t port)
{
	for (int i = 0; i < g->nservice; i++)
		if (g->service[i].port == port && port)
			return &g->service[i];
	return NULL;
}

int gateway_service_set(struct gateway *g, uint16_t port, nat_service_fn fn,
			void *arg)
{
	struct gateway_service *s = service_find(g, port);

	if (!port)
		return -EINVAL;
	if (!fn) {
		if (s)
			s->port = 0;
		while (g->nservice && !g->service[g->nservice - 1].port)
			g->nservice--;
		return 0;
	}
	if (s)
		return -EEXIST;
	for (int i = 0; i < NAT_SERVICE_MAX; i++)
		if (!g->service[i].port) {
			g->service[i] = (struct gateway_service){port, fn, arg};
			if (i >= g->nservice)
				g->nservice = i + 1;
			return 0;
		}
	return -ENOSPC;
}

const uint8_t *gateway_gather(struct gateway *g, const struct iovec *v, int n,
			      size_t *len)
{
	*len = iov_copy(v, n, 0, g->scratch, GATEWAY_SCRATCH);
	return g->scratch;
}

static void to_service(struct gateway *g, const struct gateway_service *s,
		       const struct pkt *k, uint16_t sport,
		       const struct iovec *payload, int n)
{
	struct nat_datagram d = {
		.src_ip = ipaddr_get4(&k->ip.src), .src_port = sport,
		.dst_ip = ipaddr_get4(&k->ip.dst),
		.dst_port = get_be16(k->head + 2),
		.src_mac = k->src_mac, .nic_id = k->nic_id,
	};

	d.data = gateway_gather(g, payload, n, &d.len);
	s->fn(s->arg, &d);
}

int gateway_udp_send(struct gateway *g, const struct nat_udp_out *o,
		     int64_t now_ms)
{
	struct iovec v = {(void *)o->data, o->len};
	uint8_t hdr[UDP_HDR];
	struct ipout_pkt p = {
		.src = ipaddr_from4(o->src_ip ? o->src_ip : g->cfg.ip),
		.dst = ipaddr_from4(o->dst_ip),
		.proto = IP4_UDP, .dst_mac = o->dst_mac, .hdr = hdr,
		.hdr_len = UDP_HDR, .v = &v, .n = 1, .csum_at = 6,
		.full = true,
	};

	if (o->len > 65535 - IP4_HDR - UDP_HDR)
		return -EMSGSIZE;
	if (o->dst_ip == ip4_net_broadcast(&g->cfg.net) &&
	    mac_is_zero(&p.dst_mac))
		p.dst_mac = mac_broadcast;
	udp_header(hdr, o->src_port, o->dst_port, o->len);
	return ipout_send(&g->ipout, &p, now_ms);
}

/* ---- packets ---------------------------------------------------------------- */

/* Broadcasts and hosts without an address come from anywhere, unicast datagrams only
 * from the network's own, but to one service. */
static bool may_ask(const struct gateway *g, const struct pkt *k, bool src_ok,
		    uint16_t dport)
{
	return src_ok || k->group || !ipaddr_get4(&k->ip.src) ||
	       dport == g->far_port;
}

/* One datagram, or several to the outside. */
static int udp_payload(struct gateway *g, const struct pkt *k,
		       const struct iovec *v, int n, bool src_ok,
		       int64_t now_ms)
{
	uint16_t sport = get_be16(k->head), dport = get_be16(k->head + 2);
	bool v4 = ip_hdr_is4(&k->ip);
	const struct gateway_service *s;

	s = v4 && (k->to_us || k->group) ? service_find(g, dport) : NULL;
	if (s && may_ask(g, k, src_ok, dport)) {
		to_service(g, s, k, sport, v, n);
		return -1;
	}
	if (!v4 && gateway_udp6_input(g, k, sport, dport, v, n))
		return -1;
	if (!src_ok)
		return DROP_PROTO;
	if (k->group || !sport)
		return DROP_POLICY;
	if (forward_udp_reply(&g->forwards, k, sport, dport, v, n, now_ms))
		return -1;
	if (k->to_us && dport == DNS_PORT) {
		struct dns_client c = {
			.ep = {k->ip.src, sport}, .asked = k->ip.dst,
			.nic_id = k->nic_id,
		};

		return dns_guest_input(&g->dns, &c, v, n, now_ms);
	}
	if (!g->cfg.nat)
		return DROP_POLICY;
	return udp_guest_input(&g->udp, k, sport, dport, v, n, now_ms);
}

static bool for_ourselves(struct gateway *g, const struct pkt *k)
{
	uint16_t dport = get_be16(k->head + 2);

	return k->group ||
	       (k->to_us && (dport == DNS_PORT || service_find(g, dport) ||
			     (g->service6.fn && dport == g->service6.port)));
}

/* Several datagrams in one frame, for what takes them one by one: ourselves. */
static int udp_each(struct gateway *g, const struct pkt *k,
		    const struct iovec *v, int n, bool src_ok, int64_t now_ms)
{
	size_t len = iov_len(v, n), step = k->off.gso_size;
	struct iovec piece[FRAME_SEGS];
	struct pkt one = *k;
	int drop = -1;

	one.off.gso_type = GSO_NONE;
	for (size_t at = 0; at < len && drop < 0; at += step) {
		int m = iov_slice(v, n, at, step, piece);

		drop = udp_payload(g, &one, piece, m, src_ok, now_ms);
	}
	return drop;
}

static int udp_input(struct gateway *g, const struct pkt *k, bool src_ok,
		     int64_t now_ms)
{
	uint16_t len = get_be16(k->head + 4);
	struct iovec v[FRAME_SEGS];
	int n;

	if (k->head_len < UDP_HDR || len < UDP_HDR || len > k->l4_len)
		return DROP_PROTO;
	if (k->off.gso_type == GSO_UDP_L4)
		len = (uint16_t)k->l4_len;
	/* No checksum at all is IPv4's alone (RFC 8200 8.1; RFC 6935 is for
	 * tunnels that both ends agreed on). */
	if ((!ip_hdr_is4(&k->ip) || get_be16(k->head + 6)) && !pkt_csum_ok(k, 6))
		return DROP_PROTO;
	n = iov_slice(k->l4, k->nl4, UDP_HDR, (size_t)len - UDP_HDR, v);
	if (k->off.gso_type == GSO_UDP_L4 && k->off.gso_size &&
	    for_ourselves(g, k))
		return udp_each(g, k, v, n, src_ok, now_ms);
	return udp_payload(g, k, v, n, src_ok, now_ms);
}

static int other_input(struct gateway *g, const struct pkt *k,
		       int64_t now_ms)
{
	struct ipaddr real;

	/* Nothing at all may follow IPv6 headers: nothing to say about that. */
	if (g->cfg.nat && !k->group && k->ip.proto != IP6_NONE &&
	    policy_dst(&g->pol, &k->ip.dst, &real) != POLICY_SILENT)
		ipout_reject(&g->ipout, k, k->to_us ? WHY_PROTO : WHY_ADMIN,
			     now_ms);
	return DROP_POLICY;
}

/* Answer, carry on or refuse by protocol. */
static int proto_input(struct gateway *g, const struct pkt *k, int64_t now_ms)
{
	switch (k->ip.proto) {
	case IP4_UDP:
		return udp_input(g, k, true, now_ms);
	case IP4_TCP:
		return gateway_tcp_input(g, k, now_ms);
	case IP4_ICMP:
		if (ip_hdr_is4(&k->ip))
			return icmp_guest_input(&g->icmp, k, g->cfg.nat,
						now_ms);
		/* fall through */
	default:
		return other_input(g, k, now_ms);
	}
}

int gateway_packet(struct gateway *g, const struct pkt *k, bool src_ok,
		   int64_t now_ms)
{
	bool icmp6 = k->ip.proto == IP6_ICMP && !ip_hdr_is4(&k->ip);
	struct ipaddr real;

	if (k->to_us || k->group) {
		if (k->ip.proto == IP4_UDP)
			return udp_input(g, k, src_ok, now_ms);
		if (icmp6)
			return gateway_icmp6_input(g, k, src_ok, now_ms);
	}
	if (!src_ok)
		return DROP_PROTO;
	/* We are a router to the outside (RFC 1812 5.3.1). */
	if (g->cfg.nat && !k->to_us && !k->group && k->ip.ttl <= 1) {
		if (policy_dst(&g->pol, &k->ip.dst, &real) == POLICY_OUT)
			ipout_reject(&g->ipout, k, WHY_TTL, now_ms);
		return DROP_POLICY;
	}
	return icmp6 ? gateway_icmp6_input(g, k, src_ok, now_ms)
		     : proto_input(g, k, now_ms);
}

/* May @src be a guest's address? Others may only ask services by broadcast. */
static bool src_is_guest(const struct gateway *g, uint32_t src)
{
	const struct ip4_net *n = &g->cfg.net;

	if (!ip4_in_net(src, n))
		return false;
	return n->plen > 30 ||
	       (src != n->addr && src != ip4_net_broadcast(n));
}

static int ip4_input(struct gateway *g, const struct frame *f, uint64_t nic_id,
		     int64_t now_ms)
{
	const uint8_t *p = frame_hdr(f);
	struct pkt k = {.nic_id = nic_id, .off = f->off};
	bool l2_group = p[0] & 1, src_ok;
	uint32_t src, dst;
	int ret;

	memcpy(k.src_mac.b, p + 6, 6);
	if (pkt_decode4(&k.ip, p + ETH_HDR_LEN, frame_hdr_len(f) - ETH_HDR_LEN,
			f->len - ETH_HDR_LEN))
		return DROP_PROTO;
	if (policy_is_us(&g->pol, &k.ip.src))
		return DROP_GUARD;
	src = ipaddr_get4(&k.ip.src);
	dst = ipaddr_get4(&k.ip.dst);
	k.to_us = policy_is_us(&g->pol, &k.ip.dst);
	k.group = dst == 0xffffffff ||
		  (g->cfg.net.plen <= 30 &&
		   dst == ip4_net_broadcast(&g->cfg.net));
	/* RFC 1122 3.3.6: unicast in a link-layer broadcast is dropped. */
	if (l2_group && !k.group)
		return DROP_PROTO;
	src_ok = src_is_guest(g, src);
	if (src_ok)
		arp_learn(&g->arp, src, &k.src_mac, nic_id, now_ms);
	else if (!k.group && src &&
		 !(g->far_port && k.to_us && k.ip.proto == IP4_UDP))
		return DROP_PROTO;
	pkt_l4(&k, f, ETH_HDR_LEN);
	if (k.ip.mf || k.ip.frag) {
		if (k.off.needs_csum || k.off.gso_type)
			return DROP_OFFLOAD;
		ret = reasm_input(&g->reasm, &k, now_ms);
		if (ret <= 0)
			return !ret ? -1
			       : ret == -EBADMSG ? DROP_PROTO : DROP_LIMIT;
	}
	return gateway_packet(g, &k, src_ok, now_ms);
}

int gateway_input(struct gateway *g, const struct frame *f, uint64_t nic_id,
		  int64_t now_ms)
{
	const uint8_t *p = frame_hdr(f);
	struct mac dst;
	uint16_t type;

	g->now_ms = now_ms;
	if (frame_hdr_len(f) < ETH_HDR_LEN || f->len < ETH_HDR_LEN)
		return DROP_SHORT;
	memcpy(dst.b, p, 6);
	type = get_be16(p + 12);
	/* RFC 2464 7: IPv6 groups. */
	if (!mac_eq(&dst, &g->cfg.mac) && !mac_eq(&dst, &mac_broadcast) &&
	    !(dst.b[0] == 0x33 && dst.b[1] == 0x33 && type == ETHERTYPE_IP6))
		return DROP_PROTO;
	switch (type) {
	case ETHERTYPE_ARP4:
		return arp_input(&g->arp, p + ETH_HDR_LEN,
				 frame_hdr_len(f) - ETH_HDR_LEN, nic_id, now_ms)
			       ? -1
			       : DROP_PROTO;
	case ETHERTYPE_IP4:
		return ip4_input(g, f, nic_id, now_ms);
	case ETHERTYPE_IP6:
		return gateway_ip6_input(g, f, nic_id, now_ms);
	default:
		return DROP_PROTO;
	}
}
