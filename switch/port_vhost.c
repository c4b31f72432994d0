// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A NIC whose device is in the guest's VMM only by name: we are its back end
 * (vhost-user) and move frames to and from the guest's memory. Here are the front
 * end's connection and the loop; see drivers.h and port_vhost_int.h.
 *
 * When this process dies, the connection closes, and the VMM comes back to the
 * listener and says everything again; the rings themselves know where to go on.
 */
#include "switch/port_vhost_int.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/fdutil.h"
#include "switch/offload.h"
#include "switch/vhost_call.h"

#define MSGS_PER_WAKEUP 64
#define POLL_US		1000 /* between looks at a ring without a kick descriptor */
#define BARRED_MS	10000 /* for a front end that held us up */

static_assert(VHOST_VQS <= 32, "a bit for each ring");

static void hang_up(struct vhost_port *vp);

/* ---- turns -------------------------------------------------------------------- */

static void in_us(struct vhost_port *vp, int64_t us)
{
	const struct timeval tv = {0, us > 0 ? us : 0};

	evtimer_add(vp->later, &tv);
}

/* The one timer stands for all rings: it goes off for the first thing that is due. */
static void arm(struct vhost_port *vp)
{
	int64_t us = vp->polled ? POLL_US : INT64_MAX, now_us;

	if (vp->fail || vp->todo & ~vp->paused) {
		in_us(vp, 0);
		return;
	}
	now_us = vp->paused ? clock_mono_us() : 0;
	for (unsigned int i = 0; vp->paused >> i; i++)
		if (vp->paused & 1u << i && vp->kick[i].until_us - now_us < us)
			us = vp->kick[i].until_us - now_us;
	if (us < INT64_MAX)
		in_us(vp, us);
}

/* Rings whose pause is over. */
static void unpause(struct vhost_port *vp)
{
	int64_t now_us = vp->paused ? clock_mono_us() : 0;

	for (unsigned int i = 0; vp->paused >> i; i++) {
		if (!(vp->paused & 1u << i) || vp->kick[i].until_us > now_us)
			continue;
		vp->paused &= ~(1u << i);
		vp->todo |= 1u << i;
	}
}

void vhost_port_fail(struct vhost_port *vp, const char *why)
{
	if (vp->fail)
		return;
	vp->fail = why ? why : "something is wrong";
	arm(vp);
}

void vhost_port_again(struct vhost_port *vp, unsigned int i)
{
	vp->todo |= 1u << i;
	arm(vp);
}

void vhost_port_pause(struct vhost_port *vp, unsigned int i, unsigned int ms)
{
	vp->kick[i].until_us = clock_mono_us() + (int64_t)ms * 1000;
	vp->paused |= 1u << i;
	arm(vp);
}

static void signal_guest(struct vhost_port *vp, const struct vhost_vq *q)
{
	if (q->call < 0 || vp->fail || !vhost_call(q->call))
		return;
	vp->barred_ms = clock_mono_ms() + BARRED_MS;
	vhost_port_fail(vp, "its call descriptor blocks");
}

static void check_memory(struct vhost_port *vp)
{
	if (vhost_mem_broken(&vp->dev.mem))
		vhost_port_fail(vp, "the guest's memory was truncated");
}

void vhost_port_done(struct vhost_port *vp, unsigned int i)
{
	struct vhost_vq *q = &vp->dev.vq[i];

	vp->touched &= ~(1u << i);
	vring_publish(&q->ring);
	if (vring_signal_due(&q->ring))
		signal_guest(vp, q);
	check_memory(vp);
}

static void look(struct vhost_port *vp, unsigned int i)
{
	if (i & 1)
		vhost_tx_kicked(vp, i);
	else
		vhost_rx_kicked(vp, i);
	check_memory(vp);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_port *vp = arg;
	uint32_t todo;

	(void)fd;
	(void)what;
	unpause(vp);
	todo = (vp->todo | vp->polled) & ~vp->paused;
	vp->todo &= ~todo;
	for (unsigned int i = 0; i < VHOST_VQS && !vp->fail; i++)
		if (todo & 1u << i)
			look(vp, i);
	if (!vp->fail) {
		arm(vp);
		return;
	}
	if (vp->fd < 0)
		return;
	log_limited(&vp->budget, clock_mono_ms(), LOG_LVL_WARN,
		    "vhost-user %s: connection closed: %s", vp->drv.name,
		    vp->fail);
	hang_up(vp);
	driver_peer(&vp->drv, false);
}

/* The loop reports a kick once (edge-triggered): its counter need not be read. */
static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_kick *k = arg;

	(void)fd;
	(void)what;
	if (k->vp->fail || (k->vp->todo | k->vp->paused) & 1u << k->i)
		return;
	vhost_poll_kicked(&k->poll, clock_mono_us());
	look(k->vp, k->i);
}

