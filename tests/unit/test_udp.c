// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* UDP mappings and UDP forwards, with the requirements of RFC 4787 by number. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/port.h"
#include "tests/fake/fake_nat_host.h"

static int setup(void **state)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake_nat_clear(f);
	*state = f;
	return 0;
}

static int setup_filter(void **state)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	f->cfg.udp_filter = NAT_FILTER_ADDR_PORT;
	fake_nat_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

static struct fake_pkt udp(uint32_t dst, uint16_t dport)
{
	return (struct fake_pkt){.src = GUEST, .dst = dst, .proto = IP4_UDP,
				 .sport = 5000, .dport = dport, .data = "ping",
				 .len = 4};
}

static void from_host(struct fake_nat *f, struct udp_map *m, uint32_t ip,
		      uint16_t port, const void *data, size_t len)
{
	struct udp_recv r = {.from = endpoint4(ip, port), .ttl = 60,
			     .data = data, .len = len};

	udp_host_input(&f->gw->udp, m, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

/* ---- mappings ------------------------------------------------------------------ */

/* REQ-1: endpoint-independent mapping. */
static void map__two_destinations__one_socket(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	assert_int_equal(fake_nat_pkt(f, &k), -1);
	k = udp(0x01010101, 9);
	fake_nat_pkt(f, &k);
	assert_int_equal(f->live[FAKE_UDP], 1);
	assert_ptr_equal(f->sent[0].flow, f->sent[1].flow);
	assert_int_equal(ipaddr_get4(&f->sent[1].to.ip), 0x01010101);
	assert_int_equal(f->sent[1].to.port, 9);
	assert_memory_equal(f->sent[1].p, "ping", 4);
	k.sport = 5001;
	fake_nat_pkt(f, &k);
	assert_int_equal(f->live[FAKE_UDP], 2);
}

/* REQ-3, port preservation where it is free, never overloading (3 b). */
static void map__port__asked_for_and_shown(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	struct udp_map *m;

	fake_nat_pkt(f, &k);
	m = f->sent[0].flow;
	assert_int_equal(m->host_port, 5000);
	f->busy_port = 5002;
	k.sport = 5002;
	fake_nat_pkt(f, &k);
	m = f->sent[1].flow;
	assert_int_equal(m->host_port, 40000);
}

/* REQ-5: not before 2 minutes, 5 by default. */
static void map__idle__ends_after_300_s(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	fake_nat_pkt(f, &k);
	fake_nat_wait(f, 299000);
	assert_int_equal(f->live[FAKE_UDP], 1);
	fake_nat_wait(f, 2000);
	assert_int_equal(f->live[FAKE_UDP], 0);
}

/* REQ-6: outbound refreshes; here inbound does too. */
static void map__traffic_either_way__refreshes(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	fake_nat_pkt(f, &k);
	fake_nat_wait(f, 200000);
	fake_nat_pkt(f, &k);
	fake_nat_wait(f, 200000);
	assert_int_equal(f->live[FAKE_UDP], 1);
	from_host(f, f->sent[0].flow, FAR, 7, "pong", 4);
	fake_nat_wait(f, 299000);
	assert_int_equal(f->live[FAKE_UDP], 1);
	fake_nat_wait(f, 2000);
	assert_int_equal(f->live[FAKE_UDP], 0);
}

/* REQ-5a: shorter for well-known ports. */
static void map__answered_dns_query__ends_after_17_s(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 53);

	fake_nat_pkt(f, &k);
	fake_nat_wait(f, 60000);
	assert_int_equal(f->live[FAKE_UDP], 1); /* no answer yet */
	from_host(f, f->sent[0].flow, FAR, 53, "answer", 6);
	fake_nat_wait(f, 16000);
	assert_int_equal(f->live[FAKE_UDP], 1);
	fake_nat_wait(f, 2000);
	assert_int_equal(f->live[FAKE_UDP], 0);
}

static void map__dns_and_more__ends_after_300_s(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 53);

	fake_nat_pkt(f, &k);
	from_host(f, f->sent[0].flow, FAR, 53, "answer", 6);
	k = udp(FAR, 443);
	fake_nat_pkt(f, &k);
	fake_nat_wait(f, 299000);
	assert_int_equal(f->live[FAKE_UDP], 1);
	fake_nat_wait(f, 2000);
	assert_int_equal(f->live[FAKE_UDP], 0);
}

