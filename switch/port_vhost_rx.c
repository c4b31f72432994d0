// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames to a vhost-user guest: one copy each, into as many of its buffers as it
 * takes. When it has none, frames wait in a bounded queue until it kicks; a full
 * queue is a counted drop. See port_vhost_int.h.
 */
#include "switch/port_vhost_int.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "lib/compat.h"
#include "switch/hdrs.h"
#include "switch/offload.h"
#include "switch/vhost_copy.h"

/* Most buffers for one frame: 64 KiB into the smallest that make sense. */
#define MERGE_MAX 128

/* Frames that go into the smallest buffer that makes sense; see place_small(). */
#define SMALL 2048

/* Frames that wait: from here on their senders had better wait … */
#define LAG_BYTES (128 * 1024)
/* … unless the guest takes less than 10 Mbit/s: so much in so long. */
#define PACE_BYTES (64 * 1024)
#define PACE_MS	   50
/* Took none at all for so long: what its line holds may wait there, so that senders
 * notice when it is gone. */
#define STUCK_MS   200
/* Of frames; each brings some bytes of the line's own. */
#define LINE_BYTES (VHOST_BACKLOG_CAP / 8 * 7)

enum placed { PLACED, NO_ROOM, REFUSED };

/* Where in the guest's buffers to go on. */
struct pos {
	unsigned int i;
	size_t off;
};

static void put(const struct vring_iov *v, struct pos *at, const uint8_t *src,
		size_t n)
{
	while (n) {
		const struct iovec *d = &v->v[at->i];
		size_t here = min_sz(d->iov_len - at->off, n);

		memcpy((uint8_t *)d->iov_base + at->off, src, here);
		src += here;
		n -= here;
		at->off += here;
		if (at->off == d->iov_len) {
			at->i++;
			at->off = 0;
		}
	}
}

NOINLINE static void encode_offload(const struct vhost_port *vp,
				    const struct frame *f, unsigned int buffers,
				    uint8_t hdr[VNET_HDR_LEN])
{
	struct offload off = f->off;

	/* The switch has done what the guest cannot; the rest are hints. */
	if (!(vp->port.caps & PORT_CAP_CSUM))
		off.csum_valid = false;
	if (!vp->ecn)
		off.gso_ecn = false;
	vnet_hdr_encode(f, &off, hdr);
	hdr[10] = (uint8_t)buffers;
	hdr[11] = (uint8_t)(buffers >> 8);
}

/* Of a frame with which nothing is left to do. @hdr is only written to, in words: to read
 * back what was written in pieces would have to wait for all writes before. */
static inline void encode_plain(unsigned int buffers, uint8_t hdr[VNET_HDR_LEN])
{
	const uint32_t last = htole32(buffers << 16);

	memset(hdr, 0, 8);
	memcpy(hdr + 8, &last, 4);
}

/* What encode_plain() writes for one buffer lies there already, from the last time: asked
 * only where the header is apart, for elsewhere to read it would mean to wait for the line. */
static inline bool is_plain_there(const uint8_t *hdr)
{
	uint64_t first;
	uint32_t last;

	if (!vhost_hdr_apart(hdr))
		return false;
	memcpy(&first, hdr, 8);
	memcpy(&last, hdr + 8, 4);
	return !(first | (last ^ htole32(1U << 16)));
}

static inline bool has_csum(const struct frame *f)
{
	return f->off.needs_csum || f->off.csum_valid;
}

static void encode(const struct vhost_port *vp, const struct frame *f,
		   unsigned int buffers, uint8_t hdr[VNET_HDR_LEN])
{
	if (has_csum(f))
		encode_offload(vp, f, buffers, hdr);
	else
		encode_plain(buffers, hdr);
}

NOINLINE static void copy_rest(const struct frame *f, uint8_t *p)
{
	for (unsigned int i = 1; i < f->nseg; i++) {
		p += f->seg[i - 1].iov_len;
		memcpy(p, f->seg[i].iov_base, f->seg[i].iov_len);
	}
}

/* All of it into one piece. Where the header is shorter than VNET_HDR_LEN the frame, which
 * is longer than both, begins on its end. */
static ALWAYS_INLINE void copy_whole(const struct vhost_port *vp,
				     const struct frame *f, uint8_t *p)
{
	if (has_csum(f))
		encode_offload(vp, f, 1, p);
	else if (!is_plain_there(p))
		encode_plain(1, p);
	p += vp->hdr_len;
	vhost_copy(p, f->seg[0].iov_base, f->seg[0].iov_len);
	if (f->nseg > 1)
		copy_rest(f, p);
}

