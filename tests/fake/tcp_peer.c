// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's TCP in small and a bad wire. See tcp_peer.h. */
#include "tests/fake/tcp_peer.h"

#include <string.h>

#include "lib/compat.h"

#define RTO_MIN 300
#define RTO_MAX 3000
#define DELACK	40

struct tcp_peer_pkt {
	struct tcp_peer_pkt *next;
	int64_t at_ms;
	bool to_guest;
	struct fake_seg s;
};

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

uint32_t tcp_peer_rnd(struct tcp_peer *p, uint32_t below)
{
	p->rng ^= p->rng << 13;
	p->rng ^= p->rng >> 7;
	p->rng ^= p->rng << 17;
	return below ? (uint32_t)(p->rng >> 20) % below : 0;
}

/* ---- the wire ------------------------------------------------------------- */

static void enqueue(struct tcp_peer *p, const struct fake_seg *s,
		    bool to_guest, int64_t at_ms)
{
	struct tcp_peer_pkt **pp = &p->wire, *k = malloc(sizeof(*k));

	must(k != NULL, "memory");
	k->s = *s;
	k->s.data = malloc(s->len ? s->len : 1);
	must(k->s.data != NULL, "memory");
	if (s->len)
		memcpy(k->s.data, s->data, s->len);
	k->to_guest = to_guest;
	k->at_ms = at_ms;
	while (*pp && (*pp)->at_ms <= at_ms)
		pp = &(*pp)->next;
	k->next = *pp;
	*pp = k;
}

static void send_wire(struct tcp_peer *p, const struct fake_seg *s,
		      bool to_guest)
{
	struct tcp_wire *w = to_guest ? &p->to_guest : &p->from_guest;
	int64_t at = p->r->now_ms + w->delay_ms;
	bool lost = w->burst_left > 0;

	if (to_guest)
		p->sent_to += s->len;
	if (s->len && w->lose_n && ++w->seen == w->lose_at) {
		w->lose_at += w->lose_step;
		w->lose_n--;
		return;
	}
	if (lost)
		w->burst_left--;
	else if (tcp_peer_rnd(p, 1000) < w->loss) {
		lost = true;
		w->burst_left = w->burst;
	}
	if (tcp_peer_rnd(p, 1000) < w->late)
		at += tcp_peer_rnd(p, w->late_ms + 1);
	if (!lost)
		enqueue(p, s, to_guest, at);
	if (tcp_peer_rnd(p, 1000) < w->dup)
		enqueue(p, s, to_guest, at + tcp_peer_rnd(p, 3));
}

/* From the core; maybe cut as a switch would. */
static void on_out(void *arg, const struct fake_seg *s)
{
	struct tcp_peer *p = arg;
	size_t at = 0;

	if (!p->segment || !s->gso) {
		send_wire(p, s, true);
		return;
	}
	while (at < s->len) {
		struct fake_seg part = *s;

		part.len = min_sz(s->len - at, s->gso);
		part.data = s->data + at;
		part.seq += (uint32_t)at;
		if (at + part.len < s->len)
			part.flags &= (uint8_t)~(F_FIN | F_PSH);
		send_wire(p, &part, true);
		at += part.len;
	}
}

/* ---- sending -------------------------------------------------------------- */

static uint32_t rcv_nxt(const struct tcp_peer *p)
{
	return p->irs + 1 + (uint32_t)p->rx_len + p->rcvd_fin;
}

static uint32_t window(struct tcp_peer *p)
{
	size_t used = p->rx_len - p->app_read, room;
	uint32_t edge;

	room = used < p->rcv_cap ? p->rcv_cap - used : 0;
	if (room < p->mss && room < p->rcv_cap / 2)
		room = 0; /* no silly windows */
	edge = rcv_nxt(p) + (uint32_t)room;
	if (p->last_edge && before(edge, p->last_edge))
		edge = p->last_edge;
	p->last_edge = edge;
	return edge - rcv_nxt(p);
}