static void map__quota__least_recently_used_makes_room(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	for (uint16_t i = 0; i < 512; i++) {
		k.sport = (uint16_t)(10000 + i);
		fake_nat_pkt(f, &k);
	}
	k.sport = 10000; /* the oldest is used again */
	fake_nat_pkt(f, &k);
	k.sport = 20000;
	fake_nat_pkt(f, &k);
	assert_int_equal(f->live[FAKE_UDP], 512);
	f->nsent = 0;
	k.sport = 10000;
	fake_nat_pkt(f, &k);
	assert_int_equal(f->gw->flows.evicted, 1);
	/* Another NIC's mapping pushes nobody out. */
	k.src = OTHER;
	fake_nat_pkt(f, &k);
	assert_int_equal(f->live[FAKE_UDP], 513);
}

static void map__no_descriptor__prohibited_and_counted(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	f->open_err = -EMFILE;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_LIMIT);
	assert_int_equal(fake_nat_got(f, 0).l4[0], ICMP_T_UNREACH);
	assert_int_equal(fake_nat_got(f, 0).l4[1], ICMP_C_ADMIN);
	assert_int_equal(f->gw->udp.stats.refused, 1);
	assert_int_equal(f->gw->flows.total[FLOW_UDP], 0);
	f->open_err = 0;
	assert_int_equal(fake_nat_pkt(f, &k), -1);
}

static void map__descriptors_used_up__the_greediest_guest_pays(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	f->max_sockets = 20;
	for (uint16_t i = 0; i < 20; i++) {
		k.sport = (uint16_t)(10000 + i);
		fake_nat_pkt(f, &k);
	}
	k.src = OTHER;
	for (uint16_t i = 0; i < 3; i++) {
		k.sport = (uint16_t)(10000 + i);
		assert_int_equal(fake_nat_pkt(f, &k), -1);
	}
	assert_int_equal(f->live[FAKE_UDP], 20);
	gateway_nic_gone(f->gw, 7);
	assert_int_equal(f->live[FAKE_UDP], 3);
}

static void map__guest_moved_to_another_nic__counted_there(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	uint8_t b[100];
	size_t n = fake_pkt_build(&k, b);

	fake_nat_in(f, b, n, 7);
	fake_nat_in(f, b, n, 9);
	assert_int_equal(f->live[FAKE_UDP], 1);
	gateway_nic_gone(f->gw, 7);
	assert_int_equal(f->live[FAKE_UDP], 1);
	gateway_nic_gone(f->gw, 9);
	assert_int_equal(f->live[FAKE_UDP], 0);
}

static void map__uso_frame__one_datagram_per_segment(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	static uint8_t data[2500];
	struct frame fr;
	uint8_t b[2600];

	memset(data, 1, 1000);
	memset(data + 1000, 2, 1000);
	memset(data + 2000, 3, 500);
	k.data = data;
	k.len = sizeof(data);
	frame_init(&fr, b, fake_pkt_build(&k, b));
	fr.off = (struct offload){.needs_csum = true, .gso_type = GSO_UDP_L4,
				  .gso_size = 1000, .csum_start = 34,
				  .csum_offset = 6};
	assert_int_equal(fake_nat_in_frame(f, &fr, 7), -1);
	assert_int_equal(f->nsent, 3);
	assert_int_equal(f->sent[0].len, 1000);
	assert_int_equal(f->sent[2].len, 500);
	assert_int_equal(f->sent[1].p[0], 2);
	assert_int_equal(f->sent[2].p[499], 3);
}

