// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port driver_fix */
/* The stream port, its connections and its memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/driver_int.h"
#include "switch/hdrs.h"
#include "switch/port_stream_int.h"
#include "tests/fake/driver_fix.h"
/* ---- stream -------------------------------------------------------------- */

/* A driver on a socket pair; the memory is kept in x->memfd. */
static int stream_open(struct fix *x)
{
	int sv[2], conn;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	x->peer = sv[0];
	fcntl(x->peer, F_SETFL, O_NONBLOCK);
	x->memfd = fix_mem();
	conn = dup(sv[1]);
	assert_int_equal(driver_stream(&x->ctx, &x->spec, -1, sv[1],
				       dup(x->memfd), &x->d, NULL),
			 0);
	return conn; /* control's duplicate */
}

/* A worker takes over from one that is no more. */
static int stream_again(struct fix *x, int conn)
{
	return driver_stream(&x->ctx, &x->spec, -1, dup(conn), dup(x->memfd),
			     &x->d, NULL);
}

static void stream__many_frames_in_one_write__all_arrive(void **state)
{
	struct fix *x = *state;
	static uint8_t b[200000];
	size_t n = 0;

	close(stream_open(x));
	assert_true(driver_connected(x->d));
	assert_int_equal(x->connected, 1);
	assert_string_equal(driver_name(x->d), "stream");
	for (int i = 0; i < 1000; i++)
		n += fix_stream_frame(b + n, 60 + (size_t)i % 90, (uint8_t)i);
	for (size_t at = 0; at < n;) {
		ssize_t w = write(x->peer, b + at, n - at);

		assert_true(w > 0);
		at += (size_t)w;
		fix_turn(x);
	}
	fix_until(x, 1000);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(x->f.got[i].len, 60 + i % 90);
		assert_int_equal(x->f.got[i].p[59], i & 255);
	}
}

static void stream__dribble_of_single_bytes__frames_arrive(void **state)
{
	struct fix *x = *state;
	uint8_t b[300];
	size_t n = fix_stream_frame(b, 100, 1);

	n += fix_stream_frame(b + n, 61, 2);
	close(stream_open(x));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(x->peer, b + i, 1), 1);
		fix_turn(x);
		assert_int_equal(x->f.n, (i >= 103) + (i == n - 1));
	}
}

static void stream__hostile_length__closed_and_told(void **state)
{
	struct fix *x = *state;
	uint8_t b[200];
	size_t n = fix_stream_frame(b, 60, 1);

	close(stream_open(x));
	put_be32(b + n, STREAM_LEN_MAX + 1);
	assert_int_equal(write(x->peer, b, n + 4), (ssize_t)n + 4);
	fix_turn(x);
	assert_int_equal(x->f.n, 0); /* the frame before went with it */
	assert_int_equal(x->connected, 0);
	assert_false(driver_connected(x->d));
	assert_int_equal(read(x->peer, b, 1), 0);
	fix_to_driver(x, 60, 1);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 1);
}

static void stream__odd_lengths__dropped_and_counted(void **state)
{
	struct fix *x = *state;
	static uint8_t b[STREAM_LEN_MAX + 200];
	size_t n = 0;

	close(stream_open(x));
	put_be32(b, 0);
	put_be32(b + 4, 0);
	n = 8 + fix_stream_frame(b + 8, 60, 3);
	put_be32(b + n, 5);
	n += 9;
	n += fix_stream_frame(b + n, 60, 4);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	fix_until(x, 2);
	assert_int_equal(fix_drops(x, DROP_SHORT), 3);
	n = fix_stream_frame(b, STREAM_LEN_MAX, 1);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	n = fix_stream_frame(b, 60, 5);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	fix_until(x, 3);
	assert_int_equal(fix_drops(x, DROP_LONG), 1);
	assert_true(driver_connected(x->d));
}

/* Read what there is; returns the bytes in @buf. */
static size_t drain(int fd, uint8_t *buf, size_t have, size_t cap)
{
	for (;;) {
		ssize_t n = read(fd, buf + have, cap - have);

		if (n <= 0)
			return have;
		have += (size_t)n;
	}
}

