// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core switch_io fake_port driver_fix */
/* Datagram and message ports, and finding out what a descriptor is. */
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
#include "tests/fake/driver_fix.h"
/* ---- datagrams ----------------------------------------------------------- */

struct dg {
	struct sockaddr_un hub;
	socklen_t len;
};

static void dgram_open(struct fix *x, struct dg *g)
{
	int fd = fix_listener("hub", SOCK_DGRAM, &g->hub, &g->len);

	assert_int_equal(driver_dgram(&x->ctx, &x->spec, fd, &x->d, NULL), 0);
}

/* Unconnected, as QEMU's: the kernel lets only max_dgram_qlen datagrams wait. */
static int dgram_loose_peer(const struct dg *g, const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int fd = fix_listener(name, SOCK_DGRAM, &a, &len);
	uint8_t b[60];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	fix_frame(b, 60, 1, 1);
	assert_int_equal(sendto(fd, b, 60, 0, (const struct sockaddr *)&g->hub,
				g->len),
			 60);
	return fd;
}

static int dgram_peer(const struct dg *g, const char *name)
{
	struct sockaddr_un a;
	socklen_t len;
	int fd = fix_listener(name, SOCK_DGRAM, &a, &len);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(connect(fd, (const struct sockaddr *)&g->hub, g->len),
			 0);
	return fd;
}

static void say(int fd, uint8_t src, uint8_t tag)
{
	uint8_t b[60];

	fix_frame(b, 60, src, tag);
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
	fix_turn(x);
	assert_int_equal(x->connected, 1);
	assert_int_equal(x->f.n, 0);
	for (uint8_t i = 0; i < 3; i++)
		say(p[i], (uint8_t)(i + 1), i);
	fix_turn(x);
	assert_int_equal(x->f.n, 3);
	assert_int_equal(hear(p[0]), 2); /* each heard the later ones */
	assert_int_equal(hear(p[1]), 1);
	assert_int_equal(hear(p[2]), 0);
	/* unicast from one to another */
	fix_frame(b, 60, 1, 0);
	memcpy(b, "\2\0\0\0\0\2", 6);
	assert_int_equal(write(p[0], b, 60), 60);
	fix_turn(x);
	assert_int_equal(hear(p[1]), 1);
	assert_int_equal(hear(p[2]), 0);
	assert_int_equal(x->f.n, 3);
	assert_int_equal(fix_drops(x, DROP_SHORT), 0); /* VFKT was swallowed */
	/* only the first datagram of a sender may be the greeting */
	assert_int_equal(write(p[0], "VFKT", 4), 4);
	fix_turn(x);
	assert_int_equal(fix_drops(x, DROP_SHORT), 1);
	for (int i = 0; i < 3; i++)
		close(p[i]);
}

static void dgram__sender_without_address__counted_and_dropped(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int fd;

	dgram_open(x, &g);
	fd = fix_dial(SOCK_DGRAM, &g.hub, g.len);
	say(fd, 1, 1);
	fix_turn(x);
	assert_int_equal(x->f.n, 0);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 1);
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
	fix_turn(x);
	close(p0);
	fix_to_driver(x, 60, 3);
	for (int i = 0; i < 100 && fix_drops(x, DROP_NO_PEER) == 0; i++)
		fix_turn(x);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 1);
	assert_int_equal(x->connected, 1);
	hear(p1);
	close(p1);
	fix_to_driver(x, 60, 3);
	for (int i = 0; i < 10000 && x->connected; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->connected, 0);
	driver_stats(x->d, &s);
	assert_int_equal(s.rx_frames, 2); /* of ports that are gone */
	p0 = dgram_peer(&g, "p0");
	say(p0, 1, 1);
	fix_turn(x);
	assert_int_equal(x->connected, 1);
	close(p0);
}

static int way_answer(struct fix *x, enum dgram_way way, int fd)
{
	return driver_dgram_way(x->d, &x->sender, x->sender_len, way, fd);
}

/* What control does for a runner whose socket takes datagrams from anybody. */
static int way_socket(const struct fix *x)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&x->sender,
				 x->sender_len),
			 0);
	return fd;
}