/* Its sender knows nothing of a datagram of 2500 bytes. */
static void map__uso_frame_refused__error_about_the_first_datagram(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	static uint8_t data[2500];
	struct fake_got g;
	struct frame fr;
	uint8_t b[2600];

	k.data = data;
	k.len = sizeof(data);
	frame_init(&fr, b, fake_pkt_build(&k, b));
	fr.off = (struct offload){.needs_csum = true, .gso_type = GSO_UDP_L4,
				  .gso_size = 1000, .csum_start = 34,
				  .csum_offset = 6};
	f->send_err = -ENETUNREACH;
	assert_int_equal(fake_nat_in_frame(f, &fr, 7), -1);
	assert_int_equal(f->n, 1);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.l4[0], ICMP_T_UNREACH);
	assert_int_equal(get_be16(g.data + 2), 20 + 8 + 1000);
	assert_int_equal(get_be16(g.data + 20 + 2), 7);
	assert_int_equal(get_be16(g.data + 20 + 4), 8 + 1000);
}

static void map__host_has_no_route__guest_is_told(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	struct fake_got g;

	f->send_err = -ENETUNREACH;
	assert_int_equal(fake_nat_pkt(f, &k), -1);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.l4[0], ICMP_T_UNREACH);
	assert_int_equal(g.l4[1], ICMP_C_NET);
	f->send_err = -ENOBUFS; /* a loss like any other */
	fake_nat_pkt(f, &k);
	assert_int_equal(f->n, 1);
}

static void map__ttl_tos_df__carried(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	k.ttl = 12;
	k.tos = 0xb9;
	k.df = true;
	fake_nat_pkt(f, &k);
	assert_int_equal(f->sent[0].ttl, 11);
	assert_int_equal(f->sent[0].tos, 0xb9);
	assert_true(f->sent[0].df);
	k.df = false;
	fake_nat_pkt(f, &k);
	assert_false(f->sent[1].df);
}

/* Found by fuzzing: a socket refuses TTL 0. */
static void map__ttl_zero_to_the_gateway__sent_with_one(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(GW, 7);
	uint8_t b[100];
	size_t n = fake_pkt_build(&k, b);

	b[22] = 0;
	put_be16(b + 24, 0);
	put_be16(b + 24, csum_finish(csum_add(0, b + 14, 20)));
	assert_int_equal(fake_nat_in(f, b, n, 7), -1);
	assert_int_equal(f->sent[0].ttl, 1);
}

static void map__checksum__bad_dropped_none_and_unfinished_taken(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	uint8_t b[100];
	size_t n = fake_pkt_build(&k, b);
	uint16_t good = get_be16(b + 40);

	put_be16(b + 40, (uint16_t)(good ^ 0x100));
	assert_int_equal(fake_nat_in(f, b, n, 7), DROP_PROTO);
	put_be16(b + 40, 0);
	assert_int_equal(fake_nat_in(f, b, n, 7), -1);
	assert_int_equal(f->nsent, 1);
}

static void map__lengths_that_lie__dropped(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	uint8_t b[100];
	size_t n = fake_pkt_build(&k, b);

	put_be16(b + 40, 0);
	put_be16(b + 38, 7);
	assert_int_equal(fake_nat_in(f, b, n, 7), DROP_PROTO);
	put_be16(b + 38, 13);
	assert_int_equal(fake_nat_in(f, b, n, 7), DROP_PROTO);
	put_be16(b + 38, 8);
	assert_int_equal(fake_nat_in(f, b, n, 7), -1);
	assert_int_equal(f->sent[0].len, 0);
}

/* ---- from outside ----------------------------------------------------------------- */

/* REQ-8: endpoint-independent filtering is the default. */
static void inbound__from_anybody__delivered(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	struct fake_got g;

	fake_nat_pkt(f, &k);
	from_host(f, f->sent[0].flow, 0x01020304, 99, "hi", 2);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, 0x01020304);
	assert_int_equal(g.ip.dst, GUEST);
	assert_int_equal(g.ip.ttl, 59);
	assert_int_equal(g.sport, 99);
	assert_int_equal(g.dport, 5000);
	assert_int_equal(g.len, 2);
	assert_memory_equal(g.data, "hi", 2);
}

