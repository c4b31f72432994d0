/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layout of a stream port's memory; for port_stream.c and its tests only.
 *
 * The memory (a memfd that the control process keeps) holds what a new worker needs
 * to go on in the middle of a frame: the bytes read but not yet handed on, and the
 * bytes accepted but not yet written. Each direction's state is one 64-bit word,
 * stored at once after the bytes it speaks of, so that a worker that is killed
 * leaves either the old state or the new one.
 *
 * Reading. A frame is taken off the state before the switch sees it: one that
 * kills the worker is lost, not repeated. Bytes that were read when the worker
 * died, but not yet recorded, are found by asking the kernel: SO_PEEK_OFF of a
 * unix socket is nothing but a counter here, which each read moves down by what it
 * took (the offset itself matters to MSG_PEEK only). The state contains the count
 * as it was last known. So nothing is lost or read twice at whatever instant the
 * worker dies; on other sockets, a death between read and store (microseconds)
 * loses the bytes and thereby the framing.
 *
 * Writing. No such counter exists; so the state says before a write how many bytes
 * are being offered. A worker that finds such an offer takes it as written whole,
 * since a process dies behind a system call, rarely before one. That is wrong only
 * if the worker died during a write that filled the socket's buffer; what is sent
 * from the queue is therefore bounded to what a writable socket has room for.
 */
#ifndef VNET_SWITCH_PORT_STREAM_INT_H
#define VNET_SWITCH_PORT_STREAM_INT_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "switch/drivers.h"

#define STREAM_MAGIC 0x31304d5254535456ULL /* "VTSTRM01" */

/* Longest frame that the framing allows: QEMU's NET_BUFSIZE. The switch drops
 * those over FRAME_MAX; what claims to be longer is no frame. */
#define STREAM_LEN_MAX (4096 + 65536)

#define STREAM_RX_CAP (256 * 1024)
#define STREAM_TX_CAP (STREAM_MEM_SIZE - 4096 - STREAM_RX_CAP)

struct stream_mem {
	uint64_t magic;
	uint64_t cookie; /* SO_COOKIE of the connection that this is about */
	_Atomic uint64_t rx; /* low to high: head 19 bits, tail 19, count 26 */
	_Atomic uint64_t tx; /* head 19 bits, used 19, offered 26 */
	uint8_t unused[4096 - 32];
	/* Bytes from head to tail are not handed on yet. */
	uint8_t rx_buf[STREAM_RX_CAP];
	/* A ring: @used bytes from @head on are to be written. */
	uint8_t tx_buf[STREAM_TX_CAP];
};

static_assert(sizeof(struct stream_mem) == STREAM_MEM_SIZE, "layout");
static_assert(STREAM_RX_CAP <= 1 << 18 && STREAM_TX_CAP <= 1 << 18,
	      "positions must fit 19 bits");

#define STREAM_COUNT_MASK ((1u << 26) - 1)

static inline uint64_t stream_pack(uint32_t a, uint32_t b, uint32_t c)
{
	return (uint64_t)a | (uint64_t)b << 19 |
	       (uint64_t)(c & STREAM_COUNT_MASK) << 38;
}

static inline uint32_t stream_a(uint64_t v)
{
	return (uint32_t)(v & ((1u << 19) - 1));
}

static inline uint32_t stream_b(uint64_t v)
{
	return (uint32_t)(v >> 19 & ((1u << 19) - 1));
}

static inline uint32_t stream_c(uint64_t v)
{
	return (uint32_t)(v >> 38) & STREAM_COUNT_MASK;
}

#endif
