// SPDX-License-Identifier: GPL-2.0-or-later
/* Looking at a bridge, and taking planned steps forth and back. See kbridge.h; which
 * steps there are is kbridge_plan.c's matter. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "switch/kbridge_int.h"
#include "switch/tapport.h"

/* ---- looking -------------------------------------------------------------------- */

static int see_addr(const struct nlmsghdr *h, void *arg)
{
	struct kbridge_look *l = arg;
	struct nlmsghdr *hdr = (struct nlmsghdr *)h; /* libnl lacks const */
	struct ifaddrmsg *ifa = nlmsg_data(hdr);
	struct nlattr *a[IFA_MAX + 1], *ip;
	struct kaddr *out;

	if (h->nlmsg_type != RTM_NEWADDR ||
	    (int)ifa->ifa_index != l->index ||
	    l->seen->naddr == KBRIDGE_SEEN_MAX ||
	    nlmsg_parse(hdr, sizeof(*ifa), a, IFA_MAX, NULL) < 0)
		return 0;
	ip = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
	out = &l->seen->addr[l->seen->naddr];
	if (ip && ifa->ifa_family == AF_INET && nla_len(ip) == 4)
		out->ip = ipaddr_from4(ntohl(nla_get_u32(ip)));
	else if (ip && ifa->ifa_family == AF_INET6 && nla_len(ip) == 16)
		memcpy(out->ip.b, nla_data(ip), 16);
	else
		return 0;
	out->plen = ifa->ifa_prefixlen;
	l->seen->naddr++;
	return 0;
}

/* The host's own devices that listen to router advertisements. */
static int see_listener(const struct nlmsghdr *h, void *arg)
{
	struct kbridge_seen *seen = arg;
	char value[KBRIDGE_VALUE];
	struct link_info l;

	if (link_parse(h, &l) || link_is_ours(&l) || (l.flags & IFF_LOOPBACK) ||
	    seen->nra == KBRIDGE_RA_MAX ||
	    link_sysctl_get("ipv6", l.name, "accept_ra", value,
			    sizeof(value)) ||
	    strcmp(value, "1"))
		return 0;
	memcpy(seen->ra[seen->nra++], l.name, IFNAMSIZ);
	return 0;
}

static void see_values(const char *name, struct kbridge_seen *s)
{
	for (unsigned int k = 0; k < KB_KEYS; k++)
		if (link_sysctl_get(kbridge_sysctls[k].family, name,
				    kbridge_sysctls[k].key, s->value[k],
				    sizeof(s->value[k])))
			s->value[k][0] = '\0';
}

int kbridge_look(struct link_nl *nl, const char *name,
		 struct kbridge_seen *out, struct errtext *why)
{
	struct kbridge_look l = {.seen = out};
	int r;

	memset(out, 0, sizeof(*out));
	(void)link_sysctl_get("ipv4", "all", "forwarding", out->forward4,
			      sizeof(out->forward4));
	(void)link_sysctl_get("ipv6", "all", "forwarding", out->forward6,
			      sizeof(out->forward6));
	r = link_get(nl, name, &out->link);
	out->there = !r;
	if (r == -ENODEV)
		r = 0;
	if (!r && out->there) {
		l.index = out->link.index;
		see_values(name, out);
		r = link_dump(nl, RTM_GETADDR, AF_UNSPEC, see_addr, &l);
		if (!r && out->value[KB_DISABLE6][0])
			r = link_dump(nl, RTM_GETROUTE, AF_INET6,
				      kbridge_see_route, &l);
	}
	if (!r)
		r = link_dump(nl, RTM_GETLINK, AF_UNSPEC, see_listener, out);
	return r ? errtext_set(why, r, "cannot look at %s: %s", name,
			       strerror(-r))
		 : 0;
}

/* ---- one step -------------------------------------------------------------------------- */

static int change(struct link_nl *nl, const char *name,
		  const struct link_change *c, struct errtext *why)
{
	struct link_info l;
	int r = link_get(nl, name, &l);

	return r ? errtext_set(why, r, "%s: %s", name, strerror(-r))
		 : link_set(nl, l.index, c, why);
}

static int addr_step(struct link_nl *nl, const struct kstep *s, bool put,
		     struct errtext *why)
{
	bool v4 = ipaddr_is4(&s->addr.ip);
	struct link_info l;
	int r = link_get(nl, s->dev, &l);

	if (r)
		return errtext_set(why, r, "%s: %s", s->dev, strerror(-r));
	if (!put)
		r = link_addr_del(nl, l.index, &s->addr.ip, s->addr.plen, why);
	else if (v4)
		r = link_ip4_add(nl, l.index, ipaddr_get4(&s->addr.ip),
				 s->addr.plen, why);
	else
		r = link_ip6_add(nl, l.index, &s->addr.ip, s->addr.plen, why);
	/* A host whose IPv6 is off, or that was built without, goes without. */
	if (!v4 && (r == -EACCES || r == -EOPNOTSUPP || r == -EAFNOSUPPORT))
		r = 0;
	return r == -EEXIST ? 0 : r;
}

