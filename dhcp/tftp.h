/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A read-only TFTP server for booting guests (RFC 1350; options 2347, 2348 blksize,
 * 2349 timeout and tsize, 7440 windowsize). A core: datagrams and the time go in,
 * datagrams come out through the ops; files are handles that somebody else opens.
 *
 * Theory of operation. A read request takes a free slot and a port of its own (the
 * server's TID) and asks for the file:
 *
 *	OPENING -tftp_opened()-> OFFERED (options told, ACK 0 awaited) -> SENDING
 *	OPENING -tftp_opened(), no options-> SENDING -last block acknowledged-> (free)
 *	any -ERROR, silence, end of the file's owner-> (free)
 *
 * UEFI's firmware asks for a file's size (tsize), is told and ends that transfer with an
 * ERROR, to ask again for the file itself: nothing failed.
 *
 * SENDING keeps no data: what is not acknowledged is read again when it is to be sent
 * again. A client's repeated request meets its slot, so it costs nothing; an ACK that
 * comes twice is not answered twice (RFC 1123 4.2.3.1). In a window of blocks it may mean
 * that the first ones were lost (RFC 7440 4): if nothing else comes for a moment, the
 * window is sent again. At once would be for each copy of a window another one.
 *
 * Writing and "mail" are refused. Files in netascii have no tsize: their length on
 * the wire is not their length on the disk.
 */
#ifndef VNET_DHCP_TFTP_H
#define VNET_DHCP_TFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/inet.h"

#define TFTP_PORT	  69
#define TFTP_NAME_MAX	  255  /* characters of a file's name */
#define TFTP_SESSIONS_MAX 24   /* transfers at a time; more: refused, client repeats */
#define TFTP_PER_NIC	  8    /* … of one NIC */
#define TFTP_BLOCK	  512  /* without blksize (RFC 1350 5) */
#define TFTP_BLOCK_MIN	  8    /* RFC 2348 */
#define TFTP_WINDOW_MAX	  16   /* blocks in flight that we agree to */
#define TFTP_TIMEOUT_MS	  1000 /* doubled with each try; a client's own is not */
#define TFTP_TIMEOUT_MAX_S 10 /* a client's own; longer ones are not agreed to */
#define TFTP_AGAIN_MS	  20   /* after a repeated ACK in a window */
#define TFTP_TRIES	  6    /* sent this often without an answer: given up */
#define TFTP_NEVER	  INT64_MAX

/** struct tftp_in - A datagram to one of our ports; borrowed. */
struct tftp_in {
	const uint8_t *data;
	size_t len;
	uint32_t src_ip;
	uint16_t src_port;
	uint16_t dst_port; /* TFTP_PORT, or one that ops->take() gave */
	struct mac src_mac;
	uint64_t nic_id;
};

/** struct tftp_out - A datagram to a guest; borrowed for the call. */
struct tftp_out {
	uint16_t src_port;
	uint32_t dst_ip;
	uint16_t dst_port;
	struct mac dst_mac;
	const uint8_t *data;
	size_t len;
};

/** struct tftp_end - How a transfer ended, for the log; borrowed for the call. */
struct tftp_end {
	uint32_t ip;
	uint64_t nic_id;
	const char *name;  /* as asked for: foreign text */
	uint64_t bytes;	   /* acknowledged, options not counted */
	const char *error; /* NULL: the client has what it wanted */
	bool size_only;	   /* … which was the size: firmware asks before it loads */
};

/* All are called from within the functions below and must not call back, except
 * that open() may be answered at once by tftp_opened(). */
struct tftp_ops {
	/* Open @name (not empty, no NUL, otherwise foreign) and say how it went
	 * with tftp_opened(@token). */
	void (*open)(void *arg, uint64_t token, const char *name);
	/* As pread(2): up to @len bytes at @off, fewer at the end only; negative
	 * errno. */
	ssize_t (*read)(void *arg, int handle, uint64_t off, void *buf,
			size_t len);
	void (*close)(void *arg, int handle);
	void (*send)(void *arg, const struct tftp_out *out);
	/* Datagrams to @port are for tftp_input() from now on: 0, or negative
	 * errno when the port is somebody else's. */
	int (*take)(void *arg, uint16_t port);
	void (*give)(void *arg, uint16_t port);
	void (*ended)(void *arg, const struct tftp_end *end);
};

struct tftp_stats {
	uint64_t requests;  /* valid ones, repeated ones not counted */
	uint64_t done;	    /* transfers that arrived; sizes told */
	uint64_t failed;    /* given up: silence, the client's ERROR, reading */
	uint64_t refused;   /* no such file, no slot, writing */
	uint64_t malformed; /* datagrams */
	uint64_t bytes;	    /* of files, acknowledged */
	unsigned int active;
};

struct tftp;

/**
 * tftp_new() - A server without transfers
 * @block_max: longest block we agree to (what the MTU carries unfragmented, less 4)
 * @seed: random; chooses ports
 *
 * @ops and @arg outlive it. NULL without memory; all that it will ever need.
 */
struct tftp *tftp_new(const struct tftp_ops *ops, void *arg, size_t block_max,
		      uint64_t seed);

/* Transfers end without a word to the clients; handles are closed, ports given
 * back. NULL is fine. */
void tftp_free(struct tftp *t);

/* One datagram. Total. */
void tftp_input(struct tftp *t, const struct tftp_in *in, int64_t now_ms);

/**
 * tftp_opened() - The answer to ops->open()
 * @handle: the file, ours now (closed at once when nobody waits any more); or
 *	negative errno: -ENOENT, -EACCES and what else open(2) says
 * @size: bytes
 */
void tftp_opened(struct tftp *t, uint64_t token, int handle, uint64_t size,
		 int64_t now_ms);

/* The NIC is gone: so are its transfers. */
void tftp_nic_del(struct tftp *t, uint64_t nic_id);

void tftp_tick(struct tftp *t, int64_t now_ms);
int64_t tftp_deadline(const struct tftp *t); /* TFTP_NEVER */

void tftp_stats(const struct tftp *t, struct tftp_stats *out);

#endif
