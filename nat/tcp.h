/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's TCP (RFC 9293): guests' connections end here and are carried on over
 * sockets of the host, and clients of forwards are carried to guests. A pure core:
 * packets, socket events and time come in by calls; segments and socket requests go
 * out through struct tcp_env. host_tcp.h has the real sockets.
 *
 * No payload is kept here but what comes before its turn. Guest to host: the packet's
 * own bytes are offered to the socket and what it took is acknowledged. Host to guest: bytes stay in the socket,
 * are peeked at for (re)transmission and discarded when the guest acknowledged them.
 *
 * How to drive it:
 *   tcp_input() for each TCP packet from a guest; it sends nothing but resets.
 *   tcp_host_*() for socket events.
 *   tcp_flush() at the end of a turn: acknowledgements and data leave in it. It is
 *   due whenever env->kick was called since the last one.
 *   Timers live in the owner's wheel and end in env->kick too.
 */
#ifndef VNET_NAT_TCP_H
#define VNET_NAT_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/inet.h"
#include "nat/flow.h" /* struct endpoint */

struct tcp;
struct tcp_flow;
struct wheel;

#define TCP_HDR		 20
#define TCP_HDR_MAX	 60
#define TCP_LEND_PIECES	 16
#define TCP_IDLE_MS	 (124 * 60 * 1000) /* RFC 5382 REQ-5: 2 h 4 min */
#define TCP_KEEP_MS	 (5 * 60 * 1000) /* an idle guest is asked so often */
#define TCP_TRANSIENT_MS (4 * 60 * 1000)   /* the same, opening and closing */
#define TCP_TIME_WAIT_MS 10000

/** struct tcp_pkt - A packet from a guest; everything is borrowed. */
struct tcp_pkt {
	struct ipaddr src, dst;
	uint64_t nic_id;
	uint8_t ttl; /* a router's further way for it; 0 = does not matter */
	/* Private copy of the first bytes of l4: all of them or at least
	 * TCP_HDR_MAX. The checksum was verified or needs no verification. */
	const uint8_t *head;
	size_t head_len;
	const struct iovec *l4; /* TCP header and payload, at most FRAME_SEGS */
	int nl4;
	size_t l4_len;
};

/** struct tcp_out - A segment to a guest. */
struct tcp_out {
	struct ipaddr src, dst;
	uint64_t nic_id;
	const uint8_t *hdr; /* TCP header, checksum 0; valid during the call */
	size_t hdr_len;
	const struct iovec *v; /* array valid during the call … */
	int n;		       /* … 0 without payload */
	size_t len;	       /* bytes of payload; lent until emit_flush() */
	uint16_t gso_size;     /* payload is longer than this: segment; 0 = no */
};

enum tcp_verdict {
	TCP_CONNECT,	/* connect to the endpoint written to @to */
	TCP_SERVE,	/* to a service of our own, of env->service */
	TCP_RESET,	/* refuse with RST */
	TCP_DROP,	/* silently */
	TCP_PROHIBITED, /* ICMP: administratively prohibited */
};

enum tcp_unreach_why {
	TCP_UNREACH_NET,
	TCP_UNREACH_HOST,
	TCP_UNREACH_ADMIN,
};

/** struct tcp_icmp - What the way said about a connect that failed. */
struct tcp_icmp {
	struct ipaddr from; /* who says so; its family tells ICMP from ICMPv6 */
	uint8_t type, code;
};

/** struct tcp_unreach - A guest's SYN that could not be carried on. */
struct tcp_unreach {
	struct ipaddr src, dst; /* of the SYN: src is the guest */
	uint64_t nic_id;
	enum tcp_unreach_why why;
	const struct tcp_icmp *icmp; /* if it is known, instead of why */
	uint8_t l4[TCP_HDR]; /* its header as far as an error quotes it */
};

/** struct tcp_call - A connection to open for a guest. */
struct tcp_call {
	struct endpoint guest, to;
	uint8_t ttl; /* as in struct tcp_pkt */
};

/**
 * struct tcp_host_ops - Sockets of the host
 *
 * A socket is an opaque pointer, valid until close(). None of these may call
 * back into the core; events come later through tcp_host_*(). After close() no
 * event of the socket may come any more.
 */
