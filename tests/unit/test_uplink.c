// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_io switch_core */
/*
 * Planning of taking an uplink in and giving it back, against golden text; rewriting of
 * addresses and routes; the journal. State is made of messages as the kernel builds them.
 */
#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "switch/uplink_int.h"

#define UPLINK 3
#define BRIDGE 9
#define OTHER  4

/* ---- messages ------------------------------------------------------------------- */

struct msg {
	uint8_t b[512];
	size_t n;
};

static void put(struct msg *m, unsigned short type, const void *p, size_t len)
{
	struct rtattr h = {
		.rta_len = (unsigned short)(sizeof(h) + len),
		.rta_type = type,
	};

	memcpy(m->b + m->n, &h, sizeof(h));
	memcpy(m->b + m->n + sizeof(h), p, len);
	m->n += (sizeof(h) + len + 3) & ~(size_t)3;
}

static void put_ip(struct msg *m, unsigned short type, const char *text)
{
	uint8_t ip[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, ip), 1);
	put(m, type, ip, family == AF_INET6 ? 16 : 4);
}

static void put_u32(struct msg *m, unsigned short type, uint32_t v)
{
	put(m, type, &v, sizeof(v));
}

static struct up_obj *addr(const char *ip, unsigned char plen, int index,
			   const char *label, uint32_t valid_s)
{
	bool v6 = strchr(ip, ':');
	struct ifaddrmsg h = {
		.ifa_family = v6 ? AF_INET6 : AF_INET,
		.ifa_prefixlen = plen,
		.ifa_index = (unsigned int)index,
	};
	struct ifa_cacheinfo ci = {.ifa_prefered = valid_s,
				   .ifa_valid = valid_s};
	struct msg m = {.n = sizeof(h)};

	memcpy(m.b, &h, sizeof(h));
	put_ip(&m, IFA_ADDRESS, ip);
	if (!v6)
		put_ip(&m, IFA_LOCAL, ip);
	if (label)
		put(&m, IFA_LABEL, label, strlen(label) + 1);
	put(&m, IFA_CACHEINFO, &ci, sizeof(ci));
	return obj_new(false, m.b, m.n);
}

static struct up_obj *route(const char *dst, unsigned char plen,
			    const char *via, int index, uint32_t metric,
			    unsigned char proto)
{
	const char *any = dst ? dst : via;
	struct rtmsg h = {
		.rtm_family = strchr(any, ':') ? AF_INET6 : AF_INET,
		.rtm_dst_len = plen,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = proto,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = RTNH_F_LINKDOWN,
	};
	struct msg m = {.n = sizeof(h)};
	struct up_obj *o;

	memcpy(m.b, &h, sizeof(h));
	put_u32(&m, RTA_TABLE, RT_TABLE_MAIN);
	if (dst)
		put_ip(&m, RTA_DST, dst);
	if (via)
		put_ip(&m, RTA_GATEWAY, via);
	if (metric)
		put_u32(&m, RTA_PRIORITY, metric);
	put_u32(&m, RTA_OIF, (uint32_t)index);
	o = obj_new(true, m.b, m.n);
	o->first = true;
	return o;
}

/* Two next hops: one on @index, one on OTHER. */
static struct up_obj *multipath(const char *dst, unsigned char plen, int index)
{
	struct rtmsg h = {.rtm_family = AF_INET, .rtm_dst_len = plen,
			  .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
	struct msg m = {.n = sizeof(h)}, hops = {0};
	struct up_obj *o;

