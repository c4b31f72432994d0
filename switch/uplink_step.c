// SPDX-License-Identifier: GPL-2.0-or-later
/* The single steps of taking an interface in and giving it back. See uplink_step.h. */
#include "switch/uplink_step.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "switch/tapdev.h"
#include "switch/tapport.h"

#define CARRIER_WAIT_MS 1500 /* the kernel may take a second for it */

/* ---- messages ----------------------------------------------------------------------- */

static int talk(struct uplink_run *run, int type, int flags, const void *body,
		size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (!msg || nlmsg_append(msg, (void *)body, len, NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return link_talk(run->nl, msg);
}

static int target(const struct uplink_run *run, const struct up_step *st)
{
	return st->on_bridge ? run->bridge : run->uplink;
}

static int addr_add(struct uplink_run *run, const struct up_step *st)
{
	uint8_t body[OBJ_MAX];
	char label[IFNAMSIZ];
	size_t n = obj_request(st->obj, st->from, target(run, st), st->age_s,
			       st->like ? obj_label(st->like, label) : NULL,
			       body);
	int r = n ? talk(run, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, n)
		  : 0;

	return r == -EEXIST ? 0 : r;
}

static int addr_del(struct uplink_run *run, const struct up_step *st)
{
	uint8_t body[OBJ_MAX];
	size_t n = obj_request(st->obj, st->from, target(run, st), 0, NULL,
			       body);
	int r = n ? talk(run, RTM_DELADDR, 0, body, n) : 0;

	return r == -EADDRNOTAVAIL || r == -ENODEV ? 0 : r;
}

static int route_del(struct uplink_run *run, const struct up_step *st)
{
	uint8_t body[OBJ_MAX];
	size_t n = obj_request(st->obj, st->from, target(run, st), 0, NULL,
			       body);
	int r = n ? talk(run, RTM_DELROUTE, 0, body, n) : 0;

	return r == -ESRCH || r == -ENOENT ? 0 : r;
}

static int route_add(struct uplink_run *run, const struct up_step *st,
		     int flags)
{
	uint8_t body[OBJ_MAX];
	size_t n = obj_request(st->obj, st->from, target(run, st), st->age_s,
			       NULL, body);
	int r = n ? talk(run, RTM_NEWROUTE, NLM_F_CREATE | flags, body, n) : 0;

	return r == -EEXIST ? 0 : r;
}

/*
 * The address has brought a prefix route of its own, at the end of the list: away with
 * that, so that this one gets its place in front of other interfaces'. Not for IPv6 with
 * several next hops: the kernel deletes them one by one, others' too.
 */
static int route_place(struct uplink_run *run, const struct up_step *st,
		       int flags)
{
	int r = obj_is6(st->obj) && obj_is_multipath(st->obj)
			? 0
			: route_del(run, st);

	return r ? r : route_add(run, st, flags);
}

static int rule_add(struct uplink_run *run, const struct up_step *st)
{
	uint8_t body[OBJ_MAX];
	size_t n = rule_request(st->obj, run->was->spec.uplink,
				run->was->spec.bridge, body);
	int r = talk(run, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, body, n);

	return r == -EEXIST ? 0 : r;
}

static int rule_del(struct uplink_run *run, const struct up_step *st)
{
	const char *bridge = run->was->spec.bridge;
	uint8_t body[OBJ_MAX];
	size_t n = rule_request(st->obj, bridge, bridge, body);
	int r = talk(run, RTM_DELRULE, 0, body, n);

	return r == -ENOENT ? 0 : r;
}

/* ---- settings ------------------------------------------------------------------------ */

/* Not copied: what says who makes addresses is set by us; a secret stays one. */
static bool is_copied(const char *key)
{
	static const char *const skip[] = {
		"addr_gen_mode", "accept_dad", "stable_secret", "mtu",
		"mc_forwarding",
	};

	if (key[0] == '.')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(skip); i++)
		if (!strcmp(key, skip[i]))
			return false;
	return true;
}

/* The host's settings for the interface hold for the bridge in its place. Best effort:
 * some cannot be written, some not be read. */
static void copy_sysctls(const char *family, const char *from, const char *to)
{
	char path[96], a[256], b[256];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s", family, from);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (!is_copied(e->d_name) ||
		    link_sysctl_get(family, from, e->d_name, a, sizeof(a)) ||
		    link_sysctl_get(family, to, e->d_name, b, sizeof(b)) ||
		    !strcmp(a, b))
			continue;
		(void)link_sysctl(family, to, e->d_name, a);
	}
	if (d)
		closedir(d);
}

