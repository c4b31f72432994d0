// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/* The message machine of vhost-user, alone. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "switch/vhost_msg.h"
#include "tests/fake/fd_count.h"

#define SIZE   0x20000u
#define GPA    0x100000ull
#define UVA    0x7f0000000000ull
#define BIT(n) (1ull << (n))

struct rig {
	struct vhost_dev d;
	struct vhost_out out;
	struct errtext why;
	int memfd;
	int fds_before;
};

static int setup(void **state)
{
	struct rig *x = calloc(1, sizeof(*x));
	const struct vhost_config cfg = {
		.mac = {{2, 0, 0, 0, 0, 1}}, .mtu = 1400, .queues = 2};

	x->fds_before = fd_count();
	x->memfd = memfd_create("mem", MFD_CLOEXEC);
	assert_int_equal(ftruncate(x->memfd, SIZE), 0);
	assert_int_equal(vhost_dev_init(&x->d, &cfg), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct rig *x = *state;

	vhost_dev_fini(&x->d);
	close(x->memfd);
	assert_int_equal(fd_count(), x->fds_before);
	free(x);
	return 0;
}

/* One message; @fd is given away (a duplicate is). */
static int say(struct rig *x, uint32_t request, uint32_t flags,
	       const void *body, size_t len, int fd)
{
	uint8_t b[VHOST_HDR_LEN + VHOST_BODY_MAX] = {0};
	uint32_t hdr[3] = {request, 1 | flags, (uint32_t)len};
	int fds[1] = {fd >= 0 ? dup(fd) : -1};
	int r;

	memcpy(b, hdr, sizeof(hdr));
	if (len)
		memcpy(b + VHOST_HDR_LEN, body, len);
	x->why.s[0] = '\0';
	assert_int_equal(vhost_msg_len(b, NULL), len);
	r = vhost_msg(&x->d, b, VHOST_HDR_LEN + len, fds, fd >= 0, &x->out,
		      &x->why);
	if (fds[0] >= 0)
		close(fds[0]);
	assert_true(r >= 0 || x->why.s[0]);
	if (!r && x->out.len) {
		uint32_t head[3];

		memcpy(head, x->out.p, sizeof(head));
		assert_int_equal(head[0], request);
		assert_int_equal(head[1], 5);
		assert_int_equal(head[2], x->out.len - VHOST_HDR_LEN);
	}
	return r;
}

static int say_u64(struct rig *x, uint32_t request, uint64_t v)
{
	return say(x, request, 0, &v, 8, -1);
}

static int say_state(struct rig *x, uint32_t request, uint32_t i, uint32_t n)
{
	uint32_t body[2] = {i, n};

	return say(x, request, 0, body, 8, -1);
}

static uint64_t answer(const struct rig *x)
{
	uint64_t v;

	assert_int_equal(x->out.len, VHOST_HDR_LEN + 8);
	memcpy(&v, x->out.p + VHOST_HDR_LEN, 8);
	return v;
}

static uint64_t ask(struct rig *x, uint32_t request)
{
	assert_int_equal(say(x, request, 0, NULL, 0, -1), 0);
	return answer(x);
}

static int say_region(struct rig *x, uint32_t request, uint64_t gpa,
		      uint64_t size, uint64_t uva, uint64_t offset)
{
	uint64_t body[5] = {0, gpa, size, uva, offset};

	return say(x, request, 0, body, sizeof(body),
		   request == 37 ? x->memfd : -1);
}

static int say_addr(struct rig *x, uint32_t i, uint64_t at)
{
	uint64_t body[5] = {i, at, at + 0x2000, at + 0x1000, 0};

	return say(x, 9, 0, body, sizeof(body), -1);
}

static int say_fd(struct rig *x, uint32_t request, uint32_t i)
{
	uint64_t v = i;
	int fd = eventfd(0, EFD_CLOEXEC);
	int r = say(x, request, 0, &v, 8, fd);

	close(fd);
	return r;
}

/* ---- set-up -------------------------------------------------------------------- */

static void start(struct rig *x, uint32_t i)
{
	assert_int_equal(say_state(x, 8, i, 256), 0);
	assert_int_equal(say_state(x, 10, i, 0), 0);
	assert_int_equal(say_addr(x, i, UVA), 0);
	assert_int_equal(say_fd(x, 12, i), 0);
	assert_int_equal(say_fd(x, 13, i), 0);
}

/* What QEMU 7.2 says, in its order. */
static void msg__qemu_s_order__rings_are_usable(void **state)
{
	struct rig *x = *state;
	uint64_t all = ask(x, 1), proto;

	assert_true(all & BIT(VHOST_F_MQ));
	assert_false(all & BIT(VHOST_F_MAC));
	for (int pair = 0; pair < 2; pair++) {
		proto = ask(x, 15);
		assert_false(proto & BIT(9)); /* CONFIG */
		assert_int_equal(say_u64(x, 16, proto), 0);
		assert_int_equal(ask(x, 17), 4);
		assert_int_equal(ask(x, 36), VHOST_REGIONS_MAX);
		assert_int_equal(say(x, 3, 0, NULL, 0, -1), 0);
		assert_int_equal(ask(x, 1), all);
	}
	assert_int_equal(say_state(x, 18, 0, 1), 0);
	assert_int_equal(say_state(x, 18, 2, 0), 0);
	assert_int_equal(say_u64(x, 2, all), 0);
	assert_int_equal(x->out.act, VHOST_ACT_FEATURES | VHOST_ACT_VQS);
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	start(x, 0);
	start(x, 2);
	assert_true(vhost_vq_usable(&x->d, &x->d.vq[0]));
	assert_false(vhost_vq_usable(&x->d, &x->d.vq[2]));
	assert_int_equal(say_state(x, 11, 0, 0), 0);
	assert_false(vhost_vq_usable(&x->d, &x->d.vq[0]));
}

static void msg__owner_first__gets_the_configuration(void **state)
{
	struct rig *x = *state;
	uint8_t body[12 + 12] = {0, 0, 0, 0, 12};

	assert_int_equal(say(x, 3, 0, NULL, 0, -1), 0);
	assert_true(ask(x, 1) & BIT(VHOST_F_MAC));
	assert_true(ask(x, 15) & BIT(9));
	assert_int_equal(say(x, 24, 0, body, sizeof(body), -1), 0);
	assert_int_equal(x->out.len, VHOST_HDR_LEN + 24);
	assert_memory_equal(x->out.p + VHOST_HDR_LEN + 12,
			    "\2\0\0\0\0\1\1\0\2\0\x78\x05", 12);
}

static void msg__need_reply__gets_zero_or_one(void **state)
{
	struct rig *x = *state;
	uint8_t config[12] = {0};
	uint64_t one = 1;

	/* not before it is negotiated */
	assert_int_equal(say(x, 3, 8, NULL, 0, -1), 0);
	assert_int_equal(x->out.len, 0);
	assert_int_equal(say_u64(x, 16, BIT(3)), 0);
	assert_int_equal(say(x, 39, 8, &one, 8, -1), 0);
	assert_int_equal(answer(x), 0);
	assert_int_equal(say(x, 25, 8, config, sizeof(config), -1), 0);
	assert_int_equal(answer(x), 1);
}

static void msg__without_protocol_features__rings_are_enabled(void **state)
{
	struct rig *x = *state;

	assert_int_equal(say_u64(x, 2, BIT(VHOST_F_VERSION_1)), 0);
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	start(x, 1);
	assert_true(vhost_vq_usable(&x->d, &x->d.vq[1]));
}

static void msg__status__is_remembered(void **state)
{
	struct rig *x = *state;

	assert_int_equal(say_u64(x, 39, 0xf), 0);
	assert_int_equal(ask(x, 40), 0xf);
	assert_int_equal(say(x, 34, 0, NULL, 0, -1), 0);
	assert_int_equal(ask(x, 40), 0);
}

static void msg__mtu__one_that_can_be_is_taken(void **state)
{
	struct rig *x = *state;

	assert_true(ask(x, 1) & BIT(VHOST_F_MTU));
	assert_true(ask(x, 15) & BIT(4));
	assert_int_equal(say_u64(x, 20, 1400), 0);
	assert_true(say_u64(x, 20, 67) < 0);
	assert_true(say_u64(x, 20, 65536) < 0);
}

static void msg__descriptors_again__old_ones_are_closed(void **state)
{
	struct rig *x = *state;
	int n;

	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	start(x, 0);
	assert_int_equal(say_fd(x, 14, 0), 0);
	vhost_bury(&x->d);
	n = fd_count();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(say_fd(x, 12, 0), 0);
		vhost_bury(&x->d);
		assert_int_equal(say_fd(x, 13, 0), 0);
		assert_int_equal(say_fd(x, 14, 0), 0);
	}
	assert_int_equal(fd_count(), n);
}

