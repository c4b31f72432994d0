// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/rpc.h"
#include "tests/fake/fd_count.h"

#define LINE_MAX_ 4096
#define OUT_MAX_  (1u << 20)

struct fix {
	struct rpc_conn *c;
	int peer;   /* the other end, raw and non-blocking */
	int before; /* descriptors open before the test */
};

static int setup_line(void **state, size_t line_max)
{
	struct fix *f = calloc(1, sizeof(*f));
	int fd[2];

	if (!f)
		return -1;
	f->before = fd_count();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -1;
	f->c = rpc_conn_new(fd[0], line_max, OUT_MAX_);
	f->peer = fd[1];
	*state = f;
	return f->c && !fcntl(f->peer, F_SETFL, O_NONBLOCK) ? 0 : -1;
}

static int setup(void **state)
{
	return setup_line(state, LINE_MAX_);
}

static int setup_long(void **state)
{
	return setup_line(state, 1u << 20);
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int left;

	rpc_conn_free(f->c);
	if (f->peer >= 0)
		close(f->peer);
	left = fd_count() - f->before;
	free(f);
	return left; /* a leaked descriptor fails the test */
}

/* What the peer sends, in one piece. */
static void feed_fds(struct fix *f, const void *p, size_t len, const int *fds,
		     unsigned int nfd)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int) * 32)];
	} ctl = {0};
	struct iovec iov = {.iov_base = (void *)p, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nfd) {
		struct cmsghdr *cm;

		mh.msg_control = ctl.b;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfd);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * nfd);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * nfd);
	}
	assert_int_equal(sendmsg(f->peer, &mh, MSG_NOSIGNAL), len);
}

static void feed(struct fix *f, const char *s)
{
	feed_fds(f, s, strlen(s), NULL, 0);
}

/* Feed and read; the next message, NULL when the line was not JSON. */
static json_t *one(struct fix *f, const char *line)
{
	json_t *out;

	feed(f, line);
	assert_int_equal(rpc_conn_fill(f->c), 1);
	assert_int_equal(rpc_conn_next(f->c, &out), 1);
	return out;
}

static void is_no_json(struct fix *f, const char *line)
{
	assert_null(one(f, line));
}

