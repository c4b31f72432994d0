/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the user-mode TCP; for nat/tcp*.c and their tests only.
 *
 *   tcp.c       tables, limits, ends, looking in, which flow a packet is for
 *   tcp_idle.c  silence: asking the guest, giving up, sleep of the host
 *   tcp_open.c  both ways to open: guest's SYN to host connect, client to guest
 *   tcp_in.c    segments of a flow (RFC 9293 3.10.7)
 *   tcp_out.c   what leaves: acknowledgements, data, retransmission, timers
 *   tcp_cc.c    round trip time and congestion window (RFC 6298, 7323 4, 5681, 6582)
 *   tcp_sack.c  what the guest has beyond a loss, sending again what it has not
 *   tcp_hold.c  what we have beyond a gap in the guest's bytes
 *   tcp_seg.c   headers on the wire
 *
 * Theory of operation. A flow has two ends of its own: the guest's TCP, spoken by
 * us, and a host socket, spoken by the kernel. State names the guest's end:
 *
 *   CONNECTING  guest's SYN is here, the host socket connects; nothing was said
 *   SYN_RCVD    host connected, our SYN-ACK is out
 *   SYN_SENT    a forward's client is here, our SYN is out
 *   OPEN        data flows; the FINs are the flags eof/fin_acked (from the host)
 *               and fin_rcvd (from the guest), which give the RFC's six states
 *   TIME_WAIT   both FINs acknowledged and ours was first; no host socket
 *
 * Sequence numbers toward the guest, in order:
 *   host_seq <= snd_una <= snd_nxt <= snd_max
 * host_seq is the first byte that the host socket still holds, so the offset to
 * peek at is snd_nxt - host_seq, and what lies before snd_una may be discarded.
 * After a timeout snd_nxt goes back to snd_una; snd_max remembers. With @eof the
 * stream ends at fin_seq, the number of the FIN.
 */
#ifndef VNET_NAT_TCP_INT_H
#define VNET_NAT_TCP_INT_H

#include "lib/htab.h"
#include "lib/list.h"
#include "lib/pool.h"
#include "lib/wheel.h"
#include "nat/seqset.h"
#include "nat/tcp.h"
#include "nat/tcp_seg.h"

#define TCP_QUANTUM_SEGS 4 /* 64 KiB segments one flow may send per flush */
#define TCP_FLUSH_BYTES (1024 * 1024) /* all flows */
/* Peeked bytes lent to one emit round. If that is less than all flows may send, rounds cost:
 * 4 streams at MTU 65520 have 0.92 times the rate with half of it, 0.7 with an eighth. */
#define TCP_BUF		TCP_FLUSH_BYTES
/* Some processors (AMD's Zen 3) copy 15 times slower to a place that is 1 to 31 bytes
 * behind its source, in multiples of a page. Senders' bytes and those of a TAP often begin
 * a page; those that malloc() maps begin 16 bytes behind. */
#define TCP_BUF_ALIGN	4096
#define TCP_SEG_BYTES	65495u /* 65535 less IPv4 and TCP headers: the most */
#define TCP_LEND_MIN	16384 /* less is copied as soon as room for it is lent … */
#define TCP_BULK	2     /* … but for what comes between, of one that had more */
#define TCP_WSCALE	8     /* ours: windows up to 16 MiB in steps of 256 */
#define TCP_MSS_MIN	64    /* smaller ones only cost; not believed */
#define TCP_UPDATE_MIN	1460  /* a window that opens by less is not told */
#define TCP_ASK_MIN	4096u /* bytes taken that need no look at what is left */

#define TCP_CWND_INIT (128 * 1024) /* the link is local: not RFC 6928's 10 MSS */
#define TCP_CWND_MAX  (16 * 1024 * 1024)
#define TCP_DUPACKS   3 /* RFC 5681 3.2 */

/* RFC 6298, but 2.4's minimum of 1 s is 200 ms here as in most systems: guests'
 * delayed acknowledgements come within 40 to 200 ms, the link adds nothing. */
#define TCP_RTO_INIT_MS 1000
#define TCP_RTO_MIN_MS	200
#define TCP_RTO_MAX_MS	60000
#define TCP_REXMITS	10 /* then the guest is dead: some 200 s (RFC 9293 3.8.3) */
/* SYN to a guest, SYN-ACK: 1 + 2 + 4 + 8 + 16 + 32 s. RFC 9293 3.8.3 asks for three
 * minutes; the guest is near, and a forward's client should not wait that long. */
