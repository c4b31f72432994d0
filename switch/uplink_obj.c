// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses and routes as bodies of rtnetlink messages: read, compared, and rewritten
 * for another interface. Pure. Formats: linux/if_addr.h, linux/rtnetlink.h. Attributes
 * are walked by hand, since what came from a journal must not be trusted to be whole.
 */
#include "switch/uplink_int.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef RTA_NH_ID
#define RTA_NH_ID 30 /* Linux 5.3 */
#endif

#define FOREVER 0xffffffffu /* a lifetime: INFINITY_LIFE_TIME */
#define ALIGN4(n) (((n) + 3u) & ~(size_t)3u)

struct attr {
	unsigned int type;
	const uint8_t *p;
	size_t len;
};

/* Next attribute of @b at *@off; false at the end or when it does not fit. */
static bool next_attr(const uint8_t *b, size_t len, size_t *off,
		      struct attr *a)
{
	struct rtattr h;

	if (*off > len || len - *off < sizeof(h))
		return false;
	memcpy(&h, b + *off, sizeof(h));
	if (h.rta_len < sizeof(h) || h.rta_len > len - *off)
		return false;
	a->type = h.rta_type & (unsigned int)NLA_TYPE_MASK;
	a->p = b + *off + sizeof(h);
	a->len = h.rta_len - sizeof(h);
	*off += ALIGN4(h.rta_len);
	return true;
}

static size_t head_len(const struct up_obj *o)
{
	return o->route ? sizeof(struct rtmsg) : sizeof(struct ifaddrmsg);
}

static bool find_attr(const struct up_obj *o, unsigned int type,
		      struct attr *a)
{
	size_t off = head_len(o);

	while (next_attr(o->b, o->len, &off, a))
		if (a->type == type)
			return true;
	return false;
}

static uint32_t attr_u32(const struct up_obj *o, unsigned int type,
			 uint32_t absent)
{
	struct attr a;
	uint32_t v;

	if (!find_attr(o, type, &a) || a.len != sizeof(v))
		return absent;
	memcpy(&v, a.p, sizeof(v));
	return v;
}

static bool same_attr(const struct up_obj *a, const struct up_obj *b,
		      unsigned int type)
{
	struct attr x, y;
	bool hx = find_attr(a, type, &x), hy = find_attr(b, type, &y);

	if (!hx || !hy)
		return hx == hy;
	return x.len == y.len && !memcmp(x.p, y.p, x.len);
}

static struct rtmsg rt_head(const struct up_obj *o)
{
	struct rtmsg h;

	memcpy(&h, o->b, sizeof(h));
	return h;
}

static struct ifaddrmsg ifa_head(const struct up_obj *o)
{
	struct ifaddrmsg h;

	memcpy(&h, o->b, sizeof(h));
	return h;
}

/* ---- life ------------------------------------------------------------------------- */

struct up_obj *obj_new(bool route, const void *b, size_t len)
{
	struct up_obj *o = calloc(1, sizeof(*o) + len);

	if (!o)
		return NULL;
	list_init(&o->node);
	o->route = route;
	o->len = len;
	memcpy(o->b, b, len);
	return o;
}

void obj_list_free(struct list *l)
{
	list_for_each_safe(o, l, struct up_obj, node) {
		list_del(&o->node);
		free(o);
	}
}

bool obj_valid(const struct up_obj *o)
{
	size_t off = head_len(o);
	struct attr a;

	if (o->len < off || o->len > OBJ_MAX - 64)
		return false;
	while (next_attr(o->b, o->len, &off, &a))
		;
	return off >= o->len && (o->b[0] == AF_INET || o->b[0] == AF_INET6);
}

/* ---- next hops --------------------------------------------------------------------- */

/* Call @fn with the offset of each next hop's struct in @o's RTA_MULTIPATH. */
static void each_hop(const struct up_obj *o,
		     void (*fn)(const uint8_t *hop, void *arg), void *arg)
{
	struct rtnexthop h;
	struct attr a;
	size_t off = 0;

	if (!find_attr(o, RTA_MULTIPATH, &a))
		return;
	while (a.len - off >= sizeof(h)) {
		memcpy(&h, a.p + off, sizeof(h));
		if (h.rtnh_len < sizeof(h) || h.rtnh_len > a.len - off)
			return;
		fn(a.p + off, arg);
		off += ALIGN4(h.rtnh_len);
		if (off > a.len)
			return;
	}
}

struct hop_find {
	int index;
	bool found;
};

static void hop_on(const uint8_t *hop, void *arg)
{
	struct hop_find *f = arg;
	struct rtnexthop h;

	memcpy(&h, hop, sizeof(h));
	f->found |= h.rtnh_ifindex == f->index;
}

