// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core fake_nat_host fake_ip6 */
/* The host's datagram sockets over IPv6, on the loopback: what goes out, what comes
 * back with it, errors, forwards. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "lib/bytes.h"
#include "nat/host.h"
#include "tests/fake/fake_ip6.h"

/* The fake world, but for its datagram sockets. */
struct world {
	struct fake_nat f;
	struct event_base *base;
	struct host host;
	int fd; /* a socket at [::1]:port; -1 = the host has no IPv6 */
	uint16_t port;
};

static int64_t turn(void *arg)
{
	return ((struct world *)arg)->f.now_ms;
}

static void turn_end(void *arg, int64_t now_ms)
{
	gateway_flush(((struct world *)arg)->f.gw, now_ms);
}

static int bound(struct world *w)
{
	struct ipaddr one = ip6_of("::1"), ip;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&one, 0, &ss);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len)) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	ipaddr_from_sockaddr(&ss, &ip, &w->port);
	return fd;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct gateway *g;

	fake_nat_init(&w->f);
	fake_nat_init6(&w->f);
	w->f.cfg.host_access = NAT_HOST_LOOPBACK;
	fake_nat_start(&w->f);
	fake6_hello(&w->f, GUEST6);
	g = w->f.gw;
	w->base = event_base_new();
	w->host = (struct host){.base = w->base, .gw = g, .turn = turn,
				.turn_end = turn_end, .arg = w};
	assert_int_equal(host_init(&w->host), 0);
	g->udp.host = &host_udp_ops;
	g->icmp.host = &host_icmp_ops;
	g->forwards.host = &host_forward_ops;
	g->udp.host_arg = g->icmp.host_arg = g->forwards.host_arg = &w->host;
	w->fd = bound(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fake_nat_stop(&w->f);
	host_fini(&w->host);
	event_base_free(w->base);
	libevent_global_shutdown();
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return 0;
}

static void need_ip6(const struct world *w)
{
	if (w->fd < 0) {
		print_message("no IPv6 on this host's loopback\n");
		skip();
	}
}

/* Run the loop until the guests got @n frames. */
static void until(struct world *w, unsigned int n)
{
	for (int i = 0; i < 50 && w->f.n < n; i++)
		event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(w->f.n, n);
}

static struct fake6_pkt to_host(const struct world *w)
{
	return (struct fake6_pkt){.dst = GW6, .proto = IP4_UDP, .sport = 5000,
				  .dport = w->port, .data = "ping", .len = 4};
}

static void udp__to_loopback_and_back__as_the_gateway(void **state)
{
	struct world *w = *state;
	struct fake6_pkt k = to_host(w);
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int tclass = 0x2e;
	struct fake6_got g;
	char b[8];

	need_ip6(w);
	assert_int_equal(fake6_pkt(&w->f, &k), -1);
	assert_int_equal(recvfrom(w->fd, b, sizeof(b), 0,
				  (struct sockaddr *)&from, &len),
			 4);
	assert_memory_equal(b, "ping", 4);
	assert_int_equal(setsockopt(w->fd, IPPROTO_IPV6, IPV6_TCLASS, &tclass,
				    sizeof(tclass)),
			 0);
	assert_int_equal(sendto(w->fd, "pong!", 5, 0, (struct sockaddr *)&from,
				len),
			 5);
	until(w, 1);
	g = fake6_got(&w->f, 0);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_int_equal(g.sport, w->port);
	assert_int_equal(g.dport, 5000);
	assert_memory_equal(g.data, "pong!", 5);
	assert_int_equal(g.h.tos, 0x2e);
	assert_true(g.h.ttl > 1 && g.h.ttl < 255);
}

static void udp__nobody_listens__port_unreachable(void **state)
{
	struct world *w = *state;
	struct fake6_pkt k = to_host(w);
	struct fake6_got g;

	need_ip6(w);
	close(w->fd);
	w->fd = -1;
	assert_int_equal(fake6_pkt(&w->f, &k), -1);
	until(w, 1);
	g = fake6_got(&w->f, 0);
	assert_int_equal(g.l4[0], ICMP6_UNREACH);
	assert_int_equal(g.l4[1], ICMP6_C_PORT);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_int_equal(get_be16(g.data + 40), 5000);
	assert_memory_equal(g.data + 48, "ping", 4);
	/* The mapping works on. */
	assert_int_equal(fake6_pkt(&w->f, &k), -1);
	until(w, 2);
}

static bool first_map(void *arg, struct udp_map *m)
{
	*(struct udp_map **)arg = m;
	return false;
}

