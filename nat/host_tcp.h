/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's TCP sockets under the core of tcp.h: non-blocking, on the owner's
 * event loop. Needs an event base with edge triggered events (epoll).
 */
#ifndef VNET_NAT_HOST_TCP_H
#define VNET_NAT_HOST_TCP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct host_tcp;
struct tcp_host_ops;

/* For struct tcp_env, with the struct host_tcp as host_arg. */
extern const struct tcp_host_ops host_tcp_ops;

enum host_tcp_peek {
	HOST_TCP_PEEK_AUTO, /* by SO_PEEK_OFF if the kernel has it for TCP (6.9) */
	HOST_TCP_PEEK_COPY, /* always skip over a bounded buffer */
};

/* Monotonic milliseconds, for events. */
typedef int64_t (*host_tcp_now_fn)(void *arg);

/* Return: 0, -ENOTSUP (the base has no edge triggered events), -ENOMEM. */
int host_tcp_new(struct event_base *base, enum host_tcp_peek peek,
		 host_tcp_now_fn now, void *now_arg, struct host_tcp **out);

/* All sockets must have been closed (tcp_free() first). NULL is fine. */
void host_tcp_free(struct host_tcp *h);

/**
 * host_tcp_adopt() - Take an accepted connection, for tcp_accept()
 * @fd: taken over on success; does not block, and its listener had host_tcp_options()
 *
 * When tcp_accept() then fails, give it to host_tcp_ops.close().
 *
 * Return: 0 or -ENOMEM.
 */
int host_tcp_adopt(struct host_tcp *h, int fd, void **sock);

/* What the core's sockets have, for a listener that hands it down. */
void host_tcp_options(int fd);

struct host_tcp_stats {
	uint32_t sockets;	/* now */
	uint64_t no_descriptor; /* socket() failed: EMFILE, ENFILE, … */
	bool peek_off;		/* SO_PEEK_OFF is used */
};

void host_tcp_stats(const struct host_tcp *h, struct host_tcp_stats *out);

#endif
