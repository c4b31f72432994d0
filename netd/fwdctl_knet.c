// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Forwards where the kernel routes: entries of its maps (knet.h) instead of sockets that
 * somebody serves. Their sockets are opened all the same, so that no other program gets
 * the port and a busy one is told with its holder's name.
 */
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "netd/addrs.h"
#include "netd/fwdctl_int.h"
#include "netd/knet.h"

/* A port is held by a socket that is bound and takes nothing: who comes by TCP when the
 * kernel has nowhere to lead him is refused, and datagrams do not wait for anybody. Nobody
 * may share it, as one may share with what listens no more. */
static void hold(int proto, int fd)
{
	static struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	static const struct sock_fprog prog = {1, nothing};
	static const int no;

	if (proto == IPPROTO_TCP)
		(void)shutdown(fd, SHUT_RDWR);
	else
		(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
				 sizeof(prog));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &no, sizeof(no));
}

void fwd_knet_reserve(struct forward *f)
{
	for (unsigned int i = 0; i < f->nsock; i++) {
		struct fwd_sock *s = &f->sock[i];

		if (s->fd < 0 || s->told)
			continue;
		hold(f->conf.proto, s->fd);
		s->told = true;
	}
}

/* The guest's address of that family; zero when it has none. */
static struct ipaddr target(const struct forward *f, bool v4)
{
	const struct nic *nic = fwd_target(f);
	int64_t now = clock_wall_s();
	uint32_t ip;

	if (!f->conf.to_vm[0])
		return ipaddr_is4(&f->conf.to_address) == v4
			       ? f->conf.to_address
			       : ipaddr_any;
	if (!nic || !nic->conf.link)
		return ipaddr_any;
	if (!v4)
		return addrs_live6(nic, now);
	ip = addrs_live(nic, now);
	return ip ? ipaddr_from4(ip) : ipaddr_any;
}

/* A guest may claim any address: only those of the network are led to. */
static bool is_inside(const struct knet *k, const struct ipaddr *ip)
{
	if (ipaddr_is4(ip))
		return k->net.plen && ip4_in_net(ipaddr_get4(ip), &k->net);
	return k->net6.plen && ipaddr_in_net6(ip, &k->net6);
}

#define STR_(n) #n
#define STR(n)	STR_(n)

/* Why it cannot be; NULL. */
static const char *put(struct knet *k, const struct forward *f,
		       const struct fwd_sock *s, const struct ipaddr *to)
{
	struct nft_forward e;

	/* Bytes between its fields go over the channel, too. */
	memset(&e, 0, sizeof(e));
	e.proto = (uint8_t)f->conf.proto;
	e.at = s->ip;
	e.to = *to;
	e.port = s->port;
	e.to_port = s->to_port;
	if (s->fd < 0 || ipaddr_is_zero(to) || !is_inside(k, to) ||
	    knet_has_forward(k, &e))
		return NULL;
	if (!knet_at_ok(&e.at))
		return "the kernel's datapath forwards no multicast, and no "
		       "link-local address of IPv6";
	if (k->nfwd == KNET_FWDS_MAX)
		return "the kernel's datapath takes " STR(KNET_FWDS_MAX)
		       " ports of a network, by family";
	memcpy(&k->fwd[k->nfwd++], &e, sizeof(e));
	return NULL;
}

static const char *put_all(struct knet *k, const struct forward *f)
{
	struct ipaddr to4 = target(f, true), to6 = target(f, false);
	const char *fault = NULL, *one;

	for (unsigned int i = 0; i < f->nsock; i++) {
		one = put(k, f, &f->sock[i],
			  ipaddr_is4(&f->sock[i].ip) ? &to4 : &to6);
		fault = one ? one : fault;
	}
	return fault;
}

void fwd_knet_fill(struct network *n, struct knet *k, bool note)
{
	list_for_each(f, &n->fwds, struct forward, node) {
		const char *fault = f->leaving ? NULL : put_all(k, f);

		if (!note)
			continue;
		f->refused = fault;
		if (fault)
			snprintf(f->fault, sizeof(f->fault), "%s", fault);
	}
}

void fwd_knet_applied(struct network *n, int err, const struct errtext *why)
{
	list_for_each(f, &n->fwds, struct forward, node) {
		if (err) {
			f->refused = true;
			snprintf(f->fault, sizeof(f->fault), "%s", why->s);
		}
		fwd_refresh(n->ctl, f);
	}
}
