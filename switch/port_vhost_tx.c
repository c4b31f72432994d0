// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames from a vhost-user guest. Headers are copied once, and decided upon in the
 * copy; payload stays in the guest's memory until somebody has taken it, and then
 * the guest gets its buffers back, in the same turn. See port_vhost_int.h.
 */
#include "switch/port_vhost_int.h"

#include <string.h>

#include "lib/clock.h"
#include "switch/offload.h"

/* Of one batch: with what waits already it still fits a slow guest's queue
 * (LAG_BYTES, VHOST_BACKLOG_CAP). */
#define BATCH_BYTES (256 * 1024)

/* A guest that sends to one that cannot keep pace waits this long … */
#define PAUSE_MS 1
/* … and no more often than so in turn: its other frames wait, too. */
#define PAUSES_MAX 10

/* Pieces of memory lent to a batch; the area is VSWITCH_RX_AREA bytes. */
struct area {
	uint8_t *p;
	size_t used;
};

/* Where in the pieces to go on. */
struct pos {
	unsigned int i;
	size_t off;
};

static void take_pieces(const struct vring_iov *v, struct pos *at,
			uint8_t *dst, size_t n)
{
	while (n) {
		const struct iovec *s = &v->v[at->i];
		size_t here = min_sz(s->iov_len - at->off, n);

		memcpy(dst, (const uint8_t *)s->iov_base + at->off, here);
		dst += here;
		n -= here;
		at->off += here;
		if (at->off == s->iov_len) {
			at->i++;
			at->off = 0;
		}
	}
}

/* Copy @n bytes from @at on; nearly always they lie in one piece. */
static inline void take(const struct vring_iov *v, struct pos *at,
			uint8_t *dst, size_t n)
{
	const struct iovec *first = &v->v[at->i];

	if (n > first->iov_len - at->off) {
		take_pieces(v, at, dst, n);
		return;
	}
	memcpy(dst, (const uint8_t *)first->iov_base + at->off, n);
	at->off += n;
	if (at->off == first->iov_len) {
		at->i++;
		at->off = 0;
	}
}

/* The header, nearly always in one piece and of this length. */
static inline void take_hdr(const struct vring_iov *v, size_t len,
			    struct pos *at, uint8_t hdr[VNET_HDR_LEN])
{
	if (len != VNET_HDR_LEN || v->v[0].iov_len <= VNET_HDR_LEN) {
		memset(hdr, 0, VNET_HDR_LEN);
		take(v, at, hdr, len);
		return;
	}
	memcpy(hdr, v->v[0].iov_base, VNET_HDR_LEN);
	at->off = VNET_HDR_LEN;
}

/* How much of the frame to copy: all of a short one, all headers that anybody will
 * look at of a longer one, and a frame of too many pieces whole. */
static size_t copy_len(const struct vring_iov *v, const struct frame *f)
{
	size_t want = f->off.gso_type == GSO_NONE ? FRAME_HDR : OFFLOAD_HDR_MAX;

	if (f->len <= OFFLOAD_HDR_MAX || v->n >= FRAME_SEGS)
		return f->len;
	return want;
}

static bool reject(struct vhost_port *vp, enum drop_reason why)
{
	vp->port.stats.rx_frames++;
	port_drop(&vp->port, why, 1);
	return false;
}

static bool make_frame(struct vhost_port *vp, const struct vring_iov *v,
		       struct area *a, struct frame *f)
{
	uint8_t hdr[VNET_HDR_LEN];
	struct pos at = {0, 0};
	size_t n;