#define TCP_SYN_REXMITS 5
#define TCP_RETRY_MS	2 /* after emit had no room; then twice as long … */
#define TCP_TOUCH_MS	1000 /* how exact the order of idle flows is */
#define TCP_CALL_MS	3000 /* a call waits as long before another may have its place */
#define TCP_WAITS_MAX	512 /* flows of a NIC in TIME_WAIT */
#define TCP_KEEP_LAST_MS   15000 /* between probes once a flow's time is over */
#define TCP_KEEP_TRIES	   5
#define TCP_KEEP_SPREAD_MS 10000 /* after a sleep: over which all are asked */
/* RFC 9293 3.8.6.3: an acknowledgement may wait for data to ride on, up to half a
 * second. Here a moment, and only where guest and host have taken turns so often:
 * a guest that writes in pieces may be waiting for it. */
#define TCP_DELACK_MS 10
#define TCP_TURNS     3
#define TCP_CHALLENGES	10 /* per flow and second (RFC 5961 7) */
/* Bytes beyond a gap: of a connection, in all, of a NIC. */
#define TCP_HOLD_BLOCK	 16384u
#define TCP_HOLD_BLOCKS	 64u
#define TCP_HOLD_MAX	 1024u
#define TCP_HOLD_RECENT	 SEQSET_MAX
#define TCP_HOLD_NIC_MAX 256u
#define TCP_TS_VALID_MS (24ll * 24 * 3600 * 1000) /* RFC 7323 5.5 */

enum tcp_state {
	TCP_ST_CONNECTING,
	TCP_ST_SYN_SENT,
	TCP_ST_SYN_RCVD,
	TCP_ST_OPEN,
	TCP_ST_TIME_WAIT,
};

struct tcp_key {
	struct endpoint guest, outside;
};

/** struct tcp_sacks - What a guest has beyond a loss, for tcp_sack.c. */
struct tcp_sacks {
	struct seqset set; /* between snd_una and snd_max; not empty */
};

/** struct tcp_hold - What a guest sent beyond a gap, for tcp_hold.c. */
struct tcp_hold {
	struct seqset set; /* from rcv_nxt on */
	uint8_t *block[TCP_HOLD_BLOCKS];
	uint32_t base; /* what rcv_nxt was when blocks were let go */
	uint32_t recent[TCP_HOLD_RECENT]; /* numbers in ranges, the newest first */
	uint8_t nrecent, untold; /* untold: of these, so many have not been told */
	bool fin; /* a FIN came, too */
	uint32_t fin_seq;
};

struct tcp_flow {
	struct hnode node; /* in tcp->flows */
	struct list shown; /* tcp->shown */
	uint64_t id;	   /* odd, ascending */
	struct tcp_key key;
	uint32_t steer; /* steer_flow() of it */
	struct tcp *t;
	struct flow_nic *nic;  /* its account in env.flows */
	struct list nic_node;  /* nic->tcp */
	struct list nic_state; /* nic->tcp_opening, _used, _wait; else none */
	struct list work; /* tcp->work: flush has something to do; or tcp->parked */
	struct list late; /* tcp->late or tcp->soon: ack_late is or was set */
	const struct tcp_host_ops *ops; /* of … */
	void *sock;	  /* NULL in TIME_WAIT */
	struct endpoint host;
	uint64_t forward_id;
	enum tcp_state state;

	/* Toward the guest. */
	uint32_t iss, host_seq, snd_una, snd_nxt, snd_max, fin_seq;
	uint32_t snd_wnd, max_wnd; /* guest's window and the largest ever */
	uint32_t snd_wl1, snd_wl2; /* RFC 9293 3.3.1: of the last window */
	uint16_t mss;		   /* payload per segment to the guest, … */
	uint16_t seg_max;	   /* … per frame, which is cut into whole ones */
	uint8_t snd_wscale;	   /* shift for the guest's windows */
	bool rd_ready;	 /* the host socket may have more to peek at */
	uint8_t bulk;	 /* … and had TCP_LEND_MIN lately: so often it may have less */
	bool dry;	 /* … and all there was, so it seemed, … */
	bool look_due;	 /* … which is to be made sure of */
	bool held;	 /* its guest had no room when it was served last … */
	bool parked;	 /* … and it waits for that on tcp->parked */
	bool eof;	 /* the host's stream ended; fin_seq is valid */
	bool syn_due;	 /* SYN or SYN-ACK has to go out */
	bool resend;	 /* fast retransmission at snd_una is due */
	bool probe;	 /* persist timer fired */
	bool keep_due;	 /* the guest is to be asked whether it lives … */
	uint8_t keep_tries; /* … which it did not answer so often */
	bool keep_asked;    /* it asks that itself, and so does the host's end */
	bool guest_gone; /* no word to the guest when the flow ends */
	bool counted;	 /* sock has a descriptor: flow_tcp_take() */

