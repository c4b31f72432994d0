// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices over netlink. See link.h. Taking over a host's interface, which is more
 * than one request, is in uplink.c; TAPs are made by ioctl in tapdev.c.
 */
#include "switch/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>


struct link_nl {
	struct nl_sock *sock;
	struct nl_cb *cb;
	int err;       /* verdict of the request under way */
	bool done;     /* it has come */
	int (*fn)(const struct nlmsghdr *h, void *arg);
	void *arg;
};

/* ---- transport ------------------------------------------------------------------- */

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct link_nl *nl = arg;

	(void)msg;
	nl->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct link_nl *nl = arg;

	(void)from;
	nl->err = e->error;
	nl->done = true;
	return NL_STOP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct link_nl *nl = arg;

	if (nl->fn && !nl->err)
		nl->err = nl->fn(nlmsg_hdr(msg), nl->arg);
	return NL_OK;
}

int link_nl_new(struct link_nl **out, struct errtext *why)
{
	struct link_nl *nl = calloc(1, sizeof(*nl));
	int r = -ENOMEM;

	if (!nl)
		return r;
	nl->cb = nl_cb_alloc(NL_CB_DEFAULT);
	nl->sock = nl->cb ? nl_socket_alloc_cb(nl->cb) : NULL;
	if (!nl->sock)
		goto fail;
	nl_cb_set(nl->cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, nl);
	nl_cb_set(nl->cb, NL_CB_FINISH, NL_CB_CUSTOM, on_ack, nl);
	nl_cb_set(nl->cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, nl);
	nl_cb_err(nl->cb, NL_CB_CUSTOM, on_error, nl);
	if (nl_connect(nl->sock, NETLINK_ROUTE) < 0) {
		r = errno ? -errno : -EIO;
		goto fail;
	}
	nl_socket_set_msg_buf_size(nl->sock, 65536);
	*out = nl;
	return 0;
fail:
	link_nl_free(nl);
	return errtext_set(why, r, "no netlink socket: %s", strerror(-r));
}

void link_nl_free(struct link_nl *nl)
{
	if (!nl)
		return;
	nl_socket_free(nl->sock);
	nl_cb_put(nl->cb);
	free(nl);
}