static void udp__longer_than_the_path__mtu_told(void **state)
{
	struct world *w = *state;
	struct fake6_pkt k = to_host(w);
	static uint8_t big[65500];
	struct iovec v = {big, sizeof(big)};
	struct udp_send s = {.to = {ip6_of("::1"), w->port}, .df = true,
			     .ttl = 64, .v = &v, .n = 1};
	struct udp_map *m = NULL;
	struct fake6_got g;

	need_ip6(w);
	fake6_pkt(&w->f, &k);
	udp_walk(&w->f.gw->udp, first_map, &m);
	/* The loopback takes 65536 bytes with the headers. */
	assert_int_equal(host_udp_ops.send(&w->host, m, &s), -EMSGSIZE);
	until(w, 1);
	g = fake6_got(&w->f, 0);
	assert_int_equal(g.l4[0], ICMP6_TOO_BIG);
	assert_int_equal(get_be32(g.l4 + 4), 65536);
	assert_true(is_ip6(&g.h.src, GW6));
	/* From a guest that fragments it goes in fragments. */
	s.df = false;
	assert_int_equal(host_udp_ops.send(&w->host, m, &s), 0);
}

/* Through an echo socket of @w to ::1, once. */
static void echo(struct world *w)
{
	struct icmp_map m = {.icmp = &w->f.gw->icmp,
			     .guest = {ip6_of(GUEST6), 77}};
	struct iovec v = {"hello", 5};
	struct icmp_send s = {.to = ip6_of("::1"), .ttl = 64, .df = true,
			      .seq = 9, .v = &v, .n = 1};
	int err;

	err = host_icmp_ops.open(&w->host, &m, 77);
	if (err) {
		assert_true(err == -EACCES || err == -EPERM);
		print_message("ping sockets are not allowed here\n");
		skip();
	}
	m.peer.ip = s.to;
	assert_int_equal(host_icmp_ops.send(&w->host, &m, &s), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	/* Loopback is nobody outside: the reply came, and was filtered. */
	assert_int_equal(w->f.gw->icmp.stats.filtered, 1);
	host_icmp_ops.close(&w->host, &m);
}

static void echo__by_a_ping_socket__real_answer(void **state)
{
	need_ip6(*state);
	echo(*state);
}

static void echo__by_a_raw_socket__real_answer(void **state)
{
	struct world *w = *state;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);

	need_ip6(w);
	if (fd < 0) {
		print_message("raw sockets are not allowed here\n");
		skip();
	}
	assert_int_equal(host_icmp_raw(&w->host, true, fd), 0);
	assert_int_equal(host_icmp_raw(&w->host, true, dup(fd)), -EEXIST);
	echo(w);
}

/* ---- forwards ----------------------------------------------------------------- */

static void forward__client_over_ipv6__answered_from_where_it_came(void **state)
{
	struct world *w = *state;
	struct forward *fw = calloc(1, sizeof(*fw));
	struct ipaddr one = ip6_of("::1");
	struct fake6_pkt k = {.dst = GW6, .proto = IP4_UDP, .sport = 69,
			      .data = "pong", .len = 4};
	struct sockaddr_storage to;
	struct fake6_got g;
	socklen_t len;
	int client;
	char b[8];

	if (w->fd < 0)
		free(fw);
	need_ip6(w);
	fw->id = 5;
	fw->proto = IP4_UDP;
	fw->nic_id = 7;
	fw->target_port = 69;
	w->f.resolves6 = ip6_of(GUEST6);
	assert_int_equal(forward_add(&w->f.gw->forwards, fw), 0);
	len = ipaddr_to_sockaddr(&one, w->port, &to);
	assert_int_equal(host_forward_open(&w->host, fw, w->fd), 0);
	w->fd = -1; /* the forward's now */
	client = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(sendto(client, "ping", 4, 0, (struct sockaddr *)&to,
				len),
			 4);
	until(w, 1);
	g = fake6_got(&w->f, 0);
	assert_true(is_ip6(&g.h.src, GW6));
	assert_true(is_ip6(&g.h.dst, GUEST6));
	assert_int_equal(g.dport, 69);
	k.dport = g.sport;
	assert_int_equal(fake6_pkt(&w->f, &k), -1);
	assert_int_equal(recv(client, b, sizeof(b), 0), 4);
	assert_memory_equal(b, "pong", 4);
	close(client);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* As root in a network namespace of its own, where ping sockets are for everybody:
 * the machine's may forbid them. Where that cannot be had the test skips. */
static int own_network(void **state)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd, s;

	(void)state;
	if (geteuid() || unshare(CLONE_NEWNET))
		return 0;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &lo), 0);
	assert_true(write(fd, "0 2147483647", 12) == 12 || errno == EROFS);
	close(fd);
	close(s);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(udp__to_loopback_and_back__as_the_gateway),
		T(udp__nobody_listens__port_unreachable),
		T(udp__longer_than_the_path__mtu_told),
		T(echo__by_a_ping_socket__real_answer),
		T(echo__by_a_raw_socket__real_answer),
		T(forward__client_over_ipv6__answered_from_where_it_came),
	};

	return cmocka_run_group_tests(tests, own_network, NULL);
}
