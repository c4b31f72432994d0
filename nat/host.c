// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Datagram sockets of the host: what all kinds share. See host.h.
 *
 * #syscalls bind getsockname getsockopt recvmmsg recvmsg sendmsg setsockopt
 */
#include "nat/host.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/compat.h"
#include "lib/fdutil.h"
#include "nat/iov.h"

/* Most that Linux before 6.9 sends at once (UDP_MAX_SEGMENTS, and in IPv4). */
#define GSO_SEGS  64
#define GSO_BYTES 65507

/* Room for TTL, TOS, size and packet info, either way. */
#define CONTROL 128

/* From one datagram's place to the next: were it a power of two, the beginnings of all
 * would share a few lines of the processor's cache. */
#define SLOT (HOST_DGRAM + 192)

/* A socket that got one datagram so often in a row is asked for one; but for as many as
 * there may be now and then. */
#define LONELY	    4
#define LONELY_LOOK 16
#define BURST	    4 /* at once: from now on they may be many */

/* About as much is asked for at once: it stays in the processor's cache on its way, and
 * a guest's ring has room for it. */
#define BATCH_BYTES (256 * 1024)
#define BATCH_MIN   4

/** struct host_rx - Where host_recv() receives; made once, used up and made good. */
struct host_rx {
	struct mmsghdr mm[HOST_BATCH];
	struct iovec iov[HOST_BATCH];
	struct sockaddr_storage from[HOST_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[HOST_BATCH][CONTROL];
	uint8_t data[HOST_BATCH][SLOT];
};

/* Put back what the kernel changes. */
static void rx_reset(struct host_rx *rx, int n)
{
	for (int i = 0; i < n; i++) {
		struct msghdr *m = &rx->mm[i].msg_hdr;

		m->msg_namelen = sizeof(rx->from[i]);
		m->msg_controllen = sizeof(rx->control[i]);
	}
}

static struct host_rx *rx_new(void)
{
	struct host_rx *rx = malloc(sizeof(*rx));

