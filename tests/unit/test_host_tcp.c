// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core fake_tcp tcp_peer */
/* The whole way: an emulated guest, the core, real sockets over loopback. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "nat/host_tcp.h"
#include "tests/fake/tcp_peer.h"

#define MIB   (1 << 20)
#define TURNS 20000 /* of the loop; what takes longer is stuck */

struct rig {
	struct fake_tcp r;
	struct tcp_peer p;
	struct event_base *base;
	struct host_tcp *h;
	int listener, fd; /* the server: its connection */
	uint16_t port;
	uint8_t *up, *down;
	uint8_t *got; /* what the server received */
	size_t up_len, down_len, got_len, sent;
	bool got_eof, sent_eof;
	size_t reads; /* bytes a turn the server reads; SIZE_MAX = all */
	int got_err;
};

static int64_t rig_now(void *arg)
{
	return ((struct rig *)arg)->r.now_ms;
}

static struct rig *rig_new(enum host_tcp_peek peek, size_t up, size_t down)
{
	struct rig *x = calloc(1, sizeof(*x));
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);

	x->base = event_base_new();
	assert_int_equal(host_tcp_new(x->base, peek, rig_now, x, &x->h), 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	x->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(x->listener, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(x->listener, 5), 0);
	assert_int_equal(getsockname(x->listener, (void *)&a, &len), 0);
	x->port = ntohs(a.sin_port);
	x->fd = -1;
	fake_tcp_init(&x->r);
	x->r.ops = &host_tcp_ops;
	x->r.ops_arg = x->h;
	x->r.redirect = endpoint4(INADDR_LOOPBACK, x->port);
	fake_tcp_start(&x->r);
	tcp_peer_init(&x->p, &x->r, 40000, down);
	x->up = malloc(up + 1);
	x->down = malloc(down + 1);
	x->got = malloc(up + 1);
	for (size_t i = 0; i < up; i++)
		x->up[i] = (uint8_t)tcp_peer_rnd(&x->p, 256);
	for (size_t i = 0; i < down; i++)
		x->down[i] = (uint8_t)tcp_peer_rnd(&x->p, 256);
	x->up_len = up;
	x->down_len = down;
	x->p.tx = x->up;
	x->p.tx_len = up;
	x->reads = SIZE_MAX;
	return x;
}

static void rig_free(struct rig *x)
{
	struct host_tcp_stats s;

	tcp_peer_fini(&x->p);
	fake_tcp_stop(&x->r);
	host_tcp_stats(x->h, &s);
	assert_int_equal(s.sockets, 0);
	host_tcp_free(x->h);
	event_base_free(x->base);
	if (x->fd >= 0)
		close(x->fd);
	if (x->listener >= 0)
		close(x->listener);
	free(x->up);
	free(x->down);
	free(x->got);
	free(x);
}

static void server_reads(struct rig *x)
{
	size_t want = x->up_len + 1 - x->got_len;
	ssize_t n;

	if (want > x->reads)
		want = x->reads;
	if (!want || x->got_eof)
		return;
	n = recv(x->fd, x->got + x->got_len, want, MSG_DONTWAIT);
	if (n > 0)
		x->got_len += (size_t)n;
	else if (!n)
		x->got_eof = true;
	else if (errno != EAGAIN)
		x->got_err = errno;
}