	memcpy(m.b, &h, sizeof(h));
	put_ip(&m, RTA_DST, dst);
	for (int i = 0; i < 2; i++) {
		struct msg gw = {0};
		struct rtnexthop nh = {
			.rtnh_ifindex = i ? OTHER : index,
			.rtnh_flags = RTNH_F_DEAD,
		};

		put_ip(&gw, RTA_GATEWAY, i ? "198.51.100.1" : "192.0.2.1");
		nh.rtnh_len = (unsigned short)(sizeof(nh) + gw.n);
		memcpy(hops.b + hops.n, &nh, sizeof(nh));
		memcpy(hops.b + hops.n + sizeof(nh), gw.b, gw.n);
		hops.n += nh.rtnh_len;
	}
	put(&m, RTA_MULTIPATH, hops.b, hops.n);
	o = obj_new(true, m.b, m.n);
	o->first = true;
	return o;
}

static void add_to(struct list *l, struct up_obj *o)
{
	assert_non_null(o);
	assert_true(obj_valid(o));
	list_add_tail(l, &o->node);
}

/* The addresses and routes of an ordinary server's interface. */
static void populate(struct up_l3 *l, int index)
{
	l3_init(l);
	l->index = index;
	add_to(&l->addrs, addr("192.0.2.10", 24, index, "eth0", ~0u));
	add_to(&l->addrs, addr("192.0.2.11", 24, index, "eth0:web", 3600));
	add_to(&l->addrs, addr("2001:db8::11", 64, index, NULL, ~0u));
	add_to(&l->addrs, addr("2001:db8::10", 64, index, NULL, ~0u));
	add_to(&l->addrs, addr("fe80::1", 64, index, NULL, ~0u));
	add_to(&l->routes, route(NULL, 0, "192.0.2.1", index, 100, 3));
	add_to(&l->routes, route("192.0.2.0", 24, NULL, index, 0,
				 RTPROT_KERNEL));
	add_to(&l->routes, route(NULL, 0, "192.0.2.2", index, 100, 3));
	list_entry(l->routes.prev, struct up_obj, node)->first = false;
	add_to(&l->routes, route("2001:db8::", 64, NULL, index, 256,
				 RTPROT_KERNEL));
	add_to(&l->routes, route(NULL, 0, "fe80::2", index, 1024, 9));
}

static struct up_saved make_saved(bool done)
{
	struct up_saved s = {
		.spec = {.bridge = "vn-br-lan", .uplink = "eth0",
			 .tap = "vn-up-lan", .mtu = 1500},
		.done = done, .was_up = true, .time_s = 1000,
		.boot = "b00t", .netns = 4026531840, .mtu = 1500,
		.mac = {{2, 0, 0, 0, 0, 1}}, .genmode = "0",
		.accept_dad = "1",
	};

	return s;
}

static char *plan_text(const struct up_plan *p, const struct up_saved *was)
{
	static char out[8192];
	char line[STEP_TEXT];
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < p->n; i++)
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s\n",
				      step_text(&p->step[i], was, line));
	return out;
}

/* ---- plans --------------------------------------------------------------------------- */

static void plan_in__server__golden(void **state)
{
	struct up_saved was = make_saved(false);
	struct up_plan p;

	(void)state;
	populate(&was.l3, UPLINK);
	assert_int_equal(plan_in(&was, &p), 0);
	assert_string_equal(plan_text(&p, &was),
		"make bridge vn-br-lan\n"
		"settings as of the uplink's on vn-br-lan\n"
		"make TAP vn-up-lan\n"
		"into the bridge: vn-up-lan\n"
		"no addresses of its own making on eth0\n"
		"up vn-br-lan\n"
		"into the bridge: eth0\n"
		"address add 192.0.2.10/24 dev vn-br-lan\n"
		"address add 192.0.2.11/24 valid 3600 dev vn-br-lan\n"
		"address add fe80::1/64 dev vn-br-lan\n"
		"address add 2001:db8::10/64 dev vn-br-lan\n"
		"address add 2001:db8::11/64 dev vn-br-lan\n"
		"route prepend 192.0.2.0/24 dev vn-br-lan\n"
		"route delete 192.0.2.0/24 dev eth0\n"
		"route append 2001:db8::/64 metric 256 dev vn-br-lan\n"
		"route delete 2001:db8::/64 metric 256 dev eth0\n"
		"route prepend default via 192.0.2.1 metric 100 dev vn-br-lan\n"
		"route delete default via 192.0.2.1 metric 100 dev eth0\n"
		"route append default via 192.0.2.2 metric 100 dev vn-br-lan\n"
		"route delete default via 192.0.2.2 metric 100 dev eth0\n"
		"route replace default6 via fe80::2 metric 1024 dev vn-br-lan\n"
		"address delete 192.0.2.11/24 valid 3600 dev eth0\n"
		"address delete 192.0.2.10/24 dev eth0\n"
		"address delete 2001:db8::11/64 dev eth0\n"
		"address delete 2001:db8::10/64 dev eth0\n"
		"address delete fe80::1/64 dev eth0\n");
	plan_fini(&p);
	saved_fini(&was);
}

