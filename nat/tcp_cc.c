// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How fast to send to the guest: round trip time (RFC 6298) and NewReno (RFC 5681,
 * RFC 6582). The guest is near, so the window begins large, but a queue on the way
 * may be short or a person may have asked for an impaired link.
 *
 * Where this differs from RFC 6582: one retransmission need not be one segment.
 * Frames of 64 KiB get lost whole here, so while each partial acknowledgement
 * ends exactly where the last retransmission did, the next one covers twice as much.
 */
#include "nat/tcp_int.h"

/* Enough is said to know of a loss (RFC 5681 3.2, RFC 6675 5), and not for what an
 * earlier one made us repeat (RFC 6582 4.1, RFC 6675 5.1). */
static bool is_loss(const struct tcp_flow *f)
{
	if (f->recovery || seq_lt(f->snd_una, f->recover))
		return false;
	return f->dupacks >= TCP_DUPACKS || tcp_sack_lost(f);
}

void tcp_cc_init(struct tcp_flow *f)
{
	f->cwnd = TCP_CWND_INIT;
	f->ssthresh = TCP_CWND_MAX;
	f->srtt_x8 = -1;
	f->rto_ms = TCP_RTO_INIT_MS;
}

static void set_rto(struct tcp_flow *f)
{
	int32_t rto = TCP_RTO_INIT_MS;

	if (f->srtt_x8 >= 0) /* RFC 6298 2.3: SRTT + 4 * RTTVAR */
		rto = f->srtt_x8 / 8 + f->rttvar_x4;
	if (rto < TCP_RTO_MIN_MS)
		rto = TCP_RTO_MIN_MS;
	if (rto > TCP_RTO_MAX_MS)
		rto = TCP_RTO_MAX_MS;
	f->rto_ms = rto;
}

static void rtt_sample(struct tcp_flow *f, int64_t rtt)
{
	int32_t r = rtt > TCP_RTO_MAX_MS ? TCP_RTO_MAX_MS : (int32_t)rtt, err;

	if (f->srtt_x8 < 0) { /* 2.2 */
		f->srtt_x8 = r * 8;
		f->rttvar_x4 = r * 2;
		return;
	}
	err = r - f->srtt_x8 / 8; /* 2.3: alpha 1/8, beta 1/4 */
	f->srtt_x8 += err;
	f->rttvar_x4 += (err < 0 ? -err : err) - f->rttvar_x4 / 4;
}

/* RFC 7323 4.1: how old is what the guest echoes? Also of what was sent again. */
static void echo_sample(struct tcp_flow *f, const struct tcp_seg *s,
			int64_t now_ms)
{
	int32_t rtt = (int32_t)(tcp_ts_now(f, now_ms) - s->tsecr);

	if (s->ts && rtt >= 0)
		rtt_sample(f, rtt);
}

static uint32_t half_of_flight(const struct tcp_flow *f)
{
	uint32_t half = (f->snd_max - f->snd_una) / 2;

	return half > 2u * f->mss ? half : 2u * f->mss;
}

static void recover(struct tcp_flow *f)
{
	f->t->stats.fast_rexmits++;
	f->ssthresh = f->cwnd = half_of_flight(f);
	if (!f->sack_ok) /* RFC 5681 3.2: as much has left the network */
		f->cwnd += TCP_DUPACKS * f->mss;
	f->recover = f->snd_max;
	f->recovery = true;
	f->rescued = false;
	f->resend = f->owed = true;
	f->resend_len = f->mss;
	f->resent_to = f->snd_una;
}

/* RFC 6582 3.2, step 3: an acknowledgement during recovery. */
static void recovery_acked(struct tcp_flow *f, uint32_t acked)
{
	if (seq_le(f->recover, f->snd_una)) {
		f->recovery = f->resend = f->owed = false;
		f->cwnd = f->ssthresh;
		return;
	}
	f->resend = f->owed = true;
	if (f->sacks)
		return; /* what is under way says how much may follow */
	if (f->snd_una != f->resent_to)
		f->resend_len = f->mss;
	else if (f->resend_len < TCP_SEG_BYTES)
		f->resend_len *= 2;
	if (f->sack_ok)
		return; /* cwnd did not grow meanwhile */
	f->cwnd = f->cwnd > acked + f->mss ? f->cwnd - acked : f->mss;
	f->cwnd += f->mss;
}

/* RFC 5681 3.1, per byte acknowledged (RFC 3465), since one acknowledgement
 * covers many segments here. */
static void grow(struct tcp_flow *f, uint32_t acked)
{
	if (f->cwnd < f->ssthresh)
		f->cwnd += acked;
	else
		f->cwnd += (uint32_t)((uint64_t)f->mss * acked / f->cwnd) + 1;
	if (f->cwnd > TCP_CWND_MAX)
		f->cwnd = TCP_CWND_MAX;
}

void tcp_cc_acked(struct tcp_flow *f, const struct tcp_seg *s, uint32_t acked,
		  int64_t now_ms)
{
	/* Did the window hold us back? Else it says nothing that all arrived. */
	bool limited = f->snd_nxt - (f->snd_una - acked) + 2u * f->mss >=
		       f->cwnd;

	if (f->timing && seq_le(f->rtt_seq, f->snd_una)) {
		f->timing = false;
		/* One a round trip: more would need other weights than RFC
		 * 6298's (RFC 7323, appendix G). */
		if (f->ts)
			echo_sample(f, s, now_ms);
		else
			rtt_sample(f, now_ms - f->rtt_ms);
	}
	f->tries = 0;
	f->dupacks = 0;
	set_rto(f);
	if (f->recovery)
		recovery_acked(f, acked);
	else if (limited)
		grow(f, acked);
	if (f->sacks && is_loss(f))
		recover(f);
}

void tcp_cc_dupack(struct tcp_flow *f)
{
	if (f->dupacks < UINT16_MAX)
		f->dupacks++;
	if (is_loss(f)) {
		recover(f);
	} else if (f->recovery && f->sack_ok) {
		f->resend = f->sacks;
	} else if (f->recovery) {
		f->cwnd += f->mss;
		if (f->cwnd > TCP_CWND_MAX)
			f->cwnd = TCP_CWND_MAX;
	}
}

void tcp_cc_timeout(struct tcp_flow *f)
{
	if (!f->tries) /* RFC 5681 3.1, equation 4: once per loss */
		f->ssthresh = half_of_flight(f);
	f->cwnd = f->mss;
	f->recover = f->snd_max;
	f->recovery = false;
	f->resend = f->owed = false;
	f->timing = false;
	tcp_sack_forget(f);
	f->dupacks = 0;
	f->snd_nxt = f->snd_una;
	f->rto_ms = f->rto_ms * 2 < TCP_RTO_MAX_MS ? f->rto_ms * 2
						   : TCP_RTO_MAX_MS;
}

void tcp_cc_sent(struct tcp_flow *f, uint32_t end, bool again, int64_t now_ms)
{
	if (again)
		f->t->stats.rexmits++;
	if (again && !f->ts) {
		f->timing = false; /* RFC 6298 3: Karn */
	} else if (!f->timing) {
		f->timing = true;
		f->rtt_seq = end;
		f->rtt_ms = now_ms;
	}
}