/* libnl has codes of its own where no kernel spoke. */
static int from_nle(int r)
{
	switch (-r) {
	case NLE_INTR:
		return -EINTR;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_MSG_TRUNC:
	case NLE_MSGSIZE:
		return -EMSGSIZE;
	case NLE_DUMP_INTR: /* the table changed while we read it */
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static int converse(struct link_nl *nl, struct nl_msg *msg,
		    int (*fn)(const struct nlmsghdr *h, void *arg), void *arg)
{
	int r;

	nl->fn = fn;
	nl->arg = arg;
	nl->err = 0;
	nl->done = false;
	r = nl_send_auto(nl->sock, msg);
	nlmsg_free(msg);
	while (r >= 0 && !nl->done)
		r = nl_recvmsgs(nl->sock, nl->cb);
	if (nl->err)
		return nl->err;
	return r < 0 ? from_nle(r) : 0;
}

int link_talk(struct link_nl *nl, struct nl_msg *msg)
{
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	return converse(nl, msg, NULL, NULL);
}

int link_dump(struct link_nl *nl, int type, int family,
	      int (*fn)(const struct nlmsghdr *h, void *arg), void *arg)
{
	struct ifinfomsg body = {.ifi_family = (unsigned char)family};
	/* All start with the family; the kernel wants each table's own size. */
	size_t len = type == RTM_GETLINK ? sizeof(struct ifinfomsg)
		     : type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
		     : type == RTM_GETNEIGH ? sizeof(struct ndmsg)
					    : sizeof(struct rtmsg);
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_DUMP);

	if (!msg || nlmsg_append(msg, &body, len, NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return converse(nl, msg, fn, arg);
}

/* ---- looking --------------------------------------------------------------------- */

static void get_text(char *out, size_t cap, struct nlattr *a)
{
	if (a)
		nla_strlcpy(out, a, cap);
}

static uint32_t get_u32(struct nlattr *a)
{
	return a && nla_len(a) == 4 ? nla_get_u32(a) : 0;
}

/* Bits of LINK_CALL_* in their order. */
static const int nf_calls[] = {IFLA_BR_NF_CALL_IPTABLES,
			       IFLA_BR_NF_CALL_IP6TABLES,
			       IFLA_BR_NF_CALL_ARPTABLES};

static uint8_t get_nf_call(struct nlattr *data)
{
	struct nlattr *a[IFLA_BR_MAX + 1];
	uint8_t bits = 0;

	if (nla_parse_nested(a, IFLA_BR_MAX, data, NULL))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(nf_calls); i++)
		if (a[nf_calls[i]] && nla_len(a[nf_calls[i]]) == 1 &&
		    nla_get_u8(a[nf_calls[i]]))
			bits |= (uint8_t)(1u << i);
	return bits;
}

static void get_counts(struct link_counts *c, const struct nlattr *a)
{
	struct rtnl_link_stats64 s = {0};

	/* Older kernels know fewer, newer ones more. */
	if (a)
		nla_memcpy(&s, a, sizeof(s));
	*c = (struct link_counts){
		.rx_frames = s.rx_packets,
		.rx_bytes = s.rx_bytes,
		.rx_dropped = s.rx_dropped,
		.tx_frames = s.tx_packets,
		.tx_bytes = s.tx_bytes,
		.tx_dropped = s.tx_dropped,
	};
}

int link_parse(const struct nlmsghdr *h, struct link_info *l)
{
	struct nlmsghdr *hdr = (struct nlmsghdr *)h; /* libnl lacks const */
	struct ifinfomsg *ifi = nlmsg_data(hdr);
	struct nlattr *a[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];

	if (h->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse(hdr, sizeof(*ifi), a, IFLA_MAX, NULL) < 0)
		return -EINVAL;
	memset(l, 0, sizeof(*l));
	l->index = ifi->ifi_index;
	l->flags = ifi->ifi_flags;
	l->type = ifi->ifi_type;
	get_text(l->name, sizeof(l->name), a[IFLA_IFNAME]);
	get_text(l->alias, sizeof(l->alias), a[IFLA_IFALIAS]);
	l->mtu = get_u32(a[IFLA_MTU]);
	l->master = (int)get_u32(a[IFLA_MASTER]);
	if (a[IFLA_ADDRESS] && nla_len(a[IFLA_ADDRESS]) == 6)
		memcpy(l->mac.b, nla_data(a[IFLA_ADDRESS]), 6);
	get_counts(&l->counts, a[IFLA_STATS64]);
	if (!a[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, a[IFLA_LINKINFO], NULL))
		return 0;
	get_text(l->kind, sizeof(l->kind), info[IFLA_INFO_KIND]);
	if (info[IFLA_INFO_DATA] && !strcmp(l->kind, "bridge"))
		l->nf_call = get_nf_call(info[IFLA_INFO_DATA]);
	return 0;
}

int link_neigh_parse(const struct nlmsghdr *h, struct link_neigh *e)
{
	static const unsigned int heard = NUD_REACHABLE | NUD_STALE | NUD_DELAY |
					  NUD_PROBE | NUD_PERMANENT;
	struct nlmsghdr *hdr = (struct nlmsghdr *)h; /* libnl lacks const */
	struct ndmsg *nd = nlmsg_data(hdr);
	struct nlattr *a[NDA_MAX + 1];
	int len;

	if (h->nlmsg_type != RTM_NEWNEIGH ||
	    nlmsg_parse(hdr, sizeof(*nd), a, NDA_MAX, NULL) < 0 ||
	    (nd->ndm_flags & NTF_PROXY) || !a[NDA_DST])
		return -EINVAL;
	memset(e, 0, sizeof(*e));
	len = nla_len(a[NDA_DST]);
	if (nd->ndm_family == AF_INET && len == 4)
		e->ip = ipaddr_from4(ntohl(nla_get_u32(a[NDA_DST])));
	else if (nd->ndm_family == AF_INET6 && len == 16)
		memcpy(e->ip.b, nla_data(a[NDA_DST]), 16);
	else
		return -EINVAL;
	e->index = nd->ndm_ifindex;
	e->state = nd->ndm_state;
	if (a[NDA_LLADDR] && nla_len(a[NDA_LLADDR]) == 6) {
		memcpy(e->mac.b, nla_data(a[NDA_LLADDR]), 6);
		e->usable = nd->ndm_state & heard;
	}
	return 0;
}

static int read_link(const struct nlmsghdr *h, void *arg)
{
	(void)link_parse(h, arg);
	return 0;
}

static int get(struct link_nl *nl, const char *name, int index,
	       struct link_info *out)
{
	struct ifinfomsg ifi = {.ifi_index = index};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, 0);
	struct link_info l = {0};
	int r;

	if (!msg || nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) ||
	    (name && nla_put_string(msg, IFLA_IFNAME, name))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	r = converse(nl, msg, read_link, &l);
	if (!r)
		*out = l;
	return r;
}

int link_get(struct link_nl *nl, const char *name, struct link_info *out)
{
	if (!name[0] || strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	return get(nl, name, 0, out);
}

int link_get_index(struct link_nl *nl, int index, struct link_info *out)
{
	return get(nl, NULL, index, out);
}

/* ---- making and changing ---------------------------------------------------------- */

static struct nl_msg *link_msg(int type, int flags, const struct ifinfomsg *ifi)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, (void *)ifi, sizeof(*ifi),
				NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int put_genmode(struct nl_msg *msg, uint8_t mode)
{
	struct nlattr *spec = nla_nest_start(msg, IFLA_AF_SPEC);
	struct nlattr *in6 = spec ? nla_nest_start(msg, AF_INET6) : NULL;

	if (!in6 || nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, mode))
		return -ENOMEM;
	nla_nest_end(msg, in6);
	nla_nest_end(msg, spec);
	return 0;
}

static int put_bridge(struct nl_msg *msg)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);
	struct nlattr *data;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "bridge"))
		return -ENOMEM;
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	if (!data || nla_put_u32(msg, IFLA_BR_STP_STATE, 0) ||
	    nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0) ||
	    nla_put_u8(msg, IFLA_BR_MCAST_SNOOPING, 0))
		return -ENOMEM;
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
}