static void plan_in__bare_interface_down__is_brought_up(void **state)
{
	struct up_saved was = make_saved(false);
	struct up_plan p;

	(void)state;
	l3_init(&was.l3);
	was.l3.index = UPLINK;
	was.was_up = false;
	was.genmode[0] = '\0';
	assert_int_equal(plan_in(&was, &p), 0);
	assert_string_equal(plan_text(&p, &was),
		"make bridge vn-br-lan\n"
		"settings as of the uplink's on vn-br-lan\n"
		"make TAP vn-up-lan\n"
		"into the bridge: vn-up-lan\n"
		"up eth0\n"
		"up vn-br-lan\n"
		"into the bridge: eth0\n");
	plan_fini(&p);
}

static void plan_keep__nothing_wrong__no_step(void **state)
{
	struct link_info bridge = {.index = BRIDGE, .flags = IFF_UP},
			 uplink = {.index = UPLINK, .master = BRIDGE};
	struct up_saved was = make_saved(false);
	struct up_plan p;

	(void)state;
	l3_init(&was.l3);
	assert_int_equal(plan_keep(&bridge, &uplink, &p), 0);
	assert_int_equal(p.n, 0);
	plan_fini(&p);
	bridge.flags = 0;
	bridge.nf_call = LINK_CALL_IP4;
	uplink.master = 0;
	assert_int_equal(plan_keep(&bridge, &uplink, &p), 0);
	assert_string_equal(plan_text(&p, &was),
		"no packet filters on vn-br-lan\n"
		"up vn-br-lan\n"
		"into the bridge: eth0\n");
	plan_fini(&p);
}

static void plan_out__after_use__all_goes_back(void **state)
{
	struct up_saved was = make_saved(false);
	struct up_l3 bridge, uplink;
	struct up_plan p;

	(void)state;
	l3_init(&was.l3);
	was.l3.index = UPLINK;
	l3_init(&uplink);
	uplink.index = UPLINK;
	l3_init(&bridge);
	bridge.index = BRIDGE;
	add_to(&was.l3.addrs, addr("192.0.2.11", 24, UPLINK, "eth0:web", 99));
	add_to(&was.l3.addrs, addr("192.0.2.77", 24, UPLINK, NULL, ~0u));
	add_to(&was.l3.routes, route(NULL, 0, "192.0.2.1", UPLINK, 100, 3));
	add_to(&bridge.addrs, addr("192.0.2.11", 24, BRIDGE, "vn-br-lan", 98));
	add_to(&bridge.addrs, addr("192.0.2.77", 24, BRIDGE, "vn-br-lan", ~0u));
	add_to(&bridge.routes, route(NULL, 0, "192.0.2.1", BRIDGE, 100, 3));
	assert_int_equal(plan_out(&was, &bridge, &uplink, 2000, &p), 0);
	assert_string_equal(plan_text(&p, &was),
		"no addresses of its own making on eth0\n"
		"address add 192.0.2.11/24 valid 98 dev eth0\n"
		"address add 192.0.2.77/24 dev eth0\n"
		"out of the bridge: eth0\n"
		"route prepend default via 192.0.2.1 metric 100 dev eth0\n"
		"route delete default via 192.0.2.1 metric 100 dev vn-br-lan\n"
		"delete TAP vn-up-lan\n"
		"delete bridge vn-br-lan\n"
		"IPv6 settings back on eth0\n");
	assert_non_null(p.step[1].like); /* whose label it gets */
	assert_int_equal(p.step[1].age_s, 0);
	plan_fini(&p);
	l3_fini(&bridge);
	saved_fini(&was);
}