static void stream__peer_reads_nothing__queue_bounded_then_exact(void **state)
{
	static uint8_t b[4 << 20];
	struct fix *x = *state;
	struct port_stats s;
	size_t have = 0, at = 0;
	unsigned int n = 0, last = 0;

	close(stream_open(x));
	for (unsigned int i = 0; i < 2000; i++) {
		uint8_t q[1000];

		fix_frame(q, 1000, 0xee, 0);
		put_be32(q + 20, i);
		fake_port_in(&x->f, q, 1000, 0);
	}
	driver_stats(x->d, &s);
	assert_true(s.drops[DROP_FULL] > 0);
	assert_int_equal(s.tx_frames + s.drops[DROP_FULL], 2000);
	for (int i = 0; i < 10000; i++) {
		/* odd amounts, so that writes are cut anywhere */
		ssize_t r = read(x->peer, b + have, 777);

		if (r > 0)
			have += (size_t)r;
		event_base_loop(x->base, EVLOOP_NONBLOCK);
		if (r <= 0 && i > 5000)
			break;
	}
	have = drain(x->peer, b, have, sizeof(b));
	for (; at < have; at += 1004, n++) {
		assert_int_equal(get_be32(b + at), 1000);
		assert_true(n == 0 || get_be32(b + at + 24) > last);
		last = get_be32(b + at + 24);
	}
	assert_int_equal(at, have);
	assert_int_equal(n, s.tx_frames);
	/* and goes on */
	fix_to_driver(x, 60, 9);
	fix_turn(x);
	assert_int_equal(drain(x->peer, b, 0, sizeof(b)), 64);
}

static void stream__worker_replaced_in_mid_frame__goes_on(void **state)
{
	struct fix *x = *state;
	uint8_t b[400];
	size_t n = fix_stream_frame(b, 200, 1);
	int conn = stream_open(x);

	n += fix_stream_frame(b + n, 60, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(x->peer, b + i, 1), 1);
		fix_turn(x);
		driver_free(x->d);
		x->d = NULL;
		assert_int_equal(stream_again(x, conn), 0);
	}
	fix_turn(x);
	assert_int_equal(x->f.n, 2);
	assert_int_equal(x->f.got[1].p[59], 2);
	close(conn);
}

/* The worker died after the kernel gave it bytes, but before it could note so. */
static void stream__worker_killed_between_read_and_note__nothing_lost(
	void **state)
{
	struct fix *x = *state;
	struct stream_mem *m;
	uint8_t b[4096];
	size_t n = 0;
	int conn = stream_open(x);

	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED,
		 x->memfd, 0);
	for (int i = 0; i < 5; i++)
		n += fix_stream_frame(b + n, 100, (uint8_t)i);
	/* half a frame is known to the worker … */
	assert_int_equal(write(x->peer, b, 50), 50);
	fix_turn(x);
	driver_free(x->d);
	x->d = NULL;
	/* … then it reads up to the middle of the third, and dies */
	assert_int_equal(write(x->peer, b + 50, n - 50), (ssize_t)n - 50);
	assert_int_equal(recv(conn, m->rx_buf + stream_b(m->rx), 200, 0), 200);
	assert_int_equal(stream_again(x, conn), 0);
	fix_turn(x);
	assert_int_equal(x->f.n, 5);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(x->f.got[i].p[99], i);
	munmap(m, sizeof(*m));
	close(conn);
}

