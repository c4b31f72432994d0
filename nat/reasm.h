/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reassembly of guests' fragments (RFC 791, RFC 815; RFC 8200 4.5; RFC 4787 REQ-14:
 * in any order). Bounded per NIC (FLOW_REASM; the oldest makes room) and to 30 s,
 * in IPv6 60 s. Fragments that overlap with other content end their datagram
 * (RFC 5722 for IPv6): nobody sends such in good faith.
 */
#ifndef VNET_NAT_REASM_H
#define VNET_NAT_REASM_H

#include "nat/ipout.h"

#define REASM_TIMEOUT_MS  30000
#define REASM_TIMEOUT6_MS 60000 /* RFC 8200 4.5 */

struct reasm_gram;

struct reasm {
	struct htab grams;
	struct flow_tab *flows; /* shared; FLOW_REASM is ours */
	struct wheel *wheel;
	struct ipout *out; /* for time exceeded; nullable */
	struct reasm_gram *done; /* the last finished one, kept for its bytes */
	uint64_t completed, failed;
};

/* 0 or -ENOMEM. Pointers are borrowed. */
int reasm_init(struct reasm *r, const uint64_t seed[2], struct flow_tab *flows,
	       struct wheel *wheel, struct ipout *out);
void reasm_fini(struct reasm *r);

/**
 * reasm_input() - A fragment came in
 * @k: in: the fragment; out, when whole: the datagram, with the first fragment's
 *	header and bytes that are valid until the next call; in IPv6 extension
 *	headers that were in the fragments are among these
 *
 * Return: 1 whole, 0 waiting (or a repeated fragment), -EBADMSG for a fragment that
 * contradicts the others, -ENOMEM, -ENOSPC.
 */
int reasm_input(struct reasm *r, struct pkt *k, int64_t now_ms);

#endif