static void inbound__filter__only_who_was_spoken_to(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	fake_nat_pkt(f, &k);
	from_host(f, f->sent[0].flow, FAR, 8, "no", 2);
	from_host(f, f->sent[0].flow, 0x01020304, 7, "no", 2);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->gw->udp.stats.filtered, 2);
	from_host(f, f->sent[0].flow, FAR, 7, "yes", 3);
	assert_int_equal(f->n, 1);
	/* More peers than are remembered: the oldest is forgotten. */
	for (uint16_t i = 0; i < UDP_PEERS; i++) {
		k.dport = (uint16_t)(1000 + i);
		fake_nat_pkt(f, &k);
	}
	from_host(f, f->sent[0].flow, FAR, 7, "no", 2);
	assert_int_equal(f->n, 1);
}

static void inbound__longer_than_the_mtu__fragmented(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	static uint8_t data[65507];

	fake_nat_pkt(f, &k);
	from_host(f, f->sent[0].flow, FAR, 7, data, 4000);
	assert_int_equal(f->n, 3);
	assert_int_equal(get_be16(fake_nat_got(f, 0).l4 + 4), 4008);
	from_host(f, f->sent[0].flow, FAR, 7, data, sizeof(data));
	assert_int_equal(f->n, 3 + 45);
}

static void inbound__from_inside_or_denied__filtered(void **state)
{
	static const struct ip4_net deny = {0xc0a83800, 24};
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);

	fake_nat_pkt(f, &k);
	gateway_set_deny(f->gw, &deny, 1, f->now_ms);
	from_host(f, f->sent[0].flow, OTHER, 7, "no", 2);
	from_host(f, f->sent[0].flow, 0xc0a83801, 7, "no", 2);
	assert_int_equal(f->n, 0);
}

/* ---- the host ------------------------------------------------------------------------ */

static void host__through_gateway_address__answers_come_from_it(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(GW, 7);

	k.ttl = 1; /* it is for the host itself: not forwarded */
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), HOST);
	assert_int_equal(f->sent[0].ttl, 1);
	from_host(f, f->sent[0].flow, HOST, 7, "hi", 2);
	assert_int_equal(fake_nat_got(f, 0).ip.src, GW);
	/* Spoken to by its own address it answers from that. */
	k = udp(HOST, 8);
	fake_nat_pkt(f, &k);
	from_host(f, f->sent[0].flow, HOST, 8, "hi", 2);
	assert_int_equal(fake_nat_got(f, 1).ip.src, HOST);
	from_host(f, f->sent[0].flow, HOST, 7, "hi", 2);
	assert_int_equal(fake_nat_got(f, 2).ip.src, GW);
	from_host(f, f->sent[0].flow, 0x7f000001, 9, "hi", 2);
	assert_int_equal(fake_nat_got(f, 3).ip.src, GW);
}

static void host__loopback_access__goes_to_127(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(GW, 7);

	f->gw->pol.host_access = NAT_HOST_LOOPBACK;
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), 0x7f000001);
	from_host(f, f->sent[0].flow, 0x7f000001, 7, "hi", 2);
	assert_int_equal(fake_nat_got(f, 0).ip.src, GW);
}

static void host__off__prohibited_by_either_address(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(GW, 7);

	f->gw->pol.host_access = NAT_HOST_OFF;
	assert_int_equal(fake_nat_pkt(f, &k), DROP_POLICY);
	assert_int_equal(fake_nat_got(f, 0).l4[1], ICMP_C_ADMIN);
	k = udp(HOST, 7);
	assert_int_equal(fake_nat_pkt(f, &k), DROP_POLICY);
	assert_int_equal(fake_nat_got(f, 1).l4[1], ICMP_C_ADMIN);
	assert_int_equal(f->nsent, 0);
}

static void host__no_address_or_other_port_of_resolver__unreachable(
	void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(DNS, 7);

	assert_int_equal(fake_nat_pkt(f, &k), DROP_POLICY);
	assert_int_equal(fake_nat_got(f, 0).l4[1], ICMP_C_PORT);
	f->gw->pol.host_ip = 0;
	k = udp(GW, 7);
	assert_int_equal(fake_nat_pkt(f, &k), DROP_POLICY);
	assert_int_equal(fake_nat_got(f, 1).l4[1], ICMP_C_PORT);
}