/* More than the counter's 26 bits, with the worker replaced now and then. */
static void stream__counter_wraps__still_exact(void **state)
{
	static uint8_t b[160000];
	struct fix *x = *state;
	unsigned int rounds = 2700;
	int conn = stream_open(x), size = 1 << 20, off;
	socklen_t len = sizeof(off);
	size_t n = 0;

	/* As it is after most of its range is used up. */
	driver_free(x->d);
	assert_int_equal(getsockopt(conn, SOL_SOCKET, SO_PEEK_OFF, &off, &len),
			 0);
	while (off > (1 << 28) + (1 << 26))
		off -= 1 << 26;
	setsockopt(conn, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off));
	assert_int_equal(stream_again(x, conn), 0);
	setsockopt(x->peer, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	while (n + 64004 < sizeof(b)) {
		put_be32(b + n, 64000);
		fix_frame(b + n + 4, 64000, 1, 5);
		n += 64004;
	}
	for (unsigned int i = 0; i < rounds; i++) {
		size_t at = 0;

		while (at < n) {
			ssize_t w = write(x->peer, b + at, n - at);

			if (w > 0)
				at += (size_t)w;
			event_base_loop(x->base, EVLOOP_NONBLOCK);
		}
		if (i % 100 == 0) {
			driver_free(x->d);
			assert_int_equal(stream_again(x, conn), 0);
		}
	}
	fix_turn(x);
	assert_true(driver_connected(x->d));
	n = fix_stream_frame(b, 60, 7);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	fix_until(x, 1); /* the big ones were over the MTU */
	close(conn);
}

static void stream__worker_replaced_with_full_queue__bytes_exact(void **state)
{
	static uint8_t b[4 << 20];
	struct fix *x = *state;
	int conn = stream_open(x);
	size_t have = 0, at;
	unsigned int n = 0, sent;
	struct port_stats s;

	for (unsigned int i = 0; i < 500; i++)
		fix_to_driver(x, 1000, (uint8_t)i);
	driver_stats(x->d, &s);
	sent = (unsigned int)s.tx_frames;
	for (int i = 0; i < 3000; i++) {
		ssize_t r = read(x->peer, b + have, 999);

		if (r > 0)
			have += (size_t)r;
		event_base_loop(x->base, EVLOOP_NONBLOCK);
		if (i % 10 == 0) {
			driver_free(x->d);
			assert_int_equal(stream_again(x, conn), 0);
		}
	}
	for (at = 0; at < have; at += 1004, n++)
		assert_int_equal(get_be32(b + at), 1000);
	assert_int_equal(at, have);
	assert_int_equal(n, sent);
	close(conn);
}

static void stream__memory_is_nonsense__refused_or_fresh(void **state)
{
	struct fix *x = *state;
	struct stream_mem *m;
	int conn = stream_open(x);
	uint8_t b[64];

	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED,
		 x->memfd, 0);
	for (int i = 0; i < 4; i++) {
		uint64_t rx = stream_pack(0, 0, stream_c(m->rx));
		uint64_t tx = 0;

		driver_free(x->d);
		x->d = NULL;
		switch (i) {
		case 0:
			rx = stream_pack(10, 5, stream_c(rx));
			break;
		case 1:
			rx = stream_pack(0, STREAM_RX_CAP + 1, stream_c(rx));
			break;
		case 2: /* the kernel says a megabyte less was read */
			rx = stream_pack(0, 0, stream_c(rx) + (1 << 20));
			break;
		default:
			tx = stream_pack(STREAM_TX_CAP, 0, 0);
		}
		m->magic = STREAM_MAGIC;
		m->rx = rx;
		m->tx = tx;
		assert_int_equal(stream_again(x, conn), -EBADMSG);
		m->magic = 0;
		assert_int_equal(stream_again(x, conn), 0);
	}
	/* state of another connection: not ours to go on with */
	driver_free(x->d);
	m->cookie++;
	m->rx = stream_pack(0, 60, 0);
	assert_int_equal(stream_again(x, conn), 0);
	assert_int_equal(write(x->peer, b, fix_stream_frame(b, 60, 1)), 64);
	fix_turn(x);
	assert_int_equal(x->f.n, 1);
	/* too small a file */
	driver_free(x->d);
	x->d = NULL;
	assert_int_equal(ftruncate(x->memfd, STREAM_MEM_SIZE - 1), 0);
	assert_int_equal(stream_again(x, conn), -ENOMEM);
	munmap(m, sizeof(*m));
	close(conn);
}