	if (!rx)
		return NULL;
	for (int i = 0; i < HOST_BATCH; i++) {
		rx->iov[i] = (struct iovec){rx->data[i], HOST_DGRAM};
		rx->mm[i].msg_hdr = (struct msghdr){
			.msg_name = &rx->from[i], .msg_iov = &rx->iov[i],
			.msg_iovlen = 1, .msg_control = rx->control[i],
		};
	}
	rx_reset(rx, HOST_BATCH);
	return rx;
}

int host_init(struct host *h)
{
	for (int i = 0; i < 2; i++)
		h->raw[i].fd = -1;
	h->rx = rx_new();
	if (!h->rx)
		return -ENOMEM;
	h->buf = h->rx->data[0];
	return 0;
}

void host_fini(struct host *h)
{
	host_icmp_raw_close(h);
	pool_fini(&h->udp_pool);
	free(h->rx);
	h->rx = NULL;
	h->buf = NULL;
}

static int set_int(int fd, int level, int opt, int v)
{
	return setsockopt(fd, level, opt, &v, sizeof(v)) ? -errno : 0;
}

int host_recv_options(int fd, bool ip6, bool pktinfo)
{
	static const int opt4[] = {IP_RECVERR, IP_RECVTTL, IP_RECVTOS,
				   IP_PKTINFO};
	static const int opt6[] = {IPV6_RECVERR, IPV6_RECVHOPLIMIT,
				   IPV6_RECVTCLASS, IPV6_RECVPKTINFO};
	int err = 0;

	for (int i = 0; i < (pktinfo ? 4 : 3) && !err; i++)
		err = ip6 ? set_int(fd, IPPROTO_IPV6, opt6[i], 1)
			  : set_int(fd, IPPROTO_IP, opt4[i], 1);
	return err;
}

/* RFC 4787 REQ-13: what the guest said about fragments holds outside too. */
void host_set_df(int fd, bool ip6, bool df, int8_t *state)
{
	int err;

	if (*state == df)
		return;
	if (ip6)
		err = set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			      df ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
	else
		err = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
			      df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
	if (!err)
		*state = df;
}

int host_bind(int fd, bool ip6, uint16_t want, uint16_t *got)
{
	struct sockaddr_storage ss;
	struct ipaddr any = ip6 ? ipaddr_any : ipaddr_from4(INADDR_ANY);
	socklen_t len = ipaddr_to_sockaddr(&any, want, &ss);

	if (bind(fd, (struct sockaddr *)&ss, len))
		return -errno;
	if (want) {
		*got = want;
		return 0;
	}
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	return ipaddr_from_sockaddr(&ss, &any, got);
}

static uint8_t control_int(const struct cmsghdr *c)
{
	int v = 0;

	if (c->cmsg_len >= CMSG_LEN(sizeof(v)))
		memcpy(&v, CMSG_DATA(c), sizeof(v));
	return (uint8_t)v;
}

static void read_control4(struct host_msg *m, const struct cmsghdr *c)
{
	struct in_pktinfo info;

	if (c->cmsg_type == IP_TTL) {
		m->ttl = control_int(c);
	} else if (c->cmsg_type == IP_TOS) {
		m->tos = *CMSG_DATA(c);
	} else if (c->cmsg_type == IP_PKTINFO) {
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		/* ipi_spec_dst is what to answer from. */
		m->local = ipaddr_from4(ntohl(info.ipi_spec_dst.s_addr));
	}
}

static void read_control6(struct host_msg *m, const struct cmsghdr *c)
{
	struct in6_pktinfo info;

	if (c->cmsg_type == IPV6_HOPLIMIT) {
		m->ttl = control_int(c);
	} else if (c->cmsg_type == IPV6_TCLASS) {
		m->tos = control_int(c);
	} else if (c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		memcpy(m->local.b, info.ipi6_addr.s6_addr, 16);
	}
}

/* That it is one is not worth to be told. */
static void read_gso(struct host_msg *m, const struct cmsghdr *c)
{
	int v = 0;

	if (c->cmsg_type != UDP_GRO || c->cmsg_len < CMSG_LEN(sizeof(v)))
		return;
	memcpy(&v, CMSG_DATA(c), sizeof(v));
	if (v > 0 && (size_t)v < m->len && v <= UINT16_MAX)
		m->gso = (uint16_t)v;
}

static void read_control(struct host_msg *m, struct msghdr *mh)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c))
		if (c->cmsg_level == IPPROTO_IP)
			read_control4(m, c);
		else if (c->cmsg_level == IPPROTO_IPV6)
			read_control6(m, c);
		else if (c->cmsg_level == IPPROTO_UDP)
			read_gso(m, c);
}

static bool read_name(const struct msghdr *mh, struct endpoint *ep)
{
	struct sockaddr_storage ss = {0};

	if (mh->msg_namelen > sizeof(ss))
		return false;
	memcpy(&ss, mh->msg_name, mh->msg_namelen);
	return !ipaddr_from_sockaddr(&ss, &ep->ip, &ep->port);
}

/* As large as the host lets us, unless it is already. */
static void make_roomy(int fd)
{
	int v = 0;
	socklen_t len = sizeof(v);

	/* The kernel doubles what it is asked for, and tells that. */
	if (!getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &len) &&
	    v < 2 * HOST_RCVBUF)
		(void)set_int(fd, SOL_SOCKET, SO_RCVBUF, HOST_RCVBUF);
}

unsigned int host_burst_ask(struct host_burst *b, unsigned int most)
{
	if (b->lonely < LONELY)
		return most;
	if (b->lonely++ % LONELY_LOOK)
		return 1;
	b->lonely = LONELY + 1;
	return most;
}

void host_burst_got(struct host_burst *b, unsigned int n)
{
	if (n > 1)
		b->lonely = 0;
	else if (b->lonely < LONELY)
		b->lonely++;
}

/* Of datagrams that come together a message may be one, or 64 KiB of them. */
static void note_burst(struct host_burst *b, int fd, int got, size_t bytes)
{
	size_t most = HOST_BATCH;

	host_burst_got(b, (unsigned int)got);
	if (got >= BURST && !b->busy) {
		b->busy = true;
		make_roomy(fd);
		(void)set_int(fd, IPPROTO_UDP, UDP_GRO, 1);
		most = BATCH_MIN;
	} else if (bytes) {
		most = BATCH_BYTES * (size_t)got / bytes;
	}
	most = min_sz(max_sz(most, BATCH_MIN), HOST_BATCH);
	b->less = (uint8_t)(HOST_BATCH - most);
}

