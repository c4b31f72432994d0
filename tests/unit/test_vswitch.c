// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core fake_port */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/compat.h"
#include "lib/csum.h"
#include "switch/hdrs.h"
#include "switch/offload.h"
#include "tests/fake/fake_port.h"

#define ALL_CAPS (PORT_CAP_CSUM | PORT_CAP_TSO4 | PORT_CAP_TSO6 | PORT_CAP_USO)

static const uint8_t A[6] = {2, 0, 0, 0, 0, 0xa}, Bm[6] = {2, 0, 0, 0, 0, 0xb},
		     C[6] = {2, 0, 0, 0, 0, 0xc},
		     ALL[6] = {255, 255, 255, 255, 255, 255};

struct fix {
	struct vswitch *sw;
	struct fake_port a, b, c;
	/* what was seen */
	int seen;
	struct port *seen_port;
	struct mac seen_mac;
	struct ipaddr seen_ip;
};

static int setup(void **state)
{
	struct vswitch_config cfg = {.seed = {3, 4}};
	struct fix *x = calloc(1, sizeof(*x));

	x->sw = vswitch_new(&cfg);
	fake_port_add(&x->a, x->sw, "a", PORT_GUEST, 0);
	fake_port_add(&x->b, x->sw, "b", PORT_GUEST, 0);
	fake_port_add(&x->c, x->sw, "c", PORT_GUEST, ALL_CAPS);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	vswitch_free(x->sw);
	free(x);
	return 0;
}

/* Ethernet header and zeroes; @len bytes in all. */
static size_t eth(uint8_t *p, const uint8_t *dst, const uint8_t *src,
		  uint16_t type, size_t len)
{
	memset(p, 0, len);
	memcpy(p, dst, 6);
	memcpy(p + 6, src, 6);
	put_be16(p + 12, type);
	return len;
}

static void say(struct fake_port *p, const uint8_t *dst, const uint8_t *src)
{
	uint8_t b[60];

	fake_port_in(p, b, eth(b, dst, src, 0x1234, sizeof(b)), 1000);
}

static void clear(struct fix *x)
{
	fake_port_clear(&x->a);
	fake_port_clear(&x->b);
	fake_port_clear(&x->c);
}

static uint64_t drops(const struct fake_port *p, enum drop_reason r)
{
	return p->port.stats.drops[r];
}

static uint64_t all_drops(const struct fake_port *p)
{
	uint64_t n = 0;

	for (int i = 0; i < DROP_REASONS; i++)
		n += drops(p, (enum drop_reason)i);
	return n;
}

/* ---- forwarding ---------------------------------------------------------- */

static void input__unknown_then_known__floods_then_one_port(void **state)
{
	struct fix *x = *state;

	say(&x->a, Bm, A);
	assert_int_equal(x->a.n, 0);
	assert_int_equal(x->b.n, 1);
	assert_int_equal(x->c.n, 1);
	clear(x);
	say(&x->b, A, Bm);
	assert_int_equal(x->a.n, 1);
	assert_int_equal(x->c.n, 0);
	assert_ptr_equal(x->a.ingress, &x->b.port);
	assert_null(vswitch_ingress(x->sw));
	clear(x);
	say(&x->a, ALL, A);
	assert_int_equal(x->b.n, 1);
	assert_int_equal(x->c.n, 1);
	assert_int_equal(x->a.port.stats.rx_frames, 2);
	assert_int_equal(x->a.port.stats.rx_bytes, 120);
	assert_int_equal(x->b.port.stats.tx_frames, 2);
	assert_int_equal(vswitch_fdb_count(&x->a.port), 1);
}

static void input__batch_for_two_ports__one_tx_each_in_order(void **state)
{
	struct fix *x = *state;
	uint8_t b[FRAME_BATCH][60];
	struct frame f[FRAME_BATCH];

	say(&x->b, ALL, Bm);
	say(&x->c, ALL, C);
	clear(x);
	for (int i = 0; i < FRAME_BATCH; i++) {
		eth(b[i], i % 2 ? Bm : C, A, 0x1234, 60);
		b[i][20] = (uint8_t)i;
		frame_init(&f[i], b[i], 60);
	}
	vswitch_input(&x->a.port, f, FRAME_BATCH, 5);
	assert_int_equal(x->b.batches, 1);
	assert_int_equal(x->c.batches, 1);
	assert_int_equal(x->b.n, FRAME_BATCH / 2);
	for (unsigned int i = 0; i < x->b.n; i++) {
		assert_int_equal(x->b.got[i].p[20], 2 * i + 1);
		assert_int_equal(x->c.got[i].p[20], 2 * i);
	}
	assert_int_equal(x->b.flushes, 2); /* once a turn */
	assert_int_equal(vswitch_now(x->sw), 5);
}