static void stream__listener__new_connection_replaces_the_old(void **state)
{
	struct fix *x = *state;
	struct sockaddr_un a;
	socklen_t len;
	int l = fix_listener("s", SOCK_STREAM, &a, &len), c1, c2;
	uint8_t b[128];

	listen(l, 4);
	x->memfd = fix_mem();
	assert_int_equal(driver_stream(&x->ctx, &x->spec, l, -1, dup(x->memfd),
				       &x->d, NULL),
			 0);
	assert_false(driver_connected(x->d));
	assert_int_equal(x->peer_calls, 0);
	c1 = fix_dial(SOCK_STREAM, &a, len);
	fix_turn(x);
	assert_true(driver_connected(x->d));
	assert_true(x->accepted_fd >= 0);
	assert_int_equal(write(c1, b, fix_stream_frame(b, 60, 1) - 1), 63);
	fix_turn(x);
	c2 = fix_dial(SOCK_STREAM, &a, len);
	fix_turn(x);
	assert_int_equal(write(c2, b, fix_stream_frame(b, 60, 2)), 64);
	fix_turn(x);
	assert_int_equal(x->f.n, 1);
	assert_int_equal(x->f.got[0].p[59], 2);
	/* the connection survives its worker with control's duplicate */
	driver_free(x->d);
	x->d = NULL;
	x->connected = 0;
	assert_int_equal(driver_stream(&x->ctx, &x->spec, -1,
				       dup(x->accepted_fd), dup(x->memfd),
				       &x->d, NULL),
			 0);
	assert_int_equal(x->connected, 1);
	assert_int_equal(write(c2, b, fix_stream_frame(b, 60, 3)), 64);
	fix_turn(x);
	assert_int_equal(x->f.n, 2);
	close(c2);
	close(c1);
	fix_turn(x);
	assert_int_equal(x->connected, 0);
}

/* Each connection is a message to control, and two when it ends. */
static void stream__listener__somebody_comes_and_goes__slowed_down(void **state)
{
	struct fix *x = *state;
	struct sockaddr_un a;
	socklen_t len;
	int l = fix_listener("s", SOCK_STREAM, &a, &len), calls;

	listen(l, 4);
	x->memfd = fix_mem();
	assert_int_equal(driver_stream(&x->ctx, &x->spec, l, -1, dup(x->memfd),
				       &x->d, NULL), 0);
	for (int i = 0; i < LISTENER_RATE; i++) {
		close(fix_dial(SOCK_STREAM, &a, len));
		fix_turn(x);
	}
	calls = x->peer_calls;
	assert_int_equal(calls, 2 * LISTENER_RATE);
	close(fix_dial(SOCK_STREAM, &a, len));
	fix_turn(x);
	assert_int_equal(x->peer_calls, calls);
}

static void stream__unfinished_checksum__finished_for_the_receiver(void **state)
{
	struct fix *x = *state;
	uint8_t b[128] = {0}, *p = b + 4;

	close(stream_open(x));
	put_be32(b, 60);
	fix_frame(p, 60, 1, 0);
	put_be16(p + 12, ETH_P_IP4);
	p[14] = 0x45;
	put_be16(p + 16, 46);
	p[23] = 17;
	put_be32(p + 26, 0x0a000001);
	put_be32(p + 30, 0x0a000002);
	put_be16(p + 38, 26);
	put_be16(p + 40, csum_fold(csum_pseudo4(0x0a000001, 0x0a000002, 17,
						26)));
	assert_int_equal(write(x->peer, b, 64), 64);
	fix_until(x, 1);
	assert_int_equal(csum_fold(csum_add(csum_pseudo4(0x0a000001, 0x0a000002,
							 17, 26),
					    x->f.got[0].p + 34, 26)),
			 0xffff);
}

/* What the peer was sent so far. */
static size_t read_all(struct fix *x, uint8_t *b, size_t cap)
{
	size_t got = 0;
	ssize_t n;

	while ((n = read(x->peer, b + got, cap - got)) > 0) {
		got += (size_t)n;
		fix_turn(x);
	}
	return got;
}

#define ROW	 FRAME_BATCH /* frames that lie in a row, as in another stream's memory */
#define ROW_SIZE 1400
#define ROW_AT(i) (4 + (size_t)(i) * (4 + ROW_SIZE))

static void in_a_row(uint8_t *b, struct frame *f)
{
	for (unsigned int i = 0; i < ROW; i++) {
		fix_stream_frame(b + ROW_AT(i) - 4, ROW_SIZE, (uint8_t)i);
		frame_init(&f[i], b + ROW_AT(i), ROW_SIZE);
	}
}