static void server_writes(struct rig *x)
{
	ssize_t n;

	if (x->sent < x->down_len) {
		n = send(x->fd, x->down + x->sent, x->down_len - x->sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			x->sent += (size_t)n;
	} else if (!x->sent_eof && x->p.tx_fin) {
		shutdown(x->fd, SHUT_WR);
		x->sent_eof = true;
	}
}

static void turn(struct rig *x)
{
	if (x->fd < 0)
		x->fd = accept4(x->listener, NULL, NULL, SOCK_NONBLOCK);
	if (x->fd >= 0) {
		server_writes(x);
		server_reads(x);
	}
	event_base_loop(x->base, EVLOOP_NONBLOCK);
	fake_tcp_settle(&x->r);
	tcp_peer_step(&x->p);
}

static void turns(struct rig *x, int n)
{
	while (n--)
		turn(x);
}

static struct tcp_stats stats(struct rig *x)
{
	struct tcp_stats s;

	tcp_stats(x->r.t, &s);
	return s;
}

static void open_it(struct rig *x)
{
	tcp_peer_connect(&x->p);
	for (int i = 0; i < 100 && !(x->p.open && x->fd >= 0); i++)
		turn(x);
	assert_true(x->p.open);
}

static void carry_both_ways(struct rig *x)
{
	int i;

	x->p.tx_fin = true;
	x->p.gso_out = true;
	open_it(x);
	for (i = 0; i < TURNS; i++) {
		turn(x);
		if (x->p.rcvd_fin && x->p.fin_acked && x->got_eof)
			break;
	}
	assert_int_equal(x->p.rx_len, x->down_len);
	assert_memory_equal(x->p.rx, x->down, x->down_len);
	assert_int_equal(x->got_len, x->up_len);
	assert_memory_equal(x->got, x->up, x->up_len);
	assert_true(i < TURNS);
	fake_tcp_wait(&x->r, TCP_TIME_WAIT_MS + 5000);
	assert_int_equal(stats(x).flows, 0);
	rig_free(x);
}

static void both_ways(enum host_tcp_peek peek)
{
	carry_both_ways(rig_new(peek, 8 * MIB, 8 * MIB));
}

/* The same over IPv6; false when the loopback has none. */
static bool rig_make_ip6(struct rig *x)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(a);

	close(x->listener);
	x->listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (x->listener < 0 || bind(x->listener, (void *)&a, sizeof(a)))
		return false;
	assert_int_equal(listen(x->listener, 5), 0);
	assert_int_equal(getsockname(x->listener, (void *)&a, &len), 0);
	assert_int_equal(ipaddr_parse("::1", &x->r.redirect.ip), 0);
	x->r.redirect.port = x->port = ntohs(a.sin6_port);
	assert_int_equal(ipaddr_parse("fd00:1::15", &x->p.me.ip), 0);
	assert_int_equal(ipaddr_parse("2001:db8::1", &x->p.remote.ip), 0);
	return true;
}

static void transfer__over_ipv6__all_bytes(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 2 * MIB, 2 * MIB);

	(void)state;
	if (!rig_make_ip6(x)) {
		rig_free(x);
		print_message("no IPv6 on this host's loopback\n");
		skip();
		return;
	}
	carry_both_ways(x);
}

static void transfer__kernel_peeks_at_offset__all_bytes(void **state)
{
	(void)state;
	both_ways(HOST_TCP_PEEK_AUTO);
}

static void transfer__peek_over_skip_area__all_bytes(void **state)
{
	(void)state;
	both_ways(HOST_TCP_PEEK_COPY);
}

static void lossy(enum host_tcp_peek peek)
{
	struct rig *x = rig_new(peek, MIB, MIB);
	int i;

	x->p.tx_fin = true;
	x->p.segment = true;
	x->p.to_guest.loss = x->p.from_guest.loss = 20;
	x->p.to_guest.late = x->p.from_guest.late = 30;
	x->p.to_guest.late_ms = x->p.from_guest.late_ms = 3;
	open_it(x);
	for (i = 0; i < 3 * TURNS; i++) {
		turn(x);
		if (x->p.rcvd_fin && x->p.fin_acked && x->got_eof)
			break;
	}
	assert_int_equal(x->p.rx_len, x->down_len);
	assert_memory_equal(x->p.rx, x->down, x->down_len);
	assert_memory_equal(x->got, x->up, x->up_len);
	assert_true(stats(x).rexmits > 0);
	rig_free(x);
}

static void transfer__losses_either_peek__all_bytes(void **state)
{
	(void)state;
	lossy(HOST_TCP_PEEK_AUTO);
	lossy(HOST_TCP_PEEK_COPY);
}

