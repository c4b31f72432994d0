// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core vhost_guest */
/* Device's side and driver's side of a ring joined in memory; and the backlog. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "switch/vhost_backlog.h"
#include "switch/vhost_ring.h"
#include "tests/fake/vhost_guest.h"

struct rig {
	struct vhost_guest g;
	struct vhost_mem m;
	struct vring r;
	struct vring_iov v;
	int backend;
};

static void attach(struct rig *x)
{
	const struct vg_ring *q = &x->g.q[VG_TX];
	const struct vring_addr a = {.desc = VG_UVA + q->desc,
				     .avail = VG_UVA + q->avail,
				     .used = VG_UVA + q->used};

	assert_int_equal(vring_attach(&x->r, &x->m, &a, q->num, NULL), 0);
}

static int setup(void **state)
{
	struct rig *x = calloc(1, sizeof(*x));

	vg_init(&x->g, &x->backend);
	assert_int_equal(vhost_mem_init(&x->m), 0);
	assert_int_equal(vhost_mem_add(&x->m, VG_GPA, VG_MEM, VG_UVA, 0,
				       x->g.memfd, NULL), 0);
	attach(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct rig *x = *state;

	vhost_mem_fini(&x->m);
	vg_fini(&x->g);
	close(x->backend);
	free(x);
	return 0;
}

static int pop(struct rig *x, uint16_t *head)
{
	x->v.n = 0;
	x->v.len = 0;
	return vring_pop(&x->r, &x->v, false, head);
}

static void give(struct rig *x, uint16_t i, uint32_t len)
{
	vg_desc(&x->g, VG_TX, i, vg_buf_gpa(&x->g, VG_TX, i), len, 0, 0);
	vg_avail(&x->g, VG_TX, i);
}

/* ---- both sides --------------------------------------------------------------- */

static void ring__indexes_wrap__every_buffer_comes_back(void **state)
{
	struct rig *x = *state;
	uint32_t gone = 0, back = 0, id, len;
	uint16_t head;

	srand(7);
	while (back < 200000) {
		unsigned int n = (unsigned int)rand() % VG_NUM, taken = 0;

		while (n-- && gone - back < VG_NUM)
			give(x, (uint16_t)(gone++ % VG_NUM), 64);
		for (n = (unsigned int)rand() % VG_NUM; n; n--) {
			if (!pop(x, &head))
				break;
			vring_push(&x->r, head, head + 1u);
			taken++;
		}
		if (!taken)
			continue;
		vring_publish(&x->r);
		for (; vg_used(&x->g, VG_TX, &id, &len); back++) {
			assert_int_equal(id, back % VG_NUM);
			assert_int_equal(len, id + 1);
		}
	}
}

static void ring__unpop__the_same_buffer_comes_again(void **state)
{
	struct rig *x = *state;
	uint16_t head;

	give(x, 3, 64);
	give(x, 4, 64);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(pop(x, &head), 0);
	vring_unpop(&x->r, 2);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(head, 3);
}

static uint16_t get16(const struct rig *x, size_t at)
{
	uint16_t v;

	memcpy(&v, x->g.mem + at, 2);
	return v;
}

static void put16(struct rig *x, size_t at, uint16_t v)
{
	memcpy(x->g.mem + at, &v, 2);
}

static bool use(struct rig *x, uint16_t i)
{
	uint16_t head;

	give(x, i, 64);
	assert_int_equal(pop(x, &head), 1);
	vring_push(&x->r, head, 0);
	vring_publish(&x->r);
	return vring_signal_due(&x->r);
}

static void signal__flag__is_obeyed(void **state)
{
	struct rig *x = *state;

	assert_true(use(x, 0));
	put16(x, x->g.q[VG_TX].avail, 1);
	assert_false(use(x, 1));
}

