// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core fake_nat_host fake_ip6 */
/* Datagrams received in batches, through real sockets on the loopback. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/compat.h"
#include "nat/host.h"

struct fix {
	struct host h;
	struct host_burst burst;
	int in, out;
	uint8_t sent, seen; /* first byte of the next one */
};

static int set_up(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));
	struct ipaddr lo = ipaddr_from4(INADDR_LOOPBACK);
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&lo, 0, &ss);
	int small = 65536;

	assert_non_null(x);
	assert_int_equal(host_init(&x->h), 0);
	x->in = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	x->out = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(x->in >= 0 && x->out >= 0);
	setsockopt(x->in, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(x->in, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(getsockname(x->in, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(connect(x->out, (struct sockaddr *)&ss, len), 0);
	*state = x;
	return 0;
}

static int tear_down(void **state)
{
	struct fix *x = *state;

	close(x->in);
	close(x->out);
	host_fini(&x->h);
	free(x);
	return 0;
}

/* Datagrams of 1, 2, 3 … bytes, which begin with their number. */
static void send_some(struct fix *x, int n)
{
	uint8_t b[256] = {0};

	for (int i = 0; i < n; i++) {
		b[0] = x->sent++;
		assert_int_equal(send(x->out, b, b[0] + 1u, 0), b[0] + 1);
	}
}

/* The next ones, in order and whole; returns how many. */
static int hear(struct fix *x)
{
	int n = host_recv(&x->h, x->in, &x->burst);

	for (int i = 0; i < n; i++) {
		const struct host_msg *m = &x->h.msg[i];

		assert_int_equal(m->data[0], x->seen);
		assert_int_equal(m->len, x->seen + 1);
		assert_true(ipaddr_is4(&m->from.ip) && m->from.port);
		x->seen++;
	}
	return n;
}

static int buffer_of(int fd)
{
	socklen_t len = sizeof(int);
	int v = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &len), 0);
	return v;
}

static void recv__many_wait__all_in_order(void **state)
{
	struct fix *x = *state;

	send_some(x, HOST_BATCH + 8);
	assert_int_equal(hear(x), HOST_BATCH);
	/* From now on they may be long. */
	assert_int_equal(hear(x), 4);
	assert_int_equal(hear(x), 4);
	assert_int_equal(hear(x), -EAGAIN);
	send_some(x, HOST_BATCH);
	assert_int_equal(hear(x), HOST_BATCH);
}

static void recv__one_at_a_time_for_long__one_is_asked_for(void **state)
{
	struct fix *x = *state;

	for (int i = 0; i < 6; i++) {
		send_some(x, 1);
		assert_int_equal(hear(x), 1);
	}
	send_some(x, 3); /* the loop comes again for the others */
	assert_int_equal(hear(x), 1);
	assert_int_equal(hear(x), 1);
	assert_int_equal(hear(x), 1);
	assert_int_equal(hear(x), -EAGAIN);
}

static void recv__many_after_single_ones__noticed(void **state)
{
	struct fix *x = *state;
	int calls = 0;

	for (int i = 0; i < 6; i++) {
		send_some(x, 1);
		assert_int_equal(hear(x), 1);
	}
	send_some(x, 60);
	while (hear(x) > 0)
		calls++;
	assert_int_equal(x->seen, x->sent);
	assert_true(calls < 20);
}

static void recv__burst__buffer_grows_once(void **state)
{
	struct fix *x = *state;
	int before = buffer_of(x->in), small = 65536;

	send_some(x, 2);
	assert_int_equal(hear(x), 2);
	assert_int_equal(buffer_of(x->in), before);
	send_some(x, 8);
	assert_int_equal(hear(x), 8);
	assert_true(buffer_of(x->in) > before); /* what the host allows */
	setsockopt(x->in, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	send_some(x, 8);
	while (hear(x) > 0)
		;
	assert_int_equal(buffer_of(x->in), before);
}

static void recv__buffer_is_large__left_alone(void **state)
{
	struct fix *x = *state;
	int big = 64 << 20, before;

	setsockopt(x->in, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	before = buffer_of(x->in);
	if (before < 2 * HOST_RCVBUF)
		skip();
	send_some(x, 8);
	assert_int_equal(hear(x), 8);
	assert_int_equal(buffer_of(x->in), before);
}

/* ---- many in one --------------------------------------------------------------- */

static uint8_t many[65507];

/* Sent together, as datagrams of @gso. */
static void send_many(struct fix *x, size_t len, uint16_t gso)
{
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(gso))] = {0};
	struct iovec v = {many, len};
	struct msghdr mh = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(gso));
	memcpy(CMSG_DATA(c), &gso, sizeof(gso));
	assert_int_equal(sendmsg(x->out, &mh, 0), len);
}