/* ---- what a message changed ------------------------------------------------------ */

static void kick_init(struct vhost_port *vp, unsigned int i, uint32_t poll_us)
{
	struct vhost_kick *k = &vp->kick[i];

	k->vp = vp;
	k->i = i;
	k->fd = -1;
	vhost_poll_init(&k->poll, poll_us);
}

static void kick_free(struct vhost_kick *k)
{
	if (k->ev)
		event_free(k->ev);
	k->ev = NULL;
	k->fd = -1;
}

static int kick_sync(struct vhost_port *vp, unsigned int i)
{
	struct vhost_kick *k = &vp->kick[i];
	struct vhost_vq *q = &vp->dev.vq[i];

	vp->polled &= ~(1u << i);
	if (q->started && q->kick < 0)
		vp->polled |= 1u << i;
	if (k->fd == q->kick)
		return 0;
	kick_free(k);
	if (q->kick < 0)
		return 0;
	k->fd = q->kick;
	k->ev = event_new(vp->drv.ctx.base, k->fd,
			  EV_READ | EV_ET | EV_PERSIST, on_kick, k);
	return k->ev && !event_add(k->ev, NULL) ? 0 : -EINVAL;
}

static void vqs_changed(struct vhost_port *vp)
{
	int r = 0;

	for (unsigned int i = 0; i < VHOST_VQS; i++) {
		struct vhost_vq *q = &vp->dev.vq[i];

		r |= kick_sync(vp, i);
		/* Frames may have been put into the ring between KICK and CALL. */
		if (q->call_new && vring_attached(&q->ring))
			signal_guest(vp, q);
		q->call_new = false;
		/* There may be something since before we listened. */
		if (vring_attached(&q->ring))
			vp->todo |= 1u << i;
	}
	vhost_bury(&vp->dev);
	vhost_rx_reset(vp);
	if (r)
		vhost_port_fail(vp, "a kick descriptor cannot be waited for");
	arm(vp);
}

static void features_changed(struct vhost_port *vp)
{
	const struct vhost_dev *d = &vp->dev;
	uint32_t caps = 0;

	if (vhost_has(d, VHOST_F_GUEST_CSUM)) {
		caps = PORT_CAP_CSUM;
		if (vhost_has(d, VHOST_F_GUEST_TSO4))
			caps |= PORT_CAP_TSO4;
		if (vhost_has(d, VHOST_F_GUEST_TSO6))
			caps |= PORT_CAP_TSO6;
		if (vhost_has(d, VHOST_F_GUEST_USO4) &&
		    vhost_has(d, VHOST_F_GUEST_USO6))
			caps |= PORT_CAP_USO;
	}
	/* Frames that wait may need what the guest no longer does. */
	if (vp->port.caps & ~caps)
		vhost_rx_clear(vp);
	vp->port.caps = caps;
	vp->mrg = vhost_has(d, VHOST_F_MRG_RXBUF);
	vp->mq = vhost_has(d, VHOST_F_MQ);
	vp->ecn = vhost_has(d, VHOST_F_GUEST_ECN);
	/* Before version 1 the last field came with mergeable buffers (5.1.6.1). */
	vp->hdr_len = vp->mrg || vhost_has(d, VHOST_F_VERSION_1)
			      ? VNET_HDR_LEN
			      : VNET_HDR_LEN - 2;
}

/* The guest was moved here and cannot say so itself (RFC 903's form). */
static void announce(struct vhost_port *vp, const struct mac *mac)
{
	uint8_t b[60] = {0};
	struct wbuf w = wbuf_make(b, sizeof(b));
	struct frame f;

	wbuf_fill(&w, 0xff, 6);
	wbuf_copy(&w, mac->b, 6);
	wbuf_be16(&w, 0x8035);
	wbuf_be16(&w, 1);
	wbuf_be16(&w, 0x0800);
	wbuf_be16(&w, 0x0604);
	wbuf_be16(&w, 3); /* "request reverse" */
	wbuf_copy(&w, mac->b, 6);
	wbuf_be32(&w, 0);
	wbuf_copy(&w, mac->b, 6);
	frame_init(&f, b, sizeof(b));
	vswitch_input(&vp->port, &f, 1, clock_mono_ms());
}

/* ---- messages -------------------------------------------------------------------- */

static void drop_fds(struct vhost_port *vp)
{
	for (unsigned int i = 0; i < vp->nfd; i++)
		fd_close(&vp->fds[i]);
	vp->nfd = 0;
}

