/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a port may send: its pinned source address. A function of bytes.
 */
#ifndef VNET_SWITCH_GUARD_H
#define VNET_SWITCH_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "switch/frame.h"
#include "switch/hdrs.h"

/**
 * guard_src_ip4() - May this frame come from a port pinned to @ip4?
 * @h: filled in by hdrs_l2()
 *
 * ARP for Ethernet and IPv4 with sender @ip4, or a request with sender 0.0.0.0
 * (address conflict probe, RFC 5227 2.1.1); IPv4 from @ip4; IPv6 from fe80::/10,
 * or from :: to a link-local group (duplicate address detection, MLD; RFC 4861 4.3,
 * RFC 3590). Everything else, other EtherTypes included, may not.
 */
bool guard_src_ip4(const struct frame *f, const struct hdrs *h, uint32_t ip4);

#endif