struct tcp_host_ops {
	/* Start to connect. 0: *@sock is set, tcp_host_connected() will tell. Or
	 * the negative errno. */
	int (*connect)(void *host, struct tcp_flow *f,
		       const struct tcp_call *call, void **sock);
	/* Why connecting failed, when somebody on the way told. May be NULL. */
	bool (*why)(void *sock, struct tcp_icmp *out);
	/* The flow that an accepted socket belongs to; events may come now. */
	void (*attach)(void *sock, struct tcp_flow *f);
	/* Offer bytes: how many were taken (> 0), -EAGAIN when none (then
	 * tcp_host_writable() follows), or another negative errno. */
	ssize_t (*send)(void *sock, const struct iovec *v, int n);
	/* Copy bytes from @off bytes behind the first unread one on. 0: end of
	 * stream is there; -EAGAIN: nothing yet, tcp_host_readable() follows. */
	ssize_t (*peek)(void *sock, size_t off, const struct iovec *v, int n);
	/* peek() gave less than it could: as far as is known, is there nothing behind
	 * that, not even the end? Then tcp_host_readable() follows, but for a reset
	 * or bytes behind a mark of urgent data. May be NULL: one has to look. */
	bool (*quiet)(void *sock);
	/* Consume @len bytes that were peeked at. 0 or negative errno. */
	int (*discard)(void *sock, size_t len);
	/* About how many bytes send() would take. When that is little compared to
	 * its buffer, tcp_host_writable() follows as soon as it is more. */
	size_t (*space)(void *sock);
	/* Most bytes that may lie between the first unread byte and the end of
	 * what peek() returns; SIZE_MAX when it does not matter. */
	size_t (*peek_limit)(void *sock);
	void (*shutdown_wr)(void *sock);
	/* @reset: RST to the peer, else what was taken is still delivered. */
	void (*close)(void *sock, bool reset);
	/* Ask the peer whether it lives after @idle_s seconds of silence; that it
	 * does not comes by tcp_host_error(). May be NULL. */
	void (*keep_alive)(void *sock, uint32_t idle_s);
	/* Our end on the host; false = unknown. */
	bool (*local)(void *sock, struct endpoint *out);
};

/** struct tcp_env - The world around; copied by tcp_new(), pointers borrowed. */
struct tcp_env {
	void *arg; /* first argument of the functions below */
	struct wheel *wheel;
	const struct tcp_host_ops *host;
	void *host_arg; /* first argument of host->connect */
	/* "Sockets" of TCP_SERVE: services inside this process. May be NULL when
	 * route never says that; attach is not called. */
	const struct tcp_host_ops *service;
	void *service_arg;

	/* Where does this SYN lead? @to is preset to its destination. */
	enum tcp_verdict (*route)(void *arg, const struct tcp_pkt *p,
				  struct endpoint *to);
	/* A segment to a guest. With payload only from within tcp_flush().
	 * 0, or -ENOBUFS: no room, it is tried again after a short while. Any
	 * other error counts as lost on the wire. */
	int (*emit)(void *arg, const struct tcp_out *o, int64_t now_ms);
	/* Bytes of frames of a flow (switch/steer.h) that the NIC's guest takes now
	 * without loss; what is more waits in the host's sockets. Less than a segment: tcp_room() or a timer
	 * tells when to ask again. May be NULL: any. */
	size_t (*room)(void *arg, uint64_t nic_id, uint32_t flow);
	/* Lent payload is taken back on return. */
	void (*emit_flush)(void *arg);
	/* Memory of the guest's own for the payload of the next segment to it, which
	 * nobody has to copy then. @hdr_len: of its TCP header; @len: in: bytes; out:
	 * bytes there is room for; @v: TCP_LEND_PIECES. Pieces in @v: lend_end()
	 * follows, after that one emit() or without. 0: not in this way; -EAGAIN:
	 * there is none now, tcp_room() or a timer tells. NULL: never. */
	int (*lend)(void *arg, uint64_t nic_id, uint32_t flow, bool v4,
		    size_t hdr_len, size_t *len, struct iovec *v);
	void (*lend_end)(void *arg);
	void (*unreach)(void *arg, const struct tcp_unreach *u, int64_t now_ms);
	/* tcp_flush() is due soon. Not called from within tcp_flush() except
	 * when work is left over for the next turn. */
	void (*kick)(void *arg);
	/* tcp_rest() is due when there is nothing else to do, or after a moment.
	 * NULL: what could wait for that does not. */
	void (*rest)(void *arg);
	/* The accounts of NICs; its end_tcp is for the owner to set to
	 * tcp_give_up(). */
	struct flow_tab *flows;
	/* A forward's flow is over; @answered: the guest had accepted it;
	 * payload as in struct tcp_flow_info. Must not call the core. May be
	 * NULL. */
	void (*forward_end)(void *arg, uint64_t forward_id, bool answered,
			    uint64_t bytes_out, uint64_t bytes_in);
};

