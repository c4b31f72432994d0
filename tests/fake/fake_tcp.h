/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-mode TCP between a fake host and a scripted guest. The fake host's sockets
 * are byte strings; they hold the core to its contract (abort() on a breach): no
 * use after close, no discarding of bytes never peeked at, lent payload unchanged
 * until emit_flush(). Segments to the guest are kept for the test to look at.
 */
#ifndef VNET_TESTS_FAKE_TCP_H
#define VNET_TESTS_FAKE_TCP_H

#include <stdio.h>
#include <stdlib.h>

#include "lib/wheel.h"
#include "nat/tcp.h"

#define FAKE_SEGS  8192
#define FAKE_LOCAL 0xc0a80105u /* 192.168.1.5 */
#define FAKE_SOCKS 1024
#define FAKE_LEND  4096

/* Holds in every build. */
static inline void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "fake_tcp: broken: %s\n", what);
		abort();
	}
}

enum { F_FIN = 1, F_SYN = 2, F_RST = 4, F_PSH = 8, F_ACK = 16, F_URG = 32 };

/* A segment, either way; decoded and encoded without the code under test. */
struct fake_seg {
	struct endpoint src, dst;
	uint64_t nic_id;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t wnd;
	uint16_t mss;  /* option; 0 = none */
	int wscale;    /* option; -1 = none */
	bool ts;       /* option: */
	uint32_t tsval, tsecr;
	bool sack_ok;	      /* option */
	unsigned int nsack;   /* option: */
	uint32_t sack[4][2];
	const uint8_t *raw_opts; /* to the core: instead of all above */
	size_t raw_opts_len;
	uint16_t gso;
	uint8_t *data;
	size_t len;
};

/* One socket of the fake host, seen from its peer. */
struct fake_sock {
	struct fake_tcp *r;
	struct tcp_flow *flow;
	struct endpoint to;
	uint32_t local; /* our address of the host's; 0 = FAKE_LOCAL */
	uint8_t *in; /* bytes from the peer on their way to the guest */
	size_t in_len, in_cap, in_done; /* in_done: discarded by the core */
	size_t peeked;			/* end of what peek() ever returned */
	bool in_eof;
	int in_err; /* negative errno, behind the bytes */
	uint8_t *out; /* bytes the peer got from the guest */
	size_t out_len, out_cap;
	size_t out_checked; /* the test's own */
	size_t room; /* what send() still takes */
	int send_err;
	uint32_t asked_s; /* keep_alive() came, with one less */
	bool connecting, want_write, shut_wr, closed, was_reset;
};

struct fake_tcp {
	struct tcp *t;
	struct tcp_config cfg; /* change before fake_tcp_start() */
	struct flow_tab flows;
	struct wheel wheel;
	int64_t now_ms;
	bool kicked, in_flush;
	unsigned int kicks;

	struct fake_seg out[FAKE_SEGS]; /* to the guest */
	unsigned int n;
	/* Instead of keeping it, if set: the segment is borrowed. */
	void (*on_out)(void *arg, const struct fake_seg *s);
	void *on_out_arg;
	unsigned int full_after; /* emit says -ENOBUFS after so many; 0 = never */
	unsigned int emitted;
	struct {
		const uint8_t *p;
		uint8_t *copy;
		size_t len;
	} lent[512];
	unsigned int nlent;

	struct fake_sock *sock[FAKE_SOCKS]; /* in order of creation */
	unsigned int nsock, live;
	enum tcp_verdict verdict;
	int connect_err;
	size_t peek_limit;
	size_t room;	/* of new sockets */
	size_t guest_room; /* what env.room() says, less what was emitted since */
	uint64_t full_nic; /* for its guest: 0 … */
	unsigned int full_asked; /* … which was said so often */
	/* What env.lend() gives, in pieces of FAKE_LEND bytes; 0: says lend_err. */
	size_t lend_room;
	int lend_err;
	bool lend_fault; /* peek() cannot write there */
	unsigned int nlend;
	bool lending;
	size_t lend_hdr;
	uint8_t lend_buf[TCP_LEND_PIECES * 4096];
	unsigned int asked; /* how often space() was called */
	size_t peek_max; /* most bytes of one peek(); 0 = any */
	unsigned int peeks;
	bool quiet;	 /* what quiet() says */
	bool can_rest;	 /* there is env.rest(); set before the start … */
	unsigned int rests; /* … how often it was called */
	/* Real sockets instead of the fake ones; set before the start. */
	const struct tcp_host_ops *ops;
	void *ops_arg;
	struct endpoint redirect; /* where every SYN leads, unless port is 0 */

