// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_tcp */
/*
 * A script of guest segments, host events and time against the user-mode TCP, with
 * its invariants checked after each step: order of sequence numbers, accounts equal
 * to what there is, every byte that arrives anywhere is the right one.
 */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "nat/tcp_int.h"
#include "tests/fake/fake_tcp.h"

#define PORTS	 6
#define STEPS	 400
#define PUSH_MAX (256 * 1024)

/* What the guest knows of the connection at one of its ports. */
struct guest {
	uint32_t seq, ack; /* next to send, next expected */
	uint32_t sent_max; /* of the peer: end of what it ever sent */
	uint32_t tsval, tsecr; /* its clock, and what it heard last */
};

static struct fake_tcp *r;
static struct guest guest[PORTS];
static uint8_t host_bytes[PUSH_MAX + 256];

/* The bytes of both streams are functions of their numbers. */
static uint8_t host_byte(size_t off)
{
	return (uint8_t)(off * 31 + (off >> 8) * 7 + 7);
}

static uint8_t guest_byte(uint32_t seq)
{
	return (uint8_t)(seq * 17 + (seq >> 8) * 3 + 3);
}

/* ---- what comes out ---------------------------------------------------------- */

/* RFC 7323 3.2: in all segments or in none; 5.4: by the clock. */
static void check_options(const struct tcp_flow *f, const struct fake_seg *s)
{
	must(s->ts == f->ts, "timestamps in all segments or in none");
	must(!s->ts || s->tsval == tcp_ts_now(f, r->now_ms), "our clock");
	must(!s->ts || s->tsecr == f->ts_recent, "TS.Recent");
	must(!s->nsack || (f->sack_ok && f->hold), "blocks of something");
	for (unsigned int i = 0; i < s->nsack; i++) {
		uint32_t from = s->sack[i][0], to = s->sack[i][1];

		must(seq_lt(s->ack, from) && seq_lt(from, to) &&
			     seq_le(to, f->rcv_told), "a block beyond a gap");
		must(seqset_count(&f->hold->set, from, to) == to - from,
		     "a block that is kept");
	}
}

static void on_out(void *arg, const struct fake_seg *s)
{
	struct tcp_key k = {s->dst, s->src};
	struct tcp_flow *f = tcp_find(r->t, &k);
	unsigned int i = s->dst.port % PORTS;

	(void)arg;
	if (s->flags & F_SYN) {
		guest[i].ack = s->seq + 1;
	} else if (s->seq == guest[i].ack) {
		guest[i].ack += (uint32_t)s->len + !!(s->flags & F_FIN);
	}
	if (s->flags & F_ACK && !(s->flags & F_RST))
		guest[i].seq = s->ack;
	guest[i].tsecr = s->tsval;
	if (f && !(s->flags & F_RST))
		check_options(f, s);
	if (!s->len)
		return;
	must(f != NULL, "data of no flow");
	must(f->snd_wnd > 0 || s->len == 1, "only a probe into no window");
	for (size_t at = 0; at < s->len; at++) {
		size_t off = s->seq + (uint32_t)at - (f->iss + 1);

		must(s->data[at] == host_byte(off), "the host's byte");
	}
}

/* ---- invariants ------------------------------------------------------------- */

struct sums {
	uint32_t flows, opening, time_wait, socks, held;
};

/* All in order within [@from, @to]. */
static void check_set(const struct seqset *s, uint32_t from, uint32_t to)
{
	must(s->n <= SEQSET_MAX, "ranges");
	for (uint32_t i = 0; i < s->n; i++) {
		must(seq_le(from, s->r[i].from) && (!i || from != s->r[i].from),
		     "a gap before it");
		must(seq_lt(s->r[i].from, s->r[i].to), "a range");
		from = s->r[i].to;
	}
	must(seq_le(from, to), "the last range");
}

