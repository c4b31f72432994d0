// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port driver_fix vhost_guest */
/*
 * A vhost-user port between a real socket and a real switch; front end and guest are
 * the fake's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/compat.h"
#include "lib/log.h"
#include "switch/offload.h"
#include "switch/vhost_msg.h"
#include "tests/fake/driver_fix.h"
#include "tests/fake/vhost_guest.h"

#define BIT(n) (1ull << (n))
#define V1     BIT(VHOST_F_VERSION_1)
#define MRG    BIT(VHOST_F_MRG_RXBUF)
#define EVENT  BIT(VHOST_F_EVENT_IDX)

static struct vhost_guest guest;

static void open_vhost(struct fix *x)
{
	struct driver_vhost_conf conf = {.queues = 1};
	int backend;

	log_setup("test", LOG_LVL_ERR);
	vg_init(&guest, &backend);
	assert_int_equal(driver_vhost(&x->ctx, &x->spec, &conf, -1, backend,
				      &x->d, NULL), 0);
	assert_true(x->connected);
}

static int setup(void **state)
{
	fix_setup(state);
	open_vhost(*state);
	return 0;
}

static int teardown(void **state)
{
	vg_fini(&guest);
	return fix_teardown(state);
}

static void turn(void *arg)
{
	fix_turn(arg);
}

static void expect_closed(struct fix *x)
{
	for (int i = 0; i < 1000 && x->connected; i++)
		fix_turn(x);
	assert_false(x->connected);
}

/* ---- frames ------------------------------------------------------------------- */

static void tx__frames_of_the_guest__go_through_the_switch(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;
	uint8_t b[1514];

	vg_start(&guest, V1 | MRG);
	for (uint8_t i = 0; i < 8; i++) {
		fix_frame(b, i ? 60 + 200 * (size_t)i : 1514, 1, i);
		vg_send_frame(&guest, i, b, i ? 60 + 200 * (size_t)i : 1514);
	}
	fix_until(x, 8);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(x->f.got[i].len,
				 i ? 60 + 200 * (size_t)i : 1514);
		assert_int_equal(x->f.got[i].p[20], i);
		assert_int_equal(x->f.got[i].p[x->f.got[i].len - 1], i);
		assert_true(vg_used(&guest, VG_TX, &head, &len));
		assert_int_equal(head, i);
		assert_int_equal(len, 0);
	}
	assert_true(vg_signalled(&guest, VG_TX));
}

static void tx__chain_of_many_pieces__is_one_frame(void **state)
{
	struct fix *x = *state;
	uint8_t *b = vg_buf(&guest, VG_TX, 0);

	vg_start(&guest, V1);
	memset(b, 0, 12);
	fix_frame(b + 12, 1500, 1, 9);
	/* a header of its own, then 31 pieces of 48 and the rest */
	vg_desc(&guest, VG_TX, 0, vg_buf_gpa(&guest, VG_TX, 0), 12, 1, 1);
	for (unsigned int i = 0; i < 32; i++)
		vg_desc(&guest, VG_TX, 1 + i,
			vg_buf_gpa(&guest, VG_TX, 0) + 12 + 48 * i,
			i < 31 ? 48 : 12, i < 31 ? 1 : 0, (uint16_t)(2 + i));
	vg_avail(&guest, VG_TX, 0);
	vg_kick(&guest, VG_TX);
	fix_until(x, 1);
	assert_int_equal(x->f.got[0].len, 1500);
	assert_memory_equal(x->f.got[0].p, b + 12, 1500);
}

static void tx__indirect_table__is_followed(void **state)
{
	struct fix *x = *state;
	uint8_t *b = vg_buf(&guest, VG_TX, 0);
	uint64_t gpa = vg_buf_gpa(&guest, VG_TX, 0);
	const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} table[2] = {{gpa, 12, 1, 1}, {gpa + 12, 100, 0, 0}};

	vg_start(&guest, V1 | BIT(VHOST_F_INDIRECT));
	memset(b, 0, 12);
	fix_frame(b + 12, 100, 1, 9);
	memcpy(vg_buf(&guest, VG_TX, 1) + 3, table, sizeof(table));
	vg_desc(&guest, VG_TX, 5, vg_buf_gpa(&guest, VG_TX, 1) + 3,
		sizeof(table), 4, 0);
	vg_avail(&guest, VG_TX, 5);
	vg_kick(&guest, VG_TX);
	fix_until(x, 1);
	assert_int_equal(x->f.got[0].len, 100);
}

