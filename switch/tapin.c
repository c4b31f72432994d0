// SPDX-License-Identifier: GPL-2.0-or-later
/* Both ends beside an interface. See tapin.h; what is done with them is
 * port_packet.c's and tapin_side.c's matter. */
#include "switch/tapin.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "switch/link.h"
#include "switch/tapdev.h"
#include "switch/tapin_redirect.h"

#define SOCKET_BUFFER (4 << 20) /* a burst of 64 KiB frames */

/* "vn" in the upper half, so that it meets nobody's marks; the TAP's index below. */
#define MARK	   0x766e0000u
#define MARK_INDEX 0x7fffu
#define MARK_GROUP (MARK | 0xffffu)

static uint32_t mark_of(int tap_index)
{
	return MARK | ((uint32_t)tap_index & MARK_INDEX);
}

/* ---- the socket ------------------------------------------------------------------ */

#define ANCILLARY(what) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + (what)))
#define ON(value, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)

/* Locked: who gets the socket cannot take the filter off again. */
static int set_filter(int fd, int ifindex, uint32_t mark, bool host_too)
{
	/* PACKET_KERNEL is no type that a frame has here. */
	uint32_t barred = host_too ? PACKET_KERNEL : PACKET_HOST;

	struct sock_filter code[] = {
		ANCILLARY(SKF_AD_IFINDEX),
		ON(ifindex, 0, 5),
		ANCILLARY(SKF_AD_MARK),
		ON(mark, 3, 0),
		ON(MARK_GROUP, 2, 0),
		ANCILLARY(SKF_AD_PKTTYPE),
		ON(barred, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, ~0U),
	};
	struct sock_fprog prog = {.len = ARRAY_LEN(code), .filter = code};
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)))
		return -errno;
	return 0;
}

static int set_options(int fd, int ifindex, uint32_t mark, bool mac_nat)
{
	struct packet_mreq mr = {
		.mr_ifindex = ifindex,
		.mr_type = mac_nat ? PACKET_MR_ALLMULTI : PACKET_MR_PROMISC,
	};
	int one = 1;

	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mr,
		       sizeof(mr)))
		return -errno;
	fd_rcvbuf(fd, SOCKET_BUFFER);
	fd_sndbuf(fd, SOCKET_BUFFER);
	return 0;
}

static int open_socket(const struct tapin *t, int ifindex, uint32_t mark,
		       int *fd_out, struct errtext *why)
{
	struct sockaddr_ll sa = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};
	/* Protocol 0: nothing is received before it is bound to the device. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : set_options(fd, ifindex, mark, t->mac_nat);

	if (!r)
		r = set_filter(fd, ifindex, mark, t->mac_nat);
	if (!r && bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		r = -errno;
	if (!r) {
		*fd_out = fd;
		return 0;
	}
	fd_close(&fd);
	return errtext_set(why, r, "no packet socket on %s: %s", t->uplink,
			   strerror(-r));
}

/* ---- the TAP --------------------------------------------------------------------- */

/* Without carrier: it is there to write to, and nobody is to think that a cable was
 * plugged in. */
static int open_tap(struct link_nl *nl, const struct tapin *t, uint32_t mtu,
		    int *index, int *fd_out, struct errtext *why)
{
	struct tapdev d = {.ours = true, .mtu = (uint16_t)mtu};
	struct link_info l;
	int off = 0, fd, r;

	memcpy(d.name, t->tap, IFNAMSIZ);
	r = tapdev_open(&d, &fd, why);
	if (r)
		return r;
	(void)ioctl(fd, TUNSETCARRIER, &off); /* since Linux 5.0 */
	r = link_get(nl, t->tap, &l);
	if (r) {
		fd_close(&fd);
		return errtext_set(why, r, "%s: %s", t->tap, strerror(-r));
	}
	*index = l.index;
	*fd_out = fd;
	return 0;
}

static int find_uplink(struct link_nl *nl, const struct tapin *t,
		       struct link_info *l, struct errtext *why)
{
	const char *name = t->uplink;
	struct link_info m;
	int r = link_get(nl, name, l);

	if (r)
		return errtext_set(why, r, "uplink %s: %s", name,
				   r == -ENODEV ? "no such interface"
						: strerror(-r));
	if (l->type != ARPHRD_ETHER || (l->flags & IFF_LOOPBACK))
		return errtext_set(why, -EOPNOTSUPP,
				   "uplink %s is no Ethernet interface", name);
	if (l->master)
		return errtext_set(why, -EBUSY,
				   "uplink %s is a port of %s: take that as "
				   "the uplink", name,
				   link_get_index(nl, l->master, &m)
					   ? "another interface" : m.name);
	if (l->mtu < t->mtu)
		return errtext_set(why, -ERANGE,
				   "uplink %s has an MTU of %u, the network one "
				   "of %u", name, l->mtu, t->mtu);
	return 0;
}

int tapin_open(const struct tapin *t, struct tapin_ends *out,
	       struct errtext *why)
{
	struct tapin_ends e = {.sock = -1, .tap = -1};
	struct tapin_redirect way = {.group_mark = MARK_GROUP};
	struct link_info l;
	struct link_nl *nl;
	int r = link_nl_new(&nl, why);

	if (r)
		return r;
	r = find_uplink(nl, t, &l, why);
	if (!r)
		r = open_tap(nl, t, l.mtu, &way.from, &e.tap, why);
	if (!r) {
		way.to = l.index;
		way.mark = mark_of(way.from);
		r = tapin_redirect(nl, &way, why);
	}
	if (!r)
		r = open_socket(t, l.index, way.mark, &e.sock, why);
	link_nl_free(nl);
	if (r) {
		fd_close(&e.tap);
		return r;
	}
	e.mac = l.mac;
	*out = e;
	return 0;
}
