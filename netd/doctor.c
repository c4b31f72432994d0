// SPDX-License-Identifier: GPL-2.0-or-later
/* The host and the model under the doctor's eyes. See doctor.h. */
#include "netd/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fdutil.h"
#include "netd/hostaddr.h"
#include "netd/knet.h"
#include "netd/obj.h"
#include "netd/priv.h"
#include "netd/resolv.h"
#include "netd/tapinctl.h"
#include "netd/validate.h"
#include "switch/link.h"

#define FDS_FEW	   4096 /* a network of many connections needs more */
#define SPACE_FEW  (4u << 20)
#define OTHER_DHCP_MS (60 * 60 * 1000)
#define CT_PERCENT 90 /* of the table of connections */

void doctor_add(json_t *list, enum doctor_level level, const char *what,
		const char *network, const char *command, const char *fmt, ...)
{
	static const char *const levels[] = {"ok", "note", "unknown", "problem"};
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(
		list, json_pack("{s:s,s:s,s:o,s:o,s:n,s:o}", "level",
				levels[level], "what", what, "network",
				network ? json_string(network) : json_null(),
				"text", json_string(text), "rule", "command",
				command ? json_string(command) : json_null()));
}

/* ---- the host ---------------------------------------------------------------------------- */

static void look_tun(json_t *list)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		doctor_add(list, DOCTOR_PROBLEM, "tun", NULL,
			   errno == ENOENT ? "modprobe tun" : NULL,
			   "/dev/net/tun: %s; host-only and bridged networks, "
			   "the kernel datapath, TAPs and containers need it",
			   strerror(errno));
	else
		doctor_add(list, DOCTOR_OK, "tun", NULL, NULL,
			   "/dev/net/tun opens");
	fd_close(&fd);
}

static void look_limits(json_t *list)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur == RLIM_INFINITY)
		return;
	if (l.rlim_cur >= FDS_FEW) {
		doctor_add(list, DOCTOR_OK, "descriptors", NULL, NULL,
			   "a process may have %llu descriptors",
			   (unsigned long long)l.rlim_cur);
		return;
	}
	doctor_add(list, DOCTOR_NOTE, "descriptors", NULL,
		   "ulimit -n 65536",
		   "a process may have %llu descriptors, and each of guests' "
		   "connections takes one; raise the limit before vnetd is "
		   "started (LimitNOFILE= in a systemd unit)",
		   (unsigned long long)l.rlim_cur);
}

static void look_store(struct ctl *ctl, json_t *list)
{
	struct statvfs s;

	if (!ctl->state_dir[0])
		return;
	if (access(ctl->state_dir, W_OK))
		doctor_add(list, DOCTOR_PROBLEM, "store", NULL, NULL,
			   "%.200s: %s: nothing that changes can be kept",
			   ctl->state_dir, strerror(errno));
	else if (!statvfs(ctl->state_dir, &s) &&
		 (uint64_t)s.f_bavail * s.f_frsize < SPACE_FEW)
		doctor_add(list, DOCTOR_PROBLEM, "store", NULL, NULL,
			   "%.200s: its file system is full: leases cannot be "
			   "kept, and guests get none", ctl->state_dir);
	else
		doctor_add(list, DOCTOR_OK, "store", NULL, NULL,
			   "%.200s can be written to", ctl->state_dir);
}

static void look_resolvers(struct ctl *ctl, json_t *list)
{
	const struct resolv_server *s;
	size_t n = ctl->resolv ? resolv_servers(ctl->resolv, &s) : 0;

	if (n)
		doctor_add(list, DOCTOR_OK, "resolvers", NULL, NULL,
			   "%zu name server%s in /etc/resolv.conf", n,
			   n == 1 ? "" : "s");
	else if (ctl->resolv)
		doctor_add(list, DOCTOR_PROBLEM, "resolvers", NULL, NULL,
			   "/etc/resolv.conf names no server that can be asked: "
			   "guests can only look up each other's names");
}

/* The number in a file of /proc/sys/net; -1 without it. */
static long sysctl_number(const char *name)
{
	char path[160], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return text[0] ? strtol(text, NULL, 10) : -1;
}

