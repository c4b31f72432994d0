// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port driver_fix vhost_guest */
/*
 * A vhost-user port of two pairs of rings: which ring a flow's frames go to, what waits
 * for which, and room that is lent while the front end does something else.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/log.h"
#include "switch/offload.h"
#include "switch/steer.h"
#include "switch/vhost_msg.h"
#include "tests/fake/driver_fix.h"
#include "tests/fake/vhost_guest.h"

#define BIT(n) (1ull << (n))
#define FEATURES                                                         \
	(BIT(VHOST_F_VERSION_1) | BIT(VHOST_F_MRG_RXBUF) |                   \
	 BIT(VHOST_F_EVENT_IDX) | BIT(VHOST_F_GUEST_CSUM) |                  \
	 BIT(VHOST_F_GUEST_TSO4) | BIT(VHOST_F_MQ) | BIT(VHOST_F_PROTOCOL))

#define RX2 2u /* the second pair */
#define TX2 3u

#define GW    0x0a000202u
#define GUEST 0x0a00020fu
#define LARGE 16384
#define LEN   60000 /* of frames that are made in the guest's buffers */

/* Requests (vhost-user.rst) */
enum {
	RESET_OWNER = 4,
	VRING_NUM = 8,
	GET_VRING_BASE = 11,
	VRING_KICK = 12,
	VRING_ENABLE = 18,
};

static struct vhost_guest guest;

static int setup(void **state)
{
	struct driver_vhost_conf conf = {.queues = 2};
	struct fix *x;
	int backend;

	fix_setup(state);
	x = *state;
	log_setup("test", LOG_LVL_ERR);
	vg_init(&guest, &backend);
	assert_int_equal(driver_vhost(&x->ctx, &x->spec, &conf, -1, backend,
				      &x->d, NULL), 0);
	vg_start(&guest, FEATURES);
	for (unsigned int i = 0; i < VG_RINGS; i++)
		vg_state(&guest, VRING_ENABLE, i, 1);
	for (int i = 0; i < 30; i++)
		fix_turn(x);
	return 0;
}

static int teardown(void **state)
{
	vg_fini(&guest);
	return fix_teardown(state);
}

static struct port *vhost_port(struct fix *x)
{
	struct port *p = vswitch_port_next(x->sw, &x->f.port);

	return p ? p : vswitch_port_next(x->sw, NULL);
}

/* ---- frames ------------------------------------------------------------------------ */

static uint32_t flow(uint16_t port)
{
	struct ipaddr gw = ipaddr_from4(GW), ip = ipaddr_from4(GUEST);

	return steer_flow(&gw, 80, &ip, port);
}

/* Headers of a TCP frame of @len bytes between gateway and guest, to all. */
static void make_hdr(uint8_t p[54], bool from_guest, uint16_t port, size_t len)
{
	memset(p, 0, 54);
	memset(p, 0xff, 6);
	p[6] = 2;
	p[11] = from_guest ? 1 : 5;
	put_be16(p + 12, 0x800);
	p[14] = 0x45;
	put_be16(p + 16, (uint16_t)(len - 14));
	p[22] = 64;
	p[23] = 6;
	put_be32(p + 26, from_guest ? GUEST : GW);
	put_be32(p + 30, from_guest ? GW : GUEST);
	put_be16(p + 34, from_guest ? port : 80);
	put_be16(p + 36, from_guest ? 80 : port);
	p[46] = 0x50;
}

static void to_guest(struct fix *x, uint16_t port, uint8_t tag, int64_t now_ms)
{
	uint8_t b[1000];

	memset(b, tag, sizeof(b));
	make_hdr(b, false, port, sizeof(b));
	fake_port_in(&x->f, b, sizeof(b), now_ms);
}

/* The guest sends a frame of the flow on its ring @q. */
static void say(struct fix *x, unsigned int q, uint16_t port)
{
	uint32_t head, len;
	uint8_t b[60] = {0};

	make_hdr(b, true, port, sizeof(b));
	vg_send_frame_on(&guest, q, 0, b, sizeof(b));
	for (int i = 0; i < 100 && !vg_used(&guest, q, &head, &len); i++)
		fix_turn(x);
}

static uint8_t *large(unsigned int i)
{
	return guest.mem + (4u << 20) + (size_t)i * LARGE;
}

static void give(unsigned int q, unsigned int i)
{
	vg_desc(&guest, q, i, VG_GPA + (4u << 20) + (uint64_t)i * LARGE, LARGE,
		2, 0);
	vg_avail(&guest, q, (uint16_t)i);
}

