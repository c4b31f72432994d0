// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Datagram sockets of the host: what all kinds share. See host.h.
 *
 * #syscalls recvmmsg recvmsg sendmsg setsockopt
 */
#include "nat/host.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/fdutil.h"

/* Room for TTL, TOS and packet info. */
#define CONTROL 128

int host_init(struct host *h)
{
	h->raw_fd = -1;
	h->buf = malloc((size_t)HOST_BATCH * HOST_DGRAM);
	return h->buf ? 0 : -ENOMEM;
}

void host_fini(struct host *h)
{
	host_icmp_raw_close(h);
	free(h->buf);
	h->buf = NULL;
}

static int set_int(int fd, int opt, int v)
{
	return setsockopt(fd, IPPROTO_IP, opt, &v, sizeof(v)) ? -errno : 0;
}

int host_recv_options(int fd, bool pktinfo)
{
	int err = set_int(fd, IP_RECVERR, 1);

	if (!err)
		err = set_int(fd, IP_RECVTTL, 1);
	if (!err)
		err = set_int(fd, IP_RECVTOS, 1);
	return err || !pktinfo ? err : set_int(fd, IP_PKTINFO, 1);
}

/* RFC 4787 REQ-13: what the guest said about fragments holds outside too. */
void host_set_df(int fd, bool df, int8_t *state)
{
	if (*state == df)
		return;
	if (!set_int(fd, IP_MTU_DISCOVER,
		     df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT))
		*state = df;
}

static void read_control(struct host_msg *m, struct msghdr *mh)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		struct in_pktinfo info;
		int v = 0;

		if (c->cmsg_level != IPPROTO_IP)
			continue;
		if (c->cmsg_type == IP_TTL) {
			memcpy(&v, CMSG_DATA(c), sizeof(v));
			m->ttl = (uint8_t)v;
		} else if (c->cmsg_type == IP_TOS) {
			m->tos = *CMSG_DATA(c);
		} else if (c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			/* ipi_spec_dst is what to answer from. */
			m->local = ntohl(info.ipi_spec_dst.s_addr);
		}
	}
}

static bool read_name(const struct msghdr *mh, struct endpoint *ep)
{
	struct sockaddr_storage ss = {0};

	if (mh->msg_namelen > sizeof(ss))
		return false;
	memcpy(&ss, mh->msg_name, mh->msg_namelen);
	return !ipaddr_from_sockaddr(&ss, &ep->ip, &ep->port);
}

int host_recv(struct host *h, int fd)
{
	struct sockaddr_storage from[HOST_BATCH];
	struct mmsghdr mm[HOST_BATCH];
	struct iovec iov[HOST_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[HOST_BATCH][CONTROL];
	int got, n = 0;

	for (int i = 0; i < HOST_BATCH; i++) {
		iov[i].iov_base = h->buf + (size_t)i * HOST_DGRAM;
		iov[i].iov_len = HOST_DGRAM;
		mm[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i], .msg_iovlen = 1,
			.msg_control = control[i],
			.msg_controllen = sizeof(control[i]),
		};
	}
	got = recvmmsg(fd, mm, HOST_BATCH, MSG_DONTWAIT, NULL);
	if (got < 0)
		return -errno;
	for (int i = 0; i < got; i++) {
		struct host_msg *m = &h->msg[n];

		*m = (struct host_msg){.data = iov[i].iov_base,
				       .len = mm[i].msg_len};
		if ((mm[i].msg_hdr.msg_flags & MSG_TRUNC) ||
		    !read_name(&mm[i].msg_hdr, &m->from))
			continue;
		read_control(m, &mm[i].msg_hdr);
		n++;
	}
	return n;
}

/* One extended error (ip(7), IP_RECVERR) in our terms. */
static bool read_err(const struct cmsghdr *c, struct host_err *e)
{
	struct sock_extended_err ee;
	struct sockaddr_in offender;
	const size_t need = CMSG_LEN(sizeof(ee));

	if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR ||
	    c->cmsg_len < need)
		return false;
	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	if (ee.ee_origin == SO_EE_ORIGIN_LOCAL) {
		/* The packet is too big for the way, as the host knows it. */
		if (ee.ee_errno != EMSGSIZE)
			return false;
		e->type = ICMP_T_UNREACH;
		e->code = ICMP_C_FRAG;
		e->info = ee.ee_info;
		return true;
	}
	if (ee.ee_origin != SO_EE_ORIGIN_ICMP)
		return false;
	e->type = ee.ee_type;
	e->code = ee.ee_code;
	if (ee.ee_type == ICMP_T_UNREACH && ee.ee_code == ICMP_C_FRAG)
		e->info = ee.ee_info;
	if (c->cmsg_len < need + sizeof(offender))
		return true;
	memcpy(&offender, CMSG_DATA(c) + sizeof(ee), sizeof(offender));
	if (offender.sin_family == AF_INET)
		e->from = ntohl(offender.sin_addr.s_addr);
	return true;
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
			return e->type == ICMP_T_UNREACH ||
			       e->type == ICMP_T_TIME ||
			       e->type == ICMP_T_PARAM;
	return 0;
}

static struct cmsghdr *put_control(struct msghdr *mh, struct cmsghdr *at,
				   int type, const void *v, size_t len)
{
	at = at ? CMSG_NXTHDR(mh, at) : CMSG_FIRSTHDR(mh);
	at->cmsg_level = IPPROTO_IP;
	at->cmsg_type = type;
	at->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(at), v, len);
	return at;
}

int host_send(int fd, const struct udp_send *s, uint32_t local)
{
	_Alignas(struct cmsghdr) uint8_t control[CONTROL] = {0};
	struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(local)};
	struct sockaddr_storage to;
	struct msghdr mh = {
		.msg_name = &to,
		.msg_namelen = ipaddr_to_sockaddr(&s->to.ip, s->to.port, &to),
		.msg_iov = (struct iovec *)s->v, .msg_iovlen = (size_t)s->n,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int ttl = s->ttl ? s->ttl : 64, tos = s->tos;
	struct cmsghdr *c;
	size_t used = CMSG_SPACE(sizeof(int)) * 2;

	c = put_control(&mh, NULL, IP_TTL, &ttl, sizeof(ttl));
	c = put_control(&mh, c, IP_TOS, &tos, sizeof(tos));
	if (local) {
		put_control(&mh, c, IP_PKTINFO, &info, sizeof(info));
		used += CMSG_SPACE(sizeof(info));
	}
	mh.msg_controllen = used;
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
