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
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "lib/log.h"
#include "netd/vanish.h"

#define SETTLE_MS 100

/* What is compared; zeroed where there is nothing. */
struct own {
	struct ipaddr ip6, local[HOST_LOCALS_MAX], linklocal[HOST_LOCALS_MAX];
	size_t nlocals, nlinklocals;
	uint32_t ip;
	uint32_t default_prio;
	char default_dev[IFNAMSIZ];
};

struct hostaddr {
	struct nl_sock *watch;
	struct event *in, *settle, *grace;
	const struct hostaddr_news *news;
	void *arg;
	struct vanish vanish;
	struct own own;
	struct host_route route[HOST_ROUTES_MAX];
	size_t nroutes;
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

/* The same for IPv6 (RFC 3849). An address that means nothing outside is none. */
static struct ipaddr main_address6(void)
{
	struct ipaddr ip = {{0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&ip, 9, &ss);
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint16_t port;

	ip = ipaddr_any;
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&ss, len)) {
		len = sizeof(ss);
		if (getsockname(fd, (struct sockaddr *)&ss, &len) ||
		    ipaddr_from_sockaddr(&ss, &ip, &port))
			ip = ipaddr_any;
	}
	fd_close(&fd);
	return ipaddr_is_loopback(&ip) || ipaddr_is_linklocal(&ip) ? ipaddr_any
								   : ip;
}

/* The address of a route's destination; false when it is none. */
static bool read_dst(struct nl_addr *dst, struct ipaddr *out)
{
	uint32_t be = 0;

	if (nl_addr_get_len(dst) == 4) {
		memcpy(&be, nl_addr_get_binary_addr(dst), 4);
		*out = ipaddr_from4(ntohl(be));
		return true;
	}
	if (nl_addr_get_len(dst) != 16)
		return false;
	memcpy(out->b, nl_addr_get_binary_addr(dst), 16);
	return true;
}

/* The kernel keeps the host's addresses as routes to itself; those of a router's
 * anycast group (RFC 4291 2.6.1) are of a type of their own. */
static void take_local(struct hostaddr *h, struct rtnl_route *r,
		       struct nl_addr *dst)
{
	struct ipaddr ip;

	if ((rtnl_route_get_type(r) != RTN_LOCAL &&
	     rtnl_route_get_type(r) != RTN_ANYCAST) || !read_dst(dst, &ip) ||
	    nl_addr_get_prefixlen(dst) != 8 * nl_addr_get_len(dst) ||
	    ipaddr_is_loopback(&ip))
		return;
	if (!ipaddr_is4(&ip) && ipaddr_is_linklocal(&ip)) {
		if (h->own.nlinklocals < HOST_LOCALS_MAX)
			h->own.linklocal[h->own.nlinklocals++] = ip;
	} else if (h->own.nlocals < HOST_LOCALS_MAX) {
		h->own.local[h->own.nlocals++] = ip;
	}
}

static void take_default(struct hostaddr *h, struct rtnl_route *r,
			 const char *dev)
{
	if (rtnl_route_get_family(r) != AF_INET)
		return;
	if (h->own.default_dev[0] && rtnl_route_get_priority(r) >= h->own.default_prio)
		return;
	memcpy(h->own.default_dev, dev, sizeof(h->own.default_dev));
	h->own.default_prio = rtnl_route_get_priority(r);
}

static void take_route(struct nl_object *obj, void *arg)
{
	struct rtnl_route *r = (struct rtnl_route *)obj;
	struct nl_addr *dst = rtnl_route_get_dst(r);
	struct hostaddr *h = arg;
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, 0);
	struct host_route e = {0};
	struct ipaddr ip;

	if (!dst)
		return;
	if (rtnl_route_get_table(r) == RT_TABLE_LOCAL)
		take_local(h, r, dst);
	if (rtnl_route_get_table(r) != RT_TABLE_MAIN)
		return;
	if (nh && rtnl_route_nh_get_ifindex(nh) > 0)
		(void)if_indextoname(
			(unsigned int)rtnl_route_nh_get_ifindex(nh), e.dev);
	e.onlink = !nh || !rtnl_route_nh_get_gateway(nh);
	if (!nl_addr_get_prefixlen(dst)) {
		take_default(h, r, e.dev);
		return;
	}
	if (h->nroutes == HOST_ROUTES_MAX || !read_dst(dst, &ip))
		return;
	if (ipaddr_is4(&ip)) {
		e.net.plen = (uint8_t)nl_addr_get_prefixlen(dst);
		e.net.addr = ipaddr_get4(&ip) & ip4_mask(e.net.plen);
	} else if (!ipaddr_is_linklocal(&ip) && !ipaddr_is_multicast(&ip)) {
		e.net6.plen = (uint8_t)nl_addr_get_prefixlen(dst);
		e.net6.addr = ip;
	} else {
		return;
	}
	h->route[h->nroutes++] = e;
}

