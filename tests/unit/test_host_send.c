// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core fake_nat_host fake_ip6 */
/* Many datagrams in one call, through real sockets on the loopback. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/compat.h"
#include "nat/host.h"

/* A socket that sends and one that hears, of one family. */
struct pair {
	int out, in;
	struct endpoint to;
};

static struct pair pair_make(bool ip6)
{
	struct ipaddr lo = {.b = {[15] = 1}};
	struct sockaddr_storage ss;
	struct pair p;
	int family = ip6 ? AF_INET6 : AF_INET, big = 4 << 20;
	socklen_t len;

	if (!ip6)
		lo = ipaddr_from4(INADDR_LOOPBACK);
	p.in = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	p.out = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(p.in >= 0 && p.out >= 0);
	setsockopt(p.in, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	len = ipaddr_to_sockaddr(&lo, 0, &ss);
	if (bind(p.in, (struct sockaddr *)&ss, len)) { /* no IPv6 here */
		close(p.in);
		close(p.out);
		p.in = -1;
		return p;
	}
	len = sizeof(ss);
	assert_int_equal(getsockname(p.in, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(ipaddr_from_sockaddr(&ss, &p.to.ip, &p.to.port), 0);
	return p;
}

static void pair_close(const struct pair *p)
{
	close(p->in);
	close(p->out);
}

static uint8_t bytes[65536], got[65536];

/* Send @len bytes as datagrams of @gso, in pieces of memory; all of them arrive, in
 * order, each of its size. */
static void send_and_hear(const struct pair *p, size_t len, uint16_t gso,
			  bool plain)
{
	struct iovec v[3] = {{bytes, len / 3}, {bytes + len / 3, len / 3}};
	struct udp_send s = {.to = p->to, .ttl = 60, .tos = 0x20, .v = v, .n = 3,
			     .gso = gso};
	bool was = plain;

	v[2].iov_base = bytes + len / 3 * 2;
	v[2].iov_len = len - len / 3 * 2;
	assert_int_equal(host_send(p->out, &s, NULL, &plain), 0);
	assert_int_equal(plain, was);
	for (size_t at = 0; at < len; at += gso) {
		ssize_t want = (ssize_t)min_sz(gso, len - at);

		assert_int_equal(recv(p->in, got, sizeof(got), 0), want);
		assert_memory_equal(got, bytes + at, (size_t)want);
	}
	assert_int_equal(recv(p->in, got, sizeof(got), 0), -1);
}

static void fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static void send__many_of_one_size__all_of_their_size(void **state)
{
	static const struct {
		size_t len;
		uint16_t gso;
	} t[] = {
		{12, 4}, {1000, 100}, {1001, 100}, {1099, 100}, {6400, 100},
		{6500, 100}, /* more than go at once */
		{20000, 100}, {14720, 1472}, {65000, 1472}, {60001, 30000},
		{65000, 600},
	};

	(void)state;
	fill();
	for (int ip6 = 0; ip6 < 2; ip6++) {
		struct pair p = pair_make(ip6);

		if (p.in < 0)
			continue;
		for (size_t i = 0; i < ARRAY_LEN(t); i++) {
			send_and_hear(&p, t[i].len, t[i].gso, false);
			send_and_hear(&p, t[i].len, t[i].gso, true);
		}
		pair_close(&p);
	}
}

/* With checksums off the kernel refuses to send many; each goes by itself. */
static void send__kernel_refuses_many__one_by_one(void **state)
{
	struct pair p = pair_make(false);
	int one = 1;

	(void)state;
	fill();
	assert_int_equal(setsockopt(p.out, SOL_SOCKET, SO_NO_CHECK, &one,
				    sizeof(one)), 0);
	send_and_hear(&p, 1050, 100, false);
	pair_close(&p);
}

/* As a probe of the path's MTU before a packet that is known to fit. */
static void send__first_is_too_long__the_next_one_goes(void **state)
{
	struct pair p = pair_make(false);
	struct iovec v = {bytes, 65530};
	struct udp_send s = {.to = p.to, .ttl = 60, .v = &v, .n = 1,
			     .gso = 65510};
	bool plain = false;

	(void)state;
	fill();
	assert_int_equal(host_send(p.out, &s, NULL, &plain), -EMSGSIZE);
	assert_int_equal(recv(p.in, got, sizeof(got), 0), 20);
	assert_memory_equal(got, bytes + 65510, 20);
	pair_close(&p);
}

static void send__destination_is_no_host__error(void **state)
{
	struct pair p = pair_make(false);
	struct iovec v = {bytes, 1000};
	struct udp_send s = {.to = {ipaddr_from4(0xffffffff), 9}, .ttl = 60,
			     .v = &v, .n = 1, .gso = 100};
	bool plain = false;

	(void)state;
	/* Broadcast, without having asked for it. */
	assert_int_equal(host_send(p.out, &s, NULL, &plain), -EACCES);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(send__many_of_one_size__all_of_their_size),
		cmocka_unit_test(send__kernel_refuses_many__one_by_one),
		cmocka_unit_test(send__first_is_too_long__the_next_one_goes),
		cmocka_unit_test(send__destination_is_no_host__error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