/* Neighbours in a batch that are nearly alike: each is judged for itself. */
static void input__alike_but_for_a_byte__each_goes_its_own_way(void **state)
{
	static const struct {
		const char *eth; /* 14 bytes, and two more */
		char to; /* who gets it; 0: dropped */
		enum drop_reason why;
	} frames[] = {
		{"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 0, DROP_BAD_SRC},
		{"\2\0\0\0\0\xb\2\0\0\0\0\xa\x12\x34\0", 'b'},
		{"\2\0\0\0\0\xb\2\0\0\0\0\xa\x12\x34\0", 'b'},
		{"\2\0\0\0\0\xc\2\0\0\0\0\xa\x12\x34\0", 'c'},
		{"\2\0\0\0\0\xc\3\0\0\0\0\xa\x12\x34\0", 0, DROP_BAD_SRC},
		{"\2\0\0\0\0\xc\2\0\0\0\0\xa\x12\x34\0", 'c'},
		{"\2\0\0\0\0\xa\2\0\0\0\0\xa\x12\x34\0", 0, DROP_SAME_PORT},
		{"\2\0\0\0\0\xb\2\0\0\0\0\xa\x12\x35\0", 'b'},
		/* VLAN 3, where nobody is known, then 0 */
		{"\2\0\0\0\0\xb\2\0\0\0\0\xa\x81\0\0\3", '*'},
		{"\2\0\0\0\0\xb\2\0\0\0\0\xa\x81\0\0\0", 'b'},
		{"\2\0\0\0\0\xb\2\0\0\0\0\xa\x12\x34\0", 'b'},
		{"\1\x80\xc2\0\0\0\2\0\0\0\0\xa\x12\x34\0", 0, DROP_RESERVED},
		{"\xff\xff\xff\xff\xff\xff\2\0\0\0\0\xa\x12\x34\0", '*'},
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", 0,
		 DROP_BAD_SRC},
	};
	struct fix *x = *state;
	uint8_t b[ARRAY_LEN(frames)][60] = {{0}};
	struct frame f[ARRAY_LEN(frames)];
	unsigned int nb = 0, nc = 0, why[DROP_REASONS] = {0};

	say(&x->b, A, Bm);
	say(&x->c, A, C);
	clear(x);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++) {
		memcpy(b[i], frames[i].eth, 16);
		b[i][20] = (uint8_t)i;
		frame_init(&f[i], b[i], sizeof(b[i]));
		if (!frames[i].to)
			why[frames[i].why]++;
	}
	vswitch_input(&x->a.port, f, ARRAY_LEN(frames), 1000);
	for (unsigned int i = 0; i < ARRAY_LEN(frames); i++) {
		if (frames[i].to == 'b' || frames[i].to == '*')
			assert_int_equal(x->b.got[nb++].p[20], i);
		if (frames[i].to == 'c' || frames[i].to == '*')
			assert_int_equal(x->c.got[nc++].p[20], i);
	}
	assert_int_equal(x->b.n, nb);
	assert_int_equal(x->c.n, nc);
	for (int i = 0; i < DROP_REASONS; i++)
		assert_int_equal(drops(&x->a, (enum drop_reason)i), why[i]);
	assert_int_equal(x->a.port.stats.rx_frames, ARRAY_LEN(frames));
	assert_int_equal(x->a.port.stats.rx_bytes, sizeof(b));
}

static void input__alike_but_longer_or_cut__each_is_judged(void **state)
{
	struct fix *x = *state;
	uint8_t b[1600];
	struct frame f[5];

	say(&x->b, A, Bm);
	clear(x);
	eth(b, Bm, A, 0x1234, sizeof(b));
	frame_init(&f[0], b, 1514);
	frame_init(&f[1], b, 1515);
	frame_init(&f[2], b, 13);
	frame_init(&f[3], b, 14);
	frame_init(&f[4], b, 1514);
	f[4].off = (struct offload){.needs_csum = true, .csum_start = 1514};
	vswitch_input(&x->a.port, f, 5, 1000);
	assert_int_equal(x->b.n, 2);
	assert_int_equal(x->b.got[1].len, 14);
	assert_int_equal(drops(&x->a, DROP_LONG), 1);
	assert_int_equal(drops(&x->a, DROP_SHORT), 1);
	assert_int_equal(drops(&x->a, DROP_OFFLOAD), 1);
}

static void input__destination_behind_source_port__dropped(void **state)
{
	struct fix *x = *state;

	say(&x->a, ALL, A);
	clear(x);
	say(&x->a, A, C);
	assert_int_equal(x->b.n + x->c.n, 0);
	assert_int_equal(drops(&x->a, DROP_SAME_PORT), 1);
}

