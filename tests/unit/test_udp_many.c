// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core switch_core fake_nat_host fake_ip6 */
/*
 * Datagrams that came from outside as one buffer: what guests get of them, be it whole
 * or cut by the switch, are the datagrams that were sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/offload.h"
#include "tests/fake/fake_ip6.h"

#define TTL 60
#define TOS 0x2e

static uint8_t bytes[65536];

/* Frames, and datagrams in them, that a guest got. */
struct seen {
	const uint8_t *next; /* what the next datagram has to be */
	size_t left, size;
	unsigned int frames, grams, joined;
};

static int setup(void **state)
{
	struct fake_nat *f = malloc(sizeof(*f));

	fake_nat_init(f);
	fake_nat_init6(f);
	fake_nat_start(f);
	fake_nat_hello(f, GUEST);
	fake6_hello(f, GUEST6);
	fake_nat_clear(f);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fake_nat_stop(*state);
	free(*state);
	return 0;
}

/* The guest's mapping of this family. */
static struct udp_map *mapping(struct fake_nat *f, bool ip6)
{
	struct fake_pkt k = {.src = GUEST, .dst = FAR, .proto = IP4_UDP,
			     .sport = 5000, .dport = 7, .data = "ping",
			     .len = 4};
	struct fake6_pkt k6 = {.proto = IP4_UDP, .sport = 5000, .dport = 7,
			       .data = "ping", .len = 4};
	struct udp_map *m;

	assert_int_equal(ip6 ? fake6_pkt(f, &k6) : fake_nat_pkt(f, &k), -1);
	m = f->sent[f->nsent - 1].flow;
	fake_nat_clear(f);
	return m;
}

static struct udp_recv buffer(bool ip6, size_t len, uint16_t gso)
{
	struct udp_recv r = {.from = endpoint4(FAR, 7), .ttl = TTL, .tos = TOS,
			     .data = bytes, .len = len, .gso = gso};

	if (ip6)
		r.from.ip = ip6_of(FAR6);
	return r;
}

static void from_host(struct fake_nat *f, struct udp_map *m,
		      const struct udp_recv *r)
{
	udp_host_input(&f->gw->udp, m, r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
}

/* Where UDP begins. */
static size_t l4_of(const uint8_t *p)
{
	return get_be16(p + 12) == ETH_P_IP4 ? 34 : 54;
}

static uint64_t pseudo(const uint8_t *p, size_t len)
{
	struct ipaddr src, dst;

	if (l4_of(p) == 34)
		return csum_pseudo4(get_be32(p + 26), get_be32(p + 30), 17,
				    (uint32_t)len);
	memcpy(src.b, p + 22, 16);
	memcpy(dst.b, p + 38, 16);
	return csum_pseudo6(&src, &dst, 17, (uint32_t)len);
}

/* One datagram as a guest has it: the next one. */
static void gram(struct seen *s, const uint8_t *p, size_t len)
{
	size_t l4 = l4_of(p), n = len - l4 - 8, want = min_sz(s->size, s->left);

	assert_true(len >= l4 + 8 && len <= 1514);
	if (l4 == 34) {
		assert_int_equal(get_be16(p + 16), len - 14);
		assert_int_equal(p[15], TOS);
		assert_int_equal(p[22], TTL - 1);
		assert_int_equal(csum_finish(csum_add(0, p + 14, 20)), 0);
	} else {
		assert_int_equal(get_be16(p + 18), len - 54);
		assert_int_equal(get_be16(p + 14) >> 4 & 0xff, TOS);
		assert_int_equal(p[21], TTL - 1);
	}
	assert_int_equal(get_be16(p + l4), 7);
	assert_int_equal(get_be16(p + l4 + 2), 5000);
	assert_int_equal(get_be16(p + l4 + 4), n + 8);
	assert_int_not_equal(get_be16(p + l4 + 6), 0);
	assert_int_equal(csum_finish(csum_add(pseudo(p, n + 8), p + l4, n + 8)),
			 0);
	assert_int_equal(n, want);
	assert_memory_equal(p + l4 + 8, s->next, n);
	s->next += n;
	s->left -= n;
	s->grams++;
}

/* A frame that a port takes apart: by itself, or its guest. */
static void cut(struct seen *s, struct fake_nat_out *o, uint32_t caps)
{
	static uint8_t q[2000];
	uint8_t buf[OFFLOAD_HDR_MAX];
	size_t l4 = l4_of(o->p);
	enum drop_reason why;
	struct segmenter seg;
	struct frame f, one;
	struct hdrs h;

	put_be16(o->p + l4 + 6, csum_fold(pseudo(o->p, o->len - l4)));
	frame_init(&f, o->p, o->len);
	f.off = o->off;
	assert_true(hdrs_l2(o->p, o->len, &h));
	assert_true(offload_check(&f, &h, 1500, &why));
	assert_true(segmenter_init(&seg, &f, caps));
	while (segmenter_next(&seg, &one, buf)) {
		assert_int_equal(frame_copy(&one, 0, q, sizeof(q)), one.len);
		assert_int_equal(one.off.needs_csum, caps != 0);
		if (caps)
			put_be16(q + l4 + 6,
				 csum_finish(csum_add(0, q + l4, one.len - l4)));
		gram(s, q, one.len);
	}
}

/* All that the guest got is just what is in @r. */
static struct seen judge(struct fake_nat *f, const struct udp_recv *r,
			 uint32_t caps)
{
	struct seen s = {.next = r->data, .left = r->len,
			 .size = r->gso ? r->gso : r->len};

	for (; s.frames < f->n; s.frames++) {
		struct fake_nat_out *o = &f->out[s.frames];
		unsigned int before = s.grams;

		if (!o->off.gso_type) {
			gram(&s, o->p, o->len);
			continue;
		}
		s.joined++;
		assert_int_equal(o->off.gso_type, GSO_UDP_L4);
		assert_int_equal(o->off.gso_size, r->gso);
		cut(&s, o, caps);
		assert_true(s.grams - before > 1 && s.grams - before <= 64);
	}
	assert_int_equal(s.left, 0);
	assert_int_equal(s.grams, udp_count(r));
	return s;
}

static const struct {
	size_t len;
	uint16_t gso;
	unsigned int frames;
} sizes[] = {
	{12, 4, 1}, {1000, 100, 1}, {1001, 100, 1}, {1099, 100, 1},
	{1452 * 2, 1452, 1},
	{1452 * 2 + 1, 1452, 1},
	{6400, 100, 1},
	{6401, 100, 2},		/* the 65th, alone */
	{12800, 100, 2},
	{64, 1, 1},
	{128, 1, 2},
	{1452 * 44, 1452, 1},
	{1452 * 45, 1452, 1},	/* 65 340 */
	{65507, 1400, 1 + 1},	/* with headers that would be 65 549 in IPv6 */
	{65535, 1452, 1 + 1},
};

static void recv__many_of_one_size__few_frames_to_be_cut(void **state)
{
	struct fake_nat *f = *state;

	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct udp_map *m = mapping(f, ip6);
		uint64_t grams = 0, len = 0;

		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			struct udp_recv r = buffer(ip6, sizes[i].len,
						   sizes[i].gso);

			for (uint32_t caps = 0; caps <= PORT_CAP_CSUM; caps++) {
				from_host(f, m, &r);
				judge(f, &r, caps);
				assert_int_equal(f->n, sizes[i].frames);
				fake_nat_clear(f);
				grams += udp_count(&r);
				len += r.len;
			}
		}
		assert_int_equal(m->fl.packets_in, grams);
		assert_int_equal(m->fl.bytes_in, len);
	}
}

