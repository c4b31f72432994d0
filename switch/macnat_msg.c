// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages with hardware addresses in them: ARP, DHCP, neighbour discovery. See macnat.h.
 * Total functions of bytes; what is rewritten keeps its length, and its checksum right.
 */
#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/macnat_int.h"

#define DHCP_CLIENT  68
#define DHCP_COOKIE  0x63825363u
#define DHCP_TYPE    53
#define DHCP_ACK     5
#define DHCP_OPTIONS 64 /* most that are looked at */
#define BROADCAST    0x8000

#define ND_ROUTER_SOLICIT 133
#define ND_REDIRECT	  137
#define ND_SOURCE	  1 /* RFC 4861 4.6.1 */
#define ND_TARGET	  2
#define ND_OPTIONS	  64

/* ---- ARP ------------------------------------------------------------------------------- */

bool mn_arp(uint8_t *p, size_t len, const struct hdrs *h, struct mn_arp *a)
{
	struct cur c = cur_make(p, len);
	bool ok;

	if (h->type != ETH_P_ARP4)
		return false;
	cur_skip(&c, h->l3);
	ok = cur_be16(&c) == 1;
	ok &= cur_be16(&c) == ETH_P_IP4;
	ok &= cur_be16(&c) == 0x0604;
	a->op = cur_be16(&c);
	a->sha = p + h->l3 + 8;
	cur_skip(&c, 6);
	a->spa = cur_be32(&c);
	a->tha = p + h->l3 + 18;
	cur_skip(&c, 6);
	a->tpa = cur_be32(&c);
	return ok && cur_ok(&c);
}

/* ---- DHCP ------------------------------------------------------------------------------ */

static bool find_ack(struct cur *c)
{
	for (int i = 0; i < DHCP_OPTIONS && c->left; i++) {
		uint8_t code = cur_u8(c), n;

		if (!code)
			continue;
		if (code == 255)
			return false;
		n = cur_u8(c);
		if (code == DHCP_TYPE)
			return n == 1 && cur_u8(c) == DHCP_ACK;
		cur_skip(c, n);
	}
	return false;
}

bool mn_dhcp(uint8_t *p, size_t len, const struct hdrs *h, bool to_server,
	     struct mn_dhcp *d)
{
	struct hdrs g = *h;
	struct cur c;
	uint16_t htype;
	uint8_t op;

	/* A glance at the protocol first: most packets are no datagrams. */
	if (h->type != ETH_P_IP4 || len < h->l3 + 28u || p[h->l3 + 9] != IPPROTO_UDP ||
	    !hdrs_l3(p, len, &g) || g.later || len < g.l4 + 8u ||
	    get_be16(p + g.l4 + 2) != (to_server ? MN_DHCP_SERVER : DHCP_CLIENT))
		return false;
	c = cur_make(p, len);
	cur_skip(&c, g.l4 + 8u);
	op = cur_u8(&c);
	htype = cur_be16(&c); /* and hlen */
	cur_skip(&c, 1);
	d->request = op == 1;
	d->xid = cur_be32(&c);
	cur_skip(&c, 4);
	d->ciaddr = cur_be32(&c);
	d->yiaddr = cur_be32(&c);
	cur_skip(&c, 8);
	cur_copy(&c, d->chaddr.b, 6);
	if (!cur_ok(&c) || htype != 0x0106 || op != (to_server ? 1 : 2))
		return false;
	d->sum = p + g.l4 + 6;
	d->flags = p + g.l4 + 8 + 10;
	cur_skip(&c, 10 + 64 + 128);
	d->ack = !to_server && cur_be32(&c) == DHCP_COOKIE && find_ack(&c);
	return true;
}

void mn_dhcp_broadcast(const struct mn_dhcp *d, bool sum_done)
{
	uint16_t old = get_be16(d->flags), sum = get_be16(d->sum);

	put_be16(d->flags, old | BROADCAST);
	if (!sum_done || !sum)
		return;
	sum = csum_update16(sum, old, old | BROADCAST);
	put_be16(d->sum, sum ? sum : 0xffff); /* RFC 768 */
}

/* ---- neighbour discovery ----------------------------------------------------------------- */

static void set_mac(uint8_t *at, const struct mac *mac, uint8_t *sum,
		    bool sum_done)
{
	uint16_t s = get_be16(sum);

	for (int i = 0; i < 6; i += 2)
		s = csum_update16(s, get_be16(at + i), get_be16(mac->b + i));
	memcpy(at, mac->b, 6);
	if (sum_done)
		put_be16(sum, s);
}

/* A redirect's target is another's, unless it is the sender's own address. */
static bool is_senders(const uint8_t *p, uint8_t type, uint8_t option,
		       const uint8_t *mac)
{
	if (type == ND_REDIRECT)
		return option == ND_TARGET && !memcmp(mac, p + 6, 6);
	return option == ND_SOURCE || option == ND_TARGET;
}

bool mn_nd(uint8_t *p, size_t len, const struct hdrs *h, const struct mac *mac,
	   bool sum_done)
{
	static const uint8_t options_at[] = {8, 16, 24, 24, 40};
	struct hdrs g = *h;
	uint8_t type, *sum;
	struct cur c;

	if (h->type != ETH_P_IP6 || !hdrs_l3(p, len, &g) ||
	    g.proto != IPPROTO_ICMPV6 || g.later || len < g.l4 + 4u)
		return true;
	type = p[g.l4];
	if (type < ND_ROUTER_SOLICIT || type > ND_REDIRECT)
		return true;
	if (g.end > len)
		return false;
	sum = p + g.l4 + 2;
	c = cur_make(p, g.end);
	cur_skip(&c, g.l4 + (size_t)options_at[type - ND_ROUTER_SOLICIT]);
	for (int i = 0; i < ND_OPTIONS && c.left; i++) {
		uint8_t option = cur_u8(&c);
		size_t n = (size_t)cur_u8(&c) * 8;
		const uint8_t *at = n < 8 ? NULL : cur_bytes(&c, n - 2);

		if (!at)
			break; /* receivers discard it, too (RFC 4861 4.6) */
		if (is_senders(p, type, option, at))
			set_mac(p + (at - p), mac, sum, sum_done);
	}
	return true;
}
