// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host fake_ip6 */
/* IPv6 through the gateway: echo, UDP, TCP, errors both ways, policy, forwards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "nat/tcp_seg.h"
#include "switch/port.h"
#include "tests/fake/fake_ip6.h"

static int setup(void **state)
{
	struct fake_nat *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_nat_init(f);
	fake_nat_init6(f);
	*state = f;
	return 0;
}

static int setup_running(void **state)
{
	int err = setup(state);

	if (!err) {
		fake_nat_start(*state);
		fake6_hello(*state, GUEST6);
	}
	return err;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

static struct fake6_pkt udp(const char *dst, uint16_t dport)
{
	return (struct fake6_pkt){.dst = dst, .proto = IP4_UDP, .sport = 5000,
				  .dport = dport, .data = "ping", .len = 4};
}

static struct fake6_pkt echo(const char *dst)
{
	return (struct fake6_pkt){.dst = dst, .proto = IP6_ICMP, .sport = 77,
				  .dport = 3, .data = "hello", .len = 5};
}

static bool is_from(struct fake_nat *f, unsigned int i, const char *src)
{
	struct fake6_got g = fake6_got(f, i);

	return is_ip6(&g.h.src, src);
}

/* The last frame is an ICMPv6 error. */
static struct fake6_got is_error(struct fake_nat *f, uint8_t type, uint8_t code)
{
	struct fake6_got g = fake6_got(f, f->n - 1);

	assert_int_equal(g.h.proto, IP6_ICMP);
	assert_int_equal(g.l4[0], type);
	assert_int_equal(g.l4[1], code);
	assert_true(is_ip6(&g.h.dst, GUEST6));
	return g;
}

/* ---- echo ---------------------------------------------------------------------- */

static void echo__to_ours_and_our_groups__answered(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = echo(GW6);
	struct ipaddr ll = fake6_gw_ll();
	struct fake6_got g;

	assert_int_equal(fake6_pkt(f, &k), -1);
	g = fake6_got(f, 0);
	assert_int_equal(g.l4[0], ICMP6_ECHO_REPLY);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_int_equal(get_be16(g.l4 + 4), 77);
	assert_int_equal(get_be16(g.l4 + 6), 3);
	assert_memory_equal(g.data, "hello", 5);
	k.dst = DNS6;
	fake6_pkt(f, &k);
	g = fake6_got(f, 1);
	assert_true(is_ip6(&g.h.src, DNS6));
	k.dst = "ff02::1";
	k.src = GUEST_LL;
	assert_int_equal(fake6_pkt(f, &k), -1);
	g = fake6_got(f, 2);
	assert_true(ipaddr_eq(&g.h.src, &ll));
	assert_true(is_ip6(&g.h.dst, GUEST_LL));
	k.dst = "ff02::fb";
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	assert_int_equal(f->n, 3);
}

static void echo__bad_checksum__dropped(void **state)
{
	struct fake6_pkt k = echo(GW6);

	k.csum_off = 1;
	assert_int_equal(fake6_pkt(*state, &k), DROP_PROTO);
}

