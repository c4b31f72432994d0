// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Segments that arrive for a flow (RFC 9293 3.10.7, RFC 5961) and events of its host
 * socket. Payload goes straight to the socket; everything that has to be said to
 * the guest is noted and leaves with tcp_flush().
 */
#include <errno.h>

#include "nat/iov.h"
#include "nat/tcp_int.h"
#include "switch/frame.h" /* FRAME_SEGS */

/* RFC 5961 7: an ACK that makes a true peer show itself, not too many. */
static void challenge(struct tcp_flow *f, int64_t now_ms)
{
	if (now_ms - f->challenge_ms >= 1000) {
		f->challenge_ms = now_ms;
		f->challenges = 0;
	}
	if (f->challenges >= TCP_CHALLENGES)
		return;
	f->challenges++;
	f->t->stats.challenges++;
	f->ack_due = true;
	tcp_queue(f);
}

/* @n more sequence numbers are ours; the promise keeps up if there was none. */
static void advance(struct tcp_flow *f, uint32_t n)
{
	f->rcv_nxt += n;
	if (seq_lt(f->rcv_edge, f->rcv_nxt))
		f->rcv_edge = f->rcv_nxt;
}

static void guest_reset(struct tcp_flow *f)
{
	f->t->stats.resets_in++;
	tcp_flow_end(f, true);
}

/* ---- handshakes ---------------------------------------------------------- */

