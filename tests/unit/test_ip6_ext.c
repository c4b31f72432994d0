// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host fake_ip6 */
/* IPv6 headers, chains of extension headers, fragments. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/csum.h"
#include "switch/port.h"
#include "tests/fake/fake_ip6.h"

static int setup(void **state)
{
	struct fake_nat *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_nat_init(f);
	fake_nat_init6(f);
	fake_nat_start(f);
	fake6_hello(f, GUEST6);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

/* ---- the fixed header -------------------------------------------------------------- */

static void ip6_decode__every_truncation_and_lie__refused(void **state)
{
	struct ip6 h = {.src = ip6_of(GUEST6), .dst = ip6_of(FAR6), .len = 4,
			.next = 17, .hop_limit = 9, .tclass = 0x5a,
			.flow = 0xabcde};
	uint8_t b[44] = {0};
	struct ip6 r;

	(void)state;
	ip6_build(b, &h);
	assert_int_equal(ip6_decode(&r, b, 44, 44), 0);
	assert_true(ipaddr_eq(&r.src, &h.src) && ipaddr_eq(&r.dst, &h.dst));
	assert_int_equal(r.len, 4);
	assert_int_equal(r.next, 17);
	assert_int_equal(r.hop_limit, 9);
	assert_int_equal(r.tclass, 0x5a);
	assert_int_equal(r.flow, 0xabcde);
	for (size_t n = 0; n < 40; n++) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact + 1, b, n);
		assert_int_equal(ip6_decode(&r, exact + 1, n, n), -EBADMSG);
		free(exact);
	}
	assert_int_equal(ip6_decode(&r, b, 43, 43), -EBADMSG);
	b[0] = 0x45;
	assert_int_equal(ip6_decode(&r, b, 44, 44), -EBADMSG);
}

/* ---- chains ----------------------------------------------------------------------- */

struct chain_case {
	uint8_t first;
	uint8_t ext[24];
	size_t len;
	int drop; /* -1: taken */
	int code; /* of a parameter problem; -1 = none is sent */
	uint32_t ptr;
};

static void chain__by_rfc_8200__passed_dropped_or_answered(void **state)
{
	static const struct chain_case t[] = {
		/* Padding, and a router alert: known to nobody, harmless. */
		{IP6_HOPS, {17, 0, 1, 4}, 8, -1, -1, 0},
		{IP6_HOPS, {17, 0, 5, 2, 0, 0, 0, 0}, 8, -1, -1, 0},
		{IP6_DEST, {17, 0, 0, 0, 0, 0, 0, 0}, 8, -1, -1, 0},
		/* Hop-by-hop, then destination options. */
		{IP6_HOPS, {60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4}, 16, -1, -1,
		 0},
		/* Hop-by-hop options elsewhere than first. */
		{IP6_DEST, {0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4}, 16,
		 DROP_PROTO, ICMP6_C_NEXT, 40},
		/* Unknown options by their highest bits. */
		{IP6_DEST, {17, 0, 0x1e, 4}, 8, -1, -1, 0},
		{IP6_DEST, {17, 0, 0x5e, 4}, 8, DROP_PROTO, -1, 0},
		{IP6_DEST, {17, 0, 0x9e, 4}, 8, DROP_PROTO, ICMP6_C_OPTION, 42},
		{IP6_DEST, {17, 0, 0, 0xde, 3}, 8, DROP_PROTO, ICMP6_C_OPTION,
		 43},
		/* An option that leaves its header. */
		{IP6_DEST, {17, 0, 1, 5}, 8, DROP_PROTO, -1, 0},
		{IP6_DEST, {17, 0, 0, 0, 0, 0, 0, 1}, 8, DROP_PROTO, -1, 0},
		/* Routing: at its end, and one that still leads on (type 0). */
		{IP6_ROUTING, {17, 0, 4, 0}, 8, -1, -1, 0},
		{IP6_ROUTING, {17, 0, 0, 1}, 8, DROP_PROTO, ICMP6_C_FIELD, 42},
		/* A header longer than the packet. */
		{IP6_DEST, {17, 200, 1, 4}, 8, DROP_PROTO, -1, 0},
		/* An atomic fragment (RFC 6946); two of them. */
		{IP6_FRAGMENT, {17, 0, 0, 0, 1, 2, 3, 4}, 8, -1, -1, 0},
		{IP6_FRAGMENT, {44, 0, 0, 0, 1, 2, 3, 4, 17}, 16, DROP_PROTO,
		 -1, 0},
		/* Encrypted: goes nowhere from here. */
		{IP6_ESP, {1, 2, 3, 4, 5, 6, 7, 8}, 8, DROP_POLICY, -2, 0},
	};
	struct fake_nat *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct fake6_pkt k = {
			.proto = IP4_UDP, .sport = 5000, .dport = 7,
			.data = "ping", .len = 4, .exts = t[i].ext,
			.exts_len = t[i].len, .first = t[i].first,
		};
		unsigned int before = f->n;
		struct fake6_got g;

		assert_int_equal(fake6_pkt(f, &k), t[i].drop);
		if (t[i].code == -1) {
			assert_int_equal(f->n, before);
			continue;
		}
		g = fake6_got(f, before);
		assert_int_equal(g.l4[0], t[i].code == -2 ? ICMP6_UNREACH
							   : ICMP6_PARAM);
		if (t[i].code < 0)
			continue;
		assert_int_equal(g.l4[1], t[i].code);
		assert_int_equal(get_be32(g.l4 + 4), t[i].ptr);
		/* Quoted as it came. */
		assert_int_equal(g.data[6], t[i].first);
		assert_memory_equal(g.data + 40, t[i].ext, t[i].len);
	}
	for (unsigned int i = 0; i < f->nsent; i++)
		assert_memory_equal(f->sent[i].p, "ping", 4);
}