	/* Congestion and timing. */
	uint32_t cwnd, ssthresh;
	uint32_t recover;	/* NewReno: snd_max when the loss was noticed */
	uint32_t resend_len;	/* how much one retransmission covers */
	uint32_t resent_to;	/* end of the last one */
	bool sack_ok;		/* the guest knows SACK, and so do we */
	bool owed;	/* one segment goes again whatever the window says */
	bool rescued;	/* tcp_sack_rescue() was, in this recovery */
	struct tcp_sacks *sacks; /* NULL: it has said nothing */
	uint16_t dupacks;
	bool recovery;
	bool timing; /* rtt_seq was sent at rtt_ms; without timestamps: once */
	uint32_t rtt_seq;
	int64_t rtt_ms;
	int32_t srtt_x8, rttvar_x4, rto_ms; /* srtt_x8 < 0: no sample yet */
	uint8_t tries;	     /* timer fired without an answer */
	uint8_t probe_shift; /* back-off of the persist timer */
	/* Timestamps (RFC 7323): with @ts all segments have them. Ours count
	 * milliseconds from ts_off on. */
	bool ts;
	uint32_t ts_off, ts_recent; /* ts_recent: TS.Recent of 4.3 */
	uint32_t ack_sent;	    /* Last.ACK.sent */
	struct wtimer rtx;   /* retransmission or persist */
	struct wtimer idle;

	/* From the guest. */
	uint32_t irs, rcv_nxt;
	uint32_t rcv_edge;  /* right edge of the window we announced … */
	uint32_t rcv_told;  /* … and the furthest it ever was */
	uint32_t room_max;  /* most room that the host's socket ever had */
	uint8_t rcv_wscale; /* ours, 0 when the guest did not offer */
	uint8_t dups;	    /* further ACKs due, so that the guest notices a loss */
	uint8_t asked;	    /* segments with data since ours to it; stops at 2 */
	uint8_t turns;	    /* in a row: one segment of its, then data of ours */
	bool ack_due;
	bool ack_late; /* an ACK is due, but not at once */
	bool wnd_due;	/* the host socket's room may have changed */
	bool blocked;	/* it took less than offered: room is 0 until writable */
	bool refused;	/* bytes were not taken for that … */
	bool dropped;	/* … and could not be kept either */
	struct tcp_hold *hold; /* NULL: nothing is kept */
	bool fin_rcvd;
	bool fin_first; /* the guest's FIN came before ours was sent */
	int host_err;	/* negative errno: reset the guest when all is sent */

	uint8_t challenges;
	int64_t challenge_ms;
	int64_t born_ms, used_ms;
	int64_t moved_ms; /* to the end of nic->tcp_used */
	int64_t heard_ms; /* from the guest, if only that it lives */
	uint64_t bytes_out, bytes_in, packets_out, packets_in;
};

struct tcp {
	struct tcp_env env;
	struct tcp_config cfg;
	struct htab flows;
	struct pool pool; /* of struct tcp_flow … */
	struct pool sacks, holds; /* … and of what few of them have */
	uint32_t held_blocks;
	struct list shown; /* all flows by id */
	uint64_t last_id;
	struct list work;
	struct wtimer retry;
	int32_t retry_ms; /* how long it waits */
	/* Flows that could send if their guests had room. They are not in the way of
	 * others: tcp_room() looks at them, and a timer. */
	struct list parked;
	struct wtimer unpark;
	int32_t parked_ms; /* how long that waited */
	struct list late; /* flows whose ACKs may wait for … */
	struct wtimer delack;
	struct list soon; /* flows whose ACKs may wait for tcp_rest() */
	bool flushing;
	bool no_room; /* emit was full in this flush */
	uint8_t *buf; /* TCP_BUF */
	size_t buf_used;
	struct tcp_stats stats;
};

