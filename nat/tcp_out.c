// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What leaves toward the guests: tcp_flush() serves each flow that has something due
 * once: handshake, data peeked from its host socket, FIN, acknowledgements. Also
 * the timers that make a flow have something due. Input only takes notes.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/compat.h"
#include "nat/iov.h"
#include "nat/tcp_int.h"

/* ---- headers ------------------------------------------------------------- */

static int emit(struct tcp *t, const struct tcp_key *k, uint64_t nic_id,
		struct tcp_seg *s, const struct iovec *v, int n,
		uint16_t gso_size, int64_t now_ms)
{
	uint8_t hdr[TCP_HDR_MAX];
	struct tcp_out o = {
		.src = k->outside.ip,
		.dst = k->guest.ip,
		.nic_id = nic_id,
		.hdr = hdr,
		.v = v,
		.n = n,
		.len = iov_len(v, n),
		.gso_size = gso_size,
	};
	int err;

	s->sport = k->outside.port;
	s->dport = k->guest.port;
	o.hdr_len = tcp_seg_build(hdr, s);
	err = t->env.emit(t->env.arg, &o, now_ms);
	if (err == -ENOBUFS) {
		t->stats.no_room++;
		return err;
	}
	t->stats.segs_out++;
	t->stats.bytes_out += o.len;
	return 0;
}

/* Is it time to ask the host's socket for its room? That costs a system call: not while
 * nearly all of the promise stands, and not for an ACK that waits for an answer while
 * most of it does. */
static bool ask_room(const struct tcp_flow *f)
{
	uint32_t stands = f->rcv_edge - f->rcv_nxt, max = f->room_max;

	if (!f->wnd_due || !f->sock || f->fin_rcvd || f->blocked || f->host_err)
		return false;
	if (f->ack_late)
		return stands <= max / 2;
	return stands + TCP_ASK_MIN <= max || stands <= max - max / 8;
}

/* The window to announce, and with it the promise rcv_edge, which shrinks only when
 * the host's socket refused bytes within it (RFC 9293 3.8.6: SHOULD NOT, but the
 * guest would go on repeating them). SYNs carry it unscaled (RFC 7323 2.2). */
static uint16_t window(struct tcp_flow *f, bool syn)
{
	uint8_t shift = syn ? 0 : f->rcv_wscale;
	uint32_t edge = f->rcv_edge, wnd;

	if (ask_room(f)) {
		size_t room = min_sz(f->ops->space(f->sock),
				     0xffffu << TCP_WSCALE);
		uint32_t e = f->rcv_nxt + (uint32_t)room, step;

		/* In steps worth a segment, or a part of a small buffer
		 * (RFC 9293 3.8.6.2.2). */
		if (f->room_max < room)
			f->room_max = (uint32_t)room;
		step = (uint32_t)min_sz(TCP_UPDATE_MIN, f->room_max / 4);
		if (seq_le(edge + step, e))
			edge = e;
	}
	f->wnd_due = false;
	if (f->refused) /* the promise could not be kept */
		edge = f->rcv_nxt;
	wnd = (edge - f->rcv_nxt + (1u << shift) - 1) >> shift;
	if (wnd > 0xffff)
		wnd = 0xffff;
	edge = f->rcv_nxt + (wnd << shift);
	if (seq_lt(f->rcv_edge, edge) || f->refused)
		f->rcv_edge = edge;
	if (seq_lt(f->rcv_told, edge))
		f->rcv_told = edge;
	return (uint16_t)wnd;
}

/* A segment of @f; an acknowledgement is in all but a first SYN. Data carries the
 * same options as a bare ACK, so that the guest can join all it gets. */
static struct tcp_seg seg_make(struct tcp_flow *f, uint32_t seq, uint8_t flags,
			       int64_t now_ms)
{
	f->ack_sent = f->rcv_nxt;
	return (struct tcp_seg){
		.seq = seq,
		.ack = f->rcv_nxt,
		.flags = flags,
		.wnd = window(f, flags & TCP_SYN),
		.wscale = TCP_WSCALE_NONE,
		.ts = f->ts,
		.tsval = tcp_ts_now(f, now_ms),
		.tsecr = f->ts_recent,
	};
}