static void stream__frames_in_a_row__bytes_exact_past_a_full_socket(void **state)
{
	struct fix *x = *state;
	static uint8_t b[ROW_AT(ROW)], got[8 * sizeof(b)];
	size_t len = ROW_AT(ROW) - 4;
	struct frame f[ROW];

	close(stream_open(x));
	in_a_row(b, f);
	for (int i = 0; i < 4; i++)
		vswitch_input(&x->f.port, f, ROW, 0);
	assert_int_equal(fix_drops(x, DROP_FULL), 0);
	assert_int_equal(read_all(x, got, sizeof(got)), 4 * len);
	for (size_t i = 0; i < 4; i++)
		assert_memory_equal(got + i * len, b, len);
}

/* In memory each is where the next one would be, but for one thing. */
static void stream__frames_nearly_in_a_row__each_has_its_length(void **state)
{
	struct fix *x = *state;
	static uint8_t b[ROW_AT(ROW)], got[2 * sizeof(b)];
	struct frame f[ROW];
	uint8_t *p = got;

	close(stream_open(x));
	in_a_row(b, f);
	put_be32(b + ROW_AT(3) - 4, ROW_SIZE + 1);	  /* says something else */
	frame_init(&f[10], b + ROW_AT(20), ROW_SIZE);	  /* lies elsewhere */
	frame_init(&f[30], b + ROW_AT(30), ROW_SIZE - 4); /* is shorter than it says */
	frame_init(&f[40], b + ROW_AT(40) + 4, ROW_SIZE - 4);
	f[50].nseg = 2; /* is in two pieces */
	f[50].seg[0].iov_len = 200;
	f[50].seg[1].iov_base = b + ROW_AT(55) + 200;
	f[50].seg[1].iov_len = ROW_SIZE - 200;
	vswitch_input(&x->f.port, f, ROW, 0);
	assert_int_equal(read_all(x, got, sizeof(got)), ROW_AT(ROW) - 4 - 8);
	for (unsigned int i = 0; i < ROW; i++) {
		uint8_t want[ROW_SIZE];

		assert_int_equal(get_be32(p), f[i].len);
		frame_copy(&f[i], 0, want, f[i].len);
		assert_memory_equal(p + 4, want, f[i].len);
		p += 4 + f[i].len;
	}
}

static void link__down__frames_dropped_both_ways(void **state)
{
	struct fix *x = *state;
	uint8_t b[64];

	close(stream_open(x));
	driver_link(x->d, false);
	assert_int_equal(write(x->peer, b, fix_stream_frame(b, 60, 1)), 64);
	fix_turn(x);
	fix_to_driver(x, 60, 1);
	assert_int_equal(x->f.n, 0);
	assert_int_equal(fix_drops(x, DROP_LINK), 1);
	assert_int_equal(read(x->peer, b, 1), -1);
	driver_link(x->d, true);
	fix_to_driver(x, 60, 1);
	assert_int_equal(read(x->peer, b, 64), 64);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stream__many_frames_in_one_write__all_arrive),
		T(stream__dribble_of_single_bytes__frames_arrive),
		T(stream__hostile_length__closed_and_told),
		T(stream__odd_lengths__dropped_and_counted),
		T(stream__peer_reads_nothing__queue_bounded_then_exact),
		T(stream__worker_replaced_in_mid_frame__goes_on),
		T(stream__worker_killed_between_read_and_note__nothing_lost),
		T(stream__counter_wraps__still_exact),
		T(stream__worker_replaced_with_full_queue__bytes_exact),
		T(stream__memory_is_nonsense__refused_or_fresh),
		T(stream__listener__new_connection_replaces_the_old),
		T(stream__listener__somebody_comes_and_goes__slowed_down),
		T(stream__unfinished_checksum__finished_for_the_receiver),
		T(stream__frames_in_a_row__bytes_exact_past_a_full_socket),
		T(stream__frames_nearly_in_a_row__each_has_its_length),
		T(link__down__frames_dropped_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
