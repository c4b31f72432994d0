// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port driver_fix vhost_guest */
/*
 * A vhost-user port and frames that come many at once: in bursts, each as it was and in
 * its place. The rest of the port is in test_port_vhost.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/compat.h"
#include "lib/log.h"
#include "switch/vhost_msg.h"
#include "tests/fake/driver_fix.h"
#include "tests/fake/vhost_guest.h"

#define BIT(n) (1ull << (n))
#define V1     BIT(VHOST_F_VERSION_1)
#define MRG    BIT(VHOST_F_MRG_RXBUF)

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

/* Bytes that tell one frame, and each place in it, from another. */
static void pattern(uint8_t *p, size_t len, uint8_t src)
{
	fix_frame(p, len, src, 0);
	for (size_t i = 14; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 256 + len);
}

#define RUN 16 /* frames at once */

static void tx__any_length__arrives_as_it_was(void **state)
{
	struct fix *x = *state;
	uint8_t b[600];
	uint32_t head, len;

	vg_start(&guest, V1 | MRG);
	for (size_t from = 14; from < sizeof(b) - RUN; from += RUN) {
		fake_port_clear(&x->f);
		for (unsigned int i = 0; i < RUN; i++) {
			pattern(b, from + i, 1);
			vg_send_frame(&guest, i, b, from + i);
		}
		fix_until(x, RUN);
		for (unsigned int i = 0; i < RUN; i++) {
			pattern(b, from + i, 1);
			assert_int_equal(x->f.got[i].len, from + i);
			assert_memory_equal(x->f.got[i].p, b, from + i);
			assert_true(vg_used(&guest, VG_TX, &head, &len));
		}
	}
}

static void tx__plain_and_chained_in_turn__keep_their_order(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;
	uint8_t b[100];

	vg_start(&guest, V1 | MRG);
	for (uint8_t i = 0; i < 12; i += 2) {
		fix_frame(b, sizeof(b), 1, i);
		vg_send_frame(&guest, i, b, sizeof(b));
		if (i % 4)
			continue;
		/* the header in a piece of its own */
		vg_desc(&guest, VG_TX, i, vg_buf_gpa(&guest, VG_TX, i), 12, 1,
			i + 1u);
		vg_desc(&guest, VG_TX, i + 1u,
			vg_buf_gpa(&guest, VG_TX, i) + 12, sizeof(b), 0, 0);
	}
	vg_kick(&guest, VG_TX);
	fix_until(x, 6);
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(x->f.got[i].len, sizeof(b));
		assert_int_equal(x->f.got[i].p[20], 2 * i);
		assert_true(vg_used(&guest, VG_TX, &head, &len));
		assert_int_equal(head, 2 * i);
	}
}

static void rx__any_length__arrives_as_it_was(void **state)
{
	struct fix *x = *state;
	static uint8_t b[RUN][1600];
	struct frame f[RUN];
	uint32_t head, len;

	vg_start(&guest, V1 | MRG);
	fix_turn(x);
	for (size_t from = 14; from < 1514 - RUN; from += from < 400 ? RUN : 97) {
		vg_fill_rx(&guest, RUN);
		for (unsigned int i = 0; i < RUN; i++) {
			pattern(b[i], from + i, 1);
			frame_init(&f[i], b[i], from + i);
			memset(vg_buf(&guest, VG_RX, i), 0xee, VG_BUF);
		}
		vswitch_input(&x->f.port, f, RUN, 0);
		for (unsigned int i = 0; i < RUN; i++) {
			const uint8_t *p = vg_buf(&guest, VG_RX, i);

			assert_true(vg_used(&guest, VG_RX, &head, &len));
			assert_int_equal(head, i);
			assert_int_equal(len, 12 + from + i);
			assert_memory_equal(p, "\0\0\0\0\0\0\0\0\0\0\1\0", 12);
			assert_memory_equal(p + 12, b[i], from + i);
			assert_int_equal(p[12 + from + i], 0xee);
		}
	}
}