/* Guests' frames are no matter of the host's packet filter. This is the bridge's own
 * switch; the host's (net.bridge.bridge-nf-call-iptables) is not ours to turn. */
static void no_netfilter(const char *bridge)
{
	static const char *const files[] = {
		"nf_call_iptables", "nf_call_ip6tables", "nf_call_arptables",
	};
	char path[96];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int fd;

		snprintf(path, sizeof(path), "/sys/class/net/%s/bridge/%s",
			 bridge, files[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, "0", 1) < 0) {
			/* as it was: off by default */
		}
		close(fd);
	}
}

static int tune(struct uplink_run *run)
{
	copy_sysctls("ipv4", run->was->spec.uplink, run->was->spec.bridge);
	copy_sysctls("ipv6", run->was->spec.uplink, run->was->spec.bridge);
	no_netfilter(run->was->spec.bridge);
	return 0;
}

/*
 * Does it make an address for itself? If somebody took that away from it, setting the
 * mode back would bring it again: the mode is not touched then.
 */
static bool makes_address(const struct up_saved *was)
{
	list_for_each(a, &was->l3.addrs, struct up_obj, node)
		if (obj_is_link_local6(a))
			return true;
	return !was->was_up;
}

/* Addresses that were in use up to now need not be probed for duplicates again, and
 * would not be usable for a second. */
static int quiet6(struct uplink_run *run)
{
	const char *up = run->was->spec.uplink;
	int r = 0;

	if (makes_address(run->was))
		r = link_sysctl("ipv6", up, "addr_gen_mode", "1"); /* none */
	if (!r)
		r = link_sysctl("ipv6", up, "accept_dad", "0");
	if (!r && run->bridge)
		r = link_sysctl("ipv6", run->was->spec.bridge, "accept_dad",
				"0");
	return r;
}

static int restore6(struct uplink_run *run)
{
	const char *up = run->was->spec.uplink;
	int r = 0, e;

	if (makes_address(run->was))
		r = link_sysctl("ipv6", up, "addr_gen_mode",
				run->was->genmode);
	e = link_sysctl("ipv6", up, "accept_dad", run->was->accept_dad);
	return r ? r : e;
}

/* ---- devices --------------------------------------------------------------------------- */

static int bridge_add(struct uplink_run *run, struct errtext *why)
{
	const struct up_saved *was = run->was;
	struct link_change mark = {.what = LINK_MARK, .mark = was->spec.mark};
	struct link_info l;
	int r = link_bridge_add(run->nl, was->spec.bridge, &was->mac, was->mtu,
				why);

	if (!r)
		r = link_get(run->nl, was->spec.bridge, &l);
	if (!r && was->spec.mark[0])
		r = link_set(run->nl, l.index, &mark, why);
	if (!r)
		run->bridge = l.index;
	return r;
}

static int tap_add(struct uplink_run *run, struct errtext *why)
{
	struct tapdev t = {.mtu = run->was->spec.mtu, .ours = true};

	memcpy(t.name, run->was->spec.tap, IFNAMSIZ);
	return tapdev_open(&t, &run->tap_fd, why);
}

static int set_up(struct uplink_run *run, int index, bool up,
		  struct errtext *why)
{
	return link_set(run->nl, index,
			&(struct link_change){.what = LINK_UP, .up = up}, why);
}

/*
 * The TAP is its port already, so the bridge has a carrier at once; but the kernel
 * drops what is sent before it has noticed. Wait for that now, while the host does not
 * depend on it. Not in time is no failure, only a longer gap.
 */
static int bridge_up(struct uplink_run *run, struct errtext *why)
{
	int r = set_up(run, run->bridge, true, why);
	struct link_info l;

	for (int ms = 0; !r && ms < CARRIER_WAIT_MS; ms++) {
		if (link_get_index(run->nl, run->bridge, &l) ||
		    (l.flags & IFF_RUNNING))
			break;
		poll(NULL, 0, 1);
	}
	return r;
}

