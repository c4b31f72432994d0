// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See macnat.h. Here are the ways out and in, and what is remembered of questions; who
 * has which address is macnat_tab.c's, the messages' insides are macnat_msg.c's.
 */
#include "switch/macnat.h"

#include <stdlib.h>

#include "lib/bytes.h"
#include "switch/macnat_int.h"
#include "switch/sender.h"

#define ASKED  256  /* questions remembered; a newer one takes an older one's place */
#define COPIES 1024 /* pairs of addresses remembered, likewise */

/* What a guest asked, in a way that the answer does not name it: an ARP probe's address,
 * or a DHCP request's number and client. */
struct asked {
	uint8_t key[12]; /* VLAN, then 4 bytes and 6 */
	struct mac mac;
	uint16_t port;
	int64_t until_s;
};

struct copy {
	uint32_t hash; /* of source and destination */
	int64_t until_ms;
};

struct macnat {
	struct mac host;
	struct mn_tab tab;
	struct asked asked[ASKED];
	struct copy copy[COPIES];
	struct frame out[FRAME_BATCH];
	uint8_t hdr[FRAME_BATCH][MACNAT_HDR];
};

struct macnat *macnat_new(const struct mac *host, const uint64_t seed[2])
{
	struct macnat *m = calloc(1, sizeof(*m));

	if (m && mn_tab_init(&m->tab, seed)) {
		macnat_free(m);
		return NULL;
	}
	if (m)
		m->host = *host;
	return m;
}

void macnat_free(struct macnat *m)
{
	if (!m)
		return;
	mn_tab_fini(&m->tab);
	free(m);
}

void macnat_host(struct macnat *m, const struct ipaddr *ip, size_t n)
{
	mn_tab_host(&m->tab, ip, n);
}

const struct mac *macnat_find(const struct macnat *m, const struct ipaddr *ip,
			      uint16_t vid, int64_t now_ms)
{
	const struct mn_addr *a =
		mn_tab_find(&m->tab, ip, vid, now_ms / 1000);

	return a ? &a->mac : NULL;
}

uint32_t macnat_count(const struct macnat *m)
{
	return m->tab.tab.count;
}

/* ---- what was asked ---------------------------------------------------------------------- */

static struct asked *asked_place(struct macnat *m, uint16_t vid, uint32_t what,
				 const struct mac *who, uint8_t key[12])
{
	put_be16(key, vid);
	put_be32(key + 2, what);
	memcpy(key + 6, who->b, 6);
	return &m->asked[hash_bytes(m->tab.tab.seed, key, 12) % ASKED];
}

static void asked_note(struct macnat *m, uint16_t vid, uint32_t what,
		       const struct mac *who, const struct mac *mac,
		       uint16_t port, int64_t now_s)
{
	uint8_t key[12];
	struct asked *a = asked_place(m, vid, what, who, key);

	memcpy(a->key, key, sizeof(key));
	a->mac = *mac;
	a->port = port;
	a->until_s = now_s + MACNAT_ASKED_S;
}

static const struct asked *asked_find(struct macnat *m, uint16_t vid,
				      uint32_t what, const struct mac *who,
				      int64_t now_s)
{
	uint8_t key[12];
	const struct asked *a = asked_place(m, vid, what, who, key);

	return now_s < a->until_s && !memcmp(a->key, key, sizeof(key)) ? a
								       : NULL;
}

static const struct mac no_mac; /* in the key of an ARP probe */

/* ---- who sends ----------------------------------------------------------------------------- */

/* As sender_ip(), but link-local addresses count, and an address that is only asked for
 * (RFC 4862 5.4) does not: it may be somebody's. */
static enum sender_kind sender_of(const struct frame *f, const struct hdrs *h,
				  struct ipaddr *ip)
{
	const uint8_t *p = frame_hdr(f) + h->l3;
	bool nd;

	if (h->type != ETH_P_IP6)
		return sender_ip(f, h, ip);
	if (frame_hdr_len(f) < h->l3 + 40u)
		return SENDER_NONE;
	nd = sender_is_nd(f, h);
	/* An advertisement tells of its target (RFC 4861 4.4). */
	memcpy(ip->b, p + (nd && p[40] == 136 ? 48 : 8), 16);
	if (ipaddr_is_zero(ip) || ipaddr_is_multicast(ip) || ipaddr_is4(ip) ||
	    ipaddr_is_loopback(ip))
		return SENDER_NONE;
	return nd ? SENDER_CLAIM : SENDER_DATA;
}