/* The sequence number of a segment without payload: inside the guest's window. */
static uint32_t bare_seq(const struct tcp_flow *f)
{
	if (f->state == TCP_ST_OPEN && !f->snd_wnd)
		return f->snd_una;
	return f->snd_max;
}

/* A segment of @f without payload. Only those have SACK: data has room for whole
 * segments that way, and where something is missing a bare ACK follows (RFC 2018 4:
 * all ACKs SHOULD). */
static int emit_bare(struct tcp_flow *f, uint32_t seq, uint8_t flags,
		     int64_t now_ms)
{
	struct tcp_seg s = seg_make(f, seq, flags, now_ms);
	uint8_t blocks[8 * TCP_SACK_BLOCKS];
	int err;

	if (flags == TCP_ACK && f->hold && f->sack_ok) {
		s.sack = blocks;
		s.nsack = (uint8_t)tcp_hold_sack(f, blocks);
	}
	if (flags & TCP_SYN) {
		s.mss = tcp_mss_max(f);
		s.sack_ok = f->sack_ok;
		if (f->rcv_wscale)
			s.wscale = f->rcv_wscale;
	}
	err = emit(f->t, &f->key, f->nic->id, &s, NULL, 0, 0, now_ms);
	f->packets_in += !err;
	return err;
}

void tcp_reset_reply(struct tcp *t, const struct tcp_key *k, uint64_t nic_id,
		     const struct tcp_seg *s, int64_t now_ms)
{
	struct tcp_seg r = {.wscale = TCP_WSCALE_NONE};

	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK) {
		r.flags = TCP_RST;
		r.seq = s->ack;
	} else {
		r.flags = TCP_RST | TCP_ACK;
		r.ack = s->seq + tcp_seg_space(s);
	}
	t->stats.resets_out++;
	(void)emit(t, k, nic_id, &r, NULL, 0, 0, now_ms);
}

void tcp_send_rst(struct tcp_flow *f, int64_t now_ms)
{
	uint8_t flags = TCP_RST | TCP_ACK;

	if (f->state == TCP_ST_SYN_SENT)
		flags = TCP_RST; /* nothing of the guest's to acknowledge */
	f->t->stats.resets_out++;
	(void)emit_bare(f, bare_seq(f), flags, now_ms);
}

/* ---- timers -------------------------------------------------------------- */

void tcp_arm_rtx(struct tcp_flow *f, int64_t now_ms)
{
	wtimer_arm(f->t->env.wheel, &f->rtx, now_ms + f->rto_ms,
		   tcp_rtx_on_timer);
}

static void give_up(struct tcp_flow *f, int64_t now_ms)
{
	f->t->stats.timed_out++;
	tcp_flow_abort(f, now_ms);
}

void tcp_rtx_on_timer(struct wtimer *w, int64_t now_ms)
{
	struct tcp_flow *f = container_of(w, struct tcp_flow, rtx);
	bool open = f->state == TCP_ST_OPEN;

	if (f->tries >= (open ? TCP_REXMITS : TCP_SYN_REXMITS)) {
		give_up(f, now_ms);
		return;
	}
	if (!open) {
		f->syn_due = true;
		f->rto_ms *= 2;
		f->timing = false;
		f->t->stats.timeouts++;
	} else if (f->snd_max != f->snd_una && f->snd_wnd) {
		tcp_cc_timeout(f);
		f->t->stats.timeouts++;
	} else {
		f->snd_nxt = f->snd_una;
		f->recovery = f->resend = f->timing = false;
		f->probe = true;
	}
	f->tries++;
	tcp_queue(f);
}

/* The guest's window is closed (or too small to be worth a segment) while bytes
 * may wait: ask now and then (RFC 9293 3.8.6.1). */
static void arm_persist(struct tcp_flow *f, int64_t now_ms)
{
	int64_t ms = (int64_t)f->rto_ms << f->probe_shift;

	if (ms >= TCP_RTO_MAX_MS)
		ms = TCP_RTO_MAX_MS;
	else
		f->probe_shift++;
	wtimer_arm(f->t->env.wheel, &f->rtx, now_ms + ms, tcp_rtx_on_timer);
}

