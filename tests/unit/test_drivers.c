// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port */
/*
 * Drivers over socket pairs and abstract unix addresses, with a real event loop.
 * Nothing sleeps: the loop runs until it has nothing to do.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/bytes.h"
#include "lib/csum.h"
#include "switch/drivers.h"
#include "switch/hdrs.h"
#include "switch/port_stream_int.h"
#include "tests/fake/fake_port.h"

struct fix {
	struct event_base *base;
	struct vswitch *sw;
	struct fake_port f; /* the other side of the switch */
	struct driver_events ev;
	struct driver_ctx ctx;
	struct port_spec spec;
	struct driver *d;
	int peer;	 /* our end of the driver's socket */
	int memfd;
	int connected;	 /* last ev.peer */
	int peer_calls;
	int accepted_fd; /* dup of what ev.accepted showed */
};

static void on_peer(void *arg, uint64_t nic_id, bool connected)
{
	struct fix *x = arg;

	assert_int_equal(nic_id, 7);
	x->connected = connected;
	x->peer_calls++;
}

static void on_accepted(void *arg, uint64_t nic_id, int fd)
{
	struct fix *x = arg;

	assert_int_equal(nic_id, 7);
	if (x->accepted_fd >= 0)
		close(x->accepted_fd);
	x->accepted_fd = dup(fd);
}

static int setup(void **state)
{
	struct vswitch_config cfg = {.seed = {3, 4}};
	struct fix *x = calloc(1, sizeof(*x));

	x->base = event_base_new();
	x->sw = vswitch_new(&cfg);
	fake_port_add(&x->f, x->sw, "f", PORT_GUEST, 0);
	x->ev = (struct driver_events){x, on_peer, on_accepted};
	x->ctx = (struct driver_ctx){x->base, x->sw, &x->ev};
	x->spec = (struct port_spec){"vm-0", PORT_GUEST, 7, 0};
	x->peer = x->memfd = x->accepted_fd = -1;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	driver_free(x->d);
	vswitch_free(x->sw);
	event_base_free(x->base);
	if (x->peer >= 0)
		close(x->peer);
	if (x->memfd >= 0)
		close(x->memfd);
	if (x->accepted_fd >= 0)
		close(x->accepted_fd);
	free(x);
	return 0;
}

static void turn(struct fix *x)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
}

/* Let the loop go round until @n frames came through the switch. */
static void until(struct fix *x, unsigned int n)
{
	for (int i = 0; i < 100000 && x->f.n < n; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->f.n, n);
}

static uint64_t drops(const struct fix *x, enum drop_reason r)
{
	struct port_stats s;

	driver_stats(x->d, &s);
	return s.drops[r];
}

/* A broadcast frame of @len bytes that carries @tag; from host @src. */
static void frame(uint8_t *p, size_t len, uint8_t src, uint8_t tag)
{
	memset(p, tag, len);
	memset(p, 255, 6);
	memcpy(p + 6, "\2\0\0\0\0", 5);
	p[11] = src;
	put_be16(p + 12, 0x1234);
}

static size_t stream_frame(uint8_t *p, size_t len, uint8_t tag)
{
	put_be32(p, (uint32_t)len);
	frame(p + 4, len, 1, tag);
	return 4 + len;
}

/* The switch sends a frame to the driver. */
static void to_driver(struct fix *x, size_t len, uint8_t tag)
{
	uint8_t b[2000];

	frame(b, len, 0xee, tag);
	fake_port_in(&x->f, b, len, 0);
}

/* ---- stream -------------------------------------------------------------------------- */

static int new_mem(void)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, STREAM_MEM_SIZE), 0);
	return fd;
}

/* A driver on a socket pair; the memory is kept in x->memfd. */
static int stream_open(struct fix *x)
{
	int sv[2], conn;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	x->peer = sv[0];
	fcntl(x->peer, F_SETFL, O_NONBLOCK);
	x->memfd = new_mem();
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
		n += stream_frame(b + n, 60 + (size_t)i % 90, (uint8_t)i);
	for (size_t at = 0; at < n;) {
		ssize_t w = write(x->peer, b + at, n - at);

		assert_true(w > 0);
		at += (size_t)w;
		turn(x);
	}
	until(x, 1000);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(x->f.got[i].len, 60 + i % 90);
		assert_int_equal(x->f.got[i].p[59], i & 255);
	}
}