bool obj_on(const struct up_obj *o, int index)
{
	struct hop_find f = {.index = index};

	if (!o->route)
		return ifa_head(o).ifa_index == (unsigned int)index;
	if (attr_u32(o, RTA_OIF, 0) == (uint32_t)index)
		return true;
	each_hop(o, hop_on, &f);
	return f.found;
}

/* ---- questions ---------------------------------------------------------------------- */

bool obj_is6(const struct up_obj *o)
{
	return o->b[0] == AF_INET6;
}

bool obj_is_link_local6(const struct up_obj *o)
{
	return !o->route && obj_is6(o) && ifa_head(o).ifa_scope == RT_SCOPE_LINK;
}

static uint32_t table_of(const struct up_obj *o)
{
	return attr_u32(o, RTA_TABLE, rt_head(o).rtm_table);
}

bool obj_same_key(const struct up_obj *a, const struct up_obj *b)
{
	struct rtmsg x = rt_head(a), y = rt_head(b);

	return x.rtm_family == y.rtm_family &&
	       x.rtm_dst_len == y.rtm_dst_len && x.rtm_tos == y.rtm_tos &&
	       x.rtm_src_len == y.rtm_src_len && table_of(a) == table_of(b) &&
	       attr_u32(a, RTA_PRIORITY, 0) == attr_u32(b, RTA_PRIORITY, 0) &&
	       same_attr(a, b, RTA_DST) && same_attr(a, b, RTA_SRC);
}

static bool same_addr(const struct up_obj *a, const struct up_obj *b)
{
	struct ifaddrmsg x = ifa_head(a), y = ifa_head(b);

	return x.ifa_family == y.ifa_family &&
	       x.ifa_prefixlen == y.ifa_prefixlen &&
	       same_attr(a, b, IFA_LOCAL) && same_attr(a, b, IFA_ADDRESS);
}

bool obj_same(const struct up_obj *a, int from, const struct up_obj *b, int to)
{
	if (a->route != b->route)
		return false;
	if (!a->route)
		return same_addr(a, b);
	return obj_same_key(a, b) && obj_on(a, from) && obj_on(b, to) &&
	       rt_head(a).rtm_type == rt_head(b).rtm_type &&
	       same_attr(a, b, RTA_GATEWAY) && same_attr(a, b, RTA_VIA) &&
	       obj_is_multipath(a) == obj_is_multipath(b);
}

bool obj_has_gateway(const struct up_obj *o)
{
	struct attr a;

	return find_attr(o, RTA_GATEWAY, &a) || find_attr(o, RTA_VIA, &a) ||
	       find_attr(o, RTA_MULTIPATH, &a);
}

struct gateways {
	int index, family;
	void (*fn)(const struct ipaddr *ip, void *arg);
	void *arg;
};