/* It begins just before it wraps. */
static uint32_t ts_now(const struct tcp_peer *p)
{
	return (uint32_t)p->r->now_ms - 1000000u - 500u;
}

/* RFC 2018 3: the ranges beyond rx_len, the one with the last segment first. */
static void add_sack(struct tcp_peer *p, struct fake_seg *s)
{
	size_t at = p->rx_len, max = p->ts_on ? 3 : 4;

	while (at < p->rx_end && s->nsack < max) {
		size_t from, to;

		while (at < p->rx_end && !p->got[at])
			at++;
		for (from = to = at; to < p->rx_end && p->got[to]; to++)
			;
		at = to;
		if (from == to)
			break;
		s->sack[s->nsack][0] = p->irs + 1 + (uint32_t)from;
		s->sack[s->nsack][1] = p->irs + 1 + (uint32_t)to;
		if (p->rx_last >= from && p->rx_last < to && s->nsack) {
			uint32_t t[2] = {s->sack[0][0], s->sack[0][1]};

			memcpy(s->sack[0], s->sack[s->nsack], sizeof(t));
			memcpy(s->sack[s->nsack], t, sizeof(t));
		} else if (s->nsack == max - 1 && p->rx_last >= to) {
			continue; /* a place is left for that one */
		}
		s->nsack++;
	}
}

static void transmit(struct tcp_peer *p, uint8_t flags, uint32_t seq,
		     const uint8_t *data, size_t len)
{
	bool syn = flags & F_SYN;
	uint32_t wnd = p->irs || p->open ? window(p) : 65535;
	struct fake_seg s = {
		.src = p->me, .dst = p->remote, .nic_id = p->nic_id,
		.seq = seq, .ack = flags & F_ACK ? rcv_nxt(p) : 0,
		.flags = flags, .wscale = syn ? p->wscale : -1,
		.mss = syn ? p->mss : 0, .data = (uint8_t *)data, .len = len,
		.ts = flags == F_SYN ? p->ts : p->ts_on, .tsval = ts_now(p),
		.tsecr = p->ts_recent,
	};

	p->ack_sent = s.ack;
	s.sack_ok = syn && p->sack;
	if (flags == F_ACK && p->sack_on && !len)
		add_sack(p, &s);
	if (!syn && p->wscale > 0)
		wnd >>= p->wscale;
	s.wnd = (uint16_t)(wnd > 65535 ? 65535 : wnd);
	if (flags & F_ACK) {
		p->ack_now = false;
		p->ack_at = 0;
		p->unacked_segs = 0;
	}
	send_wire(p, &s, false);
}

/* One segment from sequence number @seq on; returns what it took. */
static uint32_t send_at(struct tcp_peer *p, uint32_t seq, uint32_t room)
{
	size_t off = seq - (p->iss + 1), len = 0;
	bool fin;

	if (off < p->tx_len)
		len = min_sz(p->tx_len - off, p->gso_out ? 60000 : p->mss);
	len = min_sz(len, room);
	fin = p->tx_fin && off + len == p->tx_len && len < room &&
	      (p->no_late_fin || !len);
	if (!len && !fin)
		return 0;
	transmit(p, (uint8_t)(F_ACK | (fin ? F_FIN : 0)), seq,
		 len ? p->tx + off : NULL, len);
	if (before(seq, p->max)) {
		p->resends++;
		p->resent += len;
	}
	seq += (uint32_t)len + fin;
	if (before(p->max, seq))
		p->max = seq;
	return (uint32_t)len + fin;
}

static void send_new(struct tcp_peer *p)
{
	if (!p->open)
		return;
	for (int i = 0; i < 64; i++) {
		uint32_t flight = p->nxt - p->una, n;

		if (flight >= p->rwnd || flight >= 1 << 20)
			break;
		n = send_at(p, p->nxt, p->rwnd - flight);
		if (!n)
			break;
		p->nxt += n;
		if (!p->rto_at)
			p->rto_at = p->r->now_ms + p->rto_ms;
	}
	/* Persist. */
	if (!p->rto_at && !p->rwnd && p->una == p->max &&
	    p->una - (p->iss + 1) < p->tx_len)
		p->rto_at = p->r->now_ms + p->rto_ms;
}