/* ---- data ---------------------------------------------------------------- */

void tcp_host_failed(struct tcp_flow *f, int err)
{
	if (!f->host_err)
		f->host_err = err;
	f->rd_ready = true; /* peek once more, for what came before */
	tcp_queue(f);
}

void tcp_discard_acked(struct tcp_flow *f)
{
	uint32_t end = f->snd_una;
	int err;

	if (f->eof && seq_lt(f->fin_seq, end))
		end = f->fin_seq;
	if (!f->sock || !seq_lt(f->host_seq, end))
		return;
	err = f->ops->discard(f->sock, end - f->host_seq);
	if (err)
		tcp_host_failed(f, err);
	else
		f->host_seq = end;
}

static void lent_back(struct tcp *t)
{
	if (t->buf_used)
		t->env.emit_flush(t->env.arg);
	t->buf_used = 0;
}

/* The guest was told rcv_nxt. */
static void ack_left(struct tcp_flow *f)
{
	f->ack_due = f->ack_late = false;
}

static void data_left(struct tcp_flow *f, size_t len, uint16_t gso)
{
	if (!f->hold)
		ack_left(f);
	f->packets_in += gso ? (len + gso - 1) / gso : 1;
}

/* Cut @len bytes at @p, which begin at @seq, into segments. Returns bytes sent. */
static size_t emit_data(struct tcp_flow *f, uint32_t seq, uint8_t *p,
			size_t len, int64_t now_ms)
{
	size_t max = f->seg_max, done = 0;

	while (done < len) {
		struct iovec v = {p + done, min_sz(len - done, max)};
		bool last = done + v.iov_len == len;
		struct tcp_seg s = seg_make(f, seq + (uint32_t)done,
					    last ? TCP_ACK | TCP_PSH : TCP_ACK,
					    now_ms);
		uint16_t gso = v.iov_len > f->mss ? f->mss : 0;

		if (emit(f->t, &f->key, f->nic->id, &s, &v, 1, gso, now_ms)) {
			f->t->no_room = true;
			break;
		}
		data_left(f, v.iov_len, gso);
		done += v.iov_len;
	}
	return done;
}

/* @got of @len bytes that a peek asked for. */
static void note_peek(struct tcp_flow *f, ssize_t got, size_t len)
{
	f->dry = (size_t)got < len && f->ops->quiet && f->ops->quiet(f->sock);
}

/* One segment at @seq, peeked straight into the guest's memory. -EFAULT: that is not to be
 * had, or is no memory any more; else as tcp_send_at(). */
static ssize_t send_in_place(struct tcp_flow *f, uint32_t seq, size_t len,
			     int64_t now_ms)
{
	struct iovec all[TCP_LEND_PIECES], v[TCP_LEND_PIECES];
	size_t hdr_len = TCP_HDR + (f->ts ? TCP_TS_LEN : 0u);
	const struct tcp_env *e = &f->t->env;
	struct tcp_seg s;
	ssize_t got = -EFAULT;
	uint16_t gso;
	int n;

	len = min_sz(len, f->seg_max);
	n = e->lend(e->arg, f->nic->id, f->steer,
		    ipaddr_is4(&f->key.guest.ip), hdr_len, &len, all);
	if (n == -EAGAIN) {
		f->held = true;
		f->t->stats.held++;
		return -ENOBUFS;
	}
	if (!n)
		return got;
	n = iov_slice(all, n, 0, len - len % f->mss, v);
	if (n)
		got = f->ops->peek(f->sock, seq - f->host_seq, v, n);
	if (got > 0) {
		note_peek(f, got, iov_len(v, n));
		n = iov_slice(v, n, 0, (size_t)got, v);
		s = seg_make(f, seq, TCP_ACK | TCP_PSH, now_ms);
		gso = got > f->mss ? f->mss : 0;
		if (emit(f->t, &f->key, f->nic->id, &s, v, n, gso, now_ms)) {
			f->t->no_room = true;
			got = -ENOBUFS;
		} else {
			data_left(f, (size_t)got, gso);
		}
	}
	e->lend_end(e->arg);
	return got;
}