static void look_connections(json_t *list)
{
	long n = sysctl_number("netfilter/nf_conntrack_count");
	long max = sysctl_number("netfilter/nf_conntrack_max");
	char fix[80];

	if (n < 0 || max <= 0 || n < max / 100 * CT_PERCENT)
		return;
	snprintf(fix, sizeof(fix), "sysctl -w net.netfilter.nf_conntrack_max=%ld",
		 4 * max);
	doctor_add(list, DOCTOR_PROBLEM, "connections", NULL, fix,
		   "the kernel's table of connections is full (%ld of %ld): new "
		   "ones are dropped", n, max);
}

/* ---- networks --------------------------------------------------------------------------------- */

static bool is_kernel_nat(const struct network *n)
{
	return n->conf.datapath == DATAPATH_KERNEL && n->conf.mode == NET_NAT;
}

static void look_forwarding(const struct network *n, json_t *list)
{
	char bridge[IFNAMSIZ], tap[IFNAMSIZ], name[64];

	knet_names(n->conf.name, bridge, tap);
	snprintf(name, sizeof(name), "ipv4/conf/%s/forwarding", bridge);
	if (sysctl_number("ipv4/ip_forward") == 0)
		doctor_add(list, DOCTOR_PROBLEM, "ip_forward", n->conf.name,
			   "sysctl -w net.ipv4.ip_forward=1",
			   "the host does not forward: guests reach nothing "
			   "outside");
	else if (sysctl_number(name) == 0)
		doctor_add(list, DOCTOR_PROBLEM, "ip_forward", n->conf.name,
			   NULL, "%s does not forward: `vnet stop %s` and `vnet "
			   "start %s` set that right", bridge, n->conf.name,
			   n->conf.name);
	if (n->conf.subnet6.plen && sysctl_number("ipv6/conf/all/forwarding") == 0)
		doctor_add(list, DOCTOR_PROBLEM, "ip_forward", n->conf.name,
			   "sysctl -w net.ipv6.conf.all.forwarding=1",
			   "the host does not forward IPv6");
}

/* Two ways out, and answers that come in by the other one are dropped. */
static void look_rp_filter(const struct network *n, json_t *list)
{
	char dev[2][IFNAMSIZ] = {"", ""}, line[256], name[80], fix[96];
	FILE *f = fopen("/proc/net/route", "re");
	int ways = 0;

	while (f && ways < 2 && fgets(line, sizeof(line), f)) {
		unsigned int dst, mask;

		if (sscanf(line, "%15s %x %*x %*x %*d %*d %*d %x", dev[ways], &dst,
			   &mask) == 3 && !dst && !mask &&
		    (!ways || strcmp(dev[0], dev[1]) != 0))
			ways++;
	}
	if (f)
		fclose(f);
	for (int i = 0; i < ways && ways == 2; i++) {
		snprintf(name, sizeof(name), "ipv4/conf/%s/rp_filter", dev[i]);
		if (sysctl_number(name) != 1 &&
		    sysctl_number("ipv4/conf/all/rp_filter") != 1)
			continue;
		snprintf(fix, sizeof(fix),
			 "sysctl -w net.ipv4.conf.%s.rp_filter=2", dev[i]);
		doctor_add(list, DOCTOR_NOTE, "rp_filter", n->conf.name, fix,
			   "there are two ways out (%s, %s), and %s drops "
			   "answers that come in by the other one's", dev[0],
			   dev[1], dev[i]);
	}
}

/* A client told: it is no guess. */
static bool look_other_dhcp(const struct network *n, const char *who, json_t *list)
{
	const struct other_dhcp *o = &n->other_dhcp;
	char ip[IP4_TEXT], mac[MAC_TEXT];

	if (!o->server || clock_mono_ms() - o->at_ms > OTHER_DHCP_MS)
		return false;
	doctor_add(list, DOCTOR_PROBLEM, "dhcp", n->conf.name, NULL,
		   "another DHCP server, %s, answers this network's guests: %s "
		   "took an address of it%s%s%s",
		   ip4_format(o->server, ip), mac_format(&o->client, mac),
		   who[0] ? "; " : "", who,
		   who[0] ? " has the host's DHCP port (dnsmasq: "
			    "except-interface=, bind-interfaces)" : "");
	return true;
}

