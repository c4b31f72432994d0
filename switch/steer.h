/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of its receive rings a guest wants a flow's frames in: the one beside the ring
 * that it sends that flow's frames on, so that one of its processors has both (virtio 1.2,
 * 5.1.6.5.6: "the device SHOULD cause incoming packets for that flow to be steered to
 * receiveqX").
 *
 * A flow is a number here, the same for both directions. Flows that share a slot of the
 * table follow whichever spoke last: that costs a guest some locality, and nobody else
 * anything.
 */
#ifndef VNET_SWITCH_STEER_H
#define VNET_SWITCH_STEER_H

#include "lib/bytes.h"
#include "lib/inet.h"

#define STEER_BITS 9

struct steer {
	uint8_t to[1 << STEER_BITS]; /* pair of rings + 1; 0 = not known */
};

/* One end of a flow; @words: of 32 bits in its address. */
static inline uint32_t steer_end(const uint8_t *addr, unsigned int words,
				 uint16_t port)
{
	uint32_t h = port;

	for (unsigned int i = 0; i < words; i++) {
		h = (h ^ get_be32(addr + 4 * (size_t)i)) * 0x9e3779b1u;
		h ^= h >> 15;
	}
	return h;
}

/* Never 0, which is no flow. */
static inline uint32_t steer_ends(uint32_t a, uint32_t b)
{
	uint32_t h = (a + b) * 0x85ebca6bu;

	h ^= h >> 16;
	return h ? h : 1;
}

/* The flow of packets between two endpoints; ports are 0 where there are none. */
static inline uint32_t steer_flow(const struct ipaddr *a, uint16_t a_port,
				  const struct ipaddr *b, uint16_t b_port)
{
	unsigned int words = ipaddr_is4(a) ? 1 : 4;
	size_t at = 16 - 4 * (size_t)words;

	return steer_ends(steer_end(a->b + at, words, a_port),
			  steer_end(b->b + at, words, b_port));
}

/**
 * steer_frame() - The same of a frame
 * @len: bytes at @p, which may be fewer than the frame has
 *
 * Ports are those of TCP and UDP. Return: 0: not IP, a fragment, or cut off.
 */
uint32_t steer_frame(const uint8_t *p, size_t len);

/* The pair that @flow was last seen on; -1: not known. */
static inline int steer_get(const struct steer *s, uint32_t flow)
{
	return s->to[flow >> (32 - STEER_BITS)] - 1;
}

static inline void steer_set(struct steer *s, uint32_t flow, unsigned int pair)
{
	s->to[flow >> (32 - STEER_BITS)] = (uint8_t)(pair + 1);
}

/* One of @n for a flow of which nothing is known. */
static inline unsigned int steer_any(uint32_t flow, unsigned int n)
{
	return (flow & 0xffff) * n >> 16;
}

#endif