static void input__bad_frames__dropped_with_reason(void **state)
{
	static const uint8_t stp[6] = {1, 0x80, 0xc2, 0, 0, 0},
			     lldp[6] = {1, 0x80, 0xc2, 0, 0, 0xe},
			     gmrp[6] = {1, 0x80, 0xc2, 0, 0, 0x20}, zero[6];
	struct fix *x = *state;
	uint8_t b[1600];

	say(&x->a, stp, A);
	say(&x->a, lldp, A);
	assert_int_equal(drops(&x->a, DROP_RESERVED), 2);
	say(&x->a, gmrp, A);
	assert_int_equal(x->b.n, 1);
	clear(x);
	say(&x->a, Bm, ALL);
	say(&x->a, Bm, zero);
	assert_int_equal(drops(&x->a, DROP_BAD_SRC), 2);
	fake_port_in(&x->a, b, eth(b, Bm, A, 1, 14) - 1, 0);
	fake_port_in(&x->a, b, eth(b, Bm, A, ETH_P_TAG, 17), 0);
	fake_port_in(&x->a, b, 0, 0);
	assert_int_equal(drops(&x->a, DROP_SHORT), 3);
	assert_int_equal(x->b.n, 0);
	fake_port_in(&x->a, b, eth(b, Bm, A, 1, 14), 0);
	assert_int_equal(x->b.n, 1);
}

static void input__longer_than_mtu__dropped_but_tags_do_not_count(void **state)
{
	struct fix *x = *state;
	uint8_t b[1600];

	fake_port_in(&x->a, b, eth(b, Bm, A, 1, 1514), 0);
	fake_port_in(&x->a, b, eth(b, Bm, A, 1, 1515), 0);
	fake_port_in(&x->a, b, eth(b, Bm, A, ETH_P_TAG, 1518), 0);
	eth(b, Bm, A, ETH_P_TAG_AD, 1522);
	put_be16(b + 16, ETH_P_TAG);
	fake_port_in(&x->a, b, 1522, 0);
	fake_port_in(&x->a, b, 1523, 0);
	assert_int_equal(x->b.n, 3);
	assert_int_equal(drops(&x->a, DROP_LONG), 2);
}

static void input__vlan_tags__learned_apart(void **state)
{
	struct fix *x = *state;
	uint8_t b[60];

	eth(b, ALL, A, ETH_P_TAG, 60);
	b[15] = 5;
	fake_port_in(&x->a, b, 60, 0);
	clear(x);
	say(&x->b, A, Bm); /* untagged: unknown */
	assert_int_equal(x->a.n + x->c.n, 2);
	clear(x);
	eth(b, A, Bm, ETH_P_TAG, 60);
	b[15] = 5;
	fake_port_in(&x->b, b, 60, 0);
	assert_int_equal(x->a.n, 1);
	assert_int_equal(x->c.n, 0);
}

static void tick__address_silent__flooded_again(void **state)
{
	struct fix *x = *state;

	say(&x->b, ALL, Bm); /* at 1 s */
	assert_int_equal(vswitch_tick(x->sw, 300999), 301000);
	clear(x);
	say(&x->a, Bm, A);
	assert_int_equal(x->c.n, 0);
	/* now A, seen at 1 s by say(), too, is due with Bm */
	vswitch_tick(x->sw, 301000);
	assert_int_equal(vswitch_fdb_count(&x->b.port), 0);
}

static void link__down__nothing_in_or_out_and_addresses_forgotten(void **state)
{
	struct fix *x = *state;

	say(&x->b, ALL, Bm);
	clear(x);
	vswitch_port_link(&x->b.port, false);
	vswitch_port_link(&x->b.port, false);
	assert_int_equal(x->b.links, 1);
	assert_int_equal(vswitch_fdb_count(&x->b.port), 0);
	say(&x->a, Bm, A);
	assert_int_equal(x->b.n, 0);
	assert_int_equal(x->c.n, 1);
	say(&x->b, A, Bm);
	assert_int_equal(drops(&x->b, DROP_LINK), 1);
	assert_int_equal(x->a.n, 0);
	vswitch_port_link(&x->b.port, true);
	assert_true(x->b.link);
	say(&x->a, Bm, A);
	assert_int_equal(x->b.n, 1);
}