/* Two default routes of one metric; the second has moved, the first not yet. */
static void plan_out__half_of_a_key_moved__order_is_restored(void **state)
{
	struct up_saved was = make_saved(false);
	struct up_l3 bridge, uplink;
	struct up_plan p;

	(void)state;
	was.genmode[0] = '\0';
	l3_init(&was.l3);
	was.l3.index = UPLINK;
	l3_init(&uplink);
	uplink.index = UPLINK;
	l3_init(&bridge);
	bridge.index = BRIDGE;
	add_to(&was.l3.routes, route(NULL, 0, "192.0.2.1", UPLINK, 100, 3));
	add_to(&was.l3.routes, route(NULL, 0, "192.0.2.2", UPLINK, 100, 3));
	add_to(&uplink.routes, route(NULL, 0, "192.0.2.1", UPLINK, 100, 3));
	add_to(&bridge.routes, route(NULL, 0, "192.0.2.2", BRIDGE, 100, 3));
	assert_int_equal(plan_out(&was, &bridge, &uplink, 2000, &p), 0);
	assert_string_equal(plan_text(&p, &was),
		"out of the bridge: eth0\n"
		"route prepend default via 192.0.2.2 metric 100 dev eth0\n"
		"route prepend default via 192.0.2.1 metric 100 dev eth0\n"
		"route delete default via 192.0.2.2 metric 100 dev vn-br-lan\n"
		"delete TAP vn-up-lan\n"
		"delete bridge vn-br-lan\n");
	plan_fini(&p);
	l3_fini(&bridge);
	l3_fini(&uplink);
	saved_fini(&was);
}

static void plan_out__killed_on_the_way__only_the_difference(void **state)
{
	struct up_saved was = make_saved(false);
	struct up_l3 bridge, uplink;
	struct up_plan p;

	(void)state;
	populate(&was.l3, UPLINK);
	populate(&bridge, BRIDGE);
	/* killed while addresses were deleted: the first is still there, routes are
	 * all on the bridge but one that is nowhere */
	l3_init(&uplink);
	uplink.index = UPLINK;
	add_to(&uplink.addrs, addr("192.0.2.10", 24, UPLINK, "eth0", ~0u));
	list_for_each_safe(o, &bridge.routes, struct up_obj, node) {
		if (obj_is6(o)) {
			list_del(&o->node);
			free(o);
		}
	}
	assert_int_equal(plan_out(&was, &bridge, &uplink, 1060, &p), 0);
	assert_string_equal(plan_text(&p, &was),
		"no addresses of its own making on eth0\n"
		"address add 192.0.2.11/24 valid 3600 dev eth0\n"
		"address add fe80::1/64 dev eth0\n"
		"address add 2001:db8::10/64 dev eth0\n"
		"address add 2001:db8::11/64 dev eth0\n"
		"out of the bridge: eth0\n"
		"route prepend 192.0.2.0/24 dev eth0\n"
		"route delete 192.0.2.0/24 dev vn-br-lan\n"
		"route append 2001:db8::/64 metric 256 dev eth0\n"
		"route prepend default via 192.0.2.1 metric 100 dev eth0\n"
		"route delete default via 192.0.2.1 metric 100 dev vn-br-lan\n"
		"route append default via 192.0.2.2 metric 100 dev eth0\n"
		"route delete default via 192.0.2.2 metric 100 dev vn-br-lan\n"
		"route append default6 via fe80::2 metric 1024 dev eth0\n"
		"delete TAP vn-up-lan\n"
		"delete bridge vn-br-lan\n"
		"IPv6 settings back on eth0\n");
	plan_fini(&p);
	l3_fini(&bridge);
	l3_fini(&uplink);
	saved_fini(&was);
}

static void plan_out__bridge_deleted_by_hand__the_journal_tells(void **state)
{
	struct up_saved was = make_saved(true);
	struct up_l3 bridge, uplink;
	struct up_plan p;
	uint8_t out[OBJ_MAX];

	(void)state;
	l3_init(&was.l3);
	was.l3.index = UPLINK;
	add_to(&was.l3.addrs, addr("192.0.2.11", 24, UPLINK, "eth0:w", 3600));
	l3_init(&bridge);
	l3_init(&uplink);
	uplink.index = UPLINK;
	assert_int_equal(plan_out(&was, &bridge, &uplink, 1060, &p), 0);
	assert_int_equal(p.step[1].kind, UP_ADDR_ADD);
	assert_int_equal(p.step[1].age_s, 60);
	assert_true(obj_request(p.step[1].obj, UPLINK, UPLINK, 60, NULL, out));
	plan_fini(&p);
	saved_fini(&was);
}

static void plan_out__uplink_unplugged__devices_go(void **state)
{
	struct up_saved was = make_saved(true);
	struct up_l3 bridge, uplink;
	struct up_plan p;

	(void)state;
	populate(&was.l3, UPLINK);
	populate(&bridge, BRIDGE);
	l3_init(&uplink);
	assert_int_equal(plan_out(&was, &bridge, &uplink, 2000, &p), 0);
	assert_string_equal(plan_text(&p, &was), "delete TAP vn-up-lan\n"
						 "delete bridge vn-br-lan\n");
	plan_fini(&p);
	l3_fini(&bridge);
	saved_fini(&was);
}