/* ---- errors (RFC 5508 REQ-4, REQ-5) ----------------------------------------------------- */

/* RFC 4787 REQ-12: an ICMP error does not end the mapping. */
static void error__port_unreachable__told_and_mapping_stays(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 33434);
	struct host_err e = {.to = endpoint4(FAR, 33434), .from = ipaddr_from4(FAR),
			     .type = ICMP_T_UNREACH, .code = ICMP_C_PORT,
			     .data = (const uint8_t *)"ping", .len = 4};
	struct fake_got g;

	fake_nat_pkt(f, &k);
	udp_host_error(&f->gw->udp, f->sent[0].flow, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, FAR);
	assert_int_equal(g.ip.dst, GUEST);
	assert_int_equal(get_be32(g.data + 12), GUEST);
	assert_int_equal(get_be32(g.data + 16), FAR);
	assert_int_equal(get_be16(g.data + 20), 5000);
	assert_int_equal(get_be16(g.data + 22), 33434);
	assert_memory_equal(g.data + 28, "ping", 4);
	assert_int_equal(f->live[FAKE_UDP], 1);
}

/* REQ-13: DF and a way that is too narrow. */
static void error__frag_needed__mtu_told(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	struct host_err e = {.to = endpoint4(FAR, 7), .type = ICMP_T_UNREACH,
			     .code = ICMP_C_FRAG, .info = 1280};
	struct fake_got g;

	fake_nat_pkt(f, &k);
	udp_host_error(&f->gw->udp, f->sent[0].flow, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, GW);
	assert_int_equal(get_be32(g.l4 + 4), 1280);
}

static void error__from_the_host_by_gateway_address__shown_as_it(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(GW, 7);
	struct host_err e = {.to = endpoint4(HOST, 7), .from = ipaddr_from4(HOST),
			     .type = ICMP_T_UNREACH, .code = ICMP_C_PORT};
	struct fake_got g;

	fake_nat_pkt(f, &k);
	udp_host_error(&f->gw->udp, f->sent[0].flow, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, GW);
	assert_int_equal(get_be32(g.data + 16), GW);
}

/* ---- forwards ---------------------------------------------------------------------------- */

#define CLIENT 0xc0a80117u /* 192.168.1.23 */

static struct forward *add_forward(struct fake_nat *f, uint64_t id)
{
	struct forward *w = calloc(1, sizeof(*w));

	w->id = id;
	w->proto = IP4_UDP;
	w->nic_id = 7;
	w->target_port = 69;
	f->resolves = GUEST;
	assert_int_equal(forward_add(&f->gw->forwards, w), 0);
	return w;
}