int link_bridge_add(struct link_nl *nl, const char *name,
		    const struct mac *mac, uint32_t mtu, struct errtext *why)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC};
	struct nl_msg *msg =
		link_msg(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi);
	struct link_info made;
	int r;

	if (!msg || nla_put_string(msg, IFLA_IFNAME, name) ||
	    nla_put(msg, IFLA_ADDRESS, 6, mac->b) ||
	    nla_put_u32(msg, IFLA_MTU, mtu ? mtu : 1500) || put_bridge(msg)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = link_talk(nl, msg);
	if (r)
		return errtext_set(why, r, "cannot make bridge %s: %s", name,
				   strerror(-r));
	/* Mark and address mode are taken by a change only. */
	r = link_get(nl, name, &made);
	if (!r)
		r = link_set(nl, made.index,
			     &(struct link_change){
				     .what = LINK_MARK | LINK_GENMODE,
				     .genmode = IN6_ADDR_GEN_MODE_NONE},
			     why);
	return r;
}

/* A kernel without br_netfilter passes over them. */
static int put_nf_call(struct nl_msg *msg, uint8_t bits)
{
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO), *data;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "bridge"))
		return -ENOMEM;
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	for (size_t i = 0; data && i < ARRAY_LEN(nf_calls); i++)
		if (nla_put_u8(msg, nf_calls[i], bits >> i & 1))
			return -ENOMEM;
	if (!data)
		return -ENOMEM;
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
}

static int put_change(struct nl_msg *msg, const struct link_change *c)
{
	if (((c->what & LINK_MTU) && nla_put_u32(msg, IFLA_MTU, c->mtu)) ||
	    ((c->what & LINK_MAC) &&
	     nla_put(msg, IFLA_ADDRESS, 6, c->mac.b)) ||
	    ((c->what & LINK_MASTER) &&
	     nla_put_u32(msg, IFLA_MASTER, (uint32_t)c->master)) ||
	    ((c->what & LINK_MARK) &&
	     nla_put_string(msg, IFLA_IFALIAS,
			    c->mark ? c->mark : LINK_OWNER)) ||
	    ((c->what & LINK_GENMODE) && put_genmode(msg, c->genmode)) ||
	    ((c->what & LINK_NF_CALL) && put_nf_call(msg, c->nf_call)))
		return -ENOMEM;
	return 0;
}

int link_set(struct link_nl *nl, int index, const struct link_change *c,
	     struct errtext *why)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = index};
	struct nl_msg *msg;
	int r;

	if (c->what & LINK_UP) {
		ifi.ifi_change |= IFF_UP;
		ifi.ifi_flags |= c->up ? IFF_UP : 0;
	}
	if (c->what & LINK_NOARP) {
		ifi.ifi_change |= IFF_NOARP;
		ifi.ifi_flags |= IFF_NOARP;
	}
	msg = link_msg(RTM_NEWLINK, 0, &ifi);
	if (!msg || put_change(msg, c)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = link_talk(nl, msg);
	if (r == -EAFNOSUPPORT && (c->what & LINK_GENMODE)) {
		/* no IPv6 here: nothing to switch off */
		struct link_change less = *c;

		less.what &= ~(unsigned int)LINK_GENMODE;
		return less.what ? link_set(nl, index, &less, why) : 0;
	}
	return r ? errtext_set(why, r, "cannot change interface: %s",
			       strerror(-r)) : 0;
}

int link_del(struct link_nl *nl, int index, struct errtext *why)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = index};
	struct nl_msg *msg = link_msg(RTM_DELLINK, 0, &ifi);
	int r;

	if (!msg)
		return -ENOMEM;
	r = link_talk(nl, msg);
	if (!r || r == -ENODEV)
		return 0;
	return errtext_set(why, r, "cannot delete interface: %s",
			   strerror(-r));
}