/* Keep what came along; -E2BIG: too many. */
static int keep_fds(struct vhost_port *vp, struct msghdr *m)
{
	int r = m->msg_flags & MSG_CTRUNC ? -E2BIG : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			if (vp->nfd < VHOST_FDS_MAX) {
				vp->fds[vp->nfd++] = fd;
			} else {
				close(fd);
				r = -E2BIG;
			}
		}
	}
	return r;
}

/* 1: more bytes are here; 0: not now; negative: the front end is gone, or wrong. */
static int receive(struct vhost_port *vp, struct errtext *why)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(VHOST_FDS_MAX * sizeof(int))];
	} ctl;
	struct iovec v = {vp->in + vp->have, vp->need - vp->have};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = ctl.b,
			   .msg_controllen = sizeof(ctl.b)};
	ssize_t n = recvmsg(vp->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return would_block(errno) ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (keep_fds(vp, &m))
		return errtext_set(why, -E2BIG, "too many descriptors");
	vp->have += (size_t)n;
	return 1;
}

/* An answer is short; a front end that lets them pile up is none. */
static int reply(struct vhost_port *vp, struct vhost_out *out,
		 struct errtext *why)
{
	union {
		struct cmsghdr align;
		char b[CMSG_SPACE(sizeof(int))];
	} ctl = {{0}};
	struct iovec v = {out->p, out->len};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	ssize_t n;

	if (out->fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = ctl.b;
		m.msg_controllen = sizeof(ctl.b);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &out->fd, sizeof(int));
	}
	n = sendmsg(vp->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	fd_close(&out->fd);
	if (n == (ssize_t)out->len)
		return 0;
	return errtext_set(why, -EPIPE, "the front end takes no answers");
}

/* A whole message is here. */
static int handle(struct vhost_port *vp, struct errtext *why)
{
	struct vhost_out out;
	int r;

	/* Rings and memory may go, or move. */
	vhost_unlend(&vp->port);
	r = vhost_msg(&vp->dev, vp->in, vp->have, vp->fds, vp->nfd, &out, why);
	drop_fds(vp);
	vp->have = 0;
	vp->need = VHOST_HDR_LEN;
	if (r)
		return r;
	if (out.act & VHOST_ACT_FEATURES)
		features_changed(vp);
	if (out.act & VHOST_ACT_VQS)
		vqs_changed(vp);
	if (out.act & VHOST_ACT_RARP)
		announce(vp, &out.rarp);
	return out.len ? reply(vp, &out, why) : 0;
}

/* Go on with what was received; as receive(). */
static int advance(struct vhost_port *vp, struct errtext *why)
{
	int r;

	if (vp->have < vp->need)
		return 0;
	if (vp->need == VHOST_HDR_LEN) {
		r = vhost_msg_len(vp->in, why);
		if (r < 0)
			return r;
		vp->need += (size_t)r;
		if (r > 0)
			return 0;
	}
	return handle(vp, why);
}

static void on_message(evutil_socket_t fd, short what, void *arg)
{
	struct vhost_port *vp = arg;
	struct errtext why = {""};
	int r = 1;

	(void)fd;
	(void)what;
	if (vp->fail)
		return;
	for (int i = 0; i < 2 * MSGS_PER_WAKEUP && r > 0; i++) {
		r = receive(vp, &why);
		if (r > 0 && advance(vp, &why))
			r = -EPROTO;
	}
	if (r >= 0)
		return;
	if (why.s[0])
		log_limited(&vp->budget, clock_mono_ms(), LOG_LVL_WARN,
			    "vhost-user %s: connection closed: %s",
			    vp->drv.name, why.s);
	hang_up(vp);
	driver_peer(&vp->drv, false);
}

/* ---- connections ------------------------------------------------------------------ */

static void hang_up(struct vhost_port *vp)
{
	if (vp->fd < 0)
		return;
	event_del(vp->later);
	event_free(vp->rd);
	vp->rd = NULL;
	for (unsigned int i = 0; i < VHOST_VQS; i++)
		kick_free(&vp->kick[i]);
	drop_fds(vp);
	vhost_rx_clear(vp);
	vhost_dev_fini(&vp->dev);
	fd_close(&vp->fd);
	memset(&vp->steer, 0, sizeof(vp->steer));
	vp->todo = vp->polled = vp->paused = vp->touched = 0;
	vp->fail = NULL;
}

/* Takes over @fd. */
static int connect_fd(struct vhost_port *vp, int fd)
{
	int r;

	hang_up(vp);
	r = vhost_dev_init(&vp->dev, &vp->cfg);
	if (!r) {
		vp->rd = event_new(vp->drv.ctx.base, fd, EV_READ | EV_PERSIST,
				   on_message, vp);
		if (!vp->rd || event_add(vp->rd, NULL))
			r = -ENOMEM;
	}
	if (r) {
		if (vp->rd)
			event_free(vp->rd);
		vp->rd = NULL;
		vhost_dev_fini(&vp->dev);
		fd_close(&fd);
		return r;
	}
	vp->fd = fd;
	vp->have = 0;
	vp->need = VHOST_HDR_LEN;
	features_changed(vp);
	return 0;
}

