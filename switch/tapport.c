// SPDX-License-Identifier: GPL-2.0-or-later
/* TAPs as ports of our bridges. See tapport.h. */
#include "switch/tapport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/fdutil.h"

static int find_bridge(struct link_nl *nl, const struct tapport *t, int *index,
		       struct errtext *why)
{
	struct link_info l;
	int r = link_get(nl, t->bridge, &l);

	if (r)
		return errtext_set(why, r, "no bridge %s: %s", t->bridge,
				   strerror(-r));
	if (strcmp(l.kind, "bridge") || strcmp(l.alias, t->mark))
		return errtext_set(why, -EPERM, "%s is not this network's",
				   t->bridge);
	*index = l.index;
	return 0;
}

/* 1 it is there and ours, 0 it is not there. */
static int find_tap(struct link_nl *nl, const struct tapport *t,
		    struct errtext *why)
{
	struct link_info l;
	int r = link_get(nl, t->name, &l);

	if (r == -ENODEV)
		return 0;
	if (r)
		return errtext_set(why, r, "cannot look at %s: %s", t->name,
				   strerror(-r));
	if (!link_is_ours(&l) || strcmp(l.kind, "tun"))
		return errtext_set(why, -EEXIST, "interface %s exists already",
				   t->name);
	return 1;
}

static int make(const struct tapport *t, int *fd_out, struct errtext *why)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), r = 0;
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, t->name, IFNAMSIZ);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	ifr.ifr_flags |= (short)(t->nic ? 0 : IFF_TUN_EXCL);
	ifr.ifr_flags |= (short)(t->nic && t->queues > 1 ? IFF_MULTI_QUEUE : 0);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		r = -errno;
	if (!r && t->nic &&
	    (ioctl(fd, TUNSETOWNER, (unsigned long)t->owner) ||
	     ioctl(fd, TUNSETPERSIST, 1UL)))
		r = -errno;
	if (!r) {
		*fd_out = fd;
		return 0;
	}
	fd_close(&fd);
	return errtext_set(why, r, "cannot make TAP %s: %s", t->name,
			   strerror(-r));
}

/* What differs only: the kernel tells everybody of a change that is none, too, and who
 * looks after TAPs whenever there is news of links would never be done. */
static unsigned int differs(const struct tapport *t, const struct link_info *l,
			    int bridge)
{
	unsigned int what = 0;

	if (l->mtu != t->mtu)
		what |= LINK_MTU;
	if (l->master != bridge)
		what |= LINK_MASTER;
	if (strcmp(l->alias, t->mark) != 0) /* ours have both from the start */
		what |= LINK_MARK | LINK_GENMODE;
	return what;
}

/* Down, so that nothing of it reaches the host before it is the bridge's. */
static int settle(struct link_nl *nl, const struct tapport *t, int bridge,
		  struct errtext *why)
{
	struct link_change c = {
		.mtu = t->mtu,
		.master = bridge,
		.mark = t->mark,
		.genmode = IN6_ADDR_GEN_MODE_NONE,
	};
	struct link_change up = {.what = LINK_UP, .up = t->up};
	struct link_info l;
	int r = link_get(nl, t->name, &l);

	if (r)
		return errtext_set(why, r, "%s: %s", t->name, strerror(-r));
	c.what = differs(t, &l, bridge);
	link_quiet(t->name);
	if (c.what)
		r = link_set(nl, l.index, &c, why);
	if (!r && !(l.flags & IFF_UP) != !t->up)
		r = link_set(nl, l.index, &up, why);
	return r;
}

static void unmake(struct link_nl *nl, const struct tapport *t)
{
	struct link_info l;

	if (!link_get(nl, t->name, &l))
		(void)link_del(nl, l.index, NULL);
}

int tapport_open(const struct tapport *t, int *fd_out, struct errtext *why)
{
	int bridge = 0, fd = -1, r;
	struct link_nl *nl;

	r = link_nl_new(&nl, why);
	if (r)
		return r;
	r = find_bridge(nl, t, &bridge, why);
	if (!r)
		r = find_tap(nl, t, why);
	if (!r)
		r = make(t, &fd, why);
	if (r >= 0)
		r = settle(nl, t, bridge, why);
	if (r && fd >= 0)
		unmake(nl, t);
	if (r || t->nic)
		fd_close(&fd);
	link_nl_free(nl);
	if (!r)
		*fd_out = fd;
	return r;
}

struct ports {
	struct link_nl *nl; /* another one: that which dumps is busy; NULL = count */
	int bridge;
	bool ours;
	unsigned int n;
};

static int port_down(const struct nlmsghdr *h, void *arg)
{
	struct link_change c = {.what = LINK_UP};
	struct ports *p = arg;
	struct link_info l;

	if (link_parse(h, &l) || l.master != p->bridge ||
	    (p->ours && !link_is_ours(&l)))
		return 0;
	p->n++;
	if (p->nl)
		(void)link_set(p->nl, l.index, &c, NULL);
	return 0;
}

static void each_port(struct ports *p)
{
	struct link_nl *nl;

	if (link_nl_new(&nl, NULL))
		return;
	(void)link_dump(nl, RTM_GETLINK, AF_UNSPEC, port_down, p);
	link_nl_free(nl);
}

void tapport_all_down(int bridge, bool ours)
{
	struct ports p = {.bridge = bridge, .ours = ours};

	if (link_nl_new(&p.nl, NULL))
		return;
	each_port(&p);
	link_nl_free(p.nl);
}

bool tapport_any(int bridge)
{
	struct ports p = {.bridge = bridge};

	each_port(&p);
	return p.n;
}

static int is_our_tap(const char *name, struct errtext *why)
{
	struct link_nl *nl;
	struct link_info l;
	int r = link_nl_new(&nl, why);

	if (r)
		return r;
	r = link_get(nl, name, &l);
	link_nl_free(nl);
	if (r)
		return errtext_set(why, r, "interface %s: %s", name,
				   strerror(-r));
	if (!link_is_ours(&l) || strcmp(l.kind, "tun"))
		return errtext_set(why, -EPERM, "%s is no TAP of ours", name);
	return 0;
}

int tapport_fd(const char *name, unsigned int how, int *fd_out,
	       struct errtext *why)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd, r = is_our_tap(name, why);

	if (r)
		return r;
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	ifr.ifr_flags |= (short)(how & TAPPORT_PLAIN ? 0 : IFF_VNET_HDR);
	ifr.ifr_flags |= (short)(how & TAPPORT_MULTI ? IFF_MULTI_QUEUE : 0);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) ||
	    ((how & TAPPORT_ONCE) && ioctl(fd, TUNSETPERSIST, 0UL)))
		r = -errno;
	if (!r) {
		*fd_out = fd;
		return 0;
	}
	fd_close(&fd);
	return errtext_set(why, r, r == -EBUSY ? "TAP %s is open already: a VMM "
						 "has it"
					       : "cannot open TAP %s", name);
}
