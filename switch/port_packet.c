// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A packet socket on an interface of the host: a TAP that a VMM opens by its name,
 * or the NIC that leads outside and stays the host's (tapin_side.h). See drivers.h.
 *
 * The kernel takes a VLAN tag out of a frame before a packet socket sees it and
 * says so beside the frame; it is put back here. Frames are received behind a gap
 * of four bytes for that.
 */
#include <endian.h>
#include <event2/event.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/compat.h"
#include "lib/fdutil.h"
#include "switch/driver_int.h"
#include "switch/macnat.h"
#include "switch/offload.h"
#include "switch/tapin_side.h"

#define PACKET_IGNORE_OUT 23 /* PACKET_IGNORE_OUTGOING, Linux 4.20 */
#define PACKET_HDR_SIZE	  24 /* PACKET_VNET_HDR_SZ, Linux 6.4 */

/* The default holds three frames of 64 KiB. */
#define RCVBUF (4 * 1024 * 1024)

#define CTL_ROOM CMSG_SPACE(sizeof(struct tpacket_auxdata))

struct packet {
	struct driver drv;
	struct port port;
	int fd;
	int tap;      /* into the host's stack; -1: none */
	bool beside;  /* @side is used */
	struct tapin_side side;
	struct macnat *nat; /* NULL: guests have MACs of their own outside */
	struct event *rd;
	struct event *resume; /* reads again after an error */
	size_t hdr;	      /* virtio_net_hdr: 12, 10 or 0 bytes */
	struct mmsghdr m[FRAME_BATCH];
	struct iovec v[FRAME_BATCH][2];
	uint8_t vnet[FRAME_BATCH][VNET_HDR_LEN];
	struct sockaddr_ll from[FRAME_BATCH];
	union {
		uint8_t b[CTL_ROOM];
		struct cmsghdr align;
	} ctl[FRAME_BATCH];
};

/* ---- receiving ----------------------------------------------------------- */

static void rx_init(struct packet *t)
{
	uint8_t *area = vswitch_rx_area(t->drv.ctx.sw);

	for (unsigned int i = 0; i < FRAME_BATCH; i++) {
		struct msghdr *m = &t->m[i].msg_hdr;

		t->v[i][0].iov_base = t->vnet[i];
		t->v[i][0].iov_len = t->hdr;
		t->v[i][1].iov_base =
			area + i * VSWITCH_RX_STRIDE + ETH_VLAN_LEN;
		t->v[i][1].iov_len = VSWITCH_RX_STRIDE - ETH_VLAN_LEN;
		m->msg_iov = t->v[i];
		m->msg_iovlen = 2;
		m->msg_control = t->ctl[i].b;
		m->msg_name = t->beside ? &t->from[i] : NULL;
	}
}

static bool tag_of(struct msghdr *m, struct tpacket_auxdata *aux)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_PACKET ||
		    c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(*aux)))
			continue;
		memcpy(aux, CMSG_DATA(c), sizeof(*aux));
		return aux->tp_status & TP_STATUS_VLAN_VALID;
	}
	return false;
}

/* Put the tag back between the source address and the type. */
static void insert_tag(struct frame *f, const struct tpacket_auxdata *aux)
{
	uint8_t *p = (uint8_t *)f->seg[0].iov_base - ETH_VLAN_LEN;
	struct offload off = f->off;

	memmove(p, p + ETH_VLAN_LEN, 12);
	put_be16(p + 12, aux->tp_status & TP_STATUS_VLAN_TPID_VALID
				 ? aux->tp_vlan_tpid
				 : ETH_P_TAG);
	put_be16(p + 14, aux->tp_vlan_tci);
	frame_init(f, p, f->len + ETH_VLAN_LEN);
	if (off.needs_csum)
		off.csum_start = (uint16_t)(off.csum_start + ETH_VLAN_LEN);
	if (off.hdr_len)
		off.hdr_len = (uint16_t)(off.hdr_len + ETH_VLAN_LEN);
	f->off = off;
}

static bool make_frame(struct packet *t, int i, struct frame *f, int64_t now_ms)
{
	struct tpacket_auxdata aux;
	size_t len = t->m[i].msg_len;

	if (len <= t->hdr) {
		port_drop(&t->port, DROP_SHORT, 1);
		return false;
	}
	if (t->m[i].msg_hdr.msg_flags & MSG_TRUNC) {
		port_drop(&t->port, DROP_LONG, 1);
		return false;
	}
	frame_init(f, t->v[i][1].iov_base, len - t->hdr);
	if (!t->hdr) {
		offload_infer(f, vswitch_mtu(t->drv.ctx.sw));
	} else if (!vnet_hdr_decode(t->vnet[i], &f->off)) {
		port_drop(&t->port, DROP_OFFLOAD, 1);
		return false;
	}
	if (f->len >= ETH_HDR_LEN && tag_of(&t->m[i].msg_hdr, &aux))
		insert_tag(f, &aux);
	return !t->beside ||
	       tapin_side_rx(&t->side, f,
			     t->from[i].sll_pkttype == PACKET_OUTGOING
				     ? TAPIN_HOST
				     : TAPIN_WIRE,
			     now_ms);
}