static void static__gateway_mac__link_down_counted_and_spoof_dropped(
	void **state)
{
	struct fix *x = *state;
	struct mac m;

	memcpy(m.b, C, 6);
	assert_int_equal(vswitch_fdb_static(x->sw, &m, &x->c.port), 0);
	assert_int_equal(vswitch_fdb_static(x->sw, &m, &x->c.port), -EEXIST);
	say(&x->a, C, A);
	assert_int_equal(x->b.n, 0);
	assert_int_equal(x->c.n, 1);
	clear(x);
	say(&x->a, ALL, C);
	say(&x->a, ALL, C);
	assert_int_equal(drops(&x->a, DROP_GUARD), 2);
	assert_int_equal(x->b.n, 0);
	vswitch_port_link(&x->c.port, false);
	say(&x->a, C, A);
	assert_int_equal(drops(&x->c, DROP_LINK), 1);
}

/* ---- turns --------------------------------------------------------------- */

static void flush__port_answers__delivered_in_the_same_turn(void **state)
{
	struct fix *x = *state;
	uint8_t b[60];

	eth(b, A, C, 0x1234, 60);
	x->c.answer = b;
	x->c.answer_len = 60;
	x->c.answers = 1;
	say(&x->a, ALL, A);
	assert_int_equal(x->a.n, 1);
	assert_ptr_equal(x->a.ingress, &x->c.port);
	assert_int_equal(x->a.flushes, 1);
}

/* Two ports that answer each other for ever. */
static void flush__ping_pong__bounded_per_turn_and_goes_on_next_time(
	void **state)
{
	struct fix *x = *state;
	uint8_t ab[60], ba[60];
	unsigned int before;

	eth(ab, Bm, A, 0x1234, 60);
	eth(ba, A, Bm, 0x1234, 60);
	x->a.answer = ab;
	x->b.answer = ba;
	x->a.answer_len = x->b.answer_len = 60;
	x->a.answers = x->b.answers = 1000;
	say(&x->a, Bm, A);
	before = x->a.n + x->b.n;
	assert_in_range(before, 10, VSWITCH_FLUSH_MAX + 1);
	assert_int_equal(vswitch_tick(x->sw, 2000), 2000);
	assert_true(x->a.n + x->b.n > before);
	x->a.answers = x->b.answers = 0;
	assert_true(vswitch_tick(x->sw, 2000) > 2000);
}

static void port_del__flush_due__not_called_any_more(void **state)
{
	struct fix *x = *state;
	uint8_t ab[60], ba[60];
	unsigned int n;

	eth(ab, Bm, A, 0x1234, 60);
	eth(ba, A, Bm, 0x1234, 60);
	x->a.answer = ab;
	x->b.answer = ba;
	x->a.answer_len = x->b.answer_len = 60;
	x->a.answers = x->b.answers = 1000;
	say(&x->a, Bm, A);
	vswitch_port_del(&x->a.port);
	vswitch_port_del(&x->b.port);
	assert_true(x->a.closed && x->b.closed);
	n = x->a.flushes + x->b.flushes;
	vswitch_tick(x->sw, 3000);
	assert_int_equal(x->a.flushes + x->b.flushes, n);
	assert_ptr_equal(vswitch_port_next(x->sw, NULL), &x->c.port);
	assert_null(vswitch_port_next(x->sw, &x->c.port));
}

static void bare_close(struct port *p)
{
	(void)p;
}

static void port_add__too_many__refused(void **state)
{
	static const struct port_ops bare = {.close = bare_close};
	struct fix *x = *state;
	struct port *p = calloc(VSWITCH_PORTS_MAX, sizeof(*p));
	unsigned int n;

	for (n = 0; n < VSWITCH_PORTS_MAX; n++)
		p[n].ops = &bare;
	for (n = 0; n < VSWITCH_PORTS_MAX - 3; n++)
		assert_int_equal(vswitch_port_add(x->sw, &p[n]), 0);
	assert_int_equal(vswitch_port_add(x->sw, &p[n]), -ENOSPC);
	vswitch_port_del(&p[500]);
	assert_int_equal(vswitch_port_add(x->sw, &p[n]), 0);
	assert_int_equal(p[n].id, 503);
	for (n = 0; n < VSWITCH_PORTS_MAX; n++) {
		if (p[n].sw)
			vswitch_port_del(&p[n]);
	}
	free(p);
}

/* ---- offloads through the switch ----------------------------------------- */

/* A TCP/IPv4 frame with @n payload bytes and its checksum unfinished. */
static size_t tcp(uint8_t *p, size_t n)
{
	eth(p, ALL, A, ETH_P_IP4, 54 + n);
	p[14] = 0x45;
	put_be16(p + 16, (uint16_t)(40 + n));
	p[22] = 64;
	p[23] = 6;
	put_be32(p + 26, 0x0a000001);
	put_be32(p + 30, 0x0a000002);
	put_be16(p + 24, csum_finish(csum_add(0, p + 14, 20)));
	p[46] = 0x50;
	put_be16(p + 50, csum_fold(csum_pseudo4(0x0a000001, 0x0a000002, 6,
						(uint32_t)(20 + n))));
	return 54 + n;
}

