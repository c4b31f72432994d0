// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames to a vhost-user guest: one copy each, into as many of its buffers as it
 * takes. When it has none, frames wait in a bounded queue until it kicks; a full
 * queue is a counted drop. See port_vhost_int.h.
 */
#include "switch/port_vhost_int.h"

#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/clock.h"
#include "switch/hdrs.h"
#include "switch/offload.h"

/* Most buffers for one frame: 64 KiB into the smallest that make sense. */
#define MERGE_MAX 128

/* Frames that wait: from here on their senders had better wait … */
#define LAG_BYTES (128 * 1024)
/* … unless the guest takes less than 10 Mbit/s: so much in so long. */
#define PACE_BYTES (64 * 1024)
#define PACE_MS	   50
/* No use to wait: it took none at all for so long. */
#define STUCK_MS 200

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

static inline void encode(const struct vhost_port *vp, const struct frame *f,
			  unsigned int buffers, uint8_t hdr[VNET_HDR_LEN])
{
	struct offload off;

	memset(hdr, 0, VNET_HDR_LEN);
	if (f->off.needs_csum || f->off.csum_valid) {
		off = f->off;
		/* The switch has done what the guest cannot; the rest are hints. */
		if (!(vp->port.caps & PORT_CAP_CSUM))
			off.csum_valid = false;
		if (!vp->ecn)
			off.gso_ecn = false;
		if (off.needs_csum || off.csum_valid)
			vnet_hdr_encode(&off, hdr);
	}
	hdr[10] = (uint8_t)buffers;
	hdr[11] = (uint8_t)(buffers >> 8);
}

static void copy(const struct vhost_port *vp, const struct frame *f,
		 unsigned int buffers, const struct vring_iov *v)
{
	uint8_t hdr[VNET_HDR_LEN];
	struct pos at = {0, 0};

	encode(vp, f, buffers, hdr);
	if (v->n == 1) { /* nearly always */
		uint8_t *p = v->v[0].iov_base;

		if (vp->hdr_len == VNET_HDR_LEN) /* without a call */
			memcpy(p, hdr, VNET_HDR_LEN);
		else
			memcpy(p, hdr, vp->hdr_len);
		p += vp->hdr_len;
		for (unsigned int i = 0; i < f->nseg; i++) {
			memcpy(p, f->seg[i].iov_base, f->seg[i].iov_len);
			p += f->seg[i].iov_len;
		}
		return;
	}
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

/* Flows stay on one ring, so that they stay in order. */
static unsigned int pick(const struct vhost_port *vp, const struct frame *f)
{
	const uint8_t *p = frame_hdr(f);
	size_t len = frame_hdr_len(f), addrs = 32;
	uint32_t sum = 0;
	struct hdrs h;

	if (vp->nrxq == 1 || !hdrs_l2(p, len, &h) || !hdrs_l3(p, len, &h) ||
	    h.frag || h.l4 + 4u > len)
		return vp->rxq[0];
	if (h.ip == 4)
		addrs = 8;
	for (size_t i = 0; i < addrs; i += 4)
		sum = sum * 31 + get_be32(p + h.l3 + (h.ip == 4 ? 12 : 8) + i);
	if (h.proto == 6 || h.proto == 17)
		sum = sum * 31 + get_be32(p + h.l4);
	sum ^= sum >> 16;
	return vp->rxq[(sum * 0x9e3779b1u >> 16) % vp->nrxq];
}

/* A guest that takes next to nothing must not slow others down: it may mean to. */
static bool lags(const struct vhost_port *vp, int64_t now_ms)
{
	return vp->back.used > LAG_BYTES && now_ms - vp->pace_ms <= PACE_MS;
}

static void note_pace(struct vhost_port *vp, size_t len, int64_t now_ms)
{
	vp->took_ms = now_ms;
	vp->pace += len;
	if (vp->pace < PACE_BYTES)
		return;
	vp->pace_ms = now_ms;
	vp->pace = 0;
}

/* One that is stuck, or gone. */
static bool is_stuck(const struct vhost_port *vp)
{
	return vswitch_now(vp->drv.ctx.sw) - vp->took_ms > STUCK_MS;
}

static void wait_in_line(struct vhost_port *vp, const struct frame *f,
			 unsigned int i)
{
	int64_t now_ms = vswitch_now(vp->drv.ctx.sw);

	if (vhost_backlog_empty(&vp->back))
		note_pace(vp, PACE_BYTES, now_ms);
	if (!vhost_backlog_push(&vp->back, f, i))
		port_drop(&vp->port, DROP_FULL, 1);
	vp->port.lags = lags(vp, now_ms);
}

size_t vhost_room(const struct port *p)
{
	const struct vhost_port *vp = container_of(p, struct vhost_port, port);

	if (!vp->nrxq)
		return SIZE_MAX;
	if (!vhost_backlog_empty(&vp->back))
		return is_stuck(vp) ? SIZE_MAX : 0;
	/* Each frame brings some bytes of the queue's own. */
	return VHOST_BACKLOG_CAP / 8 * 7;
}

/* ---- frames that are made in the guest's buffers ------------------------------- */

void vhost_unlend(struct port *p)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);

	if (vp->lent.n)
		vring_unpop(&vp->dev.vq[vp->lent.ring].ring, vp->lent.n);
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