/* Does it have much to say? What ends a piece of that is less, and tells nothing. */
static void note_bulk(struct tcp_flow *f, size_t got)
{
	if (got >= TCP_LEND_MIN)
		f->bulk = TCP_BULK;
	else if (f->bulk)
		f->bulk--;
}

ssize_t tcp_send_at(struct tcp_flow *f, uint32_t seq, size_t len,
		    int64_t now_ms)
{
	struct tcp *t = f->t;
	struct iovec v;
	ssize_t got;
	size_t sent;

	if (f->bulk && len >= TCP_LEND_MIN && t->env.lend &&
	    f->ops == t->env.host) {
		got = send_in_place(f, seq, len, now_ms);
		if (got > 0) {
			note_bulk(f, (size_t)got);
			tcp_cc_sent(f, seq + (uint32_t)got,
				    seq_lt(seq, f->snd_max), now_ms);
		}
		if (got != -EFAULT)
			return got;
	}
	if (TCP_BUF - t->buf_used < min_sz(len, TCP_SEG_BYTES))
		lent_back(t);
	v.iov_base = t->buf + t->buf_used;
	v.iov_len = min_sz(len, TCP_BUF - t->buf_used);
	got = f->ops->peek(f->sock, seq - f->host_seq, &v, 1);
	if (got <= 0)
		return got;
	note_peek(f, got, v.iov_len);
	note_bulk(f, (size_t)got);
	t->buf_used += (size_t)got;
	sent = emit_data(f, seq, v.iov_base, (size_t)got, now_ms);
	if (!sent)
		return -ENOBUFS;
	tcp_cc_sent(f, seq + (uint32_t)sent, seq_lt(seq, f->snd_max), now_ms);
	return (ssize_t)sent;
}

/* Bytes that windows and the socket's peeking let go out from snd_nxt on. */
static size_t usable(const struct tcp_flow *f)
{
	size_t off = f->snd_nxt - f->host_seq;
	size_t limit = f->ops->peek_limit(f->sock);
	uint32_t wnd = f->snd_wnd < f->cwnd ? f->snd_wnd : f->cwnd;
	uint32_t out = f->snd_nxt - f->snd_una;

	if (f->sacks) { /* what the guest has is out and not under way */
		uint32_t has = out - tcp_sack_flight(f);

		wnd = (uint32_t)min_sz(f->snd_wnd, (size_t)f->cwnd + has);
	}
	if (out >= wnd || off >= limit)
		return 0;
	return min_sz(wnd - out, limit - off);
}

/* Sender's silly window avoidance (RFC 9293 3.8.6.2.1) and the answer of the
 * persist timer: how much of @room to use; 0 = wait. */
static size_t worthwhile(const struct tcp_flow *f, size_t room)
{
	assert(f->mss);
	if (room >= f->mss)
		return room - room % f->mss;
	if (f->probe)
		return max_sz(room, 1);
	/* All that it can ever take, or a repetition. */
	if (room > f->max_wnd / 2 || seq_lt(f->snd_nxt, f->snd_max))
		return room;
	return 0;
}

/* Where the stream of known bytes ends; there is at least this much to peek at. */
static bool more_to_send(const struct tcp_flow *f)
{
	if (f->eof)
		return seq_lt(f->snd_nxt, f->fin_seq);
	return f->rd_ready || seq_lt(f->snd_nxt, f->snd_max);
}

/* The host speaks: did guest and host take turns? */
static void note_turn(struct tcp_flow *f)
{
	if (f->asked > 1)
		f->turns = 0;
	else if (f->asked && f->turns < TCP_TURNS)
		f->turns++;
	f->asked = 0;
}