static void connect__nobody_listens__guest_reset(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 0);

	(void)state;
	close(x->listener);
	x->listener = -1;
	tcp_peer_connect(&x->p);
	for (int i = 0; i < 100 && !x->p.was_reset; i++) {
		event_base_loop(x->base, EVLOOP_NONBLOCK);
		fake_tcp_settle(&x->r);
		tcp_peer_step(&x->p);
	}
	assert_true(x->p.was_reset);
	assert_int_equal(stats(x).refused, 1);
	rig_free(x);
}

static void connect__no_descriptors__clean_refusal(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 0);
	struct rlimit old, low;
	struct host_tcp_stats s;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &low);
	tcp_peer_connect(&x->p);
	for (int i = 0; i < 10; i++)
		tcp_peer_step(&x->p);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_true(x->p.was_reset);
	assert_int_equal(stats(x).no_descriptor, 1);
	assert_int_equal(stats(x).flows, 0);
	host_tcp_stats(x->h, &s);
	assert_int_equal(s.no_descriptor, 1);
	rig_free(x);
}

static void connect__same_destination_again__by_another_port(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 0);
	struct tcp_call call = {
		.guest = endpoint4(0x0a00020f, (uint16_t)(x->port ^ 1)),
		.to = endpoint4(INADDR_LOOPBACK, x->port),
	};
	struct endpoint ours[2];
	void *s[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(host_tcp_ops.connect(x->h, NULL, &call, &s[i]),
				 0);
		assert_true(host_tcp_ops.local(s[i], &ours[i]));
		assert_true(ipaddr_is_loopback(&ours[i].ip));
	}
	assert_int_not_equal(ours[0].port, ours[1].port);
	for (int i = 0; i < 2; i++)
		host_tcp_ops.close(s[i], true);
	rig_free(x);
}

/* The old one is closed when there is time for it, or when it is in the way. */
static void connect__again_while_the_old_one_is_closed__same_port(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 0);
	struct tcp_call call = {
		.guest = endpoint4(0x0a00020f, (uint16_t)(x->port ^ 1)),
		.to = endpoint4(INADDR_LOOPBACK, x->port),
	};
	struct endpoint ours, before = {0};
	void *s;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(host_tcp_ops.connect(x->h, NULL, &call, &s),
				 0);
		assert_true(host_tcp_ops.local(s, &ours));
		assert_true(!i || ours.port == before.port);
		before = ours;
		host_tcp_ops.close(s, true);
	}
	rig_free(x);
}

static unsigned int descriptors(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void close__many_in_one_turn__few_wait(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 0);
	struct tcp_call call = {.to = endpoint4(INADDR_LOOPBACK, x->port)};
	unsigned int before = descriptors();
	void *s[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		call.guest = endpoint4(0x0a00020f, (uint16_t)(30000 + i));
		assert_int_equal(host_tcp_ops.connect(x->h, NULL, &call, &s[i]),
				 0);
	}
	assert_int_equal(descriptors(), before + 100);
	for (int i = 0; i < 100; i++)
		host_tcp_ops.close(s[i], true);
	assert_in_range(descriptors(), before + 1, before + 8);
	event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(descriptors(), before);
	rig_free(x);
}

static void slow_server__guest_waits__no_busy_loop(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 32 * MIB, 0);
	unsigned int kicks;
	size_t before;

	(void)state;
	x->p.gso_out = true;
	x->reads = 0;
	open_it(x);
	turns(x, 1000); /* all buffers are full now */
	kicks = x->r.kicks;
	for (int i = 0; i < 1000; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->r.kicks, kicks);
	assert_true(stats(x).flows == 1);
	/* And it goes on as soon as there is room. */
	before = x->got_len;
	x->reads = SIZE_MAX;
	for (int i = 0; i < TURNS && x->got_len < x->up_len; i++)
		turn(x);
	assert_true(x->got_len > before);
	assert_int_equal(x->got_len, x->up_len);
	assert_memory_equal(x->got, x->up, x->up_len);
	rig_free(x);
}