bool macnat_learn(struct macnat *m, const struct frame *f, uint16_t port,
		  int64_t now_ms)
{
	struct mn_addr who = {.port = port};
	enum sender_kind kind;
	struct hdrs h;

	if (!hdrs_l2(frame_hdr(f), frame_hdr_len(f), &h))
		return true;
	kind = sender_of(f, &h, &who.ip);
	if (kind == SENDER_NONE)
		return true;
	who.vid = h.vid;
	memcpy(who.mac.b, frame_hdr(f) + 6, 6);
	return mn_tab_put(&m->tab, &who, kind == SENDER_CLAIM, now_ms / 1000);
}

void macnat_known(struct macnat *m, const struct mac *mac,
		  const struct ipaddr *ip, uint16_t port, int64_t now_ms)
{
	const struct mn_addr who = {.ip = *ip, .mac = *mac, .port = port};

	if (!mn_tab_find(&m->tab, ip, 0, now_ms / 1000))
		(void)mn_tab_put(&m->tab, &who, false, now_ms / 1000);
}

/* ---- out ------------------------------------------------------------------------------------- */

/* @out: @n bytes at @hdr, and what @f has behind its first @n. */
static bool splice(const struct frame *f, uint8_t *hdr, size_t n,
		   struct frame *out)
{
	unsigned int k = 1;
	size_t skip = n;

	out->seg[0].iov_base = hdr;
	out->seg[0].iov_len = n;
	for (unsigned int i = 0; i < f->nseg; i++) {
		size_t len = f->seg[i].iov_len;

		if (len <= skip) {
			skip -= len;
			continue;
		}
		if (k == FRAME_SEGS)
			return false;
		out->seg[k].iov_base = (uint8_t *)f->seg[i].iov_base + skip;
		out->seg[k++].iov_len = len - skip;
		skip = 0;
	}
	out->nseg = (uint16_t)k;
	out->len = f->len;
	out->off = f->off;
	out->in_place = NULL;
	return true;
}

static void out_arp(struct macnat *m, const struct mn_arp *a, uint16_t vid,
		    const struct mac *guest, uint16_t port, int64_t now_s)
{
	memcpy(a->sha, m->host.b, 6);
	if (!memcmp(a->tha, guest->b, 6))
		memcpy(a->tha, m->host.b, 6);
	if (a->op == MN_ARP_REQUEST && !a->spa)
		asked_note(m, vid, a->tpa, &no_mac, guest, port, now_s);
}

/* A client with an address is sent its answer there (RFC 2131 4.1). */
static void out_dhcp(struct macnat *m, const struct mn_dhcp *d, uint16_t vid,
		     const struct mac *guest, uint16_t port, bool sum_done,
		     int64_t now_s)
{
	asked_note(m, vid, d->xid, &d->chaddr, guest, port, now_s);
	if (!d->ciaddr)
		mn_dhcp_broadcast(d, sum_done);
}

/* A glance, for most frames are neither. */
static bool may_have_macs(const uint8_t *p, size_t len, const struct hdrs *h)
{
	size_t l4;

	if (h->type == ETH_P_ARP4)
		return true;
	if (h->type == ETH_P_IP4) {
		if (len < h->l3 + 20u || p[h->l3 + 9] != IPPROTO_UDP)
			return false;
		l4 = h->l3 + (size_t)(p[h->l3] & 15) * 4;
		return len >= l4 + 4 && get_be16(p + l4 + 2) == MN_DHCP_SERVER;
	}
	/* Behind an extension header it may be neighbour discovery. */
	return h->type == ETH_P_IP6 && len > h->l3 + 6u &&
	       p[h->l3 + 6] != IPPROTO_TCP && p[h->l3 + 6] != IPPROTO_UDP;
}

const struct frame *macnat_out(struct macnat *m, const struct frame *f,
			       uint16_t port, unsigned int slot, int64_t now_ms)
{
	struct frame *out = &m->out[slot];
	uint8_t *p = m->hdr[slot];
	bool sum_done = !f->off.needs_csum;
	size_t n = ETH_HDR_LEN;
	struct mn_dhcp d;
	struct mn_arp a;
	struct mac guest;
	struct hdrs h;

	if (!hdrs_l2(frame_hdr(f), frame_hdr_len(f), &h))
		return NULL;
	if (may_have_macs(frame_hdr(f), frame_hdr_len(f), &h) ||
	    f->nseg == FRAME_SEGS)
		n = frame_copy(f, 0, p, MACNAT_HDR);
	else
		memcpy(p, frame_hdr(f), ETH_HDR_LEN);
	memcpy(guest.b, p + 6, 6);
	if (mn_arp(p, n, &h, &a))
		out_arp(m, &a, h.vid, &guest, port, now_ms / 1000);
	else if (mn_dhcp(p, n, &h, true, &d))
		out_dhcp(m, &d, h.vid, &guest, port, sum_done, now_ms / 1000);
	else if (n > ETH_HDR_LEN && !mn_nd(p, n, &h, &m->host, sum_done))
		return NULL;
	memcpy(p + 6, m->host.b, 6);
	return splice(f, p, n, out) ? out : NULL;
}