static void copy(const struct vhost_port *vp, const struct frame *f,
		 unsigned int buffers, const struct vring_iov *v)
{
	uint8_t hdr[VNET_HDR_LEN];
	struct pos at = {0, 0};

	if (v->n == 1) {
		copy_whole(vp, f, v->v[0].iov_base);
		return;
	}
	encode(vp, f, buffers, hdr);
	put(v, &at, hdr, vp->hdr_len);
	for (unsigned int i = 0; i < f->nseg; i++)
		put(v, &at, f->seg[i].iov_base, f->seg[i].iov_len);
}

static void dirty(struct vhost_port *vp, const struct vring_iov *v, size_t len)
{
	if (!vhost_has(&vp->dev, VHOST_F_LOG_ALL))
		return;
	for (unsigned int i = 0; i < v->n && len; i++) {
		size_t n = min_sz(v->v[i].iov_len, len);

		vhost_mem_dirty(&vp->dev.mem, v->gpa[i], n);
		len -= n;
	}
}

static enum placed place(struct vhost_port *vp, unsigned int i,
			 const struct frame *f)
{
	struct vring *ring = &vp->dev.vq[i].ring;
	size_t need = vp->hdr_len + f->len, had = 0;
	uint16_t head[MERGE_MAX];
	uint32_t len[MERGE_MAX];
	struct vring_iov *v = &vp->iov;
	unsigned int n = 0;

	v->n = 0;
	v->len = 0;
	do {
		int r = n < (vp->mrg ? MERGE_MAX : 1)
				? vring_pop(ring, v, true, &head[n])
				: -ENOBUFS;

		if (r <= 0) {
			vring_unpop(ring, n);
			if (r == -EPROTO)
				vhost_port_fail(vp, ring->why);
			if (r == -ENOBUFS)
				port_drop(&vp->port, DROP_LONG, 1);
			else if (r)
				port_drop(&vp->port, DROP_ERROR, 1);
			return r ? REFUSED : NO_ROOM;
		}
		len[n++] = (uint32_t)(v->len - had);
		had = v->len;
	} while (v->len < need);
	len[n - 1] -= (uint32_t)(v->len - need);
	copy(vp, f, n, v);
	dirty(vp, v, need);
	for (unsigned int j = 0; j < n; j++)
		vring_push(ring, head[j], len[j]);
	vp->touched |= 1u << i;
	port_sent(&vp->port, 1, f->len);
	return PLACED;
}

/* The same, but look again when there is no room: from then on the guest kicks. */
static enum placed place_or_wait(struct vhost_port *vp, unsigned int i,
				 const struct frame *f)
{
	enum placed r = place(vp, i, f);

	if (r == NO_ROOM && vring_notify_on(&vp->dev.vq[i].ring))
		r = place(vp, i, f);
	return r;
}

/* The ring that frames of @flow go to: always the same one, so that they stay in order. */
static unsigned int ring_of(const struct vhost_port *vp, uint32_t flow)
{
	int pair;

	if (vp->nrxq == 1 || !flow)
		return vp->rxq[0];
	pair = steer_get(&vp->steer, flow);
	if (pair >= 0 && vp->rx_mask & 1u << 2 * pair)
		return 2 * (unsigned int)pair;
	return vp->rxq[steer_any(flow, vp->nrxq)];
}

static unsigned int pick(const struct vhost_port *vp, const struct frame *f)
{
	return vp->nrxq == 1 ? vp->rxq[0]
			     : ring_of(vp, steer_frame(frame_hdr(f),
						       frame_hdr_len(f)));
}

void vhost_rx_follow(struct vhost_port *vp, unsigned int i,
		     const struct frame *f)
{
	uint32_t flow = steer_frame(frame_hdr(f), frame_hdr_len(f));
	unsigned int to = i & ~1u, was;

	if (!flow || !(vp->rx_mask & 1u << to))
		return;
	was = ring_of(vp, flow);
	/* It would overtake its own frames that wait. */
	if (was != to && vhost_backlog_empty(&vp->line[was / 2].back))
		steer_set(&vp->steer, flow, to / 2);
}

