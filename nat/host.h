/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host side of the gateway shares: receiving datagrams in batches with what
 * the kernel tells beside them, sending with TTL, TOS and source address, and
 * reading the error queue. Each kind of socket is a file of its own: host_udp.c,
 * host_icmp.c, host_dns.c, host_forward.c (and host_tcp.c, on its own feet).
 */
#ifndef VNET_NAT_HOST_H
#define VNET_NAT_HOST_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "lib/pool.h"
#include "nat/gateway.h"

#define HOST_BATCH  32
#define HOST_DGRAM  65536
#define HOST_RCVBUF (1024 * 1024) /* of sockets to which many come at once */
#define HOST_ERRORS 16 /* read from one error queue per wake-up */

struct host_tcp;

/* A datagram received. */
struct host_msg {
	struct endpoint from;
	struct ipaddr local; /* IP(V6)_PKTINFO: our address; zero = not told */
	uint8_t ttl, tos;
	uint8_t *data;
	size_t len;
	uint16_t gso; /* as udp_recv.gso */
};

/** struct host_burst - How datagrams (or clients) come to a socket; the caller's, zero
 * at first. */
struct host_burst {
	uint8_t lonely; /* calls in a row that found a single one */
	uint8_t less;	/* messages fewer than HOST_BATCH that are asked for */
	bool busy;	/* many came at once: it has a larger receive buffer, and what
			 * was sent together comes together */
};

/* Echo of one family over a raw socket; see host_icmp.c. */
struct host_raw {
	struct host *host;
	int fd; /* -1 = none */
	int8_t df; /* state of host_set_df() */
	struct event ev;
	struct htab ids; /* struct icmp_sock by identifier */
};

/** struct host - Shared by all sockets of one gateway; made by nat.c. */
struct host {
	struct event_base *base;
	struct gateway *gw;
	struct host_tcp *tcp;
	/* Begin and end of every event callback. */
	int64_t (*turn)(void *arg);
	void (*turn_end)(void *arg, int64_t now_ms);
	void *arg;
	struct pool udp_pool; /* host_udp.c's sockets */
	struct host_rx *rx; /* of host_recv() */
	uint8_t *buf;	    /* HOST_DGRAM of it, for who receives by itself */
	struct host_msg msg[HOST_BATCH];
	struct host_raw raw[2]; /* IPv4, IPv6 */
};

extern const struct udp_host host_udp_ops;	   /* arg: struct host */
extern const struct icmp_host host_icmp_ops;
extern const struct dns_host host_dns_ops;
extern const struct forward_host host_forward_ops;

/* 0 or -ENOMEM. */
int host_init(struct host *h);
void host_fini(struct host *h);

/* Begin to listen on the family's @raw_fd (taken over); -1 is fine. -EEXIST when
 * there is one already. */
int host_icmp_raw(struct host *h, bool ip6, int raw_fd);
void host_icmp_raw_close(struct host *h);

/* Put a forward's descriptor to work: 0 or negative errno, @fd is the caller's
 * then. Sets @f->host. */
int host_forward_open(struct host *h, struct forward *f, int fd);

/* Give it another one, -1 for none, in place of what it has. On failure it has none,
 * and @fd is the caller's. UDP flows that cannot be answered over it end. */
int host_forward_swap(struct host *h, struct forward *f, int fd);

/* How many to ask for: one where one came so often in a row, but for as many as there
 * may be (@most) now and then. What came is noted by the other. */
unsigned int host_burst_ask(struct host_burst *b, unsigned int most);
void host_burst_got(struct host_burst *b, unsigned int n);

/**
 * host_recv() - Receive up to HOST_BATCH messages into h->msg
 * @b: of this socket, which is asked for one at a time then while no more come. When many
 *	do it gets a larger buffer: what it holds by default is a few ms of them, and
 *	that long a worker may have to wait for a processor. From then on a message
 *	may be many datagrams (UDP_GRO, Linux 5.0). NULL: nothing of that
 *
 * The messages stay until the next call. There may be more to receive.
 *
 * Return: how many, or negative errno.
 */
int host_recv(struct host *h, int fd, struct host_burst *b);

/**
 * host_recv_err() - Take one error off the socket's queue
 * @buf, @cap: storage for the quoted bytes
 *
 * Return: 1 with @e filled in, 0 for one that is of no interest, -EAGAIN when the
 * queue is empty.
 */
int host_recv_err(int fd, struct host_err *e, uint8_t *buf, size_t cap);

/**
 * host_send() - Send one datagram, or several of one size
 * @local: source address to use (zero = the kernel's choice)
 * @plain: set when the kernel cannot send several at once (UDP_SEGMENT, Linux 4.18,
 *	and a way that computes checksums); the caller's, per socket. NULL is
 *	fine for a single one
 */
int host_send(int fd, const struct udp_send *s, const struct ipaddr *local,
	      bool *plain);

/* Make the socket set or clear DF, when *@state says it does otherwise. IPv6: refuse
 * what is longer than the path takes, or send it in fragments. */
void host_set_df(int fd, bool ip6, bool df, int8_t *state);

/* Ask for TTL, TOS and errors with what is received. */
int host_recv_options(int fd, bool ip6, bool pktinfo);

/* Bind to any address of the family: 0 with the port (ping sockets: identifier) in
 * *@got, or negative errno. @want 0: the kernel's choice. */
int host_bind(int fd, bool ip6, uint16_t want, uint16_t *got);

#endif