static void on_rto(struct tcp_peer *p)
{
	p->rto_at = p->r->now_ms + p->rto_ms;
	p->rto_ms = p->rto_ms * 2 > RTO_MAX ? RTO_MAX : p->rto_ms * 2;
	if (!p->open) {
		if (p->passive)
			transmit(p, F_SYN | F_ACK, p->iss, NULL, 0);
		else
			transmit(p, F_SYN, p->iss, NULL, 0);
		return;
	}
	p->recovering = false;
	p->dups = 0;
	p->nxt = p->una;
	if (p->tx_len)
		memset(p->sacked, 0, p->tx_len); /* RFC 2018 8 */
	p->fack = 0;
	if (!p->rwnd) {
		(void)send_at(p, p->una, 1);
		return;
	}
	p->nxt += send_at(p, p->una, p->rwnd < p->mss ? p->rwnd : p->mss);
}

/* ---- receiving ------------------------------------------------------------ */

/* As Linux does: what lies below blocks is lost, and sent again at once. */
static void take_sack(struct tcp_peer *p, const struct fake_seg *s)
{
	bool news = false;

	for (unsigned int i = 0; i < s->nsack; i++) {
		uint32_t from = s->sack[i][0] - (p->iss + 1);
		uint32_t to = s->sack[i][1] - (p->iss + 1);

		must(before(s->ack, s->sack[i][0]) && from < to &&
			     to <= p->tx_len && !before(p->max, s->sack[i][1]),
		     "a block of what was sent");
		for (uint32_t k = from; k < to; k++) {
			news |= !p->sacked[k];
			p->sacked[k] = 1;
		}
		if (to > p->fack)
			p->fack = to;
	}
	if (!news || p->recovering)
		return;
	p->recovering = true;
	p->recover = p->max;
	p->rxt = p->una - (p->iss + 1);
}

/* Gaps below the last block, once in a recovery. */
static void send_gaps(struct tcp_peer *p)
{
	if (p->rxt < p->una - (p->iss + 1))
		p->rxt = p->una - (p->iss + 1);
	while (p->rxt < p->fack) {
		uint32_t n = 0;

		while (p->rxt < p->fack && p->sacked[p->rxt])
			p->rxt++;
		while (p->rxt + n < p->fack && !p->sacked[p->rxt + n] &&
		       n < p->mss)
			n++;
		if (n)
			p->rxt += send_at(p, p->iss + 1 + p->rxt, n);
	}
}

static void take_ack(struct tcp_peer *p, const struct fake_seg *s)
{
	uint32_t wnd = (uint32_t)s->wnd << p->shift;

	must(!before(p->max, s->ack), "acknowledges only what was sent");
	if (before(s->ack, p->una))
		return;
	if (s->ack != p->una) {
		p->una = s->ack;
		if (before(p->nxt, p->una))
			p->nxt = p->una;
		p->dups = 0;
		p->rto_ms = RTO_MIN;
		p->rto_at = p->una == p->max ? 0 : p->r->now_ms + p->rto_ms;
		if (p->recovering && before(p->una, p->recover) &&
		    !(p->sack_on && p->una - (p->iss + 1) < p->rxt))
			(void)send_at(p, p->una, p->mss);
		else if (!before(p->una, p->recover))
			p->recovering = false;
		if (p->tx_fin && p->una == p->iss + 2 + (uint32_t)p->tx_len)
			p->fin_acked = true;
	} else if (!p->sack_on && !s->len && !(s->flags & F_FIN) &&
		   wnd == p->rwnd && wnd &&
		   p->una != p->max && ++p->dups == 3 && !p->recovering) {
		p->recovering = true;
		p->recover = p->max;
		(void)send_at(p, p->una, p->mss);
	}
	p->rwnd = wnd;
	if (!p->sack_on)
		return;
	take_sack(p, s);
	if (p->recovering)
		send_gaps(p);
}