static void msg__memory_changes_under_a_ring__it_follows(void **state)
{
	struct rig *x = *state;
	const uint8_t *was;

	assert_int_equal(say_region(x, 37, GPA, 0x10000, UVA, 0), 0);
	start(x, 0);
	was = x->d.vq[0].ring.desc;
	assert_int_equal(say_region(x, 37, GPA + 0x10000, 0x10000,
				    UVA + 0x10000, 0x10000), 0);
	assert_ptr_equal(x->d.vq[0].ring.desc, was);
	assert_int_equal(say_region(x, 38, GPA, 0x10000, UVA, 0), 0);
	assert_false(vring_attached(&x->d.vq[0].ring));
	assert_int_equal(say_region(x, 37, GPA, 0x10000, UVA, 0), 0);
	assert_true(vring_attached(&x->d.vq[0].ring));
}

static void msg__region_for_each_pair__counts_once(void **state)
{
	struct rig *x = *state;

	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	start(x, 0);
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	assert_int_equal(x->d.mem.n, 1);
	assert_true(vring_attached(&x->d.vq[0].ring));
	assert_int_equal(say_region(x, 38, GPA, SIZE, UVA, 0), 0);
	assert_int_equal(say_region(x, 38, GPA, SIZE, UVA, 0), 0);
	assert_int_equal(x->d.mem.n, 0);
}

