// SPDX-License-Identifier: GPL-2.0-or-later
/* See natconf.h. */
#include "netd/natconf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/compat.h"

static const char *const filters[] = {
	[NAT_FILTER_EI] = "endpoint-independent",
	[NAT_FILTER_ADDR] = "address-dependent",
	[NAT_FILTER_ADDR_PORT] = "address-and-port-dependent",
};

static_assert(sizeof("tcp:65535-65535,") - 1 <=
		      CONF_ALLOW_MAX / NAT_ALLOW_MAX,
	      "a full list has room");

const char *natconf_filter_name(enum nat_filter f)
{
	return filters[f];
}

int natconf_filter_parse(const char *s, enum nat_filter *out)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++)
		if (!strcmp(filters[i], s)) {
			*out = (enum nat_filter)i;
			return 0;
		}
	return -EINVAL;
}

/* ---- lists of ports ------------------------------------------------------ */

/* Digits of a port at *@s; 0 for anything else. */
static uint16_t take_port(const char **s)
{
	unsigned int v = 0;
	int n = 0;

	for (; **s >= '0' && **s <= '9' && n < 6; n++, (*s)++)
		v = v * 10 + (unsigned int)(**s - '0');
	return v <= 65535 ? (uint16_t)v : 0;
}

/* One entry; false when it is none. @s is behind it then. */
static bool take_entry(const char **s, struct nat_allow *out)
{
	const char *p = *s;

	if (!strncmp(p, "tcp:", 4))
		out->proto = NAT_TCP;
	else if (!strncmp(p, "udp:", 4))
		out->proto = NAT_UDP;
	else
		return false;
	p += 4;
	out->first = out->last = take_port(&p);
	if (*p == '-') {
		p++;
		out->last = take_port(&p);
	}
	if (!out->first || out->last < out->first || (*p && *p != ','))
		return false;
	*s = p;
	return true;
}

static int by_port(const void *a, const void *b)
{
	const struct nat_allow *x = a, *y = b;

	if (x->proto != y->proto)
		return (int)x->proto - (int)y->proto;
	return x->first != y->first ? (int)x->first - (int)y->first
				    : (int)x->last - (int)y->last;
}

int natconf_allow_parse(const char *s, struct nat_allow *out,
			struct errtext *why)
{
	struct nat_allow a[NAT_ALLOW_MAX];
	int n = 0;

	if (!*s)
		return 0;
	for (;; s++) {
		if (n == NAT_ALLOW_MAX)
			return errtext_set(why, -E2BIG,
					   "host_allow takes at most %d "
					   "entries", NAT_ALLOW_MAX);
		if (!take_entry(&s, &a[n]))
			return errtext_set(why, -EINVAL,
					   "host_allow must be like tcp:22,"
					   "udp:53,tcp:8000-8010; not \"%.30s\"",
					   s);
		n++;
		if (!*s)
			break;
	}
	qsort(a, (size_t)n, sizeof(a[0]), by_port);
	memcpy(out, a, (size_t)n * sizeof(a[0]));
	return n;
}

void natconf_allow_format(const struct nat_allow *a, int n,
			  char buf[CONF_ALLOW_MAX + 1])
{
	size_t at = 0;

	buf[0] = '\0';
	for (int i = 0; i < n && at < CONF_ALLOW_MAX; i++) {
		int len = snprintf(buf + at, CONF_ALLOW_MAX + 1 - at,
				   a[i].first == a[i].last ? "%s%s:%u"
							   : "%s%s:%u-%u",
				   i ? "," : "",
				   a[i].proto == NAT_TCP ? "tcp" : "udp",
				   (unsigned int)a[i].first,
				   (unsigned int)a[i].last);

		at += (size_t)len;
	}
}

/* ---- records ------------------------------------------------------------- */

int natconf_check(const struct net_conf *c, struct errtext *why)
{
	struct nat_allow a[NAT_ALLOW_MAX];
	int n = natconf_allow_parse(c->host_allow, a, why);

	if (n < 0)
		return n;
	if (n && (c->mode != NET_NAT || c->access == ACCESS_OFF))
		return errtext_set(why, -EINVAL,
				   "ports of the host are allowed on nat "
				   "networks with host access; it is off here");
	return 0;
}

static int set_allow(struct net_conf *c, const char *s, struct errtext *why)
{
	struct nat_allow a[NAT_ALLOW_MAX] = {{0}};
	int n = natconf_allow_parse(strcmp(s, "all") ? s : "", a, why);

	if (n < 0)
		return n;
	natconf_allow_format(a, n, c->host_allow);
	return 0;
}

int natconf_apply(struct net_conf *c, const struct natconf_spec *spec,
		  struct errtext *why)
{
	struct net_conf new = *c;
	int r = 0;

	if (!spec->access && !spec->host_allow && !spec->udp_filter)
		return 0;
	if (c->mode != NET_NAT)
		return errtext_set(why, -EINVAL,
				   "host access and UDP filter are settings of "
				   "nat networks");
	if (spec->access && net_access_parse(spec->access, &new.access))
		return errtext_set(why, -EINVAL, "host_access must be off, "
						 "address or loopback");
	if (spec->udp_filter &&
	    natconf_filter_parse(spec->udp_filter, &new.udp_filter))
		return errtext_set(why, -EINVAL,
				   "udp_filter must be %s, %s or %s",
				   filters[0], filters[1], filters[2]);
	/* A list is of no use without access, and must not return with it. */
	if (new.access == ACCESS_OFF && !spec->host_allow)
		new.host_allow[0] = '\0';
	if (spec->host_allow)
		r = set_allow(&new, spec->host_allow, why);
	if (!r)
		r = natconf_check(&new, why);
	if (!r)
		*c = new;
	return r;
}