int vhost_lend(struct port *p, size_t *len, struct iovec *v)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);
	struct vhost_lent *l = &vp->lent;
	size_t need = vp->hdr_len + *len;
	int r;

	vhost_unlend(p);
	/* Of several rings the frame's flow has one, and we do not know it. */
	if (vp->fail || vp->nrxq != 1 || !vhost_backlog_empty(&vp->back))
		return 0;
	l->ring = vp->rxq[0];
	r = borrow(vp, need);
	if (!r && !l->n && vring_notify_on(&vp->dev.vq[l->ring].ring))
		r = borrow(vp, need);
	if (!r && !l->n) {
		vp->asked = true;
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
	if (vhost_backlog_empty(&vp->back) &&
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

void vhost_rx(struct port *p, const struct frame *const *batch, unsigned int n)
{
	struct vhost_port *vp = container_of(p, struct vhost_port, port);

	for (unsigned int i = 0; i < n; i++)
		one(vp, batch[i]);
	publish(vp);
}

void vhost_rx_kicked(struct vhost_port *vp, unsigned int i)
{
	int64_t now_ms = clock_mono_ms();
	struct frame f;
	unsigned int to;
	bool waited;

	if (!vring_attached(&vp->dev.vq[i].ring))
		return;
	vring_notify_off(&vp->dev.vq[i].ring);
	waited = !vhost_backlog_empty(&vp->back);
	while (!vp->fail && vhost_backlog_peek(&vp->back, &f, &to)) {
		if (place_or_wait(vp, to, &f) == NO_ROOM)
			break;
		vhost_backlog_pop(&vp->back);
		note_pace(vp, f.len, now_ms);
	}
	publish(vp);
	vp->port.lags = lags(vp, now_ms);
	if ((waited || vp->asked) && vhost_backlog_empty(&vp->back)) {
		vp->asked = false;
		vswitch_room_again(vp->drv.ctx.sw);
	}
}

void vhost_rx_reset(struct vhost_port *vp)
{
	port_drop(&vp->port, DROP_NO_PEER, vhost_backlog_clear(&vp->back));
	vp->nrxq = 0;
	vp->lent.n = 0;
	vp->port.lags = false;
	for (unsigned int i = 0; i < VHOST_VQS; i += 2) {
		if (!vhost_vq_usable(&vp->dev, &vp->dev.vq[i]))
			continue;
		/* Without MQ only the first pair is the guest's (5.1.2). */
		if (i && !vp->mq)
			break;
		vp->rxq[vp->nrxq++] = (uint8_t)i;
		vring_notify_off(&vp->dev.vq[i].ring);
	}
}
