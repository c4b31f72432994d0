// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The system calls a worker may make. See sandbox.h. Three answers:
 *   allowed  what is in the tables here, some with conditions on arguments
 *   EPERM    everything else: libc probes for things and copes with a refusal
 *   killed   what no code of ours or of libc's does by itself, only an intruder
 *
 * A sanitizer's runtime needs more to print its report (COMPAT_SANITIZED); there
 * nothing kills, so that a report is not cut off by the process it tries to start.
 */
#include "netd/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/compat.h"

#define PACKET_IGNORE_OUT 23 /* PACKET_IGNORE_OUTGOING of newer headers */

/* Moving bytes; the loop; time; memory; itself. No argument can reach further
 * than the descriptors the process has. */
static const int allowed[] = {
	/* bytes through descriptors */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
	SCMP_SYS(recvmmsg_time64), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg), SCMP_SYS(splice), SCMP_SYS(lseek),
	/* descriptors: end, copy, look at */
	SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(shutdown),
	SCMP_SYS(dup), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(fstat), SCMP_SYS(fstat64),
	/* a front end's descriptors (switch/vhost_fd.c; statx below) */
	SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64),
	/* the event loop */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_settime64),
	/* time and chance */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	/* memory, as malloc() wants it */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(membarrier),
	/* a memfd for a vhost-user front end (switch/vhost_inflight.c) */
	SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64),
	/* signals to itself (see also tgkill) */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(signalfd4),
	/* … and from itself, later (switch/vhost_call.c) */
	SCMP_SYS(setitimer),
	/* itself */
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex),
	SCMP_SYS(futex_time64), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(sched_yield),
	SCMP_SYS(getcpu), SCMP_SYS(getrusage), SCMP_SYS(getrlimit),
	SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
};

/* The gateway's own sockets; which, is said in nat_rules(). */
static const int nat_allowed[] = {
	SCMP_SYS(connect),
	SCMP_SYS(bind),
};

static const int san_allowed[] = {
	SCMP_SYS(sched_getaffinity), SCMP_SYS(readlink), SCMP_SYS(prctl),
	SCMP_SYS(mprotect),	     SCMP_SYS(mmap),	 SCMP_SYS(uname),
};

static const int killed[] = {
	/* programs and processes */
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(clone), SCMP_SYS(clone3),
	/* other processes */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(kcmp), SCMP_SYS(kill),
	SCMP_SYS(tkill),
	/* out of the box */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
	SCMP_SYS(chroot), SCMP_SYS(unshare), SCMP_SYS(setns),
	SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(move_mount),
	SCMP_SYS(open_tree), SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(setuid), SCMP_SYS(setgid),
	SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	/* the kernel's wide surfaces */
	SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register), SCMP_SYS(add_key), SCMP_SYS(keyctl),
	SCMP_SYS(request_key), SCMP_SYS(reboot), SCMP_SYS(swapon),
	SCMP_SYS(modify_ldt), SCMP_SYS(personality),
};

static const unsigned long ioctls[] = {
	FIONREAD, FIONBIO, SIOCOUTQ, /* bytes waiting in a socket */
	TUNGETIFF, TUNGETFEATURES, TUNSETOFFLOAD, TUNSETVNETHDRSZ,
	TUNGETVNETHDRSZ, TUNSETVNETLE, TUNSETCARRIER,
	TUNSETSNDBUF, TUNGETSNDBUF,
};

static const int fcntls[] = {F_GETFL, F_SETFL, F_GETFD,
			     F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC,
			     F_ADD_SEALS, F_GET_SEALS};

struct opt {
	int level, name;
};

/* No filter, no device, no header of one's own (IP_HDRINCL on the raw ICMP socket
 * would be any packet with any source). */
