// SPDX-License-Identifier: GPL-2.0-or-later
/* ARP. See arp.h. */
#include "nat/arp.h"

#include "lib/bytes.h"
#include "nat/ip4.h"

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

static void arp_emit(struct arp *a, uint16_t op, const struct mac *to,
		     uint32_t spa, const struct mac *tha, uint32_t tpa)
{
	static const struct offload none;
	uint8_t buf[ETH_HDR_LEN + ARP_LEN];
	struct wbuf w = wbuf_make(buf, sizeof(buf));

	wbuf_copy(&w, to->b, 6);
	wbuf_copy(&w, a->mac.b, 6);
	wbuf_be16(&w, ETHERTYPE_ARP4);
	wbuf_be16(&w, 1); /* Ethernet */
	wbuf_be16(&w, ETHERTYPE_IP4);
	wbuf_u8(&w, 6);
	wbuf_u8(&w, 4);
	wbuf_be16(&w, op);
	wbuf_copy(&w, a->mac.b, 6);
	wbuf_be32(&w, spa);
	wbuf_copy(&w, tha->b, 6);
	wbuf_be32(&w, tpa);
	outq_put(a->out, buf, w.len, NULL, 0, &none, false);
}

void arp_ask(struct arp *a, uint32_t ip, const struct mac *to)
{
	static const struct mac zero;

	arp_emit(a, ARP_REQUEST, to ? to : &mac_broadcast, a->ip, &zero, ip);
}

void arp_learn(struct arp *a, uint32_t ip, const struct mac *mac,
	       uint64_t nic_id, int64_t now_ms)
{
	struct ipaddr addr = ipaddr_from4(ip);

	if (!ip || !ip4_in_net(ip, &a->net) || ip == a->ip || ip == a->ip2 ||
	    mac_is_group(mac) || mac_is_zero(mac) || mac_eq(mac, &a->mac))
		return;
	neigh_learn(a->neigh, &addr, mac, nic_id, now_ms);
}

bool arp_input(struct arp *a, const uint8_t *p, size_t len, uint64_t nic_id,
	       int64_t now_ms)
{
	struct cur c = cur_make(p, len);
	uint16_t hw = cur_be16(&c), proto = cur_be16(&c);
	uint8_t hlen = cur_u8(&c), plen = cur_u8(&c);
	uint16_t op = cur_be16(&c);
	struct mac sha, tha;
	uint32_t spa, tpa;

	cur_copy(&c, sha.b, 6);
	spa = cur_be32(&c);
	cur_copy(&c, tha.b, 6);
	tpa = cur_be32(&c);
	if (!cur_ok(&c) || hw != 1 || proto != ETHERTYPE_IP4 || hlen != 6 ||
	    plen != 4 || (op != ARP_REQUEST && op != ARP_REPLY))
		return false;
	if (mac_is_group(&sha) || mac_is_zero(&sha))
		return false;
	arp_learn(a, spa, &sha, nic_id, now_ms);
	if (a->heard && spa)
		a->heard(a->heard_arg, spa, &sha, nic_id);
	if (op == ARP_REQUEST && tpa && (tpa == a->ip || tpa == a->ip2)) {
		arp_emit(a, ARP_REPLY, &sha, tpa, &sha, spa);
		return true;
	}
	return spa && ip4_in_net(spa, &a->net);
}
