// SPDX-License-Identifier: GPL-2.0-or-later
/* links: switch_core */
/*
 * Input: 12 bytes of virtio_net_hdr, one byte that says how the frame lies in
 * memory, then the frame. Whatever it is, nothing is read outside; and a frame that
 * passes the check can be cut, into pieces no longer than the MTU allows whose
 * payload is as much as there was.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "switch/guard.h"
#include "switch/offload.h"
#include "switch/rogue.h"
#include "switch/sender.h"

#define MTU 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The frame in exact-size pieces of the heap, the first of at least FRAME_HDR. */
static void scatter(struct frame *f, const uint8_t *p, size_t len, uint8_t how)
{
	size_t each = 1 + (size_t)how * 16, at = 0;

	*f = (struct frame){.len = (uint32_t)len};
	do {
		size_t n = at == 0 ? (size_t)FRAME_HDR + how % 5 : each;
		uint8_t *b;

		if (n > len - at || f->nseg == FRAME_SEGS - 2 || how == 0)
			n = len - at;
		b = malloc(n ? n : 1);
		memcpy(b, p + at, n);
		f->seg[f->nseg].iov_base = b;
		f->seg[f->nseg++].iov_len = n;
		at += n;
	} while (at < len);
}

static void touch(const struct frame *f)
{
	uint8_t buf[4096];
	size_t at = 0, n;

	while ((n = frame_copy(f, at, buf, sizeof(buf))))
		at += n;
	assert(at == f->len);
}

static void cut_for(const struct frame *f, const struct hdrs *h, uint32_t caps)
{
	static struct segmenter seg;
	uint8_t buf[OFFLOAD_HDR_MAX];
	struct frame out;
	unsigned int n = 0;

	if (!segmenter_init(&seg, f, caps)) {
		assert(offload_caps(&f->off) == 0);
		return;
	}
	while (segmenter_next(&seg, &out, buf)) {
		assert(out.len <= MTU + (size_t)h->l3);
		assert(out.seg[0].iov_len >= min_sz(out.len, FRAME_HDR));
		assert(out.nseg <= FRAME_SEGS);
		assert(!out.off.needs_csum ||
		       (caps && offload_caps(&out.off) == caps));
		touch(&out);
		n++;
	}
	assert(n >= 1 && n <= OFFLOAD_SEGS_MAX);
}

static void cut(const struct frame *f, const struct hdrs *h)
{
	cut_for(f, h, 0);
	cut_for(f, h, PORT_CAP_CSUM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t back[VNET_HDR_LEN];
	struct offload off = {0}, again;
	enum drop_reason why;
	struct frame f;
	struct ipaddr ip = {{0xfd}};
	struct hdrs h;

	if (size < VNET_HDR_LEN + 1 || size - VNET_HDR_LEN - 1 > FRAME_MAX)
		return 0;
	scatter(&f, data + VNET_HDR_LEN + 1, size - VNET_HDR_LEN - 1,
		data[VNET_HDR_LEN]);
	if (vnet_hdr_decode(data, &off)) {
		vnet_hdr_encode(&f, &off, back);
		assert(vnet_hdr_decode(back, &again));
		assert(again.gso_size == off.gso_size &&
		       again.csum_start == off.csum_start);
	}
	f.off = off;
	if (hdrs_l2(frame_hdr(&f), frame_hdr_len(&f), &h)) {
		if (offload_check(&f, &h, MTU, &why))
			cut(&f, &h);
		(void)guard_src(&f, &h, 0x0a000001, &ip);
		(void)guard_dst(&f, &ip);
		(void)sender_ip(&f, &h, &ip);
		assert(!rogue_kind(&f, &h) || rogue_maybe(&f, &h));
	}
	offload_infer(&f, MTU);
	if (hdrs_l2(frame_hdr(&f), frame_hdr_len(&f), &h) &&
	    offload_check(&f, &h, MTU, &why))
		cut(&f, &h);
	for (unsigned int i = 0; i < f.nseg; i++)
		free(f.seg[i].iov_base);
	return 0;
}