static void in_connecting(struct tcp_flow *f, const struct tcp_seg *s)
{
	if (s->flags & TCP_RST) {
		if (s->seq == f->irs || s->seq == f->irs + 1)
			guest_reset(f);
	} else if ((s->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN &&
		   s->seq != f->irs) {
		tcp_take_syn(f, s); /* it has begun anew meanwhile */
	}
}

static void in_syn_sent(struct tcp_flow *f, const struct tcp_pkt *p,
			const struct tcp_seg *s, int64_t now_ms)
{
	bool acked = s->flags & TCP_ACK && f->snd_max == f->iss + 1 &&
		     s->ack == f->snd_max;

	if (s->flags & TCP_ACK && !acked) {
		tcp_reset_reply(f->t, &f->key, p->nic_id, s, now_ms);
		return;
	}
	if (s->flags & TCP_RST) {
		if (acked) {
			f->t->stats.refused++;
			guest_reset(f);
		}
		return;
	}
	if (!(s->flags & TCP_SYN) || s->flags & TCP_FIN)
		return;
	tcp_take_syn(f, s);
	if (acked) {
		tcp_established(f, s, now_ms);
		f->ack_due = true;
	} else { /* simultaneous open (RFC 9293 3.5, figure 8) */
		tcp_set_state(f, TCP_ST_SYN_RCVD);
		f->syn_due = true;
		tcp_queue(f);
	}
}

/* ---- acceptability ------------------------------------------------------- */

/* By what was promised: when our window shrank (the socket refused what we had promised
 * to take) there is still a place for it, and what such segments acknowledge is no less
 * true (RFC 9293 3.10.7.4). Else a full socket one way would stop the other way too. */
static bool in_window(const struct tcp_flow *f, const struct tcp_seg *s)
{
	uint32_t n = tcp_seg_space(s);

	if (seq_lt(f->rcv_told, s->seq))
		return false;
	return n ? seq_lt(f->rcv_nxt, s->seq + n) : seq_le(f->rcv_nxt, s->seq);
}

/* RFC 5961 3.2; TIME_WAIT is not cut short (RFC 1337). */
static void in_reset(struct tcp_flow *f, const struct tcp_seg *s,
		     int64_t now_ms)
{
	if (f->state == TCP_ST_TIME_WAIT || !in_window(f, s))
		return;
	if (s->seq == f->rcv_nxt)
		guest_reset(f);
	else
		challenge(f, now_ms);
}

static void in_syn(struct tcp_flow *f, const struct tcp_seg *s, int64_t now_ms)
{
	if (f->state != TCP_ST_SYN_RCVD || s->seq != f->irs) {
		challenge(f, now_ms); /* RFC 5961 4.2 */
		return;
	}
	if (f->ts && s->ts)
		f->ts_recent = s->tsval; /* not older: old_duplicate() */
	if (s->flags & TCP_ACK && s->ack == f->iss + 1) {
		tcp_established(f, s, now_ms); /* simultaneous open */
		f->ack_due = true;
	} else {
		f->syn_due = true;
		tcp_queue(f);
	}
}

#define ASKS_AFTER_MS 800 /* of silence; keep-alives are asked for in s */

/* A keep-alive (RFC 9293 3.8.4) is answered by us; so that the answer is worth
 * something the outside is asked from now on, as soon as the guest does. Probes of a
 * window that we have closed look the same. */
static void guest_asks(struct tcp_flow *f, const struct tcp_seg *s,
		       int64_t now_ms)
{
	if (f->keep_asked || f->state != TCP_ST_OPEN ||
	    s->seq + 1 != f->rcv_nxt || s->len > 1 || !f->ops->keep_alive)
		return;
	if (f->blocked || f->rcv_edge == f->rcv_nxt ||
	    now_ms - f->used_ms < ASKS_AFTER_MS)
		return;
	f->keep_asked = true;
	f->ops->keep_alive(f->sock, (uint32_t)((now_ms - f->used_ms) / 1000));
}

/* RFC 7323 5.3, PAWS: a segment of this connection that was overtaken by 4 GiB of its
 * stream, or older than what we heard last. Not resets (5.2). A clock that stood for
 * long may begin anew: of a guest that was silent for that long, or while the host
 * slept (5.5). Segments without timestamps are taken although the guest has agreed on
 * them: 3.2 says they SHOULD be dropped, but some systems' keep-alives have none. */
static bool old_duplicate(struct tcp_flow *f, const struct tcp_seg *s,
			  int64_t now_ms)
{
	if (!f->ts || !s->ts || seq_le(f->ts_recent, s->tsval))
		return false;
	if (now_ms - f->heard_ms > TCP_TS_VALID_MS) {
		f->ts_recent = s->tsval;
		return false;
	}
	f->t->stats.old_duplicates++;
	if (!tcp_seg_space(s)) {
		challenge(f, now_ms);
		return true;
	}
	f->ack_due = true;
	tcp_queue(f);
	return true;
}

/* A segment outside the window: old, or a keep-alive. */
static void in_outside(struct tcp_flow *f, const struct tcp_seg *s,
		       int64_t now_ms)
{
	guest_asks(f, s, now_ms);
	tcp_touch(f, now_ms);
	if (!tcp_seg_space(s)) {
		challenge(f, now_ms);
		return;
	}
	f->ack_due = true;
	tcp_queue(f);
}

/* ---- acknowledgements ---------------------------------------------------- */

/* RFC 9293 3.10.7.4, but a segment that acknowledges more is the newer one whatever
 * its number: keeping the old window would move its right edge with snd_una. */
static void update_window(struct tcp_flow *f, const struct tcp_seg *s,
			  bool newer)
{
	uint32_t wnd = (uint32_t)s->wnd << f->snd_wscale, old = f->snd_wnd;

	if (!newer && (seq_lt(s->seq, f->snd_wl1) ||
		       (s->seq == f->snd_wl1 && seq_lt(s->ack, f->snd_wl2))))
		return;
	f->snd_wl1 = s->seq;
	f->snd_wl2 = s->ack;
	f->snd_wnd = wnd;
	if (wnd > f->max_wnd)
		f->max_wnd = wnd;
	if (wnd <= old)
		return;
	tcp_queue(f);
	if (old && f->snd_una != f->snd_max)
		return;
	/* It was closed: what went out as a probe was thrown away. */
	f->probe_shift = 0;
	f->snd_nxt = f->snd_una;
	wtimer_cancel(f->t->env.wheel, &f->rtx);
}

/* RFC 5681 2; @wnd: what the window was. */
static bool is_dupack(const struct tcp_flow *f, const struct tcp_seg *s,
		      uint32_t wnd)
{
	return !s->len && !(s->flags & TCP_FIN) && wnd && wnd == f->snd_wnd &&
	       f->snd_una != f->snd_max;
}

static void take_ack(struct tcp_flow *f, const struct tcp_seg *s,
		     int64_t now_ms)
{
	uint32_t acked = s->ack - f->snd_una, wnd = f->snd_wnd;
	bool news;

	if (seq_lt(s->ack, f->snd_una))
		return; /* old, but its data may be new */
	f->snd_una = s->ack;
	if (seq_lt(f->snd_nxt, f->snd_una))
		f->snd_nxt = f->snd_una;
	news = (f->sacks || s->nsack) && tcp_sack_take(f, s);
	update_window(f, s, acked > 0);
	if (!f->snd_wnd)
		f->tries = 0; /* it lives: ask for a window for ever */
	if (acked) {
		tcp_cc_acked(f, s, acked, now_ms);
		wtimer_cancel(f->t->env.wheel, &f->rtx);
		tcp_queue(f); /* arms the timer again if need be */
	} else if (f->sack_ok ? news : is_dupack(f, s, wnd)) {
		tcp_cc_dupack(f);
		tcp_queue(f);
	}
}

/* RFC 5961 5.2: an acknowledgement from nowhere. */
static bool ack_plausible(const struct tcp_flow *f, uint32_t ack)
{
	return seq_le(ack, f->snd_max) &&
	       seq_le(f->snd_una - f->max_wnd, ack);
}

/* ---- payload ------------------------------------------------------------- */

bool tcp_offer(struct tcp_flow *f, const struct iovec *v, int n, size_t len)
{
	size_t taken = 0;
	ssize_t r = f->ops->send(f->sock, v, n);

	if (r < 0 && r != -EAGAIN) {
		tcp_host_failed(f, (int)r);
		return false;
	}
	if (r > 0)
		taken = (size_t)r;
	advance(f, (uint32_t)taken);
	f->bytes_out += taken;
	f->t->stats.bytes_in += taken;
	f->wnd_due = true;
	f->refused = f->blocked = taken < len;
	return taken == len;
}

/* Keep payload from @skip on for later. */
static void keep(struct tcp_flow *f, const struct tcp_pkt *p,
		 const struct tcp_seg *s, size_t skip)
{
	size_t lost = s->len - skip - tcp_hold_put(f, p, s, skip);

	f->t->stats.not_kept += lost;
	if (lost && f->refused)
		f->dropped = true;
}

/* Offer payload from rcv_nxt on. False: not all was taken. */
static bool offer(struct tcp_flow *f, const struct tcp_pkt *p,
		  const struct tcp_seg *s, uint32_t skip)
{
	size_t len = s->len - skip;
	struct iovec v[FRAME_SEGS];
	int n = iov_slice(p->l4, p->nl4, s->hlen + skip, len, v);

	if (tcp_offer(f, v, n, len))
		return true;
	if (!f->host_err)
		keep(f, p, s, f->rcv_nxt - s->seq);
	return false;
}

static void take_fin(struct tcp_flow *f, int64_t now_ms)
{
	advance(f, 1);
	f->fin_rcvd = true;
	f->fin_first = !f->eof || seq_le(f->snd_max, f->fin_seq);
	tcp_hold_free(f);
	f->ops->shutdown_wr(f->sock);
	tcp_arm_idle(f, now_ms); /* it may be the second one */
}

/* May the ACK of @s, the next one in order, wait? A guest that has more to say gets it
 * at once; one that does not take turns, as soon as nobody else is served. */
static bool may_wait(struct tcp_flow *f, const struct tcp_seg *s)
{
	if (f->asked < 2)
		f->asked++;
	return f->asked == 1 && (f->turns >= TCP_TURNS || f->t->env.rest) &&
	       s->len <= f->mss && !(s->flags & TCP_FIN) && !f->ack_due;
}

static void ack_after(struct tcp_flow *f, int64_t now_ms)
{
	if (f->turns >= TCP_TURNS)
		tcp_ack_later(f, now_ms);
	else
		tcp_ack_soon(f);
}

/* What was kept for the socket. */
static void push_held(struct tcp_flow *f, int64_t now_ms)
{
	f->ack_due = true;
	if (tcp_hold_push(f))
		take_fin(f, now_ms);
}

static void beyond_gap(struct tcp_flow *f, const struct tcp_pkt *p,
		       const struct tcp_seg *s)
{
	f->t->stats.out_of_order++;
	keep(f, p, s, 0);
	/* While the socket is full the gap is our own doing; haste would not
	 * help. Blocks of a SACK say more than three ACKs. */
	if (!f->refused && !f->sack_ok && f->dups < TCP_DUPACKS)
		f->dups++;
}

static void take_payload(struct tcp_flow *f, const struct tcp_pkt *p,
			 const struct tcp_seg *s, int64_t now_ms)
{
	uint32_t skip = f->rcv_nxt - s->seq;

	if (!s->len && !(s->flags & TCP_FIN))
		return;
	tcp_queue(f);
	if (!skip && !f->hold && !f->fin_rcvd && !f->host_err &&
	    may_wait(f, s)) {
		if (offer(f, p, s, 0))
			ack_after(f, now_ms);
		else
			f->ack_due = true;
		return;
	}
	f->ack_due = true;
	if (f->fin_rcvd || f->host_err)
		return;
	if (seq_lt(f->rcv_nxt, s->seq)) {
		beyond_gap(f, p, s);
		return;
	}
	if (f->hold && tcp_hold_next(f)) { /* the socket is full */
		if (skip < s->len || s->flags & TCP_FIN)
			keep(f, p, s, skip);
		return;
	}
	if (skip < s->len && !offer(f, p, s, skip))
		return;
	if (s->flags & TCP_FIN)
		take_fin(f, now_ms);
	else if (f->hold)
		push_held(f, now_ms);
}

/* Both directions are over. Returns false when the flow is no more. */
static bool still_open(struct tcp_flow *f, int64_t now_ms)
{
	if (!f->fin_rcvd || !tcp_fin_acked(f))
		return true;
	tcp_discard_acked(f); /* unread bytes would make close() a reset */
	if (f->fin_first) {
		tcp_flow_end(f, false);
		return false;
	}
	tcp_close_host(f, false);
	wtimer_cancel(f->t->env.wheel, &f->rtx);
	tcp_set_state(f, TCP_ST_TIME_WAIT);
	tcp_arm_idle(f, now_ms);
	return true;
}

/* ---- all states ---------------------------------------------------------- */

/* Returns false when nothing else is to be taken from the segment. */
static bool in_ack(struct tcp_flow *f, const struct tcp_pkt *p,
		   const struct tcp_seg *s, int64_t now_ms)
{
	if (f->state == TCP_ST_SYN_RCVD) {
		if (s->ack != f->snd_max || s->ack != f->iss + 1) {
			tcp_reset_reply(f->t, &f->key, p->nic_id, s, now_ms);
			return false;
		}
		tcp_established(f, s, now_ms);
		return true;
	}
	if (f->state == TCP_ST_TIME_WAIT)
		return false;
	if (!ack_plausible(f, s->ack)) {
		challenge(f, now_ms);
		return false;
	}
	take_ack(f, s, now_ms);
	return true;
}

static void in_synchronized(struct tcp_flow *f, const struct tcp_pkt *p,
			    const struct tcp_seg *s, int64_t now_ms)
{
	if (s->flags & TCP_RST) {
		in_reset(f, s, now_ms);
		return;
	}
	if (old_duplicate(f, s, now_ms))
		return;
	if (s->flags & TCP_SYN) {
		in_syn(f, s, now_ms);
		return;
	}
	if (!in_window(f, s)) {
		in_outside(f, s, now_ms);
		return;
	}
	if (!(s->flags & TCP_ACK))
		return;
	f->heard_ms = now_ms;
	if (s->ts && seq_le(s->seq, f->ack_sent))
		f->ts_recent = s->tsval; /* RFC 7323 4.3 (2) */
	if (s->ack != f->snd_una || tcp_seg_space(s))
		tcp_touch(f, now_ms); /* more than an answer to a probe */
	if (!in_ack(f, p, s, now_ms))
		return;
	take_payload(f, p, s, now_ms);
	(void)still_open(f, now_ms);
}

void tcp_flow_input(struct tcp_flow *f, const struct tcp_pkt *p,
		    const struct tcp_seg *s, int64_t now_ms)
{
	f->packets_out++;
	switch (f->state) {
	case TCP_ST_CONNECTING:
		in_connecting(f, s);
		break;
	case TCP_ST_SYN_SENT:
		in_syn_sent(f, p, s, now_ms);
		break;
	case TCP_ST_SYN_RCVD:
	case TCP_ST_OPEN:
	case TCP_ST_TIME_WAIT:
		in_synchronized(f, p, s, now_ms);
		break;
	}
}

/* ---- events of the host's socket ----------------------------------------- */

void tcp_host_readable(struct tcp_flow *f, int64_t now_ms)
{
	(void)now_ms;
	f->rd_ready = true;
	f->look_due = false;
	if (f->state == TCP_ST_OPEN)
		tcp_queue(f);
}

void tcp_host_writable(struct tcp_flow *f, int64_t now_ms)
{
	f->blocked = false;
	f->wnd_due = true;
	if (f->state != TCP_ST_OPEN)
		return;
	if (f->hold && !f->host_err && tcp_hold_next(f)) {
		push_held(f, now_ms);
		if (!still_open(f, now_ms))
			return;
	}
	tcp_queue(f);
}

void tcp_host_error(struct tcp_flow *f, int err, int64_t now_ms)
{
	if (f->state == TCP_ST_CONNECTING)
		tcp_host_connected(f, err, now_ms);
	else if (f->state == TCP_ST_OPEN)
		tcp_host_failed(f, err);
	else
		tcp_flow_abort(f, now_ms);
}

void tcp_host_abort(struct tcp_flow *f, int64_t now_ms)
{
	tcp_flow_abort(f, now_ms);
}
