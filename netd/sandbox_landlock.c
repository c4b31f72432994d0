// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Landlock with no rules: whatever it can govern is forbidden. The kernel's
 * version of the interface is asked for, since it refuses what it does not know.
 * Source: Documentation/userspace-api/landlock.rst; numbers are written out because
 * C library headers lag behind.
 */
#include "netd/sandbox_int.h"

#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/compat.h"

#define NR_CREATE_RULESET 444 /* the same on every architecture */
#define NR_RESTRICT_SELF  446
#define ASK_VERSION	  1U

struct ruleset { /* struct landlock_ruleset_attr; its size grew */
	uint64_t fs;	 /* version 1 */
	uint64_t net;	 /* version 4: TCP bind, connect; not used, see below */
	uint64_t scoped; /* version 6 */
};

/* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL: nothing outside of the sandbox. The
 * NICs' sockets were made in the host's network namespace, so abstract names of the
 * host could be sent to; what a socket is connected to already stays in reach. */
#define SCOPE_VERSION 6
#define SCOPE_ALL     3U

/* How many of the LANDLOCK_ACCESS_FS_* bits, from bit 0 on, a version knows. */
static const uint8_t fs_bits[] = {0, 13, 14, 15, 15, 16};

int sandbox_landlock(void)
{
	struct ruleset rs = {0};
	size_t size = sizeof(rs.fs);
	long version = syscall(NR_CREATE_RULESET, NULL, 0, ASK_VERSION);
	size_t known;
	long fd;
	int r;

	if (version < 1)
		return version < 0 ? -errno : -ENOSYS;
	known = min_sz((size_t)version, ARRAY_LEN(fs_bits) - 1);
	rs.fs = (UINT64_C(1) << fs_bits[known]) - 1;
	if (version >= SCOPE_VERSION) {
		rs.scoped = SCOPE_ALL;
		size = sizeof(rs);
	}
	/* The network is left alone: the gateway needs it, and an isolated worker
	 * cannot make a socket at all. */
	fd = syscall(NR_CREATE_RULESET, &rs, size, 0);
	if (fd < 0)
		return -errno;
	r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(NR_RESTRICT_SELF, fd, 0) ? -errno : 0;
	close((int)fd);
	return r;
}
