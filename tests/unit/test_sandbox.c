// SPDX-License-Identifier: GPL-2.0-or-later
/* links: netd dhcp_core */
/*
 * The sandbox, from inside: every test runs in a child of its own, which enters,
 * tries something and says by its exit status how it went. An ordinary user's
 * namespaces are not available everywhere, so what only they give is asked for in
 * tests/system; here it is what the seal alone must hold.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/compat.h"
#include "lib/log.h"
#include "netd/sandbox.h"

#define FAILED 77

/* Run @fn sealed in a child; its wait status. @fn returns 0 when all is well. */
static int sealed(bool isolated, int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct errtext why = {{0}};

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_seal(isolated, &why)) {
			log_err("%s", why.s);
			_exit(FAILED);
		}
		_exit(fn());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_ok(int status)
{
	if (WIFSIGNALED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The intruder's calls: killed, or refused in a sanitizer build. */
static void assert_stopped(int status)
{
	if (COMPAT_SANITIZED) {
		assert_ok(status);
	} else {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static int refused(long r)
{
	return r == -1 && errno == EPERM ? 0 : 1;
}

/* ---- refused ------------------------------------------------------------------- */

static int try_files(void)
{
	if (refused(open("/etc/passwd", O_RDONLY)))
		return 1;
	if (refused(open("/tmp/x", O_CREAT | O_WRONLY, 0600)))
		return 2;
	if (refused(unlink("/tmp/x")))
		return 3;
	if (refused(chdir("/")))
		return 4;
	return refused(mkdir("/tmp/y", 0700)) ? 5 : 0;
}

static void seal__files__are_refused(void **state)
{
	(void)state;
	assert_ok(sealed(true, try_files));
	assert_ok(sealed(false, try_files));
}

static int try_any_socket(void)
{
	int sv[2];

	if (refused(socket(AF_INET, SOCK_STREAM, 0)))
		return 1;
	if (refused(socket(AF_INET6, SOCK_DGRAM, 0)))
		return 2;
	if (refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 3;
	return refused(socketpair(AF_UNIX, SOCK_STREAM, 0, sv)) ? 4 : 0;
}

static void seal__isolated__has_no_sockets(void **state)
{
	(void)state;
	assert_ok(sealed(true, try_any_socket));
}

static int try_other_sockets(void)
{
	int sv[2];

	if (refused(socket(AF_UNIX, SOCK_STREAM, 0)))
		return 1;
	if (refused(socket(AF_NETLINK, SOCK_RAW, 0)))
		return 2;
	if (refused(socket(AF_PACKET, SOCK_RAW, 0)))
		return 3;
	if (refused(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)))
		return 4;
	if (refused(socket(AF_INET, SOCK_STREAM, 132)))
		return 5;
	if (refused(socket(AF_VSOCK, SOCK_STREAM, 0)))
		return 6;
	return refused(socketpair(AF_UNIX, SOCK_STREAM, 0, sv)) ? 7 : 0;
}

static void seal__nat__has_inet_sockets_only(void **state)
{
	(void)state;
	assert_ok(sealed(false, try_other_sockets));
}

static int given; /* a descriptor from before the seal */

static int try_given(void)
{
	int one = 1;
	struct ifreq ifr = {.ifr_flags = IFF_TAP};

	if (refused(setsockopt(given, IPPROTO_IP, IP_HDRINCL, &one,
			       sizeof(one))))
		return 1;
	if (refused(setsockopt(given, SOL_SOCKET, SO_DETACH_FILTER, &one,
			       sizeof(one))))
		return 2;
	if (refused(ioctl(given, TUNSETIFF, &ifr)))
		return 3;
	if (refused(ioctl(given, SIOCGIFADDR, &ifr)))
		return 4;
	if (refused(fcntl(given, F_SETOWN, 1)))
		return 5;
	return refused(listen(given, 1)) ? 6 : 0;
}

static void seal__given_descriptor__cannot_be_bent(void **state)
{
	(void)state;
	given = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(given >= 0);
	assert_ok(sealed(true, try_given));
	assert_ok(sealed(false, try_given));
	close(given);
}

static int try_exec_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rlimit lim = {10, 10};

	if (!COMPAT_SANITIZED && (p != MAP_FAILED || errno != EPERM))
		return 1;
	return refused(setrlimit(RLIMIT_NOFILE, &lim)) ? 2 : 0;
}

static void seal__code_and_limits__are_refused(void **state)
{
	(void)state;
	assert_ok(sealed(true, try_exec_memory));
}

static int try_exec(void)
{
	char *argv[] = {"true", NULL};

	return refused(execve("/bin/true", argv, NULL));
}

static int try_fork(void)
{
	return refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int try_ptrace(void)
{
	return refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int try_kill(void)
{
	return refused(kill(getppid(), 0));
}

static int try_unshare(void)
{
	return refused(unshare(CLONE_NEWUSER));
}

static int try_tgkill(void)
{
	return refused(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static void seal__intruders_calls__kill(void **state)
{
	(void)state;
	assert_stopped(sealed(true, try_exec));
	assert_stopped(sealed(true, try_fork));
	assert_stopped(sealed(true, try_ptrace));
	assert_stopped(sealed(true, try_kill));
	assert_stopped(sealed(false, try_unshare));
	assert_ok(sealed(true, try_tgkill)); /* conditional: EPERM */
}

/* ---- allowed -------------------------------------------------------------------- */

static int use_memory(void)
{
	struct rlimit lim;
	struct timespec ts;
	uint8_t rnd[16];
	char *p = NULL;

	for (size_t n = 1000; n < 64u << 20; n *= 3) {
		char *q = realloc(p, n);

		if (!q)
			return 1;
		memset(q, 1, n);
		p = q;
	}
	free(p);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, given, 0);
	if (p == MAP_FAILED)
		return 2;
	memset(p, 1, 4096);
	if (madvise(p, 4096, MADV_DONTNEED) || munmap(p, 4096))
		return 3;
	if (clock_gettime(CLOCK_BOOTTIME, &ts) ||
	    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts))
		return 4;
	if (syscall(SYS_getrandom, rnd, sizeof(rnd), 0) != sizeof(rnd))
		return 5;
	return getrlimit(RLIMIT_NOFILE, &lim) ? 6 : 0;
}

static void seal__memory_time_chance__work(void **state)
{
	(void)state;
	given = memfd_create("x", MFD_CLOEXEC);
	assert_int_equal(ftruncate(given, 4096), 0);
	assert_ok(sealed(true, use_memory));
	assert_ok(sealed(false, use_memory));
	close(given);
}

static int judge_given(void)
{
	const struct itimerval never = {0};
	struct statfs fs;
	struct statx st;

	if (statx(given, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
		  &st) || !S_ISREG(st.stx_mode))
		return 1;
	if (fcntl(given, F_GET_SEALS) < 0 || fstatfs(given, &fs))
		return 2;
	if (refused(statx(AT_FDCWD, "/", 0, STATX_TYPE, &st)))
		return 3;
	return setitimer(ITIMER_REAL, &never, NULL) ? 4 : 0;
}

/* What switch/vhost_fd.c and vhost_call.c live on. */
static void seal__front_ends_descriptors__can_be_judged(void **state)
{
	(void)state;
	given = memfd_create("x", MFD_CLOEXEC);
	assert_ok(sealed(true, judge_given));
	close(given);
}

static int pair_fd[2], listen_fd;

static int use_messages(void)
{
	char b[8] = "hello";
	struct iovec iov = {.iov_base = b, .iov_len = 5};
	struct mmsghdr mm = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
	int n = 0, one = 1, fd;

	if (sendmmsg(pair_fd[0], &mm, 1, MSG_DONTWAIT) != 1 ||
	    recvmmsg(pair_fd[1], &mm, 1, MSG_DONTWAIT, NULL) != 1)
		return 1;
	if (sendmsg(pair_fd[0], &mm.msg_hdr, 0) != 5 ||
	    ioctl(pair_fd[1], FIONREAD, &n) || n != 5 ||
	    recvmsg(pair_fd[1], &mm.msg_hdr, 0) != 5)
		return 2;
	if (ioctl(pair_fd[0], SIOCOUTQ, &n))
		return 3;
	if (writev(pair_fd[0], &iov, 1) != 5 || readv(pair_fd[1], &iov, 1) != 5)
		return 4;
	if (setsockopt(pair_fd[0], SOL_SOCKET, SO_SNDBUF, &one, sizeof(one)))
		return 5;
	if (fcntl(pair_fd[0], F_SETFL, O_NONBLOCK) ||
	    fcntl(pair_fd[0], F_DUPFD_CLOEXEC, 3) < 0)
		return 6;
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fd < 0 || close(fd) || shutdown(pair_fd[0], SHUT_WR) ? 7 : 0;
}

static void seal__messages_and_accept__work(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa);
	int c;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair_fd), 0);
	listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listen_fd, (void *)&sa, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listen_fd, 4), 0);
	assert_int_equal(getsockname(listen_fd, (void *)&sa, &len), 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(c, (void *)&sa, len), 0);
	assert_ok(sealed(true, use_messages));
	close(c);
	close(listen_fd);
	close(pair_fd[0]);
	close(pair_fd[1]);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(int *)arg += 1;
}