static int requiet(const struct nlmsghdr *h, void *arg)
{
	struct link_info l;

	(void)arg;
	if (!link_parse(h, &l) && !strcmp(l.alias, LINK_OWNER))
		(void)link_sysctl("ipv4", l.name, "forwarding", "0");
	return 0;
}

static int sysctl_step(struct link_nl *nl, const struct kstep *s,
		       const char *value, struct errtext *why)
{
	int r;

	if (!value[0])
		return 0;
	r = link_sysctl(s->family, s->dev, s->key, value);
	if (r == -ENOENT && !strcmp(s->family, "ipv6"))
		return 0; /* no IPv6 here */
	if (r)
		return errtext_set(why, r, "net.%s.conf.%s.%s: %s", s->family,
				   s->dev, s->key, strerror(-r));
	/* The kernel has switched it on for every device that is there; those of
	 * other networks of ours stay off. */
	if (!strcmp(s->dev, "all") && !strcmp(s->family, "ipv4"))
		(void)link_dump(nl, RTM_GETLINK, AF_UNSPEC, requiet, NULL);
	return 0;
}

static int make_bridge(struct link_nl *nl, const struct kbridge *w,
		       const struct kstep *s, struct errtext *why)
{
	struct link_change c = {.what = LINK_MARK, .mark = w->mark};
	struct link_info l;
	int r = link_bridge_add(nl, s->dev, &s->mac, s->mtu, why);

	if (r)
		return r;
	r = change(nl, s->dev, &c, why);
	if (r && !link_get(nl, s->dev, &l))
		(void)link_del(nl, l.index, NULL);
	return r;
}

static int take(struct link_nl *nl, const struct kbridge *w,
		const struct kstep *s, struct errtext *why)
{
	struct link_change c = {.mac = s->mac, .mtu = s->mtu, .up = true};

	switch (s->kind) {
	case KSTEP_BRIDGE:
		return make_bridge(nl, w, s, why);
	case KSTEP_MAC:
		c.what = LINK_MAC;
		break;
	case KSTEP_MTU:
		c.what = LINK_MTU;
		break;
	case KSTEP_NF_CALL:
		c.what = LINK_NF_CALL;
		break;
	case KSTEP_UP:
		c.what = LINK_UP;
		break;
	case KSTEP_SYSCTL:
		return sysctl_step(nl, s, s->value, why);
	case KSTEP_ADDR_DEL:
	case KSTEP_ADDR_ADD:
		return addr_step(nl, s, s->kind == KSTEP_ADDR_ADD, why);
	case KSTEP_ROUTE_DEL:
	case KSTEP_ROUTE_ADD:
		return kbridge_route_step(nl, s, s->kind == KSTEP_ROUTE_ADD, why);
	}
	return change(nl, s->dev, &c, why);
}

static void take_back(struct link_nl *nl, const struct kstep *s)
{
	struct link_change c = {.mac = s->was_mac, .mtu = s->was_mtu,
				.nf_call = s->was_nf_call};
	struct link_info l;

	switch (s->kind) {
	case KSTEP_BRIDGE:
		if (!link_get(nl, s->dev, &l))
			(void)link_del(nl, l.index, NULL);
		return;
	case KSTEP_MAC:
		c.what = LINK_MAC;
		break;
	case KSTEP_MTU:
		c.what = LINK_MTU;
		break;
	case KSTEP_NF_CALL:
		c.what = LINK_NF_CALL;
		break;
	case KSTEP_UP:
		c.what = LINK_UP;
		break;
	case KSTEP_SYSCTL:
		(void)sysctl_step(nl, s, s->was, NULL);
		return;
	case KSTEP_ADDR_DEL:
	case KSTEP_ADDR_ADD:
		(void)addr_step(nl, s, s->kind == KSTEP_ADDR_DEL, NULL);
		return;
	case KSTEP_ROUTE_DEL:
	case KSTEP_ROUTE_ADD:
		(void)kbridge_route_step(nl, s, s->kind == KSTEP_ROUTE_DEL, NULL);
		return;
	}
	(void)change(nl, s->dev, &c, NULL);
}

/* ---- all of them ------------------------------------------------------------------------- */

int kbridge_apply(struct link_nl *nl, struct kbridge_plan *p, bool up,
		  struct errtext *why)
{
	for (unsigned int i = 0; i < p->n; i++) {
		struct kstep *s = &p->step[i];
		int r;

		if ((s->kind >= KSTEP_UP) != up)
			continue;
		r = take(nl, p->want, s, why);
		if (r)
			return r;
		s->done = true;
	}
	return 0;
}

void kbridge_undo(struct link_nl *nl, struct kbridge_plan *p)
{
	for (unsigned int i = p->n; i-- > 0;)
		if (p->step[i].done)
			take_back(nl, &p->step[i]);
}

int kbridge_remove(struct link_nl *nl, const char *name, const char *mark,
		   struct errtext *why)
{
	struct link_info l;
	int r = link_get(nl, name, &l);

	if (r == -ENODEV)
		return 0;
	if (r)
		return errtext_set(why, r, "cannot look at %s: %s", name,
				   strerror(-r));
	if (strcmp(l.kind, "bridge") || strcmp(l.alias, mark))
		return 0;
	tapport_all_down(l.index, false);
	return link_del(nl, l.index, why);
}
