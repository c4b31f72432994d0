// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core switch_core */
/* Frames into a TAP whose kernel takes all of them, or not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "nat/pkt.h"
#include "switch/gro.h"
#include "switch/offload.h"
#include "switch/tap_out.h"

#define N	 8
#define LEN	 1000 /* of a datagram's payload */
#define FRAME	 (42 + LEN)
#define ALL_CAPS (PORT_CAP_CSUM | PORT_CAP_USO)

struct tap {
	struct port port;
	struct tap_out out;
	bool knows_uso;
	int err; /* what it says to everything */
	unsigned int asked, many, one;
	size_t len; /* of the last frame */
	struct offload off;
	uint8_t last[2000];
	struct frame f[N];
	const struct frame *batch[N];
	uint8_t b[N][FRAME];
};

static int take(void *arg, const struct iovec *v, int n)
{
	struct tap *t = arg;
	const uint8_t *hdr = v[0].iov_base;
	struct frame f = {.nseg = (uint16_t)(n - 1)};
	bool many;

	assert_int_equal(v[0].iov_len, VNET_HDR_LEN);
	memcpy(f.seg, v + 1, f.nseg * sizeof(*v));
	t->asked++;
	if (t->err)
		return t->err;
	many = hdr[1] == GSO_UDP_L4;
	if (many && !t->knows_uso)
		return -EINVAL;
	t->many += many;
	t->one += !many;
	assert_true(vnet_hdr_decode(hdr, &t->off));
	t->len = frame_copy(&f, 0, t->last, sizeof(t->last));
	return 0;
}

/* 10.0.2.15:4000 to 8.8.8.8:443 */
static void datagram(struct tap *t, unsigned int i)
{
	uint8_t *b = t->b[i], *ip = b + 14;
	struct ip4 h = {.src = 0x0a00020f, .dst = 0x08080808, .proto = 17,
			.ttl = 64, .id = (uint16_t)i, .len = 28 + LEN};

	memset(b, 2, 12);
	put_be16(b + 12, ETH_P_IP4);
	ip4_build(ip, &h);
	put_be16(b + 34, 4000);
	put_be16(b + 36, 443);
	put_be16(b + 38, 8 + LEN);
	put_be16(b + 40, csum_fold(csum_pseudo4(h.src, h.dst, 17, 8 + LEN)));
	memset(b + 42, (int)i, LEN);
	frame_init(&t->f[i], b, FRAME);
	t->f[i].off = (struct offload){
		.needs_csum = true, .csum_start = 34, .csum_offset = 6,
	};
	t->batch[i] = &t->f[i];
}

static int setup(void **state)
{
	struct tap *t = calloc(1, sizeof(*t));

	t->port.caps = ALL_CAPS;
	t->out = (struct tap_out){
		.port = &t->port, .vnet_hdr = true, .write = take, .arg = t,
	};
	for (unsigned int i = 0; i < N; i++)
		datagram(t, i);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static uint64_t drops(const struct tap *t)
{
	uint64_t n = 0;

	for (int i = 0; i < DROP_REASONS; i++)
		n += t->port.stats.drops[i];
	return n;
}

static void tx__kernel_takes_many__one_write(void **state)
{
	struct tap *t = *state;

	t->knows_uso = true;
	tap_out(&t->out, t->batch, N);
	assert_int_equal(t->asked, 1);
	assert_int_equal(t->many, 1);
	assert_int_equal(t->port.stats.tx_frames, N);
	assert_int_equal(t->port.stats.tx_bytes, N * FRAME);
}

static void tx__kernel_refuses_many__one_by_one_and_never_again(void **state)
{
	struct tap *t = *state;

	tap_out(&t->out, t->batch, N);
	assert_int_equal(t->one, N);
	assert_int_equal(t->asked, N + 1);
	assert_memory_equal(t->last, t->b[N - 1], FRAME);
	assert_int_equal(t->port.caps, PORT_CAP_CSUM);
	tap_out(&t->out, t->batch, N);
	assert_int_equal(t->asked, 2 * N + 1);
	assert_int_equal(t->port.stats.tx_frames, 2 * N);
	assert_int_equal(drops(t), 0);
}

/* The guest itself had put it together: nothing but software takes it apart. */
static void tx__guest_s_own_large_frame__refused_and_cut(void **state)
{
	struct tap *t = *state;
	const struct frame *two[2];
	uint8_t hdr[FRAME_HDR];
	struct frame big;

	assert_int_equal(gro_udp(t->batch, N, &big, hdr), N);
	two[0] = two[1] = &big;
	tap_out(&t->out, two, 2); /* the second came before the cap went */
	assert_int_equal(t->one, 2 * N);
	assert_int_equal(t->asked, 2 * N + 1);
	assert_int_equal(t->len, FRAME);
	assert_memory_equal(t->last + 42, t->b[N - 1] + 42, LEN);
	/* The checksum is the kernel's to finish. */
	assert_true(t->off.needs_csum);
	assert_int_equal(t->off.csum_start, 34);
	assert_int_equal(t->off.csum_offset, 6);
	assert_memory_equal(t->last + 34, t->b[N - 1] + 34, 8 + LEN);
	assert_int_equal(t->port.stats.tx_frames, 2 * N);
	assert_int_equal(drops(t), 0);
}

static void tx__one_refused_after_many_went__cap_stays(void **state)
{
	struct tap *t = *state;

	t->knows_uso = true;
	tap_out(&t->out, t->batch, N);
	t->knows_uso = false;
	tap_out(&t->out, t->batch, N);
	assert_int_equal(t->one, N);
	assert_int_equal(t->port.caps, ALL_CAPS);
}

static void tx__other_errors__counted_for_what_they_are(void **state)
{
	static const struct {
		int err;
		enum drop_reason why;
	} c[] = {
		{-EAGAIN, DROP_FULL}, {-ENOBUFS, DROP_FULL}, {-EIO, DROP_LINK},
		{-EBADFD, DROP_ERROR},
	};
	struct tap *t = *state;

	for (unsigned int i = 0; i < sizeof(c) / sizeof(*c); i++) {
		t->port.stats = (struct port_stats){0};
		t->err = c[i].err;
		tap_out(&t->out, t->batch, N);
		assert_int_equal(t->port.stats.drops[c[i].why], N);
		assert_int_equal(t->port.stats.tx_frames, 0);
	}
	assert_int_equal(t->port.caps, ALL_CAPS);
	/* a single frame that is refused is not tried again */
	t->err = -EINVAL;
	t->asked = 0;
	tap_out(&t->out, t->batch, 1);
	assert_int_equal(t->asked, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tx__kernel_takes_many__one_write),
		T(tx__kernel_refuses_many__one_by_one_and_never_again),
		T(tx__guest_s_own_large_frame__refused_and_cut),
		T(tx__one_refused_after_many_went__cap_stays),
		T(tx__other_errors__counted_for_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