/* A guest that takes next to nothing must not slow others down: it may mean to. */
static bool lags(const struct vhost_port *vp, int64_t now_ms)
{
	for (unsigned int i = 0; i < vp->nrxq; i++) {
		const struct vhost_line *l = &vp->line[vp->rxq[i] / 2];

		if (l->back.used > LAG_BYTES && now_ms - l->pace_ms <= PACE_MS)
			return true;
	}
	return false;
}

static void note_pace(struct vhost_line *l, size_t len, int64_t now_ms)
{
	l->took_ms = now_ms;
	l->pace += len;
	if (l->pace < PACE_BYTES)
		return;
	l->pace_ms = now_ms;
	l->pace = 0;
}

/* One that is stuck, or gone. */
static bool is_stuck(const struct vhost_port *vp, const struct vhost_line *l)
{
	return vswitch_now(vp->drv.ctx.sw) - l->took_ms > STUCK_MS;
}

static void wait_in_line(struct vhost_port *vp, const struct frame *f,
			 unsigned int i)
{
	int64_t now_ms = vswitch_now(vp->drv.ctx.sw);
	struct vhost_line *l = &vp->line[i / 2];

	if (vhost_backlog_empty(&l->back))
		note_pace(l, PACE_BYTES, now_ms);
	if (!vhost_backlog_push(&l->back, f, 0))
		port_drop(&vp->port, DROP_FULL, 1);
	vp->port.lags = lags(vp, now_ms);
}

size_t vhost_room(const struct port *p, uint32_t flow)
{
	const struct vhost_port *vp = container_of(p, struct vhost_port, port);
	const struct vhost_line *l;

	if (!vp->nrxq)
		return SIZE_MAX;
	l = &vp->line[ring_of(vp, flow) / 2];
	if (!vhost_backlog_empty(&l->back) && !is_stuck(vp, l))
		return 0;
	return l->back.used < LINE_BYTES ? LINE_BYTES - l->back.used : 0;
}

/* ---- frames that are made in the guest's buffers ------------------------------- */

void vhost_unlend(struct port *p)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);

	if (vp->lent.n) {
		/* Somebody may have written there, if only to no end. */
		dirty(vp, &vp->lent.iov, vp->lent.iov.len);
		vring_unpop(&vp->dev.vq[vp->lent.ring].ring, vp->lent.n);
	}
	vp->lent.n = 0;
}

/* The pieces behind the header, as struct port_ops.lend gives them. */
static unsigned int behind_hdr(const struct vring_iov *from, size_t hdr_len,
			       struct iovec *v)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < from->n; i++) {
		size_t skip = min_sz(hdr_len, from->v[i].iov_len);

		hdr_len -= skip;
		if (skip == from->v[i].iov_len)
			continue;
		v[n].iov_base = (uint8_t *)from->v[i].iov_base + skip;
		v[n++].iov_len = from->v[i].iov_len - skip;
	}
	return n;
}

/* Take buffers for @need bytes, as far as there are any; -EPROTO. */
static int borrow(struct vhost_port *vp, size_t need)
{
	struct vhost_lent *l = &vp->lent;
	struct vring *ring = &vp->dev.vq[l->ring].ring;
	unsigned int max = vp->mrg ? VHOST_LEND_MAX : 1;
	size_t had = 0;

	l->iov.n = 0;
	l->iov.len = 0;
	while (l->iov.len < need && l->n < max) {
		int r = vring_pop(ring, &l->iov, true, &l->head[l->n]);

		if (r <= 0)
			return r;
		l->len[l->n++] = (uint32_t)(l->iov.len - had);
		had = l->iov.len;
	}
	return 0;
}

int vhost_lend(struct port *p, uint32_t flow, size_t *len, struct iovec *v)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);
	struct vhost_lent *l = &vp->lent;
	size_t need = vp->hdr_len + *len;
	struct vhost_line *line;
	int r;

	vhost_unlend(p);
	if (vp->fail || !vp->nrxq)
		return 0;
	l->ring = ring_of(vp, flow);
	line = &vp->line[l->ring / 2];
	if (!vhost_backlog_empty(&line->back))
		return 0;
	r = borrow(vp, need);
	if (!r && !l->n && vring_notify_on(&vp->dev.vq[l->ring].ring))
		r = borrow(vp, need);
	if (!r && !l->n) {
		line->asked = true;
		return -EAGAIN;
	}
	if (r)
		vhost_port_fail(vp, vp->dev.vq[l->ring].ring.why);
	/* In small buffers frames would be small: a copy costs less. */
	if (r || l->iov.len < need / 4 || l->iov.n > VHOST_LEND_MAX ||
	    (l->n == VHOST_LEND_MAX && l->iov.len < need / 4 * 3)) {
		vhost_unlend(p);
		return 0;
	}
	*len = min_sz(*len, l->iov.len - vp->hdr_len);
	return (int)behind_hdr(&l->iov, vp->hdr_len, v);
}