static struct frame tso(uint8_t *p, size_t n, uint16_t size)
{
	struct frame f;

	frame_init(&f, p, tcp(p, n));
	f.off.needs_csum = true;
	f.off.csum_start = 34;
	f.off.csum_offset = 16;
	f.off.gso_type = size ? GSO_TCP4 : GSO_NONE;
	f.off.gso_size = size;
	return f;
}

static void input__gso_to_mixed_ports__whole_or_cut_as_each_can(void **state)
{
	static uint8_t b[65000];
	struct fix *x = *state;
	struct frame f = tso(b, 60000, 1448);

	vswitch_input(&x->a.port, &f, 1, 0);
	assert_int_equal(x->c.n, 1);
	assert_int_equal(x->c.got[0].len, 60054);
	assert_int_equal(x->c.got[0].off.gso_size, 1448);
	assert_int_equal(x->b.n, 42); /* ceil(60000 / 1448) */
	for (unsigned int i = 0; i < x->b.n; i++) {
		assert_true(x->b.got[i].len <= 1514);
		assert_false(x->b.got[i].off.needs_csum);
		assert_int_equal(csum_fold(csum_add(
					 csum_pseudo4(0x0a000001, 0x0a000002, 6,
						      x->b.got[i].len - 34),
					 x->b.got[i].p + 34,
					 x->b.got[i].len - 34)),
				 0xffff);
	}
	assert_int_equal(all_drops(&x->a), 0);
}

/* … whose checksum is left to the one that takes that. */
static void input__gso_to_a_port_with_csum__cut_and_left_to_it(void **state)
{
	static uint8_t b[65000];
	struct fix *x = *state;
	struct frame f = tso(b, 60000, 1448);

	x->b.port.caps = PORT_CAP_CSUM;
	vswitch_input(&x->a.port, &f, 1, 0);
	assert_int_equal(x->b.n, 42);
	for (unsigned int i = 0; i < x->b.n; i++) {
		const struct fake_frame *g = &x->b.got[i];

		assert_true(g->off.needs_csum);
		assert_int_equal(g->off.csum_start, 34);
		assert_int_equal(g->off.csum_offset, 16);
		assert_int_equal(g->off.gso_type, GSO_NONE);
		assert_int_equal(get_be16(g->p + 50),
				 csum_fold(csum_pseudo4(0x0a000001, 0x0a000002,
							6, g->len - 34)));
	}
}

static void input__more_pieces_than_a_batch__several_tx_in_order(void **state)
{
	static uint8_t b[3][65000];
	struct fix *x = *state;
	struct frame f[3];

	for (int i = 0; i < 3; i++)
		f[i] = tso(b[i], 60000, 500);
	f[1] = tso(b[1], 100, 0);
	vswitch_input(&x->a.port, f, 3, 0);
	assert_int_equal(x->b.n, 120 + 1 + 120);
	assert_int_equal(x->b.batches, 4);
	assert_int_equal(x->b.got[120].len, 154);
	assert_int_equal(x->c.n, 3);
}

static void input__offload_facts_wrong__dropped_at_the_sender(void **state)
{
	static uint8_t b[65000];
	struct fix *x = *state;
	struct frame f = tso(b, 60000, 1448);

	f.off.gso_type = GSO_TCP6;
	vswitch_input(&x->a.port, &f, 1, 0);
	f = tso(b, 60000, 1448);
	f.off.csum_start = 30;
	vswitch_input(&x->a.port, &f, 1, 0);
	f = tso(b, 60000, 1448);
	f.off.needs_csum = false;
	vswitch_input(&x->a.port, &f, 1, 0);
	f = tso(b, 60000, 10); /* 6000 pieces */
	vswitch_input(&x->a.port, &f, 1, 0);
	f = tso(b, 100, 0);
	f.off.csum_start = 153;
	vswitch_input(&x->a.port, &f, 1, 0);
	assert_int_equal(drops(&x->a, DROP_OFFLOAD), 5);
	f = tso(b, 60000, 1461);
	vswitch_input(&x->a.port, &f, 1, 0);
	assert_int_equal(drops(&x->a, DROP_LONG), 1);
	assert_int_equal(x->b.n + x->c.n, 0);
}

/* ---- pinning and addresses seen ------------------------------------------ */