/* ---- in ---------------------------------------------------------------------------------------- */

static const struct mac *in_arp(struct macnat *m, const struct mn_arp *a,
				const struct hdrs *h, int64_t now_s)
{
	const struct ipaddr to = ipaddr_from4(a->tpa);
	const struct mn_addr *who = mn_tab_find(&m->tab, &to, h->vid, now_s);
	const struct asked *asked = NULL;
	const struct mac *mac = who ? &who->mac : NULL;

	if (!mac && a->op == MN_ARP_REPLY)
		asked = asked_find(m, h->vid, a->spa, &no_mac, now_s);
	if (asked)
		mac = &asked->mac;
	if (mac && !memcmp(a->tha, m->host.b, 6))
		memcpy(a->tha, mac->b, 6);
	return mac;
}

/* An acknowledgement says which address a guest has, before the guest does. */
static const struct mac *in_dhcp(struct macnat *m, const struct mn_dhcp *d,
				 uint16_t vid, int64_t now_s)
{
	const struct asked *asked =
		asked_find(m, vid, d->xid, &d->chaddr, now_s);
	struct mn_addr who = {.vid = vid, .ip = ipaddr_from4(d->yiaddr)};

	if (!asked)
		return NULL;
	who.mac = asked->mac;
	who.port = asked->port;
	if (d->ack && d->yiaddr)
		(void)mn_tab_put(&m->tab, &who, true, now_s);
	return &asked->mac;
}

/* Both addresses of an IP packet; false: it is none. */
static bool pair_at(const uint8_t *p, size_t len, const struct hdrs *h,
		    struct ipaddr pair[2])
{
	struct cur c = cur_make(p, len);

	cur_skip(&c, h->l3);
	if (h->type == ETH_P_IP4) {
		cur_skip(&c, 12);
		pair[0] = ipaddr_from4(cur_be32(&c));
		pair[1] = ipaddr_from4(cur_be32(&c));
	} else if (h->type == ETH_P_IP6) {
		cur_skip(&c, 8);
		cur_copy(&c, pair, 2 * sizeof(*pair));
	} else {
		return false;
	}
	return cur_ok(&c);
}

static const struct mac *in_ip(struct macnat *m, const uint8_t *p, size_t len,
			       const struct hdrs *h, int64_t now_ms)
{
	const struct mn_addr *who;
	struct ipaddr pair[2];
	struct copy *c;
	uint32_t hash;

	if (!pair_at(p, len, h, pair))
		return NULL;
	who = mn_tab_find(&m->tab, &pair[1], h->vid, now_ms / 1000);
	if (!who)
		return NULL;
	/* The host forwards nothing that claims to be its own: else somebody on the LAN
	 * could have what it says to a guest be taken for copies. */
	if (mn_tab_is_host(&m->tab, &pair[0]))
		return &who->mac;
	hash = hash_bytes(m->tab.tab.seed, pair, sizeof(pair));
	c = &m->copy[hash % COPIES];
	c->hash = hash;
	c->until_ms = now_ms + MACNAT_COPY_MS;
	return &who->mac;
}

bool macnat_in(struct macnat *m, struct frame *f, int64_t now_ms)
{
	uint8_t *p = f->seg[0].iov_base;
	size_t len = f->seg[0].iov_len;
	const struct mac *to = NULL;
	bool group = p[0] & 1;
	struct mn_dhcp d;
	struct mn_arp a;
	struct hdrs h;

	if (!hdrs_l2(p, len, &h))
		return group;
	if (mn_dhcp(p, len, &h, false, &d))
		to = in_dhcp(m, &d, h.vid, now_ms / 1000);
	if (group)
		return true;
	if (mn_arp(p, len, &h, &a))
		to = in_arp(m, &a, &h, now_ms / 1000);
	else if (!to)
		to = in_ip(m, p, len, &h, now_ms);
	if (!to)
		return false;
	memcpy(p, to->b, 6);
	return true;
}

bool macnat_is_copy(const struct macnat *m, const struct frame *f, int64_t now_ms)
{
	struct ipaddr pair[2];
	const struct copy *c;
	uint32_t hash;
	struct hdrs h;

	if (!hdrs_l2(frame_hdr(f), frame_hdr_len(f), &h) ||
	    !pair_at(frame_hdr(f), frame_hdr_len(f), &h, pair))
		return false;
	hash = hash_bytes(m->tab.tab.seed, pair, sizeof(pair));
	c = &m->copy[hash % COPIES];
	return c->hash == hash && now_ms < c->until_ms;
}
