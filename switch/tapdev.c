// SPDX-License-Identifier: GPL-2.0-or-later
/* TAPs and packet sockets in our own namespace. See tapdev.h; for others see
 * tapdev_netns.c. */
#include "switch/tapdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "switch/link.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23 /* Linux 4.20 */
#endif

#define SOCKET_BUFFER (4 << 20) /* a burst of 64 KiB frames */
#define DEFAULT_MTU   1500

/* ---- packet sockets --------------------------------------------------------------- */

static int packet_setup(int fd, int ifindex)
{
	struct packet_mreq mr = {
		.mr_ifindex = ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	int one = 1;

	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		       sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr,
		       sizeof(mr)))
		return -errno;
	fd_rcvbuf(fd, SOCKET_BUFFER);
	fd_sndbuf(fd, SOCKET_BUFFER);
	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : 0;
}

int tapdev_packet(const char *ifname, int *fd_out, struct errtext *why)
{
	unsigned int index = if_nametoindex(ifname);
	int fd, r;

	if (!index)
		return errtext_set(why, -ENODEV, "no interface %s", ifname);
	/* Protocol 0: nothing is received before it is bound to the device. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : packet_setup(fd, (int)index);
	if (r) {
		fd_close(&fd);
		return errtext_set(why, r, "no packet socket on %s: %s",
				   ifname, strerror(-r));
	}
	*fd_out = fd;
	return 0;
}

/* ---- the TAP ------------------------------------------------------------------------ */

static int tun_open(const struct tapdev *t, struct errtext *why)
{
	struct ifreq ifr = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0) {
		r = -errno;
		return errtext_set(why, r, "cannot open /dev/net/tun: %s",
				   strerror(-r));
	}
	memcpy(ifr.ifr_name, t->name, IFNAMSIZ);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (!t->runner)
		ifr.ifr_flags |= (short)IFF_TUN_EXCL;
	if (!ioctl(fd, TUNSETIFF, &ifr))
		return fd;
	r = -errno;
	close(fd);
	if (r == -EBUSY || r == -EEXIST || r == -EINVAL)
		return errtext_set(why, -EEXIST, "interface %s exists already",
				   t->name);
	return errtext_set(why, r, "cannot make TAP %s: %s", t->name,
			   strerror(-r));
}

/* A device of this name before us: one of ours may be taken over by a runner's. */
static int check_name(struct link_nl *nl, const struct tapdev *t, bool *there,
		      struct errtext *why)
{
	struct link_info l;
	int r = link_get(nl, t->name, &l);

	*there = !r;
	if (r == -ENODEV)
		return 0;
	if (r)
		return errtext_set(why, r, "cannot look at %s: %s", t->name,
				   strerror(-r));
	if (t->runner && link_is_ours(&l) && !strcmp(l.kind, "tun"))
		return 0;
	return errtext_set(why, -EEXIST, "interface %s exists already",
			   t->name);
}

static int hold(struct link_nl *nl, int *index, struct errtext *why)
{
	static const struct mac any = {{0x52, 0x54, 0, 0xff, 0xff, 0xfe}};
	struct link_info l;
	int r = link_get(nl, TAPDEV_HOLD, &l);

	if (r == -ENODEV) {
		r = link_bridge_add(nl, TAPDEV_HOLD, &any, 0, why);
		if (!r)
			r = link_get(nl, TAPDEV_HOLD, &l);
	}
	if (r)
		return r;
	if (!link_is_ours(&l) || (l.flags & IFF_UP))
		return errtext_set(why, -EEXIST,
				   "interface %s is not as we made it",
				   TAPDEV_HOLD);
	*index = l.index;
	return 0;
}

/* A host whose IPv6 is off, or that was built without, goes without. */
static int add_ip6(struct link_nl *nl, int index, const struct tapdev *t,
		   struct errtext *why)
{
	int r;

	link_quiet_ip6(t->name);
	r = link_ip6_add(nl, index, &t->ip6, t->plen6, why);
	return r == -EACCES || r == -EOPNOTSUPP || r == -EAFNOSUPPORT ? 0 : r;
}

/* Everything but the descriptor: address, MTU, state. */
static int configure(struct link_nl *nl, const struct tapdev *t,
		     struct errtext *why)
{
	struct link_change c = {.what = LINK_MTU, .mtu = t->mtu};
	struct link_info l;
	int r = link_get(nl, t->name, &l);