	if (v->len <= vp->hdr_len || v->len - vp->hdr_len > FRAME_MAX)
		return reject(vp, v->len <= vp->hdr_len ? DROP_SHORT
							: DROP_LONG);
	take_hdr(v, vp->hdr_len, &at, hdr);
	f->off = (struct offload){0};
	f->in_place = NULL;
	if ((hdr[0] || hdr[1]) && !vnet_hdr_decode(hdr, &f->off))
		return reject(vp, DROP_OFFLOAD);
	f->len = (uint32_t)(v->len - vp->hdr_len);
	n = copy_len(v, f);
	f->seg[0].iov_base = a->p + a->used;
	f->seg[0].iov_len = n;
	f->nseg = 1;
	take(v, &at, f->seg[0].iov_base, n);
	a->used += (n + 63) & ~(size_t)63;
	for (; at.i < v->n; at.i++, at.off = 0) {
		f->seg[f->nseg].iov_base =
			(uint8_t *)v->v[at.i].iov_base + at.off;
		f->seg[f->nseg++].iov_len = v->v[at.i].iov_len - at.off;
	}
	return true;
}

/* One batch; returns how many buffers were taken. */
static unsigned int batch(struct vhost_port *vp, struct vhost_vq *q,
			  size_t *bytes, int64_t now_ms)
{
	struct area area = {vswitch_rx_area(vp->drv.ctx.sw), 0};
	size_t limit = min_sz(*bytes + BATCH_BYTES, DRIVER_BYTES);
	bool run = vhost_vq_usable(&vp->dev, q);
	struct frame f[FRAME_BATCH];
	uint16_t head[FRAME_BATCH];
	struct vring_iov *v = &vp->iov;
	unsigned int n = 0, nf = 0;
	int r = 0;

	while (n < FRAME_BATCH && *bytes < limit) {
		v->n = 0;
		v->len = 0;
		r = vring_pop(&q->ring, v, false, &head[n]);
		if (r <= 0)
			break;
		n++;
		*bytes += v->len;
		/* A ring that is disabled loses its frames. */
		if (!run || !make_frame(vp, v, &area, &f[nf]))
			continue;
		if (vp->nrxq > 1)
			vhost_rx_follow(vp, (unsigned int)(q - vp->dev.vq),
					&f[nf]);
		nf++;
	}
	if (nf) {
		vp->port.slow_bytes = 0;
		vswitch_input(&vp->port, f, nf, now_ms);
	}
	for (unsigned int i = 0; i < n; i++)
		vring_push(&q->ring, head[i], 0);
	if (r < 0)
		vhost_port_fail(vp, q->ring.why);
	return n;
}

/*
 * Most of its last batch, of @bytes, went to guests that lag behind: leave the rest in the
 * ring, where it makes the sender's own queues fill and slow down, instead of dropping it.
 * Most of it, so that a guest which lags on purpose has no hold on one that has more to
 * say to others.
 */
static bool pauses(struct vhost_port *vp, unsigned int i, size_t bytes)
{
	struct vhost_kick *k = &vp->kick[i];
	bool slow = vp->port.slow_bytes > bytes / 2;

	vp->port.slow_bytes = 0;
	if (!slow || ++k->pauses > PAUSES_MAX) {
		k->pauses = 0;
		return false;
	}
	vhost_port_pause(vp, i, PAUSE_MS);
	return true;
}

void vhost_tx_kicked(struct vhost_port *vp, unsigned int i)
{
	struct vhost_poll *poll = &vp->kick[i].poll;
	struct vhost_vq *q = &vp->dev.vq[i];
	int64_t now_ms = clock_mono_ms();
	size_t frames = 0, bytes = 0, was;
	unsigned int n;

	if (!vring_attached(&q->ring))
		return;
	vring_notify_off(&q->ring);
	do {
		was = bytes;
		n = batch(vp, q, &bytes, now_ms);
		if (n) {
			vhost_poll_worked(poll);
			vhost_port_done(vp, i);
		}
		frames += n;
		if (vp->fail || pauses(vp, i, bytes - was))
			return;
		if (frames >= DRIVER_FRAMES || bytes >= DRIVER_BYTES ||
		    (!n && poll->max_us &&
		     vhost_poll_stay(poll, clock_mono_us()))) {
			vhost_port_again(vp, i);
			return;
		}
	} while (n || vring_notify_on(&q->ring));
}
