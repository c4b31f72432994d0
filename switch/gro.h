/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Datagrams that follow each other on one way, put together into one frame that is still
 * to be cut (GSO_UDP_L4), so that what lies behind costs once for all of them: a write to
 * a TAP, or the gateway and a system call on the way out.
 */
#ifndef VNET_SWITCH_GRO_H
#define VNET_SWITCH_GRO_H

#include "switch/frame.h"

/**
 * gro_udp() - Put the first frames of a batch together, if they belong together
 * @f, @n: the batch
 * @out: the large frame; its payload stays where it was
 * @hdr: its first bytes, for seg[0]
 *
 * They do if they are UDP in IPv4 or IPv6 without fragments or extension headers, have
 * the same addresses, ports and header fields, leave the checksum to be finished and
 * have the same length, but for the last one, which may be shorter.
 *
 * Return: how many of them are in @out; 1: the first stands alone, @out is not set.
 */
unsigned int gro_udp(const struct frame *const *f, unsigned int n,
		     struct frame *out, uint8_t hdr[FRAME_HDR]);

#endif