/* A server that answers DHCP on all interfaces does so on ours. */
static void look_dhcp(struct ctl *ctl, const struct network *n, json_t *list)
{
	const struct ipaddr any4 = ipaddr_from4(0);
	char dev[IFNAMSIZ], who[64];

	if (!n->conf.dhcp_first)
		return;
	doctor_device(n, dev);
	if (!dev[0] || priv_port_owner(ctl->priv, IPPROTO_UDP, &any4, 67, dev,
				       who, sizeof(who)))
		who[0] = '\0';
	if (look_other_dhcp(n, who, list) || !who[0])
		return;
	doctor_add(list, DOCTOR_NOTE, "dhcp", n->conf.name, NULL,
		   "%s has the host's DHCP port on %s, too: if it does not leave "
		   "that out (dnsmasq: except-interface=, bind-interfaces), it "
		   "answers this network's guests", who, dev);
}

static void look_objects(const struct network *n, json_t *list)
{
	list_for_each(nic, &n->nics, struct nic, node)
		if (nic->state == NIC_FAILED)
			doctor_add(list, DOCTOR_PROBLEM, "nic", n->conf.name,
				   NULL, "nic %s-%d: %s", nic->conf.vm,
				   nic->conf.index, nic->reason);
	list_for_each(f, &n->fwds, struct forward, node)
		if (f->state == FWD_FAILED || f->state == FWD_WAITING)
			doctor_add(list, DOCTOR_PROBLEM, "forward", n->conf.name,
				   NULL, "forward %s:%u: %s",
				   fwd_proto_name(f->conf.proto), f->conf.port,
				   f->reason);
}

static void look_way_out(struct ctl *ctl, const struct network *n, json_t *list)
{
	if (n->conf.mode == NET_NAT && ctl->host &&
	    !hostaddr_default_dev(ctl->host)[0])
		doctor_add(list, DOCTOR_NOTE, "route", n->conf.name,
			   "ip route show default",
			   "the host has no default route: guests reach what it "
			   "has routes to, and no more");
}

static void look_network(struct ctl *ctl, const struct network *n, json_t *list)
{
	if (n->conf.mode == NET_BRIDGED && !if_nametoindex(n->conf.uplink))
		doctor_add(list, DOCTOR_PROBLEM, "uplink", n->conf.name,
			   "ip link", "its uplink %s is not there",
			   n->conf.uplink);
	else if (n->state == NET_FAILED)
		doctor_add(list, DOCTOR_PROBLEM, "network", n->conf.name, NULL,
			   "it failed: %s", n->reason);
	if (n->state == NET_STOPPED) {
		char fix[CONF_NAME_MAX + 16];

		snprintf(fix, sizeof(fix), "vnet start %s", n->conf.name);
		doctor_add(list, DOCTOR_NOTE, "network", n->conf.name, fix,
			   "it is stopped");
	}
	look_objects(n, list);
	if (n->state != NET_RUNNING)
		return;
	if (is_kernel_nat(n)) {
		look_forwarding(n, list);
		look_rp_filter(n, list);
	}
	if (tapinctl_has_copies(n)) {
		char fix[TAPINCTL_TEXT];

		doctor_add(list, DOCTOR_NOTE, "mac_nat", n->conf.name,
			   tapinctl_fix(n, fix), TAPINCTL_COPIES);
	}
	look_way_out(ctl, n, list);
	look_dhcp(ctl, n, list);
}

void doctor_look(struct ctl *ctl, const struct network *only, json_t *list)
{
	if (ctl->system)
		look_tun(list);
	look_limits(list);
	look_store(ctl, list);
	look_resolvers(ctl, list);
	look_connections(list);
	list_for_each(n, &ctl->model.nets, struct network, node)
		if (!only || n == only)
			look_network(ctl, n, list);
}
