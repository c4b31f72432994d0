/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of prefixes, made as small as they can be: a thousand networks of which each
 * has the next /24 are a handful of prefixes.
 */
#ifndef VNET_LIB_NETMERGE_H
#define VNET_LIB_NETMERGE_H

#include <stddef.h>

#include "lib/inet.h"

/**
 * ip4_nets_merge() - The same addresses in the fewest prefixes
 * @v: those with plen 0 are no prefixes; afterwards disjoint, in ascending order
 *
 * Return: how many are left, at the beginning of @v.
 */
size_t ip4_nets_merge(struct ip4_net *v, size_t n);
size_t ip6_nets_merge(struct ip6_net *v, size_t n);

/**
 * ip4_nets_gap() - The first free /24 from @from to @last
 * @v: merged; @from and @last are the first addresses of /24s
 *
 * Return: its address; 0 when all are taken, at least in part.
 */
uint32_t ip4_nets_gap(const struct ip4_net *v, size_t n, uint32_t from,
		      uint32_t last);

#endif