static void msg__inflight__ring_goes_on_where_it_was_used(void **state)
{
	struct rig *x = *state;
	uint16_t body[12] = {[8] = 2, [9] = 256};
	uint8_t *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    x->memfd, 0);
	int fd;

	assert_int_equal(say(x, 31, 0, body, sizeof(body), -1), 0);
	fd = x->out.fd;
	assert_true(fd >= 0);
	assert_int_equal(say(x, 32, 0, body, sizeof(body), fd), 0);
	close(fd);
	mem[0x2000 + 2] = 17; /* used index */
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	start(x, 0);
	assert_int_equal(x->d.vq[0].ring.last_avail, 17);
	munmap(mem, SIZE);
}

/* virtio-user says 0 when its back end has crashed. */
static void msg__base_that_is_not_the_used_index__is_not_believed(void **state)
{
	struct rig *x = *state;
	const uint32_t base[2] = {0, 5};
	uint8_t *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    x->memfd, 0);

	mem[0x2000 + 2] = 17;
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	assert_int_equal(say(x, 10, 0, base, sizeof(base), -1), 0);
	start(x, 0);
	assert_int_equal(x->d.vq[0].ring.last_avail, 17);
	munmap(mem, SIZE);
}

static void msg__log__marks_written_pages(void **state)
{
	struct rig *x = *state;
	uint64_t body[2] = {64, 0};
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t log[64];

	assert_int_equal(ftruncate(fd, 64), 0);
	assert_true(say(x, 6, 0, body, sizeof(body), fd) < 0);
	assert_int_equal(say_u64(x, 16, BIT(1)), 0);
	assert_int_equal(say(x, 6, 0, body, sizeof(body), fd), 0);
	assert_int_equal(answer(x), 0);
	vhost_mem_dirty(&x->d.mem, 0xfff, 2);
	vhost_mem_dirty(&x->d.mem, 511 * 4096 + 5, 1u << 30);
	vhost_mem_dirty(&x->d.mem, UINT64_MAX, 2);
	assert_int_equal(pread(fd, log, 64, 0), 64);
	assert_int_equal(log[0], 3);
	assert_int_equal(log[63], 0x80);
	assert_int_equal(log[1] | log[62], 0);
	close(fd);
}

/* ---- what is wrong ---------------------------------------------------------------- */

static void msg__features_not_offered__are_refused(void **state)
{
	struct rig *x = *state;

	assert_true(say_u64(x, 2, BIT(33)) < 0);
	assert_true(say_u64(x, 16, BIT(9)) < 0);
	assert_true(say_u64(x, 16, BIT(63)) < 0);
}