static void tx__more_than_a_turn__all_go_on(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;
	unsigned int sent = 0, back = 0;
	uint8_t b[60];

	vg_start(&guest, V1 | EVENT);
	fix_frame(b, sizeof(b), 1, 1);
	for (int rounds = 0; rounds < 2000; rounds++) {
		while (sent < 3000 && sent - back < VG_NUM)
			vg_send_frame(&guest, sent++ % VG_NUM, b, sizeof(b));
		fix_turn(x);
		while (vg_used(&guest, VG_TX, &head, &len))
			assert_int_equal(head, back++ % VG_NUM);
	}
	assert_int_equal(back, 3000);
	assert_int_equal(x->f.n, 3000);
}

static void tx__disabled_ring__loses_its_frames(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;
	uint8_t b[60];

	vg_start(&guest, V1 | BIT(VHOST_F_PROTOCOL));
	vg_state(&guest, 18, VG_TX, 0);
	fix_turn(x);
	fix_frame(b, sizeof(b), 1, 1);
	vg_send_frame(&guest, 0, b, sizeof(b));
	fix_turn(x);
	assert_int_equal(x->f.n, 0);
	assert_true(vg_used(&guest, VG_TX, &head, &len));
}

static void rx__frame__lies_in_the_guest_s_buffer(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;
	const uint8_t *b = vg_buf(&guest, VG_RX, 0);

	vg_start(&guest, V1 | MRG);
	vg_fill_rx(&guest, 8);
	fix_turn(x);
	(void)vg_signalled(&guest, VG_RX);
	fix_to_driver(x, 1000, 5);
	assert_true(vg_used(&guest, VG_RX, &head, &len));
	assert_int_equal(head, 0);
	assert_int_equal(len, 1012);
	assert_int_equal(b[10], 1);
	assert_int_equal(b[12 + 999], 5);
	assert_true(vg_signalled(&guest, VG_RX));
}

static void rx__large_frame__is_spread_over_buffers(void **state)
{
	struct fix *x = *state;
	static uint8_t big[20000];
	struct frame f;
	uint32_t head, len, sum = 0;

	vg_start(&guest, V1 | MRG | BIT(VHOST_F_GUEST_CSUM) |
				 BIT(VHOST_F_GUEST_TSO4));
	vg_fill_rx(&guest, 32);
	fix_turn(x);
	memset(big, 7, sizeof(big));
	/* Ethernet, IPv4, TCP with a checksum to be made */
	memset(big, 0xff, 6);
	memcpy(big + 6, "\2\0\0\0\0\5\x8\0\x45\0", 10);
	put_be16(big + 16, sizeof(big) - 14);
	memset(big + 18, 0, 16);
	big[22] = 64;
	big[23] = 6;
	big[34 + 12] = 0x50;
	frame_init(&f, big, sizeof(big));
	f.off = (struct offload){.needs_csum = true, .gso_type = GSO_TCP4,
				 .gso_size = 1460, .hdr_len = 54,
				 .csum_start = 34, .csum_offset = 16};
	vswitch_input(&x->f.port, &f, 1, 0);
	for (unsigned int i = 0; i < 10; i++) {
		assert_true(vg_used(&guest, VG_RX, &head, &len));
		assert_int_equal(head, i);
		sum += len;
	}
	assert_int_equal(sum, sizeof(big) + 12);
	assert_false(vg_used(&guest, VG_RX, &head, &len));
	assert_int_equal(vg_buf(&guest, VG_RX, 0)[10], 10);
	assert_int_equal(vg_buf(&guest, VG_RX, 0)[1], GSO_TCP4);
	assert_int_equal(vg_buf(&guest, VG_RX, 9)[0], 7);
}

static void count_room(void *arg)
{
	++*(int *)arg;
}

