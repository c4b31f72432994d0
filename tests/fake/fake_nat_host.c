// SPDX-License-Identifier: GPL-2.0-or-later
/* A fake world around the gateway. See fake_nat_host.h. */
#include "tests/fake/fake_nat_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/iov.h"
#include "nat/ip6.h"

#define CHECK(c)                                                           \
	do {                                                               \
		if (!(c)) {                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#c);                                       \
			abort();                                           \
		}                                                          \
	} while (0)

const struct mac fake_gw_mac = {{0x52, 0x55, 0x0a, 0, 2, 2}};
const struct mac fake_guest_mac = {{0x52, 0x54, 0, 0x12, 0x34, 0x56}};

/* ---- frames to guests -------------------------------------------------------- */

static uint64_t l4_sum(const uint8_t *ip, size_t hlen, size_t total)
{
	uint64_t sum = csum_add(0, ip + hlen, total - hlen);

	if (ip[9] == IP4_ICMP)
		return sum;
	return sum + csum_pseudo4(get_be32(ip + 12), get_be32(ip + 16), ip[9],
				  (uint32_t)(total - hlen));
}

static void check_ip4(struct fake_nat *f, struct fake_nat_out *o)
{
	uint8_t *ip = o->p + ETH_HDR_LEN, *l4 = ip + IP4_HDR;
	struct ip4 h;

	CHECK(!ip4_decode(&h, ip, o->len - ETH_HDR_LEN, o->len - ETH_HDR_LEN));
	CHECK(h.len == o->len - ETH_HDR_LEN && h.hlen == IP4_HDR);
	CHECK(o->off.gso_type || h.len <= f->gw->cfg.mtu);
	CHECK(h.ttl);
	if (h.frag || h.mf) {
		CHECK(!o->off.needs_csum && (!h.mf || (h.len - 20) % 8 == 0));
		return;
	}
	if (o->off.needs_csum) {
		uint8_t *c = l4 + o->off.csum_offset;

		CHECK(o->off.csum_start == ETH_HDR_LEN + IP4_HDR);
		CHECK(get_be16(c) == csum_fold(csum_pseudo4(h.src, h.dst,
							    h.proto, h.len -
							    20u)));
		put_be16(c, csum_finish(csum_add(0, l4, h.len - 20u)));
		if (!get_be16(c))
			put_be16(c, 0xffff);
	} else {
		CHECK(!o->off.gso_type);
	}
	CHECK(h.proto != IP4_UDP || get_be16(l4 + 6));
	CHECK(!csum_finish(l4_sum(ip, IP4_HDR, h.len)));
}

static void check_ip6(struct fake_nat *f, struct fake_nat_out *o)
{
	uint8_t *h = o->p + ETH_HDR_LEN, *l4 = h + IP6_HDR;
	size_t len = o->len - ETH_HDR_LEN - IP6_HDR;
	struct ipaddr src, dst;
	uint64_t pseudo;

	CHECK(f->gw->cfg.net6.plen);
	CHECK(o->len >= ETH_HDR_LEN + IP6_HDR && h[0] >> 4 == 6);
	CHECK(get_be16(h + 4) == len && h[7]);
	CHECK(o->off.gso_type || len + IP6_HDR <= f->gw->cfg.mtu);
	memcpy(src.b, h + 8, 16);
	memcpy(dst.b, h + 24, 16);
	CHECK(!ipaddr_is_multicast(&src) && !ipaddr_is_any(&dst));
	if (h[6] == IP6_FRAGMENT) {
		CHECK(!o->off.needs_csum && len > 8);
		CHECK(!(l4[3] & 1) || len % 8 == 0);
		return;
	}
	pseudo = csum_pseudo6(&src, &dst, h[6], (uint32_t)len);
	if (o->off.needs_csum) {
		uint8_t *c = l4 + o->off.csum_offset;

		CHECK(o->off.csum_start == ETH_HDR_LEN + IP6_HDR);
		CHECK(get_be16(c) == csum_fold(pseudo));
		put_be16(c, csum_finish(csum_add(0, l4, len)));
		if (!get_be16(c))
			put_be16(c, 0xffff);
	}
	CHECK(h[6] != IP4_UDP || get_be16(l4 + 6));
	CHECK(!csum_finish(csum_add(pseudo, l4, len)));
}