int link_ip4_add(struct link_nl *nl, int index, uint32_t ip, uint8_t plen,
		 struct errtext *why)
{
	struct ifaddrmsg ifa = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = plen,
		.ifa_index = (unsigned int)index,
	};
	uint32_t be = htonl(ip), brd = htonl(ip | ~ip4_mask(plen));
	struct nl_msg *msg =
		nlmsg_alloc_simple(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	int r;

	if (!msg || nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO) ||
	    nla_put_u32(msg, IFA_LOCAL, be) ||
	    nla_put_u32(msg, IFA_ADDRESS, be) ||
	    (plen < 31 && nla_put_u32(msg, IFA_BROADCAST, brd))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = link_talk(nl, msg);
	if (r) {
		char text[IP4_TEXT];

		return errtext_set(why, r, "cannot add address %s/%u: %s",
				   ip4_format(ip, text), plen, strerror(-r));
	}
	return 0;
}

int link_ip6_add(struct link_nl *nl, int index, const struct ipaddr *ip,
		 uint8_t plen, struct errtext *why)
{
	struct ifaddrmsg ifa = {
		.ifa_family = AF_INET6,
		.ifa_prefixlen = plen,
		.ifa_flags = IFA_F_NODAD | IFA_F_PERMANENT,
		.ifa_index = (unsigned int)index,
	};
	struct nl_msg *msg =
		nlmsg_alloc_simple(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	char text[IP_TEXT];
	int r;

	if (!msg || nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO) ||
	    nla_put(msg, IFA_LOCAL, 16, ip->b) ||
	    nla_put(msg, IFA_ADDRESS, 16, ip->b)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = link_talk(nl, msg);
	return r ? errtext_set(why, r, "cannot add address %s/%u: %s",
			       ipaddr_format(ip, text), plen, strerror(-r))
		 : 0;
}

int link_addr_del(struct link_nl *nl, int index, const struct ipaddr *ip,
		  uint8_t plen, struct errtext *why)
{
	bool v4 = ipaddr_is4(ip);
	struct ifaddrmsg ifa = {
		.ifa_family = v4 ? AF_INET : AF_INET6,
		.ifa_prefixlen = plen,
		.ifa_index = (unsigned int)index,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_DELADDR, 0);
	char text[IP_TEXT];
	int r;

	if (!msg || nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO) ||
	    nla_put(msg, IFA_LOCAL, v4 ? 4 : 16, ip->b + (v4 ? 12 : 0))) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	r = link_talk(nl, msg);
	if (!r || r == -EADDRNOTAVAIL)
		return 0;
	return errtext_set(why, r, "cannot remove address %s/%u: %s",
			   ipaddr_format(ip, text), plen, strerror(-r));
}

/* ---- sysctl ------------------------------------------------------------------------ */

static int sysctl_open(const char *family, const char *ifname,
		       const char *key, int flags)
{
	char path[128];
	int fd;

	if (snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family,
		     ifname, key) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int link_sysctl(const char *family, const char *ifname, const char *key,
		const char *value)
{
	int fd = sysctl_open(family, ifname, key, O_WRONLY), r;

	if (fd < 0)
		return fd;
	r = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int link_sysctl_get(const char *family, const char *ifname, const char *key,
		    char *out, size_t cap)
{
	int fd = sysctl_open(family, ifname, key, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, out, cap - 1);
	close(fd);
	if (n < 0)
		return -errno;
	while (n > 0 && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
	return 0;
}

void link_quiet(const char *ifname)
{
	/* Best effort each: a kernel without IPv6 has nothing to be silenced. */
	(void)link_sysctl("ipv6", ifname, "disable_ipv6", "1");
	(void)link_sysctl("ipv4", ifname, "forwarding", "0");
	(void)link_sysctl("ipv4", ifname, "accept_redirects", "0");
	(void)link_sysctl("ipv4", ifname, "send_redirects", "0");
	(void)link_sysctl("ipv4", ifname, "rp_filter", "1");
	(void)link_sysctl("ipv4", ifname, "accept_source_route", "0");
	(void)link_sysctl("ipv4", ifname, "proxy_arp", "0");
	/* Answer ARP only for an address that the device itself has. */
	(void)link_sysctl("ipv4", ifname, "arp_ignore", "1");
}

void link_quiet_ip6(const char *ifname)
{
	(void)link_sysctl("ipv6", ifname, "accept_ra", "0");
	(void)link_sysctl("ipv6", ifname, "autoconf", "0");
	(void)link_sysctl("ipv6", ifname, "accept_redirects", "0");
	(void)link_sysctl("ipv6", ifname, "accept_source_route", "-1");
	(void)link_sysctl("ipv6", ifname, "disable_ipv6", "0");
}