static void check_sack(const struct tcp_flow *f, struct sums *u)
{
	if (f->sacks) {
		must(f->sacks->set.n && f->state == TCP_ST_OPEN, "blocks");
		must(f->sacks->set.r[0].from != f->snd_una, "a gap at una");
		check_set(&f->sacks->set, f->snd_una, f->snd_max);
		must(tcp_sack_flight(f) <= f->snd_nxt - f->snd_una, "flight");
	}
	if (!f->hold)
		return;
	must(f->state == TCP_ST_OPEN && !f->fin_rcvd, "kept in vain");
	check_set(&f->hold->set, f->rcv_nxt, f->rcv_told);
	must(!tcp_hold_next(f) || f->refused || f->host_err,
	     "what is next waits for the socket only");
	must(f->hold->untold <= f->hold->nrecent &&
		     f->hold->nrecent <= TCP_HOLD_RECENT, "latest ranges");
	for (unsigned int i = 0; i < TCP_HOLD_BLOCKS; i++)
		u->held += f->hold->block[i] != NULL;
}

static void check_out_bytes(const struct tcp_flow *f)
{
	struct fake_sock *s = f->sock;

	for (; s->out_checked < s->out_len; s->out_checked++)
		must(s->out[s->out_checked] ==
			     guest_byte(f->irs + 1 + (uint32_t)s->out_checked),
		     "the guest's byte");
	must(f->rcv_nxt - (f->irs + 1) == s->out_len + f->fin_rcvd,
	     "acknowledges what the host has");
}

static bool check_flow(struct hnode *n, void *arg)
{
	struct tcp_flow *f = container_of(n, struct tcp_flow, node);
	struct sums *u = arg;

	u->flows++;
	u->opening += f->state == TCP_ST_CONNECTING;
	u->time_wait += f->state == TCP_ST_TIME_WAIT;
	u->socks += f->sock != NULL;
	must((f->sock == NULL) == (f->state == TCP_ST_TIME_WAIT), "socket");
	must(seq_le(f->snd_una, f->snd_nxt) && seq_le(f->snd_nxt, f->snd_max),
	     "una <= nxt <= max");
	must(seq_le(f->rcv_nxt, f->rcv_edge) || f->state < TCP_ST_OPEN,
	     "rcv_nxt <= edge");
	must(f->mss >= TCP_MSS_MIN &&
		     f->mss + f->ts * TCP_TS_LEN <= r->cfg.mtu - 40, "mss");
	must(f->seg_max >= f->mss && !(f->seg_max % f->mss), "whole segments");
	must(f->state < TCP_ST_OPEN ||
		     seq_le(f->ack_sent, f->rcv_nxt),
	     "acknowledges no more than there is");
	must(f->cwnd >= f->mss && f->cwnd <= TCP_CWND_MAX, "cwnd");
	must(f->rto_ms >= TCP_RTO_MIN_MS && f->rto_ms <= 64000, "rto");
	must(wtimer_armed(&f->idle), "idle timer");
	must(!f->eof || seq_le(f->snd_max, f->fin_seq + 1), "end of stream");
	must(f->counted == (f->sock != NULL), "a socket is counted");
	must(list_linked(&f->nic_state), "a list of its state");
	if (f->state == TCP_ST_OPEN) {
		must(seq_le(f->host_seq, f->snd_una), "host_seq <= una");
		/* All is quiet after a flush, so a timer watches what is out. */
		must(f->snd_una == f->snd_max || wtimer_armed(&f->rtx) ||
			     list_linked(&f->work),
		     "retransmission timer");
		check_out_bytes(f);
	}
	check_sack(f, u);
	return true;
}

static bool sum_nic(struct hnode *n, void *arg)
{
	const struct flow_nic *nic = container_of(n, struct flow_nic, node);
	struct sums *u = arg;
	uint32_t k = 0, counted = 0;

	list_for_each(f, &nic->tcp, struct tcp_flow, nic_node) {
		k++;
		counted += f->counted;
	}
	must(k == nic->tcp_flows, "a NIC's flows");
	must(k <= r->cfg.nic_flows_max, "a NIC's limit");
	must(counted == nic->count[FLOW_TCP], "a NIC's sockets");
	must(nic->tcp_openings <= r->cfg.nic_opening_max, "calls under way");
	u->flows -= k;
	u->opening -= nic->tcp_openings;
	u->time_wait -= nic->tcp_waits;
	u->held -= nic->tcp_held;
	must(nic->tcp_held <= TCP_HOLD_NIC_MAX, "a NIC's share of what is kept");
	return true;
}