static void stream__dribble_of_single_bytes__frames_arrive(void **state)
{
	struct fix *x = *state;
	uint8_t b[300];
	size_t n = stream_frame(b, 100, 1);

	n += stream_frame(b + n, 61, 2);
	close(stream_open(x));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(x->peer, b + i, 1), 1);
		turn(x);
		assert_int_equal(x->f.n, (i >= 103) + (i == n - 1));
	}
}

static void stream__hostile_length__closed_and_told(void **state)
{
	struct fix *x = *state;
	uint8_t b[200];
	size_t n = stream_frame(b, 60, 1);

	close(stream_open(x));
	put_be32(b + n, STREAM_LEN_MAX + 1);
	assert_int_equal(write(x->peer, b, n + 4), (ssize_t)n + 4);
	turn(x);
	assert_int_equal(x->f.n, 0); /* the frame before went with it */
	assert_int_equal(x->connected, 0);
	assert_false(driver_connected(x->d));
	assert_int_equal(read(x->peer, b, 1), 0);
	to_driver(x, 60, 1);
	assert_int_equal(drops(x, DROP_NO_PEER), 1);
}

static void stream__odd_lengths__dropped_and_counted(void **state)
{
	struct fix *x = *state;
	static uint8_t b[STREAM_LEN_MAX + 200];
	size_t n = 0;

	close(stream_open(x));
	put_be32(b, 0);
	put_be32(b + 4, 0);
	n = 8 + stream_frame(b + 8, 60, 3);
	put_be32(b + n, 5);
	n += 9;
	n += stream_frame(b + n, 60, 4);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	until(x, 2);
	assert_int_equal(drops(x, DROP_SHORT), 3);
	n = stream_frame(b, STREAM_LEN_MAX, 1);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	n = stream_frame(b, 60, 5);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	until(x, 3);
	assert_int_equal(drops(x, DROP_LONG), 1);
	assert_true(driver_connected(x->d));
}

/* Read what the driver wrote and check its frames; counts per tag in @seen. */
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

		frame(q, 1000, 0xee, 0);
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
	to_driver(x, 60, 9);
	turn(x);
	assert_int_equal(drain(x->peer, b, 0, sizeof(b)), 64);
}

static void stream__worker_replaced_in_mid_frame__goes_on(void **state)
{
	struct fix *x = *state;
	uint8_t b[400];
	size_t n = stream_frame(b, 200, 1);
	int conn = stream_open(x);

	n += stream_frame(b + n, 60, 2);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(write(x->peer, b + i, 1), 1);
		turn(x);
		driver_free(x->d);
		x->d = NULL;
		assert_int_equal(stream_again(x, conn), 0);
	}
	turn(x);
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
		n += stream_frame(b + n, 100, (uint8_t)i);
	/* half a frame is known to the worker … */
	assert_int_equal(write(x->peer, b, 50), 50);
	turn(x);
	driver_free(x->d);
	x->d = NULL;
	/* … then it reads up to the middle of the third, and dies */
	assert_int_equal(write(x->peer, b + 50, n - 50), (ssize_t)n - 50);
	assert_int_equal(recv(conn, m->rx_buf + stream_b(m->rx), 200, 0), 200);
	assert_int_equal(stream_again(x, conn), 0);
	turn(x);
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
		frame(b + n + 4, 64000, 1, 5);
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
	turn(x);
	assert_true(driver_connected(x->d));
	n = stream_frame(b, 60, 7);
	assert_int_equal(write(x->peer, b, n), (ssize_t)n);
	until(x, 1); /* the big ones were over the MTU */
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
		to_driver(x, 1000, (uint8_t)i);
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
	assert_int_equal(write(x->peer, b, stream_frame(b, 60, 1)), 64);
	turn(x);
	assert_int_equal(x->f.n, 1);
	/* too small a file */
	driver_free(x->d);
	x->d = NULL;
	assert_int_equal(ftruncate(x->memfd, STREAM_MEM_SIZE - 1), 0);
	assert_int_equal(stream_again(x, conn), -ENOMEM);
	munmap(m, sizeof(*m));
	close(conn);
}