static void echo__outside__real_reply_and_errors_rewritten(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = echo(FAR6);
	struct icmp_recv r = {.from = ip6_of(FAR6), .ttl = 50, .seq = 3,
			      .data = "hello", .len = 5};
	uint8_t quoted[13] = {128, 0, 0, 0, 0x12, 0x34, 0, 3};
	struct host_err e = {.to = {ip6_of(FAR6), 0},
			     .from = ip6_of("2001:db8:2::1"), .type = 3,
			     .data = quoted, .len = sizeof(quoted)};
	struct icmp_map *m;
	struct fake6_got g;

	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(f->nsent, 1);
	assert_true(is_ip6(&f->sent[0].to.ip, FAR6));
	assert_int_equal(f->sent[0].ttl, 63);
	assert_true(f->sent[0].df);
	m = f->sent[0].flow;
	icmp_host_input(&f->gw->icmp, m, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = fake6_got(f, 0);
	assert_int_equal(g.l4[0], ICMP6_ECHO_REPLY);
	assert_true(is_ip6(&g.h.src, FAR6));
	assert_int_equal(g.h.ttl, 49);
	assert_int_equal(get_be16(g.l4 + 4), 77);
	icmp_host_error(&f->gw->icmp, m, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = is_error(f, ICMP6_TIME, 0);
	assert_true(is_ip6(&g.h.src, "2001:db8:2::1"));
	/* Quoted: IPv6 header, then the guest's own echo. */
	assert_int_equal(g.data[6], IP6_ICMP);
	assert_int_equal(g.data[40], ICMP6_ECHO);
	assert_int_equal(get_be16(g.data + 44), 77);
	/* Strangers that claim to be inside. */
	r.from = ip6_of(OTHER6);
	icmp_host_input(&f->gw->icmp, m, &r, f->now_ms);
	r.from = ip6_of("fe80::1");
	icmp_host_input(&f->gw->icmp, m, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, 2);
}

/* ---- who may send what where ----------------------------------------------------- */

static void network_without_ipv6__any_packet__dropped(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = echo(GW6);

	f->cfg.net6.plen = 0;
	fake_nat_start(f);
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	k = udp(FAR6, 7);
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	assert_int_equal(f->n + f->nsent, 0);
}

static void source__not_a_guests__dropped(void **state)
{
	static const struct {
		const char *src;
		int drop;
	} t[] = {
		{"2001:db8::99", DROP_PROTO}, {"fd00:2::15", DROP_PROTO},
		{"::", DROP_PROTO},	      {GW6, DROP_GUARD},
		{DNS6, DROP_GUARD},	      {GUEST_LL, DROP_POLICY},
		{"::1", DROP_PROTO},	      {"ff02::1", DROP_PROTO},
	};
	struct fake_nat *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct fake6_pkt k = udp(FAR6, 7);

		k.src = t[i].src;
		assert_int_equal(fake6_pkt(f, &k), t[i].drop);
	}
	assert_int_equal(f->n + f->nsent, 0);
}

static void address__v4_mapped__refused_both_ways(void **state)
{
	struct fake_nat *f = *state;
	uint8_t b[256];
	struct fake6_pkt k = udp(FAR6, 7);
	size_t n = fake6_build(&k, b);
	struct ipaddr mapped = ipaddr_from4(FAR), guest = ipaddr_from4(GUEST);

	memcpy(b + 14 + 24, mapped.b, 16);
	assert_int_equal(fake_nat_in(f, b, n, 7), DROP_PROTO);
	n = fake6_build(&k, b);
	memcpy(b + 14 + 8, guest.b, 16);
	assert_int_equal(fake_nat_in(f, b, n, 7), DROP_PROTO);
	assert_int_equal(f->n + f->nsent, 0);
}

static void destination__that_never_leaves__silent(void **state)
{
	static const char *const dst[] = {
		"::2", "::10.0.0.1", "fe80::9", "fec0::1", "ff0e::1", "ff05::2",
		"fd00:1::99",
	};
	struct fake_nat *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(dst); i++) {
		struct fake6_pkt k = udp(dst[i], 7);

		assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
		k = echo(dst[i]);
		assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	}
	assert_int_equal(f->n + f->nsent, 0);
}

static void destination__denied__prohibited(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp("fd00:7::1", 7);
	struct ip6_net deny;

	assert_int_equal(ip6_net_parse("fd00:7::/64", &deny, NULL), 0);
	assert_int_equal(gateway_set_deny6(f->gw, &deny, 1, f->now_ms), 0);
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
	k = echo("fd00:7::1");
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
	k.proto = IP4_TCP;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
	assert_int_equal(f->n, 3);
	gateway_set_deny6(f->gw, NULL, 0, f->now_ms);
	k = udp("fd00:7::1", 7);
	assert_int_equal(fake6_pkt(f, &k), -1);
}

static void host__by_access__reached_refused_or_nowhere(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(GW6, 7);

	fake6_pkt(f, &k);
	assert_true(is_ip6(&f->sent[0].to.ip, HOST6));
	assert_int_equal(f->sent[0].ttl, 64);
	f->gw->pol.host_ip6 = ipaddr_any;
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	is_error(f, ICMP6_UNREACH, ICMP6_C_PORT);
	f->gw->pol.host_ip6 = ip6_of(HOST6);
	f->gw->pol.host_access = NAT_HOST_LOOPBACK;
	fake6_pkt(f, &k);
	assert_true(is_ip6(&f->sent[1].to.ip, "::1"));
	f->gw->pol.host_access = NAT_HOST_OFF;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
	k.dst = HOST6;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
	/* No service of ours, and no host behind it. */
	k.dst = DNS6;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_PORT);
	assert_int_equal(f->nsent, 2);
}