static void take_data(struct tcp_peer *p, const struct fake_seg *s)
{
	uint32_t off = s->seq - (p->irs + 1);
	size_t old = p->rx_len;
	uint32_t end = s->seq + (uint32_t)s->len;

	if (!s->len && !(s->flags & F_FIN))
		return;
	/* Beyond the window there may be a probe's byte or a FIN, no more. */
	must(!before(p->last_edge + 1 + (s->flags & F_FIN), end),
	     "stays within the window");
	if (before(p->last_edge, end)) {
		p->ack_now = true;
		if (s->len)
			return; /* a probe: thrown away */
	}
	for (size_t i = 0; i < s->len; i++) {
		size_t at = (size_t)(int64_t)(int32_t)off + i;

		if ((int32_t)(off + (uint32_t)i) < 0)
			continue;
		must(at < p->rx_cap, "bytes that nobody sent");
		must(!p->got[at] || p->rx[at] == s->data[i],
		     "a repetition has the same bytes");
		p->rx[at] = s->data[i];
		p->got[at] = 1;
		p->rx_last = at;
		if (p->rx_end <= at)
			p->rx_end = at + 1;
	}
	while (p->rx_len < p->rx_cap && p->got[p->rx_len])
		p->rx_len++;
	if (s->flags & F_FIN) {
		must(!p->have_fin || p->fin_at == off + s->len, "one FIN");
		p->have_fin = true;
		p->fin_at = off + (uint32_t)s->len;
	}
	if (p->have_fin && p->fin_at == p->rx_len)
		p->rcvd_fin = true;
	if (!p->read_per_ms)
		p->app_read = p->rx_len;
	if (p->rx_len == old || ++p->unacked_segs >= 2 || p->rcvd_fin)
		p->ack_now = true;
	else if (!p->ack_at)
		p->ack_at = p->r->now_ms + DELACK;
	if (p->ack_now) /* each gap is told about, not once a turn */
		transmit(p, F_ACK, p->nxt, NULL, 0);
}

static void take_syn(struct tcp_peer *p, const struct fake_seg *s)
{
	if (p->open) {
		p->ack_now = true;
		return;
	}
	p->irs = s->seq;
	p->last_edge = 0;
	p->shift = s->wscale >= 0 && p->wscale >= 0 ? (uint8_t)s->wscale : 0;
	p->rwnd = s->wnd;
	p->rto_at = 0;
	p->ts_on = p->ts && s->ts;
	p->sack_on = p->sack && s->sack_ok;
	if (!p->sacked)
		p->sacked = calloc(1, p->tx_len + 1);
	must(p->sacked != NULL, "memory");
	p->ts_recent = s->tsval;
	if (s->flags & F_ACK) {
		if (s->ack != p->iss + 1)
			return;
		p->una = p->nxt = p->max = p->iss + 1;
		p->open = true;
		p->ack_now = true;
	} else {
		p->passive = true;
		p->remote = s->src;
		transmit(p, F_SYN | F_ACK, p->iss, NULL, 0);
		p->rto_at = p->r->now_ms + p->rto_ms;
	}
	p->rto_ms = RTO_MIN;
}

/* RFC 7323: false for what PAWS drops. */
static bool take_ts(struct tcp_peer *p, const struct fake_seg *s)
{
	if (s->flags & (F_SYN | F_RST))
		return true;
	must(s->ts == p->ts_on, "timestamps in all segments or in none");
	if (!s->ts)
		return true;
	must(!before(ts_now(p), s->tsecr), "echoes what was sent");
	if (before(s->tsval, p->ts_recent)) {
		p->ack_now = true;
		return false;
	}
	if (!before(p->ack_sent, s->seq))
		p->ts_recent = s->tsval;
	return true;
}

