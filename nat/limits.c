// SPDX-License-Identifier: GPL-2.0-or-later
/* What guests may have of a process's descriptors. See nat.h; who gets it: flow.h. */
#include "nat/nat.h"

#define SLACK	   32 /* an accepted client, a query that goes on over TCP … */
#define QUERIES	   512
#define QUERIES_NIC 64
#define OPENING	   128
#define ECHOES	   64

static uint32_t clamp(uint64_t v, uint32_t min, uint32_t max)
{
	return v < min ? min : v > max ? max : (uint32_t)v;
}

/* What one NIC may have at most: a NIC that comes finds an eighth unused. */
static uint32_t most(uint32_t all)
{
	return all - all / 8;
}

void nat_limits_fit(struct nat_limits *l, uint64_t nofile, uint32_t other,
		    uint32_t nics)
{
	uint32_t queries = clamp(nofile / 16, 16, QUERIES);
	uint64_t taken = (uint64_t)other + SLACK + queries;
	/* However little there is: a count too high is what flow_make_room() is
	 * for, no flows at all would be no network. */
	uint64_t left = nofile > 2 * taken ? nofile - taken : nofile / 2;
	uint32_t sockets = clamp(left, 32, NAT_SOCKETS_MAX);
	uint32_t share;

	nics = nics ? nics : 1;
	share = sockets / nics;
	*l = (struct nat_limits){
		.sockets = sockets, .queries = queries, .nics = nics,
		.ports = clamp(sockets / 2, 16, NAT_PORTS_MAX),
		/* … and its UDP and echo an eighth of that. */
		.tcp = most(most(sockets)), .dns = QUERIES_NIC,
		/* No scan eats a share up. */
		.opening = clamp(share / 4, 4, OPENING),
		.dns_tcp = 16, .frags = 16, .neigh = 64,
	};
	l->udp = most(l->ports);
	l->icmp = clamp(l->ports / 4, 4, ECHOES);
}