static void slow_guest(enum host_tcp_peek peek)
{
	struct rig *x = rig_new(peek, 0, 16 * MIB);
	unsigned int kicks;

	x->p.rcv_cap = 65536;
	x->p.read_per_ms = 1; /* next to nothing */
	open_it(x);
	turns(x, 200);
	kicks = x->r.kicks;
	for (int i = 0; i < 1000; i++)
		event_base_loop(x->base, EVLOOP_NONBLOCK);
	assert_int_equal(x->r.kicks, kicks);
	x->p.read_per_ms = 1 << 20;
	for (int i = 0; i < TURNS && x->p.rx_len < x->down_len; i++)
		turn(x);
	assert_int_equal(x->p.rx_len, x->down_len);
	assert_memory_equal(x->p.rx, x->down, x->down_len);
	rig_free(x);
}

static void slow_guest__server_waits__no_busy_loop(void **state)
{
	(void)state;
	slow_guest(HOST_TCP_PEEK_AUTO);
	slow_guest(HOST_TCP_PEEK_COPY);
}

static void reset__by_server__guest_sees_it(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 5);
	struct linger hard = {1, 0};

	(void)state;
	open_it(x);
	turns(x, 20);
	assert_int_equal(x->p.rx_len, 5);
	setsockopt(x->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(x->fd);
	x->fd = -1;
	turns(x, 20);
	assert_true(x->p.was_reset);
	assert_int_equal(stats(x).flows, 0);
	rig_free(x);
}

/* The server closes with unread bytes: its answer, then a reset. */
static void reset__by_server_behind_answer__answer_first(void **state)
{
	for (int peek = HOST_TCP_PEEK_AUTO; peek <= HOST_TCP_PEEK_COPY; peek++) {
		struct rig *x = rig_new((enum host_tcp_peek)peek, 1000, 13);

		(void)state;
		x->reads = 0;
		open_it(x);
		for (int i = 0; i < 10 && x->sent < 13; i++)
			server_writes(x);
		usleep(1000); /* both are in the kernel's hands */
		close(x->fd);
		x->fd = -1;
		turns(x, 300);
		assert_int_equal(x->p.rx_len, 13);
		assert_memory_equal(x->p.rx, x->down, 13);
		assert_true(x->p.was_reset);
		rig_free(x);
	}
}

static void reset__by_guest__server_sees_it(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 10, 0);

	(void)state;
	open_it(x);
	turns(x, 20);
	assert_int_equal(x->got_len, 10);
	tcp_peer_reset(&x->p);
	turns(x, 20);
	assert_int_equal(x->got_err, ECONNRESET);
	rig_free(x);
}

static void half_close__guest_first__answer_comes(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 10, 20000);

	(void)state;
	x->down_len = 0;
	open_it(x);
	x->p.tx_fin = true;
	x->sent_eof = true; /* not yet */
	turns(x, 50);
	assert_true(x->got_eof);
	assert_true(x->p.fin_acked);
	x->down_len = 20000;
	turns(x, 50);
	assert_int_equal(x->p.rx_len, 20000);
	x->sent_eof = false;
	turns(x, 50);
	assert_true(x->p.rcvd_fin);
	assert_int_equal(stats(x).flows, 0);
	rig_free(x);
}

static void half_close__server_first__guest_goes_on(void **state)
{
	for (int peek = HOST_TCP_PEEK_AUTO; peek <= HOST_TCP_PEEK_COPY; peek++) {
		struct rig *x = rig_new((enum host_tcp_peek)peek, 20000, 7);

		(void)state;
		x->p.tx_len = 0;
		open_it(x);
		turns(x, 5);
		shutdown(x->fd, SHUT_WR);
		turns(x, 50);
		assert_int_equal(x->p.rx_len, 7);
		assert_true(x->p.rcvd_fin);
		x->p.tx_len = 20000;
		turns(x, 50);
		assert_int_equal(x->got_len, 20000);
		x->sent_eof = true;
		x->p.tx_fin = true;
		turns(x, 50);
		assert_true(x->got_eof);
		assert_int_equal(stats(x).time_wait, 1);
		rig_free(x);
	}
}