static void dgram__way_asked_for__frames_wait_for_it(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p0;

	fix_ask_ways(x);
	dgram_open(x, &g);
	p0 = dgram_loose_peer(&g, "p0");
	fix_turn(x);
	assert_int_equal(x->senders, 1);
	for (uint8_t i = 0; i < 3; i++)
		fix_to_driver(x, 60, i);
	fix_turn(x);
	assert_int_equal(hear(p0), 0);
	assert_int_equal(way_answer(x, DGRAM_WAY_SOCKET, way_socket(x)), 0);
	assert_int_equal(hear(p0), 3);
	fix_to_driver(x, 60, 3);
	assert_int_equal(hear(p0), 1);
	/* nobody asked for another */
	assert_int_equal(way_answer(x, DGRAM_WAY_SOCKET, way_socket(x)),
			 -ENOENT);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 0);
	close(p0);
}

static void dgram__way_is_shared__until_it_is_gone(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p0, hub;

	fix_ask_ways(x);
	hub = fix_listener("hub", SOCK_DGRAM, &g.hub, &g.len);
	assert_int_equal(driver_dgram(&x->ctx, &x->spec, dup(hub), &x->d, NULL),
			 0);
	p0 = dgram_peer(&g, "p0");
	assert_int_equal(write(p0, "VFKT", 4), 4);
	fix_turn(x);
	assert_int_equal(x->senders, 1);
	assert_int_equal(connect(hub, (const struct sockaddr *)&x->sender,
				 x->sender_len),
			 0);
	assert_int_equal(way_answer(x, DGRAM_WAY_SHARED, -1), 0);
	fix_to_driver(x, 60, 1);
	assert_int_equal(hear(p0), 1);
	assert_int_equal(x->connected, 1);
	assert_int_equal(way_answer(x, DGRAM_WAY_GONE, -1), 0);
	assert_int_equal(x->connected, 0);
	close(p0);
	close(hub);
}

static void dgram__way_refused__asked_again_once_a_second(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p0;

	fix_ask_ways(x);
	dgram_open(x, &g);
	p0 = dgram_peer(&g, "p0");
	say(p0, 1, 1);
	fix_turn(x);
	fix_to_driver(x, 60, 1);
	assert_int_equal(way_answer(x, DGRAM_WAY_REFUSED, -1), 0);
	assert_int_equal(fix_drops(x, DROP_NO_PEER), 1);
	for (uint8_t i = 0; i < 100; i++) {
		say(p0, 1, i);
		fix_turn(x);
	}
	assert_true(x->senders <= 2); /* two: a very slow machine */
	assert_int_equal(x->f.n, 101); /* it is heard all the same */
	close(p0);
}

static void dgram__way_leads_nowhere__asked_for_again(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p0;

	fix_ask_ways(x);
	dgram_open(x, &g);
	p0 = dgram_loose_peer(&g, "p0");
	fix_turn(x);
	assert_int_equal(way_answer(x, DGRAM_WAY_SOCKET, way_socket(x)), 0);
	close(p0);
	fix_to_driver(x, 60, 1);
	for (int i = 0; i < 10000 && x->senders < 2; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->senders, 2);
	/* and there it is again */
	p0 = fix_listener("p0", SOCK_DGRAM, &g.hub, &g.len);
	fix_to_driver(x, 60, 2);
	assert_int_equal(way_answer(x, DGRAM_WAY_SOCKET, way_socket(x)), 0);
	assert_int_equal(hear(p0), 1);
	close(p0);
}

static void dgram_way__wrong_answers__refused_and_closed(void **state)
{
	struct fix *x = *state;
	struct dg g;
	int p0;

	fix_ask_ways(x);
	dgram_open(x, &g);
	p0 = dgram_peer(&g, "p0");
	say(p0, 1, 1);
	fix_turn(x);
	assert_int_equal(way_answer(x, DGRAM_WAY_SOCKET, -1), -EINVAL);
	assert_int_equal(way_answer(x, DGRAM_WAY_SHARED, dup(p0)), -EINVAL);
	x->sender.ss_family = 99;
	assert_int_equal(way_answer(x, DGRAM_WAY_SHARED, -1), -ENOENT);
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
	fix_turn(x);
	for (int i = 0; i < 200; i++)
		fix_to_driver(x, 1000, (uint8_t)i);
	assert_int_equal(fix_drops(x, DROP_FULL), 0);
	for (int i = 0; i < 1000000 && n < 200; i++) {
		uint8_t b[2000];

		while (recv(p0, b, sizeof(b), MSG_DONTWAIT) == 1000)
			assert_int_equal(b[999], n++ & 255);
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(n, 200);
	/* and never more than the bound */
	for (int i = 0; i < 1000; i++)
		fix_to_driver(x, 1000, (uint8_t)i);
	assert_true(fix_drops(x, DROP_FULL) > 0);
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
		fix_turn(x);
	}
	assert_int_equal(x->f.n, 64);
	assert_int_equal(fix_drops(x, DROP_LIMIT), 2);
	driver_link(x->d, false);
	say(p[0], 1, 1);
	fix_turn(x);
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
	fix_frame(b, sizeof(b), 1, 9);
	assert_int_equal(write(p0, b, 14 + VSWITCH_MTU_MAX),
			 14 + VSWITCH_MTU_MAX);
	assert_int_equal(write(p0, b, 65550), 65550);
	assert_int_equal(write(p0, b, 70000), 70000);
	fix_turn(x);
	assert_int_equal(x->f.n, 1);
	assert_int_equal(fix_drops(x, DROP_LONG), 2);
	close(p0);
}