static void keep(struct fake_nat *f, const struct frame *fr)
{
	struct fake_nat_out *o = &f->out[f->n % FAKE_KEEP];
	size_t sum = 0;

	for (int i = 0; i < fr->nseg; i++)
		sum += fr->seg[i].iov_len;
	CHECK(fr->nseg >= 1 && fr->nseg <= FRAME_SEGS && sum == fr->len);
	CHECK(fr->seg[0].iov_len >= (sum < FRAME_HDR ? sum : FRAME_HDR));
	CHECK(sum >= ETH_HDR_LEN && sum <= FRAME_MAX);
	free(o->p);
	o->p = malloc(sum);
	o->len = sum;
	o->off = fr->off;
	iov_copy(fr->seg, fr->nseg, 0, o->p, sum);
	CHECK(!memcmp(o->p + 6, fake_gw_mac.b, 6));
	CHECK(memcmp(o->p, fake_gw_mac.b, 6));
	if (get_be16(o->p + 12) == ETHERTYPE_IP4)
		check_ip4(f, o);
	else if (get_be16(o->p + 12) == ETHERTYPE_IP6)
		check_ip6(f, o);
	else
		CHECK(get_be16(o->p + 12) == ETHERTYPE_ARP4 && sum == 42);
	f->n++;
}

static void fake_send(void *arg, const struct frame *fr, unsigned int n)
{
	struct fake_nat *f = arg;

	CHECK(n >= 1 && n <= FRAME_BATCH);
	CHECK(!outq_held(f->gw->out));
	f->batches++;
	for (unsigned int i = 0; i < n; i++)
		keep(f, &fr[i]);
}

/* ---- the host ------------------------------------------------------------------ */

static struct fake_nat_sent *note(struct fake_nat *f, enum fake_kind kind,
				  void *flow, const struct iovec *v, int n)
{
	struct fake_nat_sent *s = &f->sent[f->nsent++ % FAKE_KEEP];

	free(s->p);
	*s = (struct fake_nat_sent){.kind = kind, .flow = flow,
				    .len = iov_len(v, n)};
	s->p = malloc(s->len + 1);
	iov_copy(v, n, 0, s->p, s->len);
	return s;
}

static int may_open(const struct fake_nat *f)
{
	if (f->max_sockets &&
	    f->live[FAKE_UDP] + f->live[FAKE_ICMP] >= f->max_sockets)
		return -EMFILE;
	return f->open_err;
}

static int fake_udp_open(void *arg, struct udp_map *m, uint16_t want)
{
	struct fake_nat *f = arg;

	if (may_open(f))
		return may_open(f);
	m->host_port = want == f->busy_port ? 40000 : want;
	m->host = f;
	f->live[FAKE_UDP]++;
	return 0;
}

static void note_one(struct fake_nat *f, enum fake_kind kind, void *flow,
		     const struct ipaddr *local, const struct udp_send *u,
		     const struct iovec *v, int n)
{
	struct fake_nat_sent *s = note(f, kind, flow, v, n);

	s->to = u->to;
	s->local = local ? *local : ipaddr_any;
	s->ttl = u->ttl;
	s->tos = u->tos;
	s->df = u->df;
	CHECK(u->ttl);
}

