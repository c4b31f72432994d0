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

#include "lib/chan.h"
#include "tests/fake/fd_count.h"

struct fix {
	struct chan *a, *b;
	int before; /* descriptors open before the test */
};

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	int fd[2];

	if (!f)
		return -1;
	f->before = fd_count();
	if (chan_pair(fd))
		return -1;
	f->a = chan_new(fd[0]);
	f->b = chan_new(fd[1]);
	*state = f;
	return f->a && f->b ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int left;

	chan_free(f->a);
	chan_free(f->b);
	left = fd_count() - f->before;
	free(f);
	return left; /* a leaked descriptor fails the test */
}

/* Fill the socket from @f->a until a message has to wait; how many were sent. */
static uint32_t fill(struct fix *f, size_t len)
{
	uint8_t *body = test_calloc(1, len + 1);
	uint32_t id = 0;

	while (!chan_pending(f->a)) {
		id++;
		assert_int_equal(chan_send(f->a, 1, id, body, len, NULL, 0), 0);
		assert_true(id < 100000);
	}
	test_free(body);
	return id;
}

static void raw_send(struct fix *f, const void *p, size_t len, const int *fds,
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
	assert_int_equal(sendmsg(chan_fd(f->a), &mh, 0), len);
}

static void send__small__arrives_with_type_id_and_nul(void **state)
{
	struct fix *f = *state;
	struct chan_msg m;

	assert_int_equal(chan_send(f->a, 7, 42, "abc", 3, NULL, 0), 0);
	assert_false(chan_pending(f->a));
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(m.type, 7);
	assert_int_equal(m.id, 42);
	assert_int_equal(m.len, 3);
	assert_int_equal(m.nfd, 0);
	assert_string_equal((const char *)m.body, "abc");
}