struct tcp_config {
	uint16_t mtu;		 /* of the network; at least 576 */
	uint32_t flows_max;	 /* in all; 0 = 65536 */
	uint32_t nic_flows_max;	 /* per NIC; 0 = 1024. Clients of forwards: 7/8 */
	uint32_t nic_opening_max; /* per NIC, connects under way; 0 = 128 */
	uint64_t seed[2];	 /* secret: hash table, initial sequence numbers */
};

/* NULL when out of memory. */
struct tcp *tcp_new(const struct tcp_env *env, const struct tcp_config *cfg);

/* Resets all host sockets, says nothing to guests. NULL is fine. */
void tcp_free(struct tcp *t);

/* A packet from a guest. Malformed ones are counted and dropped; packets of no
 * flow are answered with RST, so that guests recover at once from our restart. */
void tcp_input(struct tcp *t, const struct tcp_pkt *p, int64_t now_ms);

/* Send what is due. Bounded: what is left over kicks again. */
void tcp_flush(struct tcp *t, int64_t now_ms);

/* Acknowledgements that were kept back in case an answer comes at once: tcp_flush() sends
 * them. A guest that begins a connection with a request gets one segment for two so. */
void tcp_rest(struct tcp *t);

/* A guest that had no room has some again. */
void tcp_room(struct tcp *t);

/** struct tcp_accept - A forward's client that was accepted. */
struct tcp_accept {
	void *sock;		/* taken over on success only */
	struct endpoint guest;	/* where it shall lead */
	struct endpoint shown;	/* who the guest sees as its peer */
	bool any_port; /* shown.port is only a wish: take another if it is used */
	uint64_t nic_id;
	uint64_t forward_id;
};

/**
 * tcp_accept() - Carry a forward's client to a guest
 *
 * The guest gets a SYN. If it refuses or does not answer the client is reset.
 *
 * Return: 0; -ENOSPC (a limit), -EEXIST (such a flow exists), -ENOMEM.
 */
int tcp_accept(struct tcp *t, const struct tcp_accept *a, int64_t now_ms);

/* ---- events of host sockets ---------------------------------------------- */

/* Each of these may close the socket before it returns. */

/* connect() ended: @err 0 or a negative errno. */
void tcp_host_connected(struct tcp_flow *f, int err, int64_t now_ms);
/* Bytes or the end of the stream arrived since peek() last said -EAGAIN. */
void tcp_host_readable(struct tcp_flow *f, int64_t now_ms);
/* There is room again. */
void tcp_host_writable(struct tcp_flow *f, int64_t now_ms);
/* The connection failed; bytes that arrived before may still be peeked at. */
void tcp_host_error(struct tcp_flow *f, int err, int64_t now_ms);
/* Reset both sides now, whatever the guest has not read yet. */
void tcp_host_abort(struct tcp_flow *f, int64_t now_ms);

/* ---- limits -------------------------------------------------------------- */

/* As in struct tcp_config, from now on; what is beyond them already stays. */
void tcp_set_limits(struct tcp *t, uint32_t nic_flows_max,
		    uint32_t nic_opening_max);

/* End the connection of the NIC that it misses least, for its descriptor: the oldest
 * call under way (silently: the guest asks again), else the one idle longest (both
 * sides are reset). False when none has a descriptor. */
