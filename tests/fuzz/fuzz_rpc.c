// SPDX-License-Identifier: GPL-2.0-or-later
/* links: fake_priv ctl_rig netd switch_io switch_core nat_io nat_core dhcp_core */
/*
 * Lines of a client against a whole control process in memory. Whatever comes in,
 * the process goes on: a well-behaved client is answered afterwards.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/rpc.h"
#include "netd/addrs.h"
#include "netd/netctl.h"
#include "tests/fake/ctl_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rig *rig;

static void fresh(void)
{
	rig = calloc(1, sizeof(*rig));
	rig_init(rig, true, RIGHT_ADMIN);
	rig_quiet(true);
	rig_call(rig, "network.define", "{'name':'lab','mode':'nat'}", -1);
	rig_call(rig, "nic.attach", "{'vm':'A','network':'lab'}", -1);
}

static void end(void)
{
	if (!rig)
		return;
	rig_quiet(false);
	rig_fini(rig);
	free(rig);
	rig = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct caller who = {.uid = 1, .pid = 1,
					  .right = RIGHT_ADMIN};
	static unsigned int runs;
	int fd[2];

	if (!rig && !runs)
		atexit(end); /* leave no folder behind */
	if (!rig)
		fresh();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fd) ||
	    api_add(rig->ctl.api, fd[0], &who))
		abort();
	if (size > 60000)
		size = 60000;
	(void)!send(fd[1], data, size, MSG_NOSIGNAL);
	(void)!send(fd[1], "\n", 1, MSG_NOSIGNAL);
	rig_spin(rig);
	close(fd[1]);
	rig_spin(rig);
	if (!rig_call(rig, "network.list", NULL, -1))
		abort();
	/* What it defined must not pile up; sometimes all is taken down. */
	if (++runs % 64 == 0 || rig->ctl.model.nnets > 20)
		end();
	return 0;
}
