// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Namespaces, an empty root, identity and capabilities. See sandbox.h for the
 * order; system calls are in sandbox_seal.c, Landlock in sandbox_landlock.c.
 */
#include "netd/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "netd/sandbox_int.h"

#define NOBODY 65534 /* also the kernel's overflow id: owns nothing */

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* The leak checker at exit needs /proc and a second process; the sandbox has
 * neither. Once inside, leaks are not looked for. Unused without a sanitizer. */
static bool inside;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return inside;
}

/* ---- capabilities ------------------------------------------------------------- */

/*
 * No program that we might exec can get more than @keep.
 * Must: CAP_SETPCAP, so before the change of uid.
 */
static int bound_caps(uint64_t keep)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (!(keep & CAP_BIT(cap)) &&
		    prctl(PR_CAPBSET_READ, cap) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap))
			return -errno;
	}
	return 0;
}

/*
 * Have only @keep, and hand nothing on by inheritance.
 * Must not: be followed by anything that needs more.
 */
static int keep_caps(uint64_t keep)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2] = {{0}};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (int i = 0; i < 2; i++) {
		d[i].effective = (uint32_t)(keep >> (32 * i));
		d[i].permitted = d[i].effective;
	}
	return syscall(SYS_capset, &h, d) ? -errno : 0;
}

/* Of @want, what this process has: a container may have taken some away. */
static uint64_t have_caps(uint64_t want)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[2] = {{0}};

	if (syscall(SYS_capget, &h, d))
		return 0;
	return want & (d[0].permitted | (uint64_t)d[1].permitted << 32);
}

static int no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

static int reduce_to(uint64_t keep, struct errtext *why)
{
	int r;

	keep = have_caps(keep);
	if ((r = bound_caps(keep)) || (r = keep_caps(keep)) ||
	    (r = no_new_privs()))
		return errtext_set(why, r, "cannot drop capabilities: %s",
				   strerror(-r));
	return 0;
}

int sandbox_helper(struct errtext *why)
{
	uint64_t keep =
		/* TAPs, links, addresses, routes, their sysctls */
		CAP_BIT(CAP_NET_ADMIN) |
		/* packet sockets, raw ICMP */
		CAP_BIT(CAP_NET_RAW) |
		/* forwards from ports below 1024 */
		CAP_BIT(CAP_NET_BIND_SERVICE) |
		/* setns(); workers: namespaces, mount, pivot_root() */
		CAP_BIT(CAP_SYS_ADMIN) |
		/* /proc/N/ns/net; /proc/N/fd to name who holds a port */
		CAP_BIT(CAP_SYS_PTRACE) |
		/* the same, in directories of other users */
		CAP_BIT(CAP_DAC_READ_SEARCH) |
		/* workers become nobody and empty their bounding set */
		CAP_BIT(CAP_SETUID) | CAP_BIT(CAP_SETGID) |
		CAP_BIT(CAP_SETPCAP) |
		/* end workers (nobody's) that do not end by themselves */
		CAP_BIT(CAP_KILL);

	return reduce_to(keep, why);
}

/* ---- namespaces and the empty root --------------------------------------------- */

/*
 * An empty read-only directory becomes the root.
 * Must: own mount namespace with CAP_SYS_ADMIN; all files opened.
 * Must not yet: capabilities dropped.
 */