static void room__no_buffers__none_until_the_guest_took_all(void **state)
{
	struct fix *x = *state;
	uint8_t b[60], wide[1500];
	int again = 0;

	fix_frame(wide, sizeof(wide), 2, 0);
	assert_int_equal(vswitch_room(x->sw, 7, 0), SIZE_MAX);
	fix_frame(b, sizeof(b), 2, 0);
	fake_port_in(&x->f, b, sizeof(b), 1000000); /* it is late */
	vg_start(&guest, V1 | MRG);
	vg_fill_rx(&guest, 1);
	fix_turn(x);
	vswitch_on_room(x->sw, count_room, &again);
	assert_true(vswitch_room(x->sw, 7, 0) > 256 * 1024);
	assert_true(vswitch_room(x->sw, 7, 0) < SIZE_MAX);
	assert_int_equal(vswitch_room(x->sw, 8, 0), SIZE_MAX);
	fix_to_driver(x, 100, 1);
	assert_true(vswitch_room(x->sw, 7, 0) > 256 * 1024);
	fake_port_in(&x->f, b, sizeof(b), 1000001);
	assert_int_equal(vswitch_room(x->sw, 7, 0), 0);
	/* Stuck: what waits with the others is not lost, and that is all. */
	fake_port_in(&x->f, b, sizeof(b), 1000300);
	while (vswitch_room(x->sw, 7, 0) >= 1500)
		fake_port_in(&x->f, wide, sizeof(wide), 1000300);
	fake_port_in(&x->f, b, sizeof(b), 1100000);
	assert_true(vswitch_room(x->sw, 7, 0) < 1500);
	for (int i = 0; i < 100 && !again; i++) {
		vg_fill_rx(&guest, VG_NUM);
		fix_turn(x);
	}
	assert_int_equal(again, 1);
	assert_true(vswitch_room(x->sw, 7, 0) > 256 * 1024);
	assert_int_equal(fix_drops(x, DROP_FULL), 0);
}

static struct port *vhost_port(struct fix *x)
{
	struct port *p = vswitch_port_next(x->sw, &x->f.port);

	return p ? p : vswitch_port_next(x->sw, NULL);
}

static void lags__many_frames_wait__senders_are_told(void **state)
{
	struct fix *x = *state;
	struct port *p = vhost_port(x);
	int n = 0;

	vg_start(&guest, V1 | MRG);
	fix_turn(x);
	for (; n < 1000 && !p->lags; n++)
		fix_to_driver(x, 1500, 1);
	assert_true(p->lags && n > 50);
	assert_int_equal(fix_drops(x, DROP_FULL), 0);
	vg_fill_rx(&guest, 128);
	vg_kick(&guest, VG_RX);
	for (int i = 0; i < 100 && p->lags; i++)
		fix_turn(x);
	assert_false(p->lags);
}

static void send_to_host_2(unsigned int from, unsigned int n)
{
	uint8_t b[1514];

	for (unsigned int i = from; i < from + n; i++) {
		fix_frame(b, sizeof(b), 1, (uint8_t)i);
		memcpy(b, "\2\0\0\0\0\2", 6);
		vg_send_frame(&guest, i, b, sizeof(b));
	}
}

/* One that takes next to nothing is no reason to slow anybody down: it may mean to. */
static void lags__a_frame_now_and_then__slows_nobody(void **state)
{
	struct fix *x = *state;
	struct port *p = vhost_port(x);
	int64_t t = clock_mono_ms();
	uint8_t b[1514];

	vg_start(&guest, V1 | MRG);
	fix_turn(x);
	fix_frame(b, sizeof(b), 0xee, 1);
	for (int n = 0; n < 200; n++)
		fake_port_in(&x->f, b, sizeof(b), t);
	assert_true(p->lags);
	vg_fill_rx(&guest, 1);
	vg_kick(&guest, VG_RX);
	fix_turn(x);
	fake_port_in(&x->f, b, sizeof(b), t + 60);
	assert_false(p->lags);
	vg_fill_rx(&guest, 60); /* 90 KB at once: it goes on */
	vg_kick(&guest, VG_RX);
	fix_turn(x);
	assert_true(p->lags);
}

/* Host 2 is behind the fake port, which lags; our guest is known to all. */
static void open_laggard(struct fix *x)
{
	uint8_t b[60];

	vg_start(&guest, V1 | MRG);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	x->f.port.lags = true;
	fix_frame(b, sizeof(b), 2, 0);
	fake_port_in(&x->f, b, sizeof(b), clock_mono_ms());
}

static void say_something(struct fix *x)
{
	vg_fd(&guest, 13, VG_TX, guest.q[VG_TX].call);
	fix_turn(x);
}

/* … and a guest that is told leaves what it has in its ring for a moment, whatever else
 * happens meanwhile, and loses nothing. */
static void tx__to_a_port_that_lags__all_arrive_a_moment_later(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;
	int64_t t;

	open_laggard(x);
	t = clock_mono_us();
	send_to_host_2(0, 40);
	fix_until(x, 40);
	assert_int_equal(vhost_port(x)->slow_bytes, 0); /* it was told, and noted it */
	send_to_host_2(40, 20);
	say_something(x);
	for (int i = 0; i < 100000 && x->f.n < 60; i++)
		say_something(x);
	assert_int_equal(x->f.n, 60);
	assert_true(clock_mono_us() - t >= 1000);
	for (unsigned int i = 0; i < 60; i++)
		assert_true(vg_used(&guest, VG_TX, &head, &len));
	x->f.port.lags = false;
}