/* @n buffers from @from on; a buffer has one number on both rings. */
static void fill(struct fix *x, unsigned int q, unsigned int from,
		 unsigned int n)
{
	for (unsigned int i = from; i < from + n; i++)
		give(q, i);
	vg_kick(&guest, q);
	fix_turn(x);
}

static void expect_used(unsigned int q, uint32_t want, uint32_t want_len)
{
	uint32_t head, len;

	assert_true(vg_used(&guest, q, &head, &len));
	assert_int_equal(head, want);
	if (want_len)
		assert_int_equal(len, want_len);
}

static void expect_none(unsigned int q)
{
	uint32_t head, len;

	assert_false(vg_used(&guest, q, &head, &len));
}

/* ---- which ring -------------------------------------------------------------------- */

static void rx__flow_sent_on_a_ring__comes_back_beside_it(void **state)
{
	struct fix *x = *state;

	fill(x, VG_RX, 0, 8);
	fill(x, RX2, 10, 8);
	for (uint16_t port = 1000; port < 1004; port++) {
		say(x, VG_TX, port);
		to_guest(x, port, 1, 1000);
		expect_used(VG_RX, port - 1000, 1012);
		expect_none(RX2);
		say(x, TX2, port);
		to_guest(x, port, 1, 1000);
		expect_used(RX2, 10u + port - 1000, 1012);
		expect_none(VG_RX);
	}
}

static void rx__unknown_flows__are_spread(void **state)
{
	struct fix *x = *state;
	unsigned int n[2] = {0};
	uint32_t head, len;

	fill(x, VG_RX, 0, 32);
	fill(x, RX2, 32, 32);
	for (uint16_t port = 1; port <= 32; port++)
		to_guest(x, port, 1, 1000);
	while (vg_used(&guest, VG_RX, &head, &len))
		n[0]++;
	while (vg_used(&guest, RX2, &head, &len))
		n[1]++;
	assert_int_equal(n[0] + n[1], 32);
	assert_true(n[0] > 4 && n[1] > 4);
}

static void rx__ring_is_disabled__its_flows_have_the_other(void **state)
{
	struct fix *x = *state;

	fill(x, VG_RX, 0, 8);
	fill(x, RX2, 10, 8);
	say(x, TX2, 1000);
	vg_state(&guest, VRING_ENABLE, RX2, 0);
	fix_turn(x);
	to_guest(x, 1000, 1, 1000);
	expect_used(VG_RX, 0, 1012);
	vg_state(&guest, VRING_ENABLE, RX2, 1);
	fix_turn(x);
	to_guest(x, 1000, 1, 1000);
	expect_used(RX2, 10, 1012);
}

/* ---- what waits -------------------------------------------------------------------- */

static void rx__one_ring_is_full__the_other_goes_on(void **state)
{
	struct fix *x = *state;

	fill(x, RX2, 0, 8);
	say(x, VG_TX, 1000);
	say(x, TX2, 2000);
	for (uint8_t i = 0; i < 4; i++) {
		to_guest(x, 1000, i, 1000);
		to_guest(x, 2000, i, 1000);
		expect_used(RX2, i, 1012);
		assert_int_equal(large(i)[12 + 60], i);
	}
	/* long after, too */
	to_guest(x, 2000, 4, 100000);
	expect_used(RX2, 4, 1012);
	fill(x, VG_RX, 20, 8);
	for (uint8_t i = 0; i < 4; i++) {
		expect_used(VG_RX, 20u + i, 1012);
		assert_int_equal(large(20u + i)[12 + 60], i);
	}
	assert_int_equal(fix_drops(x, DROP_FULL), 0);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 0);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static void room__one_ring_is_full__none_for_its_flows_only(void **state)
{
	struct fix *x = *state;
	int again = 0;

	say(x, VG_TX, 1000);
	say(x, TX2, 2000);
	vswitch_on_room(x->sw, count, &again);
	to_guest(x, 1000, 1, 1000000); /* it is late: clocks differ */
	assert_int_equal(vswitch_room(x->sw, 7, flow(1000)), 0);
	assert_true(vswitch_room(x->sw, 7, flow(2000)) > 256 * 1024);
	fill(x, RX2, 0, 1); /* of no use to it */
	assert_int_equal(again, 0);
	fill(x, VG_RX, 1, 1);
	assert_int_equal(again, 1);
	assert_true(vswitch_room(x->sw, 7, flow(1000)) > 256 * 1024);
}

