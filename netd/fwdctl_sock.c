// SPDX-License-Identifier: GPL-2.0-or-later
/* Host sockets of forwards: made, taken over by a changed forward, and who is in
 * the way of one. See fwdctl_int.h; what they are for is in fwdctl.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/fdutil.h"
#include "netd/fwdctl_int.h"
#include "netd/priv.h"
#include "netd/super.h"
#include "netd/validate.h"

struct fwd_sock *fwd_layout(const struct fwd_conf *c, unsigned int *n)
{
	bool both = ipaddr_is_zero(&c->address);
	unsigned int k = 0, ports = fwd_ports(c);
	struct fwd_sock *s = calloc(both ? 2 * ports : ports, sizeof(*s));

	/* IPv4 first: a host may be without the other one. */
	for (unsigned int i = 0; s && i < ports; i++) {
		struct fwd_sock one = {
			.ip = both ? ipaddr_from4(0) : c->address,
			.port = (uint16_t)(c->port + i),
			.to_port = (uint16_t)(c->to_port + i),
			.fd = -1,
		};

		s[k++] = one;
		one.ip = ipaddr_any;
		if (both)
			s[k++] = one;
	}
	*n = k;
	return s;
}

bool fwd_is_open(const struct forward *f)
{
	return f->nsock && f->sock[0].fd >= 0;
}

/* ---- who is in the way --------------------------------------------------- */

/* Who of ours has it? Only forwards that hold their sockets count. */
static const struct forward *holder(struct ctl *ctl, const struct fwd_conf *c,
				    uint16_t port)
{
	struct fwd_conf one = *c;

	one.port = one.port_end = port;
	list_for_each(n, &ctl->model.nets, struct network, node)
		list_for_each(f, &n->fwds, struct forward, node)
			if (fwd_is_open(f) && f->conf.id != c->id &&
			    fwd_overlap(&one, &f->conf))
				return f;
	return NULL;
}

/* A guest's UDP flow keeps its port on the host where it can: then the process is
 * one of our workers, and its network says more than its pid. */
static const struct network *worker_named(struct ctl *ctl, const char *who)
{
	char pid[32];

	list_for_each(n, &ctl->model.nets, struct network, node) {
		if (!n->sup || !super_pid(n->sup))
			continue;
		snprintf(pid, sizeof(pid), "(pid %d)", (int)super_pid(n->sup));
		if (strstr(who, pid))
			return n;
	}
	return NULL;
}

static int busy(struct ctl *ctl, const struct fwd_conf *c,
		const struct fwd_sock *s, struct errtext *why)
{
	const char *proto = fwd_proto_name(c->proto);
	const struct forward *f = holder(ctl, c, s->port);
	const struct network *n;
	char who[128];

	if (f)
		return errtext_set(why, -EADDRINUSE,
				   "%s port %u is in use by network %s "
				   "(forward %lld)",
				   proto, s->port, f->net->conf.name,
				   (long long)f->conf.id);
	if (priv_port_owner(ctl->priv, c->proto, &s->ip, s->port, NULL, who,
			    sizeof(who)))
		return errtext_set(why, -EADDRINUSE,
				   "%s port %u is in use by another program",
				   proto, s->port);
	n = worker_named(ctl, who);
	if (n)
		return errtext_set(why, -EADDRINUSE,
				   "%s port %u is in use by a guest's flow of "
				   "network %s",
				   proto, s->port, n->conf.name);
	return errtext_set(why, -EADDRINUSE, "%s port %u is in use by %s",
			   proto, s->port, who);
}

/* ---- an own socket steps aside ------------------------------------------- */

/*
 * "From any address to this one" has both on the same port for a moment. A
 * listening socket that is shut down stays bound and lets another listen; for UDP,
 * and where sockets only hold their ports (fwdctl_knet.c), both may say that they share.
 */
static void step(const struct forward *f, int fd, bool aside)
{
	int share = aside, proto = f->conf.proto;

	if (proto == IPPROTO_UDP || net_kernel_routes(&f->net->conf))
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &share, sizeof(share));
	else if (aside)
		shutdown(fd, SHUT_RDWR);
	else if (listen(fd, PRIV_BACKLOG))
		log_warn("forward: %s port listens no more: %s",
			 fwd_proto_name(proto), strerror(errno));
}

/* Do it with those of @f that are in the way of @s; were there any? */
static bool step_all(const struct forward *f, const struct fwd_sock *s,
		     bool aside)
{
	bool any = false;

	for (unsigned int i = 0; f && i < f->nsock; i++) {
		const struct fwd_sock *o = &f->sock[i];

		if (o->fd < 0 || o->port != s->port ||
		    ipaddr_is4(&o->ip) != ipaddr_is4(&s->ip) ||
		    ipaddr_eq(&o->ip, &s->ip) ||
		    (!ipaddr_is_any(&o->ip) && !ipaddr_is_any(&s->ip)))
			continue;
		step(f, o->fd, aside);
		any = true;
	}
	return any;
}

/* ---- open, close --------------------------------------------------------- */

static const struct fwd_sock *same(const struct forward *f,
				   const struct fwd_conf *c,
				   const struct fwd_sock *s)
{
	if (!f || f->conf.proto != c->proto)
		return NULL;
	for (unsigned int i = 0; i < f->nsock; i++)
		if (f->sock[i].fd >= 0 && f->sock[i].port == s->port &&
		    ipaddr_eq(&f->sock[i].ip, &s->ip))
			return &f->sock[i];
	return NULL;
}

static int open_one(struct ctl *ctl, const struct forward *f,
		    const struct fwd_conf *c, struct fwd_sock *s,
		    struct errtext *why)
{
	const struct fwd_sock *old = same(f, c, s);
	char text[IP_TEXT];
	int r;

	if (old) {
		s->fd = old->fd;
		return 0;
	}
	/* UDP sockets with SO_REUSEADDR could share a port unnoticed: our own
	 * table is asked first. */
	if (holder(ctl, c, s->port))
		return busy(ctl, c, s, why);
	if (f && f->conf.proto != c->proto)
		f = NULL;
	r = priv_bind(ctl->priv, c->proto, &s->ip, s->port,
		      step_all(f, s, true), &s->fd, why);
	if (r == -EADDRINUSE)
		return busy(ctl, c, s, why);
	/* All addresses of a host without IPv6 are those of IPv4. */
	if (ipaddr_is_zero(&s->ip) &&
	    (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL))
		return 0;
	if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
		return errtext_set(why, -EADDRNOTAVAIL,
				   "address %s is not on this host yet",
				   ipaddr_format(&s->ip, text));
	return r;
}

static void close_new(const struct forward *f, struct fwd_sock *s,
		      unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		bool taken = false;

		for (unsigned int k = 0; f && k < f->nsock; k++)
			taken |= f->sock[k].fd == s[i].fd;
		if (!taken)
			fd_close(&s[i].fd);
		s[i].fd = -1;
	}
	/* Only after ours are gone may the old ones listen again. */
	for (unsigned int i = 0; i < n; i++)
		step_all(f, &s[i], false);
}

int fwd_open(struct ctl *ctl, const struct forward *f, const struct fwd_conf *c,
	     struct fwd_sock *s, unsigned int n, struct errtext *why)
{
	int r = 0;

	for (unsigned int i = 0; i < n && !r; i++)
		r = open_one(ctl, f, c, &s[i], why);
	if (r)
		close_new(f, s, n);
	return r;
}

void fwd_close_new(const struct forward *f, struct fwd_sock *s, unsigned int n)
{
	if (s)
		close_new(f, s, n);
	free(s);
}