/* A guest that lags cannot hold one that sends it a little and others much. */
static void tx__mostly_to_others__goes_on_at_once(void **state)
{
	struct fix *x = *state;
	uint8_t b[1514];

	open_laggard(x);
	send_to_host_2(0, 10);
	fix_frame(b, sizeof(b), 1, 1); /* to all */
	for (unsigned int i = 10; i < 30; i++)
		vg_send_frame(&guest, i, b, sizeof(b));
	fix_until(x, 30);
	send_to_host_2(30, 1);
	fix_turn(x);
	assert_int_equal(x->f.n, 31);
	x->f.port.lags = false;
}

static void rx__no_buffers__waits_and_then_counts_drops(void **state)
{
	struct fix *x = *state;
	uint32_t head, len, got = 0;

	vg_start(&guest, V1 | MRG | EVENT);
	fix_turn(x);
	for (unsigned int i = 0; i < 400; i++)
		fix_to_driver(x, 1500, (uint8_t)i);
	assert_false(vg_used(&guest, VG_RX, &head, &len));
	assert_true(fix_drops(x, DROP_FULL) > 0);
	vg_fill_rx(&guest, VG_NUM);
	fix_turn(x);
	for (; vg_used(&guest, VG_RX, &head, &len); got++) {
		assert_int_equal(len, 1512);
		assert_int_equal(vg_buf(&guest, VG_RX, head)[100], got);
	}
	assert_int_equal(got, VG_NUM);
}

/* QEMU sends KICK first: frames may come before CALL does. */
static void rx__frame_before_the_call_descriptor__is_signalled(void **state)
{
	struct fix *x = *state;
	uint64_t v = VG_RX;

	vg_start(&guest, V1 | MRG | EVENT);
	fix_turn(x);
	vg_fd(&guest, 13, VG_RX, -1);
	vg_fill_rx(&guest, 8);
	fix_turn(x);
	(void)vg_signalled(&guest, VG_RX);
	fix_to_driver(x, 100, 5);
	assert_false(vg_signalled(&guest, VG_RX));
	vg_send(&guest, 13, 0, &v, sizeof(v), &guest.q[VG_RX].call, 1);
	fix_turn(x);
	assert_true(vg_signalled(&guest, VG_RX));
}

static void rx__link_pulled__nothing_arrives(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;

	vg_start(&guest, V1);
	vg_fill_rx(&guest, 8);
	fix_turn(x);
	driver_link(x->d, false);
	fix_to_driver(x, 100, 5);
	assert_false(vg_used(&guest, VG_RX, &head, &len));
}

static void rx__frame_longer_than_any_buffer__is_dropped(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;

	vg_start(&guest, V1);
	vg_desc(&guest, VG_RX, 0, vg_buf_gpa(&guest, VG_RX, 0), 64, 2, 0);
	vg_avail(&guest, VG_RX, 0);
	fix_turn(x);
	fix_to_driver(x, 1000, 5);
	assert_false(vg_used(&guest, VG_RX, &head, &len));
	assert_int_equal(fix_drops(x, DROP_LONG), 1);
	fix_to_driver(x, 52, 5);
	assert_true(vg_used(&guest, VG_RX, &head, &len));
}

/* ---- frames that are made in the guest's buffers ----------------------------------- */

#define LARGE	16384 /* a buffer of those that Linux gives */
#define PAYLOAD 60000

static uint64_t large_gpa(unsigned int i)
{
	return VG_GPA + (4u << 20) + (uint64_t)i * LARGE;
}

static uint8_t *large(unsigned int i)
{
	return guest.mem + (4u << 20) + (size_t)i * LARGE;
}

static void open_lender(struct fix *x, unsigned int buffers)
{
	vg_start(&guest, V1 | MRG | EVENT | BIT(VHOST_F_GUEST_CSUM) |
				 BIT(VHOST_F_GUEST_TSO4));
	for (unsigned int i = 0; i < buffers; i++) {
		vg_desc(&guest, VG_RX, i, large_gpa(i), LARGE, 2, 0);
		vg_avail(&guest, VG_RX, (uint16_t)i);
	}
	for (int i = 0; i < 10; i++)
		fix_turn(x);
}

static int ask_lent(struct fix *x, size_t *len, struct iovec *v)
{
	struct port *to = NULL;
	int n = vswitch_lend(x->sw, 7, 0, PORT_CAP_CSUM | PORT_CAP_TSO4, len, v,
			     &to);

	if (n > 0)
		assert_ptr_equal(to, vhost_port(x));
	return n;
}