static int listener(const char *name, int type, struct sockaddr_un *a,
		    socklen_t *len)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1,
		 "vnet-test-%d-%s", getpid(), name);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(a->sun_path + 1));
	assert_int_equal(bind(fd, (struct sockaddr *)a, *len), 0);
	return fd;
}

static int dial(int type, const struct sockaddr_un *a, socklen_t len)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)a, len), 0);
	return fd;
}

static void stream__listener__new_connection_replaces_the_old(void **state)
{
	struct fix *x = *state;
	struct sockaddr_un a;
	socklen_t len;
	int l = listener("s", SOCK_STREAM, &a, &len), c1, c2;
	uint8_t b[128];

	listen(l, 4);
	x->memfd = new_mem();
	assert_int_equal(driver_stream(&x->ctx, &x->spec, l, -1, dup(x->memfd),
				       &x->d, NULL),
			 0);
	assert_false(driver_connected(x->d));
	assert_int_equal(x->peer_calls, 0);
	c1 = dial(SOCK_STREAM, &a, len);
	turn(x);
	assert_true(driver_connected(x->d));
	assert_true(x->accepted_fd >= 0);
	assert_int_equal(write(c1, b, stream_frame(b, 60, 1) - 1), 63);
	turn(x);
	c2 = dial(SOCK_STREAM, &a, len);
	turn(x);
	assert_int_equal(write(c2, b, stream_frame(b, 60, 2)), 64);
	turn(x);
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
	assert_int_equal(write(c2, b, stream_frame(b, 60, 3)), 64);
	turn(x);
	assert_int_equal(x->f.n, 2);
	close(c2);
	close(c1);
	turn(x);
	assert_int_equal(x->connected, 0);
}

static void stream__unfinished_checksum__finished_for_the_receiver(void **state)
{
	struct fix *x = *state;
	uint8_t b[128] = {0}, *p = b + 4;

	close(stream_open(x));
	put_be32(b, 60);
	frame(p, 60, 1, 0);
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
	until(x, 1);
	assert_int_equal(csum_fold(csum_add(csum_pseudo4(0x0a000001, 0x0a000002,
							 17, 26),
					    x->f.got[0].p + 34, 26)),
			 0xffff);
}

static void link__down__frames_dropped_both_ways(void **state)
{
	struct fix *x = *state;
	uint8_t b[64];

	close(stream_open(x));
	driver_link(x->d, false);
	assert_int_equal(write(x->peer, b, stream_frame(b, 60, 1)), 64);
	turn(x);
	to_driver(x, 60, 1);
	assert_int_equal(x->f.n, 0);
	assert_int_equal(drops(x, DROP_LINK), 1);
	assert_int_equal(read(x->peer, b, 1), -1);
	driver_link(x->d, true);
	to_driver(x, 60, 1);
	assert_int_equal(read(x->peer, b, 64), 64);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

struct dg {
	struct sockaddr_un hub;
	socklen_t len;
};

static void dgram_open(struct fix *x, struct dg *g)
{
	int fd = listener("hub", SOCK_DGRAM, &g->hub, &g->len);

	assert_int_equal(driver_dgram(&x->ctx, &x->spec, fd, &x->d, NULL), 0);
}

/* Unconnected, as QEMU's: the kernel lets only max_dgram_qlen datagrams wait. */
static int dgram_loose_peer(const struct dg *g, const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int fd = listener(name, SOCK_DGRAM, &a, &len);
	uint8_t b[60];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	frame(b, 60, 1, 1);
	assert_int_equal(sendto(fd, b, 60, 0, (const struct sockaddr *)&g->hub,
				g->len),
			 60);
	return fd;
}

static int dgram_peer(const struct dg *g, const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int fd = listener(name, SOCK_DGRAM, &a, &len);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&g->hub, g->len),
			 0);
	return fd;
}

static void say(int fd, uint8_t src, uint8_t tag)
{
	uint8_t b[60];

	frame(b, 60, src, tag);
	assert_int_equal(write(fd, b, 60), 60);
}