/* ---- message sockets ----------------------------------------------------- */

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
		fix_until(x, 100);
		assert_int_equal(x->f.got[99].p[59], 99);
		for (int i = 0; i < 50; i++)
			fix_to_driver(x, 1000, 1);
		assert_int_equal(hear(sv[0]), 50);
		say(sv[0], 1, 7); /* a last word */
		close(sv[0]);
		fix_turn(x);
		fix_to_driver(x, 60, 1);
		fix_turn(x);
		assert_int_equal(x->f.n, 101);
		assert_int_equal(x->connected, 0);
		assert_true(fix_drops(x, DROP_NO_PEER) > 0);
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

		fix_frame(b, sizeof(b), 0xee, 0);
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
	fix_turn(x);
	say(sv[0], 1, 1);
	fix_turn(x);
	assert_true(driver_connected(x->d));
	assert_int_equal(x->f.n, 1);
	close(sv[0]);
	fix_turn(x);
	assert_false(driver_connected(x->d));
}

static void msg__listener__new_connection_replaces_the_old(void **state)
{
	struct fix *x = *state;
	struct sockaddr_un a;
	socklen_t len;
	int l = fix_listener("q", SOCK_SEQPACKET, &a, &len), c1, c2;

	listen(l, 4);
	assert_int_equal(driver_fd(&x->ctx, &x->spec, l, fix_mem(), &x->d,
				   NULL),
			 0);
	c1 = fix_dial(SOCK_SEQPACKET, &a, len);
	fix_turn(x);
	say(c1, 1, 1);
	fix_turn(x);
	c2 = fix_dial(SOCK_SEQPACKET, &a, len);
	fix_turn(x);
	say(c2, 1, 2);
	fix_turn(x);
	assert_int_equal(x->f.n, 2);
	assert_int_equal(send(c1, "x", 1, MSG_NOSIGNAL), -1);
	close(c1);
	close(c2);
	fix_turn(x);
	assert_int_equal(x->connected, 0);
}

/* ---- autodetection ------------------------------------------------------- */

static void fd__kinds_of_descriptors__right_driver_or_reason(void **state)
{
	struct fix *x = *state;
	struct errtext why = {""};
	struct sockaddr_un a;
	socklen_t len;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(driver_fd(&x->ctx, &x->spec, sv[1], fix_mem(), &x->d,
				   &why),
			 0);
	assert_string_equal(driver_name(x->d), "stream");
	driver_free(x->d);
	x->d = NULL;
	close(sv[0]);
	assert_int_equal(driver_fd(&x->ctx, &x->spec,
				   fix_listener("d", SOCK_DGRAM, &a, &len), -1,
				   &x->d, &why),
			 0);
	assert_string_equal(driver_name(x->d), "dgram");
	driver_free(x->d);
	x->d = NULL;
	assert_int_equal(driver_fd(&x->ctx, &x->spec,
				   open("/dev/null", O_RDWR | O_CLOEXEC),
				   fix_mem(), &x->d, &why),
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

#define T(f) cmocka_unit_test_setup_teardown(f, fix_setup, fix_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(dgram__several_senders__a_port_each),
		T(dgram__sender_without_address__counted_and_dropped),
		T(dgram__peer_gone__its_port_goes_the_socket_stays),
		T(dgram__way_asked_for__frames_wait_for_it),
		T(dgram__way_is_shared__until_it_is_gone),
		T(dgram__way_refused__asked_again_once_a_second),
		T(dgram__way_leads_nowhere__asked_for_again),
		T(dgram_way__wrong_answers__refused_and_closed),
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