static void rx__flow_moves_while_its_frames_wait__stays_in_order(void **state)
{
	struct fix *x = *state;

	say(x, VG_TX, 1000);
	to_guest(x, 1000, 1, 1000);
	fill(x, RX2, 0, 8);
	say(x, TX2, 1000);
	to_guest(x, 1000, 2, 1000); /* not before the first */
	expect_none(RX2);
	fill(x, VG_RX, 10, 2);
	expect_used(VG_RX, 10, 1012);
	expect_used(VG_RX, 11, 1012);
	assert_int_equal(large(11)[12 + 60], 2);
	say(x, TX2, 1000);
	to_guest(x, 1000, 3, 1000);
	expect_used(RX2, 0, 1012);
}

static void disable__one_ring__what_waits_for_the_other_stays(void **state)
{
	struct fix *x = *state;
	int again = 0;

	say(x, VG_TX, 1000);
	say(x, TX2, 2000);
	to_guest(x, 1000, 1, 1000);
	to_guest(x, 2000, 2, 1000);
	vswitch_on_room(x->sw, count, &again);
	vg_state(&guest, VRING_ENABLE, RX2, 0);
	fix_turn(x);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 1);
	assert_int_equal(again, 1); /* its flows may go on elsewhere */
	vg_state(&guest, VRING_ENABLE, RX2, 1);
	fill(x, VG_RX, 0, 2);
	fill(x, RX2, 10, 2);
	expect_used(VG_RX, 0, 1012);
	assert_int_equal(large(0)[12 + 60], 1);
	expect_none(VG_RX);
	expect_none(RX2);
}

static void memory__comes_anew__what_waits_stays(void **state)
{
	struct fix *x = *state;

	say(x, TX2, 2000);
	to_guest(x, 2000, 2, 1000);
	vg_mem_table(&guest);
	fix_turn(x);
	fill(x, RX2, 0, 2);
	expect_used(RX2, 0, 1012);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 0);
}

/* ---- room that is lent ------------------------------------------------------------- */

struct loan {
	struct frame f;
	uint8_t hdr[FRAME_HDR];
	struct iovec v[FRAME_SEGS];
	size_t len;
	int n;
};

static void borrow(struct fix *x, struct loan *l, uint16_t port)
{
	struct port *to = NULL;

	l->len = LEN;
	l->n = vswitch_lend(x->sw, 7, flow(port), PORT_CAP_CSUM | PORT_CAP_TSO4,
			    &l->len, l->v, &to);
}

/* The frame in it, full of @tag. */
static void make(struct fix *x, struct loan *l, uint16_t port, uint8_t tag)
{
	size_t at = 0;

	assert_true(l->n > 0 && l->len == LEN);
	memset(l->hdr, tag, FRAME_HDR);
	make_hdr(l->hdr, false, port, LEN);
	frame_init(&l->f, l->hdr, FRAME_HDR);
	l->f.len = LEN;
	l->f.off = (struct offload){.needs_csum = true, .gso_type = GSO_TCP4,
				    .gso_size = 1460, .hdr_len = 54,
				    .csum_start = 34, .csum_offset = 16};
	l->f.in_place = vhost_port(x);
	for (int i = 0; i < l->n && at < LEN; i++) {
		size_t skip = at < FRAME_HDR ? FRAME_HDR - at : 0;
		size_t take = min_sz(l->v[i].iov_len, LEN - at);

		memset((uint8_t *)l->v[i].iov_base + skip, tag, take - skip);
		l->f.seg[l->f.nseg++] = (struct iovec){
			(uint8_t *)l->v[i].iov_base + skip, take - skip};
		at += take;
	}
}