static void note_udp(struct fake_nat *f, enum fake_kind kind, void *flow,
		     const struct ipaddr *local, const struct udp_send *u)
{
	size_t len = iov_len(u->v, u->n), step = u->gso ? u->gso : len;
	struct iovec v[FRAME_SEGS];

	CHECK(u->n <= FRAME_SEGS && (!u->gso || u->gso < len));
	if (!len)
		note_one(f, kind, flow, local, u, NULL, 0);
	for (size_t at = 0; at < len; at += step)
		note_one(f, kind, flow, local, u, v,
			 iov_slice(u->v, u->n, at, step, v));
}

static int fake_udp_send(void *arg, struct udp_map *m, const struct udp_send *u)
{
	struct fake_nat *f = arg;

	CHECK(m->host == f);
	CHECK(ipaddr_is4(&u->to.ip) == ipaddr_is4(&m->guest.ip));
	note_udp(f, FAKE_UDP, m, NULL, u);
	return f->send_err;
}

static void fake_udp_close(void *arg, struct udp_map *m)
{
	struct fake_nat *f = arg;

	CHECK(m->host == f);
	f->live[FAKE_UDP]--;
}

static const struct udp_host udp_ops = {fake_udp_open, fake_udp_send,
					fake_udp_close};

static int fake_icmp_open(void *arg, struct icmp_map *m, uint16_t want)
{
	struct fake_nat *f = arg;

	if (may_open(f))
		return may_open(f);
	m->host_id = (uint16_t)(want + 1000);
	m->host = f;
	f->live[FAKE_ICMP]++;
	return 0;
}

static int fake_icmp_send(void *arg, struct icmp_map *m,
			  const struct icmp_send *c)
{
	struct fake_nat *f = arg;
	struct fake_nat_sent *s = note(f, FAKE_ICMP, m, c->v, c->n);

	s->to = (struct endpoint){c->to, 0};
	s->ttl = c->ttl;
	s->tos = c->tos;
	s->df = c->df;
	s->seq = c->seq;
	CHECK(c->ttl);
	return f->send_err;
}

static void fake_icmp_close(void *arg, struct icmp_map *m)
{
	struct fake_nat *f = arg;

	CHECK(m->host == f);
	f->live[FAKE_ICMP]--;
}

static const struct icmp_host icmp_ops = {fake_icmp_open, fake_icmp_send,
					  fake_icmp_close};

static int fake_dns_ask(void *arg, struct dns_query *q,
			const struct dns_upstream *up)
{
	struct fake_nat *f = arg;
	struct iovec v = {q->msg, q->len};
	struct fake_nat_sent *s;

	if (f->ask_err)
		return f->ask_err;
	s = note(f, FAKE_DNS, q, &v, 1);
	s->to = up->ep;
	if (!q->host)
		f->live[FAKE_DNS]++;
	q->host = f;
	return 0;
}

static void fake_dns_close(void *arg, struct dns_query *q)
{
	struct fake_nat *f = arg;

	if (q->host)
		f->live[FAKE_DNS]--;
	q->host = NULL;
}

static const struct dns_host dns_ops = {fake_dns_ask, fake_dns_close};

static int fake_forward_send(void *arg, struct forward *w,
			     const struct ipaddr *local,
			     const struct udp_send *u)
{
	struct fake_nat *f = arg;

	note_udp(f, FAKE_FORWARD, w, local, u);
	return f->send_err;
}

static void fake_forward_close(void *arg, struct forward *w)
{
	(void)arg;
	(void)w;
}

static const struct forward_host forward_ops = {fake_forward_send,
						fake_forward_close};

/* TCP is tested with a fake of its own; here connects are noted, and fail or
 * wait, as connect_err says. */
static int fake_connect(void *host, struct tcp_flow *t,
			const struct tcp_call *call, void **sock)
{
	struct fake_nat *f = host;

	note(f, FAKE_TCP, t, NULL, 0)->to = call->to;
	if (f->connect_err)
		return f->connect_err;
	*sock = f;
	f->live[FAKE_TCP]++;
	return 0;
}