static void chain__unknown_option_to_a_group__silent(void **state)
{
	static const uint8_t ext[8] = {IP6_ICMP, 0, 0xde, 4};
	struct fake_nat *f = *state;
	struct fake6_pkt k = {.dst = "ff02::1", .proto = IP6_ICMP, .exts = ext,
			      .exts_len = 8, .first = IP6_DEST};

	assert_int_equal(fake6_pkt(f, &k), DROP_PROTO);
	assert_int_equal(f->n, 0);
}

static void chain__too_many_headers__dropped(void **state)
{
	struct fake_nat *f = *state;
	uint8_t ext[8 * (IP6_EXTS + 1)] = {0};
	struct fake6_pkt k = {.proto = IP4_UDP, .sport = 1, .dport = 7,
			      .exts = ext, .first = IP6_DEST};

	for (size_t n = 1; n <= IP6_EXTS + 1; n++) {
		for (size_t i = 0; i < n; i++) {
			ext[8 * i] = i + 1 < n ? IP6_DEST : IP4_UDP;
			ext[8 * i + 2] = 1;
			ext[8 * i + 3] = 4;
		}
		k.exts_len = 8 * n;
		assert_int_equal(fake6_pkt(f, &k),
				 n <= IP6_EXTS ? -1 : DROP_PROTO);
	}
	assert_int_equal(f->nsent, IP6_EXTS);
}

static void chain__longer_than_the_first_segment__looked_through(void **state)
{
	struct fake_nat *f = *state;
	uint8_t ext[256] = {IP4_UDP, 31, 1, 252};
	struct fake6_pkt k = {.proto = IP4_UDP, .sport = 1, .dport = 7,
			      .data = "ping", .len = 4, .exts = ext,
			      .exts_len = sizeof(ext), .first = IP6_DEST};

	assert_int_equal(fake6_pkt(f, &k), -1);
	assert_memory_equal(f->sent[0].p, "ping", 4);
}

/* ---- fragments ---------------------------------------------------------------------- */

/* Send @len bytes at @at of @l4 as a fragment. */
static int piece(struct fake_nat *f, const uint8_t *l4, size_t at, size_t len,
		 bool mf, uint8_t next, uint32_t id)
{
	uint8_t fh[IP6_FRAG_HDR];
	struct fake6_pkt k = {.proto = IP4_UDP, .raw = true, .data = l4 + at,
			      .len = len, .exts = fh, .exts_len = sizeof(fh),
			      .first = IP6_FRAGMENT};

	ip6_build_frag(fh, next, (uint16_t)at, mf, id);
	return fake6_pkt(f, &k);
}

/* A UDP datagram with @len bytes behind its header; its L4 length. */
static size_t datagram(uint8_t *l4, size_t len)
{
	struct ipaddr src = ip6_of(GUEST6), dst = ip6_of(FAR6);

	udp_header(l4, 5000, 7, len);
	for (size_t i = 0; i < len; i++)
		l4[8 + i] = (uint8_t)(i * 7);
	put_be16(l4 + 6, csum_finish(csum_add(csum_pseudo6(&src, &dst, 17,
							   (uint32_t)len + 8),
					      l4, len + 8)));
	return len + 8;
}

