// SPDX-License-Identifier: GPL-2.0-or-later
/* Small text and descriptor helpers: esc, errtext, fdutil. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/errtext.h"
#include "lib/esc.h"
#include "lib/fdutil.h"
#include "tests/fake/fd_count.h"

/* ---- esc ------------------------------------------------------------------ */

static void esc__printable__stays(void **state)
{
	char out[100], all[95];

	(void)state;
	for (int i = 0; i < 95; i++)
		all[i] = (char)(' ' + i);
	all['\\' - ' '] = '/';
	assert_ptr_equal(esc(all, 95, out, sizeof(out)), out);
	assert_int_equal(strlen(out), 95);
	assert_memory_equal(out, all, 95);
}

static void esc__control_high_and_backslash__become_hex(void **state)
{
	char out[100];

	(void)state;
	esc("\0\n\x1b\x7f\x80\xff\\", 7, out, sizeof(out));
	assert_string_equal(out, "\\x00\\x0a\\x1b\\x7f\\x80\\xff\\x5c");
}

static void esc__every_capacity__is_terminated_and_cut_between(void **state)
{
	static const char in[] = "ab\xff"
				 "cd\n";
	static const char full[] = "ab\\xffcd\\x0a";

	(void)state;
	for (size_t cap = 1; cap <= sizeof(full) + 2; cap++) {
		char *out = malloc(cap); /* exact: ASan sees an overrun */
		size_t n;

		memset(out, 'Z', cap);
		esc(in, sizeof(in) - 1, out, cap);
		n = strlen(out);
		assert_true(n < cap);
		assert_memory_equal(out, full, n);
		/* Never half an escape: 3, 4, 5 and 9, 10, 11 are inside. */
		assert_true(n <= 2 || (n >= 6 && n <= 8) || n == 12);
		free(out);
	}
}

static void esc__no_room_or_no_text__writes_nothing_more(void **state)
{
	char out[1] = {'Z'};

	(void)state;
	esc("abc", 3, out, 0);
	assert_int_equal(out[0], 'Z');
	esc(NULL, 0, out, 1);
	assert_int_equal(out[0], '\0');
}

static void esc_utf8__valid__stays(void **state)
{
	static const char good[] = "a\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf"
				   "\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80"
				   "\xf4\x8f\xbf\xbf\n\x7f";
	char s[sizeof(good)];

	(void)state;
	memcpy(s, good, sizeof(good));
	assert_ptr_equal(esc_utf8(s), s);
	assert_string_equal(s, good);
}

static void esc_utf8__invalid__becomes_question_marks(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"\x80", "?"},			/* continuation alone */
		{"\xc3", "?"},			/* cut */
		{"\xe2\x82", "??"},		/* cut */
		{"\xf0\x9f\x98", "???"},	/* cut */
		{"\xc0\xaf", "??"},		/* overlong */
		{"\xe0\x9f\xbf", "???"},	/* overlong */
		{"\xf0\x8f\xbf\xbf", "????"},	/* overlong */
		{"\xed\xa0\x80", "???"},	/* surrogate */
		{"\xf4\x90\x80\x80", "????"},	/* above U+10FFFF */
		{"\xf5\x80\x80\x80", "????"},	/* likewise */
		{"\xff\xfe", "??"},
		{"\xc3\xc3\xa4", "?\xc3\xa4"},	/* the next one is whole */
		{"\xe2\x82g", "??g"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char *s = strdup(t[i].in);

		assert_string_equal(esc_utf8(s), t[i].out);
		free(s);
	}
}

/* What it lets through is what the JSON library takes. */
static void esc_utf8__any_four_bytes__json_agrees(void **state)
{
	static const uint8_t b[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
				    0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
				    0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
				    0xf3, 0xf4, 0xf5, 0xff};
	size_t n = sizeof(b);

	(void)state;
	for (size_t i = 0; i < n * n * n * n; i++) {
		char in[5] = {(char)b[i % n], (char)b[i / n % n],
			      (char)b[i / n / n % n], (char)b[i / n / n / n]};
		json_t *before = json_string(in), *after;
		char s[5];

		memcpy(s, in, sizeof(s));
		after = json_string(esc_utf8(s));
		assert_non_null(after);
		assert_int_equal(!before, strcmp(s, in) != 0);
		json_decref(before);
		json_decref(after);
	}
}

/* ---- errtext -------------------------------------------------------------- */

static void errtext_set__with_and_without_place__returns_the_code(void **state)
{
	struct errtext why = {""};

	(void)state;
	assert_int_equal(errtext_set(NULL, -EINVAL, "%d", 1), -EINVAL);
	assert_int_equal(errtext_set(&why, -EBUSY, "port %d", 80), -EBUSY);
	assert_string_equal(why.s, "port 80");
}

static void errtext_set__too_long__is_cut(void **state)
{
	struct errtext why;

	(void)state;
	errtext_set(&why, -1, "%0*d", 1000, 0);
	assert_int_equal(strlen(why.s), sizeof(why.s) - 1);
}

static void errtext_prefix__text_there__goes_before(void **state)
{
	struct errtext why = {"no route"};

	(void)state;
	assert_int_equal(errtext_prefix(&why, -EIO, "network %s", "lab"), -EIO);
	assert_string_equal(why.s, "network lab: no route");
	assert_int_equal(errtext_prefix(NULL, -EIO, "x"), -EIO);
}