static int empty_root(void)
{
	static const char *const spots[] = {"/tmp", "/run", "/proc", "/dev"};
	const unsigned long fl = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	size_t i;

	if (mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	for (i = 0; i < ARRAY_LEN(spots); i++) {
		if (!mount("", spots[i], "tmpfs", fl,
			   "mode=0555,nr_inodes=2,size=4k"))
			break;
	}
	if (i == ARRAY_LEN(spots))
		return -errno;
	if (chdir(spots[i]) || syscall(SYS_pivot_root, ".", ".") ||
	    umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return 0;
}

/*
 * Out of the host's namespaces. The network stays unless @isolated: the gateway's
 * sockets are the host's. The empty network namespace's loopback stays down.
 * Must: single threaded.
 */
static int leave_namespaces(int more, bool isolated)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | more |
		    (isolated ? CLONE_NEWNET : 0);

	return unshare(flags) ? -errno : 0;
}

/*
 * uid, gid and supplementary groups that own nothing. In a user namespace that has
 * no such ids (EINVAL), uid 0 is an ordinary user: stay that one.
 * Must: CAP_SETUID, CAP_SETGID; empty_root() done (nobody may not).
 */
static int become_nobody(void)
{
	if (setresgid(NOBODY, NOBODY, NOBODY)) {
		if (errno != EINVAL)
			return -errno;
		log_warn("sandbox: no uid %d in this user namespace: the "
			 "worker keeps its own", NOBODY);
		return 0;
	}
	if (setgroups(0, NULL) || setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	return 0;
}

static int step(int r, const char *what, struct errtext *why)
{
	return r ? errtext_set(why, r, "sandbox: %s: %s", what, strerror(-r))
		 : 0;
}

static int enter_root(bool isolated, struct errtext *why)
{
	int r;

	if ((r = step(leave_namespaces(0, isolated), "new namespaces", why)) ||
	    (r = step(empty_root(), "an empty root", why)))
		return r;
	if ((r = step(bound_caps(0), "empty the bounding set", why)) ||
	    (r = step(become_nobody(), "become nobody", why)))
		return r;
	return 0;
}

/* ---- the same as an ordinary user ------------------------------------------------ */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n, len = (ssize_t)strlen(text);
	int r;

	if (fd < 0)
		return -errno;
	n = write(fd, text, (size_t)len);
	r = n == len ? 0 : n < 0 ? -errno : -EIO;
	close(fd);
	return r;
}

/*
 * In a user namespace of our own we may do what root does. Our ids are mapped to
 * themselves: whether ping sockets are allowed (net.ipv4.ping_group_range) goes by
 * the group, and it must stay the one it was.
 * Must: single threaded, /proc still there.
 */
static int enter_user(bool isolated)
{
	unsigned int uid = getuid(), gid = getgid();
	char map[64];
	int r = leave_namespaces(CLONE_NEWUSER, isolated);

	if (r)
		return r;
	r = write_file("/proc/self/setgroups", "deny");
	if (r)
		return r;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	r = write_file("/proc/self/uid_map", map);
	if (r)
		return r;
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	r = write_file("/proc/self/gid_map", map);
	if (!r)
		r = empty_root();
	return r ? r : bound_caps(0);
}

/*
 * Would enter_user() work? Tried in a child, because half of it cannot be undone:
 * Ubuntu's AppArmor grants the user namespace but no rights inside.
 */
static int try_enter_user(bool isolated)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		inside = true;
		_exit(-enter_user(isolated));
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int enter_rootless(bool isolated, struct errtext *why)
{
	int r = try_enter_user(isolated);
	int fs;

	if (!r)
		return step(enter_user(isolated), "a user namespace", why);
	fs = sandbox_landlock();
	log_warn("sandbox: no user namespace: %s; %s%s", strerror(-r),
		 fs ? "files are hidden by the system call filter alone"
		    : "files are hidden by Landlock",
		 isolated ? ", the network by the system call filter" : "");
	return 0;
}

/* ---- both ------------------------------------------------------------------------ */

/*
 * Last things that must not be inherited or asked for.
 * Must: after every change of identity (which resets both settings of prctl()).
 */
static int finish(int death_signal)
{
	struct rlimit none = {0, 0};
	int r = keep_caps(0);

	if (r)
		return r;
	if (setrlimit(RLIMIT_CORE, &none) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    (death_signal && prctl(PR_SET_PDEATHSIG, death_signal)))
		return -errno;
	return no_new_privs();
}

int sandbox_enter(bool isolated, struct errtext *why)
{
	int death_signal = 0, r;

	(void)prctl(PR_GET_PDEATHSIG, &death_signal);
	inside = true;
	r = geteuid() == 0 ? enter_root(isolated, why)
			   : enter_rootless(isolated, why);
	if (r)
		return r;
	return step(finish(death_signal), "drop the rest", why);
}