/* A batch: messages received, or negative errno. */
static int receive(struct packet *t, int64_t now_ms)
{
	struct frame f[FRAME_BATCH];
	unsigned int k = 0;
	int n;

	for (unsigned int i = 0; i < FRAME_BATCH; i++) {
		t->m[i].msg_hdr.msg_controllen = CTL_ROOM;
		t->m[i].msg_hdr.msg_namelen =
			t->beside ? sizeof(t->from[i]) : 0;
	}
	n = recvmmsg(t->fd, t->m, FRAME_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == EINVAL) {
		/* One that the header cannot describe: a tunnel's, say. It is gone. */
		port_drop(&t->port, DROP_OFFLOAD, 1);
		return 1;
	}
	if (n < 0)
		return would_block(errno) ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (make_frame(t, i, &f[k], now_ms))
			k++;
	}
	if (k)
		vswitch_input(&t->port, f, k, now_ms);
	return n;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = {1, 0};
	struct packet *t = arg;
	int64_t now_ms = clock_mono_ms();
	int n = FRAME_BATCH;

	(void)fd;
	(void)what;
	for (int done = 0; n == FRAME_BATCH && done < DRIVER_FRAMES; done += n)
		n = receive(t, now_ms);
	/* ENETDOWN is told once each time the interface goes down, and passes.
	 * An interface that is gone never comes back to this socket. */
	if (n < 0 && n != -ENETDOWN) {
		event_del(t->rd);
		event_add(t->resume, &pause);
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct packet *t = arg;

	(void)fd;
	(void)what;
	event_add(t->rd, NULL);
}

/* ---- sending ------------------------------------------------------------- */

struct out {
	uint8_t vnet[VNET_HDR_LEN];
	struct iovec v[1 + FRAME_SEGS];
};

static void out_frame(const struct packet *t, const struct frame *f,
		      struct out *o, struct mmsghdr *m)
{
	size_t nv = 0;

	if (t->hdr) {
		vnet_hdr_encode(f, &f->off, o->vnet);
		o->v[nv].iov_base = o->vnet;
		o->v[nv++].iov_len = t->hdr;
	}
	memcpy(o->v + nv, f->seg, f->nseg * sizeof(*o->v));
	*m = (struct mmsghdr){
		.msg_hdr.msg_iov = o->v,
		.msg_hdr.msg_iovlen = nv + f->nseg,
	};
}

static enum drop_reason reason(int err)
{
	if (would_block(err) || err == ENOBUFS || err == ENOMEM)
		return DROP_FULL;
	if (err == ENETDOWN || err == ENXIO)
		return DROP_LINK;
	return err == EMSGSIZE ? DROP_LONG : DROP_ERROR;
}

static void send_batch(struct packet *t, const struct frame *const *batch,
		       unsigned int n)
{
	struct port *p = &t->port;
	struct mmsghdr m[FRAME_BATCH];
	struct out o[FRAME_BATCH];
	unsigned int done = 0;

	for (unsigned int i = 0; i < n; i++)
		out_frame(t, batch[i], &o[i], &m[i]);
	while (done < n) {
		int r = sendmmsg(t->fd, m + done, n - done, MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			port_drop(p, reason(errno), 1);
			done++;
			continue;
		}
		for (; r; r--, done++)
			port_sent(p, 1, batch[done]->len);
	}
}

static void packet_tx(struct port *p, const struct frame *const *batch,
		      unsigned int n)
{
	send_batch(container_of(p, struct packet, port), batch, n);
}

/* ---- beside the host's own stack ------------------------------------------- */

static void tapin_tx(struct port *p, const struct frame *const *batch,
		     unsigned int n)
{
	struct packet *t = container_of(p, struct packet, port);
	const struct frame *lan[FRAME_BATCH];

	n = tapin_side_tx(&t->side, batch, n, lan);
	if (n)
		send_batch(t, lan, n);
}