/* What made us wait for it might again, and with us wait all guests of the network. */
static bool is_barred(const struct vhost_port *vp)
{
	return clock_mono_ms() < vp->barred_ms;
}

static void on_conn(void *arg, int fd)
{
	struct vhost_port *vp = arg;

	if (is_barred(vp))
		fd_close(&fd);
	else
		driver_peer(&vp->drv, !connect_fd(vp, fd));
}

int driver_vhost_connect(struct driver *d, int fd, struct errtext *why)
{
	struct vhost_port *vp;
	int r;

	if (strcmp(driver_name(d), "vhost-user")) {
		fd_close(&fd);
		return errtext_set(why, -EINVAL,
				   "a %s NIC takes no connections",
				   driver_name(d));
	}
	r = fd_setup(fd);
	if (r) {
		fd_close(&fd);
		return errtext_set(why, r, "cannot use the socket");
	}
	vp = container_of(d, struct vhost_port, drv);
	if (is_barred(vp)) {
		fd_close(&fd);
		return errtext_set(why, -EAGAIN, "the VMM held up the network");
	}
	on_conn(vp, fd);
	return d->connected ? 0
			    : errtext_set(why, -ENOMEM, "cannot use the socket");
}

/* ---- life -------------------------------------------------------------------------- */

static void vhost_free(struct vhost_port *vp)
{
	listener_fini(&vp->listener);
	hang_up(vp);
	if (vp->later)
		event_free(vp->later);
	for (unsigned int i = 0; i < ARRAY_LEN(vp->line); i++)
		vhost_backlog_fini(&vp->line[i].back);
	free(vp);
}

static void vhost_close(struct port *p)
{
	vhost_free(container_of(p, struct vhost_port, port));
}

static const struct port_ops vhost_port_ops = {
	.driver = "vhost-user",
	.tx = vhost_rx,
	.room = vhost_room,
	.lend = vhost_lend,
	.unlend = vhost_unlend,
	.close = vhost_close,
};

static const struct driver_ops vhost_ops = {.name = "vhost-user"};

static int vhost_start(struct vhost_port *vp, int listen_fd, int conn_fd,
		       struct errtext *why)
{
	int r;

	vp->later = evtimer_new(vp->drv.ctx.base, on_later, vp);
	r = vp->later ? vhost_backlog_init(&vp->line[0].back) : -ENOMEM;
	if (r) {
		fd_close(&listen_fd);
		fd_close(&conn_fd);
		return errtext_set(why, r, "no memory");
	}
	r = listener_init(&vp->listener, vp->drv.ctx.base, listen_fd, on_conn,
			  vp);
	if (!r && conn_fd >= 0)
		r = fd_setup(conn_fd);
	if (r)
		fd_close(&conn_fd);
	else if (conn_fd >= 0)
		r = connect_fd(vp, conn_fd);
	return r ? errtext_set(why, r, "cannot use the socket") : 0;
}

int driver_vhost(const struct driver_ctx *ctx, const struct port_spec *spec,
		 const struct driver_vhost_conf *conf, int listen_fd,
		 int conn_fd, struct driver **out, struct errtext *why)
{
	struct vhost_port *vp = calloc(1, sizeof(*vp));
	uint16_t queues = conf->queues ? conf->queues : 1;
	int r;

	if (!vp) {
		fd_close(&listen_fd);
		fd_close(&conn_fd);
		return -ENOMEM;
	}
	driver_init(&vp->drv, &vhost_ops, ctx, spec);
	vp->fd = vp->listener.fd = -1;
	vp->cfg.mac = conf->mac;
	vp->cfg.mtu = vswitch_mtu(ctx->sw);
	vp->cfg.queues = (uint16_t)min_sz(queues, VHOST_QUEUES_MAX);
	for (unsigned int i = 0; i < VHOST_VQS; i++)
		kick_init(vp, i, conf->poll ? VHOST_POLL_MAX_US : 0);
	r = vhost_start(vp, listen_fd, conn_fd, why);
	if (!r)
		r = driver_port_add(&vp->drv, &vp->port, &vhost_port_ops,
				    vp->port.caps);
	if (r) {
		vhost_free(vp);
		return r;
	}
	vp->drv.only = &vp->port;
	*out = &vp->drv;
	if (vp->fd >= 0)
		driver_peer(&vp->drv, true);
	return 0;
}