/* Does what follows seg[0] lie just where it would be copied to? */
static bool lies_there(const struct vhost_port *vp, const struct frame *f)
{
	const struct vring_iov *v = &vp->lent.iov;
	size_t at = vp->hdr_len + f->seg[0].iov_len;
	unsigned int k = 1;

	if (vp->hdr_len + f->len > v->len)
		return false;
	for (unsigned int i = 0; i < v->n && k < f->nseg; i++) {
		size_t skip = min_sz(at, v->v[i].iov_len);

		at -= skip;
		if (skip == v->v[i].iov_len)
			continue;
		if (f->seg[k].iov_base !=
		    (uint8_t *)v->v[i].iov_base + skip)
			return false;
		if (++k < f->nseg &&
		    f->seg[k - 1].iov_len != v->v[i].iov_len - skip)
			return false;
	}
	return k == f->nseg;
}

/* Its header and beginning are what is missing. Descriptors were judged when the
 * buffers were taken, and nothing is read from them again. */
static void finish(struct vhost_port *vp, const struct frame *f)
{
	struct vhost_lent *l = &vp->lent;
	struct vring *ring = &vp->dev.vq[l->ring].ring;
	size_t need = vp->hdr_len + f->len, sum = 0;
	uint8_t hdr[VNET_HDR_LEN];
	struct pos at = {0, 0};
	unsigned int n = 0;

	while (sum < need)
		sum += l->len[n++];
	l->len[n - 1] -= (uint32_t)(sum - need);
	vring_unpop(ring, l->n - n);
	l->n = 0;
	encode(vp, f, n, hdr);
	put(&l->iov, &at, hdr, vp->hdr_len);
	put(&l->iov, &at, f->seg[0].iov_base, f->seg[0].iov_len);
	dirty(vp, &l->iov, need);
	for (unsigned int j = 0; j < n; j++)
		vring_push(ring, l->head[j], l->len[j]);
	vp->touched |= 1u << l->ring;
	port_sent(&vp->port, 1, f->len);
}

/* false: it is to be copied. */
static bool take_in_place(struct vhost_port *vp, const struct frame *f)
{
	bool ours = f->in_place == &vp->port;

	if (ours && vp->lent.n && lies_there(vp, f)) {
		finish(vp, f);
		return true;
	}
	vhost_unlend(&vp->port);
	if (ours) /* others lie there by now */
		port_drop(&vp->port, DROP_ERROR, 1);
	return ours;
}

/* ---- all frames ---------------------------------------------------------------- */

static void one(struct vhost_port *vp, const struct frame *f)
{
	unsigned int i;

	if ((vp->lent.n || f->in_place) && take_in_place(vp, f))
		return;
	if (vp->fail || !vp->nrxq) {
		port_drop(&vp->port, DROP_NO_PEER, 1);
		return;
	}
	i = pick(vp, f);
	if (vhost_backlog_empty(&vp->line[i / 2].back) &&
	    place_or_wait(vp, i, f) != NO_ROOM)
		return;
	wait_in_line(vp, f, i);
}

static void publish(struct vhost_port *vp)
{
	for (unsigned int i = 0; vp->touched; i++)
		if (vp->touched & 1u << i)
			vhost_port_done(vp, i);
}

/* Frames at the front of a batch that may go into one buffer each, all of ring @i. */
static unsigned int small(const struct vhost_port *vp, unsigned int i,
			  const struct frame *const *batch, unsigned int n)
{
	for (unsigned int k = 0; k < n; k++)
		if (batch[k]->len > SMALL || batch[k]->in_place ||
		    (vp->nrxq > 1 && pick(vp, batch[k]) != i))
			return k;
	return n;
}

/*
 * The first frames of a batch in one go, as far as each of them fits into one buffer that
 * is one piece; returns how many. The rest is for one().
 */