static void host__answers__as_the_address_that_was_asked(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(GW6, 7);
	struct udp_recv r = {.from = {ip6_of(HOST6), 7}, .ttl = 64,
			     .data = "pong", .len = 4};

	fake6_pkt(f, &k);
	udp_host_input(&f->gw->udp, f->sent[0].flow, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_true(is_from(f, 0, GW6));
	r.from = (struct endpoint){ip6_of("::1"), 7};
	udp_host_input(&f->gw->udp, f->sent[0].flow, &r, f->now_ms);
	r.from = (struct endpoint){ip6_of(HOST6), 8};
	udp_host_input(&f->gw->udp, f->sent[0].flow, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_true(is_from(f, 1, GW6));
	assert_true(is_from(f, 2, HOST6));
}

/* ---- UDP -------------------------------------------------------------------------- */

static void udp__both_ways__one_mapping_of_its_family(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(FAR6, 7);
	struct udp_recv r = {.from = {ip6_of(FAR6), 7}, .ttl = 60, .tos = 0xb8,
			     .data = "pong", .len = 4};
	struct fake_pkt k4 = {.src = GUEST, .dst = FAR, .proto = IP4_UDP,
			      .sport = 5000, .dport = 7};
	struct fake6_got g;

	k.tclass = 0x2e;
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_true(is_ip6(&f->sent[0].to.ip, FAR6));
	assert_int_equal(f->sent[0].to.port, 7);
	assert_int_equal(f->sent[0].ttl, 63);
	assert_int_equal(f->sent[0].tos, 0x2e);
	assert_true(f->sent[0].df);
	assert_memory_equal(f->sent[0].p, "ping", 4);
	udp_host_input(&f->gw->udp, f->sent[0].flow, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = fake6_got(f, 0);
	assert_true(is_ip6(&g.h.src, FAR6));
	assert_int_equal(g.sport, 7);
	assert_int_equal(g.dport, 5000);
	assert_int_equal(g.h.ttl, 59);
	assert_int_equal(g.h.tos, 0xb8);
	assert_memory_equal(g.data, "pong", 4);
	/* The same port of IPv4 is another mapping. */
	fake_nat_pkt(f, &k4);
	assert_int_equal(f->live[FAKE_UDP], 2);
}

static void udp__checksum_missing_or_wrong__dropped(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(FAR6, 7);
	uint8_t b[256];
	size_t n = fake6_build(&k, b);

	put_be16(b + 14 + 40 + 6, 0);
	assert_int_equal(fake_nat_in(f, b, n, 7), DROP_PROTO);
	k.csum_off = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	assert_int_equal(f->nsent, 0);
}

static void udp__longer_than_the_mtu_from_outside__in_fragments(void **state)
{
	struct fake_nat *f = *state;
	static uint8_t data[4000];
	struct udp_recv r = {.from = {ip6_of(FAR6), 7}, .ttl = 60,
			     .data = data, .len = sizeof(data)};
	struct fake6_pkt k = udp(FAR6, 7);
	size_t at = 0;
	uint32_t id;

	fake6_pkt(f, &k);
	udp_host_input(&f->gw->udp, f->sent[0].flow, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, 3);
	id = fake6_got(f, 0).h.id;
	for (unsigned int i = 0; i < 3; i++) {
		struct fake6_got g = fake6_got(f, i);

		assert_int_equal(g.h.proto, IP4_UDP);
		assert_int_equal(g.h.frag, at);
		assert_int_equal(g.h.id, id);
		assert_int_equal(g.h.mf, i < 2);
		at += g.l4_len;
	}
	assert_int_equal(at, 4008);
}

static void udp__errors_from_outside__with_what_the_guest_sent(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(FAR6, 7);
	struct host_err e = {.to = {ip6_of(FAR6), 7}, .type = ICMP6_TOO_BIG,
			     .info = 1400, .from = ip6_of("2001:db8:2::1"),
			     .data = (const uint8_t *)"ping", .len = 4};
	struct fake6_got g;

	fake6_pkt(f, &k);
	udp_host_error(&f->gw->udp, f->sent[0].flow, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = is_error(f, ICMP6_TOO_BIG, 0);
	assert_int_equal(get_be32(g.l4 + 4), 1400);
	assert_true(is_ip6(&g.h.src, "2001:db8:2::1"));
	assert_int_equal(g.data[6], IP4_UDP);
	assert_int_equal(get_be16(g.data + 40), 5000);
	assert_int_equal(get_be16(g.data + 42), 7);
	/* A router by its link-local address means nothing to the guest. */
	e = (struct host_err){.to = e.to, .type = ICMP6_UNREACH,
			      .code = ICMP6_C_PORT, .from = ip6_of("fe80::7")};
	udp_host_error(&f->gw->udp, f->sent[0].flow, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = is_error(f, ICMP6_UNREACH, ICMP6_C_PORT);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_int_equal(f->live[FAKE_UDP], 1);
}

static void host_without_ipv6__any_protocol__told_at_once(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(FAR6, 7);

	f->open_err = -EAFNOSUPPORT;
	f->connect_err = -EAFNOSUPPORT;
	assert_int_equal(fake6_pkt(f, &k), DROP_LIMIT);
	is_error(f, ICMP6_UNREACH, ICMP6_C_NOROUTE);
	k = echo(FAR6);
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_NOROUTE);
	k.proto = IP4_TCP;
	fake6_pkt(f, &k);
	assert_int_equal(fake6_got(f, 2).l4[13], 0x14); /* RST, ACK */
	/* Sockets, but no route. */
	f->open_err = 0;
	f->send_err = -ENETUNREACH;
	f->connect_err = -ENETUNREACH;
	k = udp(FAR6, 7);
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_NOROUTE);
	k.proto = IP4_TCP;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_NOROUTE);
}

static void hops__none_left__time_exceeded_outside_only(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = udp(FAR6, 7);
	struct fake6_got g;

	k.hop = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	g = is_error(f, ICMP6_TIME, 0);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_int_equal(g.len, 40 + 8 + 4);
	k.dst = GW6;
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(f->sent[0].ttl, 1);
}

static void protocol__unknown__refused_by_where_it_goes(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = {.dst = GW6, .proto = 132, .raw = true,
			      .data = "sctp", .len = 4};
	struct fake6_got g;

	assert_int_equal(fake6_pkt(f, &k), DROP_POLICY);
	g = is_error(f, ICMP6_PARAM, ICMP6_C_NEXT);
	assert_int_equal(get_be32(g.l4 + 4), 6);
	k.dst = FAR6;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
	k.proto = IP6_NONE;
	fake6_pkt(f, &k);
	k.proto = IP4_ICMP; /* IPv4's does not exist here */
	k.dst = GW6;
	fake6_pkt(f, &k);
	is_error(f, ICMP6_PARAM, ICMP6_C_NEXT);
	assert_int_equal(f->n, 3);
}

static void error__large_packet__quoted_up_to_1280_bytes(void **state)
{
	struct fake_nat *f = *state;
	static uint8_t data[1400];
	struct fake6_pkt k = udp(FAR6, 7);
	struct fake6_got g;

	k.data = data;
	k.len = sizeof(data);
	k.hop = 1;
	fake6_pkt(f, &k);
	g = is_error(f, ICMP6_TIME, 0);
	assert_int_equal(g.l4_len + 40, 1280);
	assert_memory_equal(g.data + 48, data, g.len - 48);
}

/* … and of a frame of many the first, behind the extension headers it came with. */
static void error__uso_frame__about_the_first_datagram(void **state)
{
	struct fake_nat *f = *state;
	static const uint8_t opts[8] = {IP4_UDP, 0, 1, 4};
	static uint8_t data[1400];
	struct fake6_pkt k = udp(FAR6, 7);
	uint8_t *b = malloc(FRAME_MAX);
	struct fake6_got g;
	struct frame fr;

	k.data = data;
	k.len = sizeof(data);
	k.hop = 1;
	k.exts = opts;
	k.exts_len = sizeof(opts);
	k.first = 60;
	frame_init(&fr, b, fake6_build(&k, b));
	fr.off = (struct offload){.needs_csum = true, .gso_type = GSO_UDP_L4,
				  .gso_size = 500, .csum_start = 62,
				  .csum_offset = 6};
	fake_nat_in_frame(f, &fr, 7);
	g = is_error(f, ICMP6_TIME, 0);
	assert_int_equal(get_be16(g.data + 4), 8 + 8 + 500);
	assert_int_equal(g.data[6], 60);
	assert_memory_equal(g.data + 40, opts, 8);
	assert_int_equal(get_be16(g.data + 48 + 4), 8 + 500);
	free(b);
}

/* ---- TCP -------------------------------------------------------------------------- */

static void tcp__syn__connects_or_is_refused(void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = {.dst = FAR6, .proto = IP4_TCP, .sport = 5000,
			      .dport = 443};
	struct fake6_got g;

	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(f->sent[0].kind, FAKE_TCP);
	assert_true(is_ip6(&f->sent[0].to.ip, FAR6));
	assert_int_equal(f->sent[0].to.port, 443);
	g = fake6_got(f, 0);
	assert_int_equal(g.h.proto, IP4_TCP);
	assert_int_equal(g.l4[13], 0x14);
	assert_true(is_ip6(&g.h.src, FAR6));
	assert_int_equal(g.dport, 5000);
	k.csum_off = 1;
	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
}

static void tcp__connect_fails_on_the_way__routers_word_is_passed_on(
	void **state)
{
	struct fake_nat *f = *state;
	struct fake6_pkt k = {.dst = FAR6, .proto = IP4_TCP, .sport = 5000,
			      .dport = 443};

	f->connect_err = 0;
	f->tcp_why = (struct tcp_icmp){ip6_of("2001:db8:2::1"), ICMP6_UNREACH,
				       ICMP6_C_ADMIN};
	for (unsigned int i = 0; i < 2; i++) {
		k.sport++;
		assert_int_equal(fake6_pkt(f, &k), -1);
		tcp_host_connected(f->sent[i].flow, -EHOSTUNREACH, f->now_ms);
		gateway_flush(f->gw, f->now_ms);
		is_error(f, ICMP6_UNREACH, ICMP6_C_ADMIN);
		/* Known by the address of another link: the gateway says it. */
		assert_true(is_from(f, i, i ? GW6 : "2001:db8:2::1"));
		f->tcp_why.from = ip6_of("fe80::1");
	}
}

/* ---- forwards ---------------------------------------------------------------------- */

static struct forward *add_forward(struct fake_nat *f, uint8_t proto)
{
	struct forward *w = calloc(1, sizeof(*w));

	w->id = 5;
	w->proto = proto;
	w->nic_id = 7;
	w->target_port = 69;
	assert_int_equal(forward_add(&f->gw->forwards, w), 0);
	fake_nat_hello(f, GUEST);
	fake6_hello(f, GUEST6);
	fake_nat_clear(f);
	return w;
}

static void client_says(struct fake_nat *f, struct forward *w, const char *ip)
{
	struct udp_recv r = {.from = {ip6_of(ip), 999}, .ttl = 60,
			     .local = ip6_of(strchr(ip, ':') ? HOST6
							     : "192.168.1.5"),
			     .data = "hi", .len = 2};

	forward_udp_input(&f->gw->forwards, w, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void forward_udp__same_family__client_seen_and_answered(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, IP4_UDP);
	struct fake6_pkt k = udp(FAR6, 999);
	struct fake6_got g;

	f->resolves = GUEST;
	f->resolves6 = ip6_of(GUEST6);
	client_says(f, w, FAR6);
	g = fake6_got(f, 0);
	assert_true(is_ip6(&g.h.src, FAR6));
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_int_equal(g.sport, 999);
	assert_int_equal(g.dport, 69);
	k.sport = 69;
	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_int_equal(f->sent[0].kind, FAKE_FORWARD);
	assert_true(is_ip6(&f->sent[0].to.ip, FAR6));
	assert_true(is_ip6(&f->sent[0].local, HOST6));
	/* Over IPv4 it goes to the IPv4 address. */
	client_says(f, w, "9.9.9.9");
	assert_int_equal(fake_nat_got(f, 1).ip.dst, GUEST);
	assert_int_equal(fake_nat_got(f, 1).ip.src, 0x09090909);
	/* Loopback cannot be answered: the gateway stands for it. */
	client_says(f, w, "::1");
	assert_true(is_from(f, 2, GW6));
}

static void forward_udp__guest_without_the_family__gateway_stands_in(
	void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, IP4_UDP);
	struct fake_pkt k = {.src = GUEST, .dst = GW, .proto = IP4_UDP,
			     .sport = 69, .data = "yo", .len = 2};
	struct host_err e = {.to = {ip6_of(FAR6), 999}, .type = ICMP6_TOO_BIG,
			     .info = 1300, .from = ip6_of(FAR6)};
	struct fake_got g;

	f->resolves = GUEST;
	client_says(f, w, FAR6);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, GW);
	assert_int_equal(g.ip.dst, GUEST);
	k.dport = g.sport;
	fake_nat_pkt(f, &k);
	assert_true(is_ip6(&f->sent[0].to.ip, FAR6));
	assert_int_equal(f->sent[0].to.port, 999);
	/* Errors in the guest's own words (RFC 7915 5.2). */
	forward_udp_error(&f->gw->forwards, w, &e, f->now_ms);
	e.type = ICMP6_UNREACH;
	e.code = ICMP6_C_PORT;
	forward_udp_error(&f->gw->forwards, w, &e, f->now_ms);
	e.code = 2; /* beyond scope: says nothing in IPv4 */
	forward_udp_error(&f->gw->forwards, w, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	assert_int_equal(f->n, 3);
	g = fake_nat_got(f, 1);
	assert_int_equal(g.l4[0], ICMP_T_UNREACH);
	assert_int_equal(g.l4[1], ICMP_C_FRAG);
	assert_int_equal(get_be16(g.l4 + 6), 1280);
	assert_int_equal(fake_nat_got(f, 2).l4[1], ICMP_C_PORT);
}

static void forward_udp__guest_with_ipv6_only__ipv4_client_reaches_it(
	void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, IP4_UDP);
	struct fake6_got g;

	f->resolves6 = ip6_of(GUEST6);
	client_says(f, w, "9.9.9.9");
	g = fake6_got(f, 0);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_int_equal(w->accepted, 1);
	/* What does not belong inside is no target. */
	f->resolves6 = ip6_of("fd00:2::15");
	client_says(f, w, "9.9.9.8");
	f->resolves6 = ip6_of(GUEST_LL);
	client_says(f, w, "9.9.9.8");
	f->resolves6 = ip6_of(GW6);
	client_says(f, w, "9.9.9.8");
	assert_int_equal(w->refused, 3);
	assert_int_equal(f->n, 1);
}

static void forward_tcp__either_family__syn_to_the_guest(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, IP4_TCP);
	struct endpoint c6 = {ip6_of(FAR6), 999}, c4 = endpoint4(FAR, 999);
	struct fake6_got g;
	struct tcp_seg syn;
	size_t hlen;

	f->resolves6 = ip6_of(GUEST6);
	f->live[FAKE_TCP] = 2;
	assert_int_equal(gateway_tcp_accept(f->gw, w, &c6, f, f->now_ms), 0);
	gateway_flush(f->gw, f->now_ms);
	g = fake6_got(f, 0);
	assert_true(is_ip6(&g.h.src, FAR6));
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_int_equal(g.dport, 69);
	assert_int_equal(g.l4[13], 2);
	hlen = (size_t)(g.l4[12] >> 4) * 4;
	/* The MSS leaves room for IPv6's header. */
	assert_int_equal(tcp_seg_parse(&syn, g.l4, hlen, hlen), 0);
	assert_int_equal(syn.mss, 1440);
	assert_int_equal(gateway_tcp_accept(f->gw, w, &c4, f, f->now_ms), 0);
	gateway_flush(f->gw, f->now_ms);
	assert_true(is_from(f, 1, GW6));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup_running, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(echo__to_ours_and_our_groups__answered),
		T(echo__bad_checksum__dropped),
		T(echo__outside__real_reply_and_errors_rewritten),
		cmocka_unit_test_setup_teardown(
			network_without_ipv6__any_packet__dropped, setup,
			teardown),
		T(source__not_a_guests__dropped),
		T(address__v4_mapped__refused_both_ways),
		T(destination__that_never_leaves__silent),
		T(destination__denied__prohibited),
		T(host__by_access__reached_refused_or_nowhere),
		T(host__answers__as_the_address_that_was_asked),
		T(udp__both_ways__one_mapping_of_its_family),
		T(udp__checksum_missing_or_wrong__dropped),
		T(udp__longer_than_the_mtu_from_outside__in_fragments),
		T(udp__errors_from_outside__with_what_the_guest_sent),
		T(host_without_ipv6__any_protocol__told_at_once),
		T(hops__none_left__time_exceeded_outside_only),
		T(protocol__unknown__refused_by_where_it_goes),
		T(error__large_packet__quoted_up_to_1280_bytes),
		T(error__uso_frame__about_the_first_datagram),
		T(tcp__syn__connects_or_is_refused),
		T(tcp__connect_fails_on_the_way__routers_word_is_passed_on),
		T(forward_udp__same_family__client_seen_and_answered),
		T(forward_udp__guest_without_the_family__gateway_stands_in),
		T(forward_udp__guest_with_ipv6_only__ipv4_client_reaches_it),
		T(forward_tcp__either_family__syn_to_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