static void server_gone_after_half_close__guest_reset(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 20000, 7);

	(void)state;
	x->p.tx_len = 0;
	open_it(x);
	turns(x, 5);
	close(x->fd); /* both ways, nothing unread: a FIN */
	x->fd = -1;
	turns(x, 50);
	assert_true(x->p.rcvd_fin);
	x->p.tx_len = 100; /* the kernel answers with RST, and nothing else */
	turns(x, 50);
	assert_true(x->p.was_reset);
	rig_free(x);
}

static void adopt__client_of_forward__carried_to_guest(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 5000, 5000);
	struct sockaddr_in a = {.sin_family = AF_INET};
	struct tcp_accept acc = {
		.guest = x->p.me,
		.shown = endpoint4(0xc0a80177, 5000),
		.nic_id = 7,
		.forward_id = 1,
	};
	int fd;

	(void)state;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(x->port);
	x->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(x->fd, (void *)&a, sizeof(a)), 0);
	fd = accept4(x->listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(host_tcp_adopt(x->h, fd, &acc.sock), 0);
	assert_int_equal(tcp_accept(x->r.t, &acc, x->r.now_ms), 0);
	fake_tcp_settle(&x->r);
	x->p.tx_fin = true;
	turns(x, 100);
	assert_memory_equal(x->p.rx, x->down, 5000);
	assert_memory_equal(x->got, x->up, 5000);
	assert_true(x->p.rcvd_fin && x->got_eof);
	rig_free(x);
}

static void options__of_a_listener__its_clients_have_them(void **state)
{
	struct rig *x = rig_new(HOST_TCP_PEEK_AUTO, 0, 0);
	struct sockaddr_in a = {.sin_family = AF_INET};
	int alive = 0, inlined = 0, fd;
	socklen_t len = sizeof(alive);

	(void)state;
	host_tcp_options(x->listener);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a.sin_port = htons(x->port);
	x->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(x->fd, (void *)&a, sizeof(a)), 0);
	fd = accept(x->listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_false(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &alive, &len));
	assert_false(getsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &inlined, &len));
	assert_int_equal(alive, 1);
	assert_int_equal(inlined, 1);
	close(fd);
	rig_free(x);
}

static void urgent__from_server__inline(void **state)
{
	for (int peek = HOST_TCP_PEEK_AUTO; peek <= HOST_TCP_PEEK_COPY; peek++) {
		struct rig *x = rig_new((enum host_tcp_peek)peek, 0, 9);

		(void)state;
		x->down_len = 0;
		open_it(x);
		memcpy(x->down, "abc!defgh", 9);
		send(x->fd, "abc", 3, 0);
		send(x->fd, "!", 1, MSG_OOB);
		send(x->fd, "defgh", 5, 0);
		turns(x, 50);
		assert_int_equal(x->p.rx_len, 9);
		assert_memory_equal(x->p.rx, x->down, 9);
		rig_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfer__kernel_peeks_at_offset__all_bytes),
		cmocka_unit_test(transfer__peek_over_skip_area__all_bytes),
		cmocka_unit_test(transfer__losses_either_peek__all_bytes),
		cmocka_unit_test(transfer__over_ipv6__all_bytes),
		cmocka_unit_test(connect__nobody_listens__guest_reset),
		cmocka_unit_test(connect__no_descriptors__clean_refusal),
		cmocka_unit_test(connect__same_destination_again__by_another_port),
		cmocka_unit_test(connect__again_while_the_old_one_is_closed__same_port),
		cmocka_unit_test(close__many_in_one_turn__few_wait),
		cmocka_unit_test(slow_server__guest_waits__no_busy_loop),
		cmocka_unit_test(slow_guest__server_waits__no_busy_loop),
		cmocka_unit_test(reset__by_server__guest_sees_it),
		cmocka_unit_test(reset__by_server_behind_answer__answer_first),
		cmocka_unit_test(reset__by_guest__server_sees_it),
		cmocka_unit_test(half_close__guest_first__answer_comes),
		cmocka_unit_test(half_close__server_first__guest_goes_on),
		cmocka_unit_test(server_gone_after_half_close__guest_reset),
		cmocka_unit_test(adopt__client_of_forward__carried_to_guest),
		cmocka_unit_test(options__of_a_listener__its_clients_have_them),
		cmocka_unit_test(urgent__from_server__inline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