static int read_family(struct hostaddr *h, struct nl_sock *sk, int family)
{
	struct nl_cache *cache;

	if (rtnl_route_alloc_cache(sk, family, 0, &cache))
		return -EIO;
	nl_cache_foreach(cache, take_route, h);
	nl_cache_free(cache);
	return 0;
}

static void take_address(struct nl_object *obj, void *arg)
{
	struct rtnl_addr *a = (struct rtnl_addr *)obj;
	struct nl_addr *local = rtnl_addr_get_local(a);
	struct hostaddr *h = arg;
	struct ipaddr ip;

	if (local && read_dst(local, &ip) &&
	    !(rtnl_addr_get_flags(a) & IFA_F_DADFAILED))
		vanish_saw(&h->vanish, &ip);
}

/* Addresses, and not the routes to them: one under duplicate address detection has
 * none yet. Tells of those that are gone, and comes back for those that may be. */
static void look_for_gone(struct hostaddr *h, struct nl_sock *sk)
{
	struct ipaddr gone[VANISH_MAX];
	struct nl_cache *cache;
	int64_t at;
	size_t n;

	if (rtnl_addr_alloc_cache(sk, &cache))
		return;
	vanish_begin(&h->vanish);
	nl_cache_foreach(cache, take_address, h);
	nl_cache_free(cache);
	n = vanish_end(&h->vanish, clock_mono_ms(), gone);
	at = vanish_deadline(&h->vanish);
	if (h->grace && at != VANISH_NEVER) {
		int64_t in = at - clock_mono_ms();
		struct timeval tv = {.tv_sec = in > 0 ? in / 1000 : 0,
				     .tv_usec = in > 0 ? in % 1000 * 1000 : 0};

		evtimer_add(h->grace, &tv);
	}
	if (n)
		h->news->gone(h->arg, gone, n);
}

static void grace_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct nl_sock *sk = nl_socket_alloc();

	(void)fd;
	(void)what;
	if (sk && !nl_connect(sk, NETLINK_ROUTE))
		look_for_gone(arg, sk);
	nl_socket_free(sk);
}

static int read_all(struct hostaddr *h)
{
	struct nl_sock *sk = nl_socket_alloc();
	int r;

	if (!sk)
		return -ENOMEM;
	r = nl_connect(sk, NETLINK_ROUTE) ? -EIO : 0;
	if (!r) {
		look_for_gone(h, sk);
		h->nroutes = 0;
		memset(&h->own, 0, sizeof(h->own));
		r = read_family(h, sk, AF_INET);
		/* A kernel without IPv6 has none of its routes. */
		(void)read_family(h, sk, AF_INET6);
		h->own.ip = main_address();
		h->own.ip6 = main_address6();
	}
	nl_socket_free(sk);
	return r;
}

static void settle_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct hostaddr *h = arg;
	struct own before = h->own;
	/* Where there are more than are looked at, any change may be one of them. */
	bool all = before.nlocals < HOST_LOCALS_MAX &&
		   before.nlinklocals < HOST_LOCALS_MAX;

	(void)fd;
	(void)what;
	if (read_all(h))
		log_warn("host addresses: cannot be read, the last known ones "
			 "stay");
	h->news->changed(h->arg, !all || memcmp(&before, &h->own, sizeof(before)));
}