static struct event_base *base;

static int use_loop(void)
{
	struct timeval soon = {0, 1000};
	int fired = 0;
	struct event *t = event_new(base, -1, 0, on_timer, &fired);

	if (!t || event_add(t, &soon))
		return 1;
	event_base_dispatch(base);
	event_free(t);
	event_base_free(base);
	return fired == 1 ? 0 : 2;
}

/* The child enters as a worker does: base first, then the seal. */
static void seal__event_loop__goes_on(void **state)
{
	(void)state;
	base = event_base_new();
	assert_non_null(base);
	event_reinit(base);
	assert_ok(sealed(true, use_loop));
	event_base_free(base);
}

static int use_inet(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	int one = 1;
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int u = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);

	if (s < 0 || u < 0)
		return 1;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(u, (void *)&sa, sizeof(sa)))
		return 2;
	sa.sin_port = htons(1);
	if (!connect(s, (void *)&sa, sizeof(sa)) ||
	    (errno != EINPROGRESS && errno != ECONNREFUSED &&
	     errno != ENETUNREACH))
		return 3;
	if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	    setsockopt(u, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)))
		return 4;
	return refused(listen(s, 1)) ? 5 : 0;
}

static void seal__nat__tcp_and_udp_work(void **state)
{
	(void)state;
	assert_ok(sealed(false, use_inet));
}

static int use_abort(void)
{
	abort();
}

static void seal__abort__is_seen_as_such(void **state)
{
	int status = 0;

	(void)state;
	status = sealed(true, use_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seal__files__are_refused),
		cmocka_unit_test(seal__isolated__has_no_sockets),
		cmocka_unit_test(seal__nat__has_inet_sockets_only),
		cmocka_unit_test(seal__given_descriptor__cannot_be_bent),
		cmocka_unit_test(seal__code_and_limits__are_refused),
		cmocka_unit_test(seal__intruders_calls__kill),
		cmocka_unit_test(seal__memory_time_chance__work),
		cmocka_unit_test(seal__front_ends_descriptors__can_be_judged),
		cmocka_unit_test(seal__messages_and_accept__work),
		cmocka_unit_test(seal__event_loop__goes_on),
		cmocka_unit_test(seal__nat__tcp_and_udp_work),
		cmocka_unit_test(seal__abort__is_seen_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
