// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rtnetlink with libnl: one socket listens for changes, a dump on another follows
 * when they have settled. Control is not in any packet's way, so it may wait for
 * the kernel's answer.
 */
#include "netd/hostaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "lib/log.h"

#define SETTLE_MS 100

struct hostaddr {
	struct nl_sock *watch;
	struct event *in, *settle;
	void (*changed)(void *arg);
	void *arg;
	uint32_t ip;
	struct host_route route[HOST_ROUTES_MAX];
	size_t nroutes;
	uint32_t local[HOST_LOCALS_MAX];
	size_t nlocals;
	char default_dev[IFNAMSIZ];
	uint32_t default_prio;
};

/* Which source would the kernel take? Connecting a UDP socket asks it and sends
 * nothing. The address is documentation's (RFC 5737): reached by no route but the
 * default one. */
static uint32_t main_address(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(0xc0000201),
	};
	socklen_t len = sizeof(sin);
	uint32_t ip = 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&sin, sizeof(sin)) &&
	    !getsockname(fd, (struct sockaddr *)&sin, &len))
		ip = ntohl(sin.sin_addr.s_addr);
	fd_close(&fd);
	return ip4_is_loopback(ip) ? 0 : ip;
}

/* The kernel keeps the host's addresses as routes to itself. */
static void take_local(struct hostaddr *h, struct rtnl_route *r,
		       struct nl_addr *dst)
{
	uint32_t be = 0;

	if (rtnl_route_get_type(r) != RTN_LOCAL ||
	    nl_addr_get_prefixlen(dst) != 32 || nl_addr_get_len(dst) != 4 ||
	    h->nlocals == HOST_LOCALS_MAX)
		return;
	memcpy(&be, nl_addr_get_binary_addr(dst), 4);
	if (!ip4_is_loopback(ntohl(be)))
		h->local[h->nlocals++] = ntohl(be);
}

static void take_route(struct nl_object *obj, void *arg)
{
	struct rtnl_route *r = (struct rtnl_route *)obj;
	struct nl_addr *dst = rtnl_route_get_dst(r);
	struct hostaddr *h = arg;
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, 0);
	struct host_route e = {0};
	uint32_t be = 0;

	if (!dst || rtnl_route_get_family(r) != AF_INET)
		return;
	if (rtnl_route_get_table(r) == RT_TABLE_LOCAL)
		take_local(h, r, dst);
	if (rtnl_route_get_table(r) != RT_TABLE_MAIN)
		return;
	if (nh && rtnl_route_nh_get_ifindex(nh) > 0)
		(void)if_indextoname(
			(unsigned int)rtnl_route_nh_get_ifindex(nh), e.dev);
	e.onlink = !nh || !rtnl_route_nh_get_gateway(nh);
	e.net.plen = (uint8_t)nl_addr_get_prefixlen(dst);
	if (!e.net.plen) {
		if (!h->default_dev[0] ||
		    rtnl_route_get_priority(r) < h->default_prio) {
			memcpy(h->default_dev, e.dev, sizeof(e.dev));
			h->default_prio = rtnl_route_get_priority(r);
		}
		return;
	}
	if (h->nroutes == HOST_ROUTES_MAX || nl_addr_get_len(dst) != 4)
		return;
	memcpy(&be, nl_addr_get_binary_addr(dst), 4);
	e.net.addr = ntohl(be) & ip4_mask(e.net.plen);
	h->route[h->nroutes++] = e;
}

static int read_all(struct hostaddr *h)
{
	struct nl_sock *sk = nl_socket_alloc();
	struct nl_cache *cache;
	int r;

	if (!sk)
		return -ENOMEM;
	r = nl_connect(sk, NETLINK_ROUTE);
	if (!r)
		r = rtnl_route_alloc_cache(sk, AF_INET, 0, &cache);
	if (!r) {
		h->nroutes = h->nlocals = 0;
		h->default_dev[0] = '\0';
		nl_cache_foreach(cache, take_route, h);
		nl_cache_free(cache);
		h->ip = main_address();
	}
	nl_socket_free(sk);
	return r ? -EIO : 0;
}

static void settle_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct hostaddr *h = arg;

	(void)fd;
	(void)what;
	if (read_all(h))
		log_warn("host addresses: cannot be read, the last known ones "
			 "stay");
	h->changed(h->arg);
}

/* What the messages say does not matter: everything is read anew. */
static void watch_on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = {.tv_usec = SETTLE_MS * 1000};
	struct hostaddr *h = arg;
	char junk[8192];

	(void)what;
	for (int i = 0; i < 64; i++)
		if (recv(fd, junk, sizeof(junk), MSG_DONTWAIT) < 0)
			break;
	if (!evtimer_pending(h->settle, NULL))
		evtimer_add(h->settle, &tv);
}

int hostaddr_new(struct event_base *base, void (*changed)(void *arg), void *arg,
		 struct hostaddr **out, struct errtext *why)
{
	struct hostaddr *h = calloc(1, sizeof(*h));
	int r = -ENOMEM;

	if (!h)
		return errtext_set(why, r, "no memory");
	h->changed = changed;
	h->arg = arg;
	h->watch = nl_socket_alloc();
	if (!h->watch)
		goto fail;
	nl_join_groups(h->watch, RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_IFADDR |
					 RTMGRP_LINK);
	if (nl_connect(h->watch, NETLINK_ROUTE) ||
	    nl_socket_set_nonblocking(h->watch) || read_all(h)) {
		r = -EIO;
		goto fail;
	}
	h->in = event_new(base, nl_socket_get_fd(h->watch),
			  EV_READ | EV_PERSIST, watch_on_readable, h);
	h->settle = evtimer_new(base, settle_on_timer, h);
	if (!h->in || !h->settle || event_add(h->in, NULL))
		goto fail;
	*out = h;
	return 0;
fail:
	hostaddr_free(h);
	return errtext_set(why, r,
			   "the host's addresses and routes cannot be read "
			   "(rtnetlink)");
}

void hostaddr_free(struct hostaddr *h)
{
	if (!h)
		return;
	if (h->in)
		event_free(h->in);
	if (h->settle)
		event_free(h->settle);
	nl_socket_free(h->watch);
	free(h);
}

uint32_t hostaddr_ip(const struct hostaddr *h)
{
	return h->ip;
}

size_t hostaddr_routes(const struct hostaddr *h, const struct host_route **out)
{
	*out = h->route;
	return h->nroutes;
}

size_t hostaddr_locals(const struct hostaddr *h, const uint32_t **out)
{
	*out = h->local;
	return h->nlocals;
}

bool hostaddr_is_here(const struct ipaddr *ip)
{
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(ip, 0, &ss);
	bool here;
	int fd;

	if (ipaddr_is_any(ip))
		return true;
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	here = fd >= 0 && !bind(fd, (struct sockaddr *)&ss, len);

	fd_close(&fd);
	return here;
}

const char *hostaddr_default_dev(const struct hostaddr *h)
{
	return h->default_dev;
}
