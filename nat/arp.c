// SPDX-License-Identifier: GPL-2.0-or-later
/* ARP and the neighbour table. See arp.h. */
#include "nat/arp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "nat/iov.h"
#include "nat/ip4.h"

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct neigh {
	struct flow fl; /* first */
	struct hnode node;
	struct arp *arp;
	uint32_t ip;
	struct mac mac;
	bool known;
	int tries; /* requests sent since it was last heard */
	/* The waiting packet (INCOMPLETE only). */
	uint8_t *pend;
	size_t pend_len;
	struct offload pend_off;
};

int arp_init(struct arp *a, const uint64_t seed[2], struct flow_tab *flows,
	     struct wheel *wheel, struct outq *out)
{
	a->flows = flows;
	a->wheel = wheel;
	a->out = out;
	return htab_init(&a->neigh, 64, seed);
}

static uint32_t ip_hash(const struct arp *a, uint32_t ip)
{
	return hash_bytes(a->neigh.seed, &ip, sizeof(ip));
}

static struct neigh *neigh_find(const struct arp *a, uint32_t ip)
{
	struct hnode *n = htab_find(&a->neigh, ip_hash(a, ip));

	while (n && container_of(n, struct neigh, node)->ip != ip)
		n = htab_find_next(n);
	return n ? container_of(n, struct neigh, node) : NULL;
}

static void neigh_free(struct neigh *e)
{
	flow_del(e->arp->flows, &e->fl);
	wtimer_cancel(e->arp->wheel, &e->fl.timer);
	htab_del(&e->arp->neigh, &e->node);
	free(e->pend);
	free(e);
}

static void neigh_end(struct flow *f)
{
	neigh_free(container_of(f, struct neigh, fl));
}

static bool fini_one(struct hnode *n, void *arg)
{
	(void)arg;
	neigh_free(container_of(n, struct neigh, node));
	return true;
}

void arp_fini(struct arp *a)
{
	if (!a->neigh.bucket)
		return;
	htab_walk(&a->neigh, fini_one, NULL);
	htab_fini(&a->neigh);
}

static struct neigh *neigh_new(struct arp *a, uint32_t ip, uint64_t nic_id,
			       int64_t now_ms)
{
	struct neigh *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->arp = a;
	e->ip = ip;
	e->fl.end = neigh_end;
	if (flow_add(a->flows, &e->fl, FLOW_NEIGH, nic_id, now_ms)) {
		free(e);
		return NULL;
	}
	htab_add(&a->neigh, &e->node, ip_hash(a, ip));
	return e;
}

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

/* Ask for a neighbour until it answers or the tries are used up. */
static void neigh_on_timer(struct wtimer *t, int64_t now_ms)
{
	struct flow *f = container_of(t, struct flow, timer);
	struct neigh *e = container_of(f, struct neigh, fl);
	static const struct mac zero;

	if (e->tries >= ARP_TRIES) {
		neigh_free(e);
		return;
	}
	/* RFC 1122 2.3.2.1: probes of a known one go to its own address. */
	arp_emit(e->arp, ARP_REQUEST, e->known && !e->tries ? &e->mac
							    : &mac_broadcast,
		 e->arp->ip, &zero, e->ip);
	e->tries++;
	wtimer_arm(e->arp->wheel, &e->fl.timer, now_ms + ARP_RETRY_MS,
		   neigh_on_timer);
}

static void neigh_heard(struct neigh *e, const struct mac *mac,
			int64_t now_ms)
{
	e->mac = *mac;
	e->tries = 0;
	e->known = true;
	flow_touch(&e->fl, now_ms);
	wtimer_cancel(e->arp->wheel, &e->fl.timer);
	if (e->pend) {
		struct iovec v = {e->pend, e->pend_len};
		uint8_t eth[ETH_HDR_LEN];

		memcpy(eth, e->pend, ETH_HDR_LEN);
		memcpy(eth, mac->b, 6);
		v.iov_base = e->pend + ETH_HDR_LEN;
		v.iov_len -= ETH_HDR_LEN;
		outq_put(e->arp->out, eth, ETH_HDR_LEN, &v, 1, &e->pend_off,
			 false);
		free(e->pend);
		e->pend = NULL;
	}
}

void arp_learn(struct arp *a, uint32_t ip, const struct mac *mac,
	       uint64_t nic_id, int64_t now_ms)
{
	struct neigh *e;

	if (!ip || !ip4_in_net(ip, &a->net) || ip == a->ip || ip == a->ip2 ||
	    mac_is_group(mac) || mac_is_zero(mac) || mac_eq(mac, &a->mac))
		return;
	e = neigh_find(a, ip);
	if (!e)
		e = neigh_new(a, ip, nic_id, now_ms);
	if (!e)
		return;
	if (flow_move(a->flows, &e->fl, nic_id)) {
		neigh_free(e);
		return;
	}
	neigh_heard(e, mac, now_ms);
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
	if (op == ARP_REQUEST && tpa && (tpa == a->ip || tpa == a->ip2)) {
		arp_emit(a, ARP_REPLY, &sha, tpa, &sha, spa);
		return true;
	}
	return spa && ip4_in_net(spa, &a->net);
}

static int neigh_wait(struct neigh *e, const uint8_t *hdr, size_t hdr_len,
		      const struct iovec *v, int n, const struct offload *off)
{
	size_t len = hdr_len + iov_len(v, n);
	uint8_t *copy;

	if (len > ARP_PENDING_MAX)
		return -EMSGSIZE;
	copy = malloc(len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, hdr, hdr_len);
	iov_copy(v, n, 0, copy + hdr_len, len - hdr_len);
	free(e->pend);
	e->pend = copy;
	e->pend_len = len;
	e->pend_off = *off;
	return 0;
}

int arp_send(struct arp *a, uint32_t ip, uint8_t *hdr, size_t hdr_len,
	     const struct iovec *v, int n, const struct offload *off, bool lent,
	     int64_t now_ms)
{
	struct neigh *e = neigh_find(a, ip);
	bool ask = !e;
	int err;

	if (!e)
		e = neigh_new(a, ip, 0, now_ms);
	if (!e)
		return -ENOMEM;
	if (e->known) {
		ask = now_ms - e->fl.used_ms > ARP_FRESH_MS &&
		      !wtimer_armed(&e->fl.timer);
		memcpy(hdr, e->mac.b, 6);
		err = outq_put(a->out, hdr, hdr_len, v, n, off, lent);
	} else {
		err = neigh_wait(e, hdr, hdr_len, v, n, off);
	}
	if (ask)
		neigh_on_timer(&e->fl.timer, now_ms);
	return err;
}

uint64_t arp_nic(const struct arp *a, uint32_t ip)
{
	struct neigh *e = neigh_find(a, ip);

	return e && e->fl.nic ? e->fl.nic->id : 0;
}
