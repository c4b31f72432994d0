/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address that a frame's sender calls its own: by ARP and neighbour discovery, or
 * by sending from it. Total functions of bytes.
 */
#ifndef VNET_SWITCH_SENDER_H
#define VNET_SWITCH_SENDER_H

#include "lib/inet.h"
#include "switch/frame.h"
#include "switch/hdrs.h"

enum sender_kind {
	SENDER_NONE, /* nothing said, or an address that nobody can have */
	SENDER_DATA, /* source of an IP packet: maybe somebody else's, routed */
	SENDER_CLAIM /* ARP sender; source or target of neighbour discovery */
};

/* Is it neighbour discovery that says something about its sender? */
bool sender_is_nd(const struct frame *f, const struct hdrs *h);

/**
 * sender_ip() - Who sends @f?
 * @h: from hdrs_l2()
 *
 * A solicitation without source asks whether its target is free (RFC 4862 5.4.3):
 * that will be the sender's. Link-local addresses say nothing that the MAC does not
 * and are none here.
 */
enum sender_kind sender_ip(const struct frame *f, const struct hdrs *h,
			   struct ipaddr *ip);

#endif