/* ---- tcp.c --------------------------------------------------------------- */

struct tcp_flow *tcp_find(const struct tcp *t, const struct tcp_key *k);

/* May a forward have one more client of this NIC? An eighth of what the NIC may have
 * is left to the guest itself, whoever comes from outside. Counts refusals; an old
 * TIME_WAIT may go for it. */
bool tcp_room_for_client(struct tcp *t, struct flow_nic *nic);

/* May the NIC have one more call under way? One that has waited for long may go for
 * it: the guest asks again, so that costs nothing. Counts refusals. */
bool tcp_room_for_call(struct tcp *t, struct flow_nic *nic, int64_t now_ms);

/* A zeroed, counted, findable flow; NULL: a limit (counted) or no memory. */
struct tcp_flow *tcp_flow_new(struct tcp *t, const struct tcp_key *k,
			      struct flow_nic *nic, int64_t now_ms);

/* Count a refusal by a limit. */
void tcp_limited(struct tcp *t, struct flow_nic *nic);

/* The flow was used. */
static inline void tcp_touch(struct tcp_flow *f, int64_t now_ms)
{
	f->used_ms = now_ms;
	if (now_ms - f->moved_ms < TCP_TOUCH_MS)
		return;
	f->moved_ms = now_ms;
	if (f->counted && f->state != TCP_ST_CONNECTING) {
		list_del(&f->nic_state);
		list_add_tail(&f->nic->tcp_used, &f->nic_state);
	}
}

/* Close the host socket and free the flow; nothing to the guest. */
void tcp_flow_end(struct tcp_flow *f, bool reset_host);

/* Reset both sides and free the flow. */
void tcp_flow_abort(struct tcp_flow *f, int64_t now_ms);

/* Put it on the work list and tell the owner. */
void tcp_queue(struct tcp_flow *f);

/* The same with all that are parked. */
void tcp_unpark(struct tcp *t);

/* An ACK that may wait for data to ride on, or TCP_DELACK_MS. */
void tcp_ack_later(struct tcp_flow *f, int64_t now_ms);

/* The same, or tcp_rest(); env.rest must be there. */
void tcp_ack_soon(struct tcp_flow *f);

/* Change the state and the accounts that depend on it. */
void tcp_set_state(struct tcp_flow *f, enum tcp_state st);


/* Close the host socket now; it must have been emptied when not @reset. */
void tcp_close_host(struct tcp_flow *f, bool reset);

/* All of our side is over: everything sent and the FIN acknowledged. */
static inline bool tcp_fin_acked(const struct tcp_flow *f)
{
	return f->eof && f->snd_una == f->fin_seq + 1;
}

/* Our clock for timestamps (RFC 7323 5.4). */
static inline uint32_t tcp_ts_now(const struct tcp_flow *f, int64_t now_ms)
{
	return (uint32_t)now_ms + f->ts_off;
}

/* Where it begins, so that it tells nothing about the host, and goes on from one
 * connection of the same endpoints to the next (RFC 7323 7.1, RFC 6191). */
void tcp_ts_init(struct tcp_flow *f);

/* ---- tcp_idle.c ---------------------------------------------------------- */

/* (Re)start the idle timer by the limit of the state the flow is in. */
void tcp_arm_idle(struct tcp_flow *f, int64_t now_ms);

/* ---- tcp_open.c ---------------------------------------------------------- */

/* A SYN of no flow. */
void tcp_open(struct tcp *t, const struct tcp_pkt *p, const struct tcp_seg *s,
	      const struct tcp_key *k, int64_t now_ms);

/* Most payload that a segment may have: what the MTU leaves. */
static inline uint16_t tcp_mss_max(const struct tcp_flow *f)
{
	return (uint16_t)(f->t->cfg.mtu - (ipaddr_is4(&f->key.guest.ip) ? 40
									 : 60));
}

/* The most that a frame may be, in segments of mss. */
void tcp_set_mss(struct tcp_flow *f, uint16_t mss);

/* Take from the guest's SYN what the connection will use. */
void tcp_take_syn(struct tcp_flow *f, const struct tcp_seg *s);

/* The handshake is complete; @s acknowledged our SYN. */
void tcp_established(struct tcp_flow *f, const struct tcp_seg *s,
		     int64_t now_ms);

/* ---- tcp_in.c ------------------------------------------------------------ */