static const struct opt sockopts[] = {
	{SOL_SOCKET, SO_SNDBUF}, {SOL_SOCKET, SO_RCVBUF},
	{SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_LINGER},
	{SOL_SOCKET, SO_REUSEADDR}, {SOL_SOCKET, SO_OOBINLINE},
	{SOL_SOCKET, SO_PEEK_OFF}, {SOL_SOCKET, SO_BROADCAST},
	{SOL_SOCKET, SO_TIMESTAMP}, {SOL_SOCKET, SO_RCVLOWAT},
	{SOL_SOCKET, SO_RXQ_OVFL}, {SOL_SOCKET, SO_BUSY_POLL},
	{SOL_SOCKET, SO_SELECT_ERR_QUEUE},
	{IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_QUICKACK},
	{IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL},
	{IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_SYNCNT},
	{IPPROTO_TCP, TCP_MAXSEG}, {IPPROTO_TCP, TCP_CORK},
	{IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, TCP_WINDOW_CLAMP},
	{IPPROTO_TCP, TCP_NOTSENT_LOWAT}, {IPPROTO_TCP, TCP_LINGER2},
	{IPPROTO_IP, IP_TOS}, {IPPROTO_IP, IP_TTL},
	{IPPROTO_IP, IP_MULTICAST_TTL}, {IPPROTO_IP, IP_MULTICAST_LOOP},
	{IPPROTO_IP, IP_MTU_DISCOVER}, {IPPROTO_IP, IP_RECVERR},
	{IPPROTO_IP, IP_PKTINFO}, {IPPROTO_IP, IP_RECVTTL},
	{IPPROTO_IP, IP_RECVTOS}, {IPPROTO_IP, IP_RETOPTS},
	{IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
	{IPPROTO_IPV6, IPV6_V6ONLY}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
	{IPPROTO_IPV6, IPV6_MULTICAST_HOPS}, {IPPROTO_IPV6, IPV6_TCLASS},
	{IPPROTO_IPV6, IPV6_MTU_DISCOVER}, {IPPROTO_IPV6, IPV6_RECVERR},
	{IPPROTO_IPV6, IPV6_RECVPKTINFO}, {IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
	{IPPROTO_IPV6, IPV6_RECVTCLASS},
	{IPPROTO_UDP, UDP_GRO}, {IPPROTO_UDP, UDP_SEGMENT},
	{SOL_PACKET, PACKET_VNET_HDR}, {SOL_PACKET, PACKET_AUXDATA},
	{SOL_PACKET, PACKET_QDISC_BYPASS},
	{SOL_PACKET, PACKET_IGNORE_OUT},
};

#define LOW32 0xffffffffULL

/* Compare the lower half: that is all the kernel looks at for int arguments. */
static struct scmp_arg_cmp arg_is(unsigned int n, unsigned long v)
{
	return SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, LOW32, v & LOW32);
}

static struct scmp_arg_cmp bits_are(unsigned int n, unsigned long mask,
				    unsigned long v)
{
	return SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, mask, v);
}

static int add_all(scmp_filter_ctx f, uint32_t action, const int *nr, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && !r; i++)
		r = seccomp_rule_add(f, action, nr[i], 0);
	return r;
}

static int allow1(scmp_filter_ctx f, int nr, struct scmp_arg_cmp a)
{
	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &a);
}

static int allow2(scmp_filter_ctx f, int nr, struct scmp_arg_cmp a,
		  struct scmp_arg_cmp b)
{
	struct scmp_arg_cmp c[2] = {a, b};

	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 2, c);
}

static int allow3(scmp_filter_ctx f, int nr, struct scmp_arg_cmp a,
		  struct scmp_arg_cmp b, struct scmp_arg_cmp d)
{
	struct scmp_arg_cmp c[3] = {a, b, d};

	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 3, c);
}