	struct tcp_unreach unreach;
	unsigned int nunreach;
	struct tcp_icmp icmp; /* what hosts' sockets were told; type 0 = nothing */
	struct tcp_icmp told; /* what the last unreach.icmp pointed to */
	uint8_t ttl;	      /* of the last connect */
	uint64_t ended_forward, ended_out, ended_in;
	unsigned int nended, nanswered;
};

/* Defaults; then fake_tcp_start(). The struct is large: not on the stack. */
void fake_tcp_init(struct fake_tcp *r);
void fake_tcp_start(struct fake_tcp *r);
/* Ends the core; checks that no socket is left. */
void fake_tcp_stop(struct fake_tcp *r);

/* Forget the segments kept. */
void fake_tcp_clear(struct fake_tcp *r);
/* tcp_flush() while it is due. */
void fake_tcp_settle(struct fake_tcp *r);
/* Let time pass, with timers and flushes on the way. */
void fake_tcp_wait(struct fake_tcp *r, int64_t ms);

/* A segment from the guest, without a flush. @cut: bytes of l4 that are really
 * there (SIZE_MAX = all). In @pieces iovecs of about the same size. */
void fake_tcp_put(struct fake_tcp *r, const struct fake_seg *s, size_t cut,
		  unsigned int pieces);

/* ---- the host's side ------------------------------------------------------ */

void fake_sock_connected(struct fake_sock *s, int err);
void fake_sock_push(struct fake_sock *s, const void *p, size_t len);
void fake_sock_eof(struct fake_sock *s);
void fake_sock_fail(struct fake_sock *s, int err); /* as a RST from the peer */
void fake_sock_room(struct fake_sock *s, size_t room);
/* A socket that a forward accepted, for tcp_accept(). */
struct fake_sock *fake_sock_accepted(struct fake_tcp *r);

/* ---- a scripted guest ------------------------------------------------------ */

#define FAKE_WND 65535

/** struct fake_conn - What the guest of a test knows of its connection. */
struct fake_conn {
	struct fake_tcp *r;
	struct endpoint me, peer;
	uint64_t nic_id;
	uint32_t seq, ack;
	uint16_t wnd;
	/* Set before the SYN: with timestamps. The test moves tsval on; tsecr is
	 * what fake_conn_open() and fake_conn_ack_all() heard last. */
	bool ts;
	uint32_t tsval, tsecr;
	bool sack_ok; /* as above */
	struct fake_sock *s;
};

struct fake_conn fake_conn_make(struct fake_tcp *r, uint16_t port);
/* Send with the connection's numbers, which it does not change; then settle. */
void fake_conn_send(struct fake_conn *c, uint8_t flags, const void *p,
		    size_t len);
/* SYN with MSS 1460 and window scale 7. */
void fake_conn_syn(struct fake_conn *c);
/* The whole handshake; the host accepts. Clears the segments. */
struct fake_conn fake_conn_open(struct fake_tcp *r, uint16_t port);
/* The same of one that is set up as the test wants it. */
void fake_conn_begin(struct fake_conn *c);
/* As fake_conn_send() with F_ACK|F_PSH, then counts the bytes as sent. */
void fake_conn_data(struct fake_conn *c, const void *p, size_t len);
/* Acknowledge everything kept so far, in order. Clears. */
void fake_conn_ack_all(struct fake_conn *c);

/* The last segment kept; must be there. */
const struct fake_seg *fake_tcp_last(const struct fake_tcp *r);
/* How many kept segments have all of @flags. */
unsigned int fake_tcp_count(const struct fake_tcp *r, uint8_t flags);

#endif