/* ---- rewriting -------------------------------------------------------------------------- */

static struct up_obj *rewritten(struct up_obj *o, int from, int to,
				uint32_t age_s, const char *label)
{
	uint8_t out[OBJ_MAX];
	size_t n = obj_request(o, from, to, age_s, label, out);
	struct up_obj *r = n ? obj_new(o->route, out, n) : NULL;

	assert_true(!r || obj_valid(r));
	return r;
}

static void request__address__moves_with_label_and_less_life(void **state)
{
	struct up_obj *o = addr("192.0.2.11", 24, BRIDGE, "vn-br", 100);
	struct up_obj *r = rewritten(o, BRIDGE, UPLINK, 40, "eth0:web");
	char text[OBJ_TEXT], label[IFNAMSIZ];

	(void)state;
	assert_true(obj_on(r, UPLINK));
	assert_string_equal(obj_text(r, text), "192.0.2.11/24 valid 60");
	assert_string_equal(obj_label(r, label), "eth0:web");
	assert_true(obj_same(o, BRIDGE, r, UPLINK));
	free(r);
	assert_null(rewritten(o, BRIDGE, UPLINK, 100, NULL));
	r = rewritten(o, BRIDGE, UPLINK, 0, NULL);
	assert_null(obj_label(r, label));
	free(r);
	free(o);
}

static void request__route__moves_and_loses_link_state(void **state)
{
	struct up_obj *o = route(NULL, 0, "192.0.2.1", UPLINK, 100, 3);
	struct up_obj *r = rewritten(o, UPLINK, BRIDGE, 0, NULL);
	struct rtmsg h;

	(void)state;
	assert_true(obj_on(r, BRIDGE));
	assert_false(obj_on(r, UPLINK));
	assert_true(obj_same(o, UPLINK, r, BRIDGE));
	memcpy(&h, r->b, sizeof(h));
	assert_int_equal(h.rtm_flags, 0);
	free(r);
	free(o);
}

static void request__ipv6_route_with_life__asks_for_seconds(void **state)
{
	struct up_obj *base = route(NULL, 0, "fe80::2", UPLINK, 1024, 9);
	struct rta_cacheinfo ci = {.rta_expires = 100 * 1800};
	struct msg m = {.n = base->len};
	struct up_obj *o, *r;
	bool found = false;

	(void)state;
	memcpy(m.b, base->b, base->len);
	put(&m, RTA_CACHEINFO, &ci, sizeof(ci));
	o = obj_new(true, m.b, m.n);
	r = rewritten(o, UPLINK, BRIDGE, 0, NULL);
	for (size_t i = sizeof(struct rtmsg); i + 8 <= r->len; i += 4) {
		struct rtattr h;
		uint32_t v;

		memcpy(&h, r->b + i, sizeof(h));
		memcpy(&v, r->b + i + sizeof(h), sizeof(v));
		found |= h.rta_type == RTA_EXPIRES && h.rta_len == 8 &&
			 v == 1800;
	}
	assert_true(found);
	free(base);
	free(o);
	free(r);
}

static void request__multipath__only_our_hop_moves(void **state)
{
	struct up_obj *o = multipath("10.9.0.0", 16, UPLINK);
	struct up_obj *r = rewritten(o, UPLINK, BRIDGE, 0, NULL);

	(void)state;
	assert_true(obj_on(o, UPLINK) && obj_on(o, OTHER));
	assert_true(obj_on(r, BRIDGE) && obj_on(r, OTHER));
	assert_false(obj_on(r, UPLINK));
	assert_true(obj_has_gateway(r));
	free(r);
	free(o);
}

static void note_gateway(const struct ipaddr *ip, void *arg)
{
	char text[IP_TEXT], *out = arg;

	strcat(strcat(out, " "), ipaddr_format(ip, text));
}

static char *gateways(struct up_obj *o, int index)
{
	static char out[256];

	out[0] = '\0';
	obj_gateways(o, index, note_gateway, out);
	free(o);
	return out;
}

