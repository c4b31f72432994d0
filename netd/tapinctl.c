// SPDX-License-Identifier: GPL-2.0-or-later
/* See tapinctl.h. */
#include "netd/tapinctl.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "lib/log.h"
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

/* ---- MAC translation --------------------------------------------------------------- */

bool tapinctl_is_wireless(const char *root, const char *ifname)
{
	static const char *const marks[] = {"wireless", "phy80211"};
	char path[256];

	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		snprintf(path, sizeof(path), "%s/sys/class/net/%s/%s", root,
			 ifname, marks[i]);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static bool wants_mac_nat(const struct net_conf *c)
{
	return c->mac_nat == MAC_NAT_ON ||
	       (c->mac_nat == MAC_NAT_AUTO && tapinctl_is_wireless("", c->uplink));
}

static bool is_on(const char *fmt, const char *ifname)
{
	char path[128], c = '0';
	int fd;

	snprintf(path, sizeof(path), fmt, ifname);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &c, 1) != 1)
		c = '0';
	fd_close(&fd);
	return c != '0';
}

bool tapinctl_has_copies(const struct network *n)
{
	const char *up = n->conf.uplink;

	return n->tapin.open && n->tapin.mac_nat &&
	       (is_on("/proc/sys/net/ipv4/conf/%s/forwarding", up) ||
		is_on("/proc/sys/net/ipv6/conf/%s/forwarding", up));
}

char *tapinctl_fix(const struct network *n, char out[TAPINCTL_TEXT])
{
	const char *up = n->conf.uplink;

	snprintf(out, TAPINCTL_TEXT,
		 "nft 'add table inet mac-nat; add chain inet mac-nat f { type "
		 "filter hook forward priority -300; }; add rule inet mac-nat f "
		 "iifname %s oifname %s drop'; sysctl -w "
		 "net.ipv4.conf.all.send_redirects=0 "
		 "net.ipv4.conf.%s.send_redirects=0", up, up, up);
	return out;
}

char *tapinctl_note(const struct network *n, char out[TAPINCTL_TEXT])
{
	*out = '\0';
	if (tapinctl_has_copies(n))
		snprintf(out, TAPINCTL_TEXT,
			 TAPINCTL_COPIES "; vnet doctor %s has the commands that "
					 "keep it quiet",
			 n->conf.name);
	return out;
}

static void tell_mac_nat(const struct network *n)
{
	char mac[MAC_TEXT], note[TAPINCTL_TEXT];

	if (!n->tapin.mac_nat)
		return;
	log_info("network %s: guests share %s on the wire: %s has one MAC "
		 "address", n->conf.name, mac_format(&n->tapin.mac, mac),
		 n->conf.uplink);
	if (*tapinctl_note(n, note))
		log_warn("network %s: %s", n->conf.name, note);
}

/* ---- opening ------------------------------------------------------------------------- */

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
	n->tapin.mac_nat = wants_mac_nat(&n->conf);
	r = priv_tapin(n->ctl->priv, n->conf.uplink, tap, n->conf.mtu,
		       n->tapin.mac_nat, fd, &n->tapin.mac, why);
	if (r)
		return r;
	n->port_fd = fd[0];
	n->tapin.fd = fd[1];
	n->tapin.index = if_nametoindex(n->conf.uplink);
	n->tapin.open = true;
	tell_mac_nat(n);
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

int tapinctl_plan(const struct network *n, bool all, json_t *steps)
{
	const char *up = n->conf.uplink;
	char tap[IFNAMSIZ];

	if (n->tapin.open && !all)
		return 0;
	dev_name("vn-up-", n->conf.name, -1, tap);
	if (json_array_append_new(
		    steps, json_sprintf("tap %s add mtu of %s, no carrier: the "
					"way to the host's own stack", tap, up)) ||
	    json_array_append_new(
		    steps, json_sprintf("tap %s ingress program: hand on to the "
					"ingress of %s", tap, up)) ||
	    json_array_append_new(
		    steps, json_sprintf("packet socket on %s, which stays as it "
					"is%s", up,
					wants_mac_nat(&n->conf)
						? ": all groups; guests share "
						  "its MAC on the wire"
						: ": promiscuous")))
		return -ENOMEM;
	return 0;
}
