// SPDX-License-Identifier: GPL-2.0-or-later
/* See tap_out.h; how frames are joined is in gro.c, how they are cut in offload.c. */
#include "switch/tap_out.h"

#include <errno.h>
#include <string.h>

#include "lib/fdutil.h"
#include "switch/gro.h"
#include "switch/offload.h"

static int put(struct tap_out *o, const struct frame *f)
{
	uint8_t hdr[VNET_HDR_LEN];
	struct iovec v[1 + FRAME_SEGS];
	int nv = 0;

	if (o->vnet_hdr) {
		vnet_hdr_encode(f, &f->off, hdr);
		v[nv].iov_base = hdr;
		v[nv++].iov_len = VNET_HDR_LEN;
	}
	memcpy(v + nv, f->seg, f->nseg * sizeof(*v));
	return o->write(o->arg, v, nv + f->nseg);
}

/* What became of a frame that stands for @n, of @bytes in all. */
static void count(struct tap_out *o, int err, unsigned int n, uint64_t bytes)
{
	enum drop_reason why = DROP_ERROR;

	if (!err) {
		port_sent(o->port, n, bytes);
		return;
	}
	if (would_block(-err) || err == -ENOBUFS || err == -ENOMEM)
		why = DROP_FULL;
	else if (err == -EIO) /* the interface is down; that passes */
		why = DROP_LINK;
	port_drop(o->port, why, n);
}

/* Put a frame of many datagrams; false: the kernel does not take it as one. */
static bool put_many(struct tap_out *o, const struct frame *f, unsigned int n,
		     uint64_t bytes)
{
	int err = put(o, f);

	if (err == -EINVAL) {
		if (!o->uso_works)
			o->port->caps &= ~(uint32_t)PORT_CAP_USO;
		return false;
	}
	o->uso_works |= !err;
	count(o, err, n, bytes);
	return true;
}

static void put_cut(struct tap_out *o, const struct frame *f)
{
	uint8_t buf[OFFLOAD_HDR_MAX];
	struct segmenter s;
	struct frame piece;

	if (!segmenter_init(&s, f, o->port->caps)) {
		port_drop(o->port, DROP_OFFLOAD, 1);
		return;
	}
	while (segmenter_next(&s, &piece, buf))
		count(o, put(o, &piece), 1, piece.len);
}

static void put_one(struct tap_out *o, const struct frame *f)
{
	bool many = f->off.gso_type == GSO_UDP_L4;

	if (!many)
		count(o, put(o, f), 1, f->len);
	else if (!(o->port->caps & PORT_CAP_USO) || !put_many(o, f, 1, f->len))
		put_cut(o, f);
}

void tap_out(struct tap_out *o, const struct frame *const *batch,
	     unsigned int n)
{
	for (unsigned int i = 0, k; i < n; i += k) {
		uint8_t hdr[FRAME_HDR];
		uint64_t bytes = 0;
		struct frame big;

		k = o->port->caps & PORT_CAP_USO
			    ? gro_udp(batch + i, n - i, &big, hdr)
			    : 1;
		for (unsigned int j = 0; j < k; j++)
			bytes += batch[i + j]->len;
		if (k > 1 && put_many(o, &big, k, bytes))
			continue;
		for (unsigned int j = 0; j < k; j++)
			put_one(o, batch[i + j]);
	}
}