	if (r)
		return r;
	if (!t->mtu)
		c.mtu = DEFAULT_MTU;
	if (!mac_is_zero(&t->mac)) {
		c.what |= LINK_MAC;
		c.mac = t->mac;
	}
	if (t->ours || t->runner) {
		c.what |= LINK_MARK | LINK_GENMODE;
		c.genmode = 1; /* IN6_ADDR_GEN_MODE_NONE */
		link_quiet(t->name);
	}
	if (t->runner) {
		c.what |= LINK_MASTER | LINK_NOARP;
		r = hold(nl, &c.master, why);
	}
	if (!r)
		r = link_set(nl, l.index, &c, why);
	if (!r && t->ip4)
		r = link_ip4_add(nl, l.index, t->ip4, t->plen, why);
	if (!r && !ipaddr_is_zero(&t->ip6))
		r = add_ip6(nl, l.index, t, why);
	if (!r)
		r = link_set(nl, l.index,
			     &(struct link_change){.what = LINK_UP, .up = true},
			     why);
	return r;
}

/* Leave the device behind for a VMM, keep a packet socket on it. */
static int hand_over(int tap, const struct tapdev *t, bool fresh, int *fd_out,
		     struct errtext *why)
{
	int r;

	if (ioctl(tap, TUNSETOWNER, (unsigned long)t->owner) ||
	    ioctl(tap, TUNSETPERSIST, 1UL)) {
		r = -errno;
		return errtext_set(why, r, "cannot give TAP %s to uid %u: %s",
				   t->name, t->owner, strerror(-r));
	}
	r = tapdev_packet(t->name, fd_out, why);
	if (r && fresh)
		(void)ioctl(tap, TUNSETPERSIST, 0UL);
	return r;
}

/*
 * One of ours is there: the VMM may have it open, so that TUNSETIFF is refused.
 * Its settings are made anew all the same.
 */
static int take_over(struct link_nl *nl, const struct tapdev *t, int *fd_out,
		     struct errtext *why)
{
	int r = configure(nl, t, why);

	return r ? r : tapdev_packet(t->name, fd_out, why);
}

int tapdev_open(const struct tapdev *t, int *fd_out, struct errtext *why)
{
	struct link_nl *nl;
	bool there = false;
	int tap, r = link_nl_new(&nl, why);

	if (r)
		return r;
	r = check_name(nl, t, &there, why);
	if (r)
		goto out;
	if (there) {
		r = take_over(nl, t, fd_out, why);
		goto out;
	}
	r = tap = tun_open(t, why);
	if (r < 0)
		goto out;
	r = configure(nl, t, why);
	if (!r && t->runner)
		r = hand_over(tap, t, true, fd_out, why);
	else if (!r)
		*fd_out = tap;
	if (r || t->runner)
		close(tap);
out:
	link_nl_free(nl);
	return r;
}

static int count_held(const struct nlmsghdr *h, void *arg)
{
	int *want = arg; /* the bridge; zeroed when it has a port */
	struct link_info l;

	if (!link_parse(h, &l) && l.master == *want)
		*want = 0;
	return 0;
}

/* Without ports the holding bridge goes too; whether it does is no error. */
static void drop_hold(struct link_nl *nl)
{
	struct link_info l;
	int index;

	if (link_get(nl, TAPDEV_HOLD, &l) || !link_is_ours(&l))
		return;
	index = l.index;
	if (!link_dump(nl, RTM_GETLINK, AF_UNSPEC, count_held, &index) && index)
		(void)link_del(nl, index, NULL);
}

int tapdev_del(const char *name, struct errtext *why)
{
	struct link_info l;
	struct link_nl *nl;
	int r = link_nl_new(&nl, why);

	if (r)
		return r;
	r = link_get(nl, name, &l);
	if (r == -ENODEV)
		r = 0;
	else if (!r && (!link_is_ours(&l) || strcmp(l.kind, "tun")))
		r = errtext_set(why, -EPERM, "%s is not a TAP of ours", name);
	else if (!r)
		r = link_del(nl, l.index, why);
	if (!r)
		drop_hold(nl);
	link_nl_free(nl);
	return r;
}