static bool fake_why(void *sock, struct tcp_icmp *out)
{
	const struct fake_nat *f = sock;

	*out = f->tcp_why;
	return f->tcp_why.type;
}

static void fake_attach(void *sock, struct tcp_flow *t)
{
	(void)sock;
	(void)t;
}

static ssize_t fake_tcp_io(void *sock, const struct iovec *v, int n)
{
	(void)sock;
	(void)v;
	(void)n;
	return -EAGAIN;
}

static ssize_t fake_peek(void *sock, size_t off, const struct iovec *v, int n)
{
	(void)off;
	return fake_tcp_io(sock, v, n);
}

static int fake_discard(void *sock, size_t len)
{
	(void)sock;
	(void)len;
	return 0;
}

static size_t fake_space(void *sock)
{
	(void)sock;
	return 65536;
}

static size_t fake_peek_limit(void *sock)
{
	(void)sock;
	return SIZE_MAX;
}

static void fake_shutdown(void *sock)
{
	(void)sock;
}

static void fake_tcp_close(void *sock, bool reset)
{
	struct fake_nat *f = sock;

	(void)reset;
	f->live[FAKE_TCP]--;
}

static bool fake_local(void *sock, struct endpoint *out)
{
	(void)sock;
	*out = endpoint4(HOST, 0);
	return true;
}

static const struct tcp_host_ops tcp_ops = {
	.connect = fake_connect, .attach = fake_attach, .send = fake_tcp_io,
	.peek = fake_peek, .discard = fake_discard, .space = fake_space,
	.peek_limit = fake_peek_limit, .shutdown_wr = fake_shutdown,
	.close = fake_tcp_close, .local = fake_local,
	.why = fake_why,
};

static void fake_kick(void *arg)
{
	struct fake_nat *f = arg;

	CHECK(!outq_held(f->gw->out));
	f->kicks++;
}

static bool fake_resolve(void *arg, uint64_t nic_id, bool ip6,
			 struct ipaddr *out)
{
	struct fake_nat *f = arg;

	CHECK(nic_id);
	if (ip6) {
		*out = f->resolves6;
		return !ipaddr_is_zero(out);
	}
	*out = ipaddr_from4(f->resolves);
	return f->resolves;
}

/* ---- life ---------------------------------------------------------------------- */

void fake_nat_init(struct fake_nat *f)
{
	memset(f, 0, sizeof(*f));
	f->now_ms = 1000000;
	f->connect_err = -ECONNREFUSED;
	f->cfg = (struct nat_config){
		.mac = fake_gw_mac, .ip = GW, .dns_ip = DNS,
		.net = {0x0a000200, 24}, .nat = true, .host_ip = HOST,
		.domain = "lab.vnet", .icmp_raw_fd = -1,
		.resolve = fake_resolve, .resolve_arg = f,
	};
}

void fake_nat_init6(struct fake_nat *f)
{
	CHECK(!ip6_net_parse("fd00:1::2/64", &f->cfg.net6, &f->cfg.ip6));
	CHECK(!ipaddr_parse("fd00:1::3", &f->cfg.dns_ip6));
	CHECK(!ipaddr_parse("2001:db8::5", &f->cfg.host_ip6));
}

void fake_nat_start(struct fake_nat *f)
{
	struct gateway_env env = {
		.send = fake_send, .send_arg = f, .udp = &udp_ops,
		.icmp = &icmp_ops, .dns = &dns_ops, .forward = &forward_ops,
		.host_arg = f, .tcp = &tcp_ops, .tcp_arg = f,
		.kick = fake_kick, .kick_arg = f, .seed = {1, 2},
	};

	CHECK(!gateway_new(&f->cfg, &env, f->now_ms, &f->gw, NULL));
}

void fake_nat_clear(struct fake_nat *f)
{
	for (int i = 0; i < FAKE_KEEP; i++) {
		free(f->out[i].p);
		free(f->sent[i].p);
		f->out[i].p = f->sent[i].p = NULL;
	}
	f->n = f->nsent = f->batches = 0;
}