static void recv__one_or_none__as_ever(void **state)
{
	struct fake_nat *f = *state;

	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct udp_map *m = mapping(f, ip6);

		for (size_t len = 0; len < 1400; len += 700) {
			struct udp_recv r = buffer(ip6, len, 0);

			from_host(f, m, &r);
			assert_int_equal(judge(f, &r, 0).joined, 0);
			assert_int_equal(f->n, 1);
			fake_nat_clear(f);
		}
		assert_int_equal(m->fl.packets_in, 2);
	}
}

/* What one MTU takes is joined, what is a byte longer goes in fragments, each. */
static void recv__longer_than_the_mtu__each_fragmented(void **state)
{
	struct fake_nat *f = *state;

	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct udp_map *m = mapping(f, ip6);
		uint16_t fits = ip6 ? 1452 : 1472;
		struct udp_recv r = buffer(ip6, 5u * fits, fits);

		from_host(f, m, &r);
		assert_int_equal(judge(f, &r, 0).joined, 1);
		fake_nat_clear(f);
		r = buffer(ip6, 5 * (fits + 1u) - 100, (uint16_t)(fits + 1));
		from_host(f, m, &r);
		/* The last one is shorter and fits. */
		assert_int_equal(f->n, 4 * 2 + 1);
		for (unsigned int i = 0; i < f->n; i++) {
			assert_int_equal(f->out[i].off.gso_type, GSO_NONE);
			assert_true(f->out[i].len <= 1514);
		}
		fake_nat_clear(f);
	}
}

static void recv__fragments_of_each__ids_of_their_own(void **state)
{
	struct fake_nat *f = *state;
	struct udp_map *m = mapping(f, false);
	struct udp_recv r = buffer(false, 6000, 2000);

	from_host(f, m, &r);
	assert_int_equal(f->n, 6);
	for (unsigned int i = 0; i < 6; i += 2) {
		struct fake_got a = fake_nat_got(f, i);
		struct fake_got b = fake_nat_got(f, i + 1);

		assert_true(a.ip.mf && !a.ip.frag && b.ip.frag && !b.ip.mf);
		assert_int_equal(a.ip.id, b.ip.id);
		assert_memory_equal(a.data, bytes + i / 2 * 2000, a.len);
		assert_memory_equal(b.l4, bytes + i / 2 * 2000 + a.len,
				    b.l4_len);
		assert_true(!i || a.ip.id != fake_nat_got(f, i - 1).ip.id);
	}
}

