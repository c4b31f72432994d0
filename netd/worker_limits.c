// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What guests may have of this process's descriptors: RLIMIT_NOFILE less what ports
 * and forwards hold, divided by the NICs that are there now. Whoever started us has
 * raised the limit to what the administrator allows (spawn.c).
 *
 * #syscalls prlimit64
 */
#include <string.h>
#include <sys/resource.h>

#include "netd/worker_int.h"

#define OWN_FDS	  24 /* channel, log, event loop, raw and service sockets */
#define DGRAM_FDS 66 /* its socket and a way to each of its runners */
#define NIC_FDS	  4  /* listener, connection, memory; TAP, packet socket */
#define VHOST_FDS 12 /* the same, and what a message brings */
#define QUEUE_FDS 6  /* of a pair of queues: kick, call and error of both */

uint32_t worker_nic_fds(const char *type, unsigned int queues)
{
	if (!strcmp(type, "vhost-user"))
		return VHOST_FDS + QUEUE_FDS * (queues ? queues : 1);
	return !strcmp(type, "dgram") ? DGRAM_FDS : NIC_FDS;
}

void worker_limits(struct worker *w)
{
	struct rlimit rl = {.rlim_cur = 1024};
	uint32_t other = OWN_FDS, guests = 0;
	struct nat_limits limits;
	struct nat_stats s;

	if (!w->nat)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &rl);
	nat_stats(w->nat, &s);
	other += s.forwards;
	if (w->tftp)
		other += TFTP_SESSIONS_MAX; /* files */
	list_for_each(n, &w->nics, struct wnic, node) {
		other += n->fds;
		guests += n->role == PORT_GUEST;
	}
	nat_limits_fit(&limits, rl.rlim_cur, other, guests);
	nat_set_limits(w->nat, &limits);
}