static int write_tap(void *arg, const struct iovec *v, int n)
{
	struct packet *t = arg;
	ssize_t r;

	do
		r = writev(t->tap, v, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Carrier is set by who made it; nothing is read. */
static int tap_setup(int fd, struct errtext *why)
{
	int len = VNET_HDR_LEN, le = 1;
	int r = fd_setup(fd);

	if (!r && (ioctl(fd, TUNSETVNETHDRSZ, &len) ||
		   ioctl(fd, TUNSETVNETLE, &le)))
		r = -errno;
	return r ? errtext_set(why, r, "cannot set the TAP's header format")
		 : 0;
}

/* ---- life ---------------------------------------------------------------- */

static void packet_free(struct packet *t)
{
	if (t->rd)
		event_free(t->rd);
	if (t->resume)
		event_free(t->resume);
	fd_close(&t->fd);
	fd_close(&t->tap);
	macnat_free(t->nat);
	free(t);
}

static void packet_close(struct port *p)
{
	packet_free(container_of(p, struct packet, port));
}

static const struct port_ops packet_port_ops = {
	.driver = "packet",
	.tx = packet_tx,
	.close = packet_close,
};

static const struct port_ops tapin_port_ops = {
	.driver = "packet",
	.tx = tapin_tx,
	.close = packet_close,
};

static const struct driver_ops packet_ops = {.name = "packet"};

static int get_opt(int fd, int name)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return getsockopt(fd, SOL_PACKET, name, &v, &len) ? 0 : v;
}

/* The header of these sockets has the machine's byte order, ours has not. */
static bool little_endian(void)
{
	return le16toh(1) == 1;
}

static int packet_setup(struct packet *t, uint32_t *caps, struct errtext *why)
{
	int one = 1, domain = 0, r;
	socklen_t len = sizeof(domain);

	r = fd_setup(t->fd);
	if (r || getsockopt(t->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
	    domain != AF_PACKET)
		return errtext_set(why, -EPROTOTYPE,
				   "the descriptor is no packet socket");
	fd_rcvbuf(t->fd, RCVBUF);
	if (get_opt(t->fd, PACKET_VNET_HDR)) {
		if (!little_endian())
			return errtext_set(why, -ENOTSUP,
					   "packet sockets with offloads need a "
					   "little-endian machine");
		t->hdr = get_opt(t->fd, PACKET_HDR_SIZE) == VNET_HDR_LEN
				 ? VNET_HDR_LEN
				 : 10;
		*caps = PORT_CAP_CSUM | PORT_CAP_TSO4 | PORT_CAP_TSO6;
	}
	if (setsockopt(t->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		return errtext_set(why, -errno,
				   "cannot ask the packet socket for VLAN tags");
	/* What the host sends on an uplink may be for a guest here. */
	if (!t->beside)
		(void)setsockopt(t->fd, SOL_PACKET, PACKET_IGNORE_OUT, &one,
				 sizeof(one));
	return 0;
}

/* Takes over @fd and @conf's. */
static int open_port(const struct driver_ctx *ctx, const struct port_spec *spec,
		     const struct driver_tapin_conf *conf, int fd,
		     struct driver **out, struct errtext *why)
{
	struct packet *t = calloc(1, sizeof(*t));
	int tap = conf ? conf->tap : -1, r;
	uint32_t caps = 0;

	if (!t) {
		fd_close(&fd);
		fd_close(&tap);
		return -ENOMEM;
	}
	driver_init(&t->drv, &packet_ops, ctx, spec);
	t->fd = fd;
	t->tap = tap;
	t->beside = conf;
	r = packet_setup(t, &caps, why);
	if (!r && conf)
		r = tap_setup(tap, why);
	if (!r && conf && conf->mac_nat &&
	    !(t->nat = macnat_new(&conf->host, conf->seed)))
		r = -ENOMEM;
	if (r)
		goto fail;
	rx_init(t);
	t->rd = event_new(ctx->base, fd, EV_READ | EV_PERSIST, on_readable, t);
	t->resume = evtimer_new(ctx->base, on_resume, t);
	if (!t->rd || !t->resume || event_add(t->rd, NULL)) {
		r = -ENOMEM;
		goto fail;
	}
	r = driver_port_add(&t->drv, &t->port,
			    conf ? &tapin_port_ops : &packet_port_ops, caps);
	if (r)
		goto fail;
	if (conf)
		tapin_side_init(&t->side, &t->port, &conf->host, t->nat,
				write_tap, t);
	t->drv.only = &t->port;
	t->drv.connected = true;
	*out = &t->drv;
	return 0;
fail:
	packet_free(t);
	return r;
}

int driver_packet(const struct driver_ctx *ctx, const struct port_spec *spec,
		  int fd, struct driver **out, struct errtext *why)
{
	return open_port(ctx, spec, NULL, fd, out, why);
}

int driver_tapin(const struct driver_ctx *ctx, const struct port_spec *spec,
		 const struct driver_tapin_conf *conf, int fd,
		 struct driver **out, struct errtext *why)
{
	return open_port(ctx, spec, conf, fd, out, why);
}

void driver_tapin_host(struct driver *d, const struct ipaddr *ip, size_t n)
{
	struct packet *t = container_of(d, struct packet, drv);

	if (t->nat)
		macnat_host(t->nat, ip, n);
}

void driver_tapin_known(struct driver *d, const struct mac *mac,
			const struct ipaddr *ip)
{
	struct packet *t = container_of(d, struct packet, drv);

	if (t->nat)
		macnat_known(t->nat, mac, ip, t->port.id, clock_mono_ms());
}