/* What @f->c sent so far, as text. */
static char *sent(struct fix *f, size_t cap)
{
	char *s = test_malloc(cap + 1);
	size_t n = 0;

	for (;;) {
		ssize_t r = n < cap ? read(f->peer, s + n, cap - n) : -1;

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	s[n] = '\0';
	return s;
}

static int memfd(void)
{
	int fd = memfd_create("t", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* ---- lines ---------------------------------------------------------------- */

static void next__one_line__is_parsed(void **state)
{
	json_t *v = one(*state, "{\"a\": [1, \"\xc3\xa4\"]}\n");

	assert_int_equal(json_array_size(json_object_get(v, "a")), 2);
	json_decref(v);
}

static void next__nothing_came__gives_none(void **state)
{
	struct fix *f = *state;
	json_t *v;

	assert_int_equal(rpc_conn_next(f->c, &v), 0);
	assert_null(v);
	assert_int_equal(rpc_conn_fill(f->c), -EAGAIN);
	assert_int_equal(rpc_conn_next(f->c, &v), 0);
}

static void next__dribbled_bytes__waits_for_newline(void **state)
{
	static const char line[] = "{\"key\":\"value\"}\n";
	struct fix *f = *state;
	json_t *v;

	for (size_t i = 0; i + 1 < sizeof(line) - 1; i++) {
		feed_fds(f, line + i, 1, NULL, 0);
		assert_int_equal(rpc_conn_fill(f->c), 1);
		assert_int_equal(rpc_conn_next(f->c, &v), 0);
		assert_null(v);
	}
	v = one(f, "\n");
	assert_string_equal(json_string_value(json_object_get(v, "key")),
			    "value");
	json_decref(v);
}

static void next__many_lines_at_once__come_in_order(void **state)
{
	struct fix *f = *state;
	char buf[8000];
	size_t len = 0;
	int n = 0, got = 0;
	json_t *v;

	while (len < sizeof(buf) - 20)
		len += (size_t)snprintf(buf + len, 20, "{\"n\":%d}\n", n++);
	feed_fds(f, buf, len, NULL, 0);
	feed(f, "{\"n\":"); /* and a piece of one more */
	while (rpc_conn_fill(f->c) == 1) {
		while (rpc_conn_next(f->c, &v)) {
			assert_int_equal(
				json_integer_value(json_object_get(v, "n")),
				got++);
			json_decref(v);
		}
	}
	assert_int_equal(got, n);
	v = one(f, "-1}\n");
	assert_int_equal(json_integer_value(json_object_get(v, "n")), -1);
	json_decref(v);
}

/* Feed in pieces and read; the last message. */
static json_t *feed_long(struct fix *f, const char *p, size_t len)
{
	json_t *v, *last = NULL;

	for (size_t at = 0; at < len;) {
		size_t n = len - at < 50000 ? len - at : 50000;

		feed_fds(f, p + at, n, NULL, 0);
		at += n;
		while (rpc_conn_fill(f->c) == 1) {
			while (rpc_conn_next(f->c, &v)) {
				json_decref(last);
				last = v;
			}
		}
	}
	return last;
}

static void next__long_lines_in_pieces__come_whole(void **state)
{
	struct fix *f = *state; /* line_max is 1 MiB */
	size_t len = 900000;
	char *buf = test_malloc(len);

	memset(buf, 'x', len);
	memcpy(buf, "[1]\n[\"", 6);
	memcpy(buf + len - 3, "\"]\n", 3);
	for (int round = 0; round < 3; round++) {
		json_t *v = feed_long(f, buf, len);

		assert_int_equal(json_string_length(json_array_get(v, 0)),
				 len - 9);
		json_decref(v);
	}
	test_free(buf);
}

static void next__long_line_is_done__buffer_is_given_back(void **state)
{
	struct fix *f = *state; /* line_max is 1 MiB */
	char *buf = test_malloc(100000);
	json_t *v;

	memset(buf, ' ', 99999);
	buf[0] = '1';
	buf[99999] = '\n';
	feed_fds(f, buf, 100000, NULL, 0);
	while (rpc_conn_fill(f->c) == 1)
		;
	assert_true(rpc_conn_held(f->c) >= 100000);
	assert_int_equal(rpc_conn_next(f->c, &v), 1);
	json_decref(v);
	assert_int_equal(rpc_conn_next(f->c, &v), 0);
	assert_in_range(rpc_conn_held(f->c), 0, 32768);
	v = one(f, "[2]\n");
	assert_int_equal(rpc_conn_next(f->c, &(json_t *){NULL}), 0);
	assert_in_range(rpc_conn_held(f->c), 1, 32768);
	json_decref(v);
	test_free(buf);
}

static void next__line_of_greatest_length__is_parsed(void **state)
{
	struct fix *f = *state;
	char buf[LINE_MAX_ + 2];
	json_t *v;

	memset(buf, ' ', sizeof(buf));
	memcpy(buf, "[]", 2);
	buf[LINE_MAX_] = '\n';
	buf[LINE_MAX_ + 1] = '\0';
	v = one(f, buf);
	assert_non_null(v);
	json_decref(v);
}

static void fill__line_one_byte_too_long__says_so(void **state)
{
	struct fix *f = *state;
	char buf[LINE_MAX_ + 3];
	json_t *v;

	memset(buf, ' ', sizeof(buf));
	memcpy(buf, "[]", 2);
	buf[LINE_MAX_ + 1] = '\n'; /* all in one read */
	buf[LINE_MAX_ + 2] = '\0';
	feed(f, buf);
	assert_int_equal(rpc_conn_fill(f->c), 1);
	assert_int_equal(rpc_conn_next(f->c, &v), 0);
	assert_int_equal(rpc_conn_fill(f->c), -EMSGSIZE);
	assert_int_equal(rpc_conn_next(f->c, &v), 0);
}

static void fill__endless_line__says_too_long(void **state)
{
	struct fix *f = *state;
	char buf[100];
	json_t *v;
	int r = 1;

	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 100 && r == 1; i++) {
		feed_fds(f, buf, sizeof(buf), NULL, 0);
		r = rpc_conn_fill(f->c);
		assert_int_equal(rpc_conn_next(f->c, &v), 0);
	}
	assert_int_equal(r, -EMSGSIZE);
}

static void next__lines_before_too_long_one__are_handed_out(void **state)
{
	struct fix *f = *state;
	char buf[LINE_MAX_ + 100];
	json_t *v;

	memset(buf, 'x', sizeof(buf));
	memcpy(buf, "[1]\n[2]\n", 8);
	buf[sizeof(buf) - 1] = '\n';
	feed_fds(f, buf, sizeof(buf), NULL, 0);
	assert_int_equal(rpc_conn_fill(f->c), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(rpc_conn_next(f->c, &v), 1);
		assert_non_null(v);
		json_decref(v);
	}
	assert_int_equal(rpc_conn_next(f->c, &v), 0);
	assert_int_equal(rpc_conn_fill(f->c), -EMSGSIZE);
}

static void fill__peer_closed__ends_after_what_came(void **state)
{
	struct fix *f = *state;
	json_t *v;

	feed(f, "[]\n[");
	close(f->peer);
	f->peer = -1;
	assert_int_equal(rpc_conn_fill(f->c), 1);
	assert_int_equal(rpc_conn_next(f->c, &v), 1);
	json_decref(v);
	assert_int_equal(rpc_conn_next(f->c, &v), 0);
	assert_int_equal(rpc_conn_fill(f->c), 0);
}

/* ---- JSON ------------------------------------------------------------------ */

static void next__not_json__consumes_the_line(void **state)
{
	struct fix *f = *state;
	json_t *v;

	is_no_json(f, "\n");
	is_no_json(f, "\r\n");
	is_no_json(f, "{\n");
	is_no_json(f, "{} {}\n");
	is_no_json(f, "{\"a\":1,}\n");
	is_no_json(f, "\xff\xfe\n");
	is_no_json(f, "[\"\xc3\x28\"]\n"); /* not UTF-8 */
	is_no_json(f, "NaN\n");
	v = one(f, "{}\n");
	assert_non_null(v);
	json_decref(v);
}

static void next__bare_value__is_json(void **state)
{
	json_t *v = one(*state, " 3\r\n");

	assert_int_equal(json_integer_value(v), 3);
	json_decref(v);
}

static void next__duplicate_keys__are_refused(void **state)
{
	is_no_json(*state, "{\"a\":1,\"b\":{\"c\":1,\"c\":1}}\n");
	is_no_json(*state, "{\"a\":1,\"a\":1}\n");
}

static void next__nul__is_refused(void **state)
{
	struct fix *f = *state;
	json_t *v;

	is_no_json(f, "[\"a\\u0000b\"]\n");
	is_no_json(f, "{\"a\\u0000b\":1}\n");
	feed_fds(f, "[\"a\0b\"]\n", 8, NULL, 0);
	feed_fds(f, "[]\0\n", 4, NULL, 0);
	assert_int_equal(rpc_conn_fill(f->c), 1);
	assert_int_equal(rpc_conn_next(f->c, &v), 1);
	assert_null(v);
	assert_int_equal(rpc_conn_next(f->c, &v), 1);
	assert_null(v);
}

static void next__numbers_beyond_range__are_refused(void **state)
{
	json_t *v;

	is_no_json(*state, "[9223372036854775808]\n");
	is_no_json(*state, "[-9223372036854775809]\n");
	is_no_json(*state, "[1e999]\n");
	is_no_json(*state, "[11111111111111111111111111111111111111111]\n");
	v = one(*state, "[-9223372036854775808, 1e-999]\n");
	assert_true(json_integer_value(json_array_get(v, 0)) == INT64_MIN);
	json_decref(v);
}

/* "[[[…]]]" of @depth, with brackets in a string that do not count. */
static json_t *nested(struct fix *f, int depth)
{
	char buf[LINE_MAX_];
	int n = 0;

	for (int i = 1; i < depth; i++)
		buf[n++] = '[';
	n += sprintf(buf + n, "[\"[[[[\\\"[[[\\\\\"]");
	for (int i = 1; i < depth; i++)
		buf[n++] = ']';
	strcpy(buf + n, "\n");
	return one(f, buf);
}

static void next__nested_as_deep_as_allowed__is_parsed(void **state)
{
	json_t *v = nested(*state, RPC_DEPTH_MAX);

	assert_non_null(v);
	json_decref(v);
	/* Depth is not the number of brackets. */
	v = one(*state, "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
			"[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],{}]"
			"\n");
	assert_int_equal(json_array_size(v), 35);
	json_decref(v);
}

static void next__nested_deeper__is_refused(void **state)
{
	assert_null(nested(*state, RPC_DEPTH_MAX + 1));
	assert_null(nested(*state, 1500));
}

/* ---- descriptors in --------------------------------------------------------- */

static void take_fd__by_index_of_arrival__in_any_order(void **state)
{
	struct fix *f = *state;
	int a[2] = {memfd(), memfd()}, b = memfd(), got[3];

	feed_fds(f, "[]\n", 3, a, 2);
	feed(f, "[]\n");
	feed_fds(f, "[]\n", 3, &b, 1);
	while (rpc_conn_fill(f->c) == 1)
		;
	got[2] = rpc_conn_take_fd(f->c, 2);
	got[0] = rpc_conn_take_fd(f->c, 0);
	got[1] = rpc_conn_take_fd(f->c, 1);
	assert_true(fd_same(got[0], a[0]));
	assert_true(fd_same(got[1], a[1]));
	assert_true(fd_same(got[2], b));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(rpc_conn_take_fd(f->c, i), -1); /* once */
		close(got[i]);
	}
	assert_int_equal(rpc_conn_take_fd(f->c, 3), -1);
	assert_int_equal(rpc_conn_take_fd(f->c, -1), -1);
	assert_int_equal(rpc_conn_take_fd(f->c, INT64_MAX), -1);
	close(a[0]);
	close(a[1]);
	close(b);
}

static void take_fd__many_over_time__indices_go_on(void **state)
{
	struct fix *f = *state;
	int fd = memfd();
	json_t *v;

	for (int64_t i = 0; i < 5 * RPC_FDS_PENDING; i++) {
		int got;

		feed_fds(f, "[]\n", 3, &fd, 1);
		assert_int_equal(rpc_conn_fill(f->c), 1);
		assert_int_equal(rpc_conn_next(f->c, &v), 1);
		json_decref(v);
		got = rpc_conn_take_fd(f->c, i);
		assert_true(fd_same(got, fd));
		close(got);
	}
	close(fd);
}

static void free__descriptors_not_taken__are_closed(void **state)
{
	int fd[RPC_FDS_PENDING]; /* teardown counts */

	for (int i = 0; i < RPC_FDS_PENDING; i++)
		fd[i] = memfd();
	feed_fds(*state, "[]\n", 3, fd, RPC_FDS_PENDING);
	assert_int_equal(rpc_conn_fill(((struct fix *)*state)->c), 1);
	for (int i = 0; i < RPC_FDS_PENDING; i++)
		close(fd[i]);
}

static void fill__one_descriptor_too_many__says_so(void **state)
{
	struct fix *f = *state;
	int fd = memfd();

	for (int i = 0; i < RPC_FDS_PENDING; i++) {
		feed_fds(f, "[]\n", 3, &fd, 1);
		assert_int_equal(rpc_conn_fill(f->c), 1);
	}
	feed_fds(f, "[]\n", 3, &fd, 1);
	assert_int_equal(rpc_conn_fill(f->c), -ETOOMANYREFS);
	close(fd);
}

static void fill__too_many_descriptors_at_once__says_so(void **state)
{
	struct fix *f = *state;
	int fd[RPC_FDS_PENDING + 7];

	fd[0] = memfd();
	for (int i = 1; i < RPC_FDS_PENDING + 7; i++)
		fd[i] = fd[0];
	feed_fds(f, "[]\n", 3, fd, RPC_FDS_PENDING + 7);
	assert_int_equal(rpc_conn_fill(f->c), -ETOOMANYREFS);
	close(fd[0]);
}

static void fill__descriptor_in_mid_line__keeps_bytes(void **state)
{
	struct fix *f = *state;
	int fd = memfd(), got;
	json_t *v;

	feed(f, "[1,");
	feed_fds(f, "2,", 2, &fd, 1);
	feed(f, "3]\n");
	while (rpc_conn_fill(f->c) == 1)
		;
	assert_int_equal(rpc_conn_next(f->c, &v), 1);
	assert_int_equal(json_array_size(v), 3);
	json_decref(v);
	got = rpc_conn_take_fd(f->c, 0);
	assert_true(fd_same(got, fd));
	close(got);
	close(fd);
}

/* ---- sending --------------------------------------------------------------- */

static void send__reader_reads__goes_out_at_once(void **state)
{
	struct fix *f = *state;
	json_t *v = json_pack("{s:s}", "text", "a\nb\xc3\xa4");
	char *s;

	assert_int_equal(rpc_conn_send(f->c, v, NULL, 0), 0);
	assert_false(rpc_conn_pending(f->c));
	assert_int_equal(rpc_conn_queued(f->c), 0);
	s = sent(f, 100);
	assert_string_equal(s, "{\"text\":\"a\\nb\xc3\xa4\"}\n");
	test_free(s);
	json_decref(v);
}

/* Queue numbered messages until something waits, then to the limit. */
static int overfill(struct fix *f)
{
	json_t *v = json_pack("{s:i,s:o}", "n", 0, "pad",
			      json_sprintf("%0*d", 5000, 0));
	int n = 0, r;

	for (;;) {
		json_object_set_new(v, "n", json_integer(n));
		r = rpc_conn_send(f->c, v, NULL, 0);
		if (r)
			break;
		n++;
		assert_true(n < 10000);
		assert_true(rpc_conn_queued(f->c) <= OUT_MAX_);
	}
	assert_int_equal(r, -ENOBUFS);
	json_decref(v);
	return n;
}

static void send__reader_does_not_read__queues_up_to_the_limit(void **state)
{
	struct fix *f = *state;

	overfill(f);
	assert_true(rpc_conn_pending(f->c));
	assert_in_range(rpc_conn_queued(f->c), OUT_MAX_ - 6000, OUT_MAX_);
	assert_int_equal(rpc_conn_flush(f->c), 0);
	assert_true(rpc_conn_pending(f->c));
}

/* @r gets all that @f->c has queued; the messages are numbered from 0. */
static void read_numbered(struct fix *f, struct rpc_conn *r, int n)
{
	int got = 0, turns = 0;
	json_t *v;

	while (got < n) {
		assert_true(++turns < 100000);
		assert_int_equal(rpc_conn_flush(f->c), 0);
		while (rpc_conn_fill(r) == 1) {
			while (rpc_conn_next(r, &v)) {
				json_t *i = json_object_get(v, "n");

				assert_int_equal(json_integer_value(i), got++);
				json_decref(v);
			}
		}
	}
}

static void flush__partial_writes__arrive_whole_and_in_order(void **state)
{
	struct fix *f = *state;
	struct rpc_conn *r = rpc_conn_new(dup(f->peer), 1u << 20, OUT_MAX_);
	int size = 4096, n;

	setsockopt(rpc_conn_fd(f->c), SOL_SOCKET, SO_SNDBUF, &size,
		   sizeof(size));
	n = overfill(f);
	read_numbered(f, r, n);
	assert_false(rpc_conn_pending(f->c));
	assert_int_equal(rpc_conn_queued(f->c), 0);
	n = overfill(f); /* the limit counts what waits, not what was sent */
	assert_true(n > 100);
	rpc_conn_free(r);
}

static void send__message_exactly_at_limit__is_taken(void **state)
{
	struct fix *f = *state;
	json_t *v = json_array();

	/* [""] and newline are 5 bytes */
	json_array_append_new(v, json_sprintf("%0*d", (int)OUT_MAX_ - 5, 0));
	assert_int_equal(rpc_conn_send(f->c, v, NULL, 0), 0);
	json_array_set_new(v, 0, json_sprintf("%0*d", (int)OUT_MAX_ - 4, 0));
	assert_int_equal(rpc_conn_send(f->c, v, NULL, 0), -ENOBUFS);
	json_decref(v);
}

static void send__descriptors_behind_a_queue__ride_with_their_line(void **state)
{
	struct fix *f = *state;
	struct rpc_conn *r = rpc_conn_new(dup(f->peer), 1u << 20, OUT_MAX_);
	json_t *v = json_pack("{s:o}", "pad", json_sprintf("%0*d", 400000, 0));
	int a = memfd(), b = memfd(), got, lines = 0, turns = 0;
	json_t *in;

	assert_int_equal(rpc_conn_send(f->c, v, NULL, 0), 0);
	assert_int_equal(rpc_conn_next_index(f->c), 0);
	assert_int_equal(rpc_conn_send(f->c, v, &a, 1), 0);
	assert_int_equal(rpc_conn_next_index(f->c), 1);
	json_object_set_new(v, "pad", json_string("end"));
	assert_int_equal(rpc_conn_send(f->c, v, &b, 1), 0);
	assert_true(rpc_conn_pending(f->c));
	while (lines < 3) {
		assert_true(++turns < 10000);
		assert_int_equal(rpc_conn_flush(f->c), 0);
		while (rpc_conn_fill(r) == 1) {
			while (rpc_conn_next(r, &in)) {
				json_decref(in);
				lines++;
			}
		}
	}
	got = rpc_conn_take_fd(r, 0);
	assert_true(fd_same(got, a));
	close(got);
	got = rpc_conn_take_fd(r, 1);
	assert_true(fd_same(got, b));
	close(got);
	assert_int_equal(rpc_conn_take_fd(r, 2), -1);
	rpc_conn_free(r);
	json_decref(v);
	close(a);
	close(b);
}

static void free__descriptors_wait_to_be_sent__are_closed(void **state)
{
	struct fix *f = *state;
	json_t *v = json_pack("{s:o}", "pad", json_sprintf("%0*d", 500000, 0));
	int fd[RPC_FDS_SEND + 1];

	for (int i = 0; i <= RPC_FDS_SEND; i++)
		fd[i] = memfd();
	assert_int_equal(rpc_conn_send(f->c, v, NULL, 0), 0);
	assert_int_equal(rpc_conn_send(f->c, v, fd, RPC_FDS_SEND), 0);
	assert_int_equal(rpc_conn_send(f->c, v, fd, RPC_FDS_SEND + 1),
			 -ENOBUFS);
	assert_int_equal(rpc_conn_next_index(f->c), RPC_FDS_SEND);
	for (int i = 0; i <= RPC_FDS_SEND; i++)
		close(fd[i]);
	json_decref(v);
}

static void send__no_descriptor_left__queues_nothing(void **state)
{
	struct fix *f = *state;
	json_t *v = json_array();
	struct rlimit old, low;
	int fd = memfd();
	char *s;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(rpc_conn_send(f->c, v, &fd, 1), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_false(rpc_conn_pending(f->c));
	assert_int_equal(rpc_conn_queued(f->c), 0);
	assert_int_equal(rpc_conn_next_index(f->c), 0);
	s = sent(f, 10);
	assert_string_equal(s, "");
	test_free(s);
	close(fd);
	json_decref(v);
}

static void send__peer_closed__fails_without_signal(void **state)
{
	struct fix *f = *state;
	json_t *v = json_array();

	close(f->peer);
	f->peer = -1;
	assert_int_equal(rpc_conn_send(f->c, v, NULL, 0), -EPIPE);
	assert_int_equal(rpc_conn_flush(f->c), -EPIPE);
	json_decref(v);
}

static void send__null_message__is_refused(void **state)
{
	struct fix *f = *state;

	assert_int_equal(rpc_conn_send(f->c, NULL, NULL, 0), -ENOBUFS);
}

/* ---- builders -------------------------------------------------------------- */

static void expect(json_t *v, const char *text)
{
	char *s = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_non_null(s);
	assert_string_equal(s, text);
	free(s);
	json_decref(v);
}

static void builders__all_forms__match_the_standard(void **state)
{
	(void)state;
	expect(rpc_request("m", NULL, NULL),
	       "{\"jsonrpc\":\"2.0\",\"method\":\"m\"}");
	expect(rpc_request("m", json_array(), json_integer(3)),
	       "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":[],\"id\":3}");
	expect(rpc_result(NULL, NULL),
	       "{\"jsonrpc\":\"2.0\",\"result\":null,\"id\":null}");
	expect(rpc_result(json_string("x"), json_true()),
	       "{\"jsonrpc\":\"2.0\",\"result\":true,\"id\":\"x\"}");
	expect(rpc_failure(json_integer(1), RPC_PARSE, "no", json_integer(5)),
	       "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":"
	       "\"no\",\"data\":5},\"id\":1}");
}

static void failure__text_is_not_utf8__still_says_it(void **state)
{
	(void)state;
	expect(rpc_failure(NULL, RPC_REFUSED, "net \xc3\xa4\xc3: \xff no",
			   NULL),
	       "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":"
	       "\"net \xc3\xa4?: ? no\"},\"id\":null}");
}

static void new__not_a_descriptor__fails(void **state)
{
	(void)state;
	assert_null(rpc_conn_new(-1, 10, 10));
	rpc_conn_free(NULL);
}

#define T(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TL(f) cmocka_unit_test_setup_teardown(f, setup_long, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(next__one_line__is_parsed),
		T(next__nothing_came__gives_none),
		T(next__dribbled_bytes__waits_for_newline),
		T(next__many_lines_at_once__come_in_order),
		TL(next__long_lines_in_pieces__come_whole),
		TL(next__long_line_is_done__buffer_is_given_back),
		T(next__line_of_greatest_length__is_parsed),
		T(fill__line_one_byte_too_long__says_so),
		T(fill__endless_line__says_too_long),
		T(next__lines_before_too_long_one__are_handed_out),
		T(fill__peer_closed__ends_after_what_came),
		T(next__not_json__consumes_the_line),
		T(next__bare_value__is_json),
		T(next__duplicate_keys__are_refused),
		T(next__nul__is_refused),
		T(next__numbers_beyond_range__are_refused),
		T(next__nested_as_deep_as_allowed__is_parsed),
		T(next__nested_deeper__is_refused),
		T(take_fd__by_index_of_arrival__in_any_order),
		T(take_fd__many_over_time__indices_go_on),
		T(free__descriptors_not_taken__are_closed),
		T(fill__one_descriptor_too_many__says_so),
		T(fill__too_many_descriptors_at_once__says_so),
		T(fill__descriptor_in_mid_line__keeps_bytes),
		T(send__reader_reads__goes_out_at_once),
		T(send__reader_does_not_read__queues_up_to_the_limit),
		T(flush__partial_writes__arrive_whole_and_in_order),
		T(send__message_exactly_at_limit__is_taken),
		T(send__descriptors_behind_a_queue__ride_with_their_line),
		T(free__descriptors_wait_to_be_sent__are_closed),
		T(send__no_descriptor_left__queues_nothing),
		T(send__peer_closed__fails_without_signal),
		T(send__null_message__is_refused),
		cmocka_unit_test(builders__all_forms__match_the_standard),
		cmocka_unit_test(failure__text_is_not_utf8__still_says_it),
		cmocka_unit_test(new__not_a_descriptor__fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