static size_t arp(uint8_t *p, const uint8_t *src, uint16_t op, uint32_t ip)
{
	eth(p, ALL, src, ETH_P_ARP4, 60);
	put_be16(p + 14, 1);
	put_be16(p + 16, ETH_P_IP4);
	p[18] = 6;
	p[19] = 4;
	put_be16(p + 20, op);
	memcpy(p + 22, src, 6);
	put_be32(p + 28, ip);
	return 60;
}

static size_t ip4(uint8_t *p, const uint8_t *src, uint32_t ip)
{
	eth(p, ALL, src, ETH_P_IP4, 60);
	p[14] = 0x45;
	put_be16(p + 16, 46);
	put_be32(p + 26, ip);
	return 60;
}

static void guard__pinned_port__only_its_own_address_passes(void **state)
{
	struct fix *x = *state;
	uint8_t b[80];
	const uint32_t mine = 0xc0a83801;

	x->a.port.src_ip4 = mine;
	fake_port_in(&x->a, b, arp(b, A, 1, mine), 0);
	fake_port_in(&x->a, b, arp(b, A, 2, mine), 0);
	fake_port_in(&x->a, b, arp(b, A, 1, 0), 0);
	fake_port_in(&x->a, b, ip4(b, A, mine), 0);
	eth(b, ALL, A, ETH_P_IP6, 60);
	b[14] = 0x60;
	b[22] = 0xfe;
	b[23] = 0xbf;
	fake_port_in(&x->a, b, 60, 0);
	b[22] = b[23] = 0; /* :: to ff02:: */
	b[38] = 0xff;
	b[39] = 0x02;
	fake_port_in(&x->a, b, 60, 0);
	assert_int_equal(x->b.n, 6);

	b[39] = 0x0e; /* :: to a global group */
	fake_port_in(&x->a, b, 60, 0);
	b[22] = 0xfd; /* a ULA */
	fake_port_in(&x->a, b, 60, 0);
	fake_port_in(&x->a, b, arp(b, A, 2, 0), 0);
	fake_port_in(&x->a, b, arp(b, A, 1, mine + 1), 0);
	fake_port_in(&x->a, b, ip4(b, A, mine + 1), 0);
	fake_port_in(&x->a, b, ip4(b, A, mine) - 60 + 29, 0); /* cut off */
	say(&x->a, ALL, A); /* some other protocol */
	eth(b, ALL, A, ETH_P_TAG, 64); /* hidden behind a tag */
	ip4(b + 4, A, mine + 1);
	memcpy(b, ALL, 6);
	memcpy(b + 6, A, 6);
	put_be16(b + 12, ETH_P_TAG);
	put_be16(b + 14, 0);
	fake_port_in(&x->a, b, 64, 0);
	assert_int_equal(drops(&x->a, DROP_GUARD), 8);
	assert_int_equal(x->b.n, 6);
}

/* An IPv6 packet, or neighbour discovery of @type (0 = none of it). */
static size_t ip6(uint8_t *p, const uint8_t *src, const struct ipaddr *from,
		  uint8_t type, const struct ipaddr *target)
{
	static const uint8_t to[16] = {0xff, 0x02, [15] = 1};

	eth(p, ALL, src, ETH_P_IP6, 78);
	memset(p + 14, 0, 64);
	p[14] = 0x60;
	p[19] = 24;
	p[20] = type ? 58 : 17;
	p[21] = 255;
	memcpy(p + 22, from->b, 16);
	memcpy(p + 38, to, 16);
	p[54] = type;
	memcpy(p + 62, target->b, 16);
	return 78;
}

static const struct ipaddr ULA = {{0xfd, [15] = 5}}, LL = {{0xfe, 0x80, [15] = 5}};

static void guard__pinned_ipv6__only_its_own_comes_and_goes(void **state)
{
	struct fix *x = *state;
	struct ipaddr other = ULA;
	uint8_t b[80];

	other.b[15] = 6;
	x->a.port.src_ip4 = 0xc0a83801;
	x->a.port.src_ip6 = ULA;
	vswitch_pin_changed(x->sw, x->a.port.pin); /* looks at ports anew */
	fake_port_in(&x->a, b, ip6(b, A, &ULA, 0, &ULA), 0);
	fake_port_in(&x->a, b, ip6(b, A, &LL, 0, &ULA), 0);
	assert_int_equal(x->b.n, 2);
	fake_port_in(&x->a, b, ip6(b, A, &other, 0, &ULA), 0);
	assert_int_equal(x->b.n, 2);
	assert_int_equal(drops(&x->a, DROP_GUARD), 1);

	fake_port_in(&x->b, b, ip6(b, Bm, &other, 0, &ULA), 0); /* a group */
	memcpy(b, A, 6);
	memcpy(b + 38, ULA.b, 16);
	fake_port_in(&x->b, b, 78, 0);
	memcpy(b + 38, LL.b, 16);
	fake_port_in(&x->b, b, 78, 0);
	assert_int_equal(x->a.n, 3);
	b[38] = 0x20; /* somewhere that the host might route it to */
	fake_port_in(&x->b, b, 78, 0);
	memcpy(b, ALL, 6);
	fake_port_in(&x->b, b, 78, 0);
	assert_int_equal(x->a.n, 3);
	assert_int_equal(drops(&x->a, DROP_GUARD), 3);
}

