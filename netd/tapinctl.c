// SPDX-License-Identifier: GPL-2.0-or-later
/* See tapinctl.h. */
#include "netd/tapinctl.h"

#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "netd/ctl.h"
#include "netd/priv.h"
#include "netd/validate.h"

static bool on_same(const struct network *n, const struct network *o)
{
	return o != n && !strcmp(o->conf.uplink, n->conf.uplink);
}

static const struct network *taken_by(const struct network *n)
{
	list_for_each(o, &n->ctl->model.nets, struct network, node)
		if (on_same(n, o) && o->bridge_in)
			return o;
	return NULL;
}

const struct network *tapinctl_other(const struct network *n)
{
	list_for_each(o, &n->ctl->model.nets, struct network, node)
		if (on_same(n, o) && o->tapin.open)
			return o;
	return NULL;
}

int tapinctl_open(struct network *n, struct errtext *why)
{
	const struct network *o = taken_by(n);
	char tap[IFNAMSIZ];
	int fd[2], r;

	if (n->tapin.open)
		return 0;
	if (o)
		return errtext_set(why, -EBUSY,
				   "uplink %s is in a bridge of network %s; both "
				   "can have it with --uplink-mode tap-in",
				   n->conf.uplink, o->conf.name);
	if (!if_nametoindex(n->conf.uplink))
		return errtext_set(why, -ENODEV, "uplink %s: no such interface",
				   n->conf.uplink);
	dev_name("vn-up-", n->conf.name, -1, tap);
	r = priv_tapin(n->ctl->priv, n->conf.uplink, tap, n->conf.mtu, fd,
		       &n->tapin.mac, why);
	if (r)
		return r;
	n->port_fd = fd[0];
	n->tapin.fd = fd[1];
	n->tapin.index = if_nametoindex(n->conf.uplink);
	n->tapin.open = true;
	return 0;
}

void tapinctl_close(struct network *n)
{
	if (!n->tapin.open)
		return;
	fd_close(&n->tapin.fd);
	n->tapin.open = false;
}

static bool same_mac(const struct network *n)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};
	bool same;

	memcpy(ifr.ifr_name, n->conf.uplink, IFNAMSIZ);
	same = fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr) ||
	       !memcmp(ifr.ifr_hwaddr.sa_data, n->tapin.mac.b, 6);
	fd_close(&fd);
	return same;
}

bool tapinctl_is_stale(const struct network *n)
{
	return n->tapin.open &&
	       (if_nametoindex(n->conf.uplink) != n->tapin.index ||
		!same_mac(n));
}
