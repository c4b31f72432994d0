// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_core switch_core */
/* Frames that wait for their way to the switch. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nat/outq.h"

struct fix {
	struct outq *q;
	unsigned int frames;
	size_t bytes, queued; /* sent, and outq_bytes() at that moment */
};

static void on_send(void *arg, const struct frame *f, unsigned int n)
{
	struct fix *x = arg;

	x->queued = outq_bytes(x->q);
	x->frames += n;
	for (unsigned int i = 0; i < n; i++)
		x->bytes += f[i].len;
}

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));

	x->q = outq_new(on_send, x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	outq_free(x->q);
	free(x);
	return 0;
}

static int put(struct fix *x, size_t len)
{
	static const struct offload none;
	static uint8_t hdr[54], payload[60000];
	struct iovec v = {payload, len};

	return outq_put(x->q, hdr, sizeof(hdr), &v, len ? 1 : 0, &none, false);
}

static void bytes__all_that_is_queued__headers_too(void **state)
{
	struct fix *x = *state;

	assert_int_equal(put(x, 0), 0);
	assert_int_equal(put(x, 1000), 0);
	assert_int_equal(outq_bytes(x->q), 54 + 1054);
	outq_flush(x->q);
	assert_int_equal(x->bytes, 54 + 1054);
	assert_int_equal(outq_bytes(x->q), 0);
}

/* Nobody but the queue knows that. */
static void bytes__full_queue_empties_itself__begin_anew(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < OUTQ_FRAMES + 1; i++)
		assert_int_equal(put(x, 0), 0);
	assert_int_equal(x->frames, OUTQ_FRAMES);
	assert_int_equal(outq_bytes(x->q), 54);
	for (int i = 0; i < 7; i++)
		assert_int_equal(put(x, 60000), 0);
	assert_int_equal(outq_bytes(x->q), 60054);
}

static void bytes__refused_frame__does_not_count(void **state)
{
	struct fix *x = *state;

	outq_hold(x->q, true);
	for (int i = 0; i < 6; i++)
		assert_int_equal(put(x, 60000), 0);
	assert_int_equal(put(x, 60000), -ENOBUFS);
	assert_int_equal(outq_bytes(x->q), 6 * 60054);
	assert_int_equal(outq_dropped(x->q), 1);
	outq_hold(x->q, false);
	outq_flush(x->q);
	assert_int_equal(x->frames, 6);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bytes__all_that_is_queued__headers_too),
		T(bytes__full_queue_empties_itself__begin_anew),
		T(bytes__refused_frame__does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