/* A TCP frame of @len bytes whose payload lies in @v, and holds @tag. */
static void make_lent(struct fix *x, struct frame *f, uint8_t hdr[FRAME_HDR],
		      struct iovec *v, int n, size_t len, uint8_t tag)
{
	size_t at = 0;

	memset(hdr, tag, FRAME_HDR);
	memset(hdr, 0xff, 6);
	memcpy(hdr + 6, "\2\0\0\0\0\5\x8\0\x45\0", 10);
	put_be16(hdr + 16, (uint16_t)(len - 14));
	memset(hdr + 18, 0, 36);
	hdr[22] = 64;
	hdr[23] = 6;
	hdr[46] = 0x50;
	frame_init(f, hdr, FRAME_HDR);
	f->len = (uint32_t)len;
	f->off = (struct offload){.needs_csum = true, .gso_type = GSO_TCP4,
				  .gso_size = 1460, .hdr_len = 54,
				  .csum_start = 34, .csum_offset = 16};
	f->in_place = vhost_port(x);
	for (int i = 0; i < n && at < len; i++) {
		size_t skip = at < FRAME_HDR ? FRAME_HDR - at : 0;
		size_t take = min_sz(v[i].iov_len, len - at);

		at += take;
		if (skip >= take)
			continue;
		memset((uint8_t *)v[i].iov_base + skip, tag, take - skip);
		f->seg[f->nseg].iov_base = (uint8_t *)v[i].iov_base + skip;
		f->seg[f->nseg++].iov_len = take - skip;
	}
}