/* Note that [snd_nxt, snd_nxt + n) is out. */
static void advance(struct tcp_flow *f, uint32_t n, int64_t now_ms)
{
	f->snd_nxt += n;
	if (seq_lt(f->snd_max, f->snd_nxt)) {
		f->bytes_in += f->snd_nxt - f->snd_max;
		f->snd_max = f->snd_nxt;
		tcp_touch(f, now_ms);
		note_turn(f);
	}
	if (f->sacks)
		tcp_sack_skip(f);
}

/* peek() said that nothing is at snd_nxt: the end, an error, or not yet. */
static void no_data(struct tcp_flow *f, ssize_t got)
{
	if (got == -ENOBUFS)
		return;
	f->rd_ready = false;
	if (seq_lt(f->snd_nxt, f->snd_max)) {
		/* Bytes that were there are not there any more. */
		f->snd_nxt = f->snd_max;
		got = got < 0 && got != -EAGAIN ? got : -EIO;
	}
	if (f->host_err || got == -EAGAIN)
		return;
	if (got < 0) {
		f->host_err = (int)got;
		return;
	}
	f->eof = true;
	f->fin_seq = f->snd_nxt;
}

/* How much of @len the guest has room for, in whole segments; 0 = wait. */
static inline size_t with_room(struct tcp_flow *f, size_t len)
{
	struct tcp *t = f->t;
	size_t room = t->env.room ? t->env.room(t->env.arg, f->nic->id, f->steer)
				  : len;

	if (len <= room)
		return len;
	room -= room % f->mss;
	if (!room) {
		f->held = true;
		t->stats.held++;
	}
	return room;
}

size_t tcp_with_room(struct tcp_flow *f, size_t len)
{
	return with_room(f, len);
}

/* Send what may be sent; @budget shrinks by it. */
static void send_data(struct tcp_flow *f, size_t *budget, int64_t now_ms)
{
	size_t quantum = min_sz(*budget, TCP_QUANTUM_SEGS * f->seg_max);

	if (f->sacks)
		tcp_sack_skip(f);
	while (quantum && more_to_send(f) && !f->t->no_room) {
		size_t len;
		ssize_t got;

		len = min_sz(worthwhile(f, usable(f)), quantum);
		if (f->sacks)
			len = min_sz(len, tcp_sack_gap(f));
		if (f->eof)
			len = min_sz(len, f->fin_seq - f->snd_nxt);
		if (len)
			len = with_room(f, len);
		if (!len)
			return;
		if (f->probe)
			f->t->stats.probes++;
		got = tcp_send_at(f, f->snd_nxt, len, now_ms);
		f->probe = false;
		if (got <= 0) {
			no_data(f, got);
			return;
		}
		advance(f, (uint32_t)got, now_ms);
		quantum -= (size_t)got;
		*budget -= (size_t)got;
		if (f->dry && !f->t->no_room) {
			f->rd_ready = false;
			f->look_due = true;
			return;
		}
	}
}

/* Fast retransmission: from the first byte that is missing. */
static void send_again(struct tcp_flow *f, int64_t now_ms)
{
	uint32_t end = f->eof && seq_lt(f->fin_seq, f->snd_nxt) ? f->fin_seq
							       : f->snd_nxt;
	size_t len = min_sz(f->resend_len, end - f->snd_una);
	ssize_t got;

	len = min_sz(len, f->snd_wnd ? f->snd_wnd : 1);
	f->resent_to = f->snd_una;
	if (!len) { /* only the FIN is missing */
		f->snd_nxt = f->snd_una;
		f->resend = false;
		return;
	}
	got = tcp_send_at(f, f->snd_una, len, now_ms);
	if (got == -ENOBUFS)
		return;
	f->resend = false;
	if (got > 0)
		f->resent_to = f->snd_una + (uint32_t)got;
	tcp_arm_rtx(f, now_ms);
}

static void send_fin(struct tcp_flow *f, int64_t now_ms)
{
	if (!f->eof || f->snd_nxt != f->fin_seq || f->t->no_room)
		return;
	if (emit_bare(f, f->fin_seq, TCP_FIN | TCP_ACK, now_ms)) {
		f->t->no_room = true;
		return;
	}
	if (f->snd_max == f->snd_nxt + 1)
		f->t->stats.rexmits++;
	ack_left(f);
	f->probe = false;
	f->snd_nxt++;
	if (seq_lt(f->snd_max, f->snd_nxt)) {
		f->snd_max = f->snd_nxt;
		tcp_arm_idle(f, now_ms); /* it may be the second FIN */
	}
}