static void frags__any_order__whole_and_may_be_fragmented_again(void **state)
{
	static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					    {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct fake_nat *f = *state;
	static uint8_t l4[3000];
	size_t n = datagram(l4, 2900);

	for (uint32_t o = 0; o < 6; o++) {
		for (int i = 0; i < 3; i++) {
			size_t at = order[o][i] * (size_t)1000;

			/* Next header of others than the first does not count. */
			assert_int_equal(piece(f, l4, at,
					       at < 2000 ? 1000 : n - at,
					       at < 2000, at ? 99 : 17, o),
					 -1);
		}
		assert_int_equal(f->nsent, o + 1);
		assert_int_equal(f->sent[o].len, 2900);
		assert_memory_equal(f->sent[o].p, l4 + 8, 2900);
		/* The guest fragments itself: the host may, too. */
		assert_false(f->sent[o].df);
	}
}

static void frags__largest__whole(void **state)
{
	struct fake_nat *f = *state;
	uint8_t *l4 = malloc(65536);
	size_t n = datagram(l4, 65527), at = 0;

	for (; at + 1232 < n; at += 1232)
		assert_int_equal(piece(f, l4, at, 1232, true, 17, 1), -1);
	assert_int_equal(piece(f, l4, at, n - at, false, 17, 1), -1);
	assert_int_equal(f->nsent, 1);
	assert_int_equal(f->sent[0].len, 65527);
	/* Beyond 65535 there is nothing (RFC 8200 4.5). */
	assert_int_equal(piece(f, l4, 65528, 8, false, 17, 2), DROP_PROTO);
	free(l4);
}

static void frags__overlap__datagram_gone(void **state)
{
	struct fake_nat *f = *state;
	static uint8_t l4[3000];
	size_t n = datagram(l4, 1500);

	assert_int_equal(piece(f, l4, 0, 800, true, 17, 1), -1);
	assert_int_equal(piece(f, l4, 0, 800, true, 17, 1), -1); /* again */
	assert_int_equal(piece(f, l4, 792, n - 792, false, 17, 1), DROP_PROTO);
	assert_int_equal(f->gw->reasm.grams.count, 0);
	assert_int_equal(piece(f, l4, 800, n - 800, false, 17, 1), -1);
	assert_int_equal(f->nsent, 0);
}

static void frags__odd_length__parameter_problem(void **state)
{
	struct fake_nat *f = *state;
	static uint8_t l4[3000];
	struct fake6_got g;

	datagram(l4, 1500);
	assert_int_equal(piece(f, l4, 0, 801, true, 17, 1), DROP_PROTO);
	g = fake6_got(f, 0);
	assert_int_equal(g.l4[0], ICMP6_PARAM);
	assert_int_equal(g.l4[1], ICMP6_C_FIELD);
	assert_int_equal(get_be32(g.l4 + 4), 4);
}

static void frags__never_complete__time_exceeded_after_60_s(void **state)
{
	struct fake_nat *f = *state;
	static uint8_t l4[3000];
	struct fake6_got g;

	datagram(l4, 1500);
	piece(f, l4, 0, 800, true, 17, 1);
	piece(f, l4, 800, 8, true, 17, 2); /* without the first: silence */
	fake_nat_wait(f, 59000);
	assert_int_equal(f->n, 0);
	fake6_hello(f, GUEST6);
	fake_nat_wait(f, 2000);
	assert_int_equal(f->n, 1);
	g = fake6_got(f, 0);
	assert_int_equal(g.l4[0], ICMP6_TIME);
	assert_int_equal(g.l4[1], 1);
	assert_memory_equal(g.data + 40, l4, 64);
	assert_int_equal(f->gw->reasm.grams.count, 0);
}

static void frags__extension_headers_inside__looked_through(void **state)
{
	struct fake_nat *f = *state;
	static uint8_t all[2000] = {IP4_UDP, 0, 1, 4};
	size_t n = 8 + datagram(all + 8, 1500);

	assert_int_equal(piece(f, all, 0, 800, true, IP6_DEST, 1), -1);
	assert_int_equal(piece(f, all, 800, n - 800, false, IP6_DEST, 1), -1);
	assert_int_equal(f->nsent, 1);
	assert_memory_equal(f->sent[0].p, all + 16, 1500);
	/* An option inside that must be known. */
	all[2] = 0x9e;
	piece(f, all, 0, 800, true, IP6_DEST, 2);
	assert_int_equal(piece(f, all, 800, n - 800, false, IP6_DEST, 2),
			 DROP_PROTO);
	assert_int_equal(fake6_got(f, 0).l4[0], ICMP6_PARAM);
	/* Fragments within fragments. */
	piece(f, all, 0, 800, true, IP6_FRAGMENT, 3);
	assert_int_equal(piece(f, all, 800, n - 800, false, 17, 3), DROP_PROTO);
	assert_int_equal(f->nsent, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip6_decode__every_truncation_and_lie__refused),
		T(chain__by_rfc_8200__passed_dropped_or_answered),
		T(chain__unknown_option_to_a_group__silent),
		T(chain__too_many_headers__dropped),
		T(chain__longer_than_the_first_segment__looked_through),
		T(frags__any_order__whole_and_may_be_fragmented_again),
		T(frags__largest__whole),
		T(frags__overlap__datagram_gone),
		T(frags__odd_length__parameter_problem),
		T(frags__never_complete__time_exceeded_after_60_s),
		T(frags__extension_headers_inside__looked_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