static void msg__rings_that_cannot_be__are_refused(void **state)
{
	struct rig *x = *state;

	assert_true(say_state(x, 8, VHOST_VQS, 256) < 0);
	assert_true(say_state(x, 8, 0, 0) < 0);
	assert_true(say_state(x, 8, 0, 255) < 0);
	assert_true(say_state(x, 8, 0, 65536) < 0);
	assert_true(say_state(x, 10, 0, 65536) < 0);
	assert_true(say_state(x, 11, UINT32_MAX, 0) < 0);
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	start(x, 0);
	assert_true(say_addr(x, 0, UVA + 1) < 0);
	assert_true(say_addr(x, 0, UVA + SIZE - 0x2000) < 0);
	assert_true(say_addr(x, 0, UINT64_MAX & ~15ull) < 0);
	assert_false(vring_attached(&x->d.vq[0].ring));
}

static void msg__memory_that_cannot_be__is_refused(void **state)
{
	struct rig *x = *state;

	assert_true(say_region(x, 37, GPA, 0, UVA, 0) < 0);
	assert_true(say_region(x, 37, GPA, SIZE + 1, UVA, 0) < 0);
	assert_true(say_region(x, 37, GPA, SIZE, UVA, 4096) < 0);
	assert_true(say_region(x, 37, GPA, SIZE, UVA, UINT64_MAX) < 0);
	assert_true(say_region(x, 37, UINT64_MAX - 4096, SIZE, UVA, 0) < 0);
	assert_true(say_region(x, 37, GPA, UINT64_MAX, UVA, 0) < 0);
	assert_int_equal(say_region(x, 37, GPA, SIZE, UVA, 0), 0);
	assert_true(say_region(x, 37, GPA + SIZE - 1, 4096, 0, 0) < 0);
	assert_true(say_region(x, 37, 0, 4096, UVA + 4096, 0) < 0);
	assert_int_equal(say_region(x, 38, GPA, SIZE - 1, UVA, 0), 0);
	assert_int_equal(x->d.mem.n, 1);
	/* all slots, and one more */
	for (uint64_t i = 1; i < VHOST_REGIONS_MAX; i++)
		assert_int_equal(say_region(x, 37, GPA + i * SIZE, SIZE,
					    UVA + i * SIZE, 0), 0);
	assert_true(say_region(x, 37, 0, 4096, 0, 0) < 0);
}

/* Sparse files: long ones cost nothing, but what maps them has so many addresses. */
static void msg__more_memory_than_any_guest_has__is_refused(void **state)
{
	const uint64_t tib = 1ull << 40, log[2] = {VHOST_LOG_MAX + 4096, 0};
	struct rig *x = *state;

	assert_int_equal(ftruncate(x->memfd, (off_t)(8 * tib)), 0);
	assert_true(say_region(x, 37, 0, 5 * tib, 0, 0) < 0);
	assert_int_equal(say_region(x, 37, 0, 3 * tib, 0, 0), 0);
	assert_true(say_region(x, 37, 4 * tib, 2 * tib, 4 * tib, 0) < 0);
	assert_int_equal(say_region(x, 37, 4 * tib, tib, 4 * tib, 0), 0);
	assert_int_equal(say_u64(x, 16, BIT(1)), 0);
	assert_true(say(x, 6, 0, log, sizeof(log), x->memfd) < 0);
}

/* The others of the network could map nothing any more, nor get memory. */
static void msg__all_guests_together__leave_half(void **state)
{
	const unsigned int most = VHOST_MEM_ALL / VHOST_MEM_MAX;
	struct vhost_mem *m = calloc(most + 1, sizeof(*m));
	struct rig *x = *state;

	assert_int_equal(ftruncate(x->memfd, (off_t)VHOST_MEM_MAX), 0);
	for (unsigned int i = 0; i <= most; i++) {
		int r;

		assert_int_equal(vhost_mem_init(&m[i]), 0);
		r = vhost_mem_add(&m[i], 0, VHOST_MEM_MAX, 0, 0, x->memfd, NULL);
		assert_int_equal(r, i < most ? 0 : -ENOSPC);
	}
	for (unsigned int i = 0; i <= most; i++)
		vhost_mem_fini(&m[i]);
	free(m);
}

static void msg__memory_table__regions_and_descriptors_agree(void **state)
{
	struct rig *x = *state;
	uint64_t body[5] = {1, GPA, SIZE, UVA, 0};

	assert_true(say(x, 5, 0, body, sizeof(body), -1) < 0);
	assert_true(say(x, 5, 0, body, 24, x->memfd) < 0);
	body[0] = 9;
	assert_true(say(x, 5, 0, body, sizeof(body), x->memfd) < 0);
	body[0] = 1;
	assert_int_equal(say(x, 5, 0, body, sizeof(body), x->memfd), 0);
	assert_int_equal(x->d.mem.n, 1);
}

