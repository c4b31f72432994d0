// SPDX-License-Identifier: GPL-2.0-or-later
/* Queue of frames to the guests. See outq.h. */
#include "nat/outq.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/compat.h"
#include "nat/iov.h"

struct outq {
	outq_send_fn send;
	void *arg;
	bool hold, sending;
	const struct port *in_place;
	unsigned int n;
	size_t used; /* of the arena */
	size_t bytes; /* of all frames */
	uint64_t dropped;
	struct frame f[OUTQ_FRAMES];
	uint8_t hdr[OUTQ_FRAMES][FRAME_HDR];
	uint8_t arena[OUTQ_ARENA];
};

struct outq *outq_new(outq_send_fn send, void *arg)
{
	struct outq *q = malloc(sizeof(*q));

	if (!q)
		return NULL;
	q->send = send;
	q->arg = arg;
	q->hold = q->sending = false;
	q->in_place = NULL;
	q->n = 0;
	q->used = q->bytes = 0;
	q->dropped = 0;
	return q;
}

void outq_free(struct outq *q)
{
	free(q);
}

void outq_flush(struct outq *q)
{
	if (q->sending)
		return;
	q->sending = true;
	for (unsigned int i = 0; i < q->n; i += FRAME_BATCH) {
		unsigned int n = q->n - i;

		q->send(q->arg, q->f + i, n < FRAME_BATCH ? n : FRAME_BATCH);
	}
	q->n = 0;
	q->used = q->bytes = 0;
	q->sending = false;
}

/* Room for one more frame with @len bytes of copied payload. */
static bool have_room(struct outq *q, size_t len)
{
	for (int turn = 0; turn < 2; turn++) {
		if (q->n < OUTQ_FRAMES && len <= OUTQ_ARENA - q->used)
			return true;
		if (q->hold || q->sending)
			break;
		outq_flush(q);
	}
	return false;
}

int outq_put(struct outq *q, const uint8_t *hdr, size_t hdr_len,
	     const struct iovec *v, int n, const struct offload *off, bool lent)
{
	size_t plen = iov_len(v, n), head;
	struct frame *f;
	uint8_t *slot;

	assert(hdr_len <= FRAME_HDR && !(lent && q->hold));
	if (hdr_len + plen > FRAME_MAX || n > FRAME_SEGS - 2)
		return -EMSGSIZE;
	if (!have_room(q, lent ? 0 : plen)) {
		q->dropped++;
		return -ENOBUFS;
	}
	f = &q->f[q->n];
	slot = q->hdr[q->n++];
	memcpy(slot, hdr, hdr_len);
	/* seg[0] holds the first FRAME_HDR bytes, whatever they are. */
	head = iov_copy(v, n, 0, slot + hdr_len, FRAME_HDR - hdr_len);
	frame_init(f, slot, hdr_len + head);
	f->len = (uint32_t)(hdr_len + plen);
	f->off = *off;
	q->bytes += f->len;
	if (plen == head)
		return 0;
	if (lent) {
		f->in_place = q->in_place;
		f->nseg = (uint16_t)(1 + iov_slice(v, n, head, plen - head,
						   f->seg + 1));
		return 0;
	}
	f->seg[1].iov_base = q->arena + q->used;
	f->seg[1].iov_len = plen - head;
	f->nseg = 2;
	q->used += iov_copy(v, n, head, q->arena + q->used, plen - head);
	return 0;
}

void outq_hold(struct outq *q, bool hold)
{
	q->hold = hold;
}

bool outq_held(const struct outq *q)
{
	return q->hold;
}

void outq_in_place(struct outq *q, const struct port *to)
{
	q->in_place = to;
}

size_t outq_bytes(const struct outq *q)
{
	return q->bytes;
}

uint64_t outq_dropped(const struct outq *q)
{
	return q->dropped;
}