static void client(struct fake_nat *f, struct forward *w, uint32_t ip,
		   uint16_t port, uint32_t local)
{
	struct udp_recv r = {.from = endpoint4(ip, port),
			     .local = ipaddr_from4(local),
			     .ttl = 60, .data = "get", .len = 3};

	forward_udp_input(&f->gw->forwards, w, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

static void forward__client__seen_as_itself_and_answered(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct fake_pkt k = udp(CLIENT, 999);
	struct fake_got g;

	client(f, w, CLIENT, 999, HOST);
	g = fake_nat_got(f, 0);
	assert_int_equal(g.ip.src, CLIENT);
	assert_int_equal(g.ip.dst, GUEST);
	assert_int_equal(g.sport, 999);
	assert_int_equal(g.dport, 69);
	k.sport = 69;
	assert_int_equal(fake_nat_pkt(f, &k), -1);
	assert_int_equal(f->sent[0].kind, FAKE_FORWARD);
	assert_ptr_equal(f->sent[0].flow, w);
	assert_int_equal(ipaddr_get4(&f->sent[0].local), HOST);
	assert_int_equal(f->sent[0].to.port, 999);
	assert_int_equal(w->active, 1);
	assert_int_equal(w->accepted, 1);
	/* From another port it is the guest's own traffic. */
	k.sport = 70;
	fake_nat_pkt(f, &k);
	assert_int_equal(f->sent[1].kind, FAKE_UDP);
}

static void forward__client_the_guest_cannot_answer__seen_as_gateway(
	void **state)
{
	static const struct {
		uint32_t ip, seen;
	} who[] = {
		{0x7f000001, GW}, {OTHER, GW}, {GW, GW},
		{HOST, HOST}, /* a hairpin: RFC 4787 REQ-9a */
	};
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);

	for (unsigned int i = 0; i < ARRAY_LEN(who); i++) {
		client(f, w, who[i].ip, (uint16_t)(100 + i), HOST);
		assert_int_equal(fake_nat_got(f, i).ip.src, who[i].seen);
	}
}

static void forward__client_speaks_to_two_addresses__answered_from_each(
	void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct fake_pkt k = udp(CLIENT, 999);

	client(f, w, CLIENT, 999, HOST);
	client(f, w, CLIENT, 999, 0x0a0a0a0a);
	k.sport = 69;
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[0].local), HOST);
	k.dport = fake_nat_got(f, 1).sport;
	assert_int_not_equal(k.dport, 999);
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[1].local), 0x0a0a0a0a);
	assert_int_equal(f->sent[1].to.port, 999);
}

static void forward__many_clients__the_oldest_of_them_makes_room(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1), *o = add_forward(f, 2);
	struct fake_pkt k = udp(FAR, 7);
	uint32_t max = (f->gw->flows.limit[FLOW_CLIENT] + 1) / 2;

	fake_nat_pkt(f, &k); /* the guest's own */
	client(f, o, CLIENT, 1, HOST);
	for (uint32_t i = 0; i < max; i++)
		client(f, w, CLIENT, (uint16_t)(2000 + i), HOST);
	assert_int_equal(w->active, max);
	client(f, w, CLIENT, 2000, HOST); /* used again */
	client(f, w, CLIENT, 999, HOST);
	assert_int_equal(w->active, max);
	assert_int_equal(w->accepted, max + 1);
	client(f, w, CLIENT, 2000, HOST); /* it was spared */
	assert_int_equal(w->accepted, max + 1);
	client(f, w, CLIENT, 2001, HOST); /* this one was not */
	assert_int_equal(w->accepted, max + 2);
	assert_int_equal(o->active, 1);
	assert_int_equal(f->live[FAKE_UDP], 1);
}

static void address_gone__its_clients_end__mappings_and_others_stay(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct ipaddr gone[2] = {ipaddr_from4(0x01020304),
				 ipaddr_from4(HOST)};
	struct fake_pkt k = udp(FAR, 7);

	fake_nat_pkt(f, &k);
	client(f, w, CLIENT, 1, HOST);
	client(f, w, CLIENT, 2, HOST);
	client(f, w, CLIENT, 1, 0x0a0a0a0a);
	gateway_address_gone(f->gw, gone, 2, f->now_ms);
	assert_int_equal(w->active, 1);
	/* The guest's own goes on by its port, from wherever the host is now. */
	fake_nat_pkt(f, &k);
	assert_ptr_equal(f->sent[0].flow, f->sent[1].flow);
	assert_int_equal(f->live[FAKE_UDP], 1);
}

static void forward_rebound__clients_stay_where_answers_can_leave(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct endpoint any = endpoint4(0, 53), one = endpoint4(HOST, 53);
	struct endpoint other = endpoint4(0, 54);

	client(f, w, CLIENT, 1, HOST);
	client(f, w, CLIENT, 2, 0x0a0a0a0a);
	forward_rebound(w, &any, &any);
	assert_int_equal(w->active, 2);
	forward_rebound(w, &any, &one);
	assert_int_equal(w->active, 1);
	forward_rebound(w, &one, &any);
	assert_int_equal(w->active, 1);
	forward_rebound(w, &any, &other);
	assert_int_equal(w->active, 0);
	client(f, w, CLIENT, 1, HOST);
	forward_rebound(w, &other, NULL);
	assert_int_equal(w->active, 0);
	assert_int_equal(f->gw->flows.total[FLOW_CLIENT], 0);
}