static unsigned int hear(int fd)
{
	uint8_t b[2000];
	unsigned int n = 0;

	while (recv(fd, b, sizeof(b), MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

static void dgram__several_senders__a_port_each(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p[3];
	uint8_t b[60];

	dgram_open(x, &g);
	assert_false(driver_connected(x->d));
	p[0] = dgram_peer(&g, "p0");
	p[1] = dgram_peer(&g, "p1");
	p[2] = dgram_peer(&g, "p2");
	assert_int_equal(write(p[0], "VFKT", 4), 4);
	turn(x);
	assert_int_equal(x->connected, 1);
	assert_int_equal(x->f.n, 0);
	for (uint8_t i = 0; i < 3; i++)
		say(p[i], (uint8_t)(i + 1), i);
	turn(x);
	assert_int_equal(x->f.n, 3);
	assert_int_equal(hear(p[0]), 2); /* each heard the later ones */
	assert_int_equal(hear(p[1]), 1);
	assert_int_equal(hear(p[2]), 0);
	/* unicast from one to another */
	frame(b, 60, 1, 0);
	memcpy(b, "\2\0\0\0\0\2", 6);
	assert_int_equal(write(p[0], b, 60), 60);
	turn(x);
	assert_int_equal(hear(p[1]), 1);
	assert_int_equal(hear(p[2]), 0);
	assert_int_equal(x->f.n, 3);
	assert_int_equal(drops(x, DROP_SHORT), 0); /* VFKT was swallowed */
	/* only the first datagram of a sender may be the greeting */
	assert_int_equal(write(p[0], "VFKT", 4), 4);
	turn(x);
	assert_int_equal(drops(x, DROP_SHORT), 1);
	for (int i = 0; i < 3; i++)
		close(p[i]);
}

static void dgram__sender_without_address__counted_and_dropped(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int fd;

	dgram_open(x, &g);
	fd = dial(SOCK_DGRAM, &g.hub, g.len);
	say(fd, 1, 1);
	turn(x);
	assert_int_equal(x->f.n, 0);
	assert_int_equal(drops(x, DROP_NO_PEER), 1);
	assert_false(driver_connected(x->d));
	close(fd);
}

static void dgram__peer_gone__its_port_goes_the_socket_stays(void **state)
{
	struct fix *x = *state;
	struct port_stats s;
	struct dg g;
	int p0, p1;

	dgram_open(x, &g);
	p0 = dgram_peer(&g, "p0");
	p1 = dgram_peer(&g, "p1");
	say(p0, 1, 1);
	say(p1, 2, 2);
	turn(x);
	close(p0);
	to_driver(x, 60, 3);
	for (int i = 0; i < 100 && drops(x, DROP_NO_PEER) == 0; i++)
		turn(x);
	assert_int_equal(drops(x, DROP_NO_PEER), 1);
	assert_int_equal(x->connected, 1);
	hear(p1);
	close(p1);
	to_driver(x, 60, 3);
	for (int i = 0; i < 10000 && x->connected; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->connected, 0);
	driver_stats(x->d, &s);
	assert_int_equal(s.rx_frames, 2); /* of ports that are gone */
	p0 = dgram_peer(&g, "p0");
	say(p0, 1, 1);
	turn(x);
	assert_int_equal(x->connected, 1);
	close(p0);
}

static void dgram__slow_peer__queued_in_order_then_delivered(void **state)
{
	struct fix *x = *state;
	unsigned int n = 0;
	struct dg g;
	int p0;

	dgram_open(x, &g);
	p0 = dgram_loose_peer(&g, "p0");
	turn(x);
	for (int i = 0; i < 200; i++)
		to_driver(x, 1000, (uint8_t)i);
	assert_int_equal(drops(x, DROP_FULL), 0);
	for (int i = 0; i < 1000000 && n < 200; i++) {
		uint8_t b[2000];

		while (recv(p0, b, sizeof(b), MSG_DONTWAIT) == 1000)
			assert_int_equal(b[999], n++ & 255);
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(n, 200);
	/* and never more than the bound */
	for (int i = 0; i < 1000; i++)
		to_driver(x, 1000, (uint8_t)i);
	assert_true(drops(x, DROP_FULL) > 0);
	close(p0);
}

static void dgram__too_many_senders__refused_and_counted(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p[66];

	dgram_open(x, &g);
	for (int i = 0; i < 66; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		p[i] = dgram_peer(&g, name);
		say(p[i], (uint8_t)i, 1);
		turn(x);
	}
	assert_int_equal(x->f.n, 64);
	assert_int_equal(drops(x, DROP_LIMIT), 2);
	driver_link(x->d, false);
	say(p[0], 1, 1);
	turn(x);
	assert_int_equal(x->f.n, 64);
	for (int i = 0; i < 66; i++)
		close(p[i]);
}

static void dgram__largest_and_too_large__taken_and_dropped(void **state)
{
	static uint8_t b[70000];
	struct vswitch_config cfg = {.mtu = VSWITCH_MTU_MAX};
	struct fix *x = *state;
	int size = 1 << 20, p0;
	struct dg g;

	fake_port_clear(&x->f);
	vswitch_free(x->sw);
	x->sw = x->ctx.sw = vswitch_new(&cfg);
	fake_port_add(&x->f, x->sw, "f", PORT_GUEST, 0);
	dgram_open(x, &g);
	p0 = dgram_peer(&g, "p0");
	setsockopt(p0, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	frame(b, sizeof(b), 1, 9);
	assert_int_equal(write(p0, b, 14 + VSWITCH_MTU_MAX),
			 14 + VSWITCH_MTU_MAX);
	assert_int_equal(write(p0, b, 65550), 65550);
	assert_int_equal(write(p0, b, 70000), 70000);
	turn(x);
	assert_int_equal(x->f.n, 1);
	assert_int_equal(drops(x, DROP_LONG), 2);
	close(p0);
}

/* ---- message sockets -------------------------------------------------------------------------- */

static void msg__seqpacket_and_dgram_pairs__both_ways_until_closed(void **state)
{
	static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
	struct fix *x = *state;

	for (int k = 0; k < 2; k++) {
		int sv[2];

		fake_port_clear(&x->f);
		assert_int_equal(socketpair(AF_UNIX, types[k], 0, sv), 0);
		assert_int_equal(driver_fd(&x->ctx, &x->spec, sv[1], -1, &x->d,
					   NULL),
				 0);
		assert_string_equal(driver_name(x->d), "msg");
		for (uint8_t i = 0; i < 100; i++)
			say(sv[0], 1, i);
		until(x, 100);
		assert_int_equal(x->f.got[99].p[59], 99);
		for (int i = 0; i < 50; i++)
			to_driver(x, 1000, 1);
		assert_int_equal(hear(sv[0]), 50);
		say(sv[0], 1, 7); /* a last word */
		close(sv[0]);
		turn(x);
		to_driver(x, 60, 1);
		turn(x);
		assert_int_equal(x->f.n, 101);
		assert_int_equal(x->connected, 0);
		assert_true(drops(x, DROP_NO_PEER) > 0);
		driver_free(x->d);
		x->d = NULL;
	}
}

static void msg__peer_reads_nothing__queue_bounded_in_order(void **state)
{
	struct fix *x = *state;
	struct port_stats s;
	unsigned int n = 0, last = 0;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(driver_msg(&x->ctx, &x->spec, -1, sv[1], &x->d, NULL),
			 0);
	for (unsigned int i = 0; i < 3000; i++) {
		uint8_t b[1000];
		/* lengths that let the ring wrap at odd places */
		size_t len = 60 + i * 37 % 900;

		frame(b, sizeof(b), 0xee, 0);
		put_be32(b + 20, i + 1);
		fake_port_in(&x->f, b, len, 0);
		if (i % 3 == 0) {
			uint8_t q[1000];

			if (recv(sv[0], q, sizeof(q), MSG_DONTWAIT) > 0) {
				assert_true(get_be32(q + 20) > last);
				last = get_be32(q + 20);
				n++;
			}
			event_base_loop(x->base, EVLOOP_NONBLOCK);
		}
	}
	driver_stats(x->d, &s);
	assert_true(s.drops[DROP_FULL] > 0);
	for (int i = 0; i < 100000; i++) {
		uint8_t q[1000];
		ssize_t r = recv(sv[0], q, sizeof(q), MSG_DONTWAIT);
		uint32_t k = get_be32(q + 20);

		event_base_loop(x->base, EVLOOP_NONBLOCK);
		if (r <= 0)
			continue;
		assert_int_equal(r, 60 + (k - 1) * 37 % 900);
		assert_true(k > last);
		last = k;
		n++;
	}
	driver_stats(x->d, &s);
	assert_int_equal(n, s.tx_frames);
	assert_int_equal(n + s.drops[DROP_FULL], 3000);
	close(sv[0]);
}

static void msg__empty_messages__are_no_end(void **state)
{
	struct fix *x = *state;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(driver_msg(&x->ctx, &x->spec, -1, sv[1], &x->d, NULL),
			 0);
	assert_int_equal(send(sv[0], "", 0, 0), 0);
	turn(x);
	say(sv[0], 1, 1);
	turn(x);
	assert_true(driver_connected(x->d));
	assert_int_equal(x->f.n, 1);
	close(sv[0]);
	turn(x);
	assert_false(driver_connected(x->d));
}

static void msg__listener__new_connection_replaces_the_old(void **state)
{
	struct fix *x = *state;
	struct sockaddr_un a;
	socklen_t len;
	int l = listener("q", SOCK_SEQPACKET, &a, &len), c1, c2;

	listen(l, 4);
	assert_int_equal(driver_fd(&x->ctx, &x->spec, l, new_mem(), &x->d,
				   NULL),
			 0);
	c1 = dial(SOCK_SEQPACKET, &a, len);
	turn(x);
	say(c1, 1, 1);
	turn(x);
	c2 = dial(SOCK_SEQPACKET, &a, len);
	turn(x);
	say(c2, 1, 2);
	turn(x);
	assert_int_equal(x->f.n, 2);
	assert_int_equal(send(c1, "x", 1, MSG_NOSIGNAL), -1);
	close(c1);
	close(c2);
	turn(x);
	assert_int_equal(x->connected, 0);
}

/* ---- autodetection ------------------------------------------------------------------------------ */

static void fd__kinds_of_descriptors__right_driver_or_reason(void **state)
{
	struct fix *x = *state;
	struct errtext why = {""};
	struct sockaddr_un a;
	socklen_t len;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(driver_fd(&x->ctx, &x->spec, sv[1], new_mem(), &x->d,
				   &why),
			 0);
	assert_string_equal(driver_name(x->d), "stream");
	driver_free(x->d);
	x->d = NULL;
	close(sv[0]);
	assert_int_equal(driver_fd(&x->ctx, &x->spec,
				   listener("d", SOCK_DGRAM, &a, &len), -1,
				   &x->d, &why),
			 0);
	assert_string_equal(driver_name(x->d), "dgram");
	driver_free(x->d);
	x->d = NULL;
	assert_int_equal(driver_fd(&x->ctx, &x->spec,
				   open("/dev/null", O_RDWR | O_CLOEXEC),
				   new_mem(), &x->d, &why),
			 -EPROTOTYPE);
	assert_non_null(strstr(why.s, "no TAP"));
	assert_int_equal(driver_fd(&x->ctx, &x->spec,
				   socket(AF_INET, SOCK_DGRAM, 0), -1, &x->d,
				   &why),
			 -EPROTOTYPE);
	assert_int_equal(driver_tap(&x->ctx, &x->spec,
				    open("/dev/null", O_RDWR | O_CLOEXEC),
				    &x->d, &why),
			 -EPROTOTYPE);
	assert_int_equal(driver_packet(&x->ctx, &x->spec,
				       socket(AF_UNIX, SOCK_DGRAM, 0), &x->d,
				       &why),
			 -EPROTOTYPE);
	assert_null(x->d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		T(stream__unfinished_checksum__finished_for_the_receiver),
		T(link__down__frames_dropped_both_ways),
		T(dgram__several_senders__a_port_each),
		T(dgram__sender_without_address__counted_and_dropped),
		T(dgram__peer_gone__its_port_goes_the_socket_stays),
		T(dgram__slow_peer__queued_in_order_then_delivered),
		T(dgram__too_many_senders__refused_and_counted),
		T(dgram__largest_and_too_large__taken_and_dropped),
		T(msg__seqpacket_and_dgram_pairs__both_ways_until_closed),
		T(msg__peer_reads_nothing__queue_bounded_in_order),
		T(msg__empty_messages__are_no_end),
		T(msg__listener__new_connection_replaces_the_old),
		T(fd__kinds_of_descriptors__right_driver_or_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