static int port_in(struct uplink_run *run, int index, struct errtext *why)
{
	return link_set(run->nl, index,
			&(struct link_change){.what = LINK_MASTER,
					      .master = run->bridge},
			why);
}

static int tap_port(struct uplink_run *run, struct errtext *why)
{
	struct link_info l;
	int r = link_get(run->nl, run->was->spec.tap, &l);

	return r ? r : port_in(run, l.index, why);
}

static int port_out(struct uplink_run *run, struct errtext *why)
{
	struct link_info l;
	int r = link_get_index(run->nl, run->uplink, &l);

	if (r || !run->bridge || l.master != run->bridge)
		return r;
	return link_set(run->nl, run->uplink,
			&(struct link_change){.what = LINK_MASTER}, why);
}

/*
 * Delete a device of ours, of this kind; it may be gone. @journalled: the journal says
 * that we made it, and a crash may have come between making and marking.
 */
static int del(struct uplink_run *run, const char *name, const char *kind,
	       bool journalled, struct errtext *why)
{
	struct link_info l;
	int r = link_get(run->nl, name, &l);

	if (r == -ENODEV)
		return 0;
	if (r)
		return r;
	if (strcmp(l.kind, kind) ||
	    (!link_is_ours(&l) && (!journalled || l.alias[0])))
		return errtext_set(why, -EEXIST, "%s is not of our making",
				   name);
	return link_del(run->nl, l.index, why);
}

/* Guests' TAPs would be interfaces of the host without it. */
static int bridge_del(struct uplink_run *run, struct errtext *why)
{
	if (run->bridge)
		tapport_all_down(run->bridge, true);
	return del(run, run->was->spec.bridge, "bridge", true, why);
}

int uplink_step_names_free(struct uplink_run *run, struct errtext *why)
{
	const char *bridge = run->was->spec.bridge;
	struct link_info l;
	int r = del(run, run->was->spec.tap, "tun", false, why);

	if (!r && !link_get(run->nl, bridge, &l) && tapport_any(l.index))
		return errtext_set(why, -EEXIST,
				   "%s is there, and has ports", bridge);
	return r ? r : del(run, bridge, "bridge", false, why);
}

int uplink_step(struct uplink_run *run, const struct up_step *st,
		struct errtext *why)
{
	switch (st->kind) {
	case UP_BRIDGE_ADD:
		return bridge_add(run, why);
	case UP_BRIDGE_TUNE:
		return tune(run);
	case UP_NO_FILTER:
		no_netfilter(run->was->spec.bridge);
		return 0;
	case UP_TAP_ADD:
		return tap_add(run, why);
	case UP_TAP_PORT:
		return tap_port(run, why);
	case UP_QUIET6:
		return quiet6(run);
	case UP_LINK_UP:
		return set_up(run, run->uplink, true, why);
	case UP_RULE_ADD:
		return rule_add(run, st);
	case UP_RULE_DEL:
		return rule_del(run, st);
	case UP_BRIDGE_UP:
		return bridge_up(run, why);
	case UP_PORT_IN:
		return port_in(run, run->uplink, why);
	case UP_ADDR_ADD:
		return addr_add(run, st);
	case UP_ROUTE_PREPEND:
		return route_place(run, st, 0);
	case UP_ROUTE_REPLACE:
		return route_place(run, st, NLM_F_REPLACE);
	case UP_ROUTE_APPEND:
		return route_add(run, st, NLM_F_APPEND);
	case UP_ROUTE_DEL:
		return route_del(run, st);
	case UP_ADDR_DEL:
		return addr_del(run, st);
	case UP_PORT_OUT:
		return port_out(run, why);
	case UP_TAP_DEL:
		return del(run, run->was->spec.tap, "tun", true, why);
	case UP_BRIDGE_DEL:
		return bridge_del(run, why);
	case UP_LINK_DOWN:
		return set_up(run, run->uplink, false, why);
	case UP_RESTORE6:
		return restore6(run);
	}
	return -EINVAL;
}