/* May end the flow. */
void tcp_flow_input(struct tcp_flow *f, const struct tcp_pkt *p,
		    const struct tcp_seg *s, int64_t now_ms);

/* Offer @len bytes from rcv_nxt on to the host's socket. False: not all was taken. */
bool tcp_offer(struct tcp_flow *f, const struct iovec *v, int n, size_t len);

/* ---- tcp_sack.c ---------------------------------------------------------- */

/* @s moved snd_una or has blocks. True: they tell of bytes not known before. */
bool tcp_sack_take(struct tcp_flow *f, const struct tcp_seg *s);

/* The guest may have thrown all of it away (RFC 2018 8). */
void tcp_sack_forget(struct tcp_flow *f);

/* Do the blocks say that the byte at snd_una is lost (RFC 6675 4)? */
bool tcp_sack_lost(const struct tcp_flow *f);

/* Bytes under way; f->sacks must be there for this one and those below. */
uint32_t tcp_sack_flight(const struct tcp_flow *f);

/* Behind a timeout: move snd_nxt over what the guest has; bytes from there on that it
 * has not, SIZE_MAX = as far as we know. */
void tcp_sack_skip(struct tcp_flow *f);
size_t tcp_sack_gap(const struct tcp_flow *f);

/* Send lost gaps again, as f->resend asks. */
void tcp_sack_resend(struct tcp_flow *f, size_t *budget, int64_t now_ms);
/* During a recovery, when nothing new could be sent. */
void tcp_sack_rescue(struct tcp_flow *f, int64_t now_ms);

/* ---- tcp_hold.c ---------------------------------------------------------- */

/* Keep payload of @s from its byte @skip on, behind which is its FIN; how much there
 * was a place for. */
size_t tcp_hold_put(struct tcp_flow *f, const struct tcp_pkt *p,
		    const struct tcp_seg *s, size_t skip);
/* Is the next byte kept? f->hold must be there for this one and those below. */
bool tcp_hold_next(const struct tcp_flow *f);
/* Offer the host's socket what is kept and next. True: then a FIN follows. May free
 * f->hold. */
bool tcp_hold_push(struct tcp_flow *f);
/* Blocks for a SACK option, 8 bytes each, at most TCP_SACK_BLOCKS. When hold->untold is
 * not 0 then, another ACK has more to say. */
unsigned int tcp_hold_sack(struct tcp_flow *f, uint8_t *buf);
void tcp_hold_free(struct tcp_flow *f); /* NULL is fine */

/* ---- tcp_out.c ----------------------------------------------------------- */

/* Answer @s, which belongs to no flow, with RST (RFC 9293 3.10.7.1). */
void tcp_reset_reply(struct tcp *t, const struct tcp_key *k, uint64_t nic_id,
		     const struct tcp_seg *s, int64_t now_ms);

/* RST at the end of what was sent. */
void tcp_send_rst(struct tcp_flow *f, int64_t now_ms);

/* Peek @len bytes at @seq and send them. Returns bytes sent, 0 at the end of the
 * stream, or negative errno; -EAGAIN when there are none now. */
ssize_t tcp_send_at(struct tcp_flow *f, uint32_t seq, size_t len,
		    int64_t now_ms);
/* How much of @len the guest has room for, in whole segments; 0 = wait. */
size_t tcp_with_room(struct tcp_flow *f, size_t len);

/* Discard from the host socket what the guest has. */
void tcp_discard_acked(struct tcp_flow *f);

/* The host's end failed: what it had sent goes to the guest, then RST. */
void tcp_host_failed(struct tcp_flow *f, int err);

void tcp_arm_rtx(struct tcp_flow *f, int64_t now_ms);
void tcp_rtx_on_timer(struct wtimer *w, int64_t now_ms);

/* ---- tcp_cc.c ------------------------------------------------------------ */

void tcp_cc_init(struct tcp_flow *f);
/* New data was acknowledged by @s: @acked bytes up to snd_una (already moved). */
void tcp_cc_acked(struct tcp_flow *f, const struct tcp_seg *s, uint32_t acked,
		  int64_t now_ms);
void tcp_cc_dupack(struct tcp_flow *f);
void tcp_cc_timeout(struct tcp_flow *f);
/* [@seq, @end) leaves now; @again: some of it for a second time. */
void tcp_cc_sent(struct tcp_flow *f, uint32_t end, bool again, int64_t now_ms);

#endif
