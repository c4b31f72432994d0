// SPDX-License-Identifier: GPL-2.0-or-later
/* ICMPv6 services inside the network: who takes which type, sending. See nat.h. */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/gateway.h"
#include "nat/ip6.h"

/* Types that are the gateway's own (RFC 4443, RFC 4861): errors, echo, neighbour
 * solicitation and advertisement. */
static bool type_is_ours(uint8_t type)
{
	return type < 128 || type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY ||
	       type == ICMP6_NS || type == ICMP6_NA;
}

int gateway_icmp6_service_set(struct gateway *g, uint8_t type, nat_icmp6_fn fn,
			      void *arg)
{
	struct gateway_icmp6 *s, *room = NULL;

	if (type_is_ours(type))
		return -EINVAL;
	for (s = g->icmp6; s < g->icmp6 + NAT_SERVICE_MAX; s++) {
		if (s->fn && s->type == type) {
			if (fn)
				return -EEXIST;
			s->fn = NULL;
			return 0;
		}
		if (!s->fn && !room)
			room = s;
	}
	if (!fn)
		return 0;
	if (!room)
		return -ENOSPC;
	*room = (struct gateway_icmp6){type, fn, arg};
	return 0;
}

int gateway_icmp6_send(struct gateway *g, const struct nat_icmp6_out *o,
		       int64_t now_ms)
{
	static const struct offload none;
	struct ip6 h = {
		.src = ipaddr_linklocal(&g->cfg.mac), .dst = o->dst,
		.len = (uint16_t)o->len, .hop_limit = 255, .next = IP6_ICMP,
	};
	struct mac to = o->dst_mac;
	uint8_t hdr[ETH_HDR_LEN + IP6_HDR + ICMP6_HDR];
	uint8_t *icmp = hdr + ETH_HDR_LEN + IP6_HDR;
	struct iovec v;
	uint64_t sum;

	(void)now_ms;
	if (!g->cfg.net6.plen)
		return -EAFNOSUPPORT;
	if (o->len < ICMP6_HDR)
		return -EINVAL;
	if (o->len > (size_t)g->cfg.mtu - IP6_HDR)
		return -EMSGSIZE;
	if (mac_is_zero(&to)) {
		if (!ipaddr_is_multicast(&o->dst))
			return -EHOSTUNREACH;
		to = ipaddr_multicast_mac(&o->dst);
	}
	memcpy(hdr, to.b, 6);
	memcpy(hdr + 6, g->cfg.mac.b, 6);
	put_be16(hdr + 12, ETHERTYPE_IP6);
	ip6_build(hdr + ETH_HDR_LEN, &h);
	memcpy(icmp, o->data, ICMP6_HDR);
	put_be16(icmp + 2, 0);
	v.iov_base = (uint8_t *)o->data + ICMP6_HDR;
	v.iov_len = o->len - ICMP6_HDR;
	sum = csum_pseudo6(&h.src, &h.dst, IP6_ICMP, (uint32_t)o->len);
	sum = csum_add(sum, icmp, ICMP6_HDR);
	put_be16(icmp + 2, csum_finish(csum_add(sum, v.iov_base, v.iov_len)));
	return outq_put(g->out, hdr, sizeof(hdr), &v, 1, &none, false);
}