void fake_nat_stop(struct fake_nat *f)
{
	gateway_free(f->gw);
	fake_nat_clear(f);
	for (int k = 0; k < 5; k++)
		CHECK(!f->live[k]);
}

static bool count(void *arg, const struct nat_flow *fl)
{
	uint32_t *n = arg;

	CHECK(fl->proto == NAT_UDP || fl->proto == NAT_ICMP ||
		fl->proto == NAT_TCP);
	++*n;
	return true;
}

void fake_nat_check(const struct fake_nat *f)
{
	const struct flow_tab *t = &f->gw->flows;
	struct nat_stats s;
	uint32_t n = 0;

	gateway_stats(f->gw, &s);
	gateway_flow_walk(f->gw, 0, count, &n, f->now_ms);
	CHECK(n == s.udp_flows + s.icmp_flows + s.tcp_flows);
	CHECK(s.icmp_flows == f->live[FAKE_ICMP]);
	CHECK(s.udp_flows ==
		f->live[FAKE_UDP] + f->gw->forwards.by_client.count);
	CHECK(s.dns_pending == f->gw->dns.pending.count);
	CHECK(s.frags == f->gw->reasm.grams.count);
	CHECK(s.neigh == f->gw->neigh.tab.count);
	CHECK(f->gw->forwards.by_client.count ==
		f->gw->forwards.by_guest.count);
	for (int k = 0; k < FLOW_KINDS; k++)
		CHECK(k == FLOW_TCP ||
		      t->total[k] <= t->nics.count * t->limit[k]);
}