/* A whole loan: its frame lies in the buffers from @head on. */
static void expect_in_place(struct fix *x, uint16_t port, unsigned int q,
			    unsigned int head, uint8_t tag)
{
	uint32_t got, len, sum = 0;
	struct loan l;

	borrow(x, &l, port);
	make(x, &l, port, tag);
	vswitch_input(&x->f.port, &l.f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	for (unsigned int i = 0; i < 4; i++) {
		assert_true(vg_used(&guest, q, &got, &len));
		assert_int_equal(got, head + i);
		sum += len;
	}
	assert_int_equal(sum, 12 + LEN);
	assert_int_equal(large(head)[10], 4);
	assert_memory_equal(large(head) + 12, l.hdr, FRAME_HDR);
	assert_int_equal(large(head + 3)[12 + LEN - 3 * LARGE - 1], tag);
}

static void lend__two_pairs__on_the_ring_of_the_flow(void **state)
{
	struct fix *x = *state;

	fill(x, VG_RX, 0, 8);
	fill(x, RX2, 8, 8);
	say(x, VG_TX, 1000);
	say(x, TX2, 2000);
	expect_in_place(x, 1000, VG_RX, 0, 1);
	expect_in_place(x, 2000, RX2, 8, 2);
	expect_in_place(x, 2000, RX2, 12, 3);
	expect_in_place(x, 1000, VG_RX, 4, 4);
	/* and what is copied goes the same way */
	give(RX2, 16);
	to_guest(x, 2000, 5, 1000);
	expect_used(RX2, 16, 1012);
}

static void lend__one_ring_is_empty__told_when_it_is_not(void **state)
{
	struct fix *x = *state;
	int again = 0;
	struct loan l;

	say(x, VG_TX, 1000);
	say(x, TX2, 2000);
	fill(x, RX2, 0, 8);
	vswitch_on_room(x->sw, count, &again);
	borrow(x, &l, 1000);
	assert_int_equal(l.n, -EAGAIN);
	expect_in_place(x, 2000, RX2, 0, 1); /* others do not mind */
	fill(x, RX2, 8, 4);
	assert_int_equal(again, 0);
	fill(x, VG_RX, 20, 4);
	assert_int_equal(again, 1);
	expect_in_place(x, 1000, VG_RX, 20, 2);
}

/* A frame for the other ring comes in between. */
static void lend__frame_on_the_other_ring_first__the_lent_one_is_lost(
	void **state)
{
	struct fix *x = *state;
	struct loan l;

	fill(x, VG_RX, 0, 8);
	fill(x, RX2, 8, 8);
	say(x, VG_TX, 1000);
	say(x, TX2, 2000);
	borrow(x, &l, 1000);
	make(x, &l, 1000, 1);
	to_guest(x, 2000, 2, 1000);
	expect_used(RX2, 8, 1012);
	vswitch_input(&x->f.port, &l.f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	expect_none(VG_RX);
	assert_int_equal(fix_drops(x, DROP_ERROR), 1);
	expect_in_place(x, 1000, VG_RX, 0, 3);
}

/* Its guest gives buffers and kicks while one frame waits and room is lent. */
static void lend__kicked_meanwhile__no_buffer_is_used_twice(void **state)
{
	struct fix *x = *state;
	struct loan l;

	say(x, VG_TX, 1000);
	fill(x, VG_RX, 0, 4);
	borrow(x, &l, 1000);
	make(x, &l, 1000, 1);
	fill(x, VG_RX, 4, 4);
	vswitch_input(&x->f.port, &l.f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	expect_none(VG_RX);
	expect_in_place(x, 1000, VG_RX, 0, 2);
	expect_in_place(x, 1000, VG_RX, 4, 3);
}

/* What a front end may say while room on its second pair is lent. */
static void say_disable(void)
{
	vg_state(&guest, VRING_ENABLE, RX2, 0);
}

static void say_disable_other(void)
{
	vg_state(&guest, VRING_ENABLE, VG_RX, 0);
}

static void say_stop(void)
{
	vg_state(&guest, GET_VRING_BASE, RX2, 0);
}

static void say_reset(void)
{
	vg_send(&guest, RESET_OWNER, 0, NULL, 0, NULL, 0);
}

static void say_memory(void)
{
	vg_mem_table(&guest);
}

static void say_address(void)
{
	vg_addr(&guest, RX2);
}

static void say_size(void)
{
	vg_state(&guest, VRING_NUM, RX2, VG_NUM);
}

static void say_features(void)
{
	vg_u64(&guest, 2, FEATURES & ~BIT(VHOST_F_MRG_RXBUF));
}

static void say_kick_anew(void)
{
	vg_fd(&guest, VRING_KICK, RX2, guest.q[RX2].kick);
}

static void (*const words[])(void) = {
	say_disable, say_disable_other, say_stop, say_reset, say_memory,
	say_address, say_size, say_features, say_kick_anew,
};

/* Everything as it was: what the guest finds in its ring says where to go on. */
static void start_again(struct fix *x)
{
	for (unsigned int i = 0; i < VG_RINGS; i++) {
		uint64_t v[2] = {0};

		vg_state(&guest, GET_VRING_BASE, i, 0);
		for (int k = 0; k < 4; k++)
			fix_turn(x);
		/* The last answers are ours, whatever was said before. */
		while (recv(guest.sock, v, sizeof(v), MSG_DONTWAIT) > 0)
			;
	}
	vg_start(&guest, FEATURES);
	for (unsigned int i = 0; i < VG_RINGS; i++)
		vg_state(&guest, VRING_ENABLE, i, 1);
	for (int i = 0; i < 30; i++)
		fix_turn(x);
	assert_true(x->connected);
}

/* When it is said. */
enum step { BEFORE_FILLING, BEFORE_FRAME, AFTER_FRAME, STEPS };

static void lend_and_say(struct fix *x, void (*word)(void), enum step at)
{
	struct loan l;

	borrow(x, &l, 2000);
	if (at == BEFORE_FRAME && word == say_memory)
		at = BEFORE_FILLING; /* there is none where it was */
	if (at == BEFORE_FILLING) {
		word();
		fix_turn(x);
		vswitch_unlend(vhost_port(x)); /* nothing was read in the end */
		return;
	}
	make(x, &l, 2000, 1);
	if (at == BEFORE_FRAME) {
		word();
		fix_turn(x);
	}
	vswitch_input(&x->f.port, &l.f, 1, 1000);
	if (at == AFTER_FRAME) {
		word();
		fix_turn(x);
	}
	vswitch_unlend(vhost_port(x));
}

static void lend__front_end_acts_meanwhile__no_buffer_is_lost(void **state)
{
	struct fix *x = *state;
	unsigned int head = 0;

	for (size_t w = 0; w < ARRAY_LEN(words); w++) {
		for (enum step s = 0; s < STEPS; s++) {
			uint32_t got, len;
			unsigned int gone = 0;

			say(x, TX2, 2000);
			for (unsigned int i = 0; i < 8; i++)
				give(RX2, (head + i) % 16);
			lend_and_say(x, words[w], s);
			while (vg_used(&guest, RX2, &got, &len))
				assert_int_equal(got, (head + gone++) % 16);
			assert_int_equal(gone, s == AFTER_FRAME ? 4 : 0);
			start_again(x);
			say(x, TX2, 2000);
			/* The next frames lie in the very next buffers. */
			for (; gone < 8; gone++) {
				to_guest(x, 2000, 9, 1000);
				expect_used(RX2, (head + gone) % 16, 1012);
			}
			head += 8;
		}
	}
	expect_none(VG_RX);
}

static void lend__front_end_is_gone__nothing_happens(void **state)
{
	struct fix *x = *state;
	struct loan l;

	say(x, TX2, 2000);
	fill(x, RX2, 0, 8);
	borrow(x, &l, 2000);
	make(x, &l, 2000, 1);
	close(guest.sock);
	guest.sock = -1;
	fix_turn(x);
	assert_false(x->connected);
	vswitch_unlend(vhost_port(x));
	expect_none(RX2);
	borrow(x, &l, 2000);
	assert_int_equal(l.n, 0);
}

/* The guest writes what it likes into ring and descriptors. */
static void lend__guest_scribbles_meanwhile__goes_where_it_was_judged(
	void **state)
{
	struct fix *x = *state;
	uint32_t got, len;
	struct loan l;

	say(x, TX2, 2000);
	fill(x, RX2, 0, 8);
	borrow(x, &l, 2000);
	make(x, &l, 2000, 1);
	memset(guest.mem + guest.q[RX2].desc, 0xff, 16 * VG_NUM);
	memset(guest.mem + guest.q[RX2].avail, 0xff,
	       4 + 2 * (size_t)VG_NUM);
	vswitch_input(&x->f.port, &l.f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	for (unsigned int i = 0; i < 4; i++) {
		assert_true(vg_used(&guest, RX2, &got, &len));
		assert_int_equal(got, i);
	}
	assert_int_equal(large(3)[12 + LEN - 3 * LARGE - 1], 1);
	/* and is found out at the next look */
	borrow(x, &l, 2000);
	assert_int_equal(l.n, 0);
	for (int i = 0; i < 100 && x->connected; i++)
		fix_turn(x);
	assert_false(x->connected);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rx__flow_sent_on_a_ring__comes_back_beside_it),
		T(rx__unknown_flows__are_spread),
		T(rx__ring_is_disabled__its_flows_have_the_other),
		T(rx__one_ring_is_full__the_other_goes_on),
		T(room__one_ring_is_full__none_for_its_flows_only),
		T(rx__flow_moves_while_its_frames_wait__stays_in_order),
		T(disable__one_ring__what_waits_for_the_other_stays),
		T(memory__comes_anew__what_waits_stays),
		T(lend__two_pairs__on_the_ring_of_the_flow),
		T(lend__one_ring_is_empty__told_when_it_is_not),
		T(lend__frame_on_the_other_ring_first__the_lent_one_is_lost),
		T(lend__kicked_meanwhile__no_buffer_is_used_twice),
		T(lend__front_end_acts_meanwhile__no_buffer_is_lost),
		T(lend__front_end_is_gone__nothing_happens),
		T(lend__guest_scribbles_meanwhile__goes_where_it_was_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