/* Ids that the pieces will have are nobody else's. */
static void recv__many__ids_of_all_are_taken(void **state)
{
	struct fake_nat *f = *state;
	struct udp_map *m = mapping(f, false);
	struct udp_recv many = buffer(false, 4000, 100);
	struct udp_recv one = buffer(false, 100, 0);
	uint16_t first, next;

	from_host(f, m, &many);
	from_host(f, m, &one);
	first = fake_nat_got(f, 0).ip.id;
	next = fake_nat_got(f, 1).ip.id;
	assert_true((uint16_t)(next - first) >= 40);
}

static void recv__from_a_stranger__all_filtered_and_counted(void **state)
{
	struct fake_nat *f = *state;
	struct udp_map *m;
	struct udp_recv r = buffer(false, 1050, 100);

	f->gw->udp.filter = NAT_FILTER_ADDR_PORT;
	m = mapping(f, false);
	r.from = endpoint4(0x01020304, 7);
	from_host(f, m, &r);
	assert_int_equal(f->n, 0);
	assert_int_equal(f->gw->udp.stats.filtered, 11);
	assert_int_equal(m->fl.packets_in, 0);
	r.from = endpoint4(FAR, 7);
	from_host(f, m, &r);
	judge(f, &r, 0);
}

static void recv__size_no_datagram_has__dropped(void **state)
{
	struct fake_nat *f = *state;
	struct udp_map *m = mapping(f, false);
	struct udp_recv r = buffer(false, 65535, 65530);

	from_host(f, m, &r);
	r = buffer(false, 65535, 0);
	from_host(f, m, &r);
	assert_int_equal(f->n, 0);
	assert_int_equal(m->fl.packets_in, 0);
}

/* The neighbour is not known: the frame waits, as a datagram would. */
static void recv__guest_has_to_be_asked_for__waits_whole(void **state)
{
	struct fake_nat *f = *state;
	struct udp_map *m = mapping(f, false);
	struct udp_recv r = buffer(false, 14000, 1400);

	m->guest.ip = ipaddr_from4(OTHER);
	from_host(f, m, &r);
	assert_int_equal(f->n, 1); /* ARP */
	fake_nat_clear(f);
	fake_nat_hello(f, OTHER);
	assert_int_equal(f->out[0].off.gso_type, GSO_UDP_L4);
	judge(f, &r, 0);
	m->guest.ip = ipaddr_from4(GUEST);
}

static void forward__client_sends_many__as_the_mapping_does(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = calloc(1, sizeof(*w));
	struct udp_recv r = buffer(false, 29000, 1450);

	w->id = 1;
	w->proto = IP4_UDP;
	w->nic_id = 7;
	w->target_port = 5000;
	f->resolves = GUEST;
	assert_int_equal(forward_add(&f->gw->forwards, w), 0);
	r.local = ipaddr_from4(HOST);
	forward_udp_input(&f->gw->forwards, w, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	judge(f, &r, PORT_CAP_CSUM);
	assert_int_equal(f->n, 1);
	assert_int_equal(w->bytes_in, 29000);
	assert_int_equal(list_first(&w->flows, struct forward_flow, on_forward)
				 ->fl.packets_in, 20);
}

/* From a client of the other family, whose buffers may be longer. */
static void forward__of_the_other_family__by_the_guest_s_measure(void **state)
{
	struct fake_nat *f = *state;
	struct forward *w = calloc(1, sizeof(*w));
	struct udp_recv r = buffer(true, 65500, 1472);

	w->id = 1;
	w->proto = IP4_UDP;
	w->target_ip = ipaddr_from4(GUEST);
	w->target_port = 5000;
	assert_int_equal(forward_add(&f->gw->forwards, w), 0);
	r.local = ip6_of(HOST6);
	forward_udp_input(&f->gw->forwards, w, &r, f->now_ms);
	gateway_flush(f->gw, f->now_ms);
	judge(f, &r, 0);
	assert_int_equal(f->n, 2);
	assert_int_equal(fake_nat_got(f, 0).ip.src, GW);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(recv__many_of_one_size__few_frames_to_be_cut),
		T(recv__one_or_none__as_ever),
		T(recv__longer_than_the_mtu__each_fragmented),
		T(recv__fragments_of_each__ids_of_their_own),
		T(recv__many__ids_of_all_are_taken),
		T(recv__from_a_stranger__all_filtered_and_counted),
		T(recv__size_no_datagram_has__dropped),
		T(recv__guest_has_to_be_asked_for__waits_whole),
		T(forward__client_sends_many__as_the_mapping_does),
		T(forward__of_the_other_family__by_the_guest_s_measure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