static void signal__event_index__is_obeyed(void **state)
{
	struct rig *x = *state;
	size_t event = x->g.q[VG_TX].avail + 4 + 2 * VG_NUM;

	x->r.event_idx = true;
	put16(x, event, 100);
	assert_true(use(x, 0)); /* the first time: nothing is known */
	assert_false(use(x, 1));
	put16(x, event, 2);
	assert_true(use(x, 2));
	assert_false(use(x, 3));
}

static void notify__on_and_off__the_driver_is_told(void **state)
{
	struct rig *x = *state;
	size_t used = x->g.q[VG_TX].used, event = used + 4 + 8 * VG_NUM;
	uint16_t head;

	vring_notify_off(&x->r);
	assert_int_equal(get16(x, used), 1);
	assert_false(vring_notify_on(&x->r));
	assert_int_equal(get16(x, used), 0);
	x->r.event_idx = true;
	give(x, 0, 64);
	assert_true(vring_notify_on(&x->r));
	assert_int_equal(pop(x, &head), 1);
	assert_false(vring_notify_on(&x->r));
	assert_int_equal(get16(x, event), 1);
}

static void attach__from_the_used_index__goes_on_there(void **state)
{
	struct rig *x = *state;
	uint16_t head;

	for (uint16_t i = 0; i < 5; i++)
		(void)use(x, i);
	give(x, 9, 64);
	attach(x);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(head, 9);
}

/* ---- what is wrong ------------------------------------------------------------- */

static void expect_bad(struct rig *x)
{
	uint16_t head;

	vg_avail(&x->g, VG_TX, 0);
	assert_true(pop(x, &head) < 0);
	assert_non_null(x->r.why);
}

static void pop__huge_length__is_refused(void **state)
{
	struct rig *x = *state;

	vg_desc(&x->g, VG_TX, 0, VG_GPA, UINT32_MAX, 0, 0);
	expect_bad(x);
}

static void pop__address_that_wraps__is_refused(void **state)
{
	struct rig *x = *state;

	vg_desc(&x->g, VG_TX, 0, UINT64_MAX - 10, 64, 0, 0);
	expect_bad(x);
}

static void pop__next_outside__is_refused(void **state)
{
	struct rig *x = *state;

	vg_desc(&x->g, VG_TX, 0, VG_GPA, 64, 1, VG_NUM);
	expect_bad(x);
}

static void pop__itself_as_next__is_refused(void **state)
{
	struct rig *x = *state;

	vg_desc(&x->g, VG_TX, 0, VG_GPA, 0, 1, 0);
	expect_bad(x);
}

static void indirect_case(struct rig *x, uint64_t addr, uint32_t len,
			  uint16_t flags)
{
	x->r.indirect = true;
	vg_desc(&x->g, VG_TX, 0, addr, len, flags, 1);
	expect_bad(x);
}

static void pop__indirect_table_of_odd_length__is_refused(void **state)
{
	struct rig *x = *state;

	indirect_case(x, vg_buf_gpa(&x->g, VG_TX, 0), 17, 4);
}

static void pop__indirect_table_of_no_length__is_refused(void **state)
{
	struct rig *x = *state;

	indirect_case(x, vg_buf_gpa(&x->g, VG_TX, 0), 0, 4);
}

static void pop__indirect_table_outside__is_refused(void **state)
{
	indirect_case(*state, VG_GPA + VG_MEM - 8, 16, 4);
}

static void pop__indirect_table_too_long__is_refused(void **state)
{
	indirect_case(*state, VG_GPA, 16 * (VRING_INDIRECT_MAX + 1), 4);
}

static void pop__indirect_with_next__is_refused(void **state)
{
	struct rig *x = *state;

	indirect_case(x, vg_buf_gpa(&x->g, VG_TX, 0), 16, 4 | 1);
}

static void pop__indirect_in_indirect__is_refused(void **state)
{
	struct rig *x = *state;
	uint64_t gpa = vg_buf_gpa(&x->g, VG_TX, 0);
	const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d = {gpa, 16, 4, 0};

	memcpy(vg_buf(&x->g, VG_TX, 0), &d, sizeof(d));
	indirect_case(x, gpa, 16, 4);
}