void fake_nat_wait(struct fake_nat *f, int64_t ms)
{
	int64_t end = f->now_ms + ms, at;

	for (;;) {
		at = gateway_deadline(f->gw);
		if (at > end)
			break;
		f->now_ms = at > f->now_ms ? at : f->now_ms;
		gateway_run(f->gw, f->now_ms);
		gateway_flush(f->gw, f->now_ms);
	}
	f->now_ms = end;
	gateway_run(f->gw, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

int fake_nat_in_frame(struct fake_nat *f, const struct frame *fr,
		      uint64_t nic_id)
{
	unsigned int before = f->n;
	int ret;

	gateway_hold(f->gw);
	ret = gateway_input(f->gw, fr, nic_id, f->now_ms);
	CHECK(f->n == before); /* nothing leaves while held */
	gateway_flush(f->gw, f->now_ms);
	return ret;
}

int fake_nat_in(struct fake_nat *f, const void *p, size_t len, uint64_t nic_id)
{
	struct frame fr;

	frame_init(&fr, p, len);
	/* Headers apart from the payload, as drivers deliver them. */
	if (len > FRAME_HDR) {
		fr.seg[0].iov_len = FRAME_HDR;
		fr.seg[1].iov_base = (uint8_t *)p + FRAME_HDR;
		fr.seg[1].iov_len = len - FRAME_HDR;
		fr.nseg = 2;
	}
	return fake_nat_in_frame(f, &fr, nic_id);
}

/* ---- frames of guests ------------------------------------------------------------ */

static size_t build_l4(const struct fake_pkt *k, uint8_t *l4)
{
	uint8_t *c = NULL;
	uint64_t sum = 0;
	size_t hlen = 8;

	if (k->raw) {
		memcpy(l4, k->data, k->len);
		return k->len;
	}
	memset(l4, 0, 20);
	if (k->proto == IP4_ICMP) {
		l4[0] = ICMP_T_ECHO;
		put_be16(l4 + 4, k->sport);
		put_be16(l4 + 6, k->dport);
		c = l4 + 2;
	} else if (k->proto == IP4_UDP) {
		udp_header(l4, k->sport, k->dport, k->len);
		c = l4 + 6;
	} else {
		put_be16(l4, k->sport);
		put_be16(l4 + 2, k->dport);
		l4[12] = 0x50;
		l4[13] = 2; /* SYN */
		put_be16(l4 + 14, 64240);
		c = l4 + 16;
		hlen = 20;
	}
	if (k->len)
		memcpy(l4 + hlen, k->data, k->len);
	if (k->proto != IP4_ICMP)
		sum = csum_pseudo4(k->src, k->dst, k->proto,
				   (uint32_t)(hlen + k->len));
	put_be16(c, csum_finish(csum_add(sum, l4, hlen + k->len)));
	return hlen + k->len;
}

size_t fake_pkt_build(const struct fake_pkt *k, uint8_t *b)
{
	size_t n = build_l4(k, b + ETH_HDR_LEN + IP4_HDR);
	struct ip4 h = {
		.src = k->src, .dst = k->dst, .len = (uint16_t)(IP4_HDR + n),
		.id = k->id, .frag = k->frag, .mf = k->mf, .df = k->df,
		.ttl = k->ttl ? k->ttl : 64, .tos = k->tos, .proto = k->proto,
	};

	memcpy(b, k->bcast ? mac_broadcast.b : fake_gw_mac.b, 6);
	memcpy(b + 6, fake_guest_mac.b, 6);
	put_be16(b + 12, ETHERTYPE_IP4);
	ip4_build(b + ETH_HDR_LEN, &h);
	return ETH_HDR_LEN + IP4_HDR + n;
}

static uint64_t nic_of(uint32_t ip)
{
	return ip == GUEST ? 7 : 8;
}

int fake_nat_pkt(struct fake_nat *f, const struct fake_pkt *k)
{
	uint8_t *b = malloc(FRAME_MAX);
	size_t n = fake_pkt_build(k, b);
	int ret = fake_nat_in(f, b, n, nic_of(k->src));

	free(b);
	return ret;
}

size_t fake_arp_build(uint8_t *b, uint16_t op, uint32_t spa, uint32_t tpa)
{
	struct wbuf w = wbuf_make(b, 42);

	wbuf_copy(&w, op == 1 ? mac_broadcast.b : fake_gw_mac.b, 6);
	wbuf_copy(&w, fake_guest_mac.b, 6);
	wbuf_be16(&w, ETHERTYPE_ARP4);
	wbuf_be16(&w, 1);
	wbuf_be16(&w, ETHERTYPE_IP4);
	wbuf_be16(&w, 0x0604);
	wbuf_be16(&w, op);
	wbuf_copy(&w, fake_guest_mac.b, 6);
	wbuf_be32(&w, spa);
	wbuf_fill(&w, 0, 6);
	wbuf_be32(&w, tpa);
	return w.len;
}

void fake_nat_hello(struct fake_nat *f, uint32_t ip)
{
	uint8_t b[42];

	fake_nat_in(f, b, fake_arp_build(b, 1, ip, ip), nic_of(ip));
}

/* ---- what guests got --------------------------------------------------------------- */

struct fake_got fake_nat_got(const struct fake_nat *f, unsigned int i)
{
	const struct fake_nat_out *o = &f->out[i % FAKE_KEEP];
	struct fake_got g = {0};

	CHECK(i < f->n);
	memcpy(g.dst_mac.b, o->p, 6);
	g.ethertype = get_be16(o->p + 12);
	if (g.ethertype != ETHERTYPE_IP4)
		return g;
	CHECK(!ip4_decode(&g.ip, o->p + 14, o->len - 14, o->len - 14));
	g.l4 = o->p + ETH_HDR_LEN + g.ip.hlen;
	g.l4_len = (size_t)g.ip.len - g.ip.hlen;
	g.sport = get_be16(g.l4);
	g.dport = get_be16(g.l4 + 2);
	g.data = g.l4 + 8;
	g.len = g.l4_len - 8;
	return g;
}