/* A socket to which so many came that it takes them together. */
static void make_busy(struct fix *x)
{
	int big = 8 << 20, on = 0;
	socklen_t len = sizeof(on);

	setsockopt(x->in, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	assert_int_equal(host_recv_options(x->in, false, true), 0);
	send_some(x, 8);
	assert_int_equal(hear(x), 8);
	if (getsockopt(x->in, IPPROTO_UDP, UDP_GRO, &on, &len) || !on)
		skip(); /* before Linux 5.0 */
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = (uint8_t)(i * 7 + i / 251);
}

static void recv__sent_together__one_message(void **state)
{
	static const struct {
		size_t len;
		uint16_t gso, told;
	} t[] = {
		{12, 4, 4}, {1000, 100, 100}, {1001, 100, 100},
		{1000, 1000, 0}, {1000, 1200, 0}, /* but one */
		{6400, 100, 100}, {14720, 1472, 1472}, {65000, 1472, 1472},
		{60001, 30000, 30000},
	};
	struct fix *x = *state;

	make_busy(x);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct host_msg *m = &x->h.msg[0];

		send_many(x, t[i].len, t[i].gso);
		assert_int_equal(host_recv(&x->h, x->in, &x->burst), 1);
		assert_int_equal(m->len, t[i].len);
		assert_int_equal(m->gso, t[i].told);
		assert_memory_equal(m->data, many, m->len);
		assert_int_equal(m->ttl, 64);
		assert_int_equal(ipaddr_get4(&m->local), INADDR_LOOPBACK);
	}
}

static void recv__single_ones_between__told_apart(void **state)
{
	struct fix *x = *state;

	make_busy(x);
	send_many(x, 500, 100);
	send_some(x, 1);
	send_many(x, 0, 100);
	send_many(x, 450, 100);
	assert_int_equal(host_recv(&x->h, x->in, &x->burst), 4);
	assert_int_equal(x->h.msg[0].gso, 100);
	assert_int_equal(x->h.msg[0].len, 500);
	assert_int_equal(x->h.msg[1].gso, 0);
	assert_int_equal(x->h.msg[1].len, x->seen + 1);
	assert_int_equal(x->h.msg[2].gso, 0);
	assert_int_equal(x->h.msg[2].len, 0);
	assert_int_equal(x->h.msg[3].gso, 100);
	assert_int_equal(x->h.msg[3].len, 450);
}

/* A turn takes about as many bytes, whatever a message is. */
static void recv__long_ones__fewer_at_once(void **state)
{
	struct fix *x = *state;
	int n, most = 0;

	make_busy(x);
	for (int i = 0; i < 12; i++)
		send_many(x, 65000, 1000);
	while ((n = host_recv(&x->h, x->in, &x->burst)) > 0)
		most = n > most ? n : most;
	assert_int_equal(most, 4);
	for (int i = 0; i < 12; i++)
		send_many(x, 16000, 1000);
	/* Then more, by and by. */
	assert_int_equal(host_recv(&x->h, x->in, &x->burst), 4);
	assert_int_equal(host_recv(&x->h, x->in, &x->burst), 8);
	send_some(x, 20);
	while (host_recv(&x->h, x->in, &x->burst) > 0)
		;
	send_some(x, HOST_BATCH);
	assert_int_equal(host_recv(&x->h, x->in, &x->burst), HOST_BATCH);
}

/* Who gets few does not take them together, nor a socket for something else. */
static void recv__not_busy__datagrams_as_they_were_sent(void **state)
{
	struct fix *x = *state;

	send_many(x, 300, 100);
	assert_int_equal(host_recv(&x->h, x->in, &x->burst), 3);
	send_many(x, 800, 100);
	assert_int_equal(host_recv(&x->h, x->in, NULL), 8);
	assert_false(x->burst.busy);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(x->h.msg[i].len, 100);
		assert_int_equal(x->h.msg[i].gso, 0);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(recv__many_wait__all_in_order),
		T(recv__one_at_a_time_for_long__one_is_asked_for),
		T(recv__many_after_single_ones__noticed),
		T(recv__burst__buffer_grows_once),
		T(recv__buffer_is_large__left_alone),
		T(recv__sent_together__one_message),
		T(recv__single_ones_between__told_apart),
		T(recv__long_ones__fewer_at_once),
		T(recv__not_busy__datagrams_as_they_were_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