static void pop__more_pieces_than_fit__is_refused(void **state)
{
	struct rig *x = *state;
	const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} none = {0};
	uint8_t *table = vg_buf(&x->g, VG_TX, 0);

	for (uint16_t i = 0; i < VRING_INDIRECT_MAX; i++) {
		uint16_t flags = 1, next = (uint16_t)(i + 1);
		uint64_t addr = VG_GPA;
		uint32_t len = 1;

		memcpy(table + 16 * i, &none, 16);
		memcpy(table + 16 * i, &addr, 8);
		memcpy(table + 16 * i + 8, &len, 4);
		memcpy(table + 16 * i + 12, &flags, 2);
		memcpy(table + 16 * i + 14, &next, 2);
	}
	indirect_case(x, vg_buf_gpa(&x->g, VG_TX, 0),
		      16 * VRING_INDIRECT_MAX, 4);
}

/* A guest whose memory is large can have one: the lengths of its pieces add up to 0. */
static void pop__chain_of_4_gib__is_refused(void **state)
{
	const uint64_t gpa = 1ull << 32, size = (1ull << 32) + 4096;
	struct rig *x = *state;
	int fd = memfd_create("large", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(vhost_mem_add(&x->m, gpa, size, 0, 0, fd, NULL), 0);
	close(fd);
	vg_desc(&x->g, VG_TX, 0, gpa, UINT32_MAX, 1, 1);
	vg_desc(&x->g, VG_TX, 1, gpa, 1, 0, 0);
	expect_bad(x);
	assert_int_equal(x->v.n, 0);
}

/* Each of a ring's buffers could be all of its descriptors, one after the other. */
static void pop__more_descriptors_than_sense__is_refused(void **state)
{
	struct rig *x = *state;
	struct vring_addr a = {.desc = VG_UVA, .avail = VG_UVA + 0x80000,
			       .used = VG_UVA + 0xc0000};
	const uint32_t num = VRING_NUM_MAX;
	uint16_t head, next;

	memset(x->g.mem, 0, 0x100000);
	for (uint32_t i = 0; i < num; i++) {
		x->g.mem[16 * i + 12] = i + 1 < num; /* NEXT */
		next = (uint16_t)(i + 1);
		memcpy(x->g.mem + 16 * i + 14, &next, sizeof(next));
	}
	x->g.mem[0x80000 + 2] = 2;
	next = (uint16_t)(num - VRING_CHAIN_MAX);
	memcpy(x->g.mem + 0x80000 + 4, &next, sizeof(next));
	assert_int_equal(vring_attach(&x->r, &x->m, &a, num, NULL), 0);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(head, next);
	assert_true(pop(x, &head) < 0); /* the other begins at 0 */
	assert_non_null(x->r.why);
}

static void pop__buffer_over_two_regions__is_two_pieces(void **state)
{
	struct rig *x = *state;
	uint16_t head;

	assert_int_equal(vhost_mem_add(&x->m, VG_GPA + VG_MEM, 4096, 0, 0,
				       x->g.memfd, NULL), 0);
	vg_desc(&x->g, VG_TX, 0, VG_GPA + VG_MEM - 10, 30, 0, 0);
	vg_avail(&x->g, VG_TX, 0);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(x->v.n, 2);
	assert_int_equal(x->v.len, 30);
	assert_int_equal(x->v.v[0].iov_len, 10);
}

/* ---- many at once ------------------------------------------------------------- */

static void pop_all__indexes_wrap__every_buffer_comes_back(void **state)
{
	struct rig *x = *state;
	uint32_t gone = 0, back = 0, id, len;
	struct vring_buf b[VG_NUM];

	srand(7);
	while (back < 200000) {
		unsigned int n = (unsigned int)rand() % VG_NUM, max, taken;
		int r;

		while (n-- && gone - back < VG_NUM)
			give(x, (uint16_t)(gone++ % VG_NUM), 64);
		max = (unsigned int)rand() % VG_NUM;
		r = vring_pop_all(&x->r, b, max, false);
		assert_in_range(r, 0, max);
		taken = (unsigned int)r;
		for (unsigned int i = 0; i < taken; i++) {
			assert_ptr_equal(b[i].p - (uint8_t *)x->m.r[0].host,
					 vg_buf(&x->g, VG_TX, b[i].head) -
						 x->g.mem);
			assert_int_equal(b[i].len, 64);
			b[i].len = b[i].head + 1u;
		}
		vring_push_all(&x->r, b, taken);
		vring_publish(&x->r);
		for (; vg_used(&x->g, VG_TX, &id, &len); back++) {
			assert_int_equal(id, back % VG_NUM);
			assert_int_equal(len, id + 1);
		}
	}
}

/* How many of five come, of which the third is of this form. */
static int third(struct rig *x, uint64_t addr, uint32_t len,
			  uint16_t flags)
{
	struct vring_buf b[5];

	for (uint16_t i = 0; i < 5; i++)
		give(x, i, 64);
	vg_desc(&x->g, VG_TX, 2, addr, len, flags, 4);
	return vring_pop_all(&x->r, b, 5, false);
}

static void pop_all__a_chain__ends_before_it(void **state)
{
	struct rig *x = *state;
	uint16_t head;

	assert_int_equal(third(x, VG_GPA, 64, 1), 2);
	assert_int_equal(pop(x, &head), 1);
	assert_int_equal(head, 2);
	assert_int_equal(x->v.n, 2);
}

#define ENDS(name, addr, len, flags)                                            \
	static void pop_all__##name##__ends_before_it(void **state)            \
	{                                                                      \
		struct rig *x = *state;                                        \
		uint16_t head;                                                 \
                                                                               \
		assert_int_equal(third(x, addr, len, flags), 2);               \
		assert_int_equal(pop(x, &head), -EPROTO);                      \
	}

ENDS(outside, VG_GPA + VG_MEM - 10, 11, 0)
ENDS(address_that_wraps, UINT64_MAX - 4, 64, 0)
ENDS(huge, VG_GPA, UINT32_MAX, 0)
ENDS(wrong_direction, VG_GPA, 64, 2)
ENDS(table_that_may_not_be, VG_GPA, 64, 4)

static void pop_all__head_outside__ends_before_it(void **state)
{
	struct rig *x = *state;
	struct vring_buf b[2];
	uint16_t head;

	give(x, 0, 64);
	vg_avail(&x->g, VG_TX, VG_NUM);
	assert_int_equal(vring_pop_all(&x->r, b, 2, false), 1);
	assert_int_equal(pop(x, &head), -EPROTO);
}

static void pop_all__index_far_ahead__is_refused(void **state)
{
	struct rig *x = *state;
	struct vring_buf b[2];

	put16(x, x->g.q[VG_TX].avail + 2, VG_NUM + 1);
	assert_int_equal(vring_pop_all(&x->r, b, 2, false), -EPROTO);
	assert_non_null(x->r.why);
}

static void pop_all__two_regions__both_are_found(void **state)
{
	struct rig *x = *state;
	struct vring_buf b[4];

	assert_int_equal(vhost_mem_add(&x->m, VG_GPA + VG_MEM, 4096, 0, 0,
				       x->g.memfd, NULL), 0);
	for (uint16_t i = 0; i < 3; i++)
		give(x, i, 64);
	vg_desc(&x->g, VG_TX, 1, VG_GPA + VG_MEM + 20, 64, 0, 0);
	vg_desc(&x->g, VG_TX, 3, VG_GPA + VG_MEM - 10, 30, 0, 0);
	vg_avail(&x->g, VG_TX, 3);
	/* The last one is in two pieces. */
	assert_int_equal(vring_pop_all(&x->r, b, 4, false), 3);
	assert_ptr_equal(b[1].p, x->m.r[1].host + 20);
	assert_int_equal(b[2].head, 2);
}

static void push_all__logged__every_entry_is(void **state)
{
	struct rig *x = *state;
	struct vring_buf b[VG_NUM];
	uint8_t *log;
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(vhost_mem_log(&x->m, fd, 0, 4096, NULL), 0);
	log = x->m.log.host;
	x->r.log = true;
	x->r.log_gpa = 4096 - 8 * 9; /* 8 entries in front of a page's end */
	for (uint16_t i = 0; i < 9; i++)
		give(x, i, 64);
	assert_int_equal(vring_pop_all(&x->r, b, 9, false), 9);
	vring_push_all(&x->r, b, 8);
	assert_int_equal(log[0], 1);
	vring_push_all(&x->r, b + 8, 1);
	assert_int_equal(log[0], 3);
	close(fd);
}

/* ---- backlog --------------------------------------------------------------------- */

static void backlog__many_rounds__frames_come_in_order(void **state)
{
	static uint8_t bytes[FRAME_MAX];
	struct vhost_backlog b;
	unsigned int in = 0, out = 0, tag;
	struct frame f;

	(void)state;
	assert_int_equal(vhost_backlog_init(&b), 0);
	srand(3);
	while (out < 5000) {
		size_t len = 14 + (size_t)rand() % (rand() % 8 ? 1500 : 65535);

		memset(bytes, (int)(in & 0xff), len);
		frame_init(&f, bytes, len);
		f.off.gso_size = (uint16_t)in;
		if (vhost_backlog_push(&b, &f, in)) {
			in++;
			if (rand() % 2)
				continue;
		}
		assert_true(vhost_backlog_peek(&b, &f, &tag));
		assert_int_equal(tag, out);
		assert_int_equal(f.off.gso_size, (uint16_t)out);
		assert_int_equal(frame_copy(&f, 0, bytes, f.len), f.len);
		assert_int_equal(bytes[0], out & 0xff);
		assert_int_equal(bytes[f.len - 1], out & 0xff);
		vhost_backlog_pop(&b);
		out++;
	}
	assert_int_equal(vhost_backlog_clear(&b), in - out);
	assert_true(vhost_backlog_empty(&b));
	vhost_backlog_fini(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ring__indexes_wrap__every_buffer_comes_back),
		T(ring__unpop__the_same_buffer_comes_again),
		T(signal__flag__is_obeyed),
		T(signal__event_index__is_obeyed),
		T(notify__on_and_off__the_driver_is_told),
		T(attach__from_the_used_index__goes_on_there),
		T(pop__huge_length__is_refused),
		T(pop__address_that_wraps__is_refused),
		T(pop__next_outside__is_refused),
		T(pop__itself_as_next__is_refused),
		T(pop__indirect_table_of_odd_length__is_refused),
		T(pop__indirect_table_of_no_length__is_refused),
		T(pop__indirect_table_outside__is_refused),
		T(pop__indirect_table_too_long__is_refused),
		T(pop__indirect_with_next__is_refused),
		T(pop__indirect_in_indirect__is_refused),
		T(pop__more_pieces_than_fit__is_refused),
		T(pop__chain_of_4_gib__is_refused),
		T(pop__more_descriptors_than_sense__is_refused),
		T(pop__buffer_over_two_regions__is_two_pieces),
		T(pop_all__indexes_wrap__every_buffer_comes_back),
		T(pop_all__a_chain__ends_before_it),
		T(pop_all__outside__ends_before_it),
		T(pop_all__address_that_wraps__ends_before_it),
		T(pop_all__huge__ends_before_it),
		T(pop_all__wrong_direction__ends_before_it),
		T(pop_all__table_that_may_not_be__ends_before_it),
		T(pop_all__head_outside__ends_before_it),
		T(pop_all__index_far_ahead__is_refused),
		T(pop_all__two_regions__both_are_found),
		T(push_all__logged__every_entry_is),
		cmocka_unit_test(backlog__many_rounds__frames_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
