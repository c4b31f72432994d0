// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guest has beyond a loss (RFC 2018), and sending again only what it has not
 * (RFC 6675). What the guest says lies in struct tcp_sacks, there only while it says
 * something. Names of RFC 6675: HighACK is snd_una, HighData snd_max, HighRxt
 * resent_to, RecoveryPoint recover.
 *
 * Where this differs: a retransmission is as long as the gap and the window let it
 * be, since whole frames of 64 KiB get lost here; the first gap counts as lost once a
 * recovery goes on, as by RFC 6582, since what the guest misses after a round trip was
 * not overtaken; rule (3) of NextSeg() (MAY) is not used.
 */
#include <assert.h>
#include <errno.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "nat/tcp_int.h"

void tcp_sack_forget(struct tcp_flow *f)
{
	pool_put(&f->t->sacks, f->sacks);
	f->sacks = NULL;
}

/* snd_una may have moved. A guest that acknowledges less than it once said it had
 * has thrown it away (RFC 2018 8). */
static void cut(struct tcp_flow *f)
{
	struct seqset *set = &f->sacks->set;

	seqset_cut(set, f->snd_una);
	if (!set->n || set->r[0].from == f->snd_una)
		tcp_sack_forget(f);
}

/* A block below snd_una tells of something that came twice (RFC 2883). */
static bool take_block(struct tcp_flow *f, uint32_t from, uint32_t to)
{
	if (!seq_lt(f->snd_una, from) || !seq_lt(from, to) ||
	    seq_lt(f->snd_max, to))
		return false;
	if (!f->sacks)
		f->sacks = pool_get(&f->t->sacks);
	if (!f->sacks) {
		f->sack_ok = false; /* as if it had never offered it */
		return false;
	}
	return seqset_add(&f->sacks->set, from, to);
}

bool tcp_sack_take(struct tcp_flow *f, const struct tcp_seg *s)
{
	bool news = false;

	if (f->sacks)
		cut(f);
	for (int i = 0; f->sack_ok && i < s->nsack; i++)
		news |= take_block(f, get_be32(s->sack + i * 8),
				   get_be32(s->sack + i * 8 + 4));
	return news;
}

/* Everything before this that the guest does not have is lost: IsLost(). */
static uint32_t lost_end(const struct tcp_flow *f)
{
	const struct seqset *set = &f->sacks->set;
	uint32_t above = 0;

	for (uint32_t i = set->n; i--;) {
		above += set->r[i].to - set->r[i].from;
		if (set->n - i >= TCP_DUPACKS ||
		    above > (TCP_DUPACKS - 1u) * f->mss)
			return set->r[i].from;
	}
	return f->recovery ? set->r[0].from : f->snd_una;
}

bool tcp_sack_lost(const struct tcp_flow *f)
{
	return f->sacks && lost_end(f) != f->snd_una;
}

/* Where the search for gaps goes on. */
static uint32_t rxt(const struct tcp_flow *f)
{
	return seq_lt(f->snd_una, f->resent_to) ? f->resent_to : f->snd_una;
}

/* "pipe" of RFC 6675 4. */
uint32_t tcp_sack_flight(const struct tcp_flow *f)
{
	const struct seqset *set = &f->sacks->set;
	uint32_t n = f->snd_nxt - f->snd_una, from = rxt(f), to = lost_end(f);

	n -= seqset_count(set, f->snd_una, f->snd_nxt);
	if (!f->recovery)
		return n;
	if (seq_lt(f->snd_nxt, to))
		to = f->snd_nxt;
	if (seq_lt(from, to))
		n -= to - from - seqset_count(set, from, to);
	return n;
}

void tcp_sack_skip(struct tcp_flow *f)
{
	const struct seqrange *r;

	if (!seq_lt(f->snd_nxt, f->snd_max))
		return;
	r = seqset_find(&f->sacks->set, f->snd_nxt);
	if (r && seq_le(r->from, f->snd_nxt))
		f->snd_nxt = r->to;
}

size_t tcp_sack_gap(const struct tcp_flow *f)
{
	const struct seqrange *r = seqset_find(&f->sacks->set, f->snd_nxt);

	return r ? r->from - f->snd_nxt : SIZE_MAX;
}

/* The next gap that is lost and was not sent again: rule (1) of NextSeg(). */
static bool next_gap(const struct tcp_flow *f, struct seqrange *gap)
{
	uint32_t end = lost_end(f);
	const struct seqrange *r;

	gap->from = rxt(f);
	r = seqset_find(&f->sacks->set, gap->from);
	if (r && seq_le(r->from, gap->from)) {
		gap->from = r->to;
		r = seqset_find(&f->sacks->set, gap->from);
	}
	if (!r || !seq_lt(gap->from, end))
		return false;
	gap->to = seq_lt(r->from, end) ? r->from : end;
	return true;
}

/* How much may go out beside what is under way, in whole segments. */
static size_t room(const struct tcp_flow *f)
{
	uint32_t flight = tcp_sack_flight(f), n;

	assert(f->mss);
	n = f->cwnd > flight ? f->cwnd - flight : 0;
	if (n < f->mss)
		return f->owed ? f->mss : 0;
	return n - n % f->mss;
}

/* Up to @len bytes of @gap; how many went. 0: no more now, and f->resend says whether
 * there is something left to send. */
static size_t send_gap(struct tcp_flow *f, const struct seqrange *gap,
		       size_t len, int64_t now_ms)
{
	ssize_t got;

	len = tcp_with_room(f, len);
	if (!len)
		return 0;
	got = tcp_send_at(f, gap->from, len, now_ms);
	if (got <= 0) {
		/* The host's socket failed? send_data() will see it. */
		f->resend = got == -ENOBUFS;
		return 0;
	}
	if (f->owed)
		tcp_arm_rtx(f, now_ms);
	f->owed = false;
	return (size_t)got;
}

void tcp_sack_resend(struct tcp_flow *f, size_t *budget, int64_t now_ms)
{
	size_t quantum = min_sz(*budget, TCP_QUANTUM_SEGS * f->seg_max);

	while (quantum && !f->t->no_room) {
		size_t max = f->snd_wnd ? room(f) : 0, len;
		struct seqrange gap;

		if (!max || !next_gap(f, &gap)) {
			f->resend = false;
			return;
		}
		len = min_sz(min_sz(gap.to - gap.from, max), quantum);
		len = send_gap(f, &gap, len, now_ms);
		if (!len)
			return;
		f->resent_to = gap.from + (uint32_t)len;
		quantum -= len;
		*budget -= len;
	}
}

/* Rule (4) of NextSeg(): when there is nothing else to send, the end once more, since
 * nothing that comes behind it would tell that it is lost. HighRxt stays. */
void tcp_sack_rescue(struct tcp_flow *f, int64_t now_ms)
{
	const struct seqset *set = &f->sacks->set;
	struct seqrange end = {set->r[set->n - 1].to, f->snd_max};

	if (f->rescued || f->snd_nxt != f->snd_max || !f->snd_wnd ||
	    tcp_sack_flight(f) + f->mss > f->cwnd)
		return;
	if (f->eof && seq_lt(f->fin_seq, end.to))
		end.to = f->fin_seq;
	if (!seq_lt(end.from, end.to) || seq_lt(end.from, rxt(f)))
		return;
	f->rescued = true;
	if (end.to - end.from > f->mss)
		end.from = end.to - f->mss;
	(void)send_gap(f, &end, end.to - end.from, now_ms);
}
