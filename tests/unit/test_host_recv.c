// SPDX-License-Identifier: GPL-2.0-or-later
/* links: nat_io nat_core switch_core fake_nat_host fake_ip6 */
/* Datagrams received in batches, through real sockets on the loopback. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
	assert_int_equal(hear(x), 8);
	assert_int_equal(hear(x), -EAGAIN);
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
	assert_int_equal(hear(x), 8);
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

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(recv__many_wait__all_in_order),
		T(recv__one_at_a_time_for_long__one_is_asked_for),
		T(recv__many_after_single_ones__noticed),
		T(recv__burst__buffer_grows_once),
		T(recv__buffer_is_large__left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