static bool first_stats(void *arg, uint64_t group,
			const struct nat_forward_stats *s)
{
	assert_int_equal(group, 5);
	*(struct nat_forward_stats *)arg = *s;
	return false;
}

static void forward_walk__bytes__of_flows_that_live_and_ended(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct fake_pkt k = udp(CLIENT, 999);
	struct nat_forward_stats s;

	w->group = 5;
	client(f, w, CLIENT, 999, HOST);
	k.sport = 69;
	fake_nat_pkt(f, &k);
	fake_nat_wait(f, 301000);
	client(f, w, CLIENT, 999, HOST);
	gateway_forward_walk(f->gw, first_stats, &s);
	assert_int_equal(s.accepted, 2);
	assert_int_equal(s.active, 1);
	assert_int_equal(s.bytes_in, 6);
	assert_int_equal(s.bytes_out, k.len);
}

static void forward__two_clients_one_port__told_apart(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct fake_pkt k = udp(GW, 0);
	uint16_t port;

	client(f, w, 0x7f000001, 999, 0x7f000001);
	client(f, w, OTHER, 999, HOST);
	port = fake_nat_got(f, 1).sport;
	assert_int_not_equal(port, 999);
	k.sport = 69;
	k.dport = port;
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[0].to.ip), OTHER);
	assert_int_equal(f->sent[0].to.port, 999);
	k.dport = 999;
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[1].to.ip), 0x7f000001);
}

static void forward__unresolved__dropped_and_counted(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);

	f->resolves = 0;
	client(f, w, CLIENT, 999, HOST);
	assert_int_equal(f->n, 0);
	assert_int_equal(w->refused, 1);
	f->resolves = GUEST;
	client(f, w, CLIENT, 999, HOST);
	assert_int_equal(f->n, 1);
}

static void forward__target_has_a_new_address__followed(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);

	fake_nat_hello(f, OTHER);
	client(f, w, CLIENT, 999, HOST);
	f->resolves = OTHER;
	fake_nat_wait(f, 1000);
	client(f, w, CLIENT, 999, HOST);
	assert_int_equal(fake_nat_got(f, f->n - 1).ip.dst, OTHER);
	assert_int_equal(w->active, 1);
}

static void forward__guest_never_spoke__asked_by_arp(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);

	f->resolves = OTHER;
	client(f, w, CLIENT, 999, HOST);
	assert_int_equal(f->n, 1);
	assert_int_equal(fake_nat_got(f, 0).ethertype, ETHERTYPE_ARP4);
	fake_nat_hello(f, OTHER);
	assert_int_equal(fake_nat_got(f, f->n - 1).ip.dst, OTHER);
}

static void forward__removed__its_flows_end_others_stay(void **state)
{
	struct fake_nat *f = *state;
	struct forward *a = add_forward(f, 1), *b = add_forward(f, 2);

	client(f, a, CLIENT, 998, HOST);
	client(f, b, CLIENT, 999, HOST);
	assert_int_equal(f->gw->flows.total[FLOW_CLIENT], 2);
	gateway_forward_del(f->gw, a, f->now_ms);
	assert_int_equal(f->gw->flows.total[FLOW_CLIENT], 1);
	assert_int_equal(b->active, 1);
	assert_null(forward_find(&f->gw->forwards, 1));
	fake_nat_wait(f, 301000);
	assert_int_equal(b->active, 0);
}

static void forward__same_id__refused(void **state)
{
	struct fake_nat *f = *state;
	struct forward w = {.id = 1};

	add_forward(f, 1);
	assert_int_equal(forward_add(&f->gw->forwards, &w), -EEXIST);
}

