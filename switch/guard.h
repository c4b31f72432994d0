/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a port with pinned addresses may send and get. Functions of bytes.
 */
#ifndef VNET_SWITCH_GUARD_H
#define VNET_SWITCH_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/inet.h"
#include "switch/frame.h"
#include "switch/hdrs.h"

/**
 * guard_src() - May this frame come from a port pinned to @ip4 and @ip6?
 * @h: filled in by hdrs_l2()
 *
 * ARP for Ethernet and IPv4 with sender @ip4, or a request with sender 0.0.0.0
 * (address conflict probe, RFC 5227 2.1.1); IPv4 from @ip4; IPv6 from @ip6, from
 * fe80::/10, or from :: to a link-local group (duplicate address detection, MLD; RFC 4861 4.3,
 * RFC 3590). Everything else, other EtherTypes included, may not.
 */
bool guard_src(const struct frame *f, const struct hdrs *h, uint32_t ip4,
	       const struct ipaddr *ip6);

/**
 * guard_dst() - May this frame go to a port pinned to @ip6?
 *
 * IPv6 only when it is for that address, a link-local one or a group. There is no
 * switch on a Linux device that keeps a host which forwards IPv6 from routing what
 * comes in on it, as there is for IPv4: so it does not come in.
 */
bool guard_dst(const struct frame *f, const struct ipaddr *ip6);

#endif