bool tcp_give_up(struct tcp *t, struct flow_nic *nic, int64_t now_ms);

/* ---- ends ---------------------------------------------------------------- */

/* The NIC is gone: its flows end, host peers are reset, nothing to the guest. */
void tcp_nic_gone(struct tcp *t, uint64_t nic_id);
/* The forward is gone: both sides of its flows are reset. */
void tcp_forward_gone(struct tcp *t, uint64_t forward_id, int64_t now_ms);

/**
 * tcp_address_gone() - The host has the @n addresses at @ip no more
 *
 * Both sides of flows whose host socket has one of them are reset. A guest whose call
 * is not through yet is told nothing: its next SYN makes another one.
 */
void tcp_address_gone(struct tcp *t, const struct ipaddr *ip, size_t n,
		      int64_t now_ms);

/**
 * tcp_slept() - The host slept for @slept_ms that @now_ms does not count
 *
 * Idle times do: what is closing may end, what is open is asked.
 */
void tcp_slept(struct tcp *t, int64_t slept_ms, int64_t now_ms);

/** struct tcp_flow_info - One flow as shown to people. */
struct tcp_flow_info {
	uint64_t id; /* odd; later flows have greater ones */
	uint64_t nic_id, forward_id;	 /* forward_id 0 = opened by the guest */
	struct endpoint guest, outside; /* outside: as the guest sees it */
	struct endpoint host;	 /* where a guest's connection leads in fact */
	uint16_t host_port;	 /* our end on the host; 0 = unknown */
	const char *state;	 /* RFC 9293 names in lower case; static text */
	uint64_t bytes_out, bytes_in; /* payload, from the guest's view out */
	uint64_t packets_out, packets_in; /* segments of any kind */
	int64_t born_ms, used_ms;
};

void tcp_flow_info(const struct tcp_flow *f, struct tcp_flow_info *out);

/* Reset both sides of all flows that @match picks. @match must not call the core. */
void tcp_end_matching(struct tcp *t,
		      bool (*match)(void *arg, const struct tcp_flow_info *i),
		      void *arg, int64_t now_ms);

/* ---- looking in ---------------------------------------------------------- */

struct tcp_stats {
	uint32_t flows;	  /* now, all states */
	uint32_t opening; /* of these: connects under way */
	uint32_t time_wait;
	uint64_t opened, accepted; /* by guests, through forwards */
	uint64_t established;	   /* handshakes completed */
	uint64_t refused;	/* connects that failed */
	uint64_t limited;	/* SYNs and clients refused by a limit */
	uint64_t no_descriptor; /* refused: no descriptor or memory for a socket */
	uint64_t denied;	/* by env->route */
	uint64_t segs_in, segs_out;
	uint64_t bytes_in, bytes_out; /* payload from, to guests */
	uint64_t bad;		/* malformed packets */
	uint64_t wrong_nic;	/* from another NIC than the flow's */
	uint64_t no_flow;	/* answered with RST */
	uint64_t out_of_order;	/* segments with payload beyond a gap */
	uint64_t held_bytes;	/* payload kept for its turn … */
	uint64_t not_kept;	/* … and dropped for want of room */
	uint64_t old_duplicates; /* by their timestamps, dropped (RFC 7323 5) */
	uint64_t rexmits;	/* data, SYN or FIN sent again */
	uint64_t timeouts;	/* retransmission timers that fired */
	uint64_t fast_rexmits;	/* losses noticed by duplicate ACKs */
	uint64_t probes;	/* into a closed window */
	uint64_t keep_alives;	/* to idle guests */
	uint64_t challenges;	/* RFC 5961 */
	uint64_t resets_in, resets_out; /* from, to guests */
	uint64_t timed_out;	/* flows ended by silence */
	uint64_t no_room;	/* emit said -ENOBUFS */
	uint64_t held;		/* a flow had to wait for room at its guest */
};

void tcp_stats(const struct tcp *t, struct tcp_stats *out);

/* Visit the flows behind the one with id @after (0: all), oldest first; @fn must not
 * change anything. False stops. */
void tcp_walk(struct tcp *t, uint64_t after,
	      bool (*fn)(void *arg, const struct tcp_flow_info *i), void *arg);

#endif