static void gateways__of_this_interface__only(void **state)
{
	struct rtmsg h = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN};
	struct msg m = {.n = sizeof(h)}, via = {0};

	(void)state;
	assert_string_equal(gateways(route(NULL, 0, "192.0.2.1", UPLINK, 0, 0),
				     UPLINK), " 192.0.2.1");
	assert_string_equal(gateways(route(NULL, 0, "2001:db8::1", UPLINK, 0, 0),
				     UPLINK), " 2001:db8::1");
	assert_string_equal(gateways(route(NULL, 0, "192.0.2.1", OTHER, 0, 0),
				     UPLINK), "");
	assert_string_equal(gateways(route("10.1.0.0", 16, NULL, UPLINK, 0, 0),
				     UPLINK), "");
	assert_string_equal(gateways(multipath("10.9.0.0", 16, UPLINK), UPLINK),
			    " 192.0.2.1");
	assert_string_equal(gateways(addr("192.0.2.10", 24, UPLINK, NULL, ~0u),
				     UPLINK), "");
	/* IPv4 by way of an IPv6 router: family and address (RFC 8950) */
	memcpy(m.b, &h, sizeof(h));
	via.b[0] = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, "fe80::1", via.b + 2), 1);
	put(&m, RTA_VIA, via.b, 18);
	put_u32(&m, RTA_OIF, UPLINK);
	assert_string_equal(gateways(obj_new(true, m.b, m.n), UPLINK),
			    " fe80::1");
}

static struct up_obj *rule(const char *iif, const char *oif)
{
	struct fib_rule_hdr h = {.family = AF_INET, .action = FR_ACT_TO_TBL,
				 .flags = FIB_RULE_INVERT |
					  FIB_RULE_IIF_DETACHED};
	struct msg m = {.n = sizeof(h)};

	memcpy(m.b, &h, sizeof(h));
	put_u32(&m, FRA_PRIORITY, 100);
	put_u32(&m, FRA_TABLE, 77);
	if (iif)
		put(&m, FRA_IIFNAME, iif, strlen(iif) + 1);
	if (oif)
		put(&m, FRA_OIFNAME, oif, strlen(oif) + 1);
	return obj_new(true, m.b, m.n);
}

static void rule__names_the_uplink__copy_names_the_bridge(void **state)
{
	struct up_obj *o = rule("eth0", "eth1"), *r, *both = rule("eth0", "eth0");
	uint8_t out[OBJ_MAX];
	size_t n;

	(void)state;
	assert_true(rule_names(o, "eth0") && rule_names(o, "eth1"));
	assert_false(rule_names(o, "eth") || rule_names(o, "eth01"));
	n = rule_request(o, "eth0", "vn-br-lan", out);
	r = obj_new(true, out, n);
	assert_true(obj_valid(r));
	assert_true(rule_names(r, "vn-br-lan") && rule_names(r, "eth1"));
	assert_false(rule_names(r, "eth0"));
	assert_int_equal(((struct fib_rule_hdr *)r->b)->flags, FIB_RULE_INVERT);
	free(r);
	n = rule_request(both, "eth0", "vn-br-lan", out);
	r = obj_new(true, out, n);
	assert_false(rule_names(r, "eth0"));
	free(r);
	free(both);
	free(o);
	o = rule(NULL, NULL);
	assert_false(rule_names(o, "eth0"));
	free(o);
}

static void plan__rules__copied_and_the_copies_deleted(void **state)
{
	struct up_saved was = make_saved(false);
	struct up_l3 bridge, uplink;
	struct up_plan p;
	char *text, *at;

	(void)state;
	l3_init(&was.l3);
	l3_init(&bridge);
	l3_init(&uplink);
	uplink.index = UPLINK;
	add_to(&was.l3.rules, rule("eth0", NULL));
	assert_int_equal(plan_in(&was, &p), 0);
	text = plan_text(&p, &was);
	at = strstr(text, "rule add");
	assert_non_null(at);
	assert_true(at < strstr(text, "into the bridge: eth0"));
	plan_fini(&p);
	/* also when somebody has deleted the bridge */
	add_to(&bridge.rules, rule("vn-br-lan", NULL));
	assert_int_equal(plan_out(&was, &bridge, &uplink, was.time_s, &p), 0);
	assert_non_null(strstr(plan_text(&p, &was), "rule delete"));
	plan_fini(&p);
	l3_fini(&bridge);
	saved_fini(&was);
}