static void lend__frame_made_in_place__only_its_header_is_copied(void **state)
{
	struct fix *x = *state;
	uint32_t head, got, sum = 0;
	struct iovec v[FRAME_SEGS];
	uint8_t hdr[FRAME_HDR];
	size_t len = PAYLOAD;
	struct frame f;
	int n;

	open_lender(x, 8);
	n = ask_lent(x, &len, v);
	assert_int_equal(n, 4);
	assert_int_equal(len, PAYLOAD);
	make_lent(x, &f, hdr, v, n, PAYLOAD, 7);
	vswitch_input(&x->f.port, &f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	for (unsigned int i = 0; i < 4; i++) {
		assert_true(vg_used(&guest, VG_RX, &head, &got));
		assert_int_equal(head, i);
		sum += got;
	}
	assert_int_equal(sum, 12 + PAYLOAD);
	assert_int_equal(large(0)[1], GSO_TCP4);
	assert_int_equal(large(0)[10], 4);
	assert_memory_equal(large(0) + 12, hdr, FRAME_HDR);
	assert_int_equal(large(3)[12 + PAYLOAD - 3 * LARGE - 1], 7);
	/* the next one lies behind it */
	fix_to_driver(x, 100, 9);
	assert_true(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(head, 4);
	assert_int_equal(got, 112);
}

static void lend__frame_is_shorter__buffers_left_over_come_back(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	uint8_t hdr[FRAME_HDR];
	size_t len = PAYLOAD;
	uint32_t head, got;
	struct frame f;
	int n;

	open_lender(x, 8);
	n = ask_lent(x, &len, v);
	make_lent(x, &f, hdr, v, n, LARGE + 100, 7);
	vswitch_input(&x->f.port, &f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	assert_true(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(got, LARGE);
	assert_true(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(got, 112);
	assert_int_equal(large(0)[10], 2);
	fix_to_driver(x, 100, 9);
	assert_true(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(head, 2);
}

static void lend__no_frame_comes__buffers_come_back(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	size_t len = PAYLOAD;
	uint32_t head, got;

	open_lender(x, 4);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ask_lent(x, &len, v), 4);
		vswitch_unlend(vhost_port(x));
	}
	fix_to_driver(x, 100, 9);
	assert_true(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(head, 0);
}

/* It must not be found where it was: that is the other one's now. */
static void lend__another_frame_first__the_lent_one_is_lost(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	uint8_t hdr[FRAME_HDR];
	size_t len = PAYLOAD;
	uint32_t head, got;
	struct frame f;
	int n;

	open_lender(x, 8);
	n = ask_lent(x, &len, v);
	make_lent(x, &f, hdr, v, n, PAYLOAD, 7);
	fix_to_driver(x, 100, 9);
	assert_true(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(head, 0);
	assert_int_equal(large(0)[12 + 50], 9);
	vswitch_input(&x->f.port, &f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	assert_false(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(fix_drops(x, DROP_ERROR), 1);
}

/* One that lies elsewhere than it says, or is longer than what was lent. */
static void lend__frame_that_does_not_fit__is_lost(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	static uint8_t other[LARGE];
	uint8_t hdr[FRAME_HDR];
	size_t len = PAYLOAD;
	uint32_t head, got;
	struct frame f;
	int n;

	open_lender(x, 4);
	for (int i = 0; i < 3; i++) {
		n = ask_lent(x, &len, v);
		assert_int_equal(n, 4);
		make_lent(x, &f, hdr, v, n, PAYLOAD, 7);
		if (i == 0)
			f.seg[1].iov_base = other;
		else if (i == 1)
			f.len = 4 * LARGE;
		else
			f.seg[1].iov_len--;
		vswitch_input(&x->f.port, &f, 1, 1000);
		vswitch_unlend(vhost_port(x));
	}
	assert_false(vg_used(&guest, VG_RX, &head, &got));
	assert_int_equal(fix_drops(x, DROP_ERROR), 3);
}

static void lend__no_buffers__told_when_there_are(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	size_t len = PAYLOAD;
	int again = 0;

	open_lender(x, 0);
	vswitch_on_room(x->sw, count_room, &again);
	assert_int_equal(ask_lent(x, &len, v), -EAGAIN);
	vg_desc(&guest, VG_RX, 0, large_gpa(0), LARGE, 2, 0);
	vg_avail(&guest, VG_RX, 0);
	vg_kick(&guest, VG_RX);
	for (int i = 0; i < 100 && !again; i++)
		fix_turn(x);
	assert_int_equal(again, 1);
	len = PAYLOAD;
	assert_int_equal(ask_lent(x, &len, v), 1);
	assert_int_equal(len, LARGE - 12);
	vswitch_unlend(vhost_port(x));
}

static void lend__not_worth_it_or_not_possible__none(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	size_t len = PAYLOAD;
	struct port *to;

	assert_int_equal(vswitch_lend(x->sw, 7, 0, 0, &len, v, &to), 0);
	open_lender(x, 0);
	vg_fill_rx(&guest, 40); /* 2 KiB each */
	fix_turn(x);
	assert_int_equal(ask_lent(x, &len, v), 0);
	assert_int_equal(vswitch_lend(x->sw, 7, 0, PORT_CAP_USO, &len, v, &to), 0);
	assert_int_equal(vswitch_lend(x->sw, 8, 0, 0, &len, v, &to), 0);
	len = 20000;
	assert_int_equal(ask_lent(x, &len, v), 10);
	vswitch_unlend(vhost_port(x));
	driver_link(x->d, false);
	assert_int_equal(ask_lent(x, &len, v), 0);
}

static void lend__buffer_outside__ends_the_connection(void **state)
{
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	size_t len = PAYLOAD;

	open_lender(x, 1);
	vg_desc(&guest, VG_RX, 1, VG_GPA + VG_MEM - 16, LARGE, 2, 0);
	vg_avail(&guest, VG_RX, 1);
	assert_int_equal(ask_lent(x, &len, v), 0);
	expect_closed(x);
}

/* A frame would be looked for in buffers whose lengths, in 32 bits, add up to nothing. */
static void lend__chain_of_4_gib__ends_the_connection(void **state)
{
	const uint64_t gpa = 1ull << 32, size = gpa + 4096;
	const uint64_t body[5] = {0, gpa, size, 0x1000, 0};
	int fd = memfd_create("large", MFD_CLOEXEC);
	struct fix *x = *state;
	struct iovec v[FRAME_SEGS];
	uint8_t hdr[FRAME_HDR];
	size_t len = PAYLOAD;
	struct frame f;
	int n;

	open_lender(x, 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	vg_send(&guest, 37, 0, body, sizeof(body), &fd, 1);
	close(fd);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	vg_desc(&guest, VG_RX, 0, gpa, UINT32_MAX, 3, 1);
	vg_desc(&guest, VG_RX, 1, gpa, 1, 2, 0);
	vg_avail(&guest, VG_RX, 0);
	n = ask_lent(x, &len, v);
	if (n > 0) { /* what went wrong then */
		make_lent(x, &f, hdr, v, n, PAYLOAD, 7);
		vswitch_input(&x->f.port, &f, 1, 1000);
		vswitch_unlend(vhost_port(x));
	}
	assert_int_equal(n, 0);
	expect_closed(x);
}

/* ---- the front end comes and goes ------------------------------------------------ */

static void stop__and_start_again__goes_on_at_the_index(void **state)
{
	struct fix *x = *state;
	uint32_t base[2], head, len;
	uint8_t b[60];

	vg_start(&guest, V1);
	fix_frame(b, sizeof(b), 1, 1);
	vg_send_frame(&guest, 0, b, sizeof(b));
	fix_until(x, 1);
	vg_state(&guest, 11, VG_TX, 0);
	assert_int_equal(vg_answer(&guest, 11, base, sizeof(base), turn, x), 8);
	assert_int_equal(base[1], 1);
	vg_send_frame(&guest, 1, b, sizeof(b));
	fix_turn(x);
	assert_int_equal(x->f.n, 1);
	vg_state(&guest, 10, VG_TX, base[1]);
	vg_fd(&guest, 12, VG_TX, guest.q[VG_TX].kick);
	fix_until(x, 2);
	assert_true(vg_used(&guest, VG_TX, &head, &len));
	assert_true(vg_used(&guest, VG_TX, &head, &len));
	assert_int_equal(head, 1);
}

static void connection__comes_anew__the_guest_goes_on(void **state)
{
	struct fix *x = *state;
	struct driver_vhost_conf conf = {.queues = 1};
	uint32_t head, len;
	uint8_t b[60];
	int sv[2];

	vg_start(&guest, V1 | EVENT);
	fix_frame(b, sizeof(b), 1, 1);
	vg_send_frame(&guest, 0, b, sizeof(b));
	fix_until(x, 1);
	assert_true(vg_used(&guest, VG_TX, &head, &len));
	/* the worker dies; the guest sends on */
	driver_free(x->d);
	vg_send_frame(&guest, 1, b, sizeof(b));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				    sv), 0);
	close(guest.sock);
	guest.sock = sv[0];
	assert_int_equal(driver_vhost(&x->ctx, &x->spec, &conf, -1, sv[1],
				      &x->d, NULL), 0);
	vg_start(&guest, V1 | EVENT);
	fix_until(x, 2);
	assert_true(vg_used(&guest, VG_TX, &head, &len));
	assert_int_equal(head, 1);
}

static void kick__without_a_descriptor__the_ring_is_polled(void **state)
{
	struct fix *x = *state;
	uint8_t b[60];

	vg_start(&guest, V1);
	vg_fd(&guest, 12, VG_TX, -1);
	fix_turn(x);
	fix_frame(b, sizeof(b), 1, 1);
	vg_send_frame(&guest, 0, b, sizeof(b));
	fix_until(x, 1);
}

static void rarp__asked_for__is_broadcast(void **state)
{
	struct fix *x = *state;
	uint64_t mac = 0;

	memcpy(&mac, "\x52\x54\0\1\2\3", 6);
	vg_u64(&guest, 19, mac);
	fix_until(x, 1);
	assert_int_equal(x->f.got[0].len, 60);
	assert_int_equal(get_be16(x->f.got[0].p + 12), 0x8035);
	assert_memory_equal(x->f.got[0].p + 6, &mac, 6);
}

static void memory__truncated_under_us__ends_the_connection(void **state)
{
	struct fix *x = *state;

	/* anew: for each test cmocka puts a handler of its own there */
	driver_free(x->d);
	vg_fini(&guest);
	open_vhost(x);
	vg_start(&guest, V1 | MRG);
	vg_fill_rx(&guest, 8);
	fix_turn(x);
	assert_int_equal(ftruncate(guest.memfd, 0x20000), 0);
	fix_to_driver(x, 100, 5); /* the buffer is gone, the ring is not */
	expect_closed(x);
}

/* ---- what is wrong ----------------------------------------------------------------- */

static void expect_bad_chain(struct fix *x)
{
	vg_kick(&guest, VG_TX);
	expect_closed(x);
	assert_int_equal(x->f.n, 0);
}

static void tx__chain_in_a_circle__ends_the_connection(void **state)
{
	vg_start(&guest, V1);
	vg_desc(&guest, VG_TX, 0, vg_buf_gpa(&guest, VG_TX, 0), 64, 1, 1);
	vg_desc(&guest, VG_TX, 1, vg_buf_gpa(&guest, VG_TX, 1), 64, 1, 0);
	vg_avail(&guest, VG_TX, 0);
	expect_bad_chain(*state);
}

static void tx__address_outside__ends_the_connection(void **state)
{
	vg_start(&guest, V1);
	vg_desc(&guest, VG_TX, 0, VG_GPA + VG_MEM - 16, 64, 0, 0);
	vg_avail(&guest, VG_TX, 0);
	expect_bad_chain(*state);
}

static void tx__head_outside__ends_the_connection(void **state)
{
	vg_start(&guest, V1);
	vg_avail(&guest, VG_TX, VG_NUM);
	expect_bad_chain(*state);
}

static void tx__writable_buffer__ends_the_connection(void **state)
{
	vg_start(&guest, V1);
	vg_desc(&guest, VG_TX, 0, vg_buf_gpa(&guest, VG_TX, 0), 64, 2, 0);
	vg_avail(&guest, VG_TX, 0);
	expect_bad_chain(*state);
}

static void tx__index_far_ahead__ends_the_connection(void **state)
{
	vg_start(&guest, V1);
	guest.q[VG_TX].avail_idx = VG_NUM;
	vg_avail(&guest, VG_TX, 0);
	expect_bad_chain(*state);
}

static void tx__indirect_not_negotiated__ends_the_connection(void **state)
{
	vg_start(&guest, V1);
	vg_desc(&guest, VG_TX, 0, vg_buf_gpa(&guest, VG_TX, 0), 64, 4, 0);
	vg_avail(&guest, VG_TX, 0);
	expect_bad_chain(*state);
}

static void tx__no_whole_header__is_dropped(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;

	vg_start(&guest, V1);
	vg_desc(&guest, VG_TX, 0, vg_buf_gpa(&guest, VG_TX, 0), 12, 0, 0);
	vg_avail(&guest, VG_TX, 0);
	vg_desc(&guest, VG_TX, 1, vg_buf_gpa(&guest, VG_TX, 1), 0, 0, 0);
	vg_avail(&guest, VG_TX, 1);
	vg_kick(&guest, VG_TX);
	fix_turn(x);
	assert_true(x->connected);
	assert_int_equal(fix_drops(x, DROP_SHORT), 2);
	assert_true(vg_used(&guest, VG_TX, &head, &len));
	assert_true(vg_used(&guest, VG_TX, &head, &len));
}

static void message__nonsense__ends_the_connection(void **state)
{
	struct fix *x = *state;
	uint32_t hdr[3] = {1, 1, 1u << 30};

	assert_int_equal(write(guest.sock, hdr, sizeof(hdr)), sizeof(hdr));
	expect_closed(x);
}

static void message__in_single_bytes__is_understood(void **state)
{
	struct fix *x = *state;
	uint32_t hdr[3] = {1, 1, 0};
	uint64_t features;

	for (size_t i = 0; i < sizeof(hdr); i++) {
		assert_int_equal(write(guest.sock, (uint8_t *)hdr + i, 1), 1);
		fix_turn(x);
	}
	assert_int_equal(vg_answer(&guest, 1, &features, 8, turn, x), 8);
	assert_true(features & V1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tx__frames_of_the_guest__go_through_the_switch),
		T(tx__chain_of_many_pieces__is_one_frame),
		T(tx__indirect_table__is_followed),
		T(tx__more_than_a_turn__all_go_on),
		T(tx__disabled_ring__loses_its_frames),
		T(rx__frame__lies_in_the_guest_s_buffer),
		T(rx__large_frame__is_spread_over_buffers),
		T(room__no_buffers__none_until_the_guest_took_all),
		T(lags__many_frames_wait__senders_are_told),
		T(lags__a_frame_now_and_then__slows_nobody),
		T(tx__to_a_port_that_lags__all_arrive_a_moment_later),
		T(tx__mostly_to_others__goes_on_at_once),
		T(rx__no_buffers__waits_and_then_counts_drops),
		T(rx__frame_before_the_call_descriptor__is_signalled),
		T(rx__link_pulled__nothing_arrives),
		T(rx__frame_longer_than_any_buffer__is_dropped),
		T(lend__frame_made_in_place__only_its_header_is_copied),
		T(lend__frame_is_shorter__buffers_left_over_come_back),
		T(lend__no_frame_comes__buffers_come_back),
		T(lend__another_frame_first__the_lent_one_is_lost),
		T(lend__frame_that_does_not_fit__is_lost),
		T(lend__no_buffers__told_when_there_are),
		T(lend__not_worth_it_or_not_possible__none),
		T(lend__buffer_outside__ends_the_connection),
		T(lend__chain_of_4_gib__ends_the_connection),
		T(stop__and_start_again__goes_on_at_the_index),
		T(connection__comes_anew__the_guest_goes_on),
		T(kick__without_a_descriptor__the_ring_is_polled),
		T(rarp__asked_for__is_broadcast),
		T(memory__truncated_under_us__ends_the_connection),
		T(tx__chain_in_a_circle__ends_the_connection),
		T(tx__address_outside__ends_the_connection),
		T(tx__head_outside__ends_the_connection),
		T(tx__writable_buffer__ends_the_connection),
		T(tx__index_far_ahead__ends_the_connection),
		T(tx__indirect_not_negotiated__ends_the_connection),
		T(tx__no_whole_header__is_dropped),
		T(message__nonsense__ends_the_connection),
		T(message__in_single_bytes__is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
