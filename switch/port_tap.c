// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A TAP: our end of a network interface of the kernel, with offload facts in front
 * of each frame (struct virtio_net_hdr_v1) when it was made with IFF_VNET_HDR.
 * See drivers.h.
 *
 * A TAP gives one frame a read; frames of a wake-up are laid one behind the other
 * in the switch's receive area, so that small ones stay close together.
 */
#include <event2/event.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/compat.h"
#include "lib/fdutil.h"
#include "switch/driver_int.h"
#include "switch/offload.h"
#include "switch/tap_out.h"

/* A guest that talks to and fro sends a frame at a time: after so many wake-ups with a
 * single one the next is not asked for a second. The loop does that if there is one. */
#define LONELY 4
/* … but one wake-up in this many is, so that more frames at once are noticed. */
#define LONELY_LOOK 16

/* One turn fills this much of the receive area, and then hands on. */
#define READ_AREA  (512 * 1024)
#define FRAME_ROOM (VNET_HDR_LEN + FRAME_MAX + 1)

#define USO_BOTH (0x20 | 0x40) /* TUN_F_USO4 and USO6, Linux 6.2 */

struct tap {
	struct driver drv;
	struct port port;
	int fd;
	struct event *rd;
	struct event *resume; /* reads again after an error */
	size_t hdr;	      /* VNET_HDR_LEN or 0 */
	struct tap_out out;
	unsigned int lonely; /* wake-ups in a row that had one frame */
};

enum got { GOT_FRAME, GOT_BAD, GOT_NOTHING, GOT_ERROR, GOT_GONE };

/* One frame to @p, which has FRAME_ROOM. */
static enum got read_frame(struct tap *t, uint8_t *p, struct frame *f)
{
	struct offload off = {0};
	ssize_t n = read(t->fd, p, FRAME_ROOM);

	if (n < 0 && would_block(errno))
		return GOT_NOTHING;
	if (n < 0)
		return errno == EBADFD || errno == EFAULT || errno == ENODEV
			       ? GOT_GONE
			       : GOT_ERROR;
	if ((size_t)n <= t->hdr) {
		port_drop(&t->port, DROP_SHORT, 1);
		return GOT_BAD;
	}
	if (t->hdr && !vnet_hdr_decode(p, &off)) {
		port_drop(&t->port, DROP_OFFLOAD, 1);
		return GOT_BAD;
	}
	frame_init(f, p + t->hdr, (size_t)n - t->hdr);
	f->off = off;
	return GOT_FRAME;
}

/* A batch of at most @max; *frames and *bytes count up. */
static enum got read_batch(struct tap *t, unsigned int max, size_t *frames,
			   size_t *bytes, int64_t now_ms)
{
	uint8_t *area = vswitch_rx_area(t->drv.ctx.sw);
	struct frame f[FRAME_BATCH];
	enum got got = GOT_FRAME;
	unsigned int n = 0;
	size_t used = 0;

	while (n < max && used + FRAME_ROOM <= READ_AREA) {
		got = read_frame(t, area + used, &f[n]);
		if (got > GOT_BAD)
			break;
		(*frames)++;
		if (got == GOT_BAD)
			continue;
		*bytes += f[n].len;
		used += (t->hdr + f[n].len + 63) & ~(size_t)63;
		n++;
	}
	if (n)
		vswitch_input(&t->port, f, n, now_ms);
	return got;
}