int host_recv(struct host *h, int fd, struct host_burst *b)
{
	struct host_rx *rx = h->rx;
	unsigned int most = b ? host_burst_ask(b, HOST_BATCH - b->less)
			      : HOST_BATCH;
	size_t bytes = 0;
	int got, n = 0;

	got = recvmmsg(fd, rx->mm, most, MSG_DONTWAIT, NULL);
	if (got < 0)
		return -errno;
	for (int i = 0; i < got; i++) {
		struct msghdr *mh = &rx->mm[i].msg_hdr;
		struct host_msg *m = &h->msg[n];

		*m = (struct host_msg){.data = rx->data[i],
				       .len = rx->mm[i].msg_len};
		bytes += m->len;
		if ((mh->msg_flags & MSG_TRUNC) || !read_name(mh, &m->from))
			continue;
		read_control(m, mh);
		n++;
	}
	if (b)
		note_burst(b, fd, got, bytes);
	rx_reset(rx, got);
	return n;
}

/* Type, code and info of an extended error (ip(7), IP_RECVERR; ipv6(7)). */
static bool err_type(struct host_err *e, const struct sock_extended_err *ee,
		     bool ip6)
{
	uint8_t big = ip6 ? ICMP6_TOO_BIG : ICMP_T_UNREACH;
	uint8_t big_code = ip6 ? 0 : ICMP_C_FRAG;

	if (ee->ee_origin == SO_EE_ORIGIN_LOCAL) {
		/* The packet is too big for the way, as the host knows it. */
		if (ee->ee_errno != EMSGSIZE)
			return false;
		e->type = big;
		e->code = big_code;
		e->info = ee->ee_info;
		return true;
	}
	if (ee->ee_origin != (ip6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP))
		return false;
	e->type = ee->ee_type;
	e->code = ee->ee_code;
	if (e->type == big && e->code == big_code)
		e->info = ee->ee_info;
	return true;
}

/* One extended error in our terms. */
static bool read_err(const struct cmsghdr *c, struct host_err *e)
{
	bool ip6 = c->cmsg_level == IPPROTO_IPV6;
	struct sock_extended_err ee;
	struct sockaddr_storage who = {0};
	const size_t need = CMSG_LEN(sizeof(ee));
	uint16_t port;
	size_t len;

	if (c->cmsg_len < need ||
	    (ip6 ? c->cmsg_type != IPV6_RECVERR
		 : c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR))
		return false;
	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	if (!err_type(e, &ee, ip6))
		return false;
	/* The offender's address stands behind it. */
	len = c->cmsg_len - need;
	if (ee.ee_origin == SO_EE_ORIGIN_LOCAL || len > sizeof(who) ||
	    len < sizeof(struct sockaddr_in))
		return true;
	memcpy(&who, CMSG_DATA(c) + sizeof(ee), len);
	(void)ipaddr_from_sockaddr(&who, &e->from, &port);
	return true;
}

/* Errors that mean something to a guest; others it could not understand. */
static bool err_matters(const struct host_err *e)
{
	if (!ipaddr_is4(&e->to.ip))
		return e->type >= ICMP6_UNREACH && e->type <= ICMP6_PARAM;
	return e->type == ICMP_T_UNREACH || e->type == ICMP_T_TIME ||
	       e->type == ICMP_T_PARAM;
}

int host_recv_err(int fd, struct host_err *e, uint8_t *buf, size_t cap)
{
	_Alignas(struct cmsghdr) uint8_t control[512];
	struct sockaddr_storage name;
	struct iovec v = {buf, cap};
	struct msghdr mh = {
		.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &v,
		.msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &mh, MSG_ERRQUEUE | MSG_DONTWAIT);

	if (n < 0)
		return would_block(errno) ? -EAGAIN : -errno;
	*e = (struct host_err){.data = buf, .len = (size_t)n};
	if (!read_name(&mh, &e->to))
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c;
	     c = CMSG_NXTHDR(&mh, c))
		if (read_err(c, e))
			return err_matters(e);
	return 0;
}