/* ---- acknowledgements ---------------------------------------------------- */

/* A bare ACK left; blocks that did not fit into it need another one. */
static void ack_told(struct tcp_flow *f)
{
	ack_left(f);
	f->ack_due = f->hold && f->sack_ok && f->hold->untold;
}

static void send_acks(struct tcp_flow *f, int64_t now_ms)
{
	uint32_t edge = f->rcv_edge;

	if (f->wnd_due && (f->refused || f->dropped) && !f->blocked) {
		/* It lost bytes to the full socket: duplicates make it repeat
		 * them now instead of after its timer. */
		f->ack_due = true;
		if (f->dropped && !f->sack_ok)
			f->dups = TCP_DUPACKS;
		f->refused = f->dropped = false;
	} else if (!f->ack_due && ask_room(f)) {
		(void)window(f, false);
		f->ack_due = f->rcv_edge != edge;
	}
	while ((f->ack_due || f->dups) && !f->t->no_room) {
		if (emit_bare(f, bare_seq(f), TCP_ACK, now_ms))
			f->t->no_room = true;
		else if (f->ack_due)
			ack_told(f);
		else
			f->dups--;
	}
}

/* RFC 1122 4.2.3.6: a number that is out of the guest's window makes it answer. */
static void send_keep_alive(struct tcp_flow *f, int64_t now_ms)
{
	if (!f->keep_due || f->t->no_room)
		return;
	if (emit_bare(f, f->snd_una - 1, TCP_ACK, now_ms)) {
		f->t->no_room = true;
		return;
	}
	f->keep_due = false;
	f->t->stats.keep_alives++;
}

/* ---- one flow, all flows ------------------------------------------------- */

static void send_syn(struct tcp_flow *f, int64_t now_ms)
{
	uint8_t flags = f->state == TCP_ST_SYN_SENT ? TCP_SYN
						    : TCP_SYN | TCP_ACK;

	if (!f->syn_due || f->t->no_room)
		return;
	if (emit_bare(f, f->iss, flags, now_ms)) {
		f->t->no_room = true;
		return;
	}
	tcp_cc_sent(f, f->iss + 1, f->snd_max != f->iss, now_ms);
	f->syn_due = false;
	ack_left(f);
	f->dups = 0;
	f->snd_nxt = f->snd_max = f->iss + 1;
	if (!wtimer_armed(&f->rtx))
		tcp_arm_rtx(f, now_ms);
}

/* Is everything that will ever come from the host's end sent? */
static bool drained(const struct tcp_flow *f)
{
	if (f->eof)
		return seq_lt(f->fin_seq, f->snd_nxt);
	return !f->rd_ready && f->snd_nxt == f->snd_max;
}

/* Something more could leave now, if the turn's budget were larger. */
static bool wants_more(const struct tcp_flow *f)
{
	if (f->syn_due || f->ack_due || f->dups)
		return true;
	if (f->state != TCP_ST_OPEN)
		return false;
	if (f->resend || f->keep_due || (f->eof && f->snd_nxt == f->fin_seq))
		return true;
	return more_to_send(f) && worthwhile(f, usable(f));
}

static void arm_timer(struct tcp_flow *f, int64_t now_ms)
{
	bool out = f->snd_una != f->snd_max;

	if (wtimer_armed(&f->rtx))
		return;
	if (out && f->snd_wnd)
		tcp_arm_rtx(f, now_ms);
	else if (out || more_to_send(f))
		arm_persist(f, now_ms);
}

/* Bytes that came alone are sent without a second look for more or an end: an event tells
 * of those. Of a reset behind them it may not, nor of what lies behind urgent bytes:
 * so one looks when the guest has them, but not while its turn is answered. */
static void look_again(struct tcp_flow *f)
{
	if (!f->look_due || f->ack_late || f->snd_una != f->snd_max)
		return;
	f->look_due = false;
	f->rd_ready = true;
}

