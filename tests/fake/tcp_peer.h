/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's TCP in small, written without looking at the one under test: reassembly,
 * delayed acknowledgements, fast retransmission, timers, a slow reader. It talks to
 * a struct fake_tcp over a wire that loses, repeats, delays and reorders.
 */
#ifndef VNET_TESTS_TCP_PEER_H
#define VNET_TESTS_TCP_PEER_H

#include "tests/fake/fake_tcp.h"

/* In thousandths of the packets of one direction. */
struct tcp_wire {
	uint32_t loss, dup, late; /* late: delayed by up to late_ms more */
	uint32_t delay_ms, late_ms;
	/* Burst: after one loss that many more packets are lost. */
	uint32_t burst, burst_left;
	/* Besides, once: lose_n packets with payload, each lose_step-th from number
	 * lose_at on (1 = the first). */
	uint32_t lose_at, lose_step, lose_n, seen;
};

struct tcp_peer_pkt;

struct tcp_peer {
	struct fake_tcp *r;
	struct endpoint me, remote;
	uint64_t nic_id;
	/* Choose before the connection begins. */
	uint16_t mss;
	int wscale;
	bool ts;	     /* timestamps, if the other has them, too … */
	bool sack;	     /* … and SACK */
	uint32_t iss;
	size_t rcv_cap;	     /* receive buffer */
	size_t read_per_ms;  /* how fast its application reads; 0 = at once */
	bool segment;	     /* GSO segments are cut before the wire */
	bool gso_out;	     /* it sends up to 64 KiB at once itself */
	bool no_late_fin;    /* FIN together with the last bytes */
	struct tcp_wire to_guest, from_guest;
	uint64_t rng;

	const uint8_t *tx; /* what it sends; borrowed */
	size_t tx_len;
	bool tx_fin; /* then FIN */

	uint8_t *rx, *got; /* what it received; got: byte by byte … */
	size_t rx_end, rx_last; /* … up to here; in the last segment */
	size_t rx_cap, rx_len, app_read;

	/* Seen by tests. */
	bool open, rcvd_fin, fin_acked, was_reset;
	uint32_t resends;
	uint64_t resent;  /* payload sent again */
	uint64_t sent_to; /* payload put on the wire to it */

	/* Its own. */
	bool syn_out, passive;
	uint32_t irs, una, nxt, max, rwnd, fin_at;
	uint8_t shift; /* of the other's windows */
	bool ts_on, sack_on;
	uint8_t *sacked; /* of tx, byte by byte: the other has it … */
	uint32_t fack;	 /* … up to here: offset in tx */
	uint32_t ts_recent, ack_sent;
	bool have_fin;
	unsigned int dups, unacked_segs;
	bool recovering;
	uint32_t recover, rxt; /* rxt: offset in tx, sent again up to there */
	bool ack_now;
	int64_t ack_at, rto_at;
	int64_t rto_ms;
	uint32_t last_edge;
	struct tcp_peer_pkt *wire;
};

/* Defaults: MSS 1460, scale 7, 1 MiB buffer, perfect wire. Takes over r->on_out. */
void tcp_peer_init(struct tcp_peer *p, struct fake_tcp *r, uint16_t port,
		   size_t rx_cap);
void tcp_peer_fini(struct tcp_peer *p);

/* Send the first SYN; without it the peer waits for one (a forward). */
void tcp_peer_connect(struct tcp_peer *p);
void tcp_peer_reset(struct tcp_peer *p);

/* A millisecond goes by, for the core as well. */
void tcp_peer_step(struct tcp_peer *p);

/* As above without advancing the core's clock: its owner does that. */
void tcp_peer_tick(struct tcp_peer *p);

uint32_t tcp_peer_rnd(struct tcp_peer *p, uint32_t below);

#endif