static void valid__truncated__refused_at_every_length(void **state)
{
	struct up_obj *o = multipath("10.9.0.0", 16, UPLINK);

	(void)state;
	for (size_t n = 0; n < o->len; n++) {
		struct up_obj *cut = obj_new(true, o->b, n);
		char text[OBJ_TEXT];

		if (obj_valid(cut)) { /* cut between attributes */
			(void)obj_on(cut, UPLINK);
			(void)obj_text(cut, text);
			free(rewritten(cut, UPLINK, BRIDGE, 0, NULL));
		}
		free(cut);
	}
	free(o);
}

/* ---- journal ------------------------------------------------------------------------------- */

static void journal__round_trip__same(void **state)
{
	struct up_saved was = make_saved(true), again;
	char *text, *text2;

	(void)state;
	populate(&was.l3, UPLINK);
	strcpy(was.spec.mark, "vnet:lan");
	assert_int_equal(journal_format(&was, &text), 0);
	text2 = strdup(text);
	assert_int_equal(journal_parse(text2, &again), 0);
	free(text2);
	assert_int_equal(journal_format(&again, &text2), 0);
	assert_string_equal(text, text2);
	assert_string_equal(again.spec.uplink, "eth0");
	assert_string_equal(again.spec.mark, "vnet:lan");
	assert_int_equal(again.l3.index, UPLINK);
	assert_true(again.done);
	free(text);
	free(text2);
	saved_fini(&again);
	saved_fini(&was);
}

static void journal__cut_anywhere__refused(void **state)
{
	struct up_saved was = make_saved(true), again;
	char *text, *copy;
	size_t len;

	(void)state;
	populate(&was.l3, UPLINK);
	assert_int_equal(journal_format(&was, &text), 0);
	len = strlen(text);
	for (size_t n = 0; n < len - 1; n++) { /* the last byte is a newline */
		copy = strndup(text, n);
		assert_int_not_equal(journal_parse(copy, &again), 0);
		free(copy);
	}
	free(text);
	saved_fini(&was);
}

static void journal__nonsense__refused(void **state)
{
	static const char *const bad[] = {
		"", "end\n", "vnet-uplink 2\nend\n", "vnet-uplink 1\nend\n",
		"vnet-uplink 1\nbridge 0123456789abcdef\nend\n",
		"vnet-uplink 1\naddr 0\nend\n", "vnet-uplink 1\naddr zz\nend\n",
		"vnet-uplink 1\nroute 02\nend\n", "vnet-uplink 1\nmtu -1\nend\n",
		"vnet-uplink 1\nindex 99999999999\nend\n",
		"vnet-uplink 1\nfoo 1\nend\n",
	};
	struct up_saved s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *copy = strdup(bad[i]);

		assert_int_not_equal(journal_parse(copy, &s), 0);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_in__server__golden),
		cmocka_unit_test(plan_in__bare_interface_down__is_brought_up),
		cmocka_unit_test(plan_keep__nothing_wrong__no_step),
		cmocka_unit_test(plan_out__after_use__all_goes_back),
		cmocka_unit_test(
			plan_out__half_of_a_key_moved__order_is_restored),
		cmocka_unit_test(
			plan_out__killed_on_the_way__only_the_difference),
		cmocka_unit_test(
			plan_out__bridge_deleted_by_hand__the_journal_tells),
		cmocka_unit_test(plan_out__uplink_unplugged__devices_go),
		cmocka_unit_test(
			request__address__moves_with_label_and_less_life),
		cmocka_unit_test(request__route__moves_and_loses_link_state),
		cmocka_unit_test(
			request__ipv6_route_with_life__asks_for_seconds),
		cmocka_unit_test(request__multipath__only_our_hop_moves),
		cmocka_unit_test(gateways__of_this_interface__only),
		cmocka_unit_test(rule__names_the_uplink__copy_names_the_bridge),
		cmocka_unit_test(plan__rules__copied_and_the_copies_deleted),
		cmocka_unit_test(valid__truncated__refused_at_every_length),
		cmocka_unit_test(journal__round_trip__same),
		cmocka_unit_test(journal__cut_anywhere__refused),
		cmocka_unit_test(journal__nonsense__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
