// SPDX-License-Identifier: GPL-2.0-or-later
/* Routes to what lies behind guests: those of our protocol on a bridge, which are added and
 * deleted by exact prefix and next hop. See kbridge.h. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "switch/kbridge_int.h"

bool kroute_eq(const struct kroute *a, const struct kroute *b)
{
	return a->net.plen == b->net.plen &&
	       ipaddr_eq(&a->net.addr, &b->net.addr) &&
	       ipaddr_eq(&a->via, &b->via);
}

int kbridge_see_route(const struct nlmsghdr *h, void *arg)
{
	struct kbridge_look *l = arg;
	struct nlmsghdr *hdr = (struct nlmsghdr *)h; /* libnl lacks const */
	struct rtmsg *rt = nlmsg_data(hdr);
	struct nlattr *a[RTA_MAX + 1];
	struct kroute *out;

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    l->seen->nroute == KBRIDGE_ROUTES ||
	    nlmsg_parse(hdr, sizeof(*rt), a, RTA_MAX, NULL) < 0 ||
	    rt->rtm_family != AF_INET6 || rt->rtm_protocol != RTPROT_DHCP ||
	    !a[RTA_OIF] || nla_get_u32(a[RTA_OIF]) != (uint32_t)l->index ||
	    !a[RTA_DST] || nla_len(a[RTA_DST]) != 16 || !a[RTA_GATEWAY] ||
	    nla_len(a[RTA_GATEWAY]) != 16)
		return 0;
	out = &l->seen->route[l->seen->nroute++];
	memcpy(out->net.addr.b, nla_data(a[RTA_DST]), 16);
	memcpy(out->via.b, nla_data(a[RTA_GATEWAY]), 16);
	out->net.plen = rt->rtm_dst_len;
	return 0;
}

int kbridge_route_step(struct link_nl *nl, const struct kstep *s, bool put,
		       struct errtext *why)
{
	const struct kroute *r = &s->route;
	struct rtmsg rt = {
		.rtm_family = AF_INET6,
		.rtm_dst_len = r->net.plen,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_DHCP,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
	struct link_info l;
	struct nl_msg *msg;
	int err = link_get(nl, s->dev, &l);

	if (err)
		return errtext_set(why, err, "%s: %s", s->dev, strerror(-err));
	msg = nlmsg_alloc_simple(put ? RTM_NEWROUTE : RTM_DELROUTE,
				 put ? NLM_F_CREATE | NLM_F_EXCL : 0);
	if (!msg || nlmsg_append(msg, &rt, sizeof(rt), NLMSG_ALIGNTO) ||
	    nla_put(msg, RTA_DST, 16, r->net.addr.b) ||
	    nla_put(msg, RTA_GATEWAY, 16, r->via.b) ||
	    nla_put_u32(msg, RTA_OIF, (uint32_t)l.index)) {
		nlmsg_free(msg);
		return errtext_set(why, -ENOMEM, "no memory");
	}
	err = link_talk(nl, msg);
	/* A host whose IPv6 is off has none; and what one guest was given does not
	 * stand in the way of all the rest. */
	if (err == -EPERM || err == -ENOBUFS || err == -ENOMEM)
		return errtext_set(why, err, "route on %s: %s", s->dev,
				   strerror(-err));
	return 0;
}