static int descriptor_rules(scmp_filter_ctx f)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(ioctls) && !r; i++)
		r = allow1(f, SCMP_SYS(ioctl), arg_is(1, ioctls[i]));
	for (size_t i = 0; i < ARRAY_LEN(fcntls) && !r; i++) {
		struct scmp_arg_cmp cmd =
			arg_is(1, (unsigned long)fcntls[i]);

		r = allow1(f, SCMP_SYS(fcntl), cmd);
		if (!r)
			r = allow1(f, SCMP_SYS(fcntl64), cmd);
	}
	for (size_t i = 0; i < ARRAY_LEN(sockopts) && !r; i++)
		r = allow2(f, SCMP_SYS(setsockopt),
			   arg_is(1, (unsigned long)sockopts[i].level),
			   arg_is(2, (unsigned long)sockopts[i].name));
	/* glibc's fstat() */
	if (!r)
		r = allow1(f, SCMP_SYS(newfstatat),
			   bits_are(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
	if (!r)
		r = allow1(f, SCMP_SYS(statx),
			   bits_are(2, AT_EMPTY_PATH, AT_EMPTY_PATH));
	return r;
}

static int process_rules(scmp_filter_ctx f)
{
	unsigned long self = (unsigned long)getpid();
	int r;

	/* never both writable once and executable later */
	if ((r = allow1(f, SCMP_SYS(mmap), bits_are(2, PROT_EXEC, 0))) ||
	    (r = allow1(f, SCMP_SYS(mmap2), bits_are(2, PROT_EXEC, 0))) ||
	    (r = allow1(f, SCMP_SYS(mprotect), bits_are(2, PROT_EXEC, 0))))
		return r;
	/* abort(), raise() */
	r = allow1(f, SCMP_SYS(tgkill), arg_is(0, self));
	/* ask for a limit, set none */
	return r ? r : allow1(f, SCMP_SYS(prlimit64),
			      SCMP_CMP64(2, SCMP_CMP_EQ, 0));
}

/* A socket of IPv4 or IPv6: TCP, UDP, ping. Flags may be among the type's bits. */
static int nat_rules(scmp_filter_ctx f)
{
	static const struct {
		int family, type, proto;
	} sockets[] = {
		{AF_INET, SOCK_STREAM, 0},
		{AF_INET, SOCK_STREAM, IPPROTO_TCP},
		{AF_INET, SOCK_DGRAM, 0},
		{AF_INET, SOCK_DGRAM, IPPROTO_UDP},
		{AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
		{AF_INET6, SOCK_STREAM, 0},
		{AF_INET6, SOCK_STREAM, IPPROTO_TCP},
		{AF_INET6, SOCK_DGRAM, 0},
		{AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
		{AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6},
	};
	const unsigned long type_bits =
		LOW32 & ~(unsigned long)(SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r = add_all(f, SCMP_ACT_ALLOW, nat_allowed,
			ARRAY_LEN(nat_allowed));

	for (size_t i = 0; i < ARRAY_LEN(sockets) && !r; i++)
		r = allow3(f, SCMP_SYS(socket),
			   arg_is(0, (unsigned long)sockets[i].family),
			   bits_are(1, type_bits,
				    (unsigned long)sockets[i].type),
			   arg_is(2, (unsigned long)sockets[i].proto));
	return r;
}

static int fill(scmp_filter_ctx f, bool isolated)
{
	int r;

	/* A tree instead of a list: a few comparisons for each call. Older
	 * libraries cannot, which costs nothing but time. */
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	(void)seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH,
			       SCMP_ACT_KILL_PROCESS);
	r = add_all(f, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
	if (!r)
		r = COMPAT_SANITIZED
			    ? add_all(f, SCMP_ACT_ALLOW, san_allowed,
				      ARRAY_LEN(san_allowed))
			    : add_all(f, SCMP_ACT_KILL_PROCESS, killed,
				      ARRAY_LEN(killed));
	if (!r)
		r = descriptor_rules(f);
	if (!r)
		r = process_rules(f);
	if (!r && !isolated)
		r = nat_rules(f);
	return r;
}

int sandbox_seal(bool isolated, struct errtext *why)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f ? fill(f, isolated) : -ENOMEM;

	if (!r)
		r = seccomp_load(f);
	if (f)
		seccomp_release(f);
	return r ? errtext_set(why, r, "sandbox: system call filter: %s",
			       strerror(-r)) : 0;
}