static void send__no_body__arrives_empty(void **state)
{
	struct fix *f = *state;
	struct chan_msg m;

	assert_int_equal(chan_send(f->a, 1, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(m.len, 0);
	assert_string_equal((const char *)m.body, "");
}

static void send__greatest_body__arrives_whole(void **state)
{
	struct fix *f = *state;
	uint8_t *body = test_malloc(CHAN_BODY_MAX + 1);
	struct chan_msg m;

	for (size_t i = 0; i <= CHAN_BODY_MAX; i++)
		body[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(chan_send(f->a, 1, 1, body, CHAN_BODY_MAX, NULL, 0),
			 0);
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(m.len, CHAN_BODY_MAX);
	assert_memory_equal(m.body, body, CHAN_BODY_MAX);
	assert_int_equal(m.body[m.len], 0);
	assert_int_equal(chan_send(f->a, 1, 1, body, CHAN_BODY_MAX + 1, NULL,
				   0),
			 -EMSGSIZE);
	assert_int_equal(chan_recv(f->b, &m), -EAGAIN);
	test_free(body);
}

static void send__descriptors__arrive_in_order(void **state)
{
	struct fix *f = *state;
	int fd[CHAN_FDS_MAX + 1];
	struct chan_msg m;

	for (int i = 0; i <= CHAN_FDS_MAX; i++)
		assert_true((fd[i] = memfd_create("t", MFD_CLOEXEC)) >= 0);
	assert_int_equal(chan_send(f->a, 1, 1, "x", 1, fd, CHAN_FDS_MAX + 1),
			 -EMSGSIZE);
	assert_int_equal(chan_send(f->a, 1, 1, "x", 1, fd, CHAN_FDS_MAX), 0);
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(m.nfd, CHAN_FDS_MAX);
	for (int i = 0; i < CHAN_FDS_MAX; i++) {
		assert_true(fd_same(m.fd[i], fd[i]));
		assert_int_equal(fcntl(m.fd[i], F_GETFD), FD_CLOEXEC);
	}
	close(m.fd[2]);
	m.fd[2] = -1; /* taken */
	chan_msg_close(&m);
	for (int i = 0; i <= CHAN_FDS_MAX; i++)
		close(fd[i]);
}

static void send__socket_full__keeps_order_and_descriptors(void **state)
{
	struct fix *f = *state;
	int fd = memfd_create("t", MFD_CLOEXEC);
	uint32_t last = fill(f, 1000), got = 0;
	struct chan_msg m;

	assert_int_equal(chan_send(f->a, 2, last + 1, "fd", 2, &fd, 1), 0);
	assert_int_equal(chan_send(f->a, 3, last + 2, "end", 3, NULL, 0), 0);
	close(fd); /* borrowed: the queue has its own */
	while (got < last + 2) {
		int r = chan_recv(f->b, &m);

		if (r == -EAGAIN) {
			assert_int_equal(chan_flush(f->a), 0);
			continue;
		}
		assert_int_equal(r, 1);
		assert_int_equal(m.id, ++got);
		assert_int_equal(m.nfd, got == last + 1);
		chan_msg_close(&m);
	}
	assert_false(chan_pending(f->a));
	assert_int_equal(m.type, 3);
	assert_string_equal((const char *)m.body, "end");
}

static void free__descriptors_wait__are_closed(void **state)
{
	struct fix *f = *state; /* teardown counts descriptors */
	int fd = memfd_create("t", MFD_CLOEXEC);

	fill(f, 1000);
	assert_int_equal(chan_send(f->a, 2, 0, NULL, 0, &fd, 1), 0);
	close(fd);
}

static void flush__socket_full__leaves_the_rest(void **state)
{
	struct fix *f = *state;

	fill(f, 1000);
	assert_int_equal(chan_flush(f->a), 0);
	assert_true(chan_pending(f->a));
}

static void flush__other_end_gone__fails(void **state)
{
	struct fix *f = *state;

	fill(f, 1000);
	chan_free(f->b);
	f->b = NULL;
	assert_int_equal(chan_flush(f->a), -EPIPE);
}

static void send__queue_has_most_messages__is_refused(void **state)
{
	struct fix *f = *state;

	fill(f, 0);
	for (int i = 1; i < CHAN_QUEUE_MAX; i++)
		assert_int_equal(chan_send(f->a, 1, 1, NULL, 0, NULL, 0), 0);
	assert_int_equal(chan_send(f->a, 1, 1, NULL, 0, NULL, 0), -ENOBUFS);
}

static void send__queue_has_most_bytes__is_refused_until_drained(void **state)
{
	struct fix *f = *state;
	uint8_t *body = test_calloc(1, CHAN_BODY_MAX);
	struct chan_msg m;
	int n = 0;

	while (!chan_send(f->a, 1, 1, body, CHAN_BODY_MAX, NULL, 0))
		assert_true(++n < 2000);
	assert_in_range(n, CHAN_QUEUE_BYTES / CHAN_BODY_MAX - 1,
			CHAN_QUEUE_BYTES / CHAN_BODY_MAX + 100);
	assert_int_equal(chan_send(f->a, 1, 1, body, CHAN_BODY_MAX, NULL, 0),
			 -ENOBUFS);
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(chan_flush(f->a), 0);
	assert_int_equal(chan_send(f->a, 1, 1, body, CHAN_BODY_MAX, NULL, 0),
			 0);
	test_free(body);
}

static void send__no_descriptor_left_to_keep__fails_and_queues_nothing(
	void **state)
{
	struct fix *f = *state;
	struct rlimit old, low;
	int fd = memfd_create("t", MFD_CLOEXEC);

	fill(f, 1000);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(chan_send(f->a, 1, 9, NULL, 0, &fd, 1), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
}

static void send__other_end_gone__fails(void **state)
{
	struct fix *f = *state;

	chan_free(f->b);
	f->b = NULL;
	assert_int_equal(chan_send(f->a, 1, 1, "x", 1, NULL, 0), -EPIPE);
}

static void recv__nothing__says_again(void **state)
{
	struct fix *f = *state;
	struct chan_msg m;

	assert_int_equal(chan_recv(f->b, &m), -EAGAIN);
}

static void recv__other_end_gone__reads_what_came_then_ends(void **state)
{
	struct fix *f = *state;
	struct chan_msg m;

	assert_int_equal(chan_send(f->a, 1, 1, "x", 1, NULL, 0), 0);
	chan_free(f->a);
	f->a = NULL;
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(chan_recv(f->b, &m), 0);
	assert_int_equal(chan_recv(f->b, &m), 0);
}

static void recv__shorter_than_header__is_malformed(void **state)
{
	struct fix *f = *state;
	int fd = memfd_create("t", MFD_CLOEXEC);
	struct chan_msg m;

	for (size_t len = 1; len < 8; len++) {
		raw_send(f, "\1\0\0\0\0\0\0\0", len, &fd, 1);
		assert_int_equal(chan_recv(f->b, &m), -EPROTO);
	}
	close(fd);
}

static void recv__empty_with_descriptor__is_malformed_and_closes_it(
	void **state)
{
	struct fix *f = *state;
	int fd = memfd_create("t", MFD_CLOEXEC);
	struct chan_msg m;

	raw_send(f, "", 0, &fd, 1);
	assert_int_equal(chan_recv(f->b, &m), -EPROTO);
	close(fd);
}

static void recv__longer_than_allowed__is_malformed(void **state)
{
	struct fix *f = *state;
	uint8_t *b = test_calloc(1, CHAN_BODY_MAX + 9);
	int fd = memfd_create("t", MFD_CLOEXEC);
	struct chan_msg m;

	raw_send(f, b, CHAN_BODY_MAX + 9, &fd, 1);
	assert_int_equal(chan_recv(f->b, &m), -EPROTO);
	close(fd);
	test_free(b);
}

static void recv__too_many_descriptors__is_malformed_and_closes_all(
	void **state)
{
	struct fix *f = *state;
	int fd = memfd_create("t", MFD_CLOEXEC), many[20];
	struct chan_msg m;

	for (int i = 0; i < 20; i++)
		many[i] = fd;
	for (unsigned int n = CHAN_FDS_MAX + 1; n <= 20; n++) {
		raw_send(f, "\1\0\0\0\0\0\0\0", 8, many, n);
		assert_int_equal(chan_recv(f->b, &m), -EPROTO);
	}
	close(fd);
}

/* Not the other side's fault: it is not to be taken for a broken one. */
static void recv__no_descriptor_left__says_so_and_the_next_is_read(void **state)
{
	struct fix *f = *state;
	struct rlimit old, low;
	struct chan_msg m;
	int fd = dup(0), r;

	assert_int_equal(chan_send(f->a, 1, 0, NULL, 0, &fd, 1), 0);
	assert_int_equal(chan_send(f->a, 2, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = chan_recv(f->b, &m);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(r, -EMFILE);
	assert_int_equal(m.nfd, 0);
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(m.type, 2);
	close(fd);
}

static void recv__after_malformed__next_is_read(void **state)
{
	struct fix *f = *state;
	struct chan_msg m;

	raw_send(f, "x", 1, NULL, 0);
	assert_int_equal(chan_send(f->a, 5, 6, "ok", 2, NULL, 0), 0);
	assert_int_equal(chan_recv(f->b, &m), -EPROTO);
	assert_int_equal(chan_recv(f->b, &m), 1);
	assert_int_equal(m.type, 5);
	assert_string_equal((const char *)m.body, "ok");
}

static void pair__always__nonblocking_and_close_on_exec(void **state)
{
	struct fix *f = *state;

	assert_true(fcntl(chan_fd(f->a), F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(chan_fd(f->b), F_GETFD), FD_CLOEXEC);
}

static void free__null__is_fine(void **state)
{
	(void)state;
	chan_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(send__small__arrives_with_type_id_and_nul),
		T(send__no_body__arrives_empty),
		T(send__greatest_body__arrives_whole),
		T(send__descriptors__arrive_in_order),
		T(send__socket_full__keeps_order_and_descriptors),
		T(free__descriptors_wait__are_closed),
		T(flush__socket_full__leaves_the_rest),
		T(flush__other_end_gone__fails),
		T(send__queue_has_most_messages__is_refused),
		T(send__queue_has_most_bytes__is_refused_until_drained),
		T(send__no_descriptor_left_to_keep__fails_and_queues_nothing),
		T(send__other_end_gone__fails),
		T(recv__nothing__says_again),
		T(recv__other_end_gone__reads_what_came_then_ends),
		T(recv__shorter_than_header__is_malformed),
		T(recv__empty_with_descriptor__is_malformed_and_closes_it),
		T(recv__longer_than_allowed__is_malformed),
		T(recv__too_many_descriptors__is_malformed_and_closes_all),
		T(recv__no_descriptor_left__says_so_and_the_next_is_read),
		T(recv__after_malformed__next_is_read),
		T(pair__always__nonblocking_and_close_on_exec),
		cmocka_unit_test(free__null__is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