/* How many frames the next wake-up should ask for at once. */
static unsigned int batch_size(struct tap *t)
{
	if (t->lonely < LONELY)
		return FRAME_BATCH;
	return t->lonely++ % LONELY_LOOK ? 1 : FRAME_BATCH;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval pause = {1, 0};
	struct tap *t = arg;
	unsigned int max = batch_size(t);
	size_t frames = 0, bytes = 0;
	int64_t now_ms = clock_mono_ms();
	enum got got;

	(void)fd;
	(void)what;
	do
		got = read_batch(t, max, &frames, &bytes, now_ms);
	while (got <= GOT_BAD && max > 1 && frames < DRIVER_FRAMES &&
	       bytes < DRIVER_BYTES);
	if (frames > 1)
		t->lonely = 0;
	else if (t->lonely < LONELY)
		t->lonely++;
	if (got == GOT_ERROR) {
		/* The interface is down, say. To go on at once would spin. */
		event_del(t->rd);
		event_add(t->resume, &pause);
	} else if (got == GOT_GONE) {
		event_del(t->rd);
		driver_peer(&t->drv, false);
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct tap *t = arg;

	(void)fd;
	(void)what;
	event_add(t->rd, NULL);
}

static int write_to(void *arg, const struct iovec *v, int n)
{
	struct tap *t = arg;
	ssize_t r;

	do
		r = writev(t->fd, v, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

static void tap_tx(struct port *p, const struct frame *const *batch,
		   unsigned int n)
{
	tap_out(&container_of(p, struct tap, port)->out, batch, n);
}

static void tap_link(struct port *p, bool up)
{
	struct tap *t = container_of(p, struct tap, port);
	int v = up;

	/* Since Linux 5.0; without it frames are dropped all the same. */
	(void)ioctl(t->fd, TUNSETCARRIER, &v);
}

static void tap_free(struct tap *t)
{
	if (t->rd)
		event_free(t->rd);
	if (t->resume)
		event_free(t->resume);
	fd_close(&t->fd);
	free(t);
}

static void tap_close(struct port *p)
{
	tap_free(container_of(p, struct tap, port));
}

static const struct port_ops tap_port_ops = {
	.driver = "tap",
	.tx = tap_tx,
	.link = tap_link,
	.close = tap_close,
};

static const struct driver_ops tap_ops = {.name = "tap"};

/* Ask the kernel for frames with undone work; what it will take undone from us
 * goes with what it knows. */
static uint32_t set_offloads(int fd)
{
	unsigned int tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	uint32_t caps = PORT_CAP_CSUM | PORT_CAP_TSO4 | PORT_CAP_TSO6;

	if (!ioctl(fd, TUNSETOFFLOAD, tso | USO_BOTH))
		return caps | PORT_CAP_USO;
	if (!ioctl(fd, TUNSETOFFLOAD, tso))
		return caps;
	return !ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM) ? PORT_CAP_CSUM : 0;
}

static int tap_setup(struct tap *t, uint32_t *caps, struct errtext *why)
{
	int len = VNET_HDR_LEN, le = 1, r;
	struct ifreq ifr;

	memset(&ifr, 0, sizeof(ifr));
	r = fd_setup(t->fd);
	if (r || ioctl(t->fd, TUNGETIFF, &ifr) || !(ifr.ifr_flags & IFF_TAP))
		return errtext_set(why, -EPROTOTYPE,
				   "the descriptor is no TAP");
	if (!(ifr.ifr_flags & IFF_NO_PI))
		return errtext_set(why, -EPROTOTYPE,
				   "the TAP was made without IFF_NO_PI");
	if (!(ifr.ifr_flags & IFF_VNET_HDR))
		return 0;
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &len) ||
	    ioctl(t->fd, TUNSETVNETLE, &le))
		return errtext_set(why, -errno,
				   "cannot set the TAP's header format");
	t->hdr = VNET_HDR_LEN;
	*caps = set_offloads(t->fd);
	return 0;
}

int driver_tap(const struct driver_ctx *ctx, const struct port_spec *spec,
	       int fd, struct driver **out, struct errtext *why)
{
	struct tap *t = calloc(1, sizeof(*t));
	uint32_t caps = 0;
	int r;

	if (!t) {
		fd_close(&fd);
		return -ENOMEM;
	}
	driver_init(&t->drv, &tap_ops, ctx, spec);
	t->fd = fd;
	r = tap_setup(t, &caps, why);
	if (r)
		goto fail;
	t->out = (struct tap_out){
		.port = &t->port, .vnet_hdr = t->hdr, .write = write_to,
		.arg = t,
	};
	t->rd = event_new(ctx->base, fd, EV_READ | EV_PERSIST, on_readable, t);
	t->resume = evtimer_new(ctx->base, on_resume, t);
	if (!t->rd || !t->resume || event_add(t->rd, NULL)) {
		r = -ENOMEM;
		goto fail;
	}
	r = driver_port_add(&t->drv, &t->port, &tap_port_ops, caps);
	if (r)
		goto fail;
	tap_link(&t->port, true);
	t->drv.only = &t->port;
	t->drv.connected = true;
	*out = &t->drv;
	return 0;
fail:
	tap_free(t);
	return r;
}