static void forward__client_is_gone__guest_told(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = add_forward(f, 1);
	struct host_err e = {.to = endpoint4(CLIENT, 999), .from = ipaddr_from4(CLIENT),
			     .type = ICMP_T_UNREACH, .code = ICMP_C_PORT};
	struct fake_got g;

	client(f, w, CLIENT, 999, HOST);
	forward_udp_error(&f->gw->forwards, w, &e, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	g = fake_nat_got(f, 1);
	assert_int_equal(g.ip.src, CLIENT);
	assert_int_equal(get_be16(g.data + 20), 69);
	assert_int_equal(get_be16(g.data + 22), 999);
}

/* REQ-9, 9a: through the host's address, with the external source. The host's own
 * stack turns the datagram round; here both halves are seen. */
static void hairpin__between_guests__external_source(void **state)
{
	struct fake_nat *f = *state;
	struct fake_pkt k = udp(FAR, 7);
	struct udp_map *a, *b;

	fake_nat_pkt(f, &k);
	a = f->sent[0].flow;
	k.src = OTHER;
	k.sport = 6000;
	fake_nat_pkt(f, &k);
	b = f->sent[1].flow;
	k = udp(HOST, b->host_port);
	fake_nat_pkt(f, &k);
	assert_int_equal(ipaddr_get4(&f->sent[2].to.ip), HOST);
	from_host(f, b, HOST, a->host_port, "ping", 4);
	assert_int_equal(fake_nat_got(f, 0).ip.src, HOST);
	assert_int_equal(fake_nat_got(f, 0).sport, a->host_port);
	assert_int_equal(fake_nat_got(f, 0).ip.dst, OTHER);
}

#define T(name)	 cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TF(name) cmocka_unit_test_setup_teardown(name, setup_filter, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(map__two_destinations__one_socket),
		T(map__port__asked_for_and_shown),
		T(map__idle__ends_after_300_s),
		T(map__traffic_either_way__refreshes),
		T(map__answered_dns_query__ends_after_17_s),
		T(map__dns_and_more__ends_after_300_s),
		T(map__quota__least_recently_used_makes_room),
		T(map__no_descriptor__prohibited_and_counted),
		T(map__descriptors_used_up__the_greediest_guest_pays),
		T(map__guest_moved_to_another_nic__counted_there),
		T(map__uso_frame__one_datagram_per_segment),
		T(map__uso_frame_refused__error_about_the_first_datagram),
		T(map__host_has_no_route__guest_is_told),
		T(map__ttl_tos_df__carried),
		T(map__ttl_zero_to_the_gateway__sent_with_one),
		T(map__checksum__bad_dropped_none_and_unfinished_taken),
		T(map__lengths_that_lie__dropped),
		T(inbound__from_anybody__delivered),
		TF(inbound__filter__only_who_was_spoken_to),
		T(inbound__longer_than_the_mtu__fragmented),
		T(inbound__from_inside_or_denied__filtered),
		T(host__through_gateway_address__answers_come_from_it),
		T(host__loopback_access__goes_to_127),
		T(host__off__prohibited_by_either_address),
		T(host__no_address_or_other_port_of_resolver__unreachable),
		T(error__port_unreachable__told_and_mapping_stays),
		T(error__frag_needed__mtu_told),
		T(error__from_the_host_by_gateway_address__shown_as_it),
		T(forward__client__seen_as_itself_and_answered),
		T(forward__client_the_guest_cannot_answer__seen_as_gateway),
		T(forward__client_speaks_to_two_addresses__answered_from_each),
		T(forward__many_clients__the_oldest_of_them_makes_room),
		T(address_gone__its_clients_end__mappings_and_others_stay),
		T(forward_rebound__clients_stay_where_answers_can_leave),
		T(forward_walk__bytes__of_flows_that_live_and_ended),
		T(forward__two_clients_one_port__told_apart),
		T(forward__unresolved__dropped_and_counted),
		T(forward__target_has_a_new_address__followed),
		T(forward__guest_never_spoke__asked_by_arp),
		T(forward__removed__its_flows_end_others_stay),
		T(forward__same_id__refused),
		T(forward__client_is_gone__guest_told),
		T(hairpin__between_guests__external_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