static void msg__descriptor_of_another_kind__is_refused(void **state)
{
	struct rig *x = *state;
	uint64_t v = 0;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_true(say(x, 13, 0, &v, 8, p[1]) < 0);
	assert_true(say(x, 13, 0, &v, 8, -1) < 0);
	assert_true(say_region(x, 37, GPA, 0, UVA, 0) < 0);
	close(p[0]);
	close(p[1]);
	/* to write into a file, too, may take as long as its file system likes, … */
	for (uint32_t request = 12; request <= 14; request++)
		assert_true(say(x, request, 0, &v, 8, x->memfd) < 0);
	/* … and so may it to ask what an epoll descriptor holds */
	p[0] = epoll_create1(EPOLL_CLOEXEC);
	assert_true(say(x, 12, 0, &v, 8, p[0]) < 0);
	close(p[0]);
}

/* Not that of one that is full either. */
static void msg__eventfd__is_told_from_others_without_waiting(void **state)
{
	const uint64_t full = UINT64_MAX - 1, v = 0;
	struct rig *x = *state;
	uint64_t got = 0;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(say(x, 13, 0, &v, 8, fd), 0);
	assert_int_equal(read(fd, &got, sizeof(got)), -1);
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(say(x, 13, 0, &v, 8, fd), 0);
	close(fd);
}

/* A file of a file system that may let us wait for its pages; /proc is at hand. */
static void msg__memory_of_a_process__is_refused(void **state)
{
	struct rig *x = *state;
	uint64_t body[5] = {0, GPA, 4096, UVA, 0};
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(say(x, 37, 0, body, sizeof(body), fd) < 0);
	assert_non_null(strstr(x->why.s, "tmpfs"));
	close(fd);
}

static void msg__every_request_cut_short__is_refused(void **state)
{
	struct rig *x = *state;
	uint8_t body[64] = {0};

	for (uint32_t request = 0; request < 64; request++)
		for (size_t len = 0; len < 8; len++)
			(void)say(x, request, 8, body, len, -1);
	assert_true(say(x, 99, 0, NULL, 0, -1) < 0);
	assert_true(say(x, 0, 0, NULL, 0, -1) < 0);
	assert_true(say(x, 9, 0, body, 39, -1) < 0);
}

static void len__other_versions_and_lengths__are_refused(void **state)
{
	uint32_t hdr[3] = {1, 1, 8};

	(void)state;
	assert_int_equal(vhost_msg_len((uint8_t *)hdr, NULL), 8);
	hdr[1] = 2;
	assert_true(vhost_msg_len((uint8_t *)hdr, NULL) < 0);
	hdr[1] = 5;
	assert_true(vhost_msg_len((uint8_t *)hdr, NULL) < 0);
	hdr[1] = 1;
	hdr[2] = VHOST_BODY_MAX + 1;
	assert_true(vhost_msg_len((uint8_t *)hdr, NULL) < 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(msg__qemu_s_order__rings_are_usable),
		T(msg__owner_first__gets_the_configuration),
		T(msg__need_reply__gets_zero_or_one),
		T(msg__without_protocol_features__rings_are_enabled),
		T(msg__status__is_remembered),
		T(msg__mtu__one_that_can_be_is_taken),
		T(msg__descriptors_again__old_ones_are_closed),
		T(msg__memory_changes_under_a_ring__it_follows),
		T(msg__region_for_each_pair__counts_once),
		T(msg__inflight__ring_goes_on_where_it_was_used),
		T(msg__base_that_is_not_the_used_index__is_not_believed),
		T(msg__log__marks_written_pages),
		T(msg__features_not_offered__are_refused),
		T(msg__rings_that_cannot_be__are_refused),
		T(msg__memory_that_cannot_be__is_refused),
		T(msg__more_memory_than_any_guest_has__is_refused),
		T(msg__all_guests_together__leave_half),
		T(msg__memory_table__regions_and_descriptors_agree),
		T(msg__descriptor_of_another_kind__is_refused),
		T(msg__eventfd__is_told_from_others_without_waiting),
		T(msg__memory_of_a_process__is_refused),
		T(msg__every_request_cut_short__is_refused),
		T(len__other_versions_and_lengths__are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