static void on_seen(void *arg, struct port *p, const struct mac *mac,
		    const struct ipaddr *ip)
{
	struct fix *x = arg;

	x->seen++;
	x->seen_port = p;
	x->seen_mac = *mac;
	x->seen_ip = *ip;
}

static void seen__arp_and_ip__only_changes_are_told(void **state)
{
	struct fix *x = *state;
	uint8_t b[60];

	vswitch_on_seen(x->sw, on_seen, x);
	fake_port_in(&x->a, b, ip4(b, A, 0x0a000005), 0);
	assert_int_equal(x->seen, 1);
	assert_int_equal(ipaddr_get4(&x->seen_ip), 0x0a000005);
	assert_memory_equal(x->seen_mac.b, A, 6);
	assert_ptr_equal(x->seen_port, &x->a.port);
	fake_port_in(&x->a, b, ip4(b, A, 0x0a000005), 0);
	/* forwards for others: ARP has the say */
	fake_port_in(&x->a, b, ip4(b, A, 0x08080808), 0);
	fake_port_in(&x->a, b, arp(b, A, 1, 0x0a000005), 0);
	fake_port_in(&x->a, b, arp(b, A, 1, 0), 0);
	assert_int_equal(x->seen, 1);
	fake_port_in(&x->a, b, arp(b, A, 1, 0x0a000006), 0);
	assert_int_equal(x->seen, 2);
	/* moved */
	fake_port_in(&x->b, b, arp(b, A, 1, 0x0a000006), 0);
	assert_int_equal(x->seen, 3);
	/* no addresses of somebody's */
	fake_port_in(&x->c, b, ip4(b, C, 0), 0);
	fake_port_in(&x->c, b, ip4(b, C, 0x7f000001), 0);
	fake_port_in(&x->c, b, ip4(b, C, 0xe0000001), 0);
	assert_int_equal(x->seen, 3);
}

static void seen__ipv6__neighbour_discovery_has_the_say(void **state)
{
	const struct ipaddr none = {{0}}, group = {{0xff, 2}};
	struct ipaddr temp = ULA, far = ULA, tentative = ULA;
	struct fix *x = *state;
	uint8_t b[80];

	temp.b[15] = 6;
	far.b[0] = 0x20;
	tentative.b[15] = 7;
	vswitch_on_seen(x->sw, on_seen, x);
	fake_port_in(&x->a, b, ip6(b, A, &LL, 0, &ULA), 0); /* says nothing */
	fake_port_in(&x->a, b, ip6(b, A, &LL, 135, &far), 0); /* asks */
	fake_port_in(&x->a, b, ip6(b, A, &none, 0, &ULA), 0);
	fake_port_in(&x->a, b, ip6(b, A, &none, 135, &group), 0);
	assert_int_equal(x->seen, 0);
	fake_port_in(&x->a, b, ip6(b, A, &ULA, 0, &ULA), 0); /* a source */
	assert_int_equal(x->seen, 1);
	fake_port_in(&x->a, b, ip6(b, A, &far, 0, &ULA), 0); /* routed? */
	fake_port_in(&x->a, b, ip6(b, A, &ULA, 135, &far), 0);
	assert_int_equal(x->seen, 1);
	fake_port_in(&x->a, b, ip6(b, A, &LL, 136, &temp), 0);
	assert_int_equal(x->seen, 2);
	assert_true(ipaddr_eq(&x->seen_ip, &temp));
	fake_port_in(&x->a, b, ip6(b, A, &none, 135, &tentative), 0);
	assert_int_equal(x->seen, 3);
	assert_true(ipaddr_eq(&x->seen_ip, &tentative));
	/* All of them again: no news. */
	fake_port_in(&x->a, b, ip6(b, A, &ULA, 135, &far), 0);
	fake_port_in(&x->a, b, ip6(b, A, &temp, 135, &far), 0);
	fake_port_in(&x->a, b, ip6(b, A, &LL, 136, &tentative), 0);
	assert_int_equal(x->seen, 3);
	/* From behind a router, or cut off: not believed. */
	ip6(b, A, &LL, 136, &far);
	b[21] = 64;
	fake_port_in(&x->a, b, 78, 0);
	fake_port_in(&x->a, b, ip6(b, A, &LL, 136, &far) - 8, 0);
	assert_int_equal(x->seen, 3);
	fake_port_in(&x->a, b, arp(b, A, 1, 0x0a000005), 0); /* beside IPv4 */
	assert_int_equal(x->seen, 4);
}