static void receive(struct tcp_peer *p, const struct fake_seg *s)
{
	if (p->was_reset)
		return;
	if (s->flags & F_RST) {
		if (!p->open || s->seq == rcv_nxt(p))
			p->was_reset = true;
		else
			p->ack_now = true;
		return;
	}
	if (s->flags & F_SYN) {
		take_syn(p, s);
		return;
	}
	if (!p->open) {
		if (!p->passive || !(s->flags & F_ACK) ||
		    s->ack != p->iss + 1)
			return;
		p->open = true;
		p->una = p->nxt = p->max = p->iss + 1;
		p->rto_at = 0;
	}
	must(s->flags & F_ACK, "carries an acknowledgement");
	if (!take_ts(p, s))
		return;
	take_ack(p, s);
	take_data(p, s);
}

/* ---- life ------------------------------------------------------------------ */

void tcp_peer_init(struct tcp_peer *p, struct fake_tcp *r, uint16_t port,
		   size_t rx_cap)
{
	memset(p, 0, sizeof(*p));
	p->r = r;
	p->me = endpoint4(0x0a00020f, port);
	p->remote = endpoint4(0x08080808, 80);
	p->nic_id = 7;
	p->mss = 1460;
	p->wscale = 7;
	p->iss = 0xfffff000u + port; /* wraps soon */
	p->rcv_cap = 1 << 20;
	p->rng = 88172645463325252ull + port;
	p->rto_ms = RTO_MIN;
	p->rx_cap = rx_cap;
	p->rx = calloc(1, rx_cap + 1);
	p->got = calloc(1, rx_cap + 1);
	must(p->rx && p->got, "memory");
	r->on_out = on_out;
	r->on_out_arg = p;
}

void tcp_peer_fini(struct tcp_peer *p)
{
	while (p->wire) {
		struct tcp_peer_pkt *k = p->wire;

		p->wire = k->next;
		free(k->s.data);
		free(k);
	}
	free(p->rx);
	free(p->got);
	free(p->sacked);
	p->r->on_out = NULL;
}

void tcp_peer_connect(struct tcp_peer *p)
{
	transmit(p, F_SYN, p->iss, NULL, 0);
	p->rto_at = p->r->now_ms + p->rto_ms;
}

void tcp_peer_reset(struct tcp_peer *p)
{
	transmit(p, F_RST | F_ACK, p->nxt, NULL, 0);
	p->was_reset = true;
}

static void deliver(struct tcp_peer *p)
{
	while (p->wire && p->wire->at_ms <= p->r->now_ms) {
		struct tcp_peer_pkt *k = p->wire;

		p->wire = k->next;
		if (k->to_guest)
			receive(p, &k->s);
		else
			fake_tcp_put(p->r, &k->s, SIZE_MAX, 2);
		free(k->s.data);
		free(k);
	}
}

static void app_reads(struct tcp_peer *p)
{
	size_t n = min_sz(p->rx_len - p->app_read, p->read_per_ms);
	uint32_t edge = p->last_edge;

	if (!n)
		return;
	p->app_read += n;
	if (p->open && window(p) && p->last_edge - edge >= 2u * p->mss)
		p->ack_now = true;
	else
		p->last_edge = edge;
}

void tcp_peer_tick(struct tcp_peer *p)
{
	deliver(p);
	fake_tcp_settle(p->r);
	if (p->was_reset)
		return;
	app_reads(p);
	if (p->rto_at && p->r->now_ms >= p->rto_at)
		on_rto(p);
	send_new(p);
	if (p->ack_now || (p->ack_at && p->r->now_ms >= p->ack_at))
		transmit(p, F_ACK, p->nxt, NULL, 0);
}

void tcp_peer_step(struct tcp_peer *p)
{
	fake_tcp_wait(p->r, 1);
	tcp_peer_tick(p);
}