static unsigned int place_small(struct vhost_port *vp,
				const struct frame *const *batch,
				unsigned int n)
{
	unsigned int i = vp->nrxq ? pick(vp, batch[0]) : 0, k = 0;
	struct vring *ring = &vp->dev.vq[i].ring;
	struct vring_buf b[FRAME_BATCH];
	size_t bytes = 0, len;
	int got;

	if (vp->fail || !vp->nrxq || vp->lent.n ||
	    vhost_has(&vp->dev, VHOST_F_LOG_ALL) ||
	    !vhost_backlog_empty(&vp->line[i / 2].back))
		return 0;
	n = small(vp, i, batch, n);
	got = n ? vring_pop_all(ring, b, n, true) : 0;
	if (got <= 0)
		return 0;
	for (; k < (unsigned int)got; k++) {
		len = vp->hdr_len + batch[k]->len;
		if (len > b[k].len)
			break;
		copy_whole(vp, batch[k], b[k].p);
		b[k].len = (uint32_t)len;
		bytes += batch[k]->len;
	}
	vring_unpop(ring, (unsigned int)got - k);
	vring_push_all(ring, b, k);
	port_sent(&vp->port, k, bytes);
	vp->touched |= 1u << i;
	return k;
}

void vhost_rx(struct port *p, const struct frame *const *batch, unsigned int n)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);

	for (unsigned int i = 0; i < n; i++) {
		i += place_small(vp, batch + i, n - i);
		if (i < n)
			one(vp, batch[i]);
	}
	publish(vp);
}

void vhost_rx_kicked(struct vhost_port *vp, unsigned int i)
{
	struct vhost_line *l = &vp->line[i / 2];
	int64_t now_ms = clock_mono_ms();
	struct frame f;
	unsigned int tag;
	bool waited;

	if (!vring_attached(&vp->dev.vq[i].ring))
		return;
	vhost_unlend(&vp->port);
	vring_notify_off(&vp->dev.vq[i].ring);
	waited = !vhost_backlog_empty(&l->back);
	while (!vp->fail && vhost_backlog_peek(&l->back, &f, &tag)) {
		if (place_or_wait(vp, i, &f) == NO_ROOM)
			break;
		vhost_backlog_pop(&l->back);
		note_pace(l, f.len, now_ms);
	}
	publish(vp);
	vp->port.lags = lags(vp, now_ms);
	if ((waited || l->asked) && vhost_backlog_empty(&l->back)) {
		l->asked = false;
		vswitch_room_again(vp->drv.ctx.sw);
	}
}

/* @i is the guest's, and there is memory for frames that wait for it. */
static bool use(struct vhost_port *vp, unsigned int i)
{
	struct vhost_line *l = &vp->line[i / 2];

	/* Without MQ only the first pair is the guest's (5.1.2). */
	return vhost_vq_usable(&vp->dev, &vp->dev.vq[i]) && (!i || vp->mq) &&
	       (l->back.p || !vhost_backlog_init(&l->back));
}

/* true: somebody waits for room there. */
static bool clear_line(struct vhost_port *vp, struct vhost_line *l)
{
	bool any = l->asked || !vhost_backlog_empty(&l->back);

	port_drop(&vp->port, DROP_NO_PEER, vhost_backlog_clear(&l->back));
	l->asked = false;
	return any;
}

void vhost_rx_reset(struct vhost_port *vp)
{
	uint32_t was = vp->rx_mask;
	bool again = false;

	vp->nrxq = 0;
	vp->rx_mask = 0;
	for (unsigned int i = 0; i < VHOST_VQS; i += 2) {
		bool usable = use(vp, i);

		if (!usable || !(was & 1u << i))
			again |= clear_line(vp, &vp->line[i / 2]);
		if (!usable)
			continue;
		vp->rxq[vp->nrxq++] = (uint8_t)i;
		vp->rx_mask |= 1u << i;
		vring_notify_off(&vp->dev.vq[i].ring);
	}
	vp->port.lags = lags(vp, vswitch_now(vp->drv.ctx.sw));
	if (again) /* perhaps on another ring */
		vswitch_room_again(vp->drv.ctx.sw);
}

void vhost_rx_clear(struct vhost_port *vp)
{
	vhost_unlend(&vp->port);
	for (unsigned int i = 0; i < ARRAY_LEN(vp->line); i++)
		(void)clear_line(vp, &vp->line[i]);
	vp->nrxq = 0;
	vp->rx_mask = 0;
	vp->port.lags = false;
}