static void check(void)
{
	struct sums u = {0};
	struct tcp_stats s;

	tcp_stats(r->t, &s);
	htab_walk(&r->t->flows, check_flow, &u);
	must(u.flows == s.flows && u.flows == r->t->flows.count, "flows");
	must(u.flows <= r->cfg.flows_max, "limit");
	must(u.opening == s.opening, "opening");
	must(u.time_wait == s.time_wait, "time_wait");
	must(u.socks == r->live, "every socket has its flow");
	must(r->flows.total[FLOW_TCP] == r->live, "every socket is counted");
	must(r->live <= r->flows.pool[FLOW_SOCKETS], "the pool");
	must(u.held == r->t->held_blocks, "all that is kept");
	htab_walk(&r->flows.nics, sum_nic, &u);
	must(!u.held && !u.flows && !u.opening && !u.time_wait, "accounts of NICs");
}

/* ---- steps ------------------------------------------------------------------ */

/* -32768 … 32767, to be added to a number that wraps. */
static uint32_t near(struct cur *c)
{
	return (uint32_t)(int16_t)cur_be16(c);
}

static void some_blocks(struct cur *c, const struct guest *g, struct fake_seg *s)
{
	s->nsack = cur_u8(c) % 5;
	if (s->ts && s->nsack > 3)
		s->nsack = 3;
	for (unsigned int i = 0; i < s->nsack; i++) {
		s->sack[i][0] = g->ack + near(c);
		s->sack[i][1] = s->sack[i][0] + near(c);
	}
}

static void step_segment(struct cur *c, bool sack)
{
	static uint8_t data[65536];
	uint8_t who = cur_u8(c), opts = cur_u8(c);
	unsigned int i = who % PORTS;
	struct guest *g = &guest[i];
	struct fake_seg s = {
		.src = endpoint4(0x0a00020f, (uint16_t)(PORTS * 100 + i)),
		.dst = endpoint4(0x08080808, 80),
		.nic_id = who & 0x80 ? 8 : 7,
		.flags = cur_u8(c),
		.seq = g->seq,
		.ack = g->ack,
		.wscale = -1,
		.data = data,
	};
	uint8_t raw[36];

	if (who & 0x40)
		s.dst = endpoint4(0xc0a80177, (uint16_t)(5000 + i));
	if (!(opts & 1))
		s.seq += near(c);
	if (!(opts & 2))
		s.ack += near(c);
	s.wnd = opts & 4 ? 0xffff : cur_be16(c);
	s.len = opts & 8 ? cur_be16(c) : cur_u8(c);
	if (s.len > 65000)
		s.len = 65000;
	if (opts & 128) {
		s.ts = true;
		s.tsval = g->tsval += near(c);
		s.tsecr = s.len & 1 ? g->tsecr : cur_be32(c);
	}
	if (opts & 16) {
		s.mss = cur_be16(c);
		s.wscale = cur_u8(c);
		s.sack_ok = s.wscale & 16;
		s.wscale &= 15;
	} else if (opts & 32) {
		s.raw_opts_len = cur_u8(c) % 33 & ~3u;
		cur_copy(c, raw, s.raw_opts_len);
		s.raw_opts = raw;
	}
	if (sack && !(opts & 16))
		some_blocks(c, g, &s);
	for (size_t k = 0; k < s.len; k++)
		data[k] = guest_byte(s.seq + !!(s.flags & F_SYN) + (uint32_t)k);
	fake_tcp_put(r, &s, opts & 64 ? cur_u8(c) : SIZE_MAX, 1 + who % 7);
}

static struct fake_sock *some_sock(struct cur *c)
{
	uint8_t k = cur_u8(c);

	for (unsigned int i = 0; i < r->nsock; i++) {
		struct fake_sock *s = r->sock[(i + k) % r->nsock];

		if (!s->closed)
			return s;
	}
	return NULL;
}

static void step_push(struct fake_sock *s, size_t n)
{
	if (s->connecting || s->in_eof || s->in_err ||
	    s->in_len + n > 4 * PUSH_MAX)
		return;
	for (size_t i = 0; i < n; i++)
		host_bytes[i] = host_byte(s->in_len + i);
	fake_sock_push(s, host_bytes, n);
}