static struct cmsghdr *put_control(struct msghdr *mh, struct cmsghdr *at,
				   int level, int type, const void *v,
				   size_t len)
{
	at = at ? CMSG_NXTHDR(mh, at) : CMSG_FIRSTHDR(mh);
	at->cmsg_level = level;
	at->cmsg_type = type;
	at->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(at), v, len);
	return at;
}

/* TTL, TOS, size and the source address, beside datagrams; returns the bytes used. */
static size_t write_control(struct msghdr *mh, const struct udp_send *s,
			    const struct ipaddr *local)
{
	bool ip6 = !ipaddr_is4(&s->to.ip);
	int level = ip6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int ttl = s->ttl ? s->ttl : 64, tos = s->tos;
	size_t used = CMSG_SPACE(sizeof(int)) * 2;
	struct in6_pktinfo info6 = {0};
	struct in_pktinfo info4 = {0};
	struct cmsghdr *c;

	c = put_control(mh, NULL, level, ip6 ? IPV6_HOPLIMIT : IP_TTL, &ttl,
			sizeof(ttl));
	c = put_control(mh, c, level, ip6 ? IPV6_TCLASS : IP_TOS, &tos,
			sizeof(tos));
	if (s->gso) {
		c = put_control(mh, c, IPPROTO_UDP, UDP_SEGMENT, &s->gso,
				sizeof(s->gso));
		used += CMSG_SPACE(sizeof(s->gso));
	}
	if (!local || ipaddr_is_any(local) || ipaddr_is4(local) == ip6)
		return used;
	if (ip6) {
		memcpy(info6.ipi6_addr.s6_addr, local->b, 16);
		put_control(mh, c, level, IPV6_PKTINFO, &info6, sizeof(info6));
		return used + CMSG_SPACE(sizeof(info6));
	}
	info4.ipi_spec_dst.s_addr = htonl(ipaddr_get4(local));
	put_control(mh, c, level, IP_PKTINFO, &info4, sizeof(info4));
	return used + CMSG_SPACE(sizeof(info4));
}

static int send_msg(int fd, const struct udp_send *s,
		    const struct ipaddr *local)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL] = {0};
	struct sockaddr_storage to;
	struct msghdr mh = {
		.msg_name = &to,
		.msg_namelen = ipaddr_to_sockaddr(&s->to.ip, s->to.port, &to),
		.msg_iov = (struct iovec *)s->v, .msg_iovlen = (size_t)s->n,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	mh.msg_controllen = write_control(&mh, s, local);
	/* An earlier datagram's ICMP error is reported once by any call; it is on
	 * the error queue too, and says nothing about this datagram. */
	for (int turn = 0; turn < 2; turn++) {
		if (sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != ECONNREFUSED && errno != EHOSTUNREACH &&
		    errno != ENETUNREACH && errno != EPROTO &&
		    errno != ENOPROTOOPT)
			break;
	}
	return -errno;
}

/* Is it the being many that the kernel does not like? EMSGSIZE, EINVAL: longer than the
 * path takes, which the next ones need not be. */
static bool gso_refused(int err, bool *plain)
{
	switch (err) {
	case -EIO: /* no checksums on this way */
	case -EOPNOTSUPP:
		*plain = true;
		return true;
	case -EMSGSIZE:
	case -EINVAL:
		return true;
	default:
		return false;
	}
}

int host_send(int fd, const struct udp_send *s, const struct ipaddr *local,
	      bool *plain)
{
	size_t len = iov_len(s->v, s->n), at = 0;
	struct iovec v[FRAME_SEGS];
	struct udp_send part = *s;
	int first = 0; /* error */
	bool each;

	if (!s->gso)
		return send_msg(fd, s, local);
	each = *plain;
	part.v = v;
	while (at < len) {
		size_t most = each ? 1 : min_sz(GSO_SEGS, GSO_BYTES / s->gso);
		size_t take = min_sz(len - at, max_sz(most, 1) * s->gso);
		int err;

		part.n = iov_slice(s->v, s->n, at, take, v);
		part.gso = take > s->gso ? s->gso : 0;
		err = send_msg(fd, &part, local);
		if (err && part.gso && gso_refused(err, plain)) {
			each = true;
			continue;
		}
		if (err && !first)
			first = err;
		/* One that is too long says nothing about a shorter one behind it. */
		if (err && err != -EMSGSIZE)
			break;
		at += take;
	}
	return first;
}
