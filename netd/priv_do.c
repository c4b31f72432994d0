// SPDX-License-Identifier: GPL-2.0-or-later
/* What priv's requests come down to, with the rights of whoever calls. See
 * priv_int.h; who holds a port is found out in priv_port.c. */
#include "netd/priv_int.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fdutil.h"
#include "switch/tapdev.h"

int priv_do_tap(const struct priv_tap *t, int *fd_out, struct errtext *why)
{
	struct tapdev d = {
		.mac = t->mac,
		.mtu = t->mtu,
		.ip4 = t->ip4,
		.plen = t->plen,
		.ip6 = t->ip6,
		.plen6 = t->plen6,
		.runner = t->runner,
		.owner = t->owner,
	};
	int ns, r;

	snprintf(d.name, sizeof(d.name), "%s", t->name);
	if (!t->netns[0]) {
		d.ours = true;
		return tapdev_open(&d, fd_out, why);
	}
	ns = tapdev_netns(t->netns, why);
	if (ns < 0)
		return ns;
	d.ours = tapdev_netns_is_own(ns); /* by another name: the same rules */
	if (d.ours) {
		r = priv_judge_name(t->name, sizeof(t->name), why);
		if (!r)
			r = tapdev_open(&d, fd_out, why);
	} else {
		r = tapdev_open_in(&d, ns, fd_out, why);
	}
	close(ns);
	return r;
}

static int set_one(int fd, int level, int opt, int v)
{
	return setsockopt(fd, level, opt, &v, sizeof(v)) ? -errno : 0;
}

static int bind_socket(int fd, const struct priv_req_port *q)
{
	bool tcp = q->proto == IPPROTO_TCP;
	struct sockaddr_storage ss;
	socklen_t len = ipaddr_to_sockaddr(&q->ip, q->port, &ss);
	int r = 0;

	/* A listener does not wait for its predecessor's connections to end. For
	 * UDP the option would let others in for good, so it goes again. */
	if (tcp || q->share)
		r = set_one(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!r && ss.ss_family == AF_INET6)
		r = set_one(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!r && bind(fd, (struct sockaddr *)&ss, len))
		r = -errno;
	if (!r && !tcp && q->share)
		r = set_one(fd, SOL_SOCKET, SO_REUSEADDR, 0);
	if (!r && tcp && listen(fd, PRIV_BACKLOG))
		r = -errno;
	return r;
}

int priv_do_bind(const struct priv_req_port *q, int *fd_out,
		 struct errtext *why)
{
	int type = q->proto == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(ipaddr_is4(&q->ip) ? AF_INET : AF_INET6,
			type | SOCK_NONBLOCK | SOCK_CLOEXEC, q->proto);
	int r = fd < 0 ? -errno : bind_socket(fd, q);
	char text[IP_TEXT];

	if (!r) {
		*fd_out = fd;
		return 0;
	}
	fd_close(&fd);
	return errtext_set(why, r, "%s %s port %u: %s",
			   q->proto == IPPROTO_TCP ? "tcp" : "udp",
			   ipaddr_format(&q->ip, text), q->port,
			   r == -EACCES ? "privileged port, needs root"
					: strerror(-r));
}

/*
 * ICMP_FILTER knows types below 32 only and lets the rest pass, so a program looks
 * at each packet: echo reply, unreachable, time exceeded, parameter problem (RFC 792).
 */
static const struct sock_filter icmp4_answers[] = {
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), /* x = IP header */
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),	/* ICMP type */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_ECHOREPLY, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_DEST_UNREACH, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_TIME_EXCEEDED, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMP_PARAMETERPROB, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, ~0U),
};

/* The same of RFC 4443; errors are types 1 to 4. No IP header comes with them. */
static const struct sock_filter icmp6_answers[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), /* ICMPv6 type */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ICMPV6_ECHO_REPLY, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, ICMPV6_PARAMPROB, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, ~0U),
};

/* Locked: who gets the socket cannot take the filter off again. */
static int icmp_filter(int fd, bool ip6)
{
	struct sock_fprog prog = {
		.len = ip6 ? ARRAY_LEN(icmp6_answers)
			   : ARRAY_LEN(icmp4_answers),
		.filter = (struct sock_filter *)(ip6 ? icmp6_answers
						     : icmp4_answers),
	};
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		       sizeof(prog)) ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)))
		return -errno;
	return 0;
}

int priv_do_raw_icmp(bool ip6, int *fd_out, struct errtext *why)
{
	int fd = socket(ip6 ? AF_INET6 : AF_INET,
			SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
			ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	int r = fd < 0 ? -errno : icmp_filter(fd, ip6);

	if (!r) {
		*fd_out = fd;
		return 0;
	}
	fd_close(&fd);
	return errtext_set(why, r, "no raw ICMP socket: %s", strerror(-r));
}