/* RTA_GATEWAY's value, or what follows the family in RTA_VIA. */
static void gateway(const struct gateways *g, int family, const uint8_t *p,
		    size_t len)
{
	struct ipaddr ip = ipaddr_any;

	if (family == AF_INET && len == 4)
		ip = ipaddr_from4((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
				  (uint32_t)p[2] << 8 | p[3]);
	else if (family == AF_INET6 && len == 16)
		memcpy(ip.b, p, 16);
	if (!ipaddr_is_any(&ip))
		g->fn(&ip, g->arg);
}

static void gateway_attr(const struct gateways *g, const struct attr *a)
{
	uint16_t family;

	if (a->type == RTA_GATEWAY)
		gateway(g, g->family, a->p, a->len);
	if (a->type == RTA_VIA && a->len > sizeof(family)) {
		memcpy(&family, a->p, sizeof(family));
		gateway(g, family, a->p + sizeof(family),
			a->len - sizeof(family));
	}
}

static void hop_gateway(const uint8_t *hop, void *arg)
{
	const struct gateways *g = arg;
	size_t off = sizeof(struct rtnexthop);
	struct rtnexthop h;
	struct attr a;

	memcpy(&h, hop, sizeof(h));
	while (h.rtnh_ifindex == g->index &&
	       next_attr(hop, h.rtnh_len, &off, &a))
		gateway_attr(g, &a);
}

void obj_gateways(const struct up_obj *o, int index,
		  void (*fn)(const struct ipaddr *ip, void *arg), void *arg)
{
	struct gateways g = {index, o->b[0], fn, arg};
	size_t off = head_len(o);
	struct attr a;

	while (o->route && attr_u32(o, RTA_OIF, 0) == (uint32_t)index &&
	       next_attr(o->b, o->len, &off, &a))
		gateway_attr(&g, &a);
	if (o->route)
		each_hop(o, hop_gateway, &g);
}

bool obj_is_multipath(const struct up_obj *o)
{
	struct attr a;

	return find_attr(o, RTA_MULTIPATH, &a);
}

bool obj_by_nexthop_id(const struct up_obj *o)
{
	struct attr a;

	return find_attr(o, RTA_NH_ID, &a);
}

bool obj_is_kernels(const struct up_obj *o)
{
	return o->route && rt_head(o).rtm_protocol == RTPROT_KERNEL;
}

bool obj_is_local(const struct up_obj *o)
{
	return o->route && table_of(o) == RT_TABLE_LOCAL;
}

const char *obj_label(const struct up_obj *o, char out[IFNAMSIZ])
{
	struct attr a;

	if (o->route || !find_attr(o, IFA_LABEL, &a) || !a.len)
		return NULL;
	snprintf(out, IFNAMSIZ, "%.*s", (int)a.len, (const char *)a.p);
	return out;
}

/* ---- rewriting ------------------------------------------------------------------------ */

static size_t put_attr(uint8_t *out, size_t n, unsigned int type,
		       const void *p, size_t len)
{
	struct rtattr h = {
		.rta_len = (unsigned short)(sizeof(h) + len),
		.rta_type = (unsigned short)type,
	};

	memset(out + n, 0, ALIGN4(h.rta_len));
	memcpy(out + n, &h, sizeof(h));
	memcpy(out + n + sizeof(h), p, len);
	return n + ALIGN4(h.rta_len);
}

/* Seconds left of @life_s after @age_s; 0 = none. */
static uint32_t left_of(uint32_t life_s, uint32_t age_s)
{
	if (life_s == FOREVER)
		return life_s;
	return life_s > age_s ? life_s - age_s : 0;
}

static size_t addr_request(const struct up_obj *o, int to, uint32_t age_s,
			   const char *label, uint8_t *out)
{
	struct ifaddrmsg h = ifa_head(o);
	size_t off = sizeof(h), n = sizeof(h);
	struct ifa_cacheinfo ci;
	struct attr a;

	h.ifa_index = (unsigned int)to;
	memcpy(out, &h, sizeof(h));
	while (next_attr(o->b, o->len, &off, &a)) {
		if (a.type == IFA_LABEL)
			continue;
		if (a.type != IFA_CACHEINFO || a.len != sizeof(ci)) {
			n = put_attr(out, n, a.type, a.p, a.len);
			continue;
		}
		memcpy(&ci, a.p, sizeof(ci));
		ci.ifa_prefered = left_of(ci.ifa_prefered, age_s);
		ci.ifa_valid = left_of(ci.ifa_valid, age_s);
		if (!ci.ifa_valid)
			return 0;
		n = put_attr(out, n, a.type, &ci, sizeof(ci));
	}
	if (label && h.ifa_family == AF_INET)
		n = put_attr(out, n, IFA_LABEL, label, strlen(label) + 1);
	return n;
}

struct hop_move {
	int from, to;
};

/* @hop lies in the output here, which may be written. */
static void hop_move(const uint8_t *hop, void *arg)
{
	const struct hop_move *m = arg;
	struct rtnexthop h;

	memcpy(&h, hop, sizeof(h));
	if (h.rtnh_ifindex == m->from)
		h.rtnh_ifindex = m->to;
	h.rtnh_flags &= RTNH_F_ONLINK; /* the rest is for the kernel to say */
	memcpy((uint8_t *)hop, &h, sizeof(h));
}

/* An IPv6 route's time to live is told in clock ticks (from now on), and asked for
 * in seconds. */
static size_t put_expires(uint8_t *out, size_t n, const struct attr *a,
			  uint32_t age_s, bool *expired)
{
	struct rta_cacheinfo ci;
	uint32_t s;

	if (a->len < sizeof(ci))
		return n;
	memcpy(&ci, a->p, sizeof(ci));
	if (!ci.rta_expires)
		return n;
	s = ci.rta_expires > 0
		    ? (uint32_t)(ci.rta_expires / sysconf(_SC_CLK_TCK))
		    : 0;
	s = left_of(s, age_s);
	*expired |= !s;
	return put_attr(out, n, RTA_EXPIRES, &s, sizeof(s));
}

static size_t route_request(const struct up_obj *o, int from, int to,
			    uint32_t age_s, uint8_t *out)
{
	struct rtmsg h = rt_head(o);
	struct hop_move m = {.from = from, .to = to};
	size_t off = sizeof(h), n = sizeof(h);
	bool expired = false;
	struct up_obj *copy;
	struct attr a;

	h.rtm_flags &= RTNH_F_ONLINK;
	memcpy(out, &h, sizeof(h));
	while (next_attr(o->b, o->len, &off, &a)) {
		uint32_t oif = (uint32_t)to;

		if (a.type == RTA_CACHEINFO) {
			n = put_expires(out, n, &a, age_s, &expired);
		} else if (a.type == RTA_OIF && a.len == sizeof(oif) &&
			   !memcmp(a.p, &from, sizeof(oif))) {
			n = put_attr(out, n, RTA_OIF, &oif, sizeof(oif));
		} else {
			n = put_attr(out, n, a.type, a.p, a.len);
		}
	}
	if (expired)
		return 0;
	copy = obj_new(true, out, n);
	if (!copy)
		return 0;
	each_hop(copy, hop_move, &m);
	memcpy(out, copy->b, n);
	free(copy);
	return n;
}

size_t obj_request(const struct up_obj *o, int from, int to, uint32_t age_s,
		   const char *label, uint8_t *out)
{
	return o->route ? route_request(o, from, to, age_s, out)
			: addr_request(o, to, age_s, label, out);
}

/* ---- policy rules ------------------------------------------------------------------------- */

static bool names(const struct attr *a, const char *name)
{
	size_t n = strlen(name);

	return (a->type == FRA_IIFNAME || a->type == FRA_OIFNAME) &&
	       a->len >= n && a->len <= n + 1 && !memcmp(a->p, name, n) &&
	       (a->len == n || !a->p[n]);
}

bool rule_names(const struct up_obj *o, const char *name)
{
	size_t off = head_len(o);
	struct attr a;

	while (next_attr(o->b, o->len, &off, &a))
		if (names(&a, name))
			return true;
	return false;
}

size_t rule_request(const struct up_obj *o, const char *from, const char *to,
		    uint8_t *out)
{
	struct fib_rule_hdr h;
	size_t off = sizeof(h), n = sizeof(h);
	struct attr a;

	static_assert(sizeof(h) == sizeof(struct rtmsg), "same head");
	memcpy(&h, o->b, sizeof(h));
	h.flags &= FIB_RULE_INVERT; /* the rest is for the kernel to say */
	memcpy(out, &h, sizeof(h));
	while (next_attr(o->b, o->len, &off, &a)) {
		if (names(&a, from))
			n = put_attr(out, n, a.type, to, strlen(to) + 1);
		else
			n = put_attr(out, n, a.type, a.p, a.len);
	}
	return n;
}

/* ---- text --------------------------------------------------------------------------------- */

static void add_ip(char *out, const struct up_obj *o, const char *before,
		   const struct attr *a)
{
	char ip[INET6_ADDRSTRLEN] = "?";
	size_t n = strlen(out);

	if (a->len == (obj_is6(o) ? 16u : 4u))
		inet_ntop(o->b[0], a->p, ip, sizeof(ip));
	snprintf(out + n, OBJ_TEXT - n, "%s%s", before, ip);
}

static void add_num(char *out, const char *before, unsigned int v)
{
	size_t n = strlen(out);

	snprintf(out + n, OBJ_TEXT - n, "%s%u", before, v);
}

static void addr_text(const struct up_obj *o, char *out)
{
	struct ifa_cacheinfo ci;
	struct attr a;

	if (find_attr(o, IFA_LOCAL, &a) || find_attr(o, IFA_ADDRESS, &a))
		add_ip(out, o, "", &a);
	add_num(out, "/", ifa_head(o).ifa_prefixlen);
	if (find_attr(o, IFA_CACHEINFO, &a) && a.len == sizeof(ci)) {
		memcpy(&ci, a.p, sizeof(ci));
		if (ci.ifa_valid != FOREVER)
			add_num(out, " valid ", ci.ifa_valid);
	}
}

static void route_text(const struct up_obj *o, char *out)
{
	struct rtmsg h = rt_head(o);
	uint32_t prio = attr_u32(o, RTA_PRIORITY, 0);
	struct attr a;

	if (find_attr(o, RTA_DST, &a)) {
		add_ip(out, o, "", &a);
		add_num(out, "/", h.rtm_dst_len);
	} else {
		snprintf(out, OBJ_TEXT, "default%s", obj_is6(o) ? "6" : "");
	}
	if (find_attr(o, RTA_GATEWAY, &a))
		add_ip(out, o, " via ", &a);
	if (obj_is_multipath(o))
		snprintf(out + strlen(out), OBJ_TEXT - strlen(out),
			 " multipath");
	if (prio)
		add_num(out, " metric ", prio);
	if (table_of(o) != RT_TABLE_MAIN)
		add_num(out, " table ", table_of(o));
}

char *obj_text(const struct up_obj *o, char out[OBJ_TEXT])
{
	out[0] = '\0';
	if (o->route)
		route_text(o, out);
	else
		addr_text(o, out);
	return out;
}
