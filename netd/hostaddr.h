/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's own place in the world, kept up to date over rtnetlink: its main
 * addresses (where the gateway's addresses lead to), its routes (which subnets
 * are taken), the default route's interface (bridging), and every address that is
 * the host itself (what a network without host access must not reach). Reads only.
 */
#ifndef VNET_NETD_HOSTADDR_H
#define VNET_NETD_HOSTADDR_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/errtext.h"
#include "lib/inet.h"

#define HOST_ROUTES_MAX 1024 /* more are not looked at */
#define HOST_LOCALS_MAX 192  /* likewise */

struct event_base;
struct hostaddr;

/* One of both has a length. */
struct host_route {
	struct ip4_net net;
	struct ip6_net net6;
	char dev[IFNAMSIZ]; /* "" for one without (blackhole) */
	bool onlink;	    /* no next hop: the subnet of an interface */
};

/** struct hostaddr_news - Called from the loop with hostaddr_new()'s @arg. */
struct hostaddr_news {
	/* Something changed (links too): soon afterwards, not per message. @own: the
	 * host's own addresses, or the interface of its default route. */
	void (*changed)(void *arg, bool own);
	/* At once: this interface changed, or something on it. @name: NULL when only the
	 * index is known; index 0: news were lost, it may be any. */
	void (*link)(void *arg, int index, const char *name);
	/* These addresses are gone for good (vanish.h), loopback's never. */
	void (*gone)(void *arg, const struct ipaddr *ip, size_t n);
};

int hostaddr_new(struct event_base *base, const struct hostaddr_news *news,
		 void *arg, struct hostaddr **out, struct errtext *why);
void hostaddr_free(struct hostaddr *h);

/* Source address of the default route; 0 = none. */
uint32_t hostaddr_ip(const struct hostaddr *h);
struct ipaddr hostaddr_ip6(const struct hostaddr *h); /* or zero */

/* Main table without default routes; borrowed until the loop runs again. */
size_t hostaddr_routes(const struct hostaddr *h, const struct host_route **out);

/* All of the host's own addresses but loopback's and link-local ones; borrowed
 * likewise. */
size_t hostaddr_locals(const struct hostaddr *h, const struct ipaddr **out);

/* The IPv6 link-local ones, of all interfaces. */
size_t hostaddr_linklocals(const struct hostaddr *h, const struct ipaddr **out);

/* May sockets be bound to @ip now? Asks the kernel; "any" is always here. */
bool hostaddr_is_here(const struct ipaddr *ip);

/* The default route's interface, "" when there is none. */
const char *hostaddr_default_dev(const struct hostaddr *h);

#endif
