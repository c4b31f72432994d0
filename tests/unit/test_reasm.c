// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core fake_nat_host */
/* Fragments of guests, in all orders (RFC 791, RFC 815, RFC 4787 REQ-14). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "switch/port.h"
#include "tests/fake/fake_nat_host.h"

#define LEN 4000 /* UDP datagram with its header: 3 fragments of 1480, 1480, 1040 */

struct fixture {
	struct fake_nat f;
	uint8_t gram[65536]; /* UDP header and payload */
	size_t len;
};

static void make_gram(struct fixture *x, size_t len, uint16_t dport)
{
	uint8_t *b = malloc(FRAME_MAX), *data = malloc(len);
	struct fake_pkt k = {.src = GUEST, .dst = FAR, .proto = IP4_UDP,
			     .sport = 5000, .dport = dport, .data = data,
			     .len = len - 8};

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	fake_pkt_build(&k, b);
	memcpy(x->gram, b + 34, len);
	x->len = len;
	free(b);
	free(data);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	fake_nat_init(&x->f);
	fake_nat_start(&x->f);
	fake_nat_hello(&x->f, GUEST);
	fake_nat_clear(&x->f);
	make_gram(x, LEN, 7);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	fake_nat_stop(&x->f);
	free(x);
	return 0;
}

static int frag_id(struct fixture *x, size_t at, size_t len, uint16_t id)
{
	struct fake_pkt k = {
		.src = GUEST, .dst = FAR, .proto = IP4_UDP, .raw = true,
		.data = x->gram + at, .len = len, .frag = (uint16_t)at,
		.mf = at + len < x->len, .id = id,
	};

	return fake_nat_pkt(&x->f, &k);
}

static int frag(struct fixture *x, size_t at, size_t len)
{
	return frag_id(x, at, len, 1);
}

static void assert_sent(struct fixture *x)
{
	assert_int_equal(x->f.nsent, 1);
	assert_int_equal(x->f.sent[0].len, x->len - 8);
	assert_memory_equal(x->f.sent[0].p, x->gram + 8, x->len - 8);
}

static void reasm__every_order_of_three__whole(void **state)
{
	static const size_t at[3] = {0, 1480, 2960}, len[3] = {1480, 1480,
							       1040};
	static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					{1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	struct fixture *x = *state;

	for (int o = 0; o < 6; o++) {
		fake_nat_clear(&x->f);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(x->f.nsent, 0);
			assert_int_equal(frag(x, at[order[o][i]],
					      len[order[o][i]]),
					 -1);
		}
		assert_sent(x);
		assert_int_equal(x->f.gw->flows.total[FLOW_REASM], 0);
	}
	assert_int_equal(x->f.gw->reasm.completed, 6);
}

static void reasm__largest_datagram__whole(void **state)
{
	struct fixture *x = *state;

	make_gram(x, 65515, 7);
	for (size_t at = 0; at < 65515; at += 1480)
		assert_int_equal(frag(x, at, at + 1480 < 65515 ? 1480
							       : 65515 - at),
				 -1);
	assert_sent(x);
}

static void reasm__smallest_fragments_backwards__whole(void **state)
{
	struct fixture *x = *state;

	make_gram(x, 100, 7);
	for (size_t i = 13; i--;)
		assert_int_equal(frag(x, i * 8, i == 12 ? 4 : 8), -1);
	assert_sent(x);
}

static void reasm__repeated_fragment__ignored(void **state)
{
	struct fixture *x = *state;

	frag(x, 0, 1480);
	assert_int_equal(frag(x, 0, 1480), -1);
	frag(x, 2960, 1040);
	assert_int_equal(frag(x, 2960, 1040), -1);
	frag(x, 1480, 1480);
	assert_sent(x);
}

static void reasm__overlap_with_other_content__datagram_dropped(void **state)
{
	struct fixture *x = *state;

	frag(x, 0, 1480);
	x->gram[1479] ^= 1;
	assert_int_equal(frag(x, 0, 1480), DROP_PROTO);
	x->gram[1479] ^= 1;
	frag(x, 1480, 1480);
	frag(x, 2960, 1040);
	assert_int_equal(x->f.nsent, 0);
	assert_int_equal(x->f.gw->reasm.failed, 1);
}

static void reasm__partial_overlap__datagram_dropped(void **state)
{
	struct fixture *x = *state;

	frag(x, 0, 1480);
	assert_int_equal(frag(x, 1472, 1480), DROP_PROTO);
	assert_int_equal(x->f.gw->flows.total[FLOW_REASM], 0);
}

static void reasm__two_ends__dropped(void **state)
{
	struct fixture *x = *state;

	frag(x, 2960, 1040);
	x->len = 3000;
	assert_int_equal(frag(x, 1480, 1520), DROP_PROTO);
	x->len = LEN;
	/* A fragment beyond the end. */
	frag(x, 2960, 1040);
	x->len = 60000;
	assert_int_equal(frag(x, 4000, 80), DROP_PROTO);
	/* An end before what is there. */
	frag(x, 4000, 80);
	x->len = 1000;
	assert_int_equal(frag(x, 0, 1000), DROP_PROTO);
}

