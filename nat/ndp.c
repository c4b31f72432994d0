// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Neighbour discovery. See ndp.h.
 *
 * Our neighbour table knows no STALE: an entry that was not heard for a minute is
 * probed when it is used. So an advertisement that may not override an entry
 * (RFC 4861 7.2.5) leaves it alone instead of making it STALE.
 */
#include "nat/ndp.h"

#include <string.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/iov.h"

#define ND_LEN	 24 /* NS and NA without options */
#define ND_READ	 256 /* bytes of a message that are looked at */
#define LLA_LEN	 8  /* a link-layer address option */
#define OPT_SLLA 1
#define OPT_TLLA 2

enum { NA_ROUTER = 0x80, NA_SOLICITED = 0x40, NA_OVERRIDE = 0x20 };

/* A message taken apart. */
struct nd {
	uint8_t flags;
	struct ipaddr target;
	bool has_lla; /* the option that belongs to the type */
	struct mac lla;
};

static bool is_ours(const struct ndp *n, const struct ipaddr *ip)
{
	return !ipaddr_is_zero(ip) &&
	       (ipaddr_eq(ip, &n->ip6) || ipaddr_eq(ip, &n->dns_ip6) ||
		ipaddr_eq(ip, &n->ll6));
}

static bool is_solicited_of(const struct ipaddr *ours,
			    const struct ipaddr *group)
{
	struct ipaddr s = ipaddr_solicited_node(ours);

	return !ipaddr_is_zero(ours) && ipaddr_eq(&s, group);
}

static bool is_link_group(const struct ipaddr *ip, uint8_t which)
{
	struct ipaddr g = {{0xff, 2}};

	g.b[15] = which;
	return ipaddr_eq(ip, &g);
}

bool ndp_is_our_group(const struct ndp *n, const struct ipaddr *group)
{
	return is_link_group(group, 1) || is_link_group(group, 2) ||
	       is_solicited_of(&n->ip6, group) ||
	       is_solicited_of(&n->ll6, group) ||
	       is_solicited_of(&n->dns_ip6, group);
}

/* ---- sending ------------------------------------------------------------------- */

/* @type with @flags about @target, from @src to @dst at @to. */
static void nd_emit(struct ndp *n, uint8_t type, uint8_t flags,
		    const struct ipaddr *target, const struct ipaddr *src,
		    const struct ipaddr *dst, const struct mac *to)
{
	static const struct offload none;
	uint8_t buf[ETH_HDR_LEN + IP6_HDR + ND_LEN + LLA_LEN];
	uint8_t *icmp = buf + ETH_HDR_LEN + IP6_HDR;
	struct ip6 h = {
		.src = *src, .dst = *dst, .len = ND_LEN + LLA_LEN,
		.next = IP6_ICMP, .hop_limit = 255,
	};
	struct wbuf w = wbuf_make(buf, sizeof(buf));

	wbuf_copy(&w, to->b, 6);
	wbuf_copy(&w, n->mac.b, 6);
	wbuf_be16(&w, ETHERTYPE_IP6);
	wbuf_fill(&w, 0, IP6_HDR);
	ip6_build(buf + ETH_HDR_LEN, &h);
	wbuf_u8(&w, type);
	wbuf_fill(&w, 0, 3);
	wbuf_be32(&w, (uint32_t)flags << 24);
	wbuf_copy(&w, target->b, 16);
	wbuf_u8(&w, type == ICMP6_NS ? OPT_SLLA : OPT_TLLA);
	wbuf_u8(&w, 1);
	wbuf_copy(&w, n->mac.b, 6);
	put_be16(icmp + 2,
		 csum_finish(csum_add(csum_pseudo6(src, dst, IP6_ICMP, h.len),
				      icmp, h.len)));
	outq_put(n->out, buf, w.len, NULL, 0, &none, false);
}

void ndp_ask(struct ndp *n, const struct ipaddr *ip, const struct mac *to)
{
	struct ipaddr group = ipaddr_solicited_node(ip);
	struct mac group_mac = ipaddr_multicast_mac(&group);

	nd_emit(n, ICMP6_NS, 0, ip,
		ipaddr_is_linklocal(ip) ? &n->ll6 : &n->ip6, to ? ip : &group,
		to ? to : &group_mac);
}

/* Tell everybody whose the address is. */
static void advertise(struct ndp *n, const struct ipaddr *target)
{
	static const struct ipaddr all = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	struct mac to = ipaddr_multicast_mac(&all);

	nd_emit(n, ICMP6_NA, NA_ROUTER | NA_OVERRIDE, target, target, &all,
		&to);
}