/* Whose it is: an interface, or what has an address or a route by it. */
static void tell_link(struct hostaddr *h, struct nlmsghdr *n)
{
	const struct ifinfomsg *link = nlmsg_data(n);
	const struct ifaddrmsg *addr = nlmsg_data(n);
	struct nlattr *a;

	switch (n->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		a = nlmsg_valid_hdr(n, sizeof(*link))
			    ? nlmsg_find_attr(n, sizeof(*link), IFLA_IFNAME)
			    : NULL;
		if (a && nla_len(a) && !((char *)nla_data(a))[nla_len(a) - 1])
			h->news->link(h->arg, link->ifi_index, nla_data(a));
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (nlmsg_valid_hdr(n, sizeof(*addr)) && addr->ifa_index)
			h->news->link(h->arg, (int)addr->ifa_index, NULL);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		a = nlmsg_valid_hdr(n, sizeof(struct rtmsg))
			    ? nlmsg_find_attr(n, sizeof(struct rtmsg), RTA_OIF)
			    : NULL;
		if (a && nla_len(a) == 4 && nla_get_u32(a))
			h->news->link(h->arg, (int)nla_get_u32(a), NULL);
		break;
	}
}

/* Addresses and routes are read anew, whatever the messages say. But an address may have
 * come and gone before that. */
static int take_message(struct nl_msg *msg, void *arg)
{
	if (nlmsg_hdr(msg)->nlmsg_type == RTM_NEWADDR)
		(void)nl_msg_parse(msg, take_address, arg);
	tell_link(arg, nlmsg_hdr(msg));
	return NL_OK;
}

static void watch_on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval tv = {.tv_usec = SETTLE_MS * 1000};
	struct hostaddr *h = arg;
	int r = 0;

	(void)fd;
	(void)what;
	for (int i = 0; r >= 0 && i < 64; i++)
		r = nl_recvmsgs_default(h->watch);
	if (r < 0 && r != -NLE_AGAIN)
		h->news->link(h->arg, 0, NULL);
	if (!evtimer_pending(h->settle, NULL))
		evtimer_add(h->settle, &tv);
}

int hostaddr_new(struct event_base *base, const struct hostaddr_news *news,
		 void *arg, struct hostaddr **out, struct errtext *why)
{
	struct hostaddr *h = calloc(1, sizeof(*h));
	int r = -ENOMEM;

	if (!h)
		return errtext_set(why, r, "no memory");
	h->news = news;
	h->arg = arg;
	h->watch = nl_socket_alloc();
	if (!h->watch)
		goto fail;
	nl_socket_disable_seq_check(h->watch);
	nl_socket_modify_cb(h->watch, NL_CB_VALID, NL_CB_CUSTOM, take_message,
			    h);
	nl_join_groups(h->watch, RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_IFADDR |
					 RTMGRP_IPV6_ROUTE |
					 RTMGRP_IPV6_IFADDR | RTMGRP_LINK);
	if (nl_connect(h->watch, NETLINK_ROUTE) ||
	    nl_socket_set_nonblocking(h->watch) || read_all(h)) {
		r = -EIO;
		goto fail;
	}
	h->in = event_new(base, nl_socket_get_fd(h->watch),
			  EV_READ | EV_PERSIST, watch_on_readable, h);
	h->settle = evtimer_new(base, settle_on_timer, h);
	h->grace = evtimer_new(base, grace_on_timer, h);
	if (!h->in || !h->settle || !h->grace || event_add(h->in, NULL))
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
	if (h->grace)
		event_free(h->grace);
	nl_socket_free(h->watch);
	free(h);
}

uint32_t hostaddr_ip(const struct hostaddr *h)
{
	return h->own.ip;
}

struct ipaddr hostaddr_ip6(const struct hostaddr *h)
{
	return h->own.ip6;
}

size_t hostaddr_routes(const struct hostaddr *h, const struct host_route **out)
{
	*out = h->route;
	return h->nroutes;
}

size_t hostaddr_locals(const struct hostaddr *h, const struct ipaddr **out)
{
	*out = h->own.local;
	return h->own.nlocals;
}

size_t hostaddr_linklocals(const struct hostaddr *h, const struct ipaddr **out)
{
	*out = h->own.linklocal;
	return h->own.nlinklocals;
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
	return h->own.default_dev;
}