static void step_host(struct cur *c)
{
	static const int errs[] = {0, 0, 0, -ECONNREFUSED, -ETIMEDOUT,
				   -ENETUNREACH, -EHOSTUNREACH, -EACCES};
	uint8_t what = cur_u8(c);
	struct fake_sock *s = some_sock(c);

	if (!s)
		return;
	switch (what % 8) {
	case 0:
	case 1:
		if (s->connecting)
			fake_sock_connected(s, errs[what >> 3 & 7]);
		break;
	case 2:
		step_push(s, cur_u8(c));
		break;
	case 3:
		step_push(s, (size_t)cur_be16(c) * 4);
		break;
	case 4:
		if (!s->connecting && !s->in_err)
			fake_sock_eof(s);
		break;
	case 5:
		if (!s->connecting)
			fake_sock_fail(s, -ECONNRESET);
		break;
	case 6:
		fake_sock_room(s, (size_t)cur_be16(c) * 16);
		break;
	case 7:
		if (!s->connecting && s->flow)
			tcp_host_readable(s->flow, r->now_ms); /* for nothing */
		break;
	}
}

static void step_accept(struct cur *c)
{
	uint8_t i = cur_u8(c);
	struct fake_sock *s;
	struct tcp_accept a = {
		.guest = endpoint4(0x0a00020f,
				   (uint16_t)(PORTS * 100 + i % PORTS)),
		.shown = endpoint4(0xc0a80177, (uint16_t)(5000 + i % PORTS)),
		.any_port = i & 0x80,
		.nic_id = i & 0x40 ? 8 : 7,
		.forward_id = 1u + (i >> 3 & 3u),
	};

	s = fake_sock_accepted(r);
	a.sock = s;
	if (tcp_accept(r->t, &a, r->now_ms)) {
		s->closed = true;
		r->live--;
	}
}

static void step(struct cur *c)
{
	struct ipaddr ours = ipaddr_from4(FAKE_LOCAL);
	uint8_t op = cur_u8(c);

	switch (op % 16) {
	case 8:
	case 9:
	case 10:
		step_host(c);
		break;
	case 11:
		fake_tcp_wait(r, op & 0x80 ? cur_be16(c) : cur_u8(c));
		break;
	case 12:
		step_accept(c);
		break;
	case 13:
		r->full_after = op & 0x80 ? r->emitted + cur_u8(c) % 4 : 0;
		r->connect_err = op & 0x40 ? -EMFILE : 0;
		r->peek_max = op & 0x20 ? 1000 : 0;
		break;
	case 14:
		if (op == 0xfe)
			tcp_nic_gone(r->t, cur_u8(c) & 1 ? 7 : 8);
		else if (op == 0xee)
			tcp_forward_gone(r->t, cur_u8(c) % 4, r->now_ms);
		else if (op == 0xde)
			fake_tcp_wait(r, 3600 * 1000);
		else if (op == 0xce)
			tcp_slept(r->t, (cur_u8(c) + 1) * 600 * 1000,
				  r->now_ms);
		else if (op == 0xbe)
			tcp_address_gone(r->t, &ours, 1, r->now_ms);
		break;
	case 15: /* no flush in between */
		step_segment(c, op & 0x80);
		return;
	default:
		step_segment(c, op & 0x80);
		break;
	}
	fake_tcp_settle(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	uint8_t cfg = cur_u8(&c);

	r = malloc(sizeof(*r));
	must(r != NULL, "memory");
	fake_tcp_init(r);
	r->cfg.mtu = cfg & 1 ? 1500 : 9000;
	r->cfg.flows_max = 6;
	r->cfg.nic_flows_max = 4;
	r->cfg.nic_opening_max = 2;
	r->room = cfg & 2 ? 1 << 20 : 5000;
	r->peek_limit = cfg & 4 ? SIZE_MAX : 131072;
	r->on_out = on_out;
	memset(guest, 0, sizeof(guest));
	for (unsigned int i = 0; i < PORTS; i++)
		guest[i].seq = cfg & 8 ? 0xffffff00u : 5000;
	fake_tcp_start(r);
	r->cfg = r->t->cfg;
	r->flows.pool[FLOW_SOCKETS] = 5;
	r->flows.sharers = 2;
	for (int i = 0; i < STEPS && c.left; i++) {
		step(&c);
		check();
	}
	r->full_after = 0;
	r->kicked = true;
	fake_tcp_settle(r);
	check();
	fake_tcp_stop(r);
	free(r);
	r = NULL;
	return 0;
}
