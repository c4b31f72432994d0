// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port driver_fix vhost_guest */
/*
 * What a front end lends a vhost-user port and may take back or bend: its memory, a log
 * of the pages that are written, descriptors to be signalled.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"
#include "switch/vhost_msg.h"
#include "tests/fake/driver_fix.h"
#include "tests/fake/vhost_guest.h"

#define BIT(n) (1ull << (n))
#define V1     BIT(VHOST_F_VERSION_1)
#define MRG    BIT(VHOST_F_MRG_RXBUF)
#define EVENT  BIT(VHOST_F_EVENT_IDX)

#define SIZE 1400 /* of a frame */

static struct vhost_guest guest;

/* Opened in the tests, not before: for each test cmocka puts a handler of signals of its
 * own there. */
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

static void expect_closed(struct fix *x)
{
	for (int i = 0; i < 1000 && x->connected; i++)
		fix_turn(x);
	assert_false(x->connected);
}

/* The ring is read, too, by nobody but us: nothing tells that it is gone. */
static void memory__truncated_to_nothing__ends_the_connection(void **state)
{
	struct fix *x = *state;

	open_vhost(x);
	vg_start(&guest, V1 | MRG);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	assert_int_equal(ftruncate(guest.memfd, 0), 0);
	vg_kick(&guest, VG_TX);
	expect_closed(x);
}

/* A new call descriptor comes whenever a guest masks its interrupt. */
static void rx__another_call_descriptor__what_waits_stays(void **state)
{
	struct fix *x = *state;
	uint32_t head, len;

	open_vhost(x);
	vg_start(&guest, V1);
	fix_turn(x);
	fix_to_driver(x, 100, 5);
	vg_fd(&guest, 13, VG_RX, guest.q[VG_RX].call);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	vg_fill_rx(&guest, 1);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	assert_true(vg_used(&guest, VG_RX, &head, &len));
	assert_int_equal(len, 112);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 0);
}

/* ---- migration --------------------------------------------------------------------- */

#define LOG_LEN ((VG_GPA + VG_MEM) / VHOST_LOG_PAGE / 8)

struct watch {
	uint8_t was[VG_MEM];
	uint8_t *log;
};

static struct watch *watch_pages(void)
{
	const uint64_t where[2] = {LOG_LEN, 0};
	struct watch *w = malloc(sizeof(*w));
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, LOG_LEN), 0);
	w->log = mmap(NULL, LOG_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	vg_u64(&guest, 16, 1 << 1); /* LOG_SHMFD */
	vg_send(&guest, 6, 0, where, sizeof(where), &fd, 1);
	for (uint64_t i = 0; i < 2; i++) {
		const struct vg_ring *q = &guest.q[i];
		const uint64_t addr[5] = {
			i | 1ull << 32, VG_UVA + q->desc, VG_UVA + q->used,
			VG_UVA + q->avail, VG_GPA + q->used};

		vg_send(&guest, 9, 0, addr, sizeof(addr), NULL, 0);
	}
	close(fd);
	return w;
}

/* From here on only the back end writes … */
static void watch_begin(struct watch *w)
{
	memcpy(w->was, guest.mem, VG_MEM);
	memset(w->log, 0, LOG_LEN);
}

/* … to what its log says; returns how many pages. */
static unsigned int watch_end(const struct watch *w)
{
	unsigned int n = 0;

	for (size_t at = 0; at < VG_MEM; at += VHOST_LOG_PAGE) {
		size_t page = (VG_GPA + at) / VHOST_LOG_PAGE;

		if (!memcmp(w->was + at, guest.mem + at, VHOST_LOG_PAGE))
			continue;
		assert_true(w->log[page / 8] >> page % 8 & 1);
		n++;
	}
	return n;
}

/* Room for a frame in the guest's buffers, written to. */
static void make_lent(struct fix *x, struct frame *f, uint8_t hdr[FRAME_HDR],
		      uint8_t tag)
{
	struct iovec v[FRAME_SEGS];
	size_t len = SIZE;
	struct port *to;

	assert_int_equal(vswitch_lend(x->sw, 7, 0, 0, &len, v, &to), 1);
	assert_int_equal(len, SIZE);
	fix_frame(hdr, FRAME_HDR, 0xee, tag);
	frame_init(f, hdr, FRAME_HDR);
	f->seg[1].iov_base = (uint8_t *)v[0].iov_base + FRAME_HDR;
	f->seg[1].iov_len = SIZE - FRAME_HDR;
	memset(f->seg[1].iov_base, tag, SIZE - FRAME_HDR);
	f->nseg = 2;
	f->len = SIZE;
	f->in_place = to;
}

static void log__whatever_is_written__is_in_it(void **state)
{
	uint8_t hdr[FRAME_HDR], b[60];
	struct fix *x = *state;
	struct watch *w;
	struct frame f;

	open_vhost(x);
	vg_start(&guest, V1 | MRG | EVENT | BIT(VHOST_F_LOG_ALL));
	w = watch_pages();
	vg_fill_rx(&guest, 16);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	/* a frame to the guest: its buffer and the used ring */
	watch_begin(w);
	fix_to_driver(x, 100, 5);
	assert_int_equal(watch_end(w), 2);
	/* one that is made in its buffer */
	watch_begin(w);
	make_lent(x, &f, hdr, 7);
	vswitch_input(&x->f.port, &f, 1, 1000);
	vswitch_unlend(vhost_port(x));
	assert_int_equal(watch_end(w), 2);
	/* … and is not sent */
	watch_begin(w);
	make_lent(x, &f, hdr, 9);
	vswitch_unlend(vhost_port(x));
	assert_int_equal(watch_end(w), 1);
	/* one from the guest: the used ring, and that we wait for a kick */
	fix_frame(b, sizeof(b), 1, 1);
	vg_send_frame(&guest, 0, b, sizeof(b));
	watch_begin(w);
	x->f.n = 0;
	fix_until(x, 1);
	assert_int_equal(watch_end(w), 1);
	/* more than there are buffers for */
	watch_begin(w);
	for (int i = 0; i < 20; i++)
		fix_to_driver(x, 1000, 6);
	assert_in_range(watch_end(w), 2, 20);
	munmap(w->log, LOG_LEN);
	free(w);
}

/* ---- descriptors ------------------------------------------------------------------- */

/* Its VMM holds the other end, and can fill it and make it wait. */
static void call__descriptor_that_blocks__holds_nobody_up(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	struct fix *x = *state;
	struct errtext why;
	uint8_t b[60];
	int fd;

	open_vhost(x);
	fd = guest.q[VG_TX].call;
	vg_start(&guest, V1);
	for (int i = 0; i < 10; i++)
		fix_turn(x);
	(void)vg_signalled(&guest, VG_TX);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	fix_frame(b, sizeof(b), 1, 1);
	vg_send_frame(&guest, 0, b, sizeof(b));
	expect_closed(x);
	/* and has to wait itself */
	assert_int_equal(driver_vhost_connect(x->d, dup(guest.sock), &why),
			 -EAGAIN);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fix_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(memory__truncated_to_nothing__ends_the_connection),
		T(rx__another_call_descriptor__what_waits_stays),
		T(log__whatever_is_written__is_in_it),
		T(call__descriptor_that_blocks__holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