/* Returns false when the flow is no more. */
static bool serve_open(struct tcp_flow *f, size_t *budget, int64_t now_ms)
{
	tcp_discard_acked(f);
	look_again(f);
	if (f->resend && !f->t->no_room) {
		if (f->sacks)
			tcp_sack_resend(f, budget, now_ms);
		else
			send_again(f, now_ms);
	}
	send_data(f, budget, now_ms);
	send_fin(f, now_ms);
	if (f->recovery && f->sacks && !f->resend && !f->t->no_room &&
	    !(more_to_send(f) && worthwhile(f, usable(f))))
		tcp_sack_rescue(f, now_ms);
	if (*budget && !f->t->no_room)
		f->probe = false; /* nothing to probe with */
	if (f->host_err && drained(f)) {
		tcp_flow_abort(f, now_ms);
		return false;
	}
	send_acks(f, now_ms);
	send_keep_alive(f, now_ms);
	if (!wants_more(f))
		arm_timer(f, now_ms);
	return true;
}

/* Aside, until there may be room for it. */
static void park(struct tcp_flow *f, int64_t now_ms)
{
	struct tcp *t = f->t;

	list_add_tail(&t->parked, &f->work);
	f->parked = true;
	if (wtimer_armed(&t->unpark))
		return;
	/* Less and less often while nobody tells of room. */
	t->parked_ms = t->parked_ms ? (int32_t)min_sz((size_t)t->parked_ms * 2,
						      TCP_RTO_MIN_MS)
				    : TCP_RETRY_MS;
	wtimer_arm(t->env.wheel, &t->unpark, now_ms + t->parked_ms,
		   t->unpark.fn);
}

static void serve(struct tcp_flow *f, size_t *budget, int64_t now_ms)
{
	f->held = false;
	switch (f->state) {
	case TCP_ST_CONNECTING:
		return;
	case TCP_ST_SYN_SENT:
		send_syn(f, now_ms);
		break;
	case TCP_ST_SYN_RCVD:
		send_syn(f, now_ms);
		send_acks(f, now_ms); /* challenges */
		break;
	case TCP_ST_OPEN:
		if (!serve_open(f, budget, now_ms))
			return;
		break;
	case TCP_ST_TIME_WAIT:
		send_acks(f, now_ms);
		break;
	}
	if (!wants_more(f))
		return;
	if (f->held && !f->t->no_room)
		park(f, now_ms);
	else
		tcp_queue(f);
}

/* Emit had no room: when to try again, less often while nothing at all gets out. */
static void arm_retry(struct tcp *t, bool some_went, int64_t now_ms)
{
	if (some_went || !t->retry_ms)
		t->retry_ms = TCP_RETRY_MS;
	else if (t->retry_ms < TCP_RTO_MIN_MS)
		t->retry_ms *= 2;
	wtimer_arm(t->env.wheel, &t->retry, now_ms + t->retry_ms, t->retry.fn);
}

void tcp_flush(struct tcp *t, int64_t now_ms)
{
	size_t budget = TCP_FLUSH_BYTES;
	uint64_t segs = t->stats.segs_out;
	struct list turn; /* stands behind the flows of this turn */

	if (t->flushing)
		return;
	t->flushing = true;
	t->no_room = false;
	list_add_tail(&t->work, &turn);
	while (t->work.next != &turn) {
		struct tcp_flow *f = list_entry(t->work.next, struct tcp_flow,
						work);

		list_del(&f->work);
		if (t->no_room)
			list_add_tail(&t->work, &f->work);
		else
			serve(f, &budget, now_ms);
	}
	list_del(&turn);
	lent_back(t);
	t->flushing = false;
	if (list_empty(&t->work))
		return;
	if (t->no_room)
		arm_retry(t, t->stats.segs_out != segs, now_ms);
	else
		t->env.kick(t->env.arg);
}

void tcp_room(struct tcp *t)
{
	t->parked_ms = 0;
	if (!list_empty(&t->work))
		t->env.kick(t->env.arg);
	tcp_unpark(t);
}