static void reasm__odd_length_or_none__dropped(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(frag(x, 0, 1481), DROP_PROTO);
	assert_int_equal(frag(x, 8, 0), DROP_PROTO);
}

static void reasm__beyond_64k__dropped(void **state)
{
	struct fixture *x = *state;

	make_gram(x, 65515, 7);
	assert_int_equal(frag(x, 65512, 3), -1);
	x->len = 65536;
	assert_int_equal(frag(x, 65520, 16), DROP_PROTO);
	assert_int_equal(x->f.gw->reasm.completed, 0);
}

static void reasm__two_datagrams_mixed__both_whole(void **state)
{
	struct fixture *x = *state;

	frag_id(x, 0, 1480, 1);
	frag_id(x, 0, 1480, 2);
	frag_id(x, 1480, 1480, 2);
	frag_id(x, 1480, 1480, 1);
	frag_id(x, 2960, 1040, 1);
	assert_int_equal(x->f.nsent, 1);
	frag_id(x, 2960, 1040, 2);
	assert_int_equal(x->f.nsent, 2);
}

static void reasm__30_s__time_exceeded_if_the_first_is_here(void **state)
{
	struct fixture *x = *state;
	struct fake_got g;

	frag_id(x, 0, 1480, 1);
	frag_id(x, 1480, 1480, 2);
	fake_nat_wait(&x->f, 29000);
	assert_int_equal(x->f.gw->flows.total[FLOW_REASM], 2);
	fake_nat_wait(&x->f, 2000);
	assert_int_equal(x->f.gw->flows.total[FLOW_REASM], 0);
	assert_int_equal(x->f.n, 1);
	g = fake_nat_got(&x->f, 0);
	assert_int_equal(g.l4[0], ICMP_T_TIME);
	assert_int_equal(g.l4[1], 1);
	assert_int_equal(get_be16(g.data + 20), 5000);
}

static void reasm__flood__bounded_per_nic(void **state)
{
	struct fixture *x = *state;

	for (uint16_t id = 0; id < 100; id++)
		assert_int_equal(frag_id(x, 0, 1480, id), -1);
	assert_int_equal(x->f.gw->flows.total[FLOW_REASM], 16);
}

static void reasm__bad_checksum_of_the_whole__dropped(void **state)
{
	struct fixture *x = *state;

	x->gram[3000] ^= 1;
	frag(x, 0, 1480);
	frag(x, 1480, 1480);
	assert_int_equal(frag(x, 2960, 1040), DROP_PROTO);
	assert_int_equal(x->f.nsent, 0);
}

static void reasm__large_echo_to_gateway__answered(void **state)
{
	struct fixture *x = *state;
	uint8_t *b = malloc(FRAME_MAX);
	struct fake_pkt k = {.src = GUEST, .dst = GW, .proto = IP4_ICMP,
			     .sport = 1, .dport = 2, .data = x->gram,
			     .len = 2000};
	struct fake_pkt p = {.src = GUEST, .dst = GW, .proto = IP4_ICMP,
			     .raw = true, .id = 9};

	fake_pkt_build(&k, b);
	p.data = b + 34 + 1480;
	p.len = 2008 - 1480;
	p.frag = 1480;
	fake_nat_pkt(&x->f, &p);
	p.data = b + 34;
	p.len = 1480;
	p.frag = 0;
	p.mf = true;
	assert_int_equal(fake_nat_pkt(&x->f, &p), -1);
	assert_int_equal(x->f.n, 2);
	assert_memory_equal(fake_nat_got(&x->f, 0).data, x->gram, 1472);
	free(b);
}

static void reasm__nic_gone__forgotten(void **state)
{
	struct fixture *x = *state;

	frag(x, 0, 1480);
	gateway_nic_gone(x->f.gw, 7);
	assert_int_equal(x->f.gw->flows.total[FLOW_REASM], 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reasm__every_order_of_three__whole),
		T(reasm__largest_datagram__whole),
		T(reasm__smallest_fragments_backwards__whole),
		T(reasm__repeated_fragment__ignored),
		T(reasm__overlap_with_other_content__datagram_dropped),
		T(reasm__partial_overlap__datagram_dropped),
		T(reasm__two_ends__dropped),
		T(reasm__odd_length_or_none__dropped),
		T(reasm__beyond_64k__dropped),
		T(reasm__two_datagrams_mixed__both_whole),
		T(reasm__30_s__time_exceeded_if_the_first_is_here),
		T(reasm__flood__bounded_per_nic),
		T(reasm__bad_checksum_of_the_whole__dropped),
		T(reasm__large_echo_to_gateway__answered),
		T(reasm__nic_gone__forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