static void rx__too_few_buffers__the_rest_of_a_batch_waits(void **state)
{
	struct fix *x = *state;
	uint8_t b[RUN][100];
	struct frame f[RUN];
	uint32_t head, len;

	vg_start(&guest, V1 | MRG);
	fix_turn(x);
	vg_fill_rx(&guest, 5);
	for (unsigned int i = 0; i < RUN; i++) {
		fix_frame(b[i], sizeof(b[i]), 1, (uint8_t)i);
		frame_init(&f[i], b[i], sizeof(b[i]));
	}
	vswitch_input(&x->f.port, f, RUN, 0);
	for (unsigned int i = 0; i < RUN; i++) {
		if (i == 5) {
			vg_fill_rx(&guest, RUN - 5);
			fix_turn(x);
		}
		assert_true(vg_used(&guest, VG_RX, &head, &len));
		assert_int_equal(vg_buf(&guest, VG_RX, head)[12 + 20], i);
	}
	assert_false(vg_used(&guest, VG_RX, &head, &len));
}

static void rx__long_ones_among_short_ones__keep_their_order(void **state)
{
	struct fix *x = *state;
	static uint8_t b[6][1514];
	struct frame f[6];
	uint32_t head, len, due = 0; /* IN_ORDER: virtio 1.2, 2.7.9 */

	vg_start(&guest, V1 | MRG);
	fix_turn(x);
	for (unsigned int i = 0; i < 14; i++) {
		vg_desc(&guest, VG_RX, i, vg_buf_gpa(&guest, VG_RX, i), 512, 2,
			0);
		vg_avail(&guest, VG_RX, (uint16_t)i);
	}
	for (unsigned int i = 0; i < 6; i++) {
		fix_frame(b[i], sizeof(b[i]), 1, (uint8_t)i);
		frame_init(&f[i], b[i], i % 2 ? 1514 : 100);
	}
	vswitch_input(&x->f.port, f, 6, 0);
	for (unsigned int i = 0; i < 6; i++) {
		assert_true(vg_used(&guest, VG_RX, &head, &len));
		assert_int_equal(head, due++);
		assert_int_equal(vg_buf(&guest, VG_RX, head)[10], i % 2 ? 3 : 1);
		assert_int_equal(vg_buf(&guest, VG_RX, head)[12 + 20], i);
		for (unsigned int j = 0; i % 2 && j < 2; j++, due++) {
			assert_true(vg_used(&guest, VG_RX, &head, &len));
			assert_int_equal(head, due);
		}
	}
	assert_false(vg_used(&guest, VG_RX, &head, &len));
}

/* A buffer whose header ends with its cache line: it is written only if it is another one
 * than what lies there, and so has to be right whatever does. */
static void rx__header_apart__is_right_whatever_lay_there(void **state)
{
	static const uint8_t plain[12] = {[10] = 1};
	struct fix *x = *state;
	uint32_t head, len;
	uint8_t b[64];
	struct frame f;

	vg_start(&guest, V1 | MRG | BIT(VHOST_F_GUEST_CSUM));
	fix_turn(x);
	pattern(b, sizeof(b), 1);
	for (unsigned int i = 0; i < 2 * sizeof(plain) + 2; i++) {
		uint8_t *p = vg_buf(&guest, VG_RX, 0);
		size_t skip = (64 - ((uintptr_t)p + sizeof(plain)) % 64) % 64;

		p += skip;
		memcpy(p, plain, sizeof(plain));
		if (i < sizeof(plain))
			p[i] ^= 0x80;
		frame_init(&f, b, sizeof(b));
		f.off.csum_valid = i > sizeof(plain) && i % 2;
		vg_desc(&guest, VG_RX, 0, vg_buf_gpa(&guest, VG_RX, 0) + skip,
			256, 2, 0);
		vg_avail(&guest, VG_RX, 0);
		vswitch_input(&x->f.port, &f, 1, 0);
		assert_true(vg_used(&guest, VG_RX, &head, &len));
		assert_int_equal(len, sizeof(plain) + sizeof(b));
		assert_int_equal(p[0], f.off.csum_valid ? 2 : 0);
		assert_memory_equal(p + 1, plain + 1, sizeof(plain) - 1);
		assert_memory_equal(p + sizeof(plain), b, sizeof(b));
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tx__any_length__arrives_as_it_was),
		T(tx__plain_and_chained_in_turn__keep_their_order),
		T(rx__any_length__arrives_as_it_was),
		T(rx__too_few_buffers__the_rest_of_a_batch_waits),
		T(rx__header_apart__is_right_whatever_lay_there),
		T(rx__long_ones_among_short_ones__keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
