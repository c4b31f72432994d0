/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be said about a nat network's traffic: what guests reach of the host, and
 * who may answer them. The words of API and store, and what they mean. Pure; for
 * control, which judges and keeps the words, and for workers, which act on them.
 */
#ifndef VNET_NETD_NATCONF_H
#define VNET_NETD_NATCONF_H

#include "lib/errtext.h"
#include "nat/nat.h"
#include "netd/conf.h"

/* What a request says; NULL: leave it as it is. */
struct natconf_spec {
	const char *access;	/* "off", "address", "loopback" */
	const char *host_allow; /* "tcp:22,udp:53,tcp:8000-8010"; "all": any */
	const char *udp_filter; /* RFC 4787 5 */
};

/* Spelled as in API and store; -EINVAL for anything else. */
const char *natconf_filter_name(enum nat_filter f);
int natconf_filter_parse(const char *s, enum nat_filter *out);

/**
 * natconf_allow_parse() - Ports of the host out of a list
 * @out: NAT_ALLOW_MAX of them
 *
 * Return: how many (0 for ""), -EINVAL or -E2BIG with @why.
 */
int natconf_allow_parse(const char *s, struct nat_allow *out,
			struct errtext *why);

/* The same list in its one form, in ascending order, into @buf. */
void natconf_allow_format(const struct nat_allow *a, int n,
			  char buf[CONF_ALLOW_MAX + 1]);

/* Take over what @spec says; @c is changed on success only. -EINVAL, -E2BIG. */
int natconf_apply(struct net_conf *c, const struct natconf_spec *spec,
		  struct errtext *why);

/* Is what a record says consistent? */
int natconf_check(const struct net_conf *c, struct errtext *why);

#endif