/* ---- receiving ------------------------------------------------------------------ */

/* Options (RFC 4861 4.6): false when one has no length. */
static bool read_options(struct nd *m, struct cur *c, uint8_t want)
{
	while (c->left >= 2) {
		uint8_t type = cur_u8(c), len = cur_u8(c);
		struct cur o;

		if (!len)
			return false;
		o = cur_sub(c, len * (size_t)8 - 2);
		if (!cur_ok(c))
			return true; /* behind what we look at */
		if (type == want && len == 1) {
			m->has_lla = true;
			cur_copy(&o, m->lla.b, 6);
		}
	}
	return true;
}

/* What both types have in common (RFC 4861 7.1.1, 7.1.2). */
static bool nd_read(struct nd *m, const struct pkt *k)
{
	uint8_t b[ND_READ];
	size_t len = iov_copy(k->l4, k->nl4, 0, b, sizeof(b));
	struct cur c = cur_make(b, len);
	uint8_t type = cur_u8(&c), code = cur_u8(&c);

	*m = (struct nd){0};
	cur_skip(&c, 2);
	m->flags = cur_u8(&c);
	cur_skip(&c, 3);
	cur_copy(&c, m->target.b, 16);
	if (!cur_ok(&c) || code || k->ip.ttl != 255 ||
	    ipaddr_is_multicast(&m->target) || ipaddr_is4(&m->target))
		return false;
	if (!read_options(m, &c, type == ICMP6_NS ? OPT_SLLA : OPT_TLLA))
		return false;
	return !m->has_lla || !(mac_is_group(&m->lla) || mac_is_zero(&m->lla));
}

static bool on_solicit(struct ndp *n, const struct pkt *k, const struct nd *m,
		       int64_t now_ms)
{
	const struct mac *mac = m->has_lla ? &m->lla : &k->src_mac;
	bool dad = ipaddr_is_zero(&k->ip.src);

	if (dad && (m->has_lla ||
		    !is_solicited_of(&m->target, &k->ip.dst)))
		return false;
	if (!dad)
		ndp_learn(n, &k->ip.src, mac, k->nic_id, now_ms);
	if (!is_ours(n, &m->target))
		return false;
	/* Duplicate address detection: it is ours, do not use it. */
	if (dad)
		advertise(n, &m->target);
	else
		nd_emit(n, ICMP6_NA, NA_ROUTER | NA_SOLICITED | NA_OVERRIDE,
			&m->target, &m->target, &k->ip.src, mac);
	return true;
}

static bool on_advert(struct ndp *n, const struct pkt *k, const struct nd *m,
		      int64_t now_ms)
{
	const struct mac *known;

	if (k->group && m->flags & NA_SOLICITED)
		return false;
	if (is_ours(n, &m->target)) {
		if (now_ms - n->defended_ms >= NDP_DEFEND_MS) {
			n->defended_ms = now_ms;
			advertise(n, &m->target);
		}
		return true;
	}
	if (!neigh_is_there(n->neigh, &m->target))
		return true; /* nobody asked (RFC 4861 7.2.5) */
	known = neigh_mac(n->neigh, &m->target);
	if (!m->has_lla) {
		/* A confirmation of what we know. */
		if (known && m->flags & NA_SOLICITED &&
		    mac_eq(known, &k->src_mac))
			ndp_learn(n, &m->target, &k->src_mac, k->nic_id,
				  now_ms);
		return true;
	}
	if (!known || m->flags & NA_OVERRIDE || mac_eq(known, &m->lla))
		ndp_learn(n, &m->target, &m->lla, k->nic_id, now_ms);
	return true;
}

bool ndp_input(struct ndp *n, const struct pkt *k, int64_t now_ms)
{
	struct nd m;

	if (!nd_read(&m, k))
		return false;
	return k->head[0] == ICMP6_NS ? on_solicit(n, k, &m, now_ms)
				      : on_advert(n, k, &m, now_ms);
}

void ndp_learn(struct ndp *n, const struct ipaddr *ip, const struct mac *mac,
	       uint64_t nic_id, int64_t now_ms)
{
	if ((!ipaddr_in_net6(ip, &n->net) && !ipaddr_is_linklocal(ip)) ||
	    ipaddr_is4(ip) || is_ours(n, ip) || mac_is_group(mac) ||
	    mac_is_zero(mac) || mac_eq(mac, &n->mac))
		return;
	neigh_learn(n->neigh, ip, mac, nic_id, now_ms);
}
