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
#include "switch/vhost_copy.h"

/* Of one batch: with what waits already it still fits a slow guest's queue
 * (LAG_BYTES, VHOST_BACKLOG_CAP). */
#define BATCH_BYTES (256 * 1024)

/* A guest that sends to one that cannot keep pace waits this long … */
#define PAUSE_MS 1
/* … and no more often than so in turn: its other frames wait, too. */
#define PAUSES_MAX 10

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

static size_t reject(struct vhost_port *vp, enum drop_reason why)
{
	vp->port.stats.rx_frames++;
	port_drop(&vp->port, why, 1);
	return 0;
}

/* How much of the batch's memory, VSWITCH_RX_AREA bytes, is used for @n. */
static inline size_t area_of(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* Its beginning is copied to @to. Returns how much was: 0: it is none. */
static size_t make_frame(struct vhost_port *vp, const struct vring_iov *v,
			 uint8_t *to, struct frame *f)
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
	f->seg[0].iov_base = to;
	f->seg[0].iov_len = n;
	f->nseg = 1;
	take(v, &at, to, n);
	for (; at.i < v->n; at.i++, at.off = 0) {
		f->seg[f->nseg].iov_base =
			(uint8_t *)v->v[at.i].iov_base + at.off;
		f->seg[f->nseg++].iov_len = v->v[at.i].iov_len - at.off;
	}
	return n;
}

/* The same of a buffer in one piece of which nothing is left undone; 0: anything else,
 * which make_frame() judges anew. */
static inline size_t make_plain(size_t hdr_len, const struct vring_buf *b,
				uint8_t *to, struct frame *f)
{
	size_t len = b->len, n;
	uint8_t *p = b->p;
	uint16_t todo; /* flags and gso_type */

	if (len <= hdr_len || len - hdr_len > FRAME_MAX)
		return 0;
	memcpy(&todo, p, sizeof(todo));
	if (todo)
		return 0;
	len -= hdr_len;
	p += hdr_len;
	n = len <= OFFLOAD_HDR_MAX ? len : FRAME_HDR;
	f->in_place = NULL;
	f->off = (struct offload){0};
	f->len = (uint32_t)len;
	f->nseg = len > n ? 2 : 1;
	f->seg[0].iov_base = to;
	f->seg[0].iov_len = n;
	f->seg[1].iov_base = p + n;
	f->seg[1].iov_len = len - n;
	vhost_copy(to, p, n);
	return n;
}

static size_t make_other(struct vhost_port *vp, const struct vring_buf *b,
			 uint8_t *to, struct frame *f)
{
	struct vring_iov *v = &vp->iov;

	v->n = 1;
	v->len = b->len;
	v->v[0] = (struct iovec){b->p, b->len};
	return make_frame(vp, v, to, f);
}

/* What was taken for a batch. */
struct taken {
	unsigned int n, nf; /* buffers, and the frames in them */
	size_t bytes;
	uint8_t *area; /* what is left of it */
	struct vring_buf b[FRAME_BATCH];
	struct frame f[FRAME_BATCH];
};

/* The next one, of any form; as vring_pop(). @run: of a ring that is disabled frames are
 * lost. */
static int take_any(struct vhost_port *vp, struct vring *ring, struct taken *t,
		    bool run)
{
	struct vring_iov *v = &vp->iov;
	size_t got;
	int r;

	v->n = 0;
	v->len = 0;
	r = vring_pop(ring, v, false, &t->b[t->n].head);
	if (r <= 0)
		return r;
	t->b[t->n++].len = 0; /* we write nothing */
	t->bytes += v->len;
	got = run ? make_frame(vp, v, t->area, &t->f[t->nf]) : 0;
	t->area += area_of(got);
	t->nf += got > 0;
	return r;
}

/* As many as there are of one piece, in a row; as vring_pop_all(). */
static int take_plain(struct vhost_port *vp, struct vring *ring,
		      struct taken *t, bool run, size_t limit)
{
	struct vring_buf *b = t->b + t->n;
	struct frame *f = t->f + t->nf;
	size_t hdr_len = vp->hdr_len, bytes = t->bytes;
	int n = vring_pop_all(ring, b, FRAME_BATCH - t->n, false), i;
	uint8_t *area = t->area;

	for (i = 0; i < n && bytes < limit; i++, b++) {
		size_t got = run ? make_plain(hdr_len, b, area, f) : 0;

		if (run && !got)
			got = make_other(vp, b, area, f);
		bytes += b->len;
		b->len = 0;
		area += area_of(got);
		f += got > 0;
	}
	t->n += (unsigned int)i;
	t->nf = (unsigned int)(f - t->f);
	t->bytes = bytes;
	t->area = area;
	if (i < n)
		vring_unpop(ring, (unsigned int)(n - i));
	return n;
}

/* Up to a batch; 0 or -EPROTO. */
static int take_batch(struct vhost_port *vp, unsigned int i, struct taken *t,
		      size_t limit)
{
	bool run = vhost_vq_usable(&vp->dev, &vp->dev.vq[i]);
	struct vring *ring = &vp->dev.vq[i].ring;
	struct vhost_kick *k = &vp->kick[i];
	int r = 0;

	do {
		/* Not tried in vain for each buffer of a guest that chains. */
		if (k->plain) {
			r = take_plain(vp, ring, t, run, limit);
			k->plain = r || !vring_seen(ring);
		}
		if (!k->plain) {
			r = take_any(vp, ring, t, run);
			k->plain = r > 0 && vp->iov.n == 1;
		}
	} while (r > 0 && t->n < FRAME_BATCH && t->bytes < limit);
	return r < 0 ? r : 0;
}

/* One batch; returns how many buffers were taken. */
static unsigned int batch(struct vhost_port *vp, unsigned int i, size_t *bytes,
			  int64_t now_ms)
{
	struct vhost_vq *q = &vp->dev.vq[i];
	struct taken t;
	int r;

	t.n = t.nf = 0;
	t.bytes = 0;
	t.area = vswitch_rx_area(vp->drv.ctx.sw);
	r = take_batch(vp, i, &t, min_sz(BATCH_BYTES, DRIVER_BYTES - *bytes));
	*bytes += t.bytes;
	for (unsigned int k = 0; vp->nrxq > 1 && k < t.nf; k++)
		vhost_rx_follow(vp, i, &t.f[k]);
	if (t.nf) {
		vp->port.slow_bytes = 0;
		vswitch_input(&vp->port, t.f, t.nf, now_ms);
	}
	vring_push_all(&q->ring, t.b, t.n);
	if (r < 0)
		vhost_port_fail(vp, q->ring.why);
	return t.n;
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
		n = batch(vp, i, &bytes, now_ms);
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