static void seen__a_guest_invents_addresses__calls_are_limited(void **state)
{
	struct fix *x = *state;
	uint8_t b[60];

	vswitch_on_seen(x->sw, on_seen, x);
	for (uint32_t i = 1; i <= 500; i++)
		fake_port_in(&x->a, b, arp(b, A, 1, 0x0a000000 + i), 5000);
	assert_int_equal(x->seen, VSWITCH_SEEN_MAX);
	fake_port_in(&x->a, b, arp(b, A, 1, 0x0a000099), 6000);
	assert_int_equal(x->seen, VSWITCH_SEEN_MAX + 1);
}

static void seen__uplink_and_gateway__routers_are_not_guests(void **state)
{
	struct fix *x = *state;
	uint8_t b[60];

	vswitch_on_seen(x->sw, on_seen, x);
	x->a.port.role = PORT_UPLINK;
	x->b.port.role = PORT_GATEWAY;
	fake_port_in(&x->a, b, ip4(b, A, 0x08080808), 0);
	fake_port_in(&x->b, b, arp(b, Bm, 1, 0x0a000002), 0);
	assert_int_equal(x->seen, 0);
	fake_port_in(&x->a, b, arp(b, A, 1, 0x0a000001), 0);
	assert_int_equal(x->seen, 1);
}

static void count_walk(void *arg, const struct mac *mac, struct port *p,
		       int64_t age_s)
{
	int *n = arg;

	(void)mac;
	assert_non_null(p);
	n[age_s < 0 ? 0 : 1]++;
}

static void fdb_walk__entries__with_their_ports(void **state)
{
	struct fix *x = *state;
	int n[2] = {0, 0};
	struct mac m;

	memcpy(m.b, C, 6);
	vswitch_fdb_static(x->sw, &m, &x->c.port);
	say(&x->a, ALL, A);
	say(&x->b, ALL, Bm);
	vswitch_fdb_walk(x->sw, 2000, count_walk, n);
	assert_int_equal(n[0], 1);
	assert_int_equal(n[1], 2);
}

static void new__mtu_out_of_range__refused(void **state)
{
	struct vswitch_config cfg = {.mtu = VSWITCH_MTU_MIN - 1};

	(void)state;
	assert_null(vswitch_new(&cfg));
	cfg.mtu = VSWITCH_MTU_MAX + 1;
	assert_null(vswitch_new(&cfg));
	for (int i = 0; i < DROP_REASONS; i++)
		assert_true(strlen(drop_reason_name((enum drop_reason)i)) > 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(input__unknown_then_known__floods_then_one_port),
		T(input__batch_for_two_ports__one_tx_each_in_order),
		T(input__alike_but_for_a_byte__each_goes_its_own_way),
		T(input__alike_but_longer_or_cut__each_is_judged),
		T(input__destination_behind_source_port__dropped),
		T(input__bad_frames__dropped_with_reason),
		T(input__longer_than_mtu__dropped_but_tags_do_not_count),
		T(input__vlan_tags__learned_apart),
		T(tick__address_silent__flooded_again),
		T(link__down__nothing_in_or_out_and_addresses_forgotten),
		T(static__gateway_mac__link_down_counted_and_spoof_dropped),
		T(flush__port_answers__delivered_in_the_same_turn),
		T(flush__ping_pong__bounded_per_turn_and_goes_on_next_time),
		T(port_del__flush_due__not_called_any_more),
		T(port_add__too_many__refused),
		T(input__gso_to_mixed_ports__whole_or_cut_as_each_can),
		T(input__gso_to_a_port_with_csum__cut_and_left_to_it),
		T(input__more_pieces_than_a_batch__several_tx_in_order),
		T(input__offload_facts_wrong__dropped_at_the_sender),
		T(guard__pinned_port__only_its_own_address_passes),
		T(guard__pinned_ipv6__only_its_own_comes_and_goes),
		T(seen__arp_and_ip__only_changes_are_told),
		T(seen__ipv6__neighbour_discovery_has_the_say),
		T(seen__a_guest_invents_addresses__calls_are_limited),
		T(seen__uplink_and_gateway__routers_are_not_guests),
		T(fdb_walk__entries__with_their_ports),
		cmocka_unit_test(new__mtu_out_of_range__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