static void errtext_prefix__no_text__names_the_error(void **state)
{
	struct errtext why = {""};

	(void)state;
	errtext_prefix(&why, -ENOENT, "open");
	assert_string_equal(why.s, "open: No such file or directory");
}

static void errtext_prefix__full__is_cut(void **state)
{
	struct errtext why;

	(void)state;
	errtext_set(&why, -1, "%0*d", 1000, 0);
	errtext_prefix(&why, -1, "%0*d", 1000, 1);
	assert_int_equal(strlen(why.s), sizeof(why.s) - 1);
	errtext_prefix(&why, -1, "a");
	assert_memory_equal(why.s, "a: 000", 6);
}

/* ---- fdutil ---------------------------------------------------------------- */

static void would_block__not_now_errors__only(void **state)
{
	(void)state;
	assert_true(would_block(EAGAIN) && would_block(EWOULDBLOCK) &&
		    would_block(EINTR));
	assert_false(would_block(0) || would_block(EPIPE) ||
		     would_block(ENOBUFS) || would_block(-EAGAIN));
}

static void fd_setup__plain_descriptor__sets_both_flags(void **state)
{
	int fd[2];

	(void)state;
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(fd_setup(fd[0]), 0);
	assert_int_equal(fcntl(fd[0], F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(fd[1], F_GETFD), 0);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(fd_setup(-1), -EBADF);
}

static void fd_close__open_or_not__ends_at_minus_one(void **state)
{
	int fd = open("/dev/null", O_RDONLY), n = fd_count();

	(void)state;
	errno = ERANGE;
	fd_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(fd_count(), n - 1);
	errno = ERANGE;
	fd_close(&fd);
	assert_int_equal(errno, ERANGE);
	fd = 100000; /* close() fails */
	fd_close(&fd);
	assert_int_equal(errno, ERANGE);
}

static int buffer_of(int fd, int which)
{
	socklen_t len = sizeof(int);
	int v = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, which, &v, &len), 0);
	return v;
}

static void fd_rcvbuf__less_than_it_has__stays(void **state)
{
	int fd[2], was;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	was = buffer_of(fd[0], SO_RCVBUF);
	fd_rcvbuf(fd[0], 4096);
	fd_rcvbuf(fd[0], was / 2);
	assert_int_equal(buffer_of(fd[0], SO_RCVBUF), was);
	fd_rcvbuf(fd[0], was); /* as far as the host allows */
	assert_true(buffer_of(fd[0], SO_RCVBUF) >= was);
	fd_sndbuf(fd[1], 4096);
	assert_true(buffer_of(fd[1], SO_SNDBUF) > 8192);
	close(fd[0]);
	close(fd[1]);
}

static void fd_keep_only__some_to_keep__all_others_go(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		int keep[] = {9, -1, 3, 6, 6};

		for (int fd = 3; fd < 12; fd++)
			if (dup2(0, fd) != fd)
				_exit(1);
		fd_keep_only(keep, sizeof(keep) / sizeof(keep[0]));
		for (int fd = 0; fd < 12; fd++) {
			bool stays = fd < 3 || fd % 3 == 0;

			if (stays != (fcntl(fd, F_GETFD) >= 0))
				_exit(2);
		}
		fd_keep_only(NULL, 0);
		_exit(fcntl(3, F_GETFD) >= 0 || fcntl(9, F_GETFD) >= 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* 0, 1 and 2 are the test's own: try it in a child. */
static void fd_fill_std__any_of_three_closed__fills_just_them(void **state)
{
	(void)state;
	for (int mask = 0; mask < 8; mask++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			int before = fd_count(), closed = 0;

			for (int fd = 0; fd < 3; fd++)
				if (mask & (1 << fd))
					closed += !close(fd);
			if (fd_fill_std() || closed != __builtin_popcount(
							       (unsigned)mask))
				_exit(1);
			for (int fd = 0; fd < 3; fd++)
				if (fcntl(fd, F_GETFD) < 0)
					_exit(2);
			_exit(fd_count() == before ? 0 : 3);
		}
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(esc__printable__stays),
		cmocka_unit_test(esc__control_high_and_backslash__become_hex),
		cmocka_unit_test(
			esc__every_capacity__is_terminated_and_cut_between),
		cmocka_unit_test(esc__no_room_or_no_text__writes_nothing_more),
		cmocka_unit_test(esc_utf8__valid__stays),
		cmocka_unit_test(esc_utf8__invalid__becomes_question_marks),
		cmocka_unit_test(esc_utf8__any_four_bytes__json_agrees),
		cmocka_unit_test(
			errtext_set__with_and_without_place__returns_the_code),
		cmocka_unit_test(errtext_set__too_long__is_cut),
		cmocka_unit_test(errtext_prefix__text_there__goes_before),
		cmocka_unit_test(errtext_prefix__no_text__names_the_error),
		cmocka_unit_test(errtext_prefix__full__is_cut),
		cmocka_unit_test(would_block__not_now_errors__only),
		cmocka_unit_test(fd_setup__plain_descriptor__sets_both_flags),
		cmocka_unit_test(fd_close__open_or_not__ends_at_minus_one),
		cmocka_unit_test(fd_rcvbuf__less_than_it_has__stays),
		cmocka_unit_test(fd_keep_only__some_to_keep__all_others_go),
		cmocka_unit_test(
			fd_fill_std__any_of_three_closed__fills_just_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
